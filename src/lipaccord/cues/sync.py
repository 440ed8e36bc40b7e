"""The cue `sync`: whether the mouth follows the speech, with what offset, and where it does not.

Source: prediction of lip points from speech as in Suwajanakorn et al., SIGGRAPH 2017, turned round; offset by
maximal agreement as in Chung and Zisserman, "Out of time", ACCV Workshops 2016.

What moves it innocently: dubbing, an off-screen voice (the mouth hardly moves: the cue abstains), a constant offset
of the recording chain (reported as such), mumbling and small faces (weak agreement: no claim).

Conventions: offset > 0: the sound comes late; zero is where authentic clips lie. The score is minus the support for
"recorded together": larger = more suspicious.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, uniform_filter1d

from lipaccord import agreement
from lipaccord.agreement import RATE_HZ, LagCurve, Reference
from lipaccord.records import BoolArray, Evidence, FindingName, Interval, Reason, Segment, Series, Tracks
from lipaccord.settings import Settings

PAD_S = 0.2  # of silence on either side of speech that still belongs to it: lips lead and trail
LOCAL_BLOCKS = 6  # 3 s: the shortest stretch that is judged by itself
LOCAL_SHARE = 0.6  # of it must be examined
BREAK = 3.0  # deviations below the clip's own usual agreement
MIN_SEGMENT_S = 2.0
STILL, MOVING = 0.008, 0.03  # running deviation of the lip opening, inter-ocular units
MOTION_S = 0.5
MIN_MOTION_S = 1.0
STILL_SHARE = 0.75  # of the speech over a still mouth: the voice is probably not this person's


def _runs(mask: BoolArray, times: NDArray[np.float64], shortest_s: float) -> list[Interval]:
    """Stretches of True on a uniform clock that last at least `shortest_s`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    step = float(times[1] - times[0]) if len(times) > 1 else 0.0
    runs = [
        Interval(float(times[first]), float(times[last - 1]) + step)
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]
    return [run for run in runs if run.duration_s >= shortest_s]


