"""Dialogs fit the screen, have no stock icons, and order their buttons consistently."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QSize
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QMenu,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.ui.expand_dialog import ExpandDialog
from sdxl_desktop.ui.help_dialogs import about_dialog, shortcuts_dialog
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column
from sdxl_desktop.ui.widgets.plain_text import message_box
from tests.ui.test_interactions import put_picture


def room(window: QWidget) -> QSize:
    return window.screen().availableSize()


def fits(window: QWidget) -> bool:
    return window.frameSize() == window.frameSize().boundedTo(room(window))


@pytest.fixture
def wide(window: MainWindow) -> MainWindow:
    window.resize(room(window))
    return window


@pytest.mark.parametrize("wanted", [QSize(5000, 200), QSize(200, 5000), QSize(3000, 3000)])
def test_a_dialog_is_no_larger_than_the_screen_whatever_it_was_asked_to_be(qtbot: QtBot, wanted: QSize) -> None:
    dialog = FittedDialog()
    qtbot.addWidget(dialog)
    dialog.resize(wanted)
    dialog.show()
    assert fits(dialog)


def test_nor_because_its_content_wants_more(qtbot: QtBot) -> None:
    dialog, content = FittedDialog(), QWidget()
    qtbot.addWidget(dialog)
    content.setMinimumSize(4000, 4000)
    dialog.setLayout(column(content))
    dialog.show()
    assert fits(dialog)


def test_a_dialog_that_fits_keeps_the_size_that_it_was_given(qtbot: QtBot) -> None:
    dialog = FittedDialog()
    qtbot.addWidget(dialog)
    dialog.resize(300, 200)
    dialog.show()
    assert dialog.size() == QSize(300, 200)


def test_each_dialog_of_the_window_fits_the_screen(wide: MainWindow, qtbot: QtBot) -> None:
    dialogs: list[QDialog] = [
        wide.open_settings(),
        about_dialog(wide),
        shortcuts_dialog(wide, [("Ctrl+Shift+F1", "An action with a long name")] * 60),
        wide.library_controller.open_dialog(),
        ExpandDialog(Size(64, 48), wide),
    ]
    for dialog in dialogs:
        dialog.show()
        assert fits(dialog), type(dialog)
        dialog.close()


def test_the_shortcuts_need_no_sideways_scrolling(wide: MainWindow, qtbot: QtBot) -> None:
    dialog = shortcuts_dialog(wide, [("Ctrl+Shift+Return", "An action with a long name")] * 20)
    dialog.show()
    qtbot.waitExposed(dialog)
    area = dialog.findChild(QScrollArea)
    assert isinstance(area, QScrollArea)
    bar: QScrollBar = area.horizontalScrollBar()
    assert bar.maximum() == 0
    dialog.close()


def places(buttons: list[QPushButton]) -> list[str]:
    """Return their texts from left to right."""
    return [button.text() for button in sorted(buttons, key=lambda one: one.mapToGlobal(QPoint(0, 0)).x())]


def test_what_continues_stands_last_and_no_button_has_a_stock_picture(wide: MainWindow, qtbot: QtBot) -> None:
    settings, expand = wide.open_settings(), ExpandDialog(Size(64, 48), wide)
    kinds = QMessageBox.StandardButton
    question = message_box(wide, "Quit", "What now?", buttons=kinds.Save | kinds.Discard | kinds.Cancel)
    for dialog, wanted in (
        (settings, ["Restore Defaults", "Cancel", "Save"]),
        (expand, ["Cancel", "Expand"]),
        (question, ["Discard", "Cancel", "Save"]),
    ):
        dialog.show()
        qtbot.waitExposed(dialog)
        box = dialog.findChild(QDialogButtonBox)
        assert isinstance(box, QDialogButtonBox)
        buttons = [button for button in box.buttons() if isinstance(button, QPushButton)]
        assert places(buttons) == wanted
        assert all(button.icon().isNull() for button in buttons)
        dialog.close()


def test_the_picture_being_edited_has_a_menu(window: MainWindow, qtbot: QtBot) -> None:
    put_picture(window)
    window.canvas_area.canvas.context_menu_requested.emit(QPoint(10, 10))
    menu = next(menu for menu in window.canvas_area.findChildren(QMenu) if menu.isVisible())
    words = [action.text().replace("&", "") for action in menu.actions() if not action.isSeparator()]
    assert "Use the picture's settings" in words
    assert "Copy" in words
    menu.close()
