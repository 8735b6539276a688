"""Divides a VAE decoder at its group normalizations into segments that can be computed strip by strip.

A group normalization is the only operation in the upper part of a decoder that depends on the whole picture, and only
through a mean and a variance per group. So its input is stored; once that is complete, the normalization is a
multiplication and an addition per channel, and everything up to the next one (activations, convolutions, upsampling,
residual additions of stored values) needs a few neighbouring rows at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import openvino as ov

from sdxl_desktop.engine.openvino.tiling.group_norms import RANK, GroupNorm, find_group_norms, value_key

REFERENCE_SIDE = 16
"""Side of the latents for which shapes are inferred; any value works."""

_ELEMENTWISE = {
    *("Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "FakeQuantize", "Convert", "Clamp"),
    *("Swish", "Sigmoid", "Relu", "PRelu", "Gelu", "Mish", "HSwish", "Elu", "Tanh", "Exp", "Negative", "Abs"),
}
_NEAREST_MODES = {("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("half_pixel", "round_prefer_ceil")}
_ROWS = -2


@dataclass(frozen=True, slots=True, eq=False)
class SegmentOperation:
    """An operation of a segment. Its output rows [a, b) need the rows [a // scale_factor - rows_above,
    ⌈b / scale_factor⌉ + rows_below) of each of `sources`, the input ports with image-shaped values."""

    node: Any
    sources: tuple[int, ...]
    rows_above: int = 0
    rows_below: int = 0
    scale_factor: int = 1

    @property
    def is_padded(self) -> bool:
        """Whether rows outside the picture are padded with zeros."""
        return bool(self.rows_above or self.rows_below)


@dataclass(frozen=True, slots=True, eq=False)
class DecoderSegment:
    """The computation from stored values to the next one. `target` is its ov.Output, `operations` are in topological
    order, `raw_sources` and `normalized_sources` are the norms whose sources it reads unchanged and normalized."""

    target: Any
    operations: tuple[SegmentOperation, ...]
    raw_sources: frozenset[int]
    normalized_sources: frozenset[int]

    @property
    def stored_sources(self) -> frozenset[int]:
        return self.raw_sources | self.normalized_sources


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedDecoder:
    """A decoder divided into segments. `segments[i]` computes the source of norm i, the last one the picture. Those up
    to and including `segments[first_norm]` may be None, which only the graph itself can compute: everything up to some
    norm from `first_norm` on is computed whole.

    `model` has the nodes of all segments, with their shapes for latents of `REFERENCE_SIDE`.
    """

    model: ov.Model
    norms: tuple[GroupNorm, ...]
    segments: tuple[DecoderSegment | None, ...]
    first_norm: int

    def cuts(self) -> tuple[int, ...]:
        """Return the norms at which the part that is computed whole may end, earliest first."""
        return tuple(cut for cut in range(self.first_norm, len(self.norms)) if self._closed(cut))

    def _closed(self, cut: int) -> bool:
        """Whether no segment after `cut` needs a normalization before it."""
        after = range(cut + 1, len(self.segments))
        return all(norm >= cut for number in after for norm in self.segment(number).normalized_sources)

    def segment(self, number: int) -> DecoderSegment:
        """Return a segment after `first_norm`; raises ValueError for one that can only be computed whole."""
        segment = self.segments[number]
        if segment is None:
            raise ValueError(f"segment {number} can only be computed whole")
        return segment

    def required_sources(self, cut: int) -> frozenset[int]:
        """Return the norms whose sources the part that is computed whole must output when it ends at norm `cut`."""
        after = range(cut + 1, len(self.segments))
        taken = {norm for number in after for norm in self.segment(number).stored_sources}
        return frozenset({cut, *(norm for norm in taken if norm < cut)})

    def last_use(self, norm: int) -> int:
        """Return the last segment that uses this norm's source."""
        after = range(self.first_norm + 1, len(self.segments))
        return max((number for number in after if norm in self.segment(number).stored_sources), default=norm)


def segment_decoder(model: ov.Model) -> SegmentedDecoder | None:
    """Divide `model`; returns None if its structure is not supported. `model` is not changed."""
    copy = model.clone()
    if len(copy.inputs) != 1 or len(copy.outputs) != 1:
        return None
    shape = copy.input(0).get_partial_shape()
    if shape.rank.is_dynamic or shape.rank.get_length() != RANK or shape[1].is_dynamic:
        return None
    try:
        copy.reshape([1, shape[1].get_length(), REFERENCE_SIDE, REFERENCE_SIDE])
    except RuntimeError:  # a graph for one size only
        return None
    norms = find_group_norms(copy)
    segments = _SegmentReader(copy, norms).segments()
    missing = [number for number, segment in enumerate(segments) if segment is None]
    first = max(missing, default=0)
    if first >= len(norms) or len(find_group_norms(model)) != len(norms):
        return None
    if any(norm.source.get_element_type() != ov.Type.f32 for norm in norms[first:]):
        return None
    division = SegmentedDecoder(copy, norms, segments, first)
    return division if division.cuts() else None


