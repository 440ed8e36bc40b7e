"""A stand-in for the examination of a clip: a text file says what comes of it, one word a line.

``examined 1.5`` (triage), ``silent`` (not examinable), ``broken`` (raises), ``deadly`` (its process dies), ``endless``,
``foreign`` (its worker is no good), ``meets`` (waits until another clip is examined too), ``long 3`` (cut into so many
turns), and below it for each turn one of the others. Every call adds a line to the file that the environment names in
``STUB_CALLS``.

Run as a script it scores a folder to a store with this stand-in: ``stub_examination.py FOLDER DB JOBS``.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from lipaccord.errors import BundleError, UnreadableMedia

EXAMINE = "stub_examination:examine"
CALLS = "STUB_CALLS"

Answer = tuple[dict[str, Any], tuple[bytes, ...]]


def examine(payload: dict[str, Any]) -> Answer:
    """Answer as `lipaccord.archive.tasks.examine` does."""
    path = Path(payload["uri"])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableMedia(f"{path.name} can't be read ({error.strerror}); look for it") from error
    sha256 = hashlib.sha256(data).hexdigest()
    part = payload.get("part")
    if part is None and sha256 in payload["known"]:
        _note(f"{path.name} known")
        return {"sha256": sha256}, ()
    _note(f"{path.name} {'whole' if part is None else part}")
    lines = data.decode().splitlines()
    if lines[0].startswith("long") and part is None:
        turns = [[number, 10.0 * number, 10.0 * number + 5] for number in range(1, int(lines[0].split()[1]) + 1)]
        return {"sha256": sha256, "duration_s": 100.0, "turns": turns}, ()
    line = lines[0] if part is None or part[0] is None else lines[round(part[0] / 10)]
    return _outcome(line, path, sha256)


def _outcome(line: str, path: Path, sha256: str) -> Answer:
    word, _, number = line.partition(" ")
    if word == "broken":
        raise UnreadableMedia(f"{path.name} is broken; leave it out")
    if word == "meets":
        while len({line for line in _calls() if line.endswith("whole")}) < 2:
            pass
    if word == "foreign":
        raise BundleError("this worker has another bundle; give every worker the same")
    if word == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "endless":
        threading.Event().wait()
    gist: dict[str, Any] = {"status": "not_examinable", "reasons": ["no_speech"], "footage_s": 3.0}
    if word == "examined":
        gist = {"status": "examined", "triage": float(number), "sync_status": "in_sync", "footage_s": 5.0}
    return {"sha256": sha256, "duration_s": 5.0, "gist": gist}, (b'{"stub": true}', b'{"timeline": {}}')


def _calls() -> list[str]:
    return Path(os.environ[CALLS]).read_text(encoding="utf-8").splitlines()


def _note(line: str) -> None:
    with open(os.environ[CALLS], "a", encoding="utf-8") as file:  # noqa: PTH123 - added to by several processes
        file.write(line + "\n")


class Silent:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.clips: dict[str, str] = {}
        self.turns: list[int] = []

    def listed(self, clips: int) -> None:
        self.said.append(f"listed {clips}")

    def begins(self, waiting: int, done: int, workers: str) -> None:
        self.said.append(f"{waiting} wait, {done} are done; {workers}")

    def turn(self, name: str, turn: Any) -> None:
        self.turns.append(turn.number)

    def clip(self, name: str, gist: Any, workers: int) -> None:
        self.clips[Path(name).name] = gist.status

    def says(self, line: str) -> None:
        self.said.append(line)


if __name__ == "__main__":
    from lipaccord.archive import scoring, tasks

    tasks.EXAMINE = EXAMINE
    scoring.score(scoring.Order((sys.argv[1],), processes=int(sys.argv[3])), Path(sys.argv[2]), Silent(), None)
