from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.records import Interval
from lipaccord.source.exhibit import Exhibit
from lipaccord.source.framed import MOST, PICTURE_BYTES, Framed, chosen, framed, jpeg
from lipaccord.source.framing import HEIGHT, WIDTH
from made_exhibits import Knowing, aligned
from made_sources import ALTERED_FROM, films, laid

TIMES_S = np.arange(3000) / 25
SEGMENTS = (Interval(40.0, 48.0), Interval(100.0, 102.0))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return films(tmp_path_factory.mktemp("films"), 40)


@pytest.fixture(scope="module")
def both(pair: tuple[Path, Path]) -> tuple[Exhibit, tuple[Framed, ...]]:
    return laid(*pair)


def pixels(data: bytes) -> NDArray[np.float64]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.float64)


def inside(times_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    each = [(times_s >= one.start_s) & (times_s <= one.end_s) for one in SEGMENTS]
    found: NDArray[np.bool_] = np.logical_or.reduce(each)
    return found


def test_few_frames_are_all_shown() -> None:
    assert chosen(TIMES_S[:MOST], SEGMENTS).tolist() == TIMES_S[:MOST].tolist()


def test_many_frames_are_spread_evenly_from_the_first_to_the_last() -> None:
    times = chosen(TIMES_S, ())
    assert len(times) == MOST
    assert (times[0], times[-1]) == (TIMES_S[0], TIMES_S[-1])
    assert np.diff(times).max() < 1.1 * np.diff(times).min()
    assert set(times) <= set(TIMES_S)


def test_half_of_the_moments_lie_where_it_is_altered() -> None:
    times = chosen(TIMES_S, SEGMENTS)
    assert MOST - 2 <= len(times) <= MOST
    assert inside(times).sum() == pytest.approx(MOST / 2, abs=2)
    assert np.diff(times[~inside(times)]).max() < 11
    assert (times[0], times[-1]) == (TIMES_S[0], TIMES_S[-1])


def test_a_short_altered_stretch_is_shown_frame_by_frame() -> None:
    times = chosen(TIMES_S, (Interval(60.0, 60.6),))
    shown = times[(times >= 60.0) & (times <= 60.6)]
    assert len(shown) >= 15
    assert len(times) >= MOST - 2


def test_a_picture_takes_no_more_bytes_than_it_may() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (520, 400, 3)).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    assert len(jpeg(soft)) <= PICTURE_BYTES
    assert len(jpeg(soft, 1_000_000)) > len(jpeg(soft, 20_000))


def test_every_moment_has_its_pictures(both: tuple[Exhibit, tuple[Framed, ...]]) -> None:
    made, row = both
    assert [one.time_s for one in row] == made.series[0].times_s.tolist()
    assert [one.source_s for one in row] == pytest.approx([one.time_s for one in row], abs=0.05)
    for one in (row[5], row[-5]):
        clip, source, heat = pixels(one.clip), pixels(one.source), pixels(one.heat)
        assert clip.shape == source.shape == (round(1.5 * HEIGHT), round(1.5 * WIDTH), 3)
        assert heat.shape == (HEIGHT, WIDTH, 3)
        assert np.abs(clip[60:150] - source[60:150]).mean() < 6
    before, after = (pixels(one.heat)[125:170, 60:100].max() for one in (row[5], row[ALTERED_FROM + 10]))
    assert after > 200 > before


def test_a_part_of_the_clip_gives_the_pictures_of_that_part(
    pair: tuple[Path, Path], both: tuple[Exhibit, tuple[Framed, ...]]
) -> None:
    row = framed(*pair, aligned(), both[0], start_s=0.4, end_s=0.8, backend=Knowing())
    assert row[0].time_s == pytest.approx(0.4)
    assert len(row) == 10


def test_what_was_not_measured_has_no_pictures(
    pair: tuple[Path, Path], both: tuple[Exhibit, tuple[Framed, ...]]
) -> None:
    nothing = dataclasses.replace(both[0], series=(), registration={})
    assert framed(*pair, aligned(), nothing, backend=Knowing()) == ()


def test_another_face_is_not_shown(pair: tuple[Path, Path], both: tuple[Exhibit, tuple[Framed, ...]]) -> None:
    other = dataclasses.replace(both[0], face="face-2")
    assert framed(*pair, aligned(), other, backend=Knowing()) == ()
