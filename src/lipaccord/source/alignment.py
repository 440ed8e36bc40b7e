"""How a clip lies in time in another one.

Conventions: times are seconds on the clock of the clip each belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lipaccord.records import TimeArray

EditKind = Literal["duplicate", "drop", "speed", "jump"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the time of a clip against its source.

    Attributes
    ----------
    kind : {"duplicate", "drop", "speed", "jump"}
        Frames shown again, frames left out, another speed, or a cut to another place of the source (back is a stretch
        that was reordered or shown again).
    start_s, end_s : float
        Where, on the clock of the clip.
    source_s : float
        Where in the source it goes on.
    frames : int
        Of the source: shown again, left out or jumped over (negative: back); 0 for another speed.
    factor : float
        Seconds of the source for each second of the clip; 1 but for another speed.
    """

    kind: EditKind
    start_s: float
    end_s: float
    source_s: float
    frames: int = 0
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a clip that shows its source at one speed.

    Attributes
    ----------
    start_s, end_s : float
        On the clock of the clip.
    source_start_s, source_end_s : float
        What these are on that of the source.
    """

    start_s: float
    end_s: float
    source_start_s: float
    source_end_s: float

    @property
    def speed(self) -> float:
        """Seconds of the source for each second of the clip."""
        return (self.source_end_s - self.source_start_s) / (self.end_s - self.start_s)

    def source_s(self, times_s: TimeArray) -> TimeArray:
        """Return where in the source these times of the clip lie, as if the stretch went on for ever [shape=(n,)]."""
        there: TimeArray = self.source_start_s + self.speed * (times_s - self.start_s)
        return there


def places_of(stretches: Sequence[Stretch], times_s: TimeArray) -> TimeArray:
    """Return where in the source a clip's times lie by its stretches, NaN where nowhere [shape=(n,)]."""
    found = np.full(len(times_s), np.nan)
    for stretch in stretches:
        inside = (times_s >= stretch.start_s) & (times_s <= stretch.end_s)
        found[inside] = stretch.source_s(times_s[inside])
    return found


@dataclass(frozen=True, slots=True)
class SoundAgreement:
    """How well the sound of a clip agrees with that of its source, where the picture lies.

    Attributes
    ----------
    same : bool or None
        None where too little is heard in both.
    agreement : float
        Share of equal bits at the best lag; 0.5 is chance.
    lag_s : float
        By how much the clip's sound comes later against its picture than in the source.
    heard_s : float
        Sound heard in both.
    """

    same: bool | None
    agreement: float
    lag_s: float
    heard_s: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a clip lies in another one.

    Attributes
    ----------
    stretches : tuple of Stretch
        In the order of the clip, apart.
    mirrored : bool
    covered : float
        Share of the clip's frames that lie in the source.
    strength : float
        Evidence in nats, before it is set against chance.
    log10_false : float
        log10 of how many hours' worth of false matches of this strength one hour of other recordings gives.
    agreement : dict of str to float
        Correlation of each channel of life; those that could be measured.
    looks : dict of str to float
        Median share of the bits in which the hashes of each window differ; empty where none is in both.
    sound : SoundAgreement
    edits : tuple of Edit
        In the order of the clip.
    """

    stretches: tuple[Stretch, ...]
    mirrored: bool
    covered: float
    strength: float
    log10_false: float
    agreement: dict[str, float]
    looks: dict[str, float]
    sound: SoundAgreement
    edits: tuple[Edit, ...]

    def source_s(self, times_s: TimeArray) -> TimeArray:
        """Return where in the source the clip's times lie, NaN where nowhere [shape=(n,)]."""
        return places_of(self.stretches, times_s)
