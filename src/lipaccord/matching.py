"""Matched encodes: authentic clips given the same extra lossy generation that synthesised ones went through.

Whoever paints a mouth decodes a clip and encodes it again, and often resizes it: the whole picture loses fine detail,
and the loss on the untouched forehead alone can tell synthesised from authentic clips. A score judged on such clips
would be praised for finding encoders (on the compression that separates classes of forensic data: Roessler et al.,
FaceForensics++, ICCV 2019, who compare at equal compression). So authentic clips go through a ladder of encodes, and
for each method that rung is taken at which the forehead tells least.

Conventions: the forehead's detail is the median over frames of log10 band energy, a fine band less a middle one, both
tied to the eye distance; the control score is its negative, so that larger = softer = more like an encoded clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipaccord import treatments
from lipaccord.conditions import FOREHEAD, fine_detail
from lipaccord.landmarks.replay import read_tracks
from lipaccord.media import open_clip
from lipaccord.metrics import auc
from lipaccord.records import FacePoints, FaceTrack, Frame, Image
from lipaccord.regions import REGIONS, eye_distance
from lipaccord.texture import SCALES, TextureMeter

ORIGINAL = "original"
"""Name of the clip as it came, which is no rung."""

EVERY = 4  # frames: the forehead is looked at in one of as many
MIN_MEASURED = 5
MIN_FAKES = 5  # clips of a method, to choose a rung for it alone
MIN_SAME = 8  # authentic clips of a method's own groups, to choose the rung on these

Details = Sequence[tuple[float, str]]
"""Forehead detail and group of each clip."""


RUNGS = treatments.RUNGS
"""The ladder, from the gentlest encode to the harshest."""


def frame_detail(image: Image, points: FacePoints, track: FaceTrack) -> float:
    """Measure the forehead of one frame: fine less middle log10 band energy; NaN where it can't be seen."""
    energy = TextureMeter(track.layout).measure(image, points).energy[REGIONS.index(FOREHEAD)]
    eyes_px = float(eye_distance(track.layout, points.xy))
    return fine_detail(energy, SCALES, eyes_px)


def _located(frames: Iterator[Frame], track: FaceTrack) -> Iterator[tuple[Frame, FacePoints]]:
    """Yield every `EVERY`-th frame in which the face was seen, with its points."""
    rows = {int(frame): row for row, frame in enumerate(track.frames) if track.seen[row]}
    for frame in frames:
        row = rows.get(frame.index)
        if row is not None and row % EVERY == 0:
            yield frame, FacePoints(track.points[row], None, float(track.scores[row]))


def forehead_detail(
    path: Path, tracks: Path, face: str, start_s: float | None = None, end_s: float | None = None
) -> float | None:
    """Measure how much fine detail the forehead of a clip holds.

    Parameters
    ----------
    path : Path
        The clip, or another encode of the same frames.
    tracks : Path
        Stored tracks of the clip.
    face : str
        The track to measure.
    start_s, end_s : float, optional
        The part of the clip that the tracks were made from.

    Returns
    -------
    float or None
        None where the forehead is too seldom in the picture.

    Raises
    ------
    MediaError, TracksError
        The clip or its tracks can't be read.
    """
    track = next(track for track in read_tracks(tracks).tracks if track.id == face)
    with open_clip(path, start_s=start_s, end_s=end_s) as reader:
        details = [frame_detail(frame.image, points, track) for frame, points in _located(reader.frames(), track)]
    measured = [detail for detail in details if np.isfinite(detail)]
    return float(np.median(measured)) if len(measured) >= MIN_MEASURED else None


@dataclass(frozen=True, slots=True)
class Choice:
    """The rung at which the forehead tells least between a method's clips and authentic ones.

    Attributes
    ----------
    rung : str
    controls : dict of str to float
        Area under the ROC curve of the control, by rung.
    reference : str
        ``same groups`` or ``all authentic``: the authentic clips that it was chosen on.
    """

    rung: str
    controls: dict[str, float]
    reference: str


def choose_rung(fakes: Details, authentic: Mapping[str, Details]) -> Choice | None:
    """Choose a rung for the clips of one method.

    Parameters
    ----------
    fakes : list of (float, str)
        Forehead detail and group of each synthesised clip.
    authentic : dict of str to list of (float, str)
        The same of authentic clips, by rung, the gentlest first.

    Returns
    -------
    Choice or None
        The gentler of two equal ones; None where either class is empty.
    """
    groups = {group for _, group in fakes}
    own = {name: [clip for clip in clips if clip[1] in groups] for name, clips in authentic.items()}
    same = bool(own) and min(map(len, own.values())) >= MIN_SAME
    controls = {
        name: auc([-detail for detail, _ in fakes], [-detail for detail, _ in clips])
        for name, clips in (own if same else authentic).items()
        if clips and fakes
    }
    if not controls:
        return None
    best = min(controls, key=lambda name: round(abs(controls[name] - 0.5), 9))
    return Choice(best, controls, "same groups" if same else "all authentic")


def choose_rungs(fakes: Mapping[str, Details], authentic: Mapping[str, Details]) -> dict[str, Choice]:
    """Choose a rung for every method; methods of fewer than `MIN_FAKES` clips share one, for few clips tell nothing."""
    small = [method for method, clips in fakes.items() if len(clips) < MIN_FAKES]
    shared = choose_rung([clip for method in small for clip in fakes[method]], authentic)
    choices = {method: shared if method in small else choose_rung(clips, authentic) for method, clips in fakes.items()}
    return {method: choice for method, choice in choices.items() if choice is not None}
