"""Sources -> an index in which each has its outcome, and files for the search: the one place that knows the order.

The run lists what the sources hold, then has those signed that have no outcome yet. It alone writes the index; workers
read the clips. What is in flight when it is killed is done again by the next run, and nothing else. At the end, and
before a search, the files of neighbours are brought up to date.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from lipaccord.archive.engine import dispatch
from lipaccord.archive.executors import open_executor
from lipaccord.archive.records import Errand, Limits, Reply, Trouble, Waiting
from lipaccord.archive.sources import entries
from lipaccord.archive.walking import Listing
from lipaccord.errors import ArchiveError
from lipaccord.landmarks import load_backend
from lipaccord.source import errands
from lipaccord.source.catalogue import sole_writer
from lipaccord.source.covered import Covered
from lipaccord.source.index import Index, open_index
from lipaccord.source.neighbours import (
    PATTERN,
    UNFINISHED,
    Described,
    Neighbours,
    described,
    load_faiss,
    windows_digest,
    write_neighbours,
)
from lipaccord.source.whereabouts import astray

LANDMARKS = "mediapipe"
LISTED_AT_A_TIME = 1000
FULL_S = 1000 * 3600.0
"""A file of neighbours that covers so much footage is not written anew when more comes."""

Part = tuple[int, float | None, float | None]
WHOLE: Part = (1, None, None)


class Watcher(Protocol):
    """Is told how a run goes; what it raises ends the run."""

    def listed(self, sources: int) -> None:
        """Tell how many sources are listed so far."""
        ...

    def begins(self, waiting: int, done: int, workers: str) -> None:
        """Tell how many sources wait, how many have their outcome already, and who does the work."""
        ...

    def source(self, name: str, status: str, trouble: Trouble | None, workers: int) -> None:
        """Tell that a source has its outcome, and how many workers there are."""
        ...

    def says(self, line: str) -> None:
        """Pass on what a person should know."""
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended.

    Attributes
    ----------
    counts : dict of str to int
        Sources of the run by what came of them; ``waiting`` where it was stopped.
    new : int
        Sources that got their outcome in this run.
    interrupted : bool
    passed_over : dict of str to int
        What the sources hold besides clips: files by suffix.
    astray : list of (uri, state)
        Sources of the index, also of earlier runs, that are gone or changed since they were signed.
    hours : float
        Length of all signatures in the index.
    signature_bytes, neighbour_bytes : int
        What the index takes on the disk.
    """

    counts: dict[str, int]
    new: int
    interrupted: bool
    passed_over: dict[str, int]
    astray: list[tuple[str, str]]
    hours: float
    signature_bytes: int
    neighbour_bytes: int


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be indexed, and by whom.

    Attributes
    ----------
    sources : tuple of str
        Folders, globs, lists, clips or URLs; see `archive.sources.entries`.
    processes : int or None
        On this machine; None for one a processor.
    dask : str or None
        Address of a scheduler, or ``local:N``; instead of processes of this machine.
    limits : Limits
        Of each errand.
    """

    sources: tuple[str, ...]
    processes: int | None = None
    dask: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class _Key:
    """What an errand is about: a source, or with `sha256` one part of it."""

    waiting: Waiting
    sha256: str = ""
    part: Part = WHOLE


class _Work(Iterator["tuple[_Key, Errand] | None"]):
    """What there is to do: first what follows from replies, then the sources that wait."""

    def __init__(self, index: Index, run: int, limits: Limits) -> None:
        self._index = index
        self._limits = limits
        self._waiting = index.waiting(run)
        self._next: deque[_Key] = deque()
        self._open = 0

    def __next__(self) -> tuple[_Key, Errand] | None:
        if self._next:
            return self._errand(self._next.popleft())
        for waiting in self._waiting:
            self._open += 1
            return self._errand(_Key(waiting))
        if self._open:
            return None
        raise StopIteration

    def _errand(self, key: _Key) -> tuple[_Key, Errand]:
        payload = {"uri": key.waiting.uri, "landmarks": LANDMARKS}
        more = (
            {"sha256": key.sha256, "part": list(key.part)} if key.sha256 else {"known": self._index.known(key.waiting)}
        )
        return key, Errand(errands.SIGN, payload | more, self._limits)

    def follow(self, waiting: Waiting, sha256: str, parts: list[Part]) -> None:
        """Have parts of a recording signed before anything else."""
        self._next.extend(_Key(waiting, sha256, part) for part in parts)

    def settled(self) -> None:
        """Note that a source has its outcome."""
        self._open -= 1


class _Run:
    """One run: takes every reply to the index."""

    def __init__(self, index: Index, work: _Work) -> None:
        self.new = 0
        self._index = index
        self._work = work

    def take(self, key: _Key, reply: Reply) -> tuple[str, Trouble | None] | None:
        """Keep what came of an errand; return the outcome of its source, None where parts of it are open."""
        index, waiting = self._index, key.waiting
        if reply.trouble is not None and not key.sha256:
            index.fail(waiting, reply.trouble, reply.worker or "-")
            return self._done("failed", reply.trouble)
        sha256 = key.sha256 or str(reply.value["sha256"])
        if reply.trouble is not None:
            index.record(sha256, key.part[0], "failed", (), reply.trouble)
        elif key.sha256:
            index.record(sha256, key.part[0], reply.value["status"], reply.blobs, None)
        elif "parts" in reply.value:
            index.plan(sha256, reply.value["duration_s"], [tuple(part) for part in reply.value["parts"]])
        elif "status" in reply.value:
            index.plan(sha256, reply.value["duration_s"], [WHOLE])
            index.record(sha256, WHOLE[0], reply.value["status"], reply.blobs, None)
        if parts := index.open_parts(sha256):
            if not key.sha256:
                self._work.follow(waiting, sha256, parts)
            return None
        return self._done(*index.settle(waiting, sha256, reply.worker or "-"))

    def _done(self, status: str, trouble: Trouble | None) -> tuple[str, Trouble | None]:
        self.new += 1
        self._work.settled()
        return status, trouble


def _work_through(index: Index, order: Order, run: int, watcher: Watcher, stop: threading.Event) -> int:
    """Have signed what waits; return how many sources got their outcome."""
    if next(index.waiting(run), None) is None:
        return 0
    backend = load_backend(LANDMARKS)
    index.check_landmarks(f"{backend.name} {backend.version}", keep=True)
    counts = index.tally(run)
    waiting = sum(1 for _ in index.waiting(run))
    with open_executor(order.processes, order.dask) as crew:
        if order.dask is not None:
            from lipaccord.examining import code_digest

            crew.check(code_digest, code_digest())
        watcher.begins(waiting, sum(counts.values()) - waiting, crew.describe)
        work = _Work(index, run, order.limits)
        taking = _Run(index, work)
        with closing(dispatch(crew.executor, crew.slots, work, stop=stop, tell=watcher.says)) as replies:
            for key, _, reply in replies:
                if (outcome := taking.take(key, reply)) is not None:
                    watcher.source(key.waiting.uri, *outcome, crew.slots())
    return taking.new


def build(order: Order, folder: Path, watcher: Watcher, stop: threading.Event | None = None) -> Summary:
    """Sign every source that has no outcome yet, and bring the files for the search up to date.

    Parameters
    ----------
    order : Order
    folder : Path
        The index; made where there is none.
    watcher : Watcher
    stop : threading.Event, optional
        Ends the run soon after it is set; a later run goes on from there.

    Returns
    -------
    Summary

    Raises
    ------
    ArchiveError
        A source can't be listed, the index can't be used or is held by another run, or the cluster is gone.
    BackendMissing
        faiss is not installed, or what a source needs.
    """
    load_faiss()
    stop = stop or threading.Event()
    listing = Listing()
    listed = entries(order.sources, listing)
    with open_index(folder, create=True) as index, sole_writer(folder):
        run, count = index.begin(order.sources), 0
        while not stop.is_set() and (batch := list(islice(listed, LISTED_AT_A_TIME))):
            count += index.add(run, batch)
            watcher.listed(count)
        index.reopen(run)
        new = 0 if stop.is_set() else _work_through(index, order, run, watcher, stop)
        index.end(run, "interrupted" if stop.is_set() else "finished")
        files = _brought_up_to_date(index)
        return Summary(
            counts=index.tally(run),
            new=new,
            interrupted=stop.is_set(),
            passed_over=dict(listing.passed_over),
            astray=[(place.uri, place.state) for place in astray(index)],
            hours=sum(file.covered.seconds for file in files) / 3600,
            signature_bytes=index.size_bytes(),
            neighbour_bytes=sum(file.path.stat().st_size for file in files),
        )


def _usable(index: Index) -> tuple[list[Neighbours], list[Path]]:
    """Open the files of neighbours that hold, one behind the other, the first signatures; return the others too."""
    found: list[Neighbours] = []
    useless: list[Path] = []
    for path in sorted(index.folder.glob(PATTERN)):
        try:
            file = Neighbours.open(path)
        except ArchiveError:
            useless.append(path)
            continue
        follows = file.covered.first == (found[-1].covered.last + 1 if found else 1)
        own = index.chain(file.covered.last).hex() == file.covered.chain
        if follows and own and file.described == windows_digest():
            found.append(file)
        else:
            useless.append(path)
    return found, useless


def _cover(index: Index, first: int, last: int) -> Neighbours:
    """Write one more file of neighbours."""

    def batches() -> Iterator[Described]:
        return (described(number, signature) for number, signature in index.signatures(first, last))

    path = index.folder / f"neighbours-{first:012d}.bin"
    covered = Covered(first, last, index.chain(last).hex(), index.seconds(first, last))
    write_neighbours(path, batches, covered)
    return Neighbours.open(path)


def _brought_up_to_date(index: Index) -> list[Neighbours]:
    """Have the files of neighbours cover all signatures; the last that is not full is written anew with what is new."""
    files, useless = _usable(index)
    last = index.last()[0]
    for path in (*useless, *index.folder.glob(UNFINISHED)):  # a run that was killed leaves what it had begun
        path.unlink()
    while not files or files[-1].covered.last < last:
        if not last:
            return []
        if files and files[-1].covered.seconds < FULL_S:
            first = files.pop().covered.first
        else:
            first = files[-1].covered.last + 1 if files else 1
        files.append(_cover(index, first, index.full_after(first, FULL_S)))
    return files


def neighbours_of(index: Index) -> list[Neighbours]:
    """Return files of neighbours that cover every signature of an index; where some are lacking, they are made.

    Raises
    ------
    ArchiveError
        They have to be made, and another run holds the index or it can't be written.
    BackendMissing
        faiss is not installed.
    """
    files, useless = _usable(index)
    if not useless and (files[-1].covered.last if files else 0) == index.last()[0]:
        return files
    with sole_writer(index.folder):
        return _brought_up_to_date(index)
