from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import NDArray
from scipy.special import ndtri

from lipaccord import metrics
from lipaccord.report import plots

Plot = Callable[..., Figure]
Values = NDArray[np.float64]

PLOTS: tuple[Plot, ...] = (plots.tippett, plots.ece, plots.reliability, plots.det)
SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {
    f"{SVG}{name}" for name in ("svg", "title", "metadata", "defs", "style", "g", "path", "use", "clipPath", "rect")
} | {f"{SVG}pattern"}
HIGHEST, LOWEST = [0.4, 1.2, 2.0, -0.6], [-1.5, -0.2, 0.8, -2.0, -0.9]
BOTH_HEAVY: Any = {"positive_weights": [1.0, 2.0, 1.0, 6.0], "negative_weights": [1.0, 1.0, 3.0, 1.0, 2.0]}


def normal(count: int, mean: float, seed: int) -> Values:
    return np.random.default_rng(seed).normal(mean, 1.0, count)


CASES: dict[str, tuple[Values, Values]] = {
    "overlapping": (normal(40, 0.8, 1), normal(120, -0.8, 2)),
    "one of each on the wrong side": (np.append(normal(59, 5.0, 3), -0.3), np.append(normal(79, -5.0, 4), 0.2)),
    "apart": (np.array([1.0, 2.0]), np.array([-1.0, -2.0])),
    "a few clips": (np.array([0.2, 0.9, 1.1]), np.array([-0.8, 0.4])),
    "one clip each": (np.array([0.5]), np.array([0.5])),
    "all equal": (np.zeros(30), np.zeros(50)),
    "equal but for rounding": (np.array([5.0]), np.array([5.0 + 1e-15])),
    "wrong way round": (np.array([-3.0, -2.0]), np.array([2.0, 3.0])),
    "many clips": (normal(20_000, 0.3, 5), normal(20_000, -0.3, 6)),
}


def legend(figure: Figure) -> list[str]:
    """Return the words of the legend, the title first."""
    (box,) = figure.legends
    return [box.get_title().get_text(), *(text.get_text() for text in box.get_texts())]


def points(figure: Figure, line: int, axes: int = 0) -> tuple[Values, Values]:
    x, y = figure.axes[axes].lines[line].get_data()
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("plot", PLOTS)
def test_any_evaluation_gives_a_small_plain_svg(plot: Plot, case: str) -> None:
    text = plots.to_svg(plot(*CASES[case], names=("lower face synthesised", "camera original")))
    root = ET.fromstring(text)
    assert {element.tag for element in root.iter() if element.tag.startswith(SVG)} <= DRAWN
    assert len(text.encode()) < 100_000
    assert root.get("width") == "360pt"
    assert "dc:date" not in text
    assert "Matplotlib" not in text


@pytest.mark.parametrize("plot", PLOTS)
def test_equal_input_gives_equal_bytes_whatever_the_settings_of_matplotlib(plot: Plot) -> None:
    first = plots.to_svg(plot(HIGHEST, LOWEST))
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "none", "svg.hashsalt": None, "axes.facecolor": "red"}):
        figure = plot(HIGHEST, LOWEST)
        assert mpl.rcParams["font.size"] == 30
        assert plots.to_svg(figure) == first


