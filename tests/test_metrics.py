from __future__ import annotations

import numpy as np
import pytest

from lipaccord.metrics import (
    Metric,
    Scores,
    auc,
    cllr,
    cllr_min,
    ece,
    eer,
    error_rates,
    group_interval,
    pav_log10_lrs,
    tpr_at_fpr,
)

BAD = [[], [float("nan")], [float("inf")], [[1.0]]]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("metric", [auc, eer, tpr_at_fpr])
def test_malformed_scores_are_refused(metric: Metric, bad: Scores) -> None:
    with pytest.raises(ValueError, match="positives must be a non-empty list"):
        metric(bad, [1.0])
    with pytest.raises(ValueError, match="negatives must be a non-empty list"):
        metric([1.0], bad)


# By hand: pairs counted for the area; for the error rate the line between the corners of the hull.
@pytest.mark.parametrize(
    ("positives", "negatives", "area", "error"),
    [
        ([4, 5, 6], [1, 2, 3], 1, 0),
        ([1], [0], 1, 0),
        ([1, 2, 3], [4, 5, 6], 0, 1 / 2),
        ([1, 1], [1, 1], 1 / 2, 1 / 2),
        ([1], [1], 1 / 2, 1 / 2),
        ([1, 2, 3], [1, 2, 3], 1 / 2, 1 / 2),
        ([3, 1], [2, 2], 1 / 2, 1 / 3),
        ([1, 2, 2, 4], [0, 1, 2, 3], 10.5 / 16, 3 / 8),
        ([2, 4], [1, 3], 3 / 4, 1 / 4),
        ([1, 5, 6, 7], [0, 2], 7 / 8, 1 / 6),
    ],
)
def test_against_hand_numbers(positives: list[float], negatives: list[float], area: float, error: float) -> None:
    assert auc(positives, negatives) == pytest.approx(area, abs=1e-12)
    assert eer(positives, negatives) == pytest.approx(error, abs=1e-12)


def test_only_the_order_counts() -> None:
    generator = np.random.default_rng(0)
    high, low = generator.normal(1, 1, 200), generator.normal(0, 1, 150)
    assert auc(np.exp(high), np.exp(low)) == auc(high, low)
    assert eer(np.exp(high), np.exp(low)) == pytest.approx(eer(high, low), abs=1e-12)
    assert auc(low, high) == pytest.approx(1 - auc(high, low))


def test_normal_scores_give_what_theory_says() -> None:
    generator = np.random.default_rng(1)
    high, low = generator.normal(2, 1, 20_000), generator.normal(0, 1, 20_000)
    assert auc(high, low) == pytest.approx(0.9214, abs=0.005)  # Phi(2 / sqrt(2))
    assert eer(high, low) == pytest.approx(0.1587, abs=0.005)  # Phi(-1)


# By hand: flagged is what lies at or above the threshold.
@pytest.mark.parametrize(
    ("positives", "negatives", "fpr", "rate"),
    [
        ([4, 5, 6], [1, 2, 3], 0.0, 1),
        ([1, 2, 3], [4, 5, 6], 0.05, 0),
        ([1, 1], [1, 1], 0.05, 0),
        ([1, 1], [1, 1], 1.0, 1),
        ([1, 2, 5], [0, 1, 3, 4], 0.25, 1 / 3),
        ([1, 2, 5], [0, 1, 3, 4], 0.5, 2 / 3),
        ([3.5, 5], [0, 1, 3, 4], 0.25, 1),
        ([3.5, 5], [0, 1, 3, 4], 0.24, 1 / 2),
    ],
)
def test_the_true_positive_rate_against_hand_numbers(
    positives: list[float], negatives: list[float], fpr: float, rate: float
) -> None:
    assert tpr_at_fpr(positives, negatives, fpr=fpr) == pytest.approx(rate, abs=1e-12)


def test_a_false_positive_rate_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="fpr must lie between 0 and 1"):
        tpr_at_fpr([1.0], [0.0], fpr=5)


