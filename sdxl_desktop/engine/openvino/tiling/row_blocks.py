"""Keeps a value of the whole picture in blocks of rows: strips write them in place, and used up they go one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


class RowBlocks:
    """A value [C, h, w]: blocks [C, rows, w] from top to bottom, as many rows in each as it came with."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, Numbers]] = []
        self.rows = 0
        """That were added until now, those included that were let go."""

    @classmethod
    def from_array(cls, value: Numbers, rows: int) -> RowBlocks:
        """A copy of `value`, so many rows to a block."""
        made = cls()
        for start in range(0, value.shape[1], rows):
            made.append(value[:, start : start + rows].copy())
        return made

    def append(self, block: Numbers) -> None:
        """The rows that come next; the block itself is kept."""
        self._blocks.append((self.rows, block))
        self.rows += block.shape[1]

    def release_above(self, row: int) -> list[Numbers]:
        """The blocks that are not needed any more when rows above this one are not: others may be written over them."""
        gone = [block for start, block in self._blocks if start + block.shape[1] <= row]
        self._blocks = self._blocks[len(gone) :]
        return gone

    def copy_to(self, view: Numbers, start: int) -> None:
        """Rows from `start` on into `view` [C, rows, w], zeros where the picture has none."""
        end = start + view.shape[1]
        view[:, : max(-start, 0)] = 0
        view[:, max(self.rows - start, 0) :] = 0
        for first, block in self._blocks:
            above, below = max(start, first), min(end, first + block.shape[1])
            if above < below:
                view[:, above - start : below - start] = block[:, above - first : below - first]

    def to_array(self) -> Numbers:
        """The value in one piece."""
        return np.concatenate([block for _, block in self._blocks], axis=1)
