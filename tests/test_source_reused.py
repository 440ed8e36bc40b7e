from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest

from lipaccord.source import echoing
from lipaccord.source import reused as module
from lipaccord.source.joining import reels_of
from lipaccord.source.living import mirrored
from lipaccord.source.reused import MOST_EXPECTED, SHORTEST_S, Reuse, Reused, candidates, compared_h, reused
from lipaccord.source.signature import SOUND_RATE_HZ, Signature
from made_signatures import signature, sounding, times

FRAME_S = 0.04


def showing(*parts: tuple[float, float], seed: int = 1) -> Signature:
    """Sign a clip that shows these parts of a recording one after the other; a part may run backwards."""
    places = [start + np.sign(end - start) * times(abs(end - start)) for start, end in parts]
    places_s = np.concatenate(places)
    return signature(seed, times(len(places_s) * FRAME_S), places_s)


def cut(whole: Signature, *at_s: float) -> list[Signature]:
    """Make a face of each part, as cuts do."""
    edges = [0, *np.searchsorted(whole.times_s, at_s), len(whole.times_s)]
    faces = []
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        times_s = whole.times_s[low:high]
        face = dataclasses.replace(
            whole,
            face=f"face-{number + 1}",
            times_s=times_s,
            life=whole.life[low:high],
            start_s=float(times_s[0]),
            end_s=float(times_s[-1]),
        )
        faces.append(face)
    return faces


def one(found: Sequence[Reused]) -> Reused:
    assert len(found) == 1
    assert found[0].reasons == ()
    return found[0]


def spans(reuse: Reuse) -> tuple[float, ...]:
    return reuse.start_s, reuse.end_s, reuse.again_start_s, reuse.again_end_s


def test_a_stretch_that_comes_again_is_found_from_end_to_end() -> None:
    (reuse,) = one(reused([showing((0, 20), (5, 9))])).reuses
    assert spans(reuse) == pytest.approx((5, 9, 20, 24), abs=0.3)
    assert (reuse.is_mirrored, reuse.is_backwards) == (False, False)
    assert reuse.strength > 100
    assert 10**reuse.log10_expected_false < MOST_EXPECTED


def test_a_loop_is_found_by_its_period() -> None:
    (reuse,) = one(reused([showing(*[(3, 6)] * 5)])).reuses
    assert spans(reuse) == pytest.approx((0, 12, 3, 15), abs=0.3)


def test_footage_played_there_and_back_is_found() -> None:
    found = one(reused([showing((3, 7), (7, 3), (3, 7), (7, 3))])).reuses
    back, again = found
    assert back.is_backwards
    assert spans(back) == pytest.approx((0, 3.5, 4.5, 8), abs=0.3)
    assert not again.is_backwards
    assert spans(again) == pytest.approx((0, 8, 8, 16), abs=0.3)


def test_a_mirrored_stretch_is_found() -> None:
    whole = showing((0, 10), (2, 6))
    life = np.concatenate([whole.life[:250], mirrored(whole.life[250:])])
    (reuse,) = one(reused([dataclasses.replace(whole, life=life)])).reuses
    assert spans(reuse) == pytest.approx((2, 6, 10, 14), abs=0.3)
    assert reuse.is_mirrored


def test_a_head_that_moves_on_shows_nothing_again() -> None:
    for seed in range(3):
        whole = signature(seed, times(30.0))
        assert one(reused([whole])).reuses == ()
        assert max(other.strength for other in candidates(reels_of([whole])[0])) < 30


def test_a_nod_is_not_footage_played_backwards() -> None:
    assert one(reused([showing((3.0, 3.9), (3.9, 3.0), (10, 16))])).reuses == ()


def test_what_comes_again_behind_a_cut_is_found() -> None:
    found = one(reused(cut(showing((0, 8), (2, 6)), 8.0)))
    assert found.faces == ("face-1", "face-2")
    (reuse,) = found.reuses
    assert spans(reuse) == pytest.approx((2, 6, 8, 12), abs=0.3)


def test_a_loop_is_found_across_the_cuts_that_it_makes() -> None:
    (reuse,) = one(reused(cut(showing(*[(3, 5)] * 5), 2.0, 4.0, 6.0, 8.0))).reuses
    assert spans(reuse) == pytest.approx((0, 8, 2, 10), abs=0.3)


