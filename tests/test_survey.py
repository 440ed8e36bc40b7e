from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lipaccord import examining, matching
from lipaccord.bundle import Bundle
from lipaccord.errors import EvaluationError
from lipaccord.matching import ORIGINAL
from lipaccord.settings import Settings
from lipaccord.survey import Survey, limited, survey
from made_evaluation import StandIns, clip, manifest, people, plain_bundle
from made_survey import calibration, labelled


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns(monkeypatch)


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "plain"
    plain_bundle(path)
    return path


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    return plain_bundle(bundle_path)


@pytest.fixture
def measure(stand_ins: StandIns, bundle: Bundle, bundle_path: Path, tmp_path: Path) -> Any:
    def run(path: Path, **options: Any) -> Survey:
        given: dict[str, Any] = {"processes": 1, "bundle": bundle, "bundle_path": bundle_path}
        return survey(path, tmp_path / "out", **(given | options))

    return run


def scores(found: Survey) -> dict[tuple[str, str], float | None]:
    return {(one.clip.name, one.job.rung): one.score("resynthesis") for one in found.examined}


def test_every_clip_is_examined_as_it_came_and_judged(tmp_path: Path, stand_ins: StandIns, measure: Any) -> None:
    found = measure(people(tmp_path, 2))
    assert found.clips == 4
    assert scores(found) == {
        ("real0.mp4", ORIGINAL): pytest.approx(1.0),
        ("fake0.mp4", ORIGINAL): pytest.approx(1.2),
        ("real1.mp4", ORIGINAL): pytest.approx(1.01),
        ("fake1.mp4", ORIGINAL): pytest.approx(1.21),
    }
    first = found.examined[0]
    assert first.forehead == 0.0
    assert (first.score("sync"), first.findings["sync"].status) == (-5.0, "inconclusive")
    assert first.scores() == {"sync": -5.0, "resynthesis": pytest.approx(1.0)} | {
        cue.cue: cue.score for cue in first.findings["resynthesis"].cues
    }
    assert (found.choices, found.treated, found.left_out) == (None, {}, ())
    assert found.rungs == {"Paint": ORIGINAL}
    assert stand_ins.encoded == []


def test_a_clip_without_a_face_has_findings_and_no_scores(tmp_path: Path, measure: Any) -> None:
    names = [clip(tmp_path, "a.mp4"), clip(tmp_path, "b.mp4", forehead=None)]
    found = measure(manifest(tmp_path, *(f"{name},camera,together,,p," for name in names)))
    assert (found.examined[1].forehead, found.examined[1].score("sync")) == (None, None)
    assert {one.status for one in found.examined[1].findings.values()} == {"not_examinable"}
    assert found.examined[1].scores() == {"sync": None, "resynthesis": None}
    assert {one.clip.name for one in found.crossed} == {"a.mp4"}


def test_the_encode_that_hides_nothing_is_chosen(tmp_path: Path, stand_ins: StandIns, measure: Any) -> None:
    found = measure(people(tmp_path), match_encodes=True)
    assert found.rungs == {"Paint": "crf24"}
    assert found.choices["Paint"].reference == "same groups"
    at_rung = [one for one in found.examined if one.job.rung == "crf24"]
    assert sorted(one.clip.name for one in at_rung) == sorted(f"real{n}.mp4" for n in range(8))
    assert {one.job.rung for one in found.examined} == {ORIGINAL, "crf24"}
    assert at_rung[0].score("resynthesis") == pytest.approx(1.3)
    assert len(stand_ins.encoded) == 8 * len(matching.RUNGS)
    assert stand_ins.analysed.count("real0.mp4") == 2
    assert stand_ins.analysed.count("fake0.mp4") == 1


def test_windows_are_crossed_where_the_sound_was_recorded_together(
    tmp_path: Path, stand_ins: StandIns, measure: Any
) -> None:
    path = people(tmp_path, 2)
    with path.open("a") as file:
        file.write(f"{clip(tmp_path, 'dubbed.mp4', sync=1.0)},camera,apart,,p9,\n")
        file.write(f"{clip(tmp_path, 'odd.mp4', sync=-2.0)},unknown,together,,p8,\n")
    found = measure(path)
    heard = {"real0.mp4", "real1.mp4", "odd.mp4"}
    assert set(stand_ins.listened) == {f"{name} {ORIGINAL}" for name in heard}
    assert {one.clip.name for one in found.crossed} == heard
    own = {one.clip.name: one.row["score"] for one in found.crossed if not one.row["truth"]}
    assert own == {"real0.mp4": -5.0, "real1.mp4": -5.0, "odd.mp4": -2.0}
    for one in found.crossed:
        assert (one.clip == one.sound) == (not one.row["truth"])
        assert one.finding is not None
        assert one.finding.score == one.row["score"]
    assert {(one.clip.name, one.sound.name) for one in found.crossed} == {(a, b) for a in heard for b in heard}


