"""The panel below the picture of an annotated copy: what it is, what was found, and the evidence as it goes by.

From the top: a band that says that this is a copy; the clip's name and hash; the two findings in words; local findings
for as long as they last; the mouth enlarged; its opening in the last seconds; the whole clip with a playhead. The words
are those of the report. On narrow pictures the parts stand below one another, on wide ones beside.

Conventions: lengths in pixels; a size is that of the letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from lipaccord.lettering import BOLD, REGULAR, Colour, elided, width_of, wrapped, write
from lipaccord.propositions import in_words, ratio_in_words
from lipaccord.records import Analysis, Examination, FindingName, Image, Interval, Segment
from lipaccord.report.told import QUESTIONS
from lipaccord.report.wording import LOUD_STATUSES, STATUS_WORDS, plain, standing_out
from lipaccord.strips import Curves, OpeningStrip, Overview, legend
from lipaccord.strokes import FAINT, FIELD, GROUND, MARK, WORDS, paint

BANNER = "lipaccord viewing copy - re-encoded, not the evidence"
LOUD = (255, 165, 105)
BANNER_GROUND, BANNER_WORDS = (240, 190, 40), (0, 0, 0)
POINTER = "reasons, innocent explanations and what this can't tell: see the report"
HASH_DIGITS = 16
CLOCK = "clip time {:.2f} s"
OPENING = "opening of the mouth, a few seconds"
OVERVIEW = "agreement of mouth and speech, whole clip"
SOUND_ONLY = "whole clip: the sound"
WIDE_PX = 960  # from here on text and curves stand side by side
TEXT_SHARE = 0.48  # of the width, for the text
MOUTH, WIDE_MOUTH, MOST_MOUTH = 6.5, 5.6, 9.0  # side of the mouth enlarged, in sizes of the letters
MOST_LINES = 3  # of what is said of one finding
MOST_NOTICES = 2
"""Local findings shown at a time."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text that stays."""

    text: str
    weight: int
    colour: Colour
    size: int
    above: float = 0.0


Mouth = tuple[Image, Image]
"""The mouth enlarged, with outlines and without [shapes=(side, side, 3)]."""


def letter_size(width: int) -> int:
    """Return the size of the letters on a picture of a width: 14 at 640, 18 at 1280, 27 at 1920."""
    return max(14, round(width / 71))


def _finding_lines(analysis: Analysis, name: FindingName, size: int, width: int) -> Iterator[Line]:
    """Say one finding: the question, the answer, the likelihood ratio in words or why there is none."""
    finding = analysis.findings[name]
    word, meaning = STATUS_WORDS[finding.status]
    yield Line(QUESTIONS[name], REGULAR, FAINT, size, above=0.4)
    for text in wrapped(f"{word.upper()}: {meaning}", size, width, BOLD, most=2):
        yield Line(text, BOLD, LOUD if finding.status in LOUD_STATUSES else WORDS, size)
    said = []
    if finding.status == "offset":
        offset_ms = round(finding.details["offset_ms"])
        said.append(f"the sound comes {abs(offset_ms)} ms {'late' if offset_ms >= 0 else 'early'}")
    if finding.log10_lr is not None:
        said.append(f"likelihood ratio {ratio_in_words(finding.log10_lr)}: {in_words(name, finding.log10_lr)}")
    else:
        said += [reason.text for reason in finding.reasons]
    for text in wrapped(plain("; ".join(said)), size, width, most=MOST_LINES):
        yield Line(text, REGULAR, WORDS, size)


def local_findings(analysis: Analysis) -> tuple[Segment, ...]:
    """Pick the segments to show: those of sync, and of resynthesis those whose cue stands out."""
    resynthesis = analysis.findings["resynthesis"]
    telling = standing_out(resynthesis, resynthesis.details.get("shares", {}))
    shown = {segment for cue in telling for segment in cue.segments}
    return tuple(one for one in analysis.segments if one.finding == "sync" or one in shown)


