"""Two heads side by side, one of which is given another mouth: found by either, and the exhibit names the right one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fixture_recorded import mouth_places
from lipaccord.encoding import encode
from lipaccord.media import open_clip
from lipaccord.records import Frame, Image
from lipaccord.source.exhibit import exhibit
from lipaccord.source.index import open_index
from lipaccord.source.searching import search
from lipaccord.source.signature import CHANNELS, Signature
from lipaccord.source.signing import sign

COUNT, LATER = 36, 50  # frames; the head on the right moves as the one on the left will so many frames later
HEAD = slice(130, 290)  # columns of the fixture in which the speaker is
ENLARGED = 3.0
RATE_HZ = 12.0

Clips = Callable[[str], Path]


def _film(left: list[Image], right: list[Image], path: Path, crf: int) -> Path:
    def frames() -> list[Frame]:
        shown = [np.hstack([one[:, HEAD], other[:, HEAD]]) for one, other in zip(left, right, strict=True)]
        large = [cv2.resize(one, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC) for one in shown]
        return [Frame(at, at / RATE_HZ, np.asarray(one, np.uint8)) for at, one in enumerate(large)]

    encode(path, frames(), crf=crf, preset="superfast")
    return path


def _pictures(path: Path) -> tuple[list[Image], list[Image]]:
    """Return what is shown on the left and on the right."""
    with open_clip(path) as reader:
        images = [frame.image for frame in reader.frames()]
    return images[:COUNT], images[LATER : LATER + COUNT]


def _with_another_mouth(images: list[Image], first: int) -> list[Image]:
    """Draw a mouth that opens and closes on the speaker's; `first` is the frame of the fixture that begins."""
    painted = []
    for at, (image, centre) in enumerate(zip(images, list(mouth_places().values())[first:], strict=False)):
        canvas, opening = image.copy(), 4.0 + 3.0 * float(np.cos(0.9 * at))
        cv2.ellipse(canvas, (centre, (11.0, opening), 0.0), (60, 25, 25), cv2.FILLED, cv2.LINE_AA)
        painted.append(canvas)
    return painted


@pytest.fixture(scope="module")
def recording(fixture_clip: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _film(*_pictures(fixture_clip("obama_speech")), tmp_path_factory.mktemp("two") / "recording.mp4", 18)


@pytest.fixture(scope="module")
def index(recording: Path) -> Path:
    signatures = sign(recording)
    folder = recording.with_name("index")
    with open_index(folder, create=True) as index:
        index.plan(signatures[0].sha256, COUNT / RATE_HZ, [(1, None, None)])
        index.record(signatures[0].sha256, 1, "signed", [one.to_bytes() for one in signatures], None)
    return folder


def _leftmost(signatures: tuple[Signature, ...]) -> list[str]:
    """Name the faces from left to right."""
    column = CHANNELS.index("position_x")
    return [
        one.face
        for one in sorted(signatures, key=lambda one: float(np.nanmedian(one.life[:, column])) * one.interocular_px)
    ]


@pytest.mark.parametrize("side", [0, 1])
def test_the_face_with_another_mouth_is_named(
    side: int, recording: Path, index: Path, fixture_clip: Clips, tmp_path: Path
) -> None:
    heads = list(_pictures(fixture_clip("obama_speech")))
    heads[side] = _with_another_mouth(heads[side], first=LATER * side)
    clip = _film(heads[0], heads[1], tmp_path / "clip.mp4", 23)
    signatures = sign(clip)
    names = _leftmost(signatures)
    assert len(names) == 2
    with open_index(index) as opened:
        found = search(opened, signatures)
    assert [one.query_face for one in found.candidates if one.is_match] != []
    made = exhibit(clip, recording, found.candidates[0].alignment)
    assert (made.status, made.face, made.faces) == ("mouth_altered", names[side], 2)
