"""Run the review page: on this machine only, until somebody ends it."""

from __future__ import annotations

import asyncio
import getpass
import signal
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from lipaccord.archive.store import open_store
from lipaccord.errors import ArchiveError, BackendMissing
from lipaccord.files import write_text

if TYPE_CHECKING:
    import uvicorn

    from lipaccord.archive.review.app import Tally

HOST = "127.0.0.1"
PATIENCE_S = 3
"""How long the end waits for answers that are on their way."""


@dataclass(frozen=True, slots=True)
class Service:
    """A review that is ready to run.

    Attributes
    ----------
    address : str
        With the token: whoever has it may decide.
    tally : Tally
    folder : Path
        Private, and gone at the end.
    """

    address: str
    tally: Tally
    folder: Path
    _server: uvicorn.Server
    _bound: list[Any]

    def run(self) -> None:
        """Serve until `stop` is called or a signal comes."""
        self._server.run(sockets=self._bound)

    def stop(self) -> None:
        """Have `run` return soon; any thread may call this."""
        self._server.should_exit = True


def _bind(port: int) -> tuple[uvicorn.Server, Any]:
    """Return a server without an application, and the socket that it is bound to."""
    try:
        import starlette  # noqa: F401 - only whether it is there
        import uvicorn
    except ImportError as error:
        raise BackendMissing("the review page needs starlette and uvicorn: pip install 'lipaccord[review]'") from error
    config = uvicorn.Config(
        _nothing,
        host=HOST,
        port=port,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=PATIENCE_S,
    )
    try:
        with ThreadPoolExecutor(1) as thread:  # the caller's may have an event loop of its own
            return uvicorn.Server(config), thread.submit(asyncio.run, _bound(port)).result()
    except OSError as error:
        raise ArchiveError(
            f"port {port} of this machine can't be used ({error.strerror}); name another one with --port"
        ) from error


async def _bound(port: int) -> Any:
    """Return a socket that listens to this machine."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, HOST, port, start_serving=False)
    try:
        bound = server.sockets[0].dup()
    finally:
        server.close()
    bound.listen()  # a browser may come before the server runs
    return bound


async def _nothing(*_: object) -> None:
    """Stand in for the application until the port is known."""


@contextmanager
def prepared(db: Path, *, port: int = 0, user: str | None = None, bundle: Path | None = None) -> Iterator[Service]:
    """Make a review ready; what it holds is given back at the end.

    Parameters
    ----------
    db : Path
    port : int
        On 127.0.0.1; 0 for any free one.
    user : str or None
        Who decides; None for the name that this account has.
    bundle : Path or None
        Folder of the bundle that the clips were scored with; None for the one that is shipped.

    Raises
    ------
    ArchiveError
        The store can't be used, or the port.
    BackendMissing
        The libraries are not installed.
    """
    with open_store(db):
        pass  # say now what is wrong with it
    server, bound = _bind(port)
    with ExitStack() as stack:
        stack.callback(bound.close)
        from lipaccord.archive.review import app, desk, fresh, gate, thumbnails

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lipaccord-")))
        pictures = stack.enter_context(closing(thumbnails.Thumbnails()))
        reports = stack.enter_context(closing(fresh.Reports(folder)))
        admission = gate.Pass(bound.getsockname()[1])
        whose = desk.Desk(db, user or getpass.getuser(), bundle)
        review = app.Review(whose, admission.base, pictures, reports)
        server.config.app = app.make_app(review, admission)
        yield Service(admission.address, review.tally, folder, server, [bound])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def serve(
    db: Path,
    *,
    port: int = 0,
    user: str | None,
    bundle: Path | None,
    open_browser: bool,
    announce: Callable[[str], None],
) -> None:
    """Serve the review page of a store until it is interrupted.

    Parameters
    ----------
    db, port, user, bundle
        See `prepared`.
    open_browser : bool
        Show it in the browser of this desktop.
    announce : callable
        Told the address, and at the end what was decided.

    Raises
    ------
    ArchiveError, BackendMissing
        See `prepared`.
    """
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, _interrupt)  # else nothing would be given back
    try:
        with prepared(db, port=port, user=user, bundle=bundle) as service:
            announce(f"Review of {db}: {service.address}")
            announce("It is open to this machine only, to whoever has this address. Ctrl-C ends it.")
            if open_browser:
                _show(service)
            try:
                service.run()
            except KeyboardInterrupt:
                announce("")
            announce(_summary(service.tally))
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _show(service: Service) -> None:
    """Have the browser come in by way of a private file: anybody can see the arguments that a program has."""
    page = service.folder / "review.html"
    write_text(page, f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={service.address}">\n')
    webbrowser.open(page.as_uri())


def _summary(tally: Tally) -> str:
    decided = f"{tally.decided:,} decision{'' if tally.decided == 1 else 's'} or notes kept"
    return f"{decided}, {tally.taken_back:,} taken back." if tally.taken_back else f"{decided}."
