"""An evaluation's table of clips -> the combination of a bundle, with cross-fitted figures.

The table is the ``clips.csv`` of `evaluation` with matched encodes. Authentic clips enter at the rungs that were
matched to the methods, each with the weight of the synthesised clips matched to it, so that both classes have the same
mixture of encodes. Figures are cross-fitted twice over: a clip is judged by a combination that has seen neither its
group nor, for a synthesised clip, its method (authentic clips are judged once beside every method, by the combination
without it). The learned cues enter by the member of their network that has not seen the clip's group.

Conventions: scores are larger = more suspicious, NaN where a cue abstained.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lipaccord
from lipaccord.bundle import check_destination, load_bundle, packed, with_section, write_bundle
from lipaccord.card import combination_card
from lipaccord.combination import Combination, fit_terms
from lipaccord.cues import COMBINED_CUES
from lipaccord.errors import TrainingError
from lipaccord.metrics import auc, eer, group_interval, tpr_at_fpr
from lipaccord.splicing import fold_of, group_key, load_splicers

LEARNED = {"splice": "lower", "swap": "face"}  # cue, and scope of its network
FOREHEAD = "forehead"
GROUP_FOLDS = 5
USUAL, LIMIT = 0.95, 0.99
MIN_CLIPS = 10  # of each class

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """Scored clips.

    Attributes
    ----------
    scores : dict of str to ndarray [shape=(n,)]
        By cue.
    forehead : ndarray [shape=(n,)]
        The control: larger = softer.
    truth : ndarray [shape=(n,)]
        1 for a synthesised mouth.
    methods, groups, rungs : tuple of str [n]
        `methods` is empty for authentic clips.
    matched : dict of str to str
        Rung by method.
    """

    scores: dict[str, Values]
    forehead: Values
    truth: Values
    methods: tuple[str, ...]
    groups: tuple[str, ...]
    rungs: tuple[str, ...]
    matched: dict[str, str]

    def is_method(self, method: str) -> NDArray[np.bool_]:
        """Tell which clips were made by a method."""
        return np.array([name == method for name in self.methods])

    def at_rung(self, rung: str) -> NDArray[np.bool_]:
        """Tell which authentic clips went through a rung."""
        at_rung: NDArray[np.bool_] = np.array([name == rung for name in self.rungs]) & (self.truth == 0)
        return at_rung

    def weights(self, chosen: NDArray[np.bool_]) -> Values:
        """Weight of every clip: one for the synthesised, that of their rung for the authentic [shape=(n,)].

        The weight of a rung is the number of `chosen` clips that are matched to it.
        """
        weights = self.truth.copy()
        for method, rung in self.matched.items():
            weights[self.at_rung(rung)] += (self.is_method(method) & chosen).sum()
        return weights


def _number(cell: str) -> float:
    value = float(cell) if cell else math.nan
    return value if math.isfinite(value) else math.nan


def _unseen(row: dict[str, str], left_out: Sequence[Sequence[str]]) -> list[bool]:
    """Tell which members count for a clip."""
    key = group_key(row["group"])
    members = [key in groups for groups in left_out]
    return members if any(members) else [True] * len(members)


def _member_mean(row: dict[str, str], cue: str, unseen: Sequence[bool]) -> float:
    """Score of a learned cue by the members that count."""
    if math.isnan(_number(row[cue])):
        return math.nan
    return float(np.mean([_number(row[f"{cue}.member_{k}"]) for k, counts in enumerate(unseen) if counts]))


def read_table(folder: Path, left_out: dict[str, list[tuple[str, ...]]]) -> Table:
    """Read what an evaluation with matched encodes wrote.

    Parameters
    ----------
    folder : Path
        Holds ``clips.csv`` and ``evaluation.json``.
    left_out : dict of str to list of tuple of str
        For each learned cue and member, the keys of the groups that it has not seen.

    Raises
    ------
    TrainingError
        A file is missing or not what `evaluate` writes, or the clips are too few.
    """
    try:
        evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        if not evaluation["match_encodes"]:
            raise ValueError("the encodes were not matched")
        matched: dict[str, str] = evaluation["rungs"]
        with (folder / "clips.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        kept = [
            row
            for row in rows
            if (row["mouth"] == "synthesised" and row["method"] in matched)
            or (row["mouth"] == "camera" and row["rung"] in matched.values())
        ]
        scores = {name: np.array([_number(row[name]) for row in kept]) for name in COMBINED_CUES}
        for cue, members in left_out.items():
            scores[cue] = np.array([_member_mean(row, cue, _unseen(row, members)) for row in kept])
        table = Table(
            scores=scores,
            forehead=-np.array([_number(row[FOREHEAD]) for row in kept]),
            truth=np.array([float(row["mouth"] == "synthesised") for row in kept]),
            methods=tuple(row["method"] if row["mouth"] == "synthesised" else "" for row in kept),
            groups=tuple(row["group"] for row in kept),
            rungs=tuple(row["rung"] for row in kept),
            matched=matched,
        )
    except (OSError, AttributeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise TrainingError(
            f"{folder} is not what `lipaccord evaluate --match-encodes` of this release writes ({error}); run it again"
        ) from error
    if min(table.truth.sum(), (1 - table.truth).sum()) < MIN_CLIPS:
        raise TrainingError(f"{folder} holds too few clips: at least {MIN_CLIPS} of each class are needed")
    return table


def group_folds(groups: Sequence[str]) -> NDArray[np.intp]:
    """Deal groups out to folds, in an order that depends on their names alone [shape=(n,)]."""
    folds = fold_of(groups, GROUP_FOLDS)
    return np.array([folds[group] for group in groups], np.intp)


def _fit(table: Table, cues: Sequence[str], chosen: NDArray[np.bool_]) -> Combination:
    scores = {name: table.scores[name][chosen] for name in cues}
    terms, offset = fit_terms(scores, table.truth[chosen], table.weights(chosen)[chosen])
    return Combination(terms, offset, 0.0, 0.0)


def _apply(combination: Combination, table: Table, chosen: NDArray[np.bool_]) -> Values:
    """Scores of the chosen clips; NaN where every cue abstained."""
    result = []
    for row in np.flatnonzero(chosen):
        values = {name: float(table.scores[name][row]) for name in combination.terms}
        score = combination.score({name: None if math.isnan(value) else value for name, value in values.items()})
        result.append(math.nan if score is None else score)
    return np.array(result)


@dataclass(frozen=True, slots=True)
class Judged:
    """Cross-fitted scores of the clips that one method is judged by; NaN where there is none [each shape=(n,)]."""

    method: str
    positives: Values
    negatives: Values
    positive_groups: tuple[str, ...]
    negative_groups: tuple[str, ...]


def _judged(table: Table, method: str, scores: Values) -> Judged:
    own, beside = table.is_method(method), table.at_rung(table.matched[method])
    groups = np.array(table.groups)
    return Judged(method, scores[own], scores[beside], tuple(groups[own]), tuple(groups[beside]))


def cross_fitted(table: Table, cues: Sequence[str]) -> list[Judged]:
    """Judge every method by combinations that have seen neither it nor the clip's group."""
    folds = group_folds(table.groups)
    result = []
    for method in sorted(table.matched):
        scores = np.full(len(folds), np.nan)
        for fold in range(GROUP_FOLDS):
            inside = folds == fold
            combination = _fit(table, cues, ~inside & ~table.is_method(method))
            scores[inside] = _apply(combination, table, inside)
        result.append(_judged(table, method, scores))
    return result


