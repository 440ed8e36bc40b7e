from __future__ import annotations

import numpy as np
import pytest

from drawn_face import face_points, face_track, mouth_motion, skin
from lipaccord.crops import SCOPES
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceTrack, FaceView, FloatArray, Frame, Probe
from lipaccord.texture import TextureMeter
from lipaccord.watch import FaceWatch

EYES = 60.0
SIDE = 280
CENTER = (140.0, 100.0)
FACE = face_points(MEDIAPIPE_478, EYES, CENTER)
AWAY = face_points(MEDIAPIPE_478, EYES, (-900.0, 100.0))
PICTURES = [skin(SIDE, SIDE, seed, 20.0) for seed in range(3)]


class Diary:
    """A probe that writes down which frames it was shown."""

    columns = ("frame", "before")

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        return np.array([view.frame, np.nan if previous is None else previous.frame], np.float32)


class Size:
    columns = ("eyes",)

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        return np.array([view.interocular_px], np.float32)


def watched(points: list[FacePoints | None], first: int = 0, **probes: Probe) -> tuple[FaceWatch, FaceTrack]:
    """Watch a face in successive frames, from frame `first` of a clip."""
    watch = FaceWatch(MEDIAPIPE_478, probes)
    for place, point in enumerate(points):
        if point is not None:
            watch.look(Frame(first + place, (first + place) / 25, PICTURES[place % 3]), point)
    track = face_track(MEDIAPIPE_478, points)
    return watch, FaceTrack(
        track.id, track.layout, track.times_s + first / 25, track.frames + first, track.points, None, track.scores
    )


def test_every_probe_gets_its_own_columns_on_the_clock_of_the_track() -> None:
    watch, track = watched([FACE] * 4, 30, size=Size(), diary=Diary())
    found = watch.probes(track)
    assert list(found) == ["size", "diary"]
    assert (found["size"].columns, found["diary"].columns) == (Size.columns, Diary.columns)
    np.testing.assert_allclose(found["size"].column("eyes"), EYES, rtol=1e-4)
    np.testing.assert_array_equal(found["diary"].column("frame"), [30, 31, 32, 33])
    np.testing.assert_array_equal(found["diary"].column("before"), [np.nan, 30, 31, 32])
    for probe in found.values():
        np.testing.assert_array_equal(probe.times_s, track.times_s)


@pytest.mark.parametrize("gap", [None, AWAY], ids=["not located", "off the picture"])
def test_a_gap_stays_a_gap_and_has_no_frame_before_it(gap: FacePoints | None) -> None:
    watch, track = watched([FACE, FACE, gap, FACE, FACE], diary=Diary())
    found = watch.probes(track)["diary"]
    np.testing.assert_array_equal(found.column("frame"), [0, 1, np.nan, 3, 4])
    np.testing.assert_array_equal(found.column("before"), [np.nan, 0, np.nan, np.nan, 3])


def test_frames_that_the_track_has_lost_are_left_out() -> None:
    """A track may be cut at its ends after its frames were looked at."""
    watch, track = watched([FACE] * 6, diary=Diary())
    part = slice(2, 5)
    short = FaceTrack(
        track.id,
        track.layout,
        track.times_s[part],
        track.frames[part],
        track.points[part],
        None,
        track.scores[part],
    )
    np.testing.assert_array_equal(watch.probes(short)["diary"].column("frame"), [2, 3, 4])
    texture = watch.texture(short, mouth_motion(short, EYES))
    np.testing.assert_array_equal(texture.times_s, short.times_s)


def test_the_texture_is_that_of_the_meter() -> None:
    watch, track = watched([FACE, None, FACE])
    texture = watch.texture(track, mouth_motion(track, EYES))
    meter = TextureMeter(MEDIAPIPE_478)
    for row, picture in ((0, PICTURES[0]), (2, PICTURES[2])):
        np.testing.assert_array_equal(texture.energy[row], meter.measure(picture, FACE).energy)
    assert np.isnan(texture.energy[1]).all()


def test_crops_are_taken_of_neighbouring_frames_only() -> None:
    watch, _ = watched([FACE, FACE, FACE, FACE, FACE, None, FACE, None, FACE, FACE], 10)
    for scope, found in watch.crops().items():
        assert scope in SCOPES
        np.testing.assert_allclose(found.times_s, np.array([10, 12, 18]) / 25)


def test_no_probes_are_no_trouble() -> None:
    watch, track = watched([FACE] * 2)
    assert watch.probes(track) == {}
    assert len(watch.crops()["lower"].times_s) == 1


def test_a_face_that_was_never_seen_gives_nothing() -> None:
    watch, track = watched([None, None], diary=Diary())
    assert np.isnan(watch.probes(track)["diary"].values).all()
    assert np.isnan(watch.texture(track, mouth_motion(track, EYES)).energy).all()
    assert all(len(found.times_s) == 0 for found in watch.crops().values())
