"""The contract of `lipaccord.records.Cue`; every cue must pass it."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest

from lipaccord.agreement import Reference
from lipaccord.cues import load_cues
from lipaccord.records import Cue, Tracks
from lipaccord.settings import Settings
from made_tracks import SECONDS, talking, unseen, with_opening, with_speech

CUES = load_cues(Settings(), Reference(zero_s=0.0, together=0.5, deviation=0.05, null_deviation=0.15))


@pytest.fixture(params=CUES, ids=lambda cue: cue.name)
def cue(request: pytest.FixtureRequest) -> Cue:
    made: Cue = request.param
    return made


def arrays(record: Any) -> list[np.ndarray]:
    """All arrays in a record and in the records that it holds."""
    if isinstance(record, np.ndarray):
        return [record]
    if dataclasses.is_dataclass(record):
        return [a for field in dataclasses.fields(record) for a in arrays(getattr(record, field.name))]
    return []


def test_the_names_are_plain_and_unique(cue: Cue) -> None:
    assert cue.name.isidentifier()
    assert cue.version
    assert cue.finding in {"sync", "resynthesis"}
    assert [other.name for other in CUES].count(cue.name) == 1


def test_the_evidence_says_where_it_comes_from(cue: Cue) -> None:
    evidence = cue.measure(talking())
    assert (evidence.cue, evidence.version, evidence.finding) == (cue.name, cue.version, cue.finding)
    assert evidence.summary.strip().endswith(".")


NEEDS_AN_EVENT = {"occlusion": "nothing_passes"}
"""Cues that judge what happens at an event, and with which reason they abstain from a clip without it."""


def test_the_score_is_finite_where_there_is_something_to_measure(cue: Cue) -> None:
    evidence = cue.measure(talking())
    if cue.name in NEEDS_AN_EVENT:
        assert [reason.code for reason in evidence.abstained] == [NEEDS_AN_EVENT[cue.name]]
        return
    assert evidence.score is not None
    assert np.isfinite(evidence.score)
    assert evidence.abstained == ()


def tiny() -> Tracks:
    return with_speech(talking(seconds=0.04))


@pytest.mark.parametrize("tracks", [unseen(talking()), tiny(), unseen(tiny())], ids=["unseen", "tiny", "tiny, unseen"])
def test_it_abstains_with_reasons_where_there_is_nothing(cue: Cue, tracks: Tracks) -> None:
    evidence = cue.measure(tracks)
    assert evidence.score is None
    assert evidence.abstained
    for reason in evidence.abstained:
        assert reason.code.isidentifier()
        assert len(reason.text) > 20
        assert len(reason.remedy) > 20
        assert reason.remedy not in reason.text


def small() -> Tracks:
    tracks = talking()
    sizes = np.full_like(tracks.mouth.interocular_px, 15.0)
    mouth = dataclasses.replace(tracks.mouth, interocular_px=sizes)
    return dataclasses.replace(tracks, mouth=mouth, texture=dataclasses.replace(tracks.texture, interocular_px=sizes))


def still() -> Tracks:
    tracks = talking()
    return with_opening(tracks, np.full_like(tracks.mouth.opening, 0.05))


def without_outline() -> Tracks:
    tracks = talking()
    layout = tracks.face.layout
    rings = {name: ring for name, ring in layout.rings.items() if name != "face"}
    layout = dataclasses.replace(layout, name="another", rings=rings)
    return dataclasses.replace(tracks, face=dataclasses.replace(tracks.face, layout=layout))


def slow() -> Tracks:
    tracks = talking()
    return dataclasses.replace(tracks, face=dataclasses.replace(tracks.face, times_s=3 * tracks.face.times_s))


def without_regions(*names: str) -> Tracks:
    tracks = talking()
    energy = tracks.texture.energy.copy()
    energy[:, [tracks.texture.region(name) for name in names]] = np.nan
    return dataclasses.replace(tracks, texture=dataclasses.replace(tracks.texture, energy=energy))


def probed(name: str, column: int, value: float) -> Tracks:
    """Return tracks in which one probe measured `value` from a column on."""
    tracks = talking()
    values = tracks.probes[name].values.copy()
    values[:, column:] = value
    probe = dataclasses.replace(tracks.probes[name], values=values)
    return dataclasses.replace(tracks, probes=tracks.probes | {name: probe})


ABSTENTIONS: dict[tuple[str, str], Tracks] = {
    **{(cue.name, "too_small"): small() for cue in CUES if cue.name not in {"sync", "occlusion", "retiming"}},
    **{(cue.name, "too_few_frames"): unseen(talking()) for cue in CUES if cue.name != "sync"},
    ("sync", "no_speech"): with_speech(talking()),
    ("sync", "too_little_speech"): unseen(talking()),
    ("sync", "too_short"): talking(seconds=2.2),
    ("sync", "still_mouth"): still(),
    ("blur", "no_reference_region"): without_regions("nose"),
    ("blur", "no_lower_face"): without_regions("chin"),
    ("teeth", "no_teeth"): probed("teeth", 1, np.nan),
    ("occlusion", "nothing_passes"): talking(),
    ("face", "no_surround"): probed("face", 0, np.nan),
    ("face", "other_landmarks"): without_outline(),
    ("smoothness", "other_landmarks"): without_outline(),
    ("smoothness", "slow_frame_rate"): slow(),
    ("retiming", "nothing_moves"): probed("retiming", 0, 0.0),
}
"""Tracks from which a cue abstains, by cue and code."""


@pytest.mark.parametrize(("name", "code"), ABSTENTIONS)
def test_an_abstention_says_what_is_lacking_and_what_to_do(name: str, code: str) -> None:
    [cue] = [cue for cue in CUES if cue.name == name]
    [reason] = cue.measure(ABSTENTIONS[name, code]).abstained
    assert reason.code == code
    assert re.search(r"\d|^The landmarks", reason.text), "a figure, or a name"
    assert re.match(r"(use|examine) \w", reason.remedy)
    assert not re.search(r"\buse\b|--", reason.text)


def test_the_same_tracks_give_the_same_evidence(cue: Cue) -> None:
    first, second = cue.measure(talking()), cue.measure(talking())
    assert (first.score, first.frames_s, first.segments) == (second.score, second.frames_s, second.segments)
    assert first.details == second.details
    for one, two in zip(arrays_of_series(first.series), arrays_of_series(second.series), strict=True):
        np.testing.assert_array_equal(one, two)


def arrays_of_series(series: Any) -> list[np.ndarray]:
    return [array for one in series for array in arrays(one)]


def test_series_and_segments_keep_to_the_clip(cue: Cue) -> None:
    evidence = cue.measure(talking())
    assert evidence.series
    for series in evidence.series:
        assert series.name.startswith(f"{cue.name}.")
        assert series.unit
        if not series.name.endswith("_by_lag"):
            assert series.times_s[0] >= 0
            assert series.times_s[-1] <= SECONDS + 0.5
    for segment in evidence.segments:
        assert segment.finding == cue.finding
        assert 0 <= segment.interval.start_s < segment.interval.end_s <= SECONDS + 0.5
    assert all(0 <= time <= SECONDS for time in evidence.frames_s)


def test_the_details_are_json(cue: Cue) -> None:
    for tracks in (talking(), unseen(talking())):
        details = cue.measure(tracks).details
        assert json.loads(json.dumps(details, allow_nan=False)) == details


def test_it_does_not_write_to_what_it_reads(cue: Cue) -> None:
    tracks = talking()
    before = [array.copy() for array in arrays(tracks)]
    assert len(before) > 20
    cue.measure(tracks)
    for now, then in zip(arrays(tracks), before, strict=True):
        np.testing.assert_array_equal(now, then)
