"""Signatures of heads that move by chance, and of copies of them, with a known truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from lipaccord.records import FloatArray, TimeArray
from lipaccord.source.living import TREMBLE, mirrored
from lipaccord.source.signature import CHANNELS, LOOK_BYTES, LOOKS, SOUND_RATE_HZ, Signature

CLOCK_HZ = 100
LANDMARKS = "mediapipe face_landmarker v2 float16"
SECONDS = 60.0


def times(seconds: float, rate: float = 25.0, start_s: float = 0.0) -> TimeArray:
    """Return the times of frames."""
    return start_s + np.arange(round(seconds * rate)) / rate


def movement(seed: int, places_s: TimeArray, size: float = 6.0) -> NDArray[np.float64]:
    """Return where a head is at any time up to `SECONDS`, as the channels of life [shape=(n, C)]."""
    steps = np.random.default_rng(seed).normal(size=(round(SECONDS * CLOCK_HZ), len(CHANNELS)))
    smooth = gaussian_filter1d(steps, 0.12 * CLOCK_HZ, axis=0)
    smooth *= size * TREMBLE / smooth.std(axis=0)
    clock = np.arange(len(smooth)) / CLOCK_HZ
    return np.stack([np.interp(places_s, clock, channel) for channel in smooth.T], axis=1)


def life(seed: int, places_s: TimeArray, *, tremble: int = 0, size: float = 6.0, noise: float = 0.5) -> FloatArray:
    """Return the life of a head with `noise` times what landmarks tremble by; `tremble` seeds it."""
    off = noise * TREMBLE * np.random.default_rng(10_000 + tremble).normal(size=(len(places_s), len(CHANNELS)))
    measured: FloatArray = (movement(seed, places_s, size) + off).astype(np.float32)
    return measured


def sounding(seed: int, count: int) -> NDArray[np.uint16]:
    """Return the bits of a sound."""
    return np.random.default_rng(seed).integers(0, 1 << 16, count).astype(np.uint16)


def signature(
    seed: int,
    times_s: TimeArray,
    places_s: TimeArray | None = None,
    *,
    tremble: int = 0,
    mirror: bool = False,
    sound: int | None = None,
    late_s: float = 0.0,
    still: bool = False,
) -> Signature:
    """Sign a clip whose frames at `times_s` show the moments `places_s` of the recording `seed`.

    The sound is that of the recording `sound`, from the moment that the first frame shows on, `late_s` late.
    """
    places_s = times_s if places_s is None else places_s
    shown = life(seed, places_s, tremble=tremble)
    count = round((times_s[-1] - times_s[0]) * SOUND_RATE_HZ)
    skipped = round(float(places_s[0]) * SOUND_RATE_HZ)
    whole = sounding(seed if sound is None else sound, round(SECONDS * SOUND_RATE_HZ))
    looks_s = times_s[::6]
    hashes = np.random.default_rng(seed).integers(0, 256, (len(LOOKS), LOOK_BYTES)).astype(np.uint8)
    return Signature(
        sha256=f"{seed:064x}",
        landmarks=LANDMARKS,
        face="face-1",
        start_s=float(times_s[0]),
        end_s=float(times_s[-1]),
        coverage=1.0,
        interocular_px=80.0,
        still=still,
        times_s=times_s,
        life=mirrored(shown) if mirror else shown,
        looks_s=looks_s,
        looks=np.tile(hashes, (len(looks_s), 1, 1)),
        sound_start_s=float(times_s[0]) + late_s,
        sound=whole[skipped : skipped + count],
        heard=np.ones(len(whole[skipped : skipped + count]), bool),
    )
