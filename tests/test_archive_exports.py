from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archives import made_store
from lipaccord import manifest as manifests
from lipaccord.archive import exports
from lipaccord.archive.exports import MOST_CARRIED, clips, decided, turns
from lipaccord.archive.filters import Filter
from lipaccord.archive.store import Store, open_store
from lipaccord.archive.tabular import FORMULA_SIGNS, Column, Format, Table, check_format, write_table
from lipaccord.errors import ArchiveError, BackendMissing
from lipaccord.manifest import read_manifest
from made_archives import HOSTILE, LACKING, OTHER, Made, decide, failed, gist, store_of, unrelated


def written(table: Table, kind: Format = "csv") -> bytes:
    file = io.BytesIO()
    write_table(table, file, kind)
    return file.getvalue()


def cells(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written(table).decode(), newline="")))


def lines(table: Table) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(table, "jsonl").splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_of(
        tmp_path / "archive.db",
        Made([gist(0.5, cues=("blur", "flicker"))], carried={"speaker": "Ada", "id": "a1", "place": "Bern"}),
        Made([gist(0.1), unrelated(1.25)], carried={"date": "2020-01-01", "id": "a2"}),
        failed(),
        Made(),
        Made([LACKING], uri=HOSTILE),
    )


def test_every_clip_is_a_row_also_those_that_wait(path: Path) -> None:
    with open_store(path) as store:
        rows = lines(clips(store, Filter()))
        assert [row["status"] for row in rows] == ["examined", "examined", "failed", None, "not_examinable"]
        assert len(lines(clips(store, Filter(status="examined")))) == 2


def test_columns_are_those_of_the_view_and_what_was_carried(path: Path) -> None:
    with open_store(path) as store:
        view = [row["name"] for row in store.connection.execute("PRAGMA table_info(row)")]
        table = clips(store, Filter())
        assert [column.name for column in table.columns] == [
            *[name for name in view if name != "carried"],
            "carried_id",
            "place",
        ]
        first = lines(table)[0]
    assert (first["id"], first["carried_id"], first["place"], first["speaker"]) == (1, "a1", "Bern", "Ada")
    assert (first["triage"], first["cues"], first["reasons"]) == (0.5, ["blur", "flicker"], [])


def test_carried_names_that_clash_twice_are_told_apart(tmp_path: Path) -> None:
    carried = {"carried_id": "one", "id": "two", "": "three", "\ud800": "four"}
    with open_store(store_of(tmp_path / "a.db", Made([gist()], carried=carried))) as store:
        [row] = lines(clips(store, Filter()))
    assert [row[name] for name in ("carried_id", "carried_carried_id", "carried_", "\\ud800")] == [
        "one",
        "two",
        "three",
        "four",
    ]


def test_more_carried_columns_than_a_table_takes_are_refused(tmp_path: Path) -> None:
    carried = {f"c{number}": "" for number in range(MOST_CARRIED + 1)}
    path = store_of(tmp_path / "a.db", Made([gist()], carried=carried))
    message = "carry more than 500 different columns, too many for a table; list"
    with open_store(path) as store, pytest.raises(ArchiveError, match=message):
        clips(store, Filter())


def test_turns_are_rows_with_their_times(path: Path) -> None:
    with open_store(path) as store:
        rows = lines(turns(store, Filter()))
        assert [(row["id"], row["number"], row["start_s"], row["triage"]) for row in rows] == [
            (1, 1, None, 0.5),
            (2, 1, 20.0, 0.1),
            (2, 2, 40.0, 1.25),
            (5, 1, None, None),
        ]
        assert rows[0]["carried_id"] == "a1"
        assert [row["number"] for row in lines(turns(store, Filter(sync_status="unrelated")))] == [1, 2]


def test_turns_of_a_clip_that_changed_are_left_out(path: Path) -> None:
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("UPDATE clip SET mark = 'new' WHERE id = 2")
        assert [row["id"] for row in lines(turns(store, Filter()))] == [1, 5]


def test_csv_is_that_of_the_standard(path: Path) -> None:
    with open_store(path) as store:
        data = written(clips(store, Filter()))
        rows = cells(clips(store, Filter()))
    assert data.startswith(b"id,name,speaker,")
    assert data.count(b"\r\n") == 6
    assert rows[0]["cues"] == "blur;flicker"
    assert rows[3]["status"] == rows[3]["triage"] == ""
    assert rows[4]["name"] == "/made/=a[bold]\x1b[31m\u202egnp\n\\xff.mp4"


