from __future__ import annotations

from typing import Any

import pytest

from lipaccord.comparison import Check, Difference, Verification, differences


def told(was: Any, now: Any) -> list[str]:
    return [str(one) for one in differences(was, now)]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (1.0, 1.0 + 0.9e-5),
        (-2e6, -2e6 - 19),
        (0.0, 0.9e-6),
        (1, 1.000001),
        ([1.0, None], [1.000001, None]),
        ({"a": 1, "b": [{"c": "x"}]}, {"b": [{"c": "x"}], "a": 1}),
        (True, True),
        ([], []),
    ],
)
def test_the_same_within_the_tolerance(was: Any, now: Any) -> None:
    assert told(was, now) == told(now, was) == []


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (1.0, 1.0 + 1.1e-5, ".x: was 1.0, is 1.000011"),
        (0.0, 1.1e-6, ".x: was 0.0, is 1.1e-06"),
        (1_000_000, 1_000_001, ".x: was 1000000, is 1000001"),
        ("a", "a ", '.x: was "a", is "a "'),
        (True, 1, ".x: was true, is 1"),
        ([1.0, True], [1.0, 1.0], ".x[1]: was true, is 1.0"),
        ([True], [1], ".x[0]: was true, is 1"),
        (None, 0.0, ".x: was null, is 0.0"),
        (None, "", '.x: was null, is ""'),
        ("1", 1, '.x: was "1", is 1'),
        ([1.0], [1.0, 2.0], ".x: was 1 item, is 2 items"),
        ([1.0, None], [1.0, 2.0], ".x[1]: was null, is 2.0"),
        ([], {}, ".x: was 0 items, is an object of 0"),
        ({"a": 1}, None, ".x: was an object of 1, is null"),
        ([{"a": 1}], [{}], ".x[0].a: was 1, is absent"),
        ({}, {"a b": {"c": 1}}, '.x["a b"]: was absent, is an object of 1'),
        ({"mouth.opening": {"values": [0.5]}}, {"mouth.opening": {"values": [0.6]}}, '.x["mouth.opening"].values[0]: '),
    ],
)
def test_a_difference_says_where_and_what(was: Any, now: Any, expected: str) -> None:
    [found] = told({"same": 1, "d": {"x": was}}, {"same": 1, "d": {"x": now}})
    assert found.startswith(f"d{expected}")


def test_differences_come_in_the_order_of_the_first_and_all_of_them() -> None:
    found = differences({"c": 1, "a": [1, 2, 3], "b": 0}, {"a": [1, 0, 0], "d": 1, "c": 2, "b": 0})
    assert [one.path for one in found] == ["c", "a[1]", "a[2]", "d"]


def test_long_values_and_names_are_cut() -> None:
    [found] = differences({"n" * 500 + " ": "v" * 500}, {"n" * 500 + " ": "w"})
    assert len(str(found)) < 200
    assert found.was == '"' + "v" * 59 + "..."


def test_a_verification_prints_itself_briefly() -> None:
    good, bad = Check("report", ok=True, text="unchanged"), Check("clip", ok=False, text="another file")
    assert str(Verification(True, (good,), ())) == "reproduced"
    found = Verification(False, (good, bad), (Difference("a", "1", "2"),))
    assert str(found) == "not reproduced: clip"
