"""A face in a clip and the frames of its source about then -> the source laid over the clip, level and of one size.

Method: the landmarks of both give a similarity to start from; the enhanced correlation coefficient (Evangelidis and
Psarakis, IEEE TPAMI 30(10), 2008; OpenCV) refines it to an affine transform, below a tenth of a pixel. Only the upper
face and what lies round the head above the mouth count, never the lower face. A copy keeps one geometry for long, so
each frame begins from the transform of the frame before. Which frame of the source it is, among the neighbours of the
one that the alignment names, is what differs least over the whole window, lower face included: so whatever doubt there
is about time speaks for "unaltered".

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
ITERATIONS, PRECISION = 40, 1e-5
SMOOTH = 5  # pixels of the Gaussian under which registration looks
CHECKED_FIRST, CHECK_EVERY = 5, 6  # frames of a face in which the neighbours in time are looked at too
WORSE, LEAST_DOUBT = 2.0, 0.002  # so many times the usual lack of correlation casts doubt on the frame chosen
MEMORY = 0.6  # of the evidence about the lag, from check to check
SWITCH = 0.05  # by how much less, in nats, another lag must differ to be believed


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


@dataclass(frozen=True, slots=True)
class Found:
    """A transform from the window to the source, and how well the two agree: above the mouth, and in all."""

    matrix: Matrix
    correlation: float
    whole: float


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
        correlations = [alike(self.grey, laid, part & valid) for part in (self.mask, self.reach)]
        return Found(matrix, *correlations)

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
        self._lag = 0
        self._costs: dict[int, float] = {}
        self._checked = 0
        self._usual = LEAST_DOUBT

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
        chosen = min(max(nearest + self._lag, 0), len(sources) - 1)
        found = None
        if self._across is not None:
            chosen, found = self._follow(looked, (self._across @ whole(looked.to_clip))[:2], sources, nearest)
        if found is None or found.correlation < GOOD_CORRELATION:
            found = looked.begun(sources[chosen], self._backend)
        if found is None or found.correlation < MIN_CORRELATION:
            self._across, self._checked = None, 0
            return None
        to_source, correlation = found.matrix, found.correlation
        self._across, self._usual = looked.across(to_source), max(self._usual, 1 - correlation)
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

    def _follow(
        self, looked: Window, start: Matrix, sources: Sequence[Frame], nearest: int
    ) -> tuple[int, Found | None]:
        """Go on from the frame before; now and then, or where it fits worse than it did, look at the neighbours."""
        chosen = min(max(nearest + self._lag, 0), len(sources) - 1)
        found = looked.refined(sources[chosen].image, start)
        self._checked += 1
        doubtful = found is None or 1 - found.correlation > WORSE * self._usual
        if not (doubtful or self._checked <= CHECKED_FIRST or self._checked % CHECK_EVERY == 0):
            return chosen, found
        every = {
            place - nearest: found if place == chosen else looked.refined(source.image, start)
            for place, source in enumerate(sources)
        }
        costs = {lag: 0.5 * math.log(max(1 - one.whole, 1e-6)) for lag, one in every.items() if one is not None}
        known = {lag: MEMORY * self._costs.get(lag, cost) + (1 - MEMORY) * cost for lag, cost in costs.items()}
        self._costs = known
        if not known:
            return chosen, None
        best = min(known, key=lambda lag: (known[lag], abs(lag)))
        if self._lag not in known or known[best] < known[self._lag] - SWITCH:
            self._lag = best
        chosen = min(max(nearest + self._lag, 0), len(sources) - 1)
        return chosen, every[chosen - nearest]
