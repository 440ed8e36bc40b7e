from __future__ import annotations

import cv2
import numpy as np
import pytest

from lipaccord.records import BoolArray, FloatArray
from lipaccord.source.toning import Tones, coarse, matched, toned

BT601 = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
BT709 = np.array([[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]])
MISTAKEN = np.linalg.inv(BT709) @ BT601


def face() -> tuple[FloatArray, BoolArray]:
    """Return a picture of brownish patches with lips far redder than all else, and where it is not lips."""
    random = np.random.default_rng(4)
    light = random.uniform(50, 170, (13, 10, 1))
    patches = np.concatenate([light, light * random.uniform(0.75, 0.95, light.shape), light * 0.7], axis=2)
    picture = np.asarray(cv2.resize(patches.astype(np.float32), (160, 208), interpolation=cv2.INTER_LINEAR), np.float32)
    lips = np.zeros(picture.shape[:2], bool)
    lips[140:165, 55:105] = True
    picture[lips] = (170.0, 80.0, 95.0)
    return picture, ~lips


def off(change: FloatArray | None, tone: float = 1.0) -> tuple[float, Tones]:
    """Return by how many grey levels the lips still differ after a copy's colours were matched."""
    source, mask = face()
    copy = source if change is None else source @ change.T
    clip = toned(np.clip(tone * copy, 0, 255).astype(np.float32))
    found, tones = matched(source, clip, mask)
    return float(np.sqrt(((found - clip)[~mask] ** 2).mean())), tones


@pytest.mark.parametrize("matrix", [MISTAKEN, np.linalg.inv(MISTAKEN)])
def test_a_mistaken_colour_matrix_leaves_the_lips_their_colour(matrix: FloatArray) -> None:
    source, mask = face()
    clip = toned(np.clip(source @ matrix.T, 0, 255).astype(np.float32))
    fitted = Tones.of(coarse(toned(source), mask), coarse(clip, mask))
    left = np.sqrt(((toned(source) @ fitted.weights.T + fitted.offset - clip)[~mask] ** 2).mean())
    assert left > 2.0  # what the regression alone leaves
    assert off(matrix)[0] < 0.5


def test_light_is_matched_and_no_matrix_is_made_up() -> None:
    differs, tones = off(None, tone=0.8)
    assert differs < 0.5
    np.testing.assert_allclose(tones.weights, 0.8 * np.eye(3), atol=0.02)


def test_what_is_drawn_over_a_part_does_not_tint_the_rest() -> None:
    source, mask = face()
    copy = source.copy()
    copy[:12] = (20.0, 20.0, 220.0)
    found, _ = matched(source, toned(copy), mask)
    assert float(np.abs(found - toned(source))[40:].max()) < 1.5
