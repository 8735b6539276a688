"""Under the prompt: the styles put on it, and the buttons for styles, presets and earlier prompts."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.flow_layout import FlowLayout
from sdxl_desktop.ui.widgets.layout_helpers import column, row
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic, plain_text_tooltip

STYLES_TOOLTIP = "Words for a look, put around your prompt and into the negative prompt. Several can be combined."
PRESETS_TOOLTIP = "Settings saved under a name, and what the checkpoint recommends."
HISTORY_TOOLTIP = "The prompts you drew with. In the prompt, Alt+Up and Alt+Down step through them."
_MAX_CHIP_TEXT = 36


class StyleChip(QPushButton):
    """A chosen style; a click or Delete takes it off."""

    removed = Signal(str)

    def __init__(self, name: str, description: str) -> None:
        super().__init__(f"{escape_mnemonic(display_text(name, _MAX_CHIP_TEXT))}  ×")
        self.name = name
        with_role(self, "chip")
        self.setAccessibleName(f"Style {display_text(name)}")
        self.setToolTip(plain_text_tooltip(f"{description}\n\nClick to take the style off.".strip()))
        self.setAutoDefault(False)
        self.clicked.connect(lambda: self.removed.emit(self.name))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removed.emit(self.name)
            return
        super().keyPressEvent(event)


class PromptBar(QWidget):
    """Edits the names of the chosen styles. `styles_requested` and `history_requested` open their dialogs;
    `fill_presets_menu` fills the menu of presets each time it opens."""

    changed = Signal()
    styles_requested = Signal()
    history_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._styles: tuple[str, ...] = ()
        self.describe_style: Callable[[str], str] = lambda name: ""
        self.fill_presets_menu: Callable[[QMenu], object] = lambda menu: None
        self._chips = QWidget()
        self._chip_layout = FlowLayout(self._chips)
        self._styles_button = _link("Styles…", STYLES_TOOLTIP)
        self._presets_button = _link("Presets", PRESETS_TOOLTIP)
        self._history_button = _link("History…", HISTORY_TOOLTIP)
        self._presets_menu = QMenu(self)
        self._presets_button.setMenu(self._presets_menu)
        buttons = row(self._styles_button, self._presets_button, self._history_button, spacing=4)
        buttons.addStretch(1)
        self.setLayout(column(self._chips, buttons, spacing=4))
        self._chips.setVisible(False)
        self._styles_button.clicked.connect(self.styles_requested)
        self._history_button.clicked.connect(self.history_requested)
        self._presets_menu.aboutToShow.connect(lambda: self.fill_presets_menu(self._presets_menu))

    def value(self) -> tuple[str, ...]:
        """Return the names of the chosen styles, in order."""
        return self._styles

    def set_value(self, styles: tuple[str, ...]) -> None:
        """Show these styles; does not emit."""
        self._styles = styles
        self._show_chips()

    def refresh(self) -> None:
        """Show the descriptions of the styles anew."""
        self._show_chips()

    def _show_chips(self) -> None:
        while (item := self._chip_layout.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        for name in self._styles:
            chip = StyleChip(name, self.describe_style(name))
            chip.removed.connect(self._remove)
            self._chip_layout.addWidget(chip)
            chip.show()
        self._chips.setVisible(bool(self._styles))
        self._chip_layout.invalidate()

    def _remove(self, name: str) -> None:
        had_focus = any(chip.hasFocus() for chip in self._chips.findChildren(StyleChip))
        self._styles = tuple(style for style in self._styles if style != name)
        self._show_chips()
        if had_focus:
            self._styles_button.setFocus()
        self.changed.emit()


def _link(text: str, tooltip: str) -> QPushButton:
    button = with_role(QPushButton(text), "link")
    button.setToolTip(tooltip)
    button.setAutoDefault(False)
    return button
