"""The clips of a store in the order in which they should be looked at, page by page.

The order is by triage, the largest first, then by the number of the clip. Behind those come the clips that have no
triage: what was not examinable, then what failed. It is read off the index ``outcome_rank``, so that a page costs the
same wherever it begins; nothing is sorted. Clips that wait for an outcome, or have changed since, have no place in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lipaccord.archive.filters import Filter, fixed
from lipaccord.archive.store import Store

_UNRANKED = ("examined", "not_examinable", "failed")
"""Statuses of the clips without a triage, in their order."""

ALL = 1 << 62

_FROM = (
    "FROM outcome AS ranked INDEXED BY outcome_rank CROSS JOIN row ON row.id = ranked.clip AND row.method = ? {join}"
    "WHERE ranked.method = ? "
)
_LEADING = "LEFT JOIN turn AS leading ON leading.examination = ranked.examination AND leading.number = ranked.lead "
_COLUMNS = "row.*, leading.start_s, leading.end_s"
_RANKED = "AND ranked.triage IS NOT NULL AND row.status IS NOT NULL "
_PLAIN = "AND ranked.triage IS NULL AND row.status = ? "


@dataclass(frozen=True, slots=True)
class Place:
    """Where a clip stands in the order; it stays valid when the clip gets another outcome.

    Attributes
    ----------
    triage : float or None
    status : str
        Matters only where there is no triage.
    clip : int
    """

    triage: float | None
    status: str
    clip: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Place:
        """Return the place of a row of the view ``row`` that has an outcome."""
        return cls(row["triage"], row["status"], row["id"])


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of the order that one index serves: a condition with its values."""

    condition: str
    values: tuple[Any, ...]

    @property
    def ranked(self) -> bool:
        """Whether its clips have a triage; otherwise the first value is their status."""
        return self.condition.startswith(_RANKED)


def _after(place: Place | None) -> Iterator[_Part]:
    """Yield what comes behind a place, part by part; everything without one."""
    if place is None:
        yield _Part(_RANKED, ())
    elif place.triage is not None:
        behind = "AND ranked.triage <= ? AND (ranked.triage < ? OR ranked.clip > ?) "
        yield _Part(_RANKED + behind, (place.triage, place.triage, place.clip))
    reached = None if place is None or place.triage is not None else place.status
    for status in _UNRANKED:
        if reached is None:
            yield _Part(_PLAIN, (status,))
        elif status == reached and place is not None:
            yield _Part(_PLAIN + "AND ranked.clip > ? ", (status, place.clip))
            reached = None


def _before(place: Place) -> Iterator[_Part]:
    """Yield what comes in front of a place, part by part."""
    if place.triage is not None:
        front = "AND ranked.triage >= ? AND (ranked.triage > ? OR ranked.clip < ?) "
        yield _Part(_RANKED + front, (place.triage, place.triage, place.clip))
        return
    yield _Part(_RANKED, ())
    for status in _UNRANKED[: _UNRANKED.index(place.status)]:
        yield _Part(_PLAIN, (status,))
    yield _Part(_PLAIN + "AND ranked.clip < ? ", (place.status, place.clip))


class _Selection:
    """A filter made ready for the statements of the ranking."""

    def __init__(self, store: Store, chosen: Filter) -> None:
        self._connection = store.connection
        self._status, self._least = chosen.status, chosen.least_triage
        self._method, condition, self._values = fixed(store, chosen)
        self._condition = f"AND {condition} "

    def can_hold(self, part: _Part) -> bool:
        """Tell whether a part may hold clips that are meant: only what was examined has a triage."""
        if part.ranked:
            return self._status in {None, "examined"}
        return self._least is None and self._status in {None, part.values[0]}

    def statement(self, part: _Part, most: int, *, only_count: bool = False) -> tuple[str, tuple[Any, ...]]:
        """Return the statement for what a part holds, in order, with its values."""
        values: tuple[Any, ...] = (self._method.digest, self._method.id, *part.values, *self._values)
        least = ""
        if self._least is not None:  # once more, where the index can use it
            least, values = "AND ranked.triage >= ? ", (*values, self._least)
        columns, join = ("1", "") if only_count else (_COLUMNS, _LEADING)
        order = "ORDER BY ranked.triage DESC, ranked.clip" if part.ranked else "ORDER BY ranked.clip"
        found = f"{_FROM.format(join=join)}{part.condition}{self._condition}{least}"
        return f"SELECT {columns} {found}{order} LIMIT ?", (*values, most)

    def rows(self, part: _Part, most: int) -> list[sqlite3.Row]:
        return self._connection.execute(*self.statement(part, most)).fetchall()

    def count(self, parts: Iterator[_Part], most: int) -> int:
        total = 0
        for part in filter(self.can_hold, parts):
            text, values = self.statement(part, most - total, only_count=True)
            total += self._connection.execute(f"SELECT count(*) FROM ({text})", values).fetchone()[0]
        return total


def top(
    store: Store, chosen: Filter, limit: int, after: Place | None = None, *, ranked_only: bool = False
) -> list[Mapping[str, Any]]:
    """Return one page of the order.

    Parameters
    ----------
    store : Store
    chosen : Filter
    limit : int
        Clips of a page.
    after : Place, optional
        Of the last clip of the page before; otherwise the first page.
    ranked_only : bool
        Leave out the clips without a triage.

    Returns
    -------
    list of mapping
        Rows of the view ``row``, and ``start_s`` and ``end_s`` of the turn that leads (None: the whole clip).

    Raises
    ------
    ArchiveError
        The store holds no such method.
    """
    selection = _Selection(store, chosen)
    rows: list[Mapping[str, Any]] = []
    for part in filter(selection.can_hold, _after(after)):
        if len(rows) >= limit or (ranked_only and not part.ranked):
            break
        rows += map(dict, selection.rows(part, limit - len(rows)))
    return rows


def count(store: Store, chosen: Filter, most: int = ALL) -> int:
    """Return how many clips have a place in the order; counting ends at `most`.

    Raises
    ------
    ArchiveError
        The store holds no such method.
    """
    return _Selection(store, chosen).count(_after(None), most)


def position(store: Store, chosen: Filter, place: Place, most: int = ALL) -> int:
    """Return how many clips stand in front of a place; counting ends at `most`.

    Raises
    ------
    ArchiveError
        The store holds no such method.
    """
    return _Selection(store, chosen).count(_before(place), most)
