from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lipaccord
from lipaccord.agreement import Reference
from lipaccord.calibration import SCALES, Calibration, Calibrations, Margin
from lipaccord.card import calibration_card, combination_card, splice_card, training_card
from lipaccord.combination import Combination, Profile, Term
from lipaccord.heldout import HeldOut, Telling
from lipaccord.propositions import PROPOSITIONS
from lipaccord.records import FindingName
from made_examples import example
from made_survey import calibration

Fitted = tuple[dict[str, Any], HeldOut, list[int]]


def outcome(area: float, steps: list[int]) -> Fitted:
    single, pooled = Telling(1.04, 30, area, 0.25), Telling(3.12, 10, area + 0.05, 0.125)
    reference = Reference(zero_s=-0.02, together=0.271, deviation=0.023, null_deviation=0.129)
    return {}, HeldOut(30, 3, (0.61, 0.5, 0.4, 0.3, 0.2), single, pooled, reference), steps


def card() -> str:
    clips = [example("1.mp4", "grid_s1", 1), *(example(f"{k}.mp4", "own", k) for k in range(2, 5))]
    groups = ["grid_s1/1", "own/1", "own/2", "own/2"]
    fitted = {"lipaccord": outcome(0.9, [400, 650]), "paper": outcome(0.7, [800])}
    return training_card("lipaccord", fitted, clips, groups, {"own/2"}, ["why"] * 7, seed=5)


def test_the_card_says_what_went_in() -> None:
    text = card()
    assert text.startswith(f"# Predictor `lipaccord`, lipaccord {lipaccord.__version__}\n")
    assert "| grid_s1 | 1 | 1 | 0 (0 groups) | GRID corpus, speaker 1" in text
    assert "| own | 3 | 2 | 2 (1 groups) | not stated |" in text
    assert "7 of the clips were left out" in text
    assert "lipaccord train DATA --out BUNDLE --configuration lipaccord --seed 5" in text


def test_the_card_holds_the_figures_of_every_configuration() -> None:
    text = card()
    assert "| configuration | best steps | AUC 1.0 s | EER 1.0 s | AUC 3.1 s | EER 3.1 s | correlation |" in text
    assert "| lipaccord | 2: 400, 650 | 0.900 | 0.250 | 0.950 | 0.125 | 0.61, 0.50, 0.40, 0.30 |" in text
    assert "| paper | 1: 800 | 0.700 | 0.250 | 0.750 | 0.125 |" in text
    assert "agree best is -20 ms" in text
    assert "0.271, deviation between clips 0.023; deviation with other speech 0.129" in " ".join(text.split())


def splice_part() -> str:
    rows = ["| lower | 40 | 0.812 | 0.950 |", "| face | 38 | 0.700 | 0.800 |"]
    return splice_card([("own", 3), ("manifest", 40)], 2, rows, " --manifest MANIFEST", 7, {"lower": 90, "face": 50})


LINE = Profile(("blur", "blur.signed"), np.zeros(2), np.ones(2), np.ones(2))


def combination_part(end_s: float | None = None) -> str:
    figures: dict[str, Any] = {"clips": 20, "groups": 5, "auc": 0.91, "eer": 0.2, "tpr": 0.6}
    figures |= {f"{name}_interval": (0.812, 0.957) for name in ("auc", "eer", "tpr")}
    nothing = dict.fromkeys(figures) | {"clips": 0, "groups": 0}
    return combination_card(
        Combination({"blur": Term(1.25, -0.5, 0.75)}, LINE, 0.0, 0.312, 0.85),
        {"all cues": figures, "teeth alone": nothing},
        {"paint": ("crf24", figures), "paste": ("crf31", figures | {"auc_interval": None})},
        {"paint": 0.514, "paste": None},
        end_s,
    )


COUNTS = {
    "suspicious_clips": 61,
    "suspicious_scores": 122,
    "suspicious_groups": 31,
    "innocent_clips": 43,
    "innocent_scores": 86,
    "innocent_groups": 29,
    "methods": {"Paint": 40, "Paste": 21},
}
COSTS = {
    "candidate": "logistic, eyes_px",
    "cllr": 0.5126,
    "cllr_min": 0.4004,
    "auc": 0.9126,
    "eer": 0.1254,
    "candidates": {"logistic, no conditions": 0.55, "logistic, eyes_px": 0.5},
}


def calibrated(**changes: Any) -> Calibration:
    """Make a calibration that depends on the seconds of speech, from 4 to 25, and on the eyes, from 40 to 120."""
    low, high = ((SCALES["speech_s"](seconds), SCALES["eyes_px"](pixels)) for seconds, pixels in ((4, 40), (25, 120)))
    margin = Margin(("speech_s", "eyes_px"), low, high, (-0.5, 0.0, 0.0), (0.5, 0.0, 0.0), 1.0)
    given = {"margin": margin, "bounds": (-1.25, 1.5), "decide": (-0.5, 0.75), "population": COUNTS, "figures": COSTS}
    return calibration(**(given | changes))


