from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from clips import tone
from lipaccord import interferers
from lipaccord.interferers import active_power, music, pink_noise, with_music, with_noise
from lipaccord.records import FloatArray, Sound

RATE = 16_000
ADDED = pytest.mark.parametrize("add", [with_noise, with_music])

Add = Callable[[float, Sound, np.random.Generator], Sound]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def spoken(level: float = 0.1, pause_s: float = 2.0) -> Sound:
    """Stand in for speech: two seconds of a tone around a pause."""
    burst = tone(1.0, RATE, hz=310, level=level)
    return Sound(np.concatenate([burst, np.zeros(round(pause_s * RATE), np.float32), burst]), RATE, 0.25)


def octaves(samples: FloatArray) -> list[float]:
    """Power in the octaves from 62.5 Hz to 8 kHz, in dB."""
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    edges = 62.5 * 2.0 ** np.arange(8)
    return [float(10 * np.log10(spectrum[(hz >= low) & (hz < high)].sum())) for low, high in pairwise(edges)]


@pytest.mark.parametrize("pause_s", [0.0, 2.0, 20.0])
def test_pauses_do_not_count_for_the_level(pause_s: float) -> None:
    assert active_power(spoken(0.2, pause_s)) == pytest.approx(0.02, rel=0.01)


def test_a_faint_hiss_is_no_active_sound() -> None:
    sound = spoken(0.2)
    hiss = rng().normal(0, 0.002, len(sound.samples)).astype(np.float32)
    assert active_power(Sound(sound.samples + hiss, RATE, 0.0)) == pytest.approx(0.02, rel=0.01)


@ADDED
@pytest.mark.parametrize("ratio_db", [20, 10, 5, 0, -5])
def test_the_ratio_is_the_one_asked_for(add: Add, ratio_db: float) -> None:
    sound = spoken(0.02)
    mixed = add(ratio_db, sound, rng())
    added = mixed.samples - sound.samples
    power = np.mean(np.square(added, dtype=np.float64))
    assert 10 * np.log10(active_power(sound) / power) == pytest.approx(ratio_db, abs=0.05)
    assert (mixed.rate_hz, mixed.start_s, len(mixed.samples)) == (RATE, 0.25, len(sound.samples))


@ADDED
def test_a_loud_sound_is_turned_down_as_a_whole(add: Add) -> None:
    loud, soft = add(0, spoken(0.9), rng()), add(0, spoken(0.009), rng())
    assert np.abs(loud.samples).max() == pytest.approx(1.0, abs=1e-6)
    scale = np.abs(loud.samples).max() / np.abs(soft.samples).max()
    np.testing.assert_allclose(loud.samples, scale * soft.samples, atol=1e-5)


@ADDED
def test_silence_and_nothing_stay_what_they_are(add: Add) -> None:
    for samples in (np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        np.testing.assert_array_equal(add(0, Sound(samples, RATE, 0.0), rng()).samples, samples)


@ADDED
def test_the_same_generator_adds_the_same(add: Add) -> None:
    first, again, other = (add(5, spoken(), rng(seed)).samples for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_has_equal_power_in_every_octave() -> None:
    levels = octaves(pink_noise(RATE, rng()))
    assert np.ptp(levels) < 0.5


def test_noise_is_steady_and_music_has_a_beat() -> None:
    def level(samples: FloatArray) -> FloatArray:
        blocks = samples[: len(samples) // 800 * 800].reshape(-1, 800)
        return np.asarray(10 * np.log10(np.mean(blocks**2, axis=1)), np.float32)

    played = level(music(RATE, rng()))
    assert np.std(level(pink_noise(RATE, rng()))) < 1.0
    assert np.ptp(played) > 10
    # The level rises and falls with the half beats, of 6.25 blocks of 50 ms.
    spectrum = np.abs(np.fft.rfft(played - played.mean()))
    beats_hz = np.fft.rfftfreq(len(played), 0.05)
    on_beat = np.abs(beats_hz * interferers.BEAT_S / 2 - np.round(beats_hz * interferers.BEAT_S / 2)) < 0.01
    assert spectrum[on_beat].mean() > 3 * spectrum[~on_beat].mean()


def test_the_chords_are_those_of_the_score() -> None:
    loop = music(RATE, rng())
    bar = len(loop) // len(interferers.SCORE)
    notes = {midi: 440 * 2 ** ((midi - 69) / 12) for midi in range(57, 69)}
    for number, (_, chord) in enumerate(interferers.SCORE):
        samples = loop[number * bar + bar // 2 : (number + 1) * bar]  # what the bar before left has died away
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        strength = {midi: spectrum[round(hz * len(samples) / RATE)] for midi, hz in notes.items()}
        sounding = {midi for midi in chord if midi in notes}
        silent = notes.keys() - sounding
        assert min(strength[midi] for midi in sounding) > 3 * max(strength[midi] for midi in silent)


@pytest.mark.parametrize("loop", [pink_noise(RATE, rng()), music(RATE, rng())], ids=["noise", "music"])
def test_a_loop_has_power_one_and_no_seam(loop: FloatArray) -> None:
    assert np.mean(np.square(loop, dtype=np.float64)) == pytest.approx(1.0, abs=1e-5)
    steps = np.abs(np.diff(loop))
    assert abs(loop[0] - loop[-1]) < np.quantile(steps, 0.999)
