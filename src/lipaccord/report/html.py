"""An `Examination` as one HTML page that needs nothing else: what was found, and the evidence to check it by.

`binding` renders and seals it. What comes from the clip or its path is shown in the harmless form of `wording.plain`.

Conventions: the same examination gives the same page; nothing tells the time of day. The analysis is inside as JSON
(`seal.twin`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from lipaccord.cutouts import Cutout
from lipaccord.overlay import predicted_outlines
from lipaccord.records import Analysis, Examination, FloatArray
from lipaccord.report import drawing
from lipaccord.report.binding import PLOTTING, bound, data_url
from lipaccord.report.json import analysis_to_dict
from lipaccord.report.seal import twin
from lipaccord.report.told import told_facts, told_finding, told_identity
from lipaccord.report.wording import CUE_WORDS, plain, size_in_words, standing_out
from lipaccord.sheets import Moment, Sheet

SCRIPTS = (*PLOTTING, "data.js", "player.js", "overlay.js", "plots.js", "common.js", "controls.js")
TWIN_BYTES = 12_000_000
"""Of the analysis inside the page; a longer one goes in without its time courses."""

SHOWN_PX, MOST_ZOOM = 360, 8  # width of a close-up on the screen, by whole pixels
LONE_PICTURE_S = 0.04
LOOK_S = 0.5  # about a single time, when it is looped


@dataclass(frozen=True, slots=True)
class Player:
    """What the page plays.

    Attributes
    ----------
    source : str
        URL, or what stands for one, of the video.
    copy : bool
        It is a viewing copy, encoded again.
    offset_s : float
        Time on the clip's clock at which the player counts zero.
    """

    source: str
    copy: bool
    offset_s: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where the pictures of the contact sheets are: in the page, or beside it in a folder.

    Attributes
    ----------
    folder : str or None
        URL of the folder, relative to the page; None puts them in the page.
    """

    folder: str | None = None

    def url(self, cutout: Cutout) -> str:
        """Return the URL of a picture."""
        if self.folder is not None:
            return f"{self.folder}/{self.name(cutout)}"
        return data_url(cutout.png, "image/png")

    @staticmethod
    def name(cutout: Cutout) -> str:
        """Name the file of a picture by its content."""
        return f"{hashlib.sha256(cutout.png).hexdigest()[:24]}.png"


def _cut(cutout: Cutout | None, pictures: Pictures) -> dict[str, Any] | None:
    if cutout is None:
        return None
    return {
        "url": pictures.url(cutout),
        "width": cutout.width,
        "height": cutout.height,
        "zoom": max(1, min(MOST_ZOOM, SHOWN_PX // max(cutout.width, 1))),
        "place": f"{cutout.width} x {cutout.height} pixels at {cutout.left}, {cutout.top}",
    }


def _polygons(lips: FloatArray | None, rings: Sequence[Sequence[int]]) -> list[str]:
    """Write both outlines of lips [shape=(K, 2)] as SVG knows them."""
    if lips is None:
        return []
    return [" ".join(f"{x:.1f},{y:.1f}" for x, y in lips[list(ring)]) for ring in rings]


def _moment(moment: Moment, sync: bool, rings: Sequence[Sequence[int]], pictures: Pictures) -> dict[str, Any]:
    """Tell of one picture; outlines are drawn where they are the matter, elsewhere they would hide it."""
    return {
        "time": moment.time_s,
        "note": moment.note,
        "subject": _cut(moment.subject, pictures),
        "before": _cut(moment.before, pictures),
        "reference": _cut(moment.reference, pictures),
        "reference_before": _cut(moment.reference_before, pictures),
        "reference_time": None if moment.reference_s == moment.time_s else moment.reference_s,
        "outlines": _polygons(moment.outline, rings) if sync else [],
        "predicted": _polygons(moment.predicted, rings) if sync else [],
    }


def _telling(analysis: Analysis) -> set[str]:
    """Name the cues whose pictures a reader should see first; where none stands out, sync."""
    cues = {cue.cue for one in analysis.findings.values() for cue in standing_out(one, one.details.get("shares", {}))}
    return cues or {"sync"}


def _sheets(
    sheets: Sequence[Sheet], examination: Examination, pictures: Pictures, telling: set[str]
) -> list[dict[str, Any]]:
    """Tell of every contact sheet; those of the cues that stand out are open."""
    if examination.tracks is None:
        return []
    layout = examination.tracks.face.layout
    rings = [[layout.lips.index(point) for point in layout.rings[name]] for name in ("outer_lips", "inner_lips")]
    return [
        {
            "cue": sheet.cue,
            "looks_at": CUE_WORDS.get(sheet.cue, "mouth against speech"),
            "open": sheet.cue in telling,
            "subject": sheet.subject,
            "reference": sheet.reference,
            "look_for": sheet.what_to_look_for,
            "choice": sheet.choice,
            "moments": [_moment(moment, sheet.finding == "sync", rings, pictures) for moment in sheet.moments],
        }
        for sheet in sheets
    ]


def _drawn(examination: Examination, player: Player, findings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collect what the scripts of the page read."""
    analysis = examination.analysis
    speech = [] if examination.tracks is None else examination.tracks.activity.stretches
    outlines = None if examination.tracks is None else predicted_outlines(examination)
    video, times_s = analysis.clip.video, examination.frame_times_s
    return {
        "frames": drawing.packed(times_s, "<f8"),
        "end": float(times_s[-1]) + (1 / video.counted_rate_hz if video.counted_rate_hz else LONE_PICTURE_S),
        "offset": player.offset_s,
        "width": video.width,
        "height": video.height,
        "speech": [[stretch.start_s, stretch.end_s] for stretch in speech],
        "marked": [],
        "stretches": [stretch for finding in findings for stretch in finding["stretches"]],
        "strips": [*drawing.main_strips(examination), *drawing.other_strips(examination)],
        "lag": drawing.lag_curve(examination),
        "overlay": None if outlines is None else drawing.overlay(examination, outlines),
        "around": LOOK_S,
    }


def page(
    examination: Examination,
    sheets: Sequence[Sheet],
    player: Player,
    *,
    pictures: Pictures = Pictures(),
    base_rate: float | None = None,
) -> str:
    """Render the report.

    Parameters
    ----------
    examination : Examination
    sheets : sequence of Sheet
        See `sheets.contact_sheets`.
    player : Player
    pictures : Pictures
        Where the pictures of the sheets are.
    base_rate : float, optional
        Share of all clips that is altered, for saying what the ratios mean among many clips.

    Returns
    -------
    str
        The whole page, sealed.
    """
    analysis = examination.analysis
    findings = [told_finding(finding, analysis, base_rate) for finding in analysis.findings.values()]
    drawn = _drawn(examination, player, findings)
    told = {
        "name": plain(PurePath(analysis.clip.path).name),
        "size": plain(size_in_words(analysis.clip)),
        "sha256": analysis.clip.sha256,
        "version": plain(analysis.versions["lipaccord"]),
        "notes": [plain(note) for note in analysis.clip.notes],
        "findings": findings,
        "strips": drawn["strips"],
        "overlay": drawn["overlay"],
        "lag": drawn["lag"],
        "sheets": _sheets(sheets, examination, pictures, _telling(analysis)),
        "faces": analysis.faces,
        "facts": told_facts(analysis),
        "identity": told_identity(analysis),
        "limits": [plain(limit) for limit in analysis.limits],
        "player": player,
    }
    analysis_twin = twin(analysis_to_dict(analysis), TWIN_BYTES)
    return bound("report.html.jinja", told, drawn=drawn, twin=analysis_twin, scripts=SCRIPTS)
