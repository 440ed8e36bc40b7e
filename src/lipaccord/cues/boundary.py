"""Look for the edge of a mask on the lower face: a step of tone, of noise or of detail, and a doubled jaw.

Method: whoever pastes or paints a lower face ends it somewhere. Three families of outlines stand for where: rings round
the mouth, the line of cheeks and jaw moved inwards, and level lines across the cheeks below the eyes. Across each
outline five quantities are read (luma, the two colour differences, noise and fine detail) and their step is compared
with the steps just inside and outside of it, so that slow shading cancels. The null is the face's own: the same
measure at all the other rings of the family. How far a ring stands out from the usual one is averaged over the tones
and over the textures, because a mask ends them at one place, and the ring that stands out most is taken. The median
over time comes first: a pasted mask moves with the face, light and background do not.

Beside it: the autocorrelation of the gradient across the jaw. A second ridge at a constant small distance along much
of the jaw is a chin painted over a chin.

Sources: blending boundaries as the trace of composed faces, Li et al., Face X-ray, CVPR 2020; noise by the operator of
Immerkaer, Computer Vision and Image Understanding 64(2), 1996; doubled chins in faces painted
over, Matern et al., WACVW 2019.

What moves it innocently: beards that end along the jaw, folds beside the mouth, hard shadows, collars close to the jaw.
A feathered mask of the right tone leaves no step, so a small score says little.

Conventions: steps in the face laid level (luma and colour) and at native pixels (noise, detail); distances in shares of
the eye distance; unit of the score is the spread of authentic clips about their centre.
"""

from __future__ import annotations

import cv2
import numpy as np

from lipaccord.course import Values, beyond, telling_frames
from lipaccord.cues.reasons import too_few_frames, too_small
from lipaccord.outlines import answers, inside, middle, native, outward, rays, read, spaced
from lipaccord.records import (
    BoolArray,
    Evidence,
    FaceView,
    FindingName,
    FloatArray,
    Reason,
    Series,
    TimeArray,
    Tracks,
)
from lipaccord.regions import eye_distance
from lipaccord.usable import frontal

FAMILIES = ("mouth", "jaw", "cheeks")
QUANTITIES = ("luma", "cr", "cb", "noise", "detail")
TONES = 3
KINDS = ("tone", "texture")
GAP = 0.0275  # eye distances between neighbouring rings
RINGS = 20
START = (0.05, -0.56, -0.12)  # of the innermost ring off its line, by family
APART = 2  # rings between a step and the ones that it is compared with
STEPS = RINGS - 1 - 2 * APART
SHAPE = (len(FAMILIES), len(QUANTITIES), STEPS)
DIRECTIONS = 32
MIN_ANSWER = 0.05  # grey levels
MIN_OUTLINE = 8  # points
LOWER_FACE = 0.35  # eye distances below the eyes: where the lower outline begins
CHEEK = np.linspace(0.06, 0.46, DIRECTIONS // 2, dtype=np.float32)  # from the wing of the nose outwards
LAGS = tuple(range(3, 12))  # pixels of the level copy, 64 between the eyes
REACH = np.arange(-13, 14, dtype=np.float32)  # the same

MIN_EYES_PX = 24.0
BLOCK = 2000  # frames of the time course at a time: bounds the memory
UNIT = "spreads of authentic clips; above zero = an edge stands out"

_IMMERKAER = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))
_DETAIL = ((-0.0625, -0.125, -0.0625), (-0.125, 0.75, -0.125), (-0.0625, -0.125, -0.0625))
_KERNELS = np.array([_IMMERKAER, _DETAIL], np.float32)

