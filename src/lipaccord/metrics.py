"""How well a score tells two classes apart, and how much likelihood ratios are worth: pure functions.

Conventions: scores are larger = more suspicious; `positives` are scores of the suspicious class, `negatives` of the
other. Ties count half. Weights say how often a score counts; without them each counts once. Likelihood ratios are
given as log10, may be infinite, and speak for the suspicious class where they are above zero.

Metrics of scores: area under the ROC curve (Mann-Whitney statistic), equal error rate (crossing of the two error rates
on the convex hull of the ROC, so that it does not depend on how ties fall), true positive rate at a false positive
rate (of the thresholds that the scores themselves offer, not interpolated).

Metrics of likelihood ratios: their cost Cllr, in bits, and Cllr_min, the cost after the best monotone recalibration
(Bruemmer and du Preez, Computer Speech and Language 20, 2006); the recalibration is by pooling adjacent violators with
both classes of equal weight (Zadrozny and Elkan, KDD 2002); empirical cross-entropy by prior odds (Ramos and
Gonzalez-Rodriguez, Forensic Science International 230, 2013).

Intervals: bootstrap over groups (Davison and Hinkley, Bootstrap Methods and their Application, 1997, ch. 3.8), since
the clips of one person are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
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


def _checked(scores: Scores, name: str, *, infinite: bool = False) -> Values:
    values = np.asarray(scores, dtype=np.float64)
    wrong = np.isnan(values) if infinite else ~np.isfinite(values)
    if values.ndim != 1 or not len(values) or wrong.any():
        raise ValueError(f"{name} must be a non-empty list of {'numbers' if infinite else 'finite scores'}")
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
) -> tuple[Values, Values, NDArray[np.intp]]:
    """Return the weight of each class at every different score, from the lowest, and which score each clip has."""
    high, low = _checked(positives, "positives"), _checked(negatives, "negatives")
    heavy = _weights(positive_weights, high, "positive_weights")
    light = _weights(negative_weights, low, "negative_weights")
    different, place = np.unique(np.concatenate([high, low]), return_inverse=True)
    above = np.bincount(place[: len(high)], heavy, len(different))
    below = np.bincount(place[len(high) :], light, len(different))
    return np.asarray(above, np.float64), np.asarray(below, np.float64), place


def error_rates(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> tuple[Values, Values]:
    """Return misses and false alarms where a score at or above each different score, and above all, is flagged.

    Returns
    -------
    misses, alarms : ndarray of float64 [shape=(different scores + 1,)]
        From the lowest threshold, which flags everything, to one that flags nothing.
    """
    above, below, _ = _counts(positives, negatives, positive_weights, negative_weights)
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
    above, below, _ = _counts(positives, negatives, positive_weights, negative_weights)
    return float(above @ (np.cumsum(below) - below / 2) / (above.sum() * below.sum()))


def eer(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> float:
    """Error rate at the threshold where misses and false alarms are equally frequent, on the ROC's convex hull."""
    missed, alarms = error_rates(
        positives, negatives, positive_weights=positive_weights, negative_weights=negative_weights
    )
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
    missed, alarms = error_rates(
        positives, negatives, positive_weights=positive_weights, negative_weights=negative_weights
    )
    return float(1.0 - missed[alarms <= fpr + 1e-12].min())


def _mean_surprise(log10_lrs: Values, weights: Values, log10_odds: float) -> float:
    """Mean bits by which outcomes surprise whoever held them for odds of `log10_lrs` x prior odds."""
    counted = weights > 0  # what does not count may be infinite
    bits = np.logaddexp(0.0, -np.log(10.0) * (log10_lrs[counted] + log10_odds)) / np.log(2.0)
    return float(np.average(bits, weights=weights[counted]))


def cllr(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> float:
    """Cost of log10 likelihood ratios in bits: 0 is perfect, 1 is what "LR = 1, always" costs; more misleads."""
    high, low = _checked(positives, "positives", infinite=True), _checked(negatives, "negatives", infinite=True)
    heavy = _weights(positive_weights, high, "positive_weights")
    light = _weights(negative_weights, low, "negative_weights")
    return (_mean_surprise(high, heavy, 0.0) + _mean_surprise(-low, light, 0.0)) / 2


def pav_log10_lrs(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> tuple[Values, Values]:
    """Recalibrate scores on themselves as well as a monotone function can, by pooling adjacent violators.

    Returns
    -------
    positives, negatives : ndarray of float64
        log10 likelihood ratios, minus and plus infinity where one class is not met at all.
    """
    above, below, place = _counts(positives, negatives, positive_weights, negative_weights)
    above, below = above / above.sum(), below / below.sum()
    there = above + below > 0
    share = np.zeros(len(above))
    share[there] = isotonic_regression(above[there] / (above + below)[there], weights=(above + below)[there]).x
    share = np.clip(share, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        lrs = np.log10(share[place]) - np.log10(1 - share[place])
    return lrs[: len(positives)], lrs[len(positives) :]


def cllr_min(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> float:
    """Cost in bits that is left after the best monotone recalibration: what the scores can't tell apart."""
    high, low = pav_log10_lrs(
        positives, negatives, positive_weights=positive_weights, negative_weights=negative_weights
    )
    return cllr(high, low, positive_weights=positive_weights, negative_weights=negative_weights)


def ece(
    positives: Scores,
    negatives: Scores,
    log10_odds: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
) -> Values:
    """Empirical cross-entropy of log10 likelihood ratios in bits, by prior odds.

    Parameters
    ----------
    log10_odds : list of float
        Prior odds of the suspicious class.

    Returns
    -------
    ndarray of float64
        One for each of the odds; at even odds it is Cllr.
    """
    high, low = _checked(positives, "positives", infinite=True), _checked(negatives, "negatives", infinite=True)
    heavy = _weights(positive_weights, high, "positive_weights")
    light = _weights(negative_weights, low, "negative_weights")
    result = []
    for odds in _checked(log10_odds, "log10_odds"):
        prior = 1 / (1 + 10.0**-odds)
        missed, alarmed = _mean_surprise(high, heavy, odds), _mean_surprise(-low, light, -odds)
        result.append(prior * missed + (1 - prior) * alarmed)
    return np.array(result)


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
