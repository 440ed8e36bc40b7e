"""A manifest (CSV or Parquet) -> its clips, row by row.

A manifest has a column ``path``, ``uri`` or ``url`` (the first of them that is there), and any further ones: these are
carried along as text, empty cells left out. A labelled manifest is such a list. What a path means is the caller's
business.

Conventions: CSV is in UTF-8, with commas, strict; cells are stripped of blanks, as in a labelled manifest. Of a Parquet
file, columns that are no text, number, truth value, date or time (lists, structures, raw bytes) are left out. A row
that can't be used costs one entry with the trouble ``BadRow``, and the next ones go on. Rows are counted as an editor
does in CSV (the heading is row 1), from 1 in Parquet. That a path stands there twice is not noticed here: the store
keeps one row a uri.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from lipaccord.archive.records import Entry
from lipaccord.archive.walking import told
from lipaccord.errors import ArchiveError, BackendMissing

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".parquet")
COLUMNS = ("path", "uri", "url")
MOST_CHARACTERS = 1 << 20
"""The longest row: a file without line ends must not fill the memory."""

_BATCH = 4096  # rows of a Parquet file that are held at a time


def is_list(name: str) -> bool:
    """Tell whether a file of this name is read as a manifest."""
    return name.lower().endswith(SUFFIXES)


def is_parquet(name: str) -> bool:
    """Tell whether a file of this name is read as Parquet."""
    return name.lower().endswith(".parquet")


def read_list(file: BinaryIO, name: str, place: Callable[[str], Entry], *, is_parquet: bool) -> Iterator[Entry]:
    """Read a manifest; its heading at once, its rows as they are asked for.

    Parameters
    ----------
    file : binary file
        Open, and kept open while rows are read; one with `seek` where it is Parquet.
    name : str
        What to call it.
    place : callable
        Turns a path as it stands in the manifest into an entry; an `ArchiveError` of it makes the row a ``BadRow``.
    is_parquet : bool
        Parquet, else CSV.

    Returns
    -------
    iterator of Entry
        Reading on may raise `ArchiveError` as well: the file turns out not to be UTF-8, or damaged.

    Raises
    ------
    ArchiveError
        It is no such file, or lacks the column.
    OSError
        A CSV file can't be read.
    BackendMissing
        Parquet can't be read without pyarrow.
    """
    rows = _parquet_rows(file, name) if is_parquet else _csv_rows(file, name)
    _, heading = next(rows, (0, []))
    if isinstance(heading, str):
        raise ArchiveError(f"the heading of the list {name} can't be read ({heading}); give a CSV file with commas")
    return _entries(rows, _checked(heading, name), name, place)


def _checked(heading: Sequence[str], name: str) -> Sequence[str]:
    if not any(column in heading for column in COLUMNS):
        raise ArchiveError(
            f"the list {name} has no column path, uri or url; name one of them in its heading, separated by commas"
        )
    twice = sorted({column for column in heading if column and heading.count(column) > 1})
    if twice:
        raise ArchiveError(f"the list {name} has the column {', '.join(twice)} twice; keep one of them")
    return heading


def _entries(
    rows: Iterator[tuple[int, list[str] | str]], heading: Sequence[str], name: str, place: Callable[[str], Entry]
) -> Iterator[Entry]:
    column = next(column for column in COLUMNS if column in heading)
    for number, cells in rows:
        if not any(cells):
            continue
        wrong = cells if isinstance(cells, str) else _wrong(cells, heading)
        if wrong is None:
            values = dict(zip(heading, cells, strict=True))
            carried = {key: value for key, value in values.items() if key and value and key != column}
            try:
                if not values[column]:
                    raise ArchiveError(f"its {column} is empty; name the clip")
                entry = replace(place(values[column]), carried=carried)
            except ArchiveError as error:
                wrong = str(error)
        if wrong is not None:
            entry = Entry(f"{name}#row-{number}", trouble=told("BadRow", f"row {number} of {name}: {wrong}"))
        yield entry


def _wrong(cells: Sequence[str], heading: Sequence[str]) -> str | None:
    """Say why a row can't be used, and the remedy; None where it can."""
    if len(cells) != len(heading):
        return f"it has {len(cells)} cells where the heading has {len(heading)}; quote cells that hold a comma"
    if any("\0" in cell for cell in cells):
        return "it holds a NUL character; remove it"
    return None


class _Lines:
    """The lines of a text file, as long as a row of them stays within `MOST_CHARACTERS`."""

    def __init__(self, text: io.TextIOWrapper, name: str) -> None:
        self.text, self.name = text, name
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        while line := self.text.readline(MOST_CHARACTERS + 1):
            self.taken += len(line)
            if self.taken > MOST_CHARACTERS:
                raise ArchiveError(f"the list {self.name} has a row of over a million characters; give a CSV file")
            yield line


def _csv_rows(file: BinaryIO, name: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows with the number of their last line; of a row that is no CSV, what is wrong."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    lines = _Lines(text, name)
    reader = csv.reader(lines, strict=True)
    try:
        while True:
            lines.taken = 0
            try:
                cells: list[str] | str = [cell.strip() for cell in next(reader)]
            except csv.Error as error:  # the reader goes on with the next line
                cells = f"it is no CSV ({error}); correct its quotes"
            except StopIteration:
                return
            yield reader.line_num, cells
    except UnicodeDecodeError as error:
        raise ArchiveError(f"the list {name} can't be read ({error}); give a CSV file in UTF-8") from error
    finally:
        if not text.closed:
            text.detach()  # the file belongs to the caller


def _parquet_rows(file: BinaryIO, name: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the names of the columns that are text or can be told in text, then the rows with their numbers."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise BackendMissing(f"the list {name} needs pyarrow; pip install 'lipaccord[archive]'") from error

    try:
        with pq.ParquetFile(file, buffer_size=1 << 20) as table:
            columns = [column.name for column in table.schema_arrow if _is_telling(column.type)]
            yield 0, columns
            number = 0
            for batch in table.iter_batches(_BATCH, columns=columns):
                for cells in zip(*(_texts(column) for column in batch.columns), strict=True):
                    number += 1
                    yield number, list(cells)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        reason = "damaged or out of reach" if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise ArchiveError(f"the list {name} can't be read ({reason}); give a Parquet file") from error


def _is_telling(kind: pa.DataType) -> bool:
    """Tell whether a column can be told in text."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_telling(kind.value_type)
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    times = (types.is_date, types.is_time, types.is_timestamp)
    return any(is_one(kind) for is_one in texts + numbers + times)


def _texts(column: pa.Array[Any]) -> list[str]:
    return ["" if value is None else value if isinstance(value, str) else str(value) for value in column.to_pylist()]
