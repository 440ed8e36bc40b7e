"""The backend ``replay``: exact repetition, and no belief in what a file claims."""

from __future__ import annotations

import dataclasses
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.errors import SettingsError, TracksError
from lipaccord.faces import FaceTracker, StoredTracker
from lipaccord.landmarks import load_backend, squares
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.landmarks.replay import ReplayBackend, read_tracks, save_tracks
from lipaccord.records import FacePoints, FaceRegion, FaceTrack, Frame, LandmarkBackend, LandmarkLayout

SHA256 = "ab" * 32
RATE_HZ = 25


class Puppets:
    """A backend whose faces are known: each a cloud of points on a path, hidden in some frames."""

    name = "puppets"
    version = "3 of 7"

    def __init__(self, layout: LandmarkLayout = MEDIAPIPE_478) -> None:
        self.layout = layout
        self.shape = np.random.default_rng(0).uniform(-30, 30, (layout.count, 2))
        for eye, x in ((layout.right_eye, -15), (layout.left_eye, 15)):
            self.shape[list(eye)] = (x * 1.3, -10), (x * 0.7, -10)

    def _face(self, number: int, index: int) -> FacePoints | None:
        """Face 0 is hidden in frames 30 to 34, face 1 comes in frame 25; they stand close to each other."""
        if (number == 0 and 30 <= index < 35) or (number == 1 and index < 25):
            return None
        random = np.random.default_rng([number, index])
        xy = self.shape + np.array([60 + 65 * number + 0.5 * index, 60]) + random.normal(0, 0.3, self.shape.shape)
        depth = random.normal(0, 9, self.layout.count).astype(np.float32) if self.layout is MEDIAPIPE_478 else None
        return FacePoints(xy.astype(np.float32), depth, float(random.uniform(0.6, 1)))

    def detect(self, frame: Frame) -> list[FaceRegion]:
        found = [self.follow(points) for number in (1, 0) if (points := self._face(number, frame.index))]
        return [
            dataclasses.replace(region, size=region.size * 1.1, score=0.9 - k / 10) for k, region in enumerate(found)
        ]

    def locate(self, frame: Frame, region: FaceRegion) -> FacePoints | None:
        for number in (0, 1):
            points = self._face(number, frame.index)
            if points is not None and abs(points.xy[:, 0].mean() - region.center_x) < 20:
                return points
        return None

    def follow(self, points: FacePoints) -> FaceRegion:
        return squares.follow(points.xy, self.layout)


def frame(index: int) -> Frame:
    """Return a frame of a clip with a scene cut at frame 60."""
    shot = np.random.default_rng(index >= 60).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Frame(index, index / RATE_HZ, shot)


def play(tracker: FaceTracker | StoredTracker) -> list[FaceTrack]:
    for index in range(90):
        tracker.feed(frame(index))
    return list(tracker.finish().values())


def track_all(backend: LandmarkBackend) -> list[FaceTrack]:
    return play(FaceTracker(backend))


