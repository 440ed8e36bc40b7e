from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyses import analysis
from lipaccord.bundle import Bundle
from lipaccord.errors import BundleError
from lipaccord.findings import nothing_to_examine, resynthesis_finding, sync_finding
from lipaccord.judging import Judge, evidence_of
from lipaccord.pipeline import analyze
from lipaccord.records import Analysis, Evidence, Finding, FindingName, Interval, Segment
from lipaccord.report.json import analysis_to_dict
from lipaccord.settings import Settings
from made_survey import CONDITIONS, PLAIN, POPULATION, SYNC_FIGURES, WHY, bundle_with, calibration, cue, heard

Kept = dict[str, Any]
LOST = 2e-5
"""Kept numbers have 7 digits; sums and products of them lose some."""


def kept(result: Analysis) -> Kept:
    """Write an analysis and read it back, as an evaluation keeps it."""
    read: Kept = json.loads(json.dumps(analysis_to_dict(result), allow_nan=False))
    return read


def close(value: Any, other: Any) -> bool:
    """Tell whether two values are the same to the kept digits, at any depth."""
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(close(value[key], other[key]) for key in value)
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(close, value, other))
    return bool(value == (pytest.approx(other, rel=LOST, abs=LOST) if isinstance(other, float) else other))


def assert_same(found: Finding, first: Finding) -> None:
    """Check all but the summaries of the cues and their time courses, which a finding does not depend on."""
    for name in ("name", "status", "reasons", "explanations"):
        assert getattr(found, name) == getattr(first, name), name
    for name in ("score", "log10_lr", "bounds", "details"):
        assert close(getattr(found, name), getattr(first, name)), name
    assert {one.cue for one in found.cues} == {one.cue for one in first.cues}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("judging") / "bundle"
    return bundle_with(path, sync=calibration(), resynthesis=calibration(decide=(-0.5, 0.5)))


def with_cues(sync: Evidence, texture: list[Evidence], bundle: Bundle, conditions: dict[str, float]) -> Analysis:
    """Return an analysis as the pipeline puts it together."""
    judge = Judge(bundle)
    findings = (
        sync_finding(sync, judge.calibrations.get("sync"), conditions),
        resynthesis_finding(texture, judge.combination, judge.calibrations.get("resynthesis"), conditions),
    )
    return analysis(*findings, segments=tuple(segment for one in (sync, *texture) for segment in one.segments))


def test_a_clip_is_judged_as_when_it_was_examined(fixture_clip: Callable[[str], Path], tmp_path: Path) -> None:
    made = bundle_with(tmp_path / "b", sync=calibration(), resynthesis=calibration())
    settings = Settings(end_s=1.9, max_lag_s=0.5, min_speech_s=1.0)
    first = analyze(fixture_clip("synthetic"), bundle=tmp_path / "b", settings=settings, threads=1)
    found = Judge(made).findings(kept(first))
    assert set(found) == set(first.findings)
    for name, finding in found.items():
        assert first.findings[name].log10_lr is not None
        assert_same(finding, first.findings[name])


@pytest.mark.parametrize("score", [-4.0, -0.5, 0.0, 4.0])
@pytest.mark.parametrize("conditions", [CONDITIONS, {"face_s": 3.6}, CONDITIONS | {"motion": 0.001}])
def test_every_status_is_found_again(bundle: Bundle, score: float, conditions: dict[str, float]) -> None:
    texture = [cue("splice", score), cue("blur", -score), cue("teeth", None)]
    first = with_cues(heard(score).cues[0], texture, bundle, conditions)
    found = Judge(bundle).findings(kept(first))
    for name in found:
        assert_same(found[name], first.findings[name])


def test_abstentions_are_found_again(bundle: Bundle) -> None:
    first = with_cues(heard(None).cues[0], [cue("splice", None), cue("blur", None)], bundle, CONDITIONS)
    for name, finding in Judge(bundle).findings(kept(first)).items():
        assert finding.status == "not_examinable"
        assert_same(finding, first.findings[name])


