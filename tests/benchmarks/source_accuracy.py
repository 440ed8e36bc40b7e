"""How often the source of a clip is found, its mouth called altered, and a retimed copy laid right.

    lipaccord index AUTHENTIC... --index INDEX
    python tests/benchmarks/source_accuracy.py QUERIES.csv --index INDEX --work DIR [--copies 400] [--retimed 60]

QUERIES.csv names altered clips: ``path`` (relative to it), ``source`` (alike; empty where it is not in the index), and
``label`` (its generator). To these come copies of recordings of the index drawn at random, treated in turn (`COPIES`),
and retimed ones (`RETIMED`; of recordings of `LEAST_RETIMED_S` to `MOST_RETIMED_S`). Answers are kept in
DIR/answers.jsonl: the same command goes on from there. Prints every answer that is not as it must be (a claim of
another recording may be right: it shows the same moment), and a table by label with 95% intervals.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord import painters
from lipaccord.encoding import encode
from lipaccord.errors import LipAccordError
from lipaccord.media import open_clip
from lipaccord.records import Frame, Image
from lipaccord.simulate import Plan, simulate
from lipaccord.source.alignment import Alignment
from lipaccord.source.answering import answer
from lipaccord.source.index import open_index
from lipaccord.source.whereabouts import places
from lipaccord.treatments import Treatment, treat

PROCESSES = 2
LEAST_RETIMED_S, MOST_RETIMED_S = 2.5, 12.0
SHARE_EDITED = 0.08
RIGHT_SHARE = 0.95
_Z95 = 1.959964

Sources = NDArray[np.int64]


def captioned(picture: Image, _: np.random.Generator) -> Image:
    """Write a caption over the lowest quarter, as news do: the chin goes under it."""
    image = picture.copy()
    height, width = image.shape[:2]
    image[round(0.78 * height) : round(0.93 * height)] = (24, 24, 96)
    at = (round(0.03 * width), round(0.89 * height))
    cv2.putText(image, "The House sat late", at, cv2.FONT_HERSHEY_SIMPLEX, width / 360, (255, 255, 255), 2, cv2.LINE_AA)
    return image


def cropped_and_captioned(picture: Image, rng: np.random.Generator) -> Image:
    """Cut off 6% at the left and the top."""
    height, width = picture.shape[:2]
    return captioned(np.ascontiguousarray(picture[round(0.06 * height) :, round(0.06 * width) :]), rng)


COPIES = (
    Treatment("crf30", "copy", 1, "encoded anew, CRF 30", crf=30),
    Treatment("smaller", "copy", 1, "0.65 of the size, CRF 26", crf=26, scale=0.65),
    Treatment("cut", "copy", 1, "0.15 s cut off each end, CRF 23", crf=23, cut_s=0.15),
    Treatment("captioned", "copy", 1, "a caption over the chin, CRF 23", crf=23, picture=captioned),
    Treatment("all", "copy", 1, "all that", crf=28, picture=cropped_and_captioned, scale=0.8, cut_s=0.1),
)


def pictures(path: Path) -> Iterator[Frame]:
    """Yield the frames of a clip."""
    with open_clip(path) as reader:
        yield from reader.frames()


def simulated(strength: float, path: Path, out: Path, seed: int) -> Sources:
    """Retime as ``lipaccord simulate --kind retime`` does; return which frame each one is."""
    simulate(path, out, Plan("retime", seed=seed, strength=strength))
    frames = sum(1 for _ in pictures(path))
    return painters.retime(np.ones(frames, np.bool_), range(frames), strength, np.random.default_rng(seed))


def edited(kind: str, path: Path, out: Path, seed: int) -> Sources:
    """Leave frames out, show some twice, or change the speed; return which frame each one is."""
    frames = list(pictures(path))
    chosen = (np.random.default_rng(seed).random(len(frames)) < SHARE_EDITED).astype(np.int64)
    chosen[[0, -1]] = 0
    counts = {"frames left out": 1 - chosen, "frames shown twice": 1 + chosen}.get(kind, np.ones_like(chosen))
    speed = {"speed 0.9": 0.9, "speed 1.1": 1.1}.get(kind, 1.0)
    sources = np.repeat(np.arange(len(frames)), counts)
    times_s = np.array([frame.time_s for frame in frames])
    step_s = float(np.median(np.diff(times_s)))
    at_s = times_s[0] + step_s * np.arange(len(sources)) / speed
    made = (Frame(number, float(at_s[number]), frames[source].image) for number, source in enumerate(sources))
    with open_clip(path) as reader:
        encode(out, made, reader.sound(), crf=23)
    return sources


RETIMED: Mapping[str, Callable[[Path, Path, int], Sources]] = {
    "simulated 5%": partial(simulated, 0.05),
    "simulated 10%": partial(simulated, 0.1),
} | {kind: partial(edited, kind) for kind in ("speed 0.9", "speed 1.1", "frames left out", "frames shown twice")}


@dataclass(frozen=True)
class Query:
    """A clip that is looked for; `source` is empty where its source is not in the index."""

    kind: str
    label: str
    path: str
    source: str
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}|{self.label}|{self.path}"

    def made(self, folder: Path) -> tuple[Path, Sources | None]:
        """Make the clip; return it, and for a retimed one which frame of the source each of its frames is."""
        source, out = Path(self.path), folder / f"{multiprocessing.current_process().pid}.mp4"
        if self.kind == "altered":
            return source, None
        if self.kind == "retimed":
            return out, RETIMED[self.label](source, out, self.seed)
        treat(source, next(one for one in COPIES if one.name == self.label), out)
        return out, None


def within_a_frame(clip: Path, source: str, sources: Sources, alignment: Alignment) -> float:
    """Return the share of a clip's frames that are laid within one frame of where they come from."""
    there_s = np.array([frame.time_s for frame in pictures(Path(source))])
    own_s = np.array([frame.time_s for frame in pictures(clip)])
    off_s = np.abs(alignment.source_s(own_s) - there_s[sources])
    return float((off_s <= 1.05 * np.median(np.diff(there_s))).mean())  # a place nowhere is a place that is wrong


