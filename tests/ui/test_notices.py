"""Messages in passing."""

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
    toast.answered.connect(lambda: toast.tell("Looking it up", stays=True))
    toast.tell("It came", answer="Add it", stays=True)
    qtbot.mouseClick(toast.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert toast.isVisible()
    assert toast.accessibleName() == "Looking it up"


def test_a_toast_keeps_off_the_picture(qtbot: QtBot) -> None:
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(900, 500)
    over.show()
    toast, strip = Toast(over), QRect(0, 400, 900, 100)
    toast.room = lambda: QRect(0, 0, 900, 400)
    toast.elsewhere = lambda: strip
    for picture in (QRect(), QRect(300, 16, 300, 368), QRect(16, 16, 500, 368), QRect(0, 0, 900, 400)):
        toast.keep_off = functools.partial(QRect, picture)
        toast.tell("Saved as a-picture-with-a-long-name-0001.png", answer="Show in folder")
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
    toast.tell(words, answer="Change…")
    assert words in [label.text() for label in toast.findChildren(QLabel)]
    assert toast.width() <= 560
    toast.dismiss()
