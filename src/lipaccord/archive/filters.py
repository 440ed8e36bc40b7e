"""Which clips of a store are meant, and by which method: conditions over the view ``row``, with bound values.

What a user writes is never part of a statement: every condition is a fixed text with places for values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from lipaccord.archive.store import Store
from lipaccord.errors import ArchiveError
from lipaccord.report.wording import STATUS_WORDS, plain

RowStatus = Literal["examined", "not_examinable", "failed", "waiting"]
Decided = Literal["confirm", "dismiss", "unsure", "undecided"]

_ALLOWED: dict[str, tuple[str, ...]] = {
    "status": get_args(RowStatus),
    "sync_status": tuple(STATUS_WORDS),
    "resynthesis_status": tuple(STATUS_WORDS),
    "verdict": get_args(Decided),
}
_CONDITIONS = {
    "status": "row.status = ?",
    "sync_status": "row.sync_status = ?",
    "resynthesis_status": "row.resynthesis_status = ?",
    "speaker": "row.speaker = ?",
    "since": "row.date >= ?",
    "until": "row.date < ?",
    "cue": "EXISTS (SELECT 1 FROM json_each(row.cues) AS one WHERE one.value = ?)",
    "reason": "EXISTS (SELECT 1 FROM json_each(row.reasons) AS one WHERE one.value = ?)",
    "error": "row.error = ?",
    "text": "row.name LIKE ? ESCAPE '!'",
    "verdict": "row.verdict = ?",
    "least_triage": "row.triage >= ?",
}
_WITHOUT_VALUE = {("status", "waiting"): "row.status IS NULL", ("verdict", "undecided"): "row.verdict IS NULL"}
_HIGHEST = chr(0x10FFFF)  # sorts behind whatever else begins alike: until 2020 takes in 2020-12-31
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # of characters; no text, and no byte of a path either


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method as a store knows it.

    Attributes
    ----------
    id : int
    digest, bundle, version : str
    """

    id: int
    digest: str
    bundle: str
    version: str

    def __str__(self) -> str:
        return plain(f"{self.digest} (bundle {self.bundle}, lipaccord {self.version})")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which clips are meant; what is None does not matter.

    Attributes
    ----------
    method : str or None
        Digest of a method, or the beginning of one; None: the newest that has outcomes.
    status : str or None
        ``examined``, ``not_examinable``, ``failed``, or ``waiting`` (no outcome yet).
    sync_status, resynthesis_status : str or None
    speaker : str or None
    since, until : str or None
        First and last date, as ISO text; ``2020`` takes in the whole year.
    cue : str or None
        One that stands out.
    reason : str or None
        Code of a reason why something could not be examined.
    error : str or None
        Class of an error.
    text : str or None
        Part of the name, in upper or lower case.
    verdict : str or None
        ``confirm``, ``dismiss``, ``unsure`` or ``undecided``.
    least_triage : float or None

    Raises
    ------
    ArchiveError
        A value is none of those that there are.
    """

    method: str | None = None
    status: RowStatus | None = None
    sync_status: str | None = None
    resynthesis_status: str | None = None
    speaker: str | None = None
    since: str | None = None
    until: str | None = None
    cue: str | None = None
    reason: str | None = None
    error: str | None = None
    text: str | None = None
    verdict: Decided | None = None
    least_triage: float | None = None

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise ArchiveError(f"{value!r} is no {name.replace('_', ' ')}; choose {', '.join(allowed)}")
        if self.least_triage is not None and not math.isfinite(self.least_triage):
            raise ArchiveError(f"{self.least_triage} is no triage; give a number, for instance 0.5")

    def where(self) -> tuple[str, tuple[Any, ...]]:
        """Return a condition over the view ``row`` and the values for its places; the method is not in it."""
        conditions: list[str] = []
        values: list[Any] = []
        for name, condition in _CONDITIONS.items():
            value = getattr(self, name)
            if value is None:
                continue
            if (name, value) in _WITHOUT_VALUE:
                conditions.append(_WITHOUT_VALUE[name, value])
                continue
            conditions.append(condition)
            values.append(_bound(name, value))
        return " AND ".join(conditions) or "TRUE", tuple(values)


def _bound(name: str, value: Any) -> Any:
    if name == "text":
        for special in "!%_":
            value = value.replace(special, "!" + special)
        return f"%{storable(value)}%"
    if name == "until":
        return storable(value) + _HIGHEST
    return storable(value) if isinstance(value, str) else value


def storable(text: str) -> str:
    """Write a text as names stand in a store; bytes that are no UTF-8 become escapes."""
    return _HALVES.sub("\ufffd", text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def from_query(query: Mapping[str, str]) -> Filter:
    """Make a filter of texts by name, as a query of a web page has them; empty ones and other names do not matter.

    Raises
    ------
    ArchiveError
        A value is none of those that there are.
    """
    given: dict[str, Any] = {field.name: query[field.name] for field in fields(Filter) if query.get(field.name)}
    if "least_triage" in given:
        try:
            given["least_triage"] = float(given["least_triage"])
        except ValueError:
            raise ArchiveError(f"{given['least_triage']!r} is no triage; give a number, for instance 0.5") from None
    return Filter(**given)


def methods(store: Store) -> list[MethodRow]:
    """Return the methods that have outcomes, the newest first."""
    rows = store.connection.execute(
        "SELECT id, digest, bundle, version FROM method "
        "WHERE EXISTS (SELECT 1 FROM outcome WHERE outcome.method = method.id) ORDER BY id DESC"
    )
    return [MethodRow(**row) for row in rows]


def chosen_method(store: Store, digest: str | None) -> MethodRow:
    """Return the method that a digest or its beginning names; without one, the newest that has outcomes.

    Raises
    ------
    ArchiveError
        There is none, or more than one.
    """
    known = methods(store)
    if not known:
        raise ArchiveError(f"the store {store.path} holds no outcome yet; run `lipaccord archive score` first")
    if digest is None:
        return known[0]
    found = [method for method in known if method.digest.startswith(digest.lower())]
    if len(found) == 1:
        return found[0]
    there = "; ".join(map(str, found or known))
    number = "several methods" if found else "no method"
    raise ArchiveError(f"{number} of the store {store.path} begins with {digest!r}; name one of: {there}")


def fixed(store: Store, chosen: Filter) -> tuple[MethodRow, str, tuple[Any, ...]]:
    """Return the method of a filter, and its condition with the values.

    Raises
    ------
    ArchiveError
        There is no such method.
    """
    condition, values = chosen.where()
    return chosen_method(store, chosen.method), condition, values
