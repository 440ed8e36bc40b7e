"""How well sync tells right from wrong sound, and how well it measures a shift, on labelled clips.

    python tests/benchmarks/sync_accuracy.py MANIFEST.csv

The manifest is the labelled one (path, mouth, sound, group, ...); clips with mouth = camera and sound = together are
used. Every window of 3 and 5 s that has a measurable mouth and is mostly speech is compared with its own sound and
with the sound of every other group; each window is heard by itself, as if it were the whole clip. Then the sound of the
5 s windows is shifted by known amounts. Intervals are 95%, by bootstrap over groups.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipaccord.agreement import RATE_HZ, Reference, lag_curve, refined_peak_s, support
from lipaccord.bundle import load_bundle
from lipaccord.faces import FaceTracker
from lipaccord.landmarks import load_backend
from lipaccord.media import open_clip
from lipaccord.metrics import auc, eer
from lipaccord.mouth import mouth_motion
from lipaccord.predictor import Predictor, load_predictor
from lipaccord.records import FloatArray, MouthPrediction, SpeechFeatures
from lipaccord.speech import speech_activity, speech_features

MAX_LAG = 100
SHIFTS = (-40, -33, -20, -10, -5, 5, 10, 20, 33, 40)
MEASURABLE, SPOKEN = 0.9, 0.6
WINDOWS_PER_CLIP = 4
RESAMPLES = 500


@dataclass(frozen=True)
class Examined:
    """One clip: its features, and the mouth of the face that follows them best."""

    name: str
    group: str
    source: str
    features: SpeechFeatures
    observed: FloatArray
    speech: NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """A stretch of a clip, in frames of 10 ms."""

    clip: Examined
    start: int
    length: int

    def heard(self, predictor: Predictor, shift: int = 0) -> FloatArray:
        """Return what is predicted from the window's own sound, made late by `shift` frames."""
        rows = slice(self.start - shift, self.start - shift + self.length)
        values = self.clip.features.values[rows]
        return predictor.hear(SpeechFeatures(self.clip.features.kind, np.arange(len(values)) / RATE_HZ, values))[0]

    @property
    def seen(self) -> FloatArray:
        """The observed mouth."""
        return self.clip.observed[self.start : self.start + self.length]


def examine(path: Path, row: dict[str, str], predictor: Predictor, reference: Reference) -> Examined | None:
    """Run the stages on one clip, as `lipaccord.analyze` orders them."""
    tracker = FaceTracker(load_backend("mediapipe"))
    with open_clip(path) as reader:
        sound = reader.sound()
        for frame in reader.frames():
            tracker.feed(frame)
    features = speech_features(sound, predictor.shape.features)
    speech = speech_activity(sound).speech
    mouths = [mouth_motion(track) for track in tracker.finish().values()]
    mouths = [mouth for mouth in mouths if mouth.valid.sum() > 10]
    if not mouths:
        return None

    def follows(prediction: MouthPrediction) -> float:
        if (speech & np.isfinite(prediction.observed[:, 0])).sum() < RATE_HZ or len(speech) <= 2 * MAX_LAG:
            return -np.inf
        curve = lag_curve(prediction.mean, speech, prediction.observed, prediction.weights, MAX_LAG)
        return support(curve, reference)

    best = max(predictor.predict(features, mouths), key=follows)
    return Examined(path.name, row["group"], row["path"].split("/")[0], features, best.observed, speech)


def windows(clips: list[Examined], seconds: int, margin: int = 0) -> list[Window]:
    """Cut every clip into windows that are measurable and mostly speech, `margin` frames away from its ends."""
    length, found = seconds * RATE_HZ, []
    for clip in clips:
        mine = []
        for start in range(margin, len(clip.speech) - length - margin + 1, length):
            rows = slice(start, start + length)
            if np.isfinite(clip.observed[rows, 0]).mean() >= MEASURABLE and clip.speech[rows].mean() >= SPOKEN:
                mine.append(Window(clip, start, length))
        found += mine[:WINDOWS_PER_CLIP]
    return found


def table(cut: list[Window], predictor: Predictor, reference: Reference) -> NDArray[np.float64]:
    """Score of every sound (row) with every mouth (column); NaN for other sounds of one group."""
    heard = [window.heard(predictor) for window in cut]
    everything = np.ones(cut[0].length, dtype=bool)
    scores = np.full((len(cut), len(cut)), np.nan)
    for column, mouth in enumerate(cut):
        for row, sound in enumerate(cut):
            if row == column or sound.clip.group != mouth.clip.group:
                curve = lag_curve(heard[row], everything, mouth.seen, predictor.weights, MAX_LAG)
                scores[row, column] = -support(curve, reference)
    return scores


