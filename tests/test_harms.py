from __future__ import annotations

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drawn_face import face_points, skin
from lipaccord.footage import Footage, weighted_median
from lipaccord.harms import KINDS, Harm
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.masks import soft_mask
from lipaccord.records import FloatArray, Image
from lipaccord.regions import eye_distance

EYES_PX = 50.0
WIDTH, HEIGHT = 240, 280
COUNT = 24
SEEN = [moment for moment in range(COUNT) if moment not in (7, 8)]


def place(moment: int) -> tuple[float, float]:
    """Tell where the point between the eyes is: the head sways."""
    return 120 + 3 * np.sin(moment / 3), 95 + 2 * np.cos(moment / 4)


@cache
def material() -> tuple[Image, Image]:
    return skin(HEIGHT + 20, WIDTH + 20, 3, 25.0), skin(HEIGHT, WIDTH, 4, 25.0)


@cache
def footage() -> Footage:
    """Draw a swaying head of one texture, whose lips open and close, before a background that stands still."""
    face, background = material()
    pictures, points = [], []
    for moment in range(COUNT):
        x, y = place(moment)
        shift = np.array([[1, 0, x - 130], [0, 1, y - 105]])
        moved = cv2.warpAffine(face, shift, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        xy = face_points(MEDIAPIPE_478, EYES_PX, (x, y)).xy.copy()
        inner = list(MEDIAPIPE_478.rings["inner_lips"])
        middle = xy[inner, 1].mean()
        xy[inner, 1] = middle + (xy[inner, 1] - middle) * (1 + 0.9 * np.sin(moment))
        mask = soft_mask(MEDIAPIPE_478, xy, WIDTH, HEIGHT, "face")
        assert mask is not None
        picture = mask.blend(background, np.asarray(moved, np.uint8)[mask.place])
        cv2.fillPoly(picture, [np.rint(xy[inner]).astype(np.int32)], (40, 10, 10))
        pictures.append(picture)
        points.append(xy if moment in SEEN else np.full_like(xy, np.nan))
    return Footage(tuple(pictures), np.stack(points), MEDIAPIPE_478)


def harm(kind: str, strength: float | None = None, seed: int = 0, part: range | None = None) -> Harm:
    chosen = KINDS[kind].ladder[-1] if strength is None else strength
    return Harm(kind, footage(), chosen, np.random.default_rng(seed), part=part)


def change(kind: str, strength: float, moment: int = 12) -> float:
    return float(np.abs(harm(kind, strength).frame(moment).astype(int) - footage().frames[moment]).mean())


def inside(moment: int, at_least: float = 0.99) -> NDArray[np.bool_]:
    mask = soft_mask(MEDIAPIPE_478, footage().points[moment], WIDTH, HEIGHT, "lower_face")
    assert mask is not None
    share = np.zeros((HEIGHT, WIDTH), np.float32)
    share[mask.place] = mask.share
    return share >= at_least


def fine(picture: Image) -> NDArray[np.float32]:
    grey = picture.mean(axis=2).astype(np.float32)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), 1.5), np.float32)


FACIAL = [kind for kind, entry in KINDS.items() if entry.mask is not None]


@pytest.mark.parametrize("kind", FACIAL)
def test_only_the_masked_part_of_the_face_is_changed(kind: str) -> None:
    made = harm(kind, part=range(3, 20))
    picture, original = made.frame(12), footage().frames[12]
    mask = soft_mask(MEDIAPIPE_478, footage().points[12], WIDTH, HEIGHT, KINDS[kind].mask or "face")
    assert mask is not None
    share = np.zeros((HEIGHT, WIDTH), np.float32)
    share[mask.place] = mask.share
    np.testing.assert_array_equal(picture[share == 0], original[share == 0])
    assert np.abs(picture.astype(int) - original)[share > 0.5].max() > 3


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_changed_outside_of_the_part(kind: str) -> None:
    made = harm(kind, part=range(4, 18))
    for moment in (0, 3, 18, 23):
        assert made.frame(moment) is footage().frames[moment]
        assert not made.changes(moment)
    assert any(not np.array_equal(made.frame(moment), footage().frames[moment]) for moment in range(4, 18))


@pytest.mark.parametrize("kind", FACIAL)
def test_a_face_that_is_not_seen_is_left_alone(kind: str) -> None:
    made = harm(kind)
    for moment in (7, 8):
        assert made.frame(moment) is footage().frames[moment]
        assert not made.changes(moment)
    assert np.isnan(made.points()[7:9]).all()


