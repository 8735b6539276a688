"""Identify the model at a path: reads only headers and configurations, and rejects unusable files with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.parts import DIFFUSERS_PARTS, TOKENIZERS, Part
from sdxl_desktop.formats import key_mapping
from sdxl_desktop.formats.detected_model import DetectedModel, DetectedPart, ModelKind, ModelLayout
from sdxl_desktop.formats.families import PipelineConfigFolder, clip_vocabulary, family_of, shipped_config_folders
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.formats.lora_keys import is_lora
from sdxl_desktop.formats.safetensors_header import Tensor, read_metadata, read_tensors
from sdxl_desktop.formats.unsupported import detect_foreign_model, not_sdxl_error, unknown_file_error
from sdxl_desktop.formats.vae_key_mapping import is_vae_file
from sdxl_desktop.formats.weight_variants import PICKLED, SAFETENSORS, UNSUPPORTED
from sdxl_desktop.library.detect.checkpoint_folders import identify_folder
from sdxl_desktop.library.detect.part_matching import Mismatch, fp8_note, match_part
from sdxl_desktop.library.detect.pickle_safety import check_pickle
from sdxl_desktop.library.detect.sampling_metadata import read_sampling_metadata


def identify(path: Path) -> DetectedModel:
    """Return the model at `path`, a file or a folder.

    Raises CheckpointError: DamagedFileError for an incomplete file, NotSdxlError for weights of another model type.
    """
    if path.is_dir():
        return identify_folder(path) or _identify_only_file(path)
    if not path.is_file():
        raise CheckpointError(f"There is nothing at {path}.", next_step="Check the path.")
    suffix = path.suffix.lower()
    if suffix in PICKLED:
        check_pickle(path)
        return DetectedModel(path=path, kind=ModelKind.PICKLED, layout=ModelLayout.SINGLE_FILE, files=(path,))
    if suffix in UNSUPPORTED:
        raise not_sdxl_error(path.name, UNSUPPORTED[suffix])
    return identify_file(path)


def identify_file(path: Path, config_folder: Path | None = None) -> DetectedModel:
    """Return the model in the .safetensors file `path`. Matching configurations in its folder or in `config_folder` are
    preferred to the shipped ones."""
    tensors = read_tensors(path)
    if UNET_MARKER_KEY in tensors:
        return _identify_single_file(path, tensors, config_folder or path.parent)
    kind = _detect_addition_kind(tensors)
    if kind is None:
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if named := detect_foreign_model(shapes):
            raise not_sdxl_error(path.name, named)
        raise unknown_file_error(path.name, _unknown_hint(tensors))
    return DetectedModel(path=path, kind=kind, layout=ModelLayout.SINGLE_FILE, files=(path,))


UNET_MARKER_KEY = "model.diffusion_model.input_blocks.0.0.weight"


def _identify_only_file(folder: Path) -> DetectedModel:
    files = sorted(folder.glob(f"*{SAFETENSORS}"))
    if len(files) == 1:
        return identify_file(files[0])
    raise unknown_file_error(
        folder.name,
        f"It holds {len(files)} files of weights, and which is meant is not clear."
        if files
        else "It has neither a model_index.json nor a .safetensors file.",
    )


def _detect_addition_kind(tensors: Mapping[str, Tensor]) -> ModelKind | None:
    if is_lora(tensors):
        return ModelKind.LORA
    if is_vae_file(tensors):
        return ModelKind.VAE
    if len(tensors) <= 4 and all(len(tensor.shape) in (1, 2) for tensor in tensors.values()):
        return ModelKind.EMBEDDING
    return None


def _unknown_hint(tensors: Mapping[str, Tensor]) -> str:
    if any(name.startswith("down_blocks.") for name in tensors):
        return "It is a UNet alone, in diffusers' layout; the other parts are missing: choose the folder above it."
    return f"Its tensors are called {next(iter(tensors))[:60]!r} and the like."


def _identify_single_file(path: Path, tensors: Mapping[str, Tensor], config_folder: Path) -> DetectedModel:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if named := detect_foreign_model(shapes):
        raise not_sdxl_error(path.name, named)
    closest: Mismatch | None = None
    for setup, tokenizers in _candidate_configs(config_folder):
        unet = _match_part(Part.UNET, setup, tensors)
        if isinstance(unet, DetectedPart):
            return _complete_checkpoint(path, tensors, setup, unet, tokenizers)
        if isinstance(unet, Mismatch) and (closest is None or unet.count < closest.count):
            closest = unet
    if closest is not None and closest.dtype_only:
        raise DamagedFileError(
            f"The weights of {path.name} cannot be converted.",
            why=f"Of its UNet, {closest.reason}.",
            next_step="Look for the same checkpoint in fp16 or fp32.",
        )
    why = "Its UNet is built like none of SDXL's families"
    raise unknown_file_error(path.name, f"{why} ({closest.reason})." if closest else f"{why}.")


def _candidate_configs(config_folder: Path) -> Iterator[tuple[PipelineConfigFolder, dict[str, Path]]]:
    """Yield configurations that may match a single file, with the paths of their tokenizers."""
    if (config_folder / "model_index.json").is_file() and (config_folder / Part.UNET / "config.json").is_file():
        own = {name: config_folder / name for name in TOKENIZERS if (config_folder / name).is_dir()}
        yield PipelineConfigFolder(config_folder), own
    for _, setup in shipped_config_folders():
        yield setup, dict.fromkeys(TOKENIZERS, clip_vocabulary())


def _match_part(
    name: str, configs: PipelineConfigFolder, tensors: Mapping[str, Tensor]
) -> DetectedPart | Mismatch | None:
    """Return the part if it matches `configs`, the mismatch if not, or None if `configs` has no such part."""
    config = configs.config(name)
    if config is None:
        return None
    prefix = key_mapping.key_prefix(name, tensors)
    if prefix is None:
        return Mismatch(f"it has no {name.replace('_', ' ')}", 10**6)
    inside = {key: tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return match_part(name, config, inside, prefix=prefix)


def _complete_checkpoint(
    path: Path,
    tensors: Mapping[str, Tensor],
    configs: PipelineConfigFolder,
    unet: DetectedPart,
    tokenizers: dict[str, Path],
) -> DetectedModel:
    parts = []
    for name in DIFFUSERS_PARTS:
        part = unet if name == Part.UNET else _match_part(name, configs, tensors)
        if isinstance(part, Mismatch):
            raise DamagedFileError(
                f"{path.name} cannot be drawn with as it is.",
                why=f"Of its {name.replace('_', ' ')}, {part.reason}.",
                next_step="Choose a file that holds the whole checkpoint: UNet, VAE and text encoders.",
            )
        if part is not None:
            parts.append(part)
    there = {part.name for part in parts}
    facts = read_sampling_metadata(path.stem, tensors, read_metadata(path))
    parts = [
        replace(part, config={**part.config, **facts.vae_config}) if part.name == Part.VAE else part for part in parts
    ]
    return DetectedModel(
        path=path,
        kind=ModelKind.CHECKPOINT,
        layout=ModelLayout.SINGLE_FILE,
        family=family_of(dict(unet.config), has_first_encoder=Part.TEXT_ENCODER in there),
        parts=tuple(parts),
        notes=tuple(filter(None, (fp8_note(parts),))),
        files=(path,),
        model_index=configs.index,
        scheduler_config=facts.merged_scheduler_config(configs.scheduler),
        checkpoint_json=facts.checkpoint_json,
        tokenizers={name: folder for name, folder in tokenizers.items() if TOKENIZERS[name] in there},
    )
