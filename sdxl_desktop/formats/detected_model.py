"""The model detected at a path: its kind, family and parts, and the location of each part's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.key_mapping import KeyMapping
from sdxl_desktop.formats.safetensors_header import Tensor


class ModelKind(StrEnum):
    """The kind of a detected model; the values are shown to the user."""

    CHECKPOINT = "checkpoint"
    LORA = "LoRA"
    EMBEDDING = "embedding"
    VAE = "VAE"
    PICKLED = "pickled checkpoint"
    """A .ckpt whose kind is known only after torch's weights-only loader has read it, in the conversion process."""


class ModelLayout(StrEnum):
    SINGLE_FILE = "single file"
    DIFFUSERS = "diffusers folder"
    OPENVINO = "OpenVINO folder"


@dataclass(frozen=True, slots=True)
class DetectedPart:
    """A part ("unet", "vae", "text_encoder", "text_encoder_2") with all of its tensors, in the right shapes.

    `config` is its config.json; `tensors` are those of its file or files; `key_mapping` maps the required names to
    them. `fp8_scales` maps the key of a tensor that must be multiplied by a scalar to the scalar's key.
    """

    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    key_mapping: KeyMapping
    fp8_scales: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The bytes of this part in the file."""
        return sum(self.tensors[key].bytes for key in {recipe.key for recipe in self.key_mapping.values()})

    @property
    def parameters(self) -> int:
        return sum(self.tensors[key].elements for key in {recipe.key for recipe in self.key_mapping.values()})


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedModel:
    """`files` are all files that were inspected and will be read; `model_index` is the content of model_index.json;
    `tokenizers` maps "tokenizer" and "tokenizer_2" to folders to copy them from; `checkpoint_json` has the settings for
    checkpoint.json; `notes` name the choices that were made."""

    path: Path
    kind: ModelKind
    layout: ModelLayout
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
