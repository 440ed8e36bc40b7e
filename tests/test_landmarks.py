"""The contract of `lipaccord.records.LandmarkBackend`: one suite over every backend.

``face-alignment`` runs on stand-in networks (see `stand_ins`): its points lie where the stand-in puts them, so what is
shown of it here is the contract, not that it finds faces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.data import astronaut

import stand_ins
from lipaccord.errors import SettingsError
from lipaccord.landmarks import BACKENDS, load_backend, squares
from lipaccord.landmarks.layouts import LAYOUTS
from lipaccord.landmarks.replay import save_tracks
from lipaccord.records import FacePoints, FaceRegion, FaceTrack, Frame, Image, LandmarkBackend


def photograph() -> Image:
    """Return a woman before a flag and a rocket [shape=(512, 512, 3)]."""
    image: Image = astronaut()  # type: ignore[no-untyped-call]
    return image


FACE = Frame(0, 0.0, photograph())
EMPTY = Frame(1, 0.04, np.full((512, 512, 3), 128, np.uint8))
SIZES = ((16, 16), (1, 1), (9, 400), (900, 20), (40, 1000), (481, 479))


def _replay(folder: Path) -> LandmarkBackend:
    """Return a replay of what the embedded backend saw in `FACE`."""
    backend = load_backend("mediapipe")
    points = backend.locate(FACE, backend.detect(FACE)[0])
    assert points is not None
    assert points.depth is not None
    rows = {"times_s": [FACE.time_s], "frames": [FACE.index], "points": [points.xy], "scores": [points.score]}
    arrays = {name: np.array(row) for name, row in rows.items()}
    track = FaceTrack(id="face-1", layout=backend.layout, depth=points.depth[None].astype(np.float16), **arrays)
    save_tracks(folder / "tracks", "0" * 64, backend, [track])
    return load_backend("replay", folder / "tracks")


MAKERS: dict[str, Callable[[Path], LandmarkBackend]] = {
    "mediapipe": lambda _: load_backend("mediapipe"),
    "face-alignment": lambda _: stand_ins.backend(),
    "replay": _replay,
}


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LandmarkBackend:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def points(backend: LandmarkBackend) -> FacePoints:
    found = backend.locate(FACE, backend.detect(FACE)[0])
    assert found is not None
    return found


def test_it_says_who_it_is(backend: LandmarkBackend) -> None:
    assert backend.name in BACKENDS
    assert backend.version
    assert LAYOUTS[backend.layout.name] is backend.layout


def test_regions_lie_in_the_picture_and_the_best_comes_first(backend: LandmarkBackend) -> None:
    regions = backend.detect(FACE)
    assert regions
    scores = [region.score for region in regions]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] <= scores[0] <= 1
    for region in regions:
        assert 0 <= region.center_x < 512
        assert 0 <= region.center_y < 512
        assert 0 < region.size < 2 * 512
        assert -math.pi <= region.roll_rad <= math.pi


def test_points_have_the_shape_of_the_layout(backend: LandmarkBackend, points: FacePoints) -> None:
    assert points.xy.shape == (backend.layout.count, 2)
    assert points.xy.dtype == np.float32
    assert np.isfinite(points.xy).all()
    if points.depth is not None:
        assert points.depth.dtype == np.float32
        assert np.isfinite(points.depth).all()
    assert 0 < points.score <= 1


def test_points_lie_in_their_square(backend: LandmarkBackend, points: FacePoints) -> None:
    region = backend.detect(FACE)[0]
    distance = np.abs(points.xy - (region.center_x, region.center_y)).max()
    assert distance < region.size * math.sqrt(0.5)


def test_there_is_no_face_in_an_empty_picture(backend: LandmarkBackend) -> None:
    assert backend.detect(EMPTY) == []
    assert backend.locate(EMPTY, FaceRegion(255.5, 255.5, 200.0, 0.0, 1.0)) is None


def test_the_square_that_follows_finds_the_same_face(backend: LandmarkBackend, points: FacePoints) -> None:
    region = backend.follow(points)
    assert region.score == 1.0
    again = backend.locate(FACE, region)
    assert again is not None
    assert np.abs(again.xy - points.xy).max() < 0.02 * region.size


def test_a_square_beside_the_picture_is_no_error(backend: LandmarkBackend) -> None:
    for center in ((-300.0, 100.0), (900.0, 900.0), (255.5, -500.0)):
        for size in (50.0, 900.0):
            found = backend.locate(FACE, FaceRegion(*center, size, 0.3, 1.0))
            assert found is None or np.isfinite(found.xy).all()


def test_the_same_frame_gives_the_same_bits(backend: LandmarkBackend, points: FacePoints) -> None:
    backend.locate(EMPTY, FaceRegion(255.5, 255.5, 200.0, 0.0, 1.0))
    regions = backend.detect(FACE)
    assert regions == backend.detect(FACE)
    again = backend.locate(FACE, regions[0])
    assert again is not None
    assert again.xy.tobytes() == points.xy.tobytes()
    assert (again.depth is None) == (points.depth is None)
    if again.depth is not None and points.depth is not None:
        assert again.depth.tobytes() == points.depth.tobytes()
    assert again.score == points.score
    assert backend.follow(again) == backend.follow(points)


def test_the_picture_is_left_as_it_was(backend: LandmarkBackend) -> None:
    image = photograph()
    image.flags.writeable = False
    frame = Frame(FACE.index, FACE.time_s, image)
    assert backend.locate(frame, backend.detect(frame)[0]) is not None
    np.testing.assert_array_equal(image, photograph())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[1]}x{size[0]}")
def test_pictures_of_any_size_are_taken(backend: LandmarkBackend, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    frame = Frame(2, 0.08, noise)
    for region in [*backend.detect(frame), FaceRegion(size[1] / 2, size[0] / 2, max(size) * 1.0, 0.0, 1.0)]:
        found = backend.locate(frame, region)
        assert found is None or np.isfinite(found.xy).all()


def test_an_unknown_backend_is_named_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="no landmark backend 'dlib'; there are: mediapipe, face-alignment, replay"):
        load_backend("dlib")


def ramp(height: int, width: int) -> Any:
    """Return a picture, finer than bytes, whose red is x and whose green is y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.float32)


