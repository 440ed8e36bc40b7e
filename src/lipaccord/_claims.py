"""What a container claims of itself and of the two streams to examine, and the choice of those streams.

A claim is never a fact: the counts come from decoding. The picture is the largest moving one; the sound is the one
that FFmpeg takes for the main one.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
from av.stream import Disposition

from lipaccord.errors import NoAudio, NoVideo, UnreadableMedia

MAX_SIDE_PX = 16_384
MAX_PIXELS = 2**26
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class StreamClaims:
    """Claims about one stream.

    Attributes
    ----------
    index : int
        Of the stream in its container.
    siblings : int
        Streams of this kind, itself included; cover art does not count.
    start_s, duration_s : float or None
        None where the stream's header is silent.
    tick_s : float
        The container's unit of time for this stream.
    """

    index: int
    siblings: int
    codec: str
    start_s: float | None
    duration_s: float | None
    tick_s: float


NO_STREAM = StreamClaims(index=-1, siblings=0, codec="", start_s=None, duration_s=None, tick_s=0.0)


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of a container.

    Attributes
    ----------
    start_s, duration_s : float or None
        Of the container as a whole.
    audio : StreamClaims
        `NO_STREAM` where there is none, and none is needed.
    frames, rate_hz
        Of the picture; None where the header is silent.
    pixel_aspect : (int, int)
        Width to height of one stored pixel.
    """

    container: str
    start_s: float | None
    duration_s: float | None
    video: StreamClaims
    audio: StreamClaims
    frames: int | None
    rate_hz: float | None
    pixel_aspect: tuple[int, int]

    @property
    def end_s(self) -> float | None:
        """Where the clip is claimed to end."""
        return None if self.duration_s is None else (self.start_s or 0.0) + self.duration_s


def read_claims(path: str, container: av.container.InputContainer, *, needs_sound: bool = True) -> Claims:
    """Choose the two streams of an open container and read its claims.

    Parameters
    ----------
    path : str
        For messages.
    container : av.container.InputContainer
    needs_sound : bool
        If not, a container without sound passes.

    Raises
    ------
    NoVideo, NoAudio
        There is no such stream.
    UnreadableMedia
        A codec is unknown, or the picture is absurdly large.
    """
    video, pictures = _pick_video(path, container)
    is_silent = not needs_sound and not container.streams.audio
    aspect = video.codec_context.sample_aspect_ratio
    return Claims(
        container=container.format.name,
        start_s=_seconds(container.start_time),
        duration_s=_seconds(container.duration if container.duration and container.duration > 0 else None),
        video=_stream_claims(video, pictures),
        audio=NO_STREAM if is_silent else _stream_claims(*_pick_audio(path, container)),
        frames=video.frames or None,
        rate_hz=float(video.average_rate) if video.average_rate else None,
        pixel_aspect=aspect.as_integer_ratio() if aspect else (1, 1),
    )


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / MICROSECONDS


def _stream_claims(stream: av.VideoStream | av.AudioStream, siblings: int) -> StreamClaims:
    tick_s = float(stream.time_base) if stream.time_base else 0.0
    return StreamClaims(
        index=stream.index,
        siblings=siblings,
        codec=stream.codec_context.codec.canonical_name,
        start_s=None if stream.start_time is None else stream.start_time * tick_s,
        duration_s=stream.duration * tick_s if stream.duration and stream.duration > 0 else None,
        tick_s=tick_s,
    )


def _pick_video(path: str, container: av.container.InputContainer) -> tuple[av.VideoStream, int]:
    """Return the largest moving picture and how many there are."""
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        raise NoVideo(f"there is no moving picture in {path!r}: name a clip that shows the speaker")
    known = [s for s in moving if _has_decoder(s)]
    if not known:
        raise UnreadableMedia(f"{path!r} holds a picture of an unknown codec: convert it to H.264 in MP4 or MKV")
    stream = max(known, key=lambda s: (s.codec_context.width * s.codec_context.height, -s.index))
    width, height = stream.codec_context.width, stream.codec_context.height
    # A decoder that was refused the memory for a picture reports no size at all.
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS or min(width, height) <= 0:
        raise UnreadableMedia(
            f"{path!r} claims a picture of unknown size, or of more than {MAX_SIDE_PX} pixels a side or {MAX_PIXELS} "
            f"in all (found: {width}x{height}): check the file, or scale it down"
        )
    return stream, len(moving)


def _pick_audio(path: str, container: av.container.InputContainer) -> tuple[av.AudioStream, int]:
    """Return the main sound and how many there are."""
    if not container.streams.audio:
        raise NoAudio(f"there is no sound in {path!r}: name a clip with the speaker's voice")
    best = container.streams.best("audio")
    if not isinstance(best, av.AudioStream) or not _has_decoder(best):
        raise UnreadableMedia(f"{path!r} holds sound of an unknown codec: convert the sound to AAC or PCM")
    return best, len(container.streams.audio)


def _has_decoder(stream: av.VideoStream | av.AudioStream) -> bool:
    context: object = stream.codec_context
    return context is not None