def test_cuts_between_two_places_are_no_movement() -> None:
    whole = signature(2, times(24.0))
    life = whole.life + np.where(whole.times_s // 3 % 2, 0.8, 0.0)[:, None].astype(np.float32)
    shots = cut(dataclasses.replace(whole, life=life), *range(3, 24, 3))
    assert one(reused(shots)).reuses == ()


def test_where_a_cut_takes_the_head_makes_no_difference() -> None:
    plain = cut(showing(*[(3, 5)] * 5), 2.0, 4.0, 6.0, 8.0)
    apart = [dataclasses.replace(face, life=face.life + np.float32(at % 2)) for at, face in enumerate(plain)]
    strengths = [one(reused(faces)).reuses[0].strength for faces in (plain, apart)]
    assert strengths[0] == pytest.approx(strengths[1], rel=1e-3)


def test_from_one_face_to_the_next_nothing_is_interpolated() -> None:
    (reel,) = reels_of(cut(showing((0, 4)), 2.0))
    laid = reel.life[False].at(np.array([1.94, 1.96, 1.98, 2.0, 2.02]))
    assert np.isfinite(laid).all(axis=1).tolist() == [True, True, False, True, True]


def test_two_heads_side_by_side_are_two() -> None:
    left, right = showing((0, 8), (2, 6)), signature(5, times(12.0))
    aside = right.life + np.where(np.arange(right.life.shape[1]) == 11, 6.0, 0.0).astype(np.float32)
    right = dataclasses.replace(right, face="face-2", life=aside)
    (left_1, left_2), (right_1, right_2) = cut(left, 8.0), cut(right, 8.0)
    faces = (right_1, left_1, left_2, right_2)
    found = reused([dataclasses.replace(face, face=f"face-{at + 1}") for at, face in enumerate(faces)])
    assert [one.faces for one in found] == [("face-1", "face-4"), ("face-2", "face-3")]
    assert [len(one.reuses) for one in found] == [0, 1]


@pytest.mark.parametrize("replayed", [True, False])
def test_a_replay_brings_its_sound_along(replayed: bool) -> None:
    whole = showing((0, 10), (2, 6))
    sound = sounding(1, round(14 * SOUND_RATE_HZ))
    if replayed:
        sound[500:700] = sound[100:300]
    whole = dataclasses.replace(whole, sound=sound, heard=np.ones(len(sound), bool))
    (reuse,) = one(reused([whole])).reuses
    assert reuse.same_sound is replayed


def test_without_sound_nothing_is_said_of_it() -> None:
    whole = dataclasses.replace(showing((0, 10), (2, 6)), sound=np.zeros(0, np.uint16), heard=np.zeros(0, bool))
    (reuse,) = one(reused([whole])).reuses
    assert reuse.same_sound is None


def test_frames_in_which_nobody_is_seen_do_not_disturb() -> None:
    whole = showing((0, 20), (5, 9))
    life = whole.life.copy()
    life[(whole.times_s > 21) & (whole.times_s < 21.6)] = np.nan
    (reuse,) = one(reused([dataclasses.replace(whole, life=life)])).reuses
    assert spans(reuse) == pytest.approx((5, 9, 20, 24), abs=0.3)


def test_a_long_stretch_is_followed_to_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REACH_S", 2.0)
    (reuse,) = one(reused([showing((0, 20), (5, 15))])).reuses
    assert spans(reuse) == pytest.approx((5, 15, 20, 30), abs=0.3)


def test_a_long_clip_is_searched_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = showing((0, 20), (5, 9))
    at_once = reused([whole])
    monkeypatch.setattr(echoing, "PART_S", 4.0)
    monkeypatch.setattr(echoing, "CELLS", 3000)
    monkeypatch.setattr(echoing, "MOST_ASK", 40)
    assert spans(one(reused([whole])).reuses[0]) == pytest.approx(spans(one(at_once).reuses[0]))


def test_of_a_still_picture_and_a_moment_nothing_can_come_again() -> None:
    still, short = reused([signature(1, times(60.0), still=True)]), reused([signature(1, times(2.0))])
    assert [reason.code for found in (*still, *short) for reason in found.reasons] == ["still", "too_short"]
    assert f"{SHORTEST_S:.1f} s" in short[0].reasons[0].remedy
    assert [found.reuses for found in (*still, *short)] == [(), ()]
    assert reused([]) == ()


def test_an_hour_against_itself_is_much_comparing() -> None:
    assert compared_h(10.0) == 1.0
    assert compared_h(3600.0) == pytest.approx(2400.0)


def test_the_result_goes_into_json() -> None:
    whole = showing((0, 20), (5, 9))
    values = one(reused([whole])).to_values()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["faces"] == ["face-1"]
    assert values["reuses"][0]["again_start_s"] == pytest.approx(20, abs=0.3)
    assert reused([whole])[0].to_values() == values
