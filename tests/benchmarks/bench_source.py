"""How the search for a source grows with the index: time, memory and size of a query of ten seconds.

Windows of real heads (a clip of the fixtures; or an index that ``LIPACCORD_BENCH_INDEX`` names) are mixed by twos and
given the noise of a copy, until there are as many as 10, 100 and 1,000 hours have, with looks by chance;
``LIPACCORD_BENCH_HOURS`` names other numbers. The query lies among them. Run by ``make bench``. Figures are printed,
nothing is asserted about time.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lipaccord.records import FloatArray
from lipaccord.source.covered import Covered
from lipaccord.source.index import open_index
from lipaccord.source.neighbours import LOOK_WIDTH, Described, Neighbours, load_faiss, write_neighbours
from lipaccord.source.signature import Signature
from lipaccord.source.signing import sign
from lipaccord.source.voting import MOST_LOOKS, NEAR_LOOKS
from lipaccord.source.windowing import DIMENSIONS, STRIDE_S, windows

CLIP = Path(__file__).parent.parent.parent / "fixtures" / "obama_speech.mp4"
HOURS = [int(text) for text in os.environ.get("LIPACCORD_BENCH_HOURS", "10,100,1000").split(",")]
FULL_H = 1000
A_SIGNATURE, LOOKS = 1500, 150  # windows and looks of ten minutes
QUERY_WINDOWS, QUERY_APART_S = 230, 0.04
NEAR = 10


def heads() -> Iterator[Signature]:
    """Return real signatures."""
    if folder := os.environ.get("LIPACCORD_BENCH_INDEX"):
        with open_index(Path(folder)) as index:
            yield from (signature for _, signature in index.signatures(1, index.last()[0]))
    else:
        yield from sign(CLIP)


def mixed(real: FloatArray, number: int, count: int) -> FloatArray:
    """Return made windows: two real ones mixed, either way round, with the noise of a copy."""
    rng = np.random.default_rng(number)
    one, other = real[rng.integers(0, len(real), (2, count))]
    turn = rng.uniform(0, 2 * np.pi, (2, count, 1)).astype(np.float32)
    noise = rng.standard_normal((count, DIMENSIONS), np.float32)
    made: FloatArray = np.cos(turn[0]) * one + np.sin(turn[1]) * other + noise
    return made


def build(folder: Path, hours: int, real: FloatArray) -> None:
    """Write files for the search of so many hours."""
    each = round(A_SIGNATURE * STRIDE_S)
    for first_h in range(0, hours, FULL_H):
        first, last = (1 + hour * 3600 // each for hour in (first_h, min(hours, first_h + FULL_H)))

        def batches(first: int = first, last: int = last) -> Iterator[Described]:
            times_s = STRIDE_S * np.arange(A_SIGNATURE, dtype=np.float64)
            for number in range(first, last):
                hashes = np.random.default_rng(number).integers(0, 256, (LOOKS, LOOK_WIDTH), dtype=np.uint8)
                yield Described(number, times_s, mixed(real, number, A_SIGNATURE), hashes)

        covered = Covered(first, last - 1, "00" * 16, (last - first) * float(each))
        write_neighbours(folder / f"neighbours-{first:012d}.bin", batches, covered)


def ask(folder: Path, real: FloatArray) -> dict[str, float]:
    """Search for ten seconds of a signature, as they are and mirrored; return what that took."""
    begun = time.perf_counter()
    files = [Neighbours.open(path) for path in sorted(folder.glob("neighbours-*.bin"))]
    opened_s = time.perf_counter() - begun
    load_faiss().omp_set_num_threads(2)
    wanted, seconds, found = files[-1].covered.last, [], []
    for tried in range(3):
        rng = np.random.default_rng(tried)
        true = mixed(real, wanted - tried, A_SIGNATURE)[100 : 100 + QUERY_WINDOWS]
        query = true + np.float32(1.4) * rng.standard_normal(true.shape, np.float32)
        hashes = rng.integers(0, 256, (2 * MOST_LOOKS, LOOK_WIDTH), dtype=np.uint8)
        begun = time.perf_counter()
        for file in files:
            signatures = file.search(np.concatenate([query, -query]), NEAR)[1]
            file.alike(hashes, NEAR_LOOKS)
        seconds.append(time.perf_counter() - begun)
        found.append(float((signatures[:QUERY_WINDOWS] == wanted - tried).any(axis=1).mean()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"opened_s": opened_s, "cold_s": seconds[0], "warm_s": min(seconds), "found": min(found), "peak_mb": peak}


@pytest.mark.parametrize("hours", HOURS)
def test_a_query_in_an_index_of(hours: int, tmp_path: Path) -> None:
    real = np.concatenate([windows(head, QUERY_APART_S)[1] for head in heads()])
    np.save(tmp_path / "real.npy", real)
    begun = time.perf_counter()
    build(tmp_path, hours, real)
    built_s = time.perf_counter() - begun
    size = sum(path.stat().st_size for path in tmp_path.glob("neighbours-*.bin"))
    command = [sys.executable, __file__, str(tmp_path)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"\n{hours:,} hours: {size / 1e6:,.1f} MB ({size / hours / 1e3:,.0f} kB an hour), built in {built_s:,.0f} s; a "
        f"query of 10 s (mirrored too): opened in {told['opened_s']:.2f} s, searched in {told['cold_s']:.2f} s, "
        f"again in {told['warm_s']:.2f} s, {told['peak_mb']:,.0f} MB; {told['found']:.1%} of its windows are found"
    )


if __name__ == "__main__":
    print(json.dumps(ask(Path(sys.argv[1]), np.load(Path(sys.argv[1], "real.npy")))))
