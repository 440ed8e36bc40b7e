"""How well a predicted mouth and an observed one agree, as a function of the lag between them.

The lag curve is a weighted mean of normalised correlations, one for each component of the mouth shape and one for its
velocity (difference over 60 ms, which sharpens the peak). Slow drift of either side is removed first by a running
mean. The null is the same speech laid where it can't belong: shifted further than any lag looked at, and
run backwards; so every clip is its own control.

Conventions: 100 Hz clock. Lag > 0: the sound comes late, so what is seen at t is heard at t + lag. Agreement: -1 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, uniform_filter1d
from scipy.special import logsumexp

from lipaccord.records import BoolArray, FloatArray

RATE_HZ = 100
DETREND = 151  # frames of the running mean: 1.5 s
VELOCITY_SPAN = 3  # frames on either side of a velocity
BLOCK = 50  # frames of a bootstrap block: 0.5 s
RESAMPLES = 400
NEAR_S = 0.06  # decay of the prior on the lag, and
NEAR_SHARE = 0.9  # what it holds; the rest is spread over all lags
SUPPORT_LOSS = 1.3  # what the mean over the lags takes from the z of the true one, where the zero is right
STANDS_OUT = 4.5  # deviations above other speech; chance does not reach it over 200 lags
RARE_SUPPORT = 2.4  # support that other speech reaches about as seldom
EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class LagCurve:
    """Agreement by lag.

    Attributes
    ----------
    lags : ndarray of int64 [shape=(G,)]
        Frames of 10 ms.
    values : ndarray of float64 [shape=(G,)]
        Agreement over all usable frames.
    sums, counts : ndarray of float64 [shape=(B, G)]
        Agreement summed over each block of the mouth's time, and the frames that went in.
    """

    lags: NDArray[np.int64]
    values: NDArray[np.float64]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @property
    def peak(self) -> int:
        """Index of the highest value."""
        return int(np.argmax(self.values))


def _detrended(values: FloatArray, usable: BoolArray) -> NDArray[np.float64]:
    """Subtract the running mean of the usable frames; unusable frames become zero."""
    filled = np.where(usable[:, None], values, 0.0).astype(np.float64)
    share = uniform_filter1d(usable.astype(np.float64), DETREND, mode="constant")
    mean = uniform_filter1d(filled, DETREND, axis=0, mode="constant") / np.maximum(share, EDGE)[:, None]
    return np.where(usable[:, None], filled - mean, 0.0)


def known_frames(seen: FloatArray) -> BoolArray:
    """Frames in which every component is known [shape=(N,)]."""
    known: BoolArray = np.atleast_1d(np.isfinite(seen).all(axis=1))
    return known


def channels(values: FloatArray, usable: BoolArray) -> tuple[NDArray[np.float64], BoolArray]:
    """Shape components and their velocities, without drift, each of unit power.

    Parameters
    ----------
    values : ndarray [shape=(N, C)]
    usable : ndarray of bool [shape=(N,)]

    Returns
    -------
    ndarray [shape=(N, 2C)], ndarray of bool [shape=(N,)]
        Zero where not usable; a frame is usable when its velocity is known too.
    """
    level = _detrended(values, usable)
    span = VELOCITY_SPAN
    velocity = np.zeros_like(level)
    known = np.zeros_like(usable)
    velocity[span:-span] = level[2 * span :] - level[: -2 * span]
    known[span:-span] = usable[span:-span] & usable[2 * span :] & usable[: -2 * span]
    both = np.where(known[:, None], np.concatenate([level, velocity], axis=1), 0.0)
    power = (both**2).sum(axis=0) / max(int(known.sum()), 1)
    return both / np.sqrt(power + EDGE), known


def _shifted_products(
    heard: NDArray[np.float64], heard_ok: BoolArray, seen: NDArray[np.float64], seen_ok: BoolArray, lag: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Agreement of each frame seen with what is heard `lag` later, and whether it counts [shapes=(N,)]."""
    length = len(seen)
    product, counted = np.zeros(length), np.zeros(length)
    mouth = slice(max(0, -lag), min(length, length - lag))
    voice = slice(mouth.start + lag, mouth.stop + lag)
    product[mouth] = np.einsum("nk,nk->n", heard[voice], seen[mouth])
    counted[mouth] = heard_ok[voice] & seen_ok[mouth]
    return product, counted


