"""Could it have been seen here? The user's own authentic clip, manipulated and examined, kind by kind and rung by rung.

Every manipulation of `harms` is done to the first seconds of the clip that show a face, from weak to strong, encoded,
and examined for resynthesis; the smallest strength that is found says what would have been seen in this clip, with its
faces, its light and its compression. It is sought by bisection, which takes it that whatever is stronger is found too.
The landmarks are found once and move with the pixels; the picture is cut to the face and its surroundings, which is all
that is examined.

Conventions: found means a score above the one that 5 in 100 authentic clips exceed (`FaceExaminer.usual`);
localisation is the overlap in time, intersection over union, of the manipulated stretch with the segments reported.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lipaccord.encoding import encode
from lipaccord.errors import SettingsError, SimulationError
from lipaccord.harms import KINDS, Harm
from lipaccord.media import open_clip
from lipaccord.pipeline import FaceExaminer
from lipaccord.records import FaceTrack, Finding, Frame, Interval, Segment
from lipaccord.reel import Reel, read_reel

USUAL_S = 4.0
CRF, PRESET = 18, "medium"
MARGIN = 1.0  # eye distances round the face that are kept
BLOCK = 16  # pixels: the grid of the encoder, to which the cut keeps

Progress = Callable[[str, float], None]


def _cut(reel: Reel, track: FaceTrack) -> tuple[Reel, FaceTrack]:
    """Cut the pictures to where the face goes, with some surroundings."""
    margin = MARGIN * track.interocular_px
    corners = track.points[track.seen].reshape(-1, 2)
    height, width = reel.frames[0].image.shape[:2]
    left, top = (max(0, int(edge) // BLOCK * BLOCK) for edge in corners.min(axis=0) - margin)
    right, bottom = (int(edge) // BLOCK * BLOCK + BLOCK for edge in corners.max(axis=0) + margin)
    place = slice(top, min(bottom, height)), slice(left, min(right, width))
    frames = tuple(Frame(frame.index, frame.time_s, np.ascontiguousarray(frame.image[place])) for frame in reel.frames)
    moved = dataclasses.replace(track, points=track.points - np.array([left, top], np.float32))
    return dataclasses.replace(reel, frames=frames, tracks=(moved,)), moved


def overlap(truth: Interval, found: Sequence[Interval]) -> float:
    """Return intersection over union in time of one interval and the union of others."""
    inside = outside = reached = 0.0
    reached = -np.inf
    for interval in sorted(found):
        start_s, end_s = max(interval.start_s, reached), interval.end_s
        if end_s <= start_s:
            continue
        shared = max(0.0, min(end_s, truth.end_s) - max(start_s, truth.start_s))
        inside, outside, reached = inside + shared, outside + end_s - start_s - shared, end_s
    whole = truth.duration_s + outside
    return inside / whole if whole else 0.0


class _Bench:
    """One clip under test."""

    def __init__(self, reel: Reel, track: FaceTrack, seed: int, bundle: Path | None, folder: Path) -> None:
        self.reel, self.track = _cut(reel, track)
        self.footage = self.reel.footage(self.track)
        self.seed = seed
        self.examiner = FaceExaminer(reel.sound, bundle=bundle)
        self.file = folder / "trial.mp4"

    def harm(self, kind: str, strength: float, part: range | None = None) -> Harm:
        return Harm(kind, self.footage, strength, np.random.default_rng(self.seed), part=part)

    def score(self, harm: Harm | None) -> tuple[Finding, tuple[Segment, ...]]:
        """Encode and examine the clip with a manipulation, or as it is."""
        images = (frame.image if harm is None else harm.frame(frame.index) for frame in self.reel.frames)
        pairs = zip(self.reel.frames, images, strict=True)
        pictures = (Frame(frame.index, frame.time_s, image) for frame, image in pairs)
        encode(self.file, pictures, self.reel.sound, crf=CRF, preset=PRESET)
        return self.examiner.examine(self._decoded(), self.track if harm is None else harm.track(self.track))

    def _decoded(self) -> Iterator[Frame]:
        with open_clip(self.file) as reader:
            for frame, source in zip(reader.frames(), self.reel.frames, strict=True):
                yield Frame(source.index, source.time_s, frame.image)


@dataclass(slots=True)
class _Ladder:
    """The scores of one kind, from weak to strong; each is measured when it is first asked for."""

    bench: _Bench
    kind: str
    scores: dict[float, float | None]

    def found(self, strength: float) -> bool:
        if strength not in self.scores:
            self.scores[strength] = self.bench.score(self.bench.harm(self.kind, strength))[0].score
        score = self.scores[strength]
        return score is not None and score > self.bench.examiner.usual

    def smallest(self) -> float | None:
        """Return the smallest rung that is found, by bisection; None where the strongest is not."""
        rungs = KINDS[self.kind].ladder
        if not self.found(rungs[-1]):
            return None
        low, high = -1, len(rungs) - 1  # the first is not found, the second is
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.found(rungs[middle]) else (middle, high)
        return rungs[high]


def _tested(bench: _Bench, kind: str) -> dict[str, Any]:
    """Test one kind: over the whole clip by rung, and over its middle third at the strongest."""
    entry, ladder = KINDS[kind], _Ladder(bench, kind, {})
    smallest = ladder.smallest()
    count = len(bench.reel.frames)
    part = range(count // 3, 2 * count // 3)
    truth = bench.reel.interval(part)
    finding, segments = bench.score(bench.harm(kind, entry.ladder[-1], part))
    return {
        "meaning": entry.meaning,
        "unit": entry.unit,
        "smallest_found": smallest,
        "strongest": entry.ladder[-1],
        "scores": {f"{strength:g}": score for strength, score in sorted(ladder.scores.items())},
        "partial_score": finding.score,
        "partial_interval_s": [truth.start_s, truth.end_s],
        "partial_overlap": overlap(truth, [segment.interval for segment in segments]),
    }


def self_test(
    path: str | os.PathLike[str],
    *,
    kinds: Sequence[str] | None = None,
    seed: int = 0,
    face: str | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    bundle: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Find out how strongly an authentic clip must be manipulated before it is found.

    Parameters
    ----------
    path : path
        The clip; read, never written.
    kinds : sequence of str, optional
        Keys of `harms.KINDS`; by default all.
    seed : int
        What is left to chance in a manipulation is drawn from it.
    face : str, optional
        By default the largest.
    start_s, end_s : float, optional
        Part of the clip; by default the first `USUAL_S` seconds with a face.
    bundle : Path, optional
        As for `pipeline.analyze`.
    progress : callable, optional
        Told the stage and the fraction of it that is done.

    Returns
    -------
    dict
        ``authentic`` is the score of the clip without a manipulation, ``limit`` the score above which one is found, and
        ``kinds`` holds the rest by name.

    Raises
    ------
    MediaError, SettingsError, BundleError
        As their names say.
    SimulationError
        The clip shows no face that can be examined.
    """
    chosen = list(KINDS) if kinds is None else list(kinds)
    for kind in chosen:
        if kind not in KINDS:
            raise SettingsError(f"there is no manipulation {kind!r} of the picture; there are: {', '.join(KINDS)}")
    tell: Progress = progress or (lambda stage, fraction: None)
    seen_s = USUAL_S if end_s is None else None
    reel = read_reel(path, start_s=start_s, end_s=end_s, seen_s=seen_s, progress=lambda share: tell("reading", share))
    track = reel.face(face)
    result: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="lipaccord-") as folder:
        bench = _Bench(reel, track, seed, bundle, Path(folder))
        authentic, segments = bench.score(None)
        if authentic.score is None:
            reasons = " ".join(f"{reason.text}; {reason.remedy}." for reason in authentic.reasons)
            raise SimulationError(f"{reel.path!r} can't be examined for resynthesis: {reasons}")
        for number, kind in enumerate(chosen):
            tell("testing", number / len(chosen))
            result[kind] = _tested(bench, kind)
        limit = bench.examiner.usual
    tell("testing", 1.0)
    span = Interval(reel.frames[0].time_s + reel.offset_s, reel.end_s + reel.offset_s)
    return {
        "clip": {"path": reel.path, "sha256": reel.sha256, "start_s": span.start_s, "end_s": span.end_s},
        "face": track.id,
        "seed": seed,
        "limit": limit,
        "authentic": authentic.score,
        "authentic_segments": len(segments),
        "kinds": result,
    }
