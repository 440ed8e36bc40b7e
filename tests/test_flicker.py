from __future__ import annotations

import dataclasses
import functools
import json

import cv2
import numpy as np
import pytest

from filmed_face import (
    Edit,
    Shot,
    Whole,
    as_is,
    dimmed,
    film,
    halved,
    lower,
    rows_of,
    softened,
    tracks_of,
    untouched,
    with_noise,
)
from lipaccord.cues.flicker import LIMIT, MIN_FRAMES, FlickerCue, FlickerProbe
from lipaccord.landmarks.layouts import LAYOUTS
from lipaccord.records import Evidence, Image, Tracks
from lipaccord.registration import Registration


def _wobbling(shot: Shot) -> Image:
    return with_noise(shot.clean, 3 * np.asarray(cv2.GaussianBlur(shot.noise, (0, 0), 2.0), np.float32))


EDITS: dict[str, Edit] = {
    "untouched": untouched,
    "fresh texture": lower(lambda shot: with_noise(shot.filmed, 2 * shot.noise)),
    "no noise": lower(lambda shot: shot.clean),
    "wobbling": lower(_wobbling),
    "all fresh": lambda shot: with_noise(shot.filmed, 2 * shot.noise),
}
WHOLE: dict[str, Whole] = {"as is": as_is, "blurred": softened(1.0), "dimmed": dimmed, "halved": halved}


@functools.cache
def _tracks(edit: str, whole: str = "as is") -> Tracks:
    return tracks_of("flicker", FlickerProbe(), film(EDITS[edit], WHOLE[whole]))


@functools.cache
def _evidence(edit: str, whole: str = "as is") -> Evidence:
    return FlickerCue().measure(_tracks(edit, whole))


def _score(edit: str, whole: str = "as is") -> float:
    score = _evidence(edit, whole).score
    assert score is not None
    return score


def test_a_filmed_face_stays_in_the_authentic_range() -> None:
    evidence = _evidence("untouched")
    assert _score("untouched") < LIMIT
    assert "about as the rest of the face does" in evidence.summary
    assert evidence.segments == ()


def test_fresh_texture_in_every_frame_is_flicker() -> None:
    evidence = _evidence("fresh texture")
    assert _score("fresh texture") > LIMIT
    assert evidence.details["flicker"] > _evidence("untouched").details["flicker"] + 2
    assert evidence.details["steady"] == 0
    assert "flickers more" in evidence.summary


def test_a_lower_face_without_the_camera_s_noise_is_too_steady() -> None:
    evidence = _evidence("no noise")
    assert _score("no noise") > LIMIT
    assert evidence.details["steady"] == -evidence.details["level"] > 2
    assert "is steadier from frame to frame" in evidence.summary


def test_forms_that_wobble_under_no_noise_tilt_the_change() -> None:
    evidence = _evidence("wobbling")
    assert _score("wobbling") > LIMIT
    assert evidence.details["tilt"] > 3
    assert "coarser than in the rest of the face" in evidence.summary


@pytest.mark.parametrize("whole", ["blurred", "dimmed", "halved"])
def test_what_is_done_to_the_whole_picture_leaves_the_range_alone(whole: str) -> None:
    assert _score("untouched", whole) < LIMIT


def test_more_noise_in_the_whole_picture_leaves_the_range_alone() -> None:
    assert _score("all fresh") < LIMIT


def test_a_picture_too_soft_for_the_finer_band_is_judged_by_the_level_alone() -> None:
    evidence = FlickerCue().measure(tracks_of("flicker", FlickerProbe(), film(whole=softened(5.0))))
    assert evidence.score is not None
    assert evidence.details["tilt"] is None


def test_a_gain_cancels_exactly() -> None:
    tracks = _tracks("fresh texture")
    probe = tracks.probes["flicker"]
    energies = np.array([not name.startswith("moved") for name in probe.columns])
    brighter = dataclasses.replace(probe, values=(probe.values + 0.5 * energies).astype(np.float32))
    evidence = FlickerCue().measure(dataclasses.replace(tracks, probes={"flicker": brighter}))
    assert evidence.score == pytest.approx(_score("fresh texture"), abs=1e-4)


def test_a_flickering_stretch_is_found_in_time() -> None:
    fresh = lower(lambda shot: with_noise(shot.filmed, 4 * shot.noise))
    views = film(lambda shot: fresh(shot) if shot.index >= 40 else shot.filmed, frames=80)
    evidence = FlickerCue().measure(tracks_of("flicker", FlickerProbe(), views))
    assert len(evidence.segments) == 1
    assert evidence.segments[0].interval.start_s == pytest.approx(1.6, abs=0.6)
    assert evidence.segments[0].interval.end_s > 2.9
    assert min(evidence.frames_s[:2]) > 1.4


def test_rows_rest_every_second_frame_and_repeated_pictures_are_left_out() -> None:
    views = film(frames=9)
    measured = np.isfinite(rows_of(FlickerProbe(), views).values).all(axis=1)
    np.testing.assert_array_equal(measured, [False, True] * 4 + [False])
    doubled = [dataclasses.replace(views[index // 2], frame=index, time_s=index / 50) for index in range(18)]
    measured = np.isfinite(rows_of(FlickerProbe(), doubled).values).all(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(measured), np.arange(2, 18, 2))


def test_few_frames_and_small_faces_are_not_judged() -> None:
    few = FlickerCue().measure(tracks_of("flicker", FlickerProbe(), film(frames=2 * MIN_FRAMES - 2)))
    assert [reason.code for reason in few.abstained] == ["too_few_frames"]
    small = FlickerCue().measure(tracks_of("flicker", FlickerProbe(), film(eyes_px=24.0)))
    assert [reason.code for reason in small.abstained] == ["too_small"]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_gives_evidence_that_is_json(name: str) -> None:
    evidence = FlickerCue().measure(tracks_of("flicker", FlickerProbe(), film(frames=30, layout=LAYOUTS[name])))
    assert json.loads(json.dumps(evidence.details, allow_nan=False)) == evidence.details


def test_registration_lays_a_moved_picture_back() -> None:
    random = np.random.default_rng(0)
    picture = cv2.GaussianBlur(random.normal(128, 400, (96, 80)).astype(np.float32), (0, 0), 2.5)
    matrix = np.array([[1.0, 0.0, 1.3], [0.0, 1.0, -0.8]])
    moved = np.asarray(cv2.warpAffine(picture, matrix, (80, 96), flags=cv2.INTER_CUBIC, borderMode=2), np.float32)
    laid, distance = Registration(96, 80).lay(np.asarray(picture, np.float32), moved)
    middle = (slice(12, -12), slice(12, -12))
    assert np.abs(moved - laid)[middle].mean() < 0.15 * np.abs(moved - picture)[middle].mean()
    assert np.median(distance[middle]) == pytest.approx(np.hypot(1.3, 0.8), abs=0.1)
