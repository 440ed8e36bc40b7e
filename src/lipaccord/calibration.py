"""The score of a finding -> a bounded log10 likelihood ratio, given how well the clip could be measured.

Two steps:

1. the **margin**: how a score lies between what the two classes give under the same conditions (seconds examined, eye
   distance, detail of the picture). Each class is a normal distribution whose mean is linear in the conditions, both of
   one spread, so the margin is linear in the score and never falls as it rises. The conditions carry no evidence by
   themselves: they only say which scores are usual, and where they leave the classes no distance the margin is 0.
2. the **shape**: the margin as a log10 likelihood ratio, by logistic regression (Bruemmer and du Preez, Computer Speech
   and Language 20, 2006), kernel densities (Silverman, Density Estimation, 1986) or pooled adjacent violators.

Then the ratio is cut off at the empirical bounds of the calibration data (`fitting.elub`).

Conventions: larger = more suspicious; class 1 is the suspicious one. Margins are natural logarithms. Numbers are kept
as JSON in the bundle (`calibration_reading`). `fitting` makes what is applied here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from lipaccord.records import FindingName

LOG10 = float(np.log(10.0))
FINDINGS: tuple[FindingName, ...] = ("sync", "resynthesis")

SCALES: dict[str, Callable[[float], float]] = {
    "speech_s": lambda value: float(np.sqrt(value)),  # agreement grows with the root of what is heard
    "face_s": lambda value: float(np.log(value)),
    "eyes_px": lambda value: float(np.log(value)),
    "detail": float,
}
"""On what scale each condition acts."""

UNSCALE: dict[str, Callable[[float], float]] = {
    "speech_s": lambda value: value**2,
    "face_s": lambda value: float(np.exp(value)),
    "eyes_px": lambda value: float(np.exp(value)),
    "detail": float,
}
"""Back from that scale."""

CONDITIONS: dict[FindingName, tuple[str, ...]] = {
    "sync": ("speech_s", "eyes_px"),
    "resynthesis": ("face_s", "eyes_px", "detail"),
}
"""What drives the reliability of each finding; the first is how much was heard or seen."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Margin:
    """How a score lies between the two classes.

    Attributes
    ----------
    conditions : tuple of str
        Keys of `SCALES`; may be empty.
    low, high : tuple of float
        Range of each condition in the calibration data, on its scale; what lies outside counts as the nearer end.
    together, apart : tuple of float
        Mean score of class 0 and 1: a constant, then the slope by each condition.
    spread : float
        Standard deviation of both classes about their means.
    """

    conditions: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    together: tuple[float, ...]
    apart: tuple[float, ...]
    spread: float

    def values(self, scores: Values, conditions: Mapping[str, Values]) -> Values:
        """Return the margins [shape=(n,)]; `conditions` are on their scales (`scaled`)."""
        columns = [np.ones_like(scores)]
        for name, low, high in zip(self.conditions, self.low, self.high, strict=True):
            columns.append(np.clip(conditions[name], low, high))
        design = np.stack(columns)
        usual, suspicious = np.array(self.together) @ design, np.array(self.apart) @ design
        distance = np.maximum(suspicious - usual, 0.0)
        result: Values = distance * (scores - (suspicious + usual) / 2) / self.spread**2
        return result

    def outside(self, conditions: Mapping[str, float]) -> tuple[str, ...]:
        """Name the conditions that lie outside of the calibration data."""
        ranges = zip(self.conditions, self.low, self.high, strict=True)
        return tuple(name for name, low, high in ranges if not low <= SCALES[name](conditions[name]) <= high)


def scaled(conditions: Mapping[str, Values]) -> dict[str, Values]:
    """Put conditions [each shape=(n,)] on the scales on which they act."""
    return {name: np.array([SCALES[name](value) for value in values]) for name, values in conditions.items()}


class Shape(Protocol):
    """Turns margins into log10 likelihood ratios."""

    def log10(self, margins: Values) -> Values:
        """Return log10 likelihood ratios, not bounded [shape=(n,)]."""
        ...


@dataclass(frozen=True, slots=True)
class Logistic:
    """A straight line."""

    slope: float
    intercept: float

    def log10(self, margins: Values) -> Values:
        """Return log10 likelihood ratios [shape=(n,)]."""
        return (self.slope * margins + self.intercept) / LOG10


