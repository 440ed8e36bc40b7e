"""Sound -> what the predictor hears, and where somebody speaks.

Two kinds of features, both at 100 Hz:

- ``mfcc-28``: 13 mel-frequency cepstral coefficients, log energy and their first differences, as in Suwajanakorn
  et al., "Synthesizing Obama", SIGGRAPH 2017;
- ``logmel-40``: 40 log-mel bands.

Conventions: 25 ms windows every 10 ms, pre-emphasis 0.97, mel bands from 60 Hz to 7.6 kHz. Power is floored FLOOR_DB
below the loudest window of the clip, so that gain only adds a constant (which the predictor takes off). Windows are
computed in blocks that share no state, so memory is bounded and the result does not depend on the block size. Speech
activity comes from Silero VAD (silero-vad, MIT), whose weights are part of its package.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import numpy as np

from lipaccord.records import FloatArray, Interval, Sound, SpeechActivity, SpeechFeatures, TimeArray

FEATURE_RATE_HZ = 100
WINDOW_S = 0.025
FFT_SIZE = 512
PRE_EMPHASIS = 0.97
MEL_BANDS = 40
MEL_RANGE_HZ = (60.0, 7600.0)
CEPSTRA = 13
FLOOR_DB = 80.0
BLOCK = 6000  # windows at a time: one minute
SILENT_POWER = 1e-10  # below it a window is digital silence: the floor must not follow it down
VAD_WINDOW = 512  # samples: what Silero VAD takes at 16 kHz
SPEECH_PROBABILITY = 0.5
CLOSE_GAP_S = 0.2
MIN_SPEECH_S = 0.2

KINDS = {"logmel-40": MEL_BANDS, "mfcc-28": 2 * (CEPSTRA + 1)}
"""Feature kinds and their dimension D."""


def make_ready() -> None:
    """Import what listening needs: imports keep other threads waiting, so it is done before those start."""
    for library in ("librosa.feature", "librosa.feature.spectral", "silero_vad"):
        importlib.import_module(library)


def _hop(sound: Sound) -> int:
    hop, rest = divmod(sound.rate_hz, FEATURE_RATE_HZ)
    if rest:
        raise ValueError(f"the sound's rate ({sound.rate_hz} Hz) must be a multiple of {FEATURE_RATE_HZ} Hz")
    return hop


def _clock(sound: Sound) -> TimeArray:
    """Centres of the analysis windows: the sound's start, then every 10 ms [shape=(N,)]."""
    count = len(sound.samples) // _hop(sound) + 1
    return sound.start_s + np.arange(count) / FEATURE_RATE_HZ


def _power_blocks(sound: Sound) -> Iterator[FloatArray]:
    """Yield the mel power of one block of windows after another [shape=(MEL_BANDS, n)]."""
    import librosa

    hop, half = _hop(sound), FFT_SIZE // 2
    count = len(sound.samples) // hop + 1
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count)
        begin, end = first * hop - half, (last - 1) * hop + half
        # one sample more in front for the pre-emphasis; zeros where the window reaches past the sound
        inside = sound.samples[max(begin - 1, 0) : max(end, 0)]
        padded = np.pad(inside, (max(0, 1 - begin), max(0, end - len(sound.samples))))
        emphasised = padded[1:] - np.float32(PRE_EMPHASIS) * padded[:-1]
        yield librosa.feature.melspectrogram(
            y=emphasised,
            sr=sound.rate_hz,
            n_fft=FFT_SIZE,
            hop_length=hop,
            win_length=round(WINDOW_S * sound.rate_hz),
            center=False,
            n_mels=MEL_BANDS,
            fmin=MEL_RANGE_HZ[0],
            fmax=MEL_RANGE_HZ[1],
        )


def _log_mel(sound: Sound) -> FloatArray:
    """Natural log of the mel power, floored relative to the loudest window [shape=(N, MEL_BANDS)]."""
    power = np.concatenate(list(_power_blocks(sound)), axis=1)
    floor = max(float(power.max()) * 10 ** (-FLOOR_DB / 10), SILENT_POWER)
    log_power: FloatArray = np.log(np.maximum(power, np.float32(floor))).T
    return log_power


