"""The command line: options in, one call, its result out.

Exit codes and messages: see `console`. What a command needs is imported when it runs, so that ``--help`` loads no model
and no numeric library.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lipaccord import archive_cli, source_cli
from lipaccord.console import (
    ExitCode,
    check_outputs,
    complain,
    fail,
    make_console,
    plain_errors,
    proportion,
    showing_progress,
    writing,
)

if TYPE_CHECKING:
    from lipaccord.records import Analysis, Examination
    from lipaccord.settings import Settings

app = typer.Typer(
    help="Do the lips accord with the voice? Examines talking-head clips and shows the evidence.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(archive_cli.app, name="archive")
app.command()(source_cli.index)
app.command()(source_cli.match)


BaseRate = Annotated[
    float | None,
    typer.Option(
        "--base-rate",
        "--prior",
        metavar="P",
        callback=proportion,
        help="Share of all clips that is altered, 0 to 1: says in expected numbers what the ratios mean there.",
    ),
]


def _settings(path: Path | None, options: Mapping[str, object]) -> Settings:
    """Read the settings; what was given on the command line goes before."""
    from lipaccord.settings import Settings, read_settings

    base = Settings() if path is None else read_settings(path)
    given = {name: value for name, value in options.items() if value is not None}
    return dataclasses.replace(base, **given)  # type: ignore[arg-type]  # typer has checked the types


def _keep(analysis: Analysis, json: str | None) -> None:
    """Write the analysis first: whatever fails after it, the examination is not lost."""
    from lipaccord.report.json import write_json

    if json == "-":
        with writing("standard output"):
            write_json(analysis, sys.stdout)
    elif json is not None:
        with writing(json):
            write_json(analysis, Path(json))


def _print(analysis: Analysis, base_rate: float | None, *, stderr: bool) -> None:
    from lipaccord.report.terminal import print_analysis

    with writing("the table"):
        print_analysis(analysis, make_console(stderr=stderr), base_rate)


@dataclasses.dataclass(frozen=True)
class _Views:
    """What people look at: a report, and a clip with the findings burnt in."""

    report: Path | None
    assets: Path | None
    embed_video: bool
    annotated: Path | None

    def check(self) -> None:
        """Refuse before the examination what can't be made after it."""
        if self.report is None and (self.assets is not None or self.embed_video):
            fail("--report-assets and --embed-video go with --report; add it", ExitCode.USAGE)
        if self.report is not None:
            from lipaccord.reporting import check_report

            check_report(self.report, self.assets, embed_video=self.embed_video)

    def write(
        self, examination: Examination, base_rate: float | None, threads: int, update: Callable[[str, float], None]
    ) -> None:
        if self.report is not None:
            from lipaccord.reporting import write_report

            with writing(f"{self.report} or its folder"):
                write_report(
                    examination,
                    self.report,
                    assets=self.assets,
                    embed_video=self.embed_video,
                    base_rate=base_rate,
                    threads=threads,
                    progress=lambda fraction: update("making the viewing copy", fraction),
                )
        if self.annotated is not None:
            from lipaccord.annotating import annotate

            clip, progress = examination.analysis.clip.path, lambda fraction: update("annotating", fraction)
            with writing(str(self.annotated)):
                annotate(clip, examination, self.annotated, threads=threads, progress=progress)


@app.command()
def analyze(
    clip: Annotated[str, typer.Argument(help="The clip to examine: a media file.")],
    json: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the result as JSON; - is standard output.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="PATH.html", help="Write a report with the evidence; PATH.pdf needs Chromium."),
    ] = None,
    report_assets: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the report's pictures in this folder instead of in the page."),
    ] = None,
    embed_video: Annotated[
        bool, typer.Option("--embed-video", help="Put a viewing copy into the report instead of a link to the clip.")
    ] = False,
    annotated: Annotated[
        Path | None,
        typer.Option("--annotate", metavar="OUT.mp4", help="Write a viewing copy with outlines and findings in it."),
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
    base_rate: BaseRate = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no table and no progress.")] = False,
) -> None:
    """Examine one clip: lips against voice, lower face against the rest."""
    with plain_errors():
        json_file = None if json is None or json == "-" else Path(json)
        outputs = {"--json": json_file, "--save-tracks": save_tracks, "--report": report, "--annotate": annotated}
        check_outputs(outputs, [Path(clip), settings, tracks])
        chosen = _settings(settings, {"landmarks": landmarks, "face": face, "start_s": start, "end_s": end})
        views = _Views(report, report_assets, embed_video, annotated)
        views.check()
        from lipaccord import pipeline

        with showing_progress(shown=not quiet) as update:
            examination = pipeline.examine(
                clip,
                settings=chosen,
                bundle=bundle,
                weights=weights,
                tracks=tracks,
                save_tracks=save_tracks,
                threads=threads,
                progress=lambda fraction: update("examining", fraction),
            )
            _keep(examination.analysis, json)
            views.write(examination, base_rate, threads, update)
        if not quiet:
            _print(examination.analysis, base_rate, stderr=json == "-")


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
    with plain_errors():
        from lipaccord.files import check_folder

        with writing(str(out)):
            check_folder(next(folder for folder in out.resolve().parents if folder.exists()))
        with writing(f"{out} or the cache"), showing_progress(shown=True, announced=True) as update:
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
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Examine every clip once more after each of many treatments.")
    ] = False,
    treatments: Annotated[
        str | None,
        typer.Option(metavar="K,K,...", help="Names or families of treatments for --robustness; otherwise all."),
    ] = None,
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
    base_rate: BaseRate = None,
) -> None:
    """Judge every score on labelled clips; runs again from where it stopped."""
    with plain_errors():
        from lipaccord.report.evaluation import print_evaluation

        chosen = _settings(None, {"end_s": end})
        from lipaccord import evaluation
        from lipaccord.treatments import named_treatments

        if treatments is not None and not robustness:
            fail("--treatments goes with --robustness; add it", ExitCode.USAGE)
        with writing(str(out)), showing_progress(shown=True, announced=True) as update:
            result = evaluation.evaluate(
                manifest,
                out,
                match_encodes=match_encodes,
                treatments=named_treatments(treatments) if robustness else (),
                processes=jobs,
                bundle=bundle,
                limit=limit,
                settings=chosen,
                progress=update,
            )
        complain(result["left_out"])
        with writing("the table"):
            print_evaluation(result, make_console(stderr=False), base_rate)
        if result["left_out"]:
            raise typer.Exit(ExitCode.ROWS)


