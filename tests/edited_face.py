"""A drawn face whose pictures are edited in a known way, measured by one probe, for the tests of single cues."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from drawn_face import face_points, skin, within
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.outlines import outward
from lipaccord.records import FacePoints, FaceView, FloatArray, Frame, Image, LandmarkLayout, Probe, ProbeTrack, Tracks
from lipaccord.views import face_view
from made_tracks import RATE_HZ, talking

EYES_PX = 90.0
PICTURES = 3
Edit = Callable[[Image, FloatArray, float], Image]
"""Picture, landmarks and eye distance -> the edited picture."""


def plain(image: Image, xy: FloatArray, eyes_px: float) -> Image:
    """Leave the picture as it is."""
    return image


def blurred(image: Image, sigma: float) -> Image:
    """Blur the whole picture."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def sharpened(image: Image, sigma: float) -> Image:
    """Sharpen the whole picture by unsharp masking."""
    sharp: Image = np.clip(np.rint(2.0 * image - blurred(image, sigma)), 0, 255).astype(np.uint8)
    return sharp


WHOLE: dict[str, Edit] = {
    "blurred": lambda image, _, eyes: blurred(image, 0.011 * eyes),
    "sharpened": lambda image, _, eyes: sharpened(image, 0.011 * eyes),
    "dimmed": lambda image, _, __: np.rint(image * 0.75).astype(np.uint8),
}
"""What may be done to a picture as a whole without moving a cue."""


def moved(xy: FloatArray, outline: str, by_px: float) -> FloatArray:
    """Move an outline of the layout along its normals, outwards for more than zero."""
    points = xy[list(MEDIAPIPE_478.rings[outline])]
    placed: FloatArray = points + by_px * outward(points, points.mean(axis=0), closed=True)
    return placed


def coloured(by: float) -> Edit:
    """Shift the tone of a picture, red most."""

    def edited(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        shift = by * np.array([1.0, 0.5, 0.25])
        changed: Image = np.clip(np.rint(image + shift), 0, 255).astype(np.uint8)
        return changed

    return edited


def softened(image: Image, xy: FloatArray, eyes_px: float) -> Image:
    """Blur a picture by a fiftieth of the eye distance."""
    return blurred(image, 0.02 * eyes_px)


def inside_of(edit: Edit, outline: str, by: float, feather: float = 0.01) -> Edit:
    """Keep an edit to the inside of an outline of the layout, moved outwards by `by` eye distances."""

    def edited(image: Image, xy: FloatArray, eyes_px: float) -> Image:
        ring = moved(xy, outline, by * eyes_px)
        return within(image, edit(image, xy, eyes_px), ring, feather * eyes_px)

    return edited


def points_of(layout: LandmarkLayout, eyes_px: float) -> tuple[FacePoints, int]:
    """Landmarks of the face, and the side of its picture."""
    side = int(4.6 * eyes_px)
    return face_points(layout, eyes_px, (side / 2, 0.36 * side)), side


def looked_at(
    edit: Edit = plain, eyes_px: float = EYES_PX, layout: LandmarkLayout = MEDIAPIPE_478, scale: float = 1.0
) -> list[FaceView]:
    """Look at pictures edited, then resized by `scale`."""
    points, side = points_of(layout, eyes_px)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    views = []
    for seed in range(PICTURES):
        image = edit(skin(side, side, seed, 20.0), points.xy, eyes_px)
        if scale != 1.0:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=method), np.uint8)
        placed = FacePoints(((points.xy + 0.5) * scale - 0.5).astype(np.float32), None, 1.0)
        view = face_view(layout, Frame(2 * seed, 2 * seed / RATE_HZ, image), placed)  # some probes rest between
        assert view is not None
        views.append(view)
    return views


def measured(name: str, probe: Probe, views: list[FaceView], seconds: float = 2.0) -> Tracks:
    """Tracks of a talking face with the probe's rows of these views, which take turns."""
    tracks = talking(seconds=seconds)
    rows = np.stack([probe.measure(view, None) for view in views])
    times_s = tracks.face.times_s
    values = rows[np.arange(len(times_s)) % len(rows)]
    return dataclasses.replace(tracks, probes={name: ProbeTrack(times_s, probe.columns, values)})


def joined(first: Tracks, second: Tracks, name: str, start: int, stop: int) -> Tracks:
    """Return `first`, with the probe's rows from `start` to `stop` of `second`."""
    values = first.probes[name].values.copy()
    values[start:stop] = second.probes[name].values[start:stop]
    return dataclasses.replace(first, probes={name: dataclasses.replace(first.probes[name], values=values)})
