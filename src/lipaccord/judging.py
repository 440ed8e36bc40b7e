"""A kept examination -> its findings as a bundle judges them, without looking at the clip again.

What the cues measured does not depend on how it is judged: with another combination of the cues or another calibration
the kept measurements give other findings. So a clip is examined once, however often a bundle is calibrated.

Conventions: kept numbers have 7 significant digits (`report.json`), so the last digits of a ratio may differ from those
of `pipeline.analyze`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lipaccord.bundle import Bundle
from lipaccord.calibration import Calibrations
from lipaccord.calibration_reading import load_calibrations
from lipaccord.combination import Combination, load_combination
from lipaccord.findings import resynthesis_finding, sync_finding
from lipaccord.records import Evidence, Finding, FindingName, Interval, Reason, Segment


def evidence_of(finding: Mapping[str, Any], name: FindingName, segments: tuple[Segment, ...] = ()) -> list[Evidence]:
    """Read back what the cues of one finding measured; their series are not kept.

    Parameters
    ----------
    finding : dict
        As `report.json` writes it.
    name : str
    segments : tuple of Segment
        Local findings of the cue `sync`, which its status depends on.
    """
    return [
        Evidence(
            cue=cue,
            version=kept["version"],
            finding=name,
            score=kept["score"],
            summary=kept["summary"],
            frames_s=tuple(kept["frames_s"]),
            segments=segments,
            abstained=tuple(Reason(one["code"], one["text"], one["remedy"]) for one in kept["abstained"]),
            details=kept["details"],
        )
        for cue, kept in finding["cues"].items()
    ]


class Judge:
    """Judges kept examinations with the combination and the calibrations of a bundle.

    Parameters
    ----------
    bundle : Bundle
    """

    def __init__(self, bundle: Bundle) -> None:
        self.combination: Combination = load_combination(bundle.resynthesis)
        self.calibrations: Calibrations = load_calibrations(bundle.calibration)

    def findings(self, analysis: Mapping[str, Any]) -> dict[FindingName, Finding]:
        """Return the findings of a kept analysis; what was not examinable for want of a face stays so."""
        kept = analysis["findings"]
        segments = tuple(
            Segment(Interval(one["start_s"], one["end_s"]), "sync", one["score"], one["summary"])
            for one in analysis["segments"]
            if one["finding"] == "sync"
        )
        sync = evidence_of(kept["sync"], "sync", segments)
        texture = evidence_of(kept["resynthesis"], "resynthesis")
        return {
            "sync": self._sync(sync[0], kept["sync"]["conditions"]) if sync else _abstained("sync", kept),
            "resynthesis": self._resynthesis(texture, kept["resynthesis"]["conditions"])
            if texture
            else _abstained("resynthesis", kept),
        }

    def crossed(self, row: Mapping[str, Any]) -> Finding | None:
        """Return the finding sync of one row of `crossing.meet`; None where the cue abstained."""
        if row["score"] is None:
            return None
        summary = "a window of one clip with the sound of a window"
        evidence = Evidence("sync", row["version"], "sync", row["score"], summary, details=row["details"])
        return self._sync(evidence, row["conditions"])

    def _sync(self, evidence: Evidence, conditions: Mapping[str, float]) -> Finding:
        return sync_finding(evidence, self.calibrations.get("sync"), conditions)

    def _resynthesis(self, evidence: list[Evidence], conditions: Mapping[str, float]) -> Finding:
        return resynthesis_finding(evidence, self.combination, self.calibrations.get("resynthesis"), conditions)


def _abstained(name: FindingName, kept: Mapping[str, Any]) -> Finding:
    reasons = tuple(Reason(one["code"], one["text"], one["remedy"]) for one in kept[name]["reasons"])
    return Finding(name, "not_examinable", None, None, None, reasons, ())
