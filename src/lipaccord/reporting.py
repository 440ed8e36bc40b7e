"""An `Examination` -> the report as a file: HTML by `report.html`, or PDF by an installed Chromium.

The page links the clip where it lies, or carries a viewing copy of it; its pictures are inside, or in a folder beside
it. Whatever is written appears whole or not at all.

Conventions: URLs are relative to the report, so that report, clip and folder may move together.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from lipaccord.errors import BackendMissing, SettingsError
from lipaccord.files import write_bytes, write_text
from lipaccord.records import Examination
from lipaccord.report.html import Pictures, Player, page
from lipaccord.sheets import Sheet, contact_sheets
from lipaccord.viewing import viewing_copy

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
COPY = "viewing-copy.mp4"
PRINT_TIMEOUT_S = 120
Progress = Callable[[float], None]


def check_report(target: Path, assets: Path | None = None, *, embed_video: bool = False) -> None:
    """Find out whether a report can be made at all under this name.

    Raises
    ------
    SettingsError
        The name ends neither in .html nor in .pdf, or what goes with a page only is asked for on paper.
    BackendMissing
        A PDF is asked for, and no browser is there to print it.
    """
    if target.suffix.lower() not in {".html", ".htm", ".pdf"}:
        raise SettingsError(f"the report {target} is of no known kind; name it .html or .pdf")
    if target.suffix.lower() == ".pdf":
        if assets is not None or embed_video:
            raise SettingsError(f"{target} is paper: a folder of pictures and a viewing copy go with .html only")
        _browser()


def write_report(
    examination: Examination,
    target: Path,
    *,
    assets: Path | None = None,
    embed_video: bool = False,
    base_rate: float | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> None:
    """Write the report of an examination.

    Parameters
    ----------
    examination : Examination
        Of a clip that still lies where it was read.
    target : Path
        Ends in ``.html`` or ``.pdf``.
    assets : Path, optional
        Folder for the pictures and the viewing copy; None puts them into the page.
    embed_video : bool
        Carry a viewing copy instead of a link to the clip.
    base_rate : float, optional
        Share of all clips that is altered, for saying what the ratios mean among many clips.
    threads : int
        Of the decoder; the report does not depend on it.
    progress : callable, optional
        Told the fraction of the viewing copy that is done, 0 to 1.

    Raises
    ------
    SettingsError, BackendMissing
        See `check_report`.
    UnreadableMedia
        The clip changed since it was examined.
    OSError
        Something can't be written.
    """
    check_report(target, assets, embed_video=embed_video)
    clip = Path(examination.analysis.clip.path)
    sheets = contact_sheets(clip, examination, threads=threads)
    folder = target.resolve().parent
    if assets is not None:
        assets.mkdir(parents=True, exist_ok=True)
        _write_pictures(sheets, assets)
    if embed_video:
        player = _embedded(examination, assets, folder, threads, progress)
    else:
        player = Player(_url(clip, folder), copy=False, offset_s=0.0)
    pictures = Pictures(None if assets is None else _url(assets, folder))
    text = page(examination, sheets, player, pictures=pictures, base_rate=base_rate)
    if target.suffix.lower() == ".pdf":
        write_bytes(target, _printed(text))
    else:
        write_text(target, text)


def _url(path: Path, folder: Path) -> str:
    """Return the URL of a file relative to a folder; stray bytes of its name are kept."""
    return quote(os.fsencode(os.path.relpath(path.resolve(), folder)))


def _write_pictures(sheets: tuple[Sheet, ...], assets: Path) -> None:
    for sheet in sheets:
        for moment in sheet.moments:
            for cutout in (moment.subject, moment.reference, moment.before, moment.reference_before):
                if cutout is not None:
                    write_bytes(assets / Pictures.name(cutout), cutout.png)


def _embedded(
    examination: Examination, assets: Path | None, folder: Path, threads: int, progress: Progress | None
) -> Player:
    """Make the viewing copy and put it into the page or the folder."""
    copy = viewing_copy(examination.analysis.clip.path, examination, threads=threads, progress=progress)
    if assets is None:
        source = "data:video/mp4;base64," + base64.b64encode(copy.data).decode("ascii")
    else:
        write_bytes(assets / COPY, copy.data)
        source = _url(assets / COPY, folder)
    return Player(source, copy=True, offset_s=copy.offset_s)


def _browser() -> str:
    for name in BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise BackendMissing(
        "a PDF is printed by Chromium or Chrome, and none is installed; install one (Debian: apt install chromium), or "
        "write the report as .html and print it from any browser"
    )


def _printed(text: str) -> bytes:
    """Print a page that holds its pictures."""
    with tempfile.TemporaryDirectory(prefix="lipaccord-") as temporary:
        source, printed = Path(temporary) / "report.html", Path(temporary) / "report.pdf"
        source.write_text(text, encoding="utf-8")
        command = [
            *(_browser(), "--headless", "--disable-gpu", "--no-sandbox", "--disable-background-networking"),
            *(f"--user-data-dir={temporary}/profile", "--no-pdf-header-footer", "--virtual-time-budget=10000"),
            *(f"--print-to-pdf={printed}", source.as_uri()),
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=PRINT_TIMEOUT_S)
            return printed.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise BackendMissing(
                f"{command[0]} could not print the report ({error}); write it as .html and print it from a browser"
            ) from error
