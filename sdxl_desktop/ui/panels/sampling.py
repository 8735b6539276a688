"""How the picture is drawn: size, steps, guidance, scheduler, seed and number of pictures."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import MAX_COUNT, MAX_GUIDANCE, MAX_STEPS, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.seed import SeedPanel
from sdxl_desktop.ui.panels.size import SizePanel
from sdxl_desktop.ui.widgets.fields import Choice, IntField, RealField, SlidNumber
from sdxl_desktop.ui.widgets.layout import column, labelled


class SamplingPanel(QWidget):
    """Edits `Sampling`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._size = SizePanel()
        self._steps = SlidNumber(IntField("Steps", 1, MAX_STEPS), 60)
        self._guidance = SlidNumber(RealField("Guidance scale", 0, MAX_GUIDANCE, 0.1, 1), 15)
        self._rescale = SlidNumber(RealField("Guidance rescale", 0, 1, 0.05, 2), 1)
        self._scheduler = _scheduler_choice()
        self.seed = SeedPanel()
        self._count = SlidNumber(IntField("Number of pictures", 1, MAX_COUNT), 8)
        self._lay_out()
        self._connect()
        self.set_value(Sampling())

    def _lay_out(self) -> None:
        for slid, tip in (
            (self._steps, glossary.STEPS),
            (self._guidance, glossary.GUIDANCE),
            (self._rescale, glossary.RESCALE),
            (self._count, glossary.COUNT),
        ):
            slid.set_tip(tip)
        self.setLayout(
            column(
                self._size,
                labelled("&Steps", self._steps, tip=glossary.STEPS),
                labelled("&Guidance", self._guidance, tip=glossary.GUIDANCE),
                labelled("Resca&le", self._rescale, tip=glossary.RESCALE),
                labelled("S&cheduler", self._scheduler, tip=glossary.SCHEDULER),
                labelled("Se&ed", self.seed, tip=glossary.SEED),
                labelled("Pict&ures", self._count, tip=glossary.COUNT),
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._size.changed.connect(self.changed)
        for slid in (self._steps, self._guidance, self._rescale, self._count):
            slid.changed.connect(self.changed)
        self._scheduler.currentIndexChanged.connect(self._scheduler_chosen)
        self.seed.changed.connect(self.changed)

    def value(self) -> Sampling:
        return Sampling(
            size=self._size.value(),
            steps=round(self._steps.value()),
            guidance_scale=round(self._guidance.value(), 1),
            guidance_rescale=round(self._rescale.value(), 2),
            scheduler=SchedulerName(self._scheduler.currentData()),
            seed=self.seed.value(),
            count=round(self._count.value()),
        )

    def set_value(self, sampling: Sampling) -> None:
        with QSignalBlocker(self):
            self._size.set_value(sampling.size)
            self._steps.set_value(sampling.steps)
            self._guidance.set_value(sampling.guidance_scale)
            self._rescale.set_value(sampling.guidance_rescale)
            self._scheduler.setCurrentIndex(self._scheduler.findData(sampling.scheduler.value))
            self.seed.set_value(sampling.seed)
            self._count.set_value(sampling.count)

    def picture_size(self) -> Size:
        return self._size.value()

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep to what this checkpoint can draw."""
        self._size.set_checkpoint(checkpoint)

    def set_recommended(self, checkpoint: Checkpoint) -> None:
        """Take the values the checkpoint was made for; seed, rescale and count stay."""
        wanted = checkpoint.recommended
        self.set_value(
            replace(
                self.value(),
                size=wanted.size,
                steps=wanted.steps,
                guidance_scale=wanted.guidance_scale,
                scheduler=wanted.scheduler,
            )
        )

    def next_value(self) -> Sampling:
        """The value for the next run: with a new random seed, shown from now on, unless the seed is locked."""
        if not self.seed.locked():
            self.seed.roll()
        return self.value()

    def _scheduler_chosen(self) -> None:
        self._scheduler.setToolTip(SchedulerName(self._scheduler.currentData()).explanation)
        self.changed.emit()


def _scheduler_choice() -> Choice:
    choice = Choice("Scheduler")
    for index, name in enumerate(SchedulerName):
        choice.addItem(name.label, name.value)
        choice.setItemData(index, name.explanation, Qt.ItemDataRole.ToolTipRole)
    return choice
