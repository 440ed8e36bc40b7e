from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lipaccord import speech
from lipaccord.predictor import normalise
from lipaccord.records import FloatArray, Sound
from lipaccord.speech import CEPSTRA, KINDS, speech_activity, speech_features

# What Silero VAD 6.2 does at its loading, whatever the command line says of warnings.
pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`torch\.jit\.load` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:path is deprecated:DeprecationWarning"),
]

FIXTURES = Path(__file__).parents[1] / "fixtures"
RATE_HZ = 16_000


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> FloatArray:
    samples: FloatArray = np.random.default_rng(seed).normal(0, level, int(seconds * RATE_HZ)).astype(np.float32)
    return samples


def tone(seconds: float, hertz: float = 440.0) -> FloatArray:
    samples: FloatArray = (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(
        np.float32
    )
    return samples


def spoken() -> Sound:
    samples, rate = soundfile.read(FIXTURES / "speech_a.flac", dtype="float32")
    assert rate == RATE_HZ
    return Sound(samples, rate, 0.0)


@pytest.mark.parametrize(("kind", "dimension"), [("logmel-40", 40), ("mfcc-28", 28)])
def test_dimensions_and_clock(kind: str, dimension: int) -> None:
    assert KINDS[kind] == dimension
    features = speech_features(Sound(noise(1.234), RATE_HZ, 3.5), kind)
    assert features.kind == kind
    assert features.values.shape == (124, dimension)
    np.testing.assert_allclose(features.times_s, 3.5 + np.arange(124) / 100)


def test_unknown_kinds_and_rates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no speech features 'mfcc'; there are: logmel-40, mfcc-28"):
        speech_features(Sound(noise(0.1), RATE_HZ, 0.0), "mfcc")
    with pytest.raises(ValueError, match=r"rate \(11025 Hz\) must be a multiple of 100 Hz"):
        speech_features(Sound(noise(0.1), 11_025, 0.0), "logmel-40")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [1, 2, 7, 64])
def test_the_block_size_does_not_matter(kind: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Sound(noise(1.5037), RATE_HZ, 0.0)
    whole = speech_features(sound, kind).values
    monkeypatch.setattr(speech, "BLOCK", block)
    np.testing.assert_allclose(speech_features(sound, kind).values, whole, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("gain", [0.2, 0.5, 3.0])
def test_gain_adds_a_constant_that_normalisation_removes(gain: float) -> None:
    sound = spoken()
    plain, louder = (
        speech_features(Sound(samples[: 5 * RATE_HZ], RATE_HZ, 0.0), "logmel-40").values
        for samples in (sound.samples, sound.samples * np.float32(gain))
    )
    np.testing.assert_allclose(louder - plain, 2 * np.log(gain), atol=2e-3)
    np.testing.assert_allclose(normalise(louder), normalise(plain), atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time_s", [0.0, 0.1, 0.504, 0.996, 1.0 - 1 / RATE_HZ])
def test_an_impulse_is_found_at_its_time(kind: str, time_s: float) -> None:
    samples = np.zeros(RATE_HZ, np.float32)
    samples[round(time_s * RATE_HZ)] = 0.5
    features = speech_features(Sound(samples, RATE_HZ, 7.0), kind)
    energy = features.values.mean(axis=1) if kind == "logmel-40" else features.values[:, CEPSTRA]
    # the two windows round an impulse may be equally near
    assert features.times_s[np.argmax(energy)] - 7.0 == pytest.approx(time_s, abs=0.005 + 1e-3)


def test_cepstra_come_with_their_differences() -> None:
    values = speech_features(spoken(), "mfcc-28").values
    static, differences = values[:, : CEPSTRA + 1], values[:, CEPSTRA + 1 :]
    np.testing.assert_allclose(differences[1:], static[1:] - static[:-1], atol=2e-3)
    assert not differences[0].any()


def test_energy_is_the_sum_over_the_bands() -> None:
    log_mel = speech_features(spoken(), "logmel-40").values
    energy = speech_features(spoken(), "mfcc-28").values[:, CEPSTRA]
    np.testing.assert_allclose(energy, np.log(np.exp(log_mel.astype(np.float64)).sum(axis=1)), atol=1e-4)


def test_high_tones_lie_in_high_bands() -> None:
    bands = [
        int(speech_features(Sound(tone(0.5, hertz), RATE_HZ, 0.0), "logmel-40").values[25].argmax())
        for hertz in (200, 800, 3000, 7000)
    ]
    assert bands == sorted(set(bands))
    assert bands[0] < 6
    assert bands[-1] > 34


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 100, 8000])
def test_digital_silence_is_finite(kind: str, count: int) -> None:
    values = speech_features(Sound(np.zeros(count, np.float32), RATE_HZ, 0.0), kind).values
    assert len(values) == count // 160 + 1
    assert np.isfinite(values).all()
    np.testing.assert_allclose(np.ptp(values, axis=0), 0, atol=1e-4)


def test_most_of_a_speech_is_speech() -> None:
    sound = spoken()
    padded = np.concatenate([np.zeros(3 * RATE_HZ, np.float32), sound.samples])
    activity = speech_activity(Sound(padded, RATE_HZ, 10.0))
    inside = activity.times_s >= 13
    assert activity.speech[inside].mean() > 0.6
    assert not activity.speech[activity.times_s < 12.8].any()
    assert activity.stretches[0].start_s == pytest.approx(13.2, abs=0.3)
    assert activity.times_s[0] == 10.0


@pytest.mark.parametrize("samples", [np.zeros(2 * RATE_HZ, np.float32), tone(2.0)])
def test_silence_and_tones_are_no_speech(samples: FloatArray) -> None:
    activity = speech_activity(Sound(samples, RATE_HZ, 0.0))
    assert activity.stretches == ()
    assert not activity.speech.any()


def test_the_level_is_in_decibels() -> None:
    activity = speech_activity(Sound(np.concatenate([tone(1.0), np.zeros(RATE_HZ, np.float32)]), RATE_HZ, 0.0))
    assert activity.level_db[50] == pytest.approx(20 * np.log10(0.3) - 3.01, abs=0.3)
    assert activity.level_db[150] == pytest.approx(-100)


@pytest.mark.parametrize("count", [0, 1, 160, 511])
def test_short_sounds_are_no_speech(count: int) -> None:
    activity = speech_activity(Sound(noise(1.0)[:count], RATE_HZ, 0.0))
    assert len(activity.times_s) == count // 160 + 1
    assert not activity.probability.any()
    assert activity.stretches == ()


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([(100, 150)], [(1.0, 1.5)]),
        ([(100, 150), (169, 200)], [(1.0, 2.0)]),
        ([(100, 150), (171, 200)], [(1.0, 1.5), (1.71, 2.0)]),
        ([(100, 119)], []),
        ([(100, 121)], [(1.0, 1.21)]),
        ([(100, 110), (120, 130)], [(1.0, 1.3)]),
        ([(0, 300)], [(0.0, 3.0)]),
        ([], []),
    ],
)
def test_short_gaps_are_closed_and_short_bursts_dropped(
    pieces: list[tuple[int, int]], expected: list[tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = np.zeros(300, dtype=bool)
    for first, last in pieces:
        mask[first:last] = True
    found = speech._stretches(mask, np.arange(300) / 100)
    assert [(stretch.start_s, stretch.end_s) for stretch in found] == [pytest.approx(pair) for pair in expected]
