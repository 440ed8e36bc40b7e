"""Compare the sharpness of what shows inside an open mouth with that of the lips and of the eyes of the same face.

Method: where the mouth is open, the bright part inside the lips is taken for the teeth. Its energy in three frequency
bands whose widths follow the size of the face is compared with that of the red of the lips and of both eyes in the same
frames. The expectation of the finest band is a weighted sum of the others and of the opening of the mouth; in every
band the weights sum to zero over the regions, so what is done to the picture as a whole cancels. Either direction is
suspicious: mouths painted by a network show white bands without gaps between the teeth, mouths made from many frames
blurred ones; teeth taken from a sharpened proxy frame stand out.

Sources: teeth without detail as a trace of made faces, Matern et al., WACVW 2019; teeth proxies, Suwajanakorn et al.,
SIGGRAPH 2017; difference-of-Gaussians bands, Marr and Hildreth, Proc. R. Soc. Lond. B, 1980.

What moves it innocently: how much of the teeth shows (the opening and the bright part's share are in the expectation),
tongue or a highlight on a lip in the place of teeth, glasses over the eyes, fast speech at a slow shutter. Frames in
which little is open or bright don't count; a mouth that hardly ever shows its teeth is not judged.

Conventions: bands in shares of the eye distance, at native pixels (large faces are averaged down first); unit of the
score is the spread of authentic clips about their centre; below zero = the teeth are softer than expected.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.course import Values, beyond, smooth, telling_frames, weighted_median
from lipaccord.cues.reasons import too_few_frames, too_small
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
from lipaccord.usable import frontal, steady_weight

PARTS = ("teeth", "lips", "eyes")
BANDS = (0.012, 0.024, 0.048)
"""Standard deviation of the finer Gaussian of each band, in eye distances; the coarser one has twice as much."""

FULL_PX = 96.0  # eye distances of twice this, three times ... are averaged down by 2, 3 ...
MARGIN = 0.15  # eye distances of surroundings in a cut
NARROWING = 0.02  # eye distances taken off the inside of the lips, so that their edge is not teeth
MIN_SIGMA_PX = 0.6
MIN_OPENING = 0.05
MIN_PIXELS = 12
BRIGHT = 0.55  # of the way from the darkest to the brightest tenth of the inside
MIN_RANGE = 12.0  # grey levels between these two
MIN_ENERGY = 1e-3  # grey levels squared

MIN_EYES_PX = 30.0
MIN_FRAMES = 15
MIN_SHOWN = 10
WINDOW_S = 0.5
MIN_SEGMENT_S = 0.5
UNIT = "spreads of authentic clips; below zero = the teeth are softer than the rest of the face lets expect"

# Measured on the authentic clips that show their teeth (about half) among 40 of political speech and interviews (40 to
# 200 pixels between the eyes) and 45 of news anchors and one laboratory speaker (about 45 pixels), 1.2 to 3 s each: the
# former as they came, re-encoded by H.264 at CRF 24, 27 and 31, halved, doubled, blurred by 1 and 2 pixels and
# sharpened as a whole, the latter as they came, halved and blurred by 1 pixel. Weights: ridge regression of the finest
# band of the teeth on the rest, no generator among it. Spread and centre: of people left out of the fit.
WEIGHTS = ((1.0, -0.746, 0.106), (-0.507, 0.468, -0.169), (-0.493, 0.278, 0.063))  # by part and band
OPENING, SHARE = 0.097, 0.150  # of the opening of the mouth and of the bright part's share
CENTER, SPREAD = 0.324, 0.145
LIMIT = 2.1
LOCAL_LIMIT = 5.2  # of half a second: 3 in 100 of these clips reach it anywhere


def _energies(luma: FloatArray, masks: list[NDArray[np.bool_]], eyes_px: float) -> FloatArray:
    """log10 of the mean squared band-pass response of each region [shape=(len(masks), len(BANDS))]."""
    result = np.empty((len(masks), len(BANDS)), np.float32)
    sigma = max(MIN_SIGMA_PX, BANDS[0] * eyes_px)
    finer = cv2.GaussianBlur(luma, (0, 0), sigma)
    for index in range(len(BANDS)):
        coarser = cv2.GaussianBlur(finer, (0, 0), np.sqrt(3.0) * sigma)  # to twice the width
        squared = np.square(finer - coarser)
        result[:, index] = [squared[mask].mean() for mask in masks]
        finer, sigma = coarser, 2 * sigma
    return np.log10(np.maximum(result, MIN_ENERGY))


def _cut(view: FaceView, points: tuple[int, ...], step: int) -> tuple[FloatArray, FloatArray] | None:
    """Cut the surroundings of some points, averaged down; return the luma and all points in its pixels."""
    xy = view.points[list(points)]
    margin = MARGIN * view.interocular_px
    left, top = np.maximum(np.floor(xy.min(axis=0) - margin), 0).astype(int)
    right, bottom = np.ceil(xy.max(axis=0) + margin).astype(int)
    part = view.luma[top:bottom, left:right]
    size = (part.shape[1] // step, part.shape[0] // step)
    if min(size) < 4 or not ((xy >= 0) & (xy <= np.array(view.luma.shape[::-1]) - 1)).all():
        return None
    if step > 1:
        whole = part[: size[1] * step, : size[0] * step]
        part = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
    places = (view.points - (left, top) + 0.5) / step - 0.5
    return np.asarray(part, np.float32), places.astype(np.float32)


def _filled(shape: tuple[int, ...], outlines: list[FloatArray]) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return mask


def _mouth(view: FaceView, step: int) -> FloatArray | None:
    """Return bright share, excess, and the energies of teeth and lips [shape=(2 + 2 * len(BANDS),)]."""
    rings, eyes_px = view.layout.rings, view.interocular_px / step
    cut = _cut(view, rings["outer_lips"], step)
    if cut is None:
        return None
    luma, places = cut
    inner, outer = places[list(rings["inner_lips"])], places[list(rings["outer_lips"])]
    within = _filled(luma.shape, [inner])
    width = max(1, round(2 * NARROWING * eyes_px))
    border = np.zeros(luma.shape, np.uint8)
    cv2.polylines(border, [np.rint(inner * 16).astype(np.int32)], True, 1, width, cv2.LINE_8, 4)
    opened = within > border
    lips = _filled(luma.shape, [outer]) > (within | border)
    if opened.sum() < MIN_PIXELS or lips.sum() < MIN_PIXELS:
        return None
    dark, light = np.percentile(luma[opened], (10, 90))
    teeth = opened & (luma > dark + BRIGHT * (light - dark))
    if light - dark < MIN_RANGE or teeth.sum() < MIN_PIXELS:
        return None
    excess = luma[teeth].mean() - luma[lips].mean()
    energies = _energies(luma, [teeth, lips], eyes_px)
    return np.concatenate([[teeth.sum() / opened.sum(), excess], energies.ravel()]).astype(np.float32)


def _eyes(view: FaceView, step: int) -> FloatArray | None:
    """Return the mean log energies of both eyes [shape=(len(BANDS),)]."""
    found = []
    for name in ("right_eye", "left_eye"):
        ring = view.layout.rings[name]
        cut = _cut(view, ring, step)
        if cut is None:
            return None
        mask = _filled(cut[0].shape, [cut[1][list(ring)]]).astype(bool)
        if mask.sum() < MIN_PIXELS:
            return None
        found.append(_energies(cut[0], [mask], view.interocular_px / step)[0])
    return np.asarray(np.mean(found, axis=0), np.float32)


class TeethProbe:
    """Measures the inside of the mouth, the lips and the eyes; fulfils `lipaccord.records.Probe`.

    Columns: the ``opening`` of the lips (eye distances), the ``bright`` share of the inside, by how many grey levels
    the bright part exceeds the lips (``excess``), then log10 energies (grey levels squared) by region and band.
    """

    columns: tuple[str, ...] = (
        "opening",
        "bright",
        "excess",
        *(f"{part}.{band}" for part in PARTS for band in range(len(BANDS))),
    )

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Measure one frame [shape=(M,)]; only the opening where the mouth is shut or parts leave the picture."""
        row = np.full(len(self.columns), np.nan, np.float32)
        upper, lower = np.array(view.layout.inner_lip_pairs).T
        gaps = view.points[upper] - view.points[lower]
        row[0] = np.hypot(gaps[:, 0], gaps[:, 1]).mean() / view.interocular_px
        if row[0] >= MIN_OPENING:
            step = max(1, int(view.interocular_px / FULL_PX))
            mouth = _mouth(view, step)
            eyes = None if mouth is None else _eyes(view, step)
            if mouth is not None and eyes is not None:
                row[1:] = np.concatenate([mouth, eyes])
        return row