@app.command()
def calibrate(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST.csv", help="Labelled clips: path,mouth,sound,method,group,pair.")
    ],
    out: Annotated[Path, typer.Option(metavar="BUNDLE", help="Folder to write the calibrated bundle to.")],
    work: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep what is measured here, as an evaluation does; beside BUNDLE if not given."
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the card says of the footage, and what it is not for.")
    ] = None,
    finding: Annotated[
        Literal["sync", "resynthesis"] | None,
        typer.Option(help="Calibrate this finding only and keep the other's calibration."),
    ] = None,
    as_they_came: Annotated[
        bool, typer.Option("--as-they-came", help="Do not give authentic clips the encodes of synthesised ones.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Clips at a time; one for each processor if not given.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Bundle whose other parts are kept; else the one that is shipped."),
    ] = None,
    end: Annotated[float | None, typer.Option(metavar="S", help="Examine each clip up to this second only.")] = None,
) -> None:
    """Make likelihood ratios of the scores, on labelled footage of your own."""
    with plain_errors():
        from lipaccord.files import check_folder
        from lipaccord.report.calibration import print_calibrations

        with writing(str(out)):
            check_folder(next(folder for folder in out.resolve().parents if folder.exists()))
        chosen = _settings(None, {"end_s": end})
        from lipaccord import calibrating

        with writing(str(out)), showing_progress(shown=True, announced=True) as update:
            made, left_out = calibrating.calibrate_bundle(
                manifest,
                out,
                work=work,
                note=note,
                finding=finding,
                match_encodes=not as_they_came,
                processes=jobs,
                bundle=bundle,
                settings=chosen,
                progress=update,
            )
        complain(left_out)
        with writing("the table"):
            print_calibrations(made, make_console(stderr=False))
        if left_out:
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
    with plain_errors():
        check_outputs({"--out": out, "the truth": out.with_suffix(".json"), "--control": control}, [Path(clip), other])
        from lipaccord import simulate as room

        plan = room.Plan(kind, seed, strength, begin, until, mask, face)
        with writing(f"{out} or the control"), showing_progress(shown=True) as update:
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
    with plain_errors():
        from lipaccord import selftest
        from lipaccord.report.selftest import print_self_test

        with showing_progress(shown=True, announced=True) as update:
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
        with writing("the table"):
            print_self_test(result, make_console(stderr=False))


@app.command()
def verify(
    report: Annotated[Path, typer.Argument(help="What `analyze` wrote: JSON or HTML.")],
    clip: Annotated[Path, typer.Argument(help="The clip that it speaks of; its name may differ.")],
    json: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="Write the outcome as JSON; - is standard output.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Bundle that the report was made with, if not the shipped one.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the weights, for a report by face-alignment.")
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Stored landmarks, for a report by replay.")
    ] = None,
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="Threads to use; the result is the same.")] = 2,
    timestamp_request: Annotated[
        Path | None,
        typer.Option(metavar="OUT.tsq", help="Write a request to time-stamp the report (RFC 3161); it is not sent."),
    ] = None,
    c2pa: Annotated[bool, typer.Option("--c2pa", help="Sum up the clip's C2PA manifest, if it has one.")] = False,
) -> None:
    """Find out whether a report is unchanged and its analysis comes out again."""
    with plain_errors():
        json_file = None if json is None or json == "-" else Path(json)
        check_outputs({"--json": json_file, "--timestamp-request": timestamp_request}, [report, clip, tracks])
        from lipaccord import provenance, verifying
        from lipaccord.files import write_bytes
        from lipaccord.report import verification as shown

        request = provenance.timestamp_request(verifying.report_bytes(report)) if timestamp_request else None
        extra = {"c2pa": provenance.read_c2pa(clip)} if c2pa else {}
        with showing_progress(shown=True) as update:
            result = verifying.verify(
                report,
                clip,
                bundle=bundle,
                weights=weights,
                tracks=tracks,
                threads=threads,
                progress=lambda fraction: update("repeating the analysis", fraction),
            )
        if json is not None:
            with writing("standard output" if json == "-" else json):
                shown.write_verification(result, sys.stdout if json_file is None else json_file, extra)
        console = make_console(stderr=json == "-")
        with writing("the table"):
            shown.print_verification(result, console)
            if c2pa:
                shown.print_manifest(extra["c2pa"], console)
        if timestamp_request is not None and request is not None:
            with writing(str(timestamp_request)):
                write_bytes(timestamp_request, request)
            with writing("the table"):
                shown.print_request(timestamp_request, report, console)
        if not result.reproduced:
            raise typer.Exit(ExitCode.DIFFERS)


@app.command()
def info() -> None:
    """Show versions, the default bundle, models and landmark backends."""
    with plain_errors():
        from lipaccord.inventory import inventory
        from lipaccord.report.terminal import print_pairs

        pairs = inventory()
        with writing("the table"):
            print_pairs(pairs, make_console(stderr=False))
