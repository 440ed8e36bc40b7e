from __future__ import annotations

from typing import Any

import lipaccord
from lipaccord.agreement import Reference
from lipaccord.card import training_card
from lipaccord.heldout import HeldOut, Telling
from made_examples import example

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
    assert text.startswith(f"# Bundle `lipaccord`, lipaccord {lipaccord.__version__}\n")
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


def test_every_table_is_whole() -> None:
    blocks = [block for block in card().split("\n\n") if block.startswith("|")]
    assert len(blocks) == 2
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1
        assert set(block.splitlines()[1]) == {"|", "-"}
