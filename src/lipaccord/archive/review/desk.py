"""What the review page asks of the store: a page of the list, one clip with all that is known of it, decisions.

Every call opens the store for itself and closes it again, so that any thread may call, and a run may go on writing.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipaccord.archive import deciding
from lipaccord.archive.deciding import Decision
from lipaccord.archive.filters import Filter, MethodRow, chosen_method, methods
from lipaccord.archive.ranking import Place, count, top
from lipaccord.archive.records import Turn
from lipaccord.archive.review.fresh import Wish
from lipaccord.archive.review.thumbnails import Sight
from lipaccord.archive.store import Store, open_store, unpacked, uri_text
from lipaccord.archive.urls import is_url
from lipaccord.errors import ArchiveError

PAGE_ROWS = 50
MOST_COUNTED = 1_000_000
"""Counting ends here."""
MOST_SPEAKERS = 500
MOST_ANALYSIS = 1 << 26
"""Bytes of an analysis that is read."""


class NoSuchClip(ArchiveError):
    """The store holds no outcome of such a clip."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page of the list.

    Attributes
    ----------
    rows : sequence of mapping
        Of the view ``row``.
    decisions : mapping of int to Decision
        Those that count, by clip.
    more : Place or None
        Where the next page begins; None on the last one.
    """

    rows: Sequence[Mapping[str, Any]]
    decisions: Mapping[int, Decision]
    more: Place | None


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one clip.

    Attributes
    ----------
    row : mapping
        Of the view ``row``.
    uri : str
    method : MethodRow
    turns : list of Turn
        Without their analyses.
    analysis : dict
        Of the turn that leads, JSON values without time courses; empty where there is none.
    history : list of Decision
    """

    row: Mapping[str, Any]
    uri: str
    method: MethodRow
    turns: list[Turn]
    analysis: dict[str, Any]
    history: list[Decision]

    @property
    def lead(self) -> Turn | None:
        """The turn that speaks for the clip."""
        return next((turn for turn in self.turns if turn.number == self.row["lead"]), None)

    @property
    def absence(self) -> str:
        """Why its file can't be looked at; empty where it can."""
        return absence(self.uri)


def absence(uri: str) -> str:
    """Say why a clip can't be read from here; empty where it can."""
    if is_url(uri):
        return "the clip lies on a server"
    try:
        mode = Path(uri).stat().st_mode
    except (OSError, ValueError):
        return "the file is gone"
    return "" if stat.S_ISREG(mode) else "the file is gone: what is there is no regular file"


