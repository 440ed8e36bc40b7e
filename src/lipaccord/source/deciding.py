"""How a clip differs from its source over time -> what follows: an unaltered copy, an altered mouth, or neither.

Method: the statistic of a clip is the largest median over about a second of how much more its lower face differs than
the upper face (log10, in amplitude). `LIMIT` lies above what `COPIES` copies of camera originals gave, poorly encoded,
shrunk, cut, cropped, and with captions over the chin, and below what altered mouths gave. The p-value of a clip comes
from those copies: no smaller than one in their number, and multiplied by how many seconds and faces were looked at.

Conventions: times are the clip's; levels as in `differing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, Interval, Reason, TimeArray
from lipaccord.source.alignment import SoundAgreement
from lipaccord.source.framing import EYES

Status = Literal["same_recording", "mouth_altered", "sound_replaced", "different_recording", "not_examinable"]

LIMIT = 0.3
FACE_LIMIT = 0.3
"""Of the upper face against what lies round the head: above it the whole face was made anew, not the mouth alone."""

COPIES = 91
COPY_QUANTILES = ((0.5, 0.125), (0.2, 0.162), (0.1, 0.198), (0.05, 0.218), (0.02, 0.235))
"""Number of the copies; share of them that reaches a statistic, and that statistic."""

WINDOW_S = 1.0
NEAR_S = 0.4  # over which a frame and its neighbours are judged together
MIN_SEGMENT_S = 0.2
MIN_FRAMES = 12
MIN_EYES_PX = 20.0
MIN_REGISTERED = 0.5  # of the frames in which the face is seen and the source has a picture
OTHER_CORRELATION = 0.93
"""Median over the frames, above the mouth: below it the picture is another, ..."""

DOUBTFUL_CORRELATION, DOUBTFUL_LEVELS = 0.978, 6.5
"""... and so it is where both are passed, the second in grey levels that remain there once the two were made alike:
moments of one speech a second apart gave up to 0.976 and 7 or more, copies and altered clips 0.98 and up to 6."""

MAX_WANDER = 0.8  # pixels of the window

_Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """One face of a clip beside its source, frame by frame.

    Attributes
    ----------
    times_s, source_s : ndarray of float64 [shape=(T,)]
        Of the frames that were registered, on either clock.
    lower, upper, whole, covered : ndarray of float64 [shape=(T,)]
        As in `differing.Difference`.
    correlation, levels : ndarray of float64 [shape=(T,)]
        Of the upper face with what lies round it, and the grey levels by which that differs.
    place : ndarray of float64 [shape=(T, 2)]
        Where in the source a fixed point of the clip's picture comes to lie, in pixels of the window.
    eyes_px : float
        Median distance between the eyes in the smaller of the two pictures; NaN where no frame was registered.
    paired : int
        Frames with the face for which the source has a picture.
    """

    times_s: TimeArray
    source_s: TimeArray
    lower: _Numbers
    upper: _Numbers
    whole: _Numbers
    covered: _Numbers
    correlation: _Numbers
    levels: _Numbers
    place: _Numbers
    eyes_px: float
    paired: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows for one face.

    Attributes
    ----------
    status : str
    reasons : tuple of Reason
    statistic : float or None
        None where nothing could be measured.
    p : float or None
        How often a copy gives as much or more; bounded by the number of copies that were tried.
    share_altered : float
        Of the registered frames.
    face_altered : bool
        The upper face too differs from the source more than what lies round the head.
    segments : tuple of Interval
        In which the lower face differs.
    near : ndarray of float64 [shape=(T,)]
        `Course.lower` as it is judged: the median of each frame and its neighbours.
    """

    status: Status
    reasons: tuple[Reason, ...]
    statistic: float | None
    p: float | None
    share_altered: float
    face_altered: bool
    segments: tuple[Interval, ...]
    near: _Numbers


def running_median(times_s: TimeArray, values: _Numbers, width_s: float, least: int = 1) -> _Numbers:
    """Return the median of what lies within half of `width_s` of each time; NaN where fewer than `least` are known."""
    low = np.searchsorted(times_s, times_s - width_s / 2 - 1e-9)
    high = np.searchsorted(times_s, times_s + width_s / 2 + 1e-9)
    medians = np.full(len(values), np.nan)
    for place, (first, stop) in enumerate(zip(low, high, strict=True)):
        known = values[first:stop][np.isfinite(values[first:stop])]
        if len(known) >= least:
            medians[place] = np.median(known)
    return medians


def wander(course: Course) -> float:
    """Return by how much the two pictures move against each other, in pixels of the window.

    A copy, cropped or not, keeps its place in its source; two heads do not move alike.
    """
    steady = [running_median(course.times_s, one, WINDOW_S) for one in course.place.T]
    return float(np.sqrt(np.median(((course.place - np.stack(steady, axis=1)) ** 2).sum(axis=1))))


def p_of(statistic: float, looks: int) -> float:
    """Return how often one of `looks` seconds of copies would give this statistic or a larger one."""
    shares, values = (np.array(part) for part in zip(*COPY_QUANTILES, strict=True))
    if statistic <= values[0]:
        return 1.0
    below = np.append(np.log10(shares), math.log10(1 / (COPIES + 1)))
    at = np.append(values, LIMIT)
    return float(min(1.0, looks * 10 ** np.interp(statistic, at, below)))


