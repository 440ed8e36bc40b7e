from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lipaccord.combination import (
    CUT,
    LOG10,
    Combination,
    Term,
    Values,
    fit_terms,
    load_combination,
)
from lipaccord.errors import BundleError
from lipaccord.metrics import auc

TERMS = {"blur": Term(1.5, -0.5, 0.8), "teeth": Term(0.4, 0.2, 0.5), "idle": Term(0.0, 0.0, 0.0)}
SUM = Combination(TERMS, offset=-0.25, usual=1.0, limit=2.0)
COUNT = 400


def test_the_score_is_the_offset_and_the_shares() -> None:
    shares = SUM.shares({"blur": 2.0, "teeth": -1.0})
    assert shares == {
        "blur": pytest.approx(0.8 * (1.5 * 2.0 - 0.5) / np.log(10)),
        "teeth": pytest.approx(0.5 * (-0.4 + 0.2) / np.log(10)),
    }
    assert SUM.score({"blur": 2.0, "teeth": -1.0}) == pytest.approx(-0.25 + sum(shares.values()))


def test_a_cue_that_abstains_or_has_no_term_adds_nothing() -> None:
    alone = SUM.score({"blur": 2.0})
    assert SUM.score({"blur": 2.0, "teeth": None, "unheard_of": 99.0}) == alone
    assert set(SUM.shares({"blur": 2.0, "teeth": None, "unheard_of": 99.0})) == {"blur"}
    assert SUM.score({"blur": 2.0, "teeth": 0.0}) != alone  # missing is not zero


def test_there_is_no_score_where_every_cue_abstained() -> None:
    assert SUM.score({}) is None
    assert SUM.score({"blur": None, "unheard_of": 1.0}) is None
    assert Combination({}, 0.0, 0.0, 0.0).score({"blur": 1.0}) is None


def test_no_cue_says_more_than_at_the_cut() -> None:
    for score, cut in ((1e9, CUT[1]), (-1e9, CUT[0])):
        assert SUM.shares({"blur": score}) == SUM.shares({"blur": cut})
    inside = [SUM.score({"blur": score}) or 0.0 for score in np.linspace(*CUT, 20)]
    assert (np.diff(inside) > 0).all()


def test_round_trip_through_json() -> None:
    assert load_combination(json.loads(json.dumps(SUM.to_dict()))) == SUM


def damaged(**changes: Any) -> dict[str, Any]:
    return SUM.to_dict() | changes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "lacks a number"),
        ({name: value for name, value in SUM.to_dict().items() if name != "limit"}, "lacks a number"),
        (damaged(offset=None), "lacks a number"),
        (damaged(usual="high"), "lacks a number"),
        (damaged(usual=10**400), "lacks a number"),
        (damaged(terms=[]), "lacks a number"),
        (damaged(terms={"blur": 3}), "lacks a number"),
        (damaged(terms={"blur": {"slope": 1.0, "weight": 1.0}}), "lacks a number"),
        (damaged(limit=float("nan")), "not finite"),
        (damaged(offset=float("inf")), "not finite"),
        *[
            (damaged(terms={"blur": {"slope": 1.0, "intercept": 0.0, "weight": 1.0} | {name: float("nan")}}), "not fin")
            for name in ("slope", "intercept", "weight")
        ],
    ],
)
def test_damaged_numbers_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        load_combination(values)


