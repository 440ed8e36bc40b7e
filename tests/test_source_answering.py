from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from lipaccord.source import answering
from lipaccord.source.alignment import Alignment, SoundAgreement, Stretch
from lipaccord.source.answering import Answer, answer
from lipaccord.source.finding import Candidate, Searched, SourceFinding
from made_indexes import beside

SEARCHED = Searched(2, 2, 0.1)


def candidate(state: str, *, is_match: bool = True) -> Candidate:
    sound = SoundAgreement(True, 0.9, 0.0, 5.0)
    alignment = Alignment((Stretch(0, 5, 3, 8),), False, 1.0, 90.0, -9.0, {}, {}, sound, ())
    return Candidate("face-1", "face-1", "a" * 64, (("/archive/a.mp4", state),), alignment, -9.0, 1e-9, is_match)


def answered(
    monkeypatch: pytest.MonkeyPatch,
    candidates: tuple[Candidate, ...],
    status: Literal["mouth_altered", "not_examinable"],
    **options: Any,
) -> tuple[Answer, list[tuple[Any, ...]]]:
    """Answer with this search and this exhibit; return what was laid beside and what was shown, too."""
    done: list[tuple[Any, ...]] = []

    def lay(clip: str, source: str, alignment: Alignment, **given: Any) -> Any:
        done.append((clip, source, given["start_s"], given["end_s"]))
        return beside(status)

    finding = SourceFinding("same_recording", (), SEARCHED, candidates)
    monkeypatch.setattr(answering, "match", lambda *arguments, **given: ("b" * 64, finding))
    monkeypatch.setattr(answering, "load_backend", lambda name: None)
    monkeypatch.setattr(answering, "sections", lambda *arguments, **given: iter(()))
    monkeypatch.setattr(answering, "exhibit", lay)
    monkeypatch.setattr(answering, "show", lambda *arguments, **given: done.append(("shown",)))
    return answer("clip.mp4", Path("index"), **options), done


def test_the_exhibit_decides_what_was_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    found, done = answered(monkeypatch, (candidate("there"),), "mouth_altered", start_s=1.0, end_s=4.0)
    assert found.finding.status == "mouth_altered"
    assert found.finding.exhibit is not None
    assert found.finding.exhibit["statistic"] == 0.5
    assert done == [("clip.mp4", "/archive/a.mp4", 1.0, 4.0)]


def test_an_exhibit_that_can_not_be_made_leaves_the_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = answered(monkeypatch, (candidate("there"),), "not_examinable")
    assert found.finding.status == "same_recording"
    assert found.finding.reasons[-1].code == "lower_face_differs"


@pytest.mark.parametrize("state", ["gone", "changed", "not_looked_at"])
def test_without_the_file_the_match_stands_and_says_so(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, done = answered(monkeypatch, (candidate(state),), "mouth_altered")
    assert found.exhibit is None
    assert done == []
    assert found.finding.status == "same_recording"
    assert found.finding.reasons[-1].code == "source_gone"


def test_without_a_match_nothing_is_laid_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    found, done = answered(monkeypatch, (candidate("there", is_match=False),), "mouth_altered")
    assert found.exhibit is None
    assert done == []


def test_nothing_is_shown_where_there_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    _, done = answered(monkeypatch, (candidate("there"),), "not_examinable", viewing_copy=Path("side.mp4"))
    assert ("shown",) not in done
