"""The process that works on errands: it reads them from one pipe, calls the task, and answers through another.

A frame is four bytes that say how long its header is (big end first), the header (a JSON object in ASCII), and the
blobs whose lengths the header lists. `confinement` starts this process and speaks with it. What a task prints goes
nowhere near the frames, and the process ends with its parent, whatever it is doing then.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import signal
import struct
import threading
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from lipaccord.errors import LipAccordError

PREFIX = struct.Struct(">I")
MAX_FRAME = 256 * 1024 * 1024
"""Bytes of a header and its blobs."""
MAX_MESSAGE = 2000
"""Characters of a message."""

READY = {"ready": True}
"""Header of the first frame: the process is up."""

Header = dict[str, Any]
Blobs = tuple[bytes, ...]


def pack(header: Header, blobs: Blobs = ()) -> bytes:
    """Return a frame.

    Raises
    ------
    ValueError, TypeError
        The header is no JSON, or the frame would be larger than `MAX_FRAME`.
    """
    text = json.dumps(header | {"blobs": [len(blob) for blob in blobs]}, allow_nan=False).encode("ascii")
    size = len(text) + sum(map(len, blobs))
    if size > MAX_FRAME:
        raise ValueError(f"it is too large, {size:,} bytes of at most {MAX_FRAME:,}")
    return b"".join((PREFIX.pack(len(text)), text, *blobs))


class Frame:
    """A frame that arrives piece by piece, from a process that may send anything."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._header: Header | None = None
        self._ends: list[int] = []

    def add(self, data: bytes) -> None:
        """Take the next bytes.

        Raises
        ------
        ValueError
            This is no frame, or one larger than `MAX_FRAME`.
        """
        self._data += data
        if self._header is None and len(self._data) >= PREFIX.size:
            end = PREFIX.size + PREFIX.unpack_from(self._data)[0]
            self._check(end)
            if len(self._data) >= end:
                self._read_header(end)
        self._check(len(self._data))

    def _check(self, size: int) -> None:
        if size - PREFIX.size > MAX_FRAME:
            raise ValueError(f"it is too large, more than {MAX_FRAME:,} bytes")

    def _read_header(self, end: int) -> None:
        try:
            header = json.loads(self._data[PREFIX.size : end])
            sizes = header.pop("blobs")
            right = all(type(size) is int and size >= 0 for size in sizes)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            right = False
        if not right:
            raise ValueError("it is no frame")
        self._header, self._ends = header, list(accumulate(sizes, initial=end))
        self._check(self._ends[-1])

    def whole(self) -> tuple[Header, Blobs] | None:
        """Return the header and the blobs once all is there."""
        if self._header is None or len(self._data) < self._ends[-1]:
            return None
        return self._header, tuple(bytes(self._data[start:end]) for start, end in pairwise(self._ends))


def _troubled(error: str, message: str) -> bytes:
    from lipaccord.report.wording import plain

    return pack({"trouble": [error, plain(message)[:MAX_MESSAGE]]})


def _call(task: str, payload: Header) -> tuple[Header, Blobs]:
    module, _, name = task.partition(":")
    result: tuple[Header, Blobs] = getattr(importlib.import_module(module), name)(payload)
    return result


def _packed(result: Any) -> bytes:
    """Pack what a task returned, whatever that is."""
    try:
        value, blobs = result
        if not isinstance(value, dict):
            raise TypeError(f"it holds a {type(value).__name__} instead of a dict")
        return pack({"value": value}, tuple(blobs))
    except (TypeError, ValueError, RecursionError) as error:
        return _troubled("WrongReply", f"what its examination gave can't be handed on ({error}); please report this")


def answer(task: str, payload: Header) -> bytes:
    """Do an errand.

    Parameters
    ----------
    task : str
        ``package.module:name`` of a function from the payload to a dict of JSON values and a tuple of bytes.
    payload : dict

    Returns
    -------
    bytes
        A frame: what the function returned, or what it raised, as a trouble.
    """
    try:
        result = _call(task, payload)
    except LipAccordError as error:
        return _troubled(type(error).__name__, str(error))
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        return _troubled(
            "MemoryLimit", f"the machine had no memory left for it{detail}; let fewer processes work side by side"
        )
    except BaseException as error:  # noqa: BLE001 - the parent is told, and this process goes on
        name = type(error).__name__
        return _troubled(name, f"its examination broke down ({name}: {error}); please report this")
    return _packed(result)


def end_with_parent(lifeline: int) -> None:
    """Have this process and all others of its group killed as soon as nobody holds the other end of a pipe.

    Where the kernel can do that (Linux), it does, also while a library computes without letting other threads run; a
    thread that waits for the end of the pipe serves elsewhere. That a parent's death sends a signal (PR_SET_PDEATHSIG)
    is of no use: it comes already when the thread ends that started the process.
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _offer_to_the_kernel() -> None:
    """Be the first to go when the machine runs out of memory: the parent can start another process."""
    with suppress(OSError):  # a courtesy, which not every system knows or allows
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _read_request(requests: BinaryIO) -> Header | None:
    """Read the next errand; None where there will be none."""
    prefix = requests.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    (size,) = PREFIX.unpack(prefix)
    header: Header = json.loads(requests.read(size))
    return header


def main(request: int, reply: int, lifeline: int) -> None:
    """Work on errands until there are no more; the arguments are descriptors of pipes."""
    for descriptor in (request, reply, lifeline):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when this ends
    end_with_parent(lifeline)
    _offer_to_the_kernel()
    with open(request, "rb") as requests, open(reply, "wb", buffering=0) as replies:
        _send(replies, pack(READY))
        while (errand := _read_request(requests)) is not None:
            _send(replies, answer(errand["task"], errand["payload"]))


def _send(replies: BinaryIO, frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[replies.write(rest) :]
