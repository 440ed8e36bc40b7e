"""Scored clips -> the figures of an evaluation, each with the forehead-only control beside it.

Conventions: scores are larger = more suspicious, None where a cue abstains; an abstention is counted and enters no
figure. A method is compared with authentic clips at the rung that matches it. Over all methods, authentic clips enter
at each rung with the weight of the synthesised clips matched to that rung, so that both classes have the same mixture
of encodes. Intervals are 95%, by drawing groups. The control is measured on the same clips as the figure beside it: at
0.5 the encodes give nothing away; what lies far from it may be the encoder's doing.

Likelihood ratios are judged twice: as the bundle in use gives them, with the share of clips whose groups its
calibration has seen, and **cross-calibrated**: made anew from the scores of these very clips, each by a calibration
that has seen nothing of its group. The second says how well scores of this kind can be calibrated, the first how well
this bundle is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lipaccord.metrics import Metric, auc, cllr, cllr_min, eer, group_interval, tpr_at_fpr

METRICS: dict[str, Metric] = {
    "auc": auc,
    "eer": eer,
    "tpr_at_5_fpr": tpr_at_fpr,
    "tpr_at_1_fpr": partial(tpr_at_fpr, fpr=0.01),
    "tpr_at_0.1_fpr": partial(tpr_at_fpr, fpr=0.001),
}
LR_METRICS: dict[str, Metric] = {"cllr": cllr, "cllr_min": cllr_min, "auc": auc, "eer": eer}
FOREHEAD = "forehead"
ALL = "all"


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """One clip at one rung, or one window with one sound.

    Attributes
    ----------
    path, rung, method, group : str
        What it is; the labels are those of the manifest.
    suspicious : bool
        Its class.
    forehead : float or None
        Fine detail of the forehead; None where it could not be measured.
    scores : dict of str to float or None
        By finding and cue; None for an abstention.
    status : dict of str to str
        By finding.
    log10_lrs, cross_calibrated : dict of str to float
        By finding: as the bundle gives it, and as the module says; missing where there is none.
    known : bool
        The group is one that the calibration of the bundle has seen.
    """

    path: str
    rung: str
    method: str
    group: str
    suspicious: bool
    forehead: float | None
    scores: dict[str, float | None]
    status: dict[str, str] = field(default_factory=dict)
    log10_lrs: dict[str, float] = field(default_factory=dict)
    cross_calibrated: dict[str, float] = field(default_factory=dict)
    known: bool = False

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

    def with_values(self, values: Mapping[int, float]) -> tuple[Comparison, list[float], list[float]]:
        """Return what has a value, by the clip's identity, and the values of both classes."""
        kept = [
            (clip, weight)
            for clip, weight in zip(self.negatives, self.weights, strict=True)
            if id(clip) in values and weight > 0
        ]
        positives = tuple(clip for clip in self.positives if id(clip) in values)
        scored = Comparison(positives, tuple(clip for clip, _ in kept), tuple(weight for _, weight in kept))
        return scored, [values[id(clip)] for clip in positives], [values[id(clip)] for clip in scored.negatives]

    @property
    def clips(self) -> tuple[ScoredClip, ...]:
        """Both classes."""
        return self.positives + self.negatives


def _scores(comparison: Comparison, name: str) -> dict[int, float]:
    return {id(clip): score for clip in comparison.clips if (score := clip.score(name)) is not None}


def _measured(
    comparison: Comparison, values: Mapping[int, float], metrics: Mapping[str, Metric]
) -> tuple[dict[str, Any], Comparison]:
    """Return every metric and its interval, None where a class is empty; and what had a value."""
    scored, positives, negatives = comparison.with_values(values)
    result: dict[str, Any] = {}
    for key, metric in metrics.items():
        if not positives or not negatives:
            result |= {key: None, f"{key}_interval": None}
            continue
        result[key] = metric(positives, negatives, negative_weights=scored.weights)
        interval = group_interval(
            metric,
            positives,
            negatives,
            [clip.group for clip in scored.positives],
            [clip.group for clip in scored.negatives],
            negative_weights=scored.weights,
        )
        result[f"{key}_interval"] = None if interval is None else list(interval)
    return result, scored


def figure(comparison: Comparison, name: str) -> dict[str, Any]:
    """Judge one score on one comparison.

    Returns
    -------
    dict
        Every metric of `METRICS` with its interval; ``control_auc``; how many different clips and groups of each class
        were scored, and how many clips were not.
    """
    measured, scored = _measured(comparison, _scores(comparison, name), METRICS)
    counts: dict[str, Any] = {}
    for key, judged, clips in (
        ("positives", scored.positives, comparison.positives),
        ("negatives", scored.negatives, comparison.negatives),
    ):
        told = {clip.path for clip in judged}
        counts[key] = len(told)
        counts[f"{key}_groups"] = len({clip.group for clip in judged})
        counts[f"{key}_abstained"] = len({clip.path for clip in clips} - told)
    control, _ = _measured(scored, _scores(scored, FOREHEAD), {"control_auc": auc})
    return measured | control | counts


