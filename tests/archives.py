"""Stores filled with made outcomes, in one transaction, for the tests of what reads them."""

from __future__ import annotations

import zlib
from pathlib import Path

from lipaccord.archive.records import Entry, Gist, Method
from lipaccord.archive.store import GIST_COLUMNS, Store, gist_values, open_store

METHOD = Method("stub 1", "0" * 64, {"landmarks": "replay"}, "0.0.0")
SPEAKERS = ("Ada", "Grace", "Mary", "Noor")
REASONS = ("too_small", "no_speech", "no_face")


def made_gist(number: int) -> Gist:
    """Return one of many different outcomes; every 20th failed, every 5th could not be examined."""
    if number % 20 == 7:
        return Gist(
            "failed", error="UnreadableMedia", message=f"clip-{number}.mp4 is no media; leave it out", work_s=0.1
        )
    if number % 5 == 3:
        return Gist(
            "not_examinable",
            reasons=(REASONS[number % 3],),
            sync_status="not_examinable",
            resynthesis_status="not_examinable",
            footage_s=3.0,
            work_s=1.0,
        )
    sync = (number * 37 % 1000) / 400 - 1.3
    painted = (number * 53 % 1000) / 700 - 0.8
    return Gist(
        "examined",
        triage=max(sync, painted),
        sync_status="unrelated" if sync > 0.69 else "in_sync",
        sync_log10_lr=sync,
        sync_score=sync * 3,
        offset_ms=None if sync > 0.69 else float(number % 90),
        resynthesis_status="resynthesised" if painted > 0.5 else "inconclusive",
        resynthesis_log10_lr=painted,
        resynthesis_score=painted / 2,
        cues=("flicker",) if painted > 0.5 else (),
        footage_s=8.0,
        work_s=2.0,
    )


def made_store(path: Path, count: int, *, method: Method = METHOD, analysis: bytes = b"{}") -> Path:
    """Make a store of `count` clips, or add the outcomes of another method to one; return its path."""
    with open_store(path, create=True) as store:
        number = store.method(method)
        run = store.begin(number, ["made"])
        entries = (
            Entry(
                uri=f"/made/{place // 1000}/clip-{place}.mp4",
                size=1000 + place,
                mark=f"m{place}",
                carried={
                    "speaker": SPEAKERS[place % 4],
                    "date": f"20{place % 25:02d}-0{place % 9 + 1}-11",
                    "id": f"c{place}",
                },
            )
            for place in range(count)
        )
        store.add(run, number, entries)
        _fill(store, number, run, analysis)
        store.end(run, "finished")
    return path


def _fill(store: Store, method: int, run: int, analysis: bytes) -> None:
    packed = zlib.compress(analysis)
    names = ", ".join(GIST_COLUMNS)
    marks = ", ".join("?" * len(GIST_COLUMNS))
    with store.change() as connection:
        for place, waiting in enumerate(list(store.waiting(run, method))):
            gist = made_gist(place)
            values = tuple(gist_values(gist).values())
            examination = None
            if gist.status != "failed":
                sha256 = f"{place:064x}"
                connection.execute("UPDATE clip SET sha256 = ? WHERE id = ?", (sha256, waiting.clip))
                examination = connection.execute(
                    "INSERT INTO examination (method, sha256, duration_s, planned) VALUES (?, ?, 8.8, 1)",
                    (method, sha256),
                ).lastrowid
                connection.execute(
                    f"INSERT INTO turn (examination, number, {names}, analysis, timeline) VALUES (?, 1, {marks}, ?, ?)",
                    (examination, *values, packed, packed),
                )
            connection.execute(
                f"INSERT INTO outcome (method, clip, examination, mark, examined_at, worker, peak_mb, lead, {names}) "
                f"VALUES (?, ?, ?, ?, '2026-01-01T00:00:00Z', 'host:1', 500.0, 1, {marks})",
                (method, waiting.clip, examination, waiting.mark, *values),
            )
