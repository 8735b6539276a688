"""Another VAE for a checkpoint: found in a folder, checked, and converted once when it is diffusers' own form.

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
from safetensors.torch import load_file

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from optimum.exporters.openvino.convert import export
    from optimum.exporters.tasks import TasksManager
    from optimum.intel import OVConfig

from sdxl_desktop.core.errors import AdditionError, EngineError
from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.model_configs import SCALING_FACTOR, of_the_network, read_model_config
from sdxl_desktop.core.small_files import SmallFileError, is_folder, is_regular
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.adapters import whole
from sdxl_desktop.formats.safetensors_header import HeaderError, read_header

DECODER = "vae_decoder"
ENCODER = "vae_encoder"
_MODEL = "openvino_model.xml"
_TORCH_WEIGHTS = "diffusion_pytorch_model.safetensors"
_NEXT = "Choose a folder with an OpenVINO vae_decoder in it, or a diffusers AutoencoderKL or AutoencoderTiny for SDXL."
_WHOLE, _TINY = "AutoencoderKL", "AutoencoderTiny"
# What optimum-intel writes for SDXL's VAE: activations are divided by this where inference is in f16.
_UPCAST = {"ACTIVATIONS_SCALE_FACTOR": "128.0"}
_VERSION = 2
"""Counted up when converting gives other numbers, so that what an older release kept is made again."""
_WIDTHS = ("block_out_channels", "encoder_block_out_channels", "decoder_block_out_channels", "latent_channels")
_COUNTS = ("layers_per_block", "num_encoder_blocks", "num_decoder_blocks")
_FACTORS = ("scaling_factor", "shift_factor", "norm_num_groups", "upsampling_scaling_factor", "in_channels")
_BY_CHANNEL = ("latents_mean", "latents_std")
_MOST_BLOCKS, _MOST_LAYERS, _WIDEST = 8, 64, 2**13
_LARGEST = 1e6


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
    folder: Path, latent_channels: int, cache: Path, scaling: float = SCALING_FACTOR, hashes: FileHashes | None = None
) -> VaeFolder:
    """The VAE in `folder`, for latents of that many channels, which the checkpoint multiplies by `scaling`.

    `folder` holds OpenVINO parts (a vae_decoder, maybe a vae_encoder; a whole checkpoint does), or is diffusers' own
    form of a VAE, or a diffusers checkpoint with one in `vae`; these are converted once, into `cache`, with weights in
    f16; of a tiny one the decoder alone, made to take latents unscaled as the others do. Raises AdditionError when it
    is none of them, damaged, or for other latents; EngineError when the converted parts cannot be written.
    """
    if not is_folder(folder):
        raise AdditionError(f"There is no VAE folder at {folder}.", next_step="Check the path.")
    if is_regular(folder / DECODER / _MODEL):
        return _checked(folder, folder, latent_channels)
    for candidate in (folder, folder / "vae"):
        if is_regular(candidate / "config.json") and is_regular(candidate / _TORCH_WEIGHTS):
            return _converted(candidate, latent_channels, cache, scaling, hashes or FileHashes())
    raise AdditionError(
        f"There is no VAE in {folder}.",
        why=f"It has neither {DECODER}/{_MODEL} nor a config.json beside {_TORCH_WEIGHTS}.",
        next_step=_NEXT,
    )


def _checked(named: Path, folder: Path, latent_channels: int) -> VaeFolder:
    """The OpenVINO parts in `folder`; `named` is what the person chose."""
    config = _config(folder / DECODER / "config.json")
    _check_config(named, config, latent_channels)
    encoder = folder / ENCODER
    vae = VaeFolder(folder / DECODER, encoder if (encoder / _MODEL).is_file() else None, config)
    try:
        shape = devices.core.read_model(vae.decoder / _MODEL).input("latent_sample").get_partial_shape()
    except Exception as problem:  # OpenVINO's many, and a graph without that input
        raise AdditionError(
            f"The VAE in {named} cannot be read.",
            why="Its decoder's graph or weights are damaged, or it is no decoder of latents.",
            next_step="Copy or export it again.",
        ) from problem
    if shape[1].is_static and shape[1].get_length() != latent_channels:
        raise _other_latents(named, shape[1].get_length(), latent_channels)
    return vae


def _check_config(named: Path, config: Mapping[str, Any], latent_channels: int) -> None:
    kind, widths = config.get("_class_name"), config.get("block_out_channels")
    if kind not in (_WHOLE, _TINY) or not isinstance(widths, list) or not widths:
        raise AdditionError(
            f"The VAE in {named} is not of SDXL's kind.",
            why=f"Its config.json says {str(kind or 'nothing of its kind')[:60]}, and SDXL's is an AutoencoderKL.",
            next_step=_NEXT,
        )
    _check_numbers(named, config)
    if config.get("latent_channels") != latent_channels:
        raise _other_latents(named, config.get("latent_channels"), latent_channels)


def _other_latents(named: Path, theirs: object, ours: int) -> AdditionError:
    return AdditionError(
        f"The VAE in {named} is for another kind of checkpoint.",
        why=f"Its latents have {str(theirs)[:20]} channels, and this checkpoint's have {ours}.",
        next_step=_NEXT,
    )


def _config(file: Path) -> Mapping[str, Any]:
    try:
        return read_model_config(file)
    except SmallFileError as problem:
        why = f"{str(problem)[:1].upper()}{str(problem)[1:]}."
        raise AdditionError(f"{file} cannot be read.", why=why, next_step="Copy the VAE again.") from problem


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


def _converted(folder: Path, latent_channels: int, cache: Path, scaling: float, hashes: FileHashes) -> VaeFolder:
    config = dict(_config(folder / "config.json"))
    tiny = config.get("_class_name") == _TINY
    if tiny:
        config |= {"block_out_channels": config.get("decoder_block_out_channels"), "scaling_factor": scaling}
    _check_config(folder, config, latent_channels)
    content = _content(folder, hashes)
    kept = cache / (f"vae-{content}-{scaling!r}" if tiny else f"vae-{content}")
    if not whole.is_intact(kept, hashes):
        whole.remove(kept)
        _convert_tiny(folder, kept, config) if tiny else _convert(folder, kept)
    whole.touch(kept)
    return _checked(folder, kept, latent_channels)


def _content(folder: Path, hashes: FileHashes) -> str:
    try:
        read_header(folder / _TORCH_WEIGHTS)  # bounded, and of a regular file, before it is hashed or loaded
        files = ";".join(hashes.of(folder / name) for name in ("config.json", _TORCH_WEIGHTS))
    except HeaderError as problem:
        raise _damaged(folder, problem.why) from problem
    except OSError as problem:
        raise _damaged(folder, f"{problem.strerror or problem}.") from problem
    return hashlib.sha256(f"{_VERSION};{files}".encode()).hexdigest()[:32]


def _damaged(folder: Path, why: str) -> AdditionError:
    return AdditionError(f"The VAE in {folder} cannot be loaded.", why=why, next_step="Download it again.")


def _convert(folder: Path, kept: Path) -> None:
    """Export decoder and encoder with optimum-intel, as it does for a whole pipeline, weights in f16.

    The trace is in f32 whatever the file holds, so that the graph computes in f32 where the device can.
    """
    vae = _loaded(AutoencoderKL, folder)
    forwards = {
        DECODER: lambda latent_sample: vae.decode(z=latent_sample),
        ENCODER: lambda sample: {"latent_parameters": vae.encode(x=sample)["latent_dist"].parameters},
    }
    with _keeping(folder, kept) as writing:
        for part, forward in forwards.items():
            vae.forward = forward
            _export(vae, part, writing / part)


class _TinyDecoder(torch.nn.Module):
    """Takes unscaled latents, as other decoders do; a tiny VAE itself takes them as the UNet makes them."""

    def __init__(self, vae: Any, scaling: float) -> None:
        super().__init__()
        self.decoder, self.scaling = vae.decoder, scaling

    def forward(self, latent_sample: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = self.decoder(latent_sample * self.scaling)
        return decoded


def _convert_tiny(folder: Path, kept: Path, config: Mapping[str, Any]) -> None:
    """Export the decoder alone, weights in f16; `config` is what is kept as its own."""
    decoder = _TinyDecoder(_loaded(AutoencoderTiny, folder), config["scaling_factor"]).eval()
    channels = config["latent_channels"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        model = ov.convert_model(
            decoder,
            example_input=torch.zeros(1, channels, 8, 8),
            input=[("latent_sample", [-1, channels, -1, -1], ov.Type.f32)],
        )
    model.outputs[0].get_tensor().set_names({"sample"})
    with _keeping(folder, kept) as writing:
        (writing / DECODER).mkdir()
        (writing / DECODER / "config.json").write_text(json.dumps(config), encoding="utf-8")
        ov.save_model(model, writing / DECODER / _MODEL, compress_to_fp16=True)


def _loaded(kind: Any, folder: Path) -> Any:
    """The torch VAE in `folder`, in f32: of the class `kind`, of what its config.json says of the network, and of the
    tensors in its one file. Nothing else in the folder is looked at."""
    try:
        return _built(kind, of_the_network(read_model_config(folder / "config.json")), folder / _TORCH_WEIGHTS)
    except Exception as problem:  # whatever diffusers makes of a stranger's config, or safetensors of his file
        raise AdditionError(
            f"The VAE in {folder} cannot be loaded.",
            why=f"{shown(str(problem)).rstrip('.') if str(problem) else type(problem).__name__}.",
            next_step="Download it again.",
        ) from problem


def _built(kind: Any, config: Mapping[str, Any], weights: Path) -> Any:
    with torch.device("meta"):
        vae = kind.from_config(config)
    tensors = {name: tensor.to(torch.float32) for name, tensor in load_file(weights).items()}
    vae._fix_state_dict_keys_on_load(tensors)  # names of attention layers from before diffusers 0.18
    if missing := vae.load_state_dict(tensors, assign=True, strict=False).missing_keys:
        raise ValueError(f"its weights lack {missing[0]}")
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
        export(vae, settings, folder / _MODEL, ov_config=f16, stateful=False, library_name="diffusers")
    vae.save_config(str(folder))


def _floats(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)
