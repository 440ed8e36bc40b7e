from __future__ import annotations

import cv2
import numpy as np
import pytest

from drawn_face import face_points, skin, within
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import FloatArray, Image
from lipaccord.source.looks import distance, look, mirrored

HEIGHT, WIDTH, EYES_PX, CENTRE = 360, 480, 50.0, (240.0, 150.0)


def _points(eyes_px: float = EYES_PX, centre: tuple[float, float] = CENTRE, roll_deg: float = 0.0) -> FloatArray:
    return face_points(MEDIAPIPE_478, eyes_px, centre, roll_deg).xy


def _flipped(xy: FloatArray) -> FloatArray:
    """Mirror the points; right and left change places."""
    turned = xy.copy()
    turned[:, 0] = WIDTH - 1 - turned[:, 0]
    layout = MEDIAPIPE_478
    for one, other in zip(layout.right_eye, layout.left_eye, strict=True):
        turned[[one, other]] = turned[[other, one]]
    return turned


@pytest.fixture(scope="module")
def picture() -> Image:
    return skin(HEIGHT, WIDTH, 1, 40.0)


def test_another_picture_differs_in_about_half_the_bits(picture: Image) -> None:
    other = skin(HEIGHT, WIDTH, 2, 40.0)
    apart = distance(look(picture, MEDIAPIPE_478, _points()), look(other, MEDIAPIPE_478, _points()))
    assert (apart > 0.3).all()


def test_another_mouth_changes_nothing(picture: Image) -> None:
    xy = _points()
    outline = np.array([CENTRE]) + EYES_PX * np.array([[-0.9, 0.7], [0.9, 0.7], [0.6, 2.1], [-0.6, 2.1]])
    altered = within(picture, skin(HEIGHT, WIDTH, 9, 90.0), outline.astype(np.float32))
    apart = distance(look(picture, MEDIAPIPE_478, xy), look(altered, MEDIAPIPE_478, xy))
    assert (apart <= 0.03).all()


def test_size_crop_and_compression_change_little(picture: Image) -> None:
    first = look(picture, MEDIAPIPE_478, _points())
    small = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    moved = (CENTRE[0] * 0.6 - 0.2, CENTRE[1] * 0.6 - 0.2)
    packed = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    assert (distance(first, look(np.asarray(packed, np.uint8), MEDIAPIPE_478, _points(30.0, moved))) < 0.12).all()
    cropped = np.ascontiguousarray(picture[30:, 40:440])
    apart = distance(first, look(cropped, MEDIAPIPE_478, _points(centre=(CENTRE[0] - 40, CENTRE[1] - 30))))
    assert (apart < 0.12).all()


def test_a_mirrored_picture_has_the_mirrored_hash(picture: Image) -> None:
    xy = _points(roll_deg=5.0)
    turned = look(np.ascontiguousarray(picture[:, ::-1]), MEDIAPIPE_478, _flipped(xy))
    hashes = look(picture, MEDIAPIPE_478, xy)
    assert (distance(mirrored(hashes), turned) <= 0.03).all()
    assert (distance(hashes, turned) > 0.3).all()


def test_a_face_outside_the_picture_gives_empty_hashes(picture: Image) -> None:
    assert not look(picture, MEDIAPIPE_478, _points(centre=(-5000.0, -5000.0))).any()
