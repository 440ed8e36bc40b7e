"""What a run has to do next: first what follows from replies, then the clips that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lipaccord.archive import tasks
from lipaccord.archive.records import Errand, Limits, Turn, Waiting
from lipaccord.archive.store import Store
from lipaccord.archive.twins import Step, Twins

WHOLE = Turn(1)
"""The one turn of a clip that is not cut."""


@dataclass(frozen=True, slots=True)
class Key:
    """What an errand is about.

    Attributes
    ----------
    waiting : Waiting
        The clip.
    sha256 : str
        Not empty for one turn of it: the content that was cut.
    turn : Turn
    identify : bool
        Only its content is asked for.
    """

    waiting: Waiting
    sha256: str = ""
    turn: Turn = WHOLE
    identify: bool = False


class Work(Iterator["tuple[Key, Errand] | None"]):
    """Gives errands for as long as there are any; None where more may follow from replies.

    Parameters
    ----------
    store : Store
    run, method : int
    payload : dict
        What the errands of all clips have in common.
    limits : Limits
    """

    def __init__(self, store: Store, run: int, method: int, payload: dict[str, Any], limits: Limits) -> None:
        self._store = store
        self._method = method
        self._payload = payload
        self._limits = limits
        self._waiting = store.waiting(run, method)
        self._next: deque[Key] = deque()
        self._twins = Twins()
        self._open = 0

    def __next__(self) -> tuple[Key, Errand] | None:
        while not self._next and (waiting := next(self._waiting, None)) is not None:
            self._open += 1
            self._do(self._twins.admit(waiting))
        if self._next:
            key = self._next.popleft()
            return key, self._errand(key)
        if self._open:
            return None
        raise StopIteration

    def _do(self, steps: Iterable[Step]) -> None:
        self._next.extend(Key(waiting, identify=step == "identify") for step, waiting in steps)

    def _errand(self, key: Key) -> Errand:
        payload = self._payload | {"uri": key.waiting.uri}
        if key.identify:
            return Errand(tasks.IDENTIFY, payload, self._limits)
        if key.sha256:
            payload |= {"sha256": key.sha256, "part": [key.turn.start_s, key.turn.end_s]}
        else:
            payload |= {"known": self._store.known(self._method, key.waiting)}
        return Errand(tasks.EXAMINE, payload, self._limits)

    def follow(self, waiting: Waiting, sha256: str, turns: Sequence[Turn]) -> None:
        """Have turns of a clip examined before anything else."""
        self._next.extend(Key(waiting, sha256, turn) for turn in turns)

    def identified(self, waiting: Waiting, sha256: str) -> None:
        """Take in the content of a clip, empty where it can't be read."""
        self._do(self._twins.identified(waiting, sha256))

    def settled(self, waiting: Waiting) -> None:
        """Take note that a clip has its outcome."""
        self._open -= 1
        self._do(self._twins.settled(waiting))
