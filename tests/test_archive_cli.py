from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from analyses import analysis as made_analysis
from archives import METHOD, made_store
from lipaccord.archive.store import open_store
from lipaccord.archive_cli import app
from lipaccord.console import ExitCode
from lipaccord.manifest import read_manifest
from lipaccord.report.json import analysis_to_dict, to_text
from lipaccord.verifying import _read
from made_archives import HOSTILE, LACKING, OTHER, Made, decide, failed, gist, store_of, unrelated

WHOLE = analysis_to_dict(made_analysis())
PARTS: dict[str, Any] = {
    "analysis": {name: value for name, value in WHOLE.items() if name != "timeline"},
    "timeline": {"timeline": WHOLE["timeline"]},
}


def run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = store_of(
        tmp_path_factory.mktemp("cli") / "archive.db",
        Made([unrelated(1.0)], carried={"speaker": "Ada", "date": "2020-05-01"}),
        Made([gist(0.1), unrelated(2.0)], carried={"speaker": "Mary", "id": "m1"}, **PARTS),
        Made([LACKING]),
        failed(),
        Made([gist(0.5, cues=("flicker",))], uri=HOSTILE),
        Made([gist(0.2)], uri="https://me:secret@example.org/a.mp4?token=secret"),
    )
    with open_store(path) as store:
        decide(store, 1, "confirm", "sound", "=a note")
        decide(store, 3, "dismiss")
    return path


def test_top_shows_the_ranking(db: Path) -> None:
    result = run("top", db)
    assert result.exit_code == 0
    places = [result.stdout.index(name) for name in ("clip-2", "clip-1", "np\\n\\xff.mp4", "clip-3", "clip-4")]
    assert places == sorted(places)
    assert "The first 6 of 6 clips" in result.stdout
    assert "\x1b" not in result.stdout


def test_clips_are_not_counted_beyond_what_helps(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipaccord.archive_cli._MOST_COUNTED", 5)
    assert "The first 2 of more than 5 clips." in run("top", db, "-n", 2).stdout
    monkeypatch.setattr("lipaccord.archive_cli._MOST_COUNTED", 6)
    assert "The first 2 of 6 clips." in run("top", db, "-n", 2).stdout


def test_top_takes_a_number_and_filters(db: Path) -> None:
    result = run("top", db, "-n", 1, "--since", "2020", "--until", "2020", "--speaker", "Ada", "--decided", "confirm")
    assert "clip-1.mp4" in result.stdout
    assert "The first 1 of 1 clips" in result.stdout
    assert "No clip to show" in run("top", db, "--name", "nowhere").stdout


@pytest.mark.parametrize(
    ("option", "value", "clips"),
    [
        ("--status", "failed", [4]),
        ("--sync", "unrelated", [2, 1]),
        ("--resynthesis", "not_examinable", [3]),
        ("--cue", "flicker", [5]),
        ("--reason", "no_face", [3]),
        ("--error", "UnreadableMedia", [4]),
        ("--name", "clip-2", [2]),
        ("--least-triage", "0.5", [2, 1, 5]),
        ("--method", METHOD.digest[:3], [2, 1, 5, 6, 3, 4]),
    ],
)
def test_top_as_json_is_one_clip_a_line(db: Path, option: str, value: str, clips: list[int]) -> None:
    result = run("top", db, "--json", "-", option, value)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["id"] for row in rows] == clips
    assert all(isinstance(row["cues"], list) and isinstance(row["carried"], dict) for row in rows)


def test_top_writes_json_beside_the_table(db: Path, tmp_path: Path) -> None:
    result = run("top", db, "--json", tmp_path / "top.jsonl")
    assert len((tmp_path / "top.jsonl").read_text().splitlines()) == 6
    assert "The first 6" in result.stdout


