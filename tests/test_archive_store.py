from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipaccord.archive.database import connect, sole_run
from lipaccord.archive.records import Entry, Gist, Method, Trouble, Turn, Waiting
from lipaccord.archive.schema import STORE
from lipaccord.archive.store import Store, gist_of_row, gist_values, leading, open_store, unpacked, uri_bytes, uri_text
from lipaccord.errors import ArchiveError

METHOD = Method("bundle 1", "ab" * 32, {"max_faces": 3}, "1.0")
CONTENT = "c" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


def begun(store: Store, *entries: Entry, method: Method = METHOD) -> tuple[int, int]:
    number = store.method(method)
    run = store.begin(number, ["here"])
    store.add(run, number, entries)
    return number, run


def only(store: Store, method: int, run: int) -> Waiting:
    (waiting,) = store.waiting(run, method)
    return waiting


def row(store: Store, clip: int = 1) -> sqlite3.Row:
    found: sqlite3.Row = store.connection.execute("SELECT * FROM row WHERE id = ?", (clip,)).fetchone()
    return found


def examined(store: Store, method: int, waiting: Waiting, gist: Gist, sha256: str = CONTENT) -> None:
    store.plan(method, waiting.clip, sha256, 8.0, [Turn(1)])
    store.record(method, sha256, Turn(1, gist=gist, analysis=b'{"a": 1}', timeline=b'{"t": 2}'))
    store.settle(method, waiting, sha256, "host:1", 512.0)


