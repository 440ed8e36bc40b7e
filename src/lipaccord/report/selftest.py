"""The result of a self-test as a table for people, on a console of rich.

Conventions: the path of the clip is data and is shown like in `wording`. Nothing depends on colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from lipaccord.report.wording import plain

if TYPE_CHECKING:
    from rich.console import Console

NOT_SEEN = "not seen"


def _strength(kind: Mapping[str, Any]) -> str:
    smallest = kind["smallest_found"]
    return f"{NOT_SEEN} (up to {kind['strongest']:g})" if smallest is None else f"{smallest:g}"


def _row(name: str, kind: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    return name, kind["meaning"], _strength(kind), kind["unit"], f"{kind['partial_overlap']:.2f}"


def print_self_test(result: Mapping[str, Any], console: Console) -> None:
    """Print the smallest strength found by kind, and how well a partial manipulation is located.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    clip = result["clip"]
    span = f"{clip['start_s']:.2f}-{clip['end_s']:.2f} s, {result['face']}"
    console.print(Text(plain(f"{PurePath(clip['path']).name}: {span}"), style="bold"), overflow="fold")
    limit, authentic = result["limit"], result["authentic"]
    console.print(Text(f"score of the clip as it is: {authentic:.2f}; found means above {limit:.2f}"))
    if authentic > limit:
        warning = "The clip as it is lies above the limit: what is found below need not be the manipulation."
        console.print(Text(warning, style="yellow"))
    table = Table(box=box.HORIZONTALS, pad_edge=False)
    for heading in ("kind", "stands for", "smallest found", "strength counts", "overlap in time"):
        table.add_column(heading, no_wrap=heading == "kind", overflow="fold")
    for name, kind in result["kinds"].items():
        table.add_row(*_row(name, kind))
    console.print(table)
    note = (
        "Overlap in time: of the middle third of the clip, manipulated at the strongest rung, with the segments that "
        "are reported (1 = located exactly). What is not seen here would not have been seen in this clip; it may be "
        "in another."
    )
    console.print(Text(note, style="dim"))
