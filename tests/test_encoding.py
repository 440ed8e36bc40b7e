from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from clips import clicks, corners, numbered
from lipaccord.encoding import encode, recoded
from lipaccord.errors import SettingsError
from lipaccord.media import open_clip
from lipaccord.records import Clip, Frame, Image, Sound

RATE = 16_000


def frames(times_s: Sequence[float], *, width: int = 64, height: int = 48) -> list[Frame]:
    pictures = numbered(len(times_s), width=width, height=height)
    return [Frame(index, time, picture) for index, (time, picture) in enumerate(zip(times_s, pictures, strict=True))]


def steady(count: int, rate: float = 25.0, start_s: float = 0.0) -> list[float]:
    return [start_s + index / rate for index in range(count)]


def click(at_s: float = 0.5, start_s: float = 0.0) -> Sound:
    return Sound(clicks(1.2, RATE, at_s=[at_s - start_s]), RATE, start_s)


def read(path: Path) -> tuple[list[Frame], Sound, Clip]:
    with open_clip(path) as reader:
        sound, decoded = reader.sound(), list(reader.frames())
        return decoded, sound, reader.clip()


def loudest(sound: Sound) -> float:
    return sound.start_s + float(np.argmax(np.abs(sound.samples))) / RATE


@pytest.mark.parametrize(
    "times_s",
    [steady(30), steady(30, 24000 / 1001), steady(30, 60, 0.7), [0.0, 0.033, 0.1, 0.15, 0.1834, 0.31, 0.7]],
    ids=["25", "23.976", "60, late", "variable"],
)
def test_times_are_kept(tmp_path: Path, times_s: list[float]) -> None:
    encode(tmp_path / "clip.mp4", frames(times_s), click())
    decoded, _, _ = read(tmp_path / "clip.mp4")
    np.testing.assert_allclose([frame.time_s for frame in decoded], times_s, atol=5.1e-7)


@pytest.mark.parametrize("start_s", [0.0, 0.31, -0.05])
def test_the_sound_keeps_its_place_beside_the_picture(tmp_path: Path, start_s: float) -> None:
    encode(tmp_path / "clip.mp4", frames(steady(30)), click(0.5, start_s))
    _, sound, _ = read(tmp_path / "clip.mp4")
    assert loudest(sound) == pytest.approx(0.5, abs=0.001)


