"""The small dialogs of the Help menu."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDialogButtonBox, QFormLayout, QFrame, QLayout, QScrollArea, QWidget

from sdxl_desktop import __version__
from sdxl_desktop.ui.icons import application_icon
from sdxl_desktop.ui.painting.settings import ToolKind
from sdxl_desktop.ui.screen import room_on_screen
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, heading, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel

_ABOUT = "Makes pictures with Stable Diffusion XL on this computer, through OpenVINO. Nothing you write leaves it."
MOUSE = (
    ("Wheel", "Zoom about the pointer"),
    ("Space + drag, middle button", "Pan"),
    ("Double click", "Fit, and 100 %"),
    ("Drag", "Take the picture out to another application"),
    ("Arrow keys", "Walk through the results"),
)

PAINTING = (
    *((tool.key, tool.label) for tool in ToolKind),
    ("[  ]", "Smaller or larger brush"),
    ("Shift+[  Shift+]", "Softer or harder brush"),
    ("1 to 9, 0", "Opacity in tenths, all of it"),
    ("X", "Paint or erase"),
    ("M", "Show or hide the mask"),
    ("Ctrl+I", "Invert the mask"),
    ("Delete", "Clear the mask"),
    ("Shift+drag", "Set the brush's size"),
    ("Alt+drag", "Erase"),
)
PROMPT = (
    ("Ctrl+Up, Ctrl+Down", "Make the word or selection count more, or less"),
    ("(word:1.3)  ((word))  [word]", "Louder, louder, softer"),
    ("BREAK", "Begin a new chunk of 77 tokens"),
    ("\\(  \\)", "Just brackets"),
)

_AROUND = QSize(80, 120)
"""What a dialog has around its scrolled content: margins, the scroll bar, the buttons."""


def about_dialog(parent: QWidget) -> Dialog:
    picture = PlainLabel()
    picture.setPixmap(application_icon().pixmap(64, 64))
    title = PlainLabel("SDXL Desktop")
    title.setProperty("role", "title")
    words = PlainLabel(_ABOUT)
    words.setWordWrap(True)
    words.setMinimumWidth(384)
    side = row(picture, column(title, muted(f"Version {__version__}"), words), spacing=24)
    return _dialog(parent, "About SDXL Desktop", column(side))


def shortcuts_dialog(parent: QWidget, table: list[tuple[str, str]]) -> Dialog:
    keys = [_list("Keyboard", table), _list("Painting", list(PAINTING))]
    hands = [_list("Mouse", list(MOUSE)), _list("In a prompt", list(PROMPT))]
    inside = QWidget()
    inside.setLayout(row(_stacked(keys), _stacked(hands), spacing=48))
    if inside.sizeHint().width() + _AROUND.width() > room_on_screen(parent).width():
        inside = _stacked([*keys, *hands])
    dialog = _dialog(parent, "Keyboard shortcuts", column(_scrolled(inside)))
    dialog.resize(inside.sizeHint() + _AROUND)
    return dialog


def _stacked(lists: list[QWidget]) -> QWidget:
    box, whole = QWidget(), column(*lists, spacing=24)
    whole.addStretch(1)
    box.setLayout(whole)
    return box


def _scrolled(inside: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setWidget(inside)
    return area


def _list(title: str, table: list[tuple[str, str]]) -> QWidget:
    box = QWidget()
    form = QFormLayout()
    form.setHorizontalSpacing(24)
    for keys, meaning in table:
        form.addRow(muted(keys), PlainLabel(meaning))
    whole = column(heading(title), spacing=12)
    whole.addLayout(form)
    whole.addStretch(1)
    box.setLayout(whole)
    return box


def _dialog(parent: QWidget, title: str, body: QLayout) -> Dialog:
    dialog = Dialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    whole = column(spacing=24, margins=(24, 24, 24, 16))
    whole.addLayout(body)
    whole.addWidget(buttons)
    dialog.setLayout(whole)
    return dialog
