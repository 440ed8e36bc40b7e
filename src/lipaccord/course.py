"""Time courses of a cue: medians that weigh frames, stretches beyond a limit, the frames to look at.

Conventions: one value for each frame; NaN where there is none, and no weight where a frame is not to count. All
functions are pure, and give the same numbers for the same input.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, Interval, Segment, TimeArray

Values = NDArray[np.float64]


def weighted_median(values: Values, weights: Values) -> float:
    """Return the value at which half of the weight is reached.

    Parameters
    ----------
    values, weights : ndarray [shape=(n,)]
        Finite, n > 0, weights not negative and not all zero.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def smooth(times_s: TimeArray, values: Values, weights: Values, usable: BoolArray, window_s: float) -> Values:
    """Take the running weighted median.

    Parameters
    ----------
    times_s, values, weights : ndarray [shape=(T,)]
    usable : ndarray of bool [shape=(T,)]
        Frames that count; their weights are above zero.
    window_s : float
        Width of the window, centred on each frame.

    Returns
    -------
    ndarray of float64 [shape=(T,)]
        NaN where no usable frame lies in the window.
    """
    result = np.full(len(times_s), np.nan)
    times, values, weights = times_s[usable], values[usable], weights[usable]
    first = np.searchsorted(times, times_s - window_s / 2, side="left")
    last = np.searchsorted(times, times_s + window_s / 2, side="right")
    for index, (start, stop) in enumerate(zip(first, last, strict=True)):
        if stop > start:
            result[index] = weighted_median(values[start:stop], weights[start:stop])
    return result


def beyond(
    times_s: TimeArray, course: Values, limit: float, words: Callable[[float], str], min_s: float
) -> tuple[Segment, ...]:
    """Find the stretches in which a course stays beyond a limit, on one side.

    Parameters
    ----------
    times_s, course : ndarray [shape=(T,)]
        A course of which only the upper side matters is given with its lower side cut off.
    limit : float
        Above zero; the course is beyond it where it lies above `limit` or below ``-limit``.
    words : callable
        Says in a sentence what the median of such a stretch means.
    min_s : float
        Shorter stretches don't count.

    Returns
    -------
    tuple of Segment
        Of the finding *resynthesis*; the score is the distance of the stretch's median from zero.
    """
    side = np.where(np.isfinite(course) & (np.abs(course) > limit), np.sign(course), 0.0)
    bounds = np.flatnonzero(np.diff(side, prepend=0.0, append=0.0))
    found = []
    for start, stop in pairwise(bounds):
        interval = Interval(float(times_s[start]), float(times_s[stop - 1]))
        if side[start] and interval.duration_s >= min_s:
            departure = float(np.median(course[start:stop]))
            found.append(Segment(interval, "resynthesis", abs(departure), words(departure)))
    return tuple(found)


def telling_frames(times_s: TimeArray, course: Values, count: int = 5, apart_s: float = 0.5) -> tuple[float, ...]:
    """Pick the times at which a course is highest.

    Parameters
    ----------
    times_s, course : ndarray [shape=(T,)]
    count : int
        At most as many.
    apart_s : float
        Least distance between two of them.

    Returns
    -------
    tuple of float
        The highest first.
    """
    chosen: list[float] = []
    towards = np.where(np.isfinite(course), course, -np.inf)
    for index in np.argsort(-towards, kind="stable"):
        time = float(times_s[index])
        if len(chosen) == count or not np.isfinite(towards[index]):
            break
        if all(abs(time - other) >= apart_s for other in chosen):
            chosen.append(time)
    return tuple(chosen)
