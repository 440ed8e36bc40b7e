from __future__ import annotations

import io
import re

from rich.console import Console

from lipaccord.calibration import Calibrations
from lipaccord.report.calibration import print_calibrations
from made_survey import FIGURES, POPULATION, calibration


def printed(made: Calibrations, width: int = 110) -> str:
    stream = io.StringIO()
    print_calibrations(made, Console(file=stream, width=width))
    return stream.getvalue()


def cells(line: str) -> list[str]:
    """Return the cells of a row after its first."""
    return re.split(r"\s{2,}", line.strip())[1:]


def test_every_finding_has_its_row() -> None:
    other = POPULATION | {"suspicious_groups": 31, "innocent_groups": 7}
    figures = FIGURES | {"cllr": 0.7654, "candidate": "isotonic, no conditions"}
    made = {
        "sync": calibration(),
        "resynthesis": calibration(population=other, figures=figures, bounds=(-0.5, 1.25), decide=(-9.0, 0.5)),
    }
    text = printed(made)  # type: ignore[arg-type]
    [sync] = [line for line in text.splitlines() if "sync" in line and "/" in line]
    [mouth] = [line for line in text.splitlines() if "resynthesis" in line]
    assert cells(sync) == ["20 / 20", "0.250", "0.200", "-2.00 to +3.00", "-1.00 to +1.50", "logistic, speech_s"]
    assert cells(mouth) == ["31 / 7", "0.765", "0.200", "-0.50 to +1.25", "-9.00 to +0.50", "isotonic, no conditions"]
    headings = next(line for line in text.splitlines() if "Cllr_min" in line)
    assert cells(headings) == ["groups", "Cllr", "Cllr_min", "bounds", "claimed at", "chosen"]


def test_the_words_say_how_to_read_it() -> None:
    text = " ".join(printed({"sync": calibration()}).split())
    assert text.startswith("Calibrated, cross-validated by group")
    for part in ("Groups: suspicious / other, each counting once.", "log10 likelihood ratios", "Cllr in bits"):
        assert part in text


def test_a_narrow_terminal_loses_nothing() -> None:
    text = printed({"sync": calibration()}, width=80)
    assert max(map(len, text.splitlines())) <= 80
    squeezed = "".join(text.split())
    for part in ("0.250", "0.200", "logistic"):
        assert part in squeezed
    assert "\u2026" not in text


def test_nothing_is_coloured_where_there_is_no_terminal() -> None:
    assert "\x1b" not in printed({"sync": calibration()})