def interval(cut: list[Window], figure: Callable[[NDArray[np.int64]], float]) -> tuple[float, float]:
    """95% interval of a figure of windows (by index), over resampled groups."""
    groups = sorted({window.clip.group for window in cut})
    members = {group: [k for k, window in enumerate(cut) if window.clip.group == group] for group in groups}
    generator = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        drawn = generator.choice(len(groups), len(groups))
        values.append(figure(np.array([k for g in drawn for k in members[groups[g]]])))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def classes(scores: NDArray[np.float64], chosen: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of wrong and of right sounds for the mouths `chosen`."""
    wrong = scores[:, chosen].copy()
    wrong[chosen, np.arange(len(chosen))] = np.nan
    return wrong[np.isfinite(wrong)], scores[chosen, chosen]


def report_telling(clips: list[Examined], seconds: int, predictor: Predictor, reference: Reference) -> None:
    """Print EER and AUC of right against wrong sound, over all and by source."""
    cut = windows(clips, seconds)
    scores = table(cut, predictor, reference)
    everyone = np.arange(len(cut))
    low, high = interval(cut, lambda chosen: eer(*classes(scores, chosen)))
    groups = len({window.clip.group for window in cut})
    print(
        f"right against wrong sound, {seconds} s: {len(cut)} windows of {groups} groups: "
        f"EER {eer(*classes(scores, everyone)):.3f} [{low:.3f}, {high:.3f}], AUC {auc(*classes(scores, everyone)):.3f}"
    )
    for source in sorted({window.clip.source for window in cut}):
        chosen = np.array([k for k, window in enumerate(cut) if window.clip.source == source])
        wrong, right = classes(scores, chosen)
        print(f"    {source}: {len(chosen)} windows, EER {eer(wrong, right):.3f}, AUC {auc(wrong, right):.3f}")
    for k in everyone:
        wrong = scores[:, k][np.isfinite(scores[:, k]) & (everyone != k)]
        rank = float((wrong <= scores[k, k]).mean())
        if rank > 0.1:
            print(
                f"    weak: {cut[k].clip.name} from {cut[k].start / RATE_HZ:.0f} s: {rank:.0%} of others score better"
            )


def report_shifts(clips: list[Examined], predictor: Predictor) -> None:
    """Print how often a known shift of the sound is measured within 40 ms."""
    cut = windows(clips, 5, margin=max(SHIFTS))
    everything = np.ones(5 * RATE_HZ, dtype=bool)
    errors = np.zeros((len(cut), len(SHIFTS)))
    for row, window in enumerate(cut):

        def offset(shift: int, window: Window = window) -> float:
            heard = window.heard(predictor, shift)
            return refined_peak_s(lag_curve(heard, everything, window.seen, predictor.weights, MAX_LAG))

        own = offset(0)
        errors[row] = [offset(shift) - own - shift / RATE_HZ for shift in SHIFTS]
    good = np.abs(errors) <= 0.040
    low, high = interval(cut, lambda chosen: float(good[chosen].mean()))
    print(f"shifts of -400 to 400 ms, 5 s: {len(cut)} windows: within 40 ms: {good.mean():.3f} [{low:.3f}, {high:.3f}]")
    for source in sorted({window.clip.source for window in cut}):
        chosen = [k for k, window in enumerate(cut) if window.clip.source == source]
        print(f"    {source}: {len(chosen)} windows, {good[chosen].mean():.3f}")


def main(manifest: Path) -> None:
    """Examine the clips of a manifest and print all figures."""
    bundle = load_bundle()
    predictor = load_predictor(bundle.files["predictor.safetensors"])
    reference = Reference(**bundle.predictor["reference"])
    clips = []
    with manifest.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["mouth"] == "camera" and row["sound"] == "together":
                clip = examine(manifest.parent / row["path"], row, predictor, reference)
                if clip is not None:
                    clips.append(clip)
    print(f"{bundle!r}: {len(clips)} authentic clips")
    for seconds in (3, 5):
        report_telling(clips, seconds, predictor, reference)
    report_shifts(clips, predictor)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
