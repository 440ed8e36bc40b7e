"""A labelled manifest -> clips with their labels, and a line for every row that can't be used.

A manifest is a CSV file in UTF-8 with a heading and the columns of `COLUMNS`, in any order, and any further ones:

- ``path``: the clip, relative to the manifest's folder;
- ``mouth``: ``camera``, ``synthesised`` or ``unknown``;
- ``sound``: ``together`` (recorded together with the picture), ``apart`` (replaced, dubbed, shifted), ``driven`` (the
  mouth was generated from this sound) or ``unknown``;
- ``method``: what made the mouth or the sound; may be empty;
- ``group``: what must never be split between folds (a person, a source video);
- ``pair``: what clips of one recording share; may be empty.

A manifest that is none stops the command; a row that is wrong costs that row alone, and the complaint names it.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lipaccord.errors import ManifestError

COLUMNS = ("path", "mouth", "sound", "method", "group", "pair")
MOUTHS = ("camera", "synthesised", "unknown")
SOUNDS = ("together", "apart", "driven", "unknown")
UNNAMED = "unnamed"
"""Method of a synthesised mouth whose row names none."""

NOTHING = {"", "nan", "none", "null", "na", "n/a"}
"""How tables write an empty cell."""


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One usable row.

    Attributes
    ----------
    row : int
        Line of the file on which the row ends; the heading is line 1.
    name : str
        The path as the manifest has it.
    path : Path
        Where the clip lies.
    mouth, sound, method, group, pair : str
        The labels; `method` and `pair` may be empty.
    further : dict of str to str
        The other columns.
    """

    row: int
    name: str
    path: Path
    mouth: str
    sound: str
    method: str
    group: str
    pair: str
    further: dict[str, str]

    def __str__(self) -> str:
        return f"row {self.row} ({self.name})"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest holds.

    Attributes
    ----------
    path : Path
    clips : tuple of LabelledClip
        In the order of the file.
    complaints : tuple of str
        One plain line for every row left out: which, why, and the remedy.
    """

    path: Path
    clips: tuple[LabelledClip, ...]
    complaints: tuple[str, ...]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the number of their last line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                yield reader.line_num, [cell.strip() for cell in cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ManifestError(f"the manifest {path} can't be read ({reason}); give a CSV file in UTF-8") from error


def _heading(path: Path, cells: list[str]) -> list[str]:
    missing = [name for name in COLUMNS if name not in cells]
    if missing:
        raise ManifestError(
            f"the manifest {path} lacks the column {', '.join(missing)}; its first line must name "
            f"{','.join(COLUMNS)}, separated by commas"
        )
    twice = sorted({name for name in cells if name and cells.count(name) > 1})
    if twice:
        raise ManifestError(f"the manifest {path} has the column {', '.join(twice)} twice; keep one of them")
    return cells


def _wrong_label(values: Mapping[str, str]) -> str | None:
    """Say which cell of a row is wrong, and the remedy; None where none is."""
    if values["path"].lower() in NOTHING:
        return "its path is empty; name the clip"
    if not values["path"].isprintable():
        return "its path holds characters that can't be printed; rename the clip"
    for column, allowed in (("mouth", MOUTHS), ("sound", SOUNDS)):
        if values[column] not in allowed:
            return f"its {column} is {values[column]!r}; write {', '.join(allowed[:-1])} or {allowed[-1]}"
    if values["group"].lower() in NOTHING:
        return "its group is empty; name the person or the source video, so that no fold splits it"
    return None


def _wrong_file(path: Path, seen: Mapping[str, int]) -> str | None:
    """Say why the clip of a row can't be taken, and the remedy; None where it can."""
    try:
        if not path.is_file():
            return f"there is no file {path}; correct the path or leave the row out"
    except OSError as error:
        return f"its path can't be looked at ({error.strerror}); correct it or leave the row out"
    if (earlier := seen.get(os.path.realpath(path))) is not None:
        return f"the same clip is on row {earlier} already; keep one of the two"
    return None


def read_manifest(path: Path) -> Manifest:
    """Read and check a labelled manifest.

    Parameters
    ----------
    path : Path
        The CSV file; the paths in it are relative to its folder.

    Returns
    -------
    Manifest

    Raises
    ------
    ManifestError
        It can't be read, is no CSV in UTF-8, lacks a column, or holds no usable row.
    """
    rows = _rows(path)
    _, first = next(rows, (0, []))
    heading = _heading(path, first)
    clips: list[LabelledClip] = []
    complaints: list[str] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        if not any(cells):
            continue
        if len(cells) != len(heading):
            remedy = "quote cells that hold a comma"
            complaints.append(f"row {line}: it has {len(cells)} cells where the heading has {len(heading)}; {remedy}")
            continue
        values = dict(zip(heading, cells, strict=True))
        place = path.parent / values["path"]
        if (wrong := _wrong_label(values) or _wrong_file(place, seen)) is not None:
            complaints.append(f"row {line} ({values['path']}): {wrong}")
            continue
        seen[os.path.realpath(place)] = line
        clips.append(_clip(line, place, values))
    if not clips:
        first_complaint = f"; the first trouble: {complaints[0]}" if complaints else ""
        raise ManifestError(f"the manifest {path} holds no usable row{first_complaint}")
    return Manifest(path, tuple(clips), tuple(complaints))


def _clip(line: int, place: Path, values: dict[str, str]) -> LabelledClip:
    labels = {name: "" if values[name].lower() in NOTHING else values[name] for name in ("method", "pair")}
    if values["mouth"] == "synthesised" and not labels["method"]:
        labels["method"] = UNNAMED
    return LabelledClip(
        row=line,
        name=values["path"],
        path=place,
        mouth=values["mouth"],
        sound=values["sound"],
        method=labels["method"],
        group=values["group"],
        pair=labels["pair"],
        further={name: value for name, value in values.items() if name not in COLUMNS},
    )


def group_key(group: str) -> str:
    """Name a group (a person) without naming it."""
    return hashlib.sha256(group.encode()).hexdigest()[:12]


def fold_of(keys: Sequence[str], folds: int) -> dict[str, int]:
    """Deal groups out to folds, in an order that depends on their names alone."""
    order = sorted(set(keys), key=group_key)
    return {key: place % folds for place, key in enumerate(order)}
