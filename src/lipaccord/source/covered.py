"""The end of a file of an index that is made from signatures: what it covers, and whether it is whole.

Behind the content stand a JSON object, its length, and `MAGIC`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"lipaccord neighbours 2\n"
_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Covered:
    """Which signatures a file is made from.

    Attributes
    ----------
    first, last : int
        Numbers of signatures, both included.
    chain : str
        Of the last; in hexadecimal, see `index`.
    seconds : float
        Length of the signatures.
    """

    first: int
    last: int
    chain: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Trailer(Covered):
    """What stands behind the content.

    Attributes
    ----------
    windows, looks : int
        How many the file holds.
    described : str
        How these were made from the signatures, as a digest.
    head_bytes : int
        What is read at once: all before the windows.
    head_digest : str
    """

    windows: int
    looks: int
    described: str
    head_bytes: int
    head_digest: str

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if type(getattr(self, field.name)).__name__ != field.type:
                raise ValueError(f"{field.name} is no {field.type}")
        if not 0 < self.first <= self.last or min(self.windows, self.looks, self.head_bytes) < 0:
            raise ValueError("it covers nothing")

    @property
    def covered(self) -> Covered:
        """What the file is made from."""
        return Covered(self.first, self.last, self.chain, self.seconds)


def head_digest(path: Path, length: int) -> str:
    """Return the digest of the first bytes of a file."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while length > 0 and (block := file.read(min(length, 1 << 20))):
            digest.update(block)
            length -= len(block)
    return digest.hexdigest()


def append_trailer(path: Path, trailer: Trailer) -> None:
    """Write the end of a file, down to the disk."""
    text = json.dumps(dataclasses.asdict(trailer), sort_keys=True).encode()
    with path.open("ab") as file:
        file.write(text + len(text).to_bytes(4, "little") + MAGIC)
        file.flush()
        os.fsync(file.fileno())


def read_trailer(path: Path, window_bytes: int, look_bytes: int) -> Trailer:
    """Read the end of a file, and hold its length and its head against it.

    Parameters
    ----------
    path : Path
    window_bytes, look_bytes : int
        What each takes.

    Raises
    ------
    ValueError
        It is damaged, cut short, or of another version.
    OSError
        It can't be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - len(MAGIC) - 4 - _MOST_BYTES))
        end = file.read()
    if not end.endswith(MAGIC) or len(end) < len(MAGIC) + 4:
        raise ValueError("its end is missing, or it is of another version")
    body = end[: -len(MAGIC)]
    length = int.from_bytes(body[-4:], "little")
    if length > len(body) - 4:
        raise ValueError("its end is damaged")
    values = json.loads(body[len(body) - 4 - length : -4])
    if not isinstance(values, dict):
        raise ValueError("its end is damaged")
    trailer = Trailer(**values)
    content = trailer.head_bytes + trailer.windows * window_bytes + trailer.looks * look_bytes
    if size != content + length + 4 + len(MAGIC):
        raise ValueError("its length differs")
    if head_digest(path, trailer.head_bytes) != trailer.head_digest:
        raise ValueError("its checksum differs")
    return trailer
