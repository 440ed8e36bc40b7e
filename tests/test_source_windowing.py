from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lipaccord.source.windowing import DIMENSIONS, FEWEST, features, windows
from made_signatures import signature, times


def test_copies_at_another_frame_rate_lie_nearer_than_strangers() -> None:
    starts, vectors = windows(signature(1, times(10.0)))
    again, copies = windows(signature(1, times(10.0, 30.0), tremble=1))
    _, others = windows(signature(2, times(10.0)))
    assert np.allclose(starts[: len(again)], again, atol=0.021)
    count = min(len(starts), len(again)) - 1
    apart = np.linalg.norm(vectors[:count] - copies[:count], axis=1)
    nearest = np.linalg.norm(vectors[:count, None] - others[None], axis=2).min(axis=1)
    assert (apart < 0.5 * nearest).all()
    assert vectors.shape[1] == DIMENSIONS
    assert vectors.dtype == np.float32


def test_a_clip_of_little_more_than_a_second_gives_windows_up_to_its_end() -> None:
    starts, _ = windows(signature(1, times(1.2)))
    assert starts[0] == 0.0
    assert starts[-1] == pytest.approx(0.38, abs=0.021)
    assert len(starts) == pytest.approx(FEWEST, abs=1)
    starts, _ = windows(signature(1, times(0.6)))
    assert not len(starts)


def test_a_finer_stride_gives_more() -> None:
    starts, _ = windows(signature(1, times(3.0)), 0.04)
    assert np.allclose(np.diff(starts), 0.04)


def test_windows_over_a_gap_are_left_out() -> None:
    one = signature(1, times(6.0))
    life = one.life.copy()
    life[70:80] = np.nan
    starts, _ = windows(dataclasses.replace(one, life=life))
    assert len(starts)
    assert not ((starts > one.times_s[70] - 0.8) & (starts < one.times_s[79])).any()


def test_a_mirrored_copy_is_found_by_mirrored_windows() -> None:
    _, vectors = windows(signature(1, times(4.0)))
    _, turned = windows(signature(1, times(4.0), mirror=True), mirror=True)
    _, plain = windows(signature(1, times(4.0), mirror=True))
    assert np.abs(vectors - turned).max() < 1e-3
    assert np.abs(vectors - plain).max() > 1.0


def test_nothing_is_searched_for_in_a_still_picture() -> None:
    assert not len(windows(signature(1, times(4.0), still=True))[0])
    one = signature(1, times(4.0))
    assert not len(windows(dataclasses.replace(one, life=np.zeros_like(one.life)))[0])


def test_a_face_never_seen_gives_nothing() -> None:
    one = signature(1, times(4.0))
    unseen = dataclasses.replace(one, life=np.full_like(one.life, np.nan))
    assert not len(windows(unseen)[0])
    assert np.isnan(features(unseen.times_s, unseen.life)).all()
