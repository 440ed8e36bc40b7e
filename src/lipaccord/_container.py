"""The guarded door between a file and its decoded blocks: everything behind it is hostile.

A path is checked before it is opened, so that a pipe or a device can neither hang nor feed the examination; the
bytes are read by this process alone and FFmpeg sees them without a name, so that no file name is taken for a protocol
or a numbered series of pictures; only demuxers that keep their media in the one file are allowed, so that a playlist
opens nothing else; picture sizes are bounded before memory is given to them.

Conventions: times are seconds on the container's clock. Where a container stores no presentation times (AVI with
pictures out of order), the pictures take the stored times in rising order, which is what such a container means.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TypeAlias, cast

import av
from av.stream import Discard

from lipaccord._claims import MAX_PIXELS
from lipaccord.errors import UnreadableMedia

DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,nut,gxf,dv,rm,wtv,ivf,h264,hevc,m4v,mjpeg,"
    "wav,w64,mp3,flac,aac,ac3,eac3,amr,aiff,au,caf,ape,wv"
)
OPEN_OPTIONS = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}
READ_BYTES = 2**18
SEEK_MARGIN_S = 1.0
GENERATE_PTS_FLAG = 0x0001
MAX_READ_ERRORS = 16
MAX_REORDER = 64

Identity: TypeAlias = tuple[int, int, int, int]
AnyStream: TypeAlias = av.VideoStream | av.AudioStream
AnyFrame: TypeAlias = av.VideoFrame | av.AudioFrame
AnyPacket: TypeAlias = "av.Packet[av.VideoStream] | av.Packet[av.AudioStream]"
Block: TypeAlias = tuple[AnyFrame, float | None]


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A regular file, and what tells that it is still the one that was hashed."""

    path: str
    identity: Identity
    sha256: str


@dataclass(slots=True)
class Damage:
    """What went wrong on the way from the file to the blocks of one stream.

    Attributes
    ----------
    refused : int
        Packets that the decoder refused.
    unread : int
        Times that the container could not be read on.
    rebuilt_times : int
        Blocks whose time had to be rebuilt from the storage order.
    """

    refused: int = 0
    unread: int = 0
    rebuilt_times: int = 0


