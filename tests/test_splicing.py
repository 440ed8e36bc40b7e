from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drawn_face import skin
from lipaccord.crops import CELL, HEIGHT, SCOPES, WIDTH
from lipaccord.errors import BundleError
from lipaccord.files import safetensors_metadata
from lipaccord.records import FaceCrops
from lipaccord.splicing import (
    BATCH,
    CHANNELS,
    SpliceNetwork,
    Splicer,
    Standard,
    as_tensors,
    load_splicers,
    splicer_bytes,
)

ROWS, COLUMNS = HEIGHT // CELL, WIDTH // CELL
SCALE = 0.3  # the networks look at small pictures, so that they are quick


def network(seed: int, scale: float = SCALE) -> SpliceNetwork:
    """Make a network that has learned nothing, but for weights large enough to show in the result."""
    torch.manual_seed(seed)
    made = SpliceNetwork(scale).eval()
    with torch.no_grad():
        for name, values in made.named_parameters():
            if values.ndim > 1:
                values.mul_(3.0 if name.startswith("body") else 10.0)
    return made


def splicer(members: int = 2, scale: float = SCALE) -> Splicer:
    standards = [Standard(0.1 * k, 1.0 + k, (f"group{k}",)) for k in range(members)]
    return Splicer([network(k, scale) for k in range(members)], standards)


