"""The signature of a face in a clip: its life, its looks and its sound; and its bytes.

Conventions: times are seconds on the clip's own clock. The channels of life are in eye distances or radians. A
signature travels and is kept as bytes, `Signature.to_bytes`; whoever reads them back trusts none of them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.errors import ArchiveError
from lipaccord.records import BoolArray, FloatArray, TimeArray

CHANNELS = (
    "eye_right",
    "eye_left",
    "brow_right",
    "brow_left",
    "gaze_x",
    "gaze_y",
    "roll",
    "yaw",
    "pitch",
    "nose_x",
    "nose_y",
    "position_x",
    "position_y",
    "size",
)
"""Of the life of a head; `living` measures them."""

STEPS = np.array([7, 7, 9, 9, 12, 4, 7, 10, 18, 8, 18, 8, 9, 10], np.float32) * np.float32(1e-4)
"""To which each channel is rounded: a third of what the landmarks tremble by."""

LOOK_BYTES = 16
LOOKS = ("near", "wide")
"""The windows that are hashed: the upper face itself, and the head with its surroundings."""

SOUND_RATE_HZ = 50.0
SOUND_BITS = 16

MAGIC = b"lipaccord signature 1\n"
MAX_RAW_BYTES = 128 * 1024 * 1024
MAX_HEADER_BYTES = 4096
MAX_COUNT = 4_000_000  # frames, looks or sound steps: more than a day
MAX_TIME_S = 1e8
_DIGEST_BYTES = 16
_UNSEEN = -32768
_HEADER: dict[str, type] = {
    "sha256": str,
    "landmarks": str,
    "face": str,
    "start_s": float,
    "end_s": float,
    "coverage": float,
    "interocular_px": float,
    "still": bool,
    "frames": int,
    "looks": int,
    "sounds": int,
    "sound_start_s": float,
}

Bits = NDArray[np.uint8]
Words = NDArray[np.uint16]


def _checked(array: object, dtype: type[np.generic], shape: tuple[int, ...], name: str) -> Any:
    """Cast to `dtype`, check the shape and lock it."""
    cast = np.ascontiguousarray(array, dtype=dtype)
    if cast.shape != shape:
        raise ValueError(f"Signature.{name} has shape {cast.shape}, expected {shape}")
    cast = cast.view()
    cast.flags.writeable = False
    return cast


def _rising(times: TimeArray, name: str) -> None:
    if not np.isfinite(times).all() or (np.abs(times) > MAX_TIME_S).any() or (np.diff(times) <= 0).any():
        raise ValueError(f"Signature.{name} must be finite and rise strictly")


@dataclass(frozen=True, slots=True)
class Signature:
    """What of one face in a clip, or in a part of it, a new mouth leaves as it was; and the sound.

    Attributes
    ----------
    sha256 : str
        Of the clip, in hexadecimal.
    landmarks : str
        Backend and version; signatures made by different ones are not compared.
    face : str
        ``face-1``, ... as the examination numbers them.
    start_s, end_s : float
        First and last frame in which the face was seen.
    coverage : float
        Share of the frames between them in which it was seen.
    interocular_px : float
    still : bool
        The head shows no life, as in a still picture: it would match everything, so nothing is to be searched for.
    times_s : ndarray of float64 [shape=(T,)]
        Of every frame from the first to the last sight.
    life : ndarray of float32 [shape=(T, C)]
        `CHANNELS`; NaN where the face was not seen, or where the layout has no such points.
    looks_s : ndarray of float64 [shape=(K,)]
    looks : ndarray of uint8 [shape=(K, 2, 16)]
        Hash of each of the windows `LOOKS`.
    sound_start_s : float
        Middle of the first step of the sound.
    sound : ndarray of uint16 [shape=(N,)]
        16 bits for each step of 1 / `SOUND_RATE_HZ`.
    heard : ndarray of bool [shape=(N,)]
        The step is loud enough for its bits to mean anything.
    """

    sha256: str
    landmarks: str
    face: str
    start_s: float
    end_s: float
    coverage: float
    interocular_px: float
    still: bool
    times_s: TimeArray
    life: FloatArray
    looks_s: TimeArray
    looks: Bits
    sound_start_s: float
    sound: Words
    heard: BoolArray

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("Signature.sha256 must be 64 hexadecimal digits")
        if not re.fullmatch(r"face-[0-9]{1,9}", self.face):
            raise ValueError("Signature.face must be face-1, face-2, ...")
        if not self.landmarks.isprintable() or len(self.landmarks) > 100:
            raise ValueError("Signature.landmarks must be a short name")
        numbers = (self.start_s, self.end_s, self.coverage, self.interocular_px, self.sound_start_s)
        if not all(math.isfinite(number) and abs(number) <= MAX_TIME_S for number in numbers):
            raise ValueError("Signature holds a number that is none, or an absurd one")
        if not (self.start_s <= self.end_s and 0.0 <= self.coverage <= 1.0 and self.interocular_px > 0.0):
            raise ValueError("Signature ends before it starts, or its coverage or size is none")
        frames, looks, sounds = len(self.times_s), len(self.looks_s), len(self.sound)
        shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "times_s": (np.float64, (frames,)),
            "life": (np.float32, (frames, len(CHANNELS))),
            "looks_s": (np.float64, (looks,)),
            "looks": (np.uint8, (looks, len(LOOKS), LOOK_BYTES)),
            "sound": (np.uint16, (sounds,)),
            "heard": (np.bool_, (sounds,)),
        }
        for name, (dtype, shape) in shapes.items():
            object.__setattr__(self, name, _checked(getattr(self, name), dtype, shape, name))
        if not frames:
            raise ValueError("Signature has no frame")
        _rising(self.times_s, "times_s")
        _rising(self.looks_s, "looks_s")
        if np.isinf(self.life).any():
            raise ValueError("Signature.life must be finite, or NaN where the face was not seen")

    def __repr__(self) -> str:
        return f"Signature({self.sha256[:12]} {self.face}, {self.start_s:.2f}-{self.end_s:.2f} s)"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    def to_bytes(self) -> bytes:
        """Pack the signature, channels rounded to `STEPS`; equal signatures give equal bytes."""
        seen = np.isfinite(self.life).any(axis=1)
        header: dict[str, Any] = {"frames": len(self.times_s), "looks": len(self.looks_s), "sounds": len(self.sound)}
        header |= {name: kind(getattr(self, name)) for name, kind in _HEADER.items() if name not in header}
        text = json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        steps = np.rint(self.life[seen] / STEPS)
        whole = np.where(np.isfinite(steps), np.clip(steps, -32767, 32767), _UNSEEN).astype(np.int16)
        changes = np.diff(whole, axis=0, prepend=np.int16(0)).T.astype("<i2")
        raw = b"".join(
            (
                struct.pack("<I", len(text)),
                text,
                _packed_times(self.times_s),
                np.packbits(seen).tobytes(),
                np.ascontiguousarray(changes).view(np.uint8).reshape(-1, 2).T.tobytes(),
                _packed_times(self.looks_s),
                _changed(self.looks).tobytes(),
                _changed(self.sound).astype("<u2").tobytes(),
                np.packbits(self.heard).tobytes(),
            )
        )
        packed = struct.pack("<I", len(raw)) + zlib.compress(raw, 9)
        return MAGIC + hashlib.blake2b(packed, digest_size=_DIGEST_BYTES).digest() + packed

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Signature:
        """Unpack what `to_bytes` packed.

        Parameters
        ----------
        data : bytes
        name : str
            Of where it lies, for messages.

        Raises
        ------
        ArchiveError
            It is damaged, was cut short, or is of another version.
        """
        if not data.startswith(MAGIC):
            raise ArchiveError(f"{name} holds no signature that this release reads: make the index again")
        try:
            return _unpacked(data[len(MAGIC) :])
        except (ValueError, KeyError, TypeError, struct.error, zlib.error, RecursionError, OverflowError) as error:
            raise ArchiveError(f"{name} holds a damaged signature ({error}): make the index again") from error


def _packed_times(times: TimeArray) -> bytes:
    """Pack rising times: whole microseconds, the first and then the differences."""
    micros = np.rint(times * 1e6).astype(np.int64)
    return np.diff(micros, prepend=0).astype("<i8").tobytes()


def _changed(bits: NDArray[Any]) -> NDArray[Any]:
    """Keep of each step only the bits that differ from those of the one before: most don't."""
    return np.concatenate([bits[:1], bits[1:] ^ bits[:-1]])


