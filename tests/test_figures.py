from __future__ import annotations

import functools
from typing import Any

import pytest

from lipaccord import figures, metrics
from lipaccord.figures import (
    ALL,
    FOREHEAD,
    METRICS,
    Comparison,
    ScoredClip,
    brief_figure,
    comparisons,
    figure,
    finding_figure,
    plain_comparison,
    ratio_figure,
)
from lipaccord.matching import ORIGINAL
from lipaccord.metrics import auc, cllr, cllr_min, eer, tpr_at_fpr

NAME = "resynthesis"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "group_interval", functools.partial(metrics.group_interval, replicates=20))


def clip(number: int, suspicious: bool, score: float | None, **changes: Any) -> ScoredClip:
    values: dict[str, Any] = {
        "path": f"{'fake' if suspicious else 'real'}{number}.mp4",
        "rung": ORIGINAL,
        "method": "Paint" if suspicious else "",
        "group": f"p{number}",
        "suspicious": suspicious,
        "forehead": 0.0,
        "scores": {NAME: score},
    }
    return ScoredClip(**(values | changes))


def classes(real: list[float | None], fake: list[float | None], **changes: Any) -> Comparison:
    """Compare clips of these scores."""
    clips = [
        clip(n, suspicious, x, **changes)
        for suspicious, row in ((False, real), (True, fake))
        for n, x in enumerate(row)
    ]
    return plain_comparison(clips)


def test_a_score_is_told_by_its_name_and_the_control_is_turned() -> None:
    one = clip(0, True, 1.5, forehead=-0.25)
    assert (one.score(NAME), one.score("teeth"), one.score(FOREHEAD)) == (1.5, None, 0.25)
    assert clip(0, True, 1.5, forehead=None).score(FOREHEAD) is None


def test_every_metric_is_that_of_the_scores() -> None:
    real, fake = [1.0, 2.0, 4.0, 0.5], [3.0, 5.0, 6.0]
    found = figure(classes([*real], [*fake]), NAME)
    assert found["auc"] == auc(fake, real) == pytest.approx(11 / 12)
    assert found["eer"] == eer(fake, real)
    for key, fpr in (("tpr_at_5_fpr", 0.05), ("tpr_at_1_fpr", 0.01), ("tpr_at_0.1_fpr", 0.001)):
        assert found[key] == tpr_at_fpr(fake, real, fpr=fpr)
    assert (found["positives"], found["negatives"]) == (3, 4)
    assert (found["positives_groups"], found["negatives_groups"]) == (3, 4)
    low, high = found["auc_interval"]
    assert low <= found["auc"] <= high
    assert set(found) >= {f"{name}_interval" for name in METRICS}


def test_false_alarm_rates_are_told_apart() -> None:
    """One false alarm in 50 is allowed at 5%, and not at 1%."""
    found = figure(classes([*[0.0] * 49, 9.0], [1.0, 10.0]), NAME)
    assert (found["tpr_at_5_fpr"], found["tpr_at_1_fpr"], found["tpr_at_0.1_fpr"]) == (1.0, 0.5, 0.5)


def test_an_abstention_is_counted_and_enters_nothing() -> None:
    with_gaps = figure(classes([1.0, None, 2.0], [3.0, None, None]), NAME)
    without = figure(classes([1.0, 2.0], [3.0]), NAME)
    assert (with_gaps["positives_abstained"], with_gaps["negatives_abstained"]) == (2, 1)
    counts = {"positives_abstained", "negatives_abstained", "negatives_groups"}
    assert {key: with_gaps[key] for key in with_gaps if key not in counts and "interval" not in key} == {
        key: without[key] for key in without if key not in counts and "interval" not in key
    }


def test_nothing_to_compare_is_null() -> None:
    for comparison in (classes([1.0], []), classes([None], [1.0]), classes([], [])):
        found = figure(comparison, NAME)
        assert {found[name] for name in METRICS} == {found[f"{name}_interval"] for name in METRICS} == {None}
        assert found["control_auc"] is None


def test_the_control_is_measured_on_the_clips_that_were_scored() -> None:
    clips = [clip(n, False, 0.0, forehead=float(n)) for n in range(4)]
    clips += [clip(n, True, 1.0, forehead=float(n) - 10.0) for n in range(2)]
    clips += [clip(9, True, None, forehead=99.0), clip(9, False, None, forehead=-99.0)]
    assert figure(plain_comparison(clips), NAME)["control_auc"] == 1.0  # softer foreheads than any authentic one
    clips.append(clip(8, True, 1.0, forehead=None))
    assert figure(plain_comparison(clips), NAME)["control_auc"] == 1.0


