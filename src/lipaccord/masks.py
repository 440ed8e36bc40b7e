"""Landmarks -> a shaped, feathered mask over the mouth, the lower face or the whole face.

Conventions: pixels of the picture; dilation and feather in eye distances, so that a mask looks the same on a small and
on a large face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from lipaccord.records import FloatArray, Image, LandmarkLayout
from lipaccord.regions import eye_distance

MaskName = Literal["mouth", "lower_face", "face"]

DILATION: dict[MaskName, float] = {"mouth": 0.12, "lower_face": 0.03, "face": 0.0}
"""Usual growth of each outline: generators paint a margin round the lips, and over the jaw."""

FEATHER = 0.04
"""Usual standard deviation of the Gaussian that softens the border."""

REACH = 3.0  # standard deviations of the feather that the mask extends
SUBPIXEL_BITS = 4
BORDER_PX = 0.5  # OpenCV fills the pixels on the outline too
CIRCLE = 32  # corners

# Under the nose from wing to wing, then along the jaw: the convex hull of these is the lower face.
_LOWER_FACE = {
    "mediapipe-478": (
        *(98, 97, 2, 326, 327),
        *(361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132),
    ),
    "ibug-68": (31, 33, 35, *range(3, 14)),
}


@dataclass(frozen=True, slots=True)
class SoftMask:
    """A mask within its box.

    Attributes
    ----------
    left, top : int
        Corner of the box in the picture.
    share : ndarray of float32 [shape=(h, w)]
        0 outside to 1 inside.
    """

    left: int
    top: int
    share: FloatArray

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the box in the picture."""
        height, width = self.share.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def at(self, points: FloatArray) -> FloatArray:
        """Return the share at the pixels nearest to points [shape=(L, 2)]: 0 outside of the box [shape=(L,)]."""
        column, row = (np.rint(points) - (self.left, self.top)).astype(int).T
        height, width = self.share.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        shares = np.zeros(len(points), np.float32)
        shares[inside] = self.share[row[inside], column[inside]]
        return shares

    def blend(self, image: Image, painted: Image) -> Image:
        """Return a copy of `image` in which `painted` [shape=(h, w, 3)] shows through the mask."""
        share, result = self.share[:, :, None], image.copy()
        mixed = painted * share + image[self.place] * (1 - share)
        result[self.place] = np.rint(mixed).astype(np.uint8)
        return result


def outline_of(layout: LandmarkLayout, xy: FloatArray, name: MaskName) -> FloatArray:
    """Return the convex outline of a part of the face [shape=(n, 2)]."""
    if name == "face":
        points = xy[list(layout.rings["face"])] if "face" in layout.rings else xy
    else:
        points = xy[list(layout.rings["outer_lips"] if name == "mouth" else _LOWER_FACE[layout.name])]
    hull: FloatArray = np.asarray(cv2.convexHull(np.ascontiguousarray(points, np.float32)), np.float32)[:, 0]
    return hull


def _grown(outline: FloatArray, by_px: float) -> FloatArray:
    """Move a convex outline outwards: the hull of a small circle round each of its points."""
    if by_px <= 0:
        return outline
    angles = np.linspace(0, 2 * np.pi, CIRCLE, endpoint=False)
    circle = by_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = (outline[:, None] + circle).reshape(-1, 2).astype(np.float32)
    hull: FloatArray = np.asarray(cv2.convexHull(points), np.float32)[:, 0]
    return hull


def soft_mask(
    layout: LandmarkLayout,
    xy: FloatArray,
    width: int,
    height: int,
    name: MaskName,
    *,
    dilation: float | None = None,
    feather: float = FEATHER,
) -> SoftMask | None:
    """Draw a mask.

    Parameters
    ----------
    layout : LandmarkLayout
    xy : ndarray [shape=(L, 2)]
        Landmarks in pixels.
    width, height : int
        Of the picture.
    name : {"mouth", "lower_face", "face"}
    dilation : float, optional
        Growth of the outline in eye distances; by default the usual one.
    feather : float
        Standard deviation of the soft border in eye distances.

    Returns
    -------
    SoftMask or None
        None where nothing of it lies in the picture.
    """
    eyes_px = float(eye_distance(layout, xy))
    grow_px = (DILATION[name] if dilation is None else dilation) * eyes_px
    soft_px = max(feather * eyes_px, 1e-3)
    outline = _grown(outline_of(layout, xy, name), grow_px - BORDER_PX)
    margin = REACH * soft_px + 1
    left, top = (max(0, int(edge)) for edge in np.floor(outline.min(axis=0) - margin))
    right, bottom = (int(edge) + 1 for edge in np.ceil(outline.max(axis=0) + margin))
    right, bottom = min(right, width), min(bottom, height)
    if right <= left or bottom <= top:
        return None
    drawn = np.zeros((bottom - top, right - left), np.float32)
    fixed = np.rint((outline - (left, top)) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(drawn, [fixed], 1.0, cv2.LINE_8, SUBPIXEL_BITS)
    share = cv2.GaussianBlur(drawn, (0, 0), soft_px, borderType=cv2.BORDER_REPLICATE)
    return SoftMask(left, top, np.asarray(share, np.float32))
