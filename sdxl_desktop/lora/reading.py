"""Reads LoRA files by their headers, matches them to a checkpoint's layers and rejects those that do not fit.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685): a layer's weight W becomes
W + alpha / rank · up · down. LoCon (LyCORIS, arXiv 2309.14859) does the same for convolutions, where `down` has the
kernel and `up` is 1×1, or, in CP form, a third tensor `mid` has the kernel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats import lora_keys
from sdxl_desktop.formats.key_mapping import text_encoder_layer
from sdxl_desktop.formats.lora_keys import LORA_PARTS, TensorRole
from sdxl_desktop.formats.peft_metadata import PeftMetadataError, PeftScaling, read_peft_scaling
from sdxl_desktop.formats.safetensors_header import (
    FLOAT_DTYPES,
    Header,
    HeaderError,
    Shape,
    read_header,
    without_unit_kernel,
)
from sdxl_desktop.lora import lycoris
from sdxl_desktop.lora.lora_errors import (
    OTHER_LORA,
    SHOWN,
    damaged_error,
    not_a_lora_error,
    shape_mismatch_error,
    shape_text,
    unmatched_layers_note,
    unreadable_error,
    vector_mismatch_error,
)
from sdxl_desktop.lora.lycoris import WeightDelta, read_float32
from sdxl_desktop.lora.unet_layers import UnetLayers, unet_layers

Array = NDArray[np.float32]
_FACTORS = frozenset({TensorRole.DOWN, TensorRole.UP, TensorRole.MID})
_VECTORS = {
    TensorRole.DIFF_BIAS: "bias",
    TensorRole.NORM_WEIGHT: "weight",
    TensorRole.NORM_BIAS: "bias",
    TensorRole.DIFF: "weight",
}
"""Roles of differences that may be vectors, and the layer parameter that they change."""
# By the width of the cross-attention's context.
_ARCHITECTURES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 1280: "the SDXL refiner", 2048: "SDXL"}
_open: Any = safe_open  # it has no type annotations


@dataclass(frozen=True, slots=True)
class LoraDelta:
    """A LoRA's delta for one layer, as tensor names in the file and their shapes.

    `down` is [rank, in] or [rank, in, h, w], `up` [out, rank] or [out, rank, 1, 1], `mid`, if present, [rank, rank, h,
    w] (then `down` is 1×1). `scale` is alpha / rank.
    """

    names: Mapping[TensorRole, str]
    shapes: Mapping[TensorRole, Shape]
    scale: float

    @property
    def rank(self) -> int:
        return self.shapes[TensorRole.UP][1]

    @property
    def weight_shape(self) -> Shape:
        """The shape of the target weight: [out, in], with [h, w] unless they are 1."""
        kernel = self.shapes[TensorRole.MID if TensorRole.MID in self.shapes else TensorRole.DOWN][2:]
        return without_unit_kernel((self.shapes[TensorRole.UP][0], self.shapes[TensorRole.DOWN][1], *kernel))

    needs_weight = False

    def fits(self, shape: Shape) -> bool:
        """Whether it can be added to a weight of this shape."""
        return without_unit_kernel(shape) == self.weight_shape

    def delta_weight(self, tensors: Any, weight: Array) -> Array:
        """Return scale · up · down, float32, in the shape of `weight`: [out, in] or [out, in, h, w]."""
        down, up = self.factors(tensors)
        return (up @ down.reshape(len(down), -1)).reshape(weight.shape)

    def factors(self, tensors: Any) -> tuple[Array, Array]:
        """Return (down [rank, in] or [rank, in, h, w], up [out, rank] times `scale`) from the open file, float32."""
        down = read_float32(tensors, self.names[TensorRole.DOWN])
        up = read_float32(tensors, self.names[TensorRole.UP]).reshape(self.shapes[TensorRole.UP][:2])
        if TensorRole.MID in self.names:
            mid = read_float32(tensors, self.names[TensorRole.MID])
            down = np.einsum("rshw,si->rihw", mid, down.reshape(down.shape[:2]), optimize=True)
        if down.shape[2:] == (1, 1):
            down = down.reshape(down.shape[:2])
        return down, up * np.float32(self.scale)


@dataclass(frozen=True, slots=True)
class VectorDelta:
    """The delta of a layer's `parameter` ("weight" or "bias"): the tensor `tensor_name` with `count` elements."""

    parameter: str
    tensor_name: str
    count: int


