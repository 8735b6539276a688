"""The parts of the window and the application that the library dialog uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QWidget

from sdxl_desktop.bridge.library_thread import LibraryThread
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_state import LibraryState
from sdxl_desktop.ui.notify import Notify
from sdxl_desktop.ui.widgets.notices import Toast


@dataclass(frozen=True, slots=True)
class LibraryContext:
    """`library` returns the current library. `toast` returns where brief messages go, `dismiss_toasts` removes them;
    `show_error` shows an error. `select_checkpoint` selects one by name, `add_adapter_files` adds LoRAs and embeddings.
    `window` is the parent of dialogs. Comparisons use `execution`; their reports are saved in `reports_folder`."""

    thread: LibraryThread
    memory: LibraryState
    library: Callable[[], Library]
    window: QWidget
    toast: Callable[[], Toast]
    dismiss_toasts: Callable[[], None]
    show_error: Callable[[SdxlDesktopError], None]
    select_checkpoint: Callable[[str], None]
    add_adapter_files: Callable[[tuple[Path, ...]], None]
    reports_folder: Path
    execution: Callable[[], Execution]

    @property
    def notify(self) -> Notify:
        return self.toast().notify

    def run_reporting_errors(self, action: Callable[[], object]) -> None:
        """Run an action that also saves state, and show the error if it cannot be saved."""
        try:
            action()
        except SdxlDesktopError as problem:
            self.show_error(problem)
