"""Sound -> 16 bits for each 20 ms, and how well two such fingerprints agree.

Method: the signs of how the energy differences of neighbouring bands change (Haitsma and Kalker, "A Highly Robust Audio
Fingerprinting System", ISMIR 2002), from 17 bands between 200 and 4000 Hz over a quarter of a second. Level, filters,
codecs and other sample rates leave most signs as they are; the same words said again do not give the same signs.

Conventions: a step has the time of the middle of its window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, Sound
from lipaccord.source.signature import SOUND_BITS, SOUND_RATE_HZ, Words

WINDOW_S = 0.256
LOWEST_HZ, HIGHEST_HZ = 200.0, 4000.0
APART = 4  # steps between the two moments that are compared
QUIET_DB = -60.0  # below the loudest; and
SILENT_DB = -80.0  # below full scale: nothing is heard
BLOCK = 2048  # windows at a time: bounds the memory


def _bands(size: int, rate_hz: int) -> NDArray[np.int64]:
    """Return the first bin of each band, and the end of the last."""
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, SOUND_BITS + 2)
    return np.rint(edges * size / rate_hz).astype(np.int64)


def fingerprint(sound: Sound) -> tuple[float, Words, BoolArray]:
    """Take the fingerprint of a sound.

    Returns
    -------
    start_s : float
        Time of the first step.
    bits : ndarray of uint16 [shape=(N,)]
    heard : ndarray of bool [shape=(N,)]
        Steps that are loud enough.
    """
    size, hop = round(WINDOW_S * sound.rate_hz), round(sound.rate_hz / SOUND_RATE_HZ)
    start_s = sound.start_s + (size / 2 + APART / 2 * hop) / sound.rate_hz
    if len(sound.samples) < size + APART * hop:
        return start_s, np.zeros(0, np.uint16), np.zeros(0, bool)
    windows = np.lib.stride_tricks.sliding_window_view(sound.samples, size)[::hop]
    taper, edges = np.hanning(size).astype(np.float32), _bands(size, sound.rate_hz)
    energy = np.empty((len(windows), SOUND_BITS + 1))
    level = np.empty(len(windows))
    for at in range(0, len(windows), BLOCK):
        block = windows[at : at + BLOCK] * taper
        power = np.abs(np.fft.rfft(block, axis=1)) ** 2
        energy[at : at + BLOCK] = np.add.reduceat(power, edges, axis=1)[:, :-1]
        level[at : at + BLOCK] = (block**2).mean(axis=1)
    slope = np.diff(energy, axis=1)
    signs = slope[APART:] > slope[:-APART]
    bits = signs @ (1 << np.arange(SOUND_BITS))
    loud = 10 * np.log10(np.minimum(level[APART:], level[:-APART]) + 1e-20)
    heard = loud > max(SILENT_DB, float(loud.max()) + QUIET_DB)
    return start_s, bits.astype(np.uint16), heard


def agreement(one: Words, other: Words, both: BoolArray) -> float:
    """Return the share of equal bits in the steps marked; NaN where none is.

    Parameters
    ----------
    one, other : ndarray of uint16 [shape=(N,)]
    both : ndarray of bool [shape=(N,)]
        Steps in which both are heard.
    """
    if not both.any():
        return float("nan")
    return 1.0 - float(np.bitwise_count(one[both] ^ other[both]).mean()) / SOUND_BITS