@dataclass(frozen=True, slots=True)
class Lora:
    """`weight_deltas` maps part and layer (diffusers' and transformers' names) to the delta of its weight,
    `vector_deltas` to the deltas of its bias or of a norm's weight. `left_out` are the layers, by their names in the
    file, that the checkpoint does not have.
    """

    file: Path
    weight_deltas: Mapping[Part, Mapping[str, WeightDelta]]
    vector_deltas: Mapping[Part, Mapping[str, tuple[VectorDelta, ...]]] = field(default_factory=dict)
    unmatched_layers: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user about layers that were left out."""
        return (unmatched_layers_note(self.file, self.unmatched_layers),) if self.unmatched_layers else ()

    def changes(self, part: str) -> bool:
        """Whether the LoRA changes `part`."""
        return part in self.weight_deltas or part in self.vector_deltas

    @contextmanager
    def open_tensors(self) -> Iterator[Any]:
        """Yield the open file, for `LoraDelta.factors`; tensors are read from disk one by one."""
        with _opened(self.file) as tensors:
            yield tensors


def read_lora(file: Path, unet_config: Mapping[str, Any]) -> Lora:
    """Match the LoRA in `file` (.safetensors; diffusers', kohya's and LyCORIS' layouts) to the UNet with the
    config.json `unet_config`.

    Raises AdditionError if it is not a LoRA, is damaged, is of an unsupported kind or architecture, or has no layer of
    the checkpoint.
    """
    delta = match_lora(file, unet_layers(unet_config), int(unet_config.get("cross_attention_dim") or 0))
    if not delta.weight_deltas and not delta.vector_deltas:
        raise AdditionError(
            f"The LoRA {file.name} does not fit this checkpoint.",
            why=f"None of its {len(delta.unmatched_layers)} layers is in the checkpoint; the first is "
            f"{delta.unmatched_layers[0][:SHOWN]}.",
            next_step=OTHER_LORA,
        )
    return delta


def match_lora(file: Path, names: UnetLayers, width: int) -> Lora:
    """Like `read_lora`, for a UNet with the layers `names` and the cross-attention dimension `width`; all layers may be
    `left_out`."""
    header = _read_keys(file)
    _refuse_other_width(file, header, width)
    parts: dict[Part, dict[str, WeightDelta]] = {}
    vectors: dict[Part, dict[str, tuple[VectorDelta, ...]]] = {}
    strange: list[str] = list(header.unmatched)
    for (part, spelled), roles in sorted(header.layers.items(), key=_sgm_last):
        layer = _find(part, spelled, names)
        if layer is None or part is None or layer in parts.get(part, {}) or layer in vectors.get(part, {}):
            strange.append(spelled)
            continue
        added = _vectors(file, header, part, layer, roles, names)
        if added is None:
            strange.append(spelled)
            continue
        of_weight = {role: name for role, name in roles.items() if name not in {one.tensor_name for one in added}}
        if added:
            vectors.setdefault(part, {})[layer] = added
        if not of_weight.keys() - {TensorRole.ALPHA}:
            continue
        found = _layer(file, header, part, layer, of_weight)
        if part is Part.UNET:
            _check_shape(file, part, layer, found, names.shapes[layer])
        parts.setdefault(part, {})[layer] = found
    return Lora(file, parts, vectors, tuple(strange))


Layers = dict[tuple[Part | None, str], dict[TensorRole, str]]


@dataclass(frozen=True, slots=True)
class _LoraHeader:
    """A file's contents without its large tensors: keys by layer, shapes, alphas, PEFT's settings."""

    layers: Layers
    shapes: Mapping[str, Shape]
    alphas: Mapping[str, float]
    settings: Mapping[Part, PeftScaling]
    unmatched: list[str] = field(default_factory=list)

    def scale(self, part: Part, layer: str, roles: Mapping[TensorRole, str], rank: int) -> float:
        """Return alpha / rank: from the layer's alpha tensor, else from PEFT's settings, else 1."""
        if TensorRole.ALPHA in roles:
            return self.alphas[roles[TensorRole.ALPHA]] / rank
        return self.settings[part].scale(layer, rank)


def _read_keys(file: Path) -> _LoraHeader:
    header = _header(file)
    keys = list(header.tensors)
    _refuse_others(file, keys)
    layers: Layers = {}
    strange = []
    for name, place in header.tensors.items():
        key = lora_keys.parse_lora_key(name, header.tensors)
        if key is None:
            strange.append(name)
            continue
        layers.setdefault((key.part, key.layer), {})[key.role] = name
        if place.dtype not in FLOAT_DTYPES and key.role not in (TensorRole.ALPHA, TensorRole.IA3_ON_INPUT):
            raise damaged_error(
                file, f"The numbers of {name[:SHOWN]} are of the type {place.dtype}, which has no fractions."
            )
    if not any(roles.keys() - {TensorRole.ALPHA} for roles in layers.values()):
        raise not_a_lora_error(file, keys)
    try:
        settings = {part: read_peft_scaling(header.metadata, part) for part in LORA_PARTS}
    except PeftMetadataError as problem:
        raise AdditionError(
            f"The strength of the LoRA {file.name} in each layer cannot be read.",
            why=str(problem),
            next_step="Download it again, or look for another form of it.",
        ) from problem
    shapes = {name: place.shape for name, place in header.tensors.items()}
    return _LoraHeader(layers, shapes, _alphas(file, shapes, layers), settings, strange)


def _alphas(file: Path, shapes: Mapping[str, Shape], layers: Layers) -> dict[str, float]:
    """Return the alphas by key; each is a tensor with one element."""
    wanted = [roles[TensorRole.ALPHA] for roles in layers.values() if TensorRole.ALPHA in roles]
    for name in wanted:
        if math.prod(shapes[name]) != 1:
            raise damaged_error(file, f"{name[:SHOWN]} should be one number and has the shape {list(shapes[name])}.")
    with _opened(file) as tensors:
        alphas = {name: float(read_float32(tensors, name).reshape(-1)[0]) for name in wanted}
    for name, alpha in alphas.items():
        if not math.isfinite(alpha):
            raise damaged_error(file, f"{name[:SHOWN]} is {alpha}.")
    return alphas


def _header(file: Path) -> Header:
    try:
        return read_header(file)
    except HeaderError as problem:
        if problem.missing or file.is_dir():
            raise AdditionError(f"There is no LoRA file at {file}.", next_step="Check the path.") from problem
        raise unreadable_error(file, problem.why) from problem


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with _open(str(file), framework="pt", device="cpu") as tensors:
            yield tensors
    except (SafetensorError, OSError, UnicodeDecodeError) as problem:
        raise unreadable_error(file, f"{str(problem)[:SHOWN].rstrip('.')}.") from problem


def _refuse_others(file: Path, keys: list[str]) -> None:
    """Raise AdditionError for unsupported kinds of adapters, and for base models that are not built like SDXL."""
    kinds = sorted({kind for key in keys if (kind := lora_keys.unsupported_adapter(key))})
    model = lora_keys.unsupported_base_model(keys)
    if model:
        raise AdditionError(f"The LoRA {file.name} is not for SDXL.", why=f"It is for {model}.", next_step=OTHER_LORA)
    if kinds:
        raise AdditionError(
            f"{file.name} is of a kind that is not supported: {', '.join(kinds)}.",
            why="LoRA, LoCon, DoRA, LoHa, LoKr, (IA)³ and full differences can be fused.",
            next_step="Choose a LoRA of the same subject of one of these kinds.",
        )


def _refuse_other_width(file: Path, header: _LoraHeader, width: int) -> None:
    """Raise AdditionError if the cross-attention dimension differs from the checkpoint's."""
    for (part, layer), roles in header.layers.items():
        shape = header.shapes.get(roles.get(TensorRole.DOWN, ""), ())
        if part is Part.UNET and re.search(r"attn2[._]to_k$", layer) and len(shape) > 1 and shape[1] != width:
            theirs = _ARCHITECTURES.get(shape[1], "another architecture")
            raise AdditionError(
                f"The LoRA {file.name} is for {theirs}, and this checkpoint is "
                f"{_ARCHITECTURES.get(width, 'of its own size')}.",
                why=f"In {layer[:SHOWN]} it expects text of width {shape[1]}, and this checkpoint's is {width}.",
                next_step=OTHER_LORA,
            )


def _sgm_last(item: tuple[tuple[Part | None, str], Any]) -> tuple[bool, str]:
    """Sort key that puts SGM names last: if a file has a layer under both names, diffusers' is used."""
    return bool(re.search(r"input_blocks|middle_block|output_blocks", item[0][1])), item[0][1]


def _find(part: Part | None, spelled: str, names: UnetLayers) -> str | None:
    if part is None:
        return None
    return names.find(spelled) if part is Part.UNET else text_encoder_layer(spelled)


def _vectors(
    file: Path, header: _LoraHeader, part: Part, layer: str, roles: Mapping[TensorRole, str], names: UnetLayers
) -> tuple[VectorDelta, ...] | None:
    """Return the deltas of a bias or of a norm's weight; None if the UNet's layer has no such parameter."""
    found = []
    for role, parameter in _VECTORS.items():
        if role not in roles or (role is TensorRole.DIFF and len(header.shapes[roles[role]]) != 1):
            continue
        shape = header.shapes[roles[role]]
        if len(shape) != 1 or not shape[0]:
            raise damaged_error(file, f"In {part}.{layer} {role} has the shape {list(shape)}.")
        if part is Part.UNET:
            if parameter == "bias" and layer not in names.biased:
                return None
            if shape[0] != names.shapes[layer][0] or (parameter == "weight" and len(names.shapes[layer]) != 1):
                raise vector_mismatch_error(file, part, layer, shape[0], names.shapes[layer][0])
        found.append(VectorDelta(parameter, roles[role], shape[0]))
    return tuple(found)


def _layer(file: Path, header: _LoraHeader, part: Part, layer: str, roles: Mapping[TensorRole, str]) -> WeightDelta:
    shapes = {role: header.shapes[name] for role, name in roles.items()}
    try:
        found = lycoris.lycoris_delta(roles, shapes, lambda rank: header.scale(part, layer, roles, rank))
        return lycoris.with_dora(found or _plain_layer(file, header, part, layer, roles), roles, shapes)
    except lycoris.AdapterMismatchError as problem:
        raise damaged_error(file, f"In {part}.{layer} {str(problem)[:200]}.") from problem


def _plain_layer(file: Path, header: _LoraHeader, part: Part, layer: str, roles: Mapping[TensorRole, str]) -> LoraDelta:
    missing = [role for role in (TensorRole.DOWN, TensorRole.UP) if role not in roles]
    if missing:
        raise damaged_error(file, f"In {part}.{layer} the {missing[0]} tensor is missing.")
    factors = {role: name for role, name in roles.items() if role in _FACTORS}
    shapes: dict[TensorRole, Shape] = {role: header.shapes[name] for role, name in factors.items()}
    if not _fit_together(shapes):
        shapes_text = ", ".join(f"{role} {shape_text(shape)}" for role, shape in shapes.items())
        raise damaged_error(file, f"In {part}.{layer} the tensors' sizes disagree: {shapes_text}.")
    found = LoraDelta(factors, shapes, header.scale(part, layer, roles, shapes[TensorRole.UP][1]))
    outputs, *inputs = found.weight_shape
    if found.rank > max(outputs, math.prod(inputs)):  # a higher rank adds nothing and could take any memory
        raise damaged_error(
            file, f"In {part}.{layer} its rank is {found.rank:,}, for weights of {shape_text(found.weight_shape)}."
        )
    return found


def _fit_together(shapes: Mapping[TensorRole, Shape]) -> bool:
    """Whether the shapes allow the product up · (mid ·) down."""
    if any(0 in shape for shape in shapes.values()):
        return False
    down, up, mid = shapes[TensorRole.DOWN], shapes[TensorRole.UP], shapes.get(TensorRole.MID)
    if len(down) not in (2, 4) or len(up) not in (2, 4) or up[2:] not in ((), (1, 1)):
        return False
    if mid is None:
        return up[1] == down[0]
    return len(mid) == 4 and up[1] == mid[0] and mid[1] == down[0] and down[2:] in ((), (1, 1))


def _check_shape(file: Path, part: Part, layer: str, found: WeightDelta, expected: Shape) -> None:
    if len(expected) < 2 or not found.fits(expected):
        raise shape_mismatch_error(file, part, layer, found, expected)
