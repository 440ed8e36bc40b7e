from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipaccord.records import Interval, Reason, Series
from lipaccord.report import source
from lipaccord.report.seal import embedded, unseal
from lipaccord.report.source_told import how_often
from lipaccord.source.exhibit import Exhibit
from lipaccord.source.finding import Pictures, Searched
from lipaccord.source.framed import Framed, jpeg
from lipaccord.source.laying import Picture
from lipaccord.source.wording import edits_in_words
from made_indexes import beside
from made_report import HOSTILE, made_hostile
from made_sources import CLIP, OTHER, answer, candidate, result, written

TIMES_S = np.arange(50) / 25
GREY = np.full((416, 320, 3), 90, np.uint8)


def exhibit(status: Any = "mouth_altered", **changes: Any) -> Exhibit:
    """Return an exhibit with curves and one picture, as of a clip whose mouth is another from 1 s on."""
    lower = np.where(TIMES_S >= 1, 0.5, 0.02).astype(np.float32)
    series = tuple(
        Series(f"source.{name}", "log10", TIMES_S, values)
        for name, values in (("lower", lower), ("lower_near", lower), ("upper", 0 * lower))
    )
    made = beside("mouth_altered")
    facts = {"frames_paired": 50, "frames_registered": 50, "correlation": 0.99, "eyes_px": 80.0, "source_eyes_px": 90.0}
    made = dataclasses.replace(
        made,
        status=status,
        series=series,
        registration=facts | {"frames_drawn_over": 3},
        pictures=(Picture(1.2, 31.2, 0.5, GREY, GREY, GREY),),
        segments=(Interval(1.0, 1.96),),
    )
    return dataclasses.replace(made, **changes)


def moments(count: int = 50) -> tuple[Framed, ...]:
    picture = jpeg(GREY)
    return tuple(Framed(float(time_s), float(time_s) + 30, picture, picture, picture) for time_s in TIMES_S[:count])


class Tags(HTMLParser):
    """Collects elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


class Texts(HTMLParser):
    """Collects what is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text_of(page: str) -> str:
    return " ".join(" ".join(Texts(page).texts).split())


def data_of(page: str) -> Any:
    return json.loads(re.findall(r'id="lipaccord-data">(.*?)</script>', page, re.DOTALL)[0])


ALTERED = answer("mouth_altered", exhibit())


def test_an_altered_mouth_is_told_before_anything_else() -> None:
    text = text_of(written(ALTERED, moments()))
    assert text.index("Found: the recording is in the index, and the mouth was altered.") < text.index("Why")
    for said in (
        "in the index? Yes: speech.mp4, 30.00 to 42.10 s of it.",
        "Is the mouth that of the recording? No. With what an encode explains taken off, the lower face differs 3.2 "
        "times as much as the upper one; 195 unaltered copies of other recordings stayed below 1.6 times.",
        "Is the sound that of the recording? Yes: the sound is the same (95% of its bits agree).",
        "0.80-1.80 s: at 1.100 times the speed of the source.",
        "0.80-0.80 s: a cut; goes on at 41.00 s of the source (+255 frames).",
        "chance gives as good a match about once in 10,000,000 searches (1e-07 expected in each)",
        "0.01: so often unaltered copies as long as this give as much, or more",
        "50 of 50",
        "1.00 to 1.96 s",
        "12 recordings with 14 followed faces, 3.5 hours in all.",
        "not searched: 2 failed; 1 without a face.",
        "/archive/lost.mp4 : gone since it was signed",
        "Not the evidence, which is in the two files.",
        "Every frame of the clip that was laid over the recording can be shown: 50.",
        "1.200 s of the clip, 31.200 s of the recording",
        "c" * 64,
        "a" * 64,
        "lipaccord match /clips/talk.mp4 --index 'an index' --end 2.5 --report report.html",
        "mediapipe 1",
    ):
        assert said in text, said


def test_others_are_listed_as_no_matches() -> None:
    text = text_of(written(ALTERED))
    assert f"{OTHER} no match" in text
    assert "about 40 times in every search" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("same_recording", "As far as can be seen, yes: the lower face differs no more than an encode explains"),
        ("sound_replaced", "As far as can be seen, yes"),
        ("different_recording", "No. speech.mp4 came nearest, but laid over each other the two do not show the same"),
        ("not_examinable", "Is the mouth that of the recording? Not compared. The lower face differs."),
    ],
)
def test_what_the_exhibit_says_is_told(status: str, said: str) -> None:
    measured = {} if status in {"same_recording", "sound_replaced"} else {"statistic": None, "p": None}
    page = written(answer(status, exhibit(status, **measured)), moments())
    assert said in text_of(page)
    assert ("Is the mouth that" in text_of(page)) == (status != "different_recording")
    assert ('class="scale"' in page) == (not measured)


