"""Every record that travels between the stages, and the two plug-in protocols.

The flow is Clip -> Tracks (face, mouth, texture, probes, speech, prediction) -> Evidence -> Finding -> Analysis.

Conventions
-----------
- Times are float64 seconds on the container's clock, from presentation timestamps; never index / rate.
- Points are pixels of the displayed picture (after rotation), x to the right and y down, origin at the
  centre of the top left pixel, NaN where unseen.
- Shapes are written with T (video frames), N (100 Hz speech frames), L (landmarks), K (lip points),
  R (texture regions), S (scales) and C (mouth shape components).
- Scores are larger = more suspicious. An AV offset is positive when the sound comes late.
- Records are frozen and their arrays read-only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
TimeArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.int64]
Image = NDArray[np.uint8]

FindingName = Literal["sync", "resynthesis"]


def _freeze(record: object, name: str, dtype: type[np.generic], shape: tuple[int | None, ...]) -> None:
    """Cast field `name` of a frozen record to `dtype`, check its shape (None: any) and lock it."""
    array = np.ascontiguousarray(getattr(record, name), dtype=dtype)
    if array.ndim != len(shape) or any(
        want is not None and want != have for want, have in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"{type(record).__name__}.{name} has shape {array.shape}, expected {shape}")
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    object.__setattr__(record, name, array)


def _freeze_times(record: object, name: str = "times_s") -> int:
    """Check that a time axis is finite and rises strictly; return its length."""
    _freeze(record, name, np.float64, (None,))
    times = getattr(record, name)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError(f"{type(record).__name__}.{name} must be finite and rise strictly")
    return len(times)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A stretch of time.

    Attributes
    ----------
    start_s, end_s : float
        Seconds on the container's clock; ``end_s >= start_s``.
    """

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not self.end_s >= self.start_s:
            raise ValueError(f"an interval must not end ({self.end_s}) before it starts ({self.start_s})")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    def __str__(self) -> str:
        return f"{self.start_s:.2f}-{self.end_s:.2f} s"


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What the container claims of its video stream, and what was counted while decoding it.

    Attributes
    ----------
    width, height : int
        Size of the displayed picture in pixels, after rotation.
    rotation_deg : int
        Clockwise turn that the container asks for and that was applied: 0, 90, 180 or 270.
    claimed_frames, claimed_duration_s, claimed_rate_hz
        From the header; None where it is silent.
    counted_frames, counted_duration_s, counted_rate_hz
        From the decoded frames; the rate is one over the median frame interval.
    start_s : float
        Time of the first decoded frame.
    variable_rate : bool
        Frame intervals differ by more than the container's time base explains.
    gaps : tuple of Interval
        Stretches without a frame, longer than twice the median frame interval.
    duplicate_timestamps : int
        Frames dropped because their time did not lie after that of the frame before.
    decode_errors : int
        Packets that the decoder refused.
    """

    codec: str
    pixel_format: str
    color_range: str
    width: int
    height: int
    rotation_deg: int
    claimed_frames: int | None
    claimed_duration_s: float | None
    claimed_rate_hz: float | None
    counted_frames: int
    counted_duration_s: float
    counted_rate_hz: float | None
    start_s: float
    variable_rate: bool
    gaps: tuple[Interval, ...] = ()
    duplicate_timestamps: int = 0
    decode_errors: int = 0


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What the container claims of its audio stream, and what was counted while decoding it.

    Attributes
    ----------
    sample_rate_hz, channels, layout
        Of the stream as stored, before the mix to 16 kHz mono.
    claimed_duration_s : float or None
        From the header.
    counted_duration_s : float
        Decoded samples over the sample rate.
    start_s : float
        Time of the first sample that is presented (after encoder priming is skipped).
    gaps : tuple of Interval
        Stretches between decoded blocks that hold no samples; they are filled with silence.
    decode_errors : int
        Packets that the decoder refused.
    """

    codec: str
    sample_rate_hz: int
    channels: int
    layout: str
    claimed_duration_s: float | None
    counted_duration_s: float
    start_s: float
    gaps: tuple[Interval, ...] = ()
    decode_errors: int = 0


