"""What the page draws: the series of an analysis as strips, the outlines by picture, all packed for a browser.

A long clip has more values than a screen has pixels. A series is thinned to the least and the greatest value of each
short stretch, so that no peak is lost; outlines are kept for every n-th picture. The analysis itself stays whole.

Conventions: arrays are packed as base64 of little-endian float64 (times) or float32 (values), outlines as int16 in
`Overlay.scale` parts of a pixel with `UNSEEN` where there is none.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import Examination, FloatArray, Series, Sound, TimeArray
from lipaccord.report.wording import CUE_WORDS, plain

MOST_POINTS = 8_000
"""Of one line; twice the pixels of a wide screen."""

ENVELOPE_RATE_HZ = 100
OUTLINE_BYTES = 4_000_000
UNSEEN = -32768
FINE_SCALE, COARSE_SCALE = 8, 2  # parts of a pixel; the finer holds pictures of up to 4,095 pixels
REGION_RINGS = (
    *("forehead", "right_brow", "left_brow", "right_eye", "left_eye", "nose", "right_cheek", "left_cheek"),
    *("chin", "outer_lips", "inner_lips"),
)
DEVIATIONS = 2.0  # of the bands


def packed(values: NDArray[Any] | Sequence[float], dtype: str) -> str:
    """Pack an array for the page."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode("ascii")


