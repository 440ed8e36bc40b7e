from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lipaccord.archive.records import Entry
from lipaccord.archive.walking import Listing, Pattern, absolute, is_video, look_at, mark_of, walk


def made(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def walked(folder: Path, *parts: str) -> list[Entry]:
    return list(walk(folder, Listing(), Pattern(parts)))


def names(folder: Path, *parts: str) -> list[str]:
    """Return what is listed below a folder, with the trouble of what has one."""
    return [
        entry.uri.removeprefix(f"{folder}/") + (f" {entry.trouble.error}" if entry.trouble else "")
        for entry in walked(folder, *parts)
    ]


def test_films_are_listed_at_any_depth_in_the_order_of_their_names(tmp_path: Path) -> None:
    made(tmp_path, "b.mp4", "a/z.MKV", "a/b/c.webm", "c.mts", "a.mov")
    assert names(tmp_path) == ["a.mov", "a/b/c.webm", "a/z.MKV", "b.mp4", "c.mts"]


def test_an_entry_knows_size_and_mark(tmp_path: Path) -> None:
    made(tmp_path, "a.mp4")
    found = (tmp_path / "a.mp4").stat()
    assert walked(tmp_path) == [Entry(f"{tmp_path}/a.mp4", 5, f"5:{found.st_mtime_ns}")]
    assert mark_of(found) == f"5:{found.st_mtime_ns}"


def test_a_changed_file_has_another_mark(tmp_path: Path) -> None:
    made(tmp_path, "a.mp4")
    before = look_at(f"{tmp_path}/a.mp4").mark
    os.utime(tmp_path / "a.mp4", ns=(0, 1))
    after = look_at(f"{tmp_path}/a.mp4").mark
    (tmp_path / "a.mp4").write_bytes(b"longer than it was")
    os.utime(tmp_path / "a.mp4", ns=(0, 1))
    assert len({before, after, look_at(f"{tmp_path}/a.mp4").mark}) == 3


def test_other_and_hidden_files_are_counted_and_passed_over(tmp_path: Path) -> None:
    made(tmp_path, "a.mp4", "a.txt", "b.TXT", "README", ".hidden.mp4", ".git/x.mp4", "._a.mp4", "x.tar gz?token=1")
    listing = Listing()
    assert [entry.uri for entry in walk(tmp_path, listing)] == [f"{tmp_path}/a.mp4"]
    assert listing.passed_over == {".txt": 2, "": 1, "hidden": 2, "other": 1}


def test_a_folder_with_endless_suffixes_does_not_fill_the_memory() -> None:
    listing = Listing()
    for number in range(1000):
        listing.pass_over(f"clip.{number}")
    assert len(listing.passed_over) == 201
    assert listing.passed_over["other"] == 800


def test_names_with_newlines_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/b\xff\xfe.mp4"
    made(tmp_path, "a\nb.mp4")
    with open(odd, "wb"):  # noqa: PTH123 - a name of bytes
        pass
    entries = walked(tmp_path)
    assert [entry.uri for entry in entries] == [f"{tmp_path}/a\nb.mp4", f"{tmp_path}/b\udcff\udcfe.mp4"]
    assert os.fsencode(entries[1].uri) == odd


def test_a_link_back_up_is_not_followed(tmp_path: Path) -> None:
    made(tmp_path, "a/clip.mp4")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "here").symlink_to(".")
    assert names(tmp_path) == ["a/clip.mp4"]


def test_a_link_inside_the_folder_renames_no_clip(tmp_path: Path) -> None:
    made(tmp_path, "z/clip.mp4")
    (tmp_path / "a").symlink_to("z")
    assert names(tmp_path) == ["z/clip.mp4"]


def test_a_linked_folder_outside_is_listed_once(tmp_path: Path) -> None:
    made(tmp_path / "outside", "x.mp4", "deep/y.mp4")
    made(tmp_path / "in", "clip.mp4")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "c").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "a").symlink_to(tmp_path / "outside" / "deep")
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "in")
    assert names(tmp_path / "in") == ["a/y.mp4", "b/x.mp4", "clip.mp4"]


def test_a_link_to_the_folder_above_ends(tmp_path: Path) -> None:
    made(tmp_path, "in/clip.mp4", "beside.mp4")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    assert names(tmp_path / "in") == ["clip.mp4", "up/beside.mp4"]


def test_a_link_into_a_hidden_folder_is_followed(tmp_path: Path) -> None:
    made(tmp_path, ".store/clip.mp4")
    (tmp_path / "a").symlink_to(".store")
    assert names(tmp_path) == ["a/clip.mp4"]


def test_a_walk_through_a_linked_root_knows_its_own_folders(tmp_path: Path) -> None:
    made(tmp_path, "real/z/clip.mp4")
    (tmp_path / "real" / "a").symlink_to("z")
    (tmp_path / "root").symlink_to("real")
    assert names(tmp_path / "root") == ["z/clip.mp4"]