def curves_of(examination: Examination) -> Curves:
    """Collect what the strips show."""
    analysis, times_s, sound = examination.analysis, examination.frame_times_s, examination.sound
    none_s, none = np.zeros(0), np.zeros(0, np.float32)
    series = {name: (one.times_s, one.values) for name, one in analysis.timeline.items()}
    observed_s, observed = none_s, none
    speech: tuple[Interval, ...] = ()
    if examination.tracks is not None:
        mouth, speech = examination.tracks.mouth, examination.tracks.activity.stretches
        observed_s, observed = mouth.times_s, np.where(mouth.valid, mouth.opening, np.float32(np.nan))
    predicted_s, predicted = series.get("mouth.opening_predicted", (none_s, none))
    agreement_s, agreement = series.get("sync.agreement", (none_s, none))
    details = [cue.details for cue in analysis.findings["sync"].cues if "usual_agreement" in cue.details]
    return Curves(
        span=Interval(float(min(times_s[0], sound.start_s)), float(max(times_s[-1], sound.start_s + sound.duration_s))),
        observed_s=observed_s,
        observed=observed,
        predicted_s=predicted_s,
        predicted=predicted,
        spread=series.get("mouth.opening_predicted_spread", (none_s, none))[1],
        agreement_s=agreement_s,
        agreement=agreement,
        levels=tuple(float(one[name]) for one in details[:1] for name in ("usual_agreement", "null_mean")),
        speech=speech,
        marked=tuple(segment.interval for segment in local_findings(analysis)),
    )


