"""What the splice networks say: whether one part of the face looks made otherwise than the rest of the same frames.

Two cues from networks of two scopes: ``splice`` compares the lower face with the rest of the face, ``swap`` the whole
face with hair, neck and background. The networks (`splicing`) were taught by authentic faces and self-made splices of
them, each beside a control with the same treatment all over, after the self-blended images of Shiohara and Yamasaki
(CVPR 2022). They catch what no measure by hand is made for; in return they can't say which trace they saw, only where
and when.

Null: what is done to the picture as a whole (blur, sharpening, another size, an encode) reaches both sides of the
comparison and cancels; a beard, make-up, a microphone or shallow focus do not, and are why authentic clips spread.

Conventions: unit is the spread of authentic clips that the network was not trained on, about their centre; larger =
more suspicious. The score is the mean over pairs of neighbouring frames spread over the clip, without the tenth that
lies outermost on either side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

from lipaccord.course import beyond, smooth, telling_frames
from lipaccord.cues.reasons import too_few_frames, too_small
from lipaccord.records import Evidence, FindingName, Reason, Series, Tracks

MIN_PAIRS = 6
MIN_EYES_PX = 24.0
TRIMMED = 0.1
WINDOW_S = 1.0
USUAL = 2.0  # nearly all authentic clips lie below
LOCAL_LIMIT = 3.5  # of a second
MIN_SEGMENT_S = 0.5


_COMPARED = {
    "lower": ("lower face", "the rest of the same face"),
    "face": ("whole face", "hair, neck and background"),
}


def _words(scope: str, score: float) -> str:
    part, rest = _COMPARED[scope]
    if score <= USUAL:
        return (
            f"The {part} differs from {rest} no more than usual: {score:+.1f} spreads from the centre of authentic "
            f"clips, where up to {USUAL:.1f} is usual."
        )
    return (
        f"The {part} looks made otherwise than {rest}: {score:+.1f} spreads from the centre of authentic clips, where "
        f"up to {USUAL:.1f} is usual."
    )


def _rounded(place: NDArray[np.float32]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else round(float(value), 2) for value in row] for row in place]


class SpliceCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the number of ``pairs``, the ``deviation`` of their scores, the score by each ``member`` of the
    network, and the ``map``: mean log odds by place over the level face, rows from the top, None off both parts.

    Parameters
    ----------
    scope : {'lower', 'face'}
    """

    version = "1"
    finding: FindingName = "resynthesis"

    def __init__(self, scope: str) -> None:
        self.name = {"lower": "splice", "face": "swap"}[scope]
        self._scope = scope

    def _abstention(self, tracks: Tracks) -> Reason | None:
        small = too_small(tracks.texture.interocular_px, MIN_EYES_PX, "the network needs")
        pairs = len(tracks.splices[self._scope].times_s)
        if small is None and pairs < MIN_PAIRS:
            return too_few_frames(pairs, MIN_PAIRS, "pairs of neighbouring frames show the face")
        return small

    def measure(self, tracks: Tracks) -> Evidence:
        """Average what the network said; abstain where the face is too small or was seen too briefly."""
        reason = self._abstention(tracks)
        if reason is not None:
            return Evidence(self.name, self.version, self.finding, None, reason.text, abstained=(reason,))
        splice = tracks.splices[self._scope]
        members = splice.scores.astype(np.float64)
        times, scores = splice.times_s, members.mean(axis=0)
        score = float(trim_mean(scores, TRIMMED))
        window_s = max(WINDOW_S, 3 * float(np.median(np.diff(times))))
        course = smooth(times, scores, np.ones(len(scores)), np.ones(len(scores), bool), window_s)
        unit = "spreads of authentic clips; larger = more suspicious"

        def words(value: float) -> str:
            return _words(self._scope, value)

        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=score,
            summary=words(score),
            frames_s=telling_frames(times, course),
            series=(Series(f"{self.name}.against_rest", unit, times, course.astype(np.float32)),),
            segments=beyond(times, np.maximum(course, 0), LOCAL_LIMIT, words, MIN_SEGMENT_S),
            details={
                "pairs": len(scores),
                "deviation": float(scores.std()),
                "usual": USUAL,
                "map": _rounded(splice.map),
            }
            | {f"member_{k}": float(trim_mean(member, TRIMMED)) for k, member in enumerate(members)},
        )
