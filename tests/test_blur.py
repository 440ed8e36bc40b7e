from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from drawn_face import face_points, face_track, mouth_motion, skin, within
from lipaccord.cues.blur import LIMIT, LOCAL_LIMIT, MIN_FRAMES, MODELS, BlurCue
from lipaccord.landmarks.layouts import IBUG_68, LAYOUTS, MEDIAPIPE_478
from lipaccord.records import FacePoints, Image, MouthPrediction, SpeechActivity, Tracks
from lipaccord.regions import REGIONS
from lipaccord.texture import TextureMeter, TextureSample, texture_track
from made_tracks import splices

FRAMES = 60
RATE_HZ = 25.0
Edit = Callable[[Image, float, str], Image]


def _blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _sharpened(image: Image, sigma: float) -> Image:
    sharp: Image = np.clip(np.rint(2.0 * image - _blurred(image, sigma)), 0, 255).astype(np.uint8)
    return sharp


def _in_mouth(image: Image, changed: Image, eyes_px: float, layout: str) -> Image:
    lips = _face(eyes_px, layout).xy[list(LAYOUTS[layout].rings["outer_lips"])]
    return within(image, changed, (lips - lips.mean(axis=0)) * 1.25 + lips.mean(axis=0), 0.02 * eyes_px)


EDITS: dict[str, Edit] = {
    "as it is": lambda image, _, __: image,
    "mouth blurred": lambda image, eyes, name: _in_mouth(image, _blurred(image, 0.02 * eyes), eyes, name),
    "mouth sharpened": lambda image, eyes, name: _in_mouth(image, _sharpened(image, 0.02 * eyes), eyes, name),
    "all blurred": lambda image, eyes, _: _blurred(image, 0.02 * eyes),
    "all sharpened": lambda image, eyes, _: _sharpened(image, 0.02 * eyes),
    "all dimmed": lambda image, _, __: np.rint(image * 0.7).astype(np.uint8),
}


def _face(eyes_px: float, layout: str) -> FacePoints:
    side = int(4.6 * eyes_px)
    return face_points(LAYOUTS[layout], eyes_px, (side / 2, 0.36 * side))


@functools.cache
def _samples(edit: str, eyes_px: float = 90.0, layout: str = MEDIAPIPE_478.name) -> tuple[TextureSample, ...]:
    side = int(4.6 * eyes_px)
    meter = TextureMeter(LAYOUTS[layout])
    pictures = [EDITS[edit](skin(side, side, seed, 20.0), eyes_px, layout) for seed in range(4)]
    return tuple(meter.measure(picture, _face(eyes_px, layout)) for picture in pictures)


def _tracks(edit: str, eyes_px: float = 90.0, layout: str = MEDIAPIPE_478.name, *, frames: int = FRAMES) -> Tracks:
    """Tracks of a still face whose skin changes from frame to frame."""
    samples = _samples(edit, eyes_px, layout)
    track = face_track(LAYOUTS[layout], [_face(eyes_px, layout)] * frames, RATE_HZ)
    mouth = mouth_motion(track, eyes_px)
    texture = texture_track([samples[index % len(samples)] for index in range(frames)], track, mouth)
    times = np.arange(2) / 100
    silence = SpeechActivity(times, np.zeros(2, np.float32), np.full(2, -90, np.float32), ())
    flat = np.zeros((2, 1), np.float32)
    return Tracks(
        track,
        mouth,
        texture,
        {},
        splices(len(track.times_s)),
        silence,
        MouthPrediction(times, flat, flat + 1, flat, flat + 1),
    )


def _with_texture(tracks: Tracks, **changes: Any) -> Tracks:
    return dataclasses.replace(tracks, texture=dataclasses.replace(tracks.texture, **changes))


def _joined(first: Tracks, second: Tracks, start: int, stop: int) -> Tracks:
    """Return `first`, with the frames from `start` to `stop` of `second`."""
    energy = first.texture.energy.copy()
    energy[start:stop] = second.texture.energy[start:stop]
    return _with_texture(first, energy=energy)


def _signed(tracks: Tracks) -> float:
    return float(BlurCue().measure(tracks).details["signed"])


