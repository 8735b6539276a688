"""What was found at a path: its kind, its family, its parts, and where each part's tensors lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.key_mapping import Recipes
from sdxl_desktop.formats.safetensors_header import Tensor


class Kind(StrEnum):
    """What a path holds, in words that a person reads."""

    CHECKPOINT = "checkpoint"
    LORA = "LoRA"
    EMBEDDING = "embedding"
    VAE = "VAE"
    PICKLED = "pickled checkpoint"
    """A .ckpt whose kind is known once torch's weights-only loader has read it, in the conversion's own process."""


class Layout(StrEnum):
    SINGLE_FILE = "single file"
    DIFFUSERS = "diffusers folder"
    OPENVINO = "OpenVINO folder"


@dataclass(frozen=True, slots=True)
class DetectedPart:
    """A part ("unet", "vae", "text_encoder", "text_encoder_2") whose tensors are all there, in the right shapes.

    `config` is its config.json; `tensors` are those of its file or files; `recipes` lead from the names wanted to them.
    `scales` leads from the key of a tensor that is to be multiplied by one number to that number's key.
    """

    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    key_mapping: Recipes
    fp8_scales: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes in the file that belong to this part."""
        return sum(self.tensors[key].bytes for key in {recipe.key for recipe in self.key_mapping.values()})

    @property
    def parameters(self) -> int:
        return sum(self.tensors[key].elements for key in {recipe.key for recipe in self.key_mapping.values()})


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedModel:
    """`files` are all that were looked at and will be read; `index` is model_index.json's content; `tokenizers` maps
    "tokenizer" and "tokenizer_2" to folders to copy them from; `card` is what checkpoint.json is to say of settings;
    `notes` say what was chosen where there was a choice."""

    path: Path
    kind: Kind
    layout: Layout
    family: Family | None = None
    parts: tuple[DetectedPart, ...] = ()
    files: tuple[Path, ...] = ()
    model_index: Mapping[str, Any] = field(default_factory=dict)
    scheduler_config: Mapping[str, Any] = field(default_factory=dict)
    tokenizers: Mapping[str, Path] = field(default_factory=dict)
    checkpoint_json: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts) or sum(file.stat().st_size for file in self.files)
