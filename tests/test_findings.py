from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from lipaccord.calibration import SCALES, Calibration, Margin
from lipaccord.combination import LOG10, Combination, Profile, Term
from lipaccord.findings import (
    EARLY_S,
    FLAGGED,
    LATE_S,
    MOVING,
    NEEDED,
    NOTICED_EARLY_S,
    NOTICED_LATE_S,
    TELLING,
    ZERO_S,
    breaks,
    nothing_to_examine,
    numbers_of,
    resynthesis_finding,
    sync_finding,
    triage,
)
from lipaccord.records import Evidence, Finding, Interval, Reason, Segment
from made_survey import POPULATION
from made_survey import calibration as plain_calibration

A_LITTLE = 1e-6
WHY = Reason("too_little_speech", "too little", "use a longer stretch")
FIGURES: dict[str, Any] = {
    "evidence": 5.0,
    "strength": 6.0,
    "expected_support": 6.0,
    "expected_deviation": 1.2,
    "offset_s": 0.01,
    "offset_low_s": -0.01,
    "offset_high_s": 0.03,
}
NO_OFFSET = {"offset_ms": None, "offset_interval_ms": None}
USUAL, LIMIT = 1.0, 2.0
PLAIN = Term(slope=LOG10, intercept=0.0, weight=1.0)
CUES = ("splice", "blur", "teeth", "flicker", "noise")
COMBINATION = Combination(dict.fromkeys(CUES, PLAIN), Profile(), 0.0, USUAL, LIMIT)
"""Each score is its own share."""
RATES = {"log10_lr": [-2.0, -1.0, 0.0, 1.0], "apart": [1.0, 0.75, 0.6, 0.5], "together": [1.0, 0.25, 0.1, 0.0]}
FROM, TO = 5.0, 50.0


def calibration(*conditions: str, **changes: Any) -> Calibration:
    """Make a calibration by which the log10 likelihood ratio is the score.

    It was made under `conditions` from FROM to TO, and heeds none of them.
    """
    low, high = (tuple(SCALES[name](value) for name in conditions) for value in (FROM, TO))
    flat = (0.0,) * len(conditions)
    margin = Margin(conditions, low, high, (-0.5, *flat), (0.5, *flat), 1.0)
    population = POPULATION | {"suspicious_groups": 4, "innocent_groups": 5}
    return plain_calibration(margin=margin, population=population, rates=RATES, **changes)


CALIBRATION = calibration()
BOUNDS, DECIDE = CALIBRATION.bounds, CALIBRATION.decide
STRICT = calibration(bounds=(-2.0, 3.0), decide=(-0.5, LIMIT))
"""Claims where a score reaches the limit."""


def sync(segments: tuple[Segment, ...] = (), **figures: float) -> Evidence:
    details = FIGURES | figures
    return Evidence("sync", "2", "sync", -details["evidence"], "words", segments=segments, details=details)


def cue(name: str, score: float | None, *why: Reason, **details: Any) -> Evidence:
    abstained = (why or (WHY,)) if score is None else ()
    return Evidence(name, "1", "resynthesis", score, "words", abstained=abstained, details=details)


def of_sync(evidence: Evidence) -> Finding:
    return sync_finding(evidence, CALIBRATION, {})


def of_texture(*cues: Evidence) -> Finding:
    return resynthesis_finding(cues, COMBINATION, STRICT, {})


def codes(finding: Finding) -> list[str]:
    return [reason.code for reason in finding.reasons]


def explained(finding: Finding) -> list[str]:
    return [reason.code for reason in finding.explanations]


def test_what_belongs_together_is_in_sync() -> None:
    evidence = sync(evidence=1.0)
    conditions = {"speech_s": 9.0}
    finding = sync_finding(evidence, CALIBRATION, conditions)
    assert (finding.name, finding.status, finding.score) == ("sync", "in_sync", -1.0)
    assert codes(finding) == ["agreement"]
    assert finding.explanations == ()
    assert finding.cues == (evidence,)
    assert finding.details == {
        "offset_ms": pytest.approx(10),
        "offset_interval_ms": [pytest.approx(-10), pytest.approx(30)],
        "conditions": conditions,
        "at_bound": False,
        "reached_by": {"suspicious": 0.75, "innocent": 0.25, "groups": [4, 5]},
        "decide": list(DECIDE),
    }
    assert finding.log10_lr == pytest.approx(-1.0)
    assert finding.bounds == BOUNDS


