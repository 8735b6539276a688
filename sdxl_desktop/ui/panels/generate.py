"""The one big button: its words follow from what lies on the canvas, and it says why it cannot do that."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import Mode
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.buttons import IconButton, OnceButton, dressed
from sdxl_desktop.ui.widgets.layout import column, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, plain_tip

_WORDS = {
    Mode.TEXT_TO_IMAGE: ("Generate", "Draw the picture (Ctrl+Enter)"),
    Mode.IMAGE_TO_IMAGE: (
        "Redraw picture",
        "Draw the picture on the canvas anew, as far from it as the strength says (Ctrl+Enter)",
    ),
    Mode.INPAINT: (
        "Fill masked area",
        "Draw the masked area anew and leave every pixel outside as it is (Ctrl+Enter)",
    ),
}


def purpose(mode: Mode, intent: Intent | None) -> tuple[str, str]:
    """What the button says, and its tooltip, where a run of that `mode` is meant as `intent` (None: own values)."""
    words, tip = _WORDS[mode]
    meant = mode is Mode.INPAINT or (mode is Mode.IMAGE_TO_IMAGE and intent is Intent.REFINE)
    if intent is None or not meant:
        return words, tip
    return words if intent is Intent.FILL else intent.label, f"{intent.help} (Ctrl+Enter)"


@dataclass(frozen=True, slots=True)
class Run:
    """What the session does: a run, its cancelling, and how many wait behind it."""

    running: bool = False
    cancelling: bool = False
    waiting: int = 0


class GenerateBar(QWidget):
    """The button that generates or cancels, the one that queues, and the one that opens the drafts; and how many wait,
    with a way to clear the queue, and to go on where nothing runs."""

    generate_wanted = Signal()
    queue_wanted = Signal()
    cancel_wanted = Signal()
    clear_queue_wanted = Signal()
    resume_wanted = Signal()
    drafts_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._run = Run()
        self._mode = Mode.TEXT_TO_IMAGE
        self._intent: Intent | None = None
        self._ready, self._obstacle = False, ""
        self.button = dressed(OnceButton(), "primary")
        self.queue = IconButton("queue", "Add to queue", glossary.QUEUE)
        self.drafts = QPushButton("Drafts…")
        self._why_not = PlainLabel()
        self._why_not.setWordWrap(True)
        self._shortage = PlainLabel()
        self._shortage.setObjectName("shortage")
        self._shortage.setWordWrap(True)
        self._waiting = PlainLabel()
        self._clear = dressed(QPushButton("Clear the queue"), "link")
        self._resume = dressed(QPushButton("Go on"), "link")
        self._queue_line = QWidget()
        self._lay_out()
        self._clear.clicked.connect(self.clear_queue_wanted)
        self._resume.clicked.connect(self.resume_wanted)
        self.button.clicked.connect(self._press)
        self.queue.clicked.connect(self.queue_wanted)
        self.drafts.clicked.connect(self.drafts_wanted)
        self._show()

    def _lay_out(self) -> None:
        self.setObjectName("actionArea")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.button.setObjectName("generate")
        bar = row()
        bar.addWidget(self.button, 1)
        bar.addWidget(self.drafts)
        bar.addWidget(self.queue)
        self.drafts.setToolTip("Draw quick drafts and finish those you like (Ctrl+D)")
        self.drafts.setFixedHeight(44)
        self.queue.setIconSize(QSize(22, 22))
        self._why_not.hide()
        self._shortage.hide()
        self._clear.setToolTip("Let nothing wait any more; what is being drawn goes on")
        self._resume.setToolTip("Draw what waits")
        line = row(self._waiting, self._resume, self._clear)
        line.setStretch(0, 1)
        self._queue_line.setLayout(line)
        self.setLayout(column(self._why_not, self._shortage, self._queue_line, bar, margins=(16, 12, 16, 12)))

    def show_run(self, run: Run) -> None:
        self._run = run
        self._show()

    def show_purpose(self, mode: Mode, intent: Intent | None, *, ready: bool, obstacle: str) -> None:
        """What a press would do; `ready` when there is a checkpoint, `obstacle` tells why it cannot (may be empty)."""
        self._mode, self._intent, self._ready, self._obstacle = mode, intent, ready, obstacle
        self._show()

    def show_shortage(self, words: str) -> None:
        """What a press may lack and what would help (empty: nothing); it stops nobody from trying."""
        self._shortage.setText(words)
        self._shortage.setVisible(bool(words) and not self._run.running)

    def _show(self) -> None:
        run, able = self._run, self._ready and not self._obstacle
        words, tip = purpose(self._mode, self._intent)
        dressed(self.button, "stop" if run.running else "primary")
        if run.running:
            words = "Cancelling…" if run.cancelling else "Cancel"
            tip = "Stop drawing; what waits is drawn next (Esc)" if run.waiting else "Stop drawing (Esc)"
        elif not able:
            tip = self._obstacle or "There is no checkpoint to draw with yet"
        self._why_not.setText(self._obstacle)
        self._why_not.setVisible(bool(self._obstacle) and not run.running)
        self._shortage.setVisible(bool(self._shortage.text()) and not run.running)
        self.button.setText(words)
        self.button.setToolTip(plain_tip(tip))
        self.button.setAccessibleDescription("" if able or run.running else tip)
        self.button.setEnabled(not run.cancelling and (run.running or able))
        self.drafts.setEnabled(self._ready and self._mode is Mode.TEXT_TO_IMAGE)
        self.queue.setEnabled(run.running and not run.cancelling and able)
        self.queue.setToolTip(plain_tip(self._obstacle or glossary.QUEUE))
        self._waiting.setText(f"{run.waiting} waiting")
        self._queue_line.setVisible(bool(run.waiting))
        self._resume.setVisible(not run.running)

    def _press(self) -> None:
        if self._run.running:
            self.cancel_wanted.emit()
        else:
            self.generate_wanted.emit()
