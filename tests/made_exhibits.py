"""A drawn face that sways and speaks, as a source and as what is made of it, for the tests of the exhibit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from drawn_face import face_points, skin
from lipaccord.encoding import encode
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceRegion, FloatArray, Frame, Image, Sound
from lipaccord.source.alignment import Alignment, SoundAgreement, Stretch

EYES_PX = 48.0
WIDTH, HEIGHT = 224, 272
RATE_HZ = 25.0
CENTRE = (112.0, 92.0)

Mouth = Callable[[int], float]


def sway(index: int) -> tuple[float, float]:
    """Return by how many pixels the head has moved."""
    return 4 * float(np.sin(0.3 * index)), 2 * float(np.cos(0.23 * index))


def speaking(index: int) -> float:
    """Return by how much of an eye distance the mouth of the source is open."""
    return 0.12 + 0.1 * float(np.sin(0.9 * index))


def otherwise(index: int) -> float:
    """Return the same of another mouth."""
    return 0.12 + 0.1 * float(np.cos(0.57 * index + 1))


def points_at(index: int) -> FacePoints:
    """Return the landmarks."""
    x, y = sway(index)
    return face_points(MEDIAPIPE_478, EYES_PX, (CENTRE[0] + x, CENTRE[1] + y))


@cache
def _texture() -> Image:
    return np.asarray(skin(HEIGHT + 20, WIDTH + 20, 3, 25.0), np.uint8)


@cache
def filmed(index: int, mouth: Mouth = speaking, noise: float = 1.0) -> Image:
    """Film one frame."""
    matrix = np.column_stack([np.eye(2), np.array(sway(index)) - 10])
    image = np.asarray(cv2.warpAffine(_texture(), matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC), np.float32)
    x, y = (round(16 * value) for value in points_at(index).xy[list(MEDIAPIPE_478.rings["outer_lips"])].mean(axis=0))
    size = (round(16 * 0.3 * EYES_PX), max(1, round(16 * mouth(index) * EYES_PX / 2)))
    cv2.ellipse(image, ((x / 16, y / 16), (size[0] / 8, size[1] / 8), 0.0), (60.0, 25.0, 25.0), cv2.FILLED, cv2.LINE_AA)
    image += np.random.default_rng(index).normal(0, noise, image.shape).astype(np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def frames(
    count: int, mouth: Mouth = speaking, change: Callable[[Image], Image] = lambda image: image, first: int = 0
) -> list[Frame]:
    """Film a row of frames, each treated by `change`."""
    return [Frame(at, at / RATE_HZ, change(filmed(first + at, mouth))) for at in range(count)]


def write(path: Path, film: list[Frame], crf: int = 20) -> Path:
    """Encode a film with a quiet sound."""
    samples = np.random.default_rng(5).normal(0, 0.01, round(16_000 * len(film) / RATE_HZ)).astype(np.float32)
    encode(path, film, Sound(samples, 16_000, 0.0), crf=crf, preset="superfast")
    return path


class Knowing:
    """A landmark backend that knows where the drawn face is at each time."""

    name, version, layout = "knowing", "1", MEDIAPIPE_478

    def __init__(self, place: Callable[[FloatArray], FloatArray] = lambda xy: xy) -> None:
        self._place = place

    def detect(self, frame: Frame) -> list[FaceRegion]:
        """Find the one face."""
        return [FaceRegion(*CENTRE, 3 * EYES_PX, 0.0, 1.0)]

    def locate(self, frame: Frame, region: FaceRegion) -> FacePoints | None:
        """Say where it is."""
        xy = self._place(points_at(round(frame.time_s * RATE_HZ)).xy)
        return FacePoints(xy.astype(np.float32), None, 1.0)

    def follow(self, points: FacePoints) -> FaceRegion:
        """Stay."""
        return FaceRegion(*CENTRE, 3 * EYES_PX, 0.0, 1.0)


def aligned(
    offset_s: float = 0.0, end_s: float = 60.0, *, mirrored: bool = False, same_sound: bool | None = True
) -> Alignment:
    """Say that the clip shows the source `offset_s` later."""
    sound = SoundAgreement(same_sound, 0.95 if same_sound else 0.5, 0.0, end_s)
    stretch = Stretch(0.0, end_s, offset_s, end_s + offset_s)
    return Alignment((stretch,), mirrored, 1.0, 100.0, -10.0, {}, {}, sound, ())
