"""Computes a decoder's upper part strip by strip, keeping between segments only what later ones need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import openvino as ov

from sdxl_desktop.engine.openvino.tiling.feed import Feed
from sdxl_desktop.engine.openvino.tiling.inference import Check, infer, return_freed
from sdxl_desktop.engine.openvino.tiling.moments import Moments
from sdxl_desktop.engine.openvino.tiling.plan import Plan
from sdxl_desktop.engine.openvino.tiling.segments import Division, Segment
from sdxl_desktop.engine.openvino.tiling.strips import StripGraph

Floats = npt.NDArray[np.float32]
Kept = npt.NDArray[Any]
"""A whole value, [C, h, w], as it is kept."""


class Strip(NamedTuple):
    """A strip's graph and what it was compiled to."""

    graph: StripGraph
    compiled: Any


class Tail:
    """One decode, from what the lower part gave to the picture."""

    def __init__(self, division: Division, plan: Plan, strip: Callable[[Plan, int], Strip], check: Check) -> None:
        self.division = division
        self.plan = plan
        self._strip = strip
        self._check = check
        self._kept: dict[int, Kept] = {}
        self._normalizers: dict[int, tuple[Floats, Floats]] = {}

    def keep(self, norm: int, value: Kept) -> None:
        """Hand over the source of a norm."""
        self._kept[norm] = value

    def know(self, norm: int, count: int, mean: Floats, squares: Floats) -> None:
        """Tell a source's moments: of each channel's `count` pixels."""
        moments = Moments(mean.size)
        moments.add(count, mean, squares)
        self._normalizers[norm] = moments.normalizer(self.division.norms[norm])

    def run(self) -> Floats:
        """The picture, float32 [3, H, W]."""
        picture = len(self.division.norms)
        for number in range(self.plan.cut + 1, picture + 1):
            self._check()
            value, moments = self._compute(number)
            for norm in [norm for norm in self._kept if self.division.last_use(norm) <= number]:
                del self._kept[norm]
            self._kept[number] = value
            del value
            if moments is not None:
                self._normalizers[number] = moments.normalizer(self.division.norms[number])
        return self._kept.pop(picture)

    def _compute(self, number: int) -> tuple[Kept, Moments | None]:
        """The target of segment `number`, and its moments unless it is the picture."""
        segment, strip = self.division.segment(number), self._strip(self.plan, number)
        target = self._room(segment, strip.graph, number)
        moments = None if number == len(self.division.norms) else Moments(target.shape[0])
        try:
            self._fill(target, moments, strip, self.plan.rows(segment))
        finally:
            strip.compiled.release_memory()
            return_freed()
        return target, moments

    def _fill(self, target: Kept, moments: Moments | None, strip: Strip, rows: int) -> None:
        """Compute `target` from top to bottom, `rows` at a time."""
        _, height, width = target.shape
        request = strip.compiled.create_infer_request()
        feed = Feed(strip.graph, request, self._kept, height, width)
        feed.normalize([self._normalizers[norm] for norm in strip.graph.normalized])
        feed.fill(0)
        for start in range(0, height, rows):
            infer(request, self._check)
            end = min(start + rows, height)
            if end < height:
                feed.fill(end)  # before what the next strip takes may be overwritten
            target[:, start:end] = request.get_output_tensor(0).data[0, :, : end - start]
            if moments is not None:
                mean, squares = (request.get_output_tensor(port).data for port in (1, 2))
                moments.add((end - start) * width, mean, squares)

    def _room(self, segment: Segment, graph: StripGraph, number: int) -> Kept:
        """Where the target is written: over a value that is not needed afterwards, where one has its shape."""
        shape = self.plan.size(segment.target)
        if number == len(self.division.norms):
            return np.empty(shape, np.float32)
        rows = self.plan.rows(segment)
        for norm, window in graph.kept:
            before, after = -window.start, window.end - rows
            fits = self._kept[norm].shape == shape and max(before, after) <= rows
            if fits and self.division.last_use(norm) == number:
                return self._kept[norm]
        return np.empty(shape, np.float32 if self.plan.kept_as == ov.Type.f32 else np.float16)
