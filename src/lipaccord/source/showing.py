"""An exhibit -> a viewing copy: clip, source and their difference side by side, and the curve below, in one MP4.

    show("clip.mp4", "source.mp4", alignment, found, "exhibit.mp4")

The two are decoded and laid over each other once more; what is shown is what was measured. In
the curve the lower face is solid, the upper face dashed (against what lies round the head). The sound is the clip's.

Conventions: the copy begins at zero with the clip's first picture or sound.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.encoding import encode
from lipaccord.landmarks import load_backend
from lipaccord.lettering import BOLD, REGULAR, elided, width_of, write
from lipaccord.media import open_clip
from lipaccord.records import FloatArray, Frame, Image, LandmarkBackend, Sound
from lipaccord.source.alignment import Alignment
from lipaccord.source.exhibit import Exhibit
from lipaccord.source.framing import HEIGHT, WIDTH
from lipaccord.source.laying import HEAT_FULL, Look, both, face_name, heat_picture, looks
from lipaccord.strokes import FAINT, FIELD, GROUND, MARK, MARKED_FIELD, OBSERVED, PREDICTED, WORDS, fixed, paint, runs
from lipaccord.viewing import from_zero, sound_from_zero

TIMES = 2.0  # pixels of each panel for each of the window
GAP, BANNER, LABELS, CHART, LETTERS = 8, 30, 26, 150, 16
CRF, PRESET = 21, "superfast"
LEVELS = (-0.3, 1.3)  # log10 of the multiples that the curve shows
TITLE = "VIEWING COPY - not the evidence itself"
WORDING = {
    "same_recording": "same recording, no altered mouth found",
    "mouth_altered": "the mouth is not that of the source",
    "sound_replaced": "same picture, another sound",
    "different_recording": "another recording",
    "not_examinable": "not examinable",
}
CURVES = "difference of the lower face (solid), of the upper face (dashed), limit (line)"


@dataclass(frozen=True, slots=True)
class _Curve:
    """What the chart shows, on the clip's clock."""

    start_s: float
    end_s: float
    times_s: NDArray[np.float64]
    lower: FloatArray
    upper: FloatArray


def _curve(exhibit: Exhibit) -> _Curve:
    series = {one.name: one for one in exhibit.series}
    if "source.lower_near" not in series:
        return _Curve(0.0, 1.0, np.zeros(0), np.zeros(0, np.float32), np.zeros(0, np.float32))
    lower, upper = series["source.lower_near"], series["source.upper"]
    times_s = lower.times_s
    start_s = float(times_s[0]) if len(times_s) else 0.0
    end_s = max(float(times_s[-1]), start_s + 0.1) if len(times_s) else 1.0
    return _Curve(start_s, end_s, times_s, lower.values, upper.values)


