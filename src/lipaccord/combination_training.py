"""An evaluation's table of clips -> the combination of a bundle, with cross-fitted figures.

The table is the ``clips.csv`` of `evaluation` with matched encodes, see `cue_table`. Figures are cross-fitted twice
over: a clip is judged by a combination that has seen neither its group nor, for a synthesised clip, its method
(authentic clips are judged once beside every method, by the combination without it). The bundle keeps the keys of the
groups that the combination was fitted on, so that nobody takes its scores of them for scores of strangers.

Conventions: scores are larger = more suspicious, NaN where a cue abstained.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lipaccord
from lipaccord.bundle import check_destination, load_bundle, packed, with_parts, write_bundle
from lipaccord.card import combination_card
from lipaccord.cue_table import (
    GROUP_FOLDS,
    LEARNED,
    LeftOut,
    Table,
    Values,
    apply_to,
    fit_on,
    group_folds,
    left_out_of,
    table_from,
)
from lipaccord.cues import COMBINED_CUES
from lipaccord.errors import TrainingError
from lipaccord.manifest import group_key
from lipaccord.metrics import auc, eer, group_interval, tpr_at_fpr

USUAL, LIMIT = 0.95, 0.99
MIN_CLIPS = 10  # of each class


def read_table(folder: Path, left_out: LeftOut) -> tuple[Table, float | None]:
    """Read what an evaluation with matched encodes wrote, and the second up to which its clips were examined.

    Parameters
    ----------
    folder : Path
        Holds ``clips.csv`` and ``evaluation.json``.
    left_out : dict of str to list of tuple of str
        As for `cue_table.table_from`.

    Raises
    ------
    TrainingError
        A file is missing or not what `evaluate` writes, or the clips are too few.
    """
    try:
        evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        if not evaluation["match_encodes"]:
            raise ValueError("the encodes were not matched")
        with (folder / "clips.csv").open(encoding="utf-8", newline="") as file:
            table = table_from(list(csv.DictReader(file)), evaluation["rungs"], left_out, ())
        _, end_s = evaluation["part_s"]
    except (OSError, AttributeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise TrainingError(
            f"{folder} is not what `lipaccord evaluate --match-encodes` of this release writes ({error}); run it again"
        ) from error
    if min(table.truth.sum(), (1 - table.truth).sum()) < MIN_CLIPS:
        raise TrainingError(f"{folder} holds too few clips: at least {MIN_CLIPS} of each class are needed")
    return table, end_s


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
            combination = fit_on(table, cues, ~inside & ~table.is_method(method))
            scores[inside] = apply_to(combination, table, inside)
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
    table, end_s = read_table(folder, left_out_of(base))
    cues = list(COMBINED_CUES)
    judged = cross_fitted(table, cues)
    everything = np.ones(len(table.truth), bool)
    fitted = fit_on(table, cues, everything)
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
        end_s,
    )
    fitted_on = sorted({group_key(group) for group in table.groups})
    parts = {"resynthesis.json": packed(combination.to_dict() | {"groups": fitted_on})}
    write_bundle(out, base.name, lipaccord.__version__, with_parts(base, parts, "resynthesis", card))
