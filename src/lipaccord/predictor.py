"""Speech features -> the mouth that the speech asks for: the LSTM.

Source: Suwajanakorn, Seitz and Kemelmacher-Shlizerman, "Synthesizing Obama", SIGGRAPH 2017 (LSTM from speech to
principal components of the lip points). Ours predicts a mean and a spread for every component (Nix and Weigend, 1994),
so that a residual is in standard deviations, and hears both directions in time; the paper's one-way form with
200 ms of look-ahead is the other configuration of the same network. Several members, trained from different
seeds, are averaged.

Conventions: features and predictions at 100 Hz. Features are normalised per clip over a running window. Components are
principal components of the 40 native lip points in inter-ocular units, z-scored on the training data. Runs on one
thread in blocks of fixed size, so that the result depends neither on the machine nor on the clip's length.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from scipy.ndimage import uniform_filter1d
from torch import nn

from lipaccord.errors import BundleError
from lipaccord.files import ordered_safetensors, safetensors_metadata
from lipaccord.records import FloatArray, MouthMotion, MouthPrediction, SpeechFeatures, TimeArray

RATE_HZ = 100
NORMALISE_S = 6.0  # running window of the feature normalisation
MIN_DEVIATION = 1e-3
BLOCK = 1000  # frames of output at a time, with
CONTEXT = 150  # frames heard on either side of it
MAX_GAP_S = 0.15  # observed points are interpolated over no longer gap
LOG_SPREAD_RANGE = (-3.0, 2.0)
STEP = 0.1  # deviations of a component, for the slope of the opening
RIDGE = 1e-2  # keeps components apart where a layout has fewer lip points than the basis


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Size and form of the network.

    Attributes
    ----------
    features : str
        Kind of speech features.
    inputs, components : int
        Their dimension D and the number C of mouth components.
    convolution : int
        Channels of the convolution over 5 frames in front; 0 for none.
    hidden, layers : int
        Of the LSTM.
    bidirectional : bool
    lookahead : int
        Frames by which the output may lag behind the input; 0 where bidirectional.
    """

    features: str
    inputs: int
    components: int
    convolution: int
    hidden: int
    layers: int
    bidirectional: bool
    lookahead: int


