"""The cue `sync`: whether the mouth follows the speech, with what offset, and where it does not.

Source: prediction of lip points from speech as in Suwajanakorn et al., SIGGRAPH 2017, turned round; offset by
maximal agreement as in Chung and Zisserman, "Out of time", ACCV Workshops 2016.

What moves it innocently: dubbing, an off-screen voice (the mouth hardly moves: the cue abstains), a constant offset
of the recording chain (reported as such), mumbling and small faces (weak agreement: no claim).

Conventions: offset > 0: the sound comes late; zero is where authentic clips lie. The score is minus the evidence for
"recorded together" (`agreement.evidence_for`): larger = more suspicious.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from lipaccord import agreement
from lipaccord.agreement import RATE_HZ, LagCurve, Reference
from lipaccord.cues.reasons import LONGER
from lipaccord.records import (
    BoolArray,
    Evidence,
    FindingName,
    Interval,
    MouthPrediction,
    Reason,
    Segment,
    Series,
    Tracks,
)
from lipaccord.settings import Settings
from lipaccord.usable import opening_motion

PAD_S = 0.2  # of silence on either side of speech that still belongs to it: lips lead and trail
LOCAL_BLOCKS = 6  # 3 s: the shortest stretch that is judged by itself
LOCAL_SHARE = 0.6  # of it must be examined
BREAK = 3.0  # deviations below the clip's own usual agreement
MIN_SEGMENT_S = 2.0
STILL, MOVING = 0.008, 0.03  # running deviation of the lip opening, inter-ocular units
MIN_MOTION_S = 1.0
SPEAKING = 0.015  # median of that deviation: less means that the voice is probably not this person's


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
    version = "2"
    finding: FindingName = "sync"

    def __init__(self, settings: Settings, reference: Reference) -> None:
        self._max_lag = round(settings.max_lag_s * RATE_HZ)
        self._min_speech_s = settings.min_speech_s
        self._reference = reference

    def measure(self, tracks: Tracks) -> Evidence:
        """Measure agreement, offset and breaks of one face with the sound."""
        known = np.isfinite(tracks.prediction.observed[:, 0])
        motion = opening_motion(tracks.mouth, tracks.prediction.times_s, known)
        return self.judge(tracks.prediction, tracks.activity.speech, motion)

    def judge(self, prediction: MouthPrediction, speech: BoolArray, motion: NDArray[np.float64]) -> Evidence:
        """Measure the same of any mouth and any sound that are laid side by side.

        Parameters
        ----------
        prediction : MouthPrediction
        speech : ndarray of bool [shape=(N,)]
            Where somebody speaks in that sound.
        motion : ndarray [shape=(N,)]
            Of that mouth (`usable.opening_motion`).
        """
        # frames whose velocity is known too: a mouth that only flickers up can't be compared
        examined = speech & agreement.channels(prediction.observed, agreement.known_frames(prediction.observed))[1]
        examined_s = float(examined.sum()) / RATE_HZ
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
            -details["evidence"],
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
            text = f"there is only {speech.sum() / RATE_HZ:.1f} s of speech; {self._min_speech_s:g} s are needed"
            return (Reason("no_speech", text, "use a longer stretch, or one in which more is said"),)
        if examined_s < self._min_speech_s:
            needed = f"{self._min_speech_s:g} s are needed"
            text = f"the mouth can be measured during only {examined_s:.1f} s of speech; {needed}"
            return (Reason("too_little_speech", text, LONGER),)
        length_s, lag_s = len(speech) / RATE_HZ, self._max_lag / RATE_HZ
        shortest_s = 2 * lag_s + agreement.BLOCK / RATE_HZ
        if len(speech) <= 2 * self._max_lag + agreement.BLOCK:
            text = f"the sound lasts {length_s:.2f} s; offsets of up to {lag_s:g} s take more than {shortest_s:g} s"
            return (Reason("too_short", text, "use a longer stretch, or a smaller max_lag_s in the settings"),)
        moves = float(np.nanmedian(motion))
        if moves < SPEAKING:
            text = f"the mouth moves by {moves:.3f} eye distances while somebody speaks, less than speech takes"
            remedy = "examine the person who speaks by --face, or a stretch in which this person speaks"
            return (Reason("still_mouth", text, remedy),)
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
            "zero_s": reference.zero_s,
            "offset_s": peak_s - reference.zero_s,
            "offset_low_s": low - reference.zero_s,
            "offset_high_s": high - reference.zero_s,
            "agreement": float(curve.values[self._max_lag + lag]),
            "usual_agreement": reference.together,
            "null_mean": null_mean,
            "null_deviation": null_deviation,
            "strength": strength,
            "support": agreement.support(curve, reference),
            "evidence": agreement.evidence_for(curve, reference),
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
        f"{details['evidence']:.1f} (authentic clips of this length: {details['expected_support']:.1f})."
    )
