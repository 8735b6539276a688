"""Advanced sampling: guidance rescale, timesteps of one's own as a list to type, how the checkpoint is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.noise_schedule import NoiseOverride
from sdxl_desktop.core.request import Sampling
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.exact import ExactNumber
from sdxl_desktop.ui.panels.noise import NoisePanel
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.widgets.fields import RealField, SlidNumber
from sdxl_desktop.ui.widgets.layout import LABEL_WIDTH, column, labelled, row
from sdxl_desktop.ui.widgets.plain import PlainLabel


@dataclass(frozen=True, slots=True)
class Advanced:
    """Guidance rescale in [0, 1]; falling timesteps in [0, 999] or none: the scheduler's own; what is known better than
    the checkpoint says it."""

    rescale: float = 0.0
    timesteps: tuple[int, ...] = ()
    noise: NoiseOverride = NoiseOverride()


class AdvancedPanel(QWidget):
    """Edits `Advanced`. While what is typed as timesteps makes no sense, the value has none and `check` raises."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._rescale = SlidNumber(RealField("Guidance rescale", 0, 1, 0.05, 2), 1)
        self._exact = ExactNumber(self._rescale, 2)
        self._timesteps = QLineEdit()
        self._noise = NoisePanel()
        self._problem = PlainLabel()
        self.section = Section("&Advanced", self._inside(), tip=glossary.ADVANCED)
        self.setLayout(column(self.section))
        self._rescale.changed.connect(self._moved)
        self._timesteps.textChanged.connect(self._moved)
        self._noise.changed.connect(self._moved)

    def _inside(self) -> QWidget:
        self._rescale.set_tip(glossary.RESCALE)
        self._timesteps.setAccessibleName("Timesteps")
        self._timesteps.setPlaceholderText("999, 800, 600, 400, 200")
        self._timesteps.setClearButtonEnabled(True)
        self._problem.setProperty("role", "over")
        self._problem.setWordWrap(True)
        self._problem.hide()
        inside = QWidget()
        inside.setLayout(
            column(
                labelled("Resca&le", self._rescale, tip=glossary.RESCALE),
                labelled("Timesteps", self._timesteps, tip=glossary.TIMESTEPS),
                row(self._problem, margins=(LABEL_WIDTH + 8, 0, 0, 0)),
                self._noise,
                spacing=6,
            )
        )
        return inside

    def value(self) -> Advanced:
        try:
            timesteps = parse_timesteps(self._timesteps.text())
        except RequestError:
            timesteps = ()
        return Advanced(self._exact.value(), timesteps, self._noise.value())

    def set_value(self, value: Advanced) -> None:
        with QSignalBlocker(self):
            self._exact.set_value(value.rescale)
            if value.timesteps != self.value().timesteps or not value.timesteps:
                self._timesteps.setText(", ".join(map(str, value.timesteps)))
            self._noise.set_value(value.noise)
            self._show()

    def check(self) -> None:
        """Raise RequestError when the timesteps that are typed make no sense."""
        parse_timesteps(self._timesteps.text())

    def _moved(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        try:
            self.check()
        except RequestError as problem:
            self._problem.setText(str(problem))
        else:
            self._problem.clear()
        self._problem.setVisible(bool(self._problem.text()))
        self._timesteps.setAccessibleDescription(self._problem.text())
        self.section.set_summary(self._summary())

    def _summary(self) -> str:
        value = self.value()
        words = [f"Rescale {value.rescale:.2f}"] if value.rescale else []
        if self._problem.text():
            words.append("the timesteps make no sense")
        elif value.timesteps:
            words.append(f"{len(value.timesteps)} timesteps of your own")
        if noise := self._noise.value().words:
            words.append(noise)
        return " · ".join(words)


def parse_timesteps(text: str) -> tuple[int, ...]:
    """Read "999, 800, 600": a falling row in [0, 999], or nothing; raises RequestError for anything else."""
    words = text.replace(",", " ").split()
    if not words:
        return ()
    strange = next((word for word in words if not (word.isascii() and word.isdigit())), None)
    if strange is not None:
        raise RequestError(
            f"{strange!r} is not a timestep.", next_step="Write whole numbers from 999 down to 0, with commas between."
        )
    timesteps = tuple(int(word) for word in words)
    return Sampling(steps=len(timesteps), timesteps=timesteps).timesteps
