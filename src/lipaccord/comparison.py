"""Two analyses as JSON values, compared value by value, and what a verification comes to.

Texts, whole numbers, truth values and nulls must be equal. Other numbers may differ by `RELATIVE` of the larger one or
by `ABSOLUTE`, whichever is more: they are kept to 7 significant digits (times to a microsecond), of which the last two
depend on the order in which a processor adds float32, and so on its kind. A name or an item more or less is a
difference.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any

RELATIVE, ABSOLUTE = 1e-5, 1e-6
MAX_SHOWN = 60
"""Characters of a value that a difference shows."""
_SERIES = {float, NoneType}
_SIMPLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same.

    Attributes
    ----------
    path : str
        Where it stands, as ``findings.sync.cues.sync.frames_s[2]``.
    was, now : str
        The value in the report and that of the repetition, as JSON, shortened; "absent" where there is none.
    """

    path: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.path}: was {self.was}, is {self.now}"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked, whether it holds, and what is to be said about it."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What repeating an analysis came to.

    Attributes
    ----------
    reproduced : bool
        Every check holds.
    checks : tuple of Check
        ``report``, ``schema``, ``clip``, ``bundle``, ``versions`` and ``numbers``, in this order.
    differences : tuple of Difference
        Values that differ, at most 20; the check ``numbers`` says how many there are.
    """

    reproduced: bool
    checks: tuple[Check, ...]
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        failed = ", ".join(check.name for check in self.checks if not check.ok)
        return "reproduced" if self.reproduced else f"not reproduced: {failed}"


def differences(was: Any, now: Any, path: str = "") -> Iterator[Difference]:
    """Yield where two JSON values differ by more than the tolerance, in the order of the first.

    Parameters
    ----------
    was, now
        Values as `json.loads` gives them.
    path : str
        Where they stand.
    """
    if isinstance(was, dict) and isinstance(now, dict):
        yield from _between_objects(was, now, path)
    elif isinstance(was, list) and isinstance(now, list):
        yield from _between_lists(was, now, path)
    elif not (type(was) is type(now) and was == now) and not _close(was, now):
        yield Difference(path, _shown(was), _shown(now))


def _between_lists(was: list[Any], now: list[Any], path: str) -> Iterator[Difference]:
    if len(was) != len(now):
        yield Difference(path, _items(was), _items(now))
    elif not _same_series(was, now):
        for place, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")


def _same_series(was: list[Any], now: list[Any]) -> bool:
    """Tell at once whether two long series are equal; Python's own comparison takes True for 1."""
    return set(map(type, was)) <= _SERIES and set(map(type, now)) <= _SERIES and was == now


def _between_objects(was: dict[str, Any], now: dict[str, Any], path: str) -> Iterator[Difference]:
    for name in [*was, *(name for name in now if name not in was)]:
        place = _joined(path, name)
        if name not in now:
            yield Difference(place, _shown(was[name]), "absent")
        elif name not in was:
            yield Difference(place, "absent", _shown(now[name]))
        else:
            yield from differences(was[name], now[name], place)


def _close(was: Any, now: Any) -> bool:
    """Tell whether two numbers, not both whole, are the same within the tolerance."""
    kinds = {type(was), type(now)}
    if kinds - {int, float} or kinds == {int}:
        return False
    return math.isclose(was, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _joined(path: str, name: str) -> str:
    if not _SIMPLE.fullmatch(name):
        return f"{path}[{json.dumps(name[:MAX_SHOWN])}]"
    return f"{path}.{name}" if path else name


def _items(values: list[Any]) -> str:
    return f"{len(values)} item{'' if len(values) == 1 else 's'}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return _items(value)
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
