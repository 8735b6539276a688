"""Making a checkpoint smaller and comparing two: from a button to a sheet, to a job, to what came of it."""

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
from sdxl_desktop.library.quantize.comparison import Comparison
from sdxl_desktop.library.quantize.method import Method
from sdxl_desktop.library.quantize.plan import QuantizationPlan
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.session.bringing import Bringing, Job, JobState
from sdxl_desktop.session.shelf import Shelved
from sdxl_desktop.session.tasks import Comparable, Note, Reduced, comparable, ways
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.around import Around
from sdxl_desktop.ui.library.compare_sheet import CompareSheet
from sdxl_desktop.ui.library.room import room_now
from sdxl_desktop.ui.library.smaller_sheet import SmallerSheet


class Reducing(QObject):
    """`stand` says what sheets stand over, `show_problem` tells beside what was asked about, and `show_jobs` opens the
    page where the jobs are."""

    def __init__(
        self,
        around: Around,
        bringing: Bringing,
        stand: Callable[[], QWidget],
        show_problem: Callable[[SdxlDesktopError], None],
        show_jobs: Callable[[], object],
    ) -> None:
        super().__init__(around.window)
        self._around, self._bringing, self._stand = around, bringing, stand
        self._show_problem, self._show_jobs = show_problem, show_jobs

    # asking

    def make_smaller(self, line: Shelved) -> None:
        """Offer the ways of making the checkpoint of `line` smaller."""
        work = partial(ways, line.folder, self._around.library())
        self._around.thread.ask(work, partial(self._offer_ways, line.title), self._show_problem, asker=self)

    def _offer_ways(self, name: str, plans: Mapping[Method, QuantizationPlan | CheckpointError]) -> None:
        room = room_now(self._around.library(), self._bringing)
        sheet = SmallerSheet(name, plans, room, self._stand())
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.accepted.connect(lambda: self._start(sheet.value()))
        sheet.open()

    def compare(self, folder: Path) -> None:
        """Offer to compare the checkpoint in `folder` with another."""
        library = self._around.library()

        def work() -> tuple[Checkpoint, Comparable]:
            return read_checkpoint(folder), comparable(folder, library)

        self._around.thread.ask(work, self._offer_comparison, self._show_problem, asker=self)

    def _offer_comparison(self, found: tuple[Checkpoint, Comparable]) -> None:
        one, others = found
        if not others.others:
            self._show_problem(
                CheckpointError(f"There is nothing to compare {one.title} with.", next_step="Make it smaller first.")
            )
            return
        sheet = CompareSheet(one, others, self._stand())
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        around = self._around
        sheet.accepted.connect(lambda: self._start(sheet.value(around.reports, around.execution())))
        sheet.open()

    def _start(self, note: Note) -> None:
        job = self._bringing.job_called(note.name)
        if job is not None and job.is_active:
            self._around.tell(f"{note.title}: that is being done already")
            return
        self._around.quietly(lambda: self._bringing.add(None, note))

    # what came of it

    def take_done(self, job: Job) -> None:
        """Tell what came of it, and show the report of a comparison."""
        match job.outcome:
            case Reduced():
                self._around.tell(
                    f"{job.note.title} is ready", answer="Use or compare it", act=self._show_jobs, stays=True
                )
            case Comparison() as found:
                self.open_report(job)
                self._around.tell(
                    f"{job.note.title}: {words.apart(found)}",
                    answer="Open the report",
                    act=partial(self.open_report, job),
                    tip=words.comparison(found),
                    stays=True,
                )
            case None:
                pass
            case _:
                assert_never(job.outcome)

    def use(self, job: Job) -> None:
        """Draw with what the job made from now on."""
        if isinstance(job.outcome, Reduced):
            self._around.use(job.outcome.checkpoint.name)

    def compare_made(self, job: Job) -> None:
        """Offer to compare what the job made with what it was made from."""
        if isinstance(job.outcome, Reduced):
            self.compare(job.outcome.checkpoint.folder)

    def open_report(self, job: Job) -> None:
        """Show the page of a comparison in the browser."""
        if job.state is JobState.DONE and isinstance(job.outcome, Comparison) and job.outcome.page is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(job.outcome.page)))
