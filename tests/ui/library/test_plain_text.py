"""Text from outside is shown literally everywhere: none of it is interpreted as HTML."""

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
from sdxl_desktop.session.checkpoint_jobs import ComparisonCandidates
from sdxl_desktop.ui.library.common_widgets import confirmation_box
from sdxl_desktop.ui.library.compare_dialog import CompareDialog
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic, plain_text_tooltip
from tests.ui.conftest import make_checkpoint, wait_until_idle
from tests.ui.library.conftest import FakeLibraryService, OpenWindow, current_import_dialog, make_preview

pytestmark = pytest.mark.usefixtures("plain_style")

HOSTILE = [
    'Nice <img src="FILE"> <b>BOLD</b>',
    '<h1>OFFICIAL</h1> <a href="file:///etc/passwd">click</a>',
    "&lt;b&gt; &amp; <i>",
    '<html><body><table background="FILE"><tr><td>x</table>',
    '<?xml version="1.0"?><p>x',
]


def displayed_text(text: str) -> str:
    """Return the text that a tooltip with `text` displays."""
    if not GuiQt.mightBeRichText(text):
        return text
    document = QTextDocument()
    document.setHtml(text)
    return document.toPlainText().replace("\N{NO-BREAK SPACE}", " ")


def widget_tooltips(window: QWidget) -> Iterator[str]:
    """Yield every tooltip in a window, including those of lists and menus."""
    for widget in (window, *window.findChildren(QWidget)):
        yield widget.toolTip()
        if isinstance(widget, QMenu):
            yield from (action.toolTip() for action in widget.actions())
        if isinstance(widget, QAbstractItemView | QComboBox):
            yield from model_tooltips(widget.model())


def model_tooltips(model: QAbstractItemModel | None) -> Iterator[str]:
    if model is None:
        return
    columns = model.columnCount() if isinstance(model, QAbstractTableModel) else 1
    for row in range(model.rowCount()):
        for column in range(columns):
            for role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.WhatsThisRole, Qt.ItemDataRole.StatusTipRole):
                yield model.index(row, column).data(role) or ""


def notice_text(window: QWidget) -> str:
    """Return the text of all labels and tooltips of a window, after asserting that no label interprets HTML."""
    labels = [label for label in window.findChildren(QLabel) if label.text()]
    wrong = [label.text() for label in labels if label.textFormat() != Qt.TextFormat.PlainText]
    assert not wrong, "labels that guess"
    return "\n".join([*(label.text() for label in labels), *map(displayed_text, widget_tooltips(window))])


def everything(window: MainWindow) -> str:
    """Return the text of the window and of everything over it."""
    return "\n".join(notice_text(each) for each in QApplication.topLevelWidgets() if not isinstance(each, QMenu))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_tooltip_shows_what_is_written(text: str) -> None:
    for words in (text, f"first\n{text}", f"{text}\n  last"):
        assert displayed_text(plain_text_tooltip(words)) == words


def test_a_plain_tooltip_stays_as_it_is() -> None:
    assert plain_text_tooltip("Zoom in (Ctrl++)\nThe second line & more") == "Zoom in (Ctrl++)\nThe second line & more"


def test_a_line_of_a_menu_shows_its_ampersands() -> None:
    assert escape_mnemonic("a &amp; b") == "a &&amp; b"


@pytest.mark.parametrize("text", HOSTILE)
def test_the_window_shows_foreign_words_as_they_are_written(
    own: Path, open_window: OpenWindow, library_service: FakeLibraryService, qtbot: QtBot, tmp_path: Path, text: str
) -> None:
    folder = make_checkpoint(own / "theirs", title=text)
    card = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**card, "title": f"T {text}", "description": f"D {text}"}))
    window = open_window()
    window.parameters_panel.select_checkpoint("theirs")
    window.parameters_panel.set_prompt(f"P {text}")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    qtbot.waitUntil(lambda: window.session.results[-1].saved_to is not None)  # which shows a message, too
    result = window.session.results[-1]
    window.session.results[-1] = replace(result, picture=replace(result.picture, notes=(f"N {text}",)))
    window.controller.refresh()
    name = text.replace("/", "|")
    (tmp_path / f"L {name}.safetensors").write_bytes(b"x")
    window.parameters_panel.add_lora(tmp_path / f"L {name}.safetensors")
    window.controller.notify(f"M {text}", tooltip=f"t {text}")
    window.controller.show_error(CheckpointError(f"W {text}", why=f"Y {text}", next_step=f"X {text}"))
    window.status_line.set_device_tooltip(f"U {text}")
    window.status_line.show_progress(Progress(phase=Phase.LOADING, detail=f"V {text}"))
    shown = everything(window)
    for mark in "DPNMtWYXUV":
        assert f"{mark} {text}" in shown.replace(" (V", "\nV"), mark
    assert f"L {name}" in shown
    assert any(item == f"T {text}" for item in items(window))
    page = window.library_controller.open_dialog()
    qtbot.waitUntil(lambda: len(page.row_texts()) > 2)
    page.checkpoint_list.select_folder(folder)
    assert f"T {text}" in everything(window)
    library_service.previews["someone/x"] = make_preview("someone/x", title=f"O {text}", licence=f"I {text}")
    window.library_controller.actions.resolve("someone/x")
    dialog = current_import_dialog(window, qtbot)
    message = notice_text(dialog)
    assert f"O {text}" in message
    assert f"I {text}" in message
    dialog.reject()


def items(window: MainWindow) -> list[str]:
    return [box.itemText(row) for box in window.findChildren(QComboBox) for row in range(box.count())]


@pytest.mark.parametrize("text", HOSTILE)
def test_dialogs_show_foreign_words_as_they_are_written(window: MainWindow, own: Path, qtbot: QtBot, text: str) -> None:
    theirs = replace(read_checkpoint(own / "mine"), title=text)
    dialog = CompareDialog(theirs, ComparisonCandidates((theirs,)), window)
    assert text in notice_text(dialog)
    box = confirmation_box(window, f"Remove {text}?", f"More {text}", "Remove")
    assert isinstance(box, QMessageBox)
    assert f"Remove {text}?" in notice_text(box)
    assert f"More {text}" in notice_text(box)
    for made in (dialog, box):
        made.deleteLater()
