from __future__ import annotations

import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from lipaccord.archive.records import Entry
from lipaccord.archive.remote import fetch
from lipaccord.archive.sources import entries
from lipaccord.archive.urls import beside, check_url, is_url, public_name
from lipaccord.archive.walking import Listing
from lipaccord.errors import ArchiveError, BackendMissing

SIGNED = "https://host.example/a.mp4?X-Amz-Date=1&X-Amz-Signature=5ec2e7"


@pytest.fixture(name="memory")
def _memory() -> Iterator[MemoryFileSystem]:
    """Give the file system of ``memory://``, empty before and after."""
    system: MemoryFileSystem = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def made(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def listed(*sources: str) -> list[Entry]:
    return list(entries(sources, Listing()))


def uris(*sources: str) -> list[str]:
    return [entry.uri for entry in listed(*sources)]


def error_of(entry: Entry) -> str:
    return entry.trouble.error if entry.trouble is not None else ""


def test_folders_files_patterns_and_lists_come_in_the_order_they_are_named(tmp_path: Path) -> None:
    made(tmp_path, "z/b.mp4", "z/a.mp4", "odd.bin", "y/2020.mov", "y/2021.mov")
    (tmp_path / "m.csv").write_text("path,who\nz/a.mp4,Anna\n", encoding="utf-8")
    pq.write_table(pa.table({"uri": ["y/2021.mov"]}), tmp_path / "m.PARQUET")
    found = listed(*(f"{tmp_path}/{name}" for name in ("z", "odd.bin", "y/*20.mov", "m.csv", "m.PARQUET")))
    assert [entry.uri.removeprefix(f"{tmp_path}/") for entry in found] == [
        "z/a.mp4",
        "z/b.mp4",
        "odd.bin",
        "y/2020.mov",
        "z/a.mp4",
        "y/2021.mov",
    ]
    assert found[4].carried == {"who": "Anna"}
    assert found[4].mark == found[0].mark != ""
    assert all(entry.trouble is None for entry in found)


def test_relative_sources_are_those_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a/x.mp4")
    monkeypatch.chdir(tmp_path)
    assert uris("a", "a/x.mp4", "*", "**/x.mp4", ".", "a/../a", f"file://{tmp_path}/a") == [f"{tmp_path}/a/x.mp4"] * 7


def test_a_file_that_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    made(tmp_path, "talk [1].mp4", "talk 1.mp4")
    assert uris(f"{tmp_path}/talk [1].mp4") == [f"{tmp_path}/talk [1].mp4"]


@pytest.mark.parametrize(
    "name", ["nowhere", "nowhere.mp4", "nowhere.csv", "a.mp4/below", "*.webm", "no/*.mp4", "a.mp4/*"]
)
def test_a_source_that_is_not_there_stops_before_the_first_entry(tmp_path: Path, name: str) -> None:
    made(tmp_path, "a.mp4")
    with pytest.raises(ArchiveError, match=r"(there is no|nothing matches) .*correct"):
        entries([str(tmp_path), f"{tmp_path}/{name}"], Listing())


@pytest.mark.parametrize("source", ["", "a\0b", "x" * 5000])
def test_a_source_that_is_no_path_stops(source: str) -> None:
    with pytest.raises(ArchiveError, match=r"(there is no|can't be looked at)"):
        entries([source], Listing())


def test_a_list_without_the_column_stops_before_the_first_entry(tmp_path: Path) -> None:
    made(tmp_path, "a.mp4", "m.csv")
    with pytest.raises(ArchiveError, match=r"m\.csv has no column path"):
        entries([str(tmp_path), f"{tmp_path}/m.csv"], Listing())


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert [error_of(entry) for entry in listed(f"{tmp_path}/pipe.csv")] == ["NotAFile"]


def test_a_list_that_goes_away_stops(tmp_path: Path) -> None:
    made(tmp_path, "a.mp4")
    (tmp_path / "m.csv").write_text("path\na.mp4\n", encoding="utf-8")
    stream = entries([f"{tmp_path}/m.csv"], Listing())
    (tmp_path / "m.csv").unlink()
    with pytest.raises(ArchiveError, match=r"m\.csv can't be read \(No such file"):
        next(stream)


def test_rows_of_a_list_lie_beside_it_or_anywhere(tmp_path: Path) -> None:
    made(tmp_path, "in/a.mp4", "b.dat")
    rows = ["a.mp4", "../b.dat", f"{tmp_path}/b.dat", "gone.mp4", ".", "s3://bucket/c.mp4", f"file://{tmp_path}/b.dat"]
    (tmp_path / "in" / "m.csv").write_text("\n".join(["path", *rows]), encoding="utf-8")
    found = listed(f"{tmp_path}/in/m.csv")
    assert [entry.uri for entry in found] == [
        f"{tmp_path}/in/a.mp4",
        *[f"{tmp_path}/b.dat"] * 2,
        f"{tmp_path}/in/gone.mp4",
        f"{tmp_path}/in",
        "s3://bucket/c.mp4",
        f"{tmp_path}/b.dat",
    ]
    assert [error_of(entry) for entry in found] == ["", "", "", "Missing", "NotAFile", "", ""]
    assert found[5] == Entry("s3://bucket/c.mp4")


def test_a_row_with_a_password_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path\nsftp://anna:5ec2e7@host/a.mp4\n", encoding="utf-8")
    [entry] = listed(f"{tmp_path}/m.csv")
    assert error_of(entry) == "BadRow"
    assert "5ec2e7" not in repr(entry)


def test_what_is_passed_over_is_counted_once(tmp_path: Path, memory: MemoryFileSystem) -> None:
    made(tmp_path, "a.mp4", "b.txt")
    memory.pipe({"/talks/a.mp4": b"", "/talks/b.txt": b""})
    for source in (f"{tmp_path}/*", "memory://talks/*", str(tmp_path), "memory://talks"):
        listing = Listing()
        assert len(list(entries([source], listing))) == 1
        assert listing.passed_over == {".txt": 1}


def test_lists_that_a_pattern_matches_are_files(tmp_path: Path, memory: MemoryFileSystem) -> None:
    made(tmp_path, "m.csv")
    memory.pipe("/talks/m.csv", b"no list")
    assert uris(f"{tmp_path}/*.csv", "memory://talks/*.csv") == [f"{tmp_path}/m.csv", "memory://talks/m.csv"]


def test_a_remote_folder_is_listed_like_a_local_one(memory: MemoryFileSystem) -> None:
    for name in ("b.mp4", "a/z.mkv", "a/b/c.webm", ".hid/x.mp4", "a/note.txt", "top.bin"):
        memory.pipe(f"/talks/{name}", b"12345")
    listing = Listing()
    found = list(entries(["memory://talks"], listing))
    assert [entry.uri for entry in found] == [
        "memory://talks/a/b/c.webm",
        "memory://talks/a/z.mkv",
        "memory://talks/b.mp4",
    ]
    assert {entry.size for entry in found} == {5}
    assert all(entry.mark.startswith("5:") for entry in found)
    assert listing.passed_over == {".txt": 1, ".bin": 1}
    assert uris("memory://talks/") == [entry.uri for entry in found]
    assert uris("memory://talks/b.mp4") == ["memory://talks/b.mp4"]
    assert listed("memory://talks/b.mp4") == [found[2]]


def test_a_rewritten_remote_file_has_another_mark(memory: MemoryFileSystem) -> None:
    memory.pipe("/a.mp4", b"12345")
    [before] = listed("memory://a.mp4")
    memory.pipe("/a.mp4", b"54321")
    [after] = listed("memory://a.mp4")
    assert before.uri == after.uri
    assert before.mark != after.mark


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["2020/a.mp4", "2020/b/c.mp4", "2021/a.mp4", "x.mp4"]),
        ("*.mp4", ["x.mp4"]),
        ("202*/*.mp4", ["2020/a.mp4", "2021/a.mp4"]),
        ("**/a.mp4", ["2020/a.mp4", "2021/a.mp4"]),
        ("*20/**", ["2020/a.mp4", "2020/b/c.mp4"]),
        ("**/*.bin", ["2021/y.bin"]),
    ],
)
def test_remote_patterns(memory: MemoryFileSystem, pattern: str, found: list[str]) -> None:
    for name in ("2020/a.mp4", "2020/b/c.mp4", "2021/a.mp4", "2021/y.bin", "x.mp4"):
        memory.pipe(f"/talks/{name}", b"")
    assert uris(f"memory://talks/{pattern}") == [f"memory://talks/{name}" for name in found]


