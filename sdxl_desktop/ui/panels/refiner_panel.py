"""The refiner: whether to use one, which, when it takes over, and its aesthetic scores."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.refine import MAX_REFINER_STEPS, RefinerMode
from sdxl_desktop.core.workspace_value import RefinerPanelState
from sdxl_desktop.session.building import AESTHETIC_SCORE_FIELDS, chosen_refiner
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.panels.segmented_control import SegmentedControl
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fields import ComboBox, IntField
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row, muted_label
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_AUTOMATIC_STEPS = 0


class RefinerPanel(QWidget):
    """Edits `RefinerPanelState`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._refiners: tuple[Checkpoint, ...] = ()
        self._selected_name = ""
        self._main_is_refiner = False
        self._switch = Switch()
        self._note_label = muted_label(tooltips.NO_REFINER, wrap=True)
        self._refiner_choice = ComboBox("Refiner checkpoint")
        self._mode_choice = SegmentedControl(
            "When the refiner comes in", [(way.value, way.label) for way in RefinerMode], _MODE_TOOLTIPS
        )
        self._mode_help = muted_label(wrap=True)
        self._numbers = NumberRows(RefinerPanelState, ("handoff", "strength", *AESTHETIC_SCORE_FIELDS))
        self._steps = IntField("Refiner steps", _AUTOMATIC_STEPS, MAX_REFINER_STEPS)
        self._refiner_settings = QWidget()
        self._handoff_row, self._strength_row, self._score_rows = QWidget(), QWidget(), QWidget()
        self.section = PanelSection("&Refiner", self._create_content(), self._switch, tooltip=tooltips.REFINER)
        self.setLayout(column(self.section))
        self._connect()
        self.set_value(RefinerPanelState())

    def _create_content(self) -> QWidget:
        self._switch.setAccessibleName("Refiner")
        self._switch.setToolTip(tooltips.REFINER)
        self._steps.setSpecialValueText("Automatic")
        self._steps.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._handoff_row.setLayout(self._numbers.row("handoff"))
        self._strength_row.setLayout(self._numbers.row("strength"))
        self._refiner_settings.setLayout(
            column(
                labelled_row("Refiner", self._refiner_choice, tooltip=tooltips.REFINER_CHECKPOINT),
                labelled_row("Way", self._mode_choice, tooltip=tooltips.REFINER_WAY),
                self._mode_help,
                self._handoff_row,
                self._strength_row,
                labelled_row("Steps", self._steps, tooltip=tooltips.REFINER_STEPS),
                spacing=6,
            )
        )
        self._score_rows.setLayout(column(*(self._numbers.row(name) for name in AESTHETIC_SCORE_FIELDS), spacing=6))
        inside = QWidget()
        inside.setLayout(column(self._note_label, self._refiner_settings, self._score_rows, spacing=6))
        return inside

    def _connect(self) -> None:
        self._switch.toggled.connect(self._handle_change)
        self._switch.clicked.connect(self._open_if_on)
        self._refiner_choice.activated.connect(self._handle_selection)
        self._mode_choice.currentChanged.connect(self._handle_change)
        self._steps.valueChanged.connect(self._handle_change)
        self._numbers.changed.connect(self._handle_change)

    # value

    def value(self) -> RefinerPanelState:
        return RefinerPanelState(
            on=self._switch.isChecked(),
            checkpoint=self._selected_name,
            way=RefinerMode(self._mode_choice.value()),
            steps=self._steps.commit_value() or None,
            **self._numbers.values(),
        )

    def set_value(self, value: RefinerPanelState) -> None:
        with QSignalBlocker(self):
            self._selected_name = value.checkpoint
            self._switch.setChecked(value.on)
            self._mode_choice.set_value(value.way)
            self._steps.setValue(value.steps or _AUTOMATIC_STEPS)
            self._numbers.set_values(value)
            self._fill_choice()
            self._refresh()

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer the refiners among these. Does not emit; the selection is kept even if it is not among them."""
        self._refiners = tuple(known for known in checkpoints if known.kind is CheckpointKind.REFINER)
        with QSignalBlocker(self):
            self._fill_choice()
            self._refresh()

    def set_main_checkpoint(self, checkpoint: Checkpoint | None) -> None:
        """Set the main checkpoint: if it is a refiner, no other one is needed, and the scores apply to it."""
        main_is_refiner = checkpoint is not None and checkpoint.kind is CheckpointKind.REFINER
        if main_is_refiner != self._main_is_refiner:
            self._main_is_refiner = main_is_refiner
            with QSignalBlocker(self):
                self._refresh()

    def _selected_refiner(self) -> Checkpoint | None:
        return chosen_refiner(self.value(), self._refiners)

    def _fill_choice(self) -> None:
        self._refiner_choice.clear()
        for refiner in self._refiners:
            self._refiner_choice.addItem(refiner.title, refiner.name)
            tip = plain_text_tooltip(refiner.description or str(refiner.folder))
            self._refiner_choice.setItemData(self._refiner_choice.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        if self._selected_name and self._selected_refiner() is None:
            self._refiner_choice.addItem(f"{self._selected_name} (not found)", self._selected_name)
        self._refiner_choice.setCurrentIndex(max(0, self._refiner_choice.findData(self._selected_name)))

    def _handle_selection(self) -> None:
        self._selected_name = str(self._refiner_choice.currentData())
        self._handle_change()

    # display

    def _handle_change(self) -> None:
        self._refresh()
        self.changed.emit()

    def _open_if_on(self, on: bool) -> None:
        if on:
            self.section.set_open(True)

    def _refresh(self) -> None:
        value = self.value()
        some = bool(self._refiner_choice.count())
        self._switch.setVisible(not self._main_is_refiner)
        self._switch.setEnabled(some)
        self._note_label.setText(tooltips.IS_REFINER if self._main_is_refiner else tooltips.NO_REFINER)
        self._note_label.setVisible(self._main_is_refiner or not some)
        self._refiner_settings.setVisible(some and not self._main_is_refiner)
        self._refiner_settings.setEnabled(value.on)
        self._score_rows.setVisible(some or self._main_is_refiner)
        self._score_rows.setEnabled(value.on or self._main_is_refiner)
        takes_over = value.way is RefinerMode.ENSEMBLE
        self._mode_help.setText(tooltips.TAKE_OVER if takes_over else tooltips.RETOUCH)
        self._handoff_row.setVisible(takes_over)
        self._strength_row.setVisible(not takes_over)
        self.section.set_summary(self._summary(value))

    def _summary(self, value: RefinerPanelState) -> str:
        if self._main_is_refiner:
            return f"The checkpoint is itself a refiner · score {value.aesthetic_score:g}"
        if not value.on or not self._refiner_choice.count():
            return ""
        refiner = self._selected_refiner()
        if refiner is None:
            return f"{value.checkpoint} is not found"
        if value.way is RefinerMode.ENSEMBLE:
            return f"{refiner.title}, takes over at {value.handoff:.0%}".replace("%", " %")
        return f"{refiner.title}, retouches with strength {value.strength:g}"


_MODE_TOOLTIPS = (tooltips.TAKE_OVER, tooltips.RETOUCH)
