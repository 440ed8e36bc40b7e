"""The pictures of one face in order, with its landmarks: cutting boxes out, and laying one moment on another.

Conventions: pictures are uint8 RGB [shape=(h, w, 3)] of one size; a box is its rows and columns in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray, Image, LandmarkLayout
from lipaccord.regions import eye_distance

Place = tuple[slice, slice]
"""Rows and columns of a box."""


@dataclass(frozen=True, slots=True)
class Footage:
    """The pictures of one face in order.

    Attributes
    ----------
    frames : sequence of ndarray of uint8 [shape=(h, w, 3)]
    points : ndarray of float32 [shape=(T, L, 2)]
        Landmarks in pixels, NaN where the face was not seen.
    layout : LandmarkLayout
    """

    frames: Sequence[Image]
    points: FloatArray
    layout: LandmarkLayout

    @property
    def seen(self) -> BoolArray:
        """Moments at which the face was seen [shape=(T,)]."""
        return np.isfinite(self.points[:, 0, 0])

    def eyes_px(self, moment: int) -> float:
        """Return the distance between the eye centres in pixels."""
        return float(eye_distance(self.layout, self.points[moment]))

    def cut(self, moment: int, place: Place) -> Image:
        """Return the pixels of a box."""
        pixels: Image = self.frames[moment][place]
        return pixels

    def onto(self, source: int, moment: int) -> NDArray[np.float64]:
        """Find the similarity that lays the rigid points of one moment on those of another [shape=(2, 3)].

        Least squares in the complex plane, where a similarity is one multiplication and one addition.
        """
        steady = [*self.layout.rigid, *self.layout.rings["nose"]]
        have, want = (self.points[k][steady].astype(np.float64) @ np.array([1, 1j]) for k in (source, moment))
        centre = have.mean()
        turn = complex(np.vdot(have - centre, want - want.mean()) / np.vdot(have - centre, have - centre).real)
        shift = complex(want.mean() - turn * centre)
        return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])

    def laid(self, source: int, moment: int, place: Place) -> Image:
        """Return what another moment shows in a box, laid on this one by the rigid points of the face."""
        matrix = self.onto(source, moment)
        rows, columns = place
        matrix[:, 2] -= (columns.start, rows.start)
        width, height = columns.stop - columns.start, rows.stop - rows.start
        return np.asarray(
            cv2.warpAffine(
                self.frames[source], matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )

    def mouth_shapes(self) -> NDArray[np.float64]:
        """Return the lips in eye distances, level and centred between the eyes [shape=(T, 2 K)]; NaN where unseen."""
        plane = self.points[self.seen].astype(np.float64) @ np.array([1, 1j])
        right, left = (plane[:, list(eye)].mean(axis=1) for eye in (self.layout.right_eye, self.layout.left_eye))
        lips = (plane[:, list(self.layout.lips)] - ((left + right) / 2)[:, None]) / (left - right)[:, None]
        shapes = np.full((len(self.points), 2 * lips.shape[1]), np.nan)
        shapes[self.seen] = np.concatenate([lips.real, lips.imag], axis=1)
        return shapes


def weighted_median(pictures: NDArray[np.uint8], weights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Take the weighted median of pictures [shape=(n, ...)]: the least level that half of the weight does not exceed.

    Found bit by bit, which needs eight passes and no sorting.
    """
    least = np.zeros(pictures.shape[1:], np.uint8)
    half = weights.sum() / 2
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        tried = least | np.uint8(bit - 1)
        below = np.zeros(least.shape, np.float64)
        for picture, weight in zip(pictures, weights, strict=True):
            below += weight * (picture <= tried)
        least = np.where(below >= half, least, least | np.uint8(bit)).astype(np.uint8)
    return least
