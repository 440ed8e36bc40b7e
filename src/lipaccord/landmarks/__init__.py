"""Landmark backends: one file each, chosen by name, imported on use.

A backend fulfils `lipaccord.records.LandmarkBackend`; nothing falls back from one to another.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from lipaccord.errors import SettingsError
from lipaccord.records import LandmarkBackend

BACKENDS = {
    "mediapipe": "lipaccord.landmarks.mediapipe",
    "face-alignment": "lipaccord.landmarks.face_alignment",
    "replay": "lipaccord.landmarks.replay",
}
"""Name of each backend and the module whose `create` makes it."""


def load_backend(name: str, source: Path | None = None) -> LandmarkBackend:
    """Make a landmark backend.

    Parameters
    ----------
    name : str
        A key of `BACKENDS`.
    source : Path, optional
        What the backend reads: the folder of weights for ``face-alignment``, the stored tracks for
        ``replay``; ``mediapipe`` carries its models and takes none.

    Raises
    ------
    SettingsError
        The name is unknown, or `source` is missing or needless.
    BackendMissing
        Weights are missing.
    TracksError
        The stored tracks are damaged.
    """
    if name not in BACKENDS:
        raise SettingsError(f"there is no landmark backend {name!r}; there are: {', '.join(BACKENDS)}")
    backend: LandmarkBackend = importlib.import_module(BACKENDS[name]).create(source)
    return backend