@dataclass(frozen=True, slots=True)
class Clip:
    """The examined file: its identity and its container facts, complete once it has been decoded.

    Attributes
    ----------
    path : str
        As given by the caller.
    sha256 : str
        Of the whole file, in hexadecimal.
    duration_s : float
        Of the examined part: from the earlier start to the later end of its two streams.
    notes : tuple of str
        Oddities in plain words (damage, gaps, claims that the count does not bear out).
    """

    path: str
    sha256: str
    container: str
    duration_s: float
    video: VideoFacts
    audio: AudioFacts
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture.

    Attributes
    ----------
    index : int
        Position among the frames delivered, from 0.
    time_s : float
        Presentation time.
    image : ndarray of uint8 [shape=(height, width, 3)]
        RGB, rotated for display, contiguous, full range.
    """

    index: int
    time_s: float
    image: Image

    def __post_init__(self) -> None:
        _freeze(self, "image", np.uint8, (None, None, 3))

    def __repr__(self) -> str:
        return f"Frame({self.index} at {self.time_s:.3f} s, {self.image.shape[1]}x{self.image.shape[0]})"


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a clip, mixed down and resampled.

    Attributes
    ----------
    samples : ndarray of float32 [shape=(n,)]
        Mono, -1 to 1, at the stream's own level.
    rate_hz : int
        Samples a second.
    start_s : float
        Time of sample 0 on the container's clock.
    """

    samples: FloatArray
    rate_hz: int
    start_s: float

    def __post_init__(self) -> None:
        _freeze(self, "samples", np.float32, (None,))

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    def __repr__(self) -> str:
        return f"Sound({self.duration_s:.2f} s at {self.rate_hz} Hz, from {self.start_s:.3f} s)"


@dataclass(frozen=True, slots=True)
class LandmarkLayout:
    """Which landmark is which: the index sets through which stages address a backend's points.

    Attributes
    ----------
    name : str
        ``mediapipe-478`` or ``ibug-68``.
    count : int
        Number of landmarks L.
    lips : tuple of int
        Lip points in the order that the mouth shape uses [K].
    native_lips : tuple of int
        For each of `lips`, its position among the 40 native lip points of ``mediapipe-478``.
    rigid : tuple of int
        Points that speech does not move (eye corners, nose bridge, forehead, temples).
    right_eye, left_eye : tuple of int
        The two corners of each eye, outer first; right and left are the person's own.
    mouth_corners : tuple of int
        Right, left.
    inner_lip_pairs : tuple of (int, int)
        Upper and lower points that face each other across the opening of the mouth.
    rings : dict of str to tuple of int
        Closed outlines by name: ``outer_lips``, ``inner_lips``, ``right_eye``, ``left_eye`` and,
        where the layout has them, ``face``.
    """

    name: str
    count: int
    lips: tuple[int, ...]
    native_lips: tuple[int, ...]
    rigid: tuple[int, ...]
    right_eye: tuple[int, int]
    left_eye: tuple[int, int]
    mouth_corners: tuple[int, int]
    inner_lip_pairs: tuple[tuple[int, int], ...]
    rings: dict[str, tuple[int, ...]]

    def __repr__(self) -> str:
        return f"LandmarkLayout({self.name}, {self.count} points, {len(self.lips)} on the lips)"


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """A turned square in which a landmark model looks for one face.

    Attributes
    ----------
    center_x, center_y, size : float
        Pixels; `size` is the side of the square.
    roll_rad : float
        Turn of the face, clockwise in the picture.
    score : float
        The detector's score, 0 to 1; 1 where the region follows the points of the last frame.
    """

    center_x: float
    center_y: float
    size: float
    roll_rad: float
    score: float