@pytest.mark.parametrize("size", [60.0, 250.0, 127.9, 128.1, 300.5, 431.0])
@pytest.mark.parametrize("roll", [0.0, 0.5, 3.0])
def test_a_cut_square_shows_what_its_map_says(size: float, roll: float) -> None:
    """Below twice the side pixels are interpolated, above they are averaged first: both must lie where the map says."""
    crop, matrix = squares.cut(ramp(1000, 1000), FaceRegion(500.3, 498.8, size, roll, 1.0), 64)
    v, u = np.mgrid[:64, :64]
    places = np.stack([u, v, np.ones_like(u)], axis=-1) @ matrix.T
    np.testing.assert_allclose(crop[..., :2] * 255, places, atol=0.02)
    np.testing.assert_allclose(crop[..., 2], 1.0)
    assert crop.dtype == np.float32


def test_beyond_the_picture_a_square_is_black() -> None:
    crop, _ = squares.cut(ramp(100, 100), FaceRegion(0.0, 50.0, 40.0, 0.0, 1.0), 40)
    assert not crop[:, :19].any()
    np.testing.assert_allclose(crop[:, 21:, 2], 1.0)


@pytest.mark.parametrize(
    ("offset", "size", "shared"),
    [((0, 0), 20, 1.0), ((20, 0), 20, 0.0), ((50, 50), 20, 0.0), ((10, 0), 20, 1 / 3), ((2, -3), 10, 0.25)],
)
def test_overlap_is_intersection_over_union(offset: tuple[int, int], size: int, shared: float) -> None:
    one = FaceRegion(50.0, 50.0, 20.0, 0.0, 1.0)
    other = FaceRegion(50.0 + offset[0], 50.0 + offset[1], float(size), 1.0, 0.5)
    assert squares.overlap(one, other) == pytest.approx(shared)
    assert squares.overlap(other, one) == pytest.approx(shared)
