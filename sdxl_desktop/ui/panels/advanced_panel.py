"""Advanced sampling: guidance rescale, a typed list of custom timesteps, and the noise schedule override."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.request import Sampling
from sdxl_desktop.core.sampling import parse_timesteps
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.noise_panel import NoisePanel
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.widgets.layout_helpers import LABEL_WIDTH, column, labelled_row, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

NUMBERS = ("guidance_rescale",)
"""The declared numbers of `Sampling` that this panel edits."""


class AdvancedPanel(QWidget):
    """Edits the rarely used fields of `Sampling`; the others are passed through. While the typed timesteps are invalid,
    the value has none and `unreadable` returns the error."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value = Sampling()
        self._numbers = NumberRows(Sampling, NUMBERS)
        self._timesteps = QLineEdit()
        self._noise_panel = NoisePanel()
        self._error_label = PlainTextLabel()
        self.section = PanelSection("&Advanced", self._create_content(), tooltip=tooltips.ADVANCED)
        self.setLayout(column(self.section))
        self._numbers.changed.connect(self._handle_change)
        self._timesteps.textChanged.connect(self._handle_change)
        self._noise_panel.changed.connect(self._handle_change)

    def _create_content(self) -> QWidget:
        self._timesteps.setAccessibleName("Timesteps")
        self._timesteps.setPlaceholderText("999, 800, 600, 400, 200")
        self._timesteps.setClearButtonEnabled(True)
        self._error_label.setProperty("role", "over")
        self._error_label.setWordWrap(True)
        self._error_label.hide()
        inside = QWidget()
        inside.setLayout(
            column(
                *self._numbers.rows(),
                labelled_row("Timesteps", self._timesteps, tooltip=tooltips.TIMESTEPS),
                row(self._error_label, margins=(LABEL_WIDTH + 8, 0, 0, 0)),
                self._noise_panel,
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
            noise=self._noise_panel.value(),
            **self._numbers.values(),
        )

    def set_value(self, value: Sampling) -> None:
        with QSignalBlocker(self):
            shown = self.value().timesteps
            self._value = value
            self._numbers.set_values(value)
            if value.timesteps != shown or not value.timesteps:
                self._timesteps.setText(", ".join(map(str, value.timesteps)))
            self._noise_panel.set_value(value.noise)
            self._refresh()

    def input_error(self) -> RequestError | None:
        """Return why the typed timesteps are invalid; None if they are valid."""
        try:
            parse_timesteps(self._timesteps.text())
        except RequestError as problem:
            return problem
        return None

    def _handle_change(self) -> None:
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        problem = self.input_error()
        self._error_label.setText("" if problem is None else str(problem))
        self._error_label.setVisible(problem is not None)
        self._timesteps.setAccessibleDescription(self._error_label.text())
        self.section.set_summary(self._summary())

    def _summary(self) -> str:
        timesteps, words = self.value().timesteps, self._numbers.summary()
        if self._error_label.text():
            words.append("the timesteps make no sense")
        elif timesteps:
            words.append(f"{len(timesteps)} timesteps of your own")
        if noise := self._noise_panel.value().description:
            words.append(noise)
        return " · ".join(words)
