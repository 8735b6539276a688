"""The generate button: its text follows from the picture on the canvas, and a message says why it is disabled."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import GenerationMode
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.widgets.buttons import IconButton, SingleClickButton, with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, plain_text_tooltip

_LINK_PADDING = 7
_BUTTON_TEXTS = {
    GenerationMode.TEXT_TO_IMAGE: ("Generate", "Draw the picture (Ctrl+Enter)"),
    GenerationMode.IMAGE_TO_IMAGE: (
        "Redraw picture",
        "Draw the picture on the canvas anew, as far from it as the strength says (Ctrl+Enter)",
    ),
    GenerationMode.INPAINT: (
        "Fill masked area",
        "Draw the masked area anew and leave every pixel outside as it is (Ctrl+Enter)",
    ),
}


def button_text(mode: GenerationMode, intent: Intent | None) -> tuple[str, str]:
    """Return the button's text and tooltip for a run of `mode` with `intent` (None: custom values)."""
    words, tip = _BUTTON_TEXTS[mode]
    meant = mode is GenerationMode.INPAINT or (mode is GenerationMode.IMAGE_TO_IMAGE and intent is Intent.REFINE)
    if intent is None or not meant:
        return words, tip
    return words if intent is Intent.FILL else intent.label, f"{intent.help} (Ctrl+Enter)"


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The session's state: whether a run is active, being cancelled or paused, how many are queued and how many are
    skipped because they are paused or failed, and whether the queue waits until the user continues."""

    running: bool = False
    cancelling: bool = False
    waiting: int = 0
    skipped: int = 0
    pausing: bool = False
    held: bool = False


class GenerateBar(QWidget):
    """The buttons that generate or cancel, pause, queue, and open the drafts; and the number of queued runs, which
    opens their list, with buttons to clear the queue and, if it waits, to continue it."""

    generate_requested = Signal()
    queue_requested = Signal()
    cancel_requested = Signal()
    clear_queue_requested = Signal()
    continue_requested = Signal()
    pause_requested = Signal()
    queue_list_requested = Signal()
    drafts_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._status = RunStatus()
        self._mode = GenerationMode.TEXT_TO_IMAGE
        self._intent: Intent | None = None
        self._ready, self._obstacle = False, ""
        self.generate_button = with_role(SingleClickButton(), "primary")
        self.pause_button = IconButton("pause", "Pause", tooltips.PAUSE)
        self.queue_button = IconButton("queue", "Add to queue", tooltips.QUEUE)
        self.drafts_button = QPushButton("Drafts…")
        self._obstacle_label = PlainTextLabel()
        self._obstacle_label.setWordWrap(True)
        self._shortage_label = PlainTextLabel()
        self._shortage_label.setObjectName("shortage")
        self._shortage_label.setWordWrap(True)
        self.list_button = with_role(QPushButton(), "link")
        self._clear_button = with_role(QPushButton("Clear the queue"), "link")
        self._resume_button = with_role(QPushButton("Continue"), "link")
        self._queue_row = QWidget()
        self._lay_out()
        self._clear_button.clicked.connect(self.clear_queue_requested)
        self._resume_button.clicked.connect(self.continue_requested)
        self.list_button.clicked.connect(self.queue_list_requested)
        self.pause_button.clicked.connect(self.pause_requested)
        self.generate_button.clicked.connect(self._generate_or_cancel)
        self.queue_button.clicked.connect(self.queue_requested)
        self.drafts_button.clicked.connect(self.drafts_requested)
        self._refresh()

    def _lay_out(self) -> None:
        self.setObjectName("actionArea")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.generate_button.setObjectName("generate")
        bar = row()
        bar.addWidget(self.generate_button, 1)
        bar.addWidget(self.pause_button)
        bar.addWidget(self.drafts_button)
        bar.addWidget(self.queue_button)
        self.drafts_button.setToolTip("Draw quick drafts and finish those you like (Ctrl+D)")
        self.drafts_button.setFixedHeight(44)
        for button in (self.pause_button, self.queue_button):
            button.setIconSize(QSize(22, 22))
        self.list_button.setToolTip(tooltips.QUEUE_LIST)
        self._obstacle_label.hide()
        self._shortage_label.hide()
        self._clear_button.setToolTip("Clear the queue; the current run continues")
        self._resume_button.setToolTip("Draw what waits")
        line = row(self.list_button, margins=(-_LINK_PADDING, 0, 0, 0))
        line.addStretch(1)
        line.addWidget(self._resume_button)
        line.addWidget(self._clear_button)
        self._queue_row.setLayout(line)
        self.setLayout(
            column(self._obstacle_label, self._shortage_label, self._queue_row, bar, margins=(16, 12, 16, 12))
        )

    def set_status(self, status: RunStatus) -> None:
        self._status = status
        self._refresh()

    def set_mode(self, mode: GenerationMode, intent: Intent | None, *, ready: bool, obstacle: str) -> None:
        """Set what the button does; `ready`: there is a checkpoint, or the list of checkpoints is not known yet;
        `obstacle`: why it cannot run, or ""."""
        self._mode, self._intent, self._ready, self._obstacle = mode, intent, ready, obstacle
        self._refresh()

    def set_shortage(self, text: str) -> None:
        """Show which resource may run short and what would help ("": none); the button stays enabled."""
        self._shortage_label.setText(text)
        self._shortage_label.setVisible(bool(text) and not self._status.running)

    def _refresh(self) -> None:
        run, able = self._status, self._ready and not self._obstacle
        words, tip = button_text(self._mode, self._intent)
        with_role(self.generate_button, "stop" if run.running else "primary")
        if run.running:
            words = "Cancelling…" if run.cancelling else "Pausing…" if run.pausing else "Cancel"
            tip = "Stop drawing; what waits is drawn next (Esc)" if run.waiting else "Stop drawing (Esc)"
        elif not able:
            tip = self._obstacle or "There is no checkpoint to draw with yet"
        self._obstacle_label.setText(self._obstacle)
        self._obstacle_label.setVisible(bool(self._obstacle) and not run.running)
        self._shortage_label.setVisible(bool(self._shortage_label.text()) and not run.running)
        self.generate_button.setText(words)
        self.generate_button.setToolTip(plain_text_tooltip(tip))
        self.generate_button.setAccessibleDescription("" if able or run.running else tip)
        self.generate_button.setEnabled(not run.cancelling and (run.running or able))
        self.drafts_button.setEnabled(self._ready and self._mode is GenerationMode.TEXT_TO_IMAGE)
        self.pause_button.setVisible(run.running)
        self.pause_button.setEnabled(not run.cancelling and not run.pausing)
        self.queue_button.setEnabled(able)
        self.queue_button.setToolTip(plain_text_tooltip(self._obstacle or tooltips.QUEUE))
        waiting = f"{run.waiting} waiting" + (" (paused)" if run.held and run.running else "")
        parts = [waiting] * bool(run.waiting) + [f"{run.skipped} paused or failed"] * bool(run.skipped)
        self.list_button.setText(", ".join(parts))
        self._queue_row.setVisible(bool(parts))
        self._resume_button.setVisible(bool(run.waiting) and not run.running)

    def _generate_or_cancel(self) -> None:
        if self._status.running:
            self.cancel_requested.emit()
        else:
            self.generate_requested.emit()
