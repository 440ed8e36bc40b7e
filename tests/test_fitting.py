from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.calibration import SHAPES, Calibration, Margin
from lipaccord.calibration_reading import load_calibrations
from lipaccord.errors import CalibrationError
from lipaccord.fitting import (
    TOLERATED,
    WEAKEST_CLAIM,
    Candidate,
    Sample,
    calibrate,
    candidates,
    choose,
    cost,
    cross_fitted,
    decisions,
    fit_margin,
)

Values = NDArray[np.float64]
POPULATION = {"suspicious_groups": 40, "innocent_groups": 40, "groups": ["0123456789ab"]}


def drawn(seed: int = 0, size: int = 120, apart: float = 1.0) -> Sample:
    """Scores of two classes whose distance depends on a condition, three clips of each group."""
    generator = np.random.default_rng(seed)
    truth = np.repeat([1.0, 0.0], size)
    groups = np.array([f"person {k // 3 % (size // 3)}" for k in range(2 * size)])
    seconds = generator.uniform(2, 10, 2 * size)
    eyes = generator.uniform(3.0, 5.0, 2 * size)
    scores = generator.normal(0, 1, 2 * size) - (1 - truth) * apart * np.sqrt(seconds)
    conditions = {"speech_s": np.sqrt(seconds), "eyes_px": eyes}
    return Sample(scores, truth, groups, conditions, np.ones(2 * size))


def test_a_slope_is_never_negative() -> None:
    sample = drawn(apart=-1.0)
    for shape in ("logistic", "isotonic"):
        margin, made = Candidate((), shape).fit(sample)
        asked = margin.values(np.linspace(-4, 4, 30), {})
        assert (np.diff(made.log10(asked)) >= -1e-12).all()


def test_the_margin_follows_the_condition_that_sets_the_classes_apart() -> None:
    margin = fit_margin(drawn(size=600), ("speech_s",))
    assert margin.together[1] == pytest.approx(-1, abs=0.3)
    assert margin.apart[1] == pytest.approx(0, abs=0.3)
    short, long = (margin.values(np.array([-1.5]), {"speech_s": np.sqrt([seconds])})[0] for seconds in (2.0, 10.0))
    assert short < 0 < long  # a score of -1.5 is usual for 2 s of one recording, and not for 10 s


def test_a_condition_carries_no_evidence_by_itself() -> None:
    generator = np.random.default_rng(5)
    size = 400
    truth = np.repeat([1.0, 0.0], size)
    detail = np.concatenate([generator.normal(-1, 0.3, size), generator.normal(1, 0.3, size)])  # gives the class away
    groups = np.array([f"person {k % 50}" for k in range(2 * size)])
    sample = Sample(generator.normal(0, 1, 2 * size), truth, groups, {"detail": detail}, np.ones(2 * size))
    fitted = cross_fitted(sample, 5, Candidate(("detail",), "logistic").log10)
    assert cost(sample, fitted) == pytest.approx(1, abs=0.05)


def test_what_lies_outside_counts_as_the_nearest_that_was_met() -> None:
    margin = Margin(("speech_s",), (2.0,), (3.0,), (0.0, -1.0), (0.0, 0.0), 1.0)
    values = [margin.values(np.array([-2.0]), {"speech_s": np.array([x])})[0] for x in (1.0, 2.0, 3.0, 9.0)]
    assert values[0] == values[1] != values[2] == values[3]
    assert margin.outside({"speech_s": 3.9}) == ("speech_s",)
    assert margin.outside({"speech_s": 4.1}) == ()


def test_groups_count_once() -> None:
    sample = drawn()
    doubled = np.concatenate([np.arange(240), [0, 0, 0, 239]])
    more = Sample(
        sample.scores[doubled],
        sample.truth[doubled],
        sample.groups[doubled],
        {name: values[doubled] for name, values in sample.conditions.items()},
        np.ones(244),
    )
    weights = more.equal
    for label in (0, 1):
        for group in more.groups_of(label):
            mine = [k for k in range(244) if more.groups[k] == group and more.truth[k] == label]
            assert weights[mine].sum() == pytest.approx(1)
    assert weights.sum() == pytest.approx(80)


