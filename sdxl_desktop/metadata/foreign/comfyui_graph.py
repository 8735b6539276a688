"""A ComfyUI graph in its API format: nodes by id, each with a class and inputs, an input being a value or a link to
another node's output. Following links is bounded, whatever the graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MAX_NODES = 5000
_MAX_STEPS = 2000
"""Maximum nodes that are visited from one place."""
_VALUE_KEYS = ("value", "text", "string", "String", "int", "float", "number", "seed", "noise_seed", "Value", "prompt")
"""Inputs of nodes that only hold a value for others."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its id, its class, and its inputs."""

    id: str
    kind: str
    inputs: Mapping[str, Any]


class Graph:
    """The nodes of a graph; raises ValueError if `content` is none."""

    def __init__(self, content: object) -> None:
        if not isinstance(content, dict) or not content or len(content) > _MAX_NODES:
            raise ValueError("not a graph")
        self.nodes = {
            str(name): Node(str(name), node["class_type"], node["inputs"])
            for name, node in content.items()
            if isinstance(node, dict)
            and isinstance(node.get("class_type"), str)
            and isinstance(node.get("inputs"), dict)
        }
        if not self.nodes:
            raise ValueError("not a graph")

    def linked(self, node: Node, *names: str) -> Node | None:
        """Return the node that the first linked one of the inputs `names` comes from."""
        for name in names:
            link = node.inputs.get(name)
            if isinstance(link, list) and len(link) == 2 and isinstance(link[0], str | int):
                found = self.nodes.get(str(link[0]))
                if found is not None:
                    return found
        return None

    def value(self, node: Node, *names: str) -> Any:
        """Return the first of the inputs `names` that has a value, its own or that of a linked node that holds one."""
        for name in names:
            value = node.inputs.get(name)
            if isinstance(value, list):
                value = self._held_by(self.linked(node, name))
            if value is not None and not isinstance(value, list | dict):
                return value
        return None

    def _held_by(self, node: Node | None) -> Any:
        for _ in range(20):
            if node is None:
                return None
            for name in _VALUE_KEYS:
                value = node.inputs.get(name)
                if value is not None and not isinstance(value, list | dict):
                    return value
            node = self.linked(node, *_VALUE_KEYS)
        return None

    def upstream(self, start: Node | None, *, through: frozenset[str] | None = None) -> Iterator[Node]:
        """Yield `start` and the nodes before it, nearest first. `through`: the inputs that are followed, None for
        all."""
        seen: set[str] = set()
        waiting = deque(() if start is None else (start,))
        while waiting and len(seen) < _MAX_STEPS:
            node = waiting.popleft()
            if node.id in seen:
                continue
            seen.add(node.id)
            yield node
            followed = (name for name in node.inputs if through is None or name in through)
            waiting.extend(found for name in followed if (found := self.linked(node, name)) is not None)
