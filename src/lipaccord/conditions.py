"""How well one face could be measured: what the reliability of a finding depends on, and is calibrated by.

- ``speech_s``: seconds of speech over a measurable mouth;
- ``face_s``: seconds in which the face looks towards the camera and its mouth can be measured;
- ``eyes_px``: distance of the eye centres in pixels, the median over these frames;
- ``motion``: how much the mouth moves, the median over time of the running deviation of the lip opening, eye distances;
- ``detail``: fine detail of the untouched forehead, which compression and softening take away: the median over frames
  of log10 band energy, a fine band less a middle one, both tied to the eye distance.

None of them is evidence of anything by itself (`calibration`). Conventions: a condition that can't be measured is
missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import FloatArray, Tracks
from lipaccord.usable import frontal, opening_motion

FOREHEAD = "forehead"
FINE, MIDDLE = 0.007, 0.028  # eye distances: standard deviation of the finer Gaussian of each band
MIN_FRAMES = 5


def _band(energy: FloatArray, scales: Sequence[float], sigma_px: float) -> float:
    """Log energy at a width between the measured scales."""
    return float(np.interp(np.log2(sigma_px), np.log2(scales), energy))


def fine_detail(energy: FloatArray, scales: Sequence[float], eyes_px: float) -> float:
    """Fine less middle log10 band energy of one region in one frame; NaN where it is hidden or too small to have both.

    Parameters
    ----------
    energy : ndarray [shape=(S,)]
        log10 band energy by scale.
    scales : sequence of float [S]
        Pixels.
    eyes_px : float
    """
    if MIDDLE * eyes_px <= scales[0]:
        return float("nan")
    return _band(energy, scales, FINE * eyes_px) - _band(energy, scales, MIDDLE * eyes_px)


def _forehead(tracks: Tracks, used: NDArray[np.bool_]) -> float | None:
    texture = tracks.texture
    energy = texture.energy[used, texture.region(FOREHEAD)]
    pairs = zip(energy, texture.interocular_px[used], strict=True)
    details = [fine_detail(bands, texture.scales, float(eyes)) for bands, eyes in pairs]
    known = [detail for detail in details if np.isfinite(detail)]
    return float(np.median(known)) if len(known) >= MIN_FRAMES else None


def conditions_of(tracks: Tracks, speech_s: float | None) -> dict[str, float]:
    """Measure the conditions of an examination.

    Parameters
    ----------
    tracks : Tracks
    speech_s : float or None
        As the cue `sync` found it; None where it was not asked.
    """
    used = frontal(tracks)
    found: dict[str, float] = {}
    if speech_s is not None:
        found["speech_s"] = speech_s
    if not used.any():
        return found
    times = tracks.mouth.times_s
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    found |= {"face_s": float(used.sum()) * step, "eyes_px": float(np.median(tracks.mouth.interocular_px[used]))}
    known = np.isfinite(tracks.prediction.observed[:, 0])
    if known.any():
        motion = opening_motion(tracks.mouth, tracks.prediction.times_s, known)
        found["motion"] = float(np.nanmedian(motion))
    detail = _forehead(tracks, used)
    return found if detail is None else found | {"detail": detail}