@pytest.mark.parametrize("command", [["top"], ["show", "6"], ["export", "-", "--format", "csv"]])
def test_secrets_of_a_url_are_not_shown(db: Path, command: list[str]) -> None:
    result = run(command[0], db, *command[1:])
    assert "example.org" in result.stdout
    assert "secret" not in result.stdout


def test_show_tells_all_of_a_clip(db: Path) -> None:
    result = run("show", db, 2)
    assert result.exit_code == 0
    assert result.stdout.startswith("/made/clip-2.mp4\nid 2; SHA-256 0000")
    assert "id: m1" in result.stdout
    assert "sync: unrelated (LR 100)" in result.stdout
    assert "*2" in result.stdout
    assert "The sound comes 240 ms late." in result.stdout
    assert "confirm sound, counts: =a note" in run("show", db, "/made/clip-1.mp4").stdout
    assert "failed (UnreadableMedia): it is no media; leave it out" in run("show", db, 4).stdout


def test_show_gives_the_analysis_as_verify_reads_it(db: Path, tmp_path: Path) -> None:
    run("show", db, 2, "--turn", 1, "--json", tmp_path / "one.json")
    assert (tmp_path / "one.json").read_text() == to_text(made_analysis())
    assert _read(tmp_path / "one.json").changed == ()
    assert run("show", db, 2, "--json", "-").stdout == to_text(made_analysis())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["77"], "holds no clip '77'"),
        (["2", "--turn", "9"], "clip 2 has no turn 9"),
        (["4", "--json", "-"], "clip 4 has no analysis to write to -: nothing of it was measured"),
        (["2", "--method", "zz"], "no method of the store"),
    ],
)
def test_show_says_what_there_is_not(db: Path, arguments: list[str], message: str) -> None:
    result = run("show", db, *arguments)
    assert (result.exit_code, result.stdout) == (ExitCode.USAGE, "")
    assert message in result.stderr


def test_show_of_one_method_of_two(tmp_path: Path) -> None:
    path = store_of(tmp_path / "a.db", Made([gist(0.1)]), Made())
    store_of(path, Made([gist(0.2)]), method=OTHER)
    assert run("show", path, 1).stdout.count("By ") == 2
    result = run("show", path, 1, "--method", METHOD.digest[:4])
    assert f"By {METHOD.digest}" in result.stdout
    assert OTHER.digest not in result.stdout


def test_a_clip_that_waits_can_be_shown(tmp_path: Path) -> None:
    assert "It waits for an outcome" in run("show", store_of(tmp_path / "a.db", Made()), 1).stdout


def test_stats_count_and_expect(db: Path) -> None:
    text = run("stats", db, "--base-rate", 0.001).stdout
    assert "6 clips; method" in text
    assert "If 1 in 1,000 clips is altered" in text
    values = json.loads(run("stats", db, "--json", "-").stdout)
    assert values["statuses"]["examined"] == 4
    assert values["expected"] is None


def test_a_base_rate_that_is_no_share_is_explained(db: Path) -> None:
    result = run("stats", db, "--base-rate", 2)
    assert result.exit_code == ExitCode.USAGE
    assert "2 is no share of clips" in result.stderr


def test_compare_tells_what_changed(tmp_path: Path) -> None:
    path = made_store(tmp_path / "a.db", 30)
    made_store(path, 20, method=OTHER)
    result = run("compare", path, "-n", 2)
    assert "20 clips have an outcome by both." in result.stdout
    assert "Only by the first: 10" in result.stdout
    assert "and 8 more; -n lists them" in result.stdout
    values = json.loads(run("compare", path, OTHER.digest, METHOD.digest, "--json", "-").stdout)
    assert values["only_second"]["number"] == 10


