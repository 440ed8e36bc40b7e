from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from lipaccord import predictor as predictor_module
from lipaccord.errors import BundleError
from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.predictor import (
    LipBasis,
    LipNetwork,
    NetworkShape,
    Predictor,
    load_predictor,
    normalise,
    on_clock,
    predictor_bytes,
)
from lipaccord.records import FloatArray, MouthMotion, SpeechFeatures

COMPONENTS = 3
BOTH_WAYS = NetworkShape("logmel-40", 40, COMPONENTS, 6, 8, 2, bidirectional=True, lookahead=0)
ONE_WAY = NetworkShape("mfcc-28", 28, COMPONENTS, 0, 8, 1, bidirectional=False, lookahead=20)


def basis(seed: int = 0) -> LipBasis:
    """Orthonormal smooth shapes: low waves round the ring of the lips."""
    columns = np.random.default_rng(seed).normal(size=(80, COMPONENTS))
    vectors = np.linalg.qr(columns)[0].T.reshape(COMPONENTS, 40, 2)
    return LipBasis(vectors.astype(np.float32), np.array([0.3, 0.2, 0.1], np.float32))


def predictor(shape: NetworkShape = BOTH_WAYS, members: int = 2) -> Predictor:
    torch.manual_seed(4)
    weights = np.full((2, COMPONENTS), 1 / (2 * COMPONENTS), np.float32)
    return Predictor([LipNetwork(shape) for _ in range(members)], basis(), weights)


def features(shape: NetworkShape, length: int, seed: int = 0) -> SpeechFeatures:
    values = np.random.default_rng(seed).normal(size=(length, shape.inputs)).astype(np.float32)
    return SpeechFeatures(shape.features, np.arange(length) / 100, values)


def mouth_motion(lips: FloatArray, native: tuple[int, ...], valid: np.ndarray, rate_hz: float = 25.0) -> MouthMotion:
    length = len(lips)
    flat = np.zeros(length, np.float32)
    return MouthMotion(
        times_s=np.arange(length) / rate_hz,
        lips=lips,
        native_lips=native,
        opening=flat,
        width=flat,
        pose_deg=np.zeros((length, 3), np.float32),
        interocular_px=flat + 60,
        valid=valid,
        exclusions={},
    )


def test_normalise_removes_level_and_scale() -> None:
    values = features(BOTH_WAYS, 2000).values
    result = normalise(values * 5 + 70)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, normalise(values), atol=5e-3)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(result.std(axis=0), 1, atol=0.1)


def test_normalise_uses_the_window_only() -> None:
    values = features(BOTH_WAYS, 2000).values
    changed = values.copy()
    changed[1000:] = changed[1000:] * 3 + 10
    np.testing.assert_allclose(normalise(changed)[:690], normalise(values)[:690], atol=1e-3)
    assert np.abs(normalise(changed)[720:990] - normalise(values)[720:990]).max() > 0.5
    by_hand = (values[1000] - values[700:1301].mean(axis=0)) / (values[700:1301].std(axis=0) + 1e-3)
    np.testing.assert_allclose(normalise(values)[1000], by_hand, atol=1e-4)
    at_start = (values[0] - values[:301].mean(axis=0)) / (values[:301].std(axis=0) + 1e-3)
    np.testing.assert_allclose(normalise(values)[0], at_start, atol=1e-4)


@pytest.mark.parametrize("length", [1, 2, 50, 599])
def test_normalise_takes_short_clips_whole(length: int) -> None:
    values = features(BOTH_WAYS, length).values
    result = normalise(values)
    assert np.isfinite(result).all()
    if length <= 300:
        np.testing.assert_allclose(result, (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-3), atol=1e-4)


def test_normalise_leaves_constants_at_zero() -> None:
    np.testing.assert_allclose(normalise(np.full((50, 4), -23.0, np.float32)), 0, atol=1e-3)


