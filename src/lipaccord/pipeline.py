"""analyze(path) -> Analysis, examine(path) -> with what it was made from: the one place that knows the order.

The picture is decoded once; landmarks and texture are taken frame by frame as it streams by. With more than one thread,
decoding, landmarks and texture run as an assembly line beside the sound; each stage still sees every frame in
order, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import lipaccord
from lipaccord.agreement import RATE_HZ, Reference, lag_curve, support
from lipaccord.assembly import AHEAD, InlineExecutor, LineExecutor, brisk_switching, prefetched
from lipaccord.bundle import Bundle, load_bundle
from lipaccord.calibration import Calibrations
from lipaccord.calibration_reading import load_calibrations
from lipaccord.combination import Combination, load_combination
from lipaccord.conditions import conditions_of
from lipaccord.cues import load_cues, load_probes
from lipaccord.errors import BundleError, SettingsError, TracksError
from lipaccord.faces import FaceTracker, StoredTracker
from lipaccord.findings import LIMITS, nothing_to_examine, resynthesis_finding, sync_finding, triage
from lipaccord.landmarks import load_backend, replay
from lipaccord.media import ClipReader, open_clip
from lipaccord.mouth import MIN_INTEROCULAR_PX, mouth_motion, opening_of
from lipaccord.predictor import Predictor, load_predictor
from lipaccord.records import (
    Analysis,
    Evidence,
    Examination,
    FaceSummary,
    FaceTrack,
    Finding,
    Frame,
    LandmarkBackend,
    LandmarkLayout,
    MouthMotion,
    MouthPrediction,
    Reason,
    Segment,
    Series,
    Sound,
    SpeechActivity,
    SpeechFeatures,
    Tracks,
)
from lipaccord.settings import Settings
from lipaccord.speech import make_ready, speech_activity, speech_features
from lipaccord.splicing import Splicer, load_splicers
from lipaccord.watch import FaceWatch

LIBRARIES = ("av", "ai-edge-litert", "librosa", "numpy", "opencv-python", "scipy", "silero-vad", "torch")
OPENING_UNIT = "inter-ocular distances"
MIN_MOUTH_FRAMES = 10  # measurable, for a face to be examined at all
_UNMEASURABLE = Reason(
    "no_measurable_mouth",
    f"no face is large, frontal and clear enough to measure its mouth in {MIN_MOUTH_FRAMES} frames",
    "use a longer stretch, or another one, in which a face looks towards the camera, or a copy in which its eyes are "
    f"{MIN_INTEROCULAR_PX:g} pixels apart or more",
)
_NO_FACE = Reason(
    "no_face",
    "no face was found in the picture",
    "use a stretch that shows a face from the front, or a copy with more pixels",
)

Progress = Callable[[float], None]


@dataclass(slots=True)
class _Watched:
    """What was taken from the picture: its times, face tracks and what was measured of them, by key."""

    times_s: list[float] = field(default_factory=list)
    tracks: dict[int, FaceTrack] = field(default_factory=dict)
    faces: dict[int, FaceWatch] = field(default_factory=dict)


def _watch(
    frames: Iterator[Frame], tracker: FaceTracker | StoredTracker, layout: LandmarkLayout, worker: Executor
) -> _Watched:
    """Follow the faces and measure them while the frames stream by."""
    watched = _Watched()
    pending: deque[Future[None]] = deque()
    for frame in frames:
        watched.times_s.append(frame.time_s)
        for sighting in tracker.feed(frame):
            if sighting.key not in watched.faces:
                watched.faces[sighting.key] = FaceWatch(layout, load_probes())
            pending.append(worker.submit(watched.faces[sighting.key].look, frame, sighting.points))
        while len(pending) > AHEAD:
            pending.popleft().result()
    while pending:
        pending.popleft().result()
    watched.tracks = tracker.finish()
    return watched


def _reported(frames: Iterator[Frame], reader: ClipReader, progress: Progress | None) -> Iterator[Frame]:
    """Pass frames on, telling how much of the claimed duration they have covered."""
    claimed = reader.claimed_duration_s
    for frame in frames:
        if progress is not None and claimed and frame.index % 10 == 0:
            progress(min(1.0, max(0.0, frame.time_s / claimed)))
        yield frame
    if progress is not None:
        progress(1.0)


def _listen(decode: Callable[[], Sound], weights: bytes) -> tuple[Predictor, SpeechFeatures, SpeechActivity]:
    """Decode the sound and make ready what hears it."""
    predictor = load_predictor(weights)
    sound = decode()
    return predictor, speech_features(sound, predictor.shape.features), speech_activity(sound)


def _backend(
    settings: Settings, weights: Path | None, tracks: Path | None, clip_sha256: str
) -> tuple[LandmarkBackend, FaceTracker | StoredTracker]:
    """Make the landmark backend and what follows faces with it."""
    if settings.landmarks != "replay":
        if tracks is not None:
            raise SettingsError("stored tracks are read by the landmark backend 'replay' only; add --landmarks replay")
        backend = load_backend(settings.landmarks, weights)
        return backend, FaceTracker(backend, settings.max_faces)
    stored = replay.create(tracks)
    if stored.clip_sha256 != clip_sha256:
        raise TracksError(f"{tracks} was made from another clip; store this clip's tracks with --save-tracks first")
    return stored, StoredTracker(stored.tracks)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A face with its mouth beside the predicted one."""

    key: int
    track: FaceTrack
    mouth: MouthMotion
    prediction: MouthPrediction

    def follows(self, activity: SpeechActivity, reference: Reference, max_lag: int) -> tuple[bool, float]:
        """For choosing the speaker: whether there is speech to judge by, and how well the mouth follows it."""
        speech = activity.speech
        examined = speech & np.isfinite(self.prediction.observed[:, 0])
        if examined.sum() < RATE_HZ or len(speech) <= 2 * max_lag:
            return False, float(self.track.seen.sum()) * self.track.interocular_px
        prediction = self.prediction
        curve = lag_curve(prediction.mean, speech, prediction.observed, prediction.weights, max_lag)
        return True, support(curve, reference)


