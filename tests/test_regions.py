from __future__ import annotations

import cv2
import numpy as np
import pytest

from drawn_face import face_points
from lipaccord.landmarks.layouts import LAYOUTS, MEDIAPIPE_478
from lipaccord.regions import LATTICE_PX, REGIONS, RegionMap, eye_distance

SIZE = 420
EYES = 90.0
CENTER = (210.0, 150.0)
FACE = face_points(MEDIAPIPE_478, EYES, CENTER)
LIPS = REGIONS.index("lips")


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_regions_lie_inside_their_outlines(name: str) -> None:
    layout = LAYOUTS[name]
    points = face_points(layout, EYES, CENTER)
    regions = RegionMap(layout, points.xy, SIZE, SIZE)
    rows, columns = np.nonzero(regions.labels == LIPS + 1)
    outer = points.xy[list(layout.rings["outer_lips"])]
    inner = points.xy[list(layout.rings["inner_lips"])]
    for row, column in zip(rows * regions.step + regions.top, columns * regions.step + regions.left, strict=True):
        assert cv2.pointPolygonTest(outer, (float(column), float(row)), True) > 0.5
        assert cv2.pointPolygonTest(inner, (float(column), float(row)), True) < -0.5
    found = {REGIONS[label - 1] for label in np.unique(regions.labels) if label}
    assert found == set(REGIONS) - (set() if "forehead" in layout.rings else {"forehead", "background"})


def test_background_lies_outside_the_face() -> None:
    regions = RegionMap(MEDIAPIPE_478, FACE.xy, SIZE, SIZE)
    rows, columns = np.nonzero(regions.labels == REGIONS.index("background") + 1)
    outline = FACE.xy[list(MEDIAPIPE_478.rings["face"])]
    outside = [
        cv2.pointPolygonTest(outline, (float(column), float(row)), False)
        for row, column in zip(rows + regions.top, columns + regions.left, strict=True)
    ]
    assert max(outside) < 0


def test_regions_never_leave_the_picture_and_keep_off_its_last_row_and_column() -> None:
    for center in ((20.0, 150.0), (400.0, 400.0), (210.0, 10.0)):
        regions = RegionMap(MEDIAPIPE_478, face_points(MEDIAPIPE_478, EYES, center).xy, SIZE, SIZE)
        assert min(regions.left, regions.top) >= 0
        assert regions.left + regions.width <= SIZE
        assert regions.top + regions.height <= SIZE
        assert not regions.labels[-1].any()
        assert not regions.labels[:, -1].any()
        assert regions.labels.any()


def test_an_outline_that_is_mostly_out_of_the_picture_is_not_drawn() -> None:
    through_the_lips = RegionMap(MEDIAPIPE_478, FACE.xy, SIZE, 249)
    found = {REGIONS[label - 1] for label in np.unique(through_the_lips.labels) if label}
    assert not {"lips", "mouth", "chin"} & found
    assert {"eyes", "nose", "cheeks", "forehead"} <= found


def test_a_face_off_the_picture_has_an_empty_map() -> None:
    regions = RegionMap(MEDIAPIPE_478, face_points(MEDIAPIPE_478, EYES, (-900.0, 100.0)).xy, SIZE, SIZE)
    assert regions.labels.size == 0


@pytest.mark.parametrize(("times", "step"), [(1.9, 1), (2.1, 2), (4.1, 4)])
def test_the_lattice_widens_with_the_face(times: float, step: int) -> None:
    eyes = times * LATTICE_PX
    side = int(5 * eyes)
    regions = RegionMap(MEDIAPIPE_478, face_points(MEDIAPIPE_478, eyes, (side / 2, side / 3)).xy, side, side)
    assert regions.step == step
    assert regions.labels.shape == (-(-regions.height // step), -(-regions.width // step))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_eye_distance_is_between_the_centres_of_the_eyes(name: str) -> None:
    points = np.stack([face_points(LAYOUTS[name], eyes, CENTER, roll).xy for eyes, roll in ((50.0, 0.0), (80.0, 70.0))])
    np.testing.assert_allclose(eye_distance(LAYOUTS[name], points), [50.0, 80.0], rtol=1e-4)
