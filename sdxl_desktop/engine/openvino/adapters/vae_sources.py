"""Finds a VAE in any supported form: OpenVINO parts, a diffusers folder, or one file in diffusers' or the original
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
from sdxl_desktop.core.model_configs import architecture_config, read_model_config
from sdxl_desktop.core.parts import GRAPH, Part
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.untrusted_files import UntrustedFileError, is_folder, is_regular_file
from sdxl_desktop.formats.safetensors_header import FLOAT_DTYPES, Header, HeaderError, read_header
from sdxl_desktop.formats.vae_key_mapping import VaeKeyError, is_tiny_vae, map_vae_keys, vae_key_prefix
from sdxl_desktop.formats.weight_variants import PICKLED, SAFETENSORS, find_weight_variants

AUTOENCODER_KL, AUTOENCODER_TINY = "AutoencoderKL", "AutoencoderTiny"
CHOOSE_VAE = (
    "Choose a folder with an OpenVINO vae_decoder in it, a diffusers AutoencoderKL or AutoencoderTiny for SDXL, or a "
    "VAE's .safetensors file."
)
_STEM = "diffusion_pytorch_model"
_CONFIG = "config.json"
_TAESDXL_CONFIG: dict[str, Any] = {
    "_class_name": AUTOENCODER_TINY,
    "latent_channels": 4,
    "encoder_block_out_channels": [64, 64, 64, 64],
    "decoder_block_out_channels": [64, 64, 64, 64],
    "num_encoder_blocks": [1, 3, 3, 3],
    "num_decoder_blocks": [3, 3, 3, 1],
}
"""The content of TAESDXL's config.json, for its weights file without one."""


@dataclass(frozen=True, slots=True)
class OpenVinoVaeSource:
    """Folders of OpenVINO parts; `encoder` is None if there is none."""

    decoder: Path
    encoder: Path | None


@dataclass(frozen=True, slots=True)
class TorchVaeSource:
    """`chosen_path` is the user's choice, `config` the VAE's config.json, `weights` the one weights file."""

    chosen_path: Path
    config: Mapping[str, Any]
    weights: Path


def find_vae(
    path: Path, checkpoint_vae_config: Mapping[str, Any], scaling_factor: float
) -> OpenVinoVaeSource | TorchVaeSource:
    """Find the VAE at `path`, a file or a folder.

    A file has only the names and shapes of its tensors. Without a config.json it is matched to the architecture of the
    checkpoint's VAE (`checkpoint_vae_config`), then of SDXL's, and its latents are assumed to be scaled by
    `scaling_factor`. Raises AdditionError if there is no VAE.
    """
    if is_folder(path):
        return _find_in_folder(path, checkpoint_vae_config, scaling_factor)
    if is_regular_file(path):
        return _find_in_file(path, checkpoint_vae_config, scaling_factor)
    raise AdditionError(f"There is no VAE folder or file at {path}.", next_step="Check the path.")


def read_vae_config(file: Path) -> dict[str, Any]:
    """Read a VAE's config.json; raises AdditionError if it cannot be read."""
    try:
        return read_model_config(file)
    except UntrustedFileError as problem:
        why = f"{str(problem)[:1].upper()}{str(problem)[1:]}."
        raise AdditionError(f"{file} cannot be read.", why=why, next_step="Copy the VAE again.") from problem


def _find_in_folder(
    folder: Path, checkpoint_vae_config: Mapping[str, Any], scaling_factor: float
) -> OpenVinoVaeSource | TorchVaeSource:
    if is_regular_file(folder / Part.VAE_DECODER / GRAPH):
        return _openvino_source(folder / Part.VAE_DECODER, folder / Part.VAE_ENCODER)
    if is_regular_file(folder / GRAPH):
        return _openvino_source(folder, folder.parent / Part.VAE_ENCODER)
    for candidate in (folder, folder / Part.VAE):
        if (weights := _weights_file(candidate)) is not None and is_regular_file(candidate / _CONFIG):
            return TorchVaeSource(folder, read_vae_config(candidate / _CONFIG), weights)
    files = sorted(file for file in folder.glob(f"*{SAFETENSORS}") if is_regular_file(file))
    if len(files) == 1:
        return _find_in_file(files[0], checkpoint_vae_config, scaling_factor)
    raise AdditionError(f"There is no VAE in {folder}.", why=_what_is_missing(folder, len(files)), next_step=CHOOSE_VAE)