def clips(seed: int = 0, count: int = COUNT) -> tuple[dict[str, Values], Values, Values]:
    """Make a table of which cue tells what: one much, one a little, one nothing, one the wrong way round."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0.0, 1.0], [3 * count // 4, count // 4])
    table = {
        "much": rng.normal(size=count) + 2.5 * truth,
        "little": rng.normal(size=count) + 0.8 * truth,
        "nothing": rng.normal(size=count),
        "wrong": rng.normal(size=count) - 1.0 * truth,
    }
    return table, truth, np.ones(count)


def sums(terms: dict[str, Term], offset: float, table: dict[str, Values]) -> Values:
    made = Combination(terms, offset, 0.0, 0.0)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    scores = [
        made.score({name: None if np.isnan(value) else float(value) for name, value in row.items()}) for row in rows
    ]
    return np.array([np.nan if score is None else score for score in scores])


def test_the_fit_finds_which_cue_tells() -> None:
    table, truth, weights = clips()
    terms, _ = fit_terms(table, truth, weights)
    strength = {name: term.slope * term.weight for name, term in terms.items()}
    assert strength["much"] > strength["little"] > 2 * strength["nothing"]
    assert strength["wrong"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_never_negative_and_no_share_falls_as_the_score_rises(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.repeat([0.0, 1.0], 30)
    table = {f"cue{k}": rng.normal(size=60) + rng.normal() * truth for k in range(6)}
    terms, offset = fit_terms(table, truth, rng.uniform(0.1, 2.0, 60))
    assert all(term.slope >= 0 and term.weight >= 0 for term in terms.values())
    made = Combination(terms, offset, 0.0, 0.0)
    for name in table:
        rising = [made.score(dict.fromkeys(table, 0.5) | {name: value}) or 0.0 for value in np.linspace(-5, 8, 14)]
        assert (np.diff(rising) >= 0).all()


def test_the_sum_is_a_ratio_of_the_two_classes() -> None:
    """For normal scores of spread 1 the log ratio of class 1 at +d against class 0 is d x - d²/2."""
    rng = np.random.default_rng(3)
    truth = np.repeat([0.0, 1.0], [6000, 2000])
    table = {"cue": rng.normal(size=8000) + 1.5 * truth}
    terms, offset = fit_terms(table, truth, np.ones(8000), ridge=1e-6)
    made = Combination(terms, offset, 0.0, 0.0)
    for score in (-1.0, 0.75, 2.5):
        assert (made.score({"cue": score}) or 0.0) * LOG10 == pytest.approx(1.5 * score - 1.5**2 / 2, abs=0.2)


def test_the_sum_tells_better_than_its_best_cue() -> None:
    table, truth, weights = clips()
    second = np.random.default_rng(9).normal(size=COUNT) + 2.0 * truth
    table = {name: table[name] for name in ("much", "little")} | {"second": second}
    scores = sums(*fit_terms(table, truth, weights), table)
    best = max(auc(list(column[truth == 1]), list(column[truth == 0])) for column in table.values())
    assert auc(list(scores[truth == 1]), list(scores[truth == 0])) > best + 0.01


def test_an_abstention_is_neither_for_nor_against() -> None:
    """Abstaining more often in one class teaches nothing: the cue is missing there, not zero."""
    table, truth, weights = clips()
    plain, _ = fit_terms(table, truth, weights)
    gaps = table["much"].copy()
    gaps[(truth == 0) & (np.arange(COUNT) % 2 == 0)] = np.nan
    often, offset = fit_terms(table | {"much": gaps}, truth, weights)
    assert often["much"].slope == pytest.approx(plain["much"].slope, rel=0.3)
    made = Combination(often, offset, 0.0, 0.0)
    assert "much" not in made.shares({"much": None, "little": 1.0})


def test_a_weight_counts_as_often_as_the_clip_would() -> None:
    table, truth, weights = clips(count=80)
    twice = {name: np.concatenate([scores, scores[:30]]) for name, scores in table.items()}
    heavy = weights.copy()
    heavy[:30] = 2
    once, offset = fit_terms(table, truth, heavy)
    again, other = fit_terms(twice, np.concatenate([truth, truth[:30]]), np.ones(110))
    assert offset == pytest.approx(other, abs=1e-3)
    for name, term in once.items():
        for field in ("slope", "intercept", "weight"):
            assert getattr(term, field) == pytest.approx(getattr(again[name], field), abs=1e-2)


def test_the_classes_count_alike_whatever_their_number() -> None:
    table, truth, weights = clips()
    _, offset = fit_terms({"nothing": table["nothing"]}, truth, weights)
    assert offset == pytest.approx(0.0, abs=0.02)


def test_a_cue_with_too_few_scores_of_a_class_is_left_out() -> None:
    table, truth, weights = clips()
    rare = np.where((np.cumsum(truth) <= 4) | (truth == 0), table["much"], np.nan)
    terms, _ = fit_terms({"much": rare, "little": table["little"]}, truth, weights)
    assert (terms["much"].slope, terms["much"].intercept) == (0.0, 0.0)
    assert terms["little"].slope > 0


def test_the_fit_is_repeatable() -> None:
    assert fit_terms(*clips()) == fit_terms(*clips())
