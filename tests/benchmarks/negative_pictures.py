"""Pictures for the negative controls: without a face, and of faces that do not speak or are hardly seen.

Those of `DRAWN` are drawn here and those of `SPOILT` are pictures of a clip in which no face is left; those of `POSED`
are made from one frame. The same state of the random generator gives the same pictures.

Conventions: pictures are uint8 RGB [shape=(h, w, 3)] in lists, one a frame; distances in a face are in eye distances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray

from lipaccord.footage import Footage
from lipaccord.records import Image

SIZE_PX = (320, 720)  # of the longer side
RATE_HZ = 25.0  # of pictures that were never filmed

Pictures = list[Image]


# --- pictures without a face --------------------------------------------------------------------------------------


def bars(rng: Rng, width: int, height: int, count: int) -> Pictures:
    colours = rng.integers(0, 256, (int(rng.integers(4, 12)), 3)).astype(np.uint8)
    still = cv2.resize(colours[None], (width, height), interpolation=cv2.INTER_NEAREST)
    return [np.roll(still, int(rng.integers(0, 3)) * k, axis=1) for k in range(count)]


def snow(rng: Rng, width: int, height: int, count: int) -> Pictures:
    grain = int(rng.integers(1, 6))
    shape = (height // grain + 1, width // grain + 1)
    return [grey(enlarged(rng.integers(0, 256, shape).astype(np.float64), width, height)) for _ in range(count)]


def gradients(rng: Rng, width: int, height: int, count: int) -> Pictures:
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    turns, pace = rng.uniform(-2, 2, (3, 2)), rng.uniform(0, 0.03)
    return [
        np.stack([127 + 127 * np.cos(2 * np.pi * (a * x + b * y + pace * k)) for a, b in turns], -1).astype(np.uint8)
        for k in range(count)
    ]


def shapes(rng: Rng, width: int, height: int, count: int) -> Pictures:
    things = [
        (rng.uniform(0, 1, 2), rng.uniform(-0.01, 0.01, 2), rng.uniform(0.03, 0.2), rng.integers(0, 256, 3).tolist())
        for _ in range(int(rng.integers(3, 12)))
    ]
    ground, pictures = rng.integers(0, 256, 3), []
    for k in range(count):
        picture = np.full((height, width, 3), ground, np.uint8)
        for number, (place, pace, size, colour) in enumerate(things):
            centre = tuple(int(v) for v in (place + k * pace) % 1 * (width, height))
            if number % 2:
                cv2.circle(picture, centre, int(size * width), colour, -1, cv2.LINE_AA)
            else:
                corner = (centre[0] + int(size * width), centre[1] + int(size * height))
                cv2.rectangle(picture, centre, corner, colour, -1)
        pictures.append(picture)
    return pictures


def landscape(rng: Rng, width: int, height: int, count: int) -> Pictures:
    """Fractal noise in colours of earth and sky, panned slowly."""
    rows, columns = height, width + 2 * count
    squared = np.fft.fftfreq(rows)[:, None] ** 2 + np.fft.rfftfreq(columns)[None] ** 2
    fall = np.maximum(squared, 1 / columns**2) ** (-rng.uniform(0.8, 1.3))
    relief = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(rows, columns))) * fall, (rows, columns))
    levels = np.argsort(np.argsort(relief[::4, ::4].ravel())).reshape(relief[::4, ::4].shape) / relief[::4, ::4].size
    smooth = cv2.resize(levels, (columns, rows), interpolation=cv2.INTER_CUBIC) + 0.05 * rng.normal(size=relief.shape)
    knots = np.array([[20, 40, 90], [60, 110, 60], [150, 130, 80], [235, 240, 250]]) * rng.uniform(0.5, 1)
    wide = np.stack([np.interp(smooth, np.linspace(0, 1, 4), knots[:, c]) for c in range(3)], -1).astype(np.uint8)
    return [np.ascontiguousarray(wide[:, 2 * k : 2 * k + width]) for k in range(count)]


WORDS = ("PRESS RELEASE", "BUDGET", "2015", "VOTE NOW", "REPORT", "CHAPTER ONE", "TAXES", "paid for by", "of the state")


def cards(rng: Rng, width: int, height: int, count: int) -> Pictures:
    """Text, and on some a chart, that changes once in a while."""
    pictures: Pictures = []
    while len(pictures) < count:
        picture = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
        ink = tuple(int(v) for v in rng.integers(0, 256, 3))
        size = rng.uniform(0.5, 1.4) * width / 500
        for line in range(int(rng.integers(1, 8))):
            text = " ".join(rng.choice(WORDS, int(rng.integers(1, 5))))
            place = (int(0.06 * width), int((0.15 + 0.11 * line) * height))
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 2, cv2.LINE_AA)
        for bar in range(int(rng.integers(0, 7))):
            left, top = int((0.5 + 0.07 * bar) * width), int(rng.uniform(0.4, 0.9) * height)
            cv2.rectangle(picture, (left, top), (left + width // 20, int(0.95 * height)), ink, -1)
        pictures += [picture] * int(rng.integers(15, 80))
    return pictures[:count]


def hands(rng: Rng, width: int, height: int, count: int) -> Pictures:
    """Hands in the colour of skin, drawn, waving."""
    skin = tuple(int(v) for v in np.array([225, 170, 140]) * rng.uniform(0.4, 1.0))
    ground, pace, pictures = rng.integers(0, 256, 3), rng.uniform(0.03, 0.3), []
    for k in range(count):
        picture = np.full((height, width, 3), ground, np.uint8)
        for side in (-1, 1):
            palm = np.array([0.5 + side * 0.22, 0.6 + 0.05 * np.sin(pace * k)]) * (width, height)
            for finger in range(5):
                angle = np.radians(-150 + 30 * finger) + 0.2 * np.sin(pace * k + side)
                tip = palm + 0.22 * width * np.array([np.cos(angle), np.sin(angle)])
                cv2.line(picture, whole(palm), whole(tip), skin, max(3, width // 22), cv2.LINE_AA)
            cv2.ellipse(picture, whole(palm), (width // 11, width // 9), 0, 0, 360, skin, -1, cv2.LINE_AA)
        pictures.append(np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.uint8))
    return pictures


DRAWN: dict[str, Callable[[Rng, int, int, int], Pictures]] = {
    "bars": bars,
    "snow": snow,
    "gradients": gradients,
    "shapes": shapes,
    "landscape": landscape,
    "cards": cards,
    "hands": hands,
}


def whole(point: NDArray[np.float64]) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def enlarged(values: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST))


def grey(values: NDArray[np.float64]) -> Image:
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def blurred(rng: Rng, pictures: Pictures) -> Pictures:
    """Blur until no face is left; at an eighth of the size, which is quicker."""
    height, width = pictures[0].shape[:2]
    deviation = rng.uniform(0.04, 0.12) * width / 8
    small = [cv2.resize(picture, (width // 8, height // 8), interpolation=cv2.INTER_AREA) for picture in pictures]
    soft = [cv2.GaussianBlur(picture, (0, 0), deviation) for picture in small]
    return [np.asarray(cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8) for one in soft]


def scrambled(rng: Rng, pictures: Pictures) -> Pictures:
    """Shuffle the blocks of every picture in the same way."""
    across = int(rng.integers(8, 20))
    side = pictures[0].shape[1] // across
    down = pictures[0].shape[0] // side
    order = rng.permutation(across * down)

    def shuffled(picture: Image) -> Image:
        blocks = picture[: down * side, : across * side].reshape(down, side, across, side, 3).swapaxes(1, 2)
        mixed = blocks.reshape(-1, side, side, 3)[order].reshape(down, across, side, side, 3)
        return mixed.swapaxes(1, 2).reshape(down * side, across * side, 3)

    return [shuffled(picture) for picture in pictures]


SPOILT: dict[str, Callable[[Rng, Pictures], Pictures]] = {"blurred": blurred, "scrambled": scrambled}


# --- faces that do not speak, or are hardly seen ------------------------------------------------------------------


def grainy(rng: Rng, pictures: Pictures, deviation: float) -> Pictures:
    """Add the noise of a sensor, of its own in every picture."""
    height, width = pictures[0].shape[:2]
    field = rng.normal(0, deviation, (height + 64, width + 64, 3)).astype(np.float32)
    noisy = []
    for picture in pictures:
        top, left = rng.integers(0, 64, 2)
        grain = field[top : top + height, left : left + width] * rng.choice([-1, 1])
        noisy.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return noisy


def moved(picture: Image, turn_deg: float, scale: float, shift: tuple[float, float], light: float = 1.0) -> Image:
    """Turn and scale round the middle, shift by pixels, brighten."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn_deg, scale)
    matrix[:, 2] += np.array(shift)
    laid = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(cv2.convertScaleAbs(laid, alpha=light), np.uint8)


