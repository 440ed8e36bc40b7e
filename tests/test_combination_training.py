from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipaccord import combination_training, metrics
from lipaccord.bundle import load_bundle, write_bundle
from lipaccord.combination import load_combination
from lipaccord.combination_training import (
    GROUP_FOLDS,
    LEARNED,
    Table,
    alone,
    cross_fitted,
    figures,
    group_folds,
    read_table,
    train_combination,
)
from lipaccord.cues import COMBINED_CUES
from lipaccord.errors import BundleError, TrainingError
from lipaccord.splicing import Splicer, Standard, group_key, load_splicers, splicer_bytes

METHODS = {"paint": "crf24", "paste": "crf31"}
PEOPLE = [f"person {k}" for k in range(12)]
MANY = [f"person {k}" for k in range(24)]
CUE, OTHER = "blur", "teeth"
MEMBERS = 2
NOBODY: dict[str, list[tuple[str, ...]]] = {cue: [(), ()] for cue in LEARNED}
Row = dict[str, Any]


def row(mouth: str, method: str, group: str, rung: str, **scores: float | None) -> Row:
    """Make a row of the table; what is not given is an abstention, or a network that said nothing."""
    cells: dict[str, float | None] = {**dict.fromkeys(COMBINED_CUES), "forehead": 0.0, **scores}
    for cue in LEARNED:
        for member in range(MEMBERS):
            cells.setdefault(f"{cue}.member_{member}", cells[cue])
    return {"path": f"{group}.mp4", "rung": rung, "method": method, "group": group, "mouth": mouth, **cells}


def clips(scores: Callable[[str, str, int], dict[str, float]], people: list[str] = PEOPLE) -> list[Row]:
    """Make, for each person, a clip of each method, and the authentic one as it came and at the two rungs.

    `scores` gives them from the method (empty for an authentic clip), the group and the number of the row.
    """
    rows: list[Row] = []
    for group in people:
        rows += [
            row("synthesised", method, group, "original", **scores(method, group, len(rows))) for method in METHODS
        ]
        for rung in ("original", *METHODS.values()):
            rows.append(row("camera", "", group, rung, **scores("", group, len(rows))))
    return rows


def written(folder: Path, rows: list[Row], **changes: Any) -> Path:
    """Write what an evaluation with matched encodes writes."""
    folder.mkdir(parents=True, exist_ok=True)
    evaluation = {"schema": "lipaccord/evaluation/1", "match_encodes": True, "rungs": METHODS} | changes
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def noise(place: int, salt: int = 0) -> float:
    return float(np.random.default_rng([place, salt]).normal())


def told(method: str, group: str, place: int) -> dict[str, float]:
    """Give scores of a cue that tells, of one that tells nothing, and of a network that tells."""
    fake = 2.0 * bool(method)
    return {CUE: noise(place) + fake, OTHER: noise(place, 1), "splice": noise(place, 2) + fake}


def table_of(tmp_path: Path, rows: list[Row]) -> Table:
    return read_table(written(tmp_path / "evaluation", rows), NOBODY)


def in_sample(table: Table, cues: list[str]) -> float:
    """AUC of a sum fitted and judged on the same clips."""
    everything = np.ones(len(table.truth), bool)
    fitted = combination_training._fit(table, cues, everything)
    scores = combination_training._apply(fitted, table, everything)
    return float(figures(alone(table, scores))["auc"])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = functools.partial(metrics.group_interval, replicates=10)
    monkeypatch.setattr(combination_training, "group_interval", quick)


def test_only_clips_at_the_rungs_that_were_matched_enter(tmp_path: Path) -> None:
    rows = clips(told)
    rows += [row("unknown", "", "person 0", "crf24"), row("synthesised", "unmatched", "person 0", "original")]
    rows += [row("camera", "", "person 0", "crf18"), row("unknown", "paint", "person 1", "original")]
    table = table_of(tmp_path, rows)
    assert len(table.truth) == 4 * len(PEOPLE)
    assert table.truth.sum() == 2 * len(PEOPLE)
    assert "original" not in {rung for rung, fake in zip(table.rungs, table.truth, strict=True) if not fake}
    assert set(table.methods) == {"", *METHODS}
    assert table.is_method("paint").sum() == len(PEOPLE)
    assert table.at_rung("crf24").sum() == len(PEOPLE)


