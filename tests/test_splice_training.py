from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drawn_face import face_points, skin
from lipaccord import splice_training, splices
from lipaccord.assembly import InlineExecutor
from lipaccord.bundle import load_bundle
from lipaccord.crops import CELL, HEIGHT, SCOPES, WIDTH
from lipaccord.errors import BundleError, TrainingError
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.manifest import fold_of, group_key
from lipaccord.splice_training import (
    BATCH_PAIRS,
    FOLDS,
    MANIFEST_SHARE,
    Arrays,
    PairPool,
    Source,
    face_sequence,
    find_sources,
    train_splicer,
)
from lipaccord.splices import FaceSequence
from lipaccord.splicing import Splicer, load_splicers

EYES = 30.0
SIDE = 140
COLUMNS = ("path", "mouth", "sound", "method", "group", "pair")


def drawn_sequence(path: Path, group: str) -> FaceSequence:
    """Draw a face of noise that depends on the clip's name, in place of decoding it."""
    seed = int.from_bytes(path.name.encode(), "little") % 2**32
    points = np.stack([face_points(MEDIAPIPE_478, EYES, (SIDE / 2, 0.36 * SIDE)).xy] * 9)
    luma = np.stack([skin(SIDE, SIDE, seed + k, 30.0)[:, :, 0] for k in range(9)])
    return FaceSequence(path.name, group, luma, points, EYES)


