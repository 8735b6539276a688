"""Two workers for the library: one runs jobs, the other runs short tasks meanwhile; results are queued."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, assert_never

from PySide6.QtCore import QObject, Qt, Signal, Slot

from sdxl_desktop.bridge.background import FailureCallback, Worker
from sdxl_desktop.bridge.library_service import DefaultLibraryService, LibraryService
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.checkpoint_jobs import ComparisonJobSpec, JobSpec, QuantizationJobSpec
from sdxl_desktop.session.library_jobs import (
    ImportFinished,
    JobAdvanced,
    JobFinished,
    JobPreviewed,
    JobStopped,
    LibraryJobEvent,
)
from sdxl_desktop.session.library_state import ImportJobSpec

__all__ = ["DefaultLibraryService", "LibraryService", "LibraryThread"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
_FAILED = "Something failed unexpectedly."


class LibraryThread(QObject):
    """A `JobRunner` for the main thread: calls return at once and `event_received` is emitted there.

    `library` provides the folders; `closing` is set when long-running tasks should end.
    """

    event_received = Signal(object)
    cleanup_failed = Signal(object)
    """A failure that no one else handles, such as cleaning up after a discarded job: the error."""
    _event_posted = Signal(object)

    def __init__(self, service: LibraryService | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._service = service or DefaultLibraryService()
        self.library: Callable[[], Library] = _no_library
        self._cancel = threading.Event()
        self._resolve_cancel = threading.Event()
        self.closing = threading.Event()
        self._job_thread, self._task_thread = Worker("library", self), Worker("questions", self)
        self._event_posted.connect(self._forward_event, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _forward_event(self, event: object) -> None:
        if not self.closing.is_set():
            self.event_received.emit(event)

    # the runner of `LibraryJobQueue`

    def start(self, number: int, note: JobSpec, preview: ImportPreview | None) -> None:
        """Run the job; events report its progress."""
        self._cancel = cancel = threading.Event()
        library = self.library()
        _log.info("Job %d: %s", number, note)

        def stopped(error: SdxlDesktopError) -> None:
            _log.warning("Job %d stopped: %s", number, error, exc_info=error)
            self._forward_event(JobStopped(number, error))

        def work() -> LibraryJobEvent:
            return self._run_job(number, note, preview, library, cancel)

        self._job_thread.submit(work, self._forward_event, stopped, what=_FAILED)

    def _run_job(
        self, number: int, note: JobSpec, offer: ImportPreview | None, library: Library, cancel: threading.Event
    ) -> ImportFinished | JobFinished:
        """Run the job in the worker."""

        def tell(progress: ImportProgress) -> None:
            self._event_posted.emit(JobAdvanced(number, progress))

        service = self._service
        match note:
            case ImportJobSpec():
                if offer is None:
                    offer = service.resolve(note.what, library, name=note.name, openvino=note.openvino, cancel=cancel)
                    self._event_posted.emit(JobPreviewed(number, offer))
                weights, keep = _weight_format(note), note.keep_download
                return ImportFinished(
                    number, service.run_import(offer, weights, library, tell, cancel, keep_download=keep)
                )
            case QuantizationJobSpec():
                return JobFinished(number, service.quantize(note, library, tell, cancel))
            case ComparisonJobSpec():
                return JobFinished(number, service.compare(note, tell, cancel))
        assert_never(note)

    def pause(self) -> None:
        """Stop the current job; its files are kept."""
        self._cancel.set()

    def discard(self, note: JobSpec, preview: ImportPreview | None) -> None:
        """Remove the files of an unfinished job."""
        library = self.library()
        self._job_thread.submit(
            lambda: self._clean_up(note, preview, library), _nothing, self.cleanup_failed.emit, what=_FAILED
        )

    def _clean_up(self, note: JobSpec, offer: ImportPreview | None, library: Library) -> None:
        match note:
            case ImportJobSpec():
                source = offer.source if offer is not None and isinstance(offer.source, Path) else None
                if offer is None and Path(note.what).exists():
                    source = Path(note.what)
                self._service.clean_up_import(note.name, source, _weight_format(note), library)
            case QuantizationJobSpec():
                self._service.clean_up_quantization(note, library)
            case ComparisonJobSpec():
                pass  # it is written only when complete
            case _:
                assert_never(note)

    # short tasks

    def resolve(
        self,
        query: str,
        callback: Callable[[ImportPreview], object],
        failed: FailureCallback | None = None,
        *,
        openvino: bool = False,
    ) -> None:
        """Resolve `query`; a previous resolve is cancelled, and its `failed` is called."""
        self._resolve_cancel.set()
        self._resolve_cancel = cancel = threading.Event()
        library, service = self.library(), self._service

        def task() -> ImportPreview:
            return service.resolve(query, library, name=None, openvino=openvino, cancel=cancel)

        self.submit(task, callback, failed)

    def cancel_resolve(self) -> None:
        """Cancel the current resolve."""
        self._resolve_cancel.set()

    def submit(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        """Run `task` on the task worker; `callback` is called here with its result, or `failed` (by default: the
        signal) with its error, unless the `owner` was destroyed meanwhile."""
        self._task_thread.submit(task, callback, failed or self.cleanup_failed.emit, what=_FAILED, owner=owner)

    def close(self) -> None:
        """Pause the current job, and leave no thread or process behind. Safe to call twice."""
        self.closing.set()
        self._cancel.set()
        self._resolve_cancel.set()
        for worker in (self._job_thread, self._task_thread):
            worker.close()


def _weight_format(note: ImportJobSpec) -> WeightFormat | None:
    return WeightFormat(note.weights) if note.weights is not None else None


def _nothing(_: object) -> None:
    """Do nothing after a cleanup."""


def _no_library() -> Library:
    raise RuntimeError("library is not set")
