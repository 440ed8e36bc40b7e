"""The card of a bundle, part by part: what it was trained on, how, how well it does, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lipaccord
from lipaccord.calibration import UNSCALE, Calibration, Calibrations
from lipaccord.combination import Combination
from lipaccord.corpus import Example
from lipaccord.heldout import HeldOut
from lipaccord.propositions import PROPOSITIONS
from lipaccord.records import FindingName

LICENCES = {
    "grid_s1": "GRID corpus, speaker 1 (Cooke, Barker, Cunningham and Shao, 2006), CC BY 4.0; re-encoded",
    "arabic_news": "television news anchors, speakers unlabelled; broadcast footage, no data licence stated",
}
"""What is known of the sources by the name of their folder."""

TEMPLATE = """# Predictor `{name}`, lipaccord {version}

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


SPLICE_TEMPLATE = """# Splice networks, lipaccord {version}

Small convolutional networks that compare the lower face with the rest of the same face (scope `lower`), and the whole
face with its surroundings (scope `face`), in pairs of neighbouring frames. They were trained on authentic clips and
self-made splices of them alone (blurred, resampled, smoothed, sharpened, exchanged lower or whole faces, each beside a
control that went through the same encode), never on the output of a generator.

## Data and command

{sources}

    lipaccord train DATA --part splice --out BUNDLE{manifest} --seed {seed}

Steps for each member: {steps}; batches of 12 spliced examples with their controls. {left_out} clips were of no use (no
face for long enough). Licences are those of the folders, see the predictor's card; the manifest's clips are research
footage, most of it without a stated licence.

## Figures on what each member left out

Two members a scope, each trained without one half of the manifest's groups. Spliced against control, each clip's pairs
averaged: area under the ROC curve over all clips, and how often a clip's
splices exceed its own controls. Many splices are invisible after the encode; no network can find them.

| scope | clips | AUC | pairwise |
|---|---|---|---|
{figures}

## Limits

- It was taught by harm to pixels, not by forgeries: a generator that keeps texture, noise and motion alike is not seen.
- Beards, make-up, microphones and shallow focus make lower faces differ by themselves.
"""


def splice_card(
    sources: list[tuple[str, int]],
    left_out: int,
    figures: list[str],
    manifest: str,
    seed: int,
    steps: dict[str, int],
) -> str:
    """Write the section of the splice network; `sources` are names with their number of clips."""
    return SPLICE_TEMPLATE.format(
        version=lipaccord.__version__,
        sources="\n".join(f"- {name}: {count} clips" for name, count in sources),
        manifest=manifest,
        seed=seed,
        steps=", ".join(f"{count} ({scope})" for scope, count in steps.items()),
        left_out=left_out,
        figures="\n".join(figures),
    )


COMBINATION_TEMPLATE = """# Combination of the resynthesis cues, lipaccord {version}

A sum of what each cue says as a log10 likelihood ratio, with weights that are never negative, and of a straight line
through the {numbers} numbers behind the cues (their profile); a cue that abstains adds nothing. It was fitted on
research footage of few people and generators: it ranks, and is no calibration for casework.

## Command

    lipaccord evaluate MANIFEST --match-encodes{part} --out FOLDER
    lipaccord train FOLDER --part resynthesis --out BUNDLE

| cue | slope | intercept | weight |
|---|---|---|---|
{terms}

5 in 100 authentic clips exceed {usual:.3f}, 1 in 100 {limit:.3f} (cross-fitted).

## Figures with matched encodes

Cross-fitted by group, each method left out in turn; authentic clips went through the encode that is matched to the
method, chosen so that the forehead alone tells least. Intervals are 95%, by groups.

| score | clips | groups | AUC | EER | TPR at 5% FPR |
|---|---|---|---|---|---|
{scores}

All cues by method, left out:

| method | encode of authentic clips | clips | AUC | EER | TPR at 5% FPR | forehead alone |
|---|---|---|---|---|---|---|
{methods}
"""


def _with_interval(figures: dict[str, Any], name: str) -> str:
    if figures[name] is None:
        return "-"
    interval = figures[f"{name}_interval"]
    return f"{figures[name]:.3f}" + ("" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]")


