"""Write a file whole or not at all, and find out beforehand whether that can work.

Conventions: a regular file is written beside its place and moved there, so that a reader never sees half of it
and an old one survives a failure. A device or a pipe (``/dev/stdout``, a FIFO) is written to, never replaced.
Every failure is the `OSError` of the system.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def _part(folder: Path) -> Path:
    """Name a temporary file that nobody else uses; short, so that it fits wherever the file itself does."""
    return folder / f".{secrets.token_hex(6)}.part"


def _is_special(path: Path) -> bool:
    """Tell whether `path` is there and neither a regular file nor a folder."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return not stat.S_ISREG(mode)


def check_folder(folder: Path) -> None:
    """Find out whether a file can be made in `folder`, by making one and removing it.

    Raises
    ------
    OSError
        The folder is missing, no folder, or not to be written to.
    """
    part = _part(folder)
    part.open("xb").close()
    part.unlink()


def check_writable(path: Path) -> None:
    """Find out whether `write_text` can write `path`; leaves nothing behind.

    Raises
    ------
    OSError
        The path is a folder, or its folder is missing or not to be written to.
    """
    if not _is_special(path):
        check_folder(path.resolve().parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`; `path` is replaced only once the new file is whole.

    A symbolic link stays one: the file that it leads to is replaced.

    Raises
    ------
    OSError
        The file can't be written; nothing is left behind.
    """
    with writing_whole(path) as file:
        file.write(data)


@contextmanager
def writing_whole(path: Path) -> Iterator[IO[bytes]]:
    """Give a binary file to write to piece by piece; `path` is replaced as by `write_bytes`, once the context ends.

    Raises
    ------
    OSError
        The file can't be written; nothing is left behind.
    """
    if _is_special(path):
        with path.open("wb") as file:
            yield file
        return
    target = path.resolve()
    part = _part(target.parent)
    try:
        with part.open("xb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def ordered_safetensors(data: bytes) -> bytes:
    """Sort the header's keys, which safetensors writes in random order: equal tensors must give equal bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def safetensors_metadata(data: bytes) -> dict[str, Any]:
    """Return the metadata of a safetensors file, not yet verified: it may raise KeyError or ValueError."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata: dict[str, Any] = header["__metadata__"]
    return metadata