def asked(query: Query, index: Path, work: Path) -> dict[str, Any]:
    """Make a query, and tell what comes of it."""
    told: dict[str, Any] = asdict(query) | {"name": query.name}
    try:
        clip, sources = query.made(work)
        found = answer(clip, index).finding
    except LipAccordError as error:
        return told | {"trouble": f"{type(error).__name__}: {error}"}
    places = [[uri for uri, _ in candidate.places] for candidate in found.candidates]
    claimed = [uris for candidate, uris in zip(found.candidates, places, strict=True) if candidate.is_match]
    best = found.best
    right = best is not None and query.source in [uri for uri, _ in best.places]
    return told | {
        "status": found.status,
        "first": bool(places) and query.source in places[0],
        "claimed": any(query.source in uris for uris in claimed),
        "others": [uris[0] for uris in claimed if query.source not in uris],
        "statistic": None if found.exhibit is None else found.exhibit["statistic"],
        "edits": 0 if best is None else len(best.alignment.edits),
        "within": within_a_frame(clip, query.source, sources, best.alignment)
        if sources is not None and best is not None and right
        else None,
    }


def queries(arguments: argparse.Namespace) -> Iterator[Query]:
    """List what is looked for."""
    with arguments.queries.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path, source = (str((arguments.queries.parent / row[name]).resolve()) for name in ("path", "source"))
            yield Query("altered", row["label"], path, source if row["source"] else "")
    seconds = recordings(arguments.index)
    names = [str(name) for name in np.random.default_rng(arguments.seed).permutation(sorted(seconds))]
    for name, treatment in zip(names[: arguments.copies], cycle(COPIES)):
        yield Query("copy", treatment.name, name, name)
    long = [name for name in names if LEAST_RETIMED_S <= seconds[name] <= MOST_RETIMED_S]
    for number, (name, label) in enumerate(zip(long[: arguments.retimed], cycle(RETIMED))):
        yield Query("retimed", label, name, name, number)


