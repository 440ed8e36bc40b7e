"""An examination -> a contact sheet for every cue that measured: the pictures to look at, mouth against reference.

Which moments is the matter of `choosing`, which places and what is said of them of `looks`. The bytes are dealt out in
rounds, so that every cue shows its most telling moment before any shows its second.

Conventions: times are seconds on the container's clock, outlines are in pixels of their cutout, whose origin is the
centre of its top left pixel.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lipaccord.assembly import InlineExecutor, LineExecutor
from lipaccord.choosing import Pick, in_order, picks_of
from lipaccord.cutouts import Cutout, Rectangle, cut, rectangle, shown
from lipaccord.looks import LOOKS, Look
from lipaccord.overlay import predicted_outlines
from lipaccord.records import Evidence, Examination, FloatArray, Tracks
from lipaccord.stills import stills

MIN_SHOWN = 0.5  # share of a place that must lie in the picture


@dataclass(frozen=True, slots=True)
class Moment:
    """One picture to look at.

    Attributes
    ----------
    time_s : float
    subject : Cutout
        What the cue looks at.
    reference_s : float
        Time of the picture that `reference` is cut from; of most cues `time_s`.
    reference : Cutout
        What it is compared with.
    before, reference_before : Cutout or None
        The same places in the frame before, of cues about the change from frame to frame.
    outline : ndarray of float32 [shape=(K, 2)]
        Lips as observed, in pixels of `subject`.
    predicted : ndarray of float32 [shape=(K, 2)] or None
        Lips as the speech asks for; only of the cue `sync`, and where they are known.
    note : str
        What is special about this moment, in plain words; often empty.
    """

    time_s: float
    subject: Cutout
    reference_s: float
    reference: Cutout
    before: Cutout | None
    reference_before: Cutout | None
    outline: FloatArray
    predicted: FloatArray | None
    note: str

    @property
    def size(self) -> int:
        """Bytes of all cutouts."""
        cutouts = (self.subject, self.reference, self.before, self.reference_before)
        return sum(len(cutout.png) for cutout in cutouts if cutout is not None)

    def __repr__(self) -> str:
        return f"Moment({self.time_s:.3f} s, {self.subject} against {self.reference})"


@dataclass(frozen=True, slots=True)
class Sheet:
    """All moments of one cue.

    Attributes
    ----------
    cue, finding : str
    subject, reference : str
        Captions in plain words.
    what_to_look_for : str
        What would be seen if the trace were there, and what innocently looks the same.
    choice : str
        How the moments were chosen.
    moments : tuple of Moment
        Empty where no picture shows both places, or none fits.
    """

    cue: str
    finding: str
    subject: str
    reference: str
    what_to_look_for: str
    choice: str
    moments: tuple[Moment, ...]

    def __repr__(self) -> str:
        return f"Sheet({self.cue}, {len(self.moments)} moments)"


class _Spot(NamedTuple):
    """A rectangle of one picture of the clip."""

    picture: int
    rectangle: Rectangle


@dataclass(frozen=True, slots=True)
class _Shot:
    """A pick with its spots: subject, reference, and the same in the frame before."""

    pick: Pick
    subject: _Spot
    reference: _Spot
    before: _Spot | None
    reference_before: _Spot | None

    def spots(self) -> list[_Spot]:
        spots = (self.subject, self.reference, self.before, self.reference_before)
        return [spot for spot in spots if spot is not None]


def _shot(look: Look, pick: Pick, examination: Examination, tracks: Tracks) -> _Shot | None:
    """Lay the places of a moment; None where not enough of them lies in the picture."""
    face, video = tracks.face, examination.analysis.clip.video
    spots = []
    for place, frame in ((look.subject, pick.frame), (look.reference, pick.other)):
        laid = rectangle(place, face.layout, face.points[frame], (video.width, video.height))
        if laid is None or shown(laid, (video.width, video.height)) < MIN_SHOWN:
            return None
        spots.append(_Spot(int(face.frames[frame]), laid))
    before = [spot._replace(picture=spot.picture - 1) if look.moving and spot.picture else None for spot in spots]
    return _Shot(pick, *spots, *before)


def _moment(
    shot: _Shot, cutouts: Mapping[_Spot, Cutout], examination: Examination, lips: FloatArray, predicted: FloatArray
) -> Moment | None:
    """Put a moment together; None where a picture turned out to be smaller than the clip's first one."""
    subject, reference = cutouts.get(shot.subject), cutouts.get(shot.reference)
    if subject is None or reference is None:
        return None
    corner = np.array([subject.left, subject.top], np.float32)
    return Moment(
        time_s=float(examination.frame_times_s[shot.subject.picture]),
        subject=subject,
        reference_s=float(examination.frame_times_s[shot.reference.picture]),
        reference=reference,
        before=None if shot.before is None else cutouts.get(shot.before),
        reference_before=None if shot.reference_before is None else cutouts.get(shot.reference_before),
        outline=lips - corner,
        predicted=predicted - corner if np.isfinite(predicted).all() else None,
        note=shot.pick.note,
    )


