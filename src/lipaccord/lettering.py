"""Words on pictures, in the TrueType letters that OpenCV 5 carries inside: no font file is read.

Text may come from anywhere. A character that can't be shown as one letter at its place (unprintable, absent from the
font, written from right to left, or a mark on the letter before it) is shown as its escape.

Conventions: sizes in pixels; a place is the left end of the baseline; colours are RGB.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import cv2
import numpy as np

from lipaccord.records import Image

REGULAR, BOLD = 400, 650
ELLIPSIS = "..."
_TRIAL_PX = 24
_TRIAL_AT = (24, 40)
_LEFTWARD = {"R", "AL", "AN"}  # classes of the Unicode bidirectional algorithm

Colour = tuple[int, int, int]


@cache
def _face() -> cv2.FontFace:
    return cv2.FontFace("sans")


@cache
def _trial(char: str) -> bytes:
    """Draw one character by itself."""
    image = np.zeros((64, 96, 3), np.uint8)
    cv2.putText(image, char, _TRIAL_AT, (255, 255, 255), _face(), _TRIAL_PX, REGULAR)
    return image.tobytes()


@cache
def _has_letter(char: str) -> bool:
    """Tell whether a character is shown as one letter; the font puts nothing or a question mark for what it lacks."""
    if char.isascii():
        return char.isprintable()
    if not char.isprintable() or unicodedata.category(char)[0] == "M" or unicodedata.bidirectional(char) in _LEFTWARD:
        return False
    drawn = _trial(char)
    return drawn != _trial("?") and any(drawn)


def shown(text: str) -> str:
    r"""Return `text` with an escape (``\u05d0``) for every character that has no letter."""
    return "".join(char if _has_letter(char) else char.encode("unicode_escape").decode("ascii") for char in text)


def width_of(text: str, size: int, weight: int = REGULAR) -> int:
    """Return how far `text` reaches to the right of its place."""
    if not text:
        return 0
    left, _, width, _ = cv2.getTextSize((0, 0), shown(text), (0, 0), _face(), size, weight)
    return int(left + width)


def _longest(text: str, size: int, width: int, weight: int) -> int:
    """Count the characters from the start of `text` that fit, by halving."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(text[:middle], size, weight) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def elided(text: str, size: int, width: int, weight: int = REGULAR, *, middle: bool = False) -> str:
    """Shorten `text` to a width, at its end or in its middle, with dots where something is left out."""
    text = shown(text)
    if width_of(text, size, weight) <= width:
        return text
    room = width - width_of(ELLIPSIS, size, weight)
    if not middle:
        return text[: _longest(text, size, room, weight)].rstrip() + ELLIPSIS
    tail = _longest(text[::-1], size, room // 2, weight)
    ending = text[len(text) - tail :]
    return text[: _longest(text, size, room - width_of(ending, size, weight), weight)] + ELLIPSIS + ending


def wrapped(text: str, size: int, width: int, weight: int = REGULAR, *, most: int) -> list[str]:
    """Break `text` into at most `most` lines of a width; words that are too long are cut, the last line is elided."""
    rest = shown(text).strip()
    lines: list[str] = []
    while rest:
        if len(lines) == most - 1:
            return [*lines, elided(rest, size, width, weight)]
        end = _longest(rest, size, width, weight)
        if end < len(rest):
            end = max(rest.rfind(" ", 0, end + 1), 0) or max(end, 1)
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return lines


def write(image: Image, text: str, place: tuple[int, int], size: int, colour: Colour, weight: int = REGULAR) -> None:
    """Draw one line of `text` into `image`; what reaches beyond the edges is cut off."""
    cv2.putText(image, shown(text), place, colour, _face(), size, weight)


def write_haloed(image: Image, text: str, place: tuple[int, int], size: int, colour: Colour) -> None:
    """Draw one line over a picture, in letters with a dark edge."""
    for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        write(image, text, (place[0] + right, place[1] + down), size, (0, 0, 0), BOLD)
    write(image, text, place, size, colour, BOLD)
