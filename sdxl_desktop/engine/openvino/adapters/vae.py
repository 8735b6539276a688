"""Another VAE for a checkpoint: checked, and converted once where it is not of OpenVINO's form.

The usual reason is a VAE whose activations fit in f16 (for instance sdxl-vae-fp16-fix), where SDXL's own overflow. A
tiny one (TAESDXL and its kind, diffusers' AutoencoderTiny) decodes in a fraction of the time and the memory, and less
exactly: enough for drafts.
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
from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.model_configs import SCALING_FACTOR, of_the_network
from sdxl_desktop.core.parts import GRAPH, Part
from sdxl_desktop.core.small_files import is_regular
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.adapters import whole
from sdxl_desktop.engine.openvino.adapters.vae_sources import (
    NEXT,
    TINY,
    WHOLE,
    GraphSource,
    TorchSource,
    find_vae,
    read_config,
    weights_header,
)
from sdxl_desktop.formats.vae_names import keys_of_vae

# What optimum-intel writes for SDXL's VAE: activations are divided by this where inference is in f16.
_UPCAST = {"ACTIVATIONS_SCALE_FACTOR": "128.0"}
_VERSION = 3
"""Counted up when converting gives other numbers, so that what an older release kept is made again."""
_WIDTHS = ("block_out_channels", "encoder_block_out_channels", "decoder_block_out_channels", "latent_channels")
_COUNTS = ("layers_per_block", "num_encoder_blocks", "num_decoder_blocks")
_FACTORS = ("scaling_factor", "shift_factor", "norm_num_groups", "upsampling_scaling_factor", "in_channels")
_BY_CHANNEL = ("latents_mean", "latents_std")
_MOST_BLOCKS, _MOST_LAYERS, _WIDEST = 8, 64, 2**13
_LARGEST = 1e6
_open: Any = safe_open  # it declares no types


@dataclass(frozen=True, slots=True)
class VaeFolder:
    """The OpenVINO parts of a VAE, and its own config.json, whose factors apply; `encoder` None where it has none."""

    decoder: Path
    encoder: Path | None
    config: Mapping[str, Any]

    @property
    def scaling_factor(self) -> float:
        """Latents are divided by this before they are decoded, and multiplied after they were encoded."""
        return float(self.config.get("scaling_factor") or SCALING_FACTOR)

    @property
    def shift_factor(self) -> float:
        """Added to the latents after the division; 0 for SDXL's."""
        return float(self.config.get("shift_factor") or 0.0)

    @property
    def latents_mean(self) -> tuple[float, ...] | None:
        """By channel, for VAEs (Playground 2.5's) whose latents are normalised; else None."""
        return _floats(self.config.get("latents_mean"))

    @property
    def latents_std(self) -> tuple[float, ...] | None:
        """By channel, like `latents_mean`."""
        return _floats(self.config.get("latents_std"))

    @property
    def factor(self) -> int:
        """Pixels per latent."""
        return int(2 ** (len(self.config["block_out_channels"]) - 1))


def check_vae(
    path: Path,
    latent_channels: int,
    cache: Path,
    scaling: float = SCALING_FACTOR,
    hashes: FileHashes | None = None,
    own: Mapping[str, Any] | None = None,
) -> VaeFolder:
    """The VAE at `path`, for latents of that many channels, which the checkpoint multiplies by `scaling`.

    It may have any form that `vae_sources.find_vae` knows, which is given `own`, the configuration of the checkpoint's
    VAE. What is not OpenVINO's is converted once, into `cache`, with weights in f16; of a tiny one the decoder alone,
    made to take latents unscaled as the others do. Raises AdditionError when it is no VAE, damaged, or for other
    latents; EngineError when the converted parts cannot be written.
    """
    source = find_vae(path, own or {}, scaling)
    if isinstance(source, GraphSource):
        return _checked(path, source, latent_channels)
    return _converted(source, latent_channels, cache, scaling, hashes or FileHashes())


def _checked(named: Path, source: GraphSource, latent_channels: int) -> VaeFolder:
    """The OpenVINO parts of `source`; `named` is what the person chose."""
    config = read_config(source.decoder / "config.json")
    _check_config(named, config, latent_channels)
    try:
        shape = devices.core.read_model(source.decoder / GRAPH).input("latent_sample").get_partial_shape()
    except Exception as problem:  # OpenVINO's many, and a graph without that input
        raise AdditionError(
            f"The VAE in {named} cannot be read.",
            why="Its decoder's graph or weights are damaged, or it is no decoder of latents.",
            next_step="Copy or export it again.",
        ) from problem
    if shape[1].is_static and shape[1].get_length() != latent_channels:
        raise _other_latents(named, shape[1].get_length(), latent_channels)
    return VaeFolder(source.decoder, source.encoder, config)


