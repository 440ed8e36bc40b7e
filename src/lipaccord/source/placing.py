"""A path through the source -> stretches of one speed, and the edits between them.

Method: a row of straight lines with as few breaks as the scatter of the path justifies (least squares with a price for
each line, and once more for another speed than that of the source, by dynamic programming over places `GRID` frames
apart).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lipaccord.records import TimeArray
from lipaccord.source.alignment import Edit, Stretch
from lipaccord.source.tracing import FARTHEST, NOWHERE, Path

GRID = 4
SCATTER = 0.5  # frames by which the path strays
LINE = 15.0  # price of one line more
MIN_RUN_S = 0.4
SPEED_PLAY = 0.015  # a speed nearer to 1 is 1
STEP_PLAY = 0.6  # frames
MIN_SPEED_S = 1.0  # another speed has to last


def runs(path: Path, times_s: TimeArray) -> list[slice]:
    """Find the stretches of a path that go on in the source without a jump."""
    there = path != NOWHERE
    steps = np.diff(path)
    broken = ~there[1:] | ~there[:-1] | (steps < 0) | (steps > FARTHEST)
    edges = np.concatenate([[0], np.flatnonzero(broken) + 1, [len(path)]])
    found = [slice(int(low), int(high)) for low, high in pairwise(edges) if there[low]]
    return [run for run in found if times_s[run.stop - 1] - times_s[run.start] >= MIN_RUN_S]


def _lines(x: TimeArray, y: TimeArray, scatter: float, line: float) -> list[slice]:
    """Cut a row of points where straight lines fit best."""
    count = len(x)
    edges = np.unique(np.append(np.arange(0, count, GRID), count))
    if len(edges) > 2 and count - edges[-2] < GRID:
        edges = np.delete(edges, -2)
    ones = np.ones(count)
    sums = np.concatenate([np.zeros((1, 6)), np.cumsum(np.stack([ones, x, y, x * x, x * y, y * y], 1), axis=0)])[edges]
    best, before = np.zeros(len(edges)), np.zeros(len(edges), int)
    for end in range(1, len(edges)):
        n, sx, sy, sxx, sxy, syy = (sums[end] - sums[:end]).T
        vxx, vxy, vyy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
        other = np.maximum(vyy - np.where(vxx > 0, vxy**2 / np.maximum(vxx, 1e-12), 0), 0)  # at another speed
        usual = np.maximum(vyy - 2 * vxy + vxx, 0)
        price = best[:end] + np.minimum(usual / scatter**2, other / scatter**2 + line) + line
        before[end] = int(np.argmin(price))
        best[end] = price[before[end]]
    cuts, end = [], len(edges) - 1
    while end:
        cuts.append(slice(int(edges[before[end]]), int(edges[end])))
        end = int(before[end])
    return cuts[::-1]


@dataclass(frozen=True, slots=True)
class _Line:
    """A straight line through some points of a path."""

    slope: float
    height: float
    middle: float

    def at(self, x: TimeArray) -> TimeArray:
        return self.height + self.slope * (x - self.middle)


def _fit(x: TimeArray, y: TimeArray, gain: float) -> _Line:
    """Fit a line; a speed that is nearly 1, does not last, or lessens the squares by less than `gain`, is 1."""
    middle, spread = float(x.mean()), float(((x - x.mean()) ** 2).sum())
    slope = float(((x - middle) * y).sum()) / spread if spread > 0 else 1.0
    lasts = x[-1] - x[0] >= MIN_SPEED_S and slope > 0
    if not lasts or abs(slope - 1) < SPEED_PLAY or (slope - 1) ** 2 * spread < gain:
        slope = 1.0
    return _Line(slope, float(np.median(y - slope * (x - middle))), middle)


def _joined(x: TimeArray, y: TimeArray, lines: list[slice], frame_s: float, gain: float) -> list[slice]:
    """Leave out lines too short to tell anything, and make one of neighbours that go on alike."""
    kept = [line for line in lines if line.stop - line.start >= 2 * GRID]
    if not kept:
        kept = [max(lines, key=lambda line: line.stop - line.start)]
    joined = kept[:1]
    for line in kept[1:]:
        one, other = (_fit(x[part], y[part], gain) for part in (joined[-1], line))
        at = x[line][:1]
        if one.slope == other.slope and abs(float((other.at(at) - one.at(at))[0])) < STEP_PLAY * frame_s:
            joined[-1] = slice(joined[-1].start, line.stop)
        else:
            joined.append(line)
    return joined


def _cuts(x: TimeArray, y: TimeArray, lines: list[slice], fits: list[_Line]) -> list[int]:
    """Find the frame at which each line gives way to the next: where both together stray least."""
    cuts = [0]
    for number in range(len(lines) - 1):
        low = max(cuts[-1] + 1, lines[number].stop - GRID)
        high = max(low + 1, min(len(x) - 1, lines[number + 1].start + GRID))
        old, new = (np.abs(y[low:high] - fit.at(x[low:high])) for fit in fits[number : number + 2])
        stray = np.concatenate([[0], np.cumsum(old)]) + np.concatenate([np.cumsum(new[::-1])[::-1], [0]])
        cuts.append(low + int(np.argmin(stray)))
    return [*cuts, len(x)]


def place(
    path: Path,
    times_s: TimeArray,
    source_s: TimeArray,
    frame_s: float,
    *,
    scatter: float = SCATTER,
    line: float = LINE,
) -> tuple[tuple[Stretch, ...], tuple[Edit, ...]]:
    """Tell how a clip runs through its source.

    Parameters
    ----------
    path : ndarray of int [shape=(Q,)]
    times_s, source_s : ndarray of float64 [shape=(Q,), (S,)]
        Of the frames of the two.
    frame_s : float
        Between two frames of the source, or of the clip if that is longer.
    scatter : float
        Frames by which the path strays.
    line : float
        Price of one line more.

    Returns
    -------
    tuple of Stretch, tuple of Edit
    """
    stretches: list[Stretch] = []
    edits: list[Edit] = []
    gain = line * (scatter * frame_s) ** 2
    for run in runs(path, times_s):
        x, y = times_s[run], source_s[path[run]]
        lines = _joined(x, y, _lines(x, y, scatter * frame_s, line), frame_s, gain)
        fits = [_fit(x[part], y[part], gain) for part in lines]
        for number, (low, high) in enumerate(pairwise(_cuts(x, y, lines, fits))):
            if high - low < 2:
                continue
            ends = x[[low, high - 1]]
            starts_in, ends_in = fits[number].at(ends)
            new = Stretch(float(ends[0]), float(ends[1]), float(starts_in), float(ends_in))
            if stretches:
                edits += _between(stretches[-1], new, frame_s, jump=number == 0)
            if fits[number].slope != 1.0:
                edits.append(Edit("speed", new.start_s, new.end_s, new.source_start_s, factor=fits[number].slope))
            stretches.append(new)
    return tuple(stretches), tuple(edits)


def _between(old: Stretch, new: Stretch, frame_s: float, jump: bool) -> list[Edit]:
    """Tell what lies between two neighbouring stretches."""
    expected = old.source_end_s + old.speed * (new.start_s - old.end_s)
    off = (new.source_start_s - expected) / frame_s
    if abs(off) < STEP_PLAY:
        return []
    frames = round(off) or (1 if off > 0 else -1)
    if jump or abs(frames) > FARTHEST:
        return [Edit("jump", old.end_s, new.start_s, new.source_start_s, frames)]
    return [Edit("drop" if frames > 0 else "duplicate", old.end_s, new.start_s, new.source_start_s, abs(frames))]