def parts() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Judge the lower half but for the sides, compare it with the upper half."""
    judged, reference = np.zeros((2, ROWS, COLUMNS), np.uint8)
    judged[22:34, 6:24] = 255
    reference[4:16, 6:24] = 255
    return judged, reference


def face_crops(count: int) -> FaceCrops:
    pictures = [skin(HEIGHT, WIDTH, seed, 25.0)[:, :, 0] for seed in range(count + 1)]
    pairs = np.array(list(pairwise(pictures)), np.uint8).reshape(count, 2, HEIGHT, WIDTH)
    judged, reference = parts()
    return FaceCrops(np.arange(count) / 5, pairs, np.stack([judged] * count), np.stack([reference] * count))


CROPS = face_crops(BATCH + 3)
EMPTY = FaceCrops(np.zeros(0), CROPS.pairs[:0], CROPS.judged[:0], CROPS.reference[:0])


def verdict(net: SpliceNetwork, pictures: NDArray[np.uint8]) -> float:
    """Judge one pair of equal pictures."""
    judged, reference = parts()
    with torch.inference_mode():
        return float(net(*as_tensors(np.stack([pictures, pictures])[None], judged[None], reference[None]))[0][0])


def test_scores_are_log_odds_in_spreads_of_authentic_controls() -> None:
    members = [network(1)]
    raw = Splicer(members, [Standard(0.0, 1.0)]).judge(CROPS)
    scaled = Splicer(members, [Standard(0.25, 4.0)]).judge(CROPS)
    np.testing.assert_allclose(scaled.scores, (raw.scores - 0.25) / 4, atol=1e-6)
    np.testing.assert_array_equal(scaled.map, raw.map)
    with torch.inference_mode():
        expected, _ = members[0](*as_tensors(CROPS.pairs, CROPS.judged, CROPS.reference))
    np.testing.assert_allclose(raw.scores[0], expected.numpy(), atol=1e-3)
    np.testing.assert_array_equal(raw.times_s, CROPS.times_s)


def test_every_member_is_kept_apart_and_the_map_is_their_mean() -> None:
    both = splicer(2).judge(CROPS)
    pair = splicer(2)
    found = [Splicer([pair.members[k]], [pair.standards[k]]).judge(CROPS) for k in range(2)]
    np.testing.assert_array_equal(both.scores, np.concatenate([one.scores for one in found]))
    np.testing.assert_allclose(both.map, np.mean([one.map for one in found], axis=0), atol=1e-6)


def test_a_pair_is_judged_the_same_whatever_stands_beside_it() -> None:
    one = splicer()
    together = one.judge(CROPS).scores
    last = FaceCrops(CROPS.times_s[-1:], CROPS.pairs[-1:], CROPS.judged[-1:], CROPS.reference[-1:])
    np.testing.assert_allclose(one.judge(last).scores[:, 0], together[:, -1], atol=1e-3)


def test_the_result_does_not_depend_on_the_threads_and_leaves_them_alone() -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(splicer().judge(CROPS))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(found[0].scores, found[1].scores)
    np.testing.assert_array_equal(found[0].map, found[1].map)


def test_the_map_covers_both_parts_and_nothing_else() -> None:
    judged, reference = parts()
    place = splicer().judge(CROPS).map
    np.testing.assert_array_equal(np.isfinite(place), (judged > 0) | (reference > 0))


def test_a_place_that_few_pairs_show_is_not_on_the_map() -> None:
    judged = CROPS.judged.copy()
    judged[2:, 30:] = 0  # the chin shows in two pairs only
    place = splicer().judge(FaceCrops(CROPS.times_s, CROPS.pairs, judged, CROPS.reference)).map
    assert np.isnan(place[30:]).all()
    assert np.isfinite(place[22:30, 6:24]).all()


def test_a_clip_without_pairs_gives_an_empty_track() -> None:
    track = splicer().judge(EMPTY)
    assert track.scores.shape == (2, 0)
    assert track.map.shape == (ROWS, COLUMNS)
    assert np.isnan(track.map).all()


def test_what_is_the_same_all_over_says_nothing() -> None:
    """Only the comparison of the two parts reaches the output."""
    net = network(3, 1.0)  # at this size the edge of the crop is out of reach of the parts
    with torch.inference_mode():
        nothing = float(net.judge(torch.zeros(1, CHANNELS[-1]))[0])
    uneven = skin(HEIGHT, WIDTH, 6, 25.0)[:, :, 0].copy()
    uneven[: HEIGHT // 2] = 128
    told = abs(verdict(net, uneven) - nothing)
    assert told > 0.1
    for level in (60, 128, 200):
        assert abs(verdict(net, np.full((HEIGHT, WIDTH), level, np.uint8)) - nothing) < 0.05 * told


def test_what_lies_off_both_parts_does_not_matter() -> None:
    """Beyond the reach of the convolutions."""
    net = network(4, 1.0)
    judged, reference = np.zeros((2, ROWS, COLUMNS), np.uint8)
    judged[2:6, 2:12] = reference[2:6, 18:28] = 255
    found = []
    for seed in (0, 1):
        picture = CROPS.pairs[0].copy()
        picture[:, 150:] = skin(HEIGHT, WIDTH, seed, 40.0)[150:, :, 0]
        with torch.inference_mode():
            found.append(float(net(*as_tensors(picture[None], judged[None], reference[None]))[0][0]))
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_round_trip() -> None:
    made = {scope: splicer(2, SCALE + 0.1 * place) for place, scope in enumerate(SCOPES)}
    data = splicer_bytes(made)
    read = load_splicers(data)
    assert splicer_bytes(read) == data
    for scope, one in read.items():
        assert one.standards == made[scope].standards
        assert [member.scale for member in one.members] == [member.scale for member in made[scope].members]
        np.testing.assert_array_equal(one.judge(CROPS).scores, made[scope].judge(CROPS).scores)


DATA = splicer_bytes({scope: splicer(1) for scope in SCOPES})


def with_facts(**changes: Any) -> bytes:
    """Change what the metadata say of every member."""
    end = 8 + int.from_bytes(DATA[:8], "little")
    header = json.loads(DATA[8:end])
    facts = json.loads(safetensors_metadata(DATA)["scopes"])
    facts = {scope: [{**fact, **changes} for fact in members] for scope, members in facts.items()}
    header["__metadata__"]["scopes"] = json.dumps(facts)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + DATA[end:]


def test_a_changed_fact_is_read() -> None:
    assert load_splicers(with_facts(center=2.5))["face"].standards[0].center == 2.5


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no tensors at all",
        DATA[:-50],
        splicer_bytes({"lower": splicer(1)}),
        splicer_bytes({scope: Splicer([], []) for scope in SCOPES}),
        with_facts(scale=0.0),
        with_facts(scale=1.5),
        with_facts(scale="wide"),
        with_facts(spread=0.0),
        with_facts(spread=float("nan")),
        with_facts(spread=float("inf")),
        with_facts(center=float("nan")),
        with_facts(left_out=None),
        DATA.replace(b"face.0.votes.bias", b"face.0.votes.bios"),
    ],
    ids=lambda _: "",
)
def test_damaged_networks_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="the splice networks of the bundle are damaged"):
        load_splicers(data)
