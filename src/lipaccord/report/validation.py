"""The figures of an evaluation as a page for people, ``validation.md``, with its plots beside it.

Everything on the page is written from ``evaluation.json`` and the ratios behind it; nothing is typed by hand. Names
come from the manifest: they are shown as code, on one line, so that they can't become markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipaccord.files import write_text
from lipaccord.findings import FLAGGED
from lipaccord.metrics import Values
from lipaccord.propositions import PROPOSITIONS
from lipaccord.records import FindingName
from lipaccord.report import plots
from lipaccord.report.wording import plain

PAGE, FOLDER = "validation.md", "plots"
PLOTS = {"tippett": plots.tippett, "ece": plots.ece, "reliability": plots.reliability, "det": plots.det}
CLASSES: dict[FindingName, tuple[str, str]] = {
    "sync": ("apart", "together"),
    "resynthesis": ("synthesised", "camera original"),
}
TITLES = {"tippett": "Tippett plot", "ece": "cross-entropy", "reliability": "reliability", "det": "error trade-off"}
ALT = {
    "tippett": "Tippett plot: share of each class with a greater likelihood ratio",
    "ece": "Empirical cross-entropy by prior odds",
    "reliability": "Likelihood ratios as given against recalibrated ones",
    "det": "Misses against false alarms",
}

HOW_TO_READ = (
    "Intervals are 95%, by drawing groups (people or source videos). Scores are larger = more suspicious. Cllr is the "
    "cost of the likelihood ratios in bits: 0 is perfect, 1 is what ratios of 1 throughout cost; Cllr_min is what a "
    "perfect recalibration would leave, Cllr_cal the difference. *Cross-calibrated* ratios are made anew from these "
    "clips, each by a calibration that has seen nothing of its group."
)
UNMATCHED = (
    "Encodes were NOT matched: synthesised clips were encoded once more than authentic ones, and part of every figure "
    "may be the encoder's."
)
KNOWN = (
    "The weights of this bundle's cues were fitted on {share:.0%} of these clips, which flatters the figures of its "
    "score and of its ratios; cross-calibrated ratios are made with weights that have not seen the clip's group."
)
SWEEP = (
    "The same clips after each treatment, all classes treated alike. Clips as they came are not matched in their "
    "encodes: compare a row with the first. Scored: suspicious / other. Highest: the largest log10 LR of a clip "
    "that is not altered. False alarms: clips that are not altered and got a status that says otherwise. Ratios are "
    "those of the bundle."
)
_SWEPT = ("scored", "AUC", "EER", "Cllr", "highest", "false alarms")
_FIGURES = ("score", "suspicious / other", "AUC", "EER", "TPR at 5%", "1%", "0.1% FPR", "control")
_RATIOS = (
    "likelihood ratios",
    "Cllr",
    "Cllr_min",
    "Cllr_cal",
    "AUC",
    "suspicious with LR < 1",
    "others with LR > 1",
)


@dataclass(frozen=True, slots=True)
class Ratios:
    """log10 likelihood ratios of both classes, cross-calibrated, with how often each counts."""

    suspicious: Values
    innocent: Values
    suspicious_weights: Values
    innocent_weights: Values


def _code(name: str) -> str:
    return f"`{plain(name).replace('`', chr(0x2019)).replace('|', '/')}`"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _with_interval(figures: Mapping[str, Any], name: str, digits: int = 3) -> str:
    interval = figures.get(f"{name}_interval")
    spread = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    return _number(figures[name], digits) + spread


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _figure_row(name: str, figures: Mapping[str, Any]) -> list[str]:
    scored = f"{figures['positives']} / {figures['negatives']}"
    groups = f" of {figures['positives_groups']} / {figures['negatives_groups']} groups"
    tprs = [_number(figures[f"tpr_at_{rate}_fpr"], 2) for rate in ("5", "1", "0.1")]
    control = _number(figures["control_auc"], 2)
    return [name, scored + groups, _with_interval(figures, "auc"), _with_interval(figures, "eer"), *tprs, control]


def _ratio_row(name: str, figures: Mapping[str, Any]) -> list[str]:
    shares = [_percent(figures[key]) for key in ("suspicious_below_1", "innocent_above_1")]
    costs = [_with_interval(figures, key) for key in ("cllr", "cllr_min")]
    return [name, *costs, _number(figures["cllr_cal"]), _with_interval(figures, "auc"), *shares]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _ratio_rows(name: str, figures: Mapping[str, Any]) -> list[list[str]]:
    known = figures["bundle_lr"]["known"]
    seen = "" if not known else f" ({known:.0%} of them of groups that its calibration has seen)"
    rows = []
    if figures["cross_calibrated_lr"]["cllr"] is not None:
        rows.append(_ratio_row(f"{name}, cross-calibrated", figures["cross_calibrated_lr"]))
    if figures["bundle_lr"]["cllr"] is not None:
        rows.append(_ratio_row(f"{name}, as the bundle gives them{seen}", figures["bundle_lr"]))
    return rows


def _statuses(rows: Mapping[str, Mapping[str, Any]], names: tuple[str, str]) -> str:
    """Say how often each status was given, by class."""
    shown: list[list[str]] = []
    for title, figures in rows.items():
        for key, name in zip(("suspicious", "innocent"), names, strict=True):
            counted = figures["statuses"][key]
            total = sum(counted.values())
            told = ", ".join(f"{status} {count} ({count / total:.1%})" for status, count in counted.items())
            if total:
                shown.append([title, name, str(total), told])
    return _table(("", "class", "examined", "statuses"), shown)


def _pictures(name: FindingName, ratios: Ratios | None, out: Path) -> str:
    """Draw the plots of one finding beside the page; return where they stand in it."""
    if ratios is None:
        return "There were too few people or clips to draw plots."
    (out / FOLDER).mkdir(exist_ok=True)
    shown = []
    for kind, draw in PLOTS.items():
        drawn = draw(
            ratios.suspicious,
            ratios.innocent,
            positive_weights=ratios.suspicious_weights,
            negative_weights=ratios.innocent_weights,
            names=CLASSES[name],
            title=f"{name.capitalize()}: {TITLES[kind]}",
        )
        plots.write_svg(out / FOLDER / f"{name}-{kind}.svg", drawn)
        shown.append(f"![{ALT[kind]}]({FOLDER}/{name}-{kind}.svg)")
    return "\n\n".join(shown)


def _section(name: FindingName, text: str, pictures: str) -> str:
    pair = PROPOSITIONS[name]
    return (
        f"## {name.capitalize()}\n\nLikelihood ratios compare *{pair.suspicious}* with *{pair.innocent}*.\n\n{text}\n\n"
        f"### Plots\n\nOf the cross-calibrated ratios, every group counting once in each class.\n\n{pictures}\n"
    )


def _sync(figures: Mapping[str, Any]) -> str:
    windows = {f"windows of {length} s": one for length, one in figures["windows"].items()}
    both = windows | {"whole clips by their labels": figures["clips"]}
    scored = {title: one for title, one in both.items() if one["positives"] or one["negatives"]}
    return "\n\n".join(
        (
            "Every window of a clip recorded together is judged with its own sound and with the sounds of windows of "
            "other people. Whole clips stand beside them where the manifest labels some as apart.",
            _table(_FIGURES, [_figure_row(title, one) for title, one in scored.items()]),
            _table(_RATIOS, [row for title, one in scored.items() for row in _ratio_rows(title, one)]),
            _statuses(scored, CLASSES["sync"]),
        )
    )


def _resynthesis(result: Mapping[str, Any]) -> str:
    score, rungs = result["resynthesis"], result["rungs"]
    rows = {"all methods": score["all"]} | {
        f"{_code(method)}, {rungs[method]}": one for method, one in score["methods"].items()
    }
    alone = {_code(name): figures["all"] for name, figures in result["cues"].items()}
    encodes = UNMATCHED
    if result["match_encodes"]:
        encodes = "Authentic clips went through the encode that is matched to each method, named beside it."
    if result["weights_known"]:
        encodes += f" {KNOWN.format(share=result['weights_known'])}"
    return "\n\n".join(
        (
            f"{encodes} The control tells the classes apart by the untouched forehead alone and should lie near 0.50.",
            _table(_FIGURES, [_figure_row(title, one) for title, one in rows.items()]),
            _table(_RATIOS, [row for title, one in rows.items() for row in _ratio_rows(title, one)]),
            _statuses({"all methods": score["all"]}, CLASSES["resynthesis"]),
            "Each cue by itself, all methods:",
            _table(_FIGURES, [_figure_row(title, one) for title, one in alone.items()]),
        )
    )


def _sweep(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the findings after each treatment."""

    def cells(figures: Mapping[str, Any]) -> list[str]:
        scored = f"{figures['positives']} / {figures['negatives']}"
        flagged = sum(count for status, count in figures["statuses"]["innocent"].items() if status in FLAGGED)
        total = sum(figures["statuses"]["innocent"].values())
        alarms = "-" if not total else f"{flagged} of {total}"
        highest = figures["highest_innocent"]
        values = [_number(figures[key]) for key in ("auc", "eer", "cllr")]
        return [scored, *values, "-" if highest is None else f"{highest:+.2f}", alarms]

    heading = ("treatment", *(f"{name}: {key}" for name in ("sync", "resynthesis") for key in _SWEPT))
    table = [
        [f"{_code(name)} {one['meaning']}", *cells(one["sync"]), *cells(one["resynthesis"])]
        for name, one in rows.items()
    ]
    return f"## Robustness\n\n{SWEEP}\n\n{_table(heading, table)}\n"