@dataclass(frozen=True)
class Face:
    """One frame's face: its picture and where things are in it, in pixels."""

    picture: Image
    points: NDArray[np.float64]
    eyes: tuple[NDArray[np.int64], NDArray[np.int64]]
    corners: tuple[int, int]
    inner: NDArray[np.int64]  # pairs of points of the inner lips, upper and lower

    @property
    def unit(self) -> float:
        """Distance of the eyes."""
        left, right = (self.points[eye].mean(axis=0) for eye in self.eyes)
        return float(np.linalg.norm(left - right))

    def down(self, eye_distances: float) -> NDArray[np.float64]:
        return np.array([0.0, eye_distances * self.unit])

    def bent(self, smile: float = 0.0, blink: float = 0.0, jaw: float = 0.0, throat: float = 0.0) -> Image:
        """Deform the face: smile and jaw in eye distances, blink as a share, throat as a lift of the chin."""
        height, width = self.picture.shape[:2]
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        dx, dy = np.zeros_like(x), np.zeros_like(y)

        def near(centre: NDArray[np.float64], reach: float) -> NDArray[np.float32]:
            window: NDArray[np.float32] = np.exp(
                -((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (reach * self.unit) ** 2)
            )
            return window

        mouth = self.points[list(self.corners)].mean(axis=0)
        for corner in self.corners:
            place = self.points[corner]
            window = near(place, 0.22)
            dx -= np.sign(place[0] - mouth[0]) * smile * self.unit * window
            dy += 0.6 * smile * self.unit * window
        for eye in self.eyes:
            centre = self.points[eye].mean(axis=0)
            window = near(centre, 0.13)
            dy += (y - centre[1] - 0.06 * self.unit) * (1 / (1 - 0.8 * blink) - 1) * window
        below = np.clip((y - mouth[1]) / (0.08 * self.unit), 0, 1)
        dy -= jaw * self.unit * below * near(mouth + self.down(0.3), 0.6)
        dy += throat * self.unit * near(mouth + self.down(0.55), 0.3)
        bent = cv2.remap(self.picture, x + dx, y + dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        picture = np.asarray(bent, np.uint8)
        return self._with_gap(picture, jaw) if jaw > 0.01 else picture

    def _with_gap(self, picture: Image, jaw: float) -> Image:
        """Darken what is between the lips."""
        upper, lower = (self.points[self.inner[:, side]] for side in (0, 1))
        lower = lower + self.down(0.85 * jaw)
        ends = self.points[list(self.corners)]
        outline = np.concatenate([ends[:1], upper[np.argsort(upper[:, 0])], ends[1:], lower[np.argsort(-lower[:, 0])]])
        if ends[0, 0] > ends[1, 0]:
            outline = np.concatenate(
                [ends[1:], upper[np.argsort(upper[:, 0])], ends[:1], lower[np.argsort(-lower[:, 0])]]
            )
        mask = np.zeros(picture.shape[:2], np.float32)
        cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        share = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.02 * self.unit))[..., None]
        return (picture * (1 - share) + np.array([45, 20, 20]) * share).astype(np.uint8)


