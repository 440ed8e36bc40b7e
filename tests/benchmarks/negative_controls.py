"""What the tool says where there is nothing to say: constructions about which no claim is right.

    python tests/benchmarks/negative_controls.py CLIPS [CLIPS ...] --count 500 --seed 0 --jobs 2 [--out results.json]

CLIPS are folders of authentic clips, or labelled manifests (clips with mouth = camera and sound = together are used).
Short clips are built from them at random and examined: noise or music over a talking face, a voice over a face that
does not speak, a voice over pictures without a face, and faces that are hardly seen. A construction counts as a
violation when either finding has a status other than those of `SILENT`. The same seed and clips give the same
constructions, and each depends on its number alone; `--only` builds a few of them and `--keep` keeps their files.

Conventions: as in `negative_sounds` and `negative_pictures`, which make what the constructions are put together from.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator as Rng

from lipaccord.corpus import CLIP_TYPES
from lipaccord.encoding import encode
from lipaccord.footage import Footage
from lipaccord.manifest import read_manifest
from lipaccord.media import SOUND_RATE_HZ, open_clip
from lipaccord.mouth import mouth_motion
from lipaccord.records import Analysis, Finding, Frame, Sound
from lipaccord.reel import Reel, read_reel
from lipaccord.speech import speech_activity

sys.path.insert(0, str(Path(__file__).parent.parent))  # for a run as a script, which finds only what lies beside it
from benchmarks.negative_pictures import DRAWN, POSED, RATE_HZ, SIZE_PX, SPOILT, Pictures, distant, grainy, turned
from benchmarks.negative_sounds import MUSIC, NOISES, Samples, loud

SILENT = ("not_examinable", "inconclusive")
FIGURES = ("examined_s", "support", "expected_support", "expected_deviation", "strength", "agreement", "offset_s")
LENGTH_S, SPOKEN_LENGTH_S = (2.0, 6.0), (3.0, 6.0)  # without a voice, and with one
TRIES = 40
SEEN, EYES_PX = 0.8, 20.0  # what a face needs: share of the frames, and distance of the eyes
SPOKEN = 0.6  # share of a voice that is speech
RESTING = 0.012  # deviation of the opening of a mouth that rests
SEARCHED_S = 10.0  # of a clip, for a mouth that rests


# --- where faces and voices come from -----------------------------------------------------------------------------


class NotFound(RuntimeError):
    """No clip fits."""


@dataclass(frozen=True)
class Shot:
    """A stretch of a clip that shows a face, at the size of the construction."""

    name: str
    times: Samples
    footage: Footage
    opening: Samples  # of the mouth, NaN where unknown
    eyes_px: float
    sound: Sound

    @property
    def pictures(self) -> Pictures:
        return list(self.footage.frames)


def shot_of(reel: Reel, size_px: float) -> Shot | None:
    """Take the face of a reel; None where it is seen too seldom or would be too small."""
    if not reel.tracks:
        return None
    track, (height, width) = reel.face(), reel.frames[0].image.shape[:2]
    scale = size_px / max(height, width)
    if track.seen.sum() < SEEN * len(reel.frames) or track.interocular_px * scale < EYES_PX:
        return None
    size = (int(width * scale / 2) * 2, int(height * scale / 2) * 2)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pictures = [np.asarray(cv2.resize(frame.image, size, interpolation=way), np.uint8) for frame in reel.frames]
    footage = reel.footage(track)
    footage = Footage(pictures, footage.points * np.float32(scale), footage.layout)
    opening, mouth = np.full(len(pictures), np.nan), mouth_motion(track)
    opening[track.frames] = np.where(mouth.valid, mouth.opening, np.nan)
    times = np.array([frame.time_s for frame in reel.frames])
    name = f"{Path(reel.path).name} from {reel.offset_s:.2f} s"
    return Shot(name, times - times[0], footage, opening, track.interocular_px * scale, reel.sound)


@dataclass(frozen=True)
class Sources:
    """Where faces and voices are taken from: clips by place, each place drawn equally often."""

    places: tuple[tuple[Path, ...], ...]

    def stretch(self, rng: Rng, length_s: float, other_than: str = "") -> tuple[Path, float, float]:
        """Draw a clip and a stretch of it, shorter where the clip is."""
        path = Path(other_than)
        while path.name == Path(other_than).name:
            place = self.places[int(rng.integers(len(self.places)))]
            path = place[int(rng.integers(len(place)))]
        with open_clip(path) as reader:
            whole_s = reader.claimed_duration_s or length_s
        start_s = float(rng.uniform(0, max(whole_s - length_s, 0.0)))
        return path, start_s, min(start_s + length_s, whole_s)

    def face(self, rng: Rng, length_s: float, accept: Callable[[Shot], bool] = lambda _: True) -> Shot:
        """Draw a stretch in which one face is seen nearly always and large enough."""
        for _ in range(TRIES):
            path, start_s, end_s = self.stretch(rng, length_s)
            shot = shot_of(read_reel(path, start_s=start_s, end_s=end_s), rng.uniform(*SIZE_PX))
            if shot is not None and accept(shot):
                return shot
        raise NotFound("no clip shows such a face")

    def voice(self, rng: Rng, length_s: float, other_than: str) -> tuple[str, Samples]:
        """Draw real speech, of several clips where one is too short; return where from, and what."""
        for _ in range(TRIES):
            names, parts, missing = [], [], round(length_s * SOUND_RATE_HZ)
            while missing > 0:
                path, start_s, end_s = self.stretch(rng, length_s, other_than)
                with open_clip(path, start_s=start_s, end_s=end_s) as reader:
                    parts.append(reader.sound().samples[:missing].astype(np.float64))
                names.append(f"{path.name} from {start_s:.2f} s")
                missing -= len(parts[-1])
            samples = np.concatenate(parts)
            if speech_activity(Sound(samples.astype(np.float32), SOUND_RATE_HZ, 0.0)).speech.mean() >= SPOKEN:
                return " and ".join(names), samples
        raise NotFound("no clip holds enough speech")


# --- the constructions --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Construction:
    """A clip about which no claim is right.

    Attributes
    ----------
    recipe : dict
        What it was made of.
    times : ndarray [shape=(T,)]
        Of the pictures, seconds.
    pictures : list of T pictures
    samples : ndarray [shape=(n,)]
    """

    recipe: dict[str, Any]
    times: Samples
    pictures: Pictures
    samples: Samples


def sample_count(times: Samples) -> int:
    return round((float(times[-1]) + 1 / RATE_HZ) * SOUND_RATE_HZ)


def over_talking(sources: Sources, rng: Rng, make: Callable[[Rng, int], Samples]) -> Construction:
    """Lay sound without a voice over a face that talks."""
    shot = sources.face(rng, rng.uniform(*LENGTH_S))
    peak = float(10 ** rng.uniform(-1.5, -0.05))
    samples = loud(make(rng, sample_count(shot.times)), peak)
    return Construction({"face": shot.name, "peak": round(peak, 3)}, shot.times, shot.pictures, samples)


def quietest(opening: Samples, frames: int) -> tuple[int, float]:
    """Where the opening moves least over so many frames, and its deviation there."""
    windows = np.lib.stride_tricks.sliding_window_view(opening, min(frames, len(opening)))
    spread = np.where(np.isfinite(windows).all(axis=1), windows.std(axis=1), np.inf)
    first = int(np.argmin(spread))
    return first, float(spread[first])


def resting(sources: Sources, rng: Rng) -> tuple[str, Pictures]:
    """Find a stretch in which a person's mouth rests; return it played forth and back once."""
    frames = int(rng.uniform(0.4, 1.2) * RATE_HZ)
    shot = sources.face(rng, SEARCHED_S, lambda shot: quietest(shot.opening, frames)[1] < RESTING)
    first, _ = quietest(shot.opening, frames)
    part = shot.pictures[first : first + frames]
    return f"{shot.name}, {frames} frames from {shot.times[first]:.2f} s", part + part[-2:0:-1]