def test_what_is_no_file_is_an_entry_with_a_trouble(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "gone.mp4").symlink_to("nowhere")
    (tmp_path / "self.mp4").symlink_to("self.mp4")
    made(tmp_path, "whole.mp4/inside.mp4")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(os.path.relpath(tmp_path / "plug.mp4"))
        found = names(tmp_path)
    assert found == [
        "gone.mp4 Missing",
        "pipe.mp4 NotAFile",
        "plug.mp4 NotAFile",
        "self.mp4 SymlinkLoop",
        "whole.mp4/inside.mp4",
    ]


def test_a_trouble_is_one_plain_line_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a\n\x1b[31m.mp4").symlink_to("nowhere")
    [entry] = walked(tmp_path)
    assert entry.trouble is not None
    assert str(entry.trouble) == (
        f"Missing: {tmp_path}/a\\n\\x1b[31m.mp4 can't be read (No such file or directory); "
        "put it back, or correct the link that leads to it"
    )


def test_a_folder_that_can_not_be_read_costs_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a/x.mp4", "b/y.mp4", "c.mp4")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert names(tmp_path) == ["a NotPermitted", "b/y.mp4", "c.mp4"]


def test_a_disk_that_fails_half_way_keeps_the_names_it_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a.mp4")
    scandir = os.scandir

    class Failing:
        def __init__(self, path: str) -> None:
            self.items = scandir(path)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return self.run()

        def __exit__(self, *_: object) -> None:
            self.items.close()

        def run(self) -> Iterator[os.DirEntry[str]]:
            yield next(self.items)
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "scandir", Failing)
    first, second = walked(tmp_path)
    assert first.trouble is not None
    assert (first.uri, first.trouble.error) == (str(tmp_path), "NotReadable")
    assert second.uri == f"{tmp_path}/a.mp4"


@pytest.mark.parametrize(
    ("error", "kind"),
    [(PermissionError(13, "Permission denied"), "NotPermitted"), (OSError(5, "Input/output error"), "NotReadable")],
)
def test_a_file_that_can_not_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: str
) -> None:
    made(tmp_path, "a.mp4", "b.mp4")
    look: Callable[..., os.stat_result] = os.stat

    def refusing(path: Any, **options: Any) -> os.stat_result:
        if str(path).endswith("a.mp4"):
            raise error
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refusing)
    assert names(tmp_path) == [f"a.mp4 {kind}", "b.mp4"]


def test_a_link_into_a_locked_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a.mp4", "talks")
    scandir, look = os.scandir, os.stat

    class Locked:
        name = "talks"

        def is_dir(self) -> bool:
            raise PermissionError(13, "Permission denied")

    class Items:
        def __init__(self, path: str) -> None:
            self.items = scandir(path)

        def __enter__(self) -> Iterator[Any]:
            return iter([item if item.name == "a.mp4" else Locked() for item in self.items])

        def __exit__(self, *_: object) -> None:
            self.items.close()

    def refusing(path: Any, **options: Any) -> os.stat_result:
        if str(path).endswith("talks"):
            raise PermissionError(13, "Permission denied")
        return look(path, **options)

    monkeypatch.setattr(os, "scandir", Items)
    monkeypatch.setattr(os, "stat", refusing)
    assert names(tmp_path) == ["a.mp4", "talks NotPermitted"]


def test_what_vanishes_on_the_way_is_missing(tmp_path: Path) -> None:
    made(tmp_path, "a.mp4", "b.mp4", "c/x.mp4", "d/y.mp4")
    (tmp_path / "outside").mkdir()
    (tmp_path / "e").symlink_to("outside")
    walking = walk(tmp_path, Listing())
    assert next(walking).uri.endswith("a.mp4")
    (tmp_path / "b.mp4").unlink()
    (tmp_path / "c" / "x.mp4").unlink()
    (tmp_path / "c").rmdir()
    (tmp_path / "outside").rmdir()
    rest = [(Path(entry.uri).name, entry.trouble and entry.trouble.error) for entry in walking]
    assert rest == [("b.mp4", "Missing"), ("c", "Missing"), ("y.mp4", None), ("e", "Missing"), ("outside", "Missing")]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    assert [entry.trouble.error for entry in walked(tmp_path / "nowhere") if entry.trouble] == ["Missing"]


