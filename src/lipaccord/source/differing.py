"""A registered frame -> how much lower face, upper face and surroundings differ, over what the encodes explain.

Method: the colours of the source are made those of the clip (`toning`), its sharpness by the Gaussian after which the
detail of the one is found again in the other at the same strength; both are fitted on the upper face and what lies
round it. There, too, the squared difference that remains is modelled, block by block: a floor, a part that goes with
the steepness of the picture (registration and resampling cost most at edges) and one that goes with its change since
the last frame (encoders spend too little on what moves); non-negative least squares, weighted by what is expected and
trimmed. The model then says what to expect of every pixel. A copy, however poor, leaves the lower face as different as
the model says; another mouth does not.

Conventions: luma and both colour differences (BT.601) in grey levels, summed in squares. A `level` is the mean squared
difference over a part of the face in multiples of what is expected there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray
from lipaccord.source.framing import EYES, HEIGHT, WIDTH
from lipaccord.source.registering import Registered
from lipaccord.source.toning import matched, soft, toned

SOFTNESS = 1.0  # pixels of the Gaussian under which the two are compared
FINE = 1.6  # pixels of the Gaussian that parts fine detail from the rest
SOFTER = (0.35, 0.5, 0.7, 0.9, 1.2, 1.6, 2.1)
"""Gaussians tried on either picture to match the sharpness of the other, in pixels of the window."""

KEPT_SHARPNESS, KEPT_BLOCKS, KEPT_PIXELS = 0.95, 0.92, 0.98
"""Shares kept where the largest differences are left out, so that what was drawn over one of the two counts little."""

BLOCK = 8
BLOCK_FILLED = 0.6  # of its pixels
MIN_BLOCKS = 8
MIN_PIXELS = 60
ROUNDS = 4
MOST = (math.inf, 1.0, 0.1)
"""Of floor, steepness and change: an edge is off by a pixel at most, and an encoder misses a tenth of the power of what
moves. An upper face that hardly moves says nothing of what a speaking mouth may cost."""

LEAST_GAIN = 0.01
FLOOR = 0.35  # squared grey levels that rounding twice leaves: never expect less
COVERED_LEVEL, COVERED_SHARE = 16.0, 0.45
"""A row beside the face is drawn over where so many of its pixels differ by so much."""

BLED = 8  # rows on either side of it, into which an encoder lets it bleed
COVERED_MOST = 0.5  # of the lower face: what is left says nothing beyond
LEAST_LEVEL = 0.1  # a tenth of what is expected: less is rounding, as of a file beside itself
_SMALL = 3  # pixels over which a squared difference is averaged


@dataclass(frozen=True, slots=True)
class Fit:
    """What was done to the source before the two were compared.

    Attributes
    ----------
    gain, offset : tuple of float
        Of luma and the two colour differences, red and blue.
    softened : float
        Gaussian laid on the source, in pixels of the window; negative: on the clip.
    floor, steep, moving : float
        The model: expected squared difference in a flat still place, for each squared grey level of gradient, and for
        each squared grey level of change.
    """

    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    softened: float
    floor: float
    steep: float
    moving: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How the two differ in one frame.

    Attributes
    ----------
    lower : float
        log10 of the ratio of the differences of lower and upper face, in amplitude; NaN where it can't be told.
    upper : float
        The same of the upper face and what lies round the head, the model made of the latter alone; NaN where too
        little of that is seen.
    whole : float
        The same of the lower face and what lies round the head.
    covered : float
        Share of the lower face that something drawn over one of the two hides, as a caption does.
    grey_levels : tuple of float
        Root mean squared difference of upper face with surroundings, and of the lower face.
    fit : Fit
    heat : ndarray of float32 [shape=(HEIGHT, WIDTH)]
        Difference in multiples of what is expected, in amplitude; NaN where one of the pictures ends.
    """

    lower: float
    upper: float
    whole: float
    covered: float
    grey_levels: tuple[float, float]
    fit: Fit
    heat: FloatArray


