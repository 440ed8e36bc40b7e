"""Two pictures of one moment -> the one with the colours of the other.

Method: luma and the colour differences of the one are an affine function of those of the other (ridge regression, the
largest differences left out, on what is not altered). Before that, files that mistake one colour matrix for another are
put right where that explains the colours clearly better: lips are the reddest of a face, and the first to give away
what a regression on skin and hair leaves.

Conventions: luma and both colour differences (BT.601) in grey levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray

COARSE = 3.0  # pixels of the Gaussian under which light and colour are matched
SPARSE = 2  # of the pixels under it one in so many, each way, tells as much as all
KEPT = 0.90  # where the largest differences are left out, so that what was drawn over one of the two counts little
GAINS = (0.3, 3.0)
CLEAR = 0.8  # share of the error to which another colour matrix has to bring it
LITTLE = 4.0  # squared grey levels: what varies less tells nothing of gain
OTHERS = 4.0  # times that, of a channel's share in another: files that mistake one colour matrix for another have it


def _to_rgb(red: float, blue: float) -> NDArray[np.float64]:
    """Return the matrix from luma and colour differences to RGB that has these shares of red and blue in luma."""
    green = 1 - red - blue
    of_green = (-2 * red * (1 - red) / green, -2 * blue * (1 - blue) / green)
    return np.array([[1, 2 * (1 - red), 0], [1, *of_green], [1, 0, 2 * (1 - blue)]])


_MISTAKEN = _to_rgb(0.2126, 0.0722) @ np.linalg.inv(_to_rgb(0.299, 0.114))
_MATRICES = [matrix.astype(np.float32) for matrix in (np.eye(3), _MISTAKEN, np.linalg.inv(_MISTAKEN))]
"""What RGB becomes where nothing is mistaken, BT.601 is taken for BT.709, and the other way round (ITU-R BT.601-7,
BT.709-6)."""


def toned(picture: FloatArray) -> FloatArray:
    """Return luma and the colour differences of an RGB picture, in grey levels."""
    return np.asarray(cv2.cvtColor(picture / np.float32(255), cv2.COLOR_RGB2YCrCb) * 255, np.float32)


def soft(picture: FloatArray, sigma: float) -> FloatArray:
    """Lay a Gaussian on a picture."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _tone(source: FloatArray, clip: FloatArray, channel: int, usual: float) -> tuple[NDArray[np.float64], float, float]:
    """Fit a channel of the clip by those of the source, the largest differences left out.

    Returns weights, offset, and the mean squared error of what was kept. Where the source hardly varies, its own
    channel has the usual weight and the others have none.
    """
    x, y = source.astype(np.float64), clip.astype(np.float64)
    doubt, expected = np.full(3, OTHERS * LITTLE), np.zeros(3)
    doubt[channel], expected[channel] = LITTLE, usual
    kept, weights, offset = np.ones(len(x), bool), expected, 0.0
    for _ in range(2):
        x_mean, y_mean = x[kept].mean(axis=0), float(y[kept].mean())
        one, other = x[kept] - x_mean, y[kept] - y_mean
        power = one.T @ one / len(one) + np.diag(doubt)
        weights = np.linalg.solve(power, one.T @ other / len(one) + doubt * expected)
        weights[channel] = np.clip(weights[channel], *GAINS)
        offset = y_mean - float(weights @ x_mean)
        error = np.abs(y - x @ weights - offset)
        kept = error <= np.quantile(error, KEPT)
    return weights, offset, float((error[kept] ** 2).mean())


def coarse(picture: FloatArray, mask: BoolArray) -> FloatArray:
    """Return some of the colours under a mask, softened so that sharpness makes no difference [shape=(n, 3)]."""
    return soft(picture, COARSE)[::SPARSE, ::SPARSE][mask[::SPARSE, ::SPARSE]]


@dataclass(frozen=True, slots=True)
class Tones:
    """How the colours of the source become those of the clip.

    Attributes
    ----------
    weights : ndarray of float32 [shape=(3, 3)]
        Of the source's channels in each of the clip's.
    offset : ndarray of float32 [shape=(3,)]
    error : float
        Mean squared error, summed over the channels.
    """

    weights: FloatArray
    offset: FloatArray
    error: float

    @classmethod
    def of(cls, source: FloatArray, clip: FloatArray) -> Tones:
        """Fit luma and the colour differences, which usually have the gain of luma; both as `coarse` gives them."""
        light = _tone(source, clip[:, 0], 0, 1.0)
        found = [light, *(_tone(source, clip[:, channel], channel, float(light[0][0])) for channel in (1, 2))]
        weights, offsets, errors = zip(*found, strict=True)
        return cls(np.array(weights, np.float32), np.array(offsets, np.float32), sum(errors))


def matched(source: FloatArray, clip: FloatArray, mask: BoolArray) -> tuple[FloatArray, Tones]:
    """Give the source the colours of the clip; as decoded, unless another matrix explains them clearly better.

    Parameters
    ----------
    source : ndarray of float32 [shape=(height, width, 3)]
        RGB.
    clip : ndarray of float32 [shape=(height, width, 3)]
        As `toned` gives it.
    mask : ndarray of bool [shape=(height, width)]
        Where the two are known to show the same.

    Returns
    -------
    ndarray of float32 [shape=(height, width, 3)]
        Luma and colour differences of the source.
    Tones
    """
    wanted = coarse(clip, mask)
    as_decoded, *others = (
        (picture, Tones.of(coarse(picture, mask), wanted))
        for picture in (toned(np.clip(source @ matrix.T, 0, 255).astype(np.float32)) for matrix in _MATRICES)
    )
    picture, tones = min(others, key=lambda tried: tried[1].error)
    if tones.error >= CLEAR * as_decoded[1].error:
        picture, tones = as_decoded
    return picture @ tones.weights.T + tones.offset, tones
