"""Which frames of a face count in a cue, and how much: what several cues ask in the same way.

Conventions: weights run from 0 to 1, one for each frame [shape=(T,)]; where turn or motion is unknown nothing is taken
off.
"""

from __future__ import annotations

import numpy as np

from lipaccord.course import Values, weighted_median
from lipaccord.records import BoolArray, Reason, TextureTrack, Tracks

MAX_TURN_DEG = 30.0
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


def too_small(texture: TextureTrack, needed_px: float, needs: str) -> Reason | None:
    """Say that the face is too small, or nothing where it is large enough or was never seen.

    Parameters
    ----------
    texture : TextureTrack
    needed_px : float
        Distance between the eyes.
    needs : str
        Who needs that, with the verb (``teeth need``).
    """
    sizes = texture.interocular_px[np.isfinite(texture.interocular_px)]
    if not sizes.size or np.median(sizes) >= needed_px:
        return None
    found = f"The eyes are {np.median(sizes):.0f} pixels apart"
    return Reason("too_small", f"{found}; {needs} at least {needed_px:.0f}: use a larger copy.")
