"""What was measured of labelled clips -> the labelled scores that a calibration is made from.

Sync: the windows of `crossing`, with their own sound and with others', and whole clips whose sound is labelled
``apart``. Resynthesis: synthesised clips as they came, and authentic ones at the rungs that match them, with the weight
of the synthesised clips matched to each. Where the weights of the cues were fitted on groups of these very clips, the
scores of the bundle are scores of acquaintances; so they are made anew, each without the clip's group (`rescore`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lipaccord.bundle import Bundle
from lipaccord.calibration import CONDITIONS, Values, scaled
from lipaccord.cue_table import left_out_of, rescored, table_from
from lipaccord.fitting import Mask, Rescore, Sample
from lipaccord.manifest import group_key
from lipaccord.matching import ORIGINAL
from lipaccord.records import FindingName
from lipaccord.survey import Survey
from lipaccord.tables import cells_of, texts

Place = tuple[str, int]
"""``examined`` or ``crossed``, and the place there."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sample and where it comes from.

    Attributes
    ----------
    sample : Sample
    places : tuple of Place
        Of every score in the survey.
    population : dict
        Who it is; JSON values.
    rescore : callable or None
        See `fitting.calibrate`.
    """

    sample: Sample
    places: tuple[Place, ...]
    population: dict[str, Any]
    rescore: Rescore | None = None


def _population(sample: Sample, clips: Sequence[str], methods: Sequence[str]) -> dict[str, Any]:
    """Count who a sample is; groups are named by their keys alone."""
    result: dict[str, Any] = {}
    for name, label in (("suspicious", 1), ("innocent", 0)):
        own = {clip for clip, truth in zip(clips, sample.truth, strict=True) if truth == label}
        result |= {f"{name}_clips": len(own), f"{name}_groups": len(sample.groups_of(label))}
        result[f"{name}_scores"] = int((sample.truth == label).sum())
    result["methods"] = dict(sorted(Counter(method for method in methods if method).items()))
    result["groups"] = sorted({group_key(group) for group in sample.groups.tolist()})
    return result


def _usable(score: float | None, conditions: dict[str, float], name: FindingName) -> bool:
    return score is not None and all(condition in conditions for condition in CONDITIONS[name])


def sync_sample(survey: Survey) -> Labelled | None:
    """Gather the labelled scores of the finding sync; None where there is none."""
    rows: list[tuple[Place, str, str, str, float, float, dict[str, float]]] = []
    for place, crossed in enumerate(survey.crossed):
        row = crossed.row
        if _usable(row["score"], row["conditions"], "sync"):
            method = "another clip's sound" if row["truth"] else ""
            clip = crossed.clip
            rows.append(
                (("crossed", place), clip.name, clip.group, method, row["truth"], row["score"], row["conditions"])
            )
    for place, one in enumerate(survey.examined):
        finding = one.findings.get("sync")
        conditions = {} if finding is None else finding.details.get("conditions", {})
        if one.clip.sound == "apart" and one.job.rung == ORIGINAL and _usable(one.score("sync"), conditions, "sync"):
            score = one.score("sync") or 0.0
            method = one.clip.method or "labelled apart"
            rows.append((("examined", place), one.clip.name, one.clip.group, method, 1.0, score, conditions))
    if not rows:
        return None
    places, clips, groups, methods, truth, scores, conditions_of = zip(*rows, strict=True)
    named = {name: np.array([one[name] for one in conditions_of]) for name in CONDITIONS["sync"]}
    sample = Sample(np.array(scores), np.array(truth, float), np.array(groups), scaled(named), np.ones(len(rows)))
    return Labelled(sample, places, _population(sample, clips, methods))


def resynthesis_sample(survey: Survey, bundle: Bundle) -> Labelled | None:
    """Gather the labelled scores of the finding resynthesis; None where there is none."""
    names = CONDITIONS["resynthesis"]
    usable = [
        place
        for place, one in enumerate(survey.examined)
        if one.clip.mouth != "unknown"
        and (one.clip.mouth == "camera" or one.job.rung == ORIGINAL)
        and "resynthesis" in one.findings
        and _usable(one.score("resynthesis"), one.findings["resynthesis"].details.get("conditions", {}), "resynthesis")
    ]
    rows = [texts(cells_of(survey.examined[place])) for place in usable]
    if not rows:
        return None
    scored = {row["method"] for row in rows if row["mouth"] == "synthesised"}
    matched = {method: rung for method, rung in survey.rungs.items() if method in scored}
    table = table_from(rows, matched, left_out_of(bundle), names)
    if not len(table.truth):
        return None
    taken = [usable[place] for place in table.places]
    everyone = np.ones(len(taken), bool)
    scores: Values = np.array([survey.examined[place].score("resynthesis") for place in taken], np.float64)
    groups = np.array(table.groups)
    sample = Sample(scores, table.truth, groups, scaled(table.conditions), table.weights(everyone))
    clips = [survey.examined[place].clip.name for place in taken]
    acquainted = {group_key(group) for group in table.groups} & set(bundle.resynthesis.get("groups", []))

    def anew(seen: Mask) -> Values:
        return rescored(table, seen)

    return Labelled(
        sample,
        tuple(("examined", place) for place in taken),
        _population(sample, clips, table.methods),
        anew if acquainted else None,
    )
