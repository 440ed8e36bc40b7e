from __future__ import annotations

import numpy as np
import pytest

from clips import tone
from lipaccord.dubbing import FADE_S, SOUND_KINDS, dubbed
from lipaccord.records import FloatArray, Interval, Sound

RATE = 16_000


def sound(seconds: float = 2.0, start_s: float = 0.5, hz: float = 300.0) -> Sound:
    return Sound(tone(seconds, RATE, hz=hz), RATE, start_s)


def between(samples: FloatArray, start_s: float, end_s: float) -> FloatArray:
    """Cut out a stretch given on the clock of `sound`."""
    return samples[round((start_s - 0.5) * RATE) : round((end_s - 0.5) * RATE)]


@pytest.mark.parametrize(("milliseconds", "count"), [(100.0, 1600), (-100.0, -1600), (0.0, 0)])
def test_a_positive_shift_makes_the_sound_late(milliseconds: float, count: int) -> None:
    old = Sound(np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32), RATE, 0.5)
    new = dubbed("shift", old, milliseconds)
    assert (len(new.samples), new.start_s) == (len(old.samples), old.start_s)
    inner = slice(2000, 28000)
    np.testing.assert_allclose(new.samples[inner], old.samples[inner.start - count : inner.stop - count], atol=1e-6)


def test_a_shift_beyond_the_sound_leaves_silence() -> None:
    assert not dubbed("shift", sound(), 5000.0).samples.any()
    assert not dubbed("shift", sound(), -5000.0).samples.any()


def test_replaced_sound_is_that_of_the_other_clip_and_repeats_where_that_is_short() -> None:
    other = sound(0.5, 0.0, 700.0)
    new = dubbed("replace", sound(), other=other)
    np.testing.assert_array_equal(new.samples, np.tile(other.samples, 4))
    assert (new.rate_hz, new.start_s) == (RATE, 0.5)


def test_a_splice_changes_its_stretch_and_nothing_else() -> None:
    old, other = sound(), sound(3.0, 0.0, 700.0)
    new = dubbed("splice", old, part=Interval(1.0, 1.5), other=other).samples
    np.testing.assert_array_equal(between(new, 0.5, 1.0 - FADE_S), between(old.samples, 0.5, 1.0 - FADE_S))
    np.testing.assert_array_equal(between(new, 1.5 + FADE_S, 2.5), between(old.samples, 1.5 + FADE_S, 2.5))
    inner = (1.0 + FADE_S, 1.5 - FADE_S)
    np.testing.assert_array_equal(between(new, *inner), between(other.samples, *inner))


def test_the_borders_of_a_stretch_are_faded() -> None:
    low, high = (Sound(np.full(2 * RATE, level, np.float32), RATE, 0.5) for level in (0.0, 1.0))
    new = dubbed("splice", low, part=Interval(1.0, 1.5), other=high).samples
    assert between(new, 1.0, 1.001)[0] == between(new, 1.5, 1.501)[0] == pytest.approx(0.5)
    assert np.abs(np.diff(new)).max() < 1.1 / (FADE_S * RATE)


def test_a_splice_without_another_clip_takes_this_clip_from_elsewhere() -> None:
    ramp = Sound(np.linspace(-1, 1, 2 * RATE, dtype=np.float32), RATE, 0.5)
    new = dubbed("splice", ramp, part=Interval(1.0, 1.2)).samples
    np.testing.assert_allclose(between(new, 1.05, 1.15), between(ramp.samples, 2.05, 2.15), atol=1e-6)


def test_another_sound_that_is_missing_or_of_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the sound of another clip"):
        dubbed("replace", sound())
    for other in (Sound(np.zeros(10, np.float32), 8000, 0.0), Sound(np.zeros(0, np.float32), RATE, 0.0)):
        with pytest.raises(ValueError, match="16000 a second"):
            dubbed("splice", sound(), other=other)


def test_every_kind_says_what_it_stands_for() -> None:
    assert all(kind.meaning and (kind.unit is None) == (kind.usual is None) for kind in SOUND_KINDS.values())
