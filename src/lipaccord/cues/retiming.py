"""Look for pictures shown twice, pictures left out, a mouth that moves on while the picture stands, a head that waits.

Idea: to lay a new speech on old pictures a forger stretches or cuts them in time, so that the head stops when the
speech pauses (Suwajanakorn et al., Synthesizing Obama, SIGGRAPH 2017, sec. 3.4); pictures shown twice are known as a
trace of inserted frames from Wang and Farid, IEEE Trans. Inf. Forensics Secur. 2(3), 2007. And where a picture is
shown twice for whatever reason, a camera's mouth stands still with it; a mouth that is painted anew for every frame
goes on.

Measure: the mean absolute difference of each frame and the one before, in three parts of the native cut: all but the
lower face (`rest`), what lies outside the face (`surroundings`), and the mouth; each against its own median over the
frames about it, so that noise, contrast and what an encoder takes away cancel. A repeat is a sudden fall of `rest`,
a skip a jump of a single frame. For the head: how far the eyes and the bridge of the nose travel in a fifth of a
second, in pauses against speech.

Null: a change of the frame rate (24 to 25 or 30 a second) shows pictures twice at equal distances; repeats on one
regular beat through the whole clip are innocent, are said to be so and do not count. A head at rest and single jumps
are common: counts are held against what is usual (Poisson), the head against authentic speakers. The first and last
frames, which encoders repeat, and stretches in which nothing moves are left out.

Conventions: every part is in spreads of authentic clips, larger = more suspicious; the score is the largest part.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.beats import Indices, beat
from lipaccord.course import beyond, telling_frames
from lipaccord.cues.reasons import too_few_frames
from lipaccord.records import BoolArray, Evidence, FaceView, FindingName, FloatArray, Reason, Series, TimeArray, Tracks

Values = NDArray[np.float64]

COLUMNS = ("rest", "surroundings", "mouth", "unchanged")
MIN_STEPS = 20
EDGE = 2  # frames at either end that encoders repeat
REACH = 6  # frames to either side that tell what is usual
MIN_MOTION = 0.3  # grey levels: below it nothing moves, and nothing can be told
REPEATED = 0.2  # of the usual difference, and
FALLS = 0.3  # of the smaller of both neighbours; or
FROZEN = 0.1  # of the usual difference, for pictures shown more than twice
FAINT = 0.5  # of the usual difference: a repeat that an encoder has blurred
JUMPS = 1.8  # times the larger of both neighbours and the usual difference
MIN_REPEATS = 2  # to tell whether the mouth stands still with the picture
LITTLE = 0.05  # of the usual difference: what remains of a repeat after the encoder
TRAVEL_S = 0.2
MIN_PAUSE_S, MIN_SPEECH_S = 0.5, 1.0
REST_SPEED = 0.005  # eye distances a second: what landmarks tremble by
HEAD = "head"

# Measured on 40 authentic clips of political speech and interviews of 4 s, as they came and re-encoded as a whole.
REPEATS_A_SECOND = 0.08  # off any beat
SKIPS_A_SECOND, SKIPS_DISPERSION = 0.5, 4.0
MOUTH_CENTER, MOUTH_SPREAD = -0.7, 0.5  # log2 of mouth over rest, at repeats; of 8 clips
PAUSE_CENTER, PAUSE_SPREAD = -0.17, 0.40  # log10 of the head's speed in pauses over speech; of 12 clips
LIMIT = 2.5
WINDOW_S = 1.0
LOCAL_LIMIT = 3.5  # repeats a second beyond the beat: few authentic clips (3 in 100) reach it anywhere
MIN_SEGMENT_S = 0.5


def _box(points: FloatArray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the box round some points, within a picture."""
    left, top = np.maximum(np.floor(points.min(axis=0)), 0).astype(int)
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + 1
    return slice(top, max(top, min(bottom, shape[0]))), slice(left, max(left, min(right, shape[1])))


def _mean(part: NDArray[np.uint8]) -> tuple[float, int]:
    """Mean and number of pixels; NaN for none."""
    return (float(cv2.mean(part)[0]) if part.size else np.nan), part.size


def _without(whole: tuple[float, int], part: tuple[float, int]) -> float:
    """Mean of what is in the whole and not in the part."""
    left = whole[1] - part[1]
    inside = part[0] * part[1] if part[1] else 0.0
    return (whole[0] * whole[1] - inside) / left if left > 0 else np.nan


