"""The whole chain on clips whose truth is known."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import lipaccord
from lipaccord import pipeline
from lipaccord.pipeline import analyze
from lipaccord.records import Analysis
from lipaccord.report.json import to_text
from lipaccord.settings import Settings

Clips = Callable[[str], Path]


@pytest.fixture(scope="session")
def analysis_of(fixture_clip: Clips) -> Callable[[str], Analysis]:
    """Analyze a fixture once a session."""
    kept: dict[str, Analysis] = {}

    def analysis(name: str) -> Analysis:
        if name not in kept:
            kept[name] = analyze(fixture_clip(name))
        return kept[name]

    return analysis


Analyses = Callable[[str], Analysis]


def offset_ms(analysis: Analysis) -> float:
    return float(analysis.findings["sync"].details["offset_ms"])


def test_the_real_clip_is_in_sync_and_its_speaker_is_found(analysis_of: Analyses) -> None:
    analysis = analysis_of("obama_speech")
    assert analysis.findings["sync"].status == "in_sync"
    assert len(analysis.faces) == 2
    [speaking] = [face for face in analysis.faces if face.speaking]
    assert speaking.interocular_px == max(face.interocular_px for face in analysis.faces)


def test_a_replaced_sound_is_unrelated(analysis_of: Analyses) -> None:
    finding = analysis_of("obama_sound_replaced").findings["sync"]
    assert finding.status == "unrelated"
    assert finding.details["offset_ms"] is None
    authentic = analysis_of("obama_speech").findings["sync"]
    assert finding.score is not None
    assert authentic.score is not None
    assert finding.score > authentic.score + 1.0


def test_a_replaced_sound_is_not_called_related_on_the_drawn_face(analysis_of: Analyses) -> None:
    assert analysis_of("synthetic_sound_replaced").findings["sync"].status in ("unrelated", "not_examinable")


@pytest.mark.parametrize(
    ("shifted", "base", "shift_ms"),
    [
        ("obama_late_240ms", "obama_speech", 240),
        ("synthetic_late_200ms", "synthetic", 200),
        ("synthetic_early_160ms", "synthetic", -160),
    ],
)
def test_a_shift_of_the_sound_is_measured(analysis_of: Analyses, shifted: str, base: str, shift_ms: float) -> None:
    assert offset_ms(analysis_of(shifted)) - offset_ms(analysis_of(base)) == pytest.approx(shift_ms, abs=15)


def test_a_sound_beyond_what_viewers_accept_is_an_offset(analysis_of: Analyses) -> None:
    finding = analysis_of("obama_late_240ms").findings["sync"]
    assert finding.status == "offset"
    assert finding.details["offset_interval_ms"][0] > 185


@pytest.mark.parametrize("variant", ["synthetic_delayed_sound", "synthetic_variable_rate", "synthetic_30fps"])
def test_the_offset_does_not_depend_on_the_container(analysis_of: Analyses, variant: str) -> None:
    assert offset_ms(analysis_of(variant)) == pytest.approx(offset_ms(analysis_of("synthetic")), abs=20)


def test_a_blurred_mouth_moves_the_sharpness_and_a_blurred_frame_does_not(analysis_of: Analyses) -> None:
    def signed(name: str) -> float:
        cues = analysis_of(name).findings["resynthesis"].cues
        return float(next(cue.details["signed"] for cue in cues if cue.cue == "blur"))

    base = signed("synthetic")
    moved = base - signed("synthetic_mouth_blurred")
    assert moved > 3.0
    assert abs(signed("synthetic_frame_blurred") - base) < moved / 2


def test_a_blurred_mouth_leaves_the_sync_finding_alone(analysis_of: Analyses) -> None:
    assert analysis_of("synthetic_mouth_blurred").findings["sync"].status == "in_sync"
    assert offset_ms(analysis_of("synthetic_mouth_blurred")) == pytest.approx(
        offset_ms(analysis_of("synthetic")), abs=15
    )


@pytest.mark.parametrize("name", ["no_face", "black_silent"])
def test_without_a_face_nothing_is_examinable(analysis_of: Analyses, name: str) -> None:
    analysis = analysis_of(name)
    for finding in analysis.findings.values():
        assert finding.status == "not_examinable"
        assert finding.score is None
        assert [reason.code for reason in finding.reasons] == ["no_face"]
    assert analysis.triage is None


def test_a_truncated_clip_is_examined_as_far_as_it_goes(analysis_of: Analyses) -> None:
    analysis = analysis_of("synthetic_truncated")
    assert analysis.clip.video.counted_frames < analysis_of("synthetic").clip.video.counted_frames
    assert any("truncated" in note for note in analysis.clip.notes)


def test_without_sound_the_clip_can_not_be_examined(fixture_clip: Clips) -> None:
    with pytest.raises(lipaccord.NoAudio, match="no sound"):
        analyze(fixture_clip("synthetic_no_sound"))


def test_the_result_does_not_depend_on_the_threads(fixture_clip: Clips, analysis_of: Analyses) -> None:
    assert to_text(analyze(fixture_clip("obama_speech"), threads=1)) == to_text(analysis_of("obama_speech"))


def test_stored_tracks_give_exactly_the_same_numbers(
    fixture_clip: Clips, analysis_of: Analyses, tmp_path: Path
) -> None:
    clip, tracks = fixture_clip("synthetic"), tmp_path / "tracks.npz"
    stored = analyze(clip, save_tracks=tracks).to_dict()
    assert stored == analysis_of("synthetic").to_dict()
    again = analyze(clip, tracks=tracks, settings=Settings(landmarks="replay")).to_dict()
    for key in ("settings", "settings_digest", "versions", "digest"):
        assert again.pop(key) != stored.pop(key)
    assert again == stored


def test_tracks_of_another_clip_are_refused(fixture_clip: Clips, tmp_path: Path) -> None:
    tracks = tmp_path / "tracks.npz"
    analyze(fixture_clip("synthetic"), save_tracks=tracks, settings=Settings(end_s=1.0))
    with pytest.raises(lipaccord.TracksError, match="another clip"):
        analyze(fixture_clip("obama_speech"), tracks=tracks, settings=Settings(landmarks="replay"))


def test_the_face_can_be_chosen(fixture_clip: Clips) -> None:
    clip = fixture_clip("obama_speech")
    analysis = analyze(clip, settings=Settings(face="face-2", end_s=4.0))
    assert [face.speaking for face in analysis.faces] == [False, True]
    with pytest.raises(lipaccord.SettingsError, match=r"face-1, face-2"):
        analyze(clip, settings=Settings(face="face-7", end_s=4.0))


def test_a_part_of_the_clip_keeps_the_times_of_the_whole(fixture_clip: Clips) -> None:
    analysis = analyze(fixture_clip("synthetic"), settings=Settings(start_s=2.0, end_s=5.0))
    times = analysis.timeline["mouth.opening"].times_s
    assert 2.0 <= times[0] < 2.05
    assert 4.9 < times[-1] < 5.0


def test_progress_rises_to_one(fixture_clip: Clips) -> None:
    told: list[float] = []
    analyze(fixture_clip("black_silent"), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_example_of_the_documentation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    outcome = doctest.testmod(pipeline)
    assert outcome.attempted >= 3
    assert outcome.failed == 0


def test_the_json_is_strict(analysis_of: Analyses) -> None:
    text = to_text(analysis_of("obama_speech"))
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))["schema"] == (
        "lipaccord/analysis/1"
    )