@dataclass(frozen=True, slots=True)
class FacePoints:
    """The landmarks of one face in one frame.

    Attributes
    ----------
    xy : ndarray of float32 [shape=(L, 2)]
        Pixels.
    depth : ndarray of float32 [shape=(L,)] or None
        Pixels, smaller = nearer to the camera; None where the backend gives none.
    score : float
        That a face is there, 0 to 1.
    """

    xy: FloatArray
    depth: FloatArray | None
    score: float

    def __post_init__(self) -> None:
        _freeze(self, "xy", np.float32, (None, 2))
        if self.depth is not None:
            _freeze(self, "depth", np.float32, (len(self.xy),))


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One face followed through one shot; gaps stay gaps.

    Attributes
    ----------
    id : str
        ``face-1``, ``face-2``, ... in order of appearance.
    times_s : ndarray of float64 [shape=(T,)]
        Every frame from the first to the last sight of the face.
    frames : ndarray of int64 [shape=(T,)]
        Index of each frame in the clip.
    points : ndarray of float32 [shape=(T, L, 2)]
        Pixels, NaN where unseen.
    depth : ndarray of float16 [shape=(T, L)] or None
        Pixels, smaller = nearer to the camera.
    scores : ndarray of float32 [shape=(T,)]
        That the face is there, 0 where unseen.
    """

    id: str
    layout: LandmarkLayout
    times_s: TimeArray
    frames: IndexArray
    points: FloatArray
    depth: NDArray[np.float16] | None
    scores: FloatArray

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "frames", np.int64, (length,))
        _freeze(self, "points", np.float32, (length, self.layout.count, 2))
        if self.depth is not None:
            _freeze(self, "depth", np.float16, (length, self.layout.count))
        _freeze(self, "scores", np.float32, (length,))

    @property
    def seen(self) -> BoolArray:
        """Frames in which the face was located [shape=(T,)]."""
        return np.isfinite(self.points[:, 0, 0])

    @property
    def coverage(self) -> float:
        """Share of the track's frames in which the face was located."""
        return float(self.seen.mean())

    @property
    def interocular_px(self) -> float:
        """Median distance between the centres of the two eyes, in pixels."""
        right = self.points[:, list(self.layout.right_eye)].mean(axis=1)
        left = self.points[:, list(self.layout.left_eye)].mean(axis=1)
        distance = np.linalg.norm(left - right, axis=1)
        return float(np.median(distance[self.seen]))

    def __repr__(self) -> str:
        span = Interval(float(self.times_s[0]), float(self.times_s[-1]))
        return f"FaceTrack({self.id}, {span}, {len(self.times_s)} frames, {self.coverage:.0%} seen)"


@dataclass(frozen=True, slots=True)
class MouthMotion:
    """The lips of one track in the face's own frame of reference.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(T,)]
    lips : ndarray of float32 [shape=(T, K, 2)]
        Inter-ocular units with position, roll and, where the backend gives depth, pose removed; NaN
        where unseen.
    native_lips : tuple of int
        Which of the 40 native lip points each of the K is.
    opening, width : ndarray of float32 [shape=(T,)]
        Inner-lip aperture and distance of the mouth corners, inter-ocular units.
    pose_deg : ndarray of float32 [shape=(T, 3)]
        Yaw, pitch and roll in degrees; yaw and pitch are NaN where the backend gives no depth.
    interocular_px : ndarray of float32 [shape=(T,)]
        Distance between the eye centres, corrected for yaw where known.
    valid : ndarray of bool [shape=(T,)]
        The mouth can be measured here.
    exclusions : dict of str to int
        Frames ruled out, by reason: ``unseen``, ``profile``, ``too_small``, ``occluded``.
    """

    times_s: TimeArray
    lips: FloatArray
    native_lips: tuple[int, ...]
    opening: FloatArray
    width: FloatArray
    pose_deg: FloatArray
    interocular_px: FloatArray
    valid: BoolArray
    exclusions: dict[str, int]

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "lips", np.float32, (length, len(self.native_lips), 2))
        for name in ("opening", "width", "interocular_px"):
            _freeze(self, name, np.float32, (length,))
        _freeze(self, "pose_deg", np.float32, (length, 3))
        _freeze(self, "valid", np.bool_, (length,))

    def __repr__(self) -> str:
        return f"MouthMotion({len(self.times_s)} frames, {self.valid.mean():.0%} measurable)"