def test_weights_cancel_whole_frame_changes() -> None:
    for model in MODELS.values():
        np.testing.assert_allclose(np.sum(model.weights, axis=1), 0, atol=1e-9)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("eyes_px", [60.0, 90.0, 150.0])
def test_a_blurred_mouth_leaves_the_authentic_range(eyes_px: float, layout: str) -> None:
    before = BlurCue().measure(_tracks("as it is", eyes_px, layout))
    after = BlurCue().measure(_tracks("mouth blurred", eyes_px, layout))
    assert before.score is not None
    assert after.score is not None
    assert before.score < LIMIT < after.score
    assert "as sharp as the rest" in before.summary
    assert "softer than the rest" in after.summary
    assert after.details["softer"] == after.score
    assert after.details["sharper"] == 0


def test_a_sharpened_mouth_moves_the_other_way() -> None:
    plain, sharp = _tracks("as it is"), _tracks("mouth sharpened")
    assert _signed(sharp) > _signed(plain) + 2
    energy = sharp.texture.energy.copy()
    energy[:, REGIONS.index("mouth"), :2] += 0.4
    evidence = BlurCue().measure(_with_texture(sharp, energy=energy))
    assert evidence.details["sharper"] == evidence.score
    assert "sharper than the rest" in evidence.summary


@pytest.mark.parametrize("edit", ["all blurred", "all sharpened", "all dimmed"])
@pytest.mark.parametrize("eyes_px", [60.0, 90.0, 150.0])
def test_whole_frame_changes_hardly_move_it(edit: str, eyes_px: float) -> None:
    assert _signed(_tracks(edit, eyes_px)) == pytest.approx(_signed(_tracks("as it is", eyes_px)), abs=0.6)


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("edit", ["as it is", "mouth blurred"])
def test_size_hardly_moves_it(edit: str, factor: float) -> None:
    picture = EDITS[edit](skin(460, 460, 1, 20.0), 100.0, MEDIAPIPE_478.name)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    other = np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=method), np.uint8)
    scores = []
    for image, eyes_px in ((picture, 100.0), (other, 100.0 * factor)):
        points = _face(eyes_px, MEDIAPIPE_478.name)
        track = face_track(MEDIAPIPE_478, [points] * FRAMES)
        mouth = mouth_motion(track, eyes_px)
        sample = TextureMeter(MEDIAPIPE_478).measure(image, points)
        scores.append(
            _signed(
                dataclasses.replace(
                    _tracks("as it is"), face=track, mouth=mouth, texture=texture_track([sample] * FRAMES, track, mouth)
                )
            )
        )
    if edit == "as it is":
        assert scores[1] == pytest.approx(scores[0], abs=0.6)
    else:  # half the size takes the finest band with it, so less is left to tell
        assert max(scores) < -LIMIT


def test_a_blurred_stretch_is_found_in_time() -> None:
    mixed = _joined(_tracks("as it is", frames=150), _tracks("mouth blurred", frames=150), 50, 90)
    evidence = BlurCue().measure(mixed)
    assert evidence.score is not None
    assert evidence.score < LIMIT
    assert len(evidence.segments) == 1
    segment = evidence.segments[0]
    assert segment.interval.start_s == pytest.approx(50 / RATE_HZ, abs=0.1)
    assert segment.interval.end_s == pytest.approx(90 / RATE_HZ, abs=0.1)
    assert segment.finding == "resynthesis"
    assert segment.score > LOCAL_LIMIT
    assert "softer" in segment.summary


def test_a_short_stretch_is_no_segment() -> None:
    mixed = _joined(_tracks("as it is", frames=100), _tracks("mouth blurred", frames=100), 50, 58)
    assert BlurCue().measure(mixed).segments == ()


def test_telling_frames_lie_in_the_blurred_part() -> None:
    mixed = _joined(_tracks("as it is", frames=150), _tracks("mouth blurred", frames=150), 50, 150)
    evidence = BlurCue().measure(mixed)
    assert evidence.frames_s
    assert all(time >= 1.9 for time in evidence.frames_s[:3])
    gaps = np.diff(sorted(evidence.frames_s))
    assert (gaps >= 0.5 - 1e-9).all()


