"""A bundle: the trained parts and what belongs to them, verified before use.

A bundle is a folder:

- ``manifest.json``: schema, name, version, and the SHA-256 of every other file;
- ``predictor.safetensors``, ``predictor.json``: the LSTM; its configuration and reference figures;
- ``splice.safetensors``: the splice network;
- ``resynthesis.json``: how the cues of the resynthesis finding are combined;
- ``calibration.json``: how the scores become likelihood ratios, and for which of the other parts that holds;
- ``CARD.md``: data, licences, commands, figures, limits, part by part.

Nothing in it can run code. A file that is missing, altered or not listed makes the bundle unusable, and so does a
calibration that was made with other parts: replacing a part takes the calibration away (`with_parts`).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lipaccord.errors import BundleError

SCHEMA, CALIBRATION_SCHEMA = "lipaccord/bundle/2", "lipaccord/calibration/1"
MANIFEST = "manifest.json"
CALIBRATION, CARD = "calibration.json", "CARD.md"
MEASURING = ("predictor.safetensors", "predictor.json", "splice.safetensors")
"""What clips are measured with."""
PARTS = (*MEASURING, "resynthesis.json")
"""What scores are made with."""
FILES = (*PARTS, CALIBRATION, CARD)
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
    files : dict of str to bytes
        Content of each of `FILES`.
    predictor, resynthesis, calibration : dict
        What the JSON files hold.
    """

    name: str
    version: str
    sha256: str
    files: dict[str, bytes]
    predictor: dict[str, Any]
    resynthesis: dict[str, Any]
    calibration: dict[str, Any]

    @property
    def card(self) -> str:
        """Text of ``CARD.md``."""
        return self.files[CARD].decode("utf-8", "replace")

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
        files=contents,
        predictor=_json(contents["predictor.json"], folder / "predictor.json"),
        resynthesis=_json(contents["resynthesis.json"], folder / "resynthesis.json"),
        calibration=_own_calibration(contents, folder),
    )


def parts_digest(files: Mapping[str, bytes], names: Sequence[str] = PARTS) -> str:
    """Identify the parts that scores are made with, or some of them."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(hashlib.sha256(files[name]).digest())
    return digest.hexdigest()


def _own_calibration(files: dict[str, bytes], folder: Path) -> dict[str, Any]:
    """Read the calibration; one that was made with other parts would give wrong ratios."""
    calibration = _json(files[CALIBRATION], folder / CALIBRATION)
    if calibration.get("schema") != CALIBRATION_SCHEMA:
        raise BundleError(
            f"the calibration of the bundle {folder} has schema {calibration.get('schema')!r}; this release reads "
            f"{CALIBRATION_SCHEMA!r}: calibrate it again"
        )
    if calibration.get("parts") != parts_digest(files):
        raise BundleError(f"the calibration of the bundle {folder} was made with other parts; calibrate it again")
    return calibration


def calibration_bytes(files: Mapping[str, bytes], findings: dict[str, Any]) -> bytes:
    """Write the calibrations of some findings, tied to the parts of the bundle; none where there are none."""
    return packed({"schema": CALIBRATION_SCHEMA, "parts": parts_digest(files), "findings": findings})


def with_parts(base: Bundle, parts: dict[str, bytes], section: str, text: str) -> dict[str, bytes]:
    """Replace parts of a bundle and the section of its card; what was calibrated with the old ones is taken out."""
    files = base.files | parts
    card = with_section(without_section(base.card, "calibration"), section, text)
    return files | {CARD: card.encode(), CALIBRATION: calibration_bytes(files, {})}


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


def packed(values: dict[str, Any]) -> bytes:
    """Write JSON as a bundle keeps it: equal values give equal bytes."""
    return json.dumps(values, indent=1, sort_keys=True).encode() + b"\n"


def with_section(card: str, part: str, text: str) -> str:
    """Put the section of one part of a bundle in its card, in place of the one that is there."""
    begin, end = f"<!-- part: {part} -->\n", f"<!-- end: {part} -->\n"
    section = f"{begin}{text.strip().replace('<!--', '&lt;!--')}\n{end}"
    before, found, rest = card.partition(begin)
    if not found:
        return f"{card.rstrip()}\n\n{section}".lstrip()
    return before + section + rest.partition(end)[2]


def without_section(card: str, part: str) -> str:
    """Take the section of one part out of a card."""
    before, found, rest = card.partition(f"<!-- part: {part} -->\n")
    return card if not found else before.rstrip() + "\n" + rest.partition(f"<!-- end: {part} -->\n")[2]


def write_bundle(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Write a bundle; it appears whole or not at all.

    Raises
    ------
    BundleError
        `folder` exists and is not a bundle.
    ValueError
        `files` are not exactly `FILES`.
    """
    if set(files) != set(FILES):
        raise ValueError(f"a bundle holds {', '.join(FILES)}, not {', '.join(sorted(files))}")
    check_destination(folder)
    contents = dict(files)
    hashes = {file: hashlib.sha256(data).hexdigest() for file, data in contents.items()}
    manifest = {"schema": SCHEMA, "name": name, "version": version, "files": hashes}
    contents[MANIFEST] = packed(manifest)
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
