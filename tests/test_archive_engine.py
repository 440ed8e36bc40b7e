from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

import pytest

from lipaccord.archive import engine
from lipaccord.archive.engine import dispatch
from lipaccord.archive.records import Errand, Reply, Trouble
from lipaccord.assembly import InlineExecutor
from lipaccord.errors import ArchiveError

Pairs = Iterator[tuple[int, Errand] | None]


def errands(*numbers: int) -> Pairs:
    for number in numbers:
        yield number, Errand("package.module:name", {"number": number})


def number_of(errand: Errand) -> int:
    number: int = errand.payload["number"]
    return number


def echo(errand: Errand) -> Reply:
    return Reply({"number": number_of(errand)})


def slots(count: int) -> Callable[[], int]:
    return lambda: count


class Held(Executor):
    """Keeps what it is given until the test lets it happen."""

    def __init__(self) -> None:
        self.waiting: dict[int, Future[Any]] = {}
        self.taken: list[int] = []
        self._came = threading.Condition()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        number, future = number_of(args[0]), Future[Any]()
        with self._came:
            self.taken.append(number)
            self.waiting[number] = future
            self._came.notify_all()
        return future

    def given(self, number: int) -> Future[Any]:
        """Wait until it was given this one: a busy machine may let others come first."""
        with self._came:
            assert self._came.wait_for(lambda: number in self.waiting, timeout=60)
            return self.waiting[number]

    def finish(self, number: int) -> None:
        self.given(number)
        self.waiting.pop(number).set_result(Reply({"number": number}))

    def cancel(self, number: int) -> None:
        self.given(number).cancel()


