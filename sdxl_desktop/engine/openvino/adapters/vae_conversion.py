"""Loads another VAE for a checkpoint: checks it, and converts it once if it is not in OpenVINO format.

The usual reason is a VAE whose activations fit in f16 (for instance sdxl-vae-fp16-fix), where those of SDXL's VAE
overflow. A tiny VAE (TAESDXL and similar, diffusers' AutoencoderTiny) decodes in a fraction of the time and memory, but
less exactly: enough for drafts.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors import safe_open

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from optimum.exporters.openvino.convert import export
    from optimum.exporters.tasks import TasksManager
    from optimum.intel import OVConfig

from sdxl_desktop.core.errors import AdditionError, EngineError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.model_configs import SCALING_FACTOR, architecture_config
from sdxl_desktop.core.parts import GRAPH, Part
from sdxl_desktop.core.untrusted_files import is_regular_file
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.engine import atomic_folder
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.adapters.vae_sources import (
    AUTOENCODER_KL,
    AUTOENCODER_TINY,
    CHOOSE_VAE,
    OpenVinoVaeSource,
    TorchVaeSource,
    find_vae,
    read_vae_config,
    weights_header,
)
from sdxl_desktop.formats.vae_key_mapping import map_vae_keys

# The option that optimum-intel writes for SDXL's VAE: activations are divided by this factor for f16 inference.
_UPCAST_OPTIONS = {"ACTIVATIONS_SCALE_FACTOR": "128.0"}
_VERSION = 3
"""Incremented when converting gives other values, so that conversions of older releases are not used."""
_CHANNEL_KEYS = ("block_out_channels", "encoder_block_out_channels", "decoder_block_out_channels", "latent_channels")
_LAYER_COUNT_KEYS = ("layers_per_block", "num_encoder_blocks", "num_decoder_blocks")
_NUMBER_KEYS = ("scaling_factor", "shift_factor", "norm_num_groups", "upsampling_scaling_factor", "in_channels")
_PER_CHANNEL_KEYS = ("latents_mean", "latents_std")
_MAX_BLOCKS, _MAX_LAYERS, _MAX_CHANNELS = 8, 64, 2**13
_MAX_FACTOR = 1e6
_open: Any = safe_open  # it has no type annotations


@dataclass(frozen=True, slots=True)
class OpenVinoVaeParts:
    """The OpenVINO parts of a VAE and its config.json, whose factors apply; `encoder` is None if it has none."""

    decoder: Path
    encoder: Path | None
    config: Mapping[str, Any]

    @property
    def scaling_factor(self) -> float:
        """Latents are divided by this before decoding and multiplied by it after encoding."""
        return float(self.config.get("scaling_factor") or SCALING_FACTOR)

    @property
    def shift_factor(self) -> float:
        """Added to the latents after the division; 0 for SDXL's VAE."""
        return float(self.config.get("shift_factor") or 0.0)

    @property
    def latents_mean(self) -> tuple[float, ...] | None:
        """Per channel, for VAEs with normalized latents (Playground 2.5's); else None."""
        return _floats(self.config.get("latents_mean"))

    @property
    def latents_std(self) -> tuple[float, ...] | None:
        """Per channel, like `latents_mean`."""
        return _floats(self.config.get("latents_std"))

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent."""
        return int(2 ** (len(self.config["block_out_channels"]) - 1))


def load_vae(
    path: Path,
    latent_channels: int,
    cache: Path,
    scaling_factor: float = SCALING_FACTOR,
    hashes: FileHashCache | None = None,
    checkpoint_vae_config: Mapping[str, Any] | None = None,
) -> OpenVinoVaeParts:
    """Load the VAE at `path` for latents with `latent_channels`, which the checkpoint multiplies by `scaling_factor`.

    It may have any form that `vae_sources.find_vae` supports; `checkpoint_vae_config` is the configuration of the
    checkpoint's VAE. Other formats than OpenVINO's are converted once, into `cache`, with weights in f16; of a tiny VAE
    only the decoder, adapted to take unscaled latents like the others. Raises AdditionError if it is not a VAE, is
    damaged or for other latents; EngineError if the converted parts cannot be written.
    """
    source = find_vae(path, checkpoint_vae_config or {}, scaling_factor)
    if isinstance(source, OpenVinoVaeSource):
        return _check_openvino_vae(path, source, latent_channels)
    return _convert_once(source, latent_channels, cache, scaling_factor, hashes or FileHashCache())


def _check_openvino_vae(chosen_path: Path, source: OpenVinoVaeSource, latent_channels: int) -> OpenVinoVaeParts:
    """Return the OpenVINO parts of `source`; `chosen_path` is the user's choice."""
    config = read_vae_config(source.decoder / "config.json")
    _check_config(chosen_path, config, latent_channels)
    try:
        shape = devices.core.read_model(source.decoder / GRAPH).input("latent_sample").get_partial_shape()
    except Exception as problem:  # OpenVINO's many exceptions, and a graph without that input
        raise AdditionError(
            f"The VAE in {chosen_path} cannot be read.",
            why="Its decoder's graph or weights are damaged, or it is no decoder of latents.",
            next_step="Copy or export it again.",
        ) from problem
    if shape[1].is_static and shape[1].get_length() != latent_channels:
        raise _latent_channels_error(chosen_path, shape[1].get_length(), latent_channels)
    return OpenVinoVaeParts(source.decoder, source.encoder, config)


