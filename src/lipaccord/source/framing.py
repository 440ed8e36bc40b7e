"""The window in which a clip and its source are compared: a level face of one size, and which part of it is what.

Conventions: pictures in RGB, pixels with their origin at the centre of the top left one. The window has `EYES` pixels
between the eyes; a picture is resampled into it once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray, Image, LandmarkLayout

EYES = 48.0
WIDTH, HEIGHT = 160, 208
CENTRE = (79.5, 72.0)
"""Of the window: pixels between the eyes, size, and where the point between the eyes lies."""

LOWER_SCALE, FACE_SCALE = 1.18, 1.12
ROUNDING = 1e-6
SKIPS = 1.2  # pixels of the picture from one of the window to the next: more, and fine lines come and go

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Places:
    """Which pixels of the window show what [each: shape=(HEIGHT, WIDTH)].

    Attributes
    ----------
    lower : ndarray of bool
        Lips, mouth and chin.
    upper : ndarray of bool
        The face above the tip of the nose.
    around : ndarray of bool
        Outside the face, above the mouth: hair, ears, what is behind.
    """

    lower: BoolArray
    upper: BoolArray
    around: BoolArray


def whole(matrix: Matrix) -> Matrix:
    """Return an affine transform as a square matrix [shape=(3, 3)]."""
    return np.vstack([matrix[:2], [0.0, 0.0, 1.0]])


def level(layout: LandmarkLayout, xy: FloatArray, eyes: float = EYES) -> Matrix:
    """Return the similarity from the window to the picture in which the face has landmarks `xy` [shape=(2, 3)]."""
    right, left = (xy[list(eye)].astype(np.float64).mean(axis=0) for eye in (layout.right_eye, layout.left_eye))
    if right[0] > left[0]:
        right, left = left, right
    (x, y), middle = (left - right) / eyes, (right + left) / 2
    turn = np.array([[x, -y], [y, x]])
    return np.column_stack([turn, middle - turn @ CENTRE])


def sample(image: Image, matrix: Matrix, size: tuple[int, int] = (WIDTH, HEIGHT), *, grey: bool = False) -> FloatArray:
    """Read a picture at the points of a window; where it shrinks, it is averaged first so that nothing is skipped.

    Parameters
    ----------
    image : ndarray of uint8 [shape=(height, width, 3)]
    matrix : ndarray of float64 [shape=(2, 3)]
        From the window to the picture.
    size : tuple of int
        Width and height of the window.
    grey : bool
        Give luma (BT.601) alone.

    Returns
    -------
    ndarray of float32 [shape=(height, width, 3) or (height, width)]
        Grey levels; beyond the picture its edge goes on.
    """
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float) @ matrix.T
    shrinks = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    room = 4 + math.ceil(2 * shrinks)
    limit = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - room, 0, limit)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + room, 0, limit)
    if (high <= low).any():
        return np.zeros((height, width) if grey else (height, width, 3), np.float32)
    part = np.asarray(image[low[1] : high[1], low[0] : high[0]])
    if grey:
        part = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8)
    local = matrix.copy()
    local[:, 2] -= low
    factor = min(int(shrinks + ROUNDING), *part.shape[:2])
    if factor > 1:
        part = part[: part.shape[0] // factor * factor, : part.shape[1] // factor * factor]
        part = np.asarray(cv2.resize(part, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA), np.uint8)
        local[:, 2] -= (factor - 1) / 2
        local /= factor
    left = shrinks / max(factor, 1)
    if left > SKIPS:
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.5 * math.sqrt(left**2 - 1)), np.uint8)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    read = cv2.warpAffine(np.ascontiguousarray(part), local, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32)


def reaches(image: Image, matrix: Matrix) -> BoolArray:
    """Tell where the window lies in the picture [shape=(HEIGHT, WIDTH)]."""
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    x, y = (matrix[axis, 0] * columns + matrix[axis, 1] * rows + matrix[axis, 2] for axis in (0, 1))
    inside: BoolArray = (x >= 1) & (y >= 1) & (x <= image.shape[1] - 2) & (y <= image.shape[0] - 2)
    return inside


def _filled(points: FloatArray, scale: float) -> BoolArray:
    hull = np.asarray(cv2.convexHull(points.astype(np.float32)), np.float32)[:, 0]
    centre = hull.mean(axis=0)
    outline = np.rint(centre + scale * (hull - centre)).astype(np.int32)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillConvexPoly(mask, np.clip(outline, -1000, 1000), 1)
    return mask.astype(bool)


def places_of(layout: LandmarkLayout, xy: FloatArray) -> Places:
    """Find the parts of a face whose landmarks `xy` are in pixels of the window [shape=(L, 2)]."""
    ring = layout.rings
    nose = float(xy[list(ring["nose"]), 1].max())
    mouth = float(xy[list(ring["outer_lips"]), 1].min())
    rows = np.arange(HEIGHT)[:, None]
    lower = _filled(xy[[*ring["outer_lips"], *ring["chin"]]], LOWER_SCALE) & (rows > nose)
    face = xy[list(ring["face"])] if "face" in ring else xy
    tip = nose - 0.15 * EYES
    upper = _filled(face, 0.97) & (rows < tip)
    around = ~_filled(face, FACE_SCALE) & (rows < mouth)
    return Places(lower, upper, around)
