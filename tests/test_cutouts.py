"""Places of a face as rectangles of native pixels: where the drawn face has them, untouched."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drawn_face import face_points, skin
from lipaccord.cutouts import (
    EYE,
    LOWER_FACE,
    LOWER_HALF,
    MAX_PIXELS,
    MIDDLE,
    MOUTH,
    SIDE,
    UPPER_FACE,
    UPPER_HALF,
    Place,
    Rectangle,
    cut,
    rectangle,
    shown,
)
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import FloatArray, Image, LandmarkLayout

EYES_PX = 60.0
CENTER = (300.0, 200.0)
SIZE = (640, 480)
LAYOUTS = pytest.mark.parametrize("layout", [MEDIAPIPE_478, IBUG_68], ids=lambda layout: layout.name)
PLACES = (EYE, LOWER_FACE, LOWER_HALF, MIDDLE, MOUTH, SIDE, UPPER_FACE, UPPER_HALF)


def face(layout: LandmarkLayout = MEDIAPIPE_478, roll_deg: float = 0.0, eyes_px: float = EYES_PX) -> FloatArray:
    """Landmarks of the drawn face [shape=(L, 2)]."""
    return face_points(layout, eyes_px, CENTER, roll_deg).xy


def laid(place: Place, points: FloatArray, layout: LandmarkLayout = MEDIAPIPE_478) -> Rectangle:
    found = rectangle(place, layout, points, SIZE)
    assert found is not None
    return found


def holds(found: Rectangle, points: FloatArray) -> bool:
    """Tell whether all points lie in a rectangle."""
    left, top, width, height = found
    inside = (points >= (left, top)) & (points <= (left + width - 1, top + height - 1))
    return bool(inside.all())


def ring(layout: LandmarkLayout, points: FloatArray, *names: str) -> FloatArray:
    return points[[place for name in names for place in layout.rings[name]]]


# Where they lie


@LAYOUTS
@pytest.mark.parametrize("roll_deg", [-20.0, 0.0, 20.0])
def test_every_place_shows_what_it_is_named_for(layout: LandmarkLayout, roll_deg: float) -> None:
    points = face(layout, roll_deg)
    lips, eyes = ring(layout, points, "outer_lips"), ring(layout, points, "right_eye", "left_eye")
    assert holds(laid(MOUTH, points, layout), lips)
    assert holds(laid(LOWER_FACE, points, layout), lips)
    assert holds(laid(LOWER_HALF, points, layout), lips)
    assert holds(laid(MIDDLE, points, layout), lips)
    assert holds(laid(UPPER_FACE, points, layout), eyes)
    assert holds(laid(UPPER_HALF, points, layout), eyes)
    assert not holds(laid(UPPER_FACE, points, layout), lips)
    assert not holds(laid(LOWER_FACE, points, layout), eyes)


def test_lower_and_upper_face_hold_chin_and_nose() -> None:
    points = face()
    assert holds(laid(LOWER_FACE, points), ring(MEDIAPIPE_478, points, "chin"))
    _, top, _, height = laid(UPPER_FACE, points)
    assert top <= ring(MEDIAPIPE_478, points, "right_brow", "left_brow")[:, 1].min()
    assert top + height >= ring(MEDIAPIPE_478, points, "nose")[:, 1].mean()


def test_the_side_is_the_one_that_is_turned_to_the_camera() -> None:
    points = face()
    oval = np.array(MEDIAPIPE_478.rings["face"])
    left, right = points.copy(), points.copy()
    left[oval[points[oval, 0] > 340]] -= (30, 0)  # the person turns to the picture's right: that side narrows
    right[oval[points[oval, 0] < 260]] += (30, 0)
    for turned, sign in ((left, -1), (right, 1)):
        found = laid(SIDE, turned)
        edge = turned[:, 0].min() if sign < 0 else turned[:, 0].max()
        assert found[0] + found[2] / 2 == pytest.approx(edge, abs=1)


def test_the_other_side_is_taken_where_one_is_off_the_picture() -> None:
    points = face() - (265, 0)  # the right side lies beyond the left border
    turned = points.copy()
    turned[turned[:, 0] < 0] -= (20, 0)
    found = laid(SIDE, turned)
    assert found[0] + found[2] / 2 == pytest.approx(turned[:, 0].max(), abs=1)


def test_the_eye_is_the_one_that_is_turned_to_the_camera() -> None:
    points = face()
    for layout_eye, other in (("right_eye", "left_eye"), ("left_eye", "right_eye")):
        narrowed = points.copy()
        hidden = list(MEDIAPIPE_478.rings[other])
        middle = narrowed[hidden].mean(axis=0)
        narrowed[hidden] = middle + (narrowed[hidden] - middle) * (0.6, 1.0)
        found = laid(EYE, narrowed)
        assert holds(found, ring(MEDIAPIPE_478, narrowed, layout_eye))
        assert not holds(found, ring(MEDIAPIPE_478, narrowed, other))


def test_subject_and_reference_have_one_size_that_follows_the_face() -> None:
    for first, second in ((LOWER_FACE, UPPER_FACE), (MOUTH, EYE), (LOWER_HALF, UPPER_HALF), (MIDDLE, SIDE)):
        assert laid(first, face())[2:] == laid(second, face())[2:]
    small, large = laid(LOWER_FACE, face(eyes_px=40.0)), laid(LOWER_FACE, face(eyes_px=80.0))
    assert large[2:] == pytest.approx((2 * small[2], 2 * small[3]), abs=1)


def test_a_turned_head_is_not_taken_for_a_small_one() -> None:
    points = face()
    narrow = CENTER + (points - CENTER) * np.array([0.5, 1.0], np.float32)
    assert laid(LOWER_FACE, narrow)[3] == pytest.approx(laid(LOWER_FACE, points)[3], abs=1)


@pytest.mark.parametrize("roll_deg", [-90.0, 90.0])
def test_the_rectangle_lies_down_with_the_face(roll_deg: float) -> None:
    upright, lying = laid(LOWER_FACE, face()), laid(LOWER_FACE, face(roll_deg=roll_deg))
    assert lying[2:] == (upright[3], upright[2])
    assert holds(lying, ring(MEDIAPIPE_478, face(roll_deg=roll_deg), "outer_lips"))


def test_of_very_large_faces_the_middle_is_shown() -> None:
    points = face(eyes_px=600.0)
    _, _, width, height = found = laid(LOWER_HALF, points)
    assert width * height == pytest.approx(MAX_PIXELS, rel=0.01)
    assert width / height == pytest.approx(LOWER_HALF.width / LOWER_HALF.height, rel=0.01)
    lips = ring(MEDIAPIPE_478, points, "outer_lips").mean(axis=0)
    assert found[0] + width / 2 == pytest.approx(lips[0], abs=1)


@pytest.mark.parametrize("trouble", [np.nan, np.inf, 1e30])
def test_landmarks_that_tell_nothing_give_no_rectangle(trouble: float) -> None:
    points = face().copy()
    points[MEDIAPIPE_478.right_eye[0]] = trouble
    assert rectangle(LOWER_FACE, MEDIAPIPE_478, points, SIZE) is None
    assert rectangle(LOWER_FACE, MEDIAPIPE_478, np.zeros_like(points), SIZE) is None


def test_one_landmark_that_is_missing_is_enough_to_tell_nothing() -> None:
    points = face().copy()
    points[MEDIAPIPE_478.rings["face"][0]] = np.nan
    assert rectangle(SIDE, MEDIAPIPE_478, points, SIZE) is None


# What is cut out


@pytest.fixture
def image() -> Image:
    picture = skin(60, 80, 0)
    picture[:, :, 0] //= 2
    picture[:, :, 2] = 255 - picture[:, :, 2]
    return picture


def test_pixels_are_the_native_ones(image: Image) -> None:
    cutout = cut(image, (10, 20, 31, 22))
    assert cutout is not None
    assert (cutout.left, cutout.top, cutout.width, cutout.height) == (10, 20, 31, 22)
    pixels = cv2.imdecode(np.frombuffer(cutout.png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert np.array_equal(pixels[:, :, ::-1], image[20:42, 10:41])
    again = cut(image, (10, 20, 31, 22))
    assert again == cutout


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ((-5, -7, 20, 20), (0, 0, 15, 13)),
        ((70, 50, 20, 20), (70, 50, 10, 10)),
        ((-10, 10, 200, 5), (0, 10, 80, 5)),
    ],
)
def test_what_lies_off_the_picture_is_cut_away(image: Image, asked: Rectangle, got: Rectangle) -> None:
    cutout = cut(image, asked)
    assert cutout is not None
    assert (cutout.left, cutout.top, cutout.width, cutout.height) == got
    assert shown(asked, (80, 60)) == got[2] * got[3] / (asked[2] * asked[3])


@pytest.mark.parametrize("asked", [(80, 0, 5, 5), (-5, 0, 5, 5), (0, 60, 5, 5), (0, -9, 5, 5)])
def test_nothing_is_cut_out_beside_the_picture(image: Image, asked: Rectangle) -> None:
    assert cut(image, asked) is None
    assert shown(asked, (80, 60)) == 0.0


def test_it_tells_its_size(image: Image) -> None:
    assert repr(cut(image, (1, 2, 3, 4))).startswith("Cutout(3x4 at 1, 2; ")
