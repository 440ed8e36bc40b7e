"""Errands -> replies through any executor: a bounded number in flight, and once more what a fault of a worker spoilt.

The engine knows `concurrent.futures.Executor` and nothing of what is behind it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from lipaccord.archive.confinement import perform
from lipaccord.archive.records import Errand, Reply, Trouble

AGAIN = frozenset({"Crash", "MemoryLimit", "WorkerLost"})
"""Troubles that may be no fault of the clip: a process dies of its neighbours too."""
PAUSE_S = 1.0
"""Between two looks at whether there are workers, further errands, or a wish to stop."""
GRACE_S = 5.0
"""What errands in flight still get when the run is to stop."""
REMIND_S = 300.0
"""Between two lines that say that there is no worker."""
_WORDS = {2: "two", 3: "three"}

Key = TypeVar("Key")


@dataclass(slots=True)
class _Job(Generic[Key]):
    key: Key
    errand: Errand
    tries: int = 0


class _Flight(Generic[Key]):
    """What is in flight, and what has landed, in that order."""

    def __init__(self, executor: Executor, function: Callable[[Errand], Reply]) -> None:
        self._executor = executor
        self._function = function
        self._jobs: dict[Future[Reply], _Job[Key]] = {}
        self._landed: queue.SimpleQueue[Future[Reply]] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._jobs)

    def send(self, job: _Job[Key]) -> None:
        job.tries += 1
        future = self._executor.submit(self._function, job.errand)
        self._jobs[future] = job
        future.add_done_callback(self._landed.put)

    def land(self, seconds: float) -> tuple[_Job[Key], Reply] | None:
        """Return the next that has landed; None where there is none so soon."""
        try:
            future = self._landed.get(timeout=seconds)
        except queue.Empty:
            return None
        job = self._jobs.pop(future, None)
        return None if job is None else (job, _reply_of(future))  # of what was taken back, there is no reply

    def cancel(self) -> None:
        """Take back what has not begun."""
        for future in list(self._jobs):
            if future.cancel():
                del self._jobs[future]


def _reply_of(future: Future[Reply]) -> Reply:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - whatever an executor raises: the clip is told, the others go on
        from lipaccord.report.wording import plain

        what = plain(f"{type(error).__name__}: {error}")[:300]
        return Reply({}, trouble=Trouble("WorkerLost", f"the worker that had it was lost ({what}); start again"))


class _Workers:
    """How much may be in flight; tells when there is no worker, and when there is one again."""

    def __init__(self, slots: Callable[[], int], tell: Callable[[str], None] | None) -> None:
        self._slots = slots
        self._tell = tell
        self._told: float | None = None

    def room(self) -> int:
        """Return how many errands the workers and their queues hold."""
        slots = self._slots()
        if slots and self._told is not None:
            self._told = None
            self._say("there are workers again")
        elif not slots and (self._told is None or time.monotonic() >= self._told + REMIND_S):
            self._told = time.monotonic()
            self._say("there is no worker; waiting for one")
        return 2 * slots

    def _say(self, line: str) -> None:
        if self._tell is not None:
            self._tell(line)


class _Supply(Generic[Key]):
    """The errands that come, and behind them those that are tried again."""

    def __init__(self, errands: Iterator[tuple[Key, Errand] | None]) -> None:
        self._errands = errands
        self._again: deque[_Job[Key]] = deque()
        self._over = False

    def next_job(self, in_flight: int, room: int) -> _Job[Key] | None:
        """Return what to send next; None where nothing is to be sent now."""
        if not self._over:
            try:
                item = next(self._errands)
            except StopIteration:
                self._over = True
            else:
                if item is not None:
                    return _Job(*item)
        # Where memory was short, fewer side by side may do: a quarter of the room is half the workers.
        if self._again and in_flight < max(1, room // 4):
            return self._again.popleft()
        return None

    def again(self, job: _Job[Key]) -> None:
        self._again.append(job)

    @property
    def is_over(self) -> bool:
        return self._over and not self._again


def dispatch(
    executor: Executor,
    slots: Callable[[], int],
    errands: Iterator[tuple[Key, Errand] | None],
    *,
    tries: int = 2,
    stop: threading.Event | None = None,
    function: Callable[[Errand], Reply] = perform,
    tell: Callable[[str], None] | None = None,
) -> Generator[tuple[Key, Errand, Reply], None, None]:
    """Have errands done, and yield each with its reply, in the order in which they are done.

    Nothing happens but while the caller asks for the next reply: only then are errands taken and submitted, and no
    more than twice as many as there are slots are in flight. The errands may depend on replies: an iterator that may
    have more later yields None for "nothing now", and is asked again after every reply, or after a second. It must not
    end as long as it waits for a reply. All is over when the iterator has ended and every reply has been yielded.

    What a fault of a worker may have caused (`AGAIN`, or an exception of the executor) is tried again, after what else
    there is to do and with fewer side by side; everything else is what it is.

    Parameters
    ----------
    executor : Executor
    slots : callable
        How many errands can be worked on at once, now; 0 while there is no worker, for which is waited. What it raises
        ends the run.
    errands : iterator of pairs of a key and an Errand, or None
    tries : int
        How often an errand is tried at most.
    stop : threading.Event, optional
        Once it is set nothing is submitted, what has not begun is taken back, and what runs has `GRACE_S` more; of the
        rest there is no reply.
    function : callable
        Does an errand; an executor of other processes must be able to pickle it.
    tell : callable, optional
        Is given a line where the workers are gone, or there again.
    """
    stop = stop or threading.Event()
    flight: _Flight[Key] = _Flight(executor, function)
    supply = _Supply(errands)
    workers = _Workers(slots, tell)
    try:
        while not stop.is_set():
            room = workers.room()
            while len(flight) < room and (job := supply.next_job(len(flight), room)) is not None:
                flight.send(job)
            if not flight and supply.is_over:
                return
            if (landed := _wait(flight, stop)) is None:
                continue
            job, reply = landed
            if reply.trouble is not None and reply.trouble.error in AGAIN:
                if job.tries < tries:
                    supply.again(job)
                    continue
                reply = _tried(reply, reply.trouble, job.tries)
            yield job.key, job.errand, reply
        flight.cancel()
        yield from _last(flight)
    finally:
        flight.cancel()


def _wait(flight: _Flight[Key], stop: threading.Event) -> tuple[_Job[Key], Reply] | None:
    if not flight:
        stop.wait(PAUSE_S)
        return None
    return flight.land(PAUSE_S)


def _last(flight: _Flight[Key]) -> Iterator[tuple[Key, Errand, Reply]]:
    """Yield what still lands in time and is the clip's own."""
    deadline = time.monotonic() + GRACE_S
    while flight and (left := deadline - time.monotonic()) > 0:
        if (landed := flight.land(left)) is not None:
            job, reply = landed
            if reply.trouble is None or reply.trouble.error not in AGAIN:
                yield job.key, job.errand, reply


def _tried(reply: Reply, trouble: Trouble, tries: int) -> Reply:
    message = f"{trouble.message} (after {_WORDS.get(tries, tries)} tries)" if tries > 1 else trouble.message
    return replace(reply, trouble=Trouble(trouble.error, message))
