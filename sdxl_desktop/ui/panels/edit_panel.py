"""Editing the picture on the canvas: the intent, the strength, and the details. Hidden while there is no picture."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.edit import EditParameters, EditSource, FitMode
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.workspace_value import EditPanelState
from sdxl_desktop.session import edit_values
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.inpaint_rows import InpaintRows, inpaint_summary
from sdxl_desktop.ui.panels.intent_bar import IntentBar
from sdxl_desktop.ui.panels.numbers import NumberRows
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.panels.segmented_control import SegmentedControl
from sdxl_desktop.ui.widgets.buttons import Switch, with_role
from sdxl_desktop.ui.widgets.layout_helpers import (
    LABEL_WIDTH,
    ElidedLabel,
    column,
    heading_label,
    labelled_row,
    muted_label,
    row,
    separator,
)

_NUMBER_WIDTH, _LINK_PADDING = 76, 7
_RATIO_TOLERANCE = 0.01
"""Aspect ratios that differ by less than this fraction are treated as equal."""
_DETAILS_TOOLTIP = "How the masked area is filled and blended in, and how the picture fits the size that is drawn."
_LEFT_OUT_TEXT = (
    "A part of the mask lies outside the dashed line and is not drawn. Paste the result back, draw in the picture's "
    "shape, or pad the picture."
)
_NO_INTENT_TEXT = "Your own values. Pick a word above to begin from good ones."


class EditPanel(QWidget):
    """Edits `EditPanelState`. `intent_wanted`: the values of an `Intent` should be set; `match_shape_requested`: the
    drawing size should take the picture's aspect ratio; `expand_requested`: the picture should be enlarged."""

    changed = Signal()
    intent_wanted = Signal(object)
    match_shape_requested = Signal()
    expand_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value = EditPanelState()
        self._source = EditSource()
        self._drawing_size = Size(1024, 1024)
        self._title = heading_label("Picture")
        self._picture_label = ElidedLabel()
        self._intent_bar = IntentBar()
        self._help_label = muted_label(wrap=True)
        self._left_out_label = muted_label(_LEFT_OUT_TEXT, wrap=True)
        self._left_out_label.setProperty("role", "over")
        self._left_out_label.hide()
        self._match_button = with_role(QPushButton("Draw in the picture's shape"), "link")
        self._numbers = NumberRows(EditParameters, ("strength",))
        self._fit_choice = SegmentedControl("Fit", [(fit.value, fit.label) for fit in FitMode], _FIT_TOOLTIPS)
        self._keep_size = Switch("Paste back at the picture's own size")
        self._inpaint_rows = InpaintRows()
        self.section = self._create_details()
        self._lay_out()
        self._connect()
        self.set_value(EditPanelState())
        self.set_source(EditSource())

    def _create_details(self) -> PanelSection:
        content = QWidget()
        content.setLayout(
            column(
                self._inpaint_rows,
                self._keep_size,
                labelled_row("Fit", self._fit_choice, tooltip=tooltips.FIT),
                spacing=6,
            )
        )
        return PanelSection("Details", content, tooltip=_DETAILS_TOOLTIP)

    def _lay_out(self) -> None:
        self._match_button.setToolTip(tooltips.MATCH_SHAPE)
        self._keep_size.setToolTip(tooltips.KEEP_SIZE)
        head = row(self._title)
        head.addWidget(self._picture_label, 1)
        self.setLayout(
            column(
                head,
                self._intent_bar,
                self._help_label,
                self._left_out_label,
                *self._numbers.rows(),
                _slider_end_labels("stays close", "all anew"),
                _indented_row(self._match_button),
                self.section,
                row(separator(), margins=(0, 6, 0, 0)),
                spacing=6,
            )
        )

    def _connect(self) -> None:
        self._intent_bar.intent_picked.connect(self._handle_intent_picked)
        self._match_button.clicked.connect(self.match_shape_requested)
        self._fit_choice.currentChanged.connect(self._handle_change)
        self._numbers.changed.connect(self._handle_change)
        self._keep_size.toggled.connect(self._handle_change)
        self._inpaint_rows.changed.connect(self._handle_change)

    # intents

    def _handle_intent_picked(self, intent: Intent) -> None:
        if intent is Intent.EXPAND:
            self.expand_requested.emit()  # without it there is no area to draw in
        else:
            self.intent_wanted.emit(intent)

    def _handle_change(self) -> None:
        self._value = self.value()
        self._update_texts()
        self.changed.emit()

    # value

    def value(self) -> EditPanelState:
        strength, keep_size = self._numbers.values()["strength"], self._keep_size.isChecked()
        value = replace(self._inpaint_rows.apply_to(self._value), fit=FitMode(self._fit_choice.value()))
        if self._has_mask():
            return replace(value, fill_strength=strength, fill_keep_size=keep_size)
        return replace(value, strength=strength, keep_size=keep_size)

    def set_value(self, value: EditPanelState) -> None:
        masked = self._has_mask()
        with QSignalBlocker(self), QSignalBlocker(self._inpaint_rows), QSignalBlocker(self._keep_size):
            self._value = value
            self._numbers.set_value("strength", value.fill_strength if masked else value.strength)
            self._fit_choice.set_value(value.fit)
            self._keep_size.setChecked(value.fill_keep_size if masked else value.keep_size)
            self._inpaint_rows.set_value(value)
        self._update_texts()

    # the picture on the canvas

    def set_source(self, source: EditSource) -> None:
        """Show the panel if there is a picture on the canvas, and the mask's rows if there is a mask."""
        value = self.value()
        self._source = source
        self.set_value(value)
        masked = self._has_mask()
        self.setVisible(source.picture is not None)
        self._inpaint_rows.setVisible(masked)
        tip = tooltips.FILL_STRENGTH if masked else self._numbers.help("strength")
        self._numbers.fields["strength"].set_tooltip(tip)
        self._update_shape_row()

    def set_drawing_size(self, size: Size) -> None:
        """Set the drawing size; the match button is offered if its aspect ratio differs from the picture's."""
        if size != self._drawing_size:
            self._drawing_size = size
            self._update_shape_row()

    def set_mask_left_out(self, left_out: bool) -> None:
        """Show or hide the note that a part of the mask lies outside the drawn area."""
        self._left_out_label.setVisible(left_out)

    def _has_mask(self) -> bool:
        return edit_values.has_mask(self._source)

    def _update_texts(self) -> None:
        value, masked = self._value, self._has_mask()
        held = value.intent if masked or value.intent is Intent.REFINE else None
        self._intent_bar.set_intent(held, masked=masked)
        self._help_label.setText(_NO_INTENT_TEXT if held is None else held.help)
        self._help_label.setVisible(masked or held is not None)
        back = ("pasted back",) if (value.fill_keep_size if masked else value.keep_size) else ()
        words = inpaint_summary(value) if masked else " · ".join((value.fit.label, *back))
        self.section.set_summary("" if self._source.picture is None else words)

    def _update_shape_row(self) -> None:
        picture = self._source.picture
        if picture is None:
            return
        size = picture.size
        self._picture_label.setText(f"{size.width} × {size.height}{', with a mask' if self._has_mask() else ''}")
        ratio = (size.width / size.height) / (self._drawing_size.width / self._drawing_size.height)
        same = abs(ratio - 1) < _RATIO_TOLERANCE
        self._match_button.setVisible(not same)


_FIT_TOOLTIPS = (tooltips.FIT_CROP, tooltips.FIT_PAD, tooltips.FIT_STRETCH)


def _slider_end_labels(low_text: str, high_text: str) -> QWidget:
    """Return labels for the two ends of a slider."""
    words = QWidget()
    ends = row(muted_label(low_text), spacing=4, margins=(LABEL_WIDTH + 8, 0, _NUMBER_WIDTH + 8, 0))
    ends.addStretch(1)
    ends.addWidget(muted_label(high_text))
    words.setLayout(ends)
    return words


def _indented_row(control: QWidget) -> QWidget:
    """Return a row with `control` aligned with the fields, not with their labels."""
    line = QWidget()
    inside = row(control, margins=(LABEL_WIDTH + 8 - _LINK_PADDING, 0, 0, 0))
    inside.addStretch(1)
    line.setLayout(inside)
    return line
