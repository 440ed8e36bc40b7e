from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lipaccord.archive import child, confinement
from lipaccord.archive.confinement import Confined, end_crew, in_crew, perform, release
from lipaccord.archive.records import Errand, Limits, Reply, Trouble

DEADLINE_S = 20.0


USUAL = Limits()


def errand(task: str, limits: Limits = USUAL, /, **payload: Any) -> Errand:
    return Errand(f"errands_for_tests:{task}", payload, limits)


def eventually(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not (there := is_so()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return there


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def begun(path: Path) -> int:
    """Wait until a task has begun; return its process."""
    assert eventually(lambda: path.exists() and path.read_text(encoding="ascii").endswith("\n"))
    return int(path.read_text(encoding="ascii").split()[0])


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def confined() -> Iterator[Confined]:
    one = Confined()
    yield one
    one.close()


def told(reply: Reply) -> Trouble:
    assert reply.trouble is not None
    assert reply.value == {}
    assert reply.blobs == ()
    return reply.trouble


def test_a_result_comes_back_with_its_bytes(confined: Confined) -> None:
    reply = confined.do(errand("double", number=100_000))
    assert reply.value == {"number": 200_000}
    assert reply.blobs == (bytes([100_000 % 256]) * 100_000,)
    assert reply.trouble is None
    assert reply.seconds > 0
    assert reply.peak_mb > 1


def test_the_process_is_of_its_own_and_does_one_errand_after_another(
    confined: Confined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    first = confined.do(errand("tell", name="caf\udce9"))
    pid = first.value["pid"]
    assert pid != os.getpid()
    assert first.value == {
        "pid": pid,
        "group": pid,
        "parent": os.getpid(),
        "threads": "1",
        "interrupt": True,
        "input": "",
        "temporary": first.value["temporary"],
        "payload": {"name": "caf\udce9"},
    }
    assert first.worker.endswith(f":{pid}")
    assert confined.do(errand("tell")).value["pid"] == pid


def test_a_long_payload_goes_through(confined: Confined) -> None:
    text = "x" * 3_000_000
    assert confined.do(errand("tell", text=text)).value["payload"]["text"] == text


def test_a_module_in_the_working_directory_is_not_taken_for_one_of_the_library(
    confined: Confined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('hostile')", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    assert confined.do(errand("double", number=1)).value == {"number": 2}


@pytest.mark.parametrize(
    ("task", "payload", "error", "message"),
    [
        ("refuse", {"path": "a\x1b.mp4"}, "UnreadableMedia", r"a\x1b.mp4 is no clip; give one"),
        (
            "break_down",
            {},
            "ZeroDivisionError",
            r"its examination broke down (ZeroDivisionError: two\nlines and \x1b[31mred); please report this",
        ),
        ("leave", {}, "SystemExit", "its examination broke down (SystemExit: enough); please report this"),
        (
            "run_out",
            {},
            "MemoryLimit",
            "the machine had no memory left for it (8 TiB); let fewer processes work side by side",
        ),
        (
            "missing",
            {},
            "AttributeError",
            "its examination broke down (AttributeError: module 'errands_for_tests' has no attribute 'missing'); "
            "please report this",
        ),
    ],
)
def test_what_a_task_raises_is_told_in_one_line(task: str, payload: dict[str, Any], error: str, message: str) -> None:
    header = json.loads(child.answer(f"errands_for_tests:{task}", payload)[child.PREFIX.size :])
    assert header == {"trouble": [error, message], "blobs": []}


def test_an_exception_leaves_the_process_as_it_is(confined: Confined) -> None:
    first = confined.do(errand("refuse", path="a.mp4"))
    assert told(first) == Trouble("UnreadableMedia", "a.mp4 is no clip; give one")
    assert confined.do(errand("double", number=1)).worker == first.worker


@pytest.mark.parametrize("what", ["nan", "object", "list", "alone", "nothing", "text", "numbers", "deep"])
def test_a_result_that_is_none_is_told(what: str) -> None:
    header = json.loads(child.answer("errands_for_tests:answer_wrongly", {"what": what})[child.PREFIX.size :])
    error, message = header["trouble"]
    assert error == "WrongReply"
    assert message.startswith("what its examination gave can't be handed on (")


def test_a_result_that_is_too_large_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "MAX_FRAME", 5000)
    header = json.loads(child.answer("errands_for_tests:double", {"number": 5000})[child.PREFIX.size :])
    assert header["trouble"][1].startswith("what its examination gave can't be handed on (it is too large, ")


def test_no_more_is_taken_from_a_process_than_a_reply_may_hold(
    confined: Confined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "MAX_FRAME", 5000)
    trouble = told(confined.do(errand("double", number=5000)))
    assert trouble == Trouble(
        "Crash", "what its process sent can't be read (it is too large, more than 5,000 bytes); please report this"
    )


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"\xff\xff\xff\xff", "can't be read (it is too large, more than 268,435,456 bytes)"),
        (b"\x00\x00\x00\x01{", "can't be read (it is no frame)"),
        (b"\x00\x00\x00\x02[]", "can't be read (it is no frame)"),
        (b"\x00\x00\x00\x02{}", "can't be read (it is no frame)"),
        (child.PREFIX.pack(14) + b'{"blobs":[-1]}', "can't be read (it is no frame)"),
        (child.PREFIX.pack(15) + b'{"blobs":["1"]}', "can't be read (it is no frame)"),
        (
            child.PREFIX.pack(21) + b'{"blobs":[999999999]}',
            "can't be read (it is too large, more than 268,435,456 bytes)",
        ),
        (child.PREFIX.pack(20_000) + b"[" * 20_000, "can't be read (it is no frame)"),
        (child.pack({}), "is no reply"),
        (child.pack({"value": 1}), "is no reply"),
        (child.pack({"trouble": ["no name", "a message"]}), "is no reply"),
    ],
    ids=lambda part: repr(part[4:20]) if isinstance(part, bytes) else "",
)
def test_a_process_that_sends_nonsense_is_ended(confined: Confined, frame: bytes, why: str) -> None:
    reply = confined.do(errand("send", hex=frame.hex()))
    assert told(reply) == Trouble("Crash", f"what its process sent {why}; please report this")
    assert is_gone(int(reply.worker.partition(":")[2]))


