"""Scored clips -> the figures of an evaluation, each with the forehead-only control beside it.

Conventions: scores are larger = more suspicious, None where a cue abstains; an abstention is counted and enters no
figure. A method is compared with authentic clips at the rung that matches it. Over all methods, authentic clips enter
at each rung with the weight of the synthesised clips matched to that rung, so that both classes have the same mixture
of encodes. Intervals are 95%, by drawing groups. The control is measured on the same clips as the figure beside it: at
0.5 the encodes give nothing away; what lies far from it may be the encoder's doing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lipaccord.metrics import Metric, auc, eer, group_interval, tpr_at_fpr

METRICS: dict[str, Metric] = {"auc": auc, "eer": eer, "tpr_at_5_fpr": tpr_at_fpr}
FOREHEAD = "forehead"
ALL = "all"


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """One clip at one rung.

    Attributes
    ----------
    path, rung, method, group, mouth, sound : str
        What it is; the labels are those of the manifest.
    forehead : float or None
        Fine detail of the forehead; None where it could not be measured.
    scores : dict of str to float or None
        By finding and cue; None for an abstention.
    """

    path: str
    rung: str
    method: str
    group: str
    mouth: str
    sound: str
    forehead: float | None
    scores: dict[str, float | None]

    def score(self, name: str) -> float | None:
        """Return a score by its name; `FOREHEAD` is the control: larger = softer."""
        if name == FOREHEAD:
            return None if self.forehead is None else -self.forehead
        return self.scores.get(name)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two classes of clips; the negatives with their weights."""

    positives: tuple[ScoredClip, ...]
    negatives: tuple[ScoredClip, ...]
    weights: tuple[float, ...]

    def scored(self, name: str) -> Comparison:
        """Return what has a score of that name."""
        kept = [
            (clip, weight)
            for clip, weight in zip(self.negatives, self.weights, strict=True)
            if clip.score(name) is not None and weight > 0
        ]
        return Comparison(
            tuple(clip for clip in self.positives if clip.score(name) is not None),
            tuple(clip for clip, _ in kept),
            tuple(weight for _, weight in kept),
        )


def _values(clips: Sequence[ScoredClip], name: str) -> list[float]:
    return [score for clip in clips if (score := clip.score(name)) is not None]


def _measured(compared: Comparison, name: str, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """Return every metric and its interval; None where a class is empty."""
    result: dict[str, Any] = {}
    positives, negatives = _values(compared.positives, name), _values(compared.negatives, name)
    for key, metric in metrics.items():
        if not positives or not negatives:
            result |= {key: None, f"{key}_interval": None}
            continue
        result[key] = metric(positives, negatives, negative_weights=compared.weights)
        interval = group_interval(
            metric,
            positives,
            negatives,
            [clip.group for clip in compared.positives],
            [clip.group for clip in compared.negatives],
            negative_weights=compared.weights,
        )
        result[f"{key}_interval"] = None if interval is None else list(interval)
    return result


def figure(comparison: Comparison, name: str) -> dict[str, Any]:
    """Judge one score on one comparison.

    Returns
    -------
    dict
        ``auc``, ``eer``, ``tpr_at_5_fpr`` and their intervals; ``control_auc``; how many different clips and groups of
        each class were scored, and how many clips were not.
    """
    scored = comparison.scored(name)
    counts: dict[str, Any] = {}
    for key, judged, clips in (
        ("positives", scored.positives, comparison.positives),
        ("negatives", scored.negatives, comparison.negatives),
    ):
        told = {clip.path for clip in judged}
        counts[key] = len(told)
        counts[f"{key}_groups"] = len({clip.group for clip in judged})
        counts[f"{key}_abstained"] = len({clip.path for clip in clips} - told)
    control = _measured(scored.scored(FOREHEAD), FOREHEAD, {"control_auc": auc})
    return _measured(scored, name, METRICS) | control | counts


def comparisons(clips: Sequence[ScoredClip], rungs: Mapping[str, str], original: str) -> dict[str, Comparison]:
    """Put together what is to be compared: every method by its name, and `ALL`.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Synthesised clips as they came, authentic ones at every rung that was taken.
    rungs : dict of str to str
        Rung by method.
    original : str
        The rung of clips as they came.
    """
    fakes = [c for c in clips if c.mouth == "synthesised" and c.rung == original and c.method in rungs]
    authentic = [clip for clip in clips if clip.mouth == "camera"]
    matched = Counter(rungs[clip.method] for clip in fakes)
    result = {}
    for method in sorted({clip.method for clip in fakes}):
        beside = tuple(clip for clip in authentic if clip.rung == rungs[method])
        own = tuple(clip for clip in fakes if clip.method == method)
        result[method] = Comparison(own, beside, (1.0,) * len(beside))
    weights = tuple(float(matched[clip.rung]) for clip in authentic)
    result[ALL] = Comparison(tuple(fakes), tuple(authentic), weights)
    return result


def resynthesis_figures(
    clips: Sequence[ScoredClip], names: Sequence[str], rungs: Mapping[str, str], original: str
) -> dict[str, Any]:
    """Judge every score that bears on the mouth: ``{score: {"all": figure, "methods": {method: figure}}}``."""
    compared = comparisons(clips, rungs, original)
    result = {}
    for name in names:
        judged = {method: figure(comparison, name) for method, comparison in compared.items()}
        result[name] = {ALL: judged.pop(ALL), "methods": judged}
    return result


def sync_figures(clips: Sequence[ScoredClip], original: str) -> dict[str, Any] | None:
    """Judge the finding sync on sound recorded apart against together; None where the manifest lacks a class."""
    heard = [clip for clip in clips if clip.rung == original]
    apart = tuple(clip for clip in heard if clip.sound == "apart")
    together = tuple(clip for clip in heard if clip.sound == "together")
    if not apart or not together:
        return None
    return figure(Comparison(apart, together, (1.0,) * len(together)), "sync")
