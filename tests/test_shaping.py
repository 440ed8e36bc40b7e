from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.calibration import LOG10, SHAPES, Kernel, Logistic, Steps
from lipaccord.metrics import cllr, cllr_min, ece
from lipaccord.shaping import FITS, elub, fit_isotonic, fit_kernel, fit_logistic

Values = NDArray[np.float64]


def pair(seed: int, size: int = 60) -> tuple[Values, Values]:
    generator = np.random.default_rng(seed)
    return generator.normal(0.7, 0.8, size), generator.normal(-0.6, 0.9, size + 7)


@pytest.fixture
def lir() -> object:
    """Import the Netherlands Forensic Institute's implementation, without the warnings of its own imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lir.algorithms.bayeserror
        import lir.algorithms.isotonic_regression
        import lir.algorithms.kde
        import lir.algorithms.logistic_regression
        import lir.metrics
        import lir.plotting.expected_calibration_error
    return lir


def labelled(positives: Values, negatives: Values) -> tuple[Values, Values]:
    return np.concatenate([positives, negatives]), np.repeat([1.0, 0.0], [len(positives), len(negatives)])


@pytest.mark.parametrize("seed", range(4))
def test_costs_and_cross_entropy_are_those_of_lir(lir, seed: int) -> None:  # type: ignore[no-untyped-def]
    positives, negatives = pair(seed)
    values, labels = labelled(positives, negatives)
    data = lir.data.models.LLRData(features=values, labels=labels)
    assert cllr(positives, negatives) == pytest.approx(lir.metrics.cllr(data), abs=1e-6)
    assert cllr_min(positives, negatives) == pytest.approx(lir.metrics.cllr_min(data), abs=1e-6)
    odds = np.linspace(-2, 2, 9)
    theirs = lir.plotting.expected_calibration_error.calculate_ece(10**values, labels, 1 / (1 + 10**-odds))
    assert ece(positives, negatives, odds) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_those_of_lir(lir, seed: int) -> None:  # type: ignore[no-untyped-def]
    positives, negatives = pair(seed, 40 + 30 * seed)
    values, labels = labelled(positives, negatives)
    assert elub(positives, negatives) == pytest.approx(lir.algorithms.bayeserror.elub(values.copy(), labels), abs=1e-6)


# Published in lir's tests (test_bayeserror.py), and the breath analyser of Vergeer et al. 2016.
@pytest.mark.parametrize(
    ("ratios", "labels", "expected"),
    [
        ([0.01, 0.1, 1, 10, 100], [1, 1, 1, 0, 0], (1, 1)),
        ([0.01, 0.1, 1, 10, 100], [0, 0, 1, 1, 1], (0.3801894, 1.4791084)),
        ([0.01, 0.1, 1, 10, 100], [0, 0, 0, 1, 1], (0.6760830, 2.6302680)),
        ([1, 1], [1, 0], (1, 1)),
        ([10] * 10, [1] * 9 + [0], (1, 1)),
        ([10] * 10 + [1], [1] * 10 + [0], (1, 1.7782794)),
        ([1000] * 10 + [1.1], [1] * 10 + [0], (1, 1)),
        ([0.101] * 990 + [1000] * 100 + [0.101] * 10, [0] * 1000 + [1] * 100, (0.1122018, 79.4328235)),
    ],
)
def test_published_bounds_are_reproduced(ratios: list[float], labels: list[int], expected: tuple[float, float]) -> None:
    log10, truth = np.log10(np.array(ratios, float)), np.array(labels)
    low, high = elub(log10[truth == 1], log10[truth == 0])
    assert (10**low, 10**high) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_shapes_are_those_of_lir(lir, seed: int) -> None:  # type: ignore[no-untyped-def]
    positives, negatives = pair(seed)
    values, labels = labelled(positives, negatives)
    ones, asked = np.ones_like(values), np.linspace(-2, 2, 41)
    line = lir.algorithms.logistic_regression.LogitCalibrator(C=1e9, tol=1e-10).fit(values[:, None], labels)
    theirs = line.transform(asked[:, None]).reshape(-1)
    assert fit_logistic(values, labels, ones).log10(asked) == pytest.approx(theirs, abs=1e-4)
    kernel = lir.algorithms.kde.KDECalibrator("silverman").fit(values, labels)
    assert fit_kernel(values, labels, ones).log10(asked) == pytest.approx(kernel.transform(asked), abs=1e-6)
    steps = lir.algorithms.isotonic_regression.IsotonicCalibrator(add_misleading=1).fit(values, labels)
    assert fit_isotonic(values, labels, ones).log10(values) == pytest.approx(steps.transform(values), abs=1e-6)


def test_a_calibrated_score_is_given_back() -> None:
    generator = np.random.default_rng(1)
    margins = np.concatenate([generator.normal(1, np.sqrt(2), 6000), generator.normal(-1, np.sqrt(2), 6000)])
    truth = np.repeat([1.0, 0.0], 6000)  # of two such normals the margin is the log likelihood ratio itself
    line = fit_logistic(margins, truth, np.ones_like(margins))
    assert (line.slope, line.intercept) == pytest.approx((1, 0), abs=0.06)
    assert line.log10(np.array([LOG10])) == pytest.approx([1], abs=0.06)


@pytest.mark.parametrize("shape", FITS)
def test_no_shape_gives_an_infinite_ratio_to_separated_classes(shape: str) -> None:
    margins, truth = np.array([-3.0, -2.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 1.0])
    found = FITS[shape](margins, truth, np.ones(4)).log10(np.array([-50.0, 0.0, 50.0]))
    assert np.isfinite(found).all()


def test_every_shape_has_a_fit() -> None:
    assert set(FITS) == set(SHAPES)
    assert {type(FITS[name](np.arange(6.0), np.array([0, 0, 1, 0, 1, 1.0]), np.ones(6))) for name in FITS} == {
        Logistic,
        Kernel,
        Steps,
    }
