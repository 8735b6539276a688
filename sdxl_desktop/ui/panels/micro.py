"""Micro-conditioning: the sizes and crop SDXL is told, off by default, set by numbers or on a drawing to scale."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import MicroConditioning
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.micro_side import AWAY, TOWARDS, MicroSide, Side
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.layout import column


@dataclass(frozen=True, slots=True)
class MicroValue:
    """The panel's value: whether the values count, and the values, which are kept while they do not.

    The aesthetic scores are the refiner panel's: here they are always the defaults.
    """

    on: bool = False
    conditioning: MicroConditioning = MicroConditioning()

    @property
    def effective(self) -> MicroConditioning:
        return self.conditioning if self.on else MicroConditioning()


class MicroPanel(QWidget):
    """Edits `MicroValue`. `compare_wanted`: the same seed should be drawn without and with these values."""

    changed = Signal()
    compare_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._picture = Size(1024, 1024)
        self._on = Switch()
        self._sides = Segmented(
            "Which side is edited",
            [("towards", "Draw towards"), ("away", "Steer away from")],
            (glossary.MICRO_TOWARDS, glossary.MICRO_AWAY),
        )
        self.towards, self.away = MicroSide(TOWARDS), MicroSide(AWAY)
        self._compare = QPushButton("Compare with and without")
        self._inside = QWidget()
        self.section = Section("&Micro-conditioning", self._inside, self._on, tip=glossary.MICRO)
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        self._on.setAccessibleName("Micro-conditioning")
        self._on.setToolTip(glossary.MICRO)
        self._sides.setToolTip(glossary.MICRO_SIDES)
        self._inside.setEnabled(False)
        self.away.hide()
        self._inside.setLayout(column(self._sides, self.towards, self.away, self._compare, spacing=10))
        self.setLayout(column(self.section))

    def _connect(self) -> None:
        self._on.toggled.connect(self._switched)
        self._on.clicked.connect(self._open_with_switch)
        self._sides.currentChanged.connect(self._show_side)
        self._compare.clicked.connect(self.compare_wanted)
        for side in (self.towards, self.away):
            side.changed.connect(self._moved)

    def value(self) -> MicroValue:
        towards, away = self.towards.value(), self.away.value()
        return MicroValue(
            self._on.isChecked(),
            MicroConditioning(
                original_size=towards.original,
                crop_top_left=towards.crop,
                target_size=towards.target,
                negative_original_size=away.original,
                negative_crop_top_left=away.crop,
                negative_target_size=away.target,
            ),
        )

    def set_value(self, value: MicroValue) -> None:
        given = value.conditioning
        with QSignalBlocker(self):
            self._on.setChecked(value.on)
            self.towards.set_value(Side(given.original_size, given.crop_top_left, given.target_size))
            self.away.set_value(
                Side(given.negative_original_size, given.negative_crop_top_left, given.negative_target_size)
            )
        self._show()

    def set_picture_size(self, size: Size) -> None:
        """What Auto stands for."""
        self._picture = size
        self._show()

    def _switched(self, on: bool) -> None:
        self._inside.setEnabled(on)
        self._show()
        self.changed.emit()

    def _open_with_switch(self, on: bool) -> None:
        if on:
            self.section.set_open(True)

    def _show_side(self) -> None:
        towards = self._sides.value() == "towards"
        self.towards.setVisible(towards)
        self.away.setVisible(not towards)

    def _moved(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        value = self.value()
        given = value.conditioning
        self.towards.draw(*given.positive_ids(self._picture), self._picture)
        self.away.draw(*given.negative_ids(self._picture), self._picture)
        something = given != MicroConditioning()
        self._compare.setEnabled(something)
        self._compare.setToolTip(glossary.COMPARE if something else glossary.NOTHING_TO_COMPARE)
        self.section.set_summary(_summary(given) if value.on else "")


def _summary(given: MicroConditioning) -> str:
    words = []
    if given.original_size is not None:
        words.append(f"original {given.original_size.width} × {given.original_size.height}")
    if given.crop_top_left is not None:
        words.append(f"crop {given.crop_top_left.x}, {given.crop_top_left.y}")
    if given.target_size is not None:
        words.append(f"target {given.target_size.width} × {given.target_size.height}")
    away = (given.negative_original_size, given.negative_crop_top_left, given.negative_target_size)
    if any(value is not None for value in away):
        words.append("steered away")
    text = " · ".join(words) or "all values are Auto"
    return text[0].upper() + text[1:]
