"""The key frames of a clip, which decode without any other picture: a quick look through a long recording.

Encoders set one where a new shot begins, and else every few seconds. Conventions: times are seconds on the container's
clock, as `_container` gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing

import av

from lipaccord._claims import read_claims
from lipaccord._container import Damage, MediaFile, decode, open_container, ready
from lipaccord._picture import Painter
from lipaccord.records import Frame


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
