"""What a manipulation does to the pixels of a face, with a known strength: pictures in, changed pictures out.

The changes are the traces that the literature names, each by itself: a painted mouth that lacks fine detail or was
painted at a generator's working size, a weighted median of the clip's own frames (Suwajanakorn et al., "Synthesizing
Obama", SIGGRAPH 2017), sharpened teeth, a mouth of another moment, a step of tone, doubled edges, flicker, a frozen
mouth, a retimed head, a face swapped in. They are measurable harm, not convincing forgeries.

Conventions: as in `footage`; lengths in eye distances. Every choice is drawn when a `Harm` is made, so that each of its
pictures is a pure function: the same seed gives the same pixels in any order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lipaccord import painters
from lipaccord.footage import Footage
from lipaccord.masks import MaskName, SoftMask, soft_mask
from lipaccord.painters import Painter, Sources
from lipaccord.records import FaceTrack, FloatArray, Image


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to change a face.

    Attributes
    ----------
    meaning : str
        What it stands for.
    unit : str
        What its strength counts.
    ladder : tuple of float
        Strengths from weak to strong, for trials.
    low, high : float
        The strengths that it takes.
    mask : {"mouth", "lower_face", "face"} or None
        Where it acts unless told otherwise; None for the whole picture.
    painter : callable or None
        Changes pixels; None where pictures are taken from other moments.
    sources : callable or None
        Tells from which.
    """

    meaning: str
    unit: str
    ladder: tuple[float, ...]
    low: float
    high: float
    mask: MaskName | None = "lower_face"
    painter: Callable[[Footage, float, np.random.Generator], Painter] | None = None
    sources: Sources | None = None


_FLICKER_UNIT = (
    f"times {painters.FLICKER_GAIN:.0%} of gain, {painters.FLICKER_SHIFT:.1%} of the eye distance of shift and blur, "
    f"{painters.FLICKER_NOISE:.0f} grey level of noise (standard deviations)"
)
_SWAP_UNIT = (
    f"times {painters.SWAP_TONE:.0f} grey levels of tone and {painters.SWAP_BLUR:.1%} of the eye distance of blur"
)

KINDS: dict[str, Kind] = {
    "blur": Kind(
        "a painted mouth that lacks fine detail",
        "standard deviation in eye distances",
        (0.004, 0.007, 0.011, 0.016, 0.023, 0.032, 0.045),
        0.0,
        0.5,
        painter=painters.blur,
    ),
    "resample": Kind(
        "a mouth painted at a generator's working size",
        "side of the face box in pixels",
        (512, 384, 256, 192, 128, 96, 64),
        16,
        4096,
        painter=painters.resample,
    ),
    "median": Kind(
        "a weighted median of the clip's own frames with a similar mouth",
        "frames",
        (1, 2, 4, 8, 16, 40),
        1,
        40,
        painter=painters.median,
    ),
    "transplant": Kind(
        "a mouth taken from another moment", "frames away", (1, 3, 6, 12, 25, 50), 1, 1e6, sources=painters.transplant
    ),
    "tone": Kind(
        "a lower face of another lightness and colour",
        "grey levels",
        (1, 2, 4, 7, 12, 20),
        0.0,
        128.0,
        painter=painters.tone,
    ),
    "sharpen": Kind(
        "sharpened teeth and lips",
        "share of the fine detail that is added",
        (0.25, 0.5, 1.0, 2.0, 4.0),
        0.0,
        20.0,
        mask="mouth",
        painter=painters.sharpen,
    ),
    "denoise": Kind(
        "a smoothed skin without sensor noise",
        "grey levels that are taken for noise",
        (3, 6, 12, 25, 50, 100),
        0.1,
        255.0,
        painter=painters.denoise,
    ),
    "doubled": Kind(
        "a doubled chin or edge",
        "distance of the ghost in eye distances",
        (0.005, 0.01, 0.02, 0.04, 0.08, 0.15),
        0.0,
        0.5,
        painter=painters.doubled,
    ),
    "flicker": Kind(
        "a mouth painted anew in every frame",
        _FLICKER_UNIT,
        (0.25, 0.5, 1.0, 2.0, 4.0),
        0.0,
        20.0,
        painter=painters.flicker,
    ),
    "freeze": Kind(
        "a mouth that is kept or used again",
        "frames that show one mouth",
        (2, 3, 6, 12, 25, 50),
        1,
        1e6,
        sources=painters.freeze,
    ),
    "retime": Kind(
        "a head that was retimed to the speech",
        "share of the frames shown twice in the slower half and left out in the faster",
        (0.05, 0.1, 0.2, 0.35, 0.5),
        0.0,
        0.9,
        mask=None,
        sources=painters.retime,
    ),
    "swap": Kind(
        "a whole face swapped in, softer and of another tone",
        _SWAP_UNIT,
        (0.5, 1.0, 2.0, 3.0, 5.0),
        0.0,
        20.0,
        mask="face",
        painter=painters.swap,
    ),
}
"""Every kind by its name."""


