"""Sampling: size, steps, guidance, scheduler, seed, number of pictures, and advanced settings."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import DEFAULT_SPEED, SpeedPreset
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.advanced_panel import AdvancedPanel
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.seed_panel import SeedPanel
from sdxl_desktop.ui.panels.segmented_control import SegmentedControl
from sdxl_desktop.ui.panels.size_panel import SizePanel
from sdxl_desktop.ui.panels.variation_panel import VariationPanel, VariationValue
from sdxl_desktop.ui.widgets.fields import ComboBox
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row

NUMBERS = ("steps", "guidance_scale", "count")
"""The declared numbers of `Sampling` that are always visible."""


class SamplingPanel(QWidget):
    """Edits `Sampling`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._size = SizePanel()
        self._numbers = NumberRows(Sampling, NUMBERS)
        self._steps = self._numbers.fields["steps"]
        self._scheduler = _create_scheduler_choice()
        self._speed = SegmentedControl(
            "Speed", [(speed.value, speed.label) for speed in SpeedPreset], [speed.help for speed in SpeedPreset]
        )
        self.seed_panel = SeedPanel()
        self.variation_panel = VariationPanel()
        self.advanced_panel = AdvancedPanel()
        self._user_steps = Sampling().steps
        self._lay_out()
        self._connect()
        self.set_value(Sampling(speed=DEFAULT_SPEED))

    def _lay_out(self) -> None:
        self.setLayout(
            column(
                self._size,
                self._numbers.row("steps"),
                self._numbers.row("guidance_scale"),
                labelled_row("S&cheduler", self._scheduler, tooltip=tooltips.SCHEDULER),
                labelled_row("Speed", self._speed, tooltip=tooltips.SPEED),
                labelled_row("Se&ed", self.seed_panel, tooltip=tooltips.SEED),
                self._numbers.row("count"),
                self.variation_panel,
                self.advanced_panel,
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._size.changed.connect(self.changed)
        self._numbers.changed.connect(self.changed)
        self._scheduler.currentIndexChanged.connect(self._handle_scheduler_selected)
        self._speed.currentChanged.connect(lambda _: self.changed.emit())
        self.seed_panel.changed.connect(self.changed)
        self.variation_panel.changed.connect(self.changed)
        self.variation_panel.variation_enabled.connect(
            lambda: self.seed_panel.set_locked(True)
        )  # a variation starts from the current seed
        self.advanced_panel.changed.connect(self._handle_advanced_changed)

    def value(self) -> Sampling:
        variation, advanced, numbers = self.variation_panel.value(), self.advanced_panel.value(), self._numbers.values()
        if advanced.timesteps:
            numbers["steps"] = len(advanced.timesteps)
        return replace(
            advanced,
            **numbers,
            size=self._size.value(),
            scheduler=SchedulerName(self._scheduler.currentData()),
            seed=self.seed_panel.value(),
            variation_seed=variation.seed,
            variation_strength=variation.strength,
            speed=SpeedPreset(self._speed.value()),
        )

    def set_value(self, sampling: Sampling) -> None:
        with QSignalBlocker(self):
            self._size.set_value(sampling.size)
            self.advanced_panel.set_value(sampling)
            self._sync_steps()
            self._numbers.set_values(sampling)
            self._scheduler.setCurrentIndex(self._scheduler.findData(sampling.scheduler.value))
            self._speed.set_value(sampling.speed.value)
            self.seed_panel.set_value(sampling.seed)
            self.variation_panel.set_value(VariationValue(sampling.variation_seed, sampling.variation_strength))

    def picture_size(self) -> Size:
        return self._size.value()

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Limit the values to those that this checkpoint supports."""
        self._size.set_checkpoint(checkpoint)

    def input_errors(self) -> tuple[RequestError, ...]:
        """Return the errors of invalid timesteps or seeds that are being typed."""
        found = (
            self.advanced_panel.input_error(),
            self.seed_panel.input_error(),
            self.variation_panel.seed_panel.input_error(),
        )
        return tuple(one for one in found if one is not None)

    def _handle_advanced_changed(self) -> None:
        with QSignalBlocker(self._steps):
            self._sync_steps()
        self.changed.emit()

    def _sync_steps(self) -> None:
        """Set the number of steps to that of the custom timesteps; without them, restore the user's number."""
        given = len(self.advanced_panel.value().timesteps)
        if self._steps.isEnabledTo(self):
            self._user_steps = round(self._steps.value())
        self._steps.set_value(given or self._user_steps)
        self._steps.setEnabled(not given)
        self._steps.set_tooltip(tooltips.STEPS_FROM_TIMESTEPS if given else self._numbers.help("steps"))

    def _handle_scheduler_selected(self) -> None:
        self._scheduler.setToolTip(SchedulerName(self._scheduler.currentData()).explanation)
        self.changed.emit()


def _create_scheduler_choice() -> ComboBox:
    choice = ComboBox("Scheduler")
    for index, name in enumerate(SchedulerName):
        choice.addItem(name.label, name.value)
        choice.setItemData(index, name.explanation, Qt.ItemDataRole.ToolTipRole)
    return choice
