"""OpenVINO GenAI's image pipelines, for the workflows they support; they return 8-bit pictures only."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from sdxl_desktop.core.request import GenerationMode, GenerationRequest
from sdxl_desktop.core.schedulers import SchedulerName
from tests.engine.parity.diffusers_calls import Floats

SCHEDULERS = {
    SchedulerName.EULER: "EULER_DISCRETE",
    SchedulerName.EULER_ANCESTRAL: "EULER_ANCESTRAL_DISCRETE",
    SchedulerName.DDIM: "DDIM",
    SchedulerName.PNDM: "PNDM",
    SchedulerName.LCM: "LCM",
}
PIPELINES = {
    GenerationMode.TEXT_TO_IMAGE: "Text2ImagePipeline",
    GenerationMode.IMAGE_TO_IMAGE: "Image2ImagePipeline",
    GenerationMode.INPAINT: "InpaintingPipeline",
}


class NotSupportedByLibrary(Exception):
    """The library does not support this; the message names what is missing."""


class GenAI:
    """Generates requests with OpenVINO GenAI, given torch's noise. Raises ImportError if it is not installed."""

    name = "OpenVINO GenAI"
    coarseness = 1.5 / 255
    """Tolerance for truncation to 8 bits."""

    def __init__(self) -> None:
        self._genai = importlib.import_module("openvino_genai")
        self._read: dict[tuple[str, Path], Any] = {}

    def generate(self, request: GenerationRequest) -> Floats:
        """Return float32 [H, W, 3] in [0, 1], rounded to 8 bits. Raises NotSupportedByLibrary, or any error of the
        library."""
        self._check_supported(request)
        pipe = self._pipeline(request)
        arguments = self._arguments(request)
        if request.edit is None:
            drawn = pipe.generate(request.prompts.prompt, **arguments)
        else:
            images = [_tensor(request.edit.picture.array)]
            if request.edit.mask is not None:
                images.append(_tensor(np.repeat(request.edit.mask.array[..., None], 3, axis=2)))
            drawn = pipe.generate(request.prompts.prompt, *images, **arguments)
        return np.array(drawn.data[0], dtype=np.float32) / np.float32(255)

    def _check_supported(self, request: GenerationRequest) -> None:
        plain = type(request.micro_conditioning)()
        missing = {
            "no refiner": request.refine is not None or not (request.checkpoint / "text_encoder").is_dir(),
            "no such scheduler": request.sampling.scheduler not in SCHEDULERS,
            "no micro-conditioning": request.micro_conditioning != plain,
            "no custom timesteps": bool(request.sampling.timesteps),
            "no guidance rescale": request.sampling.guidance_rescale > 0,
            "no clip skip": request.prompts.clip_skip > 0,
            "no variation": request.sampling.variation_strength > 0,
            "no other VAE": request.additions.vae is not None,
            "no such mode": request.edit is not None and request.edit.only_masked is not None,
        }
        for what, lacking in missing.items():
            if lacking:
                raise NotSupportedByLibrary(what)

    def _pipeline(self, request: GenerationRequest) -> Any:
        name, folder = PIPELINES[request.mode], request.checkpoint
        if (name, folder) not in self._read:
            _convert_tokenizers(folder)
            self._read[name, folder] = getattr(self._genai, name)(str(folder), "CPU", INFERENCE_PRECISION_HINT="f32")
        pipe = self._read[name, folder]
        kind = getattr(self._genai.Scheduler.Type, SCHEDULERS[request.sampling.scheduler])
        pipe.set_scheduler(self._genai.Scheduler.from_config(str(folder / "scheduler" / "scheduler_config.json"), kind))
        return pipe

    def _arguments(self, request: GenerationRequest) -> dict[str, Any]:
        said, sampling = request.prompts, request.sampling
        arguments: dict[str, Any] = {
            "num_inference_steps": sampling.steps,
            "guidance_scale": sampling.guidance_scale,
            "generator": self._genai.TorchGenerator(sampling.seed),
        }
        if request.mode is not GenerationMode.IMAGE_TO_IMAGE:
            arguments |= {"width": sampling.size.width, "height": sampling.size.height}
        if request.edit is not None:
            arguments["strength"] = request.edit.strength
        for name in ("prompt_2", "negative_prompt", "negative_prompt_2"):
            if getattr(said, name):
                arguments[name] = getattr(said, name)
        return arguments


def _tensor(pixels: Any) -> Any:
    import openvino

    return openvino.Tensor(np.ascontiguousarray(pixels[None]))


def _convert_tokenizers(folder: Path) -> None:
    """Write the tokenizers as OpenVINO graphs, which GenAI reads, next to the usual files."""
    import openvino
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    for name in ("tokenizer", "tokenizer_2"):
        target = folder / name / "openvino_tokenizer.xml"
        if not target.exists():
            read = AutoTokenizer.from_pretrained(folder / name)
            openvino.save_model(convert_tokenizer(read, with_detokenizer=False), target)
