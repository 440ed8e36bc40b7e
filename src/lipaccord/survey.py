"""A labelled manifest -> everything that is measured of its clips, kept so that a killed run goes on where it stopped.

Every clip is examined as it came. With matched encodes every authentic clip is also encoded at each rung of the ladder;
for each method that rung is chosen at which the forehead tells least (`matching`), and the authentic clips are examined
once more at the rungs chosen. Clips whose sound was recorded together with the picture are crossed with each other's
sounds (`crossing`). Nothing is judged here: the findings come from the bundle in use (`judging`).

Conventions: clips whose labels are ``unknown`` are examined and listed, and enter no figure.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lipaccord import crossing, examining, matching
from lipaccord.bundle import Bundle
from lipaccord.calibration import CONDITIONS
from lipaccord.conditions import FOREHEAD
from lipaccord.errors import EvaluationError
from lipaccord.examining import Job, Record
from lipaccord.judging import Judge
from lipaccord.manifest import LabelledClip, read_manifest
from lipaccord.matching import ORIGINAL, RUNGS, Choice
from lipaccord.records import Finding, FindingName
from lipaccord.settings import Settings

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Examined:
    """A clip at one rung, and what came of it.

    Attributes
    ----------
    clip : LabelledClip
    job : Job
    outcome : dict or str
        A record of `examining`, or why there is none.
    findings : dict of str to Finding
        As the bundle in use judges the record; empty where there is none.
    """

    clip: LabelledClip
    job: Job
    outcome: Record | str
    findings: dict[FindingName, Finding]

    @property
    def forehead(self) -> float | None:
        """Fine detail of the forehead."""
        return None if isinstance(self.outcome, str) else self.outcome[FOREHEAD]

    def score(self, name: FindingName) -> float | None:
        """Return the score of a finding; None for an abstention."""
        return self.findings[name].score if name in self.findings else None

    def scores(self) -> dict[str, float | None]:
        """Return the scores of both findings and of every cue that bears on the mouth; None for an abstention."""
        own: dict[str, float | None] = {name: self.score(name) for name in CONDITIONS}
        cues = self.findings["resynthesis"].cues if self.findings else ()
        return own | {cue.cue: cue.score for cue in cues}


@dataclass(frozen=True, slots=True)
class Crossed:
    """One window of one clip with one sound.

    Attributes
    ----------
    clip, sound : LabelledClip
        Whose mouth and whose sound.
    row : dict
        What `crossing.meet` found.
    finding : Finding or None
        As the bundle in use judges it; None where the cue abstains.
    """

    clip: LabelledClip
    sound: LabelledClip
    row: dict[str, Any]
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Treated:
    """What was measured of all clips after one treatment."""

    examined: tuple[Examined, ...]
    crossed: tuple[Crossed, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """All that was measured.

    Attributes
    ----------
    clips : int
        Different usable clips.
    examined : tuple of Examined
        As they came, then at the rungs that were chosen.
    crossed : tuple of Crossed
    choices : dict of str to Choice, or None
        By method; None where encodes were not matched.
    treated : dict of str to Treated
        By treatment, of every clip that can be examined as it came.
    left_out : tuple of str
        What was not examined, one line each.
    """

    clips: int
    examined: tuple[Examined, ...]
    crossed: tuple[Crossed, ...]
    choices: dict[str, Choice] | None
    treated: dict[str, Treated]
    left_out: tuple[str, ...]

    @property
    def rungs(self) -> dict[str, str]:
        """Rung of the authentic clips that each method is held against."""
        if self.choices is not None:
            return {method: choice.rung for method, choice in self.choices.items()}
        return {one.clip.method: ORIGINAL for one in self.examined if one.clip.mouth == "synthesised"}


def limited(clips: Sequence[LabelledClip], limit: int | None) -> list[LabelledClip]:
    """Keep the first `limit` clips of every mouth and method."""
    taken: dict[tuple[str, str], int] = {}
    kept = []
    for clip in clips:
        kind = (clip.mouth, clip.method)
        taken[kind] = taken.get(kind, 0) + 1
        if limit is None or taken[kind] <= limit:
            kept.append(clip)
    return kept


def jobs_of(clips: Sequence[LabelledClip], plain: Job) -> tuple[list[tuple[LabelledClip, Job]], list[str]]:
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


def examined_by(
    pool: Executor, pairs: Sequence[tuple[LabelledClip, Job]], judge: Judge, tell: Callable[[float], None]
) -> list[Examined]:
    """Examine clips, or read what is kept of them, and judge them."""
    outcomes = examining.run(pool, [job for _, job in pairs], examining.examine, _result, tell)
    return [
        Examined(clip, job, outcome, {} if isinstance(outcome, str) else judge.findings(outcome["analysis"]))
        for (clip, job), outcome in zip(pairs, outcomes, strict=True)
    ]


def _result(job: Job) -> Path:
    return job.result


def _control(job: Job) -> Path:
    return job.control


def _heard(job: Job) -> Path:
    return job.heard


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
        if not isinstance(outcome, str) and outcome[FOREHEAD] is not None:
            authentic[job.rung].append((outcome[FOREHEAD], group))
    return matching.choose_rungs(fakes, authentic)


def _at_rungs(plain: Sequence[Examined], rungs: set[str]) -> list[tuple[LabelledClip, Job]]:
    """List the authentic clips at the rungs that were chosen, but for those that could not be examined at all."""
    camera = [one for one in plain if one.clip.mouth == "camera" and not isinstance(one.outcome, str)]
    return [(one.clip, replace(one.job, rung=rung.name)) for one in camera for rung in RUNGS if rung.name in rungs]


def _crossed(
    pool: Executor, plain: Sequence[Examined], judge: Judge, tell: Callable[[str, float], None]
) -> tuple[list[Crossed], list[str]]:
    """Cross the clips whose sound was recorded together with the picture; say what broke down."""
    own = {
        one.job.sha256: (one.clip, replace(one.job, face=one.outcome["face"]))
        for one in plain
        if one.clip.sound == "together" and not isinstance(one.outcome, str) and one.outcome["face"] is not None
    }
    jobs = [job for _, job in own.values()]
    heard = examining.run(pool, jobs, crossing.hear, _heard, lambda share: tell("listening", share))
    usable = [(job, record["windows"]) for job, record in zip(jobs, heard, strict=True) if not isinstance(record, str)]
    lost = [f"{own[job.sha256][0]}: {r}" for job, r in zip(jobs, heard, strict=True) if isinstance(r, str)]
    met = crossing.meetings(
        [job for job, _ in usable],
        [own[job.sha256][0].group for job, _ in usable],
        [[(sha256, start, length) for sha256, start, length in windows] for _, windows in usable],
    )
    outcomes = examining.run(pool, met, crossing.meet, _kept_at, lambda share: tell("crossing sounds", share))
    crossed = []
    for meeting, outcome in zip(met, outcomes, strict=True):
        clip = own[meeting.job.sha256][0]
        if isinstance(outcome, str):
            lost.append(f"{clip}: {outcome}")
            continue
        crossed += [Crossed(clip, own[row["sound"]][0], row, judge.crossed(row)) for row in outcome["rows"]]
    return crossed, lost


def _treated(
    pool: Executor, plain: Sequence[Examined], names: Sequence[str], judge: Judge, tell: Callable[[str, float], None]
) -> tuple[dict[str, Treated], list[str]]:
    """Examine and cross all clips once more after each treatment; say what broke down."""
    treated, lost = {}, []
    for number, name in enumerate(names):
        pairs = [(one.clip, replace(one.job, rung=name)) for one in plain if not isinstance(one.outcome, str)]

        def part(share: float, number: int = number) -> None:
            tell("treating", (number + share) / len(names))

        examined = examined_by(pool, pairs, judge, part)
        crossed, broken = _crossed(pool, examined, judge, lambda stage, share: None)
        treated[name] = Treated(tuple(examined), tuple(crossed))
        lost += [f"{line} ({name})" for line in broken]
    return treated, lost


def _kept_at(meeting: crossing.Meeting) -> Path:
    return meeting.kept_at


def survey(
    manifest: Path,
    out: Path,
    bundle: Bundle,
    *,
    match_encodes: bool = False,
    treatments: Sequence[str] = (),
    processes: int | None = None,
    bundle_path: Path | None = None,
    limit: int | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Measure every clip of a labelled manifest.

    Parameters
    ----------
    manifest : Path
        See `manifest`.
    out : Path
        Folder for what is kept of each clip; made where missing. What an earlier run kept there is used.
    bundle : Bundle
        What measures and judges.
    match_encodes : bool
        Give authentic clips the encodes that synthesised ones went through.
    treatments : sequence of str
        Names of `treatments.TREATMENTS` to try on every clip.
    processes : int, optional
        Clips examined at a time; by default one for each processor.
    bundle_path : Path, optional
        Folder of `bundle`; None where it is the one that is shipped.
    limit : int, optional
        Take the first clips of each method only.
    settings : Settings, optional
        What to examine and how.
    progress : callable, optional
        Told the stage and the fraction of it that is done.

    Raises
    ------
    ManifestError, BundleError, EvaluationError
        As their names say.
    OSError
        `out` can't be written.
    """
    chosen, judge = settings or Settings(), Judge(bundle)
    tell: Progress = progress or (lambda stage, fraction: None)
    read = read_manifest(manifest)
    for folder in (examining.RESULTS, examining.TRACKS, examining.ENCODES):
        (out / folder).mkdir(parents=True, exist_ok=True)
    empty = Job(Path(), "", ORIGINAL, out, examining.stamp(bundle_path, chosen), bundle_path, chosen)
    jobs, complaints = jobs_of(limited(read.clips, limit), empty)
    choices = None
    with examining.workers(processes or os.cpu_count() or 1) as pool:
        examined = examined_by(pool, jobs, judge, lambda fraction: tell("examining", fraction))
        plain = tuple(examined)
        crossed, lost = _crossed(pool, plain, judge, tell)
        if match_encodes:
            choices = _choices(pool, plain, lambda fraction: tell("encoding", fraction))
            again = _at_rungs(plain, {choice.rung for choice in choices.values()})
            examined += examined_by(pool, again, judge, lambda fraction: tell("examining the encodes", fraction))
        treated, broken = _treated(pool, plain, treatments, judge, tell)
    everything = [*examined, *(one for some in treated.values() for one in some.examined)]
    lost += broken
    lost += [f"{one.clip} at {one.job.rung}: {one.outcome}" for one in everything if isinstance(one.outcome, str)]
    if all(isinstance(one.outcome, str) for one in examined):
        raise EvaluationError(f"no clip of {manifest} could be examined; the first trouble: {(complaints + lost)[0]}")
    left_out = (*read.complaints, *complaints, *lost)
    return Survey(len(jobs), tuple(examined), tuple(crossed), choices, treated, left_out)
