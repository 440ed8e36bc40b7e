"""Picture and points -> hashes of what surrounds the mouth: the upper face, and the head with its surroundings.

Method: two windows, laid level on the eyes, so that resizing, cropping and letterboxes change little; where the mouth
and chin may be, nothing is looked at. Of each the signs of the lowest 128 cosine coefficients are kept, as the hash PDQ
(Facebook, 2019) keeps those above the median; with signs, mirroring the picture turns the odd ones over, no more.

Conventions: lengths in eye distances, x to the right and y down from the point between the eyes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import FloatArray, Image, LandmarkLayout
from lipaccord.source.signature import LOOK_BYTES, LOOKS, Bits
from lipaccord.views import laid, level

SIDE = 32
EVERY_S = 0.25
HIDDEN = (-1.35, 0.45, 1.35, 2.4)  # left, top, right, bottom: where a mouth and a chin may be painted
_KEPT = 8 * LOOK_BYTES


@dataclass(frozen=True, slots=True)
class Window:
    """A square that is hashed.

    Attributes
    ----------
    width : float
        Of a side.
    centre_y : float
        How far below the eyes its middle lies.
    """

    width: float
    centre_y: float


WINDOWS = dict(zip(LOOKS, (Window(3.2, -0.9), Window(7.0, 0.6)), strict=True))


def _lowest() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the lowest coefficients, without the mean."""
    rows, columns = np.indices((SIDE, SIDE))
    order = np.lexsort((columns.ravel(), rows.ravel(), (rows + columns).ravel()))[1 : _KEPT + 1]
    return np.unravel_index(order, (SIDE, SIDE))  # type: ignore[return-value]


_ROWS, _COLUMNS = _lowest()
MIRROR: Bits = np.packbits(_COLUMNS % 2 == 1)
"""Turns over the bits of a hash that mirroring turns over."""


def _hidden(window: Window) -> NDArray[np.bool_]:
    places = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    across, down = places * window.width, places * window.width + window.centre_y
    left, top, right, bottom = HIDDEN
    return ((down > top) & (down < bottom))[:, None] & ((across > left) & (across < right))[None]


_HIDDEN = {name: _hidden(window) for name, window in WINDOWS.items()}


def _hash(picture: FloatArray, seen: NDArray[np.bool_]) -> Bits:
    if not seen.any():
        return np.zeros(LOOK_BYTES, np.uint8)
    filled = np.where(seen, picture - picture[seen].mean(), 0.0)
    return np.packbits(cv2.dct(filled)[_ROWS, _COLUMNS] > 0)


def look(image: Image, layout: LandmarkLayout, xy: FloatArray) -> Bits:
    """Hash the windows round one face.

    Parameters
    ----------
    image : ndarray of uint8 [shape=(H, W, 3)]
    layout : LandmarkLayout
        Of the points.
    xy : ndarray [shape=(L, 2)]
        Of the face; its eyes don't coincide.

    Returns
    -------
    ndarray of uint8 [shape=(2, 16)]
    """
    hashes = []
    for name, window in WINDOWS.items():
        scale = SIDE / window.width
        centre = (SIDE / 2 - 0.5, SIDE / 2 - 0.5 - window.centre_y * scale)
        matrix = level(layout, xy, scale, centre)
        picture = cv2.cvtColor(laid(image, matrix, SIDE, SIDE), cv2.COLOR_RGB2GRAY).astype(np.float32)
        corners = cv2.invertAffineTransform(matrix)
        rows, columns = np.indices((SIDE, SIDE))
        x, y = corners[:, :2] @ np.stack([columns.ravel(), rows.ravel()]) + corners[:, 2:]
        inside = (x >= 0) & (x <= image.shape[1] - 1) & (y >= 0) & (y <= image.shape[0] - 1)
        hashes.append(_hash(picture, inside.reshape(SIDE, SIDE) & ~_HIDDEN[name]))
    return np.stack(hashes)


def mirrored(looks: Bits) -> Bits:
    """Return the hashes of the mirrored pictures [shape=(..., 16)]."""
    return looks ^ MIRROR


def distance(one: Bits, other: Bits) -> FloatArray:
    """Return the share of bits that differ [shape of the leading axes]."""
    share: FloatArray = (np.bitwise_count(one ^ other).sum(axis=-1) / _KEPT).astype(np.float32)
    return share
