"""Generate images with the unquantized checkpoint and record its UNet's inputs at each call."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import openvino as ov
import torch
from optimum.intel import OVStableDiffusionXLPipeline
from tokenizers import AddedToken
from transformers import CLIPTokenizer

from sdxl_desktop.core.clip_tokenizer_files import read_clip_tokenizer
from sdxl_desktop.core.parts import OPENVINO_PARTS, Part
from sdxl_desktop.core.schedulers import SchedulerName, config_for, validated_config
from sdxl_desktop.formats.json_files import read_json
from sdxl_desktop.library.openvino_graphs import read_graph
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.quantization_errors import QuantizationError

_COMPILE_CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "CACHE_DIR": ""}
_MODEL_INDEX_FILE = "model_index.json"
_OPTIONAL_PARTS = (Part.TEXT_ENCODER, Part.VAE_ENCODER)

Sample = dict[str, Any]
"""The UNet's inputs by name, as arrays."""


def record_samples(source: Path, calibration: Calibration, folder: Path, progress: Callable[[int], None]) -> list[Path]:
    """Generate the images of `calibration` with the checkpoint in `source`, except those that `folder` has already.

    Returns `calibration.samples` files, evenly spaced over all UNet calls of all images, each one sample
    (`read_sample`). `progress` is called for each UNet call. Raises QuantizationError if values become infinite or NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folders = [folder / f"{number:04}" for number in range(len(calibration.picture_prompts))]
    missing = [number for number, place in enumerate(folders) if not place.is_dir()]
    progress(calibration.steps * (len(folders) - len(missing)))
    pipe = _pipeline(source, calibration) if missing else None
    for number in missing:
        prompt = calibration.picture_prompts[number]
        _record_picture(pipe, prompt, calibration.seed + number, calibration, folders[number], progress)
    samples = sorted(file for place in folders for file in place.glob("*.npz"))
    chosen = np.linspace(0, len(samples) - 1, min(calibration.samples, len(samples))).round().astype(int)
    return [samples[place] for place in chosen]


def read_sample(file: Path) -> Sample:
    """Return the UNet's inputs of one call."""
    with np.load(file, allow_pickle=False) as kept:
        return dict(kept)


def _pipeline(source: Path, calibration: Calibration) -> Any:
    """Return optimum-intel's pipeline, built from the parts named here: its own loading of a folder would import any
    module named in the folder's model_index.json."""
    index = read_json(source / _MODEL_INDEX_FILE)
    pipe = OVStableDiffusionXLPipeline(
        scheduler=_scheduler(source, calibration.scheduler),
        **{part: _part_graph(source, part) for part in OPENVINO_PARTS},
        tokenizer=_tokenizer(source, "tokenizer"),
        tokenizer_2=_tokenizer(source, "tokenizer_2"),
        force_zeros_for_empty_prompt=bool(index.get("force_zeros_for_empty_prompt", True)),
        compile=False,
        ov_config=dict(_COMPILE_CONFIG),
        model_save_dir=source,  # each part's config.json is read from there
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _scheduler(source: Path, name: SchedulerName) -> Any:
    config = validated_config(read_json(source / "scheduler" / "scheduler_config.json"))
    return getattr(diffusers, name.class_name).from_config(config_for(name, config))


def _part_graph(source: Path, part: str) -> ov.Model | None:
    folder = source / part
    if part in _OPTIONAL_PARTS and not folder.is_dir():
        return None
    read_json(folder / "config.json")
    return read_graph(folder)


def _tokenizer(source: Path, name: str) -> Any:
    if name == "tokenizer" and not (source / Part.TEXT_ENCODER).is_dir():
        return None  # a refiner
    files = read_clip_tokenizer(source / name)
    return CLIPTokenizer(
        vocab=dict(files.vocabulary),
        merges=list(files.merges),
        model_max_length=files.model_max_length,
        added_tokens_decoder={
            number: AddedToken(mark.content, **mark.flags) for number, mark in files.added_tokens.items()
        },
        **{which: AddedToken(mark.content, **mark.flags) for which, mark in files.special_tokens.items()},
    )


def _record_picture(
    pipe: Any, prompt: str, seed: int, calibration: Calibration, place: Path, progress: Callable[[int], None]
) -> None:
    """Generate one image without decoding it; its samples are moved to `place` when all are recorded."""
    writing = place.with_name(".writing")
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir()
    with _recording_unet(pipe, writing, progress):
        latents = pipe(
            prompt=prompt,
            width=calibration.size.width,
            height=calibration.size.height,
            num_inference_steps=calibration.steps,
            guidance_scale=calibration.guidance_scale,
            generator=torch.Generator().manual_seed(seed),
            output_type="latent",
        ).images
    if not np.isfinite(np.asarray(latents)).all():
        raise QuantizationError(
            "The checkpoint cannot be calibrated.",
            why=f"Drawing {prompt[:60]!r} at {calibration.steps} steps and guidance {calibration.guidance_scale:g} "
            "gave numbers that are not finite.",
            next_step="Check that it draws good pictures at these settings first.",
        )
    writing.rename(place)


@contextlib.contextmanager
def _recording_unet(pipe: Any, folder: Path, progress: Callable[[int], None]) -> Iterator[None]:
    """Context in which the UNet's inputs are written to `folder` before each call."""
    pipe.unet.compile()
    request = pipe.unet.request
    ports = {port.get_any_name(): port for port in pipe.unet.model.inputs}
    calls = 0

    def look(inputs: dict[str, Any], **options: Any) -> Any:
        nonlocal calls
        np.savez(folder / f"{calls:04}.npz", **{name: _as_port_input(inputs[name], ports[name]) for name in ports})
        answer = request(inputs, **options)
        calls += 1
        progress(1)
        return answer

    pipe.unet.request = look
    try:
        yield
    finally:
        pipe.unet.request = request


def _as_port_input(value: Any, port: Any) -> Any:
    """Return `value` as the port takes it: an array of its dtype with at least as many axes."""
    array = np.array(value.detach().numpy() if isinstance(value, torch.Tensor) else value)
    rank = port.get_partial_shape().rank.get_length()
    return array.reshape([1] * (rank - array.ndim) + list(array.shape)).astype(port.get_element_type().to_dtype())
