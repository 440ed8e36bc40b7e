from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lipaccord.agreement import Reference
from lipaccord.cues.sync import SPEAKING, SyncCue
from lipaccord.records import Evidence, Tracks
from lipaccord.settings import Settings
from lipaccord.usable import opening_motion
from made_tracks import SECONDS, movement, talking, with_heard, with_observed, with_opening, with_speech

REFERENCE = Reference(zero_s=0.0, together=0.6, deviation=0.05, null_deviation=0.2)


def measure(tracks: Tracks, reference: Reference = REFERENCE, **settings: float) -> Evidence:
    return SyncCue(Settings(**settings), reference).measure(tracks)  # type: ignore[arg-type]


def dubbed(seed: int = 0) -> Tracks:
    tracks = talking(seed=seed)
    return with_heard(tracks, movement(seed + 500, len(tracks.prediction.times_s)))


@pytest.mark.parametrize("late", [-80, -9, 0, 24, 80])
def test_the_offset_is_how_late_the_sound_comes(late: int) -> None:
    details = measure(talking(late)).details
    assert details["offset_s"] == pytest.approx(late / 100, abs=0.005)
    assert details["offset_low_s"] <= details["offset_s"] <= details["offset_high_s"]
    assert details["offset_high_s"] - details["offset_low_s"] < 0.05
    assert details["lag"] == late
    assert details["strength"] > 6


def test_the_offset_is_measured_from_the_zero_of_authentic_clips() -> None:
    moved = dataclasses.replace(REFERENCE, zero_s=0.03)
    details = measure(talking(10), moved).details
    assert details["offset_s"] == pytest.approx(0.07, abs=0.005)
    assert details["offset_low_s"] < 0.08
    assert details["lag"] == 10


def test_the_score_ranks_together_offset_and_unrelated() -> None:
    for seed in range(3):
        together, late, other = (
            measure(tracks) for tracks in (talking(seed=seed), talking(50, seed=seed), dubbed(seed))
        )
        assert together.score is not None
        assert late.score is not None
        assert other.score is not None
        assert together.score < late.score - 0.5 < other.score - 2
        supports = [one.details["support"] for one in (together, late, other)]
        assert supports[0] > supports[1] + 1 > supports[2] + 2
        for one in (together, late, other):
            assert one.score == -one.details["evidence"]
            assert one.details["evidence"] >= one.details["support"]
        assert late.details["evidence"] > late.details["support"] + 3  # the peak stands out by itself
        assert other.details["strength"] < 4.5


def test_a_weak_peak_is_sought_near_the_usual_place() -> None:
    for seed in range(4):
        details = measure(dubbed(seed)).details
        assert abs(details["offset_s"]) < 0.5


def test_the_search_is_as_wide_as_asked() -> None:
    curve = measure(talking(), max_lag_s=0.5).series[0]
    assert curve.name == "sync.agreement_by_lag"
    np.testing.assert_allclose(curve.times_s[[0, -1]], [-0.5, 0.5])
    assert curve.times_s[np.argmax(curve.values)] == 0


def test_a_break_is_found_in_time() -> None:
    tracks = talking(seconds=24.0)
    heard = tracks.prediction.mean.copy()
    heard[1000:1600] = movement(900, 2401)[1000:1600]
    evidence = measure(with_heard(tracks, heard))
    [broken] = [segment for segment in evidence.segments if segment.score > 0]
    assert broken.interval.start_s == pytest.approx(10, abs=1.6)
    assert broken.interval.end_s == pytest.approx(16, abs=1.6)
    assert evidence.frames_s == ((broken.interval.start_s + broken.interval.end_s) / 2,)
    whole = measure(tracks)
    assert [segment for segment in whole.segments if segment.score > 0] == []


def test_a_short_break_is_no_segment() -> None:
    tracks = talking(seconds=24.0)
    heard = tracks.prediction.mean.copy()
    heard[1000:1080] = movement(900, 2401)[1000:1080]
    assert [segment for segment in measure(with_heard(tracks, heard)).segments if segment.score > 0] == []


def test_agreement_over_time_is_unknown_in_silence() -> None:
    tracks = with_speech(talking(seconds=24.0), (0.0, 8.0), (18.0, 24.0))
    [local] = [series for series in measure(tracks).series if series.name == "sync.agreement"]
    silent = (local.times_s > 11) & (local.times_s < 15)
    assert np.isnan(local.values[silent]).all()
    assert np.isfinite(local.values[(local.times_s > 2) & (local.times_s < 6)]).all()


def codes(evidence: Evidence) -> list[str]:
    assert evidence.score is None
    return [reason.code for reason in evidence.abstained]


def test_without_speech_it_abstains() -> None:
    assert codes(measure(with_speech(talking()))) == ["no_speech"]
    evidence = measure(with_speech(talking(), (1.0, 2.9)))
    assert codes(evidence) == ["no_speech"]
    assert "only 1.9 s of speech; 2 s are needed" in evidence.summary
    assert measure(with_speech(talking(), (1.0, 3.1))).score is not None
    assert codes(measure(with_speech(talking(), (1.0, 3.1)), min_speech_s=3.0)) == ["no_speech"]


