"""Compare the whole face with what surrounds it: hair and neck, in the same frames.

Method: the outline of the face is read ring by ring, inwards over the skin and outwards over hair (above the brows) and
neck (below the mouth). Two measures: the sharpness slope (finest less next band) of hair and neck less that of the
face's interior, whose weights sum to zero in every band so that what is done to the picture as a whole cancels; and
the step of tone along an outline inside of the face's own, against the same measure at the rings inside and outside
of it (as in `boundary`). A swapped face is often smoother than the hair and the neck that it was put between, and
ends in a step of skin tone.

Sources: smoothness and colour mismatch of swapped faces, Matern et al., WACVW 2019; blending boundaries, Li et al.,
Face X-ray, CVPR 2020.

What moves it innocently: much. A shallow depth of field blurs hair and background (that direction is not counted),
make-up and camera "beauty" filters smooth the face, a collar or a bald head stands where neck or hair are expected,
beards have a tone of their own. The spread of authentic clips is therefore large, and only gross cases leave it.

Conventions: bands at native pixels, pictures of large faces thinned until the eyes are 48 to 96 pixels apart; unit of
the score is the spread of authentic clips about their centre.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipaccord.course import Values, beyond, smooth, telling_frames
from lipaccord.cues.reasons import other_landmarks, too_few_frames, too_small
from lipaccord.outlines import answers, inside, middle, outward, rays, read, spaced
from lipaccord.records import (
    BoolArray,
    Evidence,
    FaceView,
    FindingName,
    FloatArray,
    Reason,
    Series,
    Tracks,
)
from lipaccord.regions import eye_distance
from lipaccord.usable import frontal

PLACES = ("interior", "hair", "neck")
BANDS = ("finest", "fine")
TONES = ("luma", "cr", "cb")
THINNED_PX = 96.0  # eye distance from which every second pixel is averaged
DIRECTIONS = 64
SKIN = np.linspace(-0.42, -0.14, 8, dtype=np.float32)  # eye distances off the outline
SURROUND = np.linspace(0.10, 0.26, 6, dtype=np.float32)
RINGS = np.linspace(-0.55, -0.05, 20, dtype=np.float32)
APART = 2
STEPS = len(RINGS) - 1 - 2 * APART
MIN_PLACES = 24
MIN_ANSWER = 0.02  # grey levels
HAIR_ABOVE, NECK_BELOW = -0.35, 1.2  # eye distances below the eyes

MIN_EYES_PX = 30.0
MIN_FRAMES = 12
EVERY = 2  # frames: what is averaged over the clip needs no more
WINDOW_S = 1.0
MIN_SEGMENT_S = 0.5
UNIT = "spreads of authentic clips; above zero = the face is smoother than hair and neck"

# Measured on 40 authentic clips of political speech and interviews (40 to 200 pixels between the eyes), 1.2 to 3 s
# each, as they came, re-encoded by H.264 at CRF 24, 27 and 31, halved, doubled, blurred by 1 and 2 pixels and sharpened
# as a whole, and on 45 of news anchors and one laboratory speaker (about 45 pixels), as they came, halved and blurred
# by 1 pixel. 39 of 40, however processed, lie below the limit; 3 in 100 as they came reach the local one within 3 s.
SOFT_CENTER, SOFT_SPREAD = -0.04, 0.175
TONE_CENTER, TONE_SPREAD = 0.43, 0.18
CENTER, SPREAD = 0.55, 0.9  # of the larger of the two
LIMIT = 2.6
LOCAL_LIMIT = 2.5
TONE_FLOORS = (0.15, 0.05, 0.05)  # grey levels laid on a contrast

_ONE = np.pad(np.ones((1, 1)), 2)
_THREE = np.pad(np.outer([1, 2, 1], [1, 2, 1]) / 16, 1)
_FIVE = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
_KERNELS = np.array([_ONE - _THREE, _THREE - _FIVE], np.float32)


def _thinned(luma: NDArray[np.uint8], eyes_px: float) -> tuple[NDArray[np.uint8], int]:
    """Average a large face's pixels by powers of two; return by how much."""
    step = 1 << max(0, int(np.log2(max(eyes_px, 1.0) / (THINNED_PX / 2))))
    if step == 1:
        return luma, 1
    size = (luma.shape[1] // step, luma.shape[0] // step)
    part = luma[: size[1] * step, : size[0] * step]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8), step


