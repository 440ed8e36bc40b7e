"""The cue scores of an evaluation's clips, and the combination of the cues fitted on some of them.

Authentic clips enter at the rungs that were matched to the methods, each with the weight of the synthesised clips
matched to it, so that both classes have the same mixture of encodes. The learned cues enter by the member of their
network that has not seen the clip's group.

Conventions: scores are larger = more suspicious, NaN where a cue abstained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipaccord.bundle import Bundle
from lipaccord.combination import Combination, enters_profile, fit_profile, fit_terms
from lipaccord.cues import COMBINED_CUES
from lipaccord.manifest import fold_of, group_key
from lipaccord.splicing import load_splicers

LEARNED = {"splice": "lower", "swap": "face"}  # cue, and scope of its network
FOREHEAD = "forehead"
GROUP_FOLDS = 5

Values = NDArray[np.float64]
LeftOut = Mapping[str, Sequence[Sequence[str]]]


def left_out_of(bundle: Bundle) -> dict[str, list[tuple[str, ...]]]:
    """Say for each learned cue and member of a bundle which groups it has not seen, by their keys."""
    splicers = load_splicers(bundle.files["splice.safetensors"])
    return {cue: [one.left_out for one in splicers[scope].standards] for cue, scope in LEARNED.items()}


@dataclass(frozen=True, slots=True)
class Table:
    """Scored clips.

    Attributes
    ----------
    scores : dict of str to ndarray [shape=(n,)]
        By cue.
    numbers : dict of str to ndarray [shape=(n,)]
        Scores and what stands behind them, by their dotted names; NaN too where the cue abstained.
    forehead : ndarray [shape=(n,)]
        The control: larger = softer.
    truth : ndarray [shape=(n,)]
        1 for a synthesised mouth.
    methods, groups, rungs : tuple of str [n]
        `methods` is empty for authentic clips.
    matched : dict of str to str
        Rung by method.
    conditions : dict of str to ndarray [shape=(n,)]
        How well each clip could be measured (`conditions`), NaN where unknown.
    places : ndarray of int64 [shape=(n,)]
        Row of each clip in the table that it was read from.
    """

    scores: dict[str, Values]
    numbers: dict[str, Values]
    forehead: Values
    truth: Values
    methods: tuple[str, ...]
    groups: tuple[str, ...]
    rungs: tuple[str, ...]
    matched: dict[str, str]
    conditions: dict[str, Values]
    places: NDArray[np.int64]

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


def _unseen(row: Mapping[str, str], left_out: Sequence[Sequence[str]]) -> list[bool]:
    """Tell which members count for a clip."""
    key = group_key(row["group"])
    members = [key in groups for groups in left_out]
    return members if any(members) else [True] * len(members)


def _member_mean(row: Mapping[str, str], cue: str, unseen: Sequence[bool]) -> float:
    """Score of a learned cue by the members that count."""
    if math.isnan(_number(row[cue])):
        return math.nan
    return float(np.mean([_number(row[f"{cue}.member_{k}"]) for k, counts in enumerate(unseen) if counts]))


def _numbers(rows: Sequence[Mapping[str, str]], scores: Mapping[str, Values]) -> dict[str, Values]:
    """Read what stands behind the scores, by column."""
    numbers = dict(scores)
    for name in sorted({name for row in rows for name in row}):
        cue = name.split(".", 1)[0]
        if cue in scores and name != cue and enters_profile(name):
            values = np.array([_number(row.get(name, "")) for row in rows])
            numbers[name] = np.where(np.isfinite(scores[cue]), values, np.nan)
    return numbers


def table_from(
    rows: Sequence[Mapping[str, str]], matched: Mapping[str, str], left_out: LeftOut, conditions: Sequence[str]
) -> Table:
    """Pick the clips that enter a fit from the rows of ``clips.csv``.

    Parameters
    ----------
    rows : sequence of dict of str to str
        All rows, by column.
    matched : dict of str to str
        Rung by method.
    left_out : dict of str to list of tuple of str
        For each learned cue and member, the keys of the groups that it has not seen.
    conditions : sequence of str
        Conditions to keep.

    Raises
    ------
    KeyError, ValueError
        A column is missing, or a cell is no number.
    """
    places = [
        place
        for place, row in enumerate(rows)
        if (row["mouth"] == "synthesised" and row["method"] in matched)
        or (row["mouth"] == "camera" and row["rung"] in matched.values())
    ]
    kept = [rows[place] for place in places]
    scores = {name: np.array([_number(row[name]) for row in kept]) for name in COMBINED_CUES}
    for cue, members in left_out.items():
        scores[cue] = np.array([_member_mean(row, cue, _unseen(row, members)) for row in kept])
    return Table(
        scores=scores,
        numbers=_numbers(kept, scores),
        forehead=-np.array([_number(row[FOREHEAD]) for row in kept]),
        truth=np.array([float(row["mouth"] == "synthesised") for row in kept]),
        methods=tuple(row["method"] if row["mouth"] == "synthesised" else "" for row in kept),
        groups=tuple(row["group"] for row in kept),
        rungs=tuple(row["rung"] for row in kept),
        matched=dict(matched),
        conditions={name: np.array([_number(row[f"conditions.{name}"]) for row in kept]) for name in conditions},
        places=np.array(places, np.int64),
    )


def group_folds(groups: Sequence[str]) -> NDArray[np.intp]:
    """Deal groups out to folds, in an order that depends on their names alone [shape=(n,)]."""
    folds = fold_of(groups, GROUP_FOLDS)
    return np.array([folds[group] for group in groups], np.intp)


def fit_on(table: Table, cues: Sequence[str], chosen: NDArray[np.bool_]) -> Combination:
    """Fit a combination of some cues on some of the clips; its quantiles are not set."""
    truth, weights = table.truth[chosen], table.weights(chosen)[chosen]
    terms, offset = fit_terms({name: table.scores[name][chosen] for name in cues}, truth, weights)
    numbers = {name: values[chosen] for name, values in table.numbers.items() if name.split(".", 1)[0] in cues}
    return Combination(terms, fit_profile(numbers, truth, weights), offset, 0.0, 0.0)


def apply_to(combination: Combination, table: Table, chosen: NDArray[np.bool_]) -> Values:
    """Return the scores of the chosen clips; NaN where every cue abstained."""
    result = []
    for row in np.flatnonzero(chosen):
        known = {name: float(values[row]) for name, values in table.numbers.items() if math.isfinite(values[row])}
        score = combination.score(known)
        result.append(math.nan if score is None else score)
    return np.array(result)


def rescored(table: Table, seen: NDArray[np.bool_]) -> Values:
    """Score every clip by a combination that was not fitted on its group, nor on any clip that is not `seen`.

    Clips that are seen are scored by combinations of the others' folds, the rest by one of all that are seen
    [shape=(n,)]; NaN where every cue abstained.
    """
    cues, folds = list(COMBINED_CUES), group_folds(table.groups)
    scores = np.full(len(folds), np.nan)
    for fold in range(GROUP_FOLDS):
        inside = (folds == fold) & seen
        scores[inside] = apply_to(fit_on(table, cues, seen & ~inside), table, inside)
    if not seen.all():
        scores[~seen] = apply_to(fit_on(table, cues, seen), table, ~seen)
    return scores
