"""The dialog that shows a picture's settings and applies those parts that the user chooses."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QGridLayout, QPushButton, QVBoxLayout, QWidget

from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.settings_parts import RecordedSettings, SettingsPart
from sdxl_desktop.ui.library import library_stylesheet
from sdxl_desktop.ui.library.common_widgets import scroll_area, wrapped_label
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import escape_window_title

_MAX_VALUE = 600
"""Maximum characters of a value that is shown."""


class UseSettingsDialog(FittedDialog):
    """Accepted when the user applies the settings; `parts` then returns the chosen ones. `name` is the picture's."""

    def __init__(self, settings: RecordedSettings, parent: QWidget, name: str = "") -> None:
        super().__init__(parent)
        self.setWindowTitle(escape_window_title(f"Settings of {name or 'the picture'}"))
        self.setStyleSheet(library_stylesheet.LIBRARY_STYLESHEET)
        self._settings = settings
        self.boxes = {part: self._create_box(part) for part in settings.parts}
        self.use_button = with_role(QPushButton("&Use these settings"), "primary")
        self.all_button, self.none_button = QPushButton("&All"), QPushButton("&None")
        self._cancel_button = QPushButton("Cancel")
        self._lay_out()
        self._connect()
        self._refresh()

    def parts(self) -> tuple[SettingsPart, ...]:
        """Return the parts that are ticked."""
        return tuple(part for part, box in self.boxes.items() if box.isChecked())

    def _create_box(self, part: SettingsPart) -> QCheckBox:
        box = QCheckBox(part.label)
        box.setChecked(True)
        box.setAccessibleDescription(display_text(self._settings.values[part], _MAX_VALUE))
        return box

    def _lay_out(self) -> None:
        settings = self._settings
        content = column(heading_label(f"Made with {settings.source}"), spacing=12, margins=(0, 0, 12, 0))
        content.addWidget(wrapped_label(f"Drawn again: {settings.again}"))
        content.addLayout(self._parts_grid())
        if settings.unmatched:
            self._add_unmatched(content)
        content.addStretch(1)
        buttons = row(self.all_button, self.none_button)
        buttons.addStretch(1)
        buttons.addWidget(self._cancel_button)
        buttons.addWidget(self.use_button)
        whole = column(scroll_area(content), buttons, spacing=16, margins=(24, 24, 24, 16))
        whole.setStretch(0, 1)
        self.setLayout(whole)
        self.resize(720, 620)

    def _parts_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(1, 1)
        for number, (part, box) in enumerate(self.boxes.items()):
            values = column(wrapped_label(display_text(self._settings.values[part], _MAX_VALUE) or "–"), spacing=2)
            for missing in self._settings.missing_of((part,)):
                values.addWidget(wrapped_label(f"Not here: {missing}", tone="bad"))
            grid.addWidget(box, number, 0, Qt.AlignmentFlag.AlignTop)
            grid.addLayout(values, number, 1)
        return grid

    def _add_unmatched(self, content: QVBoxLayout) -> None:
        content.addWidget(heading_label("Without a counterpart here"))
        content.addWidget(muted_label("These are left out, whatever is ticked.", wrap=True))
        for text in self._settings.unmatched:
            content.addWidget(wrapped_label(f"• {text}"))

    def _connect(self) -> None:
        self.use_button.setDefault(True)
        for button in (self.all_button, self.none_button, self._cancel_button):
            button.setAutoDefault(False)
        for box in self.boxes.values():
            box.toggled.connect(self._refresh)
        self.all_button.clicked.connect(lambda: self._tick(True))
        self.none_button.clicked.connect(lambda: self._tick(False))
        self._cancel_button.clicked.connect(self.reject)
        self.use_button.clicked.connect(self.accept)

    def _tick(self, is_ticked: bool) -> None:
        for box in self.boxes.values():
            box.setChecked(is_ticked)

    def _refresh(self) -> None:
        self.use_button.setEnabled(bool(self.parts()))
