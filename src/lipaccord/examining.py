"""Clips of an evaluation -> kept results, examined side by side, so that a killed run goes on where it stopped.

Each piece of work is one clip at one rung: as it came, or as one of `treatments` leaves it. What comes of it is one
JSON file, whose name says all that it depends on: the clip's SHA-256, the rung, and a digest of the parts of the bundle
that clips are measured with, the settings, and the version and the files of this package. Another cue, another network
or another setting therefore never meets an old result. How measurements are judged is left out: `judging` judges what
is kept anew.

Work runs in processes of their own, each with one thread. A clip that can't be examined costs that clip alone.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import lipaccord
from lipaccord import matching, treatments
from lipaccord.assembly import InlineExecutor
from lipaccord.bundle import MEASURING, load_bundle, parts_digest
from lipaccord.conditions import FOREHEAD
from lipaccord.errors import EvaluationError, LipAccordError
from lipaccord.files import write_text
from lipaccord.pipeline import analyze
from lipaccord.settings import Settings

READERS = frozenset(
    {
        "_keyframes",
        "_sparse",
        "annotating",
        "archive",
        "archive_cli",
        "archive_run",
        "augmentation",
        "bundles",  # the parts that clips are measured with are identified by their own hashes
        "calibrating",
        "console",
        "shaping",
        "calibration_reading",
        "calibration",  # with the next, judged anew from what is kept
        "choosing",
        "combination",
        "comparison",
        "findings",
        "explanations",
        "propositions",
        "card",
        "cue_table",
        "samples",
        "survey",
        "tables",
        "cli",
        "combination_training",
        "corpus",
        "cutouts",
        "dubbing",
        "evaluation",
        "figures",
        "fitting",
        "footage",
        "harms",
        "heldout",
        "inventory",
        "judging",
        "lettering",
        "looks",
        "manifest",
        "masks",
        "metrics",
        "overlay",
        "painters",
        "panel",
        "provenance",
        "reel",
        "report",
        "reporting",
        "selftest",
        "sheets",
        "simulate",
        "source",
        "source_cli",
        "splice_training",
        "splices",
        "stills",
        "strict_json",
        "strips",
        "strokes",
        "training",
        "verifying",
        "viewing",
    }
)
"""Rooms that only read results, make clips or make bundles: a change there leaves every examination as it is."""

WRITERS = frozenset({Path("report", "json.py"), Path("report", "values.py")})
"""They write what is kept."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
RESULTS, TRACKS, ENCODES = "results", "tracks", "encodes"

Record = dict[str, Any]
Work = TypeVar("Work")


