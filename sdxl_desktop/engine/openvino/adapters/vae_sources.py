"""Finds a VAE in whatever form it has: OpenVINO parts, diffusers' folder, or one file in diffusers' or the original
layout, alone or inside a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.model_configs import of_the_network, read_model_config
from sdxl_desktop.core.parts import GRAPH, Part
from sdxl_desktop.core.paths import resources
from sdxl_desktop.core.small_files import SmallFileError, is_folder, is_regular
from sdxl_desktop.formats.safetensors_header import FLOATS, Header, HeaderError, read_header
from sdxl_desktop.formats.vae_names import VaeNamesError, is_tiny, keys_of_vae, prefix_of_vae
from sdxl_desktop.formats.weight_files import PICKLED, weight_files

WHOLE, TINY = "AutoencoderKL", "AutoencoderTiny"
NEXT = (
    "Choose a folder with an OpenVINO vae_decoder in it, a diffusers AutoencoderKL or AutoencoderTiny for SDXL, or a "
    "VAE's .safetensors file."
)
_STEM = "diffusion_pytorch_model"
_CONFIG = "config.json"
_PUBLISHED_TINY: dict[str, Any] = {
    "_class_name": TINY,
    "latent_channels": 4,
    "encoder_block_out_channels": [64, 64, 64, 64],
    "decoder_block_out_channels": [64, 64, 64, 64],
    "num_encoder_blocks": [1, 3, 3, 3],
    "num_decoder_blocks": [3, 3, 3, 1],
}
"""What TAESDXL's own config.json says, for its file without one."""


@dataclass(frozen=True, slots=True)
class GraphSource:
    """Folders of OpenVINO parts; `encoder` None where there is none."""

    decoder: Path
    encoder: Path | None


@dataclass(frozen=True, slots=True)
class TorchSource:
    """`named` is what the person chose, `config` what a VAE's config.json says, `weights` the one file."""

    named: Path
    config: Mapping[str, Any]
    weights: Path


def find_vae(path: Path, own: Mapping[str, Any], scaling: float) -> GraphSource | TorchSource:
    """The VAE at `path`, a file or a folder.

    A file says nothing of its network but the names and shapes of its tensors. Where no config.json goes with it, it is
    taken as built like the checkpoint's own VAE, which `own` describes, or else SDXL's, whichever it fits; and its
    latents as multiplied by `scaling`. Raises AdditionError when there is none.
    """
    if is_folder(path):
        return _in_folder(path, own, scaling)
    if is_regular(path):
        return _in_file(path, own, scaling)
    raise AdditionError(f"There is no VAE folder or file at {path}.", next_step="Check the path.")


def read_config(file: Path) -> dict[str, Any]:
    """A VAE's config.json; raises AdditionError when it cannot be read."""
    try:
        return read_model_config(file)
    except SmallFileError as problem:
        why = f"{str(problem)[:1].upper()}{str(problem)[1:]}."
        raise AdditionError(f"{file} cannot be read.", why=why, next_step="Copy the VAE again.") from problem


def _in_folder(folder: Path, own: Mapping[str, Any], scaling: float) -> GraphSource | TorchSource:
    if is_regular(folder / Part.VAE_DECODER / GRAPH):
        return _graphs(folder / Part.VAE_DECODER, folder / Part.VAE_ENCODER)
    if is_regular(folder / GRAPH):
        return _graphs(folder, folder.parent / Part.VAE_ENCODER)
    for candidate in (folder, folder / Part.VAE):
        if (weights := _weights(candidate)) is not None and is_regular(candidate / _CONFIG):
            return TorchSource(folder, read_config(candidate / _CONFIG), weights)
    files = sorted(file for file in folder.glob("*.safetensors") if is_regular(file))
    if len(files) == 1:
        return _in_file(files[0], own, scaling)
    raise AdditionError(f"There is no VAE in {folder}.", why=_what_is_missing(folder, len(files)), next_step=NEXT)


