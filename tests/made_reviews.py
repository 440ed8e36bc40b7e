"""A review of a made archive for tests: asked without a server, and a report that costs nothing to make."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analyses import analysis
from lipaccord.archive.review.app import Review, make_app
from lipaccord.archive.review.desk import Desk
from lipaccord.archive.review.fresh import PAGE, PROGRESS, Reports
from lipaccord.archive.review.gate import Pass
from lipaccord.archive.review.thumbnails import Thumbnails
from lipaccord.errors import UnreadableMedia
from lipaccord.files import write_text
from lipaccord.records import Examination, Sound
from lipaccord.report.html import Player, page

STUB = "made_reviews:make"
GO = "go"
PATIENCE_S = 30.0
SIGNED = {"x-lipaccord": "review", "content-type": "application/json"}


def make(payload: dict[str, Any]) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Stand in for `fresh.make`: wait until the clip is `let` go, then write a page without a face."""
    folder, go = Path(payload["folder"]), Path(payload["path"]).with_name(GO)
    (folder / PROGRESS).write_text("0.25", encoding="ascii")
    end = time.monotonic() + PATIENCE_S
    while not go.exists() and time.monotonic() < end:
        time.sleep(0.01)
    came = go.read_text(encoding="ascii")
    if came == "broken":
        raise UnreadableMedia("it is <b>broken</b>; copy it again")
    made = analysis(versions={"lipaccord": "0.0.1"})
    sound = Sound(np.zeros(160_000, np.float32), 16_000, 0.0)
    text = page(Examination(made, np.arange(250) / 25, sound, (), None, None), (), Player("../file", False, 0.0))
    (folder / PAGE).write_text(text, encoding="utf-8")
    return {"same": came == "same", "differences": [] if came == "same" else ["triage: was 1, is <b>2</b>"]}, ()


def let(clip: Path, came: str) -> None:
    """Say what comes of the report of a clip: ``same``, ``other`` or ``broken``.

    The file appears with its words in it: one that is seen before they are written would say nothing.
    """
    write_text(clip.with_name(GO), came)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Asked:
    """A review that is asked without a server."""

    app: Any
    admission: Pass
    review: Review

    def get(self, path: str, **headers: str) -> Answer:
        """Ask as a browser does that has come in."""
        return self.send("GET", self.admission.base + path, headers=self.own | headers)

    def post(self, path: str, values: object, **headers: str) -> Answer:
        """Ask as a script of the page does."""
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        signed = {"origin": f"http://{self.admission.hosts[0]}", **SIGNED}
        return self.send("POST", self.admission.base + path, body, self.own | signed | headers)

    @property
    def own(self) -> dict[str, str]:
        return {"cookie": f"{self.admission.cookie}={self.admission.ticket}"}

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask anything."""
        path, _, query = target.partition("?")
        given = {"host": self.admission.hosts[0], "content-length": str(len(body))} | dict(headers or {})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items() if value],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", self.admission.port),
        }
        sent: list[Any] = []
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not parts:
                await asyncio.Event().wait()  # nobody hangs up
            return parts.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(asyncio.wait_for(self.app(scope, receive, send), PATIENCE_S))
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], told, b"".join(part.get("body", b"") for part in sent[1:]))


@contextmanager
def reviewing(db: Path, folder: Path) -> Iterator[Asked]:
    """Make a review ready, and end what it started."""
    folder.mkdir(exist_ok=True)
    with closing(Thumbnails()) as thumbnails, closing(Reports(folder)) as reports:
        admission = Pass(8765)
        review = Review(Desk(db, "ada"), admission.base, thumbnails, reports)
        yield Asked(make_app(review, admission), admission, review)
