"""An examined clip -> a viewing copy with the evidence burnt in, for people who will only watch a video.

On the picture: the lips as they were found (solid) and as the speech asks for (dashed), and the names of other faces.
Nothing else covers it; the words and curves stand below (`panel`). Pictures that are too small to read by are enlarged
a whole number of times without smoothing, very large ones are shrunk; the panel says so.

Conventions: pixels of the clip's picture have their origin at the centre of the top left pixel, also on the canvas.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lipaccord.assembly import prefetched
from lipaccord.encoding import encode
from lipaccord.lettering import width_of, write_haloed
from lipaccord.overlay import predicted_outlines
from lipaccord.panel import Mouth, Panel
from lipaccord.records import Examination, FaceTrack, FloatArray, Frame, Image
from lipaccord.strokes import GROUND, OBSERVED, PREDICTED, WORDS, dashed_ring, paint, solid
from lipaccord.viewing import Progress, examined_frames, from_zero, sound_from_zero, zero_of

LEAST_WIDTH = 640
MOST_WIDTH, MOST_HEIGHT = 1920, 1280
CRF, PRESET = 21, "superfast"
EYES_A_STROKE = 75  # pixels between the eyes for each pixel of an outline's thickness
RINGS = ("outer_lips", "inner_lips")
HEAD = 0.4  # above the landmarks, in their height
FAR = 1e5  # pixels: no picture reaches there, whatever stored tracks say
MOUTH_ROOM = 1.5  # side of the enlarged square, in widths of the mouth


@dataclass(frozen=True, slots=True)
class Fit:
    """How pictures are laid on the canvas.

    Attributes
    ----------
    width, height : int
        Of the picture as it is shown.
    canvas : int
        Width of the canvas; the picture stands in its middle.
    notes : tuple of str
        What was done to the size, in plain words; empty for nothing.
    """

    width: int
    height: int
    canvas: int
    notes: tuple[str, ...]

    @property
    def left(self) -> int:
        """First column of the picture."""
        return (self.canvas - self.width) // 2

    def placed(self, points: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """Take points of a picture of `shape` to the canvas."""
        scale = np.array([self.width / shape[1], self.height / shape[0]], np.float32)
        result: FloatArray = (points + np.float32(0.5)) * scale - np.float32(0.5) + np.array([self.left, 0], np.float32)
        return result

    def laid(self, image: Image) -> Image:
        """Bring a picture to its size on the canvas."""
        height, width = image.shape[:2]
        if (height, width) == (self.height, self.width):
            return image
        enlarges = self.width > width
        how = cv2.INTER_NEAREST if enlarges else cv2.INTER_AREA
        return np.asarray(cv2.resize(image, (self.width, self.height), interpolation=how), np.uint8)


def fit(width: int, height: int) -> Fit:
    """Choose the size at which pictures of `width` and `height` are shown."""
    times = max(1, min(-(-LEAST_WIDTH // width), MOST_HEIGHT // height))
    share = min(1.0, MOST_WIDTH / width, MOST_HEIGHT / height)
    notes = (f"picture enlarged {times} times, without smoothing",) if times > 1 else ()
    if share < 1:
        notes = (f"picture shrunk to {share:.0%}",)
    wide, high = (max(1, round(side * share)) * times for side in (width, height))
    canvas = max(wide, LEAST_WIDTH)
    return Fit(wide, high, canvas + canvas % 2, notes)


class _Lips:
    """The outlines of the face examined, by picture."""

    def __init__(self, examination: Examination) -> None:
        tracks = examination.tracks
        if tracks is None:
            raise ValueError("no face was examined")
        self._face, layout = tracks.face, tracks.face.layout
        self._predicted = predicted_outlines(examination)
        self._rings = [layout.rings[name] for name in RINGS]
        self._places = [[layout.lips.index(point) for point in ring] for ring in self._rings]
        self.eyes_px = min(tracks.face.interocular_px, FAR)
        right, left = (np.clip(self._face.points[:, corner], -FAR, FAR) for corner in layout.mouth_corners)
        self.side_px = max(1.0, MOUTH_ROOM * float(np.nanmedian(np.linalg.norm(left - right, axis=1))))

    def at(self, frame: int) -> tuple[list[FloatArray], list[FloatArray]] | None:
        """Return the rings seen and the rings predicted in a picture; None where the face was not seen."""
        row = _row(self._face, frame)
        if row is None:
            return None
        points, predicted = (np.clip(one[row], -FAR, FAR) for one in (self._face.points, self._predicted))
        return [points[list(ring)] for ring in self._rings], [predicted[places] for places in self._places]


def _row(track: FaceTrack, frame: int) -> int | None:
    """Return the place of a picture in a track; None where the face was not seen in it."""
    row = int(np.searchsorted(track.frames, frame))
    if row == len(track.frames) or track.frames[row] != frame or not track.seen[row]:
        return None
    return row


def draw_lips(image: Image, seen: list[FloatArray], predicted: list[FloatArray], thickness: int) -> None:
    """Draw outlines [shapes=(n, 2)] over a picture: what was seen solid, what was predicted dashed on top."""
    for ring in seen:
        solid(image, ring, OBSERVED, thickness, closed=True)
    for ring in predicted:
        if np.isfinite(ring).all():
            dashed_ring(image, ring, PREDICTED, thickness, dash_px=3.0 + 2.0 * thickness)


class Annotator:
    """Lays out and draws the pictures of one annotated copy.

    Parameters
    ----------
    examination : Examination
    """

    def __init__(self, examination: Examination) -> None:
        video, tracks = examination.analysis.clip.video, examination.tracks
        self._fit = fit(video.width, video.height)
        examined = [f"examined: {tracks.face.id}"] if tracks is not None and len(examination.faces) > 1 else []
        self._panel = Panel(examination, self._fit.canvas, [*examined, *self._fit.notes])
        self._lips = None if tracks is None else _Lips(examination)
        self._others = [face for face in examination.faces if tracks is None or face.id != tracks.face.id]
        height = self._fit.height + self._panel.height
        self._shape = (height + height % 2, self._fit.canvas, 3)

    def paint(self, frame: Frame) -> Image:
        """Return the picture with everything on it and below it."""
        canvas, fitted = np.empty(self._shape, np.uint8), self._fit
        right = fitted.left + fitted.width
        canvas[: fitted.height, fitted.left : right] = fitted.laid(frame.image)
        paint(canvas[: fitted.height, : fitted.left], GROUND)
        paint(canvas[: fitted.height, right:], GROUND)
        paint(canvas[fitted.height :], GROUND)
        rings = None if self._lips is None else self._lips.at(frame.index)
        mouth = None
        if rings is not None and self._lips is not None:
            mouth = self._mouth(frame.image, rings, self._lips.side_px)
            scale = fitted.width / frame.image.shape[1]
            seen, predicted = ([fitted.placed(ring, frame.image.shape) for ring in kind] for kind in rings)
            thickness = max(1, round(self._lips.eyes_px * scale / EYES_A_STROKE))
            draw_lips(canvas[: fitted.height], seen, predicted, thickness)
        for face in self._others:
            self._name(canvas[: fitted.height], face, frame)
        self._panel.draw(canvas[fitted.height : fitted.height + self._panel.height], frame.time_s, mouth)
        return canvas

    def _mouth(self, image: Image, rings: tuple[list[FloatArray], list[FloatArray]], side_px: float) -> Mouth:
        """Cut out the mouth, enlarge it without smoothing, and draw the outlines on a copy of it."""
        side = self._panel.mouth_px
        outer = rings[0][0]
        corner = (outer.min(axis=0) + outer.max(axis=0)) / 2 - side_px / 2
        scale = side / side_px
        places = np.rint((np.arange(side) + 0.5) / scale - 0.5 + corner[:, None]).astype(np.int64)
        columns, rows = (np.clip(line, 0, end - 1) for line, end in zip(places, image.shape[1::-1], strict=True))
        bare: Image = image[rows[:, None], columns]
        lined = bare.copy()
        seen, predicted = ([(ring - corner + 0.5) * scale - 0.5 for ring in kind] for kind in rings)
        draw_lips(lined, seen, predicted, max(1, round(side / 75)))
        return lined, bare

    def _name(self, picture: Image, face: FaceTrack, frame: Frame) -> None:
        """Write the name of a face that was not examined above its head."""
        row = _row(face, frame.index)
        if row is None:
            return
        points = np.clip(self._fit.placed(face.points[row], frame.image.shape), -FAR, FAR)
        size, (x, top), bottom = max(11, round(self._fit.canvas / 80)), points.min(axis=0), points[:, 1].max()
        middle, above = (x + points[:, 0].max()) / 2, top - HEAD * (bottom - top)
        write_haloed(
            picture, face.id, (round(middle - width_of(face.id, size) / 2), round(max(size, above))), size, WORDS
        )


def _painted(frames: Iterable[Frame], annotator: Annotator) -> Iterator[Frame]:
    for frame in frames:
        yield Frame(frame.index, frame.time_s, annotator.paint(frame))


def _place(target: Path) -> Path:
    """Follow links, and refuse before the work what a file must not replace."""
    place = target.resolve()
    if place.exists() and not place.is_file():
        raise OSError(errno.EINVAL, "it is there and is no regular file", str(target))
    return place


def annotate(
    path: str | os.PathLike[str],
    examination: Examination,
    target: Path,
    *,
    threads: int = 2,
    progress: Progress | None = None,
) -> None:
    """Write a viewing copy of the examined part of a clip, with outlines, findings and a moving timeline burnt in.

    The clip is decoded once; the memory in use does not grow with its pictures.

    Parameters
    ----------
    path : path
    examination : Examination
        Of this very file; its sound is used.
    target : Path
        MP4 to write; replaced only once the new one is whole. It begins at zero (`viewing.zero_of`).
    threads : int
        The copy does not depend on it.
    progress : callable, optional
        Told the fraction of the pictures that is done, 0 to 1.

    Raises
    ------
    UnreadableMedia
        The file is not the one that was examined, or can't be read.
    OSError
        `target` can't be written, or is no regular file; nothing is left behind.
    """
    place = _place(Path(target))
    zero_s, annotator = zero_of(examination), Annotator(examination)
    sound = sound_from_zero(examination.sound, zero_s)
    cv2.setNumThreads(1)
    with (
        examined_frames(path, examination, threads=threads, progress=progress) as frames,
        prefetched(from_zero(_painted(frames, annotator), zero_s), threads) as painted,
    ):
        encode(place, painted, sound, crf=CRF, preset=PRESET)
