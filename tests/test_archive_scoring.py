from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stub_examination
from lipaccord.archive import tasks
from lipaccord.archive.database import sole_run
from lipaccord.archive.records import Limits
from lipaccord.archive.scoring import Order, Summary, score
from lipaccord.archive.store import open_store
from lipaccord.errors import ArchiveError, SettingsError
from lipaccord.settings import Settings
from stub_examination import Silent

Score = Callable[..., Summary]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(stub_examination.CALLS, str(tmp_path / "calls"))
    monkeypatch.setattr(tasks, "EXAMINE", stub_examination.EXAMINE)
    (tmp_path / "clips").mkdir()
    return tmp_path


def write(folder: Path, **clips: str) -> None:
    for name, text in clips.items():
        (folder / "clips" / f"{name}.mp4").write_text(text, encoding="utf-8")


def run(folder: Path, watcher: Silent | None = None, stop: threading.Event | None = None, **changes: Any) -> Summary:
    order = Order((str(folder / "clips"),), **{"processes": 1} | changes)
    return score(order, folder / "a.db", watcher or Silent(), stop)


def rows(folder: Path, columns: str = "status") -> dict[str, Any]:
    with open_store(folder / "a.db") as store:
        found = store.connection.execute(f"SELECT name, {columns} FROM row").fetchall()
    return {Path(row[0]).stem: row[1] if len(row) == 2 else tuple(row)[1:] for row in found}


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_every_clip_gets_one_row_whatever_happens(folder: Path) -> None:
    write(folder, good="examined 1.5", mute="silent", bad="broken", killer="deadly")
    watcher = Silent()
    summary = run(folder, watcher)
    assert summary.counts == {"examined": 1, "not_examinable": 1, "failed": 2}
    assert summary.new == 4
    assert not summary.interrupted
    found = rows(folder, "status, error, message, triage")
    assert found["good"] == ("examined", "", "", 1.5)
    assert found["mute"][0] == "not_examinable"
    assert found["bad"] == ("failed", "UnreadableMedia", "bad.mp4 is broken; leave it out", None)
    assert found["killer"][:2] == ("failed", "Crash")
    assert "two tries" in found["killer"][2]
    assert Counter(calls(folder))["killer.mp4 whole"] == 2
    assert watcher.clips == {name + ".mp4": row[0] for name, row in found.items()}


def test_a_second_run_does_nothing(folder: Path) -> None:
    write(folder, good="examined 1.5", bad="broken")
    run(folder)
    before = calls(folder)
    watcher = Silent()
    summary = run(folder, watcher)
    assert summary.new == 0
    assert summary.counts == {"examined": 1, "failed": 1}
    assert calls(folder) == before
    assert watcher.said == ["listed 2"]


def test_a_clip_that_moved_is_not_examined_again_and_a_changed_one_is(folder: Path) -> None:
    write(folder, one="examined 1.0", two="examined 2.5")
    run(folder)
    clips = folder / "clips"
    (clips / "one.mp4").rename(clips / "elsewhere.mp4")
    write(folder, two="examined 7.25")
    summary = run(folder)
    assert summary.new == 2
    found = rows(folder, "triage")
    assert found["elsewhere"] == 1.0
    assert sorted(calls(folder)[2:]) == ["elsewhere.mp4 known", "two.mp4 whole"]
    assert found["two"] == 7.25
    with open_store(folder / "a.db") as store:
        assert store.connection.execute("SELECT count(*) FROM examination").fetchone()[0] == 3


def test_equal_clips_are_examined_once(folder: Path) -> None:
    write(folder, **{f"copy{number}": "examined 3.0" for number in range(5)})
    summary = run(folder, processes=2)
    assert summary.counts == {"examined": 5}
    with open_store(folder / "a.db") as store:
        assert store.connection.execute("SELECT count(*) FROM examination").fetchone()[0] == 1
    assert set(rows(folder, "triage").values()) == {3.0}
    assert Counter(call.split()[1] for call in calls(folder)) == {"whole": 1, "known": 4}


def test_clips_of_one_size_that_differ_are_all_examined(folder: Path) -> None:
    write(folder, **{f"clip{number}": f"examined {number}.0" for number in range(5)})
    run(folder, processes=2)
    assert rows(folder, "triage") == {f"clip{number}": float(number) for number in range(5)}


def test_clips_of_one_size_are_examined_side_by_side(folder: Path) -> None:
    write(folder, **{f"clip{number}": f"meets {number}" for number in range(2)})
    assert run(folder, processes=2, limits=Limits(seconds=60.0)).counts == {"not_examinable": 2}


def test_a_long_recording_is_examined_turn_by_turn(folder: Path) -> None:
    write(folder, session="long 4\nexamined 1.0\nsilent\nexamined 9.0\nbroken")
    watcher = Silent()
    summary = run(folder, watcher, processes=2)
    assert summary.counts == {"examined": 1}
    assert sorted(watcher.turns) == [1, 2, 3, 4]
    assert rows(folder, "triage, turns, lead, footage_s") == {"session": (9.0, 4, 3, 13.0)}
    with open_store(folder / "a.db") as store:
        turns = store.turns(1, store.connection.execute("SELECT sha256 FROM clip").fetchone()[0])
    assert [turn.gist and turn.gist.status for turn in turns] == ["examined", "not_examinable", "examined", "failed"]


def test_failed_clips_are_tried_again_if_asked(folder: Path) -> None:
    write(folder, good="examined 1.5", bad="broken", session="long 1\nbroken")
    run(folder)
    before = len(calls(folder))
    summary = run(folder, failed_too=True)
    assert summary.new == 2
    assert summary.counts == {"examined": 1, "failed": 2}
    again = calls(folder)[before:]
    assert "bad.mp4 whole" in again
    assert "session.mp4 [10.0, 15.0]" in again
    assert not any("good" in call for call in again)


