from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drawn_face import face_points, skin
from lipaccord import splices
from lipaccord.crops import CELL, HEIGHT, LOWER_FACE, SCOPES, WIDTH
from lipaccord.encoding import recoded
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.splices import FRAMES, KINDS, MOUTH_HULL, OTHER_MOMENTS, FaceSequence, SplicePair, splice_pair

Grey = NDArray[np.uint8]
ROUNDING = 2  # grey levels
ROWS, COLUMNS = HEIGHT // CELL, WIDTH // CELL
MOUTH, FOREHEAD = ((76 + 112) // CELL, 120 // CELL), (24 // CELL, 120 // CELL)
"""Cells of the scope `lower`."""


def sequence(eyes_px: float = 40.0, frames: int = 12, opening: tuple[float, ...] = (0.1,)) -> FaceSequence:
    """Draw a still face of noise, a new one in every frame, whose mouth opens by `opening` in turns."""
    side = int(4.6 * eyes_px)
    center = np.array([side / 2, 0.36 * side], np.float32)
    face = face_points(MEDIAPIPE_478, eyes_px, (side / 2, 0.36 * side))
    points = np.stack([face.xy] * frames)
    angle = np.radians(180 + 360 * np.arange(len(MOUTH_HULL)) / len(MOUTH_HULL))
    points[:, list(MOUTH_HULL)] = center + eyes_px * np.stack([0.55 * np.cos(angle), 1.1 + 0.35 * np.sin(angle)], 1)
    under_the_nose = np.stack([np.linspace(-1, 1, 9), np.full(9, 0.7)], axis=1)
    points[:, list(LOWER_FACE["mediapipe-478"][:9])] = center + eyes_px * under_the_nose
    points[:, 14, 1] = points[:, 13, 1] + eyes_px * np.resize(opening, frames)
    luma = np.stack([skin(side, side, seed, 30.0)[:, :, 0] for seed in range(frames)])
    return FaceSequence("drawn.mp4", "nobody", luma, points, eyes_px)


FACE = sequence()


@pytest.fixture
def _lossless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the encode out, so that what was not changed is equal to the last bit."""
    monkeypatch.setattr(splices, "recoded", lambda pictures, **_: pictures)


def only(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    monkeypatch.setattr(splices, "KINDS", dict.fromkeys(kinds, 1 / len(kinds)))


def drawn(scope: str, count: int, face: FaceSequence = FACE) -> Iterator[SplicePair]:
    for seed in range(count):
        pair = splice_pair(scope, face, np.random.default_rng(seed))
        assert pair is not None
        yield pair


def well_off(mask: Grey) -> NDArray[np.bool_]:
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)) == 0)


def well_inside(mask: Grey) -> NDArray[np.bool_]:
    return np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)) == 255)


def difference(pair: SplicePair) -> NDArray[np.int64]:
    """Largest difference between the example and its control, by cell."""
    apart = np.abs(pair.spliced.astype(np.int64) - pair.control).max(axis=0)
    cells: NDArray[np.int64] = apart.reshape(ROWS, CELL, COLUMNS, CELL).max(axis=(1, 3))
    return cells


def test_shapes_are_those_of_the_crops() -> None:
    for scope in SCOPES:
        pair = splice_pair(scope, FACE, np.random.default_rng(0))
        assert pair is not None
        assert pair.spliced.shape == pair.control.shape == (2, HEIGHT, WIDTH)
        assert pair.judged.shape == pair.reference.shape == pair.mask.shape == (ROWS, COLUMNS)
        assert pair.kind in KINDS


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("kind", ["noise", "resample"])
def test_a_seed_fixes_the_example(monkeypatch: pytest.MonkeyPatch, scope: str, kind: str) -> None:
    only(monkeypatch, kind)

    def arrays(seed: int) -> list[Grey]:
        pair = splice_pair(scope, FACE, np.random.default_rng(seed))
        assert pair is not None
        return [pair.spliced, pair.control, pair.mask]

    first, again, other = arrays(3), arrays(3), arrays(4)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])


@pytest.mark.usefixtures("_lossless")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_and_its_control_differ_by_the_inconsistency_alone(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The control is untouched, or changed all over: the two agree off the mask, or else well inside it."""
    only(monkeypatch, kind)
    seen = set()
    for pair in drawn("lower", 6):
        apart = difference(pair)
        assert apart.max() > 0
        off, inner = (apart[where].max() <= ROUNDING for where in (well_off(pair.mask), well_inside(pair.mask)))
        assert off != inner
        seen.add("untouched" if off else "changed all over")
    assert "untouched" in seen
    assert len(seen) == (1 if kind in OTHER_MOMENTS else 2)


@pytest.mark.usefixtures("_lossless")
def test_the_mask_lies_over_the_mouth_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "tone")
    for eyes_px in (40.0, 90.0):  # the larger one is shrunk half of the time
        for pair in drawn("lower", 8, sequence(eyes_px, frames=8)):
            assert pair.mask[MOUTH] > 200
            assert pair.mask[FOREHEAD] == 0
            assert pair.judged[MOUTH] == 255
            assert pair.reference[FOREHEAD] == 255
    for pair in drawn("face", 8):
        assert pair.mask[112 // CELL, 120 // CELL] == 255  # between the eyes
        assert pair.mask[:, [0, -1]].max() == 0


@pytest.mark.usefixtures("_lossless")
def test_the_whole_face_is_never_taken_from_another_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "tone", *OTHER_MOMENTS)
    assert {pair.kind for pair in drawn("face", 12)} == {"tone"}
    assert {pair.kind for pair in drawn("lower", 12)} == {"tone", *OTHER_MOMENTS}


