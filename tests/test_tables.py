from __future__ import annotations

import csv
import io

from lipaccord.calibration import CONDITIONS as DRIVING
from lipaccord.cues import COMBINED_CUES
from lipaccord.findings import sync_finding
from lipaccord.matching import ORIGINAL
from lipaccord.records import Evidence, Finding
from lipaccord.tables import LABELS, SUMMARY, cells_of, clips_table, crossed_cells, texts, windows_table, written
from made_survey import CONDITIONS, SYNC_FIGURES, WHY, calibration, crossed, examined, heard, labelled, seen

ANNA, BERTA = labelled("anna.mp4", "anna"), labelled("berta.mp4", "berta")
FAKE = labelled("fake.mp4", "anna", "synthesised", "driven", "Paint")
DETAILS = {"signed": -2.5, "parts": {"chin": 1.25, "beard": None}, "pairs": [1, 2], "frames": 80, "is": True}


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def detailed() -> Finding:
    """Return a finding of one cue that measured and gave details, and of one that abstained with some."""
    cues = (
        Evidence("blur", "1", "resynthesis", 2.5, "Soft.", details=DETAILS),
        Evidence("teeth", "1", "resynthesis", None, "None.", abstained=(WHY,), details={"frames": 3}),
    )
    return Finding("resynthesis", "inconclusive", 0.75, None, None, (WHY, WHY), cues, {"conditions": {"face_s": 3.5}})


def test_a_row_has_the_labels_and_both_findings() -> None:
    cells = cells_of(examined(FAKE, seen(2.0), heard(-5.0), rung="crf24", forehead=-0.25))
    assert {name: cells[name] for name in LABELS} == {
        "path": "fake.mp4",
        "rung": "crf24",
        "method": "Paint",
        "group": "anna",
        "mouth": "synthesised",
        "sound": "driven",
        "pair": "",
    }
    assert (cells["forehead"], cells["problem"]) == (-0.25, None)
    assert (cells["sync"], cells["sync_status"], cells["sync_log10_lr"]) == (-5.0, "inconclusive", None)
    assert cells["sync_reasons"] == "no_calibration"
    assert cells["resynthesis"] == 2.0
    assert cells["resynthesis_reasons"] == "texture no_calibration"
    assert {f"conditions.{name}": cells[f"conditions.{name}"] for name in CONDITIONS} == {
        f"conditions.{name}": value for name, value in CONDITIONS.items()
    }
    assert set(DRIVING["sync"] + DRIVING["resynthesis"]) <= set(CONDITIONS)


def test_a_row_has_every_score_with_the_numbers_behind_it() -> None:
    cells = cells_of(examined(ANNA, detailed()))
    assert {name: cells[name] for name in cells if name.split(".")[0] in {"blur", "teeth"}} == {
        "blur": 2.5,
        "blur.signed": -2.5,
        "blur.parts.chin": 1.25,
        "blur.pairs.0": 1.0,
        "blur.pairs.1": 2.0,
        "blur.frames": 80.0,
        "teeth": None,
        "teeth.frames": 3.0,
    }
    assert cells["conditions.face_s"] == 3.5
    assert set(COMBINED_CUES) <= set(cells_of(examined(ANNA, seen(1.0))))


def test_a_calibrated_ratio_stands_in_its_own_column() -> None:
    evidence = Evidence("sync", "2", "sync", -1.5, "words", details=SYNC_FIGURES)
    finding = sync_finding(evidence, calibration(), CONDITIONS)
    assert finding.log10_lr is not None
    cells = cells_of(examined(ANNA, finding))
    assert (cells["sync"], cells["sync_log10_lr"], cells["sync_status"]) == (-1.5, finding.log10_lr, "in_sync")


def test_what_could_not_be_examined_says_why() -> None:
    cells = cells_of(examined(ANNA, forehead=None))
    assert (cells["problem"], cells["forehead"]) == ("it is damaged", None)
    assert not cells.keys() & {"sync", "resynthesis"}


def test_a_window_is_told_with_both_clips() -> None:
    cells = crossed_cells(crossed(ANNA, BERTA, 1.5))
    assert (cells["path"], cells["group"], cells["sound_of"], cells["sound"]) == (
        "anna.mp4",
        "anna",
        "berta.mp4",
        "apart",
    )
    assert (cells["length_s"], cells["start_s"], cells["sound_start_s"]) == (3.0, 0.0, 3.0)
    assert (cells["sync"], cells["sync_status"], cells["sync_log10_lr"]) == (1.5, "inconclusive", None)
    assert (cells["conditions.speech_s"], cells["conditions.eyes_px"]) == (2.9, 80.0)
    assert cells["sync.offset_s"] == SYNC_FIGURES["offset_s"]
    assert crossed_cells(crossed(ANNA, ANNA, -5.0))["sound"] == "together"


def test_a_window_in_which_the_cue_abstains_has_no_score() -> None:
    cells = crossed_cells(crossed(ANNA, BERTA, None))
    assert (cells["sync"], cells["sync_log10_lr"]) == (None, None)
    assert (cells["sync_status"], cells["sync_reasons"]) == ("not_examinable", "too_little_speech")


def test_what_is_missing_is_empty_and_not_zero() -> None:
    assert texts({"a": None, "b": 0.0, "c": "", "d": 2}) == {"a": "", "b": "0.0", "c": "", "d": "2"}


def test_columns_are_those_of_all_rows_the_known_ones_first() -> None:
    text = written([{"z": 1.0, "path": "a"}, {"path": "b", "m": None, "n": 2.0}], ("path", "n", "never"))
    assert text.splitlines() == ["path,n,never,m,z", "a,,,,1.0", "b,2.0,,,"]
    assert written([], ("path",)) == "path\n"
    letters = "qwertzuiop"
    assert written([dict.fromkeys(letters, 1.0)], ()).splitlines()[0] == ",".join(sorted(letters))


def test_names_that_hold_commas_and_quotes_come_back() -> None:
    name = 'a,"b"\nc'
    assert read(written([{"path": name, "x": 1.0}], ("path",))) == [{"path": name, "x": "1.0"}]


def test_the_table_of_clips() -> None:
    both = (examined(ANNA, detailed(), heard(-5.0)), examined(FAKE, forehead=None))
    first, second = read(clips_table(both))
    assert tuple(first)[: len(LABELS) + len(SUMMARY)] == (*LABELS, *SUMMARY)
    assert (first["path"], first["rung"], first["blur.signed"], first["teeth"]) == ("anna.mp4", ORIGINAL, "-2.5", "")
    assert (second["path"], second["problem"]) == ("fake.mp4", "it is damaged")
    assert (second["blur"], second["blur.signed"], second["forehead"], second["resynthesis"]) == ("", "", "", "")
    assert float(first["sync"]) == -5.0


def test_the_table_of_windows() -> None:
    first, second = read(windows_table((crossed(ANNA, ANNA, -5.0), crossed(ANNA, BERTA, None))))
    assert list(first)[:6] == ["path", "group", "sound_of", "sound", "length_s", "sync"]
    assert [row["sound"] for row in (first, second)] == ["together", "apart"]
    assert (first["sync"], second["sync"], second["sync_reasons"]) == ("-5.0", "", "too_little_speech")
    assert read(windows_table(())) == []
