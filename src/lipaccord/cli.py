"""The command line: options in, one call, its result out.

Exit codes: see `ExitCode`. Results go to standard output, progress and messages to standard error. Whatever goes
wrong is one line that begins with ``lipaccord:``. What a command needs is imported when it runs, so that
``--help`` loads no model and no numeric library.
"""

from __future__ import annotations

import dataclasses
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from lipaccord.errors import BackendMissing, LipAccordError, MediaError

if TYPE_CHECKING:
    from rich.console import Console

    from lipaccord.records import Analysis
    from lipaccord.settings import Settings

app = typer.Typer(
    help="Do the lips accord with the voice? Examines talking-head clips and shows the evidence.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class ExitCode(IntEnum):
    """What the exit status says; 0 = it ran, whatever it found."""

    USAGE = 2
    MEDIA = 3
    MISSING = 4
    ROWS = 5
    INTERRUPTED = 130
    READER_GONE = 141


def _fail(message: str, code: ExitCode) -> NoReturn:
    from lipaccord.report.terminal import plain

    typer.echo(f"lipaccord: {plain(message)}", err=True)
    raise typer.Exit(code)


def _drop_output() -> None:
    """Send what is still buffered for standard output nowhere: Python would fail once more when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except io.UnsupportedOperation:
        return  # a stream of a test has no descriptor, and nothing to flush


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what goes wrong into one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks
    try:
        yield
    except MediaError as error:
        _fail(str(error), ExitCode.MEDIA)
    except BackendMissing as error:
        _fail(str(error), ExitCode.MISSING)
    except LipAccordError as error:
        _fail(str(error), ExitCode.USAGE)
    except KeyboardInterrupt:
        _fail("interrupted", ExitCode.INTERRUPTED)


@contextmanager
def _writing(what: str) -> Iterator[None]:
    """Turn a failure to write `what` into one line and an exit code."""
    try:
        yield
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(ExitCode.READER_GONE) from None
    except OSError as error:
        _drop_output()
        _fail(f"{what} can't be written ({error.strerror or error}); name another place", ExitCode.USAGE)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False)


def _check_outputs(outputs: dict[str, Path | None], inputs: list[Path | None]) -> None:
    """Refuse outputs that can't be written or would overwrite an input or one another."""
    from lipaccord.files import check_writable

    taken = [path for path in inputs if path is not None]
    for option, path in outputs.items():
        if path is None:
            continue
        with _writing(str(path)):
            check_writable(path)
        if any(_same(path, other) for other in taken):
            _fail(f"{option} {path} would overwrite another file of this command; name another place", ExitCode.USAGE)
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
def _progress(*, shown: bool, announced: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Show progress on standard error: one bar a stage on a terminal, elsewhere one line a stage if `announced`."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = _console(stderr=True)
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


def _settings(path: Path | None, options: Mapping[str, object]) -> Settings:
    """Read the settings; what was given on the command line goes before."""
    from lipaccord.settings import Settings, read_settings

    base = Settings() if path is None else read_settings(path)
    given = {name: value for name, value in options.items() if value is not None}
    return dataclasses.replace(base, **given)  # type: ignore[arg-type]  # typer has checked the types


def _show(analysis: Analysis, json: str | None, *, quiet: bool) -> None:
    from lipaccord.report.json import write_json
    from lipaccord.report.terminal import print_analysis

    if json == "-":
        with _writing("standard output"):
            write_json(analysis, sys.stdout)
    elif json is not None:
        with _writing(json):
            write_json(analysis, Path(json))
    if not quiet:
        with _writing("the table"):
            print_analysis(analysis, _console(stderr=json == "-"))


@app.command()
def analyze(
    clip: Annotated[str, typer.Argument(help="The clip to examine: a media file.")],
    json: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the result as JSON; - is standard output.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings in a TOML file.")] = None,
    landmarks: Annotated[
        str | None, typer.Option(metavar="NAME", help="mediapipe (default), face-alignment or replay.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the weights, for --landmarks face-alignment.")
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Stored landmarks, for --landmarks replay.")
    ] = None,
    save_tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Store the landmarks for an exact repetition.")
    ] = None,
    face: Annotated[
        str | None, typer.Option(metavar="ID", help="Face to examine (face-2); otherwise the one that speaks.")
    ] = None,
    start: Annotated[float | None, typer.Option(metavar="S", help="Examine from this second of the clip on.")] = None,
    end: Annotated[float | None, typer.Option(metavar="S", help="Examine up to this second of the clip.")] = None,
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="Threads to use; the result is the same.")] = 2,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Bundle to use instead of the one that is shipped.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no table and no progress.")] = False,
) -> None:
    """Examine one clip: lips against voice, lower face against the rest."""
    with _plain_errors():
        json_file = None if json is None or json == "-" else Path(json)
        inputs = [Path(clip), settings, tracks]
        _check_outputs({"--json": json_file, "--save-tracks": save_tracks}, inputs)
        options = {"landmarks": landmarks, "face": face, "start_s": start, "end_s": end}
        chosen = _settings(settings, options)
        from lipaccord import pipeline

        with _progress(shown=not quiet) as update:
            analysis = pipeline.analyze(
                clip,
                settings=chosen,
                bundle=bundle,
                weights=weights,
                tracks=tracks,
                save_tracks=save_tracks,
                threads=threads,
                progress=lambda fraction: update("examining", fraction),
            )
        _show(analysis, json, quiet=quiet)


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="Folder of authentic clips.")],
    out: Annotated[Path, typer.Option(metavar="BUNDLE", help="Folder to write the bundle to.")],
    part: Annotated[
        Literal["predictor", "splice", "resynthesis"],
        typer.Option(
            help="The LSTM of the sync finding; the splice networks; or the combination of the resynthesis cues, for "
            "which DATA is what `evaluate --match-encodes` wrote."
        ),
    ] = "predictor",
    configuration: Annotated[
        Literal["lipaccord", "paper"], typer.Option(help="The project's own predictor, or that of the paper.")
    ] = "lipaccord",
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For --part splice: a labelled manifest; its camera originals are used too."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep what was measured here, to resume or to repeat.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed gives the same predictor.")] = 0,
) -> None:
    """Train a part of a bundle from a folder of authentic clips."""
    with _plain_errors():
        from lipaccord.files import check_folder

        with _writing(str(out)):
            check_folder(next(folder for folder in out.resolve().parents if folder.exists()))
        with _writing(f"{out} or the cache"), _progress(shown=True, announced=True) as update:
            if part == "splice":
                from lipaccord.splice_training import train_splicer

                train_splicer(data, out, manifest=manifest, cache=cache, seed=seed, progress=update)
            elif part == "resynthesis":
                from lipaccord.combination_training import train_combination

                train_combination(data, out)
            else:
                from lipaccord import training

                training.train(data, out, configuration=configuration, cache=cache, seed=seed, progress=update)