def test_pyplot_and_its_state_stay_away() -> None:
    code = (
        "import sys; from lipaccord.report import plots; plots.to_svg(plots.det([1.0], [0.0])); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


@pytest.mark.parametrize("plot", PLOTS)
def test_names_and_titles_are_text(plot: Plot) -> None:
    title = "$x^$ </title><script>--> &amp;"
    figure = plot(HIGHEST, LOWEST, names=("$\\frac$", "_\x1b[1m\u4e2d"), title=title)
    said = [*legend(figure), *(axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes)]
    assert said[0] == "$\\frac$: 4 clips; _\\x1b[1m\\u4e2d: 5 clips"
    root = ET.fromstring(plots.to_svg(figure))
    assert root.findtext(f"{SVG}title") == title
    assert not root.findall(f".//{SVG}script")


@pytest.mark.parametrize("plot", PLOTS)
def test_long_names_and_titles_are_cut_to_the_room_there_is(plot: Plot) -> None:
    weights = {side: values * 300 for side, values in BOTH_HEAVY.items()}
    figure = plot(HIGHEST * 300, LOWEST * 300, names=("W" * 300, "M" * 300), title="W" * 300, **weights)
    plots.to_svg(figure)
    texts = [*figure.legends[0].get_texts(), figure.legends[0].get_title(), *figure.texts]
    assert max(text.get_window_extent().x1 for text in texts) <= figure.bbox.x1
    assert figure.get_suptitle().endswith("W\N{HORIZONTAL ELLIPSIS}")
    assert legend(figure)[0].endswith("M\N{HORIZONTAL ELLIPSIS}: 1500 clips (weighted)")


def test_a_name_written_from_the_right_leaves_the_text_around_it_as_it_is() -> None:
    name = "\u0632\u064a\u0641"
    mark = "\N{LEFT-TO-RIGHT MARK}"
    assert legend(plots.tippett(HIGHEST, LOWEST, names=(name, "b")))[1].startswith(f"{mark}{name}{mark}: 25.0% ")


def test_a_single_clip_is_not_clips() -> None:
    assert legend(plots.ece([1.0], [0.0, -1.0], names=("a", "b")))[0] == "a: 1 clip; b: 2 clips"


@pytest.mark.parametrize("plot", PLOTS)
def test_clips_of_weight_zero_are_left_out(plot: Plot) -> None:
    more = plot([*HIGHEST, -9.0], LOWEST, positive_weights=[1, 1, 1, 1, 0])
    assert plots.to_svg(more) == plots.to_svg(plot(HIGHEST, LOWEST))


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize(
    ("positives", "weights", "words"),
    [
        ([], None, "positives must be a non-empty list of finite scores"),
        ([np.inf], None, "positives must be a non-empty list of finite scores"),
        ([1.0], [1.0, 2.0], "positive_weights must be as many as the scores"),
    ],
)
def test_what_cannot_be_drawn_is_refused(plot: Plot, positives: Any, weights: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plot(positives, [0.0], positive_weights=weights)


def test_tippett_shows_the_share_with_a_greater_lr() -> None:
    figure = plots.tippett(HIGHEST, LOWEST, bounds=(-2.0, 2.0), names=("a", "b"), **BOTH_HEAVY)
    x, y = points(figure, 1)
    assert x[1:-1].tolist() == sorted(HIGHEST)
    assert y.tolist() == pytest.approx([100.0, 40.0, 30.0, 10.0, 0.0, 0.0])
    assert figure.axes[0].lines[1].get_drawstyle() == "steps-post"
    assert points(figure, 2)[1].tolist() == [100.0, 87.5, 75.0, 50.0, 37.5, 0.0, 0.0]
    assert [points(figure, line)[0].tolist() for line in (0, 3, 4)] == [[0.0, 0.0], [-2.0, -2.0], [2.0, 2.0]]
    assert legend(figure) == [
        "a: 4 clips; b: 5 clips (weighted)",
        "a: 60.0% misleading (LR < 1)",
        "b: 37.5% misleading (LR > 1)",
        "bounds: log\u2081\u2080 LR from \u22122.00 to +2.00",
    ]


def test_an_lr_of_one_misleads_nobody_and_a_small_rate_is_not_zero() -> None:
    figure = plots.tippett([0.0, 1.0], [0.0, 1.0], names=("a", "b"), negative_weights=[9999, 1])
    assert legend(figure)[1:] == ["a: 0.0% misleading (LR < 1)", "b: <0.1% misleading (LR > 1)"]


def test_the_classes_differ_in_line_style_too() -> None:
    _, first, second = plots.tippett(HIGHEST, LOWEST).axes[0].lines
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")
    assert (first.get_color(), second.get_color()) == (plots.VERMILLION, plots.BLUE)


def test_ece_is_that_of_the_metrics_and_the_neutral_system_costs_one_bit_at_even_odds() -> None:
    figure = plots.ece(HIGHEST, LOWEST, **BOTH_HEAVY)
    odds, given = points(figure, 1)
    assert (odds[0], odds[-1]) == (-2.5, 2.5)
    np.testing.assert_array_equal(given, metrics.ece(HIGHEST, LOWEST, odds, **BOTH_HEAVY))
    least = metrics.ece(*metrics.pav_log10_lrs(HIGHEST, LOWEST, **BOTH_HEAVY), odds, **BOTH_HEAVY)
    np.testing.assert_array_equal(points(figure, 2)[1], least)
    prior = 1 / (1 + 10**-odds)
    entropy = -prior * np.log2(prior) - (1 - prior) * np.log2(1 - prior)
    np.testing.assert_allclose(points(figure, 3)[1], entropy, atol=1e-12)
    costs = metrics.cllr(HIGHEST, LOWEST, **BOTH_HEAVY), metrics.cllr_min(HIGHEST, LOWEST, **BOTH_HEAVY)
    assert legend(figure)[1:3] == [
        f"LRs as given: {costs[0]:.3f} bits at even odds (Cllr)",
        f"after PAV: {costs[1]:.3f} bits at even odds (least Cllr)",
    ]


def test_reliability_sets_pav_against_what_was_given() -> None:
    figure = plots.reliability(HIGHEST, LOWEST)
    # From below: three negatives, both classes in turn from -0.6 to 0.8, two positives.
    given, backed = points(figure, 1)
    assert given.tolist() == [-0.6, 0.8]
    np.testing.assert_allclose(backed, np.log10(5 / 4))
    low, high = points(figure, 0)[0]
    assert low < -2.0
    assert high > 2.0
    assert points(figure, 0)[1].tolist() == [low, high]
    below, above = points(figure, 2), points(figure, 3)
    assert below[0].tolist() == [-2.0, -0.9]
    assert above[0].tolist() == [1.2, 2.0]
    axes = figure.axes[0]
    ticks = {label.get_text(): place for label, place in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert set(below[1]) == {ticks["\u2212\u221e"]}
    assert set(above[1]) == {ticks["+\u221e"]}
    assert below[1][0] < low
    assert above[1][0] > high


def test_reliability_marks_corners_while_they_are_few() -> None:
    few, many = (plots.reliability(*CASES[case]).axes[0].lines[1] for case in ("overlapping", "many clips"))
    assert (few.get_marker(), many.get_marker()) == ("o", "None")


def test_lrs_that_differ_by_rounding_are_not_stretched_over_the_plot() -> None:
    left, right = plots.reliability(*CASES["equal but for rounding"]).axes[0].get_xlim()
    assert (left, right) == pytest.approx((4.0, 6.0))


def test_reliability_counts_the_clips_in_bins() -> None:
    figure = plots.reliability([1.0] * 9, [0.0, *[-1.0] * 16])
    upper, lower = (patch.get_data()[0] for patch in figure.axes[1].patches if isinstance(patch, StepPatch))
    assert upper.tolist().count(3.0) == 1
    assert upper.sum() == 3.0
    assert sorted(set(lower)) == [-4.0, -1.0, 0.0]
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["16", "0", "16"]


def test_det_steps_on_normal_deviates_and_marks_the_eer() -> None:
    positives, negatives = np.arange(10) + 0.5, np.append(np.arange(-17.0, 2.0), 3.0)
    figure = plots.det(positives, negatives, names=("a", "b"))
    x, y = points(figure, 1)
    assert not ((np.diff(x) != 0) & (np.diff(y) != 0)).any()
    corners = set(zip(x.round(9).tolist(), y.round(9).tolist(), strict=True))
    assert {(ndtri(0.1).round(9), ndtri(0.1).round(9)), (ndtri(0.05).round(9), ndtri(0.3).round(9))} <= corners
    rate = metrics.eer(positives, negatives)
    assert points(figure, 3)[0] == points(figure, 3)[1] == pytest.approx(ndtri(rate))
    assert legend(figure)[0] == "a: 10 clips; b: 20 clips"
    assert legend(figure)[3] == f"equal error rate (EER) {100 * rate:.1f}%, on the convex hull"


def test_det_puts_a_rate_of_zero_at_half_the_smallest_shown() -> None:
    figure = plots.det([-0.5, *[1.0] * 9], [*[-1.0] * 19, 0.5], names=("a", "b"))
    x, y = points(figure, 1)
    assert x.min() == y.min() == pytest.approx(ndtri(0.025))
    axes = figure.axes[0]
    assert (axes.get_xticks()[0], axes.get_xticklabels()[0].get_text()) == (x.min(), "0")
    assert axes.get_xlabel() == "False alarms: b flagged (%)\nboth scales: normal deviates, 0 and 100 put at the edges"
    assert axes.get_xlim()[0] < x.min()
    assert axes.get_xlim()[1] < 0.2


def test_det_names_no_zero_where_none_is_in_sight() -> None:
    axes = plots.det(normal(2000, 0.9, 7), normal(2000, -0.9, 8)).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()][-2:] == ["20", "40"]
    assert axes.get_xlabel().endswith("both scales: normal deviates")


def test_the_eer_lies_on_the_hull_that_is_drawn() -> None:
    figure = plots.det(*CASES["overlapping"])
    x, y = points(figure, 2)
    crossing = np.interp(0.0, x - y, x) if (np.diff(x - y) >= 0).all() else np.interp(0.0, (y - x), x)
    assert crossing == pytest.approx(points(figure, 3)[0][0], abs=0.01)


def test_ties_are_joined_as_thresholds_drawn_by_lot() -> None:
    figure = plots.det([0.0] * 30, [0.0] * 50)
    x, y = points(figure, 1)
    np.testing.assert_allclose(x, -y, atol=1e-9)
    assert len(x) > 50
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "20", "50", "80", "100"]


def test_a_plot_is_written_whole(tmp_path: Path) -> None:
    figure = plots.ece(HIGHEST, LOWEST)
    plots.write_svg(tmp_path / "ece.svg", figure)
    assert (tmp_path / "ece.svg").read_bytes() == plots.to_svg(figure).encode()
    with pytest.raises(FileNotFoundError):
        plots.write_svg(tmp_path / "missing" / "ece.svg", figure)
