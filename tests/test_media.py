"""media, with its rooms: true times, true colours, damage told in plain words, and nothing hostile gets through."""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from clips import Image, clicks, corners, flashes, flat, numbered, tone, write_clip
from lipaccord import media
from lipaccord._picture import Painter
from lipaccord._tally import FrameTimes
from lipaccord.errors import NoAudio, NoVideo, SettingsError, UnreadableMedia
from lipaccord.media import SOUND_RATE_HZ, open_clip
from lipaccord.records import Clip, Frame, Sound
from lipaccord.sound import SoundTrack

MILLISECOND = 0.001
CONTAINERS = [
    ("mp4", "libx264", "aac", 44_100),
    ("mov", "libx264", "pcm_s16le", 48_000),
    ("mkv", "libx264", "aac", 44_100),
    ("mkv", "ffv1", "flac", 11_025),
    ("webm", "libvpx", "libopus", 48_000),
    ("avi", "mpeg4", "pcm_s16le", 22_050),
    ("avi", "libx264", "pcm_s16le", 48_000),
    ("ts", "libx264", "aac", 48_000),
    ("nut", "ffv1", "pcm_s16le", 96_000),
]


def examine(
    path: Path, *, start_s: float | None = None, end_s: float | None = None, threads: int = 1
) -> tuple[list[Frame], Sound, Clip]:
    with open_clip(path, start_s=start_s, end_s=end_s, threads=threads) as reader:
        frames = list(reader.frames())
        return frames, reader.sound(), reader.clip()


def flash_s(frames: list[Frame]) -> float:
    return max(frames, key=lambda frame: int(frame.image.sum(dtype=np.int64))).time_s


def click_s(sound: Sound) -> float:
    return sound.start_s + int(np.argmax(np.abs(sound.samples))) / sound.rate_hz


def said(clip: Clip, words: str) -> bool:
    return any(words in note for note in clip.notes)


def short(path: Path, **options: object) -> Path:
    """Write half a second of picture and sound without surprises."""
    write_clip(path, frames=numbered(12), sound=tone(0.48, 48_000), **options)  # type: ignore[arg-type]
    return path


# Times


@pytest.mark.parametrize(("suffix", "video_codec", "audio_codec", "rate"), CONTAINERS)
def test_flash_and_click_meet_in_every_container(
    tmp_path: Path, suffix: str, video_codec: str, audio_codec: str, rate: int
) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_clip(
        path,
        frames=flashes(40, at=(20,)),
        sound=clicks(1.6, rate, at_s=(0.8,)),
        sound_rate=rate,
        video_codec=video_codec,
        audio_codec=audio_codec,
    )
    frames, sound, clip = examine(path)
    # MPEG-TS starts its clock later, for picture and sound alike.
    assert flash_s(frames) == pytest.approx(0.8 + frames[0].time_s, abs=1e-6)
    assert click_s(sound) == pytest.approx(flash_s(frames), abs=MILLISECOND)
    assert clip.video.counted_frames == len(frames) == 40
    assert clip.video.counted_rate_hz == pytest.approx(25)
    assert clip.video.counted_duration_s == pytest.approx(1.6)
    assert not clip.video.variable_rate
    assert clip.video.gaps == clip.audio.gaps == ()
    assert clip.audio.sample_rate_hz == rate
    assert (clip.video.decode_errors, clip.audio.decode_errors) == (0, 0)
    assert not said(clip, "claims")


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000, 44_100, 96_000])
def test_a_click_keeps_its_time_and_a_tone_its_level_at_any_rate(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "clip.mov"
    sound = clicks(1.0, rate, at_s=(0.25,), level=0.9) + tone(1.0, rate, hz=500, level=0.25) * (
        np.arange(rate) > rate // 2
    )
    write_clip(path, frames=flashes(25), sound=sound.astype(np.float32), sound_rate=rate, audio_codec="pcm_s16le")
    _, heard, clip = examine(path)
    assert heard.rate_hz == SOUND_RATE_HZ
    assert click_s(heard) == pytest.approx(0.25, abs=1e-4)
    assert len(heard.samples) == pytest.approx(SOUND_RATE_HZ, abs=1)
    assert np.sqrt(2 * np.mean(heard.samples[10_000:15_000] ** 2)) == pytest.approx(0.25, rel=0.01)
    assert clip.audio.counted_duration_s == pytest.approx(1.0)


def test_priming_of_the_encoder_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=flashes(25), sound=clicks(1.0, 44_100, at_s=(0.5,)), sound_rate=44_100)
    with av.open(str(path)) as container:
        assert next(container.demux(audio=0)).pts == -1024
    _, sound, clip = examine(path)
    assert clip.audio.start_s == sound.start_s == 0.0
    assert click_s(sound) == pytest.approx(0.5, abs=MILLISECOND)


