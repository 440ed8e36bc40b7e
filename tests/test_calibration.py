from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lipaccord.calibration import (
    CONDITIONS,
    LOG10,
    SCALES,
    SHAPES,
    UNSCALE,
    Calibration,
    Kernel,
    Logistic,
    Margin,
    Shape,
    Steps,
    scaled,
)
from lipaccord.calibration_reading import load_calibrations
from lipaccord.errors import BundleError
from lipaccord.records import FindingName
from made_survey import calibration

MARGIN = Margin(("speech_s",), (1.0,), (3.0,), (0.0, -1.0), (1.0, 0.0), 2.0)
KERNEL = Kernel((1.0, 2.0), (0.5, 0.5), 0.5, (-1.0, -2.0, -3.0), (0.5, 0.25, 0.25), 1.0)
KINDS: dict[str, Shape] = {
    "logistic": Logistic(1.5, -0.25),
    "kernel": KERNEL,
    "isotonic": Steps((-1.0, 0.0, 2.0), (-0.7, 0.1, 0.9)),
}
EVERYWHERE = np.linspace(-60, 60, 241)


def one_margin(margin: Margin, score: float, **conditions: float) -> float:
    return float(margin.values(np.array([score]), {name: np.array([x]) for name, x in conditions.items()})[0])


def test_the_margin_is_the_log_ratio_of_two_normals() -> None:
    together, apart = 0.0 - 1.0 * 2.0, 1.0  # their means where speech_s is 2 on its scale
    for score in (-3.0, -0.5, 0.0, 2.0):
        expected = ((score - together) ** 2 - (score - apart) ** 2) / (2 * 2.0**2)
        assert one_margin(MARGIN, score, speech_s=2.0) == pytest.approx(expected)


def test_the_margin_is_nought_half_way_and_never_falls() -> None:
    assert one_margin(MARGIN, -0.5, speech_s=2.0) == 0
    for speech in (0.5, 1.0, 2.0, 3.0, 9.0):
        values = MARGIN.values(EVERYWHERE, {"speech_s": np.full_like(EVERYWHERE, speech)})
        assert (np.diff(values) > 0).all()


def test_classes_that_conditions_leave_no_distance_give_nothing() -> None:
    crossing = Margin(("speech_s",), (0.0,), (4.0,), (0.0, 0.0), (-1.0, 0.5), 1.0)  # from 2 on apart lies above
    assert one_margin(crossing, 50.0, speech_s=2.0) == 0
    assert one_margin(crossing, 50.0, speech_s=1.0) == 0
    assert one_margin(crossing, 50.0, speech_s=3.0) > 0


def test_without_conditions_one_line_holds_for_all() -> None:
    plain = Margin((), (), (), (-1.0,), (1.0,), 1.0)
    assert plain.values(np.array([-1.0, 0.0, 2.0]), {}) == pytest.approx([-2, 0, 4])
    assert plain.outside({}) == ()


def test_outside_names_each_condition_at_its_own_scale() -> None:
    both = Margin(("speech_s", "eyes_px"), (1.0, math.log(40)), (3.0, math.log(90)), (0, 0, 0), (1, 0, 0), 1.0)
    assert both.outside({"speech_s": 1.0, "eyes_px": 40.0}) == ()
    assert both.outside({"speech_s": 9.0, "eyes_px": 91.0}) == ("eyes_px",)
    assert both.outside({"speech_s": 9.1, "eyes_px": 39.0}) == ("speech_s", "eyes_px")


@pytest.mark.parametrize("name", SCALES)
def test_every_scale_leads_back(name: str) -> None:
    for value in (0.25, 1.0, 7.5):
        assert UNSCALE[name](SCALES[name](value)) == pytest.approx(value)
    assert scaled({name: np.array([0.25, 7.5])})[name] == pytest.approx([SCALES[name](0.25), SCALES[name](7.5)])


def test_every_condition_has_a_scale_and_a_way_back() -> None:
    assert {name for names in CONDITIONS.values() for name in names} == set(SCALES) == set(UNSCALE)


def test_a_line_is_the_log_odds_in_tens() -> None:
    assert Logistic(2.0, LOG10).log10(np.array([0.0, LOG10])) == pytest.approx([1, 3])


def test_kernels_are_the_ratio_of_two_densities() -> None:
    def normal(x: float, mean: float, width: float) -> float:
        return math.exp(-0.5 * ((x - mean) / width) ** 2) / width

    for x in (-2.5, 0.0, 1.7):
        apart = 0.5 * normal(x, 1, 0.5) + 0.5 * normal(x, 2, 0.5)
        together = 0.5 * normal(x, -1, 1) + 0.25 * normal(x, -2, 1) + 0.25 * normal(x, -3, 1)
        assert KERNEL.log10(np.array([x])) == pytest.approx([math.log10(apart / together)])


def test_a_margin_beyond_all_kernels_does_not_turn_the_ratio_round() -> None:
    # Far off the wider kernel wins, whatever its class: an extreme score would speak for the other side.
    ends = KERNEL.log10(np.array([-60.0, -3.0, 2.0, 60.0]))
    assert ends[0] <= ends[1] < 0 < ends[2] <= ends[3]


