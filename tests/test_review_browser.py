"""The review page in a real browser: decisions by keys and clicks, what is kept, what is shown, and who is kept out."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from archives import made_store
from browser import PATIENCE_MS, PHONE, TELL_BREACHES, WAIT, WIDE, Opened, Scheme, running
from clips import tone, write_clip
from lipaccord.archive import deciding
from lipaccord.archive.review import fresh, serving
from lipaccord.archive.review.serving import Service, prepared
from lipaccord.archive.store import open_store
from made_archives import HOSTILE, LACKING, Made, failed, gist, store_of, unrelated
from made_reviews import STUB, let

MARKUP = "<img src=x onerror=alert(1)>"
READY = "document.documentElement.dataset.ready"
SAID = "document.getElementById('said').textContent.startsWith(argument)"
TROUBLE = "document.getElementById('trouble').textContent.includes(argument)"
CURRENT = "document.querySelector('[aria-current]')?.dataset.clip === argument"
FOCUSED = "document.activeElement.matches(argument)"
SHOWN = "Array.from(document.querySelectorAll('[data-picture]'), (place) => place.dataset.shown)"
PLAYABLE = "document.getElementById('player').readyState >= 2"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PICTURES = """(() => {
  const shown = Array.from(document.querySelectorAll("[data-picture]"), (place) => place.dataset.shown);
  return shown.every(Boolean) && shown.includes(argument);
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as one:
        yield one


@contextmanager
def served(db: Path) -> Iterator[Service]:
    """Serve a store in a thread."""
    with prepared(db, user="ada") as service:
        thread = threading.Thread(target=service.run, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            service.stop()
            thread.join(20)
            assert not thread.is_alive()


class Seen(Opened):
    """A page of the review: it may ask its own server, and nothing else."""

    own = ""

    def _request(self, request: object) -> None:
        url = request.url  # type: ignore[attr-defined]
        if not url.startswith((self.own, "data:")):
            self.troubles.append(f"request: {url}")
        if not url.startswith("data:"):
            self.asked_for.append(url)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def go(self, deed: Callable[[], object]) -> None:
        """Do what leads to another page, and wait until that is ready."""
        with self.page.expect_navigation():
            deed()
        self.wait(READY)

    def decide(self, keys: str, said: str) -> None:
        """Press keys, and wait for what is said then."""
        self.press(*keys)
        self.wait(SAID, said)


@contextmanager
def shown(
    browser: Browser, service: Service, path: str = "", *, size: tuple[int, int] = WIDE, scheme: Scheme = "light"
) -> Iterator[Seen]:
    """Come in by the address with the token, and open a page; whatever happens, the page may not complain."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE_MS)
    try:
        context.add_init_script(TELL_BREACHES)
        one = Seen(context.new_page())
        one.own = base_of(service)
        one.page.goto(service.address)
        one.page.wait_for_url(one.own)
        if path:
            one.page.goto(one.own + path)
        one.wait(READY)
        yield one
    finally:
        context.close()


def base_of(service: Service) -> str:
    return service.address.partition("?")[0]


def verdicts(db: Path) -> dict[int, tuple[str | None, str, str]]:
    with open_store(db) as store:
        found = {clip: deciding.current(store, clip) for clip in range(1, 9)}
    return {clip: (one.verdict, one.what, one.note) for clip, one in found.items() if one is not None}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Return a store of eight clips in the order of their numbers; the third one is hostile."""
    painted = gist(7.0, resynthesis_status="resynthesised", resynthesis_log10_lr=0.66, cues=("flicker", "teeth"))
    hostile = Made(
        [gist(6.0)], uri=f"/made/{MARKUP}\"'{{{{7*7}}}}.mp4", carried={"speaker": MARKUP, "date": f"2020{MARKUP}"}
    )
    return store_of(
        tmp_path / "archive.db",
        Made([unrelated(8.0)], carried={"speaker": "Ada", "date": "2020-05-01"}),
        Made([painted], carried={"speaker": "Grace"}),
        hostile,
        Made([gist(5.0)], uri=HOSTILE),
        Made([gist(4.0, sync_log10_lr=None, resynthesis_log10_lr=None)]),
        Made([gist(3.0)]),
        Made([LACKING]),
        failed(),
    )


@pytest.fixture
def service(db: Path) -> Iterator[Service]:
    with served(db) as one:
        yield one


# Deciding by keys


def test_clips_are_decided_by_keys_and_the_decisions_stay(browser: Browser, service: Service, db: Path) -> None:
    with shown(browser, service) as one:
        one.decide("c", "")
        one.wait(FOCUSED, "#clip-1 [data-what=sound]")
        one.decide("c", "Confirmed: sound: clip-1.mp4. Next: clip-2.mp4.")
        one.wait(CURRENT, "2")
        one.press("c")
        one.wait(FOCUSED, "#clip-2 [data-what=mouth]")
        one.press("Enter")
        one.wait(SAID, "Confirmed: mouth: clip-2.mp4.")
        one.decide("cb", "Confirmed: sound and mouth")
        one.decide("d", "Dismissed")
        one.decide("u", "Unsure: clip-5.mp4. Next: clip-6.mp4.")
        one.page.reload()
        one.wait(READY)
        states = one.page.locator("[data-clip] .state .text").all_inner_texts()
        assert states[:6] == [
            "Confirmed: sound",
            "Confirmed: mouth",
            "Confirmed: sound and mouth",
            "Dismissed",
            "Unsure",
            "Undecided",
        ]
        assert one.page.locator("#clip-4 [aria-pressed=true]").inner_text() == "Dismiss"
        one.wait(CURRENT, "6")
        assert one.troubles == []
    assert verdicts(db) == {
        1: ("confirm", "sound", ""),
        2: ("confirm", "mouth", ""),
        3: ("confirm", "both", ""),
        4: ("dismiss", "", ""),
        5: ("unsure", "", ""),
    }


def test_what_is_confirmed_can_be_chosen_or_left(browser: Browser, service: Service, db: Path) -> None:
    with shown(browser, service) as one:
        one.press("c", "Escape")
        one.wait(FOCUSED, "#clip-1")
        assert one.page.locator("#clip-1 .what").is_hidden()
        one.decide("cm", "Confirmed: mouth: clip-1.mp4.")
        assert one.troubles == []
    assert verdicts(db) == {1: ("confirm", "mouth", "")}


def test_a_decision_is_taken_back_by_a_key(browser: Browser, service: Service, db: Path) -> None:
    with shown(browser, service) as one:
        one.press("j")
        one.decide("u", "Unsure: clip-2.mp4.")
        one.press("k")
        one.decide("d", "Dismissed: clip-2.mp4.")
        one.press("k")
        one.decide("z", "Taken back: clip-2.mp4. Now: Unsure.")
        assert one.page.locator("#clip-2 .state .text").inner_text() == "Unsure"
        one.decide("z", "Taken back: clip-2.mp4. Now: Undecided.")
        one.decide("z", "Nothing to take back: clip-2.mp4.")
        assert one.troubles == []
    assert verdicts(db) == {}


def test_a_note_is_written_by_keys(browser: Browser, service: Service, db: Path) -> None:
    with shown(browser, service) as one:
        one.press("n")
        one.wait(FOCUSED, "#clip-1 textarea")
        one.page.keyboard.type("discuss? jkz/")
        one.press("Escape")
        one.wait(FOCUSED, "#clip-1")
        assert verdicts(db) == {}
        one.press("n", "Enter")
        one.wait(SAID, "Note kept: clip-1.mp4.")
        assert one.page.locator("#clip-1 .written").inner_text() == "discuss? jkz/"
        one.wait(CURRENT, "1")
        one.decide("d", "Dismissed")
        assert one.troubles == []
    assert verdicts(db) == {1: ("dismiss", "", "discuss? jkz/")}


def test_keys_move_along_the_list(browser: Browser, service: Service) -> None:
    with shown(browser, service) as one:
        for keys, clip in ((("j", "ArrowDown", "j"), "4"), (("k", "ArrowUp"), "2"), (("k", "k", "k"), "1")):
            one.press(*keys)
            one.wait(CURRENT, clip)
            one.wait(FOCUSED, f"#clip-{clip}")
        one.press("/")
        one.wait(FOCUSED, "#search")
        one.page.keyboard.type("dcj")
        one.press("Escape", "?")
        one.wait("document.getElementById('keys').open")
        one.press("d", "Escape")
        one.wait("!document.getElementById('keys').open")
        assert one.page.locator("[data-verdict]:not([data-verdict=''])").count() == 0
        one.page.keyboard.press("Control+d")
        one.go(lambda: one.press("o"))
        assert one.page.url.endswith("/clip/1")
        one.go(one.page.locator("#back").click)
        one.wait(CURRENT, "1")
        assert one.troubles == []


def test_everything_can_be_clicked(browser: Browser, service: Service, db: Path) -> None:
    with shown(browser, service, size=PHONE) as one:
        row = one.page.locator("#clip-2")
        row.get_by_role("button", name="Dismiss").click()
        one.wait(SAID, "Dismissed: clip-2.mp4.")
        row.get_by_role("button", name="Undo").click()
        one.wait(SAID, "Taken back: clip-2.mp4.")
        row.get_by_role("button", name="Confirm", exact=True).click()
        row.get_by_role("button", name="Both").click()
        one.wait(SAID, "Confirmed: sound and mouth: clip-2.mp4.")
        row.get_by_role("button", name="Note").click()
        row.get_by_role("textbox", name="Note").fill("seen")
        row.get_by_role("button", name="Save").click()
        one.wait(SAID, "Note kept")
        assert one.troubles == []
    assert verdicts(db) == {2: ("confirm", "both", "seen")}


def test_what_is_not_kept_is_told(browser: Browser, service: Service, db: Path) -> None:
    with shown(browser, service) as one:
        db.rename(db.with_name("away.db"))
        one.press("d")
        one.wait(TROUBLE, "Not kept, clip-1.mp4: there is no store")
        assert one.page.locator("#clip-1 .state .text").inner_text() == "Undecided"
        one.wait(CURRENT, "1")
        db.with_name("away.db").rename(db)
        one.decide("d", "Dismissed")
        assert one.page.locator("#trouble").inner_text() == ""
        one.page.context.set_offline(True)
        one.press("d")
        one.wait(TROUBLE, "Not kept, clip-2.mp4: the program does not answer")
        assert all("Failed to load resource" in trouble for trouble in one.troubles)
    assert verdicts(db) == {1: ("dismiss", "", "")}


# The list


def test_a_filter_stays_in_the_address(browser: Browser, service: Service) -> None:
    with shown(browser, service) as one:
        one.page.get_by_label("Speaker").fill("Grace")
        one.page.get_by_label("Stands out").select_option("flicker")
        one.go(one.page.get_by_role("button", name="Show").click)
        assert one.page.url.endswith("/?speaker=Grace&cue=flicker")
        assert one.page.locator("[data-clip]").count() == 1
        one.wait("document.getElementById('total').textContent === '1'")
        one.decide("d", "Dismissed: clip-2.mp4. Nothing undecided is left below.")
        one.page.reload()
        assert one.page.get_by_label("Speaker").input_value() == "Grace"
        one.go(one.page.get_by_role("link", name="All clips").click)
        assert one.page.locator("[data-clip]").count() == 8
        one.wait("document.getElementById('total').textContent === '8'")
        one.page.get_by_label("Decision").select_option("dismiss")
        one.go(one.page.get_by_role("button", name="Show").click)
        assert one.page.url.endswith("/?verdict=dismiss")
        assert one.page.locator("[data-clip]").count() == 1
        assert one.troubles == []


def test_the_next_page_goes_on(browser: Browser, tmp_path: Path) -> None:
    with served(made_store(tmp_path / "archive.db", 60)) as service, shown(browser, service) as one:
        rows = one.page.locator("[data-clip]")
        assert rows.count() == 50
        last = rows.last.get_attribute("data-clip")
        rows.last.click(position={"x": 2, "y": 2})
        one.wait(CURRENT, last)
        one.decide("d", "Dismissed")
        one.wait(FOCUSED, "#next")
        one.go(lambda: one.press("Enter"))
        assert rows.count() == 10
        assert one.page.locator("tbody .rank").first.inner_text() == "51"
        assert one.troubles == []


def test_hostile_texts_stay_text(browser: Browser, service: Service) -> None:
    with shown(browser, service) as one:
        one.press("j", "j", "n")
        one.page.keyboard.type(f"</textarea>{MARKUP}")
        one.press("Enter")
        one.wait(SAID, "Note kept")
        for path in ("", "clip/3", "clip/4", f"?text={MARKUP}"):
            one.page.goto(one.own + path)
            one.wait(READY)
            assert one.page.locator("img[onerror], [src=x]").count() == 0
        assert MARKUP in one.page.locator("#clip-3 .name").inner_text()
        assert MARKUP in one.page.locator("#clip-3 .written").inner_text()
        assert one.page.locator("#clip-3 .speaker").inner_text() == MARKUP
        assert one.troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_it_is_readable_on_every_screen(
    browser: Browser, service: Service, size: tuple[int, int], scheme: Scheme
) -> None:
    with shown(browser, service, size=size, scheme=scheme) as one:
        one.decide("d", "Dismissed")
        one.press("c")
        assert one.barriers() == []
        assert one.value(OVERFLOW) <= 0
        one.page.goto(f"{one.own}clip/1")
        one.wait(READY)
        assert one.value(OVERFLOW) <= 0
        if (size, scheme) in {(WIDE, "dark"), (PHONE, "light")}:
            assert one.barriers() == []
        assert one.troubles == []


# Clips


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    frames = [np.full((96, 128, 3), (0, 200, at), np.uint8) for at in range(50)]
    write_clip(path, frames=frames, sound=tone(2.0, 48_000))
    return path


def test_pictures_come_as_their_rows_are_seen(browser: Browser, tmp_path: Path, clip: Path) -> None:
    made = [Made([gist(9.0)], uri=str(clip)), *(Made([gist(1.0)]) for _ in range(30))]
    with served(store_of(tmp_path / "archive.db", *made)) as service, shown(browser, service) as one:
        one.wait("document.querySelector('#clip-1 img')?.naturalWidth === 256")
        one.wait("document.querySelector('#clip-2 .thumb').textContent === 'the file is gone'")
        assert None in one.value(SHOWN)
        one.page.locator("#clip-31").scroll_into_view_if_needed()
        one.wait("document.querySelector('#clip-31 .thumb').textContent === 'the file is gone'")
        assert one.troubles == []


@pytest.mark.parametrize("came", ["same", "broken"])
def test_a_report_is_made_and_shown(
    browser: Browser, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, came: str
) -> None:
    monkeypatch.setattr(fresh, "MAKE", STUB)
    shutil.copy(clip, tmp_path / "clip.mp4")
    db = store_of(tmp_path / "archive.db", Made([gist(9.0)], uri=str(tmp_path / "clip.mp4")))
    with served(db) as service, shown(browser, service) as one:
        one.go(lambda: one.press("Enter"))
        assert one.page.url.endswith("/clip/1/report")
        one.wait("document.getElementById('how-far').textContent.startsWith('25%')")
        assert one.barriers() == []
        let(tmp_path / "clip.mp4", came)
        if came == "broken":
            one.wait("!document.getElementById('failed').hidden")
            assert one.page.locator("#why").inner_text() == "UnreadableMedia: it is <b>broken</b>; copy it again"
        else:
            report = one.page.frame_locator("iframe")
            report.locator("#found").wait_for()
            frame = one.page.frames[1]
            frame.wait_for_load_state()
            frame.evaluate(WAIT.replace("CONDITION", PLAYABLE), [None, PLAYABLE, PATIENCE_MS])
            assert frame.evaluate("document.getElementById('player').videoWidth") == 128
            assert "the values equal those in the archive" in one.page.locator(".same").inner_text()
            one.value("document.activeElement.blur()")
            one.decide("d", "Dismissed: clip.mp4.")
            assert one.barriers() == []
        assert one.troubles == []


# Who is kept out


def test_without_the_token_a_browser_sees_nothing(browser: Browser, service: Service) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = context.new_page()
        for url in (base_of(service), f"{base_of(service)}?token=wrong", re.sub(r"(:\d+)/.*", r"\1/", service.address)):
            answer = page.goto(url)
            assert answer is not None
            assert answer.status == 403
            assert len(page.inner_text("body")) < 80
    finally:
        context.close()


def test_the_token_leaves_the_address_bar_and_scripts_see_no_cookie(browser: Browser, service: Service) -> None:
    with shown(browser, service) as one:
        assert "token" not in one.page.url
        assert one.value("document.cookie") == ""
        (cookie,) = one.page.context.cookies(one.own)
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert one.page.context.cookies(re.sub(r"(:\d+)/.*", r"\1/", service.address)) == []


def test_a_browser_that_is_led_by_a_file_comes_in(
    browser: Browser, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    serving._show(service)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = context.new_page()
        page.goto(opened[0])
        page.wait_for_url(base_of(service))
        page.locator("#list").wait_for()
    finally:
        context.close()


def test_another_page_can_neither_decide_nor_look(browser: Browser, service: Service, db: Path, tmp_path: Path) -> None:
    with shown(browser, service) as one, served(made_store(tmp_path / "other.db", 1)) as other:
        page = one.page.context.new_page()
        page.goto(other.address)
        page.wait_for_url(base_of(other))
        tried = page.context.request.post(
            f"{one.own}clip/1/decision",
            data={"verdict": "dismiss", "what": ""},
            headers={"Origin": base_of(other).rstrip("/").rpartition("/")[0], "X-Lipaccord": "review"},
        )
        assert tried.status == 403
        page.set_content(f'<iframe src="{one.own}"></iframe>')
        assert all("Decision" not in frame.content() for frame in page.frames)
    assert verdicts(db) == {}
