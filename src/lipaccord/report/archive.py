"""An archive as tables for people: the head of its ranking, its figures, and what differs between two methods.

Conventions: rows and figures are plain values, as ``lipaccord archive ... --json`` writes them. Names, speakers and
notes come from outside and are shown like any other data (`terminal`): never as markup, with whatever could steer a
terminal as an escape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len, chop_cells
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lipaccord.findings import FLAGGED
from lipaccord.propositions import ratio_in_words
from lipaccord.report.wording import CUE_WORDS, STATUS_WORDS, plain

if TYPE_CHECKING:
    from rich.console import Console

FINDINGS = ("sync", "resynthesis")
OUTCOMES = {
    "examined": "examined",
    "not_examinable": "not examinable",
    "failed": "failed",
    "waiting": "waiting, or changed since",
}

_NUMBERS_CELLS = 30  # of a line of `print_top`: rank, number, triage and what separates them
_BESIDE = 2 / 5  # of the rest, for the names


def clock(seconds: float) -> str:
    """Write a time of a recording: 12.5 s, 3:05 or 1:02:05."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def shortened(text: str, cells: int) -> str:
    """Cut the middle out of a text that takes more than so many cells; more is kept of its end."""
    if cell_len(text) <= cells:
        return text
    head = chop_cells(text, max(cells // 3, 1))[0]
    tail = ""
    for char in reversed(text):
        if cell_len(head) + 1 + cell_len(char + tail) > cells:
            break
        tail = char + tail
    return f"{head}…{tail}"


def _ratio(row: Mapping[str, Any], finding: str) -> str:
    ratio = row[f"{finding}_log10_lr"]
    return "" if ratio is None else f"LR {ratio_in_words(min(max(ratio, -99.0), 99.0))}"


def finding_words(row: Mapping[str, Any], finding: str) -> str:
    """Say what a finding came to, and its likelihood ratio: "mouth re-synthesised (LR 13)"."""
    status = row[f"{finding}_status"]
    words = STATUS_WORDS[status][0] if status in STATUS_WORDS else plain(status)
    offset = row.get("offset_ms")
    shift = f"{offset:+.0f} ms" if finding == "sync" and status == "offset" and offset is not None else ""
    told = ", ".join(filter(None, (shift, _ratio(row, finding))))
    return f"{words} ({told})" if told else words


def codes_in_words(codes: Sequence[str]) -> str:
    """Write codes of reasons as words."""
    return ", ".join(plain(code).replace("_", " ") for code in codes)


def standing_out(row: Mapping[str, Any]) -> Iterator[str]:
    """Say, line by line, what of a clip or turn stands out; all findings where nothing does.

    Parameters
    ----------
    row : mapping
        Fields of a gist; ``reasons`` and ``cues`` are lists.
    """
    if row["status"] == "failed":
        yield plain(f"failed: {row['error']}")
        return
    if row["status"] != "examined":
        yield f"not examinable: {codes_in_words(row['reasons'])}"
        return
    loud = [finding for finding in FINDINGS if row[f"{finding}_status"] in FLAGGED]
    for finding in loud or FINDINGS:
        yield f"{finding}: {finding_words(row, finding)}"
    if row["cues"]:
        yield "; ".join(plain(CUE_WORDS.get(cue, cue)) for cue in row["cues"])


def _where(row: Mapping[str, Any]) -> str | None:
    """Say where in a recording of several turns to look."""
    if (row["turns"] or 1) < 2 or row["lead"] is None:
        return None
    start, end = row["start_s"], row["end_s"]
    part = "" if start is None or end is None else f": {clock(start)} to {clock(end)}"
    return f"turn {row['lead']} of {row['turns']}{part}"


def verdict_words(row: Mapping[str, Any]) -> str:
    """Say what people decided; empty where they did not."""
    return " ".join(filter(None, (row["verdict"], row["what"])))


def _clip_cell(row: Mapping[str, Any], cells: int) -> Text:
    decided = verdict_words(row)
    beside = [plain(text) for text in (row["speaker"], row["date"]) if text]
    lines = [shortened(plain(row["name"]), cells), ", ".join(beside), f"decided: {decided}" if decided else ""]
    return Text("\n".join(filter(None, lines)))


def print_top(rows: Sequence[Mapping[str, Any]], console: Console, *, method: str, clips: str) -> None:
    """Print the head of the ranking, two lines or so a clip.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of the view ``row`` with ``start_s`` and ``end_s`` of the turn that leads, lists as lists.
    console : rich.console.Console
    method : str
    clips : str
        How many there are of which these are the first: "1,234", or "more than 10,000".

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    if not rows:
        console.print(f"No clip to show. Method {plain(method)}.")
        return
    cells = max(int((console.width - _NUMBERS_CELLS) * _BESIDE), 12)
    table = Table(box=box.HORIZONTALS, pad_edge=False, expand=True)
    for heading in ("rank", "id", "triage"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("clip", width=cells, overflow="fold")
    table.add_column("what stands out", ratio=1, overflow="fold")
    for number, row in enumerate(rows, 1):
        lines = [*standing_out(row), *filter(None, [_where(row)])]
        triage = "-" if row["triage"] is None else f"{row['triage']:.2f}"
        table.add_row(str(number), str(row["id"]), triage, _clip_cell(row, cells), Text("\n".join(lines)))
    console.print(table)
    console.print(
        Text(
            plain(f"The first {len(rows):,} of {clips} clips. Method {method}. `lipaccord archive show` takes an id.")
        ),
        style="dim",
    )


def print_lines(console: Console, title: str, lines: Iterable[str]) -> None:
    """Print a heading and lines below it; nothing without lines."""
    for number, line in enumerate(lines):
        if not number:
            console.print(Text(title, style="bold"))
        console.print(Padding(Text(line), (0, 0, 0, 2), expand=False), overflow="fold")


def _cross(console: Console, title: str, crossed: Sequence[tuple[str, str, int]]) -> None:
    """Print who went from which status to which, those that stayed in one line."""
    stayed = sum(clips for first, second, clips in crossed if first == second)
    went = sorted((one for one in crossed if one[0] != one[1]), key=lambda one: (-one[2], one[0], one[1]))
    lines = [f"{clips:>9,}  {_status(first)} -> {_status(second)}" for first, second, clips in went]
    print_lines(console, title, [*lines, f"{stayed:>9,}  unchanged"])


def _status(status: str) -> str:
    if status in STATUS_WORDS:
        return STATUS_WORDS[status][0]
    return plain(OUTCOMES.get(status, status)) or "none"


def _differences(figures: Mapping[str, Any]) -> Table:
    table = Table(
        box=box.HORIZONTALS, pad_edge=False, title=Text("Second less first", style="bold"), title_justify="left"
    )
    for heading in ("", "clips", "5%", "median", "95%", "rank correlation"):
        table.add_column(heading, justify="right" if heading else "left")
    names = {"triage": "triage", "sync_log10_lr": "sync, log10 LR", "resynthesis_log10_lr": "resynthesis, log10 LR"}
    for name, words in names.items():
        one = figures[name]
        spread = ["-" if one[key] is None else f"{one[key]:+z.2f}" for key in ("low", "median", "high")]
        alike = "-" if one["rank_correlation"] is None else f"{one['rank_correlation']:.3f}"
        table.add_row(words, f"{one['clips']:,}", *spread, alike)
    return table


def _changes(clip: Mapping[str, Any]) -> str:
    keys = {"status": "", "sync_status": "sync: ", "resynthesis_status": "resynthesis: "}
    told = [f"{words}{_status(clip[key][0])} -> {_status(clip[key][1])}" for key, words in keys.items() if key in clip]
    return "; ".join(told)


def _named(console: Console, title: str, found: Mapping[str, Any], told: Sequence[str]) -> None:
    """Print clips by number and name, with what there is to say of each; more than are named are counted."""
    if not found["number"]:
        return
    more = found["number"] - len(found["clips"])
    print_lines(
        console, f"{title}: {found['number']:,}", [*told, *([f"and {more:,} more; -n lists them"] if more else [])]
    )


def _place(clip: Mapping[str, Any], console: Console) -> str:
    return f"{clip['id']}  {shortened(plain(clip['name']), max(console.width - 14, 12))}"


def print_comparison(result: Mapping[str, Any], console: Console) -> None:
    """Print what became different between two methods.

    Parameters
    ----------
    result : mapping
        As ``lipaccord archive compare --json`` writes it.
    console : rich.console.Console

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    for words, method in zip(("First: ", "Second:"), result["methods"], strict=True):
        console.print(
            Text(plain(f"{words} {method['digest']} (bundle {method['bundle']}, lipaccord {method['version']})"))
        )
    console.print(f"{result['both']:,} clips have an outcome by both.")
    if result["both"]:
        for name, title in {"status": "Outcome", "sync_status": "Sync", "resynthesis_status": "Resynthesis"}.items():
            _cross(console, title, result["crossed"][name])
        console.print(_differences(result["differences"]))
    changed = result["changed"]
    _named(
        console,
        "Changed status",
        changed,
        [f"{_place(clip, console)}\n    {_changes(clip)}" for clip in changed["clips"]],
    )
    print_lines(
        console,
        "Moved most in the ranking",
        [
            f"{_place(clip, console)}\n    rank {clip['rank'][0]:,} -> {clip['rank'][1]:,}, "
            f"triage {clip['triage'][0]:.2f} -> {clip['triage'][1]:.2f}"
            for clip in result["moved"]
        ],
    )
    for name, words in {"only_first": "Only by the first", "only_second": "Only by the second"}.items():
        _named(console, words, result[name], [_place(clip, console) for clip in result[name]["clips"]])