class SyncCue:
    """See the module; fulfils `lipaccord.records.Cue`."""

    name = "sync"
    version = "1"
    finding: FindingName = "sync"

    def __init__(self, settings: Settings, reference: Reference) -> None:
        self._max_lag = round(settings.max_lag_s * RATE_HZ)
        self._min_speech_s = settings.min_speech_s
        self._reference = reference

    def measure(self, tracks: Tracks) -> Evidence:
        """Measure agreement, offset and breaks of one face with the sound."""
        prediction, speech = tracks.prediction, tracks.activity.speech
        # frames whose velocity is known too: a mouth that only flickers up can't be compared
        examined = speech & agreement.channels(prediction.observed, agreement.known_frames(prediction.observed))[1]
        examined_s = float(examined.sum()) / RATE_HZ
        motion = _motion(tracks)
        reasons = self._abstain(speech, examined_s, motion[examined])
        if reasons:
            return Evidence(
                self.name,
                self.version,
                self.finding,
                None,
                reasons[0].text,
                abstained=reasons,
                details={"examined_s": examined_s},
            )
        heard = binary_dilation(speech, iterations=round(PAD_S * RATE_HZ))
        arguments = (prediction.mean, heard, prediction.observed, prediction.weights, self._max_lag)
        curve = agreement.lag_curve(*arguments)
        null_mean, null_deviation = agreement.null_agreement(*arguments)
        details = self._figures(curve, null_mean, null_deviation, examined_s)
        local, broken = self._local(curve, self._max_lag + details["lag"], prediction.times_s)
        segments = tuple(
            [Segment(run, "sync", 1.0, "the mouth does not follow the speech here") for run in broken]
            + _motion_segments(motion, speech, prediction.times_s)
        )
        return Evidence(
            self.name,
            self.version,
            self.finding,
            -details["support"],
            _summary(details),
            frames_s=tuple((run.start_s + run.end_s) / 2 for run in broken),
            series=(
                Series(
                    "sync.agreement_by_lag", "agreement, -1 to 1", curve.lags / RATE_HZ, curve.values.astype(np.float32)
                ),
                Series("sync.agreement", "agreement over 3 s, -1 to 1", *local),
                Series("sync.predicted", "deviations", prediction.times_s, prediction.mean[:, 0]),
                Series("sync.predicted_spread", "deviations", prediction.times_s, prediction.spread[:, 0]),
                Series("sync.observed", "deviations", prediction.times_s, prediction.observed[:, 0]),
            ),
            segments=segments,
            details=details,
        )

    def _abstain(self, speech: BoolArray, examined_s: float, motion: NDArray[np.float64]) -> tuple[Reason, ...]:
        if speech.sum() < self._min_speech_s * RATE_HZ:
            spoken = speech.sum() / RATE_HZ
            return (
                Reason("no_speech", f"there is only {spoken:.1f} s of speech; {self._min_speech_s:g} s are needed"),
            )
        if examined_s < self._min_speech_s or len(speech) <= 2 * self._max_lag + agreement.BLOCK:
            text = f"the mouth can be measured during {examined_s:.1f} s of speech only; use a longer or clearer clip"
            return (Reason("too_little_speech", text),)
        if np.nanmean(motion < STILL) > STILL_SHARE:
            text = "the mouth hardly moves while somebody speaks: the voice is probably not this person's"
            return (Reason("still_mouth", text),)
        return ()

    def _figures(self, curve: LagCurve, null_mean: float, null_deviation: float, examined_s: float) -> dict[str, Any]:
        """Numbers behind the finding; `strength` is how far the peak rises above other speech, in deviations."""
        reference = self._reference
        z = agreement.standardised(curve, reference)
        strength = float(z.max())
        # A peak that stands out by itself is taken wherever it is; a low one only where sound is usually found.
        handicap = np.zeros(len(z))
        if 0 < strength < agreement.STANDS_OUT:
            handicap = np.log(agreement.lag_prior(curve, reference)) * np.max(curve.values) / strength
        peak_s = agreement.refined_peak_s(curve, handicap=handicap)
        low, high = agreement.peak_interval_s(curve, handicap=handicap)
        lag = round(peak_s * RATE_HZ)
        seconds = float(curve.counts[:, self._max_lag + lag].sum()) / RATE_HZ
        expected, deviation = agreement.expected_support(seconds, reference)
        return {
            "examined_s": examined_s,
            "lag": lag,
            "offset_s": peak_s - reference.zero_s,
            "offset_low_s": low - reference.zero_s,
            "offset_high_s": high - reference.zero_s,
            "agreement": float(curve.values[self._max_lag + lag]),
            "usual_agreement": reference.together,
            "null_mean": null_mean,
            "null_deviation": null_deviation,
            "strength": strength,
            "support": agreement.support(curve, reference),
            "expected_support": expected,
            "expected_deviation": deviation,
        }

    def _local(
        self, curve: LagCurve, lag_index: int, times_s: NDArray[np.float64]
    ) -> tuple[tuple[NDArray[np.float64], NDArray[np.float32]], list[Interval]]:
        """Agreement over 3 s at the clip's own lag, and the stretches where it breaks down."""
        at_lag, counts = agreement.local_agreement(curve, lag_index, LOCAL_BLOCKS)
        starts = times_s[:: agreement.BLOCK]
        enough = counts >= LOCAL_SHARE * LOCAL_BLOCKS * agreement.BLOCK
        values = np.where(enough, at_lag, np.nan)
        centres = starts + agreement.BLOCK / RATE_HZ / 2
        series = (centres, values.astype(np.float32))
        if not enough.any():
            return series, []
        seconds = LOCAL_BLOCKS * agreement.BLOCK / RATE_HZ
        spread = np.hypot(self._reference.deviation, self._reference.null_deviation / np.sqrt(seconds))
        limit = np.nanmedian(values) - BREAK * spread
        return series, _runs(enough & (at_lag < limit), starts, MIN_SEGMENT_S)


def _motion(tracks: Tracks) -> NDArray[np.float64]:
    """Return the running deviation of the lip opening over MOTION_S, on the audio clock; NaN where unknown."""
    clock, mouth = tracks.prediction.times_s, tracks.mouth
    known = np.isfinite(tracks.prediction.observed[:, 0])
    if not mouth.valid.any():
        return np.full(len(clock), np.nan)
    opening = np.interp(clock, mouth.times_s[mouth.valid], mouth.opening[mouth.valid])
    size = round(MOTION_S * RATE_HZ)
    mean = uniform_filter1d(opening, size)
    variance = uniform_filter1d(opening**2, size) - mean**2
    return np.where(known, np.sqrt(np.maximum(variance, 0.0)), np.nan)


def _motion_segments(motion: NDArray[np.float64], speech: BoolArray, times_s: NDArray[np.float64]) -> list[Segment]:
    still = _runs(speech & (motion < STILL), times_s, MIN_MOTION_S)
    moving = _runs(~speech & (motion > MOVING), times_s, MIN_MOTION_S)
    return [Segment(run, "sync", 0.0, "speech over a still mouth") for run in still] + [
        Segment(run, "sync", 0.0, "the mouth moves in silence") for run in moving
    ]


def _summary(details: dict[str, Any]) -> str:
    return (
        f"The mouth agrees best with the speech at an offset of {1000 * details['offset_s']:+.0f} ms; the agreement is "
        f"{details['agreement']:.2f} (authentic clips: {details['usual_agreement']:.2f}); support for one recording "
        f"{details['support']:.1f} (authentic clips of this length: {details['expected_support']:.1f})."
    )
