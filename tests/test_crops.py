from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drawn_face import face_points, skin
from lipaccord import crops
from lipaccord.crops import CELL, HEIGHT, MIN_CELLS, SCOPES, WIDTH, CropSampler, crop_pair
from lipaccord.landmarks.layouts import LAYOUTS, MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceView, FloatArray, Frame, Image
from lipaccord.views import face_view

EYES = 70.0
SIDE = 330
CENTER = (165.0, 120.0)
FACE = face_points(MEDIAPIPE_478, EYES, CENTER)
PLACES = {"forehead": (0.0, -0.3), "nose": (0.0, 0.3), "mouth": (0.0, 1.1), "chin": (0.0, 1.6)}
"""In eye distances from the point between the eyes."""


def grey(seed: int = 0) -> NDArray[np.uint8]:
    return np.ascontiguousarray(skin(SIDE, SIDE, seed, 20.0)[:, :, 0])


def cell(scope: str, x: float, y: float) -> tuple[int, int]:
    """Row and column of the cell at a place of the level face, given in eye distances."""
    laid = SCOPES[scope]
    return int((laid.center[1] + y * laid.eyes_px) // CELL), int((laid.center[0] + x * laid.eyes_px) // CELL)


def view_of(image: Image, points: FacePoints, frame: int = 0) -> FaceView:
    view = face_view(MEDIAPIPE_478, Frame(frame, frame / 25, image), points)
    assert view is not None
    return view


PLAIN = view_of(skin(SIDE, SIDE, 0, 20.0), FACE)


def at(frame: int, view: FaceView = PLAIN) -> FaceView:
    return dataclasses.replace(view, frame=frame, time_s=frame / 25)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("eyes_px", "roll_deg"), [(50.0, 0.0), (80.0, 25.0), (260.0, -12.0)])
def test_the_eyes_come_to_lie_at_their_places(scope: str, eyes_px: float, roll_deg: float) -> None:
    side = int(4 * eyes_px)
    face = face_points(MEDIAPIPE_478, eyes_px, (side / 2, side / 2), roll_deg)
    picture = np.zeros((side, side), np.uint8)
    for eye in (MEDIAPIPE_478.right_eye, MEDIAPIPE_478.left_eye):
        x, y = face.xy[list(eye)].mean(axis=0)
        cv2.circle(picture, (round(16 * x), round(16 * y)), round(1.6 * eyes_px), 255, -1, cv2.LINE_AA, 4)
    pair, _, _ = crop_pair(scope, MEDIAPIPE_478, picture, picture, face.xy)
    (x, y), across = SCOPES[scope].center, SCOPES[scope].eyes_px / 2
    for half, place in ((slice(None, int(x)), x - across), (slice(int(x), None), x + across)):
        seen = pair[0].astype(float)
        seen[:, [column for column in range(WIDTH) if column not in range(WIDTH)[half]]] = 0
        rows, columns = np.indices(seen.shape)
        assert (seen * columns).sum() / seen.sum() == pytest.approx(place, abs=0.6)
        assert (seen * rows).sum() / seen.sum() == pytest.approx(y, abs=0.6)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
@pytest.mark.parametrize(
    ("scope", "judged_at", "reference_at"),
    [("lower", ("mouth", "chin"), ("forehead", "nose")), ("face", tuple(PLACES), ())],
)
def test_each_part_covers_what_it_should(
    name: str, scope: str, judged_at: tuple[str, ...], reference_at: tuple[str, ...]
) -> None:
    points = face_points(LAYOUTS[name], EYES, CENTER)
    pair, judged, reference = crop_pair(scope, LAYOUTS[name], grey(), grey(), points.xy)
    assert pair.shape == (2, HEIGHT, WIDTH)
    assert judged.shape == reference.shape == (HEIGHT // CELL, WIDTH // CELL)
    for place, xy in PLACES.items():
        if place == "forehead" and name == "ibug-68":
            continue  # its outline ends at the brows
        where = cell(scope, *xy)
        assert (judged[where] == 255) == (place in judged_at), place
        assert (reference[where] == 255) == (place in reference_at), place
    if scope == "face":
        assert reference[[3, 3], [3, -4]].all()  # beside the forehead
    assert not ((judged > 0) & (reference > 0)).any()  # the margin is a cell wide
    assert min(judged.sum(), reference.sum()) > 2 * 255 * MIN_CELLS


@pytest.mark.parametrize("scope", SCOPES)
def test_what_lies_off_the_picture_belongs_to_neither_part(scope: str) -> None:
    whole = crop_pair(scope, MEDIAPIPE_478, grey(), grey(), FACE.xy)
    cut = np.ascontiguousarray(grey()[:200])  # through the mouth
    part = crop_pair(scope, MEDIAPIPE_478, cut, cut, FACE.xy)
    edge = cell(scope, 0, (200 - CENTER[1]) / EYES)[0]
    for full, there in zip(whole[1:], part[1:], strict=True):
        np.testing.assert_array_equal(there[: edge - 1], full[: edge - 1])
        assert not there[edge + 1 :].any()
    assert whole[1][edge + 1 :].any()


def test_only_what_changes_between_the_frames_differs() -> None:
    first, second = grey(), grey()
    x, y = (int(value) for value in FACE.xy[list(MEDIAPIPE_478.rings["outer_lips"])].mean(axis=0))
    second[y - 5 : y + 5, x - 5 : x + 5] += 40
    pair, _, _ = crop_pair("lower", MEDIAPIPE_478, first, second, FACE.xy)
    rows, columns = np.nonzero(pair[0] != pair[1])
    assert len(rows) > 100
    assert np.abs(columns - 120).max() < 12
    assert np.abs(rows - (76 + 1.1 * 112)).max() < 12


def crop_of_pictures(scope: str, first: Image, second: Image, xy: FloatArray) -> NDArray[np.uint8]:
    one, two = (np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8) for image in (first, second))
    return crop_pair(scope, MEDIAPIPE_478, one, two, xy)[0]


