from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from lipaccord.records import FloatArray, Sound
from lipaccord.source.hearing import agreement, fingerprint

RATE_HZ = 16_000


def _noise(seed: int, seconds: float = 4.0) -> FloatArray:
    """Return a noise whose bands come and go, as those of speech do."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=round(seconds * RATE_HZ))
    bands = [gaussian_filter1d(samples, width) for width in (1, 2, 4, 8, 16)]
    slow = [np.exp(gaussian_filter1d(rng.normal(size=len(samples)), 800) * 60) for _ in bands]
    mixed = sum(band * gain for band, gain in zip(bands, slow, strict=True))
    return np.asarray(0.1 * mixed / np.std(mixed), np.float32)


def _agree(one: FloatArray, other: FloatArray) -> float:
    (_, bits, heard), (_, others, also) = (fingerprint(Sound(samples, RATE_HZ, 0.0)) for samples in (one, other))
    return agreement(bits, others, heard & also)


def test_level_and_noise_leave_most_bits() -> None:
    samples = _noise(1)
    noisy = samples + 0.005 * np.random.default_rng(2).normal(size=len(samples))
    assert _agree(samples, 0.2 * samples) > 0.99
    assert _agree(samples, noisy.astype(np.float32)) > 0.8


def test_other_sound_agrees_by_chance_only() -> None:
    assert _agree(_noise(1), _noise(2)) == pytest.approx(0.5, abs=0.08)


def test_silence_says_nothing() -> None:
    _, bits, heard = fingerprint(Sound(np.zeros(RATE_HZ, np.float32), RATE_HZ, 0.0))
    assert len(bits) > 0
    assert not heard.any()
    assert np.isnan(agreement(bits, bits, heard))


def test_what_is_shorter_than_a_window_gives_no_step() -> None:
    _, bits, heard = fingerprint(Sound(_noise(1)[:3000], RATE_HZ, 0.0))
    assert len(bits) == len(heard) == 0


def test_a_step_has_the_time_of_its_middle() -> None:
    samples = _noise(1)
    start_s, bits, _ = fingerprint(Sound(samples, RATE_HZ, 2.0))
    later_s, later, _ = fingerprint(Sound(samples[RATE_HZ // 2 :], RATE_HZ, 2.5))
    skipped = round((later_s - start_s) * 50)
    assert skipped == 25
    assert (bits[skipped:] == later).mean() > 0.99
    assert start_s == pytest.approx(2.0 + 0.128 + 0.04, abs=0.001)
