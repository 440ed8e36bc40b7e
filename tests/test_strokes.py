from __future__ import annotations

import numpy as np

from lipaccord.strokes import OBSERVED, PREDICTED, WORDS, dashed_ring, paint, runs, solid


def test_a_ring_of_dashes_covers_about_half_of_it() -> None:
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = (50 + 30 * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.float32)
    shares = []
    for dashes in (True, False):
        image = np.zeros((100, 100, 3), np.uint8)
        if dashes:
            dashed_ring(image, ring, WORDS, 2, 7.0)
        else:
            solid(image, ring, WORDS, 2, closed=True)
        places = 50 + 29.8 * np.stack([np.cos(np.linspace(0, 6.28, 400)), np.sin(np.linspace(0, 6.28, 400))], axis=1)
        x, y = np.rint(places).astype(int).T
        shares.append((image[y, x].max(axis=1) > 100).mean())
    assert 0.4 < shares[0] < 0.75
    assert shares[1] > 0.97


def test_a_closed_line_with_a_hole_stays_open() -> None:
    ring = np.array([[10, 10], [90, 10], [90, 60], [np.nan, np.nan], [10, 90]], np.float32)
    image = np.zeros((100, 100, 3), np.uint8)
    solid(image, ring, WORDS, 1, closed=True)
    assert image[10, 50].any()
    assert image[30, 90].any()
    assert not image[15:80, 5:85].any()


def test_points_far_away_do_no_harm() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    solid(image, np.array([[-1e30, 50], [1e30, 50]], np.float32), WORDS, 1)
    assert image[50].all()
    assert not image[:48].any()


def test_a_point_by_itself_is_a_dot() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    solid(image, np.array([[np.nan, 3], [10, 10], [np.nan, np.nan]], np.float32), WORDS, 1)
    rows, columns = np.nonzero(image[..., 0])
    assert 4 <= len(rows) <= 20
    assert np.hypot(rows.mean() - 10, columns.mean() - 10) < 1


def test_a_part_that_is_empty_can_be_painted() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    paint(image[:, :0], WORDS)
    paint(image[1:2, 2:4], WORDS)
    assert image.any(axis=2).sum() == 2


def test_runs_are_the_stretches_of_true() -> None:
    assert list(runs(np.array([True, False, True, True]))) == [slice(0, 1), slice(2, 4)]
    assert list(runs(np.zeros(3, bool))) == []


def test_colours_of_the_lines_differ_in_lightness_too() -> None:
    light = [np.dot(colour, (0.2126, 0.7152, 0.0722)) for colour in (OBSERVED, PREDICTED)]
    assert light[1] - light[0] > 40
