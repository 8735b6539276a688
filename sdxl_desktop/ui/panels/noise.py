"""Three choices that put a person's word in the place of the checkpoint's: prediction, terminal SNR, spacing."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.noise_schedule import NoiseOverride, PredictionType, TimestepSpacing
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.fields import Choice
from sdxl_desktop.ui.widgets.layout import column, labelled

_AS_IT_SAYS = "As the checkpoint says"
_ZERO = {"yes": True, "no": False}


class NoisePanel(QWidget):
    """Edits `NoiseOverride`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._prediction = _choice("Prediction type", [(kind.value, kind.label) for kind in PredictionType])
        self._zero = _choice("Zero terminal SNR", [("yes", "Yes"), ("no", "No")])
        self._spacing = _choice("Timestep spacing", [(kind.value, kind.label) for kind in TimestepSpacing])
        self.setLayout(
            column(
                labelled("Predicts", self._prediction, tip=glossary.PREDICTION_TYPE),
                labelled("Zero SNR", self._zero, tip=glossary.ZERO_SNR),
                labelled("Spacing", self._spacing, tip=glossary.TIMESTEP_SPACING),
                spacing=6,
            )
        )
        for choice in (self._prediction, self._zero, self._spacing):
            choice.currentIndexChanged.connect(lambda _: self.changed.emit())

    def value(self) -> NoiseOverride:
        prediction, spacing = self._prediction.currentData(), self._spacing.currentData()
        return NoiseOverride(
            prediction_type=PredictionType(prediction) if prediction else None,
            zero_terminal_snr=_ZERO.get(self._zero.currentData()),
            timestep_spacing=TimestepSpacing(spacing) if spacing else None,
        )

    def set_value(self, value: NoiseOverride) -> None:
        zero = {True: "yes", False: "no", None: ""}[value.zero_terminal_snr]
        for choice, data in (
            (self._prediction, value.prediction_type or ""),
            (self._zero, zero),
            (self._spacing, value.timestep_spacing or ""),
        ):
            with QSignalBlocker(choice):
                choice.setCurrentIndex(choice.findData(str(data)))


def _choice(name: str, items: list[tuple[str, str]]) -> Choice:
    choice = Choice(name)
    for data, label in (("", _AS_IT_SAYS), *items):
        choice.addItem(label, data)
    return choice