class RetimingProbe:
    """How much each frame differs from the one before; see the module. In grey levels, `unchanged` is a share."""

    columns = COLUMNS

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Measure one frame [shape=(4,)]; NaN for a first frame."""
        result = np.full(len(COLUMNS), np.nan, np.float32)
        if previous is None:
            return result
        corner = np.maximum(view.corner, previous.corner)
        cuts = []
        for one in (view, previous):
            left, top = corner - one.corner
            cuts.append(one.luma[top:, left:])
        height, width = np.minimum(cuts[0].shape, cuts[1].shape)
        if height < 1 or width < 1:
            return result
        difference = np.asarray(cv2.absdiff(cuts[0][:height, :width], cuts[1][:height, :width]), np.uint8)
        points = (view.points - (corner - view.corner)).astype(np.float32)
        rings = view.layout.rings
        rows, columns = _box(points, difference.shape)
        nose = int(points[list(rings["nose"]), 1].max())
        whole = _mean(difference)
        lower = _mean(difference[min(max(rows.start, nose), rows.stop) : rows.stop, columns])
        mouth = _mean(difference[_box(points[list(rings["outer_lips"])], difference.shape)])
        unchanged = 1 - cv2.countNonZero(difference) / difference.size
        result[:] = _without(whole, lower), _without(whole, _mean(difference[rows, columns])), mouth[0], unchanged
        return result


def _usual(values: Values) -> Values:
    """Median over the `REACH` frames to either side, without the frame itself [shape=(T,)]."""
    padded = np.concatenate([np.full(REACH, np.nan), values, np.full(REACH, np.nan)])
    about = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1)
    others = np.delete(about, REACH, axis=1)
    known = np.isfinite(others).sum(axis=1) >= REACH
    result = np.full(len(values), np.nan)
    result[known] = np.nanmedian(others[known], axis=1)
    return result


@dataclass(frozen=True, slots=True)
class _Steps:
    """Differences of neighbouring frames over their usual ones [shape=(T,)].

    Frames are `compared` where there are enough others about them, and `judged` where something moves as well.
    """

    rest: Values
    mouth: Values
    compared: BoolArray
    judged: BoolArray
    repeats: Indices
    skips: Indices


def _steps(tracks: Tracks) -> _Steps:
    probe = tracks.probes["retiming"]
    rest, mouth = (probe.column(name).astype(np.float64) for name in ("rest", "mouth"))
    usual, usual_mouth = _usual(rest), _usual(mouth)
    compared = np.isfinite(rest) & np.isfinite(usual)
    known = np.flatnonzero(np.isfinite(rest))
    compared[known[:EDGE]] = compared[known[-EDGE:]] = False
    judged = compared & (usual >= MIN_MOTION)
    share = np.divide(rest, usual, out=np.full_like(rest, np.nan), where=judged)
    mouth_share = np.divide(mouth, usual_mouth, out=np.full_like(mouth, np.nan), where=usual_mouth >= MIN_MOTION)
    around = np.stack([np.append(np.nan, rest[:-1]), np.append(rest[1:], np.nan)])
    lower, upper = np.fmin(*around), np.fmax(*around)
    falls = (share < REPEATED) & ((rest < FALLS * lower) | (share < FROZEN))
    jumps = (share > JUMPS) & (rest > JUMPS * upper) & (lower > FAINT * usual)
    repeats, skips = (np.flatnonzero(found & judged) for found in (falls, jumps))
    return _Steps(share, mouth_share, compared, judged, repeats, skips)


def _surprise(count: int, expected: float, dispersion: float = 1.0) -> float:
    """How far a count lies above the usual one, in spreads of a Poisson count; finite where none is expected."""
    return float((count - expected) / np.sqrt(1.0 + dispersion * expected))


def _moves_on(steps: _Steps, on_beat: Indices) -> Values:
    """How much of its usual motion the mouth keeps over what the rest keeps, as log2 [shape=(T,)].

    Only at repeats that are certain: on a regular beat, or all but frozen. Elsewhere NaN.
    """
    result = np.full(len(steps.rest), np.nan)
    at = steps.repeats[np.isin(steps.repeats, on_beat) | (steps.rest[steps.repeats] < FROZEN)]
    result[at] = np.log2((steps.mouth[at] + LITTLE) / (steps.rest[at] + LITTLE))
    return result


def _in_pauses(tracks: Tracks) -> float | None:
    """log10 of the head's median speed in pauses over that in speech; None where either is too short."""
    face, mouth = tracks.face, tracks.mouth
    interval = float(np.median(np.diff(face.times_s)))
    apart = max(1, round(TRAVEL_S / interval))
    if len(face.times_s) <= apart:
        return None
    layout = face.layout
    place = face.points[:, [*layout.right_eye, *layout.left_eye, layout.rings["nose"][0]]].astype(np.float64)
    place[~mouth.valid] = np.nan
    travel = np.linalg.norm((place[apart:] - place[:-apart]).mean(axis=1), axis=1) / (apart * interval)
    speed = travel / mouth.interocular_px[apart:]
    middle = face.times_s[apart:] - apart * interval / 2
    speech = np.interp(middle, tracks.activity.times_s, tracks.activity.speech.astype(np.float64)) > 0.5
    pauses, spoken = (speed[np.isfinite(speed) & where] for where in (~speech, speech))
    if len(pauses) * interval < MIN_PAUSE_S or len(spoken) * interval < MIN_SPEECH_S:
        return None
    return float(np.log10((np.median(pauses) + REST_SPEED) / (np.median(spoken) + REST_SPEED)))


