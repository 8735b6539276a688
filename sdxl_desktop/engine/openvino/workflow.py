"""Runs the stages of a run: from noise or a picture, through the base and an optional refiner, to final latents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.latents import Floats
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.edit_inputs import EditInputs
from sdxl_desktop.engine.openvino import latent_noise as noises
from sdxl_desktop.engine.openvino.denoise import CompletedCall, StepTimer, denoise
from sdxl_desktop.engine.openvino.encode import (
    VaePosterior,
    image_to_tensor,
    mask_to_binary_tensor,
    mask_to_soft_tensor,
)
from sdxl_desktop.engine.openvino.extensions.base import Extension, StageContext
from sdxl_desktop.engine.openvino.extensions.inpainting import ExtraChannels, InpaintingBlend
from sdxl_desktop.engine.openvino.latent_blending import (
    BinaryMaskBlend,
    LatentBlend,
    SoftMaskBlend,
    binary_latent_mask,
    soft_latent_mask,
)
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prediction_replay import PredictionReplay
from sdxl_desktop.engine.openvino.prompt_encoder import PromptConditioning
from sdxl_desktop.engine.openvino.stage_plan import StagePlan
from sdxl_desktop.engine.openvino.stage_schedule import ScheduleRange, StageSchedule, plan_schedule
from sdxl_desktop.engine.openvino.unet_call import CallKind


@dataclass(frozen=True, slots=True, eq=False)
class StageInputs:
    """A checkpoint of a run and its prompt conditioning (positive, negative); None if it does not denoise."""

    loaded: LoadedCheckpoint
    conditioning: tuple[PromptConditioning, PromptConditioning] | None


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Progress after a UNet call: `step` of `total` as users count them, `fraction` of the calls done, average
    `seconds_per_step` of this picture, `seconds_left` until its last step.

    `pred_original_sample` returns the predicted final latents, float32 [C, h, w]; `is_refiner` is whether the refiner
    made the step. `pause` returns the state from which the picture can be continued; None where it cannot be paused.
    """

    step: int
    total: int
    fraction: float
    seconds_per_step: float
    seconds_left: float
    pred_original_sample: Callable[[], Floats]
    is_refiner: bool = False
    pause: Callable[[], PausedRun] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DenoisedLatents:
    """Scaled final latents float32 [1, C, h, w] of a picture, and the predictions that produced them, if recorded."""

    final: torch.Tensor
    predictions: Floats | None = None