class Noting(InlineExecutor):
    """Does the work at once, and notes in which order."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.taken.append(number_of(args[0]))
        return super().submit(function, *args, **kwargs)


def in_the_background(work: Callable[[], None]) -> None:
    """Let something happen while the engine waits."""
    threading.Timer(0.02, work).start()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PAUSE_S", 0.01)


def test_every_errand_comes_back_with_its_key_and_reply() -> None:
    done = list(dispatch(InlineExecutor(), slots(1), errands(*range(10)), function=echo))
    assert [(key, number_of(errand), reply.value["number"]) for key, errand, reply in done] == [
        (number, number, number) for number in range(10)
    ]


def test_no_errand_is_taken_before_a_reply_is_asked_for() -> None:
    held = Held()
    replies = dispatch(held, slots(2), errands(*range(10)))
    assert held.taken == []
    in_the_background(lambda: held.finish(1))
    assert next(replies)[0] == 1
    assert held.taken == [0, 1, 2, 3]  # twice the slots
    for number in (0, 2):
        held.finish(number)
    assert held.taken == [0, 1, 2, 3]  # nobody has asked
    assert [next(replies)[0], next(replies)[0]] == [0, 2]  # as they were done
    assert held.taken == [0, 1, 2, 3, 4, 5]
    replies.close()


def test_as_many_are_in_flight_as_there_are_slots_now() -> None:
    held, count = Held(), [1]
    replies = dispatch(held, lambda: count[0], errands(*range(10)))
    in_the_background(lambda: held.finish(0))
    next(replies)
    assert held.taken == [0, 1]
    count[0] = 3
    in_the_background(lambda: held.finish(1))
    next(replies)
    assert held.taken == [0, 1, 2, 3, 4, 5, 6]
    count[0] = 1
    in_the_background(lambda: held.finish(2))
    next(replies)
    assert len(held.taken) == 7
    replies.close()


def test_errands_may_come_of_replies() -> None:
    to_do: list[int] = [1]
    open_ones = {1}

    def coming() -> Pairs:
        while open_ones:
            yield next(errands(to_do.pop())) if to_do else None

    done = []
    for key, _, _ in dispatch(InlineExecutor(), slots(1), coming(), function=echo):
        done.append(key)
        if key < 8:
            to_do += [2 * key, 2 * key + 1]
            open_ones |= {2 * key, 2 * key + 1}
        open_ones.discard(key)
    assert sorted(done) == list(range(1, 16))


@pytest.mark.parametrize("error", ["Crash", "MemoryLimit", "WorkerLost"])
def test_a_fault_of_a_worker_is_tried_twice_and_told(error: str) -> None:
    executor = Noting()

    def fault(errand: Errand) -> Reply:
        return echo(errand) if number_of(errand) else Reply({}, trouble=Trouble(error, "it fell over"))

    done = {key: reply for key, _, reply in dispatch(executor, slots(1), errands(0, 1, 2, 3), function=fault)}
    assert done.pop(0).trouble == Trouble(error, "it fell over (after two tries)")
    assert {key: reply.value["number"] for key, reply in done.items()} == {1: 1, 2: 2, 3: 3}
    assert executor.taken == [0, 1, 2, 3, 0]  # after the others


@pytest.mark.parametrize("error", ["TimeLimit", "UnreadableMedia"])
def test_a_trouble_of_the_clip_is_tried_once(error: str) -> None:
    executor = Noting()
    trouble = Trouble(error, "it is so")
    done = list(dispatch(executor, slots(1), errands(0), function=lambda errand: Reply({}, trouble=trouble)))
    assert done[0][2].trouble == trouble
    assert executor.taken == [0]


def test_a_second_try_that_works_is_what_counts() -> None:
    tries = []

    def once(errand: Errand) -> Reply:
        tries.append(errand)
        return echo(errand) if len(tries) > 1 else Reply({}, trouble=Trouble("Crash", "it fell over"))

    [(_, _, reply)] = dispatch(InlineExecutor(), slots(1), errands(5), function=once)
    assert reply.trouble is None
    assert reply.value == {"number": 5}


def test_with_one_try_nothing_is_said_about_tries() -> None:
    trouble = Trouble("Crash", "it fell over")
    crash = dispatch(
        InlineExecutor(), slots(1), errands(5), tries=1, function=lambda errand: Reply({}, trouble=trouble)
    )
    assert [reply.trouble for _, _, reply in crash] == [trouble]


@pytest.mark.parametrize("error", [BrokenExecutor("all\x1b gone"), ValueError("all\x1b gone")])
def test_what_an_executor_raises_is_a_lost_worker_and_stops_nothing(error: Exception) -> None:
    def fault(errand: Errand) -> Reply:
        if number_of(errand) == 0:
            raise error
        return echo(errand)

    done = {key: reply for key, _, reply in dispatch(InlineExecutor(), slots(2), errands(0, 1), function=fault)}
    what = rf"{type(error).__name__}: all\x1b gone"
    message = f"the worker that had it was lost ({what}); start again (after two tries)"
    assert done[0].trouble == Trouble("WorkerLost", message)
    assert done[1].value == {"number": 1}


def test_what_a_cluster_cancels_is_a_lost_worker() -> None:
    held = Held()
    replies = dispatch(held, slots(1), errands(0), tries=1)
    in_the_background(lambda: held.cancel(0))
    _, _, reply = next(replies)
    assert reply.trouble is not None
    assert reply.trouble.error == "WorkerLost"


def test_second_tries_run_with_fewer_side_by_side() -> None:
    crashed: set[int] = set()
    running: list[int] = []

    class Counting(Held):
        def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            number = number_of(args[0])
            future = super().submit(function, *args, **kwargs)
            if number in crashed:
                running.append(len(self.waiting))
                in_the_background(lambda: self.finish(number))
            else:
                crashed.add(number)
                del self.waiting[number]
                future.set_result(Reply({}, trouble=Trouble("Crash", "it fell over")))
            return future

    done = list(dispatch(Counting(), slots(4), errands(*range(8))))
    assert len(done) == 8
    assert max(running) == 2


def test_workers_that_are_gone_are_waited_for_and_that_is_told() -> None:
    counts = iter([0, 0, 0, 2, 2, 2, 2, 2])
    lines: list[str] = []
    done = list(dispatch(InlineExecutor(), lambda: next(counts), errands(1), function=echo, tell=lines.append))
    assert [key for key, _, _ in done] == [1]
    assert lines == ["there is no worker; waiting for one", "there are workers again"]


def test_that_there_is_no_worker_is_told_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REMIND_S", 0.0)
    counts = iter([0, 0, 2, 2, 2])
    lines: list[str] = []
    list(dispatch(InlineExecutor(), lambda: next(counts), errands(1), function=echo, tell=lines.append))
    assert lines == 2 * ["there is no worker; waiting for one"] + ["there are workers again"]


def test_what_slots_raises_ends_the_run_and_takes_back_what_has_not_begun() -> None:
    held, calls = Held(), iter([2, 2])

    def count() -> int:
        if (slots := next(calls, None)) is None:
            raise ArchiveError("the scheduler is gone")
        return slots

    with pytest.raises(ArchiveError, match="the scheduler is gone"):
        list(dispatch(held, count, errands(0, 1)))
    assert all(future.cancelled() for future in held.waiting.values())


def test_a_stop_takes_back_what_waits_and_lets_end_what_runs() -> None:
    held, stop = Held(), threading.Event()
    replies = dispatch(held, slots(2), errands(*range(10)), stop=stop)

    def end() -> None:
        held.finish(1)
        held.finish(2)

    def halt() -> None:
        held.given(3)
        held.given(1).set_running_or_notify_cancel()
        held.given(2).set_running_or_notify_cancel()
        stop.set()
        threading.Timer(0.02, end).start()

    in_the_background(halt)
    assert [key for key, _, _ in replies] == [1, 2]
    assert held.taken == [0, 1, 2, 3]
    assert all(future.cancelled() for future in held.waiting.values())


def test_what_goes_on_after_a_stop_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "GRACE_S", 0.05)
    held, stop = Held(), threading.Event()
    replies = dispatch(held, slots(1), errands(0), stop=stop)

    def halt() -> None:
        held.given(0).set_running_or_notify_cancel()
        stop.set()

    in_the_background(halt)
    assert list(replies) == []


def test_what_was_killed_by_a_stop_has_no_reply() -> None:
    held, stop = Held(), threading.Event()
    replies = dispatch(held, slots(1), errands(0), stop=stop)

    def halt() -> None:
        held.given(0).set_running_or_notify_cancel()
        stop.set()
        lost = Reply({}, trouble=Trouble("WorkerLost", "told to end"))
        threading.Timer(0.02, lambda: held.waiting[0].set_result(lost)).start()

    in_the_background(halt)
    assert list(replies) == []


def test_a_stop_from_the_start_takes_nothing() -> None:
    held, stop = Held(), threading.Event()
    stop.set()
    assert list(dispatch(held, slots(1), errands(0), stop=stop)) == []
    assert held.taken == []


def test_a_consumer_that_leaves_takes_back_what_has_not_begun() -> None:
    held = Held()
    replies = dispatch(held, slots(1), errands(0, 1, 2))
    in_the_background(lambda: held.finish(0))
    next(replies)
    replies.close()
    assert held.waiting[1].cancelled()


def test_an_interruption_goes_on_to_the_caller() -> None:
    def interrupt(errand: Errand) -> Reply:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(dispatch(InlineExecutor(), slots(1), errands(0), function=interrupt))
