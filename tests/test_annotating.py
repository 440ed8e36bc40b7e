from __future__ import annotations

import dataclasses
import os
import resource
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clips import flashes, numbered
from lipaccord import annotating
from lipaccord.annotating import MOST_HEIGHT, Annotator, annotate, draw_lips, fit
from lipaccord.assembly import AHEAD
from lipaccord.errors import UnreadableMedia
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.overlay import predicted_outlines
from lipaccord.panel import Panel
from lipaccord.records import BoolArray, Examination, FloatArray, Frame, Image, Interval, Segment
from lipaccord.strokes import MARK
from made_viewing import (
    EYES_PX,
    HEIGHT,
    LOWER,
    RATE_HZ,
    WIDTH,
    a_clip,
    click_of,
    examined,
    faceless,
    grey,
    placed_face,
    read,
)

TIMES = 2
"""By which pictures of 320 x 240 are enlarged."""
HARMLESS = 14
"""Grey levels that the encoder may change at any one pixel away from lines."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_clip(tmp_path_factory.mktemp("plain"), grey(12))


def ring_of(examination: Examination, name: str, *, predicted: bool) -> FloatArray:
    """Return an outline of the first picture [shape=(n, 2)], from the landmarks."""
    assert examination.tracks is not None
    ring = list(MEDIAPIPE_478.rings[name])
    if predicted:
        outline: FloatArray = predicted_outlines(examination)[0, [MEDIAPIPE_478.lips.index(point) for point in ring]]
        return outline
    points: FloatArray = examination.tracks.face.points[0, ring]
    return points


def along(ring: FloatArray) -> FloatArray:
    """Spread places evenly over a closed line, on the enlarged picture [shape=(n, 2)]."""
    closed = np.concatenate([ring, ring[:1]])
    dense = np.concatenate([np.linspace(*ends, 20, endpoint=False) for ends in pairwise(closed)])
    placed: FloatArray = ((dense + 0.5) * TIMES - 0.5).astype(np.float32)
    return placed


def bluish(image: Image) -> BoolArray:
    found: BoolArray = image[..., 2].astype(int) - image[..., 0] > 50
    return found


def yellowish(image: Image) -> BoolArray:
    found: BoolArray = image[..., 0].astype(int) - image[..., 2] > 50
    return found


def share_along(found: BoolArray, ring: FloatArray) -> float:
    """Return how much of an outline runs through pixels that are `found`, or next to one."""
    wide = cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8))
    x, y = np.rint(along(ring)).astype(int).T
    return float(wide[y, x].mean())


def painted(examination: Examination, picture: Image, index: int = 0) -> Image:
    return Annotator(examination).paint(Frame(index, float(examination.frame_times_s[index]), picture))


def test_the_outlines_are_where_the_landmarks_are(plain: Path, tmp_path: Path) -> None:
    examination = examined(plain)
    annotate(plain, examination, tmp_path / "out.mp4")
    _, pictures, _, _ = read(tmp_path / "out.mp4")
    picture = pictures[5][: TIMES * HEIGHT]
    for name in ("outer_lips", "inner_lips"):
        seen, predicted = (ring_of(examination, name, predicted=which) for which in (False, True))
        np.testing.assert_allclose(predicted - seen, [[0, LOWER * EYES_PX]] * len(seen), atol=0.01)
        assert share_along(bluish(picture), seen) > 0.7
    around = np.zeros(picture.shape[:2], bool)
    around[140 * TIMES : 200 * TIMES, 120 * TIMES : 200 * TIMES] = True
    assert not (bluish(picture) | yellowish(picture))[~around].any()


def test_the_predicted_outlines_are_where_they_were_laid(plain: Path) -> None:
    examination = examined(plain)
    picture = painted(examination, next(iter(grey(1))))[: TIMES * HEIGHT]
    near, found = np.zeros(picture.shape[:2], np.uint8), yellowish(picture)
    for name in ("outer_lips", "inner_lips"):
        ring = ring_of(examination, name, predicted=True)
        cv2.polylines(near, [np.rint((ring + 0.5) * TIMES - 0.5).astype(np.int32)], True, 1, 5)
        assert share_along(found, ring) > 0.5
    assert found.sum() > 100
    assert not found[near == 0].any()


def test_what_was_seen_is_solid_and_what_was_predicted_dashed() -> None:
    image, angles = np.full((200, 200, 3), 110, np.uint8), np.linspace(0, 2 * np.pi, 500)
    ring = np.stack([np.cos(angles[::20]), np.sin(angles[::20])], axis=1).astype(np.float32)
    draw_lips(image, [100 + 60 * ring], [100 + 30 * ring], 1)
    shares = []
    for radius, found in ((60, bluish(image)), (30, yellowish(image))):
        x, y = (np.rint(100 + radius * turn(angles)).astype(int) for turn in (np.cos, np.sin))
        shares.append(cv2.dilate(found.astype(np.uint8), np.ones((2, 2), np.uint8))[y, x].mean())
    assert shares[0] > 0.95
    assert 0.3 < shares[1] < 0.75


def test_a_landmark_lies_in_the_middle_of_its_enlarged_pixel() -> None:
    fitted = fit(320, 240)
    places = fitted.placed(np.array([[0, 0], [10, 20]], np.float32), (240, 320, 3))
    np.testing.assert_allclose(places, [[0.5, 0.5], [20.5, 40.5]])
    np.testing.assert_allclose(fitted.placed(np.array([[1, 1]], np.float32), (120, 160, 3)), [[5.5, 5.5]])
    narrow = fit(20, 600)
    assert narrow.placed(np.zeros((1, 2), np.float32), (600, 20, 3))[0, 0] == narrow.left + 0.5


def test_the_picture_is_as_it_was_but_for_the_outlines(tmp_path: Path) -> None:
    path = a_clip(tmp_path, numbered(6, width=WIDTH, height=HEIGHT))
    examination = examined(path)
    _, originals, _, _ = read(path)
    canvas = painted(examination, originals[3], 3)
    enlarged = canvas[: TIMES * HEIGHT].reshape(HEIGHT, TIMES, WIDTH, TIMES, 3)
    changed = (enlarged != originals[3][:, None, :, None]).any(axis=(1, 3, 4))
    assert 100 < changed.sum() < 0.03 * changed.size
    rows, columns = np.nonzero(changed)
    assert 140 <= rows.min() <= rows.max() <= 200
    assert 120 <= columns.min() <= columns.max() <= 200


def test_the_encoder_leaves_the_picture_alike(tmp_path: Path) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([60 + x // 3, 60 + y // 2, 200 - x // 4], axis=-1).astype(np.uint8)
    path = a_clip(tmp_path, [smooth] * 6)
    annotate(path, examined(path), tmp_path / "out.mp4")
    _, originals, _, _ = read(path)
    _, pictures, _, _ = read(tmp_path / "out.mp4")
    expected = originals[4].repeat(TIMES, axis=0).repeat(TIMES, axis=1)
    difference = np.abs(pictures[4][: TIMES * HEIGHT].astype(int) - expected)
    difference[270:420, 220:420] = 0
    difference[TIMES * HEIGHT - 8 :] = 0  # beside the bright band
    assert difference.max() <= HARMLESS
    assert difference.mean() < 2


def test_the_playhead_and_the_curves_move(tmp_path: Path) -> None:
    path = a_clip(tmp_path, grey(26))
    examination = examined(path)
    annotate(path, examination, tmp_path / "out.mp4")
    _, pictures, _, _ = read(tmp_path / "out.mp4")
    side = Panel(examination, 640, ()).mouth_px
    overview = [picture[-round(0.9 * side) : -round(0.5 * side)].astype(int) for picture in pictures]
    moved = {}
    for index in (10, 25):
        columns = np.flatnonzero(np.abs(overview[index] - overview[0]).mean(axis=(0, 2)) > 60)
        moved[index] = columns[-1] - columns[0]
    assert moved[10] > 100
    assert moved[25] / moved[10] == pytest.approx(2.5, abs=0.05)
    assert (np.abs(pictures[25].astype(int) - pictures[0])[480:504, 500:] > 60).any()


@pytest.mark.parametrize(
    ("start_s", "sound_start_s", "part"),
    [(0.0, 0.0, {}), (1.0, 0.0, {}), (0.0, 0.24, {}), (1.0, 0.0, {"start_s": 1.1})],
    ids=["plain", "picture late", "sound late", "part"],
)
def test_sound_and_picture_stay_together(
    tmp_path: Path, start_s: float, sound_start_s: float, part: dict[str, float]
) -> None:
    flash_s = start_s + 8 / RATE_HZ
    pictures = flashes(16, at=[8], width=WIDTH, height=HEIGHT)
    path = a_clip(tmp_path, pictures, start_s=start_s, sound_start_s=sound_start_s, click_s=flash_s, seconds=2.0)
    annotate(path, examined(path, part=part), tmp_path / "out.mp4")
    times_s, shown, sound, _ = read(tmp_path / "out.mp4")
    flash = float(times_s[int(np.argmax([picture[:300].mean() for picture in shown]))])
    assert click_of(sound) == pytest.approx(flash, abs=0.5 / RATE_HZ)
    assert times_s[0] == 0.0


def test_the_same_examination_gives_the_same_bytes(plain: Path, tmp_path: Path) -> None:
    examination, made = examined(plain), set()
    for threads in (1, 2, 3, 2):
        annotate(plain, examination, tmp_path / "out.mp4", threads=threads)
        made.add((tmp_path / "out.mp4").read_bytes())
    assert len(made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_pictures_are_drawn_only_as_they_are_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_clip(tmp_path, grey(60))
    ahead, drawn = list[int](), list[float]()
    paint = Annotator.paint

    def counted(annotator: Annotator, frame: Frame) -> Image:
        drawn.append(frame.time_s)
        return paint(annotator, frame)

    def slow(target: Path, frames: Iterator[Frame], *rest: object, **options: Any) -> None:
        for position, _ in enumerate(frames):
            ahead.append(len(drawn) - position)

    monkeypatch.setattr(Annotator, "paint", counted)
    monkeypatch.setattr(annotating, "encode", slow)
    annotate(path, examined(path), tmp_path / "out.mp4")
    assert len(ahead) == 60
    assert max(ahead) <= AHEAD + 3


@pytest.fixture
def small_disk() -> Iterator[int]:
    """Refuse files above a size, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    yield 8_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_nothing_is_left_where_the_disk_refuses(plain: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    examination = examined(plain)
    (tmp_path / "out.mp4").write_bytes(b"old")
    request.getfixturevalue("small_disk")
    with pytest.raises(OSError, match="too large"):
        annotate(plain, examination, tmp_path / "out.mp4")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out.mp4", b"old")]


def test_a_missing_folder_is_an_error_of_the_system(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        annotate(plain, examined(plain), tmp_path / "missing" / "out.mp4")


def test_only_a_regular_file_is_replaced(plain: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("pipe.mp4", "folder.mp4"):
        with pytest.raises(OSError, match="is no regular file"):
            annotate(plain, examined(plain), tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.mp4", "pipe.mp4"]


def test_a_link_stays_one(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real.mp4")
    annotate(plain, examined(plain), tmp_path / "link.mp4")
    assert (tmp_path / "link.mp4").is_symlink()
    assert (tmp_path / "real.mp4").stat().st_size > 1000


def test_another_file_is_refused(plain: Path, tmp_path: Path) -> None:
    other = a_clip(tmp_path, grey(5), name="other.mp4")
    with pytest.raises(UnreadableMedia, match=r"other\.mp4' is not the file that was examined"):
        annotate(other, examined(plain), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("name", ["n" * 240 + ".mp4", "a[bold]\x1b[31m\u202egnp\n.mp4", os.fsdecode(b"\xff\xfe.mp4")])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    path = a_clip(tmp_path, grey(3), name="clip.mp4").rename(tmp_path / name)
    annotate(path, examined(path), tmp_path / "out.mp4")
    _, pictures, _, _ = read(tmp_path / "out.mp4")
    assert len(pictures) == 3


def test_a_clip_without_a_face_is_copied_with_the_words(tmp_path: Path) -> None:
    path = a_clip(tmp_path, grey(6))
    annotate(path, faceless(path), tmp_path / "out.mp4")
    _, pictures, _, clip = read(tmp_path / "out.mp4")
    picture = pictures[2][: TIMES * HEIGHT - 8].astype(int)
    assert np.abs(picture - picture[0, 0]).max() <= 3
    assert clip.video.height > TIMES * HEIGHT + 150


def test_where_the_face_is_not_seen_nothing_is_drawn(tmp_path: Path) -> None:
    path = a_clip(tmp_path, grey(6))
    examination, picture = examined(path, unseen=(3,)), next(iter(grey(1)))
    shown, hidden = (painted(examination, picture, index) for index in (2, 3))
    assert (hidden[: TIMES * HEIGHT] == 110).all()
    assert (shown[: TIMES * HEIGHT] != 110).any()
    side = Panel(examination, 640, ()).mouth_px
    with_lines, without = slice(-2 * side - 30, -side - 30), slice(-side - 6, None)
    assert bluish(shown[with_lines, : 10 + side]).any()
    assert not bluish(shown[without, : 10 + side]).any()
    assert (np.abs(shown[without, 20:60].astype(int) - 110) < 3).mean() > 0.8
    assert not bluish(hidden[with_lines, : 10 + side]).any()


def test_a_face_beyond_the_edge_does_no_harm(plain: Path) -> None:
    examination = examined(plain)
    assert examination.tracks is not None
    face = examination.tracks.face
    moved = dataclasses.replace(face, points=face.points + np.array([150, 120], np.float32))
    beyond = dataclasses.replace(examination, tracks=dataclasses.replace(examination.tracks, face=moved))
    canvas = painted(beyond, next(iter(grey(1))))
    assert canvas.shape == painted(examination, next(iter(grey(1)))).shape
    assert not bluish(canvas[TIMES * HEIGHT : TIMES * HEIGHT + 24]).any()


@pytest.mark.parametrize("factor", [0.0, 1e9, 3e38 / 400])
def test_absurd_landmarks_do_no_harm(plain: Path, factor: float) -> None:
    examination = examined(plain)
    assert examination.tracks is not None
    face = examination.tracks.face
    absurd = dataclasses.replace(face, points=face.points * np.float32(factor))
    other = dataclasses.replace(absurd, id="face-2")
    tracks = dataclasses.replace(examination.tracks, face=absurd)
    with np.errstate(over="ignore", invalid="ignore"):
        canvas = painted(dataclasses.replace(examination, tracks=tracks, faces=(absurd, other)), next(iter(grey(1))))
    assert canvas.shape == painted(examination, next(iter(grey(1)))).shape


def test_the_names_of_other_faces_stand_above_them(plain: Path) -> None:
    examination = examined(plain)
    points = placed_face(examination.frame_times_s).points - np.array([70, 0], np.float32)
    other = dataclasses.replace(placed_face(examination.frame_times_s, (1,)), id="face-2")
    other = dataclasses.replace(other, points=np.where(np.isfinite(other.points), points, np.nan))
    both = dataclasses.replace(examination, faces=(*examination.faces, other))
    picture = next(iter(grey(1)))
    for index, named in ((0, True), (1, False)):
        without, shown = (painted(one, picture, index)[: TIMES * HEIGHT] for one in (examination, both))
        changed = (without != shown).any(axis=2)
        assert changed.any() == named
        if named:
            rows, columns = np.nonzero(changed)
            assert rows.max() < TIMES * float(points[0, :, 1].min())
            assert columns.mean() == pytest.approx(TIMES * 90, abs=4)


def test_a_face_is_named_in_its_own_pictures(plain: Path) -> None:
    examination = examined(plain)
    later = placed_face(examination.frame_times_s[3:9])
    later = dataclasses.replace(later, id="face-2", frames=np.arange(3, 9))
    both, picture = dataclasses.replace(examination, faces=(*examination.faces, later)), next(iter(grey(1)))
    named = [
        index
        for index in range(12)
        if (painted(both, picture, index) != painted(examination, picture, index))[: TIMES * HEIGHT].any()
    ]
    assert named == [3, 4, 5, 6, 7, 8]


def test_a_local_finding_is_marked_while_it_lasts(tmp_path: Path) -> None:
    path = a_clip(tmp_path, grey(20))
    segment = Segment(Interval(0.2, 0.4), "sync", 1.0, "the mouth does not follow the speech here")
    examination = examined(path, segments=(segment,))
    annotate(path, examination, tmp_path / "out.mp4")
    times_s, pictures, _, _ = read(tmp_path / "out.mp4")
    marked = np.array([(np.abs(picture.astype(int) - MARK) < 24).all(axis=2).sum() > 2000 for picture in pictures])
    np.testing.assert_array_equal(marked, (times_s > 0.199) & (times_s < 0.399))


def test_a_picture_of_another_size_is_brought_to_the_first(plain: Path) -> None:
    examination = examined(plain)
    small = np.full((HEIGHT // 2, WIDTH // 2, 3), 110, np.uint8)
    assert painted(examination, small).shape == painted(examination, next(iter(grey(1)))).shape


def test_progress_rises_to_one(plain: Path, tmp_path: Path) -> None:
    told = list[float]()
    annotate(plain, examined(plain), tmp_path / "out.mp4", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("size", "shown", "canvas", "note"),
    [
        ((1280, 720), (1280, 720), 1280, ""),
        ((640, 360), (640, 360), 640, ""),
        ((641, 361), (641, 361), 642, ""),
        ((320, 240), (640, 480), 640, "enlarged 2 times, without smoothing"),
        ((384, 384), (768, 768), 768, "enlarged 2 times"),
        ((100, 80), (700, 560), 700, "enlarged 7 times"),
        ((20, 600), (40, 1200), 640, "enlarged 2 times"),
        ((16, 16384), (1, MOST_HEIGHT), 640, "shrunk to 8%"),
        ((1, 1), (640, 640), 640, "enlarged 640 times"),
        ((1080, 1920), (720, 1280), 720, "shrunk to 67%"),
        ((3840, 2160), (1920, 1080), 1920, "shrunk to 50%"),
    ],
)
def test_pictures_are_brought_to_a_size_that_can_be_read(
    size: tuple[int, int], shown: tuple[int, int], canvas: int, note: str
) -> None:
    fitted = fit(*size)
    assert (fitted.width, fitted.height, fitted.canvas) == (*shown, canvas)
    assert note in " ".join(fitted.notes)
    assert bool(note) == bool(fitted.notes)
    image = np.zeros((size[1], size[0], 3), np.uint8)
    assert fitted.laid(image).shape == (shown[1], shown[0], 3)


def test_pictures_are_enlarged_without_smoothing() -> None:
    image = next(numbered(1, width=WIDTH, height=HEIGHT))
    np.testing.assert_array_equal(fit(WIDTH, HEIGHT).laid(image), image.repeat(2, axis=0).repeat(2, axis=1))


def test_odd_sizes_are_filled_up_not_cut(tmp_path: Path) -> None:
    path = a_clip(tmp_path, grey(3, 642, 362))
    examination = examined(path)
    video = dataclasses.replace(examination.analysis.clip.video, width=641, height=361)
    clip = dataclasses.replace(examination.analysis.clip, video=video)
    odd = dataclasses.replace(examination, analysis=dataclasses.replace(examination.analysis, clip=clip))
    canvas = painted(odd, np.full((361, 641, 3), 110, np.uint8))
    assert canvas.shape[0] % 2 == canvas.shape[1] % 2 == 0
    assert (canvas[:361, :641][-1] == 110).all()
