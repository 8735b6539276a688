"""The OpenVINO engine: loads checkpoints, compiles their parts, encodes, denoises and decodes; caches what it can."""

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
from sdxl_desktop.core.errors import RequestError, SdxlDesktopError, needs_engine_restart
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
)
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.checkpoint_id import checkpoint_id
from sdxl_desktop.engine.compile_key import CompileTimes, shared_file_hashes
from sdxl_desktop.engine.device_times import timings_file
from sdxl_desktop.engine.edit_inputs import EditInputs
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.background_decode import (
    BackgroundDecoder,
    DecodedImage,
    OverlapRefused,
    PendingDecode,
)
from sdxl_desktop.engine.openvino.checkpoint_cache import CheckpointCache
from sdxl_desktop.engine.openvino.compiled_models import CompiledModels
from sdxl_desktop.engine.openvino.decode import decode_with_fallback, has_diverged
from sdxl_desktop.engine.openvino.generation_run import GenerationRun
from sdxl_desktop.engine.openvino.infer_requests import InferRequestCache
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, Interrupted
from sdxl_desktop.engine.openvino.latent_preview import PreviewMap
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.mapped_pages import MappedPageTrimmer
from sdxl_desktop.engine.openvino.memory_budget import MemoryBudget, resident_file_bytes
from sdxl_desktop.engine.openvino.part_compiler import Compiler, create_compiler
from sdxl_desktop.engine.openvino.prediction_replay import ReplayMismatchError
from sdxl_desktop.engine.openvino.prompt_cache import PromptCache
from sdxl_desktop.engine.openvino.run_preparation import RunCheckpoint, RunPreparation
from sdxl_desktop.engine.openvino.schedule_check import check_schedules
from sdxl_desktop.engine.openvino.workflow import DenoisedLatents, StepProgress, Workflow
from sdxl_desktop.imaging import watermark

log = logging.getLogger(__name__)

_REFINER_PARTS = (Part.TEXT_ENCODER_2, Part.UNET)
_RESTARTED_NOTE = (
    "The picture was drawn from the beginning: the checkpoint or the program has changed since it was paused."
)


class _Paused(Exception):
    """The user paused the run; caught once, by the engine."""

    def __init__(self, state: PausedRun) -> None:
        super().__init__()
        self.state = state