class _NamelessFile:
    """The reading half of a file, without the name that FFmpeg would draw conclusions from."""

    def __init__(self, raw: FileIO) -> None:
        self.read = raw.read
        self.seek = raw.seek
        self.tell = raw.tell


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _no_wait(path: str, flags: int) -> int:
    """Open without waiting for a writer, should a pipe have taken the file's place after the check."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def open_regular(path: str) -> Iterator[tuple[FileIO, Identity]]:
    """Open a regular file for reading and yield it with its identity.

    Raises
    ------
    UnreadableMedia
        Missing, not permitted, empty, or anything else than a regular file.
    """
    try:
        _refuse_irregular(path, Path(path).stat())
        raw = FileIO(path, "rb", opener=_no_wait)
    except FileNotFoundError as error:
        raise UnreadableMedia(f"{path!r} does not exist: check the path") from error
    except PermissionError as error:
        raise UnreadableMedia(f"{path!r} may not be read by this user: change its permissions or copy it") from error
    except (OSError, ValueError) as error:
        raise UnreadableMedia(f"{path!r} cannot be opened ({error}): check the path") from error
    with raw:
        status = os.fstat(raw.fileno())
        _refuse_irregular(path, status)
        yield raw, _identity(status)


def _refuse_irregular(path: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableMedia(f"{path!r} is a directory: name one media file in it")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableMedia(f"{path!r} is a pipe or a device, not a regular file: save the clip as a file first")
    if status.st_size == 0:
        raise UnreadableMedia(f"{path!r} is empty: fetch or copy the file again")


def hash_file(path: str) -> MediaFile:
    """Check that `path` is a regular file and hash it in chunks; raise `UnreadableMedia` otherwise."""
    with open_regular(path) as (raw, identity):
        try:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
        except OSError as error:
            raise UnreadableMedia(f"{path!r} cannot be read to its end ({error}): copy it from its source") from error
    return MediaFile(path, identity, digest)


def still_the_same(file: MediaFile) -> None:
    """Raise `UnreadableMedia` if the file is not the one that was hashed any more."""
    with open_regular(file.path) as (_, identity):
        _refuse_changed(file, identity)


def _refuse_changed(file: MediaFile, identity: Identity) -> None:
    if identity != file.identity:
        raise UnreadableMedia(f"{file.path!r} changed while it was examined: work on a copy that nothing writes to")


@contextmanager
def open_container(file: MediaFile) -> Iterator[av.container.InputContainer]:
    """Open the container of a file that has been hashed.

    Raises
    ------
    UnreadableMedia
        Not a media file, of a kind that is not allowed, or changed since it was hashed.
    """
    with open_regular(file.path) as (raw, identity):
        _refuse_changed(file, identity)
        try:
            container = av.open(
                _NamelessFile(raw), "r", options=OPEN_OPTIONS, metadata_errors="replace", buffer_size=READ_BYTES
            )
        except (av.FFmpegError, OSError) as error:
            raise UnreadableMedia(
                f"{file.path!r} cannot be read as a video file ({error.strerror}): it is no video, a playlist, or its "
                "index is missing; check that the file is complete, or convert it to MP4 or MKV"
            ) from error
        with container:
            # Times that FFmpeg makes up for a container without them come out of order; see `_Clock`.
            container.flags &= ~GENERATE_PTS_FLAG
            yield container


class _Clock:
    """Gives every decoded block its time, also where the container stores only the order of decoding."""

    def __init__(self, stream: AnyStream, damage: Damage) -> None:
        self._stream_base = stream.time_base
        self._damage = damage
        self._stored: list[int] = []

    def see(self, packet: AnyPacket) -> None:
        if packet.pts is None and packet.dts is not None and packet.size:
            heapq.heappush(self._stored, packet.dts)
            if len(self._stored) > MAX_REORDER:
                heapq.heappop(self._stored)

    def forget(self, packet: AnyPacket) -> None:
        """Take back the time of a packet that the decoder refused."""
        if packet.pts is None and packet.dts in self._stored:
            self._stored.remove(packet.dts)
            heapq.heapify(self._stored)

    def time_s(self, frame: AnyFrame) -> float | None:
        base = frame.time_base or self._stream_base
        ticks = frame.pts
        if ticks is None and base:
            ticks = heapq.heappop(self._stored) if self._stored else frame.dts
            self._damage.rebuilt_times += 1
        return None if ticks is None or not base else ticks * base.numerator / base.denominator


def _packets(container: av.container.InputContainer, stream: AnyStream, damage: Damage) -> Iterator[AnyPacket | None]:
    """Yield the packets of a stream past damage, and None at the end."""
    failed = 0
    source = cast("Iterator[AnyPacket]", container.demux(stream))
    while failed < MAX_READ_ERRORS:
        try:
            packet = next(source)
        except StopIteration:
            break
        except (av.FFmpegError, OSError):
            failed += 1
            damage.unread += 1
            source = cast("Iterator[AnyPacket]", container.demux(stream))
            continue
        failed = 0
        if packet.dts is not None or packet.size:
            yield packet
    yield None


def _flush(stream: AnyStream, damage: Damage) -> Iterator[AnyFrame]:
    """Yield what the decoder still holds; an error in it must not hide what lies behind."""
    for _ in range(MAX_REORDER):
        try:
            yield from stream.decode(None)
        except EOFError:
            return
        except av.FFmpegError:
            damage.refused += 1
        else:
            return


def decode(container: av.container.InputContainer, stream: AnyStream, damage: Damage) -> Iterator[Block]:
    """Decode a stream from the present position as far as it goes, and yield (frame, time in seconds or None)."""
    clock = _Clock(stream, damage)
    for packet in _packets(container, stream, damage):
        if packet is None:
            for frame in _flush(stream, damage):
                yield frame, clock.time_s(frame)
            return
        clock.see(packet)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            damage.refused += 1
            clock.forget(packet)
            continue
        for frame in frames:
            yield frame, clock.time_s(frame)


def decode_from(
    file: MediaFile, index: int, start_s: float | None, threads: int, damage: Damage
) -> Generator[Block, None, None]:
    """Decode stream `index` from a little before `start_s`, from its very start where seeking does not get there.

    Times that are too early are the caller's to drop.
    """
    if start_s is not None:
        sought = _decode_sought(file, index, start_s, threads, damage)
        first = next(sought, None)
        if first is not None and first[1] is not None and first[1] <= start_s:
            yield first
            yield from sought
            return
        sought.close()
        damage.refused = damage.unread = damage.rebuilt_times = 0
    with open_container(file) as container:
        yield from decode(container, ready(container, index, threads), damage)


def _decode_sought(
    file: MediaFile, index: int, start_s: float, threads: int, damage: Damage
) -> Generator[Block, None, None]:
    with open_container(file) as container:
        stream = ready(container, index, threads)
        if not stream.time_base:
            return
        try:
            container.seek(math.floor((start_s - SEEK_MARGIN_S) / stream.time_base), stream=stream)
        except av.FFmpegError:
            return
        yield from decode(container, stream, damage)


def ready(container: av.container.InputContainer, index: int, threads: int) -> AnyStream:
    """Return stream `index` with its decoder set up, and let the demuxer skip all others."""
    for other in container.streams:
        if other.index != index:
            other.discard = Discard.all
    stream = container.streams[index]
    if not isinstance(stream, av.VideoStream | av.AudioStream):
        raise UnreadableMedia(f"stream {index} is neither picture nor sound any more: the file changed")
    stream.codec_context.thread_count = threads
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream
