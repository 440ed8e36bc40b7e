"""What two lives have in common along a mapping, and how often chance gives as much.

Method: for each feature, how much better the differences are explained by the tremble of two copies of one moment than
by two heads that move as much as these do but apart (both normal), in nats for every independent moment; the number of
independent moments is Bartlett's (1935), from the autocorrelations of both. A feature that moves no more than a copy
may tremble says nothing, one that contradicts counts against it up to a limit, since a generator may alter one or two.
Chance is `CHANCE`: the tail of what other recordings gave, look-alikes of one person on one set among them, when the
same search was made in them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import TimeArray

TREMBLE = 1.3**2  # variance by which a feature of a copy may be off; features of good copies have a quarter of it
LEAST = -3.0  # nats of one feature that contradicts
MEMORY_S = 0.6  # over which a life still depends on its past

_Numbers = NDArray[np.float64]
_Series = NDArray[np.floating[Any]]


def correlations(one: _Series, other: _Series) -> _Numbers:
    """Correlate series of mean zero, column by column; 0 where one does not move [shape=(C,)]."""
    power = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    together = (one * other).sum(axis=0)
    found: _Numbers = np.divide(together, power, out=np.zeros_like(together), where=power > 0)
    return found


def _memory(series: _Series, lags: int) -> _Numbers:
    """Return the autocorrelations at lags 1 to `lags` [shape=(lags, C)]."""
    count = len(series)
    power = np.maximum((series**2).sum(axis=0), 1e-12)
    return np.stack([(series[: count - lag] * series[lag:]).sum(axis=0) / power for lag in range(1, lags + 1)])


def shared(one: _Series, other: _Series, times_s: TimeArray) -> float:
    """Weigh how much two series have in common, in nats.

    Parameters
    ----------
    one, other : ndarray [shape=(T, C)]
        Features of the same moments, not NaN.
    times_s : ndarray of float64 [shape=(T,)]
    """
    one, other = one.astype(np.float64), other.astype(np.float64)
    count = len(one)
    step_s = float(np.median(np.diff(times_s)))
    lags = max(1, min(count - 2, round(MEMORY_S / step_s)))
    products = _memory(one, lags) * _memory(other, lags)
    independent = count / np.maximum(1 + 2 * products.sum(axis=0), 1)
    off = ((one - other) ** 2).mean(axis=0) / 2
    moved = np.maximum(((one**2).mean(axis=0) + (other**2).mean(axis=0)) / 2, TREMBLE)
    information = 0.5 * (np.log(moved / TREMBLE) - off / TREMBLE + off / moved)
    return float(np.maximum(independent * information, LEAST).sum())


CHANCE = (15.3, 1.36, 0.106)
"""Strength; log10 of how often an hour of other recordings gives as much; and by how much that falls for each nat: the
tail over 425 pairs of clips of one speaker before one wall, who begins all sentences alike, the hardest there was."""


def log10_false(strength: float) -> float:
    """Return log10 of how many matches of this strength or more an hour of other recordings gives by chance."""
    at, rate, fall = CHANCE
    return rate - fall * (strength - at)
