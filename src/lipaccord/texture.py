"""Frames and face points -> sharpness of the parts of a face, at native pixels and several scales.

Two measures are taken of each region (`regions`):

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
    FacePoints,
    FaceTrack,
    FloatArray,
    Image,
    IndexArray,
    LandmarkLayout,
    MouthMotion,
    TextureTrack,
)
from lipaccord.regions import REGIONS, RegionMap, eye_distance
from lipaccord.rows import RowLog

_Numbers = NDArray[np.integer[Any] | np.floating[Any]]

SCALES = (0.7, 1.4, 2.8, 5.6, 11.2)
"""Standard deviation of the finer Gaussian of each band, in pixels; the coarser one has twice as much."""

FULL_RATE_PX = 100.0
"""Eye distance up to which every frame is measured."""

MIN_SAMPLES = 16
"""A region must hold as many points of the lattice after narrowing."""

MIN_STEEPNESS = 1e-2  # grey levels
MIN_ENERGY = 1e-4  # grey levels squared: below what rounding to 8 bits leaves in the finest band
_BASE_KERNEL = cv2.getGaussianKernel(7, SCALES[0], cv2.CV_32F)
_OCTAVE_KERNEL = cv2.getGaussianKernel(9, float(np.sqrt(3.0)) * SCALES[0], cv2.CV_32F)  # to twice the width


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
        self._skip = int(eye_distance(self._layout, points.xy) / FULL_RATE_PX)
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
    size = eye_distance(track.layout, track.points)
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
