"""Writes what a checkpoint says of itself beside its weights: configurations, scheduler, tokenizers, all made anew.

Nothing that a stranger wrote is copied as it is: only known fields and files are taken over, so that no description can
name code to be loaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl_desktop.core.clip_files import LIMIT as _TOKENIZER_LIMIT
from sdxl_desktop.core.clip_files import read_clip_files
from sdxl_desktop.core.model_configs import of_the_network
from sdxl_desktop.core.parts import TOKENIZERS, Part
from sdxl_desktop.core.schedulers import SchedulerName, changed_config, checked_config
from sdxl_desktop.core.small_files import SmallFileError, copy_small, is_regular
from sdxl_desktop.formats.documents import read_json_if_there
from sdxl_desktop.formats.errors import DamagedFileError
from sdxl_desktop.formats.families import Family, clip_vocabulary
from sdxl_desktop.formats.found import Found, FoundPart
from sdxl_desktop.library.convert.workspace import write_json
from sdxl_desktop.library.scan import TINY_VAE, TINY_VAE_FILES, has_tiny_vae

_CLASSES: Mapping[str, str] = {
    Part.UNET: "UNet2DConditionModel",
    Part.VAE: "AutoencoderKL",
    Part.TEXT_ENCODER: "CLIPTextModel",
    Part.TEXT_ENCODER_2: "CLIPTextModelWithProjection",
}
_DISTILLED = (Family.LCM, Family.LCM_SSD_1B)
_TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json")
_PADDING = {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"}
"""What SDXL's two tokenizers fill prompts up with."""


def write_part_config(part: FoundPart, folder: Path) -> None:
    """config.json of an OpenVINO part made of `part`."""
    config = _plain(part.config)
    if part.name.startswith(Part.TEXT_ENCODER):
        write_json(
            folder / "config.json",
            {**config, "architectures": [_CLASSES[part.name]], "dtype": "float32", "output_hidden_states": True},
        )
    else:
        write_json(folder / "config.json", {**config, "_class_name": _CLASSES[part.name]})


def write_descriptions(
    found: Found,
    folder: Path,
    title: str,
    *,
    card: Mapping[str, Any] | None = None,
    scheduler: Mapping[str, Any] | None = None,
) -> None:
    """model_index.json, checkpoint.json, scheduler, tokenizers and a tiny VAE if it has one; what `card` and
    `scheduler` say goes before what `found` does. Raises CheckpointError for what cannot be taken."""
    schedule = _scheduler(found, scheduler or {})
    for name, source in found.tokenizers.items():
        _write_tokenizer(name, source, folder / name)
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(folder / "scheduler" / "scheduler_config.json", schedule)
    write_json(folder / "checkpoint.json", {**_card(found, title), **(card or {})})
    write_json(folder / "model_index.json", _index(found, schedule))
    if has_tiny_vae(found.path):
        _write_tiny_vae(found.path / TINY_VAE, folder / TINY_VAE)


def _write_tiny_vae(source: Path, folder: Path) -> None:
    """As it is, in a few megabytes; the engine converts it when it is wanted."""
    folder.mkdir(exist_ok=True)
    config, weights = TINY_VAE_FILES
    write_json(folder / config, {**_plain(read_json_if_there(source / config)), "_class_name": "AutoencoderTiny"})
    shutil.copyfile(source / weights, folder / weights)


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without what names code, files or ways of loading."""
    return of_the_network(config)


def _scheduler(found: Found, asked: Mapping[str, Any]) -> dict[str, Any]:
    """As it is written: a whole one, of the class that was asked for, Euler where none was."""
    own = {**SchedulerName.EULER.config, **found.scheduler}
    if found.family in _DISTILLED:
        own = changed_config(own, SchedulerName.LCM.config)
    return checked_config(changed_config(own, asked))


def _card(found: Found, title: str) -> dict[str, Any]:
    card: dict[str, Any] = {"title": title, **found.card}
    if found.family in _DISTILLED:
        card |= {"steps": 4, "guidance_scale": 8.0, "scheduler": SchedulerName.LCM.value}
    return card


def _index(found: Found, scheduler: Mapping[str, Any]) -> dict[str, Any]:
    refiner, inpaint = found.family is Family.REFINER, found.family is Family.INPAINT
    pipeline = "Img2Img" if refiner else "Inpaint" if inpaint else ""
    zeros = bool(found.index.get("force_zeros_for_empty_prompt", not refiner))
    index: dict[str, Any] = {
        "_class_name": f"StableDiffusionXL{pipeline}Pipeline",
        "force_zeros_for_empty_prompt": zeros,
        "scheduler": ["diffusers", scheduler["_class_name"]],
    }
    if refiner or inpaint:
        index["requires_aesthetics_score"] = bool(found.index.get("requires_aesthetics_score", refiner))
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
    files = [source / file for file in _TOKENIZER_FILES if is_regular(source / file)]
    whole = {file.name for file in files} >= {"vocab.json", "merges.txt"} or is_regular(source / "tokenizer.json")
    for file in files if whole else (clip_vocabulary() / "vocab.json", clip_vocabulary() / "merges.txt"):
        try:
            copy_small(file, folder / file.name, _TOKENIZER_LIMIT)
        except SmallFileError as problem:
            raise DamagedFileError(
                f"{name}/{file.name} cannot be used: {problem}.", next_step="Download it again."
            ) from problem
    said = read_json_if_there(source / "tokenizer_config.json")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "pad_token": _PADDING[name] if not isinstance(said.get("pad_token"), str) else said["pad_token"],
            "model_max_length": 77,
            "clean_up_tokenization_spaces": True,
            "do_lower_case": True,
        },
    )
    read_clip_files(folder)  # refuses now what could not be drawn with