def test_another_method_examines_anew_and_keeps_the_first(folder: Path) -> None:
    write(folder, good="examined 1.5")
    run(folder)
    run(folder, settings=Settings(max_faces=2))
    assert calls(folder) == ["good.mp4 whole"] * 2
    with open_store(folder / "a.db") as store:
        assert store.connection.execute("SELECT count(*) FROM row WHERE status = 'examined'").fetchone()[0] == 2


def test_a_setting_of_one_clip_is_refused(folder: Path) -> None:
    write(folder, good="examined 1.5")
    with pytest.raises(SettingsError, match="start_s belongs to one clip"):
        run(folder, settings=Settings(start_s=3.0))


def test_entries_with_a_trouble_fail_without_being_read(folder: Path) -> None:
    os.mkfifo(folder / "clips" / "pipe.mp4")
    summary = run(folder)
    assert summary.counts == {"failed": 1}
    assert calls(folder) == []
    assert "pipe" in rows(folder, "message")["pipe"]
    assert run(folder, failed_too=True).counts == {"failed": 1}


def test_a_clip_that_vanishes_fails_and_the_others_go_on(folder: Path) -> None:
    write(folder, a="examined 1.0", b="examined 2.0")

    class Thief(Silent):
        def begins(self, waiting: int, done: int, workers: str) -> None:
            (folder / "clips" / "b.mp4").unlink()

    assert run(folder, Thief()).counts == {"examined": 1, "failed": 1}
    assert "b.mp4" in rows(folder, "message")["b"]


def test_a_clip_that_vanishes_between_two_runs_gets_its_row(folder: Path) -> None:
    write(folder, a="examined 1.0", b="examined 2.0")
    stop = threading.Event()

    class Stopping(Silent):
        def begins(self, waiting: int, done: int, workers: str) -> None:
            stop.set()

    run(folder, Stopping(), stop)
    (folder / "clips" / "a.mp4").unlink()
    assert run(folder).counts == {"examined": 1}
    assert rows(folder, "status, error") == {"a": ("failed", "Missing"), "b": ("examined", "")}
    (folder / "clips" / "b.mp4").unlink()
    run(folder)
    assert rows(folder, "status")["b"] == "examined"


def test_a_stopped_run_keeps_what_is_done_and_the_next_goes_on(folder: Path) -> None:
    write(folder, **{f"clip{number}": f"examined {number}.5" for number in range(6)})
    stop = threading.Event()

    class Stopping(Silent):
        def clip(self, name: str, gist: Any, workers: int) -> None:
            stop.set()

    summary = run(folder, Stopping(), stop)
    assert summary.interrupted
    assert 1 <= summary.counts["examined"] < 6
    assert summary.counts["waiting"] == 6 - summary.counts["examined"]
    assert run(folder).counts == {"examined": 6}


def test_what_is_no_fault_of_a_clip_stops_the_run(folder: Path) -> None:
    write(folder, a="foreign", b="examined 2.0")
    with pytest.raises(ArchiveError, match="give every worker the same"):
        run(folder)
    assert rows(folder)["a"] is None
    write(folder, a="examined 1.0")
    assert run(folder).counts == {"examined": 2}


def test_a_time_limit_fails_a_clip_and_the_others_go_on(folder: Path) -> None:
    write(folder, slow="endless", swift="examined 1.0")
    assert run(folder, limits=Limits(seconds=2.0)).counts == {"examined": 1, "failed": 1}
    assert rows(folder, "error") == {"slow": "TimeLimit", "swift": ""}


def test_a_second_run_at_the_same_time_is_refused(folder: Path) -> None:
    write(folder, good="examined 1.5")
    with sole_run(folder / "a.db"), pytest.raises(ArchiveError, match="another run writes the store"):
        run(folder)
    assert run(folder).counts == {"examined": 1}
    assert not (folder / "a.db-run").exists()


def test_killed_again_and_again_it_ends_with_one_row_each(folder: Path) -> None:
    count, chooser = 40, random.Random(4)
    write(folder, **{f"clip{number:02d}": f"examined {number}.5" for number in range(count)})
    write(folder, session="long 6\n" + "\n".join(f"examined {number}.0" for number in range(6)))
    command = [sys.executable, stub_examination.__file__, str(folder / "clips"), str(folder / "a.db"), "2"]
    kills = 0
    for _ in range(6):
        target = len(calls(folder)) + chooser.randrange(2, 9)
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
        while process.poll() is None and len(calls(folder)) < target:
            pass
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        with open_store(folder / "a.db", create=True) as store:
            assert store.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert kills >= 3
    found = rows(folder, "triage")
    assert found == {f"clip{number:02d}": number + 0.5 for number in range(count)} | {"session": 5.0}
    twice = sum(calls - 1 for calls in Counter(calls(folder)).values())
    assert twice <= kills * 4  # what two processes had before them


def test_the_cluster_gives_the_same_rows_as_the_pool(folder: Path) -> None:
    write(folder, a="examined 1.25", b="silent", c="broken", d="long 2\nexamined 4.0\nsilent")
    columns = "status, error, message, reasons, triage, sync_status, turns, lead, footage_s"
    run(folder, processes=2)
    pooled = rows(folder, columns)
    (folder / "a.db").unlink()
    summary = run(folder, processes=None, dask="local:2")
    assert summary.counts == {"examined": 2, "not_examinable": 1, "failed": 1}
    assert rows(folder, columns) == pooled
