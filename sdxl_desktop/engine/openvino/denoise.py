"""The denoising loop of one stage, watched step by step; every workflow of SDXL goes through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch

from sdxl_desktop.core.schedulers import is_edm
from sdxl_desktop.engine.openvino.caching.looks import Kind, reminders
from sdxl_desktop.engine.openvino.inpaint import Blender
from sdxl_desktop.engine.openvino.predict import Predictor
from sdxl_desktop.engine.openvino.preview import Floats, believed, believed_by_edm
from sdxl_desktop.engine.openvino.schedule import Schedule
from sdxl_desktop.engine.openvino.trajectory import Trajectory

SMOOTHED_OVER = 8


@dataclass
class Pace:
    """Seconds a UNet call takes, by what kind of look it is: a mean of the last few of that kind, the first one (which
    warms up) left out if it can be."""

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[Kind, list[float]] = field(default_factory=dict)

    def begin(self) -> None:
        self.started = time.perf_counter()

    def tick(self, kind: Kind) -> None:
        self.seconds.setdefault(kind, []).append(time.perf_counter() - self.started)

    def mean(self, kind: Kind) -> float:
        """Seconds a look takes; guessed from the others' while none of its kind was taken, 0 before any was."""
        taken = self.seconds.get(kind)
        if taken is not None:
            recent = taken[1:][-SMOOTHED_OVER:] or taken
            return sum(recent) / len(recent)
        return max((self.mean(other) * kind.weight / other.weight for other in self.seconds), default=0.0)

    def total(self, looks: Mapping[Kind, int]) -> float:
        """Seconds that so many looks of each kind take together."""
        return sum(self.mean(kind) * number for kind, number in looks.items())


@dataclass(frozen=True, slots=True)
class Call:
    """A UNet call of a stage is done: its number from 0, its kind, the step it completes counted from 1, and
    `estimate`, which gives the latents float32 [C, h, w] that the step believes in, when they are wanted."""

    call: int
    kind: Kind
    step: int
    replayed: bool
    estimate: Callable[[], Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One UNet working through one schedule. `offset` is how many steps earlier stages took; `last` is false when
    another stage takes the latents over while they are still noisy."""

    predictor: Predictor
    schedule: Schedule
    blend: Blender | None = None
    offset: int = 0
    last: bool = True

    def step_after(self, call: int) -> int:
        """The step of the whole run that is reached when call `call`, from 0, is done."""
        return self.offset + self.schedule.step_after(call)


def denoise(
    stage: Stage,
    latents: torch.Tensor,
    source: torch.Generator,
    trajectory: Trajectory,
    pace: Pace,
    on_call: Callable[[Call], None],
) -> torch.Tensor:
    """Latents float32 [1, C, h, w] after the stage. `source` is the generator that made their noise; schedulers that
    draw noise of their own go on with it."""
    schedule = stage.schedule
    scheduler = schedule.scheduler
    step_kwargs = schedule.step_kwargs(source)
    looks, levels = stage.predictor.looks, schedule.noise_levels
    again = _asked_again(stage, trajectory)
    for call, timestep in enumerate(schedule.timesteps):
        scaled = scheduler.scale_model_input(latents, timestep)
        step = stage.step_after(call)
        pace.begin()
        prediction, replayed = trajectory.take(step, partial(stage.predictor, scaled, timestep, call))
        if call in again:
            stage.predictor(scaled, timestep, call)
        if not replayed:
            pace.tick(looks[call].kind)
        latents = scheduler.step(prediction, timestep, latents, **step_kwargs, return_dict=False)[0]
        if stage.blend is not None:
            latents = stage.blend(latents, schedule, call, last=stage.last)
        estimate = partial(_estimate, schedule, scaled, prediction, float(levels[call]))
        on_call(Call(call, looks[call].kind, step, replayed, estimate))
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
    looks = stage.predictor.looks
    first = next((call for call in range(len(looks)) if not trajectory.replays(stage.step_after(call))), len(looks))
    return reminders(looks, first)
