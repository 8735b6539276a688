"""Messages in passing."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.ui.widgets.notices import Toast


def test_what_an_answer_says_stays_to_be_read(qtbot: QtBot) -> None:
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(600, 400)
    over.show()
    toast = Toast(over)
    toast.answered.connect(lambda: toast.tell("Looking it up", stays=True))
    toast.tell("It came", answer="Add it", stays=True)
    qtbot.mouseClick(toast.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert toast.isVisible()
    assert toast.accessibleName() == "Looking it up"
