from __future__ import annotations

import cv2
import numpy as np
import pytest

from drawn_face import face_points, skin
from lipaccord.landmarks.layouts import LAYOUTS, MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceView, Frame, Image, LandmarkLayout
from lipaccord.regions import REGIONS
from lipaccord.views import BLOCK, EYES_PX, EYES_Y, HEIGHT, MARGIN, WIDTH, face_view, laid, level

SIDE = 420
CENTER = (210.0, 150.0)


def view_of(image: Image, points: FacePoints, layout: LandmarkLayout = MEDIAPIPE_478) -> FaceView:
    view = face_view(layout, Frame(7, 0.28, image), points)
    assert view is not None
    return view


def eyes(view: FaceView) -> list[tuple[float, float]]:
    """Eye centres in the level copy, right one first."""
    centers = [view.aligned_points[list(eye)].mean(axis=0) for eye in (view.layout.right_eye, view.layout.left_eye)]
    return [(float(x), float(y)) for x, y in centers]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
@pytest.mark.parametrize(("eyes_px", "roll_deg"), [(30.0, 0.0), (90.0, 33.0), (100.0, -90.0), (110.0, 180.0)])
def test_the_eyes_of_the_level_copy_are_always_at_the_same_places(name: str, eyes_px: float, roll_deg: float) -> None:
    layout = LAYOUTS[name]
    view = view_of(skin(SIDE, SIDE, 0), face_points(layout, eyes_px, (210.0, 210.0), roll_deg), layout)
    right, left = eyes(view)
    assert right == pytest.approx((WIDTH / 2 - EYES_PX / 2, EYES_Y), abs=0.01)
    assert left == pytest.approx((WIDTH / 2 + EYES_PX / 2, EYES_Y), abs=0.01)
    assert view.interocular_px == pytest.approx(eyes_px, rel=1e-4)
    assert (view.frame, view.time_s, view.layout) == (7, 0.28, layout)
    assert view.aligned.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(("eyes_px", "roll_deg"), [(45.0, 0.0), (90.0, 20.0), (150.0, -8.0), (270.0, 12.0)])
def test_the_pixels_go_where_the_points_go(eyes_px: float, roll_deg: float) -> None:
    side = int(5 * eyes_px)
    face = face_points(MEDIAPIPE_478, eyes_px, (side / 2 + 0.3, side / 2.7), roll_deg)
    tip = face.xy[list(MEDIAPIPE_478.rings["nose"])].mean(axis=0)
    image = np.zeros((side, side, 3), np.uint8)
    cv2.circle(
        image, (round(16 * tip[0]), round(16 * tip[1])), round(1.3 * eyes_px), (255, 255, 255), -1, cv2.LINE_AA, 4
    )
    view = view_of(image, face)
    rows, columns = np.indices(view.aligned_luma.shape)
    weight = view.aligned_luma.astype(float)
    found = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    nose = view.aligned_points[list(MEDIAPIPE_478.rings["nose"])].mean(axis=0)
    np.testing.assert_allclose(found, nose, atol=0.3)


def test_the_native_cut_is_a_piece_of_the_picture_on_the_grid_of_the_codec() -> None:
    image, face = skin(SIDE, SIDE, 1), face_points(MEDIAPIPE_478, 60.0, (201.0, 161.0))
    view = view_of(image, face)
    left, top = view.corner
    height, width = view.luma.shape
    assert left > 0
    assert top > 0
    assert (left % BLOCK, top % BLOCK) == (0, 0)
    np.testing.assert_array_equal(view.image, image[top : top + height, left : left + width])
    np.testing.assert_allclose(view.points + view.corner, face.xy, atol=1e-4)
    low, high = view.points.min(axis=0), view.points.max(axis=0)
    assert low.min() >= MARGIN * 60
    assert min(width - high[0], height - high[1]) >= MARGIN * 60


def test_luma_is_of_rgb() -> None:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, :, 0] = 200
    view = view_of(image, face_points(MEDIAPIPE_478, 60.0, CENTER))
    assert np.unique(view.luma) == pytest.approx(0.299 * 200, abs=1)
    assert np.unique(view.aligned_luma) == pytest.approx(0.299 * 200, abs=1)


def test_a_large_face_is_averaged_before_it_shrinks() -> None:
    board = np.where(np.indices((1200, 1200)).sum(axis=0) % 2 == 0, 255, 0).astype(np.uint8)
    image = np.repeat(board[:, :, None], 3, axis=2)
    view = view_of(image, face_points(MEDIAPIPE_478, 4 * EYES_PX, (600.0, 400.0)))
    assert view.aligned_luma.std() < 3
    assert view.aligned_luma.mean() == pytest.approx(127.5, abs=2)


