"""What docs/method.md points to is there, and it speaks of every cue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lipaccord.cues import RESYNTHESIS_CUES

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "method.md").read_text(encoding="utf-8")
PACKAGE = DOCS.parent / "src" / "lipaccord"
MAX_BYTES = 150_000


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_link_leads_somewhere() -> None:
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert targets
    for target in targets:
        assert target[1:] in anchors if target.startswith("#") else (DOCS / target).exists(), target


def test_every_file_that_is_named_is_in_the_package() -> None:
    for name in re.findall(r"`((?:\w+/)?\w+\.py)`", TEXT):
        assert (PACKAGE / name).exists() or (DOCS / name).exists(), name


@pytest.mark.parametrize("name", RESYNTHESIS_CUES)
def test_every_cue_is_described(name: str) -> None:
    assert re.search(rf"^### (?:\w+ and )?{name}\b", TEXT, re.MULTILINE)


def test_every_picture_is_small_and_shown() -> None:
    for picture in (DOCS / "figures").iterdir():
        assert picture.stat().st_size <= MAX_BYTES, picture
        assert f"(figures/{picture.name})" in TEXT
