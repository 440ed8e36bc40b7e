"""Small synthetic clips with a known truth: pictures and sound whose times, sizes and colours the test chose.

Nothing here reads a clip; `write_clip` encodes and muxes with PyAV, and the container follows from the suffix
(``.mp4 .mov .mkv .webm .avi .ts .nut``). Pictures are RGB uint8, sound is float in -1 to 1, times are seconds.

    write_clip(path, frames=flashes(50, at=(10,)), rate=25, sound=clicks(2.0, 48_000, at_s=(0.4,)), sound_rate=48_000)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Samples = NDArray[np.float32]
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def flat(value: int | tuple[int, int, int], *, width: int = 64, height: int = 48) -> Image:
    """Return a picture of one colour [shape=(height, width, 3)]."""
    return np.full((height, width, 3), value, np.uint8)


def flashes(n: int, *, at: Sequence[int] = (), width: int = 64, height: int = 48) -> Iterator[Image]:
    """Yield `n` dark pictures, white at the positions `at`."""
    for index in range(n):
        yield flat(235 if index in at else 16, width=width, height=height)


def numbered(n: int, *, width: int = 64, height: int = 48) -> Iterator[Image]:
    """Yield `n` textured pictures that all differ, the same ones at every call."""
    y, x = np.mgrid[:height, :width]
    for index in range(n):
        yield np.stack(
            [
                128 + 90 * np.sin((x + 3 * index) / 7),
                128 + 90 * np.cos((y + index) / 5),
                40 + (x + y + 4 * index) % 160,
            ],
            axis=-1,
        ).astype(np.uint8)


def corners(*, width: int = 64, height: int = 48) -> Image:
    """Return a picture without symmetry: red, green, blue and white quarters, clockwise from the top left."""
    image = flat(255, width=width, height=height)
    y, x = height // 2, width // 2
    image[:y, :x] = (255, 0, 0)
    image[:y, x:] = (0, 255, 0)
    image[y:, x:] = (0, 0, 255)
    return image


def tone(duration_s: float, rate: int, *, hz: float = 300.0, level: float = 0.5) -> Samples:
    """Return a sine [shape=(n,)]."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate)) / rate)).astype(np.float32)


def clicks(duration_s: float, rate: int, *, at_s: Sequence[float], level: float = 0.8) -> Samples:
    """Return silence with short bumps (a raised cosine of 2 ms) whose peaks lie at the times `at_s` [shape=(n,)]."""
    times = np.arange(round(duration_s * rate)) / rate
    sound = np.zeros(len(times))
    for at in at_s:
        near = np.abs(times - at) < 0.001
        sound[near] += level * 0.5 * (1 + np.cos(np.pi * (times[near] - at) / 0.001))
    return sound.astype(np.float32)