def _fine(picture: FloatArray, mask: BoolArray) -> FloatArray:
    """Return the fine detail of a grey picture under a mask [shape=(n,)]."""
    near = soft(picture, SOFTNESS)
    return (near - soft(near, FINE))[mask]


def _sharpness(clip: FloatArray, source: FloatArray, mask: BoolArray) -> float:
    """Find the Gaussian that gives both the same fine detail; negative where it is to be laid on the clip.

    What of the detail of the source is found again in the clip counts, not how much detail each has: noise in the
    clip is no sharpness.
    """
    detail, own = _fine(clip, mask), _fine(source, mask)
    best, share = 0.0, _found_again(detail, own)
    least = abs(math.log(share))
    for sigma in SOFTER:
        if share < 1:
            left = abs(math.log(_found_again(detail, _fine(soft(source, sigma), mask))))
        else:
            left = abs(math.log(_found_again(_fine(soft(clip, sigma), mask), own)))
        if left < least:
            best, least = (sigma if share < 1 else -sigma), left
    return best


def _found_again(clip: FloatArray, source: FloatArray) -> float:
    """Return the gain of the source's detail in the clip, the places that differ most left out."""
    gain, kept = 1.0, np.ones(len(clip), bool)
    for _ in range(2):
        power = float(source[kept] @ source[kept])
        gain = float(clip[kept] @ source[kept]) / power if power > 0 else 1.0
        error = np.abs(clip - gain * source)
        kept = error <= np.quantile(error, KEPT_SHARPNESS)
    return max(gain, LEAST_GAIN)


def _blocks(values: FloatArray, mask: BoolArray) -> NDArray[np.float64]:
    """Average over the blocks that the mask fills well enough [shape=(n,)]."""
    inside = mask.astype(np.float32)
    shape = (HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK)
    filled, sums = (part.reshape(shape).mean(axis=(1, 3)) for part in (inside, values * inside))
    enough = filled > BLOCK_FILLED
    means: NDArray[np.float64] = (sums[enough] / filled[enough]).astype(np.float64)
    return means


def _model(squares: FloatArray, causes: tuple[FloatArray, ...], mask: BoolArray) -> NDArray[np.float64] | None:
    """Fit how much of each cause explains the squared differences; None where too little is seen [shape=(causes,)]."""
    from scipy.optimize import nnls

    seen = _blocks(squares, mask)
    if len(seen) < MIN_BLOCKS:
        return None
    parts = np.stack([_blocks(cause, mask) for cause in causes], axis=1)
    weight = np.full(len(seen), 1 / max(float(np.median(seen)), FLOOR))
    kept = np.ones(len(seen), bool)
    shares = np.zeros(len(causes))
    for _ in range(ROUNDS):
        weighted = parts[kept] * weight[kept, None]
        scale = np.maximum(np.sqrt((weighted**2).sum(axis=0)), 1e-9)
        shares = np.minimum(nnls(weighted / scale, seen[kept] * weight[kept])[0] / scale, MOST)
        expected = np.maximum(parts @ shares, FLOOR)
        weight, ratio = 1 / expected, seen / expected
        kept = ratio <= np.quantile(ratio, KEPT_BLOCKS)
    return shares


def _level(multiples: FloatArray, mask: BoolArray) -> float:
    """Average over a part, the largest left out; NaN where the part is too small."""
    if mask.sum() < MIN_PIXELS:
        return math.nan
    values = np.sort(multiples[mask])
    return float(values[: max(1, int(KEPT_PIXELS * len(values)))].mean())


def _ratio(one: float, other: float) -> float:
    """Return log10 of the ratio of two levels, in amplitude; differences that rounding gives are all alike."""
    return 0.5 * math.log10(max(one, LEAST_LEVEL) / max(other, LEAST_LEVEL)) if one >= 0 and other >= 0 else math.nan


