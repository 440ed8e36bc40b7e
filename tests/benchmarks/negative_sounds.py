"""Sounds without speech for the negative controls: noises, and music without a singer.

Every maker takes a random generator and a number of samples, and the same state of the generator gives the same sound.
They are synthesised here; `plucked` names its source.

Conventions: sounds are float64 [shape=(n,)] at 16 kHz and of any loudness; `loud` scales them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, lfilter, sosfilt

from lipaccord.media import SOUND_RATE_HZ

Samples = NDArray[np.float64]


# --- sounds without a voice ---------------------------------------------------------------------------------------


def coloured(rng: Rng, n: int, power: float) -> Samples:
    """Noise whose power falls as the frequency to the given power."""
    spectrum = np.fft.rfft(rng.normal(size=n))
    noise: Samples = np.fft.irfft(spectrum * np.maximum(np.fft.rfftfreq(n), 1 / n) ** (-power / 2), n)
    return noise


def band(samples: Samples, low_hz: float, high_hz: float) -> Samples:
    filtered: Samples = sosfilt(butter(2, [low_hz, high_hz], "bandpass", fs=SOUND_RATE_HZ, output="sos"), samples)
    return filtered


def phase(frequency_hz: Samples) -> Samples:
    return 2 * np.pi * np.cumsum(frequency_hz) / SOUND_RATE_HZ


def harmonics(frequency_hz: Samples, strengths: Samples) -> Samples:
    """Sum sines at the multiples of a frequency that the rate can hold."""
    angle = phase(frequency_hz)
    audible = [(k, strength) for k, strength in enumerate(strengths, 1) if k * frequency_hz.max() < SOUND_RATE_HZ / 2]
    total: Samples = np.sum([strength * np.sin(k * angle) for k, strength in audible], axis=0)
    return total


def decay(n: int, seconds: float) -> Samples:
    return np.exp(-np.arange(n) / (seconds * SOUND_RATE_HZ))


def placed(n: int, starts: Sequence[int], notes: Sequence[Samples]) -> Samples:
    """Add notes up, each from its start."""
    total = np.zeros(n)
    for start, note in zip(starts, notes, strict=True):
        end = min(n, start + len(note))
        total[start:end] += note[: end - start]
    return total


def silence(rng: Rng, n: int) -> Samples:
    return float(rng.choice([0.0, 1e-4, 1e-3])) * rng.normal(size=n)


def hum(rng: Rng, n: int) -> Samples:
    mains = np.full(n, rng.choice([50.0, 60.0]))
    return harmonics(mains, rng.uniform(0, 1, 12) / np.arange(1, 13)) + 0.02 * rng.normal(size=n)


def clicks(rng: Rng, n: int) -> Samples:
    count = max(2, int(n / SOUND_RATE_HZ * rng.uniform(1, 12)))
    notes = [band(rng.normal(size=800) * decay(800, 0.004), 500, 6000) for _ in range(count)]
    return placed(n, rng.integers(0, n - 1, count).tolist(), notes) + 1e-3 * rng.normal(size=n)


def applause(rng: Rng, n: int) -> Samples:
    count = int(n / SOUND_RATE_HZ * rng.uniform(60, 400))
    notes = [rng.uniform(0.2, 1) * rng.normal(size=600) * decay(600, rng.uniform(0.003, 0.012)) for _ in range(count)]
    return band(placed(n, rng.integers(0, n - 1, count).tolist(), notes), 400, 5000)


def bursts(rng: Rng, n: int) -> Samples:
    """Noise that comes and goes at the pace of syllables."""
    steps = np.repeat(rng.uniform(0, 1, n // 800 + 1), 800)[:n]
    pace = rng.uniform(2, 7)
    swell = np.clip(np.sin(2 * np.pi * pace * np.arange(n) / SOUND_RATE_HZ + rng.uniform(0, 6)) + steps - 0.3, 0, 1)
    return band(coloured(rng, n, rng.uniform(0, 2)), 150, rng.uniform(2000, 7000)) * swell


def engine(rng: Rng, n: int) -> Samples:
    knots = rng.uniform(25, 140, 5)
    speed = np.interp(np.linspace(0, 4, n), np.arange(5), knots) * (
        1 + 0.01 * uniform_filter1d(rng.normal(size=n), 400)
    )
    return harmonics(speed, rng.uniform(0.2, 1, 24) / np.sqrt(np.arange(1, 25))) + 2 * band(rng.normal(size=n), 50, 900)


def siren(rng: Rng, n: int) -> Samples:
    clock = np.arange(n) / SOUND_RATE_HZ
    sweep = np.sin(2 * np.pi * rng.uniform(0.2, 4) * clock)
    sweep = np.sign(sweep) if rng.random() < 0.4 else sweep
    return harmonics(rng.uniform(500, 1100) * (1 + rng.uniform(0.1, 0.5) * sweep), 1 / np.arange(1, 6) ** 1.5)


def tones(rng: Rng, n: int) -> Samples:
    notes, starts, at = [], [], 0
    while at < n:
        length = int(rng.uniform(0.05, 0.8) * SOUND_RATE_HZ)
        pair = rng.uniform(200, 3000, 2)
        notes.append(sum(np.sin(phase(np.full(length, one))) for one in pair) * np.hanning(length) ** 0.2)
        starts.append(at)
        at += int(length * rng.uniform(1, 2))
    return placed(n, starts, notes)


def rain(rng: Rng, n: int) -> Samples:
    count = int(n / SOUND_RATE_HZ * rng.uniform(20, 120))
    drops = [
        rng.uniform(0, 1)
        * np.sin(phase(np.linspace(rng.uniform(800, 5000), rng.uniform(800, 5000), 300)))
        * decay(300, 0.004)
        for _ in range(count)
    ]
    return band(coloured(rng, n, 0.5), 800, 7500) + 0.5 * placed(n, rng.integers(0, n - 1, count).tolist(), drops)


# --- music without a voice ----------------------------------------------------------------------------------------

SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def pitch_hz(rng: Rng, low: int, high: int) -> float:
    """Frequency of a note of the major scale, `low` to `high` octaves above 55 Hz."""
    return float(55.0 * 2 ** (rng.integers(low, high + 1) + rng.choice(SCALE) / 12))


def beats(rng: Rng, n: int, low_s: float, high_s: float) -> list[int]:
    step = int(rng.uniform(low_s, high_s) * SOUND_RATE_HZ)
    return list(range(0, n, step))


def shaped(note: Samples, attack_s: float, fade_s: float) -> Samples:
    clock = np.arange(len(note)) / SOUND_RATE_HZ
    ends: Samples = np.minimum(clock / attack_s, 1) * np.clip((clock[-1] - clock) / fade_s, 0, 1)
    return note * ends


def chords(rng: Rng, n: int, fall: float = 1.3) -> Samples:
    starts = beats(rng, n, 0.4, 2.0)
    length = starts[1] if len(starts) > 1 else n
    notes = []
    for _ in starts:
        root, third = 55 * 2 ** (rng.choice(SCALE) / 12 + rng.integers(1, 3)), rng.choice([3, 4])
        voices = [root * 2 ** (step / 12) for step in (0, third, 7, 12)]
        tone = [harmonics(np.full(length, one), 1 / np.arange(1, 9) ** fall) for one in voices]
        notes.append(shaped(np.sum(tone, axis=0), 0.02, 0.15))
    return placed(n, starts, notes)


def organ(rng: Rng, n: int) -> Samples:
    return chords(rng, n, 0.5) * (1 + 0.2 * np.sin(2 * np.pi * 6 * np.arange(n) / SOUND_RATE_HZ))


def drums(rng: Rng, n: int) -> Samples:
    starts, notes = beats(rng, n, 0.12, 0.35), []
    for number, _ in enumerate(starts):
        kick = np.sin(phase(np.linspace(150, 45, 4000))) * decay(4000, 0.08)
        snare = band(rng.normal(size=3000), 300, 5000) * decay(3000, 0.04)
        hat = 0.3 * band(rng.normal(size=1200), 4000, 7800) * decay(1200, 0.01)
        notes.append([kick, hat, snare, hat][number % 4] * rng.uniform(0.6, 1))
    return placed(n, starts, notes)


def melody(rng: Rng, n: int) -> Samples:
    """One line of notes with vibrato, by a bowed or blown instrument."""
    starts, notes = beats(rng, n, 0.15, 0.7), []
    length = starts[1] if len(starts) > 1 else n
    strengths = rng.uniform(0.2, 1, 14) / np.arange(1, 15)
    vibrato = np.sin(2 * np.pi * rng.uniform(4, 7) * np.arange(length) / SOUND_RATE_HZ)
    for _ in starts:
        tune = pitch_hz(rng, 1, 3) * 2 ** (rng.uniform(0.1, 0.6) * vibrato / 12)
        notes.append(shaped(harmonics(tune, strengths), 0.03, 0.05) * rng.uniform(0.5, 1))
    return placed(n, starts, notes)


def plucked(rng: Rng, n: int) -> Samples:
    """Strings after Karplus and Strong, Computer Music Journal 7(2), 1983."""
    starts, notes, length = beats(rng, n, 0.12, 0.5), [], SOUND_RATE_HZ
    for _ in starts:
        period = int(SOUND_RATE_HZ / pitch_hz(rng, 1, 3))
        pluck = np.zeros(length)
        pluck[:period] = rng.uniform(-1, 1, period)
        loop = np.zeros(period + 2)
        loop[0], loop[period], loop[period + 1] = 1.0, -0.498, -0.498
        notes.append(lfilter([1.0], loop, pluck))
    return placed(n, starts, notes)


def ensemble(rng: Rng, n: int) -> Samples:
    return sum(
        (rng.uniform(0.3, 1) * loud(part(rng, n), 1.0) for part in (chords, drums, melody, plucked)), np.zeros(n)
    )


NOISES: dict[str, Callable[[Rng, int], Samples]] = {
    "silence": silence,
    "white": lambda rng, n: coloured(rng, n, 0.0),
    "pink": lambda rng, n: coloured(rng, n, 1.0),
    "brown": lambda rng, n: coloured(rng, n, 2.0),
    "hum": hum,
    "clicks": clicks,
    "applause": applause,
    "bursts": bursts,
    "engine": engine,
    "siren": siren,
    "tones": tones,
    "rain": rain,
}
MUSIC: dict[str, Callable[[Rng, int], Samples]] = {
    "chords": chords,
    "organ": organ,
    "drums": drums,
    "melody": melody,
    "plucked": plucked,
    "ensemble": ensemble,
}


def loud(samples: Samples, peak: float) -> Samples:
    """Scale to a peak; silence stays."""
    highest = float(np.abs(samples).max())
    return samples * (peak / highest) if highest > 0.01 else samples
