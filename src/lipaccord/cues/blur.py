"""Compare the sharpness of the lower face with that of the rest of the same face, in the same frames.

Method: each part of the lower face is compared with nose, cheeks and eyes in four frequency bands whose widths follow
the size of the face. A weighted sum of log energies says how much softer or sharper the part is than the rest of the
face lets expect. In every band the weights sum to zero over the regions, so whatever is done to the picture as a
whole (blur, sharpening, another size, a gain, most of what an encoder takes away) cancels. The coarser bands stand
for the part's own contrast, the opening of the mouth for how much of the teeth shows; turned, fast and small frames
count less or not at all. Texture as a trace of painted mouths: Matern et al., WACVW 2019; linear discriminant:
Fisher, Annals of Eugenics, 1936.

Conventions: unit is the spread (standard deviation) of authentic clips about their centre; below zero = softer than
the rest of the face, above = sharper. The score is the distance from zero, so that either is suspicious.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipaccord.course import beyond, smooth, telling_frames, weighted_median
from lipaccord.cues.reasons import too_few_frames, too_small
from lipaccord.records import (
    BoolArray,
    Evidence,
    FindingName,
    MouthMotion,
    Reason,
    Series,
    TextureTrack,
    Tracks,
)
from lipaccord.usable import frontal, steady_weight

Values = NDArray[np.float64]

PARTS = ("mouth", "lips", "chin")
REFERENCES = ("nose", "cheeks", "eyes")
BANDS = (0.007, 0.014, 0.028, 0.056)
"""Standard deviation of the finer Gaussian of each band, in eye distances."""

MIN_EYES_PX = 24.0
MIN_FRAMES = 20
WINDOW_S = 0.5  # of the running median of the time course
MIN_SEGMENT_S = 0.5


@dataclass(frozen=True, slots=True)
class _Model:
    """The expectation for one part.

    Attributes
    ----------
    weights : tuple of tuple of float
        Of the log energy in each of `BANDS`: the part, then `REFERENCES`; each row sums to zero.
    opening : float
        Of the mouth's opening.
    center, spread : float
        Of the weighted sum over authentic clips.
    """

    weights: tuple[tuple[float, float, float, float], ...]
    opening: float
    center: float
    spread: float


# Measured on 98 authentic clips (political speech and interviews, 40 to 200 pixels between the eyes;
# news anchors and one laboratory speaker, about 45 pixels), each as it came, re-encoded by H.264 at CRF 23, 28 and 33,
# halved, doubled, blurred by 1 and 2 pixels and sharpened as a whole, against the same clips with only the mouth or the
# lower face blurred by 2% of the eye distance, or sharpened. Weights: ridge regression on that truth, no generator
# among it. Spreads: of people left out of the fit. Landmarks: 478 points; with 68 the outlines differ a little.
MODELS = {
    "mouth": _Model(
        weights=(
            (1.135, -1.205, 0.040, 0.030),
            (0.211, 0.847, -0.336, -0.722),
            (-0.742, 0.403, 0.346, -0.007),
            (0.170, -0.307, 0.038, 0.099),
        ),
        opening=-0.107,
        center=0.283,
        spread=0.214,
    ),
    "lips": _Model(
        weights=(
            (1.134, -1.244, -0.117, 0.227),
            (0.064, 0.953, -0.201, -0.816),
            (-0.733, 0.516, 0.247, -0.030),
            (0.179, -0.583, 0.074, 0.330),
        ),
        opening=-0.054,
        center=-0.146,
        spread=0.232,
    ),
    "chin": _Model(
        weights=(
            (1.061, -0.866, -0.297, 0.102),
            (-0.302, 0.745, -0.067, -0.376),
            (-0.983, 0.601, 0.360, 0.022),
            (0.376, -0.400, 0.019, 0.005),
        ),
        opening=0.081,
        center=-0.134,
        spread=0.158,
    ),
}
SHARES = {"mouth": 1.0, "lips": 0.3, "chin": 0.3}
JOINT_SPREAD = 1.24
# 19 of 20 authentic clips of people left out, however processed as a whole, lie within it; of the political
# speech alone, where faces are larger and beards, microphones and light differ more, 9 of 10.
LIMIT = 2.1
LOCAL_LIMIT = 3.0  # of half a second: few authentic clips (3 in 100) reach it anywhere


def _at_band(texture: TextureTrack, band: float) -> Values:
    """Log energy at a band given in eye distances, between the measured scales [shape=(T, R)]."""
    scales = np.log2(texture.scales)
    sigma = np.log2(np.where(texture.interocular_px > 0, texture.interocular_px, 1.0) * band)
    place = np.interp(sigma, scales, np.arange(len(scales)))
    lower = np.minimum(place.astype(int), len(scales) - 2)
    share = (place - lower)[:, None]
    rows = np.arange(len(place))
    energy = texture.energy.astype(np.float64)
    mixed: Values = energy[rows, :, lower] * (1 - share) + energy[rows, :, lower + 1] * share
    return mixed


def _departures(texture: TextureTrack, mouth: MouthMotion) -> dict[str, Values]:
    """How far each part lies from its expectation, in spreads [shape=(T,)]; NaN where it can't be said."""
    bands = np.stack([_at_band(texture, band) for band in BANDS], axis=1)
    result = {}
    for part, model in MODELS.items():
        regions = [texture.region(name) for name in (part, *REFERENCES)]
        raw = (bands[:, :, regions] * np.array(model.weights)).sum(axis=(1, 2)) + model.opening * mouth.opening
        result[part] = (raw - model.center) / model.spread
    return result


