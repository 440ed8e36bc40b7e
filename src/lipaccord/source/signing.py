"""A clip -> the signatures of the faces in it: one decode, no examination.

    for signature in sign("speech.mp4"):
        store(signature.to_bytes())

Whoever decodes and follows faces anyway feeds a `Signer` on the way and gives it the tracks and the sound at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from lipaccord.faces import FaceTracker, Sighting
from lipaccord.landmarks import load_backend
from lipaccord.media import open_clip
from lipaccord.records import FaceTrack, Frame, LandmarkLayout, Sound
from lipaccord.regions import eye_distance
from lipaccord.source import looks
from lipaccord.source.hearing import fingerprint
from lipaccord.source.living import is_still, life_of
from lipaccord.source.signature import LOOK_BYTES, LOOKS, SOUND_RATE_HZ, Bits, Signature

MIN_SEEN_S = 0.8
"""Shorter sights of a face give no signature: nothing could be found by them."""

MIN_EYES_PX = 1.0
SOUND_MARGIN_S = 0.5


class Signer:
    """Looks at the frames of one clip as they go by.

    Parameters
    ----------
    layout : LandmarkLayout
        Of the sightings.
    """

    def __init__(self, layout: LandmarkLayout) -> None:
        self._layout = layout
        self._next_s = -np.inf
        self._looks: dict[int, list[tuple[float, Bits]]] = {}

    def look(self, frame: Frame, sightings: Iterable[Sighting]) -> None:
        """Look at the faces in one frame; of most frames there is nothing to do."""
        if frame.time_s < self._next_s:
            return
        self._next_s = (np.floor(frame.time_s / looks.EVERY_S + 1e-6) + 1) * looks.EVERY_S - 1e-6
        for sighting in sightings:
            if eye_distance(self._layout, sighting.points.xy) >= MIN_EYES_PX:
                seen = looks.look(frame.image, self._layout, sighting.points.xy)
                self._looks.setdefault(sighting.key, []).append((frame.time_s, seen))

    def finish(
        self, tracks: Mapping[int, FaceTrack], sound: Sound, *, sha256: str, landmarks: str
    ) -> tuple[Signature, ...]:
        """Sign every face that was followed long enough.

        Parameters
        ----------
        tracks : mapping of int to FaceTrack
            By the key of their sightings, as `FaceTracker.finish` gives them.
        sound : Sound
            Of the clip.
        sha256 : str
            Of the clip.
        landmarks : str
            Backend and version.

        Returns
        -------
        tuple of Signature
            In the order of the tracks.
        """
        heard = fingerprint(sound)
        signatures = []
        for key, track in tracks.items():
            seen_s = track.coverage * (track.times_s[-1] - track.times_s[0])
            if seen_s < MIN_SEEN_S:
                continue
            start_s, end_s = float(track.times_s[0]), float(track.times_s[-1])
            mine = [(time_s, seen) for time_s, seen in self._looks.get(key, []) if start_s <= time_s <= end_s]
            steps = _between(heard[0], len(heard[1]), start_s - SOUND_MARGIN_S, end_s + SOUND_MARGIN_S)
            life = life_of(track)
            signatures.append(
                Signature(
                    sha256=sha256,
                    landmarks=landmarks,
                    face=track.id,
                    start_s=start_s,
                    end_s=end_s,
                    coverage=track.coverage,
                    interocular_px=track.interocular_px,
                    still=is_still(track.times_s, life),
                    times_s=track.times_s,
                    life=life,
                    looks_s=np.array([time_s for time_s, _ in mine], np.float64),
                    looks=np.array([seen for _, seen in mine], np.uint8).reshape(-1, len(LOOKS), LOOK_BYTES),
                    sound_start_s=heard[0] + steps.start / SOUND_RATE_HZ,
                    sound=heard[1][steps],
                    heard=heard[2][steps],
                )
            )
        return tuple(signatures)


def _between(start_s: float, count: int, low_s: float, high_s: float) -> slice:
    """Find the steps of a row of `count`, the first at `start_s`, that lie between two times."""
    low, high = (int(np.clip(np.ceil((time_s - start_s) * SOUND_RATE_HZ), 0, count)) for time_s in (low_s, high_s))
    return slice(low, high)


def sign(
    path: str | os.PathLike[str],
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    landmarks: str = "mediapipe",
    max_faces: int = 3,
    threads: int = 1,
) -> tuple[Signature, ...]:
    """Sign the faces of a clip, or of a part of it.

    Parameters
    ----------
    path : path-like
        A regular file with a moving picture; without sound, that of the signatures is empty.
    start_s, end_s : float, optional
        Part to sign.
    landmarks : str
        Landmark backend.
    max_faces : int
        Followed at a time.
    threads : int
        Of the decoder.

    Returns
    -------
    tuple of Signature
        In the order of appearance; empty where no face is followed long enough.

    Raises
    ------
    MediaError, BackendMissing, SettingsError
        As for `media.open_clip` and `landmarks.load_backend`.
    """
    backend = load_backend(landmarks)
    tracker, signer = FaceTracker(backend, max_faces), Signer(backend.layout)
    with open_clip(path, start_s=start_s, end_s=end_s, threads=threads, needs_sound=False) as reader:
        sound = reader.sound()
        for frame in reader.frames():
            signer.look(frame, tracker.feed(frame))
        reader.check_unchanged()
    made_by = f"{backend.name} {backend.version}"
    return signer.finish(tracker.finish(), sound, sha256=reader.sha256, landmarks=made_by)
