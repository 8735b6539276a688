"""Generate the same images with two checkpoints, each in its own process, and write a comparison.

Nothing heavy is imported here: the caller supplies a function that opens an engine, which runs in its own process, so
that measured memory is that checkpoint's alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.errors import CheckpointError, OutputError
from sdxl_desktop.core.events import (
    EngineEvent,
    Phase,
    PictureFinished,
    Pixels,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
)
from sdxl_desktop.core.parts import GRAPH, Part
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.formats.format_errors import DamagedFileError
from sdxl_desktop.library.import_record import read_import_record
from sdxl_desktop.library.quantize.comparison_report import Pair, contact_sheet, page
from sdxl_desktop.library.quantize.comparison_result import (
    CheckpointComparison,
    ComparedCheckpoint,
    PairDifference,
    difference,
)
from sdxl_desktop.library.quantize.quantization_errors import ComparisonCancelledError, ComparisonError
from sdxl_desktop.library.quantize.weight_precision import read_weight_precision
from sdxl_desktop.workers.jobs import CancelToken
from sdxl_desktop.workers.memory import MemoryWatch

_WORKING_PHASES = (Phase.ENCODING, Phase.DENOISING, Phase.DECODING)
PAGE_FILE = "comparison.html"


class ComparisonEngine(Protocol):
    """An engine with its own process; `engine.process.ProcessEngine` is one."""

    def generate(
        self, request: GenerationRequest, emit: Callable[[EngineEvent], None], cancel: CancelToken
    ) -> None: ...

    def close(self) -> None: ...

    @property
    def pid(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonProgress:
    """`checkpoint` generates prompt `number` of `total` (from 0, over both checkpoints); `progress` is its engine's."""

    checkpoint: str
    number: int
    total: int
    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class _CheckpointPictures:
    """The images of one checkpoint, by prompt and seed, and the measured time and memory."""

    pictures: tuple[tuple[Pixels, ...], ...]
    checkpoint: ComparedCheckpoint


def compare_checkpoints(
    first: Checkpoint,
    second: Checkpoint,
    request: GenerationRequest,
    prompts: Sequence[str],
    folder: Path,
    *,
    open_engine: Callable[[], ComparisonEngine],
    on_progress: Callable[[ComparisonProgress], None],
    cancel: CancelToken,
) -> CheckpointComparison:
    """Generate `prompts` with both checkpoints and the settings of `request`, `request.sampling.count` seeds of each,
    and write a contact sheet per prompt and a page into `folder`, which is created.

    Raises SdxlDesktopError: CheckpointError for checkpoints that cannot be compared, OutputError, engine errors,
    ComparisonCancelledError.
    """
    _check(first, second, request, prompts)
    _make_folder(folder)
    total = 2 * len(prompts)
    sides = [
        _draw_all(
            checkpoint,
            [_request_for(request, checkpoint, prompt) for prompt in prompts],
            open_engine,
            _numbered_progress(on_progress, checkpoint.name, place * len(prompts), total),
            cancel,
        )
        for place, checkpoint in enumerate((first, second))
    ]
    return _write_report(sides[0], sides[1], request, prompts, folder)


def _numbered_progress(
    show: Callable[[ComparisonProgress], None], name: str, before: int, total: int
) -> Callable[[int, Progress], None]:
    return lambda number, progress: show(
        ComparisonProgress(checkpoint=name, number=before + number, total=total, progress=progress)
    )


def _check(first: Checkpoint, second: Checkpoint, request: GenerationRequest, prompts: Sequence[str]) -> None:
    if not prompts:
        raise ComparisonError("There are no prompts to compare on.", next_step="Give at least one.")
    for checkpoint in (first, second):
        if checkpoint.kind is not CheckpointKind.BASE:
            raise CheckpointError(
                f"{checkpoint.name} does not draw from words alone, so it cannot be compared.",
                next_step="Choose checkpoints that do.",
            )
        checkpoint.check_size(request.sampling.size)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"The folder {folder} cannot be made.", why=f"{problem.strerror}.", next_step="Choose another folder."
        ) from problem


def _request_for(request: GenerationRequest, checkpoint: Checkpoint, prompt: str) -> GenerationRequest:
    return replace(
        request,
        checkpoint=checkpoint.folder,
        prompts=Prompts(prompt=prompt, negative_prompt=request.prompts.negative_prompt),
        execution=replace(request.execution, preview=False),
    )


