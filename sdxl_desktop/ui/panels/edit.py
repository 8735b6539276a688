"""Changing the picture on the canvas: what is meant, how much, and how. There only while one lies there."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.edit import Edit, Fit, Ground
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.settings import EditValue
from sdxl_desktop.session import edit_values
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.filling import FillingRows, summary
from sdxl_desktop.ui.panels.intent_bar import IntentBar
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.panels.segmented import Segmented
from sdxl_desktop.ui.widgets.buttons import Switch, dressed
from sdxl_desktop.ui.widgets.layout import LABEL_WIDTH, ElidedLabel, column, heading, labelled, muted, row, rule

_NUMBER_WIDTH, _LINK_PADDING = 76, 7
_SAME_SHAPE = 0.01
"""Two shapes whose ratios differ by less than this share are the same to the eye."""
_DETAILS = "How the masked area is filled and blended in, and how the picture fits the size that is drawn."
_LEFT_OUT = (
    "A part of the mask lies outside the dashed line and is not drawn. Paste the result back, draw in the picture's "
    "shape, or pad the picture."
)
_NO_INTENT = "Your own values. Pick a word above to begin from good ones."


class EditPanel(QWidget):
    """Edits `EditValue`. `intent_wanted`: the values of an `Intent` should be set; `match_wanted`: the size that is
    drawn should take the picture's shape; `expand_wanted`: the picture should be made larger."""

    changed = Signal()
    intent_wanted = Signal(object)
    match_wanted = Signal()
    expand_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value = EditValue()
        self._ground = Ground()
        self._drawn = Size(1024, 1024)
        self._title = heading("Picture")
        self._picture = ElidedLabel()
        self._intents = IntentBar()
        self._help = muted(wrap=True)
        self._left_out = muted(_LEFT_OUT, wrap=True)
        self._left_out.setProperty("role", "over")
        self._left_out.hide()
        self._match = dressed(QPushButton("Draw in the picture's shape"), "link")
        self._numbers = NumberRows(Edit, ("strength",))
        self._fit = Segmented("Fit", [(fit.value, fit.label) for fit in Fit], _FIT_TIPS)
        self._keep_size = Switch("Paste back at the picture's own size")
        self._filling = FillingRows()
        self.section = self._details()
        self._lay_out()
        self._connect()
        self.set_value(EditValue())
        self.show_ground(Ground())

    def _details(self) -> Section:
        content = QWidget()
        content.setLayout(
            column(self._filling, self._keep_size, labelled("Fit", self._fit, tip=glossary.FIT), spacing=6)
        )
        return Section("Details", content, tip=_DETAILS)

    def _lay_out(self) -> None:
        self._match.setToolTip(glossary.MATCH_SHAPE)
        self._keep_size.setToolTip(glossary.KEEP_SIZE)
        head = row(self._title)
        head.addWidget(self._picture, 1)
        self.setLayout(
            column(
                head,
                self._intents,
                self._help,
                self._left_out,
                *self._numbers.rows(),
                _ends("stays close", "all anew"),
                _indented(self._match),
                self.section,
                row(rule(), margins=(0, 6, 0, 0)),
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._intents.picked.connect(self._picked)
        self._match.clicked.connect(self.match_wanted)
        self._fit.currentChanged.connect(self._moved)
        self._numbers.changed.connect(self._moved)
        self._keep_size.toggled.connect(self._moved)
        self._filling.changed.connect(self._moved)

    # intents

    def _picked(self, intent: Intent) -> None:
        if intent is Intent.EXPAND:
            self.expand_wanted.emit()  # there is nothing to draw in before
        else:
            self.intent_wanted.emit(intent)

    def _moved(self) -> None:
        self._value = self.value()
        self._show_words()
        self.changed.emit()

    # the contract of panels

    def value(self) -> EditValue:
        strength, keep_size = self._numbers.values()["strength"], self._keep_size.isChecked()
        value = replace(self._filling.put_into(self._value), fit=Fit(self._fit.value()))
        if self._masked():
            return replace(value, fill_strength=strength, fill_keep_size=keep_size)
        return replace(value, strength=strength, keep_size=keep_size)

    def set_value(self, value: EditValue) -> None:
        masked = self._masked()
        with QSignalBlocker(self), QSignalBlocker(self._filling), QSignalBlocker(self._keep_size):
            self._value = value
            self._numbers.set_value("strength", value.fill_strength if masked else value.strength)
            self._fit.set_value(value.fit)
            self._keep_size.setChecked(value.fill_keep_size if masked else value.keep_size)
            self._filling.set_value(value)
        self._show_words()

    # what lies on the canvas

    def show_ground(self, ground: Ground) -> None:
        """Be there when a picture lies on the canvas, with the mask's rows when there is a mask."""
        value = self.value()
        self._ground = ground
        self.set_value(value)
        masked = self._masked()
        self.setVisible(ground.picture is not None)
        self._filling.setVisible(masked)
        tip = glossary.FILL_STRENGTH if masked else self._numbers.help("strength")
        self._numbers.fields["strength"].set_tip(tip)
        self._show_shape()

    def show_drawn_size(self, size: Size) -> None:
        """The size that is drawn: another shape than the picture's can be matched."""
        self._drawn = size
        self._show_shape()

    def show_left_out(self, left_out: bool) -> None:
        """Say or no longer say that a part of the mask lies outside of what is drawn."""
        self._left_out.setVisible(left_out)

    def _masked(self) -> bool:
        return edit_values.masked(self._ground)

    def _show_words(self) -> None:
        value, masked = self._value, self._masked()
        held = value.intent if masked or value.intent is Intent.REFINE else None
        self._intents.show_intent(held, masked=masked)
        self._help.setText(_NO_INTENT if held is None else held.help)
        self._help.setVisible(masked or held is not None)
        back = ("pasted back",) if (value.fill_keep_size if masked else value.keep_size) else ()
        words = summary(value) if masked else " · ".join((value.fit.label, *back))
        self.section.set_summary("" if self._ground.picture is None else words)

    def _show_shape(self) -> None:
        picture = self._ground.picture
        if picture is None:
            return
        size = picture.size
        self._picture.setText(f"{size.width} × {size.height}{', with a mask' if self._masked() else ''}")
        ratio = (size.width / size.height) / (self._drawn.width / self._drawn.height)
        same = abs(ratio - 1) < _SAME_SHAPE
        self._match.setVisible(not same)


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
