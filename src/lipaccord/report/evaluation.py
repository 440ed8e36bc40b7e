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

from lipaccord.report.terminal import plain

if TYPE_CHECKING:
    from rich.console import Console

ABSENT = "-"
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


def print_evaluation(result: Mapping[str, Any], console: Console) -> None:
    """Print the resynthesis score by method, every cue by itself, and the finding sync.

    Parameters
    ----------
    result : dict
        Content of ``evaluation.json``, schema ``lipaccord/evaluation/1``.
    console : rich.console.Console

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    score, rungs = result["resynthesis"], result["rungs"]
    by_method = {method: (rungs[method], figure) for method, figure in score["methods"].items()}
    console.print(
        _table("Resynthesis score, by method", "method", by_method | {"all methods": ("mixed", score["all"])})
    )
    cues = {name: ("mixed", figures["all"]) for name, figures in result["cues"].items()}
    if cues:
        console.print(_table("Each cue by itself, all methods", "cue", cues))
    matched = "matched to each method" if result["match_encodes"] else "not matched: clips as they came"
    console.print(
        f"Encodes {matched}. Clips: synthesised / authentic. TPR: at 5% false alarms. Intervals: 95%, by drawing "
        "groups. The control tells the classes apart by the untouched forehead alone; it should lie near 0.50, and ! "
        "marks where it does not: there the encoder may speak."
    )
    if result["sync"] is not None:
        sync = result["sync"]
        console.print(
            f"Sync, recorded apart against together: AUC {_with_interval(sync, 'auc')}, EER {_number(sync['eer'])}; "
            f"clips {_both(sync)}, abstained {_both(sync, '_abstained')}."
        )
