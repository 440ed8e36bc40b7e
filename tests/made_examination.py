"""Examinations of a drawn face whose truth is known, for the tests of what shows the evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from analyses import CLIP, VIDEO, analysis
from drawn_face import face_points, face_track, mouth_motion
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import (
    Evidence,
    Examination,
    FacePoints,
    Finding,
    FloatArray,
    Interval,
    LandmarkLayout,
    MouthPrediction,
    Sound,
    SpeechActivity,
    TextureTrack,
    TimeArray,
    Tracks,
)

SILENCE = Sound(np.zeros(100, np.float32), 16_000, 0.0)
NOTHING = Examination(analysis(), np.zeros(1), SILENCE, (), None, None)
"""No face was examined."""


def own_lips(layout: LandmarkLayout = MEDIAPIPE_478) -> FloatArray:
    """Lips in the face's own frame of reference, as drawn [shape=(K, 2)]."""
    lips: FloatArray = face_points(layout, 1.0, (0.0, 0.0)).xy[list(layout.lips)]
    return lips


def opened(by: float, layout: LandmarkLayout = MEDIAPIPE_478) -> FloatArray:
    """Return the same lips with the lower ones that much further down, eye distances [shape=(K, 2)]."""
    lips = own_lips(layout)
    lips[lips[:, 1] > lips[:, 1].mean() + 1e-3, 1] += by
    return lips


def examined(
    points: Sequence[FacePoints | None],
    clock_s: TimeArray,
    predicted: FloatArray,
    layout: LandmarkLayout = MEDIAPIPE_478,
) -> Examination:
    """Return an examination of a face at given points in successive pictures, 25 a second, with predicted lips.

    The observed lips stay as drawn; somebody speaks all the time; nothing else was measured.
    """
    track = face_track(layout, list(points))
    length, count = len(points), len(clock_s)
    lips = np.repeat(own_lips(layout)[None], length, axis=0)
    lips[~track.seen] = np.nan
    mouth = dataclasses.replace(mouth_motion(track, 80.0), lips=lips)
    ones, none = np.ones(length, np.float32), np.ones((length, 0), np.float32)
    texture = TextureTrack(track.times_s, (), (), none[..., None][..., :0], none, none, none, ones, ones, ones)
    heard, flat = np.ones(count, np.float32), np.zeros((count, 1), np.float32)
    activity = SpeechActivity(clock_s, heard, heard, (Interval(-1e3, 1e3),))
    prediction = MouthPrediction(clock_s, flat, flat, flat, np.ones((2, 1), np.float32))
    tracks = Tracks(track, mouth, texture, {}, {}, activity, prediction)
    return Examination(analysis(), track.times_s, SILENCE, (track,), tracks, predicted)


def with_mouth(examination: Examination, lips: FloatArray, opening: FloatArray) -> Examination:
    """Return the examination with other observed lips."""
    assert examination.tracks is not None
    mouth = dataclasses.replace(examination.tracks.mouth, lips=lips, opening=opening)
    return dataclasses.replace(examination, tracks=dataclasses.replace(examination.tracks, mouth=mouth))


def with_face(examination: Examination, points: FloatArray) -> Examination:
    """Return the examination with the face elsewhere in the picture."""
    assert examination.tracks is not None
    face = dataclasses.replace(examination.tracks.face, points=points)
    return dataclasses.replace(examination, tracks=dataclasses.replace(examination.tracks, face=face))


def with_analysis(
    examination: Examination, *findings: Finding, sha256: str = CLIP.sha256, size: tuple[int, int] = (640, 360)
) -> Examination:
    """Return the examination with these findings alone, of a clip with that identity and size of picture."""
    video = dataclasses.replace(VIDEO, width=size[0], height=size[1])
    clip = dataclasses.replace(CLIP, sha256=sha256, video=video)
    by_name = {finding.name: finding for finding in findings}
    return dataclasses.replace(examination, analysis=analysis(clip=clip, findings=by_name))


def finding(*cues: Evidence, status: str = "inconclusive", **details: object) -> Finding:
    """Return a finding of given cues: sync if the first of them is."""
    return Finding(cues[0].finding, status, 0.5, None, None, (), cues, dict(details))


def evidence(cue: str, score: float | None = 1.0, **changes: object) -> Evidence:
    """Return what a cue measured."""
    name = "sync" if cue == "sync" else "resynthesis"
    return Evidence(cue, "1", name, score, f"The cue {cue}.", **changes)  # type: ignore[arg-type]