@pytest.mark.parametrize("metric", [auc, eer, tpr_at_fpr])
def test_a_weight_counts_like_as_many_copies(metric: Metric) -> None:
    generator = np.random.default_rng(2)
    high, low = generator.normal(1, 1, 30).round(1), generator.normal(0, 1, 40).round(1)
    up, down = generator.integers(0, 4, 30), generator.integers(0, 4, 40)
    weighted = metric(high, low, positive_weights=up.astype(float), negative_weights=down * 2.5)
    assert weighted == pytest.approx(metric(np.repeat(high, up), np.repeat(low, down)), abs=1e-9)


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 1.0], [0.0, 0.0], [float("nan"), 1.0]])
def test_malformed_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="negative_weights must be as many"):
        auc([1.0], [0.0, 1.0], negative_weights=weights)


def drawn(seed: int, people: int, clips: int) -> tuple[list[float], list[str]]:
    """Scores that differ from person to person more than from clip to clip."""
    generator = np.random.default_rng(seed)
    means = generator.normal(size=people)
    values = [float(mean + 0.1 * generator.normal()) for mean in means for _ in range(clips)]
    return values, [f"{seed}-{person}" for person in range(people) for _ in range(clips)]


def test_clips_of_the_same_people_do_not_narrow_the_interval() -> None:
    def width(clips: int) -> float:
        (high, high_groups), (low, low_groups) = drawn(3, 12, clips), drawn(4, 12, clips)
        interval = group_interval(auc, high, low, high_groups, low_groups)
        assert interval is not None
        assert interval[0] < auc(high, low) < interval[1]
        return interval[1] - interval[0]

    assert width(8) > 0.8 * width(1)


def test_more_people_narrow_the_interval_and_the_seed_repeats_it() -> None:
    def interval(people: int, seed: int = 0) -> tuple[float, float]:
        (high, high_groups), (low, low_groups) = drawn(5, people, 2), drawn(6, people, 2)
        found = group_interval(auc, high, low, high_groups, low_groups, seed=seed, replicates=200)
        assert found is not None
        return found

    few, many = interval(6), interval(60)
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])
    assert interval(6) == few
    assert interval(6, seed=1) != few


def test_a_person_in_both_classes_is_drawn_with_both() -> None:
    # Each person's positive lies just above his own negative: what differs between people cancels.
    people = [f"person {number}" for number in range(12)]
    low = [float(number) for number in range(12)]
    high = [value + 0.5 for value in low]
    together = group_interval(auc, high, low, people, people)
    apart = group_interval(auc, high, low, people, [f"other {name}" for name in people])
    assert together is not None
    assert apart is not None
    assert together[1] - together[0] < 0.4 * (apart[1] - apart[0])


def test_too_few_people_give_no_interval() -> None:
    assert group_interval(auc, [1, 2, 3], [0, 1, 2], ["a", "b", "b"], ["a", "b", "c"]) is None
    assert group_interval(auc, [1, 2, 3], [0, 1, 2], ["a", "b", "c"], ["a", "b", "c"]) is not None
    with pytest.raises(ValueError, match="every score needs its group"):
        group_interval(auc, [1, 2], [0], ["a"], ["b"])


# The examples that the Netherlands Forensic Institute's `lir` publishes in its tests (test_calculate_cllr), given there
# as likelihood ratios of the class that a ratio speaks against and of the class that it speaks for.
@pytest.mark.parametrize(
    ("expected", "against", "for_it"),
    [
        (1, [1, 1], [1, 1]),
        (2, [3.0] * 2, [1 / 3.0] * 2),
        (2, [3.0] * 20, [1 / 3.0] * 20),
        (0.4150374992788437, [1 / 3.0] * 2, [3.0] * 2),
        (0.7075187496394219, [1 / 3.0] * 2, [1]),
        (0.507177646488535, [1 / 100.0] * 100, [1]),
        (0.5400680236656377, [1 / 100.0] * 100 + [100], [1]),
        (0.5723134914863265, [1 / 100.0] * 100 + [100] * 2, [1]),
        (0.6952113122368764, [1 / 100.0] * 100 + [100] * 6, [1]),
        (1.0, [1], [1]),
        (1.0849625007211563, [2], [2] * 2),
        (1.6699250014423126, [8], [8] * 8),
    ],
)
def test_published_costs_are_reproduced(expected: float, against: list[float], for_it: list[float]) -> None:
    assert cllr(np.log10(for_it), np.log10(against)) == pytest.approx(expected, abs=1e-6)