@pytest.mark.parametrize("source", ["memory://nowhere", "memory://talks/*.mov", "memory://no/*", "memory://no/m.csv"])
def test_a_url_with_nothing_behind_it_stops_at_once(memory: MemoryFileSystem, source: str) -> None:
    memory.pipe("/talks/a.mp4", b"")
    with pytest.raises(ArchiveError, match=re.escape(source)):
        entries(["memory://talks", source], Listing())


def test_a_packed_file_is_listed_and_fetched(tmp_path: Path, memory: MemoryFileSystem) -> None:
    with zipfile.ZipFile(tmp_path / "talks.zip", "w") as packed:
        for name in ("b.mp4", "in/a.mp4", "in/note.txt", "m.csv"):
            packed.writestr(name, "path\nin/a.mp4\n" if name == "m.csv" else name)
    memory.pipe("/talks.zip", (tmp_path / "talks.zip").read_bytes())
    for after in (f"::file://{tmp_path}/talks.zip", "::memory://talks.zip"):
        inside = [f"zip://b.mp4{after}", f"zip://in/a.mp4{after}"]
        assert uris(f"zip://{after}") == inside
        assert uris(f"zip://in{after}", f"zip://in/*.mp4{after}", f"zip://m.csv{after}") == [inside[1]] * 3
        assert listed(f"zip://in{after}")[0].mark.startswith("8:")
        fetch(inside[1], tmp_path / "got", most_bytes=None)
        assert (tmp_path / "got").read_bytes() == b"in/a.mp4"


