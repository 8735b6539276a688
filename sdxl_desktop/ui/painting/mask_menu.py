"""The menu of what is done to a whole mask, and of the way it is shown."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QAction, QActionGroup, QColor, QIcon, QPixmap
from PySide6.QtWidgets import QMenu, QWidget, QWidgetAction

from sdxl_desktop.ui.painting.mask_layer import OverlayLook
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.layout import labelled

COLOURS = {"Red": "#ff3355", "Green": "#2ecc71", "Blue": "#3d8bff", "Yellow": "#ffd21f", "White": "#ffffff"}
_MAX_AMOUNT = 512


class MaskMenu(QMenu):
    """Verbs are signals; `changed` when the overlay is to look different."""

    changed = Signal()
    invert_wanted = Signal()
    clear_wanted = Signal()
    fill_holes_wanted = Signal()
    grow_wanted = Signal(int)
    shrink_wanted = Signal(int)
    feather_wanted = Signal(int)
    load_mask_wanted = Signal()
    save_mask_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self._amount = IntField("Pixels to grow, shrink or feather by", 1, _MAX_AMOUNT)
        self._opacity = IntField("Opacity of the overlay", 5, 100)
        self._masked: list[QAction] = []
        self._colour = OverlayLook().colour
        self._colours = QActionGroup(self)
        self._fill()

    def _fill(self) -> None:
        self._entry("&Invert\tCtrl+I", self.invert_wanted.emit, always=True)
        self._entry("&Clear\tDel", self.clear_wanted.emit)
        self._entry("Fill &holes", self.fill_holes_wanted.emit)
        self.addSeparator()
        self._amount.setValue(8)
        self._amount.setSuffix(" px")
        self._field("By", self._amount, "How many pixels Grow, Shrink and Feather work on")
        self._entry("&Grow", lambda: self.grow_wanted.emit(self._amount.committed()))
        self._entry("&Shrink", lambda: self.shrink_wanted.emit(self._amount.committed()))
        self._entry("&Feather", lambda: self.feather_wanted.emit(self._amount.committed()))
        self.addSeparator()
        self._entry("&Load mask…", self.load_mask_wanted.emit, always=True)
        self._entry("Sa&ve mask…", self.save_mask_wanted.emit)
        self.addSeparator()
        self._fill_colours(self.addMenu("Overlay c&olour"))
        self._opacity.setSuffix(" %")
        self._opacity.setSingleStep(5)
        self._field("Overlay", self._opacity, "How much of the picture the mask's colour hides")
        self._opacity.valueChanged.connect(lambda _: self.changed.emit())

    def _entry(self, words: str, act: object, *, always: bool = False) -> None:
        action = self.addAction(words)
        action.triggered.connect(lambda: act())  # type: ignore[operator]
        if not always:
            self._masked.append(action)

    def _field(self, words: str, field: IntField, tip: str) -> None:
        holder = QWidget()
        line = labelled(words, field, tip=tip)
        line.setContentsMargins(16, 2, 8, 2)
        holder.setLayout(line)
        action = QWidgetAction(self)
        action.setDefaultWidget(holder)
        self.addAction(action)

    def _fill_colours(self, menu: QMenu) -> None:
        for name, colour in COLOURS.items():
            swatch = QPixmap(16, 16)
            swatch.fill(QColor(colour))
            action = menu.addAction(QIcon(swatch), name)
            action.setCheckable(True)
            action.setData(colour)
            self._colours.addAction(action)
        self._colours.triggered.connect(self._choose_colour)

    def _choose_colour(self, action: QAction) -> None:
        self._colour = str(action.data())
        self.changed.emit()

    def overlay_look(self) -> OverlayLook:
        return OverlayLook(self._colour, self._opacity.value() / 100)

    def set_overlay_look(self, look: OverlayLook) -> None:
        with QSignalBlocker(self), QSignalBlocker(self._opacity):
            self._colour = look.colour
            for action in self._colours.actions():
                action.setChecked(action.data() == look.colour)
            self._opacity.setValue(round(look.opacity * 100))

    def show_masked(self, masked: bool) -> None:
        """Offer what needs a mask only when there is one."""
        for action in self._masked:
            action.setEnabled(masked)
