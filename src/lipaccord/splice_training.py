"""Authentic clips -> a trained splice network: one part of a bundle.

Every clip is decoded and its face located once; the spliced pairs made of it (`splices`) are kept in a cache keyed by
the clip's SHA-256. The loss has three terms: which places were changed, whether the judged part was changed at all, and
that a spliced example exceeds its own control (a logistic loss on the difference; Burges et al., ICML 2005).

A scope has `FOLDS` members. Each leaves out one share of the manifest's groups, or of the folders' clips where there is
no manifest; what it left out gives its standard and the figures of the card. So every person of the manifest can be
judged by a member that has never seen them.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

import lipaccord
from lipaccord.bundle import check_destination, load_bundle, with_parts, write_bundle
from lipaccord.card import splice_card
from lipaccord.corpus import CLIP_TYPES
from lipaccord.crops import SCOPES
from lipaccord.errors import LipAccordError, TrainingError
from lipaccord.faces import FaceTracker
from lipaccord.landmarks import load_backend
from lipaccord.manifest import fold_of, group_key, read_manifest
from lipaccord.media import open_clip
from lipaccord.metrics import auc
from lipaccord.splices import FaceSequence, splice_pair
from lipaccord.splicing import SpliceNetwork, Splicer, Standard, as_tensors, splicer_bytes

VERSION = "1"  # of the cache
MAX_FRAMES = 100
MIN_FRAMES = 20
MARGIN = 0.9  # eye distances of surroundings
FOLDER_CLIPS = 700  # at most, evenly chosen
FOLDER_PAIRS, MANIFEST_PAIRS = 4, 60  # made of each clip
MANIFEST_SHARE = 0.4  # of a batch
BATCH_PAIRS = 12
STEPS = {"lower": 2800, "face": 1200}  # for each member
FOLDS = 2
MIN_HELD = 2  # clips that a member is judged by
SCALES = {"lower": 5 / 7, "face": 1.0}  # of the crops' size, at which the members look
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-2
GRADIENT_LIMIT = 2.0
REFERENCE_WEIGHT, WHOLE_WEIGHT = 0.4, 0.6
ARRAYS = ("spliced", "control", "judged", "reference", "mask")

Progress = Callable[[str, float], None]
Arrays = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Source:
    """A clip to make pairs of.

    Attributes
    ----------
    path : Path
    group : str
    pairs : int
        How many.
    labelled : bool
        It comes from a manifest.
    """

    path: Path
    group: str
    pairs: int
    labelled: bool

    @property
    def key(self) -> str:
        """What is never split between training and judging: the group, or the clip of a folder."""
        return self.group if self.labelled else self.path.name


def face_sequence(path: Path, group: str) -> FaceSequence:
    """Decode the first frames of a clip that show its largest face.

    Raises
    ------
    TrainingError
        The clip shows no face for long enough.
    MediaError
        It can't be read.
    """
    cv2.setNumThreads(1)
    tracker = FaceTracker(load_backend("mediapipe"), max_faces=2)
    pictures = []
    with open_clip(path) as reader:
        for frame in reader.frames():
            tracker.feed(frame)
            pictures.append(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY))
            if len(pictures) == 2 * MAX_FRAMES:
                break
    tracks = tracker.finish().values()
    track = max(tracks, key=lambda one: one.seen.sum() * one.interocular_px, default=None)
    if track is None or track.seen.sum() < MIN_FRAMES:
        raise TrainingError(f"{path} shows no face for {MIN_FRAMES} frames")
    runs = np.split(np.arange(len(track.seen)), np.flatnonzero(np.diff(track.seen.astype(int))) + 1)
    run = max((run for run in runs if track.seen[run[0]]), key=len)[:MAX_FRAMES]
    points = track.points[run]
    margin = MARGIN * track.interocular_px
    left, top = np.maximum(points.min(axis=(0, 1)) - margin, 0).astype(int)
    right, bottom = (points.max(axis=(0, 1)) + margin).astype(int)
    luma = np.stack([pictures[k][top:bottom, left:right] for k in track.frames[run]])
    place = (points - np.array([left, top])).astype(np.float32)
    return FaceSequence(path.name, group, luma.astype(np.uint8), place, track.interocular_px)


def _cached(source: Source, cache: Path, seed: int) -> Path:
    """Make sure that the cache holds the pairs of a clip; return its entry."""
    with source.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    entry = cache / f"{digest[:32]}-splices-{source.pairs}-{seed}-v{VERSION}.npz"
    if not entry.exists():
        sequence = face_sequence(source.path, source.group)
        rng = np.random.default_rng([seed, zlib.crc32(digest.encode())])
        arrays: Arrays = {}
        for scope in SCOPES:
            drawn = [splice_pair(scope, sequence, rng) for _ in range(source.pairs)]
            made = [pair for pair in drawn if pair is not None]
            if not made:
                raise TrainingError(f"{source.path} is too short to make a splice of")
            arrays |= {f"{scope}.{name}": np.stack([getattr(pair, name) for pair in made]) for name in ARRAYS}
        temporary = entry.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        temporary.replace(entry)
    return entry


def _try_cached(source: Source, cache: Path, seed: int) -> Path | str:
    """Like `_cached`, but give the reason back where the clip is of no use."""
    try:
        return _cached(source, cache, seed)
    except LipAccordError as error:
        return str(error)


def _load(entry: Path, scope: str) -> Arrays:
    try:
        with entry.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[f"{scope}.{name}"] for name in ARRAYS}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"the cache entry {entry} is damaged ({error}); delete it and train again") from error


def find_sources(data: Path, manifest: Path | None) -> list[Source]:
    """List the clips of a folder, and the camera originals of a labelled manifest.

    Raises
    ------
    TrainingError
        There is none.
    ManifestError
        The manifest can't be used.
    """
    rows = () if manifest is None else read_manifest(manifest).clips
    labelled = {row.path.resolve() for row in rows}  # a folder that holds them too must not bring them in unlabelled
    found = (path for path in data.rglob("*") if path.suffix.lower() in CLIP_TYPES)
    paths = sorted(path for path in found if path.resolve() not in labelled)
    sources = []
    for folder in sorted({path.parent for path in paths}):
        clips = [path for path in paths if path.parent == folder]
        chosen = clips[:: -(-len(clips) // FOLDER_CLIPS)]
        sources += [Source(path, folder.name, FOLDER_PAIRS, labelled=False) for path in chosen]
    sources += [Source(row.path, row.group, MANIFEST_PAIRS, labelled=True) for row in rows if row.mouth == "camera"]
    if not sources:
        raise TrainingError(f"{data} holds no clip ({', '.join(CLIP_TYPES)}); name the folder that holds them")
    return sources


class PairPool:
    """All pairs to train on, drawn so that the manifest's clips make up their share."""

    def __init__(self, parts: list[tuple[Source, Arrays]]) -> None:
        self._kinds = []
        for labelled in (False, True):
            chosen = [arrays for source, arrays in parts if source.labelled is labelled]
            if chosen:
                self._kinds.append({name: np.concatenate([arrays[name] for arrays in chosen]) for name in ARRAYS})

    def batch(self, rng: np.random.Generator) -> Arrays:
        """Draw pairs; the first half of the arrays is spliced, the second their controls."""
        drawn = []
        for _ in range(BATCH_PAIRS):
            pool = self._kinds[int(len(self._kinds) > 1 and rng.random() < MANIFEST_SHARE)]
            row = int(rng.integers(len(pool["mask"])))
            drawn.append(_varied({name: pool[name][row] for name in ARRAYS}, rng))
        spliced, control, judged, reference, mask = (np.stack([one[name] for one in drawn]) for name in ARRAYS)
        return {
            "pairs": np.concatenate([spliced, control]),
            "judged": np.concatenate([judged, judged]),
            "reference": np.concatenate([reference, reference]),
            "mask": np.concatenate([mask, np.zeros_like(mask)]),
        }