def test_sound_that_starts_later_keeps_its_delay(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(
        path,
        frames=flashes(40, at=(20,)),
        sound=clicks(1.2, 48_000, at_s=(0.5,)),
        sound_start_s=0.3,
        audio_codec="flac",
    )
    frames, sound, clip = examine(path)
    assert sound.start_s == clip.audio.start_s == pytest.approx(0.3, abs=MILLISECOND)
    assert click_s(sound) == pytest.approx(0.8, abs=MILLISECOND)
    assert flash_s(frames) == pytest.approx(0.8)
    assert clip.duration_s == pytest.approx(1.6, abs=MILLISECOND)


def test_delayed_sound_in_an_edit_list(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=flashes(40, at=(20,)), sound=clicks(1.2, 48_000, at_s=(0.5,)), sound_start_s=0.3)
    frames, sound, _ = examine(path)
    assert click_s(sound) == pytest.approx(0.8, abs=MILLISECOND)
    assert flash_s(frames) == pytest.approx(0.8)


def test_picture_that_starts_later_than_the_sound(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=flashes(25, at=(10,)), start_s=0.4, sound=clicks(1.4, 48_000, at_s=(0.8,)))
    frames, sound, clip = examine(path)
    assert frames[0].time_s == clip.video.start_s == pytest.approx(0.4)
    assert flash_s(frames) == pytest.approx(0.8)
    assert click_s(sound) == pytest.approx(0.8, abs=MILLISECOND)


def test_frames_before_zero_are_hidden_by_the_edit_list(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=flashes(40, at=(20,)), start_s=-0.2, sound=clicks(1.4, 48_000, at_s=(0.6,)))
    frames, sound, clip = examine(path)
    assert frames[0].time_s == pytest.approx(0.0)
    assert (clip.video.claimed_frames, clip.video.counted_frames) == (40, 35)
    assert flash_s(frames) == pytest.approx(0.6)
    assert click_s(sound) == pytest.approx(0.6, abs=MILLISECOND)
    assert said(clip, "the container claims 40 frames, 35 were delivered")


def test_times_below_zero_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    write_clip(
        path,
        frames=flashes(20, at=(10,)),
        start_s=-0.2,
        sound=clicks(0.8, 48_000, at_s=(0.4,)),
        sound_start_s=-0.2,
        muxer_options={"avoid_negative_ts": "disabled", "mpegts_copyts": "1"},
    )
    frames, sound, clip = examine(path)
    assert frames[0].time_s == clip.video.start_s == pytest.approx(-0.2)
    assert flash_s(frames) == pytest.approx(0.2)
    assert click_s(sound) == pytest.approx(0.2, abs=MILLISECOND)


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.033, 0.071, 0.1, 0.16, 0.2, 0.5, 0.533]
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=flashes(8), times_s=times, sound=tone(0.6, 48_000))
    frames, _, clip = examine(path)
    assert [frame.time_s for frame in frames] == pytest.approx(times)
    assert [frame.index for frame in frames] == list(range(8))
    assert clip.video.variable_rate
    assert said(clip, "the frame rate is variable")
    assert [(gap.start_s, gap.end_s) for gap in clip.video.gaps] == [pytest.approx((0.2, 0.5))]
    assert said(clip, "the picture has 1 gap, the longest at 0.20-0.50 s")


def test_a_constant_rate_rounded_to_milliseconds_is_not_variable(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=flashes(31), rate=30, sound=tone(1.0, 48_000))
    frames, _, clip = examine(path)
    assert len({round(b.time_s - a.time_s, 6) for a, b in itertools.pairwise(frames)}) > 1
    assert not clip.video.variable_rate
    assert clip.video.gaps == ()


def times_at(times_s: list[float], tick_s: float) -> FrameTimes:
    times = FrameTimes(tick_s)
    for time_s in times_s:
        if times.accept(time_s):
            times.add(time_s)
    return times


def test_where_a_tick_is_a_frame_one_lost_frame_makes_the_rate_variable() -> None:
    assert times_at([i / 25 for i in range(20) if i != 9], 0.04).timing().variable
    assert not times_at([i / 25 for i in range(20)], 0.04).timing().variable


def test_a_frame_absurdly_far_ahead_is_dropped() -> None:
    times = times_at([0, 0.04, 1e9, 5000.0, 0.08, 3600.0], 0.001)
    assert (len(times), times.misplaced) == (4, 2)
    times = times_at([i * 3000.0 for i in range(40)], 0.001)
    assert (len(times), times.misplaced) == (29, 11)