def test_steps_are_constant_beyond_their_knots() -> None:
    steps = KINDS["isotonic"]
    assert steps.log10(np.array([-9.0, -1.0, -0.5, 1.0, 2.0, 9.0])) == pytest.approx([-0.7, -0.7, -0.3, 0.5, 0.9, 0.9])


@pytest.mark.parametrize("kind", KINDS)
def test_no_shape_breaks_down_far_off(kind: str) -> None:
    assert np.isfinite(KINDS[kind].log10(1e6 * EVERYWHERE)).all()


@pytest.mark.parametrize(("score", "log10_lr", "cut"), [(-2.5, -2, True), (-1.9, -1.9, False), (3.1, 3, True)])
def test_a_ratio_is_cut_off_at_the_bounds_and_says_so(score: float, log10_lr: float, cut: bool) -> None:
    ratio = calibration().ratio(score, {})
    assert ratio.log10_lr == pytest.approx(log10_lr)
    assert (ratio.bounds, ratio.at_bound, ratio.outside) == ((-2.0, 3.0), cut, ())


def test_a_ratio_that_is_outside_is_that_of_the_nearest_that_was_met() -> None:
    made = calibration(margin=MARGIN)
    far, near = (made.ratio(0.2, {"speech_s": seconds, "detail": 9.0}) for seconds in (100.0, 9.0))
    assert far.log10_lr == near.log10_lr
    assert (far.outside, near.outside) == (("speech_s",), ())


@pytest.mark.parametrize(
    ("log10_lr", "shares"),
    [(-3.0, (1.0, 1.0)), (0.0, (0.9, 0.1)), (0.5, (0.3, 0.0)), (2.0, (0.3, 0.0)), (2.0 + 1e-12, (0.3, 0.0))],
)
def test_the_shares_that_reach_a_ratio_are_those_of_the_next_step(log10_lr: float, shares: tuple[float, float]) -> None:
    assert calibration().reaching(log10_lr) == shares


@pytest.mark.parametrize("name", ["sync", "resynthesis"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_is_read_back_as_it_was_written(kind: str, name: FindingName) -> None:
    made = calibration(shape=KINDS[kind], margin=MARGIN)
    values = json.loads(json.dumps(made.to_dict()))
    assert values["shape"]["kind"] == kind
    assert load_calibrations({"findings": {name: values}}) == {name: made}
    assert set(KINDS) == set(SHAPES)


def test_a_bundle_without_calibrations_gives_none() -> None:
    assert load_calibrations({"findings": {}}) == {}


Damage = Callable[[dict[str, Any]], object]


def at(*keys: str, to: Any) -> Damage:
    """Put something else in one place."""

    def change(values: dict[str, Any]) -> None:
        place = values
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return change


def without(*keys: str) -> Damage:
    """Take one place out."""

    def change(values: dict[str, Any]) -> None:
        place = values
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def deep(levels: int = 600) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


PLACES: list[tuple[str, ...]] = [("margin", field.name) for field in dataclasses.fields(Margin)]
PLACES += [("bounds",), ("decide",), ("rates", "log10_lr"), ("rates", "apart"), ("rates", "together")]
PLACES += [("margin",), ("shape",), ("rates",), ("population",), ("figures",), ("shape", "kind")]
NUMBERS = [("margin", "spread"), ("shape", "slope"), ("shape", "intercept")]
KNOTS = {"kind": "isotonic", "margins": [0.0, 1.0], "log10_lrs": [-1.0, 1.0]}
KERNELS = {
    "kind": "kernel",
    "apart": [1.0, 2.0],
    "apart_weights": [0.5, 0.5],
    "apart_width": 0.5,
    "together": [0.0],
    "together_weights": [1.0],
    "together_width": 0.5,
}


def broken() -> Calibration:
    return calibration(margin=MARGIN)


def refused(change: Damage) -> None:
    values = json.loads(json.dumps(broken().to_dict()))
    change(values)
    with pytest.raises(BundleError, match=r"calibration\.json is damaged \(.*; use an unaltered bundle"):
        load_calibrations({"findings": {"sync": values}})


@pytest.mark.parametrize("place", [*PLACES, *NUMBERS], ids=".".join)
def test_a_missing_part_is_refused(place: tuple[str, ...]) -> None:
    refused(without(*place))


@pytest.mark.parametrize("wrong", [None, True, "much", 1.5, [[0.0]], {"a": 1}, deep()], ids=type)
@pytest.mark.parametrize("place", [*PLACES[1:5], *PLACES[6:11]], ids=".".join)
def test_a_part_of_another_kind_is_refused(place: tuple[str, ...], wrong: Any) -> None:
    refused(at(*place, to=wrong))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 10**400, "1.0", None, False, [], [1.0], [1.0, 2.0]])
@pytest.mark.parametrize("place", NUMBERS, ids=".".join)
def test_a_number_that_is_none_is_refused(place: tuple[str, ...], wrong: Any) -> None:
    refused(at(*place, to=wrong))


