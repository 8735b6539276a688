"""Compress weights to 8 or 4 bits as NNCF does, one at a time through a small buffer into a memory-mapped file.

8 bits (INT8_ASYM), for each output channel of a matrix, convolution or embedding: scale = (max - min) / 255 with 0
inside [min, max], zero point = -round(min / scale), weight ≈ (u8 - zero point) · scale (Jacob et al., arXiv
1712.05877). 4 bits (INT4_SYM), for each group of neighbours in a row: the value furthest from 0 becomes -8, scale is an
eighth of it with the sign flipped, weight ≈ i4 · scale. Scales are stored in f16, and the graph is NNCF's, which
OpenVINO's plugins recognise as compressed weights. NNCF holds all weights of a part in memory while it works; this
takes a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops

from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer

_CHUNK_WEIGHTS = 1 << 21
"""Weights processed at a time: 8 MB in f32, which fit into a CPU cache."""
_FLOATS = (ov.Type.f16, ov.Type.f32)
_EPS = float(np.finfo(np.float32).eps)
_GROUP_SIZES = (64, 32, 16)
"""Neighbours that share a scale in 4 bits: the first of these that divides the row, which is 64 in all of SDXL."""
_INT8_ONLY_LAYERS = ("proj_in", "proj_out")
"""Matrices through which a transformer's whole input or output passes: few weights, and their error affects every
layer."""

WeightCountCallback = Callable[[int], None]
"""Called with the number of weights just processed."""


@dataclass(frozen=True, slots=True)
class WeightConstant:
    """A constant, the last node of its conversion to a wider type, and the axis of its output channels."""

    constant: Any
    convert_node: Any
    channel_axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.constant.get_output_shape(0))

    @property
    def count(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


def find_weights(model: ov.Model) -> list[WeightConstant]:
    """Return every constant of `model` that is a matrix, a kernel or an embedding table, once."""
    return list(_iter_weights(model))


def buffer_bytes(weights: list[WeightConstant]) -> int:
    """Return the buffer bytes needed for `weights` in 8 bits; this is also the maximum for 4 bits."""
    return MemmapBuffer.required_bytes(len(weights), sum(weight.count for weight in weights))


def compress_to_int8(
    model: ov.Model, weights: list[WeightConstant], buffer: MemmapBuffer, progress: WeightCountCallback
) -> None:
    """Convert `weights` of `model` to 8 bits. They must stay in `buffer` until the model is saved."""
    for weight in weights:
        _replace_with_int8(weight, buffer)
        progress(weight.count)
    model.validate_nodes_and_infer_types()


def compress_to_int4(
    model: ov.Model, weights: list[WeightConstant], buffer: MemmapBuffer, progress: WeightCountCallback
) -> None:
    """Convert `weights` with a `group_size` to 4 bits, the others to 8. They must stay in `buffer` until the model is
    saved."""
    scratch = _ScratchBuffers(max((weight.shape[-1] for weight in weights), default=1))
    for weight in weights:
        if size := group_size(weight):
            _replace_with_int4(weight, size, buffer, scratch)
        else:
            _replace_with_int8(weight, buffer)
        progress(weight.count)
    model.validate_nodes_and_infer_types()


def group_size(weight: WeightConstant) -> int:
    """Return how many neighbours share a scale if `weight` can be stored in 4 bits; 0 if it should stay in 8.

    Four bits suffice for the matrices of transformers, which take tokens [batch, tokens, width] and are most of a UNet.
    Convolutions, time and size embeddings (they take [batch, width] and affect every block) and the input and output
    projections of transformers stay in 8.
    """
    rows_first = len(weight.shape) == 2 and weight.channel_axis == 0
    if not rows_first or any(name in weight.constant.get_friendly_name() for name in _INT8_ONLY_LAYERS):
        return 0
    for used in weight.convert_node.output(0).get_target_inputs():
        node = used.get_node()
        if node.get_type_name() != "MatMul" or node.get_input_partial_shape(0).rank.get_length() < 3:
            return 0
    return next((size for size in _GROUP_SIZES if weight.shape[1] % size == 0), 0)


def _iter_weights(model: ov.Model) -> Iterator[WeightConstant]:
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_output_element_type(0) not in _FLOATS:
            continue
        last = node
        following = list(last.output(0).get_target_inputs())
        if len(following) == 1 and following[0].get_node().get_type_name() == "Convert":
            last = following[0].get_node()
            following = list(last.output(0).get_target_inputs())
        axes = {_channel_axis(used, len(node.get_output_shape(0))) for used in following}
        if len(axes) == 1 and (axis := axes.pop()) is not None:
            yield WeightConstant(node, last, axis)


def _channel_axis(consumer: Any, rank: int) -> int | None:
    """Return the axis of output channels if `consumer` takes weights, else None."""
    node, place = consumer.get_node(), consumer.get_index()
    match node.get_type_name():
        case "MatMul" if rank == 2 and place == 1:
            return 0 if node.get_attributes()["transpose_b"] else 1
        case "Convolution" if place == 1:
            return 0
        case "Gather" if rank == 2 and place == 0:
            return 0
    return None


def _replace_with_int8(weight: WeightConstant, buffer: MemmapBuffer) -> None:
    name = weight.constant.get_friendly_name()
    quantized = buffer.array(weight.shape, np.uint8)
    scale, zero_point = _quantize_int8(weight.constant.data, quantized, weight.channel_axis)
    widened = ops.convert(_shared_constant(quantized, name), ov.Type.f16)
    zero = ops.convert(ops.constant(zero_point, name=f"{name}/zero_point"), ov.Type.f16)
    shifted = ops.subtract(widened, zero, name=f"{name}/zero_point/subtract")
    scaled = ops.multiply(shifted, ops.constant(scale, name=f"{name}/scale"), name=f"{name}/fq_weights_1")
    result = ops.convert(scaled, ov.Type.f32, name=f"{name}/fq_weights_1/convert")
    for used in list(weight.convert_node.output(0).get_target_inputs()):
        used.replace_source_output(result.output(0))


def _replace_with_int4(weight: WeightConstant, size: int, buffer: MemmapBuffer, scratch: _ScratchBuffers) -> None:
    name = weight.constant.get_friendly_name()
    rows, width = weight.shape
    shape = [rows, width // size, size]
    packed = buffer.array((weight.count // 2,), np.uint8)
    scale = buffer.array((rows, width // size, 1), np.float16)
    _quantize_int4(weight.constant.data, packed, scale, scratch)
    constant = ov.op.Constant(ov.Tensor(packed, ov.Shape(shape), ov.Type.i4), shared_memory=True)
    constant.set_friendly_name(name)
    widened = ops.convert(constant, ov.Type.f16)
    scaled = ops.multiply(widened, _shared_constant(scale, f"{name}/scale"), name=f"{name}/fq_weights_1")
    whole = ops.reshape(scaled, ops.constant(np.array([rows, width], np.int64)), False)
    result = ops.convert(whole, ov.Type.f32, name=f"{name}/fq_weights_1/convert")
    for used in list(weight.convert_node.output(0).get_target_inputs()):
        used.replace_source_output(result.output(0))


def _shared_constant(array: Any, name: str) -> Any:
    constant = ov.op.Constant(array, shared_memory=True)
    constant.set_friendly_name(name)
    return constant


def _quantize_int8(weights: Any, into: Any, axis: int) -> tuple[Any, Any]:
    """Fill `into` with u8 [as `weights`]; returns scale f16 and zero point u8, of size 1 in all axes but `axis`."""
    rows = torch.from_numpy(np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1))
    target = torch.from_numpy(
        np.moveaxis(into, axis, 0).reshape(rows.shape) if axis == 0 else np.empty(rows.shape, np.uint8)
    )
    scales, zeros = torch.empty(len(rows)), torch.empty(len(rows))
    step = max(1, _CHUNK_WEIGHTS // max(1, rows.shape[1]))
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        values = rows[part].to(torch.float32, copy=True)
        low, high = values.amin(1).clamp_(max=0), values.amax(1).clamp_(min=0)
        scale = (high - low) / 255
        scale = torch.where(scale < _EPS, _EPS, scale)
        zero = (-torch.round(low / scale)).clamp_(0, 255)
        values.div_(scale[:, None]).add_(zero[:, None]).round_().clamp_(0, 255)
        target[part] = values.to(torch.uint8)
        scales[part], zeros[part] = scale, zero
    if axis != 0:
        into[:] = np.moveaxis(target.numpy(), 0, axis)
    shape = [1] * weights.ndim
    shape[axis] = -1
    return scales.numpy().astype(np.float16).reshape(shape), zeros.numpy().astype(np.uint8).reshape(shape)


def _quantize_int4(weights: Any, into: Any, scales: Any, scratch: _ScratchBuffers) -> None:
    """Fill `scales` (f16 [rows, groups, 1]), and `into` (u8, half as many as `weights` [rows, width]) with two 4-bit
    values per byte, the first in the low half."""
    (rows, width), groups = weights.shape, scales.shape[1]
    source, target = torch.from_numpy(weights), torch.from_numpy(into).view(rows, width // 2)
    step = max(1, _CHUNK_WEIGHTS // width)
    for begin in range(0, rows, step):
        part = slice(begin, begin + step)
        values, codes = scratch.rows(min(step, rows - begin), width)
        grouped = values.copy_(source[part]).view(-1, groups, width // groups)
        low, high = grouped.amin(2, keepdim=True), grouped.amax(2, keepdim=True)
        scale = torch.where(low.abs() >= high, low.abs(), -high) / 8
        scale = torch.where(scale.abs() < _EPS, _EPS, scale)
        grouped.div_(scale).round_().clamp_(-8, 7)
        pairs = codes.copy_(values).view(-1, width // 2, 2)
        first, second = pairs[..., 0].bitwise_and_(15), pairs[..., 1].bitwise_left_shift_(4)
        target[part] = first.bitwise_or_(second).view(torch.uint8)
        scales[part] = scale.numpy()


class _ScratchBuffers:
    """Reusable scratch memory: temporaries of this size, allocated anew for each weight, leave holes between the nodes
    of the graph that add up to the size of the weights."""

    def __init__(self, widest: int) -> None:
        self._values = torch.empty(max(_CHUNK_WEIGHTS, widest))
        self._codes = torch.empty(max(_CHUNK_WEIGHTS, widest), dtype=torch.int8)

    def rows(self, rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(f32, int8), both [rows, width]."""
        return self._values[: rows * width].view(rows, width), self._codes[: rows * width].view(rows, width)
