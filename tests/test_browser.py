"""The bench itself: what a page does wrong is noticed, so that a report without troubles means something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from browser import Scheme, browser_path, opened, running
from clips import flashes, tone, write_clip

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>'
POLICY = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as one:
        yield one


def page(folder: Path, body: str, head: str = HEAD) -> Path:
    path = folder / "page.html"
    path.write_text(f"{head}<body><main>{body}</main>", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("head", "body", "trouble"),
    [
        (HEAD, "<script>console.error('lost')</script>", "console: lost"),
        (HEAD, "<script>nowhere()</script>", "error: nowhere is not defined"),
        (HEAD, "<script>setTimeout(() => alert('boo'))</script>", "dialog: boo"),
        (HEAD, "<script>fetch('https://example.org/x').catch(() => {})</script>", "request: https://example.org/x"),
        (HEAD, "<img alt='' src='//example.org/x.png'>", "console: Failed to load resource"),
        (HEAD + POLICY, "<script>1</script>", "policy: script-src-elem forbids inline"),
    ],
)
def test_what_a_page_does_wrong_is_noticed(
    browser: Browser, tmp_path: Path, head: str, body: str, trouble: str
) -> None:
    with opened(browser, page(tmp_path, body, head)) as one:
        one.page.wait_for_timeout(50)
        assert any(trouble in known for known in one.troubles), one.troubles


def test_a_quiet_page_has_no_troubles(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, page(tmp_path, "<h1>Nothing</h1><p>Text.</p>")) as one:
        assert (one.troubles, one.barriers()) == ([], [])
        assert [Path(url).name for url in one.asked_for] == ["page.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_grey_on_grey_is_a_barrier(browser: Browser, tmp_path: Path, scheme: Scheme) -> None:
    style = "<style>html{background:#fff}@media (prefers-color-scheme: dark){html{background:#222}}</style>"
    body = f"{style}<h1>Nothing</h1><p>Text.</p>"
    with opened(browser, page(tmp_path, body), scheme=scheme) as one:
        assert [barrier.split(":")[0] for barrier in one.barriers()] == (["color-contrast"] if scheme == "dark" else [])


def test_a_clip_beside_the_page_plays_on_its_own_clock(browser: Browser, tmp_path: Path) -> None:
    write_clip(
        tmp_path / "late.mp4", frames=flashes(25, at=(5,)), start_s=1.0, sound=tone(1.0, 48_000), sound_start_s=1.0
    )
    show = """(time) => new Promise((done) => {
      const video = document.querySelector("video");
      video.requestVideoFrameCallback((now, frame) => done(frame.mediaTime));
      video.currentTime = time;
    })"""
    with opened(browser, page(tmp_path, '<video src="late.mp4" preload="auto" aria-label="clip"></video>')) as one:
        one.wait("document.querySelector('video').readyState >= 2")
        for index in (5, 24, 0, 6):
            assert one.value(show, 1.0 + (index + 0.75) / 25) == pytest.approx(1.0 + index / 25, abs=2e-6)
            assert (np.median(one.seen("video")) > 128) == (index == 5)
        assert one.troubles == []


def test_a_browser_that_is_not_there_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIPACCORD_WITHOUT_BROWSER", raising=False)
    monkeypatch.delenv("LIPACCORD_BROWSER", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(pytest.fail.Exception, match="there is no Chromium; on Debian: apt install chromium"):
        browser_path()
    monkeypatch.setenv("LIPACCORD_BROWSER", "/nowhere/chrome")
    with pytest.raises(pytest.fail.Exception, match="there is no browser /nowhere/chrome, which LIPACCORD_BROWSER"):
        browser_path()


def test_only_the_explicit_wish_leaves_the_tests_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPACCORD_WITHOUT_BROWSER", "1")
    with pytest.raises(pytest.skip.Exception, match="LIPACCORD_WITHOUT_BROWSER is set"):
        browser_path()