def test_a_single_frame_has_no_rate() -> None:
    timing = times_at([0.5], 0.001).timing()
    assert (timing.start_s, timing.duration_s, timing.interval_s, timing.gaps) == (0.5, 0.0, None, ())


def test_frames_whose_time_does_not_rise_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(
        path, frames=numbered(5), times_s=[0, 0.04, 0.04, 0.08, 0.12], sound=tone(0.2, 48_000), video_codec="ffv1"
    )
    frames, _, clip = examine(path)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert clip.video.duplicate_timestamps == 1
    assert said(clip, "1 frame dropped: the time did not rise")


def test_pictures_of_an_avi_with_b_frames_take_the_stored_times_in_order(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    write_clip(path, frames=numbered(30), sound=tone(1.2, 48_000), audio_codec="pcm_s16le", options={"bf": "2"})
    frames, _, clip = examine(path)
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in range(30)])
    assert said(clip, "the container stores no presentation times for the picture")


# Sound


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_hole_in_the_sound_is_silence_and_a_gap(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    sound = tone(1.6, 48_000) * 0.2 + clicks(1.6, 48_000, at_s=(1.4,))
    write_clip(path, frames=flashes(40), sound=sound, sound_hole_s=(0.8, 1.1))
    _, heard, clip = examine(path)
    (gap,) = clip.audio.gaps
    assert (gap.start_s, gap.end_s) == pytest.approx((0.81, 1.1), abs=0.025)
    inside = slice(round((gap.start_s + 0.01) * SOUND_RATE_HZ), round((gap.end_s - 0.01) * SOUND_RATE_HZ))
    assert not heard.samples[inside].any()
    assert click_s(heard) == pytest.approx(1.4, abs=MILLISECOND)
    assert clip.audio.counted_duration_s == pytest.approx(heard.duration_s - gap.duration_s, abs=MILLISECOND)
    assert said(clip, "the sound has 1 gap filled with silence")


@pytest.mark.parametrize(("channel", "share"), [(0, 1), (1, 1), (2, 2**0.5), (3, 0), (4, 0.5**0.5), (5, 0.5**0.5)])
def test_the_mix_of_surround_sound(tmp_path: Path, channel: int, share: float) -> None:
    path = tmp_path / "clip.mkv"
    sound = np.zeros((24_000, 6), np.float32)
    sound[:, channel] = 0.9
    write_clip(path, frames=flashes(12), sound=sound, audio_codec="flac")
    _, heard, clip = examine(path)
    assert heard.samples[4000] == pytest.approx(0.9 * share / (2 + 2**0.5 + 2 * 0.5**0.5), abs=MILLISECOND)
    assert (clip.audio.channels, clip.audio.layout) == (6, "5.1(side)" if clip.audio.layout != "5.1" else "5.1")


def test_the_mix_of_full_scale_channels_does_not_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    left = tone(0.5, 16_000, level=1.0)
    write_clip(
        path, frames=flashes(12), sound=np.stack([left, left], axis=1), sound_rate=16_000, audio_codec="pcm_s16le"
    )
    _, heard, clip = examine(path)
    assert np.abs(heard.samples[: len(left)] - left).max() < 1e-3
    assert clip.audio.layout == "stereo"


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_every_kind_of_sample_has_the_same_full_scale(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=flashes(12), sound=tone(0.5, 16_000), sound_rate=16_000, audio_codec=codec)
    _, heard, _ = examine(path)
    assert np.abs(heard.samples - tone(0.5, 16_000)).max() < 0.01


def test_values_that_are_no_number_become_silence(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    sound = tone(0.5, 16_000)
    sound[100:104] = [np.nan, np.inf, -np.inf, 1e30]
    write_clip(path, frames=flashes(12), sound=sound, sound_rate=16_000, audio_codec="pcm_f32le")
    _, heard, _ = examine(path)
    assert heard.samples[100:104].tolist() == [0, 0, 0, 4]


def test_jitter_is_ignored_and_overlap_dropped() -> None:
    track = SoundTrack()
    blocks = tone(1.0, 16_000).reshape(10, 1600)
    for i, block in enumerate(blocks):
        track.add(0.1 * i + (0.019 if i % 2 else 0.0), block, 16_000)
    track.add(0.9, blocks[9], 16_000)
    track.add(0.95, blocks[0], 16_000)
    sound = track.finish()
    assert sound is not None
    assert np.array_equal(sound.samples[:16_000], blocks.ravel())
    assert np.array_equal(sound.samples[16_000:], blocks[0, 800:])
    assert track.overlap_s == pytest.approx(0.15)
    assert track.gaps == []


def test_sound_absurdly_far_ahead_is_left_out() -> None:
    track = SoundTrack()
    block = tone(0.1, 16_000)
    for time_s in (0.0, 1e12, 0.1, 3000.0, 6000.0, None):
        track.add(time_s, block, 16_000)
    sound = track.finish()
    assert sound is not None
    assert track.misplaced == 2
    assert sound.duration_s == pytest.approx(3000.2)
    assert len(track.gaps) == 1


def test_the_rate_may_change_on_the_way() -> None:
    track = SoundTrack()
    track.add(None, tone(0.1, 8_000), 8_000)
    assert track.untimed == 1
    for i, rate in enumerate((48_000, 8_000, 16_000, 44_100)):
        track.add(2 + 0.25 * i, clicks(0.25, rate, at_s=(0.1,)), rate)
    sound = track.finish()
    assert sound is not None
    assert len(sound.samples) == SOUND_RATE_HZ
    for part in range(4):
        samples = sound.samples[4000 * part : 4000 * (part + 1)]
        assert np.argmax(samples) == 1600
        assert samples[1600] == pytest.approx(0.8, abs=0.01)


def test_nothing_is_lost_where_the_rate_changes() -> None:
    track = SoundTrack()
    for i, rate in enumerate((48_000, 44_100)):
        track.add(0.25 * i, np.full(rate // 4, 0.5, np.float32), rate)
    sound = track.finish()
    assert sound is not None
    assert sound.samples[100:-100].min() > 0.2


# Part of a clip


@pytest.mark.parametrize(
    ("suffix", "audio_codec"), [("mp4", "aac"), ("mkv", "aac"), ("ts", "aac"), ("avi", "pcm_s16le")]
)
def test_a_part_equals_the_same_stretch_of_the_whole(tmp_path: Path, suffix: str, audio_codec: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    sound = tone(4.0, 48_000, hz=170) * np.linspace(0.2, 1, 192_000, dtype=np.float32)
    write_clip(path, frames=numbered(100), sound=sound, audio_codec=audio_codec, options={"g": "10"})
    whole, all_sound, _ = examine(path)
    start_s, end_s = 2.5, 3.31
    frames, heard, clip = examine(path, start_s=start_s, end_s=end_s)
    wanted = [frame for frame in whole if start_s <= frame.time_s < end_s]
    assert [frame.time_s for frame in frames] == [frame.time_s for frame in wanted]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, wanted, strict=True))
    assert heard.start_s == start_s
    assert heard.duration_s == pytest.approx(end_s - start_s, abs=1e-4)
    at = round((start_s - all_sound.start_s) * SOUND_RATE_HZ)
    inner = slice(200, len(heard.samples) - 200)
    assert np.abs(heard.samples - all_sound.samples[at : at + len(heard.samples)])[inner].max() < 0.02
    assert clip.duration_s == pytest.approx(end_s - start_s, abs=0.04)
    assert said(clip, "only the part from 2.500 s to 3.310 s was examined")
    assert not said(clip, "claims")


def test_a_part_that_seeking_cannot_reach_is_decoded_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    write_clip(path, frames=numbered(100), sound=tone(4.0, 48_000), options={"g": "75", "sc_threshold": "0"})
    whole, _, _ = examine(path)
    frames, _, clip = examine(path, start_s=2.5, end_s=3.4)
    assert [f.time_s for f in frames] == [f.time_s for f in whole if 2.5 <= f.time_s < 3.4]
    assert clip.video.decode_errors == 0


@pytest.mark.parametrize(
    ("start_s", "end_s", "trouble"),
    [
        (0.3, 0.3, "must end later"),
        (0.4, 0.2, "must end later"),
        (5.0, None, "outside"),
        (None, -1.0, "outside"),
        (float("nan"), None, "start_s is nan"),
        (None, float("inf"), "end_s is inf"),
        (1e300, None, "start_s is 1e"),
    ],
)
def test_an_impossible_part_is_refused(
    tmp_path: Path, start_s: float | None, end_s: float | None, trouble: str
) -> None:
    with pytest.raises(SettingsError, match=trouble):
        open_clip(short(tmp_path / "clip.mp4"), start_s=start_s, end_s=end_s)


def test_a_part_between_two_frames_or_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=flashes(25), sound=tone(0.4, 48_000))
    with (
        open_clip(path, start_s=0.41, end_s=0.42) as reader,
        pytest.raises(NoVideo, match=r"no picture .* in the part"),
    ):
        list(reader.frames())
    with open_clip(path, start_s=0.7) as reader, pytest.raises(NoAudio, match=r"no sound .* in the part"):
        reader.sound()


# Picture


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_turn_that_the_container_asks_for_is_applied(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=[corners()] * 2, rotation=rotation, mirrored=mirrored, sound=tone(0.1, 48_000))
    frames, _, clip = examine(path)
    image = frames[0].image
    height, width = image.shape[:2]
    seen = [image[y, x].argmax() if image[y, x].min() < 128 else 3 for y, x in ((4, 4), (4, -5), (-5, -5), (-5, 4))]
    # Clockwise from the top left: red, green, blue, white. A turn by 90 degrees brings white to the top left.
    expected = [1, 0, 3, 2] if mirrored else [0, 1, 2, 3]
    quarters = rotation // 90
    assert seen == expected[-quarters:] + expected[:-quarters] if quarters else seen == expected
    assert (width, height) == ((48, 64) if rotation in {90, 270} else (64, 48))
    assert (clip.video.width, clip.video.height, clip.video.rotation_deg) == (width, height, rotation)
    assert said(clip, "turned clockwise") == (rotation != 0)
    assert said(clip, "mirrored") == mirrored
    assert image.flags.c_contiguous


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "full_range"),
    [
        ("libx264", "yuv420p", False),
        ("libx264", "yuv420p", True),
        ("libx264", "yuvj420p", True),
        ("libx264", "yuv444p", False),
        ("libx264", "yuv420p10le", False),
        ("ffv1", "yuv420p10le", True),
        ("ffv1", "bgr0", True),
        ("ffv1", "gray", True),
    ],
)
def test_greys_come_out_as_they_went_in(tmp_path: Path, codec: str, pix_fmt: str, full_range: bool) -> None:
    path = tmp_path / "clip.mkv"
    levels = (2, 90, 200, 253)
    write_clip(
        path,
        frames=[flat(level) for level in levels],
        sound=tone(0.2, 48_000),
        video_codec=codec,
        pix_fmt=pix_fmt,
        full_range=full_range,
        options={"crf": "5"} if codec == "libx264" else {},
    )
    frames, _, clip = examine(path)
    assert [frame.image.mean() for frame in frames] == pytest.approx(levels, abs=2)
    assert frames[0].image.dtype == np.uint8
    assert clip.video.color_range == ("full" if full_range else "limited")
    assert clip.video.pixel_format.replace("yuvj", "yuv") == pix_fmt.replace("yuvj", "yuv")


