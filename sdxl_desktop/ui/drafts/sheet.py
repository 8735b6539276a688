"""The window with the drafts: draws more of them, lets some be chosen, and has those finished."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QScrollArea, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.session.drafts import COUNTS, STRENGTH, Draft
from sdxl_desktop.ui.drafts.tile import DraftTile
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.fields import Choice, RealField, SlidNumber
from sdxl_desktop.ui.widgets.layout import ElidedLabel, column, labelled, muted, row
from sdxl_desktop.ui.widgets.plain import plain_tip

_DRAW_WITH = "What draws the drafts. A few-step checkpoint is many times faster; each draft has a seed of its own."
_STRENGTH = (
    "How much of a draft is drawn anew when it is finished: with less the picture stays nearer to the draft, with more "
    "the full checkpoint has a freer hand."
)
_EMPTY = "Quick pictures of your prompt, each with another seed. Choose those you like: they are drawn in full."
_USUAL = QSize(680, 800)


class DraftSheet(Dialog):
    """`draw_wanted` with a number of drafts; `finish_wanted` with a list of `Draft`; `cancel_wanted` for what runs."""

    draw_wanted = Signal(int)
    finish_wanted = Signal(object)
    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Drafts")
        self.setObjectName("drafts")
        self._tiles: list[DraftTile] = []
        self._running = False
        self._words = ElidedLabel()
        self._drafter = Choice("Draw drafts with")
        self._count = Segmented("Number of drafts", [(str(count), str(count)) for count in COUNTS])
        self._draw = dressed(QPushButton(), "primary")
        self._hint = muted(_EMPTY, wrap=True)
        self._strength = SlidNumber(RealField("Strength", 0.05, 1.0, 0.05, 2), 1.0)
        self._finish = dressed(QPushButton(), "primary")
        self._grid = QGridLayout()
        self._lay_out()
        self._strength.set_value(STRENGTH)
        self._draw.clicked.connect(self._press)
        self._finish.clicked.connect(lambda: self.finish_wanted.emit(self.chosen()))
        self._count.currentChanged.connect(lambda _: self._follow())
        self._follow()

    def _lay_out(self) -> None:
        self._count.setFixedWidth(96)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for button in (self._draw, self._finish):
            button.setAutoDefault(False)
        self._strength.set_tip(_STRENGTH)
        self._strength.setMaximumWidth(240)
        head = row(labelled("Draw &with", self._drafter, tip=_DRAW_WITH), self._count, self._draw)
        head.setStretch(0, 1)
        foot = row(labelled("&Strength", self._strength, tip=_STRENGTH))
        foot.addStretch(1)
        foot.addWidget(self._finish)
        whole = column(self._words, head, self._hint, self._scrolled(), foot, spacing=12, margins=(16, 16, 16, 16))
        whole.setStretch(2, 1)
        whole.setStretch(3, 1)
        self.setLayout(whole)
        self.resize(_USUAL.boundedTo(self.screen().availableSize() * 0.9))

    def _scrolled(self) -> QScrollArea:
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(8)
        content = QWidget()
        content.setObjectName("deskContent")  # the same ground as the window's
        content.setLayout(self._grid)
        self._area = QScrollArea()
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setWidget(content)
        self._area.verticalScrollBar().rangeChanged.connect(self._show_end)
        return self._area

    # what is set

    def drafter(self) -> str:
        """The folder of the checkpoint that is to draw drafts, as text; empty where there is none."""
        return str(self._drafter.currentData() or "")

    def strength(self) -> float:
        return self._strength.value()

    def chosen(self) -> list[Draft]:
        return [tile.draft for tile in self._tiles if tile.isChecked() and tile.draft is not None]

    def show_drafters(self, checkpoints: Sequence[Checkpoint], full: Checkpoint) -> None:
        """Offer these, the first of them unless another was chosen before, and `full` itself with fewer steps."""
        before = self.drafter()
        with QSignalBlocker(self._drafter):
            self._drafter.clear()
            for checkpoint in checkpoints:
                steps = checkpoint.recommended.steps
                title = checkpoint.title if str(steps) in checkpoint.title else f"{checkpoint.title}, {steps} steps"
                self._drafter.addItem(title, str(checkpoint.folder))
            self._drafter.addItem(f"{full.title}, fewer steps", str(full.folder))
            self._drafter.setCurrentIndex(max(0, self._drafter.findData(before)))

    def show_words(self, words: str) -> None:
        """Say what is being drafted."""
        self._words.setText(words)
        self._words.setToolTip(plain_tip(words))

    # what is there

    def show_drafts(self, drafts: Sequence[Draft], waiting: int, preview: Pixels | None) -> None:
        """Show these, and places for those that are `waiting`, the first of which looks like `preview`, uint8
        [H, W, 3], so far."""
        self._running = waiting > 0
        self._make_tiles(len(drafts) + waiting)
        for tile, draft in zip(self._tiles, drafts, strict=False):
            tile.show_draft(draft)
        for number, tile in enumerate(self._tiles[len(drafts) :]):
            tile.show_coming(preview if number == 0 else None)
        self._follow()

    def _make_tiles(self, count: int) -> None:
        if count == len(self._tiles):
            return
        while len(self._tiles) > count:
            tile = self._tiles.pop()
            self._grid.removeWidget(tile)
            tile.hide()
            tile.deleteLater()
        while len(self._tiles) < count:
            tile = DraftTile(len(self._tiles) + 1)
            tile.toggled.connect(lambda _: self._follow())
            self._tiles.append(tile)
        for number, tile in enumerate(self._tiles):
            self._grid.addWidget(tile, number // self._columns, number % self._columns)
        self._size_tiles()

    @property
    def _columns(self) -> int:
        return 2 if len(self._tiles) <= COUNTS[0] else 3

    def _size_tiles(self) -> None:
        """A grid that is square fits into the window; where there are more rows, they scroll, as high as wide."""
        scrolls = len(self._tiles) > self._columns**2
        side = self._area.viewport().width() // self._columns - self._grid.spacing()
        for tile in self._tiles:
            tile.setMinimumHeight(side if scrolls else 0)

    def resizeEvent(self, change: QResizeEvent) -> None:
        super().resizeEvent(change)
        self._size_tiles()

    def _show_end(self) -> None:
        """New drafts are below the others."""
        bar = self._area.verticalScrollBar()
        if self._running:
            bar.setValue(bar.maximum())

    def _press(self) -> None:
        if self._running:
            self.cancel_wanted.emit()
        else:
            self.draw_wanted.emit(int(self._count.value()))

    def _follow(self) -> None:
        """Let the buttons say what they would do now."""
        chosen, count = len(self.chosen()), self._count.value()
        self._hint.setVisible(not self._tiles)
        self._area.setVisible(bool(self._tiles))
        dressed(self._draw, "stop" if self._running else "chip" if chosen else "primary")
        self._draw.setText(
            "Cancel" if self._running else f"Draw {count} more" if self._tiles else f"Draw {count} drafts"
        )
        self._finish.setText(f"Finish {chosen}" if chosen > 1 else "Finish")
        self._finish.setEnabled(chosen > 0)
        self._finish.setToolTip("Draw the chosen ones in full" if chosen else "Choose at least one draft")
