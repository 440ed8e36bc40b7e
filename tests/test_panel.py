from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyses import HOSTILE_NAME, RESYNTHESIS, SOFT_S, SYNC, UNRELATED, UNSTEADY_S
from lipaccord.lettering import shown, width_of, write
from lipaccord.panel import BANNER, BANNER_GROUND, HASH_DIGITS, WIDE_PX, Panel, curves_of, letter_size, local_findings
from lipaccord.records import Analysis, Examination, Finding, Image, Interval, Segment
from lipaccord.strokes import GROUND, MARK
from made_viewing import a_clip, examined, faceless, grey

BREAK = Segment(Interval(0.3, 0.6), "sync", 1.0, "the mouth does not follow the speech here")
STILL = Segment(Interval(0.5, 0.8), "sync", 0.0, "speech over a still mouth")
OFFSET = dataclasses.replace(SYNC, details={**SYNC.details, "offset_ms": -160.4}, log10_lr=-1.3, bounds=(-1.3, 1.1))


@pytest.fixture(scope="module")
def examination(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    return examined(a_clip(tmp_path_factory.mktemp("panel"), grey(25)))


def with_analysis(examination: Examination, *findings: Finding, **changes: Any) -> Examination:
    analysis: Analysis = examination.analysis
    found = {**analysis.findings, **{finding.name: finding for finding in findings}}
    return dataclasses.replace(examination, analysis=dataclasses.replace(analysis, findings=found, **changes))


def drawn(examination: Examination, now_s: float = 0.4, *, width: int = 640, notes: tuple[str, ...] = ()) -> Image:
    made = Panel(examination, width, notes)
    image = np.zeros((made.height, width, 3), np.uint8)
    made.draw(image, now_s, None)
    return image


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every line that is written into a panel, in order."""
    written = list[str]()

    def noted(image: Image, text: str, place: tuple[int, int], *rest: object) -> None:
        written.append(text)
        write(image, text, place, *rest)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr("lipaccord.panel.write", noted)
    return written


def marked(image: Image) -> int:
    return int((np.abs(image.astype(int) - MARK).max(axis=2) <= 2).sum())


def test_it_says_what_it_is_and_of_what(examination: Examination, words: list[str]) -> None:
    image = drawn(examination, 0.44, notes=("examined: face-1", "picture enlarged 2 times, without smoothing"))
    assert words[0] == "lipaccord viewing copy - re-encoded, not the evidence"
    assert "clip.mp4" in words
    digits = examination.analysis.clip.sha256[:HASH_DIGITS]
    assert f"SHA-256 {digits}...   examined: face-1   picture enlarged 2 times, without smoothing" in words
    assert "clip time 0.44 s" in words
    assert len(digits) == 16
    assert (image[3, 3] == BANNER_GROUND).all()


def test_the_findings_are_told_in_the_words_of_the_report(examination: Examination, words: list[str]) -> None:
    drawn(with_analysis(examination, UNRELATED, RESYNTHESIS), width=1280)
    text = " ".join(words)
    assert "Do the sound and the mouth belong together? UNRELATED: the mouth does not follow this speech at any" in text
    assert (
        "likelihood ratio 18: moderate support for: this sound was not recorded together with this mouth "
        "Was the lower face re-synthesised? INCONCLUSIVE: it was measured, but the measure decides nothing "
        "The lower face departs, most of all by the cue blur." in text
    )


def test_an_offset_is_told_with_its_direction(examination: Examination, words: list[str]) -> None:
    drawn(with_analysis(examination, OFFSET))
    assert "the sound comes 160 ms early; likelihood ratio 1/20: moderate support for: this sound" in " ".join(words)


def test_without_a_face_the_words_say_why(tmp_path: Path, words: list[str]) -> None:
    drawn(faceless(a_clip(tmp_path, grey(5))))
    assert words.count("NOT EXAMINABLE: there is too little to judge by") == 2
    assert words.count("no face was found in the picture") == 2
    assert "whole clip: the sound" in words
    assert "with lines" not in words


@pytest.mark.parametrize("width", [640, 1280])
@pytest.mark.parametrize(
    ("now_s", "told"),
    [
        (0.29, []),
        (0.3, ["HERE, 0.30-0.60 s: the mouth does not follow the speech here"]),
        (0.55, ["HERE, 0.30-0.60 s: the mouth does not follow", "HERE, 0.50-0.80 s: speech over a still mouth"]),
        (0.6, ["HERE, 0.50-0.80 s: speech over a still mouth"]),
        (0.8, []),
    ],
)
def test_local_findings_are_shown_while_they_last(
    examination: Examination, words: list[str], now_s: float, told: list[str], width: int
) -> None:
    image = drawn(with_analysis(examination, segments=(BREAK, STILL)), now_s, width=width)
    lines = [word for word in words if word.startswith("HERE")]
    assert len(lines) == len(told)
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True))
    assert (marked(image) > 2000) == bool(told)


def test_of_resynthesis_only_cues_that_stand_out_are_shown(examination: Examination) -> None:
    segments = (SOFT_S, UNSTEADY_S, BREAK)
    shown_here = local_findings(with_analysis(examination, RESYNTHESIS, segments=segments).analysis)
    assert shown_here == (SOFT_S, BREAK)


def test_a_mouth_that_can_not_be_measured_leaves_a_gap(tmp_path: Path) -> None:
    examination = examined(a_clip(tmp_path, grey(25)), unseen=(7, 8))
    assert examination.tracks is not None
    mouth = examination.tracks.mouth
    turned_away = dataclasses.replace(mouth, valid=mouth.valid & (np.arange(25) != 12))
    tracks = dataclasses.replace(examination.tracks, mouth=turned_away)
    curves = curves_of(dataclasses.replace(examination, tracks=tracks))
    assert np.flatnonzero(np.isnan(curves.observed)).tolist() == [7, 8, 12]
    np.testing.assert_array_equal(curves.observed[:7], mouth.opening[:7])
    assert curves.levels == (0.27, 0.0)
    assert curves.span.start_s == 0.0
    assert curves.span.end_s == pytest.approx(examination.sound.duration_s, abs=0.05)


@pytest.mark.parametrize(("start_s", "seconds", "end_s"), [(1.0, 1.0, 1.96), (0.0, 2.0, 2.0)])
def test_the_clip_is_as_long_as_picture_and_sound_together(
    tmp_path: Path, start_s: float, seconds: float, end_s: float
) -> None:
    curves = curves_of(examined(a_clip(tmp_path, grey(25), start_s=start_s, seconds=seconds)))
    assert curves.span.start_s == pytest.approx(0.0, abs=0.03)
    assert curves.span.end_s == pytest.approx(end_s, abs=0.03)


@pytest.mark.parametrize("name", [HOSTILE_NAME, "n" * 250 + ".mp4", "שלום.mp4", "\N{GRINNING FACE}" * 60])
@pytest.mark.parametrize("width", [640, 1280])
def test_no_name_can_break_it(examination: Examination, words: list[str], name: str, width: int) -> None:
    clip = dataclasses.replace(examination.analysis.clip, path=f"folder/{name}")
    image = drawn(with_analysis(examination, clip=clip), width=width)
    told = words[1]
    assert shown(told) == told
    assert told.endswith(".mp4") or "..." in told[:-4]
    assert ("\\xff" in told) == ("\udcff" in name)
    assert width_of(told, letter_size(width)) <= width
    assert image.shape == drawn(examination, width=width).shape
    assert (image[60, -5:] == GROUND).all()


@pytest.mark.parametrize("width", [640, 768, WIDE_PX - 2, WIDE_PX, 1280, 1920])
def test_everything_has_room_at_every_width(examination: Examination, width: int) -> None:
    image = drawn(with_analysis(examination, UNRELATED, segments=(BREAK,)), width=width)
    rows = np.flatnonzero((np.abs(image[60:].astype(int) - GROUND).max(axis=2) > 8).any(axis=1))
    assert (image[-4:] == GROUND).all()
    assert len(image) - 60 - rows[-1] <= 2.5 * letter_size(width)
    columns = (np.abs(image[60:].astype(int) - GROUND).max(axis=2) > 8).any(axis=0)
    assert not columns[:4].any()
    assert not columns[-4:].any()


def test_letters_grow_with_the_picture() -> None:
    assert [letter_size(width) for width in (640, 1280, 1920)] == [14, 18, 27]


def test_the_mouth_is_shown_with_and_without_lines(examination: Examination) -> None:
    made = Panel(examination, 640, ())
    side = made.mouth_px
    mouth = (np.full((side, side, 3), 201, np.uint8), np.full((side, side, 3), 102, np.uint8))
    image = np.zeros((made.height, 640, 3), np.uint8)
    made.draw(image, 0.4, mouth)
    rows = [np.flatnonzero((image == value).all(axis=2).sum(axis=1) == side) for value in (201, 102)]
    assert [len(row) for row in rows] == [side, side]
    assert rows[0][-1] < rows[1][0]
    assert BANNER.endswith("not the evidence")
