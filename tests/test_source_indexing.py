from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

import made_indexes
from lipaccord._container import hash_file
from lipaccord.errors import ArchiveError, NoVideo, UnreadableMedia
from lipaccord.source import errands, indexing
from lipaccord.source.catalogue import sole_writer
from lipaccord.source.index import open_index
from lipaccord.source.indexing import Order, Summary, build, neighbours_of
from lipaccord.source.whereabouts import places
from made_indexes import Silent

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(made_indexes.CALLS, str(tmp_path / "calls"))
    monkeypatch.setattr(errands, "SIGN", made_indexes.SIGN)
    monkeypatch.setattr(indexing, "load_backend", lambda name: made_indexes.MadeBackend)
    (tmp_path / "clips").mkdir()
    return tmp_path


def write(folder: Path, **clips: str) -> None:
    for name, text in clips.items():
        (folder / "clips" / f"{name}.mp4").write_text(text, encoding="utf-8")


def run(folder: Path, watcher: Silent | None = None) -> Summary:
    return build(Order((str(folder / "clips"),), processes=1), folder / "index", watcher or Silent())


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text(encoding="utf-8").splitlines()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "index").glob("neighbours-*.bin")}


def test_every_source_gets_its_outcome_whatever_happens(folder: Path) -> None:
    write(folder, a="head 1", b="nobody", c="still", d="broken", e="deadly")
    watcher = Silent()
    summary = run(folder, watcher)
    assert summary.counts == {"signed": 1, "no_face": 1, "still": 1, "failed": 2}
    assert watcher.sources["a.mp4"] == "signed"
    assert watcher.sources["d.mp4"] == "failed UnreadableMedia: d.mp4 is broken; leave it out"
    assert watcher.sources["e.mp4"].startswith("failed Crash")
    assert summary.hours == pytest.approx(2 * 19.96 / 3600)
    assert summary.signature_bytes > 0
    assert summary.neighbour_bytes > 0


def test_a_second_run_does_nothing_but_tries_again_what_may_be_a_workers_fault(folder: Path) -> None:
    write(folder, a="head 1", d="broken", e="deadly")
    run(folder)
    before, held = len(calls(folder)), files(folder)
    run(folder)
    assert set(calls(folder)[before:]) == {"e.mp4 whole"}
    assert files(folder) == held


def test_what_moved_is_known_and_what_changed_is_signed_again(folder: Path) -> None:
    write(folder, a="head 1", b="head 2")
    run(folder)
    (folder / "clips" / "a.mp4").rename(folder / "clips" / "z.mp4")
    write(folder, b="head 33")
    summary = run(folder)
    assert [(Path(uri).name, state) for uri, state in summary.astray] == [("a.mp4", "gone")]
    with open_index(folder / "index") as index:
        assert index.last()[0] == 3
        sha256 = index.kept([1])[1].sha256
        states = [(Path(place.uri).name, place.state) for place in places(index, sha256)]
    assert states == [("a.mp4", "gone"), ("z.mp4", "there")]


def test_a_long_recording_is_signed_part_by_part(folder: Path) -> None:
    write(folder, session="long 2\nhead 1\nhead 2", half="long 2\nhead 3\nbroken")
    watcher = Silent()
    summary = run(folder, watcher)
    assert summary.counts == {"signed": 1, "failed": 1}
    assert "600-1200 s: half.mp4 is broken" in watcher.sources["half.mp4"]
    with open_index(folder / "index") as index:
        assert index.last()[0] == 3


def test_a_run_that_is_killed_goes_on_where_it_stopped(folder: Path) -> None:
    write(folder, **{f"c{number}": f"head {number}" for number in range(12)})
    script = [sys.executable, made_indexes.__file__, str(folder / "clips"), str(folder / "index")]
    path = os.pathsep.join([str(Path(made_indexes.__file__).parent), *filter(None, sys.path)])
    killed = subprocess.Popen(script, env=os.environ | {"PYTHONPATH": path})
    deadline = time.monotonic() + 60
    while len(calls(folder) if (folder / "calls").exists() else []) < 3 and time.monotonic() < deadline:
        if killed.poll() is not None:
            break
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (folder / "index" / ".neighbours-0123456789ab.part").write_bytes(b"half")
    done = len(calls(folder))
    summary = run(folder)
    assert summary.counts == {"signed": 12}
    assert len(calls(folder)) - done <= 12 - (done - 2)
    assert not list((folder / "index").glob(".neighbours-*"))
    with open_index(folder / "index") as index:
        assert index.last()[0] == 12
        assert neighbours_of(index)[-1].covered.last == 12