def combination_card(
    combination: Combination,
    scores: dict[str, dict[str, Any]],
    methods: dict[str, tuple[str, dict[str, Any]]],
    control: dict[str, float | None],
    end_s: float | None,
) -> str:
    """Write the section of the combination: figures by score, and by method with its rung and the control.

    `end_s` is the second up to which clips were examined.
    """

    def cells(figures: dict[str, Any]) -> str:
        return " | ".join(_with_interval(figures, name) for name in ("auc", "eer", "tpr"))

    return COMBINATION_TEMPLATE.format(
        version=lipaccord.__version__,
        part="" if end_s is None else f" --end {end_s:g}",
        terms="\n".join(
            f"| {name} | {term.slope:.3f} | {term.intercept:.3f} | {term.weight:.3f} |"
            for name, term in combination.terms.items()
        ),
        numbers=len(combination.profile.names),
        usual=combination.usual,
        limit=combination.limit,
        scores="\n".join(
            f"| {name} | {figures['clips']} | {figures['groups']} | {cells(figures)} |"
            for name, figures in scores.items()
        ),
        methods="\n".join(
            f"| {name} | {rung} | {figures['clips']} | {cells(figures)} | "
            + ("-" if control[name] is None else f"{control[name]:.2f}")
            + " |"
            for name, (rung, figures) in methods.items()
        ),
    )


CALIBRATION_TEMPLATE = """# Calibration, lipaccord {version}

How the scores of the findings become likelihood ratios. They hold for footage like that described here, and for no
other: a laboratory that examines other footage calibrates on its own, with the same command.

## Population and figures

Cross-validated by group: every clip is judged by a calibration that has seen nothing of its group, and the choice of
the calibration is made anew each time. Every group (a person or a source video) counts once in each class, however
many clips it has. Cllr is in bits: 0 is perfect, 1 is what "LR = 1, always" costs.

{findings}
## Not for

- footage of other kinds than the population: other generators, other languages, phone and conference calls, old or
  heavily compressed material, unless it is part of the population above;
- a decision by this ratio alone: it is one piece of evidence, to be weighed with the rest;
- a ratio beyond the bounds: the number of people above backs no more.
"""

FINDING_TEMPLATE = """### {name}

*{suspicious}*, against *{innocent}*.

{p[note]}

    {p[command]}

| | suspicious | other |
|---|---|---|
| clips | {p[suspicious_clips]} | {p[innocent_clips]} |
| scores | {p[suspicious_scores]} | {p[innocent_scores]} |
| groups | {p[suspicious_groups]} | {p[innocent_groups]} |

Methods: {methods}. Conditions that it was measured under: {ranges}.

| Cllr | Cllr_min | Cllr_cal | AUC | EER | bounds of log10 LR |
|---|---|---|---|---|---|
| {f[cllr]:.3f} | {f[cllr_min]:.3f} | {loss:.3f} | {f[auc]:.3f} | {f[eer]:.3f} | {low:+.2f} to {high:+.2f} |

Chosen: {f[candidate]}. A status is claimed at a log10 LR of {claims}.

Tried, with their Cllr: {tried}.
"""


def calibration_card(made: Calibrations, refused: Mapping[FindingName, str]) -> str:
    """Write the section of the calibration: population, command, counts, figures and bounds of each finding."""
    sections = [_calibrated(name, one) for name, one in made.items()]
    sections += [f"### {name.capitalize()}\n\n{text}.\n" for name, text in refused.items()]
    return CALIBRATION_TEMPLATE.format(version=lipaccord.__version__, findings="\n".join(sections))


def _calibrated(name: FindingName, one: Calibration) -> str:
    pair, figures = PROPOSITIONS[name], one.figures
    low, high = one.decide
    claims = [f"{low:+.2f}"] if low >= one.bounds[0] else []
    claims += [f"{high:+.2f}"] if high <= one.bounds[1] else []
    limits = zip(one.margin.conditions, one.margin.low, one.margin.high, strict=True)
    return FINDING_TEMPLATE.format(
        name=name.capitalize(),
        suspicious=pair.suspicious,
        innocent=pair.innocent,
        p={"command": "(not stated)", "note": "(nothing stated)"} | one.population,
        f=figures,
        methods=", ".join(f"{method} ({count})" for method, count in one.population["methods"].items()) or "none named",
        ranges=", ".join(f"{key} from {UNSCALE[key](a):.3g} to {UNSCALE[key](b):.3g}" for key, a, b in limits)
        or "it depends on none",
        loss=figures["cllr"] - figures["cllr_min"],
        low=one.bounds[0],
        high=one.bounds[1],
        claims=" and ".join(claims) or "no ratio within the bounds",
        tried="; ".join(f"{title}: {cost:.3f}" for title, cost in figures["candidates"].items()),
    )
