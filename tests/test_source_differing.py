from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from lipaccord.records import FloatArray, Frame, Image
from lipaccord.source.differing import Differ, Difference
from lipaccord.source.registering import Registered, Registrar
from made_exhibits import HEIGHT, RATE_HZ, WIDTH, Knowing, Mouth, filmed, otherwise, points_at, speaking

Change = Callable[[Image], Image]


def laid(change: Change = lambda image: image, mouth: Mouth = speaking, count: int = 6) -> list[Registered]:
    """Lay a source over copies that `change` made of it, or of a film with another mouth."""
    registrar, found = Registrar(Knowing()), []
    for index in range(count):
        source = Frame(index, index / RATE_HZ, filmed(index))
        one = registrar.register(change(filmed(index, mouth)), points_at(index).xy, [source], 0)
        assert one is not None
        found.append(one)
    return found


def measured(frames: list[Registered]) -> list[Difference]:
    differ, found = Differ(), []
    for one in frames:
        difference = differ.measure(one)
        assert difference is not None
        found.append(difference)
    return found


def lower(change: Change = lambda image: image, mouth: Mouth = speaking) -> float:
    return float(np.median([one.lower for one in measured(laid(change, mouth))]))


def noisy(sigma: float) -> Change:
    random = np.random.default_rng(11)

    def noised(image: Image) -> Image:
        noised: Image = np.clip(image + random.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)
        return noised

    return noised


def lit(image: Image) -> Image:
    other: Image = np.clip(image * np.array([0.8, 0.75, 0.7]) + 20, 0, 255).astype(np.uint8)
    return other


def softened(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)


def halved(image: Image) -> Image:
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(
    "change",
    [noisy(2.0), lambda image: noisy(2.0)(lit(image)), softened, halved, lambda image: noisy(3.0)(halved(image))],
    ids=["noise", "light", "softness", "size", "size and noise"],
)
def test_a_copy_differs_no_more_below_than_above(change: Change) -> None:
    assert abs(lower(change)) < 0.2


@pytest.mark.parametrize("change", [noisy(2.0), softened], ids=["noise", "softness"])
def test_another_mouth_stands_out(change: Change) -> None:
    assert lower(change, otherwise) > 0.4


def test_the_heat_lies_on_the_mouth() -> None:
    one = laid(noisy(2.0), otherwise)[2]
    found = measured([one])[0]
    hot = found.heat > 4
    assert (hot & one.places.lower).sum() > 0.8 * hot.sum() > 20


def test_gain_and_offset_are_found() -> None:
    fit = measured(laid(lambda image: np.clip(0.8 * image + 20, 0, 255).astype(np.uint8)))[-1].fit
    assert fit.gain[0] == pytest.approx(0.8, abs=0.03)
    assert fit.offset[0] == pytest.approx(20, abs=5)


def test_the_blur_is_laid_on_the_sharper_picture() -> None:
    assert measured(laid(softened))[-1].fit.softened > 0.6
    swapped = [dataclasses.replace(one, clip=one.source, source=one.clip) for one in laid(softened)]
    assert measured(swapped)[-1].fit.softened < -0.6


def painted(one: Registered, top: int, bottom: int) -> Registered:
    clip: FloatArray = one.clip.copy()
    clip[top:bottom] = clip[top:bottom] * 0.3
    return dataclasses.replace(one, clip=clip)


def test_a_band_drawn_over_the_chin_is_left_out() -> None:
    rows = np.flatnonzero(laid(count=1)[0].places.lower.any(axis=1))
    top = int(rows[-1]) - len(rows) // 4
    found = measured([painted(one, top, top + 30) for one in laid(noisy(2.0))])
    assert np.median([one.lower for one in found]) < 0.2
    assert 0.05 < np.median([one.covered for one in found]) < 0.5


def test_a_band_over_the_whole_mouth_leaves_nothing_to_say() -> None:
    rows = np.flatnonzero(laid(count=1)[0].places.lower.any(axis=1))
    found = measured([painted(one, int(rows[0]) + 6, int(rows[-1]) + 1) for one in laid(noisy(2.0))])
    assert all(math.isnan(one.lower) for one in found)
    assert found[0].covered > 0.5


def test_a_face_that_is_hardly_in_the_picture_is_not_measured() -> None:
    one = laid(count=1)[0]
    nothing = dataclasses.replace(one, valid=np.zeros_like(one.valid))
    assert Differ().measure(nothing) is None
