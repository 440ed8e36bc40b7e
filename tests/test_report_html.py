from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from analyses import NOT_EXAMINABLE, RESYNTHESIS, SEGMENT, UNRELATED, analysis
from lipaccord.cutouts import Cutout
from lipaccord.records import Examination, Finding, Sound
from lipaccord.report.html import Pictures, Player, page
from lipaccord.report.json import analysis_to_dict
from lipaccord.report.seal import embedded, unseal
from lipaccord.sheets import Moment, Sheet
from made_report import HOSTILE, long_examination, made_hostile

LINKED = Player("clip%20one.mp4", copy=False, offset_s=0.0)
PNG = Cutout(b"\x89PNG-of-a-mouth", 10, 20, 96, 64)
LIPS = np.stack([np.arange(20.0), np.arange(20.0) % 7], axis=1).astype(np.float32)
MOMENT = Moment(1.25, PNG, 1.25, PNG, None, None, LIPS, LIPS + 1, "")
VOID = {"meta", "link", "img", "input", "br"}


def bare(*findings: Finding) -> Examination:
    """Return an examination without a face."""
    made = analysis(*findings, versions={"lipaccord": "0.0.1"})
    return Examination(made, np.arange(250) / 25, Sound(np.zeros(160_000, np.float32), 16_000, 0.0), (), None, None)


