"""Parts for devices that support only fixed shapes: reshaped for each call, one batch row at a time."""

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
from sdxl_desktop.engine.compile_key import CompileKey, fixed_shape_name, image_size_of_shape
from sdxl_desktop.engine.openvino.interruptible_request import InterruptibleInferRequest
from sdxl_desktop.engine.openvino.step_caching.graph_cut import DEEP_FEATURE

TOKENS_PER_CHUNK = 77
"""Tokens in one chunk of a prompt."""
_MAX_COMPILED_SHAPES: Mapping[str, int] = {Part.VAE_DECODER: 4, Part.VAE_ENCODER: 4}
"""Compiled shapes kept in memory per part: tiles at a picture's edge may have other sizes. Other parts keep one, since
each holds all of the part's weights."""

_OF_PICTURE = {"sample", "latent_sample"}
_OF_PROMPT = {"encoder_hidden_states", "input_ids", "attention_mask"}
_ALWAYS = _OF_PICTURE | _OF_PROMPT | {"timestep", "timestep_cond", "text_embeds", "time_ids", DEEP_FEATURE}
"""Inputs whose shapes follow from the picture size and the prompt length."""

Array = npt.NDArray[Any]
ShapesByInput = dict[str, tuple[int, ...]]
"""Shapes by input name, for one row: the first dimension is 1."""


@dataclass(frozen=True, slots=True)
class ReshapedModel:
    """A part's graph with fixed shapes, and its compile key."""

    key: CompileKey
    shapes: ShapesByInput
    model: ov.Model


class FixedShapeRequests:
    """Replaces an `InterruptibleInferRequest`. Each call runs the part compiled for exactly its shapes with batch 1; it
    loops over the rows of a batch, with the same result (a UNet exported for guidance would otherwise be fixed at batch
    2).

    `graph` returns the exported part, `make` compiles it, `let_go` releases a key; `pixels` is the number of pixels per
    latent.
    """

    def __init__(
        self,
        key: CompileKey,
        graph: Callable[[], ov.Model],
        make: Callable[[ReshapedModel], InterruptibleInferRequest],
        let_go: Callable[[CompileKey], None],
        pixels: int,
    ) -> None:
        self.key = key
        self._graph, self._compile_form, self._release = graph, make, let_go
        self._vae_scale_factor = pixels
        self._ports: tuple[InputPort, ...] = ()
        self._compiled_shapes: OrderedDict[CompileKey, _CompiledShape] = OrderedDict()
        self._last: _CompiledShape | None = None
        self.last_outputs: OVDict | None = None

    @property
    def keys(self) -> tuple[CompileKey, ...]:
        """The keys of all compiled shapes in memory."""
        return tuple(self._compiled_shapes)

    @property
    def compiled(self) -> Any:
        """A view of the compiled model used last; its inputs are named as in the exported part."""
        if self._last is None:
            return _CompiledModelView(self.key.device, self.ports)
        return _CompiledModelView(self.key.device, self._last.ports, self._last.request.compiled)

    @property
    def ports(self) -> tuple[InputPort, ...]:
        """The inputs of the exported part. Its graph, which maps all weights, is not kept for them."""
        if not self._ports:
            self._ports = input_ports(self._graph())
        return self._ports

    def rebind(
        self, graph: Callable[[], ov.Model], compile_form: Callable[[ReshapedModel], InterruptibleInferRequest]
    ) -> None:
        """Use these callbacks from now on: those of the current run, whose checkpoint may be another one with the same
        part, and which receives the progress."""
        self._graph, self._compile_form = graph, compile_form

    def reshape(self, shapes: ShapesByInput) -> ReshapedModel:
        """Return the part reshaped for inputs of these shapes."""
        return reshape_model(self.key, self._graph(), shapes, self._vae_scale_factor)

    def is_compiled_for(self, size: Size) -> bool:
        """Whether it is compiled for pictures of `size`, with any prompt length; text encoders are independent of the
        size."""
        return any(image_size_of_shape(key.shape) in (size, None) for key in self._compiled_shapes)

    def evict_oldest(self) -> None:
        """Release the oldest shapes to make room for one more before it is compiled."""
        while len(self._compiled_shapes) >= _MAX_COMPILED_SHAPES.get(self.key.component, 1):
            key, made = self._compiled_shapes.popitem(last=False)
            self._last = None if made is self._last else self._last
            del made
            self._release(key)

    def add(self, form: ReshapedModel, request: InterruptibleInferRequest) -> None:
        """Use `request`, compiled from `form`, for calls with its shapes."""
        self._compiled_shapes[form.key] = self._last = _CompiledShape(request, input_ports(form.model))

    def __call__(self, inputs: Mapping[str, Any]) -> OVDict:
        given = {port.name: _as_input_array(inputs[port.name], port) for port in self.ports}
        rows = max(len(value) for value in given.values())
        request = self._request_for({name: (1, *value.shape[1:]) for name, value in given.items()})
        answers = [request(_batch_row(given, row, rows)) for row in range(rows)]
        self.last_outputs = answers[0] if rows == 1 else _concatenate_outputs(answers)
        return self.last_outputs

    def _request_for(self, shapes: ShapesByInput) -> InterruptibleInferRequest:
        key = replace(self.key, shape=shape_name(self.key.component, shapes, self._vae_scale_factor))
        if key not in self._compiled_shapes:
            self.evict_oldest()
            form = self.reshape(shapes)
            self.add(form, self._compile_form(form))
        self._compiled_shapes.move_to_end(key)
        self._last = self._compiled_shapes[key]
        return self._last.request


