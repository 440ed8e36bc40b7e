"""A labelled manifest -> how well every score and every likelihood ratio does, with the control beside it.

A folder then holds:

- ``evaluation.json``: the figures, the rungs chosen, what was left out (schema ``lipaccord/evaluation/1``);
- ``validation.md`` and ``plots``: the same for people (`report.validation`);
- ``clips.csv``: one row for every clip and rung, with every score and every number that its cue gives beside it, an
  empty cell where a cue abstains: the table that a combination is fitted on;
- ``windows.csv``: one row for every window and sound of `crossing`;
- ``results``, ``tracks``, ``encodes``: what was kept of each clip; running again goes on from there.

Conventions: see `figures`. Clips whose label is ``unknown`` are examined and listed, and enter no figure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import lipaccord
from lipaccord.bundle import Bundle, load_bundle
from lipaccord.errors import CalibrationError
from lipaccord.figures import ALL, ScoredClip, brief_figure, comparisons, figure, finding_figure, plain_comparison
from lipaccord.files import write_text
from lipaccord.fitting import calibrate
from lipaccord.manifest import group_key
from lipaccord.matching import ORIGINAL
from lipaccord.records import Finding, FindingName
from lipaccord.report.validation import Ratios, write_validation
from lipaccord.samples import Labelled, Place, resynthesis_sample, sync_sample
from lipaccord.settings import Settings
from lipaccord.survey import Crossed, Examined, Progress, Survey, Treated, survey
from lipaccord.tables import clips_table, windows_table
from lipaccord.treatments import treatment_named

SCHEMA = "lipaccord/evaluation/1"
SIGNIFICANT_DIGITS = 7

Crossfit = dict[Place, float]


def rounded(value: Any) -> Any:
    """Round every number of JSON values to what carries meaning."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {name: rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _cross_calibrated(labelled: Labelled | None, name: FindingName) -> tuple[Crossfit, str | None]:
    """Judge every score by a calibration that has seen nothing of its group; say why where it can't be done."""
    if labelled is None:
        return {}, "no clip of either class was scored"
    try:
        _, ratios = calibrate(labelled.sample, name, labelled.population, labelled.rescore)
    except CalibrationError as error:
        return {}, str(error)
    return dict(zip(labelled.places, map(float, ratios), strict=True)), None


def _known(bundle: Bundle, name: FindingName, group: str) -> bool:
    calibration = bundle.calibration["findings"].get(name)
    return calibration is not None and group_key(group) in calibration["population"]["groups"]


def _weights_known(found: Survey, bundle: Bundle) -> float:
    """Return the share of clips of groups that the weights of the bundle's cues were fitted on."""
    fitted_on = set(bundle.resynthesis.get("groups", ()))
    labelled = [one for one in found.examined if one.job.rung == ORIGINAL and one.clip.mouth != "unknown"]
    known = sum(group_key(one.clip.group) in fitted_on for one in labelled)
    return known / len(labelled) if labelled else 0.0


def _ratios(finding: Finding | None) -> dict[str, float]:
    return {} if finding is None or finding.log10_lr is None else {finding.name: finding.log10_lr}


def _scored(one: Examined, place: int, name: FindingName, bundle: Bundle, crossfit: Crossfit) -> ScoredClip:
    clip, finding = one.clip, one.findings.get(name)
    suspicious = clip.mouth == "synthesised" if name == "resynthesis" else clip.sound == "apart"
    key: Place = ("examined", place)
    return ScoredClip(
        path=clip.name,
        rung=one.job.rung,
        method=clip.method,
        group=clip.group,
        suspicious=suspicious,
        forehead=one.forehead,
        scores=one.scores(),
        status={} if finding is None else {name: finding.status},
        log10_lrs=_ratios(finding),
        cross_calibrated={name: crossfit[key]} if key in crossfit else {},
        known=_known(bundle, name, clip.group),
    )


def _window(one: Crossed, place: int, bundle: Bundle, crossfit: Crossfit) -> ScoredClip:
    key: Place = ("crossed", place)
    row = one.row
    return ScoredClip(
        path=f"{one.clip.name} from {row['start_s']:g} s with {one.sound.name} from {row['sound_start_s']:g} s",
        rung=ORIGINAL,
        method="another clip's sound" if row["truth"] else "",
        group=one.clip.group,
        suspicious=bool(row["truth"]),
        forehead=None,
        scores={"sync": row["score"]},
        status={"sync": "not_examinable" if one.finding is None else one.finding.status},
        log10_lrs=_ratios(one.finding),
        cross_calibrated={"sync": crossfit[key]} if key in crossfit else {},
        known=_known(bundle, "sync", one.clip.group),
    )


def _sync_figures(found: Survey, bundle: Bundle, crossfit: Crossfit) -> tuple[dict[str, Any], list[ScoredClip]]:
    """Judge the finding sync: windows by length, and whole clips by their labels."""
    windows = [_window(one, place, bundle, crossfit) for place, one in enumerate(found.crossed)]
    lengths = sorted({one.row["length_s"] for one in found.crossed})
    by_length = {
        f"{length:g}": finding_figure(
            plain_comparison(
                [w for w, one in zip(windows, found.crossed, strict=True) if one.row["length_s"] == length]
            ),
            "sync",
        )
        for length in lengths
    }
    heard = [
        _scored(one, place, "sync", bundle, crossfit)
        for place, one in enumerate(found.examined)
        if one.job.rung == ORIGINAL and one.clip.sound in {"apart", "together"}
    ]
    return {"windows": by_length, "clips": finding_figure(plain_comparison(heard), "sync")}, windows


