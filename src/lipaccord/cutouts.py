"""Places of a face as rectangles of native pixels: where they lie in a picture, cut out and kept without loss.

A place is laid by the landmarks of its own picture and stands upright, as the pixels do: nothing is turned, resized or
smoothed. What lies off the picture is cut away. Faces so large that a place would take more than `MAX_PIXELS` show the
middle of it.

Conventions: rectangles are (left, top, width, height) in whole pixels of the displayed picture. The unit of a place is
the distance between the eye centres, or what the distance from eyes to mouth lets expect where the head is turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import FloatArray, Image, LandmarkLayout

EYES_TO_MOUTH = 1.1
"""From between the eyes to the middle of the lips, in eye distances, of a face seen from the front."""

MAX_PIXELS = 120_000
COMPRESSION = 1  # of PNG: 3 takes half as long again to save a tenth

Points: TypeAlias = NDArray[np.float64]
Rectangle: TypeAlias = tuple[int, int, int, int]
Anchor: TypeAlias = Literal["mouth", "eyes", "eye", "side"]


@dataclass(frozen=True, slots=True)
class Place:
    """Part of a face.

    Attributes
    ----------
    anchor : str
        ``mouth``: middle of the lips; ``eyes``: between the eyes; ``eye``: the eye that is turned to the camera;
        ``side``: the edge of the face at the height of the eyes, on the side that is turned to the camera.
    down : float
        How far below the anchor its middle lies, towards the chin.
    width, height : float
    """

    anchor: Anchor
    down: float
    width: float
    height: float


LOWER_FACE = Place("mouth", 0.22, 1.7, 1.2)
UPPER_FACE = Place("eyes", 0.12, 1.7, 1.2)
MOUTH = Place("mouth", 0.0, 1.2, 0.95)
EYE = Place("eye", 0.0, 1.2, 0.95)
LOWER_HALF = Place("mouth", 0.05, 2.6, 1.7)
UPPER_HALF = Place("eyes", -0.2, 2.6, 1.7)
MIDDLE = Place("eyes", 0.62, 1.3, 2.6)
SIDE = Place("side", 0.62, 1.3, 2.6)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A rectangle of native pixels.

    Attributes
    ----------
    png : bytes
        RGB with 8 bits, without loss; the same pixels give the same bytes.
    left, top, width, height : int
        Where it lies in the picture.
    """

    png: bytes
    left: int
    top: int
    width: int
    height: int

    def __repr__(self) -> str:
        return f"Cutout({self.width}x{self.height} at {self.left}, {self.top}; {len(self.png)} bytes)"


def rectangle(place: Place, layout: LandmarkLayout, points: FloatArray, size: tuple[int, int]) -> Rectangle | None:
    """Lay a place by the landmarks of a picture; it may reach over the border.

    Parameters
    ----------
    place : Place
    layout : LandmarkLayout
    points : ndarray of float32 [shape=(L, 2)]
        Landmarks in pixels.
    size : (int, int)
        Width and height of the picture: of both sides of a face, the one that shows is taken.

    Returns
    -------
    tuple of int or None
        None where the landmarks don't tell.
    """
    xy = points.astype(np.float64)
    eyes = [xy[list(eye)].mean(axis=0) for eye in (layout.right_eye, layout.left_eye)]
    middle, mouth = (eyes[0] + eyes[1]) / 2, xy[list(layout.rings["outer_lips"])].mean(axis=0)
    length = float(np.linalg.norm(mouth - middle))
    unit = max(float(np.linalg.norm(eyes[1] - eyes[0])), length / EYES_TO_MOUTH)
    if not (length > 0 and np.isfinite(xy).all() and unit < max(size)):
        return None
    down = (mouth - middle) / length
    across = np.array([down[1], -down[0]])
    reach = (xy - middle) @ across
    anchors = {"mouth": [mouth], "eyes": [middle]}
    anchors["side"] = [middle + across * edge for edge in sorted((reach.min(), reach.max()), key=abs, reverse=True)]
    corners = [np.linalg.norm(xy[outer] - xy[inner]) for outer, inner in (layout.right_eye, layout.left_eye)]
    anchors["eye"] = eyes if corners[0] >= corners[1] else eyes[::-1]
    lying = abs(down[0]) > abs(down[1])
    shape = np.array([place.height, place.width] if lying else [place.width, place.height]) * unit
    shape *= min(1.0, float(np.sqrt(MAX_PIXELS / shape.prod())))
    laid = [_around(anchor + down * place.down * unit, shape) for anchor in anchors[place.anchor]]
    return max(laid, key=lambda one: shown(one, size) >= 1.0) if place.anchor in ("side", "eye") else laid[0]


def _around(center: Points, shape: Points) -> Rectangle:
    """Return the rectangle of whole pixels round a point."""
    left, top = np.rint(center - shape / 2).astype(int).tolist()
    width, height = np.maximum(np.rint(shape), 1).astype(int).tolist()
    return left, top, width, height


def _clipped(rectangle: Rectangle, size: tuple[int, int]) -> Rectangle:
    left, top, width, height = rectangle
    right, bottom = min(left + width, size[0]), min(top + height, size[1])
    left, top = max(left, 0), max(top, 0)
    return left, top, max(right - left, 0), max(bottom - top, 0)


def shown(rectangle: Rectangle, size: tuple[int, int]) -> float:
    """Return the share of a rectangle that lies in a picture of so many pixels (width, height)."""
    _, _, width, height = _clipped(rectangle, size)
    return width * height / (rectangle[2] * rectangle[3])


def cut(image: Image, rectangle: Rectangle) -> Cutout | None:
    """Cut a rectangle out of a picture [shape=(height, width, 3)]; None where nothing of it lies in the picture."""
    left, top, width, height = _clipped(rectangle, (image.shape[1], image.shape[0]))
    if not (width and height):
        return None
    pixels = cv2.cvtColor(image[top : top + height, left : left + width], cv2.COLOR_RGB2BGR)
    _, png = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])
    return Cutout(png.tobytes(), left, top, width, height)
