"""Toasts."""

from __future__ import annotations

import functools

from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.ui.widgets.notices import Toast


def test_what_an_answer_says_stays_to_be_read(qtbot: QtBot) -> None:
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(600, 400)
    over.show()
    toast = Toast(over)
    toast.action_triggered.connect(lambda: toast.notify("Looking it up", persistent=True))
    toast.notify("It came", action="Add it", persistent=True)
    qtbot.mouseClick(toast.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert toast.isVisible()
    assert toast.accessibleName() == "Looking it up"


def test_a_toast_keeps_off_the_picture(qtbot: QtBot) -> None:
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(900, 500)
    over.show()
    toast, strip = Toast(over), QRect(0, 400, 900, 100)
    toast.available_rect = lambda: QRect(0, 0, 900, 400)
    toast.fallback_rect = lambda: strip
    for picture in (QRect(), QRect(300, 16, 300, 368), QRect(16, 16, 500, 368), QRect(0, 0, 900, 400)):
        toast.avoid_rect = functools.partial(QRect, picture)
        toast.notify("Saved as a-picture-with-a-long-name-0001.png", action="Show in folder")
        assert not toast.geometry().intersects(picture), picture
        assert over.rect().contains(toast.geometry()), picture
    assert strip.contains(toast.geometry())
    toast.dismiss()


def test_a_longer_message_is_wrapped_and_whole(qtbot: QtBot) -> None:
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(900, 500)
    over.show()
    toast = Toast(over)
    words = "sticker.png is on the canvas. a-broken.png could not be opened. Transparent areas were put over white."
    toast.notify(words, action="Change…")
    assert words in [label.text() for label in toast.findChildren(QLabel)]
    assert toast.width() <= 560
    toast.dismiss()
