"""The figures of an evaluation as tables for people, on a console of rich.

Conventions: names come from the manifest and are shown like any other data (`terminal`): never as markup, with
whatever could steer a terminal as an escape. A dash means that there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from lipaccord.findings import FLAGGED
from lipaccord.propositions import flagged_in_words
from lipaccord.report.wording import plain

if TYPE_CHECKING:
    from rich.console import Console

ABSENT = "-"
LR_METRICS = ("cllr", "cllr_min")
CLASSES = {"suspicious": "altered", "innocent": "not altered"}
NEAR_CHANCE = 0.05
"""A control further than this from 0.5 is pointed out: there the encodes may tell the classes apart."""


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def _with_interval(figure: Mapping[str, Any], name: str) -> str:
    interval = figure[f"{name}_interval"]
    spread = "" if interval is None else f" [{interval[0]:.2f}-{interval[1]:.2f}]"
    return _number(figure[name]) + spread


def _control(figure: Mapping[str, Any]) -> str:
    value = figure["control_auc"]
    far = value is not None and abs(value - 0.5) > NEAR_CHANCE
    return _number(value) + (" !" if far else "")


def _both(figure: Mapping[str, Any], ending: str = "") -> str:
    return f"{figure[f'positives{ending}']} / {figure[f'negatives{ending}']}"


def _table(title: str, first: str, rows: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Table:
    """Lay out one figure a row; the second cell of a row is the encode that authentic clips have."""
    table = Table(title=Text(title, style="bold"), title_justify="left", box=box.HORIZONTALS, pad_edge=False)
    table.add_column(first, overflow="fold")
    for heading in ("encode", "control", "AUC", "EER", "TPR", "clips", "abstained"):
        table.add_column(heading, no_wrap=heading not in {"encode", "AUC"}, overflow="fold")
    for name, (rung, figure) in rows.items():
        table.add_row(
            Text(plain(name)),
            rung,
            _control(figure),
            _with_interval(figure, "auc"),
            _number(figure["eer"]),
            _number(figure["tpr_at_5_fpr"]),
            _both(figure),
            _both(figure, "_abstained"),
        )
    return table


def _ratios(rows: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Table:
    """Lay out what the likelihood ratios of one finding cost, as the bundle gives them and cross-calibrated."""
    title = Text("Likelihood ratios: cost in bits", style="bold")
    table = Table(title=title, title_justify="left", box=box.HORIZONTALS, pad_edge=False)
    for heading in ("finding", "ratios", "Cllr", "Cllr_min", "misleading", "known"):
        table.add_column(heading, overflow="fold")
    for name, (kind, figure) in rows.items():
        shares = [figure[key] for key in ("suspicious_below_1", "innocent_above_1")]
        misleading = " / ".join(ABSENT if share is None else f"{share:.0%}" for share in shares)
        known = figure.get("known")
        seen = ABSENT if known is None else f"{known:.0%}"
        table.add_row(
            name.rsplit(",", 1)[0], kind, *(_with_interval(figure, key) for key in LR_METRICS), misleading, seen
        )
    return table


def _ratio_rows(name: str, figure: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    own = {f"{name},bundle": ("of the bundle", figure["bundle_lr"])} if figure["bundle_lr"]["cllr"] is not None else {}
    crossed = figure["cross_calibrated_lr"]
    return own | ({f"{name},crossed": ("cross-calibrated", crossed)} if crossed["cllr"] is not None else {})


def _print_statuses(title: str, figure: Mapping[str, Any], base_rate: float | None, console: Console) -> None:
    """Say how often each status was given, by class, and what that means among many clips."""
    counted = figure["statuses"]
    for key, statuses in counted.items():
        if statuses:
            total = sum(statuses.values())
            told = ", ".join(f"{status} {count} ({count / total:.1%})" for status, count in statuses.items())
            console.print(f"{title}, {CLASSES[key]}: {told}.")
    if base_rate is None or not all(counted.values()):
        return
    flagged = [
        sum(count for status, count in statuses.items() if status in FLAGGED) / sum(statuses.values())
        for statuses in (counted["suspicious"], counted["innocent"])
    ]
    console.print(flagged_in_words(flagged[0], flagged[1], figure["negatives_groups"], base_rate))


def print_evaluation(result: Mapping[str, Any], console: Console, base_rate: float | None = None) -> None:
    """Print the finding sync by the length of the windows, the resynthesis score by method, and every cue by itself.

    Parameters
    ----------
    result : dict
        Content of ``evaluation.json``, schema ``lipaccord/evaluation/1``.
    console : rich.console.Console
    base_rate : float, optional
        Share of all clips that is altered, for saying what the statuses mean among many clips.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    score, rungs, sync = result["resynthesis"], result["rungs"], result["sync"]
    heard = {f"windows of {length} s": ("-", figure) for length, figure in sync["windows"].items()}
    if sync["clips"]["positives"] and sync["clips"]["negatives"]:
        heard["whole clips"] = ("-", sync["clips"])
    if heard:
        console.print(_table("Sync: other sounds against a clip's own", "windows", heard))
    by_method = {method: (rungs[method], figure) for method, figure in score["methods"].items()}
    console.print(
        _table("Resynthesis score, by method", "method", by_method | {"all methods": ("mixed", score["all"])})
    )
    cues = {name: ("mixed", figures["all"]) for name, figures in result["cues"].items()}
    if cues:
        console.print(_table("Each cue by itself, all methods", "cue", cues))
    rows = {
        key: row for name, (_, figure) in heard.items() for key, row in _ratio_rows(f"sync, {name}", figure).items()
    }
    if rows := rows | _ratio_rows("resynthesis", score["all"]):
        console.print(_ratios(rows))
    matched = "matched to each method" if result["match_encodes"] else "not matched: clips as they came"
    console.print(
        f"Encodes {matched}. Clips: suspicious / other. TPR: at 5% false alarms. Intervals: 95%, by drawing groups. "
        "The control tells the classes apart by the untouched forehead alone; it should lie near 0.50, and ! marks "
        "where it does not: there the encoder may speak. Cllr: 1 is what ratios of 1 throughout cost; Cllr_min is left "
        "after the best recalibration. Misleading: suspicious with LR < 1 / others with LR > 1. Known: share of clips "
        "of groups that the bundle's calibration has seen, which flatters it."
    )
    if result["weights_known"]:
        console.print(
            f"The weights of the bundle's cues were fitted on {result['weights_known']:.0%} of these clips: the "
            "figures of its resynthesis score are flattered, the cross-calibrated ones are not."
        )
    for title, (_, figure) in heard.items():
        _print_statuses(f"Sync, {title}", figure, base_rate, console)
    _print_statuses("Resynthesis", score["all"], base_rate, console)
