"""Quantizing a checkpoint and comparing two: from the button to the dialog, the job and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import assert_never

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import QuantizationPlan
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.session.checkpoint_jobs import (
    ComparisonCandidates,
    JobSpec,
    QuantizationResult,
    comparison_candidates,
    quantization_plans,
)
from sdxl_desktop.session.library_jobs import JobState, LibraryJob, LibraryJobQueue
from sdxl_desktop.session.library_list import LibraryItem
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.compare_dialog import CompareDialog
from sdxl_desktop.ui.library.free_resources import measure_free_resources
from sdxl_desktop.ui.library.library_context import LibraryContext
from sdxl_desktop.ui.library.quantize_dialog import QuantizeDialog


class QuantizeController(QObject):
    """`dialog_parent` returns the parent of dialogs, `show_error` shows an error beside the checkpoint concerned, and
    `show_jobs` opens the library dialog with the jobs."""

    def __init__(
        self,
        context: LibraryContext,
        jobs: LibraryJobQueue,
        dialog_parent: Callable[[], QWidget],
        show_error: Callable[[SdxlDesktopError], None],
        show_jobs: Callable[[], object],
    ) -> None:
        super().__init__(context.window)
        self._context, self._jobs, self._dialog_parent = context, jobs, dialog_parent
        self._show_error, self._show_jobs = show_error, show_jobs

    # starting

    def quantize(self, entry: LibraryItem) -> None:
        """Open the dialog for quantizing the checkpoint of `entry`."""
        work = partial(quantization_plans, entry.folder, self._context.library())
        self._context.thread.submit(
            work, partial(self._open_quantize_dialog, entry.title), self._show_error, owner=self
        )

    def _open_quantize_dialog(
        self, name: str, plans: Mapping[QuantizationMethod, QuantizationPlan | CheckpointError]
    ) -> None:
        resources = measure_free_resources(self._context.library(), self._jobs)
        dialog = QuantizeDialog(name, plans, resources, self._dialog_parent())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._start(dialog.value()))
        dialog.open()

    def compare(self, folder: Path) -> None:
        """Open the dialog for comparing the checkpoint in `folder` with another."""
        library = self._context.library()

        def work() -> tuple[Checkpoint, ComparisonCandidates]:
            return read_checkpoint(folder), comparison_candidates(folder, library)

        self._context.thread.submit(work, self._open_compare_dialog, self._show_error, owner=self)

    def _open_compare_dialog(self, result: tuple[Checkpoint, ComparisonCandidates]) -> None:
        one, others = result
        if not others.others:
            self._show_error(
                CheckpointError(f"There is nothing to compare {one.title} with.", next_step="Make it smaller first.")
            )
            return
        dialog = CompareDialog(one, others, self._dialog_parent())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        around = self._context
        dialog.accepted.connect(lambda: self._start(dialog.value(around.reports_folder, around.execution())))
        dialog.open()

    def _start(self, note: JobSpec) -> None:
        job = self._jobs.find_job(note.name)
        if job is not None and job.is_active:
            self._context.notify(f"{note.title}: that is being done already")
            return
        self._context.run_reporting_errors(lambda: self._jobs.add(None, note))

    # results

    def handle_done(self, job: LibraryJob) -> None:
        """Show the outcome of `job`, and open the report of a comparison."""
        match job.outcome:
            case QuantizationResult():
                self._context.notify(
                    f"{job.spec.title} is ready", action="Use or compare it", callback=self._show_jobs, persistent=True
                )
            case CheckpointComparison() as found:
                self.open_report(job)
                self._context.notify(
                    f"{job.spec.title}: {library_formatting.format_psnr(found)}",
                    action="Open the report",
                    callback=partial(self.open_report, job),
                    tooltip=library_formatting.format_comparison(found),
                    persistent=True,
                )
            case None:
                pass
            case _:
                assert_never(job.outcome)

    def use_result(self, job: LibraryJob) -> None:
        """Select the checkpoint that the job made."""
        if isinstance(job.outcome, QuantizationResult):
            self._context.select_checkpoint(job.outcome.checkpoint.name)

    def compare_result(self, job: LibraryJob) -> None:
        """Open the dialog for comparing the job's result with its source."""
        if isinstance(job.outcome, QuantizationResult):
            self.compare(job.outcome.checkpoint.folder)

    def open_report(self, job: LibraryJob) -> None:
        """Show the report of a comparison in the browser."""
        if (
            job.state is JobState.DONE
            and isinstance(job.outcome, CheckpointComparison)
            and job.outcome.page is not None
        ):
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(job.outcome.page)))
