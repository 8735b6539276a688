"""Shown on the canvas while there is no picture: instructions and example prompts."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QPushButton, QWidget

from sdxl_desktop.ui.icons import application_icon
from sdxl_desktop.ui.library.welcome_panel import WelcomePanel
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

EXAMPLES = (
    "a red heart on a blue background",
    "a red apple on a white background",
    "a yellow star on a black background",
    "a strawberry on a white background",
)
_READY_TEXTS = (
    "Describe a picture",
    "Write what you want to see on the left and press Generate,\nor start from one of these:",
)
_TEXT_WIDTH = 400
_TWO_COLUMNS_MIN_WIDTH = 580
_ICON_MIN_HEIGHT = 620
_THREE_CARDS_MIN_WIDTH = 720
_NO_CHECKPOINT_TEXTS = (
    "No checkpoint found",
    "Add one from a file, a folder or the Hugging Face hub, or choose another checkpoints folder in the settings.",
)


class EmptyState(QWidget):
    """Emits `prompt_selected` with an example, `generate_requested` with one to generate at once,
    `settings_requested` and `library_requested` if there is no checkpoint, `welcome_dismissed` when no more
    checkpoints should be suggested."""

    prompt_selected = Signal(str)
    generate_requested = Signal(str)
    settings_requested = Signal()
    library_requested = Signal()
    welcome_dismissed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._icon_label = PlainTextLabel()
        self._title = PlainTextLabel()
        self._text_label = muted_label(wrap=True)
        self._example_area = QWidget()
        self._example_buttons = self._create_example_buttons()
        self._settings_button = QPushButton("Open settings")
        self._add_button = with_role(QPushButton("Add a checkpoint…"), "primary")
        self._welcome: WelcomePanel | None = None
        self._lay_out()
        self._settings_button.clicked.connect(self.settings_requested)
        self._add_button.clicked.connect(self.library_requested)
        self.set_ready(True)

    def _lay_out(self) -> None:
        self._grid = QGridLayout(self._example_area)
        self._grid.setContentsMargins(0, 8, 0, 0)
        self._grid.setSpacing(8)
        self._arrange(2)
        self._icon_label.setPixmap(application_icon().pixmap(72, 72))
        self._title.setProperty("role", "title")
        self._text_label.setFixedWidth(_TEXT_WIDTH)
        self._text_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._welcome_row = row(margins=(0, 12, 0, 0))
        self._welcome_row.addStretch(1)
        self._welcome_row.addStretch(1)
        whole = column(spacing=12, margins=(24, 24, 24, 24))
        whole.addStretch(2)
        for widget in (
            self._icon_label,
            self._title,
            self._text_label,
            self._example_area,
            self._add_button,
            self._settings_button,
        ):
            whole.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        whole.addLayout(self._welcome_row)
        whole.addStretch(3)
        self.setLayout(whole)

    def _create_example_buttons(self) -> tuple[QPushButton, ...]:
        return tuple(self._create_example_button(example) for example in EXAMPLES)

    def _create_example_button(self, example: str) -> QPushButton:
        chip = with_role(QPushButton(example, self._example_area), "chip")
        chip.setToolTip("Use this as the prompt")
        chip.setCursor(Qt.CursorShape.PointingHandCursor)
        chip.clicked.connect(lambda: self.prompt_selected.emit(example))
        return chip

    def _arrange(self, columns: int) -> None:
        for number, chip in enumerate(self._example_buttons):
            self._grid.addWidget(chip, number // columns, number % columns)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(2 if event.size().width() >= _TWO_COLUMNS_MIN_WIDTH else 1)
        self._update_density()

    def set_ready(self, ready: bool) -> None:
        """Show the invitation to write a prompt, or that the checkpoint is missing."""
        title, words = _READY_TEXTS if ready else _NO_CHECKPOINT_TEXTS
        self._title.setText(title)
        self._text_label.setText(words)
        self._text_label.setFixedHeight(self._text_label.heightForWidth(_TEXT_WIDTH))
        self._example_area.setVisible(ready)
        self._settings_button.setVisible(not ready)
        self._add_button.setVisible(not ready)

    def set_welcome(self, welcome: WelcomePanel | None) -> None:
        """Suggest these checkpoints below the invitation; None removes the suggestions."""
        if self._welcome is not None:
            self._welcome_row.removeWidget(self._welcome)
            self._welcome.hide()
            self._welcome.deleteLater()
        self._welcome = welcome
        self._update_density()
        if welcome is None:
            return
        self._welcome_row.insertWidget(1, welcome, 100)
        welcome.use_installed_requested.connect(lambda: self.generate_requested.emit(EXAMPLES[0]))
        welcome.dismiss_requested.connect(self._dismiss_welcome)

    @property
    def welcome(self) -> WelcomePanel | None:
        """The suggestions shown now."""
        return self._welcome

    def _dismiss_welcome(self) -> None:
        self.set_welcome(None)
        self.welcome_dismissed.emit()

    def _update_density(self) -> None:
        """Hide the icon and half of the examples if the suggestions need the room."""
        tight = self._welcome is not None and self.height() < _ICON_MIN_HEIGHT
        self._icon_label.setVisible(not tight)
        for chip in self._example_buttons[2:]:
            chip.setVisible(not tight)
        if self._welcome is not None:
            self._welcome.set_compact(tight or self.width() < _THREE_CARDS_MIN_WIDTH)
