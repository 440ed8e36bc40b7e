"""A clip's report, made when somebody asks: the examination is repeated from the file, by the method in the store.

It is repeated in a process of its own, one at a time. What it writes lies in a private folder for as long as the review
lasts; the oldest reports go first. The repetition is compared with the analysis in the store, value by value.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from lipaccord.archive.records import Errand, Limits, Reply, Trouble
from lipaccord.archive.review.bench import Bench

MAKE = "lipaccord.archive.review.fresh:make"
LIMITS = Limits(seconds=1800.0, memory_mb=6144)
MOST_KEPT = 24
MOST_WAITING = 8
PAGE, PROGRESS = "report.html", "progress"
MOST_DIFFERENCES = 12
VIDEO = "../file"
"""Where a report finds its clip, relative to its own address."""

Key = tuple[int, str]
"""A clip, and the digest of the method."""
State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What it takes to make a report.

    Attributes
    ----------
    path : str
        Of a local file.
    sha256 : str
        Of the content that the archive examined.
    settings : dict
        Values of `Settings`; those of the lead turn, where there are several.
    bundle : str or None
        Folder of the bundle; None for the one that is shipped.
    bundle_sha256 : str
    analysis : dict
        JSON values as they are in the store, without their time courses; empty where there are none.
    """

    path: str
    sha256: str
    settings: dict[str, Any]
    bundle: str | None
    bundle_sha256: str
    analysis: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a report is.

    Attributes
    ----------
    state : str
        ``waiting``, ``running``, ``done`` or ``failed``.
    progress : float
        0 to 1, while it runs.
    trouble : Trouble or None
    same : bool or None
        The repetition gave the values that are in the store; None where there is nothing to compare with.
    differences : tuple of str
        The first ones that differ.
    page : Path or None
    """

    state: State
    progress: float = 0.0
    trouble: Trouble | None = None
    same: bool | None = None
    differences: tuple[str, ...] = ()
    page: Path | None = None


def make(payload: dict[str, Any]) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Examine a clip, write its report, and compare.

    Parameters
    ----------
    payload : dict
        The fields of `Wish`, and ``folder``, where the page and the progress are written.

    Returns
    -------
    (dict, tuple)
        ``same`` and ``differences``, see `Standing`; no blobs.

    Raises
    ------
    MediaError, BackendMissing, BundleError, SettingsError
        It can't be repeated.
    """
    from lipaccord._container import hash_file
    from lipaccord.bundle import load_bundle
    from lipaccord.errors import BundleError, UnreadableMedia
    from lipaccord.files import write_text
    from lipaccord.pipeline import examine
    from lipaccord.report.html import Player, page
    from lipaccord.settings import Settings
    from lipaccord.sheets import contact_sheets

    folder, path = Path(payload["folder"]), payload["path"]
    if hash_file(path).sha256 != payload["sha256"]:
        raise UnreadableMedia(f"{path!r} is not the file that was scored; score it again")
    bundle = None if payload["bundle"] is None else Path(payload["bundle"])
    loaded = load_bundle(bundle)
    if loaded.sha256 != payload["bundle_sha256"]:
        raise BundleError(
            f"the archive was scored with another bundle ({payload['bundle_sha256'][:12]}) than {loaded.name} "
            f"{loaded.version} ({loaded.sha256[:12]}); name its folder with --bundle"
        )
    examination = examine(
        path,
        settings=Settings(**payload["settings"]),
        bundle=bundle,
        progress=lambda done: write_text(folder / PROGRESS, f"{done:.3f}"),
    )
    sheets = contact_sheets(path, examination, threads=2)
    write_text(folder / PAGE, page(examination, sheets, Player(VIDEO, copy=False, offset_s=0.0)))
    return _compared(payload["analysis"], examination.analysis.to_dict()), ()


def _compared(was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Compare all that is kept, but for the name of the file and the versions: the values decide."""
    from lipaccord.comparison import differences

    if not was:
        return {"same": None, "differences": []}
    left_out = {"digest", "versions", "timeline"}
    one, other = (
        {name: value for name, value in values.items() if name not in left_out}
        | {"clip": {name: value for name, value in values["clip"].items() if name != "path"}}
        for values in (was, now)
    )
    found = [str(difference) for difference in islice(differences(one, other), MOST_DIFFERENCES)]
    return {"same": not found, "differences": found}


@dataclass
class _Job:
    folder: Path
    asked: Future[Reply]

    def standing(self) -> Standing:
        if not self.asked.done():
            running = self.asked.running()
            return Standing("running" if running else "waiting", self._progress())
        try:
            reply = self.asked.result()
        except CancelledError:
            return Standing("failed", trouble=Trouble("Ended", "the review is at its end"))
        if reply.trouble is not None:
            return Standing("failed", trouble=reply.trouble)
        value = reply.value
        return Standing("done", 1.0, None, value["same"], tuple(map(str, value["differences"])), self.folder / PAGE)

    def _progress(self) -> float:
        try:
            return min(1.0, max(0.0, float((self.folder / PROGRESS).read_text(encoding="ascii"))))
        except FileNotFoundError:
            return 0.0


class Reports:
    """Reports by clip, made one at a time.

    Parameters
    ----------
    folder : Path
        Private, and removed by whoever made it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bench = Bench("reports")
        self._jobs: OrderedDict[Key, _Job] = OrderedDict()
        self._lock = threading.Lock()

    def standing(self, key: Key) -> Standing | None:
        """Tell how far the report of a clip is; None where nobody asked for it."""
        with self._lock:
            job = self._jobs.get(key)
            return None if job is None else job.standing()

    def ask(self, key: Key, wish: Callable[[], Wish]) -> Standing:
        """Have a report made, unless it is there or on its way; one that failed is tried once more."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and (standing := job.standing()).state != "failed":
                self._jobs.move_to_end(key)
                return standing
            if sum(not other.asked.done() for other in self._jobs.values()) >= MOST_WAITING:
                return Standing("failed", trouble=Trouble("Busy", "too many reports are asked for; wait for one"))
            chosen = wish()
            folder = self._folder / secrets.token_hex(8)
            folder.mkdir(mode=0o700)
            values = {name: getattr(chosen, name) for name in Wish.__dataclass_fields__}
            asked = self._bench.ask(Errand(MAKE, values | {"folder": str(folder)}, LIMITS))
            self._jobs[key] = _Job(folder, asked)
            self._jobs.move_to_end(key)
            self._forget()
            return self._jobs[key].standing()

    def _forget(self) -> None:
        done = [key for key, job in self._jobs.items() if job.asked.done()]
        for key in done[: max(0, len(self._jobs) - MOST_KEPT)]:
            shutil.rmtree(self._jobs.pop(key).folder, ignore_errors=True)

    def close(self) -> None:
        """End what runs."""
        self._bench.close()