def _resynthesis_figures(found: Survey, bundle: Bundle, crossfit: Crossfit) -> tuple[dict[str, Any], list[ScoredClip]]:
    """Judge the finding resynthesis and every cue by itself: by method, and over all."""
    clips = [
        _scored(one, place, "resynthesis", bundle, crossfit)
        for place, one in enumerate(found.examined)
        if one.clip.mouth != "unknown"
    ]
    compared = comparisons(clips, found.rungs, ORIGINAL)
    judged = {method: finding_figure(comparison, "resynthesis") for method, comparison in compared.items()}
    cues = sorted({name for clip in clips for name in clip.scores} - {"resynthesis", "sync"})
    alone = {
        name: {
            ALL: figure(compared[ALL], name),
            "methods": {m: figure(comparison, name) for m, comparison in compared.items() if m != ALL},
        }
        for name in cues
    }
    return {"resynthesis": {ALL: judged.pop(ALL), "methods": judged}, "cues": alone}, clips


def _ratios_of(labelled: Labelled | None, crossfit: Crossfit) -> Ratios | None:
    """Put the cross-calibrated ratios of both classes together for the plots, every group counting once."""
    if labelled is None or not crossfit:
        return None
    sample = labelled.sample
    high, low = sample.split(np.array([crossfit[place] for place in labelled.places]))
    heavy, light = sample.split(sample.equal)
    return Ratios(high, low, heavy, light)


def _swept(found: Survey, bundle: Bundle) -> dict[str, Any] | None:
    """Judge both findings after each treatment, and before any, on the same clips; None where none was asked for."""
    if not found.treated:
        return None
    plain = tuple(one for one in found.examined if one.job.rung == ORIGINAL)
    result = {}
    for name, some in {ORIGINAL: Treated(plain, found.crossed), **found.treated}.items():
        mouths = [
            _scored(one, place, "resynthesis", bundle, {})
            for place, one in enumerate(some.examined)
            if one.clip.mouth != "unknown"
        ]
        windows = [_window(one, place, bundle, {}) for place, one in enumerate(some.crossed)]
        treatment = None if name == ORIGINAL else treatment_named(name)
        result[name] = {
            "family": ORIGINAL if treatment is None else treatment.family,
            "severity": 0 if treatment is None else treatment.severity,
            "meaning": "the clips as they came" if treatment is None else treatment.meaning,
            "resynthesis": brief_figure(plain_comparison(mouths), "resynthesis"),
            "sync": brief_figure(plain_comparison(windows), "sync"),
        }
    return result


def evaluate(
    manifest: Path,
    out: Path,
    *,
    match_encodes: bool = False,
    treatments: Sequence[str] = (),
    processes: int | None = None,
    bundle: Path | None = None,
    limit: int | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Examine every clip of a labelled manifest and judge every score.

    Parameters
    ----------
    manifest, out, match_encodes, treatments, processes, limit, settings, progress
        As for `survey.survey`.
    bundle : Path, optional
        Folder of a bundle; by default the one that is shipped.

    Returns
    -------
    dict
        The content of ``evaluation.json``; ``left_out`` says what was not examined, one line each.

    Raises
    ------
    ManifestError, BundleError, EvaluationError
        As their names say.
    OSError
        `out` can't be written.
    """
    chosen, loaded = settings or Settings(), load_bundle(bundle)
    found = survey(
        manifest,
        out,
        loaded,
        match_encodes=match_encodes,
        treatments=treatments,
        processes=processes,
        bundle_path=bundle,
        limit=limit,
        settings=chosen,
        progress=progress,
    )
    heard, painted = sync_sample(found), resynthesis_sample(found, loaded)
    sync_fit, no_sync = _cross_calibrated(heard, "sync")
    mouth_fit, no_mouth = _cross_calibrated(painted, "resynthesis")
    sync, _ = _sync_figures(found, loaded, sync_fit)
    mouth, _ = _resynthesis_figures(found, loaded, mouth_fit)
    result: dict[str, Any] = rounded(
        {
            "schema": SCHEMA,
            "lipaccord": lipaccord.__version__,
            "bundle": {"name": loaded.name, "version": loaded.version, "sha256": loaded.sha256},
            "settings_digest": chosen.digest,
            "part_s": [chosen.start_s, chosen.end_s],
            "match_encodes": match_encodes,
            "clips": found.clips,
            "left_out": list(found.left_out),
            "not_cross_calibrated": {"sync": no_sync, "resynthesis": no_mouth},
            "weights_known": _weights_known(found, loaded),
            "rungs": found.rungs,
            "choices": None
            if found.choices is None
            else {m: {"reference": c.reference, "control_auc": c.controls} for m, c in found.choices.items()},
            **mouth,
            "sync": sync,
            "robustness": _swept(found, loaded),
        }
    )
    write_text(out / "clips.csv", clips_table(found.examined))
    write_text(out / "windows.csv", windows_table(found.crossed))
    write_text(out / "evaluation.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    ratios: dict[FindingName, Ratios | None] = {
        "sync": _ratios_of(heard, sync_fit),
        "resynthesis": _ratios_of(painted, mouth_fit),
    }
    write_validation(out, result, ratios)
    return result
