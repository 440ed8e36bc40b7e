from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from drawn_face import face_points, face_track, skin
from lipaccord import matching
from lipaccord.corruptions import rescaled
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.matching import RUNGS, choose_rung, choose_rungs, forehead_detail, frame_detail
from lipaccord.pipeline import analyze
from lipaccord.records import Image
from lipaccord.settings import Settings
from lipaccord.treatments import treat, treatment_named

EYES_PX = 90.0
SIDE = 420
POINTS = face_points(MEDIAPIPE_478, EYES_PX, (SIDE / 2, 0.36 * SIDE))
TRACK = face_track(MEDIAPIPE_478, [POINTS])


def detail(image: Image) -> float:
    return frame_detail(image, POINTS, TRACK)


def blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def people(count: int, center: float, start: int = 0) -> list[tuple[float, str]]:
    """Details of one clip each of `count` people, evenly spread about a centre."""
    return [(center + 0.01 * (number - (count - 1) / 2), f"person {start + number}") for number in range(count)]


def test_a_softer_picture_has_a_forehead_of_less_detail() -> None:
    image = skin(SIDE, SIDE, 0, 20.0)
    levels = [detail(image), detail(blurred(image, 0.7)), detail(blurred(image, 1.5))]
    assert levels[0] > levels[1] + 0.1 > levels[2] + 0.2


def test_the_lower_face_does_not_enter_the_control() -> None:
    image = skin(SIDE, SIDE, 0, 20.0)
    painted = image.copy()
    half = int(POINTS.xy[MEDIAPIPE_478.rings["nose"], 1].mean())
    painted[half:] = blurred(image, 3.0)[half:]
    assert detail(painted) == pytest.approx(detail(image), abs=1e-3)


def test_the_contrast_of_the_picture_does_not_enter_the_control() -> None:
    assert detail(skin(SIDE, SIDE, 0, 10.0)) == pytest.approx(detail(skin(SIDE, SIDE, 0, 30.0)), abs=0.05)


def test_shrinking_takes_detail_from_the_forehead() -> None:
    image, rng = skin(SIDE, SIDE, 0, 20.0), np.random.default_rng(0)
    assert detail(image) > detail(rescaled(0.7, image, rng)) > detail(rescaled(0.5, image, rng))


def test_the_rung_is_chosen_at_which_the_forehead_tells_least() -> None:
    authentic = {"gentle": people(10, 0.0), "middle": people(10, -0.5), "harsh": people(10, -1.0)}
    choice = choose_rung(people(10, -0.51), authentic)
    assert choice is not None
    assert choice.rung == "middle"
    assert choice.controls["gentle"] == 1.0
    assert choice.controls["middle"] == pytest.approx(0.5, abs=0.15)
    assert choice.controls["harsh"] == 0.0


def test_of_two_equal_rungs_the_gentler_is_chosen() -> None:
    choice = choose_rung(people(6, 0.0), {"gentle": people(6, 5.0), "harsh": people(6, -5.0)})
    assert choice is not None
    assert choice.rung == "gentle"


def test_the_same_people_go_before_others_where_there_are_enough() -> None:
    # The fakes' own people lose as much at "harsh" as the fakes did; strangers would point to "gentle".
    fakes, strangers = people(8, -1.0), people(30, -1.0, start=100)
    authentic = {
        "gentle": people(8, 0.0) + strangers,
        "harsh": people(8, -1.0) + [(detail - 1, group) for detail, group in strangers],
    }
    choice = choose_rung(fakes, authentic)
    assert choice is not None
    assert (choice.rung, choice.reference) == ("harsh", "same groups")
    few = choose_rung(fakes[:7], authentic)
    assert few is not None
    assert (few.rung, few.reference) == ("gentle", "all authentic")


def test_methods_of_few_clips_share_a_rung() -> None:
    authentic = {"gentle": people(20, 0.0), "harsh": people(20, -1.0)}
    fakes = {"many": people(9, 0.0), "one": people(1, 0.0), "three": people(3, -1.0)}
    rungs = {method: choice.rung for method, choice in choose_rungs(fakes, authentic).items()}
    assert rungs == {"many": "gentle", "one": "harsh", "three": "harsh"}


def test_without_one_of_the_classes_there_is_no_choice() -> None:
    assert choose_rung([], {"gentle": people(3, 0.0)}) is None
    assert choose_rung(people(3, 0.0), {"gentle": [], "harsh": []}) is None
    assert choose_rungs({"method": people(9, 0.0)}, {}) == {}


def test_the_rungs_have_names_of_their_own() -> None:
    names = [rung.name for rung in RUNGS]
    assert len(set(names)) == len(names)
    assert matching.ORIGINAL not in names
    assert [rung.severity for rung in RUNGS] == list(range(1, len(RUNGS) + 1))


def test_every_harsher_rung_leaves_the_forehead_less_detail(
    fixture_clip: Callable[[str], Path], tmp_path: Path
) -> None:
    path, tracks = fixture_clip("synthetic"), tmp_path / "tracks.npz"
    analysis = analyze(path, settings=Settings(end_s=2.0), save_tracks=tracks)
    [face] = [face.id for face in analysis.faces if face.speaking]

    def measured(clip: Path) -> float:
        value = forehead_detail(clip, tracks, face, end_s=2.0)
        assert value is not None
        return value

    details = [measured(path)]
    for name in ("crf18", "crf31", "crf24-scale0.5"):
        out = tmp_path / f"{name}.mp4"
        treat(path, treatment_named(name), out, end_s=2.0)
        details.append(measured(out))
    original, gentle, harsh, small = details
    assert gentle == pytest.approx(original, abs=0.05)
    assert max(harsh, small) < original - 0.05


def test_a_face_that_is_hardly_seen_has_no_control(fixture_clip: Callable[[str], Path], tmp_path: Path) -> None:
    path, tracks = fixture_clip("synthetic"), tmp_path / "tracks.npz"
    analyze(path, settings=Settings(end_s=0.5), save_tracks=tracks)
    assert forehead_detail(path, tracks, "face-1", end_s=0.5) is None
