"""How well a score tells two classes apart: pure functions.

Conventions: scores are larger = more suspicious; `positives` are scores of the suspicious class, `negatives` of the
other. Ties count half. Weights say how often a score counts; without them each counts once.

Metrics: area under the ROC curve (Mann-Whitney statistic), equal error rate (crossing of the two error rates on the
convex hull of the ROC, so that it does not depend on how ties fall), true positive rate at a false positive rate (of
the thresholds that the scores themselves offer, not interpolated). Intervals: bootstrap over groups (Davison and
Hinkley, Bootstrap Methods and their Application, 1997, ch. 3.8), since the clips of one person are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from lipaccord.records import FloatArray

Scores = Sequence[float] | NDArray[np.float64] | FloatArray
Values = NDArray[np.float64]

MIN_GROUPS = 3
"""Groups that each class needs for an interval."""


class Metric(Protocol):
    """A figure of merit of two classes of weighted scores."""

    def __call__(
        self,
        positives: Scores,
        negatives: Scores,
        *,
        positive_weights: Scores | None = None,
        negative_weights: Scores | None = None,
    ) -> float:
        """Return the figure."""
        ...


def _checked(scores: Scores, name: str) -> Values:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"{name} must be a non-empty list of finite scores")
    return values


def _weights(weights: Scores | None, scores: Values, name: str) -> Values:
    if weights is None:
        return np.ones_like(scores)
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != scores.shape or not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise ValueError(f"{name} must be as many as the scores, none below zero and not all zero")
    return values


def _counts(
    positives: Scores, negatives: Scores, positive_weights: Scores | None, negative_weights: Scores | None
) -> tuple[Values, Values]:
    """Return the weight of each class at every different score, from the lowest."""
    high, low = _checked(positives, "positives"), _checked(negatives, "negatives")
    heavy = _weights(positive_weights, high, "positive_weights")
    light = _weights(negative_weights, low, "negative_weights")
    different, place = np.unique(np.concatenate([high, low]), return_inverse=True)
    above = np.bincount(place[: len(high)], heavy, len(different))
    below = np.bincount(place[len(high) :], light, len(different))
    return np.asarray(above, np.float64), np.asarray(below, np.float64)


def _errors(above: Values, below: Values) -> tuple[Values, Values]:
    """Return misses and false alarms where a score at or above each different score, and above all, is flagged."""
    missed = np.concatenate([[0.0], np.cumsum(above)])
    passed = np.concatenate([[0.0], np.cumsum(below)])
    return missed / missed[-1], 1.0 - passed / passed[-1]


def auc(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> float:
    """Chance that a positive scores higher than a negative; 0.5 is guessing, 1 perfect."""
    above, below = _counts(positives, negatives, positive_weights, negative_weights)
    return float(above @ (np.cumsum(below) - below / 2) / (above.sum() * below.sum()))


def eer(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> float:
    """Error rate at the threshold where misses and false alarms are equally frequent, on the ROC's convex hull."""
    missed, alarms = _errors(*_counts(positives, negatives, positive_weights, negative_weights))
    corner = np.column_stack([np.concatenate([alarms, [1.0]]), np.concatenate([missed, [1.0]])])
    hull = corner[ConvexHull(corner).vertices]
    best = 1.0
    for (x0, y0), (x1, y1) in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        if (x0 - y0) * (x1 - y1) <= 0 and (x0 - y0) != (x1 - y1):
            share = (x0 - y0) / ((x0 - y0) - (x1 - y1))
            best = min(best, x0 + share * (x1 - x0))
    return float(best)


def tpr_at_fpr(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
    fpr: float = 0.05,
) -> float:
    """Share of the positives that is flagged at the lowest threshold with at most `fpr` of the negatives flagged."""
    if not 0.0 <= fpr <= 1.0:
        raise ValueError(f"fpr must lie between 0 and 1, not {fpr}")
    missed, alarms = _errors(*_counts(positives, negatives, positive_weights, negative_weights))
    return float(1.0 - missed[alarms <= fpr + 1e-12].min())


def group_interval(
    metric: Metric,
    positives: Scores,
    negatives: Scores,
    positive_groups: Sequence[str],
    negative_groups: Sequence[str],
    *,
    negative_weights: Scores | None = None,
    replicates: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a metric; whole groups are drawn with replacement.

    A group that has clips of both classes is drawn with both.

    Parameters
    ----------
    metric : Metric
    positives, negatives : list of float
    positive_groups, negative_groups : list of str
        Group of each score.
    negative_weights : list of float, optional
        How often each negative counts before groups are drawn.
    replicates : int
        How often to draw; draws without any positive or negative are left out.
    level : float
        Coverage aimed at.
    seed : int
        The same seed gives the same interval.

    Returns
    -------
    tuple of float, or None
        None where a class has fewer than `MIN_GROUPS` groups: its spread can't be told.
    """
    high, low = _checked(positives, "positives"), _checked(negatives, "negatives")
    if len(positive_groups) != len(high) or len(negative_groups) != len(low):
        raise ValueError("every score needs its group")
    if min(len(set(positive_groups)), len(set(negative_groups))) < MIN_GROUPS:
        return None
    names, place = np.unique([*positive_groups, *negative_groups], return_inverse=True)
    base = np.concatenate([np.ones(len(high)), _weights(negative_weights, low, "negative_weights")])
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(replicates):
        times = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
        weights: Values = base * times[place]
        heavy, light = weights[: len(high)], weights[len(high) :]
        if heavy.any() and light.any():
            drawn.append(metric(high, low, positive_weights=heavy, negative_weights=light))
    tail = 50 * (1 - level)
    lower, upper = np.percentile(drawn, [tail, 100 - tail])
    return float(lower), float(upper)
