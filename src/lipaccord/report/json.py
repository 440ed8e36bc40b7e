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
digest                          ``algorithm``, ``form``, and in hexadecimal ``all`` (of all other keys) and
                                ``without_timeline`` (of all other keys but the timeline); see ``docs/verification.md``
==============================  ================================================================================

Conventions: strict JSON in ASCII, so that the bytes do not depend on the locale. Every time (its name ends in ``_s``)
is rounded to a microsecond, finer than what is measured on it; every other number to 7 significant digits, which is
what float32 carries: what lies beyond depends on the order of a sum, and so on the machine. A whole number that a
double can't hold is rounded like that too. NaN and infinities are null. Nothing tells the time of day, so the same
analysis gives the same text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from types import NoneType
from typing import Any, TextIO

import rfc8785

from lipaccord.files import write_text
from lipaccord.propositions import PROPOSITIONS, in_words
from lipaccord.records import Analysis, Evidence, Finding, Reason, Segment
from lipaccord.report.values import json_values

SCHEMA = "lipaccord/analysis/1"
DIGEST, TIMELINE = "digest", "timeline"
FORM = {"algorithm": "SHA-256", "form": "RFC 8785"}

_EXPONENT = re.compile(r"e[-+]\d+")


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
    result: dict[str, Any] = json_values(
        {
            "schema": SCHEMA,
            "clip": facts,
            "faces": analysis.faces,
            "findings": {name: _finding(finding) for name, finding in analysis.findings.items()},
            "segments": [_segment(segment) for segment in analysis.segments],
            "triage": analysis.triage,
            TIMELINE: timeline,
            "bundle": dict(sorted(analysis.bundle.items())),
            "settings": analysis.settings,
            "settings_digest": analysis.settings_digest,
            "versions": dict(sorted(analysis.versions.items())),
            "limits": analysis.limits,
        }
    )
    return result | {DIGEST: FORM | digests(result)}


def _numbers(values: list[float | None]) -> bytes:
    """Return the canonical form of doubles and nulls, in a third of the time that the library takes.

    Python writes the digits that RFC 8785 asks for; it differs in a trailing ``.0``, in minus zero, and in when and how
    it writes an exponent. Numbers with one are rare and left to the library.
    """
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))[1:-1] + ","
    text = text.replace(".0,", ",").replace("-0,", "0,")
    parts, done = [], 0
    for exponent in _EXPONENT.finditer(text):
        start = text.rfind(",", done, exponent.start()) + 1
        number = rfc8785.dumps(float(text[start : exponent.end()])).decode()
        parts += [text[done:start], number]
        done = exponent.end()
    return f"[{''.join(parts)}{text[done:-1]}]".encode()


def _canonical(value: Any) -> bytes:
    """Return JSON values as `rfc8785.dumps` does, long series faster."""
    if isinstance(value, dict):
        return b"{" + b",".join(_member(name, value[name]) for name in _ordered(value)) + b"}"
    if isinstance(value, list):
        if set(map(type, value)) <= {float, NoneType}:
            return _numbers(value)
        return b"[" + b",".join(map(_canonical, value)) + b"]"
    return rfc8785.dumps(value)


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: name.encode("utf-16-be"))


def _member(name: str, value: Any) -> bytes:
    return rfc8785.dumps(name) + b":" + _canonical(value)


def digests(values: dict[str, Any]) -> dict[str, str]:
    """Return what identifies an analysis: SHA-256 of its canonical form (RFC 8785), without its own digest.

    Parameters
    ----------
    values : dict
        As `analysis_to_dict` gives; a digest that it holds is left out.

    Returns
    -------
    dict
        In hexadecimal ``all``, and ``without_timeline``, for a copy that carries no time courses.

    Raises
    ------
    ValueError
        A value has no canonical form: a number is no double, or a text is no Unicode.
    """
    members = {name: _member(name, values[name]) for name in _ordered(values.keys() - {DIGEST})}
    without = [member for name, member in members.items() if name != TIMELINE]
    return {"all": _sha256(members.values()), "without_timeline": _sha256(without)}


def _sha256(members: Iterable[bytes]) -> str:
    """Hash an object that has these members, without putting it together."""
    digest = hashlib.sha256(b"{")
    for number, member in enumerate(members):
        digest.update(b"," if number else b"")
        digest.update(member)
    digest.update(b"}")
    return digest.hexdigest()


def _text(value: object, indent: str = "\n") -> str:
    """Write JSON values so that a person can read them: what holds no mapping takes one line."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        items = (f"{json.dumps(key)}: {_text(item, deeper)}" for key, item in value.items())
        return f"{{{deeper}{f',{deeper}'.join(items)}{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return f"[{deeper}{f',{deeper}'.join(_text(item, deeper) for item in value)}{indent}]"
    return json.dumps(value, allow_nan=False)


def as_text(values: dict[str, Any]) -> str:
    """Return what `analysis_to_dict` gives as JSON text; the same values in the same order give the same text."""
    return _text(values) + "\n"


def to_text(analysis: Analysis) -> str:
    """Return an analysis as JSON text; the same analysis gives the same text."""
    return as_text(analysis_to_dict(analysis))


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
