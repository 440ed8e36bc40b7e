from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import lipaccord
from analyses import NOT_EXAMINABLE, SYNC, analysis
from lipaccord import cli, evaluation, examining, matching
from lipaccord.errors import BundleError, EvaluationError, UnreadableMedia
from lipaccord.evaluation import evaluate
from lipaccord.matching import ORIGINAL, Rung
from lipaccord.records import Analysis, Evidence, Finding, Reason
from lipaccord.report.evaluation import print_evaluation
from lipaccord.settings import Settings

HEADING = "path,mouth,sound,method,group,pair"
LOSS = {"crf18": 0.1, "crf24": 0.3, "crf31": 0.8}


def clip(folder: Path, name: str, forehead: float | None = 0.0, blur: float | None = 1.0, **more: Any) -> str:
    """Write a stand-in for a clip: a file that says what will be measured of it; return its name."""
    truth = {"name": name, "forehead": forehead, "blur": blur, **more}
    (folder / name).write_text(json.dumps(truth))
    return name


def told(path: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(path.read_text())
    return truth


def resynthesis(blur: float | None) -> Finding:
    if blur is None:
        return NOT_EXAMINABLE
    details = {"signed": -blur, "parts": {"chin": blur / 2, "beard": None}, "pairs": [1, 2], "frames": 80, "is": True}
    unsure = Evidence("teeth", "1", "resynthesis", None, "No teeth.", abstained=(Reason("no_teeth", "No teeth."),))
    cues = (Evidence("blur", "1", "resynthesis", blur, "Soft.", details=details), unsure)
    return Finding("resynthesis", "inconclusive", blur, None, None, (), cues)


class StandIns:
    """Take the place of what is slow: the pipeline, the encoder and the measure of the forehead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.analysed: list[str] = []
        self.encoded: list[str] = []
        self.sync = SYNC
        monkeypatch.setattr(examining, "analyze", self.analyze)
        monkeypatch.setattr(matching, "reencode", self.reencode)
        monkeypatch.setattr(matching, "forehead_detail", lambda path, tracks, face, start, end: told(path)["forehead"])

    def analyze(self, path: Path, *, settings: Settings, bundle: None, save_tracks: Path, threads: int) -> Analysis:
        truth = told(path)
        assert threads == 1
        if truth.get("trouble") == "media":
            raise UnreadableMedia(f"{path} is damaged: copy it again")
        if truth.get("trouble") == "bug":
            raise ZeroDivisionError("by nothing")
        if truth.get("trouble") == "kill":
            (path.parent / truth["name"]).write_text(json.dumps(truth | {"trouble": ""}))
            raise KeyboardInterrupt
        self.analysed.append(truth["name"])
        if truth["forehead"] is None:
            return analysis(resynthesis(None), faces=())
        return analysis(resynthesis(truth["blur"]), self.sync)

    def reencode(self, path: Path, rung: Rung, out: Path, start: float | None, end: float | None) -> None:
        truth = told(path)
        self.encoded.append(f"{truth['name']} {rung.name}")
        loss = LOSS.get(rung.name, 2.0)
        out.write_text(json.dumps(truth | {"forehead": truth["forehead"] - loss, "blur": truth["blur"] + loss}))


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns(monkeypatch)


def manifest(folder: Path, *rows: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join([HEADING, *rows]) + "\n")
    return path


def people(folder: Path, count: int = 8, **more: Any) -> Path:
    """Write one authentic clip and one of the method Paint for each person; Paint lost 0.3 of the forehead's detail."""
    rows = []
    for n in range(count):
        own = clip(folder, f"real{n}.mp4", forehead=0.01 * n, blur=1.0 + 0.01 * n)
        fake = clip(folder, f"fake{n}.mp4", forehead=0.01 * n - 0.3 + 0.001, blur=1.2 + 0.01 * n, **more)
        rows += [f"{own},camera,together,,p{n},", f"{fake},synthesised,driven,Paint,p{n},"]
    return manifest(folder, *rows)


def table(out: Path) -> list[dict[str, str]]:
    with (out / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_figures_are_those_of_the_clips(tmp_path: Path, stand_ins: StandIns) -> None:
    rows = [
        f"{clip(tmp_path, f'{mouth}{n}.mp4', blur=blur, forehead=0.1 * n)},{mouth},together,{method},g{n},"
        for mouth, method, blurs in (("camera", "", (1.0, 2.0, 4.0)), ("synthesised", "Paint", (3.0, 5.0)))
        for n, blur in enumerate(blurs)
    ]
    result = evaluate(manifest(tmp_path, *rows), tmp_path / "out", processes=1)
    for judged in (result["resynthesis"], result["cues"]["blur"]):
        for figure in (judged["all"], judged["methods"]["Paint"]):
            assert figure["auc"] == pytest.approx(5 / 6)
            assert (figure["positives"], figure["negatives"], figure["negatives_groups"]) == (2, 3, 3)
            assert figure["control_auc"] == pytest.approx(4 / 6)
    teeth = result["cues"]["teeth"]["all"]
    assert teeth["auc"] is None
    assert (teeth["positives"], teeth["positives_abstained"], teeth["negatives_abstained"]) == (0, 2, 3)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == result
    assert result["sync"] is None


def test_the_encode_that_hides_nothing_is_matched_and_counts(tmp_path: Path, stand_ins: StandIns) -> None:
    out = tmp_path / "out"
    plain = evaluate(people(tmp_path), out, processes=1)
    assert plain["resynthesis"]["all"]["control_auc"] > 0.95
    assert plain["resynthesis"]["all"]["auc"] > 0.95
    matched = evaluate(tmp_path / "manifest.csv", out, processes=1, match_encodes=True)
    assert matched["rungs"] == {"Paint": "crf24"}
    assert matched["choices"]["Paint"]["reference"] == "same groups"
    for figure in (matched["resynthesis"]["all"], matched["resynthesis"]["methods"]["Paint"]):
        assert figure["control_auc"] == pytest.approx(0.5, abs=0.07)
        assert figure["auc"] < 0.1  # the encode blurs by 0.3, the paint only by 0.2
        assert figure["negatives"] == 8
    rows = table(out)
    assert sorted({(row["mouth"], row["rung"]) for row in rows}) == [
        ("camera", "crf24"),
        ("camera", ORIGINAL),
        ("synthesised", ORIGINAL),
    ]
    assert len(stand_ins.encoded) == 8 * len(matching.RUNGS)
    assert stand_ins.analysed.count("real0.mp4") == 2


def test_over_all_each_rung_weighs_as_many_clips_as_it_matches(tmp_path: Path, stand_ins: StandIns) -> None:
    rows = people(tmp_path, 8).read_text().splitlines()[1:]
    for n in range(24):
        name = clip(tmp_path, f"harsh{n}.mp4", forehead=0.01 * (n % 8) - 0.8 + 0.001, blur=9.0)
        rows.append(f"{name},synthesised,driven,Harsh,p{n % 8},")
    result = evaluate(manifest(tmp_path, *rows), tmp_path / "out", processes=1, match_encodes=True)
    assert result["rungs"] == {"Harsh": "crf31", "Paint": "crf24"}
    pooled = result["resynthesis"]["all"]
    assert pooled["control_auc"] == pytest.approx(0.5, abs=0.07)
    # Paint (8 of 32 clips) scores below all authentic ones, Harsh above all of them.
    assert pooled["auc"] == pytest.approx(24 / 32, abs=0.01)
    assert (pooled["positives"], pooled["negatives"], pooled["negatives_abstained"]) == (32, 8, 0)


def test_the_table_has_every_number_and_leaves_out_what_is_missing(tmp_path: Path, stand_ins: StandIns) -> None:
    rows = [
        f"{clip(tmp_path, 'a.mp4', blur=2.5, forehead=-0.25)},camera,together,,anna,one",
        f"{clip(tmp_path, 'b.mp4', forehead=None)},synthesised,driven,Paint,anna,one",
    ]
    evaluate(manifest(tmp_path, *rows), tmp_path / "out", processes=1)
    first, second = table(tmp_path / "out")
    assert list(first)[:8] == ["path", "rung", "method", "group", "mouth", "sound", "pair", "forehead"]
    assert (first["path"], first["rung"], first["group"], first["forehead"]) == ("a.mp4", ORIGINAL, "anna", "-0.25")
    numbers = {name: first[name] for name in first if name.startswith("blur")}
    assert numbers == {"blur": "2.5", "blur.frames": "80.0", "blur.parts.chin": "1.25", "blur.signed": "-2.5"}
    assert first["teeth"] == ""
    assert (second["blur"], second["blur.signed"], second["forehead"], second["resynthesis"]) == ("", "", "", "")
    assert second["resynthesis_status"] == "not_examinable"


def test_what_is_done_is_not_done_again(tmp_path: Path, stand_ins: StandIns) -> None:
    path, out = people(tmp_path, 3), tmp_path / "out"
    first = evaluate(path, out, processes=1, match_encodes=True)
    done, encoded = len(stand_ins.analysed), len(stand_ins.encoded)
    assert evaluate(path, out, processes=1, match_encodes=True) == first
    assert (len(stand_ins.analysed), len(stand_ins.encoded)) == (done, encoded)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, stand_ins: StandIns) -> None:
    rows = [f"{clip(tmp_path, f'{n}.mp4', n=n)},camera,together,,p{n}," for n in range(4)]
    clip(tmp_path, "2.mp4", trouble="kill")
    path = manifest(tmp_path, *rows)
    with pytest.raises(KeyboardInterrupt):
        evaluate(path, tmp_path / "out", processes=1)
    assert stand_ins.analysed == ["0.mp4", "1.mp4"]
    evaluate(path, tmp_path / "out", processes=1)
    assert stand_ins.analysed == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]


