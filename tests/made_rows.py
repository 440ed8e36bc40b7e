"""Made rows of ``clips.csv``, as an evaluation with matched encodes writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lipaccord.cue_table import LEARNED
from lipaccord.cues import COMBINED_CUES

METHODS = {"paint": "crf24", "paste": "crf31"}
PEOPLE = [f"person {k}" for k in range(12)]
MANY = [f"person {k}" for k in range(24)]
CUE, OTHER = "blur", "teeth"
MEMBERS = 2
NOBODY: dict[str, list[tuple[str, ...]]] = {cue: [(), ()] for cue in LEARNED}
Row = dict[str, Any]


def row(mouth: str, method: str, group: str, rung: str, **scores: float | None) -> Row:
    """Make a row of the table; what is not given is an abstention, or a network that said nothing."""
    cells: dict[str, float | None] = {**dict.fromkeys(COMBINED_CUES), "forehead": 0.0, **scores}
    for cue in LEARNED:
        for member in range(MEMBERS):
            cells.setdefault(f"{cue}.member_{member}", cells[cue])
    return {"path": f"{group}.mp4", "rung": rung, "method": method, "group": group, "mouth": mouth, **cells}


def clips(scores: Callable[[str, str, int], dict[str, float]], people: list[str] = PEOPLE) -> list[Row]:
    """Make, for each person, a clip of each method, and the authentic one as it came and at the two rungs.

    `scores` gives them from the method (empty for an authentic clip), the group and the number of the row.
    """
    rows: list[Row] = []
    for group in people:
        rows += [
            row("synthesised", method, group, "original", **scores(method, group, len(rows))) for method in METHODS
        ]
        for rung in ("original", *METHODS.values()):
            rows.append(row("camera", "", group, rung, **scores("", group, len(rows))))
    return rows


def noise(place: int, salt: int = 0) -> float:
    return float(np.random.default_rng([place, salt]).normal())


def told(method: str, group: str, place: int) -> dict[str, float]:
    """Give scores of a cue that tells, of one that tells nothing, and of a network that tells."""
    fake = 2.0 * bool(method)
    return {CUE: noise(place) + fake, OTHER: noise(place, 1), "splice": noise(place, 2) + fake}


def as_read(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return rows as `csv` reads them back."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: "" if row.get(name) is None else str(row[name]) for name in columns} for row in rows]
