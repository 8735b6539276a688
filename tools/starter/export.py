"""The last stage: exports the averaged weights as OpenVINO parts in the standard layout, without local paths."""

import json
import random
import re
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from optimum.exporters.openvino import main_export
from optimum.intel import OVConfig
from transformers import CLIPTextModel

from .compose import compose, draw
from .config import Config
from .distill import saved_few_step
from .names import load_names
from .tokenizer import make_tokenizers
from .train_base import make_pipeline, saved_base
from .train_refiner import make_refiner_pipeline, saved_refiner
from .train_vae import to_tensor

# Parts that the refiner and the few-step variant share with the base.
SHARED = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae_encoder", "vae_decoder")
KEPT = ("README.md", "checkpoint.json")
LOCAL_KEYS = ("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file")


def preview_map(vae: AutoencoderKL, config: Config, data: Path) -> dict[str, Any]:
    """Return the least-squares map from scaled latents to RGB in [0, 1], for previews."""
    names, rng = load_names(data, least_stars=0), random.Random("preview")
    pictures = to_tensor([draw(compose(rng, names, [1.0] * len(names), config.size)) for _ in range(128)])
    with torch.no_grad():
        latents = torch.cat([vae.encode(part).latent_dist.mean for part in torch.split(pictures, 16)])
    colours = torch.nn.functional.avg_pool2d(pictures / 2 + 0.5, config.size // config.latent)
    known = (latents * vae.config.scaling_factor).permute(0, 2, 3, 1).reshape(-1, 4).double().numpy()
    wanted = colours.permute(0, 2, 3, 1).reshape(-1, 3).double().numpy()
    solved = np.linalg.lstsq(np.hstack([known, np.ones((len(known), 1))]), wanted, rcond=None)[0].round(6)
    return {
        "matrix": solved[:4].tolist(),
        "bias": solved[4].tolist(),
        "source": "Least squares over 128 training pictures: averaged RGB in [0, 1] = scaled latents @ matrix + bias",
    }


def write_vocabulary(folder: Path) -> None:
    """Write the two classic files, which SDXL has and every library reads, in place of tokenizer.json."""
    table = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "vocab.json").write_text(json.dumps(table["vocab"], ensure_ascii=False), encoding="utf-8")
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in table["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()


@torch.no_grad()
def repeat_unread_layer(encoder: CLIPTextModel) -> None:
    """Replace the first encoder's last layer by the one before it; OpenVINO then stores their weights once.

    SDXL uses the second-to-last states and pools the second encoder only, so that layer's output is never used.
    """
    layers = encoder.text_model.encoder.layers
    layers[-1].load_state_dict(layers[-2].state_dict())


def strip_local(folder: Path) -> None:
    """Remove local information: conversion parameters in the IR, folders in the configs."""
    for file in folder.rglob("*.xml"):
        tree = ElementTree.parse(file)
        for info in tree.getroot().findall("rt_info"):
            for child in list(info):
                if child.tag in ("conversion_parameters", "optimum"):
                    info.remove(child)
        for element in tree.iter():
            # Indentation is a sixth of the file's size.
            element.text = (element.text or "").strip() or None
            element.tail = None
        tree.write(file, encoding="utf-8", xml_declaration=True)
    for file in folder.rglob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict) and any(key in content for key in LOCAL_KEYS):
            kept = {key: value for key, value in content.items() if key not in LOCAL_KEYS}
            file.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def local_paths(folder: Path) -> list[str]:
    """Return the files that still contain an absolute path of a home, work or temporary folder."""
    pattern = re.compile(rb"(?:/root|/home|/work|/tmp|/Users)/|[A-Z]:\\\\")
    return [file.name for file in folder.rglob("*") if file.is_file() and pattern.search(file.read_bytes())]


def pipeline_of(part: str, config: Config, data: Path) -> Any:
    """Return the trained diffusers pipeline of "base", "refiner" or "lcm"."""
    if part == "refiner":
        return make_refiner_pipeline(config, data, saved_refiner(config, data))
    if part == "lcm":
        return saved_few_step(config, data)
    return make_pipeline(config, data, saved_base(config, data))


def share_parts(fresh: Path, base: Path) -> None:
    """Copy all common parts from the exported `base` to `fresh`, so that git stores those files once.

    Raises RuntimeError if the weights differ, which means that the base was exported from another training state.
    """
    for part in SHARED:
        if not (fresh / part).is_dir():
            continue
        weights = Path(part) / "openvino_model.bin"
        if (fresh / weights).is_file() and (fresh / weights).read_bytes() != (base / weights).read_bytes():
            raise RuntimeError(f"{part} differs from the base's in {base}: export the base again first.")
        shutil.rmtree(fresh / part)
        shutil.copytree(base / part, fresh / part)
    shutil.copy(base / "preview.json", fresh / "preview.json")


def write_parts(pipeline: Any, task: str, fresh: Path) -> None:
    """Write the pipeline's parts as fp16 IR to the folder `fresh`."""
    with tempfile.TemporaryDirectory() as temporary:
        pipeline.save_pretrained(temporary)
        # The weight format is explicit: without one, large parts would silently become int8.
        main_export(
            temporary,
            fresh,
            task=task,
            library_name="diffusers",
            ov_config=OVConfig(dtype="fp16"),
            convert_tokenizer=False,
        )


def export(config: Config, data: Path, target: Path, part: str = "base") -> None:
    """Export a part of the family to `target` as fp16 IR; the cards are kept, everything else there is replaced.

    The base must be exported first, to the folder `starter` next to the others.
    """
    pipeline = pipeline_of(part, config, data).to("cpu")
    if pipeline.text_encoder is not None:
        repeat_unread_layer(pipeline.text_encoder)
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary) / "ir"
        write_parts(pipeline, "image-to-image" if part == "refiner" else "text-to-image", fresh)
        for tokenizer, name in zip(make_tokenizers(data), ("tokenizer", "tokenizer_2"), strict=True):
            if getattr(pipeline, name) is not None:
                tokenizer.save_pretrained(fresh / name)
                write_vocabulary(fresh / name)
        strip_local(fresh)
        if part == "base":
            preview = preview_map(pipeline.vae, config, data)
            (fresh / "preview.json").write_text(json.dumps(preview, indent=2) + "\n", encoding="utf-8")
        else:
            share_parts(fresh, target.with_name("starter"))
        if found := local_paths(fresh):
            raise RuntimeError(f"These exported files still name a local folder: {', '.join(found)}.")
        for kept in KEPT:
            if (target / kept).is_file():
                shutil.copy(target / kept, fresh / kept)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(fresh, target)
