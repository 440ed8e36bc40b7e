from __future__ import annotations

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from drawn_face import face_points, face_track, mouth_motion
from filmed_face import dimmed, film, halved, rows_of, softened
from lipaccord.cues.reuse import LIMIT, MIN_FRAMES, MOUTH, NOSE, ReuseCue, ReuseProbe
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import Evidence, FloatArray, ProbeTrack, Tracks
from lipaccord.repeats import partners, runs_of, unlikeness
from lipaccord.texture import texture_track
from made_tracks import RATE_HZ, talking, with_speech

MOUTH_CELLS, NOSE_CELLS = (cells[0] * cells[1] for _, _, cells in (MOUTH, NOSE))
CODEC = 0.02  # length of what an encoder adds to a fingerprint


def _fingerprints(count: int, cells: int, swing: float, seed: int, smooth: float = 2.0) -> FloatArray:
    """Fingerprints that change about a mean in ten ways, as a face that moves does [shape=(count, cells)]."""
    random = np.random.default_rng(seed)
    ways = random.normal(size=(10, cells)) * np.linspace(1.0, 0.3, 10)[:, None]
    path = gaussian_filter1d(random.normal(size=(count, 10)), smooth, axis=0)
    prints = random.normal(size=cells) + swing * (path / path.std()) @ ways
    return _noisy(prints / np.linalg.norm(prints, axis=1, keepdims=True), seed)


