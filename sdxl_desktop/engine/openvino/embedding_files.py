"""Reads the files that textual inversion is shared in, without running anything that is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from sdxl_desktop.core.errors import AdditionError

MAX_BYTES = 64 << 20
"""An embedding of 75 vectors for both encoders has 600 kB; whatever has more than this is something else."""

_FIRST = ("clip_l", "text_encoders_0")
_SECOND = ("clip_g", "text_encoders_1")
_UNNAMED = ("emb_params", "*")


@dataclass(frozen=True, slots=True)
class VectorsRead:
    """Vectors float32 [k, D] by encoder, or `either` where the file does not say; `token` is "" unless it names one."""

    token: str = ""
    first: npt.NDArray[np.float32] | None = None
    second: npt.NDArray[np.float32] | None = None
    either: npt.NDArray[np.float32] | None = None


def read_vectors(file: Path) -> VectorsRead:
    """Understands `{clip_l, clip_g}` (kohya, ComfyUI), diffusers' `{<token>: tensor}` for one encoder, and the
    `string_to_param` of AUTOMATIC1111's web UI. Raises AdditionError for everything else.
    """
    content = _load(file)
    if isinstance(content, torch.Tensor):
        return VectorsRead(either=_vectors(file, content))
    if not isinstance(content, Mapping):
        raise _no_embedding(file, f"It holds a {type(content).__name__}.")
    if isinstance(content.get("string_to_param"), Mapping | torch.nn.ParameterDict):
        content = dict(content["string_to_param"].items())
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    first = next((tensors[name] for name in _FIRST if name in tensors), None)
    second = next((tensors[name] for name in _SECOND if name in tensors), None)
    if first is not None or second is not None:
        return VectorsRead(
            first=None if first is None else _vectors(file, first),
            second=None if second is None else _vectors(file, second),
        )
    if len(tensors) != 1:
        names = ", ".join(list(tensors)[:3])
        held = f"{len(tensors)} tensors ({names}{', …' if len(tensors) > 3 else ''})" if tensors else "no tensors"
        raise _no_embedding(file, f"It holds {held}; an embedding has one, or one for each text encoder.")
    ((name, tensor),) = tensors.items()
    return VectorsRead(token="" if name in _UNNAMED else name, either=_vectors(file, tensor))


def _load(file: Path) -> Any:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise _no_embedding(file, f"It has {file.stat().st_size >> 20} MB; embeddings are far smaller.")
        if file.suffix.lower() == ".safetensors":
            return load_file(file, device="cpu")
        if file.suffix.lower() in (".pt", ".bin"):
            # the loader for plain weights: a pickle that names any other function or class is refused
            with torch.serialization.safe_globals([torch.nn.ParameterDict]):
                return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as problem:
        raise AdditionError(
            f"The embedding {file.name} was not opened.",
            why="It is damaged, or holds more than numbers, which could run a program on this computer.",
            next_step="Look for a .safetensors file of the same embedding.",
        ) from problem
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, KeyError, AttributeError) as problem:
        reason = str(problem).strip().splitlines() or [type(problem).__name__]
        raise AdditionError(
            f"The embedding {file.name} cannot be read.",
            why=f"{reason[0].rstrip('.')}.",
            next_step="Download or copy the file again.",
        ) from problem
    raise _no_embedding(file, "Embeddings are .safetensors, .pt or .bin files.")


def _vectors(file: Path, tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    """float32 [k, D] of a tensor [k, D] or [D]."""
    if not tensor.is_floating_point() or tensor.ndim not in (1, 2) or tensor.numel() == 0:
        raise _no_embedding(file, f"It holds {tensor.dtype} numbers of shape {list(tensor.shape)}.")
    vectors: npt.NDArray[np.float32] = tensor.detach().to(torch.float32).numpy().reshape(-1, tensor.shape[-1])
    if not np.isfinite(vectors).all():
        raise _no_embedding(file, "Some of its numbers are infinite or not numbers.")
    return vectors


def _no_embedding(file: Path, why: str) -> AdditionError:
    return AdditionError(
        f"{file.name} is not a textual-inversion embedding.",
        why=why,
        next_step="Choose an embedding made for SDXL; LoRAs are added as LoRAs.",
    )
