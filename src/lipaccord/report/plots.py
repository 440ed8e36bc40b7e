"""The plots of a forensic evaluation of likelihood ratios, as SVG that looks the same everywhere.

Tippett plot (Evett and Buckleton, Advances in Forensic Haemogenetics 6, 1996); empirical cross-entropy (Ramos and
Gonzalez-Rodriguez, Forensic Science International 230, 2013); reliability as the calibration by pooling adjacent
violators against the LR as given (Bruemmer and du Preez, Computer Speech and Language 20, 2006); detection error
trade-off (Martin et al., Eurospeech 1997).

Conventions: `positives` are the finite log10 LRs of the class for which a larger LR speaks, `negatives` those of the
other; weights say how often a clip counts, and a clip of weight zero is left out. Nothing is smoothed. The classes
differ in line style as well as in colour (Okabe and Ito). Text is drawn as outlines, so that no font is needed; names
and titles come from outside and are shown as they are, cut where they are too long, with an escape for what the font
lacks. Equal input gives equal bytes. The style of matplotlib is set while a function runs: one thread at a time.
"""

from __future__ import annotations

import io
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from scipy.special import ndtri

from lipaccord import metrics
from lipaccord.files import write_text
from lipaccord.metrics import Scores, Values
from lipaccord.report.wording import plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.patches import StepPatch

LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT MARK}"
NAMES = ("suspicious", "other")
FONT_SIZE = 9.0
FONT = FontProperties(family="DejaVu Sans", size=FONT_SIZE)
TITLE_FONT = FontProperties(family="DejaVu Sans", size=FONT_SIZE + 2, weight="bold")
"""Fonts that are part of matplotlib."""
WIDTH_IN = 5.0
"""480 pixels of a web page."""
NAME_WIDTH, LINE_WIDTH = 105.0, 340.0
"""Room for a class's name and for a whole line, in points of 1/72 inch."""
MARKED_CORNERS = 60
"""Where PAV has more corners than this, they are not marked one by one."""

BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#595959"
POSITIVE_LINE: dict[str, Any] = {"color": VERMILLION, "linestyle": "-", "linewidth": 1.8}
NEGATIVE_LINE: dict[str, Any] = {"color": BLUE, "linestyle": (0, (5, 2)), "linewidth": 1.8}
GIVEN_LINE: dict[str, Any] = {"color": "black", "linestyle": "-", "linewidth": 1.8}
PAV_LINE: dict[str, Any] = {"color": GREEN, "linestyle": (0, (5, 2)), "linewidth": 1.8}
REFERENCE_LINE: dict[str, Any] = {"color": GREY, "linestyle": (0, (1, 1.5)), "linewidth": 1.2}
THIN_LINE: dict[str, Any] = {"color": "black", "linewidth": 0.8}
BEYOND: dict[str, Any] = {"facecolor": "#EFEFEF", "edgecolor": "none", "zorder": 0}
"""What lies beyond the end of a scale: infinite LRs, rates of zero."""

PRIOR_LOG10_ODDS = np.linspace(-2.5, 2.5, 101)
BINS = 25
TICKS = (0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
WHOLE_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999, 0.9999)
"""Rates to name on a scale of normal deviates, for the lower half and for the whole."""
SMALLEST_RATE, LEAST_SPREAD = 1e-9, 1e-6
"""A rate, and a difference of log10 LRs; what is below is rounding."""
POOR_EER = 0.25
"""From this EER on the whole trade-off is shown, below it the half in which both rates are low."""

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": FONT_SIZE,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.dpi": 72,  # that of the SVG
    "font.family": FONT.get_family(),
    "font.size": FONT_SIZE,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "path.simplify_threshold": 0.4,  # of a point; keeps the plots of many thousand clips small
    "svg.fonttype": "path",
    "svg.hashsalt": "lipaccord",
    "text.parse_math": False,
    "xtick.labelsize": FONT_SIZE - 0.5,
    "ytick.labelsize": FONT_SIZE - 0.5,
}


