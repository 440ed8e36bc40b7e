from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archives import METHOD
from lipaccord.archive.filters import Filter, chosen_method, fixed, from_query, methods
from lipaccord.archive.store import open_store
from lipaccord.errors import ArchiveError
from made_archives import HOSTILE, LACKING, OTHER, Made, decide, failed, gist, store_of, unrelated


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = store_of(
        tmp_path_factory.mktemp("filters") / "archive.db",
        Made([gist(0.2, cues=("flicker", "blur"))], carried={"speaker": "Ada", "date": "2019-12-31"}),
        Made([unrelated(1.5)], carried={"speaker": "Mary", "date": "2020-02-01"}),
        Made([LACKING], carried={"date": "2020-12-31"}),
        failed(),
        Made(),
        Made([gist(0.3, resynthesis_status="resynthesised")], uri=HOSTILE),
        Made([gist(0.4)], uri="/made/100%_!.mp4", carried={"date": "2021-01-01"}),
    )
    with open_store(made) as store:
        decide(store, 1, "dismiss")
        decide(store, 2, "confirm", "sound")
    return made


def found(path: Path, chosen: Filter) -> list[int]:
    with open_store(path) as store:
        method, condition, values = fixed(store, chosen)
        rows = store.connection.execute(
            f"SELECT id FROM row WHERE method = ? AND {condition} ORDER BY id", (method.digest, *values)
        )
        return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("given", "clips"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"status": "examined"}, [1, 2, 6, 7]),
        ({"status": "not_examinable"}, [3]),
        ({"status": "failed"}, [4]),
        ({"status": "waiting"}, [5]),
        ({"sync_status": "unrelated"}, [2]),
        ({"resynthesis_status": "resynthesised"}, [6]),
        ({"speaker": "Ada"}, [1]),
        ({"since": "2020"}, [2, 3, 7]),
        ({"until": "2020"}, [1, 2, 3]),
        ({"since": "2020-02-01", "until": "2020-02-01"}, [2]),
        ({"cue": "blur"}, [1]),
        ({"cue": "blu"}, []),
        ({"reason": "no_face"}, [3]),
        ({"error": "UnreadableMedia"}, [4]),
        ({"text": "CLIP-"}, [1, 2, 3, 4, 5]),
        ({"text": "%_!"}, [7]),
        ({"text": "0%m"}, []),
        ({"text": "c_ip"}, []),
        ({"text": "\udcff"}, [6]),
        ({"text": "\ud800"}, []),
        ({"verdict": "confirm"}, [2]),
        ({"verdict": "undecided"}, [3, 4, 5, 6, 7]),
        ({"least_triage": 0.3}, [2, 6, 7]),
        ({"status": "examined", "least_triage": 0.3, "verdict": "undecided"}, [6, 7]),
        ({"speaker": "x' OR 1 = 1 --"}, []),
    ],
)
def test_a_filter_means_these_clips(path: Path, given: dict[str, Any], clips: list[int]) -> None:
    assert found(path, Filter(**given)) == clips


def test_what_a_user_writes_is_never_part_of_a_statement() -> None:
    given = {"speaker": "'; DROP", "text": "'; DROP", "cue": "'; DROP", "error": "'; DROP", "since": "'; DROP"}
    condition, values = Filter(**given).where()  # type: ignore[arg-type]
    assert "DROP" not in condition
    assert len(values) == condition.count("?") == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"status": "bro\x1bken"}, r"'bro\\x1bken' is no status; choose examined, not_examinable, failed, waiting"),
        ({"sync_status": "fake"}, "'fake' is no sync status; choose in_sync"),
        ({"verdict": "yes"}, "choose confirm, dismiss, unsure, undecided"),
        ({"least_triage": "much"}, "'much' is no triage; give a number"),
        ({"least_triage": "nan"}, "nan is no triage; give a number"),
    ],
)
def test_a_value_that_there_is_not_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        from_query(given)


def test_a_query_makes_a_filter_and_passes_over_the_rest() -> None:
    query = {"speaker": "Ada", "text": "", "least_triage": "0.5", "page": "3"}
    assert from_query(query) == Filter(speaker="Ada", least_triage=0.5)


def test_the_newest_method_with_outcomes_is_meant(tmp_path: Path) -> None:
    path = store_of(tmp_path / "archive.db", Made([gist()]))
    with open_store(path) as store:
        store.method(OTHER)
        assert chosen_method(store, None).digest == METHOD.digest
    store_of(path, Made([gist()]), method=OTHER)
    with open_store(path) as store:
        assert chosen_method(store, None).digest == OTHER.digest
        assert [method.digest for method in methods(store)] == [OTHER.digest, METHOD.digest]
        assert chosen_method(store, METHOD.digest[:5].upper()).digest == METHOD.digest


def test_a_method_that_is_not_there_or_not_the_only_one_is_refused(tmp_path: Path) -> None:
    path = store_of(tmp_path / "archive.db", Made([gist()]))
    store_of(path, Made([gist()]), method=OTHER)
    with open_store(path) as store:
        with pytest.raises(ArchiveError, match=rf"no method .* begins with 'zz'; name one of: {OTHER.digest} \(bundle"):
            chosen_method(store, "zz")
        with pytest.raises(ArchiveError, match="several methods"):
            chosen_method(store, "")
    with open_store(tmp_path / "empty.db", create=True) as store, pytest.raises(ArchiveError, match="no outcome yet"):
        chosen_method(store, None)
