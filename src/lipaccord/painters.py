"""The single changes of which manipulations are made: of the pixels in a box, or of the moment that is shown.

A painter is made for one footage and one strength, and draws what is left to chance then: each of its pictures is a
pure function of the moment. The units of strength are those of `harms.KINDS`.

Conventions: as in `footage`; lengths in eye distances.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.footage import Footage, Place, weighted_median
from lipaccord.records import BoolArray, Image, IndexArray

Painter = Callable[[int, Place], Image]
"""From a moment and a box to the changed pixels of the box [shape=(h, w, 3)]."""

NEAR_FRAMES = 2  # a median takes no frame this near: it would be the frame itself
GHOST_SHARE = 0.35
SHARPENED_BAND = 0.012  # eye distances: standard deviation of what is raised
DENOISED_REACH = 0.02
FLICKER_GAIN, FLICKER_SHIFT, FLICKER_BLUR, FLICKER_NOISE = 0.02, 0.004, 0.004, 1.0  # at strength 1
SWAP_BLUR, SWAP_TONE = 0.008, 3.0  # at strength 1
MAX_FILTER_PX = 15


def _rounded(values: NDArray[np.floating]) -> Image:
    rounded: Image = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return rounded


def _blurred(picture: Image, sigma_px: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(sigma_px, 1e-3)), np.uint8)


def _shifted(picture: Image, x: float, y: float) -> Image:
    size = (picture.shape[1], picture.shape[0])
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    moved = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _tint(levels: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a lightness shift of `levels` up or down with a colour shift of half as much [shape=(3,)]."""
    colour = rng.normal(size=3)
    colour -= colour.mean()
    tint: NDArray[np.float64] = levels * (rng.choice([-1.0, 1.0]) + 0.5 * colour / np.linalg.norm(colour))
    return tint


def blur(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Blur the box by a Gaussian."""
    return lambda moment, place: _blurred(footage.cut(moment, place), strength * footage.eyes_px(moment))


def resample(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Take the box down to a generator's working size and up again."""

    def paint(moment: int, place: Place) -> Image:
        points, picture = footage.points[moment], footage.cut(moment, place)
        share = strength / float((points.max(axis=0) - points.min(axis=0)).max())
        if share >= 1:
            return picture
        height, width = picture.shape[:2]
        small = (max(1, round(width * share)), max(1, round(height * share)))
        less = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(less, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return paint


def median(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Paint the weighted median of the frames whose mouths are most alike (Suwajanakorn et al., SIGGRAPH 2017)."""
    shapes, moments = footage.mouth_shapes(), np.arange(len(footage.frames))

    def paint(moment: int, place: Place) -> Image:
        distance = ((shapes - shapes[moment]) ** 2).mean(axis=1)
        distance[~footage.seen | (np.abs(moments - moment) <= NEAR_FRAMES)] = np.inf
        nearest = np.argsort(distance, kind="stable")[: round(strength)]
        nearest = nearest[np.isfinite(distance[nearest])]
        scale = distance[nearest].mean() + 1e-12
        laid = np.stack([footage.laid(int(k), moment, place) for k in nearest])
        return weighted_median(laid, np.exp(-distance[nearest] / scale))

    return paint


def tone(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Shift lightness and colour."""
    tint = _tint(strength, rng)
    return lambda moment, place: _rounded(footage.cut(moment, place) + tint)


def sharpen(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Raise the fine detail by an unsharp mask."""

    def paint(moment: int, place: Place) -> Image:
        picture = footage.cut(moment, place).astype(np.float32)
        soft = cv2.GaussianBlur(picture, (0, 0), max(SHARPENED_BAND * footage.eyes_px(moment), 0.5))
        return _rounded(picture + strength * (picture - soft))

    return paint


def denoise(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Smooth what differs by a few grey levels (bilateral filter: Tomasi and Manduchi, ICCV 1998)."""

    def paint(moment: int, place: Place) -> Image:
        reach = DENOISED_REACH * footage.eyes_px(moment)
        side = min(MAX_FILTER_PX, 2 * round(1.5 * reach) + 3)
        return np.asarray(cv2.bilateralFilter(footage.cut(moment, place).copy(), side, strength, reach), np.uint8)

    return paint


def doubled(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Lay a shifted ghost over the box."""
    angle = rng.uniform(0, 2 * np.pi)

    def paint(moment: int, place: Place) -> Image:
        picture, reach = footage.cut(moment, place), strength * footage.eyes_px(moment)
        ghost = _shifted(picture, reach * np.cos(angle), reach * np.sin(angle))
        return np.asarray(cv2.addWeighted(picture, 1 - GHOST_SHARE, ghost, GHOST_SHARE, 0), np.uint8)

    return paint


def flicker(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Paint every frame with gain, shift, blur and noise of its own."""
    draws = rng.normal(size=(len(footage.frames), 4))
    seeds = rng.integers(1 << 62, size=len(footage.frames))

    def paint(moment: int, place: Place) -> Image:
        gain, x, y, softness = draws[moment]
        size = strength * footage.eyes_px(moment)
        picture = _shifted(footage.cut(moment, place), FLICKER_SHIFT * size * x, FLICKER_SHIFT * size * y)
        soft = _blurred(picture, FLICKER_BLUR * size * abs(softness)).astype(np.float32)
        noise = np.random.default_rng(seeds[moment]).normal(0, FLICKER_NOISE * strength, soft.shape)
        return _rounded(soft * (1 + FLICKER_GAIN * strength * gain) + noise)

    return paint


def swap(footage: Footage, strength: float, rng: np.random.Generator) -> Painter:
    """Blur and tint."""
    tint = _tint(SWAP_TONE * strength, rng)
    soft = blur(footage, SWAP_BLUR * strength, rng)
    return lambda moment, place: _rounded(soft(moment, place) + tint)


Sources = Callable[[BoolArray, range, float, np.random.Generator], IndexArray]
"""From the moments at which the face was seen, the part, a strength and chance to the moment shown at each moment."""


def transplant(seen: BoolArray, part: range, strength: float, rng: np.random.Generator) -> IndexArray:
    """Show the moment so many frames away, in one direction but near the ends."""
    away, there = round(strength) * int(rng.choice([-1, 1])), np.flatnonzero(seen)
    sources = np.arange(len(seen))
    for moment in part:
        for wanted in (moment + away, moment - away):
            if 0 <= wanted < len(seen) and seen[wanted]:
                sources[moment] = wanted
                break
        else:
            sources[moment] = there[np.argmin(np.abs(np.abs(there - moment) - abs(away)))]
    return sources


def freeze(seen: BoolArray, part: range, strength: float, rng: np.random.Generator) -> IndexArray:
    """Keep the first moment of every stretch of so many frames."""
    sources, held = np.arange(len(seen)), round(strength)
    for start in range(part.start, part.stop, held):
        stretch = range(start, min(start + held, part.stop))
        first = next((moment for moment in stretch if seen[moment]), start)
        sources[start : stretch.stop] = first
    return sources


def retime(seen: BoolArray, part: range, strength: float, rng: np.random.Generator) -> IndexArray:
    """Go slower through one half and faster through the other, so that the part keeps its length."""
    change = strength * float(rng.choice([-1, 1]))
    half = len(part) // 2
    sources, steps = np.arange(len(seen)), np.arange(len(part), dtype=np.float64)
    steps[:half] *= 1 - change
    steps[half:] = half * (1 - change) + (steps[half:] - half) * (1 + change * half / max(1, len(part) - half))
    sources[part.start : part.stop] = part.start + np.clip(np.floor(steps + 1e-9).astype(int), 0, len(part) - 1)
    return sources
