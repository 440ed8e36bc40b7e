"""Rows of a table -> Parquet, CSV or lines of JSON, a few thousand at a time.

A spreadsheet takes a cell for a formula that begins with one of `FORMULA_SIGNS`, and a name or a note comes from
anywhere. In CSV, such a text gets an apostrophe in front, which spreadsheets take for "this is text"; Parquet and JSON
keep every text as it is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Literal, Protocol

from lipaccord.errors import BackendMissing

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With their wide forms, which some programs read alike."""

_BATCH = 8192


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : str
        ``INTEGER``, ``REAL``, ``TEXT`` or ``LIST`` (of text).
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be written, in the order of their clips.

    Attributes
    ----------
    columns : tuple of Column
    rows : iterator of list
        One value a column; it is read once, while the store is open.
    """

    columns: tuple[Column, ...]
    rows: Iterator[list[Any]]


def clean(text: str) -> str:
    """Return text that can be written as UTF-8: halves of characters become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def harmless(text: str) -> str:
    """Return what a cell of CSV may hold: no spreadsheet takes it for a formula."""
    return "'" + text if text.startswith(FORMULA_SIGNS) else text


class _Writer(Protocol):
    def write(self, rows: list[list[Any]]) -> None:
        """Write some rows."""

    def close(self) -> None:
        """Write what is still missing; the file stays open."""


class _Csv:
    """RFC 4180: a heading, CR LF, quotes where they are needed."""

    def __init__(self, columns: Sequence[Column], file: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._writer = csv.writer(self._text)
        self._writer.writerow([harmless(column.name) for column in columns])

    def write(self, rows: list[list[Any]]) -> None:
        self._writer.writerows([[self._cell(value) for value in row] for row in rows])

    @staticmethod
    def _cell(value: Any) -> Any:
        if isinstance(value, list):
            value = ";".join(value)
        return harmless(value) if isinstance(value, str) else value

    def close(self) -> None:
        self._text.detach()


class _Lines:
    """One JSON object a line, in ASCII."""

    def __init__(self, columns: Sequence[Column], file: IO[bytes]) -> None:
        self._names, self._file = [column.name for column in columns], file

    def write(self, rows: list[list[Any]]) -> None:
        lines = (json.dumps(dict(zip(self._names, row, strict=True)), allow_nan=False) for row in rows)
        self._file.write("".join(f"{line}\n" for line in lines).encode("ascii"))

    def close(self) -> None:
        self._file.flush()


class _Parquet:
    """Row groups of one batch each."""

    def __init__(self, columns: Sequence[Column], file: IO[bytes]) -> None:
        pa = _arrow()
        from pyarrow import parquet

        kinds = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "LIST": pa.list_(pa.string())}
        self._schema = pa.schema([(column.name, kinds[column.kind]) for column in columns])
        self._arrow = pa
        self._writer = parquet.ParquetWriter(file, self._schema)

    def write(self, rows: list[list[Any]]) -> None:
        values = zip(*rows, strict=True)
        arrays = [self._arrow.array(one, field.type) for one, field in zip(values, self._schema, strict=True)]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _arrow() -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise BackendMissing("Parquet needs pyarrow; install it by `pip install 'lipaccord[archive]'`") from error
    return pa


_WRITERS: dict[Format, type[_Writer]] = {"csv": _Csv, "jsonl": _Lines, "parquet": _Parquet}


def check_format(kind: Format) -> None:
    """Find out whether a format can be written.

    Raises
    ------
    BackendMissing
        Parquet, and pyarrow is not installed.
    """
    if kind == "parquet":
        _arrow()


def write_table(table: Table, file: IO[bytes], kind: Format) -> int:
    """Write a table to an open binary file; return the number of its rows.

    Raises
    ------
    BackendMissing
        Parquet, and pyarrow is not installed.
    OSError
        The file can't be written.
    """
    writer = _WRITERS[kind](table.columns, file)  # type: ignore[call-arg]  # a protocol tells nothing of __init__
    number = 0
    try:
        while rows := list(islice(table.rows, _BATCH)):
            writer.write(rows)
            number += len(rows)
    finally:
        writer.close()
    return number