def code_digest() -> str:
    """Identify the files of this package that an examination depends on."""
    root = Path(lipaccord.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        reads = name.parts[0].removesuffix(".py") in READERS and name not in WRITERS
        if path.is_file() and "__pycache__" not in name.parts and not reads:
            digest.update(f"{name}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stamp(bundle: Path | None, settings: Settings) -> str:
    """Identify everything that a result depends on, but for the clip and its rung.

    Raises
    ------
    BundleError
        The bundle can't be used.
    """
    measuring = parts_digest(load_bundle(bundle).files, MEASURING)
    parts = (measuring, settings.digest, lipaccord.__version__, code_digest())
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Job:
    """One clip at one rung.

    Attributes
    ----------
    path : Path
        The clip as it came.
    sha256 : str
        Of the clip as it came.
    rung : str
        `matching.ORIGINAL`, or the name of a treatment.
    folder : Path
        Where results are kept.
    stamp : str
        See `stamp`.
    bundle : Path or None
    settings : Settings
    face : str or None
        Track that was examined in the clip as it came; what `soften` needs.
    """

    path: Path
    sha256: str
    rung: str
    folder: Path
    stamp: str
    bundle: Path | None
    settings: Settings
    face: str | None = None

    def _place(self, folder: str, rung: str, ending: str) -> Path:
        return self.folder / folder / f"{self.sha256[:24]}-{rung}-{self.stamp[:16]}{ending}"

    @property
    def result(self) -> Path:
        """Where the examination is kept."""
        return self._place(RESULTS, self.rung, ".json")

    @property
    def control(self) -> Path:
        """Where the forehead of the encode is kept, measured with the tracks of the clip as it came."""
        return self._place(RESULTS, self.rung, ".control.json")

    @property
    def heard(self) -> Path:
        """Where is kept that mouth and sound were laid side by side; the arrays are in `heard_at`."""
        return self._place(RESULTS, self.rung, ".heard.json")

    @property
    def heard_at(self) -> Path:
        """Where the arrays of `crossing.Heard` are kept."""
        return self._place(TRACKS, self.rung, ".heard.npz")

    def tracks(self, rung: str) -> Path:
        """Where the face tracks at a rung are kept."""
        return self._place(TRACKS, rung, ".npz")

    @property
    def encode(self) -> Path:
        """Where the encode is kept; it does not depend on what examines it."""
        part = (self.settings.start_s, self.settings.end_s)
        recipe = f"{treatments.recipe(treatments.treatment_named(self.rung))}|{part}|{lipaccord.__version__}"
        digest = hashlib.sha256(recipe.encode()).hexdigest()
        return self.folder / ENCODES / f"{self.sha256[:24]}-{self.rung}-{digest[:8]}.mp4"


def kept(path: Path) -> Record | None:
    """Read a kept result; None where there is none.

    Raises
    ------
    EvaluationError
        It is damaged.
    """
    try:
        record: Record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EvaluationError(f"the kept result {path} can't be read ({error}); delete it and run again") from error
    return record


def keep(path: Path, record: Record) -> Record:
    """Keep a result and return it."""
    write_text(path, json.dumps(record, allow_nan=False) + "\n")
    return record


def encoded(job: Job) -> Path:
    """Make sure that the clip is there at its rung; return where."""
    if job.rung == matching.ORIGINAL:
        return job.path
    if not job.encode.exists():
        treatment = treatments.treatment_named(job.rung)
        treatments.treat(job.path, treatment, job.encode, job.settings.start_s, job.settings.end_s)
    return job.encode


def examine(job: Job) -> Record:
    """Run the whole pipeline on a clip at its rung, and measure the forehead; the time courses are not kept."""
    path, tracks = encoded(job), job.tracks(job.rung)
    analysis = analyze(path, settings=job.settings, bundle=job.bundle, save_tracks=tracks, threads=1)
    face = next((face.id for face in analysis.faces if face.speaking), None)
    part = (job.settings.start_s, job.settings.end_s)
    forehead = None if face is None else matching.forehead_detail(path, tracks, face, *part)
    result = {name: value for name, value in analysis.to_dict().items() if name != "timeline"}
    record = {"rung": job.rung, "face": face, FOREHEAD: forehead, "analysis": result}
    return keep(job.result, record)


def soften(job: Job) -> Record:
    """Encode a clip at its rung and measure the forehead there, with the tracks of the clip as it came."""
    if job.face is None:
        raise ValueError("the face must be known before its forehead is measured")
    part = (job.settings.start_s, job.settings.end_s)
    forehead = matching.forehead_detail(encoded(job), job.tracks(matching.ORIGINAL), job.face, *part)
    return keep(job.control, {"rung": job.rung, FOREHEAD: forehead})


@contextmanager
def _single_threads() -> Iterator[None]:
    """Let new processes start with one thread for every numeric library."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _outcome(future: Future[Record]) -> Record | str:
    """Return what came of a piece of work, or why nothing did."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        raise EvaluationError(
            "a process that examined clips was ended from outside, perhaps for want of memory; run the same command "
            "again, with fewer --jobs: what is done is kept"
        ) from error
    if isinstance(error, LipAccordError):
        return str(error)
    if isinstance(error, Exception):
        return f"its examination broke down ({type(error).__name__}: {error}); please report this"
    raise error


@contextmanager
def workers(processes: int) -> Iterator[Executor]:
    """Give what does the work: processes that start when they are first needed, or with 1 this process itself."""
    with _single_threads(), ExitStack() as stack:
        if processes == 1:
            yield InlineExecutor()
            return
        pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        yield pool


def _as_they_come(
    pool: Executor, work: Callable[[Work], Record], jobs: Sequence[Work], places: Sequence[int]
) -> Iterator[tuple[Future[Record], int]]:
    """Yield each piece of work as it is done, with its place; in this process one after the other."""
    if isinstance(pool, InlineExecutor):
        for place in places:
            yield pool.submit(work, jobs[place]), place
        return
    futures = {pool.submit(work, jobs[place]): place for place in places}
    for future in as_completed(futures):
        yield future, futures[future]


def run(
    pool: Executor,
    jobs: Sequence[Work],
    work: Callable[[Work], Record],
    kept_at: Callable[[Work], Path],
    progress: Callable[[float], None],
) -> list[Record | str]:
    """Do every piece of work that is not kept yet.

    Parameters
    ----------
    pool : Executor
        As `workers` gives it.
    jobs : sequence
        Of `Job` or of what else `work` takes; sent to other processes.
    work : callable
        `examine`, `soften` or the like.
    kept_at : callable
        Where the result of a job is kept.
    progress : callable
        Told the fraction done.

    Returns
    -------
    list
        A record for each job, or a text that says why there is none.

    Raises
    ------
    EvaluationError
        A kept result is damaged, or a process was ended from outside.
    """
    results: list[Record | str | None] = [kept(kept_at(job)) for job in jobs]
    missing = [place for place, result in enumerate(results) if result is None]
    done = len(jobs) - len(missing)
    for future, place in _as_they_come(pool, work, jobs, missing):
        results[place] = _outcome(future)
        done += 1
        progress(done / len(jobs))
    return [result for result in results if result is not None]
