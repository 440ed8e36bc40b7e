"""Each clip's sound against others': what the finding sync is judged and calibrated on.

Clips whose sound was recorded together with the picture are cut into windows that are measurable and mostly speech.
Every window is heard by itself, as if it were the whole clip: with its own sound, and with the sound of windows of the
same length from clips of other groups. So a few authentic clips give both classes, with the same faces, the same
voices and the same lengths in each (as for the "wrong" pairs of Chung and Zisserman, "Out of time", ACCV Workshops
2016). Which others a window meets depends on the names of both alone.

Conventions: 100 Hz clock; truth 1 = apart.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.agreement import RATE_HZ
from lipaccord.bundle import load_bundle
from lipaccord.cues.sync import SyncCue
from lipaccord.errors import EvaluationError
from lipaccord.examining import Job, Record, encoded, keep
from lipaccord.files import write_bytes
from lipaccord.landmarks.replay import read_tracks
from lipaccord.media import open_clip
from lipaccord.mouth import mouth_motion
from lipaccord.pipeline import reference_of
from lipaccord.predictor import Predictor, load_predictor
from lipaccord.records import BoolArray, Evidence, FloatArray, MouthPrediction, SpeechFeatures
from lipaccord.speech import speech_activity, speech_features
from lipaccord.usable import opening_motion

LENGTHS_S = (3, 5, 10)
"""Lengths of the windows, seconds."""

WINDOWS = 3  # of each length, of one clip
OTHERS = 6  # other sounds that a window meets
MEASURABLE, SPOKEN = 0.9, 0.6  # shares of a window

Place = tuple[str, int, int]
"""Of a window: the clip's SHA-256, its first frame and its length in frames."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip as the windows are cut from it.

    Attributes
    ----------
    features : ndarray of float32 [shape=(N, D)]
    speech : ndarray of bool [shape=(N,)]
    observed : ndarray of float32 [shape=(N, C)]
        Mouth components, NaN where unknown.
    motion : ndarray of float64 [shape=(N,)]
        Of the mouth (`usable.opening_motion`).
    eyes_px : float
    """

    features: FloatArray
    speech: BoolArray
    observed: FloatArray
    motion: NDArray[np.float64]
    eyes_px: float

    def windows(self, sha256: str) -> list[Place]:
        """List the windows of every length, from the start of the clip on."""
        found: list[Place] = []
        for seconds in LENGTHS_S:
            length = seconds * RATE_HZ
            starts = range(0, len(self.speech) - length + 1, length)
            usable = [start for start in starts if self._is_usable(slice(start, start + length))]
            found += [(sha256, start, length) for start in usable[:WINDOWS]]
        return found

    def _is_usable(self, rows: slice) -> bool:
        known = np.isfinite(self.observed[rows, 0]).mean()
        return bool(known >= MEASURABLE and self.speech[rows].mean() >= SPOKEN)


def _saved(heard: Heard) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **{name: getattr(heard, name) for name in Heard.__slots__})
    return packed.getvalue()


def load_heard(path: Path) -> Heard:
    """Read what `hear` kept.

    Raises
    ------
    EvaluationError
        It is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in Heard.__slots__}
        heard = Heard(**(arrays | {"eyes_px": float(arrays["eyes_px"])}))
        if {len(heard.features), len(heard.observed), len(heard.motion)} != {len(heard.speech)}:
            raise ValueError("its arrays are of different lengths")
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"the kept sound {path} can't be read ({error}); delete it and run again") from error
    return heard


def hear(job: Job) -> Record:
    """Lay the mouth of an examined clip beside its sound, and keep both; its face must be known."""
    part = (job.settings.start_s, job.settings.end_s)
    bundle = load_bundle(job.bundle)
    predictor = load_predictor(bundle.files["predictor.safetensors"])
    with open_clip(encoded(job), start_s=part[0], end_s=part[1]) as reader:
        sound = reader.sound()
    features, activity = speech_features(sound, predictor.shape.features), speech_activity(sound)
    track = next(one for one in read_tracks(job.tracks(job.rung)).tracks if one.id == job.face)
    mouth = mouth_motion(track)
    observed = predictor.observe(features.times_s, mouth)
    motion = opening_motion(mouth, features.times_s, np.isfinite(observed[:, 0]))
    heard = Heard(
        features.values, activity.speech, observed, motion, float(np.median(mouth.interocular_px[mouth.valid]))
    )
    write_bytes(job.heard_at, _saved(heard))
    return keep(job.heard, {"windows": heard.windows(job.sha256)})


