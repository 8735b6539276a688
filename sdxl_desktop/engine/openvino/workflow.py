"""One run's way through its stages: from noise or a picture, through the base and perhaps a refiner, to latents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.latents import Floats
from sdxl_desktop.core.refine import Refine, RefineWay
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.ground import PreparedGround
from sdxl_desktop.engine.openvino import noise as noises
from sdxl_desktop.engine.openvino.denoise import CompletedCall, Pace, denoise
from sdxl_desktop.engine.openvino.encode import Posterior, to_binary, to_shares, to_tensor
from sdxl_desktop.engine.openvino.extensions.base import Extension, StageContext
from sdxl_desktop.engine.openvino.extensions.inpainting import ExtraChannels, InpaintingBlend
from sdxl_desktop.engine.openvino.inpaint import Blend, Blender, SoftBlend, shrunk_mask, soft_mask
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompts import Conditioning
from sdxl_desktop.engine.openvino.schedule import Schedule, Share, plan
from sdxl_desktop.engine.openvino.stage_plan import StagePlan
from sdxl_desktop.engine.openvino.trajectory import Trajectory
from sdxl_desktop.engine.openvino.unet_call import CallKind


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A checkpoint that takes part in a run, and what its encoders made of the prompts: (positive, negative), or None
    when it has nothing to denoise."""

    loaded: LoadedCheckpoint
    conditioning: tuple[Conditioning, Conditioning] | None


@dataclass(frozen=True, slots=True)
class Step:
    """A UNet call is done: `step` of `total` as the person counts them, `fraction` of the calls, `seconds` a step on
    average over the picture, `seconds_left` until its last.

    `estimate` gives the latents float32 [C, h, w] that the step believes in; `refining` says whose step it was.
    """

    step: int
    total: int
    fraction: float
    seconds: float
    seconds_left: float
    estimate: Callable[[], Floats]
    refining: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Latents:
    """Scaled latents float32 [1, C, h, w] of a finished picture, and the predictions that led there, if kept."""

    final: torch.Tensor
    predictions: Floats | None = None


@dataclass(slots=True)
class _Counter:
    """Turns calls of the stages into steps of the whole. `calls` counts all stages' by kind, `left` those to come."""

    on_step: Callable[[Step], None]
    pace: Pace = field(default_factory=Pace)
    steps: int = 0
    calls: Counter[CallKind] = field(default_factory=Counter)
    left: Counter[CallKind] = field(default_factory=Counter)

    def add(self, stage: StagePlan) -> None:
        self.steps += stage.schedule.steps
        kinds = [call.kind for call in stage.calls]
        self.calls.update(kinds)
        self.left.update(kinds)

    def listen(self, *, refining: bool) -> Callable[[CompletedCall], None]:
        def after(call: CompletedCall) -> None:
            self.left[call.kind] -= 1
            self.on_step(
                Step(
                    step=call.step,
                    total=self.steps,
                    fraction=1 - self.left.total() / self.calls.total(),
                    seconds=self.pace.total(self.calls) / self.steps,
                    seconds_left=self.pace.total(self.left),
                    estimate=call.estimate,
                    refining=refining,
                )
            )

        return after


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """How a stage begins: its latents, and how a mask that came with the picture takes part in it."""

    latents: torch.Tensor
    extra_channels: torch.Tensor | None = None
    blend: Blender | None = None

    def extensions(self, schedule: Schedule, *, last: bool) -> list[Extension]:
        """What only now can be made. `last` as for `InpaintingBlend`."""
        extensions: list[Extension] = []
        if self.extra_channels is not None:
            extensions.append(ExtraChannels(self.extra_channels))
        if self.blend is not None:
            extensions.append(InpaintingBlend(self.blend, schedule, last=last))
        return extensions


