from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lipaccord import corpus
from lipaccord.assembly import InlineExecutor
from lipaccord.corpus import Example, group_speakers, read_corpus
from lipaccord.errors import TrainingError
from lipaccord.records import FloatArray
from made_examples import example

Reader = Callable[[Path], dict[str, FloatArray]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make examples of the names of files, in one process; return the names of those that were decoded."""
    decoded: list[str] = []

    def made(path: Path) -> dict[str, FloatArray]:
        decoded.append(path.name)
        if path.stem == "bad":
            raise TrainingError(f"{path} shows no face")
        clip = example(path.name, "", seed=len(path.name), length=79 if path.stem == "short" else 120)
        return {**clip.features, "lips": clip.lips, "face": clip.face, "voice": clip.voice}

    monkeypatch.setattr(corpus, "_read_clip", made)
    monkeypatch.setattr(corpus, "ProcessPoolExecutor", lambda *_, **__: InlineExecutor())
    return decoded


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return path


def test_clips_come_in_the_order_of_their_paths(tmp_path: Path, read: list[str]) -> None:
    data = folder(tmp_path / "data", "b/2.mp4", "a/x/9.MKV", "a/1.mov", "top.webm", "a/notes.txt", "b/2.wav")
    shares: list[float] = []
    clips, left_out = read_corpus(data, tmp_path / "cache", shares.append)
    assert [(clip.source, clip.name) for clip in clips] == [
        ("a", "1.mov"),
        ("a", "9.MKV"),
        ("b", "2.mp4"),
        (".", "top.webm"),
    ]
    assert left_out == []
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert sorted(read) == ["1.mov", "2.mp4", "9.MKV", "top.webm"]
    assert set(clips[0].features) == {"logmel-40", "mfcc-28"}
    assert clips[0].lips.shape == (120, 40, 2)


def test_the_cache_is_used_again(tmp_path: Path, read: list[str]) -> None:
    data = folder(tmp_path / "data", "a/1.mp4")
    first, _ = read_corpus(data, tmp_path / "cache", lambda _: None)
    (data / "a/1.mp4").rename(data / "a/renamed.mp4")  # it goes by the content
    second, _ = read_corpus(data, tmp_path / "cache", lambda _: None)
    assert read == ["1.mp4"]
    np.testing.assert_array_equal(first[0].lips, second[0].lips)
    (data / "a/renamed.mp4").write_text("changed")
    read_corpus(data, tmp_path / "cache", lambda _: None)
    assert read == ["1.mp4", "renamed.mp4"]
    assert all(path.suffix == ".npz" for path in (tmp_path / "cache").iterdir())


def test_useless_clips_are_left_out_with_a_reason(tmp_path: Path, read: list[str]) -> None:
    data = folder(tmp_path / "data", "a/bad.mp4", "a/good.mp4", "a/short.mp4")
    clips, left_out = read_corpus(data, tmp_path / "cache", lambda _: None)
    assert [clip.name for clip in clips] == ["good.mp4"]
    assert left_out == [
        f"{data / 'a/bad.mp4'} shows no face",
        f"{data / 'a/short.mp4'} shows a measurable mouth for less than 0.8 s",
    ]


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no clip \(\.mp4, "):
        read_corpus(folder(tmp_path, "a/notes.txt"), tmp_path / "cache", lambda _: None)


@pytest.mark.parametrize("damage", ["emptied", "cut", "overwritten", "of other arrays"])
def test_a_damaged_entry_is_named(tmp_path: Path, read: list[str], damage: str) -> None:
    data = folder(tmp_path / "data", "a/1.mp4")
    read_corpus(data, tmp_path / "cache", lambda _: None)
    [entry] = (tmp_path / "cache").iterdir()
    if damage == "of other arrays":
        np.savez(entry, allow_pickle=False, lips=np.zeros(3))
    else:
        whole = entry.read_bytes()
        entry.write_bytes({"emptied": b"", "cut": whole[: len(whole) // 2], "overwritten": b"x" * 500}[damage])
    with pytest.raises(TrainingError, match=rf"{entry.name} is damaged \(.*\); delete it and train again"):
        read_corpus(data, tmp_path / "cache", lambda _: None)


def test_a_clip_without_a_face_is_left_out(tmp_path: Path, fixture_clip: Callable[[str], Path]) -> None:
    outcome = corpus._try_cached(fixture_clip("no_face"), tmp_path)
    assert isinstance(outcome, str)
    assert outcome.endswith("shows no face")
    assert list(tmp_path.iterdir()) == []


def test_a_clip_with_a_face_is_decoded_once(
    tmp_path: Path, fixture_clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fixture_clip("synthetic")
    entry = corpus._try_cached(path, tmp_path)
    assert isinstance(entry, Path)
    assert list(tmp_path.iterdir()) == [entry]
    clip = corpus._load(entry, path, path.parent)
    assert {kind: values.shape[1] for kind, values in clip.features.items()} == {"logmel-40": 40, "mfcc-28": 28}
    assert {len(values) for values in clip.features.values()} == {len(clip.lips)}
    assert clip.lips.shape[1:] == (40, 2)
    assert np.isfinite(clip.lips).all(axis=(1, 2)).mean() > 0.8
    assert np.isfinite(clip.face).all()
    assert np.isfinite(clip.voice).all()

    def refuse(_: Path) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(corpus, "_read_clip", refuse)
    assert corpus._try_cached(path, tmp_path) == entry


def test_a_file_that_is_no_clip_is_left_out(tmp_path: Path) -> None:
    outcome = corpus._try_cached(folder(tmp_path, "a.mp4") / "a.mp4", tmp_path)
    assert isinstance(outcome, str)
    assert "a.mp4" in outcome


def speaker(source: str, number: int, clip: int) -> Example:
    """Make a clip of a speaker whose face and voice vary little."""
    own, now = np.random.default_rng(number), np.random.default_rng(1000 * number + clip)
    face = own.normal(size=64) + 0.1 * now.normal(size=64)
    voice = own.normal(size=20) + 0.1 * now.normal(size=20)
    blank = np.zeros((1, 40, 2), np.float32)
    return Example(f"{clip}.mp4", source, {}, blank, face.astype(np.float32), voice.astype(np.float32))


def test_speakers_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "GROUPS_PER_CLIP", 1 / 8)
    clips = [speaker("news", number, clip) for clip in range(8) for number in range(5)]
    groups = np.array(group_speakers(clips)).reshape(8, 5)
    assert all(len(set(groups[:, number])) == 1 for number in range(5))
    assert len(set(groups[0])) == 5
    assert all(group.startswith("news/") for group in groups.ravel())


def test_groups_are_coarse_and_within_a_source() -> None:
    clips = [speaker("news", number, clip) for clip in range(8) for number in range(5)]
    assert set(group_speakers(clips)) == {"news/1"}
    mixed = [dataclasses.replace(clip, source="ab"[k % 2]) for k, clip in enumerate(clips)]
    assert group_speakers(mixed) == [f"{clip.source}/1" for clip in mixed]
    assert group_speakers(clips[:1]) == ["news/1"]
    assert group_speakers([]) == []
