from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from drawn_face import face_points, face_track
from lipaccord.cues.smoothness import LIMIT, SmoothnessCue
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.mouth import mouth_motion
from lipaccord.records import Evidence, FacePoints, LandmarkLayout, Tracks
from made_tracks import talking

EYES_PX = 90.0
RATE_HZ = 25.0
SECONDS = 5.0
TREMBLE_PX, LIPS_PX = 0.2, 0.065
"""Of all points, and of those of the lips: with these the drawn face moves as steadily as an authentic one."""

LIPS = sorted({*MEDIAPIPE_478.rings["outer_lips"], *MEDIAPIPE_478.rings["inner_lips"]})


def noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


def talk(
    tremble_px: float = TREMBLE_PX,
    lips_px: float = LIPS_PX,
    rate_hz: float = RATE_HZ,
    eyes_px: float = EYES_PX,
    restless_from_s: float | None = None,
    layout: LandmarkLayout = MEDIAPIPE_478,
) -> Tracks:
    """Return a talking face: lips that open and close, a head that sways, points that tremble.

    Every point trembles by `tremble_px`, those of the lips by `lips_px`, or only from `restless_from_s` on.
    """
    count = round(SECONDS * rate_hz) + 1
    plain = face_points(layout, eyes_px, (300.0, 250.0)).xy.astype(np.float64)
    points = np.repeat(plain[None], count, axis=0)
    if layout is MEDIAPIPE_478:
        middle = plain[LIPS, 1].mean()
        opening = gaussian_filter1d(noise(1, (count,)), 0.08 * rate_hz)
        opening *= 0.25 / opening.std()
        points[:, LIPS, 1] = middle + (plain[LIPS, 1] - middle) * (1 + opening[:, None])
    points += 10 * np.sin(np.arange(count) / rate_hz)[:, None, None]
    trembling = tremble_px * noise(2, points.shape)
    if layout is MEDIAPIPE_478:
        first = round((restless_from_s or 0.0) * rate_hz)
        trembling[:first, LIPS] *= LIPS_PX / TREMBLE_PX
        trembling[first:, LIPS] *= lips_px / tremble_px
    located: list[FacePoints | None] = [FacePoints(xy.astype(np.float32), None, 1.0) for xy in points + trembling]
    track = face_track(layout, located, rate_hz)
    return dataclasses.replace(talking(seconds=SECONDS), face=track, mouth=mouth_motion(track))


def measure(tracks: Tracks) -> Evidence:
    return SmoothnessCue().measure(tracks)


def signed(tracks: Tracks) -> float:
    return float(measure(tracks).details["signed"])


def test_lips_that_tremble_more_than_the_face_are_told() -> None:
    assert abs(signed(talk())) < LIMIT / 2
    evidence = measure(talk(lips_px=2 * LIPS_PX))
    assert evidence.score == evidence.details["trembling"] > LIMIT
    assert "less steadily than eyelids and speech let expect" in evidence.summary
    assert evidence.frames_s


def test_lips_that_are_steadier_than_the_face_are_told() -> None:
    evidence = measure(talk(lips_px=LIPS_PX / 2))
    assert evidence.score == evidence.details["steady"] > LIMIT
    assert "more steadily than" in evidence.summary


def test_a_face_whose_points_all_tremble_more_moves_it_little() -> None:
    """What a small, blurred or noisy picture does to landmarks, it does to all of them."""
    base = signed(talk())
    lips_alone = signed(talk(lips_px=1.5 * LIPS_PX)) - base
    everything = signed(talk(tremble_px=1.5 * TREMBLE_PX, lips_px=1.5 * LIPS_PX)) - base
    assert abs(everything) < 0.75 * lips_alone


def test_a_motion_of_the_whole_face_does_not_enter() -> None:
    tracks = talk()
    jolts = 3 * noise(5, (len(tracks.face.times_s), 1, 2)).astype(np.float32)
    face = dataclasses.replace(tracks.face, points=tracks.face.points + jolts)
    moved = dataclasses.replace(tracks, face=face, mouth=mouth_motion(face))
    assert signed(moved) == pytest.approx(signed(tracks), abs=0.05)


def test_more_frames_a_second_are_thinned() -> None:
    assert measure(talk(rate_hz=50.0)).details["frames"] == pytest.approx(measure(talk()).details["frames"], abs=3)
    assert signed(talk(rate_hz=50.0)) == pytest.approx(signed(talk()), abs=2.0)


def test_a_stretch_of_trembling_lips_is_a_segment() -> None:
    evidence = measure(talk(lips_px=4 * LIPS_PX, restless_from_s=3.0))
    assert evidence.segments
    assert all(segment.interval.start_s > 2.5 for segment in evidence.segments)
    assert sum(segment.interval.duration_s for segment in evidence.segments) > 1.0
    assert all(time > 2.5 for time in evidence.frames_s[:3])


def test_a_gap_between_frames_is_not_taken_for_a_jerk() -> None:
    tracks = talk()
    times = tracks.face.times_s.copy()
    times[60:] += 0.5
    points = tracks.face.points.copy()
    points[60:, LIPS, 1] += 30
    face = dataclasses.replace(tracks.face, times_s=times, points=points)
    apart = dataclasses.replace(tracks, face=face, mouth=mouth_motion(face))
    evidence = measure(apart)
    assert evidence.details["frames"] < measure(tracks).details["frames"]
    [series] = evidence.series
    course = series.values[np.isfinite(series.values)]
    assert course.max() < np.nanmax(measure(tracks).series[0].values) + 0.5


@pytest.mark.parametrize(
    ("tracks", "code"),
    [
        (talk(eyes_px=20.0), "too_small"),
        (talk(rate_hz=12.0), "slow_frame_rate"),
        (talk(layout=IBUG_68), "other_landmarks"),
    ],
    ids=["small", "slow", "other landmarks"],
)
def test_it_abstains_where_the_expectation_does_not_hold(tracks: Tracks, code: str) -> None:
    evidence = measure(tracks)
    assert evidence.score is None
    assert [reason.code for reason in evidence.abstained] == [code]


def test_uneven_frames_are_too_few() -> None:
    tracks = talk()
    times = tracks.face.times_s + np.where(np.arange(len(tracks.face.times_s)) % 3 == 0, 0.015, 0.0)
    face = dataclasses.replace(tracks.face, times_s=times)
    evidence = measure(dataclasses.replace(tracks, face=face, mouth=mouth_motion(face)))
    assert [reason.code for reason in evidence.abstained] == ["too_few_frames"]
    assert "follow each other closely enough" in evidence.summary
