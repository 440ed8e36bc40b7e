"""FaceTrack -> MouthMotion: the lips in the face's own frame of reference.

Method: each frame's rigid points (eye corners, nose bridge, forehead, temples) are laid on a reference by the
best similarity (Umeyama, "Least-squares estimation of transformation parameters between two point
patterns", IEEE PAMI 13(4), 1991): in three dimensions where the backend gives depth, which removes position, size,
roll, yaw and pitch; in two where it does not, which leaves yaw and pitch in. The lips follow along.

Conventions: inter-ocular units (the reference's eye centres are 1 apart), x to the right and y down in the
picture, origin between the eyes. Yaw > 0 turns the face to the picture's right, pitch > 0 down, roll > 0
clockwise; degrees. The face is pitched, then yawed, then rolled, so that turning the picture changes the roll alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipaccord.records import BoolArray, FaceTrack, FloatArray, LandmarkLayout, MouthMotion

MAX_YAW_DEG = 35.0
MAX_PITCH_DEG = 35.0
MIN_INTEROCULAR_PX = 14.0
MIN_SCORE = {"mediapipe-478": 0.8, "ibug-68": 0.2}  # by layout; below it something hides the face, or it is none
BLOCK = 512  # frames at a time: bounds the memory for long tracks

# Mean rigid points of frontal faces, made symmetrical, in the order of the layout's `rigid`, eye centres at
# (-0.5, 0, 0) and (0.5, 0, 0). Measured by generalised Procrustes analysis over the training clips.
REFERENCE: dict[str, tuple[tuple[float, float, float], ...]] = {
    "mediapipe-478": (
        (-0.723, -0.010, 0.044),
        (-0.277, 0.010, -0.044),
        (0.277, 0.010, -0.044),
        (0.723, -0.010, 0.044),
        (0.000, -0.103, -0.311),
        (0.000, 0.018, -0.393),
        (0.000, 0.121, -0.485),
        (0.000, 0.212, -0.584),
        (0.000, -0.236, -0.309),
        (0.000, -0.379, -0.318),
        (0.000, -0.665, -0.247),
        (0.000, -0.921, -0.164),
        (-1.161, 0.110, 0.856),
        (1.161, 0.110, 0.856),
        (-1.132, -0.158, 0.713),
        (1.132, -0.158, 0.713),
        (-1.074, -0.382, 0.518),
        (1.074, -0.382, 0.518),
        (-0.968, -0.585, 0.335),
        (0.968, -0.585, 0.335),
    ),
    "ibug-68": (
        (0.000, -0.103, -0.311),
        (0.000, 0.121, -0.484),
        (0.000, 0.309, -0.684),
        (0.000, 0.435, -0.735),
        (-0.723, -0.010, 0.044),
        (-0.277, 0.010, -0.044),
        (0.277, 0.010, -0.044),
        (0.723, -0.010, 0.044),
    ),
}

# Middle of the nose outline off the middle of the eyes, in inter-ocular units over the tangent of yaw: gives
# the yaw of layouts without depth.
NOSE_LEVER = 0.42


def _similarity(points: NDArray[np.float64], reference: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Find the best similarity of points [shape=(T, M, d)] onto reference [shape=(M, d)].

    Returns rotation [shape=(T, d, d)], scale [shape=(T,)] and the centroid of `points` [shape=(T, d)], such
    that ``scale * (points - centroid) @ rotation.T + reference.mean(0)`` lies on the reference; rotation and
    scale are NaN where the points have no extent.
    """
    centroid = points.mean(axis=1)
    centred = points - centroid[:, None]
    target = reference - reference.mean(axis=0)
    u, singular, vt = np.linalg.svd(np.einsum("mi,tmj->tij", target, centred))
    flip = np.ones_like(singular)
    flip[:, -1] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = (u * flip[:, None, :]) @ vt
    shared, extent = (singular * flip).sum(axis=1), (centred**2).sum(axis=(1, 2))
    has_extent = (shared > 0) & (extent > 0)
    rotation[~has_extent] = np.nan
    scale = np.divide(shared, extent, out=np.full_like(shared, np.nan), where=has_extent)
    return rotation, scale, centroid


