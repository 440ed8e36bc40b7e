from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import flashes, numbered
from lipaccord.errors import SettingsError, UnreadableMedia
from lipaccord.media import ClipReader
from lipaccord.records import Examination, Frame, Sound
from lipaccord.viewing import ViewingCopy, examined_frames, from_zero, sound_from_zero, viewing_copy
from made_viewing import RATE_HZ, a_clip, click_of, examined, grey, read

FLASH = 15
FRAME_S = 1 / RATE_HZ


def copied(path: Path, examination: Examination, folder: Path, **options: Any) -> tuple[ViewingCopy, Path]:
    copy = viewing_copy(path, examination, **options)
    target = folder / "copy.mp4"
    target.write_bytes(copy.data)
    return copy, target


def flash_of(path: Path) -> float:
    """Return when the white picture is shown."""
    times_s, pictures, _, _ = read(path)
    return float(times_s[int(np.argmax([picture.mean() for picture in pictures]))])


@pytest.mark.parametrize(
    ("start_s", "sound_start_s", "part", "zero_s"),
    [
        (0.0, 0.0, {}, 0.0),
        (1.0, 1.0, {}, 1.0),
        (1.0, 0.0, {}, 0.0),
        (0.0, 0.3, {}, 0.0),
        (0.0, 0.0, {"start_s": 0.4}, 0.4),
        (1.0, 0.5, {"start_s": 1.2, "end_s": 1.9}, 1.2),
    ],
    ids=["plain", "late", "picture late", "sound late", "part", "part of a late clip"],
)
def test_the_times_of_a_player_lead_back_to_the_clip(
    tmp_path: Path, start_s: float, sound_start_s: float, part: dict[str, float], zero_s: float
) -> None:
    flash_s = start_s + FLASH * FRAME_S
    path = a_clip(
        tmp_path,
        flashes(30, at=[FLASH]),
        start_s=start_s,
        sound_start_s=sound_start_s,
        click_s=flash_s,
        seconds=2.5,
    )
    examination = examined(path, part=part)
    copy, target = copied(path, examination, tmp_path)
    times_s, _, sound, _ = read(target)
    assert copy.offset_s == pytest.approx(zero_s, abs=0.03)
    assert times_s[0] == 0.0
    np.testing.assert_allclose(times_s[1:] + copy.offset_s, examination.frame_times_s[1:], atol=1e-6)
    assert flash_of(target) + copy.offset_s == pytest.approx(flash_s, abs=1e-4)
    assert click_of(sound) + copy.offset_s == pytest.approx(flash_s, abs=0.002)


def test_the_first_picture_stands_while_only_sound_is_there(tmp_path: Path) -> None:
    path = a_clip(tmp_path, numbered(10, width=320, height=240), start_s=1.0, seconds=2.0)
    examination = examined(path)
    _, target = copied(path, examination, tmp_path, crf=10)
    times_s, pictures, _, _ = read(target)
    _, originals, _, _ = read(path)
    assert len(times_s) == 10
    assert times_s[0] == 0.0
    assert times_s[1] > 1.0
    assert np.abs(pictures[0].astype(int) - originals[0]).mean() < 6


def test_silence_fills_what_the_sound_lacks() -> None:
    moved = sound_from_zero(Sound(np.ones(8, np.float32), 16_000, 2.0), 1.999)
    assert (moved.start_s, moved.rate_hz) == (0.0, 16_000)
    np.testing.assert_array_equal(moved.samples, [0] * 16 + [1] * 8)
    same = Sound(np.ones(8, np.float32), 16_000, 2.0)
    assert sound_from_zero(same, 2.0).samples.base is not None


def test_frames_are_moved_and_keep_their_numbers() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    moved = list(from_zero([Frame(5, 3.0, image), Frame(6, 3.5, image)], 2.75))
    assert [(frame.index, frame.time_s) for frame in moved] == [(5, 0.0), (6, 0.75)]


@pytest.mark.parametrize(
    ("options", "size"), [({"max_height": 120}, (120, 160)), ({}, (240, 320)), ({"max_height": 1}, (16, 20))]
)
def test_high_pictures_are_shrunk(tmp_path: Path, options: dict[str, int], size: tuple[int, int]) -> None:
    path = a_clip(tmp_path, grey(3))
    _, target = copied(path, examined(path), tmp_path, **options)
    _, pictures, _, _ = read(target)
    assert pictures[0].shape[:2] == size


def test_a_copy_is_small_and_of_common_codecs(tmp_path: Path) -> None:
    path = a_clip(tmp_path, numbered(25, width=320, height=240))
    examination = examined(path)
    large, _ = copied(path, examination, tmp_path, crf=10)
    small, target = copied(path, examination, tmp_path)
    _, _, _, clip = read(target)
    assert len(small.data) < len(large.data) / 2
    assert (clip.video.codec, clip.audio.codec) == ("h264", "aac")
    assert repr(small) == f"ViewingCopy({len(small.data):,} bytes, zero at 0.000 s)"


def test_the_copy_depends_on_neither_threads_nor_the_time_of_day(tmp_path: Path) -> None:
    path = a_clip(tmp_path, numbered(12, width=320, height=240))
    examination = examined(path)
    assert len({viewing_copy(path, examination, threads=threads).data for threads in (1, 2, 2, 3)}) == 1


def test_another_file_is_refused(tmp_path: Path) -> None:
    path, other = a_clip(tmp_path, grey(5)), a_clip(tmp_path, grey(6), name="other.mp4")
    with pytest.raises(UnreadableMedia, match=r"other\.mp4' is not the file that was examined: name that one"):
        viewing_copy(other, examined(path))


def test_a_rate_factor_out_of_range_is_refused(tmp_path: Path) -> None:
    path = a_clip(tmp_path, grey(5))
    with pytest.raises(SettingsError, match="crf is 99"):
        viewing_copy(path, examined(path), crf=99)


def test_progress_rises_to_one(tmp_path: Path) -> None:
    path, told = a_clip(tmp_path, grey(45)), list[float]()
    viewing_copy(path, examined(path), progress=told.append)
    assert told == sorted(told)
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert len(told) == 6


@pytest.mark.parametrize("threads", [1, 2])
def test_the_file_is_closed_when_the_consumer_gives_up(
    tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_clip(tmp_path, grey(30))
    examination, closed = examined(path), list[str]()
    close: Callable[[ClipReader], None] = ClipReader.close

    def noted(reader: ClipReader) -> None:
        closed.append(reader.path)
        close(reader)

    def give_up() -> None:
        with examined_frames(path, examination, threads=threads) as frames:
            next(frames)
            raise ZeroDivisionError

    monkeypatch.setattr(ClipReader, "close", noted)
    with pytest.raises(ZeroDivisionError):
        give_up()
    assert closed == [str(path)]
