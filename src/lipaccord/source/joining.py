"""The signatures of one clip -> reels: faces that follow one another, on one clock.

A cut ends the track of a face, and the same head goes on as another face. What comes again may lie on either side of
the cut, or go on across it; so faces of which one ends before the other begins are joined, those at one place of the
picture before others.

Conventions: nothing is interpolated, and nothing taken out of a movement, across the joint of two faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray, TimeArray
from lipaccord.source.living import mirrored
from lipaccord.source.signature import CHANNELS, SOUND_RATE_HZ, Signature, Words
from lipaccord.source.windowing import LONGEST_GAP_S, features

SAME_TIME_S = 1e-6
_PLACE = [CHANNELS.index(name) for name in ("position_x", "position_y")]

_Numbers = NDArray[np.float64]


class Rows:
    """Rows of numbers, one for each frame of a reel.

    Parameters
    ----------
    times_s : ndarray of float64 [shape=(T,)]
    values : ndarray [shape=(T, C)]
        NaN where the face was not seen.
    face : ndarray of int [shape=(T,)]
        The number of the face.
    """

    def __init__(self, times_s: TimeArray, values: NDArray[np.floating[Any]], face: NDArray[np.intp]) -> None:
        known = np.isfinite(values).any(axis=1)
        self._seen, self._face = times_s[known], face[known]
        self._columns = np.ascontiguousarray(values[known].T)

    def at(self, times_s: TimeArray) -> _Numbers:
        """Interpolate; NaN outside, in gaps and from one face to the next [shape=(n, C)]."""
        laid: _Numbers = np.stack([np.interp(times_s, self._seen, column) for column in self._columns], axis=1)
        after = np.clip(np.searchsorted(self._seen, times_s - SAME_TIME_S), 1, len(self._seen) - 1)
        is_joined = self._face[after] == self._face[after - 1]
        is_joined &= self._seen[after] - self._seen[after - 1] <= LONGEST_GAP_S
        inside = (times_s >= self._seen[0] - SAME_TIME_S) & (times_s <= self._seen[-1] + SAME_TIME_S)
        is_frame = (
            np.minimum(np.abs(self._seen[after] - times_s), np.abs(self._seen[after - 1] - times_s)) <= SAME_TIME_S
        )
        laid[~(inside & (is_joined | is_frame))] = np.nan
        return laid

    def face_at(self, times_s: TimeArray) -> NDArray[np.intp]:
        """Return the number of the face that is seen [shape=(n,)]."""
        after = np.searchsorted(self._seen, times_s - SAME_TIME_S)
        face: NDArray[np.intp] = self._face[np.clip(after, 0, len(self._seen) - 1)]
        return face


class Reel:
    """Faces that follow one another.

    Parameters
    ----------
    signatures : sequence of Signature
        Of one clip, apart in time, in their order.

    Attributes
    ----------
    signatures : tuple of Signature
    times_s : ndarray of float64 [shape=(T,)]
    frame_s : float
        From one frame to the next.
    seen_s : float
        Seconds in which a face is seen.
    life, features : dict of bool to Rows
        As they are (False) and mirrored.
    """

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self.signatures = tuple(signatures)
        self.times_s: TimeArray = np.concatenate([one.times_s for one in signatures])
        self.frame_s = float(np.median(np.diff(self.times_s)))
        self.seen_s = sum(one.coverage * one.duration_s for one in signatures)
        face = np.repeat(np.arange(len(signatures)), [len(one.times_s) for one in signatures])
        self.life: dict[bool, Rows] = {}
        self.features: dict[bool, Rows] = {}
        for mirror in (False, True):
            lives: list[FloatArray] = [mirrored(one.life) if mirror else one.life for one in signatures]
            moves = [features(one.times_s, life) for one, life in zip(signatures, lives, strict=True)]
            self.life[mirror] = Rows(self.times_s, np.concatenate(lives), face)
            self.features[mirror] = Rows(self.times_s, np.concatenate(moves), face)

    @property
    def duration_s(self) -> float:
        """From the first frame to the last."""
        return float(self.times_s[-1] - self.times_s[0])

    def sound(self) -> tuple[float, Words, BoolArray]:
        """Return the fingerprint of the sound round these faces: time of the first step, bits, and what is heard."""
        start_s = min(one.sound_start_s for one in self.signatures)
        places = [round((one.sound_start_s - start_s) * SOUND_RATE_HZ) for one in self.signatures]
        count = max(place + len(one.sound) for place, one in zip(places, self.signatures, strict=True))
        bits, heard = np.zeros(count, np.uint16), np.zeros(count, bool)
        for place, one in zip(places, self.signatures, strict=True):
            bits[place : place + len(one.sound)] = one.sound
            heard[place : place + len(one.heard)] = one.heard
        return start_s, bits, heard


def _place_px(signature: Signature) -> _Numbers:
    """Return about where in the picture a face is."""
    place: NDArray[np.float32] = np.nanmedian(signature.life[:, _PLACE], axis=0)
    return place.astype(np.float64) * signature.interocular_px


def reels_of(signatures: Sequence[Signature]) -> list[Reel]:
    """Join faces of which one ends before the other begins.

    Parameters
    ----------
    signatures : sequence of Signature
        Of one clip; still pictures are left out.
    """
    rows: list[list[Signature]] = []
    for signature in sorted(signatures, key=lambda one: one.start_s):
        if signature.still:
            continue
        free = [row for row in rows if row[-1].times_s[-1] < signature.times_s[0]]
        if not free:
            rows.append([signature])
            continue
        place = _place_px(signature)
        nearest = min(free, key=lambda row: float(np.linalg.norm(_place_px(row[-1]) - place)))
        nearest.append(signature)
    return [Reel(row) for row in rows]
