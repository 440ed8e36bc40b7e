from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lipaccord.media import open_clip
from lipaccord.source.alignment import SoundAgreement
from lipaccord.source.deciding import COPIES, LIMIT, Course, decide, p_of, running_median, wander
from lipaccord.source.exhibit import Exhibit, exhibit
from lipaccord.source.laying import PICTURES
from lipaccord.source.showing import Board, show
from made_exhibits import Knowing, aligned, frames, otherwise, write

TOGETHER = SoundAgreement(True, 0.95, 0.0, 5.0)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {
        "source": write(folder / "source.mp4", frames(30)),
        "copy": write(folder / "copy.mp4", frames(30), crf=30),
        "altered": write(folder / "altered.mp4", frames(30, otherwise), crf=26),
    }


@pytest.fixture(scope="module")
def altered(films: dict[str, Path]) -> Exhibit:
    return exhibit(films["altered"], films["source"], aligned(), backend=Knowing())


@pytest.fixture(scope="module")
def copied(films: dict[str, Path]) -> Exhibit:
    return exhibit(films["copy"], films["source"], aligned(), backend=Knowing())


def course(lower: float | list[float] = 0.0, **other: object) -> Course:
    values = np.broadcast_to(np.asarray(lower, float), (50,)).copy()
    times = np.arange(50) / 25
    still = Course(
        times_s=times,
        source_s=times,
        lower=values,
        upper=np.zeros(50),
        whole=values,
        covered=np.zeros(50),
        correlation=np.full(50, 0.99),
        levels=np.full(50, 2.0),
        place=np.zeros((50, 2)),
        eyes_px=80.0,
        paired=50,
    )
    return dataclasses.replace(still, **other)  # type: ignore[arg-type]


def test_another_mouth_is_told_from_the_source(altered: Exhibit) -> None:
    assert altered.status == "mouth_altered"
    assert altered.statistic is not None
    assert altered.statistic > LIMIT
    assert altered.p == pytest.approx(1 / (COPIES + 1), rel=0.5)
    assert altered.share_altered > 0.8
    assert altered.segments[0].start_s < 0.3
    assert not altered.face_altered


def test_a_copy_is_the_same_recording(copied: Exhibit, altered: Exhibit) -> None:
    assert copied.status == "same_recording"
    assert copied.segments == ()
    assert copied.p is not None
    assert altered.p is not None
    assert copied.p > altered.p


def test_a_file_beside_itself_is_the_same_recording(films: dict[str, Path]) -> None:
    same = exhibit(films["source"], films["source"], aligned(), backend=Knowing())
    assert (same.status, same.statistic, same.share_altered) == ("same_recording", 0.0, 0.0)


def test_another_sound_over_the_same_picture_is_told(films: dict[str, Path]) -> None:
    found = exhibit(films["copy"], films["source"], aligned(same_sound=False), backend=Knowing())
    assert found.status == "sound_replaced"
    assert "other_sound" in {one.code for one in found.reasons}


def test_the_pictures_show_the_moments_of_largest_difference(altered: Exhibit) -> None:
    assert 0 < len(altered.pictures) <= PICTURES
    shown = altered.pictures[0]
    assert shown.clip.shape == shown.source.shape == shown.heat.shape == (416, 320, 3)
    assert shown.heat[250:340].max() > 200 > shown.heat[40:120].max()


def test_the_record_goes_into_json(altered: Exhibit) -> None:
    values = json.loads(json.dumps(altered.to_values(), allow_nan=False))
    assert values["status"] == "mouth_altered"
    assert values["registration"]["frames_registered"] == 30
    assert values["series"]["source.lower"]["times_s"][1] == pytest.approx(0.04)
    assert values["fitted"]["gain_luma"] == pytest.approx(1, abs=0.1)


def test_a_part_of_the_clip_is_laid_beside(films: dict[str, Path]) -> None:
    found = exhibit(films["altered"], films["source"], aligned(), start_s=0.2, end_s=0.8, backend=Knowing())
    assert found.registration["frames_registered"] == 15


def test_a_source_without_pictures_at_these_times_is_said(films: dict[str, Path]) -> None:
    found = exhibit(films["copy"], films["source"], aligned(50.0), backend=Knowing())
    assert found.status == "not_examinable"
    assert found.reasons[0].code == "not_paired"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"paired": 5}, "too_few_frames"),
        ({"paired": 200}, "not_registered"),
        ({"eyes_px": 12.0}, "too_small"),
        ({"lower": np.full(50, np.nan)}, "covered"),
    ],
)
def test_what_can_not_be_told_has_a_reason_and_a_remedy(change: dict[str, object], code: str) -> None:
    decision = decide(course(**change), TOGETHER)  # type: ignore[arg-type]
    assert decision.status == "not_examinable"
    assert [one.code for one in decision.reasons] == [code]
    assert decision.reasons[0].remedy


