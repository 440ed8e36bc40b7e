from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lipaccord.overlay import predicted_outlines
from lipaccord.records import Evidence, Finding, Reason, Series, Sound
from lipaccord.report import drawing
from made_report import long_examination

FIGURES = {
    "null_mean": 0.05,
    "null_deviation": 0.1,
    "zero_s": 0.03,
    "usual_agreement": 0.27,
    "offset_s": 0.05,
    "offset_low_s": 0.04,
    "offset_high_s": 0.06,
}


def unpacked(text: str, dtype: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype)


def test_packing_keeps_every_value() -> None:
    values = np.array([0.1, -3.5, np.nan, 1e30])
    assert np.array_equal(unpacked(drawing.packed(values, "<f8"), "<f8"), values, equal_nan=True)


def test_a_series_that_fits_stays_as_it_is() -> None:
    times_s, rows = np.arange(100) / 25, np.random.default_rng(0).normal(size=(2, 100)).astype(np.float32)
    kept_s, kept = drawing.thinned(times_s, rows, most=100)
    assert kept_s is times_s
    assert kept is rows


@pytest.mark.parametrize("count", [101, 1_000, 12_345])
def test_thinning_loses_no_peak_and_no_end(count: int) -> None:
    rng = np.random.default_rng(count)
    times_s, rows = np.cumsum(rng.uniform(0.01, 0.1, count)), rng.normal(size=(2, count)).astype(np.float32)
    rows[0, count // 3], rows[1, count // 2] = 50.0, -50.0
    kept_s, kept = drawing.thinned(times_s, rows, most=100)
    assert len(kept_s) <= 100
    assert kept.shape == (2, len(kept_s))
    assert (np.diff(kept_s) > 0).all()
    assert kept_s[0] == times_s[0]
    assert kept_s[-1] == pytest.approx(times_s[-1])
    assert kept.max(axis=1).tolist() == rows.max(axis=1).tolist()
    assert kept.min(axis=1).tolist() == rows.min(axis=1).tolist()
    peak_s, low_s = (kept_s[kept[row] == value][0] for row, value in ((0, 50.0), (1, -50.0)))
    assert abs(peak_s - times_s[count // 3]) < 0.1 * 2 * count / 100
    assert abs(low_s - times_s[count // 2]) < 0.1 * 2 * count / 100


def test_a_gap_stays_a_gap_when_thinned() -> None:
    values = np.ones((1, 1_000), np.float32)
    values[0, 300:600] = np.nan
    kept_s, kept = drawing.thinned(np.arange(1_000.0), values, most=100)
    inside = (kept_s > 320) & (kept_s < 580)
    assert np.isnan(kept[0, inside]).all()
    assert np.isfinite(kept[0, (kept_s < 280) | (kept_s > 620)]).all()


def test_the_envelope_holds_the_samples() -> None:
    samples = np.zeros(16_000, np.float32)
    samples[8_000], samples[12_345] = 0.5, -0.25
    times_s, rows = drawing.envelope(Sound(samples, 16_000, 2.0))
    assert len(times_s) == 100
    assert times_s[0] == pytest.approx(2.005)
    assert times_s[rows[1].argmax()] == pytest.approx(2.505)
    assert times_s[rows[0].argmin()] == pytest.approx(2.775)
    assert (rows[1].max(), rows[0].min()) == (0.5, -0.25)


def with_sync(**series: NDArray[np.float32]) -> Any:
    """Return a made examination with a sync cue and its series."""
    examination = long_examination(0.01)
    clock_s = np.arange(36.0)
    made = {f"sync.{name}": Series(f"sync.{name}", "", clock_s, values) for name, values in series.items()}
    if "agreement_by_lag" in series:
        lags_s = np.linspace(-1, 1, 36)
        made["sync.agreement_by_lag"] = Series("sync.agreement_by_lag", "", lags_s, series["agreement_by_lag"])
    cue = Evidence("sync", "2", "sync", 1.0, "It was measured.", details=FIGURES)
    sync = Finding("sync", "inconclusive", 1.0, None, None, (Reason("open", "It is open."),), (cue,))
    analysis = examination.analysis
    changed = dataclasses.replace(
        analysis, timeline=analysis.timeline | made, findings=analysis.findings | {"sync": sync}
    )
    return dataclasses.replace(examination, analysis=changed)


def lines_of(strip: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    return {style: unpacked(row, "<f4") for clock in strip["clocks"] for style, row in clock["lines"].items()}


def test_seen_and_predicted_opening_share_a_strip_with_a_band_that_never_falls_below_shut() -> None:
    examination = long_examination(0.01)
    strip = next(one for one in drawing.main_strips(examination) if one["title"] == "Opening of the mouth")
    lines, timeline = lines_of(strip), examination.analysis.timeline
    predicted, spread = (timeline[f"mouth.opening_predicted{part}"].values for part in ("", "_spread"))
    assert np.array_equal(lines["observed"], timeline["mouth.opening"].values)
    assert np.array_equal(lines["predicted"], predicted)
    assert np.allclose(lines["low"], np.maximum(0, predicted - 2 * spread))
    assert np.allclose(lines["high"], predicted + 2 * spread)


def test_agreement_is_drawn_between_what_is_usual_and_what_other_speech_gives() -> None:
    strips = {one["title"]: one for one in drawing.main_strips(with_sync(agreement=np.ones(36, np.float32)))}
    (strip,) = (one for title, one in strips.items() if title.startswith("Agreement"))
    assert strip["levels"] == [0.27, 0.05]


def test_every_other_series_has_a_strip_with_its_cue() -> None:
    examination = with_sync(agreement=np.ones(36, np.float32))
    more = [
        Series(name, "spreads", np.arange(3.0), np.ones(3, np.float32)) for name in ("blur.row_3", "speech.activity")
    ]
    timeline = examination.analysis.timeline | {series.name: series for series in more}
    changed = dataclasses.replace(examination.analysis, timeline=timeline)
    others = list(drawing.other_strips(dataclasses.replace(examination, analysis=changed)))
    assert [(strip["cue"], strip["title"]) for strip in others] == [
        ("blur", "blur: row 3"),
        ("speech", "Speech, by the detector"),
    ]


def test_the_lag_curve_counts_from_where_authentic_clips_lie() -> None:
    values = np.linspace(0, 1, 36).astype(np.float32)
    lag = drawing.lag_curve(with_sync(agreement_by_lag=values))
    assert lag is not None
    assert unpacked(lag["offsets"], "<f8") == pytest.approx(1000 * (np.linspace(-1, 1, 36) - 0.03))
    assert np.array_equal(unpacked(lag["values"], "<f4"), values)
    assert lag["null"] == pytest.approx([-0.15, 0.25])
    assert (lag["offset"], lag["interval"]) == (50.0, [40.0, 60.0])
    assert drawing.lag_curve(long_examination(0.01)) is None


def test_outlines_are_kept_to_a_part_of_a_pixel() -> None:
    examination = long_examination(0.01)
    assert examination.tracks is not None
    face = examination.tracks.face
    drawn = drawing.overlay(examination, predicted_outlines(examination))
    assert drawn is not None
    assert (drawn["every"], drawn["scale"]) == (1, 8)
    points = unpacked(drawn["points"], "<i2").reshape(len(face.times_s), drawn["count"], 2) / 8
    ring = points[:, drawn["rings"]["outer_lips"]]
    assert np.abs(ring - face.points[:, list(face.layout.rings["outer_lips"])]).max() <= 1 / 16
    assert set(drawn["rings"]) <= set(drawing.REGION_RINGS)


def test_a_long_clip_keeps_outlines_for_every_nth_picture() -> None:
    examination = long_examination(0.01)
    predicted = predicted_outlines(examination)
    drawn = drawing.overlay(examination, predicted, most_bytes=40_000)
    assert drawn is not None
    assert drawn["every"] > 1
    assert np.array_equal(unpacked(drawn["times"], "<f8"), examination.faces[0].times_s[:: drawn["every"]])
    assert 3 / 4 * (len(base64.b64decode(drawn["points"])) + len(base64.b64decode(drawn["predicted"]))) <= 40_000


def test_what_was_not_seen_has_no_outline() -> None:
    examination = long_examination(0.01)
    predicted = predicted_outlines(examination)
    predicted[10] = np.nan
    drawn = drawing.overlay(examination, predicted)
    assert drawn is not None
    rows = unpacked(drawn["predicted"], "<i2").reshape(len(predicted), -1)
    assert (rows[10] == drawing.UNSEEN).all()
    assert not (np.delete(rows, 10, axis=0) == drawing.UNSEEN).any()


def test_without_a_face_there_is_no_overlay() -> None:
    examination = dataclasses.replace(long_examination(0.01), tracks=None, predicted_lips=None)
    assert drawing.overlay(examination, np.zeros((0, 20, 2), np.float32)) is None
