"""Tracks of a talking face whose truth is known, for the tests of the cues."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.ndimage import gaussian_filter1d

from drawn_face import face_points, face_track, mouth_motion, skin
from lipaccord.cues import load_probes
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import (
    FloatArray,
    Frame,
    Interval,
    MouthPrediction,
    ProbeTrack,
    SpeechActivity,
    SpliceTrack,
    TextureTrack,
    Tracks,
)
from lipaccord.watch import FaceWatch

RATE_HZ = 25.0
COMPONENTS = 4
SECONDS = 12.0
EYES_PX = 90.0


def movement(seed: int, count: int) -> FloatArray:
    """Mouth components of unit power on the 100 Hz clock [shape=(count, COMPONENTS)]."""
    values = gaussian_filter1d(np.random.default_rng(seed).normal(size=(count, COMPONENTS)), 4.0, axis=0)
    unit: FloatArray = (values / values.std()).astype(np.float32)
    return unit


@functools.cache
def _measured(frames: int) -> tuple[TextureTrack, dict[str, ProbeTrack]]:
    """Texture and probes of a face of three pictures that take turns."""
    side = int(4.6 * EYES_PX)
    points = face_points(MEDIAPIPE_478, EYES_PX, (side / 2, 0.36 * side))
    track = face_track(MEDIAPIPE_478, [points] * frames, RATE_HZ)
    pictures = [skin(side, side, seed, 20.0) for seed in range(3)]
    watch = FaceWatch(MEDIAPIPE_478, load_probes())
    for index, time_s in enumerate(track.times_s):
        watch.look(Frame(index, float(time_s), pictures[index % 3]), points)
    return watch.texture(track, mouth_motion(track, EYES_PX)), watch.probes(track)


def splices(frames: int) -> dict[str, SpliceTrack]:
    """Return what the splice networks might say of every second frame of an authentic face."""
    times = np.arange(0, frames - 1, 2) / RATE_HZ
    scores = (0.3 * np.random.default_rng(0).normal(size=(2, len(times)))).astype(np.float32)
    track = SpliceTrack(times, scores, np.zeros((37, 30), np.float32))
    return {"lower": track, "face": track}


def talking(late: int = 0, noise: float = 0.7, seed: int = 0, seconds: float = SECONDS) -> Tracks:
    """Speech throughout, over a mouth that follows it; the sound comes `late` frames of 10 ms late."""
    count, frames = round(seconds * 100) + 1, round(seconds * RATE_HZ) + 1
    observed = movement(seed, count)
    heard = np.roll(observed, late, axis=0) + noise * movement(seed + 100, count)
    side = int(4.6 * EYES_PX)
    points = face_points(MEDIAPIPE_478, EYES_PX, (side / 2, 0.36 * side))
    track = face_track(MEDIAPIPE_478, [points] * frames, RATE_HZ)
    opening = (0.12 + 0.04 * observed[::4, 0]).astype(np.float32)
    mouth = dataclasses.replace(mouth_motion(track, EYES_PX), opening=opening)
    times = np.arange(count) / 100
    activity = SpeechActivity(
        times, np.ones(count, np.float32), np.full(count, -20, np.float32), (Interval(0.0, seconds),)
    )
    weights = np.full((2, COMPONENTS), 1 / (2 * COMPONENTS), np.float32)
    prediction = MouthPrediction(times, heard, np.ones_like(observed), observed, weights)
    texture, probes = _measured(frames)
    return Tracks(track, mouth, texture, probes, splices(frames), activity, prediction)


def with_observed(tracks: Tracks, observed: FloatArray) -> Tracks:
    """Return the tracks with another observed mouth."""
    return dataclasses.replace(tracks, prediction=dataclasses.replace(tracks.prediction, observed=observed))


def with_heard(tracks: Tracks, mean: FloatArray) -> Tracks:
    """Return the tracks with another predicted mouth."""
    return dataclasses.replace(tracks, prediction=dataclasses.replace(tracks.prediction, mean=mean))


def with_speech(tracks: Tracks, *stretches: tuple[float, float]) -> Tracks:
    """Return the tracks with speech in other places."""
    intervals = tuple(Interval(*stretch) for stretch in stretches)
    return dataclasses.replace(tracks, activity=dataclasses.replace(tracks.activity, stretches=intervals))


def with_opening(tracks: Tracks, opening: FloatArray) -> Tracks:
    """Return the tracks with another opening of the mouth."""
    return dataclasses.replace(tracks, mouth=dataclasses.replace(tracks.mouth, opening=opening))


def unseen(tracks: Tracks) -> Tracks:
    """Return the tracks of a face of which nothing could be measured."""
    mouth, texture = tracks.mouth, tracks.texture
    nothing = SpliceTrack(np.zeros(0), np.zeros((2, 0), np.float32), np.zeros((37, 30), np.float32))
    probes = {
        name: dataclasses.replace(probe, values=np.full_like(probe.values, np.nan))
        for name, probe in tracks.probes.items()
    }
    return dataclasses.replace(
        with_observed(tracks, np.full_like(tracks.prediction.observed, np.nan)),
        mouth=dataclasses.replace(
            mouth,
            valid=np.zeros_like(mouth.valid),
            opening=np.full_like(mouth.opening, np.nan),
            lips=np.full_like(mouth.lips, np.nan),
        ),
        texture=dataclasses.replace(
            texture,
            energy=np.full_like(texture.energy, np.nan),
            gradient=np.full_like(texture.gradient, np.nan),
            interocular_px=np.full_like(texture.interocular_px, np.nan),
        ),
        probes=probes,
        splices=dict.fromkeys(tracks.splices, nothing),
    )
