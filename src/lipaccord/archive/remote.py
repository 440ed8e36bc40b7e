"""Clips on servers, in buckets and in packed files, by URLs that fsspec reads: list them, tag them, fetch them.

Conventions: a URL is ``protocol://address``, chained by ``::`` where one lies inside another
(``zip://talks::s3://bucket/talks.zip``). A ``*`` in the first of the chain makes it a pattern. Folders are listed one
at a time, in the order of their names, and nothing of them is kept. The mark of a clip is what the server's listing
gives: a tag or a time of change, with the size; empty where it gives none.

Secrets: `lipaccord.archive.urls` says what of a URL may be kept and shown; what a server's own error says is cut where
it shows an address.
"""

from __future__ import annotations

import datetime
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from lipaccord.archive.records import Entry
from lipaccord.archive.urls import QUERIED, check_url, in_chain, is_url, public_name, without_query
from lipaccord.archive.walking import EVERYTHING, Listing, Pattern, told
from lipaccord.errors import ArchiveError, BackendMissing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_TAGS = ("ETag", "etag", "checksum", "CRC", "mtime", "LastModified", "last_modified", "updated", "modified", "created")
_PACKAGES = {"libarchive": "libarchive-c"}  # a package that is not named as its module
_BLOCK = 1 << 20
MOST_BYTES = 1 << 36
"""A larger file is not fetched for one clip."""
_MOST_LEVELS = 200  # a server can make up folders without end


