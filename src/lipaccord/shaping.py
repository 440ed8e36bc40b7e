"""Margins of two classes -> log10 likelihood ratios, and how far the data back them.

Shapes: a straight line by logistic regression (Bruemmer and du Preez, Computer Speech and Language 20, 2006), Gaussian
kernel densities with Silverman's rule of thumb for their width (Density Estimation, 1986, ch. 3.4), and pooled
adjacent violators with one misleading group at either end.

Bounds: empirical upper and lower bounds, ELUB (Vergeer, van Es, de Jongh, Alberink and Stoel, Science and Justice 56,
2016): a ratio is believed only as far as acting on it, with one misleading group added to each class, would do better
than ratios of 1. The Netherlands Forensic Institute's `lir` is the reference implementation; tests compare with it.

Conventions: truth 1 = suspicious; weights say how often a margin counts, and their sum is the size of a class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression, minimize

from lipaccord.calibration import Kernel, Logistic, Shape, Steps, Values

STEP = 0.01  # log10, of the bounds
SLOPE_PENALTY = 1e-6  # keeps separable classes from an endless slope


def fit_logistic(margins: Values, truth: Values, weights: Values) -> Logistic:
    """Fit a line to log odds, the classes of equal weight; its slope is never negative."""
    balanced = weights.copy()
    for label in (0, 1):
        balanced[truth == label] *= 0.5 / balanced[truth == label].sum()

    def loss(line: Values) -> tuple[float, Values]:
        odds = line[0] * margins + line[1]
        surprise = np.logaddexp(0.0, np.where(truth > 0, -odds, odds))
        wrong = balanced * (1 / (1 + np.exp(-np.clip(odds, -500, 500))) - truth)
        value = float(balanced @ surprise) + SLOPE_PENALTY * line[0] ** 2
        return value, np.array([wrong @ margins + 2 * SLOPE_PENALTY * line[0], wrong.sum()])

    found = minimize(
        loss,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None), (None, None)],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    return Logistic(float(found.x[0]), float(found.x[1]))


def silverman(margins: Values, weights: Values) -> float:
    """Width of a Gaussian kernel by Silverman's rule of thumb for normal data."""
    total = weights.sum()
    middle = np.average(margins, weights=weights)
    deviation = float(np.sqrt(np.average((margins - middle) ** 2, weights=weights)))
    return float(max(deviation, 1e-6) * (4 / 3 / total) ** 0.2)


def fit_kernel(margins: Values, truth: Values, weights: Values) -> Kernel:
    """Estimate the density of each class by Gaussian kernels."""
    parts: list[Any] = []
    for label in (1, 0):
        own, heavy = margins[truth == label], weights[truth == label]
        parts += [tuple(own.tolist()), tuple((heavy / heavy.sum()).tolist()), silverman(own, heavy)]
    return Kernel(*parts)


def fit_isotonic(margins: Values, truth: Values, weights: Values) -> Steps:
    """Pool adjacent violators, with one misleading group at either end, so that no ratio is infinite."""
    ends = np.array([margins.min() - 1, margins.max() + 1])
    points, place = np.unique(np.concatenate([margins, ends]), return_inverse=True)
    labels, heavy = np.concatenate([truth, [1, 0]]), np.concatenate([weights, [1, 1]])
    apart = np.bincount(place, heavy * labels, len(points)) / (heavy @ labels)
    together = np.bincount(place, heavy * (1 - labels), len(points)) / (heavy @ (1 - labels))
    share = isotonic_regression(apart / (apart + together), weights=apart + together).x
    log10 = np.log10(share) - np.log10(1 - share)
    knots = [
        k
        for k in range(len(points))
        if k in {0, len(points) - 1} or log10[k - 1] != log10[k] or log10[k] != log10[k + 1]
    ]
    return Steps(tuple(points[knots].tolist()), tuple(log10[knots].tolist()))


FITS: dict[str, Callable[[Values, Values, Values], Shape]] = {
    "logistic": fit_logistic,
    "kernel": fit_kernel,
    "isotonic": fit_isotonic,
}
"""From the stiffest to the most pliable."""


def _utility(
    above: Values, below: Values, thresholds: Values, values: tuple[Values, Values], misleading: float
) -> Values:
    """Return the cost of acting where a ratio exceeds each threshold, with misleading ratios added to each class."""
    high, low = values
    hits = np.array([above[high > threshold].sum() for threshold in thresholds]) / (above.sum() + misleading)
    alarms = np.array([below[low > threshold].sum() for threshold in thresholds]) + misleading
    cost_of: Values = 1 - hits + 10.0**thresholds * alarms / (below.sum() + misleading)
    return cost_of


def elub(
    positives: Values,
    negatives: Values,
    *,
    positive_weights: Values | None = None,
    negative_weights: Values | None = None,
) -> tuple[float, float]:
    """Empirical lower and upper bound of log10 likelihood ratios.

    Parameters
    ----------
    positives, negatives : ndarray
        log10 likelihood ratios of each class.
    positive_weights, negative_weights : ndarray, optional
        How often each counts; their sums are the sizes of the classes.

    Returns
    -------
    tuple of float
        At most 0 and at least 0.
    """
    above = np.ones_like(positives) if positive_weights is None else positive_weights
    below = np.ones_like(negatives) if negative_weights is None else negative_weights
    everything = np.concatenate([positives, negatives])
    lowest = max(float(everything.min()), -np.log10(above.sum() + 1))
    highest = min(float(everything.max()), np.log10(below.sum() + 1))
    first, last = min(0, int(lowest // STEP)), max(0, int(highest // STEP) + 1)
    thresholds = np.linspace(first * STEP, last * STEP, last - first + 1)
    neutral = np.minimum(1.0, 10.0**thresholds)
    worse = neutral < _utility(above, below, thresholds, (positives, negatives), 1.0)
    left, right = thresholds[(thresholds <= 0) & worse], thresholds[(thresholds >= 0) & worse]
    low = np.max(left + STEP, initial=thresholds.min())
    high = np.min(right - STEP, initial=thresholds.max())
    return min(float(low), 0.0), max(float(high), 0.0)
