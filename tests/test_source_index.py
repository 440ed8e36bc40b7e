from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from lipaccord.archive.records import Entry, Trouble, Waiting
from lipaccord.errors import ArchiveError
from lipaccord.records import FloatArray
from lipaccord.source import neighbours
from lipaccord.source.catalogue import NAME, sole_writer
from lipaccord.source.covered import Covered
from lipaccord.source.index import open_index
from lipaccord.source.neighbours import LOOK_WIDTH, Described, Neighbours, write_neighbours
from lipaccord.source.signature import Bits
from lipaccord.source.whereabouts import places
from lipaccord.source.windowing import DIMENSIONS
from made_indexes import LANDMARKS, made

SHA = "ab" * 32
COVERED = Covered(1, 3, "00" * 16, 30.0)


def vectors(seed: int, count: int = 400) -> FloatArray:
    return (10 * np.random.default_rng(seed).normal(size=(count, DIMENSIONS))).astype(np.float32)


def hashes(seed: int, count: int = 40) -> Bits:
    return np.random.default_rng(seed).integers(0, 256, (count, LOOK_WIDTH), dtype=np.uint8)


def written(path: Path, *seeds: int) -> Path:
    times_s = 0.4 * np.arange(400, dtype=np.float64)
    write_neighbours(path, lambda: (Described(n, times_s, vectors(n), hashes(n)) for n in seeds), COVERED)
    return path


def one_source(folder: Path) -> Waiting:
    with open_index(folder, create=True) as index:
        run = index.begin(["x"])
        index.add(run, [Entry("/there/a.mp4", 5, "5:1")])
        return next(index.waiting(run))


def test_a_window_is_found_again_with_its_signature_and_time(tmp_path: Path) -> None:
    file = Neighbours.open(written(tmp_path / "n.bin", 1, 2, 3))
    wanted = vectors(2)[[0, 7, 399]] + np.float32(0.5)
    distances, signatures, times_s = file.search(wanted, 4)
    assert signatures[:, 0].tolist() == [2, 2, 2]
    np.testing.assert_allclose(times_s[:, 0], [0.0, 2.8, 399 * 0.4], atol=1e-3)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert file.windows == 1200
    assert file.covered == COVERED


def test_a_look_is_found_again_with_its_signature(tmp_path: Path) -> None:
    file = Neighbours.open(written(tmp_path / "n.bin", 1, 2, 3))
    wanted = hashes(3)[[5, 39]]
    wanted[0, 0] ^= 0b101
    distances, signatures = file.alike(wanted, 3)
    assert distances.shape == signatures.shape == (2, 3)
    assert distances[:, 0].tolist() == [2 / (8 * LOOK_WIDTH), 0.0]
    assert signatures[:, 0].tolist() == [3, 3]
    assert (np.diff(distances, axis=1) >= 0).all()
    assert file.looks == 120
    assert file.alike(wanted, 500)[0].shape == (2, 120)


def test_equal_windows_give_equal_files(tmp_path: Path) -> None:
    one, other = (written(tmp_path / name, 1, 2).read_bytes() for name in ("one", "other"))
    assert one == other


def test_a_file_without_windows_answers_with_nothing(tmp_path: Path) -> None:
    file = Neighbours.open(written(tmp_path / "n.bin"))
    distances, signatures, _ = file.search(vectors(1, 2), 3)
    assert np.isinf(distances).all()
    assert not signatures.any()
    assert [part.shape for part in file.alike(hashes(1, 2), 3)] == [(2, 0), (2, 0)]


@pytest.mark.parametrize("place", [0.0, 0.05, 0.999])
def test_a_changed_head_or_end_is_noticed(place: float, tmp_path: Path) -> None:
    path = written(tmp_path / "n.bin", 1, 2)
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="run `lipaccord index` again"):
        Neighbours.open(path)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_noticed(keep: float, tmp_path: Path) -> None:
    path = written(tmp_path / "n.bin", 1, 2)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep > 1 else keep * len(data))])
    with pytest.raises(ArchiveError, match="damaged"):
        Neighbours.open(path)


