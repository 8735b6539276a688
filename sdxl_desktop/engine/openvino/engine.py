"""The OpenVINO engine: loads a checkpoint, compiles its parts, encodes, denoises and decodes; keeps what it can."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SdxlDesktopError
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
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.engine.compile_key import CompileTimes
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.compiled import CompiledParts
from sdxl_desktop.engine.openvino.decode import decode_safely
from sdxl_desktop.engine.openvino.denoise import Step, denoise
from sdxl_desktop.engine.openvino.interrupt import Interrupt, Interrupted
from sdxl_desktop.engine.openvino.loaded import TEXT_TO_IMAGE, LoadedCheckpoint, stamp
from sdxl_desktop.engine.openvino.parts import Compiler, execution_device
from sdxl_desktop.engine.openvino.preview import PreviewMap
from sdxl_desktop.engine.openvino.prompts import Conditioning
from sdxl_desktop.engine.protocol import CancelToken, Emit


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

    @property
    def count(self) -> int:
        return self.request.sampling.count

    @property
    def decode_seconds(self) -> float:
        """What decoding a picture has taken so far on average; 0 before the first."""
        return self.watch.seconds["decode"] / len(self.pictures) if self.pictures else 0.0

    def tell(self, phase: Phase, index: int = 0) -> None:
        self.emit(Progress(phase=phase, picture=index, pictures=self.count))


class OpenVinoEngine:
    """An `Engine` in this process. Not for two threads at once."""

    def __init__(self, paths: AppPaths) -> None:
        self._paths = paths
        self._interrupt = Interrupt()
        self._compiled = CompiledParts(
            Compiler(paths.compiled), CompileTimes(paths.cache / "compile-times.json"), self._interrupt
        )
        self._loaded: LoadedCheckpoint | None = None

    def generate(self, request: GenerationRequest, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.generate`."""
        self._interrupt.token = cancel
        try:
            emit(self._draw(_Run(request, emit)))
        except Interrupted:
            emit(Cancelled())
        except SdxlDesktopError as problem:
            emit(Failed(problem))

    def warm(self, checkpoint: Path, execution: Execution, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.warm`."""
        self._interrupt.token = cancel
        try:
            loaded = self._load(checkpoint, emit)
            self._compile(loaded, execution, emit)
        except (Interrupted, SdxlDesktopError):
            return

    def devices(self) -> tuple[Device, ...]:
        return devices.available()

    def close(self) -> None:
        self._compiled.keep_only(())
        self._loaded = None

    def _draw(self, run: _Run) -> Finished:
        request, watch = run.request, run.watch
        devices.resolve(request.execution.device)  # a missing device is told before minutes of loading
        with watch.timing("load"):
            loaded = self._load(request.checkpoint, run.emit)
        loaded.check_size(request.sampling.size)
        with watch.timing("compile"):
            self._compile(loaded, request.execution, run.emit)
        run.tell(Phase.ENCODING)
        with watch.timing("encode"):
            conditioning = loaded.encoder.encode(request.prompts)
        for index, seed in enumerate(request.sampling.seeds):
            picture = self._picture(run, loaded, conditioning, index, seed)
            run.pictures.append(picture)
            run.emit(Drawn(picture))
        ran_on = {part: execution_device(getattr(loaded.pipe, part).request.compiled) for part in TEXT_TO_IMAGE}
        return Finished(pictures=tuple(run.pictures), timings=watch.timings(), devices=ran_on)

    def _load(self, folder: Path, emit: Emit) -> LoadedCheckpoint:
        if self._loaded is not None and self._loaded.folder == folder and self._loaded.stamp == stamp(folder):
            return self._loaded
        emit(Progress(phase=Phase.LOADING))
        self._interrupt.check()
        self._loaded = None
        self._loaded = LoadedCheckpoint.load(folder)
        self._loaded.preview_map = self._loaded.preview_map or PreviewMap.read(self._preview_file(self._loaded))
        return self._loaded

    def _compile(self, loaded: LoadedCheckpoint, execution: Execution, emit: Emit) -> None:
        """Put a compiled request under every part; raises DeviceError when there is no such device."""
        keys = loaded.keys(devices.resolve(execution.device), execution)
        self._compiled.keep_only(keys.values())
        self._compiled.ensure({key: getattr(loaded.pipe, part).model for part, key in keys.items()}, emit)
        for part, key in keys.items():
            getattr(loaded.pipe, part).request = self._compiled[key]

    def _picture(
        self,
        run: _Run,
        loaded: LoadedCheckpoint,
        conditioning: tuple[Conditioning, Conditioning],
        index: int,
        seed: int,
    ) -> Picture:
        run.tell(Phase.DENOISING, index)
        with run.watch.timing("denoise"):
            latents = denoise(
                loaded, run.request, seed, conditioning, lambda step: self._on_step(run, loaded, index, step)
            )
        run.tell(Phase.DECODING, index)
        with run.watch.timing("decode"):
            pixels, notes = decode_safely(loaded.pipe, latents, lambda: self._use_f32_decoder(run, loaded))
        self._learn_preview(loaded, latents, pixels)
        return Picture(pixels=pixels, seed=seed, index=index, notes=notes)

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
                seconds_left=step.seconds * step.total * (1 - step.fraction + later) + run.decode_seconds * (later + 1),
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
        self._compile(loaded, run.request.execution, run.emit)
        return True

    def _preview_file(self, loaded: LoadedCheckpoint) -> Path:
        return self._paths.cache / "previews" / f"{loaded.contents['vae_decoder']}.json"

    def _preview_map(self, loaded: LoadedCheckpoint) -> PreviewMap | None:
        """The checkpoint's own map, else the one learned from its VAE's first picture, else SDXL's where it fits."""
        known = loaded.preview_map or PreviewMap.sdxl()
        return known if len(known.matrix) == loaded.pipe.unet.config.out_channels else None

    def _learn_preview(self, loaded: LoadedCheckpoint, latents: torch.Tensor, pixels: Pixels) -> None:
        if loaded.preview_map is None:
            loaded.preview_map = PreviewMap.fitted(latents[0].numpy(), pixels)
            loaded.preview_map.write(self._preview_file(loaded))
