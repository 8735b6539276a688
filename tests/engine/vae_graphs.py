"""Changes the graphs of VAE decoders into those of other exporters and of unusual VAEs."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from sdxl_desktop.engine.openvino.tiling.group_norms import find_group_norms


def scale_by_mean(value: Any) -> None:
    """Something no strip can know: every pixel is multiplied by one plus the picture's mean."""
    readers = list(value.get_target_inputs())
    mean = ops.reduce_mean(value, np.array([1, 2, 3]), keep_dims=True)
    reconnect(readers, ops.multiply(value, ops.add(mean, np.float32(1))))


def multiply_source(model: ov.Model, number: int, factor: float) -> None:
    source = find_group_norms(model)[number].source
    readers = list(source.get_target_inputs())
    reconnect(readers, ops.multiply(source, np.float32(factor)))


def write_as_mvn(norm: Any) -> None:
    readers = list(norm.result.get_target_inputs())
    shape = ops.shape_of(norm.source)
    folded = ops.reshape(norm.source, np.array([0, norm.groups, -1]), special_zero=True)
    even = ops.mvn(folded, np.array([2]), True, norm.epsilon, "INSIDE_SQRT")
    plain = ops.reshape(even, shape, special_zero=False)
    channels = [1, norm.channels, 1, 1]
    scaled = ops.multiply(plain, ops.reshape(norm.scale, channels, special_zero=False))
    reconnect(readers, ops.add(scaled, ops.reshape(norm.shift, channels, special_zero=False)))


def reconnect(readers: list[Any], value: Any) -> None:
    for reader in readers:
        reader.replace_source_output(value.output(0))


def rank(node: Any) -> int:
    return int(node.get_output_partial_shape(0).rank.get_length())