@pytest.mark.usefixtures("_lossless")
def test_a_transplant_shows_the_moment_whose_mouth_is_as_open(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "transplant")
    face = sequence(opening=(0.02, 0.06, 0.1, 0.14, 0.18, 0.22))
    luma = np.full_like(face.luma, 50)
    luma[6:] = 200  # six frames later the mouth is as open again
    for pair in drawn("lower", 8, dataclasses.replace(face, luma=luma)):
        own, pasted = (np.median(one[0][pixels(pair.mask)]) for one in (pair.control, pair.spliced))
        assert own in {50, 200}
        assert abs(pasted - (250 - own)) <= 200 * 0.07 + 6  # a tone of its own may be laid on it


def pixels(mask: Grey) -> NDArray[np.bool_]:
    return np.kron(well_inside(mask), np.ones((CELL, CELL))).astype(bool)


@pytest.mark.usefixtures("_lossless")
@pytest.mark.parametrize("kind", ["blur", "resample", "smooth", "median"])
def test_what_takes_texture_away_leaves_less(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    only(monkeypatch, kind)
    monkeypatch.setattr(splices, "WORKING_SIZES_PX", (64,))
    shares = []
    for pair in drawn("lower", 6):
        if difference(pair)[well_off(pair.mask)].max() <= ROUNDING:
            fine = [cv2.Laplacian(one[0], cv2.CV_32F)[pixels(pair.mask)].std() for one in (pair.spliced, pair.control)]
            shares.append(fine[0] / fine[1])
    assert np.median(shares) < 0.8


def test_a_sequence_too_short_makes_no_example() -> None:
    rng = np.random.default_rng(0)
    assert splice_pair("lower", sequence(frames=FRAMES + 2), rng) is None


def test_the_frequencies_are_shares() -> None:
    assert sum(KINDS.values()) == pytest.approx(1.0)
    assert set(OTHER_MOMENTS) <= set(KINDS)


def test_a_higher_rate_factor_loses_more() -> None:
    pictures = list(FACE.luma[:4])
    losses = [
        np.abs(np.stack(recoded(pictures, crf=crf, preset="veryfast")).astype(int) - np.stack(pictures)).mean()
        for crf in (5, 20, 35)
    ]
    assert losses == sorted(losses)
    assert losses[0] < losses[2] / 3


@pytest.mark.parametrize("shape", [(34, 46), (35, 46), (34, 47), (35, 47)])
def test_the_edge_of_an_odd_picture_survives_the_encode(shape: tuple[int, int]) -> None:
    (found,) = recoded([np.full(shape, 200, np.uint8)], crf=40, preset="medium")
    assert found.shape == shape
    assert found.flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(found, 200, atol=2)


def test_frames_come_back_in_their_order() -> None:
    pictures: list[Grey] = [np.full((48, 64), 20 * k, np.uint8) for k in range(1, 11)]
    found = recoded(pictures, crf=20, preset="medium")
    np.testing.assert_allclose([picture.mean() for picture in found], [20 * k for k in range(1, 11)], atol=4)
