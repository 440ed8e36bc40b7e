"""The assembly line: stages of one clip on several threads, each in order and with bounded work ahead.

Only the time that it takes depends on the number of threads, never what comes out.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, ParamSpec, TypeVar

AHEAD = 8  # frames that a stage may be ahead of the next one: bounds the memory

SWITCH_S = 0.0005

T = TypeVar("T")
P = ParamSpec("P")


class InlineExecutor(Executor):
    """Does the work at once, in the caller's thread."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `function` now; errors are raised by the future's `result`."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - raised again by the future's `result`
            future.set_exception(error)
        return future


class LineExecutor(Executor):
    """One thread that works in order; `submit` waits while AHEAD pieces of work are not yet done."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._room = threading.BoundedSemaphore(AHEAD)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue the call behind those before it."""
        self._room.acquire()
        future = self._thread.submit(function, *args, **kwargs)
        future.add_done_callback(lambda done: self._room.release())
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the work that is queued."""
        self._thread.shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def brisk_switching() -> Iterator[None]:
    """Let threads hand over quickly: a stage waits for the interpreter many times a frame."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


_END: Any = object()


def _produce(items: Iterator[Any], ahead: queue.Queue[Any], stop: threading.Event) -> None:
    """Put every item, then the end or the error, until told to stop."""
    last: Any = _END
    try:
        for item in items:
            if not _put(ahead, item, stop):
                return
    except BaseException as error:  # noqa: BLE001 - handed to the consumer, who raises it
        last = error
    _put(ahead, (_END, last), stop)


def _put(ahead: queue.Queue[Any], item: Any, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            ahead.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _consume(ahead: queue.Queue[Any]) -> Iterator[Any]:
    while True:
        item = ahead.get()
        if isinstance(item, tuple) and item and item[0] is _END:
            if isinstance(item[1], BaseException):
                raise item[1]
            return
        yield item


@contextmanager
def prefetched(items: Iterator[T], threads: int) -> Iterator[Iterator[T]]:
    """Take items in a thread of their own, up to AHEAD before they are asked for; in the caller's with one thread."""
    if threads == 1:
        yield items
        return
    ahead: queue.Queue[Any] = queue.Queue(AHEAD)
    stop = threading.Event()
    producer = threading.Thread(target=_produce, args=(items, ahead, stop), daemon=True)
    producer.start()
    try:
        with closing(_consume(ahead)) as taken:  # type: ignore[type-var]
            yield taken
    finally:
        stop.set()
        producer.join()