def _parts(tracks: Tracks, steps: _Steps) -> tuple[dict[str, float], dict[str, float | int | None]]:
    """Return every part that can be measured, in spreads, and the figures behind them."""
    period, on_beat, off = beat(steps.repeats, steps.rest < FAINT, steps.judged)
    seconds = float(steps.judged.sum() * np.median(np.diff(tracks.face.times_s)))
    parts = {
        "repeats": _surprise(off, REPEATS_A_SECOND * seconds),
        "skips": _surprise(len(steps.skips), SKIPS_A_SECOND * seconds, SKIPS_DISPERSION),
    }
    moved = _moves_on(steps, on_beat)
    keeps = float(np.nanmedian(moved)) if np.isfinite(moved).sum() >= MIN_REPEATS else None
    if keeps is not None:
        parts["mouth"] = (keeps - MOUTH_CENTER) / MOUTH_SPREAD
    pauses = _in_pauses(tracks)
    if pauses is not None:
        parts[HEAD] = (PAUSE_CENTER - pauses) / PAUSE_SPREAD
    figures: dict[str, float | int | None] = {
        "repeated_frames": len(steps.repeats),
        "off_beat": off,
        "beat_frames": period,
        "skipped_frames": len(steps.skips),
        "mouth_at_repeats": keeps,
        "head_in_pauses": pauses,
        "frames": int(steps.judged.sum()),
    }
    return parts, figures


def _repeats_a_second(times_s: TimeArray, repeats: Indices, period: float | None) -> Values:
    """Repeats in `WINDOW_S` about each frame, less those of the beat [shape=(T,)]."""
    first = np.searchsorted(times_s[repeats], times_s - WINDOW_S / 2, side="left")
    last = np.searchsorted(times_s[repeats], times_s + WINDOW_S / 2, side="right")
    usual = 0.0 if period is None else 1 / (period * float(np.median(np.diff(times_s))))
    rate: Values = np.maximum(0.0, (last - first) / WINDOW_S - usual)
    return rate


def _local_words(rate: float) -> str:
    return f"Here about {rate:.0f} pictures a second are shown twice or more, off any regular beat."


def _words(parts: dict[str, float], figures: dict[str, float | int | None]) -> str:
    """Say in plain words what stands out, or that nothing does."""
    period, repeats = figures["beat_frames"], figures["repeated_frames"]
    regular = (
        ""
        if period is None
        else f" Every {period:.3g} frames a picture is shown twice, as a change of the frame rate does."
    )
    name = max(parts, key=lambda part: parts[part])
    figure = f"{parts[name]:.1f} spreads above the authentic centre, where up to {LIMIT:.1f} is usual"
    if parts[name] <= LIMIT:
        figure = f"the largest departure is {parts[name]:.1f} spreads, and up to {LIMIT:.1f} is usual"
        return f"The pictures follow each other as a camera takes them: {figure}.{regular}"
    said = {
        "repeats": f"{figures['off_beat']} of {repeats} pictures shown twice or more lie off any regular beat",
        "skips": f"{figures['skipped_frames']} times the picture jumps for a single frame",
        "mouth": f"At {repeats} pictures that are shown twice the mouth moves on while the rest stands still",
        HEAD: "The head stops when the speech pauses",
    }
    return f"{said[name]}: {figure}.{regular}"


class RetimingCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the ``parts`` in spreads (``repeats``, ``skips``, and where they can be measured ``mouth`` and
    ``head``), the counts of frames behind them, the ``beat_frames`` of regular repeats, ``mouth_at_repeats`` (log2) and
    ``head_in_pauses`` (log10), and the ``limit`` of the authentic range.
    """

    name = "retiming"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Judge how the pictures follow each other; abstain where too few do, or nothing moves."""
        steps = _steps(tracks)
        if steps.judged.sum() < MIN_STEPS:
            abstained = (_abstention(steps),)
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        parts, figures = _parts(tracks, steps)
        times = tracks.face.times_s
        shown = np.full(len(times), np.nan)
        shown[steps.repeats] = np.nan_to_num(steps.mouth[steps.repeats]) + 1.0
        rate = _repeats_a_second(times, steps.repeats, figures["beat_frames"])
        unit = "pictures a second shown twice, beyond a regular beat"
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=max(parts.values()),
            summary=_words(parts, figures),
            frames_s=telling_frames(times, shown),
            series=(Series("retiming.repeats", unit, times, rate.astype(np.float32)),),
            segments=beyond(times, rate, LOCAL_LIMIT, _local_words, MIN_SEGMENT_S),
            details={**figures, "parts": parts, "limit": LIMIT},
        )


def _abstention(steps: _Steps) -> Reason:
    if steps.compared.sum() < MIN_STEPS:
        return too_few_frames(steps.compared.sum(), MIN_STEPS, "frames can be compared with those about them")
    text = f"The picture moves in only {steps.judged.sum()} frames; {MIN_STEPS} are needed to tell its timing."
    return Reason("nothing_moves", text, "use a stretch in which the head or the camera moves")
