"""Owns the last stage: the averaged weights as OpenVINO parts in the ordinary layout, with nothing local in them."""

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

from .compose import compose, draw
from .config import Config
from .names import load_names
from .tokenizer import make_tokenizers
from .train_base import saved_pipeline
from .train_vae import to_tensor

KEPT = ("README.md", "checkpoint.json")
LOCAL_KEYS = ("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file")


def preview_map(vae: AutoencoderKL, config: Config, data: Path) -> dict[str, Any]:
    """The least-squares map from scaled latents to RGB in [0, 1], for a picture of the work in progress."""
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
    """The two classic files beside tokenizer.json, for readers that know only those."""
    table = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (folder / "vocab.json").write_text(json.dumps(table["vocab"], ensure_ascii=False), encoding="utf-8")
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in table["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n", encoding="utf-8")


def strip_local(folder: Path) -> None:
    """Remove what names the machine that exported: conversion parameters in the IR, folders in the configs."""
    for file in folder.rglob("*.xml"):
        tree = ElementTree.parse(file)
        for info in tree.getroot().findall("rt_info"):
            for child in list(info):
                if child.tag in ("conversion_parameters", "optimum"):
                    info.remove(child)
        tree.write(file, encoding="utf-8", xml_declaration=True)
    for file in folder.rglob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict) and any(key in content for key in LOCAL_KEYS):
            kept = {key: value for key, value in content.items() if key not in LOCAL_KEYS}
            file.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def local_paths(folder: Path) -> list[str]:
    """Files that still hold an absolute path of a home, work or temporary folder."""
    pattern = re.compile(rb"(?:/root|/home|/work|/tmp|/Users)/|[A-Z]:\\\\")
    return [file.name for file in folder.rglob("*") if file.is_file() and pattern.search(file.read_bytes())]


def export(config: Config, data: Path, target: Path) -> None:
    """Export to `target` as fp16 IR; the cards are kept, everything else there is replaced."""
    pipeline, _ = saved_pipeline(config, data)
    pipeline.to("cpu")
    with tempfile.TemporaryDirectory() as temporary:
        torch_folder, fresh = Path(temporary) / "torch", Path(temporary) / "ir"
        pipeline.save_pretrained(torch_folder)
        # The weight format is said aloud: without one, large parts would silently become int8.
        main_export(
            str(torch_folder),
            fresh,
            task="text-to-image",
            library_name="diffusers",
            ov_config=OVConfig(dtype="fp16"),
            convert_tokenizer=False,
        )
        for tokenizer, name in zip(make_tokenizers(data), ("tokenizer", "tokenizer_2"), strict=True):
            tokenizer.save_pretrained(fresh / name)
            write_vocabulary(fresh / name)
        preview = preview_map(pipeline.vae, config, data)
        (fresh / "preview.json").write_text(json.dumps(preview, indent=2) + "\n", encoding="utf-8")
        strip_local(fresh)
        if found := local_paths(fresh):
            raise RuntimeError(f"These exported files still name a local folder: {', '.join(found)}.")
        for kept in KEPT:
            if (target / kept).is_file():
                shutil.copy(target / kept, fresh / kept)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(fresh, target)
