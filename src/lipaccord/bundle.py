"""A bundle: the trained predictor and what belongs to it, verified before use.

A bundle is a folder:

- ``manifest.json``: schema, name, version, and the SHA-256 of every other file;
- ``predictor.safetensors``: the weights;
- ``predictor.json``: configuration, normalisation and reference figures of the predictor;
- ``CARD.md``: data, licences, command, figures, limits.

Nothing in it can run code. A file that is missing, altered or not listed makes the bundle unusable.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lipaccord.errors import BundleError

SCHEMA = "lipaccord/bundle/1"
MANIFEST = "manifest.json"
FILES = ("predictor.safetensors", "predictor.json", "CARD.md")
MAX_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Attributes
    ----------
    name, version : str
        As the manifest states them.
    sha256 : str
        Of the manifest, which holds the hashes of all else: identifies the bundle.
    weights : bytes
        Content of ``predictor.safetensors``.
    predictor : dict
        Content of ``predictor.json``.
    card : str
        Content of ``CARD.md``.
    """

    name: str
    version: str
    sha256: str
    weights: bytes
    predictor: dict[str, Any]
    card: str

    def __repr__(self) -> str:
        return f"Bundle({self.name} {self.version}, {self.sha256[:12]})"


def default_bundle_path() -> Path:
    """Return the folder of the bundle that is shipped with the package."""
    return Path(str(resources.files("lipaccord"))) / "bundles" / "default"


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BundleError(f"the bundle file {path} is larger than any bundle of this release; use another bundle")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"the bundle file {path} can't be read ({error.strerror}); use a complete bundle") from error


def _json(data: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"the bundle file {path} is not JSON ({error}); use an unaltered bundle") from error
    if not isinstance(value, dict):
        raise BundleError(f"the bundle file {path} holds no JSON object; use an unaltered bundle")
    return value


def load_bundle(path: Path | None = None) -> Bundle:
    """Read a bundle and check every hash.

    Parameters
    ----------
    path : Path, optional
        Folder of the bundle; None for the one that is shipped.

    Raises
    ------
    BundleError
        A file is missing, altered or malformed, or the schema is not one that this release reads.
    """
    folder = path or default_bundle_path()
    raw = _read(folder / MANIFEST)
    manifest = _json(raw, folder / MANIFEST)
    if manifest.get("schema") != SCHEMA:
        raise BundleError(f"the bundle {folder} has schema {manifest.get('schema')!r}; this release reads {SCHEMA!r}")
    hashes = manifest.get("files")
    if not isinstance(hashes, dict) or set(hashes) != set(FILES):
        raise BundleError(f"the bundle {folder} must list exactly the files {', '.join(FILES)}")
    contents = {}
    for name in FILES:
        contents[name] = _read(folder / name)
        if hashlib.sha256(contents[name]).hexdigest() != hashes[name]:
            raise BundleError(f"the bundle file {folder / name} was altered: its hash is not the manifest's")
    return Bundle(
        name=str(manifest.get("name")),
        version=str(manifest.get("version")),
        sha256=hashlib.sha256(raw).hexdigest(),
        weights=contents["predictor.safetensors"],
        predictor=_json(contents["predictor.json"], folder / "predictor.json"),
        card=contents["CARD.md"].decode("utf-8", "replace"),
    )


def check_destination(folder: Path) -> None:
    """Refuse a folder that holds something else than a bundle, so that replacing it would lose something.

    Raises
    ------
    BundleError
        It exists and is not a bundle.
    """
    if not folder.exists():
        return
    held = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {folder.name}
    if held and (MANIFEST not in held or held - {MANIFEST, *FILES}):
        raise BundleError(f"{folder} exists and is not a bundle; name another folder")


def write_bundle(folder: Path, name: str, version: str, weights: bytes, predictor: dict[str, Any], card: str) -> None:
    """Write a bundle; it appears whole or not at all.

    Raises
    ------
    BundleError
        `folder` exists and is not a bundle.
    """
    check_destination(folder)
    contents = {
        "predictor.safetensors": weights,
        "predictor.json": json.dumps(predictor, indent=1, sort_keys=True).encode() + b"\n",
        "CARD.md": card.encode(),
    }
    hashes = {file: hashlib.sha256(data).hexdigest() for file, data in contents.items()}
    manifest = {"schema": SCHEMA, "name": name, "version": version, "files": hashes}
    contents[MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        fresh, old = Path(temporary) / "new", Path(temporary) / "old"
        fresh.mkdir()
        for file, data in contents.items():
            (fresh / file).write_bytes(data)
        if folder.exists():
            folder.replace(old)
        try:
            fresh.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            raise