def test_new_sources_go_into_the_last_file_until_it_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "FULL_S", 35.0)
    write(folder, a="head 1")
    run(folder)
    write(folder, b="head 2", c="head 3")
    run(folder)
    with open_index(folder / "index") as index:
        held = [(file.covered.first, file.covered.last) for file in neighbours_of(index)]
    assert held == [(1, 2), (3, 3)]
    first = files(folder)["neighbours-000000000001.bin"]
    write(folder, d="head 4")
    run(folder)
    assert files(folder)["neighbours-000000000001.bin"] == first


@pytest.mark.parametrize("fault", ["missing", "damaged", "foreign", "other windows"])
def test_files_for_the_search_are_made_again(fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, a="head 1", b="head 2")
    run(folder)
    held = files(folder)
    (path,) = (folder / "index").glob("neighbours-*.bin")
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        path.write_bytes(held[path.name][:-100])
    elif fault == "foreign":
        with open_index(folder / "index") as index:
            index.connection.execute("UPDATE signature SET chain = x'00' WHERE id = 2")
    else:
        monkeypatch.setattr(indexing, "windows_digest", lambda: "other")
    with open_index(folder / "index") as index:
        again = neighbours_of(index)
    assert again[-1].covered.last == 2
    assert (files(folder) == held) == (fault != "foreign")


def test_files_that_are_lacking_are_not_made_while_another_run_writes(folder: Path) -> None:
    write(folder, a="head 1")
    run(folder)
    (path,) = (folder / "index").glob("neighbours-*.bin")
    path.unlink()
    with (
        open_index(folder / "index") as index,
        sole_writer(folder / "index"),
        pytest.raises(ArchiveError, match="another run writes"),
    ):
        neighbours_of(index)


def test_a_source_that_is_not_there_is_refused_at_once(folder: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no file"):
        build(Order((str(folder / "nowhere.mp4"),)), folder / "index", Silent())
    assert not (folder / "index").exists()


def test_parts_overlap_and_cover_the_recording() -> None:
    assert errands.parts_of(630.0) == []
    parts = errands.parts_of(3700.0)
    assert [number for number, _, _ in parts] == list(range(1, 7))
    assert parts[0][1] == 0.0
    assert parts[-1][2] >= 3700.0
    for (_, _, end_s), (_, start_s, _) in pairwise(parts):
        assert end_s - start_s == pytest.approx(errands.OVERLAP_S)


def test_a_part_behind_the_end_of_the_picture_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(path: str, **options: object) -> tuple[()]:
        raise NoVideo("nothing there")

    monkeypatch.setattr(errands, "sign", nothing)
    path = str(FIXTURES / "obama_speech.mp4")
    sha256 = hash_file(path).sha256
    payload = {"uri": path, "landmarks": "mediapipe", "sha256": sha256}
    assert errands.sign_clip(payload | {"part": [2, 600.0, 1230.0]}) == ({"sha256": sha256, "status": "no_face"}, ())
    with pytest.raises(NoVideo):
        errands.sign_clip(payload | {"part": [1, 0.0, 630.0]})
    with pytest.raises(UnreadableMedia, match="has changed since"):
        errands.sign_clip(payload | {"part": [1, 0.0, 630.0], "sha256": "0" * 64})


def test_known_content_is_not_signed_and_a_lie_about_the_length_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copy(FIXTURES / "synthetic.mp4", tmp_path / "clip.mp4")
    sha256 = hash_file(str(path)).sha256
    payload = {"uri": str(path), "landmarks": "mediapipe", "known": [sha256]}
    assert errands.sign_clip(payload) == ({"sha256": sha256}, ())
    monkeypatch.setattr(errands, "PART_S", 0.001)
    with pytest.raises(UnreadableMedia, match="claims to last"):
        errands.sign_clip(payload | {"known": []})
