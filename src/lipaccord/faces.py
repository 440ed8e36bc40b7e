"""Frames and a landmark backend -> face tracks; or tracks stored by an earlier run, handed out again.

A face is detected once and then followed from frame to frame; detection runs again at intervals to find new
faces, and more often while there is none. A scene cut ends every track. A face that is lost for a
moment keeps its track, with a gap; gaps are never filled in.

Conventions: intervals are in seconds of the clip's own time, so that the result does not depend on the frame rate's
nominal value. Everything here is causal: a frame is used once, as it is decoded, and not kept.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lipaccord.errors import TracksError
from lipaccord.records import (
    FacePoints,
    FaceRegion,
    FaceTrack,
    FloatArray,
    Frame,
    Image,
    LandmarkBackend,
    LandmarkLayout,
)
from lipaccord.rows import RowLog

DETECT_EVERY_S = 0.5  # while a face is followed
SEARCH_EVERY_S = 0.2  # while there is none; grows to SEARCH_SLOWEST_S where there has been none for long
SEARCH_SLOWEST_S = 1.0
SEARCH_BACK_OFF = 0.1  # of the time without a face
FORGET_AFTER_S = 1.0  # a face unseen for longer gets a new track
MAX_JUMP = 0.4  # of the region's size between neighbouring frames
SAME_FACE = 0.35  # centres nearer than this share of the larger region's size
MIN_FRAMES = 5  # seen, for a track to be kept
MIN_INTEROCULAR_PX = 8.0
SAME_TIME_S = 1e-6  # times that differ by less are the same
CUT_STEP = 8  # the cut detector looks at every 8th pixel
CUT_DIFFERENCE = 18.0  # mean absolute difference in grey levels, and
CUT_RATIO = 4.0  # this many times the recent average


class CutDetector:
    """Tells where a new shot begins, from the mean absolute difference of thinned neighbouring frames."""

    def __init__(self) -> None:
        self._last: FloatArray | None = None
        self._shape: tuple[int, ...] = ()
        self._usual = 0.0

    def feed(self, image: Image) -> bool:
        """Return True when `image` does not continue the shot of the image before: another size never does."""
        thin = image[::CUT_STEP, ::CUT_STEP].astype(np.float32)
        last, self._last, is_resized = self._last, thin, self._shape != image.shape
        self._shape = image.shape
        if last is None or is_resized:
            return last is not None
        difference = float(np.abs(thin - last).mean())
        cut = difference > CUT_DIFFERENCE and difference > CUT_RATIO * self._usual
        if not cut:
            self._usual += 0.1 * (difference - self._usual)
        return cut


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face located in the frame just fed.

    Attributes
    ----------
    key : int
        The same for all sightings of one track.
    points : FacePoints
    """

    key: int
    points: FacePoints


@dataclass(slots=True)
class _OpenTrack:
    """A track that is still growing: one entry a frame.

    A row of `rows` holds the score, the points and, where the backend gives it, the depth; it is NaN where the face was
    not seen.
    """

    key: int
    region: FaceRegion
    seen_s: float
    rows: RowLog
    deep: bool = False
    seen_now: bool = False
    seen: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def add(self, frame: Frame, points: FacePoints | None) -> None:
        self.seen_now = points is not None
        self.frames.append(frame.index)
        self.times_s.append(frame.time_s)
        if points is None:
            self.rows.append()
            return
        self.seen.append(len(self.rows))
        self.deep = points.depth is not None
        self.rows.append(points.score, points.xy, *(() if points.depth is None else (points.depth,)))

    def sight(self, points: FacePoints, region: FaceRegion, time_s: float) -> Sighting:
        self.region, self.seen_s = region, time_s
        return Sighting(self.key, points)


