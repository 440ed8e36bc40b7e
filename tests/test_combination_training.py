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
from lipaccord.bundle import calibration_bytes, load_bundle, with_parts, with_section, write_bundle
from lipaccord.combination import load_combination
from lipaccord.combination_training import alone, cross_fitted, figures, read_table, train_combination
from lipaccord.cue_table import GROUP_FOLDS, LEARNED, Table, apply_to, fit_on
from lipaccord.cues import COMBINED_CUES
from lipaccord.errors import BundleError, TrainingError
from lipaccord.manifest import group_key
from lipaccord.splicing import Splicer, Standard, load_splicers, splicer_bytes
from made_rows import CUE, MANY, METHODS, NOBODY, OTHER, PEOPLE, Row, clips, noise, row, told
from made_survey import calibration


def written(folder: Path, rows: list[Row], **changes: Any) -> Path:
    """Write what an evaluation with matched encodes writes."""
    folder.mkdir(parents=True, exist_ok=True)
    evaluation = {
        "schema": "lipaccord/evaluation/1",
        "match_encodes": True,
        "rungs": METHODS,
        "part_s": [None, None],
    } | changes
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def table_of(tmp_path: Path, rows: list[Row]) -> Table:
    return read_table(written(tmp_path / "evaluation", rows), NOBODY)[0]


def in_sample(table: Table, cues: list[str]) -> float:
    """AUC of a sum fitted and judged on the same clips."""
    everything = np.ones(len(table.truth), bool)
    fitted = fit_on(table, cues, everything)
    scores = apply_to(fitted, table, everything)
    return float(figures(alone(table, scores))["auc"])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = functools.partial(metrics.group_interval, replicates=10)
    monkeypatch.setattr(combination_training, "group_interval", quick)


def test_the_forehead_is_turned_so_that_softer_is_more_suspicious(tmp_path: Path) -> None:
    table = table_of(tmp_path, clips(lambda method, group, place: {"forehead": -1.0 if method else 1.0}))
    assert figures(alone(table, table.forehead))["auc"] == 1.0


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
    seen: list[Any] = []

    def noted(whole: Table, cues: Any, chosen: Any) -> Any:
        seen.append(chosen)
        return fit_on(whole, cues, chosen)

    monkeypatch.setattr(combination_training, "fit_on", noted)
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


def test_a_combination_is_fitted_into_the_bundle(tmp_path: Path) -> None:
    rows = [one | {f"{CUE}.signed": one[CUE]} for one in clips(told)]
    folder = written(tmp_path / "evaluation", rows)
    train_combination(folder, tmp_path / "out")
    bundle, shipped = load_bundle(tmp_path / "out"), load_bundle()
    for name in ("predictor.safetensors", "predictor.json", "splice.safetensors"):
        assert bundle.files[name] == shipped.files[name]
    combination = load_combination(bundle.resynthesis)
    assert set(combination.terms) == set(COMBINED_CUES)
    assert {CUE, OTHER, f"{CUE}.signed"} <= set(combination.profile.names)
    assert bundle.resynthesis["groups"] == sorted(map(group_key, PEOPLE))
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


def test_a_new_combination_takes_the_calibration_away(tmp_path: Path) -> None:
    """It was made with another sum, whose scores mean something else."""
    shipped, out = load_bundle(), tmp_path / "out"
    card = with_section(shipped.card, "calibration", "Ratios of the old sum.").encode()
    made = calibration_bytes(shipped.files, {"resynthesis": calibration().to_dict()})
    write_bundle(out, "own", "1", shipped.files | {"calibration.json": made, "CARD.md": card})
    assert load_bundle(out).calibration["findings"]
    train_combination(written(tmp_path / "evaluation", clips(told)), out)
    bundle = load_bundle(out)
    assert bundle.calibration["findings"] == {}
    assert "Ratios of the old sum." not in bundle.card
    assert "<!-- part: resynthesis -->" in bundle.card


def test_the_card_says_which_part_of_the_clips_was_examined(tmp_path: Path) -> None:
    folder = written(tmp_path / "evaluation", clips(told), part_s=[None, 2.5])
    assert read_table(folder, NOBODY)[1] == 2.5
    train_combination(folder, tmp_path / "out")
    assert "lipaccord evaluate MANIFEST --match-encodes --end 2.5 --out FOLDER" in load_bundle(tmp_path / "out").card


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
    files = with_parts(shipped, {"splice.safetensors": splicer_bytes(told_apart)}, "splice", "Told apart.")
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
        lambda folder: written(folder, clips(told), part_s=None),
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
