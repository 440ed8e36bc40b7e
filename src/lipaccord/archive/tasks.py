"""What a worker does with one clip: read it, know it by its content, cut it if it is long, examine it.

The worker reads the clip itself and sends back analyses, never pictures. Everything here is called in a process of its
own, with JSON values; see `records.Errand`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lipaccord._claims import read_claims
from lipaccord._container import MediaFile, hash_file, open_container
from lipaccord.archive.records import Gist
from lipaccord.archive.remote import local_copy
from lipaccord.archive.urls import public_name
from lipaccord.errors import BundleError, UnreadableMedia
from lipaccord.records import Analysis
from lipaccord.settings import Settings

LONG_S = 90.0
"""Recordings that last longer are cut into turns."""
LARGE_BYTES = 1 << 26
"""A file of this size that does not say how long it lasts is taken for a long one."""
EXAMINE, IDENTIFY = "lipaccord.archive.tasks:examine", "lipaccord.archive.tasks:identify"
NO_TURN = "no_turn"

Answer = tuple[dict[str, Any], tuple[bytes, ...]]


def _duration(file: MediaFile) -> float | None:
    """Return how long a file claims to last; refuse one that can't be examined at all."""
    with open_container(file) as container:
        return read_claims(file.path, container).duration_s


def _is_long(file: MediaFile, duration_s: float | None, max_seconds: float | None) -> bool:
    if duration_s is None:
        return file.identity[2] >= LARGE_BYTES
    return duration_s > (LONG_S if max_seconds is None else min(LONG_S, max_seconds))


def gist_of(analysis: Analysis) -> Gist:
    """Take from an analysis what is ranked, filtered and counted; the work is not in it."""
    from lipaccord.report.wording import standing_out

    findings = analysis.findings
    sync, lower = findings["sync"], findings["resynthesis"]
    examined = [finding for finding in (sync, lower) if finding.status != "not_examinable"]
    lacking = [reason.code for finding in (sync, lower) if finding not in examined for reason in finding.reasons]
    telling = {cue.cue for finding in examined for cue in standing_out(finding, finding.details.get("shares", {}))}
    return Gist(
        status="examined" if examined else "not_examinable",
        reasons=tuple(dict.fromkeys(lacking)),
        triage=analysis.triage,
        sync_status=sync.status,
        sync_log10_lr=sync.log10_lr,
        sync_score=sync.score,
        offset_ms=sync.details.get("offset_ms"),
        resynthesis_status=lower.status,
        resynthesis_log10_lr=lower.log10_lr,
        resynthesis_score=lower.score,
        cues=tuple(sorted(telling)),
        footage_s=analysis.clip.video.counted_duration_s,
    )


def _analyses(analysis: Analysis, name: str) -> tuple[bytes, bytes]:
    """Write an analysis, with the name that the archive knows the clip by, and its time courses apart."""
    from lipaccord.report.json import DIGEST, TIMELINE, analysis_to_dict

    values = analysis_to_dict(replace(analysis, clip=replace(analysis.clip, path=name)))
    timeline = {TIMELINE: values.pop(TIMELINE), DIGEST: values[DIGEST]}
    return tuple(json.dumps(part, allow_nan=False).encode() for part in (values, timeline))  # type: ignore[return-value]


def _examined(path: str, name: str, payload: Mapping[str, Any], part: list[float | None]) -> Answer:
    from lipaccord.bundle import load_bundle
    from lipaccord.pipeline import analyze

    bundle = None if payload["bundle"] is None else Path(payload["bundle"])
    loaded = load_bundle(bundle)
    if loaded.sha256 != payload["bundle_sha256"]:
        raise BundleError(
            f"this worker has the bundle {loaded.name} {loaded.version} ({loaded.sha256[:12]}), and the run began with "
            f"{payload['bundle_sha256'][:12]}; give every worker the same bundle"
        )
    settings = replace(Settings(**payload["settings"]), start_s=part[0], end_s=part[1])
    analysis = analyze(path, settings=settings, bundle=bundle, threads=1)
    value = {"sha256": analysis.clip.sha256, "gist": asdict(gist_of(analysis))}
    return value | {"duration_s": analysis.clip.duration_s}, _analyses(analysis, name)


def _cut(file: MediaFile, duration_s: float | None, payload: Mapping[str, Any]) -> Answer:
    from lipaccord.archive.turns import cut

    made = cut(file, payload["settings"]["landmarks"], payload["max_seconds"])
    value: dict[str, Any] = {"sha256": file.sha256, "duration_s": duration_s or made.duration_s}
    if made.turns:
        return value | {"turns": [[turn.number, turn.start_s, turn.end_s] for turn in made.turns]}, ()
    lacking = {"no_face": made.seen_s == 0, "no_speech": made.heard_s == 0}
    reasons = [reason for reason, lacks in lacking.items() if lacks] or [NO_TURN]
    nothing = dict.fromkeys(("sync_status", "resynthesis_status"), "not_examinable")
    return value | {"gist": {"status": "not_examinable", "reasons": reasons, **nothing}}, (b"", b"")


def examine(payload: dict[str, Any]) -> Answer:
    """Examine a clip or one turn of it.

    Parameters
    ----------
    payload : dict
        ``uri``; ``known``: contents that are examined or cut already; ``bundle`` (folder or None), ``bundle_sha256``,
        ``settings``, ``max_seconds``: the method; for a turn its ``part``, [start, end] in seconds or None, and the
        ``sha256`` that the content must have.

    Returns
    -------
    (dict, tuple of bytes)
        ``sha256``, ``duration_s``, and one of: nothing more, where the content is known; ``turns``, where the recording
        is long: number, start and end of each; ``gist``, with the analysis and its time courses as bytes.

    Raises
    ------
    MediaError
        The clip can't be read or examined, or changed meanwhile.
    BundleError, SettingsError, BackendMissing, ArchiveError
        This worker can't do the work.
    """
    uri, part = payload["uri"], payload.get("part")
    name = public_name(uri)
    with local_copy(uri) as path:
        file = hash_file(path)
        if part is not None:
            if file.sha256 != payload["sha256"]:
                raise UnreadableMedia(f"{name!r} has changed since it was cut into turns; run the same command again")
            return _examined(path, name, payload, part)
        if file.sha256 in payload["known"]:
            return {"sha256": file.sha256}, ()
        duration_s = _duration(file)
        if _is_long(file, duration_s, payload["max_seconds"]):
            return _cut(file, duration_s, payload)
        return _examined(path, name, payload, [None, None])


def identify(payload: dict[str, Any]) -> Answer:
    """Return the SHA-256 of the file at ``uri`` of the payload, as ``sha256``.

    Raises
    ------
    UnreadableMedia
        It can't be read.
    """
    return {"sha256": hash_file(payload["uri"]).sha256}, ()
