from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lipaccord import bundle as bundle_module
from lipaccord.bundle import (
    CALIBRATION_SCHEMA,
    FILES,
    MANIFEST,
    MEASURING,
    PARTS,
    SCHEMA,
    Bundle,
    calibration_bytes,
    check_destination,
    load_bundle,
    packed,
    parts_digest,
    with_parts,
    with_section,
    without_section,
    write_bundle,
)
from lipaccord.calibration_reading import load_calibrations
from lipaccord.combination import load_combination
from lipaccord.cues import RESYNTHESIS_CUES
from lipaccord.errors import BundleError
from lipaccord.splicing import load_splicers

PREDICTOR = {"network": {"hidden": 8}, "reference": {"zero_s": 0.01}}
RESYNTHESIS = {"terms": {}, "offset": 0.5}
SCORING = {
    "predictor.safetensors": b"weights",
    "predictor.json": packed(PREDICTOR),
    "splice.safetensors": b"more weights",
    "resynthesis.json": packed(RESYNTHESIS),
}
FINDINGS = {"sync": {"bounds": [-1.0, 2.0]}}
CONTENT = SCORING | {"calibration.json": calibration_bytes(SCORING, FINDINGS), "CARD.md": b"# Card\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "made" / "bundle"
    write_bundle(path, "tiny", "1.2.3", CONTENT)
    return path


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rehash(folder: Path, name: str, content: bytes) -> None:
    """Put other content in a file and its hash in the manifest."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / MANIFEST).read_text())["files"]
    edit_manifest(folder, files=files | {name: hashlib.sha256(content).hexdigest()})


def test_round_trip(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert (bundle.name, bundle.version) == ("tiny", "1.2.3")
    assert bundle.files == CONTENT
    assert (bundle.predictor, bundle.resynthesis) == (PREDICTOR, RESYNTHESIS)
    assert bundle.calibration == {"schema": CALIBRATION_SCHEMA, "parts": parts_digest(SCORING), "findings": FINDINGS}
    assert bundle.card == "# Card\n"
    assert bundle.sha256 == hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    assert repr(bundle) == f"Bundle(tiny 1.2.3, {bundle.sha256[:12]})"
    assert sorted(path.name for path in folder.iterdir()) == sorted([MANIFEST, *FILES])
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_equal_content_gives_an_equal_bundle(folder: Path, tmp_path: Path) -> None:
    turned = {"predictor.json": packed(dict(reversed(PREDICTOR.items())))}
    write_bundle(tmp_path / "again", "tiny", "1.2.3", dict(reversed((CONTENT | turned).items())))
    assert load_bundle(tmp_path / "again").sha256 == load_bundle(folder).sha256


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte_is_noticed(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} was altered"):
        load_bundle(folder)


@pytest.mark.parametrize("name", [MANIFEST, *FILES])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} can't be read"):
        load_bundle(folder)


def test_a_file_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "MAX_FILE_BYTES", 900)
    load_bundle(folder)
    (folder / "CARD.md").write_bytes(b"x" * 901)
    with pytest.raises(BundleError, match=r"CARD\.md is larger than any bundle"):
        load_bundle(folder)


@pytest.mark.parametrize("more", [{"extra.pt": "0" * 64}, {"../CARD.md": "0" * 64}])
def test_a_file_that_does_not_belong_is_refused(folder: Path, more: dict[str, str]) -> None:
    edit_manifest(folder, files=json.loads((folder / MANIFEST).read_text())["files"] | more)
    with pytest.raises(BundleError, match="must list exactly the files"):
        load_bundle(folder)


@pytest.mark.parametrize("files", [None, [], {}, "CARD.md", {"CARD.md": "0"}])
def test_a_manifest_without_all_files_is_refused(folder: Path, files: Any) -> None:
    edit_manifest(folder, files=files)
    with pytest.raises(BundleError, match="must list exactly the files"):
        load_bundle(folder)


@pytest.mark.parametrize("schema", [None, 1, "lipaccord/bundle/1", "lipaccord/bundle/3"])
def test_another_schema_is_refused(folder: Path, schema: Any) -> None:
    edit_manifest(folder, schema=schema)
    with pytest.raises(BundleError, match=f"this release reads '{SCHEMA}'"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe\xfd", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"[]", "holds no JSON object"),
    ],
)
def test_what_is_not_a_json_object_is_refused(folder: Path, content: bytes, words: str) -> None:
    for name in ("calibration.json", "resynthesis.json", "predictor.json"):
        rehash(folder, name, content)
        with pytest.raises(BundleError, match=f"{name} {words}"):
            load_bundle(folder)
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=rf"manifest\.json {words}"):
        load_bundle(folder)


@pytest.mark.parametrize("name", PARTS)
def test_a_calibration_of_other_parts_is_refused(folder: Path, name: str) -> None:
    """Even where every hash is right: its ratios would be wrong without a sign of it."""
    rehash(folder, name, packed({"other": 1}))
    with pytest.raises(BundleError, match="was made with other parts; calibrate it again"):
        load_bundle(folder)
    rehash(folder, "calibration.json", calibration_bytes(SCORING | {name: packed({"other": 1})}, FINDINGS))
    assert load_bundle(folder).calibration["findings"] == FINDINGS


@pytest.mark.parametrize("change", [{"parts": None}, {"parts": "0" * 64}])
def test_a_calibration_that_is_tied_to_nothing_is_refused(folder: Path, change: dict[str, Any]) -> None:
    values = json.loads(CONTENT["calibration.json"])
    rehash(folder, "calibration.json", packed(values | change))
    with pytest.raises(BundleError, match="was made with other parts; calibrate it again"):
        load_bundle(folder)


@pytest.mark.parametrize("schema", [None, 1, "lipaccord/calibration/2"])
def test_a_calibration_of_another_schema_is_refused(folder: Path, schema: Any) -> None:
    rehash(folder, "calibration.json", packed(json.loads(CONTENT["calibration.json"]) | {"schema": schema}))
    with pytest.raises(BundleError, match=f"this release reads '{CALIBRATION_SCHEMA}': calibrate it again"):
        load_bundle(folder)


def test_the_card_is_no_part_that_a_calibration_depends_on(folder: Path) -> None:
    rehash(folder, "CARD.md", b"# Another card\n")
    assert load_bundle(folder).calibration["findings"] == FINDINGS


def test_the_digest_tells_parts_apart() -> None:
    digests = {parts_digest(SCORING | {name: b"other"}) for name in PARTS}
    swapped = SCORING | {"predictor.safetensors": b"more weights", "splice.safetensors": b"weights"}
    assert len({parts_digest(SCORING), parts_digest(swapped), *digests}) == len(PARTS) + 2
    assert parts_digest(dict(reversed(SCORING.items()))) == parts_digest(SCORING) == parts_digest(CONTENT)


def test_what_clips_are_measured_with_does_not_depend_on_the_combination() -> None:
    measuring = parts_digest(SCORING, MEASURING)
    assert parts_digest(SCORING | {"resynthesis.json": b"other"}, MEASURING) == measuring
    for name in MEASURING:
        assert parts_digest(SCORING | {name: b"other"}, MEASURING) != measuring


def replaced(folder: Path, parts: dict[str, bytes], tmp_path: Path) -> Bundle:
    base = load_bundle(folder)
    write_bundle(tmp_path / "replaced", base.name, "2", with_parts(base, parts, "splice", "New networks."))
    return load_bundle(tmp_path / "replaced")


def test_a_new_part_takes_the_calibration_and_its_section_away(folder: Path, tmp_path: Path) -> None:
    card = with_section(with_section("# Card\n", "calibration", "Old ratios."), "predictor", "Kept.")
    rehash(folder, "CARD.md", card.encode())
    bundle = replaced(folder, {"splice.safetensors": b"new weights"}, tmp_path)
    assert bundle.files["splice.safetensors"] == b"new weights"
    assert all(bundle.files[name] == SCORING[name] for name in PARTS if name != "splice.safetensors")
    assert bundle.calibration["findings"] == {}
    assert load_calibrations(bundle.calibration) == {}
    assert bundle.card == with_section(with_section("# Card\n", "predictor", "Kept."), "splice", "New networks.")


def test_a_bundle_replaces_a_bundle(folder: Path) -> None:
    write_bundle(folder, "other", "2", CONTENT)
    assert load_bundle(folder).name == "other"
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    write_bundle(tmp_path, "tiny", "1", CONTENT)
    assert load_bundle(tmp_path).name == "tiny"


@pytest.mark.parametrize("change", [{"extra.pt": b"x"}, {"CARD.md": None}])
def test_only_the_files_of_a_bundle_are_written(tmp_path: Path, change: dict[str, bytes | None]) -> None:
    files = {name: data for name, data in (CONTENT | change).items() if data is not None}
    with pytest.raises(ValueError, match=r"a bundle holds predictor\.safetensors, "):
        write_bundle(tmp_path / "new", "tiny", "1", files)
    assert list(tmp_path.iterdir()) == []


def test_a_section_is_added_to_a_card_and_replaced_in_its_place() -> None:
    card = with_section("", "first", "\nOne.\n\n")
    assert card == "<!-- part: first -->\nOne.\n<!-- end: first -->\n"
    card = with_section(card, "second", "Two.")
    assert card == with_section(card, "second", "Two.")
    assert [line for line in card.splitlines() if line and line[0] != "<"] == ["One.", "Two."]
    card = with_section(card, "first", "Uno.")
    assert [line for line in card.splitlines() if line and line[0] != "<"] == ["Uno.", "Two."]
    assert with_section("# Old card\n", "first", "One.").startswith("# Old card\n\n<!-- part: first -->\n")


def test_a_section_is_taken_out_of_a_card() -> None:
    card = with_section(with_section("# Card\n", "first", "One."), "second", "Two.")
    assert without_section(card, "second") == with_section("# Card\n", "first", "One.")
    alone = without_section(card, "first")
    assert [line for line in alone.splitlines() if line and line[0] != "<"] == ["# Card", "Two."]
    assert without_section(alone, "first") == alone
    assert without_section(without_section(card, "second"), "first") == "# Card\n"
    assert without_section("", "first") == ""


def test_packed_values_do_not_depend_on_their_order() -> None:
    assert packed({"a": 1, "b": [2.5, None]}) == packed({"b": [2.5, None], "a": 1})
    assert json.loads(packed(RESYNTHESIS)) == RESYNTHESIS


@pytest.mark.parametrize("kept", [["thesis.txt"], ["thesis.txt", MANIFEST]])
def test_a_foreign_folder_is_refused(tmp_path: Path, kept: list[str]) -> None:
    for name in kept:
        (tmp_path / name).write_text("mine")
    for refused in (check_destination, lambda path: write_bundle(path, "tiny", "1", CONTENT)):
        with pytest.raises(BundleError, match="exists and is not a bundle"):
            refused(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        check_destination(tmp_path / "thesis.txt")


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_a_failure_leaves_the_old_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    before = load_bundle(folder)
    original = getattr(Path, failing)

    def fail(path: Path, argument: Any) -> Any:
        if path.name in {"CARD.md", "new"}:
            raise OSError("no space left")
        return original(path, argument)

    monkeypatch.setattr(Path, failing, fail)
    with pytest.raises(OSError, match="no space left"):
        write_bundle(folder, "other", "2", CONTENT | {"CARD.md": b""})
    monkeypatch.undo()
    assert load_bundle(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_the_bundle_shipped_is_sound() -> None:
    bundle = load_bundle()
    assert bundle.name == "lipaccord"
    assert set(bundle.predictor) >= {"network", "reference"}
    assert set(load_splicers(bundle.files["splice.safetensors"])) == {"lower", "face"}
    assert set(load_combination(bundle.resynthesis).terms) <= set(RESYNTHESIS_CUES)
    assert set(load_calibrations(bundle.calibration)) <= {"sync", "resynthesis"}
    for part in ("predictor", "splice", "resynthesis", "calibration"):
        assert bundle.card.count(f"<!-- part: {part} -->\n") <= 1
