"""The refiner: whether one finishes the picture, which, when it comes in, and the scores refiners are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.additions import named_only
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.refine import MAX_REFINER_STEPS, Refine, RefineWay
from sdxl_desktop.core.request import MAX_AESTHETIC_SCORE, MicroConditioning
from sdxl_desktop.core.settings import RefinerValue
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.exact import ExactNumber
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fields import Choice, IntField, RealField, SlidNumber
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
        self._handoff = SlidNumber(RealField("Hand-off", 0.01, 0.99, 0.01, 2), 0.99)
        self._strength = SlidNumber(RealField("Refiner strength", 0.01, 1, 0.01, 2), 1)
        self._steps = IntField("Refiner steps", _AUTOMATIC, MAX_REFINER_STEPS)
        self._score = SlidNumber(RealField("Aesthetic score", 0, MAX_AESTHETIC_SCORE, 0.1, 1), MAX_AESTHETIC_SCORE)
        self._negative_score = SlidNumber(
            RealField("Negative aesthetic score", 0, MAX_AESTHETIC_SCORE, 0.1, 1), MAX_AESTHETIC_SCORE
        )
        self._exact = {
            "handoff": ExactNumber(self._handoff, 2),
            "strength": ExactNumber(self._strength, 2),
            "aesthetic_score": ExactNumber(self._score, 1),
            "negative_aesthetic_score": ExactNumber(self._negative_score, 1),
        }
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
        for slid, tip in (
            (self._handoff, glossary.HANDOFF),
            (self._strength, glossary.REFINER_STRENGTH),
            (self._score, glossary.AESTHETIC),
            (self._negative_score, glossary.NEGATIVE_AESTHETIC),
        ):
            slid.set_tip(tip)
        self._handing.setLayout(labelled("Hand-off", self._handoff, tip=glossary.HANDOFF))
        self._retouching.setLayout(labelled("Strength", self._strength, tip=glossary.REFINER_STRENGTH))
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
        self._scores.setLayout(
            column(
                labelled("Score", self._score, tip=glossary.AESTHETIC),
                labelled("Away from", self._negative_score, tip=glossary.NEGATIVE_AESTHETIC),
                spacing=6,
            )
        )
        inside = QWidget()
        inside.setLayout(column(self._note, self._refining, self._scores, spacing=6))
        return inside

    def _connect(self) -> None:
        self._on.toggled.connect(self._moved)
        self._on.clicked.connect(self._open_with_switch)
        self._choice.activated.connect(self._chosen)
        self._way.currentChanged.connect(self._moved)
        self._steps.valueChanged.connect(self._moved)
        for slid in (self._handoff, self._strength, self._score, self._negative_score):
            slid.changed.connect(self._moved)

    # the value

    def value(self) -> RefinerValue:
        return RefinerValue(
            on=self._on.isChecked(),
            checkpoint=self._wanted,
            way=RefineWay(self._way.value()),
            steps=self._steps.committed() or None,
            **{name: exact.value() for name, exact in self._exact.items()},
        )

    def set_value(self, value: RefinerValue) -> None:
        with QSignalBlocker(self):
            self._wanted = value.checkpoint
            self._on.setChecked(value.on)
            self._way.set_value(value.way)
            self._steps.setValue(value.steps or _AUTOMATIC)
            for name, exact in self._exact.items():
                exact.set_value(getattr(value, name))
            self._fill_choice()
            self._show()

    def refine(self) -> Refine | None:
        """How the picture is to be finished, or None. Raises RequestError when the chosen refiner is not there."""
        value = self.value()
        if self._main_refines or not value.on or not (self._refiners or value.checkpoint):
            return None
        refiner = self._refiner()
        if refiner is None:
            raise RequestError(
                f"The refiner {value.checkpoint} is not among your checkpoints.",
                next_step="Choose another refiner, or switch it off.",
            )
        return Refine(
            checkpoint=refiner.folder, way=value.way, handoff=value.handoff, steps=value.steps, strength=value.strength
        )

    def scores(self) -> tuple[float, float] | None:
        """The aesthetic score and the negative one, where a refiner is there to take them."""
        value = self.value()
        used = self._main_refines or value.on
        return (value.aesthetic_score, value.negative_aesthetic_score) if used else None

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer the refiners among these. Does not emit; what was chosen stays chosen even when it is not there."""
        self._refiners = tuple(known for known in checkpoints if known.kind is CheckpointKind.REFINER)
        with QSignalBlocker(self):
            self._fill_choice()
            self._show()

    def reuse(self, refine: Refine | None, conditioning: MicroConditioning) -> tuple[str, ...]:
        """Take over how a picture was finished, if it was, and with what scores. Returns in words which refiner is not
        here. Does not emit."""
        value = replace(
            self.value(),
            on=refine is not None,
            aesthetic_score=conditioning.aesthetic_score,
            negative_aesthetic_score=conditioning.negative_aesthetic_score,
        )
        if refine is not None:
            value = replace(
                value,
                checkpoint=self._name_of(refine),
                way=refine.way,
                handoff=refine.handoff,
                steps=refine.steps,
                strength=refine.strength,
            )
        self.set_value(value)
        known = refine is None or value.checkpoint in [refiner.name for refiner in self._refiners]
        return () if known else (f"the refiner {value.checkpoint}",)

    def _name_of(self, refine: Refine) -> str:
        """The library's name of a request's refiner; the name of its folder where the library has it not."""
        known = next((refiner for refiner in self._refiners if refiner.folder == refine.checkpoint), None)
        return known.name if known else named_only(refine.checkpoint).name

    def show_main(self, checkpoint: Checkpoint | None) -> None:
        """The main checkpoint: where that is a refiner, no other one is needed, and the scores are its own."""
        self._main_refines = checkpoint is not None and checkpoint.kind is CheckpointKind.REFINER
        with QSignalBlocker(self):
            self._show()

    def _refiner(self) -> Checkpoint | None:
        if not self._wanted:
            return self._refiners[0] if self._refiners else None
        return next((refiner for refiner in self._refiners if refiner.name == self._wanted), None)

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
