"""What a store holds as a table for other programs, and its decisions as a labelled manifest.

A row is a clip or a turn; its columns are those of the view ``row``, then those that a source's manifest carried, whose
names get ``carried_`` in front where they clash. Rows are read while they are written, so that memory does not grow
with the archive. Names of URLs are given without logins and the values of a query.

The manifest is that of `lipaccord.manifest`: what people decided becomes labels, and nothing more than they decided. A
dismissed clip is a camera original with its own sound. A confirmed sound is ``apart`` and says nothing of the mouth; a
confirmed mouth is ``synthesised`` and says nothing of the sound. Of both together nobody has said whether the mouth was
generated from this sound (``driven``, and then it follows it) or not: the sound stays ``unknown``. A content has one
row, however many clips hold it, so that none counts twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import isfinite
from typing import Any

from lipaccord.archive.filters import Filter, fixed
from lipaccord.archive.store import GIST_COLUMNS, Store, public_text, uri_text
from lipaccord.archive.tabular import Column, Table, clean
from lipaccord.archive.urls import is_url, public_name
from lipaccord.errors import ArchiveError
from lipaccord.manifest import COLUMNS, NOTHING

MOST_CARRIED = 500
"""Carried columns that a table takes."""
LABELS = {
    ("dismiss", ""): ("camera", "together"),
    ("confirm", "sound"): ("unknown", "apart"),
    ("confirm", "mouth"): ("synthesised", "unknown"),
    ("confirm", "both"): ("synthesised", "unknown"),
}
"""What a verdict, and what it confirms, say of mouth and sound."""
REVIEWED = "reviewed"
"""Method of the rows of a manifest."""

_LISTS = {"reasons", "cues"}
_ALREADY = {"speaker", "date"}  # carried columns that the view has under the same names
_TURN_COLUMNS = ("number", "start_s", "end_s", *GIST_COLUMNS)
_OF_CLIP = ("id", "name", "speaker", "date", "size", "sha256", "method")
_DECIDED = ("verdict", "what", "note")
_FURTHER = ("note", "user", "decided_at")


def _kinds(store: Store, table: str) -> dict[str, str]:
    """Return the columns of the view or of a table with their kinds."""
    rows = store.connection.execute(f"PRAGMA table_info({table})")
    return {f"{table}.{row['name']}": "LIST" if row["name"] in _LISTS else row["type"] for row in rows}


def _carried(store: Store, taken: Iterable[str]) -> dict[str, str]:
    """Return the names of carried columns, and under which the table has them."""
    used, shown = set(taken), {}
    for row in store.connection.execute("SELECT carried FROM clip WHERE carried != '{}'"):
        for name in json.loads(row["carried"]):
            if name in shown or name in _ALREADY:
                continue
            title = clean(name)
            while title in used or not title:
                title = "carried_" + title
            used.add(title)
            shown[name] = title
        if len(shown) > MOST_CARRIED:
            raise ArchiveError(
                f"the clips of {store.path} carry more than {MOST_CARRIED} different columns, too many for a table; "
                "list the clips by a manifest with fewer"
            )
    return shown


def _table(store: Store, columns: Sequence[str], source: str, values: tuple[Any, ...]) -> Table:
    """Make a table of columns of the view and of turns, and of what was carried."""
    kinds = _kinds(store, "row") | _kinds(store, "turn")
    names = [column.partition(".")[2] for column in columns]
    carried = _carried(store, names)
    heads = [Column(name, kinds[column]) for name, column in zip(names, columns, strict=True)]
    heads += [Column(title, "TEXT") for title in carried.values()]
    found = store.connection.execute(f"SELECT row.carried, {', '.join(columns)} {source}", values)

    def rows() -> Iterator[list[Any]]:
        for row in found:
            own = [_value(column, value) for column, value in zip(heads, row[1:], strict=False)]
            extra = json.loads(row[0])
            yield own + [None if (text := extra.get(name)) is None else clean(str(text)) for name in carried]

    return Table(tuple(heads), rows())


def _value(column: Column, value: Any) -> Any:
    if column.kind == "LIST":
        return None if value is None else [clean(str(one)) for one in json.loads(value)]
    if column.kind == "REAL":
        return value if value is not None and isfinite(value) else None
    return public_name(value) if column.name == "name" else value


def clips(store: Store, chosen: Filter) -> Table:
    """Return one row a clip, also for those that wait: these have no status.

    Raises
    ------
    ArchiveError
        The store holds no such method, or too many carried columns.
    """
    method, condition, values = fixed(store, chosen)
    columns = [column for column in _kinds(store, "row") if column != "row.carried"]
    source = f"FROM row WHERE row.method = ? AND {condition} ORDER BY row.id"
    return _table(store, columns, source, (method.digest, *values))


def turns(store: Store, chosen: Filter) -> Table:
    """Return one row a turn; the filter is on their clips. What failed before it was cut has no turn.

    Raises
    ------
    ArchiveError
        The store holds no such method, or too many carried columns.
    """
    method, condition, values = fixed(store, chosen)
    source = (
        "FROM row CROSS JOIN outcome AS whole ON whole.method = ? AND whole.clip = row.id "
        "JOIN turn ON turn.examination = whole.examination "
        f"WHERE row.method = ? AND row.status IS NOT NULL AND {condition} ORDER BY row.id, turn.number"
    )
    columns = [f"row.{name}" for name in _OF_CLIP] + [f"turn.{name}" for name in _TURN_COLUMNS]
    columns += [f"row.{name}" for name in _DECIDED]
    return _table(store, columns, source, (method.id, method.digest, *values))


def decided(store: Store, chosen: Filter) -> tuple[Table, list[str]]:
    """Return what people decided as a labelled manifest; the module says how.

    Returns
    -------
    Table
        Columns of `lipaccord.manifest.COLUMNS`, then ``note``, ``user`` and ``decided_at``. `group` is the speaker,
        else the beginning of the content's SHA-256.
    list of str
        One line for every decision left out: which, why, and the remedy.

    Raises
    ------
    ArchiveError
        The store holds no such method.
    """
    method, condition, values = fixed(store, chosen)
    found = store.connection.execute(
        "SELECT decision.id AS decision, decision.verdict, decision.what, decision.note, decision.user, "
        "decision.decided_at, clip.id, clip.uri, clip.speaker, clip.sha256 FROM decision "
        "JOIN clip ON clip.subject = decision.subject JOIN row ON row.id = clip.id AND row.method = ? "
        "WHERE decision.current = 1 AND decision.verdict IN ('confirm', 'dismiss') "
        f"AND {condition} ORDER BY decision.id, clip.id",
        (method.digest, *values),
    )
    rows: list[list[Any]] = []
    complaints: list[str] = []
    for _, copies in groupby(found, key=lambda row: row["decision"]):
        row = _labelled(list(copies), complaints)
        if row is not None:
            rows.append(row)
    return Table(tuple(Column(name, "TEXT") for name in (*COLUMNS, *_FURTHER)), iter(rows)), complaints


def _labelled(copies: Sequence[Mapping[str, Any]], complaints: list[str]) -> list[Any] | None:
    """Label the first clip of a content that a manifest can name; complain where none can be."""
    first = copies[0]
    labels = LABELS.get((first["verdict"], first["what"]))
    path = next((path for copy in copies if _can_be_named(path := uri_text(copy["uri"]))), None)
    if path is None or labels is None:
        why = (
            "its decision does not say what it confirms; decide once more"
            if labels is None
            else "a manifest names files of this machine by printable characters; rename or download it, and score it"
        )
        complaints.append(f"clip {first['id']} ({public_name(public_text(uri_text(first['uri'])))}): {why}")
        return None
    speaker = (first["speaker"] or "").strip()
    content = first["sha256"][:12] if first["sha256"] else f"clip {first['id']}"
    group = content if speaker.lower() in NOTHING else clean(speaker)
    further = [clean(first[name]) for name in _FURTHER]
    return [path, *labels, REVIEWED, group, "", *further]


def _can_be_named(uri: str) -> bool:
    return uri.isprintable() and uri == uri.strip() and not is_url(uri)
