"""Face crops -> how far one part of a face looks made otherwise than another: the splice networks.

A small convolutional network looks at two neighbouring frames and their change, high-passed, and describes every place
of the crop; only the comparison of the judged part with the rest of the same frames reaches its output, so that what
was done to the whole picture cancels by construction (in the spirit of forensic similarity, Mayer and Stamm, IEEE TIFS
2020; the fixed high-pass follows the residuals of Fridrich and Kodovsky, IEEE TIFS 2012): the log ratio of the mean
responses of the two parts is judged as a whole, and that of each place to the reference part gives a vote of the
place. Several members, trained from different seeds and looking at different sizes, are averaged.

Conventions: crops as `crops` makes them; outputs are log odds in units of their spread over authentic controls, larger
= more suspicious. Runs on one thread in batches of fixed size, so that the result does not depend on the machine.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional

from lipaccord.crops import SCOPES
from lipaccord.errors import BundleError
from lipaccord.files import ordered_safetensors, safetensors_metadata
from lipaccord.records import FaceCrops, SpliceTrack

CHANNELS = (16, 32, 48, 64)
COARSE_SIGMA, FINE_SIGMA = 2.0, 0.8  # of the high-pass, in pixels at that size
FLOOR = 0.05  # response under which a ratio says nothing
BATCH = 8
MIN_SCALE = 0.25


def _kernel(sigma: float) -> torch.Tensor:
    reach = round(2.5 * sigma)
    x = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-(x**2) / (2 * sigma**2))
    return weights / weights.sum()


def _blurred(image: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    reach = len(kernel) // 2
    padded = functional.pad(image, (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _layer(inputs: int, outputs: int, size: int, step: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, step, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _mean_over(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean over the map [shape=(B, C)] of values [shape=(B, C, h, w)] and weights [shape=(B, h, w)]."""
    share = weights[:, None]
    return (values * share).sum(dim=(2, 3)) / (share.sum(dim=(2, 3)) + 1e-3)


