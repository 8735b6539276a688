"""Read a .ckpt with torch's weights-only loader and write its tensors as .safetensors, one at a time."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import torch

from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.library.detect.pickle_safety import MAX_TENSOR_OVERLAP, check_pickle

_SAFETENSORS_DTYPES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def convert_pickle(file: Path, target: Path, progress: Callable[[int], None]) -> None:
    """Write the tensors of `file` to `target`; raises DamagedFileError if they cannot be read safely."""
    check_pickle(file)
    try:
        content = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except Exception as problem:  # any loader error; no code was executed
        raise DamagedFileError(
            f"{file.name} cannot be read safely.",
            why="Torch's weights-only loader refuses it.",
            next_step="Look for the same checkpoint as a .safetensors file.",
        ) from problem
    tensors = content.get("state_dict", content) if isinstance(content, dict) else {}
    kept = {
        name: tensor
        for name, tensor in (tensors.items() if isinstance(tensors, dict) else ())
        if isinstance(name, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout is torch.strided
        and tensor.dtype in _SAFETENSORS_DTYPES
        and not name.startswith("model_ema.")
    }
    if sum(tensor.nbytes for tensor in kept.values()) > MAX_TENSOR_OVERLAP * file.stat().st_size:
        raise DamagedFileError(
            f"{file.name} cannot be read safely.",
            why="Its tensors have far more bytes than the file itself.",
            next_step="Look for the same checkpoint as a .safetensors file.",
        )
    _write(kept, target, progress)


def _write(tensors: dict[str, torch.Tensor], into: Path, progress: Callable[[int], None]) -> None:
    head, offset = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        head[name] = {
            "dtype": _SAFETENSORS_DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    written = json.dumps(head).encode()
    written += b" " * (-len(written) % 8)
    into.parent.mkdir(parents=True, exist_ok=True)
    with into.open("wb") as stream:
        stream.write(struct.pack("<Q", len(written)) + written)
        for tensor in tensors.values():
            plain = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
            stream.write(plain.data)
            progress(plain.nbytes)
