"""The signatures of a clip against themselves -> stretches of a clip that show the same moment of the head again.

Nobody moves twice alike for seconds. Footage that is laid under a longer speech does: it comes again from its
beginning, backwards, or mirrored. A replay in a broadcast does so too; there the sound comes again with the picture.

Method: the lines along which the clip may lie upon itself (`echoing`) are followed to both sides for as long as the two
moments agree better than two heads that move as much would by chance; what the stretches have in common is weighed
as it is for two recordings (`weighing`).

Conventions: seconds on the clip's clock. What is played backwards begins with what the other ends with.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import Reason, TimeArray
from lipaccord.report.values import json_values
from lipaccord.source.aligning import MIN_FRAMES, MIN_HEARD_S, SAME_SOUND
from lipaccord.source.echoing import APART_S, LINE_S, NEARBY_S, TURN_S, WAYS, Line, lines_of
from lipaccord.source.hearing import agreement
from lipaccord.source.joining import SAME_TIME_S, Reel, reels_of
from lipaccord.source.signature import CHANNELS, SOUND_RATE_HZ, Signature
from lipaccord.source.weighing import TREMBLE, log10_false, shared
from lipaccord.source.windowing import WINDOW_S, features

MOST_EXPECTED = 1e-3
"""A reuse is claimed where fewer false ones are expected."""
SHORTEST_S = APART_S + WINDOW_S
"""A shorter clip has no room for a moment and the same moment again."""
TRIED_S = 3.0  # length of the clips by which chance was calibrated
FEWEST_H = 1.0  # less comparing counts as so much
REACH_S = 60.0  # to which a line is followed at first; farther where it goes on
SPREAD_S = 0.5  # over which movement and difference are taken on the way
WORST = -2.0  # nats of one feature in one frame that contradicts
BRIDGED_S = 0.5  # of nothing but contradiction that a stretch may hold
NEW = 0.5  # share of the later stretch that no stronger reuse has explained

_Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reuse:
    """A stretch of a clip that comes again.

    Attributes
    ----------
    start_s, end_s : float
        Where it is seen first.
    again_start_s, again_end_s : float
        Where it is seen again; the two overlap where a loop comes again and again.
    is_mirrored, is_backwards : bool
        The later one, against the earlier one.
    same_sound : bool or None
        The sound comes again with it, as in a replay; None where too little is heard, or it is played backwards.
    strength : float
        Evidence in nats, before it is set against chance.
    log10_false : float
        log10 of how many false matches of this strength an hour of other recordings gives.
    log10_expected_false : float
        log10 of how many are expected in as much comparing as was done; see `compared_h`.
    """

    start_s: float
    end_s: float
    again_start_s: float
    again_end_s: float
    is_mirrored: bool
    is_backwards: bool
    same_sound: bool | None
    strength: float
    log10_false: float
    log10_expected_false: float


@dataclass(frozen=True, slots=True)
class Reused:
    """What of one head comes again in its clip.

    Attributes
    ----------
    faces : tuple of str
        As which the head is followed, or those that are in its place: a cut makes another face of it.
    compared_h : float
        As the function of this name gives it; 0 where nothing was compared.
    reuses : tuple of Reuse
        In the order in which they come again.
    reasons : tuple of Reason
        Why there is nothing to look for; empty where the clip was looked through.
    """

    faces: tuple[str, ...]
    compared_h: float
    reuses: tuple[Reuse, ...] = ()
    reasons: tuple[Reason, ...] = ()

    def to_values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        written: dict[str, Any] = json_values(dataclasses.asdict(self))
        return written


def compared_h(seen_s: float) -> float:
    """Return how much comparing it is to lay a clip upon itself, in hours of other recordings.

    The clip counts as so many clips of `TRIED_S`, each of which is laid upon the whole in four ways; of two moments one
    is the earlier, so half of that.

    Parameters
    ----------
    seen_s : float
        Seconds in which the face is seen.
    """
    return max(FEWEST_H, len(WAYS) * (seen_s / TRIED_S) * (seen_s / 3600) / 2)


def _smoothed(values: _Numbers, span: int) -> _Numbers:
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    low = np.maximum(np.arange(len(values)) - span // 2, 0)
    high = np.minimum(np.arange(len(values)) + span // 2 + 1, len(values))
    smooth: _Numbers = (sums[high] - sums[low]) / (high - low)[:, None]
    return smooth


def _farthest(evidence: _Numbers, most: float) -> int:
    """Return how far to go for the most evidence, if no stretch that loses more than `most` is crossed."""
    total = np.cumsum(evidence)
    lost = np.flatnonzero(np.maximum.accumulate(total) - total > most)
    return int(np.argmax(total[: lost[0]] if len(lost) else total))


def _pairs(reel: Reel, line: Line, reach_s: float) -> tuple[TimeArray, TimeArray]:
    """Return the frames near a line's middle that have a later moment on it, and those moments."""
    low, high = np.searchsorted(reel.times_s, (line.near_s - reach_s, line.near_s + reach_s))
    here = reel.times_s[low:high]
    later = line.at_s - here if line.is_backwards else here + line.at_s
    there = (later <= reel.times_s[-1] + SAME_TIME_S) & (later - here >= (TURN_S if line.is_backwards else 0.0))
    return here[there], later[there]


