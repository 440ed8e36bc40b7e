r"""The analysis inside a page, and the line at the page's end that shows whether a byte of it was changed.

A page holds the analysis once more for machines, its twin::

    <script type="application/json" id="lipaccord-analysis" data-encoding="json">...</script>

It is the text that `lipaccord.report.json.as_text` gives, with ``<`` written as ``\u003c``; with ``data-encoding``
``gzip+base64`` it is packed. Neither form contains ``<``, so that the first one ends the element. Where even that would
be too large, the timeline is left out, which the digest ``without_timeline`` allows for.

The last line is a comment with the SHA-256 of all bytes before it. It guards against accidents and careless edits:
whoever can change a page can write another line, as well as another digest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lipaccord.errors import VerificationError
from lipaccord.report.json import TIMELINE, as_text
from lipaccord.strict_json import MAX_BYTES, REMEDY, read_object

ELEMENT = "lipaccord-analysis"
READABLE_BYTES = 1_000_000
"""A longer analysis is packed."""
GZIP = 16 + zlib.MAX_WBITS  # tells zlib to write and read the format of gzip, without a name or a time
LEVEL = 6
CHUNK = 2**20

_START = f'<script type="application/json" id="{ELEMENT}" data-encoding="'
_ELEMENT = re.compile(re.escape(_START).encode() + rb'(json|gzip\+base64)">([^<]*+)</script>')
_SEAL = re.compile(rb"<!-- lipaccord sha256 ([0-9a-f]{64}) -->\n\Z")
_SEAL_BYTES = len(b"<!-- lipaccord sha256  -->\n") + 64


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A page without its seal.

    Attributes
    ----------
    page : bytes
        All that the seal speaks of.
    trouble : str
        What is wrong with the seal; empty where it holds.
    """

    page: bytes
    trouble: str


def seal(page: str) -> str:
    """Return a page with the line that seals it; the page must end a line.

    Raises
    ------
    ValueError
        It does not.
    """
    if not page.endswith("\n"):
        raise ValueError("a page that is to be sealed must end with a line break")
    return f"{page}<!-- lipaccord sha256 {hashlib.sha256(page.encode()).hexdigest()} -->\n"


def unseal(data: bytes) -> Unsealed:
    """Take the seal off a page, and say what is wrong with it."""
    found = _SEAL.search(data, max(0, len(data) - _SEAL_BYTES))
    if found is None:
        return Unsealed(data, "the page does not end with the line that seals it")
    page = data[: found.start()]
    if hashlib.sha256(page).hexdigest() != found[1].decode():
        return Unsealed(page, "the page was changed: its SHA-256 is not the one in its last line")
    return Unsealed(page, "")


def _packed(text: str, limit_bytes: int) -> str | None:
    """Return gzip in base64, the same for the same text; None where it is longer than the limit."""
    packer, parts, size = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP), [], 0
    for chunk in _chunks(text):
        parts.append(packer.compress(chunk))
        size += len(parts[-1])
        if size * 4 / 3 > limit_bytes:
            return None
    packed = base64.b64encode(b"".join(parts) + packer.flush()).decode()
    return packed if len(packed) <= limit_bytes else None


def _chunks(text: str) -> Iterator[bytes]:
    for start in range(0, len(text), CHUNK):
        yield text[start : start + CHUNK].encode()


def _escaped(text: str) -> str:
    return text.replace("<", "\\u003c")


def _element(encoding: str, content: str) -> str:
    return f'{_START}{encoding}">{content}</script>'


def twin(values: dict[str, Any], limit_bytes: int, shorter: dict[str, Any] | None = None) -> str:
    """Return the element that holds an analysis, for a page.

    Parameters
    ----------
    values : dict
        As `lipaccord.report.json.analysis_to_dict` gives.
    limit_bytes : int
        What the content may take.
    shorter : dict, optional
        What goes in where the whole does not fit, even packed; by default all but the timeline.

    Returns
    -------
    str
        Markup, safe to put into a page as it is.

    Raises
    ------
    ValueError
        Even the shorter one does not fit.
    """
    without = {name: value for name, value in values.items() if name != TIMELINE} if shorter is None else shorter
    for chosen in (values, without):
        text = as_text(chosen)
        escaped = _escaped(text)
        if len(escaped) <= min(READABLE_BYTES, limit_bytes):
            return _element("json", escaped)
        packed = _packed(text, limit_bytes)
        if packed is not None:
            return _element("gzip+base64", packed)
    raise ValueError(f"an analysis does not fit into {limit_bytes} bytes, even without its time courses")


def _unpacked(content: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj(GZIP)
    try:
        data = unpacker.decompress(binascii.a2b_base64(content, strict_mode=True), MAX_BYTES + 1)
    except (binascii.Error, zlib.error) as error:
        raise VerificationError(f"the analysis in {name} can't be unpacked ({error}); {REMEDY}") from error
    if len(data) > MAX_BYTES:
        raise VerificationError(f"the analysis in {name} unpacks to more than any analysis takes; {REMEDY}")
    if not unpacker.eof or unpacker.unused_data:
        raise VerificationError(f"the analysis in {name} is cut off, or followed by something else; {REMEDY}")
    return data


def read_twin(page: bytes, name: str = "the page") -> tuple[dict[str, Any], bool]:
    """Return the analysis that a page holds, and whether its text is the one that `twin` writes; nothing is run.

    Parameters
    ----------
    page : bytes
        HTML, with or without a seal.
    name : str
        Of the file, for messages.

    Raises
    ------
    VerificationError
        There is no such analysis, or more than one; it can't be unpacked, or is no JSON object (see
        `lipaccord.strict_json.read_object`).
    """
    found = _ELEMENT.findall(page)
    if len(found) != 1:
        count = "no analysis" if not found else f"{len(found)} analyses"
        raise VerificationError(f"{name} holds {count} instead of one; {REMEDY}")
    ((encoding, content),) = found
    readable = encoding == b"json"
    text = content if readable else _unpacked(content, name)
    values = read_object(text, f"the analysis in {name}")
    expected = as_text(values)
    return values, text == (_escaped(expected) if readable else expected).encode()


def embedded(page: bytes, name: str = "the page") -> dict[str, Any]:
    """Return the analysis that a page holds as JSON values, as `read_twin` does."""
    return read_twin(page, name)[0]
