from __future__ import annotations

from typing import Any

import pytest

from lipaccord.agreement import STANDS_OUT
from lipaccord.combination import LOG10, Combination, Term
from lipaccord.findings import (
    EARLY_S,
    LATE_S,
    NEEDED,
    NOTICED_EARLY_S,
    NOTICED_LATE_S,
    RELATED,
    TELLING,
    UNRELATED,
    breaks,
    nothing_to_examine,
    resynthesis_finding,
    sync_finding,
    triage,
)
from lipaccord.records import Evidence, Finding, Interval, Reason, Segment

A_LITTLE = 1e-6
WHY = Reason("too_little_speech", "too little")
FIGURES: dict[str, Any] = {
    "support": 5.0,
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
COMBINATION = Combination(dict.fromkeys(("splice", "blur", "teeth", "flicker", "noise"), PLAIN), 0.0, USUAL, LIMIT)
"""Each score is its own share."""


def sync(segments: tuple[Segment, ...] = (), **figures: float) -> Evidence:
    details = FIGURES | figures
    return Evidence("sync", "1", "sync", -details["support"], "words", segments=segments, details=details)


def cue(name: str, score: float | None, *why: Reason) -> Evidence:
    abstained = (why or (WHY,)) if score is None else ()
    return Evidence(name, "1", "resynthesis", score, "words", abstained=abstained)


def codes(finding: Finding) -> list[str]:
    return [reason.code for reason in finding.reasons]


def test_what_belongs_together_is_in_sync() -> None:
    evidence = sync()
    finding = sync_finding(evidence)
    assert (finding.name, finding.status, finding.score) == ("sync", "in_sync", -5.0)
    assert codes(finding) == ["agreement"]
    assert finding.cues == (evidence,)
    assert finding.details == {
        "offset_ms": pytest.approx(10),
        "offset_interval_ms": [pytest.approx(-10), pytest.approx(30)],
    }
    assert finding.log10_lr is None
    assert finding.bounds is None


def test_an_abstention_is_passed_on() -> None:
    evidence = Evidence("sync", "1", "sync", None, "words", abstained=(WHY,))
    finding = sync_finding(evidence)
    assert (finding.status, finding.score, finding.reasons) == ("not_examinable", None, (WHY,))
    assert finding.details == NO_OFFSET
    assert finding.cues == (evidence,)


@pytest.mark.parametrize(
    ("support", "strength", "together"),
    [
        (RELATED, 0.0, True),
        (RELATED - A_LITTLE, 0.0, False),
        (-9.0, STANDS_OUT, True),
        (-9.0, STANDS_OUT - A_LITTLE, False),
    ],
)
def test_the_border_of_belonging_together(support: float, strength: float, together: bool) -> None:
    finding = sync_finding(sync(support=support, strength=strength))
    assert (finding.status == "in_sync") == together
    assert (finding.details["offset_ms"] is not None) == together


@pytest.mark.parametrize(
    ("support", "status", "code"),
    [
        (1.0 - UNRELATED * 0.5 - A_LITTLE, "unrelated", "no_agreement"),
        (1.0 - UNRELATED * 0.5, "not_examinable", "too_weak"),
        (RELATED - A_LITTLE, "not_examinable", "too_weak"),
    ],
)
def test_the_border_of_unrelated(support: float, status: str, code: str) -> None:
    finding = sync_finding(sync(support=support, strength=1.0, expected_support=1.0, expected_deviation=0.5))
    assert (finding.status, codes(finding)) == (status, [code])
    assert finding.score == -support
    assert finding.details == NO_OFFSET


def test_what_belongs_together_is_never_called_unrelated() -> None:
    assert sync_finding(sync(support=RELATED, expected_support=90.0)).status == "in_sync"


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (LATE_S + A_LITTLE, 0.3, "offset"),
        (LATE_S, 0.3, "in_sync"),
        (-0.3, EARLY_S - A_LITTLE, "offset"),
        (-0.3, EARLY_S, "in_sync"),
        (-0.3, 0.3, "in_sync"),
    ],
)
def test_the_whole_interval_must_lie_outside(low: float, high: float, status: str) -> None:
    finding = sync_finding(sync(offset_s=(low + high) / 2, offset_low_s=low, offset_high_s=high))
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
    finding = sync_finding(sync(offset_s=offset, offset_low_s=offset - 0.01, offset_high_s=offset + 0.01))
    assert finding.status == "in_sync"
    assert codes(finding) == (["agreement"] if words is None else ["agreement", "small_offset"])
    assert (words or "") in finding.reasons[-1].text


def test_the_offset_is_told_with_its_side() -> None:
    finding = sync_finding(sync(offset_s=-0.24, offset_low_s=-0.26, offset_high_s=-0.22))
    assert "240 ms early" in finding.reasons[1].text


