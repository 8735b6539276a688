"""Actions on checkpoints: connects the dialogs and the drops with the jobs and the library."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import psutil
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.catalogue import suggest_entries
from sdxl_desktop.library.hub.hub_errors import AccessError, DownloadCancelledError
from sdxl_desktop.library.import_record import VerificationResult, verify_checkpoint
from sdxl_desktop.library.importer.importing import ImportResult
from sdxl_desktop.library.inventory import remove_checkpoint
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_jobs import JobState, LibraryJob, LibraryJobEvent, LibraryJobQueue
from sdxl_desktop.session.library_list import LibraryItem, list_library
from sdxl_desktop.session.library_state import ImportJobSpec
from sdxl_desktop.ui.file_manager import show_in_folder
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.add_panel import hub_page_url
from sdxl_desktop.ui.library.checkpoint_import_controller import CheckpointImportController
from sdxl_desktop.ui.library.common_widgets import confirmation_box
from sdxl_desktop.ui.library.folder_watcher import FolderWatcher
from sdxl_desktop.ui.library.library_context import LibraryContext
from sdxl_desktop.ui.library.library_dialog import LibraryDialog
from sdxl_desktop.ui.library.quantize_controller import QuantizeController
from sdxl_desktop.ui.library.token_field import TokenDialog
from sdxl_desktop.ui.library.welcome_panel import WelcomePanel


class LibraryActions(QObject):
    """`library_changed`: the checkpoints in the folders have changed and should be listed again. `progress_changed`:
    the progress of the jobs as text, "" for none."""

    library_changed = Signal()
    progress_changed = Signal(str)

    def __init__(self, context: LibraryContext) -> None:
        super().__init__(context.window)
        self._context = context
        self._thread = context.thread
        self._thread.library = context.library
        self.jobs = LibraryJobQueue(context.thread, context.memory)
        self._dialog: LibraryDialog | None = None
        self._selected_folder: Path | None = None
        self._machine_memory = psutil.virtual_memory().total
        self._folder_watcher = FolderWatcher(self)
        self.imports = CheckpointImportController(context, self.jobs, self.dialog_parent)
        self.quantizing = QuantizeController(context, self.jobs, self.dialog_parent, self._show_error, self.open_dialog)
        self._connect()

    def _connect(self) -> None:
        self._thread.event_received.connect(
            self._handle
        )  # a lambda would keep the window alive as long as the thread's object
        self._thread.cleanup_failed.connect(self._show_error)
        self._folder_watcher.changed.connect(self.library_changed)
        self.imports.resolving.connect(self._show_resolving)
        self.imports.resolve_failed.connect(self._show_resolve_failed)
        self.jobs.changed = self._update_jobs
        self.jobs.imported = self._handle_imported
        self.jobs.finished = self._handle_done
        self.jobs.failed = self._handle_failed

    def _handle(self, event: LibraryJobEvent) -> None:
        self._context.run_reporting_errors(lambda: self.jobs.handle(event))

    # start and close

    def start(self) -> None:
        """Watch the user folder, and offer to resume the jobs that were interrupted last time."""
        self.watch_folder()
        found = self.jobs.restore()
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            text = f"{found[0].spec.title}{more} is not finished"
            self._context.notify(text, action="Continue", callback=lambda: self._resume_all(found), persistent=True)

    def _resume_all(self, jobs: tuple[LibraryJob, ...]) -> None:
        for job in jobs:
            self.jobs.resume(job)

    def watch_folder(self) -> None:
        """Watch the current user folder."""
        self._folder_watcher.watch(self._context.library())

    def close(self) -> None:
        """Pause the running job; the next start offers to resume it. Safe to call twice."""
        self._folder_watcher.close()
        if self._dialog is not None:
            self._dialog.close()
        self._thread.close()

    # the dialog

    def open_dialog(self) -> LibraryDialog:
        """Show the library dialog with the current checkpoints."""
        page = self._dialog or self._create_dialog()
        self.refresh()
        self._update_jobs()
        page.show()
        page.raise_()
        page.activateWindow()
        page.checkpoint_list.setFocus()
        return page

    def open_add_panel(self) -> None:
        """Show the panel for adding a checkpoint."""
        self.open_dialog().show_add_panel()

    def _create_dialog(self) -> LibraryDialog:
        dialog = self._dialog = LibraryDialog(self._thread, self._machine_memory, self._context.window)
        details, adding = dialog.details, dialog.add_panel
        details.use_requested.connect(self._use)
        details.verify_requested.connect(self._verify)
        details.show_in_folder_requested.connect(self._show_folder)
        details.quantize_requested.connect(self.quantizing.quantize)
        details.compare_requested.connect(lambda line: self.quantizing.compare(line.folder))
        details.remove_requested.connect(self._confirm_remove)
        details.forget_requested.connect(self._forget_entry)
        adding.resolve_requested.connect(self.imports.resolve)
        adding.stop_requested.connect(self.imports.cancel_resolve)
        jobs = dialog.jobs
        jobs.pause_requested.connect(self.jobs.pause)
        jobs.resume_requested.connect(self.jobs.resume)
        jobs.discard_requested.connect(self._confirm_discard)
        jobs.token_requested.connect(self._open_token_dialog)
        jobs.use_requested.connect(self.quantizing.use_result)
        jobs.compare_requested.connect(self.quantizing.compare_result)
        jobs.report_requested.connect(self.quantizing.open_report)
        return dialog

    @property
    def dialog(self) -> LibraryDialog | None:
        """Return the dialog, or None if it has not been opened."""
        return self._dialog

    def refresh(self) -> None:
        """Read the library again for the dialog."""
        if self._dialog is None:
            return
        library, memory = self._context.library(), self._context.memory
        self._thread.submit(partial(list_library, library, memory), self._handle_entries, owner=self)

    def _handle_entries(self, entries: tuple[LibraryItem, ...]) -> None:
        if self._dialog is not None:
            self._dialog.set_entries(entries, self._selected_folder)

    def set_selected(self, folder: Path | None) -> None:
        """Mark the checkpoint in `folder` as the selected one."""
        self._selected_folder = folder
        if self._dialog is not None:
            self._dialog.set_selected(folder)

    def record_use(self, folder: Path) -> None:
        """Record that the checkpoint in `folder` was used."""
        self._context.run_reporting_errors(lambda: self._context.memory.record_use(folder, time.time()))

    def _update_jobs(self) -> None:
        jobs = self.jobs.jobs
        if self._dialog is not None:
            self._dialog.jobs.show_jobs(jobs)
        running = self.jobs.running
        status = ""
        if running is not None:
            status = f"{running.fraction:.0%}" if running.fraction else "…"
        elif any(job.state in (JobState.PAUSED, JobState.FAILED) for job in jobs):
            status = "paused"
        self.progress_changed.emit(status)

    # the selected checkpoint

    def _use(self, entry: LibraryItem) -> None:
        self._context.select_checkpoint(entry.folder.name)

    def _show_folder(self, entry: LibraryItem) -> None:
        show_in_folder(entry.folder / "model_index.json", self._show_error, self)

    def _verify(self, entry: LibraryItem) -> None:
        page = self._dialog
        assert page is not None
        page.details.show_verifying(None)
        take = partial(self._handle_verified, entry.folder)
        self._thread.submit(
            partial(self._run_verify, entry.folder),
            take,
            lambda problem: take(VerificationResult((str(problem),), 0, by_hash=False)),
            owner=page,
        )

    def _run_verify(self, folder: Path) -> VerificationResult:
        """Verify `folder` in the task thread; ends early when the window closes."""

        def check_cancelled(_: int) -> None:
            if self._thread.closing.is_set():
                raise DownloadCancelledError("Verifying was stopped.")

        return verify_checkpoint(folder, check_cancelled)

    def _handle_verified(self, folder: Path, result: VerificationResult) -> None:
        page = self._dialog
        if page is None:
            return
        shown = page.details.current_entry()
        if shown is None or shown.folder != folder:
            return
        page.details.show_verified(result)

    def _confirm_remove(self, entry: LibraryItem) -> None:
        held = entry.installed
        if held is None:
            return
        box = confirmation_box(
            self.dialog_parent(),
            f"Remove {entry.title}?",
            f"{library_formatting.format_size(held.bytes)} are deleted from the disk: {entry.folder}. "
            "This cannot be undone.",
            "Remove",
        )
        box.accepted.connect(partial(self._remove, entry))
        box.open()

    def _remove(self, entry: LibraryItem) -> None:
        library = self._context.library()

        def done(freed: int) -> None:
            self._context.notify(f"Removed {entry.title}; {library_formatting.format_size(freed)} are free again")
            self.library_changed.emit()

        def failed(problem: SdxlDesktopError) -> None:
            self._show_error(problem)
            self.library_changed.emit()

        self._thread.submit(partial(remove_checkpoint, entry.folder, library), done, failed, owner=self)

    def _forget_entry(self, entry: LibraryItem) -> None:
        self._context.library().forget_missing(entry.folder.name)
        self.refresh()

    # imports

    def resolve(self, query: str) -> None:
        """Find out what `query` (a path, an id or a URL) refers to, and open the import dialog for it."""
        self.imports.resolve(query)

    def _show_resolving(self, query: str) -> None:
        if self._dialog is not None:
            self._dialog.add_panel.show_resolving(query)

    def _show_resolve_failed(self, query: str, problem: SdxlDesktopError) -> None:
        """Show the error in the dialog if that is open. If the hub requires authentication, open it for the token."""
        if not self._is_dialog_open and not isinstance(problem, AccessError):
            self._context.show_error(problem)
            return
        page = self._dialog if self._dialog is not None and self._is_dialog_open else self.open_dialog()
        page.show_add_panel()
        page.add_panel.show_error(query, problem)

    @property
    def _is_dialog_open(self) -> bool:
        return self._dialog is not None and self._dialog.isVisible()

    def dialog_parent(self) -> QWidget:
        """Return the parent of dialogs."""
        return self._dialog if self._dialog is not None and self._is_dialog_open else self._context.window

    def _handle_imported(self, job: LibraryJob, imported: ImportResult) -> None:
        self.library_changed.emit()
        if self._dialog is not None:
            self._dialog.jobs.show_jobs(self.jobs.jobs)
        checkpoint = imported.checkpoint
        if checkpoint is not None:
            name = checkpoint.name
            self._context.notify(
                f"{job.spec.title} is ready",
                action="Use it",
                callback=lambda: self._context.select_checkpoint(name),
                persistent=True,
            )
        else:
            file = imported.path
            answer, act = ("Add it", lambda: self._context.add_adapter_files((file,))) if file.is_file() else ("", None)
            self._context.notify(
                f"{job.spec.title} is there", action=answer, callback=act, tooltip=imported.message, persistent=True
            )

    def _handle_done(self, job: LibraryJob) -> None:
        self.library_changed.emit()
        self.quantizing.handle_done(job)

    def _show_error(self, problem: SdxlDesktopError) -> None:
        """Show the error where the action was started."""
        if self._dialog is not None and self._is_dialog_open:
            self._dialog.show_error(problem)
        else:
            self._context.show_error(problem)

    def _handle_failed(self, job: LibraryJob) -> None:
        if job.error is not None and (not self._is_dialog_open):
            self._context.show_error(job.error)
            if isinstance(job.error, AccessError):
                self._open_token_dialog(job)

    def _confirm_discard(self, job: LibraryJob) -> None:
        if job.state is JobState.DONE:
            self.jobs.dismiss(job)
            return
        if not job.can_pause:  # nor kept in memory: nothing can fail
            self.jobs.discard(job)
            return
        box = confirmation_box(
            self.dialog_parent(),
            f"Discard {job.spec.title}?",
            "What has been downloaded or made of it so far is deleted.",
            "Discard",
        )
        box.accepted.connect(lambda: self._context.run_reporting_errors(lambda: self.jobs.discard(job)))
        box.open()

    def _open_token_dialog(self, job: LibraryJob) -> None:
        page = hub_page_url(job.spec.what) if isinstance(job.spec, ImportJobSpec) else ""
        dialog = TokenDialog(self._thread, page, self.dialog_parent())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self.jobs.resume(job))
        dialog.open()

    # first start

    def should_show_welcome(self, library: Library) -> bool:
        """Return whether to show suggestions on an empty canvas: not if the user has checkpoints of their own or has
        dismissed the suggestions."""
        return not (self._context.memory.welcome_dismissed or self.jobs.jobs or _has_own_checkpoint(library))

    def create_welcome(self) -> WelcomePanel:
        """Create the panel of suggestions for an empty canvas."""
        made = WelcomePanel(suggest_entries(self._machine_memory))
        made.import_requested.connect(self.imports.resolve)
        return made

    def dismiss_welcome(self) -> None:
        """Do not show suggestions on the empty canvas again."""
        self._context.run_reporting_errors(self._context.memory.dismiss_welcome)


def _has_own_checkpoint(library: Library) -> bool:
    try:
        return any((folder / "model_index.json").is_file() for folder in library.user_folder.iterdir())
    except OSError:
        return False