def test_what_a_task_prints_does_no_harm(confined: Confined) -> None:
    first = confined.do(errand("chatter"))
    assert first.value == {"number": 7}
    assert confined.do(errand("chatter")).worker == first.worker


@pytest.mark.parametrize(
    ("task", "payload", "message"),
    [
        ("crash", {}, "its process was killed by SIGSEGV (its last words: what is this?); please report this"),
        (
            "crash",
            {"signal": "SIGKILL"},
            "its process was killed by SIGKILL, perhaps because the machine ran out of memory (its last words: "
            "what is this?); let fewer processes work side by side",
        ),
        ("vanish", {}, "its process ended with exit status 3; please report this"),
    ],
)
def test_a_process_that_dies_is_told_and_replaced(
    confined: Confined, task: str, payload: dict[str, Any], message: str
) -> None:
    reply = confined.do(errand(task, **payload))
    assert told(reply) == Trouble("Crash", message)
    later = confined.do(errand("double", number=1))
    assert later.value == {"number": 2}
    assert later.worker != reply.worker


def test_last_words_are_those_of_the_errand(confined: Confined) -> None:
    confined.do(errand("chatter"))
    assert "last words" not in told(confined.do(errand("vanish"))).message


def test_what_takes_too_long_is_ended(confined: Confined, tmp_path: Path) -> None:
    reply = confined.do(errand("wait", Limits(seconds=0.2), begun=str(tmp_path / "begun"), until=str(tmp_path / "no")))
    assert told(reply) == Trouble("TimeLimit", "took longer than 0.2 s; give more with --clip-seconds N")
    assert is_gone(begun(tmp_path / "begun"))
    assert confined.do(errand("double", number=1)).value == {"number": 2}


def test_what_takes_too_much_memory_is_ended(confined: Confined) -> None:
    reply = confined.do(errand("eat", Limits(memory_mb=200)))
    assert told(reply) == Trouble("MemoryLimit", "needed more than 200 MiB of memory; give more with --clip-memory MB")
    assert 200 < reply.peak_mb < 1024


def test_the_memory_of_what_a_task_starts_counts(confined: Confined, tmp_path: Path) -> None:
    alone = confined.do(errand("tell")).peak_mb
    limits = Limits(seconds=1.0)
    both = confined.do(errand("have_a_child", limits, begun=str(tmp_path / "begun"), then="wait"))
    assert both.peak_mb > 1.5 * alone


