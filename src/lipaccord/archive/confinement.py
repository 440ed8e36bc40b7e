"""An errand -> a reply, by a process of its own that is ended when it takes too long or too much.

A process does one errand after another, so that models stay loaded, and is replaced after any that it does not survive.
"""

from __future__ import annotations

import platform
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from lipaccord.archive.child import MAX_MESSAGE, Header, pack
from lipaccord.archive.process import Child, Stopped
from lipaccord.archive.records import Errand, Limits, Reply, Trouble

START = Limits(seconds=120.0, memory_mb=sys.maxsize)
"""What a process may take until it is ready for its first errand."""
ERRANDS = 200
"""After so many, a process is replaced: libraries leak."""

T = TypeVar("T")
P = ParamSpec("P")


def _end(children: list[Child]) -> None:
    while children:
        children.pop().end()


class Confined:
    """Does errands in a process of its own, which it starts when there is one to do.

    One thread uses it; any may call `stop`. The process ends with `close`, with the object, and with this process,
    however that ends.
    """

    def __init__(self) -> None:
        self._children: list[Child] = []  # none or one
        self._done = 0
        self._stopped = False
        self._lock = threading.Lock()
        weakref.finalize(self, _end, self._children)

    def do(self, errand: Errand) -> Reply:
        """Do an errand; whatever the task does, there is a reply.

        Raises
        ------
        TypeError, ValueError
            The errand's payload is no JSON, or larger than `child.MAX_FRAME`.
        """
        request = pack({"task": errand.task, "payload": errand.payload})
        begun = time.monotonic()
        worker, peak_mb = platform.node(), 0.0
        try:
            child = self._ready()
            begun, worker = time.monotonic(), f"{worker}:{child.pid}"
            try:
                header, blobs = child.ask(request, errand.limits)
            finally:
                peak_mb = child.peak_mb
            value, trouble = _read(header)
        except Stopped as stopped:
            self.close()
            value, blobs, trouble = {}, (), _LOST if self._stopped else stopped.trouble
        except BaseException:
            self.close()
            raise
        self._done += 1
        if self._done % ERRANDS == 0:
            self.close()
        return Reply(value, blobs, trouble, time.monotonic() - begun, peak_mb, worker)

    def _ready(self) -> Child:
        """Return the process, started anew where there is none."""
        with self._lock:
            if self._stopped:
                raise Stopped(_LOST.error, _LOST.message)
            if self._children:
                return self._children[0]
            try:
                child = Child()
            except OSError as error:
                raise Stopped(
                    "WorkerLost", f"no process could be started ({error}); let fewer work side by side"
                ) from error
            self._children.append(child)
        try:
            child.ask(b"", START)
        except Stopped as stopped:
            raise Stopped("WorkerLost", f"a process could not be started ({stopped})") from stopped
        return child

    def stop(self) -> None:
        """Kill what runs, from any thread; what is asked for from now on comes back as ``WorkerLost``."""
        with self._lock:
            self._stopped = True
        self.kill()

    def kill(self) -> None:
        """Kill what runs, from any thread."""
        with self._lock:
            for child in list(self._children):
                child.kill()

    def close(self) -> None:
        """End the process; there is a new one for the next errand."""
        _end(self._children)


_LOST = Trouble("WorkerLost", "its worker was told to end; start again: what is done is kept")


def _read(header: Header) -> tuple[dict[str, Any], Trouble | None]:
    """Read a reply, which its sender may have made up."""
    match header:
        case {"value": dict() as value}:
            return value, None
        case {"trouble": [str() as error, str() as message]} if error.isidentifier():
            from lipaccord.report.wording import plain

            return {}, Trouble(error[:100], plain(message)[:MAX_MESSAGE])
        case _:
            raise Stopped("Crash", "what its process sent is no reply; please report this")


class _Own(threading.local):
    """What belongs to a thread; it goes with it."""

    confined: Confined | None = None
    crew = ""


_own = _Own()
_working: dict[Confined, str] = {}
"""What is at work in this process, and for which crew."""
_ended_crews: set[str] = set()


def adopt(confined: Confined) -> None:
    """Have `perform` use this one in the calling thread."""
    _own.confined = confined


def perform(errand: Errand) -> Reply:
    """Do an errand in the process that belongs to the calling thread, and that ends with it."""
    confined = _own.confined
    if confined is None:
        adopt(confined := Confined())
    _working[confined] = _own.crew
    try:
        if _own.crew in _ended_crews:
            return Reply({}, trouble=_LOST)
        return confined.do(errand)
    finally:
        del _working[confined]


def release() -> None:
    """End the process of the calling thread, where it has one."""
    if _own.confined is not None:
        _own.confined.close()
        _own.confined = None


def in_crew(crew: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function for a crew, whose name is its own: what it performs is what `end_crew` ends."""
    _own.crew = crew
    try:
        return function(*args, **kwargs)
    finally:
        _own.crew = ""


def end_crew(crew: str) -> None:
    """Kill what is at work for a crew in this process, and do no more for it."""
    _ended_crews.add(crew)
    for confined, whose in list(_working.items()):
        if whose == crew:
            confined.kill()