def alone(table: Table, scores: Values) -> list[Judged]:
    """Judge every method by one score as it is: a cue by itself, or the control."""
    return [_judged(table, method, scores) for method in sorted(table.matched)]


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return AUC, EER and TPR at 5% FPR over some methods, each with its 95% interval by groups, and the counts."""
    positives = np.concatenate([one.positives for one in judged])
    negatives = np.concatenate([one.negatives for one in judged])
    weights = np.concatenate([np.full(len(one.negatives), float(len(one.positives))) for one in judged])
    groups = [np.array([g for one in judged for g in side(one)]) for side in (_of_positives, _of_negatives)]
    there, beside = np.isfinite(positives), np.isfinite(negatives)
    result: dict[str, Any] = {"clips": int(there.sum()), "groups": len(set(groups[0][there]))}
    metrics: dict[str, Callable[..., float]] = {"auc": auc, "eer": eer, "tpr": tpr_at_fpr}
    for name, metric in metrics.items():
        if not there.any() or not beside.any():
            result[name] = result[f"{name}_interval"] = None
            continue
        result[name] = metric(positives[there], negatives[beside], negative_weights=weights[beside])
        result[f"{name}_interval"] = group_interval(
            metric,
            list(positives[there]),
            list(negatives[beside]),
            list(groups[0][there]),
            list(groups[1][beside]),
            negative_weights=weights[beside],
        )
    return result


def _of_positives(one: Judged) -> tuple[str, ...]:
    return one.positive_groups


def _of_negatives(one: Judged) -> tuple[str, ...]:
    return one.negative_groups


def _quantile(judged: Sequence[Judged], share: float) -> float:
    """Weighted quantile of the authentic clips' cross-fitted scores."""
    scores = np.concatenate([one.negatives for one in judged])
    weights = np.concatenate([np.full(len(one.negatives), float(len(one.positives))) for one in judged])
    there = np.isfinite(scores)
    order = np.argsort(scores[there], kind="stable")
    reached = np.cumsum(weights[there][order])
    return float(scores[there][order][np.searchsorted(reached, share * reached[-1])])


def train_combination(folder: Path, out: Path) -> None:
    """Fit the combination of a bundle.

    Parameters
    ----------
    folder : Path
        Written by `evaluate` with matched encodes, with a bundle that has the same splice networks.
    out : Path
        Folder of the bundle; its other parts stay as they are, or are those of the one that is shipped.

    Raises
    ------
    TrainingError
        The table can't be used.
    BundleError
        `out` exists and is not a bundle.
    """
    check_destination(out)
    base = load_bundle(out if out.exists() else None)
    splicers = load_splicers(base.files["splice.safetensors"])
    left_out = {cue: [one.left_out for one in splicers[scope].standards] for cue, scope in LEARNED.items()}
    table = read_table(folder, left_out)
    cues = list(COMBINED_CUES)
    judged = cross_fitted(table, cues)
    everything = np.ones(len(table.truth), bool)
    fitted = _fit(table, cues, everything)
    combination = dataclasses.replace(fitted, usual=_quantile(judged, USUAL), limit=_quantile(judged, LIMIT))
    by_hand = [cue for cue in cues if cue not in LEARNED]
    sections = {
        "all cues": judged,
        "without the learned cues": cross_fitted(table, by_hand),
        "the learned cues only": cross_fitted(table, list(LEARNED)),
        **{f"{cue} alone": alone(table, table.scores[cue]) for cue in cues},
        "control: forehead alone": alone(table, table.forehead),
    }
    card = combination_card(
        combination,
        {name: figures(parts) for name, parts in sections.items()},
        {one.method: (table.matched[one.method], figures([one])) for one in judged},
        {one.method: figures([one])["auc"] for one in sections["control: forehead alone"]},
    )
    files = base.files | {
        "resynthesis.json": packed(combination.to_dict()),
        "CARD.md": with_section(base.card, "resynthesis", card).encode(),
    }
    write_bundle(out, base.name, lipaccord.__version__, files)
