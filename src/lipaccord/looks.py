"""What a person is to look at for each cue, what it is compared with, and what would be seen.

Every text says beside the trace what innocently looks the same; where a trace can't be seen by eye, it says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from lipaccord.cutouts import (
    EYE,
    LOWER_FACE,
    LOWER_HALF,
    MIDDLE,
    MOUTH,
    SIDE,
    UPPER_FACE,
    UPPER_HALF,
    Place,
)


@dataclass(frozen=True, slots=True)
class Look:
    """How to look at one cue.

    Attributes
    ----------
    subject, reference : Place
        What is looked at, and what it is compared with.
    subject_words, reference_words : str
        Captions.
    what_to_look_for : str
    moving : bool
        The cue is about the change from frame to frame: the frame before is shown too.
    """

    subject: Place
    reference: Place
    subject_words: str
    reference_words: str
    what_to_look_for: str
    moving: bool = False


_EYES_AND_NOSE = "eyes and nose of the same face, same picture"
_SIDE = "side of the same head with the edge of the face, hair and neck, same picture"

LOOKS: dict[str, Look] = {
    "sync": Look(
        MOUTH,
        MOUTH,
        "mouth, with the lips as seen and as the speech asks for",
        "the same mouth at the moment at which it is most nearly as the speech asks for here",
        "Where sound and mouth do not belong together, the two outlines part time and again, and the picture beside it "
        "shows another mouth than this one; single pictures differ in every clip, because speech leaves the mouth some "
        "freedom, and a laugh, chewing or another person's voice part them as well.",
    ),
    "splice": Look(
        LOWER_FACE,
        UPPER_FACE,
        "mouth and chin",
        _EYES_AND_NOSE,
        "A mouth that was made otherwise than the rest can be smoother, cleaner or of another grain than eyes and "
        "nose, but this cue often sees what no eye does; a beard, make-up, a microphone or shallow focus look the "
        "same.",
    ),
    "swap": Look(
        MIDDLE,
        SIDE,
        "middle of the face from brows to chin",
        _SIDE,
        "A face that was laid over another one can be smoother or of another tone than hair, ear and neck, or end in a "
        "seam, but this cue often sees what no eye does; make-up, soft-skin filters, a hard shadow or shallow focus "
        "look the same.",
    ),
    "blur": Look(
        LOWER_FACE,
        UPPER_FACE,
        "mouth and chin",
        _EYES_AND_NOSE,
        "A painted mouth can be softer than eyes and nose (lips without fine lines, skin without pores or stubble) or "
        "harder than they are; fast speech, shallow focus and strong compression soften a mouth innocently.",
    ),
    "teeth": Look(
        MOUTH,
        EYE,
        "the open mouth",
        "an eye of the same face, same picture",
        "Painted teeth can be one white band without gaps, or smeared, or harder than lashes and iris of the eye; a "
        "tongue, a gleam on a wet lip, fast speech or glasses look the same.",
    ),
    "flicker": Look(
        LOWER_FACE,
        UPPER_FACE,
        "mouth and chin",
        _EYES_AND_NOSE,
        "From the frame before to this one, skin and lips of a painted mouth can change their fine pattern while eyes "
        "and nose keep theirs, or stay smoother and stiller than these; speech itself moves the lips, and a low bit "
        "rate makes patterns come and go.",
        moving=True,
    ),
    "noise": Look(
        LOWER_FACE,
        UPPER_FACE,
        "mouth and chin",
        _EYES_AND_NOSE,
        "Of a filmed face some grain stays from the frame before to this one, block by block; where only mouth and "
        "chin are new in every frame, they may have been painted: hardly to be seen by eye, and a fast-moving mouth or "
        "a beard looks the same.",
        moving=True,
    ),
    "reuse": Look(
        LOWER_FACE,
        LOWER_FACE,
        "mouth and chin",
        "mouth and chin of the same face at another moment",
        "Of a mouth that is shown again, every fold, gleam and gap between the teeth comes again, in the frame before "
        "too; mouths at rest or saying the same sound are merely similar, and a head that stands quite still makes "
        "them more so.",
        moving=True,
    ),
    "boundary": Look(
        LOWER_HALF,
        UPPER_HALF,
        "lower half of the face with cheeks and jaw",
        "upper half of the same face, same picture",
        "A mask can end in a line round the mouth, across the cheeks or along the jaw, where tone, grain or sharpness "
        "change at once, or leave a second jaw line; the edge of a beard, folds beside the mouth, a hard shadow or a "
        "collar look the same.",
    ),
    "occlusion": Look(
        LOWER_FACE,
        UPPER_FACE,
        "mouth and chin while something passes",
        _EYES_AND_NOSE,
        "Where a hand or a thing covers part of a painted mouth, what is left of it can smear, double or jump; the "
        "shadow and the motion blur of the hand look the same.",
        moving=True,
    ),
    "face": Look(
        MIDDLE,
        SIDE,
        "middle of the face from brows to chin",
        _SIDE,
        "A face that was laid over another one can be smoother than hair and neck, or end in a step of skin tone; "
        "make-up, soft-skin filters, a beard, a collar or a bald head look the same.",
    ),
    "smoothness": Look(
        MOUTH,
        EYE,
        "lips, with their outline as measured",
        "an eye of the same face, same picture",
        "The outline of painted lips can tremble from frame to frame, or glide more evenly than lips do: look at the "
        "video frame by frame, for two frames hardly show it; in small, soft or noisy faces the measured outline "
        "trembles by itself, and then that of the eyelids too.",
        moving=True,
    ),
    "retiming": Look(
        LOWER_FACE,
        UPPER_FACE,
        "mouth and chin",
        _EYES_AND_NOSE,
        "Where eyes and nose are the same as in the frame before and only the mouth has moved on, the mouth was put in "
        "later; where all stands still the picture was shown twice, which a changed frame rate or a slow line does "
        "innocently.",
        moving=True,
    ),
}
"""By the name of the cue."""
