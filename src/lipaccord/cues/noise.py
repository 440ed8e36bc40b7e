"""Compare how much of the picture the lower face carries over from frame to frame with the rest of the same face.

Method: at native pixels, without any registration (`pixels`), two quantities are taken of mouth with lips, of the chin,
and of nose, cheeks and eyes: the share of pixels that changed by at most one grey level, and the correlation of the
noise residual between the two frames. Video encoders skip blocks that hardly change, so a filmed face keeps part of
its noise, block by block, from one frame to the next; a mouth that is painted anew in every frame leaves the encoder
nothing to keep. Continuity of noise as a trace of manipulated video: Hsu et al., MMSP 2008. The level of the noise
itself (Mahdian and Saic, Image and Vision Computing, 2009) is told in the details but doesn't enter the score: blur of
the whole picture moves it too much.

Null: the lower face moves more than the rest, and has other contrasts. Motion of each region (by its landmarks),
contrast in two coarser bands, brightness, and the level of the noise are in the expectation, all but motion as
differences between the lower face and the rest, so that what is done to the whole picture nearly cancels. Only less
carried over than expected counts. A frozen mouth is the matter of another cue (`reuse`). A repeated frame is left
out. Every second frame at most is measured.

The visibility of the encoder's block grid was tried and left out: generators' encoders leave more of a grid in the
untouched upper face, where nothing moves, and that alone set their clips apart.

Conventions: the score is the departure in spreads of authentic clips, larger = less is carried over.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.course import Values, beyond, smooth, telling_frames
from lipaccord.cues.reasons import too_few_frames, too_small
from lipaccord.outlines import native
from lipaccord.pixels import read_pair
from lipaccord.records import (
    BoolArray,
    Evidence,
    FaceView,
    FindingName,
    FloatArray,
    ProbeTrack,
    Reason,
    Series,
    Tracks,
)
from lipaccord.regions import REGIONS
from lipaccord.usable import median_of, turn_weight

PARTS = {"mouth": ("outer_lips",), "chin": ("chin",)}
REFERENCES = {"nose": ("nose",), "cheeks": ("right_cheek", "left_cheek"), "eyes": ("right_eye", "left_eye")}
MEASURED = PARTS | REFERENCES
"""Regions, each with the rings of landmarks that tell its motion; the mouth is measured with the lips."""

QUANTITIES = ("noise", "middle", "coarse", "level", "still", "kept", "moved")
MIN_PIXELS = 40
TRIMMED = 0.8  # share of the residual's absolute values that the noise is the mean of
REPEATED = 0.02  # grey levels: a mean change below this is the same picture again
STRIDE = 2  # frames
FLOOR = 0.02  # grey levels: below what rounding to 8 bits leaves

MIN_EYES_PX = 30.0
MIN_FRAMES = 12
ROUNDING = 0.15  # log10 of the noise in the rest of the face: below it the residual is rounding
WINDOW_S = 1.0
MIN_SEGMENT_S = 0.5
UNIT = "spreads of authentic clips; above zero = less is carried over than in the rest of the face"


@dataclass(frozen=True, slots=True)
class _Model:
    """The expectation of what one part carries over.

    Attributes
    ----------
    weights : tuple of float
        Of the circumstances, in the order of `_departures`.
    offset : float
    spread : float
        Of authentic clips of people left out of the fit.
    """

    weights: tuple[float, ...]
    offset: float
    spread: float


# Ridge regressions over 88 authentic clips (40 of political speech and interviews, 34 to 200 pixels between the eyes;
# 36 of news anchors and 12 of one laboratory speaker, about 45 pixels), up to 60 frames each, as they came; the first
# 40 also re-encoded by H.264 at CRF 24 and 31; these and 16 of the others blurred by 1 and 2 pixels, halved, doubled
# and sharpened as a whole. No generator among them.
MODELS = {
    ("mouth", "still"): _Model(
        (0.401, 0.342, -0.760, -0.546, -0.586, 0.694, -2.838, 1.636, 0.871, 0.412), -0.589, 0.301
    ),
    ("mouth", "kept"): _Model((0.013, 0.383, 0.062, 0.080, -0.068, -0.282, -0.588, 0.306, 0.065, -0.043), 0.129, 0.107),
    ("chin", "still"): _Model(
        (0.523, -0.227, -0.731, -0.733, -0.815, 0.681, -3.094, 1.805, 0.636, 0.749), -0.295, 0.349
    ),
    ("chin", "kept"): _Model((0.036, 0.257, 0.129, 0.094, -0.308, -0.172, -0.403, 0.291, -0.086, 0.057), 0.133, 0.100),
}
MERGED_SPREAD = 0.79  # of the mean over parts and quantities
LIMIT = 1.7  # 3 of 100 authentic clips lie beyond; of one second anywhere in 2.4 s, beyond the next
LOCAL_LIMIT = 2.5

_BANDS = tuple(cv2.getGaussianKernel(size, sigma, cv2.CV_32F) for size, sigma in ((5, 1.0), (11, 1.73), (21, 3.46)))
# to standard deviations of 1, 2 and 4 pixels of the level copy, one after the other
_OWNERS = np.zeros(256, np.uint8)  # of each label of `FaceView.regions`: 0, or one more than the index in MEASURED
for _index, _name in enumerate(MEASURED):
    _OWNERS[REGIONS.index(_name) + 1] = _index + 1
_OWNERS[REGIONS.index("lips") + 1] = _OWNERS[REGIONS.index("mouth") + 1]


def _moved(previous: FaceView, view: FaceView) -> list[float]:
    """Mean distance that the landmarks of each region moved in the picture, native pixels."""
    shift = np.array(view.corner) - previous.corner
    distances = np.hypot(*(view.points + shift - previous.points).T)
    rings = view.layout.rings
    points = ([point for ring in names for point in rings.get(ring, ())] for names in MEASURED.values())
    return [float(distances[own].mean()) if own else np.nan for own in points]


def _contrasts(view: FaceView, places: NDArray[np.intp]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Absolute response of the level copy in the two coarser bands, and its squared steepness [shape=(n,) each]."""
    base = np.asarray(cv2.sepFilter2D(view.aligned_luma, cv2.CV_32F, _BANDS[0], _BANDS[0]), np.float32)
    wider = np.asarray(cv2.sepFilter2D(base, cv2.CV_32F, _BANDS[1], _BANDS[1]), np.float32)
    widest = np.asarray(cv2.sepFilter2D(wider, cv2.CV_32F, _BANDS[2], _BANDS[2]), np.float32)
    x, y = (np.asarray(cv2.Sobel(wider, cv2.CV_32F, *order), np.float32) for order in ((1, 0), (0, 1)))
    pictures = (np.abs(base - wider), np.abs(wider - widest), x * x + y * y)
    middle, coarse, steepness = (picture.ravel()[places] for picture in pictures)
    return middle, coarse, steepness