def _varied(pair: Arrays, rng: np.random.Generator) -> Arrays:
    """Turn a pair and its control round, swap their frames, change their contrast: what tells nothing."""
    if rng.random() < 0.5:
        pair = {name: array[..., ::-1] for name, array in pair.items()}
    if rng.random() < 0.5:
        pair = pair | {name: pair[name][::-1] for name in ("spliced", "control")}
    if rng.random() < 0.5:
        gain, offset = rng.uniform(0.75, 1.25), 128 + rng.uniform(-20, 20)
        for name in ("spliced", "control"):
            changed = (pair[name].astype(np.float32) - 128) * gain + offset
            pair = pair | {name: np.clip(np.rint(changed), 0, 255).astype(np.uint8)}
    return pair


def _loss(network: SpliceNetwork, batch: Arrays) -> torch.Tensor:
    """Sum the three terms; see the module."""
    inputs = as_tensors(batch["pairs"], batch["judged"], batch["reference"])
    with torch.autocast("cpu", torch.bfloat16):
        verdict, votes = network(*inputs)
    verdict, votes = verdict.float(), votes.float()
    mask = torch.from_numpy(batch["mask"] / np.float32(255))
    mask, judged, reference = (functional.adaptive_avg_pool2d(one, votes.shape[-2:]) for one in (mask, *inputs[1:]))
    weight = judged + REFERENCE_WEIGHT * reference
    places = functional.binary_cross_entropy_with_logits(votes, mask, reduction="none")
    places = (places * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp(min=1.0)
    half = len(verdict) // 2
    truth = torch.cat([torch.ones(half), torch.zeros(half)])
    whole = functional.binary_cross_entropy_with_logits(verdict, truth)
    return places.mean() + WHOLE_WEIGHT * whole + functional.softplus(verdict[half:] - verdict[:half]).mean()


def _train_member(
    scale: float, pool: PairPool, seed: int, steps: int, progress: Callable[[float], None]
) -> SpliceNetwork:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = SpliceNetwork(scale)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps, pct_start=0.2)
    for step in range(steps):
        loss = _loss(network, pool.batch(rng))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
        optimizer.step()
        schedule.step()
        progress((step + 1) / steps)
    return network.eval()


