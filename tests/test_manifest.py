from __future__ import annotations

import re
from pathlib import Path

import pytest

from lipaccord.errors import ManifestError
from lipaccord.manifest import UNNAMED, Manifest, group_key, read_manifest

HEADING = "path,mouth,sound,method,group,pair,note"


def written(folder: Path, *rows: str, heading: str = HEADING, encoding: str = "utf-8") -> Path:
    for name in ("a.mp4", "b.mp4", "ü, c.mp4"):
        (folder / name).write_bytes(name.encode())
    path = folder / "manifest.csv"
    path.write_text("\n".join([heading, *rows]) + "\n", encoding=encoding)
    return path


def read(folder: Path, *rows: str) -> Manifest:
    return read_manifest(written(folder, *rows))


GOOD = "a.mp4,camera,together,,anna,one,"


def test_a_row_becomes_a_clip_with_its_labels(tmp_path: Path) -> None:
    manifest = read(tmp_path, "b.mp4, synthesised ,driven,Wav2Lip,anna,one,a note")
    [clip] = manifest.clips
    assert clip.path == tmp_path / "b.mp4"
    labels = (clip.row, clip.name, clip.mouth, clip.sound, clip.method, clip.group, clip.pair)
    assert labels == (2, "b.mp4", "synthesised", "driven", "Wav2Lip", "anna", "one")
    assert clip.further == {"note": "a note"}
    assert manifest.complaints == ()


def test_the_order_of_the_columns_does_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path, "anna,together,a.mp4,camera,,", heading="group,sound,path,mouth,pair,method")
    [clip] = read_manifest(path).clips
    assert (clip.group, clip.sound, clip.name, clip.mouth) == ("anna", "together", "a.mp4", "camera")


def test_a_byte_order_mark_and_quoted_commas_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, '"ü, c.mp4",camera,together,,anna,,', encoding="utf-8-sig")
    [clip] = read_manifest(path).clips
    assert clip.name == "ü, c.mp4"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("nowhere.mp4,camera,together,,anna,,", r"row 3 \(nowhere.mp4\): there is no file .*; correct the path"),
        (".,camera,together,,anna,,", r"row 3 \(.\): there is no file"),
        (f"{'x' * 300}.mp4,camera,together,,anna,,", r"can't be looked at \(File name too long\)|there is no file"),
        (",camera,together,,anna,,", "its path is empty; name the clip"),
        ("nan,camera,together,,anna,,", "its path is empty; name the clip"),
        ("b\x1b[31m.mp4,camera,together,,anna,,", "can't be printed; rename"),
        ("b.mp4,fake,together,,anna,,", r"row 3 \(b.mp4\): its mouth is 'fake'; write camera, synthesised or unknown"),
        ("b.mp4,nan,together,,anna,,", "its mouth is 'nan'; write camera"),
        ("b.mp4,camera,,,anna,,", "its sound is ''; write together, apart, driven or unknown"),
        ("b.mp4,camera,together,,NaN,,", "its group is empty; name the person"),
        ("b.mp4,camera,together,,,,", "its group is empty"),
        ("a.mp4,synthesised,driven,x,anna,,", "the same clip is on row 2 already; keep one"),
        ("./a.mp4,camera,together,,anna,,", "the same clip is on row 2 already"),
        ("b.mp4,camera,together,,anna", "row 3: it has 5 cells where the heading has 7; quote cells"),
        ("b, c.mp4,camera,together,,anna,,", "row 3: it has 8 cells where the heading has 7"),
    ],
)
def test_a_wrong_row_is_named_and_costs_no_other(tmp_path: Path, row: str, complaint: str) -> None:
    manifest = read(tmp_path, GOOD, row, '"ü, c.mp4",camera,together,,bert,,')
    assert [clip.name for clip in manifest.clips] == ["a.mp4", "ü, c.mp4"]
    [line] = manifest.complaints
    assert re.search(complaint, line)


def test_a_link_to_the_same_clip_is_a_duplicate(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    manifest = read(tmp_path, GOOD, "link.mp4,camera,together,,anna,,")
    assert len(manifest.clips) == 1
    assert "row 2 already" in manifest.complaints[0]


def test_rows_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    manifest = read(tmp_path, "", 'a.mp4,camera,together,,anna,,"two\nlines"', "", "b.mp4,what,together,,anna,,")
    assert [clip.row for clip in manifest.clips] == [4]
    assert manifest.complaints[0].startswith("row 6 ")


def test_a_synthesised_mouth_without_a_method_gets_a_name(tmp_path: Path) -> None:
    manifest = read(tmp_path, "a.mp4,synthesised,driven,nan,anna,,", "b.mp4,camera,together,nan,anna,nan,")
    assert [(clip.method, clip.pair) for clip in manifest.clips] == [(UNNAMED, ""), ("", "")]


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        ("path,mouth,sound,method,pair", "lacks the column group; its first line must name path,mouth"),
        (HEADING.replace(",", ";"), "lacks the column .*separated by commas"),
        ("", "lacks the column path"),
        (HEADING + ",note", "has the column note twice"),
    ],
)
def test_a_wrong_heading_stops(tmp_path: Path, heading: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_manifest(written(tmp_path, GOOD, heading=heading))


def test_nothing_usable_stops_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no usable row; the first trouble: row 2 .*no file"):
        read(tmp_path, "nowhere.mp4,camera,together,,anna,,")
    with pytest.raises(ManifestError, match=r"no usable row$"):
        read(tmp_path)


def test_what_is_no_manifest_stops(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "nowhere.csv")
    with pytest.raises(ManifestError, match="Is a directory"):
        read_manifest(tmp_path)
    with pytest.raises(ManifestError, match=r"can't be read .*UTF-8"):
        read_manifest(written(tmp_path, '"ü, c.mp4",camera,together,,anna,,', encoding="latin-1"))
    with pytest.raises(ManifestError, match="can't be read"):
        read(tmp_path, '"a.mp4,camera,together,,anna,,')
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ManifestError, match="lacks the column"):
        read_manifest(tmp_path / "empty.csv")


def test_a_group_is_named_without_naming_it() -> None:
    assert group_key("Some Person") == group_key("Some Person")
    assert len({group_key(f"person {k}") for k in range(100)}) == 100
    assert all(char in "0123456789abcdef" for char in group_key("Some Person"))