def _what_is_missing(folder: Path, files: int) -> str:
    if files:
        return f"It has {files} files of weights, and which is meant is not clear: choose one of them."
    vae = folder / Part.VAE if is_folder(folder / Part.VAE) else folder
    if any(file.suffix.lower() in PICKLED for file in vae.iterdir()):
        return "Its weights are in a form that can hold a program; only .safetensors files are read."
    if is_regular_file(vae / _CONFIG):
        return f"There is a {_CONFIG} and no {_STEM}.safetensors beside it."
    return f"It has neither {Part.VAE_DECODER}/{GRAPH} nor a .safetensors file."


def _openvino_source(decoder: Path, encoder: Path) -> OpenVinoVaeSource:
    return OpenVinoVaeSource(decoder, encoder if encoder != decoder and is_regular_file(encoder / GRAPH) else None)


def _weights_file(folder: Path) -> Path | None:
    if not is_folder(folder):
        return None
    there = find_weight_variants((file.name for file in folder.iterdir()), _STEM)
    return next(
        (folder / file.name for file in there if not file.sharded and is_regular_file(folder / file.name)), None
    )


def _find_in_file(
    file: Path, checkpoint_vae_config: Mapping[str, Any], scaling_factor: float
) -> OpenVinoVaeSource | TorchVaeSource:
    if file.name == GRAPH:
        return _openvino_source(file.parent, file.parent.parent / Part.VAE_ENCODER)
    if file.suffix.lower() != SAFETENSORS:
        pickled = file.suffix.lower() in PICKLED
        why = "Files of that kind can hold a program; only .safetensors files are read." if pickled else ""
        raise AdditionError(f"{file.name} is not read as a VAE.", why=why, next_step=CHOOSE_VAE)
    header = weights_header(file, file)
    config_file = file.parent / _CONFIG
    if find_weight_variants([file.name], _STEM) and is_regular_file(config_file):
        return TorchVaeSource(file, read_vae_config(config_file), file)
    if is_tiny_vae(header.tensors):
        return TorchVaeSource(file, _TAESDXL_CONFIG, file)
    if vae_key_prefix(header.tensors) is None:
        some = ", ".join(name[:60] for name in sorted(header.tensors)[:2])
        raise AdditionError(f"{file.name} is not a VAE.", why=f"Its tensors are called {some}.", next_step=CHOOSE_VAE)
    return TorchVaeSource(file, _matching_config(file, header, checkpoint_vae_config, scaling_factor), file)


def weights_header(chosen_path: Path, weights: Path) -> Header:
    """Read the header of a VAE's weights file; raises AdditionError, which names `chosen_path`, if it is invalid."""
    try:
        header = read_header(weights)
    except HeaderError as problem:
        raise _load_error(chosen_path, problem.why) from problem
    for name, place in header.tensors.items():
        if place.dtype not in FLOAT_DTYPES and vae_key_prefix({name: place}) is not None:
            raise _load_error(
                chosen_path, f"The numbers of {name} are of the type {place.dtype}, which has no fractions."
            )
    return header


def _load_error(chosen_path: Path, why: str) -> AdditionError:
    return AdditionError(f"The VAE in {chosen_path} cannot be loaded.", why=why, next_step="Download it again.")


def _matching_config(
    file: Path, header: Header, checkpoint_vae_config: Mapping[str, Any], scaling_factor: float
) -> dict[str, Any]:
    """Return the candidate configuration that matches the tensors of `file`, which has no config.json."""
    there = {name: place.shape for name, place in header.tensors.items()}
    problems: list[str] = []
    for config in _candidate_configs(checkpoint_vae_config):
        try:
            with torch.device("meta"):
                wanted = AutoencoderKL.from_config(architecture_config(config)).state_dict()
            map_vae_keys({name: tuple(tensor.shape) for name, tensor in wanted.items()}, there)
        except VaeKeyError as other:
            problems.append(str(other))
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError):
            continue  # an invalid configuration of the checkpoint's VAE matches nothing
        else:
            return {**config, "scaling_factor": scaling_factor}
    raise AdditionError(
        f"The VAE in {file.name} is built like neither this checkpoint's own nor SDXL's.",
        why=f"It was compared tensor by tensor: {problems[0] if problems else 'nothing fits'}.",
        next_step="Put it into a folder with its config.json, and choose the folder.",
    )


def _candidate_configs(checkpoint_vae_config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if checkpoint_vae_config.get("_class_name") == AUTOENCODER_KL:
        yield dict(checkpoint_vae_config)
    yield json.loads((resources_folder() / "configs" / "base" / "vae" / _CONFIG).read_text(encoding="utf-8"))
