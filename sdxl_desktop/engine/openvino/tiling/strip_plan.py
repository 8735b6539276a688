"""Decides from a memory budget how a picture is decoded: whole, or in strips of which size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import openvino as ov

from sdxl_desktop.engine.openvino.tiling.decoder_segments import REFERENCE_SIDE, DecoderSegment, SegmentedDecoder
from sdxl_desktop.engine.openvino.tiling.group_norms import RANK
from sdxl_desktop.engine.openvino.tiling.strip_graph import row_alignment

WHOLE_DECODE_FACTOR = 4.2
"""Memory of a whole decode relative to its largest value. Measured with SDXL's VAE: 4.0, and in 16 bits 4.2 times half
the bytes."""
STRIP_FACTOR = 6.5
"""The same for a strip, including the copies of its inputs and outputs."""
WEIGHTS_FACTOR = 1.7
"""Memory of the part that is computed whole per byte of f32 weights: these, and a copy in the CPU's own layout."""

_F32, _F16 = 4, 2
_OPTIONS = (
    *((ov.Type.f32, area, True) for area in (1 << 16, 1 << 15)),
    *((ov.Type.f16, area, True) for area in (1 << 16, 1 << 15)),
    *((ov.Type.f16, area, False) for area in (1 << 15, 1 << 14, 1 << 13)),
)
"""Storage type, pixels of a strip, and whether the compiled model of the whole part is kept for the next picture; the
best option first. Above 65,000 pixels nothing gets faster, below 8,000 it would get slow."""


@dataclass(frozen=True, slots=True)
class StripPlan:
    """Latents [1, C, height, width] are computed whole up to norm `cut`, then in strips of about `strip_area` pixels;
    values are stored as `storage_type`, f16 or f32. `keeps_head`: the compiled model of the whole part is kept for the
    next picture. `estimated_bytes` is the memory needed in addition to the whole decoder's weights."""

    height: int
    width: int
    cut: int
    strip_area: int
    storage_type: ov.Type
    keeps_head: bool = True
    estimated_bytes: int = 0

    def shape_of(self, value: Any) -> tuple[int, int, int]:
        """Return (channels, rows, columns) of a value of the division."""
        return _shape_of(value, self.height, self.width)

    def strip_rows(self, segment: DecoderSegment) -> int:
        """Return the rows of a strip of `segment`, equal for all strips and chosen so that the last one is nearly full
        too."""
        _, height, width = self.shape_of(segment.target)
        unit = row_alignment(segment)
        strips = math.ceil(height / max(self.strip_area // width, unit, 2))
        return math.ceil(height / strips / unit) * unit


def whole_decode_bytes(division: SegmentedDecoder, height: int, width: int, bytes_per_value: int) -> int:
    """Return the memory for decoding latents [1, C, height, width] whole, without the weights, at `bytes_per_value`."""
    return int(
        WHOLE_DECODE_FACTOR
        * _largest_bytes(division.model.get_results()[0].input_value(0), height, width)
        * bytes_per_value
        // _F32
    )


def plan_strips(division: SegmentedDecoder, height: int, width: int, budget: int) -> StripPlan:
    """Return the best plan for decoding in strips within `budget` bytes; the smallest one if none fits."""
    plans = list(_candidate_plans(division, height, width, budget))
    return next(
        (plan for plan in plans if plan.estimated_bytes <= budget), min(plans, key=lambda plan: plan.estimated_bytes)
    )


def _candidate_plans(division: SegmentedDecoder, height: int, width: int, budget: int) -> Iterator[StripPlan]:
    """Yield plans, best first. As much as fits is computed whole, since fewer segments then need compiling."""
    weights = _weight_bytes(division)
    head_bytes = {
        cut: weights + int(WHOLE_DECODE_FACTOR * _largest_bytes(division.norms[cut].source, height, width))
        for cut in division.cuts()
    }
    cut = max((cut for cut, size in head_bytes.items() if size <= budget), default=division.cuts()[0])
    for kept_as, area, stays in _OPTIONS:
        plan = StripPlan(height, width, cut, area, kept_as, stays)
        yield replace(
            plan, estimated_bytes=max(head_bytes[cut], _tail_bytes(division, plan) + (weights if stays else 0))
        )


def _shape_of(value: Any, height: int, width: int) -> tuple[int, int, int]:
    _, channels, rows, columns = value.get_shape()
    return int(channels), int(rows) * height // REFERENCE_SIDE, int(columns) * width // REFERENCE_SIDE


def _largest_bytes(value: Any, height: int, width: int) -> int:
    """Return the bytes, in f32, of the largest image-shaped value computed on the way to `value`."""
    return max(math.prod(_shape_of(above, height, width)) for above in _image_shaped_ancestors(value)) * _F32


def _image_shaped_ancestors(value: Any) -> Iterator[Any]:
    """Yield `value` and its image-shaped ancestors; decompressed 8-bit weights are included, but they are small."""
    seen: set[str] = set()
    waiting = [value]
    while waiting:
        here = waiting.pop()
        node = here.get_node()
        if node.get_name() in seen:
            continue
        seen.add(node.get_name())
        if len(here.get_shape()) == RANK and node.get_type_name() not in {"Constant", "Convert"}:
            yield here
        waiting.extend(node.input_values())


def _tail_bytes(division: SegmentedDecoder, plan: StripPlan) -> int:
    """Return the peak bytes of stored values plus one strip being computed."""
    each = _F32 if plan.storage_type == ov.Type.f32 else _F16
    kept = {
        norm: math.prod(plan.shape_of(division.norms[norm].source)) * each
        for norm in division.required_sources(plan.cut)
    }
    most = 0
    for number in range(plan.cut + 1, len(division.segments)):
        segment = division.segment(number)
        given = math.prod(plan.shape_of(segment.target)) * (_F32 if number == len(division.norms) else each)
        replaced = any(kept.get(norm) == given and division.last_use(norm) == number for norm in segment.stored_sources)
        most = max(most, sum(kept.values()) + (0 if replaced else given) + _strip_bytes(plan, segment))
        kept[number] = given
        kept = {norm: size for norm, size in kept.items() if division.last_use(norm) > number}
    return most


def _weight_bytes(division: SegmentedDecoder) -> int:
    """Return the weight bytes compiled in addition to the whole decoder; nearly all are in the part computed whole."""
    constants = (node for node in division.model.get_ordered_ops() if node.get_type_name() == "Constant")
    return int(WEIGHTS_FACTOR * _F32 * sum(math.prod(node.get_output_shape(0)) for node in constants))


def _strip_bytes(plan: StripPlan, segment: DecoderSegment) -> int:
    _, height, _ = plan.shape_of(segment.target)
    share = plan.strip_rows(segment) / height
    values = [segment.target, *(operation.node.output(0) for operation in segment.operations)]
    return int(STRIP_FACTOR * share * max(math.prod(plan.shape_of(value)) for value in values) * _F32)
