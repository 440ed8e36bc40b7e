from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lipaccord import training
from lipaccord.bundle import load_bundle, with_parts, write_bundle
from lipaccord.corpus import Example
from lipaccord.errors import BundleError, TrainingError
from lipaccord.heldout import HeldOut
from lipaccord.predictor import Predictor, load_predictor, predictor_bytes
from lipaccord.training import CONFIGURATIONS, WINDOW, Sampler, fit, fit_basis, split_groups, train
from made_examples import COMPONENTS, example, examples, lip_shapes

HELD = {"made/3", "made/4"}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks and few steps."""
    for name, steps in (("lipaccord", 60), ("paper", 20)):
        full = CONFIGURATIONS[name]
        network = dataclasses.replace(
            full.network, hidden=8, layers=1, convolution=min(full.network.convolution, 8), components=COMPONENTS
        )
        tiny = dataclasses.replace(full, network=network, dropout=0.0, members=min(full.members, 2), steps=steps)
        monkeypatch.setitem(CONFIGURATIONS, name, tiny)
    monkeypatch.setattr(training, "BATCH", 16)
    monkeypatch.setattr(training, "CHECK_EVERY", 20)
    monkeypatch.setattr(training, "CHECK_BATCHES", 1)


def told(progress: list[tuple[str, float]]) -> training.Progress:
    return lambda stage, share: progress.append((stage, share))


def fitted(cache: Path, seed: int = 0) -> tuple[Predictor, HeldOut, list[int]]:
    cache.mkdir(exist_ok=True)
    clips, groups = examples()
    return fit("lipaccord", clips, groups, HELD, seed, cache, told([]))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_what_can_be_learned_is_learned(cache: Path) -> None:
    predictor, figures, steps = fitted(cache)
    assert figures.single.auc > 0.9
    assert figures.pooled.auc > 0.9
    assert figures.single.eer < 0.2
    assert min(figures.correlation) > 0.3
    assert (figures.clips, figures.groups) == (20, 2)
    assert len(predictor.members) == len(steps) == 2
    assert set(steps) <= {20, 40, 60}
    assert predictor.weights.sum() == pytest.approx(1, abs=1e-5)


def test_a_finished_member_is_not_trained_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fitted(cache)

    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train_member", refuse)
    again = fitted(cache)
    assert predictor_bytes(again[0]) == predictor_bytes(before[0])
    assert again[1:] == before[1:]
    with pytest.raises(AssertionError, match="trained again"):
        fitted(cache, seed=7)


def test_held_out_speakers_only_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[set[str], set[str]]] = []

    def look(_: object, items: dict[str, object], held: dict[str, object], *__: object) -> None:
        given.append((set(items), set(held)))
        raise AssertionError("seen enough")

    monkeypatch.setattr(training, "train_member", look)
    with pytest.raises(AssertionError, match="seen enough"):
        fitted(tmp_path)
    assert given == [({"made/1", "made/2"}, HELD)]


def test_equal_seeds_give_equal_members(tmp_path: Path, cache: Path) -> None:
    assert predictor_bytes(fitted(tmp_path)[0]) == predictor_bytes(fitted(cache)[0])


def test_other_seeds_give_other_members(cache: Path) -> None:
    first, second = fitted(cache)[0].members
    assert not torch.equal(first.output.weight, second.output.weight)


def test_the_basis_is_that_of_the_lips() -> None:
    clips, _ = examples()
    basis = fit_basis([clip.lips for clip in clips], COMPONENTS)
    np.testing.assert_allclose(basis.scale, [0.3, 0.2, 0.1], rtol=0.1)
    overlap = np.einsum("akx,bkx->ab", basis.vectors, lip_shapes())
    np.testing.assert_allclose(np.abs(overlap), np.eye(COMPONENTS), atol=0.1)


def test_the_basis_leaves_unknown_frames_and_mean_faces_out() -> None:
    clips, _ = examples()
    moved = [clip.lips + k for k, clip in enumerate(clips)]
    for lips in moved:
        lips[::7] = np.nan
    np.testing.assert_allclose(fit_basis(moved, COMPONENTS).scale, [0.3, 0.2, 0.1], rtol=0.1)


def test_groups_are_never_split() -> None:
    groups = [f"a/{k % 20}" for k in range(400)] + ["b/1"] * 10
    seen = set()
    for seed in range(10):
        held = split_groups(groups, seed)
        assert held == split_groups(groups, seed)
        assert held < set(groups)
        assert "b/1" not in held  # its source would be lost to training
        assert sum(group in held for group in groups) <= 0.15 * len(groups)
        seen.add(frozenset(held))
    assert len(seen) > 5


@pytest.mark.parametrize("groups", [["a/1"] * 20, ["a/1"] * 20 + ["b/1"] * 20, ["a/1"] * 10 + ["a/2"] * 10])
def test_what_can_not_be_split_is_refused(groups: list[str]) -> None:
    with pytest.raises(TrainingError, match="can't be split into speakers"):
        split_groups(groups, 0)


def test_sources_are_drawn_equally_often() -> None:
    def item(value: float) -> training.Item:
        return training.Item(np.zeros((WINDOW, 28), np.float32), np.full((WINDOW, 1), value, np.float32))

    sampler = Sampler({"many/1": [item(1.0)] * 90, "many/2": [item(2.0)] * 10, "few/1": [item(3.0)]}, seed=0)
    seen = np.concatenate([sampler.batch(augment=False)[1][:, 0, 0].numpy() for _ in range(60)])
    assert (seen == 3).mean() == 0.5
    assert (seen == 1).sum() / (seen == 2).sum() == pytest.approx(np.sqrt(9), rel=0.25)


def test_clips_too_short_are_refused(tmp_path: Path) -> None:
    clips = [example(f"{k}.mp4", "made", k, length=WINDOW - 1) for k in range(4)]
    with pytest.raises(TrainingError, match=r"too few clips show a mouth for 1\.1 s without a gap"):
        fit("lipaccord", clips, ["made/1", "made/1", "made/3", "made/4"], HELD, 0, tmp_path, told([]))


def test_train_writes_a_bundle_with_both_configurations_on_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, groups = examples(5, 6)
    store = tmp_path / "out-cache"
    store.mkdir()

    def read(data: Path, cache: Path, tell: object) -> tuple[list[Example], list[str]]:
        assert (data, cache) == (tmp_path / "data", store)
        return clips, ["x.mp4 shows no face"]

    monkeypatch.setattr(training, "read_corpus", read)
    monkeypatch.setattr(training, "group_speakers", lambda _: groups)
    monkeypatch.setattr(training, "HELD_OUT_SHARE", 0.4)
    threads, progress = torch.get_num_threads(), list[tuple[str, float]]()
    train(tmp_path / "data", tmp_path / "out", seed=3, progress=told(progress))
    assert torch.get_num_threads() == threads
    bundle = load_bundle(tmp_path / "out")
    assert bundle.name == "lipaccord"
    assert load_predictor(bundle.files["predictor.safetensors"]).shape == CONFIGURATIONS["lipaccord"].network
    assert bundle.predictor["configuration"] == "lipaccord"
    assert bundle.predictor["members"] == 2
    assert set(bundle.predictor["reference"]) == {"zero_s", "together", "deviation", "null_deviation"}
    assert "| lipaccord | 2: " in bundle.card
    assert "| paper | 1: 20 |" in bundle.card
    assert "--seed 3" in bundle.card
    assert "| made | 30 | 5 | 12 (2 groups) | not stated |" in bundle.card
    assert {stage for stage, _ in progress} == {"training lipaccord", "training paper"}
    shares = [share for stage, share in progress if stage == "training lipaccord"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    train(tmp_path / "data", tmp_path / "again", seed=3, cache=store)
    assert load_bundle(tmp_path / "again").sha256 == bundle.sha256
    shipped, others = load_bundle().files, ("splice.safetensors", "resynthesis.json")
    assert all(bundle.files[name] == shipped[name] for name in others)
    assert bundle.calibration["findings"] == {}
    files = with_parts(bundle, {"splice.safetensors": b"own"}, "own", "kept")
    write_bundle(tmp_path / "again", "lipaccord", "0", files)
    train(tmp_path / "data", tmp_path / "again", seed=3, cache=store)
    assert load_bundle(tmp_path / "again").files == files


def test_what_can_not_be_done_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is no configuration 'other'; there are: lipaccord, paper"):
        train(tmp_path, tmp_path / "out", configuration="other")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        train(tmp_path, tmp_path)