def test_a_cell_that_is_empty_or_not_finite_is_an_abstention(tmp_path: Path) -> None:
    rows = clips(told)
    rows[0] |= {CUE: None, OTHER: "nan", "splice": "inf"}
    table = table_of(tmp_path, rows)
    assert all(np.isnan(table.scores[name][0]) for name in (CUE, OTHER, "splice", "swap"))
    assert np.isfinite(table.scores[CUE][1:]).all()


def test_the_forehead_is_turned_so_that_softer_is_more_suspicious(tmp_path: Path) -> None:
    table = table_of(tmp_path, clips(lambda method, group, place: {"forehead": -1.0 if method else 1.0}))
    assert figures(alone(table, table.forehead))["auc"] == 1.0


def test_both_classes_have_the_same_mixture_of_encodes(tmp_path: Path) -> None:
    rows = [one for one in clips(told) if one["method"] != "paste" or one["group"] in PEOPLE[:3]]
    table = table_of(tmp_path, rows)
    everything = np.ones(len(table.truth), bool)
    weights = table.weights(everything)
    np.testing.assert_array_equal(weights[table.truth == 1], 1)
    np.testing.assert_array_equal(weights[table.at_rung("crf24")], len(PEOPLE))
    np.testing.assert_array_equal(weights[table.at_rung("crf31")], 3)
    without = table.weights(everything & ~table.is_method("paste"))
    assert not without[table.at_rung("crf31")].any()  # no synthesised clip is left that went through it


def test_rungs_of_several_methods_add_up(tmp_path: Path) -> None:
    folder = written(tmp_path / "evaluation", clips(told), rungs=dict.fromkeys(METHODS, "crf24"))
    table = read_table(folder, NOBODY)
    weights = table.weights(np.ones(len(table.truth), bool))
    np.testing.assert_array_equal(weights[table.truth == 0], 2 * len(PEOPLE))


def test_the_learned_cue_enters_by_the_member_that_has_not_seen_the_group(tmp_path: Path) -> None:
    first, second, both = (tuple(map(group_key, some)) for some in (PEOPLE[:4], PEOPLE[4:8], PEOPLE[8:10]))
    left_out: dict[str, list[tuple[str, ...]]] = {"splice": [first + both, second + both], "swap": [second, first]}
    members = {"splice.member_0": 20.0, "splice.member_1": 30.0, "swap.member_0": 25.0, "swap.member_1": 35.0}
    rows = clips(lambda method, group, place: {"splice": 10.0, "swap": 10.0, **members})
    rows[0] |= {"splice": None, "splice.member_0": None}
    table = read_table(written(tmp_path, rows), left_out)
    expected = {
        **dict.fromkeys(PEOPLE[:4], (20.0, 35.0)),
        **dict.fromkeys(PEOPLE[4:8], (30.0, 25.0)),
        **dict.fromkeys(PEOPLE[8:], (25.0, 30.0)),  # left out by all or by none: the mean of all
    }
    for place, group in enumerate(table.groups):
        found = tuple(table.scores[cue][place] for cue in LEARNED)
        assert found == expected[group] or (place == 0 and np.isnan(found[0]))


def test_what_tells_is_found_without_having_seen_group_or_method(tmp_path: Path) -> None:
    table = table_of(tmp_path, clips(told))
    judged = cross_fitted(table, list(COMBINED_CUES))
    assert [one.method for one in judged] == sorted(METHODS)
    assert figures(judged)["auc"] > 0.9
    assert figures(judged)["auc"] > figures(alone(table, table.scores[OTHER]))["auc"] + 0.3
    assert (figures(judged)["clips"], figures(judged)["groups"]) == (2 * len(PEOPLE), len(PEOPLE))
    low, high = figures(judged)["auc_interval"]
    assert low <= figures(judged)["auc"] <= high


def test_cues_that_know_the_person_tell_nothing_of_other_people(tmp_path: Path) -> None:
    """Each cue is high for one person alone, and half of the people are always synthesised."""
    cues = [cue for cue in COMBINED_CUES if cue not in LEARNED]
    forged = [f"forged {k}" for k in range(len(cues))]
    rows = []
    for cue, group in zip(cues, forged, strict=True):
        scores = dict.fromkeys(cues, 0.0) | {cue: 4.0}
        for method in METHODS:
            rows += [row("synthesised", method, group, "original", **scores) for _ in range(6)]
    for group in PEOPLE:
        rows += [row("camera", "", group, rung, **dict.fromkeys(cues, 0.0)) for rung in METHODS.values()]
    table = table_of(tmp_path, rows)
    assert in_sample(table, cues) > 0.99
    assert figures(cross_fitted(table, cues))["auc"] < 0.7