def _segments(times_s: TimeArray, marked: BoolArray) -> tuple[Interval, ...]:
    """Join marked frames that are neighbours; shorter than `MIN_SEGMENT_S` is left out."""
    if not marked.any():
        return ()
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    found: list[Interval] = []
    start = stop = None
    for time_s in times_s[marked]:
        if start is None or stop is None or time_s - stop > max(NEAR_S, 2 * step_s):
            if start is not None and stop is not None:
                found.append(Interval(start, stop))
            start = float(time_s)
        stop = float(time_s) + step_s
    if start is not None and stop is not None:
        found.append(Interval(start, stop))
    return tuple(one for one in found if one.end_s - one.start_s >= MIN_SEGMENT_S)


def _unfit(course: Course) -> Reason | None:
    """Say why nothing can be said about a face, and the remedy."""
    count = len(course.times_s)
    if course.paired < MIN_FRAMES:
        return Reason(
            "too_few_frames",
            f"only {course.paired} frames of this face lie beside the source",
            "name a longer part of the clip, or another source",
        )
    if count < MIN_FRAMES or count < MIN_REGISTERED * course.paired:
        return Reason(
            "not_registered",
            f"the source fits only {count} of {course.paired} frames of this face",
            "check that the source is the right one, and the alignment in time",
        )
    if not course.eyes_px >= MIN_EYES_PX:
        return Reason(
            "too_small",
            f"the eyes are {course.eyes_px:.0f} pixels apart in the smaller picture; {MIN_EYES_PX:.0f} are needed",
            "use a larger copy of the clip or of the source",
        )
    if np.isfinite(course.lower).sum() < MIN_FRAMES:
        return Reason(
            "covered",
            "something drawn over the picture covers the lower face in nearly all frames",
            "use a copy without it",
        )
    return None


def _other_recording(course: Course) -> Reason | None:
    """Say why this can't be the recording from which the clip was made."""
    correlation, moved = float(np.median(course.correlation)), wander(course)
    doubtful = correlation < DOUBTFUL_CORRELATION and float(np.median(course.levels)) > DOUBTFUL_LEVELS
    if correlation < OTHER_CORRELATION or doubtful:
        text = f"upper face and surroundings agree only by {correlation:.3f} once they are laid over each other"
        return Reason("other_picture", text)
    if moved > MAX_WANDER:
        text = f"the heads move against each other, by {moved / EYES:.1%} of the eye distance from moment to moment"
        return Reason("other_movement", text)
    return None


def decide(course: Course, sound: SoundAgreement, faces: int = 1) -> Decision:
    """Judge one face of a clip.

    Parameters
    ----------
    course : Course
    sound : SoundAgreement
        Of the alignment.
    faces : int
        That were looked at.

    Returns
    -------
    Decision
    """
    near = running_median(course.times_s, course.lower, NEAR_S)
    unfit = _unfit(course)
    if unfit is not None:
        return Decision("not_examinable", (unfit,), None, None, 0.0, False, (), near)
    other = _other_recording(course)
    if other is not None:
        return Decision("different_recording", (other,), None, None, 0.0, False, (), near)
    seconds = running_median(course.times_s, course.lower, WINDOW_S, MIN_FRAMES // 2)
    statistic = float(np.nanmax(seconds)) if np.isfinite(seconds).any() else float(np.nanmedian(course.lower))
    looks = faces * max(1, round((course.times_s[-1] - course.times_s[0]) / WINDOW_S))
    p, marked = p_of(statistic, looks), near > LIMIT
    upper = course.upper[np.isfinite(course.upper)]
    face_altered = bool(len(upper) >= MIN_FRAMES and np.median(upper) > FACE_LIMIT)
    status: Status = "same_recording"
    if statistic > LIMIT or face_altered:
        status = "mouth_altered"
    elif sound.same is False:
        status = "sound_replaced"
    share = float(marked.sum() / max(1, np.isfinite(near).sum()))
    reasons = tuple(_reasons(status, statistic, face_altered, sound, course))
    return Decision(status, reasons, statistic, p, share, face_altered, _segments(course.times_s, marked), near)


def _reasons(
    status: Status, statistic: float, face_altered: bool, sound: SoundAgreement, course: Course
) -> list[Reason]:
    times = 10**statistic
    said = []
    if status == "mouth_altered" and statistic > LIMIT:
        said.append(
            Reason("lower_face_differs", f"the lower face differs {times:.1f} times as much as the encodes explain")
        )
    elif statistic <= LIMIT:
        said.append(
            Reason("lower_face_agrees", f"the lower face differs {times:.1f} times as much as the encodes explain")
        )
    if face_altered:
        said.append(Reason("face_differs", "the upper face differs too, what lies round it does not"))
    if sound.same is False:
        said.append(Reason("other_sound", f"the sound is not that of the source ({sound.agreement:.0%} of it agrees)"))
    hidden = float((course.covered > 0).mean())
    if hidden > 0.1:
        said.append(
            Reason(
                "drawn_over",
                f"in {hidden:.0%} of the frames something drawn over one of the two, as a caption is, was left out",
            )
        )
    return said