def _what_is_missing(folder: Path, files: int) -> str:
    if files:
        return f"It has {files} files of weights, and which is meant is not clear: choose one of them."
    vae = folder / Part.VAE if is_folder(folder / Part.VAE) else folder
    if any(file.suffix.lower() in PICKLED for file in vae.iterdir()):
        return "Its weights are in a form that can hold a program; only .safetensors files are read."
    if is_regular(vae / _CONFIG):
        return f"There is a {_CONFIG} and no {_STEM}.safetensors beside it."
    return f"It has neither {Part.VAE_DECODER}/{GRAPH} nor a .safetensors file."


def _graphs(decoder: Path, encoder: Path) -> GraphSource:
    return GraphSource(decoder, encoder if encoder != decoder and is_regular(encoder / GRAPH) else None)


def _weights(folder: Path) -> Path | None:
    if not is_folder(folder):
        return None
    there = weight_files((file.name for file in folder.iterdir()), _STEM)
    return next((folder / file.name for file in there if not file.sharded and is_regular(folder / file.name)), None)


def _in_file(file: Path, own: Mapping[str, Any], scaling: float) -> GraphSource | TorchSource:
    if file.name == GRAPH:
        return _graphs(file.parent, file.parent.parent / Part.VAE_ENCODER)
    if file.suffix.lower() != ".safetensors":
        pickled = file.suffix.lower() in PICKLED
        why = "Files of that kind can hold a program; only .safetensors files are read." if pickled else ""
        raise AdditionError(f"{file.name} is not read as a VAE.", why=why, next_step=NEXT)
    header = weights_header(file, file)
    beside = file.parent / _CONFIG
    if weight_files([file.name], _STEM) and is_regular(beside):
        return TorchSource(file, read_config(beside), file)
    if is_tiny(header.tensors):
        return TorchSource(file, _PUBLISHED_TINY, file)
    if prefix_of_vae(header.tensors) is None:
        some = ", ".join(name[:60] for name in sorted(header.tensors)[:2])
        raise AdditionError(f"{file.name} is not a VAE.", why=f"Its tensors are called {some}.", next_step=NEXT)
    return TorchSource(file, _fitting(file, header, own, scaling), file)


def weights_header(named: Path, weights: Path) -> Header:
    """That of a VAE's file; raises AdditionError, which tells of `named`, when it cannot be used."""
    try:
        header = read_header(weights)
    except HeaderError as problem:
        raise _unusable(named, problem.why) from problem
    for name, place in header.tensors.items():
        if place.dtype not in FLOATS and prefix_of_vae({name: place}) is not None:
            raise _unusable(named, f"The numbers of {name} are of the type {place.dtype}, which has no fractions.")
    return header


def _unusable(named: Path, why: str) -> AdditionError:
    return AdditionError(f"The VAE in {named} cannot be loaded.", why=why, next_step="Download it again.")


def _fitting(file: Path, header: Header, own: Mapping[str, Any], scaling: float) -> dict[str, Any]:
    """The configuration that the tensors of `file` fit, of those that a file without one may have."""
    there = {name: place.shape for name, place in header.tensors.items()}
    problems: list[str] = []
    for config in _candidates(own):
        try:
            with torch.device("meta"):
                wanted = AutoencoderKL.from_config(of_the_network(config)).state_dict()
            keys_of_vae({name: tuple(tensor.shape) for name, tensor in wanted.items()}, there)
        except VaeNamesError as other:
            problems.append(str(other))
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError):
            continue  # a description of the checkpoint's own VAE that makes no sense fits nothing
        else:
            return {**config, "scaling_factor": scaling}
    raise AdditionError(
        f"The VAE in {file.name} is built like neither this checkpoint's own nor SDXL's.",
        why=f"It was compared tensor by tensor: {problems[0] if problems else 'nothing fits'}.",
        next_step="Put it into a folder with its config.json, and choose the folder.",
    )


def _candidates(own: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if own.get("_class_name") == WHOLE:
        yield dict(own)
    yield json.loads((resources() / "configs" / "base" / "vae" / _CONFIG).read_text(encoding="utf-8"))
