from __future__ import annotations

import dataclasses
import functools
import json

import cv2
import numpy as np
import pytest

from edited_face import (
    WHOLE,
    Edit,
    coloured,
    inside_of,
    joined,
    looked_at,
    measured,
    moved,
    plain,
    softened,
)
from lipaccord.course import beyond, smooth, telling_frames, weighted_median
from lipaccord.cues.boundary import LIMIT, LOCAL_LIMIT, MIN_FRAMES, STEPS, BoundaryCue, BoundaryProbe
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.outlines import answers, inside, middle, native, outward, rays, read, spaced
from lipaccord.records import Evidence, FloatArray, Image, Tracks


def _chin_line(*gaps: float) -> Edit:
    """Draw the outline of the face, and further ones this many eye distances inside of it."""

    def edited(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        drawn = image.copy()
        for gap in (0.0, *gaps):
            line = np.rint(moved(xy, "face", -gap * eyes_px)).astype(np.int32)
            cv2.polylines(drawn, [line], True, (70, 70, 70), 2, cv2.LINE_AA)
        return drawn

    return edited


EDITS: dict[str, Edit] = {
    "plain": plain,
    "tone by the mouth": inside_of(coloured(24.0), "outer_lips", 0.25),
    "tone by the jaw": inside_of(coloured(24.0), "face", -0.25),
    "texture by the mouth": inside_of(softened, "outer_lips", 0.25),
    "jaw": _chin_line(),
    "doubled jaw": _chin_line(0.1),
    **WHOLE,
}


@functools.cache
def _tracks(edit: str, seconds: float = 2.0, scale: float = 1.0) -> Tracks:
    return measured("boundary", BoundaryProbe(), looked_at(EDITS[edit], scale=scale), seconds)


def _evidence(edit: str, scale: float = 1.0) -> Evidence:
    return BoundaryCue().measure(_tracks(edit, scale=scale))


def _score(edit: str, scale: float = 1.0) -> float:
    score = _evidence(edit, scale).score
    assert score is not None
    return score


def test_an_untouched_face_stays_in_the_authentic_range() -> None:
    evidence = _evidence("plain")
    assert evidence.score is not None
    assert evidence.score < LIMIT
    assert evidence.summary.startswith("No edge of a mask stands out")
    assert evidence.segments == ()


@pytest.mark.parametrize(
    ("edit", "family", "kind", "distance"),
    [
        ("tone by the mouth", "mouth", "tone", 0.25),
        ("tone by the jaw", "jaw", "tone", -0.25),
        ("texture by the mouth", "mouth", "texture", 0.25),
    ],
)
def test_an_edge_is_found_where_it_is(edit: str, family: str, kind: str, distance: float) -> None:
    evidence = _evidence(edit)
    assert evidence.score is not None
    assert evidence.score > LIMIT
    assert "follows an outline of the lower face" in evidence.summary
    assert (evidence.details["family"], evidence.details["kind"]) == (family, kind)
    assert evidence.details["distance"] == pytest.approx(distance, abs=0.05)


def test_a_second_line_along_the_jaw_is_found_and_a_single_one_is_not() -> None:
    once, twice = _evidence("jaw"), _evidence("doubled jaw")
    assert once.details["doubled"] < LIMIT < twice.details["doubled"]
    assert twice.score is not None
    assert twice.score > LIMIT


@pytest.mark.parametrize("edit", sorted(WHOLE))
def test_whole_frame_changes_do_not_make_an_edge(edit: str) -> None:
    assert _score(edit) < LIMIT


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_size_does_not_make_or_hide_an_edge(scale: float) -> None:
    assert _score("plain", scale) < LIMIT < _score("tone by the jaw", scale)


def test_light_that_falls_off_smoothly_is_no_edge() -> None:
    def shaded(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        shade = (
            np.linspace(1.2, 0.7, image.shape[1])[None, :, None] * np.linspace(1.1, 0.8, image.shape[0])[:, None, None]
        )
        return np.clip(np.rint(image * shade), 0, 255).astype(np.uint8)

    evidence = BoundaryCue().measure(measured("boundary", BoundaryProbe(), looked_at(shaded)))
    assert evidence.score is not None
    assert evidence.score < LIMIT


def test_coloured_light_that_grows_away_from_the_mouth_does_not_hide_an_edge() -> None:
    def lit(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        x, y = xy[list(MEDIAPIPE_478.rings["outer_lips"])].mean(axis=0)
        rows, columns = np.indices(image.shape[:2])
        growth = 150.0 * np.minimum(np.hypot(columns - x, rows - y) / eyes_px, 1.2)
        light = growth[:, :, None] * np.array([1.0, 0.5, 0.25])
        lit_up: Image = np.clip(np.rint(0.2 * image + 40.0 + light), 0, 255).astype(np.uint8)
        return lit_up

    def edited(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        return EDITS["tone by the mouth"](lit(image, xy, eyes_px), xy, eyes_px)

    views = looked_at(edited)
    evidence = BoundaryCue().measure(measured("boundary", BoundaryProbe(), views))
    assert evidence.details["family"] == "mouth"
    assert evidence.details["tone"] > LIMIT + 1


def test_frames_that_cannot_be_measured_leave_no_course() -> None:
    tracks = _tracks("plain", 6.0)
    valid = np.arange(len(tracks.mouth.valid)) >= 60
    tracks = dataclasses.replace(tracks, mouth=dataclasses.replace(tracks.mouth, valid=valid))
    course = BoundaryCue().measure(tracks).series[0].values
    assert np.isnan(course[:45]).all()
    assert np.isfinite(course[60:]).all()


def test_an_edge_in_a_part_of_the_clip_is_found_in_time() -> None:
    mixed = joined(_tracks("plain", 6.0), _tracks("tone by the jaw", 6.0), "boundary", 50, 110)
    evidence = BoundaryCue().measure(mixed)
    assert len(evidence.segments) == 1
    segment = evidence.segments[0]
    assert segment.interval.start_s == pytest.approx(2.0, abs=0.6)
    assert segment.interval.end_s == pytest.approx(4.4, abs=0.6)
    assert segment.score > LOCAL_LIMIT
    assert all(1.4 < time < 5.0 for time in evidence.frames_s[:2])


def test_a_layout_without_an_outline_is_judged_by_mouth_and_cheeks() -> None:
    views = looked_at(layout=IBUG_68)
    row = BoundaryProbe().measure(views[0], None)
    names = np.array([name.startswith("jaw.") for name in BoundaryProbe.columns])
    assert np.isnan(row[names]).all()
    assert np.isfinite(row[~names]).all()
    evidence = BoundaryCue().measure(measured("boundary", BoundaryProbe(), views))
    assert evidence.score is not None
    assert evidence.details["doubled"] is None


def test_a_face_at_the_edge_of_the_picture_loses_only_what_lies_outside() -> None:
    view = looked_at()[0]
    cut = int(view.points[list(MEDIAPIPE_478.rings["outer_lips"]), 1].max()) + 3
    lower = dataclasses.replace(view, image=view.image[:cut], luma=view.luma[:cut])
    row = BoundaryProbe().measure(lower, None)
    seen = {name.split(".")[0] for name, value in zip(BoundaryProbe.columns, row, strict=True) if np.isfinite(value)}
    assert "cheeks" in seen
    assert not np.isfinite(row[[name.startswith("jaw.ridge") for name in BoundaryProbe.columns]]).any()


def _seen_in(frames: dict[str, np.ndarray]) -> Tracks:
    """Tracks of a jaw with a step of tone, each family of outlines seen in some frames only."""
    tracks = _tracks("tone by the jaw")
    values = tracks.probes["boundary"].values.copy()
    families = np.array([name.split(".")[0] for name in BoundaryProbe.columns])
    for family, seen in frames.items():
        values[np.ix_(~seen, families == family)] = np.nan
    return dataclasses.replace(
        tracks, probes={"boundary": dataclasses.replace(tracks.probes["boundary"], values=values)}
    )


def test_families_hardly_seen_do_not_count() -> None:
    seldom = np.arange(51) % 3 == 0
    evidence = BoundaryCue().measure(_seen_in({"mouth": seldom, "cheeks": seldom}))
    assert evidence.score is not None
    assert evidence.score > LIMIT
    assert evidence.details["frames"] == 51
    evidence = BoundaryCue().measure(_seen_in({"jaw": seldom}))
    assert evidence.details["family"] != "jaw"
    assert evidence.details["doubled"] is None


def test_families_seen_in_turns_are_too_few_frames() -> None:
    turn = np.arange(51) % 5
    evidence = BoundaryCue().measure(_seen_in({"mouth": turn == 0, "jaw": turn == 1, "cheeks": turn == 2}))
    assert [reason.code for reason in evidence.abstained] == ["too_few_frames"]


def test_places_of_the_level_copy_are_found_at_native_pixels() -> None:
    view = looked_at(scale=1.5)[0]
    np.testing.assert_allclose(native(view, view.aligned_points), view.points, atol=0.05)


def test_too_few_frames_and_too_small_a_face_are_not_judged() -> None:
    few = measured("boundary", BoundaryProbe(), looked_at(), seconds=(MIN_FRAMES - 2) / 25)
    assert [reason.code for reason in BoundaryCue().measure(few).abstained] == ["too_few_frames"]
    tracks = _tracks("plain")
    small = np.full_like(tracks.texture.interocular_px, 20.0)
    tracks = dataclasses.replace(tracks, texture=dataclasses.replace(tracks.texture, interocular_px=small))
    assert [reason.code for reason in BoundaryCue().measure(tracks).abstained] == ["too_small"]


def test_details_are_json_and_the_same_each_time() -> None:
    first, second = _evidence("tone by the mouth"), _evidence("tone by the mouth")
    assert json.loads(json.dumps(first.details, allow_nan=False)) == first.details == second.details


def test_every_second_frame_is_rested() -> None:
    view = dataclasses.replace(looked_at()[0], frame=1)
    assert np.isnan(BoundaryProbe().measure(view, None)).all()


def test_the_probe_names_every_number() -> None:
    row = BoundaryProbe().measure(looked_at()[0], None)
    assert row.shape == (len(BoundaryProbe.columns),)
    assert row.dtype == np.float32
    assert sum(name.startswith("mouth.luma.") for name in BoundaryProbe.columns) == STEPS
    assert np.isfinite(row).all()


# The two modules of arithmetic that this cue shares with others.


def test_points_are_spaced_evenly_and_normals_point_away() -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([50 + 20 * np.cos(angle), 50 + 20 * np.sin(angle)], axis=1).astype(np.float32)
    points = spaced(circle, 41)[:-1]
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps == pytest.approx(steps.mean(), rel=0.01)
    normals = outward(points, np.array([50, 50], np.float32), closed=True)
    np.testing.assert_allclose(normals, (points - 50) / 20, atol=0.02)


def test_a_picture_is_read_between_its_pixels() -> None:
    ramp = np.tile(np.arange(40, dtype=np.float32), (30, 1))
    starts, normals = np.array([[10, 10], [35, 5]], np.float32), np.array([[1, 0], [1, 0]], np.float32)
    places = rays(starts, normals, np.array([0.0, 0.5, 8.0], np.float32))
    assert inside(places, ramp.shape).tolist() == [True, False]
    np.testing.assert_allclose(read(ramp, places)[0], [10, 10.5, 18], atol=0.05)


def test_filters_answer_at_the_nearest_pixel() -> None:
    dot = np.zeros((20, 20), np.uint8)
    dot[7, 12] = 9
    kernel = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    places = np.array([[[12.3, 6.8], [11.0, 7.0], [3.0, 3.0]]], np.float32)
    np.testing.assert_array_equal(answers(dot, places, kernel)[0, :, 0], [9 * 4, 9 * 5, 0])


def test_the_mean_of_the_middle_half_leaves_out_both_ends() -> None:
    values = np.array([[-1000.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [900.0]], np.float32)
    assert middle(values) == pytest.approx(3.5)


def test_a_weighted_median_counts_weights() -> None:
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])) == 2.0
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([9.0, 1.0, 1.0])) == 3.0


def test_a_course_is_smoothed_over_usable_frames_only() -> None:
    times_s = np.arange(10) / 10
    values = np.where(np.arange(10) == 4, 50.0, 1.0)
    usable = np.arange(10) < 8
    course = smooth(times_s, values, np.ones(10), usable, 0.3)
    assert course[4] == 1.0
    assert np.isnan(course[9])


def test_stretches_beyond_a_limit_keep_their_side_and_their_length() -> None:
    times_s = np.arange(40) / 10
    course = np.zeros(40)
    course[5:15], course[15:25], course[30:32] = 4.0, -5.0, 9.0
    found = beyond(times_s, course, 3.0, lambda value: f"{value:+.0f}.", 0.5)
    assert [(s.interval.start_s, s.interval.end_s, s.score, s.summary) for s in found] == [
        (0.5, 1.4, 4.0, "+4."),
        (1.5, 2.4, 5.0, "-5."),
    ]


def test_telling_frames_are_the_highest_and_apart() -> None:
    times_s = np.arange(40) / 10
    course = np.where(np.arange(40) % 10 == 3, 5.0, 0.0) + np.arange(40) / 100
    course[33] = np.nan
    assert telling_frames(times_s, course, count=3) == (2.3, 1.3, 0.3)
