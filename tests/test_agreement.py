from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.agreement import (
    BLOCK,
    RARE_SUPPORT,
    STANDS_OUT,
    SUPPORT_LOSS,
    LagCurve,
    Reference,
    channels,
    evidence_for,
    expected_support,
    lag_curve,
    lag_prior,
    local_agreement,
    null_agreement,
    peak_interval_s,
    refined_peak_s,
    standardised,
    support,
)
from lipaccord.records import FloatArray

COMPONENTS = 4
MAX_LAG = 60
WEIGHTS = np.full((2, COMPONENTS), 1 / (2 * COMPONENTS), np.float32)
REFERENCE = Reference(zero_s=0.0, together=0.6, deviation=0.05, null_deviation=0.2)


def movement(seed: int, length: int, late: float = 0.0) -> FloatArray:
    """Random movement up to 8 Hz, delayed by any number of frames; what lies before the start is movement too."""
    margin = 500
    generator = np.random.default_rng(seed)
    total = length + 2 * margin
    spectrum = np.fft.rfft(generator.normal(size=(total, COMPONENTS)), axis=0)
    frequency = np.fft.rfftfreq(total)
    spectrum *= ((frequency > 0.01) & (frequency < 0.08))[:, None]
    spectrum *= np.exp(-2j * np.pi * frequency * late)[:, None]
    signal = np.fft.irfft(spectrum, total, axis=0)
    inside: FloatArray = (signal / signal.std())[margin : margin + length].astype(np.float32)
    return inside


def every(length: int) -> NDArray[np.bool_]:
    return np.ones(length, dtype=bool)


def curve_of(late: float, seed: int = 0, length: int = 1000, noise: float = 0.0) -> LagCurve:
    """Curve of a mouth and a voice that asks for the same mouth `late` frames later."""
    heard = movement(seed, length, late)
    heard = heard + np.float32(noise) * movement(seed + 1000, length)
    return lag_curve(heard, every(length), movement(seed, length), WEIGHTS, MAX_LAG)


@pytest.mark.parametrize("late", [-37, -1, 0, 1, 24, 60])
def test_late_sound_has_a_positive_lag(late: int) -> None:
    curve = curve_of(late)
    assert curve.lags[curve.peak] == late
    assert curve.values[curve.peak] == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("late", [-12.5, -0.3, 0.2, 7.75])
def test_the_peak_is_refined_between_frames(late: float) -> None:
    assert refined_peak_s(curve_of(late)) == pytest.approx(late / 100, abs=0.002)


def test_a_peak_at_the_border_is_not_refined() -> None:
    curve = curve_of(MAX_LAG + 5)
    assert refined_peak_s(curve, np.arange(len(curve.lags), dtype=np.float64)) == MAX_LAG / 100
    assert refined_peak_s(curve, np.zeros(len(curve.lags))) == -MAX_LAG / 100


def test_the_interval_holds_the_truth_and_is_repeatable() -> None:
    hits = []
    for seed in range(20):
        curve = curve_of(13.4, seed, length=2000, noise=1.5)
        low, high = peak_interval_s(curve)
        assert (low, high) == peak_interval_s(curve)
        assert 0 < high - low < 0.05
        hits.append(low <= 0.134 <= high)
    assert sum(hits) >= 16
    assert peak_interval_s(curve, seed=1) != (low, high)


def test_a_handicap_chooses_the_peak_but_does_not_move_it() -> None:
    lags = np.arange(-3, 4)
    values = np.array([0.0, 0.29, 0.2, 0.1, 0.5, 0.9, 0.4])
    curve = LagCurve(lags, values, values[None], np.ones((1, 7)))
    assert refined_peak_s(curve) == pytest.approx(0.02 + 0.005 * (0.5 - 0.4) / (0.5 - 1.8 + 0.4))
    favoured = np.where(lags == -2, 0.0, -1.0)
    assert refined_peak_s(curve, handicap=favoured) == pytest.approx(-0.02 + 0.005 * (0.0 - 0.2) / (0.0 - 0.58 + 0.2))
    slope = np.array([0.0, 0.1, 0.2, 0.29, 0.4, 0.6, 0.9])
    middle = np.where(lags == -1, 0.0, -2.0)
    assert refined_peak_s(curve, slope, middle) == pytest.approx(-0.005)
    assert peak_interval_s(curve, handicap=favoured)[0] == pytest.approx(refined_peak_s(curve, handicap=favoured))


def test_a_higher_level_widens_the_interval() -> None:
    curve = curve_of(5, noise=2.0)
    (low, high), (wider_low, wider_high) = peak_interval_s(curve, 0.5), peak_interval_s(curve, 0.99)
    assert wider_low < low <= high < wider_high


def unrelated(seed: int, length: int) -> tuple[FloatArray, NDArray[np.bool_], FloatArray, NDArray[np.float32], int]:
    return movement(seed, length), every(length), movement(seed + 500, length), WEIGHTS, MAX_LAG


