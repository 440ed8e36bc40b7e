"""The geometry that landmark backends share: turned squares of the picture.

Sources: the square of the face mesh is MediaPipe's (Kartynnik et al., 2019), that of FAN is its authors' (Bulat and
Tzimiropoulos, ICCV 2017).

Conventions: pixels with the origin at the centre of the top left pixel; `FaceRegion.roll_rad` turns clockwise.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import FaceRegion, FloatArray, Image, LandmarkLayout

MESH_SCALE = 1.5  # side of the face mesh's square over the side of the face's box
FAN_SCALE = 200 / 195  # side of FAN's square over width plus height of the face's box
FAN_RISE = 0.12  # its centre lies this share of the box's height above the box's centre


def cut(image: Image, region: FaceRegion, side: int) -> tuple[FloatArray, NDArray[np.float64]]:
    """Cut a turned square out of a picture.

    Parameters
    ----------
    image : ndarray of uint8 [shape=(height, width, 3)]
    region : FaceRegion
        May reach beyond the picture; black is seen there.
    side : int
        Side of the result in pixels.

    Returns
    -------
    crop : ndarray of float32 [shape=(side, side, 3)]
        0 to 1.
    matrix : ndarray of float64 [shape=(2, 3)]
        Takes (x, y, 1) in the crop to (x, y) in the picture, both counted from pixel centres.
    """
    cos, sin = math.cos(region.roll_rad) * region.size, math.sin(region.roll_rad) * region.size
    matrix = np.array([[cos, -sin, region.center_x], [sin, cos, region.center_y]]) / [side, side, 1.0]
    half = (side - 1) / 2
    matrix[:, 2] -= matrix[:, :2] @ [half, half]
    source, local = _averaged(image, region, int(region.size / side), matrix)
    crop = cv2.warpAffine(source, local, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return crop.astype(np.float32) * np.float32(1 / 255), matrix


def _averaged(
    image: Image, region: FaceRegion, factor: int, matrix: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Shrink the square's surroundings by a whole factor: to skip pixels of a large face makes its points jitter."""
    if factor < 2:
        return image, matrix
    turned = abs(math.cos(region.roll_rad)) + abs(math.sin(region.roll_rad))
    reach = region.size * turned / 2 + 2 * factor  # the square's own extent, and what sampling at its edge needs
    left, top = (max(0, int(center - reach)) for center in (region.center_x, region.center_y))
    right, bottom = (max(0, int(center + reach) + 1) for center in (region.center_x, region.center_y))
    patch = image[top:bottom, left:right]
    width, height = patch.shape[1] // factor, patch.shape[0] // factor
    if not width or not height:
        return image, matrix
    small = cv2.resize(patch[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA)
    shift = np.array([left, top]) + (factor - 1) / 2
    return small, np.column_stack([matrix[:, :2], matrix[:, 2] - shift]) / factor


def follow(xy: FloatArray, layout: LandmarkLayout) -> FaceRegion:
    """Return the square in which to look next for the face with the points `xy` [shape=(L, 2)].

    For ``ibug-68`` it is upright, as FAN wants it; else it is turned so that the eyes are level.
    """
    low, high = xy.min(axis=0), xy.max(axis=0)
    if layout.name == "ibug-68":
        return upright(float(low[0]), float(low[1]), float(high[0]), float(high[1]), score=1.0)
    eye_line = xy[layout.left_eye[0]] - xy[layout.right_eye[0]]
    center = (low + high) / 2
    size = MESH_SCALE * float((high - low).max())
    return FaceRegion(float(center[0]), float(center[1]), size, math.atan2(eye_line[1], eye_line[0]), 1.0)


def upright(left: float, top: float, right: float, bottom: float, *, score: float) -> FaceRegion:
    """Turn a face's box into the square that FAN was trained on."""
    width, height = right - left, bottom - top
    center_y = (top + bottom) / 2 - FAN_RISE * height
    return FaceRegion((left + right) / 2, center_y, FAN_SCALE * (width + height), 0.0, score)


def overlap(a: FaceRegion, b: FaceRegion) -> float:
    """Return the intersection over union of two squares, their turn ignored; 0 to 1."""
    reach = (a.size + b.size) / 2
    widest = min(a.size, b.size)  # where one square lies within the other
    width = min(reach - abs(a.center_x - b.center_x), widest)
    height = min(reach - abs(a.center_y - b.center_y), widest)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a.size**2 + b.size**2 - shared)
