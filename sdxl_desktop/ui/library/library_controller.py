"""Connects the library with the main window: checkpoint selection, drops, pastes and suggestions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.bridge.library_thread import LibraryThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.events import RunFinished
from sdxl_desktop.core.request import Execution
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.library_state import LIBRARY_STATE_FILE, LibraryState
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.library.library_actions import LibraryActions
from sdxl_desktop.ui.library.library_context import LibraryContext
from sdxl_desktop.ui.library.library_dialog import LibraryDialog
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.widgets.notices import Toast

COMPARISONS_FOLDER = "comparisons"
"""In the application's data folder: a folder for each comparison."""


@dataclass(frozen=True, slots=True)
class LibraryControllerContext:
    """The parts of the window that the library uses; `execution` returns the devices to run on."""

    window: QWidget
    session: GenerationSession
    parameters_panel: ParametersPanel
    canvas_area: CanvasArea
    main_controller: MainController
    execution: Callable[[], Execution] = Execution


class LibraryController(QObject):
    """`rescan_requested`: the checkpoint folders should be read again and the result passed to `set_checkpoints`."""

    rescan_requested = Signal()

    def __init__(
        self, context: LibraryControllerContext, thread: LibraryThread, data: Path, library: Callable[[], Library]
    ) -> None:
        """`data` is the application's data folder, `library` returns the current library."""
        super().__init__(context.window)
        self._context, self._library = context, library
        self._pending_selection = ""
        self._last_noted_run: RunFinished | None = context.session.finished
        self._has_checkpoints = False
        self.actions = LibraryActions(
            LibraryContext(
                thread=thread,
                memory=LibraryState(data / LIBRARY_STATE_FILE),
                library=library,
                window=context.window,
                toast=self._current_toast,
                dismiss_toasts=self._dismiss_toasts,
                show_error=context.main_controller.show_error,
                select_checkpoint=self._select_checkpoint,
                add_adapter_files=context.main_controller.add_weight_files,
                reports_folder=data / COMPARISONS_FOLDER,
                execution=context.execution,
            )
        )
        self._connect()

    def _connect(self) -> None:
        context, actions, empty = self._context, self.actions, self._context.canvas_area.empty_state
        actions.library_changed.connect(self.rescan_requested)
        actions.progress_changed.connect(context.parameters_panel.set_library_jobs_text)
        actions.imports.import_started.connect(self._update_welcome)
        context.parameters_panel.library_requested.connect(actions.open_dialog)
        context.main_controller.refreshed.connect(self._record_use)
        empty.library_requested.connect(actions.open_add_panel)
        empty.welcome_dismissed.connect(actions.dismiss_welcome)
        empty.generate_requested.connect(self._generate)

    def start(self) -> None:
        """Watch the folders, and offer to resume interrupted jobs."""
        self.actions.start()

    def watch(self) -> None:
        """Watch the current user folder."""
        self.actions.watch_folder()

    def open_dialog(self) -> LibraryDialog:
        """Show all checkpoints."""
        return self.actions.open_dialog()

    def close(self) -> None:
        """Pause running imports and stop the threads. Safe to call twice."""
        self.actions.close()

    def _current_toast(self) -> Toast:
        """Return the visible toast: the library dialog's while it is open, as it covers the window."""
        page = self.actions.dialog
        return page.toast if page is not None and page.isVisible() else self._context.canvas_area.toast

    def _dismiss_toasts(self) -> None:
        self._context.canvas_area.toast.dismiss()
        if self.actions.dialog is not None:
            self.actions.dialog.toast.dismiss()

    # the window's checkpoints

    def set_checkpoints(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        """Set the checkpoints that the selector lists."""
        self._has_checkpoints = bool(checkpoints)
        if self._pending_selection and self._context.parameters_panel.select_checkpoint(self._pending_selection):
            self._pending_selection = ""
        self._update_welcome()
        self.actions.refresh()

    def set_selected(self, checkpoint: Checkpoint | None) -> None:
        """Set the checkpoint that is selected in the window."""
        self.actions.set_selected(checkpoint.folder if checkpoint is not None else None)

    def _select_checkpoint(self, name: str) -> None:
        """Select the checkpoint called `name`; if it has just been added, rescan the folders first."""
        if not self._context.parameters_panel.select_checkpoint(name):
            self._pending_selection = name
            self.rescan_requested.emit()

    def _record_use(self) -> None:
        """Record the checkpoint that was used last, once per finished run."""
        session = self._context.session
        if session.finished is not None and session.finished is not self._last_noted_run and session.results:
            self._last_noted_run = session.finished
            self.actions.record_use(session.results[-1].request.checkpoint)

    # empty canvas

    def _update_welcome(self) -> None:
        empty = self._context.canvas_area.empty_state
        wanted = self._has_checkpoints and self.actions.should_show_welcome(self._library())
        if wanted and empty.welcome is None:
            empty.set_welcome(self.actions.create_welcome())
        elif not wanted and empty.welcome is not None:
            empty.set_welcome(None)

    def _generate(self, prompt: str) -> None:
        self._context.parameters_panel.set_prompt(prompt)
        self._context.main_controller.generate()
