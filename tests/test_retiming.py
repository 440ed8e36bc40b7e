from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from drawn_face import face_points, face_track, mouth_motion, skin, within
from lipaccord.cues.retiming import COLUMNS, LIMIT, MIN_STEPS, RetimingCue, RetimingProbe
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import (
    Evidence,
    FacePoints,
    FloatArray,
    Frame,
    Image,
    Interval,
    LandmarkLayout,
    ProbeTrack,
    SpeechActivity,
    Tracks,
)
from lipaccord.views import face_view
from made_tracks import talking

EYES_PX = 40.0
SIDE = 200
FRAMES = 76
RATE_HZ = 25.0


@functools.cache
def skins() -> tuple[Image, Image]:
    """Draw the skin of the face, and what moves in the mouth; smooth, so that twice the way is twice the difference."""
    soft = [np.asarray(cv2.GaussianBlur(skin(SIDE, SIDE, seed, 60.0), (0, 0), 2.0), np.uint8) for seed in (0, 1)]
    return soft[0], soft[1]


def shifted(image: Image, time: float) -> Image:
    """Let the head sway: the picture at a time in frames, by about half a pixel a frame."""
    x, y = 6 * np.sin(time / 9.0), 6 * np.cos(time / 13.0)
    matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    return np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT), np.uint8)


def picture(head: float, mouth: float, points: FacePoints) -> Image:
    """Draw the moment `head` of the head's motion with the moment `mouth` of the mouth's."""
    face, lips = skins()
    inside = points.xy[list(MEDIAPIPE_478.rings["outer_lips"])]
    return within(shifted(face, head), shifted(lips, mouth), inside)


POINTS = face_points(MEDIAPIPE_478, EYES_PX, (SIDE / 2, 0.36 * SIDE))


def probe_track(pictures: Sequence[Image]) -> ProbeTrack:
    probe, rows, previous = RetimingProbe(), [], None
    for index, image in enumerate(pictures):
        view = face_view(MEDIAPIPE_478, Frame(index, index / RATE_HZ, image), POINTS)
        assert view is not None
        rows.append(probe.measure(view, previous))
        previous = view
    return ProbeTrack(np.arange(len(rows)) / RATE_HZ, COLUMNS, np.array(rows))


def tracks(pictures: Sequence[Image]) -> Tracks:
    """Put pictures of a face that stays where it is in the tracks of a clip that speaks throughout."""
    track = face_track(MEDIAPIPE_478, [POINTS] * len(pictures), RATE_HZ)
    base = talking(seconds=len(pictures) / RATE_HZ)
    return dataclasses.replace(
        base, face=track, mouth=mouth_motion(track, EYES_PX), probes={"retiming": probe_track(pictures)}
    )


def measure(heads: Sequence[float], mouths: Sequence[float] | None = None) -> Evidence:
    return RetimingCue().measure(
        tracks([picture(h, m, POINTS) for h, m in zip(heads, heads if mouths is None else mouths, strict=True)])
    )


def with_repeats(*frames: int) -> list[float]:
    """Moments of a clip in which the pictures at `frames` repeat the ones before."""
    steps = np.ones(FRAMES)
    steps[list(frames)] = 0
    return list(np.cumsum(steps))


STRAIGHT = with_repeats()
IRREGULAR = (20, 27, 33, 34, 45, 58)
CONVERTED = (11, 36, 60)


def parts(evidence: Evidence) -> dict[str, float]:
    result: dict[str, float] = evidence.details["parts"]
    return result


def test_a_clip_as_the_camera_took_it_is_quiet() -> None:
    evidence = measure(STRAIGHT)
    assert evidence.score is not None
    assert evidence.score < LIMIT / 2
    assert evidence.details["repeated_frames"] == 0
    assert evidence.segments == ()
    assert "as a camera takes them" in evidence.summary


def test_pictures_shown_twice_at_odd_places_are_counted_and_shown() -> None:
    evidence = measure(with_repeats(*IRREGULAR))
    assert evidence.details["repeated_frames"] == evidence.details["off_beat"] == len(IRREGULAR)
    assert evidence.score == parts(evidence)["repeats"] > LIMIT
    assert "off any regular beat" in evidence.summary
    assert {round(time * RATE_HZ) for time in evidence.frames_s} <= set(IRREGULAR)


@pytest.mark.parametrize("frames", [CONVERTED, tuple(range(4, FRAMES, 5)), tuple(range(3, FRAMES, 2))])
def test_a_change_of_the_frame_rate_is_innocent_and_said(frames: tuple[int, ...]) -> None:
    evidence = measure(with_repeats(*frames))
    assert evidence.details["repeated_frames"] >= 3
    assert evidence.details["off_beat"] == 0
    assert evidence.score is not None
    assert evidence.score < LIMIT
    assert "as a change of the frame rate does" in evidence.summary
    assert evidence.segments == ()


def test_a_stretch_that_was_slowed_is_a_segment() -> None:
    evidence = measure(with_repeats(*range(30, 60, 2)))
    assert parts(evidence)["repeats"] > LIMIT
    [segment] = evidence.segments
    assert segment.interval.start_s == pytest.approx(30 / RATE_HZ, abs=0.5)
    assert segment.interval.end_s == pytest.approx(60 / RATE_HZ, abs=0.5)


def test_a_painted_mouth_moves_on_while_the_picture_stands() -> None:
    heads = with_repeats(*CONVERTED)
    still, painted = measure(heads), measure(heads, STRAIGHT)
    assert painted.details["mouth_at_repeats"] > still.details["mouth_at_repeats"] + 2
    assert parts(still)["mouth"] < LIMIT < parts(painted)["mouth"] == painted.score
    assert "the mouth moves on while the rest stands still" in painted.summary


