"""The store of an archive: an SQLite file that one run at a time writes and anybody reads.

Every change is one transaction, so that a run can be killed at any moment: what was recorded stays, and nothing is
there by halves.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lipaccord.archive.database import changing, connect, plain_failures
from lipaccord.archive.records import Entry, Gist, Method, Trouble, Turn, Waiting
from lipaccord.archive.schema import STORE
from lipaccord.errors import ArchiveError

GIST_COLUMNS = tuple(field.name for field in fields(Gist))
_LISTS = ("reasons", "cues")
_KNOWN = 16  # contents of one size that a worker compares with; more are a sign of an archive of equal files


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def uri_bytes(uri: str) -> bytes:
    """Return the bytes that the file system knows a path by."""
    return uri.encode("utf-8", "surrogateescape")


def uri_text(data: bytes) -> str:
    """Undo `uri_bytes`."""
    return data.decode("utf-8", "surrogateescape")


def public_text(uri: str) -> str:
    """Write a uri so that it can be searched and shown anywhere; bytes that are no UTF-8 become escapes."""
    return uri_bytes(uri).decode("utf-8", "backslashreplace")


def gist_values(gist: Gist) -> dict[str, Any]:
    """Return what the columns of `GIST_COLUMNS` hold."""
    values = {name: getattr(gist, name) for name in GIST_COLUMNS}
    return values | {name: json.dumps(list(values[name])) for name in _LISTS}


def gist_of_row(row: Mapping[str, Any] | sqlite3.Row) -> Gist:
    """Undo `gist_values`."""
    values = {name: row[name] for name in GIST_COLUMNS}
    return Gist(**values | {name: tuple(json.loads(values[name])) for name in _LISTS})


def leading(turns: Sequence[Turn]) -> Turn:
    """Pick the turn that speaks for the clip: examined before not examinable before failed, then by triage."""
    order = ("failed", "not_examinable", "examined")

    def weight(turn: Turn) -> tuple[int, float, int]:
        assert turn.gist is not None
        triage = turn.gist.triage
        return order.index(turn.gist.status), float("-inf") if triage is None else triage, -turn.number

    return max(turns, key=weight)


class Store:
    """An open store.

    Attributes
    ----------
    path : Path
    connection : sqlite3.Connection
        In autocommit mode, rows by name; for whoever reads.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    def change(self) -> AbstractContextManager[sqlite3.Connection]:
        """Make one transaction of what is done inside; see `database.changing`."""
        return changing(self.path, self.connection)

    def method(self, method: Method) -> int:
        """Return the number of a method, new or known."""
        with self.change() as connection:
            connection.execute(
                "INSERT INTO method (digest, bundle, bundle_sha256, settings, version, max_seconds, added_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
                (
                    method.digest,
                    method.bundle,
                    method.bundle_sha256,
                    json.dumps(method.settings),
                    method.version,
                    method.max_seconds,
                    now(),
                ),
            )
            found = connection.execute("SELECT id FROM method WHERE digest = ?", (method.digest,)).fetchone()
        return int(found["id"])

    def begin(self, method: int, sources: Sequence[str]) -> int:
        """Note that a run begins; return its number."""
        with self.change() as connection:
            cursor = connection.execute(
                "INSERT INTO run (method, sources, started_at) VALUES (?, ?, ?)",
                (method, json.dumps(list(sources)), now()),
            )
            return int(cursor.lastrowid or 0)

    def end(self, run: int, ended: str) -> None:
        """Note how a run ended: ``finished`` or ``interrupted``."""
        with self.change() as connection:
            connection.execute("UPDATE run SET ended_at = ?, ended = ? WHERE id = ?", (now(), ended, run))

    def add(self, run: int, method: int, entries: Iterable[Entry]) -> int:
        """Note clips that a source lists, known ones too; entries with a trouble get their outcome. Return how many."""
        count = 0
        with self.change() as connection:
            for entry in entries:
                count += 1
                clip = connection.execute(
                    "INSERT INTO clip (uri, name, size, mark, speaker, date, carried, run) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uri) DO UPDATE SET "
                    "sha256 = iif(mark = excluded.mark, sha256, NULL), size = excluded.size, mark = excluded.mark, "
                    "speaker = excluded.speaker, date = excluded.date, carried = excluded.carried, run = excluded.run "
                    "RETURNING id",
                    (
                        uri_bytes(entry.uri),
                        public_text(entry.uri),
                        entry.size,
                        entry.mark,
                        entry.carried.get("speaker"),
                        entry.carried.get("date"),
                        json.dumps(dict(entry.carried)),
                        run,
                    ),
                ).fetchone()["id"]
                if entry.trouble is not None:
                    gist = Gist("failed", error=entry.trouble.error, message=entry.trouble.message)
                    self._outcome(connection, method, clip, entry.mark, gist)
        return count

    def miss(self, run: int, method: int) -> None:
        """Let the clips fail that an unfinished run over the same sources listed and this one did not find any more."""
        gone = self.connection.execute(
            "SELECT clip.id, clip.name, clip.mark FROM clip JOIN run AS before ON before.id = clip.run "
            "JOIN run AS this ON this.id = ? AND this.sources = before.sources AND this.method = before.method "
            "LEFT JOIN outcome ON outcome.method = ? AND outcome.clip = clip.id WHERE clip.run != ? "
            "AND (outcome.clip IS NULL OR outcome.mark != clip.mark)",
            (run, method, run),
        ).fetchall()
        with self.change() as connection:
            for row in gone:
                message = f"{row['name']} was listed before and is gone: look where it went"
                self._outcome(
                    connection, method, row["id"], row["mark"], Gist("failed", error="Missing", message=message)
                )

    def reopen(self, run: int, method: int) -> None:
        """Let the clips of a run that failed wait again; what is wrong with their listing is not tried again."""
        failed = (
            "SELECT clip FROM outcome JOIN clip ON clip.id = outcome.clip "
            "WHERE outcome.method = :method AND outcome.status = 'failed' AND clip.run = :run AND outcome.worker != ''"
        )
        values = {"method": method, "run": run}
        with self.change() as connection:
            connection.execute(
                "UPDATE turn SET status = NULL WHERE status = 'failed' AND examination IN "
                f"(SELECT examination FROM outcome WHERE method = :method AND clip IN ({failed}))",
                values,
            )
            connection.execute(f"DELETE FROM outcome WHERE method = :method AND clip IN ({failed})", values)

    def waiting(self, run: int, method: int) -> Iterator[Waiting]:
        """Yield the clips of a run that have no outcome by a method or have changed since, a few at a time."""
        after = 0
        while True:
            rows = self.connection.execute(
                "SELECT clip.id, clip.uri, clip.mark, clip.size, clip.sha256 FROM clip "
                "LEFT JOIN outcome ON outcome.method = ? AND outcome.clip = clip.id WHERE clip.run = ? AND clip.id > ? "
                "AND (outcome.clip IS NULL OR outcome.mark != clip.mark OR (clip.mark = '' AND outcome.worker != '')) "
                "ORDER BY clip.id LIMIT 256",
                (method, run, after),
            ).fetchall()
            if not rows:
                return
            for row in rows:
                yield Waiting(row["id"], uri_text(row["uri"]), row["mark"], row["size"], row["sha256"])
            after = rows[-1]["id"]

    def tally(self, run: int, method: int) -> dict[str, int]:
        """Count the clips of a run by the status of their outcome; those that wait are under ``waiting``."""
        rows = self.connection.execute(
            "SELECT iif(outcome.mark = clip.mark, outcome.status, 'waiting') AS status, count(*) AS clips FROM clip "
            "LEFT JOIN outcome ON outcome.method = ? AND outcome.clip = clip.id WHERE clip.run = ? GROUP BY 1",
            (method, run),
        )
        return {row["status"] or "waiting": row["clips"] for row in rows}

    def known(self, method: int, waiting: Waiting) -> list[str]:
        """Return the contents that a clip may have by its size and that are examined already, or cut into turns."""
        alike = self.connection.execute(
            "SELECT DISTINCT sha256 FROM clip WHERE size = ? AND sha256 IS NOT NULL LIMIT ?", (waiting.size, _KNOWN)
        )
        contents = dict.fromkeys([waiting.sha256, *(row["sha256"] for row in alike)])
        return [sha256 for sha256 in contents if sha256 and self._examination(method, sha256) is not None]

    def plan(self, method: int, clip: int, sha256: str, duration_s: float | None, turns: Sequence[Turn]) -> None:
        """Note the turns that a recording is cut into; those that are done already stay as they are."""
        with self.change() as connection:
            connection.execute("UPDATE clip SET sha256 = ? WHERE id = ?", (sha256, clip))
            connection.execute(
                "INSERT INTO examination (method, sha256, duration_s, planned) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                (method, sha256, duration_s, len(turns)),
            )
            number = self._examination(method, sha256)
            connection.executemany(
                "INSERT INTO turn (examination, number, start_s, end_s) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(number, turn.number, turn.start_s, turn.end_s) for turn in turns],
            )

    def _examination(self, method: int, sha256: str) -> int | None:
        row = self.connection.execute(
            "SELECT id FROM examination WHERE method = ? AND sha256 = ?", (method, sha256)
        ).fetchone()
        return None if row is None else int(row["id"])

    def open_turns(self, method: int, sha256: str) -> list[Turn]:
        """Return the turns of a content that wait; none where it was not cut yet."""
        rows = self.connection.execute(
            "SELECT number, start_s, end_s FROM turn WHERE examination = ? AND status IS NULL ORDER BY number",
            (self._examination(method, sha256),),
        )
        return [Turn(row["number"], row["start_s"], row["end_s"]) for row in rows]

    def record(self, method: int, sha256: str, turn: Turn) -> None:
        """Keep what came of one turn.

        Parameters
        ----------
        method : int
        sha256 : str
            Of the content, whose turns were noted by `plan`.
        turn : Turn
            With its gist.
        """
        if turn.gist is None:
            raise ValueError("a turn without a gist has no outcome")
        values = gist_values(turn.gist) | {
            "analysis": zlib.compress(turn.analysis) if turn.analysis else None,
            "timeline": zlib.compress(turn.timeline) if turn.timeline else None,
        }
        with self.change() as connection:
            connection.execute(
                f"UPDATE turn SET {', '.join(f'{name} = ?' for name in values)} WHERE examination = ? AND number = ?",
                (*values.values(), self._examination(method, sha256), turn.number),
            )

    def turns(self, method: int, sha256: str) -> list[Turn]:
        """Return the turns of a content, without their analyses."""
        rows = self.connection.execute(
            f"SELECT number, start_s, end_s, {', '.join(GIST_COLUMNS)} FROM turn WHERE examination = ? ORDER BY number",
            (self._examination(method, sha256),),
        )
        return [
            Turn(row["number"], row["start_s"], row["end_s"], None if row["status"] is None else gist_of_row(row))
            for row in rows
        ]

    def settle(self, method: int, waiting: Waiting, sha256: str, worker: str = "", peak_mb: float = 0.0) -> Gist:
        """Give a clip the outcome that the turns of its content have, all of them done; return it."""
        turns = self.turns(method, sha256)
        lead = leading(turns)
        assert lead.gist is not None
        done = [turn.gist for turn in turns if turn.gist is not None]
        totals = {name: sum(getattr(gist, name) for gist in done) for name in ("footage_s", "work_s")}
        values = {name: getattr(lead.gist, name) for name in GIST_COLUMNS} | totals
        gist = Gist(**values)
        with self.change() as connection:
            connection.execute("UPDATE clip SET sha256 = ? WHERE id = ?", (sha256, waiting.clip))
            number = self._examination(method, sha256)
            self._outcome(
                connection, method, waiting.clip, waiting.mark, gist, number, worker, peak_mb=peak_mb, lead=lead.number
            )
        return gist

    def fail(self, method: int, waiting: Waiting, trouble: Trouble, *, work_s: float, worker: str) -> None:
        """Give a clip that could not be examined its outcome."""
        gist = Gist("failed", error=trouble.error, message=trouble.message, work_s=work_s)
        with self.change() as connection:
            self._outcome(connection, method, waiting.clip, waiting.mark, gist, None, worker)

    def _outcome(
        self,
        connection: sqlite3.Connection,
        method: int,
        clip: int,
        mark: str,
        gist: Gist,
        examination: int | None = None,
        worker: str = "",
        peak_mb: float = 0.0,
        lead: int | None = None,
    ) -> None:
        values: dict[str, Any] = {"method": method, "clip": clip, "examination": examination, "mark": mark}
        values |= {"examined_at": now(), "worker": worker, "peak_mb": peak_mb, "lead": lead} | gist_values(gist)
        connection.execute(
            f"INSERT OR REPLACE INTO outcome ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
            tuple(values.values()),
        )


def unpacked(blob: bytes | None, most: int = 1 << 30) -> bytes:
    """Return what `Store.record` compressed; a blob that grows beyond `most` bytes is refused.

    Raises
    ------
    ArchiveError
        It is damaged.
    """
    if blob is None:
        return b""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(blob, most)
    except zlib.error as error:
        raise ArchiveError(f"an analysis in the store is damaged ({error}); score the clip again") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise ArchiveError("an analysis in the store is damaged or far too large; score the clip again")
    return data


@contextmanager
def open_store(path: Path, *, create: bool = False) -> Iterator[Store]:
    """Open a store for as long as the context lasts; what SQLite says inside becomes an `ArchiveError`.

    Parameters
    ----------
    path : Path
    create : bool
        Make it where there is none.

    Raises
    ------
    ArchiveError
        There is none, it is damaged, of another program or of a newer release, or it can't be written.
    """
    connection = connect(path, STORE, create=create)
    try:
        with plain_failures(path):
            yield Store(path, connection)
    finally:
        connection.close()
