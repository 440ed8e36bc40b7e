"""Contact sheets: native pixels of the right places, pictures and frames, the telling ones first, within the bytes."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from clips import tone, write_clip
from drawn_face import face_points, skin
from lipaccord.cutouts import Cutout
from lipaccord.errors import UnreadableMedia
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.looks import LOOKS
from lipaccord.media import open_clip
from lipaccord.overlay import predicted_outlines
from lipaccord.records import Evidence, Examination, Image
from lipaccord.sheets import Moment, Sheet, contact_sheets
from made_examination import (
    NOTHING,
    evidence,
    examined,
    finding,
    opened,
    own_lips,
    with_analysis,
    with_face,
    with_mouth,
)

FRAMES, WIDTH, HEIGHT = 60, 320, 256
EYES_PX, CENTER = 50.0, (160.0, 90.0)
CLOCK_S = np.arange(241) / 100
SYNC = evidence("sync")
BLUR = evidence("blur", frames_s=(1.6, 0.4, 2.0, 1.2, 0.8))
FLICKER = evidence("flicker", frames_s=(0.52, 0.0, 1.0))


def pictures() -> Iterator[Image]:
    """Yield pictures of noise that wanders; no two are the same."""
    noise = skin(HEIGHT + FRAMES, WIDTH + FRAMES, 0, 30.0)
    noise[:, :, 0] //= 2
    for index in range(FRAMES):
        yield np.ascontiguousarray(noise[index : index + HEIGHT, index : index + WIDTH])


@dataclasses.dataclass(frozen=True)
class Filmed:
    """A clip, its pictures as the examination saw them, and its examination."""

    path: Path
    pictures: list[Image]
    examination: Examination

    def showing(self, *cues: Evidence, shares: dict[str, float] | None = None) -> Examination:
        """Return the examination with what these cues measured."""
        groups = [[cue for cue in cues if (cue.cue == "sync") == sync] for sync in (True, False)]
        findings = [finding(*group, shares=shares or {}) for group in groups if group]
        clip = self.examination.analysis.clip
        return with_analysis(self.examination, *findings, sha256=clip.sha256, size=(WIDTH, HEIGHT))

    def sheets(self, *cues: Evidence, **options: object) -> dict[str, Sheet]:
        """Return the sheets of these cues by name."""
        made = contact_sheets(self.path, self.showing(*cues), **options)  # type: ignore[arg-type]
        return {sheet.cue: sheet for sheet in made}


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    path = tmp_path_factory.mktemp("sheets") / "clip.mp4"
    write_clip(path, frames=pictures(), sound=tone(FRAMES / 25, 48_000), options={"g": "12"})
    with open_clip(path) as reader:
        frames, sha256 = list(reader.frames()), reader.sha256
    points = [face_points(MEDIAPIPE_478, EYES_PX, (CENTER[0] + frame / 4, CENTER[1])) for frame in range(FRAMES)]
    made = examined(points, CLOCK_S, np.repeat(opened(0.1)[None], len(CLOCK_S), axis=0))
    assert made.frame_times_s.tolist() == [frame.time_s for frame in frames]
    clip = with_analysis(made, finding(SYNC), sha256=sha256, size=(WIDTH, HEIGHT))
    return Filmed(path, [frame.image for frame in frames], clip)


def pixels(cutout: Cutout | None) -> Image:
    assert cutout is not None
    found = cv2.imdecode(np.frombuffer(cutout.png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    assert found.shape == (cutout.height, cutout.width, 3)
    return np.asarray(found[:, :, ::-1], np.uint8)


def assert_cut_from(cutout: Cutout | None, picture: Image) -> None:
    found = pixels(cutout)
    assert cutout is not None
    rows = slice(cutout.top, cutout.top + cutout.height)
    assert np.array_equal(found, picture[rows, cutout.left : cutout.left + cutout.width])


def times(sheet: Sheet) -> list[float]:
    return [moment.time_s for moment in sheet.moments]


# What is shown


def test_a_moment_shows_native_pixels_of_both_places_of_one_picture(filmed: Filmed) -> None:
    sheet = filmed.sheets(BLUR)["blur"]
    assert times(sheet) == [1.6, 0.4, 2.0, 1.2]
    assert (sheet.finding, sheet.subject, sheet.reference) == (
        "resynthesis",
        "mouth and chin",
        "eyes and nose of the same face, same picture",
    )
    assert sheet.what_to_look_for == LOOKS["blur"].what_to_look_for
    assert sheet.choice == "the pictures that the cue names, most telling first"
    for moment in sheet.moments:
        picture = filmed.pictures[round(25 * moment.time_s)]
        assert moment.reference_s == moment.time_s
        assert_cut_from(moment.subject, picture)
        assert_cut_from(moment.reference, picture)
        assert (moment.subject.width, moment.subject.height) == (moment.reference.width, moment.reference.height)
        assert moment.subject.top >= moment.reference.top + moment.reference.height // 2
        assert moment.before is moment.reference_before is None
        assert moment.predicted is None


def test_outlines_are_in_pixels_of_the_cutout(filmed: Filmed) -> None:
    tracks = filmed.examination.tracks
    assert tracks is not None
    for moment in filmed.sheets(BLUR)["blur"].moments:
        lips = tracks.face.points[round(25 * moment.time_s), list(MEDIAPIPE_478.lips)]
        assert moment.outline == pytest.approx(lips - (moment.subject.left, moment.subject.top), abs=1e-3)
        assert (moment.outline > 0).all()
        assert (moment.outline < (moment.subject.width, moment.subject.height)).all()


def test_what_changes_is_shown_with_the_same_place_in_the_frame_before(filmed: Filmed) -> None:
    sheet = filmed.sheets(FLICKER)["flicker"]
    assert times(sheet) == [0.52, 0.0, 1.0]
    for moment in (sheet.moments[0], sheet.moments[2]):
        place = round(25 * moment.time_s)
        for now, before in ((moment.subject, moment.before), (moment.reference, moment.reference_before)):
            assert before is not None
            assert (before.left, before.top, before.width, before.height) == (now.left, now.top, now.width, now.height)
            assert_cut_from(now, filmed.pictures[place])
            assert_cut_from(before, filmed.pictures[place - 1])


def test_before_the_first_picture_there_is_none(filmed: Filmed) -> None:
    first = filmed.sheets(FLICKER)["flicker"].moments[1]
    assert first.time_s == 0.0
    assert first.before is first.reference_before is None


def test_only_sync_shows_the_lips_that_the_speech_asks_for(filmed: Filmed) -> None:
    sheets = filmed.sheets(SYNC, BLUR)
    asked = predicted_outlines(filmed.examination)
    assert sheets["sync"].moments
    for moment in sheets["sync"].moments:
        assert moment.predicted is not None
        lips = asked[round(25 * moment.time_s)] - (moment.subject.left, moment.subject.top)
        assert moment.predicted == pytest.approx(lips, abs=1e-3)
    assert all(moment.predicted is None for moment in sheets["blur"].moments)


def test_lips_that_are_not_known_are_not_shown(filmed: Filmed) -> None:
    tracks = filmed.examination.tracks
    assert tracks is not None
    flat = np.repeat(own_lips()[None], FRAMES, axis=0)
    flat[:, :, 1] = 0.0
    made = with_mouth(filmed.showing(SYNC), flat, tracks.mouth.opening)
    (sheet,) = contact_sheets(filmed.path, made)
    assert sheet.moments
    assert all(moment.predicted is None for moment in sheet.moments)


def test_beside_a_mouth_may_be_that_of_another_moment(filmed: Filmed) -> None:
    pairs = [{"first_s": 0.2, "again_s": 1.4, "departure": 1.0}]
    cue = evidence("reuse", details={"repeated": 1.0, "frozen": None, "limit": 2.5, "pairs": pairs})
    (moment,) = filmed.sheets(cue)["reuse"].moments
    assert (moment.time_s, moment.reference_s) == pytest.approx((0.36, 1.56))
    assert_cut_from(moment.subject, filmed.pictures[9])
    assert_cut_from(moment.reference, filmed.pictures[39])
    assert_cut_from(moment.before, filmed.pictures[8])
    assert_cut_from(moment.reference_before, filmed.pictures[38])


def test_every_cue_that_measured_has_a_sheet_in_order(filmed: Filmed) -> None:
    cues = [evidence(name, frames_s=(1.0,)) for name in LOOKS if name not in {"sync", "reuse"}]
    shares = {"noise": 0.5, "teeth": 0.2}
    made = filmed.showing(SYNC, *cues, shares=shares)
    sheets = contact_sheets(filmed.path, made)
    assert [sheet.cue for sheet in sheets][:2] == ["noise", "teeth"]
    assert {sheet.cue for sheet in sheets} == set(LOOKS) - {"reuse"}
    assert all(sheet.moments for sheet in sheets)


def test_a_cue_that_names_no_pictures_says_so(filmed: Filmed) -> None:
    sheet = filmed.sheets(evidence("retiming"))["retiming"]
    assert sheet.choice == "spread over the clip; the cue names no pictures"
    assert times(sheet) == pytest.approx([0.28, 0.88, 1.48, 2.08])


def test_without_a_face_there_are_no_sheets(tmp_path: Path) -> None:
    assert contact_sheets(tmp_path / "none.mp4", NOTHING) == ()


# Where the face lies


def moved(filmed: Filmed, cue: Evidence, x: float, y: float, grown: float = 1.0) -> Sheet:
    """Return the sheet of a cue with the face moved and grown about its eyes in all frames but the last 30."""
    tracks = filmed.examination.tracks
    assert tracks is not None
    points = tracks.face.points.copy()
    points[:30] = (points[:30] - CENTER) * grown + CENTER + (x, y)
    (sheet,) = contact_sheets(filmed.path, with_face(filmed.showing(cue), points.astype(np.float32)))
    return sheet


def test_a_face_partly_outside_is_cut_at_the_border(filmed: Filmed) -> None:
    sheet = moved(filmed, evidence("blur", frames_s=(0.0,)), -150.0, 0.0)
    (moment,) = sheet.moments
    assert moment.subject.left == moment.reference.left == 0
    assert 0.5 * 85 <= moment.subject.width < 85
    assert_cut_from(moment.subject, filmed.pictures[0])
    assert moment.outline[:, 0].min() < 0  # lips off the picture stay where they are


def test_a_moment_whose_places_are_outside_gives_way_to_the_next(filmed: Filmed) -> None:
    cue = evidence("blur", frames_s=(0.4, 1.6))
    assert times(moved(filmed, cue, 0.0, 140.0)) == [1.6]  # the chin is below the lower border
    assert times(moved(filmed, cue, 0.0, -100.0)) == [1.6]  # the eyes are above the upper one
    assert times(moved(filmed, cue, 0.0, 0.0)) == [0.4, 1.6]


def test_where_no_picture_shows_both_places_the_sheet_is_empty(filmed: Filmed) -> None:
    assert moved(filmed, evidence("blur", frames_s=(0.4,)), 0.0, 140.0).moments == ()


@pytest.mark.parametrize("down", [132, 400])  # the lower face is off the picture, or the whole of it
def test_a_picture_that_is_smaller_than_the_first_one_may_lack_a_place(filmed: Filmed, down: int) -> None:
    made = filmed.showing(evidence("blur", frames_s=(0.4, 1.6)))
    tracks = made.tracks
    assert tracks is not None
    points = tracks.face.points.copy()
    points[:30] += (0, down)
    clip = made.analysis.clip
    larger = with_analysis(made, *made.analysis.findings.values(), sha256=clip.sha256, size=(WIDTH, 3 * HEIGHT))
    (sheet,) = contact_sheets(filmed.path, with_face(larger, points))
    assert times(sheet) == [1.6]


# Within the bytes


def test_every_cue_shows_its_first_moment_before_any_shows_its_second(filmed: Filmed) -> None:
    teeth = evidence("teeth", frames_s=(0.4, 1.6))
    full = filmed.sheets(BLUR, FLICKER, teeth)
    firsts = sum(sheet.moments[0].size for sheet in full.values())
    dealt = filmed.sheets(BLUR, FLICKER, teeth, max_bytes=firsts)
    assert [len(sheet.moments) for sheet in dealt.values()] == [1, 1, 1]
    assert [sheet.moments[0].time_s for sheet in dealt.values()] == [sheet.moments[0].time_s for sheet in full.values()]
    more = filmed.sheets(BLUR, FLICKER, teeth, max_bytes=firsts + full["blur"].moments[1].size)
    assert [len(more[name].moments) for name in ("blur", "flicker", "teeth")] == [2, 1, 1]


@pytest.mark.parametrize("max_bytes", [0, 40_000, 100_000, 10**9])
def test_the_bytes_are_kept_to(filmed: Filmed, max_bytes: int) -> None:
    sheets = contact_sheets(filmed.path, filmed.showing(SYNC, BLUR, FLICKER), max_bytes=max_bytes)
    cutouts = [
        cutout
        for sheet in sheets
        for moment in sheet.moments
        for cutout in (moment.subject, moment.reference, moment.before, moment.reference_before)
        if cutout is not None
    ]
    assert sum(len(cutout.png) for cutout in cutouts) <= max_bytes
    assert {sheet.cue for sheet in sheets} == {"sync", "blur", "flicker"}
    assert bool(cutouts) == bool(max_bytes)


@pytest.mark.parametrize("count", [1, 3])
def test_a_cue_shows_no_more_moments_than_asked_for(filmed: Filmed, count: int) -> None:
    sheets = contact_sheets(filmed.path, filmed.showing(SYNC, BLUR, evidence("retiming")), max_moments=count)
    assert {sheet.cue: len(sheet.moments) for sheet in sheets} == dict.fromkeys(("sync", "blur", "retiming"), count)


# The same again, of the same file


def test_threads_and_repetition_change_nothing(filmed: Filmed) -> None:
    def digest(threads: int) -> str:
        made = contact_sheets(filmed.path, filmed.showing(SYNC, BLUR, FLICKER), threads=threads)
        return hashlib.sha256(repr([dataclasses.astuple(sheet) for sheet in made]).encode()).hexdigest()

    assert digest(1) == digest(2) == digest(2)


def test_another_file_is_refused(filmed: Filmed, tmp_path: Path) -> None:
    copy = tmp_path / "clip.mp4"
    copy.write_bytes(filmed.path.read_bytes() + b"\0")
    with pytest.raises(UnreadableMedia, match="is not the file that was examined"):
        contact_sheets(copy, filmed.showing(BLUR))


def test_the_part_that_was_examined_is_read(filmed: Filmed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def noting(*_: object, start_s: float | None = None, **__: object) -> Iterator[object]:
        asked.append(start_s)
        return iter(())

    monkeypatch.setattr("lipaccord.sheets.stills", noting)
    made = filmed.showing()
    analysis = dataclasses.replace(made.analysis, settings={"start_s": 1.5})
    assert contact_sheets(filmed.path, dataclasses.replace(made, analysis=analysis)) == ()
    assert asked == [1.5]


def test_they_tell_briefly_what_they_are(filmed: Filmed) -> None:
    sheet = filmed.sheets(BLUR)["blur"]
    assert repr(sheet) == "Sheet(blur, 4 moments)"
    assert repr(sheet.moments[0]).startswith("Moment(1.600 s, Cutout(85x60 at ")
    assert isinstance(sheet.moments[0], Moment)