def test_pictures_left_out_are_counted() -> None:
    steps = np.ones(FRAMES)
    left_out = [9, 15, 21, 27, 34, 40, 46, 52, 58, 63, 69]
    steps[left_out] = 3
    evidence = measure(list(np.cumsum(steps)))
    assert evidence.details["skipped_frames"] >= len(left_out) - 2
    assert parts(evidence)["skips"] > LIMIT
    assert "jumps for a single frame" in evidence.summary
    assert measure(STRAIGHT).details["skipped_frames"] == 0


@pytest.mark.parametrize("process", ["blurred", "darker", "larger"])
def test_what_is_done_to_the_whole_picture_changes_nothing(process: str) -> None:
    def processed(image: Image) -> Image:
        if process == "blurred":
            return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)
        if process == "darker":
            return np.asarray(np.rint(image * 0.6), np.uint8)
        big = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.resize(big, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)

    heads = with_repeats(*CONVERTED, 50)
    pictures = [picture(head, head, POINTS) for head in heads]
    plain = RetimingCue().measure(tracks(pictures))
    changed = RetimingCue().measure(tracks([processed(image) for image in pictures]))
    for name in ("repeated_frames", "off_beat", "skipped_frames"):
        assert changed.details[name] == plain.details[name]
    assert changed.score == pytest.approx(plain.score, abs=0.7)


def test_a_picture_that_stands_still_can_not_be_judged() -> None:
    evidence = measure([1.0] * FRAMES)
    assert [reason.code for reason in evidence.abstained] == ["nothing_moves"]
    assert "moves in only 0 frames" in evidence.summary
    for count in (15, MIN_STEPS + 3):  # enough to follow one another, and too few without both ends
        assert [reason.code for reason in measure(STRAIGHT[:count]).abstained] == ["too_few_frames"]


def activity(tracks: Tracks, *speech: Interval) -> Tracks:
    count = len(tracks.activity.times_s)
    heard = SpeechActivity(tracks.activity.times_s, np.ones(count, np.float32), np.zeros(count, np.float32), speech)
    return dataclasses.replace(tracks, activity=heard)


def moving(tracks: Tracks, speed: FloatArray) -> Tracks:
    """Let the landmarks travel by `speed` eye distances a second."""
    points = tracks.face.points.copy()
    points[:, :, 0] += (np.cumsum(speed) / RATE_HZ * EYES_PX)[:, None]
    return dataclasses.replace(tracks, face=dataclasses.replace(tracks.face, points=points))


def test_a_head_that_stops_when_the_speech_pauses_is_told() -> None:
    base = tracks([picture(head, head, POINTS) for head in STRAIGHT])
    base = activity(base, Interval(0.0, 1.0), Interval(2.0, 3.1))
    pause = (np.arange(FRAMES) >= 25) & (np.arange(FRAMES) < 50)
    even = RetimingCue().measure(moving(base, np.full(FRAMES, 0.3, np.float32)))
    stops = RetimingCue().measure(moving(base, np.where(pause, 0.0, 0.3).astype(np.float32)))
    assert even.details["head_in_pauses"] == pytest.approx(0.0, abs=0.05)
    assert parts(even)["head"] < 0.5
    assert parts(stops)["head"] > LIMIT
    assert "The head stops when the speech pauses" in stops.summary


def test_without_pauses_the_head_tells_nothing() -> None:
    evidence = measure(STRAIGHT)
    assert evidence.details["head_in_pauses"] is None
    assert "head" not in parts(evidence)


@pytest.mark.parametrize("layout", [MEDIAPIPE_478, IBUG_68], ids=lambda layout: layout.name)
def test_the_probe_knows_the_parts_of_both_layouts(layout: LandmarkLayout) -> None:
    points = face_points(layout, EYES_PX, (SIDE / 2, 0.36 * SIDE))
    image = skins()[0][:SIDE, :SIDE]
    changed = image.copy()
    low, high = points.xy[list(layout.rings["outer_lips"])].min(0), points.xy[list(layout.rings["outer_lips"])].max(0)
    changed[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] //= 2
    views = [
        face_view(layout, Frame(k, k / 25, np.ascontiguousarray(i)), points) for k, i in enumerate([image, changed])
    ]
    assert views[0] is not None
    assert views[1] is not None
    row = dict(zip(COLUMNS, RetimingProbe().measure(views[1], views[0]), strict=True))
    assert [row["rest"], row["surroundings"]] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert row["mouth"] > 20
    assert 0.5 < row["unchanged"] < 1


def test_the_cut_may_move_between_two_frames() -> None:
    image = np.ascontiguousarray(skins()[0])
    near, far = (face_points(MEDIAPIPE_478, EYES_PX, (110 + shift, 90 + shift)) for shift in (0, 17))
    views = [face_view(MEDIAPIPE_478, Frame(k, k / 25, image), points) for k, points in enumerate((near, far))]
    assert views[0] is not None
    assert views[1] is not None
    assert views[0].corner != views[1].corner
    for now, before in ((views[1], views[0]), (views[0], views[1])):
        row = dict(zip(COLUMNS, RetimingProbe().measure(now, before), strict=True))
        assert row == {"rest": 0.0, "surroundings": 0.0, "mouth": 0.0, "unchanged": 1.0}
    assert np.isnan(RetimingProbe().measure(views[0], None)).all()