def ladder() -> list[ScoredClip]:
    """Make authentic clips as they came and at two rungs; Paint lost what crf24 takes, Harsh what crf31 takes."""
    clips = [
        clip(n, False, 1.0 + loss + 0.01 * n, rung=rung, forehead=-loss)
        for rung, loss in ((ORIGINAL, 0.0), ("crf24", 0.3), ("crf31", 0.8))
        for n in range(4)
    ]
    clips += [clip(n, True, 1.2 + 0.01 * n, forehead=-0.3) for n in range(4)]
    clips += [
        clip(10 * k + n, True, 9.0, method="Harsh", forehead=-0.8, path=f"harsh{k}{n}.mp4", group=f"p{n}")
        for k in range(3)
        for n in range(4)
    ]
    return clips


def test_each_method_is_held_against_authentic_clips_at_its_rung() -> None:
    compared = comparisons(ladder(), {"Paint": "crf24", "Harsh": "crf31"}, ORIGINAL)
    assert list(compared) == ["Harsh", "Paint", ALL]
    for method, rung, count in (("Paint", "crf24", 4), ("Harsh", "crf31", 12)):
        one = compared[method]
        assert {clip.method for clip in one.positives} == {method}
        assert len(one.positives) == count
        assert {clip.rung for clip in one.negatives} == {rung}
        assert one.weights == (1.0,) * 4
        assert figure(one, NAME)["control_auc"] == 0.5
    assert figure(compared["Paint"], NAME)["auc"] == 0.0  # the encode blurs more than the paint
    assert figure(compared["Harsh"], NAME)["auc"] == 1.0


def test_over_all_each_rung_weighs_as_many_clips_as_it_matches() -> None:
    compared = comparisons(ladder(), {"Paint": "crf24", "Harsh": "crf31"}, ORIGINAL)[ALL]
    weight_of = {ORIGINAL: 0.0, "crf24": 4.0, "crf31": 12.0}
    assert compared.weights == tuple(weight_of[clip.rung] for clip in compared.negatives)
    found = figure(compared, NAME)
    assert found["control_auc"] == pytest.approx(0.5)
    # Paint (4 of 16 clips) scores below all authentic ones, Harsh above all of them
    assert found["auc"] == pytest.approx(12 / 16)
    assert (found["positives"], found["negatives"], found["negatives_abstained"]) == (16, 4, 0)


def test_a_method_without_a_rung_and_a_fake_at_a_rung_enter_nothing() -> None:
    stray = [clip(50, True, 0.0, method="Unmatched"), clip(51, True, 0.0, rung="crf24")]
    rungs = {"Paint": "crf24", "Harsh": "crf31"}
    assert comparisons([*ladder(), *stray], rungs, ORIGINAL) == comparisons(ladder(), rungs, ORIGINAL)


def test_an_authentic_clip_at_no_rung_that_matters_is_not_counted() -> None:
    rungs = {"Paint": "crf24", "Harsh": "crf31"}
    more = [*ladder(), clip(60, False, -9.0), clip(61, False, -9.0, rung="crf18")]
    found = figure(comparisons(more, rungs, ORIGINAL)[ALL], NAME)
    assert (found["negatives"], found["negatives_groups"]) == (4, 4)
    assert found["auc"] == figure(comparisons(ladder(), rungs, ORIGINAL)[ALL], NAME)["auc"]


def test_a_plain_comparison_counts_every_clip_once() -> None:
    compared = plain_comparison(ladder())
    assert (len(compared.positives), len(compared.negatives)) == (16, 12)
    assert compared.weights == (1.0,) * 12
    assert compared.clips == compared.positives + compared.negatives


def with_ratios(real: list[float], fake: list[float], seen: int = 0) -> Comparison:
    """Compare clips of these log10 ratios; cross-calibrated ones are half of them, and `seen` of a class are known."""
    return plain_comparison(
        [
            clip(n, suspicious, x, log10_lrs={NAME: x}, cross_calibrated={NAME: x / 2}, known=n < seen)
            for suspicious, row in ((False, real), (True, fake))
            for n, x in enumerate(row)
        ]
    )