class _Reader:
    """Takes arrays off a block of bytes, and nothing that is not there."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int, dtype: str) -> NDArray[Any]:
        size = count * np.dtype(dtype).itemsize
        if self._at + size > len(self._data):
            raise ValueError("it ends too early")
        taken = np.frombuffer(self._data, dtype, count, self._at)
        self._at += size
        return taken

    def times(self, count: int) -> TimeArray:
        micros = np.cumsum(self.take(count, "<i8"))
        times: TimeArray = micros / 1e6
        return times

    def bits(self, count: int) -> BoolArray:
        return np.unpackbits(self.take((count + 7) // 8, "u1"), count=count).astype(bool)

    def finish(self) -> None:
        if self._at != len(self._data):
            raise ValueError("it goes on behind its end")


def _header(reader: _Reader) -> dict[str, Any]:
    """Read the header; its values have the types that `_HEADER` names."""
    length = int(reader.take(1, "<u4")[0])
    if length > MAX_HEADER_BYTES:
        raise ValueError("its header is too long")
    header = json.loads(reader.take(length, "u1").tobytes().decode("utf-8"))
    if not isinstance(header, dict) or header.keys() != _HEADER.keys():
        raise ValueError("its header lacks a name or has one too many")
    for name, kind in _HEADER.items():
        if type(header[name]) is not kind:
            raise ValueError(f"{name} is no {kind.__name__}")
        if kind is int and not 0 <= header[name] <= MAX_COUNT:
            raise ValueError(f"{name} is out of range")
    return header


def _unpacked(data: bytes) -> Signature:
    digest, packed = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.blake2b(packed, digest_size=_DIGEST_BYTES).digest() != digest:
        raise ValueError("its checksum differs")
    (length,) = struct.unpack_from("<I", packed)
    if length > MAX_RAW_BYTES:
        raise ValueError("it is too large")
    inflater = zlib.decompressobj()
    raw = inflater.decompress(packed[4:], length + 1)
    if len(raw) != length or not inflater.eof or inflater.unused_data:
        raise ValueError("its length differs")
    reader = _Reader(raw)
    header = _header(reader)
    frames, looks, sounds = (header.pop(name) for name in ("frames", "looks", "sounds"))
    times, seen = reader.times(frames), reader.bits(frames)
    count = int(seen.sum()) * len(CHANNELS)
    planes = reader.take(2 * count, "u1").reshape(2, -1).T
    changes = np.ascontiguousarray(planes).view("<i2").reshape(len(CHANNELS), -1)
    whole = np.cumsum(changes.T, axis=0, dtype=np.int16)
    life = np.full((frames, len(CHANNELS)), np.nan, np.float32)
    life[seen] = np.where(whole == _UNSEEN, np.nan, whole * STEPS)
    looks_s = reader.times(looks)
    changed = reader.take(looks * len(LOOKS) * LOOK_BYTES, "u1").reshape(looks, len(LOOKS), LOOK_BYTES)
    bits = np.bitwise_xor.accumulate(changed, axis=0)
    sound, heard = np.bitwise_xor.accumulate(reader.take(sounds, "<u2")), reader.bits(sounds)
    reader.finish()
    return Signature(times_s=times, life=life, looks_s=looks_s, looks=bits, sound=sound, heard=heard, **header)
