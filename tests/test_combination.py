from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lipaccord.combination import (
    COUNTS,
    CUT,
    FAR,
    LEARNED,
    LOG10,
    MIN_SHARE,
    PROFILE_WEIGHT,
    Combination,
    Profile,
    Term,
    Values,
    enters_profile,
    fit_profile,
    fit_terms,
    flattened,
    load_combination,
)
from lipaccord.errors import BundleError
from lipaccord.metrics import auc

TERMS = {"blur": Term(1.5, -0.5, 0.8), "teeth": Term(0.4, 0.2, 0.5), "idle": Term(0.0, 0.0, 0.0)}
LINE = Profile(
    ("blur", "blur.bands.1", "teeth.edge", "gone.part"),
    np.array([1.0, 4.0, 0.0, 0.0]),
    np.array([2.0, 0.5, 1.0, 1.0]),
    np.array([0.2, -0.3, 0.1, 9.0]),
)
SUM = Combination(TERMS, LINE, offset=-0.25, usual=1.0, limit=2.0)
BARE = Combination(TERMS, Profile(), offset=-0.25, usual=1.0, limit=2.0)
COUNT = 400


def test_the_score_is_the_offset_and_the_shares() -> None:
    shares = BARE.shares({"blur": 2.0, "teeth": -1.0})
    assert shares == {
        "blur": pytest.approx(0.8 * (1.5 * 2.0 - 0.5) / np.log(10)),
        "teeth": pytest.approx(0.5 * (-0.4 + 0.2) / np.log(10)),
    }
    assert BARE.score({"blur": 2.0, "teeth": -1.0}) == pytest.approx(-0.25 + sum(shares.values()))


def test_the_profile_adds_what_stands_behind_a_score_to_the_share_of_its_cue() -> None:
    numbers = {"blur": 2.0, "blur.bands.0": 7.0, "blur.bands.1": 4.25, "teeth": -1.0, "teeth.edge": -0.5}
    shares, bare = SUM.shares(numbers), BARE.shares(numbers)
    assert shares == {
        "blur": pytest.approx(bare["blur"] + 0.2 * (2.0 - 1.0) / 2.0 - 0.3 * (4.25 - 4.0) / 0.5),
        "teeth": pytest.approx(bare["teeth"] + 0.1 * -0.5),
    }
    assert SUM.score(numbers) == pytest.approx(-0.25 + sum(shares.values()))


def test_a_number_of_the_profile_that_is_missing_adds_nothing() -> None:
    np.testing.assert_allclose(LINE.parts({"blur": 2.0, "teeth.edge": 1.0}), [0.1, 0.0, 0.1, 0.0])
    assert LINE.shares({}) == {"blur": 0.0, "teeth": 0.0, "gone": 0.0}
    assert Profile().shares({"blur": 2.0}) == {}


def test_no_number_of_the_profile_says_more_than_far_off() -> None:
    for sign in (1.0, -1.0):
        np.testing.assert_allclose(LINE.parts({"blur.bands.1": sign * 1e9}), [0, sign * FAR * -0.3, 0, 0])
    at_the_end = LINE.parts({"blur.bands.1": 4.0 + FAR * 0.5})
    np.testing.assert_allclose(LINE.parts({"blur.bands.1": 4.0 + FAR * 0.5 + 1.0}), at_the_end)
    assert LINE.parts({"blur.bands.1": 4.0 + FAR * 0.5 - 0.1})[1] > at_the_end[1]


def test_a_cue_that_abstains_or_has_no_term_adds_nothing() -> None:
    alone = SUM.score({"blur": 2.0})
    assert SUM.score({"blur": 2.0, "unheard_of": 99.0, "gone.part": 1.0, "teeth.edge": 2.0}) == alone
    assert set(SUM.shares({"blur": 2.0, "unheard_of": 99.0, "teeth.edge": 2.0})) == {"blur"}
    assert SUM.score({"blur": 2.0, "teeth": 0.0}) != alone  # missing is not zero