def cut_of(view: FaceView) -> Image:
    """White where the native cut of a view lies in the picture."""
    white = np.zeros((SIDE + 60, SIDE + 60, 3), np.uint8)
    (left, top), (height, width) = view.corner, view.luma.shape
    white[top : top + height, left : left + width] = 255
    return white


@pytest.mark.parametrize("shift", [(0, 0), (37, 21), (-40, -18)])
def test_both_frames_show_the_same_part_of_the_picture_wherever_the_face_moves(shift: tuple[int, int]) -> None:
    """The native cuts of two frames have corners of their own."""
    first, second = skin(SIDE + 60, SIDE + 60, 1, 20.0), skin(SIDE + 60, SIDE + 60, 2, 20.0)
    here = face_points(MEDIAPIPE_478, EYES, (CENTER[0] + 45, CENTER[1] + 35))
    there = FacePoints(here.xy + np.array(shift, np.float32), None, 1.0)
    previous, view = view_of(first, here), view_of(second, there, 1)
    assert (previous.corner != view.corner) == (shift != (0, 0))
    sampler = CropSampler()
    sampler.feed(view, previous)
    for scope, found in sampler.take().items():
        expected = crop_of_pictures(scope, first, second, here.xy)
        shown = np.minimum(*(crop_of_pictures(scope, one, one, here.xy)[0] for one in (cut_of(previous), cut_of(view))))
        both = shown == 255
        assert both.sum() > 20_000
        np.testing.assert_allclose(found.pairs[0][:, both], expected[:, both].astype(float), atol=3)


def frames_taken(sampler: CropSampler) -> list[int]:
    return [round(25 * time) for time in sampler.take()["lower"].times_s]


@pytest.mark.parametrize(
    ("frames", "step"), [(range(11), 2), (range(12), 2), (range(14), 4), (range(40), 8), (range(3, 40), 8)]
)
def test_pairs_are_spread_over_the_clip_at_a_step_that_doubles(
    monkeypatch: pytest.MonkeyPatch, frames: range, step: int
) -> None:
    monkeypatch.setattr(crops, "MAX_PAIRS", 6)
    sampler = CropSampler()
    for index in frames[1:]:
        sampler.feed(at(index), at(index - 1))
    assert frames_taken(sampler) == [index for index in frames[:-1] if index % step == 0]


def test_the_memory_is_bounded_whichever_frames_show_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "MAX_PAIRS", 3)
    sampler = CropSampler()
    for index in range(0, 64, 16):  # the frames between show nothing
        sampler.feed(at(index + 1), at(index))
    assert frames_taken(sampler) == [0, 32]


def test_the_choice_depends_on_the_frames_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "MAX_PAIRS", 3)
    other = view_of(skin(SIDE, SIDE, 7, 5.0), face_points(MEDIAPIPE_478, 40.0, CENTER, 10.0))
    chosen = []
    for view in (PLAIN, other):
        sampler = CropSampler()
        for index in range(1, 15):
            sampler.feed(at(index, view), at(index - 1, view))
        chosen.append(frames_taken(sampler))
    assert chosen[0] == chosen[1]


def test_a_frame_without_one_before_it_makes_no_pair() -> None:
    sampler = CropSampler()
    sampler.feed(at(2), None)
    found = sampler.take()
    assert found.keys() == SCOPES.keys()
    for scope in SCOPES:
        assert found[scope].pairs.shape == (0, 2, HEIGHT, WIDTH)
        assert found[scope].judged.shape == found[scope].reference.shape == (0, HEIGHT // CELL, WIDTH // CELL)


def test_pairs_can_be_taken_once() -> None:
    sampler = CropSampler()
    sampler.feed(at(1), at(0))
    assert frames_taken(sampler) == [0]
    assert frames_taken(sampler) == []


def test_a_pair_with_too_little_to_compare_is_left_out() -> None:
    """An empty part would be compared all the same, and the network would say anything."""
    image = skin(SIDE, SIDE, 3, 20.0)
    above_the_mouth = view_of(np.ascontiguousarray(image[:140]), FACE)
    left, top = FACE.xy.min(axis=0).astype(int) + 20
    right, bottom = FACE.xy.max(axis=0).astype(int) - 20
    inside = FacePoints(FACE.xy - np.array([left, top], np.float32), None, 1.0)
    fills_the_picture = view_of(np.ascontiguousarray(image[top:bottom, left:right]), inside)
    for view, missing in ((above_the_mouth, "lower"), (fills_the_picture, "face")):
        sampler = CropSampler()
        sampler.feed(at(1, view), at(0, view))
        kept = {scope: len(found.times_s) for scope, found in sampler.take().items()}
        assert kept == {scope: int(scope != missing) for scope in SCOPES}
