"""A labelled manifest -> how well every score tells its classes apart, with the forehead-only control beside it.

Every clip is examined as it came. With matched encodes every authentic clip is also encoded at each rung of the
ladder; for each method that rung is chosen at which the forehead tells least (`matching`), and the authentic clips are
examined once more at the rungs chosen. A folder then holds:

- ``evaluation.json``: the figures, the rungs chosen, what was left out (schema ``lipaccord/evaluation/1``);
- ``clips.csv``: one row for every clip and rung, with every score and every number that its cue gives beside it, an
  empty cell where a cue abstains: the table that a combination is fitted on;
- ``results``, ``tracks``, ``encodes``: what was kept of each clip; running again goes on from there.

Conventions: see `figures`. Clips whose mouth is ``unknown`` are examined and listed, and enter no figure.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lipaccord
from lipaccord import examining, matching
from lipaccord.bundle import load_bundle
from lipaccord.errors import EvaluationError
from lipaccord.examining import Job, Record
from lipaccord.figures import ScoredClip, resynthesis_figures, sync_figures
from lipaccord.files import write_text
from lipaccord.manifest import LabelledClip, read_manifest
from lipaccord.matching import ORIGINAL, RUNGS, Choice
from lipaccord.settings import Settings

SCHEMA = "lipaccord/evaluation/1"
FINDING = "resynthesis"
LABELS = ("path", "rung", "method", "group", "mouth", "sound", "pair")
SUMMARY = ("forehead", "problem", "resynthesis", "resynthesis_status", "sync", "sync_status")
SIGNIFICANT_DIGITS = 7

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Examined:
    """A clip at one rung, and what came of it: a record of `examining`, or why there is none."""

    clip: LabelledClip
    job: Job
    outcome: Record | str

    @property
    def forehead(self) -> float | None:
        """Fine detail of the forehead."""
        return None if isinstance(self.outcome, str) else self.outcome[matching.FOREHEAD]

    def finding(self, name: str) -> dict[str, Any]:
        """Return one finding as the analysis wrote it; empty where there is none."""
        if isinstance(self.outcome, str):
            return {}
        finding: dict[str, Any] = self.outcome["analysis"]["findings"][name]
        return finding

    def scores(self) -> dict[str, float | None]:
        """Return the scores of both findings and of every cue that bears on the mouth; None for an abstention."""
        result = {}
        for name in (FINDING, "sync"):
            finding = self.finding(name)
            result[name] = None if finding.get("status") == "not_examinable" else finding.get("score")
        return result | {name: cue["score"] for name, cue in self.finding(FINDING).get("cues", {}).items()}

    def scored(self) -> ScoredClip:
        """Return what the figures need."""
        clip = self.clip
        labels = (clip.name, self.job.rung, clip.method, clip.group, clip.mouth, clip.sound)
        return ScoredClip(*labels, self.forehead, self.scores())


def _limited(clips: Sequence[LabelledClip], limit: int | None) -> list[LabelledClip]:
    """Keep the first `limit` clips of every mouth and method."""
    taken: dict[tuple[str, str], int] = {}
    kept = []
    for clip in clips:
        kind = (clip.mouth, clip.method)
        taken[kind] = taken.get(kind, 0) + 1
        if limit is None or taken[kind] <= limit:
            kept.append(clip)
    return kept


def _jobs(clips: Sequence[LabelledClip], plain: Job) -> tuple[list[tuple[LabelledClip, Job]], list[str]]:
    """Identify every clip by its content; the same content twice would count twice."""
    jobs, complaints = [], []
    seen: dict[str, LabelledClip] = {}
    for clip in clips:
        try:
            with clip.path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            complaints.append(f"{clip}: it can't be read ({error.strerror}); check its permissions")
            continue
        if (earlier := seen.get(sha256)) is not None:
            complaints.append(f"{clip}: it is the same clip as {earlier}, byte for byte; keep one of the two")
            continue
        seen[sha256] = clip
        jobs.append((clip, replace(plain, path=clip.path, sha256=sha256)))
    return jobs, complaints


def _examined(
    pool: Executor, pairs: Sequence[tuple[LabelledClip, Job]], tell: Callable[[float], None]
) -> list[Examined]:
    outcomes = examining.run(pool, [job for _, job in pairs], examining.examine, _result, tell)
    return [Examined(clip, job, outcome) for (clip, job), outcome in zip(pairs, outcomes, strict=True)]


def _result(job: Job) -> Path:
    return job.result


def _control(job: Job) -> Path:
    return job.control


def _choices(pool: Executor, plain: Sequence[Examined], tell: Callable[[float], None]) -> dict[str, Choice]:
    """Encode the authentic clips at every rung and choose one for each method."""
    fakes: dict[str, list[tuple[float, str]]] = {}
    for one in plain:
        if one.clip.mouth == "synthesised" and one.forehead is not None:
            fakes.setdefault(one.clip.method, []).append((one.forehead, one.clip.group))
    softened = [
        (one.clip.group, replace(one.job, rung=rung.name, face=one.outcome["face"]))
        for one in plain
        if one.clip.mouth == "camera" and not isinstance(one.outcome, str) and one.forehead is not None
        for rung in RUNGS
    ]
    outcomes = examining.run(pool, [job for _, job in softened], examining.soften, _control, tell)
    authentic: dict[str, list[tuple[float, str]]] = {rung.name: [] for rung in RUNGS}
    for (group, job), outcome in zip(softened, outcomes, strict=True):
        if not isinstance(outcome, str) and outcome[matching.FOREHEAD] is not None:
            authentic[job.rung].append((outcome[matching.FOREHEAD], group))
    return matching.choose_rungs(fakes, authentic)


def _at_rungs(plain: Sequence[Examined], rungs: set[str]) -> list[tuple[LabelledClip, Job]]:
    """List the authentic clips at the rungs that were chosen, but for those that could not be examined at all."""
    camera = [one for one in plain if one.clip.mouth == "camera" and not isinstance(one.outcome, str)]
    return [(one.clip, replace(one.job, rung=rung.name)) for one in camera for rung in RUNGS if rung.name in rungs]


def numbers(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    """Yield every single number among the details of a cue by its dotted name; lists and texts are left out."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}.{name}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}.{name}", float(value)


