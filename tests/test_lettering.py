from __future__ import annotations

import numpy as np
import pytest

from lipaccord.lettering import BOLD, REGULAR, elided, shown, width_of, wrapped, write, write_haloed
from lipaccord.records import Image

SIZE = 20
WHITE = (255, 255, 255)
SENTENCE = "The mouth does not follow this speech at any offset examined."


def blank(width: int = 300, height: int = 40) -> Image:
    return np.zeros((height, width, 3), np.uint8)


def inked(text: str, weight: int = REGULAR) -> Image:
    image = blank()
    write(image, text, (10, 28), SIZE, WHITE, weight)
    return image


@pytest.mark.parametrize("text", ["plain, 12.5 s (+)", "Größe é ñ", "Жизнь", "中文"])
def test_letters_that_the_font_has_are_shown(text: str) -> None:
    assert shown(text) == text
    assert inked(text).any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\udcffb", "a\\udcffb"),
        ("a\x00\x1b[31m", "a\\x00\\x1b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("שלום", "\\u05e9\\u05dc\\u05d5\\u05dd"),
        ("e\u0301", "e\\u0301"),
        ("\N{GRINNING FACE}", "\\U0001f600"),
        ("\u01ce", "\\u01ce"),
    ],
    ids=["byte of a path", "control", "direction", "leftward", "mark", "absent", "empty in the font"],
)
def test_what_has_no_letter_is_shown_as_its_escape(text: str, expected: str) -> None:
    assert shown(text) == expected
    np.testing.assert_array_equal(inked(text), inked(expected))


def test_a_question_mark_is_a_letter() -> None:
    assert shown("why?") == "why?"


@pytest.mark.parametrize("weight", [REGULAR, BOLD])
def test_the_width_is_where_the_ink_ends(weight: int) -> None:
    columns = np.flatnonzero(inked("Width of it", weight).any(axis=(0, 2)))
    assert width_of("Width of it", SIZE, weight) == pytest.approx(columns[-1] + 1 - 10, abs=2)
    assert width_of("", SIZE) == 0


def test_bold_letters_hold_more_ink() -> None:
    assert inked("Ink", BOLD).sum() > 1.2 * inked("Ink").sum()


def test_the_same_text_gives_the_same_picture() -> None:
    np.testing.assert_array_equal(inked(SENTENCE), inked(SENTENCE))


def test_what_reaches_beyond_the_picture_is_cut_off() -> None:
    image = blank()
    for place in ((280, 28), (-30, 28), (10, 2), (500, 500)):
        write(image, "W" * 3000, place, SIZE, WHITE)
    assert image.shape == (40, 300, 3)


@pytest.mark.parametrize("width", [120, 200, 301])
def test_lines_keep_to_their_width_and_lose_no_word(width: int) -> None:
    lines = wrapped(SENTENCE, SIZE, width, most=20)
    assert max(width_of(line, SIZE) for line in lines) <= width
    assert " ".join(lines) == SENTENCE
    assert len(lines) >= width_of(SENTENCE, SIZE) // width


def test_a_line_that_is_too_many_ends_in_dots() -> None:
    lines = wrapped(SENTENCE, SIZE, 200, most=2)
    assert len(lines) == 2
    assert lines[1].endswith("...")
    assert width_of(lines[1], SIZE) <= 200
    assert wrapped("", SIZE, 200, most=2) == []


def test_a_word_that_is_too_long_is_cut() -> None:
    lines = wrapped("W" * 60, SIZE, 150, most=50)
    assert max(width_of(line, SIZE) for line in lines) <= 150
    assert "".join(lines) == "W" * 60


def test_even_a_letter_that_does_not_fit_ends_the_line() -> None:
    assert wrapped("WWW", SIZE, 3, most=9) == ["W", "W", "W"]


def test_names_are_shortened_at_the_end_or_in_the_middle() -> None:
    name = "a_very_long_name_of_a_clip_" * 3 + "part_17.mp4"
    for middle in (False, True):
        short = elided(name, SIZE, 200, middle=middle)
        assert width_of(short, SIZE) <= 200
        assert width_of(short, SIZE) > 160
        assert short.startswith("a_very")
        assert short.endswith("17.mp4" if middle else "...")
    assert elided("clip.mp4", SIZE, 200) == "clip.mp4"


def test_letters_on_a_picture_have_a_dark_edge() -> None:
    image = np.full((40, 300, 3), 200, np.uint8)
    write_haloed(image, "face-2", (10, 28), SIZE, WHITE)
    assert (image == 255).any()
    assert (image < 80).sum() > 100
