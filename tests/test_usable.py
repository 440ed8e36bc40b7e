from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lipaccord.usable import MAX_TURN_DEG, STILL_SPEED, frontal, median_of, steady_weight, too_small, turn_weight
from made_tracks import talking, unseen

TRACKS = talking(seconds=1.0)


def test_a_turned_face_counts_less_and_one_turned_too_far_not_at_all() -> None:
    turn = np.zeros_like(TRACKS.texture.turn)
    turn[1:5] = (MAX_TURN_DEG / 2, -MAX_TURN_DEG / 2, 2 * MAX_TURN_DEG, np.nan)
    texture = dataclasses.replace(TRACKS.texture, turn=turn, speed=np.zeros_like(turn))
    assert turn_weight(texture)[:5] == pytest.approx([1, 0.75, 0.75, 0, 1])
    facing = frontal(dataclasses.replace(TRACKS, texture=texture))
    assert facing[:5].tolist() == [True, True, True, False, True]


def test_a_moving_face_counts_less() -> None:
    still = np.zeros_like(TRACKS.texture.turn)
    texture = dataclasses.replace(TRACKS.texture, turn=still, speed=still + STILL_SPEED)
    assert steady_weight(texture) == pytest.approx(0.5)


def test_a_median_wants_enough_finite_frames() -> None:
    values, weights = np.array([1.0, 5.0, np.nan, 9.0]), np.ones(4)
    usable = np.array([True, True, True, False])
    assert median_of(values, weights, usable, 2) == 1.0
    assert median_of(values, weights, usable, 3) is None


def test_a_small_face_is_named_with_the_remedy() -> None:
    reason = too_small(TRACKS.texture, 200.0, "teeth need")
    assert reason is not None
    assert reason.code == "too_small"
    assert reason.text == "The eyes are 90 pixels apart; teeth need at least 200: use a larger copy."
    assert too_small(TRACKS.texture, 90.0, "teeth need") is None
    assert too_small(unseen(TRACKS).texture, 200.0, "teeth need") is None