def face_at(footage: Footage, moment: int) -> Face:
    layout = footage.layout
    return Face(
        footage.frames[moment],
        footage.points[moment].astype(np.float64),
        (np.array(layout.left_eye), np.array(layout.right_eye)),
        layout.mouth_corners,
        np.array(layout.inner_lip_pairs),
    )


def drift(rng: Rng, count: int, size: float, pace_s: float = 1.5) -> NDArray[np.float64]:
    """Draw a slow random course of the given size."""
    knots = max(3, int(count / RATE_HZ / pace_s) + 3)
    return size * np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.normal(size=knots))


def bump(count: int, at: float, width: float) -> NDArray[np.float64]:
    """Up and down once: `at` and `width` in frames."""
    away = np.clip((np.arange(count) - at) / width, -1, 1)
    risen: NDArray[np.float64] = np.cos(np.pi * away) / 2 + 0.5
    return risen


def photo(rng: Rng, footage: Footage, moment: int, count: int) -> Pictures:
    """One frame, zoomed and panned slowly, in a light that changes."""
    zoom = 1.02 + np.linspace(0, rng.uniform(-0.02, 0.25), count)
    pan = np.linspace(0, 1, count)[:, None] * rng.uniform(-0.05, 0.05, 2) * footage.frames[0].shape[1]
    light = 1 + drift(rng, count, rng.choice([0.0, 0.03, 0.08]), 0.8)
    still = footage.frames[moment]
    return [moved(still, 0, zoom[k], (pan[k, 0], pan[k, 1]), light[k]) for k in range(count)]