@dataclass(frozen=True, slots=True)
class FaceView:
    """One face in one frame, as the probes see it: at native pixels, and laid level at one size.

    Attributes
    ----------
    frame : int
        Index in the clip.
    time_s : float
    layout : LandmarkLayout
    image : ndarray of uint8 [shape=(h, w, 3)]
        RGB at native pixels: the face with some of its surroundings, cut from the picture.
    luma : ndarray of uint8 [shape=(h, w)]
        The same in grey (BT.601).
    corner : tuple of int
        Left and top of `image` in the picture; multiples of 16, so that the grid of the codec's blocks is kept.
    points : ndarray of float32 [shape=(L, 2)]
        Landmarks in the pixels of `image`.
    interocular_px : float
        Distance between the eye centres, native pixels.
    aligned : ndarray of uint8 [shape=(H, W, 3)]
        RGB, the eyes level and always at the same two places (`views`); edge pixels repeated outside the picture.
    aligned_luma : ndarray of uint8 [shape=(H, W)]
    aligned_points : ndarray of float32 [shape=(L, 2)]
        Landmarks in the pixels of `aligned`.
    regions : ndarray of uint8 [shape=(H, W)]
        Part of the face at each pixel of `aligned`: 0 for none, else one more than the index in `regions.REGIONS`.
    """

    frame: int
    time_s: float
    layout: LandmarkLayout
    image: Image
    luma: NDArray[np.uint8]
    corner: tuple[int, int]
    points: FloatArray
    interocular_px: float
    aligned: Image
    aligned_luma: NDArray[np.uint8]
    aligned_points: FloatArray
    regions: NDArray[np.uint8]

    def __repr__(self) -> str:
        return f"FaceView({self.frame} at {self.time_s:.3f} s, {self.interocular_px:.0f} px between the eyes)"


@dataclass(frozen=True, slots=True)
class ProbeTrack:
    """What one probe measured of one face, frame by frame.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(T,)]
    columns : tuple of str
        Names of the M quantities.
    values : ndarray of float32 [shape=(T, M)]
        NaN where the face was not seen or the quantity can't be measured.
    """

    times_s: TimeArray
    columns: tuple[str, ...]
    values: FloatArray

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "values", np.float32, (length, len(self.columns)))

    def column(self, name: str) -> FloatArray:
        """Return one quantity by its name [shape=(T,)]."""
        values: FloatArray = self.values[:, self.columns.index(name)]
        return values

    def __repr__(self) -> str:
        return f"ProbeTrack({len(self.times_s)} frames, {len(self.columns)} quantities)"


@dataclass(frozen=True, slots=True)
class FaceCrops:
    """Pairs of neighbouring frames of one face, laid level, spread over the clip: what the splice network sees.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(F,)]
        Of the first frame of each pair.
    pairs : ndarray of uint8 [shape=(F, 2, H, W)]
        Luma; both frames laid by the first one's eyes.
    judged, reference : ndarray of uint8 [shape=(F, h, w)]
        Share of each cell of the network's map that lies in the part that is judged, and in the part that it is
        compared with, 0 to 255.
    """

    times_s: TimeArray
    pairs: NDArray[np.uint8]
    judged: NDArray[np.uint8]
    reference: NDArray[np.uint8]

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "pairs", np.uint8, (length, 2, None, None))
        for name in ("judged", "reference"):
            _freeze(self, name, np.uint8, (length, None, None))

    def __repr__(self) -> str:
        return f"FaceCrops({len(self.times_s)} pairs)"


@dataclass(frozen=True, slots=True)
class SpliceTrack:
    """What the splice network says of each pair of frames.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(F,)]
    scores : ndarray of float32 [shape=(M, F)]
        By member of the network: that the judged part was made otherwise than what it is compared with, in spreads of
        authentic clips.
    map : ndarray of float32 [shape=(h, w)]
        Mean log odds by place over all pairs, in the level frame of `crops`; NaN off both parts.
    """

    times_s: TimeArray
    scores: FloatArray
    map: FloatArray

    def __post_init__(self) -> None:
        _freeze(self, "scores", np.float32, (None, _freeze_times(self)))
        _freeze(self, "map", np.float32, (None, None))

    def __repr__(self) -> str:
        return f"SpliceTrack({len(self.times_s)} pairs)"


