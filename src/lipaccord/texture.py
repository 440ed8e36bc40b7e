"""Frames and face points -> sharpness of the parts of a face, at native pixels and several scales.

Every region is an outline of landmarks, narrowed so that its border (the lip contour, the hairline, the edge of the
face) lies outside. Only mouth and eyes are widened instead: the line between the lips and the lids and brows are the
sharpest edges that a face has of its own, they show a blur that smooth skin hides, and one is the measure of the
other. The regions never overlap. Two measures are taken of each:

- the energy of difference-of-Gaussians bands, an octave apart (Marr and Hildreth, Proc. R. Soc. Lond. B, 1980; the
  octave pyramid follows Burt and Adelson, IEEE Trans. Commun., 1983);
- how much of the gradient another blur takes away, in the spirit of the re-blur measure of Crete et al., Proc. SPIE
  6492, 2007: log10 of the ratio of the mean absolute gradients before and after; contrast cancels, larger = sharper.

Conventions: luma (BT.601) of the picture's own pixels; the face is never resized. Only the box round the face is
processed, so the cost follows the face and not the picture. In larger faces the filters' responses are averaged over
every second or fourth pixel each way (`LATTICE_PX`). A face with an eye distance above `FULL_RATE_PX` is measured at
every second frame, above twice that at every third and so on; the frames between stay NaN. The result does not
depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.records import (
    BoolArray,
    FacePoints,
    FaceTrack,
    FloatArray,
    Image,
    IndexArray,
    LandmarkLayout,
    MouthMotion,
    TextureTrack,
)
from lipaccord.rows import RowLog

_Numbers = NDArray[np.integer[Any] | np.floating[Any]]

REGIONS = ("lips", "mouth", "chin", "cheeks", "nose", "eyes", "forehead", "background")
"""Red of the lips; the line between them with what shows there (teeth, tongue); chin; both cheeks; nose; eyes with
brows; forehead; a ring round the face, outside of it."""

SCALES = (0.7, 1.4, 2.8, 5.6, 11.2)
"""Standard deviation of the finer Gaussian of each band, in pixels; the coarser one has twice as much."""

FULL_RATE_PX = 100.0
"""Eye distance up to which every frame is measured."""

LATTICE_PX = 48.0
"""Responses are read at every n-th pixel, n the power of two that leaves the eyes at least this far apart."""

MIN_SAMPLES = 16
"""A region must hold as many points of the lattice after narrowing."""

MIN_STEEPNESS = 1e-2  # grey levels
MIN_ENERGY = 1e-4  # grey levels squared: below what rounding to 8 bits leaves in the finest band
NARROWING = 0.025  # eye distances taken off the border of a region, or laid on
WIDENED = ("mouth", "eyes")
MIN_INSIDE = 0.8  # share of an outline's points that must lie in the picture
RING = (1.1, 1.25)  # inner and outer edge of the background ring over the outline of the face
SUBPIXEL_BITS = 4
_BASE_KERNEL = cv2.getGaussianKernel(7, SCALES[0], cv2.CV_32F)
_OCTAVE_KERNEL = cv2.getGaussianKernel(9, float(np.sqrt(3.0)) * SCALES[0], cv2.CV_32F)  # to twice the width
_OUTLINES: dict[str, tuple[tuple[str, ...], ...]] = {
    "chin": (("chin",),),
    "cheeks": (("right_cheek",), ("left_cheek",)),
    "nose": (("nose",),),
    "forehead": (("forehead",),),
    "eyes": (("right_eye", "right_brow"), ("left_eye", "left_brow")),
    "lips": (("outer_lips",),),
    "mouth": (("inner_lips",),),
}  # in drawing order: a later region takes its pixels from an earlier one


@dataclass(frozen=True, slots=True)
class TextureSample:
    """The measures of one frame, in the order of `REGIONS` and `SCALES`; see `TextureTrack` for the units.

    Attributes
    ----------
    energy : ndarray of float32 [shape=(R, S)]
    gradient, level, pixels : ndarray of float32 [shape=(R,)]
    """

    energy: FloatArray
    gradient: FloatArray
    level: FloatArray
    pixels: FloatArray


class TextureLog:
    """The samples of one face, by frame, as they come in."""

    def __init__(self) -> None:
        self._frames: list[int] = []
        self._rows = RowLog(len(REGIONS) * (len(SCALES) + 3))

    def add(self, frame: int, sample: TextureSample) -> None:
        """Keep the sample of a frame, given by its index in the clip."""
        self._frames.append(frame)
        self._rows.append(sample.energy, sample.gradient, sample.level, sample.pixels)

    def take(self, frames: IndexArray) -> list[TextureSample | None]:
        """Return the samples of these frames, None where there is none, and forget them."""
        cut = np.cumsum([len(REGIONS) * len(SCALES), len(REGIONS), len(REGIONS)])
        samples = []
        for _, block in self._rows.take(len(self._rows)):
            for row in block:
                energy, gradient, level, pixels = np.split(row, cut)
                samples.append(TextureSample(energy.reshape(len(REGIONS), -1), gradient, level, pixels))
        by_frame = dict(zip(self._frames, samples, strict=True))
        return [by_frame.get(int(frame)) for frame in frames]


def _unseen() -> TextureSample:
    """Return the sample of a frame that was not measured."""
    empty = np.full(len(REGIONS), np.nan, np.float32)
    return TextureSample(np.full((len(REGIONS), len(SCALES)), np.nan, np.float32), empty, empty, np.zeros_like(empty))


def _eye_distance(layout: LandmarkLayout, points: FloatArray) -> FloatArray:
    """Distance between the eye centres in pixels [shape=(...)] of points [shape=(..., L, 2)]."""
    right = points[..., list(layout.right_eye), :].mean(axis=-2)
    left = points[..., list(layout.left_eye), :].mean(axis=-2)
    distance: FloatArray = np.linalg.norm(left - right, axis=-1)
    return distance


class RegionMap:
    """Which pixel belongs to which region, within the box round the face.

    Attributes
    ----------
    left, top : int
        Corner of the box in the picture.
    width, height : int
        Its size.
    step : int
        Every how many pixels the map has a point, each way.
    labels : ndarray of uint8 [shape=(rows, columns)]
        0 for none, otherwise one more than the index in `REGIONS`.
    """

    def __init__(self, layout: LandmarkLayout, xy: FloatArray, width: int, height: int) -> None:
        """Draw the regions of the face with landmarks `xy` [shape=(L, 2)] in a picture of `width` x `height`."""
        eyes = float(_eye_distance(layout, xy))
        self.step = 1 << max(0, int(np.log2(max(eyes, 1.0) / LATTICE_PX)))
        wide = 2 * NARROWING * eyes / self.step  # of the border line, half of it inside
        self._thickness = max(1, 2 * round((wide - 1) / 2))  # OpenCV draws even ones a pixel wider
        has_face = "face" in layout.rings
        face = xy[list(layout.rings["face"])] if has_face else xy
        center = face.mean(axis=0)
        reach = center + (face - center) * RING[1]
        self.left, self.top = (max(0, int(edge)) for edge in np.floor(reach.min(axis=0)))
        right, bottom = (int(edge) + 1 for edge in np.ceil(reach.max(axis=0)))
        self.width, self.height = max(0, min(right, width) - self.left), max(0, min(bottom, height) - self.top)
        self.labels: NDArray[np.uint8] = np.zeros((-(-self.height // self.step), -(-self.width // self.step)), np.uint8)
        if not self.labels.size:
            return
        if has_face:
            self._draw("background", self._fixed(reach))
            self._fill(self._fixed(center + (face - center) * RING[0]), 0)
        fixed = self._fixed(xy)
        inside: BoolArray = np.all((xy >= 0) & (xy <= (width - 1, height - 1)), axis=1)
        for name, outlines in _OUTLINES.items():
            for rings in outlines:
                points = [point for ring in rings for point in layout.rings.get(ring, ())]
                if points and inside[points].mean() >= MIN_INSIDE:
                    hull = np.asarray(cv2.convexHull(fixed[points]), np.int32) if len(rings) > 1 else fixed[points]
                    self._draw(name, hull)
        self.labels[-1] = self.labels[:, -1] = 0  # the measures look at the right and lower neighbour

    def _fixed(self, points: FloatArray) -> NDArray[np.int32]:
        """Turn points of the picture into the map's fixed-point coordinates."""
        place = (points - (self.left, self.top)) * ((1 << SUBPIXEL_BITS) / self.step)
        fixed: NDArray[np.int32] = np.rint(place).astype(np.int32)
        return fixed

    def _fill(self, outline: NDArray[np.int32], label: int) -> None:
        cv2.fillPoly(self.labels, [outline], label, cv2.LINE_8, SUBPIXEL_BITS)

    def _draw(self, name: str, outline: NDArray[np.int32]) -> None:
        """Fill one outline, less or more a border."""
        label = REGIONS.index(name) + 1
        border = label if name in WIDENED else 0
        self._fill(outline, label)
        cv2.polylines(self.labels, [outline], True, border, self._thickness, cv2.LINE_8, SUBPIXEL_BITS)


