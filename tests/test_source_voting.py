from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lipaccord.source import looks
from lipaccord.source.covered import Covered
from lipaccord.source.neighbours import LOOK_STRIDE, Described, Neighbours, described, spread, write_neighbours
from lipaccord.source.signature import Bits, Signature
from lipaccord.source.voting import likest_of, votes_of
from made_indexes import made

LASTING = 9


def lasting(seed: int, count: int) -> Bits:
    """Return one look that lasts."""
    look = np.random.default_rng(seed).integers(0, 256, (1, *made(1).looks.shape[1:]), dtype=np.uint8)
    return np.repeat(look, count, axis=0)


def looking(signature: Signature, hashes: Bits) -> Signature:
    return dataclasses.replace(signature, looks=hashes)


def shaken(hashes: Bits, bits: int) -> Bits:
    """Turn some bits over."""
    flat = np.unpackbits(hashes.reshape(len(hashes), -1), axis=1)
    flat[:, :bits] ^= 1
    return np.packbits(flat, axis=1).reshape(hashes.shape)


@pytest.fixture
def files(tmp_path: Path) -> list[Neighbours]:
    """Two files: signatures 1 to 3, and 4 to 6; the looks of the fifth last."""

    def batches(first: int) -> Iterator[Described]:
        for number in range(first, first + 3):
            one = made(number)
            yield described(number, looking(one, lasting(LASTING, len(one.looks))) if number == 5 else one)

    found = []
    for first in (1, 4):
        path = tmp_path / f"{first}.bin"
        write_neighbours(path, partial(batches, first), Covered(first, first + 2, "00" * 16, 60.0))
        found.append(Neighbours.open(path))
    return found


def test_the_likest_of_all_files_come_first_and_once(files: list[Neighbours]) -> None:
    clip = made(77, 0, 6)
    hashes = shaken(lasting(LASTING, len(clip.looks)), 30)
    hashes[0] = made(2).looks[8]
    assert likest_of(files, looking(clip, hashes), 12) == [2, 5]
    assert likest_of(files, looking(clip, hashes), 1) == [2]


def test_a_mirrored_clip_looks_alike(files: list[Neighbours]) -> None:
    clip = made(77, 0, 6)
    assert likest_of(files, looking(clip, looks.mirrored(lasting(LASTING, len(clip.looks)))), 12) == [5]


def test_what_is_hardly_alike_is_left_out(files: list[Neighbours]) -> None:
    clip = made(77, 0, 6)
    near, far = (looking(clip, shaken(lasting(LASTING, len(clip.looks)), bits)) for bits in (76, 77))
    assert likest_of(files, near, 12) == [5]
    assert likest_of(files, far, 12) == []


def test_without_looks_or_files_nothing_is_alike(files: list[Neighbours]) -> None:
    clip = made(2, 0, 6)
    assert likest_of(files, dataclasses.replace(clip, looks=clip.looks[:0], looks_s=clip.looks_s[:0]), 12) == []
    assert likest_of([], clip, 12) == []


def test_movements_vote_for_their_signature_and_time(files: list[Neighbours]) -> None:
    first = votes_of(files, made(6, 5, 11, noise=0.05))[0]
    assert first.signature == 6
    assert abs(first.ahead_s - 5.0) <= 0.5


@pytest.mark.parametrize(("count", "kept"), [(0, []), (1, [0]), (5, [2]), (16, [8]), (24, [8]), (40, [8, 24])])
def test_looks_are_thinned_out_but_none_is_left_without(count: int, kept: list[int]) -> None:
    hashes = made(1).looks[:count]
    thinned = spread(hashes, LOOK_STRIDE)
    assert thinned.tolist() == [hashes[at].ravel().tolist() for at in kept]
