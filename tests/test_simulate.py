from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import clicks, numbered, write_clip
from lipaccord import reel
from lipaccord.encoding import encode
from lipaccord.errors import SettingsError, SimulationError
from lipaccord.media import open_clip
from lipaccord.records import Frame, Image, Sound
from lipaccord.reel import Reel, read_reel
from lipaccord.simulate import Plan, harm_reel, simulate, truth_path

FixtureClip = Callable[[str], Path]
PART_S = (1.0, 2.0)
"""The stretch of the fixture that these tests read."""


@cache
def faces(clip: Path) -> Reel:
    return read_reel(clip, start_s=PART_S[0], end_s=PART_S[1])


@pytest.fixture
def clip(fixture_clip: FixtureClip, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clip with a face; the part in use is read once for all tests."""
    path = fixture_clip("synthetic")

    def kept(asked: Any, **options: Any) -> Reel:
        if (options["start_s"], options["end_s"]) == PART_S:
            return faces(path)
        return read_reel(asked, **options)

    monkeypatch.setattr("lipaccord.simulate.read_reel", kept)
    return path


def run(clip: Path, out: Path, plan: Plan, **options: Any) -> dict[str, Any]:
    return simulate(clip, out, plan, start_s=PART_S[0], end_s=PART_S[1], crf=5, **options)


def read(path: Path) -> tuple[list[Frame], Sound]:
    with open_clip(path) as reader:
        sound = reader.sound()
        return list(reader.frames()), sound


def differing(first: list[Frame], second: list[Frame], limit: float = 6.0) -> list[int]:
    """Frames of which some 4 x 4 pixels differ by more than coding does."""

    def coarse(image: Image) -> Any:
        rows, columns = image.shape[0] // 4 * 4, image.shape[1] // 4 * 4
        return image[:rows, :columns].reshape(rows // 4, 4, columns // 4, 4, 3).mean(axis=(1, 3))

    pairs = zip(first, second, strict=True)
    return [a.index for a, b in pairs if np.abs(coarse(a.image) - coarse(b.image)).max() > limit]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_stretch_that_was_asked_for_is_manipulated_and_nothing_else(clip: Path, tmp_path: Path) -> None:
    plan = Plan("tone", strength=40, from_s=1.32, to_s=1.6)
    truth = run(clip, tmp_path / "out.mp4", plan, control=tmp_path / "control.mp4")
    made, control = (read(tmp_path / f"{name}.mp4")[0] for name in ("out", "control"))
    assert differing(made, control) == list(range(8, 15))
    assert truth["manipulation"]["interval_s"] == pytest.approx([0.32, 0.6])
    assert truth["manipulation"]["frames"] == 7
    assert [frame.time_s for frame in made] == pytest.approx([index / 25 for index in range(25)])


def test_the_truth_says_all_that_was_done(clip: Path, tmp_path: Path) -> None:
    out, control = tmp_path / "out.mp4", tmp_path / "control.mp4"
    truth = run(clip, out, Plan("blur", seed=3), control=control)
    assert json.loads(truth_path(out).read_text(encoding="utf-8")) == truth
    assert truth["source"] == {"path": str(clip), "sha256": digest(clip), "start_s": 1.0, "end_s": 2.0}
    done = truth["manipulation"]
    assert (done["kind"], done["seed"], done["what"], done["face"]) == ("blur", 3, "picture", "face-1")
    assert (done["strength"], done["unit"]) == (0.016, "standard deviation in eye distances")
    assert done["mask"] == {"name": "lower_face", "dilation": 0.03, "feather": 0.04}
    assert done["interval_s"] == pytest.approx([0.0, 1.0])
    assert truth["clip"] == {"path": "out.mp4", "sha256": digest(out)}
    assert truth["control"] == {"path": "control.mp4", "sha256": digest(control)}
    assert truth["encode"]["crf"] == 5
    assert {"lipaccord", "landmarks", "av", "numpy", "opencv-python"} == truth["versions"].keys()


def test_the_control_is_the_source_through_the_same_encode(clip: Path, tmp_path: Path) -> None:
    run(clip, tmp_path / "out.mp4", Plan("blur"), control=tmp_path / "control.mp4")
    encode(tmp_path / "again.mp4", faces(clip).frames, faces(clip).sound, crf=5)
    assert digest(tmp_path / "again.mp4") == digest(tmp_path / "control.mp4") != digest(tmp_path / "out.mp4")


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(clip: Path, tmp_path: Path) -> None:
    digests = []
    for seed in (4, 4, 5):
        run(clip, tmp_path / "out.mp4", Plan("flicker", seed=seed))
        digests.append((digest(tmp_path / "out.mp4"), digest(tmp_path / "out.json")))
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[2][0]


def test_a_clip_that_is_read_twice_gives_the_same_bytes(fixture_clip: FixtureClip, tmp_path: Path) -> None:
    source, before = fixture_clip("synthetic"), digest(fixture_clip("synthetic"))
    for name in ("first", "second"):
        simulate(source, tmp_path / f"{name}.mp4", Plan("median", strength=3), start_s=0.4, end_s=0.9)
    assert digest(tmp_path / "first.mp4") == digest(tmp_path / "second.mp4")
    assert digest(source) == before


def test_a_retimed_clip_keeps_its_length(clip: Path, tmp_path: Path) -> None:
    truth = run(clip, tmp_path / "out.mp4", Plan("retime", strength=0.5))
    assert len(read(tmp_path / "out.mp4")[0]) == 25
    assert truth["manipulation"]["mask"] is None


def test_another_mask_and_the_face_that_was_named(clip: Path) -> None:
    harm, truth = harm_reel(faces(clip), Plan("blur", mask="mouth", face="face-1"))
    assert (harm.mask, truth["mask"]["name"]) == ("mouth", "mouth")
    with pytest.raises(SimulationError, match=r"there is no face 'face-9'.*face-1"):
        harm_reel(faces(clip), Plan("blur", face="face-9"))


def test_the_largest_face_is_taken_unless_another_is_named(clip: Path) -> None:
    whole = faces(clip)
    large, track = whole.face(), whole.face()
    small = dataclasses.replace(track, id="face-2", points=track.points / np.float32(3))
    both = dataclasses.replace(whole, tracks=(small, large))
    assert both.face() is large
    assert both.face("face-2") is small


def test_time_is_counted_from_the_first_sight_of_a_face(clip: Path, tmp_path: Path) -> None:
    whole = faces(clip)
    black = np.zeros_like(whole.frames[0].image)
    shown = [black] * 20 + [frame.image for frame in whole.frames]
    frames = [Frame(index, index / 25, image) for index, image in enumerate(shown)]
    encode(tmp_path / "late.mp4", frames, whole.sound)
    late = read_reel(tmp_path / "late.mp4", seen_s=0.4)
    assert late.tracks[0].times_s[0] == pytest.approx(0.8)
    assert late.frames[-1].time_s == pytest.approx(1.16)


def test_shifted_sound_leaves_the_picture_alone(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    sound = clicks(2.0, 48_000, at_s=(1.0,))
    write_clip(source, frames=numbered(50), rate=25, sound=sound, sound_rate=48_000)
    truth = simulate(source, tmp_path / "out.mp4", Plan("shift", strength=200), control=tmp_path / "control.mp4")
    (made, late), (control, timely) = read(tmp_path / "out.mp4"), read(tmp_path / "control.mp4")
    assert differing(made, control, 0.0) == []
    assert np.argmax(np.abs(late.samples)) / 16_000 == pytest.approx(1.2, abs=0.002)
    assert np.argmax(np.abs(timely.samples)) / 16_000 == pytest.approx(1.0, abs=0.002)
    done = truth["manipulation"]
    assert (done["what"], done["strength"], done["unit"]) == ("sound", 200, "milliseconds, + = the sound comes late")
    assert "face" not in done


def test_sound_of_another_clip(clip: Path, fixture_clip: FixtureClip, tmp_path: Path) -> None:
    other = fixture_clip("obama_speech")
    truth = run(clip, tmp_path / "out.mp4", Plan("replace"), other=other)
    assert truth["other"] == {"path": str(other), "sha256": digest(other)}
    with open_clip(other) as reader:
        expected = reader.sound().samples[:16_000]
    heard = read(tmp_path / "out.mp4")[1].samples[:16_000]
    assert np.corrcoef(heard[1000:15_000], expected[1000:15_000])[0, 1] > 0.9
    with pytest.raises(SettingsError, match="needs the sound of another clip: name a clip with --other"):
        run(clip, tmp_path / "out.mp4", Plan("replace"))
    with pytest.raises(SettingsError, match="takes no other clip"):
        run(clip, tmp_path / "out.mp4", Plan("blur"), other=other)


def test_a_splice_takes_the_middle_third_unless_told(clip: Path, tmp_path: Path) -> None:
    truth = run(clip, tmp_path / "out.mp4", Plan("splice"))
    start_s, end_s = truth["manipulation"]["interval_s"]
    assert (start_s, end_s) == pytest.approx((1 / 3, 2 / 3), abs=0.03)
    truth = run(clip, tmp_path / "out.mp4", Plan("splice", from_s=1.5))
    assert truth["manipulation"]["interval_s"] == pytest.approx([0.5, 1.0], abs=0.03)


def test_a_clip_that_is_too_large_is_refused_with_the_limit_and_the_remedy(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reel, "MAX_BYTES", 3_000_000)
    with pytest.raises(SimulationError, match=r"limit of 3,000,000 bytes after \d.\d s: .* --start and --end"):
        simulate(clip, tmp_path / "out.mp4", Plan("shift"))
    assert list(tmp_path.iterdir()) == []


def test_a_clip_without_a_face_has_nothing_to_manipulate(fixture_clip: FixtureClip, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="no face was found"):
        simulate(fixture_clip("no_face"), tmp_path / "out.mp4", Plan("blur"), end_s=0.5)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_stretch_is_refused(clip: Path, tmp_path: Path) -> None:
    for kind, what in (("blur", "picture"), ("shift", "sound")):
        with pytest.raises(SettingsError, match=f"there is no {what} from 30 s to 40 s"):
            run(clip, tmp_path / "out.mp4", Plan(kind, from_s=30, to_s=40))


def test_only_an_mp4_is_written(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"must end in \.mp4"):
        run(clip, tmp_path / "out.mkv", Plan("blur"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"kind": "melt"}, "there is no manipulation 'melt'; there are: blur"),
        ({"kind": "median", "strength": 99}, "median takes a strength of 1 to 40, not 99"),
        ({"kind": "splice", "strength": 1}, "splice takes no strength"),
        ({"kind": "shift", "mask": "mouth"}, "takes no mask and no face"),
        ({"kind": "shift", "face": "face-1"}, "takes no mask and no face"),
        ({"kind": "blur", "mask": "nose"}, "there is no mask 'nose'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Plan(**options)