def _check_config(chosen_path: Path, config: Mapping[str, Any], latent_channels: int) -> None:
    kind, widths = config.get("_class_name"), config.get("block_out_channels")
    if kind not in (AUTOENCODER_KL, AUTOENCODER_TINY) or not isinstance(widths, list) or not widths:
        raise AdditionError(
            f"The VAE in {chosen_path} is not of SDXL's kind.",
            why=f"Its config.json says {str(kind or 'nothing of its kind')[:60]}, and SDXL's is an AutoencoderKL.",
            next_step=CHOOSE_VAE,
        )
    _check_numbers(chosen_path, config)
    if config.get("latent_channels") != latent_channels:
        raise _latent_channels_error(chosen_path, config.get("latent_channels"), latent_channels)


def _latent_channels_error(chosen_path: Path, found: object, expected: int) -> AdditionError:
    return AdditionError(
        f"The VAE in {chosen_path} is for another kind of checkpoint.",
        why=f"Its latents have {str(found)[:20]} channels, and this checkpoint's have {expected}.",
        next_step=CHOOSE_VAE,
    )


def _check_numbers(chosen_path: Path, config: Mapping[str, Any]) -> None:
    """Raise AdditionError unless all sizes and factors in `config` are numbers in the range of real VAEs."""
    fits = all(_is_number_list(config.get(name), _MAX_BLOCKS, _MAX_CHANNELS) for name in _CHANNEL_KEYS)
    fits = fits and all(_is_number_list(config.get(name), _MAX_BLOCKS, _MAX_LAYERS) for name in _LAYER_COUNT_KEYS)
    fits = fits and all(config.get(name) is None or _is_number(config[name], _MAX_FACTOR) for name in _NUMBER_KEYS)
    by_channel = [config[name] for name in _PER_CHANNEL_KEYS if config.get(name) is not None]
    fits = fits and all(
        isinstance(values, list) and _is_number_list(values, _MAX_CHANNELS, _MAX_FACTOR) for values in by_channel
    )
    if not fits or "quantization_config" in config:  # which would select other loading code
        raise AdditionError(
            f"The VAE in {chosen_path} cannot be used.",
            why="Its config.json has values that are not numbers, or numbers that are out of range.",
            next_step="Copy or download it again.",
        )


def _is_number_list(value: object, longest: int, largest: float) -> bool:
    """Whether `value` is None, a number, or a list of at most `longest` numbers."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return len(values) <= longest and all(_is_number(each, largest) for each in values)


def _is_number(value: object, largest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= largest


def _convert_once(
    source: TorchVaeSource, latent_channels: int, cache: Path, scaling_factor: float, hashes: FileHashCache
) -> OpenVinoVaeParts:
    config = dict(source.config)
    tiny = config.get("_class_name") == AUTOENCODER_TINY
    if tiny:
        config |= {"block_out_channels": config.get("decoder_block_out_channels"), "scaling_factor": scaling_factor}
    _check_config(source.chosen_path, config, latent_channels)
    target = cache / f"vae-{_content_hash(source, config, hashes)}"
    if not atomic_folder.is_intact(target, hashes):
        atomic_folder.remove(target)
        _convert_autoencoder_tiny(source, target, config) if tiny else _convert_autoencoder_kl(source, target)
    atomic_folder.touch(target)
    parts = target / Part.VAE_DECODER, target / Part.VAE_ENCODER
    return _check_openvino_vae(
        source.chosen_path,
        OpenVinoVaeSource(parts[0], parts[1] if is_regular_file(parts[1] / GRAPH) else None),
        latent_channels,
    )


def _content_hash(source: TorchVaeSource, config: Mapping[str, Any], hashes: FileHashCache) -> str:
    weights_header(source.chosen_path, source.weights)  # bounded, and of a regular file, before it is hashed or loaded
    try:
        weights = hashes.get(source.weights)
    except OSError as problem:
        raise _load_error(source.chosen_path, f"{problem.strerror or problem}.") from problem
    config_json = json.dumps(dict(config), sort_keys=True, default=list)
    return hashlib.sha256(f"{_VERSION};{weights};{config_json}".encode()).hexdigest()[:32]


def _load_error(folder: Path, why: str) -> AdditionError:
    return AdditionError(f"The VAE in {folder} cannot be loaded.", why=why, next_step="Download it again.")


def _convert_autoencoder_kl(source: TorchVaeSource, target: Path) -> None:
    """Export decoder and encoder with optimum-intel, as for a whole pipeline, with weights in f16.

    Tracing uses f32 whatever dtype the file has, so that the graph computes in f32 where the device can.
    """
    vae = _load_torch_vae(AutoencoderKL, source)
    forwards = {
        Part.VAE_DECODER: lambda latent_sample: vae.decode(z=latent_sample),
        Part.VAE_ENCODER: lambda sample: {"latent_parameters": vae.encode(x=sample)["latent_dist"].parameters},
    }
    with _write_target(source.chosen_path, target) as writing:
        for part, forward in forwards.items():
            vae.forward = forward
            _export_part(vae, part, writing / part)


class _UnscaledTinyDecoder(torch.nn.Module):
    """Takes unscaled latents, as other decoders do; a tiny VAE itself takes the UNet's latents."""

    def __init__(self, vae: Any, scaling: float) -> None:
        super().__init__()
        self.decoder, self.scaling = vae.decoder, scaling

    def forward(self, latent_sample: torch.Tensor) -> torch.Tensor:
        """Decode `latent_sample`, float32 [B, C, h, w], to float32 [B, 3, H, W]."""
        decoded: torch.Tensor = self.decoder(latent_sample * self.scaling)
        return decoded