class FaceTracker:
    """Follows the faces of a clip.

    Parameters
    ----------
    backend : LandmarkBackend
    max_faces : int
        Followed at a time, those lost for a moment included; the best detections come first.
    """

    def __init__(self, backend: LandmarkBackend, max_faces: int = 3) -> None:
        self._backend = backend
        self._max_faces = max_faces
        self._cuts = CutDetector()
        self._open: list[_OpenTrack] = []
        self._closed: dict[int, FaceTrack] = {}
        self._next_key = 0
        self._detected_s = -math.inf
        self._last_face_s = math.inf

    def feed(self, frame: Frame) -> list[Sighting]:
        """Follow every face into `frame`, look for new ones when it is time; return those located."""
        if self._cuts.feed(frame.image):
            self._close(self._open)
            self._detected_s = -math.inf
        self._last_face_s = min(self._last_face_s, frame.time_s)  # of the first frame, until a face is seen
        sightings = [sighting for track in self._open if (sighting := self._follow(track, frame))]
        sightings = self._drop_twins(sightings)
        self._close([track for track in self._open if frame.time_s - track.seen_s > FORGET_AFTER_S])
        wait_s = self._interval(frame.time_s, sightings)
        if len(sightings) < self._max_faces and frame.time_s - self._detected_s > wait_s - SAME_TIME_S:
            self._detected_s = frame.time_s
            sightings += self._detect(frame, {sighting.key for sighting in sightings})
        if sightings:
            self._last_face_s = frame.time_s
        located = {sighting.key: sighting.points for sighting in sightings}
        for track in self._open:
            track.add(frame, located.get(track.key))
        return sightings

    def finish(self) -> dict[int, FaceTrack]:
        """End all tracks; return those worth keeping by the key of their sightings, in order of appearance."""
        self._close(self._open)
        return {
            key: dataclasses.replace(self._closed[key], id=f"face-{number}")
            for number, key in enumerate(sorted(self._closed), start=1)
        }

    def _interval(self, now_s: float, sightings: list[Sighting]) -> float:
        if sightings and len(sightings) == len(self._open):
            return DETECT_EVERY_S
        return min(max(SEARCH_EVERY_S, SEARCH_BACK_OFF * (now_s - self._last_face_s)), SEARCH_SLOWEST_S)

    def _follow(self, track: _OpenTrack, frame: Frame) -> Sighting | None:
        """Look for a face where it was in the frame before; a jump is no face followed."""
        if not track.seen_now:
            return None
        points = self._backend.locate(frame, track.region)
        if points is None:
            return None
        region = self._backend.follow(points)
        if not _distance(region, track.region) <= MAX_JUMP * track.region.size:
            return None
        return track.sight(points, region, frame.time_s)

    def _drop_twins(self, sightings: list[Sighting]) -> list[Sighting]:
        """Where two tracks have run onto the same face, end the younger."""
        kept: list[Sighting] = []
        regions = {track.key: track.region for track in self._open}
        for sighting in sightings:
            if any(_same(regions[sighting.key], regions[other.key]) for other in kept):
                self._close([track for track in self._open if track.key == sighting.key])
            else:
                kept.append(sighting)
        return kept

    def _detect(self, frame: Frame, followed: set[int]) -> list[Sighting]:
        """Find faces that are not followed: take up a lost track or begin a new one."""
        found: list[Sighting] = []
        for candidate in self._backend.detect(frame):
            if len(followed) == self._max_faces:
                break
            if any(_same(track.region, candidate) for track in self._open if track.key in followed):
                continue
            points = self._backend.locate(frame, candidate)
            if points is None:
                continue
            region = self._backend.follow(points)
            same = [track for track in self._open if _same(track.region, region)]
            if not same and len(self._open) < self._max_faces:
                same = [_OpenTrack(self._next_key, region, frame.time_s, RowLog(1 + 3 * self._backend.layout.count))]
                self._next_key += 1
                self._open += same
            if same and not any(track.key in followed for track in same):
                followed.add(same[0].key)
                found.append(same[0].sight(points, region, frame.time_s))
        return found

    def _close(self, tracks: Iterable[_OpenTrack]) -> None:
        for track in list(tracks):
            self._open.remove(track)
            kept = _seal(track, self._backend.layout)
            if kept is not None:
                self._closed[track.key] = kept