def _evidence(reel: Reel, line: Line, here: TimeArray, later: TimeArray) -> _Numbers:
    """Weigh frame by frame, as `weighing.shared` weighs a whole, whether two moments are the same [shape=(n,)]."""
    one, other = reel.features[False].at(here), reel.features[line.is_mirrored].at(later)
    known = np.asarray(np.isfinite(one + other).all(axis=1))
    one, other = np.where(known[:, None], one, 0), np.where(known[:, None], other, 0)
    span = round(SPREAD_S / reel.frame_s)
    off = _smoothed((one - other) ** 2, span) / 2
    moved = np.maximum(_smoothed(one**2 + other**2, span) / 2, TREMBLE)
    information = 0.5 * (np.log(moved / TREMBLE) - off / TREMBLE + off / moved)
    evidence: _Numbers = np.maximum(information, WORST).sum(axis=1) * known
    return evidence


def _follow(reel: Reel, line: Line) -> tuple[TimeArray, TimeArray] | None:
    """Return the moments of a line, and the later ones, for as long as the two agree."""
    reach_s, most = REACH_S, -WORST * len(CHANNELS) * BRIDGED_S / reel.frame_s
    while True:
        here, later = _pairs(reel, line, reach_s)
        near = np.abs(here - line.near_s) <= NEARBY_S / 2
        if len(here) < MIN_FRAMES or not near.any():
            return None
        evidence = _evidence(reel, line, here, later)
        middle = int(np.argmax(np.where(near, evidence, -np.inf)))
        first, last = middle - _farthest(evidence[middle::-1], most), middle + _farthest(evidence[middle:], most)
        if (first > 0 and last < len(here) - 1) or reach_s > reel.duration_s:
            return here[first : last + 1], later[first : last + 1]
        reach_s *= 8


def _strength(reel: Reel, line: Line, here: TimeArray, later: TimeArray) -> float:
    """Weigh what two stretches have in common, in nats; slow changes are taken out of the same part of both."""
    rows, others = reel.life[False], reel.life[line.is_mirrored]
    one, other = rows.at(here), others.at(later)
    known = np.isfinite(one).any(axis=1) & np.isfinite(other).any(axis=1)
    if known.sum() < MIN_FRAMES:
        return 0.0
    here, later, one, other = here[known], later[known], one[known], other[known]
    joints = np.flatnonzero((np.diff(rows.face_at(here)) != 0) | (np.diff(others.face_at(later)) != 0)) + 1
    sides = [
        np.concatenate(
            [
                features(times_s, part.astype(np.float32))
                for times_s, part in zip(np.split(here, joints), np.split(side, joints), strict=True)
            ]
        )
        for side in (one, other)
    ]
    return shared(sides[0], sides[1], here)


