"""Training examples whose truth is known: the lips are a linear function of the speech features."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from lipaccord.corpus import Example
from lipaccord.records import FloatArray
from lipaccord.speech import KINDS

COMPONENTS = 3


def smooth(generator: np.random.Generator, length: int, dimension: int, frames: float = 4.0) -> FloatArray:
    """Random movement of unit power [shape=(length, dimension)]."""
    values = gaussian_filter1d(generator.normal(size=(length, dimension)), frames, axis=0)
    unit: FloatArray = (values / values.std()).astype(np.float32)
    return unit


def lip_shapes() -> FloatArray:
    """Orthonormal lip shapes [shape=(COMPONENTS, 40, 2)]."""
    columns = np.random.default_rng(0).normal(size=(80, COMPONENTS))
    shapes: FloatArray = np.linalg.qr(columns)[0].T.reshape(COMPONENTS, 40, 2).astype(np.float32)
    return shapes


def example(name: str, source: str, seed: int, length: int = 150) -> Example:
    """Make one clip: the first features of either kind move the lips."""
    generator = np.random.default_rng(seed)
    mouth = smooth(generator, length, COMPONENTS)
    lips = np.einsum("tc,ckx->tkx", mouth * (0.3, 0.2, 0.1), lip_shapes()).astype(np.float32)
    features = {}
    for kind, dimension in KINDS.items():
        values = smooth(generator, length, dimension)
        values[:, : 4 * COMPONENTS] += 2 * np.repeat(mouth, 4, axis=1)
        features[kind] = values
    face, voice = np.zeros(16, np.float32), np.zeros(8, np.float32)
    return Example(name, source, features, lips, face, voice)


def examples(speakers: int = 4, clips: int = 10) -> tuple[list[Example], list[str]]:
    """Make clips of several speakers, and the name of each one's group."""
    made = [example(f"{k:03}.mp4", "made", k) for k in range(speakers * clips)]
    return made, [f"made/{k // clips + 1}" for k in range(speakers * clips)]
