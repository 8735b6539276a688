"""The OpenVINO engine: loads a checkpoint, compiles its parts, encodes, denoises and decodes; keeps what it can."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import RequestError, SdxlDesktopError, may_have_left_harm
from sdxl_desktop.core.events import (
    Cancelled,
    Drawn,
    Failed,
    Finished,
    Phase,
    Picture,
    Pixels,
    Preview,
    Progress,
)
from sdxl_desktop.core.latents import KeptLatents
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.checkpoint_id import checkpoint_id
from sdxl_desktop.engine.compile_key import CompileTimes, hashes_in
from sdxl_desktop.engine.device_times import table_file
from sdxl_desktop.engine.ground import PreparedGround
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.budget import Budget, files_resident
from sdxl_desktop.engine.openvino.compiled import CompiledParts
from sdxl_desktop.engine.openvino.conditioning_store import ConditioningStore
from sdxl_desktop.engine.openvino.decode import decode_safely, ran_away
from sdxl_desktop.engine.openvino.interrupt import Interrupt, Interrupted
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.mapped import Thinning
from sdxl_desktop.engine.openvino.overlap import Decoded, NotBeside, Overlap, Undecoded
from sdxl_desktop.engine.openvino.parts import Compiler, compiler_for
from sdxl_desktop.engine.openvino.placement import Placement
from sdxl_desktop.engine.openvino.precheck import check_schedules
from sdxl_desktop.engine.openvino.prepare import Preparation, RunCheckpoint
from sdxl_desktop.engine.openvino.preview import PreviewMap
from sdxl_desktop.engine.openvino.run import Run
from sdxl_desktop.engine.openvino.shelf import Shelf
from sdxl_desktop.engine.openvino.workflow import Latents, Step, Workflow
from sdxl_desktop.engine.protocol import CancelToken, Emit
from sdxl_desktop.imaging import watermark

log = logging.getLogger(__name__)

_REFINER_PARTS = (Part.TEXT_ENCODER_2, Part.UNET)


class OpenVinoEngine:
    """An `Engine` in this process. Not for two threads at once."""

    def __init__(self, paths: AppPaths, budget: int | None = None, compiler: Compiler | None = None) -> None:
        """`budget` in bytes is what this process may take in memory; None: what the machine has, less a reserve.
        `compiler` may have begun already; None: one of its own."""
        self._interrupt = Interrupt()
        self._compiled = CompiledParts(
            compiler or compiler_for(paths),
            CompileTimes(paths.cache / "compile-times.json"),
            self._interrupt,
        )
        self._placement = Placement(self._compiled, table_file(paths))
        self._shelf = Shelf(paths, self._interrupt)
        self._hashes = hashes_in(paths.cache)
        self._thinning = Thinning(files_resident)
        self._preparation = Preparation(
            self._placement, ConditioningStore(paths.cache / "embeddings"), self._interrupt, Budget(budget)
        )

    @property
    def loaded(self) -> tuple[LoadedCheckpoint, ...]:
        """The checkpoints that are in memory."""
        return tuple(self._shelf.loaded)

    def generate(self, request: GenerationRequest, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.generate`."""
        self._interrupt.token = cancel
        try:
            # once for the run; and a missing device is told before minutes of loading
            run = Run(request, emit, self._placement.resolved(request.execution))
            self._thinning.begin()
            with run.peak.watching():
                finished = self._draw(run)
            emit(replace(finished, peak_bytes=run.peak.bytes))
        except Interrupted:
            emit(Cancelled())
        except SdxlDesktopError as problem:
            if may_have_left_harm(problem):
                self._forget()
            emit(Failed(problem))
        except Exception as problem:  # the last net under a run
            log.exception("A run failed unexpectedly")
            self._forget()
            emit(Failed.unexpected(problem))

    def _forget(self) -> None:
        """Let everything go that was compiled and loaded, to make it anew: after an inference that failed, for want of
        memory or in a driver, the same request fails again at the same size."""
        self._placement.forget()
        self._shelf.keep_only(())

    def warm(self, checkpoint: Path, execution: Execution, speed: Speed, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.warm`."""
        self._interrupt.token = cancel
        try:
            execution = self._placement.resolved(execution)
            loaded = self._shelf.take(checkpoint, Additions(), emit)
            self._shelf.keep_only((loaded,))
            for parts in ((Part.UNET, Part.VAE_DECODER), ENCODERS):
                self._placement.place([(loaded, parts)], execution, speed.plan.caching, emit)
            loaded.pipe.shed()
            keys = loaded.keys(ENCODERS, execution)
            loaded.encoder.encode(Prompts(), tuple(keys.values()))
        except Interrupted:
            return
        except Exception:  # warming is a courtesy: the run that follows tells what is wrong
            log.warning("Warming up failed", exc_info=True)
            self._forget()

    def devices(self) -> tuple[Device, ...]:
        return devices.available()

    def close(self) -> None:
        self._forget()

    def _draw(self, run: Run) -> Finished:
        request, watch = run.request, run.watch
        ground = None if request.edit is None else PreparedGround.of(request.edit, request.sampling.size)
        with watch.timing("load"):
            check_schedules(request)
            base, refiner = self._load(run)
        check_fit(base, refiner, request)
        cast = [
            RunCheckpoint(base, run.base_parts),
            *([RunCheckpoint(refiner, _REFINER_PARTS, refining=True)] if refiner else []),
        ]
        workflow = self._workflow(run, cast, ground)
        with Overlap(
            lambda one: self._decode(run, cast, one), lambda one, decoded: self._finish(run, base, ground, one, decoded)
        ) as overlap:
            for index, seed in enumerate(request.sampling.seeds):
                latents = self._denoise(run, cast, workflow, index, seed, overlap)
                if ran_away(latents.final) and self._renewed(run, cast, overlap):
                    workflow = self._workflow(run, cast, ground)
                    latents = self._denoise(run, cast, workflow, index, seed, overlap)
                one = Undecoded(index, seed, latents)
                with watch.timing("decode"):
                    overlap.finish()
                    if index + 1 < run.count and self._preparation.may_overlap(run, cast):
                        overlap.begin(one, self._decoder(run, cast, one, _not_beside))
                    else:
                        self._finish(run, base, ground, one, self._decode(run, cast, one))
        return Finished(pictures=tuple(run.pictures), timings=watch.timings(), devices=run.ran_on)

    def _workflow(self, run: Run, cast: Sequence[RunCheckpoint], ground: PreparedGround | None) -> Workflow:
        actors = self._preparation.actors(run, cast)
        with run.watch.timing("encode"):
            return Workflow(run.request, actors[0], actors[1] if len(actors) > 1 else None, ground)

    def _renewed(self, run: Run, cast: Sequence[RunCheckpoint], overlap: Overlap) -> bool:
        """Whether something that was kept on disk may be why numbers ran away; it is let go, to be made anew."""
        with run.watch.timing("decode"):
            overlap.finish()
        if renewed := self._preparation.renew(run, cast):
            run.renewed = True
        return renewed

    def _load(self, run: Run) -> tuple[LoadedCheckpoint, LoadedCheckpoint | None]:
        """(base, refiner); what this run does not use is let go first."""
        request = run.request
        wanted = [(request.checkpoint, request.additions)]
        if request.refine is not None:
            wanted.append((request.refine.checkpoint, Additions(embeddings=request.additions.embeddings)))
        taken = self._shelf.take_only(wanted, run.emit)
        return taken[0], taken[1] if len(taken) > 1 else None

    def _denoise(
        self, run: Run, cast: Sequence[RunCheckpoint], workflow: Workflow, index: int, seed: int, overlap: Overlap
    ) -> Latents:
        base = cast[0].loaded

        def on_step(step: Step) -> None:
            self._on_step(run, base, index, step)
            overlap.finish_if_decoded()
            self._thin(overlap)

        self._preparation.room_to_denoise(run, cast)
        run.tell(Phase.DENOISING, index)
        self._thin(overlap)
        with run.watch.timing("denoise"):
            return workflow.draw(seed, on_step)

    def _thin(self, overlap: Overlap) -> None:
        """Give mapped weights back where nothing else is at work: between two inferences of this thread."""
        if not overlap.is_pending and not self._compiled.is_compiling:
            self._thinning.between_inferences()

    def _decode(self, run: Run, cast: Sequence[RunCheckpoint], one: Undecoded) -> Decoded:
        self._preparation.room_to_decode(run, cast)
        run.tell(Phase.DECODING, one.index)
        return self._decoder(run, cast, one, lambda: self._use_f32_decoder(run, cast[0].loaded))()

    def _decoder(
        self, run: Run, cast: Sequence[RunCheckpoint], one: Undecoded, use_f32_decoder: Callable[[], bool]
    ) -> Callable[[], Decoded]:
        """What decodes `one`, within the memory that is free now."""
        pipe, budget = cast[0].loaded.pipe, self._preparation.bytes_to_decode(run, cast)
        return lambda: decode_safely(pipe, one.latents.final, use_f32_decoder, budget, self._interrupt.check)

    def _finish(
        self, run: Run, base: LoadedCheckpoint, ground: PreparedGround | None, one: Undecoded, decoded: Decoded
    ) -> None:
        """Make a picture of what was decoded, and tell it."""
        pixels, notes = decoded
        base.pipe.shed()
        self._learn_preview(base, one.latents.final, pixels)
        marked = run.request.output.watermark
        drawn = pixels if ground is not None and ground.mask is not None else None
        if ground is not None:
            pixels = ground.finished(pixels, marked=marked)
        elif marked:
            pixels = watermark.embed(pixels)
        run.pictures.append(
            Picture(
                pixels=pixels,
                seed=one.seed,
                index=one.index,
                notes=(
                    *notes,
                    *((*base.notes_on(run.request.sampling.scheduler), *run.notes) if one.index == 0 else ()),
                    *run.renewal(),
                ),
                latents=kept(one.latents, run.request, one.seed),
                drawn=drawn,
                checkpoint_id=checkpoint_id(run.request.checkpoint, self._hashes),
            )
        )
        run.emit(Drawn(run.pictures[-1]))

    def _on_step(self, run: Run, loaded: LoadedCheckpoint, index: int, step: Step) -> None:
        self._interrupt.check()
        later = run.count - index - 1
        run.emit(
            Progress(
                phase=Phase.DENOISING,
                step=step.step,
                total=step.total,
                fraction=step.fraction,
                seconds_per_step=step.seconds,
                seconds_left=step.seconds_left + step.seconds * step.total * later + run.decode_seconds * (later + 1),
                detail="refiner" if step.refining else "",
                picture=index,
                pictures=run.count,
            )
        )
        if run.request.execution.preview and (preview_map := self._preview_map(loaded)) is not None:
            run.emit(Preview(preview_map.pixels(step.estimate()), step.step))

    def _use_f32_decoder(self, run: Run, loaded: LoadedCheckpoint) -> bool:
        """Put the VAE decoder in 32 bits in place, for this run and the next; False when this process compiled it so
        already."""
        decoder = [(loaded, (Part.VAE_DECODER,))]
        exact = loaded.needs_f32_decoder or run.execution.precision_on(run.execution.vae_device) == "f32"
        if exact and not self._placement.discard(decoder, run.execution, run.caching):
            return False
        loaded.needs_f32_decoder = True
        self._placement.place(decoder, run.execution, run.caching, run.emit)
        return True

    def _preview_map(self, loaded: LoadedCheckpoint) -> PreviewMap | None:
        """The checkpoint's own map, else the one learned from its VAE's first picture, else SDXL's where it fits."""
        known = loaded.preview_map or PreviewMap.sdxl()
        return known if len(known.matrix) == loaded.latent_channels else None

    def _learn_preview(self, loaded: LoadedCheckpoint, latents: torch.Tensor, pixels: Pixels) -> None:
        if loaded.preview_map is None:
            loaded.preview_map = PreviewMap.fitted(latents[0].numpy(), pixels)
            loaded.preview_map.write(self._shelf.preview_file(loaded))


def _not_beside() -> bool:
    raise NotBeside


def check_fit(base: LoadedCheckpoint, refiner: LoadedCheckpoint | None, request: GenerationRequest) -> None:
    """Raise RequestError when these checkpoints cannot do what is asked."""
    base.check_size(request.sampling.size)
    if refiner is not None and refiner.kind is not CheckpointKind.REFINER:
        raise RequestError(
            f"{refiner.folder.name} is not a refiner.",
            why="A refiner has the second text encoder only and is conditioned on an aesthetic score.",
            next_step="Choose a refiner checkpoint, or draw without one.",
        )
    if request.start is not None:
        return
    if base.kind is CheckpointKind.REFINER and request.edit is None:
        raise RequestError(
            f"{base.folder.name} is a refiner: it finishes pictures and cannot begin one.",
            next_step="Give it a picture, or choose a base checkpoint.",
        )
    if base.kind is CheckpointKind.INPAINT and (request.edit is None or request.edit.mask is None):
        raise RequestError(
            f"{base.folder.name} draws inside a mask only.",
            why="Its UNet was trained to see a mask and the picture around it.",
            next_step="Give a picture and a mask, or choose a base checkpoint.",
        )


def kept(latents: Latents, request: GenerationRequest, seed: int) -> KeptLatents | None:
    """What the request wants to keep of a picture's making."""
    if request.output.keep_latents == "none":
        return None
    final = latents.final[0].numpy().copy()
    return KeptLatents(
        final=final,
        predictions=latents.predictions,
        seed=seed,
        steps=request.sampling.steps,
        scheduler=request.sampling.scheduler,
        timesteps=request.sampling.timesteps,
        noise=request.sampling.noise,
        digest=hashlib.blake2b(final.tobytes(), digest_size=12).hexdigest(),
    )
