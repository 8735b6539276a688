"""What the page of checkpoints is given of the window and the program around it."""

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
    """`library` is where checkpoints lie now. What is said in passing stands in `toast`, and `hush` takes it back;
    `show_problem` tells what went wrong. `use` chooses a checkpoint by name, `add_files` takes LoRAs and embeddings.
    Dialogs stand over `window`. Comparisons draw as `execution` says, and their reports are kept in `reports`."""

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
        """Do what is also to be remembered, and tell where it could not be."""
        try:
            action()
        except SdxlDesktopError as problem:
            self.show_error(problem)