def test_a_cue_that_knows_a_method_tells_nothing_of_other_methods(tmp_path: Path) -> None:
    own = {"paint": CUE, "paste": OTHER}

    def scores(method: str, group: str, place: int) -> dict[str, float]:
        return {cue: 0.2 * noise(place, salt) + 3.0 * (own.get(method) == cue) for salt, cue in enumerate((CUE, OTHER))}

    table = table_of(tmp_path, clips(scores, MANY))
    assert in_sample(table, [CUE, OTHER]) > 0.99
    for one in cross_fitted(table, [CUE, OTHER]):
        assert figures([one])["auc"] == pytest.approx(0.5, abs=0.2)


def test_every_clip_is_judged_by_a_sum_that_has_not_seen_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(tmp_path, clips(told))
    original, seen = combination_training._fit, list[Any]()

    def noted(whole: Table, cues: Any, chosen: Any) -> Any:
        seen.append(chosen)
        return original(whole, cues, chosen)

    monkeypatch.setattr(combination_training, "_fit", noted)
    cross_fitted(table, [CUE])
    groups, methods = np.array(table.groups), np.array(table.methods)
    assert len(seen) == len(METHODS) * GROUP_FOLDS
    for place, method in enumerate(sorted(METHODS)):
        fitted = seen[place * GROUP_FOLDS : (place + 1) * GROUP_FOLDS]
        left_out = [set(groups[~chosen]) - set(groups[chosen]) for chosen in fitted]
        assert set.union(*left_out) == set(PEOPLE)
        assert sum(map(len, left_out)) == len(PEOPLE)  # each person once
        assert all(method not in methods[chosen] for chosen in fitted)


def test_a_cue_that_abstains_everywhere_is_no_trouble(tmp_path: Path) -> None:
    table = table_of(tmp_path, clips(lambda method, group, place: {CUE: noise(place)}))
    nothing = figures(alone(table, table.scores[OTHER]))
    assert nothing == {
        "clips": 0,
        "groups": 0,
        **{f"{name}{end}": None for name in ("auc", "eer", "tpr") for end in ("", "_interval")},
    }
    assert np.isfinite(figures(cross_fitted(table, list(COMBINED_CUES)))["auc"])


def test_groups_are_dealt_out_by_their_names_alone() -> None:
    folds = dict(zip(PEOPLE, group_folds(PEOPLE), strict=True))
    assert dict(zip(PEOPLE[::-1], group_folds([*PEOPLE[::-1], *PEOPLE]), strict=False)) == folds
    assert sorted(np.bincount(list(folds.values()))) == [2, 2, 2, 3, 3]


def test_a_combination_is_fitted_into_the_bundle(tmp_path: Path) -> None:
    folder = written(tmp_path / "evaluation", clips(told))
    train_combination(folder, tmp_path / "out")
    bundle, shipped = load_bundle(tmp_path / "out"), load_bundle()
    for name in ("predictor.safetensors", "predictor.json", "splice.safetensors"):
        assert bundle.files[name] == shipped.files[name]
    combination = load_combination(bundle.resynthesis)
    assert set(combination.terms) == set(COMBINED_CUES)
    assert combination.usual < combination.limit
    assert (combination.score({CUE: 4.0, "splice": 4.0}) or 0) > combination.usual
    assert (combination.score({CUE: -1.0, "splice": -1.0}) or 9) < combination.usual
    card = bundle.card.partition("<!-- part: resynthesis -->\n")[2]
    for name in ("all cues", "without the learned cues", "the learned cues only", f"{CUE} alone", "control: forehead"):
        assert f"| {name}" in card
    for method, rung in METHODS.items():
        assert f"| {method} | {rung} | {len(PEOPLE)} | " in card
    for block in card.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.strip().splitlines() if line[0] == "|"}) == 1
    train_combination(folder, tmp_path / "out")
    assert load_bundle(tmp_path / "out") == bundle


