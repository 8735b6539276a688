"""Advanced sampling: guidance rescale, timesteps of one's own as a list to type, how the checkpoint is sampled."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.request import Sampling
from sdxl_desktop.core.sampling import parse_timesteps
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.noise import NoisePanel
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.widgets.layout import LABEL_WIDTH, column, labelled, row
from sdxl_desktop.ui.widgets.plain import PlainLabel

NUMBERS = ("guidance_rescale",)
"""The declared numbers of `Sampling` that stand here."""


class AdvancedPanel(QWidget):
    """Edits the part of `Sampling` that is rarely needed; the rest stays as it was put in. While what is typed as
    timesteps makes no sense, the value has none and `unreadable` tells why."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value = Sampling()
        self._numbers = NumberRows(Sampling, NUMBERS)
        self._timesteps = QLineEdit()
        self._noise = NoisePanel()
        self._problem = PlainLabel()
        self.section = Section("&Advanced", self._inside(), tip=glossary.ADVANCED)
        self.setLayout(column(self.section))
        self._numbers.changed.connect(self._moved)
        self._timesteps.textChanged.connect(self._moved)
        self._noise.changed.connect(self._moved)

    def _inside(self) -> QWidget:
        self._timesteps.setAccessibleName("Timesteps")
        self._timesteps.setPlaceholderText("999, 800, 600, 400, 200")
        self._timesteps.setClearButtonEnabled(True)
        self._problem.setProperty("role", "over")
        self._problem.setWordWrap(True)
        self._problem.hide()
        inside = QWidget()
        inside.setLayout(
            column(
                *self._numbers.rows(),
                labelled("Timesteps", self._timesteps, tip=glossary.TIMESTEPS),
                row(self._problem, margins=(LABEL_WIDTH + 8, 0, 0, 0)),
                self._noise,
                spacing=6,
            )
        )
        return inside

    def value(self) -> Sampling:
        try:
            timesteps = parse_timesteps(self._timesteps.text())
        except RequestError:
            timesteps = ()
        return replace(
            self._value,
            steps=len(timesteps) or self._value.steps,
            timesteps=timesteps,
            noise=self._noise.value(),
            **self._numbers.values(),
        )

    def set_value(self, value: Sampling) -> None:
        with QSignalBlocker(self):
            shown = self.value().timesteps
            self._value = value
            self._numbers.set_values(value)
            if value.timesteps != shown or not value.timesteps:
                self._timesteps.setText(", ".join(map(str, value.timesteps)))
            self._noise.set_value(value.noise)
            self._show()

    def unreadable(self) -> RequestError | None:
        """Why the timesteps that are typed make no sense; None when they do."""
        try:
            parse_timesteps(self._timesteps.text())
        except RequestError as problem:
            return problem
        return None

    def _moved(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        problem = self.unreadable()
        self._problem.setText("" if problem is None else str(problem))
        self._problem.setVisible(problem is not None)
        self._timesteps.setAccessibleDescription(self._problem.text())
        self.section.set_summary(self._summary())

    def _summary(self) -> str:
        timesteps, words = self.value().timesteps, self._numbers.summary()
        if self._problem.text():
            words.append("the timesteps make no sense")
        elif timesteps:
            words.append(f"{len(timesteps)} timesteps of your own")
        if noise := self._noise.value().words:
            words.append(noise)
        return " · ".join(words)
