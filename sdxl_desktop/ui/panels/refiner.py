"""The refiner: whether one finishes the picture, which, when it comes in, and the scores refiners are told."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.refine import MAX_REFINER_STEPS, RefineWay
from sdxl_desktop.core.settings import RefinerValue
from sdxl_desktop.session.building import SCORES, chosen_refiner
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fields import Choice, IntField
from sdxl_desktop.ui.widgets.layout import column, labelled, muted
from sdxl_desktop.ui.widgets.plain import plain_tip

_AUTOMATIC = 0


class RefinerPanel(QWidget):
    """Edits `RefinerValue`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._refiners: tuple[Checkpoint, ...] = ()
        self._wanted = ""
        self._main_refines = False
        self._on = Switch()
        self._note = muted(glossary.NO_REFINER, wrap=True)
        self._choice = Choice("Refiner checkpoint")
        self._way = Segmented("When the refiner comes in", [(way.value, way.label) for way in RefineWay], _WAY_TIPS)
        self._way_words = muted(wrap=True)
        self._numbers = NumberRows(RefinerValue, ("handoff", "strength", *SCORES))
        self._steps = IntField("Refiner steps", _AUTOMATIC, MAX_REFINER_STEPS)
        self._refining = QWidget()
        self._handing, self._retouching, self._scores = QWidget(), QWidget(), QWidget()
        self.section = Section("&Refiner", self._inside(), self._on, tip=glossary.REFINER)
        self.setLayout(column(self.section))
        self._connect()
        self.set_value(RefinerValue())

    def _inside(self) -> QWidget:
        self._on.setAccessibleName("Refiner")
        self._on.setToolTip(glossary.REFINER)
        self._steps.setSpecialValueText("Automatic")
        self._steps.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._handing.setLayout(self._numbers.row("handoff"))
        self._retouching.setLayout(self._numbers.row("strength"))
        self._refining.setLayout(
            column(
                labelled("Refiner", self._choice, tip=glossary.REFINER_CHECKPOINT),
                labelled("Way", self._way, tip=glossary.REFINER_WAY),
                self._way_words,
                self._handing,
                self._retouching,
                labelled("Steps", self._steps, tip=glossary.REFINER_STEPS),
                spacing=6,
            )
        )
        self._scores.setLayout(column(*(self._numbers.row(name) for name in SCORES), spacing=6))
        inside = QWidget()
        inside.setLayout(column(self._note, self._refining, self._scores, spacing=6))
        return inside

    def _connect(self) -> None:
        self._on.toggled.connect(self._moved)
        self._on.clicked.connect(self._open_with_switch)
        self._choice.activated.connect(self._chosen)
        self._way.currentChanged.connect(self._moved)
        self._steps.valueChanged.connect(self._moved)
        self._numbers.changed.connect(self._moved)

    # the value

    def value(self) -> RefinerValue:
        return RefinerValue(
            on=self._on.isChecked(),
            checkpoint=self._wanted,
            way=RefineWay(self._way.value()),
            steps=self._steps.committed() or None,
            **self._numbers.values(),
        )

    def set_value(self, value: RefinerValue) -> None:
        with QSignalBlocker(self):
            self._wanted = value.checkpoint
            self._on.setChecked(value.on)
            self._way.set_value(value.way)
            self._steps.setValue(value.steps or _AUTOMATIC)
            self._numbers.set_values(value)
            self._fill_choice()
            self._show()

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer the refiners among these. Does not emit; what was chosen stays chosen even when it is not there."""
        self._refiners = tuple(known for known in checkpoints if known.kind is CheckpointKind.REFINER)
        with QSignalBlocker(self):
            self._fill_choice()
            self._show()

    def show_main(self, checkpoint: Checkpoint | None) -> None:
        """The main checkpoint: where that is a refiner, no other one is needed, and the scores are its own."""
        self._main_refines = checkpoint is not None and checkpoint.kind is CheckpointKind.REFINER
        with QSignalBlocker(self):
            self._show()

    def _refiner(self) -> Checkpoint | None:
        return chosen_refiner(self.value(), self._refiners)

    def _fill_choice(self) -> None:
        self._choice.clear()
        for refiner in self._refiners:
            self._choice.addItem(refiner.title, refiner.name)
            tip = plain_tip(refiner.description or str(refiner.folder))
            self._choice.setItemData(self._choice.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        if self._wanted and self._refiner() is None:
            self._choice.addItem(f"{self._wanted} (not found)", self._wanted)
        self._choice.setCurrentIndex(max(0, self._choice.findData(self._wanted)))

    def _chosen(self) -> None:
        self._wanted = str(self._choice.currentData())
        self._moved()

    # showing

    def _moved(self) -> None:
        self._show()
        self.changed.emit()

    def _open_with_switch(self, on: bool) -> None:
        if on:
            self.section.set_open(True)

    def _show(self) -> None:
        value = self.value()
        some = bool(self._choice.count())
        self._on.setVisible(not self._main_refines)
        self._on.setEnabled(some)
        self._note.setText(glossary.IS_REFINER if self._main_refines else glossary.NO_REFINER)
        self._note.setVisible(self._main_refines or not some)
        self._refining.setVisible(some and not self._main_refines)
        self._refining.setEnabled(value.on)
        self._scores.setVisible(some or self._main_refines)
        self._scores.setEnabled(value.on or self._main_refines)
        takes_over = value.way is RefineWay.ENSEMBLE
        self._way_words.setText(glossary.TAKE_OVER if takes_over else glossary.RETOUCH)
        self._handing.setVisible(takes_over)
        self._retouching.setVisible(not takes_over)
        self.section.set_summary(self._summary(value))

    def _summary(self, value: RefinerValue) -> str:
        if self._main_refines:
            return f"The checkpoint is itself a refiner · score {value.aesthetic_score:g}"
        if not value.on or not self._choice.count():
            return ""
        refiner = self._refiner()
        if refiner is None:
            return f"{value.checkpoint} is not found"
        if value.way is RefineWay.ENSEMBLE:
            return f"{refiner.title}, takes over at {value.handoff:.0%}".replace("%", " %")
        return f"{refiner.title}, retouches with strength {value.strength:g}"


_WAY_TIPS = (glossary.TAKE_OVER, glossary.RETOUCH)
