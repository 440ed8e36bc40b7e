from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lipaccord.calibration import SCALES
from lipaccord.conditions import FINE, MIDDLE, MIN_FRAMES, conditions_of, fine_detail
from lipaccord.records import FloatArray, Tracks
from lipaccord.texture import SCALES as WIDTHS
from lipaccord.usable import MAX_TURN_DEG, opening_motion
from made_tracks import EYES_PX, RATE_HZ, talking, unseen, with_observed

TRACKS = talking(seconds=4.0)
FRAMES = len(TRACKS.mouth.times_s)


def turned(tracks: Tracks, *frames: int) -> Tracks:
    """Turn the face too far in some frames."""
    turn = np.zeros_like(tracks.texture.turn)
    turn[list(frames)] = MAX_TURN_DEG + 1
    return dataclasses.replace(tracks, texture=dataclasses.replace(tracks.texture, turn=turn))


def with_forehead(tracks: Tracks, energy: FloatArray) -> Tracks:
    """Put other energies into the forehead [shape=(T, S)]."""
    everywhere = tracks.texture.energy.copy()
    everywhere[:, tracks.texture.region("forehead")] = energy
    return dataclasses.replace(tracks, texture=dataclasses.replace(tracks.texture, energy=everywhere))


def test_what_a_usual_clip_gives() -> None:
    found = conditions_of(TRACKS, 3.25)
    assert set(found) == {"speech_s", "face_s", "eyes_px", "motion", "detail"} == {*SCALES, "motion"}
    assert found["speech_s"] == 3.25
    assert found["face_s"] == pytest.approx(FRAMES / RATE_HZ)
    assert found["eyes_px"] == pytest.approx(EYES_PX, rel=1e-3)
    assert all(np.isfinite(value) and isinstance(value, float) for value in found.values())


def test_speech_that_nobody_asked_for_is_missing() -> None:
    assert conditions_of(TRACKS, None) == {k: v for k, v in conditions_of(TRACKS, 1.0).items() if k != "speech_s"}


def test_a_face_turned_too_far_does_not_count() -> None:
    away = turned(TRACKS, *range(25))
    assert conditions_of(away, None)["face_s"] == pytest.approx((FRAMES - 25) / RATE_HZ)
    smaller = TRACKS.mouth.interocular_px.copy()
    smaller[:90] /= 2
    away = turned(dataclasses.replace(TRACKS, mouth=dataclasses.replace(TRACKS.mouth, interocular_px=smaller)))
    assert conditions_of(away, None)["eyes_px"] == pytest.approx(EYES_PX / 2, rel=1e-3)
    assert conditions_of(turned(away, *range(90)), None)["eyes_px"] == pytest.approx(EYES_PX, rel=1e-3)


def test_a_face_that_is_never_seen_from_the_front_leaves_the_speech_alone() -> None:
    away = turned(TRACKS, *range(FRAMES))
    assert conditions_of(away, 2.0) == {"speech_s": 2.0}
    assert conditions_of(unseen(TRACKS), None) == {}


def test_a_mouth_that_moves_twice_as_far_has_twice_the_motion() -> None:
    opening = TRACKS.mouth.opening
    further = dataclasses.replace(TRACKS, mouth=dataclasses.replace(TRACKS.mouth, opening=2 * opening))
    assert conditions_of(further, None)["motion"] == pytest.approx(2 * conditions_of(TRACKS, None)["motion"], rel=1e-4)
    still = dataclasses.replace(TRACKS, mouth=dataclasses.replace(TRACKS.mouth, opening=np.full_like(opening, 0.1)))
    assert conditions_of(still, None)["motion"] == pytest.approx(0, abs=1e-6)


def test_motion_is_the_median_of_what_is_known() -> None:
    observed = TRACKS.prediction.observed.copy()
    observed[200:] = np.nan
    half = with_observed(TRACKS, observed)
    known = np.isfinite(observed[:, 0])
    motion = opening_motion(half.mouth, half.prediction.times_s, known)[known]
    assert conditions_of(half, None)["motion"] == pytest.approx(np.median(motion))
    assert "motion" not in conditions_of(with_observed(TRACKS, np.full_like(observed, np.nan)), None)


def test_detail_is_the_median_over_frames_in_which_the_forehead_is_seen() -> None:
    energy = np.tile(np.array([2.0, 1.5, 1.0, 0.5, 0.0], np.float32), (FRAMES, 1))
    energy[:40, 0] += 1.0
    known = conditions_of(with_forehead(TRACKS, energy), None)["detail"]
    assert known == pytest.approx(fine_detail(energy[50], WIDTHS, EYES_PX), rel=1e-3)
    assert known > 0
    energy[40:] = np.nan
    assert conditions_of(with_forehead(TRACKS, energy), None)["detail"] > known


@pytest.mark.parametrize(("frames", "there"), [(MIN_FRAMES, True), (MIN_FRAMES - 1, False)])
def test_a_forehead_seen_in_too_few_frames_is_unknown(frames: int, there: bool) -> None:
    energy = np.full((FRAMES, len(WIDTHS)), np.nan, np.float32)
    energy[:frames] = 1.0
    found = conditions_of(with_forehead(TRACKS, energy), None)
    assert ("detail" in found) == there
    assert "face_s" in found


def test_detail_compares_bands_at_the_same_shares_of_the_eye_distance() -> None:
    slope = np.array([-0.5 * np.log2(width) for width in WIDTHS], np.float32)  # a power law: equal at every size
    expected = 0.5 * np.log2(MIDDLE / FINE)
    for eyes_px in (WIDTHS[0] / FINE, 150.0, 300.0):
        assert fine_detail(slope, WIDTHS, eyes_px) == pytest.approx(expected, abs=1e-6)


def test_detail_needs_a_face_that_is_large_enough() -> None:
    border = WIDTHS[0] / MIDDLE
    energy = np.linspace(2, 0, len(WIDTHS)).astype(np.float32)
    assert np.isnan(fine_detail(energy, WIDTHS, border))
    assert np.isfinite(fine_detail(energy, WIDTHS, border + 0.1))
    assert np.isnan(fine_detail(np.full_like(energy, np.nan), WIDTHS, 90.0))
