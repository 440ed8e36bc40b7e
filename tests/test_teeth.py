from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest

from edited_face import WHOLE, Edit, blurred, inside_of, joined, looked_at, measured, plain, sharpened, softened
from lipaccord.cues.teeth import LIMIT, LOCAL_LIMIT, MIN_FRAMES, MIN_SHOWN, WEIGHTS, TeethCue, TeethProbe
from lipaccord.landmarks.layouts import LAYOUTS, MEDIAPIPE_478
from lipaccord.records import Evidence, FloatArray, Image, Tracks

EDITS: dict[str, Edit] = {
    "plain": plain,
    "teeth blurred": inside_of(softened, "inner_lips", 0.0),
    "teeth sharpened": inside_of(lambda image, _, eyes: sharpened(image, 0.02 * eyes), "inner_lips", 0.0),
    "teeth gone": inside_of(lambda image, _, eyes: blurred(image, 0.05 * eyes), "inner_lips", 0.0),
    "lips blurred too": inside_of(softened, "outer_lips", 0.1),
    **WHOLE,
}


@functools.cache
def _tracks(edit: str, seconds: float = 2.0, scale: float = 1.0, eyes_px: float = 90.0) -> Tracks:
    return measured("teeth", TeethProbe(), looked_at(EDITS[edit], eyes_px, scale=scale), seconds)


def _evidence(edit: str, scale: float = 1.0) -> Evidence:
    return TeethCue().measure(_tracks(edit, scale=scale))


def _signed(edit: str, scale: float = 1.0) -> float:
    return float(_evidence(edit, scale).details["signed"])


def test_weights_cancel_whole_frame_changes() -> None:
    np.testing.assert_allclose(np.sum(WEIGHTS, axis=0), 0, atol=1e-9)


def test_untouched_teeth_stay_in_the_authentic_range() -> None:
    evidence = _evidence("plain")
    assert evidence.score is not None
    assert evidence.score < LIMIT
    assert "as sharp as lips and eyes let expect" in evidence.summary
    assert evidence.segments == ()


def test_blurred_teeth_leave_it() -> None:
    evidence = _evidence("teeth blurred")
    assert evidence.score is not None
    assert evidence.score > LIMIT
    assert evidence.details["softer"] == evidence.score
    assert "softer than lips and eyes" in evidence.summary


def test_sharpened_teeth_move_the_other_way() -> None:
    assert _signed("teeth sharpened") > _signed("plain") + 1.5


def test_blurred_lips_alone_do_not_hide_blurred_teeth() -> None:
    assert _signed("lips blurred too") < -LIMIT


@pytest.mark.parametrize("edit", sorted(WHOLE))
def test_whole_frame_changes_hardly_move_it(edit: str) -> None:
    assert _signed(edit) == pytest.approx(_signed("plain"), abs=0.6)


@pytest.mark.parametrize("scale", [0.5, 2.0, 3.0])  # at the last the face is averaged down by 2
def test_size_hardly_moves_it(scale: float) -> None:
    assert _signed("plain", scale) == pytest.approx(_signed("plain"), abs=0.6)


def test_a_blurred_stretch_is_found_in_time() -> None:
    mixed = joined(_tracks("plain", 6.0), _tracks("teeth gone", 6.0), "teeth", 50, 100)
    evidence = TeethCue().measure(mixed)
    assert len(evidence.segments) == 1
    segment = evidence.segments[0]
    assert segment.interval.start_s == pytest.approx(2.0, abs=0.2)
    assert segment.interval.end_s == pytest.approx(4.0, abs=0.2)
    assert segment.score > LOCAL_LIMIT


def test_a_shut_mouth_is_not_measured() -> None:
    view = looked_at()[0]
    upper, lower = np.array(MEDIAPIPE_478.inner_lip_pairs).T
    points = view.points.copy()
    points[lower] = points[upper] + (0.0, 0.02 * view.interocular_px)
    row = TeethProbe().measure(dataclasses.replace(view, points=points), None)
    assert row[0] == pytest.approx(0.02, abs=0.002)
    assert np.isnan(row[1:]).all()


def test_an_even_inside_is_not_taken_for_teeth() -> None:
    def flat(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        return (118 + image % 5).astype(np.uint8)

    row = TeethProbe().measure(looked_at(inside_of(flat, "inner_lips", 0.02))[0], None)
    assert np.isnan(row[1:]).all()


def test_an_inside_darker_than_the_lips_does_not_count() -> None:
    def dark(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        return (image * 0.4).astype(np.uint8)

    evidence = TeethCue().measure(measured("teeth", TeethProbe(), looked_at(inside_of(dark, "inner_lips", 0.0))))
    assert [reason.code for reason in evidence.abstained] == ["no_teeth"]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_both_layouts_are_measured(layout: str) -> None:
    row = TeethProbe().measure(looked_at(layout=LAYOUTS[layout])[0], None)
    assert row.shape == (len(TeethProbe.columns),)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()


def test_eyes_out_of_the_picture_leave_the_teeth_unmeasured() -> None:
    view = looked_at()[0]
    top = int(view.points[list(MEDIAPIPE_478.rings["right_eye"]), 1].mean())
    cut = dataclasses.replace(
        view,
        image=view.image[top:],
        luma=view.luma[top:],
        points=view.points - np.array([0, top], np.float32),
    )
    assert np.isnan(TeethProbe().measure(cut, None)[1:]).all()


@pytest.mark.parametrize(
    ("frames", "shown", "size", "code"),
    [
        (MIN_FRAMES - 1, MIN_FRAMES - 1, 90.0, "too_few_frames"),
        (51, MIN_SHOWN - 1, 90.0, "no_teeth"),
        (51, 51, 20.0, "too_small"),
    ],
)
def test_abstentions(frames: int, shown: int, size: float, code: str) -> None:
    tracks = measured("teeth", TeethProbe(), looked_at(), seconds=(frames - 1) / 25)
    values = tracks.probes["teeth"].values.copy()
    values[shown:, 1:] = np.nan
    probe = dataclasses.replace(tracks.probes["teeth"], values=values)
    texture = dataclasses.replace(tracks.texture, interocular_px=np.full(frames, size, np.float32))
    evidence = TeethCue().measure(dataclasses.replace(tracks, probes={"teeth": probe}, texture=texture))
    assert evidence.score is None
    assert [reason.code for reason in evidence.abstained] == [code]


def test_fast_frames_count_less() -> None:
    mixed = joined(_tracks("plain"), _tracks("teeth blurred"), "teeth", 0, 30)
    assert TeethCue().measure(mixed).details["signed"] < -LIMIT
    speed = np.where(np.arange(51) < 30, 3.0, 0.0).astype(np.float32)
    fast = dataclasses.replace(mixed, texture=dataclasses.replace(mixed.texture, speed=speed))
    assert TeethCue().measure(fast).details["signed"] > -LIMIT


def test_details_are_json_and_the_same_each_time() -> None:
    first, second = _evidence("teeth blurred"), _evidence("teeth blurred")
    assert json.loads(json.dumps(first.details, allow_nan=False)) == first.details == second.details
