"""Examples -> a trained predictor, its reference figures and its card: a bundle.

Two named configurations of one trainer:

- ``lipaccord``: log-mel, a convolution and a bidirectional LSTM, trained to predict mean and spread (Gaussian negative
  log-likelihood) and to tell the right mouth from the other mouths of the batch by the agreement that the analysis
  itself uses (a symmetric contrastive cross-entropy; Radford et al., ICML 2021);
- ``paper``: as in Suwajanakorn et al., SIGGRAPH 2017: 28-D MFCC, one layer of 60 units, 200 ms of look-ahead,
  20 principal components, without the contrastive term.

Speakers never seen decide when to stop, and give the figures of the card. Everything is seeded; a member that
is finished is kept in the cache, so that an interrupted run goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

import lipaccord
from lipaccord.augmentation import augmented
from lipaccord.bundle import check_destination, load_bundle, packed, with_parts, write_bundle
from lipaccord.card import training_card
from lipaccord.corpus import Example, group_speakers, read_corpus
from lipaccord.errors import TrainingError
from lipaccord.heldout import HeldOut, judge
from lipaccord.predictor import LipBasis, LipNetwork, NetworkShape, Predictor, normalise, predictor_bytes
from lipaccord.records import FloatArray
from lipaccord.speech import KINDS

WINDOW = 110  # frames: 1.1 s, what the shortest clips hold
BATCH = 48
LEARNING_RATE = 3e-3
WEIGHT_RATE = 9e-3  # of the agreement's own weights
WEIGHT_DECAY = 0.05
GRADIENT_LIMIT = 1.0
HELD_OUT_SHARE = 0.15
CHECK_EVERY = 50  # steps
CHECK_BATCHES = 4
FIRST_SHARPNESS = math.log(14.0)
VELOCITY_SPAN = 3

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a named configuration fixes.

    Attributes
    ----------
    network : NetworkShape
    dropout : float
    likelihood, contrast : float
        Weights of the two terms of the loss.
    members, steps : int
        Networks trained from different seeds, and steps for each.
    """

    network: NetworkShape
    dropout: float
    likelihood: float
    contrast: float
    members: int
    steps: int


