"""The review page as an application: addresses, what they take, and what they answer.

===================================  =========================================================================
GET  ``/``                           a page of the list; the filter is in its query
GET  ``/count``                      how many clips its filter takes (JSON)
GET  ``/clip/ID``                    what the store holds of a clip
GET  ``/clip/ID/picture``            a small picture, or why there is none (JSON)
GET  ``/clip/ID/report``             the page around its report; asking for it has it made
GET  ``/clip/ID/report/state``       how far it is (JSON)
GET  ``/clip/ID/report/page``        the report
GET  ``/clip/ID/file``               the clip, in parts
POST ``/clip/ID/decision``           ``{"verdict", "what"}`` or ``{"note"}``
POST ``/clip/ID/undo``               ``{}``
===================================  =========================================================================
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lipaccord.archive.deciding import Decision
from lipaccord.archive.filters import from_query
from lipaccord.archive.review import pages
from lipaccord.archive.review.desk import Desk, NoSuchClip
from lipaccord.archive.review.fresh import Reports
from lipaccord.archive.review.gate import Gate, Pass
from lipaccord.archive.review.thumbnails import Thumbnails
from lipaccord.archive.review.words import told_decision, told_standing
from lipaccord.errors import ArchiveError
from lipaccord.report.wording import plain

MOST_CLIP = 2**63 - 1
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".ogg": "video/ogg",
}
"""What a browser is told of a clip; of any other, only that it is bytes."""


@dataclass
class Tally:
    """What one run of the review came to."""

    decided: int = 0
    taken_back: int = 0


def _clip(request: Request) -> int:
    number: int = request.path_params["clip"]
    if number > MOST_CLIP:
        raise NoSuchClip("there is no such clip in the store")
    return number


def _method(request: Request) -> str | None:
    return request.query_params.get("method") or None


def _html(page: pages.Page) -> Response:
    return HTMLResponse(page.html, headers={"content-security-policy": page.policy})


def _object(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ArchiveError("that is no JSON object")
    return values


def _text(values: dict[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str):
        raise ArchiveError(f"{name} must be a text")
    return value


class Review:
    """Answers requests that the gate let through; plain functions run in threads.

    Parameters
    ----------
    desk : Desk
    base : str
        Path below which everything lies.
    thumbnails : Thumbnails
    reports : Reports
    """

    def __init__(self, desk: Desk, base: str, thumbnails: Thumbnails, reports: Reports) -> None:
        self.desk, self.base = desk, base
        self.thumbnails, self.reports = thumbnails, reports
        self.tally = Tally()

    def _show_list(self, request: Request) -> Response:
        query = request.query_params
        chosen, first = from_query(query), pages.read_rank(query.get("first", ""))
        leaf = self.desk.leaf(chosen, pages.read_place(query.get("after", "")))
        methods, speakers = self.desk.choices()
        return _html(pages.list_page(self.base, self.desk.path, leaf, first, chosen, methods, speakers))

    def _count(self, request: Request) -> Response:
        return JSONResponse({"total": pages.told_total(self.desk.total(from_query(request.query_params)))})

    def _show_clip(self, request: Request) -> Response:
        method = _method(request)
        return _html(pages.clip_page(self.base, self.desk.known(_clip(request), method), method))

    def _give_picture(self, request: Request) -> Response:
        sight = self.desk.sight(_clip(request), _method(request))
        if isinstance(sight, str):
            return JSONResponse({"trouble": sight})
        data, trouble = self.thumbnails.get(sight)
        if trouble:
            return JSONResponse({"trouble": trouble})
        return JSONResponse({"picture": "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")})

    def _show_report(self, request: Request) -> Response:
        clip, method = _clip(request), _method(request)
        known = self.desk.known(clip, method)
        if known.absence or known.lead is None:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{self.base}/clip/{clip}{query}", 303)
        standing = self.reports.ask((clip, known.method.digest), lambda: self.desk.wish(clip, method))
        return _html(pages.report_page(self.base, known, method, standing))

    def _key(self, request: Request) -> tuple[int, str]:
        return _clip(request), self.desk.method(_method(request)).digest

    def _tell_report(self, request: Request) -> Response:
        standing = self.reports.standing(self._key(request))
        if standing is None:
            raise NoSuchClip("nobody asked for this report")
        return JSONResponse(told_standing(standing))

    def _give_report(self, request: Request) -> Response:
        standing = self.reports.standing(self._key(request))
        if standing is None or standing.page is None:
            raise NoSuchClip("this report is not there")
        text = standing.page.read_text(encoding="utf-8")
        policy = pages.report_policy(text[:4096])
        return HTMLResponse(text, headers={"content-security-policy": policy})

    def _give_file(self, request: Request) -> Response:
        path = self.desk.path_of(_clip(request))
        kind = MEDIA_TYPES.get(PurePath(path).suffix.lower(), "application/octet-stream")
        return FileResponse(path, media_type=kind, headers={"content-security-policy": "default-src 'none'; sandbox"})

    async def _decide(self, request: Request) -> Response:
        clip, values = _clip(request), _object(await request.body())
        if set(values) == {"note"}:
            note = _text(values, "note")
            return await self._changed(lambda: self.desk.annotate(clip, note))
        if set(values) != {"verdict", "what"}:
            raise ArchiveError("give verdict and what, or note")
        verdict, what = _text(values, "verdict"), _text(values, "what")
        return await self._changed(lambda: self.desk.decide(clip, verdict, what))

    async def _changed(self, change: Callable[[], Decision]) -> Response:
        decision = await run_in_threadpool(change)
        self.tally.decided += 1
        return JSONResponse(told_decision(decision))

    async def _undo(self, request: Request) -> Response:
        clip = _clip(request)
        if _object(await request.body()):
            raise ArchiveError("there is nothing to say when a decision is taken back")
        decision = await run_in_threadpool(self.desk.take_back, clip)
        self.tally.taken_back += 1
        return JSONResponse(told_decision(decision))

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/", self._show_list),
            Route("/count", self._count),
            Route("/clip/{clip:int}", self._show_clip),
            Route("/clip/{clip:int}/picture", self._give_picture),
            Route("/clip/{clip:int}/report", self._show_report),
            Route("/clip/{clip:int}/report/state", self._tell_report),
            Route("/clip/{clip:int}/report/page", self._give_report),
            Route("/clip/{clip:int}/file", self._give_file),
            Route("/clip/{clip:int}/decision", self._decide, methods=["POST"]),
            Route("/clip/{clip:int}/undo", self._undo, methods=["POST"]),
        ]


async def _refused(request: Request, error: Exception) -> Response:
    """Say in one line what is wrong: with the request, or with the store."""
    of_store = isinstance(error.__cause__, sqlite3.Error)
    status = 404 if isinstance(error, NoSuchClip) else 503 if of_store else 400
    return PlainTextResponse(plain(str(error)) + "\n", status)


def make_app(review: Review, admission: Pass) -> ASGIApp:
    """Return the application behind its gate."""
    return Gate(Starlette(routes=review.routes(), exception_handlers={ArchiveError: _refused}), admission)