def test_compare_takes_two_methods_or_none(db: Path) -> None:
    assert "it takes two methods to compare" in run("compare", db, METHOD.digest).stderr
    assert "holds outcomes of 1 method, and it takes two" in run("compare", db).stderr


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_export_takes_the_format_from_the_name(db: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"out.{kind}"
    result = run("export", db, out)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    start = {"csv": b"id,name", "jsonl": b'{"id": 1', "parquet": b"PAR1"}[kind]
    assert out.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [out]


def test_export_to_standard_output(db: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("export", db, "-", "--format", "csv", "--turns").stdout, newline="")))
    assert [(row["id"], row["number"]) for row in rows] == [
        ("1", "1"),
        ("2", "1"),
        ("2", "2"),
        *[(n, "1") for n in "356"],
    ]


def test_export_takes_filters(db: Path) -> None:
    result = run("export", db, "-", "--format", "jsonl", "--status", "failed")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [4]


def test_decisions_become_a_manifest(tmp_path: Path) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(b"film")
    path = store_of(tmp_path / "a.db", Made([gist()], uri=str(film)), Made([gist()], uri=HOSTILE))
    with open_store(path) as store:
        decide(store, 1, "dismiss")
        decide(store, 2, "dismiss")
    result = run("export", path, tmp_path / "m.csv", "--decisions")
    assert result.exit_code == ExitCode.ROWS
    assert result.stderr.startswith("lipaccord: clip 2 (/made/=a[bold]\\x1b[31m")
    assert [clip.path for clip in read_manifest(tmp_path / "m.csv").clips] == [film]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["out.txt"], "out.txt does not say its format; name it .csv, .jsonl or .parquet, or add --format"),
        (["-"], "- does not say its format"),
        (["-", "--format", "parquet"], "Parquet can't be written to standard output; name a file"),
        (["out.csv", "--turns", "--decisions"], "ask for one of them"),
        (["out.jsonl", "--decisions"], "a labelled manifest is CSV; name it .csv"),
        (["nowhere/out.csv"], "nowhere/out.csv can't be written"),
        (["out.csv", "--sync", "fake"], "'fake' is no sync status"),
    ],
)
def test_an_export_that_can_not_be_made_is_refused(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("export", db, *arguments)
    assert result.exit_code == ExitCode.USAGE
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_store_itself_is_not_overwritten(db: Path) -> None:
    before = db.read_bytes()
    for command in (["export", "--format", "csv"], ["stats", "--json"], ["top", "--json"], ["compare", "--json"]):
        result = run(command[0], db, *command[1:], db)
        assert "would overwrite another file" in result.stderr
    assert db.read_bytes() == before


def test_an_export_that_fails_leaves_the_old_file(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "out.csv"
    out.write_text("old")
    monkeypatch.setattr("lipaccord.archive.tabular.write_table", fail)
    result = run("export", db, out)
    assert result.exit_code == ExitCode.USAGE
    assert "can't be written (No space left on device)" in result.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_parquet_without_pyarrow_is_refused_before_anything_is_written(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("export", db, tmp_path / "out.parquet")
    assert result.exit_code == ExitCode.MISSING
    assert "pip install 'lipaccord[archive]'" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["top", "stats", "compare", "show", "export"])
def test_a_store_that_is_not_there_or_empty_is_told(tmp_path: Path, command: str) -> None:
    more = {"show": ["1"], "export": ["-", "--format", "csv"]}.get(command, [])
    result = run(command, tmp_path / "no.db", *more)
    assert result.exit_code == ExitCode.USAGE
    assert "there is no store" in result.stderr
    with open_store(tmp_path / "empty.db", create=True):
        pass
    result = run(command, tmp_path / "empty.db", *more)
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["top", "stats"])
def test_failures_only_are_shown(tmp_path: Path, command: str) -> None:
    result = run(command, store_of(tmp_path / "a.db", failed(), failed()))
    assert result.exit_code == 0
    assert "UnreadableMedia" in result.stdout


def test_reading_holds_no_lock_that_keeps_a_run_out(db: Path) -> None:
    with open_store(db) as store, store.change():
        assert run("top", db).exit_code == 0
        assert run("stats", db).exit_code == 0
