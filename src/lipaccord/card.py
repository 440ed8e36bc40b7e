"""The card of a bundle: what it was trained on, how, how well it does, and what it is not for."""

from __future__ import annotations

from typing import Any

import lipaccord
from lipaccord.corpus import Example
from lipaccord.heldout import HeldOut

LICENCES = {
    "grid_s1": "GRID corpus, speaker 1 (Cooke, Barker, Cunningham and Shao, 2006), CC BY 4.0; re-encoded",
    "arabic_news": "television news anchors, speakers unlabelled; broadcast footage, no data licence stated",
}
"""What is known of the sources by the name of their folder."""

TEMPLATE = """# Bundle `{name}`, lipaccord {version}

An LSTM that predicts the mouth from the speech, with the figures that the sync finding is judged by. There is no
calibration in it: scores are raw statistics, not likelihood ratios.

## Data

| folder | clips | groups | of them held out | source and licence |
|---|---|---|---|---|
{sources}

Groups are speakers, or, where speakers are unlabelled, clusters by face and voice that rather merge two speakers than
split one. Held-out groups were used to stop the training and for the figures below, for nothing else.
{left_out} of the clips were left out (no measurable mouth for long enough).

## Command

    lipaccord train DATA --out BUNDLE --configuration {name} --seed {seed}

where DATA holds the folders above.

## Figures on held-out speakers

Right against wrong sound: each clip with its own speech and with speech of other groups, by the score of the sync
finding over lags of up to 0.4 s. The longer stretches are several clips of one group pooled. Last column:
predicted against observed, the first components.

{figures}

`paper` is the configuration of Suwajanakorn et al. (SIGGRAPH 2017): 28-D MFCC, one layer of 60 units, 200 ms of
look-ahead, 20 components.

Reference of `{name}`: the lag at which authentic clips agree best is {zero:+.0f} ms (taken as zero by the sync
finding; it is the latency of landmarks and features, and of the speakers); agreement of a mouth with its own
speech {together:.3f}, deviation between clips {deviation:.3f}; deviation with other speech {null:.3f} for one second.

## Limits

- Few speakers, studio sound, two languages, frontal faces, 25 frames a second. Other speakers, noise, small faces and
  turned heads agree less.
- Sync says whether mouth and speech belong together, never why they do not: dubbing, an off-screen voice and a
  replaced sound look alike.
- A generator that draws the mouth from the sound will agree with it: good agreement is no evidence of authenticity.
"""


def _source_rows(examples: list[Example], groups: list[str], held: set[str]) -> str:
    rows = []
    for source in sorted({example.source for example in examples}):
        mine = [group for example, group in zip(examples, groups, strict=True) if example.source == source]
        out = [group for group in mine if group in held]
        licence = LICENCES.get(source, "not stated")
        rows.append(f"| {source} | {len(mine)} | {len(set(mine))} | {len(out)} ({len(set(out))} groups) | {licence} |")
    return "\n".join(rows)


def _figure_head(figures: HeldOut) -> str:
    lengths = (f"{telling.seconds:.1f} s" for telling in (figures.single, figures.pooled))
    cells = ["configuration", "best steps", *(f"{name} {length}" for length in lengths for name in ("AUC", "EER"))]
    return f"| {' | '.join(cells)} | correlation |\n|{'---|' * 7}\n"


def _figure_row(name: str, figures: HeldOut, steps: list[int]) -> str:
    single, pooled = figures.single, figures.pooled
    correlation = ", ".join(f"{value:.2f}" for value in figures.correlation[:4])
    best = ", ".join(str(step) for step in steps)
    return (
        f"| {name} | {len(steps)}: {best} | {single.auc:.3f} | {single.eer:.3f} "
        f"| {pooled.auc:.3f} | {pooled.eer:.3f} | {correlation} |"
    )


def training_card(
    name: str,
    fitted: dict[str, tuple[dict[str, Any], HeldOut, list[int]]],
    examples: list[Example],
    groups: list[str],
    held: set[str],
    left_out: list[str],
    seed: int,
) -> str:
    """Write the card of the bundle `name`, with the figures of all configurations that were fitted."""
    figures = fitted[name][1]
    return TEMPLATE.format(
        name=name,
        version=lipaccord.__version__,
        seed=seed,
        sources=_source_rows(examples, groups, held),
        left_out=len(left_out),
        figures=_figure_head(figures) + "\n".join(_figure_row(key, *value[1:]) for key, value in fitted.items()),
        zero=1000 * figures.reference.zero_s,
        together=figures.reference.together,
        deviation=figures.reference.deviation,
        null=figures.reference.null_deviation,
    )
