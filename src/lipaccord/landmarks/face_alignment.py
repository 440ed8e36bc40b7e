"""The backend ``face-alignment``: the s3fd detector and the 68 points of the 2DFAN-4 network, run by torch.

Sources: Zhang et al., "S3FD: Single Shot Scale-invariant Face Detector", ICCV 2017; Bulat and Tzimiropoulos, "How far
are we from solving the 2D & 3D face alignment problem?", ICCV 2017; the refinement of a heat map's peak below its pixel
is that of Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020.

The networks are those of the package ``face-alignment``; their weights are not in it. They are read from a folder that
the user names, or from torch's hub cache, checked by hash, and loaded as bare tensors: nothing is downloaded
and no code in a file is run. The cutting of the face and the reading of the heat maps are our own, because the
package's round the points to whole pixels, which is too coarse for lips.

Conventions: a heat map's value is averaged over the face and its mirror image; the score is the mean peak of the 68.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.errors import BackendMissing
from lipaccord.landmarks import squares
from lipaccord.landmarks.layouts import IBUG_68
from lipaccord.records import FacePoints, FaceRegion, FloatArray, Frame

FAN_FILE = "2DFAN4-11f355bf06.pth.tar"
S3FD_FILE = "s3fd-619a316812.pth"
WEIGHTS = {
    FAN_FILE: "11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
    S3FD_FILE: "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
}
"""Files that hold the weights, and their SHA-256."""

FAN_SIDE = 256  # of the crop
HEAT_SIDE = 64  # of each heat map
MIN_DETECTION = 0.5  # the package's own
MIN_PRESENCE = 0.2  # mean peak; heat maps were trained on peaks of one
MAX_OVERLAP = 0.3  # of two detections of different faces
MIN_SIDE = 32  # s3fd halves the picture five times
BACKDROP = (123, 117, 104)  # mean colour that s3fd subtracts: padding with it is padding with nothing


class FaceAlignmentBackend:
    """See the module; fulfils `lipaccord.records.LandmarkBackend`.

    Parameters
    ----------
    fan : torch.nn.Module
        Face crops [shape=(n, 3, 256, 256)] -> a list whose last member is the heat maps [shape=(n, 68, 64, 64)].
    s3fd : torch.nn.Module
        The detector, as the package defines it.
    version : str
    """

    name = "face-alignment"
    layout = IBUG_68

    def __init__(self, fan: Any, s3fd: Any, version: str) -> None:
        self.version = version
        self._fan, self._s3fd = fan, s3fd

    def detect(self, frame: Frame) -> list[FaceRegion]:
        """Find faces with s3fd, best first."""
        from face_alignment.detection.sfd.bbox import nms
        from face_alignment.detection.sfd.detect import detect

        height, width = frame.image.shape[:2]
        image = frame.image
        if min(height, width) < MIN_SIDE:
            image = np.full((max(height, MIN_SIDE), max(width, MIN_SIDE), 3), BACKDROP, np.uint8)
            image[:height, :width] = frame.image
        boxes = detect(self._s3fd, image, device="cpu")[0]
        return [
            squares.upright(*(float(edge) - 0.5 for edge in box[:4]), score=float(box[4]))
            for box in boxes[nms(boxes, MAX_OVERLAP)]
            if box[4] > MIN_DETECTION
        ]

    def locate(self, frame: Frame, region: FaceRegion) -> FacePoints | None:
        """Find the 68 points of the face in `region`; None where the heat maps stay flat."""
        import torch
        from face_alignment.utils import flip

        crop, matrix = squares.cut(frame.image, region, FAN_SIDE)
        face = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)[None]))
        with torch.inference_mode():
            plain, mirrored = self._fan(torch.cat([face, flip(face)]))[-1].split(1)
            heat = ((plain + flip(mirrored, is_label=True)) / 2)[0].numpy()
        cells, peaks = _peaks(heat)
        score = float(peaks.mean())
        if not score >= MIN_PRESENCE:
            return None
        in_crop = (cells + 0.5) * (FAN_SIDE / HEAT_SIDE) - 0.5
        xy = in_crop @ matrix[:, :2].T + matrix[:, 2]
        return FacePoints(xy.astype(np.float32), None, min(score, 1.0))

    def follow(self, points: FacePoints) -> FaceRegion:
        """Return FAN's square for the box of the points."""
        return squares.follow(points.xy, self.layout)