def test_an_abstention_is_passed_on() -> None:
    evidence = Evidence("sync", "2", "sync", None, "words", abstained=(WHY,))
    finding = sync_finding(evidence, CALIBRATION, {"eyes_px": 60.0})
    assert (finding.status, finding.score, finding.reasons) == ("not_examinable", None, (WHY,))
    assert (finding.log10_lr, finding.bounds, finding.explanations) == (None, None, ())
    assert finding.details == NO_OFFSET | {"conditions": {"eyes_px": 60.0}}
    assert finding.cues == (evidence,)


@pytest.mark.parametrize(("evidence", "together"), [(-DECIDE[0], True), (-DECIDE[0] - A_LITTLE, False)])
def test_the_border_of_belonging_together(evidence: float, together: bool) -> None:
    finding = of_sync(sync(evidence=evidence))
    assert (finding.status == "in_sync") == together
    assert (finding.details["offset_ms"] is not None) == together


@pytest.mark.parametrize(
    ("evidence", "status", "code"),
    [
        (-DECIDE[1] - A_LITTLE, "unrelated", "no_agreement"),
        (-DECIDE[1], "unrelated", "no_agreement"),
        (-DECIDE[1] + A_LITTLE, "inconclusive", "too_weak"),
        (-DECIDE[0] - A_LITTLE, "inconclusive", "too_weak"),
    ],
)
def test_the_border_of_unrelated(evidence: float, status: str, code: str) -> None:
    finding = of_sync(sync(evidence=evidence))
    assert (finding.status, codes(finding)) == (status, [code])
    assert finding.score == -evidence
    assert {name: finding.details[name] for name in NO_OFFSET} == NO_OFFSET


def test_a_weak_agreement_is_told_with_its_support_and_a_remedy() -> None:
    [reason] = of_sync(sync(evidence=0.25)).reasons
    assert "support 0.2; authentic clips of this length give 6.0" in reason.text
    assert reason.remedy == "use a longer stretch of the same scene"
    [reason] = of_sync(sync(evidence=-3.0)).reasons
    assert "support -3.0; authentic clips of this length give 6.0" in reason.text


def test_what_belongs_together_is_never_called_unrelated() -> None:
    """However much authentic clips give: only the calibrated ratio decides."""
    assert of_sync(sync(evidence=-DECIDE[0], expected_support=90.0)).status == "in_sync"


def test_a_ratio_is_cut_off_at_the_bounds_and_says_so() -> None:
    for evidence, bound in ((9.0, BOUNDS[0]), (-9.0, BOUNDS[1])):
        finding = of_sync(sync(evidence=evidence))
        assert finding.log10_lr == bound
        assert finding.details["at_bound"] is True
    assert finding.details["reached_by"] == {"suspicious": 0.5, "innocent": 0.0, "groups": [4, 5]}


def test_a_decision_beyond_the_bounds_is_never_reached() -> None:
    cautious = calibration(bounds=(-0.25, 0.25))
    for evidence in (9.0, -9.0):
        assert sync_finding(sync(evidence=evidence), cautious, {}).status == "inconclusive"
    assert resynthesis_finding([cue("blur", 9.0)], COMBINATION, cautious, {}).status == "inconclusive"


@pytest.mark.parametrize("score", [-3.0, 0.0, 3.0])
def test_without_a_calibration_nothing_is_claimed(score: float) -> None:
    for finding in (
        sync_finding(sync(evidence=-score), None, {}),
        resynthesis_finding([cue("blur", score)], COMBINATION, None, {}),
    ):
        assert finding.status == "inconclusive"
        assert finding.score == pytest.approx(score)
        assert (finding.log10_lr, finding.bounds) == (None, None)
        assert codes(finding)[-1] == "no_calibration"
        assert not finding.details.keys() & {"at_bound", "reached_by", "decide"}
    assert {name: sync_finding(sync(), None, {}).details[name] for name in NO_OFFSET} == NO_OFFSET


def test_a_condition_that_is_needed_and_unknown_leaves_no_ratio() -> None:
    needs = calibration("speech_s", "eyes_px")
    for finding in (
        sync_finding(sync(), needs, {"speech_s": 9.0}),
        resynthesis_finding([cue("blur", 9.0)], COMBINATION, needs, {"speech_s": 9.0}),
    ):
        assert (finding.status, finding.log10_lr) == ("inconclusive", None)
        assert codes(finding)[-1] == "conditions_unknown"
        assert "depends on eyes_px, which" in finding.reasons[-1].text