def _draw_all(
    checkpoint: Checkpoint,
    requests: Sequence[GenerationRequest],
    open_engine: Callable[[], ComparisonEngine],
    show: Callable[[int, Progress], None],
    cancel: CancelToken,
) -> _CheckpointPictures:
    engine = open_engine()
    pictures, seconds = [], []
    try:
        with MemoryWatch(lambda: engine.pid) as memory:
            for number, request in enumerate(requests):
                finished = _generate(engine, request, number, show, memory, cancel)
                pictures.append(tuple(picture.pixels for picture in finished.pictures))
                seconds.append(finished.timings.denoise / (request.sampling.steps * request.sampling.count))
    finally:
        engine.close()
    return _CheckpointPictures(tuple(pictures), _compared_checkpoint(checkpoint, statistics.median(seconds), memory))


def _generate(
    engine: ComparisonEngine,
    request: GenerationRequest,
    number: int,
    show: Callable[[int, Progress], None],
    memory: MemoryWatch,
    cancel: CancelToken,
) -> RunFinished:
    last: list[RunFinished | RunCancelled | RunFailed] = []

    def hear(event: EngineEvent) -> None:
        match event:
            case Progress():
                memory.is_working = event.phase in _WORKING_PHASES
                show(number, event)
            case RunFinished() | RunCancelled() | RunFailed():
                memory.is_working = False
                last.append(event)
            case Preview() | PictureFinished() | RunPaused():
                pass

    engine.generate(request, hear, cancel)
    match last:
        case [RunFinished() as finished]:
            return finished
        case [RunFailed(error)]:
            raise error
    raise ComparisonCancelledError("The comparison was stopped.")


def _compared_checkpoint(checkpoint: Checkpoint, seconds_per_step: float, memory: MemoryWatch) -> ComparedCheckpoint:
    recorded = read_import_record(checkpoint.folder).get("weights")
    weights = recorded if isinstance(recorded, str) and recorded else _weight_format(checkpoint)
    return ComparedCheckpoint(
        name=checkpoint.name,
        title=checkpoint.title,
        folder=str(checkpoint.folder),
        weights=weights,
        bytes=sum(file.stat().st_size for file in checkpoint.folder.rglob("*") if file.is_file()),
        seconds_per_step=round(seconds_per_step, 5),
        memory_drawing=memory.peak_while_working,
        memory=memory.peak,
    )


def _weight_format(checkpoint: Checkpoint) -> str:
    """From the UNet's graph, for a checkpoint without a record."""
    try:
        return read_weight_precision(checkpoint.folder / Part.UNET / GRAPH).value
    except DamagedFileError:
        return ""


def _write_report(
    first: _CheckpointPictures,
    second: _CheckpointPictures,
    request: GenerationRequest,
    prompts: Sequence[str],
    folder: Path,
) -> CheckpointComparison:
    names = (first.checkpoint.name, second.checkpoint.name)
    sheets, found = [], []
    try:
        for number, prompt in enumerate(prompts):
            pairs = [
                Pair(seed, one, other, difference(one, other))
                for seed, one, other in zip(
                    request.sampling.seeds, first.pictures[number], second.pictures[number], strict=True
                )
            ]
            sheets.append(folder / f"sheet-{number + 1:02}.png")
            contact_sheet(prompt, names, pairs).save(sheets[-1])
            found += [_pair_difference(prompt, pair) for pair in pairs]
        comparison = CheckpointComparison(
            first=first.checkpoint,
            second=second.checkpoint,
            settings=_settings_text(request),
            request=_request_record(request),
            pairs=tuple(found),
            sheets=tuple(sheets),
            page=folder / PAGE_FILE,
        )
        (folder / PAGE_FILE).write_text(page(comparison, sheets), encoding="utf-8")
    except OSError as problem:
        raise OutputError(
            f"The comparison cannot be written to {folder}.",
            why=f"{problem.strerror or problem}.",
            next_step="Choose another folder.",
        ) from problem
    return comparison


def _pair_difference(prompt: str, pair: Pair) -> PairDifference:
    apart = pair.difference
    return PairDifference(
        prompt=prompt,
        seed=pair.seed,
        psnr=apart.psnr,
        mean=apart.mean,
        largest=apart.largest,
        mean_square=apart.mean_square,
    )


def _settings_text(request: GenerationRequest) -> str:
    sampling, execution = request.sampling, request.execution
    return (
        f"{str(sampling.size).replace('x', ' × ')}, {sampling.steps} steps, guidance {sampling.guidance_scale:g}, "
        f"{sampling.scheduler.label}, on {execution.device} at precision {execution.precision}."
    )


def _request_record(request: GenerationRequest) -> dict[str, object]:
    sampling, execution = request.sampling, request.execution
    return {
        "size": str(sampling.size),
        "steps": sampling.steps,
        "guidance_scale": sampling.guidance_scale,
        "scheduler": sampling.scheduler.value,
        "seeds": list(sampling.seeds),
        "device": execution.device,
        "precision": execution.precision,
    }
