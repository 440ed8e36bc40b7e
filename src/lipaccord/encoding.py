"""Pictures and sound -> an MP4 file: H.264 (ITU-T H.264, by x264) and AAC, through PyAV.

For what the project makes itself: clips with a known manipulation, and authentic clips that are given another lossy
generation. The same input gives the same bytes: one encoder thread, and no date or version in the container.

Conventions: times are seconds and are kept to half a microsecond, the offset between picture and sound included. An MP4
begins at zero at the earliest: where the first picture has a time below, picture and sound are moved together so that
it gets zero, and sound from before zero is cut off. Sound that begins after zero gets a few hundredths of a second of
silence (the encoder's priming) before it. Pictures are stored as BT.709 of limited range with halved colour planes
(yuv420p), and say so.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from lipaccord.errors import SettingsError
from lipaccord.records import Frame, Image, Sound

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""Names of x264, from the quickest to the most thorough."""

MAX_CRF = 51
TICK = Fraction(1, 1_000_000)
USUAL_RATE = 25  # x264 wants a rate to begin with; the times of the pictures are what is stored
SOUND_BLOCK = 1024  # samples
SOUND_BITS_A_SAMPLE = 4
MAX_SOUND_BITS_A_SAMPLE = 6  # AAC (ISO/IEC 14496-3) has room for 6,144 bits a channel in a block of 1,024 samples
# x264's assembler for macroblock trees reads beyond its rows: without the second option some sizes differ by run.
EXACT = {"flags": "+bitexact", "x264-params": "cpu-independent=1"}
MATRIX_BT709, LIMITED_RANGE = 1, 1  # of ITU-T H.273; of FFmpeg