def test_a_clip_that_starts_below_zero_is_moved_as_a_whole(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", frames(steady(30, start_s=-0.08)), click())
    decoded, sound, _ = read(tmp_path / "clip.mp4")
    np.testing.assert_allclose([frame.time_s for frame in decoded], steady(30), atol=1e-6)
    assert loudest(sound) == pytest.approx(0.58, abs=0.001)


def test_nothing_odd_is_found_in_the_container(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", frames(steady(30)), click())
    _, _, clip = read(tmp_path / "clip.mp4")
    assert clip.notes == ()
    assert (clip.video.claimed_frames, clip.video.claimed_rate_hz) == (30, 25.0)
    assert (clip.video.codec, clip.audio.codec, clip.audio.sample_rate_hz) == ("h264", "aac", RATE)


def test_colours_are_kept(tmp_path: Path) -> None:
    picture = corners()
    encode(tmp_path / "clip.mp4", [Frame(index, index / 25, picture) for index in range(3)], click(), crf=5)
    decoded, _, _ = read(tmp_path / "clip.mp4")
    for row in (slice(4, 20), slice(28, 44)):
        for column in (slice(4, 28), slice(36, 60)):
            difference = decoded[1].image[row, column].astype(int) - picture[row, column]
            assert np.abs(difference.mean(axis=(0, 1))).max() <= 4


def test_a_higher_rate_factor_loses_more(tmp_path: Path) -> None:
    source = frames(steady(8), width=160, height=120)
    losses = []
    for crf in (5, 18, 35):
        encode(tmp_path / "clip.mp4", source, click(), crf=crf)
        decoded, _, _ = read(tmp_path / "clip.mp4")
        pairs = zip(decoded, source, strict=True)
        losses.append(np.mean([np.abs(a.image.astype(int) - b.image.astype(int)).mean() for a, b in pairs]))
    assert losses[0] < losses[1] < losses[2]


def test_the_sound_takes_the_bits_that_it_is_given() -> None:
    hiss, sizes = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32), {}
    for rate in (16_000, 32_000, 4 * RATE, None):
        file = io.BytesIO()
        encode(file, frames(steady(2)), Sound(hiss, RATE, 0.0), sound_bit_rate=rate)
        sizes[rate] = len(file.getvalue())
    assert (sizes[32_000] - sizes[16_000]) * 8 / 4 == pytest.approx(16_000, rel=0.1)
    assert (sizes[4 * RATE] - sizes[32_000]) * 8 / 4 == pytest.approx(32_000, rel=0.1)
    assert sizes[None] == sizes[4 * RATE]


@pytest.mark.parametrize(("width", "height"), [(64, 48), (66, 50), (320, 240)])
def test_the_same_input_gives_the_same_bytes(width: int, height: int) -> None:
    source, made = frames(steady(12), width=width, height=height), set()
    for _ in range(5):
        file = io.BytesIO()
        encode(file, source, click())
        made.add(file.getvalue())
    assert len(made) == 1


def test_a_file_in_memory_is_the_file_on_disk(tmp_path: Path) -> None:
    file = io.BytesIO()
    for target in (file, tmp_path / "clip.mp4"):
        encode(target, frames(steady(5)), click())
    assert (tmp_path / "clip.mp4").read_bytes() == file.getvalue()


def test_an_odd_row_and_column_are_cut_off(tmp_path: Path) -> None:
    source = frames(steady(5), width=65, height=49)
    encode(tmp_path / "clip.mp4", source, click(), crf=1)
    decoded, _, _ = read(tmp_path / "clip.mp4")
    assert decoded[0].image.shape == (48, 64, 3)
    encode(tmp_path / "even.mp4", [Frame(f.index, f.time_s, f.image[:48, :64]) for f in source], click(), crf=1)
    assert (tmp_path / "even.mp4").read_bytes() == (tmp_path / "clip.mp4").read_bytes()


@pytest.mark.parametrize(("scale", "size"), [(0.5, (24, 32)), (2.0, (96, 128)), (0.7, (34, 44))])
def test_pictures_are_shrunk_and_enlarged(tmp_path: Path, scale: float, size: tuple[int, int]) -> None:
    encode(tmp_path / "clip.mp4", frames(steady(3)), click(), scale=scale)
    decoded, _, _ = read(tmp_path / "clip.mp4")
    assert decoded[0].image.shape[:2] == size


def test_a_picture_of_another_size_is_brought_to_the_first(tmp_path: Path) -> None:
    other = next(numbered(1, width=128, height=96))
    encode(tmp_path / "clip.mp4", [*frames(steady(2)), Frame(2, 0.08, other)], click())
    decoded, _, _ = read(tmp_path / "clip.mp4")
    assert [frame.image.shape for frame in decoded] == [(48, 64, 3)] * 3


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def broken() -> Iterator[Frame]:
        yield from frames(steady(3))
        raise ZeroDivisionError

    (tmp_path / "clip.mp4").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        encode(tmp_path / "clip.mp4", broken(), click())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("clip.mp4", b"old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_of_the_system() -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full, pytest.raises(OSError, match="space"):
        encode(full, frames(steady(3)))


def test_without_pictures_there_is_nothing_to_encode(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture"):
        encode(tmp_path / "clip.mp4", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"crf": 52},
        {"crf": -1},
        {"preset": "best"},
        {"scale": 0.0},
        {"scale": 9.0},
        {"sound_bit_rate": 0},
        {"sound_bit_rate": 6 * RATE + 1},
    ],
)
def test_what_the_encoder_does_not_know_is_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=str(next(iter(options.values())))):
        encode(tmp_path / "clip.mp4", frames(steady(1)), click(), **options)  # type: ignore[arg-type]  # wrong on purpose


def test_a_bit_rate_for_a_sound_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="sound_bit_rate is 64000"):
        encode(tmp_path / "clip.mp4", frames(steady(1)), sound_bit_rate=64_000)
    assert list(tmp_path.iterdir()) == []


def test_grey_pictures_come_back_in_their_size_and_the_same_every_time() -> None:
    pictures: list[Image] = [picture[:33, :47, 0] for picture in numbered(4)]
    first, second = (recoded(pictures, crf=10, preset="medium") for _ in range(2))
    assert [picture.shape for picture in first] == [(33, 47)] * 4
    np.testing.assert_array_equal(first, second)
    assert np.abs(np.stack(first).astype(int) - np.stack(pictures)).mean() < 3


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="it is no regular file"):
        encode(tmp_path / "pipe.mp4", frames(steady(3)))
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.mp4"]
    assert (tmp_path / "pipe.mp4").is_fifo()
