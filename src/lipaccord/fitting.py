"""Labelled scores -> a calibration: fitted, chosen by cross-validation, and bounded by what the data back.

Every combination of a margin (no condition, each condition, all) and a shape is a candidate. Clips are judged by a
calibration that has seen nothing of their group, and the candidate of the lowest Cllr is taken; where that choice is
part of what is judged, it is made anew inside each fold. The first candidate is a straight line given how much was
heard or seen, which is known to matter; it is kept unless another is better by `WORTHWHILE` bits.

Every group counts once in each class, however many clips it has: ten clips of one person are not ten persons. So the
bounds grow with the number of people, not of clips.

Shapes and bounds are those of `shaping`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.calibration import CONDITIONS, Calibration, Margin, Shape, Values
from lipaccord.errors import CalibrationError
from lipaccord.manifest import fold_of
from lipaccord.metrics import auc, cllr, cllr_min, eer
from lipaccord.records import FindingName
from lipaccord.shaping import FITS, STEP, elub

OUTER_FOLDS, INNER_FOLDS = 10, 5
WORTHWHILE = 0.02  # bits
MIN_GROUPS = 8  # of each class
WEAKEST_CLAIM = 0.5  # log10: no status rests on less
TOLERATED = 0.02  # share of the other class that may reach a claim
GRID = np.round(np.arange(-3.0, 3.0 + STEP / 2, STEP), 2)
PRIOR_GROUPS = 1.0  # groups' worth of a class mean by which slopes on conditions are held towards zero

Mask = NDArray[np.bool_]
Rescore = Callable[[Mask], Values]


@dataclass(frozen=True, slots=True)
class Sample:
    """Labelled scores of one finding.

    Attributes
    ----------
    scores : ndarray [shape=(n,)]
    truth : ndarray [shape=(n,)]
        1 for the suspicious class.
    groups : ndarray of str [shape=(n,)]
    conditions : dict of str to ndarray [shape=(n,)]
        On their scales.
    weights : ndarray [shape=(n,)]
        How often a clip counts within its group and class.
    """

    scores: Values
    truth: Values
    groups: NDArray[np.str_]
    conditions: dict[str, Values]
    weights: Values

    def part(self, chosen: Mask) -> Sample:
        """Return some of the clips."""
        conditions = {name: values[chosen] for name, values in self.conditions.items()}
        return Sample(self.scores[chosen], self.truth[chosen], self.groups[chosen], conditions, self.weights[chosen])

    @property
    def equal(self) -> Values:
        """Weights by which every group counts once in each class [shape=(n,)]."""
        _, person = np.unique(self.groups, return_inverse=True)
        place = 2 * person + self.truth.astype(np.intp)
        result: Values = self.weights / np.bincount(place, self.weights)[place]
        return result

    def split(self, values: Values) -> tuple[Values, Values]:
        """Return values of the suspicious class, and of the other."""
        return values[self.truth == 1], values[self.truth == 0]

    def groups_of(self, label: int) -> set[str]:
        """Return the groups of one class."""
        return set(self.groups[self.truth == label].tolist())


def _class_means(sample: Sample, names: Sequence[str], weights: Values) -> tuple[Values, Values, Values]:
    """Regress the scores of each class on the conditions; return both lines and the deviations from them."""
    centre = {name: np.average(sample.conditions[name], weights=weights) for name in names}
    scale = {
        name: max(float(np.sqrt(np.average((sample.conditions[name] - centre[name]) ** 2, weights=weights))), 1e-6)
        for name in names
    }
    design = np.column_stack(
        [np.ones_like(sample.scores), *[(sample.conditions[n] - centre[n]) / scale[n] for n in names]]
    )
    penalty = np.diag([0.0] + [PRIOR_GROUPS] * len(names))
    lines, left = [], np.zeros_like(sample.scores)
    for label in (0, 1):
        own = sample.truth == label
        heavy = design[own] * weights[own, None]
        standard = np.linalg.solve(heavy.T @ design[own] + penalty, heavy.T @ sample.scores[own])
        left[own] = sample.scores[own] - design[own] @ standard
        slopes = standard[1:] / [scale[name] for name in names]
        lines.append(np.concatenate([[standard[0] - slopes @ [centre[name] for name in names]], slopes]))
    return lines[0], lines[1], left


def fit_margin(sample: Sample, names: Sequence[str]) -> Margin:
    """Fit how a score lies between the classes under some conditions."""
    weights = sample.equal
    together, apart, left = _class_means(sample, names, weights)
    parts = [
        np.average(side**2, weights=weight)
        for side, weight in zip(sample.split(left), sample.split(weights), strict=True)
    ]
    return Margin(
        conditions=tuple(names),
        low=tuple(float(sample.conditions[name].min()) for name in names),
        high=tuple(float(sample.conditions[name].max()) for name in names),
        together=tuple(together.tolist()),
        apart=tuple(apart.tolist()),
        spread=max(float(np.sqrt(np.mean(parts))), 1e-6),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A margin and a shape to be tried."""

    conditions: tuple[str, ...]
    shape: str

    def fit(self, sample: Sample) -> tuple[Margin, Shape]:
        """Fit both."""
        margin = fit_margin(sample, self.conditions)
        margins = margin.values(sample.scores, sample.conditions)
        return margin, FITS[self.shape](margins, sample.truth, sample.equal)

    def log10(self, seen: Sample, judged: Sample) -> Values:
        """Judge some clips by what was fitted on others; not bounded [shape=(n,)]."""
        margin, shape = self.fit(seen)
        return shape.log10(margin.values(judged.scores, judged.conditions))

    def __str__(self) -> str:
        return f"{self.shape}, {' and '.join(self.conditions) or 'no conditions'}"


