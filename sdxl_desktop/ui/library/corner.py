"""The library's corner of the window: what chooses, drops, pastes and suggestions there have to do with checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.bridge.library_thread import LibraryThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.events import Finished
from sdxl_desktop.core.request import Execution
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.library_memory import FILE, LibraryMemory
from sdxl_desktop.session.session import Session
from sdxl_desktop.ui.conductor import Conductor
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.library.around import Around
from sdxl_desktop.ui.library.page import LibraryPage
from sdxl_desktop.ui.library.verbs import LibraryVerbs
from sdxl_desktop.ui.stage import Stage
from sdxl_desktop.ui.widgets.notices import Toast

REPORTS = "comparisons"
"""In the application's data folder: a folder for each comparison."""


@dataclass(frozen=True, slots=True)
class Room:
    """The window's parts that the library touches; `execution` says on which devices it draws."""

    window: QWidget
    session: Session
    desk: Desk
    stage: Stage
    conductor: Conductor
    execution: Callable[[], Execution] = Execution


class LibraryCorner(QObject):
    """`look_wanted`: the folders of checkpoints should be read again, and `show_listed` told what there is."""

    look_wanted = Signal()

    def __init__(self, room: Room, thread: LibraryThread, data: Path, library: Callable[[], Library]) -> None:
        """`data` is the application's folder, `library` says where checkpoints lie now."""
        super().__init__(room.window)
        self._room, self._library = room, library
        self._wanted = ""
        self._noted: Finished | None = room.session.finished
        self._has_any = False
        self.verbs = LibraryVerbs(
            Around(
                thread=thread,
                memory=LibraryMemory(data / FILE),
                library=library,
                window=room.window,
                toast=self._toast,
                hush=self._hush,
                show_problem=room.conductor.show_problem,
                use=self._use,
                add_files=room.conductor.add_weights,
                reports=data / REPORTS,
                execution=room.execution,
            )
        )
        self._connect()

    def _connect(self) -> None:
        room, verbs, empty = self._room, self.verbs, self._room.stage.empty
        verbs.changed.connect(self.look_wanted)
        verbs.advanced.connect(room.desk.show_library_jobs)
        verbs.offering.started.connect(self._suggest)
        room.desk.library_wanted.connect(verbs.open_page)
        room.conductor.redrawn.connect(self._note_use)
        empty.library_wanted.connect(verbs.open_adding)
        empty.welcome_dismissed.connect(verbs.dismiss_welcome)
        empty.draw_wanted.connect(self._draw)

    def begin(self) -> None:
        """Watch the folders, and offer to go on with what was not finished."""
        self.verbs.begin()

    def watch(self) -> None:
        """The person's folder is another one now."""
        self.verbs.watch()

    def open_page(self) -> LibraryPage:
        """Show all checkpoints."""
        return self.verbs.open_page()

    def close(self) -> None:
        """Pause what comes in, and leave no thread behind. Safe to call twice."""
        self.verbs.close()

    def _toast(self) -> Toast:
        """Where the person looks: on the page of checkpoints while that is open, which covers the window."""
        page = self.verbs.page
        return page.toast if page is not None and page.isVisible() else self._room.stage.toast

    def _hush(self) -> None:
        self._room.stage.toast.dismiss()
        if self.verbs.page is not None:
            self.verbs.page.toast.dismiss()

    # what the window lists

    def show_listed(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        """The selector lists these now."""
        self._has_any = bool(checkpoints)
        if self._wanted and self._room.desk.choose_checkpoint(self._wanted):
            self._wanted = ""
        self._suggest()
        self.verbs.refresh()

    def show_chosen(self, checkpoint: Checkpoint | None) -> None:
        """This one draws now."""
        self.verbs.show_chosen(checkpoint.folder if checkpoint is not None else None)

    def _use(self, name: str) -> None:
        """Draw with the checkpoint called `name` from now on; one that has just come is looked for first."""
        if not self._room.desk.choose_checkpoint(name):
            self._wanted = name
            self.look_wanted.emit()

    def _note_use(self) -> None:
        """Remember which checkpoint drew last, once for each run that ended."""
        session = self._room.session
        if session.finished is not None and session.finished is not self._noted and session.results:
            self._noted = session.finished
            self.verbs.note_use(session.results[-1].request.checkpoint)

    # the empty canvas

    def _suggest(self) -> None:
        empty = self._room.stage.empty
        wanted = self._has_any and self.verbs.welcome_wanted(self._library())
        if wanted and empty.welcome is None:
            empty.show_welcome(self.verbs.make_welcome())
        elif not wanted and empty.welcome is not None:
            empty.show_welcome(None)

    def _draw(self, prompt: str) -> None:
        self._room.desk.use_prompt(prompt)
        self._room.conductor.generate()
