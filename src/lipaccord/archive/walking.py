r"""A folder on this machine, or a pattern below one -> its clips, one folder at a time.

Conventions: the order is that of the names, folder by folder. What begins with a dot is passed over. Nothing is opened:
a clip is known by its name (`SUFFIXES`) and looked at with `os.stat`.

Symbolic links to folders are followed, each real folder only once: a link to a folder that the walk reaches by its own
way is left alone, so that a new link renames no clip, and a loop ends where it begins. What was listed and is gone when
its turn comes is an entry with the trouble ``Missing``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from lipaccord.archive.records import Entry, Trouble

SUFFIXES = frozenset(
    {".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv"}
)
"""How the names of films end, in lower case."""

_MOST_KINDS = 200  # suffixes that are counted one by one: a hostile folder can have as many as it has files
_CLASSES = {
    errno.ENOENT: "Missing",
    errno.ENOTDIR: "Missing",
    errno.EACCES: "NotPermitted",
    errno.EPERM: "NotPermitted",
    errno.ELOOP: "SymlinkLoop",
    errno.ENAMETOOLONG: "NameTooLong",
}
_REMEDIES = {
    "Missing": "put it back, or correct the link that leads to it",
    "NotPermitted": "give this user the right to read it",
    "SymlinkLoop": "remove the link that leads back to itself",
    "NameTooLong": "move it nearer to the root",
}


def is_video(name: str) -> bool:
    """Tell whether a name ends as those of films do."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - ten million names: no Path for each


def absolute(path: str) -> str:
    """Return a path from the root, in the one form in which it stands in the store.

    Links stay as they are named; only a path with ``..`` is resolved, because ``link/..`` is not where it seems.
    """
    if ".." in path.split("/"):
        folder, name = os.path.split(path)
        return str(Path(os.path.realpath(path)) if name == ".." else Path(os.path.realpath(folder), name))
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps doubled slashes and dots


def mark_of(found: os.stat_result) -> str:
    """Return what changes when the content of a local file does: its size and its time of change."""
    return f"{found.st_size}:{found.st_mtime_ns}"


def told(error: str, message: str) -> Trouble:
    """Return a trouble whose message is one harmless line, whatever the names in it hold."""
    from lipaccord.report.wording import plain

    return Trouble(error, plain(message))


def trouble_of(path: str, error: OSError | ValueError) -> Trouble:
    """Say why a file or a folder can't be looked at."""
    number = error.errno if isinstance(error, OSError) else None
    kind = _CLASSES.get(number or 0, "NotReadable")
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return told(kind, f"{path} can't be read ({reason}); {_REMEDIES.get(kind, 'check the disk')}")


def look_at(path: str) -> Entry:
    """Look at one file without opening it.

    Parameters
    ----------
    path : str
        Relative paths are those of the working folder.

    Returns
    -------
    Entry
        With a trouble where it is no regular file (``NotAFile``), is not there (``Missing``), or the system refuses
        (``NotPermitted``, ``SymlinkLoop``, ``NameTooLong``, ``NotReadable``).
    """
    path = absolute(path)
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        return Entry(path, trouble=trouble_of(path, error))
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, a socket or a device"
        return Entry(path, trouble=told("NotAFile", f"{path} is {what}; name a file"))
    return Entry(path, found.st_size, mark_of(found))


@dataclass(slots=True)
class Listing:
    """What a listing passed over.

    Attributes
    ----------
    passed_over : Counter of str
        Files by suffix in lower case (empty: without one); ``hidden`` for names with a dot in front, ``other`` for odd
        suffixes and for what exceeds the first two hundred.
    """

    passed_over: Counter[str] = field(default_factory=Counter)

    def pass_over(self, name: str) -> None:
        """Count a file that is not taken."""
        kind = "hidden" if name.startswith(".") else os.path.splitext(name)[1].lower()  # noqa: PTH122
        is_odd = not kind.isascii() or not kind.strip(".").isalnum()
        if kind and (is_odd or (kind not in self.passed_over and len(self.passed_over) >= _MOST_KINDS)):
            kind = "other"
        self.passed_over[kind] += 1


