"""Fills the inputs of a strip's infer request from the stored values of the whole picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sdxl_desktop.engine.openvino.tiling.row_blocks import RowBlocks
from sdxl_desktop.engine.openvino.tiling.strip_graph import RowWindow, StripGraph

Numbers = npt.NDArray[Any]


class StripInputs:
    """The inputs of `request` in the order of `StripGraph`. `height` and `width` are the target's."""

    def __init__(self, graph: StripGraph, request: Any, kept: Mapping[int, RowBlocks], height: int, width: int) -> None:
        self._graph = graph
        self._stored = kept
        self._height = height
        self._width = width
        inputs = [request.get_input_tensor(port).data for port in range(len(graph.model.inputs))]
        masks, normalizers = len(graph.stored), len(graph.stored) + len(graph.masks)
        ends = normalizers + 2 * len(graph.normalized)
        self._values, self._masks = inputs[:masks], inputs[masks:normalizers]
        self._normalizers, self._rest = inputs[normalizers:ends], inputs[ends:]

    def set_normalizers(self, normalizers: Sequence[tuple[Numbers, Numbers]]) -> None:
        """Set (mean, 1 / standard deviation) of each norm in the graph's `normalized`."""
        for view, numbers in zip(self._normalizers, (each for pair in normalizers for each in pair), strict=True):
            view[:] = numbers

    def set_rows(self, row: int) -> None:
        """Set the inputs of the strip that begins at `row`."""
        for view, (norm, window) in zip(self._values, self._graph.stored, strict=True):
            self._stored[norm].copy_to(view[0], window.first_row(row))
        for view, window in zip(self._masks, self._graph.masks, strict=True):
            _fill_mask(view, window, row, self._height)
        if self._rest:
            mask, share = self._rest
            rows = min(mask.shape[2], self._height - row)
            mask[:, :, :rows], mask[:, :, rows:] = 1, 0
            share[:] = 1 / (rows * self._width)


def _fill_mask(view: Numbers, window: RowWindow, row: int, height: int) -> None:
    """Fill `view` with 1 for the window's rows inside the picture and 0 for the others."""
    rows = np.arange(window.rows) + window.first_row(row)
    view[0, 0, :, 0] = (rows >= 0) & (rows < height // window.ratio)
