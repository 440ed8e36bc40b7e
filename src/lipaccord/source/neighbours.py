"""The nearest-neighbour files of an index: the windows of many signatures, few bytes each, searched by faiss.

A file covers the signatures from one number to another. It is made from them and can be made again at any time. Windows
lie in cells round centres that are learnt from the windows themselves; of each window 4 bits a dimension are kept,
beside its signature and when it begins: 24 bytes. The file is mapped, not read: a search touches the cells that lie
nearest to what is searched for.

Behind what faiss wrote stand a JSON object with what the file covers, its length, and `MAGIC`. It is written to another
name and moved when it is whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.errors import ArchiveError, BackendMissing
from lipaccord.records import FloatArray, TimeArray
from lipaccord.source import windowing

MAGIC = b"lipaccord neighbours 1\n"
PATTERN = "neighbours-*.bin"
UNFINISHED = ".neighbours-*.part"
CELLS = 16_384  # at most
POINTS = 40  # windows a cell that its centre is learnt from
PROBED = 16  # cells that are searched for each window
CODE_BYTES = windowing.DIMENSIONS // 2 + 8
STEPS_A_SECOND = 1000
_TIME_BITS = 36  # of a number: two years of milliseconds
_MOST_TRAILER = 4096
_SEED = 20

Batches = Callable[[], Iterator[tuple[int, TimeArray, FloatArray]]]
Numbers = NDArray[np.int64]


def windows_digest() -> str:
    """Identify how windows are described: files made from others are made again."""
    names = ("WINDOW_S", "BIN_S", "STRIDE_S", "DIMENSIONS", "LINEAR", "LONGEST_GAP_S", "MIN_MOVEMENT", "FEWEST")
    values = json.dumps([getattr(windowing, name) for name in names]).encode()
    matrices = (resources.files("lipaccord") / "source" / "whitening.npz").read_bytes()
    return hashlib.blake2b(values + matrices, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Covered:
    """Which signatures a file holds the windows of.

    Attributes
    ----------
    first, last : int
        Numbers of signatures, both included.
    chain : str
        Of the last; in hexadecimal, see `index`.
    seconds : float
        Length of the signatures.
    """

    first: int
    last: int
    chain: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Trailer:
    """What stands behind the windows of a file."""

    first: int
    last: int
    chain: str
    seconds: float
    windows: int
    described: str
    head_bytes: int
    head_digest: str

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if type(getattr(self, field.name)).__name__ != field.type:
                raise ValueError(f"{field.name} is no {field.type}")
        if not 0 < self.first <= self.last or self.windows < 0 or self.head_bytes < 0:
            raise ValueError("it covers nothing")


def load_faiss() -> Any:
    """Return the library.

    Raises
    ------
    BackendMissing
        It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise BackendMissing("the search needs faiss; pip install 'lipaccord[source]'") from error
    return faiss


def _numbered(signature: int, times_s: TimeArray, first_s: float) -> Numbers:
    """Return the numbers under which windows are kept."""
    steps = np.rint((times_s - first_s) * STEPS_A_SECOND).astype(np.int64)
    return (np.int64(signature) << _TIME_BITS) | steps


