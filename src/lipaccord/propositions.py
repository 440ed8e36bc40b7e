"""The two propositions of each finding, and a likelihood ratio in words.

A likelihood ratio says how much more probable what was measured is if the first proposition is true than if the second
is. It is not the probability of either: that takes what else is known of the clip.

Source: ENFSI Guideline for Evaluative Reporting in Forensic Science, 2015: two propositions, stated with the ratio,
and a verbal scale beside the number, never in its place. The table is the guideline's example of such a scale. It has
no word for ratios between 1 and 2; here they count as no support.

Conventions: ratios are log10; above zero they speak for the suspicious proposition.
"""

from __future__ import annotations

from dataclasses import dataclass

from lipaccord.records import FindingName

ENFSI_SCALE: tuple[tuple[float, str], ...] = (
    (2, "weak support"),
    (10, "moderate support"),
    (100, "moderately strong support"),
    (1_000, "strong support"),
    (10_000, "very strong support"),
    (1_000_000, "extremely strong support"),
)
"""From which ratio on each expression holds."""

ROUNDING = 1e-9  # of log10: a ratio that lies on a step belongs to the upper expression


@dataclass(frozen=True, slots=True)
class Propositions:
    """What a likelihood ratio compares.

    Attributes
    ----------
    suspicious, innocent : str
        Whole clauses, as they are printed.
    short : str
        Both in a few words.
    """

    suspicious: str
    innocent: str
    short: str


PROPOSITIONS: dict[FindingName, Propositions] = {
    "sync": Propositions(
        "this sound was not recorded together with this mouth",
        "this sound was recorded together with this mouth, early or late by up to the offsets examined",
        "sound and mouth recorded apart, against together",
    ),
    "resynthesis": Propositions(
        "the lower face was painted by a machine after it was recorded",
        "the lower face is as the camera recorded it, encoded any number of times",
        "lower face synthesised, against camera original",
    ),
}


def verbal(log10_lr: float) -> str:
    """Return the expression of the ENFSI scale for a ratio, without its direction."""
    words = "no support for either proposition"
    for lowest, expression in ENFSI_SCALE:
        if 10.0 ** (abs(log10_lr) + ROUNDING) >= lowest:
            words = expression
    return words


def ratio_in_words(log10_lr: float) -> str:
    """Say a ratio as a multiple: 12 times, or 1 / 12."""
    times = 10.0 ** abs(log10_lr)
    text = f"{float(f'{times:.2g}'):,.12g}"
    return text if log10_lr >= 0 else f"1/{text}"


def in_words(name: FindingName, log10_lr: float) -> str:
    """Say which proposition a ratio supports, and how much."""
    pair, support = PROPOSITIONS[name], verbal(log10_lr)
    if support.startswith("no "):
        return support
    supported = pair.suspicious if log10_lr > 0 else pair.innocent
    return f"{support} for: {supported}"


def expectation(log10_lr: float, reaching: tuple[float, float], groups: tuple[int, int], base_rate: float) -> str:
    """Say what a likelihood ratio means where a share of all clips is altered, in expected numbers.

    Parameters
    ----------
    log10_lr : float
    reaching : tuple of float
        Shares of the altered and of the other calibration clips that reach this ratio.
    groups : tuple of int
        People or sources behind these shares; the other clips' share is taken with one more who reaches it, since none
        among a few does not mean none.
    base_rate : float
        Share of clips that are altered, between 0 and 1.
    """
    clips = 10_000
    hits = reaching[0] * base_rate * clips
    alarms = (reaching[1] * groups[1] + 1) / (groups[1] + 1) * (1 - base_rate) * clips
    odds = base_rate / (1 - base_rate) * 10.0**log10_lr
    return (
        f"If {_share(base_rate)} clips is altered, this ratio makes it {_share(odds / (1 + odds))} for clips like this "
        f"one. Among {clips:,} clips, {base_rate * clips:,.0f} of them altered, about {hits:,.0f} altered and up to "
        f"{alarms:,.0f} other clips would reach it, judging by {groups[0]} and {groups[1]} people or sources."
    )


def flagged_in_words(hits: float, alarms: float, groups: int, base_rate: float) -> str:
    """Say how many of many clips would be flagged where a share of them is altered.

    Parameters
    ----------
    hits, alarms : float
        Shares of altered and of other clips that were flagged.
    groups : int
        People or sources of the other clips; one more is taken to be flagged: none among a few does not mean none.
    base_rate : float
        Share of clips that are altered, between 0 and 1.
    """
    clips = 10_000
    found, altered = hits * base_rate * clips, base_rate * clips
    wrong, worst = (share * (1 - base_rate) * clips for share in (alarms, (alarms * groups + 1) / (groups + 1)))
    return (
        f"If {_share(base_rate)} clips is altered: of {clips:,} clips, about {found:,.1f} of {altered:,.0f} altered "
        f"ones would be flagged, and {wrong:,.0f} others (up to {worst:,.0f}, judging by {groups} people or sources)."
    )


def _share(probability: float) -> str:
    """Say a probability as 1 in so many."""
    rarer = min(probability, 1 - probability)
    many = round(1 / rarer, 0 if rarer < 0.1 else 1)
    return f"{'all but ' if probability > 0.5 else ''}1 in {many:,.12g}"