@dataclass(slots=True)
class _StepCounter:
    """Converts UNet calls of the stages to steps of the run. `calls` counts the calls of all stages by kind,
    `remaining_calls` those still to come."""

    on_step: Callable[[StepProgress], None]
    trajectory: PredictionReplay
    timer: StepTimer = field(default_factory=StepTimer)
    steps: int = 0
    calls: Counter[CallKind] = field(default_factory=Counter)
    remaining_calls: Counter[CallKind] = field(default_factory=Counter)

    def add(self, stage: StagePlan) -> None:
        self.steps += stage.schedule.steps
        kinds = [call.kind for call in stage.calls]
        self.calls.update(kinds)
        self.remaining_calls.update(kinds)

    def callback(self, *, is_refiner: bool) -> Callable[[CompletedCall], None]:
        def after(call: CompletedCall) -> None:
            self.remaining_calls[call.kind] -= 1
            self.on_step(
                StepProgress(
                    step=call.step,
                    total=self.steps,
                    fraction=1 - self.remaining_calls.total() / self.calls.total(),
                    seconds_per_step=self.timer.total_seconds(self.calls) / self.steps,
                    seconds_left=self.timer.total_seconds(self.remaining_calls),
                    pred_original_sample=call.estimate,
                    is_refiner=is_refiner,
                    pause=None if call.latents is None else partial(self._paused, call.step, call.latents),
                )
            )

        return after

    def _paused(self, step: int, latents: torch.Tensor) -> PausedRun:
        return PausedRun(
            step=step,
            steps=self.steps,
            predictions=self.trajectory.predictions,
            latents=latents[0].numpy().copy(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _InitialLatents:
    """The initial latents of a stage, and how the picture's mask is applied during it."""

    latents: torch.Tensor
    extra_channels: torch.Tensor | None = None
    latent_blend: LatentBlend | None = None

    def extensions(self, schedule: StageSchedule, *, last: bool) -> list[Extension]:
        """Return the extensions that need the initial latents. `last` is as for `InpaintingBlend`."""
        extensions: list[Extension] = []
        if self.extra_channels is not None:
            extensions.append(ExtraChannels(self.extra_channels))
        if self.latent_blend is not None:
            extensions.append(InpaintingBlend(self.latent_blend, schedule, last=last))
        return extensions


class Workflow:
    """The state shared by all pictures of a run. Raises if checkpoints, picture and mask are incompatible."""

    def __init__(
        self, request: GenerationRequest, base: StageInputs, refiner: StageInputs | None, edit_inputs: EditInputs | None
    ) -> None:
        self._request = request
        self._base, self._refiner = base, refiner
        self._check(request.refine)
        size, factor = request.sampling.size, base.loaded.vae_scale_factor
        self._shape = (1, base.loaded.latent_channels, size.height // factor, size.width // factor)
        self._image_posterior: VaePosterior | None = None
        self._masked_image_posterior: VaePosterior | None = None
        self._mask: torch.Tensor | None = None
        self._blend_class: type[BinaryMaskBlend] | type[SoftMaskBlend] = BinaryMaskBlend
        if edit_inputs is not None and not self._skips_base:
            self._encode_edit_inputs(edit_inputs)

    @property
    def _skips_base(self) -> bool:
        return self._request.start is not None and self._request.start.step is None

    def _check(self, refine: RefinerParameters | None) -> None:
        if self._refiner is not None and self._refiner.loaded.latent_format != self._base.loaded.latent_format:
            raise CheckpointError(
                "The refiner does not fit the checkpoint.",
                why="Their VAEs make different latents.",
                next_step="Choose the refiner that belongs to this checkpoint.",
            )
        if refine is not None and refine.way is RefinerMode.ENSEMBLE and self._skips_base:
            raise RequestError(
                "A refiner cannot take over latents that are finished.",
                next_step=f"Let it retouch them ({RefinerMode.IMG2IMG.value}), or go on from an earlier step.",
            )

    def _encode_edit_inputs(self, edit_inputs: EditInputs) -> None:
        loaded = self._base.loaded
        picture = image_to_tensor(edit_inputs.picture)
        if edit_inputs.mask is not None:
            mask = mask_to_binary_tensor(edit_inputs.mask)
            soft = edit_inputs.edit.soft and not loaded.has_inpainting_unet
            self._mask = (
                soft_latent_mask(mask_to_soft_tensor(edit_inputs.mask), *self._shape[2:])
                if soft
                else binary_latent_mask(mask, *self._shape[2:])
            )
            self._blend_class = SoftMaskBlend if soft else BinaryMaskBlend
            if loaded.has_inpainting_unet:
                self._masked_image_posterior = VaePosterior(loaded.pipe, picture * (mask < 0.5))
        self._image_posterior = VaePosterior(loaded.pipe, picture)

    def generate_latents(
        self, seed: int, on_step: Callable[[StepProgress], None], paused: PausedRun | None = None
    ) -> DenoisedLatents:
        """Return the latents of the picture for `seed`, continued where it was `paused`. Raises RequestError if a
        schedule leaves no step to denoise, and ReplayMismatchError if it cannot be continued exactly."""
        request = self._request
        trajectory = PredictionReplay(request.start, paused)
        counter = _StepCounter(on_step, trajectory)
        base, refiner = self._stages(seed)
        for planned in (base, refiner):
            if planned is not None:
                counter.add(planned)
        generator = noises.seeded_generator(seed)
        initial = None
        if base is None:
            assert request.start is not None
            latents = torch.from_numpy(request.start.latents.final.copy())[None]
            self._check_shape(latents)
        else:
            initial = self._prepare_latents(base.schedule, generator)
            last = refiner is None or not self._is_ensemble
            stage = base.create_stage(initial.extensions(base.schedule, last=last))
            listen = counter.callback(is_refiner=False)
            latents = denoise(stage, initial.latents, generator, trajectory, counter.timer, listen)
        if refiner is not None:
            offset = 0 if base is None else base.schedule.steps
            latents = self._refine(refiner, latents, initial, seed, offset, trajectory, counter)
        has_steps = base is not None or refiner is not None
        keep = request.output.keep_latents == "steps" and has_steps
        return DenoisedLatents(latents, trajectory.predictions if keep else None)

    def _check_shape(self, latents: torch.Tensor) -> None:
        if tuple(latents.shape) != self._shape:
            height, width = (side * self._base.loaded.vae_scale_factor for side in latents.shape[2:])
            raise RequestError(
                f"The kept latents are of a picture of {width}x{height}, not of {self._request.sampling.size}.",
                next_step=f"Ask for {width}x{height}.",
            )

    # the base's stage

    @property
    def _is_ensemble(self) -> bool:
        refine = self._request.refine
        return refine is not None and refine.way is RefinerMode.ENSEMBLE

    def _stages(self, seed: int) -> tuple[StagePlan | None, StagePlan | None]:
        """Return the plans (base, refiner); None for a missing stage."""
        base, refiner = self._schedules(seed)
        return (
            None if base is None else self._plan(self._base, base),
            None if self._refiner is None or refiner is None else self._plan(self._refiner, refiner, refining=True),
        )

    def _plan(self, actor: StageInputs, schedule: StageSchedule, *, refining: bool = False) -> StagePlan:
        assert actor.conditioning is not None
        return StagePlan.create(
            StageContext(
                request=self._request,
                loaded=actor.loaded,
                conditioning=actor.conditioning,
                schedule=schedule,
                refining=refining,
            )
        )

    def _schedules(self, seed: int) -> tuple[StageSchedule | None, StageSchedule | None]:
        """Return the schedules (base, refiner); None for a missing stage."""
        sampling, edit, refine = self._request.sampling, self._request.edit, self._request.refine
        base = refiner = None
        if not self._skips_base:
            base = plan_schedule(
                sampling.scheduler,
                sampling.noise.apply_to(self._base.loaded.scheduler_config),
                seed=seed,
                steps=sampling.steps,
                timesteps=sampling.timesteps,
                schedule_range=ScheduleRange(
                    strength=None if edit is None else edit.strength,
                    denoising_end=refine.handoff if refine is not None and self._is_ensemble else None,
                ),
            )
        if refine is not None and self._refiner is not None:
            share = (
                ScheduleRange(denoising_start=refine.handoff)
                if self._is_ensemble
                else ScheduleRange(strength=refine.strength)
            )
            refiner = plan_schedule(
                sampling.scheduler,
                sampling.noise.apply_to(self._refiner.loaded.scheduler_config),
                seed=seed,
                steps=refine.steps or sampling.steps,
                timesteps=sampling.timesteps if self._is_ensemble and refine.steps is None else (),
                schedule_range=share,
            )
        return base, refiner

    def _prepare_latents(self, schedule: StageSchedule, generator: torch.Generator) -> _InitialLatents:
        """Return noise, or the picture with noise added. Random numbers are drawn in the same order as in diffusers, so
        that a seed gives the same picture in both."""
        scheduler, edit = schedule.scheduler, self._request.edit
        if edit is None or self._image_posterior is None:
            noise = noises.initial_noise(self._shape, generator, self._request.sampling)
            return _InitialLatents(noise * scheduler.init_noise_sigma)
        from_noise = self._mask is not None and edit.strength == 1.0
        sees_mask = self._base.loaded.has_inpainting_unet
        image_latents = None if sees_mask and from_noise else self._image_posterior.sample(generator)
        noise = noises.initial_noise(self._shape, generator, self._request.sampling)
        if from_noise:
            latents = noise * scheduler.init_noise_sigma
        else:
            assert image_latents is not None
            latents = scheduler.add_noise(image_latents, noise, schedule.timesteps[:1])
        if self._mask is None:
            return _InitialLatents(latents)
        if self._masked_image_posterior is not None:
            return _InitialLatents(
                latents, extra_channels=torch.cat([self._mask, self._masked_image_posterior.sample(generator)], dim=1)
            )
        assert image_latents is not None
        torch.randn(self._shape, generator=generator)  # diffusers encodes the masked picture here without using it
        return _InitialLatents(latents, latent_blend=self._blend_class(self._mask, image_latents, noise))

    # the refiner's stage

    def _refine(
        self,
        plan: StagePlan,
        latents: torch.Tensor,
        base: _InitialLatents | None,
        seed: int,
        offset: int,
        trajectory: PredictionReplay,
        counter: _StepCounter,
    ) -> torch.Tensor:
        """Denoise the refiner's stage. Uses a new generator of the same seed, as when diffusers' refiner pipeline is
        called with one. `base` holds the initial latents of the base's stage."""
        generator = noises.seeded_generator(seed)
        schedule = plan.schedule
        begun = _InitialLatents(latents, latent_blend=None if base is None else base.latent_blend)
        if not self._is_ensemble:
            image_latents, noise = latents, torch.randn(self._shape, generator=generator)
            begun = _InitialLatents(
                schedule.scheduler.add_noise(image_latents, noise, schedule.timesteps[:1]),
                latent_blend=begun.latent_blend
                if self._mask is None
                else self._blend_class(self._mask, image_latents, noise),
            )
        stage = plan.create_stage(begun.extensions(schedule, last=True), offset)
        return denoise(stage, begun.latents, generator, trajectory, counter.timer, counter.callback(is_refiner=True))
