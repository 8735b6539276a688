"""The denoising loop of one stage, with a callback after each UNet call; used by every SDXL workflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch

from sdxl_desktop.core.schedulers import is_edm
from sdxl_desktop.engine.openvino.extensions.base import Extensions
from sdxl_desktop.engine.openvino.latent_preview import Floats, pred_original_sample, pred_original_sample_edm
from sdxl_desktop.engine.openvino.predict import NoisePredictor
from sdxl_desktop.engine.openvino.prediction_replay import PredictionReplay
from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule
from sdxl_desktop.engine.openvino.step_caching.call_schedule import required_features
from sdxl_desktop.engine.openvino.unet_call import CallKind, UNetCall

MEAN_OVER_CALLS = 8


@dataclass
class StepTimer:
    """Seconds per UNet call, by kind: the mean of the last few calls of that kind, without the first (warm-up) if
    possible."""

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[CallKind, list[float]] = field(default_factory=dict)

    def start(self) -> None:
        self.started = time.perf_counter()

    def stop(self, kind: CallKind) -> None:
        self.seconds.setdefault(kind, []).append(time.perf_counter() - self.started)

    def mean_seconds(self, kind: CallKind) -> float:
        """Return the seconds per call; estimated from other kinds until one of this kind was made, 0 before any
        call."""
        taken = self.seconds.get(kind)
        if taken is not None:
            recent = taken[1:][-MEAN_OVER_CALLS:] or taken
            return sum(recent) / len(recent)
        return max((self.mean_seconds(other) * kind.weight / other.weight for other in self.seconds), default=0.0)

    def total_seconds(self, calls: Mapping[CallKind, int]) -> float:
        """Return the total seconds for this number of calls of each kind."""
        return sum(self.mean_seconds(kind) * number for kind, number in calls.items())


@dataclass(frozen=True, slots=True)
class CompletedCall:
    """A completed UNet call: its kind, its step in the run, counted from 1, and `estimate`, which returns the predicted
    final latents, float32 [C, h, w], when called. `latents`, float32 [1, C, h, w], are those after the call, and None
    unless it was computed and ends its step: between two calls of a step, and in a replay, a run is not paused."""

    kind: CallKind
    step: int
    estimate: Callable[[], Floats]
    latents: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenoisingStage:
    """One UNet running one schedule in `calls`, which `extensions` may change. `step_offset` is the number of steps of
    earlier stages."""

    predictor: NoisePredictor
    extensions: Extensions
    schedule: StageSchedule
    calls: tuple[UNetCall, ...]
    step_offset: int = 0

    def step(self, call: UNetCall) -> int:
        """Return the step in the whole run, counted from 1, of `call`."""
        return self.step_offset + call.step


def denoise(
    stage: DenoisingStage,
    latents: torch.Tensor,
    generator: torch.Generator,
    trajectory: PredictionReplay,
    timer: StepTimer,
    on_call: Callable[[CompletedCall], None],
) -> torch.Tensor:
    """Return the latents float32 [1, C, h, w] after the stage. `generator` is the one that created their noise;
    schedulers that draw their own noise continue with it."""
    schedule, predictor = stage.schedule, stage.predictor
    scheduler = schedule.scheduler
    step_kwargs = schedule.extra_step_kwargs(generator)
    recomputed_calls = _calls_to_recompute(stage, trajectory)
    for call, timestep in zip(stage.calls, schedule.timesteps, strict=True):
        scaled = scheduler.scale_model_input(latents, timestep)
        step = stage.step(call)
        timer.start()
        prediction, replayed = trajectory.predict(step, partial(predictor, scaled, timestep, call))
        if call.number in recomputed_calls:
            predictor(scaled, timestep, call)
        if not replayed:
            timer.stop(call.kind)
        latents = scheduler.step(prediction, timestep, latents, **step_kwargs, return_dict=False)[0]
        latents = stage.extensions.after_step(latents, call)
        trajectory.check_latents(latents)
        pred_original_sample = partial(_pred_original_sample, schedule, scaled, prediction, call.sigma)
        ends_step = call.number + 1 == len(stage.calls) or stage.calls[call.number + 1].step != call.step
        kept = latents if ends_step and not replayed else None
        on_call(CompletedCall(call.kind, step, pred_original_sample, kept))
    return latents


def _pred_original_sample(
    schedule: StageSchedule, scaled: torch.Tensor, prediction: torch.Tensor, sigma: float
) -> Floats:
    """Return the final latents float32 [C, h, w] that a prediction implies."""
    config = schedule.scheduler.config
    model_input, model_output, kind = scaled[0].numpy(), prediction[0].numpy(), config.prediction_type
    if is_edm(type(schedule.scheduler).__name__):
        return pred_original_sample_edm(model_input, model_output, sigma, kind, float(config.sigma_data))
    return pred_original_sample(model_input, model_output, sigma, kind)


def _calls_to_recompute(stage: DenoisingStage, trajectory: PredictionReplay) -> frozenset[int]:
    """Return the replayed calls that must still be computed for their deep features, because later calls that are not
    replayed use them."""
    calls = stage.calls
    first = next((call.number for call in calls if not trajectory.replays(stage.step(call), call.number)), len(calls))
    return required_features(calls, first)
