"""The style of this package's tables: subtle lines, whole-row selection, right-aligned numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

TABLE_STYLESHEET = """
QTableWidget {
    background: palette(base); border: 1px solid palette(midlight); border-radius: 6px; gridline-color: transparent;
    selection-background-color: palette(highlight); selection-color: palette(highlighted-text);
}
QTableWidget::item { padding: 4px 10px; border: none; border-bottom: 1px solid palette(midlight); }
QTableWidget::item:selected { background: palette(highlight); color: palette(highlighted-text); }
QHeaderView { background: transparent; }
QHeaderView::section {
    background: palette(button); color: palette(text); border: none; border-bottom: 1px solid palette(mid);
    padding: 5px 10px; font-weight: 600;
}
QTableCornerButton::section { background: palette(button); border: none; }
"""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column's title; `stretch` columns take the remaining width, `numeric` ones are right-aligned."""

    title: str
    numeric: bool = False
    stretch: bool = False


@dataclass(frozen=True, slots=True)
class TableCell:
    """A text, its tooltip, and whether it is bold."""

    text: str
    tooltip: str = ""
    bold: bool = False


class DataTable(QTableWidget):
    """A read-only table whose rows can be selected if `selectable`."""

    def __init__(self, name: str, columns: Sequence[TableColumn], *, selectable: bool = False) -> None:
        super().__init__(0, len(columns))
        self._columns = tuple(columns)
        self.setStyleSheet(TABLE_STYLESHEET)
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        modes = QAbstractItemView.SelectionMode
        self.setSelectionMode(modes.ExtendedSelection if selectable else modes.NoSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if selectable else Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(32)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        for position, column in enumerate(columns):
            resize = QHeaderView.ResizeMode
            header.setSectionResizeMode(position, resize.Stretch if column.stretch else resize.ResizeToContents)
            title = QTableWidgetItem(column.title)
            title.setTextAlignment(_alignment(column))
            self.setHorizontalHeaderItem(position, title)

    def set_rows(self, rows: Sequence[Sequence[TableCell]]) -> None:
        self.setRowCount(0)
        self.setRowCount(len(rows))
        for line, cells in enumerate(rows):
            for position, (cell, column) in enumerate(zip(cells, self._columns, strict=True)):
                item = QTableWidgetItem(cell.text)
                item.setTextAlignment(_alignment(column))
                item.setToolTip(plain_text_tooltip(cell.tooltip))
                if cell.bold:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                self.setItem(line, position, item)

    def selected_rows(self) -> list[int]:
        """Return the selected rows, from 0."""
        return sorted({index.row() for index in self.selectionModel().selectedRows()})


def _alignment(column: TableColumn) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column.numeric else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
