from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clips import flat, tone, write_clip
from lipaccord._container import hash_file
from lipaccord._keyframes import key_pictures
from lipaccord.archive.turns import LONGEST_GAP_S, LONGEST_S, common, cut, merged, parts, sampled, shots
from lipaccord.errors import NoAudio
from lipaccord.media import open_clip
from lipaccord.records import FaceRegion, Interval

FIXTURES = Path(__file__).parent.parent / "fixtures"


END_S = 1.0 + LONGEST_GAP_S


def face(x: float = 100.0, size: float = 50.0) -> FaceRegion:
    return FaceRegion(x, 80.0, size, 0.0, 0.9)


def test_a_shot_lasts_as_long_as_the_face_stays() -> None:
    sights = [(0.0, None, False), (1.0, face(), True), (2.0, face(104), False), (3.0, None, True), (4.0, face(), True)]
    assert list(shots(sights)) == [Interval(1.0, 3.0), Interval(4.0, 4.0 + LONGEST_GAP_S)]


@pytest.mark.parametrize("other", [face(200), face(100, 90)])
def test_another_face_begins_another_shot(other: FaceRegion) -> None:
    assert list(shots([(0.0, face(), False), (1.0, other, False)])) == [
        Interval(0.0, 1.0),
        Interval(1.0, 1.0 + LONGEST_GAP_S),
    ]


def test_a_cut_begins_another_shot_of_the_same_face() -> None:
    assert list(shots([(0.0, face(), False), (1.0, face(), True)])) == [
        Interval(0.0, 1.0),
        Interval(1.0, 1.0 + LONGEST_GAP_S),
    ]


def test_a_gap_between_key_frames_ends_a_shot() -> None:
    late_s = LONGEST_GAP_S + 5
    found = list(shots([(0.0, face(), False), (late_s, face(), False)]))
    assert found == [Interval(0.0, LONGEST_GAP_S), Interval(late_s, late_s + LONGEST_GAP_S)]


def test_pauses_are_bridged() -> None:
    spoken = [Interval(0, 2), Interval(3, 5), Interval(9, 10), Interval(9.5, 9.7)]
    assert merged(spoken, 1.0) == [Interval(0, 5), Interval(9, 10)]


def test_what_two_rows_of_stretches_have_in_common() -> None:
    some = [Interval(0, 4), Interval(6, 10)]
    others = [Interval(1, 2), Interval(3, 7), Interval(9, 12)]
    assert list(common(some, others)) == [Interval(1, 2), Interval(3, 4), Interval(6, 7), Interval(9, 10)]
    assert list(common(some, [])) == []


def test_a_long_stretch_is_cut_into_equal_parts() -> None:
    cuts = list(parts(Interval(10.0, 10.0 + 2.5 * LONGEST_S)))
    assert len(cuts) == 3
    assert np.allclose([one.duration_s for one in cuts], 2.5 * LONGEST_S / 3)
    assert (cuts[0].start_s, cuts[-1].end_s) == (10.0, 10.0 + 2.5 * LONGEST_S)


def test_a_sample_is_spread_and_as_long_as_asked() -> None:
    stretches = [Interval(10.0 * place, 10.0 * place + 8) for place in range(20)]
    assert sampled(stretches, None) == stretches
    kept = sampled(stretches, 30.0)
    assert sum(one.duration_s for one in kept) == pytest.approx(30.0)
    assert kept[0].start_s < 40
    assert kept[-1].start_s > 140
    assert all(any(one.start_s == whole.start_s for whole in stretches) for one in kept)
    assert sampled([Interval(0, 60)], 10.0) == [Interval(0, 10)]


def test_a_real_clip_is_one_turn(tmp_path: Path) -> None:
    made = cut(hash_file(str(FIXTURES / "obama_speech.mp4")), "mediapipe")
    assert [turn.number for turn in made.turns] == [1]
    assert made.turns[0].start_s == pytest.approx(0.0, abs=1.0)
    assert made.turns[0].end_s == pytest.approx(8.7, abs=1.5)
    assert made.seen_s == pytest.approx(8.7, abs=0.3)
    assert made.heard_s > 5


def test_without_a_face_or_without_speech_there_is_no_turn(tmp_path: Path) -> None:
    clip = tmp_path / "bare.mp4"
    write_clip(clip, frames=[flat(90)] * 50, rate=10, sound=tone(5.0, 16_000), sound_rate=16_000)
    made = cut(hash_file(str(clip)), "mediapipe")
    assert (made.turns, made.seen_s, made.heard_s) == ((), 0.0, 0.0)


def test_a_clip_without_sound_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "mute.mp4"
    write_clip(clip, frames=[flat(90)] * 50, rate=10)
    with pytest.raises(NoAudio):
        cut(hash_file(str(clip)), "mediapipe")


def test_key_pictures_are_pictures_of_the_clip_at_their_times() -> None:
    path = FIXTURES / "obama_speech.mp4"
    keys = list(key_pictures(hash_file(str(path)), 0.0))
    with open_clip(path) as reader:
        frames = {round(frame.time_s, 6): frame.image for frame in reader.frames()}
    assert 1 <= len(keys) < len(frames)
    for key in keys:
        assert np.array_equal(key.image, frames[round(key.time_s, 6)])
    spaced = [key.time_s for key in key_pictures(hash_file(str(path)), 2.0)]
    assert spaced[0] == keys[0].time_s
    assert np.all(np.diff(spaced) >= 2.0)
