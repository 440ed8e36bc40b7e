from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from clips import corners, flat, numbered
from lipaccord.corruptions import CORRUPTIONS, LUMA, blotted, blurred, dimmed, noisy, pixelated, rescaled, saturated
from lipaccord.records import Image

WIDTH, HEIGHT = 320, 264
PICTURE = next(numbered(1, width=WIDTH, height=HEIGHT))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def psnr(image: Image, other: Image) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = np.mean((image.astype(float) - other) ** 2)
    return float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_severity_takes_more_than_the_one_before(name: str) -> None:
    kind = CORRUPTIONS[name]
    before = PICTURE.copy()
    left = [psnr(kind.apply(amount, PICTURE, rng()), PICTURE) for amount in kind.amounts]
    assert len(left) == 5
    assert all(milder > harsher + 0.3 for milder, harsher in pairwise(left)), left
    np.testing.assert_array_equal(PICTURE, before)


@pytest.mark.parametrize("shape", [(264, 320), (41, 67), (20, 24)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_size_is_kept_and_chance_is_all_in_the_generator(name: str, shape: tuple[int, int]) -> None:
    kind, image = CORRUPTIONS[name], np.ascontiguousarray(PICTURE[: shape[0], : shape[1]])
    image.flags.writeable = False  # as in a frame
    first = kind.apply(kind.amounts[-1], image, rng(3))
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, kind.apply(kind.amounts[-1], image, rng(3)))
    assert np.array_equal(first, kind.apply(kind.amounts[-1], image, rng(4))) == (
        name not in {"blocks", "gaussian-noise"}
    )


def test_without_saturation_luma_is_left() -> None:
    grey = saturated(0.0, PICTURE, rng())
    assert np.ptp(grey, axis=2).max() == 0
    np.testing.assert_allclose(grey[..., 0], PICTURE @ LUMA, atol=0.6)  # fixed point


def test_saturation_scales_chroma_alone() -> None:
    pale = saturated(0.4, PICTURE, rng()).astype(float)
    np.testing.assert_allclose(pale @ LUMA, PICTURE @ LUMA, atol=1.0)
    wanted = 0.4 * (PICTURE[..., 2] - PICTURE @ LUMA)
    np.testing.assert_allclose(pale[..., 2] - pale @ LUMA, wanted, atol=1.5)


def test_contrast_is_a_factor() -> None:
    np.testing.assert_allclose(dimmed(0.6, PICTURE, rng()), PICTURE * 0.6, atol=0.5)


@pytest.mark.parametrize(("side", "most"), [(100, 16), (256, 16), (600, 32)])
def test_blocks_are_as_many_as_the_size_asks_for(side: int, most: int) -> None:
    image = flat(0, width=side, height=side)
    covered = np.count_nonzero(blotted(16, image, rng())) / (3 * 8 * 8)
    assert 0.8 * most <= covered <= most  # blocks may overlap
    assert set(np.unique(blotted(16, image, rng()))) == {0, 128}


def test_noise_has_the_published_strength_in_each_component() -> None:
    # Variance of a component of limited range, in units of 255 squared: 219 of 255 steps of luma, 224 of chroma.
    noise = noisy(0.002, flat(128, width=400, height=400), rng()).astype(float) - 128
    luma = noise @ LUMA
    steps = 255 * np.sqrt(0.002)
    assert luma.std() == pytest.approx(steps * 255 / 219, rel=0.02)
    assert ((noise[..., 2] - luma) / 1.772).std() == pytest.approx(steps * 255 / 224, rel=0.02)
    assert ((noise[..., 0] - luma) / 1.402).std() == pytest.approx(steps * 255 / 224, rel=0.02)
    assert abs(noise.mean()) < 0.3
    assert abs(np.corrcoef(luma[:, 1:].ravel(), luma[:, :-1].ravel())[0, 1]) < 0.02


def test_noise_stays_in_range() -> None:
    assert np.isin([0, 255], noisy(0.05, corners(), rng())).all()  # what passes the ends does not wrap around
    assert noisy(0.05, flat(255), rng()).mean() > 180


def test_the_blur_is_a_gaussian_of_a_sixth_of_its_kernel() -> None:
    point = np.zeros((65, 65, 3), np.uint8)
    point[32, 32] = 255
    spread = blurred(13, point, rng())[..., 0].astype(float)
    assert spread.sum() == pytest.approx(255, rel=0.1)
    rows = (spread.sum(axis=1) * (np.arange(65) - 32) ** 2).sum() / spread.sum()
    assert np.sqrt(rows) == pytest.approx(13 / 6, rel=0.1)
    assert np.flatnonzero(spread.sum(axis=1))[[0, -1]] == pytest.approx([32, 32], abs=6)


def test_pixels_grow_by_the_factor() -> None:
    # A wave of 8 pixels is gone once pixels are as large, and nearly kept at twice their size.
    wave = np.broadcast_to((128 + 100 * np.sin(np.arange(240) * np.pi / 4))[None, :, None], (240, 240, 3))
    image = wave.astype(np.uint8)
    assert pixelated(2, image, rng()).std() > 0.7 * image.std()
    assert pixelated(8, image, rng()).std() < 0.5 * image.std()


def test_a_smaller_scale_takes_more_detail_and_keeps_the_size() -> None:
    left = [rescaled(scale, PICTURE, rng()) for scale in (0.7, 0.5, 0.1)]
    assert {image.shape for image in left} == {PICTURE.shape}
    losses = [psnr(image, PICTURE) for image in left]
    assert losses == sorted(losses, reverse=True)
