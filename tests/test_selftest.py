from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from lipaccord import selftest
from lipaccord.errors import SettingsError, SimulationError
from lipaccord.harms import KINDS
from lipaccord.pipeline import FaceExaminer, analyze
from lipaccord.records import FaceTrack, Finding, Frame, Interval, Reason, Segment
from lipaccord.reel import read_reel
from lipaccord.report.selftest import print_self_test
from lipaccord.selftest import overlap, self_test
from lipaccord.settings import Settings

FixtureClip = Callable[[str], Path]


class Meter:
    """Takes the place of the examiner: tells how far the sharpness of the chin departs, and in which frames."""

    usual = 10.0
    sharp: list[float] | None = None

    def __init__(self, *_: Any, **__: Any) -> None:
        self.openings: list[float] = []

    def examine(self, frames: Iterator[Frame], track: FaceTrack) -> tuple[Finding, tuple[Segment, ...]]:
        levels, times = [], []
        self.openings.append(float(np.ptp(np.linalg.norm(track.points[:, 13] - track.points[:, 14], axis=1))))
        for frame, xy in zip(frames, track.points, strict=True):
            (left, top), (right, bottom) = xy[18].astype(int) - 12, xy[18].astype(int) + 12
            levels.append(float(cv2.Laplacian(frame.image[top:bottom, left:right, 1], cv2.CV_64F).std()))
            times.append(frame.time_s)
        if Meter.sharp is None:
            Meter.sharp = levels
        loss = 100 * np.abs(1 - np.array(levels) / Meter.sharp)
        soft = np.flatnonzero(loss > 20)
        score = float(np.median(loss[soft])) if len(soft) else 0.0
        spans = [Interval(times[index], times[index] + 0.04) for index in soft]
        finding = Finding("resynthesis", "inconclusive", score, None, None, (), ())
        return finding, tuple(Segment(span, "resynthesis", 1.0, "soft") for span in spans)


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> type[Meter]:
    monkeypatch.setattr(Meter, "sharp", None)
    monkeypatch.setattr(selftest, "FaceExaminer", Meter)
    return Meter


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ([], 0.0),
        ([(2, 4)], 1.0),
        ([(2, 3)], 0.5),
        ([(0, 4)], 0.5),
        ([(5, 6)], 0.0),
        ([(3, 5)], 1 / 3),
        ([(3, 4), (2, 3)], 1.0),
        ([(2, 3.5), (3, 4), (2.5, 3)], 1.0),
        ([(2, 3), (5, 6)], 1 / 3),
    ],
)
def test_overlap_in_time(found: list[tuple[float, float]], share: float) -> None:
    assert overlap(Interval(2, 4), [Interval(*span) for span in found]) == pytest.approx(share)


