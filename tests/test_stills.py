"""Single pictures of a clip: those of the full decode, pixel by pixel, for little decoding."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from clips import numbered, tone, write_clip
from lipaccord import _sparse
from lipaccord._container import Block, Damage, MediaFile, decode_from, hash_file
from lipaccord._picture import Painter
from lipaccord.errors import SettingsError, UnreadableMedia
from lipaccord.media import open_clip
from lipaccord.records import Frame
from lipaccord.stills import stills

N, GOP = 100, 10
OPEN_GROUPS = {"x264-params": f"keyint={GOP}:min-keyint={GOP}:open-gop=1:bframes=3:b-pyramid=normal:ref=4:scenecut=0"}
INTRA_REFRESH = {"x264-params": f"keyint={GOP}:intra-refresh=1:bframes=0"}
CODECS = {
    "groups": ("mp4", "libx264", {"g": str(GOP), "bf": "2"}),
    "open groups": ("mp4", "libx264", OPEN_GROUPS),
    "interlaced": ("mkv", "libx264", {"x264-params": f"keyint={GOP}:tff=1:bframes=2"}),
    "one group": ("mkv", "libx264", {"g": "1000"}),
    "mpeg2": ("ts", "mpeg2video", {"g": str(GOP), "bf": "2"}),
    "vp8": ("webm", "libvpx", {"g": str(GOP), "auto-alt-ref": "1", "lag-in-frames": "8"}),
    "av1": ("mkv", "libsvtav1", {"g": str(GOP), "preset": "12"}),
    "key frames only": ("nut", "ffv1", {}),
    "no presentation times": ("avi", "libx264", {"g": str(GOP)}),
}
ASKED = (0, 1, 5, 37, 38, 39, 68, 99)


def made(folder: Path, suffix: str = "mp4", codec: str = "libx264", **changes: object) -> Path:
    """Write a clip of `N` pictures that all differ, and a hum."""
    path = folder / f"clip.{suffix}"
    sound = {"webm": "libopus", "avi": "pcm_s16le", "nut": "pcm_s16le"}.get(suffix, "aac")
    arguments: dict[str, object] = {"frames": numbered(N, width=96, height=64), "options": {"g": str(GOP)}, **changes}
    write_clip(path, sound=tone(N / 25, 48_000), video_codec=codec, audio_codec=sound, **arguments)  # type: ignore[arg-type]
    return path


def decoded(path: Path, start_s: float | None = None, threads: int = 2) -> tuple[list[Frame], str]:
    """Return all pictures of a clip and its SHA-256."""
    with open_clip(path, start_s=start_s, threads=threads) as reader:
        return list(reader.frames()), reader.sha256


def assert_same(read: list[Frame], frames: list[Frame]) -> None:
    assert [frame.time_s for frame in read] == [frame.time_s for frame in frames]
    assert [frame.index for frame in read] == list(range(len(frames)))
    for one, other in zip(read, frames, strict=True):
        assert np.array_equal(one.image, other.image)


@pytest.fixture
def never_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a straight decode fail the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("the clip was decoded straight through")

    monkeypatch.setattr(_sparse, "decode_from", refuse)


@pytest.fixture
def straight(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note where each straight decode begins."""
    starts: list[object] = []

    def noting(file: MediaFile, index: int, start_s: float | None, threads: int, damage: Damage) -> Iterator[Block]:
        starts.append(start_s)
        return decode_from(file, index, start_s, threads, damage)

    monkeypatch.setattr(_sparse, "decode_from", noting)
    return starts


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what each packet that is sent to the decoder is to be decoded for."""
    levels: list[str] = []
    original = _sparse._timed

    def noting(stream: object, packet: object) -> Iterator[Block]:
        if packet is not None:
            levels.append(stream.codec_context.skip_frame)  # type: ignore[attr-defined]
        return original(stream, packet)  # type: ignore[arg-type]

    monkeypatch.setattr(_sparse, "_timed", noting)
    return levels


# The same pictures


@pytest.mark.parametrize("kind", [kind for kind in CODECS if kind != "no presentation times"])
@pytest.mark.usefixtures("never_straight")
def test_stills_are_the_pictures_of_the_full_decode(tmp_path: Path, kind: str) -> None:
    suffix, codec, options = CODECS[kind]
    path = made(tmp_path, suffix, codec, options=options)
    frames, sha256 = decoded(path)
    wanted = [frames[place] for place in ASKED]
    assert_same(list(stills(path, [frame.time_s for frame in wanted], sha256=sha256)), wanted)
    for place in range(40, 40 + GOP):
        assert_same(list(stills(path, [frames[place].time_s], sha256=sha256)), [frames[place]])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.usefixtures("never_straight")
def test_threads_change_nothing(tmp_path: Path, threads: int) -> None:
    path = made(tmp_path, options=OPEN_GROUPS)
    frames, sha256 = decoded(path)
    wanted = [frames[place] for place in ASKED]
    assert_same(list(stills(path, [f.time_s for f in wanted], sha256=sha256, threads=threads)), wanted)


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.usefixtures("never_straight")
def test_stills_are_turned_for_display(tmp_path: Path, turn: int, mirrored: bool) -> None:
    path = made(tmp_path, rotation=turn, mirrored=mirrored)
    frames, sha256 = decoded(path)
    assert_same(list(stills(path, [frames[42].time_s, frames[43].time_s], sha256=sha256)), frames[42:44])


@pytest.mark.usefixtures("never_straight")
def test_a_variable_rate_is_no_matter(tmp_path: Path) -> None:
    gaps = np.random.default_rng(0).integers(10, 200, N)
    path = made(tmp_path, "mkv", times_s=(np.cumsum(gaps) / 1000).tolist())
    frames, sha256 = decoded(path)
    wanted = [frames[place] for place in ASKED]
    assert_same(list(stills(path, [frame.time_s for frame in wanted], sha256=sha256)), wanted)


@pytest.mark.parametrize("start_s", [-0.52, 7.25])  # the former hides one key frame and three pictures behind it
@pytest.mark.usefixtures("never_straight")
def test_a_clip_may_start_anywhere_on_its_clock(tmp_path: Path, start_s: float) -> None:
    path = made(tmp_path, "mkv" if start_s > 0 else "mp4", start_s=start_s, sound_start_s=max(start_s, 0.0))
    frames, sha256 = decoded(path)
    wanted = [frames[place] for place in (0, 45, len(frames) - 1)]
    assert_same(list(stills(path, [frame.time_s for frame in wanted], sha256=sha256)), wanted)


@pytest.mark.parametrize(("kind", "starts"), [("open groups", []), ("no presentation times", [1.7])])
def test_of_a_part_of_a_clip_too(tmp_path: Path, straight: list[object], kind: str, starts: list[object]) -> None:
    suffix, codec, options = CODECS[kind]
    path = made(tmp_path, suffix, codec, options=options)
    frames, sha256 = decoded(path, start_s=1.7)
    wanted = [frames[0], frames[20], frames[-1]]
    read = stills(path, [frame.time_s for frame in wanted], sha256=sha256, start_s=1.7)
    assert_same(list(read), wanted)
    assert straight == starts


def test_times_may_be_rounded_unsorted_and_doubled(tmp_path: Path) -> None:
    path = made(tmp_path, "mkv", times_s=[0.033 * k + 0.001 for k in range(N)])
    frames, sha256 = decoded(path)
    asked = [round(frames[place].time_s, 6) + 4e-7 for place in (60, 7, 60)]
    assert_same(list(stills(path, asked, sha256=sha256)), [frames[7], frames[60]])


# For little decoding


def test_far_groups_are_left_out(tmp_path: Path, sent: list[str]) -> None:
    path = made(tmp_path)
    frames, sha256 = decoded(path)
    list(stills(path, [frames[4].time_s, frames[55].time_s, frames[93].time_s], sha256=sha256))
    # each from the second key frame before it, and two packets more for a second field
    assert len(sent) <= 3 * (2 * GOP + 2)


def test_on_the_way_pictures_that_no_other_needs_are_left_out(tmp_path: Path, sent: list[str]) -> None:
    path = made(tmp_path, options={"g": "1000", "bf": "2"})
    frames, sha256 = decoded(path)
    list(stills(path, [frames[-1].time_s, frames[3].time_s], sha256=sha256))
    assert sent.count("DEFAULT") <= 4
    assert sent.count("NONREF") >= 90


def test_the_packet_behind_a_picture_is_decoded_too(tmp_path: Path) -> None:
    # the second field of an interlaced picture may lie in it; no encoder at hand stores them so
    path = made(tmp_path)
    frames, _ = decoded(path)
    plan = _sparse._planned(hash_file(str(path)), 0, [frames[0].time_s, frames[60].time_s])
    assert plan is not None
    place = plan.ticks.index(round(frames[60].time_s * 12_800))
    assert plan.whole == {0, 1, place, place + 1}
    assert plan.stretches == [range(2), range(place // GOP * GOP - GOP, place + 2)]
    near = _sparse._planned(hash_file(str(path)), 0, [frames[59].time_s, frames[60].time_s])
    assert near is not None
    assert near.stretches[-1].stop == place + 2


@pytest.mark.parametrize("kind", ["groups", "no presentation times"])
def test_only_what_is_asked_for_is_converted(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    suffix, codec, options = CODECS[kind]
    path = made(tmp_path, suffix, codec, options=options)
    frames, sha256 = decoded(path)
    painted: list[float] = []
    original = Painter.paint

    def noting(self: Painter, frame: object) -> object:
        painted.append(0.0)
        return original(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(Painter, "paint", noting)
    list(stills(path, [frame.time_s for frame in frames[30:33]], sha256=sha256))
    assert len(painted) == 3


def test_nothing_is_decoded_before_it_is_wanted(tmp_path: Path, sent: list[str]) -> None:
    path = made(tmp_path)
    frames, sha256 = decoded(path)
    reading = stills(path, [frames[2].time_s, frames[-1].time_s], sha256=sha256)
    next(reading)
    assert len(sent) <= 2 * GOP
    reading.close()  # type: ignore[attr-defined]


def test_no_times_need_no_decode(tmp_path: Path, sent: list[str]) -> None:
    path = made(tmp_path)
    assert list(stills(path, [], sha256=decoded(path)[1])) == []
    assert sent == []


# Where the short way is not sure


def test_without_presentation_times_it_is_decoded_straight(tmp_path: Path, sent: list[str]) -> None:
    path = made(tmp_path, *CODECS["no presentation times"][:2])
    frames, sha256 = decoded(path)
    wanted = [frames[place] for place in ASKED]
    assert_same(list(stills(path, [frame.time_s for frame in wanted], sha256=sha256)), wanted)
    assert sent == []


def test_a_start_that_is_too_late_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path, options=OPEN_GROUPS)
    frames, sha256 = decoded(path)
    monkeypatch.setattr(_sparse, "LEAD", 1)
    for first in range(30, 30 + GOP):
        wanted = frames[first : first + 60 : 25]
        assert_same(list(stills(path, [frame.time_s for frame in wanted], sha256=sha256)), wanted)


def test_a_key_frame_that_the_decoder_holds_back_is_not_trusted(tmp_path: Path, straight: list[object]) -> None:
    path = made(tmp_path, "ts", options=INTRA_REFRESH)
    frames, sha256 = decoded(path)
    for place in range(40, 40 + GOP):
        assert_same(list(stills(path, [frames[place].time_s], sha256=sha256)), [frames[place]])
    assert len(straight) == GOP


def test_a_key_frame_that_leans_on_others_is_not_trusted(
    tmp_path: Path, straight: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path)
    frames, sha256 = decoded(path)
    monkeypatch.setattr(_sparse, "_is_intra", lambda frame: False)
    assert_same(list(stills(path, [frames[55].time_s], sha256=sha256)), [frames[55]])
    assert len(straight) == 1


def test_a_picture_that_the_short_way_misses_is_read_the_long_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path, "mkv", "ffv1", options={})
    frames, sha256 = decoded(path)
    # a plan without the second picture, as if the packets' times had lied
    ticks = [round(1000 * frame.time_s) for frame in frames]
    monkeypatch.setattr(_sparse, "_planned", lambda *_: _sparse._Plan([range(3, 5), range(70, 72)], set(), ticks))
    wanted = [frames[3], frames[50], frames[71]]
    assert_same(list(stills(path, [frame.time_s for frame in wanted], sha256=sha256)), wanted)


def test_a_picture_that_cannot_be_converted_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path)
    frames, sha256 = decoded(path)

    def refuse(self: Painter, frame: object) -> None:
        raise av.FFmpegError(1, "made for the test")

    monkeypatch.setattr(Painter, "paint", refuse)
    with pytest.raises(UnreadableMedia, match="no picture at one of the times"):
        list(stills(path, [frames[3].time_s], sha256=sha256))


def test_damage_is_read_past_as_in_the_examination(tmp_path: Path) -> None:
    path = made(tmp_path, "nut", "ffv1", options={"slicecrc": "1"})
    data = bytearray(path.read_bytes())
    for place in (len(data) // 3, len(data) // 2):
        data[place : place + 1500] = b"\x5a" * 1500
    path.write_bytes(bytes(data))
    frames, sha256 = decoded(path, threads=1)
    assert 50 < len(frames) < N
    read = stills(path, [frame.time_s for frame in frames], sha256=sha256, threads=1)
    assert_same(list(read), frames)


# What is refused


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    other = hashlib.sha256(b"").hexdigest()
    with pytest.raises(UnreadableMedia, match="is not the file that was examined"):
        next(stills(path, [0.0], sha256=other))


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    frames, sha256 = decoded(path)
    reading = stills(path, [frames[0].time_s, frames[50].time_s], sha256=sha256)
    next(reading)
    os.utime(path, ns=(1, 1))
    with pytest.raises(UnreadableMedia, match="changed while it was examined"):
        list(reading)


@pytest.mark.parametrize("time_s", [-1.0, 0.02, 1e6])
def test_a_time_without_a_picture_is_refused(tmp_path: Path, time_s: float) -> None:
    path = made(tmp_path)
    frames, sha256 = decoded(path)
    with pytest.raises(UnreadableMedia, match=f"no picture at one of the times asked for, from {time_s:.6f} s on"):
        list(stills(path, [frames[10].time_s, time_s] if time_s > 1 else [time_s], sha256=sha256))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match="does not exist"):
        next(stills(tmp_path / "none.mp4", [0.0], sha256="0" * 64))


def test_there_must_be_a_thread(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 1 is needed"):
        next(stills(tmp_path / "none.mp4", [0.0], sha256="0" * 64, threads=0))
