"""Compare how the texture of the lower face changes from frame to frame with that of the rest of the same face.

Method: two neighbouring frames, both laid level, are registered place by place (`registration`), so that turning,
nodding and much of the speech drop out. What is left is measured in two frequency bands in mouth with lips, in the
chin, and in nose, cheeks and eyes, beside the energy of the picture itself in the same bands.

Idea: Suwajanakorn et al., SIGGRAPH 2017, merge a mouth from many of the target's frames: many candidates give a smooth
but blurred texture, few a sharp but flickering one; a camera gives a sharp and steady one. So the change is judged
GIVEN the sharpness. Two departures are taken, and both count:

- the level of the change over both bands: too much is flicker, fresh texture in every frame; too little is a picture
  steadier than a camera's, made from an average or by a network that smooths in time. Either is suspicious;
- the tilt: change in the coarser band less that in the finer one. A camera's own change is mostly fresh noise, which is
  fine; a painted mouth has little of it, but its larger forms wobble. Only a tilt towards coarse is suspicious.

Null: large motion and the opening of the mouth (both are in the expectation; fast frames count less), small faces, and
the encoder, which smooths, repeats or skips in nose, cheeks and eyes as well: all energies are logarithms and enter as
differences, so that a gain cancels exactly, and blur, another size or another encode nearly. A repeated frame is left
out. Every second frame at most is measured.

Conventions: bands in pixels of the level copy (`views`); unit of the departures is the spread of authentic clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.course import Values, beyond, smooth, telling_frames
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
    TextureTrack,
    Tracks,
)
from lipaccord.regions import REGIONS
from lipaccord.registration import Registration
from lipaccord.usable import median_of, turn_weight

PARTS = ("mouth", "chin")
REFERENCES = ("nose", "cheeks", "eyes")
MEASURED = (*PARTS, *REFERENCES)
"""Regions; the mouth is measured with the lips."""

BANDS = 2
TOP, LEFT, RIGHT = 40, 20, 140  # of the level copy: from the brows to the chin, cheek to cheek
MIN_PIXELS = 40
MIN_ENERGY = 1e-4  # grey levels squared
REPEATED = 0.02  # grey levels: a mean change below this is the same picture again
STRIDE = 2  # frames

MIN_EYES_PX = 30.0
MIN_FRAMES = 12
REACH_PX = 3.0  # pixels of the level copy: a region that moves as far counts half, as the registration nears its end
SOFT = -0.7  # log10 of fine over coarse energy in the rest of the face: below it the finer band holds nothing
WINDOW_S = 1.0
MIN_SEGMENT_S = 0.5
UNIT = "spreads of authentic clips"


@dataclass(frozen=True, slots=True)
class _Model:
    """The expectation of one departure.

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
    ("mouth", "level"): _Model(
        (0.750, -0.214, 0.034, -0.162, 0.042, 2.324, -0.205, -1.606, 0.068, 0.911), -0.362, 0.139
    ),
    ("mouth", "tilt"): _Model(
        (-0.185, 0.137, -0.086, 0.151, -0.433, 0.182, 0.207, -0.140, -0.028, -0.201), -0.220, 0.059
    ),
    ("chin", "level"): _Model((0.369, 0.002, -0.121, 0.184, 0.035, 1.102, 0.077, -0.577, 0.074, -0.620), -0.786, 0.147),
    ("chin", "tilt"): _Model(
        (-0.274, 0.200, -0.031, 0.107, -0.583, 0.337, -0.062, -0.056, 0.061, -0.085), -0.278, 0.067
    ),
}
SPREADS = {"level": 0.85, "tilt": 0.73}  # of the means over both parts
CENTER = 0.85  # of the distance from the origin, in the same clips; its spread is near 1 on the far side
LIMIT = 1.8  # 3 of 100 authentic clips lie beyond; of one second anywhere in 2.4 s, beyond the next
LOCAL_LIMIT = 3.5

_BANDS = tuple(cv2.getGaussianKernel(size, sigma, cv2.CV_32F) for size, sigma in ((5, 0.9), (9, 1.56), (17, 3.12)))
# to standard deviations of 0.9, 1.8 and 3.6 pixels, one after the other
_OWNERS = np.zeros(256, np.uint8)  # of each label of `FaceView.regions`: 0, or one more than the index in MEASURED
for _index, _name in enumerate(MEASURED):
    _OWNERS[REGIONS.index(_name) + 1] = _index + 1
_OWNERS[REGIONS.index("lips") + 1] = _OWNERS[REGIONS.index("mouth") + 1]


def _blurred(image: FloatArray, kernel: NDArray[np.integer[Any] | np.floating[Any]]) -> FloatArray:
    return np.asarray(cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel), np.float32)


