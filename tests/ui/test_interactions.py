"""User actions run once and as intended: the Expand dialog, double clicks, intents, settings of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import GenerationMode
from sdxl_desktop.ui.expand_dialog import ExpandDialog
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.panels.generate_bar import button_text
from sdxl_desktop.ui.widgets.fields import IntField
from tests.ui.conftest import wait_until_idle
from tests.ui.painting.test_picture_drops import drag_and_drop, files
from tests.ui.widget_lookup import find_child, menu_action


def put_picture(window: MainWindow, name: str = "one") -> None:
    window.document.set_picture(np.zeros((48, 64, 3), np.uint8), name)
    window.import_controller.edit_source_changed.emit()


def button(window: MainWindow, words: str) -> QPushButton:
    return next(b for b in window.findChildren(QPushButton) if b.text().startswith(words) and b.isVisible())


def test_a_number_typed_into_the_expand_dialog_counts_at_once(window: MainWindow, qtbot: QtBot) -> None:
    dialog = ExpandDialog(Size(64, 48), window)
    qtbot.addWidget(dialog)
    dialog.show()
    left = dialog.findChildren(IntField)[0]
    left.setFocus()
    left.selectAll()
    qtbot.keyClicks(left, "24")
    ok = find_child(dialog, QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    assert ok.isEnabled()
    with qtbot.waitSignal(dialog.accepted):
        qtbot.mouseClick(ok, Qt.MouseButton.LeftButton)
    assert dialog.value() == (24, 0, 0, 0)


def test_a_double_click_on_the_way_back_does_not_remove_the_picture(drawn: MainWindow, qtbot: QtBot) -> None:
    put_picture(drawn)
    drawn.canvas_area.go_to(0)
    qtbot.mouseClick(button(drawn, "Back"), Qt.MouseButton.LeftButton)
    remove = button(drawn, "Remove")
    qtbot.mouseDClick(remove, Qt.MouseButton.LeftButton)
    assert drawn.document.has_picture
    qtbot.mouseClick(remove, Qt.MouseButton.LeftButton)
    assert not drawn.document.has_picture


@pytest.mark.parametrize("intent", list(Intent))
def test_the_button_names_what_is_meant(intent: Intent) -> None:
    words, tip = button_text(GenerationMode.INPAINT, intent)
    assert intent.label in words
    assert intent.help in tip
    assert button_text(GenerationMode.TEXT_TO_IMAGE, intent)[0] == "Generate"
    assert button_text(GenerationMode.IMAGE_TO_IMAGE, None)[0] == "Redraw picture"


def test_an_intent_does_not_stick_to_the_next_picture(drawn: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    put_picture(drawn)
    drawn.document.set_mask(np.full((48, 64), 255, np.uint8))
    drawn.import_controller.edit_source_changed.emit()
    drawn.parameters_panel.apply_intent(Intent.REMOVE)
    assert find_child(drawn, QPushButton, "generate").text() == "Remove"
    drawn.import_controller.open_picture(drawn.session.results[0].saved_to)  # type: ignore[arg-type]
    assert drawn.parameters_panel.value().edit.intent is Intent.FILL


def test_the_settings_of_a_picture_stay_available(drawn: MainWindow, qtbot: QtBot) -> None:
    saved = drawn.session.results[0].saved_to
    assert saved is not None
    drag_and_drop(drawn.canvas_area.canvas, files(saved))
    drawn.canvas_area.toast.dismiss()
    drawn.parameters_panel.set_prompt("something else")
    action = menu_action(drawn, "use picture settings")
    drawn.import_controller.edit_source_changed.emit()
    assert action.isEnabled()
    action.trigger()
    assert drawn.parameters_panel.value().prompts.prompt == "a red heart"
    put_picture(drawn)
    drawn.import_controller.remove_picture()
    drawn.import_controller.edit_source_changed.emit()
    assert not action.isEnabled()
    wait_until_idle(qtbot, drawn)
