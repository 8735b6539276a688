"""How the picture is drawn: size, steps, guidance, scheduler, seed, number of pictures, and what is rarely needed."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseOverride
from sdxl_desktop.core.request import MAX_COUNT, MAX_GUIDANCE, MAX_STEPS, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import DEFAULT_SPEED, Speed
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.advanced import Advanced, AdvancedPanel
from sdxl_desktop.ui.panels.exact import ExactNumber
from sdxl_desktop.ui.panels.seed import SeedPanel
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.panels.size import SizePanel
from sdxl_desktop.ui.panels.variation import Variation, VariationPanel
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
        self._exact_guidance = ExactNumber(self._guidance, 1)
        self._scheduler = _scheduler_choice()
        self._speed = Segmented(
            "Speed", [(speed.value, speed.label) for speed in Speed], [speed.help for speed in Speed]
        )
        self.seed = SeedPanel()
        self._count = SlidNumber(IntField("Number of pictures", 1, MAX_COUNT), 8)
        self.variation = VariationPanel()
        self.advanced = AdvancedPanel()
        self._own_steps = Sampling().steps
        self._lay_out()
        self._connect()
        self.set_value(Sampling(speed=DEFAULT_SPEED))

    def _lay_out(self) -> None:
        for slid, tip in (
            (self._steps, glossary.STEPS),
            (self._guidance, glossary.GUIDANCE),
            (self._count, glossary.COUNT),
        ):
            slid.set_tip(tip)
        self.setLayout(
            column(
                self._size,
                labelled("&Steps", self._steps, tip=glossary.STEPS),
                labelled("&Guidance", self._guidance, tip=glossary.GUIDANCE),
                labelled("S&cheduler", self._scheduler, tip=glossary.SCHEDULER),
                labelled("Speed", self._speed, tip=glossary.SPEED),
                labelled("Se&ed", self.seed, tip=glossary.SEED),
                labelled("Pict&ures", self._count, tip=glossary.COUNT),
                self.variation,
                self.advanced,
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._size.changed.connect(self.changed)
        for slid in (self._steps, self._guidance, self._count):
            slid.changed.connect(self.changed)
        self._scheduler.currentIndexChanged.connect(self._scheduler_chosen)
        self._speed.currentChanged.connect(lambda _: self.changed.emit())
        self.seed.changed.connect(self.changed)
        self.variation.changed.connect(self.changed)
        self.variation.started.connect(lambda: self.seed.set_locked(True))  # it is this seed's picture that varies
        self.advanced.changed.connect(self._advanced_moved)

    def value(self) -> Sampling:
        variation, advanced = self.variation.value(), self.advanced.value()
        return Sampling(
            size=self._size.value(),
            steps=len(advanced.timesteps) or round(self._steps.value()),
            guidance_scale=self._exact_guidance.value(),
            guidance_rescale=advanced.rescale,
            scheduler=SchedulerName(self._scheduler.currentData()),
            seed=self.seed.value(),
            count=round(self._count.value()),
            variation_seed=variation.seed,
            variation_strength=variation.strength,
            timesteps=advanced.timesteps,
            noise=advanced.noise,
            speed=Speed(self._speed.value()),
        )

    def set_value(self, sampling: Sampling) -> None:
        with QSignalBlocker(self):
            self._size.set_value(sampling.size)
            self.advanced.set_value(Advanced(sampling.guidance_rescale, sampling.timesteps, sampling.noise))
            self._show_steps()
            self._steps.set_value(sampling.steps)
            self._exact_guidance.set_value(sampling.guidance_scale)
            self._scheduler.setCurrentIndex(self._scheduler.findData(sampling.scheduler.value))
            self._speed.set_value(sampling.speed.value)
            self.seed.set_value(sampling.seed)
            self._count.set_value(sampling.count)
            self.variation.set_value(Variation(sampling.variation_seed, sampling.variation_strength))

    def picture_size(self) -> Size:
        return self._size.value()

    def take_shape(self, picture: Size) -> None:
        """Draw in the shape of `picture`; it is told."""
        self._size.take_shape(picture)

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep to what this checkpoint can draw."""
        self._size.set_checkpoint(checkpoint)

    def set_recommended(self, checkpoint: Checkpoint) -> None:
        """Take the values the checkpoint was made for; seed, rescale and count stay."""
        self.set_value(recommended_for(checkpoint, self.value()))

    def next_value(self) -> Sampling:
        """The value for the next run: with a new random seed, shown from now on, unless the seed is locked.

        Raises RequestError when the timesteps or seeds that are typed make no sense.
        """
        self.advanced.check()
        self.seed.check()
        self.variation.seed.check()
        if not self.seed.locked():
            self.seed.roll()
        self.variation.next_value()
        return self.value()

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
        self._steps.set_tip(glossary.STEPS_FROM_TIMESTEPS if given else glossary.STEPS)

    def _scheduler_chosen(self) -> None:
        self._scheduler.setToolTip(SchedulerName(self._scheduler.currentData()).explanation)
        self.changed.emit()


def recommended_for(checkpoint: Checkpoint, sampling: Sampling) -> Sampling:
    """`sampling` with the size, steps, guidance and scheduler that `checkpoint` was made for."""
    wanted = checkpoint.recommended
    return replace(
        sampling,
        size=wanted.size,
        steps=wanted.steps,
        guidance_scale=wanted.guidance_scale,
        scheduler=wanted.scheduler,
        timesteps=(),
        noise=NoiseOverride(),
    )


def _scheduler_choice() -> Choice:
    choice = Choice("Scheduler")
    for index, name in enumerate(SchedulerName):
        choice.addItem(name.label, name.value)
        choice.setItemData(index, name.explanation, Qt.ItemDataRole.ToolTipRole)
    return choice
