"""Read JSON that somebody else may have written: one object, of bounded size and depth, or a plain error.

Beyond what the standard library checks, a name must not come twice in an object (which of the two values holds would
depend on the reader), every number must be finite, and neither depth nor the count of objects and lists may be such
that the values take far more memory than the text.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from lipaccord.errors import VerificationError

MAX_BYTES = 512 * 1024 * 1024
"""More than twice what an analysis of two hours takes."""
MAX_DEPTH = 32
MAX_GROUPS = 1_000_000
"""Objects and lists: each takes a hundred bytes or so, however short its text is."""
_GROUPS = {dict, list}
REMEDY = "use the report as lipaccord wrote it"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"the name {name[:40]!r} comes twice in one object")
        values[name] = value
    return values


def _check(value: object) -> None:
    """Raise ValueError where groups are nested too deeply, or a number is too large to be one (1e999)."""
    level: list[dict[str, Any] | list[Any]] = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        contents = [list(group.values()) if isinstance(group, dict) else group for group in level]
        if any(math.inf in items or -math.inf in items for items in contents):
            raise ValueError("it holds a number beyond those of a double")
        # Most lists are long series of numbers, which are left at once.
        level = [
            item
            for items in contents
            if not _GROUPS.isdisjoint(map(type, items))
            for item in items
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def read_object(data: bytes, name: str) -> dict[str, Any]:
    """Read one JSON object.

    Parameters
    ----------
    data : bytes
        UTF-8.
    name : str
        Of the file or part, for messages.

    Raises
    ------
    VerificationError
        It is too large, not UTF-8, not JSON, nested too deeply, names something twice, or is no object.
    """
    if len(data) > MAX_BYTES:
        raise VerificationError(f"{name} is larger than any analysis ({len(data):,} bytes); {REMEDY}")
    if data.count(b"{") + data.count(b"[") > MAX_GROUPS:
        raise VerificationError(f"{name} holds more than {MAX_GROUPS:,} lists and objects; {REMEDY}")
    try:
        values = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        _check(values)
    except RecursionError:
        raise VerificationError(f"{name} can't be read: it is nested more than {MAX_DEPTH} deep; {REMEDY}") from None
    except ValueError as error:  # not UTF-8, not JSON, or as above
        raise VerificationError(f"{name} can't be read: {error}; {REMEDY}") from error
    if not isinstance(values, dict):
        raise VerificationError(f"{name} is a {type(values).__name__} and no object of JSON; {REMEDY}")
    return values