class Board:
    """Draws the frames of the viewing copy.

    Parameters
    ----------
    exhibit : Exhibit
    """

    def __init__(self, exhibit: Exhibit) -> None:
        self._exhibit = exhibit
        self._panel = (round(WIDTH * TIMES), round(HEIGHT * TIMES))
        self.width = 3 * self._panel[0] + 4 * GAP
        self.height = BANNER + LABELS + self._panel[1] + LABELS + CHART + 2 * GAP
        self._curve = _curve(exhibit)
        self._chart_at = slice(self.height - CHART - GAP, self.height - GAP), slice(GAP, self.width - GAP)
        self._still = self._draw_still()

    def _left(self, panel: int) -> int:
        return GAP + panel * (self._panel[0] + GAP)

    def _draw_still(self) -> Image:
        image = np.empty((self.height, self.width, 3), np.uint8)
        paint(image, GROUND)
        said = f"{TITLE}.  Finding: {WORDING[self._exhibit.status]}"
        write(image, elided(said, LETTERS, self.width - 150, BOLD), (GAP, BANNER - 9), LETTERS, WORDS, BOLD)
        for panel, name in enumerate(("the clip", "its source, laid over it", "difference over what is expected")):
            write(image, name, (self._left(panel), BANNER + LABELS - 8), LETTERS, FAINT, REGULAR)
        top = self._chart_at[0].start - 8
        write(
            image,
            "difference of the lower face (solid), of the upper face (dashed), limit (line)",
            (GAP, top),
            LETTERS,
            FAINT,
        )
        self._draw_chart(image[self._chart_at])
        return image

    def _place(self, chart: Image, times_s: NDArray[np.float64], levels: FloatArray) -> FloatArray:
        """Return where points of the curve lie in the chart [shape=(n, 2)]."""
        low, high = LEVELS
        x = (times_s - self._curve.start_s) / (self._curve.end_s - self._curve.start_s) * (chart.shape[1] - 1)
        y = (high - np.clip(levels, low, high)) / (high - low) * (chart.shape[0] - 1)
        return np.stack([x, y], axis=1).astype(np.float32)

    def _draw_chart(self, chart: Image) -> None:
        paint(chart, FIELD)
        for segment in self._exhibit.segments:
            ends = np.array([segment.start_s, segment.end_s])
            first, last = self._place(chart, ends, np.zeros(2, np.float32))[:, 0]
            paint(chart[:, max(0, round(float(first))) : round(float(last)) + 1], MARKED_FIELD)
        span = np.array([self._curve.start_s, self._curve.end_s])
        limit = self._place(chart, span, np.full(2, self._exhibit.limit, np.float32))
        cv2.polylines(chart, [fixed(limit)], False, MARK, 1, cv2.LINE_AA, 4)
        for times in (1, 3, 10):
            level = self._place(chart, span[:1], np.full(1, np.log10(times), np.float32))[0, 1]
            write(chart, f"{times}x", (4, round(float(level)) + 5), 12, FAINT)
        for levels, colour, is_dashed in ((self._curve.upper, PREDICTED, True), (self._curve.lower, OBSERVED, False)):
            points = self._place(chart, self._curve.times_s, levels)
            for run in runs(np.asarray(np.isfinite(levels), np.bool_)):
                drawn = fixed(points[run])
                pieces = [drawn[at : at + 4] for at in range(0, len(drawn), 6)] if is_dashed else [drawn]
                cv2.polylines(chart, pieces, False, colour, 2, cv2.LINE_AA, 4)

    def draw(self, now_s: float, look: Look | None) -> Image:
        """Draw one frame of the copy [shape=(height, width, 3)].

        Parameters
        ----------
        now_s : float
            On the clip's clock.
        look : Look or None
            At the face that the exhibit is about; None where it is not seen.
        """
        image = self._still.copy()
        clock = f"{now_s:.2f} s"
        write(image, clock, (self.width - GAP - width_of(clock, LETTERS, BOLD), BANNER - 9), LETTERS, WORDS, BOLD)
        top, (width, height) = BANNER + LABELS, self._panel
        for panel, picture in enumerate(self._pictures(look)):
            place = image[top : top + height, self._left(panel) : self._left(panel) + width]
            if picture is None:
                paint(place, FIELD)
                write(place, "not laid over each other", (GAP, height // 2), LETTERS, FAINT)
            else:
                place[:] = picture
        self._draw_scale(image)
        chart = image[self._chart_at]
        x = self._place(chart, np.array([now_s]), np.zeros(1, np.float32))[0, 0]
        if 0 <= x < chart.shape[1]:
            paint(chart[:, int(x) : int(x) + 2], WORDS)
        return image

    def _pictures(self, look: Look | None) -> tuple[Image | None, Image | None, Image | None]:
        if look is None or look.registered is None:
            return None, None, None
        clip, source = both(look.moment, look.registered, TIMES)
        return clip, source, None if look.difference is None else heat_picture(clip, look.difference.heat)

    def _draw_scale(self, image: Image) -> None:
        """Say below the map of differences what its colours mean."""
        left, width = self._left(2), self._panel[0]
        top = BANNER + LABELS + self._panel[1] + 8
        ramp = np.broadcast_to(np.linspace(1, HEAT_FULL, width // 2, dtype=np.float32), (10, width // 2))
        image[top : top + 10, left : left + width // 2] = heat_picture(np.zeros((10, width // 2, 3), np.uint8), ramp)
        write(image, f"1 to {HEAT_FULL:.0f} times and more", (left + width // 2 + 6, top + 10), 12, FAINT)


def show(
    clip: str | os.PathLike[str],
    source: str | os.PathLike[str],
    alignment: Alignment,
    exhibit: Exhibit,
    out: str | os.PathLike[str],
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    backend: LandmarkBackend | None = None,
    threads: int = 1,
) -> None:
    """Write the viewing copy of an exhibit; `out` appears whole or not at all.

    Parameters
    ----------
    clip, source, alignment, start_s, end_s, backend, threads
        As they were given to `exhibit.exhibit`.
    exhibit : Exhibit
        What that found.
    out : path-like
        An MP4.

    Raises
    ------
    MediaError, BackendMissing, SettingsError
        As for `exhibit.exhibit`.
    OSError
        `out` can't be written.
    """
    backend = load_backend("mediapipe") if backend is None else backend
    with open_clip(clip, start_s=start_s, end_s=end_s, needs_sound=False) as reader:
        sound: Sound | None = reader.sound() if len(reader.sound().samples) else None
        zero_s = next(iter(reader.frames())).time_s
    if sound is not None:
        zero_s = min(zero_s, sound.start_s)
        sound = sound_from_zero(sound, zero_s)
    board = Board(exhibit)

    def drawn() -> Iterator[Frame]:
        for moment, here in looks(clip, source, alignment, backend, start_s=start_s, end_s=end_s, threads=threads):
            mine = [look for look in here if face_name(look.key) == exhibit.face]
            picture = board.draw(moment.frame.time_s, mine[0] if mine else None)
            yield Frame(moment.frame.index, moment.frame.time_s, picture)

    encode(Path(out), from_zero(drawn(), zero_s), sound, crf=CRF, preset=PRESET)
