"""The drafts dialog: generates more drafts, lets the user select some, and has those finished."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QScrollArea, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.session.drafts import DRAFT_COUNTS, FINISHING_STRENGTH, Draft
from sdxl_desktop.ui.drafts.draft_tile import DraftTile
from sdxl_desktop.ui.panels.segmented_control import SegmentedControl
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fields import ComboBox, FloatField, SliderField
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import ElidedLabel, column, labelled_row, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_DRAW_WITH_TOOLTIP = (
    "What draws the drafts. A few-step checkpoint is many times faster; each draft has a seed of its own."
)
_STRENGTH_TOOLTIP = (
    "How much of a draft is drawn anew when it is finished: with less the picture stays nearer to the draft, with more "
    "the full checkpoint has a freer hand."
)
_EMPTY_TEXT = "Quick pictures of your prompt, each with another seed. Choose those you like: they are drawn in full."
_DEFAULT_SIZE = QSize(680, 800)


class DraftsDialog(FittedDialog):
    """Emits `draw_requested` with a number of drafts; `finish_requested` with a list of `Draft`; `cancel_requested` for
    the current run."""

    draw_requested = Signal(int)
    finish_requested = Signal(object)
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Drafts")
        self.setObjectName("drafts")
        self._tiles: list[DraftTile] = []
        self._running = False
        self._prompt_label = ElidedLabel()
        self._draft_checkpoint_choice = ComboBox("Draw drafts with")
        self._count_choice = SegmentedControl("Number of drafts", [(str(count), str(count)) for count in DRAFT_COUNTS])
        self._draw_button = with_role(QPushButton(), "primary")
        self._empty_label = muted_label(_EMPTY_TEXT, wrap=True)
        self._strength_field = SliderField(FloatField("Strength", 0.05, 1.0, 0.05, 2), 1.0)
        self._finish_button = with_role(QPushButton(), "primary")
        self._grid = QGridLayout()
        self._lay_out()
        self._strength_field.set_value(FINISHING_STRENGTH)
        self._draw_button.clicked.connect(self._draw_or_cancel)
        self._finish_button.clicked.connect(lambda: self.finish_requested.emit(self.selected_drafts()))
        self._count_choice.currentChanged.connect(lambda _: self._update_buttons())
        self._update_buttons()

    def _lay_out(self) -> None:
        self._count_choice.setFixedWidth(96)
        self._empty_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for button in (self._draw_button, self._finish_button):
            button.setAutoDefault(False)
        self._strength_field.set_tooltip(_STRENGTH_TOOLTIP)
        self._strength_field.setMaximumWidth(240)
        head = row(
            labelled_row("Draw &with", self._draft_checkpoint_choice, tooltip=_DRAW_WITH_TOOLTIP),
            self._count_choice,
            self._draw_button,
        )
        head.setStretch(0, 1)
        foot = row(labelled_row("&Strength", self._strength_field, tooltip=_STRENGTH_TOOLTIP))
        foot.addStretch(1)
        foot.addWidget(self._finish_button)
        whole = column(
            self._prompt_label,
            head,
            self._empty_label,
            self._create_scroll_area(),
            foot,
            spacing=12,
            margins=(16, 16, 16, 16),
        )
        whole.setStretch(2, 1)
        whole.setStretch(3, 1)
        self.setLayout(whole)
        self.resize(_DEFAULT_SIZE.boundedTo(self.screen().availableSize() * 0.9))

    def _create_scroll_area(self) -> QScrollArea:
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(8)
        content = QWidget()
        content.setObjectName("panelContent")  # same background as the window
        content.setLayout(self._grid)
        self._scroll_area = QScrollArea()
        self._scroll_area.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll_area.setWidgetResizable(True)
        self._scroll_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll_area.setWidget(content)
        self._scroll_area.verticalScrollBar().rangeChanged.connect(self._scroll_to_end)
        return self._scroll_area

    # settings

    def draft_checkpoint(self) -> str:
        """Return the folder of the checkpoint that generates drafts, as text; empty if there is none."""
        return str(self._draft_checkpoint_choice.currentData() or "")

    def strength(self) -> float:
        return self._strength_field.value()

    def selected_drafts(self) -> list[Draft]:
        return [tile.draft for tile in self._tiles if tile.isChecked() and tile.draft is not None]

    def set_draft_checkpoints(self, checkpoints: Sequence[Checkpoint], full_checkpoint: Checkpoint) -> None:
        """Offer these, the first by default unless another was selected, and `full_checkpoint` with fewer steps."""
        before = self.draft_checkpoint()
        with QSignalBlocker(self._draft_checkpoint_choice):
            self._draft_checkpoint_choice.clear()
            for checkpoint in checkpoints:
                steps = checkpoint.recommended.steps
                title = checkpoint.title if str(steps) in checkpoint.title else f"{checkpoint.title}, {steps} steps"
                self._draft_checkpoint_choice.addItem(title, str(checkpoint.folder))
            self._draft_checkpoint_choice.addItem(f"{full_checkpoint.title}, fewer steps", str(full_checkpoint.folder))
            self._draft_checkpoint_choice.setCurrentIndex(max(0, self._draft_checkpoint_choice.findData(before)))

    def set_prompt_text(self, text: str) -> None:
        """Show the drafted prompt."""
        self._prompt_label.setText(text)
        self._prompt_label.setToolTip(plain_text_tooltip(text))

    # drafts

    def set_drafts(self, drafts: Sequence[Draft], waiting: int, preview: Pixels | None) -> None:
        """Show these, and placeholders for the `waiting` ones, the first with `preview`, uint8 [H, W, 3]."""
        self._running = waiting > 0
        self._set_tile_count(len(drafts) + waiting)
        for tile, draft in zip(self._tiles, drafts, strict=False):
            tile.show_draft(draft)
        for number, tile in enumerate(self._tiles[len(drafts) :]):
            tile.show_pending(preview if number == 0 else None)
        self._update_buttons()

    def _set_tile_count(self, count: int) -> None:
        if count == len(self._tiles):
            return
        while len(self._tiles) > count:
            tile = self._tiles.pop()
            self._grid.removeWidget(tile)
            tile.hide()
            tile.deleteLater()
        while len(self._tiles) < count:
            tile = DraftTile(len(self._tiles) + 1)
            tile.toggled.connect(lambda _: self._update_buttons())
            self._tiles.append(tile)
        for number, tile in enumerate(self._tiles):
            self._grid.addWidget(tile, number // self._columns, number % self._columns)
        self._size_tiles()

    @property
    def _columns(self) -> int:
        return 2 if len(self._tiles) <= DRAFT_COUNTS[0] else 3

    def _size_tiles(self) -> None:
        """Fit a square grid into the window; further rows scroll, with square tiles."""
        scrolls = len(self._tiles) > self._columns**2
        side = self._scroll_area.viewport().width() // self._columns - self._grid.spacing()
        for tile in self._tiles:
            tile.setMinimumHeight(side if scrolls else 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._size_tiles()

    def _scroll_to_end(self) -> None:
        """Scroll to new drafts, which are added at the bottom."""
        bar = self._scroll_area.verticalScrollBar()
        if self._running:
            bar.setValue(bar.maximum())

    def _draw_or_cancel(self) -> None:
        if self._running:
            self.cancel_requested.emit()
        else:
            self.draw_requested.emit(int(self._count_choice.value()))

    def _update_buttons(self) -> None:
        """Update the buttons' texts and state."""
        chosen, count = len(self.selected_drafts()), self._count_choice.value()
        self._empty_label.setVisible(not self._tiles)
        self._scroll_area.setVisible(bool(self._tiles))
        with_role(self._draw_button, "stop" if self._running else "chip" if chosen else "primary")
        self._draw_button.setText(
            "Cancel" if self._running else f"Draw {count} more" if self._tiles else f"Draw {count} drafts"
        )
        self._finish_button.setText(f"Finish {chosen}" if chosen > 1 else "Finish")
        self._finish_button.setEnabled(chosen > 0)
        self._finish_button.setToolTip("Draw the chosen ones in full" if chosen else "Choose at least one draft")
