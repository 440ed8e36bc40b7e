from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

import made_indexes
from lipaccord import source_cli
from lipaccord._container import MediaFile
from lipaccord.records import Reason
from lipaccord.report.seal import embedded, unseal
from lipaccord.source import answering, errands, indexing, searching
from lipaccord.source.catalogue import NAME
from lipaccord.source.finding import Searched, SourceFinding
from lipaccord.source.signature import Signature
from made_indexes import beside, made

FIXTURES = Path(__file__).parent.parent / "fixtures"

app = typer.Typer()
app.command()(source_cli.index)
app.command()(source_cli.match)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(made_indexes.CALLS, str(tmp_path / "calls"))
    monkeypatch.setattr(errands, "SIGN", made_indexes.SIGN)
    monkeypatch.setattr(indexing, "load_backend", lambda name: made_indexes.MadeBackend)
    (tmp_path / "clips").mkdir()
    return tmp_path


def write(folder: Path, **clips: str) -> None:
    for name, text in clips.items():
        (folder / "clips" / f"{name}.mp4").write_text(text, encoding="utf-8")


def index(folder: Path, *options: str) -> Result:
    return invoke("index", folder / "clips", "--index", folder / "index", "--jobs", "1", *options)


def query(folder: Path, monkeypatch: pytest.MonkeyPatch, signature: Signature) -> Path:
    """Make a clip in which this face is seen."""
    clip = folder / "query.mp4"
    clip.write_text("query")
    monkeypatch.setattr(searching, "sign", lambda path, **options: (signature,))
    monkeypatch.setattr(searching, "hash_file", lambda path: MediaFile(path, (0, 0, 0, 0), signature.sha256))
    monkeypatch.setattr(searching, "Beside", lambda *arguments: lambda candidate: None)
    monkeypatch.setattr(answering, "sections", lambda *arguments, **options: iter(()))
    monkeypatch.setattr(answering, "exhibit", lambda *arguments, **options: beside("not_examinable"))
    return clip


def test_index_says_what_came_of_the_sources_and_how_large_it_is(folder: Path) -> None:
    write(folder, a="head 1", b="nobody")
    result = index(folder)
    assert result.exit_code == 0, result.output
    assert "2 sources got their outcome in" in result.stdout
    assert "1 signed; 1 without a face" in result.stdout
    assert "The index holds 0.01 hours of faces in" in result.stdout
    assert " an hour." in result.stdout
    assert "b.mp4: without a face" in result.stderr
    again = index(folder)
    assert again.stdout.startswith("Nothing to do")


def test_index_ends_with_5_where_a_source_failed_and_names_it(folder: Path) -> None:
    write(folder, a="head 1", b="broken")
    result = index(folder, "--quiet")
    assert result.exit_code == 5
    assert result.stdout == ""
    assert "b.mp4: UnreadableMedia: b.mp4 is broken; leave it out" in result.stderr


def test_index_names_what_has_gone(folder: Path) -> None:
    write(folder, a="head 1", b="head 2")
    index(folder)
    (folder / "clips" / "a.mp4").unlink()
    assert f"gone since it was signed: {folder / 'clips' / 'a.mp4'}" in index(folder).stdout


def test_match_says_where_the_clip_comes_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, a="head 1", b="head 2")
    index(folder)
    clip = query(folder, monkeypatch, made(2, 6, 12, voice=9))
    result = invoke("match", clip, "--index", folder / "index", "--json", folder / "out.json")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "Found: the picture is that of a recording in the index, the sound is another."
    assert f"Match: {folder / 'clips' / 'b.mp4'}" in lines
    assert "  face-1 at 0.00 s is face-1 at 6.00 s; 100% of its frames" in lines
    assert "Searched: 2 recordings, 0.01 hours of faces." in lines
    written = json.loads((folder / "out.json").read_text())
    assert written["schema"] == "lipaccord/match/1"
    assert written["findings"]["source"]["status"] == "sound_replaced"
    assert written["clip"]["path"] == str(clip)


def test_match_writes_json_alone_to_standard_output_and_the_same_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, a="head 1")
    index(folder)
    clip = query(folder, monkeypatch, made(1, 6, 12))
    one, other = (invoke("match", clip, "--index", folder / "index", "--json", "-").stdout for _ in range(2))
    assert one == other
    assert json.loads(one)["findings"]["source"]["status"] == "same_recording"


def test_match_shows_what_was_altered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, a="head 1")
    index(folder)
    clip = query(folder, monkeypatch, made(1, 6, 12))
    monkeypatch.setattr(answering, "exhibit", lambda *arguments, **options: beside("mouth_altered"))
    lines = invoke("match", clip, "--index", folder / "index").stdout.splitlines()
    assert lines[0] == "Found: the recording is in the index, and the mouth was altered."
    assert any("differs 3.16 times as much" in line and "in 80% of the frames" in line for line in lines)
    assert "  altered: 1.00-2.50 s" in lines


