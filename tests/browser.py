"""A page in a real browser: headless Chromium from the system, driven by Playwright, with everything it complains of.

The browser is the one that LIPACCORD_BROWSER names, else the first of `BROWSERS` on the path. Where there is none, the
tests that need one fail; LIPACCORD_WITHOUT_BROWSER=1 leaves them out. Playwright brings no browser of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, Request, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = (1280, 900), (390, 844)
OWN_SCHEMES = frozenset({"file", "data", "blob"})
GRAVE = frozenset({"serious", "critical"})
PATIENCE_MS = 10_000
TELL_BREACHES = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI}`))"""
# Playwright's own wait evaluates text inside the page, which a strict policy forbids.
WAIT = """([argument, condition, patience]) => new Promise((done, fail) => {
  const end = performance.now() + patience;
  const look = () => {
    try {
      if (CONDITION) done();
      else if (performance.now() > end) fail(new Error(`waited in vain for ${condition}, of ${argument}`));
      else setTimeout(look, 10);
    } catch (error) {
      fail(error);
    }
  };
  look();
})"""

Scheme = Literal["light", "dark"]
Picture = NDArray[np.uint8]


def browser_path() -> str:
    """Find the browser; skip the test where none is wanted, fail it where there is none."""
    if os.environ.get("LIPACCORD_WITHOUT_BROWSER"):
        pytest.skip("LIPACCORD_WITHOUT_BROWSER is set: nothing is tested in a browser")
    named = os.environ.get("LIPACCORD_BROWSER")
    for name in (named,) if named else BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return path
    wanted = f"there is no browser {named}, which LIPACCORD_BROWSER names" if named else "there is no Chromium"
    pytest.fail(
        f"{wanted}; on Debian: apt install chromium (or set LIPACCORD_BROWSER=/path/to/it; "
        "LIPACCORD_WITHOUT_BROWSER=1 leaves the tests in a browser out)",
        pytrace=False,
    )


@contextmanager
def running() -> Iterator[Browser]:
    """Run the browser; it sandboxes its pages but where it is root, which can't."""
    path = browser_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=os.geteuid() != 0)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page that is open, and what it did.

    Attributes
    ----------
    page : Page
    troubles : list of str
        Errors and warnings on the console, uncaught errors, breaches of the page's policy, dialogs, new windows, and
        requests for anything but files and what is inside the page.
    asked_for : list of str
        URLs of all requests that are no data inside the page.
    """

    page: Page
    troubles: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("popup", lambda other: self.troubles.append(f"window: {other.url}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.troubles.append(f"console: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        scheme = urlsplit(request.url).scheme
        if scheme not in OWN_SCHEMES:
            self.troubles.append(f"request: {request.url}")
        if scheme != "data":
            self.asked_for.append(request.url)

    def wait(self, condition: str, argument: object = None) -> None:
        """Wait until a JavaScript expression of ``argument`` is true."""
        self.page.evaluate(WAIT.replace("CONDITION", condition), [argument, condition, PATIENCE_MS])

    def value(self, expression: str, argument: object = None) -> Any:
        """Return what a JavaScript expression, or a function of `argument`, gives."""
        return self.page.evaluate(expression, argument)

    def seen(self, target: str | Locator) -> Picture:
        """Return an element as it is on the screen, RGB [shape=(height, width, 3)]."""
        place = self.page.locator(target) if isinstance(target, str) else target
        png = np.frombuffer(place.screenshot(timeout=PATIENCE_MS), np.uint8)
        picture = cv2.imdecode(png, cv2.IMREAD_COLOR)
        assert picture is not None
        return np.asarray(picture[..., ::-1], np.uint8)

    def barriers(self) -> list[str]:
        """Return what axe-core finds serious or critical: the rule, and the elements."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {', '.join(str(node['target']) for node in one['nodes'])}"
            for one in found
            if one["impact"] in GRAVE
        ]


@contextmanager
def opened(
    browser: Browser, path: Path, *, size: tuple[int, int] = WIDE, scheme: Scheme = "light", scripts: bool = True
) -> Iterator[Opened]:
    """Open a file in a fresh profile without a network, and wait until it has loaded."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=scripts,
        offline=True,
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        context.add_init_script(TELL_BREACHES)
        one = Opened(context.new_page())
        one.page.goto(path.absolute().as_uri(), wait_until="load")
        yield one
    finally:
        context.close()