def _mfcc_28(log_mel: FloatArray) -> FloatArray:
    """Compute the paper's features from the log-mel bands [shape=(N, 28)]."""
    import librosa

    cepstra = librosa.feature.mfcc(S=log_mel.T, n_mfcc=CEPSTRA)
    energy = np.log(np.exp(log_mel.T).sum(axis=0, keepdims=True))
    static = np.concatenate([cepstra, energy])
    differences = np.diff(static, axis=1, prepend=static[:, :1])
    return np.concatenate([static, differences]).T.astype(np.float32)


def speech_features(sound: Sound, kind: str) -> SpeechFeatures:
    """Compute the predictor's input.

    Parameters
    ----------
    sound : Sound
        Mono; its rate a multiple of 100 Hz.
    kind : str
        A key of `KINDS`.

    Raises
    ------
    ValueError
        `kind` is unknown, or the rate is not a multiple of 100 Hz.
    """
    if kind not in KINDS:
        raise ValueError(f"there are no speech features {kind!r}; there are: {', '.join(KINDS)}")
    log_mel = _log_mel(sound)
    values = log_mel if kind == "logmel-40" else _mfcc_28(log_mel)
    return SpeechFeatures(kind, _clock(sound), values)


def _probabilities(sound: Sound) -> FloatArray:
    """Silero VAD's probability of speech for every window of VAD_WINDOW samples [shape=(n,)]."""
    import silero_vad
    import torch

    windows = -(-len(sound.samples) // VAD_WINDOW)
    probabilities = np.zeros(windows, np.float32)
    window = torch.zeros(1, VAD_WINDOW)
    with torch.inference_mode():
        model = silero_vad.load_silero_vad()
        model.reset_states()
        for number in range(windows):  # one by one: the whole sound at once would be copied several times
            samples = sound.samples[number * VAD_WINDOW : (number + 1) * VAD_WINDOW]
            window[0, : len(samples)] = torch.from_numpy(samples.copy())
            window[0, len(samples) :] = 0.0
            probabilities[number] = model(window, sound.rate_hz).item()
    return probabilities


def _stretches(speech: np.ndarray, times: TimeArray) -> tuple[Interval, ...]:
    """Turn a mask on the clock into stretches: close short gaps, then drop short bursts."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], speech.astype(np.int8), [0]])))
    step = 1.0 / FEATURE_RATE_HZ
    merged: list[Interval] = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        start, end = float(times[first]), float(times[last - 1]) + step
        if merged and start - merged[-1].end_s < CLOSE_GAP_S:
            start = merged.pop().start_s
        merged.append(Interval(start, end))
    return tuple(stretch for stretch in merged if stretch.duration_s >= MIN_SPEECH_S)


def speech_activity(sound: Sound) -> SpeechActivity:
    """Find where somebody speaks.

    Parameters
    ----------
    sound : Sound
        16 kHz mono (what Silero VAD takes).
    """
    times = _clock(sound)
    hop = _hop(sound)
    window = np.minimum(np.arange(len(times)) * hop // VAD_WINDOW, max(0, (len(sound.samples) - 1) // VAD_WINDOW))
    probability = np.zeros(len(times), np.float32)
    if len(sound.samples) >= VAD_WINDOW:
        probability = _probabilities(sound)[window]
    level = _level_db(sound, hop)
    return SpeechActivity(times, probability, level, _stretches(probability >= SPEECH_PROBABILITY, times))


def _level_db(sound: Sound, hop: int) -> FloatArray:
    """Level round each tick of the clock, over one hop on either side, in dB relative to full scale [shape=(N,)]."""
    length = len(sound.samples)
    ticks = length // hop + 1
    energy = np.zeros(ticks + 1)  # of the hop before each tick, and of the one after the last
    for first in range(0, ticks, BLOCK):
        part = sound.samples[first * hop : (first + BLOCK) * hop].astype(np.float64)
        sums = np.add.reduceat(part**2, np.arange(0, len(part), hop)) if len(part) else np.zeros(0)
        energy[first + 1 : first + 1 + len(sums)] = sums
    centre = np.arange(ticks) * hop
    samples = np.minimum(centre + hop, length) - np.maximum(centre - hop, 0)
    power = (energy[:-1] + energy[1:]) / np.maximum(samples, 1)
    level: FloatArray = (10 * np.log10(np.maximum(power, SILENT_POWER))).astype(np.float32)
    return level
