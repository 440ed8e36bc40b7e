"""The moments at which to look: those that the cue names, or those that show best what it measured."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analyses import BLUR
from drawn_face import face_points
from lipaccord import choosing
from lipaccord.choosing import Pick, in_order, picks_of
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.mouth import opening_of
from lipaccord.records import Evidence, Examination, Interval, Segment
from made_examination import evidence, examined, finding, opened, own_lips, with_mouth

FRAMES = 101  # 4 s
CLOCK_S = np.arange(401) / 100
POINTS = face_points(MEDIAPIPE_478, 80.0, (320.0, 120.0))
RETIMING = evidence("retiming", 1.0, details={"limit": 2.0})


def face(unseen: tuple[int, ...] = ()) -> Examination:
    """Return the examination of a face whose mouth is always as the speech asks for."""
    points = [None if frame in unseen else POINTS for frame in range(FRAMES)]
    return examined(points, CLOCK_S, np.repeat(own_lips()[None], len(CLOCK_S), axis=0))


def chosen(cue: Evidence, examination: Examination, count: int = 4) -> tuple[str, list[Pick]]:
    assert examination.tracks is not None
    return picks_of(cue, examination, examination.tracks, count)


def frames(picks: list[Pick]) -> list[tuple[int, int]]:
    return [(pick.frame, pick.other) for pick in picks]


# In which order


def names(*findings: object) -> list[str]:
    return [cue.cue for cue in in_order(findings)]  # type: ignore[arg-type]


def test_cues_that_stand_out_come_first_and_the_rest_follow_by_share() -> None:
    shares = {"blur": 0.05, "noise": 0.4, "teeth": -0.2, "flicker": 0.2}
    texture = finding(*(evidence(name) for name in ("teeth", "blur", "flicker", "noise")), RETIMING, shares=shares)
    assert names(finding(evidence("sync")), texture) == ["noise", "flicker", "blur", "sync", "retiming", "teeth"]


def test_a_cue_beside_the_score_stands_out_by_its_own_limit() -> None:
    shares = {"blur": 0.05, "noise": 0.4}
    beyond = dataclasses.replace(RETIMING, score=2.1)
    texture = finding(evidence("blur"), beyond, evidence("noise"), shares=shares)
    assert names(texture) == ["noise", "retiming", "blur"]


@pytest.mark.parametrize(("status", "first"), [("unrelated", "sync"), ("offset", "sync"), ("in_sync", "noise")])
def test_sync_stands_out_where_it_speaks_against_the_clip(status: str, first: str) -> None:
    texture = finding(evidence("noise"), evidence("blur"), shares={"noise": 0.05, "blur": -0.1})
    assert names(finding(evidence("sync"), status=status), texture)[0] == first


def test_what_the_finding_says_makes_none_of_its_cues_stand_out() -> None:
    texture = finding(evidence("noise"), evidence("blur"), status="resynthesised", shares={"noise": 0.5, "blur": -0.1})
    assert names(texture, finding(evidence("sync"), status="in_sync")) == ["noise", "sync", "blur"]


def test_a_cue_that_abstained_is_left_out() -> None:
    assert names(finding(evidence("noise"), BLUR)) == ["noise"]


# Which moments


def test_a_cue_is_shown_where_it_says() -> None:
    cue = evidence("blur", frames_s=(3.0, 0.52, 1.04))
    assert chosen(cue, face()) == (choosing.NAMED, [Pick(75, 75), Pick(13, 13), Pick(26, 26)])


def test_where_the_face_is_not_seen_the_nearest_frame_is_taken() -> None:
    cue = evidence("blur", frames_s=(1.0,))
    assert frames(chosen(cue, face(unseen=(24, 25, 26, 27)))[1]) == [(23, 23)]


def test_a_cue_that_names_no_pictures_is_spread_over_what_can_be_measured() -> None:
    unseen = tuple(range(50, 101))
    assert chosen(evidence("retiming"), face(unseen), 2) == (choosing.SPREAD, [Pick(12, 12), Pick(37, 37)])
    choice, picks = chosen(evidence("retiming"), face(unseen), 1000)
    assert choice == choosing.SPREAD
    assert frames(picks) == [(frame, frame) for frame in range(50)]


@pytest.mark.parametrize("name", ["blur", "sync", "teeth", "reuse"])
def test_without_a_measurable_frame_there_are_no_moments(name: str) -> None:
    made = face()
    assert made.tracks is not None
    mouth = dataclasses.replace(made.tracks.mouth, valid=np.zeros(FRAMES, bool))
    hidden = dataclasses.replace(made, tracks=dataclasses.replace(made.tracks, mouth=mouth))
    assert chosen(evidence(name, frames_s=(1.0,)), hidden) == (choosing.SPREAD, [])


def test_teeth_are_shown_where_the_mouth_is_open() -> None:
    opening = np.full(FRAMES, 0.02, np.float32)
    opening[[20, 24, 32]] = 0.2, 0.3, 0.9  # the widest lies further than a quarter of a second from 1 s
    made = face()
    assert made.tracks is not None
    cue = evidence("teeth", frames_s=(1.0, 2.0))
    choice, picks = chosen(cue, with_mouth(made, made.tracks.mouth.lips, opening))
    assert choice == choosing.OPEN
    assert frames(picks)[0] == (24, 24)
    assert 44 <= picks[1].frame <= 56


# Where mouth and speech part


def parting() -> Examination:
    """Return an examination in which speech asks for an open mouth in frames 15 to 84; in 40 to 44 it stays closed."""
    predicted = np.repeat(own_lips()[None], len(CLOCK_S), axis=0)
    predicted[58:338] = opened(0.2)
    made = examined([POINTS] * FRAMES, CLOCK_S, predicted)
    lips = np.repeat(own_lips()[None], FRAMES, axis=0)
    lips[15:85], lips[40:45], lips[60] = opened(0.2), own_lips(), opened(0.15)
    opening = opening_of(lips, MEDIAPIPE_478)
    opening[15:85] -= 0.01  # closed lips agree better than open ones
    return with_mouth(made, lips, opening)


def test_sync_is_shown_where_it_parts_most_and_least_in_turn() -> None:
    choice, picks = chosen(evidence("sync"), parting())
    assert choice == choosing.PARTING
    assert 40 <= picks[0].frame <= 44
    assert picks[0].note == "the two openings differ most here"
    assert picks[2].frame == 60
    open_wide = set(range(15, 85)) - set(range(40, 45)) - {60}
    assert {picks[1].frame, picks[3].frame} <= open_wide
    assert picks[1].note == picks[3].note == "the two openings agree best here"


def test_beside_it_is_the_mouth_as_the_speech_asks_for() -> None:
    _, picks = chosen(evidence("sync"), parting())
    assert picks[0].other == 15  # the first in which it is as open as is asked for in frame 40
    closed = parting()
    assert closed.tracks is not None
    mouth = dataclasses.replace(closed.tracks.mouth, valid=np.arange(FRAMES) != 15)
    unlike = dataclasses.replace(closed, tracks=dataclasses.replace(closed.tracks, mouth=mouth))
    assert chosen(evidence("sync"), unlike)[1][0].other == 16


def test_stretches_that_sync_names_come_first() -> None:
    segments = (
        Segment(Interval(3.0, 3.4), "sync", 1.0, "It does not follow."),
        Segment(Interval(0.0, 0.4), "sync", 0.0, "Still."),
    )
    choice, picks = chosen(evidence("sync", segments=segments), parting())
    assert choice == choosing.STRETCHES + choosing.PARTING
    assert [(pick.frame, pick.note) for pick in picks[:2]] == [(80, "It does not follow."), (5, "Still.")]
    assert picks[2].note == "the two openings differ most here"


def test_only_speech_counts() -> None:
    made = parting()
    assert made.tracks is not None
    activity = dataclasses.replace(made.tracks.activity, stretches=(Interval(0.0, 1.5),))
    quiet = dataclasses.replace(made, tracks=dataclasses.replace(made.tracks, activity=activity))
    _, picks = chosen(evidence("sync"), quiet)
    assert picks
    assert all(pick.frame <= 37 for pick in picks)


def test_without_speech_sync_is_spread() -> None:
    made = parting()
    assert made.tracks is not None
    activity = dataclasses.replace(made.tracks.activity, stretches=())
    quiet = dataclasses.replace(made, tracks=dataclasses.replace(made.tracks, activity=activity))
    assert chosen(evidence("sync"), quiet)[0] == choosing.SPREAD


def test_frames_beyond_the_sound_do_not_count() -> None:
    made = examined([POINTS] * FRAMES, 1.0 + CLOCK_S[:201], np.repeat(opened(0.3)[None], 201, axis=0))
    _, picks = chosen(evidence("sync"), made)
    assert picks
    assert all(25 <= pick.frame <= 75 for pick in picks)


# What is shown again, and what stands still


def repeating(**changes: object) -> Evidence:
    pairs = [{"first_s": 0.4, "again_s": 2.0, "departure": 3.0}, {"first_s": 1.2, "again_s": 3.8, "departure": 1.0}]
    details = {"repeated": 3.0, "frozen": None, "limit": 2.5, "pairs": pairs} | changes
    return evidence("reuse", frames_s=(0.44, 3.0), details=details)


def test_reuse_is_shown_beside_what_it_is_like() -> None:
    choice, picks = chosen(repeating(), face())
    assert choice == choosing.ALIKE
    # in the middle of stretches of a third of a second, and no further than the clip goes
    assert frames(picks) == [(14, 54), (34, 99)]
    pairs = [{"first_s": 0.4, "again_s": 3.96, "departure": 3.0}]
    assert frames(chosen(repeating(pairs=pairs), face())[1]) == [(14, 100)]


@pytest.mark.parametrize(("frozen", "shown"), [(2.9, False), (3.1, True), (None, False)])
def test_a_frozen_mouth_is_shown_beside_itself_a_moment_before(frozen: float | None, shown: bool) -> None:
    choice, picks = chosen(repeating(frozen=frozen), face())
    assert choice == (choosing.STILL if shown else choosing.ALIKE)
    if shown:
        assert frames(picks) == [(11, 3), (75, 67)]


def test_a_mouth_that_is_hardly_stiller_than_usual_is_not_called_frozen() -> None:
    assert chosen(repeating(repeated=0.1, frozen=2.0), face())[0] == choosing.ALIKE
