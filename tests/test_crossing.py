from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipaccord import crossing
from lipaccord.agreement import RATE_HZ
from lipaccord.assembly import InlineExecutor
from lipaccord.bundle import load_bundle
from lipaccord.crossing import LENGTHS_S, MEASURABLE, OTHERS, SPOKEN, WINDOWS, Heard, Meeting, load_heard, meetings
from lipaccord.errors import EvaluationError
from lipaccord.examining import Job, run
from lipaccord.matching import ORIGINAL
from lipaccord.predictor import Predictor, load_predictor
from lipaccord.records import SpeechFeatures
from lipaccord.settings import Settings
from lipaccord.speech import KINDS

Place = crossing.Place


def silent(seconds: float = 12.0, **changes: Any) -> Heard:
    """Return a clip of which only lengths count: speech throughout, over a mouth that is always known."""
    count = round(seconds * RATE_HZ)
    base = Heard(
        np.zeros((count, 2), np.float32), np.ones(count, bool), np.zeros((count, 3), np.float32), np.ones(count), 80.0
    )
    return dataclasses.replace(base, **changes)


def places(windows: list[Place], seconds: int) -> list[float]:
    return [start / RATE_HZ for _, start, length in windows if length == seconds * RATE_HZ]


def test_windows_of_each_length_lie_side_by_side_from_the_start() -> None:
    windows = silent(12.0).windows("ab")
    assert {sha256 for sha256, _, _ in windows} == {"ab"}
    assert (places(windows, 3), places(windows, 5), places(windows, 10)) == ([0, 3, 6], [0, 5], [0])
    assert len(places(silent(60.0).windows("ab"), 10)) == WINDOWS
    assert {length / RATE_HZ for _, _, length in silent(60.0).windows("ab")} == set(LENGTHS_S)


@pytest.mark.parametrize(("seconds", "count"), [(2.99, 0), (3.0, 1), (5.99, 2), (6.0, 3)])
def test_a_window_must_fit(seconds: float, count: int) -> None:
    assert len(silent(seconds).windows("ab")) == count


def test_windows_must_be_spoken_and_measurable() -> None:
    speech, observed = np.ones(1200, bool), np.zeros((1200, 3), np.float32)
    speech[: round((1 - SPOKEN) * 300) + 1] = False  # of the first 3 s, a little too much
    observed[300 : 300 + round((1 - MEASURABLE) * 300) + 1] = np.nan  # and of the second
    speech[600 : 600 + round((1 - SPOKEN) * 300)] = False  # the third has just enough of both
    observed[600 : 600 + round((1 - MEASURABLE) * 300)] = np.nan
    assert places(silent(speech=speech, observed=observed).windows("ab"), 3) == [6, 9]


def job(name: str, folder: Path = Path("out")) -> Job:
    return Job(Path(f"{name}.mp4"), name.ljust(64, "0"), ORIGINAL, folder, "stamp", None, Settings())


def dealt(people: list[str], seconds: float = 12.0) -> list[Meeting]:
    """Deal out the windows of as many clips, each of the person named."""
    jobs = [job(f"{n:02}") for n in range(len(people))]
    return meetings(jobs, people, [silent(seconds).windows(one.sha256) for one in jobs])


def test_windows_meet_others_of_their_length_and_never_their_own_group() -> None:
    people = ["anna", "anna", "berta", "carla", "dora", "anna", "berta"]
    group_of = {job(f"{n:02}").sha256: person for n, person in enumerate(people)}
    for meeting in dealt(people):
        mine = group_of[meeting.job.sha256]
        assert len(meeting.own) == len(meeting.others) == 6
        for own, others in zip(meeting.own, meeting.others, strict=True):
            assert own[0] == meeting.job.sha256
            assert {other[2] for other in others} == {own[2]}
            assert mine not in {group_of[other[0]] for other in others}
            assert len(others) == len(set(others)) == min(OTHERS, len(others))
        assert set(meeting.jobs) == {other[0] for others in meeting.others for other in others}


