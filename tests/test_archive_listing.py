from __future__ import annotations

import datetime
import io
import sys
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lipaccord.archive.listing import MOST_CHARACTERS, is_list, is_parquet, read_list
from lipaccord.archive.records import Entry
from lipaccord.errors import ArchiveError, BackendMissing


def place(cell: str) -> Entry:
    if cell == "refused":
        raise ArchiveError("it is refused; name another")
    return Entry(f"/at/{cell}", size=7)


def read(text: str | bytes) -> list[Entry]:
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    return list(read_list(file, "m.csv", place, is_parquet=False))


def read_table(columns: dict[str, Any]) -> list[Entry]:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    file.seek(0)
    return list(read_list(file, "m.parquet", place, is_parquet=True))


def wrong(entry: Entry) -> str:
    assert entry.trouble is not None
    assert entry.trouble.error == "BadRow"
    return f"{entry.uri} {entry.trouble.message}"


def test_rows_become_entries_and_carry_their_columns() -> None:
    text = "speaker,path,date,\nAnna, a.mp4 ,2020-01-02,x\n,b.mp4,,\n"
    assert read(text) == [
        Entry("/at/a.mp4", 7, carried={"speaker": "Anna", "date": "2020-01-02"}),
        Entry("/at/b.mp4", 7),
    ]


def test_a_labelled_manifest_is_a_list() -> None:
    [entry] = read("path,mouth,sound,method,group,pair\nx.mp4,camera,together,,anna,one\n")
    assert entry.carried == {"mouth": "camera", "sound": "together", "group": "anna", "pair": "one"}


@pytest.mark.parametrize(
    ("heading", "uri", "carried"),
    [
        ("uri,path,url", "/at/2", {"uri": "1", "url": "3"}),
        ("url,x,uri", "/at/3", {"url": "1", "x": "2"}),
        ("url,x,y", "/at/1", {"x": "2", "y": "3"}),
    ],
)
def test_the_first_of_path_uri_and_url_names_the_clip(heading: str, uri: str, carried: dict[str, str]) -> None:
    assert read(f"{heading}\n1,2,3\n") == [Entry(uri, 7, carried=carried)]


def test_a_byte_order_mark_and_other_line_ends_are_read() -> None:
    assert [entry.uri for entry in read(b"\xef\xbb\xbfpath\r\na.mp4\r\n\r\n\xc3\xbc.mp4")] == [
        "/at/a.mp4",
        "/at/ü.mp4",
    ]


def test_columns_without_a_name_are_left_out() -> None:
    assert read(",path,\n0,a.mp4,x\n") == [Entry("/at/a.mp4", 7)]


def test_a_long_list_of_short_rows_is_read_to_its_end() -> None:
    assert len(read("path\n" + f"{'x' * 98}\n" * 12_000)) == 12_000


def test_formulas_are_text() -> None:
    [entry] = read('path,note\n=1+1.mp4,"=HYPERLINK(""x"")"\n')
    assert entry == Entry("/at/=1+1.mp4", 7, carried={"note": '=HYPERLINK("x")'})


def test_the_same_path_twice_is_left_to_the_store() -> None:
    assert [entry.uri for entry in read("path\na.mp4\na.mp4\n")] == ["/at/a.mp4"] * 2


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (",Anna", "m.csv#row-3 row 3 of m.csv: its path is empty; name the clip"),
        ("b.mp4", "it has 1 cells where the heading has 2; quote cells that hold a comma"),
        ("b,c.mp4,Anna", "it has 3 cells where the heading has 2"),
        ("b\0.mp4,Anna", "it holds a NUL character; remove it"),
        ("b.mp4,An\0na", "it holds a NUL character"),
        ("refused,Anna", "it is refused; name another"),
        ('"b"x.mp4,Anna', "it is no CSV (',' expected after '\"'); correct its quotes"),
        (f"{'x' * 140_000}.mp4,Anna", "it is no CSV (field larger than field limit (131072))"),
    ],
)
def test_a_wrong_row_costs_itself_alone(row: str, complaint: str) -> None:
    first, second, third = read(f"path,who\na.mp4,x\n{row}\nc.mp4,y\n")
    assert (first.uri, third.uri) == ("/at/a.mp4", "/at/c.mp4")
    assert complaint in wrong(second)


def test_rows_are_counted_as_an_editor_does() -> None:
    _, entry = read('path,who\n\n,\na.mp4,"two\nlines"\n,x\n')
    assert wrong(entry).startswith("m.csv#row-6 row 6 of m.csv")


def test_a_quote_that_is_never_closed_ends() -> None:
    first, second = read('path,who\na.mp4,x\n"b.mp4,y\nc.mp4,z\n')
    assert first.uri == "/at/a.mp4"
    assert "unexpected end of data" in wrong(second)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column path, uri or url"),
        ("\n\n", "has no column path, uri or url"),
        ("file;who\na;b\n", "has no column path, uri or url; name one of them in its heading, separated by commas"),
        ("path,who,who\n", "has the column who twice; keep one"),
        ('"path"x,who\n', "the heading of the list m.csv can't be read"),
        ("path,who\n".encode("utf-16"), "give a CSV file in UTF-8"),
        (b"\x00" * 100, "has no column"),
    ],
)
def test_what_is_no_list_stops_at_once(text: str | bytes, message: str) -> None:
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ArchiveError, match=message):
        read_list(file, "m.csv", place, is_parquet=False)


