"""The nearest-neighbour files of an index: windows and looks of many signatures, few bytes each, searched by faiss.

A file covers the signatures from one number to another. It is made from them and can be made again at any time. Windows
lie in cells round centres that are learnt from the windows themselves; of each window 4 bits a dimension are kept,
beside its signature and when it begins: 24 bytes. Of the looks one in `LOOK_STRIDE` is kept, as it is, beside its
signature: 40 bytes. The file is mapped, not read: a search touches the cells that lie nearest to what is searched for,
and all the looks.

What faiss wrote is followed by the looks, by the numbers of their signatures, and by what the file covers (`covered`).
It is written to another name and moved when it is whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipaccord.errors import ArchiveError, BackendMissing
from lipaccord.records import FloatArray, TimeArray
from lipaccord.source import windowing
from lipaccord.source.covered import Covered, Trailer, append_trailer, head_digest, read_trailer
from lipaccord.source.signature import LOOK_BYTES, LOOKS, Bits, Signature
from lipaccord.source.windowing import windows

PATTERN = "neighbours-*.bin"
UNFINISHED = ".neighbours-*.part"
CELLS = 16_384  # at most
POINTS = 40  # windows a cell that its centre is learnt from
PROBED = 16  # cells that are searched for each window
CODE_BYTES = windowing.DIMENSIONS // 2 + 8
LOOK_STRIDE = 16  # looks: four seconds
LOOK_WIDTH = len(LOOKS) * LOOK_BYTES
STEPS_A_SECOND = 1000
_TIME_BITS = 36  # of a number: two years of milliseconds
_SEED = 20

Numbers = NDArray[np.int64]


def windows_digest() -> str:
    """Identify how windows are described: files made from others are made again."""
    names = ("WINDOW_S", "BIN_S", "STRIDE_S", "DIMENSIONS", "LINEAR", "LONGEST_GAP_S", "MIN_MOVEMENT", "FEWEST")
    values = json.dumps([*(getattr(windowing, name) for name in names), LOOK_STRIDE]).encode()
    matrices = (resources.files("lipaccord") / "source" / "whitening.npz").read_bytes()
    return hashlib.blake2b(values + matrices, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Described:
    """What a signature is searched by.

    Attributes
    ----------
    number : int
        Of the signature.
    times_s : ndarray of float64 [shape=(N,)]
        When its windows begin, counted from its first frame.
    vectors : ndarray of float32 [shape=(N, DIMENSIONS)]
    looks : ndarray of uint8 [shape=(M, LOOK_WIDTH)]
    """

    number: int
    times_s: TimeArray
    vectors: FloatArray
    looks: Bits


Batches = Callable[[], Iterator[Described]]


def described(number: int, signature: Signature) -> Described:
    """Describe a signature."""
    times_s, vectors = windows(signature)
    return Described(number, times_s - signature.times_s[0], vectors, spread(signature.looks, LOOK_STRIDE))


def spread(hashes: Bits, stride: int) -> Bits:
    """Take one look in so many, from the middle of each such stretch [shape=(M, LOOK_WIDTH)]."""
    return hashes[min(stride, len(hashes)) // 2 :: stride].reshape(-1, LOOK_WIDTH).copy()


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


def _numbered(signature: int, times_s: TimeArray) -> Numbers:
    """Return the numbers under which windows are kept."""
    steps = np.rint(times_s * STEPS_A_SECOND).astype(np.int64)
    return (np.int64(signature) << _TIME_BITS) | steps


def _trained(batches: Batches, count: int) -> Any:
    """Make an empty faiss index whose cells suit so many windows."""
    library = load_faiss()
    cells = min(CELLS, max(1, round(4 * count**0.5)), max(1, count // 8))
    wanted = min(count, cells * POINTS)
    picked = np.sort(np.random.default_rng(_SEED).choice(count, wanted, replace=False))
    sample, seen = [], 0
    for one in batches():
        low, high = np.searchsorted(picked, (seen, seen + len(one.vectors)))
        sample.append(one.vectors[picked[low:high] - seen])
        seen += len(one.vectors)
    quantizer = library.IndexFlatL2(windowing.DIMENSIONS)
    index = library.IndexIVFScalarQuantizer(
        quantizer, windowing.DIMENSIONS, cells, library.ScalarQuantizer.QT_4bit, library.METRIC_L2
    )
    index.cp.min_points_per_centroid = 1  # a small index is not worth a warning
    index.cp.seed = _SEED
    index.train(np.concatenate(sample))
    return index


def _append_looks(path: Path, looks: Sequence[tuple[int, Bits]]) -> int:
    """Write the looks of signatures behind what there is, then their signatures' numbers; return how many they are."""
    numbers = np.repeat([number for number, _ in looks], [len(bits) for _, bits in looks]).astype("<i8")
    with path.open("ab") as file:
        for _, bits in looks:
            file.write(bits.tobytes())
        file.write(numbers.tobytes())
    return len(numbers)