class _Writer:
    """One container that is being written."""

    def __init__(self, file: BinaryIO, crf: int, preset: str, scale: float) -> None:
        ticks = str(TICK.denominator)
        options = {"fflags": "+bitexact", "video_track_timescale": ticks, "movie_timescale": ticks}
        self._container = av.open(file, "w", format="mp4", options=options)
        self._crf, self._preset, self._scale = crf, preset, scale
        self._size = (0, 0)
        self._shift_s = 0.0
        self._painter = VideoReformatter()
        self._video: av.VideoStream | None = None
        self._audio: av.AudioStream | None = None

    def open_picture(self, first: Frame) -> None:
        """Begin the stream of pictures; halved colour planes need an even size."""
        self._shift_s = max(0.0, -first.time_s)
        height, width = (max(2, round(side * self._scale) // 2 * 2) for side in first.image.shape[:2])
        self._size = (width, height)
        options = {"crf": str(self._crf), "preset": self._preset, **EXACT}
        video = self._container.add_stream("libx264", rate=USUAL_RATE, options=options)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context = video.codec_context
        context.time_base, context.thread_count = TICK, 1
        context.colorspace, context.color_range = MATRIX_BT709, LIMITED_RANGE
        self._video = video

    def open_sound(self, sound: Sound, bit_rate: int | None) -> None:
        options = {"flags": "+bitexact"}
        audio = self._container.add_stream("aac", rate=sound.rate_hz, options=options, layout="mono")
        audio.bit_rate = SOUND_BITS_A_SAMPLE * sound.rate_hz if bit_rate is None else bit_rate
        audio.codec_context.time_base = Fraction(1, sound.rate_hz)
        self._audio = audio

    def _fitted(self, image: Image) -> Image:
        """Bring a picture to the size of the stream; an odd row or column is cut off."""
        width, height = self._size
        if self._scale == 1.0 and (image.shape[1] - width, image.shape[0] - height) in {(0, 0), (0, 1), (1, 0), (1, 1)}:
            return np.ascontiguousarray(image[:height, :width])
        shrinks = width < image.shape[1]
        return np.asarray(
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC), np.uint8
        )

    def show(self, frame: Frame) -> None:
        if self._video is None:
            raise RuntimeError("the stream of pictures is not open")
        picture = self._painter.reformat(
            av.VideoFrame.from_ndarray(self._fitted(frame.image), format="rgb24"),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
            threads=1,
        )
        picture.pts, picture.time_base = round((frame.time_s + self._shift_s) / TICK), TICK
        self._container.mux(self._video.encode(picture))

    def sound_blocks(self, sound: Sound) -> Iterator[float]:
        """Write the sound block by block; yields the time at which the next block starts."""
        if self._audio is None:
            raise RuntimeError("the stream of sound is not open")
        first = round((sound.start_s + self._shift_s) * sound.rate_hz)
        for at in range(0, len(sound.samples), SOUND_BLOCK):
            yield sound.start_s + at / sound.rate_hz
            block = av.AudioFrame.from_ndarray(sound.samples[None, at : at + SOUND_BLOCK], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = sound.rate_hz, first + at, Fraction(1, sound.rate_hz)
            self._container.mux(self._audio.encode(block))

    def finish(self) -> None:
        for stream in (self._video, self._audio):
            if stream is not None:
                self._container.mux(stream.encode(None))

    def close(self) -> None:
        self._container.close()


def _write(
    file: BinaryIO,
    frames: Iterable[Frame],
    sound: Sound | None,
    crf: int,
    preset: str,
    scale: float,
    sound_bit_rate: int | None,
) -> None:
    """Encode into an open file: sound goes in just before the picture at its time, as players like it."""
    writer, pictures = _Writer(file, crf, preset, scale), iter(frames)
    try:
        first = next(pictures, None)
        if first is None:
            raise ValueError("there is no picture to encode")
        writer.open_picture(first)
        blocks: Iterator[float] = iter(())
        if sound is not None:
            writer.open_sound(sound, sound_bit_rate)
            blocks = writer.sound_blocks(sound)
        waiting_s = next(blocks, None)
        frame: Frame | None = first
        while frame is not None:
            while waiting_s is not None and waiting_s <= frame.time_s:
                waiting_s = next(blocks, None)
            writer.show(frame)
            frame = next(pictures, None)
        for _ in blocks:
            pass
        writer.finish()
    except BaseException:
        with suppress(av.FFmpegError):  # a file that refuses pictures refuses its index too: the first error counts
            writer.close()
        raise
    writer.close()


def encode(
    target: str | os.PathLike[str] | BinaryIO,
    frames: Iterable[Frame],
    sound: Sound | None = None,
    *,
    crf: int = 18,
    preset: str = "medium",
    scale: float = 1.0,
    sound_bit_rate: int | None = None,
) -> None:
    """Write pictures and sound to an MP4.

    Parameters
    ----------
    target : path or binary file
        A file must be seekable; it is left open. A path is replaced only once the new file is whole.
    frames : iterable of Frame
        In the order of their times. The first gives the size of the picture, less an odd row or column; others are
        brought to it.
    sound : Sound, optional
        None makes a clip without sound.
    crf : int
        Constant rate factor of x264: 0 (lossless) to 51.
    preset : str
        One of `PRESETS`.
    scale : float
        Share of their size to which pictures are shrunk or enlarged.
    sound_bit_rate : int, optional
        Bits of AAC a second, up to `MAX_SOUND_BITS_A_SAMPLE` a sample; by default `SOUND_BITS_A_SAMPLE` a sample.

    Raises
    ------
    SettingsError
        `crf`, `preset`, `scale` or `sound_bit_rate` is unknown or out of range.
    ValueError
        There is no picture.
    OSError
        The file can't be written; nothing is left behind.
    """
    if not 0 <= crf <= MAX_CRF:
        raise SettingsError(f"crf is {crf}: it takes 0 to {MAX_CRF}")
    if preset not in PRESETS:
        raise SettingsError(f"there is no preset {preset!r}; there are: {', '.join(PRESETS)}")
    if not 0 < scale <= 4:
        raise SettingsError(f"scale is {scale}: it takes more than 0, up to 4")
    most = 0 if sound is None else MAX_SOUND_BITS_A_SAMPLE * sound.rate_hz
    if sound_bit_rate is not None and not 0 < sound_bit_rate <= most:
        raise SettingsError(f"sound_bit_rate is {sound_bit_rate}: this sound takes 1 to {most}")
    if not isinstance(target, str | os.PathLike):
        _write(target, frames, sound, crf, preset, scale, sound_bit_rate)
        return
    path = Path(target)
    if path.exists() and not path.is_file():  # a device or a pipe would be replaced
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    part = path.with_name(f".{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            _write(file, frames, sound, crf, preset, scale, sound_bit_rate)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def recoded(pictures: list[NDArray[np.uint8]], *, crf: int, preset: str) -> list[NDArray[np.uint8]]:
    """Send grey pictures through H.264 and back, in memory.

    Parameters
    ----------
    pictures : list of ndarray of uint8 [shape=(h, w)]
        Luma, of one size; an odd last row or column is repeated for the encoder and cut off again.
    crf : int
    preset : str

    Returns
    -------
    list of ndarray of uint8 [shape=(h, w)]
    """
    height, width = pictures[0].shape
    even = (height + height % 2, width + width % 2)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        options = {"crf": str(crf), "preset": preset, **EXACT}
        stream = container.add_stream("libx264", rate=USUAL_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = even[1], even[0], "yuv420p"
        stream.codec_context.thread_count = 1
        grey = np.full((even[0] // 2, even[1]), 128, np.uint8)
        for picture in pictures:
            padded = np.pad(picture, ((0, height % 2), (0, width % 2)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.concatenate([padded, grey]), format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as written:
        decoded = [frame.to_ndarray(format="yuv420p") for frame in written.decode(video=0)]
    return [np.ascontiguousarray(planes[:height, :width]) for planes in decoded]
