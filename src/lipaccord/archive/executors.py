"""Who does the errands: processes on this machine, or the workers of a Dask cluster.

Either is a `concurrent.futures.Executor` on which `confinement.perform` can be submitted, so that everything else is
alike. On this machine that is a pool of threads, each of which has a process of its own and waits for it; a worker of
Dask has one for each of its threads. A process that dies therefore costs its errand and never a worker.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from lipaccord.archive.confinement import Confined, adopt, end_crew, in_crew
from lipaccord.errors import ArchiveError, BackendMissing

PATIENCE_S = 10.0
"""How long a scheduler is waited for, at the start and when it is lost."""
LOOK_S = 1.0
"""Between two looks at which workers there are."""

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does the errands.

    Attributes
    ----------
    executor : concurrent.futures.Executor
    slots : callable
        How many errands can be worked on at once, now. It raises an ArchiveError once that is none for ever, or where
        a worker that has come gives another value than `check` expects.
    describe : str
        For a log.
    check : callable
        Takes a function of a module and the value that it must return on every worker, those that come later too. It
        raises an ArchiveError that names the worker, both values, and the remedy.
    """

    executor: Executor
    slots: Callable[[], int]
    describe: str
    check: Callable[[Callable[[], object], object], None]


@contextmanager
def open_executor(processes: int | None = None, dask: str | None = None) -> Iterator[Crew]:
    """Have workers for errands; they and what they do end with the context.

    Parameters
    ----------
    processes : int, optional
        How many on this machine; as many as there are cores if neither this nor `dask` is given.
    dask : str, optional
        Instead of them, the workers of the scheduler at this address (``tcp://host:8786``), or with ``local:N`` those
        of a cluster of N processes that is made for it here.

    Raises
    ------
    ArchiveError
        There are to be no workers, or nobody answers at the address.
    BackendMissing
        Dask is not installed.
    """
    if dask is None:
        count = len(os.sched_getaffinity(0)) if processes is None else processes
        if count < 1:
            raise ArchiveError(f"{count} processes can do nothing; give at least one")
        yield from _own_processes(count)
    elif processes is not None:
        raise ArchiveError("processes and Dask can't be had together; give the one or the other")
    else:
        distributed = _distributed()  # which sets up its log
        with _quiet():
            yield from _dask_workers(distributed, dask)


class _Pool(ThreadPoolExecutor):
    """Threads that each have a process; those are ended, not waited for."""

    def __init__(self, count: int) -> None:
        super().__init__(count, thread_name_prefix="errands", initializer=self._have_one)
        self._confined: list[Confined] = []

    def _have_one(self) -> None:
        confined = Confined()
        self._confined.append(confined)
        adopt(confined)

    def end(self) -> None:
        self.shutdown(wait=False, cancel_futures=True)
        for confined in self._confined:
            confined.stop()
        self.shutdown(wait=True)
        for confined in self._confined:
            confined.close()


def _own_processes(count: int) -> Iterator[Crew]:
    pool = _Pool(count)
    describe = "1 process" if count == 1 else f"{count} processes"
    try:
        yield Crew(pool, lambda: count, f"{describe} on this machine", lambda function, expected: None)
    finally:
        pool.end()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log from the terminal: what matters of it is raised or told."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    loggers = [logging.getLogger(name) for name in {"distributed", *names}]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise BackendMissing("Dask is not installed; pip install 'lipaccord[dask]'") from error
    return distributed


def _dask_workers(distributed: Any, dask: str) -> Iterator[Crew]:
    if dask.partition(":")[0] != "local":
        yield from _at(distributed, dask, f"Dask at {dask}")
        return
    if (count := re.fullmatch(r"local:([1-9][0-9]{0,3})", dask)) is None:
        raise ArchiveError(f"{dask} is no local cluster; write local:N for one of N processes")
    with (
        tempfile.TemporaryDirectory(prefix="lipaccord-", ignore_cleanup_errors=True) as folder,
        distributed.LocalCluster(
            n_workers=int(count[1]),
            threads_per_worker=1,
            processes=True,
            memory_limit=None,  # an errand has its own
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL + 1,
            local_directory=folder,
            env={"TMPDIR": folder},  # a worker that is killed removes nothing
        ) as cluster,
    ):
        yield from _at(distributed, cluster.scheduler_address, f"Dask, {count[1]} processes on this machine")


def _at(distributed: Any, address: str, describe: str) -> Iterator[Crew]:
    try:
        client = distributed.Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ArchiveError(
            f"no Dask scheduler answers at {address} ({error}); start one with 'dask scheduler', or correct the address"
        ) from error
    workers = _DaskWorkers(client, address, (ConnectionError, TimeoutError, distributed.comm.CommClosedError))
    try:
        yield Crew(workers, workers.slots, describe, workers.check)
    finally:
        workers.end()


class _DaskWorkers(Executor):
    """The workers of a Dask cluster, as long as its scheduler is there."""

    def __init__(self, client: Any, address: str, lost: tuple[type[Exception], ...]) -> None:
        self._client = client
        self._lost = lost
        self._name = secrets.token_hex(8)
        self._address = address
        self._executor: Executor = client.get_executor(retries=0, pure=False)
        self._check: tuple[Callable[[], object], object] | None = None
        self._checked: set[str] = set()
        self._looked: float | None = None
        self._slots = 0

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a worker call the function."""
        self._is_connected()
        return self._executor.submit(in_crew, self._name, function, *args, **kwargs)

    def _is_connected(self) -> bool:
        """Tell whether the scheduler is there; False while the client looks for it."""
        if self._client.status in {"running", "connecting"}:
            return bool(self._client.status == "running")
        raise ArchiveError(f"the scheduler at {self._address} is gone; start again: what is done is kept")

    def slots(self) -> int:
        """Return how many threads the workers have."""
        now = time.monotonic()
        if self._looked is None or now >= self._looked + LOOK_S or not self._is_connected():
            self._looked = now
            threads = self._ask(self._client.nthreads) if self._is_connected() else {}
            self._compare(threads.keys() - self._checked)
            self._slots = sum(threads.values())
        return self._slots

    def _ask(self, question: Callable[..., dict[str, Any]], *args: Any, **options: Any) -> dict[str, Any]:
        """Ask the scheduler; it knows nothing where it has just gone."""
        try:
            return question(*args, **options)
        except self._lost:
            self._is_connected()
            return {}

    def check(self, function: Callable[[], object], expected: object) -> None:
        """Compare what the function returns on every worker, now and later."""
        self._check, self._checked = (function, expected), set()
        self._compare(set(self._ask(self._client.nthreads)))

    def _compare(self, workers: set[str]) -> None:
        if self._check is None or not workers:
            return
        function, expected = self._check
        values = self._ask(self._client.run, function, workers=sorted(workers), on_error="return")
        for worker, value in values.items():
            if isinstance(value, self._lost):
                continue  # it has gone again, and is asked anew should it come back
            if value != expected:
                raise ArchiveError(
                    f"the worker at {worker} gives {value!r} where this machine gives {expected!r}; install the same "
                    "lipaccord there and start the worker again"
                )
            self._checked.add(worker)

    def end(self) -> None:
        """Take back what has not begun, end what has, and let go of the cluster."""
        if self._client.status == "running":
            self._executor.shutdown(wait=False)
            with suppress(*self._lost):  # where the scheduler is gone, its workers end by themselves
                self._client.run(end_crew, self._name, on_error="ignore")
        self._client.close(timeout=PATIENCE_S)