def _same_sound(reel: Reel, line: Line, here: TimeArray) -> bool | None:
    """Tell whether the sound comes again with the picture."""
    if line.is_backwards:
        return None
    start_s, bits, heard = reel.sound()
    first, last = (round((time_s - start_s) * SOUND_RATE_HZ) for time_s in (here[0], here[-1]))
    ahead, shares = round(line.at_s * SOUND_RATE_HZ), []
    for shift in (ahead - 1, ahead, ahead + 1):
        steps = np.arange(max(0, first), min(last, len(bits) - shift))
        both = heard[steps] & heard[steps + shift]
        if both.sum() >= MIN_HEARD_S * SOUND_RATE_HZ:
            shares.append(agreement(bits[steps], bits[steps + shift], both))
    return max(shares) >= SAME_SOUND if shares else None


def _is_known(line: Line, found: list[tuple[Line, Reuse]]) -> bool:
    """Tell whether a line was found already where this one is."""
    return any(
        (line.is_mirrored, line.is_backwards) == (other.is_mirrored, other.is_backwards)
        and abs(line.at_s - other.at_s) < 2 * LINE_S
        and reuse.start_s <= line.near_s <= reuse.end_s
        for other, reuse in found
    )


def _weighed(reel: Reel, line: Line) -> Reuse | None:
    """Follow a line and those a frame beside it; return the strongest."""
    best: Reuse | None = None
    for shift in (-1, 0, 1):
        moved = dataclasses.replace(line, at_s=(round(line.at_s / reel.frame_s) + shift) * reel.frame_s)
        if (found := _follow(reel, moved)) is None:
            continue
        here, later = found
        strength = _strength(reel, moved, here, later)
        if best is None or strength > best.strength:
            rate = log10_false(strength)
            best = Reuse(
                start_s=float(here[0]),
                end_s=float(here[-1]),
                again_start_s=float(later.min()),
                again_end_s=float(later.max()),
                is_mirrored=line.is_mirrored,
                is_backwards=line.is_backwards,
                same_sound=_same_sound(reel, moved, here),
                strength=strength,
                log10_false=rate,
                log10_expected_false=rate + math.log10(compared_h(reel.seen_s)),
            )
    return best


def candidates(reel: Reel) -> list[Reuse]:
    """Return what may come again in a reel, whatever its strength, the strongest first."""
    found: list[tuple[Line, Reuse]] = []
    for line in lines_of(reel):
        if not _is_known(line, found) and (reuse := _weighed(reel, line)) is not None:
            found.append((line, reuse))
    return sorted((reuse for _, reuse in found), key=lambda one: (-one.strength, one.again_start_s, one.start_s))


def _searched(reel: Reel) -> Reused:
    faces = tuple(one.face for one in reel.signatures)
    if reel.duration_s < SHORTEST_S:
        text = f"The head is seen for {reel.duration_s:.1f} s: too short for a moment to come again."
        reason = Reason("too_short", text, f"use {SHORTEST_S:.1f} s or more of the clip")
        return Reused(faces, 0.0, reasons=(reason,))
    kept: list[Reuse] = []
    explained = np.zeros(len(reel.times_s), bool)
    for reuse in candidates(reel):
        if reuse.log10_expected_false >= math.log10(MOST_EXPECTED):
            break
        low, high = np.searchsorted(reel.times_s, (reuse.again_start_s - SAME_TIME_S, reuse.again_end_s + SAME_TIME_S))
        if explained[low:high].mean() <= 1 - NEW:
            kept.append(reuse)
            explained[low:high] = True
    return Reused(faces, compared_h(reel.seen_s), tuple(sorted(kept, key=lambda one: (one.again_start_s, one.start_s))))


def reused(signatures: Sequence[Signature]) -> tuple[Reused, ...]:
    """Find the stretches of a clip that show the same moment of a head again.

    Parameters
    ----------
    signatures : sequence of Signature
        Of one clip, as `signing.sign` gives them.

    Returns
    -------
    tuple of Reused
        One for each head, as far as cuts let them be told apart; first those that live, then the still ones.
    """
    found = [_searched(reel) for reel in reels_of(signatures)]
    reason = Reason("still", "A still picture is alike throughout.", "use a part of the clip in which the head moves")
    found += [Reused((one.face,), 0.0, reasons=(reason,)) for one in signatures if one.still]
    return tuple(found)