def test_nothing_is_left_behind_where_a_file_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, length: int) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(neighbours, "head_digest", full)
    with pytest.raises(ArchiveError, match=r"No space left on device.*make room"):
        written(tmp_path / "n.bin", 1)
    assert list(tmp_path.iterdir()) == []


def test_signatures_come_back_as_they_were(tmp_path: Path) -> None:
    waiting = one_source(tmp_path)
    blob = made(1, sha256=SHA).to_bytes()
    with open_index(tmp_path) as index:
        index.plan(SHA, 20.0, [(1, None, None)])
        index.record(SHA, 1, "signed", [blob], None)
        index.settle(waiting, SHA, "host:1")
        assert index.signature(1).to_bytes() == blob
        assert index.kept([1, 2])[1].sha256 == SHA
        assert index.landmarks() == LANDMARKS
        assert [(place.uri, place.state) for place in places(index, SHA)] == [("/there/a.mp4", "gone")]


def test_a_part_is_kept_once(tmp_path: Path) -> None:
    one_source(tmp_path)
    with open_index(tmp_path) as index:
        index.plan(SHA, 20.0, [(1, None, None)])
        for _ in range(2):
            index.record(SHA, 1, "signed", [made(1, sha256=SHA).to_bytes()], None)
        assert index.last()[0] == 1


def test_the_chain_tells_other_signatures_apart(tmp_path: Path) -> None:
    chains = []
    for name, seeds in (("a", (1, 2)), ("b", (1, 2)), ("c", (3, 2))):
        one_source(tmp_path / name)
        with open_index(tmp_path / name) as index:
            index.plan(SHA, 20.0, [(1, None, None)])
            index.record(SHA, 1, "signed", [made(seed, sha256=SHA).to_bytes() for seed in seeds], None)
            chains.append(index.chain(2))
    assert chains[0] == chains[1]
    assert chains[0] != chains[2]


def test_other_landmarks_are_refused(tmp_path: Path) -> None:
    one_source(tmp_path)
    with open_index(tmp_path) as index:
        index.check_landmarks("mediapipe 0", keep=True)
        index.plan(SHA, 20.0, [(1, None, None)])
        with pytest.raises(ArchiveError, match=r"made with mediapipe 0.*make a new index"):
            index.record(SHA, 1, "signed", [made(1, sha256=SHA).to_bytes()], None)


def test_a_failed_part_makes_the_source_failed_and_says_which(tmp_path: Path) -> None:
    waiting = one_source(tmp_path)
    with open_index(tmp_path) as index:
        index.plan(SHA, 1200.0, [(1, 0.0, 630.0), (2, 600.0, 1230.0)])
        index.record(SHA, 1, "signed", [made(1, sha256=SHA).to_bytes()], None)
        index.record(SHA, 2, "failed", (), Trouble("NoAudio", "no sound"))
        status, trouble = index.settle(waiting, SHA, "host:1")
    assert status == "failed"
    assert str(trouble) == "NoAudio: 600-1230 s: no sound"


def test_there_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no index"), open_index(tmp_path):
        pass


def test_a_newer_index_is_refused(tmp_path: Path) -> None:
    one_source(tmp_path)
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ArchiveError, match=r"version 99.*newer lipaccord"), open_index(tmp_path):
        pass


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("CREATE TABLE theirs (id)")
    connection.commit()
    connection.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(ArchiveError, match="another program"), open_index(tmp_path, create=True):
        pass
    assert (tmp_path / NAME).read_bytes() == before


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with pytest.raises(ArchiveError, match="can't be used"), open_index(tmp_path):
        pass


def test_a_damaged_signature_is_told(tmp_path: Path) -> None:
    one_source(tmp_path)
    with open_index(tmp_path) as index:
        index.plan(SHA, 20.0, [(1, None, None)])
        index.record(SHA, 1, "signed", [made(1, sha256=SHA).to_bytes()], None)
        index.connection.execute("UPDATE signed SET data = substr(data, 1, 500)")
        with pytest.raises(ArchiveError, match=r"signature 1 of .* damaged"):
            index.signature(1)


def test_a_second_run_is_kept_out(tmp_path: Path) -> None:
    with sole_writer(tmp_path), pytest.raises(ArchiveError, match="another run writes"), sole_writer(tmp_path):
        pass