def _judged(network: SpliceNetwork, parts: list[Arrays], name: str) -> NDArray[np.float64]:
    """Mean log odds of each clip over its pairs [shape=(clips,)]."""
    result = []
    with torch.inference_mode():
        for arrays in parts:
            verdict, _ = network(*as_tensors(arrays[name], arrays["judged"], arrays["reference"]))
            result.append(float(verdict.mean()))
    return np.array(result)


def _figures(network: SpliceNetwork, held: list[Arrays], left_out: tuple[str, ...]) -> tuple[Standard, str]:
    """Measure a member's standard and how well it tells held-out splices from their controls."""
    controls, spliced = (_judged(network, held, name) for name in ("control", "spliced"))
    spread = float(controls.std())
    if not spread > 0:
        raise TrainingError("too few clips are left to judge the network by; add clips")
    told = auc(list(spliced), list(controls))
    row = f"{len(held)} | {told:.3f} | {(spliced > controls).mean():.3f} |"
    return Standard(float(np.median(controls)), spread, left_out), row


def _fit(
    scope: str, entries: list[tuple[Source, Path]], seed: int, steps: int, progress: Callable[[float], None]
) -> tuple[Splicer, list[str]]:
    """Train the members of a scope; also give their rows of the card."""
    parts = [(source, _load(entry, scope)) for source, entry in entries]
    labelled = any(source.labelled for source, _ in parts)
    folds = fold_of([source.key for source, _ in parts if source.labelled is labelled], FOLDS)
    held_keys = [{key for key, place in folds.items() if place == fold} for fold in range(FOLDS)]
    if min(sum(source.key in keys for source, _ in parts) for keys in held_keys) < MIN_HELD:
        raise TrainingError("too few clips are left to judge the networks by; add clips, of more than one person")
    members, standards, rows = [], [], []
    for fold, left_out in enumerate(held_keys):
        held = [arrays for source, arrays in parts if source.key in left_out]
        pool = PairPool([part for part in parts if part[0].key not in left_out])
        member = _train_member(
            SCALES[scope],
            pool,
            seed + fold,
            steps,
            lambda share, done=fold: progress((done + share) / FOLDS),  # type: ignore[misc]
        )
        keys = tuple(sorted(group_key(key) for key in left_out)) if labelled else ()
        standard, figures = _figures(member, held, keys)
        members.append(member)
        standards.append(standard)
        rows.append(f"| {scope} | {figures}")
    return Splicer(members, standards), rows


