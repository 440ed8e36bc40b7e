"""Forensic analysis of lip-sync: whether the lips accord with the voice.

The public names are `analyze`, the record `Analysis` that it returns, `examine` and `Examination` for all that the
analysis was made from, `write_report`, `verify` and the `Verification` that it returns, and the errors::

    import lipaccord

    analysis = lipaccord.analyze("clip.mp4")
    print(analysis.findings["sync"].status)

They are imported when they are first used, so that importing the package loads no stage and no model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipaccord.comparison import Verification
    from lipaccord.errors import (
        ArchiveError,
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
        VerificationError,
    )
    from lipaccord.pipeline import analyze, examine
    from lipaccord.records import Analysis, Examination
    from lipaccord.reporting import write_report
    from lipaccord.verifying import verify

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "ArchiveError",
    "BackendMissing",
    "BundleError",
    "CalibrationError",
    "EvaluationError",
    "Examination",
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
    "Verification",
    "VerificationError",
    "__version__",
    "analyze",
    "examine",
    "verify",
    "write_report",
]

_ELSEWHERE = {
    "Analysis": "lipaccord.records",
    "Examination": "lipaccord.records",
    "Verification": "lipaccord.comparison",
    "analyze": "lipaccord.pipeline",
    "examine": "lipaccord.pipeline",
    "verify": "lipaccord.verifying",
    "write_report": "lipaccord.reporting",
}


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
