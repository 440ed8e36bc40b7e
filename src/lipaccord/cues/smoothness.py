"""Compare how unsteadily the outline of the lips moves with what eyes and speech of the same frames let expect.

Idea: a network that paints the mouth frame by frame leaves an outline that trembles; one that paints from a smooth
sequence of shapes leaves one that is too steady. Lip kinematics as a trace: BioLip, 2026, and before it the
velocity, acceleration and jerk of Flash and Hogan, J. Neurosci. 5(7), 1985, whose minimum-jerk law lips keep to.

Measure: at every point of an outline the bend (the point less the middle of its two neighbours), which no motion of
the head and no common error of the landmarks can move; its third difference in time, the jerk. The jerk of the lips
is compared with that of the eyelids.

Null: landmarks tremble more in small, blurred and noisy faces: eyelids then tremble as well, and enter the
expectation. Lips that move fast have more jerk of their own: the slow speed of the lips enters as well. A whole
picture that is blurred, sharpened, resized or encoded moves both alike. Above 25 frames a second frames are left
out, so that the same frequencies are looked at.

Conventions: jerks and speeds are log10 of the root of the median square, in eye distances a frame; the unit of the
departure is the spread of authentic clips of 3 to 5 s; above zero = less steady than expected, below = too steady. The
score is the distance from zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipaccord.course import beyond, telling_frames
from lipaccord.cues.reasons import other_landmarks, too_few_frames, too_small
from lipaccord.records import BoolArray, Evidence, FindingName, Reason, Series, TimeArray, Tracks

Values = NDArray[np.float64]

LAYOUT = "mediapipe-478"
"""The expectation holds for the outlines of these landmarks."""

MIN_EYES_PX = 24.0
MIN_STEPS = 30
RATE_HZ = 25.0
MIN_RATE_HZ = 20.0
EVEN = 0.25  # share by which an interval between frames may differ from the usual one
WINDOW_S = 1.0
MIN_WINDOW_STEPS = 15
MIN_SEGMENT_S = 0.5
FLOOR = 1e-5  # eye distances a frame: far below what landmarks resolve
JERK_NOISE = np.sqrt(20.0)  # of the third difference of white noise of unit spread

# Ridge regression of the jerk of the lips, over 40 authentic clips of political speech and interviews (40 to 200 pixels
# between the eyes) and 60 of news anchors and one laboratory speaker (about 45 pixels), as they came; 25 of the former
# also blurred by 1 and 2 pixels, sharpened, halved, doubled and re-encoded as a whole, with landmarks found anew.
OF_EYELIDS, OF_SPEED, OF_SIZE, OFFSET = 0.358, 0.627, -0.068, -0.506
SPREAD = 0.060  # of people left out of the fit, 80 frames
LIMIT = 2.0
LOCAL_LIMIT = 3.5  # of one second: few authentic clips (3 in 100) reach it anywhere


@dataclass(frozen=True, slots=True)
class _Steps:
    """What is measured of each frame, in squared eye distances; NaN where it or a neighbour can't be measured."""

    times_s: TimeArray
    lips: Values
    eyelids: Values
    speed: Values
    eyes_px: Values

    @property
    def usable(self) -> BoolArray:
        """Frames in which everything was measured [shape=(T,)]."""
        return np.isfinite(self.lips) & np.isfinite(self.eyelids) & np.isfinite(self.speed)


def _bends(points: Values, rings: list[tuple[int, ...]]) -> Values:
    """Each point of closed outlines less the middle of its neighbours [shape=(T, n, 2)]."""
    parts = []
    for ring in rings:
        outline = points[:, list(ring)]
        parts.append(outline - (np.roll(outline, 1, axis=1) + np.roll(outline, -1, axis=1)) / 2)
    return np.concatenate(parts, axis=1)


def _centred(values: Values, length: int) -> Values:
    """Put the squares of differences at the middle of the frames that they span [shape=(length,)]."""
    result = np.full(length, np.nan)
    first = (length - len(values)) // 2
    result[first : first + len(values)] = np.square(values).sum(axis=2).mean(axis=1)
    return result


def _steps(tracks: Tracks) -> _Steps:
    """Measure every frame; frames beyond `RATE_HZ` and across uneven intervals are left out."""
    face, mouth = tracks.face, tracks.mouth
    interval = float(np.median(np.diff(face.times_s)))
    thin = slice(None, None, max(1, round(1 / (interval * RATE_HZ))))
    times, size = face.times_s[thin], mouth.interocular_px[thin].astype(np.float64)
    points = face.points[thin].astype(np.float64) / size[:, None, None]
    lips = mouth.lips[thin].astype(np.float64)
    points[~mouth.valid[thin]] = lips[~mouth.valid[thin]] = np.nan
    rings = face.layout.rings
    lip_jerk, lid_jerk = (
        _centred(np.diff(_bends(points, [rings[name] for name in names]), 3, axis=0) / JERK_NOISE, len(times))
        for names in (("outer_lips",), ("right_eye", "left_eye"))
    )
    speed = _centred(np.diff((lips[:-2] + lips[1:-1] + lips[2:]) / 3, axis=0), len(times))
    gaps = np.diff(times)
    uneven = np.abs(gaps / np.median(gaps) - 1) > EVEN
    for at in np.flatnonzero(uneven):
        for values in (lip_jerk, lid_jerk, speed):
            values[max(0, at - 2) : at + 4] = np.nan
    return _Steps(times, lip_jerk, lid_jerk, speed, size)


