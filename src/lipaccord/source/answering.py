"""A clip and an index -> the finding on its source: the search, and the exhibit of the best match.

The search stands on signatures, and on the pictures of the likest recordings whose files are there. Whether the mouth
is another needs the pictures of both: the best match is aligned to the frame, and laid beside the clip.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lipaccord.landmarks import load_backend
from lipaccord.records import Reason
from lipaccord.source.exhibit import Exhibit, exhibit
from lipaccord.source.finding import SourceFinding
from lipaccord.source.indexing import LANDMARKS
from lipaccord.source.locating import sections
from lipaccord.source.pinning import pinned
from lipaccord.source.searching import SHOWN, match
from lipaccord.source.showing import show


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found of the source of a clip.

    Attributes
    ----------
    sha256 : str
        Of the clip.
    finding : SourceFinding
    exhibit : Exhibit or None
        Of the best match; None where nothing matches, or the file of the match is not there.
    """

    sha256: str
    finding: SourceFinding
    exhibit: Exhibit | None


def answer(
    clip: str | os.PathLike[str],
    folder: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    most: int = SHOWN,
    viewing_copy: Path | None = None,
    threads: int = 1,
) -> Answer:
    """Search an index for the source of a clip, and lay the two side by side.

    Parameters
    ----------
    clip : path-like
    folder : Path
        The index.
    start_s, end_s : float, optional
        Part of the clip.
    most : int
        Candidates to return for each face.
    viewing_copy : Path, optional
        Where to write the two side by side as an MP4; nothing is written where there is nothing to show.
    threads : int
        Of each decoder.

    Raises
    ------
    MediaError, BackendMissing, SettingsError, ArchiveError
        As for `searching.match` and `exhibit.exhibit`.
    OSError
        The viewing copy can't be written.
    """
    sha256, finding = match(clip, folder, start_s=start_s, end_s=end_s, most=most, threads=threads)
    best = finding.best
    if best is None:
        return Answer(sha256, finding, None)
    if best.file is None:
        remedy = "put the file back where it was, or index it where it is now"
        reason = Reason(
            "source_gone", "The recording is not there as it was signed: the mouth was not compared.", remedy
        )
        return Answer(sha256, finding.with_exhibit("not_examinable", (reason,), {}), None)
    backend = load_backend(LANDMARKS)
    compared = sections(clip, best.file, best.alignment, backend, start_s=start_s, end_s=end_s, threads=threads)
    alignment = pinned([section for section in compared if section is not None], best.alignment)
    finding = finding.with_alignment(best, alignment)
    made = exhibit(clip, best.file, alignment, start_s=start_s, end_s=end_s, backend=backend, threads=threads)
    if viewing_copy is not None and made.pictures:
        part = {"start_s": start_s, "end_s": end_s}
        show(clip, best.file, alignment, made, viewing_copy, backend=backend, threads=threads, **part)
    return Answer(sha256, finding.with_exhibit(made.status, made.reasons, made.to_values()), made)
