"""Frame and points -> FaceView: the face cut out at native pixels, and laid level at one size.

The level copy is made by the similarity that puts the two eye centres at fixed places. Pictures of faces much larger
than it are averaged first, so that nothing aliases.

Conventions: the level copy is `WIDTH` x `HEIGHT` pixels with `EYES_PX` between the eyes; its distances are therefore
shares of the eye distance whatever the size of the face. Points count from pixel centres.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import FacePoints, FaceView, FloatArray, Frame, Image, LandmarkLayout
from lipaccord.regions import RegionMap, eye_distance

EYES_PX = 64.0
"""Distance between the eye centres in the level copy."""

WIDTH, HEIGHT = 160, 192
"""Of the level copy, in pixels."""

EYES_Y = 66.0
"""Row of the eyes in the level copy."""

MARGIN = 0.6  # eye distances of surroundings in the native cut
BLOCK = 16  # pixels: the largest block of H.264, to whose grid the native cut keeps


def level(layout: LandmarkLayout, xy: FloatArray, eyes_px: float, center: tuple[float, float]) -> NDArray[np.float64]:
    """Find the similarity that lays a face level.

    Parameters
    ----------
    layout : LandmarkLayout
    xy : ndarray [shape=(L, 2)]
        Landmarks in pixels.
    eyes_px : float
        Distance between the eye centres afterwards.
    center : tuple of float
        Where the point between the eyes comes to lie, x and y.

    Returns
    -------
    ndarray of float64 [shape=(2, 3)]
        Takes (x, y, 1) in the picture to (x, y) in the level copy.
    """
    right, left = (xy[list(eye)].mean(axis=0).astype(np.float64) for eye in (layout.right_eye, layout.left_eye))
    across = left - right
    scale = eyes_px / float(across @ across)
    cos, sin = across * scale
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([turn, np.asarray(center) - turn @ ((left + right) / 2)])


def laid(image: NDArray[np.uint8], matrix: NDArray[np.float64], width: int, height: int) -> NDArray[np.uint8]:
    """Resample a picture by `matrix` (as `level` gives it), averaging first where it shrinks to less than half."""
    factor = int(1 / max(float(np.hypot(*matrix[0, :2])), 1e-6))
    if factor >= 2:
        rows, columns = image.shape[0] // factor, image.shape[1] // factor
        if rows and columns:
            image = np.asarray(
                cv2.resize(image[: rows * factor, : columns * factor], (columns, rows), interpolation=cv2.INTER_AREA),
                np.uint8,
            )
            shift = matrix[:, :2] @ np.full(2, (factor - 1) / 2)
            matrix = np.column_stack([matrix[:, :2] * factor, matrix[:, 2] + shift])
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def _regions(layout: LandmarkLayout, points: FloatArray) -> NDArray[np.uint8]:
    """Draw the regions over the whole level copy [shape=(H, W)]."""
    drawn = RegionMap(layout, points, WIDTH, HEIGHT)
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    rows, columns = drawn.labels.shape
    canvas[drawn.top : drawn.top + rows, drawn.left : drawn.left + columns] = drawn.labels
    return canvas


def _native(image: Image, xy: FloatArray, eyes_px: float) -> tuple[Image, tuple[int, int]]:
    """Cut the face with its surroundings; the corner lies on the codec's grid."""
    low, high = xy.min(axis=0) - MARGIN * eyes_px, xy.max(axis=0) + MARGIN * eyes_px
    left, top = (max(0, int(value) // BLOCK * BLOCK) for value in low)
    right, bottom = (int(value) + 1 for value in high)
    return image[top : max(bottom, top), left : max(right, left)], (left, top)


def face_view(layout: LandmarkLayout, frame: Frame, points: FacePoints) -> FaceView | None:
    """Look at one face.

    Parameters
    ----------
    layout : LandmarkLayout
        Of the points.
    frame : Frame
    points : FacePoints
        Of the face in this frame.

    Returns
    -------
    FaceView or None
        None where the eyes coincide or the face lies outside of the picture.
    """
    eyes_px = float(eye_distance(layout, points.xy))
    if not eyes_px >= 1.0:
        return None
    image, corner = _native(frame.image, points.xy, eyes_px)
    if not image.size:
        return None
    native = points.xy - np.array(corner, np.float32)
    matrix = level(layout, native, EYES_PX, (WIDTH / 2, EYES_Y))
    aligned = laid(image, matrix, WIDTH, HEIGHT)
    aligned_points = (native @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return FaceView(
        frame=frame.index,
        time_s=frame.time_s,
        layout=layout,
        image=image,
        luma=np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8),
        corner=corner,
        points=native,
        interocular_px=eyes_px,
        aligned=aligned,
        aligned_luma=np.asarray(cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY), np.uint8),
        aligned_points=aligned_points,
        regions=_regions(layout, aligned_points),
    )
