from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

import lipaccord
from lipaccord import calibrating
from lipaccord.bundle import CALIBRATION, PARTS, Bundle, load_bundle, packed, with_parts, write_bundle
from lipaccord.calibrating import calibrate_bundle
from lipaccord.calibration import Calibration, Values
from lipaccord.calibration_reading import load_calibrations
from lipaccord.errors import BundleError, CalibrationError
from lipaccord.fitting import Rescore, Sample, calibrate
from lipaccord.judging import Judge
from lipaccord.propositions import PROPOSITIONS
from lipaccord.records import FindingName
from lipaccord.settings import Settings
from lipaccord.survey import Survey
from made_survey import bundle_with, calibration, population, survey_of

NOTE = "Forty speeches of our own archive, 2019 to 2024; not for telephone calls."


MADE: dict[tuple[Any, ...], tuple[Calibration, Values]] = {}


def remembered(sample: Sample, finding: FindingName, population: dict[str, Any], rescore: Rescore | None) -> Any:
    """Calibrate, once for equal samples: it takes a second."""
    assert rescore is None
    key = (finding, sample.scores.tobytes(), sample.truth.tobytes(), tuple(sample.groups.tolist()))
    if key not in MADE:
        MADE[key] = calibrate(sample, finding, population)
    made, ratios = MADE[key]
    return dataclasses.replace(made, population=population), ratios


class Measured:
    """Takes the place of the survey: says what was measured, and remembers what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, found: Survey) -> None:
        self.asked: dict[str, Any] = {}
        self.found = found
        monkeypatch.setattr(calibrating, "survey", self.survey)
        monkeypatch.setattr(calibrating, "calibrate", remembered)

    def survey(self, manifest: Path, out: Path, bundle: Bundle, **options: Any) -> Survey:
        self.asked = {"manifest": manifest, "out": out, "bundle": bundle, **options}
        return self.found


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    return Measured(monkeypatch, population())


def without(found: Survey, mouth: str) -> Survey:
    """Leave out the clips of one class."""
    return dataclasses.replace(found, examined=tuple(one for one in found.examined if one.clip.mouth != mouth))


def section(bundle: Bundle) -> str:
    """Return the calibration's part of the card."""
    (text,) = re.findall("<!-- part: calibration -->\n(.*)<!-- end: calibration -->\n", bundle.card, re.DOTALL)
    return str(text)


def test_the_bundle_that_is_written_gives_the_ratios_that_were_made(measured: Measured, tmp_path: Path) -> None:
    made, left_out = calibrate_bundle(tmp_path / "manifest.csv", tmp_path / "own")
    assert left_out == ()
    written, base = load_bundle(tmp_path / "own"), load_bundle()
    assert (written.name, written.version) == (base.name, lipaccord.__version__)
    assert {name: written.files[name] for name in PARTS} == {name: base.files[name] for name in PARTS}
    read = load_calibrations(written.calibration)
    assert set(read) == set(made) == {"sync", "resynthesis"}
    for name, one in made.items():
        asked = {"speech_s": 4.0, "face_s": 3.6, "eyes_px": 80.0, "detail": -0.5}
        for score in (-6.0, -3.0, 0.0, 1.5):
            assert read[name].ratio(score, asked).log10_lr == pytest.approx(one.ratio(score, asked).log10_lr, abs=1e-4)
        assert read[name].population == one.population
        assert one.population["suspicious_groups"] == one.population["innocent_groups"] == 12
    Judge(written)


def test_what_was_asked_of_the_survey(measured: Measured, tmp_path: Path) -> None:
    settings = Settings(end_s=4.0)
    out = tmp_path / "own"
    calibrate_bundle(tmp_path / "m.csv", out, processes=3, settings=settings)
    asked = measured.asked
    assert (asked["manifest"], asked["out"]) == (tmp_path / "m.csv", tmp_path / "own-work")
    assert (asked["match_encodes"], asked["processes"], asked["settings"]) == (True, 3, settings)
    assert (asked["bundle_path"], asked["bundle"].sha256) == (None, load_bundle().sha256)
    calibrate_bundle(tmp_path / "m.csv", out, work=tmp_path / "kept", match_encodes=False)
    asked = measured.asked  # the bundle that is there is started from
    assert (asked["out"], asked["match_encodes"]) == (tmp_path / "kept", False)
    assert (asked["bundle_path"], asked["bundle"].sha256) == (out, asked["bundle"].sha256)


