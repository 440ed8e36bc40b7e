"""A quick look into a recording: its key frames, which decode without any other picture, or one picture of it.

Encoders set one where a new shot begins, and else every few seconds. Conventions: times are seconds on the container's
clock, as `_container` gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing

import av

from lipaccord._claims import read_claims
from lipaccord._container import Damage, MediaFile, decode, decode_from, open_container, open_regular, ready
from lipaccord._picture import Painter
from lipaccord.errors import NoVideo
from lipaccord.records import Frame, Image

SAME_TIME_S = 1e-6


def key_pictures(file: MediaFile, every_s: float) -> Iterator[Frame]:
    """Decode the key frames of the picture, and leave out those that follow one by less than `every_s` seconds.

    Raises
    ------
    UnreadableMedia
        The file changed since it was hashed, or can't be read.
    NoVideo, NoAudio
        As for `media.open_clip`.
    """
    with open_container(file) as container:
        index = read_claims(file.path, container).video.index
        stream = ready(container, index, 1)
        stream.codec_context.skip_frame = "NONKEY"
        painter, last_s, count = Painter(1), -math.inf, 0
        with closing(decode(container, stream, Damage())) as blocks:  # type: ignore[type-var]  # it is a generator
            for frame, time_s in blocks:
                if not isinstance(frame, av.VideoFrame) or time_s is None or time_s < last_s + every_s:
                    continue
                try:
                    image = painter.paint(frame)
                except av.FFmpegError:
                    continue
                yield Frame(count, time_s, image)
                last_s, count = time_s, count + 1


def picture_near(path: str, time_s: float) -> Image:
    """Decode the first picture from a time on, or the last that there is; the file is not hashed.

    Raises
    ------
    UnreadableMedia
        The file can't be read.
    NoVideo, NoAudio
        There is no picture, or as for `media.open_clip`.
    """
    with open_regular(path) as (_, identity):
        file = MediaFile(path, identity, "")
    with open_container(file) as container:
        index = read_claims(path, container).video.index
    last = None
    with closing(decode_from(file, index, time_s, 1, Damage())) as blocks:
        for frame, shown_s in blocks:
            if not isinstance(frame, av.VideoFrame):
                continue
            last = frame
            if shown_s is not None and shown_s >= time_s - SAME_TIME_S:
                break
    if last is None:
        raise NoVideo(f"{path!r} shows no picture from {time_s:.3f} s on: check that the file is complete")
    return Painter(1).paint(last)