def thinned(times_s: TimeArray, rows: FloatArray, most: int = MOST_POINTS) -> tuple[TimeArray, FloatArray]:
    """Thin rows of values that share one clock.

    Parameters
    ----------
    times_s : ndarray [shape=(n,)]
    rows : ndarray [shape=(r, n)]
        NaN where there is no value.
    most : int
        Points to keep at most.

    Returns
    -------
    times_s : ndarray [shape=(m,)]
    rows : ndarray [shape=(r, m)]
        Of each stretch of neighbours the least value, then the greatest, row by row; as they were where m = n.
    """
    count = len(times_s)
    if count <= most:
        return times_s, rows
    size = -(-2 * count // most)
    stretches = -(-count // size)
    padded = np.full((len(rows), stretches * size), np.nan, np.float32)
    padded[:, :count] = rows
    cells = padded.reshape(len(rows), stretches, size)
    known = np.isfinite(cells).any(axis=2)
    least, greatest = (
        np.where(known, limit(np.where(np.isfinite(cells), cells, fill), axis=2), np.float32(np.nan))
        for limit, fill in ((np.min, np.float32(np.inf)), (np.max, np.float32(-np.inf)))
    )
    first = times_s[::size]
    last = times_s[np.minimum(np.arange(1, stretches + 1) * size, count) - 1]
    clock = np.stack([first, np.maximum(last, np.nextafter(first, np.inf))], axis=1).ravel()
    return clock, np.stack([least, greatest], axis=2).reshape(len(rows), -1)


def envelope(sound: Sound) -> tuple[TimeArray, FloatArray]:
    """Return the least and the greatest sample of every hundredth of a second [shapes=(n,), (2, n)]."""
    size = sound.rate_hz // ENVELOPE_RATE_HZ
    blocks = -(-len(sound.samples) // size)
    padded = np.zeros(blocks * size, np.float32)
    padded[: len(sound.samples)] = sound.samples
    cells = padded.reshape(blocks, size)
    times = sound.start_s + (np.arange(blocks) + 0.5) / ENVELOPE_RATE_HZ
    return times, np.stack([cells.min(axis=1), cells.max(axis=1)])


def lines(times_s: TimeArray, rows: Mapping[str, FloatArray]) -> dict[str, Any]:
    """Pack lines of one clock, by the style that they are drawn in (`STYLES` of ``plots.js``)."""
    clock, values = thinned(times_s, np.stack([*rows.values()]).astype(np.float32))
    return {
        "times": packed(clock, "<f8"),
        "lines": {style: packed(row, "<f4") for style, row in zip(rows, values, strict=True)},
    }


def strip(title: str, unit: str, note: str, *clocks: dict[str, Any], cue: str = "") -> dict[str, Any]:
    """Tell of one plot over time: what it shows, and its lines as `lines` packs them."""
    return {"title": plain(title), "unit": plain(unit), "note": plain(note), "clocks": list(clocks), "cue": cue}


def _compared(
    timeline: Mapping[str, Series], names: tuple[str, str, str], least: float = -np.inf
) -> list[dict[str, Any]]:
    """Pack what was observed, and what was predicted with its band; `least` is the lowest value that can be."""
    observed, predicted, spread = (timeline[name] for name in names)
    band = {
        "predicted": predicted.values,
        "low": np.maximum(predicted.values - DEVIATIONS * spread.values, least),
        "high": predicted.values + DEVIATIONS * spread.values,
    }
    return [lines(observed.times_s, {"observed": observed.values}), lines(predicted.times_s, band)]


OPENING = ("mouth.opening", "mouth.opening_predicted", "mouth.opening_predicted_spread")
SHAPE = ("sync.observed", "sync.predicted", "sync.predicted_spread")
_SHOWN = {*OPENING, *SHAPE, "sync.agreement", "sync.agreement_by_lag", "speech.level"}
_NAMES = {
    "mouth.yaw": ("Turn of the head", "Above zero the face turns to the right of the picture."),
    "speech.activity": ("Speech, by the detector", "The detector's probability that somebody speaks."),
}


def main_strips(examination: Examination) -> Iterator[dict[str, Any]]:
    """Yield the strips that every report shows: sound, opening, shape, agreement."""
    times_s, samples = envelope(examination.sound)
    yield strip(
        "Sound",
        "share of full scale",
        "The waveform. Shaded: somebody speaks, by the speech detector.",
        lines(times_s, {"floor": samples[0], "ceiling": samples[1]}),
    )
    timeline = examination.analysis.timeline
    if "mouth.opening" in timeline:
        yield strip(
            "Opening of the mouth",
            "eye distances",
            "What the picture shows against what the speech asks for. The band is two standard deviations of the "
            "prediction either way.",
            *_compared(timeline, OPENING, least=0.0),
        )
    if "sync.observed" in timeline:
        yield strip(
            "Shape of the mouth, first component",
            "deviations",
            "The same comparison for the movement that explains most of how lips change in speech.",
            *_compared(timeline, SHAPE),
        )
    if "sync.agreement" in timeline:
        series = timeline["sync.agreement"]
        figures = next(cue.details for cue in examination.analysis.findings["sync"].cues if cue.cue == "sync")
        yield strip(
            "Agreement of mouth and speech, over 3 s",
            "-1 to 1",
            "At the offset that was found. A stretch far below the rest of the clip may have other sound or another "
            "mouth. Dashed: usual for authentic clips, and for speech of another place.",
            lines(series.times_s, {"measure": series.values}),
        ) | {"levels": [figures["usual_agreement"], figures["null_mean"]]}


def other_strips(examination: Examination) -> Iterator[dict[str, Any]]:
    """Yield a strip for every other series of the timeline, by cue."""
    for name, series in sorted(examination.analysis.timeline.items()):
        if name in _SHOWN or not len(series.times_s):
            continue
        cue, _, quantity = name.partition(".")
        title, note = _NAMES.get(name, (f"{cue}: {quantity.replace('_', ' ')}", CUE_WORDS.get(cue, "")))
        yield strip(title, series.unit, note, lines(series.times_s, {"measure": series.values}), cue=cue)


def lag_curve(examination: Examination) -> dict[str, Any] | None:
    """Pack the agreement by offset with the band of other speech; None where sync was not measured."""
    sync = examination.analysis.findings["sync"]
    if "sync.agreement_by_lag" not in examination.analysis.timeline:
        return None
    series, figures = examination.analysis.timeline["sync.agreement_by_lag"], sync.cues[0].details
    middle, deviation = figures["null_mean"], figures["null_deviation"]
    return {
        "offsets": packed(1000 * (series.times_s - figures["zero_s"]), "<f8"),
        "values": packed(series.values, "<f4"),
        "null": [middle - DEVIATIONS * deviation, middle + DEVIATIONS * deviation],
        "offset": 1000 * figures["offset_s"],
        "interval": [1000 * figures["offset_low_s"], 1000 * figures["offset_high_s"]],
    }


@dataclass(frozen=True, slots=True)
class _Rings:
    """Landmarks to keep, and the outlines as places among them."""

    landmarks: list[int]
    rings: dict[str, list[int]]


def _rings(rings: Mapping[str, tuple[int, ...]], names: Sequence[str]) -> _Rings:
    landmarks = sorted({point for name in names for point in rings.get(name, ())})
    places = {point: place for place, point in enumerate(landmarks)}
    return _Rings(landmarks, {name: [places[point] for point in rings[name]] for name in names if name in rings})


def overlay(examination: Examination, predicted: FloatArray, most_bytes: int = OUTLINE_BYTES) -> dict[str, Any] | None:
    """Pack the outlines of the face examined, for as many of its pictures as there is room for.

    Parameters
    ----------
    examination : Examination
    predicted : ndarray [shape=(T, K, 2)]
        Predicted lips in pixels, as `overlay.predicted_outlines` gives them.
    most_bytes : int

    Returns
    -------
    dict or None
        ``times``, ``scale``, ``points`` (of the landmarks, picture by picture), ``predicted``, and ``rings`` as lists
        of places among them; ``every`` tells that only each n-th picture is kept.
    """
    if examination.tracks is None:
        return None
    face = examination.tracks.face
    kept = _rings(face.layout.rings, REGION_RINGS)
    lips = [face.layout.lips.index(point) for point in face.layout.rings["outer_lips"]]
    inner = [face.layout.lips.index(point) for point in face.layout.rings["inner_lips"]]
    size = 4 * (len(kept.landmarks) + predicted.shape[1])
    every = max(1, -(-size * len(face.times_s) // most_bytes))
    scale = FINE_SCALE if np.nanmax(face.points, initial=0) * FINE_SCALE < -UNSEEN - 1 else COARSE_SCALE
    points = face.points[::every][:, kept.landmarks]
    return {
        "times": packed(face.times_s[::every], "<f8"),
        "every": every,
        "scale": scale,
        "points": packed(_fixed(points, scale), "<i2"),
        "count": len(kept.landmarks),
        "predicted": packed(_fixed(predicted[::every], scale), "<i2"),
        "predictedCount": predicted.shape[1],
        "rings": kept.rings,
        "predictedRings": {"outer_lips": lips, "inner_lips": inner},
    }


def _fixed(points: FloatArray, scale: int) -> NDArray[np.int16]:
    """Turn pixels into whole parts of a pixel."""
    wide = np.where(np.isfinite(points), np.rint(points * scale), UNSEEN)
    return np.clip(wide, UNSEEN, -UNSEEN - 1).astype(np.int16)