def reshape_model(key: CompileKey, model: ov.Model, shapes: ShapesByInput, vae_scale_factor: int) -> ReshapedModel:
    """Return a copy of `model` that accepts only inputs of these shapes."""
    copy = model.clone()
    copy.reshape({name: ov.PartialShape(list(shape)) for name, shape in shapes.items()})
    return ReshapedModel(replace(key, shape=shape_name(key.component, shapes, vae_scale_factor)), shapes, copy)


def shape_name(component: str, shapes: ShapesByInput, vae_scale_factor: int) -> str:
    """Return a description of the shapes for a compile key: the size in pixels, the prompt length, and the shapes of
    inputs that only some UNets have."""
    if component.startswith(Part.TEXT_ENCODER):
        return f"{shapes['input_ids'][-1]} tokens"
    name, scale = ("latent_sample", vae_scale_factor) if component == Part.VAE_DECODER else ("sample", vae_scale_factor)
    if component == Part.VAE_ENCODER:
        scale = 1
    *_, height, width = shapes[name]
    chunks, more = divmod(shapes.get("encoder_hidden_states", (1, TOKENS_PER_CHUNK))[1], TOKENS_PER_CHUNK)
    others = [f"{more} more tokens"] if more else []
    others += [f"{name} {'x'.join(map(str, shapes[name]))}" for name in sorted(shapes.keys() - _ALWAYS)]
    return ", ".join([fixed_shape_name(Size(width * scale, height * scale), chunks), *others])


def follow_from_size(ports: Sequence[InputPort]) -> bool:
    """Whether the shapes of all these inputs follow from the picture size and the prompt length."""
    return all(side.is_static for port in ports if port.name not in _ALWAYS for side in list(port.shape)[1:])


def input_shapes(component: str, ports: Sequence[InputPort], size: Size, vae_scale_factor: int) -> ShapesByInput:
    """Return the shapes of a part's inputs for a picture of `size` and a prompt of one chunk."""
    latent = (size.height // vae_scale_factor, size.width // vae_scale_factor)
    picture = (size.height, size.width) if component == Part.VAE_ENCODER else latent
    shapes: ShapesByInput = {}
    for port in ports:
        sides = [side.get_length() if side.is_static else 1 for side in port.shape]
        if port.name in _OF_PICTURE:
            sides[2:] = picture
        if port.name in _OF_PROMPT:
            sides[1] = TOKENS_PER_CHUNK
        shapes[port.name] = (1, *sides[1:])
    return shapes


def shallow_input_shapes(full: ReshapedModel, ports: Sequence[InputPort], feature: str) -> ShapesByInput:
    """Return the input shapes of a UNet's shallow graph. `feature` is the input that `full` computes."""
    return {
        port.name: tuple(full.model.output(feature).shape) if port.name == feature else full.shapes[port.name]
        for port in ports
    }


@dataclass(frozen=True, slots=True)
class InputPort:
    """An input: its name in the exported part, its shape and its dtype."""

    name: str
    shape: Any
    dtype: Any

    @property
    def names(self) -> set[str]:
        return {self.name}

    def get_any_name(self) -> str:
        return self.name

    def get_partial_shape(self) -> Any:
        return self.shape


def input_ports(model: ov.Model) -> tuple[InputPort, ...]:
    """Return the inputs of an uncompiled graph: compiling adds names."""
    return tuple(
        InputPort(port.get_any_name(), port.get_partial_shape(), port.get_element_type().to_dtype())
        for port in model.inputs
    )


@dataclass(frozen=True, slots=True, eq=False)
class _CompiledShape:
    """A request, and the inputs of the graph it was compiled from."""

    request: InterruptibleInferRequest
    ports: tuple[InputPort, ...]


@dataclass(frozen=True, slots=True)
class _CompiledModelView:
    """The used part of the compiled model interface. `compiled` is None before compilation."""

    device: str
    inputs: tuple[InputPort, ...]
    compiled: Any = None

    def get_property(self, name: str) -> Any:
        if self.compiled is not None:
            return self.compiled.get_property(name)
        if name == "EXECUTION_DEVICES":
            return [self.device]
        raise RuntimeError(f"{name} is not known before the part is compiled.")


def _as_input_array(value: Any, port: InputPort) -> Array:
    """Convert a value to the port's dtype, with a batch dimension: schedulers give the timestep without one."""
    return np.atleast_1d(np.asarray(value).astype(port.dtype, copy=False))


def _batch_row(given: dict[str, Array], row: int, rows: int) -> dict[str, Any]:
    """Return the inputs of one row; inputs with only one row are shared by all."""
    return {
        name: np.ascontiguousarray(value if len(value) != rows else value[row : row + 1])
        for name, value in given.items()
    }


def _concatenate_outputs(answers: list[OVDict]) -> OVDict:
    return OVDict({port: np.concatenate([answer[port] for answer in answers]) for port in answers[0]})