def _cut_all(
    path: str | os.PathLike[str], examination: Examination, spots: Iterable[_Spot], threads: int
) -> dict[_Spot, Cutout]:
    """Cut all spots out of the clip in one pass; with more than one thread they are packed while it is decoded."""
    by_picture: dict[int, set[_Spot]] = {}
    for spot in spots:
        by_picture.setdefault(spot.picture, set()).add(spot)
    analysis, pictures = examination.analysis, sorted(by_picture)
    times_s = [float(examination.frame_times_s[picture]) for picture in pictures]
    frames = stills(
        path, times_s, sha256=analysis.clip.sha256, start_s=analysis.settings.get("start_s"), threads=threads
    )
    packing: dict[_Spot, Future[Cutout | None]] = {}
    with LineExecutor() if threads > 1 else InlineExecutor() as line:
        for picture, frame in zip(pictures, frames, strict=True):
            for spot in by_picture[picture]:
                packing[spot] = line.submit(cut, frame.image, spot.rectangle)
    packed = {spot: future.result() for spot, future in packing.items()}
    return {spot: cutout for spot, cutout in packed.items() if cutout is not None}


def _dealt(candidates: list[list[Moment]], max_bytes: int) -> list[list[Moment]]:
    """Deal the bytes out in rounds; a cue whose next moment does not fit gets no more."""
    dealt: list[list[Moment]] = [[] for _ in candidates]
    left, going = max_bytes, set(range(len(candidates)))
    while going:
        for place in sorted(going):
            taken = dealt[place]
            moment = next(iter(candidates[place][len(taken) :]), None)
            if moment is None or moment.size > left:
                going.discard(place)
                continue
            left -= moment.size
            taken.append(moment)
    return dealt


def contact_sheets(
    path: str | os.PathLike[str],
    examination: Examination,
    *,
    threads: int = 2,
    max_moments: int = 4,
    max_bytes: int = 8_000_000,
) -> tuple[Sheet, ...]:
    """Cut out of a clip what a person needs to check each cue.

    Parameters
    ----------
    path : path-like
        The clip that was examined.
    examination : Examination
    threads : int
        Threads of the decoder.
    max_moments : int
        Of each cue.
    max_bytes : int
        Of all cutouts together.

    Returns
    -------
    tuple of Sheet
        One for each cue that measured, those that stand out first; empty where no face was examined.

    Raises
    ------
    MediaError
        The clip can't be read, or is not the one that was examined.
    """
    tracks = examination.tracks
    if tracks is None:
        return ()
    planned = [
        (cue, *_shots(cue, examination, tracks, max_moments))
        for cue in in_order(examination.analysis.findings.values())
    ]
    cutouts = _cut_all(
        path, examination, [spot for *_, shots in planned for shot in shots for spot in shot.spots()], threads
    )
    predicted, places = predicted_outlines(examination), list(tracks.face.layout.lips)
    candidates = []
    for cue, _, shots in planned:
        asked = predicted if cue.cue == "sync" else np.full_like(predicted, np.nan)
        moments = [
            _moment(shot, cutouts, examination, tracks.face.points[shot.pick.frame, places], asked[shot.pick.frame])
            for shot in shots
        ]
        candidates.append([moment for moment in moments if moment is not None])
    dealt = _dealt(candidates, max_bytes)
    return tuple(_sheet(cue, choice, moments) for (cue, choice, _), moments in zip(planned, dealt, strict=True))


def _shots(cue: Evidence, examination: Examination, tracks: Tracks, max_moments: int) -> tuple[str, list[_Shot]]:
    """Choose the moments of a cue, say how, and lay their places."""
    choice, picks = picks_of(cue, examination, tracks, max_moments)
    shots = [_shot(LOOKS[cue.cue], pick, examination, tracks) for pick in picks]
    return choice, [shot for shot in shots if shot is not None][:max_moments]


def _sheet(cue: Evidence, choice: str, moments: Iterable[Moment]) -> Sheet:
    look = LOOKS[cue.cue]
    words = look.subject_words, look.reference_words, look.what_to_look_for
    return Sheet(cue.cue, cue.finding, *words, choice, tuple(moments))