class FlickerProbe:
    """Measures the change of texture between neighbouring frames; fulfils `lipaccord.records.Probe`.

    Columns: log10 energies (grey levels squared) of what changed (``temporal``) and of the picture (``spatial``) by
    region and band, the finer first; and how far the region moved against the eyes (``moved``, pixels of the level
    copy).
    """

    columns: tuple[str, ...] = (
        *(f"{kind}.{name}.{band}" for kind in ("temporal", "spatial") for band in range(BANDS) for name in MEASURED),
        *(f"moved.{name}" for name in MEASURED),
    )

    def __init__(self) -> None:
        self._registration: Registration | None = None
        self._last = -STRIDE

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Measure a frame against the one before [shape=(M,)]; NaN where it is due for a rest, or shows the same."""
        row = np.full(len(self.columns), np.nan, np.float32)
        if previous is None or view.frame - self._last < STRIDE:
            return row
        window = (slice(TOP, None), slice(LEFT, RIGHT))
        before, after = (np.asarray(seen.aligned_luma[window], np.float32) for seen in (previous, view))
        if cv2.norm(after, before, cv2.NORM_L1) < REPEATED * after.size:
            return row
        self._last = view.frame
        if self._registration is None:
            self._registration = Registration(*after.shape)
        laid, moved = self._registration.lay(before, after)
        owners = np.asarray(cv2.LUT(view.regions, _OWNERS), np.uint8)[window].ravel()
        places = [np.flatnonzero(owners == index + 1) for index in range(len(MEASURED))]
        energies = self._energies(np.dstack([after - laid, after]), places)
        distances = [moved.ravel()[place].mean() if place.size else np.nan for place in places]
        row[:] = np.concatenate([energies.ravel(), distances])
        row[np.tile([place.size < MIN_PIXELS for place in places], 2 * BANDS + 1)] = np.nan
        return row

    @staticmethod
    def _energies(pictures: FloatArray, places: list[NDArray[np.intp]]) -> NDArray[np.float64]:
        """log10 of the mean squared response by picture, band and region [shape=(2, BANDS, R)]."""
        result = np.full((2, BANDS, len(places)), np.nan)
        base = _blurred(pictures, _BANDS[0])
        for band, kernel in enumerate(_BANDS[1:]):
            wider = _blurred(base, kernel)
            squared = np.square(base - wider).reshape(-1, 2)
            for index, place in enumerate(places):
                if place.size:
                    result[:, band, index] = squared[place].mean(axis=0)
            base = wider
        logs: NDArray[np.float64] = np.log10(np.maximum(result, MIN_ENERGY))
        return logs


@dataclass(frozen=True, slots=True)
class _Departures:
    """How far both parts lie from their expectation, frame by frame, in spreads [shape=(T,) each]."""

    level: dict[str, Values]
    tilt: dict[str, Values]

    def merged(self) -> tuple[Values, Values]:
        """Mean over the parts that are seen, in spreads of its own; NaN where none is."""
        return _mean(list(self.level.values())) / SPREADS["level"], _mean(list(self.tilt.values())) / SPREADS["tilt"]


def _mean(values: list[Values]) -> Values:
    """Mean of what is finite [shape=(T,)]; NaN where nothing is."""
    stacked = np.stack(values)
    seen = np.isfinite(stacked)
    total = np.where(seen, stacked, 0.0).sum(axis=0)
    return np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), np.nan)


def _departures(probe: ProbeTrack, eyes_px: Values, opening: Values) -> _Departures:
    """Take the change of each part, less what the rest of the face and the circumstances let expect."""
    column = {name: probe.column(name).astype(np.float64) for name in probe.columns}

    def rest(kind: str) -> Values:
        values: Values = np.mean([column[kind.format(name)] for name in REFERENCES], axis=0)
        return values

    change, detail = ([rest(f"{kind}.{{}}.{band}") for band in range(BANDS)] for kind in ("temporal", "spatial"))
    base, tilted, still = (change[0] + change[1]) / 2, change[1] - change[0], rest("moved.{}")
    level: dict[str, Values] = {}
    tilt: dict[str, Values] = {}
    for part in PARTS:
        motion = np.log10(np.minimum(column[f"moved.{part}"], REACH_PX) + 0.3)
        circumstances = (
            *(column[f"spatial.{part}.{band}"] - base for band in range(BANDS)),
            *(values - base for values in detail),
            tilted,
            motion,
            motion**2,
            np.log10(np.minimum(still, REACH_PX) + 0.3),
            np.log10(eyes_px / 80.0),
            np.minimum(opening, 0.3),
        )
        fine, coarse = (column[f"temporal.{part}.{band}"] for band in range(BANDS))
        for result, name, value in (
            (level, "level", (fine + coarse) / 2 - base),
            (tilt, "tilt", np.where(detail[0] - detail[1] > SOFT, coarse - fine - tilted, np.nan)),
        ):
            model = MODELS[part, name]
            expected = np.tensordot(model.weights, np.stack(circumstances), axes=1) + model.offset
            result[part] = (value - expected) / model.spread
    return _Departures(level, tilt)


def _distance(level: Values, tilt: Values) -> Values:
    """Distance from the middle of authentic clips, less the usual one; without a tilt by the level alone."""
    return np.hypot(level, np.maximum(np.nan_to_num(tilt, nan=0.0), 0.0)) - CENTER


def _trust(probe: ProbeTrack, texture: TextureTrack) -> Values:
    """Weight of each frame, 0 to 1 [shape=(T,)]: less when the face turns, and the more the regions move."""
    moved = np.nan_to_num(probe.values[:, -len(MEASURED) :].astype(np.float64), nan=0.0).max(axis=1)
    weight: Values = turn_weight(texture) / (1 + (moved / REACH_PX) ** 4)
    return weight


def _over_parts(medians: dict[str, float | None], spread: float) -> float | None:
    """Mean over the parts that could be measured, in spreads of its own; None where none could."""
    known = [value for value in medians.values() if value is not None]
    return float(np.mean(known)) / spread if known else None


def _words(distance: float, level: float, tilt: float | None) -> str:
    """Say in a sentence where the lower face stands; the larger of the two departures gives the reason."""
    range_ = f"{max(distance, 0.0):.1f} spreads beyond the authentic centre, where up to {LIMIT:.1f} is usual"
    if distance <= LIMIT:
        return (
            f"The texture of the lower face changes from frame to frame about as the rest of the face does: {range_}."
        )
    if tilt is not None and tilt > abs(level):
        return f"What changes from frame to frame in the lower face is coarser than in the rest of the face: {range_}."
    which = "flickers more" if level > 0 else "is steadier from frame to frame"
    return f"The texture of the lower face {which} than its sharpness and the rest of the face let expect: {range_}."


def _abstention(tracks: Tracks, usable: BoolArray, measured: bool) -> tuple[Reason, ...]:
    """Say why the face can't be judged; empty where it can."""
    small = too_small(tracks.texture.interocular_px, MIN_EYES_PX, "flicker needs")
    if small is not None:
        return (small,)
    if not measured:
        return (too_few_frames(usable.sum(), MIN_FRAMES, "pairs of frames can be compared in a part of the face"),)
    return ()


class FlickerCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the ``level`` of the change (above zero = flicker) and its one-sided forms ``flicker`` and
    ``steady``, the ``tilt`` (None where the picture is too soft for it), both by part (``parts``), the ``limit`` of the
    authentic range, and the number of pairs of ``frames`` used.
    """

    name = "flicker"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Compare the change of the lower face with the rest; abstain where too little can be compared."""
        probe, texture = tracks.probes[self.name], tracks.texture
        eyes_px, opening = (values.astype(np.float64) for values in (texture.interocular_px, tracks.mouth.opening))
        departures = _departures(probe, eyes_px, opening)
        merged, weights = departures.merged(), _trust(probe, texture)
        usable = tracks.mouth.valid & np.isfinite(merged[0]) & (weights > 0)
        parts = {
            kind: {part: median_of(values, weights, usable, MIN_FRAMES) for part, values in by_part.items()}
            for kind, by_part in (("level", departures.level), ("tilt", departures.tilt))
        }
        level, tilt = (_over_parts(parts[kind], spread) for kind, spread in SPREADS.items())
        abstained = _abstention(tracks, usable, level is not None)
        if abstained or level is None:
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        courses = [smooth(probe.times_s, each, weights, usable & np.isfinite(each), WINDOW_S) for each in merged]
        course = _distance(courses[0], courses[1])
        clip = np.array([level]), np.array([np.nan if tilt is None else tilt])
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=float(_distance(*clip)[0]),
            summary=_words(float(_distance(*clip)[0]), level, tilt),
            frames_s=telling_frames(probe.times_s, np.where(usable, course, np.nan)),
            series=tuple(
                Series(f"flicker.{name}", UNIT, probe.times_s, values.astype(np.float32))
                for name, values in (("level", courses[0]), ("tilt", courses[1]), ("distance", course))
            ),
            segments=beyond(probe.times_s, np.maximum(course, 0.0), LOCAL_LIMIT, _local_words, MIN_SEGMENT_S),
            details={
                "level": level,
                "flicker": max(0.0, level),
                "steady": max(0.0, -level),
                "tilt": tilt,
                "parts": parts,
                "limit": LIMIT,
                "frames": int(usable.sum()),
            },
        )


def _local_words(distance: float) -> str:
    return (
        f"Here the texture of the lower face changes otherwise than the rest of the face: {distance:.1f} spreads "
        f"beyond the authentic centre, where up to {LIMIT:.1f} is usual for a clip."
    )
