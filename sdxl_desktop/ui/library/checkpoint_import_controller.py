"""Resolves a typed, dropped or selected source, shows the import dialog, and starts the import job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.hub.hub_errors import DownloadCancelledError
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.session.library_jobs import JobState, LibraryJobQueue
from sdxl_desktop.ui.library.free_resources import measure_free_resources
from sdxl_desktop.ui.library.import_dialog import ImportDialog
from sdxl_desktop.ui.library.library_context import LibraryContext


class CheckpointImportController(QObject):
    """`resolving` carries the query being resolved ("" when done), `resolve_failed` the query and the error;
    `import_started` is emitted when the user accepts. `dialog_parent` returns the parent of the import dialog."""

    resolving = Signal(str)
    resolve_failed = Signal(str, object)
    import_started = Signal()

    def __init__(self, context: LibraryContext, jobs: LibraryJobQueue, dialog_parent: Callable[[], QWidget]) -> None:
        super().__init__(context.window)
        self._context, self._jobs, self._dialog_parent = context, jobs, dialog_parent
        self._request_count = 0

    def resolve(self, query: str) -> None:
        """Find out what `query` (a path, an id or a URL) refers to, and open the import dialog for it."""
        self._request_count += 1
        self.resolving.emit(query)
        if self._dialog_parent() is self._context.window:
            self._context.notify(f"Looking up {query}", action="Stop", callback=self.cancel_resolve, persistent=True)
        take = partial(self._handle_result, self._request_count, query)
        self._context.thread.resolve(query, take, take)

    def cancel_resolve(self) -> None:
        """Cancel the running look-up."""
        self._context.thread.cancel_resolve()

    def _handle_result(self, request_number: int, query: str, result: ImportPreview | SdxlDesktopError) -> None:
        if request_number != self._request_count:
            return  # another query, or the same one again, was submitted meanwhile
        if self._dialog_parent() is self._context.window:
            self._context.dismiss_toasts()
        self.resolving.emit("")
        if isinstance(result, DownloadCancelledError):
            return
        if isinstance(result, SdxlDesktopError):
            self.resolve_failed.emit(query, result)
        else:
            self._open_dialog(result, query)

    def _open_dialog(self, preview: ImportPreview, query: str) -> None:
        dialog = ImportDialog(
            preview,
            query,
            measure_free_resources(self._context.library(), self._jobs),
            self._context.thread,
            self._dialog_parent(),
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._start(dialog))
        dialog.open()

    def _start(self, dialog: ImportDialog) -> None:
        offer, note = dialog.value()
        self._context.run_reporting_errors(lambda: self._jobs.add(offer, note))
        self.import_started.emit()
        if self._dialog_parent() is self._context.window:
            job = self._jobs.find_job(note.name)
            waits = job is not None and job.state is JobState.WAITING
            text = f"{note.title} waits for its turn" if waits else f"{note.title} is being imported"
            self._context.notify(text)