class Made:
    """Which clips were decoded, and with which groups."""

    def __init__(self) -> None:
        self.clips: list[tuple[str, str]] = []

    def sequence(self, path: Path, group: str) -> FaceSequence:
        self.clips.append((path.name, group))
        if "useless" in path.name:
            raise TrainingError(f"{path} shows no face")
        return drawn_sequence(path, group)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Small networks, few pairs, no lossy encode, no process of its own."""
    kept = Made()
    monkeypatch.setattr(splice_training, "face_sequence", kept.sequence)
    monkeypatch.setattr(splice_training, "ProcessPoolExecutor", lambda *_, **__: InlineExecutor())
    monkeypatch.setattr(splice_training, "FOLDER_PAIRS", 2)
    monkeypatch.setattr(splice_training, "MANIFEST_PAIRS", 3)
    monkeypatch.setattr(splice_training, "BATCH_PAIRS", 2)
    monkeypatch.setattr(splice_training, "SCALES", {"lower": 0.25, "face": 0.3})
    monkeypatch.setattr(splices, "recoded", lambda pictures, **_: pictures)
    monkeypatch.setattr(splices, "KINDS", {"blur": 0.7, "tone": 0.3})
    return kept


def folder(path: Path, names: list[str]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_bytes(f"{path.name}/{name}".encode())
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder(tmp_path / "data" / "one", [f"{k}.mp4" for k in range(3)])
    folder(tmp_path / "data" / "two", ["a.mp4", "b.MKV", "notes.txt", "useless.mp4"])
    return tmp_path / "data"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four people with two camera originals each; of two of them there are synthesised clips too."""
    clips = folder(tmp_path / "labelled", [f"{who}{k}.mp4" for who in "ABCD" for k in range(3)])
    rows = [
        f"{who}{k}.mp4,{'camera' if k < 2 else 'synthesised' if who in 'AB' else 'unknown'},together,m,person {who},"
        for who in "ABCD"
        for k in range(3)
    ]
    (clips / "manifest.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return clips / "manifest.csv"


def trained(data: Path, out: Path, **options: Any) -> dict[str, Splicer]:
    train_splicer(data, out, steps=2, **options)
    return load_splicers(load_bundle(out).files["splice.safetensors"])


def figures_of(card: str) -> list[list[str]]:
    """Cells of the rows that the networks' part of the card has for the members."""
    part = card.partition("<!-- part: splice -->\n")[2].partition("<!-- end: splice -->\n")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    return [cells for cells in rows if cells[0] in SCOPES]


def test_a_bundle_is_written_with_the_networks_and_their_card(made: Made, data: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    networks = trained(data, tmp_path / "out", progress=lambda stage, share: told.append((stage, share)))
    assert set(networks) == set(SCOPES)
    for scope, scale in (("lower", 0.25), ("face", 0.3)):
        assert [member.scale for member in networks[scope].members] == [scale] * FOLDS
        assert all(standard.left_out == () for standard in networks[scope].standards)  # clips of a folder are no groups
    assert sorted(made.clips) == [
        *((f"{k}.mp4", "one") for k in range(3)),
        *((name, "two") for name in ("a.mp4", "b.MKV", "useless.mp4")),
    ]
    shipped, bundle = load_bundle(), load_bundle(tmp_path / "out")
    for name in ("predictor.safetensors", "predictor.json", "resynthesis.json"):
        assert bundle.files[name] == shipped.files[name]
    assert bundle.calibration["findings"] == {}  # what there was belonged to other networks
    assert "<!-- part: calibration -->" not in bundle.card
    assert "- one: 3 clips" in bundle.card
    assert "- two: 3 clips" in bundle.card
    assert "1 clips were of no use" in bundle.card
    assert "Steps for each member: 2 (lower), 2 (face)" in bundle.card
    assert "--part splice --out BUNDLE --seed 0" in bundle.card
    assert [len(row) for row in figures_of(bundle.card)] == [4] * FOLDS * len(SCOPES)
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["making splices", "training lower", "training face"]
    for stage in dict.fromkeys(stage for stage, _ in told):
        shares = [share for name, share in told if name == stage]
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(made: Made, data: Path, tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> bytes:
        trained(data, tmp_path / name, seed=seed, cache=tmp_path / f"{name}-own-cache")
        return load_bundle(tmp_path / name).files["splice.safetensors"]

    first = weights("first", 5)
    assert weights("second", 5) == first
    assert weights("third", 6) != first


def test_pairs_are_made_once(made: Made, data: Path, tmp_path: Path) -> None:
    trained(data, tmp_path / "out", cache=tmp_path / "cache")
    first = load_bundle(tmp_path / "out")
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".npz"}  # nothing half written
    assert len(list((tmp_path / "cache").iterdir())) == 5
    made.clips.clear()
    trained(data, tmp_path / "out", cache=tmp_path / "cache")
    assert made.clips == [("useless.mp4", "two")]
    assert load_bundle(tmp_path / "out") == first


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[list[Source]]:
    """Note which clips each member was trained on."""
    noted: list[list[Source]] = []

    class Noted(PairPool):
        def __init__(self, parts: list[tuple[Source, Arrays]]) -> None:
            noted.append([source for source, _ in parts])
            super().__init__(parts)

    monkeypatch.setattr(splice_training, "PairPool", Noted)
    return noted


def test_a_member_never_trains_on_what_it_left_out(
    made: Made, pools: list[list[Source]], data: Path, manifest: Path, tmp_path: Path
) -> None:
    """What it left out is what it is judged by; of the manifest only the camera originals are looked at."""
    networks = trained(data, tmp_path / "out", manifest=manifest)
    people = {f"person {who}" for who in "ABCD"}
    standards = [standard for scope in SCOPES for standard in networks[scope].standards]
    for standard, pool in zip(standards, pools, strict=True):
        used = {source.group for source in pool if source.labelled}
        assert set(standard.left_out) == {group_key(person) for person in people - used}
        assert len(used) == 2
        assert sum(not source.labelled for source in pool) == 5  # clips of the folders are always used
    for first, second in zip(standards[::FOLDS], standards[1::FOLDS], strict=True):
        assert not set(first.left_out) & set(second.left_out)
        assert len({*first.left_out, *second.left_out}) == len(people)
    card = load_bundle(tmp_path / "out").card
    assert "- manifest: 8 clips" in card
    assert "--out BUNDLE --manifest MANIFEST --seed 0" in card
    assert [clips for _, clips, *_ in figures_of(card)] == ["4"] * 4  # two clips of two people
    labelled = sorted(clip for clip in made.clips if clip[1].startswith("person"))
    assert labelled == [(f"{who}{k}.mp4", f"person {who}") for who in "ABCD" for k in range(2)]


def test_without_a_manifest_each_member_leaves_out_clips(
    made: Made, pools: list[list[Source]], data: Path, tmp_path: Path
) -> None:
    trained(data, tmp_path / "out")
    used = [{source.path.name for source in pool} for pool in pools]
    everything = {"0.mp4", "1.mp4", "2.mp4", "a.mp4", "b.MKV"}
    for first, second in zip(used[::FOLDS], used[1::FOLDS], strict=True):
        assert first | second == everything
        assert not first & second


def test_a_folder_that_holds_the_manifest_does_not_bring_its_clips_in_unlabelled(data: Path, manifest: Path) -> None:
    """Neither synthesised ones, nor people that a member is to leave out."""
    sources = find_sources(data.parent, manifest)
    assert all(source.labelled == source.group.startswith("person") for source in sources)
    assert sum(source.labelled for source in sources) == 8
    assert len(sources) == 8 + 6


def test_a_large_folder_is_thinned_evenly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(splice_training, "FOLDER_CLIPS", 4)
    folder(tmp_path / "large", [f"{k:02}.mp4" for k in range(10)])
    folder(tmp_path / "small", ["x.mp4"])
    names = [source.path.name for source in find_sources(tmp_path, None)]
    assert names == ["00.mp4", "03.mp4", "06.mp4", "09.mp4", "x.mp4"]


def test_a_damaged_cache_entry_is_named(made: Made, data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    trained(data, tmp_path / "out", cache=cache)
    entry = sorted(cache.iterdir())[0]
    other = io.BytesIO()
    np.savez(other, other=np.zeros(3))
    for content in (entry.read_bytes()[:-200], b"garbage" * 20, b"", other.getvalue()):
        entry.write_bytes(content)
        with pytest.raises(TrainingError, match=f"the cache entry {entry} is damaged"):
            trained(data, tmp_path / "out", cache=cache)


def test_too_few_clips_are_refused_before_anything_is_trained(
    made: Made, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(splice_training, "_train_member", refuse)
    for names in (["a.mp4"], ["a.mp4", "b.mp4", "c.mp4"]):
        few = folder(tmp_path / f"few{len(names)}" / "one", names).parent
        with pytest.raises(TrainingError, match="too few clips are left to judge the networks by"):
            train_splicer(few, tmp_path / "out", steps=2)
    manifest.write_text("\n".join(manifest.read_text().splitlines()[:3]) + "\n")  # one person alone
    with pytest.raises(TrainingError, match="too few clips are left to judge the networks by"):
        train_splicer(tmp_path / "few3", tmp_path / "out", manifest=manifest, steps=2)
    assert not (tmp_path / "out").exists()


def test_what_can_not_be_used_is_refused(made: Made, tmp_path: Path) -> None:
    empty = folder(tmp_path / "empty", ["notes.txt"])
    with pytest.raises(TrainingError, match=r"holds no clip \(.*\.mp4"):
        train_splicer(empty, tmp_path / "out")
    useless = folder(tmp_path / "useless", ["useless1.mp4", "useless2.mp4"])
    with pytest.raises(TrainingError, match="none of the clips shows a face for long enough"):
        train_splicer(useless, tmp_path / "out")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        train_splicer(useless, empty)
    assert not (tmp_path / "empty-cache").exists()


def pairs(count: int, level: int) -> Arrays:
    """Make pairs whose spliced example is their control, and whose parts can be told by place."""
    rng = np.random.default_rng(level)
    both = rng.integers(level, level + 20, (count, 2, HEIGHT, WIDTH)).astype(np.uint8)
    cells: NDArray[np.uint8] = rng.integers(0, 256, (3, count, HEIGHT // CELL, WIDTH // CELL)).astype(np.uint8)
    return {"spliced": both, "control": both, "judged": cells[0], "reference": cells[1], "mask": cells[2]}


def source(name: str, labelled: bool) -> Source:
    return Source(Path(name), name, 1, labelled)


def test_a_batch_holds_examples_then_their_controls() -> None:
    pool = PairPool([(source("a", False), pairs(3, 60)), (source("b", True), pairs(2, 160))])
    batch = pool.batch(np.random.default_rng(0))
    assert batch["pairs"].shape == (2 * BATCH_PAIRS, 2, HEIGHT, WIDTH)
    first, second = batch["pairs"][:BATCH_PAIRS], batch["pairs"][BATCH_PAIRS:]
    np.testing.assert_array_equal(first, second)  # whatever varies them varies both alike
    assert batch["mask"][:BATCH_PAIRS].any()
    assert not batch["mask"][BATCH_PAIRS:].any()
    for name in ("judged", "reference"):
        np.testing.assert_array_equal(batch[name][:BATCH_PAIRS], batch[name][BATCH_PAIRS:])


def test_a_mirrored_pair_is_mirrored_with_its_parts() -> None:
    arrays = pairs(1, 60)
    batch = PairPool([(source("a", False), arrays)]).batch(np.random.default_rng(0))
    seen = set()
    each = (batch[name] for name in ("judged", "reference", "mask", "pairs"))
    for judged, reference, mask, pair in zip(*each, strict=True):
        turned = not np.array_equal(judged, arrays["judged"][0])
        seen.add(turned)
        step = -1 if turned else 1
        np.testing.assert_array_equal(judged, arrays["judged"][0][:, ::step])
        np.testing.assert_array_equal(reference, arrays["reference"][0][:, ::step])
        if mask.any():
            np.testing.assert_array_equal(mask, arrays["mask"][0][:, ::step])
        plain = arrays["spliced"][0][..., ::step].reshape(2, -1).astype(float)
        shown = pair.reshape(2, -1).astype(float)
        agreement = [[np.corrcoef(one, other)[0, 1] for other in plain] for one in shown]
        assert sorted(np.ravel(agreement))[2:] == pytest.approx([1, 1], abs=0.01)  # contrast and order may differ
    assert seen == {False, True}


def test_the_clips_of_the_manifest_make_up_their_share() -> None:
    pool = PairPool([(source("a", False), pairs(9, 40)), (source("b", True), pairs(1, 200))])
    rng = np.random.default_rng(0)
    bright = np.concatenate([pool.batch(rng)["pairs"][:BATCH_PAIRS].mean(axis=(1, 2, 3)) > 128 for _ in range(20)])
    assert bright.mean() == pytest.approx(MANIFEST_SHARE, abs=0.1)


def test_groups_are_dealt_out_by_their_names_alone() -> None:
    keys = [f"person {k}" for k in range(20)]
    dealt = fold_of(keys, 2)
    assert fold_of([*reversed(keys), *keys], 2) == dealt
    assert sorted(dealt.values()) == [0] * 10 + [1] * 10
    assert list(dealt.values()) != sorted(dealt.values())


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice_training, "MAX_FRAMES", 12)
    monkeypatch.setattr(splice_training, "MIN_FRAMES", 10)


@pytest.mark.usefixtures("_short")
def test_a_sequence_holds_the_face_at_native_pixels(fixture_clip: Callable[[str], Path]) -> None:
    path = fixture_clip("obama_speech")
    face = face_sequence(path, "somebody")
    assert (face.name, face.group) == (path.name, "somebody")
    frames, height, width = face.luma.shape
    assert frames == 12
    assert face.points.shape == (12, 478, 2)
    assert face.points.min() >= 0
    assert (face.points.max(axis=(0, 1)) <= (width, height)).all()
    across = np.linalg.norm(face.points[:, 33] - face.points[:, 263], axis=1)
    assert face.eyes_px < across.mean() < 2 * face.eyes_px
    assert np.abs(np.diff(face.luma.astype(int), axis=0)).mean() < 10  # neighbouring frames, in one place


@pytest.mark.usefixtures("_short")
def test_a_clip_without_a_face_is_refused(fixture_clip: Callable[[str], Path]) -> None:
    path = fixture_clip("no_face")
    with pytest.raises(TrainingError, match=f"{path} shows no face for 10 frames"):
        face_sequence(path, "nobody")
