"""What others vouch for: a request to time-stamp a report (RFC 3161), and the C2PA manifest of a clip.

Nothing here uses a network. The request is a file that the user sends to a time-stamping authority; the manifest is
read from the clip alone, and neither a manifest that lies elsewhere nor the state of a certificate is fetched. The two
libraries are those of the extra ``provenance``.

Sources: RFC 3161 (Time-Stamp Protocol); the C2PA technical specification, read by the consortium's own library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lipaccord._container import open_regular
from lipaccord.errors import BackendMissing

INSTALL = "install it with: pip install 'lipaccord[provenance]'"
C2PA_SETTINGS = {
    "core": {"allowed_network_hosts": [], "max_decompressed_manifest_size_in_mb": 16},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
"""An empty list of hosts forbids all of the network; the other two switches say the same once more."""

MAX_TEXT, MAX_ITEMS, MAX_ASSERTIONS = 200, 20, 1000
MAX_MANIFEST_CHARACTERS = 16_000_000
INVALID, VALID, TRUSTED, ELSEWHERE, UNREADABLE = "invalid", "valid", "trusted", "elsewhere", "unreadable"


def timestamp_request(data: bytes) -> bytes:
    """Return a request to time-stamp `data`: a TimeStampReq of RFC 3161 in DER.

    It holds the SHA-256 of `data`, asks for the authority's certificate, and has no nonce: the same data give the same
    request. A nonce ties a reply to one exchange on the wire. Here the request is kept as a file, and an older reply
    for the same data would be true as well.

    Raises
    ------
    ValueError
        `data` is empty.
    BackendMissing
        The library is not installed.
    """
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder
    except ImportError as error:
        raise BackendMissing(f"a time stamp request needs rfc3161-client; {INSTALL}") from error
    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=False).cert_request(cert_request=True).build().as_bytes()


def read_c2pa(path: Path) -> dict[str, Any] | None:
    """Sum up the C2PA manifest of a clip.

    Returns
    -------
    dict or None
        None where there is no manifest, or the file is of a kind that carries none. JSON values of bounded size:

        - ``state``: ``invalid``, ``valid`` (signed, and unchanged since), ``trusted``, ``elsewhere`` (the clip names an
          address, which is not fetched) or ``unreadable``; no list of trusted signers is used, so that ``trusted`` is
          not to be expected;
        - ``problems``: what the library found wrong, or why nothing could be read;
        - ``title``, ``claim_generators``, ``signer`` (``issuer``, ``name``, ``algorithm``, ``time``), ``actions`` and
          ``ingredients``: as the manifest states them. They are texts of whoever made it.

    Raises
    ------
    BackendMissing
        The library is not installed.
    UnreadableMedia
        The file can't be opened, or is no regular file.
    """
    try:
        import c2pa
    except ImportError as error:
        raise BackendMissing(f"a C2PA manifest needs c2pa-python to be read; {INSTALL}") from error
    with open_regular(str(path)) as (file, _), c2pa.Context.from_dict(C2PA_SETTINGS) as context:
        try:
            with c2pa.Reader(None, file, context=context) as reader:
                text = reader.json()
        except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
            return None
        except c2pa.C2paError as error:
            message = str(error)
            return _summary(ELSEWHERE if message.startswith("Remote: ") else UNREADABLE, [message], {})
    return _summed_up(text)


def _summed_up(text: str) -> dict[str, Any]:
    """Sum up what the library says of a manifest store."""
    try:
        if len(text) > MAX_MANIFEST_CHARACTERS:
            raise ValueError("it is larger than any manifest")
        store = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _summary(UNREADABLE, [str(error)], {})
    active = store.get("active_manifest") if isinstance(store, dict) else None
    manifest = _inner(_inner(store, "manifests"), str(active))
    problems = [f"{_text(one, 'code')}: {_text(one, 'explanation')}" for one in _items(store, "validation_status")]
    state = _text(store, "validation_state").lower()
    known = state if state in {INVALID, VALID, TRUSTED} else UNREADABLE
    return _summary(known, problems, manifest)


def _summary(state: str, problems: list[str], manifest: dict[str, Any]) -> dict[str, Any]:
    signer = _inner(manifest, "signature_info")
    makers = [" ".join((_text(one, "name"), _text(one, "version"))) for one in _items(manifest, "claim_generator_info")]
    return {
        "state": state,
        "problems": [problem[:MAX_TEXT] for problem in problems],
        "title": _text(manifest, "title"),
        "claim_generators": [maker.strip()[:MAX_TEXT] for maker in makers],
        "signer": {
            "issuer": _text(signer, "issuer"),
            "name": _text(signer, "common_name"),
            "algorithm": _text(signer, "alg"),
            "time": _text(signer, "time"),
        },
        "actions": list(_actions(manifest))[:MAX_ITEMS],
        "ingredients": [
            {name: _text(one, name) for name in ("title", "format", "relationship")}
            for one in _items(manifest, "ingredients")
        ],
    }


def _actions(manifest: dict[str, Any]) -> Iterator[dict[str, str]]:
    for assertion in _items(manifest, "assertions", MAX_ASSERTIONS):
        if _text(assertion, "label").startswith("c2pa.actions"):
            for action in _items(_inner(assertion, "data"), "actions"):
                yield {
                    "action": _text(action, "action"),
                    "when": _text(action, "when"),
                    "software": _agent(action),
                    "source_type": _text(action, "digitalSourceType"),
                }


def _agent(action: object) -> str:
    """Return the program that did something; a text in the first version of the assertion, an object in the second."""
    return _text(action, "softwareAgent") or _text(_inner(action, "softwareAgent"), "name")


def _text(values: object, name: str) -> str:
    """Return a text from outside, cut short; empty where there is none."""
    value = values.get(name) if isinstance(values, dict) else None
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _inner(values: object, name: str) -> dict[str, Any]:
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, dict) else {}


def _items(values: object, name: str, most: int = MAX_ITEMS) -> list[Any]:
    value = values.get(name) if isinstance(values, dict) else None
    return value[:most] if isinstance(value, list) else []