def test_a_remote_list_names_what_lies_beside_it(memory: MemoryFileSystem) -> None:
    rows = ["a.mp4,Anna", "deep/b.mp4,", "s3://bucket/c.mp4,", "/etc/passwd,", "../up.mp4,", "ftp://u:5ec2e7@h/x,"]
    memory.pipe("/lists/m.csv", "\n".join(["path,who", *rows]).encode())
    found = listed("memory://lists/m.csv")
    assert found[:3] == [
        Entry("memory://lists/a.mp4", carried={"who": "Anna"}),
        Entry("memory://lists/deep/b.mp4"),
        Entry("s3://bucket/c.mp4"),
    ]
    assert [(entry.uri, error_of(entry)) for entry in found[3:]] == [
        (f"memory://lists/m.csv#row-{row}", "BadRow") for row in (5, 6, 7)
    ]
    assert "5ec2e7" not in repr(found)


def test_a_remote_parquet_list(memory: MemoryFileSystem) -> None:
    with memory.open("/lists/m.parquet", "wb") as file:
        pq.write_table(pa.table({"url": ["memory://x/a.mp4"], "who": ["Anna"]}), file)
    with zipfile.ZipFile(memory.open("/lists.zip", "wb"), "w") as packed:
        packed.writestr("m.parquet", memory.cat("/lists/m.parquet"))
    for source in ("memory://lists/m.parquet", "zip://m.parquet::memory://lists.zip"):
        assert listed(source) == [Entry("memory://x/a.mp4", carried={"who": "Anna"})]


@pytest.mark.parametrize(
    ("url", "cell", "where"),
    [
        ("s3://b/m.csv", "a.mp4", "s3://b/a.mp4"),
        ("https://h/in/m.csv?sig=x", "a b.mp4", "https://h/in/a b.mp4"),
        ("simplecache::s3://b/in/m.csv", "a.mp4", "simplecache::s3://b/in/a.mp4"),
        ("zip://m.csv::s3://b/a.zip", "in/a.mp4", "zip://in/a.mp4::s3://b/a.zip"),
        ("s3://b/what?/m.csv", "a.mp4", "s3://b/what?/a.mp4"),
        ("s3://b/m.csv", "zip://a.mp4::https://h/x.zip", "zip://a.mp4::https://h/x.zip"),
    ],
)
def test_a_path_in_a_remote_list(url: str, cell: str, where: str) -> None:
    assert beside(url, cell) == where


@pytest.mark.parametrize(
    "cell",
    [
        "/etc/passwd",
        "in/../../a.mp4",
        "a::file:///etc/passwd",
        "FILE:///etc/passwd",
        "local:///etc/passwd",
        "zip://a.mp4::/home/anna/a.zip",
        "zip://a.mp4::file:///home/anna/a.zip",
        "simplecache::file:///etc/passwd",
    ],
)
def test_a_remote_list_picks_no_files_of_this_machine(cell: str) -> None:
    with pytest.raises(ArchiveError, match=r"files of this machine|out of the folder"):
        beside("s3://b/m.csv", cell)


