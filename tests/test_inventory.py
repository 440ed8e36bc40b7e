from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lipaccord import inventory
from lipaccord.bundle import PARTS, calibration_bytes, write_bundle
from lipaccord.calibration import Calibration
from lipaccord.landmarks import face_alignment, mediapipe
from made_survey import POPULATION, calibration

CARD = """# Bundle

## Figures on held-out speakers

| configuration | AUC, 3 s | EER, 3 s |
|---|---|---|
| paper | 0.700 | 0.350 |
| own | 0.950 | 0.110 |

## Limits

# Splice

## Figures on what was left out

| scope | AUC |
|---|---|
| own | 0.800 |
"""


def files(card: str, **made: Calibration) -> dict[str, bytes]:
    """Make the files of a bundle with this card and these calibrations."""
    parts = dict.fromkeys(PARTS, b"{}")
    numbers = {name: one.to_dict() for name, one in made.items()}
    return parts | {"calibration.json": calibration_bytes(parts, numbers), "CARD.md": card.encode()}


def test_models_and_weights_are_held_against_their_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / face_alignment.FAN_FILE).write_bytes(b"true")
    (cache / face_alignment.S3FD_FILE).write_bytes(b"false")
    true, false = (hashlib.sha256(text).hexdigest() for text in (b"true", b"false"))
    monkeypatch.setitem(face_alignment.WEIGHTS, face_alignment.FAN_FILE, true)
    found = inventory.inventory()
    for name, sha256 in mediapipe.MODELS.items():
        assert f"{name} SHA-256 {sha256}" in found["landmarks: mediapipe"].splitlines()
    lines = found["landmarks: face-alignment"].splitlines()
    assert lines[0].startswith(f"weights are lacking in {cache}")
    assert lines[1:] == [
        f"{face_alignment.FAN_FILE} SHA-256 {true}",
        f"{face_alignment.S3FD_FILE} damaged: its SHA-256 is {false}",
    ]
    monkeypatch.setitem(face_alignment.WEIGHTS, face_alignment.S3FD_FILE, false)
    assert inventory.inventory()["landmarks: face-alignment"].startswith("weights are there in")


def test_weights_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert inventory.hub_cache() == tmp_path / "torch" / "hub" / "checkpoints"
    assert "missing (No such file or directory)" in inventory.inventory()["landmarks: face-alignment"]


def test_the_default_bundle_and_its_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    monkeypatch.setattr("lipaccord.bundle.default_bundle_path", lambda: folder)
    assert inventory.inventory()["default bundle"].startswith("not usable: the bundle file ")
    write_bundle(folder, "own", "3", files(CARD))
    sha256 = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert inventory.inventory()["default bundle"].splitlines() == [
        f"own 3, SHA-256 {sha256}",
        "configuration own; AUC, 3 s 0.950; EER, 3 s 0.110",
    ]
    write_bundle(folder, "own", "3", files("a card without figures"))
    assert len(inventory.inventory()["default bundle"].splitlines()) == 1


def test_the_calibration_of_the_default_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    monkeypatch.setattr("lipaccord.bundle.default_bundle_path", lambda: folder)
    assert inventory.inventory()["its calibration"].startswith("not usable: the bundle file ")
    write_bundle(folder, "own", "3", files(CARD))
    assert inventory.inventory()["its calibration"] == "none: there are no likelihood ratios"
    sync = calibration(bounds=(-1.25, 2.0), population=POPULATION | {"suspicious_groups": 4, "innocent_groups": 5})
    made = {"sync": sync, "resynthesis": calibration(bounds=(0.0, 1.0), figures={"cllr": 0.5})}
    write_bundle(folder, "own", "3", files(CARD, **made))
    assert inventory.inventory()["its calibration"].splitlines() == [
        "resynthesis: log10 LR from +0.00 to +1.00, Cllr 0.500, 20 and 20 people or sources",
        "sync: log10 LR from -1.25 to +2.00, Cllr 0.250, 4 and 5 people or sources",
    ]
