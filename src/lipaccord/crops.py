"""Face views -> level pairs of neighbouring frames, spread over the clip, for the splice network.

A pair is two neighbouring frames laid by the eyes of the first, so that what changes between them shows and nothing
else. Pairs are kept at a regular step that doubles whenever there are more than `MAX_PAIRS`: the memory is bounded
whatever the length of the clip, and the choice depends on the frames alone.

Two scopes, each with a part that is judged and a part that it is compared with:

- ``lower``: the lower face against the rest of the face. The lower face is bounded by the wings of the nose, the
  middle of the cheeks and the jaw;
- ``face``: the whole face against what surrounds it (hair, neck, background).

A margin between the two parts belongs to neither, nor does what lies off the picture.

Conventions: luma, `WIDTH` x `HEIGHT` pixels; size and place of the face are those of the scope. The network's map has
one cell for each `CELL` x `CELL` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import FaceCrops, FaceView, FloatArray, LandmarkLayout
from lipaccord.views import laid, level

WIDTH, HEIGHT = 240, 296
CELL = 8
MAX_PAIRS = 96
MIN_CELLS = 40  # that each of the two parts must have in the picture
FIRST_STEP = 2  # frames


Crop = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Scope:
    """How a face is laid.

    Attributes
    ----------
    eyes_px : float
        Distance between the eye centres.
    center : tuple of float
        Where the point between the eyes comes to lie.
    """

    eyes_px: float
    center: tuple[float, float]


SCOPES = {"lower": Scope(112.0, (120.0, 76.0)), "face": Scope(64.0, (120.0, 112.0))}

MARGIN_PX = 8  # between the lower face and the rest
EDGE_PX = 6  # taken off the outline of the face
SUBPIXEL_BITS = 3
LOWER_FACE: dict[str, tuple[int, ...]] = {
    "mediapipe-478": (
        *(123, 50, 36, 98, 2, 327, 266, 280, 352),  # cheek to cheek under the nose
        *(361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132),  # jaw
    ),
    "ibug-68": (2, 31, 33, 35, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3),
}
"""Outline of the lower face by layout, clockwise in the picture from the person's right cheek."""


def _filled(points: FloatArray) -> NDArray[np.uint8]:
    """Fill an outline given in pixels of the crop [shape=(H, W)]."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)], 255, cv2.LINE_8, SUBPIXEL_BITS)
    return mask


def _hull(points: FloatArray) -> FloatArray:
    return np.asarray(cv2.convexHull(points.astype(np.float32)), np.float32)[:, 0]


def _cells(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(mask, (WIDTH // CELL, HEIGHT // CELL), interpolation=cv2.INTER_AREA), np.uint8)


def _grown(mask: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Widen a mask, or narrow it where `pixels` is below zero."""
    kernel = np.ones((2 * abs(pixels) + 1, 2 * abs(pixels) + 1), np.uint8)
    return np.asarray(cv2.dilate(mask, kernel) if pixels > 0 else cv2.erode(mask, kernel), np.uint8)


def face_parts(
    scope: str, layout: LandmarkLayout, points: FloatArray, inside: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Mark the part that is judged and the part that it is compared with, by cell.

    Parameters
    ----------
    scope : str
        A key of `SCOPES`.
    layout : LandmarkLayout
    points : ndarray [shape=(L, 2)]
        Landmarks in pixels of the crop.
    inside : ndarray of uint8 [shape=(H, W)]
        255 where the crop shows the picture.

    Returns
    -------
    judged, reference : ndarray of uint8 [shape=(h, w)]
        Share of each cell, 0 to 255.
    """
    outline = points[list(layout.rings["face"])] if "face" in layout.rings else _hull(points)
    face = _filled(outline)
    if scope == "face":
        judged, reference = _grown(face, -MARGIN_PX), np.where(_grown(face, MARGIN_PX) > 0, 0, 255)
    else:
        judged = _filled(points[list(LOWER_FACE[layout.name])])
        reference = np.where(_grown(judged, MARGIN_PX) > 0, 0, _grown(face, -EDGE_PX))
    return _cells(np.minimum(judged, inside)), _cells(np.minimum(reference, inside).astype(np.uint8))


def crop_pair(
    scope: str, layout: LandmarkLayout, first: NDArray[np.uint8], second: NDArray[np.uint8], points: FloatArray
) -> Crop:
    """Lay two neighbouring pictures of a face level.

    Parameters
    ----------
    scope : str
        A key of `SCOPES`.
    layout : LandmarkLayout
    first, second : ndarray of uint8 [shape=(h, w)]
        Luma of one and the same part of the picture.
    points : ndarray [shape=(L, 2)]
        Landmarks of the first.

    Returns
    -------
    pair : ndarray of uint8 [shape=(2, H, W)]
    judged, reference : ndarray of uint8
        As `face_parts` gives them.
    """
    matrix = level(layout, points, SCOPES[scope].eyes_px, SCOPES[scope].center)
    pair = np.stack([laid(picture, matrix, WIDTH, HEIGHT) for picture in (first, second)])
    placed = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    inside = cv2.warpAffine(np.full(first.shape, 255, np.uint8), matrix, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST)
    return pair, *face_parts(scope, layout, placed, np.asarray(inside, np.uint8))


def _same_part(view: FaceView, other: FaceView) -> NDArray[np.uint8]:
    """Cut from `other` the part of the picture that `view` shows; edge pixels are repeated where it has none [h, w]."""
    rows = np.arange(view.luma.shape[0]) + view.corner[1] - other.corner[1]
    columns = np.arange(view.luma.shape[1]) + view.corner[0] - other.corner[0]
    height, width = other.luma.shape
    cut: NDArray[np.uint8] = other.luma[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    return cut


def _comparable(crop: Crop) -> bool:
    """Tell whether enough of both parts lies in the picture."""
    return all(int(part.sum()) >= 255 * MIN_CELLS for part in crop[1:])


class CropSampler:
    """Picks and keeps the pairs of one face while its frames stream by."""

    def __init__(self) -> None:
        self._step = FIRST_STEP
        self._taken: list[tuple[int, float, dict[str, Crop]]] = []

    def feed(self, view: FaceView, previous: FaceView | None) -> None:
        """Look at the next frame; `previous` is the frame before, None where it does not show this face."""
        if previous is None or previous.frame % self._step:
            return
        second = _same_part(previous, view)
        crops = {scope: crop_pair(scope, view.layout, previous.luma, second, previous.points) for scope in SCOPES}
        self._taken.append((previous.frame, previous.time_s, crops))
        while len(self._taken) > MAX_PAIRS:
            self._step *= 2
            self._taken = [taken for taken in self._taken if taken[0] % self._step == 0]

    def take(self) -> dict[str, FaceCrops]:
        """Return the pairs by scope and forget them; without those in which too little shows to be compared."""
        taken, self._taken = self._taken, []
        result = {}
        for scope in SCOPES:
            usable = [(time_s, crops[scope]) for _, time_s, crops in taken if _comparable(crops[scope])]
            times = np.array([time_s for time_s, _ in usable], np.float64)
            parts = [crop for _, crop in usable]
            pairs, judged, reference = (
                np.array([part[k] for part in parts], np.uint8).reshape(len(parts), *shape)
                for k, shape in enumerate(((2, HEIGHT, WIDTH), *[(HEIGHT // CELL, WIDTH // CELL)] * 2))
            )
            result[scope] = FaceCrops(times, pairs, judged, reference)
        return result
