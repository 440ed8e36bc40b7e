from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lipaccord.records import Frame
from lipaccord.source.alignment import Alignment
from lipaccord.source.confirming import Beside, log10_false, weighed
from lipaccord.source.finding import MOST_EXPECTED, Candidate
from lipaccord.source.locating import Section, sections
from lipaccord.source.pairing import SourceFrames
from lipaccord.source.pinning import pinned
from made_exhibits import RATE_HZ, Knowing, aligned, filmed, frames, otherwise, write

COUNT = 100
FRAME_S = 1 / RATE_HZ
ONCE_MORE, LEFT_OUT = 24, 64
"""Frames of the retimed copy: the first is shown again, before the second one is left out."""


def shown(at: int) -> int:
    """Return which frame of the source a frame of the retimed copy shows."""
    return at - (at > ONCE_MORE) + (at >= LEFT_OUT)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    retimed = [Frame(at, at * FRAME_S, filmed(shown(at), otherwise)) for at in range(COUNT)]
    return {
        "source": write(folder / "source.mp4", frames(COUNT + 5)),
        "altered": write(folder / "altered.mp4", frames(COUNT, otherwise), crf=28),
        "retimed": write(folder / "retimed.mp4", retimed),
        "later": write(folder / "later.mp4", frames(COUNT, first=211)),
    }


def of(films: dict[str, Path], clip: str, alignment: Alignment | None = None) -> list[Section]:
    alignment = aligned(0.0, COUNT / RATE_HZ) if alignment is None else alignment
    found = sections(films[clip], films["source"], alignment, Knowing())
    return [section for section in found if section is not None]


def test_the_expected_moment_is_the_most_alike(films: dict[str, Path]) -> None:
    found = of(films, "altered")
    assert sum(len(section.times_s) for section in found) == COUNT
    for section in found:
        assert section.unlike.shape == (len(section.times_s), len(section.source_s))
        nearest = section.source_s[np.nanargmin(section.unlike, axis=1)]
        off = np.abs(nearest - section.times_s)  # where the head turns round, two frames are nearly alike
        assert (off < 1e-6).mean() > 0.9
        assert section.correlation > 0.97


def test_frames_are_compared_close_by_all_and_farther_off_some(films: dict[str, Path]) -> None:
    section = of(films, "altered")[1]
    apart = np.abs(section.source_s[None] - section.expected_s[:, None])
    known = np.isfinite(section.unlike)
    assert known[apart <= 0.25].all()
    assert 0.2 < known[(apart > 0.26) & (apart < 0.8)].mean() < 0.5
    assert not known[apart > 0.81].any()


def test_a_source_that_shows_nothing_then_gives_nothing(films: dict[str, Path]) -> None:
    assert of(films, "altered", aligned(60.0, COUNT / RATE_HZ)) == []


def test_a_frame_shown_again_and_one_left_out_are_listed(films: dict[str, Path]) -> None:
    alignment = aligned(0.0, COUNT / RATE_HZ)
    found = pinned(of(films, "retimed", alignment), alignment)
    assert [(edit.kind, edit.frames) for edit in found.edits] == [("duplicate", 1), ("drop", 1)]
    assert found.edits[0].start_s == pytest.approx(ONCE_MORE * FRAME_S, abs=2.1 * FRAME_S)
    assert found.edits[1].start_s == pytest.approx((LEFT_OUT - 1) * FRAME_S, abs=2.1 * FRAME_S)
    times = np.array([at * FRAME_S for at in range(COUNT)])
    truth = np.array([shown(at) for at in range(COUNT)]) * FRAME_S
    off = np.abs(found.source_s(times) - truth)
    assert np.nanmax(off) <= 1.01 * FRAME_S
    assert np.isfinite(off).mean() > 0.95


def test_an_alignment_that_is_off_by_a_frame_is_put_right_and_the_lag_with_it(films: dict[str, Path]) -> None:
    alignment = aligned(FRAME_S, COUNT / RATE_HZ)
    found = pinned(of(films, "altered", alignment), alignment)
    assert found.source_s(np.array([1.0]))[0] == pytest.approx(1.0, abs=0.01)
    assert found.sound.lag_s == pytest.approx(alignment.sound.lag_s - FRAME_S, abs=0.01)
    assert found.edits == ()


def test_without_sections_an_alignment_stays_as_it_is() -> None:
    assert pinned([], aligned()) == aligned()


def candidate(path: Path, state: str = "there", expected: float = 2.0) -> Candidate:
    alignment = aligned(0.0, COUNT / RATE_HZ)
    return Candidate("face-1", "face-1", "a" * 64, ((str(path), state),), alignment, 0.3, expected, False)


def test_the_pictures_of_the_source_bear_a_weak_candidate_out(films: dict[str, Path]) -> None:
    one = candidate(films["source"])
    pictures = Beside(films["altered"], Knowing())(one)
    assert pictures is not None
    assert pictures.hits > 0.9
    assert pictures.contrast > 0.5
    seen = one.with_pictures(pictures, 5)
    assert seen.expected_false == pytest.approx(2.0 * 10**pictures.log10_false)
    assert seen.is_match
    assert seen.to_values()["pictures"]["frames"] == pictures.frames > 40


def test_another_moment_of_the_same_head_does_not(films: dict[str, Path]) -> None:
    one = candidate(films["source"])
    pictures = Beside(films["later"], Knowing())(one)
    if pictures is not None:
        assert not one.with_pictures(pictures, 5).is_match


def test_pictures_count_for_a_match_or_against_it_and_no_more_than_are_looked_at(films: dict[str, Path]) -> None:
    pictures = weighed(of(films, "altered"))
    assert pictures is not None
    many = candidate(films["source"], expected=1e6).with_pictures(pictures, 5)
    assert many.expected_false == pytest.approx(5 * 10**pictures.log10_false)
    assert log10_false(3.0) > log10_false(4.0)
    assert 10 ** log10_false(1.0) == pytest.approx(0.1 * math.exp(-4.0))
    assert 10 ** log10_false(-2.0) == pytest.approx(math.exp(2.0))
    assert 5 * 10 ** log10_false(3.0) < MOST_EXPECTED


@pytest.mark.parametrize("state", ["gone", "changed", "not_looked_at"])
def test_where_the_file_is_not_there_nothing_is_compared(state: str, films: dict[str, Path]) -> None:
    assert Beside(films["altered"], Knowing())(candidate(films["source"], state)) is None


def test_frames_between_two_times_are_given_again_after_going_back(films: dict[str, Path]) -> None:
    with SourceFrames(films["source"], is_mirrored=False) as reader:
        for low_s, high_s in ((-0.5, 0.4), (0.2, 1.0), (0.0, 0.5), (1.5, 9.0), (20.0, 21.0), (0.3, 0.5)):
            times = [frame.time_s for frame in reader.between(low_s, high_s)]
            every = np.arange(COUNT + 5) * FRAME_S
            np.testing.assert_allclose(times, every[(every >= low_s - 1e-9) & (every <= high_s + 1e-9)], atol=1e-6)