def _aligned(
    points: NDArray[np.float64], layout: LandmarkLayout
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return lips on the reference [shape=(T, K, 2)], pose in degrees [shape=(T, 3)] and pixels a unit [shape=(T,)]."""
    dimensions = points.shape[2]
    reference = np.array(REFERENCE[layout.name])[:, :dimensions]
    rotation, scale, centroid = _similarity(points[:, layout.rigid], reference)
    lips = np.einsum("tij,tkj->tki", rotation, points[:, layout.lips] - centroid[:, None])
    lips = lips * scale[:, None, None] + reference.mean(axis=0)
    pose = np.full((len(points), 3), np.nan)
    turn = np.swapaxes(rotation, 1, 2)  # from the reference to the picture
    if dimensions == 3:
        pose[:, 0] = np.degrees(np.arctan2(turn[:, 2, 0], np.hypot(turn[:, 2, 1], turn[:, 2, 2])))
        pose[:, 1] = np.degrees(np.arctan2(turn[:, 2, 1], turn[:, 2, 2]))
    pose[:, 2] = np.degrees(np.arctan2(turn[:, 1, 0], turn[:, 0, 0]))
    return lips[:, :, :2], pose, 1.0 / scale


def _flat_yaw(points: NDArray[np.float64], layout: LandmarkLayout) -> NDArray[np.float64]:
    """Estimate yaw without depth, from how far the nose lies off the middle of the eyes; degrees [shape=(T,)]."""
    right = points[:, list(layout.right_eye)].mean(axis=1)
    left = points[:, list(layout.left_eye)].mean(axis=1)
    line = left - right
    nose = points[:, layout.rings["nose"]].mean(axis=1) - (left + right) / 2
    length = (line**2).sum(axis=1)
    across = np.divide((nose * line).sum(axis=1), length, out=np.full_like(length, np.nan), where=length > 0)
    yaw: NDArray[np.float64] = np.degrees(np.arctan(across / NOSE_LEVER))
    return yaw


def _exclude(
    track: FaceTrack, yaw: FloatArray, pitch: FloatArray, interocular_px: FloatArray
) -> tuple[BoolArray, dict[str, int]]:
    """Return the validity of each frame, and how many each reason ruled out (the first that applies).

    A size or a yaw that is NaN rules out: the points have no extent. A pitch that is NaN is one without depth.
    """
    valid = np.ones(len(track.times_s), dtype=bool)
    counts: dict[str, int] = {}
    rules = {
        "unseen": ~track.seen,
        "occluded": track.scores < MIN_SCORE[track.layout.name],
        "too_small": ~(interocular_px >= MIN_INTEROCULAR_PX),
        "profile": ~(np.abs(yaw) <= MAX_YAW_DEG) | (np.abs(pitch) > MAX_PITCH_DEG),
    }
    for reason, excluded in rules.items():
        count = int((valid & excluded).sum())
        if count:
            counts[reason] = count
        valid &= ~excluded
    return valid, counts


def mouth_motion(track: FaceTrack) -> MouthMotion:
    """Measure the lips of a face track.

    Parameters
    ----------
    track : FaceTrack
        Of any layout in `REFERENCE`.

    Returns
    -------
    MouthMotion
        On the clock of the track; NaN where the face was not seen, `valid` False where it should not be
        measured (unseen, occluded, turned away, too small).
    """
    layout, length = track.layout, len(track.times_s)
    lips = np.full((length, len(layout.lips), 2), np.nan, np.float32)
    pose = np.full((length, 3), np.nan, np.float32)
    yaw = np.full(length, np.nan, np.float32)
    size = np.full(length, np.nan, np.float32)
    seen = np.flatnonzero(track.seen)
    for start in range(0, len(seen), BLOCK):
        block = seen[start : start + BLOCK]
        points = track.points[block].astype(np.float64)
        if track.depth is None:
            yaw[block] = _flat_yaw(points, layout)
        else:
            points = np.concatenate([points, track.depth[block].astype(np.float64)[:, :, None]], axis=2)
        lips[block], pose[block], size[block] = _aligned(points, layout)
    if track.depth is not None:
        yaw = pose[:, 0]
    valid, exclusions = _exclude(track, yaw, pose[:, 1], size)
    right, left = (layout.lips.index(point) for point in layout.mouth_corners)
    width = np.linalg.norm(lips[:, right] - lips[:, left], axis=1)
    opening = opening_of(lips, layout)
    return MouthMotion(track.times_s, lips, layout.native_lips, opening, width, pose, size, valid, exclusions)


def opening_of(lips: FloatArray, layout: LandmarkLayout) -> FloatArray:
    """Return the inner-lip aperture of lips [shape=(..., K, 2)]: the mean distance of the points that face each other.

    Returns
    -------
    ndarray of float32 [shape=(...)]
    """
    upper, lower = ([layout.lips.index(pair[side]) for pair in layout.inner_lip_pairs] for side in (0, 1))
    opening: FloatArray = np.linalg.norm(lips[..., upper, :] - lips[..., lower, :], axis=-1).mean(axis=-1)
    return opening
