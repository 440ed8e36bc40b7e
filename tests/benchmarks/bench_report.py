"""Time and size of the report: of a real clip beside its examination, and of two hours in a browser.

Run by ``make bench``. Figures are printed, nothing is asserted about time.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from browser import opened, running
from lipaccord.pipeline import examine
from lipaccord.report.html import Player, page
from lipaccord.reporting import write_report
from made_report import long_examination

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
DRAWN = "document.querySelectorAll('.plot .u-over').length >= 2"
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
WRITINGS = 3
MORE_SERIES = 20  # what the cues of an ordinary clip give


@pytest.fixture
def browser() -> Iterator[Browser]:
    with running() as one:
        yield one


@pytest.mark.parametrize("name", ["obama_speech", "synthetic"])
def test_time_of_the_report(name: str, tmp_path: Path) -> None:
    clip = Path(shutil.copy(FIXTURES / f"{name}.mp4", tmp_path))
    examine(clip)
    begin = time.perf_counter()
    examination = examine(clip)
    examined_s = time.perf_counter() - begin
    written = []
    for embed in (False, True):
        report = tmp_path / f"{embed}.html"
        begin = time.perf_counter()
        for _ in range(WRITINGS):
            write_report(examination, report, embed_video=embed)
        seconds = (time.perf_counter() - begin) / WRITINGS
        written.append(f"{seconds:.2f} s ({seconds / examined_s:.0%}), {report.stat().st_size / 1e6:.2f} MB")
    print(
        f"\n{name}, {examination.analysis.clip.duration_s:.1f} s: examined in {examined_s:.2f} s; "
        f"report with a link to the clip {written[0]}; with a viewing copy inside {written[1]}"
    )


@pytest.mark.parametrize("hours", [0.1, 1.0, 2.0])
def test_time_to_open(browser: Browser, hours: float, tmp_path: Path) -> None:
    examination = long_examination(hours, MORE_SERIES)
    source = quote((FIXTURES / "synthetic.mp4").absolute().as_posix())
    begin = time.perf_counter()
    text = page(examination, (), Player(source, copy=False, offset_s=0.0))
    made_s = time.perf_counter() - begin
    path = tmp_path / "long.html"
    path.write_text(text, encoding="utf-8")
    begin = time.perf_counter()
    with opened(browser, path) as one:
        one.wait(DRAWN)
        drawn_s, paint_s = time.perf_counter() - begin, one.value(FIRST_PAINT) / 1000
    print(
        f"\n{hours:g} h: page made in {made_s:.1f} s, {path.stat().st_size / 1e6:.1f} MB; "
        f"first paint after {paint_s:.2f} s, plots drawn {drawn_s:.2f} s after it was asked for"
    )
