from __future__ import annotations

import pytest

from lipaccord import strict_json
from lipaccord.errors import VerificationError
from lipaccord.strict_json import MAX_DEPTH, read_object


def test_an_object_is_read() -> None:
    data = '{"a": [1, 1.5, null, true, "ü"], "b": {"a": {}}, "c": [[{}], 2]}'.encode()
    assert read_object(data, "it") == {"a": [1, 1.5, None, True, "ü"], "b": {"a": {}}, "c": [[{}], 2]}


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a": 1} x', "Extra data"),
        (b'{"a": "\xff"}', "can't decode byte 0xff"),
        (b'\xef\xbb\xbf{"a": 1}', "Unexpected UTF-8 BOM"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": [-Infinity]}', "-Infinity is no number"),
        (b'{"a": [0, 1e999]}', "beyond those of a double"),
        (b'{"a": [{"b": -1e999}]}', "beyond those of a double"),
        (b'{"a": ' + b"1" * 5000 + b"}", "limit"),
        (b'{"b": {"a": 1, "c": 2, "a": 1}}', "the name 'a' comes twice"),
        (b'{"' + b"n" * 5000 + b'": 1, "' + b"n" * 5000 + b'": 1}', "the name 'n{40}' comes twice"),
        (b"[]", "is a list and no object"),
        (b"null", "is a NoneType and no object"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested more than 32 deep"),
        (b'{"a": ' + b'{"a": ' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH + b"}", "nested more than 32 deep"),
    ],
    ids=range(16),
)
def test_what_is_no_object_is_one_plain_error(data: bytes, trouble: str) -> None:
    with pytest.raises(VerificationError, match=rf"^the report r\.json (can't be read: )?.*{trouble}") as caught:
        read_object(data, "the report r.json")
    assert str(caught.value).endswith("; use the report as lipaccord wrote it")
    assert len(str(caught.value)) < 300


def test_the_deepest_that_is_read() -> None:
    depth = MAX_DEPTH - 1
    data = b'{"a": ' * depth + b"{}" + b"}" * depth
    assert read_object(data, "it")


def test_too_many_bytes_or_groups_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'{"a": [[], {}, "["]}'
    monkeypatch.setattr(strict_json, "MAX_GROUPS", 5)
    assert read_object(data, "it")
    monkeypatch.setattr(strict_json, "MAX_GROUPS", 4)
    with pytest.raises(VerificationError, match="more than 4 lists and objects"):
        read_object(data, "it")
    monkeypatch.setattr(strict_json, "MAX_BYTES", len(data) - 1)
    with pytest.raises(VerificationError, match=r"larger than any analysis \(20 bytes\)"):
        read_object(data, "it")