def test_there_is_no_score_where_every_cue_abstained() -> None:
    assert SUM.score({}) is None
    assert SUM.score({"unheard_of": 1.0, "blur.bands.1": 1.0}) is None
    assert Combination({}, Profile(), 0.0, 0.0, 0.0).score({"blur": 1.0}) is None


def test_no_cue_says_more_than_at_the_cut() -> None:
    for score, cut in ((1e9, CUT[1]), (-1e9, CUT[0])):
        assert BARE.shares({"blur": score}) == BARE.shares({"blur": cut})
    inside = [SUM.score({"blur": score}) or 0.0 for score in np.linspace(*CUT, 20)]
    assert (np.diff(inside) > 0).all()


def test_round_trip_through_json() -> None:
    values = json.loads(json.dumps(SUM.to_dict()))
    read = load_combination(values)
    assert (read.terms, read.profile.names) == (TERMS, LINE.names)
    assert (read.offset, read.usual, read.limit) == (-0.25, 1.0, 2.0)
    for name in ("centre", "scale", "weights"):
        np.testing.assert_array_equal(getattr(read.profile, name), getattr(LINE, name))
    assert read.to_dict() == SUM.to_dict()
    bare = load_combination(BARE.to_dict())
    assert bare.profile.names == ()
    assert bare.score({"blur": 2.0}) == BARE.score({"blur": 2.0})


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
        ({name: value for name, value in SUM.to_dict().items() if name != "profile"}, "lacks a number"),
        (damaged(profile=[]), "lacks a number"),
        (damaged(profile={"blur": 3}), "lacks a number"),
        (damaged(profile={"blur": {"centre": 1.0, "scale": 1.0}}), "lacks a number"),
        *[
            (damaged(profile={"blur": {"centre": 1.0, "scale": 1.0, "weight": 1.0} | {name: float("nan")}}), "not fin")
            for name in ("centre", "scale", "weight")
        ],
        *[(damaged(profile={"blur": {"centre": 1.0, "scale": scale, "weight": 1.0}}), "not fin") for scale in (0, -1)],
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
    made = Combination(terms, Profile(), offset, 0.0, 0.0)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    scores = [made.score({name: float(value) for name, value in row.items() if np.isfinite(value)}) for row in rows]
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
    made = Combination(terms, Profile(), offset, 0.0, 0.0)
    for name in table:
        rising = [made.score(dict.fromkeys(table, 0.5) | {name: value}) or 0.0 for value in np.linspace(-5, 8, 14)]
        assert (np.diff(rising) >= 0).all()


def test_the_sum_is_a_ratio_of_the_two_classes() -> None:
    """For normal scores of spread 1 the log ratio of class 1 at +d against class 0 is d x - d²/2."""
    rng = np.random.default_rng(3)
    truth = np.repeat([0.0, 1.0], [6000, 2000])
    table = {"cue": rng.normal(size=8000) + 1.5 * truth}
    terms, offset = fit_terms(table, truth, np.ones(8000), ridge=1e-6)
    made = Combination(terms, Profile(), offset, 0.0, 0.0)
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
    made = Combination(often, Profile(), offset, 0.0, 0.0)
    assert "much" not in made.shares({"little": 1.0})


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


def test_numbers_have_dotted_names_and_texts_have_none() -> None:
    details = {
        "signed": -2,
        "is": True,
        "note": "soft",
        "parts": {"chin": 0.5, "beard": None, "inner": {"left": 1.0}},
        "bands": [3.0, None, (4.0,)],
    }
    assert dict(flattened(details, "blur")) == {
        "blur.signed": -2.0,
        "blur.parts.chin": 0.5,
        "blur.parts.inner.left": 1.0,
        "blur.bands.0": 3.0,
        "blur.bands.2.0": 4.0,
    }
    assert all(isinstance(value, float) for _, value in flattened(details, "blur"))


def test_what_was_learned_or_only_counts_does_not_enter_the_profile() -> None:
    assert all(map(enters_profile, ("blur", "blur.signed", "blur.parts.chin", "splice", "swap", "frames")))
    assert not any(enters_profile(f"{cue}.member_0") for cue in LEARNED)
    assert not any(enters_profile(name) for count in COUNTS for name in (f"blur.{count}", f"blur.parts.{count}"))
    assert enters_profile("blur.frames.chin")  # only the last part says what a number is