@dataclass(frozen=True, slots=True)
class Meeting:
    """The windows of one clip and the other windows that they meet: one piece of work.

    Attributes
    ----------
    job : Job
    own : tuple of Place
    others : tuple of tuple of Place
        For each of `own`.
    jobs : dict of str to Job
        Of every clip that is met, by SHA-256.
    """

    job: Job
    own: tuple[Place, ...]
    others: tuple[tuple[Place, ...], ...]
    jobs: dict[str, Job]

    @property
    def kept_at(self) -> Path:
        """Where the result is kept; its name depends on everything that is met."""
        digest = hashlib.sha256(repr((self.own, self.others)).encode()).hexdigest()
        return self.job.heard.with_suffix(f".{digest[:12]}.json")


def meetings(jobs: Sequence[Job], groups: Sequence[str], windows: Sequence[Sequence[Place]]) -> list[Meeting]:
    """Deal out which windows meet: of the same length and another group, in an order that depends on both alone."""
    everything = [(group, place) for group, places in zip(groups, windows, strict=True) for place in places]
    by_sha = {job.sha256: job for job in jobs}
    result = []
    for job, group, own in zip(jobs, groups, windows, strict=True):
        others = tuple(_others(place, [p for g, p in everything if g != group and p[2] == place[2]]) for place in own)
        met = {place[0]: by_sha[place[0]] for row in others for place in row}
        result.append(Meeting(job, tuple(own), others, met))
    return result


def _others(place: Place, there: Sequence[Place]) -> tuple[Place, ...]:
    ordered = sorted(there, key=lambda other: hashlib.sha256(repr((place, other)).encode()).digest())
    return tuple(ordered[:OTHERS])


def _listened(predictor: Predictor, heard: Heard, place: Place) -> tuple[FloatArray, FloatArray]:
    """Predict the mouth from the sound of one window, by itself."""
    values = heard.features[place[1] : place[1] + place[2]]
    times = np.arange(len(values)) / RATE_HZ
    return predictor.hear(SpeechFeatures(predictor.shape.features, times, values))


def _row(evidence: Evidence, mouth: Place, sound: Place, eyes_px: float) -> dict[str, Any]:
    return {
        "truth": int(mouth != sound),
        "sound": sound[0],
        "length_s": mouth[2] / RATE_HZ,
        "start_s": mouth[1] / RATE_HZ,
        "sound_start_s": sound[1] / RATE_HZ,
        "version": evidence.version,
        "score": evidence.score,
        "conditions": {"speech_s": evidence.details["examined_s"], "eyes_px": eyes_px},
        "abstained": [reason.code for reason in evidence.abstained],
        "details": evidence.details,
    }


def meet(meeting: Meeting) -> Record:
    """Judge every window of a clip with its own sound and with the sounds that it meets."""
    job = meeting.job
    bundle = load_bundle(job.bundle)
    predictor = load_predictor(bundle.files["predictor.safetensors"])
    cue = SyncCue(job.settings, reference_of(bundle))
    loaded = {sha256: load_heard(one.heard_at) for sha256, one in meeting.jobs.items()}
    own = load_heard(job.heard_at)
    rows = []
    for mouth, others in zip(meeting.own, meeting.others, strict=True):
        stretch = slice(mouth[1], mouth[1] + mouth[2])
        for sound in (mouth, *others):
            source = own if sound == mouth else loaded[sound[0]]
            mean, spread = _listened(predictor, source, sound)
            times = np.arange(len(mean)) / RATE_HZ
            prediction = MouthPrediction(times, mean, spread, own.observed[stretch], predictor.weights)
            speech = source.speech[sound[1] : sound[1] + sound[2]]
            rows.append(_row(cue.judge(prediction, speech, own.motion[stretch]), mouth, sound, own.eyes_px))
    return keep(meeting.kept_at, {"rows": rows})
