from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import negative_controls as controls
from benchmarks.negative_pictures import DRAWN, scrambled
from benchmarks.negative_sounds import MUSIC, NOISES, loud
from lipaccord.records import Finding, FindingName


def row(sync: str, resynthesis: str) -> dict[str, Any]:
    return {"sync": {"status": sync}, "resynthesis": {"status": resynthesis}}


@pytest.mark.parametrize("name", [*NOISES, *MUSIC])
def test_sound_has_the_length_asked_for_and_follows_the_seed(name: str) -> None:
    make = (NOISES | MUSIC)[name]
    first, again, other = (make(np.random.default_rng(seed), 40_001) for seed in (3, 3, 4))

    assert first.shape == (40_001,)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert name == "silence" or not np.array_equal(first, other)


def test_loud_scales_to_the_peak_and_leaves_silence_alone() -> None:
    assert np.abs(loud(np.array([0.1, -0.2]), 0.5)).max() == pytest.approx(0.5)
    np.testing.assert_array_equal(loud(np.array([0.0, 1e-3]), 0.5), [0.0, 1e-3])


@pytest.mark.parametrize("name", list(DRAWN))
def test_drawn_pictures_fill_the_size_and_the_length(name: str) -> None:
    pictures = DRAWN[name](np.random.default_rng(1), 96, 64, 7)

    assert [(picture.shape, picture.dtype) for picture in pictures] == [((64, 96, 3), np.dtype(np.uint8))] * 7


def test_scrambling_moves_blocks_and_changes_none() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (240, 360, 3)).astype(np.uint8)
    (mixed,) = scrambled(np.random.default_rng(2), [picture])
    height, width = mixed.shape[:2]
    kept = picture[:height, :width]

    assert not np.array_equal(mixed, kept)
    np.testing.assert_array_equal(np.sort(mixed, axis=None), np.sort(kept, axis=None))


def test_quietest_stretch_is_found_and_holds_no_gap() -> None:
    opening = np.array([np.nan, 0.1, 0.1, 0.1, 0.5, 0.2, 0.21, 0.2, 0.21, 0.9])

    first, deviation = controls.quietest(opening, 3)
    assert first == 1
    assert deviation == pytest.approx(0.0)
    assert controls.quietest(opening, 4)[0] == 5
    assert controls.quietest(np.full(9, np.nan), 3)[1] == np.inf


def test_every_variant_comes_in_its_turn() -> None:
    drawn = {controls.named(number) for number in range(len(controls.KINDS) * 12)}

    assert drawn == {(kind, variant) for kind, variants in controls.KINDS.items() for variant in variants}
    assert [controls.named(number)[0] for number in range(len(controls.KINDS))] == list(controls.KINDS)
    assert [controls.named(number * len(controls.KINDS))[1] for number in range(12)] == list(NOISES)


@pytest.mark.parametrize(
    ("sync", "resynthesis", "expected"),
    [
        ("not_examinable", "inconclusive", False),
        ("not_examinable", "not_examinable", False),
        ("unrelated", "not_examinable", True),
        ("in_sync", "inconclusive", True),
        ("not_examinable", "resynthesised", True),
        ("not_examinable", "authentic_texture", True),
    ],
)
def test_any_claim_in_either_finding_is_a_violation(sync: str, resynthesis: str, expected: bool) -> None:
    assert controls.violates(row(sync, resynthesis)) is expected


@pytest.mark.parametrize("name", ["sync", "resynthesis"])
@pytest.mark.parametrize(("log10_lr", "bounds"), [(0.5, (-1.0, 2.0)), (None, None)])
def test_summary_holds_the_likelihood_ratio_and_its_bounds(
    name: FindingName, log10_lr: float | None, bounds: tuple[float, float] | None
) -> None:
    kept = controls.summary(Finding(name, "inconclusive", 0.25, log10_lr, bounds, (), ()))

    assert kept["log10_lr"] == log10_lr
    assert kept["bounds"] == bounds
