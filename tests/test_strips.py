from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FloatArray, Image, Interval, Sound
from lipaccord.strips import AHEAD_S, PAST_S, ROOM, Curves, OpeningStrip, Overview, gutter, highest, legend, playhead
from lipaccord.strokes import BAND, FIELD, MARKED_FIELD, OBSERVED, PREDICTED, SILENCE, SPEECH, WORDS

SIZE = 16
SHAPE = (100, gutter(SIZE) + 601)
SECONDS = 20.0
CLOCK_S = np.arange(0, SECONDS, 0.01)
FRAMES_S = np.arange(0, SECONDS, 0.04)


def flat(times_s: NDArray[Any], value: float) -> FloatArray:
    return np.full(len(times_s), value, np.float32)


CURVES = Curves(
    span=Interval(0.0, SECONDS),
    observed_s=FRAMES_S,
    observed=flat(FRAMES_S, 0.3),
    predicted_s=CLOCK_S,
    predicted=flat(CLOCK_S, 0.15),
    spread=flat(CLOCK_S, 0.03),
    agreement_s=CLOCK_S[::50],
    agreement=flat(CLOCK_S[::50], 0.2),
    levels=(0.4, 0.0),
    speech=(Interval(2.0, 8.0),),
    marked=(),
)
NONE_S, NONE = np.zeros(0), np.zeros(0, np.float32)
NOTHING = Curves(Interval(0.0, SECONDS), NONE_S, NONE, NONE_S, NONE, NONE, NONE_S, NONE, (), (), ())
SOUND = Sound(
    np.concatenate([np.zeros(16_000), np.ones(16_000), np.zeros(16_000 * 18)]).astype(np.float32), 16_000, 0.0
)


def near(image: Image, colour: tuple[int, int, int]) -> BoolArray:
    """Tell which pixels have a colour, but for what smooth edges leave of it."""
    found: BoolArray = np.abs(image.astype(int) - colour).max(axis=-1) <= 12
    return found


def opening(curves: Curves, now_s: float) -> Image:
    """Draw the strip; return its field without the names to the left."""
    image = np.zeros((*SHAPE, 3), np.uint8)
    OpeningStrip(curves, SHAPE, SIZE).draw(image, now_s)
    return image[:, gutter(SIZE) :]


def column_of(time_s: float, now_s: float) -> int:
    return round((time_s - now_s + PAST_S) / (PAST_S + AHEAD_S) * 600)


def overview(curves: Curves, now_s: float, sound: Sound = SOUND) -> Image:
    image = np.zeros((*SHAPE, 3), np.uint8)
    Overview(curves, sound, SHAPE, SIZE).draw(image, now_s)
    return image[:, gutter(SIZE) :]


def test_the_observed_line_is_whole_and_the_predicted_one_dashed() -> None:
    image = opening(CURVES, 10.0)
    seen, predicted = near(image, OBSERVED).any(axis=0), near(image, PREDICTED).any(axis=0)
    assert seen.mean() > 0.98
    assert 0.35 < predicted.mean() < 0.75
    rows = [np.flatnonzero(near(image, colour).any(axis=1)).mean() for colour in (OBSERVED, PREDICTED)]
    assert rows[0] < rows[1] - 15


def test_the_band_spans_two_deviations_either_way() -> None:
    image = opening(CURVES, 10.0)
    rows = np.flatnonzero(near(image, BAND)[:, 100])
    line = np.flatnonzero(near(image, OBSERVED)[:, 100]).mean()
    floor = np.flatnonzero(near(image, FIELD)[:, 100])[-1]
    unit = (floor - line) / 0.3
    assert rows[-1] - rows[0] == pytest.approx(2 * 2 * 0.03 * unit, abs=2)
    assert line == pytest.approx(2 + (floor - 2) * (1 - 0.3 / highest(CURVES)), abs=2)
    assert highest(CURVES) == pytest.approx(0.3 * ROOM)


def test_a_line_breaks_where_nothing_is_known() -> None:
    hidden = np.where((FRAMES_S > 9) & (FRAMES_S < 10), np.float32(np.nan), CURVES.observed)
    seen = near(opening(dataclasses.replace(CURVES, observed=hidden), 10.0), OBSERVED).max(axis=0)
    assert not seen[column_of(9.1, 10.0) : column_of(9.9, 10.0)].any()
    assert seen[column_of(8.0, 10.0) : column_of(8.9, 10.0)].mean() > 0.95
    assert seen[column_of(10.1, 10.0) : column_of(11.0, 10.0)].mean() > 0.95


