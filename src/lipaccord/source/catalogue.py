"""The tables of an index, and how its SQLite file is opened: checked, made where it is new, and written by one run."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from lipaccord.archive import database
from lipaccord.archive.database import sole_run
from lipaccord.archive.schema import Schema
from lipaccord.errors import ArchiveError

NAME = "signatures.db"

_TABLES = (
    "CREATE TABLE method (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    sources TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    ended TEXT CHECK (ended IN ('finished', 'interrupted'))
) STRICT""",
    """CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    uri BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    size INTEGER,
    mark TEXT NOT NULL,
    sha256 TEXT,
    run INTEGER NOT NULL REFERENCES run,
    status TEXT CHECK (status IN ('signed', 'still', 'no_face', 'failed')),
    error TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    done_mark TEXT,
    worker TEXT NOT NULL DEFAULT ''
) STRICT""",
    "CREATE INDEX source_run ON source (run, id)",
    "CREATE INDEX source_sha256 ON source (sha256)",
    "CREATE INDEX source_size ON source (size) WHERE sha256 IS NOT NULL",
    "CREATE TABLE recording (sha256 TEXT PRIMARY KEY, duration_s REAL) STRICT",
    """CREATE TABLE part (
    sha256 TEXT NOT NULL REFERENCES recording,
    number INTEGER NOT NULL,
    start_s REAL,
    end_s REAL,
    status TEXT CHECK (status IN ('signed', 'still', 'no_face', 'failed')),
    error TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (sha256, number)
) STRICT""",
    """CREATE TABLE signature (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 TEXT NOT NULL REFERENCES recording,
    part INTEGER NOT NULL,
    face TEXT NOT NULL,
    start_s REAL NOT NULL,
    end_s REAL NOT NULL,
    still INTEGER NOT NULL CHECK (still IN (0, 1)),
    chain BLOB NOT NULL
) STRICT""",
    "CREATE INDEX signature_sha256 ON signature (sha256)",
    "CREATE TABLE signed (id INTEGER PRIMARY KEY REFERENCES signature, data BLOB NOT NULL) STRICT",
)


INDEX = Schema("index", 0x6C697053, (_TABLES,), "make one by `lipaccord index SOURCE --index DIR`")
"""``lipS``."""


def connect(folder: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open the database of an index, in autocommit mode and with rows by name.

    Parameters
    ----------
    folder : Path
    create : bool
        Make it where there is none.

    Raises
    ------
    ArchiveError
        There is none, it is damaged, of another program or of a newer release, or it can't be written.
    """
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(f"the index {folder} can't be made ({error.strerror}); name another folder") from error
    return database.connect(folder / NAME, INDEX, create=create)


def sole_writer(folder: Path) -> AbstractContextManager[None]:
    """Hold an index for one run; see `archive.database.sole_run`."""
    return sole_run(folder / NAME)
