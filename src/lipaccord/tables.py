"""What was measured of labelled clips, as tables: one row for every clip and rung, one for every window and sound.

``clips.csv`` holds the labels, the control, both findings, the conditions, and every score with the numbers behind it;
``windows.csv`` the windows of `crossing`. A cell is empty where there is nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from lipaccord.combination import flattened
from lipaccord.survey import Crossed, Examined

LABELS = ("path", "rung", "method", "group", "mouth", "sound", "pair")
FINDINGS = ("resynthesis", "sync")
SUMMARY = (
    "forehead",
    "problem",
    *(f"{name}{ending}" for name in FINDINGS for ending in ("", "_status", "_log10_lr", "_reasons")),
)

Cells = dict[str, str | float | None]


def cells_of(one: Examined) -> Cells:
    """Return one row by column; what is missing is not in it."""
    clip = one.clip
    cells: Cells = {
        "path": clip.name,
        "rung": one.job.rung,
        "method": clip.method,
        "group": clip.group,
        "mouth": clip.mouth,
        "sound": clip.sound,
        "pair": clip.pair,
        "forehead": one.forehead,
        "problem": one.outcome if isinstance(one.outcome, str) else None,
    }
    for name, finding in one.findings.items():
        cells |= {
            name: finding.score,
            f"{name}_status": finding.status,
            f"{name}_log10_lr": finding.log10_lr,
            f"{name}_reasons": " ".join(reason.code for reason in finding.reasons),
        }
        cells |= dict(flattened(finding.details.get("conditions", {}), "conditions"))
        for cue in finding.cues:
            cells |= {cue.cue: cue.score, **dict(flattened(cue.details, cue.cue))}
    return cells


def crossed_cells(one: Crossed) -> Cells:
    """Return one row of the windows by column."""
    row, finding = one.row, one.finding
    return {
        "path": one.clip.name,
        "group": one.clip.group,
        "sound_of": one.sound.name,
        "sound": "apart" if row["truth"] else "together",
        "length_s": row["length_s"],
        "start_s": row["start_s"],
        "sound_start_s": row["sound_start_s"],
        "sync": row["score"],
        "sync_log10_lr": None if finding is None else finding.log10_lr,
        "sync_status": "not_examinable" if finding is None else finding.status,
        "sync_reasons": " ".join(row["abstained"]),
        **dict(flattened(row["conditions"], "conditions")),
        **dict(flattened(row["details"], "sync")),
    }


def texts(cells: Mapping[str, Any]) -> dict[str, str]:
    """Write cells as the file holds them."""
    return {name: "" if value is None else str(value) for name, value in cells.items()}


def written(rows: Sequence[Cells], first: Sequence[str]) -> str:
    """Write rows as CSV: the columns of `first`, then all others in the order of their names."""
    others = sorted({name for row in rows for name in row} - set(first))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*first, *others], restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(texts(row))
    return text.getvalue()


def clips_table(examined: Sequence[Examined]) -> str:
    """Write ``clips.csv``."""
    return written([cells_of(one) for one in examined], (*LABELS, *SUMMARY))


def windows_table(crossed: Sequence[Crossed]) -> str:
    """Write ``windows.csv``."""
    first = ("path", "group", "sound_of", "sound", "length_s", "sync", "sync_status", "sync_log10_lr", "sync_reasons")
    return written([crossed_cells(one) for one in crossed], first)
