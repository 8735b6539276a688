"""Read folders in diffusers' layout, with variants and shards, and folders of OpenVINO parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl_desktop.core.parts import DIFFUSERS_PARTS, GRAPH, GRAPH_AND_WEIGHTS, TOKENIZERS, Part
from sdxl_desktop.formats.detected_model import DetectedModel, DetectedPart, ModelKind, ModelLayout
from sdxl_desktop.formats.families import PipelineConfigFolder, clip_vocabulary, family_of
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.formats.json_files import read_json
from sdxl_desktop.formats.safetensors_header import Tensor, read_tensors
from sdxl_desktop.formats.unsupported import not_sdxl_error, unknown_file_error
from sdxl_desktop.formats.weight_variants import PICKLED, SAFETENSORS, WeightVariant, find_weight_variants, variant_note
from sdxl_desktop.library.detect.part_matching import Mismatch, fp8_note, match_part

_WEIGHT_STEMS: Mapping[str, str] = {Part.UNET: "diffusion_pytorch_model", Part.VAE: "diffusion_pytorch_model"}
_UNSUPPORTED_PIPELINES = (
    ("Flux", "a FLUX checkpoint"),
    ("StableDiffusion3", "a Stable Diffusion 3 checkpoint"),
    ("StableCascade", "a Stable Cascade checkpoint"),
    ("Kolors", "a Kolors checkpoint"),
    ("PixArt", "a PixArt checkpoint"),
    ("Hunyuan", "a Hunyuan checkpoint"),
    ("StableVideo", "a Stable Video Diffusion checkpoint"),
)
_MODEL_BY_CROSS_ATTENTION_DIM = {768: "a Stable Diffusion 1.5 checkpoint", 1024: "a Stable Diffusion 2 checkpoint"}


def identify_folder(folder: Path) -> DetectedModel | None:
    """Return the model in `folder`; None if it has no checkpoint configuration. Raises CheckpointError if it is
    unusable."""
    if not (folder / "model_index.json").is_file():
        return None
    setup = PipelineConfigFolder(folder)
    if (folder / Part.UNET / GRAPH).is_file():
        return _identify_openvino(folder, setup)
    _check_is_sdxl(folder, setup)
    if not any(weight_files_in(folder / part, weights_stem(part)) for part in DIFFUSERS_PARTS):
        for part in DIFFUSERS_PARTS:
            if _pickled_suffix(folder / part):
                raise _incomplete_error(folder, part, _why_no_weights(folder / part))
        if not any(folder.glob(f"*{SAFETENSORS}")):
            raise _incomplete_error(folder, Part.UNET, _why_no_weights(folder / Part.UNET))
        return None  # configurations only; there may be a single file next to them
    return _identify_diffusers(folder, setup)


def _check_is_sdxl(folder: Path, configs: PipelineConfigFolder) -> None:
    says = str(configs.index.get("_class_name", ""))[:80]
    if "StableDiffusionXL" in says:
        return
    for start, kind in _UNSUPPORTED_PIPELINES:
        if start in says:
            raise not_sdxl_error(folder.name, kind)
    context = (configs.config(Part.UNET) or {}).get("cross_attention_dim")
    known = _MODEL_BY_CROSS_ATTENTION_DIM.get(context) if isinstance(context, int) else None
    raise not_sdxl_error(folder.name, known or f"made for {says or 'nothing that it names'}")


def _identify_openvino(folder: Path, configs: PipelineConfigFolder) -> DetectedModel:
    _check_is_sdxl(folder, configs)
    unet = configs.config(Part.UNET) or {}
    try:
        family = family_of(unet, has_first_encoder=(folder / Part.TEXT_ENCODER).is_dir())
    except (TypeError, ValueError, IndexError, KeyError) as problem:
        raise unknown_file_error(folder.name, f"{Part.UNET}/config.json makes no sense.") from problem
    files = tuple(sorted(file for part in folder.iterdir() if part.is_dir() for file in part.glob(GRAPH_AND_WEIGHTS)))
    return DetectedModel(
        path=folder,
        kind=ModelKind.CHECKPOINT,
        layout=ModelLayout.OPENVINO,
        family=family,
        files=files,
        model_index=configs.index,
    )


def _identify_diffusers(folder: Path, configs: PipelineConfigFolder) -> DetectedModel:
    parts: list[DetectedPart] = []
    files: list[Path] = []
    notes: list[str] = []
    for name in DIFFUSERS_PARTS:
        config = configs.config(name)
        if config is None and name == Part.TEXT_ENCODER:
            continue  # a refiner
        weights = weight_files_in(folder / name, weights_stem(name))
        if config is None or not weights:
            raise _incomplete_error(folder, name, _why_no_weights(folder / name) if config else "it has no config.json")
        tensors = _read_tensors(weights)
        part = match_part(name, config, _without_position_ids(tensors))
        if isinstance(part, Mismatch):
            raise _incomplete_error(folder, name, part.reason)
        parts.append(part)
        files += weights
        notes.append(variant_note(name, _candidate_files(folder / name, weights_stem(name))))
    unet = next(part for part in parts if part.name == Part.UNET)
    there = {part.name for part in parts}
    return DetectedModel(
        path=folder,
        kind=ModelKind.CHECKPOINT,
        layout=ModelLayout.DIFFUSERS,
        family=family_of(dict(unet.config), has_first_encoder=Part.TEXT_ENCODER in there),
        parts=tuple(parts),
        notes=tuple(filter(None, (*notes, fp8_note(parts)))),
        files=tuple(files),
        model_index=configs.index,
        scheduler_config=configs.scheduler,
        tokenizers={
            name: folder / name if (folder / name).is_dir() else clip_vocabulary()
            for name, encoder in TOKENIZERS.items()
            if encoder in there
        },
    )


def weights_stem(part: str) -> str:
    """Return the file name of the weights of `part`, without variant and extension."""
    return _WEIGHT_STEMS.get(part, "model")


def weight_files_in(folder: Path, stem: str) -> list[Path]:
    """Return the weights file of the preferred variant, or its shards."""
    for choice in _candidate_files(folder, stem):
        file = folder / choice.name
        return _shard_files(folder, read_json(file)) if choice.sharded else [file]
    return []


def _candidate_files(folder: Path, stem: str) -> list[WeightVariant]:
    names = [file.name for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []
    return find_weight_variants(names, stem)


def _shard_files(folder: Path, index: Mapping[str, Any]) -> list[Path]:
    weight_map = index.get("weight_map")
    names = sorted({str(name) for name in weight_map.values()}) if isinstance(weight_map, dict) else []
    for name in names:
        if Path(name).name != name or not name.endswith(SAFETENSORS) or not (folder / name).is_file():
            raise DamagedFileError(
                f"{folder.name} is not whole.",
                why=f"Its list of files names {name[:80]!r}, which is not there.",
                next_step="Download the missing files.",
            )
    return [folder / name for name in names]


def _why_no_weights(folder: Path) -> str:
    if suffix := _pickled_suffix(folder):
        return f"its weights are a {suffix} file; save the checkpoint with safetensors"
    return f"there is no {SAFETENSORS} file"


def _pickled_suffix(folder: Path) -> str:
    """Return the suffix of a pickle file in `folder`; "" if there is none."""
    return next((suffix for suffix in PICKLED if any(folder.glob(f"*{suffix}"))), "")


def _read_tensors(files: list[Path]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors.update(read_tensors(file))
    return tensors


def _without_position_ids(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("position_ids")}


def _incomplete_error(folder: Path, part: str, why: str) -> DamagedFileError:
    return DamagedFileError(
        f"{folder.name} is not whole.",
        why=f"Of its {part.replace('_', ' ')}, {why}.",
        next_step="Download the missing or damaged files again.",
    )