def write_neighbours(path: Path, batches: Batches, covered: Covered) -> int:
    """Write a file of what signatures are searched by.

    Parameters
    ----------
    path : Path
        Replaced only once the new file is whole.
    batches : callable
        Gives the signatures, each time that it is called.
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
    count, looks = 0, []
    for one in batches():
        count += len(one.vectors)
        looks.append((one.number, one.looks))
    part = path.with_name(f".neighbours-{secrets.token_hex(6)}.part")
    try:
        head_bytes = 0
        if count:
            index = _trained(batches, count)
            for one in batches():
                index.add_with_ids(one.vectors, _numbered(one.number, one.times_s))
            library.write_index(index, os.fspath(part))
            head_bytes = part.stat().st_size - count * CODE_BYTES
        kept = _append_looks(part, looks)
        head = {"head_bytes": head_bytes, "head_digest": head_digest(part, head_bytes)}
        told = dataclasses.asdict(covered) | head | {"windows": count, "looks": kept, "described": windows_digest()}
        append_trailer(part, Trailer(**told))
        part.replace(path)
    except (OSError, RuntimeError) as error:  # faiss raises the latter where a disk is full
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise ArchiveError(f"{path} can't be written ({reason}); make room on its disk and run it again") from error
    finally:
        part.unlink(missing_ok=True)
    return count


class Neighbours:
    """An open file.

    Attributes
    ----------
    path : Path
    covered : Covered
    windows, looks : int
        How many it holds.
    described : str
        See `windows_digest`.
    """

    def __init__(self, path: Path, trailer: Trailer, index: Any) -> None:
        self.path = path
        self.covered = trailer.covered
        self.windows, self.looks = trailer.windows, trailer.looks
        self.described = trailer.described
        self._index = index
        at = trailer.head_bytes + trailer.windows * CODE_BYTES
        self._looks = _mapped(path, "u1", at, (self.looks, LOOK_WIDTH))
        self._numbers = _mapped(path, "<i8", at + self.looks * LOOK_WIDTH, (self.looks,))

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
            trailer = read_trailer(path, CODE_BYTES, LOOK_WIDTH + 8)
            index = None
            if trailer.windows:
                index = library.read_index(os.fspath(path), library.IO_FLAG_MMAP | library.IO_FLAG_READ_ONLY)
                if not isinstance(index, library.IndexIVFScalarQuantizer):
                    raise ValueError("it is no index of windows")
                if (index.d, index.ntotal) != (windowing.DIMENSIONS, trailer.windows):
                    raise ValueError("it holds other windows than it says")
                index.nprobe = PROBED
            return cls(path, trailer, index)
        except (OSError, ValueError, TypeError, RuntimeError, RecursionError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ArchiveError(f"{path} is damaged ({reason}); run `lipaccord index` again") from error

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

    def alike(self, hashes: Bits, near: int) -> tuple[FloatArray, Numbers]:
        """Find the looks most alike to each of those given.

        Parameters
        ----------
        hashes : ndarray of uint8 [shape=(N, LOOK_WIDTH)]
        near : int
            How many to find for each.

        Returns
        -------
        distances : ndarray of float32 [shape=(N, at most near)]
            Share of the bits that differ.
        signatures : ndarray of int64 [shape=(N, at most near)]
        """
        near = min(near, self.looks)
        if not near or not len(hashes):
            return np.zeros((len(hashes), 0), np.float32), np.zeros((len(hashes), 0), np.int64)
        bits, rows = load_faiss().knn_hamming(np.ascontiguousarray(hashes), self._looks, near)
        return (bits / (8 * LOOK_WIDTH)).astype(np.float32), self._numbers[rows]


def _mapped(path: Path, dtype: str, at: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map a part of a file; nothing can be mapped of a part that is empty."""
    return np.memmap(path, dtype, "r", at, shape) if shape[0] else np.zeros(shape, dtype)