class Harm:
    """One manipulation of one face, ready to give its pictures in any order.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    footage : Footage
        Kept; not changed.
    strength : float
        In the unit of the kind.
    rng : numpy.random.Generator
        What is left to chance is drawn here and now.
    part : range, optional
        Moments to change, in steps of 1; by default all. Where the face was not seen nothing is changed, but for a
        retimed picture.
    mask : {"mouth", "lower_face", "face"}, optional
        Where to change the face, if not where the kind does.

    Raises
    ------
    ValueError
        The strength is out of the kind's range, the part is none of the footage, or there are too few moments to take
        another mouth from.
    """

    def __init__(
        self,
        kind: str,
        footage: Footage,
        strength: float,
        rng: np.random.Generator,
        *,
        part: range | None = None,
        mask: MaskName | None = None,
    ) -> None:
        chosen = KINDS[kind]
        everything = range(len(footage.frames))
        if not chosen.low <= strength <= chosen.high:
            raise ValueError(f"{kind} takes a strength of {chosen.low:g} to {chosen.high:g}, not {strength:g}")
        self.part = everything if part is None else part
        if not self.part or self.part.start < 0 or self.part.stop > len(everything) or self.part.step != 1:
            raise ValueError(f"{self.part} is no part of {len(everything)} moments")
        if int(footage.seen.sum()) <= 2 * painters.NEAR_FRAMES + 1:
            raise ValueError("the face is seen in too few frames")
        self.mask = None if chosen.mask is None else mask or chosen.mask
        self._footage = footage
        self._painter = chosen.painter and chosen.painter(footage, strength, rng)
        self._sources = chosen.sources and chosen.sources(footage.seen, self.part, strength, rng)

    def _mask(self, moment: int) -> SoftMask | None:
        if self.mask is None or moment not in self.part or not self._footage.seen[moment]:
            return None
        height, width = self._footage.frames[moment].shape[:2]
        return soft_mask(self._footage.layout, self._footage.points[moment], width, height, self.mask)

    def changes(self, moment: int) -> bool:
        """Tell whether a moment is touched at all."""
        return moment in self.part if self.mask is None else self._mask(moment) is not None

    def frame(self, moment: int) -> Image:
        """Return the picture of a moment, changed or, where nothing is to be changed, as it is."""
        footage, source = self._footage, moment
        if self._sources is not None:
            source = int(self._sources[moment])
        if self.mask is None:
            return footage.frames[source]
        mask = self._mask(moment)
        if mask is None:
            return footage.frames[moment]
        painted = (
            footage.laid(source, moment, mask.place) if self._painter is None else self._painter(moment, mask.place)
        )
        return mask.blend(footage.frames[moment], painted)

    def points(self) -> FloatArray:
        """Return where the landmarks lie afterwards [shape=(T, L, 2)]: those under the mask move with what is shown."""
        footage, moved = self._footage, self._footage.points.copy()
        if self._sources is None:
            return moved
        if self.mask is None:
            return moved[self._sources]
        for moment in self.part:
            mask, source = self._mask(moment), int(self._sources[moment])
            if mask is not None and source != moment:
                matrix, here = footage.onto(source, moment), footage.points[moment]
                there = footage.points[source] @ matrix[:, :2].T + matrix[:, 2]
                moved[moment] = here + mask.at(here)[:, None] * (there - here)
        return moved

    def track(self, track: FaceTrack) -> FaceTrack:
        """Return the track of the face afterwards: its landmarks as in `points`.

        Parameters
        ----------
        track : FaceTrack
            Of the footage.
        """
        moved = dataclasses.replace(track, points=self.points()[track.frames])
        if self.mask is not None or self._sources is None:
            return moved
        rows = np.clip(self._sources[track.frames] - track.frames[0], 0, len(track.frames) - 1)
        depth = None if track.depth is None else track.depth[rows]
        return dataclasses.replace(track, points=track.points[rows], depth=depth, scores=track.scores[rows])
