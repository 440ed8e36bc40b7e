from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

import pytest

from lipaccord.assembly import AHEAD, InlineExecutor, LineExecutor, prefetched

TIMEOUT_S = 10.0
EXECUTORS: list[Callable[[], Executor]] = [InlineExecutor, LineExecutor]


@pytest.mark.parametrize("make", EXECUTORS)
def test_work_is_done_in_order(make: Callable[[], Executor]) -> None:
    seen: list[int] = []

    def work(number: int, *, factor: int) -> int:
        seen.append(number)
        return number * factor

    with make() as executor:
        futures = [executor.submit(work, number, factor=3) for number in range(50)]
    assert [future.result() for future in futures] == [3 * number for number in range(50)]
    assert seen == list(range(50))


@pytest.mark.parametrize("make", EXECUTORS)
def test_an_error_is_raised_by_the_result_and_ends_nothing(make: Callable[[], Executor]) -> None:
    with make() as executor:
        bad = executor.submit(int, "x")
        good = executor.submit(int, "7")
    with pytest.raises(ValueError, match="invalid literal"):
        bad.result()
    assert good.result() == 7


def test_inline_work_stays_in_the_callers_thread_and_line_work_in_one_other() -> None:
    with InlineExecutor() as inline, LineExecutor() as line:
        here = inline.submit(threading.get_ident).result()
        there = {line.submit(threading.get_ident).result() for _ in range(5)}
    assert here == threading.get_ident()
    assert len(there) == 1
    assert here not in there


def test_a_line_takes_no_more_than_its_share_ahead() -> None:
    gate, submitted = threading.Event(), threading.Semaphore(0)
    with LineExecutor() as line:

        def feed() -> None:
            for _ in range(AHEAD + 3):
                line.submit(gate.wait, TIMEOUT_S)
                submitted.release()

        feeder = threading.Thread(target=feed)
        feeder.start()
        for _ in range(AHEAD):
            assert submitted.acquire(timeout=TIMEOUT_S)
        assert not submitted.acquire(timeout=0.05)
        gate.set()
        for _ in range(3):
            assert submitted.acquire(timeout=TIMEOUT_S)
        feeder.join(TIMEOUT_S)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_item_comes_in_order(threads: int) -> None:
    items: list[object] = [1, None, (), (1, 2), "x", *range(40)]
    with prefetched(iter(items), threads) as taken:
        assert list(taken) == items


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_to_take(threads: int) -> None:
    with prefetched(iter(()), threads) as taken:
        assert list(taken) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_reaches_the_consumer_after_the_items_before_it(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise KeyError("broken")

    seen: list[int] = []

    def take() -> None:
        with prefetched(items(), threads) as taken:
            for item in taken:
                seen.append(item)

    with pytest.raises(KeyError, match="broken"):
        take()
    assert seen == [0, 1, 2]


def test_the_producer_waits_when_it_is_far_ahead() -> None:
    made: list[int] = []
    full = threading.Event()

    def items() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            if number == AHEAD:
                full.set()
            yield number

    with prefetched(items(), 2) as taken:
        assert full.wait(TIMEOUT_S)
        assert len(made) == AHEAD + 1  # one more is in the producer's hand
        assert [next(taken) for _ in range(3)] == [0, 1, 2]
    assert len(made) <= AHEAD + 1 + 3


def test_an_early_stop_ends_the_producer() -> None:
    before = set(threading.enumerate())
    with prefetched(iter(range(10**9)), 2) as taken:
        assert next(taken) == 0
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) <= before


def test_an_error_of_the_consumer_ends_the_producer() -> None:
    before = set(threading.enumerate())

    def take() -> None:
        with prefetched(iter(range(10**9)), 2) as taken:
            raise ValueError(f"{next(taken)} is not wanted")

    with pytest.raises(ValueError, match="0 is not wanted"):
        take()
    assert set(threading.enumerate()) <= before
