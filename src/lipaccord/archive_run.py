"""`lipaccord archive score`: progress, log and interruption of a run; what it does is in `archive.scoring`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from lipaccord.archive.runlog import Rate, RunLog, in_words
from lipaccord.console import ExitCode, complain, make_console, plain_errors

if TYPE_CHECKING:
    from lipaccord.archive.records import Gist, Turn
    from lipaccord.archive.scoring import Order, Summary

SAY_EVERY_S = 60.0
"""Where there is no terminal, a line of progress comes no more often."""


class _Telling:
    """Tells people and the log how a run goes."""

    def __init__(self, log: RunLog, update: Callable[[str, float], None], *, lines: bool) -> None:
        self._log = log
        self._update = update
        self._lines = lines
        self._said_s = time.monotonic()
        self.rate = Rate(0)
        self.footage_s = 0.0

    def listed(self, clips: int) -> None:
        self._update(f"listing: {clips:,} clips", 0.0)

    def begins(self, waiting: int, done: int, workers: str) -> None:
        self.rate = Rate(waiting + done, done)
        self._log.event("begin", waiting=waiting, done=done, workers=workers)
        self.says(f"{waiting:,} clips to examine, {done:,} done before; {workers}")

    def turn(self, name: str, turn: Turn) -> None:
        assert turn.gist is not None
        self._log.event("turn", clip=name, start_s=turn.start_s, end_s=turn.end_s, status=turn.gist.status)

    def clip(self, name: str, gist: Gist, workers: int) -> None:
        self.rate.add(gist.footage_s, failed=gist.status == "failed")
        self.footage_s += gist.footage_s
        told = {"error": gist.error, "message": gist.message} if gist.error else {"triage": gist.triage}
        self._log.event("clip", clip=name, status=gist.status, seconds=round(gist.work_s, 3), **told)
        status = self.rate.status(workers)
        self._update(status, self.rate.done / max(1, self.rate.total))
        if self._lines and time.monotonic() - self._said_s >= SAY_EVERY_S:
            self._said_s = time.monotonic()
            complain([status])

    def says(self, line: str) -> None:
        self._log.event("note", text=line)
        complain([line])


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C, or a request to end, stop the run in order, and the second end it at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        typer.echo("lipaccord: stopping; what is done is kept", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def showing_status(*, shown: bool) -> Iterator[Callable[[str, float], None]]:
    """Show one line of progress whose words change."""
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(*columns, console=make_console(stderr=True), transient=True, disable=not shown) as progress:
        bar = progress.add_task("", total=1.0)
        yield lambda words, fraction: progress.update(bar, description=words, completed=fraction)


def in_lines(summary: Summary, elapsed_s: float, footage_s: float, db: Path) -> Iterator[str]:
    """Say in plain words how a run ended."""
    counts = {name: summary.counts.get(name, 0) for name in ("examined", "not_examinable", "failed", "waiting")}
    total = sum(counts.values())
    if not summary.new and not summary.interrupted:
        yield (
            f"Nothing to do: all of the {total:,} clips have their outcome already." if total else "There are no clips."
        )
    else:
        speed = f"; {footage_s / 3600:.2f} h of footage, {footage_s / elapsed_s:.1f} s a second" if footage_s else ""
        yield f"{summary.new:,} clips got their outcome in {in_words(elapsed_s)}{speed}."
    named = {"examined": "examined", "not_examinable": "not examinable", "failed": "failed", "waiting": "still waiting"}
    yield "; ".join(f"{counts[name]:,} {words}" for name, words in named.items() if counts[name] or name == "examined")
    if summary.passed_over:
        others = (f"{count:,} {kind or 'without a suffix'}" for kind, count in sorted(summary.passed_over.items()))
        yield f"Passed over, no clips by their names: {', '.join(others)}"
    if summary.interrupted:
        yield "Interrupted: the same command goes on from here."
    if counts["failed"]:
        yield f"Why clips failed: lipaccord archive stats {db}; once more: the same command with --retry"


def _run(order: Order, db: Path, *, log: Path | None, quiet: bool) -> ExitCode | None:
    """Score, tell how it goes, and return the exit code; None where all went well.

    Raises
    ------
    LipAccordError
        As for `archive.scoring.score`, or the log can't be written.
    """
    from lipaccord.archive.scoring import score

    stop, started = threading.Event(), time.monotonic()
    terminal = make_console(stderr=True).is_terminal
    with ExitStack() as stack:
        lines = stack.enter_context(RunLog(log))
        update = stack.enter_context(showing_status(shown=not quiet and terminal))
        stack.enter_context(stopping(stop))
        telling = _Telling(lines, update, lines=not quiet and not terminal)
        summary = score(order, db, telling, stop)
        elapsed = time.monotonic() - started
        lines.event("end", counts=summary.counts, new=summary.new, interrupted=summary.interrupted, seconds=elapsed)
    if not quiet:
        for line in in_lines(summary, elapsed, telling.footage_s, db):
            typer.echo(line)
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.ROWS if summary.counts.get("failed") else None


def score(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Folders, globs, lists (.csv, .parquet), clips, or URLs of fsspec."),
    ],
    db: Annotated[Path, typer.Option("--db", metavar="ARCHIVE.db", help="The store; made where there is none.")],
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Clips at a time; one for each processor if not given.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Use the workers of a Dask scheduler: tcp://host:8786, or local:N."),
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(metavar="S", min=5, help="Examine no more than this of each recording, spread over its turns."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try clips that failed once more.")] = False,
    clip_seconds: Annotated[
        float, typer.Option(metavar="S", min=1, help="Stop work on a clip, or a turn of it, after this long.")
    ] = 1800.0,
    clip_memory: Annotated[
        int, typer.Option(metavar="MB", min=256, help="Stop work on a clip, or a turn of it, that needs more memory.")
    ] = 4096,
    settings: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings in a TOML file.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Bundle to use instead of the one that is shipped.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add a log to this file, one JSON object a line; - is stderr.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress and no summary.")] = False,
) -> None:
    """Examine every clip of the sources, one row each; run again, it goes on from where it stopped."""
    with plain_errors():
        from lipaccord.archive.records import Limits
        from lipaccord.archive.scoring import Order
        from lipaccord.settings import Settings, read_settings

        order = Order(
            sources=tuple(sources),
            settings=Settings() if settings is None else read_settings(settings),
            bundle=bundle,
            max_seconds=max_seconds,
            failed_too=retry,
            limits=Limits(clip_seconds, clip_memory),
            processes=jobs,
            dask=dask,
        )
        code = _run(order, db, log=log, quiet=quiet)
    if code is not None:
        raise typer.Exit(code)
