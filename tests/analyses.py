"""Hand-made analyses for the tests of the reports and of the command line."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lipaccord.records import (
    Analysis,
    AudioFacts,
    Clip,
    Evidence,
    FaceSummary,
    Finding,
    Interval,
    Reason,
    Segment,
    Series,
    VideoFacts,
)

HOSTILE_NAME = "a[bold]bü[on red]\x1b[31m\u202egnp\n\udcff.mp4"

VIDEO = VideoFacts(
    codec="h264",
    pixel_format="yuv420p",
    color_range="tv",
    width=640,
    height=360,
    rotation_deg=0,
    claimed_frames=251,
    claimed_duration_s=10.04,
    claimed_rate_hz=25.0,
    counted_frames=250,
    counted_duration_s=10.0000004,
    counted_rate_hz=25.000000001,
    start_s=0.0,
    variable_rate=False,
    gaps=(Interval(1.0, 1.5),),
)
AUDIO = AudioFacts("aac", 48000, 2, "stereo", None, 10.02, -0.0)
CLIP = Clip(f"clips/{HOSTILE_NAME}", "a" * 64, "mov,mp4", 10.02, VIDEO, AUDIO, ("one frame is missing",))
TIMES_S = np.array([0.0, 0.1, 0.30000000000000004])
AGREEMENT = Evidence(
    cue="agreement",
    version="2",
    finding="sync",
    score=1.23456789,
    summary="The mouth agrees best with this speech at +240 ms.",
    frames_s=(2.5, 1.0000000001),
    series=(Series("agreement.by_time", "correlation", TIMES_S, np.array([0.5, np.nan, 1 / 3])),),
    details={"zebra": float("nan"), "apple": [np.float32(0.1), 3], "lag_s": 0.12345678},
)
SILENCE = Evidence(
    cue="silence",
    version="1",
    finding="sync",
    score=None,
    summary="There is no pause.",
    abstained=(Reason("no_pause", "Nobody pauses long enough to compare.", "use a longer stretch"),),
)
LARGER = "use a larger copy"
TOO_SMALL = Reason("too_small", "The eyes are 19 pixels apart.", LARGER)
BLUR = Evidence("blur", "1", "resynthesis", None, TOO_SMALL.text, abstained=(TOO_SMALL,))
OFFSETS: dict[str, Any] = {"offset_ms": 240.00000001, "offset_interval_ms": (221.0, 262.5)}
SYNC = Finding(
    "sync",
    "offset",
    AGREEMENT.score,
    None,
    None,
    (Reason("late", "The sound comes 240 ms late."),),
    (SILENCE, AGREEMENT),
    OFFSETS,
)
CALIBRATED: dict[str, Any] = {
    "conditions": {"speech_s": 8.123456789, "eyes_px": 57.3},
    "at_bound": True,
    "reached_by": {"suspicious": 0.5, "innocent": 0.0, "groups": [30, 19]},
    "decide": [-0.5, 0.75],
}
"""What a calibration adds to the details of a finding."""
UNRELATED = Finding(
    "sync",
    "unrelated",
    0.5,
    1.25,
    (-2.0, 1.25),
    (Reason("no_agreement", "The mouth does not follow."),),
    (AGREEMENT,),
    {"offset_ms": None, "offset_interval_ms": None, **CALIBRATED},
    (Reason("dubbing", "It was dubbed openly."), Reason("cutaway", "An edit shows another moment.")),
)
NOT_EXAMINABLE = Finding("resynthesis", "not_examinable", None, None, None, (TOO_SMALL,), (BLUR,))
SEGMENT = Segment(Interval(2.0, 3.5), "sync", 2.0, "Speech over a still mouth.")


def _cue(name: str, score: float, summary: str, **changes: Any) -> Evidence:
    return Evidence(name, "1", "resynthesis", score, summary, details={"limit": 2.0}, **changes)


def _abstaining(name: str, reason: Reason) -> Evidence:
    return Evidence(name, "1", "resynthesis", None, reason.text, abstained=(reason,))


SOFT_S = Segment(Interval(4.0, 5.5), "resynthesis", 3.5, "It is soft here.")
UNSTEADY_S = Segment(Interval(6.0, 6.5), "resynthesis", 3.6, "It is unsteady here.")
RESYNTHESIS = Finding(
    "resynthesis",
    "inconclusive",
    0.4249,
    None,
    None,
    (Reason("texture", "The lower face departs, most of all by the cue blur."),),
    (
        _cue("teeth", 0.4, "The teeth are as sharp as expected.", frames_s=(1.1,)),
        _cue("noise", -1.26, "The noise is carried over.", segments=(UNSTEADY_S,)),
        _cue("blur", 2.44, "The lower face is soft.", frames_s=(5.5, 4.25), segments=(SOFT_S,)),
        _cue("retiming", 2.7, "The mouth moves on.", frames_s=(0.64,)),
        _abstaining("occlusion", Reason("nothing_passes", "Nothing passes the mouth.", "use another stretch")),
        _abstaining("face", Reason("too_small", "The eyes are 19 pixels apart; hair needs more.", LARGER)),
        _abstaining("boundary", Reason("too_small", "The eyes are 19 pixels apart; an edge needs more.", LARGER)),
    ),
    {"shares": {"blur": 0.5, "teeth": 0.0549, "noise": -0.23}, "usual": 0.312, "limit": 0.85},
)


def analysis(*findings: Finding, **changes: Any) -> Analysis:
    """Return an analysis with `SYNC` and `NOT_EXAMINABLE`, unless `findings` replace them, and with `changes`."""
    made = {finding.name: finding for finding in (SYNC, NOT_EXAMINABLE, *findings)}
    base = Analysis(
        clip=CLIP,
        faces=(FaceSummary("face-1", 0.0, 9.96, 0.98, 57.3, True), FaceSummary("face-2", 1.0, 2.0, 0.5, 30.0, False)),
        findings=made,
        segments=(SEGMENT,),
        triage=0.75,
        timeline={series.name: series for series in AGREEMENT.series},
        bundle={"version": "1", "name": "lipaccord", "sha256": "b" * 64},
        settings={"landmarks": "mediapipe", "face": None, "end_s": None},
        settings_digest="0123456789abcdef",
        versions={"torch": "2.13.0", "av": "18.1.0"},
        limits=("It speaks of consistency, not of intent.",),
    )
    return dataclasses.replace(base, **changes)