def test_unrelated_movements_do_not_agree() -> None:
    values = np.concatenate([lag_curve(*unrelated(seed, 3000)).values for seed in range(4)])
    assert np.abs(values).max() < 0.15
    mean, deviation = null_agreement(*unrelated(0, 3000))
    assert abs(mean) < 0.01
    assert values.std() == pytest.approx(deviation, rel=0.3)


def test_the_null_falls_with_the_root_of_the_length() -> None:
    short, long = (
        np.mean([null_agreement(*unrelated(seed, length))[1] for seed in range(6)]) for length in (600, 5400)
    )
    assert short / long == pytest.approx(3.0, rel=0.2)


def test_the_null_is_the_same_for_a_mouth_and_its_own_sound() -> None:
    own = movement(3, 3000)
    _, deviation = null_agreement(own, every(3000), own, WEIGHTS, MAX_LAG)
    _, other = null_agreement(*unrelated(3, 3000))
    assert deviation == pytest.approx(other, rel=0.5)
    assert deviation < 0.05 * lag_curve(own, every(3000), own, WEIGHTS, 0).values[0]


def test_gaps_are_left_out() -> None:
    length = 1000
    seen, heard = movement(1, length), movement(1, length)
    seen[300:600] = np.nan
    heard[305:595] = 1e3  # what is heard during the gap must not matter
    ok = every(length)
    ok[305:595] = False
    curve = lag_curve(heard, ok, seen, WEIGHTS, MAX_LAG)
    assert curve.lags[curve.peak] == 0
    assert curve.values[curve.peak] > 0.95
    assert curve.counts[:, curve.peak].sum() == length - 300 - 4 * 3  # three frames lost at each of four edges
    assert not curve.counts[7:11].any()
    assert not curve.sums[7:11].any()


def test_one_unknown_component_makes_the_frame_unknown() -> None:
    seen = movement(1, 400)
    seen[200, 2] = np.nan
    curve = lag_curve(seen, every(400), seen, WEIGHTS, 0)
    assert curve.counts.sum() == 400 - 6 - 3


def test_a_mouth_never_seen_gives_nothing() -> None:
    seen = np.full((400, COMPONENTS), np.nan, np.float32)
    curve = lag_curve(movement(1, 400), every(400), seen, WEIGHTS, MAX_LAG)
    assert not curve.values.any()
    assert null_agreement(movement(1, 400), every(400), seen, WEIGHTS, MAX_LAG) == (0.0, 0.0)


@pytest.mark.parametrize("which", ["heard", "seen", "both"])
def test_what_does_not_move_agrees_with_nothing(which: str) -> None:
    still, moving = np.full((500, COMPONENTS), 3.0, np.float32), movement(2, 500)
    heard, seen = (moving if which == "seen" else still), (moving if which == "heard" else still)
    curve = lag_curve(heard, every(500), seen, WEIGHTS, MAX_LAG)
    np.testing.assert_allclose(curve.values, 0, atol=1e-6)
    assert null_agreement(heard, every(500), seen, WEIGHTS, MAX_LAG) == pytest.approx((0, 0), abs=1e-6)


def test_slow_drift_does_not_count() -> None:
    drift = (20 * np.sin(2 * np.pi * np.arange(1000) / 4000))[:, None].astype(np.float32)
    moved = lag_curve(movement(4, 1000) + drift, every(1000), movement(504, 1000) + drift, WEIGHTS, MAX_LAG)
    assert np.abs(moved.values).max() < 0.4


def test_channels_are_of_unit_power() -> None:
    both, known = channels(50 * movement(2, 600), every(600))
    assert both.shape == (600, 2 * COMPONENTS)
    assert known.sum() == 594
    np.testing.assert_allclose((both[known] ** 2).mean(axis=0), 1, rtol=1e-6)
    assert not both[~known].any()


def test_scale_does_not_matter_but_weights_do() -> None:
    heard, seen = movement(5, 600, 3), movement(5, 600)
    plain = lag_curve(heard, every(600), seen, WEIGHTS, MAX_LAG)
    scaled = lag_curve(heard * 7, every(600), seen * 0.2, WEIGHTS, MAX_LAG)
    np.testing.assert_allclose(plain.values, scaled.values, atol=1e-6)
    heard[:, 0] = movement(900, 600)[:, 0]
    only = np.zeros((2, COMPONENTS), np.float32)
    only[0, 0] = 1
    assert abs(lag_curve(heard, every(600), seen, only, MAX_LAG).values[MAX_LAG + 3]) < 0.3
    rest = np.where(np.arange(COMPONENTS) == 0, 0, 1 / 6).astype(np.float32)
    assert lag_curve(heard, every(600), seen, np.stack([rest, rest]), MAX_LAG).values[MAX_LAG + 3] > 0.9


