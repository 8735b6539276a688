"""The look of the tables of this package: quiet lines, whole rows, numbers on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from sdxl_desktop.ui.widgets.plain import plain_tip

SHEET = """
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
class Column:
    """A column's title; `wide` ones take the room that is left, `number`s stand on the right."""

    title: str
    number: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """Words, what they mean at length, and whether they stand out or stand back."""

    words: str
    tip: str = ""
    strong: bool = False


class Table(QTableWidget):
    """Rows that can be looked at and, with `choosing`, chosen."""

    def __init__(self, name: str, columns: Sequence[Column], *, choosing: bool = False) -> None:
        super().__init__(0, len(columns))
        self._columns = tuple(columns)
        self.setStyleSheet(SHEET)
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        modes = QAbstractItemView.SelectionMode
        self.setSelectionMode(modes.ExtendedSelection if choosing else modes.NoSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if choosing else Qt.FocusPolicy.NoFocus)
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
            header.setSectionResizeMode(position, resize.Stretch if column.wide else resize.ResizeToContents)
            title = QTableWidgetItem(column.title)
            title.setTextAlignment(_alignment(column))
            self.setHorizontalHeaderItem(position, title)

    def show_rows(self, rows: Sequence[Sequence[Cell]]) -> None:
        self.setRowCount(0)
        self.setRowCount(len(rows))
        for line, cells in enumerate(rows):
            for position, (cell, column) in enumerate(zip(cells, self._columns, strict=True)):
                item = QTableWidgetItem(cell.words)
                item.setTextAlignment(_alignment(column))
                item.setToolTip(plain_tip(cell.tip))
                if cell.strong:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                self.setItem(line, position, item)

    def chosen_rows(self) -> list[int]:
        """The rows that are selected, from 0."""
        return sorted({index.row() for index in self.selectionModel().selectedRows()})


def _alignment(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