MIN_FRAMES = 12
EVERY = 2  # frames: what is averaged over the clip needs no more
WINDOW_S = 1.0
MIN_SEGMENT_S = 0.5
# Measured on 40 authentic clips of political speech and interviews (40 to 200 pixels between the eyes), 1.2 to 3 s
# each, as they came, re-encoded by H.264 at CRF 24, 27 and 31, halved, doubled, blurred by 1 and 2 pixels and sharpened
# as a whole, and on 45 of news anchors and one laboratory speaker (about 45 pixels), as they came, halved and blurred
# by 1 pixel. 39 of 40, however processed, lie below the limit; 3 in 100 as they came reach the local one within 3 s.
STEP_CENTERS, STEP_SPREADS = (0.72, 1.01), (0.30, 0.24)  # tone, texture
DOUBLED_CENTER, DOUBLED_SPREAD = -0.005, 0.018
CENTER, SPREAD = 0.98, 0.92  # of the largest of the three
LIMIT = 2.6
LOCAL_LIMIT = 3.5
FLOORS = (
    0.15,
    0.05,
    0.05,
    0.01,
    0.01,
)  # laid on a contrast, by quantity: grey levels; log2


def _lines(view: FaceView, eyes_px: float) -> tuple[FloatArray, FloatArray]:
    """Points and outward normals of the lines of `FAMILIES` [shape=(F, DIRECTIONS, 2)], level copy; NaN for none."""
    xy, rings = view.aligned_points, view.layout.rings
    points = np.full((len(FAMILIES), DIRECTIONS, 2), np.nan, np.float32)
    lips = xy[list(rings["outer_lips"])]
    center = lips.mean(axis=0)
    hull = np.asarray(cv2.convexHull(lips), np.float32)[:, 0]
    points[0] = spaced(np.concatenate([hull, hull[:1]]), DIRECTIONS + 1)[:-1]
    nose = xy[list(rings["nose"])]
    across = CHEEK * np.float32(eyes_px)
    points[2, :, 0] = np.concatenate([nose[:, 0].min() - across[::-1], nose[:, 0].max() + across])
    points[2, :, 1] = nose[:, 1].max()
    eyes_y = xy[[*view.layout.right_eye, *view.layout.left_eye], 1].mean()
    face = xy[list(rings.get("face", ()))]
    lower = face[face[:, 1] > eyes_y + LOWER_FACE * eyes_px]
    if len(lower) >= MIN_OUTLINE:
        points[1] = spaced(lower, DIRECTIONS)
    normals = np.concatenate([outward(points[:1], center, closed=True), outward(points[1:], center)])
    normals[2] = (0.0, -1.0)
    return points, normals


def _contrasts(values: FloatArray) -> FloatArray:
    """Step at each ring less the mean step of the rings `APART` from it [(N, RINGS, Q) -> (N, STEPS, Q)]."""
    step = np.diff(values, axis=1)
    return np.asarray(step[:, APART:-APART] - (step[:, : -2 * APART] + step[:, 2 * APART :]) / 2, np.float32)


def _profile(tones: FloatArray, fine: FloatArray) -> FloatArray:
    """Contrasts of one family [shape=(Q, STEPS)] from its tones (N, RINGS, 3) and filter answers (N, RINGS, 2).

    A tone's step is taken in each direction first, since it hardly varies along the outline. An answer of a single
    pixel says little: its size is averaged along the ring first.
    """
    strength = np.log2(MIN_ANSWER + middle(np.abs(fine)))
    result: FloatArray = np.concatenate([middle(_contrasts(tones)), _contrasts(strength[None])[0]], axis=1).T
    return result


def _ridges(view: FaceView, points: FloatArray, normals: FloatArray) -> FloatArray:
    """Autocorrelation of the absolute gradient across the jaw, by lag, the mean along it [shape=(len(LAGS),)]."""
    places = native(view, rays(points, normals, REACH))
    kept = inside(places, view.luma.shape)
    if kept.sum() < DIRECTIONS // 2:
        return np.full(len(LAGS), np.nan, np.float32)
    steep = np.abs(np.diff(read(view.luma, places[kept]), axis=1))
    steep -= steep.mean(axis=1, keepdims=True)
    power = np.square(steep).sum(axis=1) + 1.0  # one grey level: a flat profile has no ridge
    shared = np.stack([np.einsum("nr,nr->n", steep[:, :-lag], steep[:, lag:]) for lag in LAGS])
    mean: FloatArray = (shared / power).mean(axis=1).astype(np.float32)
    return mean


