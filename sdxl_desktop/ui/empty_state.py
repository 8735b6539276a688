"""What the canvas says before there is a picture: what to do, and a few prompts to start from."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QPushButton, QWidget

from sdxl_desktop.ui.icons import application_icon
from sdxl_desktop.ui.library.welcome import Welcome
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.layout import column, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel

EXAMPLES = (
    "a red heart on a blue background",
    "a red apple on a white background",
    "a yellow star on a black background",
    "a strawberry on a white background",
)
_READY = (
    "Describe a picture",
    "Write what you want to see on the left and press Generate,\nor start from one of these:",
)
_LINE = 400
_TWO_COLUMNS_FROM = 580
_WITH_PICTURE_FROM = 620
_THREE_CARDS_FROM = 720
_NO_CHECKPOINT = (
    "No checkpoint found",
    "Add one from a file, a folder or the Hugging Face hub, or choose another checkpoints folder in the settings.",
)


class EmptyState(QWidget):
    """Emits `prompt_chosen` with an example, `draw_wanted` with one to draw at once, `settings_wanted` and
    `library_wanted` where there is nothing to draw with, `welcome_dismissed` when no checkpoints are to be suggested
    any more."""

    prompt_chosen = Signal(str)
    draw_wanted = Signal(str)
    settings_wanted = Signal()
    library_wanted = Signal()
    welcome_dismissed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._picture = PlainLabel()
        self._title = PlainLabel()
        self._words = muted(wrap=True)
        self._chips = QWidget()
        self._examples = self._make_chips()
        self._settings = QPushButton("Open settings")
        self._add = dressed(QPushButton("Add a checkpoint…"), "primary")
        self._welcome: Welcome | None = None
        self._lay_out()
        self._settings.clicked.connect(self.settings_wanted)
        self._add.clicked.connect(self.library_wanted)
        self.show_ready(True)

    def _lay_out(self) -> None:
        self._grid = QGridLayout(self._chips)
        self._grid.setContentsMargins(0, 8, 0, 0)
        self._grid.setSpacing(8)
        self._arrange(2)
        self._picture.setPixmap(application_icon().pixmap(72, 72))
        self._title.setProperty("role", "title")
        self._words.setFixedWidth(_LINE)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._place = row(margins=(0, 12, 0, 0))
        self._place.addStretch(1)
        self._place.addStretch(1)
        whole = column(spacing=12, margins=(24, 24, 24, 24))
        whole.addStretch(2)
        for widget in (self._picture, self._title, self._words, self._chips, self._add, self._settings):
            whole.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        whole.addLayout(self._place)
        whole.addStretch(3)
        self.setLayout(whole)

    def _make_chips(self) -> tuple[QPushButton, ...]:
        return tuple(self._make_chip(example) for example in EXAMPLES)

    def _make_chip(self, example: str) -> QPushButton:
        chip = dressed(QPushButton(example, self._chips), "chip")
        chip.setToolTip("Use this as the prompt")
        chip.setCursor(Qt.CursorShape.PointingHandCursor)
        chip.clicked.connect(lambda: self.prompt_chosen.emit(example))
        return chip

    def _arrange(self, columns: int) -> None:
        for number, chip in enumerate(self._examples):
            self._grid.addWidget(chip, number // columns, number % columns)

    def resizeEvent(self, change: QResizeEvent) -> None:
        super().resizeEvent(change)
        self._arrange(2 if change.size().width() >= _TWO_COLUMNS_FROM else 1)
        self._fit()

    def show_ready(self, ready: bool) -> None:
        """Invite to write, or when there is no checkpoint say what is missing."""
        title, words = _READY if ready else _NO_CHECKPOINT
        self._title.setText(title)
        self._words.setText(words)
        self._words.setFixedHeight(self._words.heightForWidth(_LINE))
        self._chips.setVisible(ready)
        self._settings.setVisible(not ready)
        self._add.setVisible(not ready)

    def show_welcome(self, welcome: Welcome | None) -> None:
        """Suggest these checkpoints below the invitation; None takes the suggestions away."""
        if self._welcome is not None:
            self._place.removeWidget(self._welcome)
            self._welcome.hide()
            self._welcome.deleteLater()
        self._welcome = welcome
        self._fit()
        if welcome is None:
            return
        self._place.insertWidget(1, welcome, 100)
        welcome.ready_wanted.connect(lambda: self.draw_wanted.emit(EXAMPLES[0]))
        welcome.dismissed.connect(self._dismiss_welcome)

    @property
    def welcome(self) -> Welcome | None:
        """What is suggested now."""
        return self._welcome

    def _dismiss_welcome(self) -> None:
        self.show_welcome(None)
        self.welcome_dismissed.emit()

    def _fit(self) -> None:
        """The icon, then half of the examples, make room where the suggestions need it."""
        tight = self._welcome is not None and self.height() < _WITH_PICTURE_FROM
        self._picture.setVisible(not tight)
        for chip in self._examples[2:]:
            chip.setVisible(not tight)
        if self._welcome is not None:
            self._welcome.show_compact(tight or self.width() < _THREE_CARDS_FROM)
