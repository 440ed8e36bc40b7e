"""How well a predictor does on speakers that it never saw: the reference figures of a bundle.

Every held-out clip is compared with its own speech and with speech of other groups. Clips are short, so longer
stretches are made up of several clips of one group whose agreement is pooled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipaccord.agreement import RATE_HZ, LagCurve, Reference, lag_curve, support
from lipaccord.corpus import Example
from lipaccord.errors import TrainingError
from lipaccord.metrics import auc, eer
from lipaccord.predictor import Predictor
from lipaccord.records import FloatArray, SpeechFeatures

MAX_LAG = 40  # frames: clips are little longer than a second
MAX_CLIPS = 240
OTHERS = 12  # wrong sounds for each clip
POOLED = 3  # clips that make up a longer stretch
SEED = 0


@dataclass(frozen=True, slots=True)
class Telling:
    """Right against wrong sound: AUC, EER, and the mean length of a stretch in seconds."""

    seconds: float
    stretches: int
    auc: float
    eer: float


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Figures of a predictor on held-out speakers.

    Attributes
    ----------
    clips, groups : int
    correlation : tuple of float
        Of each component, predicted against observed, mean over clips.
    single, pooled : Telling
        By one clip, and by POOLED clips of one group together.
    reference : Reference
    """

    clips: int
    groups: int
    correlation: tuple[float, ...]
    single: Telling
    pooled: Telling
    reference: Reference


@dataclass(frozen=True, slots=True)
class _Heard:
    group: str
    mean: FloatArray
    observed: FloatArray


def _hear(predictor: Predictor, example: Example, group: str) -> _Heard:
    kind = predictor.shape.features
    values = example.features[kind]
    mean, _ = predictor.hear(SpeechFeatures(kind, np.arange(len(values)) / RATE_HZ, values))
    lips = predictor.basis.project(example.lips, tuple(range(example.lips.shape[1])))
    return _Heard(group, mean, lips)


def _curve(speech: _Heard, mouth: _Heard, weights: FloatArray) -> LagCurve:
    length = min(len(speech.mean), len(mouth.observed))
    heard = np.ones(length, dtype=bool)
    return lag_curve(speech.mean[:length], heard, mouth.observed[:length], weights, MAX_LAG)


def _correlation(clip: _Heard) -> NDArray[np.float64]:
    known = np.isfinite(clip.observed[:, 0])
    a, b = clip.mean[known], clip.observed[known]
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    correlation: NDArray[np.float64] = (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0) + 1e-9)
    return correlation


def _pool(curves: list[LagCurve]) -> LagCurve:
    sums = np.concatenate([curve.sums for curve in curves])
    counts = np.concatenate([curve.counts for curve in curves])
    values = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)
    return LagCurve(curves[0].lags, values, sums, counts)


def _telling(right: list[LagCurve], wrong: list[LagCurve], reference: Reference) -> Telling:
    scores = [[-support(curve, reference) for curve in curves] for curves in (wrong, right)]
    seconds = float(np.mean([curve.counts[:, MAX_LAG].sum() for curve in right])) / RATE_HZ
    return Telling(seconds, len(right), auc(*scores), eer(*scores))


def _reference(right: list[LagCurve], wrong: list[LagCurve]) -> Reference:
    mean_curve = np.mean([curve.values for curve in right], axis=0)
    zero = int(np.argmax(mean_curve))
    seconds = np.mean([curve.counts[:, MAX_LAG].sum() for curve in right]) / RATE_HZ
    null = float(np.std([curve.values[zero] for curve in wrong]) * np.sqrt(seconds))
    together = np.array([curve.values[zero] for curve in right])
    excess = together.var() - null**2 / seconds
    return Reference(
        zero_s=float(right[0].lags[zero]) / RATE_HZ,
        together=float(together.mean()),
        deviation=float(np.sqrt(max(excess, 0.0))),
        null_deviation=null,
    )


def judge(predictor: Predictor, examples: list[Example], groups: list[str]) -> HeldOut:
    """Measure a predictor on held-out examples and their groups.

    Raises
    ------
    TrainingError
        There are fewer than two groups: no speech of others to compare with.
    """
    if len(set(groups)) < 2:
        raise TrainingError("the held-out clips are of one speaker only; add clips of other speakers")
    generator = np.random.default_rng(SEED)
    chosen = generator.permutation(len(examples))[:MAX_CLIPS]
    clips = [_hear(predictor, examples[k], groups[k]) for k in sorted(chosen)]
    right, wrong = [], []
    for mouth in clips:
        right.append(_curve(mouth, mouth, predictor.weights))
        others = [clip for clip in clips if clip.group != mouth.group]
        picked = generator.permutation(len(others))[:OTHERS]
        wrong.append([_curve(others[k], mouth, predictor.weights) for k in picked])
    flat = [curve for curves in wrong for curve in curves]
    reference = _reference(right, flat)
    pooled_right, pooled_wrong = [], []
    for group in sorted({clip.group for clip in clips}):
        members = [k for k, clip in enumerate(clips) if clip.group == group]
        for first in range(0, len(members) - POOLED + 1, POOLED):
            stretch = members[first : first + POOLED]
            pooled_right.append(_pool([right[k] for k in stretch]))
            ways = min(len(wrong[k]) for k in stretch)
            pooled_wrong += [_pool([wrong[k][way] for k in stretch]) for way in range(ways)]
    if not pooled_right:
        raise TrainingError(f"no held-out speaker has {POOLED} clips; add clips of more speakers")
    correlation = np.mean([_correlation(clip) for clip in clips], axis=0)
    return HeldOut(
        len(clips),
        len({clip.group for clip in clips}),
        tuple(float(value) for value in correlation),
        _telling(right, flat, reference),
        _telling(pooled_right, pooled_wrong, reference),
        reference,
    )