def test_series_are_named_and_cover_the_track() -> None:
    tracks = _tracks("as it is")
    evidence = BlurCue().measure(tracks)
    names = [series.name for series in evidence.series]
    assert names == [f"blur.{part}_minus_rest" for part in ("lower", "mouth", "lips", "chin")]
    for series in evidence.series:
        np.testing.assert_array_equal(series.times_s, tracks.texture.times_s)
        assert np.isfinite(series.values).all()
        assert "softer" in series.unit


def test_details_are_json_with_pairs_by_scale() -> None:
    details = BlurCue().measure(_tracks("mouth blurred", layout=IBUG_68.name)).details
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    assert details["pairs"]["mouth"]["nose"][0] < -0.5
    assert details["pairs"]["mouth"]["forehead"] == [None] * len(details["scales_px"])


def test_frames_not_measured_do_not_count() -> None:
    tracks = _tracks("as it is", frames=80)
    energy = tracks.texture.energy.copy()
    energy[1::2] = np.nan
    evidence = BlurCue().measure(_with_texture(tracks, energy=energy))
    assert evidence.details["frames"] == 40
    assert evidence.score == pytest.approx(abs(_signed(tracks)), abs=0.3)


@pytest.mark.parametrize("bad", ["fast", "turned"])
def test_moving_and_turned_frames_count_less(bad: str) -> None:
    tracks = _joined(_tracks("as it is"), _tracks("mouth blurred"), 0, 40)
    assert _signed(tracks) < -LIMIT
    worse = np.where(np.arange(FRAMES) < 40, {"fast": 2.0, "turned": 28.0}[bad], 0.0).astype(np.float32)
    changed = _with_texture(tracks, **{"speed" if bad == "fast" else "turn": worse})
    assert _signed(changed) > -LIMIT


def test_turn_without_depth_is_taken_as_frontal() -> None:
    tracks = _tracks("as it is")
    unknown = np.full(FRAMES, np.nan, np.float32)
    assert _signed(_with_texture(tracks, turn=unknown)) == _signed(tracks)


def test_the_same_input_gives_the_same_evidence() -> None:
    first, second = (BlurCue().measure(_tracks("mouth blurred")) for _ in range(2))
    assert first.score == second.score
    assert first.details == second.details
    assert first.frames_s == second.frames_s


def _without(tracks: Tracks, region: str) -> Tracks:
    energy = tracks.texture.energy.copy()
    energy[:, REGIONS.index(region)] = np.nan
    return _with_texture(tracks, energy=energy)


@pytest.mark.parametrize(
    ("tracks", "code", "words"),
    [
        (_with_texture(_tracks("as it is"), interocular_px=np.full(FRAMES, 20.0)), "too_small", "20 pixels apart"),
        (_tracks("as it is", frames=MIN_FRAMES - 1), "too_few_frames", "Only 19 frames"),
        (_with_texture(_tracks("as it is"), turn=np.full(FRAMES, 50.0)), "too_few_frames", "Only 0 frames"),
        (_without(_tracks("as it is"), "cheeks"), "no_reference_region", "Nose, cheeks and eyes"),
        (_without(_tracks("as it is"), "lips"), "no_lower_face", "Mouth, lips and chin"),
    ],
)
def test_abstentions(tracks: Tracks, code: str, words: str) -> None:
    evidence = BlurCue().measure(tracks)
    assert evidence.score is None
    assert [reason.code for reason in evidence.abstained] == [code]
    assert words in evidence.abstained[0].text
    assert evidence.series == ()


def test_a_face_never_seen_is_too_few_frames() -> None:
    tracks = _tracks("as it is")
    track = face_track(MEDIAPIPE_478, [None] * FRAMES)
    mouth = mouth_motion(track, 90.0)
    unseen = dataclasses.replace(tracks, face=track, mouth=mouth, texture=texture_track([None] * FRAMES, track, mouth))
    assert [reason.code for reason in BlurCue().measure(unseen).abstained] == ["too_few_frames"]
