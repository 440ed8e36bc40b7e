from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from analyses import CALIBRATED, HOSTILE_NAME, NOT_EXAMINABLE, RESYNTHESIS, SEGMENT, SYNC, UNRELATED, analysis
from lipaccord.records import FindingName
from lipaccord.report import told
from lipaccord.report.wording import STATUS_WORDS


def tell(name: FindingName, base_rate: float | None = None, **changes: Any) -> dict[str, Any]:
    made = analysis(UNRELATED, RESYNTHESIS)
    finding = dataclasses.replace(made.findings[name], **changes)
    return told.told_finding(finding, made, base_rate)


def test_a_ratio_is_told_with_both_propositions_the_likelier_first() -> None:
    ratio = tell("sync")["ratio"]
    assert ratio["times"] == "18"
    assert ratio["first"] == "this sound was not recorded together with this mouth"
    assert ratio["second"].startswith("this sound was recorded together")
    assert ratio["strength"] == "moderate support that they were not recorded together"
    assert ratio["at_bound"] is True
    turned = tell("sync", log10_lr=-1.25, details=CALIBRATED | {"at_bound": False})["ratio"]
    assert (turned["times"], turned["first"], turned["second"]) == ("18", ratio["second"], ratio["first"])
    assert turned["strength"] == "moderate support that they were recorded together"
    assert turned["at_bound"] is False


def test_a_ratio_near_one_supports_neither() -> None:
    assert tell("sync", log10_lr=0.1)["ratio"]["strength"] == "no support for either proposition"


def test_the_scale_reaches_beyond_the_bounds() -> None:
    ratio = tell("sync")["ratio"]
    assert (ratio["low"], ratio["high"], ratio["place"]) == (-100.0, 62.5, 62.5)
    assert [label for _, label, _ in ratio["ticks"]] == ["100", "10", "1", "10", "100"]
    wide = tell("sync", bounds=(-1.0, 3.4), log10_lr=3.0)["ratio"]
    assert len(wide["ticks"]) == 7
    assert wide["high"] == pytest.approx(100.0)


def test_a_base_rate_is_put_in_expected_numbers_only_when_asked_for() -> None:
    assert tell("sync")["ratio"]["at_large"] is None
    assert "1 in 1,000" in tell("sync", 0.001)["ratio"]["at_large"]


def test_without_calibration_there_is_no_ratio() -> None:
    assert tell("resynthesis")["ratio"] is None


@pytest.mark.parametrize(
    ("offset_ms", "text"),
    [
        (240.4, "The sound comes 240 ms late (95% interval +221 to +262 ms)."),
        (-60.0, "The sound comes 60 ms early (95% interval +221 to +262 ms)."),
        (0.3, "Sound and picture are not shifted against each other (95% interval +221 to +262 ms)."),
    ],
)
def test_an_offset_is_told_in_words(offset_ms: float, text: str) -> None:
    details = {"offset_ms": offset_ms, "offset_interval_ms": (221.0, 262.4)}
    made = analysis()
    assert told.told_finding(dataclasses.replace(SYNC, details=details), made, None)["offset"] == text


def test_what_does_not_belong_together_has_no_offset() -> None:
    assert tell("sync", details={"offset_ms": 10.0, "offset_interval_ms": None})["offset"] is None


@pytest.mark.parametrize("status", STATUS_WORDS)
def test_every_status_has_a_tone(status: str) -> None:
    tones = {
        "in_sync": "quiet",
        "authentic_texture": "quiet",
        "not_examinable": "none",
        "unrelated": "loud",
        "partly_unrelated": "loud",
        "resynthesised": "loud",
    }
    finding = dataclasses.replace(NOT_EXAMINABLE, status=status)
    assert told.told_finding(finding, analysis(), None)["tone"] == tones.get(status, "open")


def test_stretches_go_to_their_own_finding() -> None:
    (stretch,) = tell("sync")["stretches"]
    assert (stretch["start"], stretch["end"], stretch["text"]) == (2.0, 3.5, SEGMENT.summary)
    assert tell("resynthesis")["stretches"] == []


def test_cues_come_by_their_share_and_those_that_abstain_last() -> None:
    cues = tell("resynthesis")["cues"]
    assert [cue["name"] for cue in cues] == ["blur", "teeth", "noise", "retiming", "boundary", "face", "occlusion"]
    assert [cue["share"] for cue in cues[:4]] == [0.5, 0.0549, -0.23, None]
    assert cues[-1]["abstained"] == [{"text": "Nothing passes the mouth", "remedy": "use another stretch"}]


def test_times_to_look_at_are_those_of_the_cues_that_stand_out() -> None:
    assert tell("resynthesis")["looks"] == [
        {"cue": "blur", "times": (5.5, 4.25)},
        {"cue": "retiming", "times": (0.64,)},
    ]


def test_claims_stand_beside_counts() -> None:
    facts = {label: (claimed, counted) for label, claimed, counted in told.told_facts(analysis())}
    assert facts["Pictures"] == ("251", "250")
    assert facts["Length of the sound, s"] == ("not stated", "10.020")
    assert facts["Gaps in picture, in sound"] == ("", "1, 0")


def test_names_from_outside_are_told_in_a_harmless_form() -> None:
    identity = dict(told.told_identity(analysis()))
    assert HOSTILE_NAME not in identity["File as it was named"]
    assert "\\u202e" in identity["File as it was named"]
    assert identity["Settings"] == "landmarks mediapipe"
    assert identity["SHA-256 of the file"] == "a" * 64
