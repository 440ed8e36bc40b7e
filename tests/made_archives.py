"""Small stores with chosen outcomes, turns, analyses and decisions, for the tests of what reads them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archives import METHOD
from lipaccord.archive.records import Entry, Gist, Method, Trouble, Turn, Waiting
from lipaccord.archive.store import Store, open_store

OTHER = dataclasses.replace(METHOD, bundle="stub 2", version="0.0.1")
HOSTILE = "/made/=a[bold]\x1b[31m\u202egnp\n\udcff.mp4"
"""A name with markup, an escape sequence, a turn of the direction, a line break and a byte that is no UTF-8."""
LACKING = Gist(
    "not_examinable", reasons=("no_face",), sync_status="not_examinable", resynthesis_status="not_examinable"
)


def gist(triage: float | None = 0.0, **changes: Any) -> Gist:
    """Return an outcome that was examined and claims nothing."""
    base = Gist(
        "examined",
        triage=triage,
        sync_status="inconclusive",
        sync_log10_lr=0.0,
        resynthesis_status="inconclusive",
        resynthesis_log10_lr=-1.0,
        footage_s=10.0,
        work_s=5.0,
    )
    return dataclasses.replace(base, **changes)


def unrelated(ratio: float, **changes: Any) -> Gist:
    """Return an outcome that claims that the sound is another one."""
    return dataclasses.replace(gist(ratio, sync_status="unrelated", sync_log10_lr=ratio), **changes)


@dataclasses.dataclass
class Made:
    """A clip for `store_of`: its turns' outcomes, or the trouble that it has."""

    turns: Sequence[Gist] = ()
    uri: str = ""
    carried: dict[str, str] = dataclasses.field(default_factory=dict)
    trouble: Trouble | None = None
    analysis: dict[str, Any] = dataclasses.field(default_factory=dict)
    timeline: dict[str, Any] = dataclasses.field(default_factory=dict)
    sha256: str = ""


def failed() -> Made:
    return Made(trouble=Trouble("UnreadableMedia", "it is no media; leave it out"))


def store_of(path: Path, *clips: Made, method: Method = METHOD) -> Path:
    """Make a store, or add the outcomes of another method to one; clips with neither turns nor a trouble wait."""
    with open_store(path, create=True) as store:
        number = store.method(method)
        run = store.begin(number, ["made"])
        uris = [clip.uri or f"/made/clip-{place}.mp4" for place, clip in enumerate(clips, 1)]
        entries = [Entry(uri, 1000, "mark", clip.carried, clip.trouble) for uri, clip in zip(uris, clips, strict=True)]
        store.add(run, number, entries)
        made = dict(zip(uris, clips, strict=True))
        for waiting in list(store.waiting(run, number)):
            if made[waiting.uri].turns:
                _examine(store, number, waiting, made[waiting.uri])
        store.end(run, "finished")
    return path


def _examine(store: Store, method: int, waiting: Waiting, clip: Made) -> None:
    sha256 = clip.sha256 or f"{waiting.clip:064x}"
    many = len(clip.turns) > 1
    turns = [
        Turn(place, *((20.0 * place, 20.0 * place + 10) if many else ())) for place in range(1, len(clip.turns) + 1)
    ]
    store.plan(method, waiting.clip, sha256, 100.0, turns)
    parts = [json.dumps(part).encode() if part else b"" for part in (clip.analysis, clip.timeline)]
    for turn, one in zip(turns, clip.turns, strict=True):
        store.record(method, sha256, dataclasses.replace(turn, gist=one, analysis=parts[0], timeline=parts[1]))
    store.settle(method, waiting, sha256, "host:1", 500.0)


def decide(store: Store, clip: int, verdict: str, what: str = "", note: str = "") -> None:
    """Note a decision that counts."""
    with store.change() as connection:
        connection.execute(
            "INSERT INTO decision (subject, clip, verdict, what, note, user, decided_at, current) "
            "SELECT subject, id, ?, ?, ?, 'Noor', '2026-01-01T00:00:00Z', 1 FROM clip WHERE id = ?",
            (verdict, what, note, clip),
        )
