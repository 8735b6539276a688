"""Finds where a UNet's graph can be cut, from its structure alone, and makes the full and the shallow graph.

Nothing here looks at names, which change with every exporter. A U-Net (Ronneberger et al., arXiv 1505.04597) joins the
features of its way down to those of its way up by concatenating channels, and what is joined from the way down is
itself an ancestor of what it is joined to: that is what a join is recognised by.
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
"""Operations that change how a feature is written, not which one it is; quantizers put them on every input."""
_STRIDED = {"Convolution", "GroupConvolution", "AvgPool", "MaxPool"}
_RESIZING = {"Interpolate"}


@dataclass(frozen=True, slots=True, eq=False)
class SkipConnection:
    """A Concat of the last up block, `port` being its input that the deeper layers feed."""

    concat: Any
    port: int

    @property
    def source(self) -> Any:
        """The output that feeds it: the deep feature, [B, C, h, w]."""
        return self.concat.input(self.port).get_source_output()


def find_skip_connections(model: ov.Model) -> tuple[SkipConnection, ...]:
    """The joins of the last up block, the last one first; empty when the graph has no such structure.

    They are those whose skip comes from before anything is made smaller.
    """
    graph = _GraphAncestry(model)
    found = []
    for concat in reversed([node for node in graph.nodes if _concatenates_channels(node)]):
        port = graph.deep_port(concat)
        if port is None:
            continue
        if graph.has_resized_ancestor(concat.input_value(1 - port).get_node()):
            break  # so are the skips of all joins before it
        found.append(SkipConnection(concat, port))
    return tuple(found)


def full_model(model: ov.Model, depth: int) -> ov.Model:
    """A copy of `model` that also gives the deep feature of the join `depth` (1 is the last)."""
    copy = model.clone()
    added = copy.add_outputs(find_skip_connections(copy)[depth - 1].source)
    added[0].get_tensor().set_names({DEEP_FEATURE})
    return copy


def shallow_model(model: ov.Model, depth: int) -> ov.Model:
    """A copy of what remains of `model` when the deep feature of the join `depth` is given; other inputs that nothing
    needs any more, such as the prompt's, are gone."""
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
    """Whether it concatenates two pictures' channels."""
    if node.get_type_name() != "Concat" or node.get_input_size() != 2:
        return False
    rank = node.get_output_partial_shape(0).rank
    return rank.is_static and rank.get_length() == _RANK and node.get_attributes()["axis"] in _CHANNELS


class _GraphAncestry:
    """Asks what is above what. `nodes` are in an order of computation."""

    def __init__(self, model: ov.Model) -> None:
        self.nodes: list[Any] = model.get_ordered_ops()

    def deep_port(self, concat: Any) -> int | None:
        """The input of a join whose ancestors hold what the other input brings; None when it is no join."""
        features = [_skip_transparent(concat.input_value(port).get_node()) for port in (0, 1)]
        for deep in (0, 1):
            if features[1 - deep].get_name() in self.ancestor_names([features[deep]]) and not _is_same_node(*features):
                return deep
        return None

    def has_resized_ancestor(self, node: Any) -> bool:
        """Whether anything at or above `node` makes pictures smaller or larger."""
        return any(_resizes(other) for other in _walk_ancestors([node]))

    @staticmethod
    def ancestor_names(nodes: list[Any]) -> set[str]:
        """The unique names of `nodes` and of all their ancestors."""
        return {node.get_name() for node in _walk_ancestors(nodes)}


def _walk_ancestors(nodes: list[Any]) -> Iterator[Any]:
    """`nodes` and their ancestors, each once."""
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
    """The operation that made a feature, above those that only change how it is written."""
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
