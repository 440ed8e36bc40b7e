"""URLs of clips, taken apart: what they name, what they may show, and what a list on a server may name.

Conventions: a URL is ``protocol://address``, chained by ``::`` where one lies inside another
(``zip://talks::s3://bucket/talks.zip``).

Secrets: a URL with a password (or, over http, any name before an ``@``) is refused; fsspec has its own files and
environment variables for these. A query (``?X-Amz-Signature=...``) stays in the `uri` of an entry, because nothing can
be fetched without it, and so it stands in the store. Nothing else shows it: messages name a clip by `public_name`. A
uri that is signed anew is another clip to the store; plain URLs and credentials from the environment are the better
way.
"""

from __future__ import annotations

import re

from lipaccord.errors import ArchiveError

_URL = re.compile(r"(?:[A-Za-z][\w+.-]+::)*[A-Za-z][\w+.-]+://", re.ASCII)
_NO_SERVER = frozenset({"file", "git", "github", "libarchive", "local", "memory", "tar", "zip"})
"""Protocols whose address does not begin with a server, so that an ``@`` in it is no login."""

QUERIED = frozenset({"http", "https"})  # where a `?` begins a query, and only a slash at the end tells a folder


def is_url(text: str) -> bool:
    """Tell whether a source is a URL and not a path."""
    return _URL.match(text) is not None


def taken_apart(part: str) -> tuple[str, str, str]:
    """Return protocol, what stands up to the query, and the query with its mark, of one URL of a chain."""
    protocol, _, rest = part.partition("://")
    address = re.split(r"[?#]", rest, maxsplit=1)[0]
    return protocol.lower(), address, rest[len(address) :]


def _login(part: str) -> tuple[str, str]:
    """Return what stands before the ``@`` of a URL's server, empty where nothing does, and the rest of the address."""
    protocol, address, query = taken_apart(part)
    if protocol in _NO_SERVER:
        return "", address
    address, query = (re.sub("%40", "@", re.sub("%3a", ":", text, flags=re.IGNORECASE)) for text in (address, query))
    server, slash, rest = address.partition("/")
    name, port = server.partition(":")[::2]
    if "@" not in server and "@" in rest + query and name and port and not port.isdecimal():
        login, _, rest = (address + query).rpartition("@")  # a password with a slash or a question mark in it
        return login, re.split(r"[?#]", rest, maxsplit=1)[0]
    login, _, server = server.rpartition("@")
    return login, server + slash + rest


def public_name(uri: str) -> str:
    """Return how a clip may be named in messages: without login, and with the names of a query but not its values.

    Paths of this machine are returned as they are.
    """
    if not is_url(uri):
        return uri
    parts = []
    for part in uri.split("::"):
        if "://" not in part:
            parts.append(part)
            continue
        query = taken_apart(part)[2]
        named = [item.partition("=")[0] for item in re.split("[&;]", query[1:].partition("#")[0]) if "=" in item]
        shown = query[:1] + ("&".join(f"{name}=…" for name in named) or "…") if query else ""
        parts.append(f"{part.partition('://')[0]}://{_login(part)[1]}{shown}")
    return "::".join(parts)


def check_url(url: str) -> None:
    """Refuse a URL that holds a password.

    Raises
    ------
    ArchiveError
        It does; the message does not repeat it.
    """
    if "\0" in url:
        raise ArchiveError(f"{public_name(url)} holds a NUL character; correct it")
    for part in url.split("::"):
        login = _login(part)[0]
        if ":" in login or (login and taken_apart(part)[0] in QUERIED):
            raise ArchiveError(
                f"{public_name(url)} was given with a login in the URL, which would be kept with the results; leave it "
                "out and configure fsspec by its own configuration files or environment variables"
            )


def in_chain(url: str) -> tuple[str, str, str]:
    """Return the part of a chained URL that names the file, with what stands before and behind it."""
    parts = url.split("::")
    place = next(place for place, part in enumerate(parts) if "://" in part)
    return "".join(f"{part}::" for part in parts[:place]), parts[place], "".join(f"::{p}" for p in parts[place + 1 :])


def without_query(head: str) -> tuple[str, str]:
    """Divide a URL into what names the file and the query; only http has one."""
    protocol, _, query = taken_apart(head)
    cut = len(head) - len(query) if protocol in QUERIED else len(head)
    return head[:cut], head[cut:]


def file_name(url: str) -> str:
    """Return the address of the file that a URL names, without its query and what it is packed in."""
    return without_query(in_chain(url)[1])[0].partition("://")[2]


def beside(url: str, cell: str) -> str:
    """Return the URL of what a remote list calls `cell`: a URL, or a path from the list's folder.

    Raises
    ------
    ArchiveError
        It leads to this machine or out of the folder: a list on a server must not pick files here.
    """
    if is_url(cell):
        parts = cell.split("::")
        if "://" not in parts[-1] or any(part.partition(":")[0].lower() in {"file", "local"} for part in parts):
            raise ArchiveError("a list on a server can't name files of this machine; copy the list here")
        return cell
    if cell.startswith("/") or ".." in cell.split("/") or "::" in cell:
        raise ArchiveError("its path leads out of the folder of the list; write the whole URL")
    before, head, after = in_chain(url)
    return f"{before}{without_query(head)[0].rpartition('/')[0]}/{cell}{after}"