@pytest.mark.parametrize("colorspace", ["bt601", "bt709"])
@pytest.mark.parametrize("colour", [(200, 30, 30), (30, 180, 60), (224, 172, 144)])
def test_the_colour_matrix_is_the_tagged_one(tmp_path: Path, colorspace: str, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=[flat(colour)], sound=tone(0.1, 48_000), video_codec="ffv1", colorspace=colorspace)
    frames, _, _ = examine(path)
    assert frames[0].image.reshape(-1, 3).mean(axis=0) == pytest.approx(colour, abs=3.5)


@pytest.mark.parametrize(("height", "as_bt601"), [(576, True), (578, False)])
def test_the_colour_matrix_of_an_untagged_picture_follows_its_size(tmp_path: Path, height: int, as_bt601: bool) -> None:
    path = tmp_path / "clip.mkv"
    colour = (200, 30, 30)
    write_clip(path, frames=[flat(colour, width=16, height=height)], sound=tone(0.1, 48_000), video_codec="ffv1")
    frames, _, _ = examine(path)
    off = np.abs(frames[0].image.reshape(-1, 3).mean(axis=0) - colour).max()
    assert (off < 2.5) == as_bt601


def test_a_picture_of_odd_size(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    pictures = list(numbered(3, width=63, height=47))
    write_clip(path, frames=pictures, sound=tone(0.1, 48_000), video_codec="ffv1", pix_fmt="yuv444p")
    frames, _, clip = examine(path)
    assert (clip.video.width, clip.video.height) == (63, 47)
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.image.shape == (47, 63, 3)
        assert frame.image.flags.c_contiguous
        assert np.abs(frame.image.astype(int) - picture).max() <= 4


def test_frames_are_the_same_with_one_thread_and_two(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=numbered(40), sound=tone(1.6, 48_000))
    one, two = (examine(path, threads=threads)[0] for threads in (1, 2))
    assert [frame.time_s for frame in one] == [frame.time_s for frame in two]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, two, strict=True))


