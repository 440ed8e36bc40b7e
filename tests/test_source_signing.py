from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lipaccord.encoding import encode
from lipaccord.media import open_clip
from lipaccord.records import Frame
from lipaccord.source.aligning import align
from lipaccord.source.signature import Signature
from lipaccord.source.signing import sign


def _largest(signatures: tuple[Signature, ...]) -> Signature:
    return max(signatures, key=lambda one: one.interocular_px)


@pytest.fixture(scope="module")
def signed(fixture_clip: Callable[[str], Path]) -> Signature:
    return _largest(sign(fixture_clip("obama_speech"), end_s=3.0))


def test_a_clip_gives_a_signature_for_each_face(signed: Signature) -> None:
    assert signed.face.startswith("face-")
    assert not signed.still
    assert signed.coverage == 1.0
    assert len(signed.times_s) == len(signed.life)
    assert signed.duration_s == pytest.approx(3.0, abs=0.3)
    assert np.isfinite(signed.life).all()
    assert np.allclose(np.diff(signed.looks_s), 0.25, atol=0.05)
    assert signed.heard.mean() > 0.5
    assert Signature.from_bytes(signed.to_bytes(), "here").face == signed.face


def test_a_part_with_a_blurred_mouth_lies_where_it_was_taken_from(
    signed: Signature, fixture_clip: Callable[[str], Path]
) -> None:
    part = _largest(sign(fixture_clip("obama_mouth_blurred"), start_s=0.5, end_s=2.5))
    laid = align(part, signed)
    assert laid is not None
    assert laid.log10_false < -3.0
    assert np.nanmax(np.abs(laid.source_s(part.times_s) - part.times_s)) < 0.05
    assert laid.sound.same
    assert max(laid.looks.values()) < 0.1


def test_a_part_that_is_too_short_gives_none(fixture_clip: Callable[[str], Path]) -> None:
    assert sign(fixture_clip("obama_speech"), end_s=0.5) == ()


def test_a_picture_held_for_long_is_still(fixture_clip: Callable[[str], Path], tmp_path: Path) -> None:
    with open_clip(fixture_clip("obama_speech"), end_s=0.5) as reader:
        held = next(iter(reader.frames())).image
    encode(tmp_path / "held.mp4", (Frame(at, at / 10, held) for at in range(200)), crf=26, preset="superfast")
    assert _largest(sign(tmp_path / "held.mp4")).still