def test_a_condition_outside_of_the_calibration_is_named() -> None:
    needs = calibration("speech_s", "eyes_px")
    for speech_s, eyes_px, named in ((FROM, TO, ""), (4.9, 51.0, "speech_s, eyes_px"), (9.0, 51.0, "eyes_px")):
        conditions = {"speech_s": speech_s, "eyes_px": eyes_px}
        for finding in (
            sync_finding(sync(), needs, conditions),
            resynthesis_finding([cue("blur", 9.0)], COMBINATION, needs, conditions),
        ):
            assert finding.log10_lr is not None
            assert ("outside_calibration" in codes(finding)) == bool(named)
            assert not named or finding.reasons[-1].text.startswith(f"{named} lie outside of the calibration data")


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (LATE_S + ZERO_S + A_LITTLE, 0.3, "offset"),
        (LATE_S + ZERO_S, 0.3, "in_sync"),
        (-0.3, EARLY_S - ZERO_S - A_LITTLE, "offset"),
        (-0.3, EARLY_S - ZERO_S, "in_sync"),
        (-0.3, 0.3, "in_sync"),
    ],
)
def test_the_whole_interval_must_lie_outside(low: float, high: float, status: str) -> None:
    finding = of_sync(sync(offset_s=(low + high) / 2, offset_low_s=low, offset_high_s=high))
    assert finding.status == status
    assert ("offset" in codes(finding)) == (status == "offset")


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (NOTICED_LATE_S, None),
        (NOTICED_LATE_S + A_LITTLE, "125 ms late"),
        (NOTICED_EARLY_S, None),
        (NOTICED_EARLY_S - A_LITTLE, "45 ms early"),
    ],
)
def test_a_small_offset_is_mentioned(offset: float, words: str | None) -> None:
    finding = of_sync(sync(offset_s=offset, offset_low_s=offset - 0.01, offset_high_s=offset + 0.01))
    assert finding.status == "in_sync"
    assert codes(finding) == (["agreement"] if words is None else ["agreement", "small_offset"])
    assert (words or "") in finding.reasons[-1].text
    assert ("constant_offset" in explained(finding)) == (words is not None)


def test_the_offset_is_told_with_its_side() -> None:
    finding = of_sync(sync(offset_s=-0.24, offset_low_s=-0.26, offset_high_s=-0.22))
    assert "240 ms early" in finding.reasons[1].text
    assert explained(finding) == ["constant_offset"]


@pytest.mark.parametrize(("offset", "explanations"), [(0.15, ["constant_offset", "distance"]), (0.0, [])])
def test_a_late_sound_may_have_come_from_afar(offset: float, explanations: list[str]) -> None:
    finding = of_sync(sync(offset_s=offset, offset_low_s=offset - 0.01, offset_high_s=offset + 0.01))
    assert explained(finding) == explanations


def test_a_break_makes_it_partly_unrelated() -> None:
    looked_at = Segment(Interval(1, 2), "sync", 0.0, "speech over a still mouth")
    broken = Segment(Interval(3, 6), "sync", 1.0, "the mouth does not follow")
    assert of_sync(sync((looked_at,))).status == "in_sync"
    evidence = sync((looked_at, broken), offset_s=0.3, offset_low_s=0.28, offset_high_s=0.32)
    assert breaks(evidence) == [broken]
    finding = of_sync(evidence)
    assert finding.status == "partly_unrelated"
    assert codes(finding) == ["agreement", "offset", "breaks"]
    assert finding.details["offset_ms"] == pytest.approx(300)
    assert sync_finding(sync((broken,), evidence=0.0), CALIBRATION, {}).status == "inconclusive"


def test_what_does_not_belong_together_has_innocent_explanations() -> None:
    broken = Segment(Interval(3, 6), "sync", 1.0, "the mouth does not follow")
    for evidence in (sync(evidence=-5.0), sync((broken,))):
        finding = of_sync(evidence)
        assert finding.status in FLAGGED
        assert explained(finding) == ["off_screen_voice", "dubbing", "cutaway", "music_or_noise"]
    assert of_sync(sync(evidence=0.0)).explanations == ()


