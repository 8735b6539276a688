"""Small LoRAs and embeddings with any metadata, and the files that other tools put beside them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file


def write_lora(file: Path, metadata: Mapping[str, str] | None = None, context: int = 2048) -> Path:
    """A LoRA for a cross-attention with a context of this width: 2048 in SDXL, 768 in Stable Diffusion 1.5."""
    layer = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {
        f"{layer}.lora_down.weight": np.zeros((2, context), np.float16),
        f"{layer}.lora_up.weight": np.zeros((4, 2), np.float16),
        f"{layer}.alpha": np.float16(1),
    }
    return _write(file, tensors, metadata)


def write_embedding(file: Path, widths: Mapping[str, int] | None = None) -> Path:
    tensors = {name: np.zeros((2, width), np.float32) for name, width in (widths or {"clip_l": 8, "clip_g": 8}).items()}
    return _write(file, tensors, None)


def _write(file: Path, tensors: Mapping[str, object], metadata: Mapping[str, str] | None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.asarray(tensor) for name, tensor in tensors.items()}, file, dict(metadata or {}) or None)
    return file


def picture_bytes(colour: str, size: tuple[int, int] = (30, 20), kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, kind)
    return made.getvalue()


def data_url(colour: str, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture_bytes(colour, kind=kind.upper())).decode()}"
