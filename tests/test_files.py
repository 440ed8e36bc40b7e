from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from lipaccord.files import (
    check_folder,
    check_writable,
    ordered_safetensors,
    safetensors_metadata,
    write_text,
    writing_whole,
)


def test_a_file_is_written_beside_its_place_and_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 250)
    check_writable(target)
    assert list(tmp_path.iterdir()) == []
    write_text(target, "caf\u00e9\n")
    assert target.read_bytes() == b"caf\xc3\xa9\n"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "result.json"
    target.write_text("old", encoding="utf-8")

    def full(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(target, "new")
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "result.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    check_writable(link)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_writable(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    write_text(pipe, "through")
    reader.join(timeout=10)
    assert read == ["through"]
    assert pipe.is_fifo()


@pytest.mark.parametrize(("name", "error"), [("", IsADirectoryError), ("no/x", FileNotFoundError)])
def test_a_place_that_can_not_be_written(tmp_path: Path, name: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        check_writable(tmp_path / name)
    with pytest.raises(error):
        write_text(tmp_path / name, "x")


def test_a_file_that_is_written_piece_by_piece_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_bytes(b"old")

    def write(*pieces: bytes, broken: bool) -> None:
        with writing_whole(target) as file:
            for piece in pieces:
                file.write(piece)
                assert target.read_bytes() == b"old"
            if broken:
                raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write(b"half", broken=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    write(b"new, ", b"whole", broken=False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new, whole"]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        check_folder(tmp_path / "missing")


TENSORS: dict[str, NDArray[Any]] = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(3, np.int64)}


def test_equal_tensors_give_equal_bytes_whatever_the_order_of_the_header() -> None:
    plain = save(TENSORS, {"z": "1", "y": "2", "x": "3"})
    end = 8 + int.from_bytes(plain[:8], "little")
    header = json.loads(plain[8:end])
    turned = json.dumps(dict(reversed(header.items()))).encode()
    other = len(turned).to_bytes(8, "little") + turned + plain[end:]
    assert ordered_safetensors(other) == ordered_safetensors(plain)
    for name, values in load(ordered_safetensors(other)).items():
        np.testing.assert_array_equal(values, TENSORS[name])
    assert (8 + int.from_bytes(ordered_safetensors(other)[:8], "little")) % 8 == 0  # as the format wants it


def test_the_metadata_come_back() -> None:
    assert safetensors_metadata(ordered_safetensors(save(TENSORS, {"scopes": "[]"}))) == {"scopes": "[]"}


@pytest.mark.parametrize("data", [b"", b"\x00" * 20, b"\xff" * 40, save(TENSORS), save(TENSORS, {"a": "b"})[:30]])
def test_metadata_that_are_not_there_are_an_error(data: bytes) -> None:
    with pytest.raises((KeyError, ValueError)):
        safetensors_metadata(data)