def _examined(
    candidates: list[_Candidate], settings: Settings, activity: SpeechActivity, reference: Reference
) -> _Candidate:
    """Pick the face that was asked for, or else the one whose mouth follows the speech best."""
    if settings.face is not None:
        for candidate in candidates:
            if candidate.track.id == settings.face:
                return candidate
        there = ", ".join(candidate.track.id for candidate in candidates)
        raise SettingsError(f"there is no measurable face {settings.face!r} in this clip; there are: {there}")
    if len(candidates) == 1:
        return candidates[0]
    max_lag = round(settings.max_lag_s * RATE_HZ)
    return max(candidates, key=lambda candidate: candidate.follows(activity, reference, max_lag))


def _measured(
    examined: _Candidate, face: FaceWatch, splicers: Mapping[str, Splicer], activity: SpeechActivity
) -> Tracks:
    """Put together all that was measured of the face examined."""
    texture, probes = face.texture(examined.track, examined.mouth), face.probes(examined.track)
    splices = {scope: splicers[scope].judge(crops) for scope, crops in face.crops().items()}
    return Tracks(examined.track, examined.mouth, texture, probes, splices, activity, examined.prediction)


def _resynthesis(
    evidence: Mapping[str, Evidence], combination: Combination, calibrations: Calibrations, conditions: dict[str, float]
) -> Finding:
    cues = [one for one in evidence.values() if one.finding == "resynthesis"]
    return resynthesis_finding(cues, combination, calibrations.get("resynthesis"), conditions)


def reference_of(bundle: Bundle) -> Reference:
    """Return what agreement looks like with the predictor of a bundle.

    Raises
    ------
    BundleError
        The bundle lacks it.
    """
    try:
        return Reference(**bundle.predictor["reference"])
    except (KeyError, TypeError) as error:
        raise BundleError(f"the bundle {bundle.name} lacks the reference figures of its predictor ({error})") from error


def _summaries(tracks: dict[int, FaceTrack], examined: _Candidate | None) -> tuple[FaceSummary, ...]:
    return tuple(
        FaceSummary(
            track.id,
            float(track.times_s[0]),
            float(track.times_s[-1]),
            track.coverage,
            track.interocular_px,
            speaking=examined is not None and key == examined.key,
        )
        for key, track in tracks.items()
    )


def _timeline(tracks: Tracks, predictor: Predictor, findings: tuple[Finding, Finding]) -> dict[str, Series]:
    """Every series for plotting, by name."""
    mouth, activity, clock_s = tracks.mouth, tracks.activity, tracks.prediction.times_s
    measure = partial(opening_of, layout=tracks.face.layout)
    predicted, spread = predictor.opening(tracks.prediction, mouth, measure)
    series = [
        Series("mouth.opening", OPENING_UNIT, mouth.times_s, mouth.opening),
        Series("mouth.opening_predicted", OPENING_UNIT, clock_s, predicted),
        Series("mouth.opening_predicted_spread", OPENING_UNIT, clock_s, spread),
        Series("mouth.yaw", "degrees", mouth.times_s, mouth.pose_deg[:, 0]),
        Series("speech.activity", "probability of speech", activity.times_s, activity.probability),
        Series("speech.level", "dB relative to full scale", activity.times_s, activity.level_db),
    ]
    for finding in findings:
        for evidence in finding.cues:
            series += evidence.series
    return {one.name: one for one in series}


