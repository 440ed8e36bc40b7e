"""Evidence -> the two findings, by documented rules; they are never merged.

Sync, in this order:

1. the cue abstains: ``not_examinable``;
2. the support for one recording is at least RELATED, which one in a hundred other sounds reaches whatever the length
   (authentic political speech against the sound of others), or the peak of the agreement stands out by itself: sound
   and mouth belong together. ``partly_unrelated`` where it breaks down for a stretch, ``offset`` where the whole
   interval of the offset lies outside what viewers accept (ITU-R BT.1359-1: sound up to 90 ms early to 185 ms
   late), otherwise ``in_sync``;
3. the support lies more than UNRELATED deviations below what authentic clips of this length give: ``unrelated``;
4. otherwise the clip is too weak to tell: ``not_examinable``.

Resynthesis, from the sum of what the cues say (`combination`), each with its share: above the limit that one in a
hundred authentic clips exceeds ``resynthesised``, else ``inconclusive``; ``not_examinable`` where none of the cues that
see the texture of the whole lower face (`NEEDED`) could measure. A low sum is no evidence of authenticity (the newest
generators reach it), so ``authentic_texture`` is not given.

There are no likelihood ratios without a calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lipaccord.agreement import STANDS_OUT
from lipaccord.combination import Combination
from lipaccord.records import Evidence, Finding, Reason, Segment

RELATED = 2.4
UNRELATED = 2.0  # deviations below authentic clips
EARLY_S, LATE_S = -0.090, 0.185
NOTICED_EARLY_S, NOTICED_LATE_S = -0.045, 0.125
NEEDED = ("splice", "blur")
TELLING = 0.1  # log10: cues with smaller shares are not named as reasons
MAX_NAMED = 3
NORMAL_5, NORMAL_1 = 1.645, 2.326  # deviations that 5 and 1 in 100 of a normal distribution exceed

LIMITS = (
    "Scores are raw statistics: without a calibration there is no likelihood ratio, and no error rate is attached.",
    "Good agreement is no evidence of authenticity: generators draw the mouth from the sound.",
    "The findings do not say why: dubbing, an off-screen voice, translation or filters leave the same traces.",
    "A low resynthesis score does not show that a mouth is camera-original: the newest generators reach it.",
)


def sync_finding(evidence: Evidence) -> Finding:
    """Judge the evidence of the cue `sync`."""
    if evidence.score is None:
        return _not_examinable("sync", evidence, evidence.abstained, {"offset_ms": None, "offset_interval_ms": None})
    figures = evidence.details
    if figures["support"] >= RELATED or figures["strength"] >= STANDS_OUT:
        status, reasons = _together(evidence)
        offset: dict[str, Any] = {
            "offset_ms": 1000 * figures["offset_s"],
            "offset_interval_ms": [1000 * figures["offset_low_s"], 1000 * figures["offset_high_s"]],
        }
        return Finding("sync", status, evidence.score, None, None, reasons, (evidence,), offset)
    offset = {"offset_ms": None, "offset_interval_ms": None}
    if figures["support"] < figures["expected_support"] - UNRELATED * figures["expected_deviation"]:
        reason = Reason(
            "no_agreement",
            "the mouth does not follow this speech at any offset: sound and picture were probably not recorded "
            "together (dubbing and off-screen voices look the same)",
        )
        return Finding("sync", "unrelated", evidence.score, None, None, (reason,), (evidence,), offset)
    weak = Reason(
        "too_weak",
        f"mouth and speech agree too little to say that they belong together (support {figures['support']:.1f}; "
        f"{RELATED:g} is needed), and the clip is too short or unclear to say that they do not; use a longer stretch",
    )
    return _not_examinable("sync", evidence, (weak,), offset)


def _together(evidence: Evidence) -> tuple[str, tuple[Reason, ...]]:
    """Status and reasons where sound and mouth belong together."""
    figures = evidence.details
    reasons = [Reason("agreement", "the mouth follows the speech")]
    offset, low, high = (figures[name] for name in ("offset_s", "offset_low_s", "offset_high_s"))
    late = "late" if offset > 0 else "early"
    outside = low > LATE_S or high < EARLY_S
    if outside:
        reasons.append(
            Reason("offset", f"the sound comes {abs(1000 * offset):.0f} ms {late}, beyond what viewers accept")
        )
    elif offset > NOTICED_LATE_S or offset < NOTICED_EARLY_S:
        text = f"the sound comes {abs(1000 * offset):.0f} ms {late}; a small constant offset has innocent causes"
        reasons.append(Reason("small_offset", text))
    if breaks(evidence):
        reasons.append(Reason("breaks", "the agreement breaks down for a stretch"))
        return "partly_unrelated", tuple(reasons)
    return ("offset" if outside else "in_sync"), tuple(reasons)


def breaks(evidence: Evidence) -> list[Segment]:
    """Segments that count against the finding, not only as something to look at."""
    return [segment for segment in evidence.segments if segment.score > 0]


def resynthesis_finding(evidence: Sequence[Evidence], combination: Combination) -> Finding:
    """Judge the evidence of all cues of the resynthesis finding.

    The finding's details hold the ``shares``, what each cue adds to the score, and the two quantiles of authentic
    clips, ``usual`` and ``limit``.
    """
    scores = {one.cue: one.score for one in evidence}
    shares = combination.shares(scores)
    details: dict[str, Any] = {"shares": shares, "usual": combination.usual, "limit": combination.limit}
    score = combination.score(scores)
    if score is None or all(scores.get(name) is None for name in NEEDED):
        why = [reason for one in evidence if one.cue in NEEDED for reason in one.abstained]
        unique = tuple({reason.code: reason for reason in reversed(why)}.values())
        return Finding("resynthesis", "not_examinable", None, None, None, unique, tuple(evidence), details)
    telling = sorted((name for name in shares if shares[name] > TELLING), key=lambda name: -shares[name])
    named = " and ".join(telling[:MAX_NAMED])
    by = f", most of all by the {'cue' if len(telling) == 1 else 'cues'} {named}" if named else ""
    if score > combination.limit:
        status, text = "resynthesised", f"the lower face departs from the rest further than in authentic clips{by}"
    elif score > combination.usual:
        status = "inconclusive"
        text = f"the lower face departs from the rest, but not beyond some authentic clips{by}"
    else:
        status = "inconclusive"
        text = "nothing departs further than usual; that alone does not show that the mouth is original"
    return Finding("resynthesis", status, score, None, None, (Reason("texture", text),), tuple(evidence), details)


def _not_examinable(
    name: Any, evidence: Evidence | None, reasons: tuple[Reason, ...], details: dict[str, Any]
) -> Finding:
    cues = () if evidence is None else (evidence,)
    score = None if evidence is None else evidence.score
    return Finding(name, "not_examinable", score, None, None, reasons, cues, details)


def nothing_to_examine(reason: Reason) -> tuple[Finding, Finding]:
    """Both findings where there is no face or no speech to begin with."""
    offset = {"offset_ms": None, "offset_interval_ms": None}
    return (
        _not_examinable("sync", None, (reason,), offset),
        _not_examinable("resynthesis", None, (reason,), {}),
    )


def triage(sync: Finding, resynthesis: Finding) -> float | None:
    """Rank for an archive: larger = look first; None where neither finding could be examined.

    The larger of two departures, both in deviations of authentic clips: how far the support lies below what they give,
    and how far the resynthesis score lies above them, by the line through its two quantiles.
    """
    values = []
    if sync.score is not None:
        figures = sync.cues[0].details
        values.append((figures["expected_support"] - figures["support"]) / figures["expected_deviation"])
    if resynthesis.score is not None:
        usual, limit = resynthesis.details["usual"], resynthesis.details["limit"]
        step = (resynthesis.score - usual) / max(limit - usual, 1e-6)
        values.append(NORMAL_5 + step * (NORMAL_1 - NORMAL_5))
    return max(values) if values else None
