"""What strangers wrote is shown as they wrote it, wherever it stands: nothing of it is read as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QAbstractItemModel, QAbstractTableModel, Qt
from PySide6.QtGui import Qt as GuiQt
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QAbstractItemView, QApplication, QComboBox, QLabel, QMenu, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.session.tasks import Comparable
from sdxl_desktop.ui.library.compare_sheet import CompareSheet
from sdxl_desktop.ui.library.pieces import question
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.widgets.plain import plain_action, plain_tip
from tests.ui.conftest import make_checkpoint, wait_until_idle
from tests.ui.library.conftest import OpenWindow, PretendHands, an_offer, the_sheet

HOSTILE = [
    'Nice <img src="FILE"> <b>BOLD</b>',
    '<h1>OFFICIAL</h1> <a href="file:///etc/passwd">click</a>',
    "&lt;b&gt; &amp; <i>",
    '<html><body><table background="FILE"><tr><td>x</table>',
    '<?xml version="1.0"?><p>x',
]


def seen(text: str) -> str:
    """What a tooltip of this text shows."""
    if not GuiQt.mightBeRichText(text):
        return text
    document = QTextDocument()
    document.setHtml(text)
    return document.toPlainText().replace("\N{NO-BREAK SPACE}", " ")


def tips(window: QWidget) -> Iterator[str]:
    """Every tooltip in a window, those of lists and menus too."""
    for widget in (window, *window.findChildren(QWidget)):
        yield widget.toolTip()
        if isinstance(widget, QMenu):
            yield from (action.toolTip() for action in widget.actions())
        if isinstance(widget, QAbstractItemView | QComboBox):
            yield from tips_of(widget.model())


def tips_of(model: QAbstractItemModel | None) -> Iterator[str]:
    if model is None:
        return
    columns = model.columnCount() if isinstance(model, QAbstractTableModel) else 1
    for row in range(model.rowCount()):
        for column in range(columns):
            for role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.WhatsThisRole, Qt.ItemDataRole.StatusTipRole):
                yield model.index(row, column).data(role) or ""


def told(window: QWidget) -> str:
    """All that labels and tooltips of a window show, after making sure that no label reads HTML."""
    labels = [label for label in window.findChildren(QLabel) if label.text()]
    wrong = [label.text() for label in labels if label.textFormat() != Qt.TextFormat.PlainText]
    assert not wrong, "labels that guess"
    return "\n".join([*(label.text() for label in labels), *map(seen, tips(window))])


def everything(window: MainWindow) -> str:
    """What the window and all that stands over it show."""
    return "\n".join(told(each) for each in QApplication.topLevelWidgets() if not isinstance(each, QMenu))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_tooltip_shows_what_is_written(text: str) -> None:
    for words in (text, f"first\n{text}", f"{text}\n  last"):
        assert seen(plain_tip(words)) == words


def test_a_plain_tooltip_stays_as_it_is() -> None:
    assert plain_tip("Zoom in (Ctrl++)\nThe second line & more") == "Zoom in (Ctrl++)\nThe second line & more"


def test_a_line_of_a_menu_shows_its_ampersands() -> None:
    assert plain_action("a &amp; b") == "a &&amp; b"


@pytest.mark.parametrize("text", HOSTILE)
def test_the_window_shows_foreign_words_as_they_are_written(
    own: Path, open_window: OpenWindow, hands: PretendHands, qtbot: QtBot, tmp_path: Path, text: str
) -> None:
    folder = make_checkpoint(own / "theirs", title=text)
    card = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**card, "title": f"T {text}", "description": f"D {text}"}))
    window = open_window()
    window.desk.choose_checkpoint("theirs")
    window.desk.use_prompt(f"P {text}")
    window.verbs.generate()
    wait_until_idle(qtbot, window)
    qtbot.waitUntil(lambda: window.session.results[-1].saved_to is not None)  # which is told, too
    result = window.session.results[-1]
    window.session.results[-1] = replace(result, picture=replace(result.picture, notes=(f"N {text}",)))
    window.verbs.redraw()
    name = text.replace("/", "|")
    (tmp_path / f"L {name}.safetensors").write_bytes(b"x")
    window.desk.add_lora(tmp_path / f"L {name}.safetensors")
    window.verbs.tell(f"M {text}", tip=f"t {text}")
    window.verbs.show_problem(CheckpointError(f"W {text}", why=f"Y {text}", next_step=f"X {text}"))
    window.status.show_parts(f"U {text}")
    window.status.show_progress(Progress(phase=Phase.LOADING, detail=f"V {text}"))
    shown = everything(window)
    for mark in "DPNMtWYXUV":
        assert f"{mark} {text}" in shown.replace(" (V", "\nV"), mark
    assert f"L {name}" in shown
    assert any(item == f"T {text}" for item in items(window))
    page = window.library.open_page()
    qtbot.waitUntil(lambda: len(page.lines()) > 2)
    page.list.show_current(folder)
    assert f"T {text}" in everything(window)
    hands.offers["someone/x"] = an_offer("someone/x", title=f"O {text}", licence=f"I {text}")
    window.library.verbs.look_up("someone/x")
    sheet = the_sheet(window, qtbot)
    said = told(sheet)
    assert f"O {text}" in said
    assert f"I {text}" in said
    sheet.reject()


def items(window: MainWindow) -> list[str]:
    return [box.itemText(row) for box in window.findChildren(QComboBox) for row in range(box.count())]


@pytest.mark.parametrize("text", HOSTILE)
def test_dialogs_show_foreign_words_as_they_are_written(window: MainWindow, own: Path, qtbot: QtBot, text: str) -> None:
    theirs = replace(read_checkpoint(own / "mine"), title=text)
    sheet = CompareSheet(theirs, Comparable((theirs,)), window)
    assert text in told(sheet)
    box = question(window, f"Remove {text}?", f"More {text}", "Remove")
    assert isinstance(box, QMessageBox)
    assert f"Remove {text}?" in told(box)
    assert f"More {text}" in told(box)
    for made in (sheet, box):
        made.deleteLater()