def test_the_cost_of_perfect_and_of_hopeless_ratios() -> None:
    assert cllr([np.inf], [-np.inf]) == 0
    assert cllr([-np.inf], [0.0]) == np.inf
    assert cllr([0.3] * 3, [0.3] * 5) > 1


def test_nan_is_no_likelihood_ratio() -> None:
    with pytest.raises(ValueError, match="positives must be a non-empty list of numbers"):
        cllr([float("nan")], [0.0])
    with pytest.raises(ValueError, match="log10_odds must be"):
        ece([0.0], [0.0], [float("inf")])


def test_pooling_by_hand() -> None:
    high, low = pav_log10_lrs([1.0, 3.0], [0.0, 2.0])
    assert high == pytest.approx([0.0, np.inf])  # 1 and 2 are out of order: pooled, one of each class
    assert low == pytest.approx([-np.inf, 0.0])
    assert cllr_min([1.0, 3.0], [0.0, 2.0]) == pytest.approx(0.5)


def test_weights_count_as_copies_of_clips() -> None:
    generator = np.random.default_rng(3)
    positives, negatives = generator.normal(0.4, 0.5, 12), generator.normal(-0.3, 0.5, 9)
    heavy, light = generator.integers(0, 4, 12) + 1, generator.integers(0, 4, 9) + 1
    copies = np.repeat(positives, heavy), np.repeat(negatives, light)
    weights = {"positive_weights": heavy.astype(float), "negative_weights": light.astype(float)}
    for metric in (cllr, cllr_min):
        assert metric(positives, negatives, **weights) == pytest.approx(metric(*copies), abs=1e-12)
    odds = [-1.0, 0.0, 2.0]
    assert ece(positives, negatives, odds, **weights) == pytest.approx(ece(*copies, odds), abs=1e-12)


def test_no_monotone_change_of_the_ratios_costs_less_than_the_minimum() -> None:
    generator = np.random.default_rng(4)
    positives, negatives = generator.normal(0.6, 1.0, 60), generator.normal(-0.6, 1.0, 50)
    least = cllr_min(positives, negatives)
    assert least == pytest.approx(cllr_min(positives * 3 + 1, negatives * 3 + 1), abs=1e-12)
    for factor in (0.1, 0.5, 1.0, 2.0):
        for shift in (-0.5, 0.0, 0.5):
            assert cllr(factor * positives + shift, factor * negatives + shift) >= least


def test_cross_entropy_is_the_cost_at_even_odds_and_the_prior_s_where_ratios_are_neutral() -> None:
    assert ece([0.5, 1.0], [-0.7], [0.0]) == pytest.approx([cllr([0.5, 1.0], [-0.7])])
    prior = 1 / (1 + 10**1.5)
    entropy = -prior * np.log2(prior) - (1 - prior) * np.log2(1 - prior)
    assert ece([0.0], [0.0], [-1.5]) == pytest.approx([entropy])


def test_error_rates_run_from_everything_flagged_to_nothing() -> None:
    misses, alarms = error_rates([2.0, 4.0], [1.0, 3.0])
    assert misses == pytest.approx([0, 0, 0.5, 0.5, 1])
    assert alarms == pytest.approx([1, 0.5, 0.5, 0, 0])


def test_what_does_not_count_costs_nothing_even_where_it_is_infinitely_wrong() -> None:
    weights = [0.0, 1.0]
    assert cllr([-np.inf, 1.0], [0.5], positive_weights=weights) == cllr([1.0], [0.5])
    assert ece([-np.inf, 1.0], [0.5], [1.0], positive_weights=weights) == ece([1.0], [0.5], [1.0])
    assert np.isfinite(cllr_min([5.0, 1.0], [0.0, 3.0], negative_weights=[1.0, 0.0]))
