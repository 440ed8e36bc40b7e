"""The index on disk: which sources there are, what came of each, and the signatures of what they hold.

A folder holds ``signatures.db`` (SQLite), and beside it files for the search that are made from it; see `neighbours`.
A source is one row, whatever happens to it. Signatures belong to the content, by its SHA-256: a source that moved is
not signed again, and what was signed stays, also when its file has gone. Signatures are only ever added; each carries
a digest of itself and all before it (``chain``), so that one row says whether two files speak of the same ones.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lipaccord.archive.database import changing, plain_failures
from lipaccord.archive.records import Entry, Trouble, Waiting
from lipaccord.archive.store import now, public_text, uri_bytes, uri_text
from lipaccord.errors import ArchiveError
from lipaccord.source.catalogue import NAME, connect
from lipaccord.source.signature import Signature

THE_CLIPS_OWN = ("UnreadableMedia", "NoVideo")
"""Troubles that come back as long as the file stays as it is; others are worth another try."""
_KNOWN = 16  # contents of one size that a worker compares with


@dataclass(frozen=True, slots=True)
class Kept:
    """A signature as the index knows it.

    Attributes
    ----------
    number : int
    sha256 : str
        Of the recording.
    face : str
    start_s : float
        Its first frame.
    """

    number: int
    sha256: str
    face: str
    start_s: float


def _chained(before: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(before + hashlib.blake2b(data, digest_size=16).digest(), digest_size=16).digest()


class Index:
    """An open index.

    Attributes
    ----------
    folder : Path
    path : Path
        Of its database.
    connection : sqlite3.Connection
        In autocommit mode, rows by name; for whoever reads.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self.path = folder / NAME
        self.connection = connection

    def change(self) -> AbstractContextManager[sqlite3.Connection]:
        """Make one transaction of what is done inside; see `archive.database.changing`."""
        return changing(self.path, self.connection)

    def landmarks(self) -> str | None:
        """Return backend and version of the landmarks; None before the first run."""
        row = self.connection.execute("SELECT value FROM method WHERE name = 'landmarks'").fetchone()
        return None if row is None else str(row["value"])

    def check_landmarks(self, landmarks: str, *, keep: bool = False) -> None:
        """Compare the landmarks of new signatures with those of the index.

        Parameters
        ----------
        landmarks : str
            Backend and version.
        keep : bool
            Note them where there are none yet.

        Raises
        ------
        ArchiveError
            They are others.
        """
        known = self.landmarks()
        if known is None and keep:
            with self.change() as connection:
                connection.execute("INSERT INTO method (name, value) VALUES ('landmarks', ?)", (landmarks,))
        elif known is not None and known != landmarks:
            raise ArchiveError(
                f"the index {self.folder} was made with {known}, and this release signs with {landmarks}; make a new "
                "index with this release, or match with the release that made it"
            )

    def begin(self, sources: Sequence[str]) -> int:
        """Note that a run begins; return its number."""
        with self.change() as connection:
            cursor = connection.execute(
                "INSERT INTO run (sources, started_at) VALUES (?, ?)", (json.dumps(list(sources)), now())
            )
            return int(cursor.lastrowid or 0)

    def end(self, run: int, ended: str) -> None:
        """Note how a run ended: ``finished`` or ``interrupted``."""
        with self.change() as connection:
            connection.execute("UPDATE run SET ended_at = ?, ended = ? WHERE id = ?", (now(), ended, run))

    def add(self, run: int, entries: Iterable[Entry]) -> int:
        """Note sources that are listed, known ones too; entries with a trouble have failed. Return how many."""
        count = 0
        with self.change() as connection:
            for entry in entries:
                count += 1
                number = connection.execute(
                    "INSERT INTO source (uri, name, size, mark, run) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (uri) DO UPDATE "
                    "SET size = excluded.size, mark = excluded.mark, run = excluded.run RETURNING id",
                    (uri_bytes(entry.uri), public_text(entry.uri), entry.size, entry.mark, run),
                ).fetchone()["id"]
                if entry.trouble is not None:
                    _settle(connection, number, entry.mark, "failed", entry.trouble)
        return count

    def reopen(self, run: int) -> None:
        """Let those sources of a run wait again that failed by no fault of their own."""
        own = ", ".join("?" * len(THE_CLIPS_OWN))
        failed = f"status = 'failed' AND error NOT IN ({own})"
        of_run = "SELECT sha256 FROM source WHERE run = ?"
        with self.change() as connection:
            connection.execute(
                f"UPDATE part SET status = NULL WHERE {failed} AND sha256 IN ({of_run})", (*THE_CLIPS_OWN, run)
            )
            connection.execute(
                f"UPDATE source SET status = NULL WHERE {failed} AND worker != '' AND run = ?", (*THE_CLIPS_OWN, run)
            )

    def waiting(self, run: int) -> Iterator[Waiting]:
        """Yield the sources of a run that have no outcome or have changed since, a few at a time."""
        after = 0
        while rows := self.connection.execute(
            "SELECT id, uri, mark, size, sha256 FROM source WHERE run = ? AND id > ? AND (status IS NULL "
            "OR done_mark != mark OR (mark = '' AND worker != '')) ORDER BY id LIMIT 256",
            (run, after),
        ).fetchall():
            for row in rows:
                yield Waiting(row["id"], uri_text(row["uri"]), row["mark"], row["size"], row["sha256"])
            after = rows[-1]["id"]

    def tally(self, run: int | None = None) -> dict[str, int]:
        """Count sources by what came of them, of one run or of all; those without outcome are ``waiting``."""
        rows = self.connection.execute(
            "SELECT iif(done_mark = mark, status, NULL) AS found, count(*) AS sources FROM source "
            "WHERE ?1 IS NULL OR run = ?1 GROUP BY 1",
            (run,),
        )
        return {row["found"] or "waiting": row["sources"] for row in rows}

    def known(self, waiting: Waiting) -> list[str]:
        """Return the contents that a source may have by its size and that are signed already, or cut into parts."""
        rows = self.connection.execute(
            "SELECT DISTINCT source.sha256 FROM source JOIN recording USING (sha256) "
            "WHERE source.size = ? OR source.sha256 = ? LIMIT ?",
            (waiting.size, waiting.sha256, _KNOWN),
        )
        return [row["sha256"] for row in rows]

    def plan(
        self, sha256: str, duration_s: float | None, parts: Sequence[tuple[int, float | None, float | None]]
    ) -> None:
        """Note the parts of a content; those that are done already stay as they are."""
        with self.change() as connection:
            connection.execute("INSERT INTO recording VALUES (?, ?) ON CONFLICT DO NOTHING", (sha256, duration_s))
            connection.executemany(
                "INSERT INTO part (sha256, number, start_s, end_s) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(sha256, *part) for part in parts],
            )

    def open_parts(self, sha256: str) -> list[tuple[int, float | None, float | None]]:
        """Return the parts of a content that wait."""
        rows = self.connection.execute(
            "SELECT number, start_s, end_s FROM part WHERE sha256 = ? AND status IS NULL ORDER BY number", (sha256,)
        )
        return [(row["number"], row["start_s"], row["end_s"]) for row in rows]

    def record(self, sha256: str, part: int, status: str, blobs: Sequence[bytes], trouble: Trouble | None) -> None:
        """Keep what came of a part, with its signatures; a part that is done already stays as it is.

        Raises
        ------
        ArchiveError
            A signature is damaged, or made with other landmarks than those of the index.
        """
        signatures = [(blob, Signature.from_bytes(blob, f"the answer for {sha256[:12]}")) for blob in blobs]
        for _, signature in signatures:
            self.check_landmarks(signature.landmarks, keep=True)
        with self.change() as connection:
            cursor = connection.execute(
                "UPDATE part SET status = ?, error = ?, message = ? WHERE sha256 = ? AND number = ? AND status IS NULL",
                (status, *_told(trouble), sha256, part),
            )
            if not cursor.rowcount:
                return
            for blob, signature in signatures:
                self._append(connection, sha256, part, blob, signature)

    @staticmethod
    def _append(connection: sqlite3.Connection, sha256: str, part: int, blob: bytes, signature: Signature) -> None:
        last = connection.execute("SELECT chain FROM signature ORDER BY id DESC LIMIT 1").fetchone()
        chain = _chained(b"" if last is None else last["chain"], blob)
        cursor = connection.execute(
            "INSERT INTO signature (sha256, part, face, start_s, end_s, still, chain) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (sha256, part, signature.face, float(signature.times_s[0]), signature.end_s, signature.still, chain),
        )
        connection.execute("INSERT INTO signed (id, data) VALUES (?, ?)", (cursor.lastrowid, blob))

    def settle(self, waiting: Waiting, sha256: str, worker: str) -> tuple[str, Trouble | None]:
        """Give a source the outcome of its content, all parts of which are done; return it."""
        rows = self.connection.execute(
            "SELECT number, start_s, end_s, status, error, message FROM part WHERE sha256 = ? ORDER BY number",
            (sha256,),
        ).fetchall()
        found = {row["status"] for row in rows}
        status = next(one for one in ("failed", "signed", "still", "no_face") if one in found)
        trouble = None
        if status == "failed":
            row = next(row for row in rows if row["status"] == "failed")
            part = "" if row["start_s"] is None else f"{row['start_s']:.0f}-{row['end_s']:.0f} s: "
            trouble = Trouble(row["error"], part + row["message"])
        with self.change() as connection:
            _settle(connection, waiting.clip, waiting.mark, status, trouble, sha256, worker)
        return status, trouble

    def fail(self, waiting: Waiting, trouble: Trouble, worker: str) -> None:
        """Give a source that could not be read its outcome."""
        with self.change() as connection:
            _settle(connection, waiting.clip, waiting.mark, "failed", trouble, worker=worker)

    def last(self) -> tuple[int, bytes]:
        """Return the number of the last signature and its chain; 0 where there is none."""
        row = self.connection.execute("SELECT id, chain FROM signature ORDER BY id DESC LIMIT 1").fetchone()
        return (0, b"") if row is None else (int(row["id"]), bytes(row["chain"]))

    def chain(self, number: int) -> bytes:
        """Return the chain of a signature; empty where there is none of that number."""
        row = self.connection.execute("SELECT chain FROM signature WHERE id = ?", (number,)).fetchone()
        return b"" if row is None else bytes(row["chain"])

    def size_bytes(self) -> int:
        """Return what the database takes on the disk."""
        pages, size = (self.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * size)

    def recordings(self) -> int:
        """Count the recordings with a signature that can be searched."""
        row = self.connection.execute("SELECT count(DISTINCT sha256) FROM signature WHERE NOT still").fetchone()
        return int(row[0])

    def seconds(self, first: int, last: int) -> float:
        """Return the length of the signatures with these numbers."""
        row = self.connection.execute(
            "SELECT total(end_s - start_s) AS seconds FROM signature WHERE id BETWEEN ? AND ?", (first, last)
        ).fetchone()
        return float(row["seconds"])

    def full_after(self, first: int, seconds: float) -> int:
        """Return the number of the signature with which those from `first` on reach a length; of the last if none."""
        total, number = 0.0, first
        for row in self.connection.execute(
            "SELECT id, end_s - start_s AS seconds FROM signature WHERE id >= ? ORDER BY id", (first,)
        ):
            total, number = total + row["seconds"], row["id"]
            if total >= seconds:
                break
        return int(number)

    def signatures(self, first: int, last: int) -> Iterator[tuple[int, Signature]]:
        """Yield the signatures with these numbers that are no still pictures, one at a time.

        Raises
        ------
        ArchiveError
            One is damaged.
        """
        for row in self.connection.execute(
            "SELECT id, data FROM signed JOIN signature USING (id) WHERE id BETWEEN ? AND ? AND NOT still ORDER BY id",
            (first, last),
        ):
            yield row["id"], Signature.from_bytes(row["data"], f"signature {row['id']} of {self.path}")

    def signature(self, number: int) -> Signature:
        """Return one signature.

        Raises
        ------
        ArchiveError
            It is damaged or missing.
        """
        row = self.connection.execute("SELECT data FROM signed WHERE id = ?", (number,)).fetchone()
        return Signature.from_bytes(b"" if row is None else row["data"], f"signature {number} of {self.path}")

    def kept(self, numbers: Iterable[int]) -> dict[int, Kept]:
        """Return what is known of signatures; those that the index has not are left out."""
        found = {}
        for number in numbers:
            row = self.connection.execute(
                "SELECT id, sha256, face, start_s FROM signature WHERE id = ?", (number,)
            ).fetchone()
            if row is not None:
                found[number] = Kept(*tuple(row))
        return found


def _told(trouble: Trouble | None) -> tuple[str, str]:
    return ("", "") if trouble is None else (trouble.error, trouble.message)


def _settle(
    connection: sqlite3.Connection,
    source: int,
    mark: str,
    status: str,
    trouble: Trouble | None,
    sha256: str | None = None,
    worker: str = "",
) -> None:
    connection.execute(
        "UPDATE source SET status = ?, error = ?, message = ?, sha256 = ?, done_mark = ?, worker = ? WHERE id = ?",
        (status, *_told(trouble), sha256, mark, worker, source),
    )


@contextmanager
def open_index(folder: Path, *, create: bool = False) -> Iterator[Index]:
    """Open an index for as long as the context lasts; what SQLite says inside becomes an `ArchiveError`.

    Parameters
    ----------
    folder : Path
    create : bool
        Make it where there is none.

    Raises
    ------
    ArchiveError
        As for `catalogue.connect`.
    """
    connection = connect(folder, create=create)
    try:
        with plain_failures(folder / NAME):
            yield Index(folder, connection)
    finally:
        connection.close()
