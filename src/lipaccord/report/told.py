"""What the page says of an analysis, as plain values: findings, facts of the file, what it takes to repeat.

Conventions: text that comes from the clip or its path is in the harmless form of `wording.plain`; markup is the page's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lipaccord.propositions import PROPOSITIONS, expectation, in_words, verbal
from lipaccord.records import Analysis, Evidence, Finding, Segment
from lipaccord.report.wording import (
    CUE_WORDS,
    LOUD_STATUSES,
    QUIET_STATUSES,
    STATUS_WORDS,
    plain,
    remedies,
    standing_out,
)

QUESTIONS = {
    "sync": "Do the sound and the mouth belong together?",
    "resynthesis": "Was the lower face re-synthesised?",
}
SIDES = {
    "sync": ("that they were not recorded together", "that they were recorded together"),
    "resynthesis": ("that it was painted by a machine", "that it is as the camera recorded it"),
}
"""The propositions once more, in the words of the question: the suspicious one first."""

MIN_AXIS = 2.0  # of log10: the scale of a ratio shows at least so much either way
MOST_TIMES = 5


def _tone(status: str) -> str:
    if status in QUIET_STATUSES:
        return "quiet"
    if status in LOUD_STATUSES:
        return "loud"
    return "none" if status == "not_examinable" else "open"


def _ratio(finding: Finding, base_rate: float | None) -> dict[str, Any] | None:
    """Everything that is said of a likelihood ratio, in numbers, in words, and as places on a scale."""
    if finding.log10_lr is None or finding.bounds is None:
        return None
    pair, log10_lr = PROPOSITIONS[finding.name], finding.log10_lr
    first, second = (pair.suspicious, pair.innocent) if log10_lr >= 0 else (pair.innocent, pair.suspicious)
    end = max(MIN_AXIS, *(abs(bound) for bound in finding.bounds))
    at_large = None
    if base_rate is not None and "reached_by" in finding.details:
        reached = finding.details["reached_by"]
        shares = (reached["suspicious"], reached["innocent"])
        at_large = expectation(log10_lr, shares, tuple(reached["groups"]), base_rate)
    return {
        "times": f"{float(f'{10.0 ** abs(log10_lr):.2g}'):,.12g}",
        "first": first,
        "second": second,
        "log10": f"{log10_lr:+.2f}",
        "bounds": [f"{bound:+.2f}" for bound in finding.bounds],
        "at_bound": bool(finding.details.get("at_bound")),
        "words": in_words(finding.name, log10_lr),
        "strength": _strength(finding, log10_lr),
        "suspicious": pair.suspicious,
        "innocent": pair.innocent,
        "place": 100 * log10_lr / end,
        "low": 100 * finding.bounds[0] / end,
        "high": 100 * finding.bounds[1] / end,
        "ticks": [(100 * step / end, f"{10 ** abs(step):,}", step) for step in range(-int(end), int(end) + 1)],
        "at_large": at_large,
    }


def _strength(finding: Finding, log10_lr: float) -> str:
    support = verbal(log10_lr)
    return support if support.startswith("no ") else f"{support} {SIDES[finding.name][log10_lr < 0]}"


def _score(finding: Finding) -> str | None:
    if finding.score is None:
        return None
    if "limit" in finding.details:
        usual, limit = finding.details["usual"], finding.details["limit"]
        return f"{finding.score:.2f}; 5 in 100 authentic clips exceed {usual:.2f}, 1 in 100 exceeds {limit:.2f}"
    return f"{finding.score:.3g}; larger is more suspicious"


def _offset(finding: Finding) -> str | None:
    offset, interval = finding.details.get("offset_ms"), finding.details.get("offset_interval_ms")
    if offset is None or finding.status == "unrelated":
        return None
    spread = "" if interval is None else f" (95% interval {round(interval[0]):+d} to {round(interval[1]):+d} ms)"
    if not round(offset):
        return f"Sound and picture are not shifted against each other{spread}."
    return f"The sound comes {abs(round(offset))} ms {'late' if offset > 0 else 'early'}{spread}."


def _stretch(segment: Segment) -> dict[str, Any]:
    start_s, end_s = segment.interval.start_s, segment.interval.end_s
    return {
        "start": start_s,
        "end": end_s,
        "finding": segment.finding,
        "text": plain(segment.summary),
        "when": f"{start_s:.2f} to {end_s:.2f} s",
    }


def _looks(finding: Finding, telling: Sequence[Evidence]) -> Iterator[dict[str, Any]]:
    cues = telling if finding.name == "resynthesis" else finding.cues
    for cue in cues:
        if cue.frames_s:
            yield {"cue": plain(cue.cue), "times": cue.frames_s[:MOST_TIMES]}


def _cue(cue: Evidence, share: float | None) -> dict[str, Any]:
    return {
        "name": plain(cue.cue),
        "looks_at": CUE_WORDS.get(cue.cue, "mouth against speech"),
        "score": cue.score,
        "share": share,
        "summary": plain(cue.summary),
        "version": plain(cue.version),
        "abstained": [
            {"text": plain(one.text).rstrip("."), "remedy": plain(one.remedy).rstrip(".")} for one in cue.abstained
        ],
    }


def told_finding(finding: Finding, analysis: Analysis, base_rate: float | None) -> dict[str, Any]:
    """Return all that is said of one finding."""
    word, meaning = STATUS_WORDS[finding.status]
    shares: dict[str, float] = finding.details.get("shares", {})
    telling = standing_out(finding, shares)
    order = sorted(finding.cues, key=lambda cue: (cue.score is None, -shares.get(cue.cue, -1e9), cue.cue))
    return {
        "name": finding.name,
        "question": QUESTIONS[finding.name],
        "word": word,
        "meaning": meaning,
        "tone": _tone(finding.status),
        "ratio": _ratio(finding, base_rate),
        "score": _score(finding),
        "offset": _offset(finding),
        "reasons": [plain(reason.text) for reason in finding.reasons],
        "remedies": [plain(remedy) for remedy in remedies(finding.reasons)],
        "explanations": [plain(explanation.text) for explanation in finding.explanations],
        "stretches": [_stretch(one) for one in analysis.segments if one.finding == finding.name],
        "looks": list(_looks(finding, telling)),
        "measured": [plain(cue.summary) for cue in telling],
        "cues": [_cue(cue, shares.get(cue.cue)) for cue in order],
    }


def _number(value: float | None, digits: int = 3) -> str:
    return "not stated" if value is None else f"{value:,.{digits}f}"


def told_facts(analysis: Analysis) -> list[tuple[str, str, str]]:
    """List what the container claims against what was counted."""
    video, audio = analysis.clip.video, analysis.clip.audio
    gaps = (len(video.gaps), len(audio.gaps))
    return [
        ("Pictures", _number(video.claimed_frames, 0), f"{video.counted_frames:,}"),
        ("Length of the picture, s", _number(video.claimed_duration_s), _number(video.counted_duration_s)),
        (
            "Pictures a second",
            _number(video.claimed_rate_hz),
            _number(video.counted_rate_hz) + (", variable" if video.variable_rate else ""),
        ),
        ("Length of the sound, s", _number(audio.claimed_duration_s), _number(audio.counted_duration_s)),
        ("First picture, first sample, s", "", f"{video.start_s:.3f}, {audio.start_s:.3f}"),
        ("Gaps in picture, in sound", "", f"{gaps[0]}, {gaps[1]}"),
        ("Pictures with a repeated time", "", f"{video.duplicate_timestamps}"),
        ("Refused packets of picture, of sound", "", f"{video.decode_errors}, {audio.decode_errors}"),
    ]


def told_identity(analysis: Analysis) -> list[tuple[str, str]]:
    """List what identifies the file, the bundle and the settings."""
    clip = analysis.clip
    settings = ", ".join(f"{name} {value}" for name, value in analysis.settings.items() if value is not None)
    return [
        ("File as it was named", plain(clip.path)),
        ("SHA-256 of the file", clip.sha256),
        ("Container", plain(clip.container)),
        ("Bundle", plain(f"{analysis.bundle['name']} {analysis.bundle['version']}")),
        ("SHA-256 of the bundle", plain(analysis.bundle["sha256"])),
        ("Settings", plain(settings)),
        ("Digest of the settings", plain(analysis.settings_digest)),
        ("Versions", plain(", ".join(f"{name} {value}" for name, value in analysis.versions.items()))),
    ]
