from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from lipaccord.archive.records import Entry
from lipaccord.archive.walking import look_at
from lipaccord.errors import ArchiveError
from lipaccord.records import Reason
from lipaccord.source import searching
from lipaccord.source.finding import Candidate, SourceFinding, expected_false, observed_log10_false
from lipaccord.source.index import Index, open_index
from lipaccord.source.searching import search
from lipaccord.source.signature import Signature
from made_indexes import made

SOURCES = (1, 2, 3, 4)


def sha_of(seed: int) -> str:
    return hashlib.sha256(f"source {seed}".encode()).hexdigest()


def add(index: Index, seed: int, *signatures: Signature, status: str = "signed") -> Path:
    """Put a recording with these signatures, or those of one head, into an index."""
    path = index.folder.parent / f"source{seed}.mp4"
    path.write_text(str(seed))
    run = index.begin([str(path)])
    index.add(run, [look_at(str(path))])
    waiting = next(index.waiting(run))
    index.plan(sha_of(seed), 20.0, [(1, None, None)])
    blobs = [one.to_bytes() for one in signatures or (made(seed, sha256=sha_of(seed)),)]
    index.record(sha_of(seed), 1, status, blobs, None)
    index.settle(waiting, sha_of(seed), "host:1")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_index(tmp_path / "index", create=True) as index:
        for seed in SOURCES:
            add(index, seed)
    return tmp_path / "index"


def searched(folder: Path, *queries: Signature) -> SourceFinding:
    with open_index(folder) as index:
        return search(index, queries)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_cut_copy_is_found_with_its_place(mirror: bool, folder: Path) -> None:
    found = searched(folder, made(3, 6, 12, noise=0.05, mirror=mirror))
    assert found.status == "same_recording"
    best = found.candidates[0]
    assert best.is_match
    assert best.sha256 == sha_of(3)
    assert best.alignment.mirrored == mirror
    assert best.to_values()["source_ahead_s"] == pytest.approx(6.0, abs=0.02)
    assert best.to_values()["speed"] == pytest.approx(1.0)
    assert best.expected_false < 1e-6
    assert [Path(uri).name for uri, _ in best.places] == ["source3.mp4"]


@pytest.mark.parametrize(("likest", "status"), [(3, "same_recording"), (2, "not_found"), (50, "not_found")])
def test_a_recording_without_a_vote_is_found_by_its_looks(
    likest: int, status: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "votes_of", lambda files, query: [])
    query = made(3, 6, 12)
    look = made(likest).looks[8:9]
    found = searched(folder, dataclasses.replace(query, looks=np.repeat(look, len(query.looks), axis=0)))
    assert found.status == status
    assert [candidate.sha256 for candidate in found.candidates if candidate.is_match] == [sha_of(3)] * (likest == 3)


