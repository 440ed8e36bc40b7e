"""Cues: one file each, one trace each; all listed here.

A cue fulfils `lipaccord.records.Cue`: it reads `Tracks`, gives `Evidence`, and abstains with reasons where it
can't measure.
"""

from __future__ import annotations

from collections.abc import Callable

from lipaccord.agreement import Reference
from lipaccord.cues.blur import BlurCue
from lipaccord.cues.sync import SyncCue
from lipaccord.records import Cue, Probe
from lipaccord.settings import Settings

_PROBES: dict[str, Callable[[], Probe]] = {}


def load_cues(settings: Settings, reference: Reference) -> list[Cue]:
    """Make every cue, in the order of the report."""
    return [SyncCue(settings, reference), BlurCue()]


def load_probes() -> dict[str, Probe]:
    """Make the probes for one face, by the name of their cue."""
    return {name: make() for name, make in _PROBES.items()}
