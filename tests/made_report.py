"""Examinations for the tests of the report: hostile in every text, or two hours long."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np

from analyses import VIDEO, analysis
from drawn_face import face_points
from lipaccord.landmarks.layouts import IBUG_68
from lipaccord.records import (
    Examination,
    FaceTrack,
    FloatArray,
    Interval,
    MouthMotion,
    MouthPrediction,
    Segment,
    Series,
    Sound,
    SpeechActivity,
    TextureTrack,
    Tracks,
)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202egnp{{7*7}}"
"""Ends a script, begins one, makes an element, ends an attribute, turns the direction of text, calls a template."""
FIXED = frozenset({"status", "finding", "cue", "sha256", "name", "code"})
"""Fields whose values come from a list in the program, or are hashes, and so can't be hostile."""


def made_hostile(value: Any, name: str = "") -> Any:
    """Return a record with `HOSTILE` after every text in it that is free."""
    if isinstance(value, str):
        return value if name in FIXED or not value else value + HOSTILE
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return dataclasses.replace(value, **{key: made_hostile(one, key) for key, one in fields.items()})
    if isinstance(value, dict):
        return {key: made_hostile(one, key) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(made_hostile(one, name) for one in value)
    return value


RATE_HZ, CLOCK_HZ, SOUND_HZ = 25, 100, 4_000
NOISE_PERIOD = 100_003


def _noise(*shape: int) -> FloatArray:
    """Return noise that comes again only after longer than a packer remembers."""
    again: FloatArray = np.random.default_rng(0).normal(size=NOISE_PERIOD).astype(np.float32)
    return np.resize(again, shape)


@cache
def long_examination(hours: float, more_series: int = 0) -> Examination:
    """Return what examining a face of `hours` might give: noise throughout, which packs worst."""
    frames, clock = round(hours * 3600 * RATE_HZ), round(hours * 3600 * CLOCK_HZ)
    times_s, clock_s, end_s = np.arange(frames) / RATE_HZ, np.arange(clock) / CLOCK_HZ, hours * 3600
    shape = face_points(IBUG_68, 1.0, (0.0, 0.0)).xy + 0.02 * _noise(frames, 68, 2)
    points = 160 + 80 * shape
    face = FaceTrack("face-1", IBUG_68, times_s, np.arange(frames), points, None, np.ones(frames, np.float32))
    lips = shape[:, list(IBUG_68.lips)]
    ones, none = np.ones(frames, np.float32), np.ones((frames, 0), np.float32)
    opening = np.abs(_noise(frames))
    mouth = MouthMotion(
        *(times_s, lips, IBUG_68.native_lips, opening, ones, np.zeros((frames, 3), np.float32), 80 * ones),
        valid=np.ones(frames, bool),
        exclusions={},
    )
    texture = TextureTrack(times_s, (), (), none[..., None][..., :0], none, none, none, ones, ones, ones)
    heard = np.ones(clock, np.float32)
    spoken = tuple(Interval(start, start + 4.0) for start in range(0, int(end_s) - 4, 5))
    flat = np.zeros((clock, 1), np.float32)
    tracks = Tracks(
        *(face, mouth, texture, {}, {}, SpeechActivity(clock_s, heard, heard, spoken)),
        MouthPrediction(clock_s, flat, flat, flat, np.ones((2, 1), np.float32)),
    )
    names = ["mouth.opening", "mouth.opening_predicted", "mouth.opening_predicted_spread"]
    names += [f"blur.row_{row}" for row in range(more_series)]
    timeline = {name: Series(name, "spreads", times_s, _noise(frames)) for name in names}
    video = dataclasses.replace(VIDEO, counted_frames=frames, counted_duration_s=end_s, gaps=())
    base = analysis(
        segments=tuple(Segment(Interval(at, at + 2.0), "sync", 2.0, "Other sound.") for at in range(0, int(end_s), 60)),
        timeline=timeline,
        versions={"lipaccord": "0.0.1"},
    )
    clip = dataclasses.replace(base.clip, path="long.mp4", duration_s=end_s, video=video)
    return Examination(
        dataclasses.replace(base, clip=clip),
        times_s,
        Sound(0.1 * _noise(round(end_s * SOUND_HZ)), SOUND_HZ, 0.0),
        (face,),
        tracks,
        np.repeat(lips, CLOCK_HZ // RATE_HZ, axis=0),
    )
