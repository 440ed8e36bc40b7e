"""Events in a row of frames -> their regular beat, if they keep one.

A change of the frame rate shows pictures twice at equal distances: 25 frames a second from 24 repeat every 24th or 25th
picture, 30 from 24 every fourth. The beat need not be a whole number of frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray

Indices = NDArray[np.intp]

MIN_BEATS = 3  # events that make a regular beat
BEAT_PLAY = 1.2  # frames that an event may lie off the beat
MAX_MISSED = 2  # beats in a row without an event


def _chain(repeats: Indices, period: int) -> list[tuple[int, int]]:
    """Find the longest chain of repeats a beat apart: the frame and the number of the beat of each.

    A beat may be missed once or twice in a row, which counts against the chain.
    """
    best: list[float] = []
    before: list[tuple[int, int]] = []
    for place, frame in enumerate(repeats):
        best.append(1.0)
        before.append((-1, 0))
        for earlier in range(place - 1, -1, -1):
            beats = round((frame - repeats[earlier]) / period)
            if beats > MAX_MISSED + 1:
                break
            fits = beats >= 1 and abs(frame - repeats[earlier] - beats * period) <= BEAT_PLAY
            if fits and best[earlier] + 2 - beats > best[place]:
                best[place], before[place] = best[earlier] + 2 - beats, (earlier, beats)
    chain, place, number = [], int(np.argmax(best)), 0
    while place >= 0:
        chain.append((int(repeats[place]), -number))
        place, beats = before[place]
        number += beats
    return [(frame, count + number) for frame, count in reversed(chain)]


def beat(repeats: Indices, faint: BoolArray, judged: BoolArray) -> tuple[float | None, Indices, int]:
    """Find the regular beat of repeated frames.

    Parameters
    ----------
    repeats : ndarray of int [shape=(n,)]
        Frames that repeat the one before, rising.
    faint : ndarray of bool [shape=(T,)]
        Frames that differ little enough to pass for a repeat where the beat expects one.
    judged : ndarray of bool [shape=(T,)]
        Frames that could be judged.

    Returns
    -------
    period : float or None
        Frames from one repeat to the next; None without a beat.
    on_beat : ndarray of int [shape=(m,)]
        The repeats on the beat.
    off : int
        How many repeats and missing repeats don't fit; at most n.
    """
    nothing: tuple[None, Indices, int] = (None, repeats[:0], len(repeats))
    found: tuple[float | None, Indices, int] = nothing
    if len(repeats) < MIN_BEATS:
        return nothing
    gaps = np.concatenate([repeats[step:] - repeats[:-step] for step in (1, 2)])
    for period in np.unique(gaps).tolist():
        frames, number = np.array(_chain(repeats, period), dtype=np.intp).T
        if len(frames) < MIN_BEATS:
            continue
        slope, start = np.polyfit(number, frames, 1)
        off = len(repeats) - len(frames)
        for at in np.arange(start % slope, len(judged), slope):
            about = slice(max(0, round(at) - 1), min(len(judged), round(at) + 2))
            off += bool(judged[about].all() and not faint[about].any())
        if 2 * off < len(repeats) and off < found[2]:
            found = (float(slope), frames, off)
    return found
