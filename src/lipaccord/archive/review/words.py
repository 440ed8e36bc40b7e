"""What the review says of clips, decisions and reports, as plain values; text from outside is in a harmless form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from lipaccord.archive.deciding import Decision
from lipaccord.archive.records import Gist
from lipaccord.archive.review.desk import Known, leading_finding
from lipaccord.archive.review.fresh import Standing
from lipaccord.archive.urls import public_name
from lipaccord.report.wording import CUE_WORDS, LOUD_STATUSES, QUIET_STATUSES, STATUS_WORDS, plain

FINDINGS = {"sync": "Sound and mouth", "resynthesis": "Lower face"}
CONFIRMS = {"sync": "sound", "resynthesis": "mouth", None: "both"}
"""What a confirmation means unless somebody says otherwise, by the finding that leads."""
VERDICT_WORDS = {"confirm": "Confirmed", "dismiss": "Dismissed", "unsure": "Unsure", None: "Undecided"}
WHAT_WORDS = {"sound": "sound", "mouth": "mouth", "both": "sound and mouth"}


def _tone(status: str) -> str:
    if status in QUIET_STATUSES:
        return "quiet"
    if status in LOUD_STATUSES:
        return "loud"
    return "none" if status == "not_examinable" else "open"


def told_decision(decision: Decision | None) -> dict[str, Any]:
    """Say what counts for a clip, for the page and for its script."""
    if decision is None:
        return {"verdict": None, "what": "", "note": "", "text": VERDICT_WORDS[None], "by": "", "any": False}
    text = VERDICT_WORDS[decision.verdict]
    return {
        "verdict": decision.verdict,
        "what": decision.what,
        "note": decision.note,
        "text": f"{text}: {WHAT_WORDS[decision.what]}" if decision.what else text,
        "by": f"{plain(decision.user)}, {moment(decision.decided_at)}",
        "any": True,
    }


def moment(text: str) -> str:
    """Write a time of the store for a reader."""
    return plain(text).replace("T", " ").replace("Z", " UTC")


def _finding(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    status, ratio, offset = row[f"{name}_status"], row[f"{name}_log10_lr"], row["offset_ms"]
    word, meaning = STATUS_WORDS.get(status, (plain(status), ""))
    shifted = name == "sync" and status == "offset" and offset is not None
    return {
        "about": FINDINGS[name],
        "tone": _tone(status),
        "word": f"{word}, {offset:+.0f} ms" if shifted else word,
        "meaning": meaning,
        "ratio": None if ratio is None else f"{ratio:+.2f}",
    }


def told_row(row: Mapping[str, Any], decision: Decision | None, rank: int | None = None) -> dict[str, Any]:
    """Say what a row of the list holds."""
    name = plain(public_name(row["name"]))
    parts = PurePath(name)
    return {
        "id": row["id"],
        "rank": rank,
        "name": parts.name or name,
        "folder": name[: -len(parts.name)] if parts.name else "",
        "speaker": plain(row["speaker"] or ""),
        "date": plain(row["date"] or ""),
        "triage": None if row["triage"] is None else f"{row['triage']:.2f}",
        "findings": [_finding(row, finding) for finding in FINDINGS if row[f"{finding}_status"]],
        "cues": [CUE_WORDS.get(cue, plain(cue)) for cue in _texts(row["cues"])],
        "reasons": [plain(reason).replace("_", " ") for reason in _texts(row["reasons"])],
        "error": plain(f"{row['error']}: {row['message']}") if row["error"] else "",
        "confirms": CONFIRMS[leading_finding(row)],
        "decision": told_decision(decision),
    }


def _texts(column: str | None) -> list[str]:
    values = json.loads(column or "[]")
    return [str(value) for value in values]


def told_turns(known: Known) -> list[dict[str, Any]]:
    """List the turns of a clip, and what came of each."""
    told = []
    for turn in known.turns:
        gist = turn.gist
        whole = turn.start_s is None or turn.end_s is None
        told.append(
            {
                "number": turn.number,
                "when": "the whole clip" if whole else f"{turn.start_s:.2f} to {turn.end_s:.2f} s",
                "lead": turn.number == known.row["lead"],
                "triage": None if gist is None or gist.triage is None else f"{gist.triage:.2f}",
                "words": ["waits"] if gist is None else _gist_words(gist),
            }
        )
    return told


def _gist_words(gist: Gist) -> list[str]:
    if gist.error:
        return [plain(f"{gist.error}: {gist.message}")]
    statuses = [STATUS_WORDS.get(name, (plain(name), ""))[0] for name in (gist.sync_status, gist.resynthesis_status)]
    words = [f"{about.lower()}: {word}" for about, word in zip(FINDINGS.values(), statuses, strict=True) if word]
    reasons = [plain(reason).replace("_", " ") for reason in gist.reasons]
    return [*words, *([f"reasons: {', '.join(reasons)}"] if reasons else [])]


def told_reasons(analysis: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List why each finding is as it is, in the words of the stored analysis."""
    told = []
    findings = analysis.get("findings")
    for name, about in FINDINGS.items():
        finding = findings.get(name) if isinstance(findings, dict) else None
        reasons = finding.get("reasons") if isinstance(finding, dict) else None
        texts = [plain(str(reason.get("text", ""))) for reason in reasons or () if isinstance(reason, dict)]
        if texts:
            told.append({"about": about, "texts": texts})
    return told


def told_segments(analysis: Mapping[str, Any]) -> list[str]:
    """List the stretches that the stored analysis points at."""
    told = []
    for segment in analysis.get("segments") or ():
        try:
            when = f"{segment['start_s']:.2f} to {segment['end_s']:.2f} s"
            told.append(f"{when}: {plain(str(segment['summary']))}")
        except (KeyError, TypeError, ValueError):
            told.append("a stretch that can't be read")
    return told


def told_facts(known: Known) -> list[tuple[str, str]]:
    """List what the store knows of the file, with what its manifest said."""
    row = known.row
    carried = json.loads(row["carried"])
    facts = [
        ("Lies at", public_name(row["name"])),
        ("Size", "" if row["size"] is None else f"{row['size']:,} bytes"),
        (
            "Length",
            "" if row["duration_s"] is None else f"{row['duration_s']:.1f} s, {row['footage_s']:.1f} s examined",
        ),
        ("SHA-256", row["sha256"] or ""),
        ("Examined", "" if row["examined_at"] is None else f"{moment(row['examined_at'])} by {row['worker'] or '?'}"),
        ("Method", str(known.method)),
        *((str(name), str(value)) for name, value in carried.items()),
    ]
    return [(plain(name), plain(value)) for name, value in facts if value]


def told_standing(standing: Standing) -> dict[str, Any]:
    """Say how far a report is, for the page and for its script."""
    return {
        "state": standing.state,
        "progress": standing.progress,
        "trouble": "" if standing.trouble is None else plain(str(standing.trouble)),
    }
