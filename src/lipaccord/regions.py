"""The parts of a face as regions of pixels.

Every region is an outline of landmarks, narrowed so that its border (the lip contour, the hairline, the edge of the
face) lies outside. Only mouth and eyes are widened instead: the line between the lips and the lids and brows are the
sharpest edges that a face has of its own, they show a blur that smooth skin hides, and one is the measure of the
other. The regions never overlap.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray, LandmarkLayout

REGIONS = ("lips", "mouth", "chin", "cheeks", "nose", "eyes", "forehead", "background")
"""Red of the lips; the line between them with what shows there (teeth, tongue); chin; both cheeks; nose; eyes with
brows; forehead; a ring round the face, outside of it."""

LATTICE_PX = 48.0
"""Responses are read at every n-th pixel, n the power of two that leaves the eyes at least this far apart."""

NARROWING = 0.025  # eye distances taken off the border of a region, or laid on
WIDENED = ("mouth", "eyes")
MIN_INSIDE = 0.8  # share of an outline's points that must lie in the picture
RING = (1.1, 1.25)  # inner and outer edge of the background ring over the outline of the face
SUBPIXEL_BITS = 4
_OUTLINES: dict[str, tuple[tuple[str, ...], ...]] = {
    "chin": (("chin",),),
    "cheeks": (("right_cheek",), ("left_cheek",)),
    "nose": (("nose",),),
    "forehead": (("forehead",),),
    "eyes": (("right_eye", "right_brow"), ("left_eye", "left_brow")),
    "lips": (("outer_lips",),),
    "mouth": (("inner_lips",),),
}  # in drawing order: a later region takes its pixels from an earlier one


def eye_distance(layout: LandmarkLayout, points: FloatArray) -> FloatArray:
    """Return the distance between the eye centres in pixels [shape=(...)] of points [shape=(..., L, 2)]."""
    right = points[..., list(layout.right_eye), :].mean(axis=-2)
    left = points[..., list(layout.left_eye), :].mean(axis=-2)
    distance: FloatArray = np.linalg.norm(left - right, axis=-1)
    return distance


class RegionMap:
    """Which pixel belongs to which region, within the box round the face.

    Attributes
    ----------
    left, top : int
        Corner of the box in the picture.
    width, height : int
        Its size.
    step : int
        Every how many pixels the map has a point, each way.
    labels : ndarray of uint8 [shape=(rows, columns)]
        0 for none, otherwise one more than the index in `REGIONS`.
    """

    def __init__(self, layout: LandmarkLayout, xy: FloatArray, width: int, height: int) -> None:
        """Draw the regions of the face with landmarks `xy` [shape=(L, 2)] in a picture of `width` x `height`."""
        eyes = float(eye_distance(layout, xy))
        self.step = 1 << max(0, int(np.log2(max(eyes, 1.0) / LATTICE_PX)))
        wide = 2 * NARROWING * eyes / self.step  # of the border line, half of it inside
        self._thickness = max(1, 2 * round((wide - 1) / 2))  # OpenCV draws even ones a pixel wider
        has_face = "face" in layout.rings
        face = xy[list(layout.rings["face"])] if has_face else xy
        center = face.mean(axis=0)
        reach = center + (face - center) * RING[1]
        self.left, self.top = (max(0, int(edge)) for edge in np.floor(reach.min(axis=0)))
        right, bottom = (int(edge) + 1 for edge in np.ceil(reach.max(axis=0)))
        self.width, self.height = max(0, min(right, width) - self.left), max(0, min(bottom, height) - self.top)
        self.labels: NDArray[np.uint8] = np.zeros((-(-self.height // self.step), -(-self.width // self.step)), np.uint8)
        if not self.labels.size:
            return
        if has_face:
            self._draw("background", self._fixed(reach))
            self._fill(self._fixed(center + (face - center) * RING[0]), 0)
        fixed = self._fixed(xy)
        inside: BoolArray = np.all((xy >= 0) & (xy <= (width - 1, height - 1)), axis=1)
        for name, outlines in _OUTLINES.items():
            for rings in outlines:
                points = [point for ring in rings for point in layout.rings.get(ring, ())]
                if points and inside[points].mean() >= MIN_INSIDE:
                    hull = np.asarray(cv2.convexHull(fixed[points]), np.int32) if len(rings) > 1 else fixed[points]
                    self._draw(name, hull)
        self.labels[-1] = self.labels[:, -1] = 0  # the measures look at the right and lower neighbour

    def _fixed(self, points: FloatArray) -> NDArray[np.int32]:
        """Turn points of the picture into the map's fixed-point coordinates."""
        place = (points - (self.left, self.top)) * ((1 << SUBPIXEL_BITS) / self.step)
        fixed: NDArray[np.int32] = np.rint(place).astype(np.int32)
        return fixed

    def _fill(self, outline: NDArray[np.int32], label: int) -> None:
        cv2.fillPoly(self.labels, [outline], label, cv2.LINE_8, SUBPIXEL_BITS)

    def _draw(self, name: str, outline: NDArray[np.int32]) -> None:
        """Fill one outline, less or more a border."""
        label = REGIONS.index(name) + 1
        border = label if name in WIDENED else 0
        self._fill(outline, label)
        cv2.polylines(self.labels, [outline], True, border, self._thickness, cv2.LINE_8, SUBPIXEL_BITS)