CONFIGURATIONS = {
    "lipaccord": Configuration(
        NetworkShape("logmel-40", KINDS["logmel-40"], 8, 64, 64, 2, bidirectional=True, lookahead=0),
        dropout=0.35,
        likelihood=0.3,
        contrast=1.0,
        members=4,
        steps=800,
    ),
    "paper": Configuration(
        NetworkShape("mfcc-28", KINDS["mfcc-28"], 20, 0, 60, 1, bidirectional=False, lookahead=20),
        dropout=0.0,
        likelihood=1.0,
        contrast=0.0,
        members=1,
        steps=800,
    ),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A training example: features [shape=(N, D)] and z-scored mouth components [shape=(N, C)], without gaps."""

    features: FloatArray
    mouth: FloatArray


def fit_basis(lips: list[FloatArray], components: int) -> LipBasis:
    """Principal components of lips [each (N, 40, 2)] about each clip's own mean, and their deviations."""
    parts = []
    for clip in lips:
        seen = clip[np.isfinite(clip[:, 0, 0])].reshape(-1, clip.shape[1] * 2)
        parts.append(seen - seen.mean(axis=0))
    rows = np.concatenate(parts).astype(np.float64)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    leading = vectors[:, ::-1][:, :components].T
    leading *= np.sign(leading[np.arange(components), np.abs(leading).argmax(axis=1)])[:, None]
    scale = np.sqrt(values[::-1][:components])
    return LipBasis(leading.reshape(components, -1, 2).astype(np.float32), scale.astype(np.float32))


def _longest_run(known: NDArray[np.bool_]) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return slice(0, 0)
    k = int(np.argmax(ends - starts))
    return slice(int(starts[k]), int(ends[k]))


def _item(example: Example, kind: str, basis: LipBasis) -> Item | None:
    run = _longest_run(np.isfinite(example.lips[:, 0, 0]))
    if run.stop - run.start < WINDOW:
        return None
    mouth = basis.project(example.lips[run], tuple(range(example.lips.shape[1])))
    return Item(example.features[kind][run], mouth)


def split_groups(groups: list[str], seed: int) -> set[str]:
    """Choose the groups to hold out: small ones first in a seeded order, up to HELD_OUT_SHARE of the examples.

    A source of one group only is never held out: it would be lost to training.
    """
    sizes = {group: groups.count(group) for group in groups}
    sources = [group.split("/")[0] for group in sizes]
    eligible = sorted(group for group in sizes if sources.count(group.split("/")[0]) > 1)
    held: set[str] = set()
    room = HELD_OUT_SHARE * len(groups)
    for k in np.random.default_rng(seed).permutation(len(eligible)):
        if sizes[eligible[k]] <= room:
            held.add(eligible[k])
            room -= sizes[eligible[k]]
    if not held:
        raise TrainingError("the clips can't be split into speakers to train on and others to test on; add speakers")
    return held


class Sampler:
    """Draws windows: sources equally often, speakers by the square root of their share."""

    def __init__(self, items: dict[str, list[Item]], seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._sources: dict[str, list[list[Item]]] = {}
        for group, members in sorted(items.items()):
            copies = max(1, round(math.sqrt(len(members))))
            self._sources.setdefault(group.split("/")[0], []).extend([members] * copies)

    def batch(self, augment: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw features [shape=(BATCH, WINDOW, D)] and mouths [shape=(BATCH, WINDOW, C)]."""
        sources = list(self._sources.values())
        heard, seen = [], []
        for k in range(BATCH):
            speakers = sources[k % len(sources)]
            members = speakers[self._generator.integers(len(speakers))]
            item = members[self._generator.integers(len(members))]
            features, mouth = self._window(item, augment)
            heard.append(normalise(features))
            seen.append(mouth)
        return torch.from_numpy(np.stack(heard)), torch.from_numpy(np.stack(seen))

    def _window(self, item: Item, augment: bool) -> tuple[FloatArray, FloatArray]:
        if augment:
            return augmented(item.features, item.mouth, WINDOW, self._generator)
        start = self._generator.integers(len(item.features) - WINDOW + 1)
        return item.features[start : start + WINDOW], item.mouth[start : start + WINDOW]


class Contrast(nn.Module):
    """The agreement of every speech with every mouth of a batch, with learned weights and sharpness."""

    def __init__(self, components: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2 * components))
        self.sharpness = nn.Parameter(torch.tensor(FIRST_SHARPNESS))

    @property
    def weights(self) -> torch.Tensor:
        """Weights of the components' values and velocities [shape=(2C,)]; they sum to one."""
        return torch.softmax(self.logits, dim=0)

    def forward(self, heard: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of telling the right mouth for each speech and the right speech for each mouth."""
        agreement = torch.einsum("iwc,jwc,c->ij", _channels(heard), _channels(seen), self.weights)
        logits = agreement * self.sharpness.exp()
        right = torch.arange(len(logits))
        entropy: torch.Tensor = functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)
        return entropy / 2


def _channels(values: torch.Tensor) -> torch.Tensor:
    """Values and velocities [shape=(B, W - 2 span, 2C)], each without mean and of unit norm over the window."""
    span = VELOCITY_SPAN
    both = torch.cat([values[:, span:-span], values[:, 2 * span :] - values[:, : -2 * span]], dim=2)
    both = both - both.mean(dim=1, keepdim=True)
    scaled: torch.Tensor = both / (torch.linalg.vector_norm(both, dim=1, keepdim=True) + 1e-3)
    return scaled


def _loss(
    network: LipNetwork, contrast: Contrast, settings: Configuration, heard: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    mean, log_spread = network(heard)
    residual = (seen - seen.mean(dim=1, keepdim=True)) - (mean - mean.mean(dim=1, keepdim=True))
    likelihood = (0.5 * residual**2 * torch.exp(-2 * log_spread) + log_spread).mean()
    loss: torch.Tensor = settings.likelihood * likelihood
    if settings.contrast:
        loss = loss + settings.contrast * contrast(mean, seen)
    return loss


def train_member(
    settings: Configuration,
    items: dict[str, list[Item]],
    held: dict[str, list[Item]],
    seed: int,
    progress: Callable[[float], None],
) -> tuple[dict[str, torch.Tensor], FloatArray, int]:
    """Train one network; return its best state, the agreement's weights [shape=(2, C)] and the step of the best.

    Best is judged by the loss on held-out speakers, looked at every CHECK_EVERY steps.
    """
    torch.manual_seed(seed)
    network, contrast = LipNetwork(settings.network, settings.dropout), Contrast(settings.network.components)
    sampler, judge_sampler = Sampler(items, seed), Sampler(held, seed=0)
    checks = [judge_sampler.batch(augment=False) for _ in range(CHECK_BATCHES)]
    groups = [
        {"params": network.parameters(), "weight_decay": WEIGHT_DECAY},
        {"params": contrast.parameters(), "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [LEARNING_RATE, WEIGHT_RATE], total_steps=settings.steps, pct_start=0.2
    )
    best, best_step = math.inf, 0
    state: dict[str, torch.Tensor] = {}
    weights: FloatArray = np.zeros((0, 0), np.float32)
    for step in range(1, settings.steps + 1):
        network.train()
        loss = _loss(network, contrast, settings, *sampler.batch(augment=True))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
        optimiser.step()
        schedule.step()
        if step % CHECK_EVERY == 0:
            progress(step / settings.steps)
            network.eval()
            with torch.no_grad():
                score = sum(float(_loss(network, contrast, settings, *check)) for check in checks)
            if score < best:
                best, best_step = score, step
                state = {name: value.clone() for name, value in network.state_dict().items()}
                weights = contrast.weights.detach().numpy().reshape(2, -1).copy()
    if not state:
        raise TrainingError("the training came to nothing: its loss on held-out speakers was never finite")
    return state, weights, best_step


def _member(
    settings: Configuration,
    items: dict[str, list[Item]],
    held: dict[str, list[Item]],
    seed: int,
    store: Path,
    progress: Callable[[float], None],
) -> tuple[LipNetwork, FloatArray, int]:
    """Train a member, or take it from `store` where an earlier run finished it."""
    if not store.exists():
        state, weights, best_step = train_member(settings, items, held, seed, progress)
        temporary = store.with_suffix(".tmp")
        save_file({**state, "agreement": torch.from_numpy(weights), "step": torch.tensor(best_step)}, temporary)
        temporary.replace(store)
    stored = load_file(store)
    weights = stored.pop("agreement").numpy()
    best_step = int(stored.pop("step"))
    network = LipNetwork(settings.network)
    network.load_state_dict(stored)
    return network, weights, best_step


def _by_group(
    examples: list[Example], groups: list[str], wanted: Callable[[str], bool], kind: str, basis: LipBasis
) -> dict[str, list[Item]]:
    items: dict[str, list[Item]] = {}
    for example, group in zip(examples, groups, strict=True):
        if wanted(group) and (item := _item(example, kind, basis)) is not None:
            items.setdefault(group, []).append(item)
    return items


def _plain_weights(components: int) -> FloatArray:
    """Equal weights, for a configuration that learns none [shape=(2, C)]."""
    return np.full((2, components), 1 / (2 * components), np.float32)


def fit(
    name: str, examples: list[Example], groups: list[str], held: set[str], seed: int, cache: Path, progress: Progress
) -> tuple[Predictor, HeldOut, list[int]]:
    """Train all members of a configuration; return the predictor, its held-out figures and the steps of the best."""
    settings = CONFIGURATIONS[name]
    training = [example.lips for example, group in zip(examples, groups, strict=True) if group not in held]
    basis = fit_basis(training, settings.network.components)
    kind = settings.network.features
    items = _by_group(examples, groups, lambda group: group not in held, kind, basis)
    held_items = _by_group(examples, groups, lambda group: group in held, kind, basis)
    if not items or not held_items:
        raise TrainingError(f"too few clips show a mouth for {WINDOW / 100} s without a gap; add longer clips")
    identity = hashlib.sha256(json.dumps([asdict(settings), seed, sorted(held), groups], sort_keys=True).encode())
    for example in examples:
        identity.update(example.lips.tobytes())
        identity.update(example.features[kind].tobytes())
    digest = identity.hexdigest()[:16]
    members, weights, steps = [], [], []
    for number in range(settings.members):
        network, learned, step = _member(
            settings,
            items,
            held_items,
            seed + number,
            cache / f"member-{digest}-{number}.safetensors",
            lambda share, done=number: progress(f"training {name}", (done + share) / settings.members),  # type: ignore[misc]
        )
        members.append(network)
        weights.append(learned if settings.contrast else _plain_weights(settings.network.components))
        steps.append(step)
    predictor = Predictor(members, basis, np.mean(weights, axis=0).astype(np.float32))
    chosen = [k for k, group in enumerate(groups) if group in held]
    figures = judge(predictor, [examples[k] for k in chosen], [groups[k] for k in chosen])
    return predictor, figures, steps


def train(
    data: Path,
    out: Path,
    *,
    configuration: str = "lipaccord",
    cache: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Train a bundle from a folder of clips.

    Parameters
    ----------
    data : Path
        Each folder in it is one source: one speaker, or unlabelled speakers to be told apart by face and voice.
    out : Path
        Folder of the bundle; written whole at the end. Its other parts stay as they are, or, where there is no bundle
        yet, are those of the one that is shipped.
    configuration : str
        A key of `CONFIGURATIONS`; the card reports every other one beside it.
    cache : Path, optional
        Where decoded clips and finished members are kept; by default beside `out`.
    seed : int
        Equal data, seed and versions give an equal bundle.
    progress : callable, optional
        Told the stage and the fraction of it that is done.

    Raises
    ------
    TrainingError
        The configuration is unknown, or the clips are too few.
    BundleError
        `out` exists and is not a bundle.
    """
    if configuration not in CONFIGURATIONS:
        raise TrainingError(f"there is no configuration {configuration!r}; there are: {', '.join(CONFIGURATIONS)}")
    check_destination(out)
    tell: Progress = progress or (lambda stage, share: None)
    store = cache or out.with_name(f"{out.name}-cache")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would give another bundle
    try:
        examples, left_out = read_corpus(data, store, lambda share: tell("reading clips", share))
        groups = group_speakers(examples)
        held = split_groups(groups, seed)
        fitted = {name: fit(name, examples, groups, held, seed, store, tell) for name in CONFIGURATIONS}
    finally:
        torch.set_num_threads(threads)
    predictor, figures, _ = fitted[configuration]
    description = {
        "configuration": configuration,
        "network": asdict(predictor.shape),
        "members": len(predictor.members),
        "reference": dataclasses.asdict(figures.reference),
    }
    card = training_card(
        configuration,
        {name: (asdict(CONFIGURATIONS[name]), outcome[1], outcome[2]) for name, outcome in fitted.items()},
        examples,
        groups,
        held,
        left_out,
        seed,
    )
    base = load_bundle(out if out.exists() else None)
    parts = {"predictor.safetensors": predictor_bytes(predictor), "predictor.json": packed(description)}
    write_bundle(out, configuration, lipaccord.__version__, with_parts(base, parts, "predictor", card))
