"""Finds where a UNet's graph can be cut, from its structure alone, and creates the full and the shallow graph.

Node names are not used, because they change with every exporter. A U-Net (Ronneberger et al., arXiv 1505.04597)
concatenates the features of its down blocks with those of its up blocks along the channel axis. The down-block feature
is an ancestor of the up-block feature: this identifies a skip connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openvino as ov
from openvino import opset13 as ops

DEEP_FEATURE = "deep_feature"
"""The name of the full graph's second output and of the shallow graph's input."""

_CHANNELS = (1, -3)
_RANK = 4
_TRANSPARENT = {"Convert", "FakeQuantize", "FakeConvert", "Identity"}
"""Operations that change the representation of a feature but not the feature; quantizers insert them at every input."""
_STRIDED = {"Convolution", "GroupConvolution", "AvgPool", "MaxPool"}
_RESIZING = {"Interpolate"}


@dataclass(frozen=True, slots=True, eq=False)
class SkipConnection:
    """A Concat of the last up block; `port` is its input from the deeper layers."""

    concat: Any
    port: int

    @property
    def source(self) -> Any:
        """The output connected to `port`: the deep feature, [B, C, h, w]."""
        return self.concat.input(self.port).get_source_output()


def find_skip_connections(model: ov.Model) -> tuple[SkipConnection, ...]:
    """Return the skip connections of the last up block, the last one first; empty if the graph has no such structure.

    Their skip features come from before the first downsampling.
    """
    graph = _GraphAncestry(model)
    found = []
    for concat in reversed([node for node in graph.nodes if _concatenates_channels(node)]):
        port = graph.deep_port(concat)
        if port is None:
            continue
        if graph.has_resized_ancestor(concat.input_value(1 - port).get_node()):
            break  # so have those of all earlier skip connections
        found.append(SkipConnection(concat, port))
    return tuple(found)


def full_model(model: ov.Model, depth: int) -> ov.Model:
    """Return a copy of `model` that also outputs the deep feature of skip connection `depth` (1 is the last)."""
    copy = model.clone()
    added = copy.add_outputs(find_skip_connections(copy)[depth - 1].source)
    added[0].get_tensor().set_names({DEEP_FEATURE})
    return copy


def shallow_model(model: ov.Model, depth: int) -> ov.Model:
    """Return a copy of the part of `model` that remains if the deep feature of skip connection `depth` is an input.
    Other inputs that are no longer needed, such as the prompt's, are removed."""
    copy = model.clone()
    join = find_skip_connections(copy)[depth - 1]
    source = join.source
    feature = ops.parameter(source.get_partial_shape(), source.get_element_type(), name=DEEP_FEATURE)
    feature.output(0).get_tensor().set_names({DEEP_FEATURE})
    join.concat.input(join.port).replace_source_output(feature.output(0))
    needed = _GraphAncestry.ancestor_names(list(copy.get_results()))
    kept = [parameter for parameter in copy.get_parameters() if parameter.get_name() in needed]
    return ov.Model(copy.get_results(), [*kept, feature], f"{copy.get_friendly_name()}-shallow-{depth}")


def _concatenates_channels(node: Any) -> bool:
    """Whether `node` concatenates two feature maps along the channel axis."""
    if node.get_type_name() != "Concat" or node.get_input_size() != 2:
        return False
    rank = node.get_output_partial_shape(0).rank
    return rank.is_static and rank.get_length() == _RANK and node.get_attributes()["axis"] in _CHANNELS


class _GraphAncestry:
    """Queries for ancestors in a graph. `nodes` are in topological order."""

    def __init__(self, model: ov.Model) -> None:
        self.nodes: list[Any] = model.get_ordered_ops()

    def deep_port(self, concat: Any) -> int | None:
        """Return the input of a Concat whose ancestors include the other input's source; None if it is not a skip
        connection."""
        features = [_skip_transparent(concat.input_value(port).get_node()) for port in (0, 1)]
        for deep in (0, 1):
            if features[1 - deep].get_name() in self.ancestor_names([features[deep]]) and not _is_same_node(*features):
                return deep
        return None

    def has_resized_ancestor(self, node: Any) -> bool:
        """Whether `node` or an ancestor changes the resolution."""
        return any(_resizes(other) for other in _walk_ancestors([node]))

    @staticmethod
    def ancestor_names(nodes: list[Any]) -> set[str]:
        """Return the unique names of `nodes` and all their ancestors."""
        return {node.get_name() for node in _walk_ancestors(nodes)}


def _walk_ancestors(nodes: list[Any]) -> Iterator[Any]:
    """Yield `nodes` and their ancestors, each once."""
    seen: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        name = node.get_name()
        if name in seen:
            continue
        seen.add(name)
        yield node
        waiting.extend(value.get_node() for value in node.input_values())


def _skip_transparent(node: Any) -> Any:
    """Return the operation that computed a feature, skipping `_TRANSPARENT` ones."""
    while node.get_type_name() in _TRANSPARENT:
        node = node.input_value(0).get_node()
    return node


def _is_same_node(one: Any, other: Any) -> bool:
    return bool(one.get_name() == other.get_name())


def _resizes(node: Any) -> bool:
    kind = node.get_type_name()
    if kind in _RESIZING:
        return True
    return kind in _STRIDED and max(node.get_attributes()["strides"]) > 1
