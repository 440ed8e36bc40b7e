from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lipaccord.errors import TrainingError
from lipaccord.heldout import POOLED, judge
from lipaccord.predictor import LipBasis, LipNetwork, NetworkShape, Predictor
from lipaccord.records import FloatArray, SpeechFeatures
from made_examples import COMPONENTS, examples, lip_shapes


class Oracle(Predictor):
    """Hears the mouth out of the features that made it, late by some frames."""

    def __init__(self, late: int = 0, noise: float = 0.0) -> None:
        shape = NetworkShape("mfcc-28", 28, COMPONENTS, 0, 2, 1, bidirectional=False, lookahead=0)
        torch.manual_seed(0)
        basis = LipBasis(lip_shapes(), np.array([0.3, 0.2, 0.1], np.float32))
        super().__init__([LipNetwork(shape)], basis, np.full((2, COMPONENTS), 1 / (2 * COMPONENTS), np.float32))
        self.late, self.noise = late, noise

    def hear(self, features: SpeechFeatures) -> tuple[FloatArray, FloatArray]:
        values = features.values[:, : 4 * COMPONENTS].reshape(len(features.values), COMPONENTS, 4).mean(axis=2)
        mean = np.roll(values, self.late, axis=0)
        mean = mean + self.noise * np.random.default_rng(int(abs(mean[0, 0]) * 1e6)).normal(size=mean.shape)
        return mean.astype(np.float32), np.ones_like(mean, dtype=np.float32)


def test_an_oracle_tells_everything() -> None:
    figures = judge(Oracle(), *examples(4, 6))
    assert figures.single.auc == 1
    assert figures.single.eer == 0
    assert figures.pooled.auc == 1
    assert (figures.clips, figures.groups) == (24, 4)
    assert (figures.single.stretches, figures.pooled.stretches) == (24, 4 * 6 // POOLED)
    assert figures.single.seconds == pytest.approx(1.44)  # three frames lost at either end of 1.5 s
    assert figures.pooled.seconds == pytest.approx(POOLED * 1.44)
    assert min(figures.correlation) > 0.9
    assert len(figures.correlation) == COMPONENTS
    assert figures.reference.zero_s == 0
    assert figures.reference.together > 0.85


@pytest.mark.parametrize("late", [-4, 3])
def test_the_latency_is_the_zero(late: int) -> None:
    assert judge(Oracle(late), *examples(2, 4)).reference.zero_s == pytest.approx(late / 100)


def test_noise_makes_it_worse_and_pooling_better() -> None:
    clear, noisy = judge(Oracle(), *examples()), judge(Oracle(noise=6.0), *examples())
    assert 0.5 < noisy.single.auc < clear.single.auc
    assert noisy.pooled.auc > noisy.single.auc
    assert noisy.reference.together < clear.reference.together


def test_the_null_is_measured_on_the_sounds_of_others() -> None:
    reference = judge(Oracle(), *examples()).reference
    assert 0.1 < reference.null_deviation < 0.5
    assert reference.deviation < 0.1


def test_the_same_clips_give_the_same_figures() -> None:
    assert judge(Oracle(), *examples(2, 4)) == judge(Oracle(), *examples(2, 4))


def test_unknown_frames_are_left_out() -> None:
    clips, groups = examples(2, 4)
    half = []
    for clip in clips:
        lips = clip.lips.copy()
        lips[:70] = np.nan
        half.append(dataclasses.replace(clip, lips=lips))
    figures = judge(Oracle(), half, groups)
    assert figures.single.seconds == pytest.approx(0.74)
    assert min(figures.correlation) > 0.85


def test_too_few_speakers_or_clips_are_refused() -> None:
    clips, groups = examples(1, 6)
    with pytest.raises(TrainingError, match="of one speaker only"):
        judge(Oracle(), clips, groups)
    clips, groups = examples(3, POOLED - 1)
    with pytest.raises(TrainingError, match=f"no held-out speaker has {POOLED} clips"):
        judge(Oracle(), clips, groups)