def test_folders_deeper_than_the_system_allows_end_with_one_trouble(tmp_path: Path) -> None:
    levels = 1500
    made(tmp_path, "a.mp4", "z.mp4")
    handle = os.open(tmp_path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("folder", dir_fd=handle)
        below = os.open("folder", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    try:
        found = [entry for entry in walked(tmp_path) if entry.trouble is not None]
        listed = [Path(entry.uri).name for entry in walked(tmp_path) if entry.trouble is None]
    finally:  # pytest's own clean-up would recurse
        os.close(handle)
        remove_chain(tmp_path)
    assert [entry.trouble.error for entry in found if entry.trouble] == ["NameTooLong"]
    assert listed == ["a.mp4", "z.mp4"]


def remove_chain(folder: Path) -> None:
    """Remove ``folder/folder/...`` from the top: each step moves what is below one level up."""
    while (folder / "folder").exists():
        if (folder / "folder" / "folder").exists():
            (folder / "folder" / "folder").rename(folder / "lower")
        (folder / "folder").rmdir()
        if (folder / "lower").exists():
            (folder / "lower").rename(folder / "folder")


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (("*.mp4",), ["top.mp4"]),
        (("*",), ["2020-01/a.mp4", "2020-01/deep/b.mov", "2021-01/c.mp4", "top.mp4"]),
        (("2020-*",), ["2020-01/a.mp4", "2020-01/deep/b.mov"]),
        (("202?-01", "*.mp4"), ["2020-01/a.mp4", "2021-01/c.mp4"]),
        (("202[!0]-01", "*"), ["2021-01/c.mp4"]),
        (("**", "*.mov"), ["2020-01/deep/b.mov"]),
        (("**", "*.mp4"), ["2020-01/a.mp4", "2021-01/c.mp4", "top.mp4"]),
        (("2020-01", "**"), ["2020-01/a.mp4", "2020-01/deep/b.mov"]),
        (("**", "deep", "*"), ["2020-01/deep/b.mov"]),
        (("**", "*.dat"), ["2021-01/x.dat"]),
        (("*", "x.*"), []),
        ((".*", "*.mp4"), [".hid/d.mp4"]),
        (("**", ".*.mp4"), ["2020-01/.secret.mp4"]),
        (("nothing*",), []),
        (("*", "..", "*.mp4"), []),
    ],
)
def test_patterns(tmp_path: Path, parts: tuple[str, ...], found: list[str]) -> None:
    made(tmp_path, "top.mp4", "note.txt", "2020-01/a.mp4", "2020-01/deep/b.mov", "2021-01/c.mp4", "2021-01/x.dat")
    made(tmp_path, ".hid/d.mp4", "2020-01/.secret.mp4")
    assert names(tmp_path, *parts) == found


def test_a_folder_that_matches_stands_for_its_films(tmp_path: Path) -> None:
    made(tmp_path, "x.dat", "whole.dat/a.mp4", "whole.dat/y.dat")
    assert names(tmp_path, "*.dat") == ["whole.dat/a.mp4", "x.dat"]


def test_a_pattern_lists_a_link_that_alone_matches(tmp_path: Path) -> None:
    made(tmp_path, "real/clip.mp4")
    (tmp_path / "a-link").symlink_to("real")
    assert names(tmp_path, "*-link", "*.mp4") == ["a-link/clip.mp4"]


def test_a_pattern_for_any_folders_ends_in_a_loop(tmp_path: Path) -> None:
    made(tmp_path, "a/clip.mp4")
    (tmp_path / "a" / "loop").symlink_to(".")
    (tmp_path / "a" / "x").symlink_to("..")
    assert names(tmp_path, "**", "clip.mp4") == ["a/clip.mp4"]
    assert set(names(tmp_path, "**", "loop", "**", "x", "*", "*.mp4")) == {"a/loop/x/a/clip.mp4"}


def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of the folders that are read."""
    entered: list[str] = []
    scandir = os.scandir

    def noting(path: str) -> Any:
        entered.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noting)
    return entered


def test_a_pattern_enters_no_folder_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a/x.mp4", "b/y.mp4", "a/deep/z.mp4")
    entered = watched(monkeypatch)
    assert names(tmp_path, "a*", "*.mp4") == ["a/x.mp4"]
    assert entered == [tmp_path.name, "a"]


def test_the_walk_is_lazy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a/x.mp4", "b/y.mp4")
    entered = watched(monkeypatch)
    assert next(walk(tmp_path, Listing())).uri.endswith("x.mp4")
    assert entered == [tmp_path.name, "a"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("x.mp4", "x.mp4"),
        ("./a//x.mp4", "a/x.mp4"),
        ("a/../x.mp4", "x.mp4"),
        ("link/../x.mp4", "elsewhere/x.mp4"),
        ("link/x.mp4", "link/x.mp4"),
        ("a/..", ""),
    ],
)
def test_one_place_has_one_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, where: str) -> None:
    made(tmp_path, "a/x", "elsewhere/deep/x")
    (tmp_path / "link").symlink_to("elsewhere/deep")
    monkeypatch.chdir(tmp_path)
    assert absolute(path) == str(tmp_path / where)


def test_a_path_that_no_system_takes(tmp_path: Path) -> None:
    for path, kind in (("a\0b.mp4", "NotReadable"), ("x" * 300 + ".mp4", "NameTooLong"), (".", "NotAFile")):
        trouble = look_at(f"{tmp_path}/{path}").trouble
        assert trouble is not None
        assert trouble.error == kind


def test_what_counts_as_a_film() -> None:
    assert is_video("a.MP4")
    assert is_video("a.b.m2ts")
    assert not is_video(".mp4")
    assert not is_video("mp4")
    assert not is_video("a.mp3")
