"""Pictures read across an outline: along the normals of a line of points, ring by ring.

A ring is the line moved outwards by one distance. What a picture shows there becomes a table of directions by rings, in
which an edge that follows the outline stands upright in one column.

Conventions: points in pixels, x to the right and y down, counted from pixel centres; distances in pixels, outwards
positive.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FaceView, FloatArray


def spaced(line: FloatArray, count: int) -> FloatArray:
    """Lay points evenly along an open line [shape=(n, 2)]; give the first one again at the end for a closed one.

    Returns
    -------
    ndarray of float32 [shape=(count, 2)]
        From the first point to the last.
    """
    reached = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    places = np.linspace(0.0, reached[-1], count)
    return np.stack([np.interp(places, reached, line[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)


def outward(points: FloatArray, center: FloatArray, *, closed: bool = False) -> FloatArray:
    """Return the unit normals of lines of points [shape=(..., n, 2)], on the side away from `center`.

    The tangent is taken over two points each way, so that a kink turns its neighbours too; in a closed line (which does
    not give its first point twice) the last point comes before the first.
    """
    first, last = (points[..., -2:, :], points[..., :2, :]) if closed else (points[..., :1, :], points[..., -1:, :])
    if not closed:
        first, last = np.repeat(first, 2, axis=-2), np.repeat(last, 2, axis=-2)
    padded = np.concatenate([first, points, last], axis=-2)
    along = padded[..., 4:, :] - padded[..., :-4, :]
    normal = along[..., ::-1] * np.array([1, -1], np.float32)
    away = np.einsum("...i,...i->...", points - center, normal)
    scale = np.where(away < 0, -1.0, 1.0) / np.maximum(np.hypot(normal[..., 0], normal[..., 1]), 1e-6)
    unit: FloatArray = (normal * scale[..., None]).astype(np.float32)
    return unit


def rays(points: FloatArray, normals: FloatArray, distances: FloatArray) -> FloatArray:
    """Return the places to read [shape=(directions, rings, 2)]."""
    places: FloatArray = points[:, None] + normals[:, None] * distances[:, None].astype(np.float32)
    return places


def native(view: FaceView, places: FloatArray) -> FloatArray:
    """Take places of the level copy of a view to its native pixels [shape=(..., 2)], by the similarity of the eyes."""
    ends = [view.layout.right_eye[0], view.layout.left_eye[0]]
    level, pixels = (xy[ends, 0] + 1j * xy[ends, 1] for xy in (view.aligned_points, view.points))
    turn = (pixels[1] - pixels[0]) / (level[1] - level[0])  # points as complex numbers
    place = (places[..., 0] + 1j * places[..., 1] - level[0]) * turn + pixels[0]
    return np.stack([place.real, place.imag], axis=-1).astype(np.float32)


def inside(places: FloatArray, shape: tuple[int, ...], border: int = 0) -> BoolArray:
    """Tell which directions lie, with both ends and so all places, in a picture, `border` pixels off its edge."""
    ends = places[:, [0, -1]]
    limit = np.array([shape[1] - 1 - border, shape[0] - 1 - border], np.float32)
    kept: BoolArray = np.all((ends >= border) & (ends <= limit), axis=(1, 2))
    return kept


def read(picture: NDArray[Any], places: FloatArray) -> FloatArray:
    """Read a picture between its pixels, by bilinear interpolation [shape=(directions, rings) or (..., channels)].

    The places are float32; pictures of whole grey levels give whole grey levels.
    """
    values = cv2.remap(picture, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32)


def answers(picture: NDArray[Any], places: FloatArray, kernels: FloatArray) -> FloatArray:
    """Answer of small filters at the pixels nearest to the places.

    Parameters
    ----------
    picture : ndarray [shape=(h, w)]
    places : ndarray [shape=(..., 2)]
        At least half a kernel off the edge of the picture.
    kernels : ndarray [shape=(K, side, side)]
        Of odd side.

    Returns
    -------
    ndarray of float32 [shape=(..., K)]
    """
    side = kernels.shape[-1]
    pixel = np.rint(places).astype(np.intp)
    reach = np.arange(side) - side // 2
    offsets = (reach[:, None] * picture.shape[1] + reach).ravel()
    patches = picture.ravel()[(pixel[..., 1] * picture.shape[1] + pixel[..., 0])[..., None] + offsets]
    result: FloatArray = patches.astype(np.float32) @ kernels.reshape(len(kernels), -1).T
    return result


def middle(values: FloatArray) -> FloatArray:
    """Mean of the middle half over the first axis: steady like a median, and finer [shape=values.shape[1:]]."""
    cut = len(values) // 4
    result: FloatArray = np.sort(values, axis=0)[cut : len(values) - cut].mean(axis=0)
    return result
