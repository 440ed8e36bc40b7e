"""Mouth motion of faces that are turned, moved and scaled by known amounts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord import mouth
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.mouth import MIN_SCORE, REFERENCE, mouth_motion
from lipaccord.records import FaceTrack, LandmarkLayout

Array = NDArray[np.float64]
OPENING, WIDTH = 0.2, 0.8


def solid(layout: LandmarkLayout) -> Array:
    """Return a face in inter-ocular units [shape=(L, 3)]: the reference, a nose and an open mouth."""
    points = np.random.default_rng(1).uniform(-1, 1, (layout.count, 3))
    nose = list(layout.rings["nose"])
    points[nose] = np.stack([np.linspace(-0.2, 0.2, len(nose)), np.full(len(nose), 0.5), np.full(len(nose), -0.44)], 1)
    points[nose[0], 0], points[nose[1:], 0] = 0.0, np.linspace(-0.2, 0.2, len(nose) - 1)
    points[list(layout.rigid)] = REFERENCE[layout.name]
    points[list(layout.lips), :2] += (0.0, 1.1)
    for upper, lower in layout.inner_lip_pairs:
        points[upper] = (0.0, 1.0, -0.4)
        points[lower] = (0.0, 1.0 + OPENING, -0.4)
    right, left = layout.mouth_corners
    points[right], points[left] = (-WIDTH / 2, 1.1, -0.2), (WIDTH / 2, 1.1, -0.2)
    return points


def turned(points: Array, yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Array:
    """Turn a face by pitch, then yaw, then roll: to look down, to the picture's right, and clockwise."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    down = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    right = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    clockwise = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.asarray(points @ (np.array(clockwise) @ right @ down).T)


def track(layout: LandmarkLayout, faces: list[Array], score: float = 0.9) -> FaceTrack:
    """Put faces in pixels [shape=(L, 3)] on a track; one of NaN is unseen."""
    points = np.stack(faces)
    seen = np.isfinite(points[:, 0, 0])
    return FaceTrack(
        id="face-1",
        layout=layout,
        times_s=np.arange(len(faces)) / 25,
        frames=np.arange(len(faces)),
        points=points[:, :, :2].astype(np.float32),
        depth=points[:, :, 2].astype(np.float16) if layout is MEDIAPIPE_478 else None,
        scores=np.where(seen, score, 0).astype(np.float32),
    )


def placed(face: Array, eyes_px: float = 100.0, center: tuple[float, float] = (320.0, 240.0)) -> Array:
    return face * eyes_px + (*center, 0.0)


def unseen(layout: LandmarkLayout) -> Array:
    return np.full((layout.count, 3), np.nan)


