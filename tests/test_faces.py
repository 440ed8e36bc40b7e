"""Tracking of faces whose every place is known, and the handing out of tracks that were stored."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.errors import TracksError
from lipaccord.faces import CutDetector, FaceTracker, Sighting, StoredTracker
from lipaccord.records import FacePoints, FaceRegion, FaceTrack, Frame, Image, LandmarkLayout

LAYOUT = LandmarkLayout(
    name="four eye corners",
    count=4,
    lips=(),
    native_lips=(),
    rigid=(0, 1, 2, 3),
    right_eye=(0, 1),
    left_eye=(3, 2),
    mouth_corners=(0, 3),
    inner_lip_pairs=(),
    rings={},
)
SIZE = 60.0  # side of a region: so 24 px are a jump, and 21 px are another face
Place = tuple[float, float]
Path = Callable[[float], Place | None]


def at(x: float, start_s: float = 0.0, end_s: float = 99.0) -> Path:
    """Return the path of a face that stands at (x, 100) from `start_s` until just before `end_s`."""
    return lambda time_s: (x, 100.0) if start_s <= time_s < end_s else None


def during(*paths: tuple[float, float, float]) -> Path:
    """Return the path of a face that stands at x between two times, for each (x, start_s, end_s)."""
    parts = [at(*path) for path in paths]
    return lambda time_s: next((place for part in parts if (place := part(time_s))), None)


class Stage:
    """A backend that sees faces on known paths: four points each, `eyes_px` between the eyes.

    Regions detected lie `bias` px right of the face; a face is located from up to `reach` px away, the nearest first.
    """

    name = "stage"
    version = "1"
    layout = LAYOUT

    def __init__(self, *paths: Path, eyes_px: float = 20.0, bias: float = 0.0, reach: float = 50.0) -> None:
        self.paths, self.eyes_px, self.bias, self.reach = paths, eyes_px, bias, reach
        self.detected_s: list[float] = []
        self.located = 0
        self.alive: list[weakref.ref[Any]] = []

    def detect(self, frame: Frame) -> list[FaceRegion]:
        self.detected_s.append(frame.time_s)
        places = [place for path in self.paths if (place := path(frame.time_s))]
        return [FaceRegion(x + self.bias, y, SIZE, 0.0, 0.9 - k / 10) for k, (x, y) in enumerate(places)]

    def locate(self, frame: Frame, region: FaceRegion) -> FacePoints | None:
        self.located += 1
        places = [place for path in self.paths if (place := path(frame.time_s))]
        x, y = min(places, key=lambda place: abs(place[0] - region.center_x), default=(-999.0, 0.0))
        if abs(x - region.center_x) > self.reach:
            return None
        across = np.array([-0.75, -0.25, 0.25, 0.75]) * self.eyes_px
        xy = np.stack([x + across, np.full(4, y)], axis=1).astype(np.float32)
        points = FacePoints(xy, np.full(4, frame.time_s, np.float32), 0.75)
        self.alive.append(weakref.ref(points.xy))
        return points

    def follow(self, points: FacePoints) -> FaceRegion:
        x, y = points.xy.mean(axis=0)
        return FaceRegion(float(x), float(y), SIZE, 0.0, 1.0)


def clock(seconds: float, rate_hz: float = 25.0, start_s: float = 0.0) -> NDArray[np.float64]:
    return start_s + np.arange(round(seconds * rate_hz)) / rate_hz


def grey(level: float, height: int = 16, width: int = 24) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def play(
    tracker: FaceTracker | StoredTracker,
    times_s: Iterable[float],
    picture: Callable[[float], Image] = lambda _: grey(90),
) -> list[list[Sighting]]:
    """Feed a clip; return the sightings of each frame."""
    return [tracker.feed(Frame(k, time_s, picture(time_s))) for k, time_s in enumerate(map(float, times_s))]


def tracks_of(
    stage: Stage,
    times_s: Iterable[float],
    picture: Callable[[float], Image] = lambda _: grey(90),
    max_faces: int = 3,
) -> list[FaceTrack]:
    tracker = FaceTracker(stage, max_faces)
    play(tracker, times_s, picture)
    return list(tracker.finish().values())


def x_of(track: FaceTrack) -> NDArray[np.float32]:
    return np.asarray(track.points[:, :, 0].mean(axis=1))


def test_one_face_is_one_track() -> None:
    times = clock(3, start_s=7.0)
    stage = Stage(lambda time_s: (100 + 40 * (time_s - 7), 100.0))
    tracker = FaceTracker(stage)
    shown = play(tracker, times)
    assert [len(sightings) for sightings in shown] == [1] * 75
    tracks = tracker.finish()
    assert list(tracks) == [shown[0][0].key]
    track = tracks[shown[0][0].key]
    assert (track.id, track.layout) == ("face-1", LAYOUT)
    np.testing.assert_array_equal(track.times_s, times)
    np.testing.assert_array_equal(track.frames, np.arange(75))
    np.testing.assert_array_equal(track.points, [sightings[0].points.xy for sightings in shown])
    np.testing.assert_allclose(x_of(track), 100 + 40 * (times - 7), atol=1e-3)
    assert track.depth is not None
    np.testing.assert_array_equal(track.depth[:, 0], times.astype(np.float16))
    assert (track.scores == 0.75).all()


def test_without_a_face_there_is_no_track() -> None:
    tracker = FaceTracker(Stage())
    assert play(tracker, clock(2)) == [[]] * 50
    assert tracker.finish() == {}
    assert FaceTracker(Stage()).finish() == {}


def test_a_backend_without_depth_gives_none() -> None:
    stage = Stage(at(100))
    locate = stage.locate

    def flat(frame: Frame, region: FaceRegion) -> FacePoints | None:
        points = locate(frame, region)
        return points and dataclasses.replace(points, depth=None)

    stage.locate = flat  # type: ignore[method-assign]
    [track] = tracks_of(stage, clock(1))
    assert track.depth is None


def test_a_short_gap_stays_a_gap_in_the_track() -> None:
    times = clock(4)
    [track] = tracks_of(Stage(during((100, 0, 1), (105, 1.7, 4))), times)
    np.testing.assert_array_equal(track.times_s, times)
    back_s = times[track.seen & (times >= 1)][0]
    assert 1.7 <= back_s <= 1.94, "it is searched for five times a second"
    hidden = (times >= 1) & (times < back_s)
    np.testing.assert_array_equal(~track.seen, hidden)
    assert np.isnan(track.points[hidden]).all()
    assert track.depth is not None
    assert np.isnan(track.depth[hidden]).all()
    assert not track.scores[hidden].any()


def test_a_long_gap_begins_a_new_track() -> None:
    first, second = tracks_of(Stage(during((100, 0, 1), (100, 2.2, 4))), clock(4))
    assert first.times_s[-1] == 0.96
    assert first.seen.all(), "frames unseen at the end are cut off"
    assert 2.2 <= second.times_s[0] <= 2.44
    assert (first.id, second.id) == ("face-1", "face-2")


def test_a_face_is_forgotten_though_no_frame_was_shown_meanwhile() -> None:
    """The face is hidden in one frame, then the picture stands for two seconds."""
    times = np.concatenate([clock(1.04), clock(1, start_s=3.0)])
    assert len(tracks_of(Stage(during((100, 0, 1), (100, 3, 9))), times)) == 2


def test_unseen_frames_at_the_end_are_cut_off() -> None:
    [track] = tracks_of(Stage(at(100, 0, 1)), clock(1.6))
    assert len(track.frames) == 25
    assert track.seen.all()


@pytest.mark.parametrize("change", [lambda t: grey(90 if t < 1.2 else 150), lambda t: grey(90, 17 if t < 1.2 else 18)])
def test_a_scene_cut_ends_the_track(change: Callable[[float], Image]) -> None:
    stage = Stage(at(100))
    first, second = tracks_of(stage, clock(2), change)
    assert (first.frames[0], first.frames[-1], second.frames[0], second.frames[-1]) == (0, 29, 30, 49)
    assert 1.2 in stage.detected_s, "a new shot is searched at once"


def test_a_slow_fade_is_no_cut() -> None:
    assert len(tracks_of(Stage(at(100)), clock(2), lambda t: grey(20 + 100 * t))) == 1


def test_a_cut_is_measured_against_the_usual_change() -> None:
    cuts = CutDetector()
    levels = [15 * (k % 2) for k in range(60)]
    assert not any(cuts.feed(grey(level)) for level in levels)
    assert not cuts.feed(grey(15 + 50))
    assert cuts.feed(grey(15 + 50 + 80))


def test_two_faces_are_two_tracks() -> None:
    first, second = tracks_of(Stage(at(100), at(200)), clock(2))
    assert (first.id, second.id) == ("face-1", "face-2")
    np.testing.assert_allclose(x_of(first), 100)
    np.testing.assert_allclose(x_of(second), 200)
    assert len(first.frames) == len(second.frames) == 50


def test_a_jump_is_refused() -> None:
    """Between neighbouring frames 23 px are a movement, 25 px are another face."""
    [moved] = tracks_of(Stage(during((100, 0, 1), (123, 1, 9))), clock(2))
    assert moved.seen.all()
    first, second = tracks_of(Stage(during((100, 0, 1), (125, 1, 9))), clock(3))
    assert first.frames[-1] == 24
    assert x_of(second).min() == 125


def test_a_stray_sight_leaves_the_face_where_it_was() -> None:
    [track] = tracks_of(Stage(during((100, 0, 1), (145, 1, 1.04), (100, 1.04, 9))), clock(2))
    assert not track.seen[25]
    np.testing.assert_allclose(x_of(track)[track.seen], 100)


def test_what_turns_up_beside_a_lost_face_is_another() -> None:
    """It is detected near the lost face, but 22 px from it once located: more than `SAME_FACE`, less than a jump."""
    stage = Stage(during((100, 0, 1), (122, 1.3, 3)), bias=-10)
    first, second = tracks_of(stage, clock(3))
    assert x_of(first).max() == 100
    assert x_of(second).min() == 122
    [same] = tracks_of(Stage(during((100, 0, 1), (120, 1.3, 3)), bias=-10), clock(3))
    assert x_of(same)[-1] == 120


def test_a_detection_that_settles_on_a_followed_face_is_none() -> None:
    tracker = FaceTracker(Stage(at(100), bias=30))
    assert [len(sightings) for sightings in play(tracker, clock(3))] == [1] * 75
    assert len(tracker.finish()) == 1


def test_of_twins_the_younger_is_ended() -> None:
    """The second face comes up to the first and vanishes there: its region then leads to the first."""
    first, second = tracks_of(Stage(at(100), lambda t: None if t > 2.2 else (200 - 35 * t, 100.0)), clock(3))
    assert len(first.frames) == 75
    assert first.seen.all()
    assert (x_of(first) == 100).all()
    assert second.times_s[-1] == 2.2
    assert x_of(second)[-1] == pytest.approx(123)


@pytest.mark.parametrize("rate_hz", [10.0, 25.0, 50.0, 120.0])
def test_detection_runs_again_after_a_time_not_a_number_of_frames(rate_hz: float) -> None:
    stage = Stage(at(100))
    play(FaceTracker(stage), clock(4, rate_hz, start_s=3.0))
    gaps = np.diff(stage.detected_s)
    assert stage.located == round(4 * rate_hz), "a face that is followed is not located once more"
    assert stage.detected_s[0] == 3.0
    assert gaps.min() >= 0.5 - 1e-9
    assert gaps.max() <= 0.5 + 1 / rate_hz + 1e-9


def test_the_search_slows_down_where_there_is_no_face() -> None:
    stage = Stage()
    play(FaceTracker(stage), clock(30, start_s=100.0))
    gaps = np.diff(stage.detected_s)
    assert gaps[:8] == pytest.approx(0.2)
    assert gaps[-9:] == pytest.approx(1.0)
    assert (np.diff(gaps) > -0.05).all()


def test_a_lost_face_is_searched_for_at_once() -> None:
    stage = Stage(at(100, 0, 4.8))
    play(FaceTracker(stage), clock(5.4))
    assert [time for time in stage.detected_s if time > 4.6] == pytest.approx([4.68, 4.88, 5.08, 5.28])


def test_a_variable_frame_rate_is_taken_as_it_is() -> None:
    times = np.cumsum(np.random.default_rng(3).uniform(0.01, 0.15, 80))
    stage = Stage(at(100), at(200, 2.0))
    first, second = tracks_of(stage, times)
    np.testing.assert_array_equal(first.times_s, times)
    np.testing.assert_array_equal(second.times_s, times[second.frames])
    assert 2.0 <= second.times_s[0] <= 2.0 + 0.5 + 0.15
    assert np.diff(stage.detected_s).min() >= 0.5


@pytest.mark.parametrize(("frames", "kept"), [(4, 0), (5, 1)])
def test_a_short_track_is_dropped(frames: int, kept: int) -> None:
    assert len(tracks_of(Stage(at(100)), clock(frames / 25))) == kept


def test_gaps_do_not_lengthen_a_short_track() -> None:
    assert tracks_of(Stage(during((100, 0, 0.08), (100, 0.4, 0.48))), clock(1)) == []


@pytest.mark.parametrize(("eyes_px", "kept"), [(7.9, 0), (8.1, 1)])
def test_a_small_face_is_dropped(eyes_px: float, kept: int) -> None:
    assert len(tracks_of(Stage(at(100), eyes_px=eyes_px), clock(1))) == kept


def test_names_follow_the_order_of_appearance() -> None:
    """The first face stays longest, the third is too short to be kept, the fourth ends before the second."""
    stage = Stage(at(100), at(200, 0.5, 2.5), at(300, 0.5, 0.6), at(400, 1.2, 1.6))
    tracker = FaceTracker(stage, max_faces=4)
    shown = play(tracker, clock(4))
    tracks = tracker.finish()
    assert [(track.id, x_of(track)[0]) for track in tracks.values()] == [
        ("face-1", 100),
        ("face-2", 200),
        ("face-3", 400),
    ]
    assert list(tracks) == [0, 1, 3], "the third was seen, but dropped"
    for key, track in tracks.items():
        mine = [sighting.points.xy for sightings in shown for sighting in sightings if sighting.key == key]
        np.testing.assert_array_equal(track.points[track.seen], mine)


def test_no_more_faces_are_followed_than_asked_for() -> None:
    stage = Stage(at(100), at(200), at(300))
    first, second = tracks_of(stage, clock(2), max_faces=2)
    assert (x_of(first)[0], x_of(second)[0]) == (100, 200), "the best detections"
    assert stage.located == 2 * 50, "the third is not even looked at"
    assert stage.detected_s == [0.0], "nor is another searched for"


def test_a_lost_face_keeps_its_place_until_it_is_forgotten() -> None:
    stage = Stage(at(100, 0, 1), at(200, 0.5))
    first, second = tracks_of(stage, clock(4), max_faces=1)
    assert first.times_s[-1] == 0.96
    assert 1.96 <= second.times_s[0] <= 2.24


def test_a_track_that_ends_gives_its_memory_back() -> None:
    """Points are copied as they come: nothing of them is held one by one, before the cut or after."""
    stage = Stage(at(100), at(200, 0.96))
    tracker = FaceTracker(stage)
    for k, time_s in enumerate(clock(1.04)):
        tracker.feed(Frame(k, float(time_s), grey(90 if time_s < 1 else 150)))
    assert len(stage.alive) > 50 / 2
    assert not any(ref() is not None for ref in stage.alive)
    assert [len(track.times_s) for track in tracker.finish().values()] == [25]


def story() -> Stage:
    """Return faces that come and go, one of them too short to be kept."""
    return Stage(during((100, 0, 1), (105, 1.5, 9)), at(200, 0.7, 2.1), at(300, 0.48, 0.6))


def test_stored_tracks_are_handed_out_as_they_are() -> None:
    tracker, times = FaceTracker(story()), clock(3)
    live = play(tracker, times)
    tracks = tracker.finish()
    assert [int((~track.seen).sum()) for track in tracks.values()] == [13, 0]
    assert {sighting.key for sightings in live for sighting in sightings} - set(tracks), "one was dropped"
    replay = StoredTracker(list(tracks.values()))
    again = play(replay, times)
    back = replay.finish()
    assert list(back) == [0, 1]
    assert all(one is other for one, other in zip(back.values(), tracks.values(), strict=True))
    for number, key in enumerate(tracks):
        pairs = [
            [next((sighting.points for sighting in sightings if sighting.key == wanted), None) for sightings in run]
            for run, wanted in ((live, key), (again, number))
        ]
        for one, other in zip(*pairs, strict=True):
            assert (one is None) == (other is None)
            if one is None or other is None:
                continue
            np.testing.assert_array_equal(one.xy, other.xy)
            assert one.depth is not None
            assert other.depth is not None
            assert other.depth.dtype == np.float32
            np.testing.assert_array_equal(one.depth.astype(np.float16), other.depth)
            assert one.score == other.score


def test_sightings_of_stored_tracks_come_in_the_order_of_the_tracks() -> None:
    late, early = tracks_of(Stage(at(100, 1.0)), clock(2)) + tracks_of(Stage(at(200)), clock(2))
    shown = play(StoredTracker([late, early]), clock(2))
    assert [sighting.key for sighting in shown[0]] == [1]
    assert [sighting.key for sighting in shown[-1]] == [0, 1]


def test_no_stored_tracks_fit_any_clip() -> None:
    replay = StoredTracker([])
    assert play(replay, clock(1)) == [[]] * 25
    assert replay.finish() == {}


def stored() -> StoredTracker:
    """Return one track in frames 10 to 34."""
    return StoredTracker(tracks_of(Stage(at(100, 0.4, 1.4)), clock(2)))


def test_a_longer_clip_and_a_rounded_time_are_the_same_clip() -> None:
    replay = stored()
    play(replay, clock(3) + 5e-7)
    assert [track.frames[0] for track in replay.finish().values()] == [10]


@pytest.mark.parametrize(
    ("frames", "shift_s", "message"),
    [
        (range(50), 2e-6, r"frame 10 at 0\.400000 s where the clip has frame 10 at 0\.400002 s"),
        (range(20, 50), 0.0, r"frame 10 at 0\.400000 s where the clip has frame 20"),
        ([*range(20), *range(21, 50)], 0.0, "frame 20 at .* where the clip has frame 21"),
        ([*range(20), 19, *range(20, 50)], 0.0, "frame 20 at .* where the clip has frame 19"),
        (range(34), 0.0, "the clip ends before frame 34, the last of face-1"),
        (range(9), 0.0, "the clip ends before frame 34, the last of face-1"),
        ([], 0.0, "the clip ends before frame 34, the last of face-1"),
    ],
    ids=["other times", "late start", "frame left out", "frame twice", "cut short", "much too short", "nothing"],
)
def test_stored_tracks_refuse_another_clip(frames: Iterable[int], shift_s: float, message: str) -> None:
    replay = stored()

    def run() -> None:
        for index in frames:
            replay.feed(Frame(index, index / 25 + shift_s, grey(90)))
        replay.finish()

    with pytest.raises(TracksError, match=f"made from another clip.*{message}.*--save-tracks"):
        run()


def test_stored_tracks_refuse_frames_of_other_numbers() -> None:
    [track] = tracks_of(Stage(at(100)), clock(1))
    with pytest.raises(TracksError, match=r"frame 0 at .* where the clip has frame 7 at"):
        StoredTracker([track]).feed(Frame(7, 0.0, grey(90)))
