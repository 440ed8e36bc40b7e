"""A signature and the files of an index -> the signatures that may show the same moment.

Two roads. Every stretch of the clip's life, a frame apart, asks for the stretches of the index nearest to it, as it is
and mirrored; each answer votes for a signature and a difference of the two clocks. And looks of the clip, spread over
it, ask for the most alike ones: where a head hardly moves, or a generator has drawn the whole picture anew, the life is
not enough, while the upper face and its surroundings still are those of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lipaccord.records import FloatArray, TimeArray
from lipaccord.source import looks
from lipaccord.source.neighbours import LOOK_WIDTH, Neighbours, Numbers
from lipaccord.source.signature import Signature
from lipaccord.source.windowing import windows

QUERY_STRIDE_S = 0.04
MOST_WINDOWS = 1500  # of a clip that are searched for, spread over it
NEAR = 10  # answers to each
FAR = 400.0  # squared distance at which an answer counts for little
VOTE_S = 0.5
MOST_LOOKS = 6  # of a clip that are searched for, spread over it
NEAR_LOOKS = 64  # answers to each: many may be of one signature
ALIKE = 0.3  # share of bits that differ; of fakes and their sources at most 0.23, of chance 0.5


@dataclass(frozen=True, slots=True)
class Vote:
    """A signature that may show what the clip shows.

    Attributes
    ----------
    signature : int
        Its number.
    ahead_s : float
        By how much the time since its first frame is ahead of the clip's clock.
    weight : float
    """

    signature: int
    ahead_s: float
    weight: float


def _wanted(query: Signature, mirror: bool) -> tuple[TimeArray, FloatArray]:
    times_s, vectors = windows(query, QUERY_STRIDE_S, mirror=mirror)
    if len(times_s) > MOST_WINDOWS:
        picked = np.linspace(0, len(times_s) - 1, MOST_WINDOWS).astype(np.intp)
        times_s, vectors = times_s[picked], vectors[picked]
    return times_s, vectors


def _answers(files: Sequence[Neighbours], vectors: FloatArray) -> tuple[FloatArray, Numbers, TimeArray]:
    """Ask all files, and keep the nearest answers of all."""
    distances, numbers, starts = (
        np.concatenate(parts, axis=1) for parts in zip(*(file.search(vectors, NEAR) for file in files), strict=True)
    )
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :NEAR]
    return (
        np.take_along_axis(distances, nearest, axis=1),
        np.take_along_axis(numbers, nearest, axis=1),
        np.take_along_axis(starts, nearest, axis=1),
    )


def _counted(numbers: Numbers, ahead_s: TimeArray, weights: FloatArray) -> list[Vote]:
    """Count votes by signature and difference of the clocks; of each signature the difference with most of them."""
    places = np.floor(ahead_s / VOTE_S).astype(np.int64)
    cells, of_cell = np.unique(np.stack([numbers, places], axis=1), axis=0, return_inverse=True)
    sums = np.bincount(of_cell.ravel(), weights, len(cells))
    follows = np.flatnonzero((cells[1:, 0] == cells[:-1, 0]) & (cells[1:, 1] == cells[:-1, 1] + 1))
    beside = sums.copy()  # a copy at another speed, or one at an edge, votes for neighbours too
    beside[follows] += sums[follows + 1]
    beside[follows + 1] += sums[follows]
    votes = []
    order = np.lexsort((-beside, cells[:, 0]))
    firsts = order[np.append(True, np.diff(cells[order, 0]) != 0)] if len(order) else order
    for cell in firsts:
        votes.append(Vote(int(cells[cell, 0]), float((cells[cell, 1] + 0.5) * VOTE_S), float(beside[cell])))
    return votes


def votes_of(files: Sequence[Neighbours], query: Signature) -> list[Vote]:
    """Return the signatures that the stretches of a clip vote for, those with most votes first, each once."""
    best: dict[int, Vote] = {}
    for mirror in (False, True):
        times_s, vectors = _wanted(query, mirror)
        if not len(times_s) or not files:
            continue
        distances, numbers, starts_s = _answers(files, vectors)
        ahead_s = starts_s - times_s[:, None]
        weights = FAR / (FAR + distances)
        there = numbers > 0
        for vote in _counted(numbers[there], ahead_s[there], weights[there]):
            if vote.signature not in best or best[vote.signature].weight < vote.weight:
                best[vote.signature] = vote
    return sorted(best.values(), key=lambda vote: (-vote.weight, vote.signature))


def likest_of(files: Sequence[Neighbours], query: Signature, most: int) -> list[int]:
    """Return the signatures that look most like a clip, as it is or mirrored; the likest first, each once."""
    if not len(query.looks) or not files:
        return []
    picked = query.looks[np.linspace(0, len(query.looks) - 1, min(MOST_LOOKS, len(query.looks))).astype(np.intp)]
    hashes = np.concatenate([picked, looks.mirrored(picked)]).reshape(-1, LOOK_WIDTH)
    found = [file.alike(hashes, NEAR_LOOKS) for file in files]
    distances, numbers = (np.concatenate([part.ravel() for part in parts]) for parts in zip(*found, strict=True))
    order = np.lexsort((numbers, distances))
    near = order[distances[order] <= ALIKE]
    return list(dict.fromkeys(numbers[near].tolist()))[:most]
