"""The commands ``lipaccord index`` and ``lipaccord match``: options in, one call, its result out.

Exit codes and messages: see `console`. What a command needs is imported when it runs.
"""

from __future__ import annotations

import json as jsons
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipaccord.archive.runlog import Rate, in_words
from lipaccord.archive_run import SAY_EVERY_S, showing_status, stopping
from lipaccord.console import ExitCode, check_outputs, complain, make_console, plain_errors, writing
from lipaccord.source.wording import (
    NAMED,
    STATUS,
    WORDS,
    edits_in_words,
    full,
    recording_name,
    reused_in_words,
    sound_in_words,
)

if TYPE_CHECKING:
    from lipaccord.archive.records import Trouble
    from lipaccord.source.finding import Candidate, SourceFinding
    from lipaccord.source.indexing import Order, Summary

SCHEMA = "lipaccord/match/1"

IndexOption = Annotated[Path, typer.Option("--index", metavar="DIR", help="Folder of the index.")]


class _Telling:
    """Tells people how a run goes."""

    def __init__(self, update: Callable[[str, float], None], *, quiet: bool, lines: bool) -> None:
        self._update, self._quiet, self._lines = update, quiet, lines
        self._said_s = time.monotonic()
        self._rate = Rate(0)

    def listed(self, sources: int) -> None:
        self._update(f"listing: {sources:,} sources", 0.0)

    def begins(self, waiting: int, done: int, workers: str) -> None:
        self._rate = Rate(waiting + done, done)
        self.says(f"{waiting:,} sources to sign, {done:,} done before; {workers}")

    def source(self, name: str, status: str, trouble: Trouble | None, workers: int) -> None:
        from lipaccord.archive.urls import public_name

        self._rate.add(failed=status == "failed")
        if trouble is not None:
            complain([f"{public_name(name)}: {trouble}"])
        elif status != "signed":
            complain([f"{public_name(name)}: {WORDS[status]}"])
        words = self._rate.status(workers)
        self._update(words, self._rate.done / max(1, self._rate.total))
        if self._lines and time.monotonic() - self._said_s >= SAY_EVERY_S:
            self._said_s = time.monotonic()
            complain([words])

    def says(self, line: str) -> None:
        if not self._quiet:
            complain([line])


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"


def in_lines(summary: Summary, elapsed_s: float) -> Iterator[str]:
    """Say in plain words how a run ended."""
    from lipaccord.archive.urls import public_name

    if summary.new or summary.interrupted:
        yield f"{summary.new:,} sources got their outcome in {in_words(elapsed_s)}."
    else:
        yield "Nothing to do: all sources have their outcome already." if summary.counts else "There are no sources."
    yield "; ".join(f"{summary.counts[name]:,} {words}" for name, words in WORDS.items() if summary.counts.get(name))
    if summary.passed_over:
        others = (f"{count:,} {kind or 'without a suffix'}" for kind, count in sorted(summary.passed_over.items()))
        yield f"Passed over, no clips by their names: {', '.join(others)}"
    for uri, state in summary.astray[:NAMED]:
        yield f"{state} since it was signed: {public_name(uri)}"
    if len(summary.astray) > NAMED:
        yield f"and {len(summary.astray) - NAMED:,} more that are gone or changed since they were signed"
    whole = summary.signature_bytes + summary.neighbour_bytes
    each = f"; {_size(whole / summary.hours)} an hour" if summary.hours else ""
    yield (
        f"The index holds {summary.hours:.2f} hours of faces in {_size(whole)} (signatures "
        f"{_size(summary.signature_bytes)}, for the search {_size(summary.neighbour_bytes)}){each}."
    )
    if summary.interrupted:
        yield "Interrupted: the same command goes on from here."


def _run(order: Order, folder: Path, *, quiet: bool) -> ExitCode | None:
    from lipaccord.report.wording import plain
    from lipaccord.source.indexing import build

    stop, started = threading.Event(), time.monotonic()
    terminal = make_console(stderr=True).is_terminal
    with ExitStack() as stack:
        update = stack.enter_context(showing_status(shown=not quiet and terminal))
        stack.enter_context(stopping(stop))
        summary = build(order, folder, _Telling(update, quiet=quiet, lines=not quiet and not terminal), stop)
    if not quiet:
        for line in in_lines(summary, time.monotonic() - started):
            typer.echo(plain(line))
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.ROWS if summary.counts.get("failed") else None


def index(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Folders, globs, lists (.csv, .parquet), clips, or URLs of fsspec."),
    ],
    folder: IndexOption,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Clips at a time; one for each processor if not given.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Use the workers of a Dask scheduler: tcp://host:8786, or local:N."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress and no summary.")] = False,
) -> None:
    """Sign the faces of authentic recordings, for `match`; run again, it goes on from where it stopped."""
    with plain_errors():
        from lipaccord.source.indexing import Order

        code = _run(Order(tuple(sources), jobs, dask), folder, quiet=quiet)
    if code is not None:
        raise typer.Exit(code)


