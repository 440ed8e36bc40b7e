"""Stand-ins for the weights and networks of the backend ``face-alignment``, whose own are not in its package.

None of them has learned what a face is. They fire at places that the test chose, so they prove that loading,
calling, shapes, coordinates and errors are right; whether the true weights find the true points they can't prove.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from face_alignment.detection.sfd.net_s3fd import s3fd
from face_alignment.models import FAN
from face_alignment.utils import shuffle_lr
from numpy.typing import NDArray

from lipaccord.landmarks.face_alignment import FAN_FILE, HEAT_SIDE, S3FD_FILE, FaceAlignmentBackend

CELL = 4  # pixels: step of the detector's finest map, and four times that is the side of its box
MIRRORED = shuffle_lr(torch.arange(68)[None])[0].numpy()
RED, GREEN, BLUE = range(27), range(27, 48), range(48, 68)  # each maps onto itself in a mirror image


def template(extent: float = 195 / 400, rise: float = 0.12) -> NDArray[np.float64]:
    """Return 68 symmetrical places in a square of side 1 whose own square is that same square [shape=(68, 2)]."""
    places = np.random.default_rng(68).uniform(-0.4, 0.4, (68, 2))
    places[[36, 39, 42, 45]] = (-0.4, -0.2), (-0.1, -0.2), (0.1, -0.2), (0.4, -0.2)
    places[0], places[8], places[16] = (-0.5, -0.5), (0.0, 0.5), (0.5, -0.5)
    symmetrical = (places + places[MIRRORED] * (-1, 1)) / 2
    return np.asarray(symmetrical * extent + (0.5, 0.5 + rise * extent))


class FixedPoints(torch.nn.Module):
    """Heat maps with a Gaussian at each place of `template`, as high as the square is rich in contrast."""

    def __init__(self) -> None:
        super().__init__()
        cells = torch.arange(HEAT_SIDE) + 0.5
        places = torch.from_numpy(template()) * HEAT_SIDE
        x, y = ((cells - places[:, axis : axis + 1]) ** 2 for axis in (0, 1))
        self.maps = torch.exp(-(x[:, None, :] + y[:, :, None]) / (2 * 1.5**2)).float()

    def forward(self, crops: torch.Tensor) -> list[torch.Tensor]:
        height = (4 * crops.std(dim=(1, 2, 3))).clamp(max=0.9)
        return [height[:, None, None, None] * self.maps]


class ContrastDetector(torch.nn.Module):
    """The detector's twelve maps; finds 128 px squares round 32 px cells that differ from the picture's mean."""

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stride in (4, 8, 16, 32, 64, 128):
            rows, columns = image.shape[2] // stride, image.shape[3] // stride
            logits = torch.full((1, 2, rows, columns), 0.0)
            logits[:, 1] = -9.0
            if stride == 32:
                contrast = (image - image.mean(dim=(2, 3), keepdim=True)).abs().mean(dim=1, keepdim=True)
                logits[:, 1:] = torch.nn.functional.avg_pool2d(contrast, stride) / 10 - 5
            maps += [logits, torch.zeros(1, 4, rows, columns)]
        return maps


def backend() -> FaceAlignmentBackend:
    """Return the backend over the two small stand-ins."""
    return FaceAlignmentBackend(FixedPoints().eval(), ContrastDetector().eval(), "stand-in")


def _blank(network: Callable[[], Any]) -> dict[str, torch.Tensor]:
    """Return weights that let every block pass on what it gets, and that take next to no room in a file."""
    with torch.device("meta"):
        shapes = network().state_dict()
    values = {}
    for name, tensor in shapes.items():
        is_one = name.endswith("running_var") or (".bn" in f".{name}" and name.endswith("weight"))
        is_one |= name.endswith("downsample.0.weight")
        values[name] = torch.full((), float(is_one), dtype=tensor.dtype).expand(tensor.shape)
    return values


def _put(weights: dict[str, torch.Tensor], name: str, *entries: tuple[Any, float]) -> None:
    weights[name] = weights[name].clone()
    for index, value in entries:
        weights[name][index] = value


def detector_weights() -> dict[str, torch.Tensor]:
    """Return weights that make s3fd find a face of 4 x 4 cells round every cell that holds a white pixel, on black."""
    weights = _blank(s3fd)
    _put(weights, "conv1_1.weight", *(((0, colour, 1, 1), 1 / 3) for colour in range(3)))
    for layer in ("conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"):
        _put(weights, f"{layer}.weight", ((0, 0, 1, 1), 1.0))
    _put(weights, "conv3_3_norm.weight", (0, 10.0))
    _put(weights, "conv3_3_norm_mbox_conf.weight", ((3, 0, 1, 1), 1.0))
    for layer, background, face in (
        ("conv3_3_norm", 0, 3),
        *((name, 0, 1) for name in ("conv4_3_norm", "conv5_3_norm", "fc7", "conv6_2", "conv7_2")),
    ):
        _put(weights, f"{layer}_mbox_conf.bias", (background, 0.0), (face, -5.0))
    return weights


def fan_weights() -> dict[str, torch.Tensor]:
    """Return weights that make FAN's heat maps show where the square is red (points 0-26), green or blue (48-67)."""
    weights = _blank(lambda: FAN(4))
    _put(weights, "conv1.weight", *(((colour, colour, 3, 3), 1.0) for colour in range(3)))
    for layer in ("conv2.downsample.2", "conv4.downsample.2", "conv_last3"):
        _put(weights, f"{layer}.weight", *(((colour, colour, 0, 0), 1.0) for colour in range(3)))
    points = ((point, colour) for colour, points in enumerate((RED, GREEN, BLUE)) for point in points)
    _put(weights, "l3.weight", *(((point, colour, 0, 0), 0.5) for point, colour in points))
    return weights


def save_weights(folder: Path, fan: Any, detector: Any) -> dict[str, str]:
    """Write stand-ins under the names of the true files; return their SHA-256 by name."""
    hashes = {}
    for name, weights in ((FAN_FILE, fan), (S3FD_FILE, detector)):
        torch.save(weights, folder / name)
        hashes[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return hashes
