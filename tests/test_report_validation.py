from __future__ import annotations

import copy
import functools
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipaccord.figures import ScoredClip, brief_figure, comparisons, figure, finding_figure, plain_comparison
from lipaccord.matching import ORIGINAL
from lipaccord.propositions import PROPOSITIONS
from lipaccord.records import FindingName
from lipaccord.report.validation import ALT, FOLDER, HOW_TO_READ, PAGE, PLOTS, UNMATCHED, Ratios, write_validation

Result = dict[str, Any]
HOSTILE = "Paint`|<script>alert(1)</script>\n# Heading\x1b[31m\u202e"
SHOWN = "`Paint\u2019/<script>alert(1)</script>\\n# Heading\\x1b[31m\\u202e`"
HOSTILE_LINE = "row 3 (<img src=x onerror=alert(1)>`.mp4): it is [damaged](http://example.org)\n| *a* |"
RATIOS = Ratios(np.array([1.0, 2.0, -0.25]), np.array([-1.0, 0.5]), np.ones(3), np.ones(2))


def scored(truth: bool, number: int, name: FindingName, method: str = "", value: float | None = None) -> ScoredClip:
    """Return one clip whose score and ratios are its class, moved a little by its number."""
    score = (1.0 if truth else -1.0) + 0.3 * (number % 5) if value is None else value
    flagged = "resynthesised" if name == "resynthesis" else "unrelated"
    return ScoredClip(
        path=f"{method}{number}.mp4",
        rung=ORIGINAL,
        method=method,
        group=f"p{number}",
        suspicious=truth,
        forehead=0.01 * number,
        scores={name: score, "blur": score / 2, "teeth": None},
        status={name: flagged if truth else "inconclusive"},
        log10_lrs={name: score / 2},
        cross_calibrated={name: score / 3},
        known=number % 2 == 0,
    )


@functools.cache
def _made() -> Result:
    mouths = [scored(False, n, "resynthesis") for n in range(6)]
    mouths += [scored(True, n, "resynthesis", HOSTILE) for n in range(6)]
    mouths += [scored(True, 9, "resynthesis", "Paste")]
    windows = [scored(truth, n, "sync", "another" if truth else "") for truth in (False, True) for n in range(4)]
    rungs = {HOSTILE: ORIGINAL, "Paste": ORIGINAL}
    compared = comparisons(mouths, rungs, ORIGINAL)
    judged = {method: finding_figure(one, "resynthesis") for method, one in compared.items()}
    brief = {
        "resynthesis": brief_figure(plain_comparison(mouths), "resynthesis"),
        "sync": brief_figure(plain_comparison(windows), "sync"),
    }
    return {
        "schema": "lipaccord/evaluation/1",
        "lipaccord": "9.8.7",
        "bundle": {"name": HOSTILE, "version": "1.2.3", "sha256": "ab" * 32},
        "settings_digest": "0123456789abcdef",
        "match_encodes": True,
        "clips": 13,
        "left_out": [HOSTILE_LINE, "row 4 (b.mp4): there is no file"],
        "rungs": rungs,
        "weights_known": 0.25,
        "resynthesis": {"all": judged.pop("all"), "methods": judged},
        "cues": {name: {"all": figure(compared["all"], name), "methods": {}} for name in ("blur", "teeth")},
        "sync": {
            "windows": {"3": finding_figure(plain_comparison(windows), "sync")},
            "clips": finding_figure(plain_comparison([]), "sync"),
        },
        "robustness": {"crf24": {"meaning": "H.264 at 24", "family": "encode", "severity": 1, **brief}},
    }


def made(**changes: Any) -> Result:
    return copy.deepcopy(_made()) | changes


