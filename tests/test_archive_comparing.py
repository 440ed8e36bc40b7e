from __future__ import annotations

from pathlib import Path

import pytest

from archives import METHOD, made_store
from lipaccord.archive.comparing import SCHEMA, compare
from lipaccord.archive.store import open_store
from lipaccord.errors import ArchiveError
from made_archives import LACKING, OTHER, Made, failed, gist, store_of, unrelated


@pytest.fixture
def path(tmp_path: Path) -> Path:
    before = [Made([gist(value)]) for value in (0.0, 0.1, 0.2, 0.3, 0.4)]
    after = [Made([gist(value + 0.5)]) for value in (0.4, 0.1, 0.2, 0.3, 0.0)]
    made = store_of(tmp_path / "a.db", *before, failed(), Made([LACKING]), Made([gist()]), Made())
    return store_of(made, *after, Made([gist()]), Made([unrelated(1.0)]), Made(), Made([gist()]), method=OTHER)


def test_the_two_newest_are_compared_the_older_one_first(path: Path) -> None:
    with open_store(path) as store:
        found = compare(store)
        assert found == compare(store, METHOD.digest[:6], OTHER.digest[:6])
    assert found["schema"] == SCHEMA
    assert [method["digest"] for method in found["methods"]] == [METHOD.digest, OTHER.digest]


def test_statuses_are_crossed_and_changes_named(path: Path) -> None:
    with open_store(path) as store:
        found = compare(store)
    assert found["both"] == 7
    assert found["crossed"]["status"] == [
        ["examined", "examined", 5],
        ["failed", "examined", 1],
        ["not_examinable", "examined", 1],
    ]
    assert found["crossed"]["sync_status"] == [
        ["", "inconclusive", 1],
        ["inconclusive", "inconclusive", 5],
        ["not_examinable", "unrelated", 1],
    ]
    assert found["changed"]["number"] == 2
    assert found["changed"]["clips"][1] == {
        "id": 7,
        "name": "/made/clip-7.mp4",
        "status": ["not_examinable", "examined"],
        "sync_status": ["not_examinable", "unrelated"],
        "resynthesis_status": ["not_examinable", "inconclusive"],
    }


def test_what_only_one_of_them_examined_is_named(path: Path) -> None:
    with open_store(path) as store:
        found = compare(store)
    assert found["only_first"] == {"number": 1, "clips": [{"id": 8, "name": "/made/clip-8.mp4"}]}
    assert found["only_second"] == {"number": 1, "clips": [{"id": 9, "name": "/made/clip-9.mp4"}]}


def test_differences_are_second_less_first(path: Path) -> None:
    with open_store(path) as store:
        triage = compare(store)["differences"]["triage"]
        back = compare(store, OTHER.digest, METHOD.digest)["differences"]["triage"]
    assert triage["clips"] == 5
    assert triage["median"] == pytest.approx(0.5) == pytest.approx(-back["median"])
    assert triage["low"] == pytest.approx(0.1 + 0.2 * 0.4)
    assert triage["high"] == pytest.approx(0.9 - 0.2 * 0.4)
    assert triage["rank_correlation"] == pytest.approx(1 - 6 * (16 + 16) / (5 * 24))


def test_the_clips_whose_rank_moved_most_come_first(path: Path) -> None:
    with open_store(path) as store:
        moved = compare(store)["moved"]
    assert [(clip["id"], clip["rank"]) for clip in moved] == [(1, [5, 1]), (5, [1, 5])]
    assert moved[0]["triage"] == [0.0, 0.9]


def test_lists_are_cut_short_and_their_clips_counted_all(path: Path) -> None:
    with open_store(path) as store:
        found = compare(store, most=1)
    assert (found["changed"]["number"], len(found["changed"]["clips"]), len(found["moved"])) == (2, 1, 1)


def test_equal_numbers_have_no_rank_correlation(tmp_path: Path) -> None:
    path = store_of(tmp_path / "a.db", *[Made([gist(0.5)])] * 4)
    store_of(path, *[Made([gist(value)]) for value in (0.1, 0.2, 0.3, 0.4)], method=OTHER)
    with open_store(path) as store:
        assert compare(store)["differences"]["triage"]["rank_correlation"] is None


def test_failures_only_can_be_compared(tmp_path: Path) -> None:
    path = store_of(tmp_path / "a.db", failed(), failed())
    store_of(path, failed(), failed(), method=OTHER)
    with open_store(path) as store:
        found = compare(store)
    assert (found["both"], found["moved"], found["differences"]["triage"]["median"]) == (2, [], None)


@pytest.mark.parametrize("count", [0, 1])
def test_it_takes_two_methods(tmp_path: Path, count: int) -> None:
    with open_store(store_of(tmp_path / "a.db", *[failed()] * count)) as store:
        message = f"holds outcomes of {count} methods?, and it takes two"
        with pytest.raises(ArchiveError, match=message):
            compare(store)


def test_a_method_is_not_compared_with_itself(path: Path) -> None:
    with open_store(path) as store, pytest.raises(ArchiveError, match=r"both are the method .*; name two"):
        compare(store, METHOD.digest, METHOD.digest[:4])


def test_a_large_store_against_itself_scored_again_is_alike(tmp_path: Path) -> None:
    path = made_store(tmp_path / "a.db", 1000)
    with open_store(made_store(path, 1000, method=OTHER)) as store:
        found = compare(store)
    assert (found["both"], found["changed"]["number"], found["moved"]) == (1000, 0, [])
    assert found["differences"]["triage"]["rank_correlation"] == pytest.approx(1)
