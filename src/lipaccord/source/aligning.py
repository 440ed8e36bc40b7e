"""Two signatures -> how the one lies in the other, and how unlikely that is by chance.

Method: every frame of the clip looks for its place in the source (`tracing`), first roughly, then with the advance
found nearby and with slow changes taken out of the same part of both. Straight lines through that path give the
mapping and the edits (`placing`). What the two lives have in common is weighed twice (`weighing`): along the whole
mapping, at a price for every break in it, and along one straight line without any; the better of the two is the
strength. Breaks make strangers alike: the price keeps them from it, while a copy that was cut or retimed can afford it.

Conventions: a lag is in seconds, + = the clip's sound comes late against its picture.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipaccord.errors import ArchiveError
from lipaccord.records import FloatArray, TimeArray
from lipaccord.source import looks
from lipaccord.source.alignment import Alignment, Edit, SoundAgreement, Stretch, places_of
from lipaccord.source.hearing import agreement
from lipaccord.source.living import mirrored
from lipaccord.source.placing import place
from lipaccord.source.signature import CHANNELS, LOOKS, SOUND_RATE_HZ, Signature
from lipaccord.source.tracing import NOWHERE, Path, costs, trace
from lipaccord.source.weighing import correlations, log10_false, shared
from lipaccord.source.windowing import features, moving, windows

MAX_CELLS = 20_000_000
"""Frames of the clip times frames of the source that are compared at once; beyond it the windows say where to look."""

REACH_S = 2.0
REACH_SHARE = 0.2  # of the clip's length, for another speed
NEAR_S = 1.0  # over which the advance is taken
SLOWEST, FASTEST = 0.4, 2.5
VOTE_S = 0.2
LOOK_APART_S = 0.15
MAX_LAG_S = 1.0
MIN_HEARD_S = 1.0
SAME_SOUND = 0.7
BREAK = 20.0  # nats that every break in the mapping has to bring
TOLD = 10.0  # and that it has to bring to be told of
MIN_FRAMES = 15  # in common, to be weighed
LINES = 3  # straight lines that are tried


@dataclass(frozen=True, slots=True)
class _Life:
    """The life of one signature: times and channels."""

    times_s: TimeArray
    life: FloatArray

    @property
    def frame_s(self) -> float:
        return float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.04

    def part(self, frames: slice) -> _Life:
        return _Life(self.times_s[frames], self.life[frames])

    def at(self, times_s: TimeArray) -> FloatArray:
        """Interpolate between the frames in which the face was seen; NaN outside, and in gaps [shape=(n, C)]."""
        known = np.isfinite(self.life).any(axis=1)
        seen = self.times_s[known]
        laid = np.stack([np.interp(times_s, seen, channel) for channel in self.life[known].T], axis=1)
        after = np.clip(np.searchsorted(seen, times_s), 1, max(1, len(seen) - 1))
        play = self.frame_s / 2
        inside = (times_s >= seen[0] - play) & (times_s <= seen[-1] + play)
        if len(seen) > 1:
            inside &= seen[after] - seen[after - 1] <= 5 * self.frame_s
        laid[~inside] = np.nan
        return laid.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of laying a clip on a source."""

    stretches: tuple[Stretch, ...]
    edits: tuple[Edit, ...]
    strength: float
    mirror: bool


def _advances(path: Path, times_s: TimeArray, source_s: TimeArray, frame_s: float) -> NDArray[np.float64]:
    """Return how many frames of the source each frame of the clip advances, taken over the path nearby."""
    gaps = np.diff(times_s, prepend=times_s[0])
    there = np.flatnonzero(path != NOWHERE)
    x, y = times_s[there] - times_s[0], source_s[path[there]] - source_s[0]
    moments = np.stack([np.ones(len(x)), x, y, x * x, x * y])
    sums = np.concatenate([np.zeros((5, 1)), np.cumsum(moments, axis=1)], axis=1)
    back = np.concatenate([[0], np.cumsum(np.diff(y, prepend=y[:1]) < 0)])
    low = np.searchsorted(times_s[there], times_s - NEAR_S)
    high = np.searchsorted(times_s[there], times_s + NEAR_S)
    n, sx, sy, sxx, sxy = sums[:, high] - sums[:, low]
    spread = n * sxx - sx * sx
    smooth = (n >= MIN_FRAMES) & (spread > 0) & (back[high] - back[np.minimum(low + 1, high)] == 0)
    speed = np.ones(len(path))
    np.divide(n * sxy - sx * sy, spread, out=speed, where=smooth)
    advances: NDArray[np.float64] = np.clip(speed, SLOWEST, FASTEST) * gaps / frame_s
    return advances


def _overlap(path: Path) -> slice:
    there = path[path != NOWHERE]
    return slice(int(there.min()), int(there.max()) + 1)


