"""What is said of each cue: every cue has its words, and they are plain."""

from __future__ import annotations

import pytest

from lipaccord.agreement import Reference
from lipaccord.cues import load_cues
from lipaccord.looks import LOOKS, Look
from lipaccord.settings import Settings


def test_every_cue_has_its_look_and_no_other() -> None:
    cues = load_cues(Settings(), Reference(0.0, 1.0, 1.0, 1.0))
    assert set(LOOKS) == {cue.name for cue in cues}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_look_is_one_plain_sentence_with_what_is_innocent(look: Look) -> None:
    assert look.what_to_look_for.endswith(".")
    assert look.what_to_look_for.count(".") == 1
    innocent = ("the same", "innocently", "as well", "by itself", "more so", "speech itself", "in every clip")
    assert any(word in look.what_to_look_for for word in innocent)
    words = f"{look.what_to_look_for} {look.subject_words} {look.reference_words}".lower()
    assert not any(word in words for word in ("fake", "probability", "malicious", "confidence"))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_both_places_have_one_size(look: Look) -> None:
    assert (look.subject.width, look.subject.height) == (look.reference.width, look.reference.height)


def test_what_changes_from_frame_to_frame_is_shown_with_the_frame_before() -> None:
    moving = {name for name, look in LOOKS.items() if look.moving}
    assert moving == {"flicker", "noise", "reuse", "occlusion", "smoothness", "retiming"}
