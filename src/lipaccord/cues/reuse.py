"""Find mouths that were shown before: stretches more than a second apart that are too much alike, and frozen mouths.

Method: a fingerprint of the mouth is kept of every frame: a small picture of the lips' surroundings in the level copy,
freed of brightness, slope and contrast. One less the correlation of two fingerprints is their distance. A stretch of
0.3 s is compared with every other one at least a second away. Speech is never repeated exactly: even where a mouth
says the same or rests, two distant stretches differ by more than neighbouring frames within either of them. So the
distance of the two stretches, frame against frame, is measured in units of the change from each frame to the next
within them (as log10 of the ratio): a mouth that was taken from elsewhere in the clip (the mouth textures of
Suwajanakorn et al., SIGGRAPH 2017, are found so) repeats with all its motion, and only the encoder's noise stands
between the two. The same ratio of the nose tells whether the whole face comes again (a clip that loops, or a head
that stands quite still): then the likeness of the mouths doesn't count. Copies within one recording, by
correlation of distant frames: Wang and Farid, MM&Sec 2007.

A frozen mouth is the counterpart: over 0.3 s of speech the mouth changes less from frame to frame than the nose.

Null: longer clips hold more pairs and so closer ones (measured, in the expectation); a head that hardly moves (what is
copied within it is missed); a listener or a photograph while somebody else speaks stands still innocently. Blur, size
and encoder act on both sides of the ratios.

Conventions: the score is in spreads of authentic clips about their centre, the larger of both traces. Stretches, their
comparison and its bounds: `repeats`.
"""

from __future__ import annotations

import cv2
import numpy as np

from lipaccord.course import Values, beyond, telling_frames
from lipaccord.cues.reasons import LONGER, too_few_frames, too_small
from lipaccord.records import (
    BoolArray,
    Evidence,
    FaceView,
    FindingName,
    FloatArray,
    IndexArray,
    Reason,
    Series,
    TimeArray,
    Tracks,
)
from lipaccord.repeats import RUN_S, Runs, partners, runs_of, unlikeness

MOUTH = ("outer_lips", (60, 40), (14, 8))
NOSE = ("nose", (72, 36), (8, 6))
"""Ring on which a fingerprint is centred; its size in pixels of the level copy; and in cells, width first."""

MIN_CONTRAST = 2.0  # grey levels: a flatter picture has no fingerprint
STILL_FLOOR = 3e-4  # of the changes from frame to frame: about what an encoder leaves of a picture that stands still
MIN_EYES_PX = 24.0
MIN_FRAMES = 40
MIN_SPEECH = 0.5  # share of a run
SHOWN_PAIRS = 5
MIN_SEGMENT_S = 0.25

# Centres: of 52 authentic clips of 60 frames (political speech, interviews, one laboratory speaker; 34 to 200 pixels
# between the eyes), as they came, blurred, sharpened, halved, doubled and re-encoded as a whole; the medians of all
# these treatments agree within 0.02 and 0.06. How they fall with the length, and the spreads: on 12 clips of 6 to 30 s
# and their parts. None of the clips repeats beyond the limit; one, a photograph that is zoomed, stands still beyond it.
REPEATED_CENTER, REPEATED_SLOPE, REPEATED_PAIRS, REPEATED_SPREAD = 0.16, 0.15, 1000.0, 0.20
FROZEN_CENTER, FROZEN_SLOPE, FROZEN_RUNS, FROZEN_SPREAD = 0.25, 0.20, 50.0, 0.40
LIMIT = 2.5
UNIT = "spreads of authentic clips"


def _flattener(columns: int, rows: int) -> FloatArray:
    """Make the projection that takes mean and slopes off a picture of so many cells [shape=(n, n)]."""
    y, x = np.indices((rows, columns)).reshape(2, -1)
    basis, _ = np.linalg.qr(np.stack([np.ones(x.size), x - x.mean(), y - y.mean()], axis=1))
    projection: FloatArray = (np.eye(x.size) - basis @ basis.T).astype(np.float32)
    return projection


