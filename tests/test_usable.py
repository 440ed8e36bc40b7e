from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lipaccord.records import MouthMotion, TimeArray
from lipaccord.usable import (
    MAX_TURN_DEG,
    MOTION_S,
    STILL_SPEED,
    frontal,
    median_of,
    opening_motion,
    steady_weight,
    turn_weight,
)
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


def swinging(depth: float, speaks: tuple[float, float]) -> tuple[MouthMotion, TimeArray]:
    """Return a mouth that opens and closes eight times a second between two moments, and a clock of 100 Hz."""
    mouth = talking(seconds=4.0).mouth
    moves = (mouth.times_s >= speaks[0]) & (mouth.times_s < speaks[1])
    swing = np.where(moves, depth * np.sin(2 * np.pi * 8 * mouth.times_s), 0.0)
    return dataclasses.replace(mouth, opening=(0.2 + swing).astype(np.float32)), np.arange(401) / 100


def test_motion_is_the_running_deviation_of_the_opening() -> None:
    """At 25 frames a second eight swings a second come out straight between the frames, so a little smaller."""
    mouth, clock_s = swinging(0.1, (0.0, 4.1))
    motion = opening_motion(mouth, clock_s, np.ones(len(clock_s), bool))
    assert motion.shape == clock_s.shape
    expected = np.std(np.interp(clock_s, mouth.times_s, mouth.opening))
    assert motion[50:350] == pytest.approx(expected, rel=0.05)
    twice = opening_motion(swinging(0.2, (0.0, 4.1))[0], clock_s, np.ones(len(clock_s), bool))
    assert twice == pytest.approx(2 * motion, rel=1e-3)


def test_motion_is_local() -> None:
    mouth, clock_s = swinging(0.1, (2.0, 4.1))
    motion = opening_motion(mouth, clock_s, np.ones(len(clock_s), bool))
    assert motion[clock_s < 2.0 - MOTION_S / 2 - 0.05].max() < 1e-3
    assert motion[clock_s > 2.0 + MOTION_S / 2].min() > 0.04


def test_motion_is_unknown_where_the_mouth_is() -> None:
    mouth, clock_s = swinging(0.1, (0.0, 4.1))
    known = clock_s < 1.0
    motion = opening_motion(mouth, clock_s, known)
    assert np.isfinite(motion).tolist() == known.tolist()
    never = unseen(talking(seconds=4.0)).mouth
    assert np.isnan(opening_motion(never, clock_s, np.ones(len(clock_s), bool))).all()


def test_frames_without_a_mouth_do_not_count_as_motion() -> None:
    mouth, clock_s = swinging(0.0, (0.0, 0.0))
    valid = np.arange(len(mouth.times_s)) % 5 > 0
    opening = np.where(valid, mouth.opening, np.nan).astype(np.float32)
    gaps = dataclasses.replace(mouth, valid=valid, opening=opening)
    np.testing.assert_allclose(opening_motion(gaps, clock_s, np.ones(len(clock_s), bool)), 0.0, atol=1e-6)