def _reason(error: Exception, url: str) -> str:
    """Say what a server's error says, without the addresses in it and the values of the query: they may be signed."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    text = re.sub(r"\S*(?:://|[?&])\S*", "…", " ".join(text.split()))
    for value in re.findall(r"[?&;]([^&;#]+)", url):
        text = text.replace(value.rpartition("=")[2] or value, "…")
    return f"{type(error).__name__}: {text[:200]}" if text.strip("…") else type(error).__name__


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """Turn whatever a file system raises into an error that names the URL and no secret."""
    try:
        yield
    except (ArchiveError, BackendMissing):
        raise
    except ImportError as error:
        module = (error.name or getattr(error.__cause__, "name", None) or "").partition(".")[0]
        package = _PACKAGES.get(module, module) or "another package"
        message = f"{public_name(url)} can't be read without {package}; pip install {package}"
        raise BackendMissing(message) from None
    except FileNotFoundError:
        raise ArchiveError(f"there is no {public_name(url)}, or the server does not show it; check the URL") from None
    except Exception as error:  # noqa: BLE001 - every protocol has errors of its own
        raise ArchiveError(
            f"{public_name(url)} can't be read ({_reason(error, url)}); check the URL, the network and the credentials"
        ) from None


def _filesystem(url: str) -> tuple[AbstractFileSystem, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise BackendMissing("URLs need fsspec; pip install 'lipaccord[archive]'") from error

    with _naming(url):
        return cast("tuple[AbstractFileSystem, str]", url_to_fs(url))


@contextmanager
def opened(url: str) -> Iterator[BinaryIO]:
    """Open a remote file for reading, with `seek`.

    Raises
    ------
    ArchiveError, BackendMissing
        It can't be opened, or what is done with it fails.
    """
    check_url(url)
    system, path = _filesystem(url)
    with _naming(url), system.open(path, "rb") as file:
        yield cast("BinaryIO", file)


def fetch(uri: str, target: Path, *, most_bytes: int | None) -> None:
    """Copy a remote file to a local one, block by block.

    Parameters
    ----------
    uri : str
        URL of the file.
    target : Path
        Is overwritten; removed if the copy fails.
    most_bytes : int or None
        A larger file is not copied to its end.

    Raises
    ------
    ArchiveError
        It can't be read, is larger than `most_bytes`, or `target` can't be written. The message names the URL.
    BackendMissing
        The package for its protocol is not installed.
    """
    copied = 0
    try:
        with target.open("wb") as copy:
            for block in _blocks(uri):
                copied += len(block)
                if most_bytes is not None and copied > most_bytes:
                    raise ArchiveError(f"{public_name(uri)} is larger than {most_bytes} bytes; raise the limit")
                copy.write(block)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise ArchiveError(f"{public_name(uri)} can't be copied to {target} ({reason}); make room") from None
        raise


def _blocks(url: str) -> Iterator[bytes]:
    system, path = _filesystem(url)
    with _naming(url), system.open(path, "rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _described(uri: str, info: Mapping[str, Any]) -> Entry:
    """Make an entry of what a file system tells of a file."""
    kind = info.get("type", "file")
    if kind not in {"file", "link"}:
        what = "a folder" if kind == "directory" else "neither a file nor a folder"
        return Entry(uri, trouble=told("NotAFile", f"{public_name(uri)} is {what}; name a file"))
    size = info.get("size")
    size = size if isinstance(size, int) and size >= 0 else None
    tag = next((info[name] for name in _TAGS if info.get(name)), None)
    if isinstance(tag, datetime.datetime) and tag.tzinfo is not None:
        tag = tag.timestamp()  # some file systems tell one time in two ways
    return Entry(uri, size, "" if tag is None else f"{'' if size is None else size}:{tag}")


@dataclass(frozen=True, slots=True)
class _Level:
    """A remote folder on the way down, and what is still to come of it: clips, and folders with their paths."""

    url: str
    places: frozenset[int]
    items: Iterator[tuple[str, Entry | str]]


class _Walk:
    """A walk through the folders of one file system, whose URLs all have the same part behind them."""

    def __init__(self, system: AbstractFileSystem, pattern: Pattern, listing: Listing, after: str) -> None:
        self.system, self.pattern, self.listing, self.after = system, pattern, listing, after

    def _item(self, url: str, places: frozenset[int], name: str, info: Mapping[str, Any]) -> Entry | str | None:
        """Return the entry of a file, the path of a folder, or None for what is passed over."""
        is_folder = info.get("type") == "directory"
        if is_folder and not info.get("islink"):
            return str(info["name"]) if self.pattern.step(places, name) else None
        if is_folder or not self.pattern.takes(places, name):
            self.listing.pass_over(name)
            return None
        uri = f"{url}{name}{self.after}"
        if "::" in name:
            return Entry(uri, trouble=told("NotReadable", f"{public_name(uri)} has :: in its name; rename it"))
        return _described(uri, info)

    def enter(self, path: str, url: str, places: frozenset[int]) -> tuple[_Level, Entry | None]:
        """List one folder; with an entry that says so if that fails."""
        url = url if url.endswith("/") else url + "/"
        inside = path.strip("/") + "/" if path.strip("/") else ""
        items: list[tuple[str, Entry | str]] = []
        failed = None
        try:
            with _naming(url + self.after):
                for info in self.system.ls(path, detail=True):
                    name = str(info["name"]).strip("/")
                    below = name.removeprefix(inside) if name.startswith(inside) else ""
                    if below and "/" not in below and (item := self._item(url, places, below, info)) is not None:
                        items.append((below, item))
                self.system.invalidate_cache()  # it would keep every listing
        except ArchiveError as error:
            failed = Entry(url + self.after, trouble=told("NotReadable", str(error)))
        items.sort(key=lambda item: item[0])
        return _Level(url, places, iter(items)), failed

    def run(self, path: str, url: str) -> Iterator[Entry]:
        """List what the pattern takes below a folder."""
        level, failed = self.enter(path, url, self.pattern.start)
        levels = [level]
        while levels:
            if failed is not None:
                yield failed
                failed = None
            level = levels[-1]
            name, item = next(level.items, ("", None))
            if item is None:
                levels.pop()
            elif isinstance(item, Entry):
                yield item
            elif len(levels) >= _MOST_LEVELS or "::" in name:
                uri = f"{level.url}{name}{self.after}"
                yield Entry(
                    uri, trouble=told("NotReadable", f"{public_name(uri)} lies too deep, or has :: in its name")
                )
            else:
                below, failed = self.enter(item, level.url + name, self.pattern.step(level.places, name))
                levels.append(below)


def list_url(url: str, listing: Listing) -> Iterator[Entry]:
    """List what a URL stands for: one file, the films below a folder, or what matches a pattern.

    Parameters
    ----------
    url : str
        Over http, a folder ends in a slash. A pattern has a ``*``.
    listing : Listing
        Counts what is passed over.

    Returns
    -------
    iterator of Entry
        Folders are listed as they are reached; one that can't be is an entry with the trouble ``NotReadable``, as is
        one that is over two hundred levels deep. Links to folders are not followed.

    Raises
    ------
    ArchiveError
        There is nothing at the URL, it can't be read, or it holds a password: at once, not on the first entry.
    BackendMissing
        The package for its protocol is not installed.
    """
    check_url(url)
    before, head, after = in_chain(url)
    named = without_query(head)[0]
    protocol, _, address = named.partition("://")
    if "*" in address:
        return _matching(url, f"{before}{protocol}://", address, after, listing)
    system, path = _filesystem(url)
    with _naming(url):
        if protocol.lower() in QUERIED:
            is_folder = head.endswith("/")
            info = {} if is_folder else system.info(path)
        else:
            info = system.info(path)
            is_folder = info.get("type") == "directory"
        if not is_folder:
            return iter([_described(url, info)])
        system.ls(path, detail=False)
    return _Walk(system, EVERYTHING, listing, after).run(path, f"{before}{head}")


def _matching(url: str, start: str, address: str, after: str, listing: Listing) -> Iterator[Entry]:
    """List what matches a pattern; find out at once whether anything does."""
    parts = address.split("/")
    fixed = next(place for place, part in enumerate(parts) if "*" in part)
    root = start + "/".join(parts[:fixed])
    pattern = Pattern(tuple(part for part in parts[fixed:] if part))
    system, path = _filesystem(root + after)
    with _naming(url):
        system.ls(path, detail=False)
    if next(_Walk(system, pattern, Listing(), after).run(path, root), None) is None:
        raise ArchiveError(f"nothing matches {public_name(url)}; correct the pattern")
    return _Walk(system, pattern, listing, after).run(path, root)


@contextmanager
def local_copy(uri: str) -> Iterator[str]:
    """Give a local path to what lies at `uri`; a copy of a remote file is removed afterwards.

    Raises
    ------
    ArchiveError, BackendMissing
        As for `fetch`.
    """
    if not is_url(uri):
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="lipaccord-") as folder:
        copy = Path(folder, "clip")
        fetch(uri, copy, most_bytes=MOST_BYTES)
        yield os.fspath(copy)
