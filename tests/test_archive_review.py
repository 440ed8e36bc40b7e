"""The review page without a browser: who is let in, what is answered, what is kept, and what a report is made from."""

from __future__ import annotations

import base64
import dataclasses
import html
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from archives import METHOD, made_store
from clips import tone, write_clip
from lipaccord.archive import deciding
from lipaccord.archive.ranking import Place
from lipaccord.archive.records import Entry, Trouble
from lipaccord.archive.review import fresh, pages, serving, thumbnails
from lipaccord.archive.review.desk import Desk, leading_finding
from lipaccord.archive.review.gate import Pass
from lipaccord.archive.store import open_store
from lipaccord.errors import ArchiveError, BackendMissing, BundleError, UnreadableMedia
from made_archives import HOSTILE, LACKING, OTHER, Made, failed, gist, store_of, unrelated
from made_reviews import PATIENCE_S, STUB, Answer, Asked, let, reviewing

CLIP = Path(__file__).parent.parent / "fixtures" / "synthetic.mp4"
MARKUP = "<img src=x onerror=alert(1)>"
DECIDE = {"verdict": "dismiss", "what": ""}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of 2 s that is red, then green from 1 s on."""
    frames = [np.full((48, 64, 3), (200, 0, 0) if at < 25 else (0, 200, 0), np.uint8) for at in range(50)]
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, frames=frames, sound=tone(2.0, 48_000))
    return path


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return made_store(tmp_path / "archive.db", 120)


@pytest.fixture
def asked(db: Path, tmp_path: Path) -> Iterator[Asked]:
    with reviewing(db, tmp_path / "reports") as one:
        yield one


def decided(db: Path, clip: int) -> list[tuple[str | None, str, str, str]]:
    with open_store(db) as store:
        return [(one.verdict, one.what, one.note, one.user) for one in deciding.history(store, clip)]


def ranked(page: Answer) -> list[int]:
    return [int(number) for number in re.findall(r'data-clip="(\d+)"', page.text)]


# Who is let in


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(asked: Asked) -> None:
    told = asked.send("GET", asked.admission.address.partition(asked.admission.hosts[0])[2])
    assert told.status == 200
    cookie = told.headers["set-cookie"]
    assert cookie.startswith(f"{asked.admission.cookie}={asked.admission.ticket};")
    assert {"httponly", "samesite=strict", f"path={asked.admission.base.lower()}"} <= {
        part.strip().lower() for part in cookie.split(";")
    }
    assert f'content="0; url={asked.admission.base}/"' in told.text
    assert asked.admission.token not in told.text + cookie
    assert "Decision" not in told.text


def test_with_the_cookie_the_list_is_shown(asked: Asked) -> None:
    page = asked.get("/")
    assert page.status == 200
    assert len(ranked(page)) == 50
    assert asked.admission.token not in page.text


@pytest.mark.parametrize("path", ["/", "/count", "/clip/1", "/clip/1/picture", "/clip/1/report", "/clip/1/file", "/x"])
@pytest.mark.parametrize("cookie", ["", "{0}=", "{0}=wrong", "other={1}", "{0}={1}x", "{0}=\u00e9"])
def test_without_the_cookie_nothing_is_served(asked: Asked, path: str, cookie: str) -> None:
    admission = asked.admission
    told = asked.get(path, cookie=cookie.format(admission.cookie, admission.ticket))
    assert (told.status, len(told.body) < 80) == (403, True)
    assert "set-cookie" not in told.headers


@pytest.mark.parametrize("token", ["", "wrong", "{0}x", "%C3%A9"])
def test_a_wrong_token_lets_nobody_in_even_with_the_cookie(asked: Asked, token: str) -> None:
    told = asked.get(f"/?token={token.format(asked.admission.token)}")
    assert told.status == 403
    assert "set-cookie" not in told.headers


def test_the_token_alone_decides_nothing(asked: Asked, db: Path) -> None:
    path = f"/clip/1/decision?token={asked.admission.token}"
    assert asked.post(path, DECIDE).status == 403
    assert decided(db, 1) == []


@pytest.mark.parametrize("base", ["", "/wrong", "/{0}x"])
def test_nothing_lies_outside_the_path_that_was_drawn(asked: Asked, base: str) -> None:
    base = base.format(asked.admission.base[1:])
    assert asked.send("GET", f"{base}/", headers=asked.own).status == 403
    assert asked.send("GET", f"{base}/?token={asked.admission.token}").status == 403


@pytest.mark.parametrize("host", ["", "example.org", "127.0.0.1", "127.0.0.1:8766", "example.org:8765", "[::1]:8765"])
def test_another_host_is_refused(asked: Asked, host: str) -> None:
    told = asked.get("/", host=host)
    assert (told.status, len(told.body) < 80) == (421, True)


def test_localhost_is_another_name_of_this_host(asked: Asked) -> None:
    assert asked.get("/", host="localhost:8765").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": ""},
        {"origin": "null"},
        {"origin": "http://example.org"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://127.0.0.1:8765"},
        {"origin": "http://localhost:8765"},
        {"x_lipaccord": ""},
    ],
)
def test_what_changes_something_must_come_from_the_page(asked: Asked, db: Path, headers: dict[str, str]) -> None:
    given = {"origin": "http://127.0.0.1:8765", "x_lipaccord": "review", "content_type": "application/json"} | headers
    sent = asked.send("POST", f"{asked.admission.base}/clip/1/decision", json.dumps(DECIDE).encode(), asked.own | given)
    assert sent.status == 403
    assert decided(db, 1) == []


def test_a_form_can_not_decide(asked: Asked, db: Path) -> None:
    given = {"origin": "http://127.0.0.1:8765", "x_lipaccord": "review", "content_type": "text/plain"}
    sent = asked.send("POST", f"{asked.admission.base}/clip/1/decision", b'{"note": ""}', asked.own | given)
    assert sent.status == 415
    assert decided(db, 1) == []


@pytest.mark.parametrize("length", ["", "-1", "1e3", "99999", "9" * 40])
def test_a_body_is_of_a_stated_and_small_length(asked: Asked, length: str) -> None:
    assert asked.post("/clip/1/decision", DECIDE, **{"content-length": length}).status in {411, 413}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(asked: Asked, method: str) -> None:
    assert asked.send(method, f"{asked.admission.base}/", headers=asked.own).status == 405


@pytest.mark.parametrize("path", ["/", "/clip/1", "/clip/1/picture", "/clip/999", "/nowhere"])
def test_every_answer_is_closed_to_others(asked: Asked, path: str) -> None:
    for told in (asked.get(path), asked.get(path, cookie="")):
        assert told.headers["cache-control"] == "no-store"
        assert told.headers["referrer-policy"] == "no-referrer"
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["cross-origin-resource-policy"] == "same-origin"
        rules = {rule.split()[0]: rule.split()[1:] for rule in told.headers["content-security-policy"].split(";")}
        assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == ["'none'"]
        sources = {source for name in ("script-src", "style-src") for source in rules.get(name, ())}
        assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", source) for source in sources)
        others = {source for rule in rules.values() for source in rule} - sources
        assert others <= {"'none'", "'self'", "data:"}


def test_two_reviews_have_different_secrets() -> None:
    one, other = Pass(1), Pass(1)
    assert not {one.token, one.ticket, one.base} & {other.token, other.ticket, other.base}
    assert one.token not in repr(one)
    assert len(one.token) >= 43


# The list


def test_pages_follow_one_another_without_gap_or_repetition(asked: Asked) -> None:
    seen: list[int] = []
    ranks: list[int] = []
    path = "/"
    for _ in range(5):
        page = asked.get(path)
        seen += ranked(page)
        ranks += [int(rank) for rank in re.findall(r'class="rank">(\d+)<', page.text)]
        link = re.search(r'id="next" rel="next" href="([^"]+)"', page.text)
        if link is None:
            break
        path = html.unescape(link[1]).removeprefix(asked.admission.base)
    assert len(seen) == len(set(seen)) == 120
    assert ranks == list(range(1, 121))


def test_the_filter_stays_in_the_links(asked: Asked) -> None:
    page = asked.get("/?speaker=&text=clip-&status=examined")
    (link,) = re.findall(r'id="next" rel="next" href="([^"]+)"', page.text)
    assert "text=clip-&amp;" in link + "&amp;"
    assert "status=examined" in link
    assert "speaker" not in link


@pytest.mark.parametrize(
    ("query", "count"),
    [("text=clip-11", 11), ("speaker=Ada", 30), ("speaker=nobody", 0), ("status=failed", 6), ("since=2024", 4)],
)
def test_what_is_asked_for_is_shown_and_counted(asked: Asked, query: str, count: int) -> None:
    assert len(ranked(asked.get(f"/?{query}"))) == count
    assert asked.get(f"/count?{query}").json == {"total": str(count)}


@pytest.mark.parametrize(
    "query",
    [
        "verdict=perhaps",
        "status=x",
        "least_triage=nan",
        "after=x",
        "after=1~examined~1%00",
        "after=1~x~1",
        "after=nan~examined~1",
        "first=0",
        "first=x",
        "method=ffff",
        "text=%ff%00&status=%ff",
    ],
)
def test_bad_input_is_refused_in_one_line(asked: Asked, query: str) -> None:
    told = asked.get(f"/?{query}")
    assert told.status == 400
    assert told.text.count("\n") == 1
    assert "Traceback" not in told.text


def test_places_survive_the_address() -> None:
    for row in ({"triage": -1.25e-7, "status": "examined", "id": 7}, {"triage": None, "status": "failed", "id": 9}):
        place = Place.of(row)
        assert pages.read_place(pages.place_text(place)) == place


def test_a_row_says_in_words_what_stands_out(tmp_path: Path) -> None:
    painted = gist(
        2.0, resynthesis_status="resynthesised", resynthesis_log10_lr=0.66, sync_log10_lr=-1.3, cues=("flicker",)
    )
    db = store_of(
        tmp_path / "archive.db",
        Made([painted]),
        Made([unrelated(1.0)]),
        Made([LACKING]),
        failed(),
        Made([gist(0.5, sync_status="offset", offset_ms=240.4)]),
    )
    with reviewing(db, tmp_path / "reports") as asked:
        text = asked.get("/").text
    rows = dict(re.findall(r'<tr role="row" id="clip-(\d+)"(.*?)</tr>', text, re.DOTALL))
    assert "mouth re-synthesised" in rows["1"]
    assert "texture from frame to frame" in rows["1"]
    assert 'data-confirms="mouth"' in rows["1"]
    assert 'data-confirms="sound"' in rows["2"]
    assert "unrelated" in rows["2"]
    assert "Reasons: no face" in rows["3"]
    assert "UnreadableMedia: it is no media" in rows["4"]
    assert 'data-confirms="both"' in rows["4"]
    assert "offset, +240 ms" in rows["5"]


def test_the_leading_finding_has_the_larger_ratio() -> None:
    assert leading_finding({"sync_log10_lr": 0.2, "resynthesis_log10_lr": 0.1}) == "sync"
    assert leading_finding({"sync_log10_lr": None, "resynthesis_log10_lr": -2.0}) == "resynthesis"
    assert leading_finding({"sync_log10_lr": None, "resynthesis_log10_lr": None}) is None


def test_hostile_texts_stay_text(tmp_path: Path) -> None:
    made = [
        Made([gist(2.0)], uri=f"/made/{MARKUP}\"'.mp4", carried={"speaker": MARKUP, "date": MARKUP, MARKUP: MARKUP}),
        Made([gist(1.0)], uri=HOSTILE),
        Made(trouble=Trouble("Odd", MARKUP)),
    ]
    db = store_of(tmp_path / "archive.db", *made)
    with open_store(db) as store:
        deciding.annotate(store, 1, f"</textarea></script>{MARKUP}", MARKUP)
    with reviewing(db, tmp_path / "reports") as asked:
        for path in ("/", f"/?text={MARKUP.replace(' ', '+')}", "/clip/1", "/clip/2", "/clip/3"):
            told = asked.get(path)
            assert told.status == 200
            assert "<img" not in told.text
            assert not re.search(r"[\x1b\u202e]", told.text)
            assert "&lt;img src=x onerror=alert(1)&gt;" in told.text or path == "/clip/2"


def test_what_signs_a_url_is_not_shown(tmp_path: Path) -> None:
    db = store_of(tmp_path / "archive.db", Made([gist(2.0)], uri="https://example.org/a.mp4?sig=SECRET"))
    with reviewing(db, tmp_path / "reports") as asked:
        for path in ("/", "/clip/1", "/clip/1/picture", "/clip/1/file"):
            assert "SECRET" not in asked.get(path).text
        assert asked.get("/clip/1/picture").json == {"trouble": "the clip lies on a server"}


def test_an_empty_archive_says_what_to_do(tmp_path: Path) -> None:
    with open_store(tmp_path / "archive.db", create=True):
        pass
    with reviewing(tmp_path / "archive.db", tmp_path / "reports") as asked:
        told = asked.get("/")
    assert told.status == 400
    assert "run `lipaccord archive score` first" in told.text


def test_a_store_that_is_gone_is_told(asked: Asked, db: Path) -> None:
    db.unlink()
    told = asked.post("/clip/1/decision", DECIDE)
    assert told.status == 400
    assert "there is no store" in told.text


def test_a_method_can_be_chosen(tmp_path: Path) -> None:
    db = store_of(tmp_path / "archive.db", Made([gist(2.0)]))
    store_of(db, Made([gist(1.0)]), method=OTHER)
    with reviewing(db, tmp_path / "reports") as asked:
        assert ">1.00<" in asked.get("/").text
        page = asked.get(f"/?method={METHOD.digest}").text
        assert ">2.00<" in page
        assert f"/clip/1/report?method={METHOD.digest}" in page
        assert "Triage 2.00" in asked.get(f"/clip/1?method={METHOD.digest}").text


# Decisions


def test_a_decision_is_kept_at_once(asked: Asked, db: Path) -> None:
    told = asked.post("/clip/1/decision", {"verdict": "confirm", "what": "both"})
    assert told.json["text"] == "Confirmed: sound and mouth"
    assert told.json["by"].startswith("ada, 20")
    assert decided(db, 1) == [("confirm", "both", "", "ada")]
    assert asked.review.tally.decided == 1


def test_a_note_is_kept(asked: Asked, db: Path) -> None:
    asked.post("/clip/1/decision", DECIDE)
    assert asked.post("/clip/1/decision", {"note": "later"}).json["note"] == "later"
    assert decided(db, 1)[-1] == ("dismiss", "", "later", "ada")


def test_a_decision_is_taken_back(asked: Asked, db: Path) -> None:
    asked.post("/clip/1/decision", DECIDE)
    told = asked.post("/clip/1/undo", {}).json
    assert (told["verdict"], told["text"], told["any"]) == (None, "Undecided", False)
    assert asked.post("/clip/1/undo", {}).status == 400
    assert asked.review.tally.taken_back == 1


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"[" * 9000, 400),
        (b"\xff", 400),
        ({}, 400),
        ({"verdict": "dismiss"}, 400),
        ({"verdict": None, "what": ""}, 400),
        ({"verdict": "dismiss", "what": 1}, 400),
        ({"verdict": "confirm", "what": ""}, 400),
        ({"verdict": "dismiss", "what": "", "user": "grace"}, 400),
        ({"note": 1}, 400),
        ({"note": "\ud800"}, 400),
        ({"note": "x" * 2001}, 400),
        ({"note": "x" * 20_000}, 413),
    ],
)
def test_what_is_no_decision_is_refused_in_one_line(asked: Asked, db: Path, values: object, status: int) -> None:
    told = asked.post("/clip/1/decision", values)
    assert told.status == status
    assert told.text.count("\n") == 1
    assert decided(db, 1) == []
    assert asked.review.tally.decided == 0


@pytest.mark.parametrize("clip", ["0", "999", "9" * 18, "9" * 30])
def test_there_must_be_such_a_clip(asked: Asked, clip: str) -> None:
    for path in ("", "/picture", "/report", "/report/state", "/report/page", "/file"):
        assert asked.get(f"/clip/{clip}{path}").status in {400, 404}
    assert asked.post(f"/clip/{clip}/decision", DECIDE).status in {400, 404}


@pytest.mark.parametrize("clip", ["-1", "1.5", "x", "../1", "%2e%2e"])
def test_a_clip_is_named_by_its_number(asked: Asked, clip: str) -> None:
    assert asked.get(f"/clip/{clip}/file").status == 404


def test_a_get_changes_nothing(asked: Asked, db: Path) -> None:
    for path in ("/clip/1/decision", "/clip/1/undo"):
        assert asked.get(path).status == 405
    assert decided(db, 1) == []


# A clip


def test_a_clip_without_its_file_shows_what_was_kept(tmp_path: Path) -> None:
    reasons = {"sync": {"reasons": [{"code": "agreement", "text": "the mouth follows <the> speech", "remedy": ""}]}}
    segment = {"start_s": 3.0, "end_s": 4.5, "summary": "a still mouth"}
    analysis = {"findings": reasons, "segments": [segment, {"start_s": "x"}]}
    db = store_of(tmp_path / "archive.db", Made([gist(1.0), unrelated(2.0), LACKING], analysis=analysis))
    with open_store(db) as store:
        deciding.decide(store, 1, "unsure", "", "ask <somebody>", "grace")
        deciding.decide(store, 1, "dismiss", "", "", "ada")
        deciding.take_back(store, 1)
    with reviewing(db, tmp_path / "reports") as asked:
        text = asked.get("/clip/1").text
        moved = asked.get("/clip/1/report")
    assert (moved.status, moved.headers["location"]) == (303, f"{asked.admission.base}/clip/1")
    assert "The file is gone" in text
    assert "the mouth follows &lt;the&gt; speech" in text
    assert "3.00 to 4.50 s: a still mouth" in text
    assert "2 (leads)" in text
    assert "40.00 to 50.00 s" in text
    assert "reasons: no face" in text
    assert "ask &lt;somebody&gt;" in text
    assert text.count("taken back 20") == 1


def test_a_clip_that_failed_says_why(tmp_path: Path) -> None:
    with reviewing(store_of(tmp_path / "archive.db", failed()), tmp_path / "reports") as asked:
        text = asked.get("/clip/1").text
    assert "UnreadableMedia: it is no media; leave it out" in text


def test_a_damaged_analysis_is_told(tmp_path: Path) -> None:
    db = store_of(tmp_path / "archive.db", Made([gist(1.0)], analysis={"a": 1}))
    with open_store(db) as store, store.change() as connection:
        connection.execute("UPDATE turn SET analysis = x'00'")
    with reviewing(db, tmp_path / "reports") as asked:
        told = asked.get("/clip/1")
    assert told.status == 400
    assert "damaged" in told.text


def stored(path: Path, clip: Path, **changes: Any) -> Path:
    return store_of(path, Made([gist(1.0)], uri=str(clip), **changes))


def test_the_clip_is_served_whole_and_in_parts(tmp_path: Path, clip: Path) -> None:
    data = clip.read_bytes()
    with reviewing(stored(tmp_path / "archive.db", clip), tmp_path / "reports") as asked:
        whole, part = asked.get("/clip/1/file"), asked.get("/clip/1/file", range="bytes=10-19")
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, data, "video/mp4")
    assert (part.status, part.body) == (206, data[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert part.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_only_what_the_store_names_is_served(tmp_path: Path, clip: Path) -> None:
    secret = tmp_path / "secret.html"
    secret.write_text("<script>secret</script>", encoding="ascii")
    db = store_of(tmp_path / "archive.db", Made([gist(1.0)], uri=str(clip)), Made([gist(1.0)], uri=str(secret)))
    with reviewing(db, tmp_path / "reports") as asked:
        for path in ("/clip/1/file/../../../secret.html", f"/clip/1/file?path={secret}", f"/{secret}"):
            assert b"secret<" not in asked.get(path).body
        assert asked.get("/clip/2/file").headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing"])
def test_only_regular_files_are_served(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "clip.mp4"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    with reviewing(stored(tmp_path / "archive.db", place), tmp_path / "reports") as asked:
        assert asked.get("/clip/1/file").status == 404
        assert asked.get("/clip/1/picture").json["trouble"].startswith("the file is gone")
        assert asked.get("/clip/1/report").status == 303


# Pictures


def colour(told: Answer) -> tuple[int, int, int]:
    data = base64.b64decode(told.json["picture"].removeprefix("data:image/jpeg;base64,"))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (192, 256, 3)
    blue, green, red = (int(value) for value in image.mean((0, 1)))
    return red, green, blue


def test_a_picture_is_decoded_where_the_finding_points_and_kept(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cues = {"resynthesis": {"cues": {"flicker": {"frames_s": [1.5]}}}, "sync": {"cues": {"sync": {"frames_s": [0.5]}}}}
    analysis = {"findings": cues, "faces": [{"speaking": True, "start_s": 0.0, "end_s": 1.0}]}
    leads = gist(1.0, resynthesis_log10_lr=0.5)
    db = store_of(tmp_path / "archive.db", Made([leads], uri=str(clip), analysis=analysis))
    with reviewing(db, tmp_path / "reports") as asked:
        red, green, blue = colour(asked.get("/clip/1/picture"))
        assert green > 150 > max(red, blue)
        monkeypatch.setattr(asked.review.thumbnails, "_made", None)
        assert "picture" in asked.get("/clip/1/picture").json


def test_a_picture_is_sought_at_its_time(clip: Path) -> None:
    for time_s, channel in ((0.2, 2), (1.6, 1), (99.0, 1)):
        _, (data,) = thumbnails.picture({"path": str(clip), "time_s": time_s})
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert int(image.mean((0, 1)).argmax()) == channel


def test_a_file_without_a_picture_has_a_placeholder(tmp_path: Path) -> None:
    place = tmp_path / "clip.mp4"
    place.write_bytes(b"no video")
    with reviewing(stored(tmp_path / "archive.db", place), tmp_path / "reports") as asked:
        assert asked.get("/clip/1/picture").json == {"trouble": "no picture"}


def test_the_pictures_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "MOST_KEPT", 2)
    kept = thumbnails.Thumbnails()
    monkeypatch.setattr(kept, "_bench", Instead(b"jpeg"))
    sights = [thumbnails.Sight("clip.mp4", "mark", float(time_s)) for time_s in range(3)]
    for sight in (sights[0], sights[1], sights[0], sights[2]):
        assert kept.get(sight) == (b"jpeg", "")
    assert list(kept._kept) == [sights[0], sights[2]]


class Instead:
    """A bench that answers at once."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob

    def ask(self, errand: Any) -> Any:
        from concurrent.futures import Future

        from lipaccord.archive.records import Reply

        future: Future[Reply] = Future()
        future.set_result(Reply({}, (self.blob,)))
        return future