class Differ:
    """Compares the registered frames of one face, one after the other."""

    def __init__(self) -> None:
        self._before: FloatArray | None = None

    def measure(self, registered: Registered) -> Difference | None:
        """Compare the two pictures of a frame; None where too little of the upper face is seen."""
        places, valid = registered.places, registered.valid
        upper, around = places.upper & valid, places.around & valid
        mask = upper | around
        if upper.sum() < MIN_PIXELS:
            return None
        clip = toned(registered.clip)
        source, tones = matched(registered.source, clip, mask)
        softened = _sharpness(clip[..., 0], source[..., 0], mask)
        clip = soft(soft(clip, -softened) if softened < 0 else clip, SOFTNESS)
        source = soft(soft(source, softened) if softened > 0 else source, SOFTNESS)
        squares = ((clip - source) ** 2).sum(axis=2)
        causes = self._causes(source[..., 0])
        shares = _model(squares, causes, mask)
        if shares is None:
            return None
        multiples = _multiples(squares, causes, shares)
        covered = _covered(multiples, registered)
        lower = places.lower & valid & ~covered
        hidden = 1.0 - float(lower.sum()) / max(1.0, float((places.lower & valid).sum()))
        lower = lower if hidden <= COVERED_MOST else np.zeros_like(lower)
        others = _model(squares, causes, around)
        apart = None if others is None else _multiples(squares, causes, others)
        beyond = math.nan if apart is None else _level(apart, around)
        return Difference(
            lower=_ratio(_level(multiples, lower), _level(multiples, upper)),
            upper=math.nan if apart is None else _ratio(_level(apart, upper), beyond),
            whole=math.nan if apart is None else _ratio(_level(apart, lower), beyond),
            covered=hidden,
            grey_levels=(_root_mean(squares, mask), _root_mean(squares, places.lower & valid)),
            fit=Fit(
                _three(tones.weights.diagonal()), _three(tones.offset), softened, *(float(share) for share in shares)
            ),
            heat=np.where(valid, np.sqrt(multiples), np.float32(np.nan)),
        )

    def _causes(self, grey: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return what may explain a difference: nothing in particular, edges, and change since the frame before."""
        x, y = (np.asarray(cv2.Sobel(grey, cv2.CV_32F, *way, scale=1 / 8), np.float32) for way in ((1, 0), (0, 1)))
        before, self._before = self._before, grey
        change = np.zeros_like(grey) if before is None else (grey - before) ** 2
        return np.ones_like(grey), x * x + y * y, change


def _multiples(squares: FloatArray, causes: tuple[FloatArray, ...], shares: NDArray[np.float64]) -> FloatArray:
    expected = sum(share * cause for share, cause in zip(shares.astype(np.float32), causes, strict=True))
    near = cv2.boxFilter(np.maximum(expected, 0.0), -1, (2 * _SMALL - 1, 2 * _SMALL - 1)) + FLOOR
    return np.asarray(cv2.boxFilter(squares, -1, (_SMALL, _SMALL)) / near, np.float32)


def _covered(multiples: FloatArray, registered: Registered) -> BoolArray:
    """Find the rows in which something was drawn over one of the two: it differs far beside the face as well."""
    places = registered.places
    beside = registered.valid & ~places.around & ~places.upper
    columns = np.flatnonzero(places.lower.any(axis=0))
    if len(columns):
        reach = round(0.25 * EYES)
        beside[:, max(0, columns[0] - reach) : columns[-1] + reach + 1] = False
    counts = beside.sum(axis=1)
    large = (beside & (multiples > COVERED_LEVEL)).sum(axis=1)
    rows = (counts > EYES / 4) & (large > COVERED_SHARE * counts)
    near = np.convolve(rows, np.ones(2 * BLED + 1), mode="same") > 0
    return np.broadcast_to(near[:, None], multiples.shape)


def _root_mean(squares: FloatArray, mask: BoolArray) -> float:
    return float(np.sqrt(squares[mask].mean())) if mask.any() else math.nan


def _three(values: FloatArray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
