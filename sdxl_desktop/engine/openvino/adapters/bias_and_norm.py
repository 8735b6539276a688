"""Deltas of biases and norms: vectors added to a layer's constants, which are found in the graph by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

_SCOPE = re.compile(r"__module\.(?:model\.)?(.+?)/aten::(linear|_convolution|layer_norm|group_norm)/(\w+?)(?:_\d+)?")
_COMPUTE_OPS = ("MatMul", "Convolution", "MVN")
_WEIGHT, _BIAS = "weight", "bias"


@dataclass(frozen=True, slots=True)
class ParameterInput:
    """Input `input_index` of `node`, which reads a layer's parameter with `count` elements."""

    node: Any
    input_index: int
    count: int

    def add_delta(self, delta: NDArray[np.float32]) -> None:
        """Add `delta`, float32 [count], to the input."""
        source = self.node.input_value(self.input_index)
        shape, kind = tuple(source.get_shape()), source.get_element_type()
        constant = ops.constant(np.ascontiguousarray(delta.reshape(shape)), ov.Type.f32)
        same = constant if kind == ov.Type.f32 else ops.convert(constant, kind.to_string())
        self.node.input(self.input_index).replace_source_output(ops.add(source, same).output(0))


@dataclass(frozen=True, slots=True)
class OmittedParameter:
    """A bias of zeros, or a norm's weight of ones, that the graph omits after `node`."""

    node: Any
    parameter: str
    count: int

    def add_delta(self, delta: NDArray[np.float32]) -> None:
        """Insert the parameter plus `delta`, float32 [count], after the node."""
        output = self.node.output(0)
        readers, kind = list(output.get_target_inputs()), output.get_element_type()
        values = delta if self.parameter == _BIAS else 1 + delta
        if self.node.get_type_name() == "Convolution":
            values = values.reshape(1, -1, 1, 1)
        constant = ops.constant(np.ascontiguousarray(values), ov.Type.f32)
        same = constant if kind == ov.Type.f32 else ops.convert(constant, kind.to_string())
        made = ops.add(output, same) if self.parameter == _BIAS else ops.multiply(output, same)
        for reader in readers:
            reader.replace_source_output(made.output(0))


def find_parameters(model: ov.Model) -> Mapping[tuple[str, str], Sequence[ParameterInput | OmittedParameter]]:
    """Find the inputs for each layer's bias, and a norm's weight, by (layer, parameter).

    Biases come first: an omitted one must be inserted after its node before a weight is.
    """
    found: dict[tuple[str, str], list[ParameterInput | OmittedParameter]] = {}
    cores: dict[str, list[Any]] = {}
    scales: dict[str, list[Any]] = {}

    def put(layer: str, parameter: str, node: Any, at: int) -> None:
        shape = node.input_value(at).get_partial_shape()
        if shape.is_static:
            count = int(np.prod([side.get_length() for side in shape], dtype=np.int64))
            found.setdefault((layer, parameter), []).append(ParameterInput(node, at, count))

    for node in model.get_ops():
        scope = _SCOPE.fullmatch(node.get_friendly_name())
        if scope is None:
            continue
        layer, operation, _ = scope.groups()
        kind = node.get_type_name()
        if kind == "GroupNormalization":
            put(layer, _WEIGHT, node, 1)
            put(layer, _BIAS, node, 2)
        elif kind == "Add" and (at := _constant_input_index(node)) is not None:
            put(layer, _BIAS, node, at)
        elif kind == "Multiply" and operation.endswith("_norm") and (at := _constant_input_index(node)) is not None:
            put(layer, _WEIGHT, node, at)
            scales.setdefault(layer, []).append(node)
        elif kind in _COMPUTE_OPS:
            cores.setdefault(layer, []).append(node)
    for layer, nodes in cores.items():
        if (layer, _BIAS) not in found:
            found[layer, _BIAS] = _omitted_parameters(scales.get(layer, nodes), _BIAS)
        if nodes[0].get_type_name() == "MVN" and (layer, _WEIGHT) not in found:
            found[layer, _WEIGHT] = _omitted_parameters(nodes, _WEIGHT)
    return dict(sorted(found.items(), key=lambda item: item[0][1]))


def _omitted_parameters(nodes: Sequence[Any], parameter: str) -> list[ParameterInput | OmittedParameter]:
    found: list[ParameterInput | OmittedParameter] = []
    for node in nodes:
        width = node.get_output_partial_shape(0)[1 if node.get_type_name() == "Convolution" else -1]
        if width.is_static:
            found.append(OmittedParameter(node, parameter, width.get_length()))
    return found


def _constant_input_index(node: Any) -> int | None:
    """Return the index of the input that is a constant, decompressed or not; else None."""
    for at in (1, 0):
        source = node.input_value(at).get_node()
        while source.get_type_name() in ("Convert", "Reshape", "Multiply", "Subtract") and source.get_input_size():
            source = source.input_value(0).get_node()
        if source.get_type_name() == "Constant":
            return at
    return None
