"""An examined clip -> a viewing copy: small, for a player beside the evidence, and never the evidence itself.

Conventions: a copy begins at zero, since players disagree about what comes before a late first picture. Zero stands for
the earlier of the first picture and the first sample, and times from there on are the clip's, to half a microsecond.
Where the sound begins first, the first picture stands until its successor; where it begins last, silence comes before.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from lipaccord.assembly import prefetched
from lipaccord.encoding import encode
from lipaccord.errors import UnreadableMedia
from lipaccord.media import open_clip
from lipaccord.records import Examination, Frame, Sound

PRESET = "veryfast"
MIN_SIDE_PX = 16  # of the copy: the encoder's blocks
SOUND_BIT_RATE = 32_000

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class ViewingCopy:
    """A clip encoded once more, in memory.

    Attributes
    ----------
    data : bytes
        MP4 with H.264 and AAC.
    offset_s : float
        Time on the clip's clock at which a player of the copy counts zero.
    """

    data: bytes
    offset_s: float

    def __repr__(self) -> str:
        return f"ViewingCopy({len(self.data):,} bytes, zero at {self.offset_s:.3f} s)"


def zero_of(examination: Examination) -> float:
    """Return the time on the clip's clock at which its viewing copies begin."""
    return min(float(examination.frame_times_s[0]), examination.sound.start_s)


def from_zero(frames: Iterable[Frame], zero_s: float) -> Iterator[Frame]:
    """Move frames so that `zero_s` becomes zero; the first is shown from there on."""
    for position, frame in enumerate(frames):
        yield Frame(frame.index, frame.time_s - zero_s if position else 0.0, frame.image)


def sound_from_zero(sound: Sound, zero_s: float) -> Sound:
    """Move the sound so that `zero_s` becomes zero; silence fills what is missing before it."""
    silence = max(0, round((sound.start_s - zero_s) * sound.rate_hz))
    samples = np.concatenate([np.zeros(silence, np.float32), sound.samples]) if silence else sound.samples
    return Sound(samples, sound.rate_hz, 0.0)


@contextmanager
def examined_frames(
    path: str | os.PathLike[str], examination: Examination, *, threads: int = 2, progress: Progress | None = None
) -> Iterator[Iterator[Frame]]:
    """Decode once more the part of a clip that was examined.

    Parameters
    ----------
    path : path
    examination : Examination
        Of this very file.
    threads : int
        Of the decoder.
    progress : callable, optional
        Told the fraction of the pictures that is done, 0 to 1.

    Raises
    ------
    UnreadableMedia
        The file is not the one that was examined, or can't be read.
    """
    settings, times_s = examination.analysis.settings, examination.frame_times_s
    with open_clip(path, start_s=settings.get("start_s"), end_s=settings.get("end_s"), threads=threads) as reader:
        if reader.sha256 != examination.analysis.clip.sha256:
            raise UnreadableMedia(
                f"{reader.path!r} is not the file that was examined: name that one, or examine it anew"
            )

        def reported() -> Iterator[Frame]:
            for frame in reader.frames():
                if progress is not None and frame.index % 10 == 0:
                    progress(min(1.0, frame.index / len(times_s)))
                yield frame
            if progress is not None:
                progress(1.0)

        yield reported()


def viewing_copy(
    path: str | os.PathLike[str],
    examination: Examination,
    *,
    max_height: int = 480,
    crf: int = 28,
    threads: int = 2,
    progress: Progress | None = None,
) -> ViewingCopy:
    """Encode the examined part of a clip once more, small enough to be carried inside a page.

    Parameters
    ----------
    path : path
    examination : Examination
        Of this very file; its sound is used.
    max_height : int
        Higher pictures are shrunk to it.
    crf : int
        Constant rate factor of x264.
    threads : int
        The copy does not depend on it.
    progress : callable, optional
        Told the fraction of the pictures that is done, 0 to 1.

    Returns
    -------
    ViewingCopy
        The whole of it in memory: about 0.25 MB a minute of sound, and of picture what `crf` gives.

    Raises
    ------
    UnreadableMedia
        The file is not the one that was examined, or can't be read.
    SettingsError
        `crf` is out of range.
    """
    zero_s, video = zero_of(examination), examination.analysis.clip.video
    scale = min(1.0, max(max_height / video.height, MIN_SIDE_PX / min(video.width, video.height)))
    file = io.BytesIO()
    with (
        examined_frames(path, examination, threads=threads, progress=progress) as frames,
        prefetched(from_zero(frames, zero_s), threads) as moved,
    ):
        sound = sound_from_zero(examination.sound, zero_s)
        encode(file, moved, sound, crf=crf, preset=PRESET, scale=scale, sound_bit_rate=SOUND_BIT_RATE)
    return ViewingCopy(file.getvalue(), zero_s)
