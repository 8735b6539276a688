"""The bar above a candidate: reblend, apply or discard it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.edit import MAX_MASK_BLUR
from sdxl_desktop.session.compositing import BlendSettings
from sdxl_desktop.ui.panels.exact_number import ExactNumber
from sdxl_desktop.ui.widgets.buttons import IconButton, Switch, with_role
from sdxl_desktop.ui.widgets.fields import FloatField, SliderField
from sdxl_desktop.ui.widgets.layout_helpers import row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

_FEATHER_TOOLTIP = (
    "Over how many pixels, inside the mask's edge, the new fades into the old. It is blended anew at once, from what "
    "was drawn: nothing is drawn again."
)
_MATCH_TOOLTIP = "Give the new the colours of the old along the mask's edge"
_GAP, _MARGINS_WIDTH, _HEIGHT = 8, 48, 41
_MAX_FEATHER_WIDTH = 208


class _FeatherField(SliderField):
    """A feather in pixels; the slider is limited to useful values. `slider_released` is emitted on release."""

    slider_released = Signal()

    def __init__(self) -> None:
        super().__init__(FloatField("Feather in pixels", 0, MAX_MASK_BLUR, 0.5, 1), 64)
        self.set_tooltip(_FEATHER_TOOLTIP)
        self.setMaximumWidth(_MAX_FEATHER_WIDTH)
        self._slider.sliderReleased.connect(self.slider_released)

    @property
    def is_dragged(self) -> bool:
        return self._slider.isSliderDown()

    def set_slider_maximum(self, pixels: float) -> None:
        """Limit the slider to `pixels`; the number field accepts more."""
        with QSignalBlocker(self._slider):
            self._slider.setMaximum(round(pixels * self._scale))
            self._sync_slider()


class CandidateBar(QWidget):
    """Emits `blend_changed` with a `BlendSettings` while the user changes it, `blend_settled` when the change is
    finished."""

    apply_requested = Signal()
    apply_and_continue_requested = Signal()
    discard_requested = Signal()
    blend_changed = Signal(object)
    blend_settled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("canvasBar")  # same background and border as the bar above
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._original_blend: BlendSettings | None = None
        self._blendable = self._is_candidate = False
        self._feather_label = PlainTextLabel("Feather")
        self._feather_label.setToolTip(_FEATHER_TOOLTIP)
        self._feather = _FeatherField()
        self._exact_feather = ExactNumber(self._feather, 1)
        self._match_switch = Switch("Match colours")
        self._match_switch.setToolTip(_MATCH_TOOLTIP)
        self._reset_button = IconButton("reset", "Blend as it was drawn", "Back to the blend it was drawn with")
        self._discard_button = QPushButton("Discard")
        self._apply_and_continue_button = QPushButton("Apply and keep going")
        self._apply_button = with_role(QPushButton("Apply"), "primary")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._discard_button.setToolTip("Take this candidate out of the strip; a saved file stays (Delete)")
        self._apply_and_continue_button.setToolTip(
            "Take this candidate over and draw again, with the next seed (Ctrl+Alt+Enter)"
        )
        self._apply_button.setToolTip("Take this candidate over as the picture; undo brings the old one back (Enter)")
        bar = row(
            self._feather_label,
            self._feather,
            self._match_switch,
            self._reset_button,
            spacing=_GAP,
            margins=(16, 4, 8, 4),
        )
        bar.addStretch(1)
        self.setMinimumHeight(_HEIGHT)  # the height of the paint bar, which it replaces
        for button in (self._discard_button, self._apply_and_continue_button, self._apply_button):
            button.setAutoDefault(False)
            bar.addWidget(button)
        self.setLayout(bar)

    def _connect(self) -> None:
        self._feather.changed.connect(self._handle_change)
        self._feather.slider_released.connect(self.blend_settled)
        self._match_switch.toggled.connect(self._handle_change)
        self._reset_button.clicked.connect(self._reset_blend)
        self._discard_button.clicked.connect(self.discard_requested)
        self._apply_and_continue_button.clicked.connect(self.apply_and_continue_requested)
        self._apply_button.clicked.connect(self.apply_requested)

    def _handle_change(self) -> None:
        self._update_reset_button()
        self.blend_changed.emit(self.value())
        if not self._feather.is_dragged:
            self.blend_settled.emit()

    def _reset_blend(self) -> None:
        if self._original_blend is not None:
            self.set_value(self._original_blend)
            self.blend_changed.emit(self._original_blend)
            self.blend_settled.emit()

    def value(self) -> BlendSettings:
        return BlendSettings(self._exact_feather.value(), self._match_switch.isChecked())

    def set_value(self, blend: BlendSettings) -> None:
        with QSignalBlocker(self), QSignalBlocker(self._match_switch), QSignalBlocker(self._feather):
            if blend != self.value():
                self._exact_feather.set_value(blend.feather)
                self._match_switch.setChecked(blend.match_colour)
        self._update_reset_button()

    def set_candidate(
        self,
        blend: BlendSettings | None,
        original_blend: BlendSettings | None,
        *,
        max_feather: float,
        is_candidate: bool,
    ) -> None:
        """`blend`: current blend of the result on the canvas, None if it cannot be changed; `original_blend`: the
        blend of its run; `max_feather`: largest useful feather in pixels; `is_candidate`: there is a picture to
        apply it to."""
        self._original_blend, self._blendable, self._is_candidate = original_blend, blend is not None, is_candidate
        if blend is not None:
            self._feather.set_slider_maximum(max_feather)
            self.set_value(blend)
        self.setVisible(self._blendable or is_candidate)
        self._update_visible_controls()

    def _update_reset_button(self) -> None:
        self._reset_button.setEnabled(self._original_blend is not None and self.value() != self._original_blend)

    def _update_visible_controls(self) -> None:
        """Always show Apply and Discard; show the other controls by priority while there is room."""
        room = (
            self.width()
            - self._needed_width(self._discard_button, self._apply_button) * self._is_candidate
            - _MARGINS_WIDTH
        )
        for widgets, offered in (
            ((self._feather_label, self._feather), self._blendable),
            ((self._apply_and_continue_button,), self._is_candidate),
            ((self._match_switch,), self._blendable),
            ((self._reset_button,), self._blendable),
        ):
            needed = self._needed_width(*widgets) if offered else 0
            for widget in widgets:
                widget.setVisible(offered and room >= needed)
            room -= needed
        for button in (self._discard_button, self._apply_button):
            button.setVisible(self._is_candidate)

    def _needed_width(self, *widgets: QWidget) -> int:
        return sum(min(widget.sizeHint().width(), _MAX_FEATHER_WIDTH) + _GAP for widget in widgets)

    def minimumSizeHint(self) -> QSize:
        return QSize(
            self._needed_width(self._discard_button, self._apply_button) + _MARGINS_WIDTH,
            super().minimumSizeHint().height(),
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._update_visible_controls()
