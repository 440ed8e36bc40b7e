"""What the user names as sources -> one stream of clips.

A source is a folder, a pattern (``**`` for any folders), a manifest in CSV or Parquet, a single file, or a URL of any
of these (`lipaccord.archive.remote`). What exists under a name is taken as that, even where the name looks like a
pattern.
The order is that of the sources, and inside them that of the names or rows. The same clip may come twice: the store
keeps one row a uri.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from glob import has_magic
from itertools import chain
from pathlib import Path

from lipaccord.archive.listing import is_list, is_parquet, read_list
from lipaccord.archive.records import Entry
from lipaccord.archive.remote import list_url, opened
from lipaccord.archive.urls import beside, check_url, file_name, is_url, public_name
from lipaccord.archive.walking import Listing, Pattern, absolute, look_at, walk
from lipaccord.errors import ArchiveError

_Stream = Callable[[], Iterator[Entry]]


def entries(sources: Sequence[str], listing: Listing) -> Iterator[Entry]:
    """List the clips of all sources, as they are asked for.

    Parameters
    ----------
    sources : sequence of str
    listing : Listing
        Counts what is passed over.

    Returns
    -------
    iterator of Entry
        What is wrong with one file, folder or row is an entry with a trouble. A manifest that turns out to be damaged
        half-way raises `ArchiveError`.

    Raises
    ------
    ArchiveError
        A source is not there, matches nothing, or is no manifest: at once, before the first entry.
    BackendMissing
        A source needs a package that is not installed: at once as well.
    """
    streams = [_stream(source, listing) for source in sources]
    return chain.from_iterable(stream() for stream in streams)


def _stream(source: str, listing: Listing) -> _Stream:
    """Find out what a source is, and that it is there."""
    path = _local(source)
    if path is None:
        return _remote(source, listing)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return _pattern(path, listing)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ArchiveError(f"{source} can't be looked at ({reason}); correct it or its permissions") from error
    if stat.S_ISDIR(mode):
        return partial(walk, Path(path), listing)
    if stat.S_ISREG(mode) and is_list(path):
        next(_local_list(absolute(path)), None)
        return partial(_local_list, absolute(path))
    return lambda: iter([look_at(path)])


def _local(text: str) -> str | None:
    """Return the path that a source or a cell names on this machine; None for any other URL."""
    if not is_url(text):
        return text
    return text[len("file://") :] if text.lower().startswith("file:///") else None


def _remote(url: str, listing: Listing) -> _Stream:
    check_url(url)
    name = file_name(url)
    if is_list(name) and "*" not in name:
        next(_remote_list(url), None)
        return partial(_remote_list, url)
    found = list_url(url, listing)
    return lambda: found


def _pattern(path: str, listing: Listing) -> _Stream:
    if not has_magic(path):
        raise ArchiveError(f"there is no file, folder or pattern {path!r}; correct the source")
    parts = path.split("/")
    fixed = next(place for place, part in enumerate(parts) if has_magic(part))
    folder = Path("/".join(parts[:fixed]) or ("/" if path.startswith("/") else "."))
    pattern = Pattern(tuple(part for part in parts[fixed:] if part))
    if not folder.is_dir() or next(walk(folder, Listing(), pattern), None) is None:
        raise ArchiveError(f"nothing matches {path}; correct the pattern")
    return partial(walk, folder, listing, pattern)


def _local_list(path: str) -> Iterator[Entry]:
    folder = os.path.dirname(path)  # noqa: PTH120

    def place(cell: str) -> Entry:
        local = _local(cell)
        if local is None:
            check_url(cell)
            return Entry(cell)
        return look_at(os.path.join(folder, local))  # noqa: PTH118

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path may hold bytes that are no text
            yield from read_list(file, path, place, is_parquet=is_parquet(path))
    except OSError as error:
        raise ArchiveError(f"the list {path} can't be read ({error.strerror}); give this user the right to") from error


def _remote_list(url: str) -> Iterator[Entry]:
    def place(cell: str) -> Entry:
        found = beside(url, cell)
        check_url(found)
        return Entry(found)

    with opened(url) as file:
        yield from read_list(file, public_name(url), place, is_parquet=is_parquet(file_name(url)))
