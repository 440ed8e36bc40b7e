"""A reel -> the lines along which its clip may lie upon itself: differences of two times, or their sums.

Method: short stretches of the clip ask for the one most like them that lies apart, as the clip is, mirrored, played
backwards and both (`windowing`). Of answers that are about as near the one nearest in time is taken, so that a loop
gives its period and not a multiple of it. Answers on one line and nearby are counted together.

Conventions: seconds on the clip's clock. A line is at the difference of the later and the earlier time; where the later
stretch is played backwards, at their sum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lipaccord.records import FloatArray, TimeArray
from lipaccord.source.joining import Reel
from lipaccord.source.signature import Signature
from lipaccord.source.windowing import WINDOW_S, windows

APART_S = 2.0
"""By so much the one lies later at least: a head remembers for less."""
TURN_S = 1.0
"""Backwards, moments that are nearer to each other say nothing: any nod is alike before and after."""
WAYS = ((False, False), (True, False), (False, True), (True, True))
"""Mirrored, backwards."""

ASK_S, ANSWER_S = 0.2, 0.04  # from one window to the next, of those that ask and those that answer
MOST_ASK = 6000  # windows, spread over the clip: from 20 minutes on, only longer stretches are sure to be found
PART_S = 600.0  # windows of so much are made at a time: bounds the memory
CELLS = 12_000_000  # distances at a time
FAR = 400.0  # squared distance beyond which two windows are not alike
AS_NEAR, NEARLY = 1.3, 20.0  # answers within so many times the least distance, and so much more, are about as near
LINE_S = 0.08  # how finely lines are told apart when answers are counted
NEARBY_S = 4.0
FEWEST_ANSWERS = 2
MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Line:
    """Along which a clip may lie upon itself.

    Attributes
    ----------
    is_mirrored, is_backwards : bool
        Of the later stretch.
    at_s : float
    near_s : float
        About where in the earlier stretch.
    weight : float
        Of the answers.
    """

    is_mirrored: bool
    is_backwards: bool
    at_s: float
    near_s: float
    weight: float


def _turned(signature: Signature) -> Signature:
    """Play a life backwards, between the same times."""
    times_s = signature.times_s[0] + signature.times_s[-1] - signature.times_s[::-1]
    return dataclasses.replace(signature, times_s=times_s, life=signature.life[::-1])


def _parts(signature: Signature) -> Iterator[Signature]:
    times_s = signature.times_s
    for start_s in np.arange(times_s[0], times_s[-1], PART_S):
        low, high = np.searchsorted(times_s, (start_s, start_s + PART_S + WINDOW_S))
        if low < high:
            yield dataclasses.replace(signature, times_s=times_s[low:high], life=signature.life[low:high])


def _windows(reel: Reel, stride_s: float, *, mirror: bool, backwards: bool) -> tuple[TimeArray, FloatArray]:
    """Describe the stretches of a reel; where each begins, and what it would be, mirrored or played backwards."""
    found = []
    for signature in reel.signatures:
        first_s, last_s = signature.times_s[0], signature.times_s[-1]
        for part in _parts(_turned(signature) if backwards else signature):
            starts_s, vectors = windows(part, stride_s, mirror=mirror)
            found.append((first_s + last_s - starts_s - WINDOW_S if backwards else starts_s, vectors))
    starts, rows = zip(*found, strict=True)
    return np.concatenate(starts), np.concatenate(rows)


def _nearest(
    asked_s: TimeArray, asking: FloatArray, places_s: TimeArray, answering: FloatArray, apart_s: float
) -> tuple[TimeArray, FloatArray]:
    """Return for each window where the one most like it begins, and their squared distance."""
    norms, rows = (answering**2).sum(axis=1), max(1, CELLS // len(answering))
    found, distances = np.empty(len(asked_s)), np.empty(len(asked_s), np.float32)
    for at in range(0, len(asked_s), rows):
        part = slice(at, at + rows)
        between_s = np.abs(places_s[None] - asked_s[part, None]).astype(np.float32)
        squares = (asking[part] ** 2).sum(axis=1)[:, None] + norms[None] - 2 * asking[part] @ answering.T
        squares[between_s < apart_s] = np.inf
        between_s[squares > squares.min(axis=1, keepdims=True) * AS_NEAR + NEARLY] = np.inf
        nearest = between_s.argmin(axis=1)
        found[part] = places_s[nearest]
        distances[part] = np.take_along_axis(squares, nearest[:, None], axis=1)[:, 0]
    return found, distances


def _answers(reel: Reel, mirror: bool, backwards: bool) -> tuple[TimeArray, TimeArray, FloatArray]:
    """Let the windows of one way answer; return their lines, where the earlier of the two begins, and weights."""
    asked_s, asking = _windows(reel, max(ASK_S, reel.duration_s / MOST_ASK), mirror=False, backwards=False)
    places_s, answering = _windows(reel, ANSWER_S, mirror=mirror, backwards=backwards)
    if not len(asked_s) or not len(places_s):
        return np.zeros(0), np.zeros(0), np.zeros(0, np.float32)
    other_s, distances = _nearest(asked_s, asking, places_s, answering, TURN_S if backwards else APART_S)
    alike = distances <= FAR
    asked_s, other_s, distances = asked_s[alike], other_s[alike], distances[alike]
    lines = asked_s + other_s + WINDOW_S if backwards else np.abs(other_s - asked_s)
    return lines, np.minimum(asked_s, other_s), FAR / (FAR + distances)


def lines_of(reel: Reel) -> list[Line]:
    """Return the lines along which a clip may lie upon itself, those with most answers first.

    Parameters
    ----------
    reel : Reel
    """
    lines = []
    for mirror, backwards in WAYS:
        at_s, earlier_s, weights = _answers(reel, mirror, backwards)
        cells: dict[tuple[int, int], list[int]] = {}
        keys = np.stack([np.floor(at_s / LINE_S), np.floor(earlier_s / NEARBY_S)], axis=1).astype(int).tolist()
        for number, (line, place) in enumerate(keys):
            cells.setdefault((line, place), []).append(number)
        for line, place in cells:
            beside = (cells.get((line + i, place + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
            here = [number for numbers in beside for number in numbers]
            if len(here) >= FEWEST_ANSWERS:
                middle_s, near_s = float(np.median(at_s[here])), float(np.median(earlier_s[here])) + WINDOW_S / 2
                lines.append(Line(mirror, backwards, middle_s, near_s, float(weights[here].sum())))
    return sorted(lines, key=lambda one: (-one.weight, one.at_s, one.near_s, one.is_mirrored))[:MOST_LINES]