def test_no_group_is_judged_by_what_saw_it() -> None:
    sample = drawn()
    seen_by: list[tuple[set[str], set[str]]] = []

    def judge(seen: Sample, judged: Sample) -> Values:
        seen_by.append((set(seen.groups), set(judged.groups)))
        return judged.scores

    assert cross_fitted(sample, 5, judge) == pytest.approx(sample.scores)
    assert len(seen_by) == 5
    assert not any(seen & judged for seen, judged in seen_by)


def test_the_condition_that_matters_is_chosen_and_no_other() -> None:
    assert choose(drawn(size=150), "sync").conditions == ("speech_s",)
    flat = drawn(size=150)
    without = dataclasses.replace(flat, conditions={n: np.ones(300) for n in flat.conditions})
    assert choose(without, "sync") in candidates("sync")[:2]


def test_a_calibration_keeps_to_its_bounds_and_costs_little_more_than_it_must() -> None:
    sample = drawn(size=150)
    made, ratios = calibrate(sample, "sync", dict(POPULATION))
    assert made.bounds[0] <= ratios.min() < 0 < ratios.max() <= made.bounds[1]
    assert made.figures["cllr"] == pytest.approx(cost(sample, ratios))
    assert 0 <= made.figures["cllr"] - made.figures["cllr_min"] < 0.1
    assert made.bounds[1] < np.log10(51)  # 50 people back no more, whatever the number of their clips
    ratio = made.ratio(50.0, {"speech_s": 6.0, "eyes_px": np.exp(4.0)})
    assert ratio.log10_lr == made.bounds[1]
    assert ratio.at_bound


def test_a_calibration_is_read_back_as_it_was() -> None:
    made, _ = calibrate(drawn(size=60), "sync", dict(POPULATION))
    for name, shape in SHAPES.items():
        margin, fitted = Candidate(("speech_s",), name).fit(drawn(size=60))
        changed = dataclasses.replace(made, margin=margin, shape=fitted)
        again = load_calibrations({"findings": {"sync": json.loads(json.dumps(changed.to_dict()))}})["sync"]
        asked = {"speech_s": 5.0, "eyes_px": 60.0}
        assert again.ratio(-1.0, asked) == changed.ratio(-1.0, asked)
        assert isinstance(again.shape, shape)
        assert (again.population, again.figures, again.rates) == (made.population, made.figures, made.rates)


def test_claims_are_reached_by_hardly_any_of_the_other_class() -> None:
    sample = drawn(size=150, apart=0.4)
    _, ratios = calibrate(sample, "sync", dict(POPULATION))
    low, high = decisions(sample, ratios)
    weights = sample.equal
    assert low <= -WEAKEST_CLAIM < WEAKEST_CLAIM <= high
    for label, beyond in ((0, ratios >= high), (1, ratios <= low)):
        other = sample.truth == label
        assert weights[other & beyond].sum() <= TOLERATED * weights[other].sum() + 1e-9


def test_scores_that_were_fitted_on_the_groups_are_made_anew_in_every_fold() -> None:
    sample = drawn()
    masks: list[NDArray[np.bool_]] = []

    def rescore(seen: NDArray[np.bool_]) -> Values:
        masks.append(seen)
        return sample.scores

    _, ratios = calibrate(sample, "sync", dict(POPULATION), rescore)
    plain = calibrate(sample, "sync", dict(POPULATION))[1]
    assert ratios == pytest.approx(plain)
    assert len(masks) == 11
    assert masks[-1].all()
    assert sum((~mask).sum() for mask in masks) == len(sample.scores)


def test_too_few_people_are_refused() -> None:
    sample = drawn()
    few = sample.part(np.array([group in {"person 0", "person 1"} for group in sample.groups]))
    with pytest.raises(CalibrationError, match="2 with the suspicious class and 2 with the other; at least 8"):
        calibrate(few, "sync", {})


def picked(sample: Sample, places: NDArray[np.intp]) -> Sample:
    """Take the clips at some places, in that order."""
    conditions = {name: values[places] for name, values in sample.conditions.items()}
    return Sample(
        sample.scores[places], sample.truth[places], sample.groups[places], conditions, sample.weights[places]
    )


@functools.cache
def of_few() -> tuple[Calibration, Values]:
    """Calibrate on 20 people, whose classes overlap."""
    return calibrate(drawn(size=60, apart=0.7), "sync", dict(POPULATION))


