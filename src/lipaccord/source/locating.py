"""A clip, its source and an alignment -> how unlike the frames of the one are those of the other about then.

Method: a copy keeps its geometry for a while, and its head moves as the source's does. So the affine transform from the
picture of the clip to that of the source is fitted by some frames of each second (`registering`), their median is held,
and the frames of the source are laid over each of the clip by it. What is compared is the upper face with what lies
round the head. The head's own movement stays in the comparison: only the same moment agrees.

Conventions: times are seconds on the clock of the clip each belongs to; unlikeness is 1 - correlation of grey pictures.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.faces import FaceTracker
from lipaccord.media import open_clip
from lipaccord.records import FloatArray, Frame, LandmarkBackend, TimeArray
from lipaccord.source.alignment import Alignment, Stretch
from lipaccord.source.framing import CENTRE, EYES, Matrix, reaches, sample, whole
from lipaccord.source.pairing import SourceFrames
from lipaccord.source.registering import GOOD_CORRELATION, MIN_CORRELATION, Window, alike

SECTION_S = 1.0
BEYOND_S = 0.2
HELD_S = 0.5  # each side: over which the geometry is held
FITTED_EVERY = 3  # frames
NEAR_S = 0.25  # each side: where every frame of the source is compared
FAR_S, FAR_EVERY = 0.8, 3
SMOOTH = 1.2  # pixels of the Gaussian under which frames are compared
MIN_FITTED = 3
HOPELESS = 0.9  # correlation that one of the first frames has to reach; the poorest of altered clips had 0.97
MIN_PIXELS = 200
MAX_FACES = 3
_SPAN = 0.8 * EYES
_SPOTS = np.array([[CENTRE[0] + x * _SPAN, CENTRE[1] + y * _SPAN, 1.0] for x in (-1, 1) for y in (-1, 1)], np.float64)


@dataclass(frozen=True, slots=True)
class Section:
    """About a second of one face in a clip, and the frames of its source about then.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(T,)]
        Of the frames of the clip.
    expected_s : ndarray of float64 [shape=(T,)]
        Where in the source the alignment says they are.
    source_s : ndarray of float64 [shape=(S,)]
        Of the frames of the source.
    unlike : ndarray of float32 [shape=(T, S)]
        NaN where two frames were not compared.
    correlation : float
        Median over the frames by which the geometry was fitted.
    """

    times_s: TimeArray
    expected_s: TimeArray
    source_s: TimeArray
    unlike: FloatArray
    correlation: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """One face in one frame of the clip, and when the source is expected to show it."""

    time_s: float
    expected_s: float
    window: Window


def _nearest(sources: Sequence[Frame], time_s: float) -> Frame:
    return min(sources, key=lambda source: abs(source.time_s - time_s))


@dataclass(frozen=True, slots=True)
class _Geometry:
    """From the picture of the clip to that of the source, at some times: where four spots of the clip come to lie."""

    times_s: TimeArray
    spots: NDArray[np.float64]
    places: NDArray[np.float64]
    correlation: float

    def at(self, time_s: float) -> Matrix:
        near = np.abs(self.times_s - time_s) <= HELD_S
        if not near.any():
            near[np.argmin(np.abs(self.times_s - time_s))] = True
        held = np.median(self.places[near], axis=0)
        return np.asarray(np.linalg.lstsq(self.spots, held, rcond=None)[0].T, np.float64)


def _geometry(seen: Sequence[_Seen], sources: Sequence[Frame], backend: LandmarkBackend) -> _Geometry | None:
    """Fit the geometry by some of the frames; None where too few fit."""
    spots = np.concatenate([(seen[len(seen) // 2].window.to_clip @ _SPOTS.T).T, np.ones((4, 1))], axis=1)
    times: list[float] = []
    places: list[Matrix] = []
    correlations: list[float] = []
    before: Matrix | None = None
    for tried, one in enumerate(seen[::FITTED_EVERY]):
        if tried == MIN_FITTED and not any(found >= HOPELESS for found in correlations):
            return None
        source = _nearest(sources, one.expected_s)
        found = None if before is None else one.window.refined(source.image, (before @ whole(one.window.to_clip))[:2])
        if found is None or found.correlation < GOOD_CORRELATION:
            found = one.window.begun(source, backend)
        if found is None or found.correlation < MIN_CORRELATION:
            continue
        before = one.window.across(found.matrix)
        times.append(one.time_s)
        places.append((before[:2] @ spots.T).T)
        correlations.append(found.correlation)
    if len(times) < MIN_FITTED:
        return None
    return _Geometry(np.array(times), spots, np.stack(places), float(np.median(correlations)))


def _compared(one: _Seen, across: Matrix, sources: Sequence[Frame]) -> FloatArray | None:
    """Compare a frame of the clip with those of the source near its time, and with some farther off [shape=(S,)]."""
    to_source = (across @ whole(one.window.to_clip))[:2]
    mask = one.window.mask & reaches(sources[0].image, to_source)
    if mask.sum() < MIN_PIXELS:
        return None
    unlike = np.full(len(sources), np.nan, np.float32)
    clip = cv2.GaussianBlur(one.window.grey, (0, 0), SMOOTH)
    for place, source in enumerate(sources):
        apart = abs(source.time_s - one.expected_s)
        if apart <= NEAR_S or (apart <= FAR_S and place % FAR_EVERY == 0):
            laid = cv2.GaussianBlur(sample(source.image, to_source, grey=True), (0, 0), SMOOTH)
            unlike[place] = 1.0 - alike(np.asarray(clip), np.asarray(laid), mask)
    return unlike


def _section(seen: Sequence[_Seen], sources: Sequence[Frame], backend: LandmarkBackend) -> Section | None:
    """Compare the frames of one face; None where the source does not fit them."""
    geometry = _geometry(seen, sources, backend) if sources else None
    if geometry is None:
        return None
    rows = [(one, _compared(one, geometry.at(one.time_s), sources)) for one in seen]
    known = [(one, row) for one, row in rows if row is not None]
    if not known:
        return None
    return Section(
        times_s=np.array([one.time_s for one, _ in known]),
        expected_s=np.array([one.expected_s for one, _ in known]),
        source_s=np.array([source.time_s for source in sources]),
        unlike=np.stack([row for _, row in known]),
        correlation=geometry.correlation,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """About a second of the clip, and where in the source it lies."""

    start_s: float
    end_s: float
    stretch: Stretch


def _parts(stretches: Sequence[Stretch]) -> list[_Part]:
    """Cut stretches into parts of about `SECTION_S`; what lies beyond a stretch, up to `BEYOND_S`, goes with it."""
    parts = []
    for number, stretch in enumerate(stretches):
        low, high = stretch.start_s - BEYOND_S, stretch.end_s + BEYOND_S
        if number:
            low = max(low, (stretches[number - 1].end_s + stretch.start_s) / 2)
        if number + 1 < len(stretches):
            high = min(high, (stretch.end_s + stretches[number + 1].start_s) / 2)
        count = max(1, math.floor((high - low) / SECTION_S + 0.5))
        edges = np.linspace(low, high, count + 1)
        parts += [_Part(float(start), float(end), stretch) for start, end in pairwise(edges)]
    return parts


def sections(
    clip: str | os.PathLike[str],
    source: str | os.PathLike[str],
    alignment: Alignment,
    backend: LandmarkBackend,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    threads: int = 1,
) -> Iterator[Section | None]:
    """Compare the frames of a clip with those of its source, a second at a time.

    Parameters
    ----------
    clip, source : path-like
    alignment : Alignment
        Of the clip in the source.
    backend : LandmarkBackend
    start_s, end_s : float, optional
        Part of the clip.
    threads : int
        Of each decoder.

    Yields
    ------
    Section or None
        In the order of the clip, each of the face that fits best; None where the source fits no face of that second.
        The pictures of a second are held at a time.

    Raises
    ------
    MediaError
        One of the two can't be read.
    """
    with (
        open_clip(clip, start_s=start_s, end_s=end_s, threads=threads, needs_sound=False) as reader,
        SourceFrames(source, is_mirrored=alignment.mirrored, threads=threads) as frames,
    ):
        tracker, waiting = FaceTracker(backend, MAX_FACES), iter(_parts(alignment.stretches))
        part = next(waiting, None)
        held: dict[int, list[_Seen]] = {}
        for frame in reader.frames():
            sightings = tracker.feed(frame)
            while part is not None and frame.time_s >= part.end_s:
                yield from _best(held, frames, backend)
                held, part = {}, next(waiting, None)
            if part is None:
                break
            if frame.time_s >= part.start_s:
                expected_s = float(part.stretch.source_s(np.array(frame.time_s)))
                for sighting in sightings:
                    looked = _Seen(frame.time_s, expected_s, Window.of(frame.image, sighting.points.xy, backend.layout))
                    held.setdefault(sighting.key, []).append(looked)
        yield from _best(held, frames, backend)


def _best(held: dict[int, list[_Seen]], frames: SourceFrames, backend: LandmarkBackend) -> Iterator[Section | None]:
    """Give the section of the face that the source fits best, if a face is seen."""
    found = []
    for seen in held.values():
        times = [one.expected_s for one in seen]
        section = _section(seen, frames.between(min(times) - FAR_S, max(times) + FAR_S), backend)
        if section is not None:
            found.append(section)
    if held:
        yield max(found, key=lambda section: section.correlation, default=None)