@dataclass(frozen=True, slots=True)
class TextureTrack:
    """Sharpness of the parts of one face, frame by frame, at native pixels.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(T,)]
    regions : tuple of str
        Names of the R regions.
    scales : tuple of float
        Centre of each of the S difference-of-Gaussians bands: the standard deviation of the finer
        Gaussian in pixels.
    energy : ndarray of float32 [shape=(T, R, S)]
        log10 of the mean squared band-pass response (grey levels squared); NaN where the region
        is out of the picture, too small or hidden.
    gradient : ndarray of float32 [shape=(T, R)]
        Second measure of sharpness, independent of contrast (see `texture`); NaN as above.
    level : ndarray of float32 [shape=(T, R)]
        Mean grey level, 0 to 255.
    pixels : ndarray of float32 [shape=(T, R)]
        Area of each region in pixels.
    interocular_px, speed, turn : ndarray of float32 [shape=(T,)]
        Size of the face; motion of its rigid points in inter-ocular distances a second; and yaw in
        degrees (NaN without depth): what a cue may compensate for.
    """

    times_s: TimeArray
    regions: tuple[str, ...]
    scales: tuple[float, ...]
    energy: FloatArray
    gradient: FloatArray
    level: FloatArray
    pixels: FloatArray
    interocular_px: FloatArray
    speed: FloatArray
    turn: FloatArray

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "energy", np.float32, (length, len(self.regions), len(self.scales)))
        for name in ("gradient", "level", "pixels"):
            _freeze(self, name, np.float32, (length, len(self.regions)))
        for name in ("interocular_px", "speed", "turn"):
            _freeze(self, name, np.float32, (length,))

    def region(self, name: str) -> int:
        """Return the index of a region by its name."""
        return self.regions.index(name)

    def __repr__(self) -> str:
        return f"TextureTrack({len(self.times_s)} frames, {len(self.regions)} regions, {len(self.scales)} scales)"


@dataclass(frozen=True, slots=True)
class SpeechFeatures:
    """What the predictor hears.

    Attributes
    ----------
    kind : str
        ``logmel-40`` or ``mfcc-28``.
    times_s : ndarray of float64 [shape=(N,)]
        Centre of each analysis window, 100 a second.
    values : ndarray of float32 [shape=(N, D)]
    """

    kind: str
    times_s: TimeArray
    values: FloatArray

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "values", np.float32, (length, None))

    def __repr__(self) -> str:
        return f"SpeechFeatures({self.kind}, {len(self.times_s)} frames)"


@dataclass(frozen=True, slots=True)
class SpeechActivity:
    """Where somebody speaks.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(N,)]
        The clock of the speech features.
    probability : ndarray of float32 [shape=(N,)]
        The detector's probability of speech.
    level_db : ndarray of float32 [shape=(N,)]
        Level of the sound in dB relative to full scale.
    stretches : tuple of Interval
        Speech, after short gaps are closed and short bursts dropped.
    """

    times_s: TimeArray
    probability: FloatArray
    level_db: FloatArray
    stretches: tuple[Interval, ...]

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "probability", np.float32, (length,))
        _freeze(self, "level_db", np.float32, (length,))

    @property
    def speech(self) -> BoolArray:
        """Frames inside a stretch of speech [shape=(N,)]."""
        inside = np.zeros(len(self.times_s), dtype=bool)
        for stretch in self.stretches:
            inside |= (self.times_s >= stretch.start_s) & (self.times_s < stretch.end_s)
        return inside

    def __repr__(self) -> str:
        spoken = sum(stretch.duration_s for stretch in self.stretches)
        return f"SpeechActivity({len(self.stretches)} stretches, {spoken:.1f} s of speech)"


@dataclass(frozen=True, slots=True)
class MouthPrediction:
    """The mouth that the speech asks for, beside the mouth that was seen, on the 100 Hz clock.

    Attributes
    ----------
    times_s : ndarray of float64 [shape=(N,)]
    mean, spread : ndarray of float32 [shape=(N, C)]
        Predicted components of the mouth shape and their standard deviations, z-scored.
    observed : ndarray of float32 [shape=(N, C)]
        Observed components, z-scored, interpolated; NaN where the mouth could not be measured.
    weights : ndarray of float32 [shape=(2, C)]
        How much the values (first row) and the velocity (second row) of each component count in the
        agreement; they sum to one.
    """

    times_s: TimeArray
    mean: FloatArray
    spread: FloatArray
    observed: FloatArray
    weights: FloatArray

    def __post_init__(self) -> None:
        length = _freeze_times(self)
        _freeze(self, "mean", np.float32, (length, None))
        components = self.mean.shape[1]
        for name in ("spread", "observed"):
            _freeze(self, name, np.float32, (length, components))
        _freeze(self, "weights", np.float32, (2, components))

    def __repr__(self) -> str:
        return f"MouthPrediction({len(self.times_s)} frames, {self.mean.shape[1]} components)"


@dataclass(frozen=True, slots=True)
class Tracks:
    """All that was measured of the face examined: what a cue reads; `probes` by cue, `splices` by scope."""

    face: FaceTrack
    mouth: MouthMotion
    texture: TextureTrack
    probes: dict[str, ProbeTrack]
    splices: dict[str, SpliceTrack]
    activity: SpeechActivity
    prediction: MouthPrediction