def ratio_figure(comparison: Comparison, name: str, *, crossed: bool) -> dict[str, Any]:
    """Judge the likelihood ratios of one finding on one comparison.

    Returns
    -------
    dict
        ``cllr``, ``cllr_min``, ``auc`` and ``eer`` with their intervals, ``cllr_cal`` (the first less the second), the
        weighted shares of misleading ratios, ``suspicious_below_1`` and ``innocent_above_1``, and ``known``, the share
        of clips of groups that the bundle's calibration has seen.
    """
    lrs = {
        id(clip): found[name]
        for clip in comparison.clips
        if name in (found := clip.cross_calibrated if crossed else clip.log10_lrs)
    }
    result, scored = _measured(comparison, lrs, LR_METRICS)
    cost, least = result["cllr"], result["cllr_min"]
    result["cllr_cal"] = None if cost is None else cost - least
    below = [lrs[id(clip)] < 0 for clip in scored.positives]
    above = [w * (lrs[id(clip)] > 0) for clip, w in zip(scored.negatives, scored.weights, strict=True)]
    result["suspicious_below_1"] = sum(below) / len(below) if below else None
    result["innocent_above_1"] = sum(above) / sum(scored.weights) if above else None
    if not crossed:
        known = [clip.known for clip in scored.clips]
        result["known"] = sum(known) / len(known) if known else None
    return result


def finding_figure(comparison: Comparison, name: str) -> dict[str, Any]:
    """Judge a finding: its score, its likelihood ratios twice, and how often each status was given, by class."""
    return figure(comparison, name) | {
        "bundle_lr": ratio_figure(comparison, name, crossed=False),
        "cross_calibrated_lr": ratio_figure(comparison, name, crossed=True),
        "statuses": _statuses(comparison, name),
    }


def brief_figure(comparison: Comparison, name: str) -> dict[str, Any]:
    """Judge a finding in a few numbers: what a sweep over many treatments is compared by.

    Returns
    -------
    dict
        ``auc`` and ``eer`` of the score, ``cllr`` of the bundle's ratios, ``highest_innocent``, the largest log10 ratio
        of the other class, ``statuses`` by class, and how many of each class were scored.
    """
    scored, positives, negatives = comparison.with_values(_scores(comparison, name))
    result: dict[str, Any] = {"positives": len(positives), "negatives": len(negatives), "auc": None, "eer": None}
    if positives and negatives:
        result |= {key: METRICS[key](positives, negatives, negative_weights=scored.weights) for key in ("auc", "eer")}
    lrs = {id(clip): clip.log10_lrs[name] for clip in comparison.clips if name in clip.log10_lrs}
    judged, high, low = comparison.with_values(lrs)
    result["cllr"] = cllr(high, low, negative_weights=judged.weights) if high and low else None
    result["highest_innocent"] = max(low) if low else None
    return result | {"statuses": _statuses(comparison, name)}


def _statuses(comparison: Comparison, name: str) -> dict[str, dict[str, int]]:
    """Count how often each status was given, by class."""
    return {
        key: dict(sorted(Counter(clip.status[name] for clip in clips if name in clip.status).items()))
        for key, clips in (("suspicious", comparison.positives), ("innocent", comparison.negatives))
    }


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
    fakes = [clip for clip in clips if clip.suspicious and clip.rung == original and clip.method in rungs]
    authentic = [clip for clip in clips if not clip.suspicious]
    matched = Counter(rungs[clip.method] for clip in fakes)
    result = {}
    for method in sorted({clip.method for clip in fakes}):
        beside = tuple(clip for clip in authentic if clip.rung == rungs[method])
        own = tuple(clip for clip in fakes if clip.method == method)
        result[method] = Comparison(own, beside, (1.0,) * len(beside))
    weights = tuple(float(matched[clip.rung]) for clip in authentic)
    result[ALL] = Comparison(tuple(fakes), tuple(authentic), weights)
    return result


def plain_comparison(clips: Sequence[ScoredClip]) -> Comparison:
    """Compare the two classes as they are, every clip counting once."""
    innocent = tuple(clip for clip in clips if not clip.suspicious)
    return Comparison(tuple(clip for clip in clips if clip.suspicious), innocent, (1.0,) * len(innocent))
