"""The commands ``lipaccord archive ...``: options in, one call, its result out.

Exit codes and messages: see `console`. What a command needs is imported when it runs.
"""

from __future__ import annotations

import dataclasses
import json as jsons
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lipaccord.archive_run import score
from lipaccord.console import ExitCode, check_outputs, complain, fail, make_console, plain_errors, proportion, writing

if TYPE_CHECKING:
    from lipaccord.archive.filters import Filter
    from lipaccord.archive.store import Store

app = typer.Typer(
    help="Score an archive of clips, and find those to look at first.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(score)

Db = Annotated[Path, typer.Argument(metavar="DB", help="The store that `archive score` wrote.")]
MethodOption = Annotated[
    str | None,
    typer.Option("--method", metavar="DIGEST", help="By this method: the beginning will do. Otherwise the newest."),
]
Json = Annotated[
    str | None, typer.Option("--json", metavar="PATH", help="Write the result as JSON; - is standard output.")
]
StatusOption = Annotated[
    Literal["examined", "not_examinable", "failed", "waiting"] | None,
    typer.Option("--status", help="Clips with this outcome."),
]
SyncOption = Annotated[
    str | None, typer.Option("--sync", metavar="STATUS", help="Clips with this sync status: unrelated, offset, ...")
]
ResynthesisOption = Annotated[
    str | None,
    typer.Option("--resynthesis", metavar="STATUS", help="Clips with this resynthesis status: resynthesised, ..."),
]
SpeakerOption = Annotated[str | None, typer.Option("--speaker", metavar="NAME", help="Clips of this speaker.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="DATE", help="Clips from this date on: 2020, 2020-05 or 2020-05-31.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="DATE", help="Clips up to this date; 2020 takes in the whole year.")
]
CueOption = Annotated[str | None, typer.Option("--cue", metavar="CUE", help="Clips in which this cue stands out.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="CODE", help="Clips that lack this: no_face, too_small, ...")
]
ErrorOption = Annotated[
    str | None, typer.Option("--error", metavar="CLASS", help="Clips that failed by this: TimeLimit, ...")
]
TextOption = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Clips with this in their name.")]
VerdictOption = Annotated[
    Literal["confirm", "dismiss", "unsure", "undecided"] | None,
    typer.Option("--decided", help="Clips on which people decided this."),
]
LeastOption = Annotated[
    float | None, typer.Option("--least-triage", metavar="X", help="Clips with at least this triage.")
]


_MOST_COUNTED = 10_000
"""Clips behind those that are shown; counting on takes longer than finding those."""


def _at_most(clips: int) -> str:
    return f"{clips:,}" if clips <= _MOST_COUNTED else f"more than {_MOST_COUNTED:,}"


def _filter(**given: Any) -> Filter:
    from lipaccord.archive.filters import Filter

    return Filter(**given)


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its lists as lists, and its name as it may be shown."""
    from lipaccord.archive.urls import public_name

    values = dict(row)
    for name in ("reasons", "cues"):
        if isinstance(values.get(name), str):
            values[name] = jsons.loads(values[name])
    if isinstance(values.get("carried"), str):
        values["carried"] = jsons.loads(values["carried"])
    return values | {"name": public_name(values["name"])}


def _check_json(json: str | None, db: Path) -> None:
    check_outputs({"--json": None if json in {None, "-"} else Path(str(json))}, [db])


def _write(json: str, text: str) -> None:
    """Write JSON to a file, whole or not at all, or to standard output."""
    from lipaccord.files import write_text

    with writing("standard output" if json == "-" else json):
        if json == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            write_text(Path(json), text)


def _as_json(value: object) -> str:
    return jsons.dumps(value, indent=1) + "\n"


@app.command()
def top(
    db: Db,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Clips to show.")] = 20,
    json: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH", help="Write one JSON object a clip and line; - is the output."),
    ] = None,
    method: MethodOption = None,
    status: StatusOption = None,
    sync: SyncOption = None,
    resynthesis: ResynthesisOption = None,
    speaker: SpeakerOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    cue: CueOption = None,
    reason: ReasonOption = None,
    error: ErrorOption = None,
    name: TextOption = None,
    decided: VerdictOption = None,
    least_triage: LeastOption = None,
) -> None:
    """Show the clips to look at first."""
    with plain_errors():
        _check_json(json, db)
        chosen = _filter(
            method=method,
            status=status,
            sync_status=sync,
            resynthesis_status=resynthesis,
            speaker=speaker,
            since=since,
            until=until,
            cue=cue,
            reason=reason,
            error=error,
            text=name,
            verdict=decided,
            least_triage=least_triage,
        )
        from lipaccord.archive import ranking
        from lipaccord.archive.filters import chosen_method
        from lipaccord.archive.store import open_store
        from lipaccord.report.archive import print_top

        with open_store(db) as store:
            by = str(chosen_method(store, method))
            rows = [_public(row) for row in ranking.top(store, chosen, number)]
            clips = ranking.count(store, chosen, _MOST_COUNTED + 1)
        if json is not None:
            _write(json, "".join(f"{jsons.dumps(row)}\n" for row in rows))
        if json != "-":
            with writing("the table"):
                print_top(rows, make_console(stderr=False), method=by, clips=_at_most(clips))


def _found(store: Store, clip: int) -> dict[str, Any]:
    from lipaccord.archive.dossier import dossier

    found = dossier(store, clip)
    outcomes = []
    for outcome in found["outcomes"]:
        turns = [
            turn | {"gist": None if turn["gist"] is None else dataclasses.asdict(turn["gist"])}
            for turn in outcome["turns"]
        ]
        outcomes.append(_public(outcome) | {"turns": turns})
    return found | {"clip": _public(found["clip"]), "outcomes": outcomes}


@app.command()
def show(
    db: Db,
    clip: Annotated[str, typer.Argument(metavar="ID", help="Number of a clip, its whole name, or its SHA-256.")],
    turn: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Tell of this turn of the recording, not of the one that leads."),
    ] = None,
    method: MethodOption = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="PATH", help="Write the analysis as `lipaccord verify` reads it; - is standard output."
        ),
    ] = None,
) -> None:
    """Show all that is known of one clip."""
    with plain_errors():
        _check_json(json, db)
        from lipaccord.archive.dossier import analysis, find
        from lipaccord.archive.filters import chosen_method
        from lipaccord.archive.store import open_store
        from lipaccord.report.archive_clip import print_clip
        from lipaccord.report.json import as_text

        with open_store(db) as store:
            number = find(store, clip)
            found = _found(store, number)
            chosen = None if method is None and not found["outcomes"] else chosen_method(store, method)
            if method is not None and chosen is not None:
                found["outcomes"] = [one for one in found["outcomes"] if one["method"] == chosen.digest]
            made = {
                outcome["method"]: analysis(store, number, chosen_method(store, outcome["method"]), turn)
                for outcome in found["outcomes"]
            }
        if json is not None:
            _write(json, as_text(_the_analysis(found, made, json)))
        if json != "-":
            with writing("the table"):
                print_clip(found, made, make_console(stderr=False), turn)


def _the_analysis(found: Mapping[str, Any], made: Mapping[str, dict[str, Any]], json: str) -> dict[str, Any]:
    """Pick the analysis by the newest method of those that are shown."""
    values = next(iter(made.values()), {})
    if not values:
        fail(
            f"clip {found['clip']['id']} has no analysis to write to {json}: nothing of it was measured", ExitCode.USAGE
        )
    return values


@app.command()
def stats(
    db: Db,
    method: MethodOption = None,
    base_rate: Annotated[
        float | None,
        typer.Option(
            "--base-rate",
            "--prior",
            metavar="P",
            callback=proportion,
            help="Share of all clips that is altered, 0 to 1: says how many claims to expect to be right.",
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Count what came of an archive, and what that took."""
    with plain_errors():
        _check_json(json, db)
        from lipaccord.archive.store import open_store
        from lipaccord.archive.tally import tally
        from lipaccord.report.archive_figures import print_figures

        with open_store(db) as store:
            result = tally(store, method, base_rate)
        if json is not None:
            _write(json, _as_json(result))
        if json != "-":
            with writing("the table"):
                print_figures(result, make_console(stderr=False))


@app.command()
def compare(
    db: Db,
    first: Annotated[
        str | None,
        typer.Argument(metavar="METHOD", help="Digest of a method, or its beginning; else the last but one."),
    ] = None,
    second: Annotated[str | None, typer.Argument(metavar="METHOD", help="The other method; else the newest.")] = None,
    number: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Clips to name in each list.")] = 20,
    json: Json = None,
) -> None:
    """Show what differs between the outcomes of two methods."""
    with plain_errors():
        if first is not None and second is None:
            fail("it takes two methods to compare; name the other one too, or none for the two newest", ExitCode.USAGE)
        _check_json(json, db)
        from lipaccord.archive import comparing
        from lipaccord.archive.store import open_store
        from lipaccord.report.archive import print_comparison

        with open_store(db) as store:
            result = comparing.compare(store, first, second, number)
        for named in (
            result["changed"]["clips"],
            result["moved"],
            result["only_first"]["clips"],
            result["only_second"]["clips"],
        ):
            named[:] = [_public(clip) for clip in named]
        if json is not None:
            _write(json, _as_json(result))
        if json != "-":
            with writing("the table"):
                print_comparison(result, make_console(stderr=False))


def _kind(out: str, kind: str | None) -> Any:
    """Return the format to write: the one named, else that of the suffix."""
    from lipaccord.archive.tabular import FORMATS

    chosen = kind or Path(out).suffix[1:].lower()
    if chosen not in FORMATS:
        fail(f"{out} does not say its format; name it .csv, .jsonl or .parquet, or add --format", ExitCode.USAGE)
    if out == "-" and chosen == "parquet":
        fail("Parquet can't be written to standard output; name a file", ExitCode.USAGE)
    return chosen


@app.command()
def export(
    db: Db,
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="File to write: .csv, .jsonl or .parquet; - is standard output.")
    ],
    kind: Annotated[
        Literal["csv", "jsonl", "parquet"] | None, typer.Option("--format", help="Format, if the name does not say it.")
    ] = None,
    turns: Annotated[bool, typer.Option("--turns", help="One row a turn instead of one a clip.")] = False,
    decisions: Annotated[
        bool,
        typer.Option("--decisions", help="What people decided, as a labelled manifest for evaluate and calibrate."),
    ] = False,
    method: MethodOption = None,
    status: StatusOption = None,
    sync: SyncOption = None,
    resynthesis: ResynthesisOption = None,
    speaker: SpeakerOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    cue: CueOption = None,
    reason: ReasonOption = None,
    error: ErrorOption = None,
    name: TextOption = None,
    decided: VerdictOption = None,
    least_triage: LeastOption = None,
) -> None:
    """Write the archive as a table for other programs."""
    with plain_errors():
        chosen = _kind(out, kind)
        if turns and decisions:
            fail("--turns and --decisions are two tables; ask for one of them", ExitCode.USAGE)
        if decisions and chosen != "csv":
            fail("a labelled manifest is CSV; name it .csv", ExitCode.USAGE)
        check_outputs({"OUT": None if out == "-" else Path(out)}, [db])
        wanted = _filter(
            method=method,
            status=status,
            sync_status=sync,
            resynthesis_status=resynthesis,
            speaker=speaker,
            since=since,
            until=until,
            cue=cue,
            reason=reason,
            error=error,
            text=name,
            verdict=decided,
            least_triage=least_triage,
        )
        complaints = _export(db, out, chosen, "turns" if turns else "decided" if decisions else "clips", wanted)
        complain(complaints)
        if complaints:
            raise typer.Exit(ExitCode.ROWS)


