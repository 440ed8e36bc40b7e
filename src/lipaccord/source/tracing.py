"""Two rows of frames -> which frame of the one shows which frame of the other, by dynamic programming.

Method: a hidden Markov model (Viterbi, 1967) whose states are the frames of the source and one more, "elsewhere". From
one frame of the query to the next the source advances by about as much; more, less or a jump to any other place costs
something. A second round expects the advance that the first one found nearby, so that a copy at another speed does not
have to pay for every frame.

Conventions: rows of features are in standard deviations of what the same moment differs by in two copies; NaN rows say
nothing. Costs are in nats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
Path = NDArray[np.intp]

TRUST = 0.15  # of a frame's own weight: neighbouring frames err together
MOST = 14.0  # mean squared difference a channel beyond which more difference counts no more
STRAY = 5.0  # cost of an advance that is off by one frame
STRAY_MORE = 0.5  # and of every further one
FARTHEST = 10  # frames that may be left out at once
JUMP = 25.0
ELSEWHERE = 7.0  # mean squared difference a channel that is as bad as being elsewhere
_JUMPED, _ELSEWHERE = FARTHEST + 1, FARTHEST + 2
NOWHERE = -1


def costs(query: Features, source: Features) -> tuple[Features, Features]:
    """Price every frame of the source for each of the query.

    Parameters
    ----------
    query, source : ndarray of float32 [shape=(Q, C), (S, C)]

    Returns
    -------
    price : ndarray of float32 [shape=(Q, S)]
    elsewhere : ndarray of float32 [shape=(Q,)]
        What it costs to be nowhere in the source.
    """
    channels = query.shape[1]
    known_q, known_s = (np.asarray(np.isfinite(part).all(axis=1)) for part in (query, source))
    one, other = np.where(known_q[:, None], query, 0), np.where(known_s[:, None], source, 0)
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    mean = np.clip(squares / (2 * channels), 0, MOST)
    mean[:, ~known_s] = ELSEWHERE
    mean[~known_q] = 0
    weight = np.float32(TRUST * channels / 2)
    return (mean * weight).astype(np.float32), np.where(known_q, ELSEWHERE * weight, 0).astype(np.float32)


def strayed(off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Price an advance that is off by so many frames [any shape]: within one by rounding, beyond it as an edit."""
    rare = STRAY + STRAY_MORE * np.maximum(off - 1, 0)
    with np.errstate(divide="ignore"):
        usual = -np.log(np.maximum(1 - off, 0))
    cheaper: NDArray[np.float64] = np.minimum(usual, rare)
    return cheaper


def _steps(advance: float) -> Features:
    """Return what it costs to advance by 0 to `FARTHEST` frames where `advance` are expected."""
    return strayed(np.abs(np.arange(FARTHEST + 1) - advance)).astype(np.float32)


def trace(price: Features, elsewhere: Features, advance: NDArray[np.float64]) -> tuple[Path, float]:
    """Find the cheapest way through the source.

    Parameters
    ----------
    price, elsewhere : ndarray of float32
        As `costs` gives them.
    advance : ndarray of float64 [shape=(Q,)]
        Frames of the source expected from the query's frame before to this one.

    Returns
    -------
    path : ndarray of int [shape=(Q,)]
        Frame of the source for each of the query, or `NOWHERE`.
    gain : float
        By how much it is cheaper than being elsewhere all the time.
    """
    frames, states = price.shape
    came = np.empty((frames, states), np.uint8)  # how each state was reached: an advance, or as named above
    from_here = np.empty(frames, np.intp)  # where a jump, or the way elsewhere, began
    was_away = np.zeros(frames, bool)
    total, away = price[0].copy(), float(elsewhere[0])
    for row in range(1, frames):
        step = _steps(float(advance[row]))
        nearest = int(np.argmin(total))
        least = float(total[nearest])
        best = np.full(states, min(least + JUMP, away + JUMP / 2), np.float32)
        came[row] = _JUMPED if least + JUMP <= away + JUMP / 2 else _ELSEWHERE
        for far in range(min(FARTHEST + 1, states)):
            there = total[: states - far] + step[far]
            better = there < best[far:]
            best[far:][better] = there[better]
            came[row, far:][better] = far
        from_here[row], was_away[row] = nearest, away <= least + JUMP / 2
        away = min(away, least + JUMP / 2) + float(elsewhere[row])
        total = best + price[row]
    return _backwards(total, away, came, from_here, was_away), float(elsewhere.sum()) - min(away, float(total.min()))


def _backwards(
    total: Features, away: float, came: NDArray[np.uint8], from_here: Path, was_away: NDArray[np.bool_]
) -> Path:
    frames = len(came)
    path = np.full(frames, NOWHERE, np.intp)
    at = NOWHERE if away < total.min() else int(np.argmin(total))
    for row in range(frames - 1, 0, -1):
        path[row] = at
        if at == NOWHERE:
            at = NOWHERE if was_away[row] else int(from_here[row])
        elif came[row, at] == _ELSEWHERE:
            at = NOWHERE
        else:
            at = int(from_here[row]) if came[row, at] == _JUMPED else at - int(came[row, at])
    path[0] = at
    return path
