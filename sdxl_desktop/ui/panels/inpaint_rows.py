"""The details of inpainting a masked area: its initial content, how far it grows, and how it is blended."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.edit import PrefillMode
from sdxl_desktop.core.workspace_value import EditPanelState
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fields import ComboBox
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row

_PREFILL_TOOLTIP = (
    "What lies under the mask when drawing starts. The lower the strength, the more of it shows in the end."
)
NUMBERS = ("grow", "mask_blur")
"""The declared numbers of `EditParameters` that apply to a mask, in their order."""
_SOFT_TOOLTIP = (
    "Takes the mask for strengths: where it is painted faintly, less is changed. Otherwise a mask is all or nothing."
)
_MATCH_TOOLTIP = (
    "Takes off the tint that drawing adds, so that the new has the colours of the old along the mask's edge."
)


class InpaintRows(QWidget):
    """Edits the part of `EditPanelState` that needs a mask, except the strength."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._prefill = ComboBox("Start from")
        for way in PrefillMode:
            self._prefill.addItem(way.label, way)
        self._numbers = NumberRows(EditPanelState, (*NUMBERS, "margin"))
        self._soft = Switch("Soft mask")
        self._match_colours = Switch("Match colours")
        self._only_masked = Switch("Draw only the masked area")
        self._margin_row = QWidget()
        self._lay_out()
        self._connect()
        self.set_value(EditPanelState())

    def _lay_out(self) -> None:
        for switch, tip in (
            (self._soft, _SOFT_TOOLTIP),
            (self._match_colours, _MATCH_TOOLTIP),
            (self._only_masked, tooltips.ONLY_MASKED),
        ):
            switch.setToolTip(tip)
        self._margin_row.setLayout(self._numbers.row("margin"))
        self.setLayout(
            column(
                labelled_row("Start from", self._prefill, tooltip=_PREFILL_TOOLTIP),
                *(self._numbers.row(name) for name in NUMBERS),
                self._soft,
                self._match_colours,
                self._only_masked,
                self._margin_row,
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._prefill.activated.connect(lambda _: self.changed.emit())
        self._numbers.changed.connect(self.changed)
        self._only_masked.toggled.connect(self._margin_row.setVisible)
        for switch in (self._soft, self._match_colours, self._only_masked):
            switch.toggled.connect(self.changed)

    def apply_to(self, value: EditPanelState) -> EditPanelState:
        """Return `value` with the displayed fields replaced."""
        return replace(
            value,
            prefill=PrefillMode(self._prefill.currentData()),
            soft=self._soft.isChecked(),
            match_colour=self._match_colours.isChecked(),
            only_masked=self._only_masked.isChecked(),
            **self._numbers.values(),
        )

    def set_value(self, value: EditPanelState) -> None:
        with QSignalBlocker(self):
            self._prefill.setCurrentIndex(list(PrefillMode).index(value.prefill))
            self._numbers.set_values(value)
            self._soft.setChecked(value.soft)
            self._match_colours.setChecked(value.match_colour)
            self._only_masked.setChecked(value.only_masked)
            self._margin_row.setVisible(value.only_masked)


def inpaint_summary(value: EditPanelState) -> str:
    """Summarize the inpainting details, for display while they are collapsed."""
    parts = [
        f"From {value.prefill.label.lower()}",
        f"grow {value.grow}",
        f"blur {value.mask_blur:g}",
        *(words for on, words in ((value.soft, "soft"), (value.match_colour, "colours matched")) if on),
        *(words for on, words in ((value.only_masked, f"margin {value.margin}"),) if on),
    ]
    return " · ".join(parts)
