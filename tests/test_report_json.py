from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rfc8785

from analyses import AGREEMENT, CLIP, NOT_EXAMINABLE, RESYNTHESIS, SEGMENT, SYNC, UNRELATED, VIDEO, analysis
from lipaccord.calibration import FINDINGS
from lipaccord.propositions import PROPOSITIONS, in_words
from lipaccord.records import Evidence, Finding, FindingName, Interval, Series
from lipaccord.report.json import analysis_to_dict, as_text, digests, to_text, write_json

FINDING_KEYS = {
    "status",
    "conditions",
    "at_bound",
    "reached_by",
    "decide",
    "log10_lr",
    "bounds",
    "verbal",
    "propositions",
    "score",
    "reasons",
    "explanations",
    "cues",
}
UNKNOWN = {"at_bound", "reached_by", "decide", "verbal"}
"""Null without a calibration."""


def test_top_level_keys() -> None:
    assert list(analysis_to_dict(analysis())) == [
        "schema",
        "clip",
        "faces",
        "findings",
        "segments",
        "triage",
        "timeline",
        "bundle",
        "settings",
        "settings_digest",
        "versions",
        "limits",
        "digest",
    ]


def test_schema_and_what_repeats_the_examination() -> None:
    result = analysis_to_dict(analysis())
    assert result["schema"] == "lipaccord/analysis/1"
    assert result["bundle"] == {"name": "lipaccord", "version": "1", "sha256": "b" * 64}
    assert result["settings_digest"] == "0123456789abcdef"
    assert result["versions"] == {"av": "18.1.0", "torch": "2.13.0"}
    assert result["limits"] == ["It speaks of consistency, not of intent."]
    assert result["triage"] == 0.75


def test_clip() -> None:
    clip = analysis_to_dict(analysis())["clip"]
    assert list(clip) == ["path", "sha256", "duration_s", "container", "video", "audio", "notes"]
    assert (clip["sha256"], clip["duration_s"], clip["container"]) == ("a" * 64, 10.02, "mov,mp4")
    assert clip["video"].keys() == {field.name for field in dataclasses.fields(VIDEO)}
    assert clip["video"]["counted_duration_s"] == 10.0
    assert clip["video"]["counted_rate_hz"] == 25.0
    assert clip["video"]["gaps"] == [{"start_s": 1.0, "end_s": 1.5}]
    assert clip["audio"]["claimed_duration_s"] is None
    assert clip["audio"]["channels"] == 2
    assert str(clip["audio"]["start_s"]) == "0.0"  # not minus zero
    assert clip["notes"] == ["one frame is missing"]


def test_faces() -> None:
    assert analysis_to_dict(analysis())["faces"][0] == {
        "id": "face-1",
        "start_s": 0.0,
        "end_s": 9.96,
        "coverage": 0.98,
        "interocular_px": 57.3,
        "speaking": True,
    }
    assert [face["speaking"] for face in analysis_to_dict(analysis())["faces"]] == [True, False]


def test_sync() -> None:
    sync = analysis_to_dict(analysis())["findings"]["sync"]
    assert sync.keys() == FINDING_KEYS | {"offset_ms", "offset_interval_ms"}
    assert sync["status"] == "offset"
    assert sync["offset_ms"] == 240.0
    assert sync["offset_interval_ms"] == [221.0, 262.5]
    assert sync["log10_lr"] is None
    assert sync["bounds"] is None
    assert {sync[name] for name in UNKNOWN} == {None}
    assert (sync["conditions"], sync["explanations"]) == ({}, [])
    assert sync["score"] == 1.234568
    assert sync["reasons"] == [{"code": "late", "text": "The sound comes 240 ms late.", "remedy": ""}]


def test_cues() -> None:
    cues = analysis_to_dict(analysis())["findings"]["sync"]["cues"]
    assert list(cues) == ["agreement", "silence"]
    assert cues["agreement"] == {
        "score": 1.234568,
        "log10_lr": None,
        "log10_share": None,
        "summary": AGREEMENT.summary,
        "frames_s": [2.5, 1.0],
        "version": "2",
        "abstained": [],
        "details": {"apple": [0.1, 3], "lag_s": 0.123457, "zebra": None},
    }
    assert list(cues["agreement"]["details"]) == ["apple", "lag_s", "zebra"]
    assert cues["silence"]["score"] is None
    assert cues["silence"]["abstained"] == [
        {"code": "no_pause", "text": "Nobody pauses long enough to compare.", "remedy": "use a longer stretch"}
    ]


