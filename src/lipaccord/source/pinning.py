"""How unlike the frames of a clip and its source are -> the alignment to the frame, and its edits.

Method: of all ways through the source near the alignment the one that costs least (Viterbi, 1967): every frame pays for
how unlike it is, on a logarithmic scale, and for every frame of the source that it advances too much or too little
against the alignment. Straight lines through that way give stretches and edits (`placing`), as they do for the lives of
the two; but pictures tell neighbouring frames apart where lives can't.

Conventions: as in `locating`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import TimeArray
from lipaccord.source.alignment import Alignment
from lipaccord.source.locating import NEAR_S, Section
from lipaccord.source.placing import place
from lipaccord.source.tracing import JUMP, Path, strayed

LEAST = 2e-5  # unlikeness that rounding leaves
WEIGHT = 15.0  # nats for a frame that is e times as unlike
STEADY = 3  # frames
SCATTER = 0.4  # frames: the way is known to the frame, so it strays by rounding alone
LINE = 20.0  # price of one line more: one frame in 25 that is left out belongs to another frame rate
_Numbers = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    """One frame of the clip and those of the source among which it is looked for."""

    time_s: float
    expected_s: float
    places: Path
    price: _Numbers


def _rows(sections: Sequence[Section], source_s: TimeArray) -> list[_Row]:
    rows = []
    for section in sections:
        of_source = np.searchsorted(source_s, section.source_s)
        for time_s, expected_s, unlike in zip(section.times_s, section.expected_s, section.unlike, strict=True):
            near = np.flatnonzero((np.abs(section.source_s - expected_s) <= NEAR_S) & np.isfinite(unlike))
            if len(near):
                price = WEIGHT * np.log(np.maximum(unlike[near].astype(np.float64), LEAST))
                rows.append(_Row(float(time_s), float(expected_s), of_source[near], price))
    return rows


def _moving(before: _Row, row: _Row, frame_s: float) -> _Numbers:
    """Price every advance from the places of one frame to those of the next [shape=(P, Q)]."""
    expected = (row.expected_s - before.expected_s) / frame_s
    advance = (row.places[None] - before.places[:, None]).astype(np.float64)
    usual = strayed(np.abs(advance - expected))
    price: _Numbers = np.minimum(np.where((advance < 0) & (expected >= 0), JUMP, usual), JUMP)
    return price


def _way(rows: Sequence[_Row], frame_s: float) -> Path:
    """Find the cheapest way [shape=(T,)]."""
    total, came = rows[0].price, []
    for before, row in pairwise(rows):
        ways = total[:, None] + _moving(before, row, frame_s)
        came.append(np.argmin(ways, axis=0))
        total = ways.min(axis=0) + row.price
    at = int(np.argmin(total))
    path = [int(rows[-1].places[at])]
    for row, back in zip(rows[-2::-1], came[::-1], strict=True):
        at = int(back[at])
        path.append(int(row.places[at]))
    return np.array(path[::-1])


def _steady(path: Path, rows: Sequence[_Row], source_s: TimeArray) -> Path:
    """Take out what lasts for a frame only: the median, over neighbours, of how far it is from the expected."""
    expected_s = np.array([row.expected_s for row in rows])
    nearest = np.clip(np.searchsorted(source_s, expected_s), 1, len(source_s) - 1)
    nearest -= expected_s - source_s[nearest - 1] < source_s[nearest] - expected_s
    off = np.pad(path - nearest, STEADY // 2, mode="edge")
    steady: Path = nearest + np.median(np.lib.stride_tricks.sliding_window_view(off, STEADY), axis=1).astype(np.intp)
    return np.clip(steady, 0, len(source_s) - 1)


def pinned(sections: Sequence[Section], alignment: Alignment) -> Alignment:
    """Return the alignment to the frame; as it was where too little of it was compared.

    Parameters
    ----------
    sections : sequence of Section
        In the order of the clip.
    alignment : Alignment
    """
    source_s = np.unique(np.concatenate([section.source_s for section in sections])) if sections else np.zeros(0)
    rows = _rows(sections, source_s)
    if len(rows) < 2:
        return alignment
    frame_s = float(np.median(np.diff(source_s)))
    times_s = np.array([row.time_s for row in rows])
    path = _steady(_way(rows, frame_s), rows, source_s)
    step_s = max(frame_s, float(np.median(np.diff(times_s))))
    stretches, edits = place(path, times_s, source_s, step_s, scatter=SCATTER, line=LINE)
    if not stretches:
        return alignment
    moved = dataclasses.replace(alignment, stretches=stretches, edits=edits)
    later = moved.source_s(times_s) - alignment.source_s(times_s)
    if np.isfinite(later).any():
        lag_s = alignment.sound.lag_s + float(np.nanmedian(later))  # the sound stays where it was found
        moved = dataclasses.replace(moved, sound=dataclasses.replace(alignment.sound, lag_s=lag_s))
    return moved
