"""Forensic analysis of lip-sync: whether the lips accord with the voice.

The public names are `analyze`, the record `Analysis` that it returns, and the errors::

    import lipaccord

    analysis = lipaccord.analyze("clip.mp4")
    print(analysis.findings["sync"].status)

They are imported when they are first used, so that importing the package loads no stage and no model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipaccord.errors import (
        BackendMissing,
        BundleError,
        CalibrationError,
        EvaluationError,
        LipAccordError,
        ManifestError,
        MediaError,
        NoAudio,
        NoVideo,
        SettingsError,
        SimulationError,
        TracksError,
        TrainingError,
        UnreadableMedia,
    )
    from lipaccord.pipeline import analyze
    from lipaccord.records import Analysis

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "BackendMissing",
    "BundleError",
    "CalibrationError",
    "EvaluationError",
    "LipAccordError",
    "ManifestError",
    "MediaError",
    "NoAudio",
    "NoVideo",
    "SettingsError",
    "SimulationError",
    "TracksError",
    "TrainingError",
    "UnreadableMedia",
    "__version__",
    "analyze",
]

_ELSEWHERE = {"analyze": "lipaccord.pipeline", "Analysis": "lipaccord.records"}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_ELSEWHERE.get(name, "lipaccord.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(set(globals()) | set(__all__))
