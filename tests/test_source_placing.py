from __future__ import annotations

import numpy as np
import pytest

from lipaccord.source.placing import place
from lipaccord.source.tracing import NOWHERE, Path, costs, trace
from made_signatures import times

FRAME_S = 0.04


def _features(count: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return (6 * np.random.default_rng(seed).normal(size=(count, 14))).astype(np.float32)


def _traced(source: np.ndarray[tuple[int, int], np.dtype[np.float32]], path: Path) -> tuple[Path, float]:
    noise = np.random.default_rng(5).normal(size=(len(path), 14)).astype(np.float32)
    return trace(*costs(source[path] + noise, source), np.ones(len(path)))


@pytest.mark.parametrize(
    "path",
    [
        np.arange(30, 90),
        np.array([*range(10, 30), 29, *range(30, 50), *range(54, 80)]),
        np.array([*range(60, 90), *range(10, 50)]),
        np.floor(np.arange(20, 80) * 0.9).astype(int),
    ],
    ids=["trimmed", "shown twice and left out", "reordered", "slower"],
)
def test_the_way_through_the_source_is_found(path: Path) -> None:
    found, gain = _traced(_features(120), path)
    assert np.array_equal(found, path)
    assert gain > 0


def test_what_is_not_in_the_source_is_nowhere() -> None:
    source = _features(100)
    clip = np.concatenate([source[20:50], _features(30, 1), source[50:80]])
    found, _ = trace(*costs(clip, source), np.ones(len(clip)))
    assert found.tolist() == [*range(20, 50), *[NOWHERE] * 30, *range(50, 80)]
    assert (trace(*costs(_features(60, 1), source), np.ones(60))[0] == NOWHERE).all()


def test_unseen_frames_are_passed_over() -> None:
    source = _features(100)
    clip = source[20:80].copy()
    clip[20:25] = np.nan
    found, _ = trace(*costs(clip, source), np.ones(60))
    assert np.array_equal(found, np.arange(20, 80))


def _placed(path: list[int]) -> tuple[list[float], list[tuple[str, int]]]:
    clock, source = times(len(path) * FRAME_S), times(400 * FRAME_S)
    stretches, edits = place(np.array(path), clock, source, FRAME_S)
    return [round(stretch.speed, 2) for stretch in stretches], [(edit.kind, edit.frames) for edit in edits]


def test_a_copy_as_it_was_has_no_edits() -> None:
    assert _placed([*range(100, 200)]) == ([1.0], [])


def test_frames_shown_again_and_left_out_are_told() -> None:
    assert _placed([*range(50, 100), 99, 99, 99, *range(100, 150)]) == ([1.0, 1.0], [("duplicate", 3)])
    assert _placed([*range(50, 100), *range(104, 150)]) == ([1.0, 1.0], [("drop", 4)])


def test_another_speed_is_told_as_one() -> None:
    speeds, edits = _placed(np.rint(np.arange(150) * 1.1).astype(int).tolist())
    assert speeds == [1.1]
    assert edits == [("speed", 0)]


def test_a_reordered_stretch_is_told_as_jumps() -> None:
    speeds, edits = _placed([*range(40), *range(80, 120), *range(40, 80)])
    assert speeds == [1.0, 1.0, 1.0]
    assert [kind for kind, _ in edits] == ["jump", "jump"]
    assert [frames for _, frames in edits] == [40, -80]


def test_single_frames_here_and_there_are_no_stretch() -> None:
    path = [NOWHERE] * 60
    path[10:14], path[40] = range(4), 9
    assert _placed(path) == ([], [])
