"""Which frames of a face count in a cue, and how much its mouth moves: what several cues ask in the same way.

Conventions: weights run from 0 to 1, one for each frame [shape=(T,)]; where turn or motion is unknown nothing is taken
off.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from lipaccord.agreement import RATE_HZ
from lipaccord.course import Values, weighted_median
from lipaccord.records import BoolArray, MouthMotion, TextureTrack, TimeArray, Tracks

MAX_TURN_DEG = 30.0
MOTION_S = 0.5
STILL_SPEED = 0.5  # eye distances a second: at this motion a frame counts half


def frontal(tracks: Tracks) -> BoolArray:
    """Frames in which the mouth can be measured and the face is not turned too far [shape=(T,)]."""
    facing: BoolArray = tracks.mouth.valid & ~(np.abs(tracks.texture.turn) > MAX_TURN_DEG)
    return facing


def turn_weight(texture: TextureTrack) -> Values:
    """Count a frame less the more the face turns."""
    turn = np.nan_to_num(texture.turn.astype(np.float64), nan=0.0)
    weight: Values = np.clip(1 - (turn / MAX_TURN_DEG) ** 2, 0, 1)
    return weight


def steady_weight(texture: TextureTrack) -> Values:
    """Count a frame less the more the face turns, and the faster it moves."""
    speed = np.nan_to_num(texture.speed.astype(np.float64), nan=0.0)
    weight: Values = turn_weight(texture) / (1 + (speed / STILL_SPEED) ** 2)
    return weight


def median_of(values: Values, weights: Values, usable: BoolArray, at_least: int) -> float | None:
    """Weighted median of what is usable and finite; None where that is fewer than `at_least` frames."""
    seen = usable & np.isfinite(values)
    return weighted_median(values[seen], weights[seen]) if seen.sum() >= at_least else None


def opening_motion(mouth: MouthMotion, clock_s: TimeArray, known: BoolArray) -> Values:
    """Return the running deviation of the lip opening over MOTION_S on the audio clock; NaN where not `known`.

    Parameters
    ----------
    mouth : MouthMotion
    clock_s : ndarray of float64 [shape=(N,)]
        100 a second.
    known : ndarray of bool [shape=(N,)]
    """
    if not mouth.valid.any():
        return np.full(len(clock_s), np.nan)
    opening = np.interp(clock_s, mouth.times_s[mouth.valid], mouth.opening[mouth.valid])
    size = round(MOTION_S * RATE_HZ)
    mean = uniform_filter1d(opening, size)
    variance = uniform_filter1d(opening**2, size) - mean**2
    return np.where(known, np.sqrt(np.maximum(variance, 0.0)), np.nan)
