"""Three choices that override the checkpoint's noise schedule: prediction type, zero terminal SNR, spacing."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride, PredictionType, TimestepSpacing
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.widgets.fields import ComboBox
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row

_CHECKPOINT_DEFAULT = "As the checkpoint says"
_ZERO_SNR_VALUES = {"yes": True, "no": False}


class NoisePanel(QWidget):
    """Edits `NoiseScheduleOverride`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._prediction = _create_combo_box("Prediction type", [(kind.value, kind.label) for kind in PredictionType])
        self._zero_terminal_snr = _create_combo_box("Zero terminal SNR", [("yes", "Yes"), ("no", "No")])
        self._spacing = _create_combo_box("Timestep spacing", [(kind.value, kind.label) for kind in TimestepSpacing])
        self.setLayout(
            column(
                labelled_row("Predicts", self._prediction, tooltip=tooltips.PREDICTION_TYPE),
                labelled_row("Zero SNR", self._zero_terminal_snr, tooltip=tooltips.ZERO_SNR),
                labelled_row("Spacing", self._spacing, tooltip=tooltips.TIMESTEP_SPACING),
                spacing=6,
            )
        )
        for choice in (self._prediction, self._zero_terminal_snr, self._spacing):
            choice.currentIndexChanged.connect(lambda _: self.changed.emit())

    def value(self) -> NoiseScheduleOverride:
        prediction, spacing = self._prediction.currentData(), self._spacing.currentData()
        return NoiseScheduleOverride(
            prediction_type=PredictionType(prediction) if prediction else None,
            zero_terminal_snr=_ZERO_SNR_VALUES.get(self._zero_terminal_snr.currentData()),
            timestep_spacing=TimestepSpacing(spacing) if spacing else None,
        )

    def set_value(self, value: NoiseScheduleOverride) -> None:
        zero = {True: "yes", False: "no", None: ""}[value.zero_terminal_snr]
        for choice, data in (
            (self._prediction, value.prediction_type or ""),
            (self._zero_terminal_snr, zero),
            (self._spacing, value.timestep_spacing or ""),
        ):
            with QSignalBlocker(choice):
                choice.setCurrentIndex(choice.findData(str(data)))


def _create_combo_box(name: str, items: list[tuple[str, str]]) -> ComboBox:
    choice = ComboBox(name)
    for data, label in (("", _CHECKPOINT_DEFAULT), *items):
        choice.addItem(label, data)
    return choice
