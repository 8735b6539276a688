"""Parts for devices that compile fixed shapes only: reshaped to what is asked of them, one row of a batch at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino.utils.data_helpers import OVDict

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.engine.compile_key import CompileKey, fixed_shape, size_of_shape
from sdxl_desktop.engine.openvino.caching.cut import DEEP
from sdxl_desktop.engine.openvino.interrupt import InterruptibleRequest

TOKENS = 77
"""The length of one chunk of a prompt."""
_KEPT_IN_MEMORY: Mapping[str, int] = {Part.VAE_DECODER: 4, Part.VAE_ENCODER: 4}
"""Shapes of one part that stay compiled in memory: tiles at a picture's edge may be of other sizes. Others keep one,
since each holds all of the part's weights."""

_OF_PICTURE = {"sample", "latent_sample"}
_OF_PROMPT = {"encoder_hidden_states", "input_ids", "attention_mask"}
_ALWAYS = _OF_PICTURE | _OF_PROMPT | {"timestep", "timestep_cond", "text_embeds", "time_ids", DEEP}
"""Inputs whose shapes follow from a picture's size and a prompt's length."""

Array = npt.NDArray[Any]
Shapes = dict[str, tuple[int, ...]]
"""By the input's name, for one row: the first side is 1."""


@dataclass(frozen=True, slots=True)
class Reshaped:
    """A part's graph with fixed shapes, and the key of what is compiled of it."""

    key: CompileKey
    shapes: Shapes
    model: ov.Model


class FixedShapes:
    """Stands where an `InterruptibleRequest` would. What is asked is answered by the part compiled for just that shape,
    with batch 1; a batch is looped over, which gives the same (a UNet exported for guidance is otherwise fixed at 2).

    `graph` gives the part as it was exported, `make` compiles and `let_go` forgets; `pixels` is how many a latent has.
    """

    def __init__(
        self,
        key: CompileKey,
        graph: Callable[[], ov.Model],
        make: Callable[[Reshaped], InterruptibleRequest],
        let_go: Callable[[CompileKey], None],
        pixels: int,
    ) -> None:
        self.key = key
        self._graph, self._make, self._let_go = graph, make, let_go
        self._pixels = pixels
        self._ports: tuple[Port, ...] = ()
        self._made: OrderedDict[CompileKey, _Made] = OrderedDict()
        self._last: _Made | None = None
        self.last_outputs: OVDict | None = None

    @property
    def keys(self) -> tuple[CompileKey, ...]:
        """Of every shape that is compiled and in memory."""
        return tuple(self._made)

    @property
    def compiled(self) -> Any:
        """What stands for the compiled model that answered last: its inputs are named as in the exported part."""
        if self._last is None:
            return _Described(self.key.device, self.ports)
        return _Described(self.key.device, self._last.ports, self._last.request.compiled)

    @property
    def ports(self) -> tuple[Port, ...]:
        """The inputs of the part as it was exported; its graph, which maps all weights, is not kept for them."""
        if not self._ports:
            self._ports = ports_of(self._graph())
        return self._ports

    def listen(self, graph: Callable[[], ov.Model], make: Callable[[Reshaped], InterruptibleRequest]) -> None:
        """Take the graph and compile it by these from now on: those of the present run, whose checkpoint may be another
        with the same part, and which is the one that wants to be told."""
        self._graph, self._make = graph, make

    def reshaped(self, shapes: Shapes) -> Reshaped:
        """The part for inputs of these shapes."""
        return reshaped(self.key, self._graph(), shapes, self._pixels)

    def serves(self, size: Size) -> bool:
        """Whether it is compiled, for prompts of whatever length, for pictures of `size`; text encoders know none."""
        return any(size_of_shape(key.shape) in (size, None) for key in self._made)

    def make_room(self) -> None:
        """Let go of what would be too much beside one more, before that is compiled."""
        while len(self._made) >= _KEPT_IN_MEMORY.get(self.key.component, 1):
            key, made = self._made.popitem(last=False)
            self._last = None if made is self._last else self._last
            del made
            self._let_go(key)

    def take(self, form: Reshaped, request: InterruptibleRequest) -> None:
        """Answer with `request`, which is compiled of `form`, from now on where it fits."""
        self._made[form.key] = self._last = _Made(request, ports_of(form.model))

    def __call__(self, inputs: Mapping[str, Any]) -> OVDict:
        given = {port.name: _array(inputs[port.name], port) for port in self.ports}
        rows = max(len(value) for value in given.values())
        request = self._for({name: (1, *value.shape[1:]) for name, value in given.items()})
        answers = [request(_row(given, row, rows)) for row in range(rows)]
        self.last_outputs = answers[0] if rows == 1 else _joined(answers)
        return self.last_outputs

    def _for(self, shapes: Shapes) -> InterruptibleRequest:
        key = replace(self.key, shape=shape_name(self.key.component, shapes, self._pixels))
        if key not in self._made:
            self.make_room()
            form = self.reshaped(shapes)
            self.take(form, self._make(form))
        self._made.move_to_end(key)
        self._last = self._made[key]
        return self._last.request