def _level(squares: Values) -> float:
    return float(np.log10(max(FLOOR, np.sqrt(np.median(squares)))))


def _departure(steps: _Steps, rows: NDArray[np.intp]) -> tuple[float, dict[str, float]]:
    """How far the jerk of the lips over some frames lies from its expectation, in spreads; and what it is made of."""
    levels = {
        "lips": _level(steps.lips[rows]),
        "eyelids": _level(steps.eyelids[rows]),
        "speed": _level(steps.speed[rows]),
    }
    size = float(np.log10(np.median(steps.eyes_px[rows])))
    expected = OF_EYELIDS * levels["eyelids"] + OF_SPEED * levels["speed"] + OF_SIZE * size + OFFSET
    return (levels["lips"] - expected) / SPREAD, levels


def _course(steps: _Steps) -> Values:
    """Return the departure over `WINDOW_S` about each frame [shape=(T,)]."""
    result = np.full(len(steps.times_s), np.nan)
    usable = np.flatnonzero(steps.usable)
    times = steps.times_s[usable]
    first = np.searchsorted(times, steps.times_s - WINDOW_S / 2, side="left")
    last = np.searchsorted(times, steps.times_s + WINDOW_S / 2, side="right")
    for index, (start, stop) in enumerate(zip(first, last, strict=True)):
        if stop - start >= MIN_WINDOW_STEPS:
            result[index] = _departure(steps, usable[start:stop])[0]
    return result


def _words(departure: float) -> str:
    """Say in plain words how steady the lips are."""
    side = "above" if departure > 0 else "below"
    how, tail = "about as steadily as", f"and up to {LIMIT:.1f} is usual"
    if abs(departure) > LIMIT:
        how, tail = "less steadily than" if departure > 0 else "more steadily than", f"where up to {LIMIT:.1f} is usual"
    figure = f"{abs(departure):.1f} spreads {side} the authentic centre"
    return f"The outline of the lips moves {how} eyelids and speech let expect: {figure}, {tail}."


def _abstention(tracks: Tracks) -> tuple[Reason, ...]:
    """Say why the motion can't be judged, before it is measured; empty where it can."""
    if tracks.face.layout.name != LAYOUT:
        return (other_landmarks(tracks.face.layout.name, f"are not those of the expectation, {LAYOUT}"),)
    valid = tracks.mouth.valid
    if valid.sum() < MIN_STEPS:
        return (too_few_frames(valid.sum(), MIN_STEPS, "frames show the mouth well enough"),)
    small = too_small(tracks.mouth.interocular_px[valid], MIN_EYES_PX, "the outline of the lips needs")
    if small is not None:
        return (small,)
    rate = 1 / float(np.median(np.diff(tracks.face.times_s)))
    if rate < MIN_RATE_HZ:
        text = f"The clip has {rate:.0f} frames a second; the motion of the lips needs at least {MIN_RATE_HZ:.0f}."
        remedy = "use a copy at the frame rate of the original recording; frames made up in between do not help"
        return (Reason("slow_frame_rate", text, remedy),)
    return ()


class SmoothnessCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the ``signed`` departure and its one-sided forms ``trembling`` and ``steady``, the levels of jerk
    of ``lips`` and ``eyelids`` and of the ``speed`` of the lips (log10 of eye distances a frame), the ``limit`` of
    the authentic range, and the number of ``frames`` used.
    """

    name = "smoothness"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Compare the jerk of the lips with its expectation; abstain where the face or the clip gives too little."""
        abstained = _abstention(tracks)
        if not abstained:
            steps = _steps(tracks)
            usable = np.flatnonzero(steps.usable)
            if len(usable) < MIN_STEPS:
                show = "frames follow each other closely enough"
                remedy = "use a longer stretch, or a copy from which no frames have been dropped"
                abstained = (too_few_frames(len(usable), MIN_STEPS, show, remedy),)
        if abstained:
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        signed, levels = _departure(steps, usable)
        course = _course(steps)
        unit = "spreads of authentic clips; above zero = less steady than eyelids and speech let expect"
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=abs(signed),
            summary=_words(signed),
            frames_s=telling_frames(steps.times_s, course * np.sign(signed)),
            series=(Series("smoothness.lips", unit, steps.times_s, course.astype(np.float32)),),
            segments=beyond(steps.times_s, course, LOCAL_LIMIT, _words, MIN_SEGMENT_S),
            details={
                "signed": signed,
                "trembling": max(0.0, signed),
                "steady": max(0.0, -signed),
                **levels,
                "limit": LIMIT,
                "frames": len(usable),
            },
        )