class ReuseProbe:
    """Takes the fingerprints of mouth and nose; fulfils `lipaccord.records.Probe`.

    Columns: the cells of the ``mouth``, then those of the ``nose``, row by row, each of mean and slope zero and of unit
    length.
    """

    columns: tuple[str, ...] = tuple(
        f"{name}.{cell}"
        for name, (_, _, (width, height)) in (("mouth", MOUTH), ("nose", NOSE))
        for cell in range(width * height)
    )

    def __init__(self) -> None:
        self._flatteners = [_flattener(*cells) for _, _, cells in (MOUTH, NOSE)]

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Take the fingerprints of one frame [shape=(M,)]; NaN where the picture is flat."""
        prints = []
        for (ring, size, cells), flattener in zip((MOUTH, NOSE), self._flatteners, strict=True):
            own = view.aligned_points[list(view.layout.rings[ring])]
            x, y = (own.min(axis=0) + own.max(axis=0)) / 2
            cut = cv2.getRectSubPix(view.aligned_luma, size, (float(x), float(y)), patchType=cv2.CV_32F)
            flat = flattener @ np.asarray(cv2.resize(cut, cells, interpolation=cv2.INTER_AREA), np.float32).ravel()
            length = float(np.linalg.norm(flat))
            prints.append(flat / length if length >= MIN_CONTRAST * np.sqrt(flat.size) else np.full_like(flat, np.nan))
        return np.concatenate(prints)


def _frozen(runs: Runs, speech: BoolArray) -> Values:
    """How little the mouth changes in each stretch, log10 against the nose; NaN outside of speech [shape=(n,)]."""
    change = np.log10(runs.mouth_change + STILL_FLOOR) - np.log10(runs.nose_change + STILL_FLOOR)
    counts = np.concatenate([[0], np.cumsum(speech)])
    spoken = counts[runs.starts + runs.length] - counts[runs.starts] >= MIN_SPEECH * runs.length
    return np.where(spoken, change, np.nan)


def _course(count: int, frames: IndexArray, values: Values) -> Values:
    """Give each frame the largest value of the stretches that hold it; NaN where there is none [shape=(count,)]."""
    course = np.full(count, -np.inf)
    np.maximum.at(course, frames, np.repeat(np.nan_to_num(values, nan=-np.inf)[:, None], frames.shape[1], axis=1))
    return np.where(np.isfinite(course), course, np.nan)


def _spoken(tracks: Tracks) -> BoolArray:
    """Frames inside a stretch of speech [shape=(T,)]."""
    times = tracks.face.times_s
    inside = np.zeros(len(times), dtype=bool)
    for stretch in tracks.activity.stretches:
        inside |= (times >= stretch.start_s) & (times < stretch.end_s)
    return inside


def _pairs(times_s: TimeArray, runs: Runs, first: IndexArray, second: IndexArray, z: Values) -> list[dict[str, float]]:
    """Pick the most alike pairs of stretches, no two of them close to each other, most alike first."""
    chosen: list[tuple[int, int]] = []
    found = []
    for place in np.argsort(-z, kind="stable"):
        pair = int(runs.starts[first[place]]), int(runs.starts[second[place]])
        if all(max(abs(pair[0] - a), abs(pair[1] - b)) >= runs.apart // 2 for a, b in chosen):
            chosen.append(pair)
            start, again = (float(times_s[index]) for index in pair)
            found.append(
                {"first_s": round(start, 3), "again_s": round(again, 3), "departure": round(float(z[place]), 2)}
            )
        if len(chosen) == SHOWN_PAIRS:
            break
    return found


def _repeated_words(departure: float, pair: dict[str, float]) -> str:
    where = f"the mouth from {pair['first_s']:.2f} s and that from {pair['again_s']:.2f} s"
    if departure <= LIMIT:
        return (
            f"No stretch of the mouth comes again: {where} are the most alike, {max(departure, 0.0):.1f} spreads "
            f"beyond the authentic centre, and up to {LIMIT:.1f} is usual."
        )
    return (
        f"The same pictures of the mouth come twice: {where} are more alike than speech repeats itself, "
        f"{departure:.1f} spreads beyond the authentic centre, where up to {LIMIT:.1f} is usual."
    )


def _frozen_words(departure: float) -> str:
    return (
        f"During speech the mouth stands stiller than the nose: {departure:.1f} spreads beyond the authentic centre, "
        f"where up to {LIMIT:.1f} is usual."
    )


def _local_words(departure: float) -> str:
    return f"The mouth repeats itself or stands still here: {departure:.1f} spreads, where up to {LIMIT:.1f} is usual."


def _too_little(tracks: Tracks, usable: BoolArray) -> tuple[Reason, ...]:
    """Say why the mouth can't be judged; empty where it can."""
    small = too_small(tracks.texture.interocular_px, MIN_EYES_PX, "fingerprints need")
    if small is not None:
        return (small,)
    if usable.sum() < MIN_FRAMES:
        return (too_few_frames(usable.sum(), MIN_FRAMES, "frames show the mouth well enough"),)
    return ()


class ReuseCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold both departures (``repeated``; ``frozen``, None without speech), the ``limit`` of the authentic
    range, the number of pairs ``compared``, and the most alike ``pairs`` of stretches with their times.
    """

    name = "reuse"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Look for mouths that come again or stand still; abstain where too little is seen."""
        probe = tracks.probes[self.name]
        usable = tracks.mouth.valid & np.isfinite(probe.values).all(axis=1)
        abstained = _too_little(tracks, usable)
        if not abstained:
            cells = MOUTH[2][0] * MOUTH[2][1]
            runs = runs_of(probe.times_s, probe.values[:, :cells], probe.values[:, cells:], usable)
            first, second, compared = partners(runs)
            if compared:
                return self._evidence(tracks, runs, first, second, compared)
            text = f"No two stretches of {RUN_S:.2f} s show the mouth without a gap and more than a second apart."
            abstained = (Reason("too_few_frames", text, LONGER),)
        return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)

    def _evidence(self, tracks: Tracks, runs: Runs, first: IndexArray, second: IndexArray, compared: int) -> Evidence:
        times = tracks.probes[self.name].times_s
        center = REPEATED_CENTER - REPEATED_SLOPE * np.log10(compared / REPEATED_PAIRS)
        repeated = (center - unlikeness(runs, first, second)) / REPEATED_SPREAD
        center = FROZEN_CENTER - FROZEN_SLOPE * np.log10(len(runs.starts) / FROZEN_RUNS)
        frozen = (center - _frozen(runs, _spoken(tracks))) / FROZEN_SPREAD
        both = np.concatenate([runs.frames(first), runs.frames(second)])
        courses = {
            "repeated": _course(len(times), both, np.tile(repeated, 2)),
            "frozen": _course(len(times), runs.frames(np.arange(len(runs.starts))), frozen),
        }
        stillest = float(np.nanmax(frozen)) if np.isfinite(frozen).any() else None
        pairs = _pairs(times, runs, first, second, repeated)
        score, words = float(repeated.max()), _repeated_words(float(repeated.max()), pairs[0])
        if stillest is not None and stillest > max(score, LIMIT):
            score, words = stillest, _frozen_words(stillest)
        course = np.fmax(courses["repeated"], courses["frozen"])
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=score,
            summary=words,
            frames_s=telling_frames(times, course),
            series=tuple(
                Series(f"reuse.{name}", UNIT, times, each.astype(np.float32)) for name, each in courses.items()
            ),
            segments=beyond(times, np.maximum(course, 0.0), LIMIT, _local_words, MIN_SEGMENT_S),
            details={
                "repeated": float(repeated.max()),
                "frozen": stillest,
                "limit": LIMIT,
                "compared": compared,
                "pairs": pairs,
            },
        )