def write_validation(out: Path, result: Mapping[str, Any], ratios: Mapping[FindingName, Ratios | None]) -> None:
    """Write the page and its plots.

    Parameters
    ----------
    out : Path
        Folder.
    result : dict
        Content of ``evaluation.json``, schema ``lipaccord/evaluation/1``.
    ratios : dict of str to Ratios or None
        By finding, for the plots.

    Raises
    ------
    OSError
        A file can't be written.
    """
    bundle = result["bundle"]
    left_out = "".join(f"\n- {_code(line)}" for line in result["left_out"]) or " none."
    page = (
        "# Validation\n\n"
        f"Written by `lipaccord evaluate`, lipaccord {result['lipaccord']}, on {result['clips']} labelled clips, with "
        f"the bundle {_code(bundle['name'])} {bundle['version']} (SHA-256 {bundle['sha256']}), settings "
        f"{result['settings_digest']}.\n\n{HOW_TO_READ}\n\n"
        + _section("sync", _sync(result["sync"]), _pictures("sync", ratios["sync"], out))
        + "\n"
        + _section("resynthesis", _resynthesis(result), _pictures("resynthesis", ratios["resynthesis"], out))
        + (f"\n{_sweep(result['robustness'])}" if result["robustness"] else "")
        + f"\n## Left out\n\nClips that were not examined:{left_out}\n"
    )
    write_text(out / PAGE, page)
