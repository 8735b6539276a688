"""The bar over a candidate: blend it anew, take it over, or throw it away."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.edit import MAX_MASK_BLUR
from sdxl_desktop.session.blend import Blend
from sdxl_desktop.ui.panels.exact import ExactNumber
from sdxl_desktop.ui.widgets.buttons import IconButton, Switch, dressed
from sdxl_desktop.ui.widgets.fields import RealField, SlidNumber
from sdxl_desktop.ui.widgets.layout import row
from sdxl_desktop.ui.widgets.plain import PlainLabel

_FEATHER = (
    "Over how many pixels, inside the mask's edge, the new fades into the old. It is blended anew at once, from what "
    "was drawn: nothing is drawn again."
)
_MATCH = "Give the new the colours of the old along the mask's edge"
_GAP, _AROUND, _HEIGHT = 8, 48, 41
_WIDEST_FEATHER = 208


class _Feather(SlidNumber):
    """A feather in pixels, whose slider goes as far as it makes sense. `released` when it is let go."""

    released = Signal()

    def __init__(self) -> None:
        super().__init__(RealField("Feather in pixels", 0, MAX_MASK_BLUR, 0.5, 1), 64)
        self.set_tip(_FEATHER)
        self.setMaximumWidth(_WIDEST_FEATHER)
        self._slider.sliderReleased.connect(self.released)

    @property
    def dragged(self) -> bool:
        return self._slider.isSliderDown()

    def set_reach(self, pixels: float) -> None:
        """Let the slider end at `pixels`; the field goes on."""
        with QSignalBlocker(self._slider):
            self._slider.setMaximum(round(pixels * self._scale))
            self._show_on_slider()


class CandidateBar(QWidget):
    """`blended` with a `Blend` as the person changes it, `blend_settled` when that is over."""

    apply_wanted = Signal()
    go_on_wanted = Signal()
    discard_wanted = Signal()
    blended = Signal(object)
    blend_settled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("canvasBar")  # the same ground and line as the bar above it
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._first: Blend | None = None
        self._blendable = self._candidate = False
        self._word = PlainLabel("Feather")
        self._word.setToolTip(_FEATHER)
        self._feather = _Feather()
        self._exact = ExactNumber(self._feather, 1)
        self._match = Switch("Match colours")
        self._match.setToolTip(_MATCH)
        self._reset = IconButton("reset", "Blend as it was drawn", "Back to the blend it was drawn with")
        self._discard = QPushButton("Discard")
        self._go_on = QPushButton("Apply and keep going")
        self._apply = dressed(QPushButton("Apply"), "primary")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._discard.setToolTip("Take this candidate out of the strip; a saved file stays (Delete)")
        self._go_on.setToolTip("Take this candidate over and draw again, with the next seed (Ctrl+Alt+Enter)")
        self._apply.setToolTip("Take this candidate over as the picture; undo brings the old one back (Enter)")
        bar = row(self._word, self._feather, self._match, self._reset, spacing=_GAP, margins=(16, 4, 8, 4))
        bar.addStretch(1)
        self.setMinimumHeight(_HEIGHT)  # that of the bar for painting, whose place it takes
        for button in (self._discard, self._go_on, self._apply):
            button.setAutoDefault(False)
            bar.addWidget(button)
        self.setLayout(bar)

    def _connect(self) -> None:
        self._feather.changed.connect(self._moved)
        self._feather.released.connect(self.blend_settled)
        self._match.toggled.connect(self._moved)
        self._reset.clicked.connect(self._go_back)
        self._discard.clicked.connect(self.discard_wanted)
        self._go_on.clicked.connect(self.go_on_wanted)
        self._apply.clicked.connect(self.apply_wanted)

    def _moved(self) -> None:
        self._show_reset()
        self.blended.emit(self.value())
        if not self._feather.dragged:
            self.blend_settled.emit()

    def _go_back(self) -> None:
        if self._first is not None:
            self.set_value(self._first)
            self.blended.emit(self._first)
            self.blend_settled.emit()

    def value(self) -> Blend:
        return Blend(self._exact.value(), self._match.isChecked())

    def set_value(self, blend: Blend) -> None:
        with QSignalBlocker(self), QSignalBlocker(self._match), QSignalBlocker(self._feather):
            if blend != self.value():
                self._exact.set_value(blend.feather)
                self._match.setChecked(blend.match_colour)
        self._show_reset()

    def show_candidate(self, now: Blend | None, first: Blend | None, *, reach: float, candidate: bool) -> None:
        """`now`: how what is on the canvas is blended, None where it cannot be changed; `first`: how it was drawn;
        `reach`: the widest feather that makes sense, in pixels; `candidate`: there is a picture to take it over."""
        self._first, self._blendable, self._candidate = first, now is not None, candidate
        if now is not None:
            self._feather.set_reach(reach)
            self.set_value(now)
        self.setVisible(self._blendable or candidate)
        self._show_what_fits()

    def _show_reset(self) -> None:
        self._reset.setEnabled(self._first is not None and self.value() != self._first)

    def _show_what_fits(self) -> None:
        """The verdict always; of the rest, the most wanted first, as far as there is room."""
        room = self.width() - self._needed(self._discard, self._apply) * self._candidate - _AROUND
        for widgets, offered in (
            ((self._word, self._feather), self._blendable),
            ((self._go_on,), self._candidate),
            ((self._match,), self._blendable),
            ((self._reset,), self._blendable),
        ):
            needed = self._needed(*widgets) if offered else 0
            for widget in widgets:
                widget.setVisible(offered and room >= needed)
            room -= needed
        for button in (self._discard, self._apply):
            button.setVisible(self._candidate)

    def _needed(self, *widgets: QWidget) -> int:
        return sum(min(widget.sizeHint().width(), _WIDEST_FEATHER) + _GAP for widget in widgets)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._needed(self._discard, self._apply) + _AROUND, super().minimumSizeHint().height())

    def resizeEvent(self, change: QResizeEvent) -> None:
        super().resizeEvent(change)
        self._show_what_fits()
