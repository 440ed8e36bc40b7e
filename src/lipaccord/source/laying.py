"""A clip and its source, frame after frame -> each face of the clip with the source laid over it, and what to keep.

Conventions: as in `framing`; times on the clock of the clip.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.faces import FaceTracker
from lipaccord.records import FloatArray, Frame, Image, LandmarkBackend
from lipaccord.source.alignment import Alignment
from lipaccord.source.deciding import Course
from lipaccord.source.differing import Differ, Difference
from lipaccord.source.framing import CENTRE, EYES, HEIGHT, WIDTH, Matrix, sample, whole
from lipaccord.source.pairing import Moment, moments
from lipaccord.source.registering import Registered, Registrar

MAX_FACES = 3
ENLARGED = 2.0  # pixels of a picture of the exhibit for each of the window
PICTURES = 6
PICTURE_EVERY_S = 0.5
HELD = 4 * PICTURES
HEAT_FULL = 8.0  # multiples of what is expected that are shown brightest
GREY = 0.6  # of its light is left to the picture under the colours
HEAT_WEIGHT = 2.5  # of the colours, for each share; at most 1, and then nothing is left of the picture
COLUMNS = (
    *("time_s", "source_s", "correlation", "eyes_px", "source_eyes_px", "place_x", "place_y"),
    *("lower", "upper", "whole", "covered", "reference_levels", "lower_levels", "softened"),
    *("gain_luma", "gain_red", "gain_blue", "offset_luma", "offset_red", "offset_blue", "floor", "steep", "moving"),
)
"""What `Log` keeps of a frame."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of the exhibit [pictures: shape=(height, width, 3)], RGB.

    Attributes
    ----------
    time_s, source_s : float
        On the clock of the clip and of the source.
    lower : float
        By how much more the lower face differs than the upper one (log10, in amplitude).
    clip, source : ndarray of uint8
        The face in the clip, and that in the source laid over it.
    heat : ndarray of uint8
        Where they differ, over a grey picture of the clip: dark where it is as the encodes explain, bright from
        `HEAT_FULL` times as much.
    """

    time_s: float
    source_s: float
    lower: float
    clip: Image
    source: Image
    heat: Image


@dataclass(frozen=True, slots=True)
class Look:
    """One face in one frame, beside the source; `registered` and `difference` are None where that failed."""

    key: int
    moment: Moment
    registered: Registered | None
    difference: Difference | None


def looks(
    clip: str | os.PathLike[str],
    source: str | os.PathLike[str],
    alignment: Alignment,
    backend: LandmarkBackend,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    threads: int = 1,
) -> Iterator[tuple[Moment, list[Look]]]:
    """Lay the source over every face of a clip, frame after frame.

    Parameters
    ----------
    clip, source, alignment, start_s, end_s, threads
        As for `exhibit`.
    backend : LandmarkBackend

    Yields
    ------
    tuple of Moment and list of Look
        For every frame of the clip; the looks at the faces for which the source has a picture.
    """
    tracker = FaceTracker(backend, MAX_FACES)
    at_work: dict[int, tuple[Registrar, Differ]] = {}
    for moment in moments(clip, source, alignment, start_s=start_s, end_s=end_s, threads=threads):
        seen = []
        for sighting in tracker.feed(moment.frame):
            if not moment.sources:
                continue
            registrar, differ = at_work.setdefault(sighting.key, (Registrar(backend), Differ()))
            xy = sighting.points.xy
            laid = registrar.register(moment.frame.image, xy, moment.sources, moment.nearest)
            seen.append(Look(sighting.key, moment, laid, None if laid is None else differ.measure(laid)))
        yield moment, seen


def face_name(key: int) -> str:
    """Name a face by its key: faces are counted as they appear."""
    return f"face-{key + 1}"


def heat_share(heat: FloatArray) -> FloatArray:
    """Return where a map of differences lies from what is expected, 0, to `HEAT_FULL`, 1; 0 where it is not known."""
    return np.asarray(np.clip((np.nan_to_num(heat, nan=0.0) - 1) / (HEAT_FULL - 1), 0, 1), np.float32)


def heat_colours(levels: NDArray[np.uint8]) -> Image:
    """Return the colours of shares of 255 [shape=(height, width)] in RGB."""
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), np.uint8)


def heat_picture(image: Image, heat: FloatArray) -> Image:
    """Lay a map of differences over a grey copy of the picture [shape=(height, width, 3)], in colours."""
    size = (image.shape[1], image.shape[0])
    known = np.nan_to_num(heat, nan=0.0)
    share = heat_share(np.asarray(cv2.resize(known, size, interpolation=cv2.INTER_LINEAR), np.float32))
    colours = heat_colours(np.rint(255 * share).astype(np.uint8))
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)[..., None] * GREY
    weight = np.minimum(1.0, HEAT_WEIGHT * share)[..., None]
    mixed: Image = np.rint(grey * (1 - weight) + colours * weight).astype(np.uint8)
    return mixed


def enlarged(frame: Image, matrix: Matrix, times: float = ENLARGED) -> Image:
    """Read the window out of a picture once more, larger."""
    larger = matrix.copy()
    larger[:, :2] /= times
    larger[:, 2] += matrix[:, :2] @ np.full(2, (1 / times - 1) / 2)
    size = (round(WIDTH * times), round(HEIGHT * times))
    return np.clip(np.rint(sample(frame, larger, size)), 0, 255).astype(np.uint8)


def source_frame(moment: Moment, registered: Registered) -> Frame:
    """Return the frame of the source that was laid over the clip."""
    return next(frame for frame in moment.sources if frame.time_s == registered.source_s)


def both(moment: Moment, registered: Registered, times: float = ENLARGED) -> tuple[Image, Image]:
    """Read the face in the clip and that in its source laid over it, as `enlarged` does."""
    source = source_frame(moment, registered).image
    clip = moment.frame.image
    return enlarged(clip, registered.to_clip, times), enlarged(source, registered.to_source, times)


@dataclass(slots=True)
class Log:
    """What was seen of one face."""

    paired: int = 0
    rows: list[tuple[float, ...]] = field(default_factory=list)
    lags: dict[int, int] = field(default_factory=dict)
    pictures: dict[int, Picture] = field(default_factory=dict)
    fixed: NDArray[np.float64] | None = None

    def add(self, look: Look) -> None:
        """Take in one look at the face."""
        self.paired += 1
        laid, found = look.registered, look.difference
        if laid is None or found is None:
            return
        self.lags[laid.lag] = self.lags.get(laid.lag, 0) + 1
        time_s, fit = look.moment.frame.time_s, found.fit
        measured = (found.lower, found.upper, found.whole, found.covered, *found.grey_levels)
        fitted = (fit.softened, *fit.gain, *fit.offset, fit.floor, fit.steep, fit.moving)
        place = (laid.source_s, laid.correlation, laid.eyes_px, laid.source_eyes_px)
        self.rows.append((time_s, *place, *self._fixed_point(laid), *measured, *fitted))
        self._show(look.moment, laid, found)

    def _fixed_point(self, laid: Registered) -> tuple[float, float]:
        """Return where in the source a fixed point of the clip's picture lies, in its pixels."""
        if self.fixed is None:
            self.fixed = laid.to_clip @ (*CENTRE, 1.0)
        inside = np.linalg.inv(whole(laid.to_clip)) @ (*self.fixed, 1.0)
        x, y = laid.to_source @ inside
        return float(x), float(y)

    def _show(self, moment: Moment, laid: Registered, found: Difference) -> None:
        """Keep the picture of the largest difference in each half second, of a limited number of these."""
        bin_of = math.floor(moment.frame.time_s / PICTURE_EVERY_S)
        before = self.pictures.get(bin_of)
        level = found.lower if math.isfinite(found.lower) else -math.inf
        if before is not None and before.lower >= level:
            return
        if before is None and len(self.pictures) == HELD:
            least = min(self.pictures, key=lambda one: self.pictures[one].lower)
            if self.pictures[least].lower >= level:
                return
            del self.pictures[least]
        clip, source = both(moment, laid)
        heat = heat_picture(clip, found.heat)
        self.pictures[bin_of] = Picture(moment.frame.time_s, laid.source_s, level, clip, source, heat)

    def table(self) -> dict[str, NDArray[np.float64]]:
        """Return `COLUMNS` by name [each: shape=(T,)]."""
        rows = np.array(self.rows, np.float64).reshape(len(self.rows), len(COLUMNS))
        return dict(zip(COLUMNS, rows.T, strict=True))

    def course(self) -> Course:
        """Return what is judged."""
        table = self.table()
        smaller = np.minimum(table["eyes_px"], table["source_eyes_px"])
        scale = EYES / float(np.median(table["source_eyes_px"])) if len(smaller) else math.nan
        return Course(
            times_s=table["time_s"],
            source_s=table["source_s"],
            lower=table["lower"],
            upper=table["upper"],
            whole=table["whole"],
            covered=table["covered"],
            correlation=table["correlation"],
            levels=table["reference_levels"],
            place=np.stack([table["place_x"], table["place_y"]], axis=1) * scale,
            eyes_px=float(np.median(smaller)) if len(smaller) else math.nan,
            paired=self.paired,
        )

    def shown(self) -> tuple[Picture, ...]:
        """Return the pictures of the largest differences, in the order of time."""
        largest = sorted(self.pictures.values(), key=lambda one: -one.lower)[:PICTURES]
        return tuple(sorted(largest, key=lambda one: one.time_s))
