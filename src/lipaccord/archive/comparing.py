"""What became different between two methods, clip by clip: statuses, triage, likelihood ratios and ranks.

Clips are read in one pass side by side; what stays in memory are two numbers a clip for the ranks and as many for each
likelihood ratio.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lipaccord.archive.filters import MethodRow, chosen_method, methods
from lipaccord.archive.store import Store
from lipaccord.errors import ArchiveError

if TYPE_CHECKING:
    import numpy as np

SCHEMA = "lipaccord/archive-comparison/1"
MOST = 20
"""Clips that are named of those that changed, moved, or were examined by one method only."""

STATUSES = ("status", "sync_status", "resynthesis_status")
NUMBERS = ("triage", "sync_log10_lr", "resynthesis_log10_lr")
_FEWEST = 3  # pairs that have a rank correlation
_COLUMNS = (*STATUSES, *NUMBERS)


@dataclass(slots=True)
class _Pairs:
    """The numbers of the clips that have one by both methods."""

    clips: array[int] = field(default_factory=lambda: array("q"))
    first: array[float] = field(default_factory=lambda: array("d"))
    second: array[float] = field(default_factory=lambda: array("d"))

    def add(self, clip: int, first: float | None, second: float | None) -> None:
        if first is not None and second is not None:
            self.clips.append(clip)
            self.first.append(first)
            self.second.append(second)

    def values(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        import numpy as np

        return np.array(self.first), np.array(self.second)


@dataclass(slots=True)
class _Named:
    """Counts clips, and names the first of them."""

    most: int
    number: int = 0
    clips: list[dict[str, Any]] = field(default_factory=list)

    def add(self, clip: dict[str, Any]) -> None:
        self.number += 1
        if len(self.clips) < self.most:
            self.clips.append(clip)

    def to_dict(self) -> dict[str, Any]:
        return {"number": self.number, "clips": self.clips}


def _two(store: Store, first: str | None, second: str | None) -> tuple[MethodRow, MethodRow]:
    """Return the methods to compare, by default the newest with the one before it."""
    if first is not None and second is not None:
        chosen = chosen_method(store, first), chosen_method(store, second)
        if chosen[0] == chosen[1]:
            raise ArchiveError(f"both are the method {chosen[0]}; name two")
        return chosen
    known = methods(store)
    if len(known) < 2:
        raise ArchiveError(
            f"the store {store.path} holds outcomes of {len(known)} method{'' if len(known) == 1 else 's'}, and it "
            "takes two to compare; score it once more with another bundle or other settings"
        )
    return known[1], known[0]


def _side_by_side(store: Store, first: int, second: int) -> Iterator[Mapping[str, Any]]:
    """Yield every clip with an outcome by either method, and the columns of both; ``a_`` and ``b_`` in front."""
    columns = ", ".join(f"{side}.{name} AS {side}_{name}" for side in "ab" for name in _COLUMNS)
    return store.connection.execute(
        f"SELECT clip.id, clip.name, {columns} FROM clip "
        "LEFT JOIN outcome AS a ON a.method = ? AND a.clip = clip.id AND a.mark = clip.mark "
        "LEFT JOIN outcome AS b ON b.method = ? AND b.clip = clip.id AND b.mark = clip.mark "
        "WHERE a.clip IS NOT NULL OR b.clip IS NOT NULL ORDER BY clip.id",
        (first, second),
    )


def _differences(pairs: _Pairs) -> dict[str, Any]:
    """Say by how much numbers grew from the first method to the second, and how alike they rank."""
    if not pairs.clips:
        return {"clips": 0, "low": None, "median": None, "high": None, "rank_correlation": None}
    import numpy as np

    first, second = pairs.values()
    low, median, high = np.quantile(second - first, (0.05, 0.5, 0.95)).tolist()
    alike = None
    if len(first) >= _FEWEST and np.ptp(first) > 0 and np.ptp(second) > 0:
        from scipy.stats import spearmanr

        alike = float(spearmanr(first, second).statistic)
    return {"clips": len(first), "low": low, "median": median, "high": high, "rank_correlation": alike}


def _moved(store: Store, pairs: _Pairs, most: int) -> list[dict[str, Any]]:
    """Name the clips whose rank by triage moved most, among those that have one by both methods."""
    if not pairs.clips:
        return []
    from scipy.stats import rankdata

    first, second = (rankdata(-values, method="min").astype(int) for values in pairs.values())
    moves = abs(second - first)
    places = heapq.nsmallest(most, moves.nonzero()[0].tolist(), key=lambda place: (-moves[place], place))
    return [
        {
            "id": pairs.clips[place],
            "name": _name(store, pairs.clips[place]),
            "rank": [int(first[place]), int(second[place])],
            "triage": [pairs.first[place], pairs.second[place]],
        }
        for place in places
    ]


def _name(store: Store, clip: int) -> str:
    return str(store.connection.execute("SELECT name FROM clip WHERE id = ?", (clip,)).fetchone()["name"])


class _Comparison:
    """Takes the clips one by one."""

    def __init__(self, most: int) -> None:
        self.crossed: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in STATUSES}
        self.pairs = {name: _Pairs() for name in NUMBERS}
        self.changed, self.only_first, self.only_second = _Named(most), _Named(most), _Named(most)
        self.both = 0

    def add(self, row: Mapping[str, Any]) -> None:
        clip = {"id": row["id"], "name": row["name"]}
        if row["a_status"] is None or row["b_status"] is None:
            (self.only_second if row["a_status"] is None else self.only_first).add(clip)
            return
        self.both += 1
        changes = {}
        for name, crossed in self.crossed.items():
            found = (row[f"a_{name}"], row[f"b_{name}"])
            crossed[found] += 1
            if found[0] != found[1]:
                changes[name] = list(found)
        if changes:
            self.changed.add(clip | changes)
        for name, pairs in self.pairs.items():
            pairs.add(row["id"], row[f"a_{name}"], row[f"b_{name}"])


def compare(store: Store, first: str | None = None, second: str | None = None, most: int = MOST) -> dict[str, Any]:
    """Compare the outcomes of two methods.

    Parameters
    ----------
    store : Store
    first, second : str, optional
        Digests, or their beginnings; without both, the two newest methods, the older one first.
    most : int
        Clips to name in each list; they are counted all.

    Returns
    -------
    dict
        JSON values: ``methods``; ``both`` (clips with an outcome by both); ``changed`` with what changed in each;
        ``only_first``, ``only_second``; ``crossed``: by status column, rows of [first, second, clips];
        ``differences``: by number, 5%, median and 95% of second less first, and Spearman's rank correlation; ``moved``.

    Raises
    ------
    ArchiveError
        The store lacks these methods, or they are one.
    """
    chosen = _two(store, first, second)
    made = _Comparison(most)
    for row in _side_by_side(store, chosen[0].id, chosen[1].id):
        made.add(row)
    return {
        "schema": SCHEMA,
        "methods": [asdict(method) for method in chosen],
        "both": made.both,
        "changed": made.changed.to_dict(),
        "only_first": made.only_first.to_dict(),
        "only_second": made.only_second.to_dict(),
        "crossed": {
            name: [[*found, clips] for found, clips in sorted(crossed.items())]
            for name, crossed in made.crossed.items()
        },
        "differences": {name: _differences(pairs) for name, pairs in made.pairs.items()},
        "moved": _moved(store, made.pairs["triage"], most),
    }