def lag_curve(heard: FloatArray, heard_ok: BoolArray, seen: FloatArray, weights: FloatArray, max_lag: int) -> LagCurve:
    """Measure the agreement over lags from -max_lag to max_lag frames.

    Parameters
    ----------
    heard : ndarray [shape=(N, C)]
        Mouth shape predicted from the speech.
    heard_ok : ndarray of bool [shape=(N,)]
        Frames with speech to go by.
    seen : ndarray [shape=(N, C)]
        Mouth shape observed, NaN where unknown.
    weights : ndarray [shape=(2, C)]
        Of each component's values and velocity; their sum is the highest agreement possible.
    max_lag : int
        Frames, less than N.
    """
    voice, voice_ok = channels(heard, heard_ok)
    mouth, mouth_ok = channels(seen, known_frames(seen))
    voice *= weights.reshape(-1)
    starts = np.arange(0, len(mouth), BLOCK)
    lags = np.arange(-max_lag, max_lag + 1)
    sums, counts = np.zeros((len(starts), len(lags))), np.zeros((len(starts), len(lags)))
    for column, lag in enumerate(lags):
        product, counted = _shifted_products(voice, voice_ok, mouth, mouth_ok, int(lag))
        sums[:, column] = np.add.reduceat(product, starts)
        counts[:, column] = np.add.reduceat(counted, starts)
    values = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)
    return LagCurve(lags, values, sums, counts)


def refined_peak_s(
    curve: LagCurve, values: NDArray[np.float64] | None = None, handicap: NDArray[np.float64] | None = None
) -> float:
    """Lag of the highest value in seconds, between the frames by the parabola through its neighbours.

    Parameters
    ----------
    curve : LagCurve
    values : ndarray [shape=(G,)], optional
        In place of the curve's own.
    handicap : ndarray [shape=(G,)], optional
        Added for choosing the highest value, not for refining its place.
    """
    heights = curve.values if values is None else values
    k = int(np.argmax(heights if handicap is None else heights + handicap))
    lag = float(curve.lags[k])
    if 0 < k < len(heights) - 1:
        left, top, right = heights[k - 1 : k + 2]
        bend = left - 2 * top + right
        if bend < 0:
            # half a frame at most: under a handicap the place chosen may lie on a slope
            lag += float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
    return lag / RATE_HZ


