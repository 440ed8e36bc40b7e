"""A clip and a candidate for its source -> whether their pictures agree from moment to moment, and by chance or not.

Method: laid over each other with one geometry (`locating`), a copy agrees with its source at the right moment and with
no other; two moments of one person on one set agree with none in particular. Three things are weighed by a logistic
regression (`WEIGHTS`): how much more unlike the source is a quarter of a second away and farther, for how many frames
the expected moment is the most alike, and how well the pictures agree at all. It was fitted on altered clips, on poor
copies, and on the likest other recordings that a search brings up. `CHANCE` is the tail of the latter: for these the
weight was independent of the strength by which they were found.

Conventions: as in `locating`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import LandmarkBackend
from lipaccord.source.alignment import Stretch
from lipaccord.source.finding import Candidate, Pictures
from lipaccord.source.locating import Section, sections
from lipaccord.source.pinning import LEAST

LOOKED_AT_S = 4.0  # of a clip, in the middle of the longest stretch
OFF_FRAMES = 2.2  # of the source, either way: the alignment may be off by that much
HIT_FRAMES = 1.2
APART_S = 0.25
WEIGHTS = (-6.9, 1.65, 5.0, -1.38)
"""Constant; and of the contrast, the hits, and log10 of what correlation lacks."""

CHANCE = (-2.0, 0.1, 0.75)
"""A weight; the share of the likest other recordings that reach it; by how much more it falls to an e-th of that."""

_Numbers = NDArray[np.float64]


def log10_false(weight: float) -> float:
    """Return log10 of by how much a weight makes other recordings as good rarer.

    Rarer: by how often the pictures of the likest other recordings reach it. Below zero the weight, which is the log
    of odds, speaks against the recording, and others as good are more frequent by those odds.
    """
    at, share, fall = CHANCE
    nats = -weight if weight < 0 else math.log(share) - (weight - at) / fall
    return nats / math.log(10)


def _told(section: Section) -> tuple[_Numbers, _Numbers]:
    """Return the contrast of each frame, and whether it hits [each: shape=(n,)]."""
    off_s = np.abs(section.source_s[None] - section.expected_s[:, None])
    frame_s = float(np.median(np.diff(section.source_s))) if len(section.source_s) > 1 else 0.0
    known = np.isfinite(section.unlike)
    unlike = np.where(known, section.unlike, np.inf).astype(np.float64) + LEAST
    here = np.where(off_s <= OFF_FRAMES * frame_s, unlike, np.inf).min(axis=1)
    there = np.where(off_s >= APART_S, unlike, np.inf).min(axis=1)
    both = np.isfinite(here) & np.isfinite(there)
    nearest = off_s[np.arange(len(off_s)), unlike.argmin(axis=1)] <= HIT_FRAMES * frame_s
    return np.log10(there[both] / here[both]), nearest[both].astype(np.float64)


def weighed(found: Iterable[Section]) -> Pictures | None:
    """Weigh how well the pictures of a clip agree with those of a candidate.

    Parameters
    ----------
    found : iterable of Section

    Returns
    -------
    Pictures or None
        None where no frames could be compared.
    """
    looked = [(section, *_told(section)) for section in found]
    looked = [one for one in looked if len(one[1])]
    if not looked:
        return None
    contrast = float(np.median(np.concatenate([contrasts for _, contrasts, _ in looked])))
    share = float(np.concatenate([hits for *_, hits in looked]).mean())
    lack = float(np.median([math.log10(max(1.0 - section.correlation, LEAST)) for section, *_ in looked]))
    constant, of_contrast, of_hits, of_lack = WEIGHTS
    weight = constant + of_contrast * contrast + of_hits * share + of_lack * lack
    frames = sum(len(contrasts) for _, contrasts, _ in looked)
    return Pictures(frames, 1.0 - 10.0**lack, contrast, share, weight, log10_false(weight))


def _looked_at(stretches: Iterable[Stretch]) -> tuple[float, float]:
    """Choose the part of a clip that is looked at."""
    longest = max(stretches, key=lambda stretch: stretch.end_s - stretch.start_s)
    middle = (longest.start_s + longest.end_s) / 2
    return max(longest.start_s, middle - LOOKED_AT_S / 2), min(longest.end_s, middle + LOOKED_AT_S / 2)


class Beside:
    """Lays candidates beside a clip.

    Parameters
    ----------
    clip : path-like
    backend : LandmarkBackend
    threads : int
        Of each decoder.
    """

    def __init__(self, clip: str | os.PathLike[str], backend: LandmarkBackend, threads: int = 1) -> None:
        self._clip, self._backend, self._threads = clip, backend, threads

    def __call__(self, candidate: Candidate) -> Pictures | None:
        """Compare the pictures of the clip with those of a candidate, up to where these fit no longer.

        None where they do not fit to begin with, or the file of the candidate is not there.

        Raises
        ------
        MediaError
            One of the two can't be read.
        """
        source = candidate.file
        if source is None:
            return None
        start_s, end_s = _looked_at(candidate.alignment.stretches)
        part = {"start_s": start_s, "end_s": end_s + APART_S}
        found = sections(self._clip, source, candidate.alignment, self._backend, threads=self._threads, **part)
        fitting = []
        for section in found:
            if section is None:
                break
            fitting.append(section)
        return weighed(fitting)
