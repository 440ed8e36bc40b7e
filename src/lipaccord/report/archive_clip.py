"""All that an archive knows of one clip, for people: by each method its findings, turns and reasons; the decisions.

Conventions: as in `archive`. An analysis is read as it was stored: what it lacks is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from lipaccord.report.archive import (
    FINDINGS,
    OUTCOMES,
    clock,
    codes_in_words,
    finding_words,
    print_lines,
    standing_out,
    verdict_words,
)
from lipaccord.report.wording import plain

if TYPE_CHECKING:
    from rich.console import Console

MOST_TURNS = 60
"""Turns that are listed; of more, those with the largest triage."""


def _facts(clip: Mapping[str, Any]) -> Iterator[str]:
    yield f"id {clip['id']}; SHA-256 {clip['sha256'] or 'not known yet'}"
    size = "" if clip["size"] is None else f"{clip['size']:,} bytes"
    beside = [f"{name} {plain(clip[name])}" for name in ("speaker", "date") if clip[name]]
    if told := "; ".join(filter(None, [size, *beside])):
        yield told
    for name, value in clip["carried"].items():
        if name not in {"speaker", "date"} and value:
            yield plain(f"{name}: {value}")


def _summary(outcome: Mapping[str, Any]) -> Iterator[str]:
    """Say what a method came to."""
    if outcome["status"] == "failed":
        yield plain(f"failed ({outcome['error']}): {outcome['message']}")
    elif outcome["status"] == "not_examinable":
        yield f"not examinable: {codes_in_words(outcome['reasons'])}"
    else:
        for finding in FINDINGS:
            yield f"{finding}: {finding_words(outcome, finding)}"
        if outcome["reasons"]:
            yield f"could not be judged: {codes_in_words(outcome['reasons'])}"
    if outcome["triage"] is not None:
        yield f"triage {outcome['triage']:.3g}"
    if outcome["status"] != "failed":
        lasts = "" if outcome["duration_s"] is None else f" of {clock(outcome['duration_s'])}"
        yield f"{clock(outcome['footage_s'])}{lasts} examined in {clock(outcome['work_s'])} of work"
    yield plain(f"{outcome['examined_at']}, by {outcome['worker'] or 'the run itself'}")


def _told(analysis: Mapping[str, Any]) -> Iterator[str]:
    """Give the reasons of an analysis in its own words, each remedy once."""
    findings = analysis.get("findings")
    for name, finding in (findings if isinstance(findings, Mapping) else {}).items():
        remedies: dict[str, None] = {}
        for reason in _texts(finding, "reasons"):
            yield plain(f"{name}: {reason.get('text', '')}")
            remedies |= dict.fromkeys(filter(None, [reason.get("remedy")]))
        for remedy in remedies:
            yield plain(f"  remedy: {remedy}")
        for explanation in _texts(finding, "explanations"):
            yield plain(f"  innocent? {explanation.get('text', '')}")


def _texts(finding: object, name: str) -> list[Mapping[str, str]]:
    found = finding.get(name) if isinstance(finding, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _looks(analysis: Mapping[str, Any]) -> Iterator[str]:
    """Say in which stretches to look."""
    segments = analysis.get("segments")
    for segment in segments if isinstance(segments, list) else []:
        if not isinstance(segment, Mapping):
            continue
        start, end = segment.get("start_s"), segment.get("end_s")
        if isinstance(start, int | float) and isinstance(end, int | float):
            yield plain(f"{clock(start)} to {clock(end)} ({segment.get('finding')}): {segment.get('summary')}")


def _turns(turns: Sequence[Mapping[str, Any]], lead: int | None) -> Table:
    table = Table(box=box.HORIZONTALS, pad_edge=False, expand=True)
    for heading in ("turn", "time", "triage"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what stands out", ratio=1, overflow="fold")
    for turn in turns:
        gist = turn["gist"]
        start, end = turn["start_s"], turn["end_s"]
        time = "whole" if start is None or end is None else f"{clock(start)} - {clock(end)}"
        triage = "-" if gist is None or gist["triage"] is None else f"{gist['triage']:.2f}"
        what = OUTCOMES["waiting"] if gist is None else "; ".join(standing_out(gist))
        mark = "*" if turn["number"] == lead else " "
        table.add_row(f"{mark}{turn['number']}", time, triage, Text(plain(what)))
    return table


def _largest(turns: Sequence[Mapping[str, Any]], lead: int | None) -> list[Mapping[str, Any]]:
    """Pick the turns to list, in the order of time."""

    def weight(turn: Mapping[str, Any]) -> tuple[bool, float]:
        triage = None if turn["gist"] is None else turn["gist"]["triage"]
        return turn["number"] != lead, float("inf") if triage is None else -triage

    return sorted(sorted(turns, key=weight)[:MOST_TURNS], key=lambda turn: turn["number"])


def _print_outcome(outcome: Mapping[str, Any], analysis: Mapping[str, Any], turn: int | None, console: Console) -> None:
    title = plain(f"By {outcome['method']} (bundle {outcome['bundle']}, lipaccord {outcome['version']})")
    print_lines(console, title, _summary(outcome))
    turns = outcome["turns"]
    if len(turns) > 1:
        listed = _largest(turns, outcome["lead"])
        console.print(_turns(listed, outcome["lead"]))
        more = len(turns) - len(listed)
        rest = f" {more} turns of smaller triage are not listed." if more else ""
        console.print(f"* leads: it speaks for the clip. --turn tells of another.{rest}", style="dim")
    number = turn or outcome["lead"]
    of_turn = f", turn {number}" if len(turns) > 1 else ""
    print_lines(console, f"Because{of_turn}", _told(analysis))
    print_lines(console, f"Look at{of_turn}", _looks(analysis))


def _decisions(decisions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in decisions:
        what = verdict_words(one) or "undecided"
        note = f": {one['note']}" if one["note"] else ""
        withdrawn = f" (withdrawn {one['withdrawn_at']})" if one["withdrawn_at"] else ""
        counts = ", counts" if one["current"] and one["verdict"] else ""
        yield plain(f"{one['decided_at']} {one['user'] or 'somebody'}: {what}{counts}{note}{withdrawn}")


def print_clip(
    found: Mapping[str, Any], analyses: Mapping[str, Mapping[str, Any]], console: Console, turn: int | None = None
) -> None:
    """Print all that is known of a clip.

    Parameters
    ----------
    found : mapping
        ``clip`` with ``carried`` as a mapping; ``outcomes``, each with lists as lists and its ``turns``, whose ``gist``
        is a mapping or None; ``decisions``.
    analyses : mapping
        By digest of the method: the analysis to tell from, without its time courses.
    console : rich.console.Console
    turn : int, optional
        Of which the analyses are; otherwise the one that leads.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    console.print(Text(plain(found["clip"]["name"]), style="bold"), overflow="fold")
    for line in _facts(found["clip"]):
        console.print(Text(line), overflow="fold")
    if not found["outcomes"]:
        console.print("It waits for an outcome, or has changed since it had one.")
    for outcome in found["outcomes"]:
        _print_outcome(outcome, analyses.get(outcome["method"], {}), turn, console)
    print_lines(console, "Decisions", _decisions(found["decisions"]))