def peak_interval_s(
    curve: LagCurve, level: float = 0.95, seed: int = 0, handicap: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Interval of the peak's lag in seconds, by bootstrap over blocks of BLOCK frames; `handicap` as for the peak.

    Blocks are drawn with replacement (Künsch, Annals of Statistics 17(3), 1989), since neighbouring frames are
    not independent.
    """
    used = curve.counts.max(axis=1) > 0
    sums, counts = curve.sums[used], curve.counts[used]
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES).astype(np.float64)
    curves = (draws @ sums) / np.maximum(draws @ counts, 1.0)
    peaks = [refined_peak_s(curve, values, handicap) for values in curves]
    low, high = np.quantile(peaks, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _circular(
    voice: NDArray[np.float64], voice_ok: BoolArray, mouth: NDArray[np.float64], mouth_ok: BoolArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the summed agreement and the frame count at every circular shift of the voice [shapes=(N,)]."""
    length = len(mouth)
    spectrum = np.zeros(length // 2 + 1, np.complex128)
    for column in range(mouth.shape[1]):  # one at a time: spectra of long clips are large
        spectrum += np.fft.rfft(voice[:, column]) * np.conj(np.fft.rfft(mouth[:, column]))
    sums = np.fft.irfft(spectrum, length)
    masks = np.fft.rfft(voice_ok.astype(np.float64)) * np.conj(np.fft.rfft(mouth_ok.astype(np.float64)))
    return sums, np.fft.irfft(masks, length)


def null_agreement(
    heard: FloatArray, heard_ok: BoolArray, seen: FloatArray, weights: FloatArray, max_lag: int
) -> tuple[float, float]:
    """Mean and standard deviation of the agreement where sound and mouth can't belong together.

    Parameters
    ----------
    heard, heard_ok, seen, weights, max_lag
        As for `lag_curve`; shifts up to `max_lag` are left out, the reversed speech is taken at all shifts.
    """
    mouth, mouth_ok = channels(seen, known_frames(seen))
    length = len(mouth)
    values = []
    for sound, sound_ok, shifts in (
        (heard, heard_ok, np.arange(max_lag + 1, length - max_lag)),
        (heard[::-1], heard_ok[::-1], np.arange(length)),
    ):
        voice, voice_ok = channels(sound, sound_ok)  # of the reversed speech itself: velocities change their sign
        sums, counts = _circular(voice * weights.reshape(-1), voice_ok, mouth, mouth_ok)
        enough = shifts[counts[shifts] >= 0.5 * counts.max()]
        values.append(sums[enough] / np.maximum(counts[enough], 1.0))
    null = np.concatenate(values)
    return float(null.mean()), float(null.std())


def local_agreement(curve: LagCurve, lag_index: int, blocks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the agreement at one lag over `blocks` blocks round each block, and the frames behind it [shapes=(B,)]."""
    window = np.ones(blocks)
    counts = convolve1d(curve.counts[:, lag_index], window, mode="constant")
    sums = convolve1d(curve.sums[:, lag_index], window, mode="constant")
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan), counts


@dataclass(frozen=True, slots=True)
class Reference:
    """What agreement looks like, measured on speakers that the predictor never saw.

    Attributes
    ----------
    zero_s : float
        Lag at which authentic clips agree best: the latency of the measurement itself.
    together, deviation : float
        Mean agreement of a mouth with its own speech at that lag, and its deviation between clips
        beyond what their length explains.
    null_deviation : float
        Deviation of the agreement with other speech, for one second of it; falls with the root of the length.
    """

    zero_s: float
    together: float
    deviation: float
    null_deviation: float


def standardised(curve: LagCurve, reference: Reference) -> NDArray[np.float64]:
    """Agreement by lag in standard deviations of what other speech gives over the same length [shape=(G,)]."""
    seconds = np.maximum(curve.counts.sum(axis=0), 1.0) / RATE_HZ
    z: NDArray[np.float64] = curve.values * np.sqrt(seconds) / reference.null_deviation
    return z


def lag_prior(curve: LagCurve, reference: Reference) -> NDArray[np.float64]:
    """How often sound is found at each lag in ordinary recordings: mostly near the zero [shape=(G,)]."""
    near = np.exp(-np.abs(curve.lags / RATE_HZ - reference.zero_s) / NEAR_S)
    prior: NDArray[np.float64] = NEAR_SHARE * near / near.sum() + (1 - NEAR_SHARE) / len(near)
    return prior


def support(curve: LagCurve, reference: Reference) -> float:
    """Support for "recorded together", over all lags: larger = the mouth follows this speech better.

    Log of the mean of exp(z) over the lags, weighted by `lag_prior`. For other speech its distribution hardly depends
    on the length of the clip.
    """
    return float(logsumexp(standardised(curve, reference), b=lag_prior(curve, reference)))


def evidence_for(curve: LagCurve, reference: Reference) -> float:
    """Evidence for "recorded together": the support, or what a peak far from the zero is worth where it is more.

    The prior holds sound at a large offset for rare. A peak that stands out by itself needs no prior; it counts as the
    support that other speech reaches as seldom.
    """
    peak = float(standardised(curve, reference).max())
    return max(support(curve, reference), peak - STANDS_OUT + RARE_SUPPORT)


def expected_support(seconds: float, reference: Reference) -> tuple[float, float]:
    """Support that authentic clips of this length give, and its deviation between clips."""
    scale = np.sqrt(seconds) / reference.null_deviation
    return float(reference.together * scale - SUPPORT_LOSS), float(np.hypot(1.0, reference.deviation * scale))