def test_rates_are_the_shares_of_groups_that_reach_a_ratio() -> None:
    sample, (made, ratios) = drawn(size=60, apart=0.7), of_few()
    weights = sample.equal
    for log10_lr in (-1.0, 0.0, 0.37, 2.0):
        shares = [
            weights[(sample.truth == label) & (ratios >= log10_lr)].sum() / weights[sample.truth == label].sum()
            for label in (1, 0)
        ]
        assert made.reaching(log10_lr) == pytest.approx(shares)
    for name in ("apart", "together"):
        assert made.rates[name][0] == 1
        assert (np.diff(made.rates[name]) <= 0).all()


def test_figures_hold_every_candidate_and_the_one_that_was_chosen() -> None:
    figures = of_few()[0].figures
    assert set(figures["candidates"]) == {str(one) for one in candidates("sync")}
    assert len(figures["candidates"]) == len(candidates("sync")) == 12
    assert figures["candidate"] in figures["candidates"]
    assert figures["cllr"] <= figures["cllr_unbounded"] + 0.1
    assert 0.5 < figures["auc"] <= 1
    assert 0 <= figures["eer"] < 0.5


def test_the_order_of_the_clips_does_not_matter() -> None:
    sample, (made, ratios) = drawn(size=60, apart=0.7), of_few()
    order = np.random.default_rng(3).permutation(120)
    again, turned = calibrate(picked(sample, order), "sync", dict(POPULATION))
    assert turned == pytest.approx(ratios[order], abs=1e-4)
    assert (str(again.bounds), again.figures["candidate"]) == (str(made.bounds), made.figures["candidate"])


def test_a_clip_that_counts_twice_is_a_clip_that_is_there_twice() -> None:
    sample = drawn(size=60)
    heavy = np.where(np.arange(120) % 3 == 0, 2.0, 1.0)
    places = np.repeat(np.arange(120), heavy.astype(int))
    for names in ((), ("speech_s",)):
        weighed, repeated = (
            fit_margin(dataclasses.replace(sample, weights=heavy), names),
            fit_margin(picked(sample, places), names),
        )
        assert weighed.apart == pytest.approx(repeated.apart)
        assert weighed.together == pytest.approx(repeated.together)
        assert weighed.spread == pytest.approx(repeated.spread)


def test_conditions_that_never_change_change_nothing() -> None:
    sample = dataclasses.replace(drawn(size=60), conditions={"speech_s": np.full(120, 2.0)})
    plain, given = fit_margin(sample, ()), fit_margin(sample, ("speech_s",))
    asked = np.linspace(-5, 5, 11)
    assert given.values(asked, {"speech_s": np.full(11, 2.0)}) == pytest.approx(plain.values(asked, {}))


def test_the_weakest_claim_holds_where_nothing_of_the_other_class_comes_near() -> None:
    sample = drawn(size=60)
    assert decisions(sample, np.where(sample.truth == 1, 3.0, -3.0)) == (-WEAKEST_CLAIM, WEAKEST_CLAIM)
    wrong = np.where(sample.truth == 1, 3.0, -3.0)
    wrong[sample.truth == 0] = 0.8  # all of them: a claim lies beyond
    low, high = decisions(sample, wrong)
    assert low == -WEAKEST_CLAIM
    assert high == pytest.approx(0.81)


@pytest.mark.parametrize(("suspicious", "innocent"), [(7, 8), (8, 7), (0, 9)])
def test_each_class_needs_its_own_people(suspicious: int, innocent: int) -> None:
    sample = drawn()
    allowed = [{f"person {k}" for k in range(count)} for count in (innocent, suspicious)]
    few = sample.part(
        np.array([group in allowed[int(truth)] for group, truth in zip(sample.groups, sample.truth, strict=True)])
    )
    with pytest.raises(CalibrationError, match=f"{suspicious} with the suspicious class and {innocent} with the other"):
        calibrate(few, "sync", {})


def test_no_part_of_a_fold_lacks_a_class() -> None:
    sample = drawn()
    odd = sample.part((sample.truth == 0) | (sample.groups == "person 3"))
    asked: list[int] = []

    def judge(seen: Sample, judged: Sample) -> Values:
        asked.append(len(judged.scores))
        assert set(seen.truth) == {0, 1}
        return np.ones_like(judged.scores)

    found = cross_fitted(odd, 5, judge)
    assert (found[odd.groups == "person 3"] == 0).all()  # nothing could be learned for it: a ratio of 1
    assert sum(asked) == found.sum()
