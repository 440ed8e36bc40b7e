"""Predicted lips -> outlines in the picture, to be drawn over the observed ones.

The prediction lives in the face's own frame of reference (`MouthMotion.lips`). In every frame the affine map that lays
the observed lips of that frame of reference on the same lips in the picture, by least squares, takes the predicted ones
along: position, size, roll and, to first order, the turn of the head are then those of the picture.

Conventions: pixels of the displayed picture, as all landmarks; the frames are those of the face track.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import Examination, FloatArray, TimeArray

BLOCK = 4096  # frames at a time: bounds the memory for long tracks
MIN_EXTENT = 1e-3  # height over width: flatter lips lie on one line and carry no map

Points = NDArray[np.float64]


def _at(times_s: TimeArray, clock_s: TimeArray, values: FloatArray) -> Points:
    """Interpolate values [shape=(N, K, 2)] linearly at `times_s`; NaN outside of the clock [shape=(T, K, 2)]."""
    after = np.clip(np.searchsorted(clock_s, times_s), 1, len(clock_s) - 1)
    before_s, after_s = clock_s[after - 1], clock_s[after]
    share = ((times_s - before_s) / (after_s - before_s))[:, None, None]
    result: Points = (1 - share) * values[after - 1] + share * values[after]
    result[(times_s < clock_s[0]) | (times_s > clock_s[-1])] = np.nan
    return result


def _carried(points: Points, source: Points, target: Points) -> Points:
    """Apply to points [shape=(T, K, 2)] the best affine map of each frame from source onto target.

    NaN where the source has no extent in some direction, or where anything is NaN.
    """
    middle = source.mean(axis=1, keepdims=True)
    off, goal = source - middle, target.mean(axis=1, keepdims=True)
    spread = np.swapaxes(off, 1, 2) @ off
    shared = np.swapaxes(off, 1, 2) @ (target - goal)
    a, b, d = spread[:, 0, 0], spread[:, 0, 1], spread[:, 1, 1]
    determinant = a * d - b * b
    determinant[~(determinant > (MIN_EXTENT * (a + d)) ** 2)] = np.nan
    inverse = np.stack([np.stack([d, -b], axis=1), np.stack([-b, a], axis=1)], axis=1) / determinant[:, None, None]
    result: Points = (points - middle) @ (inverse @ shared) + goal
    return result


def predicted_outlines(examination: Examination) -> FloatArray:
    """Lay the lips that the speech asks for on the picture.

    Parameters
    ----------
    examination : Examination
        Of a clip in which a face was examined.

    Returns
    -------
    ndarray of float32 [shape=(T, K, 2)]
        On the frames of the face track, in the order of `LandmarkLayout.lips`, pixels; NaN where the face was not
        seen, and where nothing is predicted because there is no sound.

    Raises
    ------
    ValueError
        No face was examined.
    """
    tracks, predicted = examination.tracks, examination.predicted_lips
    if tracks is None or predicted is None:
        raise ValueError("no face was examined: there are no lips to lay on the picture")
    face, lips, clock_s = tracks.face, tracks.mouth.lips, tracks.prediction.times_s
    result = np.full(lips.shape, np.nan, np.float32)
    if len(clock_s) < 2:
        return result
    seen, places = np.flatnonzero(face.seen), list(face.layout.lips)
    for start in range(0, len(seen), BLOCK):
        block = seen[start : start + BLOCK]
        observed, shown = lips[block].astype(np.float64), face.points[block[:, None], places].astype(np.float64)
        result[block] = _carried(_at(face.times_s[block], clock_s, predicted), observed, shown)
    return result
