"""Builds the graph that computes one strip of a segment: a fixed number of rows, the same graph for every strip.

Rows outside the picture are zeros with a mask of zeros, which is applied where the whole graph would pad with zeros, so
the strips at the upper and lower edge need no separate graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from openvino.utils.node_factory import NodeFactory

from sdxl_desktop.engine.openvino.tiling.decoder_segments import DecoderSegment, SegmentedDecoder, SegmentOperation
from sdxl_desktop.engine.openvino.tiling.group_norms import GroupNorm, ValueKey, value_key

F16_STORAGE_SCALE = 2.0**-6
"""Factor for values before they are stored in 16 bits. SDXL's VAE has activations far beyond 65504, the maximum of f16;
with this factor values up to 4 million fit, and those smaller than 2**-8 are still exact to 2**-19."""

_factory = NodeFactory("opset13")


@dataclass(frozen=True, slots=True)
class RowWindow:
    """Rows [start, start + rows) of a value that has one row for every `ratio` rows of the strip's target; `start` is
    relative to the row where the strip begins."""

    start: int
    rows: int
    ratio: int

    @property
    def end(self) -> int:
        return self.start + self.rows

    def first_row(self, row: int) -> int:
        """Return the first row when the strip begins at `row` of its target."""
        return row // self.ratio + self.start

    def union(self, other: RowWindow | None) -> RowWindow:
        """Return the smallest window that contains both."""
        if other is None:
            return self
        start = min(self.start, other.start)
        return RowWindow(start, max(self.end, other.end) - start, self.ratio)


@dataclass(frozen=True, slots=True, eq=False)
class StripGraph:
    """The inputs of `model` are, in this order: the `stored` values (norm number and rows, [1, C, rows, w]); a mask
    [1, 1, rows, 1] for each of `masks`; mean and 1 / standard deviation, [1, C, 1, 1], of each norm in `normalized`;
    and, unless the target is the picture, the mask of its rows and 1 / their number of pixels, [1, 1, 1, 1].

    The outputs are the target's rows and, unless it is the picture, each channel's mean and sum of squared deviations.
    """

    model: ov.Model
    stored: tuple[tuple[int, RowWindow], ...]
    masks: tuple[RowWindow, ...]
    normalized: tuple[int, ...]


def build_strip_graph(
    division: SegmentedDecoder, number: int, rows: int, width: int, storage_type: ov.Type
) -> StripGraph:
    """Build the graph of segment `number` for `rows` rows of its target, which is `width` wide.

    `rows` is a multiple of `row_alignment`."""
    segment = division.segment(number)
    return _StripGraphBuilder(division, segment, _RowWindows(segment, rows), width, storage_type).build(
        number == len(division.norms)
    )


def row_alignment(segment: DecoderSegment) -> int:
    """Return the number that a strip's first row must be a multiple of: the segment's total upscaling factor."""
    factor = 1
    for operation in segment.operations:
        factor *= operation.scale_factor
    return factor


def to_storage_type(value: Any, storage_type: ov.Type) -> Any:
    """Convert `value` to its stored form."""
    if storage_type == ov.Type.f32:
        return value
    return ops.convert(ops.multiply(value, np.float32(F16_STORAGE_SCALE)), "f16")


def channel_moments(value: Any) -> tuple[Any, Any]:
    """Return each channel's mean and sum of squared deviations, both [1, C, 1, 1]."""
    axes = np.array([2, 3])
    mean = ops.reduce_mean(value, axes, keep_dims=True)
    apart = ops.subtract(value, mean)
    return mean, ops.reduce_sum(ops.multiply(apart, apart), axes, keep_dims=True)


class _RowWindows:
    """The rows of every value that a strip needs, by key; norms' results and sources have separate entries."""

    def __init__(self, segment: DecoderSegment, rows: int) -> None:
        self.by_key: dict[ValueKey, RowWindow] = {value_key(segment.target): RowWindow(0, rows, 1)}
        for operation in reversed(segment.operations):
            for port in operation.sources:
                value = operation.node.input_value(port)
                self.by_key[value_key(value)] = self.input_window(operation).union(self.by_key.get(value_key(value)))

    def input_window(self, operation: SegmentOperation) -> RowWindow:
        """Return the input rows of an operation whose output rows are known."""
        window = self.by_key[value_key(operation.node.output(0))]
        start, end = window.start // operation.scale_factor, -(-window.end // operation.scale_factor)
        rows = end - start + operation.rows_above + operation.rows_below
        return RowWindow(start - operation.rows_above, rows, window.ratio * operation.scale_factor)


