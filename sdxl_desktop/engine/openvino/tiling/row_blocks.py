"""Stores a value of the whole picture in blocks of rows, which strips write in place and which are released singly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


class RowBlocks:
    """A value [C, h, w] as blocks [C, rows, w] from top to bottom, each with its own number of rows."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, Numbers]] = []
        self.rows = 0
        """Rows added so far, including released ones."""

    @classmethod
    def from_array(cls, value: Numbers, rows: int) -> RowBlocks:
        """Copy `value` into blocks of `rows` rows."""
        made = cls()
        for start in range(0, value.shape[1], rows):
            made.append(value[:, start : start + rows].copy())
        return made

    def append(self, block: Numbers) -> None:
        """Append the next rows; the block is stored without a copy."""
        self._blocks.append((self.rows, block))
        self.rows += block.shape[1]

    def release_above(self, row: int) -> list[Numbers]:
        """Remove and return the blocks that lie entirely above `row`; their memory may be reused."""
        gone = [block for start, block in self._blocks if start + block.shape[1] <= row]
        self._blocks = self._blocks[len(gone) :]
        return gone

    def copy_to(self, view: Numbers, start: int) -> None:
        """Copy the rows from `start` on into `view` [C, rows, w], with zeros outside the picture."""
        end = start + view.shape[1]
        view[:, : max(-start, 0)] = 0
        view[:, max(self.rows - start, 0) :] = 0
        for first, block in self._blocks:
            above, below = max(start, first), min(end, first + block.shape[1])
            if above < below:
                view[:, above - start : below - start] = block[:, above - first : below - first]

    def to_array(self) -> Numbers:
        """Return the value as one array."""
        return np.concatenate([block for _, block in self._blocks], axis=1)