def _cells(one: Examined) -> dict[str, str | float | None]:
    """Return one row of the table by column; what is missing is not in it."""
    clip, scores = one.clip, one.scores()
    cells: dict[str, str | float | None] = {
        "path": clip.name,
        "rung": one.job.rung,
        "method": clip.method,
        "group": clip.group,
        "mouth": clip.mouth,
        "sound": clip.sound,
        "pair": clip.pair,
        "forehead": one.forehead,
        "problem": one.outcome if isinstance(one.outcome, str) else None,
    }
    for name in (FINDING, "sync"):
        cells[f"{name}_status"] = one.finding(name).get("status")
    cells |= scores
    for name, cue in one.finding(FINDING).get("cues", {}).items():
        cells |= dict(numbers(cue["details"], name))
    return cells


def clips_table(examined: Sequence[Examined]) -> str:
    """Write the table of clips as CSV: labels, control, findings, then every cue with its details."""
    rows = [_cells(one) for one in examined]
    cues = sorted({name for row in rows for name in row} - {*LABELS, *SUMMARY})
    text = io.StringIO()
    writer = csv.DictWriter(text, [*LABELS, *SUMMARY, *cues], restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _judged(examined: Sequence[Examined], choices: dict[str, Choice] | None) -> dict[str, Any]:
    """Return the figures; without matched encodes every method is held against the clips as they came."""
    clips = [one.scored() for one in examined]
    cues = sorted({name for clip in clips for name in clip.scores} - {FINDING, "sync"})
    methods = {clip.method for clip in clips if clip.mouth == "synthesised"}
    rungs = dict.fromkeys(methods, ORIGINAL)
    if choices is not None:
        rungs = {method: choice.rung for method, choice in choices.items()}
    figures = resynthesis_figures(clips, [FINDING, *cues], rungs, ORIGINAL)
    return {
        "rungs": rungs,
        "choices": None
        if choices is None
        else {m: {"reference": c.reference, "control_auc": c.controls} for m, c in choices.items()},
        FINDING: figures.pop(FINDING),
        "cues": figures,
        "sync": sync_figures(clips, ORIGINAL),
    }


def evaluate(
    manifest: Path,
    out: Path,
    *,
    match_encodes: bool = False,
    processes: int | None = None,
    bundle: Path | None = None,
    limit: int | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Examine every clip of a labelled manifest and judge every score.

    Parameters
    ----------
    manifest : Path
        See `manifest`.
    out : Path
        Folder for the results; made where missing. What an earlier run kept there is used.
    match_encodes : bool
        Give authentic clips the encodes that synthesised ones went through.
    processes : int, optional
        Clips examined at a time; by default one for each processor.
    bundle : Path, optional
        Folder of a bundle; by default the one that is shipped.
    limit : int, optional
        Take the first clips of each method only.
    settings : Settings, optional
        What to examine and how.
    progress : callable, optional
        Told the stage and the fraction of it that is done.

    Returns
    -------
    dict
        The content of ``evaluation.json``; ``left_out`` says what was not examined, one line each.

    Raises
    ------
    ManifestError, BundleError, EvaluationError
        As their names say.
    OSError
        `out` can't be written.
    """
    chosen = settings or Settings()
    tell: Progress = progress or (lambda stage, fraction: None)
    read = read_manifest(manifest)
    loaded = load_bundle(bundle)
    for folder in (examining.RESULTS, examining.TRACKS, examining.ENCODES):
        (out / folder).mkdir(parents=True, exist_ok=True)
    empty = Job(Path(), "", ORIGINAL, out, examining.stamp(bundle, chosen), bundle, chosen)
    jobs, complaints = _jobs(_limited(read.clips, limit), empty)
    choices = None
    with examining.workers(processes or os.cpu_count() or 1) as pool:
        examined = _examined(pool, jobs, lambda fraction: tell("examining", fraction))
        if match_encodes:
            choices = _choices(pool, examined, lambda fraction: tell("encoding", fraction))
            again = _at_rungs(examined, {choice.rung for choice in choices.values()})
            examined += _examined(pool, again, lambda fraction: tell("examining the encodes", fraction))
    lost = [f"{one.clip} at {one.job.rung}: {one.outcome}" for one in examined if isinstance(one.outcome, str)]
    if len(lost) == len(examined):
        raise EvaluationError(f"no clip of {manifest} could be examined; the first trouble: {(complaints + lost)[0]}")
    result: dict[str, Any] = _rounded(
        {
            "schema": SCHEMA,
            "lipaccord": lipaccord.__version__,
            "bundle": {"name": loaded.name, "version": loaded.version, "sha256": loaded.sha256},
            "settings_digest": chosen.digest,
            "match_encodes": match_encodes,
            "clips": len(jobs),
            "left_out": [*read.complaints, *complaints, *lost],
            **_judged(examined, choices),
        }
    )
    write_text(out / "clips.csv", clips_table(examined))
    write_text(out / "evaluation.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result
