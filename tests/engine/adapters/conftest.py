"""The tiny SDXL with LoRAs in torch, which is what fused parts must equal."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from sdxl_desktop.engine.openvino.part_compiler import content_id
from tests.engine.adapters.lora_files import PARTS, random_inputs, torch_output

Outputs = dict[str, np.ndarray]


def load_checkpoint(checkpoint: Path) -> StableDiffusionXLPipeline:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StableDiffusionXLPipeline.from_pretrained(checkpoint / "torch", torch_dtype=torch.float32)


@pytest.fixture(scope="session")
def base(tiny_checkpoint: Path) -> StableDiffusionXLPipeline:
    """Not to be changed."""
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="session")
def unet_config(tiny_checkpoint: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((tiny_checkpoint / "ov" / "unet" / "config.json").read_text())
    return config


@pytest.fixture(scope="session")
def inputs(unet_config: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    return {part: random_inputs(part, unet_config) for part in PARTS}


@pytest.fixture(scope="session")
def contents(tiny_checkpoint: Path) -> dict[str, str]:
    return {part: content_id(tiny_checkpoint / "ov" / part) for part in PARTS}


@pytest.fixture(scope="session")
def base_outputs(base: StableDiffusionXLPipeline, inputs: Any) -> Outputs:
    return {part: torch_output(base, part, inputs[part]) for part in PARTS}


@pytest.fixture
def reference(tiny_checkpoint: Path, inputs: Any) -> Callable[..., Outputs]:
    """What diffusers draws with (file, weight) LoRAs loaded and fused."""

    def compute(*loras: tuple[Path, float]) -> Outputs:
        pipe = load_checkpoint(tiny_checkpoint)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n, (file, _) in enumerate(loras):
                pipe.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=f"lora{n}")
            names = [f"lora{n}" for n in range(len(loras))]
            pipe.set_adapters(names, [weight for _, weight in loras])
            parts = [part for part in PARTS if getattr(getattr(pipe, part), "peft_config", None)]
            pipe.fuse_lora(components=parts, adapter_names=names)
        return {part: torch_output(pipe, part, inputs[part]) for part in PARTS}

    return compute