# The reader


def test_facts_and_identity(tmp_path: Path) -> None:
    path = short(tmp_path / "clip.mp4")
    _, sound, clip = examine(path)
    assert clip.path == str(path)
    assert clip.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "mp4" in clip.container
    assert (clip.video.codec, clip.audio.codec) == ("h264", "aac")
    assert (clip.video.claimed_frames, clip.video.claimed_rate_hz) == (12, 25)
    assert clip.video.claimed_duration_s == pytest.approx(0.48)
    assert clip.audio.claimed_duration_s == pytest.approx(0.48)
    assert clip.duration_s == pytest.approx(max(0.48, sound.duration_s))
    assert clip.notes == ()


def test_one_decode_and_facts_only_at_its_end(tmp_path: Path) -> None:
    with open_clip(short(tmp_path / "clip.mp4")) as reader:
        sound = reader.sound()
        assert reader.sound() is sound
        frames = reader.frames()
        next(frames)
        with pytest.raises(RuntimeError, match="exhausted"):
            reader.clip()
        with pytest.raises(RuntimeError, match="once"):
            reader.frames()
        list(frames)
        assert reader.clip().video.counted_frames == 12


def test_closing_stops_the_decode(tmp_path: Path) -> None:
    with open_clip(short(tmp_path / "clip.mp4")) as reader:
        frames = reader.frames()
        next(frames)
    assert list(frames) == []
    with pytest.raises(RuntimeError, match="exhausted"):
        reader.clip()


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = short(tmp_path / "clip.mkv")
    with open_clip(path) as reader:
        list(reader.frames())
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(UnreadableMedia, match="changed while it was examined"):
            reader.sound()