def test_who_meets_whom_depends_on_the_two_alone() -> None:
    people = [f"p{n}" for n in range(6)]
    jobs = [job(f"{n:02}") for n in range(6)]
    windows = [silent().windows(one.sha256) for one in jobs]
    first = {one.job.sha256: one for one in meetings(jobs, people, windows)}
    turned = {one.job.sha256: one for one in meetings(jobs[::-1], people[::-1], windows[::-1])}
    assert {key: (one.own, one.others) for key, one in first.items()} == {
        key: (one.own, one.others) for key, one in turned.items()
    }
    # With one clip more, those that are met are the old ones, but for whom it replaces.
    more = meetings([*jobs, job("99")], [*people, "p99"], [*windows, silent().windows(job("99").sha256)])
    for meeting in more[:6]:
        for others, before in zip(meeting.others, first[meeting.job.sha256].others, strict=True):
            assert [one for one in others if one[0] != job("99").sha256] == [one for one in before if one in others]


def test_windows_of_one_clip_meet_different_others() -> None:
    for meeting in dealt([f"p{n}" for n in range(12)])[:3]:
        assert len(set(meeting.others[:3])) == 3  # of its windows of 3 s
        assert {len(others) for others in meeting.others[:3]} == {OTHERS}


def test_one_person_meets_nobody() -> None:
    for meeting in dealt(["anna", "anna"]):
        assert set(meeting.others) == {()}
        assert meeting.jobs == {}


def test_a_result_is_kept_under_the_name_of_all_that_is_met() -> None:
    one, *rest = dealt(["anna", "berta", "carla"])
    assert one.kept_at == dealt(["anna", "berta", "carla"])[0].kept_at
    assert len({meeting.kept_at for meeting in (one, *rest, dealt(["anna", "berta"])[0])}) == 4
    assert one.kept_at.parent == one.job.heard.parent
    assert one.kept_at.name.startswith(one.job.heard.stem)


def kept(heard: Heard, path: Path) -> Path:
    path.write_bytes(crossing._saved(heard))
    return path


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    made = silent(3.0, motion=np.linspace(0, 1, 300))
    read = load_heard(kept(made, tmp_path / "a.npz"))
    for name in Heard.__slots__:
        assert np.array_equal(getattr(read, name), getattr(made, name))
        assert np.asarray(getattr(read, name)).dtype == np.asarray(getattr(made, name)).dtype
    assert isinstance(read.eyes_px, float)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))