def _noisy(prints: FloatArray, seed: int) -> FloatArray:
    random = np.random.default_rng(seed + 1000)
    added = prints + CODEC / np.sqrt(prints.shape[1]) * random.normal(size=prints.shape)
    unit: FloatArray = (added / np.linalg.norm(added, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _tracks(mouth: FloatArray, nose: FloatArray) -> Tracks:
    """Tracks of a clip with these fingerprints."""
    track = face_track(MEDIAPIPE_478, [face_points(MEDIAPIPE_478, 80.0, (200.0, 150.0))] * len(mouth), RATE_HZ)
    motion = mouth_motion(track, 80.0)
    tracks = dataclasses.replace(
        talking(seconds=1.0),
        face=track,
        mouth=motion,
        texture=texture_track([None] * len(mouth), track, motion),
        probes={"reuse": ProbeTrack(track.times_s, ReuseProbe.columns, np.concatenate([mouth, nose], axis=1))},
    )
    return with_speech(tracks, (0.0, len(mouth) / RATE_HZ))


def _face(count: int = 101, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    return _fingerprints(count, MOUTH_CELLS, 0.25, seed), _fingerprints(count, NOSE_CELLS, 0.08, seed + 50, 4.0)


def _copied(prints: FloatArray, source: int, target: int, length: int) -> FloatArray:
    """Show a stretch once more, as another encode leaves it."""
    result = prints.copy()
    result[target : target + length] = _noisy(prints[source : source + length], 99)
    return result


def _evidence(mouth: FloatArray, nose: FloatArray) -> Evidence:
    return ReuseCue().measure(_tracks(mouth, nose))


def _score(evidence: Evidence) -> float:
    assert evidence.score is not None
    return evidence.score


@pytest.mark.parametrize("seed", range(4))
def test_a_talking_mouth_does_not_repeat_itself(seed: int) -> None:
    evidence = _evidence(*_face(seed=seed))
    assert _score(evidence) < LIMIT
    assert evidence.segments == ()
    assert evidence.summary.startswith("No stretch of the mouth comes again")


@pytest.mark.parametrize("seed", range(4))
def test_a_stretch_shown_twice_is_found_with_both_its_times(seed: int) -> None:
    mouth, nose = _face(seed=seed)
    evidence = _evidence(_copied(mouth, 10, 60, 15), nose)
    assert _score(evidence) > LIMIT
    assert evidence.details["repeated"] == evidence.score
    pair = evidence.details["pairs"][0]
    assert pair["again_s"] - pair["first_s"] == pytest.approx(50 / RATE_HZ, abs=1e-3)
    assert 10 / RATE_HZ <= pair["first_s"] <= 17 / RATE_HZ
    starts = sorted(segment.interval.start_s for segment in evidence.segments)
    assert starts == pytest.approx([10 / RATE_HZ, 60 / RATE_HZ], abs=0.13)


def test_a_whole_face_that_comes_again_is_not_reuse() -> None:
    mouth, nose = _face()
    evidence = _evidence(_copied(mouth, 10, 60, 15), _copied(nose, 10, 60, 15))
    assert _score(evidence) < LIMIT


def test_a_copy_less_than_a_second_away_is_not_looked_for() -> None:
    mouth, nose = _face()
    assert _evidence(_copied(mouth, 10, 60, 15), nose).details["repeated"] > LIMIT
    assert _evidence(_copied(mouth, 40, 56, 15), nose).details["repeated"] < LIMIT


def test_a_mouth_at_rest_is_not_reuse() -> None:
    mouth, nose = _face()
    rest = _fingerprints(101, MOUTH_CELLS, 0.02, 0)
    mouth[10:30], mouth[60:80] = rest[10:30], rest[60:80]
    assert _evidence(mouth, nose).details["repeated"] < LIMIT


def test_a_mouth_frozen_in_speech_is_found_and_one_frozen_in_silence_is_not() -> None:
    mouth = _face()[0]
    nose = _fingerprints(101, NOSE_CELLS, 0.25, 50)
    mouth[40:60] = mouth[40]
    tracks = _tracks(mouth, nose)
    evidence = ReuseCue().measure(tracks)
    assert evidence.details["frozen"] == _score(evidence) > LIMIT
    assert evidence.summary.startswith("During speech the mouth stands stiller")
    assert 1.6 <= evidence.frames_s[0] <= 2.4
    silent = ReuseCue().measure(with_speech(tracks, (0.0, 1.0), (3.0, 4.0)))
    assert silent.details["frozen"] < LIMIT
    assert ReuseCue().measure(with_speech(tracks)).details["frozen"] is None


def test_hidden_frames_are_never_part_of_a_stretch() -> None:
    mouth, nose = _face()
    mouth = _copied(mouth, 10, 60, 15)
    mouth[13:100:5] = np.nan
    evidence = _evidence(mouth, nose)
    assert [reason.code for reason in evidence.abstained] == ["too_few_frames"]


def test_few_frames_are_not_judged() -> None:
    mouth, nose = _face(MIN_FRAMES - 1)
    assert [reason.code for reason in _evidence(mouth, nose).abstained] == ["too_few_frames"]


def test_the_first_comparison_never_overstates_a_distance() -> None:
    mouth, nose = _face()
    runs = runs_of(np.arange(101) / RATE_HZ, mouth, nose, np.ones(101, bool))
    first, second, compared = partners(runs)
    assert compared == sum(max(0, len(runs.starts) - start - runs.apart) for start in runs.starts)
    found = unlikeness(runs, first, second).min()
    every = np.array([(i, j) for i in range(len(runs.starts)) for j in range(i + runs.apart, len(runs.starts))])
    assert found == pytest.approx(unlikeness(runs, every[:, 0], every[:, 1]).min(), abs=0.1)


def test_a_long_clip_takes_bounded_memory_and_still_gives_the_copy() -> None:
    count = 6000
    mouth, nose = _fingerprints(count, MOUTH_CELLS, 0.25, 0), _fingerprints(count, NOSE_CELLS, 0.08, 50, 4.0)
    mouth = _copied(mouth, 1000, 5000, 25)
    tracemalloc.start()
    runs = runs_of(np.arange(count) / RATE_HZ, mouth, nose, np.ones(count, bool))
    first, second, _ = partners(runs)
    values = unlikeness(runs, first, second)
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()
    best = int(values.argmin())
    assert runs.starts[second[best]] - runs.starts[first[best]] == 4000
    assert values[best] < -0.5


def test_fingerprints_are_level_of_unit_length_and_blind_to_light() -> None:
    plain = rows_of(ReuseProbe(), film(frames=3)).values
    for part in (plain[:, :MOUTH_CELLS], plain[:, MOUTH_CELLS:]):
        np.testing.assert_allclose(part.mean(axis=1), 0, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-4)
    for whole in (dimmed, softened(1.0), halved):
        other = rows_of(ReuseProbe(), film(whole=whole, frames=3)).values
        assert np.einsum("ij,ij->i", plain, other).min() > 2 * 0.98


def test_a_flat_picture_has_no_fingerprint() -> None:
    assert np.isnan(rows_of(ReuseProbe(), film(whole=lambda image: np.full_like(image, 90), frames=1)).values).all()


def test_the_details_are_json() -> None:
    details = _evidence(*_face()).details
    assert json.loads(json.dumps(details, allow_nan=False)) == details
