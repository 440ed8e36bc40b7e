"""Sources -> a store in which every clip has its outcome: the one place of the archive that knows the order.

The run lists what the sources hold, then has the clips examined that have no outcome by its method yet. It alone writes
the store; workers read the clips. What is in flight when it is killed is done again by the next run, and nothing else:
every reply is kept before the next errand is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import lipaccord
from lipaccord.archive.database import sole_run
from lipaccord.archive.engine import dispatch
from lipaccord.archive.executors import Crew, open_executor
from lipaccord.archive.records import Gist, Limits, Method, Reply, Trouble, Turn, Waiting
from lipaccord.archive.sources import entries
from lipaccord.archive.store import Store, open_store
from lipaccord.archive.walking import Listing
from lipaccord.archive.work import WHOLE, Key, Work
from lipaccord.bundle import load_bundle
from lipaccord.errors import ArchiveError, SettingsError
from lipaccord.settings import Settings

LISTED_AT_A_TIME = 1000
NO_FAULT_OF_A_CLIP = frozenset({"BackendMissing", "BundleError", "SettingsError"})
"""Troubles that every clip would have."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be scored, and how.

    Attributes
    ----------
    sources : tuple of str
        Folders, globs, lists, clips or URLs; see `sources.entries`.
    settings : Settings
    bundle : Path or None
        None for the one that is shipped.
    max_seconds : float or None
        Examine no more of each recording than this.
    failed_too : bool
        Try clips that failed once more.
    limits : Limits
        Of each errand.
    processes : int or None
        On this machine; None for one a processor.
    dask : str or None
        Address of a scheduler, or ``local:N``; instead of processes of this machine.
    """

    sources: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)
    bundle: Path | None = None
    max_seconds: float | None = None
    failed_too: bool = False
    limits: Limits = field(default_factory=Limits)
    processes: int | None = None
    dask: str | None = None

    def method(self) -> Method:
        """Return what the outcomes will depend on.

        Raises
        ------
        BundleError
            The bundle can't be used.
        SettingsError
            A setting belongs to one clip.
        """
        for name in ("face", "start_s", "end_s"):
            if getattr(self.settings, name) is not None:
                raise SettingsError(f"the setting {name} belongs to one clip; leave it out where many are scored")
        bundle = load_bundle(self.bundle)
        return Method(
            bundle=f"{bundle.name} {bundle.version}",
            bundle_sha256=bundle.sha256,
            settings=asdict(self.settings),
            version=lipaccord.__version__,
            max_seconds=self.max_seconds,
        )


class Watcher(Protocol):
    """Is told how a run goes; what it raises ends the run."""

    def listed(self, clips: int) -> None:
        """Tell how many clips the sources have listed so far."""
        ...

    def begins(self, waiting: int, done: int, workers: str) -> None:
        """Tell how many clips wait, how many have their outcome already, and who does the work."""
        ...

    def turn(self, name: str, turn: Turn) -> None:
        """Tell that one turn of a long recording is done."""
        ...

    def clip(self, name: str, gist: Gist, workers: int) -> None:
        """Tell that a clip has its outcome, and how many workers there are."""
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
        Clips of the sources by status; ``waiting`` where the run was stopped.
    new : int
        Clips that got their outcome in this run.
    interrupted : bool
    passed_over : dict of str to int
        What the sources hold besides clips: files by suffix.
    """

    counts: dict[str, int]
    new: int
    interrupted: bool
    passed_over: dict[str, int]


class _Run:
    """One run: takes every reply to the store."""

    def __init__(self, store: Store, method: int, work: Work, watcher: Watcher, crew: Crew) -> None:
        self.new = 0
        self._store = store
        self._method = method
        self._work = work
        self._watcher = watcher
        self._crew = crew

    def take(self, key: Key, reply: Reply) -> None:
        """Keep what came of an errand, all of it or nothing, and see what follows from it."""
        with self._store.change():
            self._take(key, reply)

    def _take(self, key: Key, reply: Reply) -> None:
        if reply.trouble is not None and reply.trouble.error in NO_FAULT_OF_A_CLIP:
            raise ArchiveError(f"the run was stopped, for no clip can be examined like this: {reply.trouble.message}")
        if key.identify:
            self._work.identified(key.waiting, "" if reply.trouble is not None else reply.value["sha256"])
        elif key.sha256:
            self._take_turn(key, reply)
        elif reply.trouble is not None:
            self._store.fail(self._method, key.waiting, reply.trouble, work_s=reply.seconds, worker=reply.worker)
            gist = Gist("failed", error=reply.trouble.error, message=reply.trouble.message, work_s=reply.seconds)
            self._done(key.waiting, gist)
        else:
            self._take_clip(key, reply)

    def _take_clip(self, key: Key, reply: Reply) -> None:
        sha256 = reply.value["sha256"]
        if "turns" in reply.value:
            turns = [Turn(*values) for values in reply.value["turns"]]
            self._store.plan(self._method, key.waiting.clip, sha256, reply.value["duration_s"], turns)
        elif "gist" in reply.value:
            self._store.plan(self._method, key.waiting.clip, sha256, reply.value["duration_s"], [WHOLE])
            self._store.record(self._method, sha256, _with_outcome(WHOLE, reply))
        self._settle_or_follow(key.waiting, sha256, reply)

    def _settle_or_follow(self, waiting: Waiting, sha256: str, reply: Reply) -> None:
        """Have the turns examined that are open; where none is, the clip has its outcome."""
        if turns := self._store.open_turns(self._method, sha256):
            self._work.follow(waiting, sha256, turns)
            return
        self._done(waiting, self._store.settle(self._method, waiting, sha256, reply.worker, reply.peak_mb))

    def _take_turn(self, key: Key, reply: Reply) -> None:
        turn = _with_outcome(key.turn, reply)
        self._store.record(self._method, key.sha256, turn)
        self._watcher.turn(key.waiting.uri, turn)
        if not self._store.open_turns(self._method, key.sha256):
            self._done(
                key.waiting, self._store.settle(self._method, key.waiting, key.sha256, reply.worker, reply.peak_mb)
            )

    def _done(self, waiting: Waiting, gist: Gist) -> None:
        self.new += 1
        self._work.settled(waiting)
        self._watcher.clip(waiting.uri, gist, self._crew.slots())


