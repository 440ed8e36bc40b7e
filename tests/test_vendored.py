"""What the page of the report takes from npm is unchanged, named with its licence, and fetches nothing."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from pathlib import Path

import pytest

PAGE = resources.files("lipaccord") / "report" / "page"
NOTICE = (Path(__file__).parent.parent / "NOTICE").read_text(encoding="utf-8")
DRAWN_WITH = ("uPlot.iife.min.js", "uPlot.min.css")
ADDRESS = re.compile(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*")
FETCHES = re.compile(
    r"url\s*\(|@import|\bimport\s*\(|\bfetch\s*\(|XMLHttpRequest|WebSocket|sendBeacon|sourceMappingURL"
)
RUNS_TEXT = re.compile(r"\beval\s*\(|new Function\b|innerHTML|insertAdjacentHTML|document\.write")
ENDS_THE_ELEMENT = re.compile(r"</(script|style)|<!--|<script", re.IGNORECASE)


def read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def sums() -> dict[str, str]:
    """Return the hash of every file that was taken, by its name."""
    return {name: digest for digest, name in (line.split("  ") for line in read("SHA256SUMS").splitlines())}


def test_the_files_are_those_that_were_taken() -> None:
    assert sums().keys() == {*DRAWN_WITH, "uPlot.LICENSE"}
    for name, digest in sums().items():
        assert hashlib.sha256((PAGE / name).read_bytes()).hexdigest() == digest, name


def test_the_lock_the_file_and_the_notice_name_one_version() -> None:
    wanted = json.loads(read("package.json"))["dependencies"]
    locked = json.loads(read("package-lock.json"))["packages"]["node_modules/uplot"]
    assert wanted == {"uplot": locked["version"]}
    assert locked["integrity"].startswith("sha512-")
    assert read("uPlot.iife.min.js").startswith(f"/*! https://github.com/leeoniya/uPlot (v{locked['version']}) */")
    assert f"uPlot {locked['version']}." in NOTICE


def test_the_notice_names_the_files_and_the_licence() -> None:
    license_text = read("uPlot.LICENSE")
    assert license_text.startswith("The MIT License (MIT)\n")
    holder = re.search(r"Copyright \(c\) \d+ .*", license_text)
    assert holder is not None
    for part in (*(f"src/lipaccord/report/page/{name}" for name in DRAWN_WITH), holder[0], "uPlot.LICENSE"):
        assert part in NOTICE


@pytest.mark.parametrize("name", DRAWN_WITH)
def test_a_file_fetches_nothing_and_stays_in_its_element(name: str) -> None:
    text = read(name)
    assert [address for address in ADDRESS.findall(text) if address != "https://github.com/leeoniya/uPlot"] == []
    for pattern in (FETCHES, RUNS_TEXT, ENDS_THE_ELEMENT):
        assert pattern.search(text) is None, pattern.pattern


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (ADDRESS, 'x="//cdn.example.org/a.js"'),
        (FETCHES, "a{background:url(x.png)}"),
        (FETCHES, "@import 'x.css'"),
        (RUNS_TEXT, "new Function('x')"),
        (ENDS_THE_ELEMENT, "x='</SCRIPT>'"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text) is not None
