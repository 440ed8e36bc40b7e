"""The embedded backend: BlazeFace detection and the 478-point face mesh, run by LiteRT on the CPU.

Sources: Bazarevsky et al., "BlazeFace", 2019; Kartynnik et al., "Real-time Facial Surface Geometry from
Monocular Video on Mobile GPUs", 2019; Grishchenko et al., "Attention Mesh", 2020. The models are MediaPipe's Face
Landmarker v2 and BlazeFace full range (Apache-2.0, see NOTICE), shipped as package data and checked by hash.

Conventions: no smoothing in time (it would add lag and lose lip opening). One thread, so that the result does
not depend on the machine. Detection looks at the whole frame with both detectors and, only if neither finds
a face, at overlapping tiles, so that small faces in large pictures are found.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lipaccord.errors import BackendMissing, SettingsError
from lipaccord.landmarks import squares
from lipaccord.landmarks.layouts import MEDIAPIPE_478
from lipaccord.records import FacePoints, FaceRegion, FloatArray, Frame, Image

MODELS = {
    "face_landmarker.task": "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    "face_detection_full_range.tflite": "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
}
"""Package data and their SHA-256."""

MIN_DETECTION = 0.5
MIN_PRESENCE = 0.5
MAX_OVERLAP = 0.3  # of two detections of different faces (intersection over union)
TILE_PX = 480  # a face 48 px high then covers a tenth of the tile, which the full-range detector finds


def _anchors(grids: tuple[tuple[int, int], ...]) -> FloatArray:
    """Centres of a detector's anchors, 0 to 1, for (cells a side, anchors a cell) [shape=(A, 2)]."""
    blocks = []
    for side, each in grids:
        y, x = np.mgrid[0:side, 0:side]
        cells = np.stack([x.ravel(), y.ravel()], axis=1)
        blocks.append(np.repeat((cells + 0.5) / side, each, axis=0))
    return np.concatenate(blocks).astype(np.float32)


def _model_bytes(name: str) -> bytes:
    data = (resources.files("lipaccord.landmarks") / "models" / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != MODELS[name]:
        raise BackendMissing(f"the embedded model {name} is damaged: its hash differs; install lipaccord again")
    return data


class _Model:
    """A LiteRT model with one float input; outputs by name."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self.side = int(self._input["shape"][1])
        self._outputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_output_details()}

    def __call__(self, image: FloatArray) -> dict[str, NDArray[np.float32]]:
        self._interpreter.set_tensor(self._input["index"], image[None])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index)[0] for name, index in self._outputs.items()}


class _Detector:
    """A BlazeFace detector over one rectangle of the picture."""

    def __init__(self, content: bytes, grids: tuple[tuple[int, int], ...]) -> None:
        self._model = _Model(content)
        self._anchors = _anchors(grids)

    def __call__(self, image: Image, left: int = 0, top: int = 0) -> list[FaceRegion]:
        """Find faces in `image`, a part of the picture whose corner is at (left, top)."""
        height, width = image.shape[:2]
        side = self._model.side
        scale = side / max(height, width)
        small_w, small_h = max(1, round(width * scale)), max(1, round(height * scale))
        shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = np.full((side, side, 3), -1.0, np.float32)
        canvas[:small_h, :small_w] = cv2.resize(image, (small_w, small_h), interpolation=shrink) / 127.5 - 1.0
        outputs = self._model(canvas)
        boxes, logits = sorted(outputs.values(), key=lambda output: -output.shape[-1])
        scores = expit(logits[:, 0])
        found = np.flatnonzero(scores >= MIN_DETECTION)
        raw = boxes[found] / side
        raw[:, 0:2] += self._anchors[found]
        raw[:, 4:] += np.tile(self._anchors[found], 6)
        return [
            self._region(row / scale * side, float(score), left, top)
            for row, score in zip(raw, scores[found], strict=True)
        ]

    @staticmethod
    def _region(row: FloatArray, score: float, left: int, top: int) -> FaceRegion:
        """Turn one row (centre, size, then eyes, nose, mouth, ears) into the square for the landmarks."""
        x, y, width, height = (float(value) for value in row[:4])
        roll = math.atan2(float(row[7] - row[5]), float(row[6] - row[4]))
        return FaceRegion(x + left - 0.5, y + top - 0.5, squares.MESH_SCALE * max(width, height), roll, score)


def _distinct(regions: list[FaceRegion]) -> list[FaceRegion]:
    """Keep the best of overlapping regions (non-maximum suppression), best first."""
    kept: list[FaceRegion] = []
    for region in sorted(regions, key=lambda candidate: -candidate.score):
        if all(squares.overlap(region, other) < MAX_OVERLAP for other in kept):
            kept.append(region)
    return kept


class MediaPipeBackend:
    """See the module; fulfils `lipaccord.records.LandmarkBackend`."""

    name = "mediapipe"
    version = "face_landmarker v2 float16"
    layout = MEDIAPIPE_478

    def __init__(self) -> None:
        with zipfile.ZipFile(io.BytesIO(_model_bytes("face_landmarker.task"))) as archive:
            self._near = _Detector(archive.read("face_detector.tflite"), ((16, 2), (8, 6)))
            self._mesh = _Model(archive.read("face_landmarks_detector.tflite"))
        self._far = _Detector(_model_bytes("face_detection_full_range.tflite"), ((48, 1),))

    def detect(self, frame: Frame) -> list[FaceRegion]:
        """Find faces with both detectors; look closer, tile by tile, only where none is found."""
        found = _distinct(self._far(frame.image) + self._near(frame.image))
        height, width = frame.image.shape[:2]
        if found or max(height, width) <= TILE_PX:
            return found
        for top in _tile_starts(height):
            for left in _tile_starts(width):
                found += self._far(frame.image[top : top + TILE_PX, left : left + TILE_PX], left, top)
        return _distinct(found)

    def locate(self, frame: Frame, region: FaceRegion) -> FacePoints | None:
        """Find the 478 points of the face in `region`; None where the model sees no face."""
        crop, matrix = squares.cut(frame.image, region, self._mesh.side)
        outputs = self._mesh(crop)
        presence = float(expit(outputs["Identity_1"].ravel()[0]))
        if presence < MIN_PRESENCE:
            return None
        points = outputs["Identity"].reshape(-1, 3)
        xy = (points[:, :2] - 0.5) @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
        return FacePoints(xy, points[:, 2] * np.float32(region.size / self._mesh.side), presence)

    def follow(self, points: FacePoints) -> FaceRegion:
        """Return the square round the points, turned so that the eyes are level."""
        return squares.follow(points.xy, self.layout)


def _tile_starts(length: int) -> list[int]:
    """Return the starts of tiles that overlap by at least a quarter and together cover `length` pixels."""
    if length <= TILE_PX:
        return [0]
    count = math.ceil((length - TILE_PX) / (TILE_PX * 0.75)) + 1
    return [round(start) for start in np.linspace(0, length - TILE_PX, count)]


def create(source: Path | None) -> MediaPipeBackend:
    """Make the backend; it carries its models, so `source` must be None."""
    if source is not None:
        raise SettingsError("the landmark backend 'mediapipe' carries its models and reads no other weights")
    return MediaPipeBackend()