def candidate_lines(candidate: Candidate) -> Iterator[str]:
    """Say in plain words how a clip lies in a recording."""
    from lipaccord.archive.urls import public_name

    alignment = candidate.alignment
    yield f"{'Match' if candidate.is_match else 'No match'}: {recording_name(candidate)}"
    for uri, state in candidate.places:
        if state in {"gone", "changed"}:
            yield f"  {state} since it was signed: {public_name(uri)}; to compare the pictures, put the file back"
    first = alignment.stretches[0]
    mirrored = ", mirrored" if alignment.mirrored else ""
    yield (
        f"  {candidate.query_face} at {first.start_s:.2f} s is {candidate.face} at {first.source_start_s:.2f} s; "
        f"{alignment.covered:.0%} of its frames{mirrored}"
    )
    for line in edits_in_words(alignment):
        yield f"  {line}"
    looks = ", ".join(f"{name} {share:.0%}" for name, share in alignment.looks.items())
    yield f"  {sound_in_words(alignment.sound)}" + (f"; bits of the pictures that differ: {looks}" if looks else "")
    seen = candidate.pictures
    pictures = "" if seen is None else f", the pictures agree best at this moment in {seen.hits:.0%} of the frames"
    yield (
        f"  strength {alignment.strength:.0f}{pictures}; so good a false match is expected "
        f"{candidate.expected_false:.1g} times in a search of this index"
    )


def finding_lines(finding: SourceFinding) -> Iterator[str]:
    """Say in plain words what a search found."""
    yield STATUS[finding.status]
    for reason in finding.reasons:
        yield " ".join(full(text) for text in (reason.text, reason.remedy) if text)
    searched = finding.searched
    yield (
        f"Searched: {searched.recordings:,} recordings, {searched.hours:.2f} hours of faces"
        + "".join(f"; {count:,} {WORDS[name]}" for name, count in searched.without.items())
        + "."
    )
    for uri, state in searched.astray[:NAMED]:
        yield f"  {state} since it was signed: {uri}"
    yield from reused_in_words(finding.reused)
    if finding.exhibit:
        yield from _exhibit_lines(finding.exhibit)
    for candidate in finding.candidates:
        yield from candidate_lines(candidate)


def _exhibit_lines(made: Mapping[str, Any]) -> Iterator[str]:
    """Say in plain words how the pictures of the two differ."""
    if made["statistic"] is None:
        return
    times = 10 ** made["statistic"]
    usual = 10 ** made["limit"]
    yield (
        f"Side by side, less what the encodes explain: the lower face differs {times:.2f} times as much as the upper "
        f"one (unaltered copies: up to {usual:.2f} times), in {made['share_altered']:.0%} of the frames."
    )
    if made["p"] is not None:
        yield f"  p = {made['p']:.2g}: so often one of {made['copies']} unaltered copies would give as much, or more."
    for segment in made["segments"]:
        yield f"  altered: {segment['start_s']:.2f}-{segment['end_s']:.2f} s"


def _result(clip: str, part: tuple[float | None, float | None], sha256: str, finding: SourceFinding) -> dict[str, Any]:
    import lipaccord

    return {
        "schema": SCHEMA,
        "clip": {"path": clip, "sha256": sha256, "start_s": part[0], "end_s": part[1]},
        "findings": {"source": finding.to_values()},
        "version": lipaccord.__version__,
    }


def match(
    clip: Annotated[str, typer.Argument(help="The clip whose source is looked for: a media file.")],
    folder: IndexOption,
    json: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the result as JSON; - is standard output.")
    ] = None,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Candidates to show for each face.")] = 5,
    start: Annotated[float | None, typer.Option(metavar="S", help="Begin here.")] = None,
    end: Annotated[float | None, typer.Option(metavar="S", help="End here.")] = None,
    exhibit: Annotated[
        Path | None,
        typer.Option(metavar="OUT.mp4", help="Write clip, source and difference side by side, as a viewing copy."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="OUT.html", help="Write a page with the finding, and clip and source to compare."),
    ] = None,
) -> None:
    """Find the recording from which a clip was made, and show what was altered in the mouth."""
    with plain_errors():
        from lipaccord.report.wording import plain
        from lipaccord.source.answering import answer
        from lipaccord.source.catalogue import NAME
        from lipaccord.source.presenting import check_page, write_page

        outputs = {"--json": None if json in {None, "-"} else Path(str(json)), "--exhibit": exhibit, "--report": report}
        if report is not None:
            check_page(report)
        check_outputs(outputs, [Path(clip), folder / NAME])
        with writing(str(exhibit)):
            found = answer(clip, folder, start_s=start, end_s=end, most=number, viewing_copy=exhibit, threads=2)
        finding = found.finding
        result = _result(clip, (start, end), found.sha256, finding)
        if json is not None:
            _write(json, jsons.dumps(result, indent=1, allow_nan=False) + "\n")
        if report is not None:
            with writing(str(report)):
                write_page(found, result, report, folder, threads=2)
        if json != "-":
            with writing("the result"):
                for line in finding_lines(finding):
                    typer.echo(plain(line))


def _write(json: str, text: str) -> None:
    from lipaccord.files import write_text

    with writing("standard output" if json == "-" else json):
        if json == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            write_text(Path(json), text)
