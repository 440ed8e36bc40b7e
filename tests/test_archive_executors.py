"""What holds for errands holds with every executor: in the caller's thread, on this machine, on a Dask cluster."""

from __future__ import annotations

import builtins
import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lipaccord.archive import executors
from lipaccord.archive.confinement import perform, release
from lipaccord.archive.engine import dispatch
from lipaccord.archive.executors import Crew, open_executor
from lipaccord.archive.records import Errand, Limits, Reply, Trouble
from lipaccord.assembly import InlineExecutor
from lipaccord.errors import ArchiveError, BackendMissing

DEADLINE_S = 30.0
USUAL = Limits()


def errand(task: str, limits: Limits = USUAL, /, **payload: Any) -> Errand:
    return Errand(f"errands_for_tests:{task}", payload, limits)


def doubles(*numbers: int) -> list[tuple[str, Errand]]:
    return [(str(number), errand("double", number=number)) for number in numbers]


def done(crew: Crew, *errands: tuple[str, Errand]) -> dict[str, Reply]:
    """Have errands done; return the replies, of which each has one."""
    replies: dict[str, Reply] = {}
    for key, _, reply in dispatch(crew.executor, crew.slots, iter(errands)):
        assert key not in replies
        replies[key] = reply
    return replies


def eventually(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not (there := is_so()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return there


def processes_with(mark: str) -> set[int]:
    """Return the processes, but for this one, whose environment holds a mark."""
    found = set()
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdecimal() and mark.encode() in (place / "environ").read_bytes():
                found.add(int(place.name))
        except OSError:  # ended, or another user's
            continue
    return found


def tries(path: Path) -> list[tuple[int, int]]:
    """Return the processes that have begun with an errand, each with its parent."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


def when_begun(path: Path, act: Callable[[int, int], None]) -> threading.Thread:
    """Act once a task has begun, with its process and its parent."""

    def work() -> None:
        assert eventually(lambda: bool(tries(path)))
        act(*tries(path)[0])

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def open_crew(kind: str, stack: ExitStack) -> Crew:
    if kind == "inline":
        stack.callback(release)
        return Crew(InlineExecutor(), lambda: 1, "inline", lambda function, expected: None)
    if kind == "processes":
        return stack.enter_context(open_executor(processes=2))
    return stack.enter_context(open_executor(dask="local:2"))


@pytest.fixture(scope="module", params=["inline", "processes", "dask"])
def crew(request: pytest.FixtureRequest) -> Iterator[Crew]:
    """Give each executor in turn, and see that no process is left of it."""
    mark = f"LIPACCORD_TEST={secrets.token_hex(8)}"
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv(*mark.split("="))
        yield open_crew(request.param, stack)
    # Python's tracker of shared resources, which Dask's processes need, stays as long as this process does.
    assert eventually(lambda: not [pid for pid in processes_with(mark) if "resource_tracker" not in command(pid)])


def command(pid: int) -> str:
    """Return the command of a process; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except OSError:
        return ""


def test_every_result_comes_back_whole(crew: Crew) -> None:
    replies = done(crew, *doubles(*range(12)))
    assert {key: (reply.value, reply.blobs, reply.trouble) for key, reply in replies.items()} == {
        str(number): ({"number": 2 * number}, (bytes([number]) * number,), None) for number in range(12)
    }
    assert all(reply.worker.partition(":")[0] == platform.node() for reply in replies.values())


def test_no_errand_is_done_in_the_process_of_the_tests_or_of_a_worker(crew: Crew) -> None:
    value = done(crew, ("one", errand("tell")))["one"].value
    assert value["pid"] == value["group"] != os.getpid()


def test_an_exception_is_told_and_the_others_go_on(crew: Crew) -> None:
    replies = done(crew, ("bad", errand("refuse", path="b.mp4")), *doubles(1, 2))
    assert replies["bad"].trouble == Trouble("UnreadableMedia", "b.mp4 is no clip; give one")
    assert [replies[key].value["number"] for key in ("1", "2")] == [2, 4]


def test_a_crash_is_tried_twice_and_the_others_go_on(crew: Crew, tmp_path: Path) -> None:
    replies = done(crew, ("bad", errand("crash", begun=str(tmp_path / "begun"))), *doubles(1, 2, 3))
    message = "its process was killed by SIGSEGV (its last words: what is this?); please report this (after two tries)"
    assert replies["bad"].trouble == Trouble("Crash", message)
    assert len(set(tries(tmp_path / "begun"))) == 2
    assert [replies[key].value["number"] for key in ("1", "2", "3")] == [2, 4, 6]


def test_a_crash_that_does_not_come_again_costs_nothing(crew: Crew, tmp_path: Path) -> None:
    replies = done(crew, ("once", errand("crash_once", mark=str(tmp_path / "mark"))), *doubles(1))
    assert replies["once"].trouble is None
    assert replies["once"].value == {"number": 1}


def test_what_takes_too_long_is_ended_once(crew: Crew, tmp_path: Path) -> None:
    long = errand("wait", Limits(seconds=0.2), begun=str(tmp_path / "begun"), until=str(tmp_path / "no"))
    replies = done(crew, ("long", long), *doubles(1))
    assert replies["long"].trouble == Trouble("TimeLimit", "took longer than 0.2 s; give more with --clip-seconds N")
    assert len(tries(tmp_path / "begun")) == 1
    assert replies["1"].value == {"number": 2}


def test_what_takes_too_much_memory_is_ended(crew: Crew) -> None:
    replies = done(crew, ("large", errand("eat", Limits(memory_mb=200))), *doubles(1))
    assert replies["large"].trouble == Trouble(
        "MemoryLimit", "needed more than 200 MiB of memory; give more with --clip-memory MB (after two tries)"
    )
    assert replies["1"].value == {"number": 2}


def test_what_a_task_prints_does_no_harm(crew: Crew) -> None:
    assert done(crew, ("loud", errand("chatter")))["loud"].value == {"number": 7}


def test_a_process_that_is_killed_at_work_costs_nothing(crew: Crew, tmp_path: Path) -> None:
    begun, until = tmp_path / "begun", tmp_path / "until"

    def kill(pid: int, parent: int) -> None:
        os.kill(pid, signal.SIGKILL)
        until.touch()

    killer = when_begun(begun, kill)
    hit = errand("wait", begun=str(begun), until=str(until), number=5)
    replies = done(crew, ("hit", hit), *doubles(*range(6)))
    killer.join()
    assert replies["hit"].trouble is None
    assert replies["hit"].value == {"number": 5}
    assert len(tries(begun)) == 2
    assert {replies[str(number)].value["number"] for number in range(6)} == {0, 2, 4, 6, 8, 10}


@pytest.mark.parametrize("crew", ["processes", "dask"], indirect=True)
def test_all_workers_work_at_once(crew: Crew, tmp_path: Path) -> None:
    """Each of two errands waits until the other one has begun."""
    first, second = tmp_path / "first", tmp_path / "second"
    replies = done(
        crew,
        ("first", errand("wait", begun=str(first), until=str(second), number=1)),
        ("second", errand("wait", begun=str(second), until=str(first), number=2)),
    )
    assert [replies[key].value["number"] for key in ("first", "second")] == [1, 2]
    assert replies["first"].worker != replies["second"].worker


@pytest.mark.parametrize("crew", ["dask"], indirect=True)
class TestDask:
    def test_what_is_at_work_ends_with_the_crew_where_the_cluster_stays(self, crew: Crew, tmp_path: Path) -> None:
        assert isinstance(crew.executor, executors._DaskWorkers)
        begun = tmp_path / "begun"
        with open_executor(dask=crew.executor._address) as ours:
            waiting = errand("wait", begun=str(begun), until=str(tmp_path / "no"))
            replies = dispatch(ours.executor, ours.slots, iter([("one", waiting), *doubles(1)]))
            assert next(replies)[0] == "1"
            assert eventually(lambda: bool(tries(begun)))
        assert eventually(lambda: not command(tries(begun)[0][0]))
        assert done(crew, *doubles(3))["3"].value == {"number": 6}

    def test_temporary_files_lie_in_the_folder_of_the_cluster(self, crew: Crew) -> None:
        folder = Path(done(crew, ("one", errand("tell")))["one"].value["temporary"])
        assert folder.parent.name.startswith("lipaccord-")

    def test_workers_that_are_alike_pass(self, crew: Crew) -> None:
        crew.check(platform.python_version, platform.python_version())
        assert crew.slots() == 2

    def test_a_worker_that_differs_is_named(self, crew: Crew) -> None:
        message = (
            rf"the worker at tcp://127\.0\.0\.1:\d+ gives '{platform.python_version()}' where this machine gives "
            "'another'; install the same lipaccord there and start the worker again"
        )
        with pytest.raises(ArchiveError, match=message):
            crew.check(platform.python_version, "another")
        crew.check(platform.python_version, platform.python_version())

    def test_a_worker_that_can_not_say_is_named(self, crew: Crew) -> None:
        with pytest.raises(ArchiveError, match="gives ZeroDivisionError"):
            crew.check(_divide, 1)
        crew.check(platform.python_version, platform.python_version())

    def test_a_worker_that_comes_later_is_checked_too(self, crew: Crew, tmp_path: Path) -> None:
        mark, messages = tmp_path / "mark", []

        def is_refused() -> bool:
            try:
                crew.slots()
            except ArchiveError as error:
                messages.append(str(error))
            return bool(messages)

        crew.check(partial(os.path.exists, str(mark)), False)
        mark.touch()  # the next one differs
        os.kill(done(crew, ("one", errand("tell")))["one"].value["parent"], signal.SIGKILL)
        assert eventually(is_refused)
        assert "gives True where this machine gives False; install the same lipaccord there" in messages[0]
        crew.check(platform.python_version, platform.python_version())

    def test_a_worker_that_is_killed_at_work_costs_nothing(self, crew: Crew, tmp_path: Path) -> None:
        begun, until = tmp_path / "begun", tmp_path / "until"

        def kill(pid: int, parent: int) -> None:
            os.kill(parent, signal.SIGKILL)
            until.touch()
            assert eventually(lambda: not command(pid))

        killer = when_begun(begun, kill)
        hit = errand("wait", begun=str(begun), until=str(until), number=5)
        replies = done(crew, ("hit", hit), *doubles(*range(6)))
        killer.join()
        assert replies["hit"].trouble is None
        assert replies["hit"].value == {"number": 5}
        assert {replies[str(number)].value["number"] for number in range(6)} == {0, 2, 4, 6, 8, 10}


def _divide() -> float:
    return 1 / 0


@pytest.mark.parametrize("options", [{"processes": 2}, {"dask": "local:2"}], ids=["processes", "dask"])
def test_what_is_at_work_ends_with_the_crew(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    begun = tmp_path / "begun"
    with open_executor(**options) as crew:
        waiting = errand("wait", begun=str(begun), until=str(tmp_path / "no"))
        replies = dispatch(crew.executor, crew.slots, iter([("one", waiting), *doubles(1)]))
        assert next(replies)[0] == "1"
        assert eventually(lambda: bool(tries(begun)))
    pid, _ = tries(begun)[0]
    assert eventually(lambda: not command(pid))
    assert not list(tmp_path.glob("lipaccord-*"))


SCHEDULER = """
import asyncio, sys
from distributed import Scheduler

async def serve():
    async with Scheduler(host="127.0.0.1", port=0, dashboard=False, dashboard_address="127.0.0.1:0") as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(serve())
"""


@pytest.fixture
def scheduler() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give a scheduler without workers."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def test_a_scheduler_that_is_lost_is_told(
    scheduler: tuple[str, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, process = scheduler
    monkeypatch.setattr(executors, "PATIENCE_S", 1.0)
    monkeypatch.setattr(executors, "LOOK_S", 0.0)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        process.kill()

    message = f"the scheduler at {address} is gone; start again: what is done is kept"
    with open_executor(dask=address) as crew:
        assert crew.describe == f"Dask at {address}"
        with pytest.raises(ArchiveError, match=message):
            list(dispatch(crew.executor, crew.slots, iter(doubles(1)), tell=tell))
    assert told == ["there is no worker; waiting for one"]


def test_nobody_at_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "PATIENCE_S", 0.5)
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ArchiveError, match=f"no Dask scheduler answers at {address} .*; start one with 'dask sched"),
            open_executor(dask=address),
        ):
            pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"processes": 0}, "0 processes can do nothing; give at least one"),
        ({"processes": 1, "dask": "local:2"}, "processes and Dask can't be had together; give the one or the other"),
        ({"dask": "local:0"}, "local:0 is no local cluster; write local:N for one of N processes"),
        ({"dask": "local:two"}, "local:two is no local cluster; write local:N for one of N processes"),
        ({"dask": "smoke://here:1"}, "no Dask scheduler answers at smoke://here:1 "),
        ({"dask": ""}, "no Dask scheduler answers at  "),
    ],
)
def test_workers_that_can_not_be_had_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchiveError) as caught, open_executor(**options):
        pass
    assert str(caught.value).startswith(message)


def test_dask_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "distributed":
            raise ImportError(name)
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with (
        pytest.raises(BackendMissing, match=r"Dask is not installed; pip install 'lipaccord\[dask\]'"),
        open_executor(dask="local:1"),
    ):
        pass


def test_by_default_there_are_as_many_processes_as_cores() -> None:
    with open_executor() as crew:
        assert crew.slots() == len(os.sched_getaffinity(0))
        assert crew.describe.endswith(" on this machine")
        crew.check(_divide, 1)  # there is nobody else to ask
        assert crew.executor.submit(perform, errand("double", number=2)).result().value == {"number": 4}