def test_the_two_quantiles_are_those_of_unseen_authentic_clips(tmp_path: Path) -> None:
    people = [f"person {k}" for k in range(60)]
    folder = written(tmp_path / "evaluation", clips(lambda m, g, place: {CUE: noise(place) + 2.0 * bool(m)}, people))
    train_combination(folder, tmp_path / "out")
    combination = load_combination(load_bundle(tmp_path / "out").resynthesis)
    scores = np.array([combination.score({CUE: noise(place, 7)}) or 0.0 for place in range(2000)])
    assert (scores > combination.usual).mean() == pytest.approx(0.05, abs=0.04)
    assert (scores > combination.limit).mean() < 0.04


def test_the_members_of_the_bundle_say_whom_they_have_not_seen(tmp_path: Path) -> None:
    shipped = load_bundle()
    networks = load_splicers(shipped.files["splice.safetensors"])
    halves = [tuple(map(group_key, PEOPLE[:6])), tuple(map(group_key, PEOPLE[6:]))]
    told_apart = {
        scope: Splicer(one.members[:2], [Standard(0.0, 1.0, half) for half in halves])
        for scope, one in networks.items()
    }
    files = shipped.files | {"splice.safetensors": splicer_bytes(told_apart)}
    write_bundle(tmp_path / "out", "own", "1", files)

    def scores(method: str, group: str, place: int) -> dict[str, float]:
        """Let the member that has seen a person know the answer, and the other one guess."""
        knows, guesses = (1, 0) if group in PEOPLE[:6] else (0, 1)
        answer, guess = 4.0 * bool(method) + noise(place), noise(place, 1)
        cells = {"splice": (answer + guess) / 2, "swap": 0.0}
        for member, value in ((knows, answer), (guesses, guess)):
            cells[f"splice.member_{member}"] = value
        return cells

    train_combination(written(tmp_path / "evaluation", clips(scores)), tmp_path / "out")
    bundle = load_bundle(tmp_path / "out")
    assert bundle.name == "own"
    [line] = [line for line in bundle.card.splitlines() if line.startswith("| the learned cues only |")]
    assert float(line.split("|")[4].split("[")[0]) == pytest.approx(0.5, abs=0.2)


def test_without_a_bundle_there_the_card_is_that_of_the_shipped_one(tmp_path: Path) -> None:
    train_combination(written(tmp_path / "evaluation", clips(told)), tmp_path / "out")
    assert load_bundle(tmp_path / "out").name == load_bundle().name


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "clips.csv").unlink(),
        lambda folder: (folder / "evaluation.json").unlink(),
        lambda folder: (folder / "evaluation.json").write_text("{"),
        lambda folder: (folder / "evaluation.json").write_text("[]"),
        lambda folder: (folder / "evaluation.json").write_text('{"match_encodes": true}'),
        lambda folder: (folder / "evaluation.json").write_text('{"match_encodes": true, "rungs": ["paint"]}'),
        lambda folder: (folder / "clips.csv").write_text("path,rung\nx,y\n"),
        lambda folder: (folder / "clips.csv").write_text((folder / "clips.csv").read_text().replace(f",{CUE},", ",x,")),
        lambda folder: (folder / "clips.csv").write_bytes(b"\xff\xfe" * 30),
    ],
)
def test_a_folder_that_is_no_evaluation_is_refused(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    folder = written(tmp_path / "evaluation", clips(told))
    harm(folder)
    with pytest.raises(TrainingError, match="is not what `lipaccord evaluate --match-encodes` of this release writes"):
        train_combination(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_score_that_is_no_number_is_refused(tmp_path: Path) -> None:
    rows = clips(told)
    rows[3] |= {CUE: "high"}
    with pytest.raises(TrainingError, match="could not convert string to float"):
        table_of(tmp_path, rows)


def test_an_evaluation_whose_encodes_were_not_matched_is_refused(tmp_path: Path) -> None:
    """The encoder alone would tell the classes apart."""
    rungs = dict.fromkeys(METHODS, "original")
    folder = written(tmp_path / "evaluation", clips(told), match_encodes=False, rungs=rungs)
    with pytest.raises(TrainingError, match="the encodes were not matched"):
        train_combination(folder, tmp_path / "out")


def test_too_few_clips_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "evaluation", clips(told, PEOPLE[:4]))
    with pytest.raises(TrainingError, match="too few clips: at least 10 of each class"):
        train_combination(folder, tmp_path / "out")


def test_a_foreign_folder_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        train_combination(tmp_path, tmp_path)
