"""Variation: a second seed, and how far the initial noise is interpolated towards its noise."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.request import Sampling
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.panels.seed_panel import SeedPanel
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row


@dataclass(frozen=True, slots=True)
class VariationValue:
    """`strength` in [0, 1]: how far to go towards the noise of `seed`; 0 is no variation."""

    seed: int = 0
    strength: float = 0.0


class VariationPanel(QWidget):
    """Edits `VariationValue`. `variation_enabled`: the user has just turned the variation on."""

    changed = Signal()
    variation_enabled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._numbers = NumberRows(Sampling, ("variation_strength",))
        self.seed_panel = SeedPanel("Variation seed", tooltips.VARIATION_SEED, tooltips.VARIATION_LOCK)
        self._is_active = False
        inside = QWidget()
        inside.setLayout(
            column(
                *self._numbers.rows(),
                labelled_row("Towards", self.seed_panel, tooltip=tooltips.VARIATION_SEED),
                spacing=6,
            )
        )
        self.section = PanelSection("Var&iation", inside, tooltip=tooltips.VARIATION)
        self.setLayout(column(self.section))
        self._numbers.changed.connect(self._handle_change)
        self.seed_panel.changed.connect(self._handle_change)

    def value(self) -> VariationValue:
        return VariationValue(self.seed_panel.value(), self._numbers.values()["variation_strength"])

    def set_value(self, variation: VariationValue) -> None:
        with QSignalBlocker(self):
            self._numbers.set_value("variation_strength", variation.strength)
            self.seed_panel.set_value(variation.seed)
            self._refresh()

    def _handle_change(self) -> None:
        before = self._is_active
        self._refresh()
        if self._is_active and not before:
            self.variation_enabled.emit()
        self.changed.emit()

    def _refresh(self) -> None:
        now = self.value()
        self._is_active = now.strength > 0
        self.section.set_summary(f"{round(100 * now.strength)} % towards seed {now.seed}" if self._is_active else "")
