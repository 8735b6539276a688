"""Changing the picture on the canvas: how much, how it fits, and what a mask needs. There only while one lies there."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.edit import MAX_MARGIN, MAX_MASK_BLUR, Edit, Fit, Ground
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.settings import EditValue
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.exact import ExactNumber
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.widgets.buttons import Switch, dressed
from sdxl_desktop.ui.widgets.fields import IntField, RealField, SlidNumber
from sdxl_desktop.ui.widgets.layout import LABEL_WIDTH, ElidedLabel, column, heading, labelled, muted, row, rule

_NUMBER_WIDTH, _LINK_PADDING = 76, 7
_SAME_SHAPE = 0.01
"""Two shapes whose ratios differ by less than this share are the same to the eye."""


class EditPanel(QWidget):
    """Edits `EditValue`. `match_wanted`: the size that is drawn should take the picture's shape."""

    changed = Signal()
    match_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value = EditValue()
        self._ground = Ground()
        self._drawn = Size(1024, 1024)
        self._title = heading("Picture")
        self._picture = ElidedLabel()
        self._match = dressed(QPushButton("Draw in the picture's shape"), "link")
        self._strength = SlidNumber(RealField("Strength", 0.01, 1, 0.01, 2), 1)
        self._exact_strength = ExactNumber(self._strength, 2)
        self._fit = Segmented("Fit", [(fit.value, fit.label) for fit in Fit], _FIT_TIPS)
        self._keep_size = Switch("Paste back at the picture's own size")
        self._blur = SlidNumber(RealField("Mask blur in pixels", 0, MAX_MASK_BLUR, 0.5, 1), 64)
        self._exact_blur = ExactNumber(self._blur, 1)
        self._only_masked = Switch("Draw only the masked area")
        self._margin = SlidNumber(IntField("Margin in pixels", 0, MAX_MARGIN), 256)
        self._margin_row = QWidget()
        self._mask_rows = QWidget()
        self._lay_out()
        self._connect()
        self.set_value(EditValue())
        self.show_ground(Ground())

    def _lay_out(self) -> None:
        self._match.setToolTip(glossary.MATCH_SHAPE)
        self._strength.set_tip(glossary.STRENGTH)
        self._blur.set_tip(glossary.MASK_BLUR)
        self._margin.set_tip(glossary.MARGIN)
        for switch, tip in ((self._keep_size, glossary.KEEP_SIZE), (self._only_masked, glossary.ONLY_MASKED)):
            switch.setToolTip(tip)
        self._mask_rows.setLayout(
            column(
                labelled("Mask blur", self._blur, tip=glossary.MASK_BLUR),
                self._only_masked,
                self._margin_row,
                spacing=6,
            )
        )
        self._margin_row.setLayout(labelled("Margin", self._margin, tip=glossary.MARGIN))
        head = row(self._title)
        head.addWidget(self._picture, 1)
        self.setLayout(
            column(
                head,
                labelled("Strength", self._strength, tip=glossary.STRENGTH),
                _ends("stays close", "all anew"),
                labelled("Fit", self._fit, tip=glossary.FIT),
                _indented(self._match),
                self._keep_size,
                self._mask_rows,
                row(rule(), margins=(0, 6, 0, 0)),
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._fit.currentChanged.connect(self._moved)
        self._match.clicked.connect(self.match_wanted)
        for slid in (self._strength, self._blur, self._margin):
            slid.changed.connect(self._moved)
        for switch in (self._keep_size, self._only_masked):
            switch.toggled.connect(self._moved)

    def value(self) -> EditValue:
        strength = self._exact_strength.value()
        value = replace(
            self._value,
            fit=Fit(self._fit.value()),
            keep_size=self._keep_size.isChecked(),
            mask_blur=self._exact_blur.value(),
            only_masked=self._only_masked.isChecked(),
            margin=round(self._margin.value()),
        )
        return replace(value, fill_strength=strength) if self._masked() else replace(value, strength=strength)

    def set_value(self, value: EditValue) -> None:
        with QSignalBlocker(self):
            self._value = value
            self._exact_strength.set_value(value.fill_strength if self._masked() else value.strength)
            self._fit.set_value(value.fit)
            self._keep_size.setChecked(value.keep_size)
            self._exact_blur.set_value(value.mask_blur)
            self._only_masked.setChecked(value.only_masked)
            self._margin.set_value(value.margin)
            self._margin_row.setVisible(value.only_masked)

    def edit(self, ground: Ground) -> Edit | None:
        """What is to be done to `ground`: None where no picture lies there. Raises RequestError for an empty mask."""
        if ground.picture is None:
            return None
        value, masked = self.value(), ground.mask is not None
        return Edit(
            picture=ground.picture,
            mask=ground.mask,
            strength=value.fill_strength if masked else value.strength,
            fit=value.fit,
            mask_blur=value.mask_blur if masked else 0.0,
            only_masked=value.margin if masked and value.only_masked else None,
            keep_size=value.keep_size,
        )

    def reuse(self, edit: Edit) -> None:
        """Take over how a picture was changed; what the edit says nothing of stays. Does not emit."""
        value = replace(self.value(), fit=edit.fit, keep_size=edit.keep_size)
        if edit.mask is None:
            self.set_value(replace(value, strength=edit.strength))
            return
        value = replace(value, fill_strength=edit.strength, mask_blur=edit.mask_blur)
        margin = value.margin if edit.only_masked is None else edit.only_masked
        self.set_value(replace(value, only_masked=edit.only_masked is not None, margin=margin))

    def show_ground(self, ground: Ground) -> None:
        """Be there when a picture lies on the canvas, with the mask's rows when there is a mask."""
        value = self.value()
        self._ground = ground
        self.set_value(value)
        masked = self._masked()
        self.setVisible(ground.picture is not None)
        self._mask_rows.setVisible(masked)
        self._strength.set_tip(glossary.FILL_STRENGTH if masked else glossary.STRENGTH)
        self._show_shape()

    def show_drawn_size(self, size: Size) -> None:
        """The size that is drawn: another shape than the picture's can be matched."""
        self._drawn = size
        self._show_shape()

    def _masked(self) -> bool:
        return self._ground.picture is not None and self._ground.mask is not None

    def _show_shape(self) -> None:
        picture = self._ground.picture
        if picture is None:
            return
        size = picture.size
        self._picture.setText(f"{size.width} × {size.height}{', with a mask' if self._masked() else ''}")
        ratio = (size.width / size.height) / (self._drawn.width / self._drawn.height)
        same = abs(ratio - 1) < _SAME_SHAPE
        self._match.setVisible(not same)

    def _moved(self) -> None:
        self._value = self.value()
        self._margin_row.setVisible(self._only_masked.isChecked())
        self.changed.emit()


_FIT_TIPS = (glossary.FIT_CROP, glossary.FIT_PAD, glossary.FIT_STRETCH)


def _ends(low: str, high: str) -> QWidget:
    """Words under the two ends of a labelled slider."""
    words = QWidget()
    ends = row(muted(low), spacing=4, margins=(LABEL_WIDTH + 8, 0, _NUMBER_WIDTH + 8, 0))
    ends.addStretch(1)
    ends.addWidget(muted(high))
    words.setLayout(ends)
    return words


def _indented(control: QWidget) -> QWidget:
    """`control` under the fields, not under their labels."""
    line = QWidget()
    inside = row(control, margins=(LABEL_WIDTH + 8 - _LINK_PADDING, 0, 0, 0))
    inside.addStretch(1)
    line.setLayout(inside)
    return line
