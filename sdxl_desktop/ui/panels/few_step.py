"""Few-step checkpoints: says which settings came with one, takes them back on request, and restores one's own later."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.request import Sampling
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.sampling import recommended_for
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.layout import ElidedLabel, row
from sdxl_desktop.ui.widgets.plain import plain_tip


class FewStepNote(QWidget):
    """One line that is only there after a few-step checkpoint was chosen. `keep_wanted`: the settings are to go back.

    Distilled checkpoints draw nonsense with the usual 30 steps and guidance, and others with theirs, so choosing one
    must change them, and leaving it for where one came from must bring them back.
    """

    keep_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._checkpoint: Checkpoint | None = None
        self._mine: tuple[str, Sampling] | None = None
        self._words = ElidedLabel()
        self._keep = dressed(QPushButton("Keep mine"), "link")
        self._keep.setToolTip(glossary.KEEP_MINE)
        line = row(spacing=4)
        line.addWidget(self._words, 1)
        line.addWidget(self._keep)
        self.setLayout(line)
        self._keep.clicked.connect(self.keep_wanted)
        self.hide()

    def words(self) -> str:
        return self._words.text()

    def begin(self, checkpoint: Checkpoint) -> None:
        """This one is in use, and not because the person chose it in the list: nothing changes."""
        if self._checkpoint is not None and checkpoint.name != self._checkpoint.name:
            self._mine = None
            self.hide()
        self._checkpoint = checkpoint

    def switch(self, checkpoint: Checkpoint, sampling: Sampling) -> Sampling:
        """What to go on with, now that the person chose `checkpoint` while the panel said `sampling`."""
        left, self._checkpoint = self._checkpoint, checkpoint
        recommended = recommended_for(checkpoint, sampling)
        if checkpoint.few_step:
            if self._mine is None and left is not None and not left.few_step:
                self._mine = left.name, sampling
            self._tell(recommended)
            return recommended
        mine, self._mine = self._mine, None
        self.hide()
        if mine is None or mine[0] != checkpoint.name:
            return recommended
        return replace(_drawn_like(mine[1], sampling), size=mine[1].size)

    def keep(self, sampling: Sampling) -> Sampling:
        """`sampling` with the person's own steps, guidance and scheduler."""
        self.hide()
        return sampling if self._mine is None else _drawn_like(self._mine[1], sampling)

    def _tell(self, wanted: Sampling) -> None:
        steps = f"{wanted.steps} steps" if wanted.steps != 1 else "1 step"
        self._words.setText(f"Set for it: {wanted.scheduler.label}, {steps}, guidance {wanted.guidance_scale:g}")
        self._words.setToolTip(plain_tip(self._words.text()))
        self.setVisible(self._mine is not None)


def _drawn_like(mine: Sampling, sampling: Sampling) -> Sampling:
    """`sampling` with the steps, timesteps, guidance and scheduler of `mine`."""
    return replace(
        sampling,
        steps=mine.steps,
        timesteps=mine.timesteps,
        guidance_scale=mine.guidance_scale,
        scheduler=mine.scheduler,
    )