def test_match_writes_a_page_that_holds_the_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, a="head 1")
    index(folder)
    clip = query(folder, monkeypatch, made(1, 6, 12))
    options = ("--json", folder / "out.json", "--report", folder / "out.html", "--start", "0.5")
    result = invoke("match", clip, "--index", folder / "index", *options)
    assert result.exit_code == 0, result.output
    page = (folder / "out.html").read_bytes()
    assert unseal(page).trouble == ""
    assert embedded(page) == json.loads((folder / "out.json").read_text())
    assert f"lipaccord match {clip} --index {folder / 'index'} --start 0.5 --report report.html" in page.decode()


@pytest.mark.parametrize(
    ("name", "said"),
    [("out.pdf", "is of no known kind; name it .html"), ("none/out.html", "can't be written"), ("query.mp4", "")],
)
def test_a_page_that_can_not_be_written_is_said_before_the_search(
    name: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, a="head 1")
    index(folder)
    clip = query(folder, monkeypatch, made(1, 6, 12))
    before = clip.read_bytes()
    monkeypatch.setattr(answering, "match", lambda *arguments, **options: pytest.fail("it searched"))
    result = invoke("match", clip, "--index", folder / "index", "--report", folder / name)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert clip.read_bytes() == before


@pytest.mark.parametrize(("damage", "code"), [("no index", 2), ("damaged", 2), ("no media", 3), ("overwrite", 2)])
def test_match_with_bad_input_is_one_line(damage: str, code: int, folder: Path) -> None:
    write(folder, a="head 1")
    if damage != "no index":
        index(folder)
    if damage == "damaged":
        (folder / "index" / NAME).write_bytes(b"no database, " * 1000)
    clip = folder / "clips" / "a.mp4" if damage == "no media" else FIXTURES / "synthetic.mp4"
    output = ["--json", str(folder / "index" / NAME)] if damage == "overwrite" else []
    result = invoke("match", clip, "--index", folder / "index", *output)
    assert result.exit_code == code
    assert result.stderr.startswith("lipaccord: ")
    assert result.stderr.count("\n") == 1


def test_index_without_a_source_is_one_line(folder: Path) -> None:
    result = invoke("index", folder / "nowhere", "--index", folder / "index")
    assert result.exit_code == 2
    assert result.stderr.startswith("lipaccord: there is no file, folder or pattern")


def test_hostile_names_are_shown_harmlessly() -> None:
    searched = Searched(1, 1, 0.5, {"failed": 2}, (("/a/\x1b[2Jb.mp4", "gone"),), looked_after=True)
    finding = SourceFinding("not_examinable", (Reason("no_face", "No face.", "use another part"),), searched)
    lines = list(source_cli.finding_lines(finding))
    assert lines[:3] == [
        "Not examinable.",
        "No face. Use another part.",
        "Searched: 1 recordings, 0.50 hours of faces; 2 failed.",
    ]


def test_a_real_clip_is_found_in_an_index_of_real_clips(tmp_path: Path) -> None:
    for name in ("obama_speech.mp4", "synthetic.mp4"):
        (tmp_path / "clips").mkdir(exist_ok=True)
        shutil.copy(FIXTURES / name, tmp_path / "clips" / name)
    made = invoke("index", tmp_path / "clips", "--index", tmp_path / "index", "--jobs", "1")
    assert made.exit_code == 0, made.output
    options = ("--end", "4", "--report", tmp_path / "out.html")
    result = invoke("match", FIXTURES / "obama_sound_replaced.mp4", "--index", tmp_path / "index", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Found: the picture is that of a recording in the index, the sound is another.")
    assert f"Match: {tmp_path / 'clips' / 'obama_speech.mp4'}" in result.stdout
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    exhibit = embedded(page.encode())["findings"]["source"]["exhibit"]
    assert page.count('src="data:image/jpeg') == 3 * len(exhibit["pictures_s"]) > 0
    assert "Every frame of the clip that was laid over the recording can be shown: 4" in page


def test_a_clip_that_uses_its_own_footage_again_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, a="head 1")
    index(folder)
    once = made(7, 0, 6)
    times_s = np.concatenate([once.times_s, once.times_s + 6.0])
    looped = dataclasses.replace(once, end_s=float(times_s[-1]), times_s=times_s, life=np.concatenate([once.life] * 2))
    clip = query(folder, monkeypatch, looped)
    result = invoke("match", clip, "--index", folder / "index", "--json", folder / "out.json")
    assert any(
        line.startswith("Used again: face-1 at 0.0") and "is seen again at 6.0" in line
        for line in result.stdout.splitlines()
    )
    heads = json.loads((folder / "out.json").read_text())["findings"]["source"]["reused"]
    assert [len(head["reuses"]) for head in heads] == [1]
