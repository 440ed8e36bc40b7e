from __future__ import annotations

import numpy as np
import pytest

from drawn_face import face_points, skin
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.masks import MaskName, SoftMask, outline_of, soft_mask
from lipaccord.records import FloatArray, LandmarkLayout

EYES_PX = 60.0
SIDE = 300
CENTER = (150.0, 110.0)


def points(layout: LandmarkLayout = MEDIAPIPE_478, eyes_px: float = EYES_PX) -> FloatArray:
    return face_points(layout, eyes_px, CENTER).xy


def drawn(name: MaskName, xy: FloatArray | None = None, **options: float) -> SoftMask:
    xy = points() if xy is None else xy
    layout = MEDIAPIPE_478 if len(xy) == MEDIAPIPE_478.count else IBUG_68
    mask = soft_mask(layout, xy, SIDE, SIDE, name, **options)
    assert mask is not None
    return mask


def whole(mask: SoftMask) -> FloatArray:
    picture = np.zeros((SIDE, SIDE), np.float32)
    picture[mask.place] = mask.share
    return picture


@pytest.mark.parametrize("layout", [MEDIAPIPE_478, IBUG_68], ids=["mediapipe-478", "ibug-68"])
@pytest.mark.parametrize("name", ["mouth", "lower_face", "face"])
def test_lips_are_inside_and_the_corners_of_the_picture_are_not(layout: LandmarkLayout, name: MaskName) -> None:
    xy = points(layout)
    mask = drawn(name, xy)
    assert mask.at(xy[list(layout.rings["inner_lips"])]).min() > 0.97
    assert whole(mask)[0, 0] == whole(mask)[-1, -1] == 0


@pytest.mark.parametrize("layout", [MEDIAPIPE_478, IBUG_68], ids=["mediapipe-478", "ibug-68"])
def test_eyes_are_outside_of_mouth_and_lower_face(layout: LandmarkLayout) -> None:
    eyes = points(layout)[[*layout.right_eye, *layout.left_eye]]
    for name in ("mouth", "lower_face"):
        assert drawn(name, points(layout)).at(eyes).max() == 0
    assert drawn("face", points(layout)).at(eyes).min() > 0.9


def test_parts_lie_within_one_another() -> None:
    mouth, lower, face = (whole(drawn(name)) > 0.5 for name in ("mouth", "lower_face", "face"))
    assert mouth.sum() < lower.sum() < face.sum()
    assert not (mouth & ~lower).any()


def test_dilation_grows_the_mask_by_that_much() -> None:
    rows = [(whole(drawn("mouth", dilation=grown, feather=0.01)) > 0.5)[:, 150].sum() for grown in (0.0, 0.1, 0.2)]
    assert rows[1] - rows[0] == pytest.approx(2 * 0.1 * EYES_PX, abs=1.5)
    assert rows[2] - rows[1] == pytest.approx(2 * 0.1 * EYES_PX, abs=1.5)


def test_the_feather_widens_the_border() -> None:
    widths = [((whole(drawn("mouth", feather=soft)) % 1) > 0.02)[:, 150].sum() for soft in (0.01, 0.05)]
    assert widths[1] > 3 * widths[0]


def test_the_mask_scales_with_the_face() -> None:
    small, large = (whole(drawn("mouth", points(eyes_px=size))).sum() for size in (30.0, 60.0))
    assert large / small == pytest.approx(4, rel=0.05)
    borders = [((whole(drawn("mouth", points(eyes_px=size))) % 1) > 0.02).sum() for size in (30.0, 60.0)]
    assert borders[1] / borders[0] == pytest.approx(4, rel=0.15)


def test_a_face_at_the_edge_has_the_part_that_is_in_the_picture() -> None:
    xy = points() + np.array([SIDE / 2, 0], np.float32)
    mask = drawn("lower_face", xy)
    assert mask.place[1].stop == SIDE
    assert mask.share[:, -1].max() > 0.9
    assert soft_mask(MEDIAPIPE_478, xy + SIDE, SIDE, SIDE, "mouth") is None


def test_points_outside_of_the_box_have_no_share() -> None:
    mask = drawn("mouth")
    x, y = CENTER[0], mask.top + mask.share.shape[0] // 2
    assert mask.at(np.array([[x, y]], np.float32)) > 0.9
    for across, down in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        far = [x + across * mask.share.shape[1], y + down * mask.share.shape[0]]
        assert mask.at(np.array([far], np.float32)) == 0


def test_blending_changes_the_inside_only() -> None:
    image, mask = skin(SIDE, SIDE, 0), drawn("lower_face")
    painted = np.full((*mask.share.shape, 3), 250, np.uint8)
    blended = mask.blend(image, painted)
    share = whole(mask)
    assert (blended[share > 0.999] == 250).all()
    np.testing.assert_array_equal(blended[share == 0], image[share == 0])
    assert image.max() < 250


def test_the_outline_is_convex_and_holds_its_points() -> None:
    outline = outline_of(MEDIAPIPE_478, points(), "lower_face")
    turns = np.roll(outline, -1, axis=0) - outline
    after = np.roll(turns, -1, axis=0)
    crossed = turns[:, 0] * after[:, 1] - turns[:, 1] * after[:, 0]
    assert (crossed >= -1e-3).all() or (crossed <= 1e-3).all()