class BoundaryProbe:
    """Reads the face across its outlines; fulfils `lipaccord.records.Probe`.

    Columns: the contrast of each family, quantity and ring (grey levels; log2 for noise and detail), then the
    autocorrelation of the gradient across the jaw by lag.
    """

    columns: tuple[str, ...] = (
        *(f"{family}.{name}.{ring}" for family in FAMILIES for name in QUANTITIES for ring in range(STEPS)),
        *(f"jaw.ridge.{lag}" for lag in LAGS),
    )

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Measure one frame [shape=(M,)].

        NaN for a family that leaves the picture or that the layout lacks, and for all in the frames between those
        that `EVERY` names.
        """
        if view.frame % EVERY:
            return np.full(len(self.columns), np.nan, np.float32)
        eyes_px = float(eye_distance(view.layout, view.aligned_points))
        points, normals = _lines(view, eyes_px)
        distances = (np.array(START)[:, None] + GAP * np.arange(RINGS)) * eyes_px
        places = points[:, :, None] + normals[:, :, None] * distances[:, None, :, None].astype(np.float32)
        places = places.reshape(-1, RINGS, 2)
        at_native = native(view, places)
        kept = inside(places, view.aligned_luma.shape) & inside(at_native, view.luma.shape, 1)
        owner = np.repeat(np.arange(len(FAMILIES)), DIRECTIONS)[kept]
        colours = cv2.boxFilter(cv2.cvtColor(view.aligned, cv2.COLOR_RGB2YCrCb), cv2.CV_32F, (3, 3))
        tones, fine = read(colours, places[kept]), answers(view.luma, at_native[kept], _KERNELS)
        steps = np.full(SHAPE, np.nan, np.float32)
        for index in range(len(FAMILIES)):
            part = owner == index
            if part.sum() >= DIRECTIONS // 2:
                steps[index] = _profile(tones[part], fine[part])
        return np.concatenate([steps.ravel(), _ridges(view, points[1], normals[1])])


def _standing_out(contrasts: Values) -> Values:
    """How far each ring stands out, in spreads of authentic clips [(..., F, Q, STEPS) -> (..., F, 2, STEPS)].

    The natural logarithm of its contrast over the usual one of the family (the median over the rings), the mean over
    tones and over textures; NaN where the family was not seen.
    """
    size = np.abs(contrasts) + np.array(FLOORS)[:, None]
    stands = np.log(size / np.median(size, axis=-1, keepdims=True))
    kinds = np.stack([stands[..., :TONES, :].mean(axis=-2), stands[..., TONES:, :].mean(axis=-2)], axis=-2)
    result: Values = (kinds - np.array(STEP_CENTERS)[:, None]) / np.array(STEP_SPREADS)[:, None]
    return result


def _steps(contrasts: Values) -> Values:
    """How far the ring that stands out most does so, by `KINDS`, in spreads [(..., F, Q, STEPS) -> (..., 2)]."""
    rings = _standing_out(contrasts)
    highest = np.where(np.isfinite(rings), rings, -np.inf).max(axis=(-3, -1))
    return np.where(np.isfinite(highest), highest, np.nan)


def _place(contrasts: Values) -> dict[str, str | float]:
    """Say where the step that stands out most lies, and of what kind it is."""
    rings = _standing_out(contrasts)
    family, kind, ring = (int(index) for index in np.unravel_index(np.nanargmax(rings), rings.shape))
    distance = START[family] + GAP * (ring + APART + 0.5)
    return {"family": FAMILIES[family], "kind": KINDS[kind], "distance": round(distance, 3)}


def _doubled(ridges: Values) -> float | None:
    """Height of a second ridge across the jaw [shape=(len(LAGS),)], in spreads; None where the jaw was not seen."""
    if not np.isfinite(ridges).all():
        return None
    height = ridges[2:-2] - (ridges[:-4] + ridges[4:]) / 2
    return (float(height.max()) - DOUBLED_CENTER) / DOUBLED_SPREAD


def _course(times_s: TimeArray, steps: FloatArray, usable: BoolArray) -> Values:
    """Score of the running mean of the contrasts over `WINDOW_S` [shape=(T,)]; NaN where no frame is usable."""
    result = np.full(len(times_s), np.nan)
    first = np.searchsorted(times_s, times_s - WINDOW_S / 2, side="left")
    last = np.searchsorted(times_s, times_s + WINDOW_S / 2, side="right")
    for start in range(0, len(times_s), BLOCK):
        here = slice(start, min(start + BLOCK, len(times_s)))
        low, high = first[here.start], last[here.stop - 1]
        values = steps[low:high].astype(np.float64)
        known = np.isfinite(values) & usable[low:high, None]
        sums, counts = (
            np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(part, axis=0)])
            for part in (np.where(known, values, 0.0), known)
        )
        count = counts[last[here] - low] - counts[first[here] - low]
        total = sums[last[here] - low] - sums[first[here] - low]
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        result[here] = (_steps(mean.reshape(-1, *SHAPE)).max(axis=1) - CENTER) / SPREAD
    return result


def _median(values: FloatArray) -> Values:
    """Median over time of the columns that at least half of the frames show, NaN for the others [shape=(M,)]."""
    shown = np.isfinite(values).mean(axis=0) >= 0.5
    result = np.full(values.shape[1], np.nan)
    result[shown] = np.nanmedian(values[:, shown], axis=0)
    return result


def _usable(tracks: Tracks, steps: FloatArray) -> BoolArray:
    """Frames that show the family of outlines that is seen most [shape=(T,)]."""
    seen = np.isfinite(steps.reshape(-1, *SHAPE)[:, :, 0, 0])
    usable = frontal(tracks)
    usable &= seen[:, int(seen[usable].sum(axis=0).argmax())]
    return usable


def _words(score: float) -> str:
    """Say in plain words what the score means."""
    if score <= LIMIT:
        return (
            f"No edge of a mask stands out on the lower face: the largest step lies {score:.1f} spreads off the "
            f"authentic centre, and up to {LIMIT:.1f} is usual."
        )
    return (
        f"A step of tone or texture, or a second edge, follows an outline of the lower face: {score:.1f} spreads above "
        f"the authentic centre, where up to {LIMIT:.1f} is usual."
    )


def _abstention(tracks: Tracks, usable: BoolArray) -> tuple[Reason, ...]:
    """Say why the face can't be judged; empty where it can."""
    small = too_small(tracks.texture.interocular_px, MIN_EYES_PX, "an edge needs")
    if small is not None:
        return (small,)
    if usable.sum() < MIN_FRAMES:
        return (too_few_frames(usable.sum(), MIN_FRAMES, "frames show the outlines well enough"),)
    return ()


