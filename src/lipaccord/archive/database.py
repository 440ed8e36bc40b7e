"""Open an SQLite file: checked, brought up to date, and held by one run at a time.

A lock file beside it, held for as long as a run lasts and given back by the system however the run ends, keeps a
second run out; readers and reviewers need no lock.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lipaccord.archive.schema import Schema
from lipaccord.errors import ArchiveError

_WAIT_S = 30.0


@contextmanager
def plain_failures(path: Path) -> Iterator[None]:
    """Turn what SQLite says into an `ArchiveError` that names the store and the remedy."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
            remedy = "make room on its disk and run the same command again: what is done is kept"
        elif code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            remedy = "another program holds it; end that program and run the same command again"
        elif code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            remedy = "it is damaged or no store of lipaccord; name another file, or restore a copy"
        else:
            remedy = "see that it and its folder may be written to"
        raise ArchiveError(f"the store {path} can't be used ({error}); {remedy}") from error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite ends it itself where the disk is full
        connection.execute("ROLLBACK")


@contextmanager
def changing(path: Path, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Make one transaction of what is done inside; inside another one, a part of that.

    Raises
    ------
    ArchiveError
        The disk is full, or the store can't be written; nothing of the transaction is kept.
    """
    if connection.in_transaction:
        yield connection
        return
    with plain_failures(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            _roll_back(connection)
            raise
        connection.execute("COMMIT")


def _migrate(path: Path, connection: sqlite3.Connection, schema: Schema) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != schema.application_id and (owner, version, tables) != (0, 0, 0):
        raise ArchiveError(f"{path} is an SQLite file of another program; name another place for the {schema.kind}")
    if version > schema.version:
        raise ArchiveError(
            f"the {schema.kind} {path} is of version {version}, and this release reads up to {schema.version}; "
            "install a newer lipaccord"
        )
    if version == schema.version:
        return
    with changing(path, connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another program may have been faster
        for step in schema.migrations[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {schema.application_id}")
        connection.execute(f"PRAGMA user_version = {schema.version}")


def connect(path: Path, schema: Schema, *, create: bool = False) -> sqlite3.Connection:
    """Open an SQLite file, in autocommit mode and with rows by name; bring its tables up to this release.

    Parameters
    ----------
    path : Path
    schema : Schema
    create : bool
        Make it where there is none.

    Raises
    ------
    ArchiveError
        There is none, it is damaged, of another program or of a newer release, or it can't be written.
    """
    if not create and not path.is_file():
        raise ArchiveError(f"there is no {schema.kind} {path}; {schema.remedy}")
    with plain_failures(path):
        connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            _migrate(path, connection, schema)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def sole_run(path: Path) -> Iterator[None]:
    """Hold the store for one run.

    Raises
    ------
    ArchiveError
        Another run holds it, or its folder can't be written to.
    """
    lock = path.with_name(f"{path.name}-run")
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ArchiveError(f"the store {path} can't be written ({error.strerror}); name another place") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ArchiveError(
                f"another run writes the store {path}; wait for its end, or name another store"
            ) from error
        if lock.exists() and os.path.samestat(os.fstat(descriptor), lock.stat()):
            break
        os.close(descriptor)  # the run before took its lock file away in between
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
