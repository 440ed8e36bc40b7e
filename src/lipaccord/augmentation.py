"""Changes to a training window that a mouth doesn't follow, so that the predictor must not either.

Speaking rate (the mouth with it), vocal-tract length (a warp of the mel axis; Jaitly and Hinton, 2013), spectral tilt,
noise floor, noise, and masked bands (Park et al., "SpecAugment", 2019). Cepstral features only take the speed and
the noise: they have no frequency axis to warp.
"""

from __future__ import annotations

import math

import numpy as np

from lipaccord.records import FloatArray
from lipaccord.speech import MEL_BANDS

SPEED = (0.85, 1.2)
WARP = (0.85, 1.18)
TILT = 0.6  # standard deviation, nepers from the middle to either end of the band
FLOOR_SHARE = 0.5
FLOOR = (3.0, 9.0)  # nepers of power below the loudest bands
NOISE = 0.3  # largest standard deviation
MASK_SHARE = 0.4
MASK_BANDS = (2, 7)


def _sampled(values: FloatArray, places: np.ndarray) -> FloatArray:
    """Rows of `values` at fractional places, by linear interpolation."""
    low = np.clip(places.astype(np.int64), 0, len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    share = (places - low)[:, None].astype(np.float32)
    result: FloatArray = values[low] * (1 - share) + values[high] * share
    return result


def _log_mel(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Change log-mel bands [shape=(N, MEL_BANDS)]."""
    places = np.clip(np.arange(MEL_BANDS) * generator.uniform(*WARP), 0, MEL_BANDS - 1)
    slope = np.linspace(-1, 1, MEL_BANDS)
    changed = _sampled(values.T, places).T + generator.normal(0, TILT) * slope
    if generator.random() < FLOOR_SHARE:
        level = np.percentile(changed, 99) - generator.uniform(*FLOOR)
        rough = generator.normal(0, 0.3, changed.shape) + generator.normal(0, 0.5) * slope
        changed = np.logaddexp(changed, level + rough)
    if generator.random() < MASK_SHARE:
        first = generator.integers(0, MEL_BANDS - MASK_BANDS[1])
        masked = slice(first, first + generator.integers(*MASK_BANDS))
        changed[:, masked] = changed[:, masked].mean(axis=0)
    result: FloatArray = changed.astype(np.float32)
    return result


def augmented(
    features: FloatArray, mouth: FloatArray, window: int, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw a window of `window` frames from features [shape=(N, D)] and mouth [shape=(N, C)], changed."""
    speed = min(generator.uniform(*SPEED), len(features) / window)
    needed = min(math.ceil(window * speed), len(features))
    start = generator.integers(0, len(features) - needed + 1)
    places = np.minimum(start + np.arange(window) * speed, len(features) - 1)
    heard, seen = _sampled(features, places), _sampled(mouth, places)
    if features.shape[1] == MEL_BANDS:
        heard = _log_mel(heard, generator)
    spread = heard.std(axis=0) if features.shape[1] != MEL_BANDS else 1.0
    noisy = heard + generator.normal(0, generator.uniform(0, NOISE), heard.shape) * spread
    return noisy.astype(np.float32), seen
