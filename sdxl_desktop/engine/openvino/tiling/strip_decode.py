"""Computes a decoder's upper part strip by strip, storing between segments only what later ones need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import openvino as ov

from sdxl_desktop.engine.openvino.tiling.decoder_segments import DecoderSegment, SegmentedDecoder
from sdxl_desktop.engine.openvino.tiling.inference import CancelCheck, infer, trim_heap
from sdxl_desktop.engine.openvino.tiling.moments import ChannelMoments
from sdxl_desktop.engine.openvino.tiling.row_blocks import Numbers, RowBlocks
from sdxl_desktop.engine.openvino.tiling.strip_graph import StripGraph
from sdxl_desktop.engine.openvino.tiling.strip_inputs import StripInputs
from sdxl_desktop.engine.openvino.tiling.strip_plan import StripPlan

Floats = npt.NDArray[np.float32]


class CompiledStrip(NamedTuple):
    """A strip's graph and its compiled model."""

    graph: StripGraph
    compiled: Any


class StripDecode:
    """One decode, from the outputs of the lower part to the picture."""

    def __init__(
        self,
        division: SegmentedDecoder,
        plan: StripPlan,
        strip: Callable[[StripPlan, int], CompiledStrip],
        check: CancelCheck,
    ) -> None:
        self.division = division
        self.plan = plan
        self._compiled_strip = strip
        self._check = check
        self._stored: dict[int, RowBlocks] = {}
        self._normalizers: dict[int, tuple[Floats, Floats]] = {}

    def store_source(self, norm: int, value: npt.NDArray[Any]) -> None:
        """Store a copy of the source of a norm, float32 or float16 [C, h, w]."""
        self._stored[norm] = RowBlocks.from_array(value, max(self.plan.strip_area // value.shape[2], 1))

    def set_moments(self, norm: int, count: int, mean: Floats, squares: Floats) -> None:
        """Set a source's moments over `count` pixels per channel: both float32 with C elements, [1, C, 1, 1] or [C]."""
        moments = ChannelMoments(mean.size)
        moments.add(count, mean, squares)
        self._normalizers[norm] = moments.normalizer(self.division.norms[norm])

    def run(self) -> Floats:
        """Return the picture, float32 [3, H, W]."""
        picture = len(self.division.norms)
        for number in range(self.plan.cut + 1, picture + 1):
            self._check()
            self._stored[number] = self._compute_segment(number)
            for norm in [norm for norm in self._stored if self.division.last_use(norm) <= number != norm]:
                del self._stored[norm]
        return self._stored.pop(picture).to_array()

    def _compute_segment(self, number: int) -> RowBlocks:
        """Compute the target of segment `number` and, unless it is the picture, its normalizer."""
        segment, strip = self.division.segment(number), self._compiled_strip(self.plan, number)
        is_picture = number == len(self.division.norms)
        moments = None if is_picture else ChannelMoments(self.plan.shape_of(segment.target)[0])
        try:
            target = self._compute_target(segment, strip, moments, last_used=self._last_used_sources(number))
        finally:
            strip.compiled.release_memory()
            trim_heap()
        if moments is not None:
            self._normalizers[number] = moments.normalizer(self.division.norms[number])
        return target

    def _last_used_sources(self, number: int) -> frozenset[int]:
        """Return the norms whose sources are not needed after this segment."""
        return frozenset(norm for norm in self._stored if self.division.last_use(norm) == number)

    def _compute_target(
        self, segment: DecoderSegment, strip: CompiledStrip, moments: ChannelMoments | None, last_used: frozenset[int]
    ) -> RowBlocks:
        """Compute the target from top to bottom. Every strip is written directly into its stored block, and of the
        sources in `last_used` only the rows that are still needed remain."""
        channels, height, width = self.plan.shape_of(segment.target)
        rows, target, used_up = self.plan.strip_rows(segment), RowBlocks(), list[Numbers]()
        request = strip.compiled.create_infer_request()
        feed = StripInputs(strip.graph, request, self._stored, height, width)
        feed.set_normalizers([self._normalizers[norm] for norm in strip.graph.normalized])
        feed.set_rows(0)
        for start in range(0, height, rows):
            block = _output_block(
                (channels, rows, width), strip.compiled.output(0).get_element_type().to_dtype(), used_up
            )
            request.set_output_tensor(0, ov.Tensor(block[None], shared_memory=True))
            infer(request, self._check)
            end = min(start + rows, height)
            if end < height:
                feed.set_rows(end)
            target.append(block[:, : end - start])
            if moments is not None:
                mean, squares = (request.get_output_tensor(port).data for port in (1, 2))
                moments.add((end - start) * width, mean, squares)
            for norm, window in strip.graph.stored:
                if norm in last_used:
                    used_up += self._stored[norm].release_above(window.first_row(end + rows))
        return target


def _output_block(shape: tuple[int, int, int], kind: Any, used_up: list[Numbers]) -> Numbers:
    """Return the block for a strip: a used block of the same shape and dtype if there is one, else a new one."""
    while used_up:
        block = used_up.pop()
        if block.shape == shape and block.dtype == kind and block.flags.c_contiguous:
            return block
    return np.empty(shape, kind)
