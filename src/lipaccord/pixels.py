"""Two frames of one face, read at the same native pixels, without any resampling.

Each place is read at the pixel nearest to it. The residual is what is left of a picture when its smooth parts
are taken away by the difference operator of Immerkaer (Computer Vision and Image Understanding, 1996).

Conventions: places are x and y in the native pixels of the later frame; n is their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FaceView, FloatArray

MARGIN = 2  # pixels round the places that are read, for the operator
_RESIDUAL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class PixelPair:
    """Two frames at the same native pixels.

    Attributes
    ----------
    inside : ndarray of bool [shape=(n,)]
        Places that lie in both frames; elsewhere the values below mean nothing.
    luma, changes : ndarray of uint8 [shape=(n,)]
        The later frame, and its absolute difference from the earlier one.
    residuals : tuple of ndarray of int16 [shape=(n,)]
        Of the earlier and of the later frame.
    """

    inside: BoolArray
    luma: NDArray[np.uint8]
    changes: NDArray[np.uint8]
    residuals: tuple[NDArray[np.int16], NDArray[np.int16]]


def read_pair(previous: FaceView, view: FaceView, places: FloatArray) -> PixelPair | None:
    """Read two frames at the same places.

    Parameters
    ----------
    previous, view : FaceView
        The earlier and the later frame.
    places : ndarray of float32 [shape=(n, 2)]
        They may lie outside of the picture.

    Returns
    -------
    PixelPair or None
        None where no place lies in both.
    """
    columns, rows = np.rint(places).astype(np.intp).T
    corners = np.array([previous.corner, view.corner])
    size = np.array([previous.luma.shape[::-1], view.luma.shape[::-1]])
    first = corners.max(axis=0) - view.corner + MARGIN  # of what both frames show, in the later one's pixels
    last = (corners + size).min(axis=0) - view.corner - MARGIN
    inside: BoolArray = (columns >= first[0]) & (columns < last[0]) & (rows >= first[1]) & (rows < last[1])
    if not inside.any():
        return None
    left, top = columns[inside].min() - MARGIN, rows[inside].min() - MARGIN
    right, bottom = columns[inside].max() + MARGIN + 1, rows[inside].max() + MARGIN + 1
    x, y = corners[1] - corners[0]
    after = np.ascontiguousarray(view.luma[top:bottom, left:right])
    before = np.ascontiguousarray(previous.luma[top + y : bottom + y, left + x : right + x])
    index = np.where(inside, (rows - top) * after.shape[1] + columns - left, 0)
    one, two = (np.asarray(cv2.filter2D(picture, cv2.CV_16S, _RESIDUAL), np.int16) for picture in (before, after))
    changes = np.asarray(cv2.absdiff(before, after), np.uint8)
    return PixelPair(inside, after.ravel()[index], changes.ravel()[index], (one.ravel()[index], two.ravel()[index]))