def _check_config(named: Path, config: Mapping[str, Any], latent_channels: int) -> None:
    kind, widths = config.get("_class_name"), config.get("block_out_channels")
    if kind not in (WHOLE, TINY) or not isinstance(widths, list) or not widths:
        raise AdditionError(
            f"The VAE in {named} is not of SDXL's kind.",
            why=f"Its config.json says {str(kind or 'nothing of its kind')[:60]}, and SDXL's is an AutoencoderKL.",
            next_step=NEXT,
        )
    _check_numbers(named, config)
    if config.get("latent_channels") != latent_channels:
        raise _other_latents(named, config.get("latent_channels"), latent_channels)


def _other_latents(named: Path, theirs: object, ours: int) -> AdditionError:
    return AdditionError(
        f"The VAE in {named} is for another kind of checkpoint.",
        why=f"Its latents have {str(theirs)[:20]} channels, and this checkpoint's have {ours}.",
        next_step=NEXT,
    )


def _check_numbers(named: Path, config: Mapping[str, Any]) -> None:
    """Raise AdditionError unless what a VAE is built from and computes with are numbers that a VAE can have."""
    fits = all(_is_list(config.get(name), _MOST_BLOCKS, _WIDEST) for name in _WIDTHS)
    fits = fits and all(_is_list(config.get(name), _MOST_BLOCKS, _MOST_LAYERS) for name in _COUNTS)
    fits = fits and all(config.get(name) is None or _is_number(config[name], _LARGEST) for name in _FACTORS)
    by_channel = [config[name] for name in _BY_CHANNEL if config.get(name) is not None]
    fits = fits and all(isinstance(values, list) and _is_list(values, _WIDEST, _LARGEST) for values in by_channel)
    if not fits or "quantization_config" in config:  # which would choose further code to load it with
        raise AdditionError(
            f"The VAE in {named} cannot be used.",
            why="Its config.json has something else where numbers should be, or numbers that no VAE has.",
            next_step="Copy or download it again.",
        )


