from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from filmed_face import (
    Edit,
    Skipping,
    Whole,
    as_is,
    dimmed,
    film,
    halved,
    lower,
    rows_of,
    softened,
    tracks_of,
    untouched,
    with_noise,
)
from lipaccord.cues.noise import LIMIT, MIN_FRAMES, NoiseCue, NoiseProbe
from lipaccord.landmarks.layouts import LAYOUTS
from lipaccord.pixels import read_pair
from lipaccord.records import Evidence, FloatArray

RENEWED = lower(lambda shot: with_noise(shot.filmed, 2.5 * shot.noise))
EDITS: dict[str, Edit] = {
    "untouched": untouched,
    "renewed": RENEWED,
    "all renewed": lambda shot: with_noise(shot.filmed, 2.5 * shot.noise),
    "clean": lower(lambda shot: shot.clean),
}
WHOLE: dict[str, Whole] = {"as is": as_is, "blurred": softened(1.0), "dimmed": dimmed, "halved": halved}


@functools.cache
def _evidence(edit: str, whole: str = "as is") -> Evidence:
    encoded = Skipping()
    views = film(EDITS[edit], lambda image: WHOLE[whole](encoded(image)), sway_px=0.0)
    return NoiseCue().measure(tracks_of("noise", NoiseProbe(), views))


def _score(edit: str, whole: str = "as is") -> float:
    score = _evidence(edit, whole).score
    assert score is not None
    return score


def test_a_face_that_the_encoder_carries_over_stays_in_the_authentic_range() -> None:
    assert _score("untouched") < LIMIT
    assert "carries about as much of its picture over" in _evidence("untouched").summary
    assert _evidence("untouched").segments == ()


def test_a_lower_face_made_anew_in_every_frame_leaves_it() -> None:
    evidence = _evidence("renewed")
    assert _score("renewed") > LIMIT
    assert all(evidence.details["parts"][part] > LIMIT for part in ("mouth.still", "chin.still"))
    assert "as if made anew each time" in evidence.summary
    assert evidence.segments


def test_only_less_carried_over_is_suspicious() -> None:
    assert _score("clean") < _score("untouched")


@pytest.mark.parametrize("whole", ["blurred", "dimmed", "halved"])
def test_what_is_done_to_the_whole_picture_leaves_the_range_alone(whole: str) -> None:
    assert _score("untouched", whole) < LIMIT


def test_a_face_made_anew_as_a_whole_stays_below_one_of_which_only_the_mouth_is() -> None:
    assert _score("all renewed") < _score("renewed") - 3


def test_the_noise_of_a_blurred_picture_is_not_read() -> None:
    parts = _evidence("untouched", "blurred").details["parts"]
    assert parts["mouth.kept"] is None
    assert parts["mouth.still"] is not None


def test_more_noise_in_the_lower_face_is_told() -> None:
    assert _evidence("renewed").details["noise"]["chin"] > _evidence("untouched").details["noise"]["chin"] + 0.1


def test_a_renewed_stretch_is_found_in_time() -> None:
    encoded = Skipping()
    views = film(lambda shot: EDITS["renewed" if shot.index >= 40 else "untouched"](shot), encoded, 80, sway_px=0.0)
    evidence = NoiseCue().measure(tracks_of("noise", NoiseProbe(), views))
    assert len(evidence.segments) == 1
    assert evidence.segments[0].interval.start_s == pytest.approx(1.6, abs=0.5)
    assert min(evidence.frames_s[:2]) > 1.4


def test_rows_rest_every_second_frame() -> None:
    measured = np.isfinite(rows_of(NoiseProbe(), film(frames=9)).values).all(axis=1)
    np.testing.assert_array_equal(measured, [False, True] * 4 + [False])


def test_few_frames_and_small_faces_are_not_judged() -> None:
    few = NoiseCue().measure(tracks_of("noise", NoiseProbe(), film(frames=2 * MIN_FRAMES - 2)))
    assert [reason.code for reason in few.abstained] == ["too_few_frames"]
    small = NoiseCue().measure(tracks_of("noise", NoiseProbe(), film(eyes_px=24.0)))
    assert [reason.code for reason in small.abstained] == ["too_small"]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_gives_evidence_that_is_json(name: str) -> None:
    evidence = NoiseCue().measure(tracks_of("noise", NoiseProbe(), film(frames=30, layout=LAYOUTS[name])))
    assert json.loads(json.dumps(evidence.details, allow_nan=False)) == evidence.details


def _everywhere(height: int, width: int) -> FloatArray:
    rows, columns = np.indices((height, width))
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)


def test_a_pair_is_read_at_the_same_pixels_of_the_picture_wherever_the_cuts_begin() -> None:
    one, *_, two = film(frames=4, sway_px=20.0, eyes_px=40.0)
    assert one.corner != two.corner
    pair = read_pair(one, two, _everywhere(*two.luma.shape))
    assert pair is not None
    left, top = np.array(two.corner) - one.corner
    place = 40 * two.luma.shape[1] + 50
    assert pair.inside[place]
    assert pair.luma[place] == two.luma[40, 50]
    assert pair.changes[place] == abs(int(two.luma[40, 50]) - int(one.luma[40 + top, 50 + left]))


def test_places_outside_of_either_picture_give_no_pair() -> None:
    one, two = film(frames=2)
    assert read_pair(one, two, np.full((5, 2), -100.0, np.float32)) is None
