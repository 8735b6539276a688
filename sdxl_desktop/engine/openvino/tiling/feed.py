"""Fills the inputs of a strip's infer request from what is kept of the whole picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sdxl_desktop.engine.openvino.tiling.kept import Kept
from sdxl_desktop.engine.openvino.tiling.strips import StripGraph, Window

Numbers = npt.NDArray[Any]


class Feed:
    """The inputs of `request` in the order that `StripGraph` tells. `height` and `width` are the target's."""

    def __init__(self, graph: StripGraph, request: Any, kept: Mapping[int, Kept], height: int, width: int) -> None:
        self._graph = graph
        self._kept = kept
        self._height = height
        self._width = width
        inputs = [request.get_input_tensor(port).data for port in range(len(graph.model.inputs))]
        masks, normalizers = len(graph.kept), len(graph.kept) + len(graph.masks)
        ends = normalizers + 2 * len(graph.normalized)
        self._values, self._masks = inputs[:masks], inputs[masks:normalizers]
        self._normalizers, self._rest = inputs[normalizers:ends], inputs[ends:]

    def normalize(self, normalizers: Sequence[tuple[Numbers, Numbers]]) -> None:
        """Hand in (mean, one over deviation) of each norm in the graph's `normalized`."""
        for view, numbers in zip(self._normalizers, (each for pair in normalizers for each in pair), strict=True):
            view[:] = numbers

    def fill(self, row: int) -> None:
        """Hand in what the strip that begins at `row` needs."""
        for view, (norm, window) in zip(self._values, self._graph.kept, strict=True):
            self._kept[norm].copy_to(view[0], window.at(row))
        for view, window in zip(self._masks, self._graph.masks, strict=True):
            _mark(view, window, row, self._height)
        if self._rest:
            mask, share = self._rest
            rows = min(mask.shape[2], self._height - row)
            mask[:, :, :rows], mask[:, :, rows:] = 1, 0
            share[:] = 1 / (rows * self._width)


def _mark(view: Numbers, window: Window, row: int, height: int) -> None:
    """1 for the window's rows that lie in the picture, 0 for the others."""
    rows = np.arange(window.rows) + window.at(row)
    view[0, 0, :, 0] = (rows >= 0) & (rows < height // window.ratio)