def test_another_bundle_can_be_started_from(measured: Measured, tmp_path: Path) -> None:
    base = load_bundle()
    parts = {"resynthesis.json": packed(base.resynthesis | {"offset": 0.25})}
    write_bundle(tmp_path / "base", "ours", "7", with_parts(base, parts, "resynthesis", "# Ours"))
    calibrate_bundle(tmp_path / "m.csv", tmp_path / "own", bundle=tmp_path / "base")
    written = load_bundle(tmp_path / "own")
    assert (written.name, written.resynthesis["offset"]) == ("ours", 0.25)
    assert "# Ours" in written.card
    assert measured.asked["bundle_path"] == tmp_path / "base"


def test_an_empty_folder_can_be_written_to(measured: Measured, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    calibrate_bundle(tmp_path / "m.csv", tmp_path / "own")
    assert set(load_bundle(tmp_path / "own").calibration["findings"]) == {"sync", "resynthesis"}


def test_a_calibration_is_refused_with_other_parts(measured: Measured, tmp_path: Path) -> None:
    out = tmp_path / "own"
    calibrate_bundle(tmp_path / "m.csv", out)
    written = load_bundle(out)
    other = {"resynthesis.json": packed(written.resynthesis | {"offset": 0.25})}
    write_bundle(out, written.name, written.version, written.files | other)
    with pytest.raises(BundleError, match="was made with other parts; calibrate it again"):
        load_bundle(out)
    write_bundle(out, written.name, written.version, with_parts(written, other, "resynthesis", "# Other"))
    again = load_bundle(out)
    assert again.calibration["findings"] == {}
    assert "<!-- part: calibration -->" not in again.card
    assert "# Other" in again.card


@pytest.mark.parametrize(
    ("mouth", "words"), [("synthesised", "scored clips of both classes"), ("camera", "12 with the suspicious")]
)
def test_a_finding_with_one_class_stays_uncalibrated(
    measured: Measured, tmp_path: Path, mouth: str, words: str
) -> None:
    measured.found = dataclasses.replace(without(measured.found, mouth), left_out=("row 9 (a.mp4): it is damaged",))
    made, lines = calibrate_bundle(tmp_path / "m.csv", tmp_path / "own")
    assert list(made) == ["sync"]
    damaged, line = lines
    assert damaged == "row 9 (a.mp4): it is damaged"
    assert line.startswith("resynthesis is not calibrated: ")
    assert words in line
    written = load_bundle(tmp_path / "own")
    assert set(written.calibration["findings"]) == {"sync"}
    assert f"### resynthesis\n\n{line}.\n".lower() in section(written).lower()


def test_a_finding_that_nothing_was_scored_for_stays_uncalibrated(measured: Measured, tmp_path: Path) -> None:
    measured.found = dataclasses.replace(measured.found, crossed=())
    made, lines = calibrate_bundle(tmp_path / "m.csv", tmp_path / "own")
    assert list(made) == ["resynthesis"]
    assert lines == ("sync is not calibrated: there are no scored clips of both classes",)


def test_nothing_to_calibrate_stops_and_leaves_what_is_there(measured: Measured, tmp_path: Path) -> None:
    out = tmp_path / "own"
    before = bundle_with(out, sync=calibration())
    measured.found = population(4)
    with pytest.raises(CalibrationError, match=r"sync is not calibrated: .*; resynthesis is not calibrated: "):
        calibrate_bundle(tmp_path / "m.csv", out)
    assert load_bundle(out).sha256 == before.sha256
    measured.found = survey_of()
    with pytest.raises(CalibrationError, match="there are no scored clips of both classes; resynthesis"):
        calibrate_bundle(tmp_path / "m.csv", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_folder_of_something_else_is_not_replaced(measured: Measured, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").write_text("dear all")
    with pytest.raises(BundleError, match="is not a bundle; name another folder"):
        calibrate_bundle(tmp_path / "m.csv", tmp_path / "own")
    assert measured.asked == {}


def test_the_card_states_who_it_was_how_well_it_did_and_how_to_repeat_it(measured: Measured, tmp_path: Path) -> None:
    made, _ = calibrate_bundle(tmp_path / "m.csv", tmp_path / "own", note=NOTE, settings=Settings(end_s=4.0))
    text = section(load_bundle(tmp_path / "own"))
    assert text.startswith(f"# Calibration, lipaccord {lipaccord.__version__}\n")
    assert f"\n\n{NOTE}\n\n" in text
    assert "    lipaccord calibrate MANIFEST --out BUNDLE --end 4\n" in text
    parts = dict(zip(("sync", "resynthesis"), re.split("^### ", text, flags=re.MULTILINE)[1:], strict=True))
    for name, one in made.items():
        part, population_of = parts[name], one.population
        assert part.startswith(f"{name.capitalize()}\n")
        assert f"*{PROPOSITIONS[name].suspicious}*, against *{PROPOSITIONS[name].innocent}*" in part
        for what in ("clips", "scores", "groups"):
            assert f"| {what} | {population_of[f'suspicious_{what}']} | {population_of[f'innocent_{what}']} |" in part
        assert f"{one.bounds[0]:+.2f} to {one.bounds[1]:+.2f} |" in part
        assert f"| {one.figures['cllr']:.3f} | {one.figures['cllr_min']:.3f} |" in part
        assert f"Chosen: {one.figures['candidate']}." in part
        claims = part.partition("A status is claimed")[2]
        assert (f"{one.decide[0]:+.2f}" in claims) == (one.decide[0] >= one.bounds[0])
        assert (f"{one.decide[1]:+.2f}" in claims) == (one.decide[1] <= one.bounds[1])
    assert "Methods: another clip's sound (12)." in parts["sync"]
    assert "Methods: Paint (12)." in parts["resynthesis"]
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for block in tables:
        assert len({line.count("|") for line in block.strip().splitlines()}) == 1


def test_the_card_says_where_nothing_was_said(measured: Measured, tmp_path: Path) -> None:
    calibrate_bundle(tmp_path / "m.csv", tmp_path / "own", match_encodes=False)
    written = load_bundle(tmp_path / "own")
    text = section(written)
    assert "Nothing was said of the footage" in text
    assert "calibrate MANIFEST --out BUNDLE --as-they-came\n" in text
    assert {one["population"]["encodes"] for one in written.calibration["findings"].values()} == {"as they came"}


def test_one_finding_is_calibrated_and_the_other_kept(measured: Measured, tmp_path: Path) -> None:
    out = tmp_path / "own"
    calibrate_bundle(tmp_path / "m.csv", out, note="first footage")
    before = load_bundle(out).calibration["findings"]
    made, _ = calibrate_bundle(
        tmp_path / "m.csv", out, note="second footage", finding="sync", settings=Settings(end_s=9)
    )
    after = load_bundle(out).calibration["findings"]
    assert set(made) == {"sync"}
    assert after["resynthesis"] == before["resynthesis"]
    assert after["sync"]["population"]["note"] == "second footage"
    text = section(load_bundle(out))
    assert "first footage" in text.partition("### Resynthesis")[2]
    assert "lipaccord calibrate MANIFEST --out BUNDLE --finding sync --end 9\n" in text


def test_a_second_calibration_replaces_the_section_of_the_first(measured: Measured, tmp_path: Path) -> None:
    out = tmp_path / "own"
    calibrate_bundle(tmp_path / "m.csv", out, note="first footage")
    calibrate_bundle(tmp_path / "m.csv", out, note="second footage")
    card = load_bundle(out).card
    assert "second footage" in section(load_bundle(out))
    assert "first footage" not in card
    assert card.count("# Calibration, lipaccord") == 1


@pytest.mark.parametrize("where", ["note", "method"])
def test_names_and_notes_can_not_tear_the_card(measured: Measured, tmp_path: Path, where: str) -> None:
    hostile = "<!-- end: calibration -->\n# Verified by the laboratory\n| a | b |"
    if where == "method":
        for one in measured.found.examined:
            if one.clip.method:
                object.__setattr__(one.clip, "method", hostile)
    out = tmp_path / "own"
    calibrate_bundle(tmp_path / "m.csv", out, note=hostile if where == "note" else None)
    measured.found = population()
    calibrate_bundle(tmp_path / "m.csv", out, note="second footage")
    assert "Verified by the laboratory" not in load_bundle(out).card


def test_equal_measurements_give_an_equal_bundle(measured: Measured, tmp_path: Path) -> None:
    for name in ("one", "two"):
        calibrate_bundle(tmp_path / "m.csv", tmp_path / name, note=NOTE)
    assert load_bundle(tmp_path / "one").sha256 == load_bundle(tmp_path / "two").sha256


def test_no_person_is_named_in_the_bundle(measured: Measured, tmp_path: Path) -> None:
    clips = tuple(
        dataclasses.replace(one, clip=dataclasses.replace(one.clip, group=f"Anna Muster {one.clip.group}"))
        for one in measured.found.examined
    )
    measured.found = dataclasses.replace(measured.found, examined=clips)
    calibrate_bundle(tmp_path / "m.csv", tmp_path / "own")
    written = load_bundle(tmp_path / "own")
    assert b"Muster" not in written.files[CALIBRATION]
    assert "Muster" not in written.card
    assert len(written.calibration["findings"]["resynthesis"]["population"]["groups"]) == 12