@pytest.mark.parametrize("then", ["wait", "die"])
def test_what_a_task_starts_ends_with_it(confined: Confined, tmp_path: Path, then: str) -> None:
    reply = confined.do(errand("have_a_child", Limits(seconds=0.5), begun=str(tmp_path / "begun"), then=then))
    assert told(reply).error == {"wait": "TimeLimit", "die": "Crash"}[then]
    assert eventually(lambda: is_gone(begun(tmp_path / "begun")))


def test_temporary_files_of_a_dead_process_are_removed(confined: Confined, tmp_path: Path) -> None:
    told(confined.do(errand("litter", begun=str(tmp_path / "begun"))))
    left = Path((tmp_path / "begun").read_text(encoding="utf-8"))
    assert left.parent.name.startswith("lipaccord-")
    assert not left.parent.exists()


def test_a_process_is_replaced_after_many_errands(confined: Confined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "ERRANDS", 2)
    workers = [confined.do(errand("double", number=1)).worker for _ in range(4)]
    assert workers[0] == workers[1] != workers[2] == workers[3]


def test_nothing_is_left_open(confined: Confined) -> None:
    confined.do(errand("double", number=1))
    confined.close()
    before = descriptors()
    pid = confined.do(errand("tell")).value["pid"]
    confined.close()
    assert is_gone(pid)
    assert descriptors() == before


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("/missing/python", "no process could be started ([Errno 2] No such file or directory: '/missing/python'); "),
        ("/bin/false", "a process could not be started (its process ended with exit status 1; please report this)"),
    ],
)
def test_a_process_that_cannot_be_started_is_a_lost_worker(
    confined: Confined, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    before = descriptors()
    monkeypatch.setattr(sys, "executable", program)
    trouble = told(confined.do(errand("double", number=1)))
    assert trouble.error == "WorkerLost"
    assert trouble.message.startswith(message)
    assert descriptors() == before


def test_stopping_ends_what_runs_and_what_would_come(confined: Confined, tmp_path: Path) -> None:
    def stop_it() -> None:
        begun(tmp_path / "begun")
        confined.stop()

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    reply = confined.do(errand("wait", begun=str(tmp_path / "begun"), until=str(tmp_path / "no")))
    stopper.join()
    assert told(reply) == Trouble("WorkerLost", "its worker was told to end; start again: what is done is kept")
    assert told(confined.do(errand("double", number=1))).error == "WorkerLost"


def test_each_thread_has_a_process_that_ends_with_it() -> None:
    pids: list[int] = []

    def work() -> None:
        pids.extend(perform(errand("tell")).value["pid"] for _ in range(2))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    own = perform(errand("tell")).value["pid"]
    assert pids[0] == pids[1] != own
    assert eventually(lambda: is_gone(pids[0]))
    assert not is_gone(own)
    release()
    assert is_gone(own)


def test_what_is_at_work_for_a_crew_ends_with_it_alone(tmp_path: Path) -> None:
    replies: dict[str, list[Reply]] = {"ours": [], "theirs": []}
    until = tmp_path / "until"

    def work(crew: str) -> None:
        waiting = errand("wait", begun=str(tmp_path / crew), until=str(until), number=1)
        replies[crew] += [in_crew(crew, perform, one) for one in (waiting, errand("double", number=2))]

    threads = [threading.Thread(target=work, args=[crew]) for crew in replies]
    for thread in threads:
        thread.start()
    for crew in replies:
        begun(tmp_path / crew)
    end_crew("ours")
    threads[0].join()
    until.touch()
    threads[1].join()
    assert [told(reply).error for reply in replies["ours"]] == ["Crash", "WorkerLost"]
    assert [reply.value for reply in replies["theirs"]] == [{"number": 1}, {"number": 4}]


PARENT = """
import sys
sys.path[:] = {path!r}
from lipaccord.archive.confinement import Confined
from lipaccord.archive.records import Errand
Confined().do(Errand("errands_for_tests:{task}", {{"begun": {begun!r}, "until": "/missing", "then": "wait"}}))
"""


@pytest.mark.parametrize("task", ["wait", "compute", "have_a_child"])
def test_a_process_and_what_it_started_end_when_their_parent_is_killed(tmp_path: Path, task: str) -> None:
    place = tmp_path / "begun"
    code = PARENT.format(path=sys.path, task=task, begun=str(place))
    parent = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)})
    try:
        pid = begun(place)
        assert not is_gone(pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert eventually(lambda: is_gone(pid))