def train_splicer(
    data: Path,
    out: Path,
    *,
    manifest: Path | None = None,
    cache: Path | None = None,
    seed: int = 0,
    steps: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the splice network of a bundle from authentic clips.

    Parameters
    ----------
    data : Path
        Folder of authentic clips; each folder in it is one source.
    out : Path
        Folder of the bundle; its other parts stay as they are, or are those of the one that is shipped.
    manifest : Path, optional
        Labelled manifest whose camera originals are used too; its other clips are not looked at.
    cache : Path, optional
        Where the pairs are kept; by default beside `out`.
    seed : int
        Equal data, seed and versions give an equal network.
    steps : int, optional
        For each member; by default `STEPS`.
    progress : callable, optional
        Told the stage and the fraction of it that is done.

    Raises
    ------
    TrainingError
        The clips are too few.
    BundleError
        `out` exists and is not a bundle.
    """
    check_destination(out)
    tell: Progress = progress or (lambda stage, share: None)
    store = cache or out.with_name(f"{out.name}-cache")
    store.mkdir(parents=True, exist_ok=True)
    sources = find_sources(data, manifest)
    entries, left_out = _read(sources, store, seed, lambda share: tell("making splices", share))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would give another network
    taken = STEPS if steps is None else dict.fromkeys(SCOPES, steps)
    splicers, rows = {}, []
    try:
        for scope in SCOPES:
            splicers[scope], told = _fit(
                scope,
                entries,
                seed,
                taken[scope],
                lambda share, scope=scope: tell(f"training {scope}", share),  # type: ignore[misc]
            )
            rows += told
    finally:
        torch.set_num_threads(threads)
    base = load_bundle(out if out.exists() else None)
    counted = Counter("manifest" if source.labelled else source.path.parent.name for source in sources)
    options = "" if manifest is None else " --manifest MANIFEST"
    card = splice_card(sorted(counted.items()), left_out, rows, options, seed, taken)
    parts = {"splice.safetensors": splicer_bytes(splicers)}
    write_bundle(out, base.name, lipaccord.__version__, with_parts(base, parts, "splice", card))


def _read(
    sources: list[Source], cache: Path, seed: int, progress: Callable[[float], None]
) -> tuple[list[tuple[Source, Path]], int]:
    """Make or find the pairs of every clip, several at a time; also count the clips that were of no use."""
    entries: dict[int, Path | str] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as workers:
        jobs = {workers.submit(_try_cached, source, cache, seed): place for place, source in enumerate(sources)}
        for done, job in enumerate(as_completed(jobs), start=1):
            entries[jobs[job]] = job.result()
            progress(done / len(jobs))
    found = [(sources[place], entry) for place, entry in sorted(entries.items()) if isinstance(entry, Path)]
    if not found:
        raise TrainingError("none of the clips shows a face for long enough; add clips")
    return found, len(sources) - len(found)