def candidates(finding: FindingName) -> list[Candidate]:
    """List what is tried: first what is expected, then without conditions, with another, and with all."""
    names = CONDITIONS[finding]
    sets = [names[:1], (), *[(name,) for name in names[1:]], names]
    return [Candidate(conditions, shape) for conditions in sets for shape in FITS]


def _folds(sample: Sample, count: int) -> Iterator[Mask]:
    """Yield which clips are judged, fold by fold; a group is never split."""
    folds = fold_of(sample.groups.tolist(), count)
    numbers = np.array([folds[group] for group in sample.groups.tolist()])
    for number in range(count):
        judged = numbers == number
        if judged.any() and not judged.all() and len(set(sample.truth[~judged])) == 2:
            yield judged


def cross_fitted(sample: Sample, folds: int, judge: Callable[[Sample, Sample], Values]) -> Values:
    """Judge every clip by what saw nothing of its group [shape=(n,)]."""
    result = np.zeros_like(sample.scores)
    for judged in _folds(sample, folds):
        result[judged] = judge(sample.part(~judged), sample.part(judged))
    return result


def cost(sample: Sample, log10_lrs: Values, metric: Callable[..., float] = cllr) -> float:
    """Cllr, or another metric, with every group counting once in each class."""
    heavy, light = sample.split(sample.equal)
    found: float = metric(*sample.split(log10_lrs), positive_weights=heavy, negative_weights=light)
    return found


def choose(sample: Sample, finding: FindingName) -> Candidate:
    """Choose the candidate of the lowest cross-validated cost, the first of those that are as good."""
    best, lowest = None, np.inf
    for candidate in candidates(finding):
        found = cost(sample, cross_fitted(sample, INNER_FOLDS, candidate.log10))
        if best is None or found < lowest - WORTHWHILE:
            best, lowest = candidate, found
    assert best is not None  # there are always candidates
    return best


def decisions(sample: Sample, log10_lrs: Values) -> tuple[float, float]:
    """Find the ratios from which on a status is claimed.

    At least `WEAKEST_CLAIM` either way, and so strong that at most `TOLERATED` of the other class reaches it, groups
    counting once.
    """
    weights = sample.equal
    ends = []
    for label, sign in ((1, -1.0), (0, 1.0)):
        other = sample.truth == label
        values, heavy = sign * log10_lrs[other], weights[other]
        order = np.argsort(-values)
        reached = np.cumsum(heavy[order]) / heavy.sum()
        beyond = values[order][reached > TOLERATED]
        strictest = float(beyond[0]) + STEP if len(beyond) else -np.inf
        ends.append(sign * max(WEAKEST_CLAIM, strictest))
    return ends[0], ends[1]


def _rates(sample: Sample, log10_lrs: Values) -> dict[str, list[float]]:
    heavy, light = sample.split(sample.equal)
    high, low = sample.split(log10_lrs)
    return {
        "log10_lr": GRID.tolist(),
        "apart": [float(heavy[high >= x - 1e-9].sum() / heavy.sum()) for x in GRID],
        "together": [float(light[low >= x - 1e-9].sum() / light.sum()) for x in GRID],
    }


def _as_given(sample: Sample) -> Rescore:
    return lambda seen: sample.scores


def calibrate(
    sample: Sample, finding: FindingName, population: dict[str, Any], rescore: Rescore | None = None
) -> tuple[Calibration, Values]:
    """Make the calibration of one finding.

    Parameters
    ----------
    sample : Sample
        With both classes.
    finding : str
    population : dict
        Who the sample is, to be kept with the calibration; JSON values.
    rescore : callable, optional
        Where the scores themselves were fitted on these groups: gives every clip a score made without its group, by the
        clips that it is told of alone (a mask) [shape=(n,)].

    Returns
    -------
    Calibration
    ndarray [shape=(n,)]
        The bounded log10 likelihood ratio of every clip, by a calibration that has seen nothing of its group.

    Raises
    ------
    CalibrationError
        A class has too few groups.
    """
    counts = [len(sample.groups_of(label)) for label in (1, 0)]
    if min(counts) < MIN_GROUPS:
        raise CalibrationError(
            f"too few groups to calibrate {finding}: {counts[0]} with the suspicious class and {counts[1]} with the "
            f"other; at least {MIN_GROUPS} of each are needed: add clips of other people or sources"
        )
    scored = rescore or _as_given(sample)
    free = np.zeros_like(sample.scores)
    for judged in _folds(sample, OUTER_FOLDS):
        within = dataclasses.replace(sample, scores=scored(~judged))
        seen = within.part(~judged)
        free[judged] = choose(seen, finding).log10(seen, within.part(judged))
    sample = dataclasses.replace(sample, scores=scored(np.ones(len(free), bool)))
    heavy, light = sample.split(sample.equal)
    bounds = elub(*sample.split(free), positive_weights=heavy, negative_weights=light)
    bounded: Values = np.clip(free, *bounds)
    chosen = choose(sample, finding)
    margin, shape = chosen.fit(sample)
    figures = {
        "candidate": str(chosen),
        "cllr": cost(sample, bounded),
        "cllr_min": cost(sample, bounded, cllr_min),
        "cllr_unbounded": cost(sample, free),
        "auc": cost(sample, bounded, auc),
        "eer": cost(sample, bounded, eer),
        "candidates": {
            str(one): cost(sample, cross_fitted(sample, INNER_FOLDS, one.log10)) for one in candidates(finding)
        },
    }
    decide = decisions(sample, bounded)
    made = Calibration(margin, shape, bounds, decide, _rates(sample, bounded), population, figures)
    return made, bounded