@dataclass(frozen=True, slots=True)
class Series:
    """A curve for plotting, with its own abscissa.

    Attributes
    ----------
    name : str
        Dotted: the cue or stage, then the quantity (``sync.agreement``).
    unit : str
        Of `values`, in plain words.
    times_s : ndarray of float64 [shape=(n,)]
        Seconds on the container's clock, or lags in seconds where the name ends in ``_by_lag``.
    values : ndarray of float32 [shape=(n,)]
        NaN where there is no value.
    """

    name: str
    unit: str
    times_s: TimeArray
    values: FloatArray

    def __post_init__(self) -> None:
        _freeze(self, "values", np.float32, (_freeze_times(self),))

    def __repr__(self) -> str:
        return f"Series({self.name}, {len(self.times_s)} values, {self.unit})"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the clip that carries a finding of its own."""

    interval: Interval
    finding: FindingName
    score: float
    summary: str
    log10_lr: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a finding says what it says, or why it abstains.

    Attributes
    ----------
    code : str
        Stable, for machines (``too_little_speech``).
    text : str
        A plain sentence; of an abstention, what is lacking.
    remedy : str
        What the user can do; empty only where the reason is no abstention.
    """

    code: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return self.text


def _check_remedies(who: str, reasons: tuple[Reason, ...]) -> None:
    """Refuse an abstention that leaves the user without anything to do."""
    for reason in reasons:
        if not reason.remedy.strip():
            raise ValueError(f"{who}: the abstention {reason.code} must have a remedy")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one cue measured.

    Attributes
    ----------
    cue : str
    version : str
        Changes whenever the same input would give another score.
    finding : str
        The finding that it serves.
    score : float or None
        Larger = more suspicious; None where the cue abstains.
    summary : str
        One plain sentence.
    frames_s : tuple of float
        Times to look at, most telling first.
    series : tuple of Series
    segments : tuple of Segment
    abstained : tuple of Reason
        Not empty exactly when `score` is None; each with a remedy.
    details : dict
        Further numbers by name, JSON values only.
    """

    cue: str
    version: str
    finding: FindingName
    score: float | None
    summary: str
    frames_s: tuple[float, ...] = ()
    series: tuple[Series, ...] = ()
    segments: tuple[Segment, ...] = ()
    abstained: tuple[Reason, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.score is None) != bool(self.abstained):
            raise ValueError(f"cue {self.cue}: a score and an abstention exclude each other")
        if self.score is not None and not np.isfinite(self.score):
            raise ValueError(f"cue {self.cue}: the score must be finite, not {self.score}")
        _check_remedies(f"cue {self.cue}", self.abstained)


@dataclass(frozen=True, slots=True)
class Finding:
    """One of the two answers.

    Attributes
    ----------
    name : str
    status : str
        ``in_sync``, ``offset``, ``unrelated``, ``partly_unrelated``, ``authentic_texture``,
        ``resynthesised``, ``inconclusive`` or ``not_examinable``.
    score : float or None
        The raw statistic; larger = more suspicious.
    log10_lr, bounds
        Calibrated likelihood ratio and the bounds that the data backs; None without calibration.
    reasons : tuple of Reason
        Where the status is ``not_examinable``, at least one, and each with a remedy.
    cues : tuple of Evidence
    details : dict
        What only this finding has (for sync: ``offset_ms``, ``offset_interval_ms``).
    explanations : tuple of Reason
        Innocent explanations that fit, for the reader to rule out.
    """

    name: FindingName
    status: str
    score: float | None
    log10_lr: float | None
    bounds: tuple[float, float] | None
    reasons: tuple[Reason, ...]
    cues: tuple[Evidence, ...]
    details: dict[str, Any] = field(default_factory=dict)
    explanations: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        if (self.log10_lr is None) != (self.bounds is None):
            raise ValueError(f"finding {self.name}: a likelihood ratio and its bounds go together")
        if self.log10_lr is not None and self.bounds is not None:
            low, high = self.bounds
            if not low <= self.log10_lr <= high:
                raise ValueError(f"finding {self.name}: {self.log10_lr} lies outside of the bounds {low} and {high}")
        if self.status == "not_examinable":
            if not self.reasons:
                raise ValueError(f"finding {self.name}: an abstention must have a reason")
            _check_remedies(f"finding {self.name}", self.reasons)

    def __str__(self) -> str:
        score = "no score" if self.score is None else f"score {self.score:.3f}"
        return f"{self.name}: {self.status} ({score})"


@dataclass(frozen=True, slots=True)
class FaceSummary:
    """One face track in the result."""

    id: str
    start_s: float
    end_s: float
    coverage: float
    interocular_px: float
    speaking: bool


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of one examination.

    Attributes
    ----------
    clip : Clip
    faces : tuple of FaceSummary
    findings : dict of str to Finding
        Keys ``sync`` and ``resynthesis``.
    segments : tuple of Segment
    triage : float or None
        For ranking an archive: larger = look first; None where nothing could be examined.
    timeline : dict of str to Series
    bundle : dict
        Name, version and SHA-256 of the bundle that was used.
    settings : dict
        Every setting by name: what it takes to repeat the examination.
    settings_digest : str
    versions : dict of str to str
    limits : tuple of str
        What this examination can't tell.
    """

    clip: Clip
    faces: tuple[FaceSummary, ...]
    findings: dict[FindingName, Finding]
    segments: tuple[Segment, ...]
    triage: float | None
    timeline: dict[str, Series]
    bundle: dict[str, str]
    settings: dict[str, Any]
    settings_digest: str
    versions: dict[str, str]
    limits: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis as JSON values, schema ``lipaccord/analysis/1``."""
        from lipaccord.report.json import analysis_to_dict

        return analysis_to_dict(self)

    def __str__(self) -> str:
        return "; ".join(str(finding) for finding in self.findings.values())


@dataclass(frozen=True, slots=True)
class Examination:
    """An analysis with what it was made from, for whoever shows the evidence.

    Attributes
    ----------
    analysis : Analysis
    frame_times_s : ndarray of float64 [shape=(F,)]
        Of every picture examined.
    sound : Sound
    faces : tuple of FaceTrack
        In order of appearance.
    tracks : Tracks or None
        Of the face examined; None where there is none.
    predicted_lips : ndarray of float32 [shape=(N, K, 2)] or None
        The lips that the speech asks for, on the clock of the prediction, in the frame of reference of
        `MouthMotion.lips`.
    """

    analysis: Analysis
    frame_times_s: TimeArray
    sound: Sound
    faces: tuple[FaceTrack, ...]
    tracks: Tracks | None
    predicted_lips: FloatArray | None

    def __post_init__(self) -> None:
        _freeze_times(self, "frame_times_s")
        if (self.tracks is None) != (self.predicted_lips is None):
            raise ValueError("the lips are predicted for the face examined, and for no other")
        if self.tracks is not None:
            shape = (len(self.tracks.prediction.times_s), self.tracks.mouth.lips.shape[1], 2)
            _freeze(self, "predicted_lips", np.float32, shape)

    def __repr__(self) -> str:
        return f"Examination({self.analysis}; {len(self.frame_times_s)} pictures, {len(self.faces)} faces)"


class LandmarkBackend(Protocol):
    """Plug-in 1: finds faces and their landmarks. Its contract is `tests/test_landmarks.py`."""

    name: str
    version: str
    layout: LandmarkLayout

    def detect(self, frame: Frame) -> list[FaceRegion]:
        """Find the faces of a frame, best first."""
        ...

    def locate(self, frame: Frame, region: FaceRegion) -> FacePoints | None:
        """Find the landmarks of the face in `region`; None where there is none."""
        ...

    def follow(self, points: FacePoints) -> FaceRegion:
        """Return the region in which to look for this face in the next frame."""
        ...


class Probe(Protocol):
    """The part of a cue that sees pixels, frame by frame, while the video is decoded; made anew for every face.

    It may keep small state of its own between frames, but no view and no picture: memory must not grow.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the quantities."""
        ...

    def measure(self, view: FaceView, previous: FaceView | None) -> FloatArray:
        """Measure one frame [shape=(M,)]; `previous` is the frame before, None where it does not show this face."""
        ...


class Cue(Protocol):
    """Plug-in 2: measures one trace. Its contract is `tests/test_cues.py`."""

    name: str
    version: str
    finding: FindingName

    def measure(self, tracks: Tracks) -> Evidence:
        """Measure the trace; abstain with reasons where it can't be measured."""
        ...