def _trained(batches: Batches, count: int) -> Any:
    """Make an empty faiss index whose cells suit so many windows."""
    library = load_faiss()
    cells = min(CELLS, max(1, round(4 * count**0.5)), max(1, count // 8))
    wanted = min(count, cells * POINTS)
    picked = np.sort(np.random.default_rng(_SEED).choice(count, wanted, replace=False))
    sample, seen = [], 0
    for _, _, vectors in batches():
        low, high = np.searchsorted(picked, (seen, seen + len(vectors)))
        sample.append(vectors[picked[low:high] - seen])
        seen += len(vectors)
    quantizer = library.IndexFlatL2(windowing.DIMENSIONS)
    index = library.IndexIVFScalarQuantizer(
        quantizer, windowing.DIMENSIONS, cells, library.ScalarQuantizer.QT_4bit, library.METRIC_L2
    )
    index.cp.min_points_per_centroid = 1  # a small index is not worth a warning
    index.cp.seed = _SEED
    index.train(np.concatenate(sample))
    return index


def _head_digest(path: Path, length: int) -> str:
    """Return the digest of what faiss reads at once: all but the windows."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while length > 0 and (block := file.read(min(length, 1 << 20))):
            digest.update(block)
            length -= len(block)
    return digest.hexdigest()


def write_neighbours(path: Path, batches: Batches, covered: Covered) -> int:
    """Write a file of the windows of signatures.

    Parameters
    ----------
    path : Path
        Replaced only once the new file is whole.
    batches : callable
        Gives, each time that it is called, the number of each signature, and when its windows begin, counted from its
        first frame, with their vectors.
    covered : Covered

    Returns
    -------
    int
        How many windows it holds.

    Raises
    ------
    ArchiveError
        It can't be written; nothing is left behind.
    BackendMissing
        faiss is not installed.
    """
    library = load_faiss()
    count = sum(len(vectors) for _, _, vectors in batches())
    part = path.with_name(f".neighbours-{secrets.token_hex(6)}.part")
    try:
        head_bytes = 0
        if count:
            index = _trained(batches, count)
            for signature, times_s, vectors in batches():
                index.add_with_ids(vectors, _numbered(signature, times_s, 0.0))
            library.write_index(index, os.fspath(part))
            head_bytes = part.stat().st_size - count * CODE_BYTES
        with part.open("ab") as file:
            told = dataclasses.asdict(covered) | {"windows": count, "described": windows_digest()}
            told |= {"head_bytes": head_bytes, "head_digest": _head_digest(part, head_bytes)}
            text = json.dumps(told, sort_keys=True).encode()
            file.write(text + len(text).to_bytes(4, "little") + MAGIC)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # faiss raises the latter where a disk is full
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise ArchiveError(f"{path} can't be written ({reason}); make room on its disk and run it again") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _trailer(path: Path) -> _Trailer:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - len(MAGIC) - 4 - _MOST_TRAILER))
        end = file.read()
    if not end.endswith(MAGIC) or len(end) < len(MAGIC) + 4:
        raise ValueError("its end is missing, or it is of another version")
    body = end[: -len(MAGIC)]
    length = int.from_bytes(body[-4:], "little")
    if length > len(body) - 4:
        raise ValueError("its end is damaged")
    values = json.loads(body[len(body) - 4 - length : -4])
    if not isinstance(values, dict):
        raise ValueError("its end is damaged")
    trailer = _Trailer(**values)
    if size != trailer.head_bytes + trailer.windows * CODE_BYTES + length + 4 + len(MAGIC):
        raise ValueError("its length differs")
    if _head_digest(path, trailer.head_bytes) != trailer.head_digest:
        raise ValueError("its checksum differs")
    return trailer


class Neighbours:
    """An open file of windows.

    Attributes
    ----------
    path : Path
    covered : Covered
    windows : int
    described : str
        See `windows_digest`.
    """

    def __init__(self, path: Path, trailer: _Trailer, index: Any) -> None:
        self.path = path
        self.covered = Covered(trailer.first, trailer.last, trailer.chain, trailer.seconds)
        self.windows = trailer.windows
        self.described = trailer.described
        self._index = index

    @classmethod
    def open(cls, path: Path) -> Neighbours:
        """Open a file; what it holds is mapped.

        Raises
        ------
        ArchiveError
            It is damaged, cut short, or of another version.
        BackendMissing
            faiss is not installed.
        """
        library = load_faiss()
        try:
            trailer = _trailer(path)
            index = None
            if trailer.windows:
                index = library.read_index(os.fspath(path), library.IO_FLAG_MMAP | library.IO_FLAG_READ_ONLY)
                if not isinstance(index, library.IndexIVFScalarQuantizer):
                    raise ValueError("it is no index of windows")
                if (index.d, index.ntotal) != (windowing.DIMENSIONS, trailer.windows):
                    raise ValueError("it holds other windows than it says")
                index.nprobe = PROBED
        except (OSError, ValueError, TypeError, RuntimeError, RecursionError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ArchiveError(f"{path} is damaged ({reason}); run `lipaccord index` again") from error
        return cls(path, trailer, index)

    def search(self, vectors: FloatArray, near: int) -> tuple[FloatArray, Numbers, TimeArray]:
        """Find the windows nearest to each of those given.

        Returns
        -------
        distances : ndarray of float32 [shape=(N, near)]
            Squared; infinite where there are not so many.
        signatures : ndarray of int64 [shape=(N, near)]
            Their numbers; 0 where there are not so many.
        times_s : ndarray of float64 [shape=(N, near)]
            When they begin, from the first frame of their signature on.
        """
        if self._index is None or not len(vectors):
            shape = (len(vectors), near)
            return np.full(shape, np.inf, np.float32), np.zeros(shape, np.int64), np.zeros(shape)
        distances, numbers = self._index.search(np.ascontiguousarray(vectors), near)
        there = numbers >= 0
        signatures = np.where(there, numbers >> _TIME_BITS, 0)
        times_s = (numbers & ((1 << _TIME_BITS) - 1)) / STEPS_A_SECOND
        return np.where(there, distances, np.inf).astype(np.float32), signatures, times_s
