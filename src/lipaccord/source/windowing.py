"""The life of a head -> features of its frames, and short vectors of its stretches for a nearest-neighbour index.

Method: slow changes are taken out, and what is left is turned so that two copies of one moment differ by about one
standard deviation in every direction, most telling directions first (linear discriminants; `whitening.npz` holds the
two matrices). Large movements, in which a small error of time makes a large one of place, count less than in
proportion. The matrices were made from pairs of recordings and copies whose mouths other programs had painted, and from
other people's recordings; `RECIPE` says how.

Conventions: presentation times throughout; nothing depends on the frame rate.
"""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray, TimeArray
from lipaccord.source.living import mirrored
from lipaccord.source.signature import CHANNELS, Signature

RECIPE = (
    "directions of the generalised eigenvectors of all movements against the differences of copies, scaled to unit "
    "differences: for frames without their mean over SLOW_S, for windows as they are here without their mean"
)
SLOW_S = 1.0
WINDOW_S = 0.8
BIN_S = 0.08
STRIDE_S = 0.4
FEWEST = 10
"""Windows of a short signature, as far as it has room for them: they are taken closer together, so that a part of it
holds some of them, too."""
DIMENSIONS = 32
LINEAR = 3.0  # standard deviations beyond which movements count less
LONGEST_GAP_S = 0.2
MIN_MOVEMENT = 4.0  # mean square of a window's vector; one of a still picture has about 1
_FINE_S = BIN_S / 4


@functools.cache
def _matrix(name: str) -> NDArray[np.float64]:
    data = resources.files("lipaccord") / "source" / "whitening.npz"
    with data.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return np.asarray(arrays[name], np.float64)


def _tamed(values: NDArray[np.float64]) -> FloatArray:
    tamed: FloatArray = (LINEAR * np.arcsinh(values / LINEAR)).astype(np.float32)
    return tamed


def _known(life: FloatArray) -> tuple[NDArray[np.float64], BoolArray]:
    """Return the channels, 0 where a layout lacks them, and the frames in which the face was seen."""
    known = np.asarray(np.isfinite(life).any(axis=1))
    return np.where(np.isfinite(life), life, 0).astype(np.float64), known


def moving(times_s: TimeArray, life: FloatArray) -> NDArray[np.float64]:
    """Take the slow changes out: each channel less its mean over `SLOW_S`; NaN where unseen [shape=(T, C)]."""
    values, known = _known(life)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values * known[:, None], axis=0)])
    counts = np.concatenate([[0], np.cumsum(known)])
    low = np.searchsorted(times_s, times_s - SLOW_S / 2)
    high = np.searchsorted(times_s, times_s + SLOW_S / 2, side="right")
    mean = (sums[high] - sums[low]) / np.maximum(counts[high] - counts[low], 1)[:, None]
    return np.where(known[:, None], values - mean, np.nan)


def features(times_s: TimeArray, life: FloatArray) -> FloatArray:
    """Return the features of every frame [shape=(T, C)]; NaN where the face was not seen."""
    return _tamed(moving(times_s, life) @ _matrix("frames"))


def _bins(times_s: TimeArray, life: FloatArray) -> tuple[TimeArray, NDArray[np.float64], BoolArray]:
    """Return life at steps of `_FINE_S` from the first frame on, and where it was seen or nearly so."""
    values, known = _known(life)
    fine = np.arange(times_s[0], times_s[-1] + 1e-6, _FINE_S)
    seen = times_s[known]
    if len(seen) < 2:
        return fine, np.zeros((len(fine), len(CHANNELS))), np.zeros(len(fine), bool)
    after = np.clip(np.searchsorted(seen, fine), 1, len(seen) - 1)
    near = seen[after] - seen[after - 1] <= LONGEST_GAP_S
    inside = (fine >= seen[0] - 1e-6) & (fine <= seen[-1] + 1e-6)
    laid = np.stack([np.interp(fine, seen, channel) for channel in values[known].T], axis=1)
    return fine, laid, near & inside


def raw_windows(times_s: TimeArray, life: FloatArray, stride_s: float) -> tuple[TimeArray, NDArray[np.float64]]:
    """Cut life into windows.

    Returns
    -------
    times_s : ndarray of float64 [shape=(N,)]
        Where each begins.
    windows : ndarray of float64 [shape=(N, bins, C)]
        Without their mean.
    """
    fine, laid, known = _bins(times_s, life)
    size, fold = round(WINDOW_S / _FINE_S), round(BIN_S / _FINE_S)
    last, step = len(fine) - size, max(1, round(stride_s / _FINE_S))
    starts = np.arange(0, last + 1, step)
    if len(starts) and last - starts[-1] > step / 2:
        starts = np.append(starts, last)
    seen = np.concatenate([[0], np.cumsum(known)])
    starts = starts[seen[starts + size] - seen[starts] == size]
    cut = laid[starts[:, None] + np.arange(size)].swapaxes(1, 2)
    folded = cut.reshape(len(starts), len(CHANNELS), size // fold, fold).mean(axis=3).swapaxes(1, 2)
    return fine[starts], folded - folded.mean(axis=1, keepdims=True)


def windows(signature: Signature, stride_s: float = STRIDE_S, *, mirror: bool = False) -> tuple[TimeArray, FloatArray]:
    """Describe a signature's life in short stretches, for an index of nearest neighbours by the Euclidean distance.

    Parameters
    ----------
    signature : Signature
    stride_s : float
        From one window to the next: `STRIDE_S` for what is searched, a frame or so for what is searched for. Less where
        the signature is short, see `FEWEST`.
    mirror : bool
        As if the picture were mirrored.

    Returns
    -------
    times_s : ndarray of float64 [shape=(N,)]
        Where each begins; those in which the face was not seen throughout, or hardly moved, are left out.
    vectors : ndarray of float32 [shape=(N, DIMENSIONS)]
        Two copies of one moment differ by about sqrt(2) in each.
    """
    if signature.still:
        return np.zeros(0), np.zeros((0, DIMENSIONS), np.float32)
    life = mirrored(signature.life) if mirror else signature.life
    stride_s = min(stride_s, max(0.0, signature.duration_s - WINDOW_S) / (FEWEST - 1))
    starts, cut = raw_windows(signature.times_s, life, stride_s)
    vectors = _tamed(cut.reshape(len(cut), cut.shape[1] * cut.shape[2]) @ _matrix("windows"))
    moves = (vectors**2).mean(axis=1) >= MIN_MOVEMENT
    return starts[moves], vectors[moves]
