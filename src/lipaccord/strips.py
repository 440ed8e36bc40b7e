"""Moving and still strips of curves for pictures: the last seconds of the mouth, and the whole clip with a playhead.

Conventions: a strip is drawn into a part of a picture; times are seconds on the clip's clock and run to the right.
Colours are RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lipaccord.lettering import Colour, width_of, write
from lipaccord.records import FloatArray, Image, Interval, Sound, TimeArray
from lipaccord.strokes import (
    BAND,
    FAINT,
    FIELD,
    GROUND,
    MARKED_FIELD,
    OBSERVED,
    PREDICTED,
    SHIFT,
    SILENCE,
    SPEECH,
    WORDS,
    fixed,
    paint,
    runs,
    solid,
)

LEVELS = ("matching speech", "other speech")
ENDS = ("open", "closed")
TRACKS = ("speech", "sound")

PAST_S, AHEAD_S = 4.5, 1.5  # seconds shown about the playhead
DASH_S = 0.06
DEVIATIONS = 2.0  # of the band: 19 in 20
ROOM = 1.15  # above the highest value shown
LEAST_TOP = 0.1  # of the scale of the agreement
PERCENTILE = 99.5  # a single wild value does not set the scale


@dataclass(frozen=True, slots=True)
class Curves:
    """What the strips show; empty arrays where there is nothing.

    Attributes
    ----------
    span : Interval
        The whole clip.
    observed_s, observed : ndarray [shape=(T,)]
        Opening of the mouth in the picture, NaN where it can't be measured.
    predicted_s, predicted, spread : ndarray [shape=(N,)]
        The opening that the speech asks for, and its standard deviation.
    agreement_s, agreement : ndarray [shape=(n,)]
    levels : tuple of float
        Agreements to compare with, named by `LEVELS`.
    speech, marked : tuple of Interval
        Where somebody speaks; where a local finding applies.
    """

    span: Interval
    observed_s: TimeArray
    observed: FloatArray
    predicted_s: TimeArray
    predicted: FloatArray
    spread: FloatArray
    agreement_s: TimeArray
    agreement: FloatArray
    levels: tuple[float, ...]
    speech: tuple[Interval, ...]
    marked: tuple[Interval, ...]


def _fill(image: Image, left: float, right: float, rows: slice, colour: Colour) -> None:
    """Fill the columns from `left` to `right`, at least one, as far as they lie in the picture."""
    first = min(max(round(left), 0), image.shape[1])
    last = min(max(round(right), first + 1), image.shape[1])
    if right >= 0 and left < image.shape[1]:
        paint(image[rows, first:last], colour)


def _near(times_s: TimeArray, start_s: float, end_s: float) -> slice:
    """Return the places of a clock from just before `start_s` to just after `end_s`."""
    first, last = np.searchsorted(times_s, (start_s, end_s))
    return slice(max(0, int(first) - 1), int(last) + 1)


def highest(curves: Curves) -> float:
    """Return the opening at the top of a strip: what both curves, and most of the band, stay below."""
    values = np.concatenate([curves.observed, curves.predicted + curves.spread])
    known = values[np.isfinite(values)]
    return max(float(np.percentile(known, PERCENTILE)) * ROOM, 1e-3) if len(known) else 1.0


def small_size(size: int) -> int:
    """Return the size of the letters beside a strip."""
    return max(11, round(0.75 * size))


def gutter(size: int) -> int:
    """Return the width of the part to the left of a strip that holds the names of its levels."""
    return max(width_of(name, small_size(size)) for name in (*LEVELS, *ENDS, *TRACKS)) + small_size(size) // 2


def _label(image: Image, name: str, middle: float, size: int) -> None:
    """Write a name into the gutter, right-aligned, about a height but whole."""
    small = small_size(size)
    baseline = min(round(middle + 0.35 * small), image.shape[0] - round(0.25 * small))
    write(image, name, (gutter(size) - small // 2 - width_of(name, small), baseline), small, FAINT)


class OpeningStrip:
    """The opening of the mouth, seen and asked for, about a playhead that stands still while the curves pass.

    Parameters
    ----------
    curves : Curves
    shape : (int, int)
        Height and width in pixels.
    size : int
        Of letters, in pixels.
    """

    def __init__(self, curves: Curves, shape: tuple[int, int], size: int) -> None:
        self._curves, self._size, self._left = curves, size, gutter(size)
        self._top = highest(curves)
        self._marked_s, self._speech_s = (
            np.array([(one.start_s, one.end_s) for one in intervals]).reshape(-1, 2)
            for intervals in (curves.marked, curves.speech)
        )
        self._speech_px = round(0.75 * size)
        self._floor = shape[0] - self._speech_px - max(3, round(0.25 * size))
        self._scale = (shape[1] - self._left - 1) / (PAST_S + AHEAD_S)
        self._still = np.empty((*shape, 3), np.uint8)
        paint(self._still, GROUND)
        paint(self._still[: self._floor + 1, self._left :], FIELD)
        paint(self._still[-self._speech_px :, self._left :], SILENCE)
        heights = (0.5 * small_size(size), self._floor - 0.4 * small_size(size), shape[0] - self._speech_px / 2)
        for name, middle in zip((*ENDS, TRACKS[0]), heights, strict=True):
            _label(self._still, name, middle, size)

    def draw(self, image: Image, now_s: float) -> None:
        """Draw the seconds about `now_s`; the bottom rows show where somebody speaks."""
        image[:] = self._still
        field, scale = image[:, self._left :], self._scale
        start_s, end_s = now_s - PAST_S, now_s + AHEAD_S
        for ends_s, rows, colour in (
            (self._marked_s, slice(0, self._floor + 1), MARKED_FIELD),
            (self._speech_s, slice(image.shape[0] - self._speech_px, image.shape[0]), SPEECH),
        ):
            for first, last in (ends_s[(ends_s[:, 1] > start_s) & (ends_s[:, 0] < end_s)] - start_s) * scale:
                _fill(field, first, last, rows, colour)
        self._draw_curves(field, start_s, end_s)
        playhead(field, round(PAST_S * scale), self._size)

    def _draw_curves(self, field: Image, start_s: float, end_s: float) -> None:
        curves, thickness = self._curves, max(1, round(self._size / 9))

        def points(times_s: TimeArray, values: FloatArray) -> FloatArray:
            y = self._floor - values / self._top * (self._floor - 2)
            return np.stack([(times_s - start_s) * self._scale, y], axis=1).astype(np.float32)

        part = _near(curves.predicted_s, start_s, end_s)
        times_s, middle, deviation = curves.predicted_s[part], curves.predicted[part], curves.spread[part]
        low, high = np.maximum(middle - DEVIATIONS * deviation, 0), middle + DEVIATIONS * deviation
        for run in runs(np.isfinite(middle) & np.isfinite(deviation)):
            edge = np.concatenate([points(times_s[run], low[run]), points(times_s[run], high[run])[::-1]])
            cv2.fillPoly(field[: self._floor + 1], [fixed(edge)], BAND, cv2.LINE_AA, SHIFT)
        is_dash = np.floor(times_s / DASH_S) % 2 == 0
        dashes = points(times_s, np.where(is_dash, middle, np.float32(np.nan)))
        part = _near(curves.observed_s, start_s, end_s)
        solid(field, dashes, PREDICTED, thickness)
        solid(field, points(curves.observed_s[part], curves.observed[part]), OBSERVED, thickness)


def playhead(image: Image, column: int, size: int) -> None:
    """Draw the upright line that says where in time the picture is."""
    thickness = max(1, round(size / 9))
    left = min(max(column - thickness // 2, 0), image.shape[1] - thickness)
    paint(image[:, left : left + thickness], WORDS)


class Overview:
    """The whole clip at a glance: agreement by time, the sound with its speech, local findings; drawn once.

    Parameters
    ----------
    curves : Curves
    sound : Sound
    shape : (int, int)
        Height and width in pixels.
    size : int
        Of letters, in pixels.
    """

    def __init__(self, curves: Curves, sound: Sound, shape: tuple[int, int], size: int) -> None:
        self._span, self._size, self._left = curves.span, size, gutter(size)
        height, width = shape[0], shape[1] - self._left
        self._scale = (width - 1) / max(curves.span.duration_s, 1e-3)
        self._still = np.empty((*shape, 3), np.uint8)
        paint(self._still, GROUND)
        field = self._still[:, self._left :]
        paint(field, FIELD)
        for mark in curves.marked:
            _fill(field, *self._columns(mark), slice(0, height), MARKED_FIELD)
        sound_px = round(1.8 * size) if len(curves.agreement) else height
        if len(curves.agreement):
            paint(field[height - sound_px - 2 : height - sound_px], GROUND)
            self._draw_agreement(height - sound_px - 2, curves)
        self._draw_sound(field[height - sound_px :], curves.speech, sound)
        _label(self._still, TRACKS[1], height - sound_px / 2, size)

    def _columns(self, interval: Interval) -> tuple[float, float]:
        first, last = ((t - self._span.start_s) * self._scale for t in (interval.start_s, interval.end_s))
        return first, last

    def _draw_sound(self, image: Image, speech: Sequence[Interval], sound: Sound) -> None:
        """Draw the loudest sample of each column, bright where somebody speaks."""
        height, width = image.shape[:2]
        bright = np.zeros(width, bool)
        for stretch in speech:
            first, last = self._columns(stretch)
            bright[max(0, round(first)) : max(0, round(last)) + 1] = True
        edges_s = self._span.start_s + np.arange(width + 1) / self._scale
        edges = np.clip(np.rint((edges_s - sound.start_s) * sound.rate_hz), 0, len(sound.samples)).astype(np.int64)
        loudest = max(float(sound.samples.max(initial=1e-6)), -float(sound.samples.min(initial=0.0)))
        middle = height // 2
        for column in range(width):
            peak = float(np.abs(sound.samples[edges[column] : edges[column + 1]]).max(initial=0.0)) / loudest
            half = round(peak * (middle - 2))
            image[middle - half : middle + half + 1, column] = SPEECH if bright[column] else SILENCE

    def _draw_agreement(self, height: int, curves: Curves) -> None:
        """Draw the agreement into the upper rows, and the levels to compare it with beside their names."""
        field, small = self._still[:, self._left :], small_size(self._size)
        lowest, top = min([0.0, *curves.levels]), max([LEAST_TOP, *curves.levels])
        known = curves.agreement[np.isfinite(curves.agreement)]
        lowest, top = min(lowest, float(known.min(initial=lowest))), max(top, float(known.max(initial=top)))
        unit = (height - 1.6 * small) / (top - lowest)
        rows = height - 0.8 * small - (np.concatenate([curves.levels, curves.agreement]) - lowest) * unit
        for name, row in zip(LEVELS, rows, strict=False):
            for left in range(0, field.shape[1], 8):
                paint(field[round(row) : round(row) + 1, left : left + 4], FAINT)
            _label(self._still, name, float(row), self._size)
        columns = (curves.agreement_s - curves.span.start_s) * self._scale
        points = np.stack([columns, rows[len(curves.levels) :]], axis=1).astype(np.float32)
        solid(field, points, WORDS, max(1, round(self._size / 9)))

    def draw(self, image: Image, now_s: float) -> None:
        """Draw it with the playhead at `now_s`."""
        image[:] = self._still
        playhead(image[:, self._left :], round((now_s - self._span.start_s) * self._scale), self._size)


def legend(image: Image, place: tuple[int, int], size: int) -> None:
    """Explain the two lines and the band, from `place` (a baseline) on to the right."""
    x, y = place
    thickness, middle = max(1, round(size / 9)), y - round(0.35 * size)
    for name, kind in (("lips seen", "solid"), ("lips the speech asks for", "dashed"), ("its usual range", "band")):
        end = x + round(2.2 * size)
        if kind == "band":
            paint(image[middle - size // 3 : middle + size // 3, x:end], BAND)
        elif kind == "solid":
            paint(image[middle - thickness : middle + thickness, x:end], OBSERVED)
        else:
            dash = max(3, round(0.5 * size))
            for left in range(x, end - dash + 1, round(1.55 * dash)):
                paint(image[middle - thickness : middle + thickness, left : left + dash], PREDICTED)
        write(image, name, (end + round(0.4 * size), y), size, WORDS)
        x = end + round(1.6 * size) + width_of(name, size)