class Server(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no annotations
    """A server whose listings are what a test says, by path."""

    protocol = "server"
    cachable = False
    answers: dict[str, Any] = {}  # noqa: RUF012 - each test sets its own

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        answer = self.answers.get(path.strip("/"), FileNotFoundError(path))
        if isinstance(answer, Exception):
            raise answer
        return answer(path) if callable(answer) else answer

    def info(self, path: str, **options: Any) -> Any:
        return {"name": path, "type": "directory"}


@pytest.fixture(name="server")
def _server(monkeypatch: pytest.MonkeyPatch) -> type[Server]:
    fsspec.register_implementation("server", Server, clobber=True)
    monkeypatch.setattr(Server, "answers", {})
    return Server


def test_what_a_server_says_of_its_files_is_checked(server: type[Server]) -> None:
    server.answers["in"] = [
        {"name": "in", "type": "directory"},
        {"name": "in/", "type": "file"},
        {"name": "in/deep/er.mp4", "type": "file"},
        {"name": "elsewhere/x.mp4", "type": "file"},
        {"name": "in/g.mp4", "type": "directory", "islink": True},
        {"name": "in/f.mp4::file:///etc/passwd.mp4", "type": "file"},
        {"name": "in/f::x.mp4", "type": "file"},
        {"name": "in/e.mp4", "type": "other"},
        {"name": "in/d.mp4", "type": "file", "size": "many", "ETag": '"x"'},
        {"name": "in/c.mp4", "type": "file", "size": -1},
        {"name": "in/b.mp4", "type": "file", "size": 3, "LastModified": "noon"},
        {"name": "in/a.mp4", "size": 3},
    ]
    assert [(entry.uri, entry.size, entry.mark, error_of(entry)) for entry in listed("server://in")] == [
        ("server://in/a.mp4", 3, "", ""),
        ("server://in/b.mp4", 3, "3:noon", ""),
        ("server://in/c.mp4", None, "", ""),
        ("server://in/d.mp4", None, ':"x"', ""),
        ("server://in/e.mp4", None, "", "NotAFile"),
        ("server://in/f::x.mp4", None, "", "NotReadable"),
    ]


def test_a_remote_folder_that_can_not_be_read_costs_one_entry(server: type[Server]) -> None:
    server.answers["in"] = [{"name": f"in/{name}", "type": "directory"} for name in "ab"]
    server.answers["in/a"] = RuntimeError("403 for https://host/in/a?sig=5ec2e7")
    server.answers["in/b"] = [{"name": "in/b/x.mp4", "type": "file"}]
    first, second = listed("server://in")
    assert first.trouble is not None
    assert str(first.trouble) == (
        "NotReadable: server://in/a/ can't be read (RuntimeError: 403 for …); check the URL, the network and the "
        "credentials"
    )
    assert second.uri == "server://in/b/x.mp4"


def test_a_server_with_endless_folders_ends(server: type[Server]) -> None:
    class Endless(dict[str, Any]):
        def get(self, path: str, default: Any = None) -> Any:
            return [{"name": f"{path}/a", "type": "directory"}, {"name": f"{path}/x.mp4", "type": "file"}]

    server.answers = Endless()
    found = listed("server://in")
    assert len(found) == 201
    assert [error_of(entry) for entry in found if entry.trouble] == ["NotReadable"]


def test_remote_folders_are_listed_as_they_are_reached(server: type[Server]) -> None:
    server.answers["in"] = [{"name": "in/a", "type": "directory"}, {"name": "in/b", "type": "directory"}]
    server.answers["in/a"] = [{"name": "in/a/x.mp4", "type": "file"}]
    stream = entries(["server://in"], Listing())
    assert next(stream).uri == "server://in/a/x.mp4"
    server.answers["in/b"] = [{"name": "in/b/y.mp4", "type": "file"}]
    assert next(stream).uri == "server://in/b/y.mp4"


def test_a_file_is_fetched_in_blocks(tmp_path: Path, memory: MemoryFileSystem) -> None:
    data = os.urandom(2_500_000)
    memory.pipe("/a.mp4", data)
    fetch("memory://a.mp4", tmp_path / "got", most_bytes=len(data))
    assert (tmp_path / "got").read_bytes() == data


def test_what_can_not_be_fetched_leaves_nothing_behind(tmp_path: Path, memory: MemoryFileSystem) -> None:
    memory.pipe("/a.mp4", b"x" * 2_000_000)
    with pytest.raises(ArchiveError, match=r"memory://a\.mp4 is larger than 1500000 bytes"):
        fetch("memory://a.mp4", tmp_path / "got", most_bytes=1_500_000)
    with pytest.raises(ArchiveError, match=r"there is no memory://b\.mp4"):
        fetch("memory://b.mp4", tmp_path / "got", most_bytes=None)
    with pytest.raises(ArchiveError, match=r"memory://a\.mp4 can't be copied to .* \(No such file or directory\)"):
        fetch("memory://a.mp4", tmp_path / "nowhere" / "got", most_bytes=None)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_apart_from_a_server(tmp_path: Path, memory: MemoryFileSystem) -> None:
    memory.pipe("/a.mp4", b"x")
    (tmp_path / "got").symlink_to("/dev/full")
    with pytest.raises(ArchiveError, match=r"can't be copied to .*got \(No space left on device\); make room"):
        fetch("memory://a.mp4", tmp_path / "got", most_bytes=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(5, "reset by https://h/?sig=5ec2e7"), RuntimeError("5ec2e7 is wrong")])