class Elements(HTMLParser):
    """Collects elements with their attributes, and what stands inside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def text_of(page_text: str) -> str:
    without = re.sub(r"<(script|style)\b.*?</\1>", "", page_text, flags=re.DOTALL)
    return " ".join(" ".join(Elements(without).texts).split())


def test_the_policy_allows_exactly_the_script_and_the_style_that_are_there() -> None:
    text = page(bare(), (), LINKED)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert (len(scripts), len(styles)) == (1, 1)
    policy = Elements(text).named("meta")[1]["content"]
    assert policy is not None
    for directive, content in (("script-src", scripts[0]), ("style-src", styles[0])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "unsafe" not in policy


def test_nothing_in_the_page_has_an_inline_handler_or_style_or_leads_elsewhere() -> None:
    elements = Elements(page(bare(UNRELATED, RESYNTHESIS), (), LINKED))
    for tag, attributes in elements.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href"):
            assert not re.match(r"[a-z]+:|//", attributes.get(name) or ""), (tag, attributes)
    assert elements.named("link") == []


def test_the_page_holds_the_analysis_and_is_sealed() -> None:
    examination = bare(UNRELATED)
    data = page(examination, (), LINKED).encode()
    assert unseal(data).trouble == ""
    assert embedded(data) == analysis_to_dict(examination.analysis)


def test_the_same_examination_gives_the_same_page() -> None:
    assert page(bare(UNRELATED), (), LINKED) == page(bare(UNRELATED), (), LINKED)


def test_findings_are_told_before_anything_else() -> None:
    text = text_of(page(bare(UNRELATED), (), LINKED))
    assert "Do the sound and the mouth belong together? Unrelated: the mouth does not follow this speech" in text
    assert text.index("Moderate support that they were not recorded together.") < text.rindex("See for yourself")
    assert "It was dubbed openly." in text
    assert "The eyes are 19 pixels apart." in text
    assert "Use a larger copy" in text
    assert SEGMENT.summary in text
    assert "It speaks of consistency, not of intent." in text


def test_hostile_texts_are_shown_and_make_nothing() -> None:
    plain_page, hostile_page = (
        page(dataclasses.replace(bare(), analysis=one), (), LINKED)
        for one in (bare(UNRELATED).analysis, made_hostile(bare(UNRELATED).analysis))
    )
    tags = [[tag for tag, _ in Elements(one).elements] for one in (plain_page, hostile_page)]
    assert tags[0] == tags[1]
    assert "\u202e" not in hostile_page
    assert "<img src=x onerror=alert(1)>" not in hostile_page
    assert "49" not in re.findall(r"npm?\S*", text_of(hostile_page))
    assert "onerror=alert(1)" in text_of(hostile_page)
    assert json.loads(re.findall(r'id="lipaccord-data">(.*?)</script>', hostile_page, re.DOTALL)[0])
    assert HOSTILE.split("\u202e")[0] in embedded(hostile_page.encode())["clip"]["path"]


def test_a_viewing_copy_is_marked_as_one() -> None:
    mark = "Not the evidence."
    assert mark not in text_of(page(bare(), (), LINKED))
    copy = page(bare(), (), Player("data:video/mp4;base64,AAAA", copy=True, offset_s=0.5))
    assert mark in text_of(copy)
    assert Elements(copy).named("video")[0]["src"] == "data:video/mp4;base64,AAAA"
    data = json.loads(re.findall(r'id="lipaccord-data">(.*?)</script>', copy, re.DOTALL)[0])
    assert data["offset"] == 0.5


def sheet(**changes: object) -> Sheet:
    made = Sheet("blur", "resynthesis", "mouth and chin", "eyes", "Look whether it is soft.", "as named", (MOMENT,))
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]  # given by name


def faced(*findings: Finding) -> Examination:
    examination = long_examination(0.002)
    made = analysis(*findings, versions={"lipaccord": "0.0.1"}, timeline={})
    return dataclasses.replace(examination, analysis=made)


def test_close_ups_show_the_pixels_of_the_file() -> None:
    elements = Elements(page(faced(RESYNTHESIS), [sheet()], LINKED))
    (subject, reference) = elements.named("image")
    assert subject["href"] == "data:image/png;base64," + base64.b64encode(PNG.png).decode()
    assert reference == subject
    drawn = next(one for one in elements.named("svg") if (one.get("aria-label") or "").startswith("mouth and chin"))
    assert drawn["aria-label"] == "mouth and chin: 96 x 64 pixels at 10, 20"
    assert (drawn["width"], drawn["height"]) == ("288", "192")
    assert elements.named("polygon") == []


def test_close_ups_of_sync_bear_both_outlines_of_lips() -> None:
    elements = Elements(page(faced(), [sheet(cue="sync", finding="sync")], LINKED))
    polygons = elements.named("polygon")
    assert [one["class"] for one in polygons] == ["predicted", "predicted", "observed", "observed"]
    assert polygons[2]["points"] != polygons[3]["points"]
    assert (polygons[2]["points"] or "").startswith("0.0,0.0 1.0,1.0")


def test_pictures_can_lie_beside_the_page_under_the_name_of_their_content() -> None:
    elements = Elements(page(faced(), [sheet()], LINKED, pictures=Pictures("assets")))
    name = f"assets/{hashlib.sha256(PNG.png).hexdigest()[:24]}.png"
    assert [one["href"] for one in elements.named("image")] == [name, name]


def test_the_sheets_of_cues_that_stand_out_are_open() -> None:
    elements = Elements(page(faced(RESYNTHESIS), [sheet(), sheet(cue="noise")], LINKED))
    opened = ["open" in one for one in elements.named("details") if one.get("class") == "sheet"]
    assert opened == [True, False]


def test_where_there_are_several_faces_the_page_names_the_one_examined() -> None:
    assert "Examined: face-1, of 2 faces" in text_of(page(faced(), (), LINKED))
    alone = dataclasses.replace(
        faced(), analysis=dataclasses.replace(faced().analysis, faces=faced().analysis.faces[:1])
    )
    assert "Examined:" not in text_of(page(alone, (), LINKED))


def test_without_a_face_there_is_neither_close_up_nor_offset() -> None:
    elements = Elements(page(bare(NOT_EXAMINABLE), (), LINKED))
    parts = {one.get("id") for one in elements.named("section")}
    assert parts == {"found", "see", "cues", "file", "repeat"}


def test_every_element_is_closed() -> None:
    elements = Elements(page(faced(UNRELATED, RESYNTHESIS), [sheet()], LINKED))
    assert [tag for tag in elements.open if tag not in {"path", "circle", "rect", "image", "polygon"}] == []


@pytest.mark.parametrize("base_rate", [None, 0.001])
def test_a_base_rate_is_told_when_given(base_rate: float | None) -> None:
    text = text_of(page(bare(UNRELATED), (), LINKED, base_rate=base_rate))
    assert ("1 in 1,000 clips is altered" in text) is (base_rate is not None)
