"""A drawn face that sways, filmed with a camera's noise, for the tests of what changes from frame to frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from drawn_face import face_points, face_track, mouth_motion, skin, within
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceView, FloatArray, Frame, Image, LandmarkLayout, Probe, ProbeTrack, Tracks
from lipaccord.texture import texture_track
from lipaccord.views import face_view
from made_tracks import talking

EYES_PX = 80.0
RATE_HZ = 25.0
SWAY_PX = 2.5
NOISE = 3.0  # grey levels


@dataclasses.dataclass(frozen=True)
class Shot:
    """A frame before it is edited: as filmed, without the noise, and other noise of the same kind."""

    filmed: Image
    clean: Image
    noise: FloatArray
    xy: FloatArray
    index: int


Edit = Callable[[Shot], Image]
Whole = Callable[[Image], Image]


def untouched(shot: Shot) -> Image:
    """Leave the frame as it was filmed."""
    return shot.filmed


def as_is(image: Image) -> Image:
    """Leave the whole picture as it is."""
    return image


def lower(change: Edit) -> Edit:
    """Make an edit that shows another picture in mouth and chin."""

    def edited(shot: Shot) -> Image:
        rings = (point for name in ("outer_lips", "chin") for point in MEDIAPIPE_478.rings[name])
        hull = np.asarray(cv2.convexHull(shot.xy[list(rings)]), np.float32)[:, 0]
        center = hull.mean(axis=0)
        return within(shot.filmed, change(shot), center + 1.15 * (hull - center), 2.0)

    return edited


def with_noise(image: Image, noise: FloatArray) -> Image:
    """Add noise to a picture."""
    noisy: Image = np.clip(np.rint(image + noise[:, :, None]), 0, 255).astype(np.uint8)
    return noisy


def film(
    edit: Edit = untouched,
    whole: Whole = as_is,
    frames: int = 40,
    eyes_px: float = EYES_PX,
    sway_px: float = SWAY_PX,
    layout: LandmarkLayout = MEDIAPIPE_478,
) -> list[FaceView]:
    """Film the face: its skin moves with it, the noise doesn't; then edit each frame, then treat it as a whole."""
    side = int(4.6 * eyes_px) // 16 * 16
    still = skin(side, side, 5, 20.0)
    random = np.random.default_rng(7)
    views = []
    for index in range(frames):
        shift = sway_px * np.array([np.sin(0.5 * index), np.cos(0.37 * index)])
        matrix = np.column_stack([np.eye(2), shift])
        clean = np.asarray(cv2.warpAffine(still, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=2), np.uint8)
        points = face_points(layout, eyes_px, (side / 2 + shift[0], 0.36 * side + shift[1]))
        noise, other = random.normal(0, NOISE, (2, side, side)).astype(np.float32)
        image = whole(edit(Shot(with_noise(clean, noise), clean, other, points.xy, index)))
        scale = image.shape[0] / side
        placed = FacePoints(((points.xy + 0.5) * scale - 0.5).astype(np.float32), None, 1.0)
        view = face_view(layout, Frame(index, index / RATE_HZ, image), placed)
        assert view is not None
        views.append(view)
    return views


def rows_of(probe: Probe, views: list[FaceView]) -> ProbeTrack:
    """Measure all frames in order."""
    rows, previous = [], None
    for view in views:
        rows.append(probe.measure(view, previous))
        previous = view
    return ProbeTrack(np.array([view.time_s for view in views]), probe.columns, np.stack(rows))


def tracks_of(name: str, probe: Probe, views: list[FaceView]) -> Tracks:
    """Tracks of these views, with the rows of one probe and no texture."""
    layout, eyes_px = views[0].layout, views[0].interocular_px
    track = face_track(
        layout, [FacePoints(view.points + np.array(view.corner, np.float32), None, 1.0) for view in views], RATE_HZ
    )
    mouth = mouth_motion(track, eyes_px)
    return dataclasses.replace(
        talking(seconds=1.0),
        face=track,
        mouth=mouth,
        texture=texture_track([None] * len(views), track, mouth),
        probes={name: rows_of(probe, views)},
    )


def softened(sigma: float) -> Whole:
    """Blur the whole picture."""
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def dimmed(image: Image) -> Image:
    """Take a quarter of the light off the whole picture."""
    dark: Image = np.rint(image * 0.75).astype(np.uint8)
    return dark


def halved(image: Image) -> Image:
    """Halve the size of the whole picture."""
    return np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


class Skipping:
    """What a video encoder does: blocks that hardly change are shown again, but for some that are renewed in turn."""

    def __init__(self, threshold: float = 6.0, renewed: float = 0.3) -> None:
        self._threshold, self._renewed = threshold, renewed
        self._random = np.random.default_rng(3)
        self._shown: Image | None = None

    def __call__(self, image: Image) -> Image:
        """Encode the next picture."""
        if self._shown is not None:
            change = np.abs(image[:, :, 0].astype(np.float32) - self._shown[:, :, 0])
            blocks = change.reshape(image.shape[0] // 8, 8, image.shape[1] // 8, 8).mean(axis=(1, 3))
            skipped = (blocks < self._threshold) & (self._random.random(blocks.shape) > self._renewed)
            image = np.where(np.kron(skipped, np.ones((8, 8), bool))[:, :, None], self._shown, image)
        self._shown = image
        return image