def test_each_cue_carries_its_share_and_the_finding_what_is_usual() -> None:
    finding = analysis_to_dict(analysis(RESYNTHESIS))["findings"]["resynthesis"]
    assert finding.keys() == FINDING_KEYS | {"usual", "limit"}
    assert (finding["usual"], finding["limit"]) == (0.312, 0.85)
    shares = {name: cue["log10_share"] for name, cue in finding["cues"].items()}
    summed = {"blur": 0.5, "noise": -0.23, "teeth": 0.0549}
    assert shares == summed | dict.fromkeys(("boundary", "face", "occlusion", "retiming"))


def test_resynthesis_that_could_not_be_examined() -> None:
    finding = analysis_to_dict(analysis())["findings"]["resynthesis"]
    assert finding.keys() == FINDING_KEYS
    assert finding["status"] == "not_examinable"
    assert finding["score"] is None
    assert finding["reasons"] == [
        {"code": "too_small", "text": "The eyes are 19 pixels apart.", "remedy": "use a larger copy"}
    ]


@pytest.mark.parametrize(
    "finding",
    [
        dataclasses.replace(SYNC, status="unrelated"),
        dataclasses.replace(
            SYNC, status="not_examinable", score=None, reasons=NOT_EXAMINABLE.reasons, cues=(), details={}
        ),
    ],
    ids=lambda finding: finding.status,
)
def test_no_offset_is_null(finding: Finding) -> None:
    sync = analysis_to_dict(analysis(finding))["findings"]["sync"]
    assert sync["offset_ms"] is None
    assert sync["offset_interval_ms"] is None


def test_what_a_calibration_says() -> None:
    sync = analysis_to_dict(analysis(UNRELATED))["findings"]["sync"]
    assert sync.keys() == FINDING_KEYS | {"offset_ms", "offset_interval_ms"}
    assert (sync["log10_lr"], sync["bounds"], sync["at_bound"]) == (1.25, [-2.0, 1.25], True)
    assert sync["verbal"] == in_words("sync", 1.25)
    assert sync["verbal"].startswith("moderate support for: this sound was not recorded together")
    assert sync["reached_by"] == {"suspicious": 0.5, "innocent": 0.0, "groups": [30, 19]}
    assert sync["decide"] == [-0.5, 0.75]
    assert sync["conditions"] == {"speech_s": 8.123457, "eyes_px": 57.3}
    assert sync["explanations"] == [
        {"code": "dubbing", "text": "It was dubbed openly.", "remedy": ""},
        {"code": "cutaway", "text": "An edit shows another moment.", "remedy": ""},
    ]


def test_a_ratio_below_one_speaks_for_the_other_proposition() -> None:
    result = analysis_to_dict(analysis(dataclasses.replace(UNRELATED, status="in_sync", log10_lr=-0.5)))
    assert result["findings"]["sync"]["verbal"] == f"weak support for: {PROPOSITIONS['sync'].innocent}"


@pytest.mark.parametrize("name", FINDINGS)
def test_the_propositions_stand_beside_every_finding(name: FindingName) -> None:
    """Also where there is no ratio: they say what the finding is about."""
    pair = PROPOSITIONS[name]
    expected = {"suspicious": pair.suspicious, "innocent": pair.innocent}
    assert analysis_to_dict(analysis())["findings"][name]["propositions"] == expected


def test_calibrated_finding() -> None:
    finding = dataclasses.replace(NOT_EXAMINABLE, status="resynthesised", score=3.0, log10_lr=1.5, bounds=(-1.0, 2.0))
    result = analysis_to_dict(analysis(finding))["findings"]["resynthesis"]
    assert (result["log10_lr"], result["bounds"]) == (1.5, [-1.0, 2.0])


def test_own_details_of_a_finding_are_merged_into_it() -> None:
    finding = dataclasses.replace(SYNC, details={"speech_s": 4.12345678})
    assert analysis_to_dict(analysis(finding))["findings"]["sync"]["speech_s"] == 4.123457


@pytest.mark.parametrize("name", ["status", "score", "verbal", "propositions", "explanations"])
def test_details_must_not_replace_what_every_finding_has(name: str) -> None:
    finding = dataclasses.replace(SYNC, details={name: 1})
    with pytest.raises(ValueError, match=f"sync must not replace {name}"):
        analysis_to_dict(analysis(finding))


