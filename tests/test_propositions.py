from __future__ import annotations

import math
import re
from typing import get_args

import pytest

from lipaccord.propositions import (
    ENFSI_SCALE,
    PROPOSITIONS,
    expectation,
    flagged_in_words,
    in_words,
    ratio_in_words,
    verbal,
)
from lipaccord.records import FindingName

NOTHING = "no support for either proposition"

# ENFSI Guideline for Evaluative Reporting in Forensic Science (2015): from which ratio on each expression holds.
GUIDELINE = [
    (2, "weak support"),
    (10, "moderate support"),
    (100, "moderately strong support"),
    (1_000, "strong support"),
    (10_000, "very strong support"),
    (1_000_000, "extremely strong support"),
]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("place", "step"), list(enumerate(GUIDELINE)))
def test_each_step_of_the_scale_begins_at_its_ratio(place: int, step: tuple[int, str], sign: int) -> None:
    below = GUIDELINE[place - 1][1] if place else NOTHING
    assert verbal(sign * math.log10(step[0])) == step[1]
    assert verbal(sign * math.log10(step[0] * 1.001)) == step[1]
    assert verbal(sign * math.log10(step[0] * 0.999)) == below


def test_the_scale_is_the_guidelines() -> None:
    assert list(ENFSI_SCALE) == GUIDELINE
    assert verbal(0.0) == NOTHING
    assert verbal(9.0) == verbal(-40.0) == "extremely strong support"


@pytest.mark.parametrize("digits", range(1, 7))
def test_a_kept_ratio_on_a_step_belongs_to_the_upper_expression(digits: int) -> None:
    assert verbal(float(f"{math.log10(10**digits):.7g}")) == verbal(digits + 0.01)


@pytest.mark.parametrize("name", get_args(FindingName))
def test_words_say_which_proposition_is_supported(name: FindingName) -> None:
    pair = PROPOSITIONS[name]
    assert in_words(name, 1.2) == f"moderate support for: {pair.suspicious}"
    assert in_words(name, -2.5) == f"moderately strong support for: {pair.innocent}"
    for nothing in (0.0, 0.3, -0.3):
        assert in_words(name, nothing) == NOTHING


def test_every_finding_has_two_propositions_that_claim_no_motive() -> None:
    assert set(PROPOSITIONS) == set(get_args(FindingName))
    for pair in PROPOSITIONS.values():
        text = f"{pair.suspicious} {pair.innocent} {pair.short}"
        assert pair.suspicious != pair.innocent
        assert not re.search(r"fake|probab|confiden|malicious|tamper", text, re.IGNORECASE)


@pytest.mark.parametrize(
    ("log10_lr", "text"),
    [
        (0.0, "1"),
        (math.log10(1.5), "1.5"),
        (math.log10(12), "12"),
        (-math.log10(12), "1/12"),
        (math.log10(99.7), "100"),
        (2.0, "100"),
        (math.log10(150), "150"),
        (-math.log10(640), "1/640"),
        (3.0, "1,000"),
        (6.0, "1,000,000"),
        (-4.0, "1/10,000"),
    ],
)
def test_a_ratio_is_said_as_a_multiple(log10_lr: float, text: str) -> None:
    assert ratio_in_words(log10_lr) == text


@pytest.mark.parametrize("log10_lr", [x / 20 for x in range(-80, 81)])
def test_no_ratio_is_said_with_an_exponent(log10_lr: float) -> None:
    text = ratio_in_words(log10_lr)
    assert "e" not in text
    times = float(text.removeprefix("1/").replace(",", ""))
    assert math.log10(times) == pytest.approx(abs(log10_lr), abs=0.03)


def numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def test_an_expectation_worked_out_by_hand() -> None:
    # 10 of 10,000 clips are altered; half of them reach the ratio: 5. Of the others 1% do among 99 people, so at most
    # (0.99 + 1) / 100 of 9,990: 199. Prior odds 1 to 999, times 100: 100 / 1,099, 1 in 11.
    text = expectation(2.0, (0.5, 0.01), (40, 99), 0.001)
    assert text == (
        "If 1 in 1,000 clips is altered, this ratio makes it 1 in 11 for clips like this one. Among 10,000 clips, "
        "10 of them altered, about 5 altered and up to 199 other clips would reach it, judging by 40 and 99 people or "
        "sources."
    )


def test_none_among_a_few_does_not_mean_none() -> None:
    text = expectation(3.0, (1.0, 0.0), (10, 9), 0.5)
    assert "about 5,000 altered and up to 500 other clips" in text  # one in ten of the 5,000 others
    assert "up to 5 other clips" in expectation(3.0, (1.0, 0.0), (10, 999), 0.5)


def test_a_ratio_of_one_leaves_the_base_rate_as_it_is() -> None:
    assert numbers(expectation(0.0, (1.0, 1.0), (9, 9), 0.01))[:4] == [1, 100, 1, 100]
    assert "up to 9,900 other" in expectation(0.0, (1.0, 1.0), (9, 9), 0.01)


def test_a_ratio_against_makes_it_rarer() -> None:
    assert "1 in 100 clips is altered, this ratio makes it 1 in 991 for" in expectation(-1.0, (1, 1), (9, 9), 0.01)


@pytest.mark.parametrize("base_rate", [0.001, 0.4, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("log10_lr", [-3.0, 0.0, 3.0])
def test_a_share_reads_well_whatever_its_size(log10_lr: float, base_rate: float) -> None:
    text = expectation(log10_lr, (0.5, 0.1), (20, 20), base_rate)
    assert " of the for " not in text
    odds = base_rate / (1 - base_rate) * 10**log10_lr
    shares = re.findall(r"(all but )?1 in (\d[\d,]*(?:\.\d+)?)", text)
    said = [1 - 1 / float(n.replace(",", "")) if but else 1 / float(n.replace(",", "")) for but, n in shares]
    assert said == pytest.approx([base_rate, odds / (1 + odds)], rel=0.06)


def test_what_most_clips_are_is_said_the_other_way_round() -> None:
    text = expectation(2.0, (0.5, 0.1), (20, 20), 0.1)  # odds of 1 to 9, times 100: all but 9 in 109
    assert "all but 1 in 12" in text


def test_what_was_flagged_worked_out_by_hand() -> None:
    # 100 of 10,000 are altered, 8 in 10 flagged: 80. Of 9,900 others 1 in 100: 99; with one person more than 49, of
    # whom 0.49 were flagged, (0.49 + 1) / 50 of them: 295.
    text = flagged_in_words(0.8, 0.01, 49, 0.01)
    assert text == (
        "If 1 in 100 clips is altered: of 10,000 clips, about 80.0 of 100 altered ones would be flagged, and 99 others "
        "(up to 295, judging by 49 people or sources)."
    )


def test_nothing_flagged_is_no_promise() -> None:
    assert "0 others (up to 999, judging by 9 people" in flagged_in_words(0.0, 0.0, 9, 0.001)
