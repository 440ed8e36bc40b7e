"""Other sound under the voice: noise and music, at a known ratio to it.

The ratio is that of the power of the clip's own sound where it is active to the power of what is added, over the whole
length. Where the sound is active is found as in ITU-T P.56: blocks whose level lies less than 15.9 dB below the mean
level of all such blocks (P.56 smooths by an envelope; here the level is that of blocks of 20 ms).

The noise is pink: equal power in every octave from 50 Hz up, which masks the low and the high parts of speech alike.
The music is synthesised from a score of four bars: chords, bass, drums, and no voice. Both are loops: they repeat
without a seam and cost no more memory than one turn.

Conventions: sound keeps its rate, length and start. Where the sum would pass full scale, all of it is turned down, so
that nothing is clipped and the ratio stays. Silence has no level: nothing is added to it.
"""

from __future__ import annotations

import numpy as np

from lipaccord.records import FloatArray, Sound

BLOCK_S = 0.020
MARGIN_DB = 15.9  # of P.56
NOISE_LOOP_S = 30
NOISE_FLOOR_HZ = 50.0

BEAT_S = 0.625  # 96 beats a minute
BEATS_A_BAR = 4
SCORE = (
    (36, (60, 64, 67)),  # C major
    (43, (59, 62, 67)),  # G major
    (45, (57, 60, 64)),  # A minor
    (41, (57, 60, 65)),  # F major
)
"""Bass note and chord of each bar, as MIDI note numbers."""
CHORD_BEATS, BASS_BEATS = (0.0, 1.5, 2.5, 3.0), (0.0, 1.5, 2.0, 3.5)
KICK_BEATS, SNARE_BEATS, HAT_BEATS = (0.0, 2.0, 2.5), (1.0, 3.0), tuple(np.arange(0.0, BEATS_A_BAR, 0.5))
HARMONICS = 10


def _power(samples: FloatArray) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def _scaled(loop: FloatArray) -> FloatArray:
    return np.asarray(loop / np.sqrt(_power(loop)), np.float32)


def pink_noise(rate_hz: int, rng: np.random.Generator) -> FloatArray:
    """Draw a loop of pink noise of power 1 [shape=(n,)]."""
    count = NOISE_LOOP_S * rate_hz
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    gain = np.where(hz >= NOISE_FLOOR_HZ, 1 / np.sqrt(np.maximum(hz, NOISE_FLOOR_HZ)), 0.0)
    return _scaled(np.fft.irfft(spectrum * gain, count).astype(np.float32))


def _note(midi: int, beats: float, rate_hz: int) -> FloatArray:
    """Return a plucked tone whose higher harmonics die away sooner."""
    hz, times = 440 * 2 ** ((midi - 69) / 12), np.arange(round(beats * BEAT_S * rate_hz)) / rate_hz
    tone = np.zeros(len(times))
    for order in range(1, HARMONICS + 1):
        if order * hz < rate_hz / 2:
            tone += np.sin(2 * np.pi * order * hz * times) * np.exp(-(1.5 + order) * times) / order
    return (tone * np.minimum(times / 0.005, 1)).astype(np.float32)


def _drums(rate_hz: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a kick (a falling tone), a snare and a hat (bursts of noise, the hat without its low part)."""
    times = np.arange(round(0.25 * rate_hz)) / rate_hz
    noise = rng.standard_normal((2, len(times)))
    kick = np.sin(2 * np.pi * (50 * times + 4 * (1 - np.exp(-25 * times)))) * np.exp(-14 * times)
    snare = noise[0] * np.exp(-22 * times)
    hat = np.diff(noise[1], prepend=0.0) * np.exp(-60 * times)
    return kick.astype(np.float32), snare.astype(np.float32), hat.astype(np.float32)


def music(rate_hz: int, rng: np.random.Generator) -> FloatArray:
    """Play the score once, as a loop of power 1 [shape=(n,)]; only the noise of the drums is drawn."""
    loop = np.zeros(round(len(SCORE) * BEATS_A_BAR * BEAT_S * rate_hz), np.float32)

    def play(bar: int, beat: float, tone: FloatArray, gain: float) -> None:
        first = round((bar * BEATS_A_BAR + beat) * BEAT_S * rate_hz)
        loop[(first + np.arange(len(tone))) % len(loop)] += gain * tone

    drums = _drums(rate_hz, rng)
    for bar, (bass, chord) in enumerate(SCORE):
        for beat in BASS_BEATS:
            play(bar, beat, _note(bass, 1.0, rate_hz), 0.9)
        for midi in chord:
            for beat in CHORD_BEATS:
                play(bar, beat, _note(midi, 2.0, rate_hz), 0.6)
        for drum, beats, gain in zip(drums, (KICK_BEATS, SNARE_BEATS, HAT_BEATS), (0.8, 0.35, 0.15), strict=True):
            for beat in beats:
                play(bar, beat, drum, gain)
    return _scaled(loop)


def active_power(sound: Sound) -> float:
    """Return the mean power of a sound where it is active; 0 for silence."""
    block = max(1, min(len(sound.samples), round(BLOCK_S * sound.rate_hz)))
    whole = sound.samples[: len(sound.samples) // block * block].reshape(-1, block)
    active = np.mean(np.square(whole, dtype=np.float64), axis=1)
    while len(active):
        kept = active[active > active.mean() * 10 ** (-MARGIN_DB / 10)]
        if len(kept) == len(active):
            return float(active.mean())
        active = kept
    return 0.0


def _beside(sound: Sound, loop: FloatArray, ratio_db: float) -> Sound:
    """Add a loop at a ratio."""
    if not len(sound.samples):
        return sound
    other = np.resize(loop, len(sound.samples))
    gain = np.sqrt(active_power(sound) / _power(other) * 10 ** (-ratio_db / 10))
    mixed = sound.samples + gain * other
    return Sound((mixed / max(1.0, np.abs(mixed).max())).astype(np.float32), sound.rate_hz, sound.start_s)


def with_noise(ratio_db: float, sound: Sound, rng: np.random.Generator) -> Sound:
    """Add pink noise.

    Parameters
    ----------
    ratio_db : float
        Power of the active sound over that of the noise.
    sound : Sound
    rng : numpy.random.Generator

    Returns
    -------
    Sound
    """
    return _beside(sound, pink_noise(sound.rate_hz, rng), ratio_db)


def with_music(ratio_db: float, sound: Sound, rng: np.random.Generator) -> Sound:
    """Add music; parameters as in `with_noise`."""
    return _beside(sound, music(sound.rate_hz, rng), ratio_db)
