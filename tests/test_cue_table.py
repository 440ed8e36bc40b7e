from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lipaccord import cue_table
from lipaccord.bundle import load_bundle
from lipaccord.combination import fit_profile, fit_terms
from lipaccord.cue_table import (
    GROUP_FOLDS,
    LEARNED,
    Table,
    apply_to,
    fit_on,
    group_folds,
    left_out_of,
    rescored,
    table_from,
)
from lipaccord.cues import COMBINED_CUES
from lipaccord.manifest import group_key
from lipaccord.metrics import auc
from lipaccord.splicing import load_splicers
from made_rows import CUE, METHODS, NOBODY, OTHER, PEOPLE, Row, as_read, clips, row, told


def table_of(rows: Sequence[Row], matched: dict[str, str] = METHODS, conditions: Sequence[str] = ()) -> Table:
    return table_from(as_read(rows), matched, NOBODY, conditions)


def every(table: Table) -> Any:
    return np.ones(len(table.truth), bool)


def test_only_clips_at_the_rungs_that_were_matched_enter() -> None:
    rows = clips(told)
    rows += [row("unknown", "", "person 0", "crf24"), row("synthesised", "unmatched", "person 0", "original")]
    rows += [row("camera", "", "person 0", "crf18"), row("unknown", "paint", "person 1", "original")]
    table = table_of(rows)
    assert len(table.truth) == 4 * len(PEOPLE)
    assert table.truth.sum() == 2 * len(PEOPLE)
    assert "original" not in {rung for rung, fake in zip(table.rungs, table.truth, strict=True) if not fake}
    assert set(table.methods) == {"", *METHODS}
    assert table.is_method("paint").sum() == len(PEOPLE)
    assert table.at_rung("crf24").sum() == len(PEOPLE)


def test_a_cell_that_is_empty_or_not_finite_is_an_abstention() -> None:
    rows = clips(told)
    rows[0] |= {CUE: None, OTHER: "nan", "splice": "inf"}
    table = table_of(rows)
    assert all(np.isnan(table.scores[name][0]) for name in (CUE, OTHER, "splice", "swap"))
    assert np.isfinite(table.scores[CUE][1:]).all()


def test_both_classes_have_the_same_mixture_of_encodes() -> None:
    rows = [one for one in clips(told) if one["method"] != "paste" or one["group"] in PEOPLE[:3]]
    table = table_of(rows)
    everything = np.ones(len(table.truth), bool)
    weights = table.weights(everything)
    np.testing.assert_array_equal(weights[table.truth == 1], 1)
    np.testing.assert_array_equal(weights[table.at_rung("crf24")], len(PEOPLE))
    np.testing.assert_array_equal(weights[table.at_rung("crf31")], 3)
    without = table.weights(everything & ~table.is_method("paste"))
    assert not without[table.at_rung("crf31")].any()  # no synthesised clip is left that went through it


def test_rungs_of_several_methods_add_up() -> None:
    for rung in ("crf24", "original"):
        table = table_of(clips(told), dict.fromkeys(METHODS, rung))
        weights = table.weights(every(table))
        np.testing.assert_array_equal(weights[table.truth == 0], 2 * len(PEOPLE))
        np.testing.assert_array_equal(weights[table.truth == 1], 1)
        assert table.at_rung(rung).sum() == len(PEOPLE)


def test_the_learned_cue_enters_by_the_member_that_has_not_seen_the_group() -> None:
    first, second, both = (tuple(map(group_key, some)) for some in (PEOPLE[:4], PEOPLE[4:8], PEOPLE[8:10]))
    left_out: dict[str, list[tuple[str, ...]]] = {"splice": [first + both, second + both], "swap": [second, first]}
    members = {"splice.member_0": 20.0, "splice.member_1": 30.0, "swap.member_0": 25.0, "swap.member_1": 35.0}
    rows = clips(lambda method, group, place: {"splice": 10.0, "swap": 10.0, **members})
    rows[0] |= {"splice": None, "splice.member_0": None}
    table = table_from(as_read(rows), METHODS, left_out, ())
    expected = {
        **dict.fromkeys(PEOPLE[:4], (20.0, 35.0)),
        **dict.fromkeys(PEOPLE[4:8], (30.0, 25.0)),
        **dict.fromkeys(PEOPLE[8:], (25.0, 30.0)),  # left out by all or by none: the mean of all
    }
    for place, group in enumerate(table.groups):
        found = tuple(table.scores[cue][place] for cue in LEARNED)
        assert found == expected[group] or (place == 0 and np.isnan(found[0]))


