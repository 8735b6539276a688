"""The page of checkpoints: what is there and what comes in on the left, one of them or the ways to add on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSignalBlocker, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QSplitter, QStackedWidget, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.shelf import Shelved
from sdxl_desktop.ui.library import look
from sdxl_desktop.ui.library.adding import Adding
from sdxl_desktop.ui.library.details import Details, draws_from_words
from sdxl_desktop.ui.library.job_rows import JobRows
from sdxl_desktop.ui.library.pieces import title
from sdxl_desktop.ui.library.shelf_list import ShelfList, ShelfListModel
from sdxl_desktop.ui.library.token_field import Asks
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, muted, row
from sdxl_desktop.ui.widgets.notices import Toast


class LibraryPage(Dialog):
    """Shows what it is told; its parts tell what the person wants. It stays open beside the window's work."""

    def __init__(self, asks: Asks, machine_memory: int, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Checkpoints")
        self._shelf = ShelfListModel()
        self._chosen: Path | None = None
        self._drawers = 0
        self.list = ShelfList(self._shelf)
        self.jobs = JobRows()
        self.details = Details()
        self.adding = Adding(asks, machine_memory)
        self.add = dressed(QPushButton("&Add…"), "primary")
        self._nothing = muted("No checkpoint is here yet. Press Add to bring one in.", wrap=True)
        self._left, self._right, self._blank, self._rest = QWidget(), QStackedWidget(), QWidget(), QWidget()
        self._lay_out()
        self.toast = Toast(self)
        self.toast.room = lambda: QRect(self._left.mapTo(self, QPoint(0, 0)), self._left.size())
        self.setStyleSheet(look.SHEET)  # last, so that it is worked out once and not for each part
        self._connect()

    def _lay_out(self) -> None:
        self.add.setAutoDefault(False)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        head = row(title("Checkpoints"), self.add)
        head.setStretch(0, 1)
        left, right = self._left, QWidget()
        left.setLayout(
            column(head, self.jobs, self._nothing, self.list, self._rest, spacing=12, margins=(20, 20, 12, 16))
        )
        self._nothing.hide()
        self.list.hide()
        for page in (self._blank, self.details, self.adding):
            self._right.addWidget(page)
        right.setLayout(column(self._right, margins=(20, 20, 12, 16)))
        both = QSplitter(Qt.Orientation.Horizontal)
        both.setChildrenCollapsible(False)
        both.setHandleWidth(1)
        both.addWidget(left)
        both.addWidget(right)
        both.setStretchFactor(1, 1)
        both.setSizes([344, 696])
        left.setMinimumWidth(280)
        right.setMinimumWidth(420)
        self.setLayout(column(both))
        self.resize(1040, 680)
        self.setMinimumSize(760, 460)

    def _connect(self) -> None:
        self.toast.failed.connect(self.show_problem)
        self.list.chosen.connect(self._show_details)
        self.list.clicked.connect(lambda _: self._show_details(self.list.current()))
        self.list.activated.connect(lambda _: self.details.use.click())
        self.add.clicked.connect(self.show_adding)

    # showing

    def show_shelf(self, shelf: Sequence[Shelved], chosen: Path | None) -> None:
        """List these; the one in the folder `chosen` draws now. What was selected stays so."""
        selected = self.details.shown()
        with QSignalBlocker(self.list):
            self._chosen = chosen
            self._shelf.show_shelf(shelf)
            self._shelf.show_chosen(chosen)
            wanted = selected.folder if selected is not None else chosen
            if wanted is None or self._shelf.row_of(wanted) < 0:
                wanted = shelf[0].folder if shelf else None
            if wanted is not None:
                self.list.show_current(wanted)
        self._nothing.setVisible(not shelf)
        self.list.setVisible(bool(shelf))
        self._rest.setVisible(not shelf)
        held = [line.holding for line in shelf if line.holding is not None]
        self._drawers = sum(draws_from_words(one) for one in held)
        self._fill_details(self.list.current())
        if not self.is_adding:
            self._right.setCurrentWidget(self.details if shelf else self.adding)
        self.adding.show_have([name for one in held for name in (one.name, one.source.partition("@")[0])])

    def show_chosen(self, folder: Path | None) -> None:
        """The checkpoint in `folder` draws from now on."""
        self._chosen = folder
        self._shelf.show_chosen(folder)
        self._fill_details(self.list.current())

    def select(self, folder: Path) -> None:
        """Show the details of the checkpoint in `folder`."""
        self.list.show_current(folder)
        self._show_details(self.list.current())

    def show_adding(self) -> None:
        """Show where something new can come from."""
        self._right.setCurrentWidget(self.adding)
        self.adding.focus()

    @property
    def is_adding(self) -> bool:
        return self._right.currentWidget() is self.adding

    def show_problem(self, problem: SdxlDesktopError) -> None:
        """Something that was asked of the selected one cannot be done."""
        self._right.setCurrentWidget(self.details)
        self.details.show_problem(problem)

    def _show_details(self, line: Shelved | None) -> None:
        self._fill_details(line)
        if line is not None:
            self._right.setCurrentWidget(self.details)

    def _fill_details(self, line: Shelved | None) -> None:
        in_use = line is not None and line.folder == self._chosen
        self.details.show_line(line, in_use=in_use, comparable=self._drawers > 1)

    def lines(self) -> tuple[str, ...]:
        """What the list says, a screen reader's way."""
        roles = Qt.ItemDataRole
        rows = range(self._shelf.rowCount())
        return tuple(str(self._shelf.data(self._shelf.index(row), roles.AccessibleTextRole)) for row in rows)

    def keyPressEvent(self, key: QKeyEvent) -> None:
        """Delete asks to remove what the list shows; Escape closes, as everywhere."""
        if key.key() == Qt.Key.Key_Delete and self.list.hasFocus() and self.details.remove.isVisible():
            self.details.remove.click()
            return
        super().keyPressEvent(key)
