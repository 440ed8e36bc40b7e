"""What the page shows of a clip beside its source: figures, the curve over time, and pictures, as plain values.

Conventions: multiples are of what the encodes explain; times are on the clock of the clip.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lipaccord.report.binding import data_url
from lipaccord.report.drawing import lines, packed, strip
from lipaccord.source.exhibit import Exhibit
from lipaccord.source.framed import Framed, jpeg
from lipaccord.source.framing import HEIGHT, WIDTH
from lipaccord.source.laying import GREY, HEAT_FULL, HEAT_WEIGHT, heat_colours

STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # of the scale, in multiples
LEAST_END = 10  # of the scale
WITHIN = (-0.15, 0.72)  # log10 of the multiples that the plot shows at least
LAST_S = 0.04  # that the last moment lasts
KIND = "image/jpeg"


def times(log10: float) -> str:
    """Say a multiple."""
    return f"{10**log10:.1f} times"


def span(start_s: float, end_s: float) -> str:
    """Say from when to when."""
    return f"{start_s:.2f} to {end_s:.2f} s"


def _scale(made: Exhibit) -> dict[str, Any] | None:
    """Lay the statistic and the limit on a scale of multiples from -100 to 100."""
    if made.statistic is None:
        return None
    end = next((step for step in STEPS if step >= max(LEAST_END, 10**made.statistic)), STEPS[-1])

    def place(log10: float) -> float:
        return round(min(100.0, max(-100.0, 200 * log10 / math.log10(end) - 100)), 2)

    return {
        "marker": place(made.statistic),
        "limit": place(made.limit),
        "ticks": [(place(math.log10(step)), f"{step}\u00d7") for step in STEPS if step <= end],
        "statistic": times(made.statistic),
        "copies": times(made.limit),
    }


def told_beside(made: Exhibit) -> dict[str, Any]:
    """Say in words and figures how the two differ, laid over each other."""
    facts = made.registration
    rows = [("Face that is shown", f"{made.face}, of {made.faces} looked at")] if made.face else []
    if made.statistic is not None:
        rows.append(("Lower face against upper face", f"{times(made.statistic)} as much, in the second with the most"))
        rows.append(("Unaltered copies", f"{made.copies} tried; none above {times(made.limit)}"))
    if made.p is not None:
        rows.append(("p", f"{made.p:.2g}: so often unaltered copies as long as this give as much, or more"))
    if facts:
        rows.append(("Frames laid over each other", f"{facts['frames_registered']} of {facts['frames_paired']}"))
        rows.append(("Of these, altered", f"{made.share_altered:.0%}"))
    if facts and facts["correlation"] is not None:
        rows.append(("Agreement above the mouth", f"correlation {facts['correlation']:.4f}, median"))
        eyes = f"{facts['eyes_px']:.0f} pixels in the clip, {facts['source_eyes_px']:.0f} in the recording"
        rows.append(("Between the eyes", eyes))
    if facts and facts["frames_drawn_over"]:
        rows.append(("Frames with something drawn over", str(facts["frames_drawn_over"])))
    return {
        "scale": _scale(made),
        "rows": rows,
        "stretches": [
            {"start": one.start_s, "end": one.end_s, "when": span(one.start_s, one.end_s)} for one in made.segments
        ],
    }


def _curves(made: Exhibit) -> dict[str, Any]:
    """Return the plot over time: the lower face as it was judged, and the upper one."""
    series = {one.name.removeprefix("source."): one for one in made.series}
    both = {"lower": series["lower_near"].values, "upper": series["upper"].values}
    note = (
        "Solid: the lower face against the upper one, over each frame and its neighbours. Dashed: the upper face "
        "against what lies round the head. Both with what an encode explains taken off: 1 is no difference beyond "
        "that. Dashed straight line: the limit. Shaded: altered."
    )
    curves = strip("How much the face differs", "times as much", note, lines(series["lower_near"].times_s, both))
    return curves | {"levels": [made.limit], "times": True, "within": WITHIN}


def drawn_beside(made: Exhibit, row: Sequence[Framed]) -> dict[str, Any]:
    """Collect what the scripts of the page read: the curve, and the moments with their pictures."""
    stretches = [
        {"start": one.start_s, "end": one.end_s, "when": span(one.start_s, one.end_s), "text": "altered"}
        for one in made.segments
    ]
    every = heat_colours(np.arange(256, dtype=np.uint8)[None])
    return {
        "frames": packed([one.time_s for one in row], "<f8"),
        "end": row[-1].time_s + LAST_S,
        "speech": [],
        "marked": [[one["start"], one["end"]] for one in stretches],
        "stretches": stretches,
        "strips": [_curves(made)],
        "sources": packed([one.source_s for one in row], "<f8"),
        "pictures": [
            [base64.b64encode(data).decode("ascii") for data in (one.clip, one.source, one.heat)] for one in row
        ],
        "heat": {"colours": packed(every, "u1"), "weight": HEAT_WEIGHT, "grey": GREY, "full": HEAT_FULL},
    }


def stills(made: Exhibit) -> Iterator[dict[str, Any]]:
    """Yield the pictures of the moments that differ most, for readers without scripts and for paper."""
    for one in made.pictures:
        yield {
            "time": one.time_s,
            "source": one.source_s,
            "lower": times(one.lower) if math.isfinite(one.lower) else None,
            "width": WIDTH,
            "height": HEIGHT,
            "clip_url": data_url(jpeg(one.clip), KIND),
            "source_url": data_url(jpeg(one.source), KIND),
            "heat_url": data_url(jpeg(one.heat), KIND),
        }
