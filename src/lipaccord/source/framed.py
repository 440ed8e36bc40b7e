"""An exhibit -> a row of pictures to step through: the face in the clip, that in its source, and where they differ.

    framed("clip.mp4", "source.mp4", alignment, found)

The two are decoded and laid over each other once more; what is shown is what was measured. However long the clip is,
the row has at most `MOST` moments, and where stretches are altered at least half of them lie in these.

Conventions: times as in `laying`. The pictures are for viewing: resampled into one window, and compressed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.landmarks import load_backend
from lipaccord.records import Image, Interval, LandmarkBackend, TimeArray
from lipaccord.source.alignment import Alignment
from lipaccord.source.exhibit import Exhibit
from lipaccord.source.framing import EYES
from lipaccord.source.laying import both, face_name, heat_share, looks

MOST = 120
SHARE_ALTERED = 0.5
LEAST_TIMES, MOST_TIMES = 1.5, 2.5  # pixels of a picture for each of the window
QUALITIES = (85, 75, 62, 50, 38, 26)
PICTURE_BYTES, HEAT_BYTES = 26_000, 9_000
"""Of which as good a JPEG as fits is made; with `MOST` it bounds the whole: 7.3 MB."""


@dataclass(frozen=True, slots=True)
class Framed:
    """One moment of clip and source.

    Attributes
    ----------
    time_s, source_s : float
        On the clock of the clip and of the source.
    clip, source : bytes
        JPEG, both of one size.
    heat : bytes
        Grey JPEG of the window: `laying.heat_share`, white where the share is 1.
    """

    time_s: float
    source_s: float
    clip: bytes
    source: bytes
    heat: bytes

    def __repr__(self) -> str:
        size = len(self.clip) + len(self.source) + len(self.heat)
        return f"Framed({self.time_s:.3f} s, source {self.source_s:.3f} s, {size} bytes)"


def jpeg(image: Image | NDArray[np.uint8], most_bytes: int = PICTURE_BYTES) -> bytes:
    """Compress a picture, RGB or grey, as well as `most_bytes` allow; what is too rich is compressed hardest."""
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = b""
    for quality in QUALITIES:
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= most_bytes:
            break
    return data


def chosen(times_s: TimeArray, segments: Sequence[Interval], most: int = MOST) -> TimeArray:
    """Choose moments, spread evenly; where stretches are altered, at least half of all lie in these.

    Parameters
    ----------
    times_s : ndarray of float64 [shape=(T,)]
        Of the frames that can be shown.
    segments : sequence of Interval
    most : int

    Returns
    -------
    ndarray of float64 [shape=(n,)]
        Rising; all where they are no more than `most`, else the first and the last one and others between them.
    """
    count = len(times_s)
    if count <= most:
        return times_s
    altered = np.zeros(count, bool)
    for segment in segments:
        altered |= (times_s >= segment.start_s) & (times_s <= segment.end_s)
    share = altered.mean()
    weights = np.ones(count)
    if 0 < share < SHARE_ALTERED:
        # no frame counts more than one of the moments: it can be shown only once
        more = min(SHARE_ALTERED / share, count / most)
        weights = np.where(altered, more, (1 - more * share) / (1 - share))
    reached = np.cumsum(weights) - weights / 2
    wanted = np.linspace(reached[0], reached[-1], most)
    picked = np.unique(np.clip(np.searchsorted(reached, wanted - 1e-9), 0, count - 1))
    return times_s[picked]


def framed(
    clip: str | os.PathLike[str],
    source: str | os.PathLike[str],
    alignment: Alignment,
    exhibit: Exhibit,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    backend: LandmarkBackend | None = None,
    threads: int = 1,
) -> tuple[Framed, ...]:
    """Make the pictures of the moments of an exhibit, in the order of time; none where nothing was measured.

    Parameters
    ----------
    clip, source, alignment, start_s, end_s, backend, threads
        As they were given to `exhibit.exhibit`.
    exhibit : Exhibit
        What that found.

    Raises
    ------
    MediaError, BackendMissing, SettingsError
        As for `exhibit.exhibit`.
    """
    measured = next((one.times_s for one in exhibit.series), np.zeros(0))
    if not len(measured):
        return ()
    wanted = set(chosen(measured, exhibit.segments).tolist())
    eyes_px = max(exhibit.registration["eyes_px"], exhibit.registration["source_eyes_px"])
    times = float(np.clip(eyes_px / EYES, LEAST_TIMES, MOST_TIMES))
    backend = load_backend("mediapipe") if backend is None else backend
    row = []
    for moment, seen in looks(clip, source, alignment, backend, start_s=start_s, end_s=end_s, threads=threads):
        time_s = moment.frame.time_s
        for look in seen if time_s in wanted else ():
            laid, found = look.registered, look.difference
            if face_name(look.key) != exhibit.face or laid is None or found is None:
                continue
            ours, theirs = both(moment, laid, times)
            heat = np.rint(255 * heat_share(found.heat)).astype(np.uint8)
            row.append(Framed(time_s, laid.source_s, jpeg(ours), jpeg(theirs), jpeg(heat, HEAT_BYTES)))
    return tuple(row)