def _noise(residual: NDArray[np.int16]) -> float:
    """log10 of the trimmed mean of the residual's absolute values."""
    sizes = np.sort(np.abs(residual))
    return float(np.log10(sizes[: max(1, int(TRIMMED * sizes.size))].mean() + FLOOR))


def _kept(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """Correlation of two residuals: 1 where they are the same, near 0 where they have nothing in common."""
    one, two = before.astype(np.float64), after.astype(np.float64)
    return float((2 * (one @ two) + 1) / (one @ one + two @ two + 1))


class NoiseProbe:
    """Measures noise, and what stays of it until the next frame; fulfils `lipaccord.records.Probe`.

    Columns, each by region: log10 of the ``noise`` in the flatter half of the region and of the contrast in the bands
    ``middle`` and ``coarse`` (grey levels); the mean ``level`` (0 to 255); the share of pixels that stayed ``still``;
    the correlation of the residuals of both frames (``kept``); and how far the region ``moved`` (native pixels).
    """

    columns: tuple[str, ...] = tuple(f"{quantity}.{name}" for quantity in QUANTITIES for name in MEASURED)

    def __init__(self) -> None:
        self._last = -STRIDE

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Measure a frame against the one before [shape=(M,)]; NaN where it is due for a rest, or shows the same."""
        result = np.full((len(QUANTITIES), len(MEASURED)), np.nan, np.float32)
        if previous is None or view.frame - self._last < STRIDE:
            return result.ravel()
        owners = np.asarray(cv2.LUT(view.regions, _OWNERS), np.uint8).ravel()
        places = np.flatnonzero(owners)
        owners = owners[places]
        rows, columns = np.divmod(places, view.regions.shape[1])
        pair = read_pair(previous, view, native(view, np.stack([columns, rows], axis=-1).astype(np.float32)))
        if pair is None or pair.changes[pair.inside].mean() < REPEATED:
            return result.ravel()
        self._last = view.frame
        middle, coarse, steepness = _contrasts(view, places)
        moved = _moved(previous, view)
        for index in range(len(MEASURED)):
            own = np.flatnonzero(pair.inside & (owners == index + 1))
            if own.size < MIN_PIXELS:
                continue
            flatter = own[steepness[own] <= np.median(steepness[own])]
            result[:, index] = (
                _noise(pair.residuals[1][flatter]),
                np.log10(middle[own].mean() + FLOOR),
                np.log10(coarse[own].mean() + FLOOR),
                pair.luma[own].mean(),
                (pair.changes[own] <= 1).mean(),
                _kept(pair.residuals[0][flatter], pair.residuals[1][flatter]),
                moved[index],
            )
        return result.ravel()


def _logit(share: Values) -> Values:
    result: Values = np.log((share + 0.02) / (1.02 - share))
    return result


def _departures(probe: ProbeTrack, eyes_px: Values, opening: Values) -> dict[str, Values]:
    """How much less each part carries over than expected, in spreads [shape=(T,) each], by part and quantity."""
    values = probe.values.astype(np.float64).reshape(-1, len(QUANTITIES), len(MEASURED))
    by_name = dict(zip(QUANTITIES, np.moveaxis(values, 1, 0), strict=True))
    by_name["still"] = _logit(by_name["still"])
    by_name["level"] = np.log10(by_name["level"] + 10.0)
    by_name["moved"] = np.log10(by_name["moved"] + 0.2)
    rest = {name: columns[:, len(PARTS) :].mean(axis=1) for name, columns in by_name.items()}
    result = {}
    for index, part in enumerate(PARTS):
        own = {name: columns[:, index] for name, columns in by_name.items()}
        circumstances = np.stack(
            [
                rest["still"],
                rest["kept"],
                *(own[name] - rest[name] for name in ("noise", "middle", "coarse", "level")),
                own["moved"],
                rest["moved"],
                np.log10(eyes_px / 80.0),
                np.minimum(opening, 0.3),
            ]
        )
        for name in ("still", "kept"):
            model = MODELS[part, name]
            expected = np.tensordot(model.weights, circumstances, axes=1) + model.offset
            result[f"{part}.{name}"] = (expected - own[name]) / model.spread
        result[f"{part}.kept"][~(rest["noise"] > ROUNDING)] = np.nan
    return result


def _mean(values: list[Values]) -> Values:
    """Mean of what is finite, in spreads of its own [shape=(T,)]; NaN where nothing is."""
    stacked = np.stack(values)
    seen = np.isfinite(stacked)
    total = np.where(seen, stacked, 0.0).sum(axis=0) / MERGED_SPREAD
    return np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), np.nan)


def _words(departure: float) -> str:
    """Say in a sentence where the lower face stands."""
    range_ = f"{abs(departure):.1f} spreads {'less' if departure > 0 else 'more'} than the authentic centre"
    if departure <= LIMIT:
        return (
            f"The lower face carries about as much of its picture over from frame to frame as motion and the rest of "
            f"the face let expect: {range_}, and up to {LIMIT:.1f} less is usual."
        )
    return (
        f"The lower face carries less of its picture over from frame to frame than the rest of the face, as if made "
        f"anew each time: {range_}, where up to {LIMIT:.1f} is usual."
    )


def _abstention(tracks: Tracks, usable: BoolArray, measured: bool) -> tuple[Reason, ...]:
    """Say why the face can't be judged; empty where it can."""
    small = too_small(tracks.texture.interocular_px, MIN_EYES_PX, "noise needs")
    if small is not None:
        return (small,)
    if not measured:
        return (too_few_frames(usable.sum(), MIN_FRAMES, "pairs of frames can be compared in a part of the face"),)
    return ()


class NoiseCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the departures by part and quantity (``parts``: ``still`` pixels, ``kept`` noise; None where the
    picture is too clean), the difference of the ``noise`` level of each part from the rest of the face (log10), the
    ``limit`` of the authentic range, and the number of pairs of ``frames`` used.
    """

    name = "noise"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Compare what the lower face carries over with the rest; abstain where too little can be compared."""
        probe, texture = tracks.probes[self.name], tracks.texture
        eyes_px, opening = (values.astype(np.float64) for values in (texture.interocular_px, tracks.mouth.opening))
        departures = _departures(probe, eyes_px, opening)
        merged, weights = _mean(list(departures.values())), turn_weight(texture)
        usable = tracks.mouth.valid & np.isfinite(merged) & (weights > 0)
        parts = {name: median_of(values, weights, usable, MIN_FRAMES) for name, values in departures.items()}
        known = [value for value in parts.values() if value is not None]
        abstained = _abstention(tracks, usable, bool(known))
        if abstained:
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        course = smooth(probe.times_s, merged, weights, usable, WINDOW_S)
        score = float(np.mean(known)) / MERGED_SPREAD
        noise = probe.values[:, : len(MEASURED)].astype(np.float64)
        levels = noise[:, : len(PARTS)] - noise[:, len(PARTS) :].mean(axis=1, keepdims=True)
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=score,
            summary=_words(score),
            frames_s=telling_frames(probe.times_s, np.where(usable, course, np.nan)),
            series=(Series("noise.renewed", UNIT, probe.times_s, course.astype(np.float32)),),
            segments=beyond(probe.times_s, np.maximum(course, 0.0), LOCAL_LIMIT, _words, MIN_SEGMENT_S),
            details={
                "parts": parts,
                "noise": {
                    part: median_of(levels[:, index], weights, usable, MIN_FRAMES) for index, part in enumerate(PARTS)
                },
                "limit": LIMIT,
                "frames": int(usable.sum()),
            },
        )