def test_with_too_little_of_the_mouth_it_abstains() -> None:
    tracks = talking()
    observed = tracks.prediction.observed.copy()
    observed[190:] = np.nan
    evidence = measure(with_observed(tracks, observed))
    assert codes(evidence) == ["too_little_speech"]
    assert evidence.details["examined_s"] == pytest.approx(1.84)


def test_a_mouth_that_flickers_up_can_not_be_compared() -> None:
    tracks = talking()
    observed = tracks.prediction.observed.copy()
    observed[np.arange(len(observed)) % 10 >= 5] = np.nan  # 6 s in all, but never 70 ms on end
    evidence = measure(with_observed(tracks, observed))
    assert codes(evidence) == ["too_little_speech"]
    assert evidence.details["examined_s"] == 0


def test_a_clip_shorter_than_the_search_is_not_examined() -> None:
    tracks = talking(seconds=5.0)
    assert measure(tracks, max_lag_s=2.0).score is not None
    evidence = measure(tracks, max_lag_s=2.4)
    assert codes(evidence) == ["too_short"]
    assert "lasts 5.01 s; offsets of up to 2.4 s take more than 5.3 s" in evidence.summary


def test_a_voice_over_a_still_mouth_is_not_this_persons() -> None:
    tracks = talking()
    still = np.full_like(tracks.mouth.opening, 0.05)
    evidence = measure(with_opening(tracks, still))
    assert codes(evidence) == ["still_mouth"]
    assert "moves by 0.000 eye distances while somebody speaks" in evidence.summary
    assert "--face" in evidence.abstained[0].remedy
    partly = np.where(tracks.mouth.times_s < 0.5 * SECONDS, 0.05, tracks.mouth.opening).astype(np.float32)
    evidence = measure(with_opening(tracks, partly))
    assert evidence.score is not None
    [segment] = [segment for segment in evidence.segments if segment.summary == "speech over a still mouth"]
    assert segment.score == 0
    assert segment.interval.start_s == 0
    assert segment.interval.end_s == pytest.approx(0.5 * SECONDS, abs=0.3)


@pytest.mark.parametrize(("share", "examined"), [(0.4, True), (0.6, False)])
def test_the_median_motion_says_whether_a_mouth_stands_still(share: float, examined: bool) -> None:
    tracks = talking()
    partly = np.where(tracks.mouth.times_s < share * SECONDS, 0.05, tracks.mouth.opening).astype(np.float32)
    assert (measure(with_opening(tracks, partly)).score is not None) == examined
    wild = (0.12 + 4 * (partly - 0.12)).astype(np.float32)  # how much it moves in the rest does not matter
    assert (measure(with_opening(tracks, wild)).score is not None) == examined
    # a mouth that stands still in silence is no sign of anything
    late = with_speech(with_opening(tracks, partly), (share * SECONDS, SECONDS))
    assert measure(late).score is not None


@pytest.mark.parametrize(("factor", "examined"), [(0.9, False), (1.1, True)])
def test_the_border_of_a_still_mouth(factor: float, examined: bool) -> None:
    tracks = talking()
    known = np.isfinite(tracks.prediction.observed[:, 0])
    opening = tracks.mouth.opening * np.float32(
        factor * SPEAKING / np.median(opening_motion(tracks.mouth, tracks.prediction.times_s, known))
    )
    assert (measure(with_opening(tracks, opening)).score is not None) == examined


def test_any_mouth_can_be_laid_beside_any_sound() -> None:
    """`judge` is what `measure` does, without the tracks."""
    tracks = talking(24)
    known = np.isfinite(tracks.prediction.observed[:, 0])
    motion = opening_motion(tracks.mouth, tracks.prediction.times_s, known)
    cue = SyncCue(Settings(), REFERENCE)
    evidence, measured = cue.judge(tracks.prediction, tracks.activity.speech, motion), cue.measure(tracks)
    assert (evidence.version, evidence.details, evidence.segments) == ("2", measured.details, measured.segments)
    assert cue.judge(tracks.prediction, tracks.activity.speech, np.zeros_like(motion)).score is None
    part = slice(0, 700)
    cut = dataclasses.replace(
        tracks.prediction,
        times_s=tracks.prediction.times_s[part],
        mean=tracks.prediction.mean[part],
        spread=tracks.prediction.spread[part],
        observed=tracks.prediction.observed[part],
    )
    window = cue.judge(cut, tracks.activity.speech[part], motion[part])
    assert window.details["lag"] == 24
    assert window.details["examined_s"] < evidence.details["examined_s"] - 4


def test_a_mouth_that_moves_in_silence_is_pointed_out() -> None:
    tracks = talking()
    loud = with_opening(tracks, (0.12 + 3 * (tracks.mouth.opening - 0.12)).astype(np.float32))
    evidence = measure(with_speech(loud, (0.0, 6.0)))
    moving = [segment for segment in evidence.segments if segment.summary == "the mouth moves in silence"]
    assert moving
    assert moving[0].interval.start_s >= 6
    assert measure(loud).segments == ()


def test_a_prediction_that_never_moves_agrees_with_nothing() -> None:
    tracks = talking()
    evidence = measure(with_heard(tracks, np.zeros_like(tracks.prediction.mean)))
    assert evidence.score is not None
    assert evidence.details["agreement"] == 0
    assert evidence.details["strength"] == 0