def _with_outcome(turn: Turn, reply: Reply) -> Turn:
    if reply.trouble is not None:
        trouble: Trouble = reply.trouble
        gist = Gist("failed", error=trouble.error, message=trouble.message, work_s=reply.seconds)
        return Turn(turn.number, turn.start_s, turn.end_s, gist)
    values = reply.value["gist"] | {"work_s": reply.seconds}
    gist = Gist(**values | {name: tuple(values.get(name, ())) for name in ("reasons", "cues")})
    analysis, timeline = reply.blobs
    return Turn(turn.number, turn.start_s, turn.end_s, gist, analysis, timeline)


def _list(
    store: Store, order: Order, run: int, method: int, stop: threading.Event, tell: Callable[[int], None]
) -> dict[str, int]:
    """Note all that the sources list; count what they hold besides."""
    listing, count = Listing(), 0
    listed = iter(entries(order.sources, listing))
    while not stop.is_set() and (batch := list(islice(listed, LISTED_AT_A_TIME))):
        count += store.add(run, method, batch)
        tell(count)
    return dict(listing.passed_over)


def score(order: Order, db: Path, watcher: Watcher, stop: threading.Event | None = None) -> Summary:
    """Examine every clip of the sources that has no outcome by this method yet.

    Parameters
    ----------
    order : Order
    db : Path
        The store; made where there is none.
    watcher : Watcher
    stop : threading.Event, optional
        Ends the run soon after it is set; a later run goes on from there.

    Returns
    -------
    Summary

    Raises
    ------
    ArchiveError
        A source can't be listed, the store can't be used or is held by another run, the cluster is gone, or a worker
        lacks what it needs.
    BundleError, BackendMissing
        The method can't be used here.
    """
    stop = stop or threading.Event()
    chosen = order.method()
    with sole_run(db), open_store(db, create=True) as store:
        method = store.method(chosen)
        run = store.begin(method, order.sources)
        passed_over = _list(store, order, run, method, stop, watcher.listed)
        if not stop.is_set():
            store.miss(run, method)
        if order.failed_too:
            store.reopen(run, method)
        new = 0 if stop.is_set() else _work_through(order, store, run, method, watcher, stop, chosen)
        store.end(run, "interrupted" if stop.is_set() else "finished")
        return Summary(store.tally(run, method), new, stop.is_set(), passed_over)


def _work_through(
    order: Order, store: Store, run: int, method: int, watcher: Watcher, stop: threading.Event, chosen: Method
) -> int:
    """Have done what waits; return how many clips got their outcome."""
    if next(store.waiting(run, method), None) is None:
        return 0
    payload = {
        "bundle": None if order.bundle is None else str(order.bundle.resolve()),
        "bundle_sha256": chosen.bundle_sha256,
        "settings": chosen.settings,
        "max_seconds": chosen.max_seconds,
    }
    counts = store.tally(run, method)
    waiting = counts.pop("waiting", 0)
    with open_executor(order.processes, order.dask) as crew:
        if order.dask is not None:
            from lipaccord.examining import code_digest  # loads all that examines; processes of this machine have it

            crew.check(code_digest, code_digest())
        watcher.begins(waiting, sum(counts.values()), crew.describe)
        work = Work(store, run, method, payload, order.limits)
        taking = _Run(store, method, work, watcher, crew)
        with closing(dispatch(crew.executor, crew.slots, work, stop=stop, tell=watcher.says)) as replies:
            for key, _, reply in replies:
                taking.take(key, reply)
    return taking.new
