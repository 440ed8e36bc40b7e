"""What a long run tells while it goes on: a log with one JSON object a line, and how fast it is.

Nothing here decides anything; times that are logged are UTC, and durations come from a clock that only goes forwards.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, Self

from lipaccord.errors import ArchiveError

WINDOW_S = 600.0
WINDOW_CLIPS = 100
"""The rate is that of the last ten minutes, or of the last hundred clips where that is longer."""

STANDARD_ERROR = Path("-")


class RunLog:
    """A log of events, one JSON object a line, each written out at once; any thread may write.

    Parameters
    ----------
    path : Path or None
        Is added to; ``-`` is standard error, and with None nothing is written.

    Raises
    ------
    ArchiveError
        The file can't be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        if path is not None and path != STANDARD_ERROR:
            try:
                self._file = path.open("ab", buffering=0)
            except OSError as error:
                raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ArchiveError:
        return ArchiveError(f"the log {self._path} can't be written ({error.strerror or error}); name another place")

    def event(self, event: str, **fields: Any) -> None:
        """Write one line: the time (UTC, ISO 8601), the event, and the fields, which are JSON values.

        Raises
        ------
        ArchiveError
            The line can't be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": now, "event": event} | fields, allow_nan=False) + "\n"
        try:
            with self._lock:
                self._write(line)
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, line: str) -> None:
        if self._path == STANDARD_ERROR:
            sys.stderr.write(line)
            sys.stderr.flush()
        elif self._file is not None:
            rest = line.encode("ascii")
            while rest:
                rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Rate:
    """How far a run is, and how fast.

    Parameters
    ----------
    total : int
        Clips that the archive holds, as far as is known; may be set later.
    done : int
        Clips that were done before.
    clock : callable
        Seconds, only ever more.

    Attributes
    ----------
    total, done, failed : int
    """

    def __init__(self, total: int, done: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = done
        self.failed = 0
        self._clock = clock
        self._begun = clock()
        self._clips: deque[tuple[float, float]] = deque()

    def add(self, footage_s: float = 0.0, *, failed: bool = False) -> None:
        """Count one more clip, with the seconds of footage that were examined in it."""
        now = self._clock()
        self.done += 1
        self.failed += failed
        self._clips.append((now, footage_s))
        while len(self._clips) > WINDOW_CLIPS and self._clips[0][0] < now - WINDOW_S:
            self._begun = self._clips.popleft()[0]

    def _elapsed(self) -> float:
        return self._clock() - self._begun

    @property
    def clips_per_hour(self) -> float:
        """Clips an hour; 0 as long as none is done."""
        return 3600 * len(self._clips) / elapsed if (elapsed := self._elapsed()) > 0 else 0.0

    @property
    def footage_per_second(self) -> float:
        """Seconds of footage a second; 0 as long as no clip is done."""
        return sum(footage for _, footage in self._clips) / elapsed if (elapsed := self._elapsed()) > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all is done at this rate; None as long as there is no rate."""
        if not (rate := self.clips_per_hour):
            return None
        return 3600 * max(0, self.total - self.done) / rate

    def status(self, workers: int) -> str:
        """Say it in one line, as ``1,234 of 10,000 clips; 512 an hour; 17 h left; 3 failed; 2 workers``."""
        parts = [f"{self.done:,} of {self.total:,} clips"]
        if (left := self.seconds_left) is not None:
            rate = self.clips_per_hour
            parts += [f"{rate:,.0f} an hour" if rate >= 10 else f"{rate:.1f} an hour", f"{in_words(left)} left"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        parts.append("1 worker" if workers == 1 else f"{workers:,} workers")
        return "; ".join(parts)


def in_words(seconds: float) -> str:
    """Say how long that is, in the unit that suits it."""
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"