class _StripGraphBuilder:
    def __init__(
        self, division: SegmentedDecoder, segment: DecoderSegment, windows: _RowWindows, width: int, kept_as: ov.Type
    ) -> None:
        self._norms = division.norms
        self._segment = segment
        self._windows = windows
        self._width = width
        self._storage_type = kept_as
        self._values: dict[ValueKey, Any] = {}
        self._masks: dict[RowWindow, Any] = {}
        self._stored: dict[int, tuple[RowWindow, Any]] = {}
        self._normalizers: list[Any] = []

    def build(self, is_picture: bool) -> StripGraph:
        for number in sorted(self._segment.stored_sources):
            self._add_stored_input(number)
        for operation in self._segment.operations:
            self._values[value_key(operation.node.output(0))] = self._apply(operation)
        target = self._values[value_key(self._segment.target)]
        inputs = [*(value for _, value in self._stored.values()), *self._masks.values(), *self._normalizers]
        if is_picture:
            results = [target]
        else:
            mask = _parameter([1, 1, self._windows.by_key[value_key(self._segment.target)].rows, 1])
            share = _parameter([1, 1, 1, 1])
            inputs += [mask, share]
            results = [to_storage_type(target, self._storage_type), *_masked_moments(target, mask, share)]
        return StripGraph(
            ov.Model([ops.result(value) for value in results], inputs, "strip"),
            tuple((number, window) for number, (window, _) in self._stored.items()),
            tuple(self._masks),
            tuple(sorted(self._segment.normalized_sources)),
        )

    def _add_stored_input(self, number: int) -> None:
        """Add a norm's source, and its result if needed, as computed from a stored input."""
        norm = self._norms[number]
        source, result = value_key(norm.source), value_key(norm.result)
        plain = self._windows.by_key.get(source) if number in self._segment.raw_sources else None
        normalized = self._windows.by_key.get(result) if number in self._segment.normalized_sources else None
        window = normalized.union(plain) if normalized is not None else plain
        assert window is not None
        value = _parameter([1, norm.channels, window.rows, self._width // window.ratio], self._storage_type)
        self._stored[number] = (window, value)
        raw: Any = value
        if self._storage_type != ov.Type.f32:
            raw = ops.multiply(ops.convert(value, "f32"), np.float32(1 / F16_STORAGE_SCALE))
        self._windows.by_key[source] = window
        self._values[source] = raw
        if normalized is not None:
            self._values[result] = self._normalize(norm, _slice_rows(raw, window, normalized))

    def _normalize(self, norm: GroupNorm, value: Any) -> Any:
        shape = [1, norm.channels, 1, 1]
        mean, factor = _parameter(shape), _parameter(shape)
        self._normalizers += [mean, factor]
        scale: Any = factor if norm.scale is None else ops.multiply(factor, ops.reshape(norm.scale, shape, False))
        shift: Any = ops.negative(ops.multiply(mean, scale))
        if norm.shift is not None:
            shift = ops.add(shift, ops.reshape(norm.shift, shape, False))
        return ops.add(ops.multiply(value, scale), shift)

    def _apply(self, operation: SegmentOperation) -> Any:
        node, needed = operation.node, self._windows.input_window(operation)
        inputs = node.input_values()
        for port in operation.sources:
            key = value_key(inputs[port])
            value = _slice_rows(self._values[key], self._windows.by_key[key], needed)
            inputs[port] = ops.multiply(value, self._mask(needed)) if operation.is_padded else value
        if operation.scale_factor > 1:
            return self._upsample(operation, inputs[0], needed)
        attributes = dict(node.get_attributes())
        if operation.is_padded:
            attributes["pads_begin"], attributes["pads_end"] = (
                [0, attributes["pads_begin"][1]],
                [0, attributes["pads_end"][1]],
            )
        return _factory.create(node.get_type_name(), [_output(value) for value in inputs], attributes)

    def _upsample(self, operation: SegmentOperation, value: Any, needed: RowWindow) -> Any:
        factor = operation.scale_factor
        larger = ops.interpolate(
            value,
            np.array([factor, factor], np.float32),
            "nearest",
            "scales",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            axes=np.array([2, 3]),
        )
        given = RowWindow(needed.start * factor, needed.rows * factor, needed.ratio // factor)
        return _slice_rows(larger, given, self._windows.by_key[value_key(operation.node.output(0))])

    def _mask(self, window: RowWindow) -> Any:
        if window not in self._masks:
            self._masks[window] = _parameter([1, 1, window.rows, 1])
        return self._masks[window]


def _masked_moments(value: Any, mask: Any, share: Any) -> tuple[Any, Any]:
    """Like `channel_moments`, for the rows whose mask is 1."""
    axes = np.array([2, 3])
    mean = ops.multiply(ops.reduce_sum(ops.multiply(value, mask), axes, keep_dims=True), share)
    apart = ops.multiply(ops.subtract(value, mean), mask)
    return mean, ops.reduce_sum(ops.multiply(apart, apart), axes, keep_dims=True)


def _slice_rows(value: Any, given: RowWindow, needed: RowWindow) -> Any:
    """Return the `needed` rows of a value that has the `given` ones."""
    if given == needed:
        return value
    start = needed.start - given.start
    return ops.slice(value, np.array([start]), np.array([start + needed.rows]), np.array([1]), np.array([2]))


def _parameter(shape: list[int], kind: ov.Type = ov.Type.f32) -> Any:
    return ops.parameter(shape, kind)


def _output(value: Any) -> Any:
    return value if isinstance(value, ov.Output) else value.output(0)