def _follow(clip: _Life, source: _Life) -> Path | None:
    """Find the path of a clip through a source, in two rounds."""
    wanted = features(clip.times_s, clip.life)
    advance = np.diff(clip.times_s, prepend=clip.times_s[0]) / source.frame_s
    path, gain = trace(*costs(wanted, features(source.times_s, source.life)), advance)
    if gain <= 0 or (path == NOWHERE).all():
        return None
    part = _overlap(path)
    near = source.part(part)
    advance = _advances(path, clip.times_s, source.times_s, source.frame_s)
    path, gain = trace(*costs(wanted, features(near.times_s, near.life)), advance)
    if gain <= 0 or (path == NOWHERE).all():
        return None
    return np.where(path == NOWHERE, NOWHERE, path + part.start)


def _common(clip: _Life, source: _Life, stretches: tuple[Stretch, ...]) -> tuple[_Life, _Life]:
    """Return the life of both in the clip's frames that the stretches cover."""
    places = places_of(stretches, clip.times_s)
    known = np.isfinite(places) & np.isfinite(clip.life).any(axis=1)
    other = source.at(places[known])
    there = np.isfinite(other).any(axis=1)
    times_s = clip.times_s[known][there]
    return _Life(times_s, clip.life[known][there]), _Life(times_s, other[there])


def _weighed(clip: _Life, source: _Life, stretches: tuple[Stretch, ...]) -> float:
    one, other = _common(clip, source, stretches)
    if len(one.times_s) < MIN_FRAMES:
        return 0.0
    return shared(features(one.times_s, one.life), features(other.times_s, other.life), one.times_s)


def _straight(clip: _Life, source: _Life, path: Path) -> tuple[Stretch, float] | None:
    """Weigh straight lines of one speed through the places where most of the path lies; return the best."""
    there = path != NOWHERE
    ahead = source.times_s[path[there]] - clip.times_s[there]
    frame_s = source.frame_s
    modes = Counter(np.rint(ahead / frame_s).astype(int).tolist()).most_common(LINES)
    best: tuple[Stretch, float] | None = None
    for lag in sorted({lag + near for lag, _ in modes for near in (-1, 0, 1)}):
        low = max(clip.times_s[0], source.times_s[0] - lag * frame_s)
        high = min(clip.times_s[-1], source.times_s[-1] - lag * frame_s)
        if high - low < MIN_FRAMES * frame_s:
            continue
        line = Stretch(float(low), float(high), float(low + lag * frame_s), float(high + lag * frame_s))
        strength = _weighed(clip, source, (line,))
        if best is None or strength > best[1]:
            best = line, strength
    return best


def _voted(query: Signature, source: Signature, mirror: bool) -> float | None:
    """Tell by the windows by how much the source's clock is ahead; None where they say nothing."""
    starts, vectors = windows(query, 0.04, mirror=mirror)
    places, others = windows(source)
    if not len(vectors) or not len(others):
        return None
    votes: dict[int, float] = {}
    norms = (others**2).sum(axis=1)
    for start, vector in zip(starts, vectors, strict=True):
        distance = norms - 2 * (others @ vector)
        nearest = int(np.argmin(distance))
        lag = round((places[nearest] - start) / VOTE_S)
        for near in (lag - 1, lag, lag + 1):
            votes[near] = votes.get(near, 0.0) + (2.0 if near == lag else 1.0)
    return max(votes, key=lambda lag: votes[lag]) * VOTE_S


def _searched(query: Signature, source: Signature, hint_s: float | None, mirror: bool) -> slice:
    """Choose the frames of the source among which to look."""
    if hint_s is None and len(query.times_s) * len(source.times_s) > MAX_CELLS:
        hint_s = _voted(query, source, mirror)
    if hint_s is None:
        return slice(0, len(source.times_s))
    reach = REACH_S + REACH_SHARE * query.duration_s
    low, high = np.searchsorted(source.times_s, (query.start_s + hint_s - reach, query.end_s + hint_s + reach))
    return slice(int(low), int(high))


def _way(clip: _Life, source: _Life, mirror: bool) -> _Way | None:
    """Find the best way of laying a clip on a source."""
    if mirror:
        clip = _Life(clip.times_s, mirrored(clip.life))
    path = _follow(clip, source) if len(clip.times_s) >= MIN_FRAMES and len(source.times_s) >= MIN_FRAMES else None
    if path is None:
        return None
    stretches, edits = place(path, clip.times_s, source.times_s, max(source.frame_s, clip.frame_s))
    line = _straight(clip, source, path)
    whole, breaks = (_weighed(clip, source, stretches), len(stretches) - 1) if stretches else (0.0, 0)
    strength = whole - BREAK * breaks
    if line is not None:
        strength = max(strength, line[1])
        if line[1] >= whole - TOLD * breaks:
            stretches, edits = (line[0],), ()
    return _Way(stretches, edits, strength, mirror)


