"""What people decide on the clips of an archive, kept in its store: each decision, who took it and when.

A decision belongs to the content that it was taken on: it holds for every clip with the same content, and no more once
the file is another one. Nothing is ever changed but which decision counts, so that the history stays whole. Every
function is one short transaction at most, so a run may go on writing meanwhile.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from lipaccord.archive.store import Store, now
from lipaccord.errors import ArchiveError

VERDICTS = ("confirm", "dismiss", "unsure")
WHATS = ("sound", "mouth", "both")
"""What is confirmed: the sound does not belong to the mouth, the mouth was re-synthesised, or both."""
MOST_NOTE = 2000
MOST_USER = 200
"""Characters."""

_COLUMNS = "id, verdict, what, note, user, decided_at, withdrawn_at, current"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision on a clip, or a note without one.

    Attributes
    ----------
    id : int
    verdict : str or None
        One of `VERDICTS`; None where somebody only wrote a note.
    what : str
        One of `WHATS` where the verdict is ``confirm``, else empty.
    note, user : str
    decided_at : str
        ISO 8601, UTC.
    withdrawn_at : str or None
        When it was taken back.
    current : bool
        It is the one that counts.
    """

    id: int
    verdict: str | None
    what: str
    note: str
    user: str
    decided_at: str
    withdrawn_at: str | None
    current: bool


def _checked(verdict: str | None, what: str, note: str | None, user: str) -> None:
    if verdict is not None and verdict not in VERDICTS:
        raise ArchiveError(f"there is no verdict {verdict[:40]!r}; there are: {', '.join(VERDICTS)}")
    if verdict == "confirm" and what not in WHATS:
        raise ArchiveError(f"what is confirmed must be one of: {', '.join(WHATS)}")
    if verdict != "confirm" and what:
        raise ArchiveError("only a confirmation says what it confirms; leave that away")
    for name, text, most in (("note", note or "", MOST_NOTE), ("user", user, MOST_USER)):
        if len(text) > most:
            raise ArchiveError(f"the {name} has {len(text)} characters; write at most {most}")
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise ArchiveError(f"the {name} holds characters that are no text; write it without them")


def _subject(connection: sqlite3.Connection, clip: int) -> str:
    found = connection.execute("SELECT subject FROM clip WHERE id = ?", (clip,)).fetchone()
    if found is None:
        raise ArchiveError(f"there is no clip {clip} in the store")
    return str(found["subject"])


def _decision(row: sqlite3.Row | None) -> Decision | None:
    return None if row is None else Decision(**{**dict(row), "current": bool(row["current"])})


def _current(connection: sqlite3.Connection, subject: str) -> Decision | None:
    return _decision(
        connection.execute(f"SELECT {_COLUMNS} FROM decision WHERE subject = ? AND current = 1", (subject,)).fetchone()
    )


def _added(
    connection: sqlite3.Connection, clip: int, subject: str, values: tuple[str | None, str, str, str]
) -> Decision:
    connection.execute("UPDATE decision SET current = 0 WHERE subject = ? AND current = 1", (subject,))
    connection.execute(
        "INSERT INTO decision (subject, clip, verdict, what, note, user, decided_at, current) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
        (subject, clip, *values, now()),
    )
    added = _current(connection, subject)
    assert added is not None
    return added


def decide(store: Store, clip: int, verdict: str | None, what: str, note: str | None, user: str) -> Decision:
    """Keep a decision; from now on it is the one that counts.

    Parameters
    ----------
    store : Store
    clip : int
    verdict : str or None
        One of `VERDICTS`; None leaves the clip undecided, with a note.
    what : str
        See `Decision`.
    note : str or None
        None keeps the note of the decision before.
    user : str

    Raises
    ------
    ArchiveError
        There is no such clip, a value is none of those allowed, or the store can't be written.
    """
    _checked(verdict, what, note, user)
    with store.change() as connection:
        subject = _subject(connection, clip)
        before = _current(connection, subject)
        kept = ("" if before is None else before.note) if note is None else note
        return _added(connection, clip, subject, (verdict, what, kept, user))


def annotate(store: Store, clip: int, note: str, user: str) -> Decision:
    """Keep a note on a clip, whatever is decided on it.

    Raises
    ------
    ArchiveError
        See `decide`.
    """
    _checked(None, "", note, user)
    with store.change() as connection:
        subject = _subject(connection, clip)
        before = _current(connection, subject)
        verdict, what = (None, "") if before is None else (before.verdict, before.what)
        return _added(connection, clip, subject, (verdict, what, note, user))


def take_back(store: Store, clip: int) -> Decision | None:
    """Withdraw the decision that counts, and let the one before it count again.

    Returns
    -------
    Decision or None
        The one that counts now; None where there is none.

    Raises
    ------
    ArchiveError
        There is no such clip, nothing to take back, or the store can't be written.
    """
    with store.change() as connection:
        subject = _subject(connection, clip)
        last = _current(connection, subject)
        if last is None:
            raise ArchiveError(f"on the clip {clip} there is no decision to take back")
        connection.execute("UPDATE decision SET current = 0, withdrawn_at = ? WHERE id = ?", (now(), last.id))
        connection.execute(
            "UPDATE decision SET current = 1 WHERE id = "
            "(SELECT max(id) FROM decision WHERE subject = ? AND withdrawn_at IS NULL)",
            (subject,),
        )
        return _current(connection, subject)


def current(store: Store, clip: int) -> Decision | None:
    """Return the decision that counts for a clip; None where there is none.

    Raises
    ------
    ArchiveError
        There is no such clip.
    """
    return _current(store.connection, _subject(store.connection, clip))


def history(store: Store, clip: int) -> list[Decision]:
    """Return all decisions on the content of a clip, the first one first, withdrawn ones too.

    Raises
    ------
    ArchiveError
        There is no such clip.
    """
    rows = store.connection.execute(
        f"SELECT {_COLUMNS} FROM decision WHERE subject = ? ORDER BY id", (_subject(store.connection, clip),)
    )
    return [decision for row in rows if (decision := _decision(row)) is not None]
