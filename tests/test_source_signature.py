from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from lipaccord.errors import ArchiveError
from lipaccord.source.signature import MAGIC, MAX_RAW_BYTES, STEPS, Signature
from made_signatures import signature, times


def _packed(raw: bytes, length: int | None = None) -> bytes:
    packed = struct.pack("<I", len(raw) if length is None else length) + zlib.compress(raw)
    return MAGIC + hashlib.blake2b(packed, digest_size=16).digest() + packed


def _raw(data: bytes) -> bytes:
    return zlib.decompress(data[len(MAGIC) + 20 :])


def _with_header(data: bytes, **changes: Any) -> bytes:
    raw = _raw(data)
    (length,) = struct.unpack_from("<I", raw)
    header = json.loads(raw[4 : 4 + length]) | changes
    text = json.dumps({name: value for name, value in header.items() if value is not ...}).encode()
    return _packed(struct.pack("<I", len(text)) + text + raw[4 + length :])


def test_a_signature_comes_back_as_it_was_but_for_rounding() -> None:
    one = signature(1, times(3.0))
    life = one.life.copy()
    life[10:14], life[:, 4] = np.nan, np.nan
    one = dataclasses.replace(one, life=life)
    again = Signature.from_bytes(one.to_bytes(), "here")
    assert (np.isfinite(again.life) == np.isfinite(one.life)).all()
    assert np.nanmax(np.abs(again.life - one.life) / STEPS) <= 0.51
    for name in ("times_s", "looks_s"):
        assert np.abs(getattr(again, name) - getattr(one, name)).max() <= 1e-6
    for name in ("looks", "sound", "heard"):
        assert (getattr(again, name) == getattr(one, name)).all()
    for name in ("sha256", "landmarks", "face", "start_s", "end_s", "coverage", "interocular_px", "still"):
        assert getattr(again, name) == getattr(one, name)
    assert again.to_bytes() == one.to_bytes()


def test_an_hour_takes_less_than_two_megabytes() -> None:
    one = signature(1, times(60.0))
    assert len(one.to_bytes()) * 60 < 2e6


def test_its_arrays_are_locked_and_checked() -> None:
    one = signature(1, times(2.0))
    assert not one.life.flags.writeable
    for wrong in (
        {"life": one.life[1:]},
        {"times_s": one.times_s[::-1]},
        {"sha256": "x"},
        {"face": "face-1\n"},
        {"landmarks": "a\x1b[2J"},
        {"interocular_px": 0.0},
        {"end_s": float("nan")},
        {"coverage": 1.1},
        {"looks": one.looks[:, :1]},
        {"life": np.full_like(one.life, np.inf)},
    ):
        with pytest.raises(ValueError, match="Signature"):
            dataclasses.replace(one, **wrong)


@pytest.mark.parametrize("at", [0, 5, len(MAGIC) + 2, len(MAGIC) + 17, len(MAGIC) + 40, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    data = bytearray(signature(1, times(2.0)).to_bytes())
    data[at] ^= 4
    with pytest.raises(ArchiveError, match=r"^here holds .*make the index again$"):
        Signature.from_bytes(bytes(data), "here")


@pytest.mark.parametrize("keep", [0, 10, len(MAGIC), len(MAGIC) + 18, 400])
def test_one_that_was_cut_short_is_noticed(keep: int) -> None:
    with pytest.raises(ArchiveError, match="here"):
        Signature.from_bytes(signature(1, times(2.0)).to_bytes()[:keep], "here")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_unread() -> None:
    for length in (100, MAX_RAW_BYTES + 1):
        with pytest.raises(ArchiveError, match=r"its length differs|too large"):
            Signature.from_bytes(_packed(bytes(10_000_000), length), "here")


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": -1},
        {"frames": 10**9},
        {"frames": 49},
        {"frames": 1.0},
        {"frames": True},
        {"looks": 3_999_999},
        {"still": 1},
        {"start_s": float("nan")},
        {"face": "../../etc"},
        {"sha256": None},
        {"further": 1},
        {"coverage": ...},
    ],
)
def test_a_header_that_lies_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ArchiveError, match="damaged"):
        Signature.from_bytes(_with_header(signature(1, times(2.0)).to_bytes(), **changes), "here")


def test_times_that_do_not_rise_are_refused() -> None:
    raw = bytearray(_raw(signature(1, times(2.0)).to_bytes()))
    (length,) = struct.unpack_from("<I", raw)
    struct.pack_into("<q", raw, 4 + length + 8, -5)
    with pytest.raises(ArchiveError, match="rise strictly"):
        Signature.from_bytes(_packed(bytes(raw)), "here")
