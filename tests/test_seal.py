from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tracemalloc
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from analyses import CLIP, analysis
from lipaccord.errors import VerificationError
from lipaccord.records import Series
from lipaccord.report import seal as module
from lipaccord.report.json import analysis_to_dict, as_text, digests
from lipaccord.report.seal import embedded, read_twin, seal, twin, unseal

LARGE = 10**8
HOSTILE = "</script><script>alert(1)</script><!-- \\u003c ]]> &lt; \u2028 \U0001f600"


class Scripts(HTMLParser):
    """Collects what a browser would take for the content of scripts, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script"
        if self._inside:
            self.found.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            attributes, text = self.found.pop()
            self.found.append((attributes, text + data))


def values(**changes: Any) -> dict[str, Any]:
    return analysis_to_dict(analysis(**changes))


def long_values() -> dict[str, Any]:
    drawn = np.random.default_rng(1).normal(size=3000).astype(np.float32)
    curve = Series("curve", "none", np.arange(len(drawn)) / 100, drawn)
    return values(timeline={"curve": curve})


def page(element: str) -> bytes:
    return f"<!doctype html>\n<html><body><p>text</p>\n{element}\n</body></html>\n".encode()


def scripts(element: str) -> list[tuple[dict[str, str | None], str]]:
    reader = Scripts()
    reader.feed(page(element).decode())
    return reader.found


def test_a_short_analysis_is_readable_in_the_page() -> None:
    element = twin(values(), LARGE)
    [(attributes, content)] = scripts(element)
    assert attributes == {"type": "application/json", "id": "lipaccord-analysis", "data-encoding": "json"}
    assert content == as_text(values())
    assert read_twin(page(element)) == (values(), True)


@pytest.mark.parametrize("packed", [False, True])
def test_markup_in_the_analysis_ends_no_script(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    if packed:
        monkeypatch.setattr(module, "READABLE_BYTES", 0)
    hostile = values(limits=(HOSTILE,), settings={HOSTILE: 1})
    element = twin(hostile, LARGE)
    assert len(scripts(element)) == 1
    assert element.count("<") == 2
    assert read_twin(page(element)) == (hostile, True)


def test_a_long_analysis_is_packed_in_the_same_way_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    long = long_values()
    monkeypatch.setattr(module, "READABLE_BYTES", len(as_text(long)))
    assert scripts(twin(long, LARGE))[0][0]["data-encoding"] == "json"
    monkeypatch.setattr(module, "READABLE_BYTES", len(as_text(long)) - 1)
    element = twin(long, LARGE)
    [(attributes, content)] = scripts(element)
    assert attributes["data-encoding"] == "gzip+base64"
    packed = base64.b64decode(content, validate=True)
    assert packed[4:8] == bytes(4)  # no time
    assert gzip.decompress(packed).decode() == as_text(long)
    assert read_twin(page(element)) == (long, True)
    assert twin(long_values(), LARGE) == element
    assert len(content) < 0.6 * len(as_text(long))


def test_the_limit_decides_on_what_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READABLE_BYTES", 10_000)
    long = long_values()
    size = len(scripts(twin(long, LARGE))[0][1])
    assert embedded(page(twin(long, size))) == long
    bare = embedded(page(twin(long, size - 1)))
    assert "timeline" not in bare
    assert bare == {name: value for name, value in long.items() if name != "timeline"}
    assert digests(bare)["without_timeline"] == bare["digest"]["without_timeline"]
    with pytest.raises(ValueError, match="does not fit into 100 bytes"):
        twin(long, 100)


def test_what_does_not_fit_readable_may_fit_packed() -> None:
    short = values()
    room = len(as_text(short)) - 1
    [(attributes, content)] = scripts(twin(short, room))
    assert attributes["data-encoding"] == "gzip+base64"
    assert len(content) <= room
    assert embedded(page(twin(short, room))) == short


def element(content: str, encoding: str = "json") -> str:
    return f'<script type="application/json" id="lipaccord-analysis" data-encoding="{encoding}">{content}</script>'


def zipped(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


@pytest.mark.parametrize(
    ("elements", "trouble"),
    [
        ("", "holds no analysis"),
        (element("{}", "base64"), "holds no analysis"),
        (element("{}") + element("{}", "gzip+base64"), "holds 2 analyses"),
        (element('{"a": "<b>"}'), "holds no analysis"),
        (element("{}")[: -len("</script>")], "holds no analysis"),
        (element("{"), "can't be read: Expecting"),
        (element("[]"), "no object of JSON"),
        (element('{"a": 1, "a": 2}'), "comes twice"),
        (element('{"a": 1e999}'), "beyond those of a double"),
        (element("no base64!", "gzip+base64"), "can't be unpacked"),
        (element(base64.b64encode(b"no gzip").decode(), "gzip+base64"), "can't be unpacked"),
        (element(zipped(b"{}")[:8] + "\n" + zipped(b"{}")[8:], "gzip+base64"), "can't be unpacked"),
        (element(zipped(b"{}")[:-8], "gzip+base64"), "cut off"),
        (element(base64.b64encode(gzip.compress(b"{}") * 2).decode(), "gzip+base64"), "followed by something else"),
        (element(zipped(b"\xff{}"), "gzip+base64"), "can't decode byte"),
    ],
    ids=range(15),
)
def test_pages_without_one_sound_analysis_are_refused(elements: str, trouble: str) -> None:
    with pytest.raises(VerificationError, match=rf"page\.html .*{trouble}.*; use the report as lipaccord wrote it"):
        embedded(page(elements), "page.html")


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = page(element(zipped(b'{"a":"' + b"x" * 5000 + b'"}'), "gzip+base64"))
    monkeypatch.setattr(module, "MAX_BYTES", 5008)
    assert embedded(bomb)["a"].startswith("x")
    monkeypatch.setattr(module, "MAX_BYTES", 5007)
    with pytest.raises(VerificationError, match="unpacks to more than any analysis takes"):
        embedded(bomb)


def test_a_bomb_is_not_unpacked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = page(element(zipped(bytes(30_000_000)), "gzip+base64"))
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(VerificationError, match="unpacks to more"):
            embedded(bomb)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "spelled", ['{\n "a": 1.0\n}\n ', '{"a":1.0}', '{\n "a": 1.00\n}\n', '{\n "\\u0061": 1.0\n}\n']
)
def test_another_spelling_of_the_analysis_is_noticed(spelled: str) -> None:
    for content in (element(spelled), element(zipped(spelled.encode()), "gzip+base64")):
        assert read_twin(page(content)) == ({"a": 1.0}, False)
    assert read_twin(page(element(as_text({"a": 1.0})))) == ({"a": 1.0}, True)


def test_a_seal_is_the_hash_of_all_before_it() -> None:
    sealed = seal("<p>ü</p>\n")
    digest = hashlib.sha256("<p>ü</p>\n".encode()).hexdigest()
    assert sealed == f"<p>ü</p>\n<!-- lipaccord sha256 {digest} -->\n"
    found = unseal(sealed.encode())
    assert (found.page, found.trouble) == ("<p>ü</p>\n".encode(), "")


def test_a_page_that_ends_no_line_can_not_be_sealed() -> None:
    with pytest.raises(ValueError, match="must end with a line break"):
        seal("<p>")


def test_every_changed_byte_breaks_the_seal() -> None:
    sealed = seal(page(twin({"a": [1.0, None], "clip": CLIP.path[:5]}, LARGE)).decode()).encode()
    assert unseal(sealed).trouble == ""
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        assert unseal(bytes(changed)).trouble
    for cut in (sealed[:-1], sealed[1:], sealed + b"\n", sealed + b" ", b"", sealed[-92:-1]):
        assert unseal(cut).trouble


def test_the_trouble_with_a_seal_is_named() -> None:
    sealed = seal("<p>\n").encode()
    assert "was changed" in unseal(sealed.replace(b"<p>", b"<q>")).trouble
    assert "does not end with the line that seals it" in unseal(sealed + b"<p>").trouble
    assert unseal(b"<p>\n").page == b"<p>\n"


def test_json_in_a_page_is_json_for_every_reader() -> None:
    hostile = values(limits=(HOSTILE,))
    [(_, content)] = scripts(twin(hostile, LARGE))
    assert json.loads(content) == hostile
