from __future__ import annotations

import numpy as np
import pytest

from lipaccord.beats import beat

LENGTH = 100


def found(*repeats: float, faint: tuple[int, ...] = (), length: int = LENGTH) -> tuple[float | None, int]:
    """Period and misfits of repeats in a clip; `faint` are further frames that pass for a repeat."""
    frames = np.array(sorted(round(frame) for frame in repeats), dtype=np.intp)
    passes = np.zeros(length, bool)
    passes[[*frames, *faint]] = True
    period, on_beat, off = beat(frames, passes, np.ones(length, bool))
    assert set(on_beat) <= set(frames)
    return period, off


@pytest.mark.parametrize("period", [2, 5, 24.4, 25])
def test_a_regular_beat_is_found(period: float) -> None:
    measured, off = found(*np.arange(1, LENGTH, period))
    assert measured == pytest.approx(period, abs=0.3)
    assert off == 0


def test_a_single_repeat_off_the_beat_is_counted_and_leaves_the_beat() -> None:
    measured, off = found(*np.arange(12, LENGTH, 24.4), 53)
    assert measured == pytest.approx(24.4, abs=0.4)
    assert off == 1


def test_a_beat_that_an_encoder_has_blurred_is_forgiven_where_the_frame_hardly_changes() -> None:
    beats = [*range(4, LENGTH, 10)]
    forgiven, counted = found(*beats[:4], *beats[5:], faint=(beats[4],)), found(*beats[:4], *beats[5:])
    assert [forgiven[0], counted[0]] == pytest.approx([10.0, 10.0])
    assert [forgiven[1], counted[1]] == [0, 1]


def test_repeats_in_one_part_only_are_no_beat() -> None:
    assert found(*range(30, 50, 2)) == (None, 10)


def test_repeats_anywhere_are_no_beat() -> None:
    assert found(7, 19, 50, 58, 91) == (None, 5)


def test_a_beat_of_fewer_than_stray_repeats_is_none() -> None:
    assert found(10, 35, 60, 85, 3, 21, 28, 44, 66, 97) == (None, 10)


def test_a_frozen_stretch_is_no_beat() -> None:
    assert found(*range(40, 48)) == (None, 8)


def test_too_few_repeats_tell_nothing() -> None:
    assert found() == (None, 0)
    assert found(10, 35) == (None, 2)


def test_beats_are_not_expected_where_nothing_could_be_judged() -> None:
    frames = np.arange(2, 50, 5, dtype=np.intp)
    judged = np.arange(LENGTH) < 50
    faint = np.isin(np.arange(LENGTH), frames)
    period, _, off = beat(frames, faint, judged)
    assert period == pytest.approx(5.0)
    assert off == 0
