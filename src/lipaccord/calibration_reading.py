"""The calibrations of a bundle, read with suspicion: everything in it may be damaged or made to mislead.

What is read fits together: ratios never fall as the margin rises, bounds and claims enclose 1, rates are shares, and
the population says how many people stand behind them. Whatever does not is refused as a whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np

from lipaccord.calibration import (
    FINDINGS,
    SCALES,
    SHAPES,
    Calibration,
    Calibrations,
    Kernel,
    Logistic,
    Margin,
    Shape,
    Steps,
)
from lipaccord.errors import BundleError
from lipaccord.records import FindingName

Made = TypeVar("Made")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"a {type(value).__name__} stands where a list of numbers belongs")
    return tuple(_number(item) for item in value)


def _filled(kind: type[Made], values: Mapping[str, Any], **known: Any) -> Made:
    """Make a record of numbers and lists of numbers from its fields, all of which must be there, and no other."""
    read = {one.name: _number if one.type == "float" else _numbers for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**known, **{name: read[name](value) for name, value in values.items()})


def _rises(values: tuple[float, ...]) -> bool:
    return all(first <= second for first, second in pairwise(values))


def _fits(shape: Shape) -> bool:
    """Tell whether the parts of a shape fit each other, and its ratios never fall where they must not."""
    if isinstance(shape, Logistic):
        return shape.slope >= 0
    if isinstance(shape, Steps):
        same = len(shape.margins) == len(shape.log10_lrs) > 0
        return same and _rises(shape.margins) and _rises(shape.log10_lrs)
    assert isinstance(shape, Kernel)  # there is no other
    classes = ((shape.apart, shape.apart_weights), (shape.together, shape.together_weights))
    weighed = all(len(points) == len(w) > 0 and min(w) >= 0 and sum(w) > 0 for points, w in classes)
    return weighed and shape.apart_width > 0 and shape.together_width > 0


def _pair(value: Any) -> tuple[float, float]:
    low, high = _numbers(value)
    return low, high


def _rates(values: Mapping[str, Any]) -> dict[str, list[float]]:
    rates = {name: list(_numbers(values[name])) for name in ("log10_lr", "apart", "together")}
    if len({len(rate) for rate in rates.values()}) != 1 or not rates["log10_lr"]:
        raise ValueError("the rates are of different lengths")
    shares = rates["apart"] + rates["together"]
    if not _rises(tuple(rates["log10_lr"])) or min(shares) < 0 or max(shares) > 1:
        raise ValueError("the rates are no shares by rising ratios")
    return rates


def _population(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check what findings and evaluations are worded from."""
    counts = [values[f"{name}_groups"] for name in ("suspicious", "innocent")]
    if not all(isinstance(count, int) for count in counts) or not isinstance(values["groups"], list | tuple):
        raise ValueError("the population does not say its groups")
    return dict(values)


def _read(values: Mapping[str, Any]) -> Calibration:
    margin, shape = dict(values["margin"]), dict(values["shape"])
    names = tuple(str(name) for name in margin.pop("conditions"))
    read_margin = _filled(Margin, margin, conditions=names)
    sizes = {len(read_margin.low), len(read_margin.high), len(read_margin.together) - 1, len(read_margin.apart) - 1}
    turned = any(low > high for low, high in zip(read_margin.low, read_margin.high, strict=False))
    if sizes != {len(names)} or set(names) - set(SCALES) or read_margin.spread <= 0 or turned:
        raise ValueError("the margin does not fit its conditions")
    made = _filled(SHAPES[shape.pop("kind")], shape)
    bounds, decide = _pair(values["bounds"]), _pair(values["decide"])
    if not bounds[0] <= 0 <= bounds[1] or not decide[0] < 0 < decide[1]:
        raise ValueError("the bounds or the decisions do not enclose 0")
    if not _fits(made):
        raise ValueError("the parts of the shape do not fit each other")
    rates, population = _rates(values["rates"]), _population(values["population"])
    return Calibration(read_margin, made, bounds, decide, rates, population, dict(values["figures"]))


def load_calibrations(values: Mapping[str, Any]) -> Calibrations:
    """Read the calibrations of a bundle; a finding without one is missing.

    Raises
    ------
    BundleError
        A number is missing, not finite or out of place.
    """
    try:
        found = dict(values["findings"])
        if set(found) - set(FINDINGS):
            raise ValueError(f"there is no finding {(set(found) - set(FINDINGS)).pop()!r}")
        return {cast(FindingName, name): _read(one) for name, one in found.items()}
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise BundleError(f"the bundle's calibration.json is damaged ({error}); use an unaltered bundle") from error