class BoundaryCue:
    """See the module; fulfils `lipaccord.records.Cue`.

    The details hold the three parts of the score (``tone``, ``texture``, ``doubled``; null where the jaw was not seen),
    the ``family`` of outlines, the ``kind`` (tone or texture) and the ``distance`` (eye distances off the line) of the
    step that stands out most, the ``limit`` and the number of ``frames``.
    """

    name = "boundary"
    version = "1"
    finding: FindingName = "resynthesis"

    def measure(self, tracks: Tracks) -> Evidence:
        """Look for an edge; abstain where the face is too small or too little is seen."""
        probe = tracks.probes[self.name]
        steps = probe.values[:, : int(np.prod(SHAPE))]
        usable = _usable(tracks, steps)
        abstained = _abstention(tracks, usable)
        if abstained:
            return Evidence(self.name, self.version, self.finding, None, abstained[0].text, abstained=abstained)
        typical = _median(steps[usable]).reshape(SHAPE)
        parts: dict[str, float | None] = dict(zip(KINDS, _steps(typical).tolist(), strict=True))
        parts["doubled"] = _doubled(_median(probe.values[usable, steps.shape[1] :]))
        score = (max(part for part in parts.values() if part is not None) - CENTER) / SPREAD
        course = _course(probe.times_s, steps, usable)
        return Evidence(
            cue=self.name,
            version=self.version,
            finding=self.finding,
            score=score,
            summary=_words(score),
            frames_s=telling_frames(probe.times_s, course),
            series=(Series("boundary.step", UNIT, probe.times_s, course.astype(np.float32)),),
            segments=beyond(probe.times_s, np.maximum(course, 0), LOCAL_LIMIT, _words, MIN_SEGMENT_S),
            details={**parts, **_place(typical), "limit": LIMIT, "frames": int(usable.sum())},
        )
