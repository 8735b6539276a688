"""The menu of operations on the whole mask and of the overlay's style."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QAction, QActionGroup, QColor, QIcon, QPixmap
from PySide6.QtWidgets import QMenu, QWidget, QWidgetAction

from sdxl_desktop.ui.painting.mask_layer import OverlayStyle
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.layout_helpers import labelled_row

COLOURS = {"Red": "#ff3355", "Green": "#2ecc71", "Blue": "#3d8bff", "Yellow": "#ffd21f", "White": "#ffffff"}
_MAX_AMOUNT = 512


class MaskMenu(QMenu):
    """Operations are signals; `changed` when the overlay's style has changed."""

    changed = Signal()
    invert_requested = Signal()
    clear_requested = Signal()
    fill_holes_requested = Signal()
    grow_requested = Signal(int)
    shrink_requested = Signal(int)
    feather_requested = Signal(int)
    load_mask_requested = Signal()
    save_mask_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self._amount_field = IntField("Pixels to grow, shrink or feather by", 1, _MAX_AMOUNT)
        self._opacity_field = IntField("Opacity of the overlay", 5, 100)
        self._mask_actions: list[QAction] = []
        self._colour = OverlayStyle().colour
        self._colours = QActionGroup(self)
        self._add_items()

    def _add_items(self) -> None:
        self._add_action("&Invert\tCtrl+I", self.invert_requested.emit, always_enabled=True)
        self._add_action("&Clear\tDel", self.clear_requested.emit)
        self._add_action("Fill &holes", self.fill_holes_requested.emit)
        self.addSeparator()
        self._amount_field.setValue(8)
        self._amount_field.setSuffix(" px")
        self._add_field("By", self._amount_field, "How many pixels Grow, Shrink and Feather work on")
        self._add_action("&Grow", lambda: self.grow_requested.emit(self._amount_field.commit_value()))
        self._add_action("&Shrink", lambda: self.shrink_requested.emit(self._amount_field.commit_value()))
        self._add_action("&Feather", lambda: self.feather_requested.emit(self._amount_field.commit_value()))
        self.addSeparator()
        self._add_action("&Load mask…", self.load_mask_requested.emit, always_enabled=True)
        self._add_action("Sa&ve mask…", self.save_mask_requested.emit)
        self.addSeparator()
        self._fill_colours(self.addMenu("Overlay c&olour"))
        self._opacity_field.setSuffix(" %")
        self._opacity_field.setSingleStep(5)
        self._add_field("Overlay", self._opacity_field, "How much of the picture the mask's colour hides")
        self._opacity_field.valueChanged.connect(lambda _: self.changed.emit())

    def _add_action(self, text: str, callback: object, *, always_enabled: bool = False) -> None:
        action = self.addAction(text)
        action.triggered.connect(lambda: callback())  # type: ignore[operator]
        if not always_enabled:
            self._mask_actions.append(action)

    def _add_field(self, text: str, field: IntField, tooltip: str) -> None:
        holder = QWidget()
        line = labelled_row(text, field, tooltip=tooltip)
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

    def overlay_style(self) -> OverlayStyle:
        return OverlayStyle(self._colour, self._opacity_field.value() / 100)

    def set_overlay_style(self, style: OverlayStyle) -> None:
        with QSignalBlocker(self), QSignalBlocker(self._opacity_field):
            self._colour = style.colour
            for action in self._colours.actions():
                action.setChecked(action.data() == style.colour)
            self._opacity_field.setValue(round(style.opacity * 100))

    def set_has_mask(self, has_mask: bool) -> None:
        """Enable the operations that need a mask only if there is one."""
        for action in self._mask_actions:
            action.setEnabled(has_mask)