def test_the_curves_pass_a_playhead_that_stands_still() -> None:
    jump = np.where(FRAMES_S < 10, np.float32(0.05), np.float32(0.3))
    curves = dataclasses.replace(CURVES, observed=jump)
    for now_s in (9.5, 10.0, 11.0):
        image = opening(curves, now_s)
        assert near(image, WORDS)[:, column_of(now_s, now_s)].mean() > 0.9
        top = np.argmax(near(image, OBSERVED), axis=0)
        step = column_of(10.0, now_s)
        assert top[step - 12] > top[step + 12] + 20


def test_speech_is_shown_below_the_curves() -> None:
    bar = opening(CURVES, 8.0)[-3]
    assert near(bar, SPEECH)[column_of(4.0, 8.0) : column_of(7.9, 8.0)].all()
    assert near(bar, SILENCE)[column_of(8.2, 8.0) :].all()


def test_a_marked_stretch_has_another_ground() -> None:
    curves = dataclasses.replace(CURVES, marked=(Interval(9.0, 10.0), Interval(50.0, 60.0)))
    row = opening(curves, 10.0)[2]
    assert near(row, MARKED_FIELD)[column_of(9.1, 10.0) : column_of(9.9, 10.0)].all()
    assert near(row, FIELD)[: column_of(8.9, 10.0)].all()
    row = overview(curves, 0.0)[2]
    assert near(row, MARKED_FIELD).sum() == pytest.approx(600 / SECONDS, abs=2)


def test_without_curves_there_is_an_empty_strip() -> None:
    image = opening(NOTHING, 10.0)
    assert not near(image, OBSERVED).any()
    assert not near(image, PREDICTED).any()
    assert highest(NOTHING) == 1.0
    hidden = dataclasses.replace(CURVES, observed=flat(FRAMES_S, np.nan), predicted=flat(CLOCK_S, np.nan))
    assert not near(opening(hidden, 10.0), BAND).any()


def test_one_wild_value_does_not_set_the_scale() -> None:
    wild = CURVES.observed.copy()
    wild[3] = 1e6
    assert highest(dataclasses.replace(CURVES, observed=wild)) == pytest.approx(highest(CURVES))


@pytest.mark.parametrize("now_s", [0.0, 5.0, 13.7, SECONDS])
@pytest.mark.parametrize("start_s", [0.0, 100.0])
def test_the_playhead_of_the_overview_follows_the_time(now_s: float, start_s: float) -> None:
    curves = dataclasses.replace(NOTHING, span=Interval(start_s, start_s + SECONDS))
    image = overview(curves, start_s + now_s, Sound(np.zeros(0, np.float32), 16_000, 0.0))
    columns = np.flatnonzero(near(image, WORDS)[2])
    assert columns.mean() == pytest.approx(600 * now_s / SECONDS, abs=2)


def test_the_overview_shows_agreement_between_its_levels() -> None:
    image = overview(CURVES, 0.0)
    line = np.flatnonzero(near(image, WORDS)[:, 300]).mean()
    dashes = np.flatnonzero((image[:, 200:208].max(axis=(1, 2)) > 150) & (np.arange(100) < 70))
    upper, lower = dashes.min(), dashes.max()
    assert line == pytest.approx((upper + lower) / 2, abs=3)


def test_a_single_value_is_a_dot() -> None:
    lone = np.full(len(CURVES.agreement), np.nan, np.float32)
    lone[20] = 0.2
    shown = near(overview(dataclasses.replace(CURVES, agreement=lone), 0.0), WORDS)
    assert shown[:60, 290:310].sum() >= 4


def test_the_sound_is_as_high_as_it_is_loud_and_bright_where_somebody_speaks() -> None:
    curves = dataclasses.replace(CURVES, speech=(Interval(1.2, 1.5),))
    image = overview(curves, 19.0)[-round(1.8 * SIZE) :]
    columns = [round(600 * time_s / SECONDS) for time_s in (0.5, 1.25, 1.15, 1.75)]
    assert near(image, SILENCE)[:, columns[0]].sum() == 1
    assert near(image, SPEECH)[:, columns[1]].sum() == pytest.approx(25, abs=3)
    for column in columns[2:]:
        assert near(image, SILENCE)[:, column].sum() == pytest.approx(25, abs=3)
    without = overview(NOTHING, 19.0)
    assert near(without, SILENCE)[:, columns[1]].sum() > 90


def test_a_playhead_beyond_the_strip_stays_at_its_edge() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    playhead(image, 10**6, SIZE)
    playhead(image, -(10**6), SIZE)
    assert image[:, 0].all()
    assert image[:, -1].all()


def test_the_legend_shows_all_three_in_the_colours_of_the_strips() -> None:
    image = np.zeros((40, 500, 3), np.uint8)
    legend(image, (5, 25), SIZE)
    for colour in (OBSERVED, PREDICTED, BAND):
        assert near(image, colour).sum() > 20
    columns = np.flatnonzero(near(image, PREDICTED).any(axis=0))
    assert (np.diff(columns) > 2).sum() >= 2
