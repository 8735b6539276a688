"""The bar above the canvas in narrow and wide windows."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.ui.canvas_bar import CanvasBar

NARROWEST = 480
"""The least width of the canvas in the window."""


@pytest.fixture
def bar(app: QApplication, qtbot: QtBot) -> CanvasBar:
    bar = CanvasBar()
    qtbot.addWidget(bar)
    bar.set_document("a photograph with quite a long name.png", Size(1024, 1024))
    bar.set_settings_offered(True)
    bar.setFixedWidth(1400)
    bar.show()
    return bar


def links(bar: CanvasBar) -> list[str]:
    return [link.text() for link in bar.findChildren(QPushButton) if link.isVisible()]


@pytest.mark.parametrize("width", [NARROWEST, 495, 600, 760, 981])
@pytest.mark.parametrize("zoom", [0.07, 16.0])
@pytest.mark.parametrize(
    ("document", "result", "run"),
    [(True, False, False), (False, True, False), (True, True, False), (False, True, True), (True, True, True)],
)
def test_no_button_is_cut_off(bar: CanvasBar, width: int, zoom: float, document: bool, result: bool, run: bool) -> None:
    bar.setFixedWidth(width)
    bar.set_compare(document and result)
    bar.set_edit_state(document=document, result=result)
    bar.set_follow_run_offered(run)
    bar.set_zoom(zoom)
    QApplication.processEvents()
    shown = [button for button in bar.findChildren(QAbstractButton) if button.isVisible()]
    cut = [
        button.text() or button.accessibleName()
        for button in shown
        if button.width() < button.sizeHint().width() or not bar.rect().contains(button.geometry())
    ]
    assert cut == []
    assert len(links(bar)) == 1 + run


def test_links_have_short_texts_only_where_there_is_no_room(bar: CanvasBar) -> None:
    bar.set_edit_state(document=True, result=False)
    assert links(bar) == ["Remove picture"]
    bar.setFixedWidth(NARROWEST)
    QApplication.processEvents()
    assert links(bar) == ["Remove"]
    (link,) = (one for one in bar.findChildren(QPushButton) if one.isVisible())
    assert link.accessibleName() == "Remove picture"
    bar.setFixedWidth(1400)
    QApplication.processEvents()
    assert links(bar) == ["Remove picture"]