@pytest.mark.parametrize(("layout", "tolerance"), [(MEDIAPIPE_478, 1e-4), (IBUG_68, 0.35)])
def test_known_components_are_recovered(layout: object, tolerance: float) -> None:
    assert layout in (MEDIAPIPE_478, IBUG_68)
    native = (MEDIAPIPE_478 if layout is MEDIAPIPE_478 else IBUG_68).native_lips
    truth = np.random.default_rng(1).normal(size=(200, COMPONENTS))
    truth -= truth.mean(axis=0)
    lips = np.einsum("tc,ckx->tkx", truth * basis().scale, basis().vectors) + 5
    found = basis().project(lips[:, list(native)].astype(np.float32), native)
    assert np.sqrt(np.mean((found - truth) ** 2)) < tolerance
    for component in range(COMPONENTS):
        assert np.corrcoef(found[:, component], truth[:, component])[0, 1] > 0.98


def test_unseen_lips_stay_unknown() -> None:
    lips = np.random.default_rng(0).normal(size=(10, 40, 2)).astype(np.float32)
    lips[3] = np.nan
    found = basis().project(lips, tuple(range(40)))
    assert np.isnan(found[3]).all()
    np.testing.assert_allclose(found[4:], basis().project(np.delete(lips, 3, axis=0), tuple(range(40)))[3:], atol=1e-5)


def test_on_clock_interpolates_and_leaves_gaps() -> None:
    times = np.arange(50) / 25 + 0.105  # never on the clock itself
    values = np.stack([times, 2 * times], axis=1).astype(np.float32)
    valid = np.ones(50, dtype=bool)
    valid[[10, 20, 21, 22]] = False  # 80 ms are bridged, 160 ms are not
    clock = np.arange(250) / 100
    found = on_clock(times, values, valid, clock)
    unknown = np.isnan(found[:, 0])
    gap = (clock > times[19]) & (clock < times[23])
    outside = (clock < times[0]) | (clock > times[-1])
    np.testing.assert_array_equal(unknown, gap | outside)
    np.testing.assert_allclose(found[~unknown], np.stack([clock, 2 * clock], axis=1)[~unknown], atol=1e-5)


def test_on_clock_bridges_slow_frames() -> None:
    times = np.arange(10) / 5
    found = on_clock(times, times[:, None].astype(np.float32), np.ones(10, dtype=bool), np.arange(150) / 100)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("seen", [0, 1])
def test_on_clock_needs_two_frames(seen: int) -> None:
    valid = np.arange(5) < seen
    found = on_clock(np.arange(5) / 25, np.ones((5, 2), np.float32), valid, np.arange(20) / 100)
    assert np.isnan(found).all()
    assert found.shape == (20, 2)


@pytest.mark.parametrize("shape", [BOTH_WAYS, ONE_WAY])
def test_the_block_size_hardly_matters(shape: NetworkShape, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = features(shape, 1730)
    monkeypatch.setattr(predictor_module, "BLOCK", 10_000)
    whole = predictor(shape).hear(heard)
    for block in (200, 999, 1729):
        monkeypatch.setattr(predictor_module, "BLOCK", block)
        for found, wanted in zip(predictor(shape).hear(heard), whole, strict=True):
            assert found.shape == (1730, COMPONENTS)
            np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("shape", [BOTH_WAYS, ONE_WAY])
@pytest.mark.parametrize("length", [1, 5, 1001])
def test_any_length_is_heard(shape: NetworkShape, length: int) -> None:
    mean, spread = predictor(shape).hear(features(shape, length))
    assert mean.shape == spread.shape == (length, COMPONENTS)
    assert np.isfinite(mean).all()
    assert (spread > 0).all()


def reach(shape: NetworkShape, at: int) -> np.ndarray:
    """Frames of output that a change of one frame of input moves."""
    network = LipNetwork(shape).eval()
    heard = torch.from_numpy(features(shape, 120).values.copy())[None]
    changed = heard.clone()
    changed[0, at] += 1
    with torch.inference_mode():
        difference = (network(heard)[0] - network(changed)[0]).abs().sum(dim=2)[0]
    return np.flatnonzero(difference.numpy() > 0)


@pytest.mark.parametrize("lookahead", [0, 5, 20])
def test_one_way_hears_no_further_ahead_than_it_says(lookahead: int) -> None:
    shape = dataclasses.replace(ONE_WAY, lookahead=lookahead)
    moved = reach(shape, 60)
    assert moved[0] == 60 - lookahead
    assert moved[-1] > 60


def test_both_ways_hears_before_and_after() -> None:
    moved = reach(BOTH_WAYS, 60)
    assert moved[0] < 50
    assert moved[-1] > 70


def test_members_are_averaged() -> None:
    both = predictor()
    heard = features(BOTH_WAYS, 100)
    parts = [Predictor([member], both.basis, both.weights).hear(heard) for member in both.members]
    for k in range(2):
        np.testing.assert_allclose(both.hear(heard)[k], (parts[0][k] + parts[1][k]) / 2, atol=1e-6)


def test_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match="this predictor hears logmel-40, not mfcc-28"):
        predictor().hear(features(ONE_WAY, 50))