def test_segments() -> None:
    assert analysis_to_dict(analysis())["segments"] == [
        {
            "start_s": 2.0,
            "end_s": 3.5,
            "finding": "sync",
            "log10_lr": None,
            "score": 2.0,
            "summary": SEGMENT.summary,
        }
    ]


def test_timeline_has_null_for_no_value() -> None:
    assert analysis_to_dict(analysis())["timeline"] == {
        "agreement.by_time": {"unit": "correlation", "times_s": [0.0, 0.1, 0.3], "values": [0.5, None, 0.3333333]}
    }


def test_nothing_examinable_has_no_triage() -> None:
    assert analysis_to_dict(analysis(triage=None, faces=(), segments=(), timeline={}))["triage"] is None


def test_details_that_are_no_json_are_refused() -> None:
    cue = Evidence("agreement", "1", "sync", 1.0, "", details={"odd": {1, 2}})
    with pytest.raises(TypeError, match="odd is a set"):
        analysis_to_dict(analysis(dataclasses.replace(SYNC, cues=(cue,))))


def test_stray_bytes_of_a_path_become_escapes() -> None:
    path = analysis_to_dict(analysis())["clip"]["path"]
    assert path.startswith("clips/a[bold]b")
    assert "\\udcff" in path
    path.encode("utf-8")


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def test_text_is_strict_ascii_and_says_what_the_dict_says() -> None:
    text = to_text(analysis())
    assert text.isascii()
    assert text.endswith("}\n")
    assert json.loads(text, parse_constant=_refuse) == analysis_to_dict(analysis())
    assert analysis().to_dict() == analysis_to_dict(analysis())


def test_text_does_not_depend_on_noise_or_on_the_order_of_what_has_none() -> None:
    noisy = Series("agreement.by_time", "correlation", np.array([0.0, 0.1, 0.3]) + 1e-9, np.array([0.5, np.nan, 1 / 3]))
    other = analysis(
        dataclasses.replace(SYNC, score=1.2345678900001, cues=SYNC.cues[::-1]),
        timeline={noisy.name: noisy},
        versions={"av": "18.1.0", "torch": "2.13.0"},
        clip=dataclasses.replace(CLIP, duration_s=10.02 + 1e-10),
    )
    assert to_text(other) == to_text(analysis())


def test_text_is_short_and_readable() -> None:
    lines = to_text(analysis()).splitlines()
    assert '   "times_s": [0.0, 0.1, 0.3],' in lines
    assert ' "limits": ["It speaks of consistency, not of intent."],' in lines


def test_a_large_number_keeps_its_size() -> None:
    facts = dataclasses.replace(VIDEO, counted_rate_hz=123456789.0, gaps=(Interval(1e7, 1e7 + 0.123456789),))
    video = analysis_to_dict(analysis(clip=dataclasses.replace(CLIP, video=facts)))["clip"]["video"]
    assert video["counted_rate_hz"] == 123456800.0
    assert video["gaps"] == [{"start_s": 1e7, "end_s": 10000000.123457}]


def test_a_whole_number_that_no_double_holds_is_rounded() -> None:
    facts = dataclasses.replace(VIDEO, claimed_frames=2**63 - 1, counted_frames=2**53 - 1, width=2**53)
    video = analysis_to_dict(analysis(clip=dataclasses.replace(CLIP, video=facts)))["clip"]["video"]
    assert [video[name] for name in ("claimed_frames", "counted_frames", "width")] == [
        9.223372e18,
        2**53 - 1,
        9.007199e15,
    ]


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def test_the_digest_is_over_the_canonical_form_of_all_the_rest() -> None:
    result = analysis_to_dict(analysis(RESYNTHESIS, UNRELATED))
    everything, bare = (rfc8785.dumps(without(result, "digest", *others)) for others in ((), ("timeline",)))
    assert result["digest"] == {
        "algorithm": "SHA-256",
        "form": "RFC 8785",
        "all": hashlib.sha256(everything).hexdigest(),
        "without_timeline": hashlib.sha256(bare).hexdigest(),
    }


def test_the_digest_does_not_depend_on_the_order_of_names_or_on_itself() -> None:
    result = analysis_to_dict(analysis())
    shuffled = dict(sorted(result.items(), reverse=True))
    assert digests(shuffled) == digests(without(result, "digest")) == digests(result)


