from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lipaccord import cli, evaluation, examining, figures, metrics, survey
from lipaccord.bundle import load_bundle
from lipaccord.console import ExitCode
from lipaccord.cues import COMBINED_CUES
from lipaccord.errors import BundleError, CalibrationError
from lipaccord.evaluation import evaluate, rounded
from lipaccord.manifest import group_key
from lipaccord.matching import ORIGINAL
from lipaccord.propositions import flagged_in_words
from lipaccord.report.evaluation import print_evaluation
from lipaccord.settings import Settings
from lipaccord.treatments import treatment_named
from made_evaluation import StandIns, clip, manifest, people, plain_bundle, table
from made_survey import POPULATION, calibration


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few groups, calibrate nothing and draw no plots; a test of these takes it back."""
    monkeypatch.setattr(figures, "group_interval", functools.partial(metrics.group_interval, replicates=10))

    def refuse(*arguments: Any) -> Any:
        raise CalibrationError("too few groups")

    monkeypatch.setattr(evaluation, "calibrate", refuse)


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns(monkeypatch)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "plain"
    plain_bundle(path)
    return path


@pytest.fixture
def judge(stand_ins: StandIns, bundle: Path, tmp_path: Path) -> Any:
    def run(path: Path, **options: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"processes": 1, "bundle": bundle}
        return evaluate(path, tmp_path / "out", **(given | options))

    return run


def test_the_figures_are_those_of_the_clips(tmp_path: Path, judge: Any) -> None:
    rows = [
        f"{clip(tmp_path, f'{mouth}{n}.mp4', blur=blur, forehead=0.1 * n)},{mouth},together,{method},g{n},"
        for mouth, method, blurs in (("camera", "", (1.0, 2.0, 4.0)), ("synthesised", "Paint", (3.0, 5.0)))
        for n, blur in enumerate(blurs)
    ]
    result = judge(manifest(tmp_path, *rows))
    for judged in (result["resynthesis"], result["cues"]["blur"]):
        for figure in (judged["all"], judged["methods"]["Paint"]):
            assert figure["auc"] == pytest.approx(5 / 6)
            assert (figure["positives"], figure["negatives"], figure["negatives_groups"]) == (2, 3, 3)
            assert figure["control_auc"] == pytest.approx(4 / 6)
    teeth = result["cues"]["teeth"]["all"]
    assert teeth["auc"] == 0.5
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == result
    assert set(result["cues"]) == set(COMBINED_CUES)


def test_the_content_of_the_file(tmp_path: Path, bundle: Path, judge: Any) -> None:
    result = judge(people(tmp_path, 3), settings=Settings(end_s=2.0))
    loaded = load_bundle(bundle)
    assert list(result) == [
        "schema",
        "lipaccord",
        "bundle",
        "settings_digest",
        "part_s",
        "match_encodes",
        "clips",
        "left_out",
        "not_cross_calibrated",
        "weights_known",
        "rungs",
        "choices",
        "resynthesis",
        "cues",
        "sync",
        "robustness",
    ]
    assert result["schema"] == "lipaccord/evaluation/1"
    assert result["bundle"] == {"name": "plain", "version": "made", "sha256": loaded.sha256}
    assert result["settings_digest"] == Settings(end_s=2.0).digest
    assert (result["clips"], result["left_out"], result["rungs"]) == (6, [], {"Paint": ORIGINAL})
    assert (result["match_encodes"], result["choices"], result["robustness"]) == (False, None, None)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"evaluation.json", "clips.csv", "windows.csv", "validation.md", "results", "tracks", "encodes"}


def test_numbers_are_rounded_to_what_carries_meaning() -> None:
    values = {"a": 0.123456789, "b": [1234567.89, (2.0, None)], "c": {"d": 3, "e": True, "f": "0.123456789"}}
    expected = {"a": 0.1234568, "b": [1234568.0, [2.0, None]], "c": {"d": 3, "e": True, "f": "0.123456789"}}
    assert rounded(values) == expected


def test_the_encode_that_hides_nothing_is_matched_and_counts(tmp_path: Path, judge: Any) -> None:
    plain = judge(people(tmp_path))
    assert plain["resynthesis"]["all"]["control_auc"] > 0.95
    assert plain["resynthesis"]["all"]["auc"] > 0.95
    matched = judge(tmp_path / "manifest.csv", match_encodes=True)
    assert matched["rungs"] == {"Paint": "crf24"}
    assert matched["choices"]["Paint"]["reference"] == "same groups"
    assert abs(matched["choices"]["Paint"]["control_auc"]["crf24"] - 0.5) < 0.07
    for figure in (matched["resynthesis"]["all"], matched["resynthesis"]["methods"]["Paint"]):
        assert figure["control_auc"] == pytest.approx(0.5, abs=0.07)
        assert figure["auc"] < 0.1  # the encode blurs by 0.3, the paint only by 0.2
        assert figure["negatives"] == 8
    assert sorted({(row["mouth"], row["rung"]) for row in table(tmp_path / "out")}) == [
        ("camera", "crf24"),
        ("camera", ORIGINAL),
        ("synthesised", ORIGINAL),
    ]


def test_over_all_each_rung_weighs_as_many_clips_as_it_matches(tmp_path: Path, judge: Any) -> None:
    rows = people(tmp_path, 8).read_text().splitlines()[1:]
    for n in range(24):
        name = clip(tmp_path, f"harsh{n}.mp4", forehead=0.01 * (n % 8) - 0.8 + 0.001, blur=9.0)
        rows.append(f"{name},synthesised,driven,Harsh,p{n % 8},")
    result = judge(manifest(tmp_path, *rows), match_encodes=True)
    assert result["rungs"] == {"Harsh": "crf31", "Paint": "crf24"}
    pooled = result["resynthesis"]["all"]
    assert pooled["control_auc"] == pytest.approx(0.5, abs=0.07)
    # Paint (8 of 32 clips) scores below all authentic ones, Harsh above all of them.
    assert pooled["auc"] == pytest.approx(24 / 32, abs=0.01)
    assert (pooled["positives"], pooled["negatives"], pooled["negatives_abstained"]) == (32, 8, 0)


def test_the_table_has_every_number_and_leaves_out_what_is_missing(tmp_path: Path, judge: Any) -> None:
    rows = [
        f"{clip(tmp_path, 'a.mp4', blur=2.5, forehead=-0.25)},camera,together,,anna,one",
        f"{clip(tmp_path, 'b.mp4', forehead=None)},synthesised,driven,Paint,anna,one",
    ]
    judge(manifest(tmp_path, *rows))
    first, second = table(tmp_path / "out")
    assert list(first)[:8] == ["path", "rung", "method", "group", "mouth", "sound", "pair", "forehead"]
    assert (first["path"], first["rung"], first["group"], first["forehead"]) == ("a.mp4", ORIGINAL, "anna", "-0.25")
    assert (first["blur"], first["splice.member_0"], first["conditions.detail"]) == ("2.5", "0.0", "-0.25")
    assert (second["blur"], second["splice.member_0"], second["forehead"], second["resynthesis"]) == ("", "", "", "")
    assert second["resynthesis_status"] == "not_examinable"


def test_the_same_clips_give_the_same_figures(tmp_path: Path, judge: Any) -> None:
    first = judge(people(tmp_path, 3), match_encodes=True)
    files = {name: (tmp_path / "out" / name).read_bytes() for name in ("clips.csv", "windows.csv", "validation.md")}
    assert judge(tmp_path / "manifest.csv", match_encodes=True) == first
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files


def test_a_clip_that_fails_costs_itself_alone(tmp_path: Path, judge: Any) -> None:
    path = people(tmp_path, 3)
    clip(tmp_path, "fake1.mp4", trouble="media")
    result = judge(path)
    [line] = result["left_out"]
    assert line.startswith("row 5 (fake1.mp4) at original: ")
    assert (result["resynthesis"]["all"]["positives"], result["resynthesis"]["all"]["positives_abstained"]) == (2, 1)
    assert [row["path"] for row in table(tmp_path / "out") if row["problem"]] == ["fake1.mp4"]


def test_a_missing_bundle_stops_before_anything_is_made(tmp_path: Path, stand_ins: StandIns) -> None:
    with pytest.raises(BundleError):
        evaluate(people(tmp_path, 1), tmp_path / "out", bundle=tmp_path / "nowhere", processes=1)
    assert not (tmp_path / "out").exists()


def heard_apart(folder: Path, count: int = 3) -> Path:
    """Write clips recorded together and apart; the latter agree less well."""
    rows = [
        f"{clip(folder, f'{sound}{n}.mp4', sync=score + 0.1 * n)},camera,{sound},,p{n},"
        for sound, score in (("apart", 1.0), ("together", -5.0))
        for n in range(count)
    ]
    return manifest(folder, *rows)


def test_sync_is_judged_by_windows_and_by_labelled_clips(tmp_path: Path, judge: Any) -> None:
    result = judge(heard_apart(tmp_path))
    whole = result["sync"]["clips"]
    assert (whole["positives"], whole["negatives"], whole["auc"]) == (3, 3, 1.0)
    assert list(result["sync"]["windows"]) == ["3"]
    windows = result["sync"]["windows"]["3"]
    # three windows with their own sound, each with those of the two other people
    assert (windows["negatives"], windows["positives"], windows["auc"]) == (3, 6, 1.0)
    assert (windows["positives_groups"], windows["negatives_groups"]) == (3, 3)
    assert result["resynthesis"]["all"]["auc"] is None
    rows = table(tmp_path / "out", "windows.csv")
    assert sorted(row["sound"] for row in rows) == ["apart"] * 6 + ["together"] * 3


def test_windows_are_judged_by_their_length(tmp_path: Path, judge: Any, stand_ins: StandIns) -> None:
    stand_ins.lengths = (300, 500)
    result = judge(heard_apart(tmp_path))
    assert list(result["sync"]["windows"]) == ["3", "5"]
    for figure in result["sync"]["windows"].values():
        assert (figure["negatives"], figure["positives"]) == (3, 6)
        assert figure["statuses"] == {"suspicious": {"inconclusive": 6}, "innocent": {"inconclusive": 3}}


def test_an_encode_is_no_clip_of_its_own_for_sync(tmp_path: Path, judge: Any) -> None:
    """Authentic clips at the rungs are the same sounds and mouths once more."""
    path = people(tmp_path, 3)
    with path.open("a") as file:
        file.write(f"{clip(tmp_path, 'dubbed.mp4', sync=1.0)},camera,apart,,p9,\n")
    whole = judge(path, match_encodes=True)["sync"]["clips"]
    assert (whole["positives"], whole["negatives"]) == (1, 3)
    assert whole["statuses"] == {"suspicious": {"inconclusive": 1}, "innocent": {"inconclusive": 3}}


def test_unknown_labels_enter_no_figure(tmp_path: Path, judge: Any) -> None:
    path = people(tmp_path, 3)
    with path.open("a") as file:
        file.write(f"{clip(tmp_path, 'odd.mp4', blur=3.0)},unknown,unknown,,p9,\n")
    result = judge(path)
    assert result["clips"] == 7
    assert result["resynthesis"]["all"]["negatives"] + result["resynthesis"]["all"]["positives"] == 6
    assert result["sync"]["clips"]["negatives"] == 3
    assert "odd.mp4" in {row["path"] for row in table(tmp_path / "out")}


def calibrated(tmp_path: Path) -> Path:
    """Write a bundle whose calibration claims a painted mouth from 1.1 on, and knows the person p0."""
    knows = POPULATION | {"groups": [group_key("p0")]}
    made = calibration(decide=(-1.0, 1.1), population=knows)
    plain_bundle(tmp_path / "calibrated", sync=calibration(population=knows), resynthesis=made)
    return tmp_path / "calibrated"


def test_the_ratios_of_the_bundle_are_judged(tmp_path: Path, judge: Any) -> None:
    result = judge(people(tmp_path, 4), bundle=calibrated(tmp_path))
    mouth = result["resynthesis"]["all"]
    reals, fakes = [1.0 + 0.01 * n for n in range(4)], [1.2 + 0.01 * n for n in range(4)]
    assert mouth["bundle_lr"]["cllr"] == pytest.approx(metrics.cllr(fakes, reals), abs=1e-5)
    assert mouth["bundle_lr"]["known"] == 0.25
    assert mouth["bundle_lr"]["innocent_above_1"] == 1.0
    assert mouth["cross_calibrated_lr"]["cllr"] is None
    assert mouth["statuses"] == {"suspicious": {"resynthesised": 4}, "innocent": {"inconclusive": 4}}
    windows = result["sync"]["windows"]["3"]
    assert windows["statuses"] == {"suspicious": {"inconclusive": 12}, "innocent": {"in_sync": 4}}
    assert windows["bundle_lr"]["known"] == 0.25
    assert windows["bundle_lr"]["cllr"] == pytest.approx(metrics.cllr([0.0], [-2.0]), abs=1e-5)


def test_why_nothing_was_cross_calibrated_is_said(tmp_path: Path, judge: Any) -> None:
    assert judge(people(tmp_path, 2))["not_cross_calibrated"] == dict.fromkeys(
        ("sync", "resynthesis"), "too few groups"
    )
    deaf = manifest(tmp_path, f"{clip(tmp_path, 'a.mp4')},unknown,unknown,,anna,")
    assert judge(deaf)["not_cross_calibrated"] == dict.fromkeys(
        ("sync", "resynthesis"), "no clip of either class was scored"
    )
    assert "There were too few people or clips to draw plots." in (tmp_path / "out" / "validation.md").read_text()


def test_every_ratio_is_made_anew_without_its_group(
    tmp_path: Path, judge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def stand_in(sample: Any, name: str, population: Any, rescore: Any) -> Any:
        asked[name] = (sample, population, rescore)
        return calibration(), sample.scores / 2

    monkeypatch.setattr(evaluation, "calibrate", stand_in)
    result = judge(people(tmp_path, 4))
    assert result["not_cross_calibrated"] == {"sync": None, "resynthesis": None}
    mouth = result["resynthesis"]["all"]
    reals, fakes = [0.5 + 0.005 * n for n in range(4)], [0.6 + 0.005 * n for n in range(4)]
    assert mouth["cross_calibrated_lr"]["cllr"] == pytest.approx(metrics.cllr(fakes, reals), abs=1e-5)
    windows = result["sync"]["windows"]["3"]["cross_calibrated_lr"]
    assert windows["cllr"] == pytest.approx(metrics.cllr([0.0], [-2.5]), abs=1e-5)
    assert mouth["bundle_lr"]["cllr"] is None
    assert set(asked) == {"sync", "resynthesis"}
    assert asked["resynthesis"][1]["suspicious_clips"] == 4
    drawn = {path.name for path in (tmp_path / "out" / "plots").iterdir()}
    assert drawn == {f"{name}-{kind}.svg" for name in asked for kind in ("tippett", "ece", "reliability", "det")}


def test_both_findings_are_judged_after_each_treatment(tmp_path: Path, judge: Any) -> None:
    path = people(tmp_path, 3)
    clip(tmp_path, "real1.mp4", trouble="media")
    result = judge(path, treatments=("blur-3", "crf24"), bundle=calibrated(tmp_path))
    swept = result["robustness"]
    assert list(swept) == [ORIGINAL, "blur-3", "crf24"]
    assert (swept[ORIGINAL]["family"], swept[ORIGINAL]["severity"]) == (ORIGINAL, 0)
    for name in ("blur-3", "crf24"):
        treatment = treatment_named(name)
        told = {key: swept[name][key] for key in ("family", "severity", "meaning")}
        assert told == {"family": treatment.family, "severity": treatment.severity, "meaning": treatment.meaning}
    for one in swept.values():
        assert (one["resynthesis"]["positives"], one["resynthesis"]["negatives"]) == (3, 2)
        assert (one["sync"]["positives"], one["sync"]["negatives"]) == (2, 2)
        assert (one["resynthesis"]["auc"], one["sync"]["auc"]) == (1.0, 1.0)
    assert swept[ORIGINAL]["resynthesis"]["highest_innocent"] == pytest.approx(1.02)
    assert swept["crf24"]["resynthesis"]["highest_innocent"] == pytest.approx(1.32)
    assert swept["crf24"]["resynthesis"]["statuses"]["innocent"] == {"resynthesised": 2}
    assert "## Robustness" in (tmp_path / "out" / "validation.md").read_text()


def printed(result: dict[str, Any], base_rate: float | None = None) -> str:
    console = Console(width=120, color_system=None, highlight=False)
    with console.capture() as capture:
        print_evaluation(result, console, base_rate)
    return capture.get()


def words(result: dict[str, Any], base_rate: float | None = None) -> str:
    return " ".join(printed(result, base_rate).split())


def test_every_figure_is_printed_beside_its_control(tmp_path: Path, judge: Any) -> None:
    plain = printed(judge(people(tmp_path)))
    [row] = [line for line in plain.splitlines() if "Paint" in line]
    assert "original" in row
    assert "0.97 !" in row or "1.00 !" in row
    assert "8 / 8" in row
    assert "not matched" in plain
    [row] = [line for line in plain.splitlines() if "windows of 3 s" in line and "/" in line]
    assert "48 / 8" in row
    assert "whole clips" not in plain
    matched = printed(judge(tmp_path / "manifest.csv", match_encodes=True))
    [row] = [line for line in matched.splitlines() if "Paint" in line]
    assert "crf24" in row


def test_labelled_clips_are_printed_beside_the_windows(tmp_path: Path, judge: Any) -> None:
    text = printed(judge(heard_apart(tmp_path)))
    [row] = [line for line in text.splitlines() if "whole clips" in line and "/" in line]
    assert "3 / 3" in row


def test_likelihood_ratios_are_printed_with_their_cost(tmp_path: Path, judge: Any) -> None:
    assert "cost in bits" not in printed(judge(people(tmp_path, 4)))
    result = judge(people(tmp_path, 4), bundle=calibrated(tmp_path))
    text = printed(result)
    assert "Likelihood ratios: cost in bits" in text
    [row] = [line for line in text.splitlines() if "resynthesis" in line and "of the bundle" in line]
    assert f"{result['resynthesis']['all']['bundle_lr']['cllr']:.2f}" in row
    assert "0% / 100%" in row
    assert "25%" in row
    assert "cross-calibrated" not in text


def test_statuses_are_counted_in_words(tmp_path: Path, judge: Any) -> None:
    text = words(judge(people(tmp_path, 4), bundle=calibrated(tmp_path)))
    assert "Sync, windows of 3 s, altered: inconclusive 12 (100.0%)." in text
    assert "Sync, windows of 3 s, not altered: in_sync 4 (100.0%)." in text
    assert "Resynthesis, altered: resynthesised 4 (100.0%)." in text
    assert "Resynthesis, not altered: inconclusive 4 (100.0%)." in text
    assert "of 10,000 clips" not in text


def test_a_base_rate_says_what_the_statuses_mean_among_many_clips(tmp_path: Path, judge: Any) -> None:
    result = judge(people(tmp_path, 4), bundle=calibrated(tmp_path))
    text = words(result, 0.01)
    assert flagged_in_words(1.0, 0.0, 4, 0.01) in text  # every painted mouth, no other
    assert flagged_in_words(0.0, 0.0, 4, 0.01) in text  # no sound of another clip
    assert len(re.findall(r"If 1 in 100 clips is altered", text)) == 2


def test_where_a_class_is_missing_nothing_is_said_of_many_clips(tmp_path: Path, judge: Any) -> None:
    path = manifest(tmp_path, f"{clip(tmp_path, 'a.mp4')},camera,unknown,,anna,")
    text = words(judge(path), 0.01)
    assert "Resynthesis, not altered: inconclusive 1 (100.0%)." in text
    assert "clips is altered" not in text


def test_a_name_that_steers_the_terminal_is_shown_harmless(tmp_path: Path, judge: Any) -> None:
    rows = [
        f"{clip(tmp_path, 'a.mp4')},camera,together,,anna,",
        f"{clip(tmp_path, 'b.mp4')},synthesised,driven,[red]x\x1b[2J,anna,",
    ]
    text = printed(judge(manifest(tmp_path, *rows)))
    assert "\x1b" not in text
    assert "[red]x" in text.replace("\n", "")


def test_the_command_says_what_was_left_out(tmp_path: Path, stand_ins: StandIns, bundle: Path) -> None:
    path = people(tmp_path, 3)
    arguments = ["evaluate", str(path), "--out", str(tmp_path / "out"), "--jobs", "1", "--bundle", str(bundle)]
    assert CliRunner().invoke(cli.app, arguments).exit_code == 0
    clip(tmp_path, "fake1.mp4", trouble="media")
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == ExitCode.ROWS
    assert "lipaccord: row 5 (fake1.mp4) at original:" in result.stderr
    assert "Paint" in result.stdout
    result = CliRunner().invoke(cli.app, ["evaluate", str(tmp_path / "none.csv"), "--out", str(tmp_path / "other")])
    assert result.exit_code == ExitCode.USAGE
    assert "none.csv can't be read" in result.stderr
    assert not (tmp_path / "other").exists()


def test_fixtures_go_through_processes_of_their_own(
    fixture_clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: real clips, a real encode, two processes."""
    rung = treatment_named("crf24-scale0.5")
    monkeypatch.setattr(survey, "RUNGS", (rung,))
    rows = [
        f"{fixture_clip('synthetic')},camera,together,,astronaut,",
        f"{fixture_clip('synthetic_mouth_blurred')},synthesised,together,blur,astronaut,",
        f"{fixture_clip('synthetic_no_sound')},camera,unknown,,astronaut,",
    ]
    path, out = manifest(tmp_path, *rows), tmp_path / "out"
    before = [os.environ.get(name) for name in examining.THREADS]
    result = evaluate(path, out, processes=2, match_encodes=True, settings=Settings(end_s=1.2))
    assert [os.environ.get(name) for name in examining.THREADS] == before
    [line] = result["left_out"]
    assert "no sound" in line
    assert result["rungs"] == {"blur": rung.name}
    rows_of = {(Path(row["path"]).stem, row["rung"]): row for row in table(out)}
    original, encoded = (rows_of["synthetic", at] for at in (ORIGINAL, rung.name))
    blurred = rows_of["synthetic_mouth_blurred", ORIGINAL]
    assert float(blurred["forehead"]) == pytest.approx(float(original["forehead"]), abs=0.05)
    assert float(encoded["forehead"]) < float(original["forehead"]) - 0.1
    moved = float(original["blur.signed"]) - float(blurred["blur.signed"])
    assert moved > 3.0
    assert abs(float(original["blur.signed"]) - float(encoded["blur.signed"])) < moved / 2
