"""The report in a real browser: it fetches nothing, plays, follows, can be operated by keys, and shows text as text."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser

from analyses import NOT_EXAMINABLE, RESYNTHESIS, UNRELATED, analysis
from browser import PHONE, WIDE, Opened, Scheme, opened, running
from clips import tone, write_clip
from lipaccord.pipeline import examine
from lipaccord.records import Examination, Finding, Interval, Segment, Sound
from lipaccord.report.html import Player, page
from lipaccord.report.wording import STATUS_WORDS
from lipaccord.reporting import write_report
from made_report import HOSTILE, long_examination, made_hostile

CLIP = Path(__file__).parent.parent / "fixtures" / "synthetic.mp4"
HOSTILE_FOLDER = 'it\'s a "quoted" \u202efolder'
HOSTILE_FILE = "<img src=x onerror=alert(1)>.mp4"
SEGMENT = Segment(Interval(2.0, 2.6), "sync", 2.0, "Speech over a still mouth.")
MAX_BYTES = 30_000_000
A4_WIDTH = 718  # CSS pixels between margins of 1 cm

READY = "document.querySelector('.plot .u-over') && document.getElementById('player').readyState >= 2"
WATCH = """() => {
  const video = document.getElementById("player");
  window.pictures = [];
  const see = (now, frame) => { pictures.push(frame.mediaTime); video.requestVideoFrameCallback(see); };
  video.requestVideoFrameCallback(see);
}"""
AT = """!document.getElementById("player").seeking
  && [lipaccordReport.clock(), pictures.at(-1)].every((shown) => Math.abs(shown - argument[0]) <= argument[1])"""
LATER = "lipaccordReport.clock() > argument"
CLOCK = "lipaccordReport.clock()"
PLAYING = "!document.getElementById('player').paused"
PLAYHEADS = """() => Array.from(document.querySelectorAll(".u-over"), (over) => {
  const head = over.querySelector(".playhead");
  const timeline = document.getElementById("timeline");
  const [low, high] = ["min", "max"].map((end) => Number(timeline.getAttribute(`aria-value${end}`)));
  const expected = (lipaccordReport.clock() - low) / (high - low) * over.clientWidth;
  return head && parseFloat(head.style.left) - expected;
}).filter((off) => off !== null)"""
TAGS = "Array.from(document.querySelectorAll('body *'), (element) => element.localName)"
ROOM = "[document.getElementById('player').clientWidth, document.getElementById('player').clientHeight]"
OUTLINES = """() => {
  const canvas = document.getElementById("overlay"), own = document.createElement("canvas");
  [own.width, own.height] = [canvas.width, canvas.height];
  const context = own.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, own.width, own.height);
  const box = [1, 1, 0, 0], sum = [0, 0, 0];
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 200) continue;
    const x = (at / 4 % width + 0.5) / width, y = (Math.floor(at / 4 / width) + 0.5) / height;
    box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
    count += 1;
    for (const part of [0, 1, 2]) sum[part] += data[at + part];
  }
  return { count, box, colour: sum.map((part) => part / Math.max(1, count)) };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a hostile name with a clip of a hostile name."""
    place = tmp_path_factory.mktemp("report") / HOSTILE_FOLDER
    place.mkdir()
    shutil.copy(CLIP, place / HOSTILE_FILE)
    return place


@pytest.fixture(scope="module")
def examination(folder: Path) -> Examination:
    """Return a real examination, with one more segment, so that there is always one."""
    made = examine(folder / HOSTILE_FILE)
    segments = (SEGMENT, *made.analysis.segments)
    return dataclasses.replace(made, analysis=dataclasses.replace(made.analysis, segments=segments))


@pytest.fixture(scope="module")
def report(examination: Examination, folder: Path) -> Path:
    path = folder / "report.html"
    write_report(examination, path)
    return path


def write_page(examination: Examination, path: Path, source: str = "") -> Path:
    """Write the page of a made examination, without close-ups."""
    path.write_text(page(examination, (), Player(source, copy=False, offset_s=0.0)), encoding="utf-8")
    return path


def bare(*findings: Finding) -> Examination:
    """Return an examination without a face."""
    made = analysis(*findings, versions={"lipaccord": "0.0.1"})
    return Examination(made, np.arange(250) / 25, Sound(np.zeros(160_000, np.float32), 16_000, 0.0), (), None, None)


@pytest.fixture
def wide(browser: Browser, report: Path) -> Iterator[Opened]:
    """Open the report at a desk; whatever a test does with it, nothing may go wrong."""
    with opened(browser, report) as one:
        one.wait(READY)
        one.value(WATCH)
        yield one
        assert one.troubles == []


def unfold(one: Opened) -> None:
    """Open whatever is folded away."""
    one.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })")


def frame_s(examination: Examination) -> float:
    return float(np.diff(examination.frame_times_s).max())


def go(one: Opened, time_s: float, within_s: float = 1e-4) -> None:
    """Wait until the page and the video show the picture of a time."""
    one.wait(AT, [time_s, within_s])


def start(one: Opened, examination: Examination, index: int = 0) -> None:
    """Begin at a picture, from the first one on."""
    one.value("document.activeElement.blur()")
    one.page.keyboard.press("Home")
    go(one, examination.frame_times_s[0])
    for at in range(1, index + 1):
        one.page.keyboard.press(".")
        go(one, examination.frame_times_s[at])


# Loading


def test_it_asks_for_nothing_but_itself_and_its_clip(wide: Opened, report: Path) -> None:
    names = {Path(unquote(urlsplit(url).path)) for url in wide.asked_for}
    assert names == {report, report.with_name(HOSTILE_FILE)}
    assert wide.troubles == []


def test_its_policy_forbids_everything_else(wide: Opened) -> None:
    policy = wide.page.locator("head meta[http-equiv='Content-Security-Policy']").get_attribute("content") or ""
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", source) for source in rules["script-src"] + rules["style-src"])
    sources = {source for rule in rules.values() for source in rule if not source.startswith("'sha256-")}
    assert sources <= {"'none'", "'self'", "data:", "blob:", "file:"}
    assert wide.value("document.head.firstElementChild.nextElementSibling.httpEquiv") == "Content-Security-Policy"


def test_a_script_that_is_slipped_in_does_not_run(browser: Browser, report: Path) -> None:
    slip = """() => {
      const script = document.createElement("script");
      script.textContent = "window.slipped = true";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src='https://example.org/x.png' onerror='slipped = true'>");
      return window.slipped;
    }"""
    stopped_by = {}
    with opened(browser, report) as one:
        one.page.on("requestfailed", lambda request: stopped_by.update({request.url: request.failure}))
        assert one.value(slip) is None
        one.wait("document.images[document.images.length - 1].complete")
        assert one.value("window.slipped") is None
        breaches = [trouble for trouble in one.troubles if trouble.startswith("console: policy: ")]
        assert {breach.split()[2] for breach in breaches} >= {"script-src-elem", "img-src"}
        assert stopped_by == {"https://example.org/x.png": "csp"}


def test_it_holds_the_analysis_as_json(wide: Opened, examination: Examination) -> None:
    twin = json.loads(wide.page.locator("script#lipaccord-analysis").text_content() or "")
    assert twin["clip"]["sha256"] == examination.analysis.clip.sha256
    assert twin["findings"]["sync"]["status"] == examination.analysis.findings["sync"].status
    assert twin["clip"]["path"] == examination.analysis.clip.path


def test_the_analysis_can_be_saved(wide: Opened, tmp_path: Path) -> None:
    with wide.page.expect_download() as started:
        wide.page.locator("#save").click()
    assert started.value.suggested_filename == "analysis.json"
    saved = json.loads(started.value.path().read_text(encoding="utf-8"))
    assert saved == json.loads(wide.page.locator("script#lipaccord-analysis").text_content() or "")


@pytest.mark.parametrize("outside", [False, True], ids=["inside", "beside"])
def test_a_viewing_copy_plays_and_says_that_it_is_one(
    browser: Browser, examination: Examination, folder: Path, outside: bool
) -> None:
    target, assets = folder / f"copy-{outside}.html", folder / "what's 100% #beside"
    write_report(examination, target, assets=assets if outside else None, embed_video=True)
    with opened(browser, target) as one:
        one.wait(READY)
        one.value(WATCH)
        unfold(one)
        asked_for = {Path(unquote(urlsplit(url).path)) for url in one.asked_for} - {target}
        assert all(path.parent == assets for path in asked_for)
        assert (len(asked_for) > 1) == outside
        assert "Viewing copy" in one.page.locator(".copy").inner_text()
        start(one, examination, 2)
        assert one.value("Array.from(document.querySelectorAll('image')).every((one) => one.getBBox().width > 0)")
        assert one.troubles == []


# The one clock


def test_the_first_picture_is_shown_at_the_start(wide: Opened, examination: Examination) -> None:
    assert wide.value(CLOCK) == pytest.approx(examination.frame_times_s[0])
    assert wide.value("Array.from(lipaccordReport.frameTimes)") == pytest.approx(examination.frame_times_s)
    ends = [float(wide.page.locator("#timeline").get_attribute(f"aria-value{end}") or "nan") for end in ("min", "max")]
    assert ends == pytest.approx(
        [examination.frame_times_s[0], examination.frame_times_s[-1]], abs=frame_s(examination)
    )


@pytest.mark.parametrize("plot", ["first", "last"])
def test_a_click_on_a_plot_goes_there(wide: Opened, examination: Examination, plot: str) -> None:
    unfold(wide)
    overs = wide.page.locator(".plot[data-series] .u-over")
    over = overs.first if plot == "first" else overs.last
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    low, high = (float(wide.page.locator("#timeline").get_attribute(f"aria-value{end}") or 0) for end in ("min", "max"))
    for share in (0.5, 0.08, 0.93, 0.31):
        x = round(box["x"] + share * box["width"])
        expected = low + (x - box["x"]) / box["width"] * (high - low)
        wide.page.mouse.click(x, box["y"] + box["height"] / 2)
        go(wide, expected, frame_s(examination))
        assert wide.value("document.getElementById('player').currentTime") == pytest.approx(
            expected, abs=frame_s(examination)
        )


def test_every_time_that_is_named_leads_there(wide: Opened, examination: Examination) -> None:
    unfold(wide)
    buttons = wide.page.locator("button.seek[data-time]")
    times = [float(buttons.nth(at).get_attribute("data-time") or "nan") for at in range(buttons.count())]
    assert {SEGMENT.interval.start_s} < set(times)
    named = {
        time for finding in examination.analysis.findings.values() for cue in finding.cues for time in cue.frames_s
    }
    assert set(times) & named
    for at in {0, len(times) // 2, len(times) - 1}:
        buttons.nth(at).click()
        go(wide, times[at], frame_s(examination))


def test_the_bar_of_a_segment_leads_there(wide: Opened) -> None:
    wide.page.locator(f"#lanes span[title*='{SEGMENT.summary}']").click()
    go(wide, SEGMENT.interval.start_s, 0.04)


def test_a_drag_enlarges_a_stretch(wide: Opened, examination: Examination) -> None:
    over = wide.page.locator(".plot[data-series] .u-over").nth(1)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    low, high = (float(wide.page.locator("#timeline").get_attribute(f"aria-value{end}") or 0) for end in ("min", "max"))
    y = box["y"] + box["height"] / 2
    wide.page.mouse.move(box["x"] + 0.25 * box["width"], y)
    wide.page.mouse.down()
    wide.page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=4)
    wide.page.mouse.up()
    for share, button in ((0.5, None), (0.75, "#zoom-all")):
        if button is not None:
            wide.page.locator(button).click()
        part = share if button else 0.25 + 0.25 * share
        wide.page.mouse.click(box["x"] + share * box["width"], y)
        go(wide, low + part * (high - low), frame_s(examination))


def test_the_playhead_follows(wide: Opened, examination: Examination) -> None:
    unfold(wide)
    wide.page.locator("#play").click()
    wide.wait(LATER, examination.frame_times_s[8])
    while_playing = wide.value(PLAYHEADS)
    assert wide.value(PLAYING)
    wide.page.locator("#play").click()
    wide.page.locator("#timeline").focus()
    wide.page.keyboard.press("ArrowRight")
    wide.wait(LATER, examination.frame_times_s[28])
    for off in (while_playing, wide.value(PLAYHEADS)):
        assert len(off) == wide.page.locator(".plot[data-series]").count() >= 4
        assert np.abs(off).max() < 1.0
    text = wide.page.locator("#timeline").get_attribute("aria-valuetext")
    assert text == f"{wide.value(CLOCK):.2f} s"


# Keys


def test_keys_move_it(wide: Opened, examination: Examination) -> None:
    times = examination.frame_times_s
    start(wide, examination, 2)
    moves = [
        (",", times[1]),
        ("End", times[-1]),
        (".", times[-1]),
        ("ArrowLeft", times[-1] - 1.0),
        ("Shift+ArrowLeft", times[-1] - 1.1),
        ("Shift+ArrowRight", times[-1] - 1.0),
        ("Home", times[0]),
        (",", times[0]),
        ("ArrowRight", times[0] + 1.0),
    ]
    for focus in ("body", "#timeline"):
        wide.page.locator(focus).evaluate("(element) => element === document.body ? element.blur() : element.focus()")
        for key, expected in moves:
            wide.page.keyboard.press(key)
            exact = key in {",", ".", "Home", "End"}
            go(wide, expected, 1e-4 if exact else frame_s(examination))
        start(wide, examination, 2)


def test_keys_turn_things_on_and_off(wide: Opened) -> None:
    def state() -> tuple[bool, ...]:
        boxes = [wide.page.locator(f"#show-{name}").is_checked() for name in ("observed", "predicted", "regions")]
        looping = wide.page.locator("#loop").get_attribute("aria-pressed") == "true"
        return (wide.value(PLAYING), looping, *boxes)

    before = state()
    for key, changed in ((" ", {0}), ("l", {1}), ("o", {2, 3}), ("r", {4})):
        wide.page.keyboard.press(key)
        after = tuple(value != (at in changed) for at, value in enumerate(before))
        wide.wait(f"{PLAYING} === {str(after[0]).lower()}")
        assert state() == after, key
        wide.page.keyboard.press(key)
        wide.wait(f"{PLAYING} === {str(before[0]).lower()}")
        assert state() == before, key


def test_keys_stay_with_the_field_that_has_them(wide: Opened, examination: Examination) -> None:
    start(wide, examination, 1)
    here = wide.value("document.getElementById('player').currentTime")
    wide.page.locator("#speed").focus()
    for key in (".", "End", "ArrowLeft"):
        wide.page.keyboard.press(key)
    wide.page.locator("#show-regions").focus()
    wide.page.keyboard.press(" ")
    assert wide.page.locator("#show-regions").is_checked()
    wide.page.locator("#loop").focus()
    wide.page.keyboard.press(" ")
    assert wide.page.locator("#loop").get_attribute("aria-pressed") == "true"
    assert wide.value("document.getElementById('player').currentTime") == here
    assert not wide.value(PLAYING)


def test_keys_with_a_modifier_are_the_browsers(wide: Opened, examination: Examination) -> None:
    start(wide, examination, 1)
    for key in ("Control+l", "Alt+ArrowRight", "Control+End"):
        wide.page.keyboard.press(key)
    assert wide.page.locator("#loop").get_attribute("aria-pressed") == "false"
    go(wide, examination.frame_times_s[1])


# Step, loop, slow motion


def numbered_pictures(count: int) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures that show their number as six bars, white for a one."""
    for number in range(count):
        bars = np.array([255 if number >> bit & 1 else 0 for bit in range(6)], np.uint8)
        yield np.repeat(np.repeat(np.repeat(bars, 16)[None], 64, axis=0)[..., None], 3, axis=2)


