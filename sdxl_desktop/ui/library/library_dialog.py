"""The library dialog: checkpoints and jobs on the left; the details of one, or the ways to add, on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSignalBlocker, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QSplitter, QStackedWidget, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.library_list import LibraryItem
from sdxl_desktop.ui.library import library_stylesheet
from sdxl_desktop.ui.library.add_panel import AddCheckpointPanel
from sdxl_desktop.ui.library.checkpoint_details import CheckpointDetails, is_base_checkpoint
from sdxl_desktop.ui.library.checkpoint_list import CheckpointListModel, CheckpointListView
from sdxl_desktop.ui.library.common_widgets import title_label
from sdxl_desktop.ui.library.job_rows import JobRows
from sdxl_desktop.ui.library.token_field import TaskRunner
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row
from sdxl_desktop.ui.widgets.notices import Toast


class LibraryDialog(FittedDialog):
    """Displays the given state; its parts emit the user's requests. Non-modal, open beside the main window."""

    def __init__(self, runner: TaskRunner, machine_memory: int, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Checkpoints")
        self._model = CheckpointListModel()
        self._selected_folder: Path | None = None
        self._base_checkpoint_count = 0
        self.checkpoint_list = CheckpointListView(self._model)
        self.jobs = JobRows()
        self.details = CheckpointDetails()
        self.add_panel = AddCheckpointPanel(runner, machine_memory)
        self.add_button = with_role(QPushButton("&Add…"), "primary")
        self._empty_label = muted_label("There is no checkpoint yet. Press Add to import one.", wrap=True)
        self._left_pane, self._right_stack, self._blank_page, self._filler = (
            QWidget(),
            QStackedWidget(),
            QWidget(),
            QWidget(),
        )
        self._lay_out()
        self.toast = Toast(self)
        self.toast.available_rect = lambda: QRect(self._left_pane.mapTo(self, QPoint(0, 0)), self._left_pane.size())
        self.setStyleSheet(
            library_stylesheet.LIBRARY_STYLESHEET
        )  # last, so that it is computed once and not for each part
        self._connect()

    def _lay_out(self) -> None:
        self.add_button.setAutoDefault(False)
        self._empty_label.setAlignment(Qt.AlignmentFlag.AlignTop)
        head = row(title_label("Checkpoints"), self.add_button)
        head.setStretch(0, 1)
        left, right = self._left_pane, QWidget()
        left.setLayout(
            column(
                head,
                self.jobs,
                self._empty_label,
                self.checkpoint_list,
                self._filler,
                spacing=12,
                margins=(20, 20, 12, 16),
            )
        )
        self._empty_label.hide()
        self.checkpoint_list.hide()
        for page in (self._blank_page, self.details, self.add_panel):
            self._right_stack.addWidget(page)
        right.setLayout(column(self._right_stack, margins=(20, 20, 12, 16)))
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
        self.toast.action_failed.connect(self.show_error)
        self.checkpoint_list.entry_selected.connect(self._show_details)
        self.checkpoint_list.clicked.connect(lambda _: self._show_details(self.checkpoint_list.current_entry()))
        self.checkpoint_list.activated.connect(lambda _: self.details.use_button.click())
        self.add_button.clicked.connect(self.show_add_panel)

    # displaying

    def set_entries(self, entries: Sequence[LibraryItem], selected_folder: Path | None) -> None:
        """List `entries`; the one in `selected_folder` is marked as in use. The selected row is preserved."""
        selected = self.details.current_entry()
        with QSignalBlocker(self.checkpoint_list):
            self._selected_folder = selected_folder
            self._model.set_entries(entries)
            self._model.set_selected(selected_folder)
            wanted = selected.folder if selected is not None else selected_folder
            if wanted is None or self._model.row_of(wanted) < 0:
                wanted = entries[0].folder if entries else None
            if wanted is not None:
                self.checkpoint_list.select_folder(wanted)
        self._empty_label.setVisible(not entries)
        self.checkpoint_list.setVisible(bool(entries))
        self._filler.setVisible(not entries)
        held = [line.installed for line in entries if line.installed is not None]
        self._base_checkpoint_count = sum(is_base_checkpoint(one) for one in held)
        self._update_details(self.checkpoint_list.current_entry())
        if not self.is_add_panel_shown:
            self._right_stack.setCurrentWidget(self.details if entries else self.add_panel)
        self.add_panel.mark_installed([name for one in held for name in (one.name, one.source.partition("@")[0])])

    def set_selected(self, folder: Path | None) -> None:
        """Mark the checkpoint in `folder` as the one in use."""
        self._selected_folder = folder
        self._model.set_selected(folder)
        self._update_details(self.checkpoint_list.current_entry())

    def select(self, folder: Path) -> None:
        """Show the details of the checkpoint in `folder`."""
        self.checkpoint_list.select_folder(folder)
        self._show_details(self.checkpoint_list.current_entry())

    def show_add_panel(self) -> None:
        """Show the panel for adding a checkpoint."""
        self._right_stack.setCurrentWidget(self.add_panel)
        self.add_panel.focus_query()

    @property
    def is_add_panel_shown(self) -> bool:
        return self._right_stack.currentWidget() is self.add_panel

    def show_error(self, problem: SdxlDesktopError) -> None:
        """Show why a requested action on the selected checkpoint failed."""
        self._right_stack.setCurrentWidget(self.details)
        self.details.show_error(problem)

    def _show_details(self, entry: LibraryItem | None) -> None:
        self._update_details(entry)
        if entry is not None:
            self._right_stack.setCurrentWidget(self.details)

    def _update_details(self, entry: LibraryItem | None) -> None:
        in_use = entry is not None and entry.folder == self._selected_folder
        self.details.show_entry(entry, in_use=in_use, comparable=self._base_checkpoint_count > 1)

    def row_texts(self) -> tuple[str, ...]:
        """Return the list's texts as a screen reader would read them."""
        roles = Qt.ItemDataRole
        rows = range(self._model.rowCount())
        return tuple(str(self._model.data(self._model.index(row), roles.AccessibleTextRole)) for row in rows)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete asks to remove the selected checkpoint; Escape closes, as everywhere."""
        if (
            event.key() == Qt.Key.Key_Delete
            and self.checkpoint_list.hasFocus()
            and self.details.remove_button.isVisible()
        ):
            self.details.remove_button.click()
            return
        super().keyPressEvent(event)
