"""A survey whose truth is known, and calibrations to judge by, for the tests of what is made from labelled clips."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from lipaccord.bundle import CALIBRATION, Bundle, calibration_bytes, load_bundle, write_bundle
from lipaccord.calibration import Calibration, Logistic, Margin, scaled
from lipaccord.combination import LOG10, Combination, Profile, Term
from lipaccord.cues import COMBINED_CUES
from lipaccord.examining import Job
from lipaccord.findings import resynthesis_finding, sync_finding
from lipaccord.fitting import Sample
from lipaccord.manifest import LabelledClip
from lipaccord.matching import ORIGINAL
from lipaccord.records import Evidence, Finding, Reason
from lipaccord.settings import Settings
from lipaccord.survey import Crossed, Examined, Survey

WHY = Reason("too_small", "The eyes are 9 pixels apart.", "use a larger copy")
CONDITIONS = {"speech_s": 4.0, "face_s": 3.6, "eyes_px": 80.0, "motion": 0.03, "detail": -0.5}
PLAIN = Combination(dict.fromkeys(("blur", "splice"), Term(LOG10, 0.0, 1.0)), Profile(), 0.0, 1.0, 2.0)
"""The sum of the scores of two cues, as they are."""
SYNC_FIGURES: dict[str, Any] = {
    "support": 5.0,
    "evidence": 5.0,
    "strength": 6.0,
    "expected_support": 6.0,
    "expected_deviation": 1.2,
    "offset_s": 0.01,
    "offset_low_s": -0.01,
    "offset_high_s": 0.03,
}
POPULATION: dict[str, Any] = {
    **{f"{name}_{what}": 20 for name in ("suspicious", "innocent") for what in ("clips", "groups", "scores")},
    "methods": {"Paint": 20},
    "groups": ["0123456789ab"],
}
FIGURES: dict[str, Any] = {
    "candidate": "logistic, speech_s",
    "cllr": 0.25,
    "cllr_min": 0.2,
    "auc": 0.97,
    "eer": 0.05,
    "candidates": {"logistic, no conditions": 0.31, "logistic, speech_s": 0.24},
}


def calibration(**changes: Any) -> Calibration:
    """Return a calibration by which a score of x is a log10 ratio of x, from -2 to 3, with changes."""
    margin = Margin((), (), (), (-0.5,), (0.5,), 1.0)  # of these two normals the margin is the score itself
    rates = {"log10_lr": [-2.0, 0.0, 2.0], "apart": [1.0, 0.9, 0.3], "together": [1.0, 0.1, 0.0]}
    base = Calibration(margin, Logistic(LOG10, 0.0), (-2.0, 3.0), (-1.0, 1.5), rates, POPULATION, FIGURES)
    return dataclasses.replace(base, **changes)


def bundle_with(folder: Path, **made: Calibration) -> Bundle:
    """Write the bundle that is shipped with these calibrations, and read it back."""
    base = load_bundle()
    numbers = {name: one.to_dict() for name, one in made.items()}
    write_bundle(folder, base.name, "made", base.files | {CALIBRATION: calibration_bytes(base.files, numbers)})
    return load_bundle(folder)


def drawn(size: int = 60, groups: int = 20, seed: int = 0) -> Sample:
    """Draw scores of two overlapping classes, with as many groups in each."""
    generator = np.random.default_rng(seed)
    truth = np.repeat([1.0, 0.0], size)
    scores = generator.normal(0, 1, 2 * size) + 3 * truth
    names = np.array([f"person {k % groups}" for k in range(2 * size)])
    conditions = {"speech_s": generator.uniform(2, 10, 2 * size), "eyes_px": generator.uniform(40, 90, 2 * size)}
    return Sample(scores, truth, names, scaled(conditions), np.ones(2 * size))


def labelled(name: str, group: str, mouth: str = "camera", sound: str = "together", method: str = "") -> LabelledClip:
    """Return one usable row of a manifest."""
    return LabelledClip(2, name, Path(name), mouth, sound, method, group, "", {})


def job_of(clip: LabelledClip, rung: str = ORIGINAL) -> Job:
    """Return the piece of work that examines a clip."""
    return Job(clip.path, clip.name.ljust(64, "0"), rung, Path("out"), "stamp", None, Settings())


def heard(score: float | None, conditions: dict[str, float] | None = None, **figures: float) -> Finding:
    """Judge a score of the cue `sync`, uncalibrated; None for an abstention."""
    why = (WHY,) if score is None else ()
    evidence = Evidence("sync", "2", "sync", score, "words", abstained=why, details=SYNC_FIGURES | figures)
    return sync_finding(evidence, None, CONDITIONS if conditions is None else conditions)


def cue(name: str, score: float | None) -> Evidence:
    """Return what a cue of the resynthesis finding measured."""
    members = {f"member_{k}": score for k in range(2)} if name in {"splice", "swap"} and score is not None else {}
    why = (WHY,) if score is None else ()
    return Evidence(name, "1", "resynthesis", score, "words", abstained=why, details={**members})


def seen(score: float | None, conditions: dict[str, float] | None = None) -> Finding:
    """Judge the cues of the resynthesis finding, uncalibrated: all but `blur` say nothing; None for an abstention."""
    cues = [cue(name, None if score is None else score if name == "blur" else 0.0) for name in COMBINED_CUES]
    return resynthesis_finding(cues, PLAIN, None, CONDITIONS if conditions is None else conditions)


def examined(clip: LabelledClip, *findings: Finding, rung: str = ORIGINAL, forehead: float | None = 0.0) -> Examined:
    """Return a clip at a rung with its findings, or without any because its examination broke down."""
    outcome = {"rung": rung, "face": "face-1", "forehead": forehead} if findings else "it is damaged"
    return Examined(clip, job_of(clip, rung), outcome, {finding.name: finding for finding in findings})


def crossed(
    clip: LabelledClip, sound: LabelledClip, score: float | None, conditions: dict[str, float] | None = None
) -> Crossed:
    """Return a window of one clip with the sound of a window of another, or of itself."""
    row = {
        "truth": int(clip != sound),
        "sound": job_of(sound).sha256,
        "length_s": 3.0,
        "start_s": 0.0,
        "sound_start_s": 3.0,
        "version": "2",
        "score": score,
        "conditions": {"speech_s": 2.9, "eyes_px": 80.0} if conditions is None else conditions,
        "abstained": ["too_little_speech"] if score is None else [],
        "details": SYNC_FIGURES,
    }
    return Crossed(clip, sound, row, None if score is None else heard(score))


def survey_of(*clips: Examined, windows: tuple[Crossed, ...] = (), left_out: tuple[str, ...] = ()) -> Survey:
    """Return what was measured of these clips; encodes were not matched."""
    return Survey(len({one.clip.name for one in clips}), clips, windows, None, {}, left_out)


def population(people: int = 12, seed: int = 0) -> Survey:
    """Measure one authentic and one painted clip of each person, and a window with the own and with another sound."""
    generator = np.random.default_rng(seed)
    real = [labelled(f"real{n}.mp4", f"p{n}") for n in range(people)]
    fake = [labelled(f"fake{n}.mp4", f"p{n}", "synthesised", "driven", "Paint") for n in range(people)]
    noise = generator.normal(0, 0.5, (4, people))
    clips = [examined(clip, seen(noise[0, n]), heard(-5.0)) for n, clip in enumerate(real)]
    clips += [examined(clip, seen(2.0 + noise[1, n]), heard(-5.0)) for n, clip in enumerate(fake)]
    windows = [crossed(clip, clip, -5.0 + noise[2, n]) for n, clip in enumerate(real)]
    windows += [crossed(clip, real[n - 1], -1.0 + noise[3, n]) for n, clip in enumerate(real)]
    return survey_of(*clips, windows=tuple(windows))
