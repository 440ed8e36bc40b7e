"""A few pictures out of many: which packets they need, and the decode of those alone.

The packets are read once without decoding, for their times and where the decoder can start. A picture is then decoded
from the second key frame before it: what follows a key frame may still lean on pictures before it (open groups). Where
the container calls a picture a key frame that is none (a column of blocks that moves in its place: intra refresh),
the decode is not trusted. On the way pictures that no other picture refers to are left out.

Where that is not sure to give the pictures of a straight decode (no stored presentation times, damage, a start that is
not trusted), or misses one, the rest is decoded straight through, as for the examination; only the pictures asked for
are converted to RGB.

Conventions: times are seconds on the container's clock, as `_container` gives them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias, cast

import av
from av.video.frame import PictureType

from lipaccord._container import AnyFrame, Block, Damage, MediaFile, decode_from, open_container, ready
from lipaccord._picture import Painter
from lipaccord.records import Image

TOLERANCE_S = 1e-6  # times may have been written to a microsecond
LEAD = 2  # key frames before a picture

VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which packets to decode, by their place in the stream.

    Attributes
    ----------
    stretches : list of range
        Packets that are sent to the decoder; apart, and in order.
    whole : set of int
        Packets that are decoded even where no picture refers to theirs.
    ticks : list of int
        Presentation time of every packet, in ticks of the stream.
    """

    stretches: list[range]
    whole: set[int]
    ticks: list[int]


def _video_packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[VideoPacket]:
    """Yield the packets that hold something."""
    return (packet for packet in container.demux(stream) if packet.dts is not None or packet.size)


def _ready(container: av.container.InputContainer, index: int, threads: int) -> av.VideoStream:
    return cast("av.VideoStream", ready(container, index, threads))


def _planned(file: MediaFile, index: int, times_s: Sequence[float]) -> _Plan | None:
    """Find what the pictures at rising times need; None where the packets do not tell."""
    keys, places = [0], []
    ticks: list[int] = []
    with open_container(file) as container:
        stream = _ready(container, index, 1)
        for place, packet in enumerate(_video_packets(container, stream)):
            if packet.pts is None or not packet.time_base:
                return None
            ticks.append(packet.pts)
            if packet.is_keyframe and place:
                keys.append(place)
            if _is_asked(times_s, packet.pts * packet.time_base.numerator / packet.time_base.denominator):
                places.append(place)
    stretches: list[range] = []
    for place in places:
        first = keys[max(0, bisect_right(keys, place) - LEAD)]
        # The second field of an interlaced picture may come in a packet of its own.
        if stretches and first < stretches[-1].stop:
            stretches[-1] = range(stretches[-1].start, place + 2)
        else:
            stretches.append(range(first, place + 2))
    return _Plan(stretches, {place + field for place in places for field in (0, 1)}, ticks)


def _is_asked(times_s: Sequence[float], time_s: float) -> bool:
    """Tell whether a time is one of rising ones."""
    place = bisect_left(times_s, time_s - TOLERANCE_S)
    return place < len(times_s) and times_s[place] <= time_s + TOLERANCE_S


def _sparse(file: MediaFile, index: int, threads: int, plan: _Plan) -> Generator[Block, None, None]:
    """Decode the packets of a plan, and yield what can be trusted."""
    with open_container(file) as container:
        stream = _ready(container, index, threads)
        context = stream.codec_context
        context.open(strict=False)  # some decoders take what they are to leave out when they are opened, for good
        packets = enumerate(_video_packets(container, stream))
        for stretch in plan.stretches:
            trusted = stretch.start == 0  # as in a straight decode; an edit list may hide the first picture
            for frame, time_s in _stretch(stream, packets, stretch, plan.whole):
                trusted |= frame.pts == plan.ticks[stretch.start] and _is_intra(frame)
                if trusted:
                    yield frame, time_s
            context.flush_buffers()


def _stretch(
    stream: av.VideoStream, packets: Iterator[tuple[int, VideoPacket]], stretch: range, whole: set[int]
) -> Iterator[Block]:
    """Decode the packets of a stretch, the last of which may be missing, and empty the decoder."""
    for place, packet in packets:
        if place in stretch:
            stream.codec_context.skip_frame = "DEFAULT" if place in whole else "NONREF"
            yield from _timed(stream, packet)
        if place >= stretch.stop - 1:
            break
    yield from _timed(stream, None)


def _is_intra(frame: AnyFrame) -> bool:
    return isinstance(frame, av.VideoFrame) and frame.pict_type == PictureType.I


def _timed(stream: av.VideoStream, packet: VideoPacket | None) -> Iterator[Block]:
    """Decode a packet, or with None what the decoder still holds."""
    try:
        frames = stream.decode(packet)
    except EOFError:
        return
    for frame in frames:
        base = frame.time_base or stream.time_base
        yield frame, None if frame.pts is None or not base else frame.pts * base.numerator / base.denominator


def pictures_at(
    file: MediaFile, index: int, times_s: Sequence[float], start_s: float | None, threads: int
) -> Generator[tuple[float, Image], None, None]:
    """Decode the pictures of stream `index` at rising times, as far as there are any; see the module.

    Parameters
    ----------
    start_s : float or None
        Where the examination began: what is decoded straight through begins there too.

    Returns
    -------
    generator of (float, ndarray of uint8 [shape=(height, width, 3)])
        Time and RGB image, turned for display.
    """
    left, painter = list(times_s), Painter(threads)
    try:
        plan = _planned(file, index, left)
        if plan is not None:
            with closing(_sparse(file, index, threads, plan)) as blocks:
                yield from _wanted(blocks, left, painter)
    except (av.FFmpegError, OSError):
        pass  # damage: a straight decode reads on past it, as the examination did
    if left:
        with closing(decode_from(file, index, start_s, threads, Damage())) as blocks:
            yield from _wanted(blocks, left, painter)


def _wanted(blocks: Iterator[Block], left: list[float], painter: Painter) -> Generator[tuple[float, Image], None, None]:
    """Convert the frames at the times that are `left`, in their order, and take them off it."""
    for frame, time_s in blocks:
        if isinstance(frame, av.VideoFrame) and time_s is not None and abs(time_s - left[0]) <= TOLERANCE_S:
            try:
                image = painter.paint(frame)
            except av.FFmpegError:
                continue
            del left[0]
            yield time_s, image
            if not left:
                return