def _convert_autoencoder_tiny(source: TorchVaeSource, target: Path, config: Mapping[str, Any]) -> None:
    """Export the decoder only, with weights in f16; `config` is written as its config.json."""
    decoder = _UnscaledTinyDecoder(_load_torch_vae(AutoencoderTiny, source), config["scaling_factor"]).eval()
    channels = config["latent_channels"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        model = ov.convert_model(
            decoder,
            example_input=torch.zeros(1, channels, 8, 8),
            input=[("latent_sample", [-1, channels, -1, -1], ov.Type.f32)],
        )
    model.outputs[0].get_tensor().set_names({"sample"})
    with _write_target(source.chosen_path, target) as writing:
        (writing / Part.VAE_DECODER).mkdir()
        (writing / Part.VAE_DECODER / "config.json").write_text(json.dumps(config), encoding="utf-8")
        ov.save_model(model, writing / Part.VAE_DECODER / GRAPH, compress_to_fp16=True)


def _load_torch_vae(vae_class: Any, source: TorchVaeSource) -> Any:
    """Load the torch VAE of `source` in f32: built from `vae_class`, the architecture settings of its configuration and
    the tensors in its one file. Nothing else is read."""
    try:
        return _build_torch_vae(vae_class, architecture_config(source.config), source.weights)
    except Exception as problem:  # any error of diffusers or safetensors on untrusted files
        reason = display_text(str(problem)).rstrip(".") if str(problem) else type(problem).__name__
        raise _load_error(source.chosen_path, f"It does not fit: {reason}.") from problem


def _build_torch_vae(vae_class: Any, config: Mapping[str, Any], weights: Path) -> Any:
    with torch.device("meta"):
        vae = vae_class.from_config(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}
    with _open(str(weights), framework="pt", device="cpu") as tensors:
        there = {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118 (no mapping)
        keys = map_vae_keys(wanted, there) if vae_class is AutoencoderKL else {name: name for name in wanted}
        state = {
            name: tensors.get_tensor(key).to(torch.float32).reshape(wanted[name]).contiguous()
            for name, key in keys.items()
        }
    vae.load_state_dict(state, assign=True, strict=True)
    return vae.eval().requires_grad_(False)


@contextmanager
def _write_target(folder: Path, target: Path) -> Iterator[Path]:
    """Yield a folder for the converted VAE of `folder`; it becomes `target` when complete."""
    try:
        with atomic_folder.write_folder_atomically(target) as writing:
            yield writing
    except OSError as problem:
        raise EngineError(
            f"The VAE of {folder} cannot be kept in {target.parent}.",
            why=f"{problem.strerror or problem}.",
            next_step="Make room on the disk.",
        ) from problem


def _export_part(vae: Any, part: str, folder: Path) -> None:
    """Export one part of `vae`, whose `forward` is set to that part's, and its config.json."""
    make_config = TasksManager.get_exporter_config_constructor(
        model=vae,
        exporter="openvino",
        library_name="diffusers",
        task="semantic-segmentation",
        model_type=part.replace("_", "-"),
    )
    settings = make_config(vae.config, int_dtype="int64", float_dtype="fp32")
    settings.runtime_options = dict(_UPCAST_OPTIONS) if vae.config.get("force_upcast") else {}
    folder.mkdir()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        f16 = OVConfig(dtype="fp16")
        export(vae, settings, folder / GRAPH, ov_config=f16, stateful=False, library_name="diffusers")
    vae.save_config(str(folder))


def _floats(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