class TextureMeter:
    """Measures one face, frame by frame, while the video is decoded; it keeps no frames.

    Parameters
    ----------
    layout : LandmarkLayout
        Of the points that `measure` will be given.
    """

    def __init__(self, layout: LandmarkLayout) -> None:
        self._layout = layout
        self._skip = 0

    def measure(self, image: Image, points: FacePoints) -> TextureSample:
        """Measure the face in the next frame.

        Parameters
        ----------
        image : ndarray of uint8 [shape=(height, width, 3)]
            RGB, the whole picture.
        points : FacePoints
            Its landmarks in this frame.

        Returns
        -------
        TextureSample
            NaN for regions out of the picture or under `MIN_SAMPLES`, and for the whole frame where a large
            face is due for a rest (see the module).
        """
        if self._skip:
            self._skip -= 1
            return _unseen()
        if not np.isfinite(points.xy).all():
            return _unseen()
        self._skip = int(_eye_distance(self._layout, points.xy) / FULL_RATE_PX)
        regions = RegionMap(self._layout, points.xy, image.shape[1], image.shape[0])
        if not regions.labels.any():
            return _unseen()
        crop = image[regions.top : regions.top + regions.height, regions.left : regions.left + regions.width]
        return _sample(np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8), regions)


class _Reader:
    """Reads pictures at the points of a region map, and averages by region."""

    def __init__(self, regions: RegionMap) -> None:
        marked = np.flatnonzero(regions.labels)
        owners = regions.labels.ravel()[marked]
        order = marked[np.argsort(owners, kind="stable")]
        rows, columns = np.divmod(order, regions.labels.shape[1])
        self._rows, self._columns = rows * regions.step, columns * regions.step
        self.counts = np.bincount(owners, minlength=len(REGIONS) + 1)[1:]
        self._present = np.flatnonzero(self.counts)
        self._starts = (np.cumsum(self.counts) - self.counts)[self._present]

    def index(self, octave: int, shape: tuple[int, ...]) -> NDArray[np.intp]:
        """Flat index of the nearest pixel of each point in a picture thinned `octave` times [shape=(n,)]."""
        half = (1 << octave) >> 1
        rows = np.minimum((self._rows + half) >> octave, shape[0] - 1)
        columns = np.minimum((self._columns + half) >> octave, shape[1] - 1)
        flat: NDArray[np.intp] = rows * shape[1] + columns
        return flat

    def means(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Mean of `values` [shape=(n,)] by region [shape=(R,)]; NaN where there are none."""
        result = np.full(len(REGIONS), np.nan)
        sums = np.add.reduceat(values, self._starts, dtype=np.float64)
        result[self._present] = sums / self.counts[self._present]
        return result


def _blurred(image: _Numbers, kernel: _Numbers) -> FloatArray:
    return np.asarray(cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel), np.float32)


def _steepness(image: FloatArray, index: NDArray[np.intp]) -> FloatArray:
    """Absolute differences from each point to its right and lower neighbours [shape=(n,)]."""
    flat = image.ravel()
    here = flat[index]
    total: FloatArray = np.abs(flat[index + 1] - here) + np.abs(flat[index + image.shape[1]] - here)
    return total


def _sample(luma: NDArray[np.uint8], regions: RegionMap) -> TextureSample:
    """Measure all regions of a grey picture.

    Each octave is the last one blurred to twice its width, then thinned to every second pixel, so that one small
    kernel serves all of them. The bands are formed only at the points that are read.
    """
    reader = _Reader(regions)
    base = _blurred(luma, _BASE_KERNEL)
    energy = np.empty((len(REGIONS), len(SCALES)))
    for octave in range(len(SCALES)):
        index = reader.index(octave, base.shape)
        wider = _blurred(base, _OCTAVE_KERNEL)
        energy[:, octave] = reader.means(np.square(base.ravel()[index] - wider.ravel()[index]))
        if octave == 0:
            level = reader.means(luma.ravel()[index])
            sharp, soft = (reader.means(_steepness(image, index)) for image in (base, wider))
        base = np.ascontiguousarray(wider[::2, ::2])
    gradient = np.log10(np.maximum(sharp, MIN_STEEPNESS) / np.maximum(soft, MIN_STEEPNESS))
    small = reader.counts < MIN_SAMPLES
    energy[small] = gradient[small] = level[small] = np.nan
    return TextureSample(
        np.log10(np.maximum(energy, MIN_ENERGY)).astype(np.float32),
        gradient.astype(np.float32),
        level.astype(np.float32),
        (reader.counts * regions.step**2).astype(np.float32),
    )


def _speed(track: FaceTrack) -> FloatArray:
    """Motion of the rigid points in eye distances a second [shape=(T,)], the mean of both neighbours' steps."""
    rigid = track.points[:, list(track.layout.rigid)]
    steps = np.median(np.linalg.norm(np.diff(rigid, axis=0), axis=2), axis=1)
    size = _eye_distance(track.layout, track.points)
    steps = steps / np.diff(track.times_s) / ((size[1:] + size[:-1]) / 2)
    both = np.full((len(track.times_s), 2), np.nan)
    both[1:, 0], both[:-1, 1] = steps, steps
    known = np.isfinite(both)
    total = np.where(known, both, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan).astype(np.float32)


def texture_track(samples: Sequence[TextureSample | None], track: FaceTrack, mouth: MouthMotion) -> TextureTrack:
    """Put the samples of a track on its clock, with the face's size, motion and turn beside them.

    Parameters
    ----------
    samples : sequence of TextureSample or None
        One for each of the track's T frames; None where the face was not seen.
    track : FaceTrack
    mouth : MouthMotion
        Of the same track.

    Returns
    -------
    TextureTrack

    Raises
    ------
    ValueError
        The three differ in length.
    """
    length = len(track.times_s)
    if len(samples) != length or len(mouth.times_s) != length:
        raise ValueError(f"{len(samples)} samples and {len(mouth.times_s)} mouths for a track of {length} frames")
    filled = [_unseen() if sample is None else sample for sample in samples]
    return TextureTrack(
        times_s=track.times_s,
        regions=REGIONS,
        scales=SCALES,
        energy=np.stack([sample.energy for sample in filled]),
        gradient=np.stack([sample.gradient for sample in filled]),
        level=np.stack([sample.level for sample in filled]),
        pixels=np.stack([sample.pixels for sample in filled]),
        interocular_px=mouth.interocular_px,
        speed=_speed(track),
        turn=mouth.pose_deg[:, 0],
    )