@dataclass(frozen=True, slots=True)
class Kernel:
    """Two sums of Gaussian kernels: the densities of the margins of each class.

    Attributes
    ----------
    apart, together : tuple of float
        Margins of the two classes.
    apart_weights, together_weights : tuple of float
        Their weights; each class sums to one.
    apart_width, together_width : float
        Standard deviation of the kernels.
    """

    apart: tuple[float, ...]
    apart_weights: tuple[float, ...]
    apart_width: float
    together: tuple[float, ...]
    together_weights: tuple[float, ...]
    together_width: float

    def log10(self, margins: Values) -> Values:
        """Return log10 likelihood ratios [shape=(n,)]; beyond all margins of the data the ratio stays as it is there.

        Far off the wider kernels win, whatever their class, and an extreme margin would speak for the wrong side.
        """
        met = (*self.apart, *self.together)
        within = np.clip(margins, min(met), max(met))
        high = _log_density(within, self.apart, self.apart_weights, self.apart_width)
        low = _log_density(within, self.together, self.together_weights, self.together_width)
        return (high - low) / LOG10


def _log_density(margins: Values, points: tuple[float, ...], weights: tuple[float, ...], width: float) -> Values:
    distance = (margins[:, None] - np.array(points)) / width
    density: Values = logsumexp(-0.5 * distance**2, b=np.array(weights), axis=1) - np.log(width)
    return density


@dataclass(frozen=True, slots=True)
class Steps:
    """A monotone line through knots, constant beyond them: what pooling adjacent violators gives."""

    margins: tuple[float, ...]
    log10_lrs: tuple[float, ...]

    def log10(self, margins: Values) -> Values:
        """Return log10 likelihood ratios [shape=(n,)]."""
        result: Values = np.interp(margins, self.margins, self.log10_lrs)
        return result


SHAPES: dict[str, type[Logistic] | type[Kernel] | type[Steps]] = {
    "logistic": Logistic,
    "kernel": Kernel,
    "isotonic": Steps,
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A calibrated likelihood ratio.

    Attributes
    ----------
    log10_lr : float
        Within `bounds`.
    bounds : tuple of float
    at_bound : bool
        It was cut off: the data back no more.
    outside : tuple of str
        Conditions that lie outside of the calibration data; the nearest that was met stands for them.
    """

    log10_lr: float
    bounds: tuple[float, float]
    at_bound: bool
    outside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores of one finding become likelihood ratios, and how well that did.

    Attributes
    ----------
    margin : Margin
    shape : Shape
        One of `SHAPES`.
    bounds : tuple of float
        Lowest and highest log10 likelihood ratio that the data back.
    decide : tuple of float
        A status is claimed at or below the first and at or above the second (`fitting.decisions`).
    rates : dict of str to list of float
        Cross-validated: ``log10_lr``, and the share of each class, ``apart`` and ``together``, that reaches it.
    population : dict
        Who it was made from: counts of clips and groups of each class, methods, footage.
    figures : dict
        Cross-validated: ``cllr``, ``cllr_min`` and so on.
    """

    margin: Margin
    shape: Shape
    bounds: tuple[float, float]
    decide: tuple[float, float]
    rates: dict[str, list[float]]
    population: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def ratio(self, score: float, conditions: Mapping[str, float]) -> Ratio:
        """Return the likelihood ratio of one score."""
        known = {name: np.array([SCALES[name](conditions[name])]) for name in self.margin.conditions}
        raw = float(self.shape.log10(self.margin.values(np.array([score]), known))[0])
        low, high = self.bounds
        return Ratio(min(max(raw, low), high), self.bounds, not low < raw < high, self.margin.outside(conditions))

    def reaching(self, log10_lr: float) -> tuple[float, float]:
        """Return the shares of class 1 and of class 0 in the calibration data that reach a likelihood ratio."""
        grid = np.array(self.rates["log10_lr"])
        place = int(np.clip(np.searchsorted(grid, log10_lr - 1e-9), 0, len(grid) - 1))
        return self.rates["apart"][place], self.rates["together"][place]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        values = dataclasses.asdict(self)
        kind = next(name for name, shape in SHAPES.items() if isinstance(self.shape, shape))
        return values | {"shape": {"kind": kind, **values["shape"]}}


Calibrations = dict[FindingName, Calibration]