class FaceProbe:
    """Reads the face and its surround; fulfils `lipaccord.records.Probe`.

    Columns: log2 of the mean absolute answer (grey levels) by place and band; the contrast of the tone's step at each
    ring (grey levels).
    """

    columns: tuple[str, ...] = (
        *(f"{place}.{band}" for place in PLACES for band in BANDS),
        *(f"step.{tone}.{ring}" for tone in TONES for ring in range(STEPS)),
    )

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Measure one frame [shape=(M,)].

        NaN for places out of the picture, and for all in layouts without an outline and in the frames between those
        that `EVERY` names.
        """
        ring = view.layout.rings.get("face")
        if ring is None or view.frame % EVERY:
            return np.full(len(self.columns), np.nan, np.float32)
        outline = view.points[list(ring)]
        points = spaced(np.concatenate([outline, outline[:1]]), DIRECTIONS + 1)[:-1]
        normals = outward(points, outline.mean(axis=0), closed=True)
        return np.concatenate([_sharpness(view, points, normals).ravel(), _steps(view, ring).ravel()])


def _sectors(view: FaceView) -> NDArray[np.intp]:
    """Which of `PLACES` lies beyond each direction, -1 for none [shape=(DIRECTIONS,)]: the sides are background."""
    ring = view.aligned_points[list(view.layout.rings["face"])]
    y = spaced(np.concatenate([ring, ring[:1]]), DIRECTIONS + 1)[:-1, 1]
    eyes_px = float(eye_distance(view.layout, view.aligned_points))
    down = (y - view.aligned_points[[*view.layout.right_eye, *view.layout.left_eye], 1].mean()) / eyes_px
    return np.where(down < HAIR_ABOVE, 1, np.where(down > NECK_BELOW, 2, -1))


def _sharpness(view: FaceView, points: FloatArray, normals: FloatArray) -> FloatArray:
    """Mean log2 answer of each band at each of `PLACES` [shape=(len(PLACES), len(BANDS))]."""
    luma, step = _thinned(view.luma, view.interocular_px)
    distances = np.concatenate([SKIN, SURROUND]) * np.float32(view.interocular_px)
    places = (rays(points, normals, distances) + np.float32(0.5)) / np.float32(step) - np.float32(0.5)
    limit = np.array(luma.shape[::-1]) - 3.5
    kept = ((places >= 2.5) & (places <= limit)).all(axis=2)
    owner = np.repeat(_sectors(view)[:, None], len(distances), axis=1)
    owner[:, : len(SKIN)] = 0
    values = np.abs(answers(luma, places[kept], _KERNELS))
    result = np.full((len(PLACES), len(BANDS)), np.nan, np.float32)
    for index in range(len(PLACES)):
        part = values[owner[kept] == index]
        if len(part) >= MIN_PLACES:
            result[index] = np.log2(MIN_ANSWER + part.mean(axis=0))
    return result


def _steps(view: FaceView, ring: tuple[int, ...]) -> FloatArray:
    """Step of tone at each ring less that of its neighbours [shape=(len(TONES), STEPS)]."""
    outline = view.aligned_points[list(ring)]
    points = spaced(np.concatenate([outline, outline[:1]]), DIRECTIONS + 1)[:-1]
    normals = outward(points, outline.mean(axis=0), closed=True)
    eyes_px = float(eye_distance(view.layout, view.aligned_points))
    places = rays(points, normals, RINGS * np.float32(eyes_px))
    kept = inside(places, view.aligned_luma.shape)
    if kept.sum() < DIRECTIONS // 2:
        return np.full((len(TONES), STEPS), np.nan, np.float32)
    colours = cv2.boxFilter(cv2.cvtColor(view.aligned, cv2.COLOR_RGB2YCrCb), cv2.CV_32F, (3, 3))
    values = read(colours, places[kept])
    step = np.diff(values, axis=1)
    contrast = step[:, APART:-APART] - (step[:, : -2 * APART] + step[:, 2 * APART :]) / 2
    return middle(np.asarray(contrast, np.float32)).T


def _softness(values: Values) -> Values:
    """Slope of hair and neck less that of the interior, in spreads [shape=(T,)]; NaN where one is not seen."""
    bands = values[:, : len(PLACES) * len(BANDS)].reshape(-1, len(PLACES), len(BANDS))
    slope = bands[..., 0] - bands[..., 1]
    result: Values = ((slope[:, 1] + slope[:, 2]) / 2 - slope[:, 0] - SOFT_CENTER) / SOFT_SPREAD
    return result


def _tone(contrasts: Values) -> float:
    """How far the ring with the largest step of tone stands out from the usual one, in spreads.

    `contrasts` is the clip's median [shape=(len(TONES), STEPS)]; the mean over the tones of the logarithm is taken.
    """
    size = np.abs(contrasts) + np.array(TONE_FLOORS)[:, None]
    stands = np.log(size / np.median(size, axis=1, keepdims=True)).mean(axis=0)
    return (float(stands.max()) - TONE_CENTER) / TONE_SPREAD


def _words(score: float) -> str:
    """Say in plain words what the score means."""
    if score <= LIMIT:
        return (
            f"The face fits between hair and neck in sharpness and tone: {score:.1f} spreads off the authentic centre, "
            f"and up to {LIMIT:.1f} is usual."
        )
    return (
        f"The face is smoother than hair and neck, or ends in a step of tone: {score:.1f} spreads above the authentic "
        f"centre, where up to {LIMIT:.1f} is usual."
    )


def _abstention(tracks: Tracks, facing: BoolArray, usable: BoolArray) -> tuple[Reason, ...]:
    """Say why the face can't be judged; empty where it can."""
    if "face" not in tracks.face.layout.rings:
        return (other_landmarks(tracks.face.layout.name, "have no outline of the face"),)
    small = too_small(tracks.texture.interocular_px, MIN_EYES_PX, "this comparison needs")
    if small is not None:
        return (small,)
    if usable.sum() >= MIN_FRAMES:
        return ()
    if facing.sum() >= MIN_FRAMES * EVERY:
        text = f"Hair and neck are seen beside the face in only {usable.sum()} frames; {MIN_FRAMES} are needed."
        return (Reason("no_surround", text, "use a stretch, or an uncropped copy, that shows the head with its neck"),)
    return (too_few_frames(facing.sum(), MIN_FRAMES * EVERY, "frames show the face well enough"),)


class FaceCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the two parts of the score (``softness`` and ``tone``, spreads), the ``limit`` of the authentic
    range and the number of ``frames``.
    """

    name = "face"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Compare the face with hair and neck; abstain where they are not seen."""
        probe = tracks.probes[self.name]
        values = probe.values.astype(np.float64)
        softness = _softness(values)
        facing = frontal(tracks)
        usable = facing & np.isfinite(values).all(axis=1)
        abstained = _abstention(tracks, facing, usable)
        if abstained:
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        soft = float(np.median(softness[usable]))
        contrasts = np.median(values[usable, len(PLACES) * len(BANDS) :], axis=0)
        tone = _tone(contrasts.reshape(len(TONES), STEPS))
        score = (max(soft, tone) - CENTER) / SPREAD
        course = smooth(probe.times_s, softness, np.ones_like(softness), usable, WINDOW_S)
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=score,
            summary=_words(score),
            frames_s=telling_frames(probe.times_s, np.where(usable, course, np.nan)),
            series=(Series("face.softness", UNIT, probe.times_s, course.astype(np.float32)),),
            segments=beyond(probe.times_s, np.maximum(course, 0), LOCAL_LIMIT, _words, MIN_SEGMENT_S),
            details={"softness": soft, "tone": tone, "limit": LIMIT, "frames": int(usable.sum())},
        )
