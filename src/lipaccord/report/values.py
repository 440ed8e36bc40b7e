"""Values of every kind -> JSON values, with numbers as fine as they are known.

Conventions: every time (its name ends in ``_s``) is rounded to a microsecond, every other number to 7 significant
digits, which is what float32 carries. NaN and infinities are null.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIME_DECIMALS = 6
SIGNIFICANT_DIGITS = 7
SMALLEST_WHOLE = 1e-4
"""From here on a float32 times a power of ten lies never so near to a half that a double could not tell."""
LARGEST_WHOLE = 2**53 - 1
"""What a double, and so JSON, holds exactly."""


def _number(value: float, name: str) -> float | None:
    """Round a number by the unit that its name states; None where JSON has no word for it."""
    if not math.isfinite(value):
        return None
    rounded = round(value, TIME_DECIMALS) if name.endswith("_s") else float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return rounded + 0.0  # minus zero becomes zero


def _rounded(array: NDArray[np.float32]) -> list[float | None]:
    """Round to significant digits as `_number` does, many at a time [shape=(n,)].

    Rounding to significant digits is exact where the power of ten that makes them whole is: elsewhere, and beyond the
    reach of the doubles' own digits, each number is rounded by itself.
    """
    values = array.astype(np.float64)
    size = np.abs(values)
    usual = (size >= SMALLEST_WHOLE) & (size < 10.0 ** (SIGNIFICANT_DIGITS - 1))
    places = SIGNIFICANT_DIGITS - 1 - np.floor(np.log10(np.where(usual, size, 1.0)))
    whole = np.rint(np.where(usual, values, 0.0) * 10.0**places)
    usual &= (np.abs(whole) >= 10.0 ** (SIGNIFICANT_DIGITS - 1)) & (np.abs(whole) < 10.0**SIGNIFICANT_DIGITS)
    rounded: list[float | None] = (whole / 10.0**places).tolist()
    for place in np.flatnonzero(~usual).tolist():
        rounded[place] = _number(float(values[place]), "")
    return rounded


def json_values(value: object, name: str = "") -> Any:
    """Turn a value into JSON values.

    The members of a list share its name; a mapping keeps its order, and text that is no Unicode (a path's
    stray bytes) is written with escapes.
    """
    if isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 1 and not name.endswith("_s"):
        return _rounded(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > LARGEST_WHOLE):
        return _number(float(value), name)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {json_values(str(key)): json_values(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item, name) for item in value]
    raise TypeError(f"{name or 'a value'} is a {type(value).__name__}, which is no JSON value")