def over_silent(sources: Sources, rng: Rng, variant: str) -> Construction:
    """Lay a voice over a face that does not speak."""
    count = int(rng.uniform(*SPOKEN_LENGTH_S) * RATE_HZ)
    noise = float(rng.choice([0.0, 0.7, 1.5, 3.0]))
    if variant == "resting":
        name, course = resting(sources, rng)
        pictures = [course[k % len(course)] for k in range(count)]
    else:
        shot = sources.face(rng, 0.5)
        moment = int(rng.choice(np.flatnonzero(shot.footage.seen)))
        name = f"{shot.name}, frame {moment}"
        pictures = POSED[variant](rng, shot.footage, moment, count)
        pictures = grainy(rng, pictures, noise)
    times = np.arange(count) / RATE_HZ
    voice, samples = sources.voice(rng, count / RATE_HZ, name.split(" from ")[0])
    return Construction({"face": name, "voice": voice, "sensor_noise": noise}, times, pictures, samples)


def faceless(sources: Sources, rng: Rng, variant: str) -> Construction:
    """Lay a voice over pictures without a face."""
    length_s = rng.uniform(*SPOKEN_LENGTH_S)
    if variant in DRAWN:
        count = int(length_s * RATE_HZ)
        width, height = (int(side / 2) * 2 for side in rng.uniform(*SIZE_PX, 2))
        name, times, pictures = "", np.arange(count) / RATE_HZ, DRAWN[variant](rng, width, height, count)
    else:
        shot = sources.face(rng, length_s)
        name, times = shot.name, shot.times
        pictures = SPOILT[variant](rng, shot.pictures)
    voice, samples = sources.voice(rng, sample_count(times) / SOUND_RATE_HZ, name.split(" from ")[0])
    return Construction({"picture": name, "voice": voice}, times, pictures, samples)


