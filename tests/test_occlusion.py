from __future__ import annotations

import dataclasses
import functools
import json

import cv2
import numpy as np
import pytest

from drawn_face import skin, within
from edited_face import blurred, measured, moved, points_of
from lipaccord.cues.occlusion import LIMIT, MIN_FRAMES, OcclusionCue, OcclusionProbe
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import Evidence, FaceView, Frame, Image, Tracks
from lipaccord.views import face_view

EYES_PX = 80.0
SECONDS = 4.0
FRAMES = 101
PASSES = range(40, 62)


def _hand(image: Image, center: tuple[float, float]) -> Image:
    """Lay something dark over the picture."""
    drawn = image.copy()
    size = (int(0.35 * EYES_PX), int(0.5 * EYES_PX))
    cv2.ellipse(drawn, (int(center[0]), int(center[1])), size, 15.0, 0, 360, (40, 35, 30), -1, cv2.LINE_AA)
    return drawn


@functools.cache
def _views(kind: str) -> tuple[FaceView, ...]:
    """Look at a still face with some sensor noise; what happens in `PASSES` depends on the kind."""
    points, side = points_of(MEDIAPIPE_478, EYES_PX)
    still = skin(side, side, 1, 20.0).astype(np.float32)
    xy = points.xy
    lips = xy[list(MEDIAPIPE_478.rings["outer_lips"])].mean(axis=0)
    lower = moved(xy, "outer_lips", 0.5 * EYES_PX)
    noise = np.random.default_rng(5)
    views = []
    for index in range(FRAMES):
        image = np.clip(np.rint(still + noise.normal(0, 1.5, still.shape)), 0, 255).astype(np.uint8)
        if index in PASSES:
            along = (index - PASSES.start) / len(PASSES) - 0.5
            if kind == "blurs":
                image = within(image, blurred(image, 0.025 * EYES_PX), lower)
            if kind == "flickers":
                lit = np.clip(image + noise.normal(0, 12, (1, 1, 1)), 0, 255).astype(np.uint8)
                image = within(image, lit, lower)
            if kind == "it passes in another light":
                image = np.rint(image * 0.8).astype(np.uint8)
            if kind == "the light changes":
                image = np.rint(image * 0.6).astype(np.uint8)
            elif kind == "it covers the eyes":
                image = _hand(_hand(image, (xy[33, 0], xy[33, 1])), (xy[263, 0], xy[263, 1]))
                image = _hand(image, (float(lips[0]), float(lips[1])))
            elif kind != "nothing":
                image = _hand(image, (lips[0] + along * 0.5 * EYES_PX, lips[1] + 0.25 * EYES_PX))
        view = face_view(MEDIAPIPE_478, Frame(index, index / 25, image), points)
        assert view is not None
        views.append(view)
    return tuple(views)


@functools.cache
def _tracks(kind: str) -> Tracks:
    return measured("occlusion", OcclusionProbe(), list(_views(kind)), SECONDS)


def _evidence(kind: str) -> Evidence:
    return OcclusionCue().measure(_tracks(kind))


def test_where_nothing_passes_it_abstains_and_shows_that_nothing_was_covered() -> None:
    evidence = _evidence("nothing")
    assert evidence.score is None
    assert [reason.code for reason in evidence.abstained] == ["nothing_passes"]
    (covered,) = evidence.series
    assert covered.name == "occlusion.covered"
    assert covered.values.max() < 0.05


@pytest.mark.parametrize("kind", ["the light changes", "it covers the eyes"])
def test_what_changes_the_whole_face_is_not_something_passing_the_mouth(kind: str) -> None:
    assert [reason.code for reason in _evidence(kind).abstained] == ["nothing_passes"]


def test_something_passing_is_seen_while_the_light_changes() -> None:
    assert _evidence("it passes in another light").details["hidden"] >= 0.8 * len(PASSES)


def test_something_passing_an_untouched_mouth_is_seen_and_stays_in_the_authentic_range() -> None:
    evidence = _evidence("it passes")
    assert evidence.score is not None
    assert evidence.score < LIMIT
    (start, end), *others = evidence.details["passes"]
    assert not others
    assert start == pytest.approx(PASSES.start / 25, abs=0.1)
    assert end == pytest.approx((PASSES.stop - 1) / 25, abs=0.1)
    assert "as sharp and as steady as ever" in evidence.summary


@pytest.mark.parametrize(("kind", "name"), [("blurs", "blur"), ("flickers", "flicker")])
def test_a_mouth_that_blurs_or_flickers_meanwhile_leaves_it(kind: str, name: str) -> None:
    before, after = _evidence("it passes"), _evidence(kind)
    assert after.score is not None
    assert after.score > LIMIT
    assert after.details[name] > before.details[name] + 0.5
    assert "blurs or flickers while something passes" in after.summary
    assert after.frames_s
    assert all(PASSES.start / 25 - 0.1 <= time <= PASSES.stop / 25 for time in after.frames_s)
    assert all(PASSES.start / 25 - 0.1 <= segment.interval.start_s for segment in after.segments)


def test_a_lower_face_all_but_covered_is_not_compared() -> None:
    tracks = _tracks("it passes")
    values = tracks.probes["occlusion"].values.copy()
    lower = np.array([name.startswith("lower.luma") for name in OcclusionProbe.columns])
    values[45:60, lower] = 10.0
    values[40:45], values[60:62] = values[0], values[0]
    probe = dataclasses.replace(tracks.probes["occlusion"], values=values)
    evidence = OcclusionCue().measure(dataclasses.replace(tracks, probes={"occlusion": probe}))
    assert [reason.code for reason in evidence.abstained] == ["no_lower_face"]


def test_frames_without_the_face_change_nothing_else() -> None:
    tracks = _tracks("blurs")
    values = tracks.probes["occlusion"].values.copy()
    values[5:20] = np.nan
    probe = dataclasses.replace(tracks.probes["occlusion"], values=values)
    evidence = OcclusionCue().measure(dataclasses.replace(tracks, probes={"occlusion": probe}))
    assert evidence.score == pytest.approx(_evidence("blurs").score, abs=0.3)
    assert np.isnan(evidence.series[0].values[5:20]).all()


def test_too_few_frames_are_not_judged() -> None:
    short = measured("occlusion", OcclusionProbe(), list(_views("nothing")), (MIN_FRAMES - 2) / 25)
    assert [reason.code for reason in OcclusionCue().measure(short).abstained] == ["too_few_frames"]


def test_the_probe_names_every_number_in_both_layouts() -> None:
    row = OcclusionProbe().measure(_views("nothing")[0], None)
    assert row.shape == (len(OcclusionProbe.columns),)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()
    points, side = points_of(IBUG_68, EYES_PX)
    view = face_view(IBUG_68, Frame(0, 0.0, skin(side, side, 1, 20.0)), points)
    assert view is not None
    assert np.isfinite(OcclusionProbe().measure(view, None)).all()


def test_details_are_json_and_the_same_each_time() -> None:
    first, second = _evidence("blurs"), _evidence("blurs")
    assert json.loads(json.dumps(first.details, allow_nan=False)) == first.details == second.details
