"""What is installed: versions, the default bundle, the landmark backends and the models.

Nothing heavy is loaded: the versions are those that the packages' metadata give, the models are hashed and not run.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

from lipaccord import __version__
from lipaccord.bundle import Bundle, default_bundle_path, load_bundle
from lipaccord.calibration_reading import load_calibrations
from lipaccord.errors import BundleError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

LIBRARIES = (
    "ai-edge-litert",
    "av",
    "face-alignment",
    "librosa",
    "numpy",
    "opencv-python",
    "safetensors",
    "scipy",
    "silero-vad",
    "soundfile",
    "torch",
)
"""Those whose version can change a result."""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _bundle() -> str:
    try:
        bundle = load_bundle()
    except BundleError as error:
        return f"not usable: {error}"
    return f"{bundle.name} {bundle.version}, SHA-256 {bundle.sha256}{_figures(bundle)}"


def _calibrated() -> str:
    """Say how far the ratios of the default bundle go, by finding."""
    try:
        calibrations = load_calibrations(load_bundle().calibration)
    except BundleError as error:
        return f"not usable: {error}"
    lines = [
        f"{name}: log10 LR from {one.bounds[0]:+.2f} to {one.bounds[1]:+.2f}, Cllr {one.figures['cllr']:.3f}, "
        f"{one.population['suspicious_groups']} and {one.population['innocent_groups']} people or sources"
        for name, one in calibrations.items()
    ]
    return "\n".join(lines) or "none: there are no likelihood ratios"


def _figures(bundle: Bundle) -> str:
    """Return a line with the predictor's own row in the table that the card has below "Figures"; may be empty."""
    _, _, section = bundle.card.partition("\n## Figures")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    own = next((row for row in rows if row[0] == bundle.name), None)
    if own is None:
        return ""
    return "\n" + "; ".join(f"{name} {value}" for name, value in zip(rows[0], own, strict=False))


def _check(folder: Path | Traversable, hashes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Hold files against their hashes."""
    for name, expected in hashes.items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            yield name, f"missing ({error.strerror})"
        else:
            yield name, f"SHA-256 {found}" if found == expected else f"damaged: its SHA-256 is {found}"


def hub_cache() -> Path:
    """Return the folder in which torch keeps downloaded weights, by torch's own rule."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub" / "checkpoints"


def inventory() -> dict[str, str]:
    """Return what is installed, by name; a value may take several lines."""
    from lipaccord.landmarks.face_alignment import WEIGHTS
    from lipaccord.landmarks.mediapipe import MODELS

    models = dict(_check(resources.files("lipaccord.landmarks") / "models", MODELS))
    weights = dict(_check(hub_cache(), WEIGHTS))
    there = all(state.startswith("SHA-256") for state in weights.values())
    return {
        "lipaccord": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "default bundle": _bundle(),
        "its calibration": _calibrated(),
        "its folder": str(default_bundle_path()),
        "landmarks: mediapipe": "\n".join(["embedded", *(f"{name} {state}" for name, state in models.items())]),
        "landmarks: face-alignment": "\n".join(
            [
                f"weights {'are there' if there else 'are lacking'} in {hub_cache()}; --weights names another folder",
                *(f"{name} {state}" for name, state in weights.items()),
            ]
        ),
        "landmarks: replay": "reads what --save-tracks has stored",
    }