def test_ratios_are_judged_as_the_bundle_gives_them_and_cross_calibrated() -> None:
    real, fake = [-1.0, 0.5, -2.0, -0.5], [1.0, 2.0, -0.25]
    found = finding_figure(with_ratios(real, fake), NAME)
    for key, scale in (("bundle_lr", 1.0), ("cross_calibrated_lr", 0.5)):
        high, low = ([scale * x for x in row] for row in (fake, real))
        ratios = found[key]
        assert ratios["cllr"] == pytest.approx(cllr(high, low))
        assert ratios["cllr_min"] == pytest.approx(cllr_min(high, low))
        assert ratios["cllr_cal"] == pytest.approx(cllr(high, low) - cllr_min(high, low))
        assert (ratios["suspicious_below_1"], ratios["innocent_above_1"]) == (pytest.approx(1 / 3), 0.25)
        least, most = ratios["cllr_interval"]
        assert least <= ratios["cllr"] <= most
    assert found["auc"] == auc(fake, real)


def test_a_ratio_of_one_misleads_nobody() -> None:
    ratios = ratio_figure(with_ratios([0.0, -1.0], [0.0, 1.0]), NAME, crossed=False)
    assert (ratios["suspicious_below_1"], ratios["innocent_above_1"]) == (0.0, 0.0)


def test_misleading_ratios_count_with_the_weight_of_their_rung() -> None:
    clips = [
        clip(n, False, 0.0, rung=rung, log10_lrs={NAME: lr})
        for n, (rung, lr) in enumerate((("crf24", 1.0), ("crf31", -1.0)))
    ]
    clips += [clip(10 + n, True, 0.0, method="Paint" if n else "Harsh", log10_lrs={NAME: 1.0}) for n in range(4)]
    compared = comparisons(clips, {"Paint": "crf24", "Harsh": "crf31"}, ORIGINAL)[ALL]
    assert ratio_figure(compared, NAME, crossed=False)["innocent_above_1"] == 0.75
    assert ratio_figure(compared, NAME, crossed=False)["cllr"] == pytest.approx(
        cllr([1.0] * 4, [1.0, -1.0], negative_weights=(3.0, 1.0))
    )


def test_the_share_of_known_groups_is_told_for_the_bundle_alone() -> None:
    found = finding_figure(with_ratios([-1.0, -2.0], [1.0, 2.0], seen=1), NAME)
    assert found["bundle_lr"]["known"] == 0.5
    assert "known" not in found["cross_calibrated_lr"]


def test_without_ratios_there_are_no_figures_of_them() -> None:
    found = finding_figure(classes([1.0, 2.0], [3.0]), NAME)
    for key in ("bundle_lr", "cross_calibrated_lr"):
        assert set(found[key].values()) == {None}
    clips = [clip(0, False, 0.0, log10_lrs={NAME: -1.0}), clip(1, True, 0.0, log10_lrs={"sync": 1.0})]
    one_class = ratio_figure(plain_comparison(clips), NAME, crossed=False)
    assert (one_class["cllr"], one_class["cllr_cal"], one_class["suspicious_below_1"]) == (None, None, None)
    assert one_class["innocent_above_1"] == 0.0


def test_statuses_are_counted_by_class() -> None:
    given = [(False, "inconclusive"), (False, "inconclusive"), (False, "not_examinable"), (True, "resynthesised")]
    clips = [clip(n, suspicious, 1.0, status={NAME: status}) for n, (suspicious, status) in enumerate(given)]
    clips.append(clip(9, True, 1.0, status={"sync": "unrelated"}))
    expected = {"suspicious": {"resynthesised": 1}, "innocent": {"inconclusive": 2, "not_examinable": 1}}
    assert finding_figure(plain_comparison(clips), NAME)["statuses"] == expected
    assert brief_figure(plain_comparison(clips), NAME)["statuses"] == expected


def test_a_brief_figure_says_the_same_in_fewer_numbers() -> None:
    real, fake = [-1.0, 0.5, -2.0, -0.5], [1.0, 2.0, -0.25]
    compared = with_ratios(real, fake)
    brief, full = brief_figure(compared, NAME), finding_figure(compared, NAME)
    assert {key: brief[key] for key in ("auc", "eer", "positives", "negatives")} == {
        key: full[key] for key in ("auc", "eer", "positives", "negatives")
    }
    assert brief["cllr"] == full["bundle_lr"]["cllr"]
    assert brief["highest_innocent"] == 0.5
    assert set(brief) == {"positives", "negatives", "auc", "eer", "cllr", "highest_innocent", "statuses"}


def test_a_brief_figure_of_nothing_is_null() -> None:
    brief = brief_figure(classes([1.0], []), NAME)
    assert (brief["auc"], brief["eer"], brief["cllr"], brief["highest_innocent"]) == (None,) * 4
    assert (brief["positives"], brief["negatives"]) == (0, 1)
    assert brief_figure(with_ratios([-1.0], []), NAME)["highest_innocent"] == -1.0
