from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from analyses import analysis as made_analysis
from archives import METHOD
from lipaccord.archive.dossier import analysis, dossier, find
from lipaccord.archive.filters import chosen_method
from lipaccord.archive.store import Store, open_store
from lipaccord.errors import ArchiveError
from lipaccord.report.json import analysis_to_dict, as_text
from made_archives import HOSTILE, OTHER, Made, decide, failed, gist, store_of, unrelated

WHOLE = analysis_to_dict(made_analysis())
PARTS: dict[str, Any] = {
    "analysis": {name: value for name, value in WHOLE.items() if name != "timeline"},
    "timeline": {"timeline": WHOLE["timeline"], "digest": WHOLE["digest"]},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_of(
        tmp_path / "archive.db",
        Made([gist(0.1), unrelated(2.0), gist(0.3)], sha256="abcdef" + "0" * 58, **PARTS),
        Made([gist()], uri=HOSTILE, sha256="abcdef" + "1" * 58),
        failed(),
        Made([gist()], uri="/made/4"),
        Made(),
    )


@pytest.mark.parametrize(
    ("text", "clip"),
    [
        ("1", 1),
        ("/made/clip-1.mp4", 1),
        (HOSTILE, 2),
        ("/made/4", 4),
        ("abcdef0", 1),
        ("ABCDEF" + "1" * 58, 2),
    ],
)
def test_a_clip_is_found_by_number_name_and_content(path: Path, text: str, clip: int) -> None:
    with open_store(path) as store:
        assert find(store, text) == clip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("99", "holds no clip '99'; give a number from `lipaccord archive top`"),
        ("9" * 30, "holds no clip"),
        ("", "holds no clip ''"),
        ("clip-1", "holds no clip"),
        ("abcde", "holds no clip"),
        ("\ud800", r"holds no clip '\\ud800'"),
        ("abcdef", r"'abcdef' names several clips; give the number of one: 1 \(/made/clip-1.mp4\), 2 \(/made/=a.*\)$"),
    ],
)
def test_what_names_no_clip_or_several_is_refused(path: Path, text: str, message: str) -> None:
    with open_store(path) as store, pytest.raises(ArchiveError, match=message) as caught:
        find(store, text)
    assert str(caught.value).isprintable()


def test_of_many_that_a_content_names_the_first_are_listed(tmp_path: Path) -> None:
    path = store_of(tmp_path / "a.db", *[Made([gist()], sha256="ab" * 32)] * 12)
    message = r"10 \(/made/clip-10.mp4\) and more"
    with open_store(path) as store, pytest.raises(ArchiveError, match=message):
        find(store, "abababab")


def test_a_dossier_holds_outcomes_turns_and_decisions(path: Path) -> None:
    store_of(path, Made([gist(0.7)]), method=OTHER)
    with open_store(path) as store:
        decide(store, 1, "confirm", "sound", "heard it")
        found = dossier(store, 1)
    assert [outcome["method"] for outcome in found["outcomes"]] == [OTHER.digest, METHOD.digest]
    assert [outcome["bundle"] for outcome in found["outcomes"]] == ["stub 2", "stub 1"]
    older = found["outcomes"][1]
    assert [(turn["number"], turn["start_s"], turn["gist"].triage) for turn in older["turns"]] == [
        (1, 20.0, 0.1),
        (2, 40.0, 2.0),
        (3, 60.0, 0.3),
    ]
    assert found["clip"]["name"] == "/made/clip-1.mp4"
    assert [(one["verdict"], one["what"], one["note"]) for one in found["decisions"]] == [
        ("confirm", "sound", "heard it")
    ]


def test_a_dossier_of_what_waits_or_failed_is_short(path: Path) -> None:
    with open_store(path) as store:
        assert dossier(store, 5)["outcomes"] == []
        assert dossier(store, 3)["outcomes"][0]["turns"] == []
        with pytest.raises(ArchiveError, match="holds no clip 77"):
            dossier(store, 77)


def stored(store: Store, clip: int, turn: int | None = None) -> dict[str, Any]:
    return analysis(store, clip, chosen_method(store, None), turn)


def test_an_analysis_comes_out_as_it_was_written(path: Path) -> None:
    with open_store(path) as store:
        assert as_text(stored(store, 1)) == as_text(WHOLE)
        assert list(stored(store, 1, 3)) == list(WHOLE)


def test_the_turn_that_leads_is_the_one_that_is_told_of(path: Path) -> None:
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("UPDATE turn SET analysis = ? WHERE number = 2", (zlib.compress(b'{"leads": 1}'),))
        assert stored(store, 1)["leads"] == 1
        assert "leads" not in stored(store, 1, 1)


def test_an_analysis_without_time_courses_has_none(path: Path) -> None:
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("UPDATE turn SET timeline = NULL")
        assert stored(store, 1) == PARTS["analysis"]


def test_what_was_not_measured_has_no_analysis(path: Path) -> None:
    with open_store(path) as store:
        assert stored(store, 3) == stored(store, 4) == {}


def test_a_turn_that_there_is_not_is_refused(path: Path) -> None:
    with open_store(path) as store, pytest.raises(ArchiveError, match=r"clip 1 has no turn 4 by the method"):
        stored(store, 1, 4)


@pytest.mark.parametrize("data", [b"[1]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"[" * 100])
def test_a_damaged_analysis_is_told(path: Path, data: bytes) -> None:
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("UPDATE turn SET analysis = ?", (zlib.compress(data),))
        with pytest.raises(ArchiveError, match=r"the analysis of clip 1 .*; score the clip again"):
            stored(store, 1)


def test_analyses_that_are_no_member_of_a_report_are_still_put_together(path: Path) -> None:
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("UPDATE turn SET analysis = ?", (zlib.compress(json.dumps({"a": 1}).encode()),))
        assert stored(store, 1) == {"timeline": WHOLE["timeline"], "a": 1}