def test_what_had_no_face_stays_not_examinable(bundle: Bundle) -> None:
    first = analysis(*nothing_to_examine(WHY), segments=(), faces=())
    for finding in Judge(bundle).findings(kept(first)).values():
        assert (finding.status, finding.score, finding.reasons, finding.cues) == ("not_examinable", None, (WHY,), ())


def test_a_break_of_the_agreement_is_read_back(bundle: Bundle) -> None:
    broken = Segment(Interval(2.0, 5.0), "sync", 1.0, "the mouth does not follow the speech here")
    painted = Segment(Interval(1.0, 2.0), "resynthesis", 3.0, "it is soft here")
    sync = Evidence("sync", "2", "sync", -5.0, "words", segments=(broken,), details=SYNC_FIGURES)
    blur = Evidence("blur", "1", "resynthesis", 0.5, "words", segments=(painted,))
    first = with_cues(sync, [blur], bundle, CONDITIONS)
    assert first.findings["sync"].status == "partly_unrelated"
    found = Judge(bundle).findings(kept(first))["sync"]
    assert_same(found, first.findings["sync"])
    assert found.cues[0].segments == (broken,)


def test_numbers_that_are_none_add_nothing(bundle: Bundle) -> None:
    details = {"pores": float("nan"), "parts": {"chin": 0.5, "beard": None}, "count": 3, "is": True}
    texture = [Evidence("blur", "1", "resynthesis", 1.0, "words", details=details), cue("splice", 0.5)]
    first = with_cues(heard(-1.0).cues[0], texture, bundle, CONDITIONS)
    assert_same(Judge(bundle).findings(kept(first))["resynthesis"], first.findings["resynthesis"])


def test_another_calibration_gives_another_finding(bundle: Bundle, tmp_path: Path) -> None:
    record = kept(with_cues(heard(-1.5).cues[0], [cue("blur", 1.0), cue("splice", 0.0)], bundle, CONDITIONS))
    assert Judge(bundle).findings(record)["sync"].status == "in_sync"
    other = Judge(bundle_with(tmp_path / "b", sync=calibration(decide=(-1.8, 1.5)))).findings(record)
    assert other["sync"].status == "inconclusive"
    assert other["sync"].log10_lr == pytest.approx(-1.5)
    assert other["resynthesis"].log10_lr is None
    assert [reason.code for reason in other["resynthesis"].reasons] == ["texture", "no_calibration"]


def test_a_window_is_judged_like_a_clip(bundle: Bundle) -> None:
    conditions = {"speech_s": 2.0, "eyes_px": 70.0}
    row: Kept = {"version": "2", "score": -1.25, "details": SYNC_FIGURES, "conditions": conditions}
    found = Judge(bundle).crossed(row)
    assert found is not None
    whole = sync_finding(heard(-1.25).cues[0], calibration(), conditions)
    assert (found.status, found.details) == (whole.status, whole.details)
    assert found.log10_lr == pytest.approx(-1.25)
    assert Judge(bundle).crossed(row | {"score": None}) is None


@pytest.mark.parametrize("name", ["sync", "resynthesis"])
def test_what_the_cues_measured_is_read_back(bundle: Bundle, name: FindingName) -> None:
    first = with_cues(heard(-1.5).cues[0], [cue("teeth", None), cue("splice", 0.25)], bundle, CONDITIONS)
    read = {one.cue: one for one in evidence_of(kept(first)["findings"][name], name)}
    for one in first.findings[name].cues:
        again = read.pop(one.cue)
        assert (again.version, again.finding, again.score, again.abstained) == (
            one.version,
            one.finding,
            one.score,
            one.abstained,
        )
        assert close(again.details, one.details)
        assert again.series == ()
    assert read == {}


def test_a_damaged_calibration_is_named_before_anything_is_judged(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"calibration\.json is damaged"):
        Judge(bundle_with(tmp_path / "b", sync=calibration(bounds=(1.0, 2.0))))


def test_the_made_bundle_is_the_one_that_is_shipped(bundle: Bundle) -> None:
    assert set(bundle.calibration["findings"]) == {"sync", "resynthesis"}
    assert bundle.calibration["findings"]["sync"]["population"] == POPULATION
    assert PLAIN.terms.keys() <= Judge(bundle).combination.terms.keys()