@pytest.mark.parametrize("sign", FORMULA_SIGNS)
def test_a_text_that_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe_in_csv_alone(
    tmp_path: Path, sign: str
) -> None:
    carried = {"speaker": f"{sign}1+1", f"{sign}x": "a=b"}
    with open_store(store_of(tmp_path / "a.db", Made([gist(-0.5)], carried=carried))) as store:
        [row] = cells(clips(store, Filter()))
        [whole] = lines(clips(store, Filter()))
    assert row["speaker"] == f"'{sign}1+1"
    assert row[f"'{sign}x"] == "a=b"
    assert row["triage"] == "-0.5"
    assert whole["speaker"] == f"{sign}1+1"


def test_parquet_keeps_kinds_and_texts(path: Path) -> None:
    from pyarrow import parquet

    with open_store(path) as store:
        table = parquet.read_table(io.BytesIO(written(clips(store, Filter()), "parquet")))
    kinds = {field.name: str(field.type) for field in table.schema}
    assert [kinds[name] for name in ("id", "triage", "name", "place")] == ["int64", "double", "string", "string"]
    assert kinds["cues"].startswith("list<")
    assert table.column("cues").to_pylist() == [["blur", "flicker"], [], [], None, []]
    assert table.column("name").to_pylist()[4] == "/made/=a[bold]\x1b[31m\u202egnp\n\\xff.mp4"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_archive_of_many_batches_is_written_whole(
    tmp_path: Path, kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lipaccord.archive.tabular._BATCH", 64)
    with open_store(made_store(tmp_path / "a.db", 200)) as store:
        file = io.BytesIO()
        assert write_table(clips(store, Filter()), file, kind) == 200
        if kind == "parquet":
            from pyarrow import parquet

            names = parquet.read_table(file).column("carried_id").to_pylist()
        else:
            rows = cells(clips(store, Filter())) if kind == "csv" else lines(clips(store, Filter()))
            names = [row["carried_id"] for row in rows]
    assert names == [f"c{number}" for number in range(200)]


def test_rows_are_read_while_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipaccord.archive.tabular._BATCH", 10)
    ahead: list[int] = []

    class Slow(io.BytesIO):
        def write(self, data: Any) -> int:
            ahead.append(read)
            return super().write(data)

    read = 0

    def counted(table: Table) -> Table:
        def rows() -> Any:
            nonlocal read
            for row in table.rows:
                read += 1
                yield row

        return Table(table.columns, rows())

    with open_store(made_store(tmp_path / "a.db", 100)) as store:
        write_table(counted(clips(store, Filter())), Slow(), "jsonl")
    assert ahead == list(range(10, 101, 10))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_store_without_rows_to_write_gives_an_empty_table(path: Path, kind: Format) -> None:
    with open_store(path) as store:
        data = written(clips(store, Filter(speaker="nobody")), kind)
    assert bool(data) == (kind != "jsonl")


def test_a_number_that_is_none_is_left_out(path: Path) -> None:
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("UPDATE outcome SET triage = 9e999 WHERE clip = 1")
        assert lines(clips(store, Filter()))[0]["triage"] is None


def test_a_url_is_written_without_its_secrets(tmp_path: Path) -> None:
    uri = "https://me:secret@example.org/a.mp4?token=secret"
    with open_store(store_of(tmp_path / "a.db", Made([gist()], uri=uri))) as store:
        assert b"secret" not in written(clips(store, Filter())) + written(turns(store, Filter()))


def test_parquet_without_pyarrow_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BackendMissing, match=r"pip install 'lipaccord\[archive\]'"):
        check_format("parquet")
    check_format("csv")


def test_the_method_of_a_filter_is_the_one_that_is_written(path: Path) -> None:
    store_of(path, Made([gist(0.75)]), method=OTHER)
    with open_store(path) as store:
        assert [row["triage"] for row in lines(clips(store, Filter()))] == [0.75, None, None, None, None]
        assert lines(clips(store, Filter(method="58")))[0]["triage"] == 0.5


def films(folder: Path, *names: str) -> list[str]:
    for name in names:
        Path(folder, name).write_bytes(os.fsencode(name))
    return [str(folder / name) for name in names]


Reviewed = Callable[..., tuple[manifests.Manifest, list[str]]]


@pytest.fixture
def reviewed(tmp_path: Path) -> Reviewed:
    """Make a store, take decisions, write the manifest and read it as `evaluate` does."""

    def make(clips: list[Made], decisions: list[tuple[str, str]]) -> tuple[manifests.Manifest, list[str]]:
        with open_store(store_of(tmp_path / "a.db", *clips)) as store:
            for number, (verdict, what) in enumerate(decisions, 1):
                decide(store, number, verdict, what, note="=a, note")
            table, complaints = decided(store, Filter())
            (tmp_path / "m.csv").write_bytes(written(table))
        return read_manifest(tmp_path / "m.csv"), complaints

    return make