def reshaped(key: CompileKey, model: ov.Model, shapes: Shapes, pixels: int) -> Reshaped:
    """A copy of `model` that takes inputs of these shapes and nothing else."""
    copy = model.clone()
    copy.reshape({name: ov.PartialShape(list(shape)) for name, shape in shapes.items()})
    return Reshaped(replace(key, shape=shape_name(key.component, shapes, pixels)), shapes, copy)


def shape_name(component: str, shapes: Shapes, pixels: int) -> str:
    """What the shapes mean in words for a compile key: the size in pixels, how long the prompt is, and the shapes of
    inputs that only some UNets have."""
    if component.startswith(Part.TEXT_ENCODER):
        return f"{shapes['input_ids'][-1]} tokens"
    name, scale = ("latent_sample", pixels) if component == Part.VAE_DECODER else ("sample", pixels)
    if component == Part.VAE_ENCODER:
        scale = 1
    *_, height, width = shapes[name]
    chunks, more = divmod(shapes.get("encoder_hidden_states", (1, TOKENS))[1], TOKENS)
    others = [f"{more} more tokens"] if more else []
    others += [f"{name} {'x'.join(map(str, shapes[name]))}" for name in sorted(shapes.keys() - _ALWAYS)]
    return ", ".join([fixed_shape(Size(width * scale, height * scale), chunks), *others])


def follow_from_size(ports: Sequence[Port]) -> bool:
    """Whether the shapes of all these inputs are known when the picture's size and the prompt's length are."""
    return all(side.is_static for port in ports if port.name not in _ALWAYS for side in list(port.shape)[1:])


def shapes_for(component: str, ports: Sequence[Port], size: Size, pixels: int) -> Shapes:
    """The shapes of a part's inputs, which follow from it, for a picture of `size` and a prompt of one chunk."""
    latent = (size.height // pixels, size.width // pixels)
    picture = (size.height, size.width) if component == Part.VAE_ENCODER else latent
    shapes: Shapes = {}
    for port in ports:
        sides = [side.get_length() if side.is_static else 1 for side in port.shape]
        if port.name in _OF_PICTURE:
            sides[2:] = picture
        if port.name in _OF_PROMPT:
            sides[1] = TOKENS
        shapes[port.name] = (1, *sides[1:])
    return shapes


def shallow_shapes(full: Reshaped, ports: Sequence[Port], feature: str) -> Shapes:
    """The shapes of the inputs of a UNet's shallow graph, of which `feature` is what `full` gives."""
    return {
        port.name: tuple(full.model.output(feature).shape) if port.name == feature else full.shapes[port.name]
        for port in ports
    }


@dataclass(frozen=True, slots=True)
class Port:
    """An input: its name in the exported part, its shape and the type of its numbers."""

    name: str
    shape: Any
    kind: Any

    @property
    def names(self) -> set[str]:
        return {self.name}

    def get_any_name(self) -> str:
        return self.name

    def get_partial_shape(self) -> Any:
        return self.shape


def ports_of(model: ov.Model) -> tuple[Port, ...]:
    """The inputs of a graph that was not compiled: compiling adds names."""
    return tuple(
        Port(port.get_any_name(), port.get_partial_shape(), port.get_element_type().to_dtype()) for port in model.inputs
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A request, and the inputs of the graph it was compiled of."""

    request: InterruptibleRequest
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class _Described:
    """What is asked of a compiled model. `compiled` is None before it is compiled."""

    device: str
    inputs: tuple[Port, ...]
    compiled: Any = None

    def get_property(self, name: str) -> Any:
        if self.compiled is not None:
            return self.compiled.get_property(name)
        if name == "EXECUTION_DEVICES":
            return [self.device]
        raise RuntimeError(f"{name} is not known before the part is compiled.")


def _array(value: Any, port: Port) -> Array:
    """As the port wants it, with a batch in front: schedulers give the timestep without."""
    return np.atleast_1d(np.asarray(value).astype(port.kind, copy=False))


def _row(given: dict[str, Array], row: int, rows: int) -> dict[str, Any]:
    """The inputs of one row; what has one row only is the same for all."""
    return {
        name: np.ascontiguousarray(value if len(value) != rows else value[row : row + 1])
        for name, value in given.items()
    }


def _joined(answers: list[OVDict]) -> OVDict:
    return OVDict({port: np.concatenate([answer[port] for answer in answers]) for port in answers[0]})