def listener(rng: Rng, footage: Footage, moment: int, count: int) -> Pictures:
    """Let a face smile, blink and nod with still lips."""
    face, unit = face_at(footage, moment), face_at(footage, moment).unit
    smile = rng.uniform(0, 0.12) * bump(count, rng.uniform(0, count), rng.uniform(0.4, 1.0) * count)
    blink = sum((bump(count, rng.uniform(0, count), 4) for _ in range(int(rng.integers(0, 5)))), np.zeros(count))
    nod = drift(rng, count, 0.06 * unit, rng.uniform(0.3, 1.5))
    sway, turn = drift(rng, count, 0.04 * unit), drift(rng, count, 1.5)
    return [
        moved(face.bent(smile[k], min(blink[k], 1.0)), turn[k], 1 + 0.0005 * nod[k], (sway[k], nod[k]))
        for k in range(count)
    ]


def gulp(rng: Rng, footage: Footage, moment: int, count: int) -> Pictures:
    """Let a face swallow, or open its mouth once."""
    face, unit = face_at(footage, moment), face_at(footage, moment).unit
    opens = rng.random() < 0.5
    once = bump(count, rng.uniform(0.2, 0.8) * count, rng.uniform(5, 20))
    jaw, throat = (rng.uniform(0.05, 0.3) * once, 0 * once) if opens else (0 * once, rng.uniform(0.03, 0.1) * once)
    sway, nod = drift(rng, count, 0.03 * unit), drift(rng, count, 0.03 * unit)
    return [moved(face.bent(jaw=jaw[k], throat=throat[k]), 0, 1.02, (sway[k], nod[k])) for k in range(count)]


POSED: dict[str, Callable[[Rng, Footage, int, int], Pictures]] = {"photo": photo, "listener": listener, "gulp": gulp}


def turned(footage: Footage, angle_deg: float) -> Pictures:
    """Turn the head away, as if it were a cylinder with the face on its front; the back gets the colour of hair."""
    seen = np.flatnonzero(footage.seen)
    pictures = []
    for moment, picture in enumerate(footage.frames):
        face = face_at(footage, int(seen[np.argmin(np.abs(seen - moment))]))
        middle, radius = face.points.mean(axis=0) - face.down(0.3), 1.3 * face.unit
        x, y = np.meshgrid(np.arange(picture.shape[1], dtype=np.float32), np.arange(picture.shape[0], dtype=np.float32))
        across, down = (x - middle[0]) / radius, (y - middle[1]) / (1.9 * face.unit)
        angle = np.arcsin(np.clip(across, -1, 1)) - np.radians(angle_deg)
        angle = (angle + np.pi) % (2 * np.pi) - np.pi
        source = (middle[0] + radius * np.sin(angle)).astype(np.float32)
        laid = cv2.remap(picture, source, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        hair = np.array([70.0, 50.0, 35.0]) + 12 * np.sin(x * 60 / face.unit + 3 * np.sin(y * 4 / face.unit))[..., None]
        front = np.clip((np.pi / 2 - np.abs(angle)) / 0.1, 0, 1)[..., None]
        inside = np.clip((1 - np.hypot(across, down)) / 0.05, 0, 1)[..., None]
        head = laid * front + hair * (1 - front)
        pictures.append((head * inside + picture * (1 - inside)).astype(np.uint8))
    return pictures


def distant(rng: Rng, pictures: Pictures, eyes_px: float) -> Pictures:
    """Shrink the picture to eyes 5 to 11 pixels apart and show it in a landscape."""
    scale = rng.uniform(5, 11) / eyes_px
    width, height = (int(2 * (side // 2)) for side in rng.uniform(*SIZE_PX, 2))
    size = (max(8, int(pictures[0].shape[1] * scale)), max(8, int(pictures[0].shape[0] * scale)))
    ground = cv2.resize(landscape(rng, width, height, 1)[0], (max(width, size[0]), max(height, size[1])))
    left, top = (int(rng.integers(0, room + 1)) for room in (ground.shape[1] - size[0], ground.shape[0] - size[1]))
    shown: Pictures = []
    for picture in pictures:
        canvas = np.array(ground, np.uint8)
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        canvas[top : top + size[1], left : left + size[0]] = small
        shown.append(canvas)
    return shown
