"""Lay one small picture over another, place by place.

Method: gradient matching over a small window (Lucas and Kanade, IJCAI 1981), first in pictures of half the size, then
at full size with what is left. Every place gets a shift of its own; smooth places, which show no motion, stay where the
coarse step leaves them.

Conventions: luma in float32; shifts in pixels of the full size. The same pictures give the same result, whatever the
number of threads.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import FloatArray

WINDOW_COARSE, WINDOW_FINE = 9, 13
"""Pixels of the half-size and of the full-size picture over which the gradients are matched."""

REACH_COARSE, REACH_FINE = 2.0, 1.5
"""The longest shift of each step, in its own pixels."""

DAMPING = 1.0  # grey levels squared: keeps smooth places where they are
_Numbers = NDArray[np.integer[Any] | np.floating[Any]]
_BLUR = cv2.getGaussianKernel(5, 1.0, cv2.CV_32F)


def _blurred(image: _Numbers) -> FloatArray:
    return np.asarray(cv2.sepFilter2D(image, cv2.CV_32F, _BLUR, _BLUR), np.float32)


def _step(before: FloatArray, after: FloatArray, window: int, reach: float) -> tuple[FloatArray, FloatArray]:
    """Find by how much each place of `before` has to move to look like `after`, in pixels, x and y."""
    mean = (before + after) * 0.5
    x, y = (np.asarray(cv2.Sobel(mean, cv2.CV_32F, *order, scale=1 / 8), np.float32) for order in ((1, 0), (0, 1)))
    change = after - before
    products = (x * x, y * y, x * y, x * change, y * change)
    xx, yy, xy, xt, yt = (np.asarray(cv2.boxFilter(part, -1, (window, window)), np.float32) for part in products)
    xx += DAMPING
    yy += DAMPING
    scale = 1 / (xx * yy - xy * xy)
    right, down = (xy * yt - yy * xt) * scale, (xy * xt - xx * yt) * scale
    return np.clip(right, -reach, reach), np.clip(down, -reach, reach)


class Registration:
    """Lays pictures of one size over each other.

    Parameters
    ----------
    height, width : int
        Of the pictures.
    """

    def __init__(self, height: int, width: int) -> None:
        self._size, self._half = (width, height), (width // 2, height // 2)
        rows, columns = np.indices((height, width), dtype=np.float32)
        self._rows, self._columns = rows, columns

    def _moved(self, image: FloatArray, right: FloatArray, down: FloatArray, method: int) -> FloatArray:
        columns, rows = self._columns - right, self._rows - down
        return np.asarray(cv2.remap(image, columns, rows, method, borderMode=cv2.BORDER_REPLICATE), np.float32)

    def lay(self, before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lay `before` over `after`.

        Parameters
        ----------
        before, after : ndarray of float32 [shape=(height, width)]

        Returns
        -------
        laid : ndarray of float32 [shape=(height, width)]
            `before`, moved onto `after` (bicubic).
        moved : ndarray of float32 [shape=(height, width)]
            How far each place moved.
        """
        one, two = (_blurred(cv2.resize(p, self._half, interpolation=cv2.INTER_AREA)) for p in (before, after))
        coarse = _step(one, two, WINDOW_COARSE, REACH_COARSE)
        right, down = (np.asarray(cv2.resize(part, self._size), np.float32) * 2 for part in coarse)
        near = self._moved(before, right, down, cv2.INTER_LINEAR)
        fine = _step(_blurred(near), _blurred(after), WINDOW_FINE, REACH_FINE)
        right += fine[0]
        down += fine[1]
        return self._moved(before, right, down, cv2.INTER_CUBIC), np.hypot(right, down)
