"""How the picture is drawn: size, steps, guidance, scheduler, seed, number of pictures, and what is rarely needed."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import DEFAULT_SPEED, Speed
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.advanced import AdvancedPanel
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.seed import SeedPanel
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.panels.size import SizePanel
from sdxl_desktop.ui.panels.variation import Variation, VariationPanel
from sdxl_desktop.ui.widgets.fields import Choice
from sdxl_desktop.ui.widgets.layout import column, labelled

NUMBERS = ("steps", "guidance_scale", "count")
"""The declared numbers of `Sampling` that stand in the open."""


class SamplingPanel(QWidget):
    """Edits `Sampling`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._size = SizePanel()
        self._numbers = NumberRows(Sampling, NUMBERS)
        self._steps = self._numbers.fields["steps"]
        self._scheduler = _scheduler_choice()
        self._speed = Segmented(
            "Speed", [(speed.value, speed.label) for speed in Speed], [speed.help for speed in Speed]
        )
        self.seed = SeedPanel()
        self.variation = VariationPanel()
        self.advanced = AdvancedPanel()
        self._own_steps = Sampling().steps
        self._lay_out()
        self._connect()
        self.set_value(Sampling(speed=DEFAULT_SPEED))

    def _lay_out(self) -> None:
        self.setLayout(
            column(
                self._size,
                self._numbers.row("steps"),
                self._numbers.row("guidance_scale"),
                labelled("S&cheduler", self._scheduler, tip=glossary.SCHEDULER),
                labelled("Speed", self._speed, tip=glossary.SPEED),
                labelled("Se&ed", self.seed, tip=glossary.SEED),
                self._numbers.row("count"),
                self.variation,
                self.advanced,
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._size.changed.connect(self.changed)
        self._numbers.changed.connect(self.changed)
        self._scheduler.currentIndexChanged.connect(self._scheduler_chosen)
        self._speed.currentChanged.connect(lambda _: self.changed.emit())
        self.seed.changed.connect(self.changed)
        self.variation.changed.connect(self.changed)
        self.variation.started.connect(lambda: self.seed.set_locked(True))  # it is this seed's picture that varies
        self.advanced.changed.connect(self._advanced_moved)

    def value(self) -> Sampling:
        variation, advanced, numbers = self.variation.value(), self.advanced.value(), self._numbers.values()
        if advanced.timesteps:
            numbers["steps"] = len(advanced.timesteps)
        return replace(
            advanced,
            **numbers,
            size=self._size.value(),
            scheduler=SchedulerName(self._scheduler.currentData()),
            seed=self.seed.value(),
            variation_seed=variation.seed,
            variation_strength=variation.strength,
            speed=Speed(self._speed.value()),
        )

    def set_value(self, sampling: Sampling) -> None:
        with QSignalBlocker(self):
            self._size.set_value(sampling.size)
            self.advanced.set_value(sampling)
            self._show_steps()
            self._numbers.set_values(sampling)
            self._scheduler.setCurrentIndex(self._scheduler.findData(sampling.scheduler.value))
            self._speed.set_value(sampling.speed.value)
            self.seed.set_value(sampling.seed)
            self.variation.set_value(Variation(sampling.variation_seed, sampling.variation_strength))

    def picture_size(self) -> Size:
        return self._size.value()

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep to what this checkpoint can draw."""
        self._size.set_checkpoint(checkpoint)

    def unreadable(self) -> tuple[RequestError, ...]:
        """What is typed here and cannot be read: timesteps or seeds."""
        found = (self.advanced.unreadable(), self.seed.unreadable(), self.variation.seed.unreadable())
        return tuple(one for one in found if one is not None)

    def _advanced_moved(self) -> None:
        with QSignalBlocker(self._steps):
            self._show_steps()
        self.changed.emit()

    def _show_steps(self) -> None:
        """Timesteps of one's own decide the number of steps; without them it is the person's again."""
        given = len(self.advanced.value().timesteps)
        if self._steps.isEnabledTo(self):
            self._own_steps = round(self._steps.value())
        self._steps.set_value(given or self._own_steps)
        self._steps.setEnabled(not given)
        self._steps.set_tip(glossary.STEPS_FROM_TIMESTEPS if given else self._numbers.help("steps"))

    def _scheduler_chosen(self) -> None:
        self._scheduler.setToolTip(SchedulerName(self._scheduler.currentData()).explanation)
        self.changed.emit()


def _scheduler_choice() -> Choice:
    choice = Choice("Scheduler")
    for index, name in enumerate(SchedulerName):
        choice.addItem(name.label, name.value)
        choice.setItemData(index, name.explanation, Qt.ItemDataRole.ToolTipRole)
    return choice
