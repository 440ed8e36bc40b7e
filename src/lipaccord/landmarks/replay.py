"""The backend ``replay``: landmarks stored by an earlier run, read back for an exact repetition.

A file of tracks is an ``.npz`` whose members are not compressed, so that none can claim more than the file holds.
Format ``lipaccord/tracks/1``:

===================  ==================================================================================
format, clip_sha256  Text: the name of the format, and which clip the tracks were made from.
backend, version     Text: what made them.
layout               Text: a name in `lipaccord.landmarks.layouts.LAYOUTS`.
ids                  Text, one a track, in order of appearance.
K/times_s, K/frames  Of track K = 0, 1, ...: float64 and int64 [shape=(T,)].
K/points             float32 [shape=(T, L, 2)], NaN where unseen.
K/depth              float16 [shape=(T, L)]; absent where the backend gives none.
K/scores             float32 [shape=(T,)], 0 where unseen.
===================  ==================================================================================

Conventions: the same tracks give the same bytes. Whatever is read is checked before it is believed.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.errors import SettingsError, TracksError
from lipaccord.landmarks import squares
from lipaccord.landmarks.layouts import LAYOUTS
from lipaccord.records import FacePoints, FaceRegion, FaceTrack, Frame, LandmarkBackend

FORMAT = "lipaccord/tracks/1"
SAME_TIME_S = 1e-6
MIN_OVERLAP = 0.5  # of a region with the square of the face that it belongs to
MAX_TRACKS = 10_000
MAX_TEXT = 200  # characters
REMEDY = "store the tracks again with --save-tracks"
_TEXTS = ("format", "clip_sha256", "backend", "version", "layout")
_ARRAYS = {"times_s": "<f8", "frames": "<i8", "points": "<f4", "depth": "<f2", "scores": "<f4"}


@dataclass(frozen=True, slots=True)
class StoredTracks:
    """What a file of tracks holds.

    Attributes
    ----------
    clip_sha256 : str
        Of the clip that the tracks were made from.
    backend, version : str
        What made them.
    layout : str
    tracks : tuple of FaceTrack
        In order of appearance.
    """

    clip_sha256: str
    backend: str
    version: str
    layout: str
    tracks: tuple[FaceTrack, ...]

    def __repr__(self) -> str:
        return f"StoredTracks({len(self.tracks)} faces by {self.backend} {self.version})"


def save_tracks(path: Path, clip_sha256: str, backend: LandmarkBackend, tracks: Sequence[FaceTrack]) -> None:
    """Store face tracks; `path` is replaced only once the new file is whole.

    Tracks that were themselves replayed are stored in the name of the backend that made them.

    Raises
    ------
    TracksError
        The file can't be written.
    """
    name, version = backend.origin if isinstance(backend, ReplayBackend) else (backend.name, backend.version)
    texts = (FORMAT, clip_sha256, name, version, backend.layout.name)
    members: dict[str, NDArray[Any]] = {key: np.array(text) for key, text in zip(_TEXTS, texts, strict=True)}
    members["ids"] = np.array([track.id for track in tracks], dtype=np.str_)
    for k, track in enumerate(tracks):
        for field, dtype in _ARRAYS.items():
            if getattr(track, field) is not None:
                members[f"{k}/{field}"] = np.ascontiguousarray(getattr(track, field), dtype=dtype)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            with part.open("xb") as file:
                _write(file, members)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise TracksError(f"{path}: the tracks can't be written ({error.strerror}); name another place") from error


def _write(file: IO[bytes], members: dict[str, NDArray[Any]]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key, array in members.items():  # a fresh ZipInfo bears a fixed date: the same bytes every time
            with archive.open(zipfile.ZipInfo(f"{key}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def read_tracks(path: Path) -> StoredTracks:
    """Read and check a file of tracks.

    Raises
    ------
    TracksError
        The file is missing, damaged, or not what it claims to be.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError("it is not a regular file")
        with path.open("rb") as file:
            members = dict(_members(file))
        return _believe(members)
    except OSError as error:
        raise TracksError(f"{path}: the stored tracks can't be read ({error.strerror or error}); {REMEDY}") from error
    except Exception as error:  # the readers of zip and npy refuse damage in a dozen ways
        raise TracksError(f"{path}: the stored tracks are damaged ({error}); {REMEDY}") from error