# Reports


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "MAKE", STUB)


def until(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Look until what is seen is wanted."""
    end = time.monotonic() + PATIENCE_S
    while not wanted(seen := look()):
        assert time.monotonic() < end, f"waited in vain; the last was {seen}"
        time.sleep(0.005)
    return seen


def placed(tmp_path: Path, clip: Path) -> Path:
    """Put a clip where a test may put more."""
    place = tmp_path / "clips"
    place.mkdir()
    shutil.copy(clip, place / "clip.mp4")
    return place / "clip.mp4"


@pytest.mark.usefixtures("stub")
def test_a_report_is_made_once_and_shown_with_the_comparison(tmp_path: Path, clip: Path) -> None:
    own = placed(tmp_path, clip)
    with reviewing(stored(tmp_path / "archive.db", own), tmp_path / "reports") as asked:
        assert asked.get("/clip/1/report/state").status == 404
        assert 'data-state="' in asked.get("/clip/1/report").text
        running = until(lambda: asked.get("/clip/1/report/state").json, lambda told: told["progress"] > 0)
        assert running == {"state": "running", "progress": 0.25, "trouble": ""}
        assert asked.get("/clip/1/report/page").status == 404
        let(own, "same")
        until(lambda: asked.get("/clip/1/report/state").json["state"], "done".__eq__)
        around, report = asked.get("/clip/1/report"), asked.get("/clip/1/report/page")
        assert len(list((tmp_path / "reports").iterdir())) == 1
    assert "the values equal those in the archive" in around.text
    assert f'src="{asked.admission.base}/clip/1/report/page"' in around.text
    assert report.text.startswith("<!DOCTYPE html>")
    assert 'src="../file"' in report.text
    assert report.headers["content-security-policy"].endswith("; frame-ancestors 'self'")
    own_policy = report.headers["content-security-policy"].removesuffix("; frame-ancestors 'self'")
    assert f'content="{own_policy}"' in html.unescape(report.text)


@pytest.mark.usefixtures("stub")
def test_values_that_differ_are_told(tmp_path: Path, clip: Path) -> None:
    own = placed(tmp_path, clip)
    let(own, "other")
    with reviewing(stored(tmp_path / "archive.db", own), tmp_path / "reports") as asked:
        text = until(lambda: asked.get("/clip/1/report").text, lambda text: 'data-state="done"' in text)
    assert "the values are not those in the archive" in text
    assert "triage: was 1, is &lt;b&gt;2&lt;/b&gt;" in text


@pytest.mark.usefixtures("stub")
def test_a_report_that_fails_says_why(tmp_path: Path, clip: Path) -> None:
    own = placed(tmp_path, clip)
    let(own, "broken")
    with reviewing(stored(tmp_path / "archive.db", own), tmp_path / "reports") as asked:
        asked.get("/clip/1/report")
        told = until(lambda: asked.get("/clip/1/report/state").json, lambda told: told["state"] == "failed")
    assert told["trouble"] == "UnreadableMedia: it is <b>broken</b>; copy it again"


def test_a_report_is_made_by_the_method_in_the_store(tmp_path: Path, clip: Path) -> None:
    db = store_of(tmp_path / "archive.db", Made([gist(1.0), gist(3.0)], uri=str(clip), analysis={"a": 1}))
    wish = Desk(db, "ada", tmp_path).wish(1)
    assert wish == fresh.Wish(
        str(clip),
        f"{1:064x}",
        {"landmarks": "replay", "start_s": 40.0, "end_s": 50.0},
        str(tmp_path),
        "0" * 64,
        {"a": 1},
    )


def wish_for(path: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    from lipaccord._container import hash_file
    from lipaccord.bundle import load_bundle
    from lipaccord.settings import Settings

    settings = dataclasses.asdict(Settings())
    wish = fresh.Wish(str(path), hash_file(str(path)).sha256, settings, None, load_bundle().sha256, {})
    return dataclasses.asdict(wish) | {"folder": str(folder)} | changes


def test_another_bundle_is_told(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"scored with another bundle .* name its folder with --bundle"):
        fresh.make(wish_for(clip, tmp_path, bundle_sha256="0" * 64))


def test_another_file_is_told(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match="is not the file that was scored"):
        fresh.make(wish_for(clip, tmp_path, sha256="0" * 64))
    assert not (tmp_path / fresh.PAGE).exists()


def test_the_examination_is_repeated_and_compared(clip: Path, tmp_path: Path) -> None:
    from lipaccord.pipeline import analyze

    was = json.loads(json.dumps(analyze(clip).to_dict()))
    was = {name: value for name, value in was.items() if name != "timeline"} | {"versions": {}}
    was["clip"]["path"] = "elsewhere.mp4"
    told, blobs = fresh.make(wish_for(clip, tmp_path, analysis=was))
    assert (told, blobs) == ({"same": True, "differences": []}, ())
    assert (tmp_path / fresh.PAGE).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert float((tmp_path / fresh.PROGRESS).read_text(encoding="ascii")) > 0.9


def test_every_value_is_compared() -> None:
    was = {"clip": {"path": "a", "sha256": "x"}, "triage": 1.0, "digest": {"all": "1"}, "versions": {"av": "1"}}
    now = {"clip": {"path": "b", "sha256": "x"}, "triage": 1.5, "digest": {"all": "2"}, "versions": {}, "timeline": {}}
    assert fresh._compared(was, now) == {"same": False, "differences": ["triage: was 1.0, is 1.5"]}
    assert fresh._compared(was, now | {"triage": 1.0})["same"] is True
    assert fresh._compared({}, now)["same"] is None


@pytest.mark.usefixtures("stub")
def test_the_reports_that_are_kept_are_bounded(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "MOST_KEPT", 2)
    own = placed(tmp_path, clip)
    let(own, "same")
    db = store_of(
        tmp_path / "archive.db", *[Made([gist(1.0)], uri=f"{own.parent}/./{'./' * at}clip.mp4") for at in range(4)]
    )
    with reviewing(db, tmp_path / "reports") as asked:
        for number in range(1, 5):
            until(lambda: asked.get(f"/clip/{number}/report").text, lambda text: 'data-state="done"' in text)  # noqa: B023
        assert len(list((tmp_path / "reports").iterdir())) == 2
        assert asked.get("/clip/1/report/state").status == 404


# Serving


def fetched(host: str, path: str, cookie: str = "") -> tuple[int, dict[str, str]]:
    """Ask a server, and hang up."""
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        return answer.status, dict(answer.getheaders())
    finally:
        connection.close()


def test_it_is_served_on_this_machine_until_it_is_interrupted(db: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lipaccord.archive.review.serving import serve; "
        "serve(Path(sys.argv[1]), port=0, user='ada', bundle=None, open_browser=False, "
        "announce=lambda text: print(text, flush=True))"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(db)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://(127\.0\.0\.1:\d+)(/\S+)\?token=\S+", line)
            assert found is not None, line
            path = line[line.index(found[2]) :].strip()
            told, headers = fetched(found[1], path)
            cookie = headers.get("set-cookie", "").partition(";")[0]
            assert told == 200
            assert fetched(found[1], found[2], cookie)[0] == 200
            assert fetched(found[1], found[2])[0] == 403
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert out.splitlines()[-1] == "0 decisions or notes kept."
    assert err == ""
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("lipaccord-")] == []


def test_a_port_that_is_taken_is_told(db: Path) -> None:
    with serving.prepared(db, user="ada") as service:
        port = int(re.findall(r":(\d+)/", service.address)[0])
        with (
            pytest.raises(ArchiveError, match=f"port {port} .* name another one with --port"),
            serving.prepared(db, port=port, user="ada"),
        ):
            pass


def test_a_store_that_is_none_is_told_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no store"), serving.prepared(tmp_path / "no.db", user="ada"):
        pass


def test_what_is_not_installed_is_told(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(BackendMissing, match=r"pip install 'lipaccord\[review\]'"), serving.prepared(db, user="ada"):
        pass


def test_the_browser_is_given_no_secret_as_an_argument(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    with serving.prepared(db, user="ada") as service:
        serving._show(service)
        page = Path(shown[0].removeprefix("file://"))
        assert shown[0].startswith("file://")
        assert "token" not in shown[0]
        assert service.address in page.read_text(encoding="utf-8")
        assert page.parent.stat().st_mode & 0o077 == 0
    assert not page.exists()


def test_a_run_may_go_on_meanwhile(asked: Asked, db: Path) -> None:
    with open_store(db) as run:
        number = run.begin(1, ["more"])
        run.add(number, 1, [Entry("/more/1.mp4", mark="m")])
        assert asked.post("/clip/1/decision", DECIDE).status == 200
        run.add(number, 1, [Entry("/more/2.mp4", mark="m")])
        assert asked.get("/count").json == {"total": "120"}
