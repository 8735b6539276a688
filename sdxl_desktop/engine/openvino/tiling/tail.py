"""Computes a decoder's upper part strip by strip, keeping between segments only what later ones need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import openvino as ov

from sdxl_desktop.engine.openvino.tiling.feed import Feed
from sdxl_desktop.engine.openvino.tiling.inference import Check, infer, return_freed
from sdxl_desktop.engine.openvino.tiling.kept import Kept, Numbers
from sdxl_desktop.engine.openvino.tiling.moments import Moments
from sdxl_desktop.engine.openvino.tiling.plan import Plan
from sdxl_desktop.engine.openvino.tiling.segments import Division, Segment
from sdxl_desktop.engine.openvino.tiling.strips import StripGraph

Floats = npt.NDArray[np.float32]


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

    def keep(self, norm: int, value: npt.NDArray[Any]) -> None:
        """Tell the source of a norm, float32 or float16 [C, h, w], which is copied."""
        self._kept[norm] = Kept.divided(value, max(self.plan.area // value.shape[2], 1))

    def know(self, norm: int, count: int, mean: Floats, squares: Floats) -> None:
        """Tell a source's moments, of each channel's `count` pixels: both float32 of C numbers, [1, C, 1, 1] or [C]."""
        moments = Moments(mean.size)
        moments.add(count, mean, squares)
        self._normalizers[norm] = moments.normalizer(self.division.norms[norm])

    def run(self) -> Floats:
        """The picture, float32 [3, H, W]."""
        picture = len(self.division.norms)
        for number in range(self.plan.cut + 1, picture + 1):
            self._check()
            self._kept[number] = self._compute(number)
            for norm in [norm for norm in self._kept if self.division.last_use(norm) <= number != norm]:
                del self._kept[norm]
        return self._kept.pop(picture).whole()

    def _compute(self, number: int) -> Kept:
        """The target of segment `number`; what its moments say is known then, too."""
        segment, strip = self.division.segment(number), self._strip(self.plan, number)
        is_picture = number == len(self.division.norms)
        moments = None if is_picture else Moments(self.plan.size(segment.target)[0])
        try:
            target = self._filled(segment, strip, moments, ending=self._ending(number))
        finally:
            strip.compiled.release_memory()
            return_freed()
        if moments is not None:
            self._normalizers[number] = moments.normalizer(self.division.norms[number])
        return target

    def _ending(self, number: int) -> frozenset[int]:
        """The norms whose sources are not needed after this segment."""
        return frozenset(norm for norm in self._kept if self.division.last_use(norm) == number)

    def _filled(self, segment: Segment, strip: Strip, moments: Moments | None, ending: frozenset[int]) -> Kept:
        """The target, computed from top to bottom. Every strip is written where it is kept, and of what is `ending`
        only the rows stay that are still to be taken."""
        channels, height, width = self.plan.size(segment.target)
        rows, target, used_up = self.plan.rows(segment), Kept(), list[Numbers]()
        request = strip.compiled.create_infer_request()
        feed = Feed(strip.graph, request, self._kept, height, width)
        feed.normalize([self._normalizers[norm] for norm in strip.graph.normalized])
        feed.fill(0)
        for start in range(0, height, rows):
            block = _room((channels, rows, width), strip.compiled.output(0).get_element_type().to_dtype(), used_up)
            request.set_output_tensor(0, ov.Tensor(block[None], shared_memory=True))
            infer(request, self._check)
            end = min(start + rows, height)
            if end < height:
                feed.fill(end)
            target.add(block[:, : end - start])
            if moments is not None:
                mean, squares = (request.get_output_tensor(port).data for port in (1, 2))
                moments.add((end - start) * width, mean, squares)
            for norm, window in strip.graph.kept:
                if norm in ending:
                    used_up += self._kept[norm].let_go_above(window.at(end + rows))
        return target


def _room(shape: tuple[int, int, int], kind: Any, used_up: list[Numbers]) -> Numbers:
    """Where a strip is written: over a block that is used up and was such a strip, where there is one."""
    while used_up:
        block = used_up.pop()
        if block.shape == shape and block.dtype == kind and block.flags.c_contiguous:
            return block
    return np.empty(shape, kind)