class _UnsupportedOperation(Exception):
    """An operation in a segment is not known to work row by row."""


class _SegmentReader:
    def __init__(self, model: ov.Model, norms: tuple[GroupNorm, ...]) -> None:
        self._norms = norms
        self._picture = model.get_results()[0].input_value(0)
        self._sources = {value_key(norm.source): number for number, norm in reversed(list(enumerate(norms)))}
        self._results = {value_key(norm.result): number for number, norm in enumerate(norms)}
        self._variable = _variable_nodes(model)

    def segments(self) -> tuple[DecoderSegment | None, ...]:
        targets = [*(norm.source for norm in self._norms), self._picture]
        return tuple(self._segment(target, number) for number, target in enumerate(targets))

    def _segment(self, target: Any, number: int) -> DecoderSegment | None:
        if value_key(target) in self._results or self._sources.get(value_key(target), number) != number:
            return None
        steps: dict[str, SegmentOperation] = {}
        plain: set[int] = set()
        normalized: set[int] = set()
        try:
            self._read(target.get_node(), steps, plain, normalized)
        except _UnsupportedOperation:
            return None
        if any(norm >= number for norm in plain | normalized):
            return None
        return DecoderSegment(target, tuple(steps.values()), frozenset(plain), frozenset(normalized))

    def _read(self, node: Any, steps: dict[str, SegmentOperation], plain: set[int], normalized: set[int]) -> None:
        """Add `node` to `steps` after the operations that it depends on."""
        if node.get_name() in steps:
            return
        step = self._operation(node)
        for port in step.sources:
            value = node.input_value(port)
            key = value_key(value)
            if key in self._results:
                normalized.add(self._results[key])
            elif key in self._sources:
                plain.add(self._sources[key])
            else:
                self._read(value.get_node(), steps, plain, normalized)
        steps[node.get_name()] = step

    def _operation(self, node: Any) -> SegmentOperation:
        kind = node.get_type_name()
        if kind in _ELEMENTWISE:
            return self._elementwise(node)
        if self._varies(node.input_values()[1:]) and kind != "Interpolate":
            raise _UnsupportedOperation
        if kind in {"Convolution", "GroupConvolution"}:
            return _convolution(node)
        if kind == "Interpolate":
            return _upsampling(node)
        raise _UnsupportedOperation

    def _elementwise(self, node: Any) -> SegmentOperation:
        values = node.input_values()
        sources = tuple(port for port, value in enumerate(values) if self._varies([value]))
        shape = list(node.get_output_shape(0))
        for port, value in enumerate(values):
            own = list(value.get_shape())
            same = own == shape if port in sources else all(length == 1 for length in own[_ROWS:])
            if not same:
                raise _UnsupportedOperation
        if not sources or len(shape) != RANK:
            raise _UnsupportedOperation
        return SegmentOperation(node, sources)

    def _varies(self, values: list[Any]) -> bool:
        return any(value.get_node().get_name() in self._variable for value in values)


def _convolution(node: Any) -> SegmentOperation:
    """Return a convolution that keeps the size, with an odd or even kernel, dilated or not; else raise."""
    attributes = node.get_attributes()
    before, after = attributes["pads_begin"], attributes["pads_end"]
    if attributes["auto_pad"] != "explicit" or list(attributes["strides"]) != [1, 1] or len(before) != RANK - 2:
        raise _UnsupportedOperation
    if list(node.get_output_shape(0))[_ROWS:] != list(node.get_input_shape(0))[_ROWS:]:
        raise _UnsupportedOperation
    return SegmentOperation(node, (0,), rows_above=int(before[0]), rows_below=int(after[0]))


def _upsampling(node: Any) -> SegmentOperation:
    """Return a nearest-neighbour upsampling with the same integer factor in both directions; else raise."""
    attributes = node.get_attributes()
    before, after = list(node.get_input_shape(0)), list(node.get_output_shape(0))
    factor = after[_ROWS] // before[_ROWS]
    repeated = before[:2] == after[:2] and after[_ROWS:] == [side * factor for side in before[_ROWS:]] and factor > 1
    rounding = (attributes["coordinate_transformation_mode"], attributes["nearest_mode"])
    padded = any(attributes["pads_begin"]) or any(attributes["pads_end"])
    if attributes["mode"] != "nearest" or not repeated or rounding not in _NEAREST_MODES or padded:
        raise _UnsupportedOperation
    return SegmentOperation(node, (0,), scale_factor=factor)


def _variable_nodes(model: ov.Model) -> set[str]:
    """Return the unique names of the nodes that depend on the latents."""
    variable: set[str] = set()
    for node in model.get_ordered_ops():
        above = (value.get_node().get_name() for value in node.input_values())
        if node.get_type_name() == "Parameter" or not variable.isdisjoint(above):
            variable.add(node.get_name())
    return variable