def _is_list(value: object, longest: int, largest: float) -> bool:
    """Whether it is left out, a number, or a list of so many of them."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return len(values) <= longest and all(_is_number(each, largest) for each in values)


def _is_number(value: object, largest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= largest


def _converted(source: TorchSource, latent_channels: int, cache: Path, scaling: float, hashes: FileHashes) -> VaeFolder:
    config = dict(source.config)
    tiny = config.get("_class_name") == TINY
    if tiny:
        config |= {"block_out_channels": config.get("decoder_block_out_channels"), "scaling_factor": scaling}
    _check_config(source.named, config, latent_channels)
    kept = cache / f"vae-{_content(source, config, hashes)}"
    if not whole.is_intact(kept, hashes):
        whole.remove(kept)
        _convert_tiny(source, kept, config) if tiny else _convert(source, kept)
    whole.touch(kept)
    parts = kept / Part.VAE_DECODER, kept / Part.VAE_ENCODER
    return _checked(
        source.named, GraphSource(parts[0], parts[1] if is_regular(parts[1] / GRAPH) else None), latent_channels
    )


def _content(source: TorchSource, config: Mapping[str, Any], hashes: FileHashes) -> str:
    weights_header(source.named, source.weights)  # bounded, and of a regular file, before it is hashed or loaded
    try:
        weights = hashes.of(source.weights)
    except OSError as problem:
        raise _damaged(source.named, f"{problem.strerror or problem}.") from problem
    told = json.dumps(dict(config), sort_keys=True, default=list)
    return hashlib.sha256(f"{_VERSION};{weights};{told}".encode()).hexdigest()[:32]


def _damaged(folder: Path, why: str) -> AdditionError:
    return AdditionError(f"The VAE in {folder} cannot be loaded.", why=why, next_step="Download it again.")


def _convert(source: TorchSource, kept: Path) -> None:
    """Export decoder and encoder with optimum-intel, as it does for a whole pipeline, weights in f16.

    The trace is in f32 whatever the file holds, so that the graph computes in f32 where the device can.
    """
    vae = _loaded(AutoencoderKL, source)
    forwards = {
        Part.VAE_DECODER: lambda latent_sample: vae.decode(z=latent_sample),
        Part.VAE_ENCODER: lambda sample: {"latent_parameters": vae.encode(x=sample)["latent_dist"].parameters},
    }
    with _keeping(source.named, kept) as writing:
        for part, forward in forwards.items():
            vae.forward = forward
            _export(vae, part, writing / part)


class _TinyDecoder(torch.nn.Module):
    """Takes unscaled latents, as other decoders do; a tiny VAE itself takes them as the UNet makes them."""

    def __init__(self, vae: Any, scaling: float) -> None:
        super().__init__()
        self.decoder, self.scaling = vae.decoder, scaling

    def forward(self, latent_sample: torch.Tensor) -> torch.Tensor:
        """float32 [B, 3, H, W] of `latent_sample`, float32 [B, C, h, w]."""
        decoded: torch.Tensor = self.decoder(latent_sample * self.scaling)
        return decoded


def _convert_tiny(source: TorchSource, kept: Path, config: Mapping[str, Any]) -> None:
    """Export the decoder alone, weights in f16; `config` is what is kept as its own."""
    decoder = _TinyDecoder(_loaded(AutoencoderTiny, source), config["scaling_factor"]).eval()
    channels = config["latent_channels"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        model = ov.convert_model(
            decoder,
            example_input=torch.zeros(1, channels, 8, 8),
            input=[("latent_sample", [-1, channels, -1, -1], ov.Type.f32)],
        )
    model.outputs[0].get_tensor().set_names({"sample"})
    with _keeping(source.named, kept) as writing:
        (writing / Part.VAE_DECODER).mkdir()
        (writing / Part.VAE_DECODER / "config.json").write_text(json.dumps(config), encoding="utf-8")
        ov.save_model(model, writing / Part.VAE_DECODER / GRAPH, compress_to_fp16=True)


def _loaded(kind: Any, source: TorchSource) -> Any:
    """The torch VAE of `source`, in f32: of the class `kind`, of what its configuration says of the network, and of the
    tensors in its one file. Nothing else is looked at."""
    try:
        return _built(kind, of_the_network(source.config), source.weights)
    except Exception as problem:  # whatever diffusers makes of a stranger's config, or safetensors of his file
        said = shown(str(problem)).rstrip(".") if str(problem) else type(problem).__name__
        raise _damaged(source.named, f"It does not fit: {said}.") from problem


def _built(kind: Any, config: Mapping[str, Any], weights: Path) -> Any:
    with torch.device("meta"):
        vae = kind.from_config(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}
    with _open(str(weights), framework="pt", device="cpu") as tensors:
        there = {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118 (no mapping)
        keys = keys_of_vae(wanted, there) if kind is AutoencoderKL else {name: name for name in wanted}
        state = {
            name: tensors.get_tensor(key).to(torch.float32).reshape(wanted[name]).contiguous()
            for name, key in keys.items()
        }
    vae.load_state_dict(state, assign=True, strict=True)
    return vae.eval().requires_grad_(False)


@contextmanager
def _keeping(folder: Path, kept: Path) -> Iterator[Path]:
    """A folder to write what the VAE of `folder` becomes, which is `kept` once all of it is there."""
    try:
        with whole.written_whole(kept) as writing:
            yield writing
    except OSError as problem:
        raise EngineError(
            f"The VAE of {folder} cannot be kept in {kept.parent}.",
            why=f"{problem.strerror or problem}.",
            next_step="Make room on the disk.",
        ) from problem


def _export(vae: Any, part: str, folder: Path) -> None:
    """Write one part of `vae`, whose `forward` is that part's, and its config.json."""
    make_config = TasksManager.get_exporter_config_constructor(
        model=vae,
        exporter="openvino",
        library_name="diffusers",
        task="semantic-segmentation",
        model_type=part.replace("_", "-"),
    )
    settings = make_config(vae.config, int_dtype="int64", float_dtype="fp32")
    settings.runtime_options = dict(_UPCAST) if vae.config.get("force_upcast") else {}
    folder.mkdir()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        f16 = OVConfig(dtype="fp16")
        export(vae, settings, folder / GRAPH, ov_config=f16, stateful=False, library_name="diffusers")
    vae.save_config(str(folder))


def _floats(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
