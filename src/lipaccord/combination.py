"""What the cues measured -> the one score of the resynthesis finding, and each cue's share of it.

The score is the sum of two parts, fitted by logistic regression with equal weight of the two classes (Bruemmer and du
Preez, Computer Speech and Language, 2006):

1. **terms**: each cue's score, cut off at `CUT` spreads, becomes a log likelihood ratio by itself, and never one that
   falls as the score rises; these are summed with weights that are never negative, held towards zero by a ridge;
2. **profile**: a straight line through all numbers that the cues give, their scores and what stands behind them (band
   by band, part by part), each standardised and cut off at `FAR` deviations, under a ridge. It sees how the numbers lie
   to one another, where no single one is unusual. It enters with the weight `PROFILE_WEIGHT`.

A cue that abstained adds nothing to the sum, neither for nor against: it is missing, not zero. The score is a log10
likelihood ratio *before* any calibration; it ranks, and its limits say what is usual.

Conventions: larger = more suspicious; numbers have dotted names, the cue first, and are kept as JSON in the bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from lipaccord.errors import BundleError

CUT = (-3.0, 6.0)  # spreads of authentic clips: no cue may say more than it says here
RIDGE = 0.1
MIN_SCORES = 5  # of each class, below which nothing is learned
FAR = 3.0  # deviations
PROFILE_RIDGE = 5.0  # on the mean loss of a clip: weights of standardised numbers
PROFILE_WEIGHT = 0.1  # more tells known generators better, and takes footage of other kinds for synthesised
MIN_SHARE = 0.8  # of the clips that must have a number for it to enter the profile
LOG10 = float(np.log(10.0))
LEARNED = ("splice", "swap")  # what stands behind them was learned from the clips themselves
COUNTS = frozenset({"frames", "pairs", "compared", "limit", "usual", "distance"})
"""Numbers of a cue that count what it had to go by, or never change."""

Values = NDArray[np.float64]
Scores = Mapping[str, float | None]
Numbers = Mapping[str, float]


def flattened(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    """Yield every number among the details of a cue by its dotted name; texts are left out."""
    for name, value in values.items():
        whole = f"{prefix}.{name}"
        if isinstance(value, Mapping):
            yield from flattened(value, whole)
        elif isinstance(value, list | tuple):
            yield from flattened({str(place): item for place, item in enumerate(value)}, whole)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield whole, float(value)


def enters_profile(name: str) -> bool:
    """Tell whether a number says something of the face, and was not learned from it."""
    cue, *rest = name.split(".")
    return not rest or (cue not in LEARNED and rest[-1] not in COUNTS)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A straight line through standardised numbers.

    Attributes
    ----------
    names : tuple of str
    centre, scale, weights : ndarray of float64 [shape=(n,)]
        Of each number; the weights are log10.
    """

    names: tuple[str, ...] = ()
    centre: Values = field(default_factory=lambda: np.zeros(0))
    scale: Values = field(default_factory=lambda: np.ones(0))
    weights: Values = field(default_factory=lambda: np.zeros(0))

    def parts(self, numbers: Numbers) -> Values:
        """Return what each number adds, 0 where it is missing [shape=(n,)]."""
        there = np.array([numbers.get(name, np.nan) for name in self.names])
        standard = np.clip((there - self.centre) / self.scale, -FAR, FAR)
        return np.nan_to_num(standard, nan=0.0) * self.weights

    def shares(self, numbers: Numbers) -> dict[str, float]:
        """Return what each cue adds."""
        result: dict[str, float] = {}
        for name, part in zip(self.names, self.parts(numbers), strict=True):
            cue = name.split(".", 1)[0]
            result[cue] = result.get(cue, 0.0) + float(part)
        return result


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
    profile : Profile
    offset : float
        Added to the sum, log10.
    usual, limit : float
        Scores that 5 and 1 in 100 authentic clips exceed, cross-fitted.
    """

    terms: dict[str, Term]
    profile: Profile
    offset: float
    usual: float
    limit: float

    def shares(self, numbers: Numbers) -> dict[str, float]:
        """Return what each cue that has a score adds, log10; `numbers` are scores and what stands behind them."""
        behind = self.profile.shares(numbers)
        return {
            name: term.share(numbers[name]) + behind.get(name, 0.0)
            for name, term in self.terms.items()
            if name in numbers
        }

    def score(self, numbers: Numbers) -> float | None:
        """Return the sum; None where every cue that has a term abstained."""
        shares = self.shares(numbers)
        return self.offset + sum(shares.values()) if shares else None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        terms = {
            name: {"slope": term.slope, "intercept": term.intercept, "weight": term.weight}
            for name, term in self.terms.items()
        }
        profile = {
            name: {"centre": float(centre), "scale": float(scale), "weight": float(weight)}
            for name, centre, scale, weight in zip(
                self.profile.names, self.profile.centre, self.profile.scale, self.profile.weights, strict=True
            )
        }
        rest = {"offset": self.offset, "usual": self.usual, "limit": self.limit}
        return {"terms": terms, "profile": profile, **rest}


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
        lines = values["profile"]
        columns = [np.array([float(line[key]) for line in lines.values()]) for key in ("centre", "scale", "weight")]
        profile = Profile(tuple(map(str, lines)), *columns)
        read = Combination(terms, profile, float(values["offset"]), float(values["usual"]), float(values["limit"]))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise BundleError(f"the bundle's resynthesis.json lacks a number ({error}); use an unaltered bundle") from error
    numbers = [read.offset, read.usual, read.limit]
    numbers += [number for term in terms.values() for number in (term.slope, term.intercept, term.weight)]
    whole = np.concatenate([np.array(numbers), *columns])
    if not np.isfinite(whole).all() or (profile.scale <= 0).any():
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


def fit_profile(table: Mapping[str, Values], truth: Values, weights: Values) -> Profile:
    """Fit a straight line through all numbers that enter.

    Parameters
    ----------
    table : dict of str to ndarray [shape=(n,)]
        Numbers by their dotted names, NaN where they are missing.
    truth, weights : ndarray [shape=(n,)]
        As for `fit_terms`.
    """
    names = [
        name
        for name, values in table.items()
        if enters_profile(name) and np.isfinite(values).mean() >= MIN_SHARE and np.nanstd(values) > 0
    ]
    if not names:
        return Profile()
    values = np.column_stack([table[name] for name in names])
    centre = np.nanmean(values, axis=0)
    scale = np.nanstd(values, axis=0)
    standard = np.nan_to_num(np.clip((values - centre) / scale, -FAR, FAR), nan=0.0)
    design = np.column_stack([standard, np.ones(len(truth))])
    ridge = np.array([PROFILE_RIDGE / len(truth)] * len(names) + [0.0])
    line = _logistic(design, truth, _balanced(truth, weights), ridge, [(None, None)] * design.shape[1])
    return Profile(tuple(names), centre, scale, PROFILE_WEIGHT * line[:-1] / LOG10)
