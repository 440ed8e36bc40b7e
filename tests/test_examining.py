from __future__ import annotations

import dataclasses
import os
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

import lipaccord
from lipaccord import examining
from lipaccord.bundle import MEASURING, calibration_bytes, load_bundle, packed, write_bundle
from lipaccord.errors import BundleError, EvaluationError
from lipaccord.examining import Job, Record, encoded, keep, kept, stamp
from lipaccord.matching import ORIGINAL
from lipaccord.settings import Settings
from made_evaluation import StandIns, clip, told
from made_survey import PLAIN, calibration


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns(monkeypatch)


def job(folder: Path, rung: str = ORIGINAL, **changes: Any) -> Job:
    base = Job(folder / "a.mp4", "0" * 64, rung, folder, "1" * 64, None, Settings())
    return dataclasses.replace(base, **changes)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small package in place of this one."""
    for folder in ("cues", "report"):
        (tmp_path / folder).mkdir()
    for name in ("__init__.py", "cli.py", "findings.py", "conditions.py", "cues/blur.py", "report/json.py"):
        (tmp_path / name).write_text("first")
    (tmp_path / "report" / "terminal.py").write_text("first")
    monkeypatch.setattr(lipaccord, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


@pytest.mark.parametrize("name", ["cues/blur.py", "conditions.py", "report/json.py", "__init__.py"])
def test_the_code_digest_follows_what_measures_and_what_writes(package: Path, name: str) -> None:
    first = examining.code_digest()
    (package / name).write_text("second")
    assert examining.code_digest() != first


@pytest.mark.parametrize("name", ["cli.py", "findings.py", "report/terminal.py"])
def test_the_code_digest_does_not_follow_who_reads_and_who_judges(package: Path, name: str) -> None:
    first = examining.code_digest()
    (package / name).write_text("second")
    assert examining.code_digest() == first


def test_every_reader_is_a_room_of_the_package() -> None:
    root = Path(examining.__file__).parent
    rooms = {path.name.removesuffix(".py") for path in root.iterdir()}
    assert examining.READERS - rooms == set()
    assert all((root / writer).is_file() for writer in examining.WRITERS)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    base = load_bundle()
    write_bundle(tmp_path / "bundle", base.name, base.version, base.files)
    return tmp_path / "bundle"


def rewritten(folder: Path, name: str, content: bytes) -> None:
    """Put another part into a bundle, and a calibration that belongs to it."""
    files = load_bundle(folder).files | {name: content}
    made = calibration_bytes(files, {"sync": calibration().to_dict()})
    write_bundle(folder, "other", "2", files | {"calibration.json": made, "CARD.md": b"# Other\n"})


def test_the_stamp_does_not_depend_on_how_measurements_are_judged(bundle: Path) -> None:
    first = stamp(bundle, Settings())
    assert stamp(bundle, Settings()) == first
    before = load_bundle(bundle).sha256
    rewritten(bundle, "resynthesis.json", packed(PLAIN.to_dict()))
    assert load_bundle(bundle).sha256 != before
    assert load_bundle(bundle).calibration["findings"]
    assert stamp(bundle, Settings()) == first


def test_the_stamp_depends_on_all_that_measures(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = [stamp(bundle, Settings()), stamp(bundle, Settings(end_s=1.0))]
    for name in MEASURING:
        old = load_bundle(bundle).files[name]
        rewritten(bundle, name, packed({"other": 1}))
        stamps.append(stamp(bundle, Settings()))
        rewritten(bundle, name, old)
    assert stamp(bundle, Settings()) == stamps[0]
    monkeypatch.setattr(examining, "code_digest", lambda: "other")
    stamps.append(stamp(bundle, Settings()))
    monkeypatch.setattr(lipaccord, "__version__", "0.0.0")
    stamps.append(stamp(bundle, Settings()))
    assert len(set(stamps)) == len(stamps)


def test_a_missing_bundle_has_no_stamp(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="can't be read"):
        stamp(tmp_path / "nowhere", Settings())


def test_an_encode_is_kept_by_its_treatment_and_part_whoever_examines_it(tmp_path: Path) -> None:
    one = job(tmp_path, "crf24")
    others = [dataclasses.replace(one, rung="blur-3"), dataclasses.replace(one, settings=Settings(end_s=1.0))]
    assert len({each.encode for each in (one, *others)}) == 3
    assert dataclasses.replace(one, stamp="2" * 64).encode == one.encode
    assert "-crf24-" in one.encode.name


def test_a_result_is_kept_by_the_clip_the_rung_and_the_stamp(tmp_path: Path) -> None:
    one = job(tmp_path, "crf24")
    others = [job(tmp_path, "crf18"), job(tmp_path, "crf24", stamp="2" * 64), job(tmp_path, "crf24", sha256="3" * 64)]
    for kind in ("result", "control", "heard", "heard_at"):
        assert len({getattr(each, kind) for each in (one, *others)}) == 4
    places = {one.result, one.control, one.heard, one.heard_at, one.tracks("crf24"), one.tracks(ORIGINAL)}
    assert len(places) == 6
    assert job(tmp_path, "crf24", path=Path("elsewhere")).result == one.result


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert kept(path) is None
    assert keep(path, {"a": [1, None]}) == {"a": [1, None]}
    assert kept(path) == {"a": [1, None]}
    with pytest.raises(ValueError, match="Out of range float"):
        keep(path, {"a": float("nan")})
    assert kept(path) == {"a": [1, None]}
    path.write_text("{")
    with pytest.raises(EvaluationError, match=r"result.json can't be read .*delete it and run again"):
        kept(path)


def test_a_clip_is_encoded_once_and_not_at_all_as_it_came(tmp_path: Path, stand_ins: StandIns) -> None:
    clip(tmp_path, "a.mp4", blur=1.0)
    (tmp_path / examining.ENCODES).mkdir()
    assert encoded(job(tmp_path)) == tmp_path / "a.mp4"
    assert stand_ins.encoded == []
    one = job(tmp_path, "crf24")
    for _ in range(2):
        assert encoded(one) == one.encode
    assert stand_ins.encoded == ["a.mp4 crf24"]
    assert told(one.encode)["blur"] == pytest.approx(1.3)


def made(tmp_path: Path, stand_ins: StandIns, **truth: Any) -> Job:
    clip(tmp_path, "a.mp4", **truth)
    for folder in (examining.RESULTS, examining.TRACKS, examining.ENCODES):
        (tmp_path / folder).mkdir()
    return job(tmp_path, "crf24")


def test_an_examination_is_kept_without_its_time_courses(tmp_path: Path, stand_ins: StandIns) -> None:
    one = made(tmp_path, stand_ins, forehead=-0.25)
    record = examining.examine(one)
    assert kept(one.result) == record
    assert set(record) == {"rung", "face", "forehead", "analysis"}
    assert (record["rung"], record["face"], record["forehead"]) == ("crf24", "face-1", pytest.approx(-0.55))
    assert "timeline" not in record["analysis"]
    assert record["analysis"]["findings"]["resynthesis"]["conditions"]["detail"] == pytest.approx(-0.55)


def test_without_a_face_there_is_no_forehead(tmp_path: Path, stand_ins: StandIns) -> None:
    one = dataclasses.replace(made(tmp_path, stand_ins, forehead=None), rung=ORIGINAL)
    record = examining.examine(one)
    assert (record["face"], record["forehead"]) == (None, None)


def test_the_forehead_of_an_encode_is_measured_alone(tmp_path: Path, stand_ins: StandIns) -> None:
    one = made(tmp_path, stand_ins, forehead=-0.25)
    with pytest.raises(ValueError, match="the face must be known"):
        examining.soften(one)
    assert examining.soften(dataclasses.replace(one, face="face-1")) == {
        "rung": "crf24",
        "forehead": pytest.approx(-0.55),
    }
    assert stand_ins.analysed == []
    assert (kept(one.control) or {})["rung"] == "crf24"


def jobs(tmp_path: Path, digits: str) -> list[Job]:
    return [job(tmp_path, sha256=digit * 64) for digit in digits]


def run(pool: Executor, several: list[Job], work: Any, progress: list[float]) -> list[Record | str]:
    return examining.run(pool, several, work, lambda one: one.result, progress.append)


def test_what_is_kept_is_not_done_again_and_results_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / examining.RESULTS).mkdir()
    several, done, told_of = jobs(tmp_path, "012"), list[str](), list[float]()
    keep(several[1].result, {"from": "before"})

    def work(one: Job) -> Record:
        done.append(one.sha256[0])
        if one.sha256[0] == "2":
            raise EvaluationError("it is damaged")
        return keep(one.result, {"from": "now"})

    with examining.workers(1) as pool:
        assert run(pool, several, work, told_of) == [{"from": "now"}, {"from": "before"}, "it is damaged"]
        assert done == ["0", "2"]
        assert told_of[-1] == 1.0
        assert told_of == sorted(told_of)
        assert run(pool, several, work, [])[:2] == [{"from": "now"}, {"from": "before"}]
    assert done == ["0", "2", "2"]  # what failed is tried again


def test_a_process_that_was_ended_is_explained(tmp_path: Path) -> None:
    ended = r"ended from outside.*fewer --jobs: what is done is kept"
    with examining.workers(2) as pool, pytest.raises(EvaluationError, match=ended):
        run(pool, jobs(tmp_path, "01"), _end, [])


def _end(one: Job) -> Record:
    os._exit(1)