def test_a_clip_waits_until_it_has_an_outcome(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m", {"speaker": "Ada", "date": "2020-01-02", "id": "7"}))
        assert store.tally(run, method) == {"waiting": 1}
        waiting = only(store, method, run)
        assert waiting == Waiting(1, "/a.mp4", "m", 5, None)
        gist = Gist(
            "examined", triage=1.5, sync_status="in_sync", cues=("blur",), reasons=("too_small",), footage_s=8.0
        )
        examined(store, method, waiting, gist)
        assert list(store.waiting(run, method)) == []
        assert store.tally(run, method) == {"examined": 1}
        found = row(store)
        assert (found["status"], found["triage"], found["speaker"], found["date"]) == (
            "examined",
            1.5,
            "Ada",
            "2020-01-02",
        )
        assert json.loads(found["carried"])["id"] == "7"
        assert (found["turns"], found["lead"], found["peak_mb"], found["sha256"]) == (1, 1, 512.0, CONTENT)
        assert gist_of_row(found) == gist


def test_analyses_are_kept_compressed_and_come_back(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m"))
        examined(store, method, only(store, method, run), Gist("examined"))
        blobs = store.connection.execute("SELECT analysis, timeline FROM turn").fetchone()
    assert [unpacked(blob) for blob in blobs] == [b'{"a": 1}', b'{"t": 2}']


@pytest.mark.parametrize("blob", [b"no zlib", zlib.compress(b"x" * 100)[:-6], zlib.compress(b"x" * 100)])
def test_a_damaged_or_swollen_analysis_is_refused(blob: bytes) -> None:
    with pytest.raises(ArchiveError, match="score the clip again"):
        unpacked(blob, most=50)


def test_names_that_are_no_utf8_come_back_and_can_be_shown(path: Path) -> None:
    uri = os.fsdecode(b"/a/\xff\n.mp4")
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry(uri, 5, "m"))
        assert only(store, method, run).uri == uri
        assert row(store)["name"] == "/a/\\xff\n.mp4"
    assert uri_text(uri_bytes(uri)) == uri


def test_a_clip_listed_again_stays_one_row_and_waits_only_if_it_changed(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m"), Entry("/a.mp4", 5, "m"))
        examined(store, method, only(store, method, run), Gist("examined", triage=1.0))
        method, run = begun(store, Entry("/a.mp4", 5, "m", {"speaker": "Grace"}))
        assert list(store.waiting(run, method)) == []
        assert (row(store)["speaker"], row(store)["status"]) == ("Grace", "examined")
        method, run = begun(store, Entry("/a.mp4", 6, "n"))
        assert only(store, method, run).sha256 is None
        assert row(store)["status"] is None
        assert store.tally(run, method) == {"waiting": 1}


def test_a_clip_without_a_mark_is_read_again_and_known_by_its_content(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("https://host/a.mp4"))
        examined(store, method, only(store, method, run), Gist("examined"))
        method, run = begun(store, Entry("https://host/a.mp4"))
        assert store.known(method, only(store, method, run)) == [CONTENT]


def test_contents_of_the_same_size_are_known_by_the_same_method_only(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m"))
        examined(store, method, only(store, method, run), Gist("examined"))
        assert store.known(method, Waiting(9, "/b.mp4", "x", 5, None)) == [CONTENT]
        assert store.known(method, Waiting(9, "/b.mp4", "x", 6, None)) == []
        assert store.known(method, Waiting(9, "/b.mp4", "x", None, None)) == []
        other = store.method(Method("bundle 2", "cd" * 32, {}, "1.0"))
        assert store.known(other, Waiting(9, "/b.mp4", "x", 5, None)) == []


def test_the_turns_of_a_recording_are_done_one_by_one(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m"))
        waiting = only(store, method, run)
        turns = [Turn(1, 0.0, 5.0), Turn(2, 5.0, 9.0)]
        store.plan(method, waiting.clip, CONTENT, 9.0, turns)
        assert store.open_turns(method, CONTENT) == turns
        store.record(method, CONTENT, Turn(1, 0.0, 5.0, Gist("examined", triage=2.0, footage_s=5.0, work_s=1.0)))
        store.plan(method, waiting.clip, CONTENT, 9.0, turns)
        assert store.open_turns(method, CONTENT) == turns[1:]
        assert only(store, method, run) == Waiting(1, "/a.mp4", "m", 5, CONTENT)
        store.record(method, CONTENT, Turn(2, 5.0, 9.0, Gist("examined", triage=3.0, footage_s=4.0, work_s=2.0)))
        gist = store.settle(method, waiting, CONTENT)
        assert (gist.triage, gist.footage_s, gist.work_s) == (3.0, 9.0, 3.0)
        assert row(store)["lead"] == 2


def turn(number: int, status: str, triage: float | None = None) -> Turn:
    return Turn(number, gist=Gist(status, triage=triage))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("turns", "number"),
    [
        ([turn(1, "failed"), turn(2, "not_examinable")], 2),
        ([turn(1, "not_examinable"), turn(2, "examined"), turn(3, "failed")], 2),
        ([turn(1, "examined", 0.5), turn(2, "examined", 0.7), turn(3, "examined")], 2),
        ([turn(1, "examined", 0.5), turn(2, "examined", 0.5)], 1),
    ],
)
def test_the_turn_that_leads(turns: list[Turn], number: int) -> None:
    assert leading(turns).number == number


def test_entries_with_a_trouble_have_failed_at_once_and_are_not_tried_again(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(
            store, Entry("/pipe.mp4", trouble=Trouble("NotAFile", "it is a pipe")), Entry("/b.mp4", 1, "m")
        )
        store.fail(method, only(store, method, run), Trouble("Crash", "it died"), work_s=2.0, worker="host:1")
        assert store.tally(run, method) == {"failed": 2}
        assert list(store.waiting(run, method)) == []
        assert (row(store)["error"], row(store)["message"]) == ("NotAFile", "it is a pipe")
        store.reopen(run, method)
        assert only(store, method, run).uri == "/b.mp4"


def test_a_change_that_fails_leaves_nothing(path: Path) -> None:
    with open_store(path, create=True) as store:
        begun(store)

        def entries() -> Iterator[Entry]:
            yield Entry("/a.mp4", 5, "m")
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            store.add(1, 1, entries())
        assert store.connection.execute("SELECT count(*) FROM clip").fetchone()[0] == 0


def test_changes_inside_a_change_are_kept_or_lost_with_it(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m"))
        waiting = only(store, method, run)

        def half() -> None:
            with store.change():
                examined(store, method, waiting, Gist("examined"))
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            half()
        assert only(store, method, run) == waiting
        assert store.open_turns(method, CONTENT) == []
        with store.change():
            examined(store, method, waiting, Gist("examined"))
        assert list(store.waiting(run, method)) == []


def test_gists_come_back() -> None:
    gist = Gist("failed", error="X", message="y", reasons=("a", "b"), cues=("blur",), offset_ms=-3.5)
    assert gist_of_row(gist_values(gist)) == gist


def test_methods_that_differ_in_anything_have_other_digests() -> None:
    others = [
        Method("bundle 1", "ac" * 32, {"max_faces": 3}, "1.0"),
        Method("bundle 1", "ab" * 32, {"max_faces": 2}, "1.0"),
        Method("bundle 1", "ab" * 32, {"max_faces": 3}, "1.1"),
        Method("bundle 1", "ab" * 32, {"max_faces": 3}, "1.0", 60.0),
    ]
    assert len({METHOD.digest, *(other.digest for other in others)}) == 5
    assert METHOD.digest == Method("bundle 1", "ab" * 32, {"max_faces": 3}, "1.0").digest


def test_a_store_that_is_not_there_is_not_made_for_a_reader(path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no store"), open_store(path):
        pass
    assert not path.exists()


def test_a_store_of_a_newer_release_is_refused_and_left_alone(path: Path) -> None:
    connect(path, STORE, create=True).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {STORE.version + 1}")
    connection.close()
    with pytest.raises(ArchiveError, match="install a newer lipaccord"):
        connect(path, STORE)


def test_a_file_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="of another program"):
        connect(path, STORE, create=True)
    path.write_bytes(b"this is no database, but text of some length" * 50)
    with pytest.raises(ArchiveError, match="no store of lipaccord"):
        connect(path, STORE, create=True)
    assert before.startswith(b"SQLite")


def test_a_damaged_store_is_named(path: Path) -> None:
    with open_store(path, create=True) as store:
        begun(store, *(Entry(f"/{number}.mp4", 1, "m") for number in range(500)))
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096:-4096] = b"\xaa" * len(data[4096:-4096])
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged"), open_store(path) as store:
        store.connection.execute("SELECT count(*), max(name) FROM row").fetchall()


def test_a_full_disk_is_named_and_keeps_what_was_there(path: Path) -> None:
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m"))
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(ArchiveError, match="make room on its disk"):
            store.add(run, method, (Entry(f"/{number}.mp4", 1, "m") for number in range(5000)))
        assert store.tally(run, method) == {"waiting": 1}
        assert store.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_store_held_by_another_program_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipaccord.archive.database._WAIT_S", 0.0)
    with open_store(path, create=True) as store, open_store(path) as other:
        begun(store)
        other.connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArchiveError, match="another program holds it"):
            begun(store)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="can't be used"):
        connect(tmp_path / "nowhere" / "a.db", STORE, create=True)
    with pytest.raises(ArchiveError, match="can't be written"), sole_run(tmp_path / "nowhere" / "a.db"):
        pass


def test_the_lock_goes_with_the_run_and_keeps_others_out(path: Path) -> None:
    lock = path.with_name("archive.db-run")
    with sole_run(path):
        assert lock.exists()
        with pytest.raises(ArchiveError, match="another run"), sole_run(path):
            pass
    assert not lock.exists()
    lock.touch()  # as a run that was killed leaves it
    with sole_run(path):
        pass
    assert not lock.exists()


def test_no_step_of_a_clip_reads_a_whole_table(path: Path) -> None:
    asked: list[str] = []
    with open_store(path, create=True) as store:
        method, run = begun(store, Entry("/a.mp4", 5, "m"), Entry("/b.mp4", 5, "m"))
        store.connection.set_trace_callback(asked.append)
        waiting = next(store.waiting(run, method))
        store.known(method, waiting)
        examined(store, method, waiting, Gist("examined"))
        store.open_turns(method, CONTENT)
        store.connection.set_trace_callback(None)
        steps = [
            step["detail"]
            for sql in asked
            if sql.startswith(("SELECT", "UPDATE", "INSERT"))
            for step in store.connection.execute(f"EXPLAIN QUERY PLAN {sql}")
        ]
    assert len(steps) >= 8
    assert [step for step in steps if step.startswith("SCAN")] == []
