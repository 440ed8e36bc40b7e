from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lipaccord.errors import ArchiveError
from lipaccord.records import TimeArray
from lipaccord.source import aligning
from lipaccord.source.aligning import align
from lipaccord.source.alignment import Alignment
from lipaccord.source.signature import Signature
from lipaccord.source.weighing import log10_false
from made_signatures import signature, times

FRAME_S = 0.04
ACCEPTED = -4.0


@pytest.fixture(scope="module")
def source() -> Signature:
    return signature(1, times(20.0))


def _within_a_frame(laid: Alignment, clip: Signature, places_s: TimeArray) -> float:
    off = np.abs(laid.source_s(clip.times_s) - places_s)
    return float((off <= FRAME_S + 1e-6).mean())


def _aligned(clip: Signature, source: Signature, hint_s: float | None = None) -> Alignment:
    laid = align(clip, source, hint_s)
    assert laid is not None
    return laid


@pytest.mark.parametrize(
    ("clock", "places"),
    [
        (times(4.0), times(4.0) + 7.0),
        (times(1.2), times(1.2) + 3.0),
        (times(4.0, 30.0, 5.0), times(4.0, 30.0) + 2.0),
        (times(4.0, 60.0), times(4.0, 60.0) + 2.0),
        (times(6.0), times(6.0) * 0.9 + 4.0),
        (times(6.0), times(6.0) * 1.1 + 4.0),
    ],
    ids=["trimmed", "short", "30 a second", "60 a second", "slower", "faster"],
)
def test_a_copy_is_laid_on_its_source(source: Signature, clock: TimeArray, places: TimeArray) -> None:
    clip = signature(1, clock, places, tremble=1)
    laid = _aligned(clip, source)
    assert _within_a_frame(laid, clip, places) > 0.95
    assert laid.log10_false < (ACCEPTED if clip.duration_s > 2 else 0.0)
    assert laid.covered > 0.95
    assert not laid.mirrored
    assert min(laid.agreement.values()) > 0.5
    speed = (places[-1] - places[0]) / (clock[-1] - clock[0])
    assert [edit.kind for edit in laid.edits] == ([] if speed == pytest.approx(1) else ["speed"])


def test_a_mirrored_copy_is_found_and_said_to_be_one(source: Signature) -> None:
    places = times(4.0) + 7.0
    clip = signature(1, times(4.0), places, mirror=True)
    laid = _aligned(clip, source)
    assert laid.mirrored
    assert _within_a_frame(laid, clip, places) > 0.95
    assert laid.log10_false < ACCEPTED


def test_edits_are_listed(source: Signature) -> None:
    frames = np.array([*range(50, 100), 99, 99, 99, 99, *range(100, 150), *range(156, 200)])
    clip = signature(1, times(len(frames) * FRAME_S), frames * FRAME_S, tremble=1)
    laid = _aligned(clip, source)
    assert _within_a_frame(laid, clip, frames * FRAME_S) > 0.95
    assert [(edit.kind, edit.frames) for edit in laid.edits] == [("duplicate", 4), ("drop", 6)]
    assert laid.edits[0].start_s == pytest.approx(2.0, abs=0.2)


def test_a_reordered_stretch_is_listed(source: Signature) -> None:
    frames = np.array([*range(50, 120), *range(250, 320), *range(150, 220)])
    clip = signature(1, times(len(frames) * FRAME_S), frames * FRAME_S, tremble=1)
    laid = _aligned(clip, source)
    assert [edit.kind for edit in laid.edits] == ["jump", "jump"]
    assert _within_a_frame(laid, clip, frames * FRAME_S) > 0.95


def test_strangers_are_not_taken_for_copies(source: Signature) -> None:
    for seed in range(2, 12):
        laid = align(signature(seed, times(4.0)), source)
        assert laid is None or laid.log10_false > ACCEPTED


def test_a_hint_tells_where_to_look(source: Signature) -> None:
    places = times(3.0) + 12.0
    clip = signature(1, times(3.0), places)
    assert _within_a_frame(_aligned(clip, source, 11.5), clip, places) > 0.95
    wrong = align(clip, source, 1.0)
    assert wrong is None or wrong.log10_false > ACCEPTED
    assert align(clip, source, 500.0) is None


def test_in_a_long_source_the_windows_tell_where_to_look(source: Signature, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligning, "MAX_CELLS", 1000)
    places = times(3.0) + 12.0
    clip = signature(1, times(3.0), places)
    assert _within_a_frame(_aligned(clip, source), clip, places) > 0.95


def test_the_sound_is_told_apart_from_the_picture(source: Signature) -> None:
    places = times(4.0) + 7.0
    same = _aligned(signature(1, times(4.0), places), source).sound
    assert same.same is True
    assert same.lag_s == 0.0
    late = _aligned(signature(1, times(4.0), places, late_s=0.2), source).sound
    assert late.same is True
    assert late.lag_s == pytest.approx(0.2)
    other = _aligned(signature(1, times(4.0), places, sound=99), source).sound
    assert other.same is False
    assert other.agreement < 0.6


def test_where_little_is_heard_nothing_is_said_of_the_sound(source: Signature) -> None:
    clip = signature(1, times(4.0), times(4.0) + 7.0)
    silent = dataclasses.replace(clip, heard=np.zeros_like(clip.heard))
    assert _aligned(silent, source).sound.same is None
    without = dataclasses.replace(clip, sound=clip.sound[:0], heard=clip.heard[:0])
    assert _aligned(without, source).sound.same is None


def test_looks_are_compared_at_the_same_moments(source: Signature) -> None:
    clip = signature(1, times(4.0), times(4.0) + 7.0)
    assert _aligned(clip, source).looks == {"near": 0.0, "wide": 0.0}
    none = dataclasses.replace(clip, looks_s=clip.looks_s[:0], looks=clip.looks[:0])
    assert _aligned(none, source).looks == {}


def test_a_still_picture_is_laid_on_nothing(source: Signature) -> None:
    clip = signature(1, times(4.0), times(4.0) + 7.0)
    assert align(dataclasses.replace(clip, still=True), source) is None
    assert align(clip, dataclasses.replace(source, still=True)) is None


def test_too_few_frames_are_laid_on_nothing(source: Signature) -> None:
    assert align(signature(1, times(0.4)), source) is None
    unseen = signature(1, times(3.0))
    assert align(dataclasses.replace(unseen, life=np.full_like(unseen.life, np.nan)), source) is None


def test_signatures_of_different_landmarks_are_not_compared(source: Signature) -> None:
    with pytest.raises(ArchiveError, match="sign both alike"):
        align(dataclasses.replace(source, landmarks="ibug"), source)


def test_more_strength_is_rarer() -> None:
    assert log10_false(60.0) < log10_false(40.0) < 0 < log10_false(0.0)