def hardly_seen(sources: Sources, rng: Rng, variant: str) -> Construction:
    """Show a talking face with its own voice, too shortly, too small or from the side."""
    shot = sources.face(rng, rng.uniform(*SPOKEN_LENGTH_S))
    count, (height, width) = len(shot.times), shot.pictures[0].shape[:2]
    recipe: dict[str, Any] = {"face": shot.name}
    if variant == "brief":
        shown = int(rng.uniform(0.2, 1.2) * RATE_HZ)
        first = int(rng.integers(0, max(1, count - shown)))
        recipe["frames"] = [first, first + shown]
        other = DRAWN[str(rng.choice(["landscape", "cards", "shapes"]))](rng, width, height, count)
        pictures = [*other[:first], *shot.pictures[first : first + shown], *other[first + shown :]]
    elif variant == "distant":
        pictures = distant(rng, shot.pictures, shot.eyes_px)
    else:
        angle = float(rng.choice([-1, 1]) * rng.uniform(60, 180))
        recipe["angle_deg"] = round(angle)
        pictures = turned(shot.footage, angle)
    samples = np.zeros(sample_count(shot.times))
    own = shot.sound.samples[: len(samples)]
    samples[: len(own)] = own
    return Construction(recipe, shot.times, pictures, samples)


KINDS: dict[str, tuple[str, ...]] = {
    "non-speech": tuple(NOISES),
    "music": tuple(MUSIC),
    "off-screen voice": ("photo", "resting", "listener", "gulp"),
    "face-less": (*DRAWN, *SPOILT),
    "hardly seen": ("brief", "distant", "turned"),
}
"""Kinds of construction and their variants; taken in turn."""


def construct(number: int, seed: int, sources: Sources) -> Construction:
    """Build a construction from its number and the seed alone."""
    rng = np.random.default_rng([seed, number])
    kind, variant = named(number)
    makers = {"off-screen voice": over_silent, "face-less": faceless, "hardly seen": hardly_seen}
    if kind in makers:
        made = makers[kind](sources, rng, variant)
    else:
        made = over_talking(sources, rng, (NOISES | MUSIC)[variant])
    recipe = {"kind": kind, "variant": variant, "crf": int(rng.integers(16, 29)), **made.recipe}
    return Construction(recipe, made.times, made.pictures, made.samples)