@pytest.mark.parametrize(
    ("score", "status", "words"),
    [
        (LIMIT + A_LITTLE, "resynthesised", "further than in authentic clips"),
        (LIMIT, "resynthesised", "further than in authentic clips"),
        (LIMIT - A_LITTLE, "inconclusive", "not beyond some authentic clips"),
        (USUAL + A_LITTLE, "inconclusive", "not beyond some authentic clips"),
        (USUAL, "inconclusive", "nothing departs further than usual"),
        (0.0, "inconclusive", "does not show that the mouth is original"),
        (-3.0, "inconclusive", "does not show that the mouth is original"),
    ],
)
def test_resynthesis(score: float, status: str, words: str) -> None:
    evidence = cue("blur", score)
    finding = of_texture(evidence)
    assert (finding.name, finding.status) == ("resynthesis", status)
    assert finding.score == pytest.approx(score)
    assert codes(finding) == ["texture"]
    assert words in finding.reasons[0].text
    assert finding.cues == (evidence,)
    assert finding.log10_lr == pytest.approx(max(score, -2.0))
    assert finding.bounds == (-2.0, 3.0)
    assert finding.details["decide"] == [-0.5, LIMIT]
    assert bool(finding.explanations) == (score > USUAL)


def test_beyond_the_limit_but_below_the_claim_is_told_from_what_some_authentic_clips_reach() -> None:
    demanding = dataclasses.replace(CALIBRATION, decide=(-0.5, LIMIT + 1))
    finding = resynthesis_finding([cue("blur", LIMIT + A_LITTLE)], COMBINATION, demanding, {})
    assert finding.status == "inconclusive"
    assert "further than in 99 of 100 authentic clips" in finding.reasons[0].text


def test_a_face_that_departs_from_the_rest_has_innocent_explanations() -> None:
    texture = ["filter", "open_dubbing", "something_before_the_mouth"]
    for conditions, expected in (
        ({}, texture),
        ({"eyes_px": 90.0, "detail": -1.0}, texture),
        ({"eyes_px": 39.0}, [*texture, "low_bit_rate"]),
        ({"eyes_px": 90.0, "detail": -1.3}, [*texture, "low_bit_rate"]),
    ):
        finding = resynthesis_finding([cue("blur", 1.5)], COMBINATION, STRICT, conditions)
        assert explained(finding) == expected


def test_every_cue_adds_its_share_and_an_abstention_adds_none() -> None:
    cues = [cue("splice", 0.5), cue("blur", None), cue("teeth", -0.25), cue("unheard_of", 9.0)]
    finding = of_texture(*cues)
    assert finding.details == {
        "shares": {"splice": pytest.approx(0.5), "teeth": pytest.approx(-0.25)},
        "usual": USUAL,
        "limit": LIMIT,
        "conditions": {},
        "at_bound": False,
        "reached_by": {"suspicious": 0.5, "innocent": 0.0, "groups": [4, 5]},
        "decide": [-0.5, LIMIT],
    }
    assert finding.score == pytest.approx(0.25)
    assert finding.cues == tuple(cues)


def test_what_stands_behind_the_scores_counts_with_its_cue() -> None:
    centre, scale, weights = np.array([0.0, 1.0, 0.0]), np.array([1.0, 2.0, 1.0]), np.array([0.1, 0.2, 0.5])
    line = Profile(("blur", "blur.bands.1", "teeth.chin"), centre, scale, weights)
    combination = Combination(COMBINATION.terms, line, 0.25, USUAL, LIMIT)
    cues = [cue("blur", 0.5, bands=[4.0, 3.0], note="soft"), cue("teeth", None, chin=9.0)]
    finding = resynthesis_finding(cues, combination, STRICT, {})
    shares = {"blur": 0.5 + 0.1 * 0.5 + 0.2 * (3.0 - 1.0) / 2.0}
    assert finding.details["shares"] == pytest.approx(shares)
    assert finding.score == pytest.approx(0.25 + shares["blur"])


def test_the_numbers_of_the_cues_that_measured() -> None:
    parts = {"parts": {"chin": 0.25, "beard": None}, "pairs": (1, 2), "is": True, "note": "soft"}
    cues = [cue("blur", 0.5, **parts), cue("teeth", None, **parts), cue("noise", 2.0)]
    assert numbers_of(cues) == {
        "blur": 0.5,
        "blur.parts.chin": 0.25,
        "blur.pairs.0": 1.0,
        "blur.pairs.1": 2.0,
        "noise": 2.0,
    }


def test_the_cues_that_tell_most_are_named_first_and_no_more_than_three() -> None:
    scores = {"splice": TELLING + A_LITTLE, "blur": 0.4, "teeth": 0.9, "flicker": 0.5, "noise": TELLING - A_LITTLE}
    finding = of_texture(*(cue(name, score) for name, score in scores.items()))
    assert finding.reasons[0].text.endswith("most of all by the cues teeth and flicker and blur")
    finding = of_texture(cue("splice", 3.0), cue("blur", -0.5))
    assert finding.reasons[0].text.endswith("most of all by the cue splice")


