"""A finding on the source of a clip as one HTML page that needs nothing else: the answers, and the two to compare.

`binding` renders and seals it. What comes from a clip or its path is shown in the harmless form of `wording.plain`.

Conventions: the same finding and pictures give the same page. The result is inside as JSON (`seal.twin`), with sources
on servers named as `archive.urls.public_name` does.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lipaccord.archive.urls import public_name
from lipaccord.report.binding import PLOTTING, STYLES, bound
from lipaccord.report.seal import twin
from lipaccord.report.source_beside import drawn_beside, stills
from lipaccord.report.source_told import told_source
from lipaccord.source.answering import Answer
from lipaccord.source.framed import Framed
from lipaccord.source.laying import HEAT_FULL

TEMPLATE, STYLE = "source.html.jinja", "source.css"
SAVING = ("data.js", "common.js")
COMPARING = (*PLOTTING, "data.js", "stage.js", "plots.js", "common.js", "source.js")
TWIN_BYTES = 1_000_000
"""Of the result inside the page; a longer one goes in without its time courses."""


def _named(result: dict[str, Any]) -> dict[str, Any]:
    """Name sources without what only a login may know."""
    named = copy.deepcopy(result)
    finding = named["findings"]["source"]
    for place in [*finding["searched"]["astray"], *(one for each in finding["candidates"] for one in each["places"])]:
        place["uri"] = public_name(place["uri"])
    return named


def _twin(result: dict[str, Any]) -> str:
    """Return the element that holds the result; the time courses are left out where they would be too long."""
    named = _named(result)
    shorter = copy.deepcopy(named)
    if shorter["findings"]["source"]["exhibit"]:
        shorter["findings"]["source"]["exhibit"]["series"] = {}
    return twin(named, TWIN_BYTES, shorter)


def page(found: Answer, result: dict[str, Any], row: Sequence[Framed], *, index: Path, landmarks: str) -> str:
    """Render the page.

    Parameters
    ----------
    found : Answer
    result : dict
        The same as JSON values, schema ``lipaccord/match/1``.
    row : sequence of Framed
        As `framed.framed` gives; empty where nothing was laid side by side.
    index : Path
        That was searched.
    landmarks : str
        Backend and version with which it was made.

    Returns
    -------
    str
        The whole page, sealed.
    """
    clip = result["clip"]
    told = told_source(found, clip["path"], (clip["start_s"], clip["end_s"]), index, landmarks, result["version"])
    made = found.exhibit
    told |= {
        "strips": [],
        "moments": len(row),
        "heat_full": HEAT_FULL,
        "measured": 0 if made is None else len(made.series[0].times_s) if made.series else 0,
        "stills": [] if made is None else list(stills(made)),
    }
    if made is None or not row:
        drawn: dict[str, Any] = {"frames": "", "end": 0}
        scripts: tuple[str, ...] = SAVING
    else:
        drawn, scripts = drawn_beside(made, row), COMPARING
        told["strips"] = drawn["strips"]
    return bound(TEMPLATE, told, drawn=drawn, twin=_twin(result), scripts=scripts, styles=(*STYLES, STYLE))
