from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest

from drawn_face import within
from edited_face import WHOLE, Edit, coloured, inside_of, joined, looked_at, measured, moved, plain, softened
from lipaccord.cues.face import LIMIT, LOCAL_LIMIT, MIN_FRAMES, STEPS, FaceCue, FaceProbe
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import Evidence, FloatArray, Image, Tracks


def _all_but_the_face(edit: Edit) -> Edit:
    def edited(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        changed = edit(image, xy, eyes_px)
        return within(changed, image, moved(xy, "face", 0.02 * eyes_px))

    return edited


EDITS: dict[str, Edit] = {
    "plain": plain,
    "face blurred": inside_of(softened, "face", 0.0),
    "face of another tone": inside_of(coloured(24.0), "face", -0.25),
    "paler face": inside_of(lambda image, _, __: np.rint(64 + image / 2).astype(np.uint8), "face", 0.0),
    "surround blurred": _all_but_the_face(softened),
    **WHOLE,
}


@functools.cache
def _tracks(edit: str, seconds: float = 2.0, scale: float = 1.0) -> Tracks:
    return measured("face", FaceProbe(), looked_at(EDITS[edit], scale=scale), seconds)


def _evidence(edit: str, scale: float = 1.0) -> Evidence:
    return FaceCue().measure(_tracks(edit, scale=scale))


def _score(edit: str, scale: float = 1.0) -> float:
    score = _evidence(edit, scale).score
    assert score is not None
    return score


def test_an_untouched_face_stays_in_the_authentic_range() -> None:
    evidence = _evidence("plain")
    assert evidence.score is not None
    assert evidence.score < LIMIT
    assert "fits between hair and neck" in evidence.summary
    assert evidence.segments == ()


def test_a_face_smoother_than_its_surround_leaves_it() -> None:
    evidence = _evidence("face blurred")
    assert evidence.score is not None
    assert evidence.score > LIMIT
    assert evidence.details["softness"] > LIMIT > evidence.details["tone"]
    assert "smoother than hair and neck" in evidence.summary


def test_a_step_of_tone_round_the_face_leaves_it() -> None:
    evidence = _evidence("face of another tone")
    assert evidence.score is not None
    assert evidence.score > LIMIT
    assert evidence.details["tone"] > LIMIT > evidence.details["softness"]


def test_a_blurred_background_is_not_suspicious() -> None:
    assert _score("surround blurred") < LIMIT
    assert _evidence("surround blurred").details["softness"] < -LIMIT
    assert _evidence("surround blurred").segments == ()


def test_a_face_of_less_contrast_is_not_a_blurred_one() -> None:
    assert abs(_evidence("paler face").details["softness"] - _evidence("plain").details["softness"]) < 1.0


@pytest.mark.parametrize("edit", sorted(WHOLE))
def test_whole_frame_changes_hardly_move_it(edit: str) -> None:
    before, after = _evidence("plain").details, _evidence(edit).details
    assert after["softness"] == pytest.approx(before["softness"], abs=0.6)
    assert _score(edit) < LIMIT


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_size_hardly_moves_it(scale: float) -> None:
    assert _score("plain", scale) < LIMIT
    assert _score("face blurred", 2.0) > LIMIT


def test_a_blurred_stretch_is_found_in_time() -> None:
    evidence = FaceCue().measure(joined(_tracks("plain", 6.0), _tracks("face blurred", 6.0), "face", 50, 110))
    assert len(evidence.segments) == 1
    segment = evidence.segments[0]
    assert segment.interval.start_s == pytest.approx(2.0, abs=0.2)
    assert segment.interval.end_s == pytest.approx(4.4, abs=0.2)
    assert segment.score > LOCAL_LIMIT
    assert all(1.9 < time < 4.5 for time in evidence.frames_s[:3])


def test_a_layout_without_an_outline_is_not_judged() -> None:
    row = FaceProbe().measure(looked_at(layout=IBUG_68)[0], None)
    assert np.isnan(row).all()
    tracks = measured("face", FaceProbe(), looked_at(layout=IBUG_68))
    face = dataclasses.replace(tracks.face, layout=IBUG_68, points=tracks.face.points[:, : IBUG_68.count], depth=None)
    evidence = FaceCue().measure(dataclasses.replace(tracks, face=face))
    assert [reason.code for reason in evidence.abstained] == ["other_landmarks"]


def test_a_neck_out_of_the_picture_is_not_measured() -> None:
    view = looked_at()[0]
    cut = int(view.points[list(MEDIAPIPE_478.rings["outer_lips"]), 1].mean())
    row = FaceProbe().measure(dataclasses.replace(view, image=view.image[:cut], luma=view.luma[:cut]), None)
    named = dict(zip(FaceProbe.columns, row.tolist(), strict=True))
    assert np.isnan([named["neck.finest"], named["neck.fine"]]).all()
    assert np.isfinite([named["hair.finest"], named["interior.fine"]]).all()


def test_too_few_frames_and_too_small_a_face_are_not_judged() -> None:
    few = measured("face", FaceProbe(), looked_at(), seconds=(MIN_FRAMES - 2) / 25)
    assert [reason.code for reason in FaceCue().measure(few).abstained] == ["too_few_frames"]
    tracks = _tracks("plain")
    small = np.full_like(tracks.texture.interocular_px, 20.0)
    tracks = dataclasses.replace(tracks, texture=dataclasses.replace(tracks.texture, interocular_px=small))
    assert [reason.code for reason in FaceCue().measure(tracks).abstained] == ["too_small"]


def test_every_second_frame_is_rested() -> None:
    view = dataclasses.replace(looked_at()[0], frame=1)
    assert np.isnan(FaceProbe().measure(view, None)).all()


def test_the_probe_names_every_number() -> None:
    row = FaceProbe().measure(looked_at()[0], None)
    assert row.shape == (len(FaceProbe.columns),)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()
    assert sum(name.startswith("step.cr.") for name in FaceProbe.columns) == STEPS


def test_details_are_json_and_the_same_each_time() -> None:
    first, second = _evidence("face blurred"), _evidence("face blurred")
    assert json.loads(json.dumps(first.details, allow_nan=False)) == first.details == second.details