def test_threads_do_not_change_the_numbers() -> None:
    heard = features(BOTH_WAYS, 2500)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(predictor().hear(heard))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_predict_lays_the_mouths_beside_the_speech() -> None:
    heard = features(BOTH_WAYS, 201)
    generator = np.random.default_rng(5)
    lips = generator.normal(0, 0.02, (51, 40, 2)).astype(np.float32)
    valid = np.ones(51, dtype=bool)
    valid[20:30] = False
    lips[22] = np.nan
    first, hidden = predictor().predict(
        heard,
        [
            mouth_motion(lips, tuple(range(40)), valid),
            mouth_motion(lips, tuple(range(40)), np.zeros(51, dtype=bool)),
        ],
    )
    np.testing.assert_array_equal(first.mean, hidden.mean)
    unknown = np.isnan(first.observed[:, 0])
    assert unknown[(first.times_s > 0.765) & (first.times_s < 1.195)].all()
    assert not unknown[(first.times_s < 0.755) | (first.times_s > 1.205)].any()
    assert np.isnan(hidden.observed).all()
    known = np.where(valid[:, None, None], lips, np.float32(np.nan))
    np.testing.assert_allclose(first.observed[40], basis().project(known, tuple(range(40)))[10], atol=1e-4)


@pytest.mark.parametrize("shape", [BOTH_WAYS, ONE_WAY])
def test_bytes_round_trip(shape: NetworkShape) -> None:
    original = predictor(shape)
    data = predictor_bytes(original)
    again = load_predictor(data)
    assert again.shape == shape
    assert len(again.members) == 2
    heard = features(shape, 80)
    for found, wanted in zip(again.hear(heard), original.hear(heard), strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(again.basis.vectors, original.basis.vectors)
    np.testing.assert_array_equal(again.weights, original.weights)
    assert predictor_bytes(again) == data


def rebuilt(drop: str = "", swap: dict[str, torch.Tensor] | None = None, **metadata: str) -> bytes:
    data = predictor_bytes(predictor())
    tensors = {name: value for name, value in load(data).items() if name != drop} | (swap or {})
    shape = json.dumps(dataclasses.asdict(BOTH_WAYS))
    return save(tensors, {"shape": shape, "members": "2"} | metadata)


GOOD = predictor_bytes(predictor())
HEADER = int.from_bytes(GOOD[:8], "little")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:5],
        GOOD[: HEADER // 2],
        GOOD[:-10],
        GOOD[:8] + b"x" * HEADER + GOOD[8 + HEADER :],
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{}",
        (1 << 62).to_bytes(8, "little") + GOOD[8:],
        rebuilt(drop="basis.scale"),
        rebuilt(drop="member1.output.bias"),
        rebuilt(members="3"),
        rebuilt(members="0"),
        rebuilt(members="two"),
        rebuilt(shape="{"),
        rebuilt(shape="[]"),
        rebuilt(shape='{"hidden": 3}'),
        rebuilt(shape=json.dumps(dataclasses.asdict(dataclasses.replace(BOTH_WAYS, hidden=9)))),
        rebuilt(swap={"basis.vectors": torch.zeros(COMPONENTS, 20, 2)}),
        rebuilt(swap={"basis.scale": torch.zeros(COMPONENTS - 1)}),
        rebuilt(swap={"agreement.weights": torch.zeros(2, COMPONENTS + 1)}),
        rebuilt(swap={"member0.extra": torch.zeros(1)}),
    ],
    ids=range(21),
)
def test_damaged_bytes_are_refused(data: bytes) -> None:
    assert load_predictor(GOOD).shape == BOTH_WAYS
    with pytest.raises(BundleError, match="the predictor of the bundle is damaged"):
        load_predictor(data)
