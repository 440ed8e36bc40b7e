"""A face in a clip and the frames of its source about then -> the source laid over the clip, level and of one size.

Method: the landmarks of both give a similarity to start from; the enhanced correlation coefficient (Evangelidis and
Psarakis, IEEE TPAMI 30(10), 2008; OpenCV) refines it to an affine transform, below a tenth of a pixel. Only the upper
face and what lies round the head above the mouth count, never the lower face. A copy keeps one geometry for long, so
each frame begins from the transform of the frame before. Which frame of the source it is, among the neighbours of the
one that the alignment names, is that whose lower face differs clearly least under the transform of the frame before: so
whatever doubt there is about time speaks for "unaltered".

Conventions: as in `framing`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lipaccord.records import BoolArray, FloatArray, Frame, Image, LandmarkBackend, LandmarkLayout
from lipaccord.source.framing import EYES, Matrix, Places, level, places_of, reaches, sample, whole

MIN_CORRELATION = 0.75
GOOD_CORRELATION = 0.9  # of the pictures: a transform that is carried over from the frame before must reach it
MIN_SHARED = 0.3  # of the pixels that count: the source must show as many
DRAWN = 30.0  # grey levels by which a pixel differs at every time where something was drawn over one of the two
CLEAR = 0.9  # share of the difference to which another frame has to bring it
ITERATIONS, PRECISION = 40, 1e-5
SMOOTH = 5  # pixels of the Gaussian under which registration looks


@dataclass(frozen=True, slots=True)
class Registered:
    """One frame and its source in the window.

    Attributes
    ----------
    clip, source : ndarray of float32 [shape=(HEIGHT, WIDTH, 3)]
        Grey levels, RGB.
    valid : ndarray of bool [shape=(HEIGHT, WIDTH)]
        Both pictures reach here.
    places : Places
    to_clip, to_source : ndarray of float64 [shape=(2, 3)]
        From the window to the pixels of either picture.
    correlation : float
        Of the upper face and its surroundings.
    source_s : float
        Time of the frame of the source.
    lag : int
        By how many frames it is not the one that the alignment names.
    eyes_px, source_eyes_px : float
        Between the eyes in either picture.
    """

    clip: FloatArray
    source: FloatArray
    valid: BoolArray
    places: Places
    to_clip: Matrix
    to_source: Matrix
    correlation: float
    source_s: float
    lag: int
    eyes_px: float
    source_eyes_px: float


def alike(clip: FloatArray, source: FloatArray, mask: BoolArray) -> float:
    """Return the correlation of two grey pictures under a mask."""
    one, other = clip[mask].astype(np.float64), source[mask].astype(np.float64)
    one -= one.mean()
    other -= other.mean()
    power = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / power if power > 0 else 0.0


def _refined(clip: FloatArray, source: FloatArray, mask: BoolArray, valid: BoolArray) -> Matrix | None:
    """Find the affine transform from the window of the clip to that of the source; None where there is none."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, PRECISION)
    try:
        _, warp = cv2.findTransformECCWithMask(
            clip,
            source,
            mask.astype(np.uint8) * 255,
            valid.astype(np.uint8) * 255,
            np.eye(2, 3, dtype=np.float32),
            cv2.MOTION_AFFINE,
            criteria,
            SMOOTH,
        )
    except cv2.error:  # what it says of pictures that do not converge
        return None
    return np.asarray(warp, np.float64)


def _apart(clip: FloatArray, sources: FloatArray) -> FloatArray:
    """Return the mean squared difference of each source [shape=(S, n)], without what is drawn over, from the clip."""
    differ = clip - sources
    differ -= np.median(differ, axis=1, keepdims=True)
    shown = np.abs(differ).min(axis=0) < DRAWN
    return (differ[:, shown] ** 2).mean(axis=1) if shown.any() else np.zeros(len(sources), np.float32)


@dataclass(frozen=True, slots=True)
class Found:
    """A transform from the window to the source, and how well the two agree above the mouth."""

    matrix: Matrix
    correlation: float