def test_a_file_that_changes_after_the_decode_is_noticed(tmp_path: Path) -> None:
    path = short(tmp_path / "clip.mkv")
    with open_clip(path) as reader:
        list(reader.frames())
        reader.sound()
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(UnreadableMedia, match="changed while it was examined"):
            reader.clip()


def test_threads_below_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="threads is 0"):
        open_clip(tmp_path / "clip.mp4", threads=0)


# Streams


def test_the_largest_picture_and_the_main_sound_are_chosen(tmp_path: Path) -> None:
    small, large = short(tmp_path / "small.mkv", video_codec="ffv1"), tmp_path / "large.mkv"
    write_clip(large, frames=flashes(12, width=96, height=80), sound=tone(0.48, 48_000), video_codec="ffv1")
    both = tmp_path / "both.mkv"
    with av.open(str(both), "w") as target, av.open(str(small)) as first, av.open(str(large)) as second:
        inputs = [(c, s) for c in (first, second) for s in c.streams]
        copies = [target.add_stream_from_template(cast(av.VideoStream, s)) for _, s in inputs]
        for (container, stream), copy in zip(inputs, copies, strict=True):
            container.seek(0)
            for packet in container.demux(cast(av.VideoStream, stream)):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
    frames, _, clip = examine(both)
    assert frames[0].image.shape == (80, 96, 3)
    assert said(clip, "there are 2 moving pictures: the largest one")
    assert said(clip, "there are 2 sound streams: only the main one")


def test_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=flashes(5))
    with pytest.raises(NoAudio, match=r"there is no sound in .*clip.mp4"):
        open_clip(path)


def test_where_no_sound_is_needed_a_clip_without_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=flashes(5))
    with open_clip(path, needs_sound=False) as reader:
        assert len(list(reader.frames())) == 5
        assert len(reader.sound().samples) == 0
        reader.check_unchanged()
        with pytest.raises(RuntimeError, match="facts are complete only"):
            reader.clip()


def test_for_a_sound_that_is_not_there_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "clip.mp4", frames=flashes(5))
    monkeypatch.delattr(media, "decode_from")
    with open_clip(tmp_path / "clip.mp4", needs_sound=False) as reader:
        assert len(reader.sound().samples) == 0


def test_where_no_sound_is_needed_a_part_without_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=flashes(25), sound=tone(0.4, 48_000))
    with open_clip(path, start_s=0.7, needs_sound=False) as reader:
        assert len(reader.sound().samples) == 0
    with open_clip(path, needs_sound=False) as reader:
        assert len(reader.sound().samples) > 0


def test_a_clip_that_changed_since_it_was_opened_is_told(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=flashes(5))
    with open_clip(path, needs_sound=False) as reader:
        path.write_bytes(path.read_bytes() + b" ")
        with pytest.raises(UnreadableMedia, match="changed"):
            reader.check_unchanged()


@pytest.mark.parametrize("suffix", ["mp4", "wav", "flac"])
def test_no_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    codec = {"mp4": "aac", "wav": "pcm_s16le", "flac": "flac"}[suffix]
    write_clip(path, sound=tone(0.3, 48_000), audio_codec=codec)
    with pytest.raises(NoVideo, match="there is no moving picture in"):
        open_clip(path)


