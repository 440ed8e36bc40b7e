"""Lines and colours of what is drawn over and beside pictures.

Two lines never differ by colour alone: what was observed is solid, what was predicted is dashed, in blue and yellow,
which people of every colour vision tell apart.

Conventions: points in pixels, origin at the centre of the top left one, between pixels too; colours are RGB.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.lettering import Colour
from lipaccord.records import BoolArray, FloatArray, Image

GROUND, FIELD = (18, 21, 25), (35, 39, 45)
WORDS, FAINT = (242, 244, 247), (172, 179, 188)
OBSERVED, PREDICTED = (86, 180, 233), (245, 225, 60)  # Okabe and Ito's sky blue and, a little lighter, yellow
BAND = (88, 84, 44)
SPEECH, SILENCE = (205, 211, 218), (84, 92, 102)
MARK = (213, 94, 0)  # Okabe and Ito's vermilion
MARKED_FIELD = (82, 44, 22)

SHIFT = 4  # bits of a pixel's fraction


def fixed(points: FloatArray | NDArray[np.float64]) -> NDArray[np.int32]:
    """Turn pixels into OpenCV's whole parts of a pixel; far outside stays outside."""
    parts: NDArray[np.int32] = np.rint(np.clip(points, -1e4, 3e4) * (1 << SHIFT)).astype(np.int32)
    return parts


def runs(known: BoolArray) -> Iterator[slice]:
    """Yield the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield slice(int(first), int(last))


def solid(image: Image, points: FloatArray, colour: Colour, thickness: int, *, closed: bool = False) -> None:
    """Draw a line through points [shape=(n, 2)], broken where one of them is NaN; a point by itself is a dot."""
    known: BoolArray = np.isfinite(points[:, 0]) & np.isfinite(points[:, 1])
    lines = [fixed(points[run]) for run in runs(known)]
    for line in lines:
        if len(line) == 1:
            cv2.circle(image, line[0].tolist(), thickness << SHIFT, colour, cv2.FILLED, cv2.LINE_AA, SHIFT)
    cv2.polylines(image, lines, closed and bool(known.all()), colour, thickness, cv2.LINE_AA, SHIFT)


def dashed_ring(image: Image, points: FloatArray, colour: Colour, thickness: int, dash_px: float) -> None:
    """Draw a closed line through points [shape=(n, 2)] in whole dashes of about `dash_px`."""
    closed = np.concatenate([points, points[:1]]).astype(np.float64)
    reached = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    dashes = max(4, round(reached[-1] / (2 * dash_px)))
    fine = np.linspace(0.0, reached[-1], 9 * dashes + 1)  # four steps a dash, five a gap: lines have round ends
    places = np.stack([np.interp(fine, reached, closed[:, axis]) for axis in (0, 1)], axis=1)
    lines = [fixed(places[9 * at : 9 * at + 5]) for at in range(dashes)]
    cv2.polylines(image, lines, False, colour, thickness, cv2.LINE_AA, SHIFT)


def paint(image: Image, colour: Colour) -> None:
    """Fill a part of a picture, which may be empty, with one colour."""
    if image.size:
        cv2.rectangle(image, (0, 0), (image.shape[1], image.shape[0]), colour, cv2.FILLED)
