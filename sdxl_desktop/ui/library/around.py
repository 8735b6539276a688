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
from sdxl_desktop.session.library_memory import LibraryMemory
from sdxl_desktop.ui.telling import Tell
from sdxl_desktop.ui.widgets.notices import Toast


@dataclass(frozen=True, slots=True)
class Around:
    """`library` is where checkpoints lie now. What is said in passing stands in `toast`, and `hush` takes it back;
    `show_problem` tells what went wrong. `use` chooses a checkpoint by name, `add_files` takes LoRAs and embeddings.
    Dialogs stand over `window`. Comparisons draw as `execution` says, and their reports are kept in `reports`."""

    thread: LibraryThread
    memory: LibraryMemory
    library: Callable[[], Library]
    window: QWidget
    toast: Callable[[], Toast]
    hush: Callable[[], None]
    show_problem: Callable[[SdxlDesktopError], None]
    use: Callable[[str], None]
    add_files: Callable[[tuple[Path, ...]], None]
    reports: Path
    execution: Callable[[], Execution]

    @property
    def tell(self) -> Tell:
        return self.toast().tell

    def quietly(self, act: Callable[[], object]) -> None:
        """Do what is also to be remembered, and tell where it could not be."""
        try:
            act()
        except SdxlDesktopError as problem:
            self.show_problem(problem)