@dataclass(frozen=True, slots=True)
class _Classes:
    """Both classes, checked, without the clips that do not count."""

    positives: Values
    negatives: Values
    positive_weights: Values
    negative_weights: Values
    positive_name: str
    negative_name: str

    @property
    def lrs(self) -> tuple[Values, Values]:
        return self.positives, self.negatives

    @property
    def weights(self) -> dict[str, Values]:
        return {"positive_weights": self.positive_weights, "negative_weights": self.negative_weights}

    @property
    def counts(self) -> str:
        """How many clips there are of each class, in words."""
        both = self.positive_weights, self.negative_weights
        weighted = " (weighted)" if any(np.ptp(weights) for weights in both) else ""
        many, few = (f"{len(weights)} clip{'s' * (len(weights) != 1)}" for weights in both)
        parts = f"{self.positive_name}: {many};", f"{self.negative_name}: {few}{weighted}"
        return (" " if _width(" ".join(parts), FONT) <= LINE_WIDTH else "\n").join(parts)

    def limits(self, *further: float) -> tuple[float, float]:
        """Return limits that show every LR, and what else is named, with a margin."""
        shown = np.concatenate([self.positives, self.negatives, further])
        spread = float(np.ptp(shown))
        margin = 0.06 * spread if spread > LEAST_SPREAD else 1.0
        return float(shown.min()) - margin, float(shown.max()) + margin


def _classes(
    positives: Scores,
    negatives: Scores,
    positive_weights: Scores | None,
    negative_weights: Scores | None,
    names: tuple[str, str],
) -> _Classes:
    # Whatever is wrong with the input, the error rates refuse it in words.
    metrics.error_rates(positives, negatives, positive_weights=positive_weights, negative_weights=negative_weights)
    high, low = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    heavy = np.ones_like(high) if positive_weights is None else np.asarray(positive_weights, np.float64)
    light = np.ones_like(low) if negative_weights is None else np.asarray(negative_weights, np.float64)
    first, second = (_shown(name, NAME_WIDTH, FONT) for name in names)
    return _Classes(high[heavy > 0], low[light > 0], heavy[heavy > 0], light[light > 0], first, second)


@contextmanager
def _styled() -> Iterator[None]:
    """Draw in this module's style, whatever the user's own settings of matplotlib are."""
    with style.context(["default", STYLE]):
        yield


def _width(text: str, font: FontProperties) -> float:
    """Return the width of a line in points."""
    width: float = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return width


def _shown(text: str, width: float, font: FontProperties) -> str:
    """Return `text` in characters that the font has, cut to `width` points; the text around it keeps its direction."""
    known = get_font(findfont(font)).get_charmap()
    text = "".join(
        char if ord(char) in known else char.encode("unicode_escape").decode("ascii") for char in plain(text)
    )
    fitting = bisect_right(range(len(text) + 1), width, key=lambda length: _width(text[:length], font)) - 1
    if fitting < len(text):
        text = text[: fitting - 1] + "\N{HORIZONTAL ELLIPSIS}"
    turned = any(unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text)
    return f"{LEFT_TO_RIGHT}{text}{LEFT_TO_RIGHT}" if turned else text


def _percent(rate: float) -> str:
    return "<0.1%" if 0 < rate < 0.0005 else f"{100 * rate:.1f}%"