def calibration_part(**changes: Any) -> str:
    refused: dict[FindingName, str] = {"resynthesis": "resynthesis is not calibrated: too few groups"}
    return calibration_card({"sync": calibrated(**changes)}, refused)


def test_the_card_of_the_calibration_says_who_it_was_made_from() -> None:
    text = calibration_part()
    assert text.startswith(f"# Calibration, lipaccord {lipaccord.__version__}\n")
    assert "| clips | 61 | 43 |\n| scores | 122 | 86 |\n| groups | 31 | 29 |\n" in text
    assert "Methods: Paint (40), Paste (21)." in text
    assert "Conditions that it was measured under: speech_s from 4 to 25, eyes_px from 40 to 120." in text
    pair = PROPOSITIONS["sync"]
    assert f"### Sync\n\n*{pair.suspicious}*, against *{pair.innocent}*.\n" in text
    assert "### Resynthesis\n\nresynthesis is not calibrated: too few groups.\n" in text
    assert "(nothing stated)" in text


def test_the_card_of_the_calibration_holds_its_figures() -> None:
    text = calibration_part()
    assert "| 0.513 | 0.400 | 0.112 | 0.913 | 0.125 | -1.25 to +1.50 |" in text
    assert "Chosen: logistic, eyes_px. A status is claimed at a log10 LR of -0.50 and +0.75." in text
    assert "Tried, with their Cllr: logistic, no conditions: 0.550; logistic, eyes_px: 0.500." in text


@pytest.mark.parametrize(
    ("decide", "words"),
    [
        ((-1.25, 1.5), "-1.25 and +1.50"),
        ((-1.3, 0.75), "+0.75"),
        ((-0.5, 1.6), "-0.50"),
        ((-1.3, 1.6), "no ratio within the bounds"),
    ],
)
def test_a_claim_beyond_the_bounds_is_not_promised(decide: tuple[float, float], words: str) -> None:
    assert f"A status is claimed at a log10 LR of {words}.\n" in calibration_part(decide=decide)


def test_a_calibration_without_conditions_or_methods_says_so() -> None:
    bare = Margin((), (), (), (-0.5,), (0.5,), 1.0)
    text = calibration_part(margin=bare, population=COUNTS | {"methods": {}})
    assert "Methods: none named. Conditions that it was measured under: it depends on none." in text


def test_the_card_of_the_calibration_says_how_to_repeat_it() -> None:
    said = COUNTS | {"command": "lipaccord calibrate MANIFEST --out BUNDLE --end 2.5", "note": "Parliament, 2019."}
    made: Calibrations = {"sync": calibrated(population=said), "resynthesis": calibrated()}
    text = calibration_card(made, {})
    assert "\n    lipaccord calibrate MANIFEST --out BUNDLE --end 2.5\n" in text
    assert "\nParliament, 2019.\n" in text
    assert "### Resynthesis\n" in text
    assert "not calibrated" not in text


def test_the_card_of_the_networks_says_how_to_make_them() -> None:
    text = splice_part()
    assert "- own: 3 clips\n- manifest: 40 clips\n" in text
    assert "lipaccord train DATA --part splice --out BUNDLE --manifest MANIFEST --seed 7" in text
    assert "90 (lower), 50 (face)" in text
    assert "| lower | 40 | 0.812 | 0.950 |" in text


def test_the_card_of_the_combination_holds_its_figures_and_the_control() -> None:
    text = combination_part()
    assert "| blur | 1.250 | -0.500 | 0.750 |" in text
    assert "through the 2 numbers behind the cues" in " ".join(text.split())
    assert "lipaccord evaluate MANIFEST --match-encodes --out FOLDER\n" in text
    assert "lipaccord evaluate MANIFEST --match-encodes --end 2.5 --out FOLDER\n" in combination_part(2.5)
    assert "5 in 100 authentic clips exceed 0.312, 1 in 100 0.850" in text
    told = "0.910 [0.81, 0.96] | 0.200 [0.81, 0.96] | 0.600 [0.81, 0.96]"
    assert f"| all cues | 20 | 5 | {told} |" in text
    assert "| teeth alone | 0 | 0 | - | - | - |" in text
    assert f"| paint | crf24 | 20 | {told} | 0.51 |" in text
    assert f"| paste | crf31 | 20 | {told.replace(' [0.81, 0.96]', '', 1)} | - |" in text


@pytest.mark.parametrize(
    ("text", "tables"),
    [(card(), 2), (splice_part(), 1), (combination_part(), 3), (calibration_part(), 2)],
)
def test_every_table_is_whole(text: str, tables: int) -> None:
    blocks = [block.strip() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == tables
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1
        assert set(block.splitlines()[1]) == {"|", "-"}