def test_pictures_that_move_against_each_other_are_another_recording() -> None:
    place = np.stack([2 * np.sin(np.arange(50)), np.zeros(50)], axis=1)
    assert decide(course(0.5, place=place), TOGETHER).status == "different_recording"


@pytest.mark.parametrize(
    ("correlation", "levels", "status"),
    [
        (0.9, 3.0, "different_recording"),
        (0.97, 9.0, "different_recording"),
        (0.97, 3.0, "mouth_altered"),
        (0.99, 9.0, "mouth_altered"),
    ],
)
def test_a_picture_that_agrees_too_little_is_another_recording(correlation: float, levels: float, status: str) -> None:
    poor = course(0.5, correlation=np.full(50, correlation), levels=np.full(50, levels))
    assert decide(poor, TOGETHER).status == status


def test_a_crop_that_pans_slowly_is_none() -> None:
    place = np.stack([np.linspace(0, 20, 50), np.zeros(50)], axis=1)
    assert wander(course(place=place)) < 0.5 * wander(course(place=place * [[1.0, 0]] + np.sin(np.arange(50))[:, None]))
    assert decide(course(0.5, place=place), TOGETHER).status == "mouth_altered"


def test_a_second_of_another_mouth_is_found_in_a_longer_clip() -> None:
    lower = np.zeros(200)
    lower[60:95] = 0.6
    times = np.arange(200) / 25
    longer = course(lower=0.0)
    longer = dataclasses.replace(
        longer,
        times_s=times,
        source_s=times,
        lower=lower,
        whole=lower,
        upper=np.zeros(200),
        covered=np.zeros(200),
        correlation=np.full(200, 0.99),
        levels=np.full(200, 2.0),
        place=np.zeros((200, 2)),
        paired=200,
    )
    decision = decide(longer, TOGETHER)
    assert decision.status == "mouth_altered"
    assert decision.share_altered == pytest.approx(0.175, abs=0.02)
    assert decision.segments[0].start_s == pytest.approx(2.4, abs=0.1)
    assert decision.segments[0].end_s == pytest.approx(3.8, abs=0.1)


def test_single_frames_that_went_wrong_count_for_nothing() -> None:
    lower = np.zeros(50)
    lower[[7, 21, 40]] = 2.0
    decision = decide(course(list(lower)), TOGETHER)
    assert decision.status == "same_recording"
    assert decision.segments == ()


def test_a_face_that_is_another_altogether_is_said() -> None:
    decision = decide(course(0.1, upper=np.full(50, 0.8)), TOGETHER)
    assert decision.status == "mouth_altered"
    assert decision.face_altered


def test_p_falls_with_the_statistic_and_grows_with_the_looks() -> None:
    values = [p_of(level, 1) for level in (-1.0, 0.05, 0.1, 0.15, 0.19, 3.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(1 / (COPIES + 1))
    assert p_of(3.0, 10) == pytest.approx(10 / (COPIES + 1))


def test_a_running_median_needs_enough_values() -> None:
    values = np.array([1.0, np.nan, 3.0, 5.0])
    assert running_median(np.arange(4.0), values, 2.0, 2).tolist()[2:] == [4.0, 4.0]
    assert np.isnan(running_median(np.arange(4.0), values, 2.0, 2)[0])


def test_the_viewing_copy_has_every_frame_and_the_sound(
    films: dict[str, Path], altered: Exhibit, tmp_path: Path
) -> None:
    out = tmp_path / "exhibit.mp4"
    show(films["altered"], films["source"], aligned(), altered, out, backend=Knowing())
    board = Board(altered)
    with open_clip(out) as reader:
        shown = list(reader.frames())
        assert reader.sound().duration_s == pytest.approx(1.2, abs=0.1)
    assert len(shown) == 30
    assert shown[0].image.shape == (board.height // 2 * 2, board.width // 2 * 2, 3)
    clip, source = shown[12].image[60:460, 10:320].astype(float), shown[12].image[60:460, 340:650].astype(float)
    assert np.abs(clip[:180] - source[:180]).mean() < 12


def test_a_frame_without_the_face_says_so(altered: Exhibit) -> None:
    board = Board(altered)
    nothing = board.draw(0.5, None)
    assert nothing.shape == (board.height, board.width, 3)
    assert (nothing[100:200, 20:300] == nothing[100, 20]).all()
