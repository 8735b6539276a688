"""A deterministic engine without a checkpoint, for tests of everything around an engine."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import (
    Phase,
    Picture,
    PictureFinished,
    Pixels,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
    Timings,
)
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing


@dataclass
class FakeEngine:
    """Generates a gradient that depends on the seed, at `seconds_per_step`; fails with `error` if it is set."""

    seconds_per_step: float = 0.0
    error: SdxlDesktopError | None = None
    requests: list[GenerationRequest] = field(default_factory=list)

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        self.requests.append(request)
        sampling = request.sampling
        paused = None if pausing is None or pausing.paused is None else pausing.paused
        first = 0 if paused is None else paused.picture
        begun = 0 if paused is None else paused.step
        for phase in (Phase.LOADING, Phase.COMPILING, Phase.ENCODING):
            emit(Progress(phase=phase))
        if self.error is not None:
            emit(RunFailed(self.error))
            return
        pictures = []
        for index, seed in list(enumerate(sampling.seeds))[first:]:
            pixels = gradient(sampling.size, seed)
            for step in range(begun + 1 if index == first else 1, sampling.steps + 1):
                if cancel.is_set():
                    emit(RunCancelled())
                    return
                if pausing is not None and pausing.requested.is_set():
                    emit(RunPaused(_paused(request, index, step - 1)))
                    return
                time.sleep(self.seconds_per_step)
                emit(self._progress(request, step, index))
                if request.execution.preview:
                    emit(Preview(pixels[::8, ::8], step))
            emit(Progress(phase=Phase.DECODING, picture=index, pictures=sampling.count))
            pictures.append(Picture(pixels=pixels, seed=seed, index=index, latents=_latents(request, seed)))
            emit(PictureFinished(pictures[-1]))
        device = request.execution.device
        emit(RunFinished(pictures=tuple(pictures), timings=Timings(), devices={Part.UNET: device}))

    def _progress(self, request: GenerationRequest, step: int, index: int) -> Progress:
        total = request.sampling.steps
        return Progress(
            phase=Phase.DENOISING,
            step=step,
            total=total,
            fraction=step / total,
            seconds_per_step=self.seconds_per_step,
            seconds_left=(total - step) * self.seconds_per_step,
            picture=index,
            pictures=request.sampling.count,
        )

    def warm_up(
        self, checkpoint: Path, execution: Execution, speed: SpeedPreset, emit: Emit, cancel: CancelToken
    ) -> None:
        emit(Progress(phase=Phase.LOADING))

    def devices(self) -> tuple[Device, ...]:
        return (Device("CPU", "A pretend processor"),)

    def close(self) -> None:
        pass


def _paused(request: GenerationRequest, index: int, step: int) -> PausedRun:
    shape = (4, request.sampling.size.height // 8, request.sampling.size.width // 8)
    return PausedRun(
        picture=index,
        step=step,
        steps=request.sampling.steps if step else 0,
        predictions=np.zeros((step, *shape), np.float32) if step else None,
        latents=np.zeros(shape, np.float32) if step else None,
    )


def _latents(request: GenerationRequest, seed: int) -> SavedLatents | None:
    if request.output.keep_latents == "none":
        return None
    sampling = request.sampling
    final = np.full((4, sampling.size.height // 8, sampling.size.width // 8), seed % 7, np.float32)
    steps = np.stack([final] * sampling.steps) if request.output.keep_latents == "steps" else None
    return SavedLatents(
        final=final,
        predictions=steps,
        seed=seed,
        steps=sampling.steps,
        scheduler=sampling.scheduler,
        timesteps=sampling.timesteps,
        noise=sampling.noise,
        digest=str(seed),
    )


def gradient(size: Size, seed: int) -> Pixels:
    """Return a picture, uint8 [H, W, 3], never black, different for each seed."""
    y, x = np.mgrid[0 : size.height, 0 : size.width]
    hue = np.random.default_rng(seed).uniform(0.4, 1.0, 3)
    shade = 0.25 + 0.75 * (x / size.width + y / size.height) / 2
    return np.asarray(shade[..., None] * hue * 255, dtype=np.uint8)