def test_cover_art_is_no_moving_picture(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        voice = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(0.3, 48_000)[None], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(cover.encode(av.VideoFrame.from_ndarray(corners(), format="rgb24").reformat(format="yuvj420p")))
        container.mux(cover.encode(None))
        container.mux(voice.encode(frame))
        container.mux(voice.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(NoVideo, match="there is no moving picture in"):
        open_clip(path)


def test_an_unknown_codec(tmp_path: Path) -> None:
    path = short(tmp_path / "clip.mkv", video_codec="ffv1")
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_FFVX"))
    with pytest.raises(UnreadableMedia, match="picture of an unknown codec"):
        open_clip(path)


# Damage


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_truncated_file_is_decoded_as_far_as_it_goes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_clip(path, frames=numbered(75), sound=tone(3.0, 48_000), faststart=suffix == "mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, sound, clip = examine(path)
    assert 25 < len(frames) < 60
    assert 1.0 < sound.duration_s < 2.5
    subject = "the picture stops" if suffix == "mp4" else "picture and sound stop"
    assert said(clip, f"{subject} at {max(f.time_s for f in frames) + 0.04:.2f} s although the container claims 3.0")
    assert said(clip, "the file is probably truncated or damaged")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_damage_in_the_middle_is_counted_and_passed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], codec: str, threads: int
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, frames=numbered(75), sound=tone(3.0, 48_000), video_codec=codec, options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).integers(0, 256, 3000, np.uint8).tobytes()
    path.write_bytes(data)
    frames, sound, clip = examine(path, threads=threads)
    assert clip.video.decode_errors > 0
    assert clip.audio.decode_errors > 0
    assert clip.video.counted_frames == len(frames) == 75 - clip.video.decode_errors
    assert frames[-1].time_s == pytest.approx(74 / 25)
    assert said(clip, f"the picture is damaged: the decoder refused {clip.video.decode_errors} packet")
    assert said(clip, f"the sound is damaged: the decoder refused {clip.audio.decode_errors} packet")
    assert clip.audio.gaps
    assert sound.duration_s == pytest.approx(3.0, abs=0.05)
    assert capfd.readouterr() == ("", "")


def test_a_lost_picture_does_not_move_the_times_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    write_clip(path, frames=numbered(30), sound=tone(1.2, 48_000), audio_codec="pcm_s16le", options={"bf": "2"})
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(video=0)]
    # A slice that nothing refers to: NAL type 1, reference index 0.
    lost = [p for p in packets if p.lstrip(b"\0")[1:2] == b"\x01"][3]
    data = path.read_bytes()
    assert data.count(lost) == 1
    path.write_bytes(data.replace(lost, bytes(len(lost))))
    frames, _, clip = examine(path)
    assert (len(frames), clip.video.decode_errors) == (29, 1)
    assert frames[-1].time_s == pytest.approx(29 / 25)


def test_a_picture_that_cannot_be_converted_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint = Painter.paint

    def fail_once(self: Painter, frame: av.VideoFrame) -> Image:
        if frame.time == pytest.approx(0.2):
            raise av.error.InvalidDataError(1, "no conversion")
        return paint(self, frame)

    monkeypatch.setattr(Painter, "paint", fail_once)
    frames, _, clip = examine(short(tmp_path / "clip.mp4"))
    assert (len(frames), clip.video.counted_frames, clip.video.decode_errors) == (11, 11, 1)


@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_nothing_decodes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "clip.mkv"
    codecs = {"picture": ("mpeg4", "pcm_s16le"), "sound": ("ffv1", "flac")}[kind]
    write_clip(path, frames=flashes(12), sound=tone(0.48, 48_000), video_codec=codecs[0], audio_codec=codecs[1])
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(**{"video" if kind == "picture" else "audio": 0}) if p.size]
    data = path.read_bytes()
    for packet in packets:
        data = data.replace(packet, bytes(len(packet)))
    path.write_bytes(data)
    with open_clip(path) as reader:
        decode = {"picture": lambda: list(reader.frames()), "sound": reader.sound}[kind]
        with pytest.raises(UnreadableMedia, match=f"nothing of the {kind} in"):
            decode()


def test_metadata_that_is_not_text(tmp_path: Path) -> None:
    path = short(tmp_path / "clip.mkv")
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"\xff\x80\x1b\xc3"))
    assert examine(path)[2].video.counted_frames == 12


# What is not a clip


def unreadable(path: str | Path, match: str) -> None:
    with pytest.raises(UnreadableMedia, match=match) as caught:
        open_clip(path)
    assert Path(path).name in str(caught.value)


def test_missing_directory_and_empty(tmp_path: Path) -> None:
    unreadable(tmp_path / "nowhere.mp4", "does not exist: check the path")
    unreadable(tmp_path, "is a directory: name one media file")
    (tmp_path / "empty.mp4").touch()
    unreadable(tmp_path / "empty.mp4", "is empty: fetch")
    with pytest.raises(UnreadableMedia, match=r"cannot be opened .*null"):
        open_clip("nul\0byte.mp4")