def test_a_list_that_is_no_text_further_on_stops_there() -> None:
    rows = read_list(io.BytesIO(b"path\n" + b"a.mp4\n" * 5000 + b"\xff\n"), "m.csv", place, is_parquet=False)
    assert next(rows).uri == "/at/a.mp4"
    with pytest.raises(ArchiveError, match=r"m\.csv can't be read .*utf-8.*give a CSV file in UTF-8"):
        list(rows)


class Endless(io.RawIOBase):
    """A file of one pattern, and how much of it was read."""

    def __init__(self, start: bytes, pattern: bytes) -> None:
        self.waiting, self.pattern, self.given = start, pattern, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while len(self.waiting) < len(buffer):
            self.waiting += self.pattern
        buffer[:] = self.waiting[: len(buffer)]
        self.waiting = self.waiting[len(buffer) :]
        self.given += len(buffer)
        return len(buffer)


@pytest.mark.parametrize("pattern", [b"x", b'"a\n",'])
def test_a_row_without_end_does_not_fill_the_memory(pattern: bytes) -> None:
    raw = Endless(b"path\n", pattern)
    rows = read_list(io.BufferedReader(raw), "m.csv", place, is_parquet=False)
    with pytest.raises(ArchiveError, match="has a row of over a million characters"):
        list(rows)
    assert raw.given < 2 * MOST_CHARACTERS


def test_the_file_stays_the_callers() -> None:
    file = io.BytesIO(b"path\na.mp4\nb.mp4\n")
    rows = read_list(file, "m.csv", place, is_parquet=False)
    next(rows)
    del rows
    assert not file.closed


def test_complaints_are_one_plain_line() -> None:
    file = io.BytesIO(b"path,who\n,x\n")
    [entry] = read_list(file, "odd\n\x1b[31m\udcff.csv", place, is_parquet=False)
    assert entry.uri == "odd\n\x1b[31m\udcff.csv#row-2"
    assert entry.trouble is not None
    assert entry.trouble.message.startswith("row 2 of odd\\n\\x1b[31m\\xff.csv: ")


def test_a_parquet_file_is_read_in_the_same_way() -> None:
    entries = read_table({"path": ["a.mp4", None, "", " c.mp4"], "who": ["Anna", "x", None, None]})
    assert entries[0] == Entry("/at/a.mp4", 7, carried={"who": "Anna"})
    assert wrong(entries[1]) == "m.parquet#row-2 row 2 of m.parquet: its path is empty; name the clip"
    assert entries[2] == Entry("/at/ c.mp4", 7)


def test_columns_of_a_parquet_file_become_text_or_are_left_out() -> None:
    [entry] = read_table(
        {
            "whole": [3],
            "part": [0.5],
            "true": [True],
            "day": [datetime.date(2020, 1, 2)],
            "moment": [datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)],
            "price": [Decimal("1.50")],
            "kind": pa.array(["x"]).dictionary_encode(),
            "list": [[1, 2]],
            "structure": [{"a": 1}],
            "raw": [b"\xff"],
            "nothing": pa.array([None]),
            "path": pa.array(["a.mp4"], pa.large_string()),
        }
    )
    assert entry.carried == {
        "whole": "3",
        "part": "0.5",
        "true": "True",
        "day": "2020-01-02",
        "moment": "2020-01-02 03:04:05+00:00",
        "price": "1.50",
        "kind": "x",
    }


def test_parquet_without_a_path_of_text_stops() -> None:
    for column in ([b"a.mp4"], [["a.mp4"]]):
        with pytest.raises(ArchiveError, match=r"m\.parquet has no column path"):
            read_table({"path": column, "who": ["x"]})


def damaged() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"path": ["a.mp4"] * 1000}), file)
    data = bytearray(file.getvalue())
    data[4:40] = b"\xff" * 36
    return bytes(data)


@pytest.mark.parametrize("data", [b"", b"path\na.mp4\n", b"PAR1" + bytes(40) + b"PAR1", damaged()])
def test_what_is_no_parquet_stops(data: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"m\.parquet can't be read \(.+\); give a Parquet file$"):
        list(read_list(io.BytesIO(data), "m.parquet", place, is_parquet=True))


def test_parquet_with_text_that_is_none_stops() -> None:
    raw = pa.array([b"a\xff.mp4"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    with pytest.raises(ArchiveError, match="can't be read"):
        read_table({"path": text})


def test_parquet_without_pyarrow_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BackendMissing, match=r"pip install 'lipaccord\[archive\]'"):
        read_list(io.BytesIO(), "m.parquet", place, is_parquet=True)


def test_rows_are_read_as_they_are_asked_for() -> None:
    file: BinaryIO = io.BytesIO(b"path\n" + b"a.mp4\n" * 100_000)
    next(read_list(file, "m.csv", place, is_parquet=False))
    assert file.tell() < 100_000


def test_what_counts_as_a_list() -> None:
    assert is_list("a.CSV")
    assert is_list("a.parquet")
    assert not is_list("a.mp4")
    assert is_parquet("a.Parquet")
    assert not is_parquet("a.csv")
