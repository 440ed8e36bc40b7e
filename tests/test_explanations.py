from __future__ import annotations

import pytest

from lipaccord.explanations import (
    MAX_DISTANCE_S,
    SMALL_EYES_PX,
    SOFT_DETAIL,
    resynthesis_explanations,
    sync_explanations,
)
from lipaccord.findings import (
    EARLY_S,
    LATE_S,
    NOTICED_EARLY_S,
    NOTICED_LATE_S,
    resynthesis_finding,
    sync_finding,
)
from lipaccord.records import Reason
from made_survey import CONDITIONS, PLAIN, calibration, cue, heard

A_LITTLE = 1e-6
SOFT = "low_bit_rate"


def codes(reasons: tuple[Reason, ...]) -> set[str]:
    return {reason.code for reason in reasons}


@pytest.mark.parametrize("status", ["unrelated", "partly_unrelated"])
def test_sound_of_elsewhere_has_open_causes(status: str) -> None:
    expected = {"off_screen_voice", "dubbing", "cutaway", "music_or_noise"}
    assert codes(sync_explanations(status, None)) == expected == codes(sync_explanations(status, 0.2))


@pytest.mark.parametrize("status", ["in_sync", "inconclusive", "not_examinable"])
def test_nothing_is_explained_where_nothing_is_found(status: str) -> None:
    assert sync_explanations(status, None) == ()


@pytest.mark.parametrize(
    ("offset_s", "fitting"),
    [
        (0.01, {"distance"}),
        (MAX_DISTANCE_S, {"distance"}),
        (MAX_DISTANCE_S + A_LITTLE, set()),
        (0.4, set()),
        (-0.01, set()),
        (-0.4, set()),
    ],
)
def test_an_offset_is_explained_by_what_can_cause_it(offset_s: float, fitting: set[str]) -> None:
    assert codes(sync_explanations("in_sync", offset_s)) == {"constant_offset", *fitting}
    assert codes(sync_explanations("offset", offset_s)) == {"constant_offset", *fitting}


def noticed(offset_s: float) -> set[str]:
    finding = heard(-5.0, offset_s=offset_s, offset_low_s=offset_s - 0.01, offset_high_s=offset_s + 0.01)
    return codes(sync_finding(finding.cues[0], calibration(), CONDITIONS).explanations)


def test_findings_explain_what_viewers_would_notice() -> None:
    assert noticed(0.01) == set()
    for offset_s in (NOTICED_LATE_S + 0.01, LATE_S + 0.05, NOTICED_EARLY_S - 0.02, EARLY_S - 0.05):
        assert "constant_offset" in noticed(offset_s)


def test_every_explanation_of_an_offset_can_be_given() -> None:
    given = {code for offset_ms in range(-300, 301, 2) for code in noticed(offset_ms / 1000)}
    assert given == {"constant_offset", "distance"}


def test_a_lower_face_that_does_not_depart_needs_no_explanation() -> None:
    assert resynthesis_explanations(suspicious=False, conditions={"detail": -9.0, "eyes_px": 9.0}) == ()


@pytest.mark.parametrize(
    ("conditions", "soft"),
    [
        ({}, False),
        ({"detail": SOFT_DETAIL, "eyes_px": SMALL_EYES_PX}, False),
        ({"detail": SOFT_DETAIL - A_LITTLE}, True),
        ({"eyes_px": SMALL_EYES_PX - A_LITTLE}, True),
        ({"detail": SOFT_DETAIL - 1, "eyes_px": 200.0}, True),
    ],
)
def test_little_detail_is_an_explanation_where_there_is_little(conditions: dict[str, float], soft: bool) -> None:
    found = codes(resynthesis_explanations(suspicious=True, conditions=conditions))
    assert found - {SOFT} == {"filter", "open_dubbing", "something_before_the_mouth"}
    assert (SOFT in found) == soft


def test_a_finding_passes_its_conditions_on() -> None:
    evidence = [cue("blur", 2.0), cue("splice", 0.0)]
    assert SOFT not in codes(resynthesis_finding(evidence, PLAIN, None, CONDITIONS).explanations)
    soft = CONDITIONS | {"detail": SOFT_DETAIL - 0.1}
    assert SOFT in codes(resynthesis_finding(evidence, PLAIN, None, soft).explanations)
    assert resynthesis_finding([cue("blur", 0.5)], PLAIN, None, soft).explanations == ()


def test_sentences_name_no_motive_and_need_no_remedy() -> None:
    every = [
        *sync_explanations("unrelated", None),
        *sync_explanations("in_sync", 0.03),
        *resynthesis_explanations(suspicious=True, conditions={"eyes_px": 9.0}),
    ]
    assert len({reason.code for reason in every}) == len(every) == 10
    for reason in every:
        assert reason.text
        assert reason.remedy == ""
        assert not reason.text.endswith(".")