def test_a_pipe_or_a_device_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_args: object, **_more: object) -> FileIO:
        raise AssertionError("it was opened")

    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    monkeypatch.setattr("lipaccord._container.FileIO", opened)
    unreadable(pipe, "is a pipe or a device")
    for device in ("/dev/zero", "/dev/stdin"):
        if Path(device).exists() and not Path(device).is_file():
            unreadable(device, "is a pipe or a device")


def test_a_pipe_that_took_the_place_of_the_file_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, pipe = short(tmp_path / "clip.mp4"), tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    regular = clip.stat()
    monkeypatch.setattr("lipaccord._container.Path.stat", lambda _: regular)
    unreadable(pipe, "is a pipe or a device")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object, **_more: object) -> FileIO:
        raise PermissionError(13, "Permission denied")

    path = short(tmp_path / "clip.mp4")
    monkeypatch.setattr("lipaccord._container.FileIO", refused)
    unreadable(path, "may not be read by this user: change its permissions")


@pytest.mark.parametrize(
    "content", [b"just some words\n" * 200, bytes(5000), np.random.default_rng(0).bytes(50_000), b"x"]
)
def test_what_is_no_media(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    unreadable(path, "cannot be read as a video file .* convert it to MP4 or MKV")


PLAYLISTS: dict[str, Callable[[Path], str]] = {
    "list.m3u8": lambda clip: (
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\n{clip}\n#EXT-X-ENDLIST\n"
    ),
    "list.mp4": lambda clip: f"ffconcat version 1.0\nfile '{clip}'\n",
    "list.sdp": lambda _: "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 31\n",
    "list.mpd": lambda clip: (
        f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{clip}</BaseURL></MPD>'
    ),
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_opens_nothing_else(tmp_path: Path, name: str) -> None:
    clip = short(tmp_path / "clip.ts")
    path = tmp_path / name
    path.write_text(PLAYLISTS[name](clip))
    unreadable(path, "cannot be read as a video file .* a playlist")


def test_numbered_pictures_are_no_clip(tmp_path: Path) -> None:
    for i in range(3):
        write_clip(tmp_path / f"{i}.avi", frames=[corners()], video_codec="mjpeg", pix_fmt="yuvj420p", full_range=True)
        with av.open(str(tmp_path / f"{i}.avi")) as container:
            picture = next(bytes(p) for p in container.demux(video=0))
        (tmp_path / f"picture{i}.jpg").write_bytes(picture)
    unreadable(tmp_path / "picture%d.jpg", "does not exist")
    (tmp_path / "picture%d.jpg").write_bytes((tmp_path / "picture0.jpg").read_bytes())
    with pytest.raises((UnreadableMedia, NoAudio)):
        open_clip(tmp_path / "picture%d.jpg")


def test_an_animation_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "animation.mp4"
    with av.open(str(path), "w", format="gif") as container:
        video = container.add_stream("gif", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "rgb8"
        container.mux(video.encode(av.VideoFrame.from_ndarray(corners(), format="rgb24").reformat(format="rgb8")))
        container.mux(video.encode(None))
    unreadable(path, "cannot be read as a video file")


def test_a_file_name_is_never_taken_for_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short(tmp_path / "clip.mp4").rename("concat:clip.mp4")
    assert examine(Path("concat:clip.mp4"))[2].path == "concat:clip.mp4"


@pytest.mark.parametrize(("width", "height"), [(16_400, 16), (8_208, 8_208)])
def test_an_absurd_size(tmp_path: Path, width: int, height: int) -> None:
    path = short(tmp_path / "clip.avi", video_codec="ffv1", audio_codec="pcm_s16le")
    data = bytearray(path.read_bytes())
    # BITMAPINFOHEADER, the format of the first stream: width and height follow its own size.
    at = data.index(b"strf") + 12
    assert struct.unpack("<ii", data[at : at + 8]) == (64, 48)
    data[at : at + 8] = struct.pack("<ii", width, height)
    path.write_bytes(data)
    unreadable(path, "claims a picture of unknown size, or of more than 16384 pixels a side")


def test_an_image_is_of_the_size_that_was_claimed(tmp_path: Path) -> None:
    picture: Image = flat(40, width=128, height=16)
    path = tmp_path / "clip.mkv"
    write_clip(path, frames=[picture], sound=tone(0.1, 48_000))
    frames, _, clip = examine(path)
    assert frames[0].image.shape == picture.shape
    assert (clip.video.height, clip.video.width) == picture.shape[:2]
