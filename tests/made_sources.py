"""Answers on the source of a clip, as a search and the exhibit give them, for the tests of their page."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from lipaccord.records import Reason
from lipaccord.report.source import page
from lipaccord.source.alignment import Alignment, Edit, SoundAgreement, Stretch
from lipaccord.source.answering import Answer
from lipaccord.source.exhibit import Exhibit, exhibit
from lipaccord.source.finding import Candidate, Searched, SourceFinding
from lipaccord.source.framed import Framed, framed
from made_exhibits import Knowing, Mouth, aligned, frames, otherwise, speaking, write

CLIP, OTHER = "/clips/talk.mp4", "/archive/other.mp4"
SEARCHED = Searched(12, 14, 3.5, {"failed": 2, "no_face": 1}, (("/archive/lost.mp4", "gone"),))
ALTERED_FROM = 20  # frames


def later_otherwise(index: int) -> float:
    """Return how far the mouth is open: that of the source, and from `ALTERED_FROM` on another."""
    return (otherwise if index >= ALTERED_FROM else speaking)(index)


def candidate(
    uri: str = "/archive/speech.mp4", state: str = "there", *, is_match: bool = True, same_sound: bool | None = True
) -> Candidate:
    """Return a recording in which the clip lies, cut once and at another speed from there."""
    sound = SoundAgreement(same_sound, 0.95 if same_sound else 0.52, 0.0, 5.0)
    stretches = (Stretch(0.0, 0.8, 30.0, 30.8), Stretch(0.8, 1.8, 41.0, 42.1))
    edits = (Edit("jump", 0.8, 0.8, 41.0, 255), Edit("speed", 0.8, 1.8, 41.0, factor=1.1))
    looks = {"near": 0.02, "wide": 0.04}
    alignment = Alignment(stretches, False, 0.97, 90.0, -9.0, {}, looks, sound, edits)
    return Candidate(
        "face-1", "face-1", "a" * 64, ((uri, state),), alignment, -9.0, 1e-7 if is_match else 40.0, is_match
    )


def answer(status: Any = "not_found", made: Exhibit | None = None, **options: Any) -> Answer:
    """Return an answer of this status; the match, where there is one, has these options of `candidate`."""
    others = (candidate(OTHER, is_match=False),)
    if made is None and status in {"not_found", "not_examinable"}:
        reason = Reason(status, "No such head is known.", "use a longer part")
        return Answer("c" * 64, SourceFinding(status, (reason,), SEARCHED, others), None)
    found = SourceFinding("same_recording", (Reason("picture_agrees", "The picture agrees."),), SEARCHED)
    found = dataclasses.replace(found, candidates=(candidate(**options), *others))
    if made is None:
        gone = Reason("source_gone", "The recording is not there.", "put the file back")
        return Answer("c" * 64, found.with_exhibit("not_examinable", (gone,), {}), None)
    return Answer("c" * 64, found.with_exhibit(made.status, made.reasons, made.to_values()), made)


def result(found: Answer, clip: str = CLIP) -> dict[str, Any]:
    """Return the same as JSON values."""
    return {
        "schema": "lipaccord/match/1",
        "clip": {"path": clip, "sha256": found.sha256, "start_s": None, "end_s": 2.5},
        "findings": {"source": found.finding.to_values()},
        "version": "0.0.1",
    }


def written(found: Answer, row: tuple[Framed, ...] = (), clip: str = CLIP, index: Path = Path("an index")) -> str:
    """Return the page."""
    return page(found, result(found, clip), row, index=index, landmarks="mediapipe 1")


def films(folder: Path, count: int, mouth: Mouth = later_otherwise) -> tuple[Path, Path]:
    """Write a clip and its source."""
    return write(folder / "clip.mp4", frames(count, mouth), crf=24), write(folder / "source.mp4", frames(count))


def laid(clip: Path, source: Path) -> tuple[Exhibit, tuple[Framed, ...]]:
    """Lay a clip beside its source."""
    made = exhibit(clip, source, aligned(), backend=Knowing())
    return made, framed(clip, source, aligned(), made, backend=Knowing())
