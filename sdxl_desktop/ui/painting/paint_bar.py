"""The canvas's tool bar: the tools, the active tool's settings, and operations on the whole mask."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QToolButton, QWidget

from sdxl_desktop.ui.painting.mask_menu import MaskMenu
from sdxl_desktop.ui.painting.tool_settings import MAX_TOLERANCE, ToolKind, ToolSettings
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.layout_helpers import muted_label, row

_TOOLTIPS = {
    ToolKind.HAND: "Hand: move the picture, or drag it out to another application (V)",
    ToolKind.BRUSH: "Brush: paint what is to be drawn anew (B). Shift-drag sets the size, Alt erases",
    ToolKind.ERASER: "Eraser: take away from the mask (E). X goes back to the brush",
    ToolKind.RECTANGLE: "Rectangle (R). Shift makes a square, Alt takes away",
    ToolKind.ELLIPSE: "Ellipse (O). Shift makes a circle, Alt takes away",
    ToolKind.LASSO: "Lasso: draw around an area (L). Alt takes away",
    ToolKind.COLOUR: "Select by colour: mask what looks like the place you click (W). Alt takes away",
    ToolKind.FRAME: "Frame: drag the picture's edges outward to draw more around it (F). Shift drags both sides, or "
    "keeps a corner's shape; arrow keys move an edge, Enter applies, Esc gives up",
}
_MAX_SIZE = 2048
_GAP = 2
_FIXED_WIDTH = 12 + 8 + 17 + 3 * _GAP
"""Logical pixels of the margins and the separator after the tools."""
_UNLIMITED_WIDTH = 10_000


class _ToolSettingField(QWidget):
    """A label and a number field."""

    changed = Signal()

    def __init__(self, text: str, field: IntField, suffix: str, tooltip: str) -> None:
        super().__init__()
        self.field = field
        field.setSuffix(suffix)
        field.setFixedWidth(80 if suffix else 60)
        self._label = muted_label(text)
        self._label.setBuddy(field)
        for widget in (self, self._label, field):
            widget.setToolTip(tooltip)
        self.setLayout(row(self._label, field, spacing=6, margins=(0, 0, 8, 0)))
        field.valueChanged.connect(self.changed)

    def show_within(self, available_width: int) -> int:
        """Show the field within `available_width`, if needed without its label, or hide it; return the width used."""
        for with_word in (True, False):
            self._label.setVisible(with_word)
            needed = self.sizeHint().width() + _GAP
            if needed <= available_width:
                self.show()
                return needed
        self.hide()
        return 0


class PaintBar(QWidget):
    """Edits a ToolSettings; operations on the whole mask are signals. `changed` when the user changes a setting,
    `settings_applied` also after `set_value`: for receivers that apply the settings."""

    changed = Signal()
    settings_applied = Signal()
    undo_requested = Signal()
    redo_requested = Signal()
    invert_requested = Signal()
    clear_requested = Signal()
    fill_holes_requested = Signal()
    grow_requested = Signal(int)
    shrink_requested = Signal(int)
    feather_requested = Signal(int)
    load_mask_requested = Signal()
    save_mask_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("canvasBar")  # the same background and border as the bar above it
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._group = QButtonGroup(self)
        self._tool_buttons = {kind: self._create_tool_button(kind) for kind in ToolKind}
        self._create_fields()
        self._create_buttons()
        self._menu = MaskMenu(self)
        self._more_button.setMenu(self._menu)
        self._lay_out()
        self._connect()
        self._set_fields(ToolSettings())
        self.set_undo_redo("", "")
        self.set_document_state(editable=False, has_mask=False)

    # layout

    def _create_tool_button(self, kind: ToolKind) -> IconButton:
        button = IconButton(f"tool-{kind}", kind.label, _TOOLTIPS[kind])
        button.setCheckable(True)
        self._group.addButton(button)
        return button

    def _create_fields(self) -> None:
        self._size = _ToolSettingField(
            "Size", IntField("Brush size", 1, _MAX_SIZE), " px", "Diameter of the brush ([ and ])"
        )
        self._hardness = _ToolSettingField(
            "Hardness", IntField("Brush hardness", 0, 100), " %", "How sharp the brush's rim is (Shift+[ and Shift+])"
        )
        self._opacity = _ToolSettingField(
            "Opacity", IntField("Brush opacity", 1, 100), " %", "The most that one stroke covers (1 to 9, 0 for all)"
        )
        self._tolerance = _ToolSettingField(
            "Tolerance", IntField("Tolerance", 0, MAX_TOLERANCE), "", "How different a colour may be (0 to 255)"
        )
        self._hardness.field.setSingleStep(5)
        self._opacity.field.setSingleStep(5)

    def _create_buttons(self) -> None:
        self._contiguous = IconButton("connected", "Connected only", "Only what is connected with the place you click")
        self._contiguous.setCheckable(True)
        self._add = IconButton("add", "Add", "Shapes are added to the mask (X)")
        self._subtract = IconButton(
            "subtract", "Subtract", "Shapes are taken out of the mask (X, or Alt while drawing)"
        )
        self._combining = QButtonGroup(self)
        for button in (self._add, self._subtract):
            button.setCheckable(True)
            self._combining.addButton(button)
        self._undo = IconButton("undo", "Undo", "Undo (Ctrl+Z)")
        self._redo = IconButton("redo", "Redo", "Redo (Ctrl+Shift+Z)")
        self._overlay = IconButton("eye", "Show the mask", "Show or hide the mask (M)")
        self._overlay.setCheckable(True)
        self._more_button = IconButton("more", "Mask", "More for the mask: grow, shrink, feather, load, save, colours")
        self._more_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._more_button.setProperty("role", "menu")
        self._more_button.setStyleSheet("QToolButton::menu-indicator { image: none; }")

        self._hint = muted_label("Drag an edge outward to draw more there")

    def _lay_out(self) -> None:
        bar = row(spacing=_GAP, margins=(12, 4, 8, 4))
        for button in self._tool_buttons.values():
            bar.addWidget(button)
        self._rule = _vertical_separator()
        _add_spaced(bar, self._rule)
        bar.addWidget(self._add)
        bar.addWidget(self._subtract)
        for setting in (self._size, self._hardness, self._opacity, self._tolerance):
            bar.addWidget(setting)
        bar.addWidget(self._contiguous)
        bar.addWidget(self._hint)
        bar.addStretch(1)
        for button in (self._undo, self._redo, self._overlay, self._more_button):
            bar.addWidget(button)
        self.setLayout(bar)

    def _connect(self) -> None:
        self._group.buttonClicked.connect(lambda _: self._handle_change())
        self._combining.buttonClicked.connect(lambda _: self._handle_change())
        for setting in (self._size, self._hardness, self._opacity, self._tolerance):
            setting.changed.connect(self._handle_change)
        self._contiguous.clicked.connect(self._handle_change)
        self._overlay.clicked.connect(self._handle_change)
        self._undo.clicked.connect(self.undo_requested)
        self._redo.clicked.connect(self.redo_requested)
        menu = self._menu
        menu.changed.connect(self._handle_change)
        menu.invert_requested.connect(self.invert_requested)
        menu.clear_requested.connect(self.clear_requested)
        menu.fill_holes_requested.connect(self.fill_holes_requested)
        menu.grow_requested.connect(self.grow_requested)
        menu.shrink_requested.connect(self.shrink_requested)
        menu.feather_requested.connect(self.feather_requested)
        menu.load_mask_requested.connect(self.load_mask_requested)
        menu.save_mask_requested.connect(self.save_mask_requested)

    # value

    def value(self) -> ToolSettings:
        return ToolSettings(
            tool=next(kind for kind, button in self._tool_buttons.items() if button.isChecked()),
            size=self._size.field.value(),
            hardness=self._hardness.field.value() / 100,
            opacity=self._opacity.field.value() / 100,
            tolerance=self._tolerance.field.value(),
            contiguous=self._contiguous.isChecked(),
            subtract=self._subtract.isChecked(),
            overlay=self._overlay.isChecked(),
            overlay_style=self._menu.overlay_style(),
        )

    def set_value(self, settings: ToolSettings) -> None:
        self._set_fields(settings)
        self.settings_applied.emit()

    def select_tool(self, tool: ToolKind) -> None:
        """Select a tool, as if its button were pressed."""
        self.set_value(replace(self.value(), tool=tool))
        self.changed.emit()

    def _set_fields(self, settings: ToolSettings) -> None:
        fields = (self._size, self._hardness, self._opacity, self._tolerance)
        blockers = [QSignalBlocker(setting) for setting in fields]
        self._tool_buttons[settings.tool].setChecked(True)
        self._size.field.setValue(settings.size)
        self._hardness.field.setValue(round(settings.hardness * 100))
        self._opacity.field.setValue(round(settings.opacity * 100))
        self._tolerance.field.setValue(settings.tolerance)
        self._contiguous.setChecked(settings.contiguous)
        (self._subtract if settings.subtract else self._add).setChecked(True)
        self._overlay.setChecked(settings.overlay)
        self._menu.set_overlay_style(settings.overlay_style)
        for blocker in blockers:
            blocker.unblock()
        self._update_visible_settings()

    def _handle_change(self) -> None:
        self._update_visible_settings()
        self.settings_applied.emit()
        self.changed.emit()

    # visible state

    def set_undo_redo(self, undo: str, redo: str) -> None:
        """Set the names of the next undo and redo steps ("Undo brush stroke"), "" if there is none."""
        self._undo.setEnabled(bool(undo))
        self._redo.setEnabled(bool(redo))
        self._undo.setToolTip(f"{undo or 'Undo'} (Ctrl+Z)")
        self._redo.setToolTip(f"{redo or 'Redo'} (Ctrl+Shift+Z)")

    def set_document_state(self, *, editable: bool, has_mask: bool) -> None:
        """Set whether there is an editable picture, and whether any of it is masked."""
        for button in (*self._tool_buttons.values(), self._overlay, self._more_button):
            button.setEnabled(editable)
        for setting in (self._size, self._hardness, self._opacity, self._tolerance):
            setting.setEnabled(editable)
        for button in (self._add, self._subtract, self._contiguous):
            button.setEnabled(editable)
        self._menu.set_has_mask(has_mask)

    def _update_visible_settings(self) -> None:
        """Show the active tool's settings as far as there is room; shortcuts cover the rest."""
        kind = next(kind for kind, button in self._tool_buttons.items() if button.isChecked())
        self._overlay.set_icon_name("eye" if self._overlay.isChecked() else "eye-off")
        self._rule.setVisible(kind is not ToolKind.HAND)
        room = self.width() - self._fixed_width() if self.isVisible() else _UNLIMITED_WIDTH
        for setting, wanted in ((self._size, kind.paints), (self._tolerance, kind is ToolKind.COLOUR)):
            if wanted:
                room -= setting.show_within(room)
            else:
                setting.hide()
        for widgets, shown in (
            ((self._add, self._subtract), kind.selects),
            ((self._contiguous,), kind is ToolKind.COLOUR),
            ((self._undo, self._redo), True),
            ((self._opacity,), kind.paints),
            ((self._hardness,), kind.paints),
            ((self._hint,), kind is ToolKind.FRAME),
        ):
            needed = sum(widget.sizeHint().width() + _GAP for widget in widgets) if shown else 0
            for widget in widgets:
                widget.setVisible(shown and room >= needed)
            room -= needed

    def _fixed_width(self) -> int:
        """Return the width of the parts that are always visible."""
        buttons = (*self._tool_buttons.values(), self._overlay, self._more_button)
        return sum(button.sizeHint().width() + _GAP for button in buttons) + _FIXED_WIDTH

    def minimumSizeHint(self) -> QSize:
        return QSize(self._fixed_width(), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._update_visible_settings()


def _vertical_separator() -> QFrame:
    line = QFrame()
    line.setProperty("role", "rule")
    line.setFixedSize(1, 20)
    line.setStyleSheet("max-height: 20px; min-height: 20px;")
    return line


def _add_spaced(bar: QHBoxLayout, widget: QWidget) -> None:
    bar.addSpacing(8)
    bar.addWidget(widget)
    bar.addSpacing(8)
