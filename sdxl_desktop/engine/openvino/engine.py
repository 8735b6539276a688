"""The OpenVINO engine: loads a checkpoint, compiles its parts, encodes, denoises and decodes; keeps what it can."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import RequestError, SdxlDesktopError
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
    Timings,
)
from sdxl_desktop.core.latents import KeptLatents
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed, StepCaching
from sdxl_desktop.engine.compile_key import CompileTimes
from sdxl_desktop.engine.compiled_store import preferred_quota
from sdxl_desktop.engine.ground import PreparedGround
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.compiled import CompiledParts
from sdxl_desktop.engine.openvino.decode import decode_safely
from sdxl_desktop.engine.openvino.interrupt import Interrupt, Interrupted
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.parts import Compiler, execution_device
from sdxl_desktop.engine.openvino.placement import Placement
from sdxl_desktop.engine.openvino.preview import PreviewMap
from sdxl_desktop.engine.openvino.prompts import Conditioning
from sdxl_desktop.engine.openvino.shelf import Shelf
from sdxl_desktop.engine.openvino.workflow import Actor, Latents, Step, Workflow
from sdxl_desktop.engine.protocol import CancelToken, Emit
from sdxl_desktop.imaging import watermark

_ENCODERS = ("text_encoder", "text_encoder_2")


@dataclass
class Stopwatch:
    """Sums the seconds of each phase."""

    seconds: dict[str, float] = field(default_factory=lambda: asdict(Timings()))

    @contextmanager
    def timing(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - started

    def timings(self) -> Timings:
        return Timings(**{phase: round(seconds, 4) for phase, seconds in self.seconds.items()})


@dataclass
class _Run:
    """What one run carries from phase to phase."""

    request: GenerationRequest
    emit: Emit
    watch: Stopwatch = field(default_factory=Stopwatch)
    pictures: list[Picture] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def caching(self) -> StepCaching | None:
        return self.request.sampling.speed.plan.caching

    @property
    def count(self) -> int:
        return self.request.sampling.count

    @property
    def decode_seconds(self) -> float:
        """What decoding a picture has taken so far on average; 0 before the first."""
        return self.watch.seconds["decode"] / len(self.pictures) if self.pictures else 0.0

    @property
    def from_the_end(self) -> bool:
        """Whether the base has nothing to denoise because its latents are given."""
        return self.request.start is not None and self.request.start.step is None

    @property
    def base_parts(self) -> tuple[str, ...]:
        """The base's parts that this run needs."""
        if self.from_the_end:
            return ("vae_decoder",)
        return (*_ENCODERS, "unet", "vae_decoder", *(("vae_encoder",) if self.request.edit is not None else ()))

    def tell(self, phase: Phase, index: int = 0) -> None:
        self.emit(Progress(phase=phase, picture=index, pictures=self.count))


