"""Where the recordings of an index lie, and whether they are there still and as they were when they were signed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from lipaccord.archive.store import uri_text
from lipaccord.archive.urls import is_url
from lipaccord.archive.walking import mark_of
from lipaccord.source.index import Index


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recording was found when it was signed, and whether it is there still.

    Attributes
    ----------
    uri : str
    state : str
        ``there``, ``gone``, ``changed``, or ``not_looked_at`` for what lies on a server.
    """

    uri: str
    state: str


def state_of(uri: str, mark: str) -> str:
    """Look whether a file is as it was when it was signed; see `Place`."""
    if is_url(uri):
        return "not_looked_at"
    try:
        return "there" if mark_of(os.stat(uri)) == mark else "changed"  # noqa: PTH116
    except (OSError, ValueError):
        return "gone"


def places(index: Index, sha256: str) -> list[Place]:
    """Return where a recording was found, in the order of the names."""
    rows = index.connection.execute(
        "SELECT uri, done_mark FROM source WHERE sha256 = ? AND done_mark IS NOT NULL ORDER BY uri", (sha256,)
    )
    return [Place(uri, state_of(uri, row["done_mark"])) for row in rows for uri in (uri_text(row["uri"]),)]


def astray(index: Index) -> Iterator[Place]:
    """Look at every source on this machine; yield those that are gone, or changed since they were signed."""
    for row in index.connection.execute("SELECT uri, done_mark FROM source WHERE sha256 IS NOT NULL ORDER BY uri"):
        uri = uri_text(row["uri"])
        if (state := state_of(uri, row["done_mark"])) in {"gone", "changed"}:
            yield Place(uri, state)
