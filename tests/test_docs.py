"""What the pages of docs/ point to is there, and the method speaks of every cue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lipaccord.cues import RESYNTHESIS_CUES

DOCS = Path(__file__).parent.parent / "docs"
ROOT = DOCS.parent
PACKAGE = ROOT / "src" / "lipaccord"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
METHOD = PAGES["method.md"]
MAX_BYTES = 150_000
OUTSIDE = re.compile(r"https?://[\w.-]+/?\S*")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings; where two are alike, the later ones are numbered."""
    found: dict[str, int] = {}
    result = set()
    for heading in re.findall(r"^#+ (.+?)\s*#*$", FENCED.sub("", text), re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        number = found.get(anchor, 0)
        found[anchor] = number + 1
        result.add(f"{anchor}-{number}" if number else anchor)
    return result


def targets(text: str) -> list[str]:
    """Return what the links and pictures of a page lead to."""
    plain = CODE.sub("", FENCED.sub("", text))
    inline = re.findall(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)", plain)
    return inline + re.findall(r"^\[[^\]]+\]:\s*<?([^>\s]+)", plain, re.MULTILINE)


def dead(target: str, page: str) -> str | None:
    """Say why a link of a page leads nowhere; None where it leads somewhere."""
    if "://" in target:
        return None if OUTSIDE.fullmatch(target) else "it is no address"
    name, _, anchor = target.partition("#")
    there = (DOCS / name).resolve() if name else DOCS / page
    if not there.is_relative_to(ROOT):
        return "it leaves the project"
    if not there.exists():
        return "there is no such file"
    if anchor and anchor not in anchors(there.read_text(encoding="utf-8")):
        return "there is no such heading"
    return None


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    assert {target: why for target in targets(PAGES[page]) if (why := dead(target, page))} == {}


def test_links_that_lead_nowhere_are_noticed() -> None:
    text = "# One\n\n[a](nowhere.md) ![b](figures/none.png) [c](#two) [d](#one) [e](method.md#nothing) `[f](g.md)`\n\n"
    assert targets(text) == ["nowhere.md", "figures/none.png", "#two", "#one", "method.md#nothing"]
    assert [bool(dead(target, "method.md")) for target in targets(text)] == [True, True, True, True, True]
    assert dead("method.md#what-is-asked", "limits.md") is None
    assert dead("../../../etc/hosts", "method.md") == "it leaves the project"
    assert anchors("# One `two`, three\n## Same\n## Same\n```\n# no\n```\n") == {"one-two-three", "same", "same-1"}


def test_the_method_has_links() -> None:
    assert targets(METHOD)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_in_the_project(page: str) -> None:
    places = (PACKAGE, DOCS, ROOT, ROOT / "fixtures", ROOT / "tests")
    names = re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|json|md|toml))`", PAGES[page])
    made = {"evaluation.json", "validation.md", "clips.csv", "windows.csv"}  # what an evaluation writes
    bundle = PACKAGE / "bundles" / "default"
    missing = [name for name in names if not any((place / name).exists() for place in (*places, bundle))]
    assert set(missing) <= made


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_is_named_is_in_the_package(page: str) -> None:
    for name in re.findall(r"`lipaccord\.((?:\w+\.)*\w+)`", PAGES[page]):
        path = PACKAGE.joinpath(*name.split("."))
        known = path.with_suffix(".py").exists() or path.is_dir()
        parent = path.parent.with_suffix(".py") if path.parent != PACKAGE else PACKAGE / "__init__.py"
        assert known or (parent.exists() and path.name in parent.read_text(encoding="utf-8")), name


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_one_title_and_whole_tables(page: str) -> None:
    text = FENCED.sub("", PAGES[page])
    assert len(re.findall("^# ", text, re.MULTILINE)) == 1
    assert text.startswith("# ")
    for block in re.findall(r"(?:^\|.*\|[ ]*$\n?)+", text, re.MULTILINE):
        lines = [re.sub(r"\\\||`[^`]*`", "", line).strip() for line in block.strip().splitlines()]
        assert len({line.count("|") for line in lines}) == 1, block
        assert set(lines[1]) <= set("|-: "), block


@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_left_unfinished(page: str) -> None:
    assert not re.search(r"\b(TODO|TBD|FIXME|XXX|lorem)\b", PAGES[page])


@pytest.mark.parametrize("name", RESYNTHESIS_CUES)
def test_every_cue_is_described(name: str) -> None:
    assert re.search(rf"^### (?:\w+ and )?{name}\b", METHOD, re.MULTILINE)


def test_every_picture_is_small_and_shown() -> None:
    shown = {target for text in PAGES.values() for target in targets(text)}
    pictures = [path for path in DOCS.rglob("*") if path.suffix in {".png", ".svg", ".jpg"}]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size <= MAX_BYTES, picture
        assert picture.relative_to(DOCS).as_posix() in shown, picture