class StoredTracker:
    """Hands out stored tracks in the place of a `FaceTracker`, so that a run can be repeated exactly.

    Parameters
    ----------
    tracks : sequence of FaceTrack
        In order of appearance, of the clip whose frames will be fed.
    """

    def __init__(self, tracks: Sequence[FaceTrack]) -> None:
        self._tracks = tuple(tracks)
        self._waiting = sorted(range(len(tracks)), key=lambda key: -int(tracks[key].frames[0]))
        self._rows: dict[int, int] = {}  # next row of each track that has begun and not ended

    def feed(self, frame: Frame) -> list[Sighting]:
        """Return the sightings that are stored for `frame`.

        Raises
        ------
        TracksError
            The frame, its time, or a frame left out tells that the tracks were made from another clip.
        """
        while self._waiting and self._tracks[self._waiting[-1]].frames[0] <= frame.index:
            self._rows[self._waiting.pop()] = 0
        sightings = []
        for key, row in sorted(self._rows.items()):
            track = self._tracks[key]
            index, time_s = int(track.frames[row]), float(track.times_s[row])
            if index != frame.index or not abs(time_s - frame.time_s) <= SAME_TIME_S:
                shown = f"frame {frame.index} at {frame.time_s:.6f} s"
                raise _other_clip(f"{track.id} has frame {index} at {time_s:.6f} s where the clip has {shown}")
            if np.isfinite(track.points[row, 0, 0]):
                depth = None if track.depth is None else track.depth[row].astype(np.float32)
                sightings.append(Sighting(key, FacePoints(track.points[row], depth, float(track.scores[row]))))
            self._rows[key] += 1
            if row + 1 == len(track.frames):
                del self._rows[key]
        return sightings

    def finish(self) -> dict[int, FaceTrack]:
        """Return the stored tracks by the key of their sightings.

        Raises
        ------
        TracksError
            Not every frame of every track was fed.
        """
        unfed = min([*self._rows, *self._waiting], default=None)
        if unfed is not None:
            track = self._tracks[unfed]
            raise _other_clip(f"the clip ends before frame {track.frames[-1]}, the last of {track.id}")
        return dict(enumerate(self._tracks))


def _other_clip(difference: str) -> TracksError:
    return TracksError(
        f"the stored tracks were made from another clip, or part of it: {difference}; "
        "store the tracks again with --save-tracks"
    )


def _distance(a: FaceRegion, b: FaceRegion) -> float:
    return math.hypot(a.center_x - b.center_x, a.center_y - b.center_y)


def _same(a: FaceRegion, b: FaceRegion) -> bool:
    return _distance(a, b) < SAME_FACE * max(a.size, b.size)


def _seal(track: _OpenTrack, layout: LandmarkLayout) -> FaceTrack | None:
    """Turn a grown track into a record without the unseen frames at its end; None if it is too little.

    The rows move over block by block: a long track is large.
    """
    if len(track.seen) < MIN_FRAMES:
        return None
    length, flat = track.seen[-1] + 1, 2 * layout.count
    xy = np.empty((length, layout.count, 2), np.float32)
    depth = np.empty((length, layout.count), np.float16) if track.deep else None
    scores = np.empty(length, np.float32)
    for place, rows in track.rows.take(length):
        scores[place] = np.nan_to_num(rows[:, 0])
        xy[place] = rows[:, 1 : 1 + flat].reshape(-1, layout.count, 2)
        if depth is not None:
            depth[place] = rows[:, 1 + flat :]
    times, frames = np.array(track.times_s[:length]), np.array(track.frames[:length])
    sealed = FaceTrack(f"key-{track.key}", layout, times, frames, xy, depth, scores)
    return sealed if sealed.interocular_px >= MIN_INTEROCULAR_PX else None