@dataclass(frozen=True, slots=True)
class Pattern:
    """A glob below a folder, read name by name, so that no folder is entered where nothing can match.

    ``*``, ``?`` and ``[...]`` stand for parts of a name, ``**`` for any folders. A folder that matches stands for the
    films in it at any depth. Where the last part names no suffix (``2020-*``), only films are taken; where it does
    (``*.dat``), every file that matches. Without parts, the pattern is the folder itself.

    How far a path has come is a set of places in `parts`; `len(parts)` in it says that the path matches.

    Attributes
    ----------
    parts : tuple of str
    """

    parts: tuple[str, ...] = ()

    def _open(self, places: set[int]) -> frozenset[int]:
        for place, part in enumerate(self.parts):
            if place in places and part == "**":
                places.add(place + 1)
        return frozenset(places)

    @property
    def start(self) -> frozenset[int]:
        """How far the folder itself has come."""
        return self._open({0})

    def step(self, places: frozenset[int], name: str) -> frozenset[int]:
        """Return how far `name` comes in a folder that has come to `places`; nowhere: it can't match."""
        hidden = name.startswith(".")
        reached: set[int] = set()
        for place in places:
            if place == len(self.parts) or self.parts[place] == "**":
                reached |= set() if hidden else {place}
            elif fnmatchcase(name, self.parts[place]) and (not hidden or self.parts[place].startswith(".")):
                reached.add(place + 1)
        return self._open(reached)

    def takes(self, places: frozenset[int], name: str) -> bool:
        """Tell whether a file `name` is listed."""
        last = len(self.parts)
        if last not in self.step(places, name):
            return False
        suffix = os.path.splitext(self.parts[-1])[1] if self.parts else ""  # noqa: PTH122
        named = suffix != "" and not set(suffix) & set("*?[") and last - 1 in places
        return is_video(name) or (named and fnmatchcase(name, self.parts[-1]))


EVERYTHING = Pattern()
"""All films below a folder."""


@dataclass(frozen=True, slots=True)
class _Level:
    """A folder on the way down: its names that are still to come, those of folders with a slash behind."""

    path: str
    places: frozenset[int]
    linked: bool  # reached through a link
    names: Iterator[str]


class _Walk:
    """Knows which folders were reached through links, so that none is entered twice."""

    def __init__(self, root: str, pattern: Pattern, listing: Listing) -> None:
        self.root, self.pattern, self.listing = root, pattern, listing
        self.real_root = os.path.realpath(root)
        self.entered: dict[tuple[int, int], frozenset[int]] = {}

    def _names(self, path: str, places: frozenset[int], found: list[str]) -> None:
        with os.scandir(path) as inside:
            for item in inside:
                try:
                    is_folder = item.is_dir()
                except OSError:  # a link that can't be followed: `look_at` says why
                    found += [item.name] if self.pattern.step(places, item.name) else []
                    continue
                if is_folder:
                    found += [item.name + "/"] if self.pattern.step(places, item.name) else []
                elif self.pattern.takes(places, item.name):
                    found.append(item.name)
                else:
                    self.listing.pass_over(item.name)

    def enter(self, path: str, places: frozenset[int], *, linked: bool) -> tuple[_Level, Trouble | None]:
        """Read the names of a folder, as many as the system gives."""
        found: list[str] = []
        trouble = None
        try:
            self._names(path, places, found)
        except OSError as error:
            trouble = trouble_of(path, error)
        found.sort()
        return _Level(path, places, linked, iter(found)), trouble

    def _own_way(self, path: str) -> frozenset[int]:
        """Return how far a real folder comes by its own way; nowhere if it lies outside."""
        if path != self.real_root and not path.startswith(self.real_root.rstrip("/") + "/"):
            return frozenset()
        places = self.pattern.start
        for name in path[len(self.real_root) :].strip("/").split("/"):
            places = self.pattern.step(places, name) if name else places
        return places

    def is_done(self, path: str, places: frozenset[int]) -> bool:
        """Tell whether a folder that was reached through a link is, or will be, listed otherwise; notes it if not."""
        found = os.stat(path)  # noqa: PTH116
        key = (found.st_dev, found.st_ino)
        earlier = self.entered.get(key, frozenset()) | self._own_way(os.path.realpath(path))
        self.entered[key] = earlier | places
        return places <= earlier


def walk(folder: Path, listing: Listing, pattern: Pattern = EVERYTHING) -> Iterator[Entry]:
    """List the films below a folder.

    Parameters
    ----------
    folder : Path
    listing : Listing
        Counts what is passed over.
    pattern : Pattern
        What to take; by default every film at any depth.

    Yields
    ------
    Entry
        With a trouble for what can't be listed: as `look_at` says, and once for a folder that can't be read.
    """
    root = absolute(os.fspath(folder))
    walking = _Walk(root, pattern, listing)
    first, trouble = walking.enter(root, pattern.start, linked=False)
    if trouble is not None:
        yield Entry(root, trouble=trouble)
    levels = [first]
    while levels:
        level = levels[-1]
        name = next(level.names, None)
        if name is None:
            levels.pop()
            continue
        path = os.path.join(level.path, name.rstrip("/"))  # noqa: PTH118
        if not name.endswith("/"):
            yield look_at(path)
            continue
        places = pattern.step(level.places, name[:-1])
        try:
            linked = level.linked or os.path.islink(path)  # noqa: PTH114
            if linked and walking.is_done(path, places):
                continue
        except OSError as error:
            yield Entry(path, trouble=trouble_of(path, error))
            continue
        below, trouble = walking.enter(path, places, linked=linked)
        if trouble is not None:
            yield Entry(path, trouble=trouble)
        levels.append(below)