@pytest.mark.parametrize("kind", [kind for kind in FACIAL if kind not in {"median", "transplant", "freeze"}])
def test_a_higher_rung_changes_more(kind: str) -> None:
    changes = [change(kind, strength) for strength in KINDS[kind].ladder if kind != "resample" or strength < 130]
    assert all(second > first for first, second in pairwise(changes)), changes


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_pictures_in_any_order(kind: str) -> None:
    first, second = harm(kind, seed=5), harm(kind, seed=5)
    forwards = [first.frame(moment) for moment in (10, 11, 12)]
    backwards = [second.frame(moment) for moment in (12, 11, 10)]
    np.testing.assert_array_equal(forwards, backwards[::-1])


@pytest.mark.parametrize("kind", ["tone", "doubled", "flicker", "swap"])
def test_another_seed_gives_another_picture(kind: str) -> None:
    assert not np.array_equal(harm(kind, seed=1).frame(10), harm(kind, seed=2).frame(10))


@pytest.mark.parametrize("kind", ["blur", "resample", "denoise", "swap"])
def test_fine_detail_is_lost(kind: str) -> None:
    where = inside(12)
    before, after = (np.var(fine(picture)[where]) for picture in (footage().frames[12], harm(kind).frame(12)))
    assert after < 0.6 * before


def test_sharpening_raises_fine_detail() -> None:
    lips = soft_mask(MEDIAPIPE_478, footage().points[12], WIDTH, HEIGHT, "mouth")
    assert lips is not None
    before, after = (np.var(fine(one)[lips.place]) for one in (footage().frames[12], harm("sharpen", 1.0).frame(12)))
    assert after > 1.3 * before


def test_a_working_size_above_that_of_the_face_changes_nothing() -> None:
    np.testing.assert_array_equal(harm("resample", 512).frame(12), footage().frames[12])


def test_a_median_of_many_is_softer_than_one_of_few() -> None:
    where = inside(12)
    few, many = (np.var(fine(harm("median", count).frame(12))[where]) for count in (1, 16))
    assert many < few


def test_a_median_takes_mouths_of_a_similar_shape() -> None:
    shapes = footage().mouth_shapes()
    nearest = [moment for moment in SEEN if abs(moment - 12) > 2]
    best = min(nearest, key=lambda moment: float(((shapes[moment] - shapes[12]) ** 2).sum()))
    mask = soft_mask(MEDIAPIPE_478, footage().points[12], WIDTH, HEIGHT, "lower_face")
    assert mask is not None
    expected = mask.blend(footage().frames[12], footage().laid(best, 12, mask.place))
    np.testing.assert_array_equal(harm("median", 1).frame(12), expected)


def test_another_moment_is_laid_on_the_face_and_not_on_the_picture() -> None:
    rows, columns = slice(150, 200), slice(100, 140)
    laid = footage().laid(2, 12, (rows, columns)).astype(int)
    here, there = (footage().frames[moment][rows, columns] for moment in (12, 2))
    lips = np.abs(here.astype(int) - 128) > 60  # the mouth differs by itself
    kept = ~lips & (np.abs(laid - 128) <= 60)
    assert np.abs(laid - here)[kept].mean() < 0.3 * np.abs(there.astype(int) - here)[kept].mean()


def test_a_turned_and_larger_face_is_laid_on_the_other_point_by_point() -> None:
    small = face_points(MEDIAPIPE_478, 40.0, (90.0, 80.0), roll_deg=-10).xy
    large = face_points(MEDIAPIPE_478, 55.0, (130.0, 100.0), roll_deg=25).xy
    pair = Footage(footage().frames[:2], np.stack([small, large]), MEDIAPIPE_478)
    matrix = pair.onto(0, 1)
    np.testing.assert_allclose(small @ matrix[:, :2].T + matrix[:, 2], large, atol=1e-3)


def test_mouth_shapes_know_neither_place_nor_size_nor_turn() -> None:
    faces = [face_points(MEDIAPIPE_478, *pose).xy for pose in ((40.0, (90.0, 80.0), -10.0), (55.0, (130.0, 9.0), 25.0))]
    shapes = Footage(footage().frames[:2], np.stack(faces), MEDIAPIPE_478).mouth_shapes()
    np.testing.assert_allclose(shapes[0], shapes[1], atol=1e-5)
    assert shapes.max() - shapes.min() > 0.5


def still(picture: Image) -> Footage:
    return Footage([picture] * 10, np.repeat(footage().points[:1], 10, axis=0), MEDIAPIPE_478)