@pytest.mark.parametrize("wrong", [None, 3, "text", ["a"], {}], ids=repr)
@pytest.mark.parametrize("place", [("margin",), ("shape",), ("rates",)], ids=".".join)
def test_a_whole_part_that_is_none_is_refused(place: tuple[str, ...], wrong: Any) -> None:
    refused(at(*place, to=wrong))


@pytest.mark.parametrize("wrong", [None, 3, "text", ["a"]], ids=repr)
@pytest.mark.parametrize("name", ["population", "figures"])
def test_what_is_kept_beside_the_numbers_must_be_there_too(name: str, wrong: Any) -> None:
    refused(at(name, to=wrong))


@pytest.mark.parametrize("name", ["suspicious_groups", "innocent_groups", "groups"])
def test_a_population_that_findings_can_not_be_worded_from_is_refused(name: str) -> None:
    refused(without("population", name))


@pytest.mark.parametrize(
    "change",
    [
        at("margin", "low", to=[]),
        at("margin", "high", to=[1.0, 2.0]),
        at("margin", "together", to=[0.0]),
        at("margin", "apart", to=[0.0, 1.0, 2.0]),
        at("margin", "conditions", to=[]),
        at("margin", "conditions", to=["loudness"]),
        at("margin", "conditions", to=["speech_s", "eyes_px"]),
        at("margin", "spread", to=0.0),
        at("margin", "spread", to=-1.0),
        at("margin", "low", to=[9.0]),
        at("margin", "further", to=1.0),
    ],
)
def test_a_margin_that_does_not_fit_is_refused(change: Damage) -> None:
    refused(change)


@pytest.mark.parametrize("name", ["bounds", "decide"])
@pytest.mark.parametrize(
    "pair", [[], [0.0], [-1.0, 1.0, 2.0], [1.0, 2.0], [-2.0, -1.0], [1.0, -1.0], [-math.inf, 1.0], [[-1.0], [1.0]]]
)
def test_bounds_and_decisions_enclose_nought(name: str, pair: list[Any]) -> None:
    refused(at(name, to=pair))


def test_a_claim_needs_more_than_a_ratio_of_one() -> None:
    refused(at("decide", to=[0.0, 1.0]))
    refused(at("decide", to=[-1.0, 0.0]))
    values = broken().to_dict() | {"bounds": (0.0, 0.0)}
    assert load_calibrations({"findings": {"sync": values}})["sync"].ratio(5.0, {"speech_s": 4.0}).log10_lr == 0


@pytest.mark.parametrize(
    "change",
    [
        at("rates", "apart", to=[1.0, 0.5]),
        at("rates", "together", to=[]),
        at("rates", to={"log10_lr": [], "apart": [], "together": []}),
        at("rates", "log10_lr", to=[2.0, 0.0, -2.0]),
        at("rates", "apart", to=[1.0, 0.5, -0.1]),
        at("rates", "together", to=[1.5, 0.5, 0.1]),
        at("rates", "apart", to=[1.0, [0.5], 0.1]),
    ],
)
def test_rates_that_do_not_fit_are_refused(change: Damage) -> None:
    refused(change)


@pytest.mark.parametrize(
    "shape",
    [
        {"kind": "logistic"},
        {"kind": "logistic", "slope": 1.0, "intercept": 0.0, "bend": 1.0},
        {"kind": "logistic", "slope": -1.0, "intercept": 0.0},
        {"kind": "spline", "slope": 1.0, "intercept": 0.0},
        {"kind": None},
        {"kind": ["logistic"]},
        KNOTS | {"margins": [0.0]},
        KNOTS | {"margins": [], "log10_lrs": []},
        KNOTS | {"margins": [1.0, 0.0]},
        KNOTS | {"log10_lrs": [1.0, -1.0]},
        KNOTS | {"margins": 0.0},
        KERNELS | {"apart": [1.0, 2.0, 3.0]},
        KERNELS | {"apart": [], "apart_weights": []},
        KERNELS | {"apart_width": 0.0},
        KERNELS | {"together_width": -0.5},
        KERNELS | {"apart_weights": [0.5, -0.5]},
        KERNELS | {"together_weights": [0.0]},
        KERNELS | {"apart": [math.nan, 1.0]},
    ],
)
def test_a_shape_that_does_not_fit_is_refused(shape: dict[str, Any]) -> None:
    refused(at("shape", to=shape))


def test_shapes_that_fit_are_taken() -> None:
    for shape in (KNOTS, KERNELS):
        load_calibrations({"findings": {"sync": broken().to_dict() | {"shape": copy.deepcopy(shape)}}})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"findings": None},
        {"findings": 3},
        {"findings": "sync"},
        {"findings": ["sync"]},
        {"findings": {"sync": None}},
        {"findings": {"sync": []}},
        {"findings": {"sync": {}}},
        {"findings": {"sync": "text"}},
        {"findings": {"smell": {}}},
        {"findings": {"sync": broken().to_dict(), "smell": broken().to_dict()}},
        [],
        None,
        "findings",
    ],
    ids=lambda values: repr(values)[:40],
)
def test_what_is_no_calibration_is_refused(values: Any) -> None:
    with pytest.raises(BundleError, match="use an unaltered bundle"):
        load_calibrations(values)