def assert_same_tracks(found: list[FaceTrack], wanted: list[FaceTrack]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.id == other.id
        assert one.layout is other.layout
        for field in ("times_s", "frames", "points", "depth", "scores"):
            a, b = getattr(one, field), getattr(other, field)
            assert (a is None) == (b is None), field
            if a is not None:
                assert a.dtype == b.dtype, field
                np.testing.assert_array_equal(a, b, err_msg=field)


@pytest.fixture(scope="module", params=[MEDIAPIPE_478, IBUG_68], ids=lambda layout: layout.name)
def puppets(request: pytest.FixtureRequest) -> Puppets:
    return Puppets(request.param)


@pytest.fixture(scope="module")
def tracks(puppets: Puppets) -> list[FaceTrack]:
    return track_all(puppets)


@pytest.fixture
def stored(puppets: Puppets, tracks: list[FaceTrack], tmp_path: Path) -> Path:
    path = tmp_path / "clip.tracks"
    save_tracks(path, SHA256, puppets, tracks)
    return path


def test_tracking_a_replay_repeats_the_run_that_stored_it(stored: Path, tracks: list[FaceTrack]) -> None:
    assert [track.frames[-1] for track in tracks] == [59, 59, 89, 89], "two faces before the cut and two after"
    assert not tracks[0].seen[30:35].any()
    assert_same_tracks(play(StoredTracker(read_tracks(stored).tracks)), tracks)
    assert_same_tracks(play(StoredTracker(ReplayBackend(stored).tracks)), tracks)


def test_what_is_stored_is_read_back(stored: Path, tracks: list[FaceTrack]) -> None:
    back = read_tracks(stored)
    assert (back.clip_sha256, back.backend, back.version) == (SHA256, "puppets", "3 of 7")
    assert_same_tracks(list(back.tracks), tracks)


def test_the_backend_tells_whence_its_points_come(stored: Path, puppets: Puppets) -> None:
    backend = ReplayBackend(stored)
    assert (backend.name, backend.version, backend.clip_sha256) == ("replay", "puppets 3 of 7", SHA256)
    assert backend.layout is puppets.layout


def test_the_same_tracks_give_the_same_bytes_also_through_a_replay(
    stored: Path, puppets: Puppets, tracks: list[FaceTrack]
) -> None:
    with zipfile.ZipFile(stored) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}, "the hour does not show"
    first = stored.read_bytes()
    save_tracks(stored, SHA256, puppets, tracks)
    assert stored.read_bytes() == first
    backend = ReplayBackend(stored)
    save_tracks(stored, backend.clip_sha256, backend, play(StoredTracker(backend.tracks)))
    assert stored.read_bytes() == first


def test_a_clip_without_faces_is_stored_too(tmp_path: Path) -> None:
    save_tracks(tmp_path / "none", SHA256, Puppets(), [])
    backend = ReplayBackend(tmp_path / "none")
    assert backend.tracks == read_tracks(tmp_path / "none").tracks == ()
    assert backend.detect(frame(0)) == []
    assert backend.locate(frame(0), FaceRegion(30, 30, 30, 0, 1)) is None


def test_a_hidden_face_is_not_taken_for_its_neighbour(stored: Path, tracks: list[FaceTrack]) -> None:
    backend = ReplayBackend(stored)
    last_sight = squares.follow(tracks[0].points[29], backend.layout)
    row = tracks[1].frames.tolist().index(30)
    neighbour = squares.follow(tracks[1].points[row], backend.layout)
    assert squares.overlap(last_sight, neighbour) > 0.1
    assert backend.locate(frame(30), last_sight) is None
    assert backend.detect(frame(30)) == [neighbour]
    nudged = dataclasses.replace(neighbour, center_y=neighbour.center_y + 5)
    points = backend.locate(frame(30), nudged)
    assert points is not None
    np.testing.assert_array_equal(points.xy, tracks[1].points[row])
    assert backend.locate(frame(30), dataclasses.replace(neighbour, center_y=-500.0)) is None


def test_frames_at_other_times_are_those_of_another_clip(stored: Path) -> None:
    backend = ReplayBackend(stored)
    shown = frame(7)
    moved = dataclasses.replace(shown, time_s=shown.time_s + 2e-6)
    backend.detect(dataclasses.replace(shown, time_s=shown.time_s + 5e-7))
    with pytest.raises(TracksError, match=r"frame 7 at 0\.280000 s, the clip at 0\.280002 s: .*another clip"):
        backend.detect(moved)
    with pytest.raises(TracksError, match="another clip"):
        backend.locate(moved, backend.detect(shown)[0])
    assert backend.detect(frame(9999)) == []


def test_replay_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--save-tracks"):
        load_backend("replay")
    with pytest.raises(TracksError, match=r"absent: .* can't be read \(No such file"):
        load_backend("replay", tmp_path / "absent")
    with pytest.raises(TracksError, match="not a regular file"):
        load_backend("replay", tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TracksError, match="not a regular file"):
        load_backend("replay", tmp_path / "pipe")