def test_groups_are_dealt_out_by_their_names_alone() -> None:
    folds = dict(zip(PEOPLE, group_folds(PEOPLE), strict=True))
    assert dict(zip(PEOPLE[::-1], group_folds([*PEOPLE[::-1], *PEOPLE]), strict=False)) == folds
    assert sorted(np.bincount(list(folds.values()))) == [2, 2, 2, 3, 3]


def test_the_forehead_is_the_control_and_softer_is_larger() -> None:
    table = table_of(clips(lambda method, group, place: {"forehead": -1.5 if method else 1.0}))
    np.testing.assert_array_equal(table.forehead, np.where(table.truth == 1, 1.5, -1.0))


def test_a_clip_keeps_its_place_in_the_table_it_was_read_from() -> None:
    rows = clips(told)
    table = table_of(rows)
    assert len(table.places) < len(rows)
    for row_of, place in enumerate(table.places):
        assert table.groups[row_of] == rows[place]["group"]
        assert table.methods[row_of] == rows[place]["method"]
        assert table.rungs[row_of] == rows[place]["rung"]
        assert table.scores[CUE][row_of] == rows[place][CUE]


def test_conditions_are_kept_by_name_and_unknown_ones_are_gaps() -> None:
    rows = clips(told)
    for place, one in enumerate(rows):
        one |= {"conditions.eyes_px": 50.0 + place, "conditions.detail": None if place == 1 else -1.0}
    table = table_of(rows, conditions=("eyes_px", "detail"))
    np.testing.assert_array_equal(table.conditions["eyes_px"], 50.0 + table.places)
    assert np.isnan(table.conditions["detail"][table.places == 1]).all()
    assert np.isnan(table.conditions["detail"]).sum() == 1
    assert table_of(rows).conditions == {}
    with pytest.raises(KeyError, match=r"conditions\.speech_s"):
        table_of(rows, conditions=("speech_s",))


def test_what_stands_behind_a_score_is_read_by_its_dotted_name() -> None:
    rows = clips(told)
    for place, one in enumerate(rows):
        one |= {f"{CUE}.signed": float(place), f"{CUE}.frames": 80.0, "unheard_of.part": 1.0, "conditions.detail": -1.0}
    rows[0] |= {CUE: None}
    rows[1] |= {f"{CUE}.signed": None}
    table = table_of(rows)
    assert set(table.numbers) == {*COMBINED_CUES, f"{CUE}.signed"}
    behind = table.numbers[f"{CUE}.signed"]
    np.testing.assert_array_equal(behind[2:], table.places[2:])
    assert np.isnan(behind[:2]).all()  # the cue abstained, or the number is missing
    np.testing.assert_array_equal(table.numbers[CUE], table.scores[CUE])


def test_the_bundle_says_whom_each_member_has_not_seen() -> None:
    networks = load_splicers(load_bundle().files["splice.safetensors"])
    assert set(left_out_of(load_bundle())) == set(LEARNED)
    for cue, scope in LEARNED.items():
        assert left_out_of(load_bundle())[cue] == [one.left_out for one in networks[scope].standards]


def test_a_combination_is_fitted_on_the_chosen_clips_alone() -> None:
    rows = clips(told)
    for one in rows:
        one[f"{CUE}.signed"] = one[CUE]
        one[f"{OTHER}.signed"] = one[OTHER]
    table = table_of(rows)
    chosen = ~table.is_method("paste") & (group_folds(table.groups) != 2)
    found = fit_on(table, [CUE, "splice"], chosen)
    truth, weights = table.truth[chosen], table.weights(chosen)[chosen]
    terms, offset = fit_terms({name: table.scores[name][chosen] for name in (CUE, "splice")}, truth, weights)
    names = tuple(name for name in table.numbers if name in {CUE, "splice", f"{CUE}.signed"})
    profile = fit_profile({name: table.numbers[name][chosen] for name in names}, truth, weights)
    assert (found.terms, found.offset, found.profile.names) == (terms, offset, names)
    assert len(names) == 3
    np.testing.assert_array_equal(found.profile.weights, profile.weights)
    assert (found.usual, found.limit) == (0.0, 0.0)
    harmed = table_of([one | {CUE: 99.0} if one["method"] == "paste" else one for one in rows])
    assert fit_on(harmed, [CUE, "splice"], chosen).to_dict() == found.to_dict()