def behind(count: int = COUNT) -> tuple[dict[str, Values], Values, Values]:
    """Make numbers of which none tells by itself, but the difference of two does."""
    rng = np.random.default_rng(4)
    truth = np.repeat([0.0, 1.0], [3 * count // 4, count // 4])
    common = 5.0 * rng.normal(size=count)
    table = {
        "blur.bands.0": 40.0 + common + rng.normal(size=count) - 1.5 * truth,
        "blur.bands.1": 20.0 + common + rng.normal(size=count) + 1.5 * truth,
        "blur.nothing": rng.normal(size=count),
    }
    return table, truth, np.ones(count)


def lined(profile: Profile, table: dict[str, Values]) -> Values:
    rows = (dict(zip(table, map(float, row), strict=True)) for row in zip(*table.values(), strict=True))
    return np.array([profile.parts(row).sum() for row in rows])


def test_the_profile_sees_how_numbers_lie_to_one_another() -> None:
    table, truth, weights = behind()
    profile = fit_profile(table, truth, weights)
    scores = lined(profile, table)
    told = auc(list(scores[truth == 1]), list(scores[truth == 0]))
    best = max(auc(list(column[truth == 1]), list(column[truth == 0])) for column in table.values())
    assert told > best + 0.2
    assert told > 0.85
    weight = dict(zip(profile.names, profile.weights, strict=True))
    assert weight["blur.bands.1"] > 5 * abs(weight["blur.nothing"])
    assert weight["blur.bands.0"] < -5 * abs(weight["blur.nothing"])


def test_the_numbers_of_a_profile_are_standardised() -> None:
    table, truth, weights = behind()
    profile = fit_profile(table, truth, weights)
    values = np.stack(list(table.values()))
    np.testing.assert_allclose(profile.centre, values.mean(axis=1))
    np.testing.assert_allclose(profile.scale, values.std(axis=1))
    moved = fit_profile({name: 1000.0 * column - 7.0 for name, column in table.items()}, truth, weights)
    np.testing.assert_allclose(moved.weights, profile.weights, rtol=1e-3, atol=1e-4)


def test_the_profile_enters_with_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    full = fit_profile(*behind())
    monkeypatch.setattr("lipaccord.combination.PROFILE_WEIGHT", PROFILE_WEIGHT / 2)
    np.testing.assert_allclose(fit_profile(*behind()).weights, full.weights / 2)


def test_what_is_mostly_missing_or_never_changes_does_not_enter_a_fit() -> None:
    table, truth, weights = behind()
    kept, dropped = (np.arange(COUNT) >= missing for missing in (COUNT * (1 - MIN_SHARE), COUNT * (1 - MIN_SHARE) + 1))
    more = {
        "teeth.kept": np.where(kept, truth, np.nan),
        "teeth.dropped": np.where(dropped, truth, np.nan),
        "teeth.constant": np.full(COUNT, 3.0),
        "teeth.frames": truth,
        "splice.member_0": truth,
    }
    assert fit_profile(table | more, truth, weights).names == (*table, "teeth.kept")
    assert fit_profile({"teeth.frames": truth}, truth, weights).names == ()


def test_a_profile_with_gaps_is_fitted_on_what_is_there() -> None:
    table, truth, weights = behind()
    gaps = np.where(np.arange(COUNT) % 10 == 0, np.nan, table["blur.bands.0"])
    whole, part = fit_profile(table, truth, weights), fit_profile(table | {"blur.bands.0": gaps}, truth, weights)
    assert np.isfinite(part.weights).all()
    assert part.centre[0] == pytest.approx(np.nanmean(gaps))
    np.testing.assert_allclose(part.weights, whole.weights, atol=0.1)


def test_the_fit_of_a_profile_is_repeatable() -> None:
    first, second = fit_profile(*behind()), fit_profile(*behind())
    np.testing.assert_array_equal(first.weights, second.weights)