def test_a_failed_write_leaves_what_was_there(stored: Path, puppets: Puppets, tracks: list[FaceTrack]) -> None:
    before = stored.read_bytes()
    with pytest.raises(TracksError, match=r"can't be written \(No such file.*another place"):
        save_tracks(stored.parent / "nowhere" / "tracks", SHA256, puppets, tracks)
    (stored.parent / "folder").mkdir()
    with pytest.raises(TracksError, match="can't be written"):
        save_tracks(stored.parent / "folder", SHA256, puppets, tracks)
    assert sorted(path.name for path in stored.parent.iterdir()) == ["clip.tracks", "folder"]
    assert stored.read_bytes() == before


Members = dict[str, NDArray[Any]]


def set_to(key: str, value: Any) -> Callable[[Members], object]:
    return lambda members: members.update({key: np.asarray(value)})


def change(key: str, by: Callable[[NDArray[Any]], object]) -> Callable[[Members], object]:
    """Return what edits a copy of one member in place, or replaces it where `by` returns another array."""

    def edit(members: Members) -> None:
        members[key] = members[key].copy()
        result = by(members[key])
        if isinstance(result, np.ndarray):
            members[key] = result

    return edit


def put(index: Any, value: float) -> Callable[[NDArray[Any]], None]:
    return lambda array: array.__setitem__(index, value)


