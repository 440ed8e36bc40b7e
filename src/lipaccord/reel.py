"""A clip of moderate size, or a part of it, held in memory with its sound and its faces.

Conventions: where a part is taken, times count from its start; `Reel.offset_s` is what was taken off.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lipaccord.errors import SettingsError, SimulationError
from lipaccord.faces import FaceTracker
from lipaccord.footage import Footage
from lipaccord.landmarks import load_backend
from lipaccord.media import ClipReader, open_clip
from lipaccord.records import FaceTrack, Frame, Interval, Sound

MAX_BYTES = 2**31
"""Of uncompressed pictures: 93 s of 640 x 480 at 25 frames a second, 31 s of 1280 x 720."""

BACKEND = "mediapipe"
SAME_TIME_S = 1e-6
LEAST_SOUND_S = 1.0

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Reel:
    """A clip, or a part of it, in memory.

    Attributes
    ----------
    path, sha256 : str
        Of the source.
    frames : tuple of Frame
    sound : Sound
    offset_s : float
        What was taken off the source's times.
    tracks : tuple of FaceTrack
        Of the frames as they are here.
    landmarks : str or None
        Name and version of what found them; None where faces were not looked for.
    """

    path: str
    sha256: str
    frames: tuple[Frame, ...]
    sound: Sound
    offset_s: float
    tracks: tuple[FaceTrack, ...]
    landmarks: str | None

    @property
    def end_s(self) -> float:
        """When the last frame ends."""
        times = [frame.time_s for frame in self.frames]
        return times[-1] + (float(np.median(np.diff(times))) if len(times) > 1 else 0.0)

    def face(self, name: str | None = None) -> FaceTrack:
        """Return a face by its name, or the one that is largest and longest seen.

        Raises
        ------
        SimulationError
            There is none.
        """
        if not self.tracks:
            raise SimulationError(f"no face was found in {self.path!r}: name another clip or another part of it")
        if name is None:
            return max(self.tracks, key=lambda track: float(track.seen.sum()) * track.interocular_px)
        for track in self.tracks:
            if track.id == name:
                return track
        there = ", ".join(track.id for track in self.tracks)
        raise SimulationError(f"there is no face {name!r} in {self.path!r}; there are: {there}")

    def footage(self, track: FaceTrack) -> Footage:
        """Return all pictures with the landmarks of one face."""
        points = np.full((len(self.frames), *track.points.shape[1:]), np.nan, np.float32)
        points[track.frames] = track.points
        return Footage([frame.image for frame in self.frames], points, track.layout)

    def part(self, from_s: float | None, to_s: float | None) -> range:
        """Return the frames of a stretch given on the source's clock.

        Raises
        ------
        SettingsError
            It holds none.
        """
        times = np.array([frame.time_s for frame in self.frames]) + self.offset_s
        start = 0 if from_s is None else int(np.searchsorted(times, from_s - 1e-9))
        stop = len(times) if to_s is None else int(np.searchsorted(times, to_s - 1e-9))
        if start >= stop:
            raise SettingsError(f"there is no picture from {from_s} s to {to_s} s: name another stretch to manipulate")
        return range(start, stop)

    def interval(self, part: range) -> Interval:
        """Return when a part is shown, on the clock of the new clip."""
        end_s = self.frames[part.stop].time_s if part.stop < len(self.frames) else self.end_s
        return Interval(self.frames[part.start].time_s, end_s)


def read_reel(
    path: str | os.PathLike[str],
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    with_faces: bool = True,
    seen_s: float | None = None,
    progress: Progress | None = None,
) -> Reel:
    """Decode a clip into memory and follow its faces.

    Parameters
    ----------
    path : path
    start_s, end_s : float, optional
        Part to take.
    with_faces : bool
        Without, there are no tracks.
    seen_s : float, optional
        Stop once a face has been seen for so long.
    progress : callable, optional
        Told the fraction of the clip that is read.

    Returns
    -------
    Reel

    Raises
    ------
    MediaError
        The clip can't be examined at all.
    SettingsError
        The part lies outside of the clip.
    SimulationError
        The pictures take more than `MAX_BYTES`.
    """
    cv2.setNumThreads(1)
    offset_s, backend = start_s or 0.0, load_backend(BACKEND) if with_faces else None
    tracker = None if backend is None else FaceTracker(backend)
    with open_clip(path, start_s=start_s, end_s=end_s) as reader:
        frames = _collected(reader, offset_s, tracker, seen_s, progress)
        heard = reader.sound()
    sound = Sound(heard.samples, heard.rate_hz, heard.start_s - offset_s)
    if seen_s is not None:
        kept_s = max(frames[-1].time_s - sound.start_s, LEAST_SOUND_S)
        sound = Sound(sound.samples[: round(kept_s * sound.rate_hz)], sound.rate_hz, sound.start_s)
    tracks = () if tracker is None else tuple(tracker.finish().values())
    landmarks = None if backend is None else f"{backend.name} {backend.version}"
    return Reel(reader.path, reader.sha256, tuple(frames), sound, offset_s, tracks, landmarks)


def _collected(
    reader: ClipReader,
    offset_s: float,
    tracker: FaceTracker | None,
    seen_s: float | None,
    progress: Progress | None,
) -> list[Frame]:
    """Decode the pictures and let the tracker see each, until a face has been seen for long enough."""
    frames: list[Frame] = []
    first_s, held = math.inf, 0
    for frame in reader.frames():
        moved = Frame(frame.index, frame.time_s - offset_s, frame.image)
        if seen_s is not None and moved.time_s - first_s > seen_s - SAME_TIME_S:
            break
        held += frame.image.nbytes
        if held > MAX_BYTES:
            raise SimulationError(
                f"the pictures of {reader.path!r} take more than the limit of {MAX_BYTES:,} bytes "
                f"after {moved.time_s:.1f} s: take a part of it with --start and --end"
            )
        frames.append(moved)
        if tracker is not None and tracker.feed(moved):
            first_s = min(first_s, moved.time_s)
        if progress is not None and reader.claimed_duration_s:
            progress(min(1.0, max(0.0, moved.time_s / reader.claimed_duration_s)))
    return frames
