"""Recordings and clips without sound: signed, found, and laid beside each other like any others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from lipaccord.encoding import encode
from lipaccord.errors import NoAudio
from lipaccord.media import open_clip
from lipaccord.pipeline import analyze
from lipaccord.source.errands import sign_clip
from lipaccord.source.exhibit import exhibit
from lipaccord.source.index import THE_CLIPS_OWN, open_index
from lipaccord.source.searching import search
from lipaccord.source.showing import show
from lipaccord.source.signature import Signature
from lipaccord.source.signing import sign
from made_exhibits import Knowing, aligned, frames, otherwise, write

LASTS_S = 3.0


@pytest.fixture(scope="module")
def recording(fixture_clip: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Take the sound off a recording."""
    path = tmp_path_factory.mktemp("silent") / "recording.mp4"
    with open_clip(fixture_clip("obama_speech"), end_s=LASTS_S) as reader:
        encode(path, reader.frames(), crf=20, preset="superfast")
    return path


@pytest.fixture(scope="module")
def signed(recording: Path) -> tuple[Signature, ...]:
    answer, blobs = sign_clip({"uri": str(recording), "landmarks": "mediapipe", "known": []})
    assert answer["status"] == "signed"
    assert answer["sha256"] == hashlib.sha256(recording.read_bytes()).hexdigest()
    return tuple(Signature.from_bytes(blob, "here") for blob in blobs)


@pytest.fixture
def folder(signed: tuple[Signature, ...], tmp_path: Path) -> Path:
    sha256 = signed[0].sha256
    with open_index(tmp_path / "index", create=True) as index:
        index.plan(sha256, LASTS_S, [(1, None, None)])
        index.record(sha256, 1, "signed", [one.to_bytes() for one in signed], None)
    return tmp_path / "index"


def test_a_recording_without_sound_is_signed(signed: tuple[Signature, ...]) -> None:
    largest = max(signed, key=lambda one: one.interocular_px)
    assert largest.duration_s == pytest.approx(LASTS_S, abs=0.3)
    assert (len(largest.sound), len(largest.heard)) == (0, 0)
    assert len(largest.looks_s)
    assert not largest.still


def test_a_clip_with_sound_is_found_in_a_recording_without(
    folder: Path, fixture_clip: Callable[[str], Path], signed: tuple[Signature, ...]
) -> None:
    queries = sign(fixture_clip("obama_mouth_blurred"), end_s=LASTS_S)
    with open_index(folder) as index:
        found = search(index, queries)
    assert found.status == "same_recording"
    assert found.candidates[0].sha256 == signed[0].sha256
    assert found.candidates[0].alignment.sound.same is None
    assert found.candidates[0].to_values()["sound"] == {"same": None, "agreement": None, "lag_s": 0.0, "heard_s": 0.0}


def test_a_clip_without_sound_is_found(folder: Path, signed: tuple[Signature, ...]) -> None:
    with open_index(folder) as index:
        found = search(index, signed)
    assert found.status == "same_recording"
    assert "compare the sound" in found.reasons[0].text


@pytest.mark.parametrize(("clip_sounds", "source_sounds"), [(False, False), (False, True), (True, False)])
def test_the_exhibit_needs_no_sound(clip_sounds: bool, source_sounds: bool, tmp_path: Path) -> None:
    clip, source = tmp_path / "clip.mp4", tmp_path / "source.mp4"
    for path, film, sounds in ((clip, frames(20, otherwise), clip_sounds), (source, frames(20), source_sounds)):
        if sounds:
            write(path, film)
        else:
            encode(path, film, crf=20, preset="superfast")
    laid = aligned(same_sound=None)
    made = exhibit(clip, source, laid, backend=Knowing())
    assert made.status == "mouth_altered"
    show(clip, source, laid, made, tmp_path / "shown.mp4", backend=Knowing())
    with open_clip(tmp_path / "shown.mp4", needs_sound=False) as reader:
        shown = [frame.time_s for frame in reader.frames()]
        assert bool(len(reader.sound().samples)) == clip_sounds
    with nullcontext() if clip_sounds else pytest.raises(NoAudio):
        open_clip(tmp_path / "shown.mp4")
    assert len(shown) == 20
    assert shown[:2] == pytest.approx([0.0, 0.04])


def test_an_index_tries_again_what_had_failed_without_sound() -> None:
    assert "NoAudio" not in THE_CLIPS_OWN


def test_what_examines_lips_against_sound_still_needs_it(recording: Path) -> None:
    with pytest.raises(NoAudio, match="there is no sound"):
        analyze(recording)
