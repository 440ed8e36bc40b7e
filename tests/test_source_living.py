from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from drawn_face import face_points, face_track
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceTrack, FloatArray, LandmarkLayout
from lipaccord.source.living import PLACES, is_still, life_of, mirrored
from lipaccord.source.signature import CHANNELS
from made_signatures import life, times

FACE = [name not in {"position_x", "position_y", "size"} for name in CHANNELS]
WIDTH = 640


def _swaying(layout: LandmarkLayout, eyes_px: float = 80.0, shift: float = 0.0, seed: int = 0) -> FaceTrack:
    """Return a head that sways and whose points move each by themselves, at any size and place."""
    rng = np.random.default_rng(seed)
    points: list[FacePoints | None] = []
    for angle in np.linspace(0, 6, 40):
        centre = ((300 + 10 * np.sin(angle)) * eyes_px / 80 + shift, (200 + 6 * np.cos(angle)) * eyes_px / 80)
        placed = face_points(layout, eyes_px, centre, 3 * np.sin(angle + 1))
        own = rng.normal(size=placed.xy.shape).astype(np.float32) * np.float32(0.02 * eyes_px)
        points.append(FacePoints(placed.xy + own, None, 1.0))
    return face_track(layout, points)


def _about_its_mean(measured: FloatArray) -> FloatArray:
    known = measured[:, np.isfinite(measured).all(axis=0)]
    centred: FloatArray = known - known.mean(axis=0)
    return centred


def _missing(layout: LandmarkLayout) -> list[str]:
    measured = life_of(_swaying(layout))
    return [name for number, name in enumerate(CHANNELS) if not np.isfinite(measured[:, number]).all()]


def _turned(xy: FloatArray, pairs: list[tuple[int, int]]) -> FloatArray:
    turned = xy.copy()
    turned[..., 0] = WIDTH - 1 - turned[..., 0]
    for one, other in pairs:
        turned[:, [one, other]] = turned[:, [other, one]]
    return turned


@pytest.mark.parametrize("layout", [MEDIAPIPE_478, IBUG_68], ids=lambda layout: layout.name)
def test_size_and_place_do_not_matter(layout: LandmarkLayout) -> None:
    one, other = life_of(_swaying(layout)), life_of(_swaying(layout, 160.0, 50.0))
    moves = [_about_its_mean(life) for life in (one, other)]
    assert np.nanmax(np.abs(one[:, FACE] - other[:, FACE])) < 1e-3
    assert np.abs(moves[0] - moves[1]).max() < 1e-3


def test_a_new_mouth_and_chin_do_not_matter() -> None:
    track = _swaying(MEDIAPIPE_478)
    points = track.points.copy()
    rings = MEDIAPIPE_478.rings
    points[:, [*rings["outer_lips"], *rings["inner_lips"], *rings["chin"]]] += 9.0
    assert np.array_equal(life_of(track), life_of(dataclasses.replace(track, points=points)), equal_nan=True)


def test_every_channel_but_the_pose_without_depth_is_measured() -> None:
    assert _missing(MEDIAPIPE_478) == ["yaw", "pitch"]
    assert _missing(IBUG_68) == ["gaze_x", "gaze_y", "yaw", "pitch"]


def test_a_mirrored_head_has_the_mirrored_life() -> None:
    places = PLACES[MEDIAPIPE_478.name]
    track = _swaying(MEDIAPIPE_478)
    (right, left), (brow, other_brow) = places.lids, places.brows
    pairs = [*zip(right[0], left[0], strict=True), *zip(right[1], left[1], strict=True)]
    pairs += [*zip(brow, other_brow, strict=True), (places.irises[0], places.irises[1])]
    pairs += [*zip(MEDIAPIPE_478.right_eye, MEDIAPIPE_478.left_eye, strict=True)]
    turned = life_of(dataclasses.replace(track, points=_turned(track.points, pairs)))
    expected = mirrored(life_of(track))
    assert np.abs(_about_its_mean(turned) - _about_its_mean(expected)).max() < 1e-3
    assert np.nanmax(np.abs(turned[:, FACE] - expected[:, FACE])) < 1e-3


def test_gaps_stay_gaps() -> None:
    points: list[FacePoints | None] = [face_points(MEDIAPIPE_478, 80.0, (300.0, 200.0)) for _ in range(30)]
    points[7] = None
    measured = life_of(face_track(MEDIAPIPE_478, points))
    assert np.isnan(measured[7]).all()
    assert np.isfinite(measured[8, 0])


def test_a_still_picture_is_told_from_a_head_that_lives() -> None:
    clock = times(10.0)
    assert not is_still(clock, life(1, clock))
    assert is_still(clock, life(1, clock, size=0.0, noise=0.2))
    frozen = life(1, np.where(clock > 0.5, 0.5, clock), noise=0.2)
    assert is_still(clock, frozen)


def test_a_still_picture_that_the_camera_pans_over_is_still() -> None:
    clock = times(10.0)
    panned = life(1, clock, size=0.0, noise=0.2)
    panned[:, 11:] += (clock * 0.1)[:, None]
    assert is_still(clock, panned)
