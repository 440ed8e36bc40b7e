"""Find, for the stretches of a clip, the distant stretches that are most like them.

A clip is given as fingerprints of unit length, one of the mouth and one of the nose for each frame; the distance of
two fingerprints is one less their correlation. Stretches are first compared by the principal components of some of
their frames, which never overstates a distance; the best partner of each is then measured in full.

Conventions: T frames, n stretches; a stretch is named by its place in `Runs.starts`. Of long clips the earlier of two
stretches begins at every k-th frame only (`MAX_ROWS`), and the comparison goes block by block: memory and time stay
bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray, IndexArray, TimeArray

Values = NDArray[np.float64]

RUN_S = 0.32
"""Length of a stretch."""

APART_S = 1.0
"""Least distance between the beginnings of two stretches that are compared."""

MIN_RUN = 4  # frames
NEXT_S = 0.04  # how far apart neighbouring frames are taken, or one frame
EVEN = 1.5  # a stretch may take as many times its usual length
FLOOR = 1e-3  # of distances: about what an encoder leaves between two showings of one picture

NOSE_APART = 0.2  # log10: noses of authentic clips are further apart wherever their mouths are most alike

MAX_ROWS = 2000
BLOCK = 256  # stretches compared with all others at once
COMPONENTS = 16
SAMPLES = 8  # frames of a stretch that are compared at first


@dataclass(frozen=True, slots=True)
class Runs:
    """Stretches of consecutive frames of one clip.

    Attributes
    ----------
    starts : ndarray of int64 [shape=(n,)]
        First frame of each stretch.
    length, apart : int
        Frames in a stretch; least distance between two that are compared.
    mouth, nose : ndarray of float32 [shape=(T, cells)]
        Fingerprints; zero where there are none.
    mouth_change, nose_change : ndarray of float64 [shape=(n,)]
        Mean distance of neighbouring frames within each stretch.
    """

    starts: IndexArray
    length: int
    apart: int
    mouth: FloatArray
    nose: FloatArray
    mouth_change: Values
    nose_change: Values

    def frames(self, chosen: IndexArray) -> IndexArray:
        """Return all frames of some stretches [shape=(m, length)]."""
        found: IndexArray = self.starts[chosen][:, None] + np.arange(self.length)
        return found


def _changes(prints: FloatArray, starts: IndexArray, length: int, step: int) -> Values:
    """Mean distance of frames `step` apart within each stretch [shape=(n,)]."""
    distances = 1.0 - np.einsum("ij,ij->i", prints[step:], prints[:-step], dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(distances)])
    means: Values = (sums[starts + length - step] - sums[starts]) / (length - step)
    return means


def runs_of(times_s: TimeArray, mouth: FloatArray, nose: FloatArray, usable: BoolArray) -> Runs:
    """Cut a clip into all stretches of usable frames that follow each other without a gap.

    Parameters
    ----------
    times_s : ndarray of float64 [shape=(T,)]
        T of 2 or more.
    mouth, nose : ndarray of float32 [shape=(T, cells)]
        Fingerprints.
    usable : ndarray of bool [shape=(T,)]
        Frames that count.

    Returns
    -------
    Runs
        They overlap: one begins at every frame that allows it.
    """
    mouth, nose = (np.where(usable[:, None], prints, 0.0).astype(np.float32) for prints in (mouth, nose))
    usual = float(np.median(np.diff(times_s)))
    length, apart = max(MIN_RUN, round(RUN_S / usual)), round(APART_S / usual)
    step = max(1, round(NEXT_S / usual))
    counts = np.concatenate([[0], np.cumsum(usable)])
    starts = np.arange(max(0, len(times_s) - length + 1))
    whole = counts[starts + length] - counts[starts] == length
    whole &= times_s[starts + length - 1] - times_s[starts] <= EVEN * (length - 1) * usual
    starts = starts[whole]
    changes = (_changes(prints, starts, length, step) for prints in (mouth, nose))
    return Runs(starts, length, max(apart, length), mouth, nose, *changes)


def _sketches(runs: Runs) -> FloatArray:
    """Describe each stretch by the main components of some of its frames [shape=(n, samples * COMPONENTS)].

    Half the squared distance of two sketches is at most the mean distance of the two stretches at these frames.
    """
    _, vectors = np.linalg.eigh(runs.mouth.T @ runs.mouth)
    reduced = runs.mouth @ vectors[:, -COMPONENTS:]
    sampled = np.unique(np.linspace(0, runs.length - 1, SAMPLES).astype(int))
    sketches = reduced[runs.starts[:, None] + sampled].reshape(len(runs.starts), -1)
    return np.asarray(sketches / np.sqrt(len(sampled)), np.float32)


def partners(runs: Runs) -> tuple[IndexArray, IndexArray, int]:
    """Find for stretches throughout the clip the later one that is most like it, for its own change.

    Parameters
    ----------
    runs : Runs

    Returns
    -------
    first, second : ndarray of int64 [shape=(m,)]
        Pairs of stretches; m is 0 where no two are far enough apart.
    compared : int
        Number of pairs that they were chosen from.
    """
    rows = np.arange(0, len(runs.starts), max(1, -(-len(runs.starts) // MAX_ROWS)))
    begin = np.searchsorted(runs.starts, runs.starts[rows] + runs.apart)
    rows, begin = rows[begin < len(runs.starts)], begin[begin < len(runs.starts)]
    if not rows.size:
        return rows, rows, 0
    sketches = _sketches(runs)
    halves = np.square(sketches).sum(axis=1) / 2
    weight = (1 / np.sqrt(runs.mouth_change + FLOOR)).astype(np.float32)
    second = []
    for block in range(0, len(rows), BLOCK):
        own, since = rows[block : block + BLOCK], begin[block : block + BLOCK]
        others = slice(int(since[0]), None)
        distance = sketches[own] @ sketches[others].T
        np.subtract(halves[others], distance, out=distance)
        distance += halves[own, None] + FLOOR
        distance *= weight[others]
        for row, first_allowed in enumerate(since - since[0]):
            distance[row, :first_allowed] = np.inf
        second.append(distance.argmin(axis=1) + since[0])
    return rows, np.concatenate(second), int((len(runs.starts) - begin).sum())


def unlikeness(runs: Runs, first: IndexArray, second: IndexArray) -> Values:
    """Measure how much the mouths of pairs of stretches differ, for what changes within them.

    Parameters
    ----------
    runs : Runs
    first, second : ndarray of int64 [shape=(m,)]
        The pairs.

    Returns
    -------
    ndarray of float64 [shape=(m,)]
        log10 of the mean distance of the two mouths, frame against frame, over the geometric mean of their changes
        from frame to frame. Below zero they are alike beyond their own changes. That counts in full where the noses
        differ by more than `NOSE_APART` in the same measure, and not at all where the noses come again too.
    """
    mouth = _difference(runs.mouth, runs.mouth_change, runs, first, second)
    nose = _difference(runs.nose, runs.nose_change, runs, first, second)
    return np.where(mouth < 0, mouth * np.clip(nose / NOSE_APART, 0.0, 1.0), mouth)


def _difference(prints: FloatArray, change: Values, runs: Runs, first: IndexArray, second: IndexArray) -> Values:
    """log10 of the mean distance of pairs of stretches over the mean of their own changes [shape=(m,)]."""
    pairs = zip(runs.frames(first), runs.frames(second), strict=True)
    apart = np.array([1.0 - np.vdot(prints[one], prints[two]) / runs.length for one, two in pairs])
    own = (np.log10(change[first] + FLOOR) + np.log10(change[second] + FLOOR)) / 2
    result: Values = np.log10(np.maximum(apart, 0.0) + FLOOR) - own
    return result
