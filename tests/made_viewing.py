"""Small clips with the examination of a face that the test placed, for the tests of the viewing copies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from analyses import SYNC, analysis
from clips import clicks, write_clip
from drawn_face import face_points, face_track, mouth_motion
from lipaccord.findings import nothing_to_examine
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.media import open_clip
from lipaccord.records import (
    Analysis,
    Clip,
    Evidence,
    Examination,
    FaceTrack,
    Finding,
    FloatArray,
    Image,
    Interval,
    MouthPrediction,
    Reason,
    Series,
    Sound,
    SpeechActivity,
    TextureTrack,
    TimeArray,
    Tracks,
)

WIDTH, HEIGHT, RATE_HZ = 320, 240, 25
EYES_PX, MIDDLE = 60.0, (160.0, 90.0)
LOWER = 0.35
"""Eye distances by which the speech asks for lips further down."""
FIGURES = {"usual_agreement": 0.27, "null_mean": 0.0}


def grey(count: int, width: int = WIDTH, height: int = HEIGHT) -> Iterable[Image]:
    """Yield pictures of one middle grey."""
    return (np.full((height, width, 3), 110, np.uint8) for _ in range(count))


def a_clip(
    folder: Path,
    frames: Iterable[Image],
    *,
    name: str = "clip.mp4",
    start_s: float = 0.0,
    sound_start_s: float = 0.0,
    click_s: float = 0.6,
    seconds: float = 1.0,
) -> Path:
    """Write pictures from `start_s` on, and sound with a click at `click_s` of the clip's clock."""
    path = folder / name
    sound = clicks(seconds, 48_000, at_s=[click_s - sound_start_s])
    write_clip(path, frames=frames, rate=RATE_HZ, start_s=start_s, sound=sound, sound_start_s=sound_start_s)
    return path


def read(
    path: Path, start_s: float | None = None, end_s: float | None = None
) -> tuple[TimeArray, list[Image], Sound, Clip]:
    """Decode a clip: times, pictures, sound, facts."""
    with open_clip(path, start_s=start_s, end_s=end_s) as reader:
        sound, frames = reader.sound(), list(reader.frames())
        return np.array([frame.time_s for frame in frames]), [frame.image for frame in frames], sound, reader.clip()


def click_of(sound: Sound) -> float:
    """Return when the loudest sample is heard."""
    return sound.start_s + float(np.argmax(np.abs(sound.samples))) / sound.rate_hz


def placed_face(times_s: TimeArray, unseen: tuple[int, ...] = ()) -> FaceTrack:
    """Follow a face that stands still, all through a clip."""
    points = face_points(MEDIAPIPE_478, EYES_PX, MIDDLE)
    track = face_track(MEDIAPIPE_478, [None if k in unseen else points for k in range(len(times_s))])
    return dataclasses.replace(track, times_s=times_s)


def measured(face: FaceTrack, clock_s: TimeArray) -> tuple[Tracks, FloatArray]:
    """Return tracks of a face whose speech asks for its lips, but lower; somebody speaks in the first half."""
    own = face_points(MEDIAPIPE_478, 1.0, (0.0, 0.0)).xy[list(MEDIAPIPE_478.lips)]
    lips = np.repeat(own[None], len(face.times_s), axis=0)
    lips[~face.seen] = np.nan
    mouth = dataclasses.replace(mouth_motion(face, EYES_PX), lips=lips)
    ones, none = np.ones(len(face.times_s), np.float32), np.ones((len(face.times_s), 0), np.float32)
    texture = TextureTrack(face.times_s, (), (), none[..., None][..., :0], none, none, none, ones, ones, ones)
    heard, flat = np.ones(len(clock_s), np.float32), np.zeros((len(clock_s), 1), np.float32)
    middle_s = float(clock_s[len(clock_s) // 2])
    activity = SpeechActivity(clock_s, heard, heard, (Interval(float(clock_s[0]), middle_s),))
    prediction = MouthPrediction(clock_s, flat, flat, flat, np.ones((2, 1), np.float32))
    predicted = np.repeat((own + np.array([0.0, LOWER], np.float32))[None], len(clock_s), axis=0)
    return Tracks(face, mouth, texture, {}, {}, activity, prediction), predicted


def timeline_of(tracks: Tracks) -> dict[str, Series]:
    """Return a predicted opening that swings, and an agreement that rises."""
    clock_s = tracks.prediction.times_s
    series = [
        Series("mouth.opening_predicted", "", clock_s, (0.2 + 0.05 * np.sin(9 * clock_s)).astype(np.float32)),
        Series("mouth.opening_predicted_spread", "", clock_s, np.full(len(clock_s), 0.04, np.float32)),
        Series("sync.agreement", "", clock_s[::50], np.linspace(0.1, 0.4, len(clock_s[::50])).astype(np.float32)),
    ]
    return {one.name: one for one in series}


def examined(
    path: Path, *, unseen: tuple[int, ...] = (), part: dict[str, float] | None = None, **changes: Any
) -> Examination:
    """Return the examination of a clip with a placed face; `changes` are the analysis's."""
    times_s, _, sound, clip = read(path, **(part or {}))
    clock_s = np.arange(min(times_s[0], sound.start_s), times_s[-1] + 0.02, 0.01)
    tracks, predicted = measured(placed_face(times_s, unseen), clock_s)
    cue = Evidence("sync", "1", "sync", 0.5, "It agrees.", details=FIGURES)
    base = analysis(
        dataclasses.replace(SYNC, cues=(cue,)),
        clip=clip,
        segments=(),
        timeline=timeline_of(tracks),
        settings=dict(part or {}),
    )
    made: Analysis = dataclasses.replace(base, **changes)
    return Examination(made, times_s, sound, (tracks.face,), tracks, predicted)


def faceless(path: Path) -> Examination:
    """Return the examination of a clip in which no face was found."""
    times_s, _, sound, clip = read(path)
    sync, resynthesis = nothing_to_examine(Reason("no_face", "no face was found in the picture", "show one"))
    findings: dict[Any, Finding] = {"sync": sync, "resynthesis": resynthesis}
    made = analysis(clip=clip, faces=(), findings=findings, segments=(), timeline={}, settings={})
    return Examination(made, times_s, sound, (), None, None)
