"""Draws pictures with the checkpoint as it is, and keeps what its UNet is given at each look."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from optimum.intel import OVStableDiffusionXLPipeline

from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.errors import QuantizationError

_CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "CACHE_DIR": ""}
_SPACING = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
_KARRAS = {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}
_SCHEDULERS: dict[SchedulerName, tuple[str, dict[str, Any]]] = {
    SchedulerName.EULER: ("EulerDiscreteScheduler", {}),
    SchedulerName.EULER_ANCESTRAL: ("EulerAncestralDiscreteScheduler", {}),
    SchedulerName.DDIM: ("DDIMScheduler", {}),
    SchedulerName.DPMPP_2M: ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    SchedulerName.DPMPP_2M_KARRAS: ("DPMSolverMultistepScheduler", _KARRAS),
    SchedulerName.DPMPP_SDE: ("DPMSolverSDEScheduler", {"noise_sampler_seed": 0}),
    SchedulerName.UNIPC: ("UniPCMultistepScheduler", {}),
    SchedulerName.HEUN: ("HeunDiscreteScheduler", {}),
    SchedulerName.LMS: ("LMSDiscreteScheduler", {}),
    SchedulerName.PNDM: ("PNDMScheduler", {"skip_prk_steps": True}),
    SchedulerName.LCM: ("LCMScheduler", {}),
}
"""diffusers' class and options for each; the engine, which has the same table, is not to be imported here."""

Sample = dict[str, Any]
"""The UNet's inputs by name, as arrays."""


def record(source: Path, calibration: Calibration, folder: Path, progress: Callable[[int], None]) -> list[Path]:
    """Draw `calibration.pictures` with the checkpoint in `source`, as far as `folder` does not have them from before.

    Returns `calibration.samples` files, evenly from all looks of all pictures, each one sample (`read_sample`).
    `progress` is told of each look. Raises QuantizationError when a picture runs away to infinity or NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [folder / f"{number:04}" for number in range(len(calibration.pictures))]
    missing = [number for number, place in enumerate(wanted) if not place.is_dir()]
    progress(calibration.steps * (len(wanted) - len(missing)))
    pipe = _pipeline(source, calibration) if missing else None
    for number in missing:
        prompt = calibration.pictures[number]
        _record_picture(pipe, prompt, calibration.seed + number, calibration, wanted[number], progress)
    looks = sorted(file for place in wanted for file in place.glob("*.npz"))
    chosen = np.linspace(0, len(looks) - 1, min(calibration.samples, len(looks))).round().astype(int)
    return [looks[place] for place in chosen]


def read_sample(file: Path) -> Sample:
    """The UNet's inputs at one look."""
    with np.load(file, allow_pickle=False) as kept:
        return dict(kept)


def _pipeline(source: Path, calibration: Calibration) -> Any:
    pipe = OVStableDiffusionXLPipeline.from_pretrained(
        str(source), export=False, compile=False, ov_config=dict(_CONFIG)
    )
    name, options = _SCHEDULERS[calibration.scheduler]
    schedule = {key: value for key, value in pipe.scheduler.config.items() if key not in _SPACING}
    pipe.scheduler = getattr(diffusers, name).from_config(schedule, **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _record_picture(
    pipe: Any, prompt: str, seed: int, calibration: Calibration, place: Path, progress: Callable[[int], None]
) -> None:
    """Draw one picture, without decoding it; its looks come to `place` when all are there."""
    writing = place.with_name(".writing")
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir()
    with _recorder(pipe, writing, progress):
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
def _recorder(pipe: Any, folder: Path, progress: Callable[[int], None]) -> Iterator[None]:
    """Within it, what the UNet is given is written to `folder` before it is computed."""
    pipe.unet.compile()
    request = pipe.unet.request
    ports = {port.get_any_name(): port for port in pipe.unet.model.inputs}
    looks = 0

    def look(inputs: dict[str, Any], **options: Any) -> Any:
        nonlocal looks
        np.savez(folder / f"{looks:04}.npz", **{name: _as_given(inputs[name], ports[name]) for name in ports})
        answer = request(inputs, **options)
        looks += 1
        progress(1)
        return answer

    pipe.unet.request = look
    try:
        yield
    finally:
        pipe.unet.request = request


def _as_given(value: Any, port: Any) -> Any:
    """`value` as the port takes it: an array of its type, at least as many axes as it has."""
    array = np.array(value.detach().numpy() if isinstance(value, torch.Tensor) else value)
    rank = port.get_partial_shape().rank.get_length()
    return array.reshape([1] * (rank - array.ndim) + list(array.shape)).astype(port.get_element_type().to_dtype())
