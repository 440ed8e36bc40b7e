from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyses import analysis
from lipaccord import reporting
from lipaccord.cutouts import Cutout
from lipaccord.errors import BackendMissing, SettingsError
from lipaccord.records import Examination, Sound
from lipaccord.report.html import Pictures, Player
from lipaccord.reporting import check_report, write_report
from lipaccord.sheets import Moment, Sheet
from lipaccord.viewing import ViewingCopy

CUTOUT, OTHER = Cutout(b"one picture", 0, 0, 4, 4), Cutout(b"another", 4, 4, 4, 4)
MOMENT = Moment(0.5, CUTOUT, 0.5, OTHER, CUTOUT, None, np.zeros((20, 2), np.float32), None, "")
SHEET = Sheet("blur", "resynthesis", "mouth", "eyes", "Look.", "as named", (MOMENT,))


@pytest.fixture
def examination(tmp_path: Path) -> Examination:
    clip = tmp_path / "clips" / "one clip.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"a clip")
    made = analysis(versions={"lipaccord": "0.0.1"})
    made = dataclasses.replace(made, clip=dataclasses.replace(made.clip, path=str(clip)))
    return Examination(made, np.arange(25) / 25, Sound(np.zeros(16_000, np.float32), 16_000, 0.0), (), None, None)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for what decodes the clip; return what the page was asked for."""
    calls: list[dict[str, Any]] = []

    def page(examination: Examination, sheets: tuple[Sheet, ...], player: Player, **options: Any) -> str:
        calls.append({"sheets": sheets, "player": player, **options})
        return "<p>the page</p>\n"

    monkeypatch.setattr(reporting, "page", page)
    monkeypatch.setattr(reporting, "contact_sheets", lambda *_, **__: (SHEET,))
    monkeypatch.setattr(reporting, "viewing_copy", lambda *_, **__: ViewingCopy(b"\x00copy", 0.25))
    return calls


def test_the_clip_is_linked_from_where_the_report_lies(
    examination: Examination, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    (tmp_path / "out").mkdir()
    write_report(examination, tmp_path / "out" / "report.html", base_rate=0.01)
    assert (tmp_path / "out" / "report.html").read_text() == "<p>the page</p>\n"
    (call,) = asked
    assert call["player"] == Player("../clips/one%20clip.mp4", copy=False, offset_s=0.0)
    assert (call["pictures"], call["base_rate"], call["sheets"]) == (Pictures(None), 0.01, (SHEET,))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


def test_stray_bytes_of_a_name_are_kept_in_the_link(
    examination: Examination, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    clip = dataclasses.replace(examination.analysis.clip, path=os.fsdecode(bytes(tmp_path) + b"/a\xff#?.mp4"))
    odd = dataclasses.replace(examination, analysis=dataclasses.replace(examination.analysis, clip=clip))
    write_report(odd, tmp_path / "report.html")
    assert asked[0]["player"].source == "a%FF%23%3F.mp4"


def test_a_viewing_copy_goes_into_the_page(
    examination: Examination, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    write_report(examination, tmp_path / "report.html", embed_video=True)
    assert asked[0]["player"] == Player("data:video/mp4;base64,AGNvcHk=", copy=True, offset_s=0.25)


def test_pictures_and_copy_can_lie_in_a_folder(
    examination: Examination, tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    write_report(examination, tmp_path / "report.html", assets=tmp_path / "its files", embed_video=True)
    assert asked[0]["player"].source == "its%20files/viewing-copy.mp4"
    assert asked[0]["pictures"] == Pictures("its%20files")
    held = {path.name: path.read_bytes() for path in (tmp_path / "its files").iterdir()}
    pictures = {Pictures.name(cutout): cutout.png for cutout in (CUTOUT, OTHER)}
    assert held == pictures | {"viewing-copy.mp4": b"\x00copy"}


@pytest.mark.parametrize("name", ["report", "report.txt", "report.html.gz"])
def test_a_name_of_no_known_kind_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"is of no known kind; name it \.html or \.pdf"):
        check_report(Path(name))


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "b.HTML"])
def test_pages_need_no_browser(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    check_report(Path(name), Path("assets"), embed_video=True)


@pytest.mark.parametrize("options", [{"assets": Path("assets")}, {"embed_video": True}])
def test_what_goes_with_a_page_only_is_refused_on_paper(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="is paper"):
        check_report(Path("a.pdf"), **options)


def test_paper_without_a_browser_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BackendMissing, match=r"install one .* or write the report as \.html"):
        check_report(Path("a.pdf"))


def browser_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a browser on the path that runs a line of shell; `$out` is where it should print to."""
    script = folder / "chromium"
    find = 'for word in "$@"; do case "$word" in --print-to-pdf=*) out="${word#--print-to-pdf=}";; esac; done'
    script.write_text(f"#!/bin/sh\n{find}\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_paper_is_what_the_browser_prints(
    examination: Examination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser_that('printf "%%PDF of " > "$out"; cat "$(dirname "$out")/report.html" >> "$out"', tmp_path, monkeypatch)
    write_report(examination, tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes() == b"%PDF of <p>the page</p>\n"


@pytest.mark.parametrize("does", ["exit 1", "exit 0"])
def test_a_browser_that_fails_leaves_nothing(
    does: str, examination: Examination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser_that(does, tmp_path, monkeypatch)
    with pytest.raises(BackendMissing, match="chromium could not print the report"):
        write_report(examination, tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


def test_a_browser_that_hangs_is_ended(
    examination: Examination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser_that("exit 0", tmp_path, monkeypatch)

    def hang(*_: Any, timeout: float, **__: Any) -> None:
        raise subprocess.TimeoutExpired("chromium", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(BackendMissing, match="timed out after 120 seconds"):
        write_report(examination, tmp_path / "report.pdf")