class OpenVinoEngine:
    """An `Engine` in this process. Not thread-safe."""

    def __init__(self, paths: AppPaths, budget: int | None = None, compiler: Compiler | None = None) -> None:
        """`budget` is the memory limit of this process in bytes; None: the machine's memory less a reserve. `compiler`
        may already be compiling ahead; None creates a new one."""
        self._interrupt = Interrupt()
        self._requests = InferRequestCache(
            compiler or create_compiler(paths),
            CompileTimes(paths.cache / "compile-times.json"),
            self._interrupt,
        )
        self._compiled_models = CompiledModels(self._requests, timings_file(paths))
        self._checkpoints = CheckpointCache(paths, self._interrupt)
        self._hashes = shared_file_hashes(paths.cache)
        self._page_trimmer = MappedPageTrimmer(resident_file_bytes)
        self._preparation = RunPreparation(
            self._compiled_models, PromptCache(paths.cache / "embeddings"), self._interrupt, MemoryBudget(budget)
        )

    @property
    def loaded(self) -> tuple[LoadedCheckpoint, ...]:
        """The checkpoints in memory."""
        return tuple(self._checkpoints.loaded)

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        """See `Engine.generate`."""
        self._interrupt.token = cancel
        try:
            # resolved once per run; a missing device is reported before minutes of loading
            run = GenerationRun(
                request, emit, self._compiled_models.resolve_devices(request.execution), pausing=pausing
            )
            self._page_trimmer.reset()
            with run.peak_memory.measure():
                finished = self._generate(run)
            emit(replace(finished, peak_bytes=run.peak_memory.bytes))
        except Interrupted:
            emit(RunCancelled())
        except _Paused as pause:
            emit(RunPaused(pause.state))
        except SdxlDesktopError as problem:
            if needs_engine_restart(problem):
                self._release_all()
            emit(RunFailed(problem))
        except Exception as problem:  # last resort: a run reports errors and never raises
            log.exception("A run failed unexpectedly")
            self._release_all()
            emit(RunFailed.unexpected(problem))

    def _release_all(self) -> None:
        """Release everything compiled and loaded, so that it is created again: after an inference failed for lack of
        memory or in a driver, the same request fails again at the same size."""
        self._compiled_models.release_all()
        self._checkpoints.keep_only(())

    def warm_up(
        self, checkpoint: Path, execution: Execution, speed: SpeedPreset, emit: Emit, cancel: CancelToken
    ) -> None:
        """See `Engine.warm_up`."""
        self._interrupt.token = cancel
        try:
            execution = self._compiled_models.resolve_devices(execution)
            loaded = self._checkpoints.load(checkpoint, Additions(), emit)
            self._checkpoints.keep_only((loaded,))
            for parts in ((Part.UNET, Part.VAE_DECODER), ENCODERS):
                self._compiled_models.compile_parts([(loaded, parts)], execution, speed.plan.step_caching, emit)
            loaded.pipe.release_graphs()
            keys = loaded.compile_keys(ENCODERS, execution)
            loaded.prompt_encoder.encode(Prompts(), tuple(keys.values()))
        except Interrupted:
            return
        except Exception:  # warming up is optional: the next run reports the problem
            log.warning("Warming up failed", exc_info=True)
            self._release_all()

    def devices(self) -> tuple[Device, ...]:
        return devices.available_devices()

    def close(self) -> None:
        self._release_all()

    def _generate(self, run: GenerationRun) -> RunFinished:
        request, watch = run.request, run.stopwatch
        edit_inputs = None if request.edit is None else EditInputs.prepare(request.edit, request.sampling.size)
        with watch.timing("load"):
            check_schedules(request)
            base, refiner = self._load(run)
        check_checkpoints(base, refiner, request)
        participants = [
            RunCheckpoint(base, run.base_parts),
            *([RunCheckpoint(refiner, _REFINER_PARTS, refining=True)] if refiner else []),
        ]
        run.content = _content(participants)
        workflow = self._create_workflow(run, participants, edit_inputs)
        with BackgroundDecoder(
            lambda one: self._decode(run, participants, one),
            lambda one, decoded: self._finish_picture(run, base, edit_inputs, one, decoded),
        ) as overlap:
            for index, seed in list(enumerate(request.sampling.seeds))[run.first_picture :]:
                if request.prompts_of(index) != run.prompts:
                    run.prompts = request.prompts_of(index)
                    workflow = self._create_workflow(run, participants, edit_inputs, overlap)
                latents = self._denoise(run, participants, workflow, index, seed, overlap)
                if has_diverged(latents.final) and self._discard_cached(run, participants, overlap):
                    workflow = self._create_workflow(run, participants, edit_inputs)
                    latents = self._denoise(run, participants, workflow, index, seed, overlap, from_beginning=True)
                pending = PendingDecode(index, seed, latents)
                with watch.timing("decode"):
                    overlap.finish()
                    if index + 1 < run.count and self._preparation.may_overlap(run, participants):
                        overlap.start(pending, self._decoder(run, participants, pending, _refuse_overlap))
                    else:
                        self._finish_picture(run, base, edit_inputs, pending, self._decode(run, participants, pending))
        return RunFinished(pictures=tuple(run.pictures), timings=watch.timings(), devices=run.execution_devices)

    def _create_workflow(
        self,
        run: GenerationRun,
        participants: Sequence[RunCheckpoint],
        edit_inputs: EditInputs | None,
        overlap: BackgroundDecoder | None = None,
    ) -> Workflow:
        """Compile the parts and encode `run.prompts`, after `overlap` has finished decoding the last picture."""
        if overlap is not None:
            with run.stopwatch.timing("decode"):
                overlap.finish()
        stage_inputs = self._preparation.prepare_stages(run, participants)
        with run.stopwatch.timing("encode"):
            return Workflow(
                run.request, stage_inputs[0], stage_inputs[1] if len(stage_inputs) > 1 else None, edit_inputs
            )

    def _discard_cached(
        self, run: GenerationRun, participants: Sequence[RunCheckpoint], overlap: BackgroundDecoder
    ) -> bool:
        """Discard cached files that may have made the latents diverge, so that they are created again. Return whether
        there were any."""
        with run.stopwatch.timing("decode"):
            overlap.finish()
        if renewed := self._preparation.discard_cached(run, participants):
            run.is_retry = True
        return renewed

    def _load(self, run: GenerationRun) -> tuple[LoadedCheckpoint, LoadedCheckpoint | None]:
        """Return (base, refiner); checkpoints that this run does not use are released first."""
        request = run.request
        wanted = [(request.checkpoint, request.additions)]
        if request.refine is not None:
            wanted.append((request.refine.checkpoint, Additions(embeddings=request.additions.embeddings)))
        taken = self._checkpoints.load_only(wanted, run.emit)
        return taken[0], taken[1] if len(taken) > 1 else None

    def _denoise(
        self,
        run: GenerationRun,
        participants: Sequence[RunCheckpoint],
        workflow: Workflow,
        index: int,
        seed: int,
        overlap: BackgroundDecoder,
        *,
        from_beginning: bool = False,
    ) -> DenoisedLatents:
        """Return the latents of picture `index`, continued where it was paused unless `from_beginning`."""
        base = participants[0].loaded
        paused = run.paused if index == run.first_picture and not from_beginning else None
        if paused is not None and paused.predictions is not None and paused.content != run.content:
            paused, run.notes = None, (*run.notes, _RESTARTED_NOTE)
        if run.is_pause_requested:
            raise _Paused(paused or PausedRun(picture=index))

        def on_step(step: StepProgress) -> None:
            self._on_step(run, base, index, step)
            overlap.finish_if_decoded()
            self._trim_mapped_pages(overlap)
            if run.is_pause_requested and step.pause is not None:
                raise _Paused(replace(step.pause(), picture=index, content=run.content))

        self._preparation.free_memory_to_denoise(run, participants)
        run.emit_phase(Phase.DENOISING, index)
        self._trim_mapped_pages(overlap)
        with run.stopwatch.timing("denoise"):
            try:
                return workflow.generate_latents(seed, on_step, paused)
            except ReplayMismatchError:
                run.notes = (*run.notes, _RESTARTED_NOTE)
                return workflow.generate_latents(seed, on_step)

    def _trim_mapped_pages(self, overlap: BackgroundDecoder) -> None:
        """Return mapped weight pages to the system, only between two inferences, while nothing runs in another
        thread."""
        if not overlap.is_pending and not self._requests.is_compiling:
            self._page_trimmer.trim_if_needed()

    def _decode(
        self, run: GenerationRun, participants: Sequence[RunCheckpoint], pending: PendingDecode
    ) -> DecodedImage:
        self._preparation.free_memory_to_decode(run, participants)
        run.emit_phase(Phase.DECODING, pending.index)
        return self._decoder(run, participants, pending, lambda: self._use_f32_decoder(run, participants[0].loaded))()

    def _decoder(
        self,
        run: GenerationRun,
        participants: Sequence[RunCheckpoint],
        pending: PendingDecode,
        use_f32_decoder: Callable[[], bool],
    ) -> Callable[[], DecodedImage]:
        """Return a function that decodes `pending` within the memory that is available now."""
        pipe, budget = participants[0].loaded.pipe, self._preparation.decode_budget(run, participants)
        return lambda: decode_with_fallback(pipe, pending.latents.final, use_f32_decoder, budget, self._interrupt.check)

    def _finish_picture(
        self,
        run: GenerationRun,
        base: LoadedCheckpoint,
        edit_inputs: EditInputs | None,
        pending: PendingDecode,
        decoded: DecodedImage,
    ) -> None:
        """Build the finished picture from the decoded pixels and emit it."""
        pixels, notes = decoded
        base.pipe.release_graphs()
        self._fit_preview_map(base, pending.latents.final, pixels)
        marked = run.request.output.watermark
        drawn = pixels if edit_inputs is not None and edit_inputs.mask is not None else None
        if edit_inputs is not None:
            pixels = edit_inputs.compose_result(pixels, add_watermark=marked)
        elif marked:
            pixels = watermark.embed(pixels)
        run.pictures.append(
            Picture(
                pixels=pixels,
                seed=pending.seed,
                index=pending.index,
                notes=(
                    *notes,
                    *(
                        (*base.notes_for(run.request.sampling.scheduler), *run.notes)
                        if pending.index == run.first_picture
                        else ()
                    ),
                    *run.take_retry_note(),
                ),
                latents=saved_latents(pending.latents, run.request, pending.seed),
                generated_pixels=drawn,
                checkpoint_id=checkpoint_id(run.request.checkpoint, self._hashes),
            )
        )
        run.emit(PictureFinished(run.pictures[-1]))

    def _on_step(self, run: GenerationRun, loaded: LoadedCheckpoint, index: int, step: StepProgress) -> None:
        self._interrupt.check()
        later = run.count - index - 1
        run.emit(
            Progress(
                phase=Phase.DENOISING,
                step=step.step,
                total=step.total,
                fraction=step.fraction,
                seconds_per_step=step.seconds_per_step,
                seconds_left=step.seconds_left
                + step.seconds_per_step * step.total * later
                + run.decode_seconds * (later + 1),
                detail="refiner" if step.is_refiner else "",
                picture=index,
                pictures=run.count,
            )
        )
        if run.request.execution.preview and (preview_map := self._preview_map(loaded)) is not None:
            run.emit(Preview(preview_map.pixels(step.pred_original_sample()), step.step))

    def _use_f32_decoder(self, run: GenerationRun, loaded: LoadedCheckpoint) -> bool:
        """Compile the VAE decoder in 32 bits, for this run and the next ones. Return False if this process already
        did."""
        decoder = [(loaded, (Part.VAE_DECODER,))]
        exact = loaded.needs_f32_decoder or run.execution.precision_on(run.execution.vae_device) == "f32"
        if exact and not self._compiled_models.discard(decoder, run.execution, run.step_caching):
            return False
        loaded.needs_f32_decoder = True
        self._compiled_models.compile_parts(decoder, run.execution, run.step_caching, run.emit)
        return True

    def _preview_map(self, loaded: LoadedCheckpoint) -> PreviewMap | None:
        """Return the checkpoint's own map, else the one fitted to its VAE's first picture, else SDXL's if it fits."""
        known = loaded.preview_map or PreviewMap.default()
        return known if len(known.matrix) == loaded.latent_channels else None

    def _fit_preview_map(self, loaded: LoadedCheckpoint, latents: torch.Tensor, pixels: Pixels) -> None:
        if loaded.preview_map is None:
            loaded.preview_map = PreviewMap.fit(latents[0].numpy(), pixels)
            loaded.preview_map.write(self._checkpoints.preview_file(loaded))


def _content(participants: Sequence[RunCheckpoint]) -> str:
    """Return an identifier of the networks of a run, with its LoRAs, embeddings and VAE."""
    parts = [sorted(one.loaded.content_ids.items()) for one in participants]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _refuse_overlap() -> bool:
    raise OverlapRefused


def check_checkpoints(base: LoadedCheckpoint, refiner: LoadedCheckpoint | None, request: GenerationRequest) -> None:
    """Raise RequestError if these checkpoints do not support the request."""
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


def saved_latents(latents: DenoisedLatents, request: GenerationRequest, seed: int) -> SavedLatents | None:
    """Return the latents that the request asks to save with a picture, or None."""
    if request.output.keep_latents == "none":
        return None
    final = latents.final[0].numpy().copy()
    return SavedLatents(
        final=final,
        predictions=latents.predictions,
        seed=seed,
        steps=request.sampling.steps,
        scheduler=request.sampling.scheduler,
        timesteps=request.sampling.timesteps,
        noise=request.sampling.noise,
        digest=hashlib.blake2b(final.tobytes(), digest_size=12).hexdigest(),
    )