def test_a_face_that_is_another_altogether_is_told() -> None:
    made = exhibit(statistic=0.1, face_altered=True)
    assert "The whole face differs; what lies round it does not." in text_of(written(answer("mouth_altered", made)))


def test_another_sound_is_told() -> None:
    found = answer("sound_replaced", exhibit("sound_replaced"), same_sound=False)
    assert "Is the sound that of the recording? No: the sound is another (52% of its bits agree)." in text_of(
        written(found)
    )
    unheard = answer("same_recording", exhibit("same_recording"), same_sound=None)
    assert "recording? Too little is heard in both to compare the sound." in text_of(written(unheard))


def test_without_the_file_the_match_stands_and_the_mouth_is_not_compared() -> None:
    page = written(answer("gone", state="gone"))
    text = text_of(page)
    assert "Found: the recording is in the index; the mouth was not compared." in text
    assert "Not compared. The recording is not there." in text
    assert "What would help Put the file back." in text
    assert "Recording, gone since it was signed /archive/speech.mp4" in text
    assert 'id="see"' not in page
    assert "<img" not in page


@pytest.mark.parametrize(
    ("status", "headline", "said"),
    [
        ("not_found", "Not found.", "That does not mean that there is none"),
        ("not_examinable", "Not examinable.", "It could not be searched for."),
    ],
)
def test_without_a_match_the_page_says_so_and_what_was_searched(status: str, headline: str, said: str) -> None:
    page = written(answer(status))
    text = text_of(page)
    for one in (headline, said, "No such head is known.", "Use a longer part.", f"{OTHER} no match", "2 failed"):
        assert one in text
    assert 'id="see"' not in page
    assert 'href="#see"' not in page
    assert "Is the mouth that" not in text
    assert data_of(page) == {"frames": "", "end": 0}


def test_one_that_comes_near_is_pointed_out() -> None:
    found = answer("not_found")
    finding = dataclasses.replace(found.finding, reasons=(Reason("not_sure", "It may be.", "look at both"),))
    text = text_of(written(dataclasses.replace(found, finding=finding)))
    for one in ("Not found.", "One recording comes near: compare the two by eye.", "It may be.", "Look at both."):
        assert one in text
    assert "does not mean that there is none" not in text


def test_sources_that_are_many_or_were_not_looked_at_are_told_in_short() -> None:
    lost = tuple((f"/archive/{number}.mp4", "changed") for number in range(30))
    found = answer("not_found")
    for searched, said in (
        (Searched(1, 1, 0.05, {}, lost), "and 10 more"),
        (Searched(1, 1, 0.05, looked_after=False), "It was not looked whether the sources are still"),
    ):
        finding = dataclasses.replace(found.finding, searched=searched)
        text = text_of(written(dataclasses.replace(found, finding=finding)))
        assert said in text
        assert "/archive/25.mp4" not in text
        assert "3.0 minutes in all" in text


def test_what_the_match_rests_on_is_told() -> None:
    best, *others = ALTERED.finding.candidates
    seen = dataclasses.replace(best, pictures=Pictures(40, 0.987, 0.4, 0.9, 20.0, -12.0), expected_false=3e-12)
    finding = dataclasses.replace(ALTERED.finding, candidates=(seen, *others))
    text = text_of(written(dataclasses.replace(ALTERED, finding=finding)))
    assert "Movement of the head strength 90" in text
    assert "in 90% of 40 frames no other moment of the recording is more alike; correlation 0.987" in text
    assert "less than once in 1,000,000,000 searches (3e-12 expected in each)" in text
    assert "moment by moment" not in text_of(written(ALTERED, ()))


def test_moments_that_were_left_out_are_told() -> None:
    assert "20 of the 50 frames that were laid over each other are shown" in text_of(written(ALTERED, moments(20)))


