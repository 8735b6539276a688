"""Variation: a second seed, and how far the starting noise is turned towards its noise."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.request import Sampling
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.panels.seed import SeedPanel
from sdxl_desktop.ui.widgets.layout import column, labelled


@dataclass(frozen=True, slots=True)
class Variation:
    """`strength` in [0, 1] of the way towards `seed`; 0 is no variation."""

    seed: int = 0
    strength: float = 0.0


class VariationPanel(QWidget):
    """Edits `Variation`. `started` tells that the person has just asked for one, where there was none."""

    changed = Signal()
    started = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._numbers = NumberRows(Sampling, ("variation_strength",))
        self.seed = SeedPanel("Variation seed", glossary.VARIATION_SEED, glossary.VARIATION_LOCK)
        self._varied = False
        inside = QWidget()
        inside.setLayout(
            column(
                *self._numbers.rows(),
                labelled("Towards", self.seed, tip=glossary.VARIATION_SEED),
                spacing=6,
            )
        )
        self.section = Section("Var&iation", inside, tip=glossary.VARIATION)
        self.setLayout(column(self.section))
        self._numbers.changed.connect(self._moved)
        self.seed.changed.connect(self._moved)

    def value(self) -> Variation:
        return Variation(self.seed.value(), self._numbers.values()["variation_strength"])

    def set_value(self, variation: Variation) -> None:
        with QSignalBlocker(self):
            self._numbers.set_value("variation_strength", variation.strength)
            self.seed.set_value(variation.seed)
            self._show()

    def _moved(self) -> None:
        before = self._varied
        self._show()
        if self._varied and not before:
            self.started.emit()
        self.changed.emit()

    def _show(self) -> None:
        now = self.value()
        self._varied = now.strength > 0
        self.section.set_summary(f"{round(100 * now.strength)} % towards seed {now.seed}" if self._varied else "")
