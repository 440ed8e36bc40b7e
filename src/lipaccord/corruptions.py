"""What a passage through the world does to a picture: seven corruptions, each at five severities; and a lost size.

The seven and their amounts are those of DeeperForensics-1.0 (Jiang, Li, Wu, Qian and Loy, CVPR 2020; amounts as in the
authors' published `perturbation` code), with which LipForensics (Haliassos et al., CVPR 2021) and RealForensics
(Haliassos et al., CVPR 2022) are judged too. Video compression is the seventh; it needs no change of pixels, only the
rate factor of the encoder, so that it has amounts here and nothing else.

Conventions: pictures are RGB uint8 of full range and are not changed in place. Lengths are pixels whatever the size of
the picture, as published. Values are rounded and kept within 0 to 255; the published code cuts fractions off.
Colours are those of BT.601, as published. What is left to chance is drawn from the generator that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lipaccord.records import Image

LUMA = np.array([0.299, 0.587, 0.114])
"""Share of red, green and blue in the luma of BT.601."""

# From the three components (Y, Cb, Cr) of BT.601, whose chroma is (B - Y) / 1.772 and (R - Y) / 1.402, to RGB.
TO_RGB = np.array([[1.0, 0.0, 1.402], [1.0, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1.0, 1.772, 0.0]])
LIMITED = np.array([219.0, 224.0, 224.0])  # steps of the limited range of each of the three, of 255
BLOCK = 8  # pixels
GREY = 128
UNIT = 256  # pixels of the shorter side: the published number of blocks is for each whole one of them


def saturated(share: float, image: Image, rng: np.random.Generator) -> Image:
    """Keep a share of the chroma; 0 leaves grey."""
    matrix = share * np.eye(3) + (1 - share) * np.tile(LUMA, (3, 1))
    return np.asarray(cv2.transform(image, matrix), np.uint8)


def dimmed(share: float, image: Image, rng: np.random.Generator) -> Image:
    """Multiply every value, which lowers contrast and lightness together."""
    table = np.rint(np.arange(256) * share).astype(np.uint8)
    return np.asarray(table[image], np.uint8)


def blotted(count: float, image: Image, rng: np.random.Generator) -> Image:
    """Put grey blocks anywhere: `count` of them for each `UNIT` pixels of the shorter side, and for what is smaller."""
    height, width = image.shape[:2]
    blocks = round(count) * max(1, min(height, width) // UNIT)
    blotted = image.copy()
    for row, column in rng.integers((0, 0), (max(1, height - BLOCK), max(1, width - BLOCK)), (blocks, 2)):
        blotted[row : row + BLOCK, column : column + BLOCK] = GREY
    return blotted


def noisy(variance: float, image: Image, rng: np.random.Generator) -> Image:
    """Add white noise to each component of limited-range YCbCr; `variance` is in units of 255 squared.

    The way to RGB is linear, so the noise goes it alone and is added to the picture.
    """
    spread = TO_RGB * (255 * np.sqrt(variance) * 255 / LIMITED)
    noise = cv2.transform(rng.standard_normal(image.shape, np.float32), spread)
    return np.asarray(np.clip(np.rint(image + noise), 0, 255), np.uint8)


def blurred(side: float, image: Image, rng: np.random.Generator) -> Image:
    """Blur by a Gaussian that is cut to an odd `side` of pixels, of a sixth of it as standard deviation."""
    kernel = round(side)
    return np.asarray(cv2.GaussianBlur(image, (kernel, kernel), side / 6), np.uint8)


def pixelated(factor: float, image: Image, rng: np.random.Generator) -> Image:
    """Shrink by a whole factor and enlarge again, bilinear both times; the published code calls it JPEG."""
    height, width = image.shape[:2]
    small = (max(1, width // round(factor)), max(1, height // round(factor)))
    return np.asarray(cv2.resize(cv2.resize(image, small), (width, height)), np.uint8)


def rescaled(scale: float, image: Image, rng: np.random.Generator) -> Image:
    """Shrink to a share of the size by mean areas and enlarge again by bicubic interpolation."""
    height, width = image.shape[:2]
    small = (max(2, round(width * scale)), max(2, round(height * scale)))
    less = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(less, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way in which a picture is corrupted.

    Attributes
    ----------
    meaning : str
        What is done, with a place for the amount.
    amounts : tuple of float
        From the mildest to the most severe.
    apply : callable
        From an amount, a picture and a generator to the corrupted picture.
    """

    meaning: str
    amounts: tuple[float, ...]
    apply: Callable[[float, Image, np.random.Generator], Image]


CORRUPTIONS: dict[str, Corruption] = {
    "saturation": Corruption("{:g} of the colour saturation", (0.4, 0.3, 0.2, 0.1, 0.0), saturated),
    "contrast": Corruption("{:g} of the colour contrast", (0.85, 0.725, 0.6, 0.475, 0.35), dimmed),
    "blocks": Corruption("{:g} grey blocks a frame for each 256 pixels", (16, 32, 48, 64, 80), blotted),
    "gaussian-noise": Corruption("white noise of variance {:g} in colours", (0.001, 0.002, 0.005, 0.01, 0.05), noisy),
    "blur": Corruption("Gaussian blur by a kernel of {:g} pixels", (7, 9, 13, 17, 21), blurred),
    "pixelation": Corruption("pixels {:g} times as large", (2, 3, 4, 5, 6), pixelated),
}
"""Those that change pixels, by name."""

COMPRESSION_CRF = (30, 32, 35, 38, 40)
"""The seventh: rate factors of H.264, published for x264 as FFmpeg uses it unasked, which is what is used here."""
