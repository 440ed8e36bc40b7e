from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import lipaccord
from analyses import UNRELATED, analysis
from lipaccord import cli, errors
from lipaccord.comparison import Check, Verification
from lipaccord.console import ExitCode
from lipaccord.records import Analysis, Examination, Sound
from lipaccord.report.json import to_text
from lipaccord.settings import Settings
from lipaccord.treatments import TREATMENTS
from made_survey import calibration

Calls = list[dict[str, Any]]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def stub(monkeypatch: pytest.MonkeyPatch, module: str, function: str, replacement: Callable[..., Any]) -> None:
    """Put a module with one function in the place of a heavy one."""
    name = f"lipaccord.{module}"
    stand_in = types.ModuleType(name)
    setattr(stand_in, function, replacement)
    monkeypatch.setitem(sys.modules, name, stand_in)
    monkeypatch.setattr(lipaccord, module, stand_in, raising=False)


def examined(made: Analysis) -> Examination:
    """Return an examination without a face."""
    return Examination(made, np.zeros(1), Sound(np.zeros(0, np.float32), 16_000, 0.0), (), None, None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Replace the pipeline; return what it was called with."""
    made: Calls = []

    def examine(path: str, **options: Any) -> Examination:
        options["progress"](0.5)
        made.append({"path": path, **options})
        return examined(analysis())

    stub(monkeypatch, "pipeline", "examine", examine)
    return made


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def examine(path: str, **options: Any) -> Examination:
        raise error

    stub(monkeypatch, "pipeline", "examine", examine)


def test_the_table_goes_to_standard_output(calls: Calls) -> None:
    result = run("analyze", "clip.mp4")
    assert result.exit_code == 0
    assert "OFFSET" in result.stdout
    assert result.stderr == ""
    assert calls[0]["path"] == "clip.mp4"
    assert calls[0]["settings"] == Settings()
    assert calls[0]["threads"] == 2
    assert all(calls[0][name] is None for name in ("bundle", "weights", "tracks", "save_tracks"))


def test_json_on_standard_output_is_alone_there(calls: Calls) -> None:
    result = run("analyze", "clip.mp4", "--json", "-")
    assert result.exit_code == 0
    assert result.stdout == to_text(analysis())
    assert "OFFSET" in result.stderr


def test_json_to_a_file_and_the_table_beside_it(calls: Calls, tmp_path: Path) -> None:
    result = run("analyze", "clip.mp4", "--json", str(tmp_path / "result.json"))
    assert result.exit_code == 0
    assert (tmp_path / "result.json").read_text(encoding="utf-8") == to_text(analysis())
    assert "OFFSET" in result.stdout


def test_quiet_leaves_only_what_was_asked_for(calls: Calls) -> None:
    assert run("analyze", "clip.mp4", "--quiet").output == ""
    result = run("analyze", "clip.mp4", "--quiet", "--json", "-")
    assert (result.stdout, result.stderr) == (to_text(analysis()), "")


def test_options_reach_the_pipeline(calls: Calls, tmp_path: Path) -> None:
    tracks, weights, bundle = tmp_path / "tracks.npz", tmp_path / "weights", tmp_path / "bundle"
    arguments = ["--tracks", str(tracks), "--weights", str(weights), "--bundle", str(bundle), "--threads", "1"]
    assert run("analyze", "clip.mp4", *arguments, "--save-tracks", str(tmp_path / "new.npz")).exit_code == 0
    assert calls[0]["tracks"] == tracks
    assert calls[0]["weights"] == weights
    assert calls[0]["bundle"] == bundle
    assert calls[0]["save_tracks"] == tmp_path / "new.npz"
    assert calls[0]["threads"] == 1


def test_a_report_and_a_viewing_copy_are_made_of_the_examination(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[tuple[Any, ...]] = []
    stub(monkeypatch, "reporting", "check_report", lambda *given, **options: made.append((given, options)))
    monkeypatch.setattr(
        sys.modules["lipaccord.reporting"],
        "write_report",
        lambda *given, **options: made.append((given, options)),
        raising=False,
    )
    stub(monkeypatch, "annotating", "annotate", lambda *given, **options: made.append((given, options)))
    report, assets, copy = tmp_path / "report.html", tmp_path / "assets", tmp_path / "copy.mp4"
    arguments = ["--report", str(report), "--report-assets", str(assets), "--embed-video", "--annotate", str(copy)]
    result = run("analyze", "clip.mp4", *arguments, "--base-rate", "0.01", "--threads", "1")
    assert (result.exit_code, len(calls)) == (0, 1)
    checked, written, annotated = made
    assert checked == ((report, assets), {"embed_video": True})
    options = {name: value for name, value in written[1].items() if name != "progress"}
    assert written[0][0].analysis.clip == analysis().clip
    assert written[0][1] == report
    assert options == {"assets": assets, "embed_video": True, "base_rate": 0.01, "threads": 1}
    assert annotated[0][0] == analysis().clip.path
    assert annotated[0][2] == copy


def test_the_analysis_is_kept_before_a_report_fails(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*given: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    stub(monkeypatch, "reporting", "write_report", full)
    monkeypatch.setattr(sys.modules["lipaccord.reporting"], "check_report", lambda *_, **__: None, raising=False)
    kept = tmp_path / "result.json"
    result = run("analyze", "clip.mp4", "--json", str(kept), "--report", str(tmp_path / "report.html"))
    assert result.exit_code == 2
    assert "can't be written (No space left on device); name another place" in result.stderr
    assert kept.read_text(encoding="utf-8") == to_text(analysis())


@pytest.mark.parametrize(
    ("arguments", "trouble"),
    [
        (["--embed-video"], "go with --report; add it"),
        (["--report-assets", "assets"], "go with --report; add it"),
        (["--report", "report.txt"], "name it .html or .pdf"),
        (["--report", "report.pdf", "--embed-video"], "go with .html only"),
        (["--report", "missing/report.html"], "can't be written"),
        (["--report", "same.html", "--json", "same.html"], "would overwrite another file"),
    ],
)
def test_what_can_not_be_made_is_refused_before_the_examination(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], trouble: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("analyze", "clip.mp4", *arguments)
    assert result.exit_code == 2
    assert trouble in result.stderr
    assert calls == []


@pytest.mark.parametrize("option", ["--base-rate", "--prior"])
def test_a_base_rate_says_what_the_ratios_mean_among_many_clips(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    stub(monkeypatch, "pipeline", "examine", lambda path, **options: examined(analysis(UNRELATED)))
    told = " ".join(run("analyze", "clip.mp4", option, "0.001").stdout.split())
    assert "If 1 in 1,000 clips is altered" in told
    assert "clips is altered" not in " ".join(run("analyze", "clip.mp4").stdout.split())


def test_a_base_rate_changes_no_result(calls: Calls) -> None:
    result = run("analyze", "clip.mp4", "--json", "-", "--base-rate", "0.001")
    assert result.stdout == to_text(analysis())


def test_a_base_rate_that_is_no_share_is_explained(calls: Calls) -> None:
    result = run("analyze", "clip.mp4", "--base-rate", "50")
    assert "50 is no share of clips; give one between 0 and 1" in " ".join(result.stderr.replace("│", "").split())


def test_options_go_before_the_settings_file(calls: Calls, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('face = "face-2"\nmax_lag_s = 2.0\nstart_s = 1.0\n', encoding="utf-8")
    arguments = ["--settings", str(file), "--start", "3.5", "--end", "9", "--landmarks", "replay"]
    assert run("analyze", "clip.mp4", *arguments).exit_code == 0
    assert calls[0]["settings"] == Settings(face="face-2", max_lag_s=2.0, start_s=3.5, end_s=9.0, landmarks="replay")
    assert run("analyze", "clip.mp4", "--settings", str(file), "--face", "face-1", "--start", "0").exit_code == 0
    assert calls[1]["settings"] == Settings(face="face-1", max_lag_s=2.0, start_s=0.0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UnreadableMedia, 3),
        (errors.NoVideo, 3),
        (errors.NoAudio, 3),
        (errors.MediaError, 3),
        (errors.BackendMissing, 4),
        (errors.BundleError, 2),
        (errors.SettingsError, 2),
        (errors.TracksError, 2),
        (errors.TrainingError, 2),
        (errors.SimulationError, 2),
        (errors.EvaluationError, 2),
        (errors.CalibrationError, 2),
        (errors.VerificationError, 2),
        (errors.LipAccordError, 2),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], code: int
) -> None:
    raising(monkeypatch, error("the trouble\x1b[2J\nand the remedy"))
    result = run("analyze", "clip.mp4", "--json", "-")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == "lipaccord: the trouble\\x1b[2J\\nand the remedy\n"


def test_an_interruption_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    result = run("analyze", "clip.mp4")
    assert result.exit_code == 130
    assert result.stderr == "lipaccord: interrupted\n"


def test_an_error_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError("a fault"))
    assert isinstance(run("analyze", "clip.mp4").exception, ZeroDivisionError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze"],
        ["analyze", "clip.mp4", "--threads", "0"],
        ["analyze", "clip.mp4", "--start", "soon"],
        ["analyze", "clip.mp4", "--unknown"],
        ["analyse", "clip.mp4"],
        ["train", "data"],
        ["train", "data", "--out", "bundle", "--configuration", "other"],
        ["analyze", "clip.mp4", "--base-rate", "rarely"],
        ["analyze", "clip.mp4", "--base-rate", "0"],
        ["analyze", "clip.mp4", "--prior", "1"],
        ["analyze", "clip.mp4", "--base-rate", "-0.5"],
        ["calibrate", "manifest.csv"],
        ["calibrate", "--out", "bundle"],
        ["evaluate", "manifest.csv", "--out", "out", "--base-rate", "1.5"],
        ["verify"],
        ["verify", "report.json"],
        ["verify", "report.json", "clip.mp4", "--threads", "0"],
    ],
)
def test_wrong_use(calls: Calls, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert calls == []


def test_unknown_setting(calls: Calls, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("speed = 1\n", encoding="utf-8")
    result = run("analyze", "clip.mp4", "--settings", str(file))
    assert (result.exit_code, calls) == (2, [])
    assert result.stderr.startswith("lipaccord: ")
    assert "there is no setting 'speed'" in result.stderr


@pytest.mark.parametrize("option", ["--json", "--save-tracks"])
@pytest.mark.parametrize("place", ["missing/result", "folder", "file/result"])
def test_output_that_can_not_be_written_is_refused_before_the_work(
    calls: Calls, tmp_path: Path, option: str, place: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    target = tmp_path / place
    result = run("analyze", "clip.mp4", option, str(target))
    assert (result.exit_code, calls) == (2, [])
    assert result.stderr.startswith(f"lipaccord: {target} can't be written (")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_output_in_a_folder_without_permission(calls: Calls, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = run("analyze", "clip.mp4", "--json", str(tmp_path / "result.json"))
    tmp_path.chmod(0o700)
    assert (result.exit_code, calls) == (2, [])
    assert "Permission denied" in result.stderr


@pytest.mark.parametrize("linked", [False, True])
def test_the_clip_is_never_overwritten(calls: Calls, tmp_path: Path, linked: bool) -> None:
    clip, target = tmp_path / "clip.mp4", tmp_path / "other.mp4"
    clip.write_bytes(b"evidence")
    if linked:
        target.hardlink_to(clip)
    result = run("analyze", str(clip), "--json", str(target if linked else clip))
    assert (result.exit_code, calls) == (2, [])
    assert "would overwrite" in result.stderr
    assert clip.read_bytes() == b"evidence"


def test_two_outputs_in_one_file_are_refused(calls: Calls, tmp_path: Path) -> None:
    target = str(tmp_path / "result")
    result = run("analyze", "clip.mp4", "--json", target, "--save-tracks", target)
    assert (result.exit_code, calls) == (2, [])
    assert "--save-tracks" in result.stderr


def test_a_full_disk_is_one_line(calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lipaccord.report.json.write_text", full)
    target = tmp_path / "result.json"
    result = run("analyze", "clip.mp4", "--json", str(target))
    assert result.exit_code == 2
    assert result.stderr == f"lipaccord: {target} can't be written (No space left on device); name another place\n"


STAND_IN = """
import sys, types
import lipaccord
from analyses import analysis
sys.modules["lipaccord.pipeline"] = lipaccord.pipeline = types.ModuleType("lipaccord.pipeline")
lipaccord.pipeline.examine = lambda path, **options: types.SimpleNamespace(analysis=analysis())
from lipaccord.cli import app
sys.argv = ["lipaccord", "analyze", "clip.mp4", *sys.argv[1:]]
app()
"""


def start(*arguments: str, stdout: Any, encoding: str = "utf-8") -> tuple[int, str]:
    """Run the command in a process of its own; return its exit code and what it wrote to standard error."""
    folders = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", STAND_IN, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": folders, "PYTHONIOENCODING": encoding, "PYTHONUNBUFFERED": ""},
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [(), ("--json", "-", "--quiet")])
def test_a_reader_that_has_gone_is_no_traceback(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert start(*arguments, stdout=writer) == (141, "")
    finally:
        os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [(), ("--json", "-", "--quiet")])
def test_standard_output_on_a_full_disk(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        code, message = start(*arguments, stdout=full)
    assert code == 2
    assert "can't be written (No space left on device)" in message
    assert message.count("\n") == 1


def test_an_encoding_that_lacks_a_character(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        assert start(stdout=out, encoding="ascii") == (0, "")
    assert rb"a[bold]b\xfc[on red]" in (tmp_path / "out").read_bytes()


def test_train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[tuple[Any, ...]] = []

    def train(data: Path, out: Path, **options: Any) -> None:
        progress = options.pop("progress")
        for stage, fraction in (("reading clips", 0.5), ("reading clips", 1.0), ("training paper", 0.1)):
            progress(stage, fraction)
        made.append((data, out, options))

    stub(monkeypatch, "training", "train", train)
    out = tmp_path / "new" / "bundle"
    result = run("train", "data", "--out", str(out), "--configuration", "paper", "--seed", "7", "--cache", "kept")
    assert result.exit_code == 0
    assert made == [(Path("data"), out, {"configuration": "paper", "cache": Path("kept"), "seed": 7})]
    assert result.stdout == ""
    assert result.stderr == "lipaccord: reading clips\nlipaccord: training paper\n"
    assert list(tmp_path.iterdir()) == []


def test_train_finds_out_first_whether_it_can_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stub(monkeypatch, "training", "train", lambda *_, **__: pytest.fail("it was started"))
    (tmp_path / "file").touch()
    result = run("train", "data", "--out", str(tmp_path / "file" / "bundle"))
    assert result.exit_code == 2
    assert "can't be written (Not a directory)" in result.stderr


def test_train_with_too_little_material(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def train(data: Path, out: Path, **options: Any) -> None:
        raise errors.TrainingError("data holds no clip")

    stub(monkeypatch, "training", "train", train)
    result = run("train", "data", "--out", str(tmp_path / "bundle"))
    assert (result.exit_code, result.stderr) == (2, "lipaccord: data holds no clip\n")


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Replace the evaluation and its table; return what both were called with."""
    made: Calls = []

    def evaluate(manifest: Path, out: Path, **options: Any) -> dict[str, Any]:
        options.pop("progress")("examining", 0.5)
        made.append({"manifest": manifest, "out": out, **options})
        return {"left_out": ["row 2 (\x1b[2J.mp4): there is no file"] if "bad" in manifest.name else []}

    def show(result: dict[str, Any], console: Any, base_rate: float | None) -> None:
        made[-1]["base_rate"] = base_rate
        console.print("the table")

    stub(monkeypatch, "evaluation", "evaluate", evaluate)
    monkeypatch.setattr("lipaccord.report.evaluation.print_evaluation", show)
    return made


def test_evaluate(evaluated: Calls, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("evaluate", "manifest.csv", "--out", str(out))
    assert (result.exit_code, result.stdout) == (0, "the table\n")
    assert result.stderr == "lipaccord: examining\n"
    assert evaluated == [
        {
            "manifest": Path("manifest.csv"),
            "out": out,
            "match_encodes": False,
            "treatments": (),
            "processes": None,
            "bundle": None,
            "limit": None,
            "settings": Settings(),
            "base_rate": None,
        }
    ]
    arguments = ["--match-encodes", "--jobs", "3", "--bundle", "own", "--limit", "4", "--end", "2.5", "--prior", "0.01"]
    assert run("evaluate", "manifest.csv", "--out", str(out), *arguments).exit_code == 0
    expected = {"match_encodes": True, "processes": 3, "bundle": Path("own"), "limit": 4, "base_rate": 0.01}
    assert {name: evaluated[1][name] for name in expected} == expected
    assert evaluated[1]["settings"] == Settings(end_s=2.5)


def test_evaluate_names_what_was_left_out(evaluated: Calls, tmp_path: Path) -> None:
    result = run("evaluate", "bad.csv", "--out", str(tmp_path / "out"))
    assert (result.exit_code, result.stdout) == (ExitCode.ROWS, "the table\n")
    assert "lipaccord: row 2 (\\x1b[2J.mp4): there is no file\n" in result.stderr


def test_every_treatment_is_tried_where_no_name_is_given(evaluated: Calls, tmp_path: Path) -> None:
    assert run("evaluate", "manifest.csv", "--out", str(tmp_path / "out"), "--robustness").exit_code == 0
    assert evaluated[0]["treatments"] == tuple(TREATMENTS)


def test_treatments_are_named_by_themselves_or_by_their_family(evaluated: Calls, tmp_path: Path) -> None:
    family = TREATMENTS["blur-3"].family
    arguments = ["--robustness", "--treatments", f"music-0db,{family}"]
    assert run("evaluate", "manifest.csv", "--out", str(tmp_path / "out"), *arguments).exit_code == 0
    assert evaluated[0]["treatments"] == (
        "music-0db",
        *(name for name, one in TREATMENTS.items() if one.family == family),
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--robustness", "--treatments", "melting"], "there is no treatment 'melting'"),
        (["--treatments", "music"], "--treatments goes with --robustness; add it"),
    ],
)
def test_treatments_that_can_not_be_tried(evaluated: Calls, tmp_path: Path, arguments: list[str], words: str) -> None:
    result = run("evaluate", "manifest.csv", "--out", str(tmp_path / "out"), *arguments)
    assert (result.exit_code, evaluated) == (ExitCode.USAGE, [])
    assert result.stderr.startswith(f"lipaccord: {words}")


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Replace the calibration; return what it was called with."""
    made: Calls = []

    def calibrate_bundle(manifest: Path, out: Path, **options: Any) -> Any:
        options.pop("progress")("examining", 0.5)
        made.append({"manifest": manifest, "out": out, **options})
        left_out = ("sync is not calibrated: too few groups",) if "bad" in manifest.name else ()
        return {"resynthesis": calibration(bounds=(-0.75, 1.25))}, left_out

    stub(monkeypatch, "calibrating", "calibrate_bundle", calibrate_bundle)
    return made


def test_calibrate(calibrated: Calls, tmp_path: Path) -> None:
    out = tmp_path / "new" / "bundle"
    result = run("calibrate", "manifest.csv", "--out", str(out))
    assert result.exit_code == 0
    assert "Calibrated, cross-validated by group" in result.stdout
    assert "-0.75" in result.stdout
    assert result.stderr == "lipaccord: examining\n"
    assert calibrated == [
        {
            "manifest": Path("manifest.csv"),
            "out": out,
            "work": None,
            "note": None,
            "finding": None,
            "match_encodes": True,
            "processes": None,
            "bundle": None,
            "settings": Settings(),
        }
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_options_of_calibrate(calibrated: Calls, tmp_path: Path) -> None:
    arguments = ["--work", "kept", "--note", "Parliament, 2019.", "--as-they-came", "--jobs", "1", "--bundle", "base"]
    assert run("calibrate", "m.csv", "--out", str(tmp_path / "bundle"), *arguments, "--end", "2").exit_code == 0
    expected = {
        "work": Path("kept"),
        "note": "Parliament, 2019.",
        "finding": None,
        "match_encodes": False,
        "processes": 1,
    }
    assert {name: calibrated[0][name] for name in expected} == expected
    assert (calibrated[0]["bundle"], calibrated[0]["settings"]) == (Path("base"), Settings(end_s=2.0))


def test_calibrate_says_what_stayed_uncalibrated(calibrated: Calls, tmp_path: Path) -> None:
    result = run("calibrate", "bad.csv", "--out", str(tmp_path / "bundle"))
    assert result.exit_code == ExitCode.ROWS
    assert "lipaccord: sync is not calibrated: too few groups\n" in result.stderr
    assert "resynthesis" in result.stdout


def test_calibrate_finds_out_first_whether_it_can_write(calibrated: Calls, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("calibrate", "manifest.csv", "--out", str(tmp_path / "file" / "bundle"))
    assert (result.exit_code, calibrated) == (ExitCode.USAGE, [])
    assert "can't be written (Not a directory)" in result.stderr


def test_calibrate_with_too_few_people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(manifest: Path, out: Path, **options: Any) -> Any:
        raise errors.CalibrationError("sync is not calibrated: too few groups")

    stub(monkeypatch, "calibrating", "calibrate_bundle", refuse)
    result = run("calibrate", "manifest.csv", "--out", str(tmp_path / "bundle"))
    assert (result.exit_code, result.stderr) == (2, "lipaccord: sync is not calibrated: too few groups\n")


def test_simulate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lipaccord.simulate import Plan

    made: list[tuple[Any, ...]] = []

    def simulate(clip: str, out: Path, plan: Plan, **options: Any) -> None:
        options.pop("progress")(0.5)
        made.append((clip, out, plan, options))

    monkeypatch.setattr("lipaccord.simulate.simulate", simulate)
    out, control, other = tmp_path / "out.mp4", tmp_path / "control.mp4", tmp_path / "other.mp4"
    arguments = ["simulate", "clip.mp4", "--kind", "blur", "--seed", "7", "--out", str(out), "--strength", "0.02"]
    arguments += ["--from", "1", "--to", "2.5", "--mask", "mouth", "--face", "face-2", "--start", "0.5", "--end", "4"]
    result = run(*arguments, "--crf", "23", "--control", str(control), "--other", str(other))
    assert (result.exit_code, result.output) == (0, "")
    options = {"start_s": 0.5, "end_s": 4.0, "crf": 23, "control": control, "other": other}
    assert made == [("clip.mp4", out, Plan("blur", 7, 0.02, 1.0, 2.5, "mouth", "face-2"), options)]


@pytest.mark.parametrize("option", ["--out", "--control"])
def test_simulate_never_overwrites_its_source(tmp_path: Path, option: str) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"evidence")
    arguments = {"--out": str(tmp_path / "out.mp4"), option: str(clip)}
    result = run("simulate", str(clip), "--kind", "blur", *(word for pair in arguments.items() for word in pair))
    assert result.exit_code == 2
    assert "would overwrite" in result.stderr
    assert clip.read_bytes() == b"evidence"


def test_simulate_does_not_put_the_truth_over_the_source(tmp_path: Path) -> None:
    clip = tmp_path / "clip.json"
    clip.write_bytes(b"evidence")
    result = run("simulate", str(clip), "--kind", "blur", "--out", str(tmp_path / "clip.mp4"))
    assert result.exit_code == 2
    assert clip.read_bytes() == b"evidence"


def test_simulate_of_an_unknown_kind(tmp_path: Path) -> None:
    result = run("simulate", "clip.mp4", "--kind", "melt", "--out", str(tmp_path / "out.mp4"))
    assert result.exit_code == 2
    assert result.stderr.startswith("lipaccord: there is no manipulation 'melt'; there are: blur, resample, ")


def test_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Any, ...]] = []

    def self_test(clip: str, **options: Any) -> dict[str, Any]:
        options.pop("progress")("testing", 0.5)
        made.append((clip, options))
        part = {"path": clip, "start_s": 0.0, "end_s": 4.0}
        return {"clip": part, "face": "face-1", "limit": 1.0, "authentic": 0.2, "kinds": {}}

    stub(monkeypatch, "selftest", "self_test", self_test)
    result = run("self-test", "clip.mp4", "--kinds", "blur,tone", "--seed", "3", "--start", "1", "--face", "face-2")
    assert result.exit_code == 0
    assert "found means above 1.00" in result.stdout
    assert result.stderr == "lipaccord: testing\n"
    options = {"kinds": ["blur", "tone"], "seed": 3, "face": "face-2", "start_s": 1.0, "end_s": None, "bundle": None}
    assert made == [("clip.mp4", options)]


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Replace the verification; a clip named bad is another one. Return what it was called with."""
    made: Calls = []

    def verify(report: Path, clip: Path, **options: Any) -> Verification:
        options.pop("progress")(0.5)
        made.append({"report": report, "clip": clip, **options})
        good = "bad" not in clip.name
        return Verification(good, (Check("clip", good, "the file \x1b[2J"),), ())

    monkeypatch.setattr("lipaccord.verifying.verify", verify)
    return made


def test_verify(verified: Calls) -> None:
    result = run("verify", "report.json", "clip.mp4")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("REPRODUCED")
    assert "the file \\x1b[2J" in result.stdout
    none = dict.fromkeys(("bundle", "weights", "tracks"))
    assert verified == [{"report": Path("report.json"), "clip": Path("clip.mp4"), "threads": 2, **none}]
    arguments = ["--bundle", "own", "--weights", "w", "--tracks", "t.npz", "--threads", "1"]
    assert run("verify", "report.json", "clip.mp4", *arguments).exit_code == 0
    options = {"bundle": Path("own"), "weights": Path("w"), "tracks": Path("t.npz"), "threads": 1}
    assert {name: verified[1][name] for name in options} == options


def test_verify_tells_a_difference_by_its_exit_code(verified: Calls, tmp_path: Path) -> None:
    result = run("verify", "report.json", "bad.mp4", "--json", str(tmp_path / "out.json"))
    assert result.exit_code == ExitCode.DIFFERS
    assert result.stdout.startswith("NOT REPRODUCED")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["reproduced"] is False


def test_verify_writes_json_to_standard_output_alone(verified: Calls) -> None:
    result = run("verify", "report.json", "clip.mp4", "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "schema": "lipaccord/verification/1",
        "reproduced": True,
        "checks": [{"name": "clip", "ok": True, "text": "the file \x1b[2J"}],
        "differences": [],
    }
    assert "REPRODUCED" in result.stderr


def test_verify_writes_a_request_for_a_time_stamp(verified: Calls, tmp_path: Path) -> None:
    report, request = tmp_path / "report.json", tmp_path / "report.tsq"
    report.write_bytes(b"{}")
    result = run("verify", str(report), "clip.mp4", "--timestamp-request", str(request))
    assert result.exit_code == 0
    assert hashlib.sha256(b"{}").digest() in request.read_bytes()
    assert "curl" in result.stdout
    assert run("verify", str(report), "bad.mp4", "--timestamp-request", str(request)).exit_code == ExitCode.DIFFERS


def test_verify_sums_up_the_manifest_of_the_clip(verified: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipaccord.provenance.read_c2pa", lambda path: None)
    result = run("verify", "report.json", "clip.mp4", "--c2pa")
    assert "No C2PA manifest was found. That proves nothing" in result.stdout
    assert json.loads(run("verify", "report.json", "clip.mp4", "--c2pa", "--json", "-").stdout)["c2pa"] is None


def test_verify_says_before_the_work_which_extra_is_missing(
    verified: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    report.write_bytes(b"{}")
    for name in ("c2pa", "rfc3161_client"):
        monkeypatch.setitem(sys.modules, name, None)
    for arguments in (["--c2pa"], ["--timestamp-request", str(tmp_path / "out.tsq")]):
        result = run("verify", str(report), "clip.mp4", *arguments)
        assert (result.exit_code, verified) == (ExitCode.MISSING, [])
        assert "pip install 'lipaccord[provenance]'" in result.stderr


@pytest.mark.parametrize("option", ["--json", "--timestamp-request"])
@pytest.mark.parametrize("name", ["report.json", "clip.mp4", "tracks.npz"])
def test_verify_never_overwrites_what_it_reads(verified: Calls, tmp_path: Path, option: str, name: str) -> None:
    report, clip, tracks = (tmp_path / each for each in ("report.json", "clip.mp4", "tracks.npz"))
    for path in (report, clip, tracks):
        path.write_bytes(b"evidence")
    result = run("verify", str(report), str(clip), "--tracks", str(tracks), option, str(tmp_path / name))
    assert (result.exit_code, verified) == (ExitCode.USAGE, [])
    assert "would overwrite" in result.stderr
    assert (tmp_path / name).read_bytes() == b"evidence"


def test_a_report_that_is_none_is_one_line(tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.7")
    result = run("verify", str(report), "clip.mp4")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == (
        f"lipaccord: the report {report} is neither JSON nor HTML; give the .json or .html that lipaccord wrote\n"
    )


def test_info(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    result = run("info")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert f"lipaccord {lipaccord.__version__}" in text
    assert f"torch {metadata.version('torch')}" in text
    assert "default bundle" in text
    assert "embedded" in text
    assert "weights are lacking" in text


def test_help_of_every_command_says_what_it_does() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in ("analyze", "train", "evaluate", "calibrate", "simulate", "self-test", "verify", "info"):
        assert command in result.stdout
        assert run(command, "--help").exit_code == 0
    assert "Examine one clip" in result.stdout


def test_exit_codes_are_those_of_the_contract() -> None:
    codes = (ExitCode.USAGE, ExitCode.MEDIA, ExitCode.MISSING, ExitCode.ROWS, ExitCode.DIFFERS)
    assert codes == (2, 3, 4, 5, 6)


def test_json_of_a_path_with_stray_bytes_is_json(calls: Calls) -> None:
    assert json.loads(run("analyze", "clip\udcff.mp4", "--json", "-").stdout)["clip"]["path"]