def test_the_ghost_of_a_doubled_edge_lies_that_far_away() -> None:
    x, y = footage().points[0][18].astype(int)
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    picture[y, x] = 255
    for seed in range(5):
        made = Harm("doubled", still(picture), 0.2, np.random.default_rng(seed)).frame(0).mean(axis=2)
        made[y - 1 : y + 2, x - 1 : x + 2] = 0
        ghost = np.unravel_index(np.argmax(made), made.shape)
        assert np.hypot(ghost[0] - y, ghost[1] - x) == pytest.approx(0.2 * EYES_PX, abs=1.0)


def test_flicker_differs_from_frame_to_frame() -> None:
    made = Harm("flicker", still(footage().frames[0]), 2.0, np.random.default_rng(0))
    levels = [made.frame(moment)[inside(0)].mean() for moment in range(10)]
    assert np.std(levels) > 1.0
    blurred = Harm("blur", still(footage().frames[0]), 0.03, np.random.default_rng(0))
    np.testing.assert_array_equal(blurred.frame(3), blurred.frame(4))


def opening(points: FloatArray) -> NDArray[np.float32]:
    gap: NDArray[np.float32] = np.linalg.norm(points[:, 13] - points[:, 14], axis=1)
    return gap / eye_distance(MEDIAPIPE_478, points)


def test_a_frozen_mouth_keeps_its_shape_while_the_head_moves() -> None:
    made = harm("freeze", 6, part=range(9, 21))
    frozen, original = opening(made.points()), opening(footage().points)
    np.testing.assert_allclose(frozen[9:15], original[9], rtol=0.02)
    np.testing.assert_allclose(frozen[15:21], original[15], rtol=0.02)
    np.testing.assert_array_equal(made.points()[:, 33], footage().points[:, 33])


def test_a_transplanted_mouth_is_that_of_its_moment() -> None:
    made = harm("transplant", 5, part=range(10, 16))
    moved, original = opening(made.points()), opening(footage().points)
    shifts = [5, -5]
    assert any(
        np.allclose(moved[10:16], [original[moment + shift] for moment in range(10, 16)], rtol=0.02) for shift in shifts
    )


def test_a_retimed_part_keeps_its_length_and_shows_frames_twice() -> None:
    made = harm("retime", 0.5, part=range(2, 22))
    order = [next(k for k in range(COUNT) if made.frame(moment) is footage().frames[k]) for moment in range(COUNT)]
    assert order[:2] == [0, 1]
    assert order[22:] == [22, 23]
    steps = np.diff(order[2:22])
    assert (steps >= 0).all()
    assert (steps == 0).sum() >= 4
    assert (steps >= 2).sum() >= 4
    assert max(order[2:22]) >= 20
    np.testing.assert_array_equal(made.points()[12], footage().points[order[12]])


def test_an_unchanged_strength_retimes_nothing() -> None:
    made = harm("retime", 0.0)
    assert all(made.frame(moment) is footage().frames[moment] for moment in range(COUNT))


def test_the_weighted_median_is_the_middle_of_the_weight() -> None:
    rng = np.random.default_rng(0)
    pictures, weights = rng.integers(0, 256, (9, 40, 3)).astype(np.uint8), np.array([1.0, 2, 3, 1, 1, 4, 2, 2, 1])
    repeated = np.repeat(pictures, weights.astype(int), axis=0)  # 17 in all: the ninth is the middle
    np.testing.assert_array_equal(weighted_median(pictures, weights), np.sort(repeated, axis=0)[8])


def test_strengths_out_of_range_and_parts_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="median takes a strength of 1 to 40"):
        harm("median", 41)
    for part in (range(3, 3), range(20, 30), range(0, 10, 2)):
        with pytest.raises(ValueError, match="no part of 24 moments"):
            harm("blur", part=part)


def test_a_face_that_is_hardly_seen_is_refused() -> None:
    points = np.full_like(footage().points, np.nan)
    points[:5] = footage().points[:5]
    with pytest.raises(ValueError, match="too few frames"):
        Harm("median", Footage(footage().frames, points, MEDIAPIPE_478), 1, np.random.default_rng(0))


@pytest.mark.parametrize("kind", KINDS)
def test_every_rung_of_every_ladder_is_in_range(kind: str) -> None:
    entry = KINDS[kind]
    assert all(entry.low <= strength <= entry.high for strength in entry.ladder)
    assert (entry.painter is None) != (entry.sources is None)
    assert entry.meaning
    assert entry.unit