def number_shown(one: Opened) -> int:
    picture = one.seen("#player")[:, :, 1]
    height, width = picture.shape
    wide = min(width, round(height * 96 / 64))
    left = (width - wide) / 2
    return sum((picture[height // 3, int(left + (bit + 0.5) * wide / 6)] > 128) << bit for bit in range(6))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_step_goes_one_picture_on_at_a_variable_rate_from_a_late_start(
    browser: Browser, tmp_path: Path, suffix: str
) -> None:
    times_s = np.cumsum([0.0, *[0.033, 0.05, 0.1, 0.04, 0.021] * 8])
    clip = tmp_path / f"variable.{suffix}"
    late = {"start_s": 1.0, "sound": tone(3.0, 48_000), "sound_start_s": 1.0}
    write_clip(clip, frames=numbered_pictures(len(times_s)), times_s=times_s.tolist(), **late)  # type: ignore[arg-type]
    made = dataclasses.replace(bare(), frame_times_s=times_s + 1.0)
    with opened(browser, write_page(made, tmp_path / "report.html", clip.name)) as one:
        one.wait("document.getElementById('player').readyState >= 2")
        one.value(WATCH)
        start(one, made, 9)
        for index, button in ((10, "forward"), (9, "back"), (8, "back"), (7, "back"), (6, "back"), (7, "forward")):
            one.page.locator(f"#step-{button}").click()
            go(one, made.frame_times_s[index])
            assert number_shown(one) == index
        for _ in range(5):  # faster than pictures come
            one.page.keyboard.press(".")
        go(one, made.frame_times_s[12])
        assert number_shown(one) == 12
        assert one.troubles == []


def test_a_stretch_is_looped(wide: Opened) -> None:
    start_s, end_s = SEGMENT.interval.start_s, SEGMENT.interval.end_s
    wide.page.locator(f"button.seek[data-time='{start_s}'][data-end='{end_s}']").first.click()
    go(wide, start_s, 0.04)
    wide.page.locator("#loop").click()
    wide.value("pictures.length = 0")
    wide.page.locator("#play").click()
    wide.wait("pictures.filter((time, at) => at && time < pictures[at - 1]).length >= 2")
    wide.page.locator("#play").click()
    shown = wide.value("pictures")
    assert start_s - 0.05 < min(shown)
    assert max(shown) < end_s + 0.15
    assert end_s - 0.15 < max(shown)


def test_slow_motion_lasts(wide: Opened) -> None:
    rate = "document.getElementById('player').playbackRate"
    assert [option.get_attribute("value") for option in wide.page.locator("#speed option").all()] == [
        *("1", "0.5", "0.25", "0.1")
    ]
    wide.page.locator("#speed").select_option("0.25")
    wide.page.locator("#play").click()
    wide.wait("pictures.length > 3")
    wide.page.locator("#play").click()
    wide.page.keyboard.press("ArrowRight")
    wide.page.locator("#play").click()
    wide.wait(PLAYING)
    assert wide.value(rate) == 0.25


# Outlines


def test_outlines_lie_on_the_lips_and_can_be_switched_off(wide: Opened, examination: Examination) -> None:
    assert examination.tracks is not None
    face, video = examination.tracks.face, examination.analysis.clip.video
    size, room = np.array([video.width, video.height]), np.array(wide.value(ROOM))
    assert wide.page.locator("#overlay").bounding_box() == wide.page.locator("#player").bounding_box()
    scale = (room / size).min()
    corner = (room - scale * size) / 2
    for name in ("observed", "predicted", "regions"):
        wide.page.locator(f"#show-{name}").uncheck()
    for index in (0, 3):
        start(wide, examination, index)
        assert wide.value(OUTLINES)["count"] == 0
        wide.page.locator("#show-observed").check()
        lips = face.points[index, list(face.layout.rings["outer_lips"])]
        expected = [(corner + scale * (edge + 0.5)) / room for edge in (lips.min(axis=0), lips.max(axis=0))]
        assert wide.value(OUTLINES)["box"] == pytest.approx(np.concatenate(expected), abs=0.008)
        wide.page.locator("#show-observed").uncheck()


def test_seen_predicted_and_parts_are_drawn_in_different_colours(wide: Opened, examination: Examination) -> None:
    start(wide, examination, 3)
    drawn = {}
    for name in ("observed", "predicted", "regions"):
        for other in ("observed", "predicted", "regions"):
            wide.page.locator(f"#show-{other}").set_checked(other == name)
        drawn[name] = wide.value(OUTLINES)
    assert min(one["count"] for one in drawn.values()) > 50
    colours = [np.array(one["colour"]) for one in drawn.values()]
    apart = [np.abs(colours[first] - colours[second]).max() for first, second in ((0, 1), (0, 2), (1, 2))]
    assert min(apart) > 25
    assert drawn["regions"]["box"][1] < drawn["observed"]["box"][1]


# Accessibility, sizes, paper


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_bars_anyone(browser: Browser, report: Path, size: tuple[int, int], scheme: Scheme) -> None:
    with opened(browser, report, size=size, scheme=scheme) as one:
        one.wait(READY)
        unfold(one)
        assert one.barriers() == []
        assert one.value("document.documentElement.scrollWidth") <= size[0]
        background = one.value("getComputedStyle(document.body).backgroundColor")
        assert (np.mean([int(part) for part in re.findall(r"\d+", background)[:3]]) < 60) == (scheme == "dark")
        assert one.troubles == []


def test_everything_can_be_reached_by_the_tab_key(wide: Opened) -> None:
    reached = set()
    for _ in range(60):
        wide.page.keyboard.press("Tab")
        reached.add(wide.value("document.activeElement.id"))
    assert {"play", "step-back", "step-forward", "speed", "loop", "timeline", "show-observed"} <= reached


def test_paper_shows_everything_but_the_player(browser: Browser, report: Path, examination: Examination) -> None:
    with opened(browser, report, size=(A4_WIDTH, 1000), scheme="dark") as one:
        one.wait(READY)
        one.page.emulate_media(media="print")
        one.value("window.dispatchEvent(new Event('beforeprint'))")
        for gone in ("#player", "#play", "#loop", "#step-back", "#speed", "#show-observed"):
            assert not one.page.locator(gone).is_visible(), gone
        for heading in one.page.locator("h2").all():
            assert heading.is_visible()
        assert one.page.locator(".plot .u-over").count() == one.page.locator(".plot").count()
        assert all(plot.is_visible() for plot in one.page.locator(".plot").all())
        text = one.page.locator("body").inner_text()
        assert examination.analysis.clip.sha256 in text
        for finding in examination.analysis.findings.values():
            assert STATUS_WORDS[finding.status][1].lower() in text.lower()
        assert one.value("document.documentElement.scrollWidth") <= A4_WIDTH
        assert one.page.pdf().startswith(b"%PDF-")
        assert one.troubles == []


def test_plots_fit_on_paper(wide: Opened) -> None:
    widest = "Math.max(...Array.from(document.querySelectorAll('.uplot'), (plot) => plot.offsetWidth))"
    assert wide.value(widest) > A4_WIDTH
    wide.value("window.dispatchEvent(new Event('beforeprint'))")
    assert wide.value(widest) <= A4_WIDTH  # printing lays the page out anew, but does not draw anew
    wide.value("window.dispatchEvent(new Event('afterprint'))")
    assert wide.value(widest) > A4_WIDTH


def test_without_scripts_the_findings_can_be_read(browser: Browser, report: Path, examination: Examination) -> None:
    with opened(browser, report, scripts=False) as one:
        text = one.page.locator("main").inner_text()
        for finding in examination.analysis.findings.values():
            assert STATUS_WORDS[finding.status][1].lower() in text.lower()
            for reason in finding.reasons:
                assert reason.text.lower() in text.lower()
        assert examination.analysis.clip.sha256 in one.page.locator("body").inner_text()
        assert one.page.locator("noscript").is_visible()


# What lies in the file or its name


def test_a_hostile_name_is_text(wide: Opened) -> None:
    assert wide.page.locator("h1").inner_text() == HOSTILE_FILE
    assert wide.page.locator("img").count() == 0
    text = wide.page.locator("body").inner_text()
    assert "\u202e" not in text
    assert 'it\'s a "quoted" \\u202efolder' in text


@pytest.mark.parametrize("findings", [(UNRELATED, RESYNTHESIS), (UNRELATED, NOT_EXAMINABLE)], ids=["found", "not"])
def test_hostile_texts_make_no_elements(browser: Browser, tmp_path: Path, findings: tuple[Finding, ...]) -> None:
    friendly = bare(*findings)
    hostile = dataclasses.replace(friendly, analysis=made_hostile(friendly.analysis))
    tags = []
    for name, made in (("friendly", friendly), ("hostile", hostile)):
        with opened(browser, write_page(made, tmp_path / f"{name}.html", quote(CLIP.as_posix()))) as one:
            one.wait(READY)
            tags.append(one.value(TAGS))
            assert one.troubles == []
            text = one.page.locator("body").inner_text()
            assert text.count("<img src=x onerror=alert(1)>") == text.count("onerror")
            assert (text.count("onerror") > 20) == (name == "hostile")
            assert "\u202e" not in text
    assert tags[0] == tags[1]
    source = (tmp_path / "hostile.html").read_text(encoding="utf-8")
    assert HOSTILE[:20] not in source
    assert "<img" not in source


def test_a_clip_that_is_not_there_is_said_in_words(browser: Browser, examination: Examination, tmp_path: Path) -> None:
    with opened(browser, write_page(examination, tmp_path / "report.html", "gone.mp4")) as one:
        one.page.locator("#trouble").wait_for(state="visible")
        assert "cannot play" in one.page.locator("#trouble").inner_text()
        one.page.keyboard.press("End")
        one.wait("lipaccordReport.clock() === argument", float(examination.frame_times_s[-1]))
        assert [trouble for trouble in one.troubles if "ERR_FILE_NOT_FOUND" not in trouble] == []


# A long clip


def test_the_report_of_two_hours_is_small_and_opens(browser: Browser, tmp_path: Path) -> None:
    path = write_page(long_examination(2.0), tmp_path / "long.html", quote(CLIP.as_posix()))
    assert path.stat().st_size < MAX_BYTES
    with opened(browser, path) as one:
        one.wait(READY)
        assert one.page.locator("#timeline").get_attribute("aria-valuemax") == "7200.000"
        assert one.page.locator(".plot .u-over").count() >= 2
        assert one.troubles == []
