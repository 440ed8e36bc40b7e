"""Heads that live, as signatures, and a stand-in for the signing of a clip: a text file says what is in it.

``head 3`` (a head whose life has this seed), ``head 3 6 10`` (seconds of it: from, to), ``still``, ``nobody``,
``broken`` (raises), ``deadly`` (its process dies), ``long 2`` (cut into so many parts, one line each below it). Every
call adds a line to the file that the environment names in ``STUB_CALLS``.

Run as a script it indexes a folder with this stand-in: ``made_indexes.py FOLDER INDEX``.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d

from lipaccord.errors import UnreadableMedia
from lipaccord.records import Interval, Reason
from lipaccord.source.exhibit import Exhibit
from lipaccord.source.living import MIRRORED_CHANNELS, MIRRORED_SIGNS
from lipaccord.source.signature import CHANNELS, LOOK_BYTES, LOOKS, SOUND_RATE_HZ, Signature

SIGN = "made_indexes:sign_clip"
CALLS = "STUB_CALLS"
LANDMARKS = "mediapipe 1"
RATE_HZ = 25.0
LIVES_S = 20.0
_AMPLITUDES = np.array([0.03, 0.03, 0.04, 0.04, 0.02, 0.02, 0.05, 0.06, 0.05, 0.02, 0.02, 0.1, 0.1, 0.03])

Answer = tuple[dict[str, Any], tuple[bytes, ...]]


def life(seed: int) -> Any:
    """Return the life of a head for `LIVES_S` [shape=(T, C)]."""
    count = round(LIVES_S * RATE_HZ)
    moves = gaussian_filter1d(np.random.default_rng(seed).normal(size=(count, len(CHANNELS))), 2.5, axis=0)
    return (moves / moves.std(axis=0) * _AMPLITUDES).astype(np.float32)


def made(
    seed: int,
    start_s: float = 0.0,
    end_s: float = LIVES_S,
    *,
    sha256: str | None = None,
    face: str = "face-1",
    noise: float = 0.0,
    mirror: bool = False,
    voice: int | None = None,
    still: bool = False,
    landmarks: str = LANDMARKS,
) -> Signature:
    """Return the signature of a part of a head's life, on a clock of its own; `voice` is whose sound it has."""
    frames = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
    moves = life(seed)[frames]
    moves = moves + noise * _AMPLITUDES * np.random.default_rng(seed + 1000).normal(size=moves.shape)
    if mirror:
        moves = moves[:, MIRRORED_CHANNELS] * MIRRORED_SIGNS
    times_s = np.arange(len(moves)) / RATE_HZ
    heard = np.random.default_rng(seed if voice is None else voice)
    words = heard.integers(0, 1 << 16, round(LIVES_S * SOUND_RATE_HZ)).astype(np.uint16)
    words = words[round(start_s * SOUND_RATE_HZ) : round(end_s * SOUND_RATE_HZ)]
    looks = heard.integers(0, 256, (len(times_s[::6]), len(LOOKS), LOOK_BYTES)).astype(np.uint8)
    return Signature(
        sha256=sha256 or hashlib.sha256(f"{seed} {start_s} {end_s}".encode()).hexdigest(),
        landmarks=landmarks,
        face=face,
        start_s=0.0,
        end_s=float(times_s[-1]),
        coverage=1.0,
        interocular_px=80.0,
        still=still,
        times_s=times_s,
        life=moves.astype(np.float32),
        looks_s=times_s[::6],
        looks=looks,
        sound_start_s=0.0,
        sound=words,
        heard=np.ones(len(words), bool),
    )


def sign_clip(payload: dict[str, Any]) -> Answer:
    """Answer as `lipaccord.source.errands.sign_clip` does."""
    path = Path(payload["uri"])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableMedia(f"{path.name} can't be read ({error.strerror}); look for it") from error
    sha256 = hashlib.sha256(data).hexdigest()
    part = payload.get("part")
    with open(os.environ[CALLS], "a", encoding="utf-8") as file:  # noqa: PTH123 - added to by several processes
        file.write(f"{path.name} {'whole' if part is None else part[0]}\n")
    if part is None and sha256 in payload["known"]:
        return {"sha256": sha256}, ()
    lines = data.decode().splitlines()
    if lines[0].startswith("long") and part is None:
        parts = [[number, 600.0 * (number - 1), 600.0 * number] for number in range(1, int(lines[0].split()[1]) + 1)]
        return {"sha256": sha256, "duration_s": 1200.0, "parts": parts}, ()
    status, blobs = _outcome(lines[0] if part is None else lines[part[0]], path, sha256)
    return {"sha256": sha256, "status": status} | ({"duration_s": LIVES_S} if part is None else {}), blobs


def _outcome(line: str, path: Path, sha256: str) -> tuple[str, tuple[bytes, ...]]:
    word, *numbers = line.split()
    if word == "broken":
        raise UnreadableMedia(f"{path.name} is broken; leave it out")
    if word == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "nobody":
        return "no_face", ()
    if word == "still":
        return "still", (made(0, sha256=sha256, still=True).to_bytes(),)
    seed, *part = (int(number) for number in numbers)
    return "signed", (made(seed, *part, sha256=sha256).to_bytes(),)


class Silent:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.sources: dict[str, str] = {}

    def listed(self, sources: int) -> None:
        self.said.append(f"listed {sources}")

    def begins(self, waiting: int, done: int, workers: str) -> None:
        self.said.append(f"{waiting} wait, {done} are done; {workers}")

    def source(self, name: str, status: str, trouble: Any, workers: int) -> None:
        self.sources[Path(name).name] = status if trouble is None else f"{status} {trouble}"

    def says(self, line: str) -> None:
        self.said.append(line)


class MadeBackend:
    """Stands for the landmark backend whose name and version the made signatures have."""

    name, version = LANDMARKS.split()


def stand_in(errands: Any, indexing: Any) -> None:
    """Have the stand-in sign."""
    errands.SIGN = SIGN
    indexing.load_backend = lambda name: MadeBackend


if __name__ == "__main__":
    from lipaccord.source import errands, indexing

    stand_in(errands, indexing)
    indexing.build(indexing.Order((sys.argv[1],), processes=1), Path(sys.argv[2]), Silent())


def beside(status: Literal["mouth_altered", "not_examinable"]) -> Exhibit:
    """Return what laying a clip beside its source may find."""
    altered = status == "mouth_altered"
    return Exhibit(
        status=status,
        reasons=(Reason("lower_face_differs", "The lower face differs."),),
        face="face-1",
        faces=1,
        statistic=0.5 if altered else None,
        limit=0.2,
        p=0.01 if altered else None,
        copies=195,
        share_altered=0.8 if altered else 0.0,
        face_altered=False,
        segments=(Interval(1.0, 2.5),) if altered else (),
        series=(),
        registration={},
        fitted={},
        pictures=(),
    )