class Panel:
    """Draws the panel of one clip.

    Parameters
    ----------
    examination : Examination
    width : int
        Of the picture.
    notes : sequence of str
        Said beside the hash: which face was examined, how the picture was brought to its size.

    Attributes
    ----------
    height : int
    mouth_px : int
        Side of the squares for the mouth.
    """

    def __init__(self, examination: Examination, width: int, notes: Sequence[str]) -> None:
        self._analysis, self._width, self._size = examination.analysis, width, letter_size(width)
        self._segments, self._tracked = local_findings(self._analysis), examination.tracks is not None
        size, is_wide = self._size, width >= WIDE_PX
        self._margin, self._step, self._banner_px = round(0.7 * size), round(1.35 * size), round(1.7 * size)
        self._text_px = (round(TEXT_SHARE * width) if is_wide else width) - 2 * self._margin
        lines = list(self._still_lines(notes))
        text_bottom = self._banner_px + round(0.9 * size) + len(lines) * self._step
        text_bottom += sum(round(line.above * size) for line in lines)
        notice_px = MOST_NOTICES * self._step + round(0.4 * size) if self._segments else 0
        rows, header = (2, round(2.4 * size)) if self._tracked else (1, round(0.8 * size))
        left, top = (self._text_px + 2 * self._margin, self._banner_px) if is_wide else (0, text_bottom + notice_px)
        self.mouth_px = round(MOUTH * size)
        if is_wide:
            room = text_bottom - top - header - notice_px - rows * self._row_px
            self.mouth_px = min(max(room // rows, round(WIDE_MOUTH * size)), round(MOST_MOUTH * size))
        charts_bottom = top + header + rows * (self.mouth_px + self._row_px)
        self._notice_at = (left, charts_bottom) if is_wide else (0, text_bottom)
        self.height = max(text_bottom, charts_bottom + (notice_px if is_wide else 0))
        self._still = self._draw_still(lines)
        self._place_charts(examination, curves_of(examination), left, top)

    @property
    def _row_px(self) -> int:
        """Height of the name above a chart."""
        return round(1.6 * self._size)

    def _still_lines(self, notes: Sequence[str]) -> Iterator[Line]:
        clip, size = self._analysis.clip, self._size
        small = max(12, round(0.85 * size))
        name = plain(PurePath(clip.path).name)
        hashed = "   ".join([f"SHA-256 {clip.sha256[:HASH_DIGITS]}...", *notes])
        yield Line(elided(name, size, self._text_px, BOLD, middle=True), BOLD, WORDS, size)
        yield Line(elided(hashed, small, self._text_px), REGULAR, FAINT, small)
        for finding in self._analysis.findings:
            yield from _finding_lines(self._analysis, finding, size, self._text_px)
        yield Line(elided(POINTER, small, self._text_px), REGULAR, FAINT, small, above=0.4)

    def _draw_still(self, lines: list[Line]) -> Image:
        image, size = np.empty((self.height, self._width, 3), np.uint8), self._size
        paint(image, GROUND)
        paint(image[: self._banner_px], BANNER_GROUND)
        told = elided(BANNER, size, self._width - width_of(CLOCK.format(8888.88), size, BOLD) - 3 * self._margin, BOLD)
        write(image, told, (self._margin, round(1.2 * size)), size, BANNER_WORDS, BOLD)
        y = self._banner_px + round(0.35 * size)
        for line in lines:
            y += self._step + round(line.above * size)
            write(image, line.text, (self._margin, y - round(0.3 * size)), line.size, line.colour, line.weight)
        return image

    def _place_charts(self, examination: Examination, curves: Curves, left: int, top: int) -> None:
        """Lay out the curves in two rows, the mouth to the left of each, and draw what stays: their names."""
        size, side, row = self._size, self.mouth_px, self._row_px
        small, left, right = max(12, round(0.85 * size)), left + self._margin, self._width - self._margin
        chart = left + (side + self._margin if self._tracked else 0)
        first = top + round(0.4 * size) + (row if self._tracked else 0) + row
        second = first + (side + row if self._tracked else 0)
        self._opening_at = slice(first, first + side), slice(chart, right)
        self._overview_at = slice(second, second + side), slice(chart, right)
        self._mouths_at = [(slice(y, y + side), slice(left, left + side)) for y in (first, second)]
        names = [(chart, second, OVERVIEW if len(curves.agreement) else SOUND_ONLY)]
        if self._tracked:
            legend(self._still, (left, first - row - round(0.5 * size)), small)
            names += [(left, first, "with lines"), (left, second, "without"), (chart, first, OPENING)]
        for x, y, name in names:
            fitting = elided(name, small, (chart if x < chart else right) - x, BOLD)
            write(self._still, fitting, (x, y - round(0.4 * size)), small, FAINT, BOLD)
        self._opening = OpeningStrip(curves, (side, right - chart), size)
        self._overview = Overview(curves, examination.sound, (side, right - chart), size)

    def draw(self, image: Image, now_s: float, mouth: Mouth | None) -> None:
        """Draw the panel as it is at `now_s`.

        Parameters
        ----------
        image : ndarray of uint8 [shape=(height, width, 3)]
            To draw into.
        now_s : float
        mouth : Mouth or None
            None where it is not seen.
        """
        image[:] = self._still
        size, clock = self._size, CLOCK.format(now_s)
        x = self._width - self._margin - width_of(clock, size, BOLD)
        write(image, clock, (x, round(1.2 * size)), size, BANNER_WORDS, BOLD)
        self._draw_notices(image, now_s)
        self._overview.draw(image[self._overview_at], now_s)
        if not self._tracked:
            return
        self._opening.draw(image[self._opening_at], now_s)
        for number, place in enumerate(self._mouths_at):
            if mouth is not None:
                image[place] = mouth[number]
                continue
            paint(image[place], FIELD)
            write(image[place], "not seen", (self._margin // 2, self.mouth_px // 2), max(12, round(0.85 * size)), FAINT)

    def _draw_notices(self, image: Image, now_s: float) -> None:
        """Show the local findings that hold at `now_s`."""
        holding = [one for one in self._segments if one.interval.start_s <= now_s < one.interval.end_s][:MOST_NOTICES]
        texts = [plain(f"HERE, {one.interval}: {one.summary}") for one in holding]
        (left, top), size = self._notice_at, self._size
        box = slice(left + self._margin, self._width - self._margin)
        width = box.stop - box.start - self._margin
        if len(texts) == 1:
            texts = wrapped(texts[0], size, width, BOLD, most=MOST_NOTICES)
        if texts:
            paint(image[top : top + len(texts) * self._step, box], MARK)
        for row, text in enumerate(texts, 1):
            place = (box.start + self._margin // 2, top + row * self._step - round(0.35 * size))
            write(image, elided(text, size, width, BOLD), place, size, (0, 0, 0), BOLD)