@pytest.mark.parametrize(("most_s", "laid"), [(0.0, 1), (45.0, 2), (1e3, 4)])
def test_of_long_ones_that_look_alike_only_some_are_laid_under_the_clip(
    most_s: float, laid: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(searching, "MOST_LIKE_S", most_s)
    monkeypatch.setattr(searching, "votes_of", lambda files, query: [])
    monkeypatch.setattr(searching, "align", lambda query, source, hint_s: asked.append(source.sha256))
    look = made(1).looks[:1]
    with open_index(tmp_path / "index", create=True) as index:
        for seed in SOURCES:
            one = made(seed, sha256=sha_of(seed))
            add(index, seed, dataclasses.replace(one, looks=np.repeat(look, len(one.looks), axis=0)))
    query = made(50, 0, 6)
    searched(tmp_path / "index", dataclasses.replace(query, looks=np.repeat(look, len(query.looks), axis=0)))
    assert asked == [sha_of(seed) for seed in SOURCES[:laid]]


def test_another_sound_is_told(folder: Path) -> None:
    found = searched(folder, made(3, 6, 12, voice=77))
    assert found.status == "sound_replaced"
    assert found.candidates[0].alignment.sound.same is False


def test_another_head_is_not_found_and_what_was_searched_is_said(folder: Path) -> None:
    found = searched(folder, made(50, 6, 12))
    assert found.status == "not_found"
    assert not any(candidate.is_match for candidate in found.candidates)
    assert "4 recordings" in found.reasons[0].text
    assert found.searched.hours == pytest.approx(4 * 19.96 / 3600)


def test_one_that_is_nearly_sure_is_pointed_out_and_not_claimed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_EXPECTED", 1e-300)
    found = searched(folder, made(3, 6, 12, noise=0.05))
    assert found.status == "not_found"
    assert [reason.code for reason in found.reasons] == ["not_sure"]
    assert f"expected {found.candidates[0].expected_false:.1g} times" in found.reasons[0].text
    assert "by eye" in (found.reasons[0].remedy or "")


def test_of_two_people_each_is_looked_for(folder: Path) -> None:
    found = searched(folder, made(50, 0, 6), made(2, 3, 9, face="face-2"))
    assert found.status == "same_recording"
    assert found.candidates[0].query_face == "face-2"
    assert found.candidates[0].sha256 == sha_of(2)


@pytest.mark.parametrize(
    ("queries", "code"),
    [((), "no_face"), ((made(1, still=True),), "still"), ((made(1, 0, 0.4),), "too_short")],
)
def test_what_cannot_be_searched_for_abstains_with_a_remedy(
    queries: tuple[Signature, ...], code: str, folder: Path
) -> None:
    found = searched(folder, *queries)
    assert found.status == "not_examinable"
    assert [reason.code for reason in found.reasons] == [code]
    assert found.reasons[0].remedy


def test_a_face_that_hardly_moves_is_not_claimed_but_its_look_points_somewhere(folder: Path) -> None:
    asked: list[Candidate] = []
    source = made(60, 0, 2, sha256=sha_of(60))
    calm = dataclasses.replace(source, life=source.life.mean(axis=0) + 0.07 * (source.life - source.life.mean(axis=0)))
    with open_index(folder) as index:
        add(index, 60, calm)
        found = search(index, [dataclasses.replace(calm, sha256=sha_of(61))], beside=asked.append)
    assert found.status == "not_examinable"
    assert [reason.code for reason in found.reasons] == ["too_short"]
    assert [(one.sha256, one.is_match) for one in found.candidates] == [(sha_of(60), False)]
    assert not asked


def test_a_still_source_answers_nobody(folder: Path) -> None:
    with open_index(folder) as index:
        add(index, 9, made(9, sha256=sha_of(9), still=True), status="still")
    found = searched(folder, made(9, 2, 8))
    assert found.status == "not_found"
    assert found.searched.recordings == 4
    assert found.searched.without == {"still": 1}


def test_sources_that_are_gone_changed_or_failed_are_told(folder: Path) -> None:
    (folder.parent / "source3.mp4").unlink()
    (folder.parent / "source1.mp4").write_text("another one")
    with open_index(folder) as index:
        run = index.begin(["lost"])
        index.add(run, [Entry("/lost/b.mp4"), look_at("/nowhere/c.mp4")])
    found = searched(folder, made(3, 6, 12))
    assert found.status == "same_recording"
    assert [(Path(uri).name, state) for uri, state in found.candidates[0].places] == [("source3.mp4", "gone")]
    assert [(Path(uri).name, state) for uri, state in found.searched.astray] == [
        ("source1.mp4", "changed"),
        ("source3.mp4", "gone"),
    ]
    assert found.searched.without == {"failed": 1, "waiting": 1}
    assert [reason.code for reason in found.reasons] == ["picture_agrees", "sources_missing", "sources_astray"]


def test_an_index_of_very_many_sources_is_not_looked_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LOOKED_AFTER", 3)
    (folder.parent / "source3.mp4").unlink()
    found = searched(folder, made(3, 6, 12))
    assert not found.searched.looked_after
    assert found.searched.astray == ()
    assert found.candidates[0].places[0][1] == "gone"
    assert found.reasons[-1].code == "sources_not_looked_after"


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    with open_index(tmp_path, create=True):
        pass
    assert searched(tmp_path, made(1, 0, 5)).status == "not_found"


def test_other_landmarks_are_refused(folder: Path) -> None:
    with open_index(folder) as index:
        index.check_landmarks("mediapipe 1", keep=True)
    with pytest.raises(ArchiveError, match="make a new index"):
        searched(folder, made(1, 0, 5, landmarks="other 2"))


def test_the_same_search_gives_the_same_bytes(folder: Path) -> None:
    one, other = (
        json.dumps(searched(folder, made(3, 6, 12, noise=0.1)).to_values(), allow_nan=False) for _ in range(2)
    )
    assert one == other
    assert list(json.loads(one)) == ["status", "reasons", "searched", "candidates", "exhibit", "reused"]


def test_the_exhibit_decides_and_may_abstain(folder: Path) -> None:
    found = searched(folder, made(3, 6, 12))
    altered = found.with_exhibit("mouth_altered", [Reason("mouth", "The mouth is another.")], {"p": 0.01})
    assert altered.status == "mouth_altered"
    assert altered.to_values()["exhibit"] == {"p": 0.01}
    assert altered.reasons[-1].code == "mouth"
    assert found.with_exhibit("not_examinable", [], {}).status == "same_recording"
    with pytest.raises(ValueError, match="no match"):
        searched(folder, made(50, 6, 12)).with_exhibit("mouth_altered", [], {})


def test_a_copy_with_other_copies_in_the_index_stays_a_match(folder: Path) -> None:
    with open_index(folder) as index:
        add(index, 8, made(3, 0, 20, noise=0.05, sha256=sha_of(8)))
    found = searched(folder, made(3, 6, 12))
    assert [candidate.is_match for candidate in found.candidates[:2]] == [True, True]


def calibrated(strength: float) -> tuple[float, float]:
    return strength, -3 - 0.1 * (strength - 20)


def test_others_that_behave_as_calibrated_change_little_and_worse_ones_raise_the_rate() -> None:
    hours, strength = 100.0, 100.0
    usual = calibrated(strength)[1]
    # Of 100 hours, k others reach the strength at which the calibrated rate expects k.
    tame = [calibrated(20 - 10 * (math.log10(rank / hours) + 3)) for rank in range(1, 11)]
    assert observed_log10_false(*calibrated(strength), tame, hours) == pytest.approx(usual)
    wild = [calibrated(one + 30) for one, _ in tame]
    assert observed_log10_false(*calibrated(strength), wild, hours) == pytest.approx(usual + 3)
    assert observed_log10_false(*calibrated(strength), [], hours) == -math.inf


def test_a_tail_that_falls_more_slowly_than_calibrated_is_believed() -> None:
    rng = np.random.default_rng(0)
    flat = [calibrated(float(one)) for one in 10 + rng.exponential(40, 40)]
    steep = [calibrated(float(one)) for one in 10 + rng.exponential(3, 40)]
    rate = observed_log10_false(*calibrated(300.0), flat, 100.0)
    assert rate > observed_log10_false(*calibrated(300.0), steep, 100.0) + 5
    assert rate == pytest.approx(math.log10(0.4) - 290 / 40 / math.log(10), abs=1.0)


def test_a_small_index_counts_as_an_hour() -> None:
    assert expected_false(-4.0, 0.01) == pytest.approx(1e-4)
    assert expected_false(-4.0, 100.0) == pytest.approx(1e-2)
    assert expected_false(-1000.0, 100.0) > 0
