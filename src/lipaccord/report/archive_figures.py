"""The figures of an archive for people: what came of its clips, what that took, and what to expect of the claims.

Conventions: as in `archive`; a share is of the clips that have an outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.text import Text

from lipaccord.propositions import ratio_in_words
from lipaccord.report.archive import OUTCOMES, print_lines
from lipaccord.report.wording import STATUS_WORDS, plain

if TYPE_CHECKING:
    from rich.console import Console

ALTERED = {"sync": "to have sound recorded apart", "resynthesis": "to be re-synthesised"}
"""What is expected where the ratio of a finding is right."""

_MOST_KINDS = 8
_SMALL = 10  # expected numbers below are told with a digit behind the point


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _clips(number: int) -> str:
    return "1 clip" if number == 1 else f"{number:,} clips"


def _about(number: float) -> str:
    """Write an expected number no more precisely than it is meant."""
    if number >= _SMALL:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 0.1 else f"{number:.1g}"


def _counts(counted: Mapping[str, int], whole: int) -> Iterator[str]:
    """Yield one line a kind, the most frequent first, and the rest together."""
    for name, number in islice(counted.items(), _MOST_KINDS):
        yield f"{number:>11,}  {_share(number, whole):>6}  {plain(name)}"
    rest = list(counted.values())[_MOST_KINDS:]
    if rest:
        yield f"{sum(rest):>11,}  {_share(sum(rest), whole):>6}  {len(rest)} more kinds"


def _findings(figures: Mapping[str, Any], settled: int) -> Iterator[str]:
    for name, finding in figures.items():
        yield f"{name}: {finding['judged']:,} clips judged, {_share(finding['judged'], settled)} of all"
        named = {STATUS_WORDS[key][0] if key in STATUS_WORDS else key: n for key, n in finding["statuses"].items()}
        yield from _counts(named, settled)


def _work(work: Mapping[str, Any], footage_s: float) -> Iterator[str]:
    footage, worked = _about(footage_s / 3600), _about(work["work_s"] / 3600)
    yield f"{footage} hours of footage examined in {worked} hours of work on a core"
    if work["footage_per_work"] is not None:
        yield (
            f"{work['footage_per_work']:.2g} hours of footage an hour and core; "
            f"{work['clips_per_core_hour']:,.0f} clips an hour and core"
        )
    if work["peak_mb"]:
        yield f"at most {work['peak_mb']:,.0f} MiB of memory a worker"
    each = "" if work["store_bytes_per_clip"] is None else f", {work['store_bytes_per_clip']:,.0f} bytes a clip"
    yield f"the store takes {work['store_bytes'] / 1e6:,.1f} MB{each}"


def _speakers(speakers: Mapping[str, Any]) -> Iterator[str]:
    for one in speakers["most"]:
        yield (
            f"{one['clips']:>11,}  {plain(one['speaker'])}: {one['examined']:,} examined, {one['claimed']:,} unrelated "
            "or re-synthesised"
        )
    if (more := speakers["number"] - len(speakers["most"])) > 0:
        yield f"and {more:,} more speakers"


def _expected(name: str, one: Mapping[str, Any], base_rate: float) -> Iterator[str]:
    """Say what to expect of one finding at a base rate."""
    judged, claimed, first = one["judged"], one["claimed"], one["first"]
    altered = ALTERED[name]
    if not judged["clips"]:
        yield f"{name}: no clip has a likelihood ratio, so nothing can be expected."
        return
    yield (
        f"{name}: {_clips(judged['clips'])} could be judged, in {judged['turns']:,} turns. Expect about "
        f"{_about(base_rate * judged['clips'])} of them {altered} by the base rate alone, "
        f"{_about(judged['altered'])} with their ratios."
    )
    named = STATUS_WORDS[one["claim"]][0]
    if claimed["clips"]:
        yield (
            f"Claimed ({named}) of {_clips(claimed['clips'])}: expect about {_about(claimed['altered'])} of these "
            f"{altered}, and {_about(claimed['authentic'])} not."
        )
    else:
        yield f"Claimed ({named}) of none."
    if first["clips"]:
        yield (
            f"Of the first {one['ranked']:,} in the ranking, {first['clips']:,} could be judged: expect about "
            f"{_about(first['altered'])} of these {altered}, and {_about(first['authentic'])} not."
        )
    if (false := one["false_claims"]) is not None:
        yield (
            f"{false['share']:.1%} of the calibration's authentic clips reach the ratio of the weakest claim (LR "
            f"{ratio_in_words(false['log10_lr'])}): so may about {_about(false['turns'])} authentic turns here, up "
            f"to {_about(false['turns_at_most'])} judging by {false['groups']:,} people or sources. "
            f"{one['claims']:,} turns were claimed."
        )


def one_in(base_rate: float) -> str:
    """Say a share as 1 in so many."""
    many = 1 / base_rate
    return f"1 in {many:,.0f}" if many >= _SMALL else f"1 in {many:.3g}"


def print_figures(result: Mapping[str, Any], console: Console) -> None:
    """Print the figures of an archive.

    Parameters
    ----------
    result : mapping
        As ``lipaccord archive stats --json`` writes it.
    console : rich.console.Console

    Raises
    ------
    OSError
        The stream of the console can't be written.
    """
    method, statuses = result["method"], result["statuses"]
    settled = result["clips"] - statuses["waiting"]
    named = {OUTCOMES[name]: number for name, number in statuses.items() if number}
    console.print(Text(plain(f"{result['clips']:,} clips; method {method['digest']} (bundle {method['bundle']})")))
    print_lines(console, "What came of them", _counts(named, result["clips"]))
    print_lines(console, "Findings", _findings(result["findings"], settled))
    print_lines(
        console, "Why clips, or one of the findings, could not be examined", _counts(_words(result["reasons"]), settled)
    )
    print_lines(console, "Errors", _counts(result["errors"], settled))
    print_lines(console, "Speakers", _speakers(result["speakers"]))
    print_lines(console, "Decisions", _counts(result["decisions"], sum(result["decisions"].values())))
    print_lines(console, "Work", _work(result["work"], result["footage_s"]))
    if result["expected"] is None:
        return
    rate = result["base_rate"]
    lines = (line for name, one in result["expected"].items() for line in _expected(name, one, rate))
    print_lines(console, f"If {one_in(rate)} clips is altered", lines)
    console.print(
        "These numbers hold as far as the calibration does for this footage; where base rate and ratios tell very "
        "different numbers, one of the two does not fit it. An altered recording may be so in one turn only: a clip "
        "counts with the mean ratio of its turns, which needs no turn to be independent of the others, and every turn "
        "is one more chance of a false claim.",
        style="dim",
    )


def _words(counted: Mapping[str, int]) -> dict[str, int]:
    return {name.replace("_", " "): number for name, number in counted.items()}
