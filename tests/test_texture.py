from __future__ import annotations

import cv2
import numpy as np
import pytest

from drawn_face import face_points, face_track, mouth_motion, skin, within
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import FacePoints, Image, LandmarkLayout
from lipaccord.regions import REGIONS
from lipaccord.texture import FULL_RATE_PX, SCALES, TextureMeter, TextureSample, texture_track

SIZE = 420
EYES = 90.0
CENTER = (210.0, 150.0)
FACE = face_points(MEDIAPIPE_478, EYES, CENTER)
LIPS = REGIONS.index("lips")
OUTER_LIPS = FACE.xy[list(MEDIAPIPE_478.rings["outer_lips"])]


def _measure(image: Image, points: FacePoints = FACE, layout: LandmarkLayout = MEDIAPIPE_478) -> TextureSample:
    return TextureMeter(layout).measure(image, points)


def _blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))


def test_level_and_area() -> None:
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    cv2.fillPoly(image, [np.rint(OUTER_LIPS).astype(np.int32)], (90, 90, 90))
    sample = _measure(image)
    assert sample.level[LIPS] == pytest.approx(90, abs=0.5)
    assert sample.level[REGIONS.index("cheeks")] == pytest.approx(200, abs=0.5)
    cheek = np.pi * (0.22 * EYES) * (0.2 * EYES)
    assert 0.6 * 2 * cheek < sample.pixels[REGIONS.index("cheeks")] < 2 * cheek


@pytest.mark.parametrize("eyes_px", [60.0, 110.0, 210.0])
def test_area_does_not_depend_on_the_lattice(eyes_px: float) -> None:
    size = int(5 * eyes_px)
    points = face_points(MEDIAPIPE_478, eyes_px, (size / 2, size / 3))
    sample = _measure(skin(size, size, 1), points)
    assert sample.pixels[LIPS] / eyes_px**2 == pytest.approx(0.12, rel=0.2)


def test_luma_is_of_rgb() -> None:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[:, :, 0] = 200
    assert _measure(image).level[LIPS] == pytest.approx(0.299 * 200, abs=1)


def test_band_energy_of_a_wave_peaks_at_its_scale() -> None:
    peaks = []
    for scale in SCALES[:4]:
        wave = np.sin(np.arange(SIZE) / (scale * np.sqrt(2)))
        image = np.repeat(np.rint(128 + 60 * np.tile(wave, (SIZE, 1)))[:, :, None], 3, axis=2).astype(np.uint8)
        peaks.append(int(np.argmax(_measure(image).energy[REGIONS.index("cheeks")])))
    assert peaks == [0, 1, 2, 3]


def test_contrast_moves_energy_but_not_gradient() -> None:
    strong, weak = _measure(skin(SIZE, SIZE, 2, 32.0)), _measure(skin(SIZE, SIZE, 2, 16.0))
    np.testing.assert_allclose(strong.energy - weak.energy, 2 * np.log10(2), atol=0.05)
    np.testing.assert_allclose(strong.gradient, weak.gradient, atol=0.01)


def test_blur_of_the_lips_moves_only_the_lips() -> None:
    image = skin(SIZE, SIZE, 3)
    before = _measure(image)
    after = _measure(within(image, _blurred(image, 2.0), OUTER_LIPS))
    drop = before.energy[:, 0] - after.energy[:, 0]
    assert drop[LIPS] > 1.0
    assert before.gradient[LIPS] - after.gradient[LIPS] > 0.1
    others = [REGIONS.index(name) for name in ("chin", "cheeks", "nose", "eyes", "forehead", "background")]
    np.testing.assert_array_equal(drop[others], 0.0)


def test_shift_changes_nothing() -> None:
    image = skin(SIZE, SIZE, 4)
    moved = np.roll(image, (14, -22), axis=(0, 1))
    before = _measure(image)
    after = _measure(moved, face_points(MEDIAPIPE_478, EYES, (CENTER[0] - 22, CENTER[1] + 14)))
    np.testing.assert_allclose(after.energy[:, :3], before.energy[:, :3], atol=0.02)
    np.testing.assert_allclose(after.level, before.level, atol=0.2)


def test_turn_by_a_right_angle_changes_nothing() -> None:
    image = skin(SIZE, SIZE, 5)
    turned = np.ascontiguousarray(np.rot90(image, -1))  # clockwise
    points = face_points(MEDIAPIPE_478, EYES, (SIZE - 1 - CENTER[1], CENTER[0]), roll_deg=90.0)
    before, after = _measure(image), _measure(turned, points)
    whole = [REGIONS.index(name) for name in REGIONS if name != "mouth"]  # that one is a few pixels high
    np.testing.assert_allclose(after.energy[whole, :3], before.energy[whole, :3], atol=0.06)
    np.testing.assert_allclose(after.gradient, before.gradient, atol=0.02)


