"""Cut a long recording into speaking turns: stretches in which one face stays in view while somebody speaks.

The key frames show where shots begin and who is in view; a shot goes on for as long as the largest face stays in its
place. Voice activity shows where somebody speaks. What both give is a turn; pauses are bridged, long turns are cut into
equal parts. A key frame is all that is looked at between two of them, so where an encoder sets none at a cut, a turn
may run over it: the examination finds cuts itself.

Conventions: seconds on the container's clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lipaccord._claims import read_claims
from lipaccord._container import MediaFile, open_container
from lipaccord._keyframes import key_pictures
from lipaccord.archive.records import Turn
from lipaccord.errors import NoAudio, SettingsError
from lipaccord.landmarks import load_backend
from lipaccord.media import open_clip
from lipaccord.records import FaceRegion, Frame, Interval
from lipaccord.speech import speech_activity

LOOK_EVERY_S = 1.0
LONGEST_GAP_S = 15.0  # between key frames, for one face to be taken for the same
HEAR_AT_A_TIME_S = 1800.0  # bounds the memory: 115 MB of sound
BRIDGED_PAUSE_S = 3.0
MARGIN_S = 0.5
SHORTEST_S = 4.0
LONGEST_S = 60.0
SAME_PLACE = 0.5  # of the larger region's size, between the centres
SAME_SIZE = 1.6  # ratio of the sizes
THIN = 8  # every 8th pixel is compared with the key frame before
OTHER_PICTURE = 40.0  # mean difference in grey levels; a speaker who moves before a still room gives about half of it


@dataclass(frozen=True, slots=True)
class Cut:
    """How a recording was cut.

    Attributes
    ----------
    turns : tuple of Turn
        In the order of time; empty where there is none.
    seen_s, heard_s : float
        Seconds with a face in view, and with speech.
    duration_s : float
        As it claims, or up to the last key frame or the last speech if that is later.
    """

    turns: tuple[Turn, ...]
    seen_s: float
    heard_s: float
    duration_s: float


def shots(sights: Iterable[tuple[float, FaceRegion | None, bool]]) -> Iterator[Interval]:
    """Yield the stretches in which one face stays in its place.

    Parameters
    ----------
    sights : iterable of (float, FaceRegion or None, bool)
        Time of a picture, the largest face in it, and whether a new shot begins there.

    Notes
    -----
    The last may go on behind the end of the recording.
    """
    start_s = last_s = -math.inf
    last: FaceRegion | None = None
    for time_s, region, is_cut in sights:
        goes_on = (
            last is not None
            and region is not None
            and not is_cut
            and time_s - last_s <= LONGEST_GAP_S
            and _is_same(last, region)
        )
        if last is not None and not goes_on:
            yield Interval(start_s, min(time_s, last_s + LONGEST_GAP_S))
        if not goes_on:
            start_s = time_s
        last, last_s = region, time_s
    if last is not None:
        yield Interval(start_s, last_s + LONGEST_GAP_S)


def _is_same(one: FaceRegion, other: FaceRegion) -> bool:
    small, large = sorted((one.size, other.size))
    near = math.hypot(one.center_x - other.center_x, one.center_y - other.center_y) <= SAME_PLACE * large
    return near and large <= SAME_SIZE * small


def _sights(file: MediaFile, landmarks: str) -> Iterator[tuple[float, FaceRegion | None, bool]]:
    backend, last = load_backend(landmarks), np.zeros((0, 0, 3), np.float32)
    for frame in key_pictures(file, LOOK_EVERY_S):
        thin = frame.image[::THIN, ::THIN].astype(np.float32)
        is_cut = thin.shape != last.shape or float(np.abs(thin - last).mean()) > OTHER_PICTURE
        yield frame.time_s, _largest(backend.detect(frame), frame), is_cut
        last = thin


def _largest(regions: Sequence[FaceRegion], frame: Frame) -> FaceRegion | None:
    return max(regions, key=lambda region: (region.size, region.score, -region.center_x), default=None)


def _heard(path: str, end_s: float) -> Iterator[Interval]:
    """Yield the stretches of speech, a part of the sound at a time."""
    start_s = 0.0
    while start_s < end_s:
        try:
            with open_clip(path, start_s=start_s, end_s=start_s + HEAR_AT_A_TIME_S) as reader:
                yield from speech_activity(reader.sound()).stretches
        except (NoAudio, SettingsError):
            if start_s == 0.0 and end_s <= HEAR_AT_A_TIME_S:
                raise
        start_s += HEAR_AT_A_TIME_S


def _claimed_end(file: MediaFile) -> float | None:
    with open_container(file) as container:
        return read_claims(file.path, container).end_s


def merged(stretches: Iterable[Interval], gap_s: float) -> list[Interval]:
    """Join stretches, in the order of time, whose distance is at most `gap_s`."""
    joined: list[Interval] = []
    for stretch in stretches:
        if joined and stretch.start_s - joined[-1].end_s <= gap_s:
            joined[-1] = Interval(joined[-1].start_s, max(joined[-1].end_s, stretch.end_s))
        else:
            joined.append(stretch)
    return joined


def common(some: Sequence[Interval], others: Sequence[Interval]) -> Iterator[Interval]:
    """Yield what two rows of stretches, each apart and in the order of time, have in common."""
    first = 0
    for one in some:
        while first < len(others) and others[first].end_s <= one.start_s:
            first += 1
        for other in others[first:]:
            if other.start_s >= one.end_s:
                break
            yield Interval(max(one.start_s, other.start_s), min(one.end_s, other.end_s))


def parts(stretch: Interval) -> Iterator[Interval]:
    """Cut a stretch into equal parts of at most `LONGEST_S`."""
    count = math.ceil(stretch.duration_s / LONGEST_S)
    edges = np.linspace(stretch.start_s, stretch.end_s, count + 1)
    yield from (Interval(float(low), float(high)) for low, high in pairwise(edges))


def sampled(stretches: Sequence[Interval], most_s: float | None) -> list[Interval]:
    """Keep stretches spread over all of them that last `most_s` together; the last may be shortened."""
    total_s = sum(stretch.duration_s for stretch in stretches)
    if most_s is None or total_s <= most_s:
        return list(stretches)
    count = max(1, min(len(stretches), math.ceil(len(stretches) * most_s / total_s)))
    kept, left_s = [], most_s
    for place in np.floor((np.arange(count) + 0.5) * len(stretches) / count).astype(int):
        stretch = stretches[place]
        end_s = min(stretch.end_s, stretch.start_s + left_s)
        if end_s - stretch.start_s < min(SHORTEST_S, most_s):
            break
        kept.append(Interval(stretch.start_s, end_s))
        left_s -= end_s - stretch.start_s
    return kept


def cut(file: MediaFile, landmarks: str, most_s: float | None = None) -> Cut:
    """Cut a recording into speaking turns.

    Parameters
    ----------
    file : MediaFile
        As `_container.hash_file` gives it.
    landmarks : str
        Landmark backend that finds the faces.
    most_s : float, optional
        Take turns of this length together, spread over the recording.

    Returns
    -------
    Cut

    Raises
    ------
    UnreadableMedia, NoVideo, NoAudio
        As for `media.open_clip`.
    """
    end_s = 0.0

    def watched() -> Iterator[tuple[float, FaceRegion | None, bool]]:
        nonlocal end_s
        for sight in _sights(file, landmarks):
            end_s = sight[0]
            yield sight

    seen = list(shots(watched()))
    spoken = merged(_heard(file.path, end_s + LONGEST_GAP_S), BRIDGED_PAUSE_S)
    lasts_s = max([_claimed_end(file) or 0.0, end_s, *(stretch.end_s for stretch in spoken)])
    seen = [Interval(shot.start_s, min(shot.end_s, lasts_s)) for shot in seen]
    wider = [Interval(max(0.0, stretch.start_s - MARGIN_S), stretch.end_s + MARGIN_S) for stretch in spoken]
    both = [stretch for stretch in common(seen, wider) if stretch.duration_s >= SHORTEST_S]
    chosen = sampled([part for stretch in both for part in parts(stretch)], most_s)
    turns = tuple(
        Turn(number, round(part.start_s, 3), round(part.end_s, 3)) for number, part in enumerate(chosen, start=1)
    )
    return Cut(turns, _total(seen), _total(spoken), lasts_s)


def _total(stretches: Iterable[Interval]) -> float:
    return sum(stretch.duration_s for stretch in stretches)