class OpenVinoEngine:
    """An `Engine` in this process. Not for two threads at once."""

    def __init__(self, paths: AppPaths) -> None:
        self._paths = paths
        self._interrupt = Interrupt()
        self._compiled = CompiledParts(
            Compiler(paths.compiled, partial(preferred_quota, paths.settings_file)),
            CompileTimes(paths.cache / "compile-times.json"),
            self._interrupt,
        )
        self._placement = Placement(self._compiled)
        self._shelf = Shelf(paths, self._interrupt)

    def generate(self, request: GenerationRequest, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.generate`."""
        self._interrupt.token = cancel
        try:
            emit(self._draw(_Run(request, emit)))
        except Interrupted:
            emit(Cancelled())
        except SdxlDesktopError as problem:
            emit(Failed(problem))

    def warm(self, checkpoint: Path, execution: Execution, speed: Speed, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.warm`."""
        self._interrupt.token = cancel
        try:
            loaded = self._shelf.take(checkpoint, Additions(), emit)
            self._shelf.keep_only((loaded,))
            wanted = [(loaded, (*_ENCODERS, "unet", "vae_decoder"))]
            self._placement.place(wanted, execution, speed.plan.caching, emit)
        except (Interrupted, SdxlDesktopError):
            return

    def devices(self) -> tuple[Device, ...]:
        return devices.available()

    def close(self) -> None:
        self._compiled.keep_only(())
        self._shelf.keep_only(())

    def _draw(self, run: _Run) -> Finished:
        request, watch = run.request, run.watch
        devices.resolve(request.execution.device)  # a missing device is told before minutes of loading
        ground = None if request.edit is None else PreparedGround.of(request.edit, request.sampling.size)
        with watch.timing("load"):
            base, refiner = self._load(run)
        check_fit(base, refiner, request)
        taking_part = [(base, run.base_parts), *([(refiner, ("text_encoder_2", "unet"))] if refiner else [])]
        with watch.timing("compile"):
            run.notes = self._placement.place(taking_part, request.execution, run.caching, run.emit)
        run.tell(Phase.ENCODING)
        with watch.timing("encode"):
            actors = [
                Actor(loaded, self._encode(loaded, request) if "unet" in parts else None)
                for loaded, parts in taking_part
            ]
            workflow = Workflow(request, actors[0], actors[1] if refiner else None, ground)
        for index, seed in enumerate(request.sampling.seeds):
            picture = self._picture(run, base, workflow, ground, index, seed)
            run.pictures.append(picture)
            run.emit(Drawn(picture))
        ran_on = {
            part: execution_device(getattr(base.pipe, part).request.compiled)
            for part in run.base_parts
            if part in base.contents
        }
        if refiner is not None:
            ran_on["refiner"] = execution_device(refiner.pipe.unet.request.compiled)
        return Finished(pictures=tuple(run.pictures), timings=watch.timings(), devices=ran_on)

    def _load(self, run: _Run) -> tuple[LoadedCheckpoint, LoadedCheckpoint | None]:
        """(base, refiner); what this run does not use is let go first."""
        request = run.request
        wanted = [(request.checkpoint, request.additions)]
        if request.refine is not None:
            wanted.append((request.refine.checkpoint, Additions(embeddings=request.additions.embeddings)))
        self._shelf.keep_wanted(wanted)
        taken = [self._shelf.take(folder, additions, run.emit) for folder, additions in wanted]
        return taken[0], taken[1] if len(taken) > 1 else None

    def _encode(self, loaded: LoadedCheckpoint, request: GenerationRequest) -> tuple[Conditioning, Conditioning]:
        device = devices.resolve(request.execution.device)
        compiled_as = tuple(loaded.keys(_ENCODERS, device, request.execution).values())
        return loaded.encoder.encode(request.prompts, compiled_as)

    def _picture(
        self,
        run: _Run,
        base: LoadedCheckpoint,
        workflow: Workflow,
        ground: PreparedGround | None,
        index: int,
        seed: int,
    ) -> Picture:
        run.tell(Phase.DENOISING, index)
        with run.watch.timing("denoise"):
            latents = workflow.draw(seed, lambda step: self._on_step(run, base, index, step))
        run.tell(Phase.DECODING, index)
        with run.watch.timing("decode"):
            pixels, notes = decode_safely(base.pipe, latents.final, lambda: self._use_f32_decoder(run, base))
            self._learn_preview(base, latents.final, pixels)
            marked = run.request.output.watermark
            drawn = pixels if ground is not None and ground.mask is not None else None
            if ground is not None:
                pixels = ground.finished(pixels, marked=marked)
            elif marked:
                pixels = watermark.embed(pixels)
        notes = (*notes, *((*base.notes, *run.notes) if index == 0 else ()))
        latents_kept = kept(latents, run.request, seed)
        return Picture(pixels=pixels, seed=seed, index=index, notes=notes, latents=latents_kept, drawn=drawn)

    def _on_step(self, run: _Run, loaded: LoadedCheckpoint, index: int, step: Step) -> None:
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

    def _use_f32_decoder(self, run: _Run, loaded: LoadedCheckpoint) -> bool:
        """Put the VAE decoder in 32 bits in place, for this run and the next; False when it was already."""
        if loaded.needs_f32_decoder or run.request.execution.precision == "f32":
            return False
        loaded.needs_f32_decoder = True
        self._placement.place([(loaded, ("vae_decoder",))], run.request.execution, run.caching, run.emit)
        return True

    def _preview_map(self, loaded: LoadedCheckpoint) -> PreviewMap | None:
        """The checkpoint's own map, else the one learned from its VAE's first picture, else SDXL's where it fits."""
        known = loaded.preview_map or PreviewMap.sdxl()
        return known if len(known.matrix) == loaded.latent_channels else None

    def _learn_preview(self, loaded: LoadedCheckpoint, latents: torch.Tensor, pixels: Pixels) -> None:
        if loaded.preview_map is None:
            loaded.preview_map = PreviewMap.fitted(latents[0].numpy(), pixels)
            loaded.preview_map.write(self._shelf.preview_file(loaded))


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
        digest=hashlib.blake2b(final.tobytes(), digest_size=12).hexdigest(),
    )
