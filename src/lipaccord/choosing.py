"""Cues and what they measured -> the moments at which a person should look, most telling first.

A cue names its moments itself. Three need more than that: `sync` is shown where the lips as seen and as the speech asks
for part, each beside the frame in which the mouth is most nearly as the speech asks for; `reuse` where two stretches
are most alike, each beside the other; `teeth` where the mouth is open, for the times that it names stand for half a
second. A cue that names none is shown at moments spread over the clip.

Conventions: frames are places in the face track, times are seconds on the container's clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lipaccord.course import telling_frames
from lipaccord.findings import FLAGGED, TELLING
from lipaccord.mouth import opening_of
from lipaccord.records import BoolArray, Evidence, Examination, Finding, FloatArray, Tracks
from lipaccord.repeats import RUN_S

OPENING_S = 0.25  # on either side of a named time, in which the mouth may be open

NAMED = "the pictures that the cue names, most telling first"
OPEN = "where the mouth is open about the times that the cue names, most telling first"
SPREAD = "spread over the clip; the cue names no pictures"
PARTING = "where the lips as seen and as the speech asks for differ most, and where they agree best, in turn"
STRETCHES = "in the middle of the stretches that the cue names; then "
ALIKE = "from the stretches that are most alike, the most alike first; each beside the moment that it is like"
STILL = "where the mouth stands stillest; each beside the moment a third of a second before"


@dataclass(frozen=True, slots=True)
class Pick:
    """A frame to look at, the one that it is compared with, and what is special about it (often nothing)."""

    frame: int
    other: int
    note: str = ""


def in_order(findings: Iterable[Finding]) -> list[Evidence]:
    """Return the cues that measured: first those that stand out, then the rest, each by their share of the score."""
    ranked = []
    for finding in findings:
        shares: Mapping[str, float] = finding.details.get("shares", {})
        for cue in finding.cues:
            if cue.score is None:
                continue
            share = shares.get(cue.cue, 0.0)
            beside = cue.cue not in shares and cue.score > cue.details.get("limit", math.inf)
            stands_out = beside or share > TELLING or (finding.name == "sync" and finding.status in FLAGGED)
            ranked.append((not stands_out, -share, cue))
    return [cue for _, _, cue in sorted(ranked, key=lambda one: one[:2])]


def picks_of(cue: Evidence, examination: Examination, tracks: Tracks, count: int) -> tuple[str, list[Pick]]:
    """Choose the moments of a cue.

    Parameters
    ----------
    cue : Evidence
    examination : Examination
    tracks : Tracks
        Those of the examination.
    count : int
        How many are wanted; there may be more.

    Returns
    -------
    choice : str
        How they were chosen, in plain words.
    picks : list of Pick
        Most telling first.
    """
    usable = tracks.face.seen & tracks.mouth.valid
    if not usable.any():
        return SPREAD, []
    if cue.cue == "sync":
        choice, picks = _parting(cue, examination, tracks, usable, count)
    elif cue.cue == "reuse":
        choice, picks = _alike(cue, tracks)
    elif cue.cue == "teeth":
        choice, picks = OPEN, [_open(tracks, usable, time_s) for time_s in cue.frames_s]
    else:
        choice, picks = NAMED, [Pick(frame, frame) for frame in (_nearest(tracks, time) for time in cue.frames_s)]
    return (choice, picks) if picks else (SPREAD, _spread(usable, count))


def _nearest(tracks: Tracks, time_s: float) -> int:
    """Return the frame in which the face was seen nearest to a time."""
    seen = np.flatnonzero(tracks.face.seen)
    return int(seen[np.argmin(np.abs(tracks.face.times_s[seen] - time_s))])


def _spread(usable: BoolArray, count: int) -> list[Pick]:
    """Choose frames in the middles of equal parts of the clip."""
    frames = np.flatnonzero(usable)
    places = ((np.arange(count) + 0.5) / count * len(frames)).astype(int)
    return [Pick(int(frame), int(frame)) for frame in np.unique(frames[places])]


def _open(tracks: Tracks, usable: BoolArray, time_s: float) -> Pick:
    """Choose the frame about a time in which the mouth is widest open."""
    near = usable & (np.abs(tracks.face.times_s - time_s) <= OPENING_S)
    frame = int(np.argmax(np.where(near, tracks.mouth.opening, -1.0))) if near.any() else _nearest(tracks, time_s)
    return Pick(frame, frame)


def _parting(
    cue: Evidence, examination: Examination, tracks: Tracks, usable: BoolArray, count: int
) -> tuple[str, list[Pick]]:
    """Choose where mouth and speech part: beside each the frame in which the mouth is as the speech asks for."""
    times_s, clock_s, predicted = tracks.face.times_s, tracks.prediction.times_s, examination.predicted_lips
    if predicted is None or not len(clock_s):
        return PARTING, []
    heard = np.clip(np.searchsorted(clock_s, times_s), 0, len(clock_s) - 1)
    spoken = usable & tracks.activity.speech[heard] & (times_s >= clock_s[0]) & (times_s <= clock_s[-1])
    named = [((part.interval.start_s + part.interval.end_s) / 2, part.summary) for part in cue.segments]
    if spoken.any():
        asked = opening_of(predicted, tracks.face.layout)[heard]
        off = np.where(spoken, np.abs(tracks.mouth.opening - asked), np.nan).astype(np.float64)
        wide = asked >= np.median(asked[spoken])  # closed lips agree too easily
        most = telling_frames(times_s, off, count)
        least = telling_frames(times_s, np.where(wide, -off, np.nan), count)
        for pair in zip(most, least, strict=False):
            named += zip(pair, ("the two openings differ most here", "the two openings agree best here"), strict=True)
    picks = []
    for time_s, note in named:
        frame = _nearest(tracks, time_s)
        picks.append(Pick(frame, _likest(tracks, usable, predicted[heard[frame]]), note))
    return STRETCHES + PARTING if cue.segments else PARTING, picks


def _likest(tracks: Tracks, usable: BoolArray, lips: FloatArray) -> int:
    """Return the frame in which the mouth is most like given lips [shape=(K, 2)]."""
    off = ((tracks.mouth.lips - lips) ** 2).sum(axis=(1, 2))
    return int(np.argmin(np.where(usable, off, np.inf)))


def _alike(cue: Evidence, tracks: Tracks) -> tuple[str, list[Pick]]:
    """Choose the middles of the stretches that are most alike, or where the mouth stands stillest."""
    times_s, details = tracks.face.times_s, cue.details
    if details["frozen"] is not None and details["frozen"] > max(details["repeated"], details["limit"]):
        return STILL, [Pick(_nearest(tracks, time), _nearest(tracks, time - RUN_S)) for time in cue.frames_s]
    picks = []
    for pair in details["pairs"]:
        first, again = (_nearest(tracks, pair[name]) for name in ("first_s", "again_s"))
        half = int(np.searchsorted(times_s, times_s[first] + RUN_S / 2)) - first
        picks.append(Pick(first + half, min(again + half, len(times_s) - 1)))
    return ALIKE, picks
