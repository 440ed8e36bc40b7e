from __future__ import annotations

import pytest

from lipaccord.archive import twins
from lipaccord.archive.records import Waiting
from lipaccord.archive.twins import Step, Twins


def clip(number: int, size: int | None = 10, uri: str = "/a.mp4") -> Waiting:
    return Waiting(number, uri, "m", size, None)


def told(steps: list[Step]) -> list[tuple[str, int]]:
    return [(step, waiting.clip) for step, waiting in steps]


def test_clips_of_different_sizes_do_not_wait() -> None:
    pair = Twins()
    assert told(pair.admit(clip(1, 10))) == [("examine", 1)]
    assert told(pair.admit(clip(2, 11))) == [("examine", 2)]


@pytest.mark.parametrize("other", [clip(2, None), clip(2, 10, "https://host/a.mp4")])
def test_clips_without_a_size_and_those_on_a_server_do_not_wait(other: Waiting) -> None:
    pair = Twins()
    pair.admit(clip(1))
    assert told(pair.admit(other)) == [("examine", 2)]
    assert pair.settled(other) == []


def test_two_of_one_size_are_identified_and_different_ones_go_on() -> None:
    pair = Twins()
    pair.admit(clip(1))
    assert told(pair.admit(clip(2))) == [("identify", 1), ("identify", 2)]
    assert pair.identified(clip(2), "b") == []
    assert told(pair.identified(clip(1), "a")) == [("examine", 2)]


def test_an_equal_one_waits_until_the_first_has_its_outcome() -> None:
    pair = Twins()
    pair.admit(clip(1))
    pair.admit(clip(2))
    pair.identified(clip(1), "a")
    assert pair.identified(clip(2), "a") == []
    assert told(pair.settled(clip(1))) == [("examine", 2)]
    assert pair.settled(clip(2)) == []


def test_of_many_equal_ones_one_is_examined_at_a_time() -> None:
    pair = Twins()
    pair.admit(clip(1))
    for number in (2, 3, 4):
        pair.admit(clip(number))
    for number in (1, 2, 3, 4):
        pair.identified(clip(number), "a")
    assert told(pair.settled(clip(1))) == [("examine", 2)]
    assert told(pair.settled(clip(2))) == [("examine", 3)]


def test_nobody_is_asked_twice() -> None:
    pair = Twins()
    pair.admit(clip(1))
    pair.admit(clip(2))
    assert told(pair.admit(clip(3))) == [("identify", 3)]


def test_what_can_not_be_read_is_examined_and_holds_nobody() -> None:
    pair = Twins()
    pair.admit(clip(1))
    pair.admit(clip(2))
    pair.identified(clip(1), "")
    assert told(pair.identified(clip(2), "")) == [("examine", 2)]


def test_the_first_may_have_its_outcome_before_it_is_identified() -> None:
    pair = Twins()
    pair.admit(clip(1))
    pair.admit(clip(2))
    assert pair.settled(clip(1)) == []
    assert told(pair.identified(clip(2), "a")) == [("examine", 2)]
    assert pair.identified(clip(1), "a") == []


def test_no_more_are_held_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "MOST_HELD", 2)
    pair = Twins()
    for number in (1, 2, 3):
        pair.admit(clip(number))
    assert told(pair.admit(clip(4))) == [("examine", 4)]
    assert pair.settled(clip(4)) == []


def test_nothing_is_kept_of_what_is_done() -> None:
    pair = Twins()
    for number in (1, 2, 3):
        pair.admit(clip(number))
        pair.identified(clip(number), "a")
    for number in (1, 2, 3):
        pair.settled(clip(number))
    assert (pair._busy, pair._held, pair._held_count) == ({}, {}, 0)
