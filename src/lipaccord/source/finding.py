"""What a search for the source of a clip found, in JSON values; and how often chance finds as much.

Conventions: hours are those of the signatures, one face each. ``expected_false`` is how many false matches of that
strength a search in this index is expected to give.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lipaccord.records import Reason
from lipaccord.report.values import json_values
from lipaccord.source.alignment import Alignment
from lipaccord.source.reused import Reused

Status = Literal[
    "same_recording", "mouth_altered", "sound_replaced", "different_recording", "not_found", "not_examinable"
]

MOST_EXPECTED = 1e-3
"""A match is claimed where fewer false ones are expected."""
SHORTEST_INDEX_H = 1.0  # a smaller index counts as one of this size
LEAST_LOG10 = -300.0  # less is not told apart from nothing
FEWEST_FOR_SLOPE = 15
_Z95 = 1.645


@dataclass(frozen=True, slots=True)
class Pictures:
    """How well the pictures of a clip agree with those of a recording, moment by moment.

    Attributes
    ----------
    frames : int
        Of the clip that were compared.
    correlation : float
        Of upper face and surroundings, once they are laid over each other.
    contrast : float
        log10 of how much more unlike the recording is a quarter of a second away and farther; median over the frames.
    hits : float
        Share of the frames for which no other moment of the recording is more alike than the one expected.
    weight : float
        Of all that, as `confirming` weighs it: larger speaks for the same recording.
    log10_false : float
        log10 of by how much that makes other recordings as good rarer; above 0 where it speaks against the recording.
    """

    frames: int
    correlation: float
    contrast: float
    hits: float
    weight: float
    log10_false: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recording in which a face of the clip may be found.

    Attributes
    ----------
    query_face, face : str
        Of the clip and of the recording.
    sha256 : str
        Of the recording.
    places : tuple of (str, str)
        Where it was found when it was signed, and whether it is there still; see `whereabouts.Place`.
    alignment : Alignment
    log10_false : float
        log10 of how many false matches of this strength an hour of other recordings gives.
    expected_false : float
        How many others as strong, and with pictures that agree as well, a search of this index is expected to give.
    is_match : bool
    pictures : Pictures or None
        None where they were not compared: they do not fit each other, it is not among the first candidates, or its file
        is not there.
    """

    query_face: str
    face: str
    sha256: str
    places: tuple[tuple[str, str], ...]
    alignment: Alignment
    log10_false: float
    expected_false: float
    is_match: bool
    pictures: Pictures | None = None

    @property
    def file(self) -> str | None:
        """Where the recording still lies on this machine as it was signed."""
        return next((uri for uri, state in self.places if state == "there"), None)

    def with_pictures(self, pictures: Pictures, looked_at: int) -> Candidate:
        """Return the candidate with what its pictures say, where those of so many candidates are looked at.

        Of others as strong, `expected_false`, at most `looked_at` are laid beside the clip; of these, as many agree in
        the pictures as `Pictures.log10_false` says; more than that where they speak against it.
        """
        before = math.log10(min(self.expected_false, looked_at))
        expected = math.pow(10.0, max(before + pictures.log10_false, LEAST_LOG10))
        return dataclasses.replace(self, pictures=pictures, expected_false=expected, is_match=expected <= MOST_EXPECTED)

    def to_values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        alignment = self.alignment
        first, last = alignment.stretches[0], alignment.stretches[-1]
        speeds = [(stretch.end_s - stretch.start_s, stretch.speed) for stretch in alignment.stretches]
        values = {
            "query_face": self.query_face,
            "face": self.face,
            "sha256": self.sha256,
            "places": [{"uri": uri, "state": state} for uri, state in self.places],
            "is_match": self.is_match,
            "strength": alignment.strength,
            "log10_false": self.log10_false,
            "log10_expected_false": math.log10(self.expected_false),
            "mirrored": alignment.mirrored,
            "covered": alignment.covered,
            "start_s": first.start_s,
            "end_s": last.end_s,
            "source_start_s": first.source_start_s,
            "source_end_s": last.source_end_s,
            "source_ahead_s": first.source_start_s - first.start_s,
            "speed": sum(length * speed for length, speed in speeds) / sum(length for length, _ in speeds),
            "stretches": [dataclasses.asdict(stretch) for stretch in alignment.stretches],
            "edits": [dataclasses.asdict(edit) for edit in alignment.edits],
            "agreement": alignment.agreement,
            "looks": alignment.looks,
            "sound": dataclasses.asdict(alignment.sound),
            "pictures": None if self.pictures is None else dataclasses.asdict(self.pictures),
        }
        written: dict[str, Any] = json_values(values)
        return written