class SpliceNetwork(nn.Module):
    """One member; see the module.

    Parameters
    ----------
    scale : float
        Share of the crops' size at which it looks.
    """

    coarse: torch.Tensor
    fine: torch.Tensor

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("coarse", _kernel(COARSE_SIGMA), persistent=False)
        self.register_buffer("fine", _kernel(FINE_SIGMA), persistent=False)
        first, second, third, last = CHANNELS
        self.body = nn.Sequential(
            _layer(4, first, 5, 2),
            _layer(first, second, 3, 2),
            _layer(second, second, 3, 1),
            _layer(second, third, 3, 2),
            _layer(third, third, 3, 1),
            _layer(third, last, 3, 1),
        )
        self.votes = nn.Conv2d(last, 1, 1)
        self.judge = nn.Sequential(nn.Linear(last, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1))

    def _residuals(self, pairs: torch.Tensor) -> torch.Tensor:
        """High-passed first frame at two scales, high-passed change, the first frame itself [shape=(B, 4, H, W)]."""
        pairs = pairs / 255
        if self.scale != 1.0:
            pairs = functional.interpolate(pairs, scale_factor=self.scale, mode="bilinear", antialias=True)
        first, second = pairs[:, :1], pairs[:, 1:]
        change = second - first
        coarse = first - _blurred(first, self.coarse)
        fine = first - _blurred(first, self.fine)
        moved = change - _blurred(change, self.coarse)
        return torch.cat([8 * coarse, 16 * fine, 8 * moved, first - 0.5], dim=1)

    def forward(
        self, pairs: torch.Tensor, judged: torch.Tensor, reference: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Judge pairs of frames.

        Parameters
        ----------
        pairs : Tensor [shape=(B, 2, H, W)]
            Grey levels, 0 to 255.
        judged, reference : Tensor [shape=(B, h, w)]
            Shares of the cells, 0 to 1.

        Returns
        -------
        verdict : Tensor [shape=(B,)]
            Log odds that the judged part was made otherwise.
        votes : Tensor [shape=(B, h', w')]
            The same by place, on the network's own grid.
        """
        seen = self.body(self._residuals(pairs)).float()
        size = seen.shape[-2:]
        judged, reference = (functional.adaptive_avg_pool2d(part, size) for part in (judged, reference))
        base = torch.log(FLOOR + _mean_over(seen, reference))
        verdict = self.judge(torch.log(FLOOR + _mean_over(seen, judged)) - base)[:, 0].float()
        around = torch.log(FLOOR + functional.avg_pool2d(seen, 3, 1, 1))
        return verdict, self.votes(around - base[:, :, None, None])[:, 0].float()


def as_tensors(
    pairs: NDArray[np.uint8], judged: NDArray[np.uint8], reference: NDArray[np.uint8]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Turn crops into what a `SpliceNetwork` takes."""
    images = torch.from_numpy(pairs.astype(np.float32)).contiguous(memory_format=torch.channels_last)
    return images, torch.from_numpy(judged / np.float32(255)), torch.from_numpy(reference / np.float32(255))


@dataclass(frozen=True, slots=True)
class Standard:
    """What a member's log odds are measured by.

    Attributes
    ----------
    center, spread : float
        Over authentic controls of clips that the member was not trained on.
    left_out : tuple of str
        Groups that it was not trained on, as `group_key` writes them; empty where none were left out by group.
    """

    center: float
    spread: float
    left_out: tuple[str, ...] = ()


class Splicer:
    """The trained members with their standards.

    Parameters
    ----------
    members : list of SpliceNetwork
    standards : list of Standard
        One for each member.
    """

    def __init__(self, members: list[SpliceNetwork], standards: list[Standard]) -> None:
        self.members = [member.eval() for member in members]
        self.standards = standards

    def judge(self, crops: FaceCrops) -> SpliceTrack:
        """Judge every pair of a clip; an empty clip gives an empty track."""
        height, width = crops.judged.shape[1:]
        scores = np.zeros((len(self.members), len(crops.times_s)), np.float32)
        total, weight = np.zeros((height, width)), np.zeros((height, width))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums in another order would change the last digits
        try:
            with torch.inference_mode():
                for start in range(0, scores.shape[1], BATCH):
                    part = slice(start, start + BATCH)
                    inputs = as_tensors(crops.pairs[part], crops.judged[part], crops.reference[part])
                    share = np.minimum((inputs[1] + inputs[2]).numpy(), 1).astype(np.float64)
                    for k, (member, standard) in enumerate(zip(self.members, self.standards, strict=True)):
                        verdict, votes = member(*inputs)
                        scores[k, part] = (verdict.numpy() - standard.center) / standard.spread
                        votes = functional.interpolate(votes[:, None], size=(height, width), mode="bilinear")[:, 0]
                        total += (votes.numpy() * share).sum(axis=0) / len(self.members)
                    weight += share.sum(axis=0)
        finally:
            torch.set_num_threads(threads)
        seen = weight > 0.25 * max(1, scores.shape[1])
        place = np.where(seen, total / np.maximum(weight, 1e-9), np.nan)
        return SpliceTrack(crops.times_s, scores, place.astype(np.float32))


def splicer_bytes(splicers: dict[str, Splicer]) -> bytes:
    """Serialise the networks of every scope as safetensors, sizes and standards in the metadata."""
    tensors, facts = {}, {}
    for scope, splicer in splicers.items():
        facts[scope] = [
            {"scale": member.scale, **asdict(standard)}
            for member, standard in zip(splicer.members, splicer.standards, strict=True)
        ]
        for number, member in enumerate(splicer.members):
            for name, value in member.state_dict().items():
                tensors[f"{scope}.{number}.{name}"] = value.contiguous()
    return ordered_safetensors(save(tensors, {"scopes": json.dumps(facts, sort_keys=True)}))


def _splicer(scope: str, facts: list[dict[str, Any]], tensors: dict[str, torch.Tensor]) -> Splicer:
    members, standards = [], []
    for number, fact in enumerate(facts):
        scale, center, spread = (float(fact[name]) for name in ("scale", "center", "spread"))
        if not MIN_SCALE <= scale <= 1.0 or not math.isfinite(center) or not 0 < spread < math.inf:
            raise ValueError(f"scale {scale}, center {center} or spread {spread} is out of range")
        member, prefix = SpliceNetwork(scale), f"{scope}.{number}."
        member.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        members.append(member)
        standards.append(Standard(center, spread, tuple(map(str, fact["left_out"]))))
    if not members:
        raise ValueError(f"the scope {scope} has no members")
    return Splicer(members, standards)


def load_splicers(weights: bytes) -> dict[str, Splicer]:
    """Read what `splicer_bytes` wrote: the networks by scope.

    Raises
    ------
    BundleError
        The tensors are damaged, missing, or not as the metadata states.
    """
    try:
        described: dict[str, list[dict[str, Any]]] = json.loads(safetensors_metadata(weights)["scopes"])
        tensors = load(weights)
        return {scope: _splicer(scope, described[scope], tensors) for scope in SCOPES}
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"the splice networks of the bundle are damaged ({error}); use an unaltered bundle"
        ) from error
