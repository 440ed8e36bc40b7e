"""What a verification came to, and what a clip's C2PA manifest states, for people on a console of rich and as JSON.

Conventions: texts of a report or of a manifest are data; they are never read as markup, and shown harmlessly
(`wording`). Nothing depends on colour.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lipaccord.files import write_text
from lipaccord.report.json import as_text
from lipaccord.report.wording import plain

if TYPE_CHECKING:
    from rich.console import Console

    from lipaccord.comparison import Verification

SCHEMA = "lipaccord/verification/1"
FORGEABLE = (
    "Whoever can change a report can compute its digest anew: only a signature, or a time stamp older than the doubt, "
    "shows that this is the report of that time."
)
NOTHING_SIGNED = "No C2PA manifest was found. That proves nothing: most cameras write none, and any copy can lose it."
ONLY_SIGNED = (
    "A manifest proves at most that its signer stated this of these very bytes; not that it is true, nor who the "
    "signer is: no list of trusted signers was used, and nothing was fetched."
)
STATES = {
    "invalid": "it does not match the file, or its signature does not hold",
    "valid": "the signature holds, and the file is as it was when it was signed",
    "trusted": "the signature holds, its certificate is on the list in use, and the file is as it was signed",
    "elsewhere": "the clip only names an address where a manifest may be; it was not fetched",
    "unreadable": "there is one, but it can't be read",
}
"""What each state of a manifest says."""

Manifest = Mapping[str, Any]


def verification_to_dict(verification: Verification, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a verification as JSON values, schema ``lipaccord/verification/1``.

    Parameters
    ----------
    verification : Verification
    extra : mapping, optional
        What was asked besides, by key: for instance ``c2pa``, as `lipaccord.provenance.read_c2pa` gives it.
    """
    values = {"schema": SCHEMA} | dataclasses.asdict(verification)
    lists = {name: [dict(one) for one in values[name]] for name in ("checks", "differences")}
    return values | lists | dict(extra or {})


def write_verification(
    verification: Verification, target: Path | TextIO, extra: Mapping[str, Any] | None = None
) -> None:
    """Write `verification_to_dict` to a file, whole or not at all, or to an open stream.

    Raises
    ------
    OSError
        It can't be written.
    """
    text = as_text(verification_to_dict(verification, extra))
    if isinstance(target, Path):
        write_text(target, text)
    else:
        target.write(text)
        target.flush()


def print_verification(verification: Verification, console: Console) -> None:
    """Print whether the analysis was reproduced, every check, and the values that differ.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    if verification.reproduced:
        title = ("REPRODUCED", "bold green"), ": the report is unchanged, and its analysis comes out again"
    else:
        title = ("NOT REPRODUCED", "bold red"), ": see what fails"
    console.print(Text.assemble(*title))
    table = Table(box=box.HORIZONTALS, show_header=False, pad_edge=False, expand=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for check in verification.checks:
        table.add_row(check.name, "ok" if check.ok else Text("FAILS", style="red"), Text(plain(check.text)))
    console.print(table)
    if verification.differences:
        _print_list(console, "Values that differ", map(str, verification.differences))
    console.print(Text(FORGEABLE, style="dim"))


def print_manifest(manifest: Manifest | None, console: Console) -> None:
    """Print what a clip's C2PA manifest states, and what that shows and does not show.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    if manifest is None:
        console.print(Text(NOTHING_SIGNED))
        return
    _print_list(console, f"C2PA manifest: {STATES[manifest['state']]}", _manifest_lines(manifest))
    console.print(Text(ONLY_SIGNED, style="dim"))


def _manifest_lines(manifest: Manifest) -> Iterator[str]:
    signer = manifest["signer"]
    named = {
        "problem": manifest["problems"],
        "title": [manifest["title"]],
        "made by": manifest["claim_generators"],
        "signed by": [_together(signer["name"], signer["issuer"], signer["algorithm"], signer["time"])],
        "action": [
            _together(one["action"], one["when"], one["software"], one["source_type"]) for one in manifest["actions"]
        ],
        "ingredient": [_together(one["title"], one["format"], one["relationship"]) for one in manifest["ingredients"]],
    }
    for name, texts in named.items():
        for text in filter(None, texts):
            yield f"{name}: {text}"


def _together(*texts: str) -> str:
    return ", ".join(filter(None, texts))


def print_request(path: Path, report: Path, console: Console) -> None:
    """Say what a time stamp request is for, and how to send it: the tool never does.

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    query, reply = (shlex.quote(str(one)) for one in (path, path.with_suffix(".tsr")))
    send = f"curl -H 'Content-Type: application/timestamp-query' --data-binary @{query} URL > {reply}"
    console.print(Text(plain(f"{path} asks to time-stamp {report}. Send it to an authority that you trust:")))
    console.print(Text(plain(f"  {send}")), soft_wrap=True)


def _print_list(console: Console, title: str, lines: Iterable[str]) -> None:
    console.print(Text(title, style="bold"))
    for line in lines:
        console.print(Padding(Text(plain(line)), (0, 0, 0, 2)), overflow="fold")
