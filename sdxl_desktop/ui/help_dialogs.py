"""The small dialogs of the Help menu."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDialogButtonBox, QFormLayout, QFrame, QLayout, QScrollArea, QWidget

from sdxl_desktop import __version__
from sdxl_desktop.ui.icons import application_icon
from sdxl_desktop.ui.painting.tool_settings import ToolKind
from sdxl_desktop.ui.screen_size import available_screen_size
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

_ABOUT_TEXT = "Makes pictures with Stable Diffusion XL on this computer, through OpenVINO. Nothing you write leaves it."
MOUSE_SHORTCUTS = (
    ("Wheel", "Zoom about the pointer"),
    ("Space + drag, middle button", "Pan"),
    ("Double click", "Fit, and 100 %"),
    ("Drag", "Take the picture out to another application"),
    ("Arrow keys", "Step through the results"),
)

PAINTING_SHORTCUTS = (
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
GALLERY_SHORTCUTS = (
    ("0 to 5", "Rate"),
    ("* or .", "Star"),
    ("Any letter, Ctrl+F", "Search"),
    ("Enter", "Show on the canvas"),
    ("Delete", "Move to the trash"),
    ("Ctrl+Z", "Restore what was deleted last"),
    ("Ctrl+U", "Use its settings"),
    ("Ctrl+T", "Tags"),
    ("Ctrl+K", "Compare two to four"),
    ("F5", "Slide show"),
    ("Ctrl+I", "Show or hide the details"),
    ("Ctrl++, Ctrl+-", "Larger, smaller thumbnails"),
    ("Esc", "Back"),
)
PROMPT_SHORTCUTS = (
    ("Ctrl+Up, Ctrl+Down", "Make the word or selection count more, or less"),
    ("Ctrl+Space", "Suggest words; Up and Down choose, Tab or Enter takes, Esc closes"),
    ("Alt+Up, Alt+Down", "The prompts you drew with, earlier and later"),
    ("(word:1.3)  ((word))  [word]", "More weight, more weight, less weight"),
    ("BREAK", "Begin a new chunk of 77 tokens"),
    ("{red|blue}  {2$$a|b|c}", "One of these words, two of them"),
    ("__name__", "A line of the wildcard file of that name"),
    ("\\(  \\)  \\{  \\}", "Brackets and braces as they are"),
)

_SCROLL_MARGINS = QSize(80, 120)
"""Space around a dialog's scrolled content: margins, scroll bar, buttons."""


def about_dialog(parent: QWidget) -> FittedDialog:
    picture = PlainTextLabel()
    picture.setPixmap(application_icon().pixmap(64, 64))
    title = PlainTextLabel("SDXL Desktop")
    title.setProperty("role", "title")
    words = PlainTextLabel(_ABOUT_TEXT)
    words.setWordWrap(True)
    words.setMinimumWidth(384)
    side = row(picture, column(title, muted_label(f"Version {__version__}"), words), spacing=24)
    return _closable_dialog(parent, "About SDXL Desktop", column(side))


def shortcuts_dialog(parent: QWidget, table: list[tuple[str, str]]) -> FittedDialog:
    keys = [_shortcut_list("Keyboard", table), _shortcut_list("Painting", list(PAINTING_SHORTCUTS))]
    input_lists = [
        _shortcut_list("Mouse", list(MOUSE_SHORTCUTS)),
        _shortcut_list("In a prompt", list(PROMPT_SHORTCUTS)),
        _shortcut_list("In the gallery", list(GALLERY_SHORTCUTS)),
    ]
    inside = QWidget()
    inside.setLayout(row(_stack_vertically(keys), _stack_vertically(input_lists), spacing=48))
    if inside.sizeHint().width() + _SCROLL_MARGINS.width() > available_screen_size(parent).width():
        inside = _stack_vertically([*keys, *input_lists])
    dialog = _closable_dialog(parent, "Keyboard shortcuts", column(_in_scroll_area(inside)))
    dialog.resize(inside.sizeHint() + _SCROLL_MARGINS)
    return dialog


def _stack_vertically(lists: list[QWidget]) -> QWidget:
    box, whole = QWidget(), column(*lists, spacing=24)
    whole.addStretch(1)
    box.setLayout(whole)
    return box


def _in_scroll_area(inside: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setWidget(inside)
    return area


def _shortcut_list(title: str, table: list[tuple[str, str]]) -> QWidget:
    box = QWidget()
    form = QFormLayout()
    form.setHorizontalSpacing(24)
    for keys, meaning in table:
        form.addRow(muted_label(keys), PlainTextLabel(meaning))
    whole = column(heading_label(title), spacing=12)
    whole.addLayout(form)
    whole.addStretch(1)
    box.setLayout(whole)
    return box


def _closable_dialog(parent: QWidget, title: str, body: QLayout) -> FittedDialog:
    dialog = FittedDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    whole = column(spacing=24, margins=(24, 24, 24, 16))
    whole.addLayout(body)
    whole.addWidget(buttons)
    dialog.setLayout(whole)
    return dialog
