from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from drawn_face import face_points
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import FloatArray, Frame, Image, LandmarkLayout
from lipaccord.source.alignment import Alignment, Stretch
from lipaccord.source.framing import EYES, HEIGHT, WIDTH, level, places_of, sample
from lipaccord.source.pairing import REACH, SourceFrames, moments
from lipaccord.source.registering import Registered, Registrar
from made_exhibits import RATE_HZ, Knowing, aligned, filmed, frames, otherwise, points_at, write

AFFINE = np.array([[0.82, 0.03, 11.3], [-0.02, 0.79, 7.6]])


def moved(image: Image) -> Image:
    return np.asarray(cv2.warpAffine(image, AFFINE, (200, 230), flags=cv2.INTER_AREA), np.uint8)


def moved_points(index: int) -> FloatArray:
    moved: FloatArray = (points_at(index).xy @ AFFINE[:, :2].T + AFFINE[:, 2]).astype(np.float32)
    return moved


def registered_film(count: int = 5, jitter: float = 0.8) -> list[Registered]:
    """Lay the source over a shrunk, cropped and turned copy whose landmarks tremble."""
    registrar, random, found = Registrar(Knowing()), np.random.default_rng(2), []
    for index in range(count):
        source = Frame(index, index / RATE_HZ, filmed(index))
        xy = moved_points(index) + random.normal(0, jitter, (MEDIAPIPE_478.count, 2)).astype(np.float32)
        one = registrar.register(moved(filmed(index, otherwise)), xy.astype(np.float32), [source], 0)
        assert one is not None
        found.append(one)
    return found


def test_the_source_is_laid_over_a_copy_to_a_tenth_of_a_pixel() -> None:
    window = np.array([[30.0, 30, 1], [130, 30, 1], [80, 90, 1], [80, 160, 1]])
    for one in registered_film():
        in_clip, in_source = window @ one.to_clip.T, window @ one.to_source.T
        truth = (in_clip - AFFINE[:, 2]) @ np.linalg.inv(AFFINE[:, :2]).T
        assert np.abs(in_source - truth).max() < 0.15
        assert one.correlation > 0.97


def test_both_sizes_are_told() -> None:
    one = registered_film(1, jitter=0.0)[0]
    assert one.source_eyes_px == pytest.approx(48, rel=0.02)
    assert one.eyes_px == pytest.approx(48 * 0.82, rel=0.02)


def test_another_picture_is_not_laid_over() -> None:
    other = np.ascontiguousarray(filmed(0)[::-1])
    registrar = Registrar(Knowing())
    assert registrar.register(filmed(0), points_at(0).xy, [Frame(0, 0.0, other)], 0) is None


def test_the_frame_of_the_source_is_found_where_the_alignment_is_one_off() -> None:
    registrar, lags = Registrar(Knowing()), []
    for index in range(3, 12):
        sources = [Frame(at, at / RATE_HZ, filmed(at)) for at in range(index - 2, index + 3)]
        one = registrar.register(filmed(index), points_at(index).xy, sources, 1)
        assert one is not None
        lags.append(one.lag)
    assert lags[-1] == 1


def test_the_window_is_level_and_of_one_size() -> None:
    turned = np.array([[0.0, -1.0], [1.0, 0.0]], np.float32)
    xy = points_at(0).xy @ turned * 2
    matrix = level(MEDIAPIPE_478, xy)
    inside = (xy - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    eyes = [inside[list(eye)].mean(axis=0) for eye in (MEDIAPIPE_478.right_eye, MEDIAPIPE_478.left_eye)]
    assert eyes[1] - eyes[0] == pytest.approx([EYES, 0], abs=1e-3)


def test_a_window_beside_the_picture_is_black() -> None:
    away = np.array([[1.0, 0, 5000], [0, 1, 5000]])
    assert not sample(filmed(0), away).any()
    assert sample(filmed(0), away, grey=True).shape == (HEIGHT, WIDTH)


def test_a_large_picture_is_averaged_where_it_shrinks() -> None:
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 200
    shrunk = sample(stripes, np.array([[4.0, 0, 20], [0, 4.0, 20]]))
    assert np.abs(shrunk - 100).max() < 2


@pytest.mark.parametrize("layout", [MEDIAPIPE_478, IBUG_68], ids=lambda one: one.name)
def test_the_parts_of_the_face_lie_apart(layout: LandmarkLayout) -> None:
    places = places_of(layout, face_points(layout, EYES, (79.5, 72.0)).xy)
    assert min(part.sum() for part in (places.lower, places.upper, places.around)) > 300
    assert not (places.lower & places.upper).any()
    assert not (places.around & (places.lower | places.upper)).any()


def test_frames_come_with_their_neighbours_in_the_source(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mp4", frames(30))
    clip = write(tmp_path / "clip.mp4", frames(8, first=10))
    found = list(moments(clip, source, aligned(10 / RATE_HZ)))
    assert [one.sources[one.nearest].time_s for one in found] == pytest.approx([(10 + at) / RATE_HZ for at in range(8)])
    assert {len(one.sources) for one in found} == {2 * REACH + 1}


def test_a_source_is_read_again_where_the_clip_jumps_back(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mp4", frames(30))
    with SourceFrames(source, is_mirrored=False) as held:
        for time_s in (0.0, 1.0, 0.2, 1.0):
            about, nearest = held.about(time_s)
            assert about[nearest].time_s == pytest.approx(time_s)
        assert held.about(40.0) == ((), 0)
        about, nearest = held.about(0.4)
        assert about[nearest].time_s == pytest.approx(0.4)


def test_what_the_alignment_leaves_out_has_no_source(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mp4", frames(12))
    part = aligned()
    part = Alignment((Stretch(0.2, 0.3, 0.2, 0.3),), *(getattr(part, name) for name in part.__slots__[1:]))
    found = list(moments(source, source, part))
    assert [bool(one.sources) for one in found] == [0.2 <= one.frame.time_s <= 0.3 for one in found]


def test_a_mirrored_source_is_turned_round(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mp4", frames(4), crf=5)
    moment = next(iter(moments(source, source, aligned(mirrored=True))))
    assert np.abs(moment.sources[0].image[:, ::-1].astype(int) - moment.frame.image).max() == 0
