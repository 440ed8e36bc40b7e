"""What every command needs of the console: errors as one line with an exit code, safe outputs, progress.

Results go to standard output, progress and messages to standard error. Whatever goes wrong is one line that begins with
``lipaccord:``.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from lipaccord.errors import BackendMissing, LipAccordError, MediaError

if TYPE_CHECKING:
    from rich.console import Console


class ExitCode(IntEnum):
    """What the exit status says; 0 = it ran, whatever it found."""

    USAGE = 2
    MEDIA = 3
    MISSING = 4
    ROWS = 5
    DIFFERS = 6
    INTERRUPTED = 130
    READER_GONE = 141


def fail(message: str, code: ExitCode) -> NoReturn:
    """End with one line on standard error."""
    from lipaccord.report.wording import plain

    typer.echo(f"lipaccord: {plain(message)}", err=True)
    raise typer.Exit(code)


def drop_output() -> None:
    """Send what is still buffered for standard output nowhere: Python would fail once more when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except io.UnsupportedOperation:
        return  # a stream of a test has no descriptor, and nothing to flush


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what goes wrong into one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks
    try:
        yield
    except MediaError as error:
        fail(str(error), ExitCode.MEDIA)
    except BackendMissing as error:
        fail(str(error), ExitCode.MISSING)
    except LipAccordError as error:
        fail(str(error), ExitCode.USAGE)
    except KeyboardInterrupt:
        fail("interrupted", ExitCode.INTERRUPTED)


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn a failure to write `what` into one line and an exit code."""
    try:
        yield
    except BrokenPipeError:
        drop_output()
        raise typer.Exit(ExitCode.READER_GONE) from None
    except OSError as error:
        drop_output()
        fail(f"{what} can't be written ({error.strerror or error}); name another place", ExitCode.USAGE)


def make_console(*, stderr: bool) -> Console:
    """Return a console that reads no markup and passes a broken pipe on."""
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False)


def check_outputs(outputs: dict[str, Path | None], inputs: list[Path | None]) -> None:
    """Refuse outputs that can't be written or would overwrite an input or one another."""
    from lipaccord.files import check_writable

    taken = [path for path in inputs if path is not None]
    for option, path in outputs.items():
        if path is None:
            continue
        with writing(str(path)):
            check_writable(path)
        if any(_same(path, other) for other in taken):
            fail(f"{option} {path} would overwrite another file of this command; name another place", ExitCode.USAGE)
        taken.append(path)


def _same(first: Path, second: Path) -> bool:
    """Tell whether two paths lead to one regular file, there already or not."""
    try:
        if first.exists() or second.exists():
            return first.is_file() and first.samefile(second)
    except OSError:
        return False  # one of them is missing or can't be looked at
    return first.resolve() == second.resolve()


@contextmanager
def showing_progress(*, shown: bool, announced: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Show progress on standard error: one bar a stage on a terminal, elsewhere one line a stage if `announced`."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = make_console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:

        def update(stage: str, fraction: float) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=1.0)
                if progress.disable and shown and announced:
                    typer.echo(f"lipaccord: {stage}", err=True)
            progress.update(bars[stage], completed=fraction)

        yield update


def complain(lines: Iterable[str]) -> None:
    """Say on standard error what was left out, one line each."""
    from lipaccord.report.wording import plain

    for line in lines:
        typer.echo(f"lipaccord: {plain(line)}", err=True)


def proportion(value: float | None) -> float | None:
    """Check an option that is a share of clips."""
    if value is not None and not 0 < value < 1:
        raise typer.BadParameter(f"{value:g} is no share of clips; give one between 0 and 1, for instance 0.001")
    return value