def test_resynthesis_needs_a_cue_that_sees_the_whole_lower_face() -> None:
    others = [cue("teeth", 3.0)]
    small, again = (Reason("too_small", text, "use a larger copy") for text in ("small", "small once more"))
    for evidence in (
        [cue("splice", None), cue("blur", None, small), *others],
        [cue("splice", None, WHY, small), cue("blur", None, again), *others],
    ):
        finding = of_texture(*evidence)
        assert (finding.status, finding.score) == ("not_examinable", None)
        assert finding.reasons == (WHY, small)
    for name in NEEDED:
        assert of_texture(cue(name, 0.0), *others).status == "resynthesised"


def test_resynthesis_abstains_where_no_cue_with_a_term_could_measure() -> None:
    nothing = Combination({}, Profile(), 0.0, USUAL, LIMIT)
    finding = resynthesis_finding([cue("blur", 9.0)], nothing, STRICT, {})
    assert (finding.status, codes(finding)) == ("not_examinable", ["no_weight"])


@pytest.mark.parametrize(
    ("conditions", "examined"),
    [({"motion": MOVING - A_LITTLE}, False), ({"motion": MOVING}, True), ({}, True)],
)
def test_a_mouth_that_stands_still_is_not_examined_for_resynthesis(
    conditions: dict[str, float], examined: bool
) -> None:
    evidence = cue("blur", 9.0)
    finding = resynthesis_finding([evidence], COMBINATION, STRICT, conditions)
    assert (finding.status == "resynthesised") == examined
    assert (finding.score is not None) == examined
    assert finding.details["conditions"] == conditions
    assert finding.cues == (evidence,)
    if not examined:
        assert (finding.status, codes(finding)) == ("not_examinable", ["still_mouth"])
        assert "--face" in finding.reasons[0].remedy


def test_a_mouth_that_could_not_be_measured_is_not_called_still() -> None:
    finding = resynthesis_finding([cue("splice", None), cue("blur", None)], COMBINATION, STRICT, {"motion": 0.0})
    assert finding.reasons == (WHY,)


def test_nothing_to_examine_is_both_findings() -> None:
    first, second = nothing_to_examine(WHY)
    assert (first.name, second.name) == ("sync", "resynthesis")
    for finding in (first, second):
        assert (finding.status, finding.score, finding.reasons, finding.cues) == ("not_examinable", None, (WHY,), ())
        assert (finding.log10_lr, finding.explanations) == (None, ())
    assert first.details == NO_OFFSET
    assert triage(first, second) is None


@pytest.mark.parametrize(
    ("evidence", "texture", "rank"),
    [
        (6.0, USUAL, 1.645),
        (6.0, LIMIT, 2.326),
        (6.0, (USUAL + LIMIT) / 2, (1.645 + 2.326) / 2),
        (6.0 - 1.2 * 3, LIMIT, 3.0),
        (6.0 - 1.2 * 3, USUAL + 3 * (LIMIT - USUAL), 1.645 + 3 * 0.681),
        (8.4, None, -2.0),
        (None, USUAL, 1.645),
    ],
)
@pytest.mark.parametrize("calibrated", [True, False])
def test_triage_is_the_larger_departure(
    evidence: float | None, texture: float | None, rank: float, calibrated: bool
) -> None:
    """Whether or not there is a calibration."""
    scale = CALIBRATION if calibrated else None
    first = nothing_to_examine(WHY)[0] if evidence is None else sync_finding(sync(evidence=evidence), scale, {})
    second = resynthesis_finding([cue("blur", texture)], COMBINATION, scale, {})
    assert triage(first, second) == pytest.approx(rank)


def test_triage_rises_without_bound_where_the_two_quantiles_are_one() -> None:
    alone = Combination({"blur": PLAIN}, Profile(), 0.0, 1.0, 1.0)
    second = resynthesis_finding([cue("blur", 2.0)], alone, STRICT, {})
    assert (triage(nothing_to_examine(WHY)[0], second) or 0) > 1e5


def test_triage_ranks_weak_clips_too() -> None:
    weak = of_sync(sync(evidence=0.0, strength=1.0, expected_support=1.2))
    assert weak.status == "inconclusive"
    assert triage(weak, of_texture(cue("blur", None))) == pytest.approx(1.0)