def _member(name: str, value: Any) -> Callable[[Path], None]:
    """Put something else in place of one array; nothing for None."""

    def change(path: Path) -> None:
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays |= {} if value is None else {name: value}
        if value is None:
            del arrays[name]
        np.savez(path, **arrays)

    return change


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _no_array(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in Heard.__slots__:
            archive.writestr(f"{name}.npy", b"text")


def _one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"no arrays"),
    "cut short": _cut,
    "one bit": _flip,
    "a folder": _folder,
    "no zip of arrays": _no_array,
    "one array": _one_array,
    "an array missing": _member("motion", None),
    "objects": _member("motion", np.array([{}, None], object)),
    "several distances": _member("eyes_px", np.zeros(3)),
    "a distance in words": _member("eyes_px", np.array("far")),
    "arrays of other lengths": _member("speech", np.ones(7, bool)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_kept_arrays_that_are_damaged_are_named(tmp_path: Path, damage: str) -> None:
    path = kept(silent(3.0), tmp_path / "a.npz")
    DAMAGES[damage](path)
    with pytest.raises(EvaluationError, match=r"the kept sound .*a\.npz can't be read .*delete it and run again"):
        load_heard(path)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return load_predictor(load_bundle().files["predictor.safetensors"])


def speaking(predictor: Predictor, seed: int, seconds: float) -> Heard:
    """Return a clip whose mouth follows its own sound: what the predictor hears in it, and other movement."""
    generator = np.random.default_rng(seed)
    kind, count = predictor.shape.features, round(seconds * RATE_HZ)
    loudness = np.cumsum(generator.normal(size=(count, KINDS[kind])), axis=0)
    values = (np.diff(loudness, axis=0, prepend=0) + np.sin(np.arange(count) / 12 + seed)[:, None]).astype(np.float32)
    mean, _ = predictor.hear(SpeechFeatures(kind, np.arange(count) / RATE_HZ, values))
    observed = (mean + 0.5 * mean.std(axis=0) * generator.normal(size=mean.shape)).astype(np.float32)
    return Heard(values, np.ones(count, bool), observed, np.full(count, 0.03), 80.0)


def crossed(predictor: Predictor, folder: Path, people: list[str], seconds: float) -> list[dict[str, Any]]:
    """Cross made clips, one of each person; return the rows of the first."""
    for name in ("results", "tracks"):
        (folder / name).mkdir(exist_ok=True)
    jobs = [job(f"{n:02}", folder) for n in range(len(people))]
    clips = [speaking(predictor, n, seconds) for n in range(len(people))]
    for one, heard in zip(jobs, clips, strict=True):
        kept(heard, one.heard_at)
    windows = [heard.windows(one.sha256) for one, heard in zip(jobs, clips, strict=True)]
    first = meetings(jobs, people, windows)[0]
    [record] = run(InlineExecutor(), [first], crossing.meet, lambda one: one.kept_at, lambda share: None)
    assert not isinstance(record, str), record
    assert json.loads(first.kept_at.read_text()) == record
    rows: list[dict[str, Any]] = record["rows"]
    return rows


def test_own_sound_fits_better_than_any_other(predictor: Predictor, tmp_path: Path) -> None:
    rows = crossed(predictor, tmp_path, ["anna", "berta", "carla"], 6.5)
    own = [row for row in rows if row["truth"] == 0]
    others = [row for row in rows if row["truth"] == 1]
    assert [(row["start_s"], row["length_s"]) for row in own] == [(0, 3), (3, 3), (0, 5)]
    assert len(others) == 2 * 4 + 2
    for row in own:
        assert (row["sound"], row["sound_start_s"]) == (job("00").sha256, row["start_s"])
        assert abs(row["details"]["offset_s"]) < 0.05
        same = [other for other in others if (other["start_s"], other["length_s"]) == (row["start_s"], row["length_s"])]
        assert row["score"] < min(other["score"] for other in same) - 1
    for row in others:
        assert row["sound"] != job("00").sha256
    for row in rows:
        assert row["conditions"] == {"speech_s": row["details"]["examined_s"], "eyes_px": 80.0}
        assert 0.9 * row["length_s"] < row["conditions"]["speech_s"] <= row["length_s"]
        assert row["abstained"] == []


def test_a_window_in_which_the_cue_abstains_says_why(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "tracks").mkdir()
    still = dataclasses.replace(speaking(predictor, 0, 3.0), motion=np.zeros(300))
    one = job("00", tmp_path)
    kept(still, one.heard_at)
    [row] = crossing.meet(Meeting(one, tuple(still.windows(one.sha256)), ((),), {}))["rows"]
    assert (row["score"], row["abstained"]) == (None, ["still_mouth"])
    assert row["conditions"]["speech_s"] > 2.5


def test_kept_arrays_that_are_damaged_cost_their_clip_alone(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir()
    one = job("00", tmp_path)
    kept(silent(3.0), one.heard_at)
    _cut(one.heard_at)
    [text] = run(
        InlineExecutor(),
        [Meeting(one, (), (), {})],
        crossing.meet,
        lambda meeting: meeting.kept_at,
        lambda share: None,
    )
    assert isinstance(text, str)
    assert "delete it and run again" in text


def test_a_clip_is_heard_beside_its_own_mouth(fixture_clip: Callable[[str], Path], tmp_path: Path) -> None:
    from lipaccord.examining import examine

    for name in ("results", "tracks"):
        (tmp_path / name).mkdir()
    clip = fixture_clip("synthetic")
    settings = Settings(end_s=3.1)
    one = Job(clip, "c" * 64, ORIGINAL, tmp_path, "stamp", None, settings)
    examined = examine(one)
    assert examined["face"] is not None
    one = dataclasses.replace(one, face=examined["face"])
    record = crossing.hear(one)
    heard = load_heard(one.heard_at)
    assert json.loads(one.heard.read_text()) == json.loads(json.dumps(record))
    assert [tuple(window) for window in record["windows"]] == heard.windows(one.sha256) == [("c" * 64, 0, 300)]
    [row] = crossing.meet(Meeting(one, ((one.sha256, 0, 300),), ((),), {}))["rows"]
    whole = examined["analysis"]["findings"]["sync"]
    assert row["score"] == pytest.approx(whole["score"], abs=0.5)  # a tenth of a second less is heard
    assert row["conditions"]["eyes_px"] == pytest.approx(whole["conditions"]["eyes_px"], rel=0.01)