class Workflow:
    """What all pictures of one run have in common. Raises where checkpoints, picture and mask do not go together."""

    def __init__(
        self, request: GenerationRequest, base: Actor, refiner: Actor | None, ground: PreparedGround | None
    ) -> None:
        self._request = request
        self._base, self._refiner = base, refiner
        self._check(request.refine)
        size, factor = request.sampling.size, base.loaded.vae_factor
        self._shape = (1, base.loaded.latent_channels, size.height // factor, size.width // factor)
        self._posterior: Posterior | None = None
        self._masked: Posterior | None = None
        self._mask: torch.Tensor | None = None
        self._blender: type[Blend] | type[SoftBlend] = Blend
        if ground is not None and not self._from_the_end:
            self._look_at(ground)

    @property
    def _from_the_end(self) -> bool:
        return self._request.start is not None and self._request.start.step is None

    def _check(self, refine: Refine | None) -> None:
        if self._refiner is not None and self._refiner.loaded.latent_kind != self._base.loaded.latent_kind:
            raise CheckpointError(
                "The refiner does not fit the checkpoint.",
                why="Their VAEs make different latents.",
                next_step="Choose the refiner that belongs to this checkpoint.",
            )
        if refine is not None and refine.way is RefineWay.ENSEMBLE and self._from_the_end:
            raise RequestError(
                "A refiner cannot take over latents that are finished.",
                next_step=f"Let it retouch them ({RefineWay.IMG2IMG.value}), or go on from an earlier step.",
            )

    def _look_at(self, ground: PreparedGround) -> None:
        loaded = self._base.loaded
        picture = to_tensor(ground.picture)
        if ground.mask is not None:
            mask = to_binary(ground.mask)
            soft = ground.edit.soft and not loaded.sees_mask
            self._mask = (
                soft_mask(to_shares(ground.mask), *self._shape[2:]) if soft else shrunk_mask(mask, *self._shape[2:])
            )
            self._blender = SoftBlend if soft else Blend
            if loaded.sees_mask:
                self._masked = Posterior(loaded.pipe, picture * (mask < 0.5))
        self._posterior = Posterior(loaded.pipe, picture)

    def draw(self, seed: int, on_step: Callable[[Step], None]) -> Latents:
        """The latents of the picture of `seed`. Raises RequestError when a schedule leaves nothing to denoise."""
        request = self._request
        counter = _Counter(on_step)
        base, refiner = self._stages(seed)
        for planned in (base, refiner):
            if planned is not None:
                counter.add(planned)
        trajectory = Trajectory(request.start, keep=request.output.keep_latents == "steps")
        source = noises.generator(seed)
        begun = None
        if base is None:
            assert request.start is not None
            latents = torch.from_numpy(request.start.latents.final.copy())[None]
            self._check_shape(latents)
        else:
            begun = self._begin(base.schedule, source)
            last = refiner is None or not self._takes_over
            stage = base.begun(begun.extensions(base.schedule, last=last))
            listen = counter.listen(refining=False)
            latents = denoise(stage, begun.latents, source, trajectory, counter.pace, listen)
        if refiner is not None:
            offset = 0 if base is None else base.schedule.steps
            latents = self._refine(refiner, latents, begun, seed, offset, trajectory, counter)
        return Latents(latents, trajectory.predictions)

    def _check_shape(self, latents: torch.Tensor) -> None:
        if tuple(latents.shape) != self._shape:
            height, width = (side * self._base.loaded.vae_factor for side in latents.shape[2:])
            raise RequestError(
                f"The kept latents are of a picture of {width}x{height}, not of {self._request.sampling.size}.",
                next_step=f"Ask for {width}x{height}.",
            )

    # the base's stage

    @property
    def _takes_over(self) -> bool:
        refine = self._request.refine
        return refine is not None and refine.way is RefineWay.ENSEMBLE

    def _stages(self, seed: int) -> tuple[StagePlan | None, StagePlan | None]:
        """(the base's, the refiner's); None for one there is none of."""
        base, refiner = self._schedules(seed)
        return (
            None if base is None else self._plan(self._base, base),
            None if self._refiner is None or refiner is None else self._plan(self._refiner, refiner, refining=True),
        )

    def _plan(self, actor: Actor, schedule: Schedule, *, refining: bool = False) -> StagePlan:
        assert actor.conditioning is not None
        return StagePlan.of(
            StageContext(
                request=self._request,
                loaded=actor.loaded,
                conditioning=actor.conditioning,
                schedule=schedule,
                refining=refining,
            )
        )

    def _schedules(self, seed: int) -> tuple[Schedule | None, Schedule | None]:
        """(the base's, the refiner's); None for a stage there is none of."""
        sampling, edit, refine = self._request.sampling, self._request.edit, self._request.refine
        base = refiner = None
        if not self._from_the_end:
            base = plan(
                sampling.scheduler,
                sampling.noise.on(self._base.loaded.scheduler_config),
                seed=seed,
                steps=sampling.steps,
                timesteps=sampling.timesteps,
                share=Share(
                    strength=None if edit is None else edit.strength,
                    end=refine.handoff if refine is not None and self._takes_over else None,
                ),
            )
        if refine is not None and self._refiner is not None:
            share = Share(begin=refine.handoff) if self._takes_over else Share(strength=refine.strength)
            refiner = plan(
                sampling.scheduler,
                sampling.noise.on(self._refiner.loaded.scheduler_config),
                seed=seed,
                steps=refine.steps or sampling.steps,
                timesteps=sampling.timesteps if self._takes_over and refine.steps is None else (),
                share=share,
            )
        return base, refiner

    def _begin(self, schedule: Schedule, source: torch.Generator) -> _Begun:
        """Noise, or the picture made noisy. The generator is asked in the order in which diffusers asks it, so that
        the same seed means the same picture there and here."""
        scheduler, edit = schedule.scheduler, self._request.edit
        if edit is None or self._posterior is None:
            noise = noises.initial(self._shape, source, self._request.sampling)
            return _Begun(noise * scheduler.init_noise_sigma)
        from_noise = self._mask is not None and edit.strength == 1.0
        sees_mask = self._base.loaded.sees_mask
        clean = None if sees_mask and from_noise else self._posterior.sample(source)
        noise = noises.initial(self._shape, source, self._request.sampling)
        if from_noise:
            latents = noise * scheduler.init_noise_sigma
        else:
            assert clean is not None
            latents = scheduler.add_noise(clean, noise, schedule.timesteps[:1])
        if self._mask is None:
            return _Begun(latents)
        if self._masked is not None:
            return _Begun(latents, extra_channels=torch.cat([self._mask, self._masked.sample(source)], dim=1))
        assert clean is not None
        torch.randn(self._shape, generator=source)  # diffusers encodes the masked picture here and has no use for it
        return _Begun(latents, blend=self._blender(self._mask, clean, noise))

    # the refiner's stage

    def _refine(
        self,
        plan: StagePlan,
        latents: torch.Tensor,
        base: _Begun | None,
        seed: int,
        offset: int,
        trajectory: Trajectory,
        counter: _Counter,
    ) -> torch.Tensor:
        """A fresh generator of the same seed, as when diffusers' refiner pipeline is called with one. `base` is how the
        stage before began."""
        source = noises.generator(seed)
        schedule = plan.schedule
        begun = _Begun(latents, blend=None if base is None else base.blend)
        if not self._takes_over:
            clean, noise = latents, torch.randn(self._shape, generator=source)
            begun = _Begun(
                schedule.scheduler.add_noise(clean, noise, schedule.timesteps[:1]),
                blend=begun.blend if self._mask is None else self._blender(self._mask, clean, noise),
            )
        stage = plan.begun(begun.extensions(schedule, last=True), offset)
        return denoise(stage, begun.latents, source, trajectory, counter.pace, counter.listen(refining=True))