@pytest.fixture(params=[MEDIAPIPE_478, IBUG_68], ids=lambda layout: layout.name)
def layout(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_references_are_symmetrical_with_their_eyes_one_apart(layout: LandmarkLayout) -> None:
    reference = np.array(REFERENCE[layout.name])
    place = {point: k for k, point in enumerate(layout.rigid)}
    right, left = ([place[corner] for corner in eye] for eye in (layout.right_eye, layout.left_eye))
    np.testing.assert_allclose(reference[right].mean(axis=0), (-0.5, 0, 0), atol=1e-9)
    np.testing.assert_allclose(reference[left].mean(axis=0), (0.5, 0, 0), atol=1e-9)
    mirrored = reference * (-1, 1, 1)
    np.testing.assert_allclose(sorted(mirrored.tolist()), sorted(reference.tolist()))


POSES = [
    (0, 0, 0),
    (20, 0, 0),
    (-34, 0, 0),
    (0, 25, 0),
    (0, -34, 0),
    (0, 0, 40),
    (0, 0, -170),
    (30, -20, 15),
    (-25, 30, -60),
    (34, 34, 90),
]


@pytest.mark.parametrize(("eyes_px", "center"), [(30.0, (60.0, 40.0)), (100.0, (320.0, 240.0)), (400.0, (900.0, 10.0))])
def test_a_rigid_motion_leaves_the_lips_where_they_are(eyes_px: float, center: tuple[float, float]) -> None:
    face = solid(MEDIAPIPE_478)
    motion = mouth_motion(track(MEDIAPIPE_478, [placed(turned(face, *pose), eyes_px, center) for pose in POSES]))
    wanted = face[list(MEDIAPIPE_478.lips), :2]
    np.testing.assert_allclose(motion.lips, np.broadcast_to(wanted, motion.lips.shape), atol=1e-3)
    np.testing.assert_allclose(motion.pose_deg, POSES, atol=0.5)
    np.testing.assert_allclose(motion.interocular_px, eyes_px, rtol=1e-3)
    assert motion.valid.all()
    assert motion.exclusions == {}


def test_the_signs_of_the_pose_are_those_of_the_picture() -> None:
    """The nose is nearest to the camera: it moves to where the face turns; a clockwise roll lowers the left eye."""
    face = solid(MEDIAPIPE_478)
    nose, right_eye, left_eye = 195, 33, 263
    poses = [(10, 0, 0), (0, 10, 0), (0, 0, 10)]
    right, down, clockwise = (turned(face, *pose) for pose in poses)
    assert right[nose, 0] > face[nose, 0] + 0.05
    assert down[nose, 1] > face[nose, 1] + 0.05
    assert clockwise[left_eye, 1] > face[left_eye, 1]
    assert clockwise[right_eye, 1] < face[right_eye, 1]
    motion = mouth_motion(track(MEDIAPIPE_478, [placed(right), placed(down), placed(clockwise)]))
    assert (motion.pose_deg.diagonal() > 9).all()


def test_turning_the_picture_changes_the_roll_alone() -> None:
    face = turned(solid(MEDIAPIPE_478), 28, -12)
    motion = mouth_motion(track(MEDIAPIPE_478, [placed(turned(face, 0, 0, roll)) for roll in (-80, 0, 80)]))
    np.testing.assert_allclose(motion.pose_deg, [(28, -12, -80), (28, -12, 0), (28, -12, 80)], atol=0.1)


def test_opening_and_width_are_in_eye_distances(layout: LandmarkLayout) -> None:
    faces = []
    for factor in (0.0, 0.5, 1.0):
        face = solid(layout)
        for upper, lower in layout.inner_lip_pairs:
            face[lower] = face[upper] + (0.0, OPENING * factor, 0.0)
        corners = list(layout.mouth_corners)
        face[corners, 0] *= 1 + factor
        faces.append(placed(face, 80))
    motion = mouth_motion(track(layout, faces))
    np.testing.assert_allclose(motion.opening, [0, OPENING / 2, OPENING], atol=1e-3)
    np.testing.assert_allclose(motion.width, [WIDTH, WIDTH * 1.5, WIDTH * 2], atol=1e-3)
    assert motion.native_lips == layout.native_lips


def test_opening_is_the_mean_of_the_pairs(layout: LandmarkLayout) -> None:
    face = solid(layout)
    upper, lower = layout.inner_lip_pairs[0]
    face[lower] = face[upper] + (0.0, OPENING + 0.3, 0.0)
    [opening] = mouth_motion(track(layout, [placed(face)])).opening
    assert opening == pytest.approx(OPENING + 0.3 / len(layout.inner_lip_pairs), abs=1e-3)


@pytest.mark.parametrize("yaw", [-30.0, -12.0, 0.0, 20.0])
def test_without_depth_position_size_and_roll_are_removed(yaw: float) -> None:
    face = turned(solid(IBUG_68), yaw, 5)
    faces = [
        placed(turned(face, 0, 0, roll), eyes_px, center)
        for roll, eyes_px, center in ((0, 100, (0, 0)), (35, 50, (300, 90)), (-120, 222, (-80, 1000)))
    ]
    motion = mouth_motion(track(IBUG_68, faces))
    np.testing.assert_allclose(motion.lips, np.broadcast_to(motion.lips[:1], motion.lips.shape), atol=1e-3)
    np.testing.assert_allclose(motion.pose_deg[:, 2] - motion.pose_deg[0, 2], (0, 35, -120), atol=0.1)
    np.testing.assert_allclose(motion.interocular_px / motion.interocular_px[0], (1, 0.5, 2.22), rtol=1e-3)
    assert np.isnan(motion.pose_deg[:, :2]).all()


def test_a_frontal_face_without_depth_lies_on_the_reference() -> None:
    face = solid(IBUG_68)
    motion = mouth_motion(track(IBUG_68, [placed(turned(face, 0, 0, 20), 60)]))
    np.testing.assert_allclose(motion.lips[0], face[list(IBUG_68.lips), :2], atol=1e-3)
    assert motion.pose_deg[0, 2] == pytest.approx(20, abs=0.1)
    assert motion.interocular_px[0] == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize("roll", [0.0, 50.0])
def test_without_depth_a_face_turned_away_is_still_noticed(roll: float) -> None:
    """The yaw is an estimate from the nose: right to a few degrees."""
    yaws = [-50, -39, -31, -20, 0, 20, 31, 39, 50]
    motion = mouth_motion(track(IBUG_68, [placed(turned(solid(IBUG_68), yaw, 0, roll)) for yaw in yaws]))
    assert motion.valid.tolist() == [abs(yaw) < mouth.MAX_YAW_DEG for yaw in yaws]
    assert motion.exclusions == {"profile": 4}


@pytest.mark.parametrize("yaw", [-40.0, -10.0, 0.0, 25.0])
def test_the_yaw_without_depth_has_the_sign_of_the_yaw_with_it(yaw: float) -> None:
    points = placed(turned(solid(IBUG_68), yaw, 0, 30))[None, :, :2]
    assert mouth._flat_yaw(points, IBUG_68)[0] == pytest.approx(yaw, abs=3)


def test_each_frame_ruled_out_is_counted_by_its_first_reason() -> None:
    face = solid(MEDIAPIPE_478)
    faces = [
        placed(face),
        unseen(MEDIAPIPE_478),
        placed(turned(face, 36)),
        placed(turned(face, 0, -36)),
        placed(turned(face, 0, 36)),
        placed(turned(face, 34, 34)),
        placed(face, 13.8),
        placed(face, 14.2),
        placed(turned(face, 50), 10),
    ]
    motion = mouth_motion(track(MEDIAPIPE_478, faces))
    assert motion.valid.tolist() == [True, False, False, False, False, True, False, True, False]
    assert motion.exclusions == {"unseen": 1, "profile": 3, "too_small": 2}


@pytest.mark.parametrize(("above", "valid"), [(-0.01, False), (0.01, True)])
def test_a_face_of_low_score_is_occluded(layout: LandmarkLayout, above: float, valid: bool) -> None:
    score = MIN_SCORE[layout.name] + above
    faces = [placed(solid(layout)), placed(solid(layout), 5), unseen(layout)]
    motion = mouth_motion(track(layout, faces, score))
    assert motion.valid.tolist() == [valid, False, False]
    assert motion.exclusions == ({"unseen": 1, "too_small": 1} if valid else {"unseen": 1, "occluded": 2})


def test_unseen_frames_stay_unseen(layout: LandmarkLayout) -> None:
    faces = [placed(solid(layout)), unseen(layout), placed(solid(layout))]
    motion = mouth_motion(track(layout, faces))
    for values in (motion.lips, motion.opening, motion.width, motion.pose_deg, motion.interocular_px):
        assert np.isnan(values[1]).all()
    for values in (motion.lips, motion.opening, motion.width, motion.interocular_px):
        np.testing.assert_array_equal(values[0], values[2])
        assert np.isfinite(values[0]).all()
    np.testing.assert_array_equal(motion.times_s, [0, 0.04, 0.08])
    only = mouth_motion(track(layout, [unseen(layout)] * 2))
    assert only.exclusions == {"unseen": 2}


@pytest.mark.parametrize("place", [0.0, 300.0])
def test_points_without_extent_give_nothing(layout: LandmarkLayout, place: float) -> None:
    faces = [placed(solid(layout)), np.full((layout.count, 3), place)]
    motion = mouth_motion(track(layout, faces))
    for values in (motion.lips, motion.opening, motion.width, motion.pose_deg, motion.interocular_px):
        assert np.isnan(values[1]).all()
    assert motion.valid.tolist() == [True, False]
    assert motion.exclusions == {"too_small": 1}


def test_eyes_without_distance_are_not_measured() -> None:
    face = solid(IBUG_68)
    face[[*IBUG_68.right_eye, *IBUG_68.left_eye]] = 0
    motion = mouth_motion(track(IBUG_68, [placed(face)]))
    assert motion.exclusions == {"profile": 1}


def test_a_mirrored_face_is_turned_not_mirrored_back() -> None:
    """A reflection would lay it on the reference; a rotation can't, so the lips don't come to lie as in the face."""
    face = solid(MEDIAPIPE_478)
    motion = mouth_motion(track(MEDIAPIPE_478, [placed(face * (1, -1, 1))]))
    assert np.abs(motion.lips[0] - face[list(MEDIAPIPE_478.lips), :2]).max() > 0.3
    assert np.isfinite(motion.pose_deg).all()


@pytest.mark.parametrize("block", [1, 3, 4, 9, 10])
def test_where_a_block_ends_has_no_effect(layout: LandmarkLayout, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(5).normal(0, 0.02, (10, layout.count, 3))
    faces = [placed(turned(solid(layout) + noise[k], 3.0 * k, 0, 9.0 * k), 50 + k) for k in range(10)]
    faces[4] = unseen(layout)
    whole = mouth_motion(track(layout, faces))
    monkeypatch.setattr(mouth, "BLOCK", block)
    parts = mouth_motion(track(layout, faces))
    for name in ("lips", "opening", "width", "pose_deg", "interocular_px", "valid"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-6, atol=1e-6, err_msg=name)
    assert parts.exclusions == whole.exclusions