def _peaks(heat: FloatArray) -> tuple[NDArray[np.float64], FloatArray]:
    """Find the peak of each heat map [shape=(L, H, W)]: its (x, y) in cells [shape=(L, 2)] and its height.

    A parabola through the logarithms of the three cells round the peak is exact for a Gaussian.
    """
    count, _, width = heat.shape
    flat = heat.reshape(count, -1)
    best = flat.argmax(axis=1)
    y, x = np.divmod(best, width)
    each = np.arange(count)
    logs = np.log(np.maximum(np.pad(heat, ((0, 0), (1, 1), (1, 1)), mode="edge"), 1e-6).astype(np.float64))
    middle = logs[each, y + 1, x + 1]
    across = logs[each, y + 1, x], logs[each, y + 1, x + 2]
    down = logs[each, y, x + 1], logs[each, y + 2, x + 1]
    steps = []
    for before, after in (across, down):
        bend = np.maximum(2 * middle - before - after, 1e-12)
        steps.append(np.clip((after - before) / (2 * bend), -0.5, 0.5))
    return np.stack([x, y], axis=1) + np.stack(steps, axis=1), flat[each, best]


def _load(network: Callable[[], Any], path: Path, sha256: str) -> Any:
    """Fill a network of the package with the weights in `path`, whose hash must be `sha256`."""
    import torch

    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise BackendMissing(f"the weights {path} are damaged: their hash differs; get the file again")
            file.seek(0)
            weights = torch.load(file, map_location="cpu", weights_only=True)
        with torch.device("meta"):  # no memory and no random numbers are spent on values that are replaced at once
            filled = network()
        filled.load_state_dict(weights, assign=True)
    except OSError as error:
        raise BackendMissing(f"the weights {path} can't be read ({error.strerror}); get the file again") from error
    except BackendMissing:
        raise
    except Exception as error:  # torch has a dozen ways to refuse a file
        package = f"face-alignment {metadata.version('face-alignment')}"
        raise BackendMissing(f"the weights {path} are not plain tensors for the networks of {package}") from error
    return filled.float().eval().requires_grad_(False)


def _from_folder(folder: Path, hashes: Mapping[str, str]) -> FaceAlignmentBackend:
    """Make the backend from the files of `folder`, whose SHA-256 must be `hashes`."""
    missing = [name for name in hashes if not _is_there(folder / name)]
    if missing:
        raise BackendMissing(
            f"the landmark backend 'face-alignment' lacks its weights: put {' and '.join(missing)} into {folder}, "
            "or name their folder with --weights; the face-alignment project publishes both, and its source "
            "names their addresses; lipaccord downloads nothing"
        )
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    version = " ".join([metadata.version("face-alignment"), hashes[FAN_FILE][:12], hashes[S3FD_FILE][:12]])
    fan = _load(lambda: FAN(4), folder / FAN_FILE, hashes[FAN_FILE])
    return FaceAlignmentBackend(fan, _load(s3fd, folder / S3FD_FILE, hashes[S3FD_FILE]), version)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be entered
        return False


def create(source: Path | None) -> FaceAlignmentBackend:
    """Make the backend from the weights in the folder `source`, or in torch's hub cache where that is None.

    Raises
    ------
    BackendMissing
        A file of weights is missing, unreadable or damaged; nothing is downloaded.
    """
    if source is None:
        from torch.hub import get_dir

        source = Path(get_dir()) / "checkpoints"
    return _from_folder(source, WEIGHTS)
