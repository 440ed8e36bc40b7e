"""A plain parametric face: landmarks of both layouts, skin of noise, and the records round them.

Inter-ocular units: the eye centres lie at (-0.5, 0) and (0.5, 0), y points down. All outlines are ellipses but for the
jaw; they follow the order of the layout's rings.
"""

from __future__ import annotations

import cv2
import numpy as np

from lipaccord.landmarks.layouts import IBUG_68, MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceTrack, FloatArray, Image, LandmarkLayout, MouthMotion

# Centre, radii and the angle of the first point (clockwise from the picture's right), by ring of mediapipe-478.
_ELLIPSES = {
    "face": (0.0, 0.5, 1.15, 1.5, -90.0),
    "right_brow": (-0.55, -0.35, 0.35, 0.06, 180.0),
    "left_brow": (0.55, -0.35, 0.35, 0.06, 0.0),
    "right_eye": (-0.5, 0.0, 0.2, 0.09, 180.0),
    "left_eye": (0.5, 0.0, 0.2, 0.09, 180.0),
    "nose": (0.0, 0.35, 0.22, 0.4, -90.0),
    "right_cheek": (-0.7, 0.65, 0.22, 0.2, -90.0),
    "left_cheek": (0.7, 0.65, 0.22, 0.2, -90.0),
    "chin": (0.0, 1.6, 0.3, 0.14, 180.0),
    "outer_lips": (0.0, 1.1, 0.42, 0.2, 180.0),
}
OPENING = 0.12
"""Inner-lip aperture of the mouth as drawn, in eye distances."""


def _ellipse(x: float, y: float, wide: float, high: float, start: float, count: int) -> FloatArray:
    angle = np.radians(start + 360 * np.arange(count) / count)
    return np.stack([x + wide * np.cos(angle), y + high * np.sin(angle)], axis=1).astype(np.float32)


def _mesh() -> FloatArray:
    points = np.tile(np.array([0.0, 0.4], np.float32), (MEDIAPIPE_478.count, 1))
    points[[8, 9]] = (0.0, -0.3)
    inner = {"inner_lips": (0.0, 1.1, 0.32, OPENING / 2, 180.0)}
    for name, ellipse in (_ELLIPSES | inner).items():
        ring = MEDIAPIPE_478.rings[name]
        points[list(ring)] = _ellipse(*ellipse, len(ring))
    return points


def _ibug() -> FloatArray:
    parts = (
        _ellipse(0, 0.3, 1.15, 1.7, 180, 32)[16::-1] * (1, -1) + (0, 0.6),  # jaw
        np.stack([np.linspace(-0.9, -0.2, 5), np.full(5, -0.35)], axis=1),
        np.stack([np.linspace(0.2, 0.9, 5), np.full(5, -0.35)], axis=1),
        np.stack([np.zeros(4), np.linspace(-0.1, 0.5, 4)], axis=1),
        np.stack([np.linspace(-0.25, 0.25, 5), np.full(5, 0.72)], axis=1),
        _ellipse(*_ELLIPSES["right_eye"], 6),
        _ellipse(*_ELLIPSES["left_eye"], 6),
        _ellipse(*_ELLIPSES["outer_lips"], 12),
        _ellipse(0.0, 1.1, 0.32, OPENING / 2, 180.0, 8),
    )
    points: FloatArray = np.concatenate(parts).astype(np.float32)
    return points


_PLAIN = {MEDIAPIPE_478.name: _mesh(), IBUG_68.name: _ibug()}


def face_points(
    layout: LandmarkLayout, eyes_px: float, center: tuple[float, float], roll_deg: float = 0.0
) -> FacePoints:
    """Place the face: eye distance, the point between the eyes, and a clockwise turn about it."""
    angle = np.radians(roll_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xy = _PLAIN[layout.name] @ turn.T * eyes_px + center
    return FacePoints(xy.astype(np.float32), None, 1.0)


def skin(height: int, width: int, seed: int, contrast: float = 12.0) -> Image:
    """Grey noise whose energy is about the same in every octave, as natural pictures have it."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=(height, width))
    grey = np.clip(np.rint(128 + contrast * field / field.std()), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def within(image: Image, changed: Image, outline: FloatArray, feather_px: float = 1.0) -> Image:
    """Put `changed` into `image` inside an outline, with a soft edge."""
    mask = np.zeros(image.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1.0)
    share = np.asarray(cv2.GaussianBlur(mask, (0, 0), feather_px))[:, :, None]
    return np.rint(image * (1 - share) + changed * share).astype(np.uint8)


def face_track(layout: LandmarkLayout, points: list[FacePoints | None], rate_hz: float = 25.0) -> FaceTrack:
    """Put the points of successive frames in a track."""
    unseen = np.full((layout.count, 2), np.nan, np.float32)
    return FaceTrack(
        id="face-1",
        layout=layout,
        times_s=np.arange(len(points)) / rate_hz,
        frames=np.arange(len(points)),
        points=np.stack([unseen if point is None else point.xy for point in points]),
        depth=None,
        scores=np.array([0.0 if point is None else point.score for point in points], np.float32),
    )


def mouth_motion(track: FaceTrack, eyes_px: float, yaw_deg: float = 0.0) -> MouthMotion:
    """Return a mouth that stays as drawn, measurable wherever the face is seen."""
    length = len(track.times_s)
    return MouthMotion(
        times_s=track.times_s,
        lips=np.zeros((length, len(track.layout.lips), 2), np.float32),
        native_lips=track.layout.native_lips,
        opening=np.where(track.seen, OPENING, np.nan).astype(np.float32),
        width=np.full(length, 0.8, np.float32),
        pose_deg=np.tile(np.array([yaw_deg, 0.0, 0.0], np.float32), (length, 1)),
        interocular_px=np.where(track.seen, eyes_px, np.nan).astype(np.float32),
        valid=track.seen,
        exclusions={},
    )
