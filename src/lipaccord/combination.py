"""Cue scores -> the one score of the resynthesis finding, and each cue's share of it.

Two steps, both logistic regressions with equal weight of the two classes (Bruemmer and du Preez, Computer Speech and
Language, 2006):

1. each cue by itself: its score, cut off at `CUT` spreads, becomes a log likelihood ratio, and never one that falls as
   the score rises;
2. all together: a sum of these with weights that are never negative, held towards zero by a ridge.

A cue that abstained adds nothing to the sum, neither for nor against: it is missing, not zero. The score is the sum as
a log10 likelihood ratio *before* any calibration on footage of one's own; it ranks, and its limits say what is usual.

Conventions: larger = more suspicious; numbers are kept as JSON in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from lipaccord.errors import BundleError

CUT = (-3.0, 6.0)  # spreads of authentic clips: no cue may say more than it says here
RIDGE = 0.1
MIN_SCORES = 5  # of each class, below which nothing is learned
LOG10 = float(np.log(10.0))

Values = NDArray[np.float64]
Scores = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Term:
    """How one cue enters the sum.

    Attributes
    ----------
    slope, intercept : float
        Of the cue's own natural log likelihood ratio.
    weight : float
        In the sum.
    """

    slope: float
    intercept: float
    weight: float

    def share(self, score: float) -> float:
        """Return what a score adds to the sum, as log10."""
        return self.weight * (self.slope * min(max(score, CUT[0]), CUT[1]) + self.intercept) / LOG10


@dataclass(frozen=True, slots=True)
class Combination:
    """The fitted sum.

    Attributes
    ----------
    terms : dict of str to Term
        By cue.
    offset : float
        Added to the sum, log10.
    usual, limit : float
        Scores that 5 and 1 in 100 authentic clips exceed, cross-fitted.
    """

    terms: dict[str, Term]
    offset: float
    usual: float
    limit: float

    def shares(self, scores: Scores) -> dict[str, float]:
        """Return what each cue that has a score adds, log10."""
        return {name: term.share(score) for name, term in self.terms.items() if (score := scores.get(name)) is not None}

    def score(self, scores: Scores) -> float | None:
        """Return the sum; None where every cue that has a term abstained."""
        shares = self.shares(scores)
        return self.offset + sum(shares.values()) if shares else None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        terms = {
            name: {"slope": term.slope, "intercept": term.intercept, "weight": term.weight}
            for name, term in self.terms.items()
        }
        return {"terms": terms, "offset": self.offset, "usual": self.usual, "limit": self.limit}


def load_combination(values: Mapping[str, Any]) -> Combination:
    """Read what `Combination.to_dict` gave.

    Raises
    ------
    BundleError
        A number is missing, not finite or of another kind.
    """
    try:
        terms = {
            str(name): Term(float(term["slope"]), float(term["intercept"]), float(term["weight"]))
            for name, term in values["terms"].items()
        }
        read = Combination(terms, float(values["offset"]), float(values["usual"]), float(values["limit"]))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise BundleError(f"the bundle's resynthesis.json lacks a number ({error}); use an unaltered bundle") from error
    numbers = [read.offset, read.usual, read.limit]
    numbers += [number for term in terms.values() for number in (term.slope, term.intercept, term.weight)]
    if not np.isfinite(numbers).all():
        raise BundleError("the bundle's resynthesis.json holds a number that is not finite; use an unaltered bundle")
    return read


def _logistic(
    design: Values, truth: Values, weights: Values, ridge: Values, bounds: Sequence[tuple[Any, Any]]
) -> Values:
    """Fit coefficients [shape=(k,)] of a weighted logistic regression with a ridge, within bounds."""

    def loss(coefficients: Values) -> tuple[float, Values]:
        margin = design @ coefficients
        surprise = np.logaddexp(0.0, np.where(truth > 0, -margin, margin))
        wrong = 1 / (1 + np.exp(-np.clip(margin, -500, 500))) - truth
        value = float(weights @ surprise + ridge @ coefficients**2)
        return value, design.T @ (weights * wrong) + 2 * ridge * coefficients

    start = np.zeros(design.shape[1])
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    result: Values = fitted.x
    return result


def _balanced(truth: Values, weights: Values) -> Values:
    """Scale weights so that each class sums to one half."""
    balanced = weights.astype(np.float64).copy()
    for label in (0, 1):
        total = balanced[truth == label].sum()
        balanced[truth == label] *= 0.5 / total if total > 0 else 0.0
    return balanced


def fit_terms(
    table: Mapping[str, Values], truth: Values, weights: Values, ridge: float = RIDGE
) -> tuple[dict[str, Term], float]:
    """Fit the sum.

    Parameters
    ----------
    table : dict of str to ndarray [shape=(n,)]
        Scores by cue, NaN where it abstained.
    truth : ndarray [shape=(n,)]
        1 for a synthesised mouth, 0 for a camera original.
    weights : ndarray [shape=(n,)]
        Of the clips; classes are balanced within.
    ridge : float

    Returns
    -------
    terms : dict of str to Term
    offset : float
        log10.
    """
    own: dict[str, tuple[float, float]] = {}
    columns = []
    for name, scores in table.items():
        there = np.isfinite(scores)
        cut = np.clip(scores, *CUT)
        if min((there & (truth == label)).sum() for label in (0, 1)) < MIN_SCORES:
            own[name] = (0.0, 0.0)
        else:
            design = np.column_stack([cut[there], np.ones(there.sum())])
            balanced = _balanced(truth[there], weights[there])
            slope, intercept = _logistic(
                design, truth[there], balanced, np.array([ridge / 4, 0.0]), [(0.0, None), (None, None)]
            )
            own[name] = (float(slope), float(intercept))
        slope, intercept = own[name]
        columns.append(np.where(there, slope * np.where(there, cut, 0.0) + intercept, 0.0))
    design = np.column_stack([*columns, np.ones(len(truth))])
    bounds: list[tuple[float | None, float | None]] = [(0.0, None)] * len(columns) + [(None, None)]
    penalty = np.array([ridge] * len(columns) + [0.0])
    fitted = _logistic(design, truth, _balanced(truth, weights), penalty, bounds)
    terms = {name: Term(*own[name], float(weight)) for name, weight in zip(own, fitted, strict=False)}
    return terms, float(fitted[-1]) / LOG10
