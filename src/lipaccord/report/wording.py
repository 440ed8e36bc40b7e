"""What all reports say in the same words: statuses, cues, sizes, and names from outside in a harmless form.

Conventions: what comes from the clip or from its path is data; `plain` makes it safe to show.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from lipaccord.findings import MAX_NAMED, TELLING
from lipaccord.records import Clip, Evidence, Finding, Reason

STATUS_WORDS = {
    "in_sync": ("in sync", "the mouth follows this speech"),
    "offset": ("offset", "the mouth follows this speech, but the sound comes too late or too early"),
    "unrelated": ("unrelated", "the mouth does not follow this speech at any offset examined"),
    "partly_unrelated": ("partly unrelated", "in some stretches the mouth does not follow this speech"),
    "authentic_texture": ("authentic texture", "the lower face looks as sharp as the rest of the face suggests"),
    "resynthesised": ("mouth re-synthesised", "the lower face does not match the rest of the same face"),
    "inconclusive": ("inconclusive", "it was measured, but the measure decides nothing"),
    "not_examinable": ("not examinable", "there is too little to judge by"),
}
"""A short name for each status, and what it says."""

QUIET_STATUSES = {"in_sync", "authentic_texture"}
LOUD_STATUSES = {"unrelated", "partly_unrelated", "resynthesised"}
CUE_WORDS = {
    "splice": "lower face, learned traces",
    "swap": "whole face, learned traces",
    "blur": "sharpness of the lower face",
    "teeth": "sharpness of the teeth",
    "flicker": "texture from frame to frame",
    "noise": "noise from frame to frame",
    "reuse": "mouths shown again or frozen",
    "boundary": "edge of a mask",
    "occlusion": "what passes the mouth",
    "face": "face against hair and neck",
    "smoothness": "tremble of the lips",
    "retiming": "timing (beside the score)",
}
"""What each cue of the resynthesis finding looks at; short enough for a line of 80 columns."""


def sentence(text: str) -> str:
    """Begin with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def plain(text: str) -> str:
    r"""Return `text` on one line, with everything unprintable as a visible escape.

    That takes in control characters, escape sequences, marks that turn the direction of the text, and
    bytes of a path that are no text (``\xff``).
    """
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # how Python passes on a byte of a path that is no UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def size_in_words(clip: Clip) -> str:
    """Say how long, how large and of which codecs a clip is."""
    video, audio = clip.video, clip.audio
    rate = "" if video.counted_rate_hz is None else f" at {video.counted_rate_hz:.4g} frames a second"
    variable = " (variable)" if video.variable_rate else ""
    return (
        f"{clip.duration_s:.1f} s; {video.width} x {video.height} {video.codec}{rate}{variable}; "
        f"sound {audio.codec}, {audio.sample_rate_hz / 1000:g} kHz {audio.layout}"
    )


def standing_out(finding: Finding, shares: dict[str, float]) -> list[Evidence]:
    """Pick the cues that the finding names as its reasons, and those beside its score that exceed their own limit."""
    raising = sorted((cue for cue in finding.cues if shares.get(cue.cue, 0.0) > TELLING), key=lambda c: -shares[c.cue])
    beside = [
        cue
        for cue in finding.cues
        if cue.cue not in shares and cue.score is not None and cue.score > cue.details.get("limit", math.inf)
    ]
    return raising[:MAX_NAMED] + beside


def remedies(reasons: Iterable[Reason]) -> list[str]:
    """Return the remedies in the order of the reasons, each once."""
    return [remedy for remedy in dict.fromkeys(reason.remedy for reason in reasons) if remedy]
