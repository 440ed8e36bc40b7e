"""What the console and the page say of a finding on the source in the same words.

Conventions: times are seconds on the clock of the clip, or of the source where that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lipaccord.archive.urls import public_name
from lipaccord.report.wording import plain, sentence

if TYPE_CHECKING:
    from lipaccord.source.alignment import Alignment, SoundAgreement
    from lipaccord.source.finding import Candidate
    from lipaccord.source.reused import Reused

NAMED = 20
"""Sources that are gone or changed are named up to this number; the JSON names all."""

STATUS = {
    "same_recording": "Found: the recording is in the index, and no alteration was found.",
    "mouth_altered": "Found: the recording is in the index, and the mouth was altered.",
    "sound_replaced": "Found: the picture is that of a recording in the index, the sound is another.",
    "different_recording": "Not the same recording.",
    "not_found": "Not found.",
    "not_examinable": "Not examinable.",
}
WORDS = {
    "signed": "signed",
    "still": "still pictures",
    "no_face": "without a face",
    "failed": "failed",
    "waiting": "still waiting",
}
"""What came of a source of the index."""


def full(text: str) -> str:
    """Make a sentence of the text of a reason."""
    return sentence(plain(text)).rstrip(".") + "."


def recording_name(candidate: Candidate) -> str:
    """Name a recording by the first place in which it was found."""
    if candidate.places:
        return public_name(candidate.places[0][0])
    return f"a recording that no source holds any more (SHA-256 {candidate.sha256[:12]})"


def edits_in_words(alignment: Alignment) -> Iterator[str]:
    """Say how the time of the clip was changed against that of its source, edit by edit."""
    for edit in alignment.edits:
        where = f"{edit.start_s:.2f}-{edit.end_s:.2f} s"
        if edit.kind == "speed":
            yield f"{where}: at {edit.factor:.3f} times the speed of the source"
        elif edit.kind == "jump":
            yield f"{where}: a cut; goes on at {edit.source_s:.2f} s of the source ({edit.frames:+d} frames)"
        else:
            done = {"duplicate": "shown again", "drop": "left out"}[edit.kind]
            yield f"{where}: {edit.frames} frame{'s' if edit.frames != 1 else ''} {done}"


def sound_in_words(sound: SoundAgreement) -> str:
    """Say whether the sound is that of the source."""
    if sound.same is None:
        return "too little is heard in both to compare the sound"
    lag = f", {1000 * sound.lag_s:+.0f} ms against the picture" if sound.same and sound.lag_s else ""
    return f"the sound is {'the same' if sound.same else 'another'}{lag} ({sound.agreement:.0%} of its bits agree)"


def reused_in_words(heads: Iterable[Reused]) -> Iterator[str]:
    """Say which stretches of the clip show the same moment of a head again."""
    for head in heads:
        for reuse in head.reuses:
            how = [name for name, so in (("mirrored", reuse.is_mirrored), ("backwards", reuse.is_backwards)) if so]
            sound = {True: ", and the sound with it", False: ", with another sound", None: ""}[reuse.same_sound]
            yield (
                f"Used again: {plain(head.faces[0])} at {reuse.start_s:.2f}-{reuse.end_s:.2f} s is seen again at "
                f"{reuse.again_start_s:.2f}-{reuse.again_end_s:.2f} s" + "".join(f", {one}" for one in how) + sound
            )