def test_a_copy_without_the_timeline_has_the_digest_without_it() -> None:
    result = analysis_to_dict(analysis())
    found = digests(without(result, "timeline"))
    assert found["without_timeline"] == found["all"] == result["digest"]["without_timeline"]
    assert found["all"] != result["digest"]["all"]


def test_the_digest_follows_every_value() -> None:
    result = analysis_to_dict(analysis())
    changed = json.loads(json.dumps(result))
    changed["timeline"]["agreement.by_time"]["values"][2] = 0.3333334
    assert digests(changed)["all"] != result["digest"]["all"]
    assert digests(changed)["without_timeline"] == result["digest"]["without_timeline"]
    changed["findings"]["sync"]["reasons"][0]["text"] += " "
    assert digests(changed)["without_timeline"] != result["digest"]["without_timeline"]


EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    100.0,
    -10.0,
    5e-324,
    1.7976931348623157e308,
    2.0**53,
    2.0**53 + 2,
    333333333.33333329,
]
EDGES += [sign * digits * 10.0**power for power in range(-9, 24) for digits in (1, 1.5, 9.999999) for sign in (1, -1)]


def series(draw: random.Random) -> list[float | None]:
    """Draw numbers of every size: any double, the edges, and what a rounded measurement looks like."""
    doubles = [struct.unpack("<d", draw.getrandbits(64).to_bytes(8, "little"))[0] for _ in range(12)]
    rounded = [float(f"{draw.gauss(0, 1) * 10.0 ** draw.randint(-9, 9):.7g}") for _ in range(12)]
    drawn = [*(value for value in doubles if math.isfinite(value)), *rounded, *draw.sample(EDGES, 12), None]
    draw.shuffle(drawn)
    return drawn[: draw.randint(0, len(drawn))]


def test_series_have_the_canonical_form_that_the_library_gives_them() -> None:
    draw = random.Random(8785)
    for values in (*(series(draw) for _ in range(500)), [], [None], *([edge] for edge in EDGES)):
        named = {"values": values, "mixed": [values, 1, True, "x", {"\U0001f600": values, "\ufb33": None, "\r": {}}]}
        expected = hashlib.sha256(rfc8785.dumps(named)).hexdigest()  # type: ignore[arg-type]
        assert digests(named)["all"] == expected, values


@pytest.mark.parametrize(
    "value", [math.inf, math.nan, [1.0, -math.inf], [math.nan], 2**53, [1.0, 2**53], "\ud800", {"\ud800": 1}]
)
def test_what_has_no_canonical_form_has_no_digest(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JCS|JSON|UTF-8|safe integer|surrogates"):
        digests({"a": value})


def test_values_that_were_read_give_the_same_text() -> None:
    text = to_text(analysis(RESYNTHESIS, UNRELATED))
    assert as_text(json.loads(text)) == text


def test_write_json_to_a_file_and_to_a_stream(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old", encoding="utf-8")
    stream = io.StringIO()
    write_json(analysis(), target)
    write_json(analysis(), stream)
    assert target.read_text(encoding="utf-8") == stream.getvalue() == to_text(analysis())
    assert list(tmp_path.iterdir()) == [target]


def test_a_result_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match="must not replace score"):
        write_json(analysis(dataclasses.replace(SYNC, details={"score": 1})), target)
    assert target.read_text(encoding="utf-8") == "old"


def test_many_numbers_are_rounded_as_one_is() -> None:
    rng = np.random.default_rng(0)
    parts = (
        rng.normal(size=20_000) * 10.0 ** rng.integers(-9, 12, 20_000),
        np.arange(-2_000, 2_000) / 8,
        rng.integers(0, 2**24, 20_000) / 64,
        [0.0, -0.0, 1e-4, 9.999999e-5, 999999.5, 1e6, 1e7, 3.4e38, 1e-45, np.nan, np.inf, -np.inf],
        10.0 ** np.arange(-8, 12),
    )
    values = np.concatenate([np.asarray(part, np.float32) for part in parts])
    alone = [None if not np.isfinite(value) else float(f"{value:.7g}") + 0.0 for value in values.tolist()]
    series = Series("blur.row", "spreads", np.arange(len(values)) / 100, values)
    written = analysis_to_dict(analysis(timeline={series.name: series}))["timeline"]["blur.row"]["values"]
    assert written == alone
    assert [str(value) for value in written] == [str(value) for value in alone]
