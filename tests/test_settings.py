from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lipaccord.errors import SettingsError
from lipaccord.settings import Settings, read_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_can_be_read(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "landmarks": "face-alignment",
        "face": "face-2",
        "max_faces": 5,
        "max_lag_s": 2.5,
        "min_speech_s": 3.0,
        "min_texture_frames": 40,
        "start_s": 1.5,
        "end_s": 9.0,
    }
    assert set(values) == {field.name for field in dataclasses.fields(Settings)}
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
    assert read_settings(written(tmp_path, text)) == Settings(**values)


def test_what_is_not_named_keeps_its_default(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "")) == Settings()
    assert read_settings(written(tmp_path, "max_faces = 1")) == Settings(max_faces=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("threads = 2", "there is no setting 'threads'; there are: landmarks, face"),
        ("max_faces = 2.0", r"max_faces = 2\.0 is not of type int"),
        ("max_faces = true", "max_faces = True is not of type int"),
        ("max_lag_s = '1'", "max_lag_s = '1' is not of type float"),
        ("landmarks = 3", "landmarks = 3 is not of type str"),
        ("face = ['face-1']", "is not of type str"),
        ("max_faces = 17", "max_faces = 17 is out of range; it takes 1 to 16"),
        ("max_lag_s = nan", "max_lag_s = nan is out of range"),
        ("max_lag_s = ", "can't be read"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings(written(tmp_path, text))


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        read_settings(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="can't be read"):
        read_settings(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("name", "least", "most", "step"),
    [
        ("max_faces", 1, 16, 1),
        ("max_lag_s", 0.5, 5.0, 0.01),
        ("min_speech_s", 1.0, 3600.0, 0.01),
        ("min_texture_frames", 10, 100_000, 1),
    ],
)
def test_ranges(name: str, least: Any, most: Any, step: Any) -> None:
    for value in (least, most):
        assert getattr(Settings(**{name: value}), name) == value
    for value in (least - step, most + step):
        with pytest.raises(SettingsError, match=f"setting {name} = "):
            Settings(**{name: value})


def test_the_digest_is_of_the_canonical_json() -> None:
    text = (
        '{"end_s":null,"face":null,"landmarks":"mediapipe","max_faces":3,"max_lag_s":1.0,"min_speech_s":2.0,'
        '"min_texture_frames":20,"start_s":null}'
    )
    assert Settings().digest == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_every_value_changes_the_digest() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"landmarks": "other"},
        {"face": "face-1"},
        {"max_faces": 4},
        {"max_lag_s": 1.1},
        {"min_speech_s": 2.1},
        {"min_texture_frames": 21},
        {"start_s": 0.0},
        {"end_s": 1.0},
    ]
    assert len(changes) == len(dataclasses.fields(Settings)) + 1
    assert len({Settings(**change).digest for change in changes}) == len(changes)


def test_equal_settings_have_equal_digests(tmp_path: Path) -> None:
    whole = read_settings(written(tmp_path, "max_lag_s = 1\nstart_s = 2"))
    assert whole == Settings(start_s=2.0)
    assert whole.digest == Settings(start_s=2.0).digest
