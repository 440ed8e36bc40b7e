"""A folder of clips -> examples to train on, cached and grouped by speaker.

Every clip is decoded once with the embedded landmark backend; what training needs is kept in a cache keyed by the
clip's SHA-256, so that an interrupted run goes on where it stopped. Clips whose speakers are not labelled are grouped
by face and voice (a normalised face picture and the long-term spectrum), with a bias to merge too much: one speaker
must not be on both sides of a split.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from lipaccord.errors import LipAccordError, TrainingError
from lipaccord.faces import FaceTracker
from lipaccord.landmarks import load_backend
from lipaccord.landmarks.squares import cut
from lipaccord.media import open_clip
from lipaccord.mouth import mouth_motion
from lipaccord.predictor import on_clock
from lipaccord.records import FloatArray, MouthMotion, Sound
from lipaccord.speech import speech_features

VERSION = "1"  # of the cache
CLIP_TYPES = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".mpg")
FACE_PX = 32
FACE_COMPONENTS, VOICE_COMPONENTS = 24, 10
GROUPS_PER_CLIP = 1 / 170  # coarse on purpose
MIN_LIPS_S = 0.8


@dataclass(frozen=True, slots=True)
class Example:
    """One clip as training sees it, everything on the 100 Hz clock.

    Attributes
    ----------
    name, source : str
        File name, and the folder of the corpus that it comes from.
    features : dict of str to ndarray [shape=(N, D)]
        Speech features by kind.
    lips : ndarray of float32 [shape=(N, 40, 2)]
        Inter-ocular units, NaN where not measurable.
    face, voice : ndarray of float32
        Descriptions of the speaker, for grouping only.
    """

    name: str
    source: str
    features: dict[str, FloatArray]
    lips: FloatArray
    face: FloatArray
    voice: FloatArray


def _read_clip(path: Path) -> dict[str, FloatArray]:
    """Decode one clip; return the arrays of its example."""
    cv2.setNumThreads(1)
    backend = load_backend("mediapipe")
    tracker = FaceTracker(backend, max_faces=1)
    face: FloatArray | None = None
    with open_clip(path) as reader:
        sound = reader.sound()
        for frame in reader.frames():
            for sighting in tracker.feed(frame):
                if face is None:
                    face, _ = cut(frame.image, backend.follow(sighting.points), FACE_PX)
    tracks = sorted(tracker.finish().values(), key=lambda track: -len(track.times_s))
    if not tracks or face is None:
        raise TrainingError(f"{path} shows no face")
    return _arrays(sound, mouth_motion(tracks[0]), face)


def _arrays(sound: Sound, mouth: MouthMotion, face: FloatArray) -> dict[str, FloatArray]:
    features = {kind: speech_features(sound, kind) for kind in ("logmel-40", "mfcc-28")}
    clock = features["logmel-40"].times_s
    flat = mouth.lips.reshape(len(mouth.lips), -1)
    lips = on_clock(mouth.times_s, flat, mouth.valid, clock).reshape(len(clock), -1, 2)
    log_mel = features["logmel-40"].values
    spectrum = log_mel.mean(axis=0) - log_mel.mean()
    grey = face.mean(axis=2)
    return {
        "logmel-40": features["logmel-40"].values,
        "mfcc-28": features["mfcc-28"].values,
        "lips": lips,
        "face": ((grey - grey.mean()) / (grey.std() + 1e-3)).ravel(),
        "voice": np.concatenate([spectrum, log_mel.std(axis=0)]),
    }


def _cached(path: Path, cache: Path) -> Path:
    """Make sure that the cache holds this clip; return its entry."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    entry = cache / f"{digest[:32]}-v{VERSION}.npz"
    if not entry.exists():
        arrays = _read_clip(path)  # first: a clip of no use must leave nothing behind
        temporary = entry.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        temporary.replace(entry)
    return entry


def _try_cached(path: Path, cache: Path) -> Path | str:
    """Like `_cached`, but give the reason back where the clip is of no use."""
    try:
        return _cached(path, cache)
    except LipAccordError as error:
        return str(error)


def _load(entry: Path, path: Path, data: Path) -> Example:
    try:
        with entry.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            features = {kind: arrays[kind] for kind in ("logmel-40", "mfcc-28")}
            lips, face, voice = (arrays[name] for name in ("lips", "face", "voice"))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"the cache entry {entry} is damaged ({error}); delete it and train again") from error
    source = path.relative_to(data).parts[0] if path.parent != data else "."
    return Example(path.name, source, features, lips, face, voice)


def read_corpus(data: Path, cache: Path, progress: Callable[[float], None]) -> tuple[list[Example], list[str]]:
    """Read every clip below a folder, two or more at a time.

    Parameters
    ----------
    data : Path
        Each folder in it is one source (a speaker, or footage whose speakers are unlabelled).
    cache : Path
        Folder for the decoded examples; made where missing.
    progress : callable
        Told the fraction done.

    Returns
    -------
    list of Example, list of str
        Examples in the order of their paths, and why the other clips were left out.

    Raises
    ------
    TrainingError
        There is no clip, or the cache is damaged.
    """
    paths = sorted(path for path in data.rglob("*") if path.suffix.lower() in CLIP_TYPES)
    if not paths:
        raise TrainingError(f"{data} holds no clip ({', '.join(CLIP_TYPES)}); name the folder that holds them")
    cache.mkdir(parents=True, exist_ok=True)
    outcome: dict[Path, Path | str] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        jobs = {pool.submit(_try_cached, path, cache): path for path in paths}
        for done, job in enumerate(as_completed(jobs), start=1):
            outcome[jobs[job]] = job.result()
            progress(done / len(paths))
    examples, left_out = [], []
    for path in paths:
        entry = outcome[path]
        if isinstance(entry, str):
            left_out.append(entry)
            continue
        example = _load(entry, path, data)
        if np.isfinite(example.lips[:, 0, 0]).sum() < MIN_LIPS_S * 100:
            left_out.append(f"{path} shows a measurable mouth for less than {MIN_LIPS_S} s")
        else:
            examples.append(example)
    return examples, left_out


def _components(vectors: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Leading principal components, of unit mean square length together."""
    centred = vectors - vectors.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    scores = left[:, :count] * singular[:count]
    normalised: NDArray[np.float64] = scores / np.sqrt((scores**2).sum(axis=1).mean() + 1e-12)
    return normalised


def group_speakers(examples: list[Example]) -> list[str]:
    """Give each example the name of its group; examples of one speaker share one.

    Clips are clustered by face and voice (Ward, 1963), coarsely: a group may hold several speakers. Sources are never
    merged.
    """
    count = max(1, round(len(examples) * GROUPS_PER_CLIP))
    if len(examples) < 2 or count == 1:
        return [f"{example.source}/1" for example in examples]
    face = _components(np.array([example.face for example in examples], np.float64), FACE_COMPONENTS)
    voice = _components(np.array([example.voice for example in examples], np.float64), VOICE_COMPONENTS)
    labels = fcluster(linkage(np.hstack([face, voice]), "ward"), count, "maxclust")
    return [f"{example.source}/{label}" for example, label in zip(examples, labels, strict=True)]
