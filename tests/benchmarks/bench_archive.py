"""Speed of an archive run with one process and with two, and the memory of a run that lists a hundred thousand clips.

Run by ``make bench``. Figures are printed, nothing is asserted about time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lipaccord.archive.scoring import Order, score
from stub_examination import Silent

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
COPIES = 24
MANY = (10_000, 100_000)

STUB_RUN = """
import resource, sys
from contextlib import contextmanager
from concurrent.futures import Executor
from pathlib import Path
from lipaccord.archive import scoring
from lipaccord.archive.executors import Crew
from lipaccord.archive.records import Reply
from lipaccord.assembly import InlineExecutor
from stub_examination import Silent

class Instant(InlineExecutor):
    def submit(self, function, errand):
        sha256 = errand.payload["uri"].rpartition("/")[2].rjust(64, "0")
        gist = {"status": "examined", "triage": len(errand.payload["uri"]) / 7, "sync_status": "in_sync"}
        value = {"sha256": sha256, "duration_s": 5.0, "gist": gist}
        return super().submit(Reply, value, (b"{}" * 2000, b"{}" * 9000), None, 0.1, 100.0, "host:1")

@contextmanager
def crew(processes, dask):
    yield Crew(Instant(), lambda: 2, "nobody", lambda function, expected: None)

scoring.open_executor = crew
scoring.score(scoring.Order((sys.argv[1],)), Path(sys.argv[2]), Silent())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def copies(folder: Path) -> Path:
    """Make clips that differ, for the store tells equal ones."""
    folder.mkdir()
    for number in range(COPIES):
        clip = Path(shutil.copy(FIXTURES / "obama_speech.mp4", folder / f"{number}.mp4"))
        with clip.open("ab") as file:
            file.write(bytes(8) + number.to_bytes(4, "big"))
    return folder


def test_two_processes_beside_one(tmp_path: Path) -> None:
    clips = copies(tmp_path / "clips")
    seconds = {}
    for processes in (1, 2):
        store = tmp_path / f"{processes}.db"
        begin = time.perf_counter()
        summary = score(Order((str(clips),), processes=processes), store, Silent())
        seconds[processes] = time.perf_counter() - begin
        assert summary.counts == {"examined": COPIES}
    one, two = seconds[1], seconds[2]
    print(
        f"\n{COPIES} clips of 8.75 s: {one:.1f} s with one process, {two:.1f} s with two: {one / two:.2f} times; "
        f"{3600 * COPIES / one:.0f} clips an hour and core"
    )


@pytest.mark.parametrize("count", MANY)
def test_memory_of_a_run(count: int, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for number in range(count):
        folder = clips / f"{number // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{number:06d}.mp4").open("wb") as file:
            file.truncate(number + 1)  # no two of one size, and none takes room
    begin = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    store = tmp_path / "a.db"
    done = subprocess.run(
        [sys.executable, "-c", STUB_RUN, str(clips), str(store)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    elapsed = time.perf_counter() - begin
    print(
        f"\n{count:,} clips: the run takes {done.stdout.strip()} MiB and {1000 * elapsed / count:.2f} ms a clip; "
        f"store {store.stat().st_size / 1e6:.0f} MB"
    )