@pytest.mark.parametrize("first", range(8))
def test_bisection_finds_the_smallest_rung_in_few_trials(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ladder, tried = KINDS["blur"].ladder, []

    class Bench:
        examiner = Meter()

        def harm(self, kind: str, strength: float) -> float:
            return strength

        def score(self, strength: float) -> tuple[Finding, tuple[Segment, ...]]:
            tried.append(strength)
            score = 50.0 if first < len(ladder) and strength >= ladder[first] else 0.0
            return Finding("resynthesis", "inconclusive", score, None, None, (), ()), ()

    smallest = selftest._Ladder(Bench(), "blur", {}).smallest()  # type: ignore[arg-type]  # a bench that only answers
    assert smallest == (ladder[first] if first < len(ladder) else None)
    assert len(tried) == len(set(tried)) <= 4


def test_what_is_stronger_is_found_and_located(fixture_clip: FixtureClip, meter: type[Meter]) -> None:
    result = self_test(fixture_clip("synthetic"), kinds=["blur", "tone"], start_s=0.4, end_s=1.0)
    blur, tone = result["kinds"]["blur"], result["kinds"]["tone"]
    assert result["authentic"] == 0.0
    assert result["limit"] == 10.0
    assert blur["smallest_found"] in KINDS["blur"].ladder
    scores = [blur["scores"][name] for name in sorted(blur["scores"], key=float)]
    assert scores == sorted(scores)
    assert blur["partial_overlap"] > 0.8
    assert blur["partial_interval_s"] == pytest.approx([0.2, 0.4])
    assert tone["smallest_found"] is None
    assert tone["partial_overlap"] == 0.0
    assert (result["clip"]["start_s"], result["clip"]["end_s"]) == pytest.approx((0.4, 1.0))


def test_landmarks_move_with_the_pixels(fixture_clip: FixtureClip, meter: type[Meter], tmp_path: Path) -> None:
    reel = read_reel(fixture_clip("synthetic"), start_s=0.4, end_s=1.0)
    bench = selftest._Bench(reel, reel.face(), 0, None, tmp_path)
    bench.score(None)
    bench.score(bench.harm("freeze", 50))
    usual, frozen = bench.examiner.openings  # type: ignore[attr-defined]  # of the stand-in
    assert frozen < 0.3 * usual


def test_the_same_seed_gives_the_same_result(fixture_clip: FixtureClip, meter: type[Meter]) -> None:
    first, second = (
        self_test(fixture_clip("synthetic"), kinds=["flicker"], seed=3, start_s=0.4, end_s=0.7) for _ in range(2)
    )
    assert first == second
    assert first["kinds"]["flicker"]["scores"]["4"] > 10


def test_the_first_seconds_with_a_face_are_taken(fixture_clip: FixtureClip) -> None:
    reel = read_reel(fixture_clip("synthetic"), start_s=0.4, seen_s=1.2)
    assert len(reel.frames) == 30
    assert reel.tracks[0].times_s[-1] == pytest.approx(1.16)
    assert reel.sound.start_s + reel.sound.duration_s == pytest.approx(1.16, abs=0.03)


def test_the_picture_is_cut_to_the_face_and_the_landmarks_with_it(fixture_clip: FixtureClip) -> None:
    reel = read_reel(fixture_clip("synthetic"), end_s=0.4)
    track = reel.face()
    cut, moved = selftest._cut(reel, track)
    shift = (track.points - moved.points)[0, 0].astype(int)
    height, width = cut.frames[3].image.shape[:2]
    whole = reel.frames[3].image
    assert not (shift % 16).any()
    assert cut.frames[3].image.size <= whole.size
    np.testing.assert_array_equal(cut.frames[3].image, whole[shift[1] : shift[1] + height, shift[0] : shift[0] + width])
    assert (moved.points >= 0).all()


def test_the_examiner_says_what_the_whole_examination_says(fixture_clip: FixtureClip) -> None:
    clip = fixture_clip("synthetic")
    whole = analyze(clip, settings=Settings(end_s=1.4), threads=1).findings["resynthesis"]
    reel = read_reel(clip, end_s=1.4)
    examiner = FaceExaminer(reel.sound)
    for _ in range(2):
        finding, _segments = examiner.examine(iter(reel.frames), reel.face())
        assert finding.score is not None
        assert finding.score == pytest.approx(whole.score, rel=1e-6)
        assert {cue.cue: cue.score for cue in finding.cues} == {cue.cue: cue.score for cue in whole.cues}


def test_a_face_that_can_not_be_measured_is_no_error_of_the_examiner(fixture_clip: FixtureClip) -> None:
    reel = read_reel(fixture_clip("synthetic"), end_s=0.3)
    finding, segments = FaceExaminer(reel.sound).examine(iter(reel.frames), reel.face())
    assert (finding.status, finding.score, segments) == ("not_examinable", None, ())


def test_a_clip_that_can_not_be_examined_is_refused_with_the_reason(
    fixture_clip: FixtureClip, meter: type[Meter], monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = Reason("too_small", "The face is too small.", "use a larger copy")

    def abstain(*_: Any) -> tuple[Finding, tuple[Segment, ...]]:
        return Finding("resynthesis", "not_examinable", None, None, None, (reason,), ()), ()

    monkeypatch.setattr(Meter, "examine", abstain)
    with pytest.raises(SimulationError, match="can't be examined for resynthesis: The face is too small"):
        self_test(fixture_clip("synthetic"), kinds=["blur"], end_s=0.5)


def test_an_unknown_kind_is_refused_before_the_work() -> None:
    for kind in ("melt", "shift"):
        with pytest.raises(SettingsError, match=f"there is no manipulation '{kind}' of the picture; there are: blur"):
            self_test("missing.mp4", kinds=[kind])


def printed(result: dict[str, Any]) -> str:
    console = Console(width=200, record=True, quiet=False, markup=False)
    print_self_test(result, console)
    return console.export_text()


def made(authentic: float) -> dict[str, Any]:
    kind = {"meaning": "a soft mouth", "unit": "eye distances", "strongest": 0.045, "partial_overlap": 0.875}
    return {
        "clip": {"path": "/here/a\x1bb.mp4", "sha256": "0" * 64, "start_s": 0.0, "end_s": 4.0},
        "face": "face-1",
        "limit": 1.0,
        "authentic": authentic,
        "kinds": {"blur": {**kind, "smallest_found": 0.016}, "tone": {**kind, "smallest_found": None}},
    }


def test_the_table_says_what_was_found_and_what_not(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(made(0.2))
    assert "a\\x1bb.mp4: 0.00-4.00 s, face-1" in text
    assert "score of the clip as it is: 0.20; found means above 1.00" in text
    blur, tone = (next(line for line in text.splitlines() if name in line) for name in (" blur ", " tone "))
    assert all(word in blur for word in ("a soft mouth", "0.016", "eye distances", "0.88"))
    assert "not seen (up to 0.045)" in tone
    assert "above the limit:" not in text


def test_a_clip_that_is_suspicious_by_itself_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert "The clip as it is lies above the limit" in printed(made(1.3))