def _members(file: IO[bytes]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Read every member, after its claims have been held against the size of the file."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len({entry.filename for entry in entries}) != len(entries):
            raise ValueError("a member is there twice")
        if any(entry.compress_type or entry.compress_size != entry.file_size for entry in entries):
            raise ValueError("a member is compressed")
        if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
            raise ValueError("its members claim more than the file holds")
        for entry in entries:
            with archive.open(entry) as member:
                yield entry.filename.removesuffix(".npy"), _array(member, entry)


def _array(member: IO[bytes], entry: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one npy member of version 1.0."""
    name = ascii(entry.filename)
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError(f"{name} is of another npy version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    if dtype.kind not in "Ufi" or fortran or min(shape, default=0) < 0:
        raise ValueError(f"{name} holds no plain values")
    size = math.prod(shape) * dtype.itemsize
    if member.tell() + size != entry.file_size:
        raise ValueError(f"{name} does not have the size that it claims")
    data = member.read()  # to the end, where zipfile compares the checksum
    return np.frombuffer(data, dtype).reshape(shape) if size else np.empty(shape, dtype)


def _believe(members: dict[str, NDArray[Any]]) -> StoredTracks:
    """Turn the members of a file into records, or say what is wrong with them."""
    claimed, sha256, backend, version, layout = (_text(members, key) for key in _TEXTS)
    if claimed != FORMAT:
        raise ValueError(f"the format is {claimed!r}, not {FORMAT!r}")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("the clip's SHA-256 is none")
    if layout not in LAYOUTS:
        raise ValueError(f"the landmark layout {layout!r} is unknown")
    ids = _take(members, "ids")
    if ids.dtype.kind != "U" or ids.ndim != 1 or len(ids) > MAX_TRACKS:
        raise ValueError("'ids' is no list of names")
    tracks = tuple(_track(members, k, _plain(str(name), "ids"), layout) for k, name in enumerate(ids))
    if members:
        raise ValueError(f"{min(members)!a} does not belong there")
    _check_clock(tracks)
    return StoredTracks(sha256, backend, version, layout, tracks)


def _text(members: dict[str, NDArray[Any]], key: str) -> str:
    array = _take(members, key)
    if array.dtype.kind != "U" or array.shape:
        raise ValueError(f"{key!r} is no text")
    return _plain(str(array), key)


def _plain(text: str, key: str) -> str:
    """Return `text` if it can be printed on one line."""
    if not text or len(text) > MAX_TEXT or not text.isprintable():
        raise ValueError(f"{key!r} is empty, too long or not printable")
    return text


def _take(members: dict[str, NDArray[Any]], key: str) -> NDArray[Any]:
    if key not in members:
        raise ValueError(f"{key!r} is missing")
    return members.pop(key)


def _track(members: dict[str, NDArray[Any]], k: int, name: str, layout: str) -> FaceTrack:
    """Take the arrays of track `k`; a row is wholly seen or wholly unseen."""
    fields: dict[str, Any] = {"depth": None}
    for field, dtype in _ARRAYS.items():
        if field == "depth" and f"{k}/depth" not in members:
            continue
        fields[field] = _take(members, f"{k}/{field}")
        if fields[field].dtype != np.dtype(dtype):
            raise ValueError(f"'{k}/{field}' has type {fields[field].dtype}, not {np.dtype(dtype)}")
    track = FaceTrack(id=name, layout=LAYOUTS[layout], **fields)
    if not len(track.frames) or track.frames[0] < 0 or (np.diff(track.frames) <= 0).any():
        raise ValueError(f"the frame numbers of track {k} do not rise")
    seen = track.seen
    values = [track.points.reshape(len(seen), -1)] + ([] if track.depth is None else [track.depth])
    if not all(np.where(seen[:, None], np.isfinite(value), np.isnan(value)).all() for value in values):
        raise ValueError(f"track {k} has frames that are half seen")
    if not np.where(seen, (track.scores >= 0) & (track.scores <= 1), track.scores == 0).all():
        raise ValueError(f"the scores of track {k} are out of range")
    return track


def _check_clock(tracks: Sequence[FaceTrack]) -> None:
    """Check that all tracks agree on when each frame was shown."""
    frames = np.concatenate([np.empty(0, np.int64), *(track.frames for track in tracks)])
    times = np.concatenate([np.empty(0), *(track.times_s for track in tracks)])
    order = np.lexsort((times, frames))
    same = np.diff(frames[order]) == 0
    step = np.diff(times[order])
    if (step[same] > SAME_TIME_S).any() or (step[~same] <= 0).any():
        raise ValueError("its tracks disagree on the times of the frames")


class ReplayBackend:
    """See the module; fulfils `lipaccord.records.LandmarkBackend`.

    It answers for single frames. To repeat a whole run exactly, hand `tracks` to `lipaccord.faces.StoredTracker`: a
    tracker would have to find the same faces once more.

    Attributes
    ----------
    clip_sha256 : str
        Of the clip that the tracks were made from; the caller compares it with the clip examined.
    origin : tuple of str
        Name and version of the backend that made the points.
    tracks : tuple of FaceTrack
        As stored, in order of appearance.
    """

    name = "replay"

    def __init__(self, path: Path) -> None:
        stored = read_tracks(path)
        self._path = path
        self.tracks = stored.tracks
        self.clip_sha256 = stored.clip_sha256
        self.origin = (stored.backend, stored.version)
        self.version = f"{stored.backend} {stored.version}"
        self.layout = LAYOUTS[stored.layout]

    def detect(self, frame: Frame) -> list[FaceRegion]:
        """Return the regions of the faces seen in this frame, in their order of appearance."""
        return [self.follow(points) for points in self._faces(frame)]

    def locate(self, frame: Frame, region: FaceRegion) -> FacePoints | None:
        """Return the stored points of the face that `region` belongs to; None where no stored face is there."""
        best, nearest = None, MIN_OVERLAP
        for points in self._faces(frame):
            if (shared := squares.overlap(region, self.follow(points))) >= nearest:
                best, nearest = points, shared
        return best

    def follow(self, points: FacePoints) -> FaceRegion:
        """Return the square that the backend which made the points would follow."""
        return squares.follow(points.xy, self.layout)

    def _faces(self, frame: Frame) -> Iterator[FacePoints]:
        """Yield the points of every face that was seen in this frame."""
        for track in self.tracks:
            row = int(np.searchsorted(track.frames, frame.index))
            if row == len(track.frames) or track.frames[row] != frame.index:
                continue
            if not abs(track.times_s[row] - frame.time_s) <= SAME_TIME_S:
                raise TracksError(
                    f"{self._path}: the stored tracks have frame {frame.index} at {track.times_s[row]:.6f} s, the clip "
                    f"at {frame.time_s:.6f} s: they were made from another clip, or part of it; {REMEDY}"
                )
            if np.isfinite(track.points[row, 0, 0]):
                depth = None if track.depth is None else track.depth[row].astype(np.float32)
                yield FacePoints(track.points[row], depth, float(track.scores[row]))


def create(source: Path | None) -> ReplayBackend:
    """Make the backend from the stored tracks `source`.

    Raises
    ------
    SettingsError
        There is no `source`.
    TracksError
        The file is missing or damaged.
    """
    if source is None:
        raise SettingsError("the landmark backend 'replay' needs a file of tracks, stored before with --save-tracks")
    return ReplayBackend(source)
