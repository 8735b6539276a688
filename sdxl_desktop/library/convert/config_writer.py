"""Write a checkpoint's configurations, scheduler and tokenizers, all generated anew.

No untrusted file is copied verbatim: only known fields and files are taken over, so that no configuration can name code
to load.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl_desktop.core.clip_tokenizer_files import MAX_FILE_BYTES as _TOKENIZER_LIMIT
from sdxl_desktop.core.clip_tokenizer_files import read_clip_tokenizer
from sdxl_desktop.core.model_configs import architecture_config
from sdxl_desktop.core.parts import TOKENIZERS, Part
from sdxl_desktop.core.schedulers import SchedulerName, changed_config, validated_config
from sdxl_desktop.core.untrusted_files import UntrustedFileError, copy_limited, is_regular_file
from sdxl_desktop.formats.detected_model import DetectedModel, DetectedPart
from sdxl_desktop.formats.families import Family, clip_vocabulary
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.formats.json_files import read_json_or_empty
from sdxl_desktop.library.convert.build_folder import write_json
from sdxl_desktop.library.scan import TINY_VAE_FILES, TINY_VAE_FOLDER, has_tiny_vae

_CLASSES: Mapping[str, str] = {
    Part.UNET: "UNet2DConditionModel",
    Part.VAE: "AutoencoderKL",
    Part.TEXT_ENCODER: "CLIPTextModel",
    Part.TEXT_ENCODER_2: "CLIPTextModelWithProjection",
}
_LCM_FAMILIES = (Family.LCM, Family.LCM_SSD_1B)
_TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json")
_PAD_TOKENS = {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"}
"""The padding tokens of SDXL's two tokenizers."""


def write_part_config(part: DetectedPart, folder: Path) -> None:
    """Write config.json of an OpenVINO part made from `part`."""
    config = _safe_config(part.config)
    if part.name.startswith(Part.TEXT_ENCODER):
        write_json(
            folder / "config.json",
            {**config, "architectures": [_CLASSES[part.name]], "dtype": "float32", "output_hidden_states": True},
        )
    else:
        write_json(folder / "config.json", {**config, "_class_name": _CLASSES[part.name]})


def write_checkpoint_configs(
    found: DetectedModel,
    folder: Path,
    title: str,
    *,
    checkpoint_json: Mapping[str, Any] | None = None,
    scheduler_config: Mapping[str, Any] | None = None,
) -> None:
    """Write model_index.json, checkpoint.json, scheduler, tokenizers and, if present, the tiny VAE. `checkpoint_json`
    and `scheduler_config` override the values in `found`. Raises CheckpointError for unusable files."""
    schedule = _scheduler_config(found, scheduler_config or {})
    for name, source in found.tokenizers.items():
        _write_tokenizer(name, source, folder / name)
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(folder / "scheduler" / "scheduler_config.json", schedule)
    write_json(folder / "checkpoint.json", {**_checkpoint_json(found, title), **(checkpoint_json or {})})
    write_json(folder / "model_index.json", _model_index(found, schedule))
    if has_tiny_vae(found.path):
        _write_tiny_vae(found.path / TINY_VAE_FOLDER, folder / TINY_VAE_FOLDER)


def _write_tiny_vae(source: Path, folder: Path) -> None:
    """Copied unconverted (a few megabytes); the engine converts it on demand."""
    folder.mkdir(exist_ok=True)
    config, weights = TINY_VAE_FILES
    write_json(folder / config, {**_safe_config(read_json_or_empty(source / config)), "_class_name": "AutoencoderTiny"})
    shutil.copyfile(source / weights, folder / weights)


def _safe_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the fields that name code, files or ways of loading."""
    return architecture_config(config)


def _scheduler_config(found: DetectedModel, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete configuration to write, with the requested scheduler class, Euler by default."""
    own = {**SchedulerName.EULER.config, **found.scheduler_config}
    if found.family in _LCM_FAMILIES:
        own = changed_config(own, SchedulerName.LCM.config)
    return validated_config(changed_config(own, asked))


def _checkpoint_json(found: DetectedModel, title: str) -> dict[str, Any]:
    card: dict[str, Any] = {"title": title, **found.checkpoint_json}
    if found.family in _LCM_FAMILIES:
        card |= {"steps": 4, "guidance_scale": 8.0, "scheduler": SchedulerName.LCM.value}
    return card


def _model_index(found: DetectedModel, scheduler: Mapping[str, Any]) -> dict[str, Any]:
    refiner, inpaint = found.family is Family.REFINER, found.family is Family.INPAINT
    pipeline = "Img2Img" if refiner else "Inpaint" if inpaint else ""
    zeros = bool(found.model_index.get("force_zeros_for_empty_prompt", not refiner))
    index: dict[str, Any] = {
        "_class_name": f"StableDiffusionXL{pipeline}Pipeline",
        "force_zeros_for_empty_prompt": zeros,
        "scheduler": ["diffusers", scheduler["_class_name"]],
    }
    if refiner or inpaint:
        index["requires_aesthetics_score"] = bool(found.model_index.get("requires_aesthetics_score", refiner))
    for name, kind in _CLASSES.items():
        library = "transformers" if name.startswith("text") else "diffusers"
        index[name] = [library, kind]
    for name in TOKENIZERS:
        index[name] = ["transformers", "CLIPTokenizer"]
    if "tokenizer" not in found.tokenizers:
        index |= {"text_encoder": [None, None], "tokenizer": [None, None]}
    return index


def _write_tokenizer(name: str, source: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    files = [source / file for file in _TOKENIZER_FILES if is_regular_file(source / file)]
    whole = {file.name for file in files} >= {"vocab.json", "merges.txt"} or is_regular_file(source / "tokenizer.json")
    for file in files if whole else (clip_vocabulary() / "vocab.json", clip_vocabulary() / "merges.txt"):
        try:
            copy_limited(file, folder / file.name, _TOKENIZER_LIMIT)
        except UntrustedFileError as problem:
            raise DamagedFileError(
                f"{name}/{file.name} cannot be used: {problem}.", next_step="Download it again."
            ) from problem
    source_config = read_json_or_empty(source / "tokenizer_config.json")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "pad_token": _PAD_TOKENS[name]
            if not isinstance(source_config.get("pad_token"), str)
            else source_config["pad_token"],
            "model_max_length": 77,
            "clean_up_tokenization_spaces": True,
            "do_lower_case": True,
        },
    )
    read_clip_tokenizer(folder)  # rejects now what would fail at image generation
