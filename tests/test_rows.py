"""Rows that grow in large blocks."""

from __future__ import annotations

import numpy as np
import pytest

from lipaccord import rows
from lipaccord.rows import RowLog


def filled(count: int) -> RowLog:
    log = RowLog(3)
    for number in range(count):
        log.append(float(number), np.array([number + 0.25, number + 0.5], np.float32))
    return log


def test_rows_come_back_in_order_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK_BYTES", 4 * 3 * 4)  # four rows
    log = filled(10)
    assert len(log) == 10
    taken = list(log.take(9))
    assert [(place.start, place.stop) for place, _ in taken] == [(0, 4), (4, 8), (8, 9)]
    values = np.concatenate([block for _, block in taken])
    np.testing.assert_array_equal(values[:, 0], np.arange(9))
    np.testing.assert_array_equal(values[:, 2], np.arange(9) + 0.5)
    assert len(log) == 0


def test_a_missing_rest_is_nan() -> None:
    log = RowLog(3)
    log.append(1.0)
    log.append()
    [(_, block)] = log.take(2)
    assert block[0, 0] == 1.0
    assert np.isnan(block[0, 1:]).all()
    assert np.isnan(block[1]).all()