@dataclass(frozen=True, slots=True)
class Searched:
    """What was searched, and what was not.

    Attributes
    ----------
    recordings, signatures : int
        With a face that lives.
    hours : float
    without : dict of str to int
        Sources that give nothing to search: by ``no_face``, ``still``, ``failed``, ``waiting``.
    astray : tuple of (str, str)
        Sources that are gone or changed since they were signed, with which of the two; what they hold now was not
        searched.
    looked_after : bool
        It was looked which sources are astray; an index of very many is not looked through for one clip.
    """

    recordings: int
    signatures: int
    hours: float
    without: dict[str, int] = field(default_factory=dict)
    astray: tuple[tuple[str, str], ...] = ()
    looked_after: bool = True

    def to_values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = {name: getattr(self, name) for name in ("recordings", "signatures", "without", "looked_after")}
        values["astray"] = [{"uri": uri, "state": state} for uri, state in self.astray]
        written: dict[str, Any] = json_values(values | {"hours": self.hours})
        return written


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """Whether the recording from which a clip was made is in an index.

    Attributes
    ----------
    status : str
        ``same_recording``: the picture is that of a recording of the index, and so is the sound, as far as heard; only
        the exhibit tells whether the mouth is, too. ``sound_replaced``: the picture is, the sound is another.
        ``mouth_altered`` and ``different_recording``: so the exhibit says. ``not_found``; ``not_examinable``.
    reasons : tuple of Reason
    searched : Searched
    candidates : tuple of Candidate
        The strongest first; also those that are no match.
    exhibit : dict or None
        What the exhibit says, JSON values; None where none was made.
    reused : tuple of Reused
        Stretches of the clip itself that show the same moment again, for each head.
    """

    status: Status
    reasons: tuple[Reason, ...]
    searched: Searched
    candidates: tuple[Candidate, ...] = ()
    exhibit: Mapping[str, Any] | None = None
    reused: tuple[Reused, ...] = ()

    def to_values(self) -> dict[str, Any]:
        """Return it as the JSON values that stand under ``findings.source``."""
        return {
            "status": self.status,
            "reasons": [dataclasses.asdict(reason) for reason in self.reasons],
            "searched": self.searched.to_values(),
            "candidates": [candidate.to_values() for candidate in self.candidates],
            "exhibit": None if self.exhibit is None else dict(self.exhibit),
            "reused": [head.to_values() for head in self.reused],
        }

    @property
    def best(self) -> Candidate | None:
        """The match that the finding is about; None where there is none."""
        return next((candidate for candidate in self.candidates if candidate.is_match), None)

    def with_alignment(self, candidate: Candidate, alignment: Alignment) -> SourceFinding:
        """Return the finding with another alignment of one of its candidates."""
        aligned = dataclasses.replace(candidate, alignment=alignment)
        candidates = tuple(aligned if one is candidate else one for one in self.candidates)
        return dataclasses.replace(self, candidates=candidates)

    def with_exhibit(self, status: Status, reasons: Sequence[Reason], values: Mapping[str, Any]) -> SourceFinding:
        """Return the finding with what the exhibit of its best match says.

        Parameters
        ----------
        status : str
            ``not_examinable`` leaves the status as it is.
        reasons : sequence of Reason
        values : mapping
            JSON values.
        """
        if self.best is None:
            raise ValueError("there is no match of which an exhibit could be made")
        decided = self.status if status == "not_examinable" else status
        return dataclasses.replace(self, status=decided, reasons=(*self.reasons, *reasons), exhibit=dict(values))


def expected_false(log10_false: float, hours: float) -> float:
    """Return how many false matches are expected in an index of so many hours."""
    return math.pow(10.0, max(log10_false + math.log10(max(hours, SHORTEST_INDEX_H)), LEAST_LOG10))


def observed_log10_false(
    strength: float, log10_false: float, others: Iterable[tuple[float, float]], hours: float
) -> float:
    """Return the rate of false matches that the other recordings of this index bear out for this clip.

    The k-th strongest of the others was reached k times in so many hours. Where that is more often than the calibrated
    rate says, the rate of the match is raised by as much. Where there are many, and their strengths fall off
    significantly more slowly than calibrated, by their own slope.

    Parameters
    ----------
    strength, log10_false : float
        Of the match, as calibrated.
    others : iterable of (strength, log10_false)
        Best alignment of each of the other recordings.
    hours : float
        Of the index.
    """
    ordered = sorted(others, reverse=True)
    if not ordered:
        return -math.inf
    hours = max(hours, 1e-3)
    seen = [math.log10(rank / hours) for rank in range(1, len(ordered) + 1)]
    raised = max(rate - usual for rate, (_, usual) in zip(seen, ordered, strict=True))
    observed = log10_false + raised
    if len(ordered) >= FEWEST_FOR_SLOPE:
        values = np.array([one for one, _ in ordered])
        least, count = float(values[-1]), len(values) - 1
        mean = float((values[:-1] - least).mean())
        usual = math.log(10) * abs(ordered[0][1] - ordered[-1][1]) / max(float(values[0] - least), 1e-9)
        if mean > 0 and (1 + _Z95 / math.sqrt(count)) / mean < usual:
            observed = max(observed, seen[-1] - (strength - least) / mean / math.log(10))
    return observed