class LipNetwork(nn.Module):
    """One member: convolution, LSTM, and two linear outputs."""

    def __init__(self, shape: NetworkShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.convolution = nn.Conv1d(shape.inputs, shape.convolution, 5, padding=2) if shape.convolution else None
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(
            shape.convolution or shape.inputs,
            shape.hidden,
            shape.layers,
            batch_first=True,
            bidirectional=shape.bidirectional,
            dropout=dropout if shape.layers > 1 else 0.0,
        )
        self.output = nn.Linear(shape.hidden * (2 if shape.bidirectional else 1), 2 * shape.components)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict mean and log spread [shapes=(batch, N, C)] from features [shape=(batch, N, D)]."""
        hidden = features
        if self.shape.lookahead:
            hidden = torch.cat([hidden, hidden[:, -1:].expand(-1, self.shape.lookahead, -1)], dim=1)
        if self.convolution is not None:
            hidden = torch.relu(self.convolution(hidden.transpose(1, 2))).transpose(1, 2)
        hidden, _ = self.lstm(self.dropout(hidden))
        output = self.output(self.dropout(hidden[:, self.shape.lookahead :]))
        mean, log_spread = output.split(self.shape.components, dim=2)
        return mean, log_spread.clamp(*LOG_SPREAD_RANGE)


def normalise(values: FloatArray, window_s: float = NORMALISE_S) -> FloatArray:
    """Normalise features to zero mean and unit deviation over a running window of the clip [shape=(N, D)].

    Near the ends, and in clips shorter than the window, the window is cut short, never padded.
    """
    size = min(2 * round(window_s * RATE_HZ / 2) + 1, 2 * len(values) - 1)
    share = uniform_filter1d(np.ones(len(values)), size, mode="constant")
    result: FloatArray = np.empty(values.shape, np.float32)
    for column in range(values.shape[1]):  # one at a time: in double precision all together would take much memory
        wide = values[:, column].astype(np.float64)
        wide -= wide.mean()
        mean = uniform_filter1d(wide, size, mode="constant") / share
        square = uniform_filter1d(wide**2, size, mode="constant") / share
        deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
        result[:, column] = (wide - mean) / (deviation + MIN_DEVIATION)
    return result


@dataclass(frozen=True, slots=True)
class LipBasis:
    """Principal components of the lip points.

    Attributes
    ----------
    vectors : ndarray of float32 [shape=(C, 40, 2)]
        Orthonormal, in the order of the 40 native lip points.
    scale : ndarray of float32 [shape=(C,)]
        Standard deviation of each component on the training data, inter-ocular units.
    """

    vectors: FloatArray
    scale: FloatArray

    def project(self, lips: FloatArray, native_lips: tuple[int, ...]) -> FloatArray:
        """Return the z-scored components of lips [shape=(T, K, 2)] about their own mean [shape=(T, C)].

        Where the layout has fewer than the 40 native points, the components that explain those it has
        best, by ridge regression.
        """
        vectors = self.vectors[:, list(native_lips)].reshape(len(self.scale), -1).astype(np.float64)
        centred = (lips - np.nanmean(lips, axis=0)).reshape(len(lips), -1)
        if len(native_lips) == self.vectors.shape[1]:
            components = centred @ vectors.T
        else:
            gram = vectors @ vectors.T
            gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
            components = np.linalg.solve(gram, vectors @ centred.T).T
        result: FloatArray = (components / self.scale).astype(np.float32)
        return result

    def lips(self, components: FloatArray, native_lips: tuple[int, ...]) -> FloatArray:
        """Return the lips that z-scored components [shape=(N, C)] stand for, off their mean [shape=(N, K, 2)]."""
        vectors = self.vectors[:, list(native_lips)].reshape(len(self.scale), -1)
        off = (components * self.scale) @ vectors
        return off.reshape(len(components), len(native_lips), 2).astype(np.float32, copy=False)


def on_clock(times_s: TimeArray, values: FloatArray, valid: NDArray[np.bool_], clock_s: TimeArray) -> FloatArray:
    """Interpolate values [shape=(T, C)] to the audio clock [shape=(N, C)].

    NaN outside of the frames, and between two frames that lie further apart than MAX_GAP_S (or one and a half usual
    intervals, for slow frame rates): nothing is made up.
    """
    result = np.full((len(clock_s), values.shape[1]), np.nan, np.float32)
    times, known = times_s[valid], values[valid]
    if len(times) < 2:
        return result
    for column in range(values.shape[1]):
        result[:, column] = np.interp(clock_s, times, known[:, column])
    after = np.clip(np.searchsorted(times, clock_s), 1, len(times) - 1)
    usual = float(np.median(np.diff(times_s)))
    wide = times[after] - times[after - 1] > max(MAX_GAP_S, 1.5 * usual)
    result[wide | (clock_s < times[0]) | (clock_s > times[-1])] = np.nan
    return result


class Predictor:
    """The trained members with the lip basis and the weights of the agreement.

    Parameters
    ----------
    members : list of LipNetwork
        All of one shape.
    basis : LipBasis
    weights : ndarray of float32 [shape=(2, C)]
        See `MouthPrediction`.
    """

    def __init__(self, members: list[LipNetwork], basis: LipBasis, weights: FloatArray) -> None:
        self.members = [member.eval() for member in members]
        self.basis = basis
        self.weights = weights
        self.shape = members[0].shape

    def _blocks(self, features: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start in range(0, len(features), BLOCK):
            first = max(0, start - CONTEXT)
            heard = features[first : start + BLOCK + CONTEXT][None]
            outputs = [member(heard) for member in self.members]
            mean = torch.stack([output[0][0] for output in outputs]).mean(dim=0)
            spread = torch.stack([output[1][0].exp() for output in outputs]).mean(dim=0)
            inside = slice(start - first, start - first + min(BLOCK, len(features) - start))
            yield mean[inside], spread[inside]

    def hear(self, features: SpeechFeatures) -> tuple[FloatArray, FloatArray]:
        """Predict mean and spread of the mouth components from speech alone [shapes=(N, C)]."""
        if features.kind != self.shape.features:
            raise ValueError(f"this predictor hears {self.shape.features}, not {features.kind}")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums in another order would change the last digits
        try:
            with torch.inference_mode():
                blocks = list(self._blocks(torch.from_numpy(normalise(features.values))))
        finally:
            torch.set_num_threads(threads)
        mean, spread = (torch.cat(parts).numpy() for parts in zip(*blocks, strict=True))
        return mean, spread

    def predict(self, features: SpeechFeatures, mouths: Sequence[MouthMotion]) -> list[MouthPrediction]:
        """Lay the one predicted mouth beside each of the observed ones, on the clock of the features."""
        mean, spread = self.hear(features)
        return [
            MouthPrediction(features.times_s, mean, spread, self.observe(features.times_s, mouth), self.weights)
            for mouth in mouths
        ]

    def lips(self, prediction: MouthPrediction, mouth: MouthMotion) -> FloatArray:
        """Return the predicted lips in the frame of reference of `mouth.lips`, about their mean there.

        Returns
        -------
        ndarray of float32 [shape=(N, K, 2)]
            On the clock of the prediction.
        """
        usual = np.nanmean(mouth.lips[mouth.valid], axis=0)
        lips: FloatArray = usual + self.basis.lips(prediction.mean, mouth.native_lips)
        return lips

    def opening(
        self, prediction: MouthPrediction, mouth: MouthMotion, measure: Callable[[FloatArray], FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Return the predicted opening of the mouth and its standard deviation [shapes=(N,)].

        The deviation is that of the components, taken as independent, to first order about the usual mouth.

        Parameters
        ----------
        prediction : MouthPrediction
        mouth : MouthMotion
        measure : callable
            Takes lips [shape=(..., K, 2)] to their opening, as `mouth.opening_of` does.
        """
        usual = np.nanmean(mouth.lips[mouth.valid], axis=0)
        steps = self.basis.lips(np.eye(len(self.basis.scale), dtype=np.float32) * STEP, mouth.native_lips)
        slopes = (measure(usual + steps) - measure(usual)) / STEP
        return measure(self.lips(prediction, mouth)), np.hypot.reduce(prediction.spread * slopes, axis=1)

    def observe(self, clock_s: TimeArray, mouth: MouthMotion) -> FloatArray:
        """Return the observed components on the audio clock [shape=(N, C)]."""
        lips = np.where(mouth.valid[:, None, None], mouth.lips, np.float32(np.nan))
        if mouth.valid.any():
            components = self.basis.project(lips, mouth.native_lips)
        else:
            components = np.full((len(lips), self.shape.components), np.nan, np.float32)
        return on_clock(mouth.times_s, components, mouth.valid, clock_s)


def predictor_bytes(predictor: Predictor) -> bytes:
    """Serialise a predictor as safetensors, its shape in the metadata."""
    tensors = {
        "basis.vectors": torch.from_numpy(np.array(predictor.basis.vectors, order="C")),
        "basis.scale": torch.from_numpy(np.array(predictor.basis.scale, order="C")),
        "agreement.weights": torch.from_numpy(np.array(predictor.weights, order="C")),
    }
    for number, member in enumerate(predictor.members):
        tensors |= {f"member{number}.{name}": value.contiguous() for name, value in member.state_dict().items()}
    metadata = {"shape": json.dumps(asdict(predictor.shape)), "members": str(len(predictor.members))}
    return ordered_safetensors(save(tensors, metadata))


def load_predictor(weights: bytes) -> Predictor:
    """Read a predictor that `predictor_bytes` wrote.

    Raises
    ------
    BundleError
        The tensors are damaged, missing, or not of the shape that the metadata states.
    """
    try:
        metadata = safetensors_metadata(weights)
        shape = NetworkShape(**json.loads(metadata["shape"]))
        tensors = load(weights)
        members = []
        for number in range(int(metadata["members"])):
            member = LipNetwork(shape)
            prefix = f"member{number}."
            member.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
            members.append(member)
        basis = LipBasis(tensors["basis.vectors"].numpy(), tensors["basis.scale"].numpy())
        agreement = tensors["agreement.weights"].numpy()
        shapes = (basis.vectors.shape, basis.scale.shape, agreement.shape)
        if shapes != ((shape.components, 40, 2), (shape.components,), (2, shape.components)) or not members:
            raise ValueError("the basis or the weights have another number of components")
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"the predictor of the bundle is damaged ({error}); use an unaltered bundle") from error
    return Predictor(members, basis, agreement)
