"""A report and its clip -> whether the report is unchanged and the analysis, repeated, gives the same values.

`verify` reads the report as data that anyone may have written, compares hashes, repeats the analysis with the settings
that the report states, and compares every value (see `lipaccord.comparison`). What the report says of the outside world
is not compared: the clip may have another name, and versions are stated while the values decide.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from lipaccord import pipeline
from lipaccord._container import hash_file
from lipaccord.bundle import load_bundle
from lipaccord.comparison import ABSOLUTE, RELATIVE, Check, Difference, Verification, differences
from lipaccord.errors import BundleError, SettingsError, VerificationError
from lipaccord.report.json import DIGEST, FORM, SCHEMA, TIMELINE, as_text, digests
from lipaccord.report.seal import read_twin, unseal
from lipaccord.settings import Settings
from lipaccord.strict_json import REMEDY, read_object

MAX_REPORT_BYTES = 2**30
"""A page may hold a viewing copy of the clip."""
MAX_DIFFERENCES = 20
_NOT_COMPARED = {DIGEST, "versions"}
_UNREPEATED = "not compared: the analysis was not repeated"


@dataclass(frozen=True, slots=True)
class _Report:
    """A report that was read: its name for messages, the values, and what shows that it was changed."""

    name: str
    values: dict[str, Any]
    changed: tuple[str, ...]

    @property
    def has_timeline(self) -> bool:
        return TIMELINE in self.values

    def text(self, *path: str) -> str:
        """Return a text that the report must hold.

        Raises
        ------
        VerificationError
            There is none.
        """
        value: object = self.values
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, str):
            raise VerificationError(f"{self.name} does not state {'.'.join(path)} as a text; {REMEDY}")
        return value


def report_bytes(path: Path) -> bytes:
    """Return the content of a report.

    Raises
    ------
    VerificationError
        It can't be read, is empty, or is larger than any report.
    """
    if not path.is_file():
        raise VerificationError(f"the report {path} is not there, or is no regular file; check the path")
    try:
        with path.open("rb") as file:
            data = file.read(min(os.fstat(file.fileno()).st_size, MAX_REPORT_BYTES) + 1)
    except OSError as error:
        raise VerificationError(f"the report {path} can't be read ({error}); check the path") from error
    if not 0 < len(data) <= MAX_REPORT_BYTES:
        raise VerificationError(f"the report {path} is {'larger than any' if data else 'empty'}; {REMEDY}")
    return data


def _read(path: Path) -> _Report:
    """Read a report and find out whether it was changed since it was written."""
    name, data = f"the report {path}", report_bytes(path)
    start = data[:1024].lstrip()[:1]
    if start == b"{":
        values = read_object(data, name)
        cut = "" if TIMELINE in values else "the time courses (timeline) were taken out of it"
        changed = _digest_trouble(values, name) or _text_trouble(data, as_text(values).encode())
        return _Report(name, values, tuple(filter(None, [cut, changed])))
    if start == b"<":
        sealed = unseal(data)
        values, as_written = read_twin(sealed.page, name)
        digest = _digest_trouble(values, name)
        other = "" if digest or as_written else "the analysis in it is not written as lipaccord writes it"
        return _Report(name, values, tuple(filter(None, [sealed.trouble, digest, other])))
    raise VerificationError(f"{name} is neither JSON nor HTML; give the .json or .html that lipaccord wrote")


def _digest_trouble(values: dict[str, Any], name: str) -> str:
    """Say what is wrong with the digest that a report states of itself; empty where nothing is."""
    try:
        found = digests(values)
    except ValueError as error:
        raise VerificationError(f"{name} holds a value that no report has ({error}); {REMEDY}") from error
    stated = values.get(DIGEST)
    if not isinstance(stated, dict):
        return "it states no digest of its values"
    expected: dict[str, Any] = FORM | found
    if TIMELINE not in values:  # then there is nothing to hold this one against
        expected["all"] = stated.get("all")
    return "" if stated == expected else "its values were changed: their digest is not the one that it states"


def _text_trouble(data: bytes, expected: bytes) -> str:
    """Say where the text of a report is not the one that its values give; empty where it is."""
    if data == expected:
        return ""
    lines = zip_longest(data.split(b"\n"), expected.split(b"\n"))
    line = next(number for number, (one, other) in enumerate(lines, 1) if one != other)
    return f"its values are unchanged, but not its text: white space or spelling differs in line {line}"


def _settings(report: _Report) -> Settings:
    """Read the settings that a report states."""
    fields = {field.name: str(field.type) for field in dataclasses.fields(Settings)}
    stated = report.values.get("settings")
    if not isinstance(stated, dict):
        raise VerificationError(f"{report.name} does not state its settings; {REMEDY}")
    for name, value in stated.items():
        if name not in fields:
            raise VerificationError(
                f"{report.name} has a setting {name[:40]!r}, which is unknown here; use the release that wrote it"
            )
        kinds = {str} if "str" in fields[name] else {int, float} if "float" in fields[name] else {int}
        if type(value) not in kinds and not (value is None and "None" in fields[name]):
            raise VerificationError(f"{report.name} has a setting {name} that is not of type {fields[name]}; {REMEDY}")
    try:
        return Settings(**stated)
    except SettingsError as error:
        raise VerificationError(f"{report.name} can't be repeated: {error}; {REMEDY}") from error


def _report_check(report: _Report) -> Check:
    if report.changed:
        return Check("report", ok=False, text="; ".join(report.changed))
    return Check("report", ok=True, text="unchanged since it was written, to the byte")


def _schema_check(report: _Report) -> Check:
    stated = report.values.get("schema")
    if stated == SCHEMA:
        return Check("schema", ok=True, text=SCHEMA)
    shown = repr(stated)[:60] if isinstance(stated, str) else "none"
    return Check("schema", ok=False, text=f"{shown}, while this release reads {SCHEMA}; use the release that wrote it")


def _clip_check(report: _Report, clip: Path) -> Check:
    stated, found = report.text("clip", "sha256"), hash_file(str(clip)).sha256
    if found == stated:
        return Check("clip", ok=True, text=f"the file that was examined, SHA-256 {found}")
    text = f"not the file that was examined: its SHA-256 is {found}, the report states {stated[:64]}"
    return Check("clip", ok=False, text=text)


def _bundle_check(report: _Report, folder: Path | None) -> tuple[Check, bool]:
    """Compare the bundle; tell as well whether it can be used."""
    stated = report.text("bundle", "sha256")
    called = " ".join(report.text("bundle", part)[:60] for part in ("name", "version"))
    try:
        bundle = load_bundle(folder)
    except BundleError as error:
        return Check("bundle", ok=False, text=str(error)), False
    own = f"{bundle.name} {bundle.version}, SHA-256 {bundle.sha256}"
    if bundle.sha256 == stated:
        return Check("bundle", ok=True, text=own), True
    text = f"{own}, while the report was made with {called}, SHA-256 {stated[:64]}; name its folder with --bundle"
    return Check("bundle", ok=False, text=text), True


def _versions_check(report: _Report, now: dict[str, str]) -> Check:
    """State which versions differ; that alone is no failure."""
    stated = report.values.get("versions")
    if not isinstance(stated, dict):
        raise VerificationError(f"{report.name} does not state the versions that it was made with; {REMEDY}")
    other = [f"{one.path} was {one.was}, is {one.now}" for one in differences(stated, now)]
    shown = "; ".join(other[:MAX_DIFFERENCES])
    return Check("versions", ok=True, text=f"they differ, which the values must bear: {shown}" if other else "the same")


def _comparable(values: dict[str, Any], *, timeline: bool) -> dict[str, Any]:
    """Leave out what is not compared."""
    left_out = _NOT_COMPARED if timeline else _NOT_COMPARED | {TIMELINE}
    kept = {name: value for name, value in values.items() if name not in left_out}
    return kept | {"clip": {name: value for name, value in values["clip"].items() if name != "path"}}


def _numbers_check(report: _Report, again: dict[str, Any]) -> tuple[Check, tuple[Difference, ...]]:
    """Compare every value with those of the repetition."""
    was, now = (_comparable(values, timeline=report.has_timeline) for values in (report.values, again))
    found = differences(was, now)
    first = tuple(islice(found, MAX_DIFFERENCES))
    count = len(first) + sum(1 for _ in found)
    outside = {"clip": again["clip"] | {"path": report.text("clip", "path")}, "versions": report.values["versions"]}
    exact = report.values.get(DIGEST) == FORM | digests(again | outside)
    if count:
        text = f"{count} value{' differs' if count == 1 else 's differ'}"
        text += f"; the first {MAX_DIFFERENCES} are listed" if count > MAX_DIFFERENCES else ""
    else:
        text = "every value is the same"
        text += ", to the last digit" if exact else f", to within {RELATIVE:g} of it and {ABSOLUTE:g}"
    if not report.has_timeline:
        text += "; the time courses are not in this report, "
        text += "but their digest is the same" if exact else "and were not compared"
    return Check("numbers", ok=not count, text=text), first


def _unrepeated(why: str) -> tuple[Check, Check]:
    return Check("versions", ok=False, text=_UNREPEATED), Check("numbers", ok=False, text=f"not compared: {why}")


def _verification(checks: list[Check], found: tuple[Difference, ...] = ()) -> Verification:
    return Verification(all(check.ok for check in checks), tuple(checks), found)


def verify(
    report: Path,
    clip: Path,
    *,
    bundle: Path | None = None,
    weights: Path | None = None,
    tracks: Path | None = None,
    threads: int = 2,
    progress: Callable[[float], None] | None = None,
) -> Verification:
    """Check a report and repeat its analysis.

    Parameters
    ----------
    report : Path
        What ``lipaccord analyze`` wrote, as JSON or as a page.
    clip : Path
        The clip that it speaks of, under any name.
    bundle, weights, tracks, threads, progress
        As for `lipaccord.analyze`. Stored tracks are needed where the report was made with the landmark backend
        ``replay``, weights where it was made with ``face-alignment``.

    Returns
    -------
    Verification
        The analysis is not repeated where that can't give the same: for another clip or schema, or with a bundle that
        can't be used. The checks then say so.

    Raises
    ------
    VerificationError
        The report can't be read, is none, or does not say how to repeat the analysis.
    MediaError, BackendMissing, SettingsError, TracksError
        As for `lipaccord.analyze`.
    """
    read = _read(report)
    whole, schema = _report_check(read), _schema_check(read)
    if not schema.ok:
        why = "not compared: the report is of another schema"
        rest = [Check(name, ok=False, text=why) for name in ("clip", "bundle", "versions", "numbers")]
        return _verification([whole, schema, *rest])
    settings = _settings(read)
    same_clip = _clip_check(read, clip)
    same_bundle, usable = _bundle_check(read, bundle)
    checks = [whole, schema, same_clip, same_bundle]
    if not same_clip.ok:
        return _verification([*checks, *_unrepeated("this is another clip")])
    if not usable:
        return _verification([*checks, *_unrepeated("the bundle can't be used")])
    if settings.landmarks == "replay" and tracks is None:
        raise VerificationError(f"{read.name} was made with stored landmarks; give them with --tracks FILE")
    analysis = pipeline.analyze(
        clip, settings=settings, bundle=bundle, weights=weights, tracks=tracks, threads=threads, progress=progress
    )
    again = analysis.to_dict()
    versions = _versions_check(read, again["versions"])
    numbers, found = _numbers_check(read, again)
    return _verification([*checks, versions, numbers], found)