def page(out: Path, result: Result, **ratios: Ratios | None) -> str:
    write_validation(out, result, {"sync": None, "resynthesis": None, **ratios})  # type: ignore[dict-item]
    return (out / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(tmp_path_factory.mktemp("page"), made())


def tables(text: str) -> list[list[list[str]]]:
    """Return every table: rows of cells, without the line under the heading."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    result = []
    for block in blocks:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.strip().splitlines()]
        assert set("".join(rows[1])) == {"-"}
        result.append([rows[0], *rows[2:]])
    return result


def row_of(text: str, start: str, width: int) -> list[str]:
    """Return the row of a table that begins so and is as wide."""
    (row,) = [row for table in tables(text) for row in table[1:] if row[0].startswith(start) and len(row) == width]
    return row


def test_every_table_is_complete(text: str) -> None:
    found = tables(text)
    assert len(found) == 3 + 4 + 1  # sync; resynthesis with each cue by itself; the sweep
    for table in found:
        assert len(table) > 1
        assert {len(row) for row in table} == {len(table[0])}
        assert all(cell for row in table[1:] for cell in row)


def test_the_page_says_what_was_evaluated_and_with_what(text: str) -> None:
    assert text.startswith("# Validation\n")
    assert text.endswith("\n")
    assert "lipaccord 9.8.7, on 13 labelled clips" in text
    assert f"{SHOWN} 1.2.3 (SHA-256 {'ab' * 32}), settings 0123456789abcdef." in text
    assert HOW_TO_READ in text
    headings = re.findall("^## (.+)$", text, re.MULTILINE)
    assert headings == ["Sync", "Resynthesis", "Robustness", "Left out"]
    for pair in PROPOSITIONS.values():
        assert f"*{pair.suspicious}* with *{pair.innocent}*" in text


def test_figures_are_those_of_the_result(text: str) -> None:
    figures = _made()["resynthesis"]["all"]
    row = row_of(text, "all methods", 8)
    assert row[1] == "7 / 6 of 7 / 6 groups"
    assert row[2].startswith(f"{figures['auc']:.3f}")
    assert row[4:7] == [f"{figures[f'tpr_at_{rate}_fpr']:.2f}" for rate in ("5", "1", "0.1")]
    low, high = figures["auc_interval"]
    assert row[2].endswith(f" [{low:.2f}, {high:.2f}]")
    assert row[7] == f"{figures['control_auc']:.2f}"


def test_ratios_are_shown_twice_and_say_whose_groups_are_known(text: str) -> None:
    ratios = _made()["resynthesis"]["all"]
    crossed, own = ratios["cross_calibrated_lr"], ratios["bundle_lr"]
    row = row_of(text, "all methods, cross-calibrated", 7)
    assert row[1].startswith(f"{crossed['cllr']:.3f}")
    assert row[3] == f"{crossed['cllr_cal']:.3f}"
    assert row[4].startswith(f"{crossed['auc']:.3f}")
    assert row[5:] == [f"{crossed['suspicious_below_1']:.1%}", f"{crossed['innocent_above_1']:.1%}"]
    row = row_of(text, "all methods, as the bundle", 7)
    assert f"({own['known']:.0%} of them of groups that its calibration has seen)" in row[0]
    assert row[1].startswith(f"{own['cllr']:.3f}")


def test_statuses_are_counted_by_class(text: str) -> None:
    assert ["all methods", "synthesised", "7", "resynthesised 7 (100.0%)"] in [r for t in tables(text) for r in t]
    assert ["windows of 3 s", "together", "4", "inconclusive 4 (100.0%)"] in [r for t in tables(text) for r in t]


def test_what_has_no_clips_of_either_class_has_no_row(text: str, tmp_path: Path) -> None:
    assert "whole clips by their labels" not in text
    result = made()
    result["sync"]["clips"] = result["sync"]["windows"]["3"]
    assert row_of(page(tmp_path, result), "whole clips by their labels", 8)[1] == "4 / 4 of 4 / 4 groups"


def test_a_dash_stands_where_there_is_nothing(text: str) -> None:
    assert row_of(text, "`teeth`", 8) == ["`teeth`", "0 / 0 of 0 / 0 groups", *["-"] * 6]


def test_ratios_that_are_not_there_have_no_row(tmp_path: Path) -> None:
    bare = made()
    for kind in ("cross_calibrated_lr", "bundle_lr"):
        figures = bare["resynthesis"]["all"][kind]
        figures |= dict.fromkeys(figures)
    text = page(tmp_path, bare)
    assert "all methods, " not in text
    assert row_of(text, f"{SHOWN}, original, cross-calibrated", 7)[1] != "-"


def test_hostile_names_are_shown_as_code_on_one_line(text: str) -> None:
    assert row_of(text, "`Paint", 8)[0] == f"{SHOWN}, original"
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "# Heading" not in [line.strip() for line in text.splitlines()]
    outside = re.sub(r"`[^`\n]*`", "", text)
    for markup in ("<script", "<img", "](http", "onerror"):
        assert markup not in outside


def test_what_was_left_out_is_listed_line_by_line(text: str, tmp_path: Path) -> None:
    listed = text.partition("## Left out")[2].strip().splitlines()
    assert [line for line in listed if line.startswith("- ")] == listed[-2:]
    assert "row 4 (b.mp4): there is no file" in listed[-1]
    assert "row 3 (" in listed[-2]
    assert page(tmp_path, made(left_out=[])).endswith("not examined: none.\n")


def test_encodes_that_were_not_matched_are_pointed_out(text: str, tmp_path: Path) -> None:
    assert UNMATCHED not in text
    assert "the encode that is matched to each method" in text
    assert UNMATCHED in page(tmp_path, made(match_encodes=False))


def test_the_sweep_is_shown_where_there_was_one(text: str, tmp_path: Path) -> None:
    row = row_of(text, "`crf24` H.264 at 24", 13)
    brief = _made()["robustness"]["crf24"]
    assert row[1:7] == [
        "4 / 4",
        *(f"{brief['sync'][key]:.3f}" for key in ("auc", "eer", "cllr")),
        f"{brief['sync']['highest_innocent']:+.2f}",
        "0 of 4",
    ]
    without = page(tmp_path, made(robustness=None))
    assert "Robustness" not in without
    assert "## Left out" in without


def test_a_treatment_that_leaves_nothing_is_all_dashes(tmp_path: Path) -> None:
    nothing = brief_figure(plain_comparison([]), "sync")
    row = {"meaning": "nothing left", "sync": nothing, "resynthesis": nothing}
    text = page(tmp_path, made(robustness={"black": row}))
    assert row_of(text, "`black`", 13)[1:] == ["0 / 0", "-", "-", "-", "-", "-"] * 2


def test_false_alarms_of_a_treatment_are_counted(tmp_path: Path) -> None:
    result = made()
    statuses = {"suspicious": {}, "innocent": {"unrelated": 2, "offset": 1, "in_sync": 4, "not_examinable": 3}}
    result["robustness"]["crf24"]["sync"]["statuses"] = statuses
    assert row_of(page(tmp_path, result), "`crf24`", 13)[6] == "3 of 10"


def test_plots_lie_beside_the_page_and_are_shown_once(tmp_path: Path) -> None:
    text = page(tmp_path, made(), sync=RATIOS)
    shown = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text)
    assert shown == [(ALT[kind], f"{FOLDER}/sync-{kind}.svg") for kind in PLOTS]
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == sorted([PAGE, *(name for _, name in shown)])
    for _, name in shown:
        picture = (tmp_path / name).read_text(encoding="utf-8")
        assert ET.fromstring(picture).tag.endswith("svg")
        assert "Sync: " in picture
    assert "There were too few people or clips to draw plots." in text.partition("## Resynthesis")[2]


def test_no_plots_where_nothing_was_cross_calibrated(text: str, tmp_path: Path) -> None:
    assert text.count("There were too few people or clips to draw plots.") == 2
    page(tmp_path, made())
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [PAGE]


def test_equal_results_give_an_equal_page(text: str, tmp_path: Path) -> None:
    assert page(tmp_path, made()) == text


def test_a_folder_that_is_not_there_is_no_silent_loss(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_validation(tmp_path / "nowhere", made(), {"sync": None, "resynthesis": None})