def test_scores_are_those_of_the_combination_and_gaps_where_every_cue_abstained() -> None:
    rows = clips(told)
    rows[0] |= {CUE: None}
    rows[3] |= {CUE: None, "splice": None}
    table = table_of(rows)
    combination = fit_on(table, [CUE, "splice"], every(table))
    chosen = every(table)
    chosen[-1] = False
    scores = apply_to(combination, table, chosen)
    assert len(scores) == len(table.truth) - 1
    assert np.isnan(scores).tolist() == [place == 3 for place in table.places[:-1]]
    expected = combination.score({"splice": float(table.numbers["splice"][0]), OTHER: float(table.numbers[OTHER][0])})
    assert scores[0] == expected


def noted_fits(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []

    def noted(whole: Table, cues: Any, chosen: Any) -> Any:
        assert list(cues) == list(COMBINED_CUES)
        seen.append(chosen)
        return fit_on(whole, cues, chosen)

    monkeypatch.setattr(cue_table, "fit_on", noted)
    return seen


def test_rescored_clips_are_judged_by_a_sum_that_has_not_seen_their_group(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(clips(told))
    fits = noted_fits(monkeypatch)
    scores = rescored(table, every(table))
    groups = np.array(table.groups)
    left_out = [set(groups[~chosen]) - set(groups[chosen]) for chosen in fits]
    assert len(fits) == GROUP_FOLDS
    assert set.union(*left_out) == set(PEOPLE)
    assert sum(map(len, left_out)) == len(PEOPLE)  # each person once
    for chosen, people in zip(fits, left_out, strict=True):
        own = np.array([group in people for group in groups])
        assert (chosen == ~own).all()
        np.testing.assert_array_equal(scores[own], apply_to(fit_on(table, list(COMBINED_CUES), chosen), table, own))
    assert auc(list(scores[table.truth == 1]), list(scores[table.truth == 0])) > 0.9


def test_clips_that_are_not_seen_teach_nothing_and_are_scored_by_all_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(clips(told))
    seen = np.array([group not in PEOPLE[:3] for group in table.groups])
    fits = noted_fits(monkeypatch)
    scores = rescored(table, seen)
    assert len(fits) == GROUP_FOLDS + 1
    assert not any(chosen[~seen].any() for chosen in fits)
    assert (fits[-1] == seen).all()
    np.testing.assert_array_equal(scores[~seen], apply_to(fit_on(table, list(COMBINED_CUES), seen), table, ~seen))
    assert np.isfinite(scores).all()


def test_what_was_learned_from_the_persons_does_not_flatter_their_scores() -> None:
    """Each cue is high for one person alone: fitted and judged on the same people it would tell everything."""
    cues = [cue for cue in COMBINED_CUES if cue not in LEARNED]
    rows = []
    for cue in cues:
        scores = dict.fromkeys(cues, 0.0) | {cue: 4.0}
        rows += [
            row("synthesised", method, f"forged with {cue}", "original", **scores) for method in METHODS for _ in "123"
        ]
    for group in PEOPLE:
        rows += [row("camera", "", group, rung, **dict.fromkeys(cues, 0.0)) for rung in METHODS.values()]
    table = table_of(rows)
    known = apply_to(fit_on(table, list(COMBINED_CUES), every(table)), table, every(table))
    fresh = rescored(table, every(table))
    for scores_of, least, most in ((known, 0.99, 1.0), (fresh, 0.0, 0.7)):
        assert least <= auc(list(scores_of[table.truth == 1]), list(scores_of[table.truth == 0])) <= most