def test_the_policy_allows_exactly_the_script_and_the_style_that_are_there() -> None:
    for page in (written(ALTERED, moments(3)), written(answer("not_found"))):
        scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
        assert (len(scripts), len(styles)) == (1, 1)
        (policy,) = (attributes["content"] for tag, attributes in Tags(page).found if "http-equiv" in attributes)
        assert policy is not None
        for directive, content in (("script-src", scripts[0]), ("style-src", styles[0])):
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"{directive} 'sha256-{digest}';" in policy
        assert policy.startswith("default-src 'none';")
        for tag, attributes in Tags(page).found:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
            assert re.match(r"#|data:image/jpeg;base64,|$", attributes.get("src") or attributes.get("href") or "")


def test_hostile_names_and_texts_make_nothing() -> None:
    (best, other), searched = ALTERED.finding.candidates, ALTERED.finding.searched
    finding = dataclasses.replace(
        ALTERED.finding,
        reasons=made_hostile(ALTERED.finding.reasons),
        candidates=tuple(
            dataclasses.replace(one, places=((one.places[0][0] + HOSTILE, "there"),)) for one in (best, other)
        ),
        searched=dataclasses.replace(searched, astray=((f"/archive/lost.mp4{HOSTILE}", "gone"),)),
    )
    hostile = dataclasses.replace(ALTERED, finding=finding)
    pages = [
        written(ALTERED, moments(2)),
        written(hostile, moments(2), clip=f"{CLIP}{HOSTILE}", index=Path(f"index{HOSTILE}")),
    ]
    tags = [[tag for tag, _ in Tags(page).found] for page in pages]
    assert tags[0] == tags[1]
    assert "\u202e" not in pages[1]
    assert "<img src=x" not in pages[1]
    assert text_of(pages[1]).count("onerror=alert(1)") > 8
    assert embedded(pages[1].encode())["clip"]["path"] == f"{CLIP}{HOSTILE}"


def test_names_that_are_no_text_are_shown() -> None:
    page = written(ALTERED, clip="/clips/\udcff.mp4")
    assert "\\xff.mp4" in text_of(page)
    assert page.encode()


def test_the_page_is_sealed_holds_the_result_and_is_the_same_twice() -> None:
    page = written(ALTERED, moments(3))
    assert page == written(ALTERED, moments(3))
    assert unseal(page.encode()).trouble == ""
    assert embedded(page.encode()) == json.loads(json.dumps(result(ALTERED)))


def test_long_time_courses_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).normal(size=20_000).astype(np.float32)
    times_s = np.arange(20_000) / 25
    series = tuple(Series(f"source.{name}", "log10", times_s, noise) for name in ("lower", "lower_near", "upper"))
    monkeypatch.setattr(source, "TWIN_BYTES", 100_000)
    held = embedded(written(answer("mouth_altered", exhibit(series=series))).encode())
    assert held["findings"]["source"]["exhibit"]["series"] == {}
    assert held["findings"]["source"]["exhibit"]["statistic"] == 0.5


def test_secrets_in_urls_stay_out_of_the_page() -> None:
    found = answer("mouth_altered", exhibit(), uri="https://host/speech.mp4?signature=SECRET", state="not_looked_at")
    page = written(found, moments(2))
    assert "SECRET" not in page
    assert "https://host/speech.mp4" in text_of(page)


def test_what_the_scripts_draw_is_there() -> None:
    page = written(ALTERED, moments())
    data = data_of(page)
    assert data["marked"] == [[1.0, 1.96]]
    assert (len(data["pictures"]), len(data["pictures"][0])) == (50, 3)
    assert data["strips"][0]["levels"] == [0.2]
    assert np.frombuffer(base64.b64decode(data["sources"]), "<f8").tolist() == [one.source_s for one in moments()]
    assert len(base64.b64decode(data["heat"]["colours"])) == 256 * 3


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (1e-14, "less than once in 1,000,000,000 searches"),
        (3e-4, "about once in 3,000 searches"),
        (0.5, "about 0.5 times in every search"),
        (21_000.0, "about 20,000 times in every search"),
    ],
)
def test_how_often_chance_gives_as_much(expected: float, said: str) -> None:
    assert how_often(expected) == said


def test_another_speed_is_told_as_the_clip_has_it() -> None:
    # 1.1 s of the source pass in each second of the clip: the clip runs faster
    assert list(edits_in_words(candidate().alignment))[1] == "0.80-1.80 s: at 1.100 times the speed of the source"
