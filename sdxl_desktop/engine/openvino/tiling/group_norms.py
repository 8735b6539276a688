"""Finds the group normalizations of a decoder's graph, in each form that exporters write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import openvino as ov

ValueKey = tuple[str, int]
"""Identity of a value in a graph: the unique name of its node and the index of the node's output."""

RANK = 4


def value_key(value: Any) -> ValueKey:
    """Return the identity of a value (an ov.Output) within its graph."""
    return value.get_node().get_name(), value.get_index()


@dataclass(frozen=True, slots=True, eq=False)
class GroupNorm:
    """(x - mean) / sqrt(variance + epsilon) over each of `groups` equal groups of channels (Wu and He, "Group
    Normalization", arXiv 1803.08494), then `scale` and `shift` per channel if the operation has them.

    `source` is x, [1, C, h, w], and `result` the output, both ov.Output. With `epsilon_outside_sqrt` the divisor is
    sqrt(variance) + epsilon instead.
    """

    source: Any
    result: Any
    groups: int
    epsilon: float
    epsilon_outside_sqrt: bool = False
    scale: Any = None
    shift: Any = None

    @property
    def channels(self) -> int:
        return int(self.source.get_partial_shape()[1].get_length())


def find_group_norms(model: ov.Model) -> tuple[GroupNorm, ...]:
    """Return the norms of image-shaped values [1, C, h, w] in topological order, equal for every copy of a graph.

    The one before the attention works on [1, C, h·w] in current exports and is not included.
    """
    found = (_group_norm(node) for node in model.get_ordered_ops())
    return tuple(norm for norm in found if norm is not None)


def _group_norm(node: Any) -> GroupNorm | None:
    match node.get_type_name():
        case "GroupNormalization" if _rank(node.input_value(0)) == RANK:
            attributes = node.get_attributes()
            return GroupNorm(
                node.input_value(0),
                node.output(0),
                attributes["num_groups"],
                attributes["epsilon"],
                scale=node.input_value(1),
                shift=node.input_value(2),
            )
        case "MVN":
            return _mvn_group_norm(node)
    return None


def _mvn_group_norm(mvn: Any) -> GroupNorm | None:
    """Return the norm in the form of older exports: Reshape to [1, groups, -1], MVN over the last axis, Reshape back.
    Scale and shift of the channels follow as ordinary multiplication and addition."""
    folded = mvn.input_value(0).get_node()
    readers = [port.get_node() for port in mvn.output(0).get_target_inputs()]
    if folded.get_type_name() != "Reshape" or [reader.get_type_name() for reader in readers] != ["Reshape"]:
        return None
    attributes, axes = mvn.get_attributes(), mvn.input_value(1).get_node()
    source, result = folded.input_value(0), readers[0].output(0)
    shape = folded.get_output_partial_shape(0)
    if (
        axes.get_type_name() != "Constant"
        or not attributes["normalize_variance"]
        or _rank(folded.output(0)) != RANK - 1
    ):
        return None
    known = shape[1].is_static and source.get_partial_shape()[1].is_static
    if list(axes.get_data().ravel()) not in ([2], [-1]) or not known or _rank(source) != RANK or _rank(result) != RANK:
        return None
    outside = str(attributes["eps_mode"]).lower().startswith("outside")
    return GroupNorm(source, result, int(shape[1].get_length()), float(attributes["eps"]), outside)


def _rank(value: Any) -> int:
    rank = value.get_partial_shape().rank
    return int(rank.get_length()) if rank.is_static else 0