def _versions(backend: LandmarkBackend) -> dict[str, str]:
    own = {"lipaccord": lipaccord.__version__, "landmarks": f"{backend.name} {backend.version}"}
    return own | {library: version(library) for library in LIBRARIES}


def analyze(
    path: str | os.PathLike[str],
    *,
    settings: Settings | None = None,
    bundle: Path | None = None,
    weights: Path | None = None,
    tracks: Path | None = None,
    save_tracks: Path | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> Analysis:
    """Examine one clip.

    Parameters
    ----------
    path : path-like
        A regular file with a moving picture and sound; read, never written.
    settings : Settings, optional
        What to examine and how.
    bundle : Path, optional
        Folder of a bundle; by default the one that is shipped.
    weights : Path, optional
        Folder of weights for the landmark backend ``face-alignment``.
    tracks : Path, optional
        Stored tracks for the landmark backend ``replay``.
    save_tracks : Path, optional
        Where to store the face tracks, for an exact repetition.
    threads : int
        At least 1; more than 3 help little. The result does not depend on it.
    progress : callable, optional
        Told the fraction of the picture that is done, 0 to 1.

    Returns
    -------
    Analysis
        A clip without a face, without speech or too short is a result too: its findings are
        ``not_examinable`` and say why.

    Raises
    ------
    MediaError
        The clip can't be examined at all.
    BackendMissing, BundleError, SettingsError, TracksError
        As their names say.

    Examples
    --------
    >>> import lipaccord
    >>> analysis = lipaccord.analyze("fixtures/obama_speech.mp4")
    >>> analysis.findings["sync"].status
    'in_sync'
    """
    return examine(
        path,
        settings=settings,
        bundle=bundle,
        weights=weights,
        tracks=tracks,
        save_tracks=save_tracks,
        threads=threads,
        progress=progress,
    ).analysis


def examine(
    path: str | os.PathLike[str],
    *,
    settings: Settings | None = None,
    bundle: Path | None = None,
    weights: Path | None = None,
    tracks: Path | None = None,
    save_tracks: Path | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> Examination:
    """Examine one clip as `analyze` does, and return what the analysis was made from too; the arguments are the same.

    Raises
    ------
    MediaError, BackendMissing, BundleError, SettingsError, TracksError
        As for `analyze`.
    """
    chosen = settings or Settings()
    if threads < 1:
        raise SettingsError(f"threads = {threads} is out of range; at least 1 is needed")
    loaded = load_bundle(bundle)
    reference, combination = reference_of(loaded), load_combination(loaded.resynthesis)
    calibrations = load_calibrations(loaded.calibration)
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        stack.enter_context(brisk_switching())
        reader = stack.enter_context(open_clip(path, start_s=chosen.start_s, end_s=chosen.end_s, threads=threads))
        backend, tracker = _backend(chosen, weights, tracks, reader.sha256)
        line = stack.enter_context(LineExecutor() if threads > 1 else InlineExecutor())
        side = stack.enter_context(LineExecutor() if threads > 1 else InlineExecutor())
        make_ready()
        hearing = side.submit(_listen, reader.sound, loaded.files["predictor.safetensors"])
        frames = stack.enter_context(prefetched(reader.frames(), threads))
        watched = _watch(_reported(frames, reader, progress), tracker, backend.layout, line)
        predictor, features, activity = hearing.result()
        clip, sound = reader.clip(), reader.sound()
    if save_tracks is not None:
        replay.save_tracks(save_tracks, clip.sha256, backend, list(watched.tracks.values()))
    usable = {key: mouth_motion(track) for key, track in watched.tracks.items()}
    usable = {key: mouth for key, mouth in usable.items() if mouth.valid.sum() >= MIN_MOUTH_FRAMES}
    predictions = predictor.predict(features, list(usable.values()))
    candidates = [
        _Candidate(key, watched.tracks[key], mouth, prediction)
        for (key, mouth), prediction in zip(usable.items(), predictions, strict=True)
    ]
    common: dict[str, Any] = {
        "clip": clip,
        "bundle": {"name": loaded.name, "version": loaded.version, "sha256": loaded.sha256},
        "settings": asdict(chosen),
        "settings_digest": chosen.digest,
        "versions": _versions(backend),
        "limits": LIMITS,
    }
    times_s, faces = np.asarray(watched.times_s), tuple(watched.tracks.values())
    if not candidates:
        return Examination(_no_face(watched, common), times_s, sound, faces, None, None)
    examined = _examined(candidates, chosen, activity, reference)
    splicers = load_splicers(loaded.files["splice.safetensors"])
    measured = _measured(examined, watched.faces[examined.key], splicers, activity)
    evidence = {cue.name: cue.measure(measured) for cue in load_cues(chosen, reference)}
    conditions = conditions_of(measured, evidence["sync"].details["examined_s"])
    findings = (
        sync_finding(evidence["sync"], calibrations.get("sync"), conditions),
        _resynthesis(evidence, combination, calibrations, conditions),
    )
    summaries, timeline = _summaries(watched.tracks, examined), _timeline(measured, predictor, findings)
    analysis = _conclude(evidence, findings, summaries, timeline, common)
    predicted_lips = predictor.lips(examined.prediction, examined.mouth)
    return Examination(analysis, times_s, sound, faces, measured, predicted_lips)


def _no_face(watched: _Watched, common: dict[str, Any]) -> Analysis:
    """Conclude for a clip without a measurable face."""
    reason = _UNMEASURABLE if watched.tracks else _NO_FACE
    sync, resynthesis = nothing_to_examine(reason)
    return Analysis(
        faces=_summaries(watched.tracks, None),
        findings={"sync": sync, "resynthesis": resynthesis},
        segments=(),
        triage=None,
        timeline={},
        **common,
    )


def _conclude(
    evidence: Mapping[str, Evidence],
    findings: tuple[Finding, Finding],
    faces: tuple[FaceSummary, ...],
    timeline: dict[str, Series],
    common: dict[str, Any],
) -> Analysis:
    """Put the result together."""
    sync, resynthesis = findings
    segments = [segment for cue in evidence.values() for segment in cue.segments]
    return Analysis(
        faces=faces,
        findings={"sync": sync, "resynthesis": resynthesis},
        segments=tuple(sorted(segments, key=lambda segment: segment.interval)),
        triage=triage(sync, resynthesis),
        timeline=timeline,
        **common,
    )


class FaceExaminer:
    """Examines the texture of a face whose landmarks are known, time and again: the resynthesis half of `analyze`.

    Parameters
    ----------
    sound : Sound
        Of the clip; heard once.
    settings : Settings, optional
    bundle : Path, optional
        As for `analyze`.

    Attributes
    ----------
    usual : float
        The score of the finding that 5 in 100 authentic clips exceed.
    """

    def __init__(self, sound: Sound, settings: Settings | None = None, bundle: Path | None = None) -> None:
        loaded = load_bundle(bundle)
        cues = load_cues(settings or Settings(), reference_of(loaded))
        self._cues = [cue for cue in cues if cue.finding == "resynthesis"]
        self._combination = load_combination(loaded.resynthesis)
        self._calibrations = load_calibrations(loaded.calibration)
        self.usual = self._combination.usual
        self._splicers = load_splicers(loaded.files["splice.safetensors"])
        make_ready()
        self._predictor, self._features, self._activity = _listen(lambda: sound, loaded.files["predictor.safetensors"])

    def examine(self, frames: Iterator[Frame], track: FaceTrack) -> tuple[Finding, tuple[Segment, ...]]:
        """Examine the face that `track` shows in `frames`; return the finding and its local segments.

        Raises
        ------
        TracksError
            The track was made from other frames.
        """
        mouth = mouth_motion(track)
        if mouth.valid.sum() < MIN_MOUTH_FRAMES:
            return nothing_to_examine(_UNMEASURABLE)[1], ()
        watched = _watch(frames, StoredTracker([track]), track.layout, InlineExecutor())
        (prediction,) = self._predictor.predict(self._features, [mouth])
        tracks = _measured(_Candidate(0, track, mouth, prediction), watched.faces[0], self._splicers, self._activity)
        evidence = {cue.name: cue.measure(tracks) for cue in self._cues}
        segments = tuple(segment for cue in evidence.values() for segment in cue.segments)
        conditions = conditions_of(tracks, None)
        return _resynthesis(evidence, self._combination, self._calibrations, conditions), segments