def test_an_error_while_fetching_shows_no_secret(
    tmp_path: Path, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "open", failing)
    with pytest.raises(ArchiveError, match="memory://") as caught:
        fetch("memory://a.mp4?sig=5ec2e7", tmp_path / "got", most_bytes=None)
    assert "5ec2e7" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_protocol_that_is_not_known(tmp_path: Path) -> None:
    for source in ("nosuch://x/a.mp4", "nosuch://x/*.mp4", "nosuch://x/m.csv"):
        with pytest.raises(
            ArchiveError, match=r"nosuch://x.* can't be read \(ValueError: Protocol not known: nosuch\)"
        ):
            entries([source], Listing())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(BackendMissing, match="s3://bucket can't be read without s3fs; pip install s3fs"):
        entries(["s3://bucket"], Listing())
    with pytest.raises(BackendMissing, match="s3fs"):
        fetch("s3://bucket/a.mp4", tmp_path / "got", most_bytes=None)


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(BackendMissing, match=r"pip install 'lipaccord\[archive\]'"):
        entries(["memory://x"], Listing())


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/data/a.mp4?x=y", "/data/a.mp4?x=y"),
        ("s3://bucket/a@b.mp4", "s3://bucket/a@b.mp4"),
        (SIGNED, "https://host.example/a.mp4?X-Amz-Date=…&X-Amz-Signature=…"),
        ("https://h/a.mp4?5ec2e7", "https://h/a.mp4?…"),
        ("https://h/a.mp4#token=5ec2e7", "https://h/a.mp4#token=…"),
        ("https://h/a.mp4?a=1#5ec2e7=2", "https://h/a.mp4?a=…"),
        ("https://5ec2e7@h:80/a.mp4", "https://h:80/a.mp4"),
        ("sftp://anna:5ec2e7@h/a.mp4", "sftp://h/a.mp4"),
        ("sftp://anna:5e/c2@e7@h/a.mp4", "sftp://h/a.mp4"),
        ("sftp://anna:5e?c2e7@h/a.mp4", "sftp://h/a.mp4?…"),
        ("sftp://anna%3A5ec2e7%40h/a.mp4", "sftp://h/a.mp4"),
        ("zip://a@b.mp4::https://u:5ec2e7@h/a.zip?s=5ec2e7", "zip://a@b.mp4::https://h/a.zip?s=…"),
        ("simplecache::s3://b/a.mp4", "simplecache::s3://b/a.mp4"),
        ("https://h:8080/a@b.mp4", "https://h:8080/a@b.mp4"),
    ],
)
def test_a_public_name_shows_no_secret(uri: str, name: str) -> None:
    assert public_name(uri) == name


@pytest.mark.parametrize(
    "url",
    [
        "sftp://anna:5ec2e7@h/a.mp4",
        "SFTP://anna:5ec2e7@h/a.mp4",
        "https://5ec2e7@h/a.mp4",
        "sftp://anna:5e/c2e7@h/a.mp4",
        "sftp://anna:5e?c2e7@h/a.mp4",
        "sftp://anna:5e#c2e7@h/a.mp4",
        "sftp://anna%3A5ec2e7@h/a.mp4",
        "sftp://anna:5ec2e7%40h/a.mp4",
        "zip://a.mp4::ftp://anna:5ec2e7@h/a.zip",
        "simplecache::https://anna:5ec2e7@h/*.mp4",
        "https://anna:5ec2e7@h/m.csv",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ArchiveError, match="leave it out and configure fsspec") as caught:
        entries([url], Listing())
    assert not re.search("5e|c2e7", str(caught.value))


@pytest.mark.parametrize(
    "url", ["sftp://anna@h/a.mp4", "github://org:repo@main/a.mp4", "zip://a:b@c.mp4::s3://b/x", SIGNED]
)
def test_urls_without_a_password_pass(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("s3://bucket/x", True),
        ("zip://*.mp4::file:///a.zip", True),
        ("simplecache::s3://b/x", True),
        ("memory://", True),
        ("/a/b.mp4", False),
        ("a:b.mp4", False),
        ("dir/s3://x", False),
        ("C://x", False),
    ],
)
def test_what_is_a_url(text: str, answer: bool) -> None:
    assert is_url(text) is answer