def test_decisions_are_a_manifest_that_can_be_read(tmp_path: Path, reviewed: Reviewed) -> None:
    paths = films(tmp_path, "a.mp4", "b, c.mp4", "ü.mp4", "d.mp4", "e.mp4", "f.mp4")
    made = [Made([gist()], uri=path, carried={"speaker": "Ada"}) for path in paths]
    decisions = [("confirm", "sound"), ("confirm", "mouth"), ("confirm", "both"), ("dismiss", ""), ("unsure", "")]
    manifest, complaints = reviewed(made, decisions)
    assert complaints == []
    assert manifest.complaints == ()
    assert [(str(clip.path), clip.mouth, clip.sound) for clip in manifest.clips] == [
        (paths[0], "unknown", "apart"),
        (paths[1], "synthesised", "unknown"),
        (paths[2], "synthesised", "unknown"),
        (paths[3], "camera", "together"),
    ]
    first = manifest.clips[0]
    assert (first.method, first.group, first.pair) == ("reviewed", "Ada", "")
    assert first.further == {"note": "'=a, note", "user": "Noor", "decided_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("speaker", [*sorted(manifests.NOTHING), "None", "  "])
def test_a_clip_without_a_speaker_is_a_group_of_its_own(tmp_path: Path, reviewed: Reviewed, speaker: str) -> None:
    [film] = films(tmp_path, "a.mp4")
    made = [Made([gist()], uri=film, carried={"speaker": speaker}, sha256="ab" * 32)]
    manifest, _ = reviewed(made, [("dismiss", "")])
    assert manifest.clips[0].group == "abababababab"


def test_a_clip_that_a_manifest_can_not_name_costs_itself_alone(tmp_path: Path, reviewed: Reviewed) -> None:
    good, line_break, bytes_, space = films(tmp_path, "a.mp4", "b\n.mp4", "c\udcff.mp4", "d.mp4 ")
    url = "https://me:secret@example.org/a.mp4"
    uris = [line_break, bytes_, space, url, good]
    manifest, complaints = reviewed([Made([gist()], uri=uri) for uri in uris], [("dismiss", "")] * 5)
    assert [clip.name for clip in manifest.clips] == [good]
    assert len(complaints) == 4
    assert all("a manifest names files of this machine by printable characters" in line for line in complaints)
    assert complaints[0].startswith(f"clip 1 ({tmp_path}")
    assert "secret" not in complaints[3]


def test_a_content_has_one_row_however_many_clips_hold_it(tmp_path: Path, reviewed: Reviewed) -> None:
    first, second = films(tmp_path, "a\n.mp4", "b.mp4")
    made = [Made([gist()], uri=uri, sha256="ab" * 32) for uri in (first, second)]
    manifest, complaints = reviewed(made, [("dismiss", "")])
    assert [clip.name for clip in manifest.clips] == [second]
    assert complaints == []


def test_a_clip_that_failed_can_be_decided_too(tmp_path: Path) -> None:
    with open_store(store_of(tmp_path / "a.db", failed())) as store:
        decide(store, 1, "dismiss")
        table, _ = decided(store, Filter())
        assert [row[4] for row in table.rows] == ["clip 1"]


def test_a_confirmation_of_nothing_is_left_out(path: Path) -> None:
    with open_store(path) as store:
        decide(store, 1, "confirm")
        table, complaints = decided(store, Filter())
        assert list(table.rows) == []
    assert complaints == ["clip 1 (/made/clip-1.mp4): its decision does not say what it confirms; decide once more"]


def test_decisions_that_do_not_count_are_left_out(path: Path) -> None:
    with open_store(path) as store:
        decide(store, 1, "dismiss")
        decide(store, 2, "dismiss")
        with store.change() as connection:
            connection.execute("UPDATE decision SET current = 0 WHERE clip = 1")
        table, _ = decided(store, Filter())
        assert [row[0] for row in table.rows] == ["/made/clip-2.mp4"]


def test_a_filter_is_on_the_decided_clips_too(path: Path) -> None:
    def chosen(store: Store, wanted: Filter) -> list[Any]:
        return [row[0] for row in decided(store, wanted)[0].rows]

    with open_store(path) as store:
        decide(store, 1, "dismiss")
        decide(store, 2, "confirm", "sound")
        assert chosen(store, Filter(speaker="Ada")) == ["/made/clip-1.mp4"]
        assert chosen(store, Filter(verdict="confirm")) == ["/made/clip-2.mp4"]


def test_every_decision_that_says_something_has_labels_of_the_manifest() -> None:
    for mouth, sound in exports.LABELS.values():
        assert mouth in manifests.MOUTHS
        assert sound in manifests.SOUNDS


def test_a_failure_to_write_is_not_hidden() -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_table(Table((Column("a", "TEXT"),), iter([["b"]])), Full(), "jsonl")  # type: ignore[arg-type]