def test_the_regions_of_the_level_copy_do_not_depend_on_the_size_or_turn_of_the_face() -> None:
    maps = []
    for eyes_px, roll_deg in ((40.0, 0.0), (90.0, 15.0), (200.0, -10.0)):
        side = int(5 * eyes_px)
        face = face_points(MEDIAPIPE_478, eyes_px, (side / 2, side / 2.5), roll_deg)
        maps.append(view_of(skin(side, side, 0), face).regions)
    assert set(np.unique(maps[0])) == set(range(len(REGIONS) + 1))
    for other in maps[1:]:
        assert (other == maps[0]).mean() > 0.99


def test_the_regions_lie_over_their_points() -> None:
    view = view_of(skin(SIDE, SIDE, 0), face_points(MEDIAPIPE_478, 60.0, CENTER))
    for name, ring in (("nose", "nose"), ("chin", "chin"), ("mouth", "inner_lips"), ("forehead", "forehead")):
        x, y = view.aligned_points[list(MEDIAPIPE_478.rings[ring])].mean(axis=0)
        assert view.regions[round(float(y)), round(float(x))] == REGIONS.index(name) + 1


@pytest.mark.parametrize("center", [(20.0, 150.0), (400.0, 150.0), (210.0, 15.0), (210.0, 405.0)])
def test_a_face_cut_off_by_the_edge_of_the_picture_is_looked_at(center: tuple[float, float]) -> None:
    image, face = skin(SIDE, SIDE, 2), face_points(MEDIAPIPE_478, 60.0, center)
    view = view_of(image, face)
    left, top = view.corner
    assert min(left, top) >= 0
    height, width = view.luma.shape
    np.testing.assert_array_equal(view.image, image[top : top + height, left : left + width])
    np.testing.assert_allclose(view.points + view.corner, face.xy, atol=1e-4)
    assert eyes(view)[0] == pytest.approx((WIDTH / 2 - EYES_PX / 2, EYES_Y), abs=0.01)


def test_edge_pixels_are_repeated_outside_of_the_picture() -> None:
    image = np.full((SIDE, SIDE, 3), 90, np.uint8)
    image[:, :3] = 250
    view = view_of(image, face_points(MEDIAPIPE_478, EYES_PX, (20.0, 200.0)))
    assert (view.aligned[:, : WIDTH // 2 - 22] == 250).all()


@pytest.mark.parametrize(
    "points",
    [
        face_points(MEDIAPIPE_478, 60.0, (-900.0, 100.0)),
        face_points(MEDIAPIPE_478, 60.0, (100.0, 3000.0)),
        face_points(MEDIAPIPE_478, 60.0, (100.0, -900.0)),
        face_points(MEDIAPIPE_478, 0.9, CENTER),
        FacePoints(np.full((478, 2), 50, np.float32), None, 1.0),
        FacePoints(np.full((478, 2), np.nan, np.float32), None, 1.0),
    ],
    ids=["left", "below", "above", "tiny", "one place", "unseen"],
)
def test_a_face_that_is_not_there_has_no_view(points: FacePoints) -> None:
    assert face_view(MEDIAPIPE_478, Frame(0, 0.0, skin(SIDE, SIDE, 3)), points) is None


def test_level_is_a_similarity_without_mirroring() -> None:
    face = face_points(MEDIAPIPE_478, 77.0, CENTER, 40.0)
    matrix = level(MEDIAPIPE_478, face.xy, 50.0, (10.0, 20.0))
    np.testing.assert_allclose(matrix[:, :2] @ matrix[:, :2].T, (50 / 77) ** 2 * np.eye(2), atol=1e-5)
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix @ (*CENTER, 1), (10.0, 20.0), atol=1e-3)


def test_a_picture_laid_as_it_is_stays_as_it_is() -> None:
    picture = np.ascontiguousarray(skin(50, 70, 4)[:, :, 0])
    np.testing.assert_array_equal(laid(picture, np.eye(2, 3), 70, 50), picture)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_shrinking_keeps_the_places(factor: int) -> None:
    """A ramp shows by its grey where it was read; pixels count from their centres."""
    ramp = np.tile(np.arange(240, dtype=np.uint8), (120, 1))
    matrix = np.array([[1 / factor, 0, 0], [0, 1 / factor, 0]])
    small = laid(ramp, matrix, 240 // factor - 1, 120 // factor)
    inner = small[2:-2, 2:-2].astype(float)
    np.testing.assert_allclose(inner, np.broadcast_to(factor * np.arange(2, small.shape[1] - 2), inner.shape), atol=1.0)
