"""Rows of numbers that grow while a clip streams by.

They are kept in large blocks. Thousands of small arrays, allocated between one picture and the next, would settle in
the room that a freed picture leaves, and the memory in use would grow by a picture for every frame.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import numpy as np

from lipaccord.records import FloatArray

BLOCK_BYTES = 2**21


class RowLog:
    """A growing array of float32 rows.

    Parameters
    ----------
    width : int
        Numbers in a row.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._size = max(1, BLOCK_BYTES // (4 * width))
        self._blocks: list[FloatArray] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, *parts: FloatArray | float) -> None:
        """Add a row, given in parts that follow each other; a missing rest is NaN."""
        row = self._length % self._size
        if row == 0:
            self._blocks.append(self._new_block())
        place = 0
        for part in parts:
            flat = np.ravel(part)
            self._blocks[-1][row, place : place + len(flat)] = flat
            place += len(flat)
        self._length += 1

    def _new_block(self) -> FloatArray:
        """Map a block of its own: its memory goes back to the system as soon as it is let go."""
        block: FloatArray = np.frombuffer(mmap.mmap(-1, 4 * self._size * self._width), np.float32)
        block.fill(np.nan)
        return block.reshape(self._size, self._width)

    def take(self, length: int) -> Iterator[tuple[slice, FloatArray]]:
        """Yield the first `length` rows block by block with their places, and let each block go."""
        blocks, self._blocks, self._length = self._blocks[::-1], [], 0
        for start in range(0, length, self._size):
            place = slice(start, min(start + self._size, length))
            yield place, blocks.pop()[: place.stop - start]
