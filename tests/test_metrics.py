from __future__ import annotations

import numpy as np
import pytest

from lipaccord.metrics import Scores, auc, eer

BAD = [[], [float("nan")], [float("inf")], [[1.0]]]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("metric", [auc, eer])
def test_malformed_scores_are_refused(metric: type, bad: Scores) -> None:
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
