"""The operations that the library threads run; tests substitute a fake."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Phase
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.process.process_engine import ProcessEngine
from sdxl_desktop.library import cleanup
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.importer.import_preview import ImportPreview, preview_import
from sdxl_desktop.library.importer.import_progress import ImportProgress, PhasedProgress
from sdxl_desktop.library.importer.importing import ImportResult, import_model
from sdxl_desktop.library.inventory import folder_size
from sdxl_desktop.library.quantize.calibration_prompts import pick_evenly, read_prompts
from sdxl_desktop.library.quantize.compare_checkpoints import ComparisonEngine, ComparisonProgress, compare_checkpoints
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison
from sdxl_desktop.library.quantize.run_quantization import discard_quantization, run_quantization
from sdxl_desktop.library.scan import Library, read_checkpoint
from sdxl_desktop.session.checkpoint_jobs import (
    ComparisonJobSpec,
    QuantizationJobSpec,
    QuantizationResult,
    comparison_request,
    plan_quantization_job,
    unused_name,
)

ProgressCallback = Callable[[ImportProgress], None]


class LibraryService(Protocol):
    """The operations that run in the threads; they block, and raise SdxlDesktopError."""

    def resolve(
        self, query: str, library: Library, *, name: str | None, openvino: bool, cancel: threading.Event
    ) -> ImportPreview: ...

    def run_import(
        self,
        preview: ImportPreview,
        weights: WeightFormat | None,
        library: Library,
        on_progress: ProgressCallback,
        cancel: threading.Event,
        *,
        keep_download: bool,
    ) -> ImportResult: ...

    def clean_up_import(
        self, name: str, source: Path | None, weights: WeightFormat | None, library: Library
    ) -> None: ...

    def quantize(
        self, note: QuantizationJobSpec, library: Library, on_progress: ProgressCallback, cancel: threading.Event
    ) -> QuantizationResult: ...

    def clean_up_quantization(self, note: QuantizationJobSpec, library: Library) -> None: ...

    def compare(
        self, note: ComparisonJobSpec, on_progress: ProgressCallback, cancel: threading.Event
    ) -> CheckpointComparison: ...


class DefaultLibraryService:
    """The real operations. Comparisons generate with the engine from `open_engine`, which has its own process."""

    def __init__(self, open_engine: Callable[[], ComparisonEngine] | None = None) -> None:
        self._open_engine = open_engine or (lambda: ProcessEngine(AppPaths.from_environment()))

    def resolve(
        self, query: str, library: Library, *, name: str | None, openvino: bool, cancel: threading.Event
    ) -> ImportPreview:
        return preview_import(query, library, name=name, openvino=openvino, cancel=cancel)

    def run_import(
        self,
        preview: ImportPreview,
        weights: WeightFormat | None,
        library: Library,
        on_progress: ProgressCallback,
        cancel: threading.Event,
        *,
        keep_download: bool,
    ) -> ImportResult:
        return import_model(preview, weights, library, on_progress, cancel, keep_download=keep_download)

    def clean_up_import(self, name: str, source: Path | None, weights: WeightFormat | None, library: Library) -> None:
        cleanup.discard_job_files(name, source, weights, library)

    def quantize(
        self, note: QuantizationJobSpec, library: Library, on_progress: ProgressCallback, cancel: threading.Event
    ) -> QuantizationResult:
        quantization_plan = plan_quantization_job(note, library)
        progress = PhasedProgress(on_progress, [quantization_plan.forecast.seconds])
        progress.start_phase(0)
        made = run_quantization(
            quantization_plan,
            lambda at: progress.update(at.phase.value, at.part, at.done, at.total, at.fraction, use_estimate=True),
            cancel,
        )
        return QuantizationResult(
            checkpoint=made, bytes=folder_size(made.folder), bytes_before=folder_size(quantization_plan.source.folder)
        )

    def clean_up_quantization(self, note: QuantizationJobSpec, library: Library) -> None:
        with contextlib.suppress(SdxlDesktopError, OSError):  # its source is gone, so its files cannot be found
            discard_quantization(plan_quantization_job(note, library, name=unused_name(note.name, library.user_folder)))

    def compare(
        self, note: ComparisonJobSpec, on_progress: ProgressCallback, cancel: threading.Event
    ) -> CheckpointComparison:
        first, second = read_checkpoint(note.first), read_checkpoint(note.second)
        prompts = pick_evenly(read_prompts(), note.prompts)
        folder = note.report_folder / unused_name(note.title, note.report_folder)
        report_progress = _ComparisonProgressReporter(on_progress)
        try:
            return compare_checkpoints(
                first,
                second,
                comparison_request(first, note),
                prompts,
                folder,
                open_engine=self._open_engine,
                on_progress=report_progress,
                cancel=cancel,
            )
        except SdxlDesktopError:
            with contextlib.suppress(OSError):  # remove it if it is empty
                folder.rmdir()
            raise


class _ComparisonProgressReporter:
    """Reports the pictures that two engines generate as one job's progress."""

    def __init__(self, on_progress: ProgressCallback) -> None:
        self._progress = PhasedProgress(on_progress, [1.0])
        self._progress.start_phase(0)

    def __call__(self, at: ComparisonProgress) -> None:
        drawing = at.progress.phase in (Phase.ENCODING, Phase.DENOISING, Phase.DECODING)
        phase = f"drawing with {at.checkpoint}" if drawing else f"getting {at.checkpoint} ready"
        share = {Phase.DENOISING: at.progress.fraction or 0.0, Phase.DECODING: 1.0}.get(at.progress.phase, 0.0)
        share = (at.progress.picture + share) / max(1, at.progress.pictures)
        what = f"prompt {at.number + 1} of {at.total}"
        self._progress.update(phase, what, at.number, at.total, (at.number + share) / at.total)
