"""Weights files with a header only: their data are a hole in a sparse file, which takes no space on the disk."""

from __future__ import annotations

import functools
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path

from sdxl_desktop.core.parts import DIFFUSERS_PARTS
from sdxl_desktop.formats.families import Family, shipped_config_folder
from sdxl_desktop.formats.key_mapping import original_key_mapping
from sdxl_desktop.formats.layer_shapes import tensor_shapes
from sdxl_desktop.formats.safetensors_header import DTYPE_BYTES

Shapes = Mapping[str, tuple[int, ...]]


def header_bytes(shapes: Shapes, dtype: str = "F16") -> tuple[bytes, int]:
    """The JSON of a head, and the bytes that have to follow it."""
    entries, offset = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * DTYPE_BYTES[dtype]
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    return json.dumps(entries).encode(), offset


def write_sparse_file(file: Path, shapes: Shapes, dtype: str = "F16") -> Path:
    """A .safetensors file with these tensors, all zero."""
    head, size = header_bytes(shapes, dtype)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(head)) + head)
        stream.truncate(8 + len(head) + size)
    return file


def original_shapes(family: Family) -> dict[str, tuple[int, ...]]:
    """What a full-size single file of `family` holds."""
    return dict(_original_shapes(family))


@functools.cache
def _original_shapes(family: Family) -> Shapes:
    setup, shapes = shipped_config_folder(family), dict[str, tuple[int, ...]]()
    second = "conditioner.embedders.0.model." if family is Family.REFINER else "conditioner.embedders.1.model."
    prefixes = {
        "unet": "model.diffusion_model.",
        "vae": "first_stage_model.",
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": second,
    }
    for part in DIFFUSERS_PARTS:
        if config := setup.config(part):
            for recipe in original_key_mapping(part, config, tensor_shapes(part, config), prefixes[part]).values():
                shapes[recipe.key] = recipe.shape
    return shapes