def named(number: int) -> tuple[str, str]:
    """Kind and variant of a construction."""
    kind = list(KINDS)[number % len(KINDS)]
    return kind, KINDS[kind][number // len(KINDS) % len(KINDS[kind])]


# --- examining them -----------------------------------------------------------------------------------------------


def summary(finding: Finding) -> dict[str, Any]:
    """Return what is worth keeping of a finding."""
    figures = finding.cues[0].details if finding.name == "sync" and finding.cues else finding.details
    kept: dict[str, Any] = {name: round(float(figures[name]), 4) for name in FIGURES if name in figures}
    if "shares" in figures:
        kept["shares"] = {name: round(value, 3) for name, value in figures["shares"].items()}
    reasons = [reason.code for reason in finding.reasons]
    told = {"status": finding.status, "score": finding.score, "log10_lr": finding.log10_lr, "bounds": finding.bounds}
    return {**told, "reasons": reasons, **kept}


def examine(number: int, seed: int, sources: Sources, folder: str) -> dict[str, Any]:
    """Build one construction, examine it and return its row; the file goes into `folder`."""
    import torch

    import lipaccord

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    began = time.perf_counter()
    made = construct(number, seed, sources)
    path = Path(folder) / f"{number:04d}_{made.recipe['variant']}.mp4"
    frames = [
        Frame(k, float(time_s), np.ascontiguousarray(picture))
        for k, (time_s, picture) in enumerate(zip(made.times, made.pictures, strict=True))
    ]
    sound = Sound(made.samples.astype(np.float32), SOUND_RATE_HZ, 0.0)
    encode(path, frames, sound, crf=made.recipe["crf"], preset="veryfast")
    analysis: Analysis = lipaccord.analyze(path, threads=1)
    row = {"number": number, **made.recipe, "duration_s": round(analysis.clip.duration_s, 2)}
    row["size"] = [analysis.clip.video.width, analysis.clip.video.height]
    row["speech_s"] = round(spoken_s(analysis), 2)
    row["faces"] = [[round(face.coverage, 2), round(face.interocular_px, 1)] for face in analysis.faces]
    row |= {name: summary(finding) for name, finding in analysis.findings.items()}
    row["seconds"] = round(time.perf_counter() - began, 1)
    return row


def spoken_s(analysis: Analysis) -> float:
    """Seconds that the speech detector takes for speech; 0 where no face had it asked."""
    activity = analysis.timeline.get("speech.activity")
    return 0.0 if activity is None else float((activity.values >= 0.5).sum()) / 100


def violates(row: dict[str, Any]) -> bool:
    """Whether anything is claimed."""
    return any(row[name]["status"] not in SILENT for name in ("sync", "resynthesis"))


def report(rows: list[dict[str, Any]]) -> None:
    """Print the table by kind and variant, and every violation."""
    print(f"{'kind':34}{'count':>6}{'violations':>14}  statuses of sync | resynthesis")
    everything = [(kind, None) for kind in KINDS] + [(kind, variant) for kind in KINDS for variant in KINDS[kind]]
    for kind, variant in [("all", None), *everything]:
        chosen = [row for row in rows if kind in ("all", row["kind"]) and variant in (None, row["variant"])]
        if not chosen:
            continue
        count = sum(map(violates, chosen))
        statuses = (Counter(row[name]["status"] for row in chosen) for name in ("sync", "resynthesis"))
        told = " | ".join(", ".join(f"{name} {n}" for name, n in one.most_common()) for one in statuses)
        name = kind if variant is None else f"    {kind}: {variant}"
        print(f"{name:34}{len(chosen):6}{count:6} = {count / len(chosen):5.1%}  {told}")
    for row in filter(violates, rows):
        print(f"violation: {json.dumps(row)}")


def clips_in(place: Path) -> tuple[Path, ...]:
    """List the clips of a folder, or the authentic ones of a manifest."""
    if place.is_dir():
        return tuple(sorted(path for path in place.rglob("*") if path.suffix.lower() in CLIP_TYPES))
    clips = read_manifest(place).clips
    return tuple(sorted(clip.path for clip in clips if (clip.mouth, clip.sound) == ("camera", "together")))


def run(numbers: Sequence[int], seed: int, sources: Sources, jobs: int, folder: str) -> list[dict[str, Any]]:
    """Examine constructions in several processes."""
    rows = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = [pool.submit(examine, number, seed, sources, folder) for number in numbers]
        for done in as_completed(waiting):
            row = done.result()
            rows.append(row)
            mark = "VIOLATION " if violates(row) else ""
            found = f"{row['sync']['status']}, {row['resynthesis']['status']}"
            print(f"{len(rows)}/{len(numbers)} {mark}{row['number']} {row['variant']}: {found}", file=sys.stderr)
    return sorted(rows, key=lambda row: int(row["number"]))


def main() -> None:
    """Read the command line, run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, help="folders of authentic clips, or labelled manifests")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="where to write every construction's recipe and figures, as JSON")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of the constructions to build; by default all")
    parser.add_argument("--keep", type=Path, help="folder for the clips; by default they are removed")
    arguments = parser.parse_args()
    sources = Sources(tuple(clips_in(place) for place in arguments.clips))
    if not all(sources.places):
        parser.error("there is no authentic clip in one of the places named")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = arguments.only or range(arguments.count)
        rows = run(numbers, arguments.seed, sources, arguments.jobs, str(folder))
    report(rows)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"seed": arguments.seed, "constructions": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
