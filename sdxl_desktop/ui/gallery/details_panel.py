"""The panel beside the grid: the current picture, every setting that made it with a button to copy it, and tags."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from sdxl_desktop.history.entries import EntryState, HistoryDetails
from sdxl_desktop.ui.gallery.entry_text import file_name, missing_text
from sdxl_desktop.ui.gallery.record_rows import Row, rows_of
from sdxl_desktop.ui.widgets.buttons import IconButton, with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

WIDTH = 300
_LONG_LABELS = ("Prompt", "Negative prompt", "Prompt 2", "Negative prompt 2", "Checkpoint ID", "Time", "Device", "File")
"""Rows whose text is below their label."""


class DetailsPanel(QWidget):
    """Shows the details of one picture, or how many are selected."""

    use_settings_requested = Signal()
    open_requested = Signal()
    edit_tags_requested = Signal()
    copied = Signal(str)
    """With the label of the row whose text was copied."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []
        self._title = heading_label("")
        self._title.setWordWrap(True)
        self._missing = PlainTextLabel()
        self._missing.setObjectName("remark")
        self._missing.setWordWrap(True)
        self._no_record = muted_label(
            "The file does not say how it was made, so there are no settings to use.", wrap=True
        )
        self.use_button = with_role(QPushButton("Use its settings"), "primary")
        self.open_button = QPushButton("Show on the canvas")
        self.tags_button = with_role(QPushButton("Edit tags…"), "link")
        self.copy_all_button = with_role(QPushButton("Copy all"), "link")
        self._body = QWidget()
        self._body.setObjectName("panelContent")
        self._scroll = QScrollArea(widgetResizable=True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._lay_out()
        self.use_button.clicked.connect(self.use_settings_requested)
        self.open_button.clicked.connect(self.open_requested)
        self.tags_button.clicked.connect(self.edit_tags_requested)
        self.copy_all_button.clicked.connect(self._copy_all)
        self.show_selection(0)

    def _lay_out(self) -> None:
        self.setObjectName("details")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH)
        self._scroll.setWidget(self._body)
        links = row(self.tags_button, self.copy_all_button, spacing=4)
        links.addStretch(1)
        whole = column(
            self._title,
            self._missing,
            self.open_button,
            self.use_button,
            self._no_record,
            links,
            self._scroll,
            margins=(16, 12, 16, 0),
        )
        whole.setStretch(6, 1)
        self.setLayout(whole)

    def sizeHint(self) -> QSize:
        return QSize(WIDTH, 400)

    def show_selection(self, count: int) -> None:
        """Show that no picture, or several, are selected."""
        self._set_rows([])
        self._title.setText("Nothing selected" if not count else f"{count} pictures selected")
        for widget in (self._missing, self.use_button, self.open_button, self._no_record, self.copy_all_button):
            widget.hide()
        self.tags_button.setVisible(count > 0)

    def show_details(self, details: HistoryDetails, *, missing: bool = False) -> None:
        """Show a picture; `missing`: its file was not found just now."""
        entry = details.entry
        missing = missing or entry.state is EntryState.MISSING
        name = file_name(entry.file)
        self._title.setText(f"{name} (missing)" if missing else name)
        self._missing.setText(missing_text(entry.file))
        self._missing.setVisible(missing)
        self.open_button.setVisible(not missing)
        other_program = bool(entry.prompt or entry.checkpoint_title) and not missing  # its record is in the file
        has_settings = details.record is not None or other_program
        self.use_button.setVisible(has_settings)
        self._no_record.setVisible(not has_settings and not missing)
        self.tags_button.show()
        self.copy_all_button.show()
        self._set_rows(rows_of(details))

    def _set_rows(self, rows: list[Row]) -> None:
        if rows == self._rows and rows:
            return
        self._rows = rows
        self._body = QWidget()
        self._body.setObjectName("panelContent")
        whole = QVBoxLayout(self._body)
        whole.setContentsMargins(0, 0, 4, 12)
        whole.setSpacing(8)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(1, 1)
        for label, text in rows:
            _add_row(grid, label, text, self._copy)
        whole.addLayout(grid)
        whole.addStretch(1)
        self._scroll.setWidget(self._body)

    def _copy(self, label: str, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.copied.emit(label)

    def _copy_all(self) -> None:
        self._copy("All settings", "\n".join(f"{label}: {text}" for label, text in self._rows))


def _add_row(grid: QGridLayout, label: str, text: str, copy: Callable[[str, str], None]) -> None:
    name = muted_label(label, wrap=True)
    value = PlainTextLabel(text)
    value.setWordWrap(True)
    value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    value.setAccessibleName(f"{label}: {text}")
    button = IconButton("copy", f"Copy {label}")
    button.setIconSize(QSize(14, 14))
    button.clicked.connect(lambda: copy(label, text))
    line, centre = grid.rowCount(), Qt.AlignmentFlag.AlignVCenter
    grid.addWidget(button, line, 2, centre)
    if label in _LONG_LABELS:
        grid.addWidget(name, line, 0, 1, 2, centre)
        grid.addWidget(value, line + 1, 0, 1, 3)
        return
    name.setFixedWidth(96)
    grid.addWidget(name, line, 0, centre)
    grid.addWidget(value, line, 1, centre)
