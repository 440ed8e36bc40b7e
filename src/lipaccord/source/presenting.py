"""An answer -> its page as a file: the clip and its source are laid over each other once more, for the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lipaccord.errors import SettingsError
from lipaccord.files import write_text
from lipaccord.report.source import page
from lipaccord.source.answering import Answer
from lipaccord.source.framed import Framed, framed
from lipaccord.source.index import open_index


def check_page(target: Path) -> None:
    """Find out whether a page can be made under this name.

    Raises
    ------
    SettingsError
        The name ends in neither .html nor .htm.
    """
    if target.suffix.lower() not in {".html", ".htm"}:
        raise SettingsError(f"the report {target} is of no known kind; name it .html (a browser prints it to PDF)")


def _row(found: Answer, result: dict[str, Any], threads: int) -> tuple[Framed, ...]:
    best = found.finding.best
    if best is None or best.file is None or found.exhibit is None:
        return ()
    clip = result["clip"]
    part = {"start_s": clip["start_s"], "end_s": clip["end_s"]}
    return framed(clip["path"], best.file, best.alignment, found.exhibit, threads=threads, **part)


def write_page(found: Answer, result: dict[str, Any], target: Path, index: Path, *, threads: int = 1) -> None:
    """Write the page of an answer; it appears whole or not at all.

    Parameters
    ----------
    found : Answer
        On a clip that still lies where it was read, as its source does.
    result : dict
        The same as JSON values, schema ``lipaccord/match/1``.
    target : Path
        Ends in ``.html``.
    index : Path
        That was searched.
    threads : int
        Of each decoder.

    Raises
    ------
    SettingsError
        See `check_page`.
    MediaError, BackendMissing, ArchiveError
        As for `framed.framed` and `index.open_index`.
    OSError
        It can't be written.
    """
    check_page(target)
    with open_index(index) as opened:
        landmarks = opened.landmarks() or "none yet"
    write_text(target, page(found, result, _row(found, result, threads), index=index, landmarks=landmarks))
