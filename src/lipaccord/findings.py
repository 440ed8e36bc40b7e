"""Evidence -> the two findings, by documented rules; they are never merged.

The score of a finding becomes a likelihood ratio of its two propositions (`propositions`) by the bundle's calibration,
within the bounds that its data back, and the status follows from the ratio. A status is *claimed* where the ratio is
at least as strong as the calibration's decision for that side: never weaker than 10^0.5, and so strong that in
cross-validation at most one in fifty of the other class reached it (`fitting.decisions`).

Sync, in this order:

1. the cue abstains: ``not_examinable``;
2. claimed for "recorded together": ``partly_unrelated`` where the agreement breaks down for a stretch, ``offset``
   where the whole interval of the offset lies outside what viewers accept (ITU-R BT.1359-1: sound up to 90 ms early to
   185 ms late) by more than `ZERO_S`, otherwise ``in_sync``;
3. claimed for "recorded apart": ``unrelated``;
4. otherwise ``inconclusive``.

Resynthesis, from the sum of what the cues say (`combination`), each with its share: ``not_examinable`` where none of
the cues that see the texture of the whole lower face (`NEEDED`) could measure, or where the mouth stands still (a held
picture has the texture of no speech); claimed for "synthesised":
``resynthesised``; otherwise ``inconclusive``. A low sum is no evidence of authenticity against generators that the
calibration has not met, so ``authentic_texture`` is not given, however low the ratio.

Without a calibration there is no likelihood ratio, and nothing is claimed: ``inconclusive``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lipaccord.calibration import Calibration, Ratio
from lipaccord.combination import Combination, flattened
from lipaccord.explanations import resynthesis_explanations, sync_explanations
from lipaccord.records import Evidence, Finding, FindingName, Reason, Segment

EARLY_S, LATE_S = -0.090, 0.185
ZERO_S = 0.022  # the zero is not the same for every speaker: offsets of authentic clips spread by 44 ms about it
NOTICED_EARLY_S, NOTICED_LATE_S = -0.045, 0.125
FLAGGED = frozenset({"offset", "partly_unrelated", "unrelated", "resynthesised"})
"""Statuses that say that a clip is not as it was recorded."""
NEEDED = ("splice", "blur")
MOVING = 0.008  # eye distances: a mouth that moves less most of the time (`conditions`) does not speak
TELLING = 0.1  # log10: cues with smaller shares are not named as reasons
MAX_NAMED = 3
NORMAL_5, NORMAL_1 = 1.645, 2.326  # deviations that 5 and 1 in 100 of a normal distribution exceed

LIMITS = (
    "A likelihood ratio speaks of footage like that of its calibration; the bundle's card says which that was.",
    "Good agreement is no evidence of authenticity: generators draw the mouth from the sound.",
    "The findings do not say why: dubbing, an off-screen voice, translation or filters leave the same traces.",
    "A low resynthesis score does not show that a mouth is camera-original: the newest generators reach it.",
)
_STILL = Reason(
    "still_mouth",
    "the mouth hardly moves most of the time: there is too little speech in the picture to have been painted",
    "use a stretch in which this person speaks, or examine another face by --face",
)
_NO_WEIGHT = Reason(
    "no_weight", "the bundle gives no weight to any cue that could measure here", "use the bundle that is shipped"
)
_UNCALIBRATED = Reason(
    "no_calibration",
    "the bundle holds no calibration of this finding, so its score says only which clip to look at first",
)


def _ratio(
    calibration: Calibration | None, score: float, conditions: Mapping[str, float]
) -> tuple[Ratio | None, tuple[Reason, ...]]:
    """Calibrate a score; without a ratio, say why."""
    if calibration is None:
        return None, (_UNCALIBRATED,)
    missing = [name for name in calibration.margin.conditions if name not in conditions]
    if missing:
        text = f"the calibration depends on {', '.join(missing)}, which could not be measured here"
        return None, (Reason("conditions_unknown", text),)
    return calibration.ratio(score, conditions), ()


def _judged(
    name: FindingName,
    status: str,
    score: float,
    ratio: Ratio | None,
    reasons: tuple[Reason, ...],
    explanations: tuple[Reason, ...],
    cues: tuple[Evidence, ...],
    details: dict[str, Any],
) -> Finding:
    """Put together a finding that was examined."""
    if ratio is None:
        return Finding(name, status, score, None, None, reasons, cues, details, explanations)
    if ratio.outside:
        text = f"{', '.join(ratio.outside)} lie outside of the calibration data; the nearest that they hold was used"
        reasons = (*reasons, Reason("outside_calibration", text))
    return Finding(name, status, score, ratio.log10_lr, ratio.bounds, reasons, cues, details, explanations)


def _reached(calibration: Calibration | None, ratio: Ratio | None) -> dict[str, Any]:
    """Say how often calibration clips reach a ratio, and how many people stand behind that; empty without one."""
    if calibration is None or ratio is None:
        return {}
    apart, together = calibration.reaching(ratio.log10_lr)
    groups = [calibration.population[f"{name}_groups"] for name in ("suspicious", "innocent")]
    return {
        "at_bound": ratio.at_bound,
        "reached_by": {"suspicious": apart, "innocent": together, "groups": groups},
        "decide": list(calibration.decide),
    }


def sync_finding(evidence: Evidence, calibration: Calibration | None, conditions: Mapping[str, float]) -> Finding:
    """Judge the evidence of the cue `sync`."""
    details: dict[str, Any] = {"offset_ms": None, "offset_interval_ms": None, "conditions": dict(conditions)}
    if evidence.score is None:
        return Finding("sync", "not_examinable", None, None, None, evidence.abstained, (evidence,), details)
    ratio, reasons = _ratio(calibration, evidence.score, conditions)
    details |= _reached(calibration, ratio)
    status, noticed_s = "inconclusive", None
    if ratio is not None and calibration is not None:
        if ratio.log10_lr <= calibration.decide[0]:
            status, reasons, noticed_s = _together(evidence)
            details |= _offset(evidence)
        elif ratio.log10_lr >= calibration.decide[1]:
            status, reasons = "unrelated", (_no_agreement(evidence),)
        else:
            reasons = (_too_weak(evidence),)
    explanations = sync_explanations(status, noticed_s)
    return _judged("sync", status, evidence.score, ratio, reasons, explanations, (evidence,), details)


def _offset(evidence: Evidence) -> dict[str, Any]:
    figures = evidence.details
    interval = [1000 * figures["offset_low_s"], 1000 * figures["offset_high_s"]]
    return {"offset_ms": 1000 * figures["offset_s"], "offset_interval_ms": interval}


def _no_agreement(evidence: Evidence) -> Reason:
    figures = evidence.details
    return Reason(
        "no_agreement",
        f"the mouth does not follow this speech at any offset examined (support {figures['evidence']:.1f}; authentic "
        f"clips of this length give {figures['expected_support']:.1f})",
    )


def _too_weak(evidence: Evidence) -> Reason:
    figures = evidence.details
    return Reason(
        "too_weak",
        f"the agreement of mouth and speech (support {figures['evidence']:.1f}; authentic clips of this length give "
        f"{figures['expected_support']:.1f}) is met in clips recorded together and in clips recorded apart",
        "use a longer stretch of the same scene",
    )


def _together(evidence: Evidence) -> tuple[str, tuple[Reason, ...], float | None]:
    """Status and reasons where sound and mouth belong together, and an offset that viewers would notice."""
    figures = evidence.details
    reasons = [Reason("agreement", "the mouth follows the speech")]
    offset, low, high = (figures[name] for name in ("offset_s", "offset_low_s", "offset_high_s"))
    late = "late" if offset > 0 else "early"
    outside = low > LATE_S + ZERO_S or high < EARLY_S - ZERO_S
    noticed = outside or offset > NOTICED_LATE_S or offset < NOTICED_EARLY_S
    if outside:
        reasons.append(
            Reason("offset", f"the sound comes {abs(1000 * offset):.0f} ms {late}, beyond what viewers accept")
        )
    elif noticed:
        text = f"the sound comes {abs(1000 * offset):.0f} ms {late}; a small constant offset has innocent causes"
        reasons.append(Reason("small_offset", text))
    status = "offset" if outside else "in_sync"
    if breaks(evidence):
        reasons.append(Reason("breaks", "the agreement breaks down for a stretch"))
        status = "partly_unrelated"
    return status, tuple(reasons), offset if noticed else None


def breaks(evidence: Evidence) -> list[Segment]:
    """Segments that count against the finding, not only as something to look at."""
    return [segment for segment in evidence.segments if segment.score > 0]


def numbers_of(evidence: Sequence[Evidence]) -> dict[str, float]:
    """Return the scores of the cues that measured, and what stands behind them, by their dotted names."""
    numbers: dict[str, float] = {}
    for one in evidence:
        if one.score is not None:
            numbers |= {one.cue: one.score, **dict(flattened(one.details, one.cue))}
    return numbers


def resynthesis_finding(
    evidence: Sequence[Evidence],
    combination: Combination,
    calibration: Calibration | None,
    conditions: Mapping[str, float],
) -> Finding:
    """Judge the evidence of all cues of the resynthesis finding.

    The finding's details hold the ``shares``, what each cue adds to the score, and the two quantiles of authentic
    clips, ``usual`` and ``limit``.
    """
    numbers = numbers_of(evidence)
    shares = combination.shares(numbers)
    details: dict[str, Any] = {"shares": shares, "usual": combination.usual, "limit": combination.limit}
    details["conditions"] = dict(conditions)
    score = combination.score(numbers)
    if score is None or not numbers.keys() & set(NEEDED):
        firsts: dict[str, Reason] = {}
        for one in evidence:
            for reason in one.abstained if one.cue in NEEDED else ():
                firsts.setdefault(reason.code, reason)
        abstained = tuple(firsts.values()) or (_NO_WEIGHT,)
        return Finding("resynthesis", "not_examinable", None, None, None, abstained, tuple(evidence), details)
    if conditions.get("motion", MOVING) < MOVING:
        return Finding("resynthesis", "not_examinable", None, None, None, (_STILL,), tuple(evidence), details)
    ratio, reasons = _ratio(calibration, score, conditions)
    details |= _reached(calibration, ratio)
    claimed = ratio is not None and calibration is not None and ratio.log10_lr >= calibration.decide[1]
    reasons = (_texture(score, shares, combination, claimed=claimed), *reasons)
    explanations = resynthesis_explanations(suspicious=claimed or score > combination.usual, conditions=conditions)
    status = "resynthesised" if claimed else "inconclusive"
    return _judged("resynthesis", status, score, ratio, reasons, explanations, tuple(evidence), details)


def _texture(score: float, shares: Mapping[str, float], combination: Combination, *, claimed: bool) -> Reason:
    telling = sorted((name for name in shares if shares[name] > TELLING), key=lambda name: -shares[name])
    named = " and ".join(telling[:MAX_NAMED])
    by = f", most of all by the {'cue' if len(telling) == 1 else 'cues'} {named}" if named else ""
    if claimed:
        text = f"the lower face departs from the rest further than in authentic clips{by}"
    elif score > combination.limit:
        text = f"the lower face departs from the rest further than in 99 of 100 authentic clips{by}, but not far enough"
        text += " for the claim that the calibration backs"
    elif score > combination.usual:
        text = f"the lower face departs from the rest, but not beyond some authentic clips{by}"
    else:
        text = "nothing departs further than usual; that alone does not show that the mouth is original"
    return Reason("texture", text)


def nothing_to_examine(reason: Reason) -> tuple[Finding, Finding]:
    """Both findings where there is no face or no speech to begin with."""
    offset = {"offset_ms": None, "offset_interval_ms": None}
    return (
        Finding("sync", "not_examinable", None, None, None, (reason,), (), offset),
        Finding("resynthesis", "not_examinable", None, None, None, (reason,), (), {}),
    )


def triage(sync: Finding, resynthesis: Finding) -> float | None:
    """Rank for an archive: larger = look first; None where neither finding could be examined.

    The larger of two departures, both in deviations of authentic clips: how far the support lies below what they give,
    and how far the resynthesis score lies above them, by the line through its two quantiles. It ranks and does nothing
    else: no probability, and no status follows from it.
    """
    values = []
    if sync.score is not None:
        figures = sync.cues[0].details
        values.append((figures["expected_support"] - figures["evidence"]) / figures["expected_deviation"])
    if resynthesis.score is not None:
        usual, limit = resynthesis.details["usual"], resynthesis.details["limit"]
        step = (resynthesis.score - usual) / max(limit - usual, 1e-6)
        values.append(NORMAL_5 + step * (NORMAL_1 - NORMAL_5))
    return max(values) if values else None