def test_block_sums_add_up() -> None:
    curve = curve_of(4, length=1030, noise=1.0)
    assert curve.sums.shape == (-(-1030 // BLOCK), 2 * MAX_LAG + 1)
    np.testing.assert_allclose(curve.sums.sum(axis=0) / curve.counts.sum(axis=0), curve.values)
    assert curve.counts[:, MAX_LAG].sum() == 1030 - 6
    assert curve.counts[:, 0].sum() == 1030 - 6 - MAX_LAG


def test_local_agreement_follows_the_clip() -> None:
    length = 2000
    seen = movement(6, length)
    heard = seen.copy()
    heard[1000:] = movement(777, length)[1000:]
    curve = lag_curve(heard, every(length), seen, WEIGHTS, 20)
    values, counts = local_agreement(curve, curve.peak, 6)
    assert len(values) == length // BLOCK
    assert values[:16].min() > 0.7
    assert values[24:].max() < 0.5
    assert counts[10] == 6 * BLOCK
    empty = LagCurve(curve.lags, curve.values, curve.sums * 0, curve.counts * 0)
    assert np.isnan(local_agreement(empty, 0, 6)[0]).all()


def test_support_is_for_what_belongs_together() -> None:
    together = support(curve_of(0), REFERENCE)
    far = support(curve_of(50), REFERENCE)
    other = support(lag_curve(*unrelated(0, 1000)), REFERENCE)
    assert together > far + 1
    assert far > other + 5


def test_support_is_measured_from_the_zero_of_the_reference() -> None:
    moved = Reference(zero_s=0.3, together=0.6, deviation=0.05, null_deviation=0.2)
    assert support(curve_of(30), moved) == pytest.approx(support(curve_of(0), REFERENCE), rel=0.05)
    assert support(curve_of(30), moved) > support(curve_of(0), moved) + 1


def of_height(z: float, lag: int, seconds: float = 10.0) -> LagCurve:
    """Curve of one peak of so many deviations of other speech, and nothing elsewhere."""
    lags = np.arange(-MAX_LAG, MAX_LAG + 1)
    values = np.where(lags == lag, z * REFERENCE.null_deviation / np.sqrt(seconds), 0.0)
    counts = np.full((1, len(lags)), 100 * seconds)
    return LagCurve(lags, values, values * counts, counts)


def test_near_the_zero_the_evidence_is_the_support() -> None:
    near = (curve_of(late, noise=noise) for late in (0, 2) for noise in (1.0, 4.0))
    for curve in (*near, lag_curve(*unrelated(0, 1000))):
        assert evidence_for(curve, REFERENCE) == support(curve, REFERENCE)


@pytest.mark.parametrize("z", [5.0, 9.0, 14.0])
def test_a_peak_far_from_the_zero_that_stands_out_needs_no_prior(z: float) -> None:
    curve = of_height(z, 50)
    assert evidence_for(curve, REFERENCE) == pytest.approx(z - STANDS_OUT + RARE_SUPPORT)
    assert evidence_for(curve, REFERENCE) > support(curve, REFERENCE) + 1
    assert evidence_for(of_height(STANDS_OUT, 50), REFERENCE) == pytest.approx(RARE_SUPPORT)


def test_evidence_is_never_below_the_support_and_rises_with_the_peak() -> None:
    for lag in (0, 5, 20, 50):
        curves = [of_height(z, lag) for z in np.linspace(0, 12, 25)]
        evidence = [evidence_for(curve, REFERENCE) for curve in curves]
        assert all(np.diff(evidence) > 0)
        assert all(one >= support(curve, REFERENCE) for one, curve in zip(evidence, curves, strict=True))


def test_the_prior_is_highest_at_the_zero() -> None:
    prior = lag_prior(curve_of(0), Reference(zero_s=0.1, together=0.6, deviation=0.05, null_deviation=0.2))
    assert prior.sum() == pytest.approx(1)
    assert np.argmax(prior) == MAX_LAG + 10
    assert prior.min() > 0.1 / (2 * MAX_LAG + 1) * 0.99


def test_expected_support_grows_with_the_length() -> None:
    (short, narrow), (long, wide) = (expected_support(seconds, REFERENCE) for seconds in (4.0, 16.0))
    assert long + SUPPORT_LOSS == pytest.approx(2 * (short + SUPPORT_LOSS))
    assert short == pytest.approx(0.6 * 2 / 0.2 - SUPPORT_LOSS)
    assert narrow == pytest.approx(np.hypot(1, 0.5))
    assert wide == pytest.approx(np.hypot(1, 1.0))


def test_standardised_grows_with_the_root_of_the_length() -> None:
    lag = np.arange(1)
    short, long = (
        LagCurve(lag, np.array([0.3]), np.array([[0.3 * frames]]), np.array([[frames]])) for frames in (100.0, 900.0)
    )
    assert standardised(short, REFERENCE)[0] == pytest.approx(1.5)
    assert standardised(long, REFERENCE)[0] == pytest.approx(4.5)