def test_a_break_makes_it_partly_unrelated() -> None:
    looked_at = Segment(Interval(1, 2), "sync", 0.0, "speech over a still mouth")
    broken = Segment(Interval(3, 6), "sync", 1.0, "the mouth does not follow")
    assert sync_finding(sync((looked_at,))).status == "in_sync"
    evidence = sync((looked_at, broken), offset_s=0.3, offset_low_s=0.28, offset_high_s=0.32)
    assert breaks(evidence) == [broken]
    finding = sync_finding(evidence)
    assert finding.status == "partly_unrelated"
    assert codes(finding) == ["agreement", "offset", "breaks"]


@pytest.mark.parametrize(
    ("score", "status", "words"),
    [
        (LIMIT + A_LITTLE, "resynthesised", "further than in authentic clips"),
        (LIMIT, "inconclusive", "not beyond some authentic clips"),
        (USUAL + A_LITTLE, "inconclusive", "not beyond some authentic clips"),
        (USUAL, "inconclusive", "nothing departs further than usual"),
        (0.0, "inconclusive", "does not show that the mouth is original"),
    ],
)
def test_resynthesis(score: float, status: str, words: str) -> None:
    evidence = cue("blur", score)
    finding = resynthesis_finding([evidence], COMBINATION)
    assert (finding.name, finding.status) == ("resynthesis", status)
    assert finding.score == pytest.approx(score)
    assert codes(finding) == ["texture"]
    assert words in finding.reasons[0].text
    assert finding.cues == (evidence,)
    assert (finding.log10_lr, finding.bounds) == (None, None)


def test_every_cue_adds_its_share_and_an_abstention_adds_none() -> None:
    cues = [cue("splice", 0.5), cue("blur", None), cue("teeth", -0.25), cue("unheard_of", 9.0)]
    finding = resynthesis_finding(cues, COMBINATION)
    assert finding.details == {
        "shares": {"splice": pytest.approx(0.5), "teeth": pytest.approx(-0.25)},
        "usual": USUAL,
        "limit": LIMIT,
    }
    assert finding.score == pytest.approx(0.25)
    assert finding.cues == tuple(cues)


def test_the_cues_that_tell_most_are_named_first_and_no_more_than_three() -> None:
    scores = {"splice": TELLING + A_LITTLE, "blur": 0.4, "teeth": 0.9, "flicker": 0.5, "noise": TELLING - A_LITTLE}
    finding = resynthesis_finding([cue(name, score) for name, score in scores.items()], COMBINATION)
    assert finding.reasons[0].text.endswith("most of all by the cues teeth and flicker and blur")
    finding = resynthesis_finding([cue("splice", 3.0), cue("blur", -0.5)], COMBINATION)
    assert finding.reasons[0].text.endswith("most of all by the cue splice")


def test_resynthesis_needs_a_cue_that_sees_the_whole_lower_face() -> None:
    others = [cue("teeth", 3.0)]
    small = Reason("too_small", "small")
    for evidence in (
        [cue("splice", None), cue("blur", None, small), *others],
        [cue("splice", None, WHY, small), cue("blur", None, small), *others],
    ):
        finding = resynthesis_finding(evidence, COMBINATION)
        assert (finding.status, finding.score) == ("not_examinable", None)
        assert set(finding.reasons) == {WHY, small}
        assert len(finding.reasons) == 2
    for name in NEEDED:
        assert resynthesis_finding([cue(name, 0.0), *others], COMBINATION).status == "resynthesised"


def test_resynthesis_abstains_where_no_cue_with_a_term_could_measure() -> None:
    nothing = Combination({}, 0.0, USUAL, LIMIT)
    assert resynthesis_finding([cue("blur", 9.0)], nothing).status == "not_examinable"


def test_nothing_to_examine_is_both_findings() -> None:
    first, second = nothing_to_examine(WHY)
    assert (first.name, second.name) == ("sync", "resynthesis")
    for finding in (first, second):
        assert (finding.status, finding.score, finding.reasons, finding.cues) == ("not_examinable", None, (WHY,), ())
    assert first.details == NO_OFFSET
    assert triage(first, second) is None


@pytest.mark.parametrize(
    ("support", "texture", "rank"),
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
def test_triage_is_the_larger_departure(support: float | None, texture: float | None, rank: float) -> None:
    first = nothing_to_examine(WHY)[0] if support is None else sync_finding(sync(support=support))
    second = resynthesis_finding([cue("blur", texture)], COMBINATION)
    assert triage(first, second) == pytest.approx(rank)


def test_triage_rises_without_bound_where_the_two_quantiles_are_one() -> None:
    second = resynthesis_finding([cue("blur", 2.0)], Combination({"blur": PLAIN}, 0.0, 1.0, 1.0))
    assert (triage(nothing_to_examine(WHY)[0], second) or 0) > 1e5


def test_triage_ranks_weak_clips_too() -> None:
    weak = sync_finding(sync(support=0.0, strength=1.0, expected_support=1.2))
    assert weak.status == "not_examinable"
    assert triage(weak, resynthesis_finding([cue("blur", None)], COMBINATION)) == pytest.approx(1.0)
