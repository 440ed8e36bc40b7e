"""An `Analysis` as a table for people, on a console of rich.

Conventions: what comes from the clip or from its path is data. It is never read as markup, and whatever in it
could steer a terminal or turn the direction of the text is shown as an escape. Nothing depends on colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lipaccord.propositions import PROPOSITIONS, expectation, in_words, ratio_in_words
from lipaccord.report.wording import (
    CUE_WORDS,
    LOUD_STATUSES,
    QUIET_STATUSES,
    STATUS_WORDS,
    plain,
    remedies,
    size_in_words,
    standing_out,
)

if TYPE_CHECKING:
    from rich.console import Console

    from lipaccord.records import Analysis, Evidence, Finding, Segment

MAX_SEGMENTS = 4
MAX_TIMES = 5
SMALLEST_SHOWN = 0.005  # of a share

Row = tuple[str, Text]


def _offset_row(finding: Finding) -> Iterator[Row]:
    offset, interval = finding.details.get("offset_ms"), finding.details.get("offset_interval_ms")
    if offset is None or finding.status == "unrelated":
        return
    spread = "" if interval is None else f", 95% interval {round(interval[0]):+d} to {round(interval[1]):+d} ms"
    yield "offset", Text(f"{round(offset):+d} ms{spread} (+ = the sound comes late)")


def _score_rows(finding: Finding, base_rate: float | None) -> Iterator[Row]:
    if finding.log10_lr is not None and finding.bounds is not None:
        yield from _ratio_rows(finding, finding.log10_lr, finding.bounds, base_rate)
    if finding.score is not None and "limit" in finding.details:
        usual, limit = finding.details["usual"], finding.details["limit"]
        yield "score", Text(f"{finding.score:.2f}; 5% of authentic clips exceed {usual:.2f}, 1% {limit:.2f}")
    elif finding.score is not None:
        yield "score", Text(f"{finding.score:.3g} (larger = more suspicious)")


def _ratio_rows(
    finding: Finding, log10_lr: float, bounds: tuple[float, float], base_rate: float | None
) -> Iterator[Row]:
    """Show the likelihood ratio in numbers and in words, what it compares, and what it means at a base rate."""
    pair = PROPOSITIONS[finding.name]
    most = ", the most that the calibration backs" if finding.details.get("at_bound") else ""
    yield (
        "LR",
        Text(f"{ratio_in_words(log10_lr)} (log10 {log10_lr:+.2f}; bounds {bounds[0]:+.2f} to {bounds[1]:+.2f}){most}"),
    )
    yield "LR", Text(f"in words (ENFSI 2015): {in_words(finding.name, log10_lr)}")
    yield "compares", Text(f"that {pair.suspicious},")
    yield "compares", Text(f"with that {pair.innocent}")
    if base_rate is not None and "reached_by" in finding.details:
        reached = finding.details["reached_by"]
        shares = (reached["suspicious"], reached["innocent"])
        yield "at large", Text(expectation(log10_lr, shares, tuple(reached["groups"]), base_rate))


def _times(times: tuple[float, ...]) -> str:
    return ", ".join(f"{time:.2f}" for time in times[:MAX_TIMES]) + " s"


def _look_rows(finding: Finding, segments: list[Segment]) -> Iterator[Row]:
    """Say where to look: stretches that carry a finding of their own, then single pictures by cue."""
    for segment in segments[:MAX_SEGMENTS]:
        yield "look at", Text(plain(f"{segment.interval}: {segment.summary}"))
    if len(segments) > MAX_SEGMENTS:
        yield "look at", Text(f"{len(segments) - MAX_SEGMENTS} more, in the JSON under segments")
    for cue in finding.cues:
        if cue.frames_s:
            yield "look at", Text(plain(f"the pictures at {_times(cue.frames_s)} (cue {cue.cue}, most telling first)"))


def _sync_rows(finding: Finding, segments: list[Segment]) -> Iterator[Row]:
    said = {reason.text for reason in finding.reasons}
    for cue in finding.cues:
        if cue.score is not None and cue.summary not in said:
            yield "measured", Text(plain(cue.summary))
    yield from _look_rows(finding, segments)


def _cue_rows(finding: Finding, shares: dict[str, float]) -> Iterator[Row]:
    """One line a cue, the largest share first, then those that have none."""
    scores = {cue.cue: cue.score for cue in finding.cues if cue.score is not None}
    if scores:
        yield "cues", Text("spreads off the middle of authentic clips, and what that adds to the score:")
    for name, score in sorted(scores.items(), key=lambda one: -shares.get(one[0], -math.inf)):
        share = f"{shares[name]:+z.2f}" if name in shares else "-"
        yield "cues", Text(plain(f"{name:<10}{score:>+z6.1f}{share:>7}  {CUE_WORDS.get(name, '')}"))
    constant = 0.0 if finding.score is None else finding.score - sum(shares.values())
    if shares and abs(constant) >= SMALLEST_SHOWN:
        yield "cues", Text(f"{'constant':<16}{constant:>+7.2f}")


def _resynthesis_rows(finding: Finding, segments: list[Segment]) -> Iterator[Row]:
    """Show every cue on a line, and sentences and times for those that stand out."""
    shares: dict[str, float] = finding.details.get("shares", {})
    yield from _cue_rows(finding, shares)
    telling = standing_out(finding, shares)
    for cue in telling:
        yield "measured", Text(plain(cue.summary))
    stretches = [(segment, cue) for cue in telling for segment in cue.segments][:MAX_SEGMENTS]
    for segment, cue in stretches:
        yield "look at", Text(plain(f"{segment.interval} ({cue.cue})"))
    if len(segments) > len(stretches):
        yield "look at", Text(f"other stretches: {len(segments) - len(stretches)}, in the JSON under segments")
    for cue in telling:
        if cue.frames_s:
            yield "look at", Text(plain(f"{_times(cue.frames_s)} ({cue.cue})"))


def _finding_rows(finding: Finding, segments: tuple[Segment, ...], base_rate: float | None) -> Iterator[Row]:
    name, meaning = STATUS_WORDS[finding.status]
    colour = "green" if finding.status in QUIET_STATUSES else "red" if finding.status in LOUD_STATUSES else "yellow"
    yield "finding", Text.assemble((name.upper(), f"bold {colour}"), ": ", meaning)
    yield from _offset_row(finding)
    yield from _score_rows(finding, base_rate)
    for reason in finding.reasons:
        yield "because", Text(plain(reason.text))
    for remedy in remedies(finding.reasons):
        yield "remedy", Text(plain(remedy))
    for explanation in finding.explanations:
        yield "innocent?", Text(plain(explanation.text))
    own = [segment for segment in segments if segment.finding == finding.name]
    yield from _resynthesis_rows(finding, own) if finding.name == "resynthesis" else _sync_rows(finding, own)


def _findings_table(analysis: Analysis, base_rate: float | None) -> Table:
    table = Table(box=box.HORIZONTALS, show_header=False, pad_edge=False, expand=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True, style="dim")
    table.add_column(ratio=1, overflow="fold")
    for name, finding in analysis.findings.items():
        table.add_section()
        last = ("", "")
        for label, text in _finding_rows(finding, analysis.segments, base_rate):
            shown = (name if not last[0] else "", label if label != last[1] else "")
            table.add_row(*shown, text)
            last = (name, label)
    return table


def _face_lines(analysis: Analysis) -> Iterator[Text]:
    if not analysis.faces:
        yield Text("none found")
    for face in analysis.faces:
        examined = ", examined" if face.speaking else ""
        yield Text.assemble(
            (plain(face.id) + examined, "bold" if face.speaking else ""),
            f": {face.start_s:.2f}-{face.end_s:.2f} s, located in {face.coverage:.0%} of its frames, "
            f"eyes {face.interocular_px:.0f} pixels apart",
        )


def _unjudged_lines(analysis: Analysis) -> Iterator[Text]:
    """Say which cues abstained, why and what helps, unless the finding has just said so."""
    for finding in analysis.findings.values():
        said = {reason.text for reason in finding.reasons}
        left = [cue for cue in finding.cues if {reason.text for reason in cue.abstained} - said]
        if finding.name == "resynthesis":
            yield from _by_code(left, set(remedies(finding.reasons)))
            continue
        for cue in left:
            reasons = [reason for reason in cue.abstained if reason.text not in said]
            texts, helps = " ".join(reason.text for reason in reasons), "; ".join(remedies(reasons))
            yield Text(plain(f"{cue.cue} ({finding.name}): {texts} (remedy: {helps})"))


def _by_code(cues: list[Evidence], said: set[str]) -> Iterator[Text]:
    """Name all cues that abstained on one line, by code; then each remedy that was not `said`, with its codes."""
    names: dict[str, list[str]] = {}
    codes: dict[str, list[str]] = {}
    for cue in cues:
        code = cue.abstained[0].code.replace("_", " ")
        names.setdefault(code, []).append(cue.cue)
        for_codes = codes.setdefault(cue.abstained[0].remedy, [])
        if code not in for_codes:
            for_codes.append(code)
    if names:
        told = "; ".join(f"{', '.join(of_code)} ({code})" for code, of_code in names.items())
        yield Text(plain(f"resynthesis: {told}"))
    for remedy, for_codes in codes.items():
        if remedy not in said:
            yield Text(plain(f"remedy ({', '.join(for_codes)}): {remedy}"))


def _print_list(console: Console, title: str, lines: list[Text], style: str = "") -> None:
    if not lines:
        return
    console.print(Text(title, style=style or "bold"))
    for line in lines:
        console.print(Padding(line, (0, 0, 0, 2)), style=style, overflow="fold")


def print_analysis(analysis: Analysis, console: Console, base_rate: float | None = None) -> None:
    """Print what was examined, the findings with their reasons, and what could not be judged.

    Parameters
    ----------
    analysis : Analysis
    console : rich.console.Console
    base_rate : float, optional
        Share of all clips that is altered, for saying what the ratios mean among many clips.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    clip = analysis.clip
    console.print(Text(plain(PurePath(clip.path).name), style="bold"), overflow="fold")
    console.print(Text(plain(size_in_words(clip))))
    for note in clip.notes:
        console.print(Text(plain(f"note: {note}"), style="yellow"), overflow="fold")
    console.print(_findings_table(analysis, base_rate))
    _print_list(console, "Faces", list(_face_lines(analysis)))
    _print_list(console, "Could not be judged", list(_unjudged_lines(analysis)))
    _print_list(console, "What this can't tell", [Text(plain(limit)) for limit in analysis.limits], "dim")
    used = " ".join(filter(None, (analysis.bundle.get("name"), analysis.bundle.get("version"))))
    console.print(Text(plain(f"Bundle {used}; settings {analysis.settings_digest}; triage {_triage(analysis)}"), "dim"))


def print_pairs(pairs: dict[str, str], console: Console) -> None:
    """Print values by name, each line of a value on its own and unbroken, so that it can be copied.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    width = max(map(len, pairs))
    for name, value in pairs.items():
        for number, line in enumerate(value.splitlines()):
            label = "" if number else name
            console.print(Text.assemble((f"{label:{width}}", "bold"), f"  {plain(line)}"), soft_wrap=True)


def _triage(analysis: Analysis) -> str:
    return "none" if analysis.triage is None else f"{analysis.triage:.3g}"
