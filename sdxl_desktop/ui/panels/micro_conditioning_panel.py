"""Micro-conditioning: the sizes and crop passed to SDXL; off by default, set by numbers or on a drawing to scale."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import MicroConditioning
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.micro_conditioning_side import (
    NEGATIVE_TEXTS,
    POSITIVE_TEXTS,
    MicroConditioningSide,
    MicroConditioningSideValue,
)
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.panels.segmented_control import SegmentedControl
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.layout_helpers import column


@dataclass(frozen=True, slots=True)
class MicroConditioningValue:
    """The panel's value: whether the values are used, and the values, which are kept while they are not used.

    The aesthetic scores belong to the refiner panel: here they are always the defaults.
    """

    on: bool = False
    conditioning: MicroConditioning = MicroConditioning()

    @property
    def effective(self) -> MicroConditioning:
        return self.conditioning if self.on else MicroConditioning()


class MicroConditioningPanel(QWidget):
    """Edits `MicroConditioningValue`. `compare_requested`: run the same seed without and with these values."""

    changed = Signal()
    compare_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._picture_size = Size(1024, 1024)
        self._switch = Switch()
        self._side_choice = SegmentedControl(
            "Which side is edited",
            [("towards", "Draw towards"), ("away", "Steer away from")],
            (tooltips.MICRO_TOWARDS, tooltips.MICRO_AWAY),
        )
        self.positive, self.negative = MicroConditioningSide(POSITIVE_TEXTS), MicroConditioningSide(NEGATIVE_TEXTS)
        self._compare_button = QPushButton("Compare with and without")
        self._content = QWidget()
        self.section = PanelSection("&Micro-conditioning", self._content, self._switch, tooltip=tooltips.MICRO)
        self._lay_out()
        self._connect()
        self._refresh()

    def _lay_out(self) -> None:
        self._switch.setAccessibleName("Micro-conditioning")
        self._switch.setToolTip(tooltips.MICRO)
        self._side_choice.setToolTip(tooltips.MICRO_SIDES)
        self._content.setEnabled(False)
        self.negative.hide()
        self._content.setLayout(
            column(self._side_choice, self.positive, self.negative, self._compare_button, spacing=10)
        )
        self.setLayout(column(self.section))

    def _connect(self) -> None:
        self._switch.toggled.connect(self._handle_switched)
        self._switch.clicked.connect(self._open_if_on)
        self._side_choice.currentChanged.connect(self._show_selected_side)
        self._compare_button.clicked.connect(self.compare_requested)
        for side in (self.positive, self.negative):
            side.changed.connect(self._handle_change)

    def value(self) -> MicroConditioningValue:
        towards, away = self.positive.value(), self.negative.value()
        return MicroConditioningValue(
            self._switch.isChecked(),
            MicroConditioning(
                original_size=towards.original,
                crop_top_left=towards.crop,
                target_size=towards.target,
                negative_original_size=away.original,
                negative_crop_top_left=away.crop,
                negative_target_size=away.target,
            ),
        )

    def set_value(self, value: MicroConditioningValue) -> None:
        given = value.conditioning
        with QSignalBlocker(self):
            self._switch.setChecked(value.on)
            self.positive.set_value(
                MicroConditioningSideValue(given.original_size, given.crop_top_left, given.target_size)
            )
            self.negative.set_value(
                MicroConditioningSideValue(
                    given.negative_original_size, given.negative_crop_top_left, given.negative_target_size
                )
            )
        self._refresh()

    def set_picture_size(self, size: Size) -> None:
        """Set the picture size, which Auto stands for."""
        if size != self._picture_size:
            self._picture_size = size
            self._refresh()

    def _handle_switched(self, on: bool) -> None:
        self._content.setEnabled(on)
        self._refresh()
        self.changed.emit()

    def _open_if_on(self, on: bool) -> None:
        if on:
            self.section.set_open(True)

    def _show_selected_side(self) -> None:
        towards = self._side_choice.value() == "towards"
        self.positive.setVisible(towards)
        self.negative.setVisible(not towards)

    def _handle_change(self) -> None:
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        value = self.value()
        given = value.conditioning
        self.positive.set_drawings(*given.positive_time_ids(self._picture_size), self._picture_size)
        self.negative.set_drawings(*given.negative_time_ids(self._picture_size), self._picture_size)
        something = given != MicroConditioning()
        self._compare_button.setEnabled(something)
        self._compare_button.setToolTip(tooltips.COMPARE if something else tooltips.NOTHING_TO_COMPARE)
        self.section.set_summary(_summary(given) if value.on else "")


def _summary(conditioning: MicroConditioning) -> str:
    words = []
    if conditioning.original_size is not None:
        words.append(f"original {conditioning.original_size.width} × {conditioning.original_size.height}")
    if conditioning.crop_top_left is not None:
        words.append(f"crop {conditioning.crop_top_left.x}, {conditioning.crop_top_left.y}")
    if conditioning.target_size is not None:
        words.append(f"target {conditioning.target_size.width} × {conditioning.target_size.height}")
    away = (conditioning.negative_original_size, conditioning.negative_crop_top_left, conditioning.negative_target_size)
    if any(value is not None for value in away):
        words.append("steered away")
    text = " · ".join(words) or "all values are Auto"
    return text[0].upper() + text[1:]