@app.command()
def review(
    db: Db,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port of this machine; otherwise any that is free.")
    ] = 0,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who decides; otherwise the name of the login.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Bundle that the clips were scored with, if not the shipped one.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address; open it yourself.")] = False,
) -> None:
    """Decide on clips by keyboard, on a page that only this machine reaches."""
    with plain_errors():
        from lipaccord.archive.review.serving import serve

        serve(db, port=port, user=user, bundle=bundle, open_browser=not no_browser, announce=typer.echo)


def _export(db: Path, out: str, kind: Any, what: str, wanted: Filter) -> Iterable[str]:
    from lipaccord.archive import exports
    from lipaccord.archive.store import open_store
    from lipaccord.archive.tabular import check_format, write_table
    from lipaccord.files import writing_whole

    check_format(kind)
    complaints: list[str] = []
    with open_store(db) as store:
        if what == "decided":
            table, complaints = exports.decided(store, wanted)
        else:
            table = (exports.turns if what == "turns" else exports.clips)(store, wanted)
        with writing("standard output" if out == "-" else out):
            if out == "-":
                write_table(table, sys.stdout.buffer, kind)
                sys.stdout.buffer.flush()
            else:
                with writing_whole(Path(out)) as file:
                    write_table(table, file, kind)
    return complaints