def _signed(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _figure(height: float, title: str) -> Figure:
    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    shown = _shown(title, LINE_WIDTH, TITLE_FONT)
    figure.suptitle(shown, x=0.02, horizontalalignment="left", fontproperties=TITLE_FONT)
    return figure


def _finish(figure: Figure, classes: _Classes, entries: Sequence[tuple[Artist, str]]) -> None:
    """Set the legend below the plot and lay everything out, once: a second time would move it by a hair."""
    handles, labels = zip(*entries, strict=True)
    figure.legend(handles, labels, loc="outside lower left", title=classes.counts, alignment="left")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _speaks_for(classes: _Classes) -> str:
    return f"log\u2081\u2080 LR (above 0: speaks for {classes.positive_name})"


def tippett(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
    names: tuple[str, str] = NAMES,
    bounds: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Show which share of each class has a log10 LR greater than x, and the rates of misleading evidence.

    Parameters
    ----------
    positives, negatives : list of float
        log10 LRs, finite.
    positive_weights, negative_weights : list of float, optional
        How often each clip counts.
    names : tuple of str
        What the two classes are called.
    bounds : tuple of float, optional
        Lowest and highest log10 LR that the calibration can give.
    title : str, optional

    Raises
    ------
    ValueError
        A class is empty, an LR is not finite, or weights do not fit.
    """
    classes = _classes(positives, negatives, positive_weights, negative_weights, names)
    with _styled():
        figure = _figure(4.1, title or "Tippett plot")
        axes = figure.add_subplot()
        left, right = classes.limits(0.0, *(bounds or ()))
        axes.axvline(0.0, **THIN_LINE)
        entries: list[tuple[Artist, str]] = []
        for lrs, weights, name, line, side in (
            (classes.positives, classes.positive_weights, classes.positive_name, POSITIVE_LINE, -1),
            (classes.negatives, classes.negative_weights, classes.negative_name, NEGATIVE_LINE, 1),
        ):
            steps, shares = _exceeding(lrs, weights)
            x, y = [left, *steps, right], 100 * np.array([1.0, *shares, 0.0])
            (curve,) = axes.plot(x, y, drawstyle="steps-post", **line)
            misleading = float(np.average(side * lrs > 0, weights=weights))
            entries.append((curve, f"{name}: {_percent(misleading)} misleading (LR {'<' if side < 0 else '>'} 1)"))
        if bounds is not None:
            ends = [axes.axvline(bound, **REFERENCE_LINE) for bound in bounds]
            lower, upper = (_signed(f"{bound:+.2f}") for bound in bounds)
            entries.append((ends[0], f"bounds: log\u2081\u2080 LR from {lower} to {upper}"))
        axes.set(xlim=(left, right), ylim=(-2, 102), xlabel=_speaks_for(classes))
        axes.set_ylabel("Share of clips with a greater LR (%)")
        _finish(figure, classes, entries)
    return figure


def _exceeding(lrs: Values, weights: Values) -> tuple[Values, Values]:
    """Return the different LRs, from the lowest, and which share is greater than each."""
    steps, place = np.unique(lrs, return_inverse=True)
    shares = 1 - np.cumsum(np.bincount(place, weights)) / weights.sum()
    shares[-1] = 0.0
    return steps, shares


def ece(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
    names: tuple[str, str] = NAMES,
    title: str | None = None,
) -> Figure:
    """Show the empirical cross-entropy against prior odds: of the LRs, after PAV, and of "LR = 1, always".

    The parameters and errors are those of `tippett`.
    """
    classes = _classes(positives, negatives, positive_weights, negative_weights, names)
    pav = metrics.pav_log10_lrs(*classes.lrs, **classes.weights)
    lines: tuple[tuple[str, tuple[Values, Values], dict[str, Values], dict[str, Any]], ...] = (
        ("LRs as given: {:.3f} bits at even odds (Cllr)", classes.lrs, classes.weights, GIVEN_LINE),
        ("after PAV: {:.3f} bits at even odds (least Cllr)", pav, classes.weights, PAV_LINE),
        ("neutral: LR = 1 for every clip", (np.zeros(1), np.zeros(1)), {}, REFERENCE_LINE),
    )
    with _styled():
        figure = _figure(4.1, title or "Empirical cross-entropy")
        axes = figure.add_subplot()
        axes.axvline(0.0, **THIN_LINE)
        entries: list[tuple[Artist, str]] = []
        for label, lrs, weights, line in lines:
            (curve,) = axes.plot(PRIOR_LOG10_ODDS, metrics.ece(*lrs, PRIOR_LOG10_ODDS, **weights), **line)
            entries.append((curve, label.format(metrics.ece(*lrs, [0.0], **weights)[0])))
        axes.set(xlim=PRIOR_LOG10_ODDS[[0, -1]], ylabel="Empirical cross-entropy (bits)")
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel(f"log\u2081\u2080 of the prior odds (above 0: {classes.positive_name})")
        _finish(figure, classes, entries)
    return figure


def reliability(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
    names: tuple[str, str] = NAMES,
    title: str | None = None,
) -> Figure:
    """Show the log10 LR that the clips themselves support (after PAV) against the one given, and where clips lie.

    The parameters and errors are those of `tippett`. PAV is infinite where only one class is met.
    """
    classes = _classes(positives, negatives, positive_weights, negative_weights, names)
    left, right = classes.limits()
    with _styled():
        figure = _figure(5.2, title or "Reliability of the LRs (PAV plot)")
        axes, strip = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        curve, identity = _pav_curve(axes, classes)
        upper, lower = _bars(strip, classes, (left, right))
        axes.set_xlim(left, right)
        axes.set_ylabel("log\u2081\u2080 LR after PAV")
        strip.set_xlabel(_speaks_for(classes))
        entries: list[tuple[Artist, str]] = [
            (curve, "what the clips support, by PAV (infinite where only one class is met)"),
            (identity, "perfectly calibrated"),
            (upper, f"{classes.positive_name}, upwards"),
            (lower, f"{classes.negative_name}, downwards"),
        ]
        _finish(figure, classes, entries)
    return figure


def _pav_curve(axes: Axes, classes: _Classes) -> tuple[Line2D, Line2D]:
    """Draw calibrated against given LRs, and the identity; infinite ones lie in bands beyond the scale."""
    given, first = np.unique(np.concatenate(classes.lrs), return_index=True)
    backed = np.concatenate(metrics.pav_log10_lrs(*classes.lrs, **classes.weights))[first]
    low, high = classes.limits(*backed[np.isfinite(backed)])
    band = 0.11 * (high - low)
    (identity,) = axes.plot([low, high], [low, high], **REFERENCE_LINE)
    marked = {**GIVEN_LINE, "marker": "o", "markersize": 3}
    there = np.isfinite(backed)
    finite = _corners(given[there], backed[there])
    (curve,) = axes.plot(*finite, **(marked if len(finite[0]) <= MARKED_CORNERS else GIVEN_LINE))
    for infinity, end, outer in ((-np.inf, low, low - band), (np.inf, high, high + band)):
        axes.axhspan(end, outer, **BEYOND)
        beyond = given[backed == infinity]
        axes.plot(*_corners(beyond, np.full_like(beyond, (end + outer) / 2)), **marked)
    inner = (low + band / 3, high - band / 3)
    ticks = [tick for tick in MaxNLocator(6, steps=(1, 2, 5)).tick_values(low, high) if inner[0] < tick < inner[1]]
    labels = [_signed(f"{tick:.6g}") for tick in ticks]
    axes.set_yticks([low - band / 2, *ticks, high + band / 2], ["\N{MINUS SIGN}\N{INFINITY}", *labels, "+\N{INFINITY}"])
    axes.set_ylim(low - band, high + band)
    return curve, identity


def _corners(x: Values, y: Values) -> tuple[Values, Values]:
    """Leave out the inner points of level stretches."""
    ends = (np.diff(y, prepend=np.nan) != 0) | (np.diff(y, append=np.nan) != 0)
    return x[ends], y[ends]


def _bars(axes: Axes, classes: _Classes, limits: tuple[float, float]) -> tuple[StepPatch, StepPatch]:
    """Draw the clips per bin, one class upwards and the other downwards; heights are square roots."""
    edges = np.linspace(*limits, BINS + 1)
    up, down = (np.histogram(lrs, edges)[0] for lrs in classes.lrs)
    most = max(up.max(), down.max())
    form: dict[str, Any] = {"fill": True, "linewidth": 0.8}
    upper = axes.stairs(np.sqrt(up), edges, facecolor=VERMILLION, edgecolor="black", **form)
    lower = axes.stairs(-np.sqrt(down), edges, facecolor="white", edgecolor=BLUE, hatch="//////", **form)
    axes.axhline(0.0, **THIN_LINE)
    axes.set_yticks([-np.sqrt(most), 0, np.sqrt(most)], [f"{most}", "0", f"{most}"])
    axes.set_ylabel("Clips a bin\n(square root)")
    return upper, lower


def det(
    positives: Scores,
    negatives: Scores,
    *,
    positive_weights: Scores | None = None,
    negative_weights: Scores | None = None,
    names: tuple[str, str] = NAMES,
    title: str | None = None,
) -> Figure:
    """Show misses against false alarms over all thresholds, on scales of normal deviates.

    The curve steps as the clips do. Where one LR is met in both classes, thresholds drawn by lot lie between, as ties
    count half. A rate of zero has no normal deviate: it stands at the edge, at half the smallest rate shown. The
    parameters and errors are those of `tippett`.
    """
    classes = _classes(positives, negatives, positive_weights, negative_weights, names)
    misses, alarms = metrics.error_rates(*classes.lrs, **classes.weights)
    equal = metrics.eer(*classes.lrs, **classes.weights)
    top = 1.0 if equal >= POOR_EER else 0.5
    edge, ticks = _deviate_scale(misses, alarms, top)
    with _styled():
        figure = _figure(5.6, title or "Detection error trade-off")
        axes = figure.add_subplot()
        axes.set_box_aspect(1)
        (diagonal,) = axes.plot(*2 * [_deviates([0.0, 1.0], edge)], **REFERENCE_LINE)
        (curve,) = axes.plot(*(_deviates(rates, edge) for rates in _joined(misses, alarms)), **GIVEN_LINE)
        (hull,) = axes.plot(*(_deviates(rates, edge) for rates in _joined(*_hull(classes))), **PAV_LINE)
        (mark,) = axes.plot(*2 * [_deviates([equal], edge)], "D", color="black", markersize=6)
        limits = _deviates([0.0, top], edge) + np.array([-0.1, 0.1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(_deviates(ticks, edge), [f"{100 * rate:g}" for rate in ticks])
        scales = "both scales: normal deviates" + (", 0 and 100 put at the edges" if 0.0 in ticks else "")
        axes.set(xlim=limits, ylim=limits, xlabel=f"False alarms: {classes.negative_name} flagged (%)\n{scales}")
        axes.set_ylabel(f"Misses: {classes.positive_name} not flagged (%)")
        entries = [
            (curve, "every threshold"),
            (hull, "convex hull (two thresholds mixed by lot)"),
            (mark, f"equal error rate (EER) {_percent(equal)}, on the convex hull"),
            (diagonal, "misses = false alarms"),
        ]
        _finish(figure, classes, entries)
    return figure


def _deviate_scale(misses: Values, alarms: Values, top: float) -> tuple[float, list[float]]:
    """Return the rate at which a scale that ends at the rate `top` begins, and the rates to name on it."""
    seen = np.concatenate([misses, alarms])[np.tile((misses <= top) & (alarms <= top), 2)]
    met, short = seen[seen > SMALLEST_RATE], 1 - seen[seen < 1 - SMALLEST_RATE]
    edge = float(np.min([*met, *short, 0.15])) / 2
    ticks = [rate for rate in (TICKS if top < 1 else WHOLE_TICKS) if 2 * edge < min(rate, 1 - rate)]
    return edge, ([0.0, *ticks, 1.0] if len(met) < len(seen) else ticks)


def _hull(classes: _Classes) -> tuple[Values, Values]:
    """Return misses and false alarms on the convex hull of the ROC: those of the thresholds between blocks of PAV."""
    backed = np.concatenate(metrics.pav_log10_lrs(*classes.lrs, **classes.weights))
    blocks = np.unique(backed, return_inverse=True)[1].astype(np.float64)
    high, low = np.split(blocks, [len(classes.positives)])
    return metrics.error_rates(high, low, **classes.weights)


def _joined(misses: Values, alarms: Values) -> tuple[Values, Values]:
    """Join operating points, as (alarms, misses), by lines straight in rates: deviates bend where both change."""
    along = np.linspace(0, 1, 101)[1:]
    x, y = [alarms[:1]], [misses[:1]]
    for (alarm, next_alarm), (miss, next_miss) in zip(pairwise(alarms), pairwise(misses), strict=True):
        share = along if alarm != next_alarm and miss != next_miss else along[-1:]
        x.append(alarm + share * (next_alarm - alarm))
        y.append(miss + share * (next_miss - miss))
    return np.concatenate(x), np.concatenate(y)


def _deviates(rates: Scores, edge: float) -> Values:
    result: Values = ndtri(np.clip(rates, edge, 1 - edge))
    return result


def to_svg(figure: Figure) -> str:
    """Return a figure of this module as a self-contained SVG: no date, no script, no font; the title as its title."""
    text = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None, "Title": figure.get_suptitle()}
    with _styled():
        figure.savefig(text, format="svg", metadata=metadata)
    return text.getvalue()


def write_svg(path: Path, figure: Figure) -> None:
    """Write a figure of this module.

    Raises
    ------
    OSError
        The file can't be written; nothing is left behind.
    """
    write_text(path, to_svg(figure))