def test_a_sound_that_can_not_be_heard_costs_its_windows_alone(
    tmp_path: Path, stand_ins: StandIns, measure: Any
) -> None:
    path = people(tmp_path, 3)
    clip(tmp_path, "real1.mp4", trouble="deaf")
    found = measure(path, treatments=("blur-3",))
    line, treated = found.left_out
    assert line.startswith("row 4 (real1.mp4): ")
    assert "has no sound any more" in line
    assert treated == f"{line} (blur-3)"
    assert {one.clip.name for one in found.treated["blur-3"].crossed} == {"real0.mp4", "real2.mp4"}
    assert {one.clip.name for one in found.crossed} == {"real0.mp4", "real2.mp4"}
    assert found.examined[2].score("resynthesis") is not None


def test_every_treatment_is_tried_on_every_clip(tmp_path: Path, stand_ins: StandIns, measure: Any) -> None:
    path = people(tmp_path, 2)
    clip(tmp_path, "fake1.mp4", trouble="media")
    found = measure(path, treatments=("crf24", "blur-3"))
    assert list(found.treated) == ["crf24", "blur-3"]
    for name, loss in (("crf24", 0.3), ("blur-3", 2.0)):
        some = found.treated[name]
        assert [one.clip.name for one in some.examined] == ["real0.mp4", "fake0.mp4", "real1.mp4"]
        assert {one.job.rung for one in some.examined} == {name}
        assert some.examined[0].score("resynthesis") == pytest.approx(1.0 + loss)
        assert {one.clip.name for one in some.crossed} == {"real0.mp4", "real1.mp4"}
        assert f"real0.mp4 {name}" in stand_ins.listened
    assert {one.job.rung for one in found.examined} == {ORIGINAL}
    [line] = found.left_out
    assert line.startswith("row 5 (fake1.mp4) at original: ")


def test_what_is_done_is_not_done_again(tmp_path: Path, stand_ins: StandIns, measure: Any) -> None:
    path = people(tmp_path, 3)
    options = {"match_encodes": True, "treatments": ("blur-3",)}
    first = measure(path, **options)
    done = [list(some) for some in (stand_ins.analysed, stand_ins.encoded, stand_ins.listened, stand_ins.met)]
    again = measure(path, **options)
    assert [stand_ins.analysed, stand_ins.encoded, stand_ins.listened, stand_ins.met] == done
    assert scores(again) == scores(first)
    assert [one.row for one in again.crossed] == [one.row for one in first.crossed]
    assert again.left_out == first.left_out


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, stand_ins: StandIns, measure: Any) -> None:
    rows = [f"{clip(tmp_path, f'{n}.mp4', n=n)},camera,together,,p{n}," for n in range(4)]
    clip(tmp_path, "2.mp4", trouble="kill")
    path = manifest(tmp_path, *rows)
    with pytest.raises(KeyboardInterrupt):
        measure(path)
    assert stand_ins.analysed == ["0.mp4", "1.mp4"]
    measure(path)
    assert stand_ins.analysed == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]


@pytest.mark.parametrize("change", ["settings", "code", "clip"])
def test_a_result_of_other_circumstances_is_not_used(
    tmp_path: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, measure: Any, change: str
) -> None:
    path = people(tmp_path, 2)
    measure(path)
    if change == "code":
        monkeypatch.setattr(examining, "code_digest", lambda: "other")
    if change == "clip":
        clip(tmp_path, "real0.mp4", blur=3.0)
    measure(path, settings=Settings(end_s=2.0) if change == "settings" else None)
    assert len(stand_ins.analysed) == 4 + (1 if change == "clip" else 4)


