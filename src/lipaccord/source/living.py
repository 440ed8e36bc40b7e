"""FaceTrack -> the life of a head: how eyes, brows, gaze and the head itself move, frame by frame.

Only points above the tip of the nose are used: a new mouth, and the chin that goes with it, leave them as they were
(the pose too is that of `LandmarkLayout.rigid`). Every channel is in eye distances or radians of the face laid level,
so that size, crop and resolution don't matter; position and size are those in the picture, so that a moving crop shows
in them alone.

Conventions: x to the right and y down; right and left are the person's own. Nothing is smoothed or filled in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipaccord.mouth import mouth_motion
from lipaccord.records import FaceTrack, FloatArray, LandmarkLayout, TimeArray
from lipaccord.source.signature import CHANNELS

_Numbers = NDArray[np.float64]
Points = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """The points that one layout gives.

    Attributes
    ----------
    lids : tuple of (upper points, lower points)
        Of the right and the left eye.
    brows : tuple of points
        Right, left.
    irises : tuple of int
        Middle of the right and of the left iris; empty where the layout has none.
    nose : points
        Its bridge.
    """

    lids: tuple[tuple[Points, Points], tuple[Points, Points]]
    brows: tuple[Points, Points]
    irises: tuple[int, ...]
    nose: Points


PLACES = {
    "mediapipe-478": Places(
        lids=(((160, 159, 158), (144, 145, 153)), ((387, 386, 385), (373, 374, 380))),
        brows=((70, 63, 105, 66, 107), (300, 293, 334, 296, 336)),
        irises=(468, 473),
        nose=(6, 197, 195),
    ),
    "ibug-68": Places(
        lids=(((37, 38), (41, 40)), ((44, 43), (46, 47))),
        brows=((17, 18, 19, 20, 21), (26, 25, 24, 23, 22)),
        irises=(),
        nose=(28, 29),
    ),
}
"""By the name of the layout."""

MIRRORED_CHANNELS = (1, 0, 3, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
MIRRORED_SIGNS = np.array([1, 1, 1, 1, -1, 1, -1, -1, 1, -1, 1, -1, 1, 1], np.float32)
"""By the channel that comes to stand there."""


def mirrored(life: FloatArray) -> FloatArray:
    """Return the life of the mirrored head, but for where its position counts from [shape=(T, C)]."""
    turned: FloatArray = life[:, MIRRORED_CHANNELS] * MIRRORED_SIGNS
    return turned


def _level(points: _Numbers, layout: LandmarkLayout) -> tuple[_Numbers, _Numbers, _Numbers, _Numbers]:
    """Lay faces level; return points in eye distances, roll, the point between the eyes, and pixels a unit."""
    right = points[:, list(layout.right_eye)].mean(axis=1)
    left = points[:, list(layout.left_eye)].mean(axis=1)
    middle, across = (right + left) / 2, left - right
    size = np.maximum(np.hypot(across[:, 0], across[:, 1]), 1e-6)
    cos, sin = (across / size[:, None]).T[:, :, None]
    x, y = np.moveaxis(points - middle[:, None], 2, 0)
    laid = np.stack([x * cos + y * sin, y * cos - x * sin], axis=2) / size[:, None, None]
    return laid, np.arctan2(across[:, 1], across[:, 0]), middle, size


def _gaze(laid: _Numbers, layout: LandmarkLayout, irises: tuple[int, ...]) -> _Numbers:
    """Return where the irises lie between the corners of their eyes, in eye distances [shape=(T, 2)]."""
    corners = [laid[:, list(eye)].mean(axis=1) for eye in (layout.right_eye, layout.left_eye)]
    offsets = [laid[:, iris] - corner for iris, corner in zip(irises, corners, strict=True)]
    gaze: _Numbers = np.mean(offsets, axis=0)
    return gaze


def life_of(track: FaceTrack) -> FloatArray:
    """Measure the life of the head that a track follows.

    Parameters
    ----------
    track : FaceTrack
        Of a layout in `PLACES`.

    Returns
    -------
    ndarray of float32 [shape=(T, C)]
        `CHANNELS`, on the clock of the track; NaN where the face was not seen, or where the layout lacks the points.
    """
    layout, places = track.layout, PLACES[track.layout.name]
    life = np.full((len(track.times_s), len(CHANNELS)), np.nan, np.float32)
    seen = track.seen
    laid, roll, middle, size = _level(track.points[seen].astype(np.float64), layout)
    values = np.full((len(laid), len(CHANNELS)), np.nan)
    for side, (eye, (upper, lower)) in enumerate(zip((layout.right_eye, layout.left_eye), places.lids, strict=True)):
        values[:, side] = laid[:, lower, 1].mean(axis=1) - laid[:, upper, 1].mean(axis=1)
        values[:, 2 + side] = laid[:, list(eye), 1].mean(axis=1) - laid[:, places.brows[side], 1].mean(axis=1)
    if places.irises:
        values[:, 4:6] = _gaze(laid, layout, places.irises)
    values[:, 6] = np.unwrap(roll)
    values[:, 7:9] = np.radians(mouth_motion(track).pose_deg[seen, :2])
    values[:, 9:11] = laid[:, places.nose].mean(axis=1)
    values[:, 11:13] = middle / np.median(size)
    values[:, 13] = np.log(size)
    life[seen] = values
    return life


STILL_S = 1.0
MIN_LIVE_SHARE = 0.1
TREMBLE = np.array(
    [0.0022, 0.0024, 0.0028, 0.0027, 0.0038, 0.0013, 0.0022, 0.003, 0.0055, 0.0025, 0.0055, 0.0025, 0.0027, 0.003],
    np.float32,
)
"""By how much the landmarks of a moment tremble between two copies of it."""
LIVE = 0.5  # times that
NORMAL_SPREAD = 3.3  # between the 5th and the 95th percentile, in standard deviations
MIN_BLOCK = 8
_FACE = slice(0, 11)  # not position and size, which a moving still changes too


def is_still(times_s: TimeArray, life: FloatArray) -> bool:
    """Tell whether a head shows no life but in a tenth of the time at most, as in a still picture.

    Parameters
    ----------
    times_s : ndarray of float64 [shape=(T,)]
    life : ndarray of float32 [shape=(T, C)]
        As `life_of` gives it.
    """
    known = np.isfinite(life).any(axis=1)
    seen, times = life[known][:, _FACE], times_s[known]
    if len(times) < 2:
        return True
    blocks = np.floor((times - times[0]) / STILL_S).astype(int)
    live = []
    for block in np.unique(blocks):
        part = np.nan_to_num(seen[blocks == block])
        if len(part) >= MIN_BLOCK:
            spread = (np.quantile(part, 0.95, axis=0) - np.quantile(part, 0.05, axis=0)) / TREMBLE[_FACE]
            live.append(float(np.median(spread[spread > 0])) if (spread > 0).any() else 0.0)
    return bool(np.mean(np.array(live) > LIVE * NORMAL_SPREAD) <= MIN_LIVE_SHARE) if live else True
