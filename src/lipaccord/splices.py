"""Authentic faces -> spliced ones beside their controls: what the splice networks learn from.

A spliced example is an authentic picture whose mouth, lower face or whole face was changed inside a soft mask; its
control shows the same moment, either untouched or changed in the same way all over, so that nothing but the
inconsistency tells the two apart. Both go through one and the same lossy encode. No generator is involved. After the
self-blended images of Shiohara and Yamasaki (CVPR 2022); the changes are what a painted mouth suffers: a smaller
working size, blur, lost texture, sharpening, fresh or missing noise, a tone of its own, flicker, a median of other
moments (Suwajanakorn et al., SIGGRAPH 2017) or another moment.

Conventions: luma at native pixels; every choice is drawn from one generator, so that a seed and a clip fix an example.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.crops import LOWER_FACE, crop_pair
from lipaccord.encoding import recoded
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import FloatArray

Grey = NDArray[np.uint8]

FRAMES = 5  # consecutive, so that most of what is seen are predicted frames
SMALLEST_EYES_PX = 38.0
WORKING_SIZES_PX = (96, 128, 256, 256, 384)  # of a generator's face box, which is
FACE_BOX = 2.6  # eye distances high
MOUTH_HULL = (57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287, 273, 335, 406, 313, 18, 83, 182, 106, 43)
STEADY = (*MOUTH_HULL, 2, 98, 327, 152, 148, 377)  # by which other moments are laid on this one
KINDS = {
    "resample": 0.20,
    "resharpen": 0.10,
    "blur": 0.10,
    "sharpen": 0.06,
    "smooth": 0.12,
    "smooth_sharpen": 0.12,
    "blocks": 0.05,
    "transplant": 0.06,
    "median": 0.07,
    "noise": 0.05,
    "tone": 0.03,
    "doubled": 0.02,
    "flicker": 0.02,
}
"""What is done, and how often."""

OTHER_MOMENTS = ("transplant", "median")  # kinds that need the face at other times; the lower face only


@dataclass(frozen=True, slots=True)
class FaceSequence:
    """Consecutive pictures of one authentic face.

    Attributes
    ----------
    name, group : str
        Of the clip; a group (a person) is never split between training and judging.
    luma : ndarray of uint8 [shape=(T, h, w)]
        The face with some surroundings at native pixels, the same part of the picture throughout.
    points : ndarray of float32 [shape=(T, 478, 2)]
        Landmarks in its pixels.
    eyes_px : float
    """

    name: str
    group: str
    luma: Grey
    points: FloatArray
    eyes_px: float


@dataclass(frozen=True, slots=True)
class SplicePair:
    """A spliced example and its control.

    Attributes
    ----------
    spliced, control : ndarray of uint8 [shape=(2, H, W)]
        As `crops` lays them.
    judged, reference, mask : ndarray of uint8 [shape=(h, w)]
        The two parts and the changed share, by cell, 0 to 255.
    kind : str
    """

    spliced: Grey
    control: Grey
    judged: Grey
    reference: Grey
    mask: Grey
    kind: str


class _Change:
    """One way to change a picture, its strength drawn once."""

    def __init__(self, kind: str, eyes_px: float, rng: np.random.Generator) -> None:
        self.kind = kind
        working = float(rng.choice(WORKING_SIZES_PX)) / (FACE_BOX * eyes_px) * rng.uniform(0.85, 1.15)
        self.size = min(0.9, max(0.12, working)) if rng.random() < 0.6 else rng.uniform(0.25, 0.85)
        self.sigma = max(0.4, rng.uniform(0.006, 0.028) * eyes_px * rng.uniform(0.5, 1.2))
        self.amount = rng.uniform(0.4, 2.0)
        self.strength = float(rng.choice([4, 6, 9, 13]))
        self.quality = int(rng.uniform(20, 75))
        self.noise = rng.uniform(1.5, 5.0)
        self.upwards = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))
        self.downwards = int(rng.choice([cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR]))
        self.gain, self.offset = rng.uniform(0.93, 1.07), rng.uniform(-5.0, 5.0)
        self.toned = kind == "tone" or rng.random() < 0.35
        self.ghost = 6 * rng.uniform(-0.6, 0.6, size=2)
        self.restless = rng.random() < 0.35
        self.liveliness = rng.uniform(0.3, 1.0)
        self.bilateral = rng.random() < 0.5
        self.seed = int(rng.integers(1 << 30))

    def apply(self, picture: Grey, moment: int) -> Grey:
        """Change one picture; `moment` tells the pictures of a sequence apart."""
        rng = np.random.default_rng([self.seed, moment])
        changed = self._changed(picture, rng)
        if self.restless and self.kind not in {"flicker", "noise"}:
            changed = _shifted(changed, *rng.normal(0, 0.25, size=2))
        if self.toned:
            changed = np.clip(changed * self.gain + self.offset, 0, 255).astype(np.uint8)
        return changed

    def _changed(self, picture: Grey, rng: np.random.Generator) -> Grey:
        """Do what the kind says; a transplant or a median is another picture already."""
        match self.kind:
            case "resample":
                changed = self._resampled(picture)
            case "resharpen":
                changed = _sharpened(self._resampled(picture), 1.2, self.amount)
            case "blur":
                changed = np.asarray(cv2.GaussianBlur(picture, (0, 0), self.sigma), np.uint8)
            case "sharpen":
                changed = _sharpened(picture, max(0.6, self.sigma), self.amount)
            case "smooth":
                changed = self._smoothed(picture)
            case "smooth_sharpen":
                changed = _sharpened(self._smoothed(picture), 1.0, self.amount)
            case "blocks":
                coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
                changed = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
            case "noise":
                changed = np.clip(picture + rng.normal(0, self.noise, picture.shape), 0, 255).astype(np.uint8)
            case "doubled":
                ghost = _shifted(picture, *self.ghost)
                changed = np.asarray(cv2.addWeighted(picture, 0.6, ghost, 0.4, 0), np.uint8)
            case "flicker":
                moved = _shifted(picture, *rng.normal(0, 0.5 * self.liveliness, size=2))
                sigma = 0.4 + self.liveliness * abs(rng.normal(0, 0.5))
                changed = np.asarray(cv2.GaussianBlur(moved, (0, 0), sigma), np.uint8)
            case _:
                changed = picture
        return changed

    def _resampled(self, picture: Grey) -> Grey:
        height, width = picture.shape
        small = (max(8, int(width * self.size)), max(8, int(height * self.size)))
        shrunk = cv2.resize(picture, small, interpolation=self.downwards)
        return np.asarray(cv2.resize(shrunk, (width, height), interpolation=self.upwards), np.uint8)

    def _smoothed(self, picture: Grey) -> Grey:
        if self.bilateral:
            return np.asarray(cv2.bilateralFilter(picture, 5, self.strength * 4, max(1.0, self.sigma * 2)), np.uint8)
        return np.asarray(cv2.fastNlMeansDenoising(picture, None, self.strength, 5, 11), np.uint8)


def _shifted(picture: Grey, x: float, y: float) -> Grey:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(
        cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _sharpened(picture: Grey, sigma: float, amount: float) -> Grey:
    wide = picture.astype(np.float32)
    return np.clip(wide + amount * (wide - cv2.GaussianBlur(wide, (0, 0), sigma)), 0, 255).astype(np.uint8)


def _other_moments(luma: list[Grey], points: FloatArray, moment: int, count: int) -> Grey | None:
    """Median of the frames whose mouth is about as open as in this one, laid on it by the lower face."""
    opening = np.linalg.norm(points[:, 13] - points[:, 14], axis=1)
    near = [k for k in np.argsort(np.abs(opening - opening[moment]), kind="stable") if abs(k - moment) > 2]
    height, width = luma[moment].shape
    laid = []
    for k in near[:count]:
        matrix, _ = cv2.estimateAffinePartial2D(points[k][list(STEADY)], points[moment][list(STEADY)])
        if matrix is not None:
            laid.append(
                cv2.warpAffine(luma[k], matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            )
    return np.median(np.stack(laid), axis=0).astype(np.uint8) if laid else None


class _Mask:
    """The soft outline inside which a face is changed, its form drawn once."""

    def __init__(self, scope: str, eyes_px: float, rng: np.random.Generator) -> None:
        if scope == "face":
            self._hull, sizes, boxes = list(MEDIAPIPE_478.rings["face"]), (0.85, 1.1), 0.3
        elif rng.random() < 0.65:
            self._hull, sizes, boxes = list(LOWER_FACE[MEDIAPIPE_478.name]), (0.85, 1.25), 0.15
        else:
            self._hull, sizes, boxes = list(MOUTH_HULL), (0.95, 1.7), 0.15
        self._size = rng.uniform(*sizes)
        self._down = rng.uniform(-0.08, 0.08) * eyes_px
        self._feather = rng.uniform(0.01, 0.07) * eyes_px
        self._box = rng.random() < boxes

    def draw(self, points: FloatArray, shape: tuple[int, ...]) -> Grey:
        outline = points[self._hull]
        center = outline.mean(axis=0)
        outline = center + (outline - center) * self._size + np.array([0, self._down])
        if self._box:
            (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
            outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        mask = np.zeros(shape, np.uint8)
        cv2.fillPoly(mask, [np.rint(outline * 8).astype(np.int32)], 255, cv2.LINE_8, 3)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), self._feather), np.uint8)


def _blended(picture: Grey, changed: Grey, mask: Grey) -> Grey:
    share = mask / 255.0
    return np.rint(changed * share + picture * (1 - share)).astype(np.uint8)


def _drawn_kind(scope: str, rng: np.random.Generator) -> str:
    shares = {kind: share for kind, share in KINDS.items() if scope == "lower" or kind not in OTHER_MOMENTS}
    total = sum(shares.values())
    return str(rng.choice(list(shares), p=[share / total for share in shares.values()]))


def splice_pair(scope: str, face: FaceSequence, rng: np.random.Generator) -> SplicePair | None:
    """Make one spliced example with its control.

    Parameters
    ----------
    scope : str
        A key of `crops.SCOPES`.
    face : FaceSequence
    rng : numpy.random.Generator

    Returns
    -------
    SplicePair or None
        None where the sequence is too short, or no other moment could be laid on this one.
    """
    if len(face.luma) < FRAMES + 3:
        return None
    start = int(rng.integers(0, len(face.luma) - FRAMES))
    smallest = max(0.35, SMALLEST_EYES_PX / face.eyes_px)
    scale = 1.0 if rng.random() < 0.5 or smallest >= 0.95 else rng.uniform(smallest, 1.0)
    kind = _drawn_kind(scope, rng)
    eyes_px, points = face.eyes_px * scale, ((face.points + 0.5) * scale - 0.5).astype(np.float32)
    change, mask = _Change(kind, eyes_px, rng), _Mask(scope, eyes_px, rng)
    others = int(rng.integers(2, 25)) if kind == "median" else 1
    needed = range(len(face.luma)) if kind in OTHER_MOMENTS else range(start, start + FRAMES)
    luma = {k: _scaled(face.luma[k], scale) for k in needed}
    moments = range(start, start + FRAMES)
    changed = []
    for k in moments:
        source: Grey | None = luma[k]
        if kind in OTHER_MOMENTS:
            source = _other_moments(list(luma.values()), points, k, others)
        if source is None:
            return None
        changed.append(change.apply(source, k - start))
    plain = [luma[k] for k in moments]
    masks = [mask.draw(points[k], plain[0].shape) for k in moments]
    spliced = [_blended(*parts) for parts in zip(plain, changed, masks, strict=True)]
    everywhere = kind not in OTHER_MOMENTS and rng.random() < 0.6
    crf, preset = int(rng.integers(17, 32)), str(rng.choice(["veryfast", "medium"]))
    seen = int(rng.integers(1, FRAMES - 1))
    pairs = []
    for pictures in (spliced, changed if everywhere else plain):
        coded = recoded(pictures, crf=crf, preset=preset)
        pairs.append(crop_pair(scope, MEDIAPIPE_478, coded[seen], coded[seen + 1], points[start + seen]))
    (spliced_pair, judged, reference), (control, _, _) = pairs
    cells = crop_pair(scope, MEDIAPIPE_478, masks[seen], masks[seen], points[start + seen])[0][0]
    small = cv2.resize(cells, judged.shape[::-1], interpolation=cv2.INTER_AREA)
    return SplicePair(spliced_pair, control, judged, reference, np.asarray(small, np.uint8), kind)


def _scaled(picture: Grey, scale: float) -> Grey:
    if scale == 1.0:
        return picture
    size = (int(picture.shape[1] * scale), int(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
