from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import stub_examination
from lipaccord.archive import tasks
from lipaccord.archive.scoring import Summary
from lipaccord.archive_run import in_lines
from lipaccord.cli import app

SCORE = "import typer; from lipaccord.archive import tasks; from lipaccord.archive_run import score; "
SCORE += f"tasks.EXAMINE = {stub_examination.EXAMINE!r}; typer.run(score)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(stub_examination.CALLS, str(tmp_path / "calls"))
    monkeypatch.setattr(tasks, "EXAMINE", stub_examination.EXAMINE)
    (tmp_path / "clips").mkdir()
    return tmp_path


def write(folder: Path, **clips: str) -> None:
    for name, text in clips.items():
        (folder / "clips" / f"{name}.mp4").write_text(text, encoding="utf-8")


def run(folder: Path, *options: str) -> Result:
    arguments = ["archive", "score", str(folder / "clips"), "--db", str(folder / "a.db"), "--jobs", "1", *options]
    return CliRunner().invoke(app, arguments)


def test_a_run_ends_with_a_summary_and_a_second_has_nothing_to_do(folder: Path) -> None:
    write(folder, good="examined 1.5", mute="silent")
    (folder / "clips" / "notes.txt").touch()
    first = run(folder)
    assert first.exit_code == 0, first.output
    assert "2 clips got their outcome in" in first.stdout
    assert "1 examined; 1 not examinable" in first.stdout
    assert "Passed over, no clips by their names: 1 .txt" in first.stdout
    assert "2 clips to examine, 0 done before; 1 process on this machine" in first.stderr
    second = run(folder)
    assert second.exit_code == 0
    assert second.stdout.startswith("Nothing to do: all of the 2 clips have their outcome already.")


def test_failed_rows_show_in_the_exit_code(folder: Path) -> None:
    write(folder, good="examined 1.5", bad="broken")
    result = run(folder)
    assert result.exit_code == 5
    assert "1 examined; 1 failed" in result.stdout
    assert "--retry" in result.stdout
    write(folder, bad="examined 2.5")
    assert run(folder, "--retry").exit_code == 0


def test_the_log_holds_one_object_a_line(folder: Path) -> None:
    write(folder, good="examined 1.5", bad="broken", session="long 1\nexamined 3.0")
    run(folder, "--log", str(folder / "log"), "--quiet")
    lines = [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
    assert lines[0]["event"] == "begin"
    assert lines[-1]["event"] == "end"
    assert lines[-1]["counts"] == {"examined": 2, "failed": 1}
    clips = {Path(line["clip"]).name: line for line in lines if line["event"] == "clip"}
    assert clips["good.mp4"]["triage"] == 1.5
    assert clips["bad.mp4"]["error"] == "UnreadableMedia"
    assert [line["start_s"] for line in lines if line["event"] == "turn"] == [10.0]


def test_quiet_says_nothing(folder: Path) -> None:
    write(folder, good="examined 1.5")
    result = run(folder, "--quiet")
    assert result.exit_code == 0
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere"),
        (["--dask", "local:x", "CLIPS"], "local:N"),
        (["--dask", "local:1", "--jobs", "2", "CLIPS"], "Dask"),
    ],
)
def test_what_can_not_be_done_is_one_line(folder: Path, arguments: list[str], told: str) -> None:
    write(folder, good="examined 1.5")
    given = [str(folder / "clips") if part == "CLIPS" else part for part in arguments]
    result = CliRunner().invoke(app, ["archive", "score", "--db", str(folder / "a.db"), *given])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("lipaccord: ")
    assert told in result.stderr.splitlines()[-1]


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(folder: Path) -> None:
    write(folder, a="examined 1.5", b="endless")
    process = subprocess.Popen(
        [sys.executable, "-c", SCORE, str(folder / "clips"), "--db", str(folder / "a.db"), "--jobs", "1"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    calls = folder / "calls"
    while process.poll() is None and "b.mp4" not in (calls.read_text(encoding="utf-8") if calls.exists() else ""):
        pass
    process.send_signal(signal.SIGINT)
    told, complained = process.communicate(timeout=60)
    assert process.returncode == 130, complained
    assert "1 examined; 1 still waiting" in told
    assert "Interrupted: the same command goes on from here." in told
    write(folder, b="examined 2.0")
    assert "2 examined" in run(folder).stdout


def test_an_empty_folder_is_said_so(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("There are no clips.")


def test_the_speed_is_told() -> None:
    lines = list(in_lines(Summary({"examined": 2}, 2, False, {}), 10.0, 50.0, Path("a.db")))
    assert lines[0] == "2 clips got their outcome in 10 s; 0.01 h of footage, 5.0 s a second."
