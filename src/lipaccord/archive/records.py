"""The records that the rooms of the archive hand to one another.

Conventions: a `uri` is the absolute path of a local file, with bytes that are no UTF-8 as surrogates
(`os.fsdecode`), or a URL. Times are seconds on the clip's own clock. Everything that travels between processes is JSON
and bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["examined", "not_examinable", "failed"]
"""What came of a clip or a turn; of a clip that waits there is no outcome yet."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something could not be examined.

    Attributes
    ----------
    error : str
        Class of the error (``UnreadableMedia``), short and without spaces.
    message : str
        One plain line: which, what, and the remedy.
    """

    error: str
    message: str

    def __str__(self) -> str:
        return f"{self.error}: {self.message}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One clip that a source lists; nothing of it has been read yet.

    Attributes
    ----------
    uri : str
        Where it lies; the same clip listed twice has the same uri.
    size : int or None
        Bytes, where the source knows.
    mark : str
        What changes when the content does and costs no reading: size and time of change, or a server's tag. Empty where
        the source gives none.
    carried : mapping of str to str
        Further columns of its manifest (``speaker``, ``date``, ``id``, ...).
    trouble : Trouble or None
        What is wrong already (a pipe instead of a file, a folder that can't be read); such an entry is not read.
    """

    uri: str
    size: int | None = None
    mark: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one errand may take before it is stopped.

    Attributes
    ----------
    seconds : float
        Of wall time.
    memory_mb : int
        Resident memory of the process that works on it, in MiB.
    """

    seconds: float = 1800.0
    memory_mb: int = 4096


@dataclass(frozen=True, slots=True)
class Errand:
    """A piece of work for a process of its own.

    Attributes
    ----------
    task : str
        The function that does it: ``package.module:name``.
    payload : dict
        What the function is called with; JSON values.
    limits : Limits
    """

    task: str
    payload: dict[str, Any]
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an errand.

    Attributes
    ----------
    value : dict
        What the function returned, JSON values; empty where it did not return.
    blobs : tuple of bytes
        What it returned besides.
    trouble : Trouble or None
        Why it did not return: ``TimeLimit``, ``MemoryLimit``, ``Crash`` (its process died), ``WorkerLost``, or the
        class of an exception that it raised.
    seconds : float
        Wall time.
    peak_mb : float
        Highest resident memory that was seen, MiB.
    worker : str
        Host and process that did it.
    """

    value: dict[str, Any]
    blobs: tuple[bytes, ...] = ()
    trouble: Trouble | None = None
    seconds: float = 0.0
    peak_mb: float = 0.0
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """What an outcome depends on, besides the clip: equal methods give equal outcomes.

    Attributes
    ----------
    bundle : str
        Name and version of the bundle.
    bundle_sha256 : str
        Identifies the bundle.
    settings : dict
        Values of `lipaccord.settings.Settings`, JSON values.
    version : str
        Of lipaccord.
    max_seconds : float or None
        Of each recording no more than this is examined, spread over its turns; None for all of it.
    """

    bundle: str
    bundle_sha256: str
    settings: dict[str, Any]
    version: str
    max_seconds: float | None = None

    @property
    def digest(self) -> str:
        """Identify the method, 16 hexadecimal digits."""
        canonical = json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        part = "" if self.max_seconds is None else f", {self.max_seconds:g} s of each"
        return f"{self.digest} (bundle {self.bundle}, lipaccord {self.version}{part})"


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of a recording in which one person speaks in view, and what came of it.

    Attributes
    ----------
    number : int
        From 1, in the order of time.
    start_s, end_s : float or None
        None for both: the whole clip.
    gist : Gist or None
        None while it waits.
    analysis, timeline : bytes
        JSON in UTF-8; the analysis is without its time courses, which the other holds. Empty where there is none.
    """

    number: int
    start_s: float | None = None
    end_s: float | None = None
    gist: Gist | None = None
    analysis: bytes = b""
    timeline: bytes = b""


@dataclass(frozen=True, slots=True)
class Gist:
    """What is ranked, filtered and counted: of a turn, or of the turn of a clip that leads.

    Attributes
    ----------
    status : str
        ``examined`` (at least one of the findings), ``not_examinable`` or ``failed``.
    error, message : str
        Class and text of what failed; empty otherwise.
    reasons : tuple of str
        Codes of the reasons why nothing, or not all, could be examined.
    triage : float or None
        Larger = look first.
    sync_status, resynthesis_status : str
        Empty where it failed.
    sync_log10_lr, sync_score, offset_ms, resynthesis_log10_lr, resynthesis_score : float or None
    cues : tuple of str
        Names of the cues that stand out.
    footage_s : float
        Seconds of the clip that were examined.
    work_s : float
        Wall time that this took.
    """

    status: Status
    error: str = ""
    message: str = ""
    reasons: tuple[str, ...] = ()
    triage: float | None = None
    sync_status: str = ""
    sync_log10_lr: float | None = None
    sync_score: float | None = None
    offset_ms: float | None = None
    resynthesis_status: str = ""
    resynthesis_log10_lr: float | None = None
    resynthesis_score: float | None = None
    cues: tuple[str, ...] = ()
    footage_s: float = 0.0
    work_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A clip that has no outcome by a method yet.

    Attributes
    ----------
    clip : int
        Its number in the store.
    uri, mark : str
        See `Entry`.
    size : int or None
        Bytes, as the source had it.
    sha256 : str or None
        Of its content when it was last read.
    """

    clip: int
    uri: str
    mark: str
    size: int | None
    sha256: str | None