def test_another_calibration_judges_what_is_kept_anew(tmp_path: Path, stand_ins: StandIns, measure: Any) -> None:
    path = people(tmp_path, 2)
    plain = measure(path)
    done = list(stand_ins.analysed)
    other = tmp_path / "calibrated"
    made = plain_bundle(other, sync=calibration(), resynthesis=calibration(decide=(-1.0, 1.1)))
    judged = measure(path, bundle=made, bundle_path=other)
    assert stand_ins.analysed == done
    assert scores(judged) == scores(plain)
    assert {one.findings["resynthesis"].status for one in plain.examined} == {"inconclusive"}
    assert {one.clip.name: one.findings["resynthesis"].status for one in judged.examined} == {
        "real0.mp4": "inconclusive",
        "real1.mp4": "inconclusive",
        "fake0.mp4": "resynthesised",
        "fake1.mp4": "resynthesised",
    }
    assert {one.findings["sync"].status for one in judged.examined} == {"in_sync"}
    own = {one.finding.status for one in judged.crossed if not one.row["truth"] and one.finding is not None}
    assert own == {"in_sync"}


@pytest.mark.parametrize(("trouble", "words"), [("media", "damaged: copy it again"), ("bug", "ZeroDivisionError: by")])
def test_a_clip_that_fails_costs_itself_alone(tmp_path: Path, measure: Any, trouble: str, words: str) -> None:
    path = people(tmp_path, 3)
    clip(tmp_path, "fake1.mp4", trouble=trouble)
    found = measure(path)
    [line] = found.left_out
    assert line.startswith("row 5 (fake1.mp4) at original: ")
    assert words in line
    [lost] = [one for one in found.examined if isinstance(one.outcome, str)]
    assert (lost.clip.name, lost.findings, lost.forehead, lost.score("sync")) == ("fake1.mp4", {}, None, None)
    assert lost.scores() == {"sync": None, "resynthesis": None}


def test_a_wrong_row_and_a_copy_of_a_clip_are_named(tmp_path: Path, measure: Any) -> None:
    path = people(tmp_path, 3)
    (tmp_path / "copy.mp4").write_bytes((tmp_path / "real0.mp4").read_bytes())
    with path.open("a") as file:
        file.write("copy.mp4,camera,together,,p0,\nnowhere.mp4,camera,together,,p0,\n")
    found = measure(path)
    missing, copied = found.left_out
    assert missing.startswith("row 9 (nowhere.mp4): there is no file")
    assert copied == "row 8 (copy.mp4): it is the same clip as row 2 (real0.mp4), byte for byte; keep one of the two"
    assert found.clips == 6


def test_nothing_that_can_be_examined_stops(tmp_path: Path, measure: Any) -> None:
    path = manifest(tmp_path, f"{clip(tmp_path, 'a.mp4', trouble='media')},camera,together,,anna,")
    with pytest.raises(EvaluationError, match=r"no clip .* could be examined; the first trouble: row 2 \(a.mp4\)"):
        measure(path)


def test_a_damaged_result_is_named(tmp_path: Path, measure: Any) -> None:
    path = people(tmp_path, 1)
    measure(path)
    kept = sorted((tmp_path / "out" / "results").iterdir())[0]
    kept.write_text("{")
    with pytest.raises(EvaluationError, match=f"{kept.name} can't be read .*delete it and run again"):
        measure(path)


def test_a_limit_takes_the_first_clips_of_each_method(tmp_path: Path, stand_ins: StandIns, measure: Any) -> None:
    found = measure(people(tmp_path, 4), limit=2)
    assert stand_ins.analysed == ["real0.mp4", "fake0.mp4", "real1.mp4", "fake1.mp4"]
    assert found.clips == 4
    kinds = [("camera", ""), ("synthesised", "A"), ("camera", ""), ("synthesised", "B"), ("synthesised", "A")]
    clips = [labelled(f"{n}.mp4", "p", mouth, "unknown", method) for n, (mouth, method) in enumerate(kinds)]
    assert [one.name for one in limited(clips, 1)] == ["0.mp4", "1.mp4", "3.mp4"]
    assert limited(clips, None) == clips


def test_progress_is_told_by_stage(tmp_path: Path, measure: Any) -> None:
    told: list[tuple[str, float]] = []
    measure(
        people(tmp_path, 2),
        match_encodes=True,
        treatments=("blur-3", "blur-2"),
        progress=lambda stage, fraction: told.append((stage, fraction)),
    )
    stages = ["examining", "listening", "crossing sounds", "encoding", "examining the encodes", "treating"]
    assert list(dict.fromkeys(stage for stage, _ in told)) == stages
    assert [fraction for stage, fraction in told if stage == "examining"] == [0.25, 0.5, 0.75, 1.0]
    assert [fraction for stage, fraction in told if stage == "treating"] == [k / 8 for k in range(1, 9)]
