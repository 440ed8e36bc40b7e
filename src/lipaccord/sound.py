"""Blocks of decoded sound -> one mono waveform at 16 kHz whose every sample has a true time.

Each block is placed by its presentation time. Blocks that join within `TOLERANCE_S` are taken as continuous (containers
round their times, to 1 ms in Matroska); a longer hole is filled with silence and reported as a gap; what overlaps
is dropped from the later block. So the time of sample k is ``start_s + k / SOUND_RATE_HZ``.

The resampler is soxr (linear phase, its delay compensated), run block by block: only the 16 kHz waveform is kept.

The mix to mono is a weighted mean, so it cannot clip what did not clip before: left and right count 1 each, the
centre sqrt(2), surround channels 1/sqrt(2), the low-frequency channel nothing, all divided by their sum. These are
the proportions of ITU-R BS.775 (left and right at -3 dB, surround at -6 dB against the centre) without its gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lipaccord.records import FloatArray, Interval, Sound

SOUND_RATE_HZ = 16_000
TOLERANCE_S = 0.020
MAX_SILENCE_S = 3600.0
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
MAX_LEVEL = 4.0
"""Decoders overshoot full scale a little and float sound may do so by design; beyond this it is damage."""

FRONT, CENTRE, SURROUND, LOW_FREQUENCY = 1.0, math.sqrt(2), math.sqrt(0.5), 0.0
WEIGHTS = {"FL": FRONT, "FR": FRONT, "FC": CENTRE, "LFE": LOW_FREQUENCY, "LFE2": LOW_FREQUENCY}
BYTES_A_SAMPLE = np.dtype(np.float32).itemsize


def mix_weights(channels: Sequence[str]) -> FloatArray:
    """Return the share of each channel in the mono mix.

    Parameters
    ----------
    channels : sequence of str
        FFmpeg's channel names (FL, FR, FC, LFE, BL, SL, ...) in the order of storage.

    Returns
    -------
    ndarray of float32 [shape=(channels,)]
        Not negative, of sum 1. Channels without a known place share equally.
    """
    named = any(name in WEIGHTS and WEIGHTS[name] > 0 for name in channels)
    weights = np.array([WEIGHTS.get(name, SURROUND) if named else 1.0 for name in channels], np.float32)
    return weights / np.float32(weights.sum())


def to_mono(block: NDArray[np.integer | np.floating], channels: Sequence[str]) -> FloatArray:
    """Mix a decoded block down.

    Parameters
    ----------
    block : ndarray [shape=(channels, n)]
        Unsigned 8-bit, signed integer or float samples.
    channels : sequence of str
        Channel names, as for `mix_weights`.

    Returns
    -------
    ndarray of float32 [shape=(n,)]
        Full scale is 1; values that are no number become 0.
    """
    scaled: FloatArray
    if block.dtype == np.uint8:
        scaled = (block.astype(np.float32) - 128) / np.float32(128)
    elif np.issubdtype(block.dtype, np.signedinteger):
        scaled = (block / float(2 ** (8 * block.dtype.itemsize - 1))).astype(np.float32)
    else:
        finite = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        scaled = np.clip(finite.astype(np.float64), -MAX_LEVEL, MAX_LEVEL).astype(np.float32)
    mono: FloatArray = mix_weights(channels) @ scaled
    return mono


class SoundTrack:
    """Joins timed blocks of mono sound into one waveform at `SOUND_RATE_HZ`.

    Parameters
    ----------
    start_s, end_s : float or None
        Part to keep, end excluded. Where sound runs across `start_s`, the waveform starts exactly there, to half a
        sample of the stored sound.

    Attributes
    ----------
    gaps : list of Interval
        Holes that were filled with silence.
    counted_s : float
        Sound that was kept, without the silence.
    overlap_s : float
        Sound that was dropped because its time was already taken.
    misplaced, untimed : int
        Blocks left out: their time lies absurdly far ahead, or there is none.
    ended : bool
        A block reached `end_s`; later blocks are not wanted.
    """

    def __init__(self, start_s: float | None = None, end_s: float | None = None) -> None:
        self.gaps: list[Interval] = []
        self.counted_s = 0.0
        self.overlap_s = 0.0
        self.misplaced = 0
        self.untimed = 0
        self.ended = False
        self._from_s = start_s
        self._until_s = end_s
        self._origin_s: float | None = None
        self._buffer = bytearray()
        self._silence_s = 0.0
        # A run is sound without a gap and at one rate; it has a resampler of its own.
        self._run_start_s = 0.0
        self._run_samples = 0
        self._rate = 0
        self._resampler: soxr.ResampleStream | None = None

    def add(self, time_s: float | None, mono: FloatArray, rate: int) -> None:
        """Append a block of mono sound [shape=(n,)] whose first sample is presented at `time_s`."""
        expected_s = self._next_s()
        at_s = expected_s if time_s is None else time_s
        if at_s is None:
            self.untimed += 1
            return
        if expected_s is not None and abs(at_s - expected_s) <= TOLERANCE_S:
            at_s = expected_s
        floor_s = self._from_s if expected_s is None else expected_s
        skip = 0 if floor_s is None else min(len(mono), max(0, round((floor_s - at_s) * rate)))
        stop = len(mono)
        if self._until_s is not None:
            wanted = round((self._until_s - at_s) * rate)
            self.ended = wanted <= stop
            stop = min(stop, max(wanted, 0))
        if expected_s is not None:
            self.overlap_s += skip / rate
        if stop > skip:
            self._keep(at_s + skip / rate, mono[skip:stop], rate, cut=skip > 0)

    def finish(self) -> Sound | None:
        """Return the waveform; None if no block was kept."""
        if self._origin_s is None:
            return None
        self._end_run()
        return Sound(np.frombuffer(self._buffer, np.float32), SOUND_RATE_HZ, self._origin_s)

    def _next_s(self) -> float | None:
        return None if self._origin_s is None else self._run_start_s + self._run_samples / self._rate

    def _keep(self, at_s: float, mono: FloatArray, rate: int, *, cut: bool) -> None:
        expected_s = self._next_s()
        if expected_s is None:
            self._origin_s = self._from_s if cut and self._from_s is not None else at_s
            self._begin_run(self._origin_s, rate)
        elif at_s - expected_s > TOLERANCE_S:
            if self._silence_s + at_s - expected_s > MAX_SILENCE_S:
                self.misplaced += 1
                return
            self._silence_s += at_s - expected_s
            self.gaps.append(Interval(expected_s, at_s))
            self._end_run()
            self._begin_run(at_s, rate)
        elif rate != self._rate:
            self._end_run()
            self._begin_run(expected_s, rate)
        self._run_samples += len(mono)
        self.counted_s += len(mono) / rate
        self._write(mono, last=False)

    def _begin_run(self, at_s: float, rate: int) -> None:
        """Bring the waveform to exactly the length at which the run starts."""
        origin_s = at_s if self._origin_s is None else self._origin_s
        size = round((at_s - origin_s) * SOUND_RATE_HZ) * BYTES_A_SAMPLE
        del self._buffer[size:]
        self._buffer.extend(bytes(size - len(self._buffer)))
        self._run_start_s, self._run_samples, self._rate = at_s, 0, rate
        self._resampler = None
        if rate != SOUND_RATE_HZ:
            self._resampler = soxr.ResampleStream(rate, SOUND_RATE_HZ, 1, dtype="float32", quality="HQ")

    def _end_run(self) -> None:
        if self._resampler is not None:
            self._write(np.zeros(0, np.float32), last=True)

    def _write(self, mono: FloatArray, *, last: bool) -> None:
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(np.ascontiguousarray(mono), last=last)
        self._buffer += mono.tobytes()
