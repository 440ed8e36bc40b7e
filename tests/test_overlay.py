"""Predicted lips on the picture: the truth is a face that the test placed."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_face import face_points
from lipaccord import overlay
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.overlay import predicted_outlines
from lipaccord.records import Examination, FloatArray, LandmarkLayout, TimeArray
from made_examination import NOTHING, examined, own_lips, with_face, with_mouth

EYES_PX = 80.0
FRAMES = 21


def wandering(
    layout: LandmarkLayout, clock_s: TimeArray, predicted: FloatArray, unseen: tuple[int, ...] = ()
) -> Examination:
    """Return the examination of a face that turns, comes nearer and wanders, with given predicted lips."""
    points = [
        None if k in unseen else face_points(layout, EYES_PX + 2 * k, (200.0 + 3 * k, 150.0 - k), 2.0 * k)
        for k in range(FRAMES)
    ]
    return examined(points, clock_s, predicted, layout)


@pytest.fixture
def clock_s() -> TimeArray:
    return np.arange(101) / 100


@pytest.mark.parametrize("layout", [MEDIAPIPE_478, IBUG_68], ids=lambda layout: layout.name)
def test_lips_predicted_as_observed_lie_on_the_observed_ones(layout: LandmarkLayout, clock_s: TimeArray) -> None:
    made = wandering(layout, clock_s, np.repeat(own_lips(layout)[None], len(clock_s), axis=0))
    assert made.tracks is not None
    shown = predicted_outlines(made)
    assert shown.dtype == np.float32
    assert shown == pytest.approx(made.tracks.face.points[:, list(layout.lips)], abs=1e-3)


def test_a_predicted_departure_turns_and_grows_with_the_face(clock_s: TimeArray) -> None:
    lower = np.repeat(own_lips(MEDIAPIPE_478)[None], len(clock_s), axis=0)
    lower[:, :, 1] += 0.5  # half an eye distance towards the chin
    made = wandering(MEDIAPIPE_478, clock_s, lower)
    assert made.tracks is not None
    off = predicted_outlines(made) - made.tracks.face.points[:, list(MEDIAPIPE_478.lips)]
    angle = np.radians(2.0 * np.arange(FRAMES))
    expected = 0.5 * (EYES_PX + 2 * np.arange(FRAMES))[:, None] * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    assert off == pytest.approx(np.repeat(expected[:, None], 40, axis=1), abs=1e-2)


def test_the_map_is_affine(clock_s: TimeArray) -> None:
    # a head that is turned is narrower in the picture; its predicted lips must be so, too
    predicted = np.repeat(1.5 * own_lips(MEDIAPIPE_478)[None], len(clock_s), axis=0)
    made = wandering(MEDIAPIPE_478, clock_s, predicted)
    assert made.tracks is not None
    narrow = made.tracks.face.points * np.array([0.6, 1.0], np.float32)
    turned = with_face(made, narrow)
    assert predicted_outlines(turned) == pytest.approx(predicted_outlines(made) * (0.6, 1.0), abs=1e-2)


def test_skewed_lips_are_laid_as_straight_ones(clock_s: TimeArray) -> None:
    skew = np.array([[1.0, 0.4], [0.3, 1.0]], np.float32)
    predicted = np.repeat(1.5 * own_lips(MEDIAPIPE_478)[None], len(clock_s), axis=0)
    straight = wandering(MEDIAPIPE_478, clock_s, predicted)
    assert straight.tracks is not None
    skewed = wandering(MEDIAPIPE_478, clock_s, predicted @ skew)
    mouth = straight.tracks.mouth
    shown = predicted_outlines(with_mouth(skewed, mouth.lips @ skew, mouth.opening))
    assert shown == pytest.approx(predicted_outlines(straight), abs=1e-2)


def test_between_two_predictions_it_is_interpolated() -> None:
    clock_s = np.array([0.0, 0.03, 0.05, 1.0])
    predicted = np.repeat(own_lips(MEDIAPIPE_478)[None], 4, axis=0)
    predicted[2, :, 0] += 0.2
    made = wandering(MEDIAPIPE_478, clock_s, predicted)
    assert made.tracks is not None
    off = predicted_outlines(made) - made.tracks.face.points[:, list(MEDIAPIPE_478.lips)]
    # frame 1 at 0.04 s lies half way between the second and the third prediction
    assert np.linalg.norm(off[1], axis=1) == pytest.approx(np.full(40, 0.1 * (EYES_PX + 2)), abs=1e-2)


def test_nothing_is_shown_where_there_is_no_face_or_no_prediction() -> None:
    clock_s = 0.1 + np.arange(51) / 100  # 0.1 to 0.6 s
    predicted = np.repeat(own_lips(MEDIAPIPE_478)[None], len(clock_s), axis=0)
    shown = predicted_outlines(wandering(MEDIAPIPE_478, clock_s, predicted, unseen=(5, 6)))
    missing = np.isnan(shown).all(axis=(1, 2))
    assert np.flatnonzero(missing).tolist() == [0, 1, 2, 5, 6, 16, 17, 18, 19, 20]
    assert np.isfinite(shown[~missing]).all()


def test_lips_on_one_line_carry_no_map(clock_s: TimeArray) -> None:
    made = wandering(MEDIAPIPE_478, clock_s, np.repeat(own_lips(MEDIAPIPE_478)[None], len(clock_s), axis=0))
    assert made.tracks is not None
    lips = made.tracks.mouth.lips.copy()
    lips[4, :, 1] = 0.3 * lips[4, :, 0]
    shown = predicted_outlines(with_mouth(made, lips, made.tracks.mouth.opening))
    assert np.flatnonzero(np.isnan(shown).any(axis=(1, 2))).tolist() == [4]


def test_one_prediction_is_too_few_to_interpolate() -> None:
    made = wandering(MEDIAPIPE_478, np.array([0.0]), own_lips(MEDIAPIPE_478)[None])
    assert np.isnan(predicted_outlines(made)).all()


def test_blocks_do_not_show(clock_s: TimeArray, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    predicted = own_lips(MEDIAPIPE_478) + generator.normal(size=(len(clock_s), 40, 2)).astype(np.float32)
    made = wandering(MEDIAPIPE_478, clock_s, predicted, unseen=(3,))
    whole = predicted_outlines(made)
    monkeypatch.setattr(overlay, "BLOCK", 4)
    assert np.array_equal(predicted_outlines(made), whole, equal_nan=True)


def test_without_a_face_there_is_nothing_to_lay_on() -> None:
    with pytest.raises(ValueError, match="no face was examined"):
        predicted_outlines(NOTHING)