@pytest.mark.parametrize("change", ["settings", "code", "clip"])
def test_a_result_of_other_circumstances_is_not_used(
    tmp_path: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path, out = people(tmp_path, 2), tmp_path / "out"
    evaluate(path, out, processes=1)
    if change == "code":
        monkeypatch.setattr(examining, "code_digest", lambda: "other")
    if change == "clip":
        clip(tmp_path, "real0.mp4", blur=7.0)
    evaluate(path, out, processes=1, settings=Settings(end_s=2.0) if change == "settings" else None)
    assert len(stand_ins.analysed) == 4 + (1 if change == "clip" else 4)


def test_the_code_digest_follows_the_cues_and_not_the_readers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cues").mkdir()
    files = [tmp_path / name for name in ("__init__.py", "cli.py", "cues/blur.py")]
    for file in files:
        file.write_text("first")
    monkeypatch.setattr(lipaccord, "__file__", str(files[0]))
    first = examining.code_digest()
    files[1].write_text("second")
    assert examining.code_digest() == first
    files[2].write_text("second")
    assert examining.code_digest() != first


def test_every_reader_is_a_room_of_the_package() -> None:
    root = Path(evaluation.__file__).parent
    planned = {"archive", "executors"}
    assert {name for name in examining.READERS if not list(root.glob(f"{name}*"))} <= planned


@pytest.mark.parametrize(("trouble", "words"), [("media", "damaged: copy it again"), ("bug", "ZeroDivisionError: by")])
def test_a_clip_that_fails_costs_itself_alone(tmp_path: Path, stand_ins: StandIns, trouble: str, words: str) -> None:
    path = people(tmp_path, 3)
    clip(tmp_path, "fake1.mp4", trouble=trouble)
    result = evaluate(path, tmp_path / "out", processes=1)
    [line] = result["left_out"]
    assert line.startswith("row 5 (fake1.mp4) at original: ")
    assert words in line
    assert (result["resynthesis"]["all"]["positives"], result["resynthesis"]["all"]["positives_abstained"]) == (2, 1)
    assert [row["path"] for row in table(tmp_path / "out") if row["problem"]] == ["fake1.mp4"]


def test_a_wrong_row_and_a_copy_of_a_clip_are_named(tmp_path: Path, stand_ins: StandIns) -> None:
    path = people(tmp_path, 3)
    (tmp_path / "copy.mp4").write_bytes((tmp_path / "real0.mp4").read_bytes())
    with path.open("a") as file:
        file.write("copy.mp4,camera,together,,p0,\nnowhere.mp4,camera,together,,p0,\n")
    result = evaluate(path, tmp_path / "out", processes=1)
    missing, copied = result["left_out"]
    assert missing.startswith("row 9 (nowhere.mp4): there is no file")
    assert copied == ("row 8 (copy.mp4): it is the same clip as row 2 (real0.mp4), byte for byte; keep one of the two")
    assert result["clips"] == 6


def test_nothing_that_can_be_examined_stops(tmp_path: Path, stand_ins: StandIns) -> None:
    path = manifest(tmp_path, f"{clip(tmp_path, 'a.mp4', trouble='media')},camera,together,,anna,")
    with pytest.raises(EvaluationError, match=r"no clip .* could be examined; the first trouble: row 2 \(a.mp4\)"):
        evaluate(path, tmp_path / "out", processes=1)


def test_a_damaged_result_is_named(tmp_path: Path, stand_ins: StandIns) -> None:
    path, out = people(tmp_path, 1), tmp_path / "out"
    evaluate(path, out, processes=1)
    kept = sorted((out / "results").iterdir())[0]
    kept.write_text("{")
    with pytest.raises(EvaluationError, match=f"{kept.name} can't be read .*delete it and run again"):
        evaluate(path, out, processes=1)


def test_a_missing_bundle_stops_before_anything_is_made(tmp_path: Path, stand_ins: StandIns) -> None:
    with pytest.raises(BundleError):
        evaluate(people(tmp_path, 1), tmp_path / "out", bundle=tmp_path / "nowhere", processes=1)
    assert not (tmp_path / "out").exists()


def test_a_limit_takes_the_first_clips_of_each_method(tmp_path: Path, stand_ins: StandIns) -> None:
    result = evaluate(people(tmp_path, 4), tmp_path / "out", processes=1, limit=2)
    assert stand_ins.analysed == ["real0.mp4", "fake0.mp4", "real1.mp4", "fake1.mp4"]
    assert result["clips"] == 4


def test_sync_is_judged_where_both_classes_are_there(tmp_path: Path, stand_ins: StandIns) -> None:
    rows = [f"{clip(tmp_path, f'{s}{n}.mp4')},camera,{s},,p{n}," for s in ("apart", "together") for n in range(3)]
    result = evaluate(manifest(tmp_path, *rows), tmp_path / "out", processes=1)
    assert (result["sync"]["positives"], result["sync"]["negatives"]) == (3, 3)
    assert result["sync"]["auc"] == 0.5
    assert result["resynthesis"]["all"]["auc"] is None


def test_a_finding_that_abstains_has_no_score_though_its_cue_has(tmp_path: Path, stand_ins: StandIns) -> None:
    weak = dataclasses.replace(SYNC, status="not_examinable")
    path = manifest(tmp_path, f"{clip(tmp_path, 'a.mp4')},camera,together,,anna,")
    stand_ins.sync = weak
    evaluate(path, tmp_path / "out", processes=1)
    [row] = table(tmp_path / "out")
    assert weak.score is not None
    assert (row["sync"], row["sync_status"]) == ("", "not_examinable")


def test_progress_is_told_by_stage(tmp_path: Path, stand_ins: StandIns) -> None:
    told: list[tuple[str, float]] = []
    evaluate(
        people(tmp_path, 2),
        tmp_path / "out",
        processes=1,
        match_encodes=True,
        progress=lambda stage, fraction: told.append((stage, fraction)),
    )
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["examining", "encoding", "examining the encodes"]
    assert [fraction for stage, fraction in told if stage == "examining"] == [0.25, 0.5, 0.75, 1.0]


def printed(result: dict[str, Any]) -> str:
    console = Console(width=100, color_system=None, highlight=False)
    with console.capture() as capture:
        print_evaluation(result, console)
    return capture.get()


def test_every_figure_is_printed_beside_its_control(tmp_path: Path, stand_ins: StandIns) -> None:
    plain = printed(evaluate(people(tmp_path), tmp_path / "out", processes=1))
    [row] = [line for line in plain.splitlines() if "Paint" in line]
    assert "original" in row
    assert "0.97 !" in row or "1.00 !" in row
    assert "8 / 8" in row
    assert "not matched" in plain
    matched = printed(evaluate(tmp_path / "manifest.csv", tmp_path / "out", processes=1, match_encodes=True))
    [row] = [line for line in matched.splitlines() if "Paint" in line]
    assert "crf24" in row


def test_a_name_that_steers_the_terminal_is_shown_harmless(tmp_path: Path, stand_ins: StandIns) -> None:
    rows = [
        f"{clip(tmp_path, 'a.mp4')},camera,together,,anna,",
        f"{clip(tmp_path, 'b.mp4')},synthesised,driven,[red]x\x1b[2J,anna,",
    ]
    text = printed(evaluate(manifest(tmp_path, *rows), tmp_path / "out", processes=1))
    assert "\x1b" not in text
    assert "[red]x" in text.replace("\n", "")


def test_the_command_says_what_was_left_out(tmp_path: Path, stand_ins: StandIns) -> None:
    path = people(tmp_path, 3)
    arguments = ["evaluate", str(path), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert CliRunner().invoke(cli.app, arguments).exit_code == 0
    clip(tmp_path, "fake1.mp4", trouble="media")
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == cli.ExitCode.ROWS
    assert "lipaccord: row 5 (fake1.mp4) at original:" in result.stderr
    assert "Paint" in result.stdout
    result = CliRunner().invoke(cli.app, ["evaluate", str(tmp_path / "none.csv"), "--out", str(tmp_path / "other")])
    assert result.exit_code == cli.ExitCode.USAGE
    assert "none.csv can't be read" in result.stderr
    assert not (tmp_path / "other").exists()


def test_fixtures_go_through_processes_of_their_own(
    fixture_clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: real clips, a real encode, two processes."""
    rung = matching.rung_named("crf24-scale0.5")
    monkeypatch.setattr(evaluation, "RUNGS", (rung,))
    rows = [
        f"{fixture_clip('synthetic')},camera,together,,astronaut,",
        f"{fixture_clip('synthetic_mouth_blurred')},synthesised,together,blur,astronaut,",
        f"{fixture_clip('synthetic_no_sound')},camera,unknown,,astronaut,",
    ]
    path, out = manifest(tmp_path, *rows), tmp_path / "out"
    before = [os.environ.get(name) for name in examining.THREADS]
    result = evaluate(path, out, processes=2, match_encodes=True, settings=Settings(end_s=1.2))
    assert [os.environ.get(name) for name in examining.THREADS] == before
    [line] = result["left_out"]
    assert "no sound" in line
    assert result["rungs"] == {"blur": rung.name}
    rows_of = {(Path(row["path"]).stem, row["rung"]): row for row in table(out)}
    original, encoded = (rows_of["synthetic", at] for at in (ORIGINAL, rung.name))
    blurred = rows_of["synthetic_mouth_blurred", ORIGINAL]
    assert float(blurred["forehead"]) == pytest.approx(float(original["forehead"]), abs=0.05)
    assert float(encoded["forehead"]) < float(original["forehead"]) - 0.1
    moved = float(original["blur.signed"]) - float(blurred["blur.signed"])
    assert moved > 3.0
    assert abs(float(original["blur.signed"]) - float(encoded["blur.signed"])) < moved / 2


def test_a_process_that_was_ended_is_explained(tmp_path: Path) -> None:
    job = examining.Job(tmp_path, "0" * 64, ORIGINAL, tmp_path, "0" * 64, None, Settings())
    jobs = [dataclasses.replace(job, sha256=digit * 64) for digit in "01"]
    ended = r"ended from outside.*fewer --jobs: what is done is kept"
    with examining.workers(2) as pool, pytest.raises(EvaluationError, match=ended):
        examining.run(pool, jobs, _end, lambda one: one.result, lambda fraction: None)


def _end(job: examining.Job) -> examining.Record:
    os._exit(1)