def test_size_of_the_picture_does_not_matter() -> None:
    image = skin(SIZE, SIZE, 6)
    wide = np.zeros((900, 1200, 3), np.uint8)
    wide[200 : 200 + SIZE, 500 : 500 + SIZE] = image
    after = _measure(wide, face_points(MEDIAPIPE_478, EYES, (CENTER[0] + 500, CENTER[1] + 200)))
    np.testing.assert_array_equal(after.energy, _measure(image).energy)


def test_threads_do_not_matter() -> None:
    image = skin(SIZE, SIZE, 7)
    threads = cv2.getNumThreads()
    try:
        samples = []
        for count in (1, 4):
            cv2.setNumThreads(count)
            samples.append(_measure(image))
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(samples[0].energy, samples[1].energy)
    np.testing.assert_array_equal(samples[0].gradient, samples[1].gradient)


def test_68_points_have_no_forehead() -> None:
    sample = _measure(skin(SIZE, SIZE, 8), face_points(IBUG_68, EYES, CENTER), IBUG_68)
    missing = [REGIONS.index(name) for name in ("forehead", "background")]
    assert np.isnan(sample.energy[missing]).all()
    assert np.isnan(sample.level[missing]).all()
    np.testing.assert_array_equal(sample.pixels[missing], 0)
    rest = [index for index in range(len(REGIONS)) if index not in missing]
    assert np.isfinite(sample.energy[rest]).all()


@pytest.mark.parametrize("bottom", [230, 249])  # above the mouth, and through it
def test_parts_out_of_the_picture_are_nan(bottom: int) -> None:
    image = skin(SIZE, SIZE, 9)[:bottom]
    sample = _measure(np.ascontiguousarray(image))
    assert np.isnan(sample.energy[[LIPS, REGIONS.index("chin")]]).all()
    assert np.isfinite(sample.energy[REGIONS.index("eyes")]).all()


def test_regions_too_small_are_nan() -> None:
    sample = _measure(skin(SIZE, SIZE, 9), face_points(MEDIAPIPE_478, 10.0, CENTER))
    assert 0 < sample.pixels[LIPS] < 16
    assert np.isnan(sample.energy[LIPS]).all()
    assert np.isnan(sample.level[LIPS])
    assert np.isnan(sample.gradient[LIPS])


@pytest.mark.parametrize(
    "points",
    [
        face_points(MEDIAPIPE_478, EYES, (-900.0, 100.0)),
        face_points(MEDIAPIPE_478, EYES, (100.0, 3000.0)),
        FacePoints(np.full((478, 2), np.nan, np.float32), None, 1.0),
    ],
)
def test_a_face_that_is_not_there_is_nan(points: FacePoints) -> None:
    sample = _measure(skin(SIZE, SIZE, 10), points)
    assert np.isnan(sample.energy).all()
    assert np.isnan(sample.gradient).all()
    assert not sample.pixels.any()


def test_a_black_picture_has_finite_measures() -> None:
    sample = _measure(np.zeros((SIZE, SIZE, 3), np.uint8))
    assert np.isfinite(sample.energy).all()
    np.testing.assert_array_equal(sample.gradient, 0)


@pytest.mark.parametrize("times", [1, 2])
def test_large_faces_rest_between_frames(times: int) -> None:
    image = skin(1100, 900, 11)
    points = face_points(MEDIAPIPE_478, times * FULL_RATE_PX + 10, (450.0, 100.0))
    meter = TextureMeter(MEDIAPIPE_478)
    measured = [bool(np.isfinite(meter.measure(image, points).energy[LIPS, 0])) for _ in range(5)]
    assert measured == [index % (times + 1) == 0 for index in range(5)]


def test_track_puts_samples_on_its_clock() -> None:
    points: list[FacePoints | None] = [
        face_points(MEDIAPIPE_478, EYES, (CENTER[0] + 3 * index, CENTER[1])) for index in range(6)
    ]
    points[2] = None
    image = skin(SIZE, SIZE, 12)
    meter = TextureMeter(MEDIAPIPE_478)
    samples = [None if point is None else meter.measure(image, point) for point in points]
    track = face_track(MEDIAPIPE_478, points)
    texture = texture_track(samples, track, mouth_motion(track, EYES, yaw_deg=-7.0))
    assert texture.regions == REGIONS
    assert texture.scales == SCALES
    np.testing.assert_array_equal(texture.times_s, track.times_s)
    np.testing.assert_array_equal(np.isfinite(texture.energy[:, LIPS, 0]), track.seen)
    np.testing.assert_allclose(texture.speed[[0, 1, 4]], 3 / EYES * 25, rtol=1e-3)
    assert np.isnan(texture.speed[2])
    np.testing.assert_array_equal(texture.turn, -7.0)


def test_track_refuses_samples_of_another_length() -> None:
    track = face_track(MEDIAPIPE_478, [FACE, FACE])
    with pytest.raises(ValueError, match="1 samples and 2 mouths for a track of 2 frames"):
        texture_track([None], track, mouth_motion(track, EYES))
