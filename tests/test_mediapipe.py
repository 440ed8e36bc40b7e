"""The embedded backend on a real face: scikit-image's astronaut, a photograph in the public domain."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from lipaccord.errors import BackendMissing, SettingsError
from lipaccord.landmarks import load_backend, mediapipe
from lipaccord.landmarks.mediapipe import MODELS, MediaPipeBackend
from lipaccord.records import FacePoints, FaceRegion, Frame, Image

PUPILS = np.array([[203.0, 101.0], [246.0, 103.0]])  # right and left, read off the enlarged picture
IRISES = [468, 473]
EYE_DISTANCE = 43.0
FACE_HEIGHT = 100  # pixels, from the hairline to the chin
CENTER = (224.5, 121.5)


def photograph() -> Image:
    """Return a woman before a flag and a rocket [shape=(512, 512, 3)]."""
    image: Image = astronaut()  # type: ignore[no-untyped-call]
    return image


@pytest.fixture(scope="module")
def backend() -> MediaPipeBackend:
    return MediaPipeBackend()


def settled(backend: MediaPipeBackend, image: Image, rounds: int = 3) -> FacePoints:
    """Return the points of the best face after following it for a few frames of a still picture."""
    frame = Frame(0, 0.0, image)
    points = backend.locate(frame, backend.detect(frame)[0])
    assert points is not None
    for _ in range(rounds):
        points = backend.locate(frame, backend.follow(points))
        assert points is not None
    return points


def enlarged(scale: float, left: int = 0, width: int = 512, height: int = 300) -> Image:
    part = np.ascontiguousarray(photograph()[:height, left : left + width])
    resized: Image = cv2.resize(
        part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    ).astype(np.uint8)
    return resized


def to_scale(xy: NDArray[np.floating], scale: float) -> NDArray[np.float64]:
    """Take pixels of the photograph to those of the enlarged one; pixels are counted from their centres."""
    return np.asarray((xy + 0.5) * scale - 0.5)


def test_pupils_are_found(backend: MediaPipeBackend) -> None:
    points = settled(backend, photograph())
    assert points.score > 0.9
    assert np.linalg.norm(points.xy[IRISES] - PUPILS, axis=1).max() < 0.05 * EYE_DISTANCE


@pytest.mark.parametrize("height", [48, 57, 80, 150])
@pytest.mark.parametrize("place", [(10, 20), (600, 300), (1000, 500)])
def test_small_faces_are_found_anywhere_in_a_large_picture(
    backend: MediaPipeBackend, height: int, place: tuple[int, int]
) -> None:
    scale = height / FACE_HEIGHT
    face = enlarged(scale, left=100, width=250, height=250)
    canvas = np.full((720, 1280, 3), 90, np.uint8)
    left, top = place[0], min(place[1], 720 - face.shape[0])
    face = face[:, : 1280 - left]
    canvas[top : top + face.shape[0], left : left + face.shape[1]] = face
    points = settled(backend, canvas)
    wanted = to_scale(PUPILS - (100, 0), scale) + np.array([left, top])
    assert np.linalg.norm(points.xy[IRISES] - wanted, axis=1).max() < 0.12 * EYE_DISTANCE * scale


@pytest.mark.parametrize("height", [200, 500, 1000])
def test_large_faces_are_found(backend: MediaPipeBackend, height: int) -> None:
    scale = height / FACE_HEIGHT
    points = settled(backend, enlarged(scale, left=120, width=210, height=210))
    wanted = to_scale(PUPILS - (120, 0), scale)
    assert np.linalg.norm(points.xy[IRISES] - wanted, axis=1).max() < 0.06 * EYE_DISTANCE * scale


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_a_tilted_head_is_followed(backend: MediaPipeBackend, degrees: int) -> None:
    matrix = cv2.getRotationMatrix2D(CENTER, -degrees, 1.0)  # positive turns clockwise here, the other way in OpenCV
    image = cv2.warpAffine(photograph(), matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    wanted = PUPILS @ matrix[:, :2].T + matrix[:, 2]
    points = settled(backend, image)
    assert np.linalg.norm(points.xy[IRISES] - wanted, axis=1).max() < 0.08 * EYE_DISTANCE
    upright = backend.follow(settled(backend, photograph())).roll_rad
    assert math.degrees(backend.follow(points).roll_rad - upright) == pytest.approx(degrees, abs=2)


@pytest.mark.parametrize("scale", [1.5, 3.0, 3.5, 5.0, 6.5])
def test_points_do_not_depend_on_how_the_square_is_sampled(backend: MediaPipeBackend, scale: float) -> None:
    """The face fills one and the same square at every scale; from 3.2 on it is averaged before it is sampled."""
    x, y = (float(value) for value in to_scale(np.array([225.2, 123.9]), scale))
    plain = backend.locate(Frame(0, 0.0, photograph()), FaceRegion(225.2, 123.9, 162.7, 0.05, 1.0))
    region = FaceRegion(x, y, 162.7 * scale, 0.05, 1.0)
    scaled = backend.locate(Frame(0, 0.0, enlarged(scale)), region)
    assert plain is not None
    assert scaled is not None
    moved = scaled.xy - to_scale(plain.xy, scale)
    assert np.abs(moved.mean(axis=0)).max() < 0.002 * EYE_DISTANCE * scale
    assert np.sqrt((moved**2).mean()) < 0.005 * EYE_DISTANCE * scale


def test_a_mirror_image_gives_mirrored_points(backend: MediaPipeBackend) -> None:
    image = photograph()
    plain = settled(backend, image, 8)
    mirrored = settled(backend, np.ascontiguousarray(image[:, ::-1]), 8)
    centers = plain.xy.mean(axis=0), mirrored.xy.mean(axis=0)
    assert centers[0][0] == pytest.approx(511 - centers[1][0], abs=0.01 * EYE_DISTANCE)
    assert centers[0][1] == pytest.approx(centers[1][1], abs=0.01 * EYE_DISTANCE)


def test_it_follows_a_square_half_as_large_again_as_the_face(backend: MediaPipeBackend) -> None:
    points = settled(backend, photograph())
    region = backend.follow(points)
    low, high = points.xy.min(axis=0), points.xy.max(axis=0)
    assert region.size == pytest.approx(1.5 * (high - low).max())
    assert (region.center_x, region.center_y) == pytest.approx((low + high) / 2)
    across = PUPILS[1] - PUPILS[0]
    assert region.roll_rad == pytest.approx(math.atan2(across[1], across[0]), abs=0.05)


def test_two_faces_are_two_regions(backend: MediaPipeBackend) -> None:
    face = enlarged(1.0, left=120, width=210, height=210)
    regions = backend.detect(Frame(0, 0.0, np.concatenate([face, face[:, ::-1]], axis=1)))
    assert len(regions) == 2
    assert abs(regions[0].center_x - regions[1].center_x) > 150


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_model_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mediapipe.MODELS, name, "0" * 64)
    with pytest.raises(BackendMissing, match=f"{name} is damaged: its hash differs; install lipaccord again"):
        load_backend("mediapipe")


def test_it_takes_no_other_weights(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="carries its models"):
        load_backend("mediapipe", tmp_path)
