from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lipaccord.cues.splice import LOCAL_LIMIT, MIN_EYES_PX, MIN_PAIRS, USUAL, SpliceCue
from lipaccord.records import Evidence, FloatArray, SpliceTrack, TimeArray, Tracks
from made_tracks import RATE_HZ, talking

CUES = {"lower": SpliceCue("lower"), "face": SpliceCue("face")}
EVERY_SECOND = np.arange(0, 96, 2) / RATE_HZ
NOISE = np.random.default_rng(1).normal(size=(2, len(EVERY_SECOND))).astype(np.float32) * 0.3


def tracks(scores: FloatArray, times_s: TimeArray = EVERY_SECOND, scope: str = "lower") -> Tracks:
    """Tracks of a talking face of which the networks said this; of the other scope they said nothing unusual."""
    made = talking(seconds=4.0)
    place = np.full((37, 30), np.nan, np.float32)
    place[20:, 5:25] = 1.23456
    said = SpliceTrack(times_s, scores, place)
    return dataclasses.replace(made, splices=made.splices | {scope: said})


def score(scores: FloatArray) -> float:
    found = CUES["lower"].measure(tracks(scores)).score
    assert found is not None
    return found


def test_each_scope_is_a_cue_of_its_own() -> None:
    assert {scope: cue.name for scope, cue in CUES.items()} == {"lower": "splice", "face": "swap"}
    for scope, cue in CUES.items():
        (other,) = set(CUES.values()) - {cue}
        made = tracks(NOISE + 5, scope=scope)
        assert (cue.measure(made).score or 0) > 4
        assert abs(other.measure(made).score or 9) < 0.5


def test_the_score_is_in_spreads_and_follows_the_networks() -> None:
    assert abs(score(NOISE)) < 0.2
    assert score(NOISE + 2.5) == pytest.approx(score(NOISE) + 2.5, abs=1e-5)


def test_a_few_wild_pairs_do_not_matter() -> None:
    for value in (-100.0, 100.0):
        wild = NOISE.copy()
        wild[:, [3, 17, 40]] = value
        assert score(wild) == pytest.approx(score(NOISE), abs=0.1)


def test_members_are_averaged_and_told_apart() -> None:
    evidence = CUES["lower"].measure(tracks(NOISE + np.array([[1.0], [4.0]], np.float32)))
    details = evidence.details
    assert evidence.score == pytest.approx(2.5, abs=0.2)
    assert (details["member_0"], details["member_1"]) == (pytest.approx(1, abs=0.2), pytest.approx(4, abs=0.2))
    assert (details["pairs"], details["usual"]) == (len(EVERY_SECOND), USUAL)
    assert details["deviation"] == pytest.approx(0.3 / np.sqrt(2), rel=0.3)


def test_the_map_is_kept_with_gaps() -> None:
    place = CUES["lower"].measure(tracks(NOISE)).details["map"]
    assert (len(place), len(place[0])) == (37, 30)
    assert place[0] == [None] * 30
    assert place[25][10] == 1.23


@pytest.mark.parametrize(("level", "words"), [(0.0, "no more than usual"), (USUAL + 1, "looks made otherwise")])
def test_the_summary_says_whether_that_is_usual(level: float, words: str) -> None:
    parts = {"lower": "the rest of the same face", "face": "hair, neck and background"}
    for scope, cue in CUES.items():
        summary = cue.measure(tracks(np.zeros_like(NOISE) + np.float32(level), scope=scope)).summary
        assert words in summary
        assert parts[scope] in summary
        assert f"{level:+.1f} spreads" in summary


def partly(start_s: float, end_s: float, level: float = LOCAL_LIMIT + 2) -> Evidence:
    scores = NOISE.copy()
    first, last = np.searchsorted(EVERY_SECOND, [start_s, end_s])
    scores[:, first:last] += np.float32(level)
    return CUES["lower"].measure(tracks(scores))


def test_a_stretch_beyond_the_limit_is_found_where_it_is() -> None:
    evidence = partly(1.0, 2.4)
    (segment,) = evidence.segments
    assert segment.finding == "resynthesis"
    assert segment.interval.start_s == pytest.approx(1.0, abs=0.2)
    assert segment.interval.end_s == pytest.approx(2.4, abs=0.2)
    assert segment.score == pytest.approx(LOCAL_LIMIT + 2, abs=0.4)
    assert "looks made otherwise" in segment.summary
    assert all(0.9 <= time <= 2.5 for time in evidence.frames_s[:2])
    (series,) = evidence.series
    assert series.name == "splice.against_rest"
    inside = (series.times_s > 1.3) & (series.times_s < 2.1)
    assert series.values[inside].min() > LOCAL_LIMIT > series.values[~inside][[0, -1]].max()


def test_a_burst_and_what_is_less_suspicious_than_usual_are_no_segment() -> None:
    assert partly(1.0, 1.3).segments == ()
    assert partly(1.0, 2.4, -LOCAL_LIMIT - 2).segments == ()


def test_the_frames_to_look_at_are_apart() -> None:
    times = sorted(CUES["lower"].measure(tracks(NOISE)).frames_s)
    assert 1 < len(times) <= 5
    assert np.diff(times).min() >= 0.5


def test_pairs_far_apart_still_give_a_course() -> None:
    """In a long clip there are seconds between the pairs; a window of one second would hold one of them."""
    times = np.arange(0.0, 96.0, 4.0)
    scores = np.zeros((2, 24), np.float32)
    scores[:, 5] = 9.0  # one pair alone
    scores[:, 12:18] = LOCAL_LIMIT + 1
    scores[:, 14] = 0.0  # and one that breaks no stretch
    (segment,) = CUES["lower"].measure(tracks(scores, times)).segments
    assert (segment.interval.start_s, segment.interval.end_s) == (48.0, 68.0)


@pytest.mark.parametrize(("pairs", "abstains"), [(0, True), (MIN_PAIRS - 1, True), (MIN_PAIRS, False)])
def test_too_few_pairs_are_not_judged(pairs: int, abstains: bool) -> None:
    evidence = CUES["lower"].measure(tracks(NOISE[:, :pairs], EVERY_SECOND[:pairs]))
    assert [reason.code for reason in evidence.abstained] == ["too_few_frames"] * abstains
    assert str(MIN_PAIRS) in evidence.summary or not abstains


@pytest.mark.parametrize(("eyes_px", "abstains"), [(MIN_EYES_PX - 1, True), (MIN_EYES_PX + 1, False)])
def test_too_small_a_face_is_not_judged(eyes_px: float, abstains: bool) -> None:
    made = tracks(NOISE)
    sizes = np.full_like(made.texture.interocular_px, eyes_px)
    sizes[::7] = np.nan
    small = dataclasses.replace(made, texture=dataclasses.replace(made.texture, interocular_px=sizes))
    evidence = CUES["lower"].measure(small)
    assert [reason.code for reason in evidence.abstained] == ["too_small"] * abstains