@app.command()
def evaluate(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST.csv", help="Labelled clips: path,mouth,sound,method,group,pair.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for figures and for what is kept of each clip.")],
    match_encodes: Annotated[
        bool,
        typer.Option("--match-encodes", help="Give authentic clips the encodes that synthesised ones went through."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Clips at a time; one for each processor if not given.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Bundle to use instead of the one that is shipped.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Take the first N clips of each method only: for a trial.")
    ] = None,
    end: Annotated[float | None, typer.Option(metavar="S", help="Examine each clip up to this second only.")] = None,
) -> None:
    """Judge every score on labelled clips; runs again from where it stopped."""
    with _plain_errors():
        from lipaccord.report.evaluation import print_evaluation
        from lipaccord.report.terminal import plain

        chosen = _settings(None, {"end_s": end})
        from lipaccord import evaluation

        with _writing(str(out)), _progress(shown=True, announced=True) as update:
            result = evaluation.evaluate(
                manifest,
                out,
                match_encodes=match_encodes,
                processes=jobs,
                bundle=bundle,
                limit=limit,
                settings=chosen,
                progress=update,
            )
        for line in result["left_out"]:
            typer.echo(f"lipaccord: {plain(line)}", err=True)
        with _writing("the table"):
            print_evaluation(result, _console(stderr=False))
        if result["left_out"]:
            raise typer.Exit(ExitCode.ROWS)


@app.command()
def simulate(
    clip: Annotated[str, typer.Argument(help="The authentic clip: a media file.")],
    kind: Annotated[str, typer.Option(metavar="K", help="What to do, for instance blur, median, retime or shift.")],
    out: Annotated[Path, typer.Option(metavar="OUT.mp4", help="The clip to write; the truth goes to OUT.json.")],
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed gives the same clip.")] = 0,
    strength: Annotated[float | None, typer.Option(metavar="X", help="How strongly, in the unit of the kind.")] = None,
    begin: Annotated[float | None, typer.Option("--from", metavar="S", help="Manipulate from this second on.")] = None,
    until: Annotated[float | None, typer.Option("--to", metavar="S", help="Manipulate up to this second.")] = None,
    mask: Annotated[
        Literal["mouth", "lower_face", "face"] | None, typer.Option(help="Where in the face, if not as usual.")
    ] = None,
    face: Annotated[str | None, typer.Option(metavar="ID", help="Face to manipulate; otherwise the largest.")] = None,
    start: Annotated[float | None, typer.Option(metavar="S", help="Take the clip from this second on.")] = None,
    end: Annotated[float | None, typer.Option(metavar="S", help="Take the clip up to this second.")] = None,
    crf: Annotated[int, typer.Option(metavar="N", min=0, max=51, help="Constant rate factor of the encoder.")] = 18,
    control: Annotated[
        Path | None, typer.Option(metavar="CONTROL.mp4", help="Write the clip without the manipulation too.")
    ] = None,
    other: Annotated[
        Path | None, typer.Option(metavar="CLIP2", help="Clip whose sound is put in, for replace and splice.")
    ] = None,
) -> None:
    """Make a clip with a known manipulation, and the truth about it."""
    with _plain_errors():
        _check_outputs({"--out": out, "the truth": out.with_suffix(".json"), "--control": control}, [Path(clip), other])
        from lipaccord import simulate as room

        plan = room.Plan(kind, seed, strength, begin, until, mask, face)
        with _writing(f"{out} or the control"), _progress(shown=True) as update:
            room.simulate(
                clip,
                out,
                plan,
                start_s=start,
                end_s=end,
                crf=crf,
                control=control,
                other=other,
                progress=lambda fraction: update("reading", fraction),
            )


@app.command("self-test")
def self_test(
    clip: Annotated[str, typer.Argument(help="An authentic clip of your own: a media file.")],
    kinds: Annotated[
        str | None, typer.Option(metavar="K,K,...", help="Manipulations to test, for instance blur,median.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed gives the same result.")] = 0,
    face: Annotated[str | None, typer.Option(metavar="ID", help="Face to test; otherwise the largest.")] = None,
    start: Annotated[float | None, typer.Option(metavar="S", help="Take the clip from this second on.")] = None,
    end: Annotated[float | None, typer.Option(metavar="S", help="Take the clip up to this second.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Bundle to use instead of the one that is shipped.")
    ] = None,
) -> None:
    """Find out which manipulations could have been seen in this clip."""
    with _plain_errors():
        from lipaccord import selftest
        from lipaccord.report.selftest import print_self_test

        with _progress(shown=True, announced=True) as update:
            result = selftest.self_test(
                clip,
                kinds=None if kinds is None else kinds.split(","),
                seed=seed,
                face=face,
                start_s=start,
                end_s=end,
                bundle=bundle,
                progress=update,
            )
        with _writing("the table"):
            print_self_test(result, _console(stderr=False))


@app.command()
def info() -> None:
    """Show versions, the default bundle, models and landmark backends."""
    with _plain_errors():
        from lipaccord.inventory import inventory
        from lipaccord.report.terminal import print_pairs

        pairs = inventory()
        with _writing("the table"):
            print_pairs(pairs, _console(stderr=False))
