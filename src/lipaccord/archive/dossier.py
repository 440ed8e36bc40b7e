"""All that a store holds of one clip: its outcomes by every method, their turns, the analyses, the decisions.

What is read here was written by workers and may come from anywhere: it is checked like a report from outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lipaccord.archive.filters import MethodRow, storable
from lipaccord.archive.store import GIST_COLUMNS, Store, gist_of_row, unpacked
from lipaccord.errors import ArchiveError, VerificationError
from lipaccord.report.wording import plain
from lipaccord.strict_json import read_object

_MOST_NAMED = 10
_SHORTEST_HASH = 6
_TIMELINE, _BEHIND = "timeline", "bundle"  # a member of an analysis, and the one in front of which it stands


def find(store: Store, text: str) -> int:
    """Return the number of the clip that a text names.

    Parameters
    ----------
    store : Store
    text : str
        Its number, its whole name, or its SHA-256 or at least six digits of the beginning of it.

    Raises
    ------
    ArchiveError
        There is none, or more than one.
    """
    statements: list[tuple[str, tuple[Any, ...]]] = []
    if re.fullmatch(r"[0-9]{1,18}", text):
        statements.append(("id = ?", (int(text),)))
    statements.append(("name = ?", (storable(text),)))
    if re.fullmatch(rf"[0-9a-fA-F]{{{_SHORTEST_HASH},64}}", text):
        first = text.lower()
        statements.append(("subject >= ? AND subject < ?", (first, first + "g")))
    for condition, values in statements:
        rows = store.connection.execute(
            f"SELECT id, name FROM clip WHERE {condition} ORDER BY id LIMIT ?", (*values, _MOST_NAMED + 1)
        ).fetchall()
        if len(rows) == 1:
            return int(rows[0]["id"])
        if rows:
            there = [f"{row['id']} ({plain(row['name'])})" for row in rows[:_MOST_NAMED]]
            more = " and more" if len(rows) > _MOST_NAMED else ""
            raise ArchiveError(f"{text!r} names several clips; give the number of one: {', '.join(there)}{more}")
    raise ArchiveError(
        f"the store {store.path} holds no clip {text!r}; give a number from `lipaccord archive top`, a whole "
        "name or a SHA-256"
    )


def dossier(store: Store, clip: int) -> dict[str, Any]:
    """Return all that is known of a clip but its analyses.

    Returns
    -------
    dict
        ``clip``: row of the table; ``outcomes``: rows of the view ``row``, the newest method first,
        each with its ``bundle``, ``version`` and ``turns`` (rows, with `Gist` under ``gist``, None while they wait);
        ``decisions``: rows, the newest first.

    Raises
    ------
    ArchiveError
        There is no such clip.
    """
    execute = store.connection.execute
    found = execute(
        "SELECT id, name, size, speaker, date, carried, sha256, subject FROM clip WHERE id = ?", (clip,)
    ).fetchone()
    if found is None:
        raise ArchiveError(f"the store {store.path} holds no clip {clip}; give a number from `lipaccord archive top`")
    outcomes = execute(
        "SELECT row.*, method.bundle, method.version, method.id AS method_id FROM row "
        "JOIN method ON method.digest = row.method WHERE row.id = ? AND row.status IS NOT NULL ORDER BY method.id DESC",
        (clip,),
    )
    decisions = execute(
        "SELECT verdict, what, note, user, decided_at, withdrawn_at, current FROM decision "
        "WHERE subject = ? ORDER BY id DESC",
        (found["subject"],),
    )
    return {
        "clip": dict(found),
        "outcomes": [dict(row) | {"turns": _turns(store, clip, row["method_id"])} for row in outcomes],
        "decisions": [dict(row) for row in decisions],
    }


def _turns(store: Store, clip: int, method: int) -> list[dict[str, Any]]:
    columns = ", ".join(f"turn.{name}" for name in GIST_COLUMNS)
    rows = store.connection.execute(
        f"SELECT number, start_s, end_s, {columns} FROM outcome JOIN turn ON turn.examination = outcome.examination "
        "WHERE outcome.method = ? AND outcome.clip = ? ORDER BY turn.number",
        (method, clip),
    )
    return [
        {
            "number": row["number"],
            "start_s": row["start_s"],
            "end_s": row["end_s"],
            "gist": None if row["status"] is None else gist_of_row(row),
        }
        for row in rows
    ]


def _member(blob: bytes | None, what: str) -> dict[str, Any]:
    data = unpacked(blob)
    if not data:
        return {}
    try:
        return read_object(data, what)
    except VerificationError as error:
        raise ArchiveError(f"{str(error).partition(';')[0]}; score the clip again") from error


def analysis(store: Store, clip: int, method: MethodRow, turn: int | None = None) -> dict[str, Any]:
    """Return the stored analysis of a clip as it was made: schema ``lipaccord/analysis/1``, with its time courses.

    Parameters
    ----------
    store : Store
    clip : int
    method : MethodRow
    turn : int, optional
        Number of the turn; otherwise the one that leads.

    Returns
    -------
    dict
        Empty where nothing was measured: the clip failed, or held no turn.

    Raises
    ------
    ArchiveError
        There is no such turn, or what is stored of it is damaged.
    """
    row = store.connection.execute(
        "SELECT turn.analysis, turn.timeline FROM outcome JOIN clip ON clip.id = outcome.clip "
        "AND clip.mark = outcome.mark JOIN turn ON turn.examination = outcome.examination "
        "AND turn.number = coalesce(?, outcome.lead) WHERE outcome.method = ? AND outcome.clip = ?",
        (turn, method.id, clip),
    ).fetchone()
    if row is None:
        if turn is None:
            return {}
        raise ArchiveError(
            f"clip {clip} has no turn {turn} by the method {method}; `lipaccord archive show` lists them"
        )
    values = _member(row["analysis"], f"the analysis of clip {clip}")
    return _whole(values, _member(row["timeline"], f"the time courses of clip {clip}"))


def _whole(values: Mapping[str, Any], courses: Mapping[str, Any]) -> dict[str, Any]:
    """Put the time courses back in their place, so that the text is the one that was written first."""
    if _TIMELINE not in courses:
        return dict(values)
    whole: dict[str, Any] = {}
    for name, value in values.items():
        if name == _BEHIND:
            whole[_TIMELINE] = courses[_TIMELINE]
        whole[name] = value
    return {_TIMELINE: courses[_TIMELINE]} | whole if _TIMELINE not in whole else whole