def _sound(clip: Signature, source: Signature, stretches: tuple[Stretch, ...]) -> SoundAgreement:
    """Compare the sound where the picture lies, and up to `MAX_LAG_S` round it."""
    nothing = SoundAgreement(None, float("nan"), 0.0, 0.0)
    steps_s = clip.sound_start_s + np.arange(len(clip.sound)) / SOUND_RATE_HZ
    places = places_of(stretches, steps_s)
    there = np.isfinite(places)
    if not there.any() or not len(source.sound):
        return nothing
    at = np.rint((places[there] - source.sound_start_s) * SOUND_RATE_HZ).astype(np.int64)
    bits, heard = clip.sound[there], clip.heard[there]
    best = nothing
    most = round(MAX_LAG_S * SOUND_RATE_HZ)
    for lag in sorted(range(-most, most + 1), key=abs):
        moved = at - lag
        inside = (moved >= 0) & (moved < len(source.sound))
        moved = np.clip(moved, 0, len(source.sound) - 1)
        both = inside & heard & source.heard[moved]
        heard_s = float(both.sum()) / SOUND_RATE_HZ
        if heard_s < MIN_HEARD_S / 2:
            continue
        share = agreement(bits, source.sound[moved], both)
        if not share <= best.agreement:
            same = share >= SAME_SOUND if heard_s >= MIN_HEARD_S else None
            best = SoundAgreement(same, share, lag / SOUND_RATE_HZ, heard_s)
    return best


def _looks(clip: Signature, source: Signature, way: _Way) -> dict[str, float]:
    """Compare the hashes of the same moments."""
    places = places_of(way.stretches, clip.looks_s)
    there = np.flatnonzero(np.isfinite(places))
    if not len(there) or not len(source.looks_s):
        return {}
    after = np.clip(np.searchsorted(source.looks_s, places[there]), 1, len(source.looks_s) - 1)
    before = after - 1
    nearer = np.abs(source.looks_s[before] - places[there]) <= np.abs(source.looks_s[after] - places[there])
    nearest = np.where(nearer, before, after)
    close = np.abs(source.looks_s[nearest] - places[there]) <= LOOK_APART_S
    if not close.any():
        return {}
    mine = looks.mirrored(clip.looks) if way.mirror else clip.looks
    apart = np.median(looks.distance(mine[there[close]], source.looks[nearest[close]]), axis=0)
    return {name: float(apart[number]) for number, name in enumerate(LOOKS)}


def align(query: Signature, source: Signature, hint_s: float | None = None) -> Alignment | None:
    """Lay a clip on a source.

    Parameters
    ----------
    query, source : Signature
    hint_s : float, optional
        By how much the source's clock is ahead of the clip's, roughly; without it the whole source is searched.

    Returns
    -------
    Alignment or None
        The best there is, whatever its strength: whoever asks compares `Alignment.log10_false` with what he accepts.
        None where nothing is alike, or one of the two is a still picture.

    Raises
    ------
    ArchiveError
        The two were made with different landmarks.
    """
    if query.landmarks != source.landmarks:
        raise ArchiveError(
            f"the clip was signed with {query.landmarks} and the source with {source.landmarks}: sign both alike"
        )
    if query.still or source.still:
        return None
    clip = _Life(query.times_s, query.life)
    ways = []
    for mirror in (False, True):
        frames = _searched(query, source, hint_s, mirror)
        way = _way(clip, _Life(source.times_s[frames], source.life[frames]), mirror)
        if way is not None and way.stretches:
            ways.append(way)
    if not ways:
        return None
    best = max(ways, key=lambda way: way.strength)
    if best.mirror:
        clip = _Life(clip.times_s, mirrored(clip.life))
    one, other = _common(clip, _Life(source.times_s, source.life), best.stretches)
    if len(one.times_s) < MIN_FRAMES:
        return None
    agreeing = correlations(moving(one.times_s, one.life), moving(other.times_s, other.life))
    measured = np.asarray(np.isfinite(query.life).any(axis=0) & np.isfinite(source.life).any(axis=0))
    return Alignment(
        stretches=best.stretches,
        mirrored=best.mirror,
        covered=len(one.times_s) / max(1, int(np.isfinite(query.life).any(axis=1).sum())),
        strength=best.strength,
        log10_false=log10_false(best.strength),
        agreement={
            name: float(value) for name, value, known in zip(CHANNELS, agreeing, measured, strict=True) if known
        },
        looks=_looks(query, source, best),
        sound=_sound(query, source, best.stretches),
        edits=best.edits,
    )
