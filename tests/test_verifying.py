from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyses import AGREEMENT, CLIP, SYNC, analysis
from lipaccord import bundle as bundles
from lipaccord import pipeline, verifying
from lipaccord.bundle import default_bundle_path, load_bundle
from lipaccord.comparison import Verification
from lipaccord.errors import SettingsError, UnreadableMedia, VerificationError
from lipaccord.records import Analysis, Series
from lipaccord.report.json import FORM, analysis_to_dict, as_text, digests, write_json
from lipaccord.report.seal import seal, twin
from lipaccord.reporting import write_report
from lipaccord.settings import Settings
from lipaccord.verifying import verify

EVIDENCE = b"not really a film"
NAMES = ["report", "schema", "clip", "bundle", "versions", "numbers"]
Values = dict[str, Any]


class Case:
    """A clip, the analysis that stands in for examining it, and its report as a file of one kind or the other."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.settings = folder, Settings(end_s=4.0)
        self.clip = folder / "clip.mp4"
        self.clip.write_bytes(EVIDENCE)
        used = load_bundle()
        self.made = analysis(
            clip=dataclasses.replace(CLIP, sha256=hashlib.sha256(EVIDENCE).hexdigest()),
            bundle={"name": used.name, "version": used.version, "sha256": used.sha256},
            settings=dataclasses.asdict(self.settings),
            settings_digest=self.settings.digest,
        )
        self.again = self.made
        self.calls: list[Values] = []
        monkeypatch.setattr(pipeline, "analyze", self._analyze)
        monkeypatch.setattr(verifying, "load_bundle", lambda path: used if path is None else load_bundle(path))

    def _analyze(self, path: Path, **options: Any) -> Analysis:
        self.calls.append({"path": path, **options})
        facts = dataclasses.replace(self.again.clip, path=str(path))
        return dataclasses.replace(self.again, clip=facts)

    @property
    def values(self) -> Values:
        return analysis_to_dict(self.made)

    def file(self, data: str | bytes, name: str = "report.json") -> Path:
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def json(self, change: Callable[[Values], object] = dict, *, honest: bool = False) -> Path:
        """Write the report after a change of its values; `honest` puts the digest right again."""
        values = self.values
        change(values)
        if honest:
            values["digest"] = FORM | digests(values)
        return self.file(as_text(values))

    def page(self, limit_bytes: int = 10**6) -> Path:
        element = twin(self.values, limit_bytes)
        return self.file(seal(f"<!doctype html>\n<p>text</p>\n{element}\n<p>more</p>\n"), "report.html")

    def verify(self, report: Path, **options: Any) -> Verification:
        return verify(report, self.clip, **options)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


def told(result: Verification, name: str) -> str:
    """Return what a check says, after a mark of whether it holds."""
    [check] = [check for check in result.checks if check.name == name]
    return f"{'ok' if check.ok else 'fails'}: {check.text}"


def failed(result: Verification) -> list[str]:
    assert result.reproduced == all(check.ok for check in result.checks)
    return [check.name for check in result.checks if not check.ok]


def test_the_same_analysis_is_reproduced(case: Case) -> None:
    result = case.verify(case.json())
    assert (result.reproduced, result.differences) == (True, ())
    assert [check.name for check in result.checks] == NAMES
    assert told(result, "report") == "ok: unchanged since it was written, to the byte"
    assert told(result, "schema") == "ok: lipaccord/analysis/1"
    assert told(result, "clip").endswith(f"SHA-256 {case.made.clip.sha256}")
    assert told(result, "bundle").endswith(f"SHA-256 {case.made.bundle['sha256']}")
    assert told(result, "versions") == "ok: the same"
    assert told(result, "numbers") == "ok: every value is the same, to the last digit"


def test_the_file_that_the_writer_writes_is_reproduced(case: Case) -> None:
    write_json(case.made, case.folder / "result.json")
    assert case.verify(case.folder / "result.json").reproduced


def test_the_analysis_is_repeated_with_the_settings_of_the_report_and_the_options_given(case: Case) -> None:
    fractions: list[float] = []
    options = {"weights": case.folder, "tracks": case.clip, "threads": 1, "progress": fractions.append}
    case.verify(case.json(), **options)
    assert case.calls == [{"path": case.clip, "settings": case.settings, "bundle": None, **options}]


def test_the_clip_may_have_another_name(case: Case) -> None:
    moved = case.clip.rename(case.folder / "moved.mkv")
    result = verify(case.json(), moved)
    assert told(result, "numbers") == "ok: every value is the same, to the last digit"


def test_a_page_is_reproduced(case: Case) -> None:
    result = case.verify(case.page())
    assert result.reproduced
    assert told(result, "numbers") == "ok: every value is the same, to the last digit"


def long_timeline(case: Case, **changes: Any) -> None:
    curve = np.random.default_rng(2).normal(size=2000).astype(np.float32)
    series = {"curve": Series("curve", "none", np.arange(2000.0), curve)}
    case.made = dataclasses.replace(case.made, timeline=series)
    case.again = dataclasses.replace(case.made, **changes)


def test_a_page_without_time_courses_says_so_and_is_reproduced(case: Case) -> None:
    long_timeline(case)
    report = case.page(4000)
    result = case.verify(report)
    assert result.reproduced
    assert told(result, "numbers").endswith(
        "to the last digit; the time courses are not in this report, but their digest is the same"
    )
    case.again = dataclasses.replace(case.made, timeline={})
    result = case.verify(report)
    assert result.reproduced
    assert told(result, "numbers").endswith("; the time courses are not in this report, and were not compared")
    assert b'data-encoding="gzip+base64"' in report.read_bytes()


def test_time_courses_taken_out_of_a_file_are_missed(case: Case) -> None:
    result = case.verify(case.json(lambda values: values.pop("timeline")))
    assert failed(result) == ["report"]
    assert told(result, "report") == "fails: the time courses (timeline) were taken out of it"
    assert "were not compared" not in told(result, "numbers")


def test_every_changed_byte_of_a_file_is_noticed(case: Case) -> None:
    data = case.json().read_bytes()
    assert case.verify(case.file(data)).reproduced
    unreadable = 0
    for place in range(0, len(data), 13):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            result = case.verify(case.file(bytes(changed)))
        except VerificationError:
            unreadable += 1
        else:
            assert "report" in failed(result), (place, bytes(changed[place - 20 : place + 20]))
    assert 0 < unreadable < len(data) / 26


def test_every_changed_byte_of_a_page_is_noticed(case: Case) -> None:
    for limit in (10**6, 3500):
        data = case.page(limit).read_bytes()
        assert case.verify(case.page(limit)).reproduced
        for place in range(0, len(data), 37):
            changed = bytearray(data)
            changed[place] ^= 1
            try:
                result = case.verify(case.file(bytes(changed), "report.html"))
            except VerificationError:
                continue
            assert "report" in failed(result), (place, bytes(changed[place - 20 : place + 20]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'\n "triage": 0.75', b'\n  "triage": 0.75'),
        (b" 0.75,", b" 7.5e-1,"),
        (b'"schema"', b'"\\u0073chema"'),
        (b'"limits"', b'\t"limits"'),
        (b'"digest"', b'\r\n"digest"'),
    ],
    ids=range(5),
)
def test_another_spelling_of_the_same_values_is_named_as_such(case: Case, old: bytes, new: bytes) -> None:
    head, found, tail = case.json().read_bytes().partition(old)
    assert found
    result = case.verify(case.file(head + new + tail))
    assert failed(result) == ["report"]
    line = (head + old).count(b"\n") + 1
    where = f"white space or spelling differs in line {line}"
    assert told(result, "report") == f"fails: its values are unchanged, but not its text: {where}"


@pytest.mark.parametrize(("begin", "end"), [(b" ", b""), (b"", b"\n"), (b"", b" ")], ids=range(3))
def test_white_space_at_either_end_is_noticed(case: Case, begin: bytes, end: bytes) -> None:
    data = case.json().read_bytes()
    line = 1 if begin else data.count(b"\n") + (1 if end == b" " else 2)
    for changed in (begin + data + end, data[:-1]):
        result = case.verify(case.file(changed))
        assert failed(result) == ["report"]
    assert told(case.verify(case.file(begin + data + end)), "report").endswith(f"differs in line {line}")


def test_a_changed_value_is_named_even_if_the_digest_was_put_right(case: Case) -> None:
    def change(values: Values) -> None:
        values["findings"]["sync"]["status"] = "in_sync"
        values["findings"]["sync"]["cues"]["agreement"]["frames_s"][1] = 1.5

    for honest in (False, True):
        result = case.verify(case.json(change, honest=honest))
        assert failed(result) == (["numbers"] if honest else ["report", "numbers"])
        assert told(result, "numbers") == "fails: 2 values differ"
        assert [str(one) for one in result.differences] == [
            'findings.sync.status: was "in_sync", is "offset"',
            "findings.sync.cues.agreement.frames_s[1]: was 1.5, is 1.0",
        ]
    assert told(case.verify(case.json(change)), "report") == (
        "fails: its values were changed: their digest is not the one that it states"
    )


@pytest.mark.parametrize(
    ("digest", "trouble"),
    [
        (None, "it states no digest of its values"),
        ("0" * 64, "it states no digest of its values"),
        ({}, "its values were changed"),
        (FORM | {"all": "0" * 64, "without_timeline": "1" * 64}, "its values were changed"),
        ("more", "its values were changed"),
        ("all", "its values were changed"),
        ("without_timeline", "its values were changed"),
        ("form", "its values were changed"),
    ],
)
def test_a_digest_that_is_missing_or_altered_is_named(case: Case, digest: object, trouble: str) -> None:
    right = case.values["digest"]
    altered = {name: right | {name: "0" * 64} for name in ("more", "form", "all", "without_timeline")}
    chosen = altered.get(digest, digest) if isinstance(digest, str) else digest
    result = case.verify(case.json(lambda values: values.update(digest=chosen)))
    assert failed(result) == ["report"]
    assert told(result, "report").startswith(f"fails: {trouble}")


def test_a_resealed_page_with_another_spelling_is_named(case: Case) -> None:
    page = case.page().read_text(encoding="utf-8")
    body = page[: page.rindex("<!-- lipaccord")].replace('"triage": 0.75', '"triage":  0.75')
    result = case.verify(case.file(seal(body), "report.html"))
    assert failed(result) == ["report"]
    assert told(result, "report") == "fails: the analysis in it is not written as lipaccord writes it"


def test_the_troubles_of_a_page_are_all_named(case: Case) -> None:
    data = case.page().read_bytes().replace(b'"triage": 0.75', b'"triage":  0.85')
    result = case.verify(case.file(data, "report.html"))
    assert failed(result) == ["report", "numbers"]
    assert "the page was changed: its SHA-256 is not" in told(result, "report")
    assert told(result, "report").endswith("; its values were changed: their digest is not the one that it states")


def test_numbers_within_the_tolerance_are_the_same(case: Case) -> None:
    score = SYNC.score or 0.0
    case.again = dataclasses.replace(case.made, triage=0.7500001)
    assert told(case.verify(case.json()), "numbers") == "ok: every value is the same, to within 1e-05 of it and 1e-06"
    case.again = dataclasses.replace(case.made, triage=0.7501)
    result = case.verify(case.json())
    assert failed(result) == ["numbers"]
    assert told(result, "numbers") == "fails: 1 value differs"
    assert [str(one) for one in result.differences] == ["triage: was 0.75, is 0.7501"]
    assert score == AGREEMENT.score


def test_a_difference_in_the_time_courses_is_found(case: Case) -> None:
    other = Series("agreement.by_time", "correlation", np.array([0.0, 0.1, 0.3]), np.array([0.5, 0.1, 1 / 3]))
    case.again = dataclasses.replace(case.made, timeline={other.name: other})
    [found] = case.verify(case.json()).differences
    assert str(found) == 'timeline["agreement.by_time"].values[1]: was null, is 0.1'


def test_at_most_twenty_differences_are_listed_and_all_are_counted(case: Case) -> None:
    long_timeline(case)
    moved = Series("curve", "none", np.arange(2000.0) + 0.5, case.made.timeline["curve"].values)
    case.again = dataclasses.replace(case.made, timeline={"curve": moved})
    result = case.verify(case.json())
    assert told(result, "numbers") == "fails: 2000 values differ; the first 20 are listed"
    assert len(result.differences) == 20
    assert str(result.differences[19]) == "timeline.curve.times_s[19]: was 19.0, is 19.5"


def test_a_name_more_or_less_is_a_difference(case: Case) -> None:
    def change(values: Values) -> None:
        del values["findings"]["resynthesis"]
        values["verdict"] = "forged"

    found = case.verify(case.json(change, honest=True)).differences
    assert [str(one) for one in found] == [
        "findings.resynthesis: was absent, is an object of 13",
        'verdict: was "forged", is absent',
    ]


def test_other_versions_are_stated_and_the_values_decide(case: Case) -> None:
    case.again = dataclasses.replace(case.made, versions={"torch": "3.0.0", "numpy": "2.4.6"})
    result = case.verify(case.json())
    assert result.reproduced
    assert told(result, "versions") == (
        'ok: they differ, which the values must bear: av was "18.1.0", is absent; torch was "2.13.0", is "3.0.0"; '
        'numpy was absent, is "2.4.6"'
    )
    assert told(result, "numbers") == "ok: every value is the same, to the last digit"


def test_another_clip_is_named_and_not_examined(case: Case) -> None:
    changed = bytearray(EVIDENCE)
    changed[7] ^= 1
    case.clip.write_bytes(changed)
    result = case.verify(case.json())
    assert failed(result) == ["clip", "versions", "numbers"]
    assert told(result, "clip") == (
        "fails: not the file that was examined: its SHA-256 is "
        f"{hashlib.sha256(changed).hexdigest()}, the report states {case.made.clip.sha256}"
    )
    assert told(result, "numbers") == "fails: not compared: this is another clip"
    assert case.calls == []


@pytest.mark.parametrize("there", [True, False])
def test_a_clip_that_is_no_file_is_an_error(case: Case, there: bool) -> None:
    report = case.json()
    case.clip.unlink()
    if there:
        case.clip.mkdir()
    with pytest.raises(UnreadableMedia, match="is a directory" if there else "does not exist"):
        case.verify(report)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))


def test_a_changed_byte_in_the_bundle_is_named(case: Case, copied: Path) -> None:
    assert case.verify(case.json(), bundle=copied).reproduced
    for name in ("splice.safetensors", "calibration.json", "CARD.md"):
        data = (copied / name).read_bytes()
        (copied / name).write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        result = case.verify(case.json(), bundle=copied)
        (copied / name).write_bytes(data)
        assert failed(result) == ["bundle", "versions", "numbers"]
        assert told(result, "bundle") == (
            f"fails: the bundle file {copied / name} was altered: its hash is not the manifest's"
        )
        assert told(result, "numbers") == "fails: not compared: the bundle can't be used"
    assert len(case.calls) == 1


def test_another_bundle_is_named_and_the_values_compared_nevertheless(case: Case, copied: Path) -> None:
    files = load_bundle(copied).files | {"CARD.md": b"# Another\n"}
    bundles.write_bundle(copied, "other", "2", files)
    other = load_bundle(copied)
    case.again = dataclasses.replace(
        case.made, bundle={"name": "other", "version": "2", "sha256": other.sha256}, triage=0.5
    )
    result = case.verify(case.json(), bundle=copied)
    assert failed(result) == ["bundle", "numbers"]
    used = case.made.bundle
    assert told(result, "bundle") == (
        f"fails: other 2, SHA-256 {other.sha256}, while the report was made with {used['name']} {used['version']}, "
        f"SHA-256 {used['sha256']}; name its folder with --bundle"
    )
    assert [one.path for one in result.differences] == ["triage", "bundle.name", "bundle.sha256", "bundle.version"]


def test_a_report_of_another_schema_is_named_and_nothing_repeated(case: Case) -> None:
    result = case.verify(case.json(lambda values: values.update(schema="lipaccord/analysis/2"), honest=True))
    assert failed(result) == NAMES[1:]
    assert [check.name for check in result.checks] == NAMES
    assert told(result, "schema") == (
        "fails: 'lipaccord/analysis/2', while this release reads lipaccord/analysis/1; use the release that wrote it"
    )
    assert told(result, "clip") == "fails: not compared: the report is of another schema"
    assert case.calls == []
    assert told(case.verify(case.json(lambda values: values.pop("schema"))), "schema").startswith("fails: none, while")


def test_stored_landmarks_are_asked_for(case: Case) -> None:
    report = case.json(lambda values: values["settings"].update(landmarks="replay"), honest=True)
    with pytest.raises(VerificationError, match="was made with stored landmarks; give them with --tracks FILE"):
        case.verify(report)
    assert case.verify(report, tracks=case.clip).checks


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        (None, "does not state its settings"),
        ([], "does not state its settings"),
        ({"speed": 1}, "has a setting 'speed', which is unknown here; use the release that wrote it"),
        ({"__class__": "x"}, "has a setting '__class__', which is unknown here"),
        ({"landmarks": None}, "has a setting landmarks that is not of type str"),
        ({"face": 2}, r"has a setting face that is not of type str \| None"),
        ({"max_faces": 3.0}, "has a setting max_faces that is not of type int"),
        ({"max_faces": True}, "has a setting max_faces that is not of type int"),
        ({"max_lag_s": "1"}, "has a setting max_lag_s that is not of type float"),
        ({"end_s": [4.0]}, r"has a setting end_s that is not of type float \| None"),
        ({"end_s": False}, r"has a setting end_s that is not of type float \| None"),
        ({"max_faces": 1000}, "can't be repeated: setting max_faces = 1000 is out of range"),
    ],
    ids=range(12),
)
def test_settings_that_can_not_be_are_an_error(case: Case, settings: object, trouble: str) -> None:
    report = case.json(lambda values: values.update(settings=settings), honest=True)
    with pytest.raises(VerificationError, match=rf"^the report .*report\.json {trouble}"):
        case.verify(report)
    assert case.calls == []


def test_whole_numbers_serve_as_settings_in_seconds(case: Case) -> None:
    case.verify(case.json(lambda values: values.update(settings={"end_s": 4, "max_lag_s": 2}), honest=True))
    assert case.calls[0]["settings"] == Settings(end_s=4, max_lag_s=2)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda values: values.update(clip=1), "clip.sha256"),
        (lambda values: values["clip"].update(sha256=None), "clip.sha256"),
        (lambda values: values["clip"].update(path=["a"]), "clip.path"),
        (lambda values: values.update(bundle=None), "bundle.sha256"),
        (lambda values: values["bundle"].pop("version"), "bundle.version"),
    ],
    ids=range(5),
)
def test_what_a_repetition_needs_must_be_stated(case: Case, change: Callable[[Values], object], what: str) -> None:
    with pytest.raises(VerificationError, match=rf"report\.json does not state {what} as a text; use the report"):
        case.verify(case.json(change, honest=True))


def test_versions_must_be_stated(case: Case) -> None:
    with pytest.raises(VerificationError, match="does not state the versions that it was made with"):
        case.verify(case.json(lambda values: values.update(versions=[]), honest=True))


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7", "is neither JSON nor HTML; give the .json or .html that lipaccord wrote"),
        (b"\xff\xfe{\x00}\x00", "is neither JSON nor HTML"),
        (b"[1]", "is neither JSON nor HTML"),
        (b"{", "can't be read: Expecting"),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested more than 32 deep"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": 1, "a": 2}', "comes twice"),
        (b'{"a": 9007199254740993}', "holds a value that no report has"),
        (b'{"a": "\\ud800"}', "holds a value that no report has"),
        (b"<!doctype html><p>", "holds no analysis instead of one"),
    ],
    ids=range(11),
)
def test_what_is_no_report_is_one_plain_error(case: Case, data: bytes, trouble: str) -> None:
    with pytest.raises(VerificationError, match=rf"the report .*report\.json .*{trouble}") as caught:
        case.verify(case.file(data))
    assert "\n" not in str(caught.value)


def test_a_report_that_can_not_be_opened_is_one_plain_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(case.folder / "pipe")
    for path in (case.folder / "nowhere.json", case.folder, case.folder / "pipe", Path("a\0b")):
        with pytest.raises(
            VerificationError, match=r"the report .* is not there, or is no regular file; check the path"
        ):
            case.verify(path)
    monkeypatch.setattr(verifying, "MAX_REPORT_BYTES", 100)
    with pytest.raises(VerificationError, match="is larger than any; use the report"):
        case.verify(case.json())


def test_a_report_that_may_not_be_read_is_one_plain_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    report = case.json()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        VerificationError, match=r"report\.json can't be read \(.*Permission denied.*\); check the path"
    ):
        case.verify(report)


def test_errors_of_the_examination_are_passed_on(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def analyze(path: Path, **options: Any) -> Analysis:
        raise SettingsError("there is no landmark backend 'eyes'")

    monkeypatch.setattr(pipeline, "analyze", analyze)
    with pytest.raises(SettingsError, match="no landmark backend 'eyes'"):
        case.verify(case.json())


def changed(path: Path, place: int) -> Path:
    """Copy a file with one bit of the byte at `place` turned."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    copy = path.with_name(f"changed-{place}{path.suffix}")
    copy.write_bytes(data)
    return copy


def test_a_real_analysis_is_reproduced_from_file_and_from_page(
    fixture_clip: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Path(shutil.copy(fixture_clip("obama_speech"), tmp_path / "evidence.mp4"))
    made = pipeline.examine(fixture_clip("obama_speech"), settings=Settings(end_s=4.0))
    report, page = tmp_path / "report.json", tmp_path / "report.html"
    write_json(made.analysis, report)
    write_report(made, page)
    result = verify(report, clip)
    assert result.reproduced, result
    assert told(result, "numbers") == "ok: every value is the same, to the last digit"
    assert failed(verify(report, changed(clip, 5000))) == ["clip", "versions", "numbers"]
    # The page is held against the analysis that was just repeated.
    monkeypatch.setattr(pipeline, "analyze", lambda path, **options: made.analysis)
    assert verify(page, clip).reproduced
    size = page.stat().st_size
    for place in (20, size // 3, size // 2, size - 500, size - 30):
        assert failed(verify(changed(page, place), clip))[:1] == ["report"]
    assert verify(changed(report, 20), clip).reproduced is False
