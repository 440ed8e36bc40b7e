"""Decisions on clips: kept with who and when, belonging to the content, taken back one by one, and never lost."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import made_store
from lipaccord.archive import deciding
from lipaccord.archive.deciding import annotate, current, decide, history, take_back
from lipaccord.archive.filters import Filter
from lipaccord.archive.ranking import top
from lipaccord.archive.records import Entry
from lipaccord.archive.store import Store, open_store
from lipaccord.errors import ArchiveError

FAILED = 8  # the clip of the made store that has no content
UNDECIDED = Filter(verdict="undecided")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made_store(tmp_path / "archive.db", 12)


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as one:
        yield one


def test_a_decision_is_kept_with_who_and_when(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "now", lambda: "2026-01-02T03:04:05Z")
    decide(store, 1, "confirm", "mouth", "teeth come and go", "ada")
    kept = current(store, 1)
    assert kept is not None
    assert dataclasses.asdict(kept) == {
        "id": 1,
        "verdict": "confirm",
        "what": "mouth",
        "note": "teeth come and go",
        "user": "ada",
        "decided_at": "2026-01-02T03:04:05Z",
        "withdrawn_at": None,
        "current": True,
    }


def test_nothing_is_decided_at_first(store: Store) -> None:
    assert current(store, 1) is None
    assert history(store, 1) == []


def test_the_last_decision_counts_and_the_others_stay(store: Store) -> None:
    for verdict, user in (("unsure", "ada"), ("dismiss", "grace")):
        decide(store, 1, verdict, "", "", user)
    assert [(one.verdict, one.user, one.current) for one in history(store, 1)] == [
        ("unsure", "ada", False),
        ("dismiss", "grace", True),
    ]


def test_the_ranking_sees_the_decision_that_counts(store: Store) -> None:
    decide(store, 1, "unsure", "", "", "ada")
    decide(store, 1, "confirm", "both", "", "ada")
    assert {row["id"] for row in top(store, Filter(verdict="confirm"), 99)} == {1}
    assert 1 not in {row["id"] for row in top(store, UNDECIDED, 99)}


def test_the_note_is_kept_when_only_the_verdict_changes(store: Store) -> None:
    decide(store, 1, "unsure", "", "see 3.2 s", "ada")
    assert decide(store, 1, "dismiss", "", None, "ada").note == "see 3.2 s"
    assert decide(store, 1, "dismiss", "", "", "ada").note == ""


def test_the_verdict_is_kept_when_only_the_note_changes(store: Store) -> None:
    decide(store, 1, "confirm", "sound", "", "ada")
    noted = annotate(store, 1, "another voice", "grace")
    assert (noted.verdict, noted.what, noted.note, noted.user) == ("confirm", "sound", "another voice", "grace")


def test_a_note_alone_decides_nothing(store: Store) -> None:
    assert annotate(store, 1, "later", "ada").verdict is None
    assert 1 in {row["id"] for row in top(store, UNDECIDED, 99)}


def test_taking_back_makes_the_one_before_count_again(store: Store) -> None:
    decide(store, 1, "unsure", "", "a", "ada")
    decide(store, 1, "dismiss", "", "b", "ada")
    decide(store, 1, "confirm", "sound", "c", "ada")
    assert [getattr(take_back(store, 1), "note", None) for _ in range(3)] == ["b", "a", None]
    kept = history(store, 1)
    assert len(kept) == 3
    assert all(one.withdrawn_at and not one.current for one in kept)


def test_what_was_taken_back_does_not_return(store: Store) -> None:
    decide(store, 1, "unsure", "", "a", "ada")
    decide(store, 1, "dismiss", "", "b", "ada")
    take_back(store, 1)
    decide(store, 1, "confirm", "both", "c", "ada")
    after = take_back(store, 1)
    assert after is not None
    assert after.note == "a"


def test_there_must_be_something_to_take_back(store: Store) -> None:
    with pytest.raises(ArchiveError, match="no decision to take back"):
        take_back(store, 1)


def test_a_decision_holds_for_every_clip_of_the_same_content(store: Store) -> None:
    with store.change() as connection:
        connection.execute("UPDATE clip SET sha256 = (SELECT sha256 FROM clip WHERE id = 1) WHERE id = 2")
    decide(store, 1, "dismiss", "", "", "ada")
    assert current(store, 2) == current(store, 1) is not None
    assert current(store, 3) is None
    take_back(store, 2)
    assert current(store, 1) is None


def test_a_decision_does_not_hold_for_new_content(store: Store) -> None:
    decide(store, 1, "dismiss", "", "", "ada")
    with store.change() as connection:
        connection.execute("UPDATE clip SET sha256 = ? WHERE id = 1", ("f" * 64,))
    assert current(store, 1) is None
    assert history(store, 1) == []


def test_a_clip_that_was_never_read_can_be_decided_on(store: Store) -> None:
    assert store.connection.execute("SELECT sha256 FROM clip WHERE id = ?", (FAILED,)).fetchone()[0] is None
    decide(store, FAILED, "dismiss", "", "", "ada")
    assert current(store, FAILED) is not None


@pytest.mark.parametrize(
    ("verdict", "what", "note", "user", "trouble"),
    [
        ("perhaps", "", "", "ada", "there is no verdict 'perhaps'"),
        ("confirm", "", "", "ada", "what is confirmed must be one of: sound, mouth, both"),
        ("confirm", "teeth", "", "ada", "what is confirmed must be one of"),
        ("dismiss", "sound", "", "ada", "only a confirmation says"),
        (None, "sound", "", "ada", "only a confirmation says"),
        ("dismiss", "", "x" * 2001, "ada", "the note has 2001 characters"),
        ("dismiss", "", "a\0b", "ada", "the note holds characters that are no text"),
        ("dismiss", "", "\ud800", "ada", "the note holds characters that are no text"),
        ("dismiss", "", "", "x" * 201, "the user has 201 characters"),
        ("dismiss", "", "", "\udcff", "the user holds characters that are no text"),
    ],
)
def test_what_is_no_decision_is_refused(
    store: Store, verdict: str | None, what: str, note: str, user: str, trouble: str
) -> None:
    with pytest.raises(ArchiveError, match=trouble):
        decide(store, 1, verdict, what, note, user)
    assert history(store, 1) == []


@pytest.mark.parametrize("deed", [lambda one: decide(one, 99, "dismiss", "", "", "ada"), lambda one: current(one, 99)])
def test_there_must_be_such_a_clip(store: Store, deed: object) -> None:
    with pytest.raises(ArchiveError, match="there is no clip 99"):
        deed(store)  # type: ignore[operator]


def test_a_note_may_hold_anything_that_is_text(store: Store) -> None:
    note = "<script>'; DROP TABLE decision; --\n\u202e\x1b[31m"
    assert annotate(store, 1, note, "ada").note == note


def test_a_decision_that_fails_half_way_leaves_all_as_it_was(store: Store) -> None:
    decide(store, 1, "dismiss", "", "", "ada")
    store.connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON decision BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    with pytest.raises(ArchiveError, match="no room"):
        decide(store, 1, "unsure", "", "", "ada")
    kept = current(store, 1)
    assert kept is not None
    assert kept.verdict == "dismiss"


def test_reviewers_and_a_run_work_side_by_side(path: Path) -> None:
    def review(user: str) -> None:
        with open_store(path) as own:
            for clip in range(1, 13):
                decide(own, clip, "dismiss", "", user, user)

    threads = [threading.Thread(target=review, args=(user,)) for user in ("ada", "grace")]
    with open_store(path) as run:
        number = run.begin(1, ["more"])
        for thread in threads:
            thread.start()
        for place in range(20):
            run.add(number, 1, [Entry(f"/more/{place}.mp4", mark="m")])
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        for clip in range(1, 13):
            kept = history(run, clip)
            assert sorted(one.user for one in kept) == ["ada", "grace"]
            assert sum(one.current for one in kept) == 1
        assert run.connection.execute("SELECT count(*) FROM clip").fetchone()[0] == 32