def _departures(probe: ProbeTrack) -> Values:
    """How far the teeth lie from their expectation, in spreads [shape=(T,)]; NaN where they don't show."""
    values = probe.values.astype(np.float64)
    energies = values[:, 3:].reshape(-1, len(PARTS), len(BANDS))
    raw = (energies * np.array(WEIGHTS)).sum(axis=(1, 2)) + OPENING * values[:, 0] + SHARE * values[:, 1]
    result: Values = np.where(values[:, 2] > 0, (raw - CENTER) / SPREAD, np.nan)
    return result


def _words(departure: float) -> str:
    """Say in plain words where the teeth stand."""
    side = "softer" if departure < 0 else "sharper"
    if abs(departure) <= LIMIT:
        return (
            f"The teeth are about as sharp as lips and eyes let expect: {abs(departure):.1f} spreads to the {side} "
            f"side, and up to {LIMIT:.1f} is usual."
        )
    return (
        f"The teeth are {side} than lips and eyes of the same face let expect: {abs(departure):.1f} spreads, where up "
        f"to {LIMIT:.1f} is usual."
    )


def _abstention(tracks: Tracks, usable: BoolArray) -> tuple[Reason, ...]:
    """Say why the teeth can't be judged; empty where they can."""
    small = too_small(tracks.texture.interocular_px, MIN_EYES_PX, "teeth need")
    if small is not None:
        return (small,)
    facing = int(frontal(tracks).sum())
    if facing < MIN_FRAMES:
        return (too_few_frames(facing, MIN_FRAMES, "frames show the face well enough"),)
    if usable.sum() < MIN_SHOWN:
        text = f"Only {usable.sum()} frames show something bright in an open mouth; {MIN_SHOWN} are needed."
        return (Reason("no_teeth", text, "use a stretch in which the mouth opens far enough to show the teeth"),)
    return ()


class TeethCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the ``signed`` departure and its one-sided forms ``softer`` and ``sharper``, the ``limit`` of the
    authentic range, the number of ``frames`` that show teeth, and their share of the frames measured (``shown``).
    """

    name = "teeth"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Compare teeth with lips and eyes; abstain where the teeth hardly ever show."""
        probe = tracks.probes[self.name]
        departures, weights = _departures(probe), steady_weight(tracks.texture)
        usable = tracks.mouth.valid & np.isfinite(departures) & (weights > 0)
        abstained = _abstention(tracks, usable)
        if abstained:
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        course = smooth(probe.times_s, departures, weights, usable, WINDOW_S)
        signed = weighted_median(departures[usable], weights[usable])
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=abs(signed),
            summary=_words(signed),
            frames_s=telling_frames(probe.times_s, np.where(usable, course * np.sign(signed), np.nan)),
            series=(Series("teeth.departure", UNIT, probe.times_s, course.astype(np.float32)),),
            segments=beyond(probe.times_s, course, LOCAL_LIMIT, _words, MIN_SEGMENT_S),
            details={
                "signed": signed,
                "softer": max(0.0, -signed),
                "sharper": max(0.0, signed),
                "limit": LIMIT,
                "frames": int(usable.sum()),
                "shown": round(float(usable.sum() / tracks.mouth.valid.sum()), 3),
            },
        )
