"""Cues: one file each, one trace each; all listed here.

A cue fulfils `lipaccord.records.Cue`: it reads `Tracks`, gives `Evidence`, and abstains with reasons where it
can't measure.
"""

from __future__ import annotations

from collections.abc import Callable

from lipaccord.agreement import Reference
from lipaccord.cues.blur import BlurCue
from lipaccord.cues.boundary import BoundaryCue, BoundaryProbe
from lipaccord.cues.face import FaceCue, FaceProbe
from lipaccord.cues.flicker import FlickerCue, FlickerProbe
from lipaccord.cues.noise import NoiseCue, NoiseProbe
from lipaccord.cues.occlusion import OcclusionCue, OcclusionProbe
from lipaccord.cues.retiming import RetimingCue, RetimingProbe
from lipaccord.cues.reuse import ReuseCue, ReuseProbe
from lipaccord.cues.smoothness import SmoothnessCue
from lipaccord.cues.splice import SpliceCue
from lipaccord.cues.sync import SyncCue
from lipaccord.cues.teeth import TeethCue, TeethProbe
from lipaccord.records import Cue, Probe
from lipaccord.settings import Settings

_PROBES: dict[str, Callable[[], Probe]] = {
    "boundary": BoundaryProbe,
    "face": FaceProbe,
    "flicker": FlickerProbe,
    "noise": NoiseProbe,
    "occlusion": OcclusionProbe,
    "retiming": RetimingProbe,
    "reuse": ReuseProbe,
    "teeth": TeethProbe,
}


def _resynthesis_cues() -> list[Cue]:
    """Make the cues of the resynthesis finding, in the order of the report."""
    return [
        SpliceCue("lower"),
        SpliceCue("face"),
        BlurCue(),
        TeethCue(),
        FlickerCue(),
        NoiseCue(),
        ReuseCue(),
        BoundaryCue(),
        OcclusionCue(),
        FaceCue(),
        SmoothnessCue(),
        RetimingCue(),
    ]


RESYNTHESIS_CUES = tuple(cue.name for cue in _resynthesis_cues())
"""Names of the cues of the resynthesis finding."""

COMBINED_CUES = tuple(name for name in RESYNTHESIS_CUES if name != "retiming")
"""Those that make up its score: retiming counts frames and listens to pauses, and is shown beside it."""


def load_cues(settings: Settings, reference: Reference) -> list[Cue]:
    """Make every cue, in the order of the report."""
    return [SyncCue(settings, reference), *_resynthesis_cues()]


def load_probes() -> dict[str, Probe]:
    """Make the probes for one face, by the name of their cue."""
    return {name: make() for name, make in _PROBES.items()}
