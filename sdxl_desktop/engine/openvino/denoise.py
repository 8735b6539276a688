"""The denoising loop of one stage, watched step by step; every workflow of SDXL goes through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch

from sdxl_desktop.core.schedulers import is_edm
from sdxl_desktop.engine.openvino.caching.call_schedule import required_features
from sdxl_desktop.engine.openvino.extensions.base import Extensions
from sdxl_desktop.engine.openvino.predict import Predictor
from sdxl_desktop.engine.openvino.preview import Floats, believed, believed_by_edm
from sdxl_desktop.engine.openvino.schedule import Schedule
from sdxl_desktop.engine.openvino.trajectory import Trajectory
from sdxl_desktop.engine.openvino.unet_call import CallKind, UNetCall

SMOOTHED_OVER = 8


@dataclass
class Pace:
    """Seconds a UNet call takes, by its kind: a mean of the last few of that kind, the first one (which warms up) left
    out if it can be."""

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[CallKind, list[float]] = field(default_factory=dict)

    def begin(self) -> None:
        self.started = time.perf_counter()

    def tick(self, kind: CallKind) -> None:
        self.seconds.setdefault(kind, []).append(time.perf_counter() - self.started)

    def mean(self, kind: CallKind) -> float:
        """Seconds a call takes; guessed from the others' while none of its kind was made, 0 before any was."""
        taken = self.seconds.get(kind)
        if taken is not None:
            recent = taken[1:][-SMOOTHED_OVER:] or taken
            return sum(recent) / len(recent)
        return max((self.mean(other) * kind.weight / other.weight for other in self.seconds), default=0.0)

    def total(self, calls: Mapping[CallKind, int]) -> float:
        """Seconds that so many calls of each kind take together."""
        return sum(self.mean(kind) * number for kind, number in calls.items())


@dataclass(frozen=True, slots=True)
class CompletedCall:
    """A UNet call of a stage is done: its kind, the step of the run that it completes, counted from 1, and `estimate`,
    which gives the latents float32 [C, h, w] that the call predicts for the end, when they are wanted."""

    kind: CallKind
    step: int
    estimate: Callable[[], Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One UNet working through one schedule in `calls`, which `extensions` may change. `offset` is how many steps
    earlier stages took."""

    predictor: Predictor
    extensions: Extensions
    schedule: Schedule
    calls: tuple[UNetCall, ...]
    offset: int = 0

    def step(self, call: UNetCall) -> int:
        """The step of the whole run, counted from 1, that `call` belongs to."""
        return self.offset + call.step


def denoise(
    stage: Stage,
    latents: torch.Tensor,
    source: torch.Generator,
    trajectory: Trajectory,
    pace: Pace,
    on_call: Callable[[CompletedCall], None],
) -> torch.Tensor:
    """Latents float32 [1, C, h, w] after the stage. `source` is the generator that made their noise; schedulers that
    draw noise of their own go on with it."""
    schedule, predictor = stage.schedule, stage.predictor
    scheduler = schedule.scheduler
    step_kwargs = schedule.step_kwargs(source)
    again = _asked_again(stage, trajectory)
    for call, timestep in zip(stage.calls, schedule.timesteps, strict=True):
        scaled = scheduler.scale_model_input(latents, timestep)
        step = stage.step(call)
        pace.begin()
        prediction, replayed = trajectory.take(step, partial(predictor, scaled, timestep, call))
        if call.number in again:
            predictor(scaled, timestep, call)
        if not replayed:
            pace.tick(call.kind)
        latents = scheduler.step(prediction, timestep, latents, **step_kwargs, return_dict=False)[0]
        latents = stage.extensions.after_step(latents, call)
        estimate = partial(_estimate, schedule, scaled, prediction, call.noise_level)
        on_call(CompletedCall(call.kind, step, estimate))
    return latents


def _estimate(schedule: Schedule, scaled: torch.Tensor, prediction: torch.Tensor, level: float) -> Floats:
    """The latents float32 [C, h, w] that a prediction believes in."""
    config = schedule.scheduler.config
    given, said, kind = scaled[0].numpy(), prediction[0].numpy(), config.prediction_type
    if is_edm(type(schedule.scheduler).__name__):
        return believed_by_edm(given, said, level, kind, float(config.sigma_data))
    return believed(given, said, level, kind)


def _asked_again(stage: Stage, trajectory: Trajectory) -> frozenset[int]:
    """The replayed calls that the UNet must be asked all the same, only for their deep features, which later calls that
    are not replayed make use of."""
    calls = stage.calls
    first = next((call.number for call in calls if not trajectory.replays(stage.step(call))), len(calls))
    return required_features(calls, first)
