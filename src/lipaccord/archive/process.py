"""One child process that works on errands: its pipes, its memory, and how it is killed.

It shares nothing with its parent but pipes, and leads a process group of its own, which is killed as a whole: nothing
that a task starts outlives it. What it leaves in its folder for temporary files is removed.

Memory is the sum over the process group of what is resident, as /proc tells it a few times a second; pages that several
processes share count once for each. On a system without /proc it is not limited.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NoReturn

from lipaccord.archive.child import Blobs, Frame, Header
from lipaccord.archive.records import Limits, Trouble

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
TICK_S = 0.2
"""Between two looks at the memory."""
LETTING_GO_S = 10.0
"""How long a killed process is waited for; one that hangs in the kernel (a dead network drive) goes when it can."""
_BLOCK = 1 << 18
_NOISE = 4096

_BOOT = (
    "import json, sys; path, descriptors = json.loads(sys.argv[1]); sys.path[:] = path; "
    "from lipaccord.archive.child import main; main(*descriptors)"
)


class Stopped(Exception):
    """An errand came to no end of its own."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.trouble = Trouble(error, message)


class _Memory:
    """Looks at what the processes of one group hold; those of others are looked at once."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._others: set[str] = set()
        self._page = os.sysconf("SC_PAGE_SIZE")

    def look(self) -> float:
        """Return what is resident, in MiB."""
        if not Path("/proc/self/stat").exists():
            return 0.0
        there = {name for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208 - many times a second
        self._others &= there
        return sum(map(self._resident, there - self._others)) * self._page / 2**20

    def _resident(self, process: str) -> int:
        """Return the resident pages of a process of the group; 0 for any other."""
        try:
            fields = Path("/proc", process, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return 0  # it has ended since
        if int(fields[2]) != self._group:
            self._others.add(process)
            return 0
        return int(fields[21])


def _pipes(count: int) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    try:
        while len(made) < count:
            made.append(os.pipe())
    except OSError:
        for descriptor in chain.from_iterable(made):
            os.close(descriptor)
        raise
    return made


class Child:
    """One process and its pipes; `kill` may be called by any thread, the rest by the one that started it."""

    def __init__(self) -> None:
        pipes = _pipes(4)
        (request, self._request), (self._reply, reply), (self._noise, noise), (lifeline, self._lifeline) = pipes
        theirs = (request, reply, lifeline)
        self._folder = tempfile.TemporaryDirectory(prefix="lipaccord-", ignore_cleanup_errors=True)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, json.dumps([sys.path, theirs])],
                pass_fds=theirs,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=noise,
                stderr=noise,
                env=os.environ | dict.fromkeys(ONE_THREAD, "1") | {"TMPDIR": self._folder.name},
            )
        except BaseException:
            self._close()
            raise
        finally:
            for descriptor in (*theirs, noise):
                os.close(descriptor)
        for descriptor in (self._request, self._noise):
            os.set_blocking(descriptor, False)
        self.pid = self._process.pid
        self.peak_mb = 0.0
        self._memory = _Memory(self.pid)
        self._last_words = b""
        self._ended = False
        self._lock = threading.Lock()

    def ask(self, request: bytes, limits: Limits) -> tuple[Header, Blobs]:
        """Send a frame and return the next one that comes.

        Raises
        ------
        Stopped
            None comes: the limits are exceeded, or the process has ended.
        """
        self._last_words = b""
        frame, rest = Frame(), memoryview(request)
        poll = select.poll()
        poll.register(self._reply, select.POLLIN)
        poll.register(self._noise, select.POLLIN)
        if rest:
            poll.register(self._request, select.POLLOUT)
        deadline = time.monotonic() + limits.seconds
        self.peak_mb, looked = 0.0, 0.0
        while True:
            if (now := time.monotonic()) >= deadline:
                raise Stopped("TimeLimit", f"took longer than {limits.seconds:g} s; give more with --clip-seconds N")
            if now >= looked + TICK_S:
                looked = now
                self._check_memory(limits.memory_mb)
            ready = [event[0] for event in poll.poll(math.ceil(1000 * max(0.0, min(looked + TICK_S, deadline) - now)))]
            if self._request in ready:
                rest = self._write(rest)
                if not rest:
                    poll.unregister(self._request)
            if self._noise in ready and not self._listen():
                poll.unregister(self._noise)
            if self._reply in ready:
                if not (data := os.read(self._reply, _BLOCK)):
                    self._report_death()
                try:
                    frame.add(data)
                except ValueError as error:
                    raise Stopped(
                        "Crash", f"what its process sent can't be read ({error}); please report this"
                    ) from error
                if (whole := frame.whole()) is not None:
                    return whole
            elif self._has_died():
                self._report_death()  # a process that it started holds the pipe open

    def _check_memory(self, limit_mb: int) -> None:
        self.peak_mb = max(self.peak_mb, self._memory.look())
        if self.peak_mb > limit_mb:
            raise Stopped("MemoryLimit", f"needed more than {limit_mb} MiB of memory; give more with --clip-memory MB")

    def _write(self, rest: memoryview) -> memoryview:
        try:
            return rest[os.write(self._request, rest[:_BLOCK]) :]
        except BrokenPipeError:
            self._report_death()

    def _listen(self) -> bool:
        """Take what was printed, and keep the end of it; False where nothing more can come."""
        try:
            data = os.read(self._noise, _BLOCK)
        except BlockingIOError:
            return True
        self._last_words = (self._last_words + data)[-_NOISE:]
        return bool(data)

    def _state(self) -> os.waitid_result | None:
        """Tell how the process ended; None while it runs. It stays unreaped, so that nobody else has its number."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)

    def _has_died(self) -> bool:
        return self._state() is not None

    def _report_death(self) -> NoReturn:
        from lipaccord.report.wording import plain

        patience = time.monotonic() + 1.0  # its pipes close a moment before it is gone
        while (state := self._state()) is None and time.monotonic() < patience:
            time.sleep(0.005)
        self._listen()
        if state is None:
            how, remedy = "closed its pipes", "please report this"
        elif state.si_code == os.CLD_EXITED:
            how, remedy = f"ended with exit status {state.si_status}", "please report this"
        elif state.si_status == signal.SIGKILL:
            how = "was killed by SIGKILL, perhaps because the machine ran out of memory"
            remedy = "let fewer processes work side by side"
        else:
            how, remedy = f"was killed by {signal.Signals(state.si_status).name}", "please report this"
        lines = self._last_words.decode("utf-8", "replace").split("\n")
        words = next((plain(line.strip()) for line in reversed(lines) if line.strip()), "")
        said = f" (its last words: {words[-300:]})" if words else ""
        raise Stopped("Crash", f"its process {how}{said}; {remedy}")

    def kill(self) -> None:
        """Kill the process and all others of its group, unless that is done."""
        with self._lock:
            if not self._ended:
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill the process, and leave nothing of it."""
        self.kill()
        with self._lock:
            if self._ended:
                return
            self._ended = True
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LETTING_GO_S)
            if self._process.returncode is None:
                _STUCK.append(self._process)
            self._close()

    def _close(self) -> None:
        for descriptor in (self._request, self._reply, self._noise, self._lifeline):
            os.close(descriptor)
        self._folder.cleanup()


_STUCK: list[subprocess.Popen[bytes]] = []
"""Killed processes that the kernel has not let go."""
