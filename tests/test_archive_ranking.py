from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from archives import made_store
from lipaccord.archive import ranking
from lipaccord.archive.filters import Filter
from lipaccord.archive.ranking import Place, count, position, top
from lipaccord.archive.store import Store, open_store
from made_archives import LACKING, OTHER, Made, failed, gist, store_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_of(
        tmp_path / "archive.db",
        failed(),
        Made([LACKING]),
        Made([gist(0.5)]),
        Made([gist(0.1), gist(2.0), gist(0.3)]),
        Made([gist(0.5)]),
        Made(),
        Made([gist(None)]),
        Made([LACKING]),
        Made([gist(-1.0)]),
    )


ORDER = [4, 3, 5, 9, 7, 2, 8, 1]


def numbers(rows: Sequence[Mapping[str, object]]) -> list[object]:
    return [row["id"] for row in rows]


def test_triage_then_number_then_what_could_not_be_examined(path: Path) -> None:
    with open_store(path) as store:
        assert numbers(top(store, Filter(), 100)) == ORDER
        assert numbers(top(store, Filter(), 100, ranked_only=True)) == ORDER[:4]
        assert count(store, Filter()) == len(ORDER)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pages_hold_every_clip_once_and_in_order(path: Path, size: int) -> None:
    with open_store(path) as store:
        seen: list[object] = []
        after = None
        while page := top(store, Filter(), size, after):
            seen += numbers(page)
            after = Place.of(page[-1])
            assert position(store, Filter(), after) == len(seen) - 1
    assert seen == ORDER


def test_a_place_holds_when_its_clip_has_another_outcome(path: Path) -> None:
    with open_store(path) as store:
        place = Place.of(top(store, Filter(), 1)[0])
        with store.change() as connection:
            connection.execute("UPDATE outcome SET triage = -9 WHERE clip = 4")
        assert numbers(top(store, Filter(), 2, place)) == [3, 5]


def test_the_turn_that_leads_says_where_to_look(path: Path) -> None:
    with open_store(path) as store:
        first, second = top(store, Filter(), 2)
    assert [first[name] for name in ("turns", "lead", "start_s", "end_s")] == [3, 2, 40.0, 50.0]
    assert (second["turns"], second["start_s"]) == (1, None)


def test_a_clip_that_changed_has_no_place_any_more(path: Path) -> None:
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("UPDATE clip SET mark = 'new' WHERE id = 4")
        assert numbers(top(store, Filter(), 100)) == ORDER[1:]
        assert count(store, Filter()) == len(ORDER) - 1


@pytest.mark.parametrize(
    ("chosen", "clips"),
    [
        (Filter(status="examined"), [4, 3, 5, 9, 7]),
        (Filter(status="not_examinable"), [2, 8]),
        (Filter(status="failed"), [1]),
        (Filter(status="waiting"), []),
        (Filter(least_triage=0.5), [4, 3, 5]),
        (Filter(text="clip-5"), [5]),
    ],
)
def test_a_filter_keeps_the_order(path: Path, chosen: Filter, clips: list[int]) -> None:
    with open_store(path) as store:
        assert numbers(top(store, chosen, 100)) == clips
        assert count(store, chosen) == len(clips)


def test_counting_ends_where_it_is_told(path: Path) -> None:
    with open_store(path) as store:
        last = Place.of(top(store, Filter(), 100)[-1])
        assert count(store, Filter(), 6) == 6
        assert position(store, Filter(), last, 5) == 5


def test_each_method_has_a_ranking_of_its_own(path: Path) -> None:
    store_of(path, Made(), Made(), Made([gist(0.1)]), Made([gist(0.0)]), method=OTHER)
    with open_store(path) as store:
        assert numbers(top(store, Filter(), 100)) == [3, 4]
        assert numbers(top(store, Filter(method="58"), 1)) == [4]


def plans(store: Store, chosen: Filter, after: Place | None) -> list[list[str]]:
    selection = ranking._Selection(store, chosen)
    found = []
    for part in filter(selection.can_hold, ranking._after(after)):
        text, values = selection.statement(part, 20)
        rows = store.connection.execute(f"EXPLAIN QUERY PLAN {text}", values)
        found.append([row["detail"] for row in rows])
    return found


@pytest.mark.parametrize("after", [None, Place(0.4, "examined", 17), Place(None, "not_examinable", 17)])
@pytest.mark.parametrize("chosen", [Filter(), Filter(speaker="Ada", cue="flicker", text="clip", least_triage=0.1)])
def test_a_page_is_read_off_the_index_and_nothing_is_sorted(
    tmp_path: Path, chosen: Filter, after: Place | None
) -> None:
    with open_store(made_store(tmp_path / "archive.db", 200)) as store:
        for plan in plans(store, chosen, after):
            assert plan[0].startswith("SEARCH ranked USING INDEX outcome_rank (method=?")
            assert not [step for step in plan if "TEMP B-TREE" in step]
            assert not [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]


def test_many_clips_are_ranked_as_python_sorts_them(tmp_path: Path) -> None:
    with open_store(made_store(tmp_path / "archive.db", 500)) as store:
        rows = [dict(row) for row in store.connection.execute("SELECT id, triage, status FROM row")]
        order = ["examined", "not_examinable", "failed"]
        rows.sort(key=lambda row: (row["triage"] is None, -(row["triage"] or 0), order.index(row["status"]), row["id"]))
        assert numbers(top(store, Filter(), 1000)) == [row["id"] for row in rows]