HOSTILE: dict[str, tuple[Callable[[Members], object], str]] = {
    "a key is missing": (lambda m: m.pop("0/scores"), "'0/scores' is missing"),
    "a text is missing": (lambda m: m.pop("layout"), "'layout' is missing"),
    "the names are missing": (lambda m: m.pop("ids"), "'ids' is missing"),
    "a key too many": (set_to("9/points", [1.0]), "'9/points' does not belong there"),
    "another format": (set_to("format", "lipaccord/tracks/2"), "the format is 'lipaccord/tracks/2'"),
    "text as a number": (set_to("layout", 3), "'layout' is no text"),
    "a list of texts": (set_to("version", ["1", "2"]), "'version' is no text"),
    "no text": (set_to("version", ""), "'version' is empty"),
    "control characters": (set_to("backend", "a\x1b[2J"), "'backend' is empty, too long or not printable"),
    "a long text": (set_to("version", "x" * 201), "'version' is empty, too long"),
    "no hash": (set_to("clip_sha256", "AB" * 32), "SHA-256 is none"),
    "an unknown layout": (set_to("layout", "points-5"), "layout 'points-5' is unknown"),
    "names of faces as numbers": (set_to("ids", [1, 2, 3, 4]), "'ids' is no list of names"),
    "too many faces": (set_to("ids", ["x"] * 10_001), "'ids' is no list of names"),
    "points as doubles": (change("0/points", lambda a: a.astype("<f8")), "'0/points' has type float64"),
    "points of the other byte order": (change("0/points", lambda a: a.astype(">f4")), "'0/points' has type >f4"),
    "frames as floats": (change("0/frames", lambda a: a.astype("<f8")), "'0/frames' has type float64"),
    "too few points": (change("0/points", lambda a: a[:, 1:]), r"FaceTrack\.points has shape"),
    "too few rows": (change("0/scores", lambda a: a[1:]), r"FaceTrack\.scores has shape"),
    "no rows": (
        lambda m: [m.update({f"0/{f}": m[f"0/{f}"][:0]}) for f in ("times_s", "frames", "points", "depth", "scores")],
        "frame numbers of track 0 do not rise",
    ),
    "a time that is none": (change("0/times_s", put(4, np.nan)), "must be finite and rise"),
    "a time without end": (change("0/times_s", put(-1, np.inf)), "must be finite and rise"),
    "times that fall": (change("0/times_s", put(4, 0.01)), "must be finite and rise"),
    "tracks that disagree on a time": (change("1/times_s", put(4, 1.165)), "disagree on the times"),
    "tracks in opposite order": (change("1/frames", lambda a: a + 100), "disagree on the times"),
    "negative frames": (change("0/frames", put(0, -1)), "frame numbers of track 0 do not rise"),
    "frames that stand": (change("0/frames", put(4, 3)), "frame numbers of track 0 do not rise"),
    "a point that is none": (change("0/points", put((3, 9, 1), np.nan)), "track 0 has frames that are half seen"),
    "a point without end": (change("0/points", put((3, 9, 1), np.inf)), "track 0 has frames that are half seen"),
    "an unseen frame with depth": (change("0/depth", put((31, 0), 1.0)), "track 0 has frames that are half seen"),
    "a score above one": (change("0/scores", put(3, 1.5)), "scores of track 0 are out of range"),
    "a score that is none": (change("0/scores", put(3, np.nan)), "scores of track 0 are out of range"),
    "a score of an unseen frame": (change("0/scores", put(31, 0.5)), "scores of track 0 are out of range"),
    "objects": (set_to("0/points", np.array([{}], dtype=object)), "'0/points.npy' holds no plain values"),
    "complex numbers": (set_to("0/scores", np.zeros(60, complex)), "'0/scores.npy' holds no plain values"),
    "columns first": (change("0/points", np.asfortranarray), "'0/points.npy' holds no plain values"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sound file of tracks to be damaged."""
    path = tmp_path_factory.mktemp("sound") / "tracks.npz"
    save_tracks(path, SHA256, Puppets(), track_all(Puppets()))
    return path


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_is_not_what_it_claims_is_refused(case: str, sound: Path, tmp_path: Path) -> None:
    damage, message = HOSTILE[case]
    with np.load(sound, allow_pickle=False) as archive:
        members: Members = dict(archive)
    damage(members)
    path = tmp_path / "hostile.npz"
    np.savez(path, allow_pickle=True, **members)
    with pytest.raises(TracksError, match=rf"hostile\.npz: the stored tracks are damaged \(.*{message}.*--save-tracks"):
        ReplayBackend(path)


def npy(header: str) -> bytes:
    """Return an npy member with no data behind its header."""
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 478, 2)}\n", "the size that it claims"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-4, 478, 2)}\n", "holds no plain values"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n", "holds no plain values"),
        ("{'descr': '<U99999999', 'fortran_order': False, 'shape': ()}\n", "the size that it claims"),
        ("{" * 9000, "the stored tracks are damaged"),
        ("", "the stored tracks are damaged"),
    ],
)
def test_the_claims_of_a_header_are_checked_before_memory_is_spent(header: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0/points.npy", npy(header))
    with pytest.raises(TracksError, match=message):
        ReplayBackend(path)


def test_compressed_members_are_refused(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, points=np.zeros(10_000_000, np.float32))
    assert path.stat().st_size < 100_000
    with pytest.raises(TracksError, match="a member is compressed"):
        ReplayBackend(path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Many entries of the directory may point to one large member: together they claim more than the file holds."""
    path = tmp_path / "shared.npz"
    content = io.BytesIO()
    np.lib.format.write_array(content, np.zeros(1000))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0/times_s.npy", content.getvalue())
        for k in range(1, 9):
            twin = zipfile.ZipInfo(f"{k}/times_s.npy")
            for field in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(twin, field, getattr(archive.filelist[0], field))
            archive.filelist.append(twin)
    with pytest.raises(TracksError, match="claim more than the file holds"):
        ReplayBackend(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("format.npy", b"1")
        archive.writestr("format.npy", b"2")
    with pytest.raises(TracksError, match="a member is there twice"):
        ReplayBackend(path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_file_is_refused(share: float, sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.npz"
    content = sound.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(TracksError, match="damaged"):
        ReplayBackend(path)


def test_a_flipped_bit_is_found(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "flipped.npz"
    content = bytearray(sound.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(TracksError, match="Bad CRC-32"):
        ReplayBackend(path)