def recordings(folder: Path) -> dict[str, float]:
    """Return the recordings of an index, and how long their longest face is seen [s]."""
    seconds: dict[str, float] = {}
    with open_index(folder) as index:
        for number, signature in index.signatures(1, index.last()[0]):
            name = places(index, index.kept([number])[number].sha256)[0].uri
            seconds[name] = max(seconds.get(name, 0.0), float(np.ptp(signature.times_s)))
    return seconds


def interval(right: int, count: int) -> str:
    """Say a share with its 95% interval (Wilson 1927)."""
    share, z2 = right / count, _Z95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return (
        f"{right} of {count} ({share:.1%}, {100 * max(0.0, middle - half):.1f} to {100 * min(1.0, middle + half):.1f})"
    )


def table(answers: list[dict[str, Any]]) -> Iterator[str]:
    """Say what came of all queries, by their label."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for told in answers:
        kind = told["kind"] if told["source"] else f"{told['kind']}, source not there"
        for label in (told["label"], "together"):
            groups.setdefault((kind, label), []).append(told)
    for (kind, label), members in sorted(groups.items()):
        known = [told for told in members if "trouble" not in told]
        words = [f"{name} {interval(count, len(members))}" for name, count in _counts(known).items()]
        if kind == "retimed":
            right = sum(told["within"] is not None and told["within"] >= RIGHT_SHARE for told in known)
            listed = sum(told["edits"] > 0 for told in known)
            words += [
                f"within a frame over {RIGHT_SHARE:.0%} {interval(right, len(members))}",
                f"edits listed {listed}",
            ]
        if statistics := [told["statistic"] for told in known if told["statistic"] is not None]:
            words.append(f"statistic {min(statistics):.3f} to {max(statistics):.3f}")
        yield f"{kind}, {label}: " + "; ".join(words)


def _counts(known: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "first": sum(told["first"] for told in known),
        "claimed": sum(told["claimed"] for told in known),
        "altered": sum(told["status"] == "mouth_altered" for told in known),
        "others claimed": sum(bool(told["others"]) for told in known),
    }


def odd(told: dict[str, Any]) -> str | None:
    """Say what is not as it must be."""
    if "trouble" in told:
        return str(told["trouble"])
    said = [f"claims {uri}" for uri in told["others"]]
    if told["source"]:
        said += [] if told["first"] else ["its source is not first"]
        said += [] if told["claimed"] else ["its source is not claimed"]
        if told["claimed"] and (told["status"] == "mouth_altered") != (told["kind"] == "altered"):
            said.append(f"is said to be {told['status']}")
    if told["within"] is not None and told["within"] < RIGHT_SHARE:
        said.append(f"{told['within']:.1%} of its frames are within a frame")
    return "; ".join(said) or None


def main() -> None:
    """Ask what was not asked before, and print what came of it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queries", type=Path, metavar="QUERIES.csv")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--copies", type=int, default=400)
    parser.add_argument("--retimed", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.work.mkdir(exist_ok=True)
    kept = arguments.work / "answers.jsonl"
    wanted = {query.name: query for query in queries(arguments)}
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    answers = {told["name"]: told for told in map(json.loads, lines)}
    waiting = [query for name, query in wanted.items() if name not in answers]
    ask = partial(asked, index=arguments.index, work=arguments.work)
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES, cv2.setNumThreads, (1,)) as pool, kept.open("a", encoding="utf-8") as file:
        for told in pool.imap_unordered(ask, waiting):
            answers[told["name"]] = told
            file.write(json.dumps(told) + "\n")
            file.flush()
            if (trouble := odd(told)) is not None:
                print(f"{told['name']}: {trouble}", file=sys.stderr)
    for line in table([answers[name] for name in wanted]):
        print(line)


if __name__ == "__main__":
    main()
