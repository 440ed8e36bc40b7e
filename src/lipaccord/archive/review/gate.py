"""The door of the review page: whoever has not come in with the token gets nothing, whatever the address.

Other people may have accounts on this machine, and any page that the browser shows may send requests here. So:

- the token, a secret of this run, comes once, in the address that the program prints; it is exchanged for a cookie
  that scripts can't read, and leaves the address bar;
- cookies know no ports: another program on this machine would be sent this one too. It is bound to a path that is drawn
  by lot, and everything lies below that path;
- a name that was made to lead to this machine (DNS rebinding) is refused by the header ``Host``;
- what changes something must come from a page of this very address, with a header that forms can't send.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SIGN = "x-lipaccord"
"""Header that a request which changes something must carry; a page of another origin can't add it."""
MOST_BODY = 16 * 1024
"""Bytes."""

_HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ON = (
    '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Review</title>'
    '<meta http-equiv="refresh" content="0; url={base}/"><p><a href="{base}/">To the review</a></p></html>\n'
)
# A redirect by the server would not bring a strict cookie back when something else than the address bar led here.
_REFUSED = "Not without the address that `lipaccord archive review` printed.\n"


def _drawn() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Pass:
    """What lets a browser in.

    Attributes
    ----------
    port : int
        Where the page is served, on 127.0.0.1.
    token, ticket : str
        The secret of the address, and that of the cookie which it is exchanged for.
    base : str
        Path below which everything lies.
    """

    port: int
    token: str = field(default_factory=_drawn, repr=False)
    ticket: str = field(default_factory=_drawn, repr=False)
    base: str = field(default_factory=lambda: f"/{secrets.token_urlsafe(12)}", repr=False)

    @property
    def hosts(self) -> tuple[str, str]:
        """What a browser that was given the address calls this server."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    @property
    def cookie(self) -> str:
        """Name of the cookie."""
        return f"lipaccord-review-{self.port}"

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"http://{self.hosts[0]}{self.base}/?token={self.token}"


def _same(given: str, secret: str) -> bool:
    """Compare in a time that tells nothing."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), secret.encode())


class Gate:
    """An application that lets through to another one what may pass, with the base taken off its path."""

    def __init__(self, inner: ASGIApp, admission: Pass) -> None:
        self.inner = inner
        self.admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            return
        response = self._stopped(scope)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("content-security-policy", _POLICY)
            await send(message)

        if response is not None:
            await response(scope, receive, sealed)
            return
        base = self.admission.base
        await self.inner({**scope, "root_path": base, "app_root_path": base}, receive, sealed)

    def _stopped(self, scope: Scope) -> Response | None:
        """Return the answer to a request that goes no further."""
        headers, base = Headers(scope=scope), self.admission.base
        if headers.getlist("host") not in [[host] for host in self.admission.hosts]:
            return PlainTextResponse(_REFUSED, 421)
        path: str = scope["path"]
        if not _same(path[: len(base) + 1], f"{base}/"):
            return PlainTextResponse(_REFUSED, 403)
        token = QueryParams(scope["query_string"]).get("token")
        if token is not None:
            return self._admitted(scope) if _same(token, self.admission.token) else PlainTextResponse(_REFUSED, 403)
        cookies = cookie_parser(headers.get("cookie", ""))
        if not _same(cookies.get(self.admission.cookie, ""), self.admission.ticket):
            return PlainTextResponse(_REFUSED, 403)
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            return PlainTextResponse("Only GET, HEAD and POST are understood.\n", 405)
        return _unsigned(headers) if scope["method"] == "POST" else None

    def _admitted(self, scope: Scope) -> Response:
        """Exchange the token for the cookie, and lead on to the address without it."""
        if scope["method"] != "GET":
            return PlainTextResponse(_REFUSED, 403)
        response = HTMLResponse(_ON.format(base=self.admission.base))
        response.set_cookie(
            self.admission.cookie, self.admission.ticket, path=self.admission.base, httponly=True, samesite="strict"
        )
        return response


def _unsigned(headers: Headers) -> Response | None:
    """Refuse what may come from another page, and what is too large."""
    if headers.getlist("origin") != [f"http://{headers['host']}"] or SIGN not in headers:
        return PlainTextResponse("Not from another page.\n", 403)
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return PlainTextResponse("Only JSON is understood.\n", 415)
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()):
        return PlainTextResponse("Say how long it is.\n", 411)
    if len(length) > 9 or int(length) > MOST_BODY:
        return PlainTextResponse(f"That is too long; at most {MOST_BODY} bytes.\n", 413)
    return None