def _lower(departures: dict[str, Values]) -> Values:
    """Join the parts to one departure of the lower face, in spreads [shape=(T,)]."""
    total: Values = sum((weight * departures[part] for part, weight in SHARES.items()), np.zeros(1))
    return total / JOINT_SPREAD


def _words(departure: float) -> str:
    """Say in plain words where the lower face stands."""
    if abs(departure) <= LIMIT:
        return (
            f"The lower face is about as sharp as the rest of the same face: {abs(departure):.1f} spreads "
            f"{'below' if departure < 0 else 'above'} the authentic centre, and up to {LIMIT:.1f} is usual."
        )
    softer = departure < 0
    return (
        f"The lower face is {'softer' if softer else 'sharper'} than the rest of the same face: {abs(departure):.1f} "
        f"spreads {'below' if softer else 'above'} the authentic centre, where up to {LIMIT:.1f} is usual."
    )


def _abstention(tracks: Tracks, usable: BoolArray) -> tuple[Reason, ...]:
    """Say why the face can't be judged; empty where it can."""
    texture = tracks.texture
    small = too_small(texture.interocular_px, MIN_EYES_PX, "sharpness needs")
    if small is not None:
        return (small,)
    if usable.sum() >= MIN_FRAMES:
        return ()
    facing = frontal(tracks)
    for names, code, what in (
        (REFERENCES, "no_reference_region", "Nose, cheeks and eyes"),
        (PARTS, "no_lower_face", "Mouth, lips and chin"),
    ):
        measured = facing & np.isfinite(texture.energy[:, [texture.region(name) for name in names]]).all(axis=(1, 2))
        if facing.sum() >= MIN_FRAMES > measured.sum():
            text = f"{what} can be measured together in only {measured.sum()} frames; {MIN_FRAMES} are needed."
            return (Reason(code, text, "use a stretch in which the whole face is in the picture and uncovered"),)
    return (too_few_frames(usable.sum(), MIN_FRAMES, "frames show the face well enough"),)


def _pairs(texture: TextureTrack, usable: BoolArray) -> dict[str, dict[str, list[float | None]]]:
    """Median log10 energy of each part less that of every other region, by measured scale."""
    names = [name for name in texture.regions if name not in PARTS]
    result: dict[str, dict[str, list[float | None]]] = {}
    for part in PARTS:
        result[part] = {}
        for name in names:
            difference = texture.energy[usable, texture.region(part)] - texture.energy[usable, texture.region(name)]
            seen = np.isfinite(difference).all(axis=1)
            medians = np.median(difference[seen], axis=0).tolist() if seen.any() else [None] * len(texture.scales)
            result[part][name] = [None if value is None else round(value, 3) for value in medians]
    return result


class BlurCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the ``signed`` departure and its one-sided forms ``softer`` and ``sharper``, the
    departures by part, the ``limit`` of the authentic range, the number of ``frames`` used, and the log
    energies of each part less each other region by scale (``pairs``, ``scales_px``).
    """

    name = "blur"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Compare the lower face with the rest; abstain where the face is too small or too little is seen."""
        texture, mouth = tracks.texture, tracks.mouth
        departures = _departures(texture, mouth)
        lower = _lower(departures)
        weights = steady_weight(texture)
        usable = mouth.valid & np.isfinite(lower) & (weights > 0)
        abstained = _abstention(tracks, usable)
        if abstained:
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        courses = {
            part: smooth(texture.times_s, values, weights, usable, WINDOW_S)
            for part, values in {"lower": lower, **departures}.items()
        }
        signed = weighted_median(lower[usable], weights[usable])
        unit = "spreads of authentic clips; below zero = softer than the rest of the face"
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=abs(signed),
            summary=_words(signed),
            frames_s=telling_frames(texture.times_s, courses["lower"] * np.sign(signed)),
            series=tuple(
                Series(f"blur.{part}_minus_rest", unit, texture.times_s, course.astype(np.float32))
                for part, course in courses.items()
            ),
            segments=beyond(texture.times_s, courses["lower"], LOCAL_LIMIT, _words, MIN_SEGMENT_S),
            details={
                "signed": signed,
                "softer": max(0.0, -signed),
                "sharper": max(0.0, signed),
                "parts": {part: weighted_median(v[usable], weights[usable]) for part, v in departures.items()},
                "limit": LIMIT,
                "frames": int(usable.sum()),
                "scales_px": list(texture.scales),
                "pairs": _pairs(texture, usable),
            },
        )
