from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from clips import flat, tone, write_clip
from lipaccord.archive import tasks
from lipaccord.archive.tasks import examine
from lipaccord.bundle import load_bundle
from lipaccord.errors import BundleError, NoVideo, UnreadableMedia
from lipaccord.pipeline import analyze
from lipaccord.report.json import digests
from lipaccord.settings import Settings

FIXTURES = Path(__file__).parent.parent / "fixtures"
SPEECH = FIXTURES / "obama_speech.mp4"


def payload(uri: str | Path, **changes: Any) -> dict[str, Any]:
    import dataclasses

    return {
        "uri": str(uri),
        "known": [],
        "bundle": None,
        "bundle_sha256": load_bundle().sha256,
        "settings": dataclasses.asdict(Settings()),
        "max_seconds": None,
    } | changes


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def examined() -> tuple[dict[str, Any], tuple[bytes, ...]]:
    return examine(payload(SPEECH))


def test_a_clip_is_examined_as_by_analyze(examined: tuple[dict[str, Any], tuple[bytes, ...]]) -> None:
    value, (analysis, timeline) = examined
    expected = analyze(SPEECH).to_dict()
    kept = json.loads(analysis) | json.loads(timeline)
    assert kept == expected
    assert kept["digest"]["all"] == digests(kept)["all"]
    sync = expected["findings"]["sync"]
    gist = value["gist"]
    assert value["sha256"] == sha256_of(SPEECH)
    assert (gist["status"], gist["sync_status"]) == ("examined", "in_sync")
    assert gist["triage"] == pytest.approx(expected["triage"], rel=1e-6)
    assert gist["sync_log10_lr"] == pytest.approx(sync["log10_lr"], rel=1e-6)
    assert gist["offset_ms"] == pytest.approx(sync["offset_ms"], rel=1e-6)
    assert gist["resynthesis_status"] == "not_examinable"
    assert gist["reasons"] == ("too_small",)
    assert gist["footage_s"] == pytest.approx(8.75)


def test_what_is_known_is_not_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("it was examined")

    monkeypatch.setattr(tasks, "_examined", never)
    value, blobs = examine(payload(SPEECH, known=[sha256_of(SPEECH)]))
    assert value == {"sha256": sha256_of(SPEECH)}
    assert blobs == ()


def test_a_remote_clip_is_examined_under_its_own_name(examined: tuple[dict[str, Any], tuple[bytes, ...]]) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/clips/speech.mp4", SPEECH.read_bytes())
    value, (analysis, _) = examine(payload("memory://clips/speech.mp4", part=[0.0, 5.0], sha256=sha256_of(SPEECH)))
    assert value["sha256"] == examined[0]["sha256"]
    assert json.loads(analysis)["clip"]["path"] == "memory://clips/speech.mp4"
    assert json.loads(analysis)["settings"]["end_s"] == 5.0


def test_a_long_recording_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LONG_S", 5.0)
    value, blobs = examine(payload(SPEECH))
    assert [turn[0] for turn in value["turns"]] == [1]
    assert value["duration_s"] == pytest.approx(8.75, abs=0.1)
    assert blobs == ()


def test_no_more_is_examined_than_asked() -> None:
    value, _ = examine(payload(SPEECH, max_seconds=5.0))
    ((_, start_s, end_s),) = value["turns"]
    assert end_s - start_s == pytest.approx(5.0)


def test_a_recording_without_any_turn_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LONG_S", 2.0)
    clip = tmp_path / "bare.mp4"
    write_clip(clip, frames=[flat(90)] * 50, rate=10, sound=tone(5.0, 16_000), sound_rate=16_000)
    value, _ = examine(payload(clip))
    assert value["gist"]["status"] == "not_examinable"
    assert value["gist"]["reasons"] == ["no_face", "no_speech"]


def test_a_turn_of_a_file_that_changed_is_refused() -> None:
    with pytest.raises(UnreadableMedia, match="has changed since it was cut"):
        examine(payload(SPEECH, part=[0.0, 5.0], sha256="0" * 64))


def test_a_worker_with_another_bundle_is_refused() -> None:
    with pytest.raises(BundleError, match="give every worker the same bundle"):
        examine(payload(SPEECH, bundle_sha256="0" * 64))


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path / "gone.mp4"):
        with pytest.raises(UnreadableMedia, match=path.name):
            examine(payload(path))
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(UnreadableMedia, match="is empty"):
        examine(payload(empty))
    heard = tmp_path / "heard.wav"
    write_clip(tmp_path / "mute.mp4", frames=[flat(90)] * 20, rate=10)
    import soundfile

    soundfile.write(heard, tone(2.0, 16_000), 16_000)
    with pytest.raises(NoVideo):
        examine(payload(heard))


def test_a_name_that_is_no_utf8_is_examined(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/no-utf8-\xff.mp4"
    Path(os.fsdecode(odd)).write_bytes(SPEECH.read_bytes())
    value, (analysis, _) = examine(payload(os.fsdecode(odd), part=[0.0, 5.0], sha256=sha256_of(SPEECH)))
    assert value["gist"]["status"] == "examined"
    assert "no-utf8-" in json.loads(analysis)["clip"]["path"]
