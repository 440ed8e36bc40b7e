"""The page on the source of a clip in a real browser: it fetches nothing, steps, wipes, shows what differs, prints."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser

from browser import PHONE, WIDE, Opened, Scheme, opened, running
from lipaccord.source.framed import MOST, Framed
from made_exhibits import otherwise
from made_sources import answer, films, laid, result, written

FRAMES = 45
OPEN = 40  # moment at which the mouth of the clip is open and that of the source is shut
AHEAD_S = 30.0  # of the recording before the clip, as the page is told
A4_WIDTH = 718  # CSS pixels between margins of 1 cm
SHOWS = "document.getElementById('left').dataset.moment === String(argument)"
CLOCK = "lipaccordReport.clock()"
PIXELS = """([id, left, top, width, height]) => {
  const canvas = document.getElementById(id);
  const { data } = canvas.getContext("2d").getImageData(left, top, width, height);
  return Array.from(data);
}"""
WIDEST = "Math.max(...Array.from(document.querySelectorAll('.uplot'), (plot) => plot.offsetWidth))"
MOUTH, BROW = (95, 175, 50, 24), (90, 60, 60, 30)  # of the pictures: left, top, width, height

Picture = NDArray[np.float64]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("source")


@pytest.fixture(scope="module")
def row(folder: Path) -> tuple[Framed, ...]:
    return made(folder)[1]


def made(folder: Path) -> tuple[Path, tuple[Framed, ...]]:
    """Write the page of a clip whose mouth is another from a moment on, once."""
    path = folder / "report.html"
    clip, source = films(folder, FRAMES)
    exhibit, pictures = laid(clip, source)
    pictures = tuple(dataclasses.replace(one, source_s=one.source_s + AHEAD_S) for one in pictures)
    path.write_text(written(answer("mouth_altered", exhibit), pictures), encoding="utf-8")
    return path, pictures


@pytest.fixture
def wide(browser: Browser, folder: Path, row: tuple[Framed, ...]) -> Iterator[Opened]:
    """Open the page at a desk; whatever a test does with it, nothing may go wrong."""
    with opened(browser, folder / "report.html") as one:
        one.wait(SHOWS, 0)
        yield one
        assert one.troubles == []


def picture(data: bytes) -> Picture:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[..., ::-1], np.float64)


def part(whole: Picture, place: tuple[int, int, int, int]) -> Picture:
    left, top, width, height = place
    return whole[top : top + height, left : left + width]


def drawn(one: Opened, place: tuple[int, int, int, int], canvas: str = "left") -> Picture:
    """Return a part of what is drawn, RGB."""
    values = np.array(one.value(PIXELS, [canvas, *place]), float)
    return values.reshape(place[3], place[2], 4)[..., :3]


def apart(first: Picture, second: Picture) -> float:
    return float(np.abs(first - second).mean())


def press(one: Opened, *keys: str) -> None:
    one.value("document.activeElement.blur()")
    for key in keys:
        one.page.keyboard.press(key)


# Loading


def test_it_asks_for_nothing_but_itself(wide: Opened, folder: Path) -> None:
    assert [url for url in wide.asked_for if not url.startswith("blob:")] == [(folder / "report.html").as_uri()]
    assert wide.troubles == []


def test_the_result_can_be_saved(wide: Opened) -> None:
    with wide.page.expect_download() as started:
        wide.page.locator("#save").click()
    assert started.value.suggested_filename == "match.json"
    saved = json.loads(started.value.path().read_text(encoding="utf-8"))
    assert saved["findings"]["source"]["status"] == "mouth_altered"
    assert saved.keys() == result(answer("not_found")).keys()


# The moments


def test_clip_and_recording_are_shown_side_by_side(wide: Opened, row: tuple[Framed, ...]) -> None:
    wide.page.locator("#moment").fill(str(OPEN))
    wide.wait(SHOWS, OPEN)
    here = row[OPEN]
    for canvas, data in (("left", here.clip), ("right", here.source)):
        for place in (MOUTH, BROW):
            assert apart(drawn(wide, place, canvas), part(picture(data), place)) < 2
    assert apart(part(picture(here.clip), MOUTH), part(picture(here.source), MOUTH)) > 10
    assert wide.page.locator("#left-caption").inner_text() == f"The clip at {here.time_s:.3f} s"
    assert wide.page.locator("#right-caption").inner_text() == f"The recording at {here.source_s:.3f} s"
    assert f"recording {here.source_s:.3f} s" in wide.page.locator("#now").inner_text()


def test_the_slider_goes_through_the_moments(wide: Opened, row: tuple[Framed, ...]) -> None:
    slider = wide.page.locator("#moment")
    slider.fill("12")
    wide.wait(SHOWS, 12)
    assert wide.value(CLOCK) == pytest.approx(row[12].time_s)
    slider.focus()
    wide.page.keyboard.press("ArrowRight")
    wide.wait(SHOWS, 13)
    assert f"clip {row[13].time_s:.3f} s" in (slider.get_attribute("aria-valuetext") or "")
    wide.page.keyboard.press("End")
    wide.wait(SHOWS, FRAMES - 1)


def test_keys_and_buttons_step(wide: Opened) -> None:
    for key, moment in (
        (".", 1),
        (".", 2),
        (",", 1),
        ("End", 44),
        (".", 44),
        ("Home", 0),
        (",", 0),
        ("ArrowRight", 25),
    ):
        press(wide, key)
        wide.wait(SHOWS, moment)
    press(wide, "Shift+ArrowLeft")
    wide.wait("lipaccordReport.clock() < 0.95 && lipaccordReport.clock() > 0.85")
    press(wide, "Home")
    wide.page.locator("#step-forward").click()
    wide.wait(SHOWS, 1)
    wide.page.locator("#step-back").click()
    wide.wait(SHOWS, 0)


def test_it_plays_to_the_end_and_begins_again(wide: Opened) -> None:
    press(wide, "End")
    wide.page.locator("#play").click()
    assert wide.page.locator("#play").inner_text() == "Pause"
    wide.wait("lipaccordReport.clock() > 0.2 && lipaccordReport.clock() < 1.7")
    press(wide, " ")
    assert wide.page.locator("#play").inner_text() == "Play"
    wide.page.locator("#moment").fill("40")
    press(wide, " ")
    wide.wait(SHOWS, FRAMES - 1)
    wide.wait("document.getElementById('play').textContent === 'Play'")


def test_a_step_ends_the_playing(wide: Opened) -> None:
    wide.page.locator("#speed").select_option("0.1")
    press(wide, " ", ".")
    wide.wait("document.getElementById('play').textContent === 'Play'")


# Wipe and heat map


def test_the_line_of_the_wipe_parts_clip_and_recording(wide: Opened, row: tuple[Framed, ...]) -> None:
    wide.page.locator("#moment").fill(str(OPEN))
    press(wide, "2")
    wide.wait(SHOWS, OPEN)
    clip, source = picture(row[OPEN].clip), picture(row[OPEN].source)
    divider, canvas = wide.page.locator("#divider"), wide.page.locator("#left")
    assert not wide.page.locator("#right").is_visible()
    divider.focus()
    wide.page.keyboard.press("End")
    assert divider.get_attribute("aria-valuenow") == "100"
    assert apart(drawn(wide, MOUTH), part(clip, MOUTH)) < 2
    wide.page.keyboard.press("Home")
    assert apart(drawn(wide, MOUTH), part(source, MOUTH)) < 2
    assert wide.value(CLOCK) == pytest.approx(row[OPEN].time_s)
    wide.page.keyboard.press("PageUp")
    wide.page.keyboard.press("ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "22"
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    wide.page.mouse.move(box["x"] + 0.22 * box["width"], y)
    wide.page.mouse.down()
    wide.page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=4)
    wide.page.mouse.up()
    assert divider.get_attribute("aria-valuenow") == "50"
    half = MOUTH[2] // 2
    assert apart(drawn(wide, MOUTH)[:, : half - 1], part(clip, MOUTH)[:, : half - 1]) < 2
    assert apart(drawn(wide, MOUTH)[:, half + 1 :], part(source, MOUTH)[:, half + 1 :]) < 2
    wide.page.mouse.move(box["x"] + 0.9 * box["width"], y)
    assert divider.get_attribute("aria-valuenow") == "50"
    wide.page.mouse.click(box["x"] + 0.25 * box["width"], y)
    assert divider.get_attribute("aria-valuenow") == "25"
    wide.page.mouse.click(box["x"] + 0.5 * box["width"], y)
    assert divider.get_attribute("aria-valuenow") == "50"


def test_the_heat_map_shows_where_they_differ_as_strongly_as_is_asked(wide: Opened, row: tuple[Framed, ...]) -> None:
    press(wide, "3")
    assert drawn(wide, MOUTH).max() < 200
    wide.page.locator("#moment").fill(str(OPEN))
    wide.wait(SHOWS, OPEN)
    clip, hot = picture(row[OPEN].clip), drawn(wide, MOUTH)
    assert hot.max() > 220
    assert np.ptp(drawn(wide, BROW), axis=2).mean() < 12  # grey
    wide.page.locator("#opacity").fill("50")
    assert apart(drawn(wide, MOUTH), (hot + part(clip, MOUTH)) / 2) < 2
    wide.page.locator("#opacity").fill("0")
    assert apart(drawn(wide, MOUTH), part(clip, MOUTH)) < 2
    assert wide.page.locator("#opacity-now").inner_text() == "0%"
    ramp = np.array(wide.value(PIXELS, ["ramp", 0, 8, 256, 1])).reshape(256, 4)[:, :3].sum(axis=1)
    assert ramp[0] < 20
    assert ramp[-1] > 600


def test_views_are_chosen_by_keys_and_by_the_boxes(wide: Opened) -> None:
    for key, shown, gone in (("2", "#divider", "#right"), ("3", "#opacity", "#divider"), ("1", "#right", "#opacity")):
        press(wide, key)
        assert wide.page.locator(shown).is_visible()
        assert not wide.page.locator(gone).is_visible()
        assert (
            wide.page.locator("input[name=view]:checked").get_attribute("value")
            == ("side", "wipe", "heat")[int(key) - 1]
        )
    wide.page.get_by_label("heat map").check()
    assert wide.page.locator("#ramp").is_visible()
    wide.page.keyboard.press("ArrowLeft")  # moves among the boxes, not in time
    assert wide.page.locator("#divider").is_visible()
    assert wide.value(CLOCK) == 0


# The plot, and what is named


def test_a_click_on_the_plot_goes_there(wide: Opened, row: tuple[Framed, ...]) -> None:
    over = wide.page.locator(".plot .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    end_s = row[-1].time_s + 0.04
    for share in (0.5, 0.1, 0.9):
        x = round(box["x"] + share * box["width"])
        wide.page.mouse.click(x, box["y"] + box["height"] / 2)
        expected = min(FRAMES - 1, round(25 * end_s * (x - box["x"]) / box["width"]))
        wide.wait("Math.abs(document.getElementById('left').dataset.moment - argument) <= 1", expected)
    head = wide.value("parseFloat(document.querySelector('.u-over .playhead').style.left)")
    assert head == pytest.approx(wide.value(CLOCK) / end_s * box["width"], abs=1)
    assert re.search(r"lower face \d+\.\d\d times, upper face", wide.page.locator("output[data-strip]").inner_text())


def test_altered_stretches_lead_there(wide: Opened) -> None:
    button = wide.page.locator("#found button.seek").first
    start = float(button.get_attribute("data-time") or "nan")
    assert 0.6 < start < 1.0
    button.click()
    wide.wait("Math.abs(lipaccordReport.clock() - argument) < 0.021", start)
    press(wide, "Home")
    wide.page.locator("#lanes span").first.click()
    wide.wait("Math.abs(lipaccordReport.clock() - argument) < 0.021", start)
    last = wide.page.locator("#stills button.seek").last
    last.click()
    wide.wait("Math.abs(lipaccordReport.clock() - argument) < 0.021", float(last.get_attribute("data-time") or "nan"))


# Accessibility, sizes, paper


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_bars_anyone(
    browser: Browser, folder: Path, row: tuple[Framed, ...], size: tuple[int, int], scheme: Scheme
) -> None:
    with opened(browser, folder / "report.html", size=size, scheme=scheme) as one:
        one.wait(SHOWS, 0)
        for key in "123":
            press(one, key)
            assert one.barriers() == []
            assert one.value("document.documentElement.scrollWidth") <= size[0]
        background = one.value("getComputedStyle(document.body).backgroundColor")
        assert (np.mean([int(value) for value in re.findall(r"\d+", background)[:3]]) < 60) == (scheme == "dark")
        assert one.troubles == []


def test_everything_can_be_reached_by_the_tab_key(wide: Opened) -> None:
    press(wide, "2")
    reached = set()
    for _ in range(50):
        wide.page.keyboard.press("Tab")
        reached.add(wide.value("document.activeElement.id"))
    assert {"divider", "moment", "play", "step-back", "step-forward", "speed", "zoom-in", "save"} <= reached


def test_paper_shows_the_pictures_that_differ_most(browser: Browser, folder: Path, row: tuple[Framed, ...]) -> None:
    with opened(browser, folder / "report.html", size=(A4_WIDTH, 1000), scheme="dark") as one:
        one.wait(SHOWS, 0)
        one.page.emulate_media(media="print")
        one.value("window.dispatchEvent(new Event('beforeprint'))")
        for gone in ("#left", "#moment", "#play", "#timeline"):
            assert not one.page.locator(gone).is_visible(), gone
        assert one.page.locator(".still img").count() >= 6
        assert one.value("Array.from(document.images).every((one) => one.complete && one.naturalWidth > 0)")
        assert one.page.locator(".plot .u-over").is_visible()
        assert one.value(WIDEST) <= A4_WIDTH
        assert one.value("document.documentElement.scrollWidth") <= A4_WIDTH
        assert one.page.pdf().startswith(b"%PDF-")
        assert one.troubles == []


def test_the_plot_fits_on_paper(wide: Opened) -> None:
    assert wide.value(WIDEST) > A4_WIDTH
    wide.value("window.dispatchEvent(new Event('beforeprint'))")
    assert wide.value(WIDEST) <= A4_WIDTH
    wide.value("window.dispatchEvent(new Event('afterprint'))")
    assert wide.value(WIDEST) > A4_WIDTH


def test_without_scripts_the_answers_can_be_read(browser: Browser, folder: Path, row: tuple[Framed, ...]) -> None:
    with opened(browser, folder / "report.html", scripts=False) as one:
        text = one.page.locator("main").inner_text()
        assert "and the mouth was altered" in text
        assert one.page.locator("noscript").is_visible()
        assert one.page.locator(".still img").first.is_visible()


@pytest.mark.parametrize("status", ["not_found", "gone"])
def test_a_page_without_pictures_is_whole(browser: Browser, tmp_path: Path, status: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(written(answer(status, state="gone")), encoding="utf-8")
    with opened(browser, path) as one:
        assert one.barriers() == []
        with one.page.expect_download() as started:
            one.page.locator("#save").click()
        assert json.loads(started.value.path().read_text(encoding="utf-8"))["schema"] == "lipaccord/match/1"
        assert one.troubles == []


def test_a_long_clip_gives_a_page_that_opens(browser: Browser, tmp_path: Path) -> None:
    clip, source = films(tmp_path, MOST + 40, otherwise)
    exhibit, pictures = laid(clip, source)
    assert len(pictures) == MOST
    path = tmp_path / "report.html"
    path.write_text(written(answer("mouth_altered", exhibit), pictures), encoding="utf-8")
    with opened(browser, path) as one:
        one.wait(SHOWS, 0)
        press(one, "End")
        one.wait(SHOWS, MOST - 1)
        assert one.value(CLOCK) == pytest.approx(pictures[-1].time_s)
        assert "120 of the 160 frames" in one.page.locator("#see").inner_text()
        assert one.troubles == []
