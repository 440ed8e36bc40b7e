"""A clip, its source and how they lie in time -> the exhibit: both side by side, and where they differ.

    found = exhibit("clip.mp4", "source.mp4", alignment)
    found.status, found.segments, found.pictures

One pass over either file; a handful of frames is held at a time, and of the pictures only those that are shown.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.landmarks import load_backend
from lipaccord.records import Interval, LandmarkBackend, Reason, Series
from lipaccord.source.alignment import Alignment
from lipaccord.source.deciding import COPIES, LIMIT, Decision, Status, decide
from lipaccord.source.laying import Log, Picture, face_name, looks

UNIT = "log10 of how much more it differs, in amplitude"
FITTED = ("softened", "gain_luma", "gain_red", "gain_blue", "offset_luma", "floor", "steep", "moving")
_Table = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What a clip is beside its source.

    Attributes
    ----------
    status : str
        ``same_recording``, ``mouth_altered``, ``sound_replaced``, ``different_recording`` or ``not_examinable``.
    reasons : tuple of Reason
    face : str or None
        Which of the clip's faces this is about (the one that differs most), counted as they appear; None where none
        is seen.
    faces : int
        That were looked at.
    statistic, limit : float
        log10 of how much more the lower face differs than the upper one, in the second in which it differs most; above
        the limit the mouth counts as altered. None where it was not measured.
    p : float or None
        How often an unaltered copy gives as much; bounded by the number of copies tried.
    copies : int
        That number.
    share_altered : float
        Of the frames that were laid over each other.
    face_altered : bool
        More of the face than the mouth is another.
    segments : tuple of Interval
    series : tuple of Series
        For plotting, on the clip's clock.
    registration : dict
        How laying the two over each other went: JSON values.
    fitted : dict
        What the source was given to look like the clip, medians: JSON values.
    pictures : tuple of Picture
        Of the moments of the largest difference, in the order of time.
    """

    status: Status
    reasons: tuple[Reason, ...]
    face: str | None
    faces: int
    statistic: float | None
    limit: float
    p: float | None
    copies: int
    share_altered: float
    face_altered: bool
    segments: tuple[Interval, ...]
    series: tuple[Series, ...]
    registration: dict[str, Any]
    fitted: dict[str, Any]
    pictures: tuple[Picture, ...]

    def __repr__(self) -> str:
        shown = "-" if self.statistic is None else f"{self.statistic:.2f}"
        return f"Exhibit({self.status}, statistic {shown}, limit {self.limit:.2f}, {len(self.pictures)} pictures)"

    def to_values(self) -> dict[str, Any]:
        """Return all but the pictures as JSON values."""
        return {
            "status": self.status,
            "reasons": [{"code": one.code, "text": one.text, "remedy": one.remedy} for one in self.reasons],
            "face": self.face,
            "faces": self.faces,
            "statistic": self.statistic,
            "limit": self.limit,
            "p": self.p,
            "copies": self.copies,
            "share_altered": self.share_altered,
            "face_altered": self.face_altered,
            "segments": [{"start_s": one.start_s, "end_s": one.end_s} for one in self.segments],
            "series": {
                one.name: {
                    "unit": one.unit,
                    "times_s": one.times_s.tolist(),
                    "values": [None if math.isnan(value) else value for value in one.values.tolist()],
                }
                for one in self.series
            },
            "registration": self.registration,
            "fitted": self.fitted,
            "pictures_s": [one.time_s for one in self.pictures],
        }


def _series(table: _Table, decision: Decision) -> tuple[Series, ...]:
    curves = {
        "source.lower": table["lower"],
        "source.lower_near": decision.near,
        "source.upper": table["upper"],
        "source.whole": table["whole"],
    }
    times_s = table["time_s"]
    named = [Series(name, UNIT, times_s, values.astype(np.float32)) for name, values in curves.items()]
    for name, unit in (("reference_levels", "grey levels"), ("lower_levels", "grey levels"), ("source_s", "s")):
        named.append(Series(f"source.{name}", unit, times_s, table[name].astype(np.float32)))
    return tuple(named)


def _median(values: NDArray[np.float64]) -> float | None:
    return round(float(np.median(values)), 4) if len(values) else None


def _registration(log: Log, table: _Table) -> dict[str, Any]:
    """Tell how laying the source over one face went, in JSON values."""
    worst = table["correlation"]
    return {
        "frames_paired": log.paired,
        "frames_registered": len(worst),
        "correlation": _median(worst),
        "correlation_least": round(float(worst.min()), 4) if len(worst) else None,
        "eyes_px": _median(table["eyes_px"]),
        "source_eyes_px": _median(table["source_eyes_px"]),
        "lag_frames": {str(lag): log.lags[lag] for lag in sorted(log.lags)},
        "frames_drawn_over": int((table["covered"] > 0).sum()),
        "reference_levels": _median(table["reference_levels"]),
        "lower_levels": _median(table["lower_levels"]),
    }


def _telling(found: tuple[Log, Decision]) -> tuple[bool, float, int]:
    """Order faces: examined before others, the most different first, then the one seen for longest."""
    log, decision = found
    statistic = -math.inf if decision.statistic is None else decision.statistic
    return decision.status != "not_examinable", statistic, log.paired


def _nobody(reason: Reason) -> Exhibit:
    return Exhibit("not_examinable", (reason,), None, 0, None, LIMIT, None, COPIES, 0.0, False, (), (), {}, {}, ())


def exhibit(
    clip: str | os.PathLike[str],
    source: str | os.PathLike[str],
    alignment: Alignment,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    backend: LandmarkBackend | None = None,
    threads: int = 1,
) -> Exhibit:
    """Lay a clip beside its source.

    Parameters
    ----------
    clip, source : path-like
        Regular files with a moving picture.
    alignment : Alignment
        Of the clip in the source.
    start_s, end_s : float, optional
        Part of the clip.
    backend : LandmarkBackend, optional
        By default that of the face mesh.
    threads : int
        Of each decoder.

    Returns
    -------
    Exhibit

    Raises
    ------
    MediaError, BackendMissing, SettingsError
        As for `media.open_clip` and `landmarks.load_backend`.
    """
    logs: dict[int, Log] = {}
    backend = load_backend("mediapipe") if backend is None else backend
    paired = False
    for moment, seen in looks(clip, source, alignment, backend, start_s=start_s, end_s=end_s, threads=threads):
        paired = paired or bool(moment.sources)
        for look in seen:
            logs.setdefault(look.key, Log()).add(look)
    if not logs:
        missing = "no face is seen in the clip" if paired else "the source has no picture at these times"
        code = "no_face" if paired else "not_paired"
        return _nobody(Reason(code, missing, "name another part of the clip, or another source"))
    judged = {key: (log, decide(log.course(), alignment.sound, len(logs))) for key, log in logs.items()}
    key = max(judged, key=lambda one: (*_telling(judged[one]), -one))
    log, decision = judged[key]
    table = log.table()
    return Exhibit(
        status=decision.status,
        reasons=decision.reasons,
        face=face_name(key),
        faces=len(judged),
        statistic=decision.statistic,
        limit=LIMIT,
        p=decision.p,
        copies=COPIES,
        share_altered=decision.share_altered,
        face_altered=decision.face_altered,
        segments=decision.segments,
        series=_series(table, decision),
        registration=_registration(log, table),
        fitted={name: _median(table[name]) for name in FITTED},
        pictures=log.shown(),
    )
