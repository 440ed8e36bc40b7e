"""Innocent explanations of a finding, listed where they fit: what an examiner must rule out, not what is likely.

Each has a stable code and a sentence. Sources of the figures: sound travels 343 m a second, 2.9 ms a metre; AAC
encoders put a frame or two of 1024 samples before the sound (ISO/IEC 14496-3), 21 to 44 ms at the usual rates.

Conventions: offsets in seconds, + = the sound comes late.
"""

from __future__ import annotations

from collections.abc import Mapping

from lipaccord.records import Reason

MAX_DISTANCE_S = 0.2  # sound from 68 m away: further off hardly anybody is filmed speaking
SOFT_DETAIL = -1.2  # log10: foreheads with less are soft, by compression, upscaling or filters
SMALL_EYES_PX = 40.0

_APART = (
    Reason("off_screen_voice", "somebody who is not seen speaks: an interviewer, a narrator, an interpreter"),
    Reason("dubbing", "the clip was dubbed or translated openly"),
    Reason("cutaway", "an ordinary edit shows the speaker at another moment than is heard"),
    Reason("music_or_noise", "music, noise or several voices cover the speech"),
)
_OFFSET = Reason(
    "constant_offset",
    "recording, transmission or an encoder (AAC puts 21 to 44 ms before the sound) moved all of it by a constant time",
)
_DISTANCE = Reason("distance", "the microphone stood away from the speaker: sound takes 2.9 ms a metre")
_TEXTURE = (
    Reason("filter", "a beauty filter, retouching or video-conference enhancement acts on the face"),
    Reason("open_dubbing", "the mouth was re-synthesised openly, to dub or to translate"),
    Reason(
        "something_before_the_mouth",
        "a beard, a microphone, a hand, make-up or shallow focus sets the lower face apart",
    ),
)
_SOFT = Reason("low_bit_rate", "strong compression, denoising or enlarging left little detail to compare")


def sync_explanations(status: str, noticed_offset_s: float | None) -> tuple[Reason, ...]:
    """List what innocently explains the status of the finding sync, and an offset that viewers would notice."""
    if status in {"unrelated", "partly_unrelated"}:
        return _APART
    if noticed_offset_s is None:
        return ()
    fitting = [_OFFSET]
    if 0 < noticed_offset_s <= MAX_DISTANCE_S:
        fitting.append(_DISTANCE)
    return tuple(fitting)


def resynthesis_explanations(*, suspicious: bool, conditions: Mapping[str, float]) -> tuple[Reason, ...]:
    """List what innocently explains a lower face that departs from the rest."""
    if not suspicious:
        return ()
    soft = conditions.get("detail", 0.0) < SOFT_DETAIL or conditions.get("eyes_px", SMALL_EYES_PX) < SMALL_EYES_PX
    return (*_TEXTURE, _SOFT) if soft else _TEXTURE
