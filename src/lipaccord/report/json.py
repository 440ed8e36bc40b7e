"""An `Analysis` as JSON, schema ``lipaccord/analysis/1``.

The keys and their meaning:

==============================  ================================================================================
schema                          ``lipaccord/analysis/1``; a release may add keys, and changes none
clip                            ``path``, ``sha256``, ``duration_s``, ``container``, ``video``, ``audio`` (what the
                                container claims and what was counted) and ``notes``
faces[]                         ``id``, ``start_s``, ``end_s``, ``coverage``, ``interocular_px``; ``speaking`` marks the
                                one examined
findings.sync                   ``status``, ``offset_ms`` (+ = the sound comes late) and ``offset_interval_ms`` (95%),
                                both null when unrelated, and what every finding has
findings.resynthesis            ``status``, ``usual`` and ``limit`` (the scores that 5 and 1 in 100 authentic clips
                                exceed), and what every finding has
findings.*                      ``log10_lr`` and ``bounds`` (null without calibration; the ratio lies within them,
                                ``at_bound`` where it was cut off), ``verbal`` (the ratio in words, ENFSI 2015) and the
                                ``propositions`` that it compares; ``decide`` (the ratios at which a status is claimed),
                                ``reached_by`` (shares of the calibration's ``suspicious`` and ``innocent`` clips that
                                reach this ratio, and the ``groups`` behind them); ``conditions`` (how well the clip
                                could be measured); ``explanations`` (innocent ones that fit, to be ruled out);
                                ``score`` (raw, larger = more suspicious), ``reasons`` and ``cues`` by name
findings.*.cues.*               ``score``, ``log10_lr``, ``log10_share`` (what it adds to the score of the finding,
                                which is the sum of these and a constant; null where it enters no sum), ``summary``,
                                ``frames_s``, ``version``, ``abstained`` and ``details``
findings.*.reasons[],           ``code`` (stable), ``text`` and ``remedy`` (what the user can do; empty where the reason
findings.*.cues.*.abstained[]   is no abstention)
segments[]                      ``start_s``, ``end_s``, ``finding``, ``log10_lr``, ``score``, ``summary``
triage                          for ranking an archive, larger = look first; null where nothing could be examined
timeline.*                      ``unit``, ``times_s`` and ``values``, which are null where there is none
bundle, settings,               what it takes to repeat the examination: identity of the bundle, every setting,
settings_digest, versions       versions
limits[]                        what the examination can't tell
==============================  ================================================================================

Conventions: strict JSON in ASCII, so that the bytes do not depend on the locale. Every time (its name ends in ``_s``)
is rounded to a microsecond, finer than what is measured on it; every other number to 7 significant digits, which is
what float32 carries: what lies beyond depends on the order of a sum, and so on the machine. NaN and infinities
are null. Nothing tells the time of day, so the same analysis gives the same text.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from lipaccord.files import write_text
from lipaccord.propositions import PROPOSITIONS, in_words
from lipaccord.records import Analysis, Evidence, Finding, Reason, Segment

SCHEMA = "lipaccord/analysis/1"
TIME_DECIMALS = 6
SIGNIFICANT_DIGITS = 7


def _number(value: float, name: str) -> float | None:
    """Round a number by the unit that its name states; None where JSON has no word for it."""
    if not math.isfinite(value):
        return None
    rounded = round(value, TIME_DECIMALS) if name.endswith("_s") else float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return rounded + 0.0  # minus zero becomes zero


def _value(value: object, name: str = "") -> Any:
    """Turn a value into JSON values.

    The members of a list share its name; a mapping keeps its order, and text that is no Unicode (a path's
    stray bytes) is written with escapes.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return _number(value, name)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_value(str(key)): _value(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, name) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _value({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    raise TypeError(f"{name or 'a value'} is a {type(value).__name__}, which is no JSON value")


def _reasons(reasons: tuple[Reason, ...]) -> list[dict[str, str]]:
    return [{"code": reason.code, "text": reason.text, "remedy": reason.remedy} for reason in reasons]


def _cue(evidence: Evidence, share: float | None) -> dict[str, Any]:
    return {
        "score": evidence.score,
        "log10_lr": None,  # a calibration speaks of a finding, not of its cues
        "log10_share": share,
        "summary": evidence.summary,
        "frames_s": evidence.frames_s,
        "version": evidence.version,
        "abstained": _reasons(evidence.abstained),
        "details": dict(sorted(evidence.details.items())),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    own = dict(finding.details)
    shares: dict[str, float] = own.pop("shares", {})
    if finding.name == "sync":
        nothing = dict.fromkeys(("offset_ms", "offset_interval_ms"))
        own = own | nothing if finding.status == "unrelated" else nothing | own
    pair = PROPOSITIONS[finding.name]
    own = {"conditions": {}, "at_bound": None, "reached_by": None, "decide": None} | own
    common = {
        "log10_lr": finding.log10_lr,
        "bounds": finding.bounds,
        "verbal": None if finding.log10_lr is None else in_words(finding.name, finding.log10_lr),
        "propositions": {"suspicious": pair.suspicious, "innocent": pair.innocent},
        "score": finding.score,
        "reasons": _reasons(finding.reasons),
        "explanations": _reasons(finding.explanations),
        "cues": {cue.cue: _cue(cue, shares.get(cue.cue)) for cue in sorted(finding.cues, key=lambda cue: cue.cue)},
    }
    clash = own.keys() & {"status", *common}
    if clash:
        raise ValueError(f"the details of the finding {finding.name} must not replace {', '.join(sorted(clash))}")
    return {"status": finding.status} | own | common


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start_s": segment.interval.start_s,
        "end_s": segment.interval.end_s,
        "finding": segment.finding,
        "log10_lr": segment.log10_lr,
        "score": segment.score,
        "summary": segment.summary,
    }


def analysis_to_dict(analysis: Analysis) -> dict[str, Any]:
    """Return an analysis as JSON values; the module says which keys there are.

    Returns
    -------
    dict
        ``dict``, ``list``, ``str``, ``int``, finite ``float``, ``bool`` and None only, in a fixed order.
    """
    clip = analysis.clip
    facts = {
        "path": clip.path,
        "sha256": clip.sha256,
        "duration_s": clip.duration_s,
        "container": clip.container,
        "video": clip.video,
        "audio": clip.audio,
        "notes": clip.notes,
    }
    timeline = {
        name: {"unit": series.unit, "times_s": series.times_s, "values": series.values}
        for name, series in sorted(analysis.timeline.items())
    }
    result: dict[str, Any] = _value(
        {
            "schema": SCHEMA,
            "clip": facts,
            "faces": analysis.faces,
            "findings": {name: _finding(finding) for name, finding in analysis.findings.items()},
            "segments": [_segment(segment) for segment in analysis.segments],
            "triage": analysis.triage,
            "timeline": timeline,
            "bundle": dict(sorted(analysis.bundle.items())),
            "settings": analysis.settings,
            "settings_digest": analysis.settings_digest,
            "versions": dict(sorted(analysis.versions.items())),
            "limits": analysis.limits,
        }
    )
    return result


def _text(value: object, indent: str = "\n") -> str:
    """Write JSON values so that a person can read them: what holds no mapping takes one line."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        items = (f"{json.dumps(key)}: {_text(item, deeper)}" for key, item in value.items())
        return f"{{{deeper}{f',{deeper}'.join(items)}{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return f"[{deeper}{f',{deeper}'.join(_text(item, deeper) for item in value)}{indent}]"
    return json.dumps(value, allow_nan=False)


def to_text(analysis: Analysis) -> str:
    """Return an analysis as JSON text; the same analysis gives the same text."""
    return _text(analysis_to_dict(analysis)) + "\n"


def write_json(analysis: Analysis, target: Path | TextIO) -> None:
    """Write an analysis to a file, whole or not at all, or to an open stream.

    Raises
    ------
    OSError
        It can't be written.
    """
    if isinstance(target, Path):
        write_text(target, to_text(analysis))
    else:
        target.write(to_text(analysis))
        target.flush()
