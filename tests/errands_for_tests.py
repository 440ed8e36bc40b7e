"""Tasks for the tests of the engine: each shows one way in which an errand may end."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lipaccord.errors import UnreadableMedia

PATIENCE_S = 30.0
"""After this, whatever waits gives up: a test that goes wrong leaves nothing behind."""

Result = tuple[dict[str, Any], tuple[bytes, ...]]


def _sign(payload: dict[str, Any]) -> None:
    """Say which process has begun, and which one is its parent."""
    with Path(payload["begun"]).open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()} {os.getppid()}\n")


def double(payload: dict[str, Any]) -> Result:
    number = payload["number"]
    return {"number": 2 * number}, (bytes([number % 256]) * number,)


def tell(payload: dict[str, Any]) -> Result:
    """Say what this process is."""
    return {
        "pid": os.getpid(),
        "group": os.getpgrp(),
        "parent": os.getppid(),
        "threads": os.environ["OMP_NUM_THREADS"],
        "interrupt": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "input": sys.stdin.read(),
        "temporary": tempfile.gettempdir(),
        "payload": payload,
    }, ()


def refuse(payload: dict[str, Any]) -> Result:
    raise UnreadableMedia(f"{payload['path']} is no clip; give one")


def break_down(payload: dict[str, Any]) -> Result:
    raise ZeroDivisionError("two\nlines and \x1b[31mred")


def leave(payload: dict[str, Any]) -> Result:
    sys.exit("enough")


def run_out(payload: dict[str, Any]) -> Result:
    raise MemoryError("8 TiB")


def crash(payload: dict[str, Any]) -> Result:
    """Die, after some last words."""
    if "begun" in payload:
        _sign(payload)
    sys.stdout.write("so far so good\nwhat is this?\n")
    sys.stdout.flush()
    os.kill(os.getpid(), getattr(signal, payload.get("signal", "SIGSEGV")))
    return {}, ()


def vanish(payload: dict[str, Any]) -> Result:
    os._exit(3)


def crash_once(payload: dict[str, Any]) -> Result:
    """Die at the first try."""
    mark = Path(payload["mark"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"number": 1}, ()


def wait(payload: dict[str, Any]) -> Result:
    """Say that this has begun, and wait for a file."""
    _sign(payload)
    give_up = time.monotonic() + PATIENCE_S
    while not Path(payload["until"]).exists() and time.monotonic() < give_up:
        time.sleep(0.01)
    return {"number": payload.get("number", 0)}, ()


def compute(payload: dict[str, Any]) -> Result:
    """Let no other thread run for half a minute or so."""
    _sign(payload)
    return {"sum": sum(itertools.repeat(1, 2_000_000_000))}, ()


def eat(payload: dict[str, Any]) -> Result:
    """Hold more and more memory, up to 320 MiB; the system gives no more than 1 GiB."""
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    eaten = [b"x" * (20 << 20) for _ in range(16)]
    time.sleep(PATIENCE_S)
    return {"eaten": len(eaten)}, ()


def chatter(payload: dict[str, Any]) -> Result:
    """Print more than a pipe holds, on both streams and through a process."""
    for stream in (sys.stdout, sys.stderr):
        stream.write("noise " * 50_000)
        stream.flush()
    os.write(1, b"\x00\xff\x80" * 30_000)
    subprocess.run([sys.executable, "-c", "print('noise ' * 50_000)"], check=True)
    return {"number": 7}, ()


def have_a_child(payload: dict[str, Any]) -> Result:
    """Start a process, which keeps the pipes it inherits; then return, wait, or die."""
    if (child := os.fork()) == 0:
        time.sleep(PATIENCE_S)
        os._exit(0)
    Path(payload["begun"]).write_text(f"{child}\n", encoding="ascii")
    if payload["then"] == "wait":
        time.sleep(PATIENCE_S)
    elif payload["then"] == "die":
        os._exit(1)
    return {}, ()


def litter(payload: dict[str, Any]) -> Result:
    """Leave a temporary file behind, and die."""
    _, name = tempfile.mkstemp()
    Path(payload["begun"]).write_text(name, encoding="utf-8")
    os._exit(1)


def answer_wrongly(payload: dict[str, Any]) -> Any:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return {
        "nan": ({"x": float("nan")}, ()),
        "object": ({"x": object()}, ()),
        "list": ([1], ()),
        "alone": {"x": 1},
        "nothing": None,
        "text": ({}, ("text",)),
        "numbers": ({}, (12,)),
        "deep": ({"x": deep}, ()),
    }[payload["what"]]


def send(payload: dict[str, Any]) -> Result:
    """Write bytes to the pipe for replies, as a process that has been taken over could."""
    for place in Path("/proc/self/fd").iterdir():
        try:
            if int(place.name) > 2 and str(place.readlink()).startswith("pipe:"):
                os.write(int(place.name), bytes.fromhex(payload["hex"]))
        except OSError:  # one that is only for reading
            continue
    time.sleep(PATIENCE_S)
    return {}, ()