def write_clip(
    path: str | os.PathLike[str],
    *,
    frames: Iterable[Image] = (),
    rate: int | Fraction = 25,
    times_s: Sequence[float] | None = None,
    start_s: float = 0.0,
    sound: Samples | None = None,
    sound_rate: int = 48_000,
    sound_start_s: float = 0.0,
    sound_hole_s: tuple[float, float] | None = None,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    pix_fmt: str = "yuv420p",
    colorspace: str | None = None,
    full_range: bool = False,
    rotation: int = 0,
    mirrored: bool = False,
    faststart: bool = False,
    options: dict[str, str] | None = None,
    muxer_options: dict[str, str] | None = None,
) -> None:
    """Encode a clip.

    Parameters
    ----------
    path : path
        Where to; the suffix chooses the container.
    frames : iterable of ndarray of uint8 [shape=(height, width, 3)]
        RGB pictures of one size; none makes a clip without picture.
    rate : int or Fraction
        Pictures a second, when `times_s` is not given.
    times_s : sequence of float, optional
        A time for every picture, in steps of 1 ms: variable frame rate.
    start_s : float
        Time of the first picture; may be negative.
    sound : ndarray of float32 [shape=(n,) or (n, channels)], optional
        None makes a clip without sound.
    sound_rate : int
        Samples a second, as stored.
    sound_start_s : float
        Time of the first sample.
    sound_hole_s : (float, float), optional
        Sound packets that start in this stretch are encoded but not stored.
    video_codec, audio_codec, pix_fmt : str
        FFmpeg's names of encoders and of the stored pixel format.
    colorspace : {"bt601", "bt709"}, optional
        Matrix to convert with, stored as a tag. None: BT.601, not tagged.
    full_range : bool
        Store luma as 0-255 instead of 16-235, and say so.
    rotation : int
        Clockwise turn in degrees that a player is asked to apply (mp4 and mov only).
    mirrored : bool
        Ask the player to mirror left and right before it turns (mp4 and mov only).
    faststart : bool
        Put the index of an mp4 first, so that a cut file still opens.
    options, muxer_options : dict, optional
        Passed to the video encoder and to the muxer.
    """
    settings = dict(muxer_options or {})
    if faststart:
        settings["movflags"] = "+faststart"
    with av.open(os.fspath(path), "w", options=settings) as container:
        pictures = iter(frames)
        first = next(pictures, None)
        video = audio = None
        ticks = 1 / Fraction(rate) if times_s is None else Fraction(1, 1000)
        if first is not None:
            video = cast(av.VideoStream, container.add_stream(video_codec, rate=rate, options=options or {}))
            video.width, video.height, video.pix_fmt = first.shape[1], first.shape[0], pix_fmt
            video.codec_context.time_base = ticks
            video.codec_context.color_range = 2 if full_range else 1
            if colorspace is not None:
                video.codec_context.colorspace = {"bt601": 6, "bt709": 1}[colorspace]
        if sound is not None:
            sound = sound[:, None] if sound.ndim == 1 else sound
            audio = cast(
                av.AudioStream, container.add_stream(audio_codec, rate=sound_rate, layout=LAYOUTS[sound.shape[1]])
            )
            audio.codec_context.time_base = Fraction(1, sound_rate)
        if video is not None and first is not None:
            times = count() if times_s is None else (round(t * 1000) for t in times_s)
            offset = round(start_s / ticks)
            for picture, tick in zip(chain([first], pictures), times, strict=False):
                frame = _to_frame(picture, pix_fmt, colorspace, full_range)
                frame.pts, frame.time_base = tick + offset, ticks
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if audio is not None and sound is not None:
            hole = sound_hole_s or (0.0, 0.0)
            for packet in _encode_sound(audio, sound, sound_rate, round(sound_start_s * sound_rate)):
                if not hole[0] <= float((packet.pts or 0) * packet.time_base) < hole[1]:
                    container.mux(packet)
    if rotation or mirrored:
        _write_display_matrix(Path(path), rotation, mirrored)


def _to_frame(picture: Image, pix_fmt: str, colorspace: str | None, full_range: bool) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(
        format=pix_fmt,
        dst_colorspace="ITU709" if colorspace == "bt709" else "ITU601",
        dst_color_range="JPEG" if full_range else "MPEG",
        threads=1,
    )


def _encode_sound(
    audio: av.AudioStream, sound: Samples, rate: int, first_tick: int
) -> Iterator[av.Packet[av.AudioStream]]:
    """Encode in blocks of 1,000 samples, planar or packed as the encoder wants."""
    layout = LAYOUTS[sound.shape[1]]
    for at in range(0, len(sound), 1000):
        block = np.ascontiguousarray(sound[at : at + 1000].T, dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first_tick + at, Fraction(1, rate)
        yield from audio.encode(frame)
    yield from audio.encode(None)


def _write_display_matrix(path: Path, rotation: int, mirrored: bool) -> None:
    """Write a turn into the track header of the picture, which is the first track of the mp4."""
    with path.open("r+b") as file:
        data = file.read()
        at = data.index(b"tkhd") + 4
        at += 40 if data[at] == 0 else 52
        cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation % 360]
        flip = -1 if mirrored else 1
        values = [flip * cos * 65536, flip * sin * 65536, 0, -sin * 65536, cos * 65536, 0, 0, 0, 1 << 30]
        file.seek(at)
        file.write(struct.pack(">9i", *values))