class Desk:
    """Answers questions about one store, as one reviewer.

    Parameters
    ----------
    path : Path
        Of the store.
    user : str
        Who decides.
    bundle : Path or None
        Folder of the bundle that the clips were scored with; None for the one that is shipped.
    """

    def __init__(self, path: Path, user: str, bundle: Path | None = None) -> None:
        self.path, self.user, self.bundle = path, user, bundle

    def _store(self) -> AbstractContextManager[Store]:
        return open_store(self.path)

    def leaf(self, chosen: Filter, after: Place | None) -> Leaf:
        """Return one page of the list.

        Raises
        ------
        ArchiveError
            The store holds no such method, or can't be read.
        """
        with self._store() as store:
            found = top(store, chosen, PAGE_ROWS + 1, after)
            rows = found[:PAGE_ROWS]
            more = Place.of(rows[-1]) if len(found) > PAGE_ROWS else None
            return Leaf(rows, _decisions(store, rows), more)

    def total(self, chosen: Filter) -> int:
        """Return how many clips the filter takes, up to `MOST_COUNTED`.

        Raises
        ------
        ArchiveError
            See `leaf`.
        """
        with self._store() as store:
            return count(store, chosen, MOST_COUNTED)

    def choices(self) -> tuple[list[MethodRow], list[str]]:
        """Return the methods, and the speakers as far as they can be offered in a list."""
        with self._store() as store:
            rows = store.connection.execute(
                "SELECT DISTINCT speaker FROM clip WHERE speaker IS NOT NULL LIMIT ?", (MOST_SPEAKERS,)
            )
            return methods(store), sorted(row["speaker"] for row in rows)

    def known(self, clip: int, method: str | None = None) -> Known:
        """Return all that is known of a clip.

        Raises
        ------
        NoSuchClip
        ArchiveError
            The store holds no such method, or what it holds is damaged.
        """
        with self._store() as store:
            by = chosen_method(store, method)
            row = store.connection.execute(
                "SELECT * FROM row WHERE id = ? AND method = ?", (clip, by.digest)
            ).fetchone()
            if row is None:
                raise NoSuchClip(f"there is no clip {clip} in the store")
            uri = store.connection.execute("SELECT uri FROM clip WHERE id = ?", (clip,)).fetchone()["uri"]
            turns = [] if row["sha256"] is None else store.turns(by.id, row["sha256"])
            analysis = _analysis(store, by.id, row)
            return Known(dict(row), uri_text(uri), by, turns, analysis, deciding.history(store, clip))

    def method(self, digest: str | None) -> MethodRow:
        """Return a method; see `filters.chosen_method`."""
        with self._store() as store:
            return chosen_method(store, digest)

    def path_of(self, clip: int) -> str:
        """Return the path that the store names for a clip.

        Raises
        ------
        NoSuchClip
            There is no such clip, or its file can't be read from here.
        """
        with self._store() as store:
            row = store.connection.execute("SELECT uri FROM clip WHERE id = ?", (clip,)).fetchone()
        if row is None:
            raise NoSuchClip(f"there is no clip {clip} in the store")
        uri = uri_text(row["uri"])
        if missing := absence(uri):
            raise NoSuchClip(missing)
        return uri

    def decide(self, clip: int, verdict: str | None, what: str, note: str | None = None) -> Decision:
        """Keep a decision; see `deciding.decide`."""
        with self._store() as store:
            return deciding.decide(store, clip, verdict, what, note, self.user)

    def annotate(self, clip: int, note: str) -> Decision:
        """Keep a note; see `deciding.annotate`."""
        with self._store() as store:
            return deciding.annotate(store, clip, note, self.user)

    def take_back(self, clip: int) -> Decision | None:
        """Withdraw the last decision; see `deciding.take_back`."""
        with self._store() as store:
            return deciding.take_back(store, clip)

    def sight(self, clip: int, method: str | None = None) -> Sight | str:
        """Return where to look for a picture of a clip, or why there is none."""
        known = self.known(clip, method)
        if known.absence:
            return known.absence
        return Sight(known.uri, str(known.row["sha256"]), _telling_time(known))

    def wish(self, clip: int, method: str | None = None) -> Wish:
        """Return what it takes to examine a clip once more, or the turn of it that leads.

        Raises
        ------
        NoSuchClip
            There is none, or its file can't be read from here.
        ArchiveError
            It was never examined.
        """
        known = self.known(clip, method)
        if known.absence:
            raise NoSuchClip(known.absence)
        lead = known.lead
        if lead is None or known.row["sha256"] is None:
            raise ArchiveError("it was never examined: there is nothing to repeat")
        with self._store() as store:
            by = store.connection.execute(
                "SELECT settings, bundle_sha256 FROM method WHERE id = ?", (known.method.id,)
            ).fetchone()
        settings = json.loads(by["settings"]) | {"start_s": lead.start_s, "end_s": lead.end_s}
        bundle = None if self.bundle is None else str(self.bundle)
        return Wish(known.uri, known.row["sha256"], settings, bundle, by["bundle_sha256"], known.analysis)


def _decisions(store: Store, rows: Sequence[Mapping[str, Any]]) -> dict[int, Decision]:
    """Return who decided when on the rows that are decided."""
    found = {row["id"]: deciding.current(store, row["id"]) for row in rows if row["note"] is not None}
    return {clip: decision for clip, decision in found.items() if decision is not None}


def _analysis(store: Store, method: int, row: Mapping[str, Any]) -> dict[str, Any]:
    found = store.connection.execute(
        "SELECT analysis FROM turn JOIN examination ON examination.id = turn.examination "
        "WHERE examination.method = ? AND examination.sha256 = ? AND turn.number = ?",
        (method, row["sha256"], row["lead"]),
    ).fetchone()
    data = b"" if found is None else unpacked(found["analysis"], MOST_ANALYSIS)
    try:
        values = json.loads(data) if data else {}
    except ValueError as error:
        raise ArchiveError(f"an analysis in the store is damaged ({error}); score the clip again") from error
    return values if isinstance(values, dict) else {}


def leading_finding(row: Mapping[str, Any]) -> str | None:
    """Name the finding whose likelihood ratio is the larger one: ``sync`` or ``resynthesis``; None without any."""
    ratios = {name: row[f"{name}_log10_lr"] for name in ("sync", "resynthesis")}
    known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    return max(known, key=lambda name: known[name]) if known else None


def _telling_time(known: Known) -> float:
    """Choose where to look: where the leading finding points, else the middle of the face that speaks, or of all."""
    lead, name = known.lead, leading_finding(known.row)
    turn = lead or Turn(1)
    try:
        finding = known.analysis["findings"][name] if name else {"cues": {}}
        pointed = [time for cue in finding["cues"].values() for time in cue["frames_s"][:1]]
        faces = [(face["start_s"] + face["end_s"]) / 2 for face in known.analysis["faces"] if face["speaking"]]
        times = [float(time) for time in (*pointed, *faces)]
    except (KeyError, TypeError, ValueError, AttributeError):
        times = []  # a store of other tools, or of another release
    middle = ((turn.start_s or 0.0) + (turn.end_s or known.row["duration_s"] or 0.0)) / 2
    return next(iter(times), middle)