@dataclass(frozen=True, slots=True)
class Window:
    """The clip's side of one frame.

    Attributes
    ----------
    to_clip : ndarray of float64 [shape=(2, 3)]
        From the window to the pixels of the clip.
    colours : ndarray of float32 [shape=(HEIGHT, WIDTH, 3)]
    grey : ndarray of float32 [shape=(HEIGHT, WIDTH)]
    places : Places
    reach, mask : ndarray of bool [shape=(HEIGHT, WIDTH)]
        The picture reaches here; and it is a place that counts.
    """

    to_clip: Matrix
    colours: FloatArray
    grey: FloatArray
    places: Places
    reach: BoolArray
    mask: BoolArray

    @classmethod
    def of(cls, image: Image, xy: FloatArray, layout: LandmarkLayout) -> Window:
        """Read the window of the face with landmarks `xy` [shape=(L, 2)] out of a picture."""
        to_clip = level(layout, xy)
        inverse = np.linalg.inv(whole(to_clip))
        inside = xy.astype(np.float64) @ inverse[:2, :2].T + inverse[:2, 2]
        places = places_of(layout, inside.astype(np.float32))
        colours, reach = sample(image, to_clip), reaches(image, to_clip)
        grey = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.float32)
        return cls(to_clip, colours, grey, places, reach, (places.upper | places.around) & reach)

    def across(self, matrix: Matrix) -> Matrix:
        """Return the transform from the picture of the clip to that of the source, of one from the window to it."""
        across: Matrix = whole(matrix) @ np.linalg.inv(whole(self.to_clip))
        return across

    def refined(self, picture: Image, start: Matrix) -> Found | None:
        """Lay a picture of the source over it, beginning from a transform; None where that fails."""
        source, valid = sample(picture, start, grey=True), reaches(picture, start)
        if not self.mask.any() or (self.mask & valid).sum() < MIN_SHARED * self.mask.sum():
            return None
        warp = _refined(self.grey, source, self.mask, valid)
        if warp is None:
            return None
        matrix = (whole(start) @ whole(warp))[:2]
        laid, valid = sample(picture, matrix, grey=True), reaches(picture, matrix)
        if not (self.mask & valid).any():
            return None
        return Found(matrix, alike(self.grey, laid, self.mask & valid))

    def likest(self, sources: Sequence[Frame], nearest: int, start: Matrix) -> int:
        """Tell which picture shows the same moment, under one transform: the nearest unless another does clearly.

        That is the one whose lower face differs least, of those that differ no more above the mouth.
        """
        valid = self.reach & reaches(sources[nearest].image, start)
        if not (self.places.lower & valid).any() or not (self.mask & valid).any():
            return nearest
        laid = np.stack([sample(source.image, start, grey=True) for source in sources])
        above, below = (
            _apart(self.grey[part], laid[:, part]) for part in (self.mask & valid, self.places.lower & valid)
        )
        below = np.where(above <= above[nearest] / CLEAR, below, np.inf)
        least = int(np.argmin(below))
        return least if below[least] < CLEAR * below[nearest] else nearest

    def begun(self, source: Frame, backend: LandmarkBackend) -> Found | None:
        """Lay a picture over it, beginning from the landmarks of the faces in that; the best, None where none fits."""
        best: Found | None = None
        for region in backend.detect(source):
            points = backend.locate(source, region)
            if points is None or not np.isfinite(points.xy).all():
                continue
            found = self.refined(source.image, level(backend.layout, points.xy))
            if found is not None and (best is None or found.correlation > best.correlation):
                best = found
        return best


class Registrar:
    """Lays the source over one face of a clip, frame after frame.

    Parameters
    ----------
    backend : LandmarkBackend
        Finds the face in the source; that of the clip is given.
    """

    def __init__(self, backend: LandmarkBackend) -> None:
        self._backend = backend
        self._across: Matrix | None = None  # from the picture of the clip to that of the source

    def register(self, image: Image, xy: FloatArray, sources: Sequence[Frame], nearest: int) -> Registered | None:
        """Lay the source over the face.

        Parameters
        ----------
        image : ndarray of uint8 [shape=(height, width, 3)]
            Of the clip.
        xy : ndarray of float32 [shape=(L, 2)]
            The face's landmarks in it.
        sources : sequence of Frame
            Of the source, neighbours in time.
        nearest : int
            Which of them the alignment names.

        Returns
        -------
        Registered or None
            None where no frame of the source fits.
        """
        looked = Window.of(image, xy, self._backend.layout)
        chosen, found = nearest, None
        if self._across is not None:
            start = (self._across @ whole(looked.to_clip))[:2]
            chosen = looked.likest(sources, nearest, start)
            found = looked.refined(sources[chosen].image, start)
        if found is None or found.correlation < GOOD_CORRELATION:
            found = looked.begun(sources[chosen], self._backend)
        if found is None or found.correlation < MIN_CORRELATION:
            self._across = None
            return None
        to_source, correlation = found.matrix, found.correlation
        self._across = looked.across(to_source)
        picture = sources[chosen].image
        scale = math.sqrt(abs(np.linalg.det(to_source[:, :2])))
        return Registered(
            clip=looked.colours,
            source=sample(picture, to_source),
            valid=looked.reach & reaches(picture, to_source),
            places=looked.places,
            to_clip=looked.to_clip,
            to_source=to_source,
            correlation=correlation,
            source_s=sources[chosen].time_s,
            lag=chosen - nearest,
            eyes_px=math.sqrt(abs(np.linalg.det(looked.to_clip[:, :2]))) * EYES,
            source_eyes_px=scale * EYES,
        )
