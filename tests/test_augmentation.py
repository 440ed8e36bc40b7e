from __future__ import annotations

import numpy as np
import pytest

from lipaccord import augmentation
from lipaccord.augmentation import augmented
from lipaccord.records import FloatArray

WINDOW = 110


def ramp(length: int, dimension: int) -> FloatArray:
    """Values that name their own frame."""
    values: FloatArray = np.tile(np.arange(length, dtype=np.float32)[:, None], (1, dimension))
    return values


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch every change off but the speed."""
    for name, value in {
        "WARP": (1.0, 1.0),
        "TILT": 0.0,
        "FLOOR_SHARE": 0.0,
        "NOISE": 0.0,
        "MASK_SHARE": 0.0,
    }.items():
        monkeypatch.setattr(augmentation, name, value)


@pytest.mark.parametrize("dimension", [28, 40])
@pytest.mark.usefixtures("plain")
def test_the_mouth_keeps_to_the_speech(dimension: int) -> None:
    for seed in range(30):
        heard, seen = augmented(ramp(300, dimension), ramp(300, 3), WINDOW, np.random.default_rng(seed))
        assert heard.shape == (WINDOW, dimension)
        assert seen.shape == (WINDOW, 3)
        np.testing.assert_allclose(heard[:, 0], seen[:, 0], atol=1e-3)
        speed = np.diff(seen[:, 0])
        assert augmentation.SPEED[0] - 0.01 <= speed.min()
        assert speed.max() <= augmentation.SPEED[1] + 0.01
        assert np.ptp(speed) < 0.01


@pytest.mark.usefixtures("plain")
def test_a_clip_as_short_as_the_window_is_not_outrun() -> None:
    for seed in range(20):
        _, seen = augmented(ramp(WINDOW, 28), ramp(WINDOW, 3), WINDOW, np.random.default_rng(seed))
        assert (np.diff(seen[:, 0]) > 0.5).all()
        assert seen.max() <= WINDOW - 1


@pytest.mark.parametrize("dimension", [28, 40])
def test_draws_are_seeded_and_differ(dimension: int) -> None:
    values = np.random.default_rng(0).normal(size=(200, dimension)).astype(np.float32)
    before = values.copy()
    first, second, other = (augmented(values, values, WINDOW, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(values, before)


@pytest.mark.usefixtures("plain")
def test_the_warp_moves_the_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "WARP", (1.1, 1.1))
    bands: FloatArray = np.tile(np.arange(40, dtype=np.float32), (200, 1))
    heard, _ = augmented(bands, bands[:, :2], WINDOW, np.random.default_rng(0))
    np.testing.assert_allclose(heard[0, [0, 10, 30]], [0, 11, 33], atol=1e-3)
    assert heard[0, 39] == 39


@pytest.mark.usefixtures("plain")
def test_masked_bands_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "MASK_SHARE", 1.0)
    values = np.random.default_rng(0).normal(size=(200, 40)).astype(np.float32)
    for seed in range(10):
        heard, _ = augmented(values, values[:, :2], WINDOW, np.random.default_rng(seed))
        still = np.flatnonzero(np.ptp(heard, axis=0) < 1e-4)
        assert augmentation.MASK_BANDS[0] <= len(still) < augmentation.MASK_BANDS[1]
        assert np.ptp(still) == len(still) - 1


@pytest.mark.usefixtures("plain")
def test_the_floor_hides_what_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "FLOOR_SHARE", 1.0)
    values = np.zeros((200, 40), np.float32)
    values[:, 20:] = -30
    heard, _ = augmented(values, values[:, :2], WINDOW, np.random.default_rng(0))
    assert heard[:, 20:].min() > -15
    assert heard[:, :20].min() >= 0
